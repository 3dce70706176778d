"""The colours of photographic print processes, as a* and b* for every lightness.

Each palette is a few points that were set by eye after the processes' pigments; between them it
is smooth. The lightness of the picture stays, so that black and white stay black and white.
"""

from __future__ import annotations

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from .chroma import luminance_of, with_chroma

Floats = NDArray[np.float32]
Point = tuple[float, float, float]

# L*, a*, b* from shadows to highlights.
PALETTES: dict[str, tuple[Point, ...]] = {
    # Silver sulphide: warm brown, yellowish in the highlights.
    "sepia": ((0, 4, 4), (15, 8, 11), (40, 11, 22), (65, 7, 23), (85, 3, 16), (100, 1, 8)),
    # Prussian blue on paper.
    "cyanotype": (
        (0, 6, -20),
        (20, 4, -33),
        (45, -4, -34),
        (70, -7, -20),
        (90, -4, -8),
        (100, -1, -2),
    ),
    # Silver selenide: cool purplish shadows, highlights hardly toned.
    "selenium": ((0, 6, -4), (20, 10, -4), (45, 7, -1), (70, 3, 1), (90, 1, 2), (100, 0, 1)),
    # A gold-toned albumen print: purple-brown shadows upon yellowed paper.
    "gold": ((0, 8, -2), (20, 13, 3), (45, 12, 12), (70, 6, 18), (88, 2, 17), (100, 0, 9)),
    # Platinum and palladium: nearly neutral, a warm grey.
    "platinum": ((0, 1, 2), (25, 2, 5), (55, 2, 7), (80, 1, 7), (100, 0, 4)),
    # Iron and silver, as in Van Dyke prints: a deep reddish brown.
    "vandyke": ((0, 8, 6), (20, 15, 15), (45, 16, 24), (70, 10, 22), (90, 4, 13), (100, 1, 6)),
    # Washes laid on by hand: green-blue shadows, rosy skin, lights as pale as a sky.
    "tinted": (
        (0, -2, -4),
        (15, -6, 1),
        (32, 2, 9),
        (50, 13, 14),
        (66, 14, 15),
        (80, 3, 4),
        (90, -4, -7),
        (100, -1, -3),
    ),
}

_STEPS = 1024
_SMOOTHING = 4.0
# So many that neighbours differ by less than samples of 16 bits.
_TONES = 1 << 17


def palette(name: str, lightness: Floats) -> Floats:
    """a* and b*, float32 (h, w, 2), that the palette ``name`` gives to ``lightness`` (L* / 100)."""
    table = _table(name)
    index = (lightness * np.float32(_STEPS)).astype(np.int32)
    np.clip(index, 0, _STEPS - 1, out=index)
    share = lightness * np.float32(_STEPS) - index
    chroma = table[index]
    chroma += share[..., None] * (table[index + 1] - chroma)
    return chroma


def toned(name: str, lightness: Floats, saturation: float = 1.0) -> Floats:
    """sRGB-encoded colours, float32 (h, w, 3), of ``lightness`` (L* / 100) toned by a palette.

    L* stays within 0.001. ``saturation`` is what the palette's colours are multiplied by.
    """
    index = (lightness * np.float32(_TONES - 1) + np.float32(0.5)).astype(np.int32)
    return _tones(name, saturation).take(index, axis=0, mode="clip")


@lru_cache(maxsize=2)
def _tones(name: str, saturation: float) -> Floats:
    lightness = np.linspace(0, 1, _TONES, dtype=np.float32)[None]
    colours = palette(name, lightness) * np.float32(saturation)
    return np.asarray(with_chroma(luminance_of(lightness), colours)[0], np.float32)


@cache
def _table(name: str) -> Floats:
    points = np.array(PALETTES[name])
    at = np.linspace(0, 100, _STEPS + 1)
    lines = np.stack([np.interp(at, points[:, 0], points[:, n]) for n in (1, 2)], axis=1)
    return _smoothed(lines, _SMOOTHING * _STEPS / 100).astype(np.float32)


def _smoothed(lines: NDArray[np.float64], sigma: float) -> NDArray[np.float64]:
    reach = int(3 * sigma)
    weights = np.exp(-0.5 * (np.arange(-reach, reach + 1) / sigma) ** 2)
    weights /= weights.sum()
    padded = np.pad(lines, ((reach, reach), (0, 0)), mode="edge")
    return np.stack([np.convolve(padded[:, n], weights, "valid") for n in (0, 1)], axis=1)
