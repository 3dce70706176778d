"""Running a function over a picture in overlapping tiles, blended so that no seam shows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bridge.errors import Cancelled
from ..bridge.language import _
from ..pixels import Box, Picture, WrongOutput
from .grid import Grid, Span, plan_tiles

Floats = NDArray[np.float32]
TileFunction = Callable[[Floats], NDArray[np.floating[Any]]]

# Columns written at once: few enough that the blending stays within the processor's cache.
_WRITE_COLUMNS = 512

__all__ = ["Grid", "TileFunction", "plan_tiles", "run_tiles"]


def run_tiles(
    picture: Picture,
    region: Box,
    fn: TileFunction,
    *,
    tile: int | tuple[int, int],
    overlap: int,
    multiple: int = 1,
    fixed: bool = False,
    least: int = 1,
    progress: Callable[[int, int], None] | None = None,
    cancelled: Callable[[], bool] | None = None,
) -> int:
    """Write ``fn`` of the picture's ``region`` into its result; how many tiles were run.

    ``fn`` takes a tile's colours, float32 (height, width, 3), sRGB-encoded in 0..1, and returns
    the same shape; its values are clipped to 0..1. ``tile``, ``overlap`` (pixels that neighbours
    share), ``multiple``, ``fixed`` and ``least`` are as in ``plan_tiles``. Around the region tiles
    see the picture's real pixels, beyond the picture a reflection. Tiles that hold no selected and
    visible pixel are not run. ``progress`` gets tiles done and tiles in all, first with 0 done;
    ``cancelled`` is asked before each tile.

    Memory: one row of tiles of the region's width, and what ``fn`` takes for one tile. Raises
    ``WrongOutput`` for a wrong shape or values that are not finite, ``Cancelled``, and whatever
    ``fn`` raises; then the result is partly written.
    """
    grid = plan_tiles(
        picture.bounds.width, picture.bounds.height, tile, overlap, multiple, fixed, region, least
    )
    wanted = {
        (row, column)
        for row in grid.rows
        for column in grid.columns
        if picture.touches(_area(row, column))
    }
    done = 0
    if progress:
        progress(0, len(wanted))
    rising = np.zeros((0, region.width, 3), np.float32)
    for index, row in enumerate(grid.rows):
        blended = np.zeros((row.stop - row.start, region.width, 3), np.float32)
        blended[: len(rising)] = rising
        for column in grid.columns:
            if (row, column) not in wanted:
                continue
            if cancelled and cancelled():
                raise Cancelled(_("Cancelled."))
            output = _run_tile(picture, grid, row, column, fn)
            samples = output.reshape(len(output), -1)
            for rows, shares in _faded(_weights(row)):
                samples[rows] *= shares[:, None]
            for columns, shares in _faded(_weights(column).repeat(3)):
                samples[:, columns] *= shares
            across = slice(column.start - region.left, column.stop - region.left)
            blended[:, across] += output
            done += 1
            if progress:
                progress(done, len(wanted))
        finished = grid.rows[index + 1].start if index + 1 < len(grid.rows) else row.stop
        if finished > row.start:
            _write_rows(picture, region, row.start, blended[: finished - row.start])
        rising = blended[finished - row.start :]
    return done


def _area(row: Span, column: Span) -> Box:
    return Box(column.start, row.start, column.stop - column.start, row.stop - row.start)


def _run_tile(picture: Picture, grid: Grid, row: Span, column: Span, fn: TileFunction) -> Floats:
    """What ``fn`` makes of one tile, cut to the pixels it contributes to."""
    width = min(grid.width, picture.bounds.width - column.origin)
    height = min(grid.height, picture.bounds.height - row.origin)
    colours = picture.rgb(Box(column.origin, row.origin, width, height))
    if (height, width) != (grid.height, grid.width):
        right, below = grid.width - width, grid.height - height
        padded = cv2.copyMakeBorder(colours, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        colours = np.asarray(padded, np.float32)
    output = np.asarray(fn(colours))
    expected = (grid.height, grid.width, 3)
    if output.shape != expected:
        raise WrongOutput(
            _(
                "The model gave a picture of shape {shape} where {expected} was expected, so "
                "its result is not used. Choose another model or the classical path.",
                shape=output.shape,
                expected=expected,
            )
        )
    if not np.isfinite(output).all():
        raise WrongOutput(
            _(
                "The model gave values that are not numbers, so its result is not used. "
                "Choose another model or the classical path."
            )
        )
    rows = slice(row.start - row.origin, row.stop - row.origin)
    columns = slice(column.start - column.origin, column.stop - column.origin)
    # An array of its own in row order, whatever the function's layout: it is weighted in place.
    clipped = np.empty((row.stop - row.start, column.stop - column.start, 3), np.float32)
    return np.clip(output[rows, columns], 0, 1, out=clipped)


def _weights(span: Span) -> Floats:
    """The tile's share at each pixel of ``span``; neighbours' shares add up to 1."""
    centres = np.arange(span.start, span.stop, dtype=np.float32) + np.float32(0.5)
    weights = np.ones(len(centres), np.float32)
    if span.rise and span.rise.length:
        weights = np.clip((centres - span.rise.start) / span.rise.length, 0, 1)
    if span.fall and span.fall.length:
        weights = weights * np.clip(1 - (centres - span.fall.start) / span.fall.length, 0, 1)
    return weights.astype(np.float32)


def _faded(weights: Floats) -> list[tuple[slice, Floats]]:
    """The two ends of a tile at which it does not count wholly, and its shares there."""
    whole = np.flatnonzero(weights == 1)
    first, last = (whole[0], whole[-1] + 1) if whole.size else (len(weights), len(weights))
    return [(part, weights[part]) for part in (slice(0, first), slice(last, len(weights)))]


def _write_rows(picture: Picture, region: Box, top: int, colours: Floats) -> None:
    for left in range(0, region.width, _WRITE_COLUMNS):
        part = colours[:, left : left + _WRITE_COLUMNS]
        picture.write(Box(region.left + left, top, part.shape[1], part.shape[0]), part)
