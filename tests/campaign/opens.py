"""Which files processes open, told by the kernel (Linux): a witness nothing in them can fool.

``Baits`` needs no rights: inotify tells of every opening of the files named. ``Opens`` needs root:
fanotify tells of every opening, by any process, through the mounts of a mount namespace of our own.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import select
import struct
import threading
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_IN_ACCESS, _IN_OPEN = 0x1, 0x20
_NONBLOCK, _CLOEXEC = 0x800, 0x80000
_CLONE_NEWNS, _MS_REC, _MS_PRIVATE = 0x20000, 0x4000, 0x40000
_FAN_CLOEXEC, _FAN_NONBLOCK, _FAN_UNLIMITED = 0x1, 0x2, 0x10
_FAN_MARK_ADD, _FAN_MARK_MOUNT, _FAN_OPEN = 0x1, 0x10, 0x20
_AT_FDCWD = -100
_EVENT = struct.Struct("=IBBHQii")


def _done(result: int) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


class Baits:
    """Files that nobody has a reason to open; ``opened`` are those that somebody did."""

    def __init__(self, files: Sequence[Path]) -> None:
        self._handle = _done(_LIBC.inotify_init1(_NONBLOCK | _CLOEXEC))
        self._names: dict[int, str] = {}
        for file in files:
            mask = _IN_OPEN | _IN_ACCESS
            watch = _done(_LIBC.inotify_add_watch(self._handle, os.fsencode(file), mask))
            self._names[watch] = str(file)

    def opened(self) -> list[str]:
        """The baits that were opened or read since the last call."""
        found = set()
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._handle, 1 << 16):
                at = 0
                while at < len(data):
                    watch, _, _, length = struct.unpack_from("iIII", data, at)
                    found.add(self._names.get(watch, "?"))
                    at += 16 + length
        return sorted(found)

    def close(self) -> None:
        """Watch no longer."""
        os.close(self._handle)


@dataclass
class Opens:
    """Every file that was opened, by process id, as long as ``watching`` goes on."""

    by_process: dict[int, set[str]] = field(default_factory=dict)
    lost: bool = False

    def settle(self, file: Path) -> None:
        """Wait until all that was opened before is known; ``file`` is made for that."""
        file.write_bytes(b"")
        end = time.monotonic() + 10
        while str(file) not in self.by_process.get(os.getpid(), ()):
            if time.monotonic() > end:
                raise AssertionError("the kernel tells of no openings")
            time.sleep(0.0005)

    def take(self, pid: int) -> set[str]:
        """What the process opened; forgotten here."""
        return self.by_process.pop(pid, set())

    def forget(self) -> None:
        """Forget what was opened so far."""
        self.by_process.clear()


@contextlib.contextmanager
def watching(*mounts: Path) -> Iterator[Opens | None]:
    """Note what is opened on the disks of ``mounts`` by this process and all that it starts.

    None where this process may not ask for it. Pipes and devices are not told of. The thread stays
    in a mount namespace of its own.
    """
    try:
        _done(_LIBC.unshare(_CLONE_NEWNS))
        _done(_LIBC.mount(b"none", b"/", None, _MS_REC | _MS_PRIVATE, None))
        flags = _FAN_CLOEXEC | _FAN_NONBLOCK | _FAN_UNLIMITED
        handle = _done(_LIBC.fanotify_init(flags, os.O_RDONLY | os.O_LARGEFILE | _CLOEXEC))
        for mount in mounts:
            how = _FAN_MARK_ADD | _FAN_MARK_MOUNT
            mask = ctypes.c_uint64(_FAN_OPEN)
            _done(_LIBC.fanotify_mark(handle, how, mask, _AT_FDCWD, os.fsencode(mount)))
    except OSError:
        yield None
        return
    seen = Opens()
    stop = threading.Event()
    thread = threading.Thread(target=_follow, args=(handle, seen, stop), daemon=True)
    thread.start()
    try:
        yield seen
    finally:
        stop.set()
        thread.join()
        os.close(handle)


def _follow(handle: int, seen: Opens, stop: threading.Event) -> None:
    while not stop.is_set():
        if not select.select([handle], [], [], 0.1)[0]:
            continue
        data = os.read(handle, 1 << 16)
        at = 0
        while at < len(data):
            length, _, _, _, _, file, pid = _EVENT.unpack_from(data, at)
            at += length
            if file < 0:
                # The kernel's queue was too short.
                seen.lost = True
                continue
            with contextlib.suppress(OSError):
                seen.by_process.setdefault(pid, set()).add(os.readlink(f"/proc/self/fd/{file}"))
            os.close(file)
