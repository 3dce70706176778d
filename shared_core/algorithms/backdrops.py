"""Backdrops for a cut-out subject, in its colours: palette, studio light, painted cloth, blur.

Also draws another picture's light and palette towards the subject's (Reinhard et al., "Color
Transfer between Images", IEEE CG&A 2001).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from .colour_ramps import Colour, Ramp, from_oklab, to_oklab
from .noise_fields import Field, Floats, level, smooth

_PALETTE = 5
_ROUNDS = 12
_SAMPLES = 20000
# How far contrast may change, for lightness and both colour axes. Colour never spreads: what is
# grey in a colourful picture would turn to the opposite colour.
_LEAST = np.array([0.7, 0.6, 0.6])
_MOST = np.array([1.3, 1.0, 1.0])


@dataclass(frozen=True)
class Subject:
    """What is known of the visible pixels, each counted by its alpha.

    ``palette`` are up to five colours, the most frequent first; ``mean`` and ``spread`` are in
    CIE Lab; ``centre`` is x and y in 0..1.
    """

    palette: tuple[Colour, ...]
    mean: NDArray[np.float64]
    spread: NDArray[np.float64]
    centre: tuple[float, float]


def subject(rgb: Floats, alpha: Floats) -> Subject | None:
    """The subject of a picture (h, w, 3) with opacity (h, w); None where nothing is visible."""
    weight = alpha.ravel().astype(np.float64)
    seen = np.flatnonzero(weight > 0.05)
    if not seen.size:
        return None
    seen = seen[:: max(1, seen.size // _SAMPLES)]
    colours, weight = rgb.reshape(-1, 3)[seen], weight[seen]
    lab = cv2.cvtColor(colours[None], cv2.COLOR_RGB2Lab)[0].astype(np.float64)
    mean = np.average(lab, axis=0, weights=weight)
    spread = np.sqrt(np.average((lab - mean) ** 2, axis=0, weights=weight))
    rows, columns = np.divmod(seen, alpha.shape[1])
    centre = (
        (float(np.average(columns, weights=weight)) + 0.5) / alpha.shape[1],
        (float(np.average(rows, weights=weight)) + 0.5) / alpha.shape[0],
    )
    return Subject(_palette(colours, weight), mean, spread, centre)


def _palette(colours: Floats, weight: NDArray[np.float64]) -> tuple[Colour, ...]:
    """Means of clusters in Oklab (Lloyd, "Least Squares Quantization in PCM", 1982)."""
    lab = to_oklab(colours)
    order = np.argsort(lab[:, 0], kind="stable")
    start = order[np.linspace(0, order.size - 1, 2 * _PALETTE + 1).astype(int)[1::2]]
    means = np.unique(lab[start], axis=0)
    nearest = np.zeros(len(lab), np.intp)
    for _ in range(_ROUNDS):
        nearest = ((lab[:, None] - means[None]) ** 2).sum(axis=2).argmin(axis=1)
        totals = np.bincount(nearest, weight, len(means))
        kept = totals > 0
        sums = [np.bincount(nearest, weight * plane, len(means)) for plane in lab.T]
        means = np.stack(sums, axis=1)[kept] / totals[kept, None]
    totals = np.bincount(
        ((lab[:, None] - means[None]) ** 2).sum(axis=2).argmin(axis=1), weight, len(means)
    )
    rgb = from_oklab(means[np.argsort(-totals, kind="stable")])
    return tuple((float(r), float(g), float(b)) for r, g, b in rgb)


def backdrop_colours(
    palette: Sequence[Colour], share: float, given: Sequence[Colour] = ()
) -> tuple[Colour, Colour, Colour]:
    """Dark, middle and light for a backdrop that sets the subject off.

    Its hue is that of the most colourful of ``palette`` by ``share`` (0..1, else grey), or of
    ``given``; it is light behind a dark subject and dark behind a light one.
    """
    seen = to_oklab(palette or [(0.5, 0.5, 0.5)])
    colourful = seen[np.hypot(seen[:, 1], seen[:, 2]).argmax()]
    tone = colourful[1:] * min(1.0, 0.07 / max(1e-6, float(np.hypot(*colourful[1:])))) * share
    middle = 0.36 if seen[:, 0].mean() > 0.5 else 0.74
    if given:
        chosen = to_oklab(given).mean(axis=0)
        middle, tone = float(np.clip(chosen[0], 0.2, 0.9)), chosen[1:]
    lab = [
        [middle * 0.55, *(0.8 * tone)],
        [middle, *tone],
        [middle + 0.55 * (1 - middle), *(0.7 * tone)],
    ]
    dark, body, light = from_oklab(lab).tolist()
    return tuple(dark), tuple(body), tuple(light)


def studio(field: Field, colours: Sequence[Colour], centre: tuple[float, float]) -> Floats:
    """A lit wall that runs into the floor: light behind the subject, dark corners."""
    x, y = centre[0] * field.width / field.unit, (centre[1] - 0.06) * field.height / field.unit
    away = np.hypot(field.x - x, (field.y - y) * np.float32(1.1))
    light = np.exp(-np.square(away / np.float32(0.55)))
    floor = smooth(field.down, 0.72, 0.98)
    tone = 0.22 + 0.55 * light - 0.1 * floor * (1 - light) + 0.012 * field.noise(0.6, 4)
    return Ramp(tuple(colours))(tone)


def muslin(field: Field, colours: Sequence[Colour], centre: tuple[float, float]) -> Floats:
    """Hand-painted cloth: cloudy brushwork, darker towards the edges."""
    drift = 0.07 * field.noise(0.4, 3), 0.07 * field.noise(0.4, 3)
    clouds = field.warped(field.noise(0.38, 2.3), *drift)
    strokes = field.noise(0.05, 1.8, (1.8, 1.2))
    x, y = centre[0] * field.width / field.unit, centre[1] * field.height / field.unit
    edge = smooth(np.hypot(field.x - x, field.y - y), 0.2, 0.95)
    tone = 0.25 + 0.5 * level(0.7 * clouds) + 0.03 * strokes - 0.25 * edge
    weave = 1 + 0.02 * field.noise(0.003, 0.6)
    return np.asarray(Ramp(tuple(colours))(tone) * weave[..., None], np.float32)


def blurred(rgb: Floats) -> Floats:
    """A picture (h, w, 3) far out of focus, a little darker towards the edges."""
    height, width = rgb.shape[:2]
    field = Field(width, height, np.random.Generator(np.random.PCG64(0)))
    soft = cv2.GaussianBlur(
        rgb, (0, 0), max(0.5, 0.08 * field.unit), borderType=cv2.BORDER_REFLECT_101
    ).reshape(rgb.shape)
    edge = np.hypot(field.across - 0.5, field.down - 0.5)
    return np.asarray(soft * (1 - 0.22 * smooth(edge, 0.3, 0.75))[..., None], np.float32)


def harmonised(rgb: Floats, to: Subject, strength: float) -> Floats:
    """``rgb`` (h, w, 3) with its light and palette drawn towards the subject's by ``strength``.

    Colour goes all the way at 1, lightness half, so that the subject stands out from it.
    """
    lab = cv2.cvtColor(np.ascontiguousarray(np.clip(rgb, 0, 1), np.float32), cv2.COLOR_RGB2Lab)
    lab = lab.reshape(rgb.shape)
    pixels = lab.reshape(-1, 3).astype(np.float64)
    mean, spread = pixels.mean(axis=0), pixels.std(axis=0)
    gain = np.clip(to.spread / np.maximum(spread, 1e-3), _LEAST, _MOST)
    target = mean + np.array([0.5, 1, 1]) * (to.mean - mean)
    gain = 1 + strength * (gain - 1)
    offset = mean + strength * (target - mean) - gain * mean
    moved = lab * gain.astype(np.float32) + offset.astype(np.float32)
    made = cv2.cvtColor(np.ascontiguousarray(moved, np.float32), cv2.COLOR_Lab2RGB)
    return np.asarray(np.clip(made, 0, 1), np.float32).reshape(rgb.shape)
