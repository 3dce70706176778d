"""How long a plan takes while the worker is at rest, computes, measures the machine, downloads."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time
from collections.abc import Callable
from typing import Any

from shared_core.bridge import launch, wire
from shared_core.bridge.client import Silent
from shared_core.bridge.errors import Cancelled

from .stage import Case, Stage

LIMIT_SECONDS = 0.1


class _Enough(Silent):
    """A watcher that cancels once it is set."""

    def __init__(self) -> None:
        self._event = threading.Event()
        self.set = self._event.set

    def cancelled(self) -> bool:
        """Whether it was set."""
        return self._event.is_set()


def durations(stage: Stage, case: Case, count: int) -> list[float]:
    """Seconds of ``count`` plans over one connection, one after the other."""
    client = stage.client()
    question = wire.AskPlan(case.tool, 1300, 96, parameters=dict(case.parameters))
    client.ask(question, wire.PlanReply)
    taken = []
    for _ in range(count):
        begun = time.monotonic()
        client.ask(question, wire.PlanReply)
        taken.append(time.monotonic() - begun)
    client.close()
    return taken


def measure(stage: Stage, case: Case, absent: Case, hub: Any, count: int) -> dict[str, list[float]]:
    """Plans in each state of the worker; ``absent`` is a tool whose model is not here yet."""
    found = {"at rest": durations(stage, case, count)}

    def job() -> None:
        stage.run(case, wire.REAL)

    def probe() -> None:
        client = stage.client()
        client.ask(wire.AskDoctor(again=True), wire.DoctorReply)
        client.close()

    enough = _Enough()

    def download() -> None:
        client = stage.client()
        request = wire.Download(absent.model, launch.hub_environment())
        with contextlib.suppress(Cancelled):
            client.ask(request, wire.Done, enough)
        client.close()

    found["during a job"] = _while(job, lambda: durations(stage, case, count))
    found["during the probe"] = _while(probe, lambda: durations(stage, case, count))
    hub.fault(".onnx", "stall")
    found["during a download of its model"] = _while(
        download, lambda: durations(stage, absent, count), enough.set
    )
    hub.heal()
    return found


def _while(
    work: Callable[[], None],
    measured: Callable[[], list[float]],
    then: Callable[[], None] = lambda: None,
) -> list[float]:
    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.5)
    try:
        return measured()
    finally:
        then()
        thread.join()


def table(found: dict[str, list[float]]) -> list[tuple[str, int, float, float]]:
    """State, number of plans, median and longest in milliseconds."""
    return [
        (state, len(taken), 1000 * statistics.median(taken), 1000 * max(taken))
        for state, taken in found.items()
    ]
