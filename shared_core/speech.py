"""The child's end of the JSON lines: a private stdout, heartbeats, and cancel from stdin."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

from shared_core.bridge.errors import NssError
from shared_core.bridge.language import packed, unpacked

BEAT_SECONDS = 1.0

_PR_SET_PDEATHSIG = 1


class Speech:
    """Requests from stdin, events to stdout; a library's prints go to stderr instead.

    ``canceller`` is called, from another thread, when the running request is cancelled. The end of
    stdin means that the supervisor is gone: the process ends at once.
    """

    def __init__(self) -> None:
        _die_with_parent()
        self.canceller: Callable[[], None] | None = None
        handle = os.dup(1)
        os.dup2(2, 1)
        sys.stdout = sys.stderr
        self._out = os.fdopen(handle, "wb", buffering=0)
        self._lock = threading.Lock()
        self._cancel = threading.Event()
        self._requests: list[dict[str, Any]] = []
        self._arrived = threading.Condition()
        threading.Thread(target=self._listen, daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()

    def _listen(self) -> None:
        for line in sys.stdin.buffer:
            request = unpacked(json.loads(line))
            if request.get("op") == "cancel":
                self._cancel.set()
                # Between two lines of ours the request may end and take its canceller away.
                if (canceller := self.canceller) is not None:
                    canceller()
                continue
            with self._arrived:
                self._cancel.clear()
                self._requests.append(request)
                self._arrived.notify()
        os._exit(0)

    def _beat(self) -> None:
        pause = threading.Event()
        while not pause.wait(BEAT_SECONDS):
            self.say("beat")

    def say(self, event: str, **fields: Any) -> None:
        """Send one event; the process ends when nobody listens."""
        body = json.dumps({"event": event, **packed(fields)}).encode() + b"\n"
        try:
            with self._lock:
                self._out.write(body)
        except OSError:
            os._exit(0)

    def say_error(self, error: NssError, **fields: Any) -> None:
        """Report that the request failed."""
        self.say("error", code=error.code, message=str(error), **fields)

    def cancelled(self) -> bool:
        """Whether the running request is to be stopped."""
        return self._cancel.is_set()

    def requests(self) -> Iterator[dict[str, Any]]:
        """Requests as they come."""
        while True:
            with self._arrived:
                while not self._requests:
                    self._arrived.wait()
                request = self._requests.pop(0)
            yield request


def _die_with_parent() -> None:
    """Have the system end this process with the supervisor, even where it hangs (Linux only).

    The end of stdin does the same everywhere, as long as this process can still run Python. What
    the system watches is the supervisor's thread that started this process: it has to live on.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
