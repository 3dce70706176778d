"""The part of the panel that says what the chosen tool would do, and what would do it better."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .consent_box import ConsentBox
from .parts import let_shrink, tip, wrapped
from .qt import QtWidgets, Signal
from .vendored import _, wire


class PlanBox(QtWidgets.QFrame):
    """The layer, the plan's sentence, the consent to a download, and the real model's button."""

    # The user wants the real model whatever the plan says.
    insisted = Signal()
    consented = Signal()

    def __init__(self, set_values: Callable[[dict[str, Any]], None]) -> None:
        """``set_values`` is called with the choice of another model."""
        super().__init__()
        self.setFrameShape(QtWidgets.QFrame.Shape.StyledPanel)
        self.setAccessibleName(_("Plan"))
        column = QtWidgets.QVBoxLayout(self)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        self._layer = wrapped("nss_layer")
        self._text = wrapped("nss_plan")
        self._consent = ConsentBox(set_values)
        self._consent.changed.connect(self.consented)
        self._insist = QtWidgets.QPushButton()
        self._insist.setObjectName("nss_insist")
        self._insist.setToolTip(
            tip(_("Runs the real model although it would exceed a limit; the receipt tells it."))
        )
        let_shrink(self._insist)
        self._insist.clicked.connect(lambda *ignored: self.insisted.emit())
        for widget in (self._layer, self._text, self._consent, self._insist):
            column.addWidget(widget)
        self.show_text("")

    def agreed(self) -> str:
        """The model whose download is agreed to, or nothing."""
        return self._consent.agreed()

    def show_layer(self, text: str) -> None:
        """What the plan is about."""
        self._layer.setText(text)

    def show_text(self, text: str) -> None:
        """A sentence in place of a plan."""
        self._text.setText(text)
        self._consent.show_offer("", None)
        self._insist.setVisible(False)

    def show_plan(self, tool_id: str, plan: wire.Plan) -> None:
        """A plan, with what it offers."""
        self._text.setText(plan.sentence())
        self._consent.show_offer(tool_id, plan.offer)
        self._insist.setVisible(bool(plan.insist))
        self._insist.setText(plan.insist)

    def enable(self, on: bool) -> None:
        """Whether something can be begun."""
        self._insist.setEnabled(on)
