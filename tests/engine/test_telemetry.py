"""Does onnxruntime keep to itself what it is used for?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OPEN = """
import sys, time
from pathlib import Path
{before}
from shared_core.engine.session import open_session
graph = next(iter(sorted(Path("shared_core/device/graphs").glob("*.onnx"))))
open_session(graph, "CPUExecutionProvider")
time.sleep(0.5)
"""


def written(home: Path, before: str = "") -> list[str]:
    """What opening a model leaves in a fresh home."""
    home.mkdir()
    kept = {k: v for k, v in os.environ.items() if k in ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT")}
    subprocess.run(
        [sys.executable, "-c", OPEN.format(before=before)],
        cwd=ROOT,
        env={**kept, "HOME": str(home)},
        check=True,
    )
    return [str(file.relative_to(home)) for file in home.rglob("*") if file.is_file()]


def test_nothing_is_gathered(tmp_path: Path) -> None:
    assert written(tmp_path / "home") == []


def test_it_would_be(tmp_path: Path) -> None:
    """Else the test above could not fail."""
    found = written(
        tmp_path / "home", "import shared_core, os; del os.environ['ORT_DISABLE_TELEMETRY']"
    )
    if not found:
        pytest.skip("this onnxruntime gathers nothing here")
    assert any("onnxruntime" in name for name in found)


def test_events_of_windows_are_switched_off_before_any_session() -> None:
    script = (
        "import onnxruntime\n"
        "called = []\n"
        "onnxruntime.disable_telemetry_events = lambda: called.append(1)\n"
        "import shared_core.engine.session\n"
        "assert called == [1]\n"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
