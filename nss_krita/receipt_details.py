"""All fields of one receipt, and the words that its tool found."""

from __future__ import annotations

from typing import Any

from . import receipts
from .log import guarded
from .parts import lines_high, tip
from .qt import QtCore, QtWidgets
from .vendored import _, receipt, words

_LINES, _WORDS_LINES = 10, 6


class ReceiptDetails(QtWidgets.QWidget):
    """Shows one receipt at a time, or hides."""

    def __init__(self) -> None:
        super().__init__()
        self._words = QtWidgets.QPlainTextEdit()
        self._words.setObjectName("nss_words")
        self._words.setAccessibleName(_("Words that were found"))
        self._words.setReadOnly(True)
        self._words.setTabChangesFocus(True)
        self._words.setFixedHeight(lines_high(self._words, _WORDS_LINES))
        self._copy = QtWidgets.QPushButton(_("Copy words"))
        self._copy.setObjectName("nss_copy")
        self._copy.clicked.connect(self._copy_words)
        self._fields = QtWidgets.QTreeWidget()
        self._fields.setObjectName("nss_receipt_details")
        self._fields.setAccessibleName(_("All fields of the receipt"))
        self._fields.setHeaderHidden(True)
        self._fields.setColumnCount(2)
        self._fields.setRootIsDecorated(False)
        self._fields.setTextElideMode(QtCore.Qt.TextElideMode.ElideRight)
        self._fields.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._fields.setFixedHeight(lines_high(self._fields, _LINES))
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        for widget in (self._words, self._copy, self._fields):
            column.addWidget(widget)
        self.show_label(None)

    @property
    def spoken(self) -> tuple[Any, Any]:
        """The widgets with the words, to be brought into sight."""
        return self._copy, self._words

    def tell(self, sentence: str) -> None:
        """A failed slot has been logged."""

    def show_label(self, label: receipts.Labelled | None) -> None:
        """All of one receipt, or nothing."""
        self._fields.clear()
        self.setVisible(label is not None)
        found = words.words(label.receipt) if label is not None else ""
        self._words.setPlainText(found)
        self._words.setVisible(bool(found))
        self._copy.setVisible(bool(found))
        if label is None:
            return
        _add_fields(self._fields, {"layer": label.layer, **receipt.to_dict(label.receipt)})
        self._fields.expandAll()
        self._fields.resizeColumnToContents(0)

    @guarded
    def _copy_words(self, *ignored: object) -> None:
        QtWidgets.QApplication.clipboard().setText(self._words.toPlainText())


def _add_fields(parent: Any, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if value is None or value == {}:
            continue
        nested = isinstance(value, dict)
        title = name.replace("_", " ")
        item = QtWidgets.QTreeWidgetItem(parent, [title, "" if nested else _written(value)])
        item.setToolTip(1, "" if nested else tip(str(value)))
        if nested:
            _add_fields(item, value)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)
