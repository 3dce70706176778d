"""Nothing of a failed attempt stays in the places for results; no runner outlives its worker."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from shared_core.bridge import arena
from shared_core.bridge.arena import Arena
from shared_core.bridge.paths import paths
from shared_core.bridge.toolbox import tool
from shared_core.worker.places import Places


@pytest.mark.parametrize(
    ("tool_id", "size"), [("remove-background", (40, 30)), ("upscale", (80, 60))]
)
def test_clear_leaves_nothing_of_an_earlier_attempt(tmp_path, monkeypatch, tool_id, size):
    monkeypatch.setenv("NSS_HOME", str(tmp_path))
    where, wanted = paths(), tool(tool_id)
    with Arena(where) as files, contextlib.ExitStack() as stack:
        source, result = files.create(40, 30, "u8", "rgba"), files.create(*size, "u8", "rgba")
        matte = files.create(40, 30, "u16", "mask")
        for file in (source, result, matte):
            files.write(file, np.full(file.size, 77, np.uint8).tobytes())
        request = {
            **dict.fromkeys(("mask", "strokes")),
            "source": vars(source),
            "result": vars(result),
            "matte": vars(matte),
        }
        places = Places(where, request, wanted, wanted.parse({}), stack)
        places.clear()
        assert not any(files.read(result))
        assert not any(files.read(matte))
        assert set(files.read(source)) == {77}
    assert arena.sweep(where) == 0


@pytest.mark.skipif(sys.platform != "linux", reason="the system's own signal is Linux's")
def test_a_runner_that_stands_still_does_not_outlive_the_supervisor(tmp_path: Path) -> None:
    program = (
        "import time\n"
        "from shared_core.child import Child\n"
        "child = Child('shared_core.worker.runner')\n"
        # Its first sign of life.
        "child._events.get(timeout=240)\n"
        "print(child.pid, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen(
        [sys.executable, "-c", program],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "NSS_HOME": str(tmp_path)},
    )
    assert parent.stdout is not None
    runner = psutil.Process(int(parent.stdout.readline()))
    deadline = time.monotonic() + 240
    runner.send_signal(signal.SIGSTOP)
    parent.kill()
    parent.wait()
    while _lives(runner) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _lives(runner)


def _lives(process: psutil.Process) -> bool:
    with contextlib.suppress(psutil.Error):
        return bool(process.status() != psutil.STATUS_ZOMBIE)
    return False
