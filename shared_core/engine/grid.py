"""Where a picture's tiles lie and which pixels each contributes to; plain arithmetic without numpy.

Tiles overlap, and in the middle of each overlap one fades into the next. What lies nearer to a
tile's edge than a quarter of the overlap is context only, except at the picture's own edges.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import pairwise

# Networks that work on reduced copies see the same phase of the picture in every tile.
ALIGNMENT = 8


@dataclass(frozen=True)
class Fade:
    """Where a tile takes over from its left or upper neighbour, ``length`` pixels."""

    start: int
    length: int


@dataclass(frozen=True)
class Span:
    """One tile's place along an axis, in the picture's pixels.

    The tile reads from ``origin`` on (what lies beyond the picture is reflected) and contributes
    to ``start`` ≤ x < ``stop``: with growing weight in the fade ``rise``, with falling weight in
    ``fall``, where the neighbour's weight does the opposite.
    """

    origin: int
    start: int
    stop: int
    rise: Fade | None
    fall: Fade | None


@dataclass(frozen=True)
class Grid:
    """All tiles of a run: ``width`` by ``height`` pixels at each column of each row."""

    width: int
    height: int
    columns: tuple[Span, ...]
    rows: tuple[Span, ...]

    @property
    def count(self) -> int:
        """How many tiles there are."""
        return len(self.columns) * len(self.rows)


def plan_tiles(
    length_x: int,
    length_y: int,
    tile: int | tuple[int, int],
    overlap: int,
    multiple: int = 1,
    fixed: bool = False,
    region: tuple[int, int, int, int] | None = None,
    least: int = 1,
) -> Grid:
    """The tiles that cover ``region`` (left, top, width, height) of a picture, or all of it.

    ``length_x`` and ``length_y`` are the picture's. Tiles are squares of side ``tile``, or as wide
    and high as it says; where the picture is smaller and not ``fixed``, they shrink to the next
    ``multiple`` that is at least ``least``. Neighbours share at least ``overlap`` pixels. Raises
    ``ValueError`` for a rule that cannot be followed.
    """
    sides = (tile, tile) if isinstance(tile, int) else tile
    for side in sides:
        if side < 1 or multiple < 1 or side % multiple:
            raise ValueError(f"tiles of {side} are no multiple of {multiple}")
        if not 0 <= overlap <= side // 2:
            raise ValueError(f"an overlap of {overlap} is not within 0 and half a tile of {side}")
    left, top, width, height = region or (0, 0, length_x, length_y)
    if width < 1 or height < 1:
        return Grid(*sides, (), ())
    across, columns = _plan_axis(
        length_x, left, left + width, _Rule(sides[0], overlap, multiple, fixed, least)
    )
    down, rows = _plan_axis(
        length_y, top, top + height, _Rule(sides[1], overlap, multiple, fixed, least)
    )
    return Grid(across, down, columns, rows)


@dataclass(frozen=True)
class _Rule:
    tile: int
    overlap: int
    multiple: int
    fixed: bool
    least: int


def _plan_axis(length: int, start: int, stop: int, rule: _Rule) -> tuple[int, tuple[Span, ...]]:
    """Tile size and spans that cover ``start`` ≤ x < ``stop`` of an axis of ``length`` pixels."""
    if start < 0 or stop > length:
        raise ValueError(f"{start} to {stop} is no part of {length} pixels")
    multiple, margin = rule.multiple, rule.overlap // 4
    step = math.lcm(multiple, ALIGNMENT)
    first, last = max(0, start - margin), min(length, stop + margin)
    first -= first % step
    wanted = _up(max(last - first, rule.least), multiple)
    size = rule.tile if rule.fixed else min(rule.tile, wanted)
    if last - first <= size:
        if first + size > length:
            # A fixed tile takes real pixels from the other side before any is reflected.
            flush = max(0, _up(length, multiple) - size)
            aligned = flush - flush % step
            first = aligned if aligned + size >= last else flush
        return size, (Span(first, start, stop, None, None),)
    if not rule.fixed:
        size = _even_size(last - first, size, rule.overlap, step)
    final = first + _up(last - size - first, step)
    if final + size > length:
        # Flush with the end: nothing is reflected but what fills up the last multiple.
        final = first + _up(last - size - first, multiple)
    stride = size - rule.overlap
    pace = stride - stride % step or stride
    gaps = -(-(final - first) // pace)
    return size, _spans(_origins(first, final, gaps, step), size, start, stop)


def _even_size(length: int, size: int, overlap: int, step: int) -> int:
    """The least size with which as many tiles as of ``size`` still cover ``length``."""
    gaps = -(-(length - size) // (size - overlap))
    return min(size, _up(-(-(length + gaps * (overlap + step)) // (gaps + 1)), step))


def _up(value: int, multiple: int) -> int:
    return -(-value // multiple) * multiple


def _origins(first: int, final: int, gaps: int, step: int) -> list[int]:
    """Origins spread evenly from ``first`` to ``final``, inner ones at whole steps if possible."""
    distance = final - first
    if distance < gaps * step:
        return [first + distance * index // gaps for index in range(gaps + 1)]
    steps = _up(distance, step) // step
    return [first + steps * index // gaps * step for index in range(gaps)] + [final]


def _spans(origins: list[int], size: int, start: int, stop: int) -> tuple[Span, ...]:
    """Spans with their fades, each in the middle half of what two neighbours share."""
    fades: list[Fade | None] = [None]
    for before, after in pairwise(origins):
        shared = before + size - after
        # Three tiles may share pixels; half the distance keeps their fades apart.
        half = min(shared // 4, (after - before) // 2)
        fades.append(Fade(after + shared // 2 - half, 2 * half))
    fades.append(None)
    spans = []
    for origin, (rise, fall) in zip(origins, pairwise(fades), strict=True):
        begin = start if rise is None else max(start, rise.start)
        end = stop if fall is None else min(stop, fall.start + fall.length)
        if begin < end:
            spans.append(Span(origin, begin, end, rise, fall))
    return tuple(spans)
