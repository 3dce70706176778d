"""Copies the diagnostics for a report of a fault; the worker is asked in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gimp", "3.0")
gi.require_version("Gtk", "3.0")

from faults import explain  # noqa: E402
from gi.repository import Gdk, Gimp, GLib, Gtk  # noqa: E402
from vendored import client, diagnostics, lane, paths  # noqa: E402


class Copier:
    """Puts them into the clipboard, and calls ``told`` with a sentence when they are there."""

    def __init__(self, places: paths.Paths, version: str, told: Callable[[str], None]) -> None:
        self._editor = f"GIMP {version}"
        self._told = told
        self._lane = lane.Lane(
            "nss-diagnostics", lambda: client.Client(places, "GIMP", version), GLib.idle_add
        )

    def copy(self) -> None:
        """Ask the worker; the window goes on meanwhile."""
        made = diagnostics()
        hidden = _open_pictures()

        def step(connected: Any, watch: Any) -> str:
            text: str = made.collect(connected, self._editor, hidden, watch)
            return text

        def done(text: Any, failed: BaseException | None) -> None:
            if failed is None:
                put_into_clipboard(text)
            self._told(explain(failed) if failed is not None else made.COPIED)

        self._lane.post(step, self._lane.watch(lambda event: None), done)
        self._lane.hang_up()

    def stop(self) -> None:
        """Touch nothing any more."""
        self._lane.stop()


def put_into_clipboard(text: str) -> None:
    """Have the text pasted elsewhere, also after this process has ended where that can be."""
    clipboard = Gtk.Clipboard.get(Gdk.SELECTION_CLIPBOARD)
    clipboard.set_text(text, -1)
    clipboard.store()


def _open_pictures() -> list[str]:
    """The names of all open pictures, which must not be in it."""
    names = []
    for image in Gimp.get_images():
        names.append(image.get_name())
        for file in (image.get_file(), image.get_imported_file(), image.get_exported_file()):
            if file is not None:
                names.append(file.get_basename())
    return [name for name in names if name]
