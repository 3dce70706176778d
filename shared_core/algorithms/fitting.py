"""A picture fitted over a rectangle of another size without distortion, one part at a time.

The picture is scaled until it covers the rectangle and its middle is taken, by cubic convolution
(Keys, "Cubic Convolution Interpolation for Digital Image Processing", 1981), widened where the
picture shrinks.
"""

from __future__ import annotations

import math
from typing import Any

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
        above, down = _weights(self._top + top / self.scale, height, self.scale, rows)
        before, across = _weights(self._left + left / self.scale, width, self.scale, columns)
        used = self._picture[above : above + down.shape[1], before : before + across.shape[1]]
        # Fewer operations, and the smaller array between the two, when the rows go first.
        rows_done = np.tensordot(down, used, axes=(1, 0))
        made = np.tensordot(across, rows_done, axes=(1, 1))
        return np.ascontiguousarray(made.transpose(1, 0, 2), np.float32)


def _weights(start: float, count: int, scale: float, length: int) -> tuple[int, Floats]:
    """First source pixel and the weights (count, used) of the source for ``count`` pixels.

    ``start`` is the left edge of the first pixel on the source. Beyond its ends the source goes on
    with its last pixel.
    """
    stretch = max(1.0, 1 / scale)
    at = start + (np.arange(count, dtype=np.float64) + 0.5) / scale - 0.5
    first = math.floor(at[0] - _RADIUS * stretch)
    last = math.ceil(at[-1] + _RADIUS * stretch)
    weights = _cubic((at[:, None] - np.arange(first, last + 1)[None]) / stretch)
    weights /= weights.sum(axis=1, keepdims=True)
    before, end = max(0, -first), length - first
    inside = weights[:, before:end].astype(np.float32)
    inside[:, 0] += weights[:, :before].sum(axis=1)
    inside[:, -1] += weights[:, end:].sum(axis=1)
    return max(0, first), inside


def _cubic(distance: NDArray[Any]) -> NDArray[Any]:
    x = np.abs(distance)
    near = 1.5 * x**3 - 2.5 * x**2 + 1
    far = -0.5 * x**3 + 2.5 * x**2 - 4 * x + 2
    return np.where(x < 1, near, np.where(x < _RADIUS, far, 0.0))
