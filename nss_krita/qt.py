"""The only choice between PyQt5 and PyQt6: Krita 5.3 and later say which, Krita 5.2 has PyQt5.

Trying one and falling back to the other would load a second Qt into Krita 5.2 where both are
installed, and crash it.
"""

from __future__ import annotations

from collections.abc import Iterable
from importlib import import_module
from typing import Any

import pykrita

MAJOR: int = pykrita.qt_major_version() if hasattr(pykrita, "qt_major_version") else 5

_BINDING = "PyQt6" if MAJOR >= 6 else "PyQt5"
QtCore: Any = import_module(f"{_BINDING}.QtCore")
QtGui: Any = import_module(f"{_BINDING}.QtGui")
QtWidgets: Any = import_module(f"{_BINDING}.QtWidgets")
_sip: Any = import_module(f"{_BINDING}.sip")

Signal: Any = QtCore.pyqtSignal

__all__ = ["MAJOR", "QtCore", "QtGui", "QtWidgets", "Signal", "owned"]


def owned(objects: Iterable[Any] | None) -> list[Any]:
    """What Krita returns as a list, given to Python so that the wrappers are freed again."""
    found = list(objects or ())
    for item in found:
        _sip.transferback(item)
    return found
