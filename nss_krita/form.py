"""A tool's parameters as widgets, made from the toolbox: nothing here knows any one tool."""

from __future__ import annotations

from typing import Any

from .log import guarded
from .parts import tip
from .qt import QtCore, QtWidgets, Signal
from .vendored import _, toolbox

_STEPS = 1000
# A slider for more whole numbers than it has steps would only get in the way.
_SLIDER_SPAN = 1000
# Longer units would make the number's field too wide for a docker; they stand in the label.
_SHORT_UNIT = 2
_CHOICE_LETTERS = 8
# A longer text is written on several lines.
_ONE_LINE = 80
_TEXT_LINES = 3


def shrinkable(combo: Any, letters: int = _CHOICE_LETTERS) -> None:
    """Let a list of choices be narrower than its longest one: dockers are narrow."""
    combo.setSizeAdjustPolicy(
        QtWidgets.QComboBox.SizeAdjustPolicy.AdjustToMinimumContentsLengthWithIcon
    )
    combo.setMinimumContentsLength(letters)


class NumberField(QtWidgets.QWidget):
    """A number within its range: slider, field, and a box for "auto" where there is one."""

    changed = Signal()

    def __init__(self, parameter: toolbox.Parameter) -> None:
        super().__init__()
        self._parameter = parameter
        name = f"nss_param_{parameter.id}"
        span = parameter.maximum - parameter.minimum
        self._number: type[int] | type[float] = int if parameter.whole else float
        if parameter.whole:
            self._spin = QtWidgets.QSpinBox()
        else:
            self._spin = QtWidgets.QDoubleSpinBox()
            self._spin.setDecimals(0 if span >= 30 else 1)
            self._spin.setSingleStep(1.0 if span >= 30 else 0.1)
        self._spin.setObjectName(name)
        self._spin.setRange(self._number(parameter.minimum), self._number(parameter.maximum))
        if 0 < len(parameter.unit) <= _SHORT_UNIT:
            gap = "" if parameter.unit == "°" else " "
            self._spin.setSuffix(gap + parameter.unit)
        self._slider: Any = None
        row = QtWidgets.QHBoxLayout(self)
        row.setContentsMargins(0, 0, 0, 0)
        self._auto: Any = None
        if parameter.auto:
            self._auto = QtWidgets.QCheckBox(_("Auto"))
            self._auto.setObjectName(f"{name}_auto")
            self._auto.toggled.connect(self._toggled)
            row.addWidget(self._auto)
        if not parameter.whole or span <= _SLIDER_SPAN:
            self._slider = QtWidgets.QSlider(QtCore.Qt.Orientation.Horizontal)
            self._slider.setObjectName(f"{name}_slider")
            self._slider.setRange(0, int(span) if parameter.whole else _STEPS)
            self._slider.setMinimumWidth(24)
            self._slider.valueChanged.connect(self._slid)
            row.addWidget(self._slider, 1)
        row.addWidget(self._spin, 0 if self._slider is not None else 1)
        self.setFocusProxy(self._spin if self._auto is None else self._auto)
        self._spin.valueChanged.connect(self._typed)
        self.set_value(parameter.default)

    def value(self) -> toolbox.Value:
        """What the user set."""
        if self._auto is not None and self._auto.isChecked():
            return toolbox.AUTO
        return self._number(self._spin.value())

    def set_value(self, value: toolbox.Value) -> None:
        """Show a value of this parameter."""
        automatic = value == toolbox.AUTO
        self._spin.setValue(self._number(self._parameter.start if automatic else value))
        self._typed()
        if self._auto is not None:
            self._auto.setChecked(automatic)
            self._toggled(automatic)

    @guarded
    def _toggled(self, automatic: bool) -> None:
        self._spin.setEnabled(not automatic)
        if self._slider is not None:
            self._slider.setEnabled(not automatic)
        self.changed.emit()

    @guarded
    def _typed(self, *ignored: object) -> None:
        low, high = self._parameter.minimum, self._parameter.maximum
        if self._slider is not None:
            steps = self._slider.maximum()
            self._slider.blockSignals(True)
            self._slider.setValue(round((self._spin.value() - low) / (high - low) * steps))
            self._slider.blockSignals(False)
        self.changed.emit()

    @guarded
    def _slid(self, place: int) -> None:
        low, high = self._parameter.minimum, self._parameter.maximum
        value = low + place / self._slider.maximum() * (high - low)
        self._spin.setValue(round(value) if self._parameter.whole else value)


class ChoiceField(QtWidgets.QComboBox):
    """One of several named values."""

    changed = Signal()

    def __init__(self, parameter: toolbox.Parameter) -> None:
        super().__init__()
        self.setObjectName(f"nss_param_{parameter.id}")
        shrinkable(self)
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

    @guarded
    def _picked(self, *ignored: object) -> None:
        self.changed.emit()


class LineField(QtWidgets.QLineEdit):
    """A short text."""

    changed = Signal()

    def __init__(self, parameter: toolbox.Parameter) -> None:
        super().__init__(str(parameter.default))
        self.setObjectName(f"nss_param_{parameter.id}")
        self.setMaxLength(int(parameter.maximum))
        self.setMinimumWidth(24)
        self.textChanged.connect(self._edited)

    def value(self) -> toolbox.Value:
        """What the user wrote, in one line."""
        return " ".join(str(self.text()).split())

    def set_value(self, value: toolbox.Value) -> None:
        """Show a value of this parameter."""
        self.setText(str(value))

    @guarded
    def _edited(self, *ignored: object) -> None:
        self.changed.emit()


class TextField(QtWidgets.QPlainTextEdit):
    """A longer text on a few lines; what exceeds the parameter's length is cut off."""

    changed = Signal()

    def __init__(self, parameter: toolbox.Parameter) -> None:
        super().__init__(str(parameter.default))
        self.setObjectName(f"nss_param_{parameter.id}")
        self._longest = int(parameter.maximum)
        self.setTabChangesFocus(True)
        self.setMinimumWidth(24)
        self.setFixedHeight(_TEXT_LINES * self.fontMetrics().lineSpacing() + 12)
        self.textChanged.connect(self._edited)

    def value(self) -> toolbox.Value:
        """What the user wrote, in one line."""
        return " ".join(str(self.toPlainText()).split())

    def set_value(self, value: toolbox.Value) -> None:
        """Show a value of this parameter."""
        self.setPlainText(str(value))

    @guarded
    def _edited(self, *ignored: object) -> None:
        text = str(self.toPlainText())
        if len(text) > self._longest:
            place = min(self.textCursor().position(), self._longest)
            self.blockSignals(True)
            self.setPlainText(text[: self._longest])
            self.blockSignals(False)
            cursor = self.textCursor()
            cursor.setPosition(place)
            self.setTextCursor(cursor)
        self.changed.emit()


def _name(field: Any, title: str) -> None:
    """What a screen reader calls the field, and the widgets that it is made of."""
    field.setAccessibleName(title)
    for part in field.findChildren(QtWidgets.QAbstractSpinBox):
        part.setAccessibleName(title)
    for part in field.findChildren(QtWidgets.QSlider):
        part.setAccessibleName(title)


def field_for(parameter: toolbox.Parameter) -> Any:
    """The widget of a parameter; all have ``changed``, ``value`` and ``set_value``."""
    if parameter.kind is toolbox.Kind.NUMBER:
        return NumberField(parameter)
    if parameter.kind is toolbox.Kind.CHOICE:
        return ChoiceField(parameter)
    return LineField(parameter) if parameter.maximum <= _ONE_LINE else TextField(parameter)


class ToolForm(QtWidgets.QWidget):
    """All parameters of one tool."""

    changed = Signal()

    def __init__(self, tool: toolbox.Tool) -> None:
        super().__init__()
        self.setObjectName(f"nss_form_{tool.id}")
        self._fields: dict[str, Any] = {}
        form = QtWidgets.QFormLayout(self)
        form.setContentsMargins(0, 0, 0, 0)
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        form.setRowWrapPolicy(QtWidgets.QFormLayout.RowWrapPolicy.WrapLongRows)
        for parameter in tool.parameters:
            field = field_for(parameter)
            field.changed.connect(self._changed)
            label = QtWidgets.QLabel(f"{parameter.title}:")
            label.setBuddy(field)
            _name(field, parameter.title)
            help_text = parameter.help
            if len(parameter.unit) > _SHORT_UNIT:
                help_text += " " + _("Unit: {unit}.", unit=parameter.unit)
            for widget in (label, field):
                widget.setToolTip(tip(help_text))
            if isinstance(field, TextField):
                form.addRow(label)
                form.addRow(field)
            else:
                form.addRow(label, field)
            self._fields[parameter.id] = field

    def values(self) -> dict[str, toolbox.Value]:
        """Every parameter's value."""
        return {name: field.value() for name, field in self._fields.items()}

    def set_values(self, values: dict[str, toolbox.Value]) -> None:
        """Show values; parameters that are not named stay."""
        for name, value in values.items():
            self._fields[name].set_value(value)

    @guarded
    def _changed(self, *ignored: object) -> None:
        self.changed.emit()
