"""Widgets that show, for as long as they are seen, how things stand elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from .log import guarded
from .qt import QtCore, QtWidgets

_POLL_MS = 150
_Widget: Any = QtWidgets.QWidget if TYPE_CHECKING else object


class Following(_Widget):
    """Mixed into a widget's class, before the one of Qt; ``_follow`` in its initialiser."""

    def _follow(self, poll: Callable[[], None]) -> None:
        """Have ``poll`` draw what has changed, when it is shown and often from then on."""
        self._draw = poll
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(_POLL_MS)
        self._timer.timeout.connect(self._look)

    @guarded
    def showEvent(self, event: Any) -> None:
        """Follow from now on."""
        super().showEvent(event)
        self._timer.start()
        self._draw()

    @guarded
    def hideEvent(self, event: Any) -> None:
        """Nobody looks; what goes on elsewhere goes on."""
        super().hideEvent(event)
        self._timer.stop()

    def stop(self) -> None:
        """Follow nothing any more; before Krita quits."""
        self._timer.stop()

    @guarded
    def _look(self, *ignored: object) -> None:
        self._draw()


class FollowingWindow(Following, QtWidgets.QDialog):
    """A window that is not modal."""

    def come_up(self) -> None:
        """Show it, in front; without taking Krita's input."""
        self.show()
        self.raise_()
        self.activateWindow()
