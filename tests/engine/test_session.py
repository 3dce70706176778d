"""Sessions on real graphs: what binds, what fails and how, and that a run can be ended."""

from __future__ import annotations

import threading
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from shared_core.bridge.errors import Cancelled
from shared_core.engine import session as session_module
from shared_core.engine.memory import usable_threads
from shared_core.engine.session import (
    CPU,
    OutOfMemory,
    RunFailed,
    SessionCache,
    SessionFailed,
    open_session,
)
from shared_core.engine.tiling import run_tiles
from shared_core.pixels import Picture, Raster


def save(path: Path, nodes: list, weights: dict[str, np.ndarray], **shapes: list) -> Path:
    """A model with input x and output y of the given shapes."""
    graph = helper.make_graph(
        nodes,
        "graph",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shapes["x"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, shapes["y"])],
        [numpy_helper.from_array(values, name) for name, values in weights.items()],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
    return path


PICTURE = [1, 3, "height", "width"]
SIDE = 256


@pytest.fixture
def blur(tmp_path: Path) -> Path:
    """Each channel's 3 by 3 mean with zeros beyond the edges."""
    kernel = np.zeros((3, 3, 3, 3), np.float32)
    for channel in range(3):
        kernel[channel, channel] = 1 / 9
    node = helper.make_node("Conv", ["x", "k"], ["y"], pads=[1, 1, 1, 1])
    return save(tmp_path / "blur.onnx", [node], {"k": kernel}, x=PICTURE, y=PICTURE)


@pytest.fixture
def slow(tmp_path: Path) -> Path:
    """Many matrix products in a loop: seconds on any machine, each product short."""
    square = [SIDE, SIDE]
    body = helper.make_graph(
        [
            helper.make_node("MatMul", ["before", "w"], ["after"]),
            helper.make_node("Identity", ["go"], ["on"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, square),
        ],
        [
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, square),
        ],
    )
    node = helper.make_node("Loop", ["times", "", "x"], ["y"], body=body)
    weights = {"w": np.eye(SIDE, dtype=np.float32), "times": np.array(100_000, np.int64)}
    return save(tmp_path / "slow.onnx", [node], weights, x=square, y=square)


@pytest.fixture
def hungry(tmp_path: Path) -> Path:
    """Asks for a tensor of 2^50 values."""
    nodes = [helper.make_node("Expand", ["x", "s"], ["y"])]
    shape = np.array([1 << 25, 1 << 25], np.int64)
    return save(tmp_path / "hungry.onnx", nodes, {"s": shape}, x=[1, 1], y=[1 << 25, 1 << 25])


def feed(height: int = 8, width: int = 9) -> np.ndarray:
    return np.random.default_rng(3).random((1, 3, height, width), np.float32)


def test_a_session_tells_its_tensors_and_where_it_lies(blur: Path) -> None:
    session = open_session(blur)
    (x,), (y,) = session.inputs, session.outputs
    assert (x.name, x.type, x.shape) == ("x", "tensor(float)", (1, 3, "height", "width"))
    assert x.dtype == np.float32
    assert y.name == "y"
    assert session.bound.provider == CPU
    assert session.bound.share == 1.0
    assert session.bound.nodes[CPU]["Conv"] == 1
    assert session.threads == usable_threads()
    assert 0 < session.load_seconds < 60


def test_it_runs_and_counts_what_really_ran(blur: Path) -> None:
    session = open_session(blur)
    picture = feed()
    assert session.runs == 0
    (output,) = session.run({"x": picture})
    assert output[0, 1, 4, 4] == pytest.approx(picture[0, 1, 3:6, 3:6].mean(), abs=1e-6)
    session.run({"x": picture})
    assert session.runs == 2
    assert session.run_seconds > 0
    with pytest.raises(RunFailed):
        session.run({"wrong": picture})
    with pytest.raises(Cancelled):
        session.run({"x": picture}, cancelled=lambda: True)
    assert session.runs == 2


def test_the_measured_settings_are_the_used_ones(
    blur: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    used = {}
    native = ort.InferenceSession

    def spy(path: str, options: ort.SessionOptions, **kwargs: object) -> ort.InferenceSession:
        used.update(kwargs, options=options)
        return native(path, options, **kwargs)

    monkeypatch.setattr(ort, "InferenceSession", spy)
    open_session(blur, threads=1)
    options = used["options"]
    assert options.enable_mem_pattern is False
    assert options.execution_mode == ort.ExecutionMode.ORT_SEQUENTIAL
    assert options.intra_op_num_threads == 1
    assert options.get_session_config_entry("session.intra_op.allow_spinning") == "0"
    assert options.graph_optimization_level == ort.GraphOptimizationLevel.ORT_ENABLE_ALL
    assert used["enable_fallback"] == 0
    assert used["providers"] == [CPU]

    monkeypatch.setattr(session_module, "available_bytes", lambda: blur.stat().st_size * 3)
    open_session(blur)
    extended = ort.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    assert used["options"].graph_optimization_level == extended


@pytest.mark.parametrize("provider", ["CUDAExecutionProvider", "NoSuchProvider"])
def test_a_provider_that_is_not_built_in_is_refused(blur: Path, provider: str) -> None:
    if provider in ort.get_available_providers():
        pytest.skip(f"this onnxruntime has {provider}")
    with pytest.raises(SessionFailed, match=provider):
        open_session(blur, provider)


def test_a_provider_that_is_listed_but_does_not_bind_is_refused(
    blur: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The GPU build without a GPU: listed as available, then silently a session on the processor.
    listed = [*ort.get_available_providers(), "DmlExecutionProvider"]
    if "DmlExecutionProvider" in listed[:-1]:
        pytest.skip("this onnxruntime really has DirectML")
    monkeypatch.setattr(ort, "get_available_providers", lambda: listed)
    with pytest.warns(UserWarning), pytest.raises(SessionFailed) as caught:
        open_session(blur, "DmlExecutionProvider")
    assert CPU in caught.value.reason


@pytest.mark.parametrize(("taken", "refused"), [(0, True), (1, False)])
def test_a_provider_that_leaves_the_work_to_the_processor_is_refused(
    blur: Path, monkeypatch: pytest.MonkeyPatch, taken: int, refused: bool
) -> None:
    """A session that says to be on a card and has all convolutions on the processor."""
    cuda = "CUDAExecutionProvider"

    class Native:
        def __init__(self, *arguments: object, **options: object) -> None:
            self._inner = native(blur.as_posix())

        def __getattr__(self, name: str) -> object:
            return getattr(self._inner, name)

        def get_providers(self) -> list[str]:
            return [cuda, CPU]

        def get_provider_graph_assignment_info(self) -> list[object]:
            def part(name: str, operator: str) -> object:
                node = SimpleNamespace(op_type=operator)
                return SimpleNamespace(ep_name=name, get_nodes=lambda: [node])

            return [part(cuda, "Transpose"), part(cuda if taken else CPU, "Conv")]

    native = ort.InferenceSession
    monkeypatch.setattr(ort, "InferenceSession", Native)
    monkeypatch.setattr(ort, "get_available_providers", lambda: [cuda, CPU])
    if refused:
        with pytest.raises(SessionFailed, match="takes only 0% of the model's heavy operations"):
            open_session(blur, cuda)
    else:
        assert open_session(blur, cuda).bound.share == 1


def test_alone_is_asked_of_onnxruntime(blur: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a GPU build without a GPU this raises, where a plain session is silently the processor."""
    asked: list[str] = []

    def spy(path: str, options: ort.SessionOptions, **kwargs: object) -> object:
        asked.append(options.get_session_config_entry("session.disable_cpu_ep_fallback"))
        raise RuntimeError("fallback to CPU EP has been explicitly disabled")

    monkeypatch.setattr(ort, "InferenceSession", spy)
    monkeypatch.setattr(ort, "get_available_providers", lambda: ["CUDAExecutionProvider", CPU])
    with pytest.raises(SessionFailed, match="explicitly disabled"):
        open_session(blur, "CUDAExecutionProvider", alone=True)
    assert asked == ["1"]


def damage(kind: str, content: bytes) -> bytes:
    if kind == "truncated":
        return content[: len(content) // 2]
    if kind == "html":
        return b"<!DOCTYPE html><html><body>Not found</body></html>"
    return b"" if kind == "empty" else b"\x00\xff" * 500


@pytest.mark.parametrize("kind", ["truncated", "html", "empty", "garbage"])
def test_a_file_that_is_no_model_is_refused(blur: Path, kind: str) -> None:
    blur.write_bytes(damage(kind, blur.read_bytes()))
    with pytest.raises(SessionFailed) as caught:
        open_session(blur)
    assert caught.value.reason
    assert "blur.onnx" in str(caught.value)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SessionFailed, match=r"none\.onnx"):
        open_session(tmp_path / "none.onnx")


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros((1, 3, 8, 8), np.float64),
        np.zeros((3, 8, 8), np.float32),
        np.zeros((1, 4, 8, 8), np.float32),
    ],
    ids=["type", "rank", "channels"],
)
def test_wrong_tensors_fail_and_leave_the_session_usable(blur: Path, wrong: np.ndarray) -> None:
    session = open_session(blur)
    with pytest.raises(RunFailed):
        session.run({"x": wrong})
    assert session.run({"x": feed()})[0].shape == (1, 3, 8, 9)


def test_want_of_memory_is_recognised(hungry: Path) -> None:
    session = open_session(hungry)
    with pytest.raises(OutOfMemory):
        session.run({"x": np.ones((1, 1), np.float32)})
    assert session.runs == 0


def test_cancel_ends_a_run_from_another_thread(slow: Path) -> None:
    session = open_session(slow)
    picture = np.ones((SIDE, SIDE), np.float32)
    # The second run is not affected by the end of the first: it goes on until it is cancelled too.
    for _ in range(2):
        asked, ended = threading.Event(), threading.Event()

        def cancel(asked: threading.Event = asked, ended: threading.Event = ended) -> None:
            while not ended.wait(0.3):
                asked.set()
                session.cancel()

        canceller = threading.Thread(target=cancel)
        canceller.start()
        with pytest.raises(Cancelled):
            session.run({"x": picture})
        assert asked.is_set()
        ended.set()
        canceller.join()
        assert session.runs == 0


def test_a_cancel_that_comes_just_before_the_run_is_not_lost(slow: Path) -> None:
    session = open_session(slow)
    flag = threading.Event()
    flag.set()
    session.cancel()
    with pytest.raises(Cancelled):
        session.run({"x": np.ones((SIDE, SIDE), np.float32)}, cancelled=flag.is_set)


def test_tiles_of_a_real_network_are_its_untiled_picture(blur: Path) -> None:
    session = open_session(blur)
    raster = Raster(150, 101, "u16")
    source = np.random.default_rng(0).integers(0, 65536, raster.shape, np.uint16)
    source[..., 3] = 65535
    result = np.zeros_like(source)
    picture = Picture(source, result, raster)
    picture.begin()

    def network(colours: np.ndarray) -> np.ndarray:
        (output,) = session.run({"x": colours.transpose(2, 0, 1)[None]})
        return output[0].transpose(1, 2, 0)

    tiles = run_tiles(picture, picture.bounds, network, tile=64, overlap=16)
    assert session.runs == tiles == 6
    whole = network(picture.rgb(picture.bounds))
    assert np.abs(result[..., :3] / 65535 - whole).max() < 1e-4


def test_the_cache_keeps_what_was_used_last(blur: Path, tmp_path: Path) -> None:
    other, third = tmp_path / "other.onnx", tmp_path / "third.onnx"
    for path in (other, third):
        path.write_bytes(blur.read_bytes())
    cache = SessionCache(limit=2)
    first = cache.get(blur, "a")
    second = cache.get(other, "b")
    assert cache.get(blur, "a") is first
    cache.get(third, "c")
    assert cache.get(blur, "a") is first
    assert cache.get(other, "b") is not second


def test_the_cache_opens_anew_what_is_another_thing(blur: Path) -> None:
    cache = SessionCache(limit=3)
    first = cache.get(blur, "a", threads=1)
    assert cache.get(blur, "b", threads=1) is not first
    assert cache.get(blur, "a", threads=2) is not first
    assert cache.get(blur, "a", threads=1) is first
    cache.drop(first)
    assert cache.get(blur, "a", threads=1) is not first


def test_a_session_that_fails_to_open_is_not_kept(blur: Path) -> None:
    content = blur.read_bytes()
    blur.write_bytes(b"")
    cache = SessionCache()
    with pytest.raises(SessionFailed):
        cache.get(blur, "a")
    blur.write_bytes(content)
    assert cache.get(blur, "a").run({"x": feed()})
