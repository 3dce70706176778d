"""The part of the panel with the limits of what runs by itself; folded up by default."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

from .form import shrinkable
from .log import guarded
from .parts import Fold, tip, wrapped
from .qt import QtWidgets, Signal
from .vendored import _, settings

_TIME_STEP = 10
_UNIT_LETTERS = 4
_ROWS = (
    (
        "memory",
        _("Memory:"),
        _("Main memory that a real model may take: a part of what is free, or GB."),
    ),
    (
        "vram",
        _("Graphics:"),
        _("Memory of the graphics card that it may take, where it runs on one."),
    ),
)


class AmountField(QtWidgets.QWidget):
    """An amount of memory: a number and its unit."""

    changed = Signal()

    def __init__(self, name: str) -> None:
        super().__init__()
        self._number = QtWidgets.QDoubleSpinBox()
        self._number.setObjectName(f"nss_{name}")
        # What is half typed is not meant yet.
        self._number.setKeyboardTracking(False)
        self._number.setMinimumWidth(24)
        self._unit = QtWidgets.QComboBox()
        self._unit.setObjectName(f"nss_{name}_unit")
        self._unit.setAccessibleName(_("Unit"))
        shrinkable(self._unit, _UNIT_LETTERS)
        for unit in settings.UNITS:
            self._unit.addItem(_("% of free") if unit == "%" else unit, unit)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        row.addWidget(self._number, 1)
        row.addWidget(self._unit, 1)
        self.setFocusProxy(self._number)
        self._number.valueChanged.connect(self._typed)
        self._unit.currentIndexChanged.connect(self._picked)

    def words(self) -> str:
        """The amount as the settings take it."""
        return f"{self._number.value():.10g} {self._unit.currentData()}"

    def show_amount(self, amount: settings.Amount) -> None:
        """Show an amount that was set elsewhere."""
        number, unit = settings.number_of(amount)
        for widget in (self._unit, self._number):
            widget.blockSignals(True)
        self._unit.setCurrentIndex(self._unit.findData(unit))
        self._span(unit)
        self._number.setValue(number)
        for widget in (self._unit, self._number):
            widget.blockSignals(False)

    def _span(self, unit: str) -> None:
        least, most, _step = settings.UNITS[unit]
        self._number.setDecimals(0 if unit == "%" else 1)
        self._number.setRange(least, most)

    @guarded
    def _picked(self, *ignored: object) -> None:
        unit = str(self._unit.currentData())
        self._number.blockSignals(True)
        self._span(unit)
        self._number.setValue(settings.UNITS[unit][2])
        self._number.blockSignals(False)
        self.changed.emit()

    @guarded
    def _typed(self, *ignored: object) -> None:
        self.changed.emit()


class LimitsBox(QtWidgets.QWidget):
    """Time, memory and graphics memory, kept in the settings that all hosts share."""

    changed = Signal()

    def __init__(self, file: Path) -> None:
        super().__init__()
        self._file = file
        self._shown: tuple[settings.Settings, str] | None = None
        self._time = QtWidgets.QSpinBox()
        self._time.setObjectName("nss_budget")
        self._time.setKeyboardTracking(False)
        self._time.setRange(int(settings.SHORTEST_SECONDS), int(settings.LONGEST_SECONDS))
        self._time.setSingleStep(_TIME_STEP)
        self._time.setSuffix(" s")
        self._time.setMinimumWidth(24)
        self._time.valueChanged.connect(self._time_set)
        self._amounts = {name: AmountField(name) for name, _title, _help in _ROWS}
        self._trouble = wrapped("nss_settings_trouble")
        self._body = QtWidgets.QWidget()
        form = QtWidgets.QFormLayout(self._body)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._add(form, _("Time:"), self._time, _("Longest time that a real model may take."))
        for name, title, text in _ROWS:
            self._add(form, title, self._amounts[name], text)
            self._amounts[name].changed.connect(partial(self._amount_set, name))
        form.addRow(self._build_commercial())
        self._title = Fold("nss_limits", self._body)
        self._title.setToolTip(
            tip(
                _(
                    "What a real model may take by itself. Krita, GIMP and the command line share "
                    "this."
                )
            )
        )
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self._title, self._body, self._trouble):
            column.addWidget(widget)
        self.look()

    def _build_commercial(self) -> Any:
        self._commercial = QtWidgets.QCheckBox(_("Only models that allow\ncommercial use"))
        self._commercial.setObjectName("nss_commercial")
        self._commercial.setToolTip(
            tip(
                _(
                    "Leaves out models whose licence forbids commercial use; another model, or the "
                    "classical path, does the work instead."
                )
            )
        )
        self._commercial.toggled.connect(self._commercial_set)
        return self._commercial

    def look(self) -> settings.Settings:
        """The settings as they are now, which another host may have changed; shows them."""
        kept, trouble = found = settings.read(self._file)
        if found == self._shown:
            return kept
        self._shown = found
        self._time.blockSignals(True)
        self._time.setValue(round(kept.budget))
        self._time.blockSignals(False)
        self._commercial.blockSignals(True)
        self._commercial.setChecked(kept.commercial_only)
        self._commercial.blockSignals(False)
        for name, field in self._amounts.items():
            field.show_amount(getattr(kept, name))
        summary = settings.summary(kept)
        if kept.commercial_only:
            summary += ", " + _("commercial use only")
        self._title.say(_("Limits: {summary}", summary=summary))
        self._trouble.setText(trouble)
        self._trouble.setVisible(bool(trouble))
        return kept

    def tell(self, sentence: str) -> None:
        """What kept a change from being kept; the fields show what holds."""
        self._shown = None
        self.look()
        self._trouble.setText(sentence)
        self._trouble.setVisible(True)

    @staticmethod
    def _add(form: Any, title: str, field: Any, text: str) -> None:
        label = QtWidgets.QLabel(title)
        label.setBuddy(field)
        field.setAccessibleName(title.rstrip(":"))
        for widget in (label, field):
            widget.setToolTip(tip(text))
        form.addRow(label, field)

    @guarded
    def _time_set(self, *ignored: object) -> None:
        self._keep({"budget": f"{self._time.value()} s"})

    @guarded
    def _amount_set(self, name: str) -> None:
        self._keep({name: self._amounts[name].words()})

    @guarded
    def _commercial_set(self, on: bool) -> None:
        self._keep({"commercial_only": settings.show_switch(on)})

    def _keep(self, given: dict[str, str]) -> None:
        settings.change(self._file, given)
        self.look()
        self.changed.emit()
