"""The frame of a child process that works on models, so that a crash or a hang harms nobody.

It speaks JSON lines on stdout and is cancelled by anything on its stdin, by its end, or by a
signal.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import FrameType

from ..bridge.errors import Cancelled, CouldNotBeDone, NssError
from ..bridge.language import _, packed
from .store import Progress

_PROGRESS_SECONDS = 0.1
_STILL_SECONDS = 2.0
# How long a cancelled transfer may take to notice; what is on disk is right at any moment.
_GRACE_SECONDS = 1.5


class Errand:
    """What the work tells, and whether it is still wanted.

    JSON lines on the real stdout, which nothing else can write to any more.
    """

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._last = 0.0
        self._moving: tuple[Progress, str] | None = None
        self._ended = False
        self._cancel = threading.Event()

    def cancelled(self) -> bool:
        """Whether nobody wants it any more."""
        return self._cancel.is_set()

    def cancel(self, *_: object) -> None:
        """Nobody wants it any more."""
        self._cancel.set()

    def stage(self, name: str) -> None:
        """What begins now."""
        self._moving = None
        self.send("stage", stage=name)

    def progress(self, progress: Progress, doing: str = "") -> None:
        """How far it has come; ``doing`` in words, where it is no stage of a download."""
        now = time.monotonic()
        if now - self._last >= _PROGRESS_SECONDS or progress.done >= progress.total:
            self._last, self._moving = now, (progress, doing)
            self.send(
                "progress",
                done=progress.done,
                total=progress.total,
                file=progress.file,
                speed=progress.speed,
                doing=doing,
            )

    def stands_still(self) -> None:
        """Take back the speed once nothing has come for a while."""
        if self._moving is None:
            return
        progress, doing = self._moving
        if progress.speed and time.monotonic() - self._last > _STILL_SECONDS:
            self.progress(replace(progress, speed=None), doing)

    def send(self, event: str, **fields: object) -> None:
        """An event; nothing follows "done" or "error"."""
        with self._lock:
            if self._ended:
                return
            self._ended = event in ("done", "error")
            with contextlib.suppress(OSError):
                self._stream.write(json.dumps({"event": event, **packed(fields)}) + "\n")
                self._stream.flush()


def run(work: Callable[[Errand], Mapping[str, object]], cannot: str, cancelled: str) -> int:
    """Do the work and end this process, whose exit status is ``NssError.exit_code`` or 0.

    ``work`` returns the fields of the event "done". ``cannot`` begins the sentence for what nobody
    foresaw, ``cancelled`` is the one for a work that does not notice its end.
    """
    errand = Errand()
    finished = threading.Event()
    status = [NssError.exit_code]

    def attend() -> None:
        try:
            errand.send("done", **work(errand))
            status[0] = 0
        except NssError as error:
            errand.send("error", code=error.code, message=str(error))
            status[0] = error.exit_code
        except Exception as error:
            kind = type(error).__name__
            text = _("{cannot} ({kind}: {error}).", cannot=cannot, kind=kind, error=error)
            errand.send("error", code=CouldNotBeDone.code, message=text)
            raise
        finally:
            finished.set()

    def stop(number: int, frame: FrameType | None) -> None:
        errand.cancel()

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    threading.Thread(target=_watch_stdin, args=(errand,), daemon=True).start()
    threading.Thread(target=attend, daemon=True).start()

    deadline: float | None = None
    while not finished.wait(0.1):
        errand.stands_still()
        if errand.cancelled():
            deadline = deadline or time.monotonic() + _GRACE_SECONDS
            if time.monotonic() > deadline:
                errand.send("error", code=Cancelled.code, message=cancelled)
                status[0] = Cancelled.exit_code
                break
    sys.stderr.flush()
    # The thread may be stuck in a transfer or a session, and would hold up a normal exit.
    os._exit(status[0])


def _watch_stdin(errand: Errand) -> None:
    with contextlib.suppress(OSError):
        os.read(0, 4096)
    errand.cancel()
