"""Krita starts Python without its usual treatment of signals; the adapter makes up for it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

FILE = Path(__file__).parents[2] / "nss_krita" / "pipes.py"
AS_KRITA = "import os, runpy, signal; signal.signal(signal.SIGPIPE, signal.SIG_DFL)\n"
MENDED = f"runpy.run_path({str(FILE)!r})['keep_open']()\n"
TO_NOBODY = """
read, write = os.pipe()
os.close(read)
try:
    os.write(write, b"?")
except BrokenPipeError:
    print("an error", signal.getsignal(signal.SIGPIPE).name)
"""


def run(code: str) -> subprocess.CompletedProcess[str]:
    """The code in a Python of its own."""
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_write_to_an_ended_program_is_an_error() -> None:
    assert run(AS_KRITA + TO_NOBODY).returncode == -signal.SIGPIPE
    assert run(AS_KRITA + MENDED + TO_NOBODY).stdout == "an error SIG_IGN\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such signal")
def test_a_choice_of_somebody_else_stays() -> None:
    chosen = "signal.signal(signal.SIGPIPE, lambda *_: print('told'))\n"
    asked = "print(callable(signal.getsignal(signal.SIGPIPE)))\n"
    assert run(AS_KRITA + chosen + MENDED + asked).stdout == "True\n"
