"""The part of the panel with what holds for every tool: who makes it, where it goes, the limits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .form import shrinkable
from .limits_box import LimitsBox
from .log import guarded
from .parts import tip
from .placing import UNDO_STEPS
from .qt import QtCore, QtWidgets, Signal
from .vendored import _, placement, settings, toolbox, wire

_PATHS = (
    ("auto", _("Automatic"), _("The real model where this machine can run it in reasonable time.")),
    (
        wire.REAL,
        _("Real model only"),
        _("The real model, or a sentence that says why it cannot run."),
    ),
    (wire.CLASSICAL, _("Classical only"), _("Never a model: a classical algorithm.")),
)
_TIP = QtCore.Qt.ItemDataRole.ToolTipRole


class RunOptions(QtWidgets.QWidget):
    """The path, the placement where there is a choice, and the limits, which are folded up."""

    changed = Signal()

    def __init__(self, file: Path) -> None:
        super().__init__()
        # What was chosen for each kind of result.
        self._wanted: dict[toolbox.Returns, str] = {}
        self._outcome: toolbox.Returns | None = None
        self._path = _choice("nss_path", _("Made by"))
        for value, title, help_text in _PATHS:
            self._path.addItem(title, value)
            self._path.setItemData(self._path.count() - 1, help_text, _TIP)
        self._path.currentIndexChanged.connect(lambda *ignored: self.changed.emit())
        self._placement = _choice("nss_placement", _("Result as"))
        self._placement.currentIndexChanged.connect(self._placed)
        self._placement_label = QtWidgets.QLabel(_("Result as:"))
        self._placement_label.setBuddy(self._placement)
        self._limits = LimitsBox(file)
        self._limits.changed.connect(self.changed)
        form = QtWidgets.QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setRowWrapPolicy(QtWidgets.QFormLayout.RowWrapPolicy.WrapLongRows)
        form.addRow(_("Made by:"), self._path)
        form.addRow(self._placement_label, self._placement)
        form.addRow(self._limits)

    @property
    def path(self) -> str:
        """The path that is wanted."""
        return str(self._path.currentData())

    def want_path(self, path: str) -> None:
        """Choose a path."""
        self._path.setCurrentIndex(self._path.findData(path))

    def placement(self, outcome: toolbox.Returns) -> str:
        """Where a result of this kind is wanted."""
        return self._wanted.get(outcome, placement.Placement.NEW.value)

    def placement_help(self) -> str:
        """What becomes of the result where something else than the usual was chosen."""
        usual = self._placement.currentData() in (None, placement.Placement.NEW.value)
        return "" if usual else str(self._placement.currentData(_TIP))

    def show_outcome(self, outcome: toolbox.Returns) -> None:
        """Offer the placements that fit a result of this kind; nothing where there is but one."""
        if outcome is self._outcome:
            return
        self._outcome = outcome
        choices = placement.choices(outcome)
        self._placement.blockSignals(True)
        self._placement.clear()
        for choice in choices:
            told = placement.told(choice, UNDO_STEPS.get(choice.placement, 1))
            self._placement.addItem(told.title, choice.placement.value)
            self._placement.setItemData(self._placement.count() - 1, told.help, _TIP)
        self._placement.setCurrentIndex(self._placement.findData(self.placement(outcome)))
        self._placement.blockSignals(False)
        self._explain()
        for widget in (self._placement, self._placement_label):
            widget.setVisible(len(choices) > 1)

    def look(self) -> settings.Settings:
        """The settings as they are now, which another host may have changed; shows them."""
        return self._limits.look()

    @guarded
    def _placed(self, *ignored: object) -> None:
        if self._outcome is not None:
            self._wanted[self._outcome] = str(self._placement.currentData())
        self._explain()
        self.changed.emit()

    def _explain(self) -> None:
        self._placement.setToolTip(tip(self._placement.currentData(_TIP) or ""))


def _choice(name: str, title: str) -> Any:
    combo = QtWidgets.QComboBox()
    combo.setObjectName(name)
    combo.setAccessibleName(title)
    shrinkable(combo)
    return combo
