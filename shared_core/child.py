"""A child process that takes requests and reports events as JSON lines (runner, fetch, trial)."""

from __future__ import annotations

import contextlib
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

from shared_core.bridge.errors import Cancelled, NssError, from_code
from shared_core.bridge.language import _, packed, unpacked

Event = dict[str, Any]
CANCEL_GRACE_SECONDS = 3.0
NO_WINDOW = 0x08000000  # Windows
# Longer between two looks at the clock, and this process itself was stopped or asleep.
ASLEEP_SECONDS = 2.0


class ChildDied(Exception):
    """The child ended, hung or was ended in the middle of a request; the text says how."""


class Child:
    """One child process; one request at a time.

    ``environment`` is added to ours; ``options`` are further ones of ``subprocess.Popen``.
    """

    def __init__(
        self,
        module: str,
        *arguments: str,
        environment: Mapping[str, str] | None = None,
        **options: Any,
    ) -> None:
        settings = {
            "env": {**os.environ, **(environment or {})},
            "creationflags": NO_WINDOW if os.name == "nt" else 0,
            **options,
        }
        self._process = subprocess.Popen(
            [sys.executable, "-E", "-P", "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            **settings,
        )
        self._events: queue.SimpleQueue[Event | None] = queue.SimpleQueue()
        self._silent = False
        threading.Thread(target=self._read, daemon=True).start()

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    def alive(self) -> bool:
        """Whether the process still runs and has not closed its output."""
        return not self._silent and self._process.poll() is None

    def _read(self) -> None:
        assert self._process.stdout is not None
        with contextlib.suppress(ValueError, OSError):
            for line in self._process.stdout:
                with contextlib.suppress(ValueError):
                    event = unpacked(json.loads(line))
                    if isinstance(event, dict):
                        self._events.put(event)
        self._events.put(None)

    def send(self, request: Mapping[str, Any]) -> None:
        """Write one request line; ``ChildDied`` when nobody reads it."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(json.dumps(packed(request)).encode() + b"\n")
            self._process.stdin.flush()
        except (OSError, ValueError):
            raise ChildDied(self._how()) from None

    def follow(
        self,
        on_event: Callable[[Event], None],
        cancelled: Callable[[], bool],
        deadline: Callable[[], float | None] = lambda: None,
        silence: float | None = None,
    ) -> Event:
        """Pass events on until the request's last one, which is returned.

        ``deadline`` gives the seconds that may pass without progress, ``silence`` those without
        any sign of life; time in which this process itself did not run counts for neither.
        Raises ``Cancelled``, the error the child reports, or ``ChildDied`` (died, silent past the
        watchdog, stuck).
        """
        last_look = last_sign = last_progress = time.monotonic()
        stop_asked: float | None = None
        while True:
            now = time.monotonic()
            if now - last_look > ASLEEP_SECONDS:
                last_sign += now - last_look
                last_progress += now - last_look
            last_look = now
            if stop_asked is None and cancelled():
                stop_asked = now
                with contextlib.suppress(ChildDied):
                    self.send({"op": "cancel"})
            if stop_asked is not None and now - stop_asked > CANCEL_GRACE_SECONDS:
                self.end()
                raise Cancelled(_("Cancelled."))
            limit = deadline()
            if silence is not None and now - last_sign > silence:
                self.end()
                raise ChildDied(
                    _("it gave no sign of life for {silence:.0f} s and was ended", silence=silence)
                )
            if limit is not None and now - last_progress > limit:
                self.end()
                raise ChildDied(
                    _("it made no progress for {limit:.0f} s and was ended", limit=limit)
                )
            try:
                event = self._events.get(timeout=0.05)
            except queue.Empty:
                continue
            last_sign = time.monotonic()
            if event is None:
                self._silent = True
                if stop_asked is not None or cancelled():
                    raise Cancelled(_("Cancelled."))
                raise ChildDied(self._how())
            kind = event.get("event")
            if kind == "done":
                return event
            if kind == "error":
                raise self._error(event)
            if kind != "beat":
                last_progress = last_sign
                on_event(event)

    @staticmethod
    def _error(event: Event) -> NssError:
        error = from_code(str(event.get("code")), str(event.get("message")))
        error.details = event  # type: ignore[attr-defined]
        return error

    def _how(self) -> str:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(2)
        code = self._process.poll()
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                return _("it was ended by {name}", name=signal.Signals(-code).name)
        return _("it ended with code {code}", code=code)

    def end(self) -> None:
        """End the process, asking first by closing its input, and wait for it."""
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(0.3)
            return
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)

    def kill(self) -> None:
        """End the process without asking."""
        self._process.kill()
