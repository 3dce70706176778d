"""What follows on a failed attempt: smaller tiles, the processor, the classical path, an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge import wire
from shared_core.bridge.errors import BadInput, CouldNotBeDone, NssError, RealPathImpossible
from shared_core.bridge.paths import paths
from shared_core.child import ChildDied
from shared_core.worker import jobs
from shared_core.worker.jobs import JobRunner
from shared_core.worker.journal import Journal
from shared_core.worker.stages import LOADING, READING, RUNNING

CUDA, CPU = "CUDAExecutionProvider", "CPUExecutionProvider"
DENOISE, DEBLUR = "scunet-real-psnr", "nafnet-gopro-opencv"
DONE: dict[str, Any] = {
    "algorithm": None,
    "algorithm_parameters": {},
    "tiles": 4,
    "found": {},
    "unchanged": "",
    "model_runs": 4,
    "tile_shape": "512x512",
    "load_seconds": 0.5,
    "run_seconds": 2.0,
    "peak_bytes": 1,
    "bound": CPU,
    "onnxruntime": "1",
}


def failure(stage: str = RUNNING, memory: bool = False, text: str = "broken") -> NssError:
    """An error as the runner reports it."""
    error = CouldNotBeDone(text)
    error.details = {"stage": stage, "memory": memory}  # type: ignore[attr-defined]
    return error


@dataclass
class Script:
    """Stands for the runner: each job ends as the next of ``ends`` says."""

    ends: list[Any] = field(default_factory=list)
    asked: list[dict[str, Any]] = field(default_factory=list)
    started: int = 0
    ended: int = 0
    deadlines: list[float] = field(default_factory=list)
    events: tuple[dict[str, Any], ...] = ()

    def child(self, *arguments: Any, **named: Any) -> Script:
        self.started += 1
        return self

    pid = 1

    def alive(self) -> bool:
        return True

    def end(self) -> None:
        self.ended += 1

    def send(self, request: dict[str, Any]) -> None:
        self.asked.append(request)

    def follow(
        self, tell: Callable[[Any], None], stopped: Any, deadline: Any, silence: float
    ) -> Any:
        end = self.ends.pop(0)
        stage = getattr(end, "details", {}).get("stage", RUNNING)
        if getattr(end, "early", False):
            raise end
        self.deadlines.append(deadline())
        tell({"event": "stage", "stage": stage})
        for event in self.events:
            tell(event)
            self.deadlines.append(deadline())
        if isinstance(end, Exception):
            raise end
        return dict(end)


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Script:
    monkeypatch.setenv("NSS_HOME", str(tmp_path))
    made = Script()
    monkeypatch.setattr(jobs, "Child", made.child)
    return made


def the_runner(
    monkeypatch: pytest.MonkeyPatch,
    model: str,
    provider: str,
    cpu_seconds: float = 5.0,
    divisor: int = 1,
) -> JobRunner:
    """A job runner whose planner finds ``model`` ready on ``provider``."""
    made = JobRunner(paths(), Journal(paths().journal))
    plain = made.planner.plan

    def plan(ask: wire.AskPlan, only: str | None = None) -> wire.Plan:
        if ask.path == wire.CLASSICAL or (only and cpu_seconds > ask.limits.budget):
            return plain(replace(ask, path=wire.CLASSICAL))
        return wire.Plan(
            *(wire.REAL, model, only or provider, "the model is here", 8.0, 1, 0),
            title="the model",
            tile_divisor=divisor,
        )

    monkeypatch.setattr(made.planner, "plan", plan)
    return made


def job(tool: str = "denoise", path: str = "auto", **more: Any) -> wire.StartJob:
    file = wire.PixelFile("runtime", "px-1-0", 900, 900, "u8", "rgba", "srgb")
    return wire.StartJob(tool, file, file, path=path, **more)


def run(runner: JobRunner, asked: wire.StartJob) -> dict[str, Any]:
    return runner.run(asked, "test 1", lambda message: None, lambda: False)


def test_smaller_tiles_where_memory_ran_out(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    script.ends = [failure(memory=True, text="no memory"), DONE]
    made = run(runner, job())
    assert [r["tile_divisor"] for r in script.asked] == [1, 2]
    assert [r["again"] for r in script.asked] == [False, True]
    assert made["path"] == "real"
    assert "smaller tiles" in made["reason"]
    assert made["fault"] == "no memory"
    # The second attempt had a runner of its own.
    assert (script.started, script.ended) == (2, 1)
    # Later plans begin with the smaller tiles.
    remembered = runner.journal.fault_of(DENOISE, CPU, 900 * 900)
    assert remembered is not None and remembered.what == "no memory"
    assert runner.journal.fault_of(DENOISE, CPU, 900 * 900, 2) is None
    assert runner.journal.fault_of(DENOISE, CPU, 100) is None


def test_a_plan_with_smaller_tiles_is_run_with_them(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU, divisor=2)
    script.ends = [DONE]
    assert run(runner, job())["fault"] is None
    assert [r["tile_divisor"] for r in script.asked] == [2]
    script.asked.clear()
    script.ends = [failure(memory=True, text="no memory"), DONE]
    assert "smaller tiles" in run(runner, job())["reason"]
    assert [r["tile_divisor"] for r in script.asked] == [2, 4]


@pytest.mark.parametrize("stage", [RUNNING, LOADING])
def test_fixed_tiles_and_sessions_do_not_shrink(script, monkeypatch, stage):
    model, tool = (DEBLUR, "deblur") if stage == RUNNING else (DENOISE, "denoise")
    runner = the_runner(monkeypatch, model, CPU)
    script.ends = [failure(stage, memory=True, text="no memory"), DONE]
    made = run(runner, job(tool))
    assert [(r["path"], r["tile_divisor"]) for r in script.asked] == [
        ("real", 1),
        ("classical", 1),
    ]
    assert made["path"] == "classical"
    assert made["fault"] == "no memory"
    assert runner.journal.fault_of(model, CPU, 900 * 900) is not None
    assert runner.journal.fault_of(model, CPU, 100) is None


@pytest.mark.parametrize(("seconds", "bearable"), [(5.0, True), (500.0, False)])
def test_the_processor_where_a_card_has_too_little_memory(script, monkeypatch, seconds, bearable):
    runner = the_runner(monkeypatch, DENOISE, CUDA, cpu_seconds=seconds)
    script.ends = [failure(memory=True)] * 2 + [DONE]
    made = run(runner, job())
    shown = [(r["path"], r["provider"], r["tile_divisor"]) for r in script.asked]
    assert shown[:2] == [("real", CUDA, 1), ("real", CUDA, 2)]
    if bearable:
        assert shown[2] == ("real", CPU, 1)
        assert made["provider"]["requested"] == CPU
        assert "on the processor, since memory ran out on CUDA" in made["reason"]
    else:
        assert shown[2][0] == "classical"
        assert made["path"] == "classical"


def test_a_lost_device_is_not_tried_again(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CUDA)
    script.ends = [failure(text="device removed"), DONE]
    made = run(runner, job())
    assert [r["path"] for r in script.asked] == ["real", "classical"]
    assert made["fault"] == "device removed"
    assert made["reason"] == "the model failed: device removed"


def test_real_only_gives_no_other_result(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    script.ends = [failure(text="device removed")]
    with pytest.raises(RealPathImpossible, match="device removed"):
        run(runner, job(path="real"))
    assert len(script.asked) == 1


def test_a_runner_that_dies_before_it_begins_is_replaced(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    early = ChildDied("it was ended by SIGKILL")
    early.early = True  # type: ignore[attr-defined]
    script.ends = [early, DONE]
    made = run(runner, job())
    assert [r["path"] for r in script.asked] == ["real", "real"]
    assert (made["path"], made["fault"]) == ("real", None)


def test_a_death_while_the_picture_is_read_is_not_the_models_fault(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    death = ChildDied("it was ended by SIGKILL")
    death.details = {"stage": READING}  # type: ignore[attr-defined]
    script.ends = [death, DONE]
    made = run(runner, job())
    assert made["path"] == "classical"
    assert "died while it was reading the picture" in made["fault"]
    assert runner.journal.fault_of(DENOISE, CPU, 900 * 900) is None


def test_the_classical_path_is_tried_again_without_its_helpers(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    script.ends = [failure(text="the detector gave nonsense"), DONE]
    made = run(runner, job(path="classical"))
    assert [(r["helpers"], r["tile_divisor"], r["again"]) for r in script.asked] == [
        (True, 1, False),
        (False, 2, True),
    ]
    assert made["reason"] == "as you chose"
    assert "the detector gave nonsense" in made["fault"]


def test_twice_without_a_result_is_an_error_that_says_why(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    script.ends = [ChildDied("it ended with code 3"), failure(text="memory ran out", memory=True)]
    with pytest.raises(CouldNotBeDone, match="memory ran out"):
        run(runner, job(path="classical"))


@pytest.mark.parametrize("path", ["auto", "classical"])
def test_what_is_wrong_with_the_picture_is_said_at_once(script, monkeypatch, path):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    script.ends = [BadInput("nothing there")]
    with pytest.raises(BadInput):
        run(runner, job(path=path))
    assert len(script.asked) == 1


def test_a_job_of_a_lost_worker_finds_its_places_cleared(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    script.ends = [DONE]
    made = run(runner, job(lost_worker="the worker ended"))
    assert script.asked[0]["again"] is True
    assert (made["path"], made["fault"]) == ("classical", "the worker ended")


def test_a_tile_has_ten_times_what_is_predicted_and_half_a_minute_at_least(script, monkeypatch):
    runner = the_runner(monkeypatch, DENOISE, CPU)
    script.events = tuple(
        {"event": "progress", "stage": "running", "done": done, "total": total}
        for done, total in ((0, 2), (1, 2))
    )
    script.ends = [DONE]
    run(runner, job())
    # Eight seconds are predicted for two tiles.
    assert script.deadlines == [80, 40, 40]
    script.deadlines.clear()
    script.events = script.events[:1]
    script.ends = [DONE]
    run(runner, job(path="classical"))
    assert min(script.deadlines) == 30
