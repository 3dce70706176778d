"""The part of a tool's dialog that shows the user's limits and changes them; folded up at first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gtk", "3.0")

from consent_box import wrapped  # noqa: E402
from gi.repository import Gtk  # noqa: E402
from vendored import _, errors, settings  # noqa: E402

_SPACING = 6
_TIME_STEP = 10
_ROWS = (
    (
        "memory",
        _("M_emory"),
        _("Main memory that a real model may take: a part of what is free, or GB."),
    ),
    (
        "vram",
        _("_Graphics"),
        _("Memory of the graphics card that it may take, where it runs on one."),
    ),
)


class Amount:
    """The setting ``name``, an amount of memory, as a number and its unit."""

    def __init__(self, name: str, keep: Callable[[dict[str, str]], None]) -> None:
        self._name = name
        self._keep = keep
        self._silent = False
        self.number = Gtk.SpinButton(numeric=True)
        self.unit = Gtk.ComboBoxText()
        for unit in settings.UNITS:
            self.unit.append(unit, _("% of free") if unit == "%" else unit)
        self.number.connect("value-changed", self._typed)
        self.unit.connect("changed", self._picked)

    def show(self, amount: settings.Amount) -> None:
        """Show an amount that was set elsewhere."""
        number, unit = settings.number_of(amount)
        self._silent = True
        self.unit.set_active_id(unit)
        self._span(unit)
        self.number.set_value(number)
        self._silent = False

    def _span(self, unit: str) -> None:
        least, most, _ = settings.UNITS[unit]
        whole = unit == "%"
        self.number.set_digits(0 if whole else 1)
        self.number.set_range(least, most)
        self.number.set_increments(5 if whole else 0.5, 10 if whole else 1)

    def _picked(self, *ignored: object) -> None:
        if self._silent:
            return
        unit = self.unit.get_active_id()
        self._silent = True
        self._span(unit)
        self.number.set_value(settings.UNITS[unit][2])
        self._silent = False
        self._typed()

    def _typed(self, *ignored: object) -> None:
        if not self._silent:
            words = f"{self.number.get_value():.10g} {self.unit.get_active_id()}"
            self._keep({self._name: words})


class Limits:
    """Time, memory and graphics memory, kept in the settings that all hosts share."""

    def __init__(self, file: Path, changed: Callable[[], None]) -> None:
        self._file = file
        self._changed = changed
        self._silent = False
        self.widget = Gtk.Expander(use_underline=True)
        self.widget.set_tooltip_text(
            _("What a real model may take by itself. Krita, GIMP and the command line share this.")
        )
        grid = Gtk.Grid(row_spacing=_SPACING, column_spacing=_SPACING, margin_top=_SPACING)
        self._time = Gtk.SpinButton.new_with_range(
            settings.SHORTEST_SECONDS, settings.LONGEST_SECONDS, _TIME_STEP
        )
        self._time.set_numeric(True)
        self._time.connect("value-changed", self._time_set)
        self._row(grid, 0, _("_Time"), _("Longest time that a real model may take."), self._time)
        grid.attach(Gtk.Label(label="seconds", xalign=0), 2, 0, 1, 1)
        self._amounts: dict[str, Amount] = {}
        for place, (name, title, text) in enumerate(_ROWS, 1):
            amount = Amount(name, self.keep)
            self._row(grid, place, title, text, amount.number)
            grid.attach(amount.unit, 2, place, 1, 1)
            self._amounts[name] = amount
        self._trouble = wrapped("")
        self._trouble.set_no_show_all(True)
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_SPACING)
        self.widget.add(grid)
        column.pack_start(self.widget, False, False, 0)
        column.pack_start(self._trouble, False, False, 0)
        column.show_all()
        self.box = column
        self.look()

    def keep(self, given: dict[str, str]) -> None:
        """Set settings for all hosts; what kept them from being kept is told."""
        said = ""
        try:
            settings.change(self._file, given)
        except errors.NssError as error:
            said = str(error)
        self.look(said)
        self._changed()

    def _row(self, grid: Any, place: int, title: str, text: str, field: Any) -> None:
        label = Gtk.Label.new_with_mnemonic(f"{title}:")
        label.set_xalign(0)
        label.set_mnemonic_widget(field)
        field.set_tooltip_text(text)
        field.set_activates_default(True)
        grid.attach(label, 0, place, 1, 1)
        grid.attach(field, 1, place, 1, 1)

    def look(self, said: str = "") -> None:
        """Show the settings as they are now, and what kept a change from being kept."""
        kept, trouble = settings.read(self._file)
        self._silent = True
        self._time.set_value(kept.budget)
        self._silent = False
        for name, amount in self._amounts.items():
            amount.show(getattr(kept, name))
        self.widget.set_label(_("_Limits: {summary}", summary=settings.summary(kept)))
        self._trouble.set_text(said or trouble)
        self._trouble.set_visible(bool(said or trouble))

    def _time_set(self, *ignored: object) -> None:
        if not self._silent:
            self.keep({"budget": f"{self._time.get_value():.0f} s"})
