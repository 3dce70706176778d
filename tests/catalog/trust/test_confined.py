"""The throw-away process: whatever happens in it is one sentence, and nothing is left of it."""

from __future__ import annotations

import ctypes
import os
import re
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import psutil
import pytest

from shared_core.bridge.errors import Cancelled, CouldNotBeDone, UsageError
from shared_core.catalog.trust import (
    confined,
    restraints,
)
from shared_core.catalog.trust.confined import (
    Ended,
    call,
)

ROOT = Path(__file__).resolve().parents[3]
MODULE = "tests.catalog.trust.hazards"
MIB = 1 << 20
unix = pytest.mark.skipif(os.name == "nt", reason="signals and limits of Unix")
linux = pytest.mark.skipif(sys.platform != "linux", reason="looks into /proc")


@pytest.fixture(autouse=True)
def importable(monkeypatch: pytest.MonkeyPatch) -> None:
    """The process takes nothing from its folder or PYTHONPATH: the tests' module is put there."""
    program = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r}); "
        f"from shared_core.catalog.trust import confined; confined.main()"
    )
    popen = subprocess.Popen

    def started(command: list[str], **options: Any) -> Any:
        if "-m" in command and confined.__name__ in command:
            at = command.index("-m")
            command = [*command[:at], "-c", program, *command[at + 2 :]]
        return popen(command, **options)

    monkeypatch.setattr("shared_core.child.subprocess.Popen", started)


def asked(act: str, memory_mib: int = 500, seconds: float = 60, **more: Any) -> dict[str, Any]:
    request = {"act": act, **more}
    return call(MODULE, request, memory_bytes=memory_mib * MIB, seconds=seconds, what="m.onnx")


def children() -> list[psutil.Process]:
    return psutil.Process().children(recursive=True)


def ended(act: str, **more: Any) -> Ended:
    with pytest.raises(Ended) as caught:
        asked(act, **more)
    assert children() == []
    text = str(caught.value)
    assert re.fullmatch(r"The trial of m\.onnx broke off \(.+\)\. [A-Z].+\.", text), text
    return caught.value


def test_a_question_is_answered() -> None:
    text = "größer " * 100_000
    assert asked("echo", text=text) == {"said": text}
    assert children() == []


def test_what_it_prints_is_no_answer() -> None:
    assert asked("print") == {"forged": False}


def test_errors_come_across() -> None:
    with pytest.raises(UsageError, match=r"^That is no model\.$"):
        asked("raise")
    with pytest.raises(CouldNotBeDone, match=r"a mistake of its own in a trial \(KeyError"):
        asked("mistake")


@linux
def test_it_inherits_nothing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in (
        "HF_TOKEN",
        "https_proxy",
        "LD_PRELOAD_X",
        "ORT_LOAD_CONFIG_FROM_MODEL",
        "PYTHONPATH",
    ):
        monkeypatch.setenv(name, "secret")
    secret = os.open(tmp_path / "secret", os.O_CREAT | os.O_RDWR)
    os.set_inheritable(secret, True)
    seen = asked("look")
    os.close(secret)
    assert "secret" not in seen["environment"].values()
    assert not [handle for handle in seen["handles"] if handle.startswith(str(tmp_path))]
    assert len(seen["handles"]) <= 6
    assert seen["folder"] == str(Path(sys.executable).parent)
    assert seen["niceness"] > 0
    assert seen["parent"] == os.getpid()


@unix
def test_it_can_write_nothing(tmp_path: Path) -> None:
    with pytest.raises(CouldNotBeDone, match="File too large"):
        asked("write", file=str(tmp_path / "written"))
    assert (tmp_path / "written").stat().st_size == 0


@unix
def test_a_crash_is_a_sentence_and_leaves_no_dump(tmp_path: Path) -> None:
    error = ended("crash")
    assert "it was ended by SIGSEGV" in error.reason
    assert not error.memory
    assert not list(Path(sys.executable).parent.glob("core*"))


def test_time_is_limited() -> None:
    assert "no progress for 1 s" in ended("hang", seconds=1.0).reason
    ended("spin", seconds=1.0)


def test_memory_is_limited() -> None:
    error = ended("memory", memory_mib=300, bytes=400 * MIB)
    assert error.reason == "it needs more than 300 MiB of memory" and error.memory
    assert str(error).endswith("Close other programs, or use a smaller model.")
    assert asked("memory", memory_mib=900, bytes=400 * MIB) == {}


@unix
def test_memory_that_no_limit_of_the_system_counts_is_watched() -> None:
    assert "300 MiB" in ended("shared memory", memory_mib=300, bytes=400 * MIB).reason


def test_a_cancel_ends_it_at_once_with_its_children() -> None:
    cancel = threading.Event()
    # What tests before may have left here.
    others = children()
    seen: list[int] = []

    def look() -> None:
        end = time.monotonic() + 120
        while time.monotonic() < end and len(seen) < 2:
            seen[:] = [child.pid for child in children() if child not in others]
            time.sleep(0.02)
        cancel.set()

    thread = threading.Thread(target=look)
    thread.start()
    with pytest.raises(Cancelled):
        call(
            MODULE,
            {"act": "children", "stay": True},
            memory_bytes=500 * MIB,
            seconds=600,
            cancelled=cancel.is_set,
        )
    thread.join()
    assert len(seen) == 2
    _gone(*seen)


@unix
def test_what_it_started_does_not_outlive_its_answer() -> None:
    _gone(asked("children", stay=False)["child"])


def _gone(*pids: int) -> None:
    end = time.monotonic() + 120
    while any(psutil.pid_exists(pid) and _runs(pid) for pid in pids):
        assert time.monotonic() < end, "a child is still there"
        time.sleep(0.02)


def _runs(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@linux
def test_it_dies_with_whoever_started_it() -> None:
    script = (
        f"import sys; sys.path.insert(0, {str(ROOT)!r})\n"
        "import os, threading\n"
        "from shared_core.catalog.trust.confined import _Confined\n"
        "child = _Confined('json', 500 << 20, 60.0)\n"
        "child.send({'act': 'hang'})\n"
        "print(child.pid, flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    _gone(int(done.stdout))


# ---------------------------------------------------------------- other systems, by their seams


class _Resource:
    """The module ``resource`` of a system with a hard limit and some names missing."""

    RLIM_INFINITY = -1
    RLIMIT_DATA, RLIMIT_CPU, RLIMIT_FSIZE, RLIMIT_CORE = range(4)

    def __init__(self) -> None:
        self.set: dict[int, tuple[int, int]] = {}

    def getrlimit(self, number: int) -> tuple[int, int]:
        return (0, 0) if number == self.RLIMIT_CORE else (-1, -1)

    def setrlimit(self, number: int, limits: tuple[int, int]) -> None:
        if number == self.RLIMIT_DATA:
            raise ValueError("not here")
        self.set[number] = limits


def test_what_a_system_lacks_is_left_out() -> None:
    system = _Resource()
    restraints._take_on_unix(system, 1 << 30, 10)  # type: ignore[arg-type]
    cpu = 10 * (os.cpu_count() or 1)
    assert system.set == {system.RLIMIT_CPU: (cpu, cpu), system.RLIMIT_FSIZE: (0, 0), 3: (0, 0)}


def test_windows_is_told_by_a_job() -> None:
    told: dict[str, Any] = {}

    def limits(job: Any, kind: int, pointer: Any, size: int) -> int:
        told.update(job=job.value, kind=kind, size=size)
        told["limits"] = ctypes.cast(pointer, ctypes.POINTER(restraints._Extended)).contents
        told["memory"] = told["limits"].process_memory
        told["flags"] = told["limits"].basic.flags
        told["processes"] = told["limits"].basic.processes
        return 1

    class Function:
        """A function of a library, which takes a type for its result."""

        restype: Any = None

        def __init__(self, gives: Any) -> None:
            self._gives = gives

        def __call__(self, *given: Any) -> Any:
            return self._gives(*given)

    kernel32 = SimpleNamespace(
        SetErrorMode=lambda mode: told.update(mode=mode),
        CreateJobObjectW=Function(lambda *given: 0x123456789A),
        GetCurrentProcess=Function(lambda: 0xFFFFFFFFFFFFFFFF),
        SetInformationJobObject=limits,
        AssignProcessToJobObject=lambda job, process: told.update(
            joined=(job.value, process.value)
        ),
    )
    restraints._take_on_windows(kernel32, 3 << 30, 10)
    assert told["memory"] == 3 << 30 and told["processes"] == 1
    assert told["flags"] == 0x2 | 0x8 | 0x20 | 0x100 | 0x400 | 0x2000
    assert told["joined"] == (0x123456789A, 0xFFFFFFFFFFFFFFFF)
    assert (told["kind"], told["mode"]) == (9, 3)
    # As Windows has it on 64 bits.
    assert told["size"] == 144
