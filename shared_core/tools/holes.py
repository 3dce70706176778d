"""Where the holes of a selection lie, and how much of the picture around them is looked at."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.pixels import Box

Mask = NDArray[np.uint8]

# Holes in the same or neighbouring cells of this side are one.
_CELL = 16


def boxes(selection: Mask) -> list[Box]:
    """Boxes around the parts of ``selection`` (h, w) that lie apart, none overlapping another."""
    height, width = selection.shape
    everything = Box(0, 0, width, height)
    around = Box(*cv2.boundingRect(selection))
    if around.empty:
        return []
    _, _, found, _ = cv2.connectedComponentsWithStats(_cells(selection, around), connectivity=8)
    parts = [
        Box(
            around.left + _CELL * int(left),
            around.top + _CELL * int(top),
            min(_CELL * int(wide), around.width - _CELL * int(left)),
            min(_CELL * int(high), around.height - _CELL * int(top)),
        )
        for left, top, wide, high, _ in found[1:]
    ]
    # Tight again: the cells' borders are not the holes'.
    return [_tight(selection, part) for part in _apart([p.grown(0, everything) for p in parts])]


def _cells(selection: Mask, around: Box) -> Mask:
    """One pixel for each cell of the box: whether anything in it is selected."""
    columns, rows = -(-around.width // _CELL), -(-around.height // _CELL)
    cells = np.zeros((rows, columns), np.uint8)
    for row in range(rows):
        top = around.top + _CELL * row
        strip = selection[top : min(top + _CELL, around.bottom), around.left : around.right]
        across = np.zeros(columns * _CELL, np.uint8)
        across[: around.width] = strip.max(axis=0)
        cells[row] = across.reshape(columns, _CELL).max(axis=1)
    return cells


def _apart(parts: list[Box]) -> list[Box]:
    """``parts`` with those that overlap made one, until none does."""
    done: list[Box] = []
    waiting = list(parts)
    while waiting:
        part = waiting.pop()
        hit = next((other for other in done if _overlap(part, other)), None)
        if hit is None:
            done.append(part)
        else:
            done.remove(hit)
            waiting.append(_both(part, hit))
    return sorted(done, key=lambda box: (box.top, box.left))


def _overlap(one: Box, other: Box) -> bool:
    across = min(one.right, other.right) > max(one.left, other.left)
    return across and min(one.bottom, other.bottom) > max(one.top, other.top)


def _both(one: Box, other: Box) -> Box:
    left, top = min(one.left, other.left), min(one.top, other.top)
    right, bottom = max(one.right, other.right), max(one.bottom, other.bottom)
    return Box(left, top, right - left, bottom - top)


def _tight(selection: Mask, part: Box) -> Box:
    left, top, width, height = cv2.boundingRect(selection[part.slices])
    return Box(part.left + left, part.top + top, width, height)


def square(hole: Box, side: int, bounds: Box) -> Box:
    """A square of ``side`` with ``hole`` in the middle, moved inside ``bounds`` or cut to it."""
    width, height = min(side, bounds.width), min(side, bounds.height)
    left = hole.left + (hole.width - width) // 2
    top = hole.top + (hole.height - height) // 2
    left = min(max(left, bounds.left), bounds.right - width)
    top = min(max(top, bounds.top), bounds.bottom - height)
    return Box(left, top, width, height)
