"""A picture fitted over a rectangle of another size without distortion, one part at a time.

The picture is scaled until it covers the rectangle and its middle is taken, by cubic convolution
(Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981), widened where the
picture shrinks.
"""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_RADIUS = 2


class Cover:
    """``picture``, float32 (h, w, 3), over a rectangle of ``width`` by ``height`` pixels.

    ``scale`` is how many pixels of the rectangle one of the picture takes in each direction.
    """

    def __init__(self, picture: Floats, width: int, height: int) -> None:
        rows, columns = picture.shape[:2]
        self.scale = max(width / columns, height / rows)
        self._top = (rows - height / self.scale) / 2
        self._left = (columns - width / self.scale) / 2
        self._picture = picture

    def part(self, left: int, top: int, width: int, height: int) -> Floats:
        """The colours of a part of the rectangle, float32 (height, width, 3).

        A pixel has the same colour in every part, and only the part costs memory.
        """
        rows, columns = self._picture.shape[:2]
        down = _taps(self._top + top / self.scale, height, self.scale, rows)
        across = _taps(self._left + left / self.scale, width, self.scale, columns)
        # The smaller array between the two when the rows go first.
        before, after = int(across[0].min()), int(across[0].max()) + 1
        high = _resampled(self._picture[:, before:after], *down)
        wide = _resampled(cv2.transpose(high), across[0] - before, across[1])
        return np.asarray(cv2.transpose(wide), np.float32).reshape(height, width, 3)


def _taps(start: float, count: int, scale: float, length: int) -> tuple[NDArray[np.intp], Floats]:
    """Source pixels (taps, count) of each of ``count`` pixels, and their weights.

    ``start`` is the left edge of the first pixel on the source. Beyond its ends the source goes on
    with its last pixel.
    """
    stretch = max(1.0, 1 / scale)
    at = start + (np.arange(count, dtype=np.float64) + 0.5) / scale - 0.5
    taps = np.arange(math.ceil(2 * _RADIUS * stretch))[:, None]
    places = np.floor(at - _RADIUS * stretch).astype(np.intp) + 1 + taps
    weights = _cubic((at - places) / stretch)
    weights /= weights.sum(axis=0)
    return np.clip(places, 0, length - 1), weights.astype(np.float32)


def _resampled(values: Floats, places: NDArray[np.intp], weights: Floats) -> Floats:
    """Rows that are the weighted sums of the rows of ``values`` at ``places``."""
    made = np.zeros((places.shape[1], *values.shape[1:]), np.float32)
    for rows, share in zip(places, weights, strict=True):
        part = values[rows]
        part *= share[:, None, None]
        made += part
    return made


def _cubic(distance: NDArray[Any]) -> NDArray[Any]:
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < _RADIUS, far, 0.0))
