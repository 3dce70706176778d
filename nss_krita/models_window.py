"""The window of the models: which there are, what is here of them, and all that can be done.

It draws what the bridge's counter says, and never keeps Krita waiting. One counter serves the
windows of all of Krita's main windows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .consent_box import paragraph
from .following import FollowingWindow
from .log import guarded
from .parts import let_shrink, tip, wrapped
from .qt import QtCore, QtWidgets, Signal
from .vendored import _, shop

if TYPE_CHECKING:
    from shared_core.bridge.shop import counter, views
else:
    counter, views = shop()

_STEPS = 1000
_WIDTH, _HEIGHT = 440, 740
_LEAST_WIDTH = 260
_LEAST_SAID = 20
_LIST_HEIGHT, _LEAST_FACTS, _MOST_FACTS, _DETAILS_HEIGHT = 90, 90, 240, 160
# Longer labels are broken where their size begins.
_LONG_LABEL = 24
_MODEL = QtCore.Qt.ItemDataRole.UserRole


class ModelsWindow(FollowingWindow):
    """Not modal; closing it stops nothing. ``changed``: a tool's plan may be another one now."""

    changed = Signal()
    own_wanted = Signal()

    def __init__(self, shared: counter.Counter, parent: Any) -> None:
        super().__init__(parent)
        self.setObjectName("nss_models")
        self.setWindowTitle("NSS: " + _("Models"))
        self._counter = shared
        self._view: views.View | None = None
        self._chosen = ""
        self._build()
        self._follow(self._poll)
        self.setMinimumWidth(_LEAST_WIDTH)
        self.resize(_WIDTH, _HEIGHT)

    @guarded
    def showEvent(self, event: Any) -> None:
        """Things may have changed since it was seen last."""
        self._counter.look()
        super().showEvent(event)

    @guarded
    def changeEvent(self, event: Any) -> None:
        """Whoever comes back sees what has changed meanwhile."""
        super().changeEvent(event)
        if event.type() == QtCore.QEvent.Type.ActivationChange and self.isActiveWindow():
            self._counter.look()

    def tell(self, sentence: str) -> None:
        """Where a failed slot's sentence goes."""
        self._show_said(sentence, failed=True)

    # What it consists of

    def _build(self) -> None:
        column = QtWidgets.QVBoxLayout(self)
        column.addLayout(self._build_machine())
        column.addWidget(self._build_list(), 1)
        column.addLayout(self._build_choice())
        self._build_progress(column)
        column.addLayout(self._build_all())

    def _build_machine(self) -> Any:
        self._machine = wrapped("nss_models_machine")
        self._more = QtWidgets.QPushButton(_("De&tails"))
        self._more.setObjectName("nss_models_more")
        self._more.setCheckable(True)
        self._more.setAutoDefault(False)
        self._more.setToolTip(
            tip(_("All that was measured of this machine, and what was ever contacted."))
        )
        self._details = QtWidgets.QPlainTextEdit()
        self._details.setObjectName("nss_models_details")
        self._details.setAccessibleName(_("This machine in detail, and what was contacted"))
        self._details.setReadOnly(True)
        self._details.setFixedHeight(_DETAILS_HEIGHT)
        self._details.setVisible(False)
        self._more.toggled.connect(self._details.setVisible)
        line = QtWidgets.QHBoxLayout()
        line.addWidget(self._machine, 1)
        line.addWidget(self._more, 0, QtCore.Qt.AlignmentFlag.AlignTop)
        column = QtWidgets.QVBoxLayout()
        column.addLayout(line)
        column.addWidget(self._details)
        return column

    def _build_list(self) -> Any:
        self._list = QtWidgets.QTreeWidget()
        self._list.setObjectName("nss_models_list")
        self._list.setAccessibleName(_("Models by tool"))
        self._list.setHeaderLabels([_("Model"), _("State"), _("Size")])
        self._list.setUniformRowHeights(True)
        self._list.setRootIsDecorated(True)
        self._list.setMinimumHeight(_LIST_HEIGHT)
        header = self._list.header()
        header.setStretchLastSection(False)
        mode = QtWidgets.QHeaderView.ResizeMode
        header.setSectionResizeMode(0, mode.Stretch)
        header.setSectionResizeMode(1, mode.Stretch)
        header.setSectionResizeMode(2, mode.ResizeToContents)
        self._list.currentItemChanged.connect(self._pick)
        return self._list

    def _build_choice(self) -> Any:
        self._facts = Facts()
        self._facts.setObjectName("nss_models_facts")
        self._facts.setAccessibleName(_("About the chosen model"))
        self._facts.setOpenExternalLinks(True)
        self._row_buttons = ActionButtons("nss_models", self._row_clicked, columns=1)
        self._row_buttons.setObjectName("nss_models_of_row")
        box = QtWidgets.QVBoxLayout()
        box.addWidget(self._facts)
        box.addWidget(self._row_buttons)
        return box

    def _build_progress(self, column: Any) -> None:
        self._doing = wrapped("nss_models_doing")
        self._disk = wrapped("nss_models_disk")
        self._bar = QtWidgets.QProgressBar()
        self._bar.setObjectName("nss_models_progress")
        self._bar.setAccessibleName(_("Progress"))
        self._bar.setTextVisible(False)
        self._bar.setMaximumHeight(10)
        self._cancel = QtWidgets.QPushButton(_("&Cancel"))
        self._cancel.setObjectName("nss_models_cancel")
        self._cancel.setAutoDefault(False)
        self._cancel.setToolTip(tip(_("Stops; what has come already is kept.")))
        self._cancel.clicked.connect(self._cancel_clicked)
        self._said = Said()
        self._said.setObjectName("nss_models_said")
        for label in (self._machine, self._doing, self._disk):
            _no_higher(label)
        line = QtWidgets.QHBoxLayout()
        line.addWidget(self._bar, 1)
        line.addWidget(self._cancel)
        column.addWidget(self._doing)
        column.addLayout(line)
        column.addWidget(self._said)
        for widget in (self._doing, self._bar, self._cancel, self._said):
            widget.setVisible(False)

    def _build_all(self) -> Any:
        self._all_buttons = ActionButtons("nss_models", self._all_clicked)
        column = QtWidgets.QVBoxLayout()
        column.addWidget(self._disk)
        column.addWidget(self._all_buttons)
        return column

    # Following the counter

    @guarded
    def _poll(self, *ignored: object) -> None:
        view = self._counter.poll()
        before, self._view = self._view, view
        if view == before:
            return
        self._machine.setText(view.machine)
        self._machine.setVisible(bool(view.machine))
        self._more.setVisible(bool(view.details))
        if before is None or view.details != before.details:
            self._details.setPlainText(view.details)
        if before is None or view.groups != before.groups:
            self._show_groups(view)
            if before is not None and before.groups:
                self.changed.emit()
        self._disk.setText(view.disk)
        self._disk.setVisible(bool(view.disk))
        self._show_doing(view)
        self._show_said(view.said, view.failed)
        self._show_choice(before is not None and before.question is not None)
        self._all_buttons.show_actions(view.actions, enabled=view.doing is None)

    def _show_groups(self, view: views.View) -> None:
        """Draw the list anew; what was chosen, folded and seen stays so."""
        closed = {
            item.text(0)
            for item in map(self._list.topLevelItem, range(self._list.topLevelItemCount()))
            if not item.isExpanded()
        }
        place = self._list.verticalScrollBar().value()
        self._list.blockSignals(True)
        self._list.clear()
        for group in view.groups:
            head = QtWidgets.QTreeWidgetItem(self._list, [group.title])
            head.setFirstColumnSpanned(True)
            head.setExpanded(group.title not in closed)
            for row in group.rows:
                item = QtWidgets.QTreeWidgetItem(head, [row.title, row.state, row.size])
                item.setData(0, _MODEL, row.id)
                item.setToolTip(0, tip(row.title))
                item.setTextAlignment(2, int(QtCore.Qt.AlignmentFlag.AlignRight))
                if row.id == self._chosen:
                    self._list.setCurrentItem(item)
        self._list.verticalScrollBar().setValue(place)
        self._list.blockSignals(False)
        if view.row(self._chosen) is None:
            self._chosen = ""

    def _show_choice(self, was_asked: bool = False) -> None:
        view = self._view
        assert view is not None
        lines, actions = view.told(self._chosen)
        for part in (self._facts, self._row_buttons):
            part.setVisible(bool(lines))
        text = "".join(map(paragraph, lines))
        if self._facts.property("nss_text") != text:
            self._facts.setHtml(text)
            self._facts.setProperty("nss_text", text)
        self._row_buttons.show_actions(actions, enabled=view.doing is None)
        if view.question is not None and not was_asked:
            # Whoever presses Return without reading agrees to nothing.
            self._row_buttons.focus_last()
        elif view.question is None and was_asked:
            self._list.setFocus()

    def _show_doing(self, view: views.View) -> None:
        doing = view.doing
        for widget in (self._doing, self._bar, self._cancel):
            widget.setVisible(doing is not None)
        if doing is not None:
            self._doing.setText(doing.text)
            self._bar.setRange(0, 0 if doing.share is None else _STEPS)
            self._bar.setValue(round((doing.share or 0.0) * _STEPS))

    def _show_said(self, sentence: str, failed: bool) -> None:
        self._said.setPlainText(views.told(sentence, failed))
        self._said.setVisible(bool(sentence))

    # What is clicked

    @guarded
    def _pick(self, item: Any, _before: Any) -> None:
        model = item.data(0, _MODEL) if item is not None else None
        self._chosen = str(model or "")
        self._counter.dismiss()
        if self._view is not None:
            self._show_choice(self._view.question is not None)
        self._poll()
        QtCore.QTimer.singleShot(0, self._bring_into_sight)

    @guarded
    def _bring_into_sight(self, *ignored: object) -> None:
        """What is told of a model takes room from the list."""
        if self._list.currentItem() is not None:
            self._list.scrollToItem(self._list.currentItem())

    @guarded
    def _cancel_clicked(self, *ignored: object) -> None:
        self._counter.cancel()
        self._poll()

    @guarded
    def _row_clicked(self, action: views.Action) -> None:
        self._begin(action, self._chosen)

    @guarded
    def _all_clicked(self, action: views.Action) -> None:
        self._begin(action, "")

    def _begin(self, action: views.Action, model: str) -> None:
        if action.id == views.OWN:
            self.own_wanted.emit()
            return
        folder = ""
        if action.chooses:
            title = views.plain(action.label)
            folder = str(QtWidgets.QFileDialog.getExistingDirectory(self, title))
            if not folder:
                return
        self._counter.begin(action.id, model, folder)
        self._poll()


class Facts(QtWidgets.QTextBrowser):
    """Text that is to be seen at once where there is room for it, and else scrolls."""

    def __init__(self, least: int = _LEAST_FACTS) -> None:
        super().__init__()
        policy = QtWidgets.QSizePolicy.Policy
        self.setSizePolicy(policy.Ignored, policy.Maximum)
        self.setMinimumHeight(least)
        self.document().documentLayout().documentSizeChanged.connect(self._sized)

    def sizeHint(self) -> Any:
        """As high as the text is in the present width."""
        height = int(self.document().size().height()) + 2 * self.frameWidth() + 2
        return QtCore.QSize(self.width(), max(self.minimumHeight(), min(_MOST_FACTS, height)))

    @guarded
    def _sized(self, *ignored: object) -> None:
        self.updateGeometry()


class Said(Facts):
    """What came of something: like a label, which would not break a SHA-256."""

    def __init__(self) -> None:
        super().__init__(least=_LEAST_SAID)
        self.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        self.viewport().setAutoFillBackground(False)
        self.document().setDocumentMargin(0)
        self.setAccessibleName(_("What came of it"))
        self.setTabChangesFocus(True)

    def text(self) -> str:
        """What stands there."""
        return str(self.toPlainText())


class ActionButtons(QtWidgets.QWidget):
    """Actions as buttons; made anew only where they change."""

    def __init__(self, name: str, clicked: Any, columns: int = 2) -> None:
        super().__init__()
        self._name = name
        self._columns = columns
        self._clicked = clicked
        self._shown: tuple[views.Action, ...] = ()
        self._grid = QtWidgets.QGridLayout(self)
        self._grid.setContentsMargins(0, 0, 0, 0)

    def show_actions(self, actions: tuple[views.Action, ...], enabled: bool = True) -> None:
        """Show these, and whether they can be clicked now."""
        if actions != self._shown:
            self._shown = actions
            while self._grid.count():
                old = self._grid.takeAt(0).widget()
                old.hide()
                old.deleteLater()
            for place, action in enumerate(actions):
                self._grid.addWidget(
                    self._button(action), place // self._columns, place % self._columns
                )
        for place in range(self._grid.count()):
            self._grid.itemAt(place).widget().setEnabled(enabled)

    def focus_last(self) -> None:
        """Have the keyboard on the last one."""
        self._grid.itemAt(self._grid.count() - 1).widget().setFocus()

    def _button(self, action: views.Action) -> Any:
        label = _mnemonic(action.label)
        if len(label) > _LONG_LABEL:
            label = label.replace(" (", "\n(")
        button = QtWidgets.QPushButton(label)
        button.setObjectName(f"{self._name}_{action.id}")
        button.setToolTip(tip(action.help))
        button.setAutoDefault(False)
        let_shrink(button)
        button.clicked.connect(lambda *ignored, chosen=action: self._clicked(chosen))
        return button


def _no_higher(label: Any) -> None:
    """Have a label of several lines take the room of its lines, and leave the rest to others."""
    policy = QtWidgets.QSizePolicy(
        QtWidgets.QSizePolicy.Policy.Preferred, QtWidgets.QSizePolicy.Policy.Maximum
    )
    policy.setHeightForWidth(True)
    label.setSizePolicy(policy)


def _mnemonic(label: str) -> str:
    """A label as Qt has it: the letter after the underscore is the one to press."""
    return label.replace("&", "&&").replace("_", "&", 1)
