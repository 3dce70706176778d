"""What the commands share: a connection to the worker, progress on the terminal, JSON."""

from __future__ import annotations

import json
import signal
import sys
import threading
from typing import Any

from ..bridge import (
    __version__,
    wire,
)
from ..bridge.client import Client
from ..bridge.language import _, ngettext
from ..bridge.paths import paths
from ..catalog.store import Progress


def worker_client() -> Client:
    """A connection to the worker, which runs with this Python unless another is set up."""
    return Client(paths(), "command line", __version__, own_python=sys.executable)


def print_json(data: Any) -> None:
    """Data on stdout."""
    print(json.dumps(data, indent=2))


class Screen:
    """Progress on the terminal; Ctrl+C cancels."""

    def __init__(self) -> None:
        self._cancel = threading.Event()
        self._live: Any = None
        self._task: Any = None
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, lambda number, frame: self._cancel.set())
            signal.signal(signal.SIGTERM, lambda number, frame: self._cancel.set())
        if sys.stderr.isatty():
            from rich.console import Console
            from rich.progress import BarColumn, TaskProgressColumn, TextColumn
            from rich.progress import Progress as Bars

            # The time left is told by whoever knows it.
            columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn())
            self._live = Bars(*columns, console=Console(stderr=True), transient=True)
            self._task = self._live.add_task(_("starting"), total=None)
            self._live.start()

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """Show how far the worker has come."""
        if self._live is None:
            return
        if isinstance(event, wire.Queued):
            text = ngettext(
                "waiting behind {count} other job", "waiting behind {count} other jobs", event.place
            )
            self._live.update(self._task, description=text, total=None)
        else:
            self._live.update(
                self._task,
                description=event.sentence(),
                completed=event.done,
                total=event.total if event.total > 1 else None,
            )

    def bytes(self, progress: Progress, doing: str) -> None:
        """Show how far something has come that runs in this process."""
        self.progress(wire.Progress(doing, progress.done, progress.total, "bytes"))

    def cancelled(self) -> bool:
        """Whether Ctrl+C was pressed."""
        return self._cancel.is_set()

    def __enter__(self) -> Screen:
        return self

    def __exit__(self, *unused: object) -> None:
        if self._live is not None:
            self._live.stop()
