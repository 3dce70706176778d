"""A tool's parameters as widgets, made from the toolbox: nothing here knows any one tool."""

from __future__ import annotations

from typing import Any

from .qt import QtCore, QtWidgets, Signal
from .vendored import toolbox

_STEPS = 1000
# Longer units would make the number's field too wide for a docker; they stand in the label.
_SHORT_UNIT = 2


class NumberField(QtWidgets.QWidget):
    """A number within its range: slider, field, and a box for "auto" where there is one."""

    changed = Signal()

    def __init__(self, parameter: toolbox.Parameter) -> None:
        super().__init__()
        self._parameter = parameter
        name = f"nss_param_{parameter.id}"
        span = parameter.maximum - parameter.minimum
        self._spin = QtWidgets.QDoubleSpinBox()
        self._spin.setObjectName(name)
        self._spin.setDecimals(0 if span >= 30 else 1)
        self._spin.setRange(parameter.minimum, parameter.maximum)
        self._spin.setSingleStep(1.0 if span >= 30 else 0.1)
        if 0 < len(parameter.unit) <= _SHORT_UNIT:
            gap = "" if parameter.unit == "°" else " "
            self._spin.setSuffix(gap + parameter.unit)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
        self._slider.setObjectName(f"{name}_slider")
        self._slider.setRange(0, _STEPS)
        self._slider.setMinimumWidth(24)
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._auto: Any = None
        if parameter.auto:
            self._auto = QtWidgets.QCheckBox("Auto")
            self._auto.setObjectName(f"{name}_auto")
            self._auto.toggled.connect(self._toggled)
            row.addWidget(self._auto)
        row.addWidget(self._slider, 1)
        row.addWidget(self._spin)
        self._spin.valueChanged.connect(self._typed)
        self._slider.valueChanged.connect(self._slid)
        self.set_value(parameter.default)

    def value(self) -> toolbox.Value:
        """What the user set."""
        if self._auto is not None and self._auto.isChecked():
            return toolbox.AUTO
        return float(self._spin.value())

    def set_value(self, value: toolbox.Value) -> None:
        """Show a value of this parameter."""
        automatic = value == toolbox.AUTO
        self._spin.setValue(self._parameter.start if automatic else float(value))
        self._typed()
        if self._auto is not None:
            self._auto.setChecked(automatic)
            self._toggled(automatic)

    def _toggled(self, automatic: bool) -> None:
        self._slider.setEnabled(not automatic)
        self._spin.setEnabled(not automatic)
        self.changed.emit()

    def _typed(self, *_: object) -> None:
        low, high = self._parameter.minimum, self._parameter.maximum
        place = round((self._spin.value() - low) / (high - low) * _STEPS)
        self._slider.blockSignals(True)
        self._slider.setValue(place)
        self._slider.blockSignals(False)
        self.changed.emit()

    def _slid(self, place: int) -> None:
        low, high = self._parameter.minimum, self._parameter.maximum
        self._spin.setValue(low + place / _STEPS * (high - low))


class ChoiceField(QtWidgets.QComboBox):
    """One of several named values."""

    changed = Signal()

    def __init__(self, parameter: toolbox.Parameter) -> None:
        super().__init__()
        self.setObjectName(f"nss_param_{parameter.id}")
        titles = parameter.choice_titles or parameter.choices
        for value, title in zip(parameter.choices, titles, strict=True):
            self.addItem(title, value)
        self.set_value(parameter.default)
        self.currentIndexChanged.connect(self._picked)

    def value(self) -> toolbox.Value:
        """What the user set."""
        return str(self.currentData())

    def set_value(self, value: toolbox.Value) -> None:
        """Show a value of this parameter."""
        self.setCurrentIndex(max(0, self.findData(value)))

    def _picked(self, *_: object) -> None:
        self.changed.emit()


class ToolForm(QtWidgets.QWidget):
    """All parameters of one tool."""

    changed = Signal()

    def __init__(self, tool: toolbox.Tool) -> None:
        super().__init__()
        self.setObjectName(f"nss_form_{tool.id}")
        self._fields: dict[str, NumberField | ChoiceField] = {}
        form = QtWidgets.QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setRowWrapPolicy(QtWidgets.QFormLayout.RowWrapPolicy.DontWrapRows)
        for parameter in tool.parameters:
            number = parameter.kind is toolbox.Kind.NUMBER
            field = NumberField(parameter) if number else ChoiceField(parameter)
            field.changed.connect(self._changed)
            label = QtWidgets.QLabel(f"{parameter.title}:")
            help_text = parameter.help
            if len(parameter.unit) > _SHORT_UNIT:
                help_text += f" Unit: {parameter.unit}."
            for widget in (label, field):
                widget.setToolTip(f"<p>{help_text}</p>")
            form.addRow(label, field)
            self._fields[parameter.id] = field

    def values(self) -> dict[str, toolbox.Value]:
        """Every parameter's value."""
        return {name: field.value() for name, field in self._fields.items()}

    def set_values(self, values: dict[str, toolbox.Value]) -> None:
        """Show values; parameters that are not named stay."""
        for name, value in values.items():
            self._fields[name].set_value(value)

    def _changed(self, *_: object) -> None:
        self.changed.emit()
