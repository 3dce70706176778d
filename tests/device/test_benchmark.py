"""The probe graphs: right answers, their own device, or the provider is not trusted."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from shared_core.bridge.errors import Cancelled
from shared_core.device import benchmark
from shared_core.device.profile import CPU_PROVIDER, MIXES
from shared_core.engine.placement import HEAVY_OPERATORS
from shared_core.engine.session import open_session

CUDA = "CUDAExecutionProvider"
KINDS = benchmark.graphs()
# The checked graph and one timed: enough where speed is not what is tested.
SMALL = {kind: sizes[:1] for kind, sizes in KINDS.items()}


@dataclass
class Fake:
    """A session that computes on the processor and says what the test wants it to say."""

    provider: str
    nodes: Mapping[str, Mapping[str, int]]
    change: Callable[[np.ndarray], np.ndarray]
    inner: Any
    load_seconds: float = 0.0
    bound: SimpleNamespace = field(init=False)

    def __post_init__(self) -> None:
        self.bound = SimpleNamespace(provider=self.provider, nodes=self.nodes)

    def run(self, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        return [self.change(answer.copy()) for answer in self.inner.run(feeds)]


def opener(
    provider: str = CUDA,
    place: Callable[[dict[str, int]], Mapping[str, Mapping[str, int]]] = lambda all_: {CUDA: all_},
    change: Callable[[np.ndarray], np.ndarray] = lambda answer: answer,
) -> benchmark.Opener:
    def opened(path: Path, _: str) -> Fake:
        inner = open_session(path, CPU_PROVIDER)
        nodes = place(dict(inner.bound.nodes[CPU_PROVIDER]))
        return Fake(provider, nodes, change, inner)

    return opened


def measure(open_: benchmark.Opener, **changes: Any) -> benchmark.Outcome:
    options: dict[str, Any] = {"reference": {}, "tolerance": benchmark.DEVICE_TOLERANCE}
    return benchmark.measure(CUDA, open_, SMALL, **{**options, **changes})


def test_the_processor_is_right_and_has_a_speed_for_every_kind() -> None:
    outcome = benchmark.measure(
        CPU_PROVIDER,
        open_session,
        KINDS,
        reference={},
        tolerance=benchmark.CPU_TOLERANCE,
    )
    assert set(outcome.gflops) == set(KINDS) >= {kind for mix in MIXES.values() for kind in mix}
    # onnx's numpy evaluator gave the stored answers: the processor is not its own witness.
    assert outcome.max_relative_error < 2e-5
    assert outcome.placed == 1.0
    assert all(0.01 < rate < 100_000 for rate in outcome.gflops.values())
    # Dense convolutions do the most arithmetic for each byte, on any processor.
    assert outcome.gflops["conv3x3"] > outcome.gflops["resize"]


def test_the_speed_is_by_the_clock_that_is_given() -> None:
    ticks = iter(range(1_000_000))
    outcome = measure(opener(), clock=lambda: float(next(ticks)))
    # Each run takes one tick.
    assert outcome.gflops == {kind: sizes[0].gflop for kind, sizes in SMALL.items()}
    stopped = measure(opener(), clock=lambda: 0.0)
    assert all(0 < rate < float("inf") for rate in stopped.gflops.values())


def test_a_faithful_device_passes() -> None:
    outcome = measure(opener())
    assert outcome.placed == 1.0
    assert set(outcome.answers) == set(KINDS)


def test_a_session_on_the_processor_does_not_pass_for_another() -> None:
    with pytest.raises(benchmark.NotTrusted, match="CPUExecutionProvider in its place"):
        benchmark.measure(
            CUDA,
            lambda path, _: open_session(path, CPU_PROVIDER),
            SMALL,
            reference={},
            tolerance=1,
        )


def test_a_fallback_in_the_second_session_does_not_pass_either() -> None:
    opened: list[Path] = []

    def falls_back_later(path: Path, provider: str) -> Any:
        opened.append(path)
        return opener(CUDA if len(opened) == 1 else CPU_PROVIDER)(path, provider)

    with pytest.raises(benchmark.NotTrusted, match="in its place"):
        benchmark.measure(CUDA, falls_back_later, KINDS, reference={}, tolerance=1)
    assert len(opened) == 2


@pytest.mark.parametrize(
    "place",
    [
        lambda all_: {CPU_PROVIDER: all_},
        lambda all_: {CUDA: {}, CPU_PROVIDER: all_},
        # All the small change on the card and the work on the processor.
        lambda all_: {
            CUDA: {k: n for k, n in all_.items() if k not in HEAVY_OPERATORS},
            CPU_PROVIDER: {k: n for k, n in all_.items() if k in HEAVY_OPERATORS},
        },
        lambda all_: {CUDA: {**all_, "Conv": all_.get("Conv", 2) - 1}, CPU_PROVIDER: {"Conv": 1}},
        # onnxruntime that does not tell is no witness.
        lambda all_: {},
    ],
)
def test_heavy_operations_left_to_the_processor_are_seen(place: Any) -> None:
    with pytest.raises(benchmark.NotTrusted, match="heavy operations"):
        measure(opener(place=place))


def silent(all_: dict[str, int]) -> Mapping[str, Mapping[str, int]]:
    """What onnxruntime tells of a provider that works in another layout: the reordering alone."""
    return {CUDA: {"Transpose": 2}}


def test_where_onnxruntime_does_not_tell_a_session_without_the_processor_does() -> None:
    outcome = measure(opener(place=silent), open_alone=opener())
    assert outcome.placed == 1.0 and set(outcome.gflops) == set(KINDS)

    def refuses(path: Path, provider: str) -> Any:
        raise RuntimeError("fallback to CPU EP has been explicitly disabled")

    for witness in (refuses, opener(CPU_PROVIDER), None):
        with pytest.raises(benchmark.NotTrusted, match="heavy operations"):
            measure(opener(place=silent), open_alone=witness)


def test_interpolation_left_to_the_processor_only_costs_its_figure() -> None:
    outcome = measure(
        opener(place=lambda all_: {CPU_PROVIDER: all_} if "Resize" in all_ else {CUDA: all_})
    )
    assert set(outcome.gflops) == set(KINDS) - {"resize"}
    assert outcome.placed == 1.0


def one_wrong(answer: np.ndarray) -> np.ndarray:
    answer.ravel()[0] += np.abs(answer).max()
    return answer


def not_a_number(answer: np.ndarray) -> np.ndarray:
    answer.ravel()[-1] = np.nan
    return answer


@pytest.mark.parametrize(
    "change",
    [
        np.zeros_like,
        not_a_number,
        one_wrong,
        lambda answer: answer * 1.05,
        lambda answer: answer[:, :, ::-1].copy(),
        lambda answer: answer[:, :, :-1],
        lambda answer: np.full_like(answer, np.inf),
    ],
)
def test_wrong_answers_are_refused(change: Any) -> None:
    with pytest.raises(benchmark.NotTrusted, match="computes wrongly"):
        measure(opener(change=change))


def test_half_precision_products_are_let_through() -> None:
    measure(opener(change=lambda answer: answer.astype(np.float16).astype(np.float32)))


def test_one_wrong_value_is_seen_beside_the_processor_s_answers() -> None:
    reference = measure(opener()).answers

    def one_unsampled(answer: np.ndarray) -> np.ndarray:
        answer.ravel()[1] += np.abs(answer).max()
        return answer

    # The stored answers are samples; the whole answer is compared with the processor's.
    measure(opener(change=one_unsampled))
    with pytest.raises(benchmark.NotTrusted, match="computes wrongly"):
        measure(opener(change=one_unsampled), reference=reference)


def test_a_normalisation_in_half_precision_is_found_out() -> None:
    """The block's first normalisation squares values that half precision cannot hold."""
    onnx = pytest.importorskip("onnx")
    evaluator = pytest.importorskip("onnx.reference").ReferenceEvaluator
    graph = KINDS["block_deep"][0]
    model = onnx.load(graph.path)
    squares = next(n for n in model.graph.node if n.op_type == "Mul" and n.input[0] == n.input[1])
    model.graph.output.append(onnx.ValueInfoProto(name=squares.input[0]))
    centred = evaluator(model).run(None, {"x": benchmark.probe_input(graph.shape)})[1]
    total = (centred.astype(np.float64) ** 2).sum(axis=1)
    assert total.max() > np.finfo(np.float16).max


def test_cancel_between_measurements() -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 3

    with pytest.raises(Cancelled):
        measure(opener(), cancelled=cancelled)
    assert asked == 4


def test_inputs_are_the_same_on_every_machine() -> None:
    values = benchmark.probe_input((1, 4, 16, 16))
    assert values.dtype == np.float32
    assert values.ravel()[:3].tolist() == [
        0.0,
        np.float32(14) / np.float32(255),
        np.float32(28 / 255),
    ]
    assert values.min() == 0.0
    assert 0.99 < values.max() < 1.0


def test_the_graphs_are_small_and_complete() -> None:
    files = {graph.path for sizes in KINDS.values() for graph in sizes}
    assert files == set(benchmark.FOLDER.glob("*.onnx"))
    assert sum(path.stat().st_size for path in benchmark.FOLDER.iterdir()) < 400_000
    for sizes in KINDS.values():
        assert sizes[0].golden
        assert [g.gflop for g in sizes] == sorted(g.gflop for g in sizes)


def test_the_graphs_are_what_the_script_builds() -> None:
    onnx = pytest.importorskip("onnx")
    script = Path(__file__).parents[2] / "packaging" / "make_probe_graphs.py"
    spec = importlib.util.spec_from_file_location("make_probe_graphs", script)
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    for sizes in KINDS.values():
        for graph in sizes:
            model, gflop = made.build(graph.kind, graph.shape[2])
            assert model == onnx.load(graph.path), graph.path.name
            assert gflop == pytest.approx(graph.gflop)
            assert np.array_equal(made.probe_input(graph.shape), benchmark.probe_input(graph.shape))


def test_operations_are_counted_by_hand_right() -> None:
    (conv,) = (graph for graph in KINDS["conv3x3"] if graph.shape[2] == 128)
    pixels = 128 * 128
    by_hand = 2 * pixels * (4 * 64 + 2 * 64 * 64 * 9 + 64 * 4)
    assert conv.gflop == pytest.approx(by_hand / 1e9)
    (deep,) = (graph for graph in KINDS["block_deep"] if graph.shape[2] == 64)
    per_block = 6 * 256**2 * 64**2 + 9 * 512 * 64**2 + 256**2
    assert deep.gflop == pytest.approx(2 * (2 * per_block + 2 * 4 * 256 * 64**2) / 1e9)
