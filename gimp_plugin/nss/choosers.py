"""The dialogs in which a folder or a file is picked."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Gtk", "3.0")

from gi.repository import Gtk  # noqa: E402


def folder_chosen(window: Any, title: str, fill: bool = False) -> str:
    """A folder that the user picks, or makes where it is to be filled; "" for none."""
    kind = Gtk.FileChooserAction.CREATE_FOLDER if fill else Gtk.FileChooserAction.SELECT_FOLDER
    chooser = Gtk.FileChooserNative.new(title, window, kind, None, None)
    return _chosen(chooser)


def file_chosen(window: Any, title: str, pattern: str, kind: str) -> str:
    """A file that the user picks, of ``kind`` first; "" for none."""
    chooser = Gtk.FileChooserNative.new(title, window, Gtk.FileChooserAction.OPEN, None, None)
    for name, one in ((kind, pattern), ("All files", "*")):
        only = Gtk.FileFilter()
        only.set_name(name)
        only.add_pattern(one)
        chooser.add_filter(only)
    return _chosen(chooser)


def _chosen(chooser: Any) -> str:
    chosen = chooser.run() == Gtk.ResponseType.ACCEPT
    name = chooser.get_filename() if chosen else None
    chooser.destroy()
    return name or ""
