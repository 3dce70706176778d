"""What the onnx package reads in a model: the second opinion on ``inspection``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import onnx
from onnx import AttributeProto, GraphProto, NodeProto, SparseTensorProto, TensorProto, helper

from shared_core.catalog.trust.inspection import Inspected

PACKED_BITS = {"UINT4": 4, "INT4": 4, "FLOAT4E2M1": 4, "UINT2": 2, "INT2": 2}


@dataclass
class View:
    """A model as the onnx package sees it, in the terms of ``Inspected``."""

    nodes: int = 0
    depth: int = 0
    weights_bytes: int = 0
    external: set[str] = field(default_factory=set)
    operators: Counter[tuple[str, str]] = field(default_factory=Counter)

    def graph(self, graph: GraphProto, depth: int) -> None:
        self.depth = max(self.depth, depth)
        for tensor in graph.initializer:
            self.tensor(tensor)
        for sparse in graph.sparse_initializer:
            self.sparse(sparse)
        for node in graph.node:
            self.node(node, depth)

    def node(self, node: NodeProto, depth: int) -> None:
        self.nodes += 1
        self.operators["" if node.domain == "ai.onnx" else node.domain, node.op_type] += 1
        for attribute in node.attribute:
            self.attribute(attribute, depth)

    def attribute(self, attribute: AttributeProto, depth: int) -> None:
        if attribute.HasField("t"):
            self.tensor(attribute.t)
        for tensor in attribute.tensors:
            self.tensor(tensor)
        if attribute.HasField("sparse_tensor"):
            self.sparse(attribute.sparse_tensor)
        for sparse in attribute.sparse_tensors:
            self.sparse(sparse)
        for graph in _graphs(attribute):
            self.graph(graph, depth + 1)

    def tensor(self, tensor: TensorProto) -> None:
        self.weights_bytes += nbytes(list(tensor.dims), tensor.data_type)
        for entry in tensor.external_data:
            if entry.key == "location":
                self.external.add(entry.value)

    def sparse(self, sparse: SparseTensorProto) -> None:
        self.tensor(sparse.values)
        if sparse.HasField("indices"):
            self.tensor(sparse.indices)
        self.weights_bytes += nbytes(list(sparse.dims), sparse.values.data_type)


def _graphs(attribute: AttributeProto) -> Iterator[GraphProto]:
    if attribute.HasField("g"):
        yield attribute.g
    yield from attribute.graphs


def nbytes(dims: list[int], data_type: int) -> int:
    """What an array of these sizes takes; texts take nothing."""
    name = TensorProto.DataType.Name(data_type)
    if name == "STRING":
        return 0
    bits = PACKED_BITS.get(name) or 8 * helper.tensor_dtype_to_np_dtype(data_type).itemsize
    count = int(np.prod(dims, dtype=object)) if dims else 1
    return (count * bits + 7) // 8


def shape_of(value: onnx.ValueInfoProto) -> tuple[int | str | None, ...] | None:
    kind = value.type.tensor_type
    if not value.type.HasField("tensor_type") or not kind.HasField("shape"):
        return None
    sides: list[int | str | None] = []
    for side in kind.shape.dim:
        number = side.dim_value if side.HasField("dim_value") else -1
        sides.append(side.dim_param or None if number < 0 else number)
    return tuple(sides)


def disagreement(found: Inspected, data: bytes) -> str:
    """What the onnx package sees otherwise in the bytes ``data`` of a model, else "".

    The nodes of functions are counted where they are defined, so ``nodes`` is compared only
    without functions.
    """
    model = onnx.ModelProto()
    model.ParseFromString(data)
    view = View()
    view.graph(model.graph, 0)
    for function in model.functions:
        for node in function.node:
            view.node(node, 0)
        for attribute in function.attribute_proto:
            view.attribute(attribute, 0)
    stored = {tensor.name for tensor in model.graph.initializer}
    stored |= {sparse.values.name for sparse in model.graph.sparse_initializer}
    inputs = [value for value in model.graph.input if value.name not in stored]
    seen: list[tuple[str, object, object]] = [
        ("depth", found.depth, view.depth),
        ("weights", found.weights_bytes, view.weights_bytes),
        ("external", set(found.external), view.external),
        ("operators", dict(found.operators), dict(view.operators)),
        ("ir_version", found.ir_version, model.ir_version),
        ("functions", found.functions, len(model.functions)),
        ("inputs", [v.name for v in found.inputs], [v.name for v in inputs]),
        ("outputs", [v.name for v in found.outputs], [v.name for v in model.graph.output]),
        (
            "shapes",
            [v.shape for v in (*found.inputs, *found.outputs) if v.dtype],
            [
                shape_of(v)
                for v in (*inputs, *model.graph.output)
                if v.type.tensor_type.elem_type in TensorProto.DataType.values()
                and v.type.tensor_type.elem_type
            ],
        ),
        (
            "opsets",
            dict(found.opsets),
            {"" if o.domain == "ai.onnx" else o.domain: o.version for o in model.opset_import},
        ),
    ]
    if isinstance(model.producer_name, str) and isinstance(model.producer_version, str):
        producer = f"{model.producer_name} {model.producer_version}".strip()
        seen.append(("producer", found.producer, producer))
    if not model.functions:
        seen.append(("nodes", found.nodes, view.nodes))
    wrong = [
        f"{name}: {ours!r}, onnx has {theirs!r}" for name, ours, theirs in seen if ours != theirs
    ]
    return "; ".join(wrong)


def written(path: Path, model: onnx.ModelProto) -> Path:
    """The model as the file ``path``, unchecked."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(model.SerializeToString())
    return path
