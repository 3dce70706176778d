"""The ways in which a tool may have to feed a model and read it, with how usual each one is.

A reading is a guess that can be tried. Its penalty is by how many decibels the others have to do
worse before it is taken: 0 for what most exports want.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product

from shared_core.bridge.errors import UsageError
from shared_core.bridge.language import _
from shared_core.catalog.card import (
    CLASSES,
    EACH,
    HOLE,
    KEEP,
    LIGHTNESS,
    LUMA,
    MATTE,
    RESIDUAL,
    SIGMA,
    SIGMOID,
    SOFTMAX,
    TensorSpec,
)

from . import fields
from . import values as numbers
from .fields import MASK, ORDER, OUTPUT, OUTPUT_ORDER, OUTPUT_VALUES, SUBJECT, VALUES
from .outputs import Given
from .probe import Sizes, Specs, picture_of
from .roles import RGB
from .values import BYTES, HALVED, IMAGENET, SIGNED, UNIT, Values

BGR = ("B", "G", "R")
Options = Sequence[tuple[str, float]]

_USUAL: dict[str, tuple[tuple[Values, float], ...]] = {
    "restore-faces": ((SIGNED, 0.0), (UNIT, 0.3), (IMAGENET, 0.8), (BYTES, 3.0)),
    "remove-background": (
        (IMAGENET, 0.0), (SIGNED, 0.2), (HALVED, 0.3), (UNIT, 0.4), (BYTES, 3.0)
    ),
    "colorize": ((UNIT, 0.0), (BYTES, 0.3), (IMAGENET, 0.4), (SIGNED, 0.5)),
    "remove-object": ((UNIT, 0.0), (SIGNED, 0.2), (BYTES, 0.3), (IMAGENET, 0.8)),
}  # fmt: skip
_USUAL_ELSEWHERE = ((UNIT, 0.0), (BYTES, 0.2), (SIGNED, 0.3), (IMAGENET, 0.5), (HALVED, 0.6))
_LIGHTNESS = (
    (numbers.LIGHTNESS, 0.0), (numbers.CENTRED, 0.4), (UNIT, 0.5), (BYTES, 0.6), (SIGNED, 0.7)
)  # fmt: skip
_SHARES, _LOGITS, _SEPARATE, _LABELS = "shares", "logits", "separate-logits", "classes"
_AB_UNITS = ("1", "110", "128")


@dataclass(frozen=True)
class Reading:
    """Tensors of one side as a card says them, what fields this fills, and how unusual it is."""

    specs: Specs
    texts: Mapping[str, str]
    penalty: float


# ---------------------------------------------------------------- inputs


def of_inputs(tool: str, specs: Specs, told: Mapping[str, str]) -> list[Reading]:
    """The ways to feed ``specs``, the most usual first; what is ``told`` is not guessed."""
    picture = picture_of(specs)
    colours = [channel for channel in picture.channels if channel in RGB]
    found = []
    choices = product(
        _orders(told.get(ORDER)) if colours else [("", 0.0)],
        _values(tool, picture, told.get(VALUES)),
        _sigmas(specs, told.get(fields.SIGMA)),
        _masks(specs, told.get(MASK)),
    )
    for (order, one), (value, two), (sigma, three), (mask, four) in choices:
        made = tuple(_input(spec, picture, order, value, sigma, mask) for spec in specs)
        texts = {VALUES: value.text()}
        texts |= {ORDER: order} if order else {}
        texts |= {fields.SIGMA: sigma.text()} if sigma else {}
        texts |= {MASK: mask} if mask else {}
        found.append(Reading(made, texts, one + two + three + four))
    return sorted(found, key=lambda reading: reading.penalty)


def _orders(told: str | None) -> Options:
    if told is None:
        return [("rgb", 0.0), ("bgr", 1.0)]
    return [(_one_of(ORDER, told, ("rgb", "bgr")), 0.0)]


def _values(tool: str, picture: TensorSpec, told: str | None) -> list[tuple[Values, float]]:
    if told is not None:
        return [(numbers.parse(VALUES, told), 0.0)]
    if picture.dtype == "uint8":
        return [(BYTES, 0.0)]
    if picture.dtype == "int8":
        return [(Values(-128.0, 127.0), 0.0)]
    if picture.channels == (LIGHTNESS,):
        return list(_LIGHTNESS)
    usual = list(_USUAL.get(tool, _USUAL_ELSEWHERE))
    if len([c for c in picture.channels if c in RGB]) < 3:
        usual = [one for one in usual if not one[0].mean]
    return usual


def _sigmas(specs: Specs, told: str | None) -> list[tuple[Values | None, float]]:
    """How a noise level in a tensor of its own counts; one among the picture's goes with it."""
    alone = [spec for spec in specs if spec.channels == (SIGMA,)]
    if not alone:
        return [(None, 0.0)]
    if told is not None:
        return [(numbers.parse(fields.SIGMA, told), 0.0)]
    return [(UNIT, 0.0), (BYTES, 0.2)]


def _masks(specs: Specs, told: str | None) -> Options:
    channels = {channel for spec in specs for channel in spec.channels}
    if not channels & {HOLE, KEEP}:
        return [("", 0.0)]
    joined = any(HOLE in spec.channels and len(spec.channels) > 1 for spec in specs)
    usual = [("hole", 0.0), ("keep", 0.3)]
    if joined:
        # MI-GAN's own order: the mask first, half below zero.
        usual += [("keep-first", 0.4), ("hole-first", 0.6)]
    names = tuple(name for name, _ in usual)
    return usual if told is None else [(_one_of(MASK, told, names), 0.0)]


def _input(
    spec: TensorSpec,
    picture: TensorSpec,
    order: str,
    value: Values,
    sigma: Values | None,
    mask: str,
) -> TensorSpec:
    if spec is not picture:
        if spec.channels == (SIGMA,) and sigma is not None:
            return replace(spec, range=sigma.range)
        return replace(spec, channels=(mask,)) if spec.channels == (HOLE,) else spec
    channels = spec.channels
    if order == "bgr":
        channels = tuple(reversed(RGB)) + channels[3:]
    first = mask.endswith("-first")
    if HOLE in channels:
        name = mask.removesuffix("-first")
        colours = tuple(channel for channel in channels if channel != HOLE)
        channels = (name, *colours) if first else (*colours, name)
    return with_values(replace(spec, channels=channels), value, halved_mask=first)


def with_values(spec: TensorSpec, value: Values, halved_mask: bool = False) -> TensorSpec:
    """``spec`` with its colours fed as ``value`` says; a mask among them is 0 and 1."""
    mean = dict(zip(RGB, value.mean, strict=False))
    std = dict(zip(RGB, value.std, strict=False))
    if not {HOLE, KEEP} & set(spec.channels):
        if not mean:
            return replace(spec, range=value.range, mean=(), std=())
        return replace(
            spec,
            range=value.range,
            mean=tuple(mean.get(channel, 0.0) for channel in spec.channels),
            std=tuple(std.get(channel, 1.0) for channel in spec.channels),
        )
    if not mean:
        # The same numbers as a mean and a deviation of 0..1, which leaves the mask alone.
        width = value.high - value.low
        mean = dict.fromkeys(RGB, -value.low / width)
        std = dict.fromkeys(RGB, 1 / width)
    shift = 0.5 if halved_mask else 0.0
    return replace(
        spec,
        range=(0.0, 1.0),
        mean=tuple(mean.get(channel, shift) for channel in spec.channels),
        std=tuple(std.get(channel, 1.0) for channel in spec.channels),
    )


# ---------------------------------------------------------------- outputs


def of_outputs(
    tool: str, given: Given, sizes: Sizes, source: Reading, told: Mapping[str, str]
) -> list[Reading]:
    """The ways to read one output where the inputs are fed as ``source`` says."""
    plain = given.spec(sizes)
    if tool == "remove-background":
        found = _mattes(given, plain, told)
    elif tool == "colorize" and given.channels == 2:
        found = _chroma(plain, told)
    else:
        found = _pictures(tool, given, plain, sizes, source, told)
    named = {OUTPUT: given.name}
    if told.get(OUTPUT, given.name) != given.name:
        return []
    return [replace(reading, texts={**named, **reading.texts}) for reading in found]


def _pictures(
    tool: str,
    given: Given,
    plain: TensorSpec,
    sizes: Sizes,
    source: Reading,
    told: Mapping[str, str],
) -> list[Reading]:
    taken = picture_of(source.specs)
    single = taken.channels[0] if taken.channels[0] in (EACH, LUMA) else ""
    order = source.texts.get(ORDER, "rgb")
    orders: Options = [("", 0.0)]
    if not single:
        other = "bgr" if order == "rgb" else "rgb"
        orders = [(order, 0.0), (other, 0.3 if other == "rgb" else 1.0)]
        if tool == "colorize":
            orders = [("rgb", 0.0), ("bgr", 0.6)]
        if OUTPUT_ORDER in told:
            orders = [(_one_of(OUTPUT_ORDER, told[OUTPUT_ORDER], ("rgb", "bgr")), 0.0)]
    residuals: Options = [("no", 0.0)]
    if tool in ("denoise", "deblur") and sizes.scale == sizes.part == 1:
        residuals = [("no", 0.0), ("yes", 0.6)]
    if fields.RESIDUAL in told:
        residuals = [(_one_of(fields.RESIDUAL, told[fields.RESIDUAL], ("no", "yes")), 0.0)]
    found = []
    for (name, one), (value, two), (residual, three) in product(
        orders, _output_values(tool, given, source, told), residuals
    ):
        if residual == "yes" and not _of_one_unit(value, source, told):
            continue
        colours = (single,) if single else (BGR if name == "bgr" else RGB)
        channels = colours + ("A",) * (given.channels - len(colours))
        spec = with_values(replace(plain, channels=channels), value)
        spec = replace(spec, then=RESIDUAL if residual == "yes" else "")
        texts = {OUTPUT_VALUES: value.text()}
        texts |= {OUTPUT_ORDER: name} if name else {}
        texts |= {fields.RESIDUAL: residual} if tool in ("denoise", "deblur") else {}
        found.append(Reading((spec,), texts, one + two + three))
    return found


def _of_one_unit(value: Values, source: Reading, told: Mapping[str, str]) -> bool:
    """Whether what comes out can be taken from what went in: in the same unit, if that is known."""
    taken = numbers.parse(VALUES, source.texts[VALUES])
    return not value.mean and (value == taken or bool(taken.mean) or OUTPUT_VALUES in told)


def _output_values(
    tool: str, given: Given, source: Reading, told: Mapping[str, str]
) -> list[tuple[Values, float]]:
    if OUTPUT_VALUES in told:
        return [(numbers.parse(OUTPUT_VALUES, told[OUTPUT_VALUES]), 0.0)]
    if given.dtype == "uint8":
        return [(BYTES, 0.0)]
    same = numbers.parse(VALUES, source.texts[VALUES])
    usual = dict.fromkeys((UNIT, BYTES, SIGNED), 0.2)
    if tool == "colorize" and picture_of(source.specs).channels == (LIGHTNESS,):
        return list(usual.items())
    # What is shown with a normalisation mostly comes back without.
    usual[same] = 0.6 if same.mean else 0.0
    return list(usual.items())


def _mattes(given: Given, plain: TensorSpec, told: Mapping[str, str]) -> list[Reading]:
    whole = given.dtype.startswith(("int", "uint", "bool"))
    if given.channels == 1:
        kinds: Options = [(_SHARES, 0.0), (_LOGITS, 0.0), ("0..255", 0.5)]
        if whole:
            kinds = [(_LABELS, 0.0), ("0..255", 0.3), (_SHARES, 0.3)]
    else:
        kinds = [(_LOGITS, 0.0), (_SHARES, 0.0), (_SEPARATE, 0.8)]
    if OUTPUT_VALUES in told:
        names = (_SHARES, _LOGITS, _SEPARATE, _LABELS, "0..255")
        kinds = [(_one_of(OUTPUT_VALUES, told[OUTPUT_VALUES], names), 0.0)]
    found = []
    for kind, penalty in kinds:
        subjects: Options = [("", 0.0)]
        if given.channels == 2:
            subjects = [("1", 0.0), ("0", 0.8)]
        elif given.channels > 2 or kind == _LABELS:
            subjects = [("all but 0", 0.0)]
        if SUBJECT in told and subjects != [("", 0.0)]:
            subjects = [(told[SUBJECT], 0.0)]
        for subject, more in subjects:
            found.append(_matte(given, plain, kind, subject, penalty + more))
    return found


def _matte(given: Given, plain: TensorSpec, kind: str, subject: str, penalty: float) -> Reading:
    single = given.channels == 1 and kind != _LABELS
    then = {_LOGITS: SIGMOID if single else SOFTMAX, _SEPARATE: SIGMOID, _LABELS: CLASSES}
    spec = replace(
        plain,
        channels=(MATTE,) if single else (),
        range=(0.0, 255.0) if kind == "0..255" else (0.0, 1.0),
        then=then.get(kind, ""),
        subject=_classes(subject, given.channels),
    )
    texts = {OUTPUT_VALUES: kind} | ({SUBJECT: subject} if subject else {})
    return Reading((spec,), texts, penalty)


def _classes(text: str, channels: int) -> tuple[int, ...]:
    """The numbers in ``text``; empty for all but the first."""
    if text in ("", _("all but 0")):
        return ()
    parts = text.replace(" ", "").split(",")
    if not all(part.isdecimal() for part in parts):
        raise UsageError(
            _(
                "{subject} takes numbers of classes such as 1 or 12,15, not {text}.",
                subject=SUBJECT,
                text=repr(text),
            )
        )
    found = tuple(sorted({int(part) for part in parts}))
    if channels > 1 and found[-1] >= channels:
        raise UsageError(
            _(
                "{subject} takes classes from 0 to {channels}, not {text}.",
                subject=SUBJECT,
                channels=channels - 1,
                text=repr(text),
            )
        )
    return found


def _chroma(plain: TensorSpec, told: Mapping[str, str]) -> list[Reading]:
    units: Sequence[str] = _AB_UNITS
    if OUTPUT_VALUES in told:
        try:
            unit = float(told[OUTPUT_VALUES])
        except ValueError:
            unit = 0.0
        if not 0 < unit < 1000:
            raise UsageError(
                _(
                    "{field} takes what a* and b* are divided by, such as 1 or 110, not {told}.",
                    field=OUTPUT_VALUES,
                    told=repr(told[OUTPUT_VALUES]),
                )
            )
        units = (f"{unit:g}",)
    found = []
    for number, text in enumerate(units):
        unit = float(text)
        spec = replace(plain, channels=("a", "b"), range=(-127.0, 127.0))
        if unit != 1:
            spec = replace(spec, mean=(0.0, 0.0), std=(unit, unit))
        found.append(Reading((spec,), {OUTPUT_VALUES: text}, 0.2 * number))
    return found


def _one_of(field: str, text: str, names: Sequence[str]) -> str:
    if text not in names:
        raise UsageError(
            _(
                "{field} takes {names}, not {text}.",
                field=field,
                names=", ".join(names),
                text=repr(text),
            )
        )
    return text
