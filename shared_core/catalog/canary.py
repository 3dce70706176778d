"""Does a downloaded model work here: expected tensors, and one run on known values on the CPU.

A model that fails is never run on anybody's picture. Call this in a process that may die.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from ..engine.session import OutOfMemory, RunFailed, Session, SessionFailed, Tensor, open_session
from .card import SIGMA, SIGMOID, Card, TensorSpec
from .manifest import Trial

_TYPES = {
    "float32": "tensor(float)",
    "float16": "tensor(float16)",
    "float64": "tensor(double)",
    "uint8": "tensor(uint8)",
    "int32": "tensor(int32)",
    "int64": "tensor(int64)",
}
# One channel that says which pixels are to be filled, or which are to stay: either or, nothing
# between.
HOLE, KEEP = ("hole",), ("keep",)
MASKS = (HOLE, KEEP)
_SIGMA = 15 / 255
# Pictures and the like: what varies by less than this share of its range is another range.
_LEAST_SHARE = 0.01

_Failures = (SessionFailed, RunFailed, OutOfMemory)


def onnxruntime_version() -> str:
    """The version of the onnxruntime in this process."""
    return str(onnxruntime.__version__)


def try_model(card: Card, folder: Path) -> Trial:
    """Open each session of the model in ``folder``, compare its tensors with the card, run it once.

    Never raises for a bad model: ``Trial.ok`` is false then, and ``Trial.reason`` says why. Each
    output must have the contract's shape, be finite, lie within half a range of the contract's
    range, and not be constant. The sessions are open one at a time. ``seconds_per_tile`` adds up
    the runs, the sessions' making apart. A card without sessions passes.
    """
    seconds: dict[str, float] = {}
    reason = ""
    for role, file in card.sessions():
        try:
            reason, seconds[role] = _try_session(card, role, folder / file.path)
        except _Failures as error:
            reason = f"onnxruntime cannot run it ({error.reason})"
        if reason:
            place = f" ({file.path})" if role else ""
            reason = f"{card.title}{place} is not used: {reason}."
            break
    return Trial(
        ok=not reason,
        reason=reason,
        onnxruntime=onnxruntime_version(),
        seconds_per_tile=sum(seconds.values()),
        tile=card.run_side or _fixed_side(card),
        when=datetime.now(timezone.utc).isoformat(),
        seconds_by_role=seconds,
    )


def _try_session(card: Card, role: str, path: Path) -> tuple[str, float]:
    """What is wrong with one session, else "", and the seconds of its run."""
    inputs = [spec for spec in card.inputs if spec.role == role]
    outputs = [spec for spec in card.outputs if spec.role == role]
    session = open_session(path)
    reason = _wrong_tensors(session, inputs, outputs, card.run_side)
    if reason:
        return reason, 0.0
    named = _matched(inputs, session.inputs)
    feed = {
        tensor.name: known_values(spec, card.run_side)
        for spec, tensor in zip(inputs, named, strict=True)
    }
    start = time.perf_counter()
    found = session.run(feed)
    seconds = time.perf_counter() - start
    by_name = {tensor.name: values for tensor, values in zip(session.outputs, found, strict=True)}
    for spec, tensor in zip(outputs, _matched(outputs, session.outputs), strict=True):
        reason = _wrong_values(by_name[tensor.name], spec, card.run_side)
        if reason:
            place = f" {tensor.name!r}" if len(outputs) > 1 else ""
            return f"its output{place} {reason}", seconds
    return "", seconds


def _matched(specs: Sequence[TensorSpec], tensors: Sequence[Tensor]) -> list[Tensor]:
    """The session's tensor for each of the card's: by name where all have one, else by order."""
    by_name = {tensor.name: tensor for tensor in tensors}
    names = [spec.name for spec in specs if spec.name in by_name]
    if len(set(names)) == len(specs):
        return [by_name[name] for name in names if name]
    return list(tensors[: len(specs)])


def _wrong_tensors(
    session: Session,
    inputs: Sequence[TensorSpec],
    outputs: Sequence[TensorSpec],
    side: int | None,
) -> str:
    if len(session.inputs) != len(inputs):
        return f"it has {len(session.inputs)} inputs, expected {len(inputs)}"
    # Further outputs, as many exports have for training, harm nobody.
    if len(session.outputs) < len(outputs):
        return f"it has {len(session.outputs)} outputs, expected {len(outputs)}"
    for kind, tensors, specs in (
        ("input", session.inputs, inputs),
        ("output", session.outputs, outputs),
    ):
        for tensor, spec in zip(_matched(specs, tensors), specs, strict=True):
            place = f"its {kind} {tensor.name!r}"
            if spec.name is not None and tensor.name != spec.name:
                return f"{place} should be called {spec.name!r}"
            if tensor.type != _TYPES[spec.dtype]:
                return f"{place} is {tensor.type}, expected {_TYPES[spec.dtype]}"
            shape, wanted = tensor.shape, spec.sized(side)
            if not shape:
                continue
            if len(shape) != len(wanted):
                return f"{place} has {len(shape)} dimensions, expected {len(wanted)}"
            if any(isinstance(n, int) and n != m for n, m in zip(shape, wanted, strict=True)):
                return f"{place} has the shape {list(shape)}, expected {list(wanted)}"
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


def known_values(spec: TensorSpec, side: int | None) -> NDArray[Any]:
    """What is fed to the input ``spec``: the known picture as the contract wants it, or a ramp."""
    shape = spec.sized(side)
    if spec.layout == "NCHW":
        return _picture(spec, shape).astype(spec.dtype)
    low, high = spec.range or (0.0, 1.0)
    count = int(np.prod(shape))
    ramp = np.linspace(low, high, count) if count > 1 else np.array([(low + high) / 2])
    if np.issubdtype(np.dtype(spec.dtype), np.integer):
        ramp = np.round(ramp)
    return ramp.reshape(shape).astype(spec.dtype)


def _hole(height: int, width: int, spec: TensorSpec) -> NDArray[np.float32]:
    """A disc to be filled: 1 in it where the mask says what is a hole, 0 where what is kept."""
    y, x = np.mgrid[0:height, 0:width]
    disc = np.hypot((x + 0.5) / width - 0.5, (y + 0.5) / height - 0.5) < 0.2
    return np.asarray(disc if spec.channels == HOLE else ~disc, np.float32)


def _picture(spec: TensorSpec, shape: tuple[int, ...]) -> NDArray[np.float32]:
    batch, channels, height, width = shape
    low, high = spec.range or (0.0, 1.0)
    known = low + (high - low) * known_picture(height, width)
    if spec.by_maximum:
        known = known / known.max()
    picture = np.empty((batch, channels, height, width), np.float32)
    if spec.channels in MASKS:
        picture[:] = low + (high - low) * _hole(height, width, spec)
        return picture
    for index in range(channels):
        sigma = spec.channels[index : index + 1] == (SIGMA,)
        plane: Any = _SIGMA if sigma else known[index % len(known)]
        if spec.mean:
            plane = (plane - spec.mean[index]) / spec.std[index]
        picture[:, index] = plane
    return picture


def _wrong_values(values: NDArray[Any], spec: TensorSpec, side: int | None) -> str:
    """What is wrong with an output, as the end of a sentence, else ""."""
    wanted = spec.sized(side)
    if values.shape != wanted:
        return f"has the shape {list(values.shape)}, expected {list(wanted)}"
    numbers = values.astype(np.float64)
    if not np.isfinite(numbers).all():
        return "holds values that are no numbers"
    if spec.then == SIGMOID:
        numbers = 1 / (1 + np.exp(-np.clip(numbers, -60, 60)))
    lowest, highest = float(numbers.min()), float(numbers.max())
    if spec.range is not None:
        low, high = spec.range
        slack = (high - low) / 2
        # A mask of one channel may well see nothing in the known picture.
        flat = len(wanted) == 4 and wanted[1] > 1 and highest - lowest < _LEAST_SHARE * (high - low)
        if lowest < low - slack or highest > high + slack or (flat and highest > lowest):
            return f"runs from {lowest:.3g} to {highest:.3g}, expected about {low:g} to {high:g}"
    if numbers.size > 1 and highest == lowest:
        return "is the same everywhere"
    return ""


def _fixed_side(card: Card) -> int:
    """The side of a picture whose size the shapes alone say, 0 where there is none."""
    for spec in card.inputs:
        if spec.layout == "NCHW" and isinstance(spec.shape[2], int):
            return spec.shape[2]
    return 0
