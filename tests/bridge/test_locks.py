"""One holder at a time, although each deletes the lock's file."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from shared_core.bridge.errors import Cancelled
from shared_core.bridge.locks import locked, locked_now
from tests.conftest import ROOT

COUNT = """
import sys
from pathlib import Path
from shared_core.bridge import locks
from shared_core.bridge.locks import locked
locks._POLL_SECONDS = 0.0001
lock, number = Path(sys.argv[1]), Path(sys.argv[2])
for _ in range(60):
    with locked(lock):
        number.write_text(str(int(number.read_text()) + 1))
"""


def test_many_processes_never_hold_it_at_once(tmp_path: Path) -> None:
    lock, number = tmp_path / "the.lock", tmp_path / "number"
    number.write_text("0")
    line = [sys.executable, "-c", COUNT, lock, number]
    children = [subprocess.Popen(line, cwd=ROOT) for _ in range(4)]
    assert [child.wait(600) for child in children] == [0] * 4
    assert number.read_text() == "240"
    if os.name != "nt":
        assert not lock.exists()


def test_what_is_held_cannot_be_had_and_leaves_nothing(tmp_path: Path) -> None:
    lock = tmp_path / "folder/the.lock"
    with locked(lock):
        with locked_now(lock) as mine:
            assert not mine
        assert lock.exists()
        with pytest.raises(Cancelled), locked(lock, cancelled=lambda: True):
            pass
    with locked_now(lock) as mine:
        assert mine


@pytest.mark.skipif(os.name == "nt", reason="an open file cannot be deleted there")
def test_who_waited_at_a_deleted_file_gets_the_next_one(tmp_path: Path) -> None:
    lock = tmp_path / "the.lock"
    waits, got = threading.Event(), threading.Event()

    def wait() -> None:
        with locked(lock, on_wait=waits.set):
            got.set()

    with locked(lock):
        thread = threading.Thread(target=wait)
        thread.start()
        assert waits.wait(120)
        lock.unlink()
        lock.touch()
        # The new file is nobody's.
        assert got.wait(120)
    thread.join()
