"""Does a downloaded model work here: expected tensors, and one tile of a known picture on the CPU.

A model that fails is never run on anybody's picture. Call this in a process that may die.
"""

from __future__ import annotations

import time
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime

from ..engine.session import OutOfMemory, RunFailed, Session, SessionFailed, open_session
from .cards import SIGMA, Card, TensorSpec
from .store import Trial

_TYPES = {
    "float32": "tensor(float)",
    "float16": "tensor(float16)",
    "uint8": "tensor(uint8)",
    "int32": "tensor(int32)",
    "int64": "tensor(int64)",
}
_SIGMA = 15 / 255


def onnxruntime_version() -> str:
    """The version of the onnxruntime in this process."""
    return str(onnxruntime.__version__)


def try_model(card: Card, path: Path) -> Trial:
    """Open the model at ``path``, compare its tensors with the card, and run one tile of it.

    Never raises for a bad model: ``Trial.ok`` is false then, and ``Trial.reason`` says why. The
    output must have the contract's shape, be finite, lie within half a range of the contract's
    range, and not be constant. ``seconds_per_tile`` is that one run, the session's making apart.
    """
    side = card.tile.size
    seconds = 0.0
    try:
        session = open_session(path)
        reason = _wrong_tensors(card, session)
        if not reason:
            feed = {
                tensor.name: _tile(spec, card)
                for tensor, spec in zip(session.inputs, card.inputs, strict=True)
            }
            start = time.perf_counter()
            outputs = session.run(feed)
            seconds = time.perf_counter() - start
            reason = _wrong_outputs(card, outputs)
    except (SessionFailed, RunFailed, OutOfMemory) as error:
        reason = f"onnxruntime cannot run it ({error.reason})"
    if reason:
        reason = f"{card.title} is not used: {reason}."
    return Trial(
        ok=not reason,
        reason=reason,
        onnxruntime=onnxruntime_version(),
        seconds_per_tile=seconds,
        tile=side,
        when=datetime.now(timezone.utc).isoformat(),
    )


def known_picture(height: int, width: int) -> np.ndarray[Any, np.dtype[np.float32]]:
    """A smooth picture, float32 (3, height, width), 0.1 to 0.9: slopes and slow waves."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y /= height
    x /= width
    planes = [x, y, 0.5 + 0.5 * np.sin(2 * np.pi * (x + 2 * y))]
    return np.stack([0.1 + 0.8 * plane for plane in planes]).astype(np.float32)


def _wrong_tensors(card: Card, session: Session) -> str:
    for side, tensors, specs in (
        ("input", session.inputs, card.inputs),
        ("output", session.outputs, card.outputs),
    ):
        if len(tensors) != len(specs):
            return f"it has {len(tensors)} {side}s, expected {len(specs)}"
        for tensor, spec in zip(tensors, specs, strict=True):
            place = f"its {side} {tensor.name!r}"
            if spec.name is not None and tensor.name != spec.name:
                return f"{place} should be called {spec.name!r}"
            if tensor.type != _TYPES[spec.dtype]:
                return f"{place} is {tensor.type}, expected {_TYPES[spec.dtype]}"
            shape = tensor.shape
            if not shape:
                continue
            wanted = _sized(spec, card)
            if len(shape) != len(wanted):
                return f"{place} has {len(shape)} dimensions, expected {len(wanted)}"
            if any(isinstance(n, int) and n != m for n, m in zip(shape, wanted, strict=True)):
                return f"{place} has the shape {list(shape)}, expected {list(wanted)}"
    return ""


def _sized(spec: TensorSpec, card: Card) -> tuple[int, ...]:
    """The tensor's shape for one tile: numbers in place of the words for batch, height, width."""
    batch, channels = spec.shape[:2]
    return (
        batch if isinstance(batch, int) else 1,
        channels if isinstance(channels, int) else len(spec.channels),
        *(n if isinstance(n, int) else card.tile.size for n in spec.shape[2:]),
    )


def _tile(spec: TensorSpec, card: Card) -> np.ndarray[Any, np.dtype[Any]]:
    """The known picture as this input wants it, its sigma plane (if any) constant."""
    batch, channels, height, width = _sized(spec, card)
    low, high = spec.range
    picture = known_picture(height, width)
    tile = np.empty((batch, channels, height, width), np.float32)
    for index, channel in enumerate(spec.channels):
        tile[:, index] = _SIGMA if channel == SIGMA else picture[index % len(picture)]
    return (low + (high - low) * tile).astype(spec.dtype)


def _wrong_outputs(card: Card, outputs: list[Any]) -> str:
    for output, spec in zip(outputs, card.outputs, strict=True):
        wanted = _sized(spec, card)
        if output.shape != wanted:
            return f"its output has the shape {list(output.shape)}, expected {list(wanted)}"
        values = output.astype(np.float64)
        if not np.isfinite(values).all():
            return "its output holds values that are no numbers"
        low, high = spec.range
        slack = (high - low) / 2
        lowest, highest = float(values.min()), float(values.max())
        if lowest < low - slack or highest > high + slack:
            return (
                f"its output runs from {lowest:.3g} to {highest:.3g}, expected about {low:g} to "
                f"{high:g}"
            )
        if highest - lowest < 0.01 * (high - low):
            return "its output is the same everywhere"
    return ""
