"""Whether a provider computes the probe graphs right and on its own device, and how fast."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ..bridge.errors import Cancelled
from ..bridge.language import _
from ..engine.placement import heavy_share
from .profile import CPU_PROVIDER

FOLDER = Path(__file__).parent / "graphs"

PLACED_ENOUGH = 0.95
# Interpolation is a small part of every network: a provider that leaves it to the processor is
# not refused for it, it only gets no figure.
OPTIONAL_KINDS = frozenset({"resize"})

# Single precision deviates by some 1e-6 here; graphics cards round products to 10 or 11 bits.
CPU_TOLERANCE = 1e-3
DEVICE_TOLERANCE = 2e-2

KIND_SECONDS = 0.28
TIMED_SECONDS = 0.05
LEAST_RUNS, MOST_RUNS = 3, 20
LAST_RUNS = 2
LEAST_SECONDS = 1e-6


class ProbeSession(Protocol):
    """What the probe needs of a session: ``shared_core.engine.session.Session`` has it."""

    @property
    def bound(self) -> Any:
        """``provider`` and ``nodes`` (provider to operator to count)."""

    @property
    def load_seconds(self) -> float:
        """Seconds that the opening took."""

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """All outputs for the named inputs."""


Opener = Callable[[Path, str], ProbeSession]
Clock = Callable[[], float]


class NotTrusted(Exception):
    """The provider is not to be used; the text says why, in a sentence for the user."""


@dataclass(frozen=True)
class Graph:
    """A probe graph: its file, kind of operation, input shape, operations in billions.

    ``golden`` holds evenly spread values of the right answer, for the smallest of each kind.
    """

    path: Path
    kind: str
    shape: tuple[int, ...]
    gflop: float
    golden: tuple[float, ...] = ()


@dataclass
class Outcome:
    """What was measured of a provider; ``answers`` are its outputs for the checked graphs."""

    gflops: dict[str, float] = field(default_factory=dict)
    max_relative_error: float = 0.0
    placed: float = 1.0
    setup_seconds: float = 0.0
    answers: dict[str, NDArray[Any]] = field(default_factory=dict)


def graphs(folder: Path = FOLDER) -> dict[str, tuple[Graph, ...]]:
    """The probe graphs by kind, the smallest of each first."""
    kinds: dict[str, list[Graph]] = {}
    for entry in json.loads((folder / "index.json").read_text(encoding="utf-8")):
        graph = Graph(
            path=folder / entry["file"],
            kind=entry["kind"],
            shape=tuple(entry["shape"]),
            gflop=entry["gflop"],
            golden=tuple(entry.get("golden", ())),
        )
        kinds.setdefault(graph.kind, []).append(graph)
    return {kind: tuple(found) for kind, found in kinds.items()}


def probe_input(shape: Sequence[int]) -> NDArray[np.float32]:
    """The input of every probe graph, values 0..1, equal on every machine to the last bit."""
    count = int(np.prod(shape))
    values = (np.arange(count) * 7919 % 255) / np.float32(255)
    return values.astype(np.float32).reshape(shape)


def relative_error(answer: NDArray[Any], reference: NDArray[Any]) -> float:
    """Largest deviation as a share of the reference's largest value; inf when not finite."""
    if answer.shape != reference.shape or not np.isfinite(answer).all():
        return float("inf")
    peak = float(np.abs(reference).max())
    return float(np.abs(answer.astype(np.float64) - reference).max()) / peak


def golden_error(answer: NDArray[Any], golden: Sequence[float]) -> float:
    """``relative_error`` against the stored values of the right answer; inf when not finite."""
    if not np.isfinite(answer).all():
        return float("inf")
    step = answer.size // len(golden)
    return relative_error(answer.ravel()[::step][: len(golden)], np.array(golden))


def measure(
    provider: str,
    open_session: Opener,
    kinds: Mapping[str, Sequence[Graph]],
    *,
    reference: Mapping[str, NDArray[Any]],
    tolerance: float,
    open_alone: Opener | None = None,
    cancelled: Callable[[], bool] | None = None,
    on_kind: Callable[[str], None] | None = None,
    clock: Clock = time.perf_counter,
) -> Outcome:
    """Check and time ``provider`` on all kinds of operation, about 2 seconds on a processor.

    ``reference`` holds another provider's answers per kind, ``clock`` tells seconds. ``open_alone``
    opens a session that fails where the processor would have to help: the witness where
    onnxruntime does not tell who does the work. Raises ``NotTrusted`` when another provider does it
    or an answer is wrong, ``Cancelled``, and what ``open_session`` raises.
    """
    outcome = Outcome()
    last: list[tuple[Graph, ProbeSession]] = []
    for kind, sizes in kinds.items():
        if on_kind:
            on_kind(kind)
        _stop_if(cancelled)
        session = _opened(provider, open_session, sizes[0], outcome)
        placed = _placed(provider, session, sizes[0], open_alone)
        if placed < PLACED_ENOUGH and kind in OPTIONAL_KINDS:
            continue
        outcome.placed = min(outcome.placed, placed)
        if placed < PLACED_ENOUGH:
            raise NotTrusted(
                _(
                    "Only {placed:.0%} of the heavy operations of the {kind} probe ran there, "
                    "the rest on the processor.",
                    placed=placed,
                    kind=kind,
                )
            )
        _check(session, sizes[0], reference.get(kind), tolerance, outcome)
        last.append(_time_kind(provider, open_session, session, sizes, outcome, cancelled, clock))
    # Another look at the end, so that one disturbance does not decide about one kind.
    for graph, session in last:
        _stop_if(cancelled)
        seconds = _best(session, graph, LAST_RUNS, 0.0, clock)
        outcome.gflops[graph.kind] = max(outcome.gflops[graph.kind], graph.gflop / seconds)
    return outcome


def _opened(provider: str, open_session: Opener, graph: Graph, outcome: Outcome) -> ProbeSession:
    session = open_session(graph.path, provider)
    outcome.setup_seconds += session.load_seconds
    if session.bound.provider != provider:
        raise NotTrusted(
            _("onnxruntime opened {provider} in its place.", provider=session.bound.provider)
        )
    return session


def _placed(provider: str, session: ProbeSession, graph: Graph, open_alone: Opener | None) -> float:
    """Share of the heavy operators on ``provider``; without a witness it is 0.

    The processor has nobody to leave them to, and onnxruntime up to 1.23 never says.
    """
    if provider == CPU_PROVIDER:
        return 1.0
    share = heavy_share(session.bound.nodes, provider)
    if share is not None or open_alone is None:
        return share or 0.0
    try:
        return float(open_alone(graph.path, provider).bound.provider == provider)
    except Exception:  # onnxruntime's errors are bare Exceptions.
        return 0.0


def _check(
    session: ProbeSession,
    graph: Graph,
    reference: NDArray[Any] | None,
    tolerance: float,
    outcome: Outcome,
) -> None:
    answer = session.run({"x": probe_input(graph.shape)})[0]
    outcome.answers[graph.kind] = answer
    error = golden_error(answer, graph.golden) if answer.shape == graph.shape else float("inf")
    if reference is not None:
        error = max(error, relative_error(answer, reference))
    if not error <= tolerance:
        raise NotTrusted(
            _(
                "It computes wrongly: the {kind} probe is off by {error:.2g} of its peak, "
                "{tolerance:g} is allowed.",
                kind=graph.kind,
                error=error,
                tolerance=tolerance,
            )
        )
    outcome.max_relative_error = max(outcome.max_relative_error, error)


def _time_kind(
    provider: str,
    open_session: Opener,
    session: ProbeSession,
    sizes: Sequence[Graph],
    outcome: Outcome,
    cancelled: Callable[[], bool] | None,
    clock: Clock,
) -> tuple[Graph, ProbeSession]:
    """Time larger and larger graphs of one kind while the next should still fit in the budget."""
    started = time.perf_counter()
    graph, seconds = sizes[0], _best(session, sizes[0], LEAST_RUNS, 0.0, clock)
    for larger in sizes[1:]:
        expected = seconds * larger.gflop / graph.gflop * (LEAST_RUNS + 1)
        if time.perf_counter() - started + expected > KIND_SECONDS:
            break
        _stop_if(cancelled)
        graph, session = larger, _opened(provider, open_session, larger, outcome)
        session.run({"x": probe_input(graph.shape)})
        seconds = _best(session, graph, LEAST_RUNS, TIMED_SECONDS, clock)
    outcome.gflops[graph.kind] = graph.gflop / seconds
    return graph, session


def _best(
    session: ProbeSession, graph: Graph, runs: int, at_least_seconds: float, clock: Clock
) -> float:
    """Seconds of the fastest of ``runs`` or more runs."""
    feeds = {"x": probe_input(graph.shape)}
    best, spent, count = float("inf"), 0.0, 0
    while count < runs or (spent < at_least_seconds and count < MOST_RUNS):
        started = clock()
        session.run(feeds)
        # A coarse clock may not have moved on.
        seconds = max(clock() - started, LEAST_SECONDS)
        best, spent, count = min(best, seconds), spent + seconds, count + 1
    return best


def _stop_if(cancelled: Callable[[], bool] | None) -> None:
    if cancelled and cancelled():
        raise Cancelled(_("The measurement of this machine was cancelled."))
