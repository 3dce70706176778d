"""Fills holes in a picture with pieces of the rest, so that texture and edges go on.

Image completion by the coarse-to-fine optimisation of Wexler, Shechtman and Irani ("Space-time
completion of video", TPAMI 29(3), 2007): in turn, every patch that touches the hole looks for the
patch of the rest that is most like it, and every pixel of the hole becomes the mean of what the
patches over it say. At last a smooth film takes away what is left of a difference at the rim.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from .patch_field import RADIUS, SIDE, Level, PatchField

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

NAME = _("exemplar-based fill by PatchMatch")
MOST_SEARCHED = 60_000
"""Pixels of a hole that are searched for; a larger one is searched at a reduced size."""

# Sides and half-width of the hole below which the picture is not reduced any more.
_LEAST_SIDE = 6 * SIDE
_LEAST_DEPTH = 2.5
# Searches at the smallest size, at the least, and how many fewer at each next one.
_MOST_ROUNDS, _LEAST_ROUNDS, _FEWER = 10, 3, 2
# Error added to a patch as far away as the picture is long: what is near is of the same thing. That
# decides at the smallest size; later what was found stays in one piece, which costs at each seam.
_DISTANCE_COST = 2.0
_CHEAPER = 0.7


class NothingToCopy(ValueError):
    """No whole patch of the picture is known."""


def fill(
    rgb: Floats,
    hole: Bools,
    unusable: Bools | None = None,
    seed: int = 0,
    between: Callable[[], None] = lambda: None,
) -> Floats:
    """``rgb`` (h, w, 3) float32 in 0..1 with the pixels of ``hole`` (h, w) filled.

    Nothing is copied from ``unusable`` pixels. The same seed gives the same fill. ``between`` is
    called between steps of at most some tenths of a second, so that it can raise. Raises
    ``NothingToCopy`` where no patch of 7x7 pixels is known.
    """
    bad = hole if unusable is None else hole | unusable
    levels = _pyramid(rgb, hole, bad)
    rng = np.random.default_rng(seed)
    field: PatchField | None = None
    for number in range(len(levels) - 1, -1, -1):
        level = levels[number]
        steps = len(levels) - 1 - number
        current = PatchField(level, rng, _DISTANCE_COST * _CHEAPER**steps)
        if field is None:
            current.begin()
        else:
            current.refine(field)
        between()
        rounds = max(_LEAST_ROUNDS, _MOST_ROUNDS - _FEWER * steps)
        if len(current.holes) <= MOST_SEARCHED:
            current.improve(rounds, between)
        field = current
    assert field is not None
    return field.result()


def _pyramid(rgb: Floats, hole: Bools, bad: Bools) -> list[Level]:
    levels = [_level(rgb, hole, bad)]
    if not levels[0].source.any():
        raise NothingToCopy("there is no whole patch to copy from")
    while True:
        height, width = rgb.shape[:2]
        depth = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, 3).max()
        if min(height, width) < _LEAST_SIDE or depth < _LEAST_DEPTH:
            return levels
        size = (width + 1) // 2, (height + 1) // 2
        share = _halved((~hole).astype(np.float32), size)
        colours = _halved(np.where(hole[..., None], np.float32(0), rgb), size)
        rgb = np.asarray(colours / np.maximum(share, np.float32(1e-6))[..., None], np.float32)
        hole = share < 0.5
        bad = hole | (_halved(bad.astype(np.float32), size) > 0.5)
        level = _level(rgb, hole, bad)
        if not level.source.any() or not hole.any():
            return levels
        levels.append(level)


def _halved(values: Floats, size: tuple[int, int]) -> Floats:
    """The mean of 2x2 pixels, edges repeated where a side is odd."""
    height, width = values.shape[:2]
    even = cv2.copyMakeBorder(values, 0, height % 2, 0, width % 2, cv2.BORDER_REPLICATE)
    return np.asarray(cv2.resize(even, size, interpolation=cv2.INTER_AREA), np.float32)


def _level(rgb: Floats, hole: Bools, bad: Bools) -> Level:
    known = cv2.erode((~bad).astype(np.uint8), np.ones((SIDE, SIDE), np.uint8), borderValue=0)
    inside = np.zeros_like(known)
    inside[RADIUS:-RADIUS, RADIUS:-RADIUS] = 1
    return Level(rgb, hole, (known & inside) > 0)
