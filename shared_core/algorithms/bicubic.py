"""A picture made smaller with a bicubic filter as wide as the reduction, as networks were fed."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_STRIP_PIXELS = 1 << 20


def resized_part(
    rows: Callable[[int, int], Floats],
    size: tuple[int, int],
    new_size: tuple[int, int],
    part: tuple[int, int, int, int],
    between: Callable[[], None] = lambda: None,
) -> Floats:
    """``part`` (left, top, width, height) of a picture resized to ``new_size``, float32 (h, w, 3).

    ``rows(top, height)`` gives rows of the source of ``size`` (width, height) as float32
    (height, width, 3); they are asked for once, from top to bottom, and ``between`` is called
    after each strip. Keys, "Cubic convolution interpolation for digital image processing",
    1981, with a = -0.5 and, where the picture gets smaller, stretched by the reduction.
    """
    width, height = size
    left, top, part_width, part_height = part
    across = _weights(width, new_size[0], left, part_width)
    down = _weights(height, new_size[1], top, part_height)
    columns = np.flatnonzero(across.any(axis=0))
    first, last = int(columns[0]), int(columns[-1]) + 1
    across = np.ascontiguousarray(across[:, first:last])
    made = np.zeros((part_height, part_width, 3), np.float32)
    step = max(1, _STRIP_PIXELS // width)
    for begin in range(0, height, step):
        end = min(height, begin + step)
        share = down[:, begin:end]
        if share.any():
            strip = rows(begin, end - begin)[:, first:last]
            narrow = np.einsum("ow,hwc->hoc", across, strip, optimize=True)
            made += np.tensordot(share, narrow, axes=1)
        between()
    return made


def _weights(length: int, new_length: int, start: int, count: int) -> Floats:
    """Weights (count, length) of the source's pixels for the new ones from ``start`` on."""
    scale = length / new_length
    wide = max(scale, 1.0)
    weights = np.zeros((count, length), np.float32)
    for row, index in zip(weights, range(start, start + count), strict=True):
        centre = (index + 0.5) * scale
        first = max(0, int(centre - 2 * wide))
        last = min(length, int(centre + 2 * wide) + 1)
        away = np.abs(np.arange(first, last) + 0.5 - centre) / wide
        near = (1.5 * away - 2.5) * away * away + 1
        far = ((-0.5 * away + 2.5) * away - 4) * away + 2
        kernel = np.where(away < 1, near, np.where(away < 2, far, 0))
        row[first:last] = kernel / kernel.sum()
    return weights
