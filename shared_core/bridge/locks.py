"""One process at a time: a lock held on a file, which the system frees when its holder dies."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from .errors import Cancelled, CouldNotBeDone
from .language import _

_POLL_SECONDS = 0.1

if os.name == "nt":
    import msvcrt

    def _take(descriptor: int) -> None:
        msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]

else:
    import fcntl

    def _take(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)


@contextlib.contextmanager
def locked(
    path: Path,
    cancelled: Callable[[], bool] = lambda: False,
    on_wait: Callable[[], None] = lambda: None,
) -> Iterator[None]:
    """Hold the lock file ``path``, waiting for it; ``on_wait`` is called while somebody else does.

    Raises ``Cancelled`` when ``cancelled()`` turns true while waiting, ``CouldNotBeDone`` when the
    file cannot be made.
    """
    while True:
        with locked_now(path) as held:
            if held:
                yield
                return
        if cancelled():
            raise Cancelled(_("The wait for another process was cancelled."))
        on_wait()
        time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def locked_now(path: Path) -> Iterator[bool]:
    """Hold the lock file ``path`` if nobody does; yields whether it is held.

    Its holder deletes the file in the end, where the system lets an open file go.
    """
    descriptor = _open(path)
    held = False
    try:
        held = _taken(descriptor, path)
        yield held
    finally:
        if held:
            with contextlib.suppress(OSError):
                path.unlink()
        os.close(descriptor)


def _open(path: Path) -> int:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        return os.open(path, os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0), 0o600)
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The folder {parent} cannot be written ({reason}). Correct its permissions, or "
                "set NSS_HOME to a folder of your own.",
                parent=path.parent,
                reason=error.strerror or error,
            )
        ) from error


def _taken(descriptor: int, path: Path) -> bool:
    try:
        _take(descriptor)
    except (BlockingIOError, PermissionError):
        return False
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The file {path} cannot be locked ({reason}). Set NSS_HOME to a folder on a "
                "local disk.",
                path=path,
                reason=error.strerror or error,
            )
        ) from error
    # Its last holder may have deleted it since it was opened; then others hold another one.
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False
