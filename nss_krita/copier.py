"""Copies the diagnostics for a report of a fault; the worker is asked in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import PurePath
from typing import Any

from krita import Krita

from . import placing
from .log import explain
from .qt import QtWidgets, owned
from .runner import NAME, Lane
from .vendored import client, diagnostics, paths


class Copier:
    """One for all windows."""

    def __init__(self, places: paths.Paths) -> None:
        self._editor = f"{NAME} {placing.version()}"
        self._lane = Lane("nss-diagnostics", lambda: client.Client(places, NAME, placing.version()))

    def copy(self, tell: Callable[[str], object]) -> None:
        """Put the diagnostics into the clipboard, and ``tell`` a sentence when they are there."""
        made = diagnostics()
        hidden = _open_pictures()

        def step(connected: client.Client, watch: client.Watcher) -> str:
            text: str = made.collect(connected, self._editor, hidden, watch)
            return text

        def done(text: Any, failed: BaseException | None) -> None:
            if failed is None:
                QtWidgets.QApplication.clipboard().setText(text)
            tell(explain(failed) if failed is not None else made.COPIED)

        self._lane.post(step, self._lane.watch(), done)
        self._lane.hang_up()

    def stop(self) -> None:
        """End the thread; before Krita quits."""
        self._lane.stop()


def _open_pictures() -> list[str]:
    """The names of all open pictures, which must not be in it."""
    documents = owned(Krita.instance().documents())
    return [
        name
        for document in documents
        for name in (document.name(), PurePath(document.fileName()).name)
        if name
    ]
