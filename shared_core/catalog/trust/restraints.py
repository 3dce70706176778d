"""What the system can be told to forbid a process: memory, time, files, dumps, children.

A process takes these on itself before it touches a stranger's file, and cannot put them off again.
"""

from __future__ import annotations

import contextlib
import ctypes
import math
import os
import signal
import sys
from types import ModuleType
from typing import Any

# Below editors and whatever else a person waits for.
_NICENESS = 5
# An ending of the process itself, where nobody else does it in time.
_GRACE_SECONDS = 10
_OPEN_FILES = 256


def take_on(memory_bytes: int, seconds: float) -> None:
    """Restrain this process to ``memory_bytes`` of its own memory and ``seconds`` of real time.

    It can write no file, leaves no dump and makes way for others. What this system cannot forbid
    is left out; whoever started the process watches its memory and its time too.
    """
    if os.name == "nt":
        windows = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
        _take_on_windows(windows, memory_bytes, seconds)
        return
    import resource

    if sys.platform == "linux":
        with (
            contextlib.suppress(OSError),
            open("/proc/self/oom_score_adj", "w", encoding="ascii") as f,
        ):
            f.write("1000")
    _take_on_unix(resource, memory_bytes, seconds)
    with contextlib.suppress(OSError):
        os.nice(_NICENESS)
    # The default of this signal ends the process even where it hangs outside Python.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    signal.alarm(math.ceil(seconds) + _GRACE_SECONDS)


def _take_on_unix(resource: ModuleType, memory_bytes: int, seconds: float) -> None:
    # Not RLIMIT_AS: onnxruntime and malloc reserve far more addresses than they use, and external
    # data is mapped. RLIMIT_DATA counts what is private and can be written; macOS ignores it.
    limits = {
        "RLIMIT_DATA": memory_bytes,
        "RLIMIT_CPU": math.ceil(seconds) * (os.cpu_count() or 1),
        "RLIMIT_FSIZE": 0,
        "RLIMIT_NOFILE": _OPEN_FILES,
        # With 0 a program that collects dumps would still be started; 1 is the word for none.
        "RLIMIT_CORE": 1,
    }
    for name, value in limits.items():
        number = getattr(resource, name, None)
        if number is None:
            continue
        hard = resource.getrlimit(number)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(number, (most, most))


class _Basic(ctypes.Structure):
    """JOBOBJECT_BASIC_LIMIT_INFORMATION."""

    _fields_ = (
        ("process_time", ctypes.c_int64),
        ("job_time", ctypes.c_int64),
        ("flags", ctypes.c_uint32),
        ("least_working_set", ctypes.c_size_t),
        ("most_working_set", ctypes.c_size_t),
        ("processes", ctypes.c_uint32),
        ("affinity", ctypes.c_size_t),
        ("priority", ctypes.c_uint32),
        ("scheduling", ctypes.c_uint32),
    )


class _Extended(ctypes.Structure):
    """JOBOBJECT_EXTENDED_LIMIT_INFORMATION."""

    _fields_ = (
        ("basic", _Basic),
        ("transfers", ctypes.c_uint64 * 6),
        ("process_memory", ctypes.c_size_t),
        ("job_memory", ctypes.c_size_t),
        ("peak_process_memory", ctypes.c_size_t),
        ("peak_job_memory", ctypes.c_size_t),
    )


_EXTENDED_LIMITS = 9
_PROCESS_TIME, _ACTIVE_PROCESS, _PRIORITY_CLASS = 0x2, 0x8, 0x20
_PROCESS_MEMORY, _DIE_ON_EXCEPTION, _KILL_ON_CLOSE = 0x100, 0x400, 0x2000
_BELOW_NORMAL = 0x4000
_NO_DIALOGS = 0x1 | 0x2
_TICKS_PER_SECOND = 10_000_000


def _take_on_windows(kernel32: Any, memory_bytes: int, seconds: float) -> None:
    """Put this process into a job of its own; the job's handle stays open as long as we live."""
    limits = _Extended()
    limits.basic.flags = (
        _PROCESS_TIME
        | _ACTIVE_PROCESS
        | _PRIORITY_CLASS
        | _PROCESS_MEMORY
        | _DIE_ON_EXCEPTION
        | _KILL_ON_CLOSE
    )
    limits.basic.process_time = math.ceil(seconds * (os.cpu_count() or 1)) * _TICKS_PER_SECOND
    limits.basic.processes = 1
    limits.basic.priority = _BELOW_NORMAL
    limits.process_memory = memory_bytes
    kernel32.SetErrorMode(_NO_DIALOGS)
    # Handles are pointers, which ctypes would cut to an int's size.
    kernel32.CreateJobObjectW.restype = ctypes.c_void_p
    kernel32.GetCurrentProcess.restype = ctypes.c_void_p
    job = ctypes.c_void_p(kernel32.CreateJobObjectW(None, None))
    kernel32.SetInformationJobObject(
        job, _EXTENDED_LIMITS, ctypes.byref(limits), ctypes.sizeof(limits)
    )
    kernel32.AssignProcessToJobObject(job, ctypes.c_void_p(kernel32.GetCurrentProcess()))
