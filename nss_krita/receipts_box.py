"""The part of the panel that shows a document's receipts, and what can be done with one."""

from __future__ import annotations

from typing import Any

from . import receipts, signs
from .log import guarded
from .parts import let_shrink, tip, wrapped
from .qt import QtCore, QtWidgets, Signal
from .receipt_details import ReceiptDetails
from .vendored import _, receipt, wire

_MOST_ROWS = 5
_GONE = _("The layer that it was made from is not there any more, or not known.")


class ReceiptsBox(QtWidgets.QGroupBox):
    """The receipts of one document, the newest first, and all fields of the one that is picked."""

    # Each with the receipt that is picked.
    layer_wanted = Signal(object)
    again = Signal(object)
    real_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__(_("History of this picture"))
        # None: they have to be looked at anew.
        self._shown: tuple[str, ...] | None = None
        self._own_of: tuple[object, ...] = ()
        self._labels: list[receipts.Labelled] = []
        self._own = wrapped("nss_layer_receipt")
        self._list = QtWidgets.QListWidget()
        self._list.setObjectName("nss_receipts")
        self._list.setAccessibleName(_("Receipts of this picture, the newest first"))
        self._list.setTextElideMode(QtCore.Qt.TextElideMode.ElideRight)
        self._list.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._list.currentRowChanged.connect(self._show_details)
        self._buttons = self._build_buttons()
        self._details = ReceiptDetails()
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        for widget in (self._own, self._list, self._buttons, self._details):
            column.addWidget(widget)
        self._show_details(-1)

    def _build_buttons(self) -> Any:
        self._layer = self._button(
            "layer", _("Select Layer"), _("Selects the layer that this receipt is about.")
        )
        self._again = self._button(
            "again",
            _("Run Again"),
            _(
                "The same tool with the same parameters on the layer that it was made from, with "
                "the selection as it is now. The result is another layer."
            ),
        )
        self._real = self._button(
            "real",
            _("Retry with the Real Model"),
            _(
                "The same once more by a real model; where none can run yet, the plan says what it "
                "takes."
            ),
        )
        self._layer.clicked.connect(lambda *ignored: self.layer_wanted.emit(self._picked()))
        self._again.clicked.connect(lambda *ignored: self.again.emit(self._picked()))
        self._real.clicked.connect(lambda *ignored: self.real_wanted.emit(self._picked()))
        box = QtWidgets.QWidget()
        grid = QtWidgets.QGridLayout(box)
        grid.setContentsMargins(0, 0, 0, 0)
        grid.setSpacing(4)
        grid.addWidget(self._layer, 0, 0)
        grid.addWidget(self._again, 0, 1)
        grid.addWidget(self._real, 1, 0, 1, 2)
        return box

    @staticmethod
    def _button(name: str, words: str, help_text: str) -> Any:
        button = QtWidgets.QPushButton(words)
        button.setObjectName(f"nss_receipt_{name}")
        button.setToolTip(tip(help_text))
        let_shrink(button)
        return button

    def tell(self, sentence: str) -> None:
        """Where a failed slot's sentence goes."""
        self._own.setText(sentence)

    def look_again(self) -> None:
        """Forget what is shown: a receipt may have been written over."""
        self._shown = None

    @guarded
    def changeEvent(self, event: Any) -> None:
        """Krita's theme has changed."""
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.PaletteChange:
            QtCore.QTimer.singleShot(0, self._draw_signs)

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
            item.setToolTip(tip(receipt.sentence(label.receipt)) + tip(label.layer))
            self._list.addItem(item)
        self._draw_signs()
        rows = min(_MOST_ROWS, max(1, len(self._labels)))
        self._list.setFixedHeight(rows * self._list.sizeHintForRow(0) + 2 * self._list.frameWidth())
        self.setVisible(bool(self._labels))
        self._show_details(-1)

    def show_layer(self, document: Any, node: Any) -> None:
        """Say what made the pixels of one layer; looked at once for each layer and receipts."""
        place = document.rootNode().uniqueId().toString(), node.uniqueId().toString(), self._shown
        if place == self._own_of:
            return
        self._own_of = place
        label = receipts.of_layer(document, node)
        text: str = _("no receipt.")
        if label is not None:
            text = receipt.sentence(label.receipt)
            if not receipts.untouched(node, label):
                text += " " + _("Changed since.")
        self._own.setText(_("“{name}”: {text}", name=node.name(), text=text))

    def pick(self, wanted: receipt.Receipt) -> Any:
        """Show all of one receipt; the widgets with its words, to be brought into sight."""
        rows = [row for row, label in enumerate(self._labels) if label.receipt == wanted]
        self._list.setCurrentRow(rows[0] if rows else 0)
        return self._details.spoken

    def _picked(self) -> receipts.Labelled | None:
        row = self._list.currentRow()
        return self._labels[row] if 0 <= row < len(self._labels) else None

    @guarded
    def _show_details(self, row: int) -> None:
        label = self._labels[row] if 0 <= row < len(self._labels) else None
        self._details.show_label(label)
        self._buttons.setVisible(label is not None)
        if label is None:
            return
        for button in (self._again, self._real):
            button.setEnabled(bool(label.source))
            kept = str(button.toolTip()).partition(tip(_GONE))[0]
            button.setToolTip(kept if label.source else kept + tip(_GONE))
        self._real.setVisible(label.receipt.path == wire.CLASSICAL)

    @guarded
    def _draw_signs(self) -> None:
        side = self._list.fontMetrics().ascent()
        self._list.setIconSize(QtCore.QSize(side, side))
        for row, label in enumerate(self._labels):
            sign = signs.of_path(label.receipt.path)
            self._list.item(row).setIcon(signs.icon(sign, self._list, side))
