"""Takes a picture's lightness and colour apart and joins them so that the lightness stays exact.

CIE 1976 L*a*b* of sRGB's own white. OpenCV's conversion to Lab is not used: even in floats it goes
through a coarse table and is up to 0.7 units, or 330 steps of 16 bits there and back, off.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from ..curves import decode, encode

Floats = NDArray[np.float32]

_TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
# Every row sums to 1, so that grey has X = Y = Z.
_FROM_RGB = _TO_XYZ / _TO_XYZ.sum(axis=1, keepdims=True)
_TO_RGB = np.linalg.inv(_FROM_RGB)
_BEND = 6 / 29
_SLOPE = 1 / (3 * _BEND**2)
_OFFSET = 4 / 29
_TINY = np.float32(1e-12)


def luminance(rgb: Floats) -> Floats:
    """Relative luminance, linear, 0..1, float32 (h, w), of sRGB-encoded ``rgb`` (h, w, 3)."""
    return _weighted(decode(rgb), _FROM_RGB[1])


def lightness(rgb: Floats) -> Floats:
    """L* / 100, float32 (h, w) in 0..1, of sRGB-encoded ``rgb`` (h, w, 3) in 0..1."""
    return lightness_of(luminance(rgb))


def lightness_of(luminance: Floats) -> Floats:
    """L* / 100 of linear ``luminance``, float32 of its shape."""
    return _bent(luminance) * np.float32(1.16) - np.float32(0.16)


def luminance_of(lightness: Floats) -> Floats:
    """The inverse of ``lightness_of``."""
    return _unbent((lightness + np.float32(0.16)) * np.float32(1 / 1.16))


def grey(rgb: Floats) -> Floats:
    """The sRGB-encoded grey of the same lightness, float32 (h, w), of ``rgb`` (h, w, 3)."""
    return encode(luminance(rgb))


def chroma(rgb: Floats) -> Floats:
    """a* and b*, float32 (h, w, 2), of sRGB-encoded ``rgb`` (h, w, 3) in 0..1."""
    linear = decode(rgb)
    x, y, z = (_bent(_weighted(linear, row)) for row in _FROM_RGB)
    return np.dstack([np.float32(500) * (x - y), np.float32(200) * (y - z)])


def with_chroma(luminance: Floats, chroma: Floats) -> Floats:
    """sRGB-encoded colours of exactly this luminance, float32 (h, w, 3) in 0..1.

    ``luminance`` is linear (h, w) in 0..1, ``chroma`` holds a* and b* (h, w, 2). Where the screen
    has no such colour it is drawn towards the grey of the same luminance, only as far as needed,
    so that L* stays within 0.001 everywhere. Takes about 60 bytes a pixel.
    """
    bent = _bent(luminance)
    # Differences from grey: without chroma they are exactly 0, and they carry no luminance.
    here = _unbent(bent)
    x = _unbent(bent + chroma[..., 0] * np.float32(1 / 500)) - here
    z = _unbent(bent - chroma[..., 1] * np.float32(1 / 200)) - here
    away = np.empty((*luminance.shape, 3), np.float32)
    for channel, row in enumerate(_TO_RGB):
        away[..., channel] = np.float32(row[0]) * x + np.float32(row[2]) * z
    share = _share_within(luminance, away)
    away *= share[..., None]
    away += luminance[..., None]
    np.clip(away, np.float32(0), np.float32(1), out=away)
    return encode(away)


def _share_within(luminance: Floats, away: Floats) -> Floats:
    """How far (0..1) one may go from grey in the direction ``away`` without leaving 0..1."""
    above = np.maximum(np.maximum(away[..., 0], away[..., 1]), away[..., 2])
    below = np.minimum(np.minimum(away[..., 0], away[..., 1]), away[..., 2])
    share = (np.float32(1) - luminance) / np.maximum(above, _TINY)
    np.minimum(share, luminance / np.maximum(-below, _TINY), out=share)
    return np.minimum(share, np.float32(1), out=share)


def _weighted(linear: Floats, weights: NDArray[np.float64]) -> Floats:
    """The weighted sum of the channels; of three equal channels exactly the same value."""
    base = linear[..., 1]
    total = np.float32(weights[0]) * (linear[..., 0] - base)
    total += np.float32(weights[2]) * (linear[..., 2] - base)
    total += base
    return np.asarray(total, np.float32)


def _bent(values: Floats) -> Floats:
    """CIE's f: the cube root, and a straight line below (6/29)³."""
    bent = np.asarray(cv2.pow(values, 1 / 3), np.float32).reshape(values.shape)
    low = values <= np.float32(_BEND**3)
    line = values * np.float32(_SLOPE) + np.float32(_OFFSET)
    return np.where(low, line, bent)


def _unbent(values: Floats) -> Floats:
    """The inverse of ``_bent``, going on below 0."""
    line = (values - np.float32(_OFFSET)) * np.float32(1 / _SLOPE)
    return np.where(values <= np.float32(_BEND), line, values * values * values)
