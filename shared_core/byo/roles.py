"""What each input of a stranger's file is for, and whether a tool can use such a file at all.

Found out from what the file declares. Standard library only.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from shared_core.bridge import toolbox
from shared_core.bridge.errors import BadInput
from shared_core.bridge.language import _
from shared_core.catalog.card import EACH, HOLE, KEEP, LIGHTNESS, LUMA, SIGMA, TensorSpec
from shared_core.catalog.cards import DTYPES
from shared_core.catalog.trust.inspection import Value

TOOLS = toolbox.TAKE_OWN
# Those whose result is a picture of the same place as the one that went in.
RESTORING = ("denoise", "deblur", "upscale", "restore-faces")

RGB = ("R", "G", "B")
_NOISE = re.compile(r"sigma|noise|level|strength|std", re.IGNORECASE)
_WEIGHT = re.compile(r"^w$|weight|fidelity", re.IGNORECASE)
_RATIO = re.compile(r"ratio|scale", re.IGNORECASE)
_MASK = re.compile(r"mask|hole", re.IGNORECASE)
# Sides of fewer pixels are no picture's.
_LEAST_SIDE = 8
# What a face model of two minds is told: as much of the old face as of the beautiful one.
_USUAL_WEIGHT = 0.5

_NEEDS = {
    "denoise": _("one picture of 3 channels or 1, and at most the noise level beside it"),
    "deblur": _("one picture of 3 channels or 1"),
    "upscale": _("one picture of 3 channels or 1"),
    "restore-faces": _("one picture of 3 channels, and at most a weight beside it"),
    "remove-background": _("one picture of 3 channels"),
    "colorize": _("one picture of 3 channels, or its lightness as 1"),
    "remove-object": _("a picture of 3 channels and a mask of 1, or both as 4"),
}


class Misfit(BadInput):
    """A file that a tool cannot use: what was expected, what was found, what the user can do."""


def misfit(tool: str, found: str, advice: str) -> Misfit:
    """The error for a file in which ``found`` is not what ``tool`` needs."""
    title = toolbox.tool(tool).title
    return Misfit(
        _(
            "The model does not fit {title}: {found}. {advice}",
            title=title,
            found=found,
            advice=advice,
        )
    )


def readings(inputs: Sequence[Value], tool: str) -> list[tuple[TensorSpec, ...]]:
    """The inputs as ``tool`` may have to feed them, the likeliest reading first.

    Ranges, orders and the like are the usual ones. Raises ``Misfit``.
    """
    for value in inputs:
        if value.dtype not in DTYPES:
            what = value.dtype or _("no tensor")
            raise misfit(
                tool,
                _(
                    "its input {name} is {what}, and {names} can be fed",
                    name=repr(value.name),
                    what=what,
                    names=", ".join(DTYPES),
                ),
                _("Export it with float32 inputs."),
            )
    shapes = {value.name: value.shape or () for value in inputs}
    pictures = {value.name: found for value in inputs if (found := _pictures(value))}
    certain = {name for name, found in pictures.items() if found[0][1] in shapes[name]}
    if certain:
        # What may have any number of channels beside it is a state or another number.
        pictures = {name: pictures[name] for name in certain}
    others = [value for value in inputs if value.name not in pictures]
    if not pictures:
        raise _wrong_inputs(tool, inputs)
    made = [
        reading
        for main in inputs
        if main.name in pictures
        for layout, channels in pictures[main.name]
        if (reading := _reading(tool, inputs, others, main, layout, channels)) is not None
    ]
    if not made:
        raise _wrong_inputs(tool, inputs)
    return made


def describe(values: Sequence[Value]) -> str:
    """Inputs or outputs as people read them."""
    return "; ".join(
        f"{value.name} {value.dtype or 'no tensor'} {_shape(value)}" for value in values
    )


def _shape(value: Value) -> str:
    if value.shape is None:
        return _("of any shape")
    return "[" + ", ".join("?" if side is None else str(side) for side in value.shape) + "]"


def _wrong_inputs(tool: str, inputs: Sequence[Value]) -> Misfit:
    has_mask = any(_MASK.search(value.name) for value in inputs) and tool != "remove-object"
    advice = (
        _("It looks like a model for Remove Object.")
        if has_mask
        else _("Choose another tool, or a file of the kind that this one takes.")
    )
    return misfit(
        tool,
        _(
            "it needs {needs}, and the file takes {describe}",
            needs=_NEEDS[tool],
            describe=describe(inputs),
        ),
        advice,
    )


def _pictures(value: Value) -> list[tuple[str, int]]:
    """The ways, layout and channels, in which an input may be a picture; the likeliest first."""
    shape = value.shape
    if shape is None:
        return [("NCHW", 3), ("NHWC", 3), ("NCHW", 1)]
    found = []
    for layout in {4: ("NCHW", "NHWC"), 3: ("CHW", "HWC", "NHW"), 2: ("HW",)}.get(len(shape), ()):
        sides = dict(zip(layout, shape, strict=True))
        long = [sides[letter] for letter in "HW"]
        if any(isinstance(side, int) and side < _LEAST_SIDE for side in long):
            continue
        channels = sides.get("C", 1)
        if channels in (1, 2, 3, 4):
            found.append((layout, int(channels)))
        elif not isinstance(channels, int) and len({isinstance(side, int) for side in long}) == 1:
            # Some exports leave even this open; one side that is known beside it is no side.
            found += [(layout, 3), (layout, 1)]
    certain = [(layout, channels) for layout, channels in found if channels in shape]
    return certain or found


def _reading(
    tool: str,
    inputs: Sequence[Value],
    others: Sequence[Value],
    main: Value,
    layout: str,
    channels: int,
) -> tuple[TensorSpec, ...] | None:
    """All inputs where ``main`` is the picture; None where ``tool`` cannot feed them so."""
    named = _channels(tool, channels, [value for value in inputs if value is not main])
    if named is None:
        return None
    specs = []
    told = SIGMA in named
    masked = HOLE in named or KEEP in named
    for value in inputs:
        if value is main:
            spec = _spec(value, layout, channels)
            specs.append(
                replace(spec, channels=named, range=_usual_range(value, named), blank=masked)
            )
            continue
        planes = [kind for kind in _pictures(value) if kind[1] == 1 and value not in others]
        if planes and tool == "remove-object" and not masked:
            masked = True
            high = 255.0 if value.dtype == main.dtype == "uint8" else 1.0
            specs.append(replace(_spec(value, *planes[0]), channels=(HOLE,), range=(0.0, high)))
        elif planes and tool == "denoise" and not told:
            told = True
            specs.append(replace(_spec(value, *planes[0]), channels=(SIGMA,), range=(0.0, 1.0)))
        elif tool == "colorize" and _pictures(value) and value not in others:
            # Places for hints of colours, and where they are; there are none.
            layout_of, count = _pictures(value)[0]
            specs.append(replace(_spec(value, layout_of, count), value=0.0))
        elif value in others and _is_number(value):
            noise = tool == "denoise" and not told and not _WEIGHT.search(value.name)
            told = told or noise
            specs.append(_number(value, noise))
        else:
            return None
    if tool == "remove-object" and not masked:
        return None
    return tuple(specs)


def _channels(tool: str, count: int, others: Sequence[Value]) -> tuple[str, ...] | None:
    """What the channels of a tool's picture are; None where it has no use for so many."""
    if count == 3:
        return RGB
    if count == 1:
        return {
            "upscale": (LUMA,),
            "denoise": (EACH,),
            "deblur": (EACH,),
            "colorize": (LIGHTNESS,),
        }.get(tool)
    if tool == "denoise":
        return (*RGB, SIGMA) if count == 4 else (EACH, SIGMA)
    if tool == "remove-object" and count == 4 and not any(_pictures(v) for v in others):
        return (*RGB, HOLE)
    return None


def _usual_range(value: Value, channels: tuple[str, ...]) -> tuple[float, float]:
    if channels == (LIGHTNESS,):
        return 0.0, 100.0
    return (0.0, 255.0) if value.dtype == "uint8" else (0.0, 1.0)


def _spec(value: Value, layout: str, channels: int) -> TensorSpec:
    """A picture's tensor as a card says it, with nothing yet about its values."""
    shape: list[int | str] = []
    for letter, side in zip(layout, value.shape or (None,) * len(layout), strict=True):
        if letter == "C":
            shape.append(channels)
        elif isinstance(side, int):
            shape.append(side)
        else:
            shape.append("batch" if letter == "N" else letter)
    return TensorSpec(value.name, value.dtype, layout, tuple(shape), (), None)


def _is_number(value: Value) -> bool:
    """Whether an input holds one number, or none of its sides is a picture's."""
    if value.shape is None:
        return False
    return all(not isinstance(side, int) or side == 1 for side in value.shape)


def _number(value: Value, noise: bool) -> TensorSpec:
    """An input of one number: the noise level, or a constant."""
    shape = tuple(1 for _ in value.shape or ())
    layout = "NCHW" if len(shape) == 4 and noise else ""
    spec = TensorSpec(value.name, value.dtype, layout, shape, (), None)
    if noise:
        return replace(spec, channels=(SIGMA,), range=(0.0, 1.0))
    usual = ((_WEIGHT, _USUAL_WEIGHT), (_RATIO, 1.0))
    return replace(spec, value=next((n for word, n in usual if word.search(value.name)), 0.0))
