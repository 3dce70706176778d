"""The dialogs in which a folder or a file is picked."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gi
from vendored import _

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
    for name, one in ((kind, pattern), (_("All files"), "*")):
        chooser.add_filter(_filter(name, [one]))
    return _chosen(chooser)


def new_file_chosen(
    title: str, usual: Path, kinds: Sequence[tuple[str, Sequence[str]]]
) -> tuple[str, str]:
    """A file that is to be written, and the kind that was picked; "" for none.

    ``kinds`` are names with the patterns of their files. Whoever picks a file that is there is
    asked.
    """
    chooser = Gtk.FileChooserNative.new(title, None, Gtk.FileChooserAction.SAVE, None, None)
    chooser.set_do_overwrite_confirmation(True)
    if usual.is_absolute():
        chooser.set_current_folder(str(usual.parent))
    chooser.set_current_name(usual.name)
    filters = [_filter(f"{kind} ({', '.join(patterns)})", patterns) for kind, patterns in kinds]
    for one in filters:
        chooser.add_filter(one)
    picked = chooser.run() == Gtk.ResponseType.ACCEPT
    place = filters.index(chooser.get_filter()) if chooser.get_filter() in filters else 0
    name = (chooser.get_filename() or "") if picked else ""
    chooser.destroy()
    return name, kinds[place][0]


def _filter(name: str, patterns: Sequence[str]) -> Any:
    only = Gtk.FileFilter()
    only.set_name(name)
    for pattern in patterns:
        only.add_pattern(pattern)
    return only


def _chosen(chooser: Any) -> str:
    chosen = chooser.run() == Gtk.ResponseType.ACCEPT
    name = chooser.get_filename() if chosen else None
    chooser.destroy()
    return name or ""
