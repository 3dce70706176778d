"""The settings that Krita, GIMP and the command line share, as a page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gtk", "3.0")

from gi.repository import Gtk  # noqa: E402
from limits import Limits  # noqa: E402
from vendored import _, settings  # noqa: E402

_SPACING = 6


class SettingsBox:
    """The limits, and only models for commercial use; ``changed`` is called after a change."""

    def __init__(self, file: Path, changed: Callable[[], None]) -> None:
        self._file = file
        self._silent = False
        self.widget = Gtk.Box(
            orientation=Gtk.Orientation.VERTICAL, spacing=_SPACING, border_width=12
        )
        self._commercial = Gtk.CheckButton.new_with_mnemonic(
            _("Only models that allow commercial _use")
        )
        self._commercial.set_tooltip_text(
            _(
                "Leaves out models whose licence forbids commercial use; another model, or the "
                "classical path, does the work instead."
            )
        )
        self._commercial.connect("toggled", self._toggled)
        self._limits = Limits(file, changed)
        self._limits.widget.set_expanded(True)
        for widget in (self._commercial, self._limits.box):
            self.widget.pack_start(widget, False, False, 0)
        self.look()

    def look(self) -> None:
        """Show the settings as they are now, which another program may have changed."""
        self._limits.look()
        self._follow()

    def _follow(self) -> None:
        self._silent = True
        self._commercial.set_active(settings.load(self._file).commercial_only)
        self._silent = False

    def _toggled(self, box: Any) -> None:
        if not self._silent:
            self._limits.keep({"commercial_only": settings.show_switch(box.get_active())})
            self._follow()
