"""Contrast and detail raised in a part of a picture, by what stands out of its noise.

The brightness is split by two guided filters into a base, local contrast and fine detail (after
Farbman et al., "Edge-Preserving Decompositions for Multi-Scale Tone and Detail Manipulation",
SIGGRAPH 2008, with the filter of He, Sun and Tang, PAMI 2013); the two layers are raised. Noise is
taken away before.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from . import dct_denoise

Floats = NDArray[np.float32]

NAME = _("noise removal, local contrast and detail by guided filters")

_CONTRAST_GAIN = 0.25
_DETAIL_GAIN = 1.2
_EPSILON = (0.06**2, 0.03**2)
_LUMA = (0.2126, 0.7152, 0.0722)
# In levels of 255: less noise than this is left alone; of more this share is thought to remain.
_NOISY = 1.5
_REMAINS = 0.3
# No pixel gets brighter or darker than this, so that nothing burns out or turns into a halo.
_MOST = 0.12


def radii(size: float) -> tuple[int, int]:
    """The windows' radii in pixels, wide and fine, for a face of ``size`` pixels."""
    return min(64, max(3, round(size / 14))), min(16, max(1, round(size / 60)))


def reach(size: float) -> int:
    """How many pixels around a part its result depends on."""
    wide, fine = radii(size)
    return 2 * max(wide, fine) + dct_denoise.RADIUS


def enhance(rgb: Floats, size: float, sigma: float) -> Floats:
    """``rgb`` (h, w, 3) in 0..1 with noise lowered and local contrast and detail raised.

    ``size`` is the face's in pixels, ``sigma`` the standard deviation of the noise in levels of
    255: what is smaller than about twice that is not raised. Takes about 150 bytes a pixel.
    """
    if sigma >= _NOISY:
        rgb = np.clip(dct_denoise.denoise(rgb, sigma), np.float32(0), np.float32(1))
        sigma *= _REMAINS
    luma = np.asarray(cv2.transform(rgb, np.array([_LUMA], np.float32)), np.float32)
    luma = luma.reshape(rgb.shape[:2])
    wide, fine = radii(size)
    base = _smooth(luma, wide, _EPSILON[0])
    middle = _smooth(luma, fine, _EPSILON[1])
    noise = sigma / 255 * math.sqrt(sum(share * share for share in _LUMA))
    # Means over a window have less noise than single pixels.
    contrast = _cored(middle - base, noise / (2 * fine + 1))
    detail = _cored(luma - middle, noise)
    change = np.float32(_CONTRAST_GAIN) * contrast + np.float32(_DETAIL_GAIN) * detail
    change = np.float32(_MOST) * np.tanh(change / np.float32(_MOST))
    # Less where black or white is near.
    room = np.clip(4 * np.minimum(luma, 1 - luma) + np.float32(0.2), 0, 1)
    change *= room
    return np.asarray(np.clip(rgb + change[..., None], 0, 1), np.float32)


def _cored(values: Floats, noise: float) -> Floats:
    """``values`` without what the noise may have made, Wiener-like."""
    if noise <= 0:
        return values
    energy = values * values
    share = energy / (energy + np.float32(4 * noise * noise))
    return np.asarray(values * share, np.float32)


def _smooth(plane: Floats, radius: int, epsilon: float) -> Floats:
    """The guided filter of a plane by itself."""
    mean = _mean(plane, radius)
    square = np.asarray(plane * plane, np.float32)
    variance = np.maximum(_mean(square, radius) - mean * mean, 0)
    slope = np.asarray(variance / (variance + np.float32(epsilon)), np.float32)
    offset = np.asarray(mean - slope * mean, np.float32)
    return np.asarray(_mean(slope, radius) * plane + _mean(offset, radius), np.float32)


def _mean(plane: Floats, radius: int) -> Floats:
    side = 2 * radius + 1
    return np.asarray(cv2.blur(plane, (side, side), borderType=cv2.BORDER_REFLECT), np.float32)
