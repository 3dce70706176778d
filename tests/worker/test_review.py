"""Which job a dead worker's fault belongs to, what refutes a fault, and time that nobody lived."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import cv2
import numpy as np
import pytest

from shared_core import child
from shared_core.bridge import wire
from shared_core.bridge.arena import Arena
from shared_core.bridge.client import Client
from shared_core.bridge.errors import Cancelled
from shared_core.bridge.paths import paths
from shared_core.bridge.toolbox import tool
from shared_core.engine import memory
from shared_core.worker import runner
from shared_core.worker import server as servers
from shared_core.worker.journal import Fault, Journal
from shared_core.worker.server import Server, Task
from tests.fakes.contract_models import NAFNET, Variant

CPU = "CPUExecutionProvider"


def test_a_small_success_refutes_no_fault_at_a_larger_size(tmp_path):
    journal = Journal(tmp_path / "journal.json")
    journal.note_fault(Fault("deblur", NAFNET, CPU, 12_000_000, "the worker died", "now"))
    journal.note_fault(Fault("deblur", NAFNET, CPU, 0, "its output was no picture", "now"))
    journal.note_fault(Fault("deblur", NAFNET, "CUDAExecutionProvider", 0, "device lost", "now"))
    journal.refute(NAFNET, CPU, 300_000)
    assert journal.fault_of(NAFNET, CPU, 300_000) is None
    assert journal.fault_of(NAFNET, CPU, 12_000_000).what == "the worker died"
    assert journal.fault_of(NAFNET, "CUDAExecutionProvider", 300_000) is not None
    journal.refute(NAFNET, CPU, 12_000_000)
    assert Journal(tmp_path / "journal.json").fault_of(NAFNET, CPU, 12_000_000) is None


def test_a_fault_at_a_large_size_outlives_a_small_run(home, models, tmp_path):
    models().get(NAFNET)
    small, large = picture(tmp_path / "small.png", 100, 100), picture(tmp_path / "l.png", 300, 700)
    home.nss("worker", "stop")
    journal = Journal(home.folder / "data" / "journal.json")
    journal.note_fault(Fault("deblur", NAFNET, CPU, 200_000, "the worker died there", "now"))
    assert finish(start(home, small), small)["path"] == "real"
    plan = home.json("plan", "deblur", large)
    assert (plan["path"], plan["reason"]) == ("classical", "the worker died there")


def test_a_job_that_only_waited_names_no_fault_of_the_one_that_ran(home, models, tmp_path):
    models({NAFNET: Variant.SLOW}, seconds=3, gflop_per_megapixel={NAFNET: 0.1}).get(NAFNET)
    ran, waited = picture(tmp_path / "ran.png", 1500, 2000), picture(tmp_path / "w.png", 200, 300)
    first = start(home, ran)
    eventually(lambda: '"running"' in (home.folder / "data" / "journal.json").read_text())
    second = start(home, waited)
    eventually(lambda: home.json("worker", "status")["jobs_waiting"] == 1)
    os.kill(home.json("worker", "status")["pid"], signal.SIGKILL)
    made = finish(first, ran)
    assert made["path"] == "classical"
    assert "died while NAFNet was running" in made["fault"]
    made = finish(second, waited)
    assert made["path"] == "classical"
    assert made["fault"] == made["reason"] == "the NSS worker ended in the middle of the run"


def test_time_in_which_we_ourselves_were_stopped_is_not_the_childs_silence(monkeypatch):
    monkeypatch.setenv("NSS_HOME", "/nonexistent")
    running = child.Child("shared_core.worker.runner")
    looks = itertools.count()
    wall = time.monotonic

    def clock() -> float:
        """An hour passes between two looks at it: a laptop slept, or we got a SIGSTOP."""
        return wall() + (3600 if next(looks) > 8 else 0)

    monkeypatch.setattr(child, "time", SimpleNamespace(monotonic=clock))
    begun = wall()
    try:
        with pytest.raises(Cancelled):
            running.follow(
                lambda event: None, lambda: wall() - begun > 2, lambda: 60.0, silence=30.0
            )
    finally:
        running.end()


def test_an_aborted_client_asks_nothing_any_more(home, monkeypatch):
    home.nss("doctor", "--no-probe")
    monkeypatch.setenv("NSS_HOME", home.environment["NSS_HOME"])
    made = Client(paths(), "test", "0")
    made.abort()
    with pytest.raises(Cancelled):
        made.ask(wire.AskStatus(), wire.StatusReply)


@pytest.mark.parametrize("can_reset", [True, False])
def test_a_peak_that_may_be_an_earlier_jobs_is_not_told(tmp_path, monkeypatch, can_reset):
    monkeypatch.setenv("NSS_HOME", str(tmp_path))
    monkeypatch.setattr(memory, "reset_peak_rss", lambda: can_reset)
    said: list[dict[str, Any]] = []
    speech = SimpleNamespace(
        say=lambda event, **fields: said.append({"event": event, **fields}),
        say_error=lambda error, **fields: said.append({"event": "error", "what": str(error)}),
        cancelled=lambda: False,
        canceller=None,
    )
    with Arena(paths()) as arena:
        source, result = arena.create(32, 24, "u8", "rgba"), arena.create(32, 24, "u8", "rgba")
        arena.write(source, np.full(source.size, 200, np.uint8).tobytes())
        request = {
            "op": "job",
            "tool": "denoise",
            "path": wire.CLASSICAL,
            "parameters": tool("denoise").parse({}),
            "source": vars(source),
            "result": vars(result),
            **dict.fromkeys(("mask", "strokes", "matte", "seed", "model")),
            "tile_divisor": 1,
            "helpers": True,
            "again": False,
        }
        runner.Runner(speech).handle(request)  # type: ignore[arg-type]
    assert said[-1]["event"] == "done", said
    assert (said[-1]["peak_bytes"] is not None) is can_reset


def test_no_job_begins_while_the_idle_runner_is_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("NSS_HOME", str(tmp_path))
    monkeypatch.setattr(servers, "RUNNER_IDLE_SECONDS", 0)
    server = Server(paths())
    ending, go_on, begun = threading.Event(), threading.Event(), threading.Event()

    def rest() -> None:
        ending.set()
        go_on.wait(120)

    monkeypatch.setattr(server._jobs, "rest", rest)
    threading.Thread(target=server._rest, daemon=True).start()
    assert ending.wait(120)
    threading.Thread(target=server._work_off, daemon=True).start()
    work = Task(None, lambda stopped: begun.set())
    threading.Thread(target=server._enlist, args=(work,), daemon=True).start()
    assert not begun.wait(0.3)
    go_on.set()
    assert begun.wait(120)


def picture(path: Path, height: int, width: int) -> Path:
    """A blurred picture of noise."""
    pixels = np.random.default_rng(3).integers(0, 256, (height, width, 3), np.uint8)
    cv2.imwrite(str(path), cv2.GaussianBlur(pixels, (0, 0), 2))
    return path


def start(home, photo: Path) -> subprocess.Popen[str]:
    """``nss run deblur`` in the background."""
    return subprocess.Popen(
        [
            *(sys.executable, "-m", "shared_core.cli", "run", "deblur", photo, "--budget", "3600"),
            *("-o", photo.with_suffix(".out.png"), "--receipt", photo.with_suffix(".json")),
        ],
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen[str], photo: Path) -> dict[str, Any]:
    """The receipt of a run in the background, which must succeed."""
    error = process.communicate(timeout=900)[1]
    assert process.returncode == 0, error
    return json.loads(photo.with_suffix(".json").read_text())


def eventually(holds) -> None:
    """Wait until ``holds()``, where a missing file is no."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        try:
            if holds():
                return
        except OSError:
            pass
        time.sleep(0.05)
    raise AssertionError("it did not come about in 240 s")
