"""A thread with a client of the worker, for an editor that must not wait."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from typing import Any

from . import wire
from .client import Client
from .host import Step

JOIN_SECONDS = 3.0
Done = Callable[[Any, "BaseException | None"], None]
Deliver = Callable[[Callable[[], None]], None]
_HANG_UP = "hang up"


class Watch:
    """Carries progress from the thread to the editor's own, and the wish to cancel back."""

    def __init__(self, report: Callable[[object], None]) -> None:
        self._report = report
        self._wish = threading.Event()

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """Called in the thread."""
        self._report(event)

    def cancel(self) -> None:
        """Called by the user's click."""
        self._wish.set()

    def cancelled(self) -> bool:
        """Called in the thread."""
        return self._wish.is_set()


class Lane:
    """One thread with one client at a time.

    ``deliver`` takes calls from the thread and makes them on the editor's own.
    """

    def __init__(self, name: str, make_client: Callable[[], Client], deliver: Deliver) -> None:
        self._name = name
        self._make_client = make_client
        self._deliver = deliver
        self._client: Client | None = None
        self._tasks: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None
        self._stopped = False

    def watch(self, progressed: Callable[[object], None]) -> Watch:
        """A watcher for the next step; ``progressed`` is called on the editor's thread."""
        return Watch(lambda event: self._call(progressed, event))

    def post(self, step: Step, watch: Watch, done: Done) -> None:
        """Call ``step`` in the thread, then ``done`` with its result or error on the editor's."""
        if self._stopped:
            return
        if self._thread is None:
            self._thread = threading.Thread(target=self._work, name=self._name, daemon=True)
            self._thread.start()
        self._tasks.put((step, watch, done))

    def hang_up(self) -> None:
        """Close the client once the steps posted so far are done; the worker then forgets it."""
        self._tasks.put(_HANG_UP)

    def stop(self) -> bool:
        """End whatever runs, for good, and wait for the thread; whether it ended."""
        self._stopped = True
        self._tasks.put(None)
        if (current := self._client) is not None:
            current.abort()
        if self._thread is None:
            return True
        self._thread.join(JOIN_SECONDS)
        return not self._thread.is_alive()

    def _work(self) -> None:
        while not self._stopped:
            task = self._tasks.get()
            if task is None:
                break
            if task == _HANG_UP:
                self._close()
            else:
                self._do(*task)
            # It has the layer's pixels, and the next one may come in an hour.
            del task
        self._close()

    def _do(self, step: Step, watch: Watch, done: Done) -> None:
        value: Any = None
        failed: BaseException | None = None
        try:
            if self._client is None:
                self._client = self._make_client()
            if self._stopped:
                return
            value = step(self._client, watch)
        except Exception as error:
            failed = error
        self._call(done, value, failed)
        # Its traceback leads here and back to itself.
        del failed

    def _call(self, call: Callable[..., None], *arguments: Any) -> None:
        """Have a call made on the editor's thread, if it still wants any there and then."""

        def there() -> None:
            if not self._stopped:
                call(*arguments)

        if not self._stopped:
            self._deliver(there)

    def _close(self) -> None:
        if self._client is not None:
            with contextlib.suppress(OSError):
                self._client.close()
            self._client = None
