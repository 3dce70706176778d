"""The part of the panel that says in one line what this machine is good for; more on a click."""

from __future__ import annotations

from .parts import Fold, lines_high, tip
from .qt import QtWidgets, Signal
from .vendored import _, wire

_LOOKING = _("Looking at this machine …")
_NOT_MEASURED = _("This machine is being measured …")
_LINES = 9


class MachineLine(QtWidgets.QWidget):
    """Tier, device and why; unfolded all that was measured, and the way to the models."""

    models_wanted = Signal()

    def __init__(self) -> None:
        super().__init__()
        self._body = QtWidgets.QPlainTextEdit()
        self._body.setObjectName("nss_machine_details")
        self._body.setAccessibleName(_("This machine in detail"))
        self._body.setReadOnly(True)
        self._body.setTabChangesFocus(True)
        self._body.setFixedHeight(lines_high(self._body, _LINES))
        self._title = Fold("nss_machine", self._body)
        models = QtWidgets.QPushButton(_("Models…"))
        models.setObjectName("nss_open_models")
        models.setToolTip(tip(_("Which models there are, what is here, and what it takes.")))
        models.clicked.connect(lambda *ignored: self.models_wanted.emit())
        line = QtWidgets.QHBoxLayout()
        line.setSpacing(2)
        line.addWidget(self._title, 1)
        line.addWidget(models)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(2)
        column.addLayout(line)
        column.addWidget(self._body)
        self.show_machine(None)

    def show_machine(self, told: wire.DoctorReply | None) -> None:
        """Show what the worker knows of the machine; None while it was not asked."""
        if told is None:
            words, details = _LOOKING, ""
        elif told.profile is None:
            words, details = _NOT_MEASURED, ""
        else:
            words, details = told.line, told.report
        self._title.say(words)
        self._title.setToolTip(tip(words))
        self._body.setPlainText(details or words)
