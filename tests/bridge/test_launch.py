"""How the worker is started: what it gets of the editor that starts it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge import launch, paths
from shared_core.bridge.setup import processes

# What a Python shows of itself: its folder, its environment, and what it holds open.
TOLD = """
import json, os, pathlib
held = [str(one.readlink()) for one in pathlib.Path("/proc/self/fd").iterdir() if one.is_symlink()]
print(json.dumps([os.getcwd(), sorted(os.environ), held]))
"""


@pytest.fixture
def started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What the process was to be started with, in the end another one than the worker."""
    seen: list[Any] = []
    real = subprocess.Popen

    def popen(command: list[str], **options: Any) -> Any:
        seen.append(options)
        return real([command[0], "-c", TOLD], **options | {"creationflags": 0})

    monkeypatch.setattr(launch.subprocess, "Popen", popen)
    return seen


def test_without_a_window(
    started: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside DETACHED_PROCESS Windows ignores the flag that says so."""
    monkeypatch.setattr(processes, "FLAGS", 0x08000200)
    launch.start(paths.paths({"NSS_HOME": str(tmp_path)}), sys.executable).wait()
    assert started[0]["creationflags"] == 0x08000200


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_nothing_of_the_editor_is_kept(
    started: list[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No open file that would keep a disk or a program busy, and no folder of its libraries."""
    for name in ("PYTHONHOME", "LD_LIBRARY_PATH", "QT_PLUGIN_PATH", "GI_TYPELIB_PATH", "DISPLAY"):
        monkeypatch.setenv(name, "/nowhere")
    read, write = os.pipe()
    os.set_inheritable(write, True)
    places = paths.paths({"NSS_HOME": str(tmp_path)})
    launch.start(places, sys.executable).wait()
    os.close(read)
    os.close(write)
    folder, environment, held = json.loads(places.log.read_text("utf-8"))
    assert folder == str(places.cache)
    assert not {"PYTHONHOME", "LD_LIBRARY_PATH", "QT_PLUGIN_PATH", "DISPLAY"} & set(environment)
    assert set(held) == {"/dev/null", str(places.log)}
