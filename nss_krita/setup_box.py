"""The part of the panel that guides through setting up the worker, and later repairs or removes it.

It shows what the bridge's guide says; one guide serves the panels of all windows.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from . import vendored
from .following import Following
from .log import guarded
from .parts import tip, wrapped
from .qt import QtWidgets, Signal
from .vendored import _

if TYPE_CHECKING:
    from shared_core.bridge.setup import guide
else:
    guide = vendored.guide()

_STEPS = 1000
_LOG_HEIGHT = 110


class SetupBox(Following, QtWidgets.QGroupBox):
    """Made when the worker is not usable, or when the user asks for it."""

    # The worker has become usable, or is no more; with what there is to say of it.
    changed = Signal(str)

    def __init__(self, shared: guide.Guide) -> None:
        super().__init__()
        self.setObjectName("nss_setup")
        self._guide = shared
        self._view: guide.View | None = None
        self._was_usable = shared.usable
        self._doing = wrapped("nss_setup_doing")
        self._text = wrapped("nss_setup_text")
        self._said = wrapped("nss_setup_said")
        self._bar = QtWidgets.QProgressBar()
        self._bar.setObjectName("nss_setup_progress")
        self._bar.setRange(0, _STEPS)
        self._bar.setTextVisible(False)
        self._bar.setMaximumHeight(10)
        self._buttons = QtWidgets.QGridLayout()
        self._show_log = QtWidgets.QCheckBox(_("Show the log"))
        self._show_log.setObjectName("nss_setup_show_log")
        self._show_log.toggled.connect(self._log_toggled)
        self._log = QtWidgets.QPlainTextEdit()
        self._log.setObjectName("nss_setup_log")
        self._log.setReadOnly(True)
        self._log.setFixedHeight(_LOG_HEIGHT)
        self._log.setVisible(False)
        column = QtWidgets.QVBoxLayout(self)
        # What one presses comes first: panels are low, and the explanation is long.
        for widget in (self._said, self._doing, self._bar):
            column.addWidget(widget)
        column.addLayout(self._buttons)
        for widget in (self._text, self._show_log, self._log):
            column.addWidget(widget)
        self._follow(self._poll)

    def tell(self, sentence: str) -> None:
        """Where a failed slot's sentence goes."""
        self._said.setText(sentence)
        self._said.setVisible(True)

    @guarded
    def _poll(self, *ignored: object) -> None:
        view = self._guide.poll()
        before, self._view = self._view, view
        if view == before:
            return
        self.setTitle(view.title)
        working = view.share is not None
        (self._doing if working else self._text).setText(view.text)
        self._doing.setVisible(working)
        self._text.setVisible(not working)
        self._said.setText(view.said)
        self._said.setVisible(bool(view.said))
        self._bar.setVisible(working)
        self._bar.setValue(round((view.share or 0.0) * _STEPS))
        if before is None or view.actions != before.actions:
            self._show_actions(view)
        if self._log.isVisible():
            self._fill_log()
        if view.usable != self._was_usable:
            self._was_usable = view.usable
            if view.usable:
                # The panel is for the tools now.
                self.setVisible(False)
            self.changed.emit(view.said)

    def _show_actions(self, view: guide.View) -> None:
        while self._buttons.count():
            old = self._buttons.takeAt(0).widget()
            old.hide()
            old.deleteLater()
        actions = view.actions
        if view.usable and view.share is None:
            actions = (
                *actions,
                guide.Action("close", _("Close"), _("Hides this; nothing changes.")),
            )
        for place, action in enumerate(actions):
            button = QtWidgets.QPushButton(action.label)
            button.setObjectName(f"nss_setup_{action.id}")
            button.setToolTip(tip(action.help))
            policy = QtWidgets.QSizePolicy.Policy
            button.setSizePolicy(policy.Ignored, policy.Fixed)
            button.clicked.connect(lambda *ignored, chosen=action: self._clicked(chosen))
            # The first one across, the others beside each other.
            if place == 0:
                self._buttons.addWidget(button, 0, 0, 1, 2)
            else:
                self._buttons.addWidget(button, (place + 1) // 2, (place - 1) % 2)

    @guarded
    def _clicked(self, action: guide.Action) -> None:
        if action.id == "close":
            self.setVisible(False)
            return
        folder: Path | None = None
        if action.asks_folder:
            chosen = QtWidgets.QFileDialog.getExistingDirectory(self, action.label)
            if not chosen:
                return
            folder = Path(str(chosen))
        elif action.id == guide.REMOVE and not self._agreed(action):
            return
        self._guide.begin(action.id, folder)
        self._poll()

    def _agreed(self, action: guide.Action) -> bool:
        buttons = QtWidgets.QMessageBox.StandardButton
        answer = QtWidgets.QMessageBox.question(
            self, "NSS", action.help, buttons.Yes | buttons.No, buttons.No
        )
        return bool(answer == buttons.Yes)

    @guarded
    def _log_toggled(self, on: bool) -> None:
        self._log.setVisible(on)
        if on:
            self._fill_log()

    def _fill_log(self) -> None:
        self._log.setPlainText(self._guide.log())
        bar = self._log.verticalScrollBar()
        bar.setValue(bar.maximum())
