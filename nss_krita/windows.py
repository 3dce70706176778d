"""The windows that a panel opens beside it: the models, and a model of the user's own."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

from . import placing
from .log import guarded
from .qt import QtCore, Signal
from .runner import NAME
from .vendored import paths, shop_own
from .whereabouts import Whereabouts


class Windows(QtCore.QObject):
    """Each is made when it is first wanted."""

    # A tool's plan may be another one now.
    changed = Signal()

    def __init__(self, places: paths.Paths, where: Whereabouts, counter: Callable[[], Any]) -> None:
        super().__init__()
        self._paths = places
        self._where = where
        self._counter = counter
        self._models: Any = None
        self._own: Any = None

    def open_models(self) -> None:
        """Show the window of the models."""
        if self._models is None:
            from .models_window import ModelsWindow

            self._models = ModelsWindow(self._counter(), self._where.window().qwindow())
            self._models.changed.connect(self.changed)
            self._models.own_wanted.connect(self.open_own)
        self._models.come_up()

    @guarded
    def open_own(self) -> None:
        """Show the window in which a model of the user's own is added."""
        if self._own is None:
            from .own_window import OwnWindow

            own, _views = shop_own()
            desk = own.Desk(self._paths, NAME, placing.version(), self._counter().look)
            self._own = OwnWindow(desk, self._where.window().qwindow())
        self._own.come_up()

    def stop(self) -> None:
        """Follow nothing any more; before Krita quits. The windows may be gone by then."""
        for window in (self._own, self._models):
            with contextlib.suppress(RuntimeError):
                if window is not None:
                    window.stop()
