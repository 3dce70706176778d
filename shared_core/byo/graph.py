"""What a file's first and last operators say of the values that go in and come out.

Many exports hold their own normalisation, or end in a function that has a range. Read with the
limits of ``catalog.trust.protobuf``; to be called for files that ``inspection`` has let pass.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_core.catalog.trust.protobuf import BYTES, FIXED32, VARINT, Field, Reader, signed

Numbers = NDArray[np.float64]

# Three by three weights of a convolution that only shifts and scales colours, and some more.
_MOST_NUMBERS = 16
_DTYPES = {1: "<f4", 2: "u1", 3: "i1", 6: "<i4", 7: "<i8", 10: "<f2", 11: "<f8"}
# Change no value; with them a tensor is still the picture.
_PASSING = frozenset({"Cast", "Identity", "Transpose", "Squeeze", "Unsqueeze", "Pad", "Dropout"})
_ENDING = _PASSING | {"Slice", "Resize", "Upsample", "Reshape", "Round", "CenterCropPad", "Clip"}
_MOST_STEPS = 24


@dataclass(frozen=True)
class Node:
    """An operator of the main graph with the numbers in its attributes."""

    kind: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    numbers: Mapping[str, Numbers] = field(default_factory=dict)


@dataclass(frozen=True)
class Graph:
    """The nodes of a file's main graph, and its stored tensors of few numbers."""

    nodes: tuple[Node, ...]
    numbers: Mapping[str, Numbers]

    def consumers(self, name: str) -> list[Node]:
        """The nodes that take ``name``, without those that only ask for its size."""
        return [node for node in self.nodes if name in node.inputs and node.kind != "Shape"]

    def producer(self, name: str) -> Node | None:
        """The node that makes ``name``."""
        return next((node for node in self.nodes if name in node.outputs), None)


@dataclass(frozen=True)
class Affine:
    """What is done to each channel of a picture: ``scale`` times it, plus ``shift``."""

    scale: Numbers
    shift: Numbers

    @property
    def plain(self) -> bool:
        """Whether nothing is done."""
        return bool((self.scale == 1).all() and (self.shift == 0).all())

    def turned(self) -> Affine:
        """The same where the channels come in the other order."""
        return Affine(self.scale[::-1], self.shift[::-1])


@dataclass(frozen=True)
class Entry:
    """What becomes of an input before the network's own layers.

    ``affine`` is in the order of the input's channels, which ``reversed`` says to be turned round
    on the way. ``limits`` are those it is cut off at, in its own values.
    """

    affine: Affine
    limits: tuple[float, float] | None = None
    reversed: bool = False


@dataclass(frozen=True)
class Exit:
    """How an output comes out of the network's own layers.

    ``kind`` is the operator with a range of its own that it passes last, in lower case, "" for
    none; ``limits`` that range, through what comes after it; ``affine`` what comes after it.
    """

    kind: str
    affine: Affine
    limits: tuple[float, float] | None = None


def read(path: Path) -> Graph:
    """The main graph of the ONNX file at ``path``. Raises ``Malformed`` and ``OSError``."""
    nodes: list[Node] = []
    numbers: dict[str, Numbers] = {}
    with path.open("rb", buffering=0) as stream:
        size = path.stat().st_size
        reader = Reader(stream, size)
        for part in reader.fields(0, size):
            if part.number != 7 or part.kind != BYTES:
                continue
            for inner in reader.fields(part.start, part.end):
                if inner.kind != BYTES:
                    continue
                if inner.number == 1:
                    nodes.append(_node(reader, inner))
                elif inner.number == 5:
                    name, values = _tensor(reader, inner)
                    if values is not None:
                        numbers[name] = values
    for node in nodes:
        if node.kind == "Constant" and node.outputs:
            for values in node.numbers.values():
                numbers[node.outputs[0]] = values
    return Graph(tuple(nodes), numbers)


def _node(reader: Reader, whole: Field) -> Node:
    kind = ""
    inputs: list[str] = []
    outputs: list[str] = []
    told: dict[str, Numbers] = {}
    for part in reader.fields(whole.start, whole.end):
        if part.kind != BYTES:
            continue
        if part.number in (1, 2):
            (inputs if part.number == 1 else outputs).append(reader.text(part.start, part.end))
        elif part.number == 4:
            kind = reader.text(part.start, part.end)
        elif part.number == 5:
            name, values = _attribute(reader, part)
            if values is not None:
                told[name] = values
    return Node(kind, tuple(inputs), tuple(outputs), told)


def _attribute(reader: Reader, whole: Field) -> tuple[str, Numbers | None]:
    name, values = "", None
    many: list[float] = []
    for part in reader.fields(whole.start, whole.end):
        if part.number == 1:
            name = reader.text(part.start, part.end)
        elif part.number == 2 and part.kind == FIXED32:
            values = np.frombuffer(reader.bytes(part.start, part.end), "<f4").astype(np.float64)
        elif part.number == 3 and part.kind == VARINT:
            values = np.array([signed(part.value)], np.float64)
        elif part.number == 5 and part.kind == BYTES:
            values = _tensor(reader, part)[1]
        elif part.number == 8 and part.kind == VARINT and len(many) < _MOST_NUMBERS:
            many.append(signed(part.value))
        elif part.number == 8 and part.kind == BYTES and part.end - part.start <= _MOST_NUMBERS:
            many += map(signed, reader.varints(part.start, part.end, _MOST_NUMBERS))
    return name, np.array(many, np.float64) if many else values


def _tensor(reader: Reader, whole: Field) -> tuple[str, Numbers | None]:
    """The name of a stored tensor, and its values where they are few and in the file."""
    name, dtype = "", 0
    dims: list[int] = []
    raw: Field | None = None
    packed: dict[int, Field] = {}
    for part in reader.fields(whole.start, whole.end):
        if part.number == 1 and part.kind == VARINT:
            dims.append(part.value)
        elif part.number == 1 and part.kind == BYTES and part.end - part.start <= _MOST_NUMBERS:
            dims += reader.varints(part.start, part.end, _MOST_NUMBERS)
        elif part.number == 2 and part.kind == VARINT:
            dtype = part.value
        elif part.number == 8 and part.kind == BYTES:
            name = reader.text(part.start, part.end)
        elif part.number == 9:
            raw = part
        elif part.number in (4, 5, 7, 10) and part.kind == BYTES:
            packed[part.number] = part
    count = int(np.prod(dims)) if dims else 1
    if not 0 < count <= _MOST_NUMBERS or dtype not in _DTYPES:
        return name, None
    values: Numbers | None = None
    if raw is not None:
        data = reader.bytes(raw.start, min(raw.end, raw.start + 8 * _MOST_NUMBERS))
        values = np.frombuffer(data[: count * np.dtype(_DTYPES[dtype]).itemsize], _DTYPES[dtype])
    elif 4 in packed or 10 in packed:
        part, kind = (packed[4], "<f4") if 4 in packed else (packed[10], "<f8")
        if part.end - part.start <= 8 * _MOST_NUMBERS:
            values = np.frombuffer(reader.bytes(part.start, part.end), kind)
    elif 7 in packed or 5 in packed:
        part = packed.get(7) or packed[5]
        if part.end - part.start <= 10 * _MOST_NUMBERS:
            values = np.array(
                [signed(n) for n in reader.varints(part.start, part.end, _MOST_NUMBERS)]
            )
            if dtype == 10:
                values = values.astype("<u2").view("<f2")
    if values is None or values.size != count:
        return name, None
    return name, np.asarray(values, np.float64).reshape(dims or (1,))


# ---------------------------------------------------------------- from an input on


def entry(graph: Graph, name: str, channels: int) -> Entry:
    """What becomes of the input ``name`` with so many colours, as far as it can be followed."""
    affine = _nothing(channels)
    limits: tuple[float, float] | None = None
    turned = False
    for _ in range(_MOST_STEPS):
        taking = graph.consumers(name)
        if len(taking) != 1:
            break
        [node] = taking
        step = _affine(graph, node, name, channels)
        if step is not None:
            affine = _after(step.turned() if turned else step, affine)
        elif node.kind == "Clip" and (found := _clip(graph, node)) is not None:
            if (affine.scale == affine.scale[0]).all() and (affine.shift == affine.shift[0]).all():
                low, high = ((bound - affine.shift[0]) / affine.scale[0] for bound in found)
                limits = float(low), float(high)
        elif _turns(graph, node, name):
            turned = not turned
        elif node.kind not in _PASSING or node.inputs[:1] != (name,):
            break
        if not node.outputs:
            break
        name = node.outputs[0]
    return Entry(affine, limits, turned)


def _nothing(channels: int) -> Affine:
    return Affine(np.ones(channels), np.zeros(channels))


def _after(step: Affine, before: Affine) -> Affine:
    return Affine(step.scale * before.scale, step.scale * before.shift + step.shift)


def _affine(graph: Graph, node: Node, name: str, channels: int) -> Affine | None:
    """What ``node`` does to ``name`` if it only scales and shifts each channel, else None."""
    nothing = _nothing(channels)
    if node.kind in ("Mul", "Add", "Sub", "Div") and len(node.inputs) == 2:
        others = [other for other in node.inputs if other != name]
        if len(others) != 1 or (number := _each(graph, others[0], channels)) is None:
            return None
        first = node.inputs[0] == name
        if node.kind == "Mul":
            return Affine(number, nothing.shift)
        if node.kind == "Add":
            return Affine(nothing.scale, number)
        if node.kind == "Sub":
            return Affine(nothing.scale, -number) if first else Affine(-nothing.scale, number)
        return Affine(1 / number, nothing.shift) if first and (number != 0).all() else None
    if node.kind == "BatchNormalization" and len(node.inputs) == 5:
        parts = [_each(graph, other, channels) for other in node.inputs[1:]]
        scale, shift, mean, variance = parts
        if scale is None or shift is None or mean is None or variance is None:
            return None
        factor = scale / np.sqrt(variance + _attribute_of(node, "epsilon", 1e-5))
        return Affine(factor, shift - mean * factor)
    if node.kind == "Conv" and len(node.inputs) in (2, 3) and node.inputs[0] == name:
        weight = graph.numbers.get(node.inputs[1])
        if weight is None or weight.shape[:2] != (channels, channels) or weight.size != channels**2:
            return None
        weight = weight.reshape(channels, channels)
        if not (weight == np.diag(np.diag(weight))).all() or channels == 1:
            return None
        bias = _each(graph, node.inputs[2], channels) if len(node.inputs) == 3 else nothing.shift
        return None if bias is None else Affine(np.diag(weight), bias)
    return None


def _each(graph: Graph, name: str, channels: int) -> Numbers | None:
    """A stored number for each channel, None where it is no such thing."""
    values = graph.numbers.get(name)
    if values is None or values.size not in (1, channels) or not np.isfinite(values).all():
        return None
    return np.asarray(np.broadcast_to(values.reshape(-1), channels), np.float64)


def _attribute_of(node: Node, name: str, default: float) -> float:
    values = node.numbers.get(name)
    return float(values.flat[0]) if values is not None and values.size else default


def _clip(graph: Graph, node: Node) -> tuple[float, float] | None:
    """The limits of a Clip, from its inputs or, in old files, its attributes."""
    bounds: list[float] = []
    for place, name in ((1, "min"), (2, "max")):
        values: Any = node.numbers.get(name)
        if len(node.inputs) > place:
            values = graph.numbers.get(node.inputs[place])
        if values is None or values.size != 1:
            return None
        bounds.append(float(values.flat[0]))
    return (bounds[0], bounds[1]) if bounds[0] < bounds[1] < 1e6 else None


def _turns(graph: Graph, node: Node, name: str) -> bool:
    """Whether ``node`` turns the order of three channels round."""
    if not node.inputs or node.inputs[0] != name:
        return False
    if node.kind == "Gather" and len(node.inputs) == 2:
        index = graph.numbers.get(node.inputs[1])
        return index is not None and index.reshape(-1).tolist() == [2, 1, 0]
    if node.kind == "Slice" and len(node.inputs) == 5:
        begin, steps = graph.numbers.get(node.inputs[1]), graph.numbers.get(node.inputs[4])
        axes = graph.numbers.get(node.inputs[3])
        return (
            begin is not None
            and steps is not None
            and axes is not None
            and steps.reshape(-1).tolist() == [-1]
            and axes.reshape(-1).tolist() in ([1], [3], [-1], [-3])
        )
    return False


# ---------------------------------------------------------------- back from an output

_RANGES = {
    "Sigmoid": (0.0, 1.0),
    "HardSigmoid": (0.0, 1.0),
    "Softmax": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "ArgMax": None,
}


def exit_of(graph: Graph, name: str, channels: int) -> Exit:
    """How the output ``name`` with so many channels comes about, as far as it can be followed."""
    after = _nothing(channels)
    cut: tuple[float, float] | None = None
    for _ in range(_MOST_STEPS):
        node = graph.producer(name)
        if node is None or not node.inputs:
            break
        if node.kind in _RANGES:
            limits = _RANGES[node.kind]
            return Exit(node.kind.lower(), after, _through(after, limits) or cut)
        if node.kind == "Clip" and (found := _clip(graph, node)) is not None:
            cut = cut or _through(after, found)
        step, before = None, node.inputs[0]
        for candidate in node.inputs[:2]:
            step = _affine(graph, node, candidate, channels)
            if step is not None:
                before = candidate
                break
        if step is not None:
            after = _after(after, step)
        elif node.kind not in _ENDING:
            break
        name = before
    return Exit("clip" if cut else "", after, cut)


def _through(affine: Affine, limits: tuple[float, float] | None) -> tuple[float, float] | None:
    """``limits`` after ``affine``, where it is the same for all channels."""
    if limits is None or np.ptp(affine.scale) > 1e-9 or np.ptp(affine.shift) > 1e-9:
        return None
    ends: Sequence[float] = sorted(
        float(affine.scale[0] * bound + affine.shift[0]) for bound in limits
    )
    return (ends[0], ends[1]) if ends[0] < ends[1] else None
