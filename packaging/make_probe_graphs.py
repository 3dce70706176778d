"""Builds the small networks in shared_core/device/graphs that measure an onnxruntime provider.

Run it by hand after a change here and store what it writes. No weights are stored: each graph
carries one vector of 2039 small numbers and expands it, which onnxruntime does once when it opens
the graph. index.json lists each graph's operations and, for the smallest of each kind, what the
ONNX project's own numpy evaluator answers.
"""

from __future__ import annotations

import json
import math
import shutil
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

FOLDER = Path(__file__).resolve().parent.parent / "shared_core" / "device" / "graphs"
OPSET = 17
IR_VERSION = 8

# Prime, so that the rows of a weight matrix are shifted copies and not equal.
PERIOD = 2039
GOLDEN_VALUES = 64
IMAGE_CHANNELS = 4
RESIZED_CHANNELS = 16
# A linear interpolation in two directions: three blends of two products and a sum, less one sum.
RESIZE_OPERATIONS = 8


def base_vector() -> np.ndarray:
    """A chirp, as white as random numbers and the same on every machine: int8 in -127..127."""
    turns = np.arange(PERIOD, dtype=np.float64) ** 2 * ((math.sqrt(5) - 1) / 2)
    return np.round(127 * np.sin(2 * np.pi * (turns % 1.0))).astype(np.int8)


class Builder:
    """A graph that grows node by node and counts its operations (a multiplication with its
    addition is two; only convolutions, matrix products and interpolation count)."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers = [numpy_helper.from_array(base_vector(), "base")]
        self.operations = 0

    def node(self, operator: str, inputs: Sequence[str], outputs: int = 1, **attributes) -> str:
        names = [f"{operator.lower()}{len(self.nodes)}_{index}" for index in range(outputs)]
        name = f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, names, name=name, **attributes))
        return names[0] if outputs == 1 else names

    def constant(self, value: np.ndarray) -> str:
        name = f"constant{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def integers(self, *values: int) -> str:
        return self.constant(np.array(values, np.int64))

    def weight(self, *shape: int, gain: float = 1.0) -> str:
        """A tensor expanded from the base vector, scaled so that activations keep their size."""
        count = math.prod(shape)
        fan_in = math.prod(shape[1:]) if len(shape) > 2 else shape[0]
        scale = gain / (127 * math.sqrt(0.5) * math.sqrt(fan_in))
        repeated = self.node("Tile", ["base", self.integers(-(-count // PERIOD))])
        exact = self.node("Slice", [repeated, self.integers(0), self.integers(count)])
        numbers = self.node("Cast", [exact], to=TensorProto.FLOAT)
        scaled = self.node("Mul", [numbers, self.constant(np.float32(scale))])
        return self.node("Reshape", [scaled, self.integers(*shape)])

    def conv(
        self, source: str, inputs: int, outputs: int, side: int, *, kernel=1, groups=1, gain=1.0
    ) -> str:
        self.operations += 2 * outputs * (inputs // groups) * kernel**2 * side**2
        return self.node(
            "Conv",
            [source, self.weight(outputs, inputs // groups, kernel, kernel, gain=gain)],
            kernel_shape=[kernel, kernel],
            pads=[kernel // 2] * 4,
            group=groups,
        )

    def matmul(self, source: str, tokens: int, inputs: int, outputs: int) -> str:
        self.operations += 2 * tokens * inputs * outputs
        return self.node("MatMul", [source, self.weight(inputs, outputs)])


def convolutions(graph: Builder, source: str, side: int, channels: int = 64) -> str:
    """Dense 3x3 convolutions with leaky ReLU, as in DRUNet, Real-ESRGAN or a VAE."""
    x = graph.conv(source, IMAGE_CHANNELS, channels, side)
    for _ in range(2):
        x = graph.conv(x, channels, channels, side, kernel=3)
        x = graph.node("LeakyRelu", [x], alpha=0.2)
    return graph.conv(x, channels, IMAGE_CHANNELS, side)


def depthwise(graph: Builder, source: str, side: int, channels: int = 64) -> str:
    """Depthwise 3x3 convolutions, which wait for memory and not for arithmetic."""
    x = graph.conv(source, IMAGE_CHANNELS, channels, side)
    for _ in range(8):
        x = graph.conv(x, channels, channels, side, kernel=3, groups=channels)
    return graph.conv(x, channels, IMAGE_CHANNELS, side)


def layer_norm(graph: Builder, x: str, channels: int) -> str:
    """Normalisation over the channels in single operations, as the exported networks have it."""
    mean = graph.node("ReduceMean", [x], axes=[1], keepdims=1)
    centred = graph.node("Sub", [x, mean])
    square = graph.node("Mul", [centred, centred])
    variance = graph.node("ReduceMean", [square], axes=[1], keepdims=1)
    shifted = graph.node("Add", [variance, graph.constant(np.float32(1e-6))])
    normal = graph.node("Div", [centred, graph.node("Sqrt", [shifted])])
    scale = graph.constant(np.linspace(0.8, 1.2, channels, dtype=np.float32).reshape(1, -1, 1, 1))
    shift = graph.constant(np.linspace(-0.1, 0.1, channels, dtype=np.float32).reshape(1, -1, 1, 1))
    return graph.node("Add", [graph.node("Mul", [normal, scale]), shift])


def gate(graph: Builder, x: str, channels: int) -> str:
    first, second = graph.node("Split", [x, graph.integers(channels, channels)], 2, axis=1)
    return graph.node("Mul", [first, second])


def naf_block(graph: Builder, source: str, side: int, channels: int) -> str:
    """The block of NAFNet (Chen et al., Simple Baselines for Image Restoration, 2022)."""
    x = layer_norm(graph, source, channels)
    x = graph.conv(x, channels, 2 * channels, side)
    x = graph.conv(x, 2 * channels, 2 * channels, side, kernel=3, groups=2 * channels)
    x = gate(graph, x, channels)
    pooled = graph.node("GlobalAveragePool", [x])
    x = graph.node("Mul", [x, graph.conv(pooled, channels, channels, 1)])
    x = graph.conv(x, channels, channels, side)
    middle = graph.node("Add", [source, x])
    x = layer_norm(graph, middle, channels)
    x = gate(graph, graph.conv(x, channels, 2 * channels, side), channels)
    x = graph.conv(x, channels, channels, side)
    return graph.node("Add", [middle, x])


def blocks(graph: Builder, source: str, side: int, channels: int) -> str:
    # Values of about 200 in the first normalisation: their sum of squares is beyond what half
    # precision can hold, and an adapter that computes it so must be found out.
    x = graph.conv(source, IMAGE_CHANNELS, channels, side, gain=400.0)
    for _ in range(2):
        x = naf_block(graph, x, side, channels)
    return graph.conv(x, channels, IMAGE_CHANNELS, side, gain=1 / 200)


def attention(graph: Builder, source: str, side: int, channels: int = 256, heads: int = 4) -> str:
    """Multi-head attention over side*side tokens with its projections."""
    tokens, width = side * side, channels // heads
    x = graph.conv(source, IMAGE_CHANNELS, channels, side)
    x = graph.node("Reshape", [x, graph.integers(1, channels, tokens)])
    x = graph.node("Transpose", [x], perm=[0, 2, 1])
    split = graph.integers(1, tokens, heads, width)
    query, key, value = (
        graph.node("Reshape", [graph.matmul(x, tokens, channels, channels), split])
        for _ in range(3)
    )
    query = graph.node("Transpose", [query], perm=[0, 2, 1, 3])
    key = graph.node("Transpose", [key], perm=[0, 2, 3, 1])
    value = graph.node("Transpose", [value], perm=[0, 2, 1, 3])
    scores = graph.node("MatMul", [query, key])
    scores = graph.node("Mul", [scores, graph.constant(np.float32(1 / math.sqrt(width)))])
    scores = graph.node("Softmax", [scores], axis=-1)
    x = graph.node("MatMul", [scores, value])
    graph.operations += 2 * 2 * heads * tokens * tokens * width
    x = graph.node("Transpose", [x], perm=[0, 2, 1, 3])
    x = graph.node("Reshape", [x, graph.integers(1, tokens, channels)])
    x = graph.matmul(x, tokens, channels, channels)
    x = graph.node("Transpose", [x], perm=[0, 2, 1])
    x = graph.node("Reshape", [x, graph.integers(1, channels, side, side)])
    return graph.conv(x, channels, IMAGE_CHANNELS, side)


def resize(graph: Builder, source: str, side: int) -> str:
    """Linear interpolation to twice the size and back."""
    x = source
    for factor, result in ((2.0, 2 * side), (0.5, side)):
        scales = graph.constant(np.array([1, 1, factor, factor], np.float32))
        x = graph.node(
            "Resize",
            [x, "", scales],
            mode="linear",
            coordinate_transformation_mode="half_pixel",
        )
        graph.operations += RESIZE_OPERATIONS * RESIZED_CHANNELS * result**2
    return x


Body = Callable[[Builder, str, int], str]
# The first size of each kind is for its answers, the others are for its speed.
KINDS: dict[str, tuple[Body, tuple[int, ...]]] = {
    "conv3x3": (convolutions, (32, 128, 256, 512)),
    "depthwise": (depthwise, (32, 128, 256, 512)),
    "block_deep": (lambda g, x, side: blocks(g, x, side, 256), (16, 32, 64, 128)),
    "block_full": (lambda g, x, side: blocks(g, x, side, 32), (32, 128, 256, 512)),
    "attention": (attention, (16, 32, 48)),
    "resize": (resize, (16, 128, 256, 512)),
}


def probe_input(shape: Sequence[int]) -> np.ndarray:
    """The input of every probe graph: the same function as in shared_core/device/benchmark.py."""
    count = math.prod(shape)
    return ((np.arange(count) * 7919 % 255) / np.float32(255)).astype(np.float32).reshape(shape)


def build(kind: str, side: int) -> tuple[onnx.ModelProto, float]:
    body, _ = KINDS[kind]
    graph = Builder()
    shape = [1, RESIZED_CHANNELS if kind == "resize" else IMAGE_CHANNELS, side, side]
    result = body(graph, "x", side)
    graph.nodes.append(helper.make_node("Identity", [result], ["y"], name="result"))
    used = {name for node in graph.nodes for name in node.input}
    model = helper.make_model(
        helper.make_graph(
            graph.nodes,
            f"{kind}-{side}",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
            [helper.make_tensor_value_info("y", TensorProto.FLOAT, shape)],
            [tensor for tensor in graph.initializers if tensor.name in used],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="make_probe_graphs",
    )
    onnx.checker.check_model(model, full_check=True)
    return model, graph.operations / 1e9


def golden(model: onnx.ModelProto, shape: Sequence[int]) -> list[float]:
    """Evenly spread values of the answer, from onnx's numpy evaluator."""
    answer = ReferenceEvaluator(model).run(None, {"x": probe_input(shape)})[0]
    if not np.isfinite(answer).all():
        raise SystemExit(f"{model.graph.name}: the reference answer is not finite")
    step = answer.size // GOLDEN_VALUES
    return [float(value) for value in answer.ravel()[::step][:GOLDEN_VALUES]]


def main(folder: Path = FOLDER) -> int:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    index, total = [], 0
    for kind, (_, sides) in KINDS.items():
        for side in sides:
            model, gflop = build(kind, side)
            path = folder / f"{kind}-{side}.onnx"
            path.write_bytes(model.SerializeToString(deterministic=True))
            shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
            entry = {"file": path.name, "kind": kind, "shape": shape, "gflop": round(gflop, 9)}
            if side == sides[0]:
                entry["golden"] = golden(model, shape)
            index.append(entry)
            total += path.stat().st_size
    text = json.dumps(index, indent=1) + "\n"
    (folder / "index.json").write_text(text, encoding="utf-8")
    print(f"{len(index)} graphs, {(total + len(text)) / 1e3:.0f} kB in {folder}")
    return 0


if __name__ == "__main__":
    sys.exit(main(*(Path(argument) for argument in sys.argv[1:2])))
