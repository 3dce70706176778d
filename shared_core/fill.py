"""Colours for fully transparent pixels, taken from the visible ones near them.

A tool looks at neighbourhoods, so whatever colour hides under alpha 0 would bleed into the visible
edge. The fill is a push-pull pyramid (Gortler et al., "The Lumigraph", SIGGRAPH 1996) over a
reduced copy of the picture, made once, so that a pixel's fill does not depend on who asks for it.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

# Enough cells that an edge is followed closely, few enough that the pyramid stays below 50 MB.
MAX_CELLS = 1 << 19
_STRIP_PIXELS = 1 << 19


class TransparentFill:
    """The fill of one rectangle of a picture.

    ``read(top, height)`` gives the rectangle's rows as colours (h, w, 3) and alpha (h, w), both
    float32. Rows are asked for in strips, so that the rectangle may be larger than the memory.
    """

    def __init__(
        self, width: int, height: int, read: Callable[[int, int], tuple[Floats, Floats]]
    ) -> None:
        self._step = 1
        while _cells(width, self._step) * _cells(height, self._step) > MAX_CELLS:
            self._step *= 2
        self._width = width
        self._height = height
        self._cells = _push_pull(self._reduce(read))

    def at(self, left: int, top: int, width: int, height: int) -> Floats:
        """Fill colours (height, width, 3) of a box that is measured from the rectangle's corner.

        Outside the rectangle the nearest cell's colour goes on.
        """
        above, below, down = _places(top, height, self._step, self._cells.shape[0])
        before, after, across = _places(left, width, self._step, self._cells.shape[1])
        used = self._cells[:, before[0] : after[-1] + 1]
        rows = _between(used[above], used[below], down[:, None, None])
        first, second = rows.take(before - before[0], 1), rows.take(after - before[0], 1)
        return _between(first, second, across.repeat(3).reshape(1, width, 3))

    def _reduce(self, read: Callable[[int, int], tuple[Floats, Floats]]) -> Floats:
        """Cells of colour sums, weighted by alpha, and of alpha's sum in the fourth channel."""
        step = self._step
        cells = np.zeros((_cells(self._height, step), _cells(self._width, step), 4), np.float32)
        strip = max(1, _STRIP_PIXELS // (self._width * step)) * step
        for top in range(0, self._height, strip):
            height = min(strip, self._height - top)
            rgb, alpha = read(top, height)
            rgb *= cv2.merge([alpha, alpha, alpha])
            part = cv2.merge([*cv2.split(rgb), alpha])
            cells[top // step : top // step + _cells(height, step)] = _block_sums(part, step)
        return cells


def _cells(length: int, step: int) -> int:
    return -(-length // step)


def _block_sums(values: Floats, step: int) -> Floats:
    """Sums of ``step`` by ``step`` blocks of (h, w, channels), incomplete ones included."""
    height, width = values.shape[:2]
    across, down = _cells(width, step), _cells(height, step)
    padding = (0, down * step - height, 0, across * step - width)
    padded = cv2.copyMakeBorder(values, *padding, cv2.BORDER_CONSTANT, value=0)
    means = cv2.resize(padded, (across, down), interpolation=cv2.INTER_AREA)
    return np.asarray(means * np.float32(step * step)).reshape(down, across, values.shape[2])


def _push_pull(sums: Floats) -> Floats:
    """Cells of ``_reduce`` as colours (h, w, 3): holes are filled from the next coarser level."""
    height, width = sums.shape[:2]
    weight = sums[..., 3:]
    known = weight > 0
    colours = np.zeros((height, width, 3), np.float32)
    np.divide(sums[..., :3], weight, out=colours, where=known)
    if known.all() or (height == 1 and width == 1):
        return colours
    # Each cell counts by at most one, so that a cell that is hardly visible still counts and many
    # visible ones do not outweigh those nearer to the hole.
    counted = np.minimum(weight, np.float32(1))
    coarse = _push_pull(_block_sums(np.concatenate([colours * counted, counted], axis=2), 2))
    size = (coarse.shape[1] * 2, coarse.shape[0] * 2)
    finer = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    np.copyto(colours, finer.reshape(colours.shape), where=~known)
    return colours


def _places(
    start: int, length: int, step: int, cells: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each pixel the two cells it lies between and the share of the second."""
    at = np.clip((np.arange(start, start + length) + 0.5) / step - 0.5, 0, cells - 1)
    first = np.floor(at).astype(np.intp)
    return first, np.minimum(first + 1, cells - 1), (at - first).astype(np.float32)


def _between(first: Floats, second: Floats, share: Floats) -> Floats:
    """``first`` and ``second`` mixed by the second's ``share``; takes ``second``'s memory."""
    second -= first
    second *= share
    second += first
    return second
