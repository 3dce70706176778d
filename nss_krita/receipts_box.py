"""The part of the panel that shows a document's receipts, and the words that tools found."""

from __future__ import annotations

from typing import Any

from . import receipts
from .log import guarded
from .qt import QtCore, QtWidgets
from .vendored import receipt, words


class ReceiptsBox(QtWidgets.QGroupBox):
    """The receipts of one document, the newest first, and all fields of the one that is picked."""

    def __init__(self) -> None:
        super().__init__("Receipts of this document")
        # None: they have to be looked at anew.
        self._shown: tuple[str, ...] | None = None
        self._own_of: tuple[object, ...] = ()
        self._labels: list[receipts.Labelled] = []
        self._own = wrapped("nss_layer_receipt")
        self._list = QtWidgets.QListWidget()
        self._list.setObjectName("nss_receipts")
        self._list.setWordWrap(True)
        self._list.setFixedHeight(84)
        self._list.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.currentRowChanged.connect(self._show_details)
        self._words = QtWidgets.QPlainTextEdit()
        self._words.setObjectName("nss_words")
        self._words.setReadOnly(True)
        self._words.setFixedHeight(110)
        self._copy = QtWidgets.QPushButton("Copy words")
        self._copy.setObjectName("nss_copy")
        self._copy.clicked.connect(self._copy_words)
        self._details = QtWidgets.QTreeWidget()
        self._details.setObjectName("nss_receipt_details")
        self._details.setHeaderHidden(True)
        self._details.setColumnCount(2)
        self._details.setRootIsDecorated(False)
        self._details.setFixedHeight(180)
        column = QtWidgets.QVBoxLayout(self)
        for widget in (self._own, self._list, self._words, self._copy, self._details):
            column.addWidget(widget)
        self._show_details(-1)

    def tell(self, sentence: str) -> None:
        """Where a failed slot's sentence goes."""
        self._own.setText(sentence)

    def look_again(self) -> None:
        """Forget what is shown: a receipt may have been written over."""
        self._shown = None

    def show_document(self, document: Any) -> None:
        """Show the receipts of a document, or of none."""
        found = receipts.present(document) if document is not None else ()
        if found == self._shown:
            return
        self._shown = found
        self._labels = receipts.of_document(document) if document is not None else []
        self._list.clear()
        for label in self._labels:
            item = QtWidgets.QListWidgetItem(receipt.sentence(label.receipt))
            item.setToolTip(label.layer)
            self._list.addItem(item)
        self._show_details(-1)

    def show_layer(self, document: Any, node: Any) -> None:
        """Say what made the pixels of one layer; looked at once for each layer and receipts."""
        place = document.rootNode().uniqueId().toString(), node.uniqueId().toString(), self._shown
        if place == self._own_of:
            return
        self._own_of = place
        label = receipts.of_layer(document, node)
        text = "no receipt."
        if label is not None:
            changed = "" if receipts.untouched(node, label) else " Changed since."
            text = receipt.sentence(label.receipt) + changed
        self._own.setText(f"“{node.name()}”: {text}")

    def pick(self, wanted: receipt.Receipt) -> Any:
        """Show all of one receipt; the widgets with its words, to be brought into sight."""
        rows = [row for row, label in enumerate(self._labels) if label.receipt == wanted]
        self._list.setCurrentRow(rows[0] if rows else 0)
        return self._copy, self._words

    @guarded
    def _show_details(self, row: int) -> None:
        self._details.clear()
        shown = 0 <= row < len(self._labels)
        found = words.words(self._labels[row].receipt) if shown else ""
        self._words.setPlainText(found)
        self._words.setVisible(bool(found))
        self._copy.setVisible(bool(found))
        self._details.setVisible(shown)
        if not shown:
            return
        label = self._labels[row]
        _add_fields(self._details, {"layer": label.layer, **receipt.to_dict(label.receipt)})
        self._details.expandAll()
        self._details.resizeColumnToContents(0)

    @guarded
    def _copy_words(self, *_: object) -> None:
        QtWidgets.QApplication.clipboard().setText(self._words.toPlainText())


def wrapped(name: str) -> Any:
    """A label of several lines whose text can be selected."""
    label = QtWidgets.QLabel()
    label.setObjectName(name)
    label.setWordWrap(True)
    label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
    label.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextSelectableByMouse)
    return label


def _add_fields(parent: Any, fields: dict[str, Any]) -> None:
    for name, value in fields.items():
        if value is None or value == {}:
            continue
        nested = isinstance(value, dict)
        title = name.replace("_", " ")
        item = QtWidgets.QTreeWidgetItem(parent, [title, "" if nested else _written(value)])
        item.setToolTip(1, "" if nested else str(value))
        if nested:
            _add_fields(item, value)


def _written(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.3g}"
    return str(value)
