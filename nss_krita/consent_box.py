"""The part of the panel that offers a download: what is to be known of it, and the consent."""

from __future__ import annotations

import html
from typing import Any

from .log import guarded
from .parts import let_shrink, tip
from .qt import QtCore, QtWidgets, Signal
from .vendored import _, consent, toolbox, wire

# What a narrow panel shows of a check box's text; the rest goes on a second line.
_LONG_QUESTION = 22
# Lines of the facts that show at once; the rest is scrolled to, so that a narrow panel keeps room.
_LINES = 12


class ConsentBox(QtWidgets.QWidget):
    """One offer, with the model that may be taken instead; hidden where there is none.

    What is to be known of it unfolds with the tick, so that it is read before Apply begins it.
    """

    changed = Signal()

    def __init__(self, switch: Any) -> None:
        """``switch`` is called with the choice of another model."""
        super().__init__()
        self._switch = switch
        self._offer: wire.Offer | None = None
        self._ticked_for = ""
        self._box = QtWidgets.QCheckBox()
        self._box.setObjectName("nss_consent")
        let_shrink(self._box)
        self._box.setToolTip(
            tip(
                _(
                    "The model is fetched once, verified and kept on this computer. Your picture "
                    "is never uploaded."
                )
            )
        )
        self._box.toggled.connect(self._toggled)
        self._facts = _Facts()
        self._other = QtWidgets.QPushButton()
        self._other.setObjectName("nss_consent_other")
        let_shrink(self._other)
        self._other.clicked.connect(self._clicked)
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        for widget in (self._box, self._facts, self._other):
            column.addWidget(widget)

    def agreed(self) -> str:
        """The model whose download is agreed to, or nothing."""
        return self._offer.model if self._offer and self._box.isChecked() else ""

    def show_offer(self, tool_id: str, offer: wire.Offer | None) -> None:
        """Show what is offered, or nothing; the consent to one model is none to another."""
        self._offer = offer
        self.setVisible(offer is not None)
        if offer is None:
            return
        if offer.model != self._ticked_for:
            self._box.setChecked(False)
            self._ticked_for = offer.model
        question = consent.question(offer)
        if len(question) > _LONG_QUESTION:
            question = "\n(".join(question.rsplit(" (", 1))
        self._box.setText(question)
        told = consent.lines(tool_id, offer, consent.hub_host())
        self._facts.tell("".join(map(paragraph, told)))
        self._unfold()
        if offer.instead is not None:
            self._other.setText("\n(".join(consent.switch(offer.instead).rsplit(" (", 1)))
            self._other.setToolTip(tip(consent.switch_help(offer.instead)))

    @guarded
    def _toggled(self, *ignored: object) -> None:
        self._unfold()
        self.changed.emit()

    def _unfold(self) -> None:
        ticked, offer = self._box.isChecked(), self._offer
        self._facts.setVisible(ticked)
        self._other.setVisible(ticked and offer is not None and offer.instead is not None)

    @guarded
    def _clicked(self, *ignored: object) -> None:
        if self._offer is not None and self._offer.instead is not None:
            self._switch({toolbox.MODEL: self._offer.instead.choice})


class _Facts(QtWidgets.QScrollArea):
    """Rich text as high as it needs, up to some lines; more is scrolled to."""

    def __init__(self) -> None:
        super().__init__()
        self._text = QtWidgets.QLabel()
        self._text.setObjectName("nss_consent_facts")
        self._text.setWordWrap(True)
        self._text.setTextFormat(QtCore.Qt.TextFormat.RichText)
        self._text.setTextInteractionFlags(QtCore.Qt.TextInteractionFlag.TextBrowserInteraction)
        self._text.setOpenExternalLinks(True)
        self._text.setAlignment(QtCore.Qt.AlignmentFlag.AlignTop)
        self.setWidget(self._text)
        self.setWidgetResizable(True)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)

    def tell(self, text: str) -> None:
        """Show ``text`` from its beginning."""
        if text == self._text.text():
            return
        self._text.setText(text)
        self.verticalScrollBar().setValue(0)
        self._fit()

    @guarded
    def resizeEvent(self, event: Any) -> None:
        """Fit the height to the width."""
        super().resizeEvent(event)
        self._fit()

    @guarded
    def _fit(self) -> None:
        most = _LINES * self._text.fontMetrics().lineSpacing()
        needed = self._text.heightForWidth(self.viewport().width())
        height = max(0, min(needed, most))
        if height != self.height():
            self.setFixedHeight(height)


def paragraph(line: consent.Line) -> str:
    """A line as rich text."""
    text = html.escape(line.text)
    if line.warning:
        text = f"<b>{text}</b>"
    if line.link:
        read = _("Read it")
        text += f' <a href="{html.escape(line.link)}">{read}</a>'
    return f'<p style="margin:0 0 3px 0">{text}</p>'
