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
        colour, weight = self._reduce(read)
        self._cells = _push_pull(colour, weight)

    def at(self, left: int, top: int, width: int, height: int) -> Floats:
        """Fill colours (height, width, 3) of a box that is measured from the rectangle's corner.

        Outside the rectangle the nearest cell's colour goes on.
        """
        rows = _between(self._cells, *_places(top, height, self._step, self._cells.shape[0]))
        columns = _places(left, width, self._step, self._cells.shape[1])
        return _between(rows.transpose(1, 0, 2), *columns).transpose(1, 0, 2)

    def _reduce(self, read: Callable[[int, int], tuple[Floats, Floats]]) -> tuple[Floats, Floats]:
        step = self._step
        shape = (_cells(self._height, step), _cells(self._width, step))
        colour = np.zeros((*shape, 3), np.float32)
        weight = np.zeros(shape, np.float32)
        strip = max(1, _STRIP_PIXELS // (self._width * step)) * step
        for top in range(0, self._height, strip):
            height = min(strip, self._height - top)
            rgb, alpha = read(top, height)
            cells = slice(top // step, top // step + _cells(height, step))
            colour[cells] = _block_sums(rgb * alpha[..., None], step)
            weight[cells] = _block_sums(alpha[..., None], step)[..., 0]
        return colour, weight


def _cells(length: int, step: int) -> int:
    return -(-length // step)


def _block_sums(values: Floats, step: int) -> Floats:
    height, width = values.shape[:2]
    padded = np.zeros(
        (_cells(height, step) * step, _cells(width, step) * step, values.shape[2]), np.float32
    )
    padded[:height, :width] = values
    blocks = padded.reshape(
        padded.shape[0] // step, step, padded.shape[1] // step, step, values.shape[2]
    )
    sums: Floats = blocks.sum(axis=(1, 3))
    return sums


def _push_pull(colour: Floats, weight: Floats) -> Floats:
    """Weighted colour sums (h, w, 3) as colours everywhere: holes from the next coarser level."""
    height, width = weight.shape
    known = weight > 0
    filled = np.zeros_like(colour)
    np.divide(colour, weight[..., None], out=filled, where=known[..., None])
    if known.all() or (height == 1 and width == 1):
        return filled
    # Each cell counts by at most one, so that a cell that is hardly visible still counts and many
    # visible ones do not outweigh those nearer to the hole.
    counted = np.minimum(weight, np.float32(1))
    coarse = _push_pull(
        _block_sums(filled * counted[..., None], 2), _block_sums(counted[..., None], 2)[..., 0]
    )
    size = (coarse.shape[1] * 2, coarse.shape[0] * 2)
    finer = cv2.resize(coarse, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
    np.copyto(filled, finer.reshape(filled.shape), where=~known[..., None])
    return filled


def _places(
    start: int, length: int, step: int, cells: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """For each pixel the two cells it lies between and the share of the second."""
    at = np.clip((np.arange(start, start + length) + 0.5) / step - 0.5, 0, cells - 1)
    first = np.floor(at).astype(np.intp)
    return first, np.minimum(first + 1, cells - 1), (at - first).astype(np.float32)


def _between(
    cells: Floats, first: NDArray[np.intp], second: NDArray[np.intp], share: Floats
) -> Floats:
    """``cells`` read along their first axis at the places of ``_places``."""
    part = share[:, None, None]
    mixed: Floats = cells[first] * (1 - part) + cells[second] * part
    return mixed
