"""Widgets that several parts of the panel are made of; all of them bear being narrow."""

from __future__ import annotations

import html
from typing import Any

from .log import guarded
from .qt import QtCore, QtWidgets, Signal


def wrapped(name: str) -> Any:
    """A label of several lines whose text can be selected."""
    label = QtWidgets.QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    # A hash has no place where a line could break.
    label.setMinimumWidth(1)
    label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def tip(text: str) -> str:
    """A tooltip that is broken into lines.

    Names of layers, files and models are no markup: a picture's address in one would be opened,
    whatever file that is.
    """
    return f"<p>{html.escape(text, quote=False)}</p>" if text else ""


def let_shrink(widget: Any) -> None:
    """Keep a long text from widening the panel."""
    policy = QtWidgets.QSizePolicy.Policy
    widget.setSizePolicy(policy.Ignored, policy.Fixed)


def lines_high(widget: Any, lines: int) -> int:
    """The height of so many lines of a widget's text, with its frame."""
    return int(lines * widget.fontMetrics().lineSpacing() + 12)


def align(*forms: Any) -> None:
    """Give the labels of forms that stand below each other one width, so that fields line up."""
    role = QtWidgets.QFormLayout.ItemRole.LabelRole
    items = [form.itemAt(row, role) for form in forms for row in range(form.rowCount())]
    labels = [item.widget() for item in items if item is not None]
    widest = max((label.sizeHint().width() for label in labels), default=0)
    for label in labels:
        label.setMinimumWidth(widest)


class Fold(QtWidgets.QToolButton):
    """One line with an arrow, cut short where it is too long, that shows and hides ``body``."""

    unfolded = Signal(bool)

    def __init__(self, name: str, body: Any) -> None:
        super().__init__()
        self.setObjectName(name)
        self._body = body
        self._words = ""
        self.setCheckable(True)
        self.setAutoRaise(True)
        self.setToolButtonStyle(QtCore.Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        # A tool button takes no part in the tab order by itself.
        self.setFocusPolicy(QtCore.Qt.FocusPolicy.StrongFocus)
        let_shrink(self)
        self.toggled.connect(self._fold)
        self._fold(False)

    def say(self, words: str) -> None:
        """Show these words, as much of them as there is room for."""
        self._words = words
        self.setAccessibleName(words)
        self._cut()

    def words(self) -> str:
        """All of the words, however many are shown."""
        return self._words

    def tell(self, sentence: str) -> None:
        """A failed slot has been logged; the words stay as they are."""

    @guarded
    def resizeEvent(self, event: Any) -> None:
        """Cut the words anew."""
        super().resizeEvent(event)
        self._cut()

    @guarded
    def changeEvent(self, event: Any) -> None:
        """The arrow points the way the text runs."""
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.LayoutDirectionChange:
            self._fold(self.isChecked())

    def _cut(self) -> None:
        option = QtWidgets.QStyleOptionToolButton()
        self.initStyleOption(option)
        room = self.width() - option.iconSize.width() - self.fontMetrics().height()
        elide = QtCore.Qt.TextElideMode.ElideRight
        # An ampersand would be taken for the sign before a shortcut's letter.
        shown = self.fontMetrics().elidedText(self._words, elide, max(0, room))
        self.setText(shown.replace("&", "&&"))

    @guarded
    def _fold(self, open_: bool) -> None:
        arrow = QtCore.Qt.ArrowType
        right_to_left = self.layoutDirection() == QtCore.Qt.LayoutDirection.RightToLeft
        closed = arrow.LeftArrow if right_to_left else arrow.RightArrow
        self.setArrowType(arrow.DownArrow if open_ else closed)
        self._body.setVisible(open_)
        self.unfolded.emit(open_)
