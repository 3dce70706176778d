"""Building blocks of the contract models: what every twin's graph and its faults are made of."""

from __future__ import annotations

import random
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Picture = NDArray[np.float32]
Shape = Sequence[int | str]

OPSET = 17
CHAIN_CHANNELS = 64
_TYPES = {
    "float32": TensorProto.FLOAT,
    "float16": TensorProto.FLOAT16,
    "float64": TensorProto.DOUBLE,
    "uint8": TensorProto.UINT8,
    "int32": TensorProto.INT32,
    "int64": TensorProto.INT64,
}


class Variant(str, Enum):
    """What the twin of a model does.

    GOOD is the known function. SLOW is the identity behind many convolutions, COST a NAFNet of
    width 32 with random weights that changes little. The others are faults: the tensors' number,
    rank or names, and outputs that are not finite, too small, constant, of another range (0..1
    where 0..255 is due, or the other way round), or with the channels the other way round.
    NAN_ON_WHITE is GOOD where no value is above 0.95, and not finite there, so that it passes a
    trial and fails later.
    """

    GOOD = "good"
    SLOW = "slow"
    COST = "cost"
    TWO_INPUTS = "two-inputs"
    WRONG_RANK = "wrong-rank"
    WRONG_NAMES = "wrong-names"
    WRONG_RANGE = "wrong-range"
    NAN = "nan"
    NAN_ON_WHITE = "nan-on-white"
    HALF_SIZE = "half-size"
    CONSTANT = "constant"
    SWAPPED = "swapped"
    GARBAGE = "garbage"


@dataclass(frozen=True)
class Twin:
    """A model's files by their path in the repository, and what it costs.

    ``gflop`` is for a megapixel where the card has a tile, else for a run.
    """

    files: dict[str, bytes]
    gflop: float


@dataclass(frozen=True)
class Tensor:
    """An input or output of a graph: its name, dtype as numpy calls it, and shape."""

    name: str
    dtype: str
    shape: Shape


class Graph:
    """A graph under construction; every method adds a node and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, value: NDArray[np.generic]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def number(self, value: float) -> str:
        return self.weight(np.array(value, np.float32))

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def call(self, name: str, result: str) -> None:
        self.nodes.append(helper.make_node("Identity", [result], [name]))

    def shaped(self, tensor: str, sides: list[int]) -> str:
        return self.node("Reshape", tensor, self.weight(np.array(sides, np.int64)))

    def sliced(self, tensor: str, axis: int, begin: int, end: int, step: int = 1) -> str:
        at = [self.weight(np.array([n], np.int64)) for n in (begin, end, axis, step)]
        return self.node("Slice", tensor, *at)

    def depthwise(self, tensor: str, kernel: NDArray[np.float32]) -> str:
        pads = self.weight(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        padded = self.node("Pad", tensor, pads, mode="edge")
        weight = self.weight(np.tile(kernel[None, None], (3, 1, 1, 1)))
        return self.node("Conv", padded, weight, group=3)

    def cast(self, tensor: str, dtype: str) -> str:
        return self.node("Cast", tensor, to=_TYPES[dtype])

    def scaled(self, tensor: str, factor: float, offset: float = 0.0) -> str:
        """``tensor`` times ``factor`` plus ``offset``; all float32."""
        return self.node("Add", self.node("Mul", tensor, self.number(factor)), self.number(offset))

    def reversed_channels(self, tensor: str) -> str:
        return self.sliced(tensor, 1, -1, -(1 << 30), -1)

    def halved(self, tensor: str) -> str:
        """Every other row and column of an NCHW tensor."""
        return self.sliced(self.sliced(tensor, 2, 0, 1 << 30, 2), 3, 0, 1 << 30, 2)

    def spoilt(self, tensor: str, variant: Variant, wrong_factor: float = 255.0) -> str:
        """The float32 NCHW result ``tensor`` with the fault that ``variant`` asks for, if any.

        ``wrong_factor`` is what WRONG_RANGE multiplies by.
        """
        if variant is Variant.NAN:
            return self.node("Mul", tensor, self.number(float("nan")))
        if variant is Variant.HALF_SIZE:
            return self.halved(tensor)
        if variant is Variant.CONSTANT:
            return self.scaled(tensor, 0.0, 0.5)
        if variant is Variant.WRONG_RANGE:
            return self.scaled(tensor, wrong_factor)
        if variant is Variant.SWAPPED:
            return self.reversed_channels(tensor)
        return tensor

    def model(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> onnx.ModelProto:
        """The checked model; its outputs must have been named with ``call``."""
        proto = helper.make_model(
            helper.make_graph(
                self.nodes,
                "twin",
                [_info(t) for t in inputs],
                [_info(t) for t in outputs],
                self.weights,
            ),
            opset_imports=[helper.make_opsetid("", OPSET)],
            ir_version=8,
            producer_name="contract-models",
        )
        onnx.checker.check_model(proto)
        return proto

    def bytes(self, inputs: Sequence[Tensor], outputs: Sequence[Tensor]) -> bytes:
        """The checked model as a file."""
        return self.model(inputs, outputs).SerializeToString()


def identity_chain(graph: Graph, rgb: str, convolutions: int) -> str:
    """``rgb`` unchanged behind ``convolutions`` 3x3 convolutions of CHAIN_CHANNELS channels."""
    grow = np.zeros((CHAIN_CHANNELS, 3, 3, 3), np.float32)
    keep = np.zeros((CHAIN_CHANNELS, 64, 3, 3), np.float32)
    for channel in range(3):
        grow[channel, channel, 1, 1] = 1
    for channel in range(CHAIN_CHANNELS):
        keep[channel, channel, 1, 1] = 1
    tensor = graph.node("Conv", rgb, graph.weight(grow), pads=[1, 1, 1, 1])
    weight = graph.weight(keep)
    for _ in range(convolutions):
        tensor = graph.node("Conv", tensor, weight, pads=[1, 1, 1, 1])
    return graph.sliced(tensor, 1, 0, 3)


def chain_gflop_per_megapixel(convolutions: int) -> float:
    """What ``identity_chain`` costs."""
    return convolutions * 2 * 9 * CHAIN_CHANNELS**2 * 1e6 / 1e9


def convolutions_for(seconds: float, gflop_per_second: float, side: int) -> int:
    """How many convolutions ``identity_chain`` needs to take ``seconds`` for a square tile."""
    each = chain_gflop_per_megapixel(1) * side * side / 1e6
    return max(1, round(seconds * gflop_per_second / each))


def renamed(tensors: Sequence[Tensor], variant: Variant, letter: str) -> list[Tensor]:
    """``tensors``, for WRONG_NAMES under other names: ``letter`` and a number."""
    if variant is not Variant.WRONG_NAMES:
        return list(tensors)
    return [Tensor(f"{letter}{n}", t.dtype, t.shape) for n, t in enumerate(tensors)]


def odd_input(graph: Graph, inputs: list[Tensor], variant: Variant) -> tuple[str, list[Tensor]]:
    """The tensor to compute with, and the inputs that WRONG_RANK and TWO_INPUTS have instead."""
    [only] = inputs
    if variant is Variant.WRONG_RANK:
        batch, channels, *sides = only.shape
        odd = Tensor(only.name, only.dtype, [batch, channels, "frames", *sides])
        return graph.node("Squeeze", only.name, graph.weight(np.array([2], np.int64))), [odd]
    if variant is Variant.TWO_INPUTS:
        return graph.node("Add", only.name, "more"), [only, Tensor("more", "float32", [1])]
    return only.name, [only]


def odd_output(
    graph: Graph, rgb: str, result: str, outputs: list[Tensor], variant: Variant
) -> tuple[str, list[Tensor]]:
    """``result`` with the fault of ``variant``, and the output it then is."""
    [only] = outputs
    if variant is Variant.NAN_ON_WHITE:
        root = graph.node("Sqrt", graph.node("Sub", graph.number(0.95), rgb))
        return graph.node("Add", result, graph.node("Mul", root, graph.number(0.0))), [only]
    if variant is Variant.HALF_SIZE:
        batch, channels = only.shape[:2]
        only = Tensor(only.name, only.dtype, [batch, channels, "half H", "half W"])
    return graph.spoilt(result, variant), [only]


def garbage(*paths: str) -> dict[str, bytes]:
    """Files of noise, which no runtime takes for a model."""
    noise = random.Random(7)
    return {path: noise.randbytes(4096) for path in paths}


def with_external_data(proto: onnx.ModelProto, path: str, data: str) -> dict[str, bytes]:
    """The files ``path`` and, beside it, ``data``, which holds the larger weights."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / Path(path).name
        onnx.save_model(
            proto,
            file,
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location=Path(data).name,
            # Shapes and pads must stay inside: onnxruntime reads them before external data.
            size_threshold=100,
        )
        onnx.checker.check_model(file)
        return {path: file.read_bytes(), data: (Path(folder) / Path(data).name).read_bytes()}


def padded(files: dict[str, bytes], padding: int) -> dict[str, bytes]:
    """``files``, the last one of weights about ``padding`` bytes longer, which mean nothing."""
    weights = [name for name in files if not name.endswith((".json", ".txt"))]
    if not padding or not weights:
        return files
    last = weights[-1]
    more = random.Random(7).randbytes(padding)
    if last.endswith(".onnx"):
        # Two messages of protobuf in a row are one with the fields of both.
        letters = more[: padding // 2].hex()
        extra = onnx.ModelProto()
        extra.metadata_props.add(key="padding", value=letters)
        more = extra.SerializeToString()
    return {**files, last: files[last] + more}


def _info(tensor: Tensor) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(tensor.name, _TYPES[tensor.dtype], list(tensor.shape))
