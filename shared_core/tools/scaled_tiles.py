"""Running a function that enlarges over a picture in overlapping tiles, blended without seams.

What is finished leaves at once for the sheet: memory holds one tile and the rows in which two rows
of tiles fade into each other, however large the result is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _
from shared_core.catalog.cards import TileRule
from shared_core.engine.grid import Fade, Grid, Span
from shared_core.pixels import Box, Picture, WrongOutput

from .work import Pixels, Work

Enlarge = Callable[[Pixels], Pixels]


def run_scaled_tiles(
    work: Work,
    enlarge: Enlarge,
    alpha: Callable[[Box], Pixels | None],
    factor: int,
    rule: TileRule,
) -> int:
    """Write ``enlarge`` of the whole picture to ``work.sheet``; how many tiles were run.

    ``enlarge`` takes a tile's colours (h, w, 3) in 0..1 and gives (factor h, factor w, 3), clipped
    here; ``alpha`` takes a box of the source and gives its enlarged opacity, None where opaque.
    ``rule`` counts in source pixels; its scale does not matter here. Raises ``WrongOutput``,
    ``Cancelled``, and whatever ``enlarge`` raises.
    """
    bounds = work.picture.bounds
    overlap = min(rule.overlap, min(rule.sides) // 2)
    grid = replace(rule, overlap=overlap).over(bounds.width, bounds.height)
    below: Pixels = np.zeros((0, factor * bounds.width, 3), np.float32)
    done = 0
    work.step(0, grid.count)
    for index, row in enumerate(grid.rows):
        finished = _next_start(grid.rows, index)
        above = below
        below = np.zeros((factor * (row.stop - finished), above.shape[1], 3), np.float32)
        carry: Pixels = np.zeros((factor * (row.stop - row.start), 0, 3), np.float32)
        for number, column in enumerate(grid.columns):
            colours = _run_tile(work, grid, row, column, enlarge, factor)
            colours *= _weights(row, factor)[:, None, None]
            colours *= _weights(column, factor)[:, None]
            colours[:, : carry.shape[1]] += carry
            ready = factor * (_next_start(grid.columns, number) - column.start)
            carry = colours[:, ready:].copy()
            across = slice(factor * column.start, factor * column.start + ready)
            colours[: len(above), :ready] += above[:, across]
            rows = factor * (finished - row.start)
            below[:, across] = colours[rows:, :ready]
            _write(work, alpha, factor, column.start, row.start, colours[:rows, :ready])
            done += 1
            work.step(done, grid.count)
    return done


def _next_start(spans: tuple[Span, ...], index: int) -> int:
    """Where the next span begins to contribute, or this last one ends."""
    return spans[index + 1].start if index + 1 < len(spans) else spans[index].stop


def _run_tile(
    work: Work, grid: Grid, row: Span, column: Span, enlarge: Enlarge, factor: int
) -> Pixels:
    """The enlarged tile in 0..1, cut to the pixels it contributes to, as a fresh array."""
    bounds = work.picture.bounds
    width = min(grid.width, bounds.width - column.origin)
    height = min(grid.height, bounds.height - row.origin)
    colours = work.picture.rgb(Box(column.origin, row.origin, width, height))
    if (height, width) != (grid.height, grid.width):
        right, below = grid.width - width, grid.height - height
        padded = cv2.copyMakeBorder(colours, 0, below, 0, right, cv2.BORDER_REFLECT_101)
        colours = np.asarray(padded, np.float32)
    output = enlarge(colours)
    expected = (factor * grid.height, factor * grid.width, 3)
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
    rows = slice(factor * (row.start - row.origin), factor * (row.stop - row.origin))
    columns = slice(factor * (column.start - column.origin), factor * (column.stop - column.origin))
    return np.clip(output[rows, columns], np.float32(0), np.float32(1))


def _weights(span: Span, factor: int) -> NDArray[np.float32]:
    """The tile's share at each result pixel of ``span``; neighbours' shares add up to 1."""
    count = factor * (span.stop - span.start)
    centres = span.start + (np.arange(count) + 0.5) / factor
    weights = np.ones(count)
    if span.rise:
        weights *= _risen(centres, span.rise)
    if span.fall:
        weights *= 1 - _risen(centres, span.fall)
    return weights.astype(np.float32)


def _risen(centres: NDArray[np.float64], fade: Fade) -> NDArray[np.float64]:
    # Neighbours that share nothing have a fade without length: one begins where the other ends.
    return np.clip((centres - fade.start) / max(fade.length, 1e-9), 0, 1)


def _write(
    work: Work,
    alpha: Callable[[Box], Pixels | None],
    factor: int,
    left: int,
    top: int,
    colours: Pixels,
) -> None:
    height, width = colours.shape[:2]
    if not height or not width:
        return
    assert work.sheet is not None
    source = Box(left, top, width // factor, height // factor)
    place = Box(factor * left, factor * top, width, height)
    work.sheet.write(place, colours, alpha(source), _excess(work.picture, source, factor))


def _excess(picture: Picture, box: Box, factor: int) -> Pixels | None:
    """Light of ``box`` beyond 0..1, enlarged between its pixels' middles."""
    around = box.grown(1, picture.bounds)
    beyond = picture.excess(around)
    if beyond is None:
        return None
    size = factor * around.width, factor * around.height
    larger = cv2.resize(beyond, size, interpolation=cv2.INTER_LINEAR)
    left, top = factor * (box.left - around.left), factor * (box.top - around.top)
    return np.asarray(
        larger[top : top + factor * box.height, left : left + factor * box.width], np.float32
    )
