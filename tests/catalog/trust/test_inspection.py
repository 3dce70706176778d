"""Inspection: good models are read as the onnx package reads them, and the rest is refused."""

from __future__ import annotations

import io
import os
import random
import re
import time
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from onnx import GraphProto, ModelProto, NodeProto, TensorProto, helper, numpy_helper

from shared_core.catalog.trust import (
    external_data,
    inspection,
    protobuf,
    tensors,
    walk,
)
from shared_core.catalog.trust.inspection import (
    ModelRefused,
    Value,
    inspect,
)
from tests.catalog.trust.onnx_view import disagreement, written
from tests.fakes.contract_models import TWINS, Variant, twin

FLOAT = TensorProto.FLOAT
QUIET = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def picture(name: str, shape: Sequence[int | str | None] = (1, 3, "H", "W")) -> Any:
    return helper.make_tensor_value_info(name, FLOAT, list(shape))


def model(
    nodes: Sequence[NodeProto] | None = None,
    tensors: Sequence[TensorProto] = (),
    *,
    domains: Sequence[str] = ("",),
    functions: Sequence[onnx.FunctionProto] = (),
    inputs: Sequence[Any] | None = None,
    outputs: Sequence[Any] | None = None,
) -> ModelProto:
    graph = helper.make_graph(
        list(nodes) if nodes is not None else [helper.make_node("Relu", ["x"], ["y"])],
        "graph",
        [picture("x")] if inputs is None else list(inputs),
        [picture("y")] if outputs is None else list(outputs),
        list(tensors),
    )
    return helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, 17 if not domain else 1) for domain in domains],
        functions=list(functions),
        ir_version=10,
        producer_name="tests",
    )


def refusal(path: Path, folder: Path | None = None) -> str:
    """The sentence with which the file is refused."""
    with pytest.raises(ModelRefused) as caught:
        inspect(path, folder)
    text = str(caught.value)
    assert text.startswith(f"{path.name} is not used: ") and text.endswith(".")
    assert "\n" not in text and caught.value.reason in text
    return text


def refused(folder: Path, made: ModelProto | bytes) -> str:
    path = folder / "model.onnx"
    path.write_bytes(made if isinstance(made, bytes) else made.SerializeToString())
    return refusal(path)


def external(name: str = "w", dims: Sequence[int] = (4,), **entries: object) -> TensorProto:
    """A float32 tensor in another file."""
    tensor = TensorProto(name=name, data_type=FLOAT, dims=dims)
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in entries.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def nested(depth: int) -> GraphProto:
    """A graph of conditions in conditions."""
    inner = helper.make_graph(
        [helper.make_node("Identity", ["x"], [f"z{depth}"])], "inner", [], [picture(f"z{depth}")]
    )
    for level in reversed(range(depth)):
        node = helper.make_node("If", ["c"], [f"z{level}"], then_branch=inner, else_branch=inner)
        inner = helper.make_graph([node], "inner", [], [picture(f"z{level}")])
    return inner


# ---------------------------------------------------------------- good models


@pytest.mark.parametrize("name", sorted(TWINS))
def test_the_catalogues_twins_are_read_as_onnx_reads_them(tmp_path: Path, name: str) -> None:
    for path, data in twin(name).files.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(data)
    for path in tmp_path.rglob("*.onnx"):
        found = inspect(path, tmp_path)
        assert disagreement(found, path.read_bytes()) == ""
        assert not found.changed


def test_every_kind_of_place_for_a_tensor_a_graph_and_a_type(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/data.bin").write_bytes(bytes(64))
    (tmp_path / "more.bin").write_bytes(bytes(16))
    sparse = helper.make_sparse_tensor(
        numpy_helper.from_array(np.ones(2, np.float32), "sparse"),
        numpy_helper.from_array(np.array([0, 5], np.int64), "sparse_at"),
        [10],
    )
    body = helper.make_graph(
        [
            helper.make_node("Constant", [], ["far"], value=external(location="more.bin")),
            helper.make_node("Identity", ["far"], ["z"]),
        ],
        "body",
        [],
        [picture("z", [4])],
        [external("inner", location="sub/data.bin", offset=16, length=16)],
    )
    function = helper.make_function(
        "own",
        "twice",
        ["a"],
        ["b"],
        [helper.make_node("Add", ["a", "a"], ["b"])],
        [helper.make_opsetid("", 17)],
    )
    nodes = [
        helper.make_node("If", ["c"], ["z"], then_branch=body, else_branch=body),
        helper.make_node("Constant", [], ["k"], sparse_value=sparse),
        helper.make_node("twice", ["x"], ["t"], domain="own"),
        helper.make_node("twice", ["t"], ["y"], domain="own"),
        helper.make_node("Gelu", ["x"], ["g"], domain="com.microsoft"),
        helper.make_node("Identity", ["texts"], ["same"]),
    ]
    made = model(
        nodes,
        [
            numpy_helper.from_array(np.zeros((2, 3), np.float16), "half"),
            helper.make_tensor("typed", FLOAT, [3], [1.0, 2.0, 3.0]),
            helper.make_tensor("texts", TensorProto.STRING, [2], [b"a", b"b"]),
            helper.make_tensor("empty", FLOAT, [0, 5], []),
            helper.make_tensor("four", TensorProto.INT4, [5], [1, 2, 3, 4, 5]),
        ],
        domains=("", "own", "com.microsoft", "ai.onnx.training"),
        functions=[function],
        # As old exports do, a stored tensor is named as an input too.
        inputs=[picture("x"), picture("half", [2, 3]), picture("free", [None, -1, 0, "n"])],
        outputs=[
            picture("y"),
            picture("z", [4]),
            helper.make_value_info(
                "list",
                helper.make_sequence_type_proto(helper.make_tensor_type_proto(FLOAT, ["a", 2])),
            ),
        ],
    )
    made.graph.sparse_initializer.append(sparse)
    made.metadata_props.add(key="scale", value="4")
    path = written(tmp_path / "model.onnx", made)
    found = inspect(path)
    assert disagreement(found, path.read_bytes()) == ""
    assert set(found.external) == {"sub/data.bin", "more.bin"}
    assert set(found.files) == {path, tmp_path / "sub/data.bin", tmp_path / "more.bin"}
    assert found.inputs[1] == Value("free", "float32", (None, None, 0, "n"))
    assert found.outputs[2] == Value("list", "", None)
    # Six nodes and two in each branch; each call of the function is one node of its own more.
    assert (found.nodes, found.depth, found.functions) == (6 + 4 + 2, 1, 1)
    assert found.metadata == {"scale": "4"}
    assert found.largest == ("sparse", 40)


@pytest.mark.parametrize("level", ["ORT_ENABLE_EXTENDED", "ORT_ENABLE_ALL"])
def test_what_onnxruntime_itself_exports_is_accepted(tmp_path: Path, level: str) -> None:
    """Such files name all of its domains, and use some of its own operators."""
    weights = numpy_helper.from_array(np.ones((32, 32, 3, 3), np.float32), "w")
    made = model(
        [
            helper.make_node("Conv", ["x", "w"], ["a"]),
            helper.make_node("Relu", ["a"], ["b"]),
            helper.make_node("Conv", ["b", "w"], ["y"]),
        ],
        [weights],
        inputs=[picture("x", [1, 32, 64, 64])],
        outputs=[picture("y", [1, 32, 60, 60])],
    )
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, level)
    options.optimized_model_filepath = str(tmp_path / "out.onnx")
    options.log_severity_level = 3
    data = made.SerializeToString()
    onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    found = inspect(tmp_path / "out.onnx")
    assert len(found.opsets) > 3
    assert {domain for domain, _ in found.operators} - {""}
    assert disagreement(found, (tmp_path / "out.onnx").read_bytes()) == ""


def test_a_changed_file_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    made = model(tensors=[external(location="w.bin")])
    found = inspect(written(tmp_path / "model.onnx", made))
    assert not found.changed
    os.utime(tmp_path / "w.bin", (0, 0))
    assert found.changed


def test_a_large_file_is_read_only_where_it_must_be(tmp_path: Path) -> None:
    """A gigabyte of weights that are not even on the disk."""
    size = 1 << 30
    weights = TensorProto(name="w", data_type=FLOAT, dims=[size // 4])
    head = model(tensors=[weights])
    # The tensor's raw_data, and its length in each message around it, are put in by hand.
    tensor = weights.SerializeToString() + b"\x4a" + _varint(size)
    graph = head.graph
    del graph.initializer[:]
    body = graph.SerializeToString() + b"\x2a" + _varint(len(tensor) + size) + tensor
    del head.graph.node[:]
    head.ClearField("graph")
    start = head.SerializeToString() + b"\x3a" + _varint(len(body) + size) + body
    path = tmp_path / "model.onnx"
    with path.open("wb") as file:
        file.write(start)
        file.truncate(len(start) + size)
    begun = time.process_time()
    found = inspect(path)
    assert found.weights_bytes == size and found.largest == ("w", size)
    assert time.process_time() - begun < 1
    with path.open("r+b") as file:
        file.truncate(inspection.MAX_FILE_BYTES + 1)
    assert "no ONNX file has more than 2,147,483,647" in refusal(path)


def _varint(number: int) -> bytes:
    data = b""
    while number >= 0x80:
        data += bytes([number & 0x7F | 0x80])
        number >>= 7
    return data + bytes([number])


# ---------------------------------------------------------------- what is no ONNX model


def _zip(*names: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        for name in names:
            archive.writestr(name, "x")
    return made.getvalue()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "it is empty"),
        (b"\0" * 600, "nothing but zeros"),
        (b"\n <!DOCTYPE html><html>", "it is a web page"),
        (b"<HTML><head>", "it is a web page"),
        (b"version https://git-lfs.github.com/spec/v1\noid sha256:1", "a Git LFS pointer"),
        (b'{"error": "Repository not found"}', "it is a text"),
        ("größer".encode() * 200, "it is a text"),
        (_zip("archive/data.pkl", "archive/data/0"), "a PyTorch model"),
        (_zip("model.onnx"), "a zip archive"),
        (b"\x80\x02}q\x00", "a PyTorch model (a Python pickle)"),
        (b"\x40\0\0\0\0\0\0\0" + b'{"weight":{"dtype":"F32"', "a safetensors file"),
        (b"\x18\0\0\0ORTM" + bytes(99), "onnxruntime's own .ort format"),
        (b"\x1c\0\0\0TFL3" + bytes(99), "TensorFlow Lite"),
        (b"GGUF\x03" + bytes(99), "a GGUF model"),
        (b"\x89HDF\r\n\x1a\n" + bytes(99), "Keras"),
        (b"\x7fELF" + bytes(99), "a program"),
        (random.Random(1).randbytes(4096), "it"),
    ],
)
def test_other_files_are_named(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refused(tmp_path, data)


def test_what_is_no_file_is_not_waited_for(tmp_path: Path) -> None:
    assert "cannot be read (No such file" in refusal(tmp_path / "nothing.onnx")
    assert refusal(tmp_path)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.onnx")
        assert "a folder, a pipe or a device" in refusal(tmp_path / "pipe.onnx")
        assert "a folder, a pipe or a device" in refusal(Path("/dev/zero"))


def test_onnxruntimes_own_format_is_refused_by_its_ending_too(tmp_path: Path) -> None:
    path = written(tmp_path / "model.ort", model())
    assert "rename it to .onnx" in refusal(path)


def test_a_truncated_model_says_so(tmp_path: Path) -> None:
    data = twin(sorted(TWINS)[0]).files
    whole = next(content for name, content in data.items() if name.endswith(".onnx"))
    for cut in (len(whole) // 3, len(whole) // 2):
        assert re.search(
            r"cut short: [\d,]+ bytes are missing; download it", refused(tmp_path, whole[:cut])
        )


# ---------------------------------------------------------------- data outside


@pytest.mark.parametrize(
    "location",
    [
        *("/etc/passwd", "../secret", "a/../../secret", "C:\\secret", "C:secret", "a\\b"),
        *(
            "\\\\server\\share",
            "//server/share",
            "file:///etc/passwd",
            "",
            ".",
            "nul",
            "sub/CON.txt",
        ),
        *("*/_ORT_MEM_ADDR_/*", "w.bin\n", "w.bin.", "~/secret/..", "missing.bin", "folder"),
        *("link.bin", "linked/w.bin", "pipe", "device/zero", "x" * 2000),
    ],
)
@pytest.mark.parametrize("place", ["initializer", "constant", "branch", "function", "sparse"])
def test_data_outside_is_refused_wherever_it_is_named(
    tmp_path: Path, location: str, place: str
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "w.bin").write_bytes(bytes(16))
    (tmp_path / "secret").write_bytes(bytes(16))
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True)
    (folder / "w.bin").write_bytes(bytes(16))
    (folder / "link.bin").symlink_to(folder / "w.bin")
    (folder / "linked").symlink_to(outside)
    if hasattr(os, "mkfifo"):
        os.mkfifo(folder / "pipe")
        (folder / "device").symlink_to("/dev")
    tensor = external(location=location)
    constant = helper.make_node("Constant", [], ["k"], value=tensor)
    made = model()
    if place == "initializer":
        made.graph.initializer.append(tensor)
    elif place == "constant":
        made.graph.node.append(constant)
    elif place == "sparse":
        values = external(location=location)
        at = numpy_helper.from_array(np.arange(4), "at")
        made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, at, [9]))
    elif place == "branch":
        branch = helper.make_graph([constant], "branch", [], [picture("k", [4])])
        made.graph.node.append(
            helper.make_node("If", ["x"], ["k"], then_branch=branch, else_branch=branch)
        )
    else:
        made.functions.append(
            helper.make_function("own", "f", [], ["k"], [constant], [helper.make_opsetid("", 17)])
        )
    text = refusal(written(folder / "model.onnx", made))
    assert "has its data" in text


@pytest.mark.parametrize(
    ("entries", "words"),
    [
        ({"location": "w.bin", "offset": 1}, "beyond the end of 'w.bin'"),
        ({"location": "w.bin", "offset": -1}, "no number ('-1')"),
        ({"location": "w.bin", "offset": "1e3"}, "no number"),
        ({"location": "w.bin", "offset": 10**18}, "beyond the end"),
        ({"location": "w.bin", "offset": 10**30}, "no number"),
        ({"location": "w.bin", "length": 8}, "claims 16 bytes and takes 8"),
        ({"location": "w.bin", "prepacked": 8}, "what nobody knows ('prepacked')"),
        ({"offset": 0}, "has its data at '': that is no name"),
    ],
)
def test_places_in_external_data_are_checked(
    tmp_path: Path, entries: dict[str, object], words: str
) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    assert words in refused(tmp_path, model(tensors=[external(**entries)]))


def test_two_locations_are_none(tmp_path: Path) -> None:
    (tmp_path / "w.bin").write_bytes(bytes(16))
    tensor = external(location="w.bin")
    tensor.external_data.add(key="location", value="/etc/passwd")
    assert "says twice where its data is" in refused(tmp_path, model(tensors=[tensor]))


def test_the_folder_may_be_above_the_file_and_links_in_between_are_refused(tmp_path: Path) -> None:
    (tmp_path / "real/unet").mkdir(parents=True)
    (tmp_path / "real/unet/w.bin").write_bytes(bytes(16))
    written(tmp_path / "real/unet/model.onnx", model(tensors=[external(location="w.bin")]))
    assert inspect(tmp_path / "real/unet/model.onnx", tmp_path / "real").external == ("w.bin",)
    (tmp_path / "real/link").symlink_to("unet")
    assert "no file of its own" in refusal(tmp_path / "real/link/model.onnx", tmp_path / "real")
    assert "no file of its own" in refusal(tmp_path / "real/unet/model.onnx", tmp_path / "other")


@given(st.text(max_size=40))
def test_no_accepted_location_leaves_its_folder(location: str) -> None:
    if external_data.outlandish(location) is not None:
        return
    path = os.path.normpath(os.path.join("/models/one", location))
    assert path.startswith("/models/one/") and path != "/models/one/"


# ---------------------------------------------------------------- operators


@pytest.mark.parametrize(
    ("domain", "kind", "words"),
    [
        ("ai.onnx.contrib", "BPETokenizer", "'BPETokenizer' of 'ai.onnx.contrib'"),
        ("com.microsoft.extensions", "X", "does not have of its own; export it with ONNX's own"),
        ("org.pytorch.aten", "ATen", "of 'org.pytorch.aten'"),
        ("ai.onnx.training", "Gradient", "which is for training"),
        ("ai.onnx.preview.training", "Adam", "which is for training"),
        ("com.microsoft", "EPContext", "a program compiled for one device"),
        ("", "", "a node without an operator"),
    ],
)
def test_foreign_operators_are_refused_wherever_they_are(
    tmp_path: Path, domain: str, kind: str, words: str
) -> None:
    node = helper.make_node(kind, ["x"], ["y"], domain=domain)
    assert words in refused(tmp_path, model([node], domains=("", domain) if domain else ("",)))
    branch = helper.make_graph([node], "branch", [], [picture("y")])
    inside = helper.make_node("If", ["x"], ["y"], then_branch=branch, else_branch=branch)
    assert words in refused(tmp_path, model([inside]))
    function = helper.make_function("own", "f", ["x"], ["y"], [node], [helper.make_opsetid("", 17)])
    call = helper.make_node("f", ["x"], ["y"], domain="own")
    assert words in refused(tmp_path, model([call], functions=[function]))


def test_versions_of_operators(tmp_path: Path) -> None:
    for version in (0, -1, 5000):
        made = model()
        made.opset_import[0].version = version
        assert f"wants version {version} of the operators" in refused(tmp_path, made)
    made = model(domains=("", ""))
    made.opset_import[1].version = 9
    assert "two versions" in refused(tmp_path, made)
    made = model()
    del made.opset_import[:]
    assert "does not say which version" in refused(tmp_path, made)
    made.ir_version = 0
    assert "does not say which version" in refused(tmp_path, made)


def test_models_for_training_are_refused(tmp_path: Path) -> None:
    made = model()
    made.training_info.add()
    assert "a model for training" in refused(tmp_path, made)


# ---------------------------------------------------------------- limits


def test_graphs_in_graphs_have_an_end(tmp_path: Path) -> None:
    def deep(levels: int) -> ModelProto:
        made = model()
        made.graph.node.append(
            helper.make_node("If", ["c"], ["q"], then_branch=nested(levels), else_branch=nested(0))
        )
        return made

    # Twice the branches on every level: few levels are many nodes.
    assert inspect(written(tmp_path / "good.onnx", deep(9))).depth == 10
    chain = nested(0)
    for level in range(walk.MAX_DEPTH + 4):
        node = helper.make_node("If", ["c"], [f"q{level}"], then_branch=chain)
        chain = helper.make_graph([node], "chain", [], [picture(f"q{level}")])
    made = model()
    made.graph.node.append(helper.make_node("If", ["c"], ["q"], then_branch=chain))
    assert "more than 16 deep" in refused(tmp_path, made)


def test_a_bomb_of_nested_messages_ends_at_the_limit(tmp_path: Path) -> None:
    """Thousands of levels, which would end the stack of whoever follows them."""
    graph = b""
    for _ in range(5000):
        attribute = b"\x32" + _varint(len(graph)) + graph
        node = b"\x2a" + _varint(len(attribute)) + attribute
        graph = b"\x0a" + _varint(len(node)) + node
    assert "16 deep" in refused(tmp_path, b"\x08\x08\x3a" + _varint(len(graph)) + graph)
    kind = b"\x0a\x00"
    for _ in range(5000):
        sequence = b"\x0a" + _varint(len(kind)) + kind
        kind = b"\x22" + _varint(len(sequence)) + sequence
    value = b"\x12" + _varint(len(kind)) + kind
    graph = b"\x5a" + _varint(len(value)) + value
    assert "8 deep" in refused(tmp_path, b"\x08\x08\x3a" + _varint(len(graph)) + graph)


def _function(name: str, calls: Sequence[str]) -> onnx.FunctionProto:
    nodes = [helper.make_node(call, ["x"], ["y"], domain="own") for call in calls]
    nodes = nodes or [helper.make_node("Relu", ["x"], ["y"])]
    return helper.make_function("own", name, ["x"], ["y"], nodes, [helper.make_opsetid("", 17)])


def test_functions_come_to_an_end(tmp_path: Path) -> None:
    call = helper.make_node("f0", ["x"], ["y"], domain="own")
    circle = [_function("f0", ["f1"]), _function("f1", ["f0"])]
    assert "or in a circle" in refused(tmp_path, model([call], functions=circle))
    # Forty functions of two nodes each are a million million nodes when they are put in place.
    doubling = [_function(f"f{n}", [f"f{n + 1}"] * 2) for n in range(40)] + [_function("f40", [])]
    text = refused(tmp_path, model([call], functions=doubling))
    assert "more than 100,000 nodes with those of its functions" in text
    twice = [_function("f0", []), _function("f0", [])]
    assert "two functions 'f0'" in refused(tmp_path, model([call], functions=twice))


@pytest.mark.parametrize(
    ("module", "limit", "value", "words"),
    [
        (walk, "MAX_NODES", 9, "more than 9 nodes"),
        (walk, "MAX_TENSORS", 4, "more than 4 stored tensors"),
        (walk, "MAX_FUNCTIONS", 1, "more than 1 functions"),
        (walk, "MAX_INPUTS_AND_OUTPUTS", 2, "inputs and outputs"),
        (walk, "MAX_METADATA", 1, "more than 1 notes"),
        (walk, "MAX_WEIGHTS_BYTES", 0, "stored tensors take more than 0 GiB"),
    ],
)
def test_absurd_counts_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, module: Any, limit: str, value: int, words: str
) -> None:
    made = model(
        [helper.make_node("Relu", ["x"], [f"y{n}"]) for n in range(10)],
        [numpy_helper.from_array(np.ones(3, np.float32), f"w{n}") for n in range(5)],
        functions=[_function("f", []), _function("g", [])],
        outputs=[picture("y1"), picture("y2")],
    )
    for key in "ab":
        made.metadata_props.add(key=key, value=key)
    path = written(tmp_path / "model.onnx", made)
    inspect(path)
    monkeypatch.setattr(module, limit, value)
    assert words in refusal(path)


def test_the_number_of_fields_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(protobuf, "MAX_FIELDS", 1000)
    tensor = TensorProto(name="w", data_type=TensorProto.INT64, dims=[1001])
    tensor.int64_data.extend([1])
    packed = tensor.SerializeToString()
    # The same numbers one by one, as a list may be written too.
    single = packed.replace(b"\x3a\x01\x01", b"\x38\x01" * 1001)
    graph = b"\x2a" + _varint(len(single)) + single
    data = b"\x08\x08\x3a" + _varint(len(graph)) + graph
    assert "more than 1,000 fields" in refused(tmp_path, data)


def _with(change: Callable[[TensorProto], object]) -> ModelProto:
    tensor = numpy_helper.from_array(np.zeros((2, 3), np.float32), "w")
    change(tensor)
    return model(tensors=[tensor])


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda t: t.dims.append(-1), "has a negative size"),
        (lambda t: t.dims.append(7), "claims 168 bytes and holds 24"),
        (lambda t: t.dims.extend([1 << 62, 1 << 62]), "elements, more than 4,096 MiB"),
        (lambda t: t.dims.extend([1 << 40]), "elements, more than 4,096 MiB"),
        (lambda t: t.dims.extend([1] * 40), "more than 32 dimensions"),
        (lambda t: setattr(t, "raw_data", b""), "claims 24 bytes and holds 0"),
        (lambda t: t.ClearField("raw_data"), "claims 6 values and holds none"),
        (lambda t: t.float_data.extend([1.0]), "has its data in several places"),
        (lambda t: setattr(t, "data_type", 0), "is of an unknown type (0)"),
        (lambda t: setattr(t, "data_type", 99), "is of an unknown type (99)"),
        (lambda t: setattr(t, "data_type", TensorProto.STRING), "claims 6 texts and holds 0"),
        (lambda t: setattr(t, "data_location", 1), "does not say where its data is"),
        (lambda t: setattr(t, "name", ""), "a stored tensor without a name"),
        (lambda t: t.segment.MergeFromString(b"\x08\x01"), "in segments"),
        (lambda t: t.external_data.add(key="location", value="w"), "in several places"),
    ],
)
def test_a_tensor_holds_what_it_claims(
    tmp_path: Path, change: Callable[[TensorProto], object], words: str
) -> None:
    assert words in refused(tmp_path, _with(change))


def test_a_short_typed_list_is_noticed(tmp_path: Path) -> None:
    for kind, values in ((FLOAT, [1.0]), (TensorProto.INT64, [1]), (TensorProto.INT4, [1, 2])):
        tensor = helper.make_tensor("w", kind, [len(values)], values)
        tensor.dims[0] = 1000
        assert "claims 1000 values and holds fewer" in refused(tmp_path, model(tensors=[tensor]))


def test_sparse_tensors_are_as_large_as_what_is_made_of_them(tmp_path: Path) -> None:
    values = numpy_helper.from_array(np.ones(1, np.float32), "w")
    at = numpy_helper.from_array(np.zeros(1, np.int64), "at")
    made = model()
    made.graph.sparse_initializer.append(helper.make_sparse_tensor(values, at, [1 << 40]))
    assert "sparse tensor 'w' claims 1,099,511,627,776 elements" in refused(tmp_path, made)


@pytest.mark.parametrize("kind", ["ConstantOfShape", "Expand", "RandomNormal"])
@pytest.mark.parametrize("stored", ["initializer", "constant", "ints"])
def test_giant_constant_shapes_are_refused(tmp_path: Path, kind: str, stored: str) -> None:
    def made(side: int) -> ModelProto:
        sides = [side, side, 3]
        shape = numpy_helper.from_array(np.array(sides, np.int64), "shape")
        nodes, tensors = [], []
        if kind == "RandomNormal":
            return model([helper.make_node(kind, [], ["y"], shape=sides)])
        if stored == "initializer":
            tensors = [shape]
        elif stored == "constant":
            nodes = [helper.make_node("Constant", [], ["shape"], value=shape)]
        else:
            nodes = [helper.make_node("Constant", [], ["shape"], value_ints=sides)]
        inputs = ["shape"] if kind == "ConstantOfShape" else ["x", "shape"]
        return model([*nodes, helper.make_node(kind, inputs, ["y"])], tensors)

    inspect(written(tmp_path / "good.onnx", made(4096)))
    assert f"its operator {kind} makes 30,000,000,000 values" in refused(tmp_path, made(100_000))


def test_values_larger_than_pictures_are_refused(tmp_path: Path) -> None:
    for shape in ([1, 3, 1 << 20, 1 << 20], [1 << 62, 1 << 62, 1 << 62, 4], [1] * 40):
        assert "a value" in refused(tmp_path, model(inputs=[picture("x", shape)]))


def test_names_are_needed_once(tmp_path: Path) -> None:
    relu = helper.make_node("Relu", ["x"], ["y"])
    weight = numpy_helper.from_array(np.ones(1, np.float32), "w")
    for made, words in (
        (model(inputs=[picture("x"), picture("x")]), "two inputs of the name 'x'"),
        (model(outputs=[picture("y"), picture("y")]), "two outputs of the name 'y'"),
        (model(inputs=[picture("")]), "an input without a name"),
        (model([relu, relu]), "two values of the name 'y'"),
        (model(tensors=[weight, weight]), "two stored tensors of the name 'w'"),
        (model([]), "computes nothing"),
        (model(outputs=[]), "computes nothing"),
    ):
        assert words in refused(tmp_path, made)


# ---------------------------------------------------------------- broken protobuf


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x08\x08\x80" + b"\x80" * 20, "a number without an end"),
        (b"\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x7f", "a number without an end"),
        (b"\x08\x08\x00\x01", "a field without a number"),
        (b"\x08\x08\x0b\x0c", "a kind of field that ONNX does not have"),
        (b"\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00", "cut short"),
        (b"\x08\x08\x3a\x04\x0a\x7f\x00\x00\x42\x00", "a part is longer than the whole"),
        (b"\x08\x08\x38\x04", "a field of the wrong kind"),
        (b"\x08\x08\x3a\x00\x3a\x00", "two graphs"),
        (b"\x08\x08\x3a\x00", "does not say which version"),
        (b"\x08\x08", "it has no graph"),
        (b"\x08\x88", "cut short in the middle of a number"),
        (b"\x08\x08\x3a\x05\x0a\x03\x22\x01\xff", "a name that is no text"),
    ],
)
def test_broken_bytes_are_refused(tmp_path: Path, data: bytes, words: str) -> None:
    assert words in refused(tmp_path, data)


def _seeds() -> list[bytes]:
    made = [
        data
        for name in ("nafnet-gopro-opencv", "modnet")
        for path, data in twin(name, Variant.GOOD).files.items()
        if path.endswith(".onnx")
    ]
    branches = model([helper.make_node("If", ["c"], ["y"], then_branch=nested(2))])
    branches.functions.append(_function("f", []))
    branches.graph.initializer.append(external(location="w.bin"))
    return [*made, branches.SerializeToString()]


SEEDS = _seeds()


@QUIET
@given(data=st.data())
def test_whatever_bytes_are_changed_it_is_refused_or_read_as_onnx_reads_it(
    tmp_path: Path, data: st.DataObject
) -> None:
    """The parser that opens a file must not see another model in it than the one that judged it."""
    raw = bytearray(data.draw(st.sampled_from(SEEDS)))
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(raw) - 1))
        change = data.draw(st.sampled_from(["flip", "byte", "cut", "insert", "repeat"]))
        if change == "flip":
            raw[at] ^= 1 << data.draw(st.integers(0, 7))
        elif change == "byte":
            raw[at] = data.draw(st.integers(0, 255))
        elif change == "cut":
            del raw[at : at + data.draw(st.integers(1, 40))]
        elif change == "insert":
            raw[at:at] = data.draw(st.binary(min_size=1, max_size=12))
        else:
            raw[at:at] = raw[at : at + data.draw(st.integers(1, 200))]
        if not raw:
            return
    path = tmp_path / "model.onnx"
    (tmp_path / "w.bin").write_bytes(bytes(16))
    path.write_bytes(raw)
    try:
        found = inspect(path)
    except ModelRefused as error:
        assert str(error).startswith("model.onnx is not used: ")
        return
    try:
        wrong = disagreement(found, bytes(raw))
    except Exception as error:
        # What no runtime can parse, none opens.
        assert type(error).__name__ == "DecodeError"
        return
    assert wrong == ""


@QUIET
@given(st.binary(max_size=300))
def test_noise_is_refused_in_a_sentence(tmp_path: Path, data: bytes) -> None:
    refused(tmp_path, data)


def test_limits_leave_room_for_real_models() -> None:
    assert walk.MAX_WEIGHTS_BYTES > 4 * 3_460_000_000
    assert tensors.MAX_TENSOR_BYTES > 1 << 30
