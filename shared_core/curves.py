"""The sRGB transfer curve between stored samples and encoded float32, exact to the stored step.

The curve is that of IEC 61966-2-1. Integer samples go through a table, floats through the formula.
"""

from __future__ import annotations

from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_LINEAR_END = 0.0031308
_ENCODED_END = 0.04045


def encode(linear: Floats) -> Floats:
    """Linear light 0..1 as sRGB-encoded values 0..1, same shape."""
    encoded = np.asarray(cv2.pow(linear, 1 / 2.4), np.float32).reshape(linear.shape)
    encoded *= np.float32(1.055)
    encoded -= np.float32(0.055)
    np.multiply(linear, np.float32(12.92), out=encoded, where=linear <= np.float32(_LINEAR_END))
    return encoded


def decode(encoded: Floats) -> Floats:
    """sRGB-encoded values 0..1 as linear light 0..1, same shape."""
    linear = np.asarray(
        cv2.pow((encoded + np.float32(0.055)) * np.float32(1 / 1.055), 2.4), np.float32
    ).reshape(encoded.shape)
    low = encoded <= np.float32(_ENCODED_END)
    np.multiply(encoded, np.float32(1 / 12.92), out=linear, where=low)
    return linear


@cache
def samples_table(top: int, linear: bool) -> Floats:
    """Encoded value of every integer sample 0..``top`` stored linearly or already encoded."""
    values = np.arange(top + 1, dtype=np.float64) / top
    if linear:
        high = 1.055 * values ** (1 / 2.4) - 0.055
        values = np.where(values <= _LINEAR_END, 12.92 * values, high)
    return values.astype(np.float32)
