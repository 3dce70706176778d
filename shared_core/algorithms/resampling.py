"""Resizes a picture that arrives in strips, with the antialiased kernels of common image libraries.

The kernel is stretched by the reduction, so that every pixel of the source counts, and its weights
are normalised at the border.
"""

from __future__ import annotations

from enum import Enum

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Rows or columns in one product of matrices: the more, the more zeros are multiplied.
_BLOCK = 32


class Kernel(Enum):
    """The interpolating function, by its radius in pixels of the smaller picture."""

    TRIANGLE = 1
    LANCZOS = 3


class Resizer:
    """Collects strips of a picture of (height, width) and gives it at another size.

    Every row must be given once, in any order. Holds new height × width × channels floats.
    """

    def __init__(
        self, size: tuple[int, int], new_size: tuple[int, int], kernel: Kernel, channels: int = 3
    ) -> None:
        self._height, self._width = size
        self._rows = _weights(size[0], new_size[0], kernel)
        self._columns = _weights(size[1], new_size[1], kernel)
        self._tall = np.zeros((new_size[0], size[1] * channels), np.float32)
        self._channels = channels

    def add(self, strip: Floats, top: int) -> None:
        """Take the rows from ``top``: float32 (rows, width, channels) or, of one, (rows, width)."""
        for first in range(0, len(strip), _BLOCK):
            rows = strip[first : first + _BLOCK]
            part = self._rows[:, top + first : top + first + len(rows)]
            used = np.flatnonzero(part.any(axis=1))
            if used.size:
                made = slice(used[0], used[-1] + 1)
                self._tall[made] += part[made] @ rows.reshape(len(rows), -1)

    def result(self) -> Floats:
        """The resized picture, float32 (new height, new width, channels)."""
        height, channels = len(self._tall), self._channels
        across = np.ascontiguousarray(
            self._tall.reshape(height, self._width, channels).transpose(1, 0, 2)
        ).reshape(self._width, -1)
        made = np.empty((len(self._columns), height * channels), np.float32)
        for first in range(0, len(self._columns), _BLOCK):
            weights = self._columns[first : first + _BLOCK]
            used = np.flatnonzero(weights.any(axis=0))
            columns = slice(used[0], used[-1] + 1)
            made[first : first + _BLOCK] = weights[:, columns] @ across[columns]
        picture = made.reshape(-1, height, channels).transpose(1, 0, 2)
        return np.ascontiguousarray(picture)


def resized(picture: Floats, new_size: tuple[int, int], kernel: Kernel) -> Floats:
    """``picture`` with ``new_size`` = (height, width).

    It is float32 (height, width) or (height, width, channels). The values may leave their range a
    little with the Lanczos kernel.
    """
    channels = 1 if picture.ndim == 2 else picture.shape[2]
    resizer = Resizer((picture.shape[0], picture.shape[1]), new_size, kernel, channels)
    for top in range(0, len(picture), 64):
        resizer.add(picture[top : top + 64], top)
    made = resizer.result()
    return made[..., 0] if picture.ndim == 2 else made


def _weights(size: int, new_size: int, kernel: Kernel) -> Floats:
    """The matrix (new size, size) that resizes one axis."""
    scale = size / new_size
    stretch = max(scale, 1.0)
    radius = kernel.value * stretch
    middle = (np.arange(new_size) + 0.5) * scale
    first = np.floor(middle - radius).astype(np.intp)
    index = first[:, None] + np.arange(int(2 * radius) + 2)
    distance = np.abs((index + 0.5 - middle[:, None]) / stretch)
    if kernel is Kernel.TRIANGLE:
        values = np.maximum(1 - distance, 0)
    else:
        values = np.where(distance < 3, np.sinc(distance) * np.sinc(distance / 3), 0)
    values[(index < 0) | (index >= size)] = 0
    values /= values.sum(axis=1, keepdims=True)
    weights = np.zeros((new_size, size), np.float32)
    rows, places = np.nonzero(values)
    weights[rows, index[rows, places]] = values[rows, places]
    return weights
