"""The part of the panel that begins a run, shows how far it has come, and cancels it."""

from __future__ import annotations

from typing import Any

from .log import guarded
from .parts import tip, wrapped
from .qt import QtWidgets, Signal
from .runner import Step
from .vendored import _

_STEPS = 1000


class RunBar(QtWidgets.QWidget):
    """Apply and Cancel, a bar, and a sentence on what goes on or came of it."""

    wanted = Signal()
    unwanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._bar = QtWidgets.QProgressBar()
        self._bar.setObjectName("nss_progress")
        self._bar.setAccessibleName(_("Progress"))
        self._bar.setTextVisible(False)
        self._bar.setMaximumHeight(self.fontMetrics().height() // 2 + 2)
        self._status = wrapped("nss_status")
        self._status.setVisible(False)
        self._apply = QtWidgets.QPushButton(_("Apply"))
        self._apply.setObjectName("nss_apply")
        self._apply.setAutoDefault(True)
        self._apply.clicked.connect(lambda *ignored: self.wanted.emit())
        self._cancel = QtWidgets.QPushButton(_("Cancel"))
        self._cancel.setObjectName("nss_cancel")
        self._cancel.setToolTip(tip(_("Stops the run; the picture stays as it is.")))
        self._cancel.clicked.connect(self._cancel_clicked)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self._apply, 1)
        row.addWidget(self._cancel)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self._bar, self._status):
            column.addWidget(widget)
        column.addLayout(row)

    def say(self, sentence: str) -> None:
        """What goes on, or came of it."""
        self._status.setText(sentence)
        self._status.setVisible(bool(sentence))

    def label(self, words: str, help_text: str) -> None:
        """What Apply does now."""
        self._apply.setText(words)
        self._apply.setToolTip(tip(help_text))

    def enable(self, able: bool, busy: bool) -> None:
        """Whether something can be begun, and whether something runs."""
        self._apply.setEnabled(able and not busy)
        self._cancel.setEnabled(busy)
        if busy and not self._bar.isVisible():
            self._bar.setRange(0, 0)
        self._bar.setVisible(busy)

    def show_step(self, step: Step) -> None:
        """How far it has come."""
        if step.share is None:
            self._bar.setRange(0, 0)
        else:
            self._bar.setRange(0, _STEPS)
            self._bar.setValue(round(step.share * _STEPS))
        self.say(step.sentence)

    def focus(self, reason: Any) -> None:
        """Have Return begin it."""
        self._apply.setFocus(reason)

    @guarded
    def _cancel_clicked(self, *ignored: object) -> None:
        self.say(_("Cancelling …"))
        self.unwanted.emit()
