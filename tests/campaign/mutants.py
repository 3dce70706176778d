"""ONNX files as no exporter writes them: mutants of good ones, each from a number alone.

About half of them are broken as bytes, the others are correct protobuf that says something harmful
or absurd.
"""

from __future__ import annotations

import functools
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import (
    AttributeProto,
    GraphProto,
    ModelProto,
    NodeProto,
    TensorProto,
    helper,
    numpy_helper,
)

from tests.fakes.contract_models import DRUNET, NAFNET, twin

GRAPHS = Path(__file__).resolve().parents[2] / "shared_core" / "device" / "graphs"
_PROBES = ("attention-16", "block_full-32", "conv3x3-32", "depthwise-32", "resize-16")
_TWINS = (NAFNET, DRUNET)
WEIGHTS = "w.bin"
WEIGHT_BYTES = 4096
_DTYPES = tuple(range(1, 24))


@dataclass(frozen=True)
class Mutant:
    """What was done to the good model ``seed``, and the file that came of it."""

    number: int
    kind: str
    seed: str
    data: bytes = field(repr=False)
    note: str = ""


@functools.cache
def seeds() -> dict[str, bytes]:
    """Good models of many operators by their name; some hold what only few exports hold."""
    found = {name: (GRAPHS / f"{name}.onnx").read_bytes() for name in _PROBES}
    for model in _TWINS:
        for path, data in twin(model).files.items():
            if path.endswith(".onnx"):
                found[f"{model}/{path}"] = data
    own = {"branches": _branches(), "whole": _whole(), "beside": _beside()}
    return found | {name: made.SerializeToString() for name, made in own.items()}


def _picture(name: str, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, [1, 3, 16, 16])


def _model(
    nodes: Sequence[NodeProto],
    tensors: Sequence[TensorProto] = (),
    functions: Sequence[onnx.FunctionProto] = (),
) -> ModelProto:
    graph = helper.make_graph(list(nodes), "graph", [_picture("x")], [_picture("y")], list(tensors))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=opsets, functions=list(functions), ir_version=8)


def _branches() -> ModelProto:
    """A condition with two branches, a loop and a function."""

    def branch(kind: str) -> GraphProto:
        return helper.make_graph([helper.make_node(kind, ["x"], ["b"])], kind, [], [_picture("b")])

    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes"]),
            helper.make_node("Sin", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            _picture("before"),
        ],
        [helper.make_tensor_value_info("goes", TensorProto.BOOL, []), _picture("after")],
    )
    function = helper.make_function(
        "own",
        "half",
        ["a"],
        ["b"],
        [
            helper.make_node("Constant", [], ["two"], value_float=2.0),
            helper.make_node("Div", ["a", "two"], ["b"]),
        ],
        [helper.make_opsetid("", 17)],
    )
    return _model(
        [
            helper.make_node("ReduceMax", ["x"], ["most"], keepdims=0),
            helper.make_node("Cast", ["most"], ["some"], to=TensorProto.BOOL),
            helper.make_node(
                "If", ["some"], ["c"], then_branch=branch("Abs"), else_branch=branch("Neg")
            ),
            helper.make_node("Loop", ["rounds", "yes", "c"], ["l"], body=body),
            helper.make_node("half", ["l"], ["y"], domain="own"),
        ],
        [
            numpy_helper.from_array(np.array(3, np.int64), "rounds"),
            numpy_helper.from_array(np.array(True), "yes"),
        ],
        [function],
    )


def _beside() -> ModelProto:
    """Weights in a file of their own."""
    tensors = []
    for number, dims in enumerate(([6, 3, 3, 3], [3, 6, 3, 3])):
        tensor = TensorProto(name=f"w{number}", data_type=TensorProto.FLOAT, dims=dims)
        tensor.data_location = TensorProto.EXTERNAL
        for key, value in (("location", WEIGHTS), ("offset", 1024 * number), ("length", 648)):
            tensor.external_data.add(key=key, value=str(value))
        tensors.append(tensor)
    first = helper.make_node("Conv", ["x", "w0"], ["c"], pads=[1] * 4)
    return _model([first, helper.make_node("Conv", ["c", "w1"], ["y"], pads=[1] * 4)], tensors)


def _whole() -> ModelProto:
    """Weights of whole numbers with their scales, half precision, a shape as a tensor."""
    numbers = np.arange(-13, 14).reshape(3, 1, 3, 3).astype(np.int8)
    return _model(
        [
            helper.make_node("DequantizeLinear", ["w", "scale", "zero"], ["weights"]),
            helper.make_node("Conv", ["x", "weights"], ["c"], pads=[1, 1, 1, 1], group=3),
            helper.make_node("Cast", ["c"], ["h"], to=TensorProto.FLOAT16),
            helper.make_node("Softmax", ["h"], ["s"], axis=1),
            helper.make_node("Cast", ["s"], ["f"], to=TensorProto.FLOAT),
            helper.make_node("Reshape", ["f", "flat"], ["r"]),
            helper.make_node("ConstantOfShape", ["sides"], ["zeros"]),
            helper.make_node("Gather", ["r", "places"], ["g"], axis=2),
            helper.make_node("Reshape", ["g", "sides"], ["p"]),
            helper.make_node("Add", ["p", "zeros"], ["y"]),
        ],
        [
            numpy_helper.from_array(numbers, "w"),
            numpy_helper.from_array(np.array(0.02, np.float32), "scale"),
            numpy_helper.from_array(np.array(0, np.int8), "zero"),
            numpy_helper.from_array(np.array([1, 3, 256], np.int64), "flat"),
            numpy_helper.from_array(np.array([1, 3, 16, 16], np.int64), "sides"),
            numpy_helper.from_array(np.arange(256)[::-1].copy(), "places"),
        ],
    )


# ---------------------------------------------------------------- broken as bytes


def _flip(chance: random.Random, data: bytes) -> tuple[bytes, str]:
    raw = bytearray(data)
    count = chance.choice((1, 1, 2, 4, 16, 64))
    for _ in range(count):
        raw[chance.randrange(len(raw))] ^= 1 << chance.randrange(8)
    return bytes(raw), f"{count} bits"


def _run(chance: random.Random, data: bytes) -> tuple[bytes, str]:
    length = min(len(data), chance.choice((1, 3, 8, 40, 400)))
    at = chance.randrange(len(data) - length + 1)
    with_what = chance.choice(("noise", "zeros", "ones", "gone", "twice"))
    run = {
        "noise": chance.randbytes(length),
        "zeros": bytes(length),
        "ones": b"\xff" * length,
        "gone": b"",
        "twice": 2 * data[at : at + length],
    }[with_what]
    return data[:at] + run + data[at + length :], f"{length} bytes: {with_what}"


def _truncation(chance: random.Random, data: bytes) -> tuple[bytes, str]:
    cut = chance.randrange(len(data))
    return data[:cut], f"{cut} bytes left"


def _splice(chance: random.Random, data: bytes) -> tuple[bytes, str]:
    other = seeds()[chance.choice(sorted(seeds()))]
    here, there = chance.randrange(len(data) + 1), chance.randrange(len(other) + 1)
    how = chance.choice(("joined", "head and tail", "inserted"))
    if how == "joined":
        # Two messages in a row are one with the fields of both.
        return data + other, how
    if how == "head and tail":
        return data[:here] + other[there:], how
    return data[:here] + other[there : there + chance.randrange(1, 500)] + data[here:], how


def _bomb(chance: random.Random, data: bytes) -> tuple[bytes, str]:
    """Graphs in nodes in graphs, or types in types, deeper than any parser follows."""
    model = _of(data)
    graph = model.graph.SerializeToString()
    model.ClearField("graph")
    depth = chance.choice((40, 400, 4000))
    inner = b""
    if chance.random() < 0.5:
        for _ in range(depth):
            inner = _part(1, _part(5, _part(6, inner)))
    else:
        for _ in range(depth):
            inner = _part(4, _part(1, inner))
        inner = _part(13, _part(1, b"deep") + _part(2, inner))
    return model.SerializeToString() + _part(7, graph + inner), f"{depth} deep"


def _part(number: int, content: bytes) -> bytes:
    """A field of bytes."""
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def _length(chance: random.Random, data: bytes) -> tuple[bytes, str]:
    """Another length in front of a part."""
    places = list(_lengths(data, 0, len(data), _MESSAGES))
    at, end, length = chance.choice(places)
    wrong = chance.choice(
        (length + 1, max(0, length - 1), length * 2 + 7, 0, 1 << 31, (1 << 63) - 1, (1 << 64) - 1)
    )
    written = varint(wrong)
    if chance.random() < 0.2:
        written = b"\x80" * chance.randrange(9, 30) + b"\x01"
    return data[:at] + written + data[end:], f"{length} becomes {wrong}"


# Which fields are messages again: of a model, a graph, a node, an attribute.
_MESSAGES: dict[int, Any] = {7: {1: {5: {5: {}, 6: {}}}, 5: {}, 11: {2: {}}, 12: {}}, 8: {}, 25: {}}


def _lengths(data: bytes, at: int, end: int, messages: dict[int, Any]) -> Any:
    """Begin and end of each length in ``data``, and the length."""
    while at < end:
        tag, at = _read(data, at)
        number, kind = tag >> 3, tag & 7
        if kind == 2:
            begin = at
            length, at = _read(data, at)
            yield begin, at, length
            if number in messages:
                yield from _lengths(data, at, at + length, messages[number])
            at += length
        elif kind == 0:
            _, at = _read(data, at)
        else:
            at += {1: 8, 5: 4}[kind]


def _read(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        value |= (data[at] & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if data[at - 1] < 0x80:
            return value, at


def varint(number: int) -> bytes:
    """``number`` as protobuf writes it."""
    data = b""
    while number >= 0x80:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


# ---------------------------------------------------------------- correct, and harmful or absurd


def _of(data: bytes) -> ModelProto:
    made = ModelProto()
    made.ParseFromString(data)
    return made


def _weight(chance: random.Random, model: ModelProto) -> TensorProto | None:
    """One of the weights that are in the file itself."""
    found = [weight for weight in model.graph.initializer if not weight.external_data]
    return chance.choice(found) if found else None


def _outside(chance: random.Random, model: ModelProto, places: Sequence[str]) -> str:
    """Data in another file, named from one of the places in which a tensor can be."""
    location = chance.choice(places)
    entries = {"location": location}
    length = chance.choice((16, 16, WEIGHT_BYTES, 1 << 20))
    if chance.random() < 0.7:
        entries["offset"] = str(chance.choice((0, 0, 8, WEIGHT_BYTES, -1, 1 << 62, "0x10")))
    if chance.random() < 0.7:
        entries["length"] = str(chance.choice((length, length, 0, 1 << 40)))
    tensor = TensorProto(name="far", data_type=TensorProto.FLOAT, dims=[length // 4])
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=value)
    if chance.random() < 0.1:
        tensor.external_data.add(key="location", value=WEIGHTS)
    where = chance.choice(("initializer", "constant", "branch", "function", "sparse", "weight"))
    constant = helper.make_node("Constant", [], ["far"], value=tensor)
    if where == "initializer":
        model.graph.initializer.append(tensor)
    elif where == "constant":
        model.graph.node.insert(0, constant)
    elif where == "sparse":
        at = numpy_helper.from_array(np.arange(length // 4), "at")
        model.graph.sparse_initializer.append(helper.make_sparse_tensor(tensor, at, [1 << 20]))
    elif where == "function":
        model.functions.append(
            helper.make_function("far", "f", [], ["far"], [constant], [helper.make_opsetid("", 17)])
        )
    elif where == "branch":
        branch = helper.make_graph(
            [constant], "far", [], [helper.make_tensor_value_info("far", 1, None)]
        )
        yes = numpy_helper.from_array(np.array(True), "yes!")
        model.graph.initializer.append(yes)
        model.graph.node.append(
            helper.make_node("If", ["yes!"], ["far!"], then_branch=branch, else_branch=branch)
        )
    elif (weight := _weight(chance, model)) is not None:
        # One that the network really uses, of the very size.
        held = numpy_helper.to_array(weight).nbytes
        del tensor.dims[:]
        tensor.dims.extend(weight.dims)
        tensor.name, tensor.data_type = weight.name, weight.data_type
        for entry in tensor.external_data:
            if entry.key == "length" and chance.random() < 0.7:
                entry.value = str(held)
        weight.CopyFrom(tensor)
    return f"{location!r} in {where}"


def _shape(chance: random.Random, model: ModelProto) -> str:
    giant = chance.choice((1 << 20, 1 << 31, 1 << 40, (1 << 62) + 1, -5, 0))
    where = chance.choice(("weight", "input", "output", "inside", "made", "tiled", "range"))
    if where == "weight" and model.graph.initializer:
        weight = chance.choice(model.graph.initializer)
        if weight.dims and chance.random() < 0.7:
            weight.dims[chance.randrange(len(weight.dims))] = giant
        else:
            weight.dims.append(giant)
    elif where in ("input", "output"):
        value = getattr(model.graph, where)[0]
        sides = value.type.tensor_type.shape.dim
        sides[chance.randrange(len(sides))].dim_value = giant
    elif where == "inside":
        sides = [giant] * chance.randrange(1, 6)
        model.graph.value_info.append(helper.make_tensor_value_info("t0", 1, sides))
    else:
        shape = numpy_helper.from_array(np.array([giant, 3][: chance.randrange(1, 3)]), "giant")
        model.graph.initializer.append(shape)
        if where == "made":
            node = helper.make_node("ConstantOfShape", ["giant"], ["made"])
        elif where == "tiled":
            node = helper.make_node("Tile", ["giant", "giant"], ["made"])
        else:
            node = helper.make_node("Range", ["giant", "giant", "giant"], ["made"])
        model.graph.node.append(node)
        if chance.random() < 0.7:
            # Otherwise nobody needs it, and an optimiser drops it.
            output = helper.make_tensor_value_info("made", TensorProto.FLOAT, None)
            model.graph.output.append(output)
    return f"{giant} in {where}"


def _depth(chance: random.Random, model: ModelProto) -> str:
    how = chance.choice(("branches", "chain", "functions", "circle"))
    depth = chance.choice((3, 10, 14, 17, 24))
    last = model.graph.output[0].name
    if how == "branches":
        graph = helper.make_graph(
            [helper.make_node("Identity", [last], ["d"])], "d", [], [_picture("d")]
        )
        for level in range(depth):
            node = helper.make_node("If", ["deep?"], [f"d{level}"], then_branch=graph)
            node.attribute.append(helper.make_attribute("else_branch", GraphProto(name="e")))
            graph = helper.make_graph([node], "d", [], [_picture(f"d{level}")])
        model.graph.initializer.append(numpy_helper.from_array(np.array(True), "deep?"))
        model.graph.node.extend(graph.node)
    elif how == "chain":
        depth = chance.choice((500, 3000))
        for level in range(depth):
            kind = chance.choice(("Identity", "Neg", "Relu", "Sin"))
            before = f"d{level - 1}" if level else last
            model.graph.node.append(helper.make_node(kind, [before], [f"d{level}"]))
        model.graph.output.append(helper.make_tensor_value_info(f"d{depth - 1}", 1, None))
    else:
        opset = [helper.make_opsetid("", 17), helper.make_opsetid("deep", 1)]
        for level in range(depth):
            to = 0 if how == "circle" and level == depth - 1 else level + 1
            kinds = [f"f{to}"] * chance.choice((1, 2))
            if how == "functions" and level == depth - 1:
                kinds = ["half"]
            nodes = [
                helper.make_node(kind, ["a"], [f"b{n}"], domain="deep")
                for n, kind in enumerate(kinds)
            ]
            made = helper.make_function("deep", f"f{level}", ["a"], ["b0"], nodes, opset)
            model.functions.append(made)
        half = [helper.make_node("Neg", ["a"], ["b0"])]
        model.functions.append(helper.make_function("deep", "half", ["a"], ["b0"], half, opset))
        model.opset_import.append(helper.make_opsetid("deep", 1))
        model.graph.node.append(helper.make_node("f0", [last], ["deep!"], domain="deep"))
        model.graph.output.append(helper.make_tensor_value_info("deep!", 1, None))
    return f"{depth} {how}"


def _count(chance: random.Random, model: ModelProto) -> str:
    what = chance.choice(("nodes", "weights", "inputs", "metadata", "functions"))
    count = chance.choice((2000, 2000, 20_000, 101_000))
    if what in ("inputs", "functions") or chance.random() < 0.8:
        count = min(count, 12_000)
    if what == "nodes":
        one = helper.make_node("Identity", [model.graph.input[0].name], ["n"])
        for number in range(count):
            one.output[0] = f"n{number}"
            model.graph.node.append(one)
    elif what == "weights":
        weight = numpy_helper.from_array(np.ones(1, np.float32), "n")
        for number in range(count):
            weight.name = f"n{number}"
            model.graph.initializer.append(weight)
    elif what == "inputs":
        for number in range(count):
            model.graph.input.append(_picture(f"n{number}"))
    elif what == "metadata":
        for number in range(count):
            model.metadata_props.add(key=f"k{number}", value="v" * 20)
    else:
        opset = [helper.make_opsetid("", 17)]
        nodes = [helper.make_node("Neg", ["a"], ["b"])]
        for number in range(count):
            made = helper.make_function("many", f"f{number}", ["a"], ["b"], nodes, opset)
            model.functions.append(made)
    return f"{count} {what}"


def _dtype(chance: random.Random, model: ModelProto) -> str:
    other = chance.choice(_DTYPES)
    values = [*model.graph.input, *model.graph.output]
    weight = _weight(chance, model)
    if chance.random() < 0.5 and weight is not None:
        array = numpy_helper.to_array(weight)
        if chance.random() < 0.5 and other in (1, 2, 3, 5, 6, 7, 9, 10, 11, 12):
            kind = helper.tensor_dtype_to_np_dtype(other)
            with np.errstate(all="ignore"):
                weight.CopyFrom(numpy_helper.from_array(array.astype(kind), weight.name))
            return f"a weight as {kind}"
        weight.data_type = other
        return f"a weight called {other}"
    chance.choice(values).type.tensor_type.elem_type = other
    return f"a value called {other}"


def _weights(chance: random.Random, model: ModelProto) -> str:
    weight = _weight(chance, model)
    if weight is None:
        return "nothing"
    array = numpy_helper.to_array(weight).copy()
    what = chance.choice(("nan", "inf", "huge", "zero", "negative"))
    if array.dtype.kind == "f":
        number = {"nan": np.nan, "inf": np.inf, "huge": 3e38, "zero": 0, "negative": -1e30}[what]
    else:
        limits = np.iinfo(array.dtype) if array.dtype.kind in "iu" else None
        number = 0 if limits is None or what == "zero" else limits.max
        number = limits.min if limits is not None and what == "negative" else number
    flat = array.reshape(-1)
    with np.errstate(all="ignore"):
        if flat.size and chance.random() < 0.5:
            flat[chance.randrange(flat.size)] = number
        else:
            flat[:] = number
    weight.CopyFrom(numpy_helper.from_array(array, weight.name))
    return f"{what} in {weight.name}"


def _opset(chance: random.Random, model: ModelProto) -> str:
    how = chance.choice(("version", "domain", "twice", "none", "ir", "training"))
    if how == "version":
        model.opset_import[0].version = chance.choice((0, -1, 1, 5, 6, 13, 21, 26, 99, 1 << 40))
    elif how == "domain":
        node = chance.choice(model.graph.node)
        node.domain = chance.choice(
            (
                "own.stranger",
                "ai.onnx.contrib",
                "com.microsoft",
                "ai.onnx.ml",
                "com.microsoft.nchwc",
            )
        )
        model.opset_import.append(helper.make_opsetid(node.domain, 1))
    elif how == "twice":
        model.opset_import.append(helper.make_opsetid("", chance.choice((7, 17, 18))))
    elif how == "none":
        del model.opset_import[:]
    elif how == "ir":
        model.ir_version = chance.choice((0, 1, 3, 4, 99, -1))
    else:
        domain = chance.choice(("ai.onnx.training", "ai.onnx.preview.training", "org.pytorch.aten"))
        model.graph.node.append(helper.make_node("ATen", ["x"], ["t!"], domain=domain))
    return how


@functools.cache
def _operators() -> tuple[str, ...]:
    return tuple(sorted({schema.name for schema in onnx.defs.get_all_schemas()}))


def _wiring(chance: random.Random, model: ModelProto) -> str:
    """Another operator, other connections, other attributes."""
    node = chance.choice(model.graph.node)
    how = chance.choice(("operator", "input", "circle", "fewer", "more", "number", "own", "name"))
    names = [name for other in model.graph.node for name in (*other.input, *other.output)]
    if how == "operator":
        node.op_type = chance.choice(_operators())
    elif how == "own":
        node.domain, node.op_type = "com.microsoft", chance.choice(_OWN)
        model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    elif how == "input" and node.input:
        node.input[chance.randrange(len(node.input))] = chance.choice([*names, "nobody", ""])
    elif how == "circle" and node.input and node.output:
        node.input[0] = node.output[0]
    elif how == "fewer" and node.input:
        del node.input[-1]
    elif how == "more":
        node.input.extend([chance.choice(names)] * chance.choice((1, 7, 300)))
    elif how == "name" and node.output:
        node.output[0] = chance.choice(names)
    else:
        how = "number"
        numbers = [
            (holder, attribute)
            for holder in model.graph.node
            for attribute in holder.attribute
            if attribute.type in (AttributeProto.INT, AttributeProto.INTS)
        ]
        odd = chance.choice((-1, 0, 1 << 20, 1 << 31, (1 << 63) - 1, -(1 << 63), 3))
        if numbers:
            _, attribute = chance.choice(numbers)
            if attribute.type == AttributeProto.INT:
                attribute.i = odd
            elif attribute.ints:
                attribute.ints[chance.randrange(len(attribute.ints))] = odd
            how = f"{attribute.name} = {odd}"
    return how


# onnxruntime's own operators, which no checker of ONNX knows.
_OWN = (
    *("FusedConv", "NhwcConv", "MultiHeadAttention", "MatMulNBits", "QLinearAdd", "EPContext"),
    *("BiasGelu", "GroupNorm", "SkipLayerNormalization", "QuickGelu", "CropAndResize", "Unique"),
    *("GridSample", "Tokenizer", "ExpandDims", "DequantizeLinear", "EmbedLayerNormalization"),
)


def _endless(chance: random.Random, model: ModelProto) -> str:
    """A loop that runs for ever, or takes more and more memory."""
    last = model.graph.output[0].name
    grows = chance.random() < 0.5
    step = helper.make_node("Concat", ["before", "before"], ["after"], axis=0)
    if not grows:
        step = helper.make_node("Sin", ["before"], ["after"])
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes"]), step],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, None),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, None),
        ],
    )
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(np.array(1 << 62, np.int64), "rounds!"),
            numpy_helper.from_array(np.array(True), "yes!"),
        ]
    )
    model.graph.node.append(
        helper.make_node("Loop", ["rounds!", "yes!", last], ["loop!"], body=body)
    )
    model.graph.output.append(helper.make_tensor_value_info("loop!", 1, None))
    return "more and more memory" if grows else "no end"


def _parts(chance: random.Random, model: ModelProto) -> str:
    """Parts of another model among those of this one."""
    other = _of(seeds()[chance.choice(sorted(seeds()))])
    what = chance.choice(("node", "initializer", "input", "output"))
    mine, theirs = getattr(model.graph, what), getattr(other.graph, what)
    for part in theirs:
        if chance.random() < 0.5:
            mine.add().CopyFrom(part)
    if chance.random() < 0.5 and len(mine):
        del mine[chance.randrange(len(mine))]
    return what


_BYTES: dict[str, tuple[int, Callable[[random.Random, bytes], tuple[bytes, str]]]] = {
    "bit flips": (14, _flip),
    "byte runs": (10, _run),
    "truncations": (8, _truncation),
    "spliced files": (8, _splice),
    "lengths changed": (8, _length),
    "bombs of nested parts": (1, _bomb),
}
_PROTOBUF: dict[str, tuple[int, Callable[[random.Random, ModelProto], str]]] = {
    "parts of two models": (6, _parts),
    "giant shapes": (7, _shape),
    "deep graphs": (4, _depth),
    "huge counts": (2, _count),
    "swapped types": (6, _dtype),
    "weights that are no numbers, or absurd": (5, _weights),
    "wrong operator sets": (6, _opset),
    "other wiring": (8, _wiring),
}
OUTSIDE, ENDLESS = "data outside", "loops without end"
_WEIGHTS = {OUTSIDE: 8, **{k: w for k, (w, _) in (_BYTES | _PROTOBUF).items()}}  # type: ignore[operator]
KINDS = (*_WEIGHTS, ENDLESS)
# Each of them is waited for; so there are few.
ENDLESS_SHARE = 0.002


def mutant(seed: int, number: int, places: Sequence[str]) -> Mutant:
    """The mutant ``number`` of the campaign ``seed``; ``places`` are where data may be outside."""
    chance = random.Random(f"{seed} mutant {number}")
    name = chance.choice(sorted(seeds()))
    kind = chance.choices(list(_WEIGHTS), list(_WEIGHTS.values()))[0]
    if chance.random() < ENDLESS_SHARE:
        kind = ENDLESS
    good = seeds()[name]
    if kind in _BYTES:
        data, note = _BYTES[kind][1](chance, good)
    else:
        model = _of(good)
        if kind == OUTSIDE:
            note = _outside(chance, model, places)
        else:
            change = _endless if kind == ENDLESS else _PROTOBUF[kind][1]
            note = change(chance, model)
        data = model.SerializeToString()
    if data == good:
        # Nothing came of it: an unknown field is another file all the same.
        data += b"\xfa\x3e" + varint(1) + b"\0"
        note += " (unchanged)"
    return Mutant(number, kind, name, data, note)
