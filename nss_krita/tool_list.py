"""The part of the panel that lists all tools, each with its plan for the active layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from . import signs
from .log import LOG, guarded
from .parts import tip
from .qt import QtCore, QtGui, QtWidgets, Signal
from .signs import Sign
from .vendored import _, toolbox, wire

_WAITING = "…"
# What the titles may take of a narrow list; the plans' first word is to be seen in any case.
_TITLES_SHARE = 0.64


@dataclass(frozen=True)
class Shown:
    """What stands beside a tool; ``able``: whether the layer can be used for it."""

    sign: Sign
    words: str
    told: str
    able: bool = True


class ToolList(QtWidgets.QTreeWidget):
    """All tools at once: nothing is scrolled, and long plans are cut short with a tooltip."""

    picked = Signal()
    # Return was pressed on a tool.
    confirmed = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("nss_tool")
        self.setAccessibleName(_("Tools, each with its plan for the active layer"))
        self.setColumnCount(2)
        self.setHeaderHidden(True)
        self.setRootIsDecorated(False)
        self.setUniformRowHeights(True)
        self.setAllColumnsShowFocus(True)
        self.setTabKeyNavigation(False)
        self.setTextElideMode(QtCore.Qt.TextElideMode.ElideRight)
        off = QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff
        self.setHorizontalScrollBarPolicy(off)
        self.setVerticalScrollBarPolicy(off)
        self._shown: dict[str, Shown] = {}
        self._items: dict[str, Any] = {}
        for tool in toolbox.TOOLS:
            item = QtWidgets.QTreeWidgetItem(self, [tool.title, ""])
            item.setData(0, QtCore.Qt.ItemDataRole.UserRole, tool.id)
            item.setToolTip(0, tip(tool.help))
            self._items[tool.id] = item
        header = self.header()
        header.setMinimumSectionSize(1)
        header.setStretchLastSection(False)
        self.setCurrentItem(self._items[toolbox.TOOLS[0].id])
        self.show_nothing()
        self.currentItemChanged.connect(self._chosen)

    def currentData(self) -> str:
        """The id of the chosen tool."""
        return str(self.currentItem().data(0, QtCore.Qt.ItemDataRole.UserRole))

    def pick(self, tool_id: str) -> None:
        """Choose a tool."""
        self.setCurrentItem(self._items[tool_id])

    def shown(self, tool_id: str) -> Shown:
        """What stands beside a tool."""
        return self._shown[tool_id]

    def show_plan(self, tool_id: str, plan: wire.Plan) -> None:
        """The plan of a tool."""
        self._show(tool_id, Shown(signs.of_path(plan.path), plan.brief(), plan.sentence()))

    def show_reason(self, tool_id: str, sentence: str, able: bool = False) -> None:
        """Why there is no plan; ``able``: the layer itself could be used."""
        words = _("not possible · {sentence}", sentence=sentence)
        self._show(tool_id, Shown(Sign.IMPOSSIBLE, words, sentence, able))

    def show_waiting(self, tool_id: str) -> None:
        """Nobody knows yet; what was known of the same layer stays meanwhile, without a flicker."""
        if not self._shown[tool_id].words:
            self._show(tool_id, Shown(Sign.UNKNOWN, _WAITING, ""))

    def show_nothing(self) -> None:
        """There is nothing that a tool could be used on."""
        for tool_id in self._items:
            self._show(tool_id, Shown(Sign.UNKNOWN, "", ""))

    def tell(self, sentence: str) -> None:
        """A failed slot has been logged."""
        LOG.error("%s", sentence)

    @guarded
    def changeEvent(self, event: Any) -> None:
        """Krita's theme or font has changed."""
        super().changeEvent(event)
        kinds = QtCore.QEvent.Type
        if event.type() in (kinds.PaletteChange, kinds.FontChange, kinds.StyleChange):
            QtCore.QTimer.singleShot(0, self._draw_all)

    @guarded
    def keyPressEvent(self, event: Any) -> None:
        """Return confirms; some desktops have a single click do that too."""
        if event.key() in (QtCore.Qt.Key.Key_Return, QtCore.Qt.Key.Key_Enter):
            self.confirmed.emit()
            return
        super().keyPressEvent(event)

    @guarded
    def showEvent(self, event: Any) -> None:
        """The height of a row is known now."""
        super().showEvent(event)
        self._fit()

    @guarded
    def resizeEvent(self, event: Any) -> None:
        """The plans get what the titles leave."""
        super().resizeEvent(event)
        self._share()

    @guarded
    def _chosen(self, *ignored: object) -> None:
        self.picked.emit()

    def _show(self, tool_id: str, shown: Shown) -> None:
        if self._shown.get(tool_id) != shown:
            self._shown[tool_id] = shown
            self._draw(tool_id)

    def _draw(self, tool_id: str) -> None:
        shown, item = self._shown[tool_id], self._items[tool_id]
        item.setIcon(0, signs.icon(shown.sign, self, self._icon_side()))
        item.setText(1, shown.words)
        item.setToolTip(1, tip(shown.told))
        group = QtGui.QPalette.ColorGroup
        colour = self.palette().color(
            group.Active if shown.able else group.Disabled, QtGui.QPalette.ColorRole.Text
        )
        for column in (0, 1):
            item.setForeground(column, colour)

    @guarded
    def _draw_all(self) -> None:
        for tool_id in self._shown:
            self._draw(tool_id)
        self._fit()

    def _icon_side(self) -> int:
        return int(self.fontMetrics().ascent())

    def _fit(self) -> None:
        side = self._icon_side()
        self.setIconSize(QtCore.QSize(side, side))
        rows = self.sizeHintForRow(0) * self.topLevelItemCount()
        self.setFixedHeight(rows + 2 * self.frameWidth())
        self._share()

    def _share(self) -> None:
        whole = self.viewport().width()
        titles = max(1, min(self.sizeHintForColumn(0), int(whole * _TITLES_SHARE)))
        self.setColumnWidth(0, titles)
        self.setColumnWidth(1, max(1, whole - titles))
