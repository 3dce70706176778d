"""Facts about a picture that can be measured: brightness, contrast, colours, sharpness.

Nothing here recognises anything. Pictures come in strips, so that any size can be measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# A channel within half a step of 8 bits of its end is clipped.
_CLIPPED = 0.5 / 255
_KEPT = 4096
_COLOURS = 6
_ROUNDS = 20
# Colours of the palette nearer than this (CIE 1976 colour difference) are told as one.
_SAME_COLOUR = 12.0
_SMALLEST_SHARE = 0.01
_WINDOW = 9


@dataclass
class Tones:
    """Brightness, contrast, colourfulness and clipping of a picture, strip by strip.

    Contrast is the standard deviation of the lightness. Colourfulness is Hasler and Suesstrunk,
    "Measuring colourfulness in natural images", 2003: about 15 slight, 45 average, 80 strong.
    """

    weight: float = 0.0
    _sums: NDArray[np.float64] = field(default_factory=lambda: np.zeros(8))
    _samples: list[Floats] = field(default_factory=list)

    def add(self, rgb: Floats, weight: Floats) -> None:
        """Count a strip: ``rgb`` (h, w, 3) sRGB in 0..1, ``weight`` (h, w) in 0..1."""
        values = rgb.reshape(-1, 3)
        shares = weight.reshape(-1)
        self.weight += float(shares.sum(dtype=np.float64))
        lightness = _lab(values)[:, 0]
        red, green, blue = cv2.split(rgb.reshape(-1, 1, 3) * np.float32(255))
        first, second = (red - green)[:, 0], ((red + green) / 2 - blue)[:, 0]
        low = values.max(axis=1) <= _CLIPPED
        high = values.max(axis=1) >= 1 - _CLIPPED
        for index, part in enumerate((lightness, first, second)):
            weighed = part * shares
            self._sums[2 * index : 2 * index + 2] += (weighed.sum(), np.dot(weighed, part))
        self._sums[6:] += (shares[low].sum(), shares[high].sum())
        visible = np.flatnonzero(shares > 0)
        chosen = visible[:: max(1, len(visible) // _KEPT)]
        self._samples.append(np.concatenate([values[chosen], shares[chosen, None]], axis=1))

    @property
    def brightness(self) -> float:
        """Mean lightness L*, 0 black to 100 white."""
        return float(self._means[0])

    @property
    def contrast(self) -> float:
        """Standard deviation of the lightness L*, 0 to 50."""
        return self._deviation(0)

    @property
    def colourfulness(self) -> float:
        """Hasler and Suesstrunk's measure; 0 for grey."""
        spread = np.hypot(self._deviation(2), self._deviation(4))
        return float(spread + 0.3 * np.hypot(self._means[2], self._means[4]))

    @property
    def shadows_clipped(self) -> float:
        """Share of pure black."""
        return float(self._means[6])

    @property
    def highlights_clipped(self) -> float:
        """Share of pixels with a channel at its end."""
        return float(self._means[7])

    def palette(self) -> list[tuple[str, float]]:
        """Up to six colours as "#rrggbb" with their shares, the commonest first."""
        samples = np.concatenate(self._samples)
        return palette(samples[:, :3], samples[:, 3])

    @property
    def _means(self) -> NDArray[np.float64]:
        return self._sums / max(self.weight, 1e-12)

    def _deviation(self, index: int) -> float:
        means = self._means
        return float(np.sqrt(max(means[index + 1] - means[index] ** 2, 0.0)))


def palette(rgb: Floats, weight: Floats) -> list[tuple[str, float]]:
    """The dominant colours of ``rgb`` (n, 3), sRGB in 0..1, as "#rrggbb" with shares of ``weight``.

    Lloyd's algorithm in CIE Lab, begun with the mean and then each time the colour farthest from
    those taken; like colours are joined, and those below one per cent left out.
    """
    lab = _lab(rgb)
    centres = [np.average(lab, axis=0, weights=weight)]
    away = ((lab - centres[0]) ** 2).sum(axis=1)
    for _ in range(_COLOURS - 1):
        centres.append(lab[int(np.argmax(away * weight))])
        away = np.minimum(away, ((lab - centres[-1]) ** 2).sum(axis=1))
    places = np.array(centres)
    for _ in range(_ROUNDS):
        nearest = ((lab[:, None] - places[None]) ** 2).sum(axis=2).argmin(axis=1)
        sums = np.bincount(nearest, weight, len(places))
        moved = [
            np.bincount(nearest, weight * lab[:, axis], len(places)) / np.maximum(sums, 1e-12)
            for axis in range(3)
        ]
        places = np.where(sums[:, None] > 0, np.stack(moved, axis=1), places)
    found: list[tuple[NDArray[np.float64], float]] = []
    for index in np.argsort(-sums):
        share = float(sums[index] / sums.sum())
        place = np.asarray(places[index], np.float64)
        for number, (other, others_share) in enumerate(found):
            if np.linalg.norm(place - other) < _SAME_COLOUR:
                both = share + others_share
                found[number] = ((place * share + other * others_share) / both, both)
                break
        else:
            found.append((place, share))
    found.sort(key=lambda item: item[1], reverse=True)
    return [(_hex(place), share) for place, share in found if share >= _SMALLEST_SHARE]


def sharpness(patches: Sequence[Floats]) -> float:
    """How much blurring would change the picture: 0 very blurred to 1 very sharp.

    ``patches`` are float32 (h, w, 3), sRGB in 0..1. One minus the measure of Crete, Dolmiere,
    Ladret, Nicolas, "The blur effect: perception and estimation with a new no-reference perceptual
    blur metric", 2007, of the sharpest patch; 0 where nothing varies.
    """
    return max((1 - _blur_effect(patch) for patch in patches), default=0.0)


def _blur_effect(rgb: Floats) -> float:
    grey = cv2.cvtColor(np.ascontiguousarray(rgb), cv2.COLOR_RGB2GRAY)
    worst = 0.0
    for axis in (0, 1):
        if grey.shape[axis] < 3:
            continue
        kernel = (1, _WINDOW) if axis == 0 else (_WINDOW, 1)
        blurred = cv2.blur(grey, kernel, borderType=cv2.BORDER_REFLECT)
        before, after = (np.abs(np.diff(plane, axis=axis)) for plane in (grey, blurred))
        total = float(before.sum(dtype=np.float64))
        if total < 1e-4 * before.size:
            return 1.0
        lost = float(np.maximum(before - after, 0).sum(dtype=np.float64))
        worst = max(worst, (total - lost) / total)
    return worst


def _lab(rgb: Floats) -> Floats:
    """CIE Lab (L* 0..100) of sRGB values (n, 3)."""
    pixels = np.ascontiguousarray(rgb, np.float32)[None]
    return np.asarray(cv2.cvtColor(pixels, cv2.COLOR_RGB2LAB)).reshape(-1, 3)


def _hex(lab: NDArray[np.float64]) -> str:
    rgb = cv2.cvtColor(lab.astype(np.float32).reshape(1, 1, 3), cv2.COLOR_LAB2RGB).reshape(3)
    red, green, blue = (round(255 * min(max(float(value), 0), 1)) for value in rgb)
    return f"#{red:02x}{green:02x}{blue:02x}"
