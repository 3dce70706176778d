"""Running a stranger's model: at which sizes it works, how its outputs are laid out, what it costs.

For a process that may die.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _
from shared_core.catalog import contract
from shared_core.catalog.card import TensorSpec
from shared_core.catalog.contract import Shown
from shared_core.engine.session import OutOfMemory, RunFailed, Session

Specs = tuple[TensorSpec, ...]
Arrays = list[NDArray[Any]]
Size = tuple[int, int]
# The height and width of the output that counts, of all outputs for a picture of this size.
Look = Callable[[Arrays, Size], Size | None]

# Tried in this order where a file takes any size: the first are quick, the others what some
# exports need that say that they take any.
SIDES = (128, 256, 512, 320, 384, 224, 64, 192, 96, 48, 640, 768, 1024)
MULTIPLES = (1, 2, 4, 8, 14, 16, 32, 64)
LEAST = 64


@dataclass(frozen=True)
class Sizes:
    """The sizes that a model takes, and how large what it gives is.

    ``fixed`` is (height, width) where there is only one; else any side works that is a multiple of
    ``multiple`` and at least ``least``. What comes out is ``scale`` times as large as what goes in
    without ``margin`` pixels on each side; ``part`` times smaller where that is above 1.
    """

    fixed: Size | None
    multiple: int = 1
    least: int = 1
    scale: int = 1
    part: int = 1
    margin: int = 0

    def near(self, height: int, width: int) -> Size:
        """The nearest size that it takes, of at most about these."""
        if self.fixed:
            return self.fixed
        height, width = (
            max(-(-self.least // self.multiple), side // self.multiple) * self.multiple
            for side in (height, width)
        )
        return height, width


class Probe:
    """A session that is asked this and that, and its runs' times and failures."""

    def __init__(self, session: Session, seconds: float) -> None:
        self.session = session
        self.failure = ""
        self.out_of_memory = False
        self.last_seconds = 0.0
        self._deadline = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds until no more is to be asked than what must be."""
        return self._deadline - time.monotonic()

    def run(self, inputs: Specs, shown: Shown) -> Arrays | None:
        """All outputs for what is shown, None where the run fails; ``failure`` says why then."""
        tensors = contract.matched(inputs, self.session.inputs)
        began = time.monotonic()
        try:
            feeds = {
                tensor.name: contract.fed(spec, shown, tensor.dtype)
                for spec, tensor in zip(inputs, tensors, strict=True)
            }
            outputs = self.session.run(feeds)
        except (RunFailed, OutOfMemory) as error:
            self.failure = error.reason
            self.out_of_memory = isinstance(error, OutOfMemory)
            return None
        except (ValueError, MemoryError) as error:
            self.failure = f"{type(error).__name__}: {error}"
            self.out_of_memory = isinstance(error, MemoryError)
            return None
        self.last_seconds = time.monotonic() - began
        return [np.asarray(output) for output in outputs]


def blank(height: int, width: int) -> Shown:
    """A picture that is nothing but a slope, to ask for sizes."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    plane = (y / max(height, 1) + x / max(width, 1)) / 2
    hole = (abs(y - height / 2) < height / 8) & (abs(x - width / 2) < width / 8)
    return Shown(np.dstack([plane, 1 - plane, plane]), hole, 15.0)


def sizes_of(probe: Probe, inputs: Specs, look: Look) -> Sizes | str:
    """The sizes that the model takes; a text where none works: why."""
    picture = picture_of(inputs)
    fixed = picture.size or _one_fixed(picture)
    if fixed:
        made = _made(probe, inputs, fixed, look)
        if made is None:
            return _(
                "it does not run at its own size of {width} × {height} ({failure})",
                width=fixed[1],
                height=fixed[0],
                failure=probe.failure,
            )
        found = _relation([(fixed[0], made[0]), (fixed[1], made[1])])
        if found is None:
            return _odd(fixed, made)
        return Sizes(fixed, scale=found[0], part=found[1], margin=found[2])
    first = ""
    for side in SIDES:
        base = _made(probe, inputs, (side, side), look)
        if base is not None:
            return _free(probe, inputs, side, base, look)
        first = first or probe.failure
        if probe.left < 0:
            break
    return _(
        "it runs at none of the sizes {names} ({first})",
        names=", ".join(map(str, SIDES)),
        first=first,
    )


def picture_of(inputs: Specs) -> TensorSpec:
    """The input that is the picture."""
    named = [spec for spec in inputs if spec.layout and spec.value is None]
    return max(named, key=lambda spec: (len(spec.channels), spec.channels[:1] != ("sigma",)))


def _one_fixed(picture: TensorSpec) -> tuple[int, int] | None:
    """A square where only one of the sides is said."""
    sides = [picture.shape[picture.layout.index(letter)] for letter in "HW"]
    known = [side for side in sides if isinstance(side, int)]
    return (known[0], known[0]) if known else None


def _free(probe: Probe, inputs: Specs, side: int, base: Size, look: Look) -> Sizes | str:
    odd = ""
    for multiple in MULTIPLES:
        # Not square, so that height and width cannot pass for each other.
        near = -(-side // multiple) * multiple
        tried = near + (3 if multiple == 1 else multiple), near
        made = _made(probe, inputs, tried, look)
        if made is None:
            continue
        found = _relation([(side, base[0]), (tried[0], made[0]), (tried[1], made[1])])
        if found is None:
            odd = odd or _odd(tried, made)
            continue
        least = near
        if side > LEAST and LEAST % multiple == 0:
            small = _made(probe, inputs, (LEAST, LEAST), look)
            if small and _relation([(side, base[0]), (LEAST, small[0])]) == found:
                least = LEAST
        return Sizes(None, multiple, least, *found)
    found = _relation([(side, base[0]), (side, base[1])])
    if odd or found is None:
        return odd or _odd((side, side), base)
    return Sizes((side, side), scale=found[0], part=found[1], margin=found[2])


def _made(probe: Probe, inputs: Specs, size: Size, look: Look) -> Size | None:
    outputs = probe.run(inputs, blank(*size))
    return None if outputs is None else look(outputs, size)


def _relation(pairs: Sequence[tuple[int, int]]) -> tuple[int, int, int] | None:
    """Scale, part and margin by which each first number becomes the second; None for no such."""
    for (one, made_of_one), (other, made_of_other) in pairwise(pairs):
        if one == other:
            continue
        scale, rest = divmod(made_of_other - made_of_one, other - one)
        if rest == 0 and scale >= 1:
            lost = scale * one - made_of_one
            margin, odd = divmod(lost, 2 * scale)
            if lost >= 0 and odd == 0 and all(scale * (n - 2 * margin) == m for n, m in pairs):
                return scale, 1, margin
        break
    one, made = pairs[0]
    if made and one % made == 0 and all(n == one // made * m for n, m in pairs):
        return 1, one // made, 0
    if one and made % one == 0 and all(m == made // one * n for n, m in pairs):
        return made // one, 1, 0
    # One size alone, or two: as much is missing on each side.
    for scale in (1, 2, 3, 4):
        lost = scale * one - made
        if lost > 0 and lost % (2 * scale) == 0 and lost <= scale * one // 2:
            margin = lost // (2 * scale)
            if all(scale * (n - 2 * margin) == m for n, m in pairs):
                return scale, 1, margin
    return None


def _odd(size: tuple[int, int], made: tuple[int, int]) -> str:
    return _(
        "from {size} × {height} pixels it makes {made_width} × {made_height}",
        size=size[1],
        height=size[0],
        made_width=made[1],
        made_height=made[0],
    )


def with_words(spec: TensorSpec, sizes: Sizes) -> TensorSpec:
    """``spec`` with the only size that the model takes in place of words."""
    if sizes.fixed is None or not spec.layout:
        return spec
    named = dict(zip("HW", sizes.fixed, strict=True))
    shape = tuple(
        named.get(letter, side) if side == letter else side
        for letter, side in zip(spec.layout, spec.shape, strict=True)
    )
    return replace(spec, shape=shape)
