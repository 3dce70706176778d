"""Small drawings that tell a model's work from a classical algorithm's without any colour.

They are drawn in the colours of the text beside them, sharp on any screen.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from .qt import QtCore, QtGui
from .vendored import wire

# The square that all drawings are made in.
_SIDE = 16.0
_PEN = 1.5


class Sign(Enum):
    """What a row is about: a plan, or a receipt."""

    REAL = "real"
    OWN = "own"
    CLASSICAL = "classical"
    IMPOSSIBLE = "impossible"
    UNKNOWN = "unknown"


def of_path(path: str | None) -> Sign:
    """The sign of a plan's or a receipt's path; None stands for what is not possible."""
    known = {wire.REAL: Sign.REAL, wire.BYO: Sign.OWN, wire.CLASSICAL: Sign.CLASSICAL}
    return Sign.IMPOSSIBLE if path is None else known.get(path, Sign.UNKNOWN)


def icon(sign: Sign, widget: Any, side: int) -> Any:
    """The sign for rows of ``widget``, ``side`` pixels of its screen's scale wide and high."""
    made, mode, role = QtGui.QIcon(), QtGui.QIcon.Mode, QtGui.QPalette.ColorRole
    for wanted, colour in (
        (mode.Normal, role.Text),
        (mode.Selected, role.HighlightedText),
    ):
        made.addPixmap(_pixmap(sign, widget, side, widget.palette().color(colour)), wanted)
    return made


def _pixmap(sign: Sign, widget: Any, side: int, colour: Any) -> Any:
    scale = widget.devicePixelRatioF()
    pixmap = QtGui.QPixmap(round(side * scale), round(side * scale))
    pixmap.setDevicePixelRatio(scale)
    pixmap.fill(QtCore.Qt.GlobalColor.transparent)
    painter = QtGui.QPainter(pixmap)
    try:
        painter.setRenderHint(QtGui.QPainter.RenderHint.Antialiasing)
        painter.scale(side / _SIDE, side / _SIDE)
        pen = QtGui.QPen(colour, _PEN)
        pen.setCapStyle(QtCore.Qt.PenCapStyle.RoundCap)
        pen.setJoinStyle(QtCore.Qt.PenJoinStyle.RoundJoin)
        painter.setPen(pen)
        _DRAWINGS[sign](painter, colour)
    finally:
        painter.end()
    return pixmap


def _star(painter: Any, colour: Any) -> None:
    """A filled star of four points."""
    path = QtGui.QPainterPath(QtCore.QPointF(8, 1.5))
    for x, y in ((14.5, 8), (8, 14.5), (1.5, 8), (8, 1.5)):
        path.quadTo(QtCore.QPointF(8, 8), QtCore.QPointF(x, y))
    painter.setBrush(colour)
    painter.drawPath(path)


def _own_star(painter: Any, colour: Any) -> None:
    """The star with a ring around it."""
    painter.drawEllipse(QtCore.QRectF(1, 1, 14, 14))
    painter.translate(3.2, 3.2)
    painter.scale(0.6, 0.6)
    _star(painter, colour)


def _curve(painter: Any, colour: Any) -> None:
    """A curve over two axes."""
    painter.drawPolyline(_points((2, 2), (2, 14), (14, 14)))
    path = QtGui.QPainterPath(QtCore.QPointF(2.5, 13))
    path.cubicTo(QtCore.QPointF(9, 13), QtCore.QPointF(6, 3.5), QtCore.QPointF(13.5, 3.5))
    painter.drawPath(path)


def _crossed(painter: Any, colour: Any) -> None:
    """A circle with a stroke through it."""
    painter.drawEllipse(QtCore.QRectF(2, 2, 12, 12))
    painter.drawPolyline(_points((3.8, 12.2), (12.2, 3.8)))


def _dots(painter: Any, colour: Any) -> None:
    """Three dots: nobody knows yet."""
    painter.setBrush(colour)
    for x in (3, 8, 13):
        painter.drawEllipse(QtCore.QPointF(x, 8), 0.6, 0.6)


def _points(*places: tuple[float, float]) -> Any:
    return QtGui.QPolygonF([QtCore.QPointF(*place) for place in places])


_DRAWINGS: dict[Sign, Callable[[Any, Any], None]] = {
    Sign.REAL: _star,
    Sign.OWN: _own_star,
    Sign.CLASSICAL: _curve,
    Sign.IMPOSSIBLE: _crossed,
    Sign.UNKNOWN: _dots,
}
