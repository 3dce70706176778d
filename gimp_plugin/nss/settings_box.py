"""The settings that Krita, GIMP and the command line share, as a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gtk", "3.0")

from consent_box import wrapped  # noqa: E402
from gi.repository import Gtk  # noqa: E402
from vendored import errors, settings  # noqa: E402

_SPACING = 6


class SettingsBox:
    """Only models for commercial use; ``changed`` is called after a change."""

    def __init__(self, file: Path, changed: Callable[[], None]) -> None:
        self._file = file
        self._changed = changed
        self._silent = False
        self.widget = Gtk.Box(
            orientation=Gtk.Orientation.VERTICAL, spacing=_SPACING, border_width=12
        )
        self._commercial = Gtk.CheckButton.new_with_mnemonic(
            "Only models that allow commercial _use"
        )
        self._commercial.set_tooltip_text(
            "Leaves out models whose licence forbids commercial use; another model, or the "
            "classical path, does the work instead."
        )
        self._commercial.connect("toggled", self._toggled)
        self._trouble = wrapped("")
        for widget in (self._commercial, self._trouble):
            self.widget.pack_start(widget, False, False, 0)
        self.look()

    def look(self, said: str = "") -> None:
        """Show the settings as they are now, which another program may have changed."""
        kept, trouble = settings.read(self._file)
        self._silent = True
        self._commercial.set_active(kept.commercial_only)
        self._silent = False
        self._trouble.set_text(said or trouble)

    def _toggled(self, box: Any) -> None:
        if self._silent:
            return
        said = ""
        try:
            words = settings.show_switch(box.get_active())
            settings.change(self._file, {"commercial_only": words})
        except errors.NssError as error:
            said = str(error)
        self.look(said)
        self._changed()
