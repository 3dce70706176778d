"""A page of the panel that shows how things stand elsewhere, for as long as the panel is open."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import gi

gi.require_version("Gtk", "3.0")

from gi.repository import GLib, Gtk  # noqa: E402

_POLL_MS = 150
SPACING = 6


class Page(ABC):
    """``widget`` goes into a window."""

    def __init__(self) -> None:
        self._timer = 0
        self.widget = Gtk.Box(
            orientation=Gtk.Orientation.VERTICAL, spacing=SPACING, border_width=12
        )

    def begin(self) -> None:
        """Follow from now on."""
        self._timer = GLib.timeout_add(_POLL_MS, self._poll)
        self._poll()

    def end(self) -> None:
        """Follow nothing any more."""
        GLib.source_remove(self._timer)

    def _fill(self, parts: Sequence[tuple[Any, bool]], hidden: Sequence[Any]) -> None:
        """Put the parts below each other; those that grow say so, some are not shown yet."""
        for part, grows in parts:
            self.widget.pack_start(part, grows, True, 0)
        self.widget.show_all()
        for part in hidden:
            part.set_no_show_all(True)
            part.hide()

    @abstractmethod
    def _poll(self) -> bool:
        """Draw what has changed; true, so that GLib comes again."""
