"""Resizes a picture that arrives in strips, with the antialiased kernels of common image libraries.

The kernel is stretched by the reduction, so that every pixel of the source counts, and its weights
are normalised at the border.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Rows or columns in one product of matrices. The more, the more zeros are multiplied; and products
# so large that the library shares them out among threads take many times as long.
_BLOCK = 16


class Kernel(Enum):
    """The interpolating function, by its radius in pixels of the smaller picture."""

    TRIANGLE = 1
    LANCZOS = 3


class Resizer:
    """Collects strips of a picture of (height, width) and gives it at another size.

    Every row must be given once, in any order. Holds new height × new width × channels floats.
    """

    def __init__(
        self, size: tuple[int, int], new_size: tuple[int, int], kernel: Kernel, channels: int = 3
    ) -> None:
        self._rows = _weights(size[0], new_size[0], kernel)
        self._columns = list(_bands(_weights(size[1], new_size[1], kernel)))
        self._made = np.zeros((channels, *new_size), np.float32)

    def add(self, strip: Floats | Sequence[Floats], top: int) -> None:
        """Take the rows from ``top``: float32 (rows, width, channels) or, of one, (rows, width).

        Several such arrays count as one with all their channels.
        """
        parts = [strip] if isinstance(strip, np.ndarray) else list(strip)
        (height, width), (channels, _, new_width) = parts[0].shape[:2], self._made.shape
        planes = np.empty((channels, height, width), np.float32)
        each = [number for channel in range(channels) for number in (channel, channel)]
        cv2.mixChannels(parts, list(planes), each)
        narrow = np.empty((channels, height, new_width), np.float32)
        flat, across = planes.reshape(-1, width), narrow.reshape(-1, new_width)
        for made, used, weights in self._columns:
            np.matmul(flat[:, used], weights, out=across[:, made])
        for made, used, weights in _bands(self._rows[:, top : top + height].T):
            for plane, part in zip(self._made, narrow, strict=True):
                plane[used] += weights @ part[made]

    def result(self) -> Floats:
        """The resized picture, float32 (new height, new width, channels)."""
        return np.asarray(cv2.merge(list(self._made))).reshape(*self._made.shape[1:], -1)


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


def _bands(weights: Floats) -> Iterator[tuple[slice, slice, Floats]]:
    """Pieces of the matrix (to, from): rows, the columns that count there, and these transposed."""
    for first in range(0, len(weights), _BLOCK):
        rows = weights[first : first + _BLOCK]
        used = np.flatnonzero(rows.any(axis=0))
        if used.size:
            columns = slice(used[0], used[-1] + 1)
            yield slice(first, first + len(rows)), columns, np.ascontiguousarray(rows[:, columns].T)


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
