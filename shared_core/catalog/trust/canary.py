"""Does a model work here: expected tensors, and one run on known values on the CPU.

A model that fails is never run on anybody's picture. For a process that may die (``confined``),
with an inspected model; ``trial`` is what others call.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from shared_core.bridge.language import _

from ...engine.session import RunFailed, Session, SessionFailed, open_session
from ..card import CLASSES, MATTE, RESIDUAL, Card, TensorSpec, from_json
from ..contract import Shown, fed, matched, planes, undone
from ..manifest import Trial

_TYPES = {
    "float32": "tensor(float)",
    "float16": "tensor(float16)",
    "float64": "tensor(double)",
    "uint8": "tensor(uint8)",
    "int32": "tensor(int32)",
    "int64": "tensor(int64)",
    "int8": "tensor(int8)",
    "bool": "tensor(bool)",
}
_SIGMA = 15.0
# Pictures and the like: what varies by less than this share of its range is another range.
_LEAST_SHARE = 0.01

# Of the answers that are compared, with tiles of a part of their side.
_ANSWERS = 64
_SMALLER = 4

Size = tuple[int | None, int | None]

_Failures = (SessionFailed, RunFailed)


def onnxruntime_version() -> str:
    """The version of the onnxruntime in this process."""
    return str(onnxruntime.__version__)


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """What came of trying the model of the ``card`` in ``folder``, for ``confined.call``."""
    return asdict(try_model(from_json(request["card"]), Path(request["folder"])))


def try_model(card: Card, folder: Path) -> Trial:
    """Open each session of the model in ``folder``, compare its tensors with the card, run it once.

    Never raises for a bad model: ``Trial.ok`` is false then, and ``Trial.reason`` says why. Raises
    ``OutOfMemory``, which may be this machine's fault. Each output must have the contract's shape,
    be finite, lie within half a range of the contract's range, and not be constant. The sessions
    are open one at a time. ``seconds_per_tile`` adds up the runs, the sessions' making apart. A
    card without sessions passes.
    """
    seconds: dict[str, float] = {}
    answers: dict[str, list[float]] = {}
    reason = ""
    for role, file in card.sessions():
        try:
            session = open_session(folder / file.path)
            reason, seconds[role] = _try_session(card, role, session)
            if not reason:
                answers[role] = answered(card, role, session)
                if not np.isfinite(answers[role]).all():
                    reason = _("its output holds values that are no numbers in small tiles")
                    del answers[role]
        except _Failures as error:
            reason = _("onnxruntime cannot run it ({reason})", reason=error.reason)
        if reason:
            model = f"{card.title} ({file.path})" if role else card.title
            reason = _("{model} is not used: {reason}.", model=model, reason=reason)
            break
    return Trial(
        ok=not reason,
        reason=reason,
        onnxruntime=onnxruntime_version(),
        seconds_per_tile=sum(seconds.values()),
        tile=card.run_side or (card.fixed_size or (0, 0))[0],
        when=datetime.now(timezone.utc).isoformat(),
        seconds_by_role=seconds,
        answers=answers,
    )


def answered(card: Card, role: str, session: Session) -> list[float]:
    """Evenly spread values of what a session answers to the known values, at a small size.

    Raises what the session's run raises.
    """
    size: Size = card.run_size or (None, None)
    if card.tile:
        width, height = card.tile.divided(_SMALLER).sides
        size = height, width
    found = session.run(_known_feed(card, role, session, size))
    outputs = [spec for spec in card.outputs if spec.role == role]
    wanted = matched(outputs, session.outputs)[0].name
    place = [tensor.name for tensor in session.outputs].index(wanted)
    values = found[place].ravel()
    step = max(1, values.size // _ANSWERS)
    return [float(value) for value in values[::step][:_ANSWERS]]


def deviation(found: Sequence[float], expected: Sequence[float]) -> float:
    """The largest difference of two answers as a share of the second's largest value.

    Infinite where one is no number, or they are not alike at all.
    """
    if len(found) != len(expected) or not np.isfinite(found).all():
        return math.inf
    peak = float(np.abs(expected).max(initial=0.0))
    off = float(np.abs(np.subtract(found, expected)).max(initial=0.0))
    return off / peak if peak else off


def _known_feed(card: Card, role: str, session: Session, size: Size) -> dict[str, NDArray[Any]]:
    inputs = [spec for spec in card.inputs if spec.role == role]
    named = matched(inputs, session.inputs)
    return {
        tensor.name: known_values(spec, *size) for spec, tensor in zip(inputs, named, strict=True)
    }


def _try_session(card: Card, role: str, session: Session) -> tuple[str, float]:
    """What is wrong with one session, else "", and the seconds of its run."""
    inputs = [spec for spec in card.inputs if spec.role == role]
    outputs = [spec for spec in card.outputs if spec.role == role]
    size = card.run_size or (None, None)
    reason = _wrong_tensors(session, inputs, outputs, size)
    if reason:
        return reason, 0.0
    feed = _known_feed(card, role, session, size)
    start = time.perf_counter()
    found = session.run(feed)
    seconds = time.perf_counter() - start
    by_name = {tensor.name: values for tensor, values in zip(session.outputs, found, strict=True)}
    for spec, tensor in zip(outputs, matched(outputs, session.outputs), strict=True):
        output = _("its output")
        if len(outputs) > 1:
            output = _("its output {name}", name=repr(tensor.name))
        reason = _wrong_values(output, by_name[tensor.name], spec, size)
        if reason:
            return reason, seconds
    return "", seconds


def _wrong_tensors(
    session: Session,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    size: Size,
) -> str:
    if len(session.inputs) != len(inputs):
        return _(
            "it has {count} inputs, expected {expected}",
            count=len(session.inputs),
            expected=len(inputs),
        )
    # Further outputs, as many exports have for training, harm nobody.
    if len(session.outputs) < len(outputs):
        return _(
            "it has {count} outputs, expected {expected}",
            count=len(session.outputs),
            expected=len(outputs),
        )
    for tensors, specs in ((session.inputs, inputs), (session.outputs, outputs)):
        for tensor, spec in zip(matched(specs, tensors), specs, strict=True):
            name = repr(tensor.name)
            place = _("its input {name}", name=name)
            if specs is outputs:
                place = _("its output {name}", name=name)
            if spec.name is not None and tensor.name != spec.name:
                return _("{place} should be called {name}", place=place, name=repr(spec.name))
            if tensor.type != _TYPES[spec.dtype]:
                return _(
                    "{place} is {type}, expected {types}",
                    place=place,
                    type=tensor.type,
                    types=_TYPES[spec.dtype],
                )
            shape, wanted = tensor.shape, spec.sized(*size)
            if not shape:
                continue
            if len(shape) != len(wanted):
                return _(
                    "{place} has {count} dimensions, expected {expected}",
                    place=place,
                    count=len(shape),
                    expected=len(wanted),
                )
            if any(isinstance(n, int) and n != m for n, m in zip(shape, wanted, strict=True)):
                return _(
                    "{place} has the shape {shape}, expected {wanted}",
                    place=place,
                    shape=list(shape),
                    wanted=list(wanted),
                )
    return ""


def known_picture(height: int, width: int) -> NDArray[np.float32]:
    """A picture, float32 (3, height, width), 0.1 to 0.9: slopes, waves, and a disc upon them.

    The disc is there for networks that look for something in front of a background.
    """
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y /= height
    x /= width
    planes = np.stack([x, y, 0.5 + 0.5 * np.sin(2 * np.pi * (x + 2 * y))])
    radius = np.hypot(x - 0.5, y - 0.5)
    disc = np.clip((0.25 - radius) * 20 + 0.5, 0, 1)
    colour = np.array([0.9, 0.15, 0.1], np.float32)[:, None, None]
    mixed = planes * (1 - disc) + colour * disc
    return np.asarray(0.1 + 0.8 * mixed, np.float32)


def known_values(spec: TensorSpec, height: int | None, width: int | None = None) -> NDArray[Any]:
    """What is fed to the input ``spec``: the known picture as the contract wants it, or a ramp."""
    shape = spec.sized(height, width)
    if spec.layout or spec.value is not None:
        size = dict(zip(spec.layout, shape, strict=False))
        # A size that is fixed has the margin in it, which is added to what is shown.
        margin = 2 * spec.margin if spec.size else 0
        sides = size.get("H", 1) - margin, size.get("W", 1) - margin
        picture = np.ascontiguousarray(known_picture(*sides).transpose(1, 2, 0))
        return fed(spec, Shown(picture, _hole(*sides), _SIGMA))
    low, high = spec.range or (0.0, 1.0)
    count = int(np.prod(shape))
    ramp = np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])
    if np.issubdtype(np.dtype(spec.dtype), np.integer):
        ramp = np.round(ramp)
    return ramp.reshape(shape).astype(spec.dtype)


def _hole(height: int, width: int) -> NDArray[np.bool_]:
    """A disc to be filled."""
    y, x = np.mgrid[0:height, 0:width]
    return np.asarray(np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5) < 0.2)


def _wrong_values(place: str, values: NDArray[Any], spec: TensorSpec, size: Size) -> str:
    """What is wrong with the output that ``place`` names, else ""."""
    wanted = spec.sized(*size)
    if values.shape != wanted:
        return _(
            "{place} has the shape {shape}, expected {wanted}",
            place=place,
            shape=list(values.shape),
            wanted=list(wanted),
        )
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        return _("{place} holds values that are no numbers", place=place)
    if spec.layout:
        numbers = undone(spec, planes(values, spec.layout)).astype(np.float64)
    lowest, highest = float(numbers.min()), float(numbers.max())
    if spec.range is not None and spec.then != CLASSES:
        low, high = spec.range
        if spec.then == RESIDUAL:
            low, high = low - high, high - low
        slack = (high - low) / 2
        # A mask of one channel may well see nothing in the known picture, which has no noise.
        several = spec.layout and numbers.shape[-1] > 1 and spec.then != RESIDUAL
        flat = several and highest - lowest < _LEAST_SHARE * (high - low)
        if lowest < low - slack or highest > high + slack or (flat and highest > lowest):
            return _(
                "{place} runs from {lowest:.3g} to {highest:.3g}, expected about {low:g} to "
                "{high:g}",
                place=place,
                lowest=lowest,
                highest=highest,
                low=low,
                high=high,
            )
    # A matte or classes may well see no subject here, and then be the same everywhere.
    blind = spec.then == CLASSES or MATTE in spec.channels
    if numbers.size > 1 and highest == lowest and not blind:
        return _("{place} is the same everywhere", place=place)
    return ""
