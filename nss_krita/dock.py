"""The panel's frame, which Krita makes at its start; what is in it waits until it is first seen."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from krita import DockWidget

from .log import guarded
from .qt import QtCore, QtWidgets

if TYPE_CHECKING:
    from .docker import NssPanel

DOCKER_ID = "nss_docker"


class NssDock(DockWidget):
    """One for each of Krita's windows."""

    def __init__(self, make: Callable[[NssDock], NssPanel]) -> None:
        super().__init__()
        self._make = make
        self._panel: Any = None
        self.setWindowTitle("NSS")
        # Krita asks for the size of what is in it.
        self.setWidget(QtWidgets.QWidget())
        self.visibilityChanged.connect(self._seen)

    @guarded
    def canvasChanged(self, canvas: Any) -> None:
        """Krita switched to another document or view."""
        if self._panel is not None:
            self._panel.look_soon()

    def panel(self) -> NssPanel:
        """What is in it."""
        if self._panel is None:
            self._panel = self._make(self)
            self.setWidget(self._panel)
        made: NssPanel = self._panel
        return made

    def tell(self, sentence: str) -> None:
        """Why there is nothing in it."""
        label = QtWidgets.QLabel(sentence)
        label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        label.setWordWrap(True)
        self.setWidget(label)

    def stop(self) -> None:
        """Before Krita quits."""
        if self._panel is not None:
            self._panel.stop()

    @guarded
    def _seen(self, *ignored: object) -> None:
        if self._panel is None and self.isVisible():
            self.panel()
