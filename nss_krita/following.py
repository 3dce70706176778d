"""A window that is not modal and shows, for as long as it is seen, how things stand elsewhere."""

from __future__ import annotations

from typing import Any

from .qt import QtCore, QtWidgets

_POLL_MS = 150


class FollowingWindow(QtWidgets.QDialog):
    """Whoever draws it fills in ``_poll``."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._poll)

    def come_up(self) -> None:
        """Show it, in front; without taking Krita's input."""
        self.show()
        self.raise_()
        self.activateWindow()

    def showEvent(self, event: Any) -> None:
        """Follow from now on."""
        super().showEvent(event)
        self._timer.start()
        self._poll()

    def hideEvent(self, event: Any) -> None:
        """Nobody looks."""
        super().hideEvent(event)
        self._timer.stop()

    def stop(self) -> None:
        """Follow nothing any more; before Krita quits."""
        self._timer.stop()

    def _poll(self) -> None:
        """Draw what has changed."""
        raise NotImplementedError
