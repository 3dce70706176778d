"""Krita's adapter with PyQt5 and with PyQt6, each in a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent
CASES = {
    "tools": ("adapter_cases.py", "kinds_cases.py"),
    "panel": ("panel_cases.py", "setup_cases.py"),
    "models": ("models_cases.py", "own_cases.py"),
}


@pytest.mark.parametrize("cases", CASES)
@pytest.mark.parametrize("qt", [5, 6])
def test_adapter(qt: int, cases: str) -> None:
    """Runs the cases; their report is the message of a failure."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NSS_", "HF_", "QT_"))}
    environment |= {"NSS_TEST_QT": str(qt), "QT_QPA_PLATFORM": "offscreen"}
    environment["PYTHONPATH"] = str(HERE)
    done = subprocess.run(
        [
            sys.executable,
            "-m",
            "pytest",
            "-q",
            "-p",
            "no:cacheprovider",
            "-p",
            "desk",
            *CASES[cases],
        ],
        cwd=HERE,
        env=environment,
        capture_output=True,
        text=True,
        timeout=1100,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
