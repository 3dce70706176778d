"""Which output of a stranger's model counts, and how it lies in memory: told by what it gives."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from shared_core.catalog.card import TensorSpec

from .probe import Arrays, Size, Sizes
from .roles import RESTORING

_MATTE = re.compile(r"pha|alpha|matte|mask", re.IGNORECASE)
_MANY_CLASSES = 1000


@dataclass(frozen=True)
class Given:
    """An output as a tool could read it: its place among all, and its layout and channels."""

    index: int
    name: str
    dtype: str
    layout: str
    channels: int
    shape: tuple[int, ...]

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        named = dict(zip(self.layout, self.shape, strict=True))
        return named["H"], named["W"]

    def spec(self, sizes: Sizes) -> TensorSpec:
        """The output's tensor as a card says it, with nothing yet about its values."""
        times = str(sizes.scale) if sizes.scale > 1 else ""
        parts = f"/{sizes.part}" if sizes.part > 1 else ""
        shape: list[int | str] = []
        for letter, side in zip(self.layout, self.shape, strict=True):
            if letter == "N":
                shape.append(side if side > 1 else "batch")
            elif letter == "C" or sizes.fixed:
                shape.append(side)
            else:
                shape.append(f"{times}{letter}{parts}")
        return TensorSpec(self.name, self.dtype, self.layout, tuple(shape), (), None)


class Looker:
    """Looks for the outputs that count; ``best`` are those of the last look, ``seen`` all."""

    def __init__(self, tool: str, colours: int, names: Sequence[str]) -> None:
        self.best: list[Given] = []
        self.seen = ""
        self._tool = tool
        self._colours = colours
        self._names = names

    def __call__(self, arrays: Arrays, size: Size) -> Size | None:
        """The height and width of the first output that counts, None where none does."""
        named = zip(self._names, arrays, strict=True)
        self.seen = ", ".join(f"{name} {list(array.shape)}" for name, array in named)
        self.best = candidates(self._tool, self._colours, self._names, arrays, size)
        return self.best[0].size if self.best else None


def candidates(
    tool: str, colours: int, names: Sequence[str], arrays: Sequence[NDArray[Any]], size: Size
) -> list[Given]:
    """The outputs that ``tool`` could read where the picture has ``colours``; the likeliest first.

    All are of one size. ``size`` is the picture's height and width.
    """
    found = [
        given
        for index, (name, array) in enumerate(zip(names, arrays, strict=True))
        if (given := _given(index, name, array, size)) is not None and _fits(tool, colours, given)
    ]
    # Stable: the first of the largest, since networks of several stages also give the small ones.
    found.sort(key=lambda given: -math.prod(given.size))
    if tool == "remove-background":
        found.sort(key=lambda given: (given.channels != 1, not _MATTE.search(given.name)))
    return [given for given in found if given.size == found[0].size]


def _fits(tool: str, colours: int, given: Given) -> bool:
    if tool in RESTORING:
        return given.channels == colours or (given.channels == 4 and colours == 3)
    if tool == "colorize":
        return given.channels in (2, 3)
    if tool == "remove-object":
        return given.channels in (3, 4)
    return given.channels <= _MANY_CLASSES


def _given(index: int, name: str, array: NDArray[Any], size: Size) -> Given | None:
    shape, dtype = tuple(array.shape), str(array.dtype)
    if min(shape, default=0) < 1 or array.dtype.kind not in "fiub":
        return None
    for layout in _layouts(shape, size):
        named = dict(zip(layout, shape, strict=True))
        return Given(index, name, dtype, layout, named.get("C", 1), shape)
    return None


def _layouts(shape: tuple[int, ...], size: Size) -> list[str]:
    """The layouts in which an output of ``shape`` is a picture of the input's form."""
    options = {4: ("NCHW", "NHWC"), 3: ("CHW", "HWC", "NHW"), 2: ("HW",)}.get(len(shape), ())
    height, width = size
    fitting = []
    for layout in options:
        named = dict(zip(layout, shape, strict=True))
        high, wide, count = named["H"], named["W"], named.get("C", 1)
        alike = abs(high / height - wide / width) < 1.5 / min(height, width) + 0.02
        if alike and high >= height // 32 and count <= _MANY_CLASSES:
            fitting.append((count, layout))
    # Where several fit, pictures have few channels; a batch of one is no channel.
    return [layout for _, layout in sorted(fitting, key=lambda one: one[0] > 4)]
