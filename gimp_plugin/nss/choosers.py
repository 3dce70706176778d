"""The dialog in which a folder is picked."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Gtk", "3.0")

from gi.repository import Gtk  # noqa: E402


def folder_chosen(window: Any, title: str, fill: bool = False) -> str:
    """A folder that the user picks, or makes where it is to be filled; "" for none."""
    kind = Gtk.FileChooserAction.CREATE_FOLDER if fill else Gtk.FileChooserAction.SELECT_FOLDER
    chooser = Gtk.FileChooserNative.new(title, window, kind, None, None)
    chosen = chooser.run() == Gtk.ResponseType.ACCEPT
    name = chooser.get_filename() if chosen else None
    chooser.destroy()
    return name or ""
