"""The panel: tool, parameters, the plan before the click, progress, and the document's receipts."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from krita import Krita

from . import layers, placing, reading
from .consent_box import ConsentBox, let_shrink
from .form import ToolForm, shrinkable
from .limits_box import LimitsBox
from .log import explain, guarded
from .qt import QtCore, QtGui, QtWidgets, owned
from .receipts_box import ReceiptsBox, wrapped
from .runner import Outcome, Planner, Runner
from .vendored import environment, errors, host, paths, settings, shop_own, toolbox, wire, words

_POLL_MS = 500
_DEBOUNCE_MS = 300
_MESSAGE_MS = 6000
_GOOD_HEIGHT = 540
_PATHS = (
    ("auto", "Automatic", "The real model where this machine can run it in reasonable time."),
    (wire.REAL, "Real model only", "The real model, or a sentence that says why it cannot run."),
    (wire.CLASSICAL, "Classical only", "Never a model: a classical algorithm."),
)
_APPLY_HELP = {
    toolbox.Returns.PIXELS: "Adds the result as a new layer above each selected layer.",
    toolbox.Returns.MASK: "Adds a new layer above each selected layer, or selects, as you chose.",
    toolbox.Returns.SELECTION: "Selects what was found; no layer is changed or added.",
    toolbox.Returns.BELOW: "Adds a new layer below each selected layer.",
    toolbox.Returns.LAYER: "Adds a new layer above the selected one.",
    toolbox.Returns.SCALED: "Opens the result as a new picture.",
    toolbox.Returns.TEXT: "Shows what was found as words; no layer is changed or added.",
}


@dataclass(frozen=True)
class Question:
    """What a plan was asked for; a new question means a new plan."""

    document: str
    layer: str
    width: int
    height: int
    order: host.Order


class NssPanel(QtWidgets.QWidget):
    """What is in the dock of one of Krita's windows; the run and the plans are shared by all."""

    def __init__(
        self,
        dock: Any,
        runner: Runner,
        places: paths.Paths,
        guide: Callable[[], Any],
        counter: Callable[[], Any],
    ) -> None:
        super().__init__()
        self._dock = dock
        self._guide = guide
        self._setup: Any = None
        self._counter = counter
        self._models_window: Any = None
        self._own_window: Any = None
        self._runner = runner
        self._planner = Planner(places, placing.version())
        self._paths = places
        self._asked: Question | None = None
        self._answered: Question | None = None
        self._wanted: Question | None = None
        self._own_run = False
        self._forms: list[ToolForm] = []
        # A setting, the layer or the document has changed and has not been looked at yet.
        self._stale = True
        self._build()
        self._poll_timer = QtCore.QTimer(self)
        self._poll_timer.setInterval(_POLL_MS)
        self._poll_timer.timeout.connect(self._poll)
        self._ask_timer = QtCore.QTimer(self)
        self._ask_timer.setInterval(_DEBOUNCE_MS)
        self._ask_timer.setSingleShot(True)
        self._ask_timer.timeout.connect(self._ask)
        runner.changed.connect(self._show_state)
        runner.progressed.connect(self._show_progress)
        runner.ended.connect(self._show_end)
        self._planner.answered.connect(self._show_plan)
        dock.visibilityChanged.connect(self.seen)
        self._pick_tool()
        self._show_state()

    def open_tool(self, tool_id: str) -> None:
        """What a menu entry does: show the panel with this tool, ready to apply."""
        self._tool.setCurrentIndex(self._tool.findData(tool_id))
        opened = not self._dock.isVisible()
        self._dock.setVisible(True)
        self._dock.raise_()
        if opened:
            QtCore.QTimer.singleShot(0, self._make_room)
        self._poll_timer.start()
        self._forget_plan()
        self._poll()
        self._apply.setFocus(QtCore.Qt.FocusReason.ShortcutFocusReason)

    @guarded
    def open_models(self, *_: object) -> None:
        """Show the window of the models."""
        if self._models_window is None:
            from .models_window import ModelsWindow

            self._models_window = ModelsWindow(self._counter(), self._window().qwindow())
            self._models_window.changed.connect(self._settings_changed)
            self._models_window.own_wanted.connect(self._open_own)
        self._models_window.come_up()

    @guarded
    def _open_own(self, *_: object) -> None:
        """Show the window in which a model of the user's own is added."""
        if self._own_window is None:
            from .own_window import OwnWindow

            own, _ = shop_own()
            desk = own.Desk(self._paths, "Krita", placing.version(), self._counter().look)
            self._own_window = OwnWindow(desk, self._window().qwindow())
        self._own_window.come_up()

    def open_setup(self) -> None:
        """What the menu's Set Up does: show the panel with how the worker stands."""
        self._dock.setVisible(True)
        self._dock.raise_()
        self._show_setup()
        QtCore.QTimer.singleShot(0, lambda: self._bring_into_sight((self._setup,)))

    def _show_setup(self) -> None:
        if self._setup is None:
            from .setup_box import SetupBox

            self._setup = SetupBox(self._guide())
            self._setup.changed.connect(self._setup_changed)
            self._column.insertWidget(0, self._setup)
        self._setup.setVisible(True)

    @guarded
    def _setup_changed(self, said: str) -> None:
        self._settings_changed()
        if said:
            self.tell(said)

    @guarded
    def _make_room(self, *_: object) -> None:
        """A panel that comes up lower than its plan is of little use."""
        dock = self._dock
        if not dock.isFloating() and dock.height() < _GOOD_HEIGHT:
            dock.parent().resizeDocks([dock], [_GOOD_HEIGHT], QtCore.Qt.Orientation.Vertical)

    def tell(self, sentence: str) -> None:
        """Show a sentence in the panel, and over the picture."""
        self._status.setText(sentence)
        self._status.setVisible(bool(sentence))
        view = self._view()
        if view is not None and sentence:
            view.showFloatingMessage(sentence, QtGui.QIcon(), _MESSAGE_MS, 1)

    def settled(self) -> bool:
        """Whether nothing runs and the panel shows what there is to say of the present settings."""
        waiting = self._stale or self._ask_timer.isActive() or self._wanted is not None
        return not (waiting or self._runner.busy or self._planner.busy)

    def stop(self) -> None:
        """Touch nothing any more; before Krita quits. The widgets may be gone by then."""
        self._planner.stop()
        for part in (self._own_window, self._models_window, self._setup):
            with contextlib.suppress(RuntimeError):
                if part is not None:
                    part.stop()
        with contextlib.suppress(RuntimeError):
            self._poll_timer.stop()
            self._ask_timer.stop()

    # What the panel consists of

    def _build(self) -> None:
        body = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(body)
        column.setContentsMargins(6, 2, 6, 2)
        self._column = column
        self._tool = QtWidgets.QComboBox()
        self._tool.setObjectName("nss_tool")
        self._tool.setMaxVisibleItems(len(toolbox.TOOLS))
        shrinkable(self._tool)
        column.addWidget(self._tool)
        column.addLayout(self._build_path())
        for tool in toolbox.TOOLS:
            self._tool.addItem(tool.title, tool.id)
            self._tool.setItemData(
                self._tool.count() - 1, f"<p>{tool.help}</p>", QtCore.Qt.ItemDataRole.ToolTipRole
            )
            form = ToolForm(tool)
            form.changed.connect(self._settings_changed)
            self._forms.append(form)
            column.addWidget(form)
        self._tool.currentIndexChanged.connect(self._pick_tool)
        self._receipts = ReceiptsBox()
        column.addWidget(self._receipts)
        column.addStretch(1)
        scroll = self._scroll = QtWidgets.QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QtWidgets.QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        scroll.setWidget(body)
        # The plan, and what one presses and waits for, stay in sight however low the panel is.
        outer = QtWidgets.QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 4)
        outer.addWidget(scroll, 1)
        self._footer = self._build_footer()
        outer.addWidget(self._footer)

    def _build_path(self) -> Any:
        self._path = QtWidgets.QComboBox()
        self._path.setObjectName("nss_path")
        shrinkable(self._path)
        for value, title, help_text in _PATHS:
            self._path.addItem(title, value)
            self._path.setItemData(
                self._path.count() - 1, help_text, QtCore.Qt.ItemDataRole.ToolTipRole
            )
        self._path.currentIndexChanged.connect(self._settings_changed)
        row = QtWidgets.QFormLayout()
        row.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        row.addRow("Made by:", self._path)
        self._commercial = QtWidgets.QCheckBox("Only models that allow\ncommercial use")
        self._commercial.setObjectName("nss_commercial")
        self._commercial.setToolTip(
            "<p>Leaves out models whose licence forbids commercial use; another model, or the "
            "classical path, does the work instead.</p>"
        )
        self._commercial.setChecked(settings.load(self._paths.settings).commercial_only)
        self._commercial.toggled.connect(self._remember_commercial)
        row.addRow(self._commercial)
        self._limits = LimitsBox(self._paths.settings)
        self._limits.changed.connect(self._settings_changed)
        row.addRow(self._limits)
        models = QtWidgets.QPushButton("Models…")
        models.setObjectName("nss_open_models")
        models.setToolTip("<p>Which models there are, what is here, and what it takes.</p>")
        models.clicked.connect(self.open_models)
        row.addRow(models)
        return row

    def _build_plan(self) -> Any:
        box = QtWidgets.QGroupBox("Plan")
        column = QtWidgets.QVBoxLayout(box)
        column.setContentsMargins(6, 4, 6, 4)
        column.setSpacing(4)
        self._layer = wrapped("nss_layer")
        self._plan_text = wrapped("nss_plan")
        self._consent = ConsentBox(self._set_values)
        self._consent.changed.connect(self._show_consent)
        self._insist = QtWidgets.QPushButton()
        self._insist.setObjectName("nss_insist")
        let_shrink(self._insist)
        self._insist.clicked.connect(self._apply_real)
        for widget in (self._layer, self._plan_text, self._consent, self._insist):
            column.addWidget(widget)
        return box

    def _build_footer(self) -> Any:
        self._apply = QtWidgets.QPushButton("Apply")
        self._apply.setObjectName("nss_apply")
        self._apply.setAutoDefault(True)
        self._apply.clicked.connect(self._apply_clicked)
        self._cancel = QtWidgets.QPushButton("Cancel")
        self._cancel.setObjectName("nss_cancel")
        self._cancel.clicked.connect(self._cancel_clicked)
        row = QtWidgets.QHBoxLayout()
        row.addWidget(self._apply, 1)
        row.addWidget(self._cancel)
        self._bar = QtWidgets.QProgressBar()
        self._bar.setObjectName("nss_progress")
        self._bar.setTextVisible(False)
        self._bar.setMaximumHeight(10)
        self._status = wrapped("nss_status")
        self._status.setVisible(False)
        box = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(box)
        column.setContentsMargins(6, 0, 6, 0)
        column.addWidget(self._build_plan())
        column.addWidget(self._bar)
        column.addWidget(self._status)
        column.addLayout(row)
        return box

    # Where the user is

    def _window(self) -> Any:
        parent = self._dock.parent()
        for window in owned(Krita.instance().windows()):
            if window.qwindow() is parent:
                return window
        return Krita.instance().activeWindow()

    def _view(self) -> Any:
        window = self._window()
        return window.activeView() if window is not None else None

    def _document(self) -> Any:
        view = self._view()
        return view.document() if view is not None else None

    def _order(self, path: str | None = None) -> host.Order:
        kept = settings.load(self._paths.settings)
        return host.Order(
            tool=str(self._tool.currentData()),
            parameters=self._forms[self._tool.currentIndex()].values(),
            path=path or str(self._path.currentData()),
            limits=kept.limits,
            commercial_only=kept.commercial_only,
        )

    def _consents(self, order: host.Order) -> str:
        """The model whose box is ticked for what ``order`` would download, or nothing."""
        answered = self._answered is not None and self._answered.order == order
        return self._consent.agreed() if answered else ""

    # Slots

    @guarded
    def seen(self, *_: object) -> None:
        """It has come into sight, or gone out of it."""
        if self.isVisible():
            self._poll_timer.start()
            self.look_soon()
        else:
            self._poll_timer.stop()

    @guarded
    def _pick_tool(self, *_: object) -> None:
        index = self._tool.currentIndex()
        for place, form in enumerate(self._forms):
            form.setVisible(place == index)
        tool = toolbox.TOOLS[index]
        self._tool.setToolTip(f"<p>{tool.help}</p>")
        self._apply.setToolTip(f"<p>{_APPLY_HELP[tool.returns]}</p>")
        self._settings_changed()

    @guarded
    def _remember_commercial(self, on: bool) -> None:
        settings.change(self._paths.settings, {"commercial_only": settings.show_switch(on)})
        self._settings_changed()

    @guarded
    def _settings_changed(self, *_: object) -> None:
        self._forget_plan()
        self.look_soon()

    @guarded
    def _poll(self, *_: object) -> None:
        if self._runner.busy:
            return
        self._stale = False
        self._look_at_settings()
        worker = environment.state(self._paths)
        if worker.condition is environment.Condition.OUTDATED and self._setup is None:
            self._show_setup()
        self._footer.setVisible(worker.usable)
        if not worker.usable:
            self._show_setup()
            self._apply.setEnabled(False)
            self._layer.setText("The worker is not set up.")
            self._show_text("Set it up above; then this says what would be done.")
            self._asked = self._wanted = None
            return
        document = self._document()
        self._apply.setEnabled(document is not None)
        if document is None:
            self._layer.setText("No picture is open.")
            self._show_text("Open a picture to see what would be done.")
            self._asked = self._wanted = None
            self._receipts.show_document(None)
            return
        self._receipts.show_document(document)
        node = document.activeNode()
        if node is None:
            self._layer.setText("No layer is selected.")
            self._show_text("Select a layer to see what would be done.")
            self._asked = self._wanted = None
            return
        self._look_at(document, node)

    def _look_at_settings(self) -> None:
        """Show what another host may have changed in the settings."""
        kept = self._limits.look()
        self._commercial.blockSignals(True)
        self._commercial.setChecked(kept.commercial_only)
        self._commercial.blockSignals(False)

    def _look_at(self, document: Any, node: Any) -> None:
        """Ask for the plan of this layer unless it is the one that was asked for last."""
        order = self._order()
        tool = toolbox.tool(order.tool)
        task = host.Task(tool, tool.parse(order.parameters))
        try:
            area = reading.task_area(document, node, task)
            if task.strokes:
                reading.strokes_above(node)
            width, height = reading.worked_size(document, area, task)
            where = reading.destination(document, node, task)
        except errors.NssError as error:
            self._layer.setText(f"“{node.name()}”")
            self._show_text(str(error))
            self._asked = self._wanted = None
            return
        view = self._view()
        count = len(owned(view.selectedNodes())) if view is not None else 1
        more = f", one of {count} selected layers" if count > 1 else ""
        arrow = f" → {where}" if where else ""
        self._layer.setText(f"“{node.name()}”, {area.width} × {area.height}{more}{arrow}")
        place = document.rootNode().uniqueId().toString(), node.uniqueId().toString()
        self._receipts.show_layer(document, node)
        question = Question(*place, width=width, height=height, order=order)
        if question not in (self._asked, self._wanted):
            self._wanted = question
            self._ask_timer.start()

    @guarded
    def _ask(self, *_: object) -> None:
        if self._wanted is None or self._runner.busy:
            return
        self._asked, self._wanted = self._wanted, None
        asked = self._asked
        self._planner.ask(asked, host.ask_plan(asked.order, asked.width, asked.height))

    @guarded
    def _show_plan(self, token: object, answer: object) -> None:
        if token is not self._asked:
            return
        if isinstance(answer, BaseException):
            self._show_text(explain(answer))
            return
        assert isinstance(answer, wire.Plan)
        self._show_text(answer.sentence())
        self._answered = self._asked
        self._consent.show_offer(str(self._tool.currentData()), answer.offer)
        self._insist.setVisible(bool(answer.insist))
        self._insist.setText(answer.insist)
        self._show_consent()

    @guarded
    def _show_consent(self, *_: object) -> None:
        self._apply.setText("Download and apply" if self._consent.agreed() else "Apply")

    def _set_values(self, values: dict[str, toolbox.Value]) -> None:
        self._forms[self._tool.currentIndex()].set_values(values)

    @guarded
    def _apply_clicked(self, *_: object) -> None:
        order = self._order()
        self._start(replace(order, consent=self._consents(order)))

    @guarded
    def _apply_real(self, *_: object) -> None:
        self._start(self._order(wire.REAL))

    @guarded
    def _cancel_clicked(self, *_: object) -> None:
        self._runner.cancel()
        self._status.setText("Cancelling …")

    def _start(self, order: host.Order) -> None:
        if self._runner.busy:
            return
        view, document = self._view(), self._document()
        if view is None or document is None:
            self.tell("No picture is open. Open one and try again.")
            return
        self._own_run = True
        nodes = owned(view.selectedNodes())
        place = layers.KritaHost(document, nodes, self._paths, self._window())
        self._runner.run(place, order, place.title)

    @guarded
    def _show_state(self, *_: object) -> None:
        busy = self._runner.busy
        self._apply.setEnabled(not busy)
        self._insist.setEnabled(not busy)
        self._cancel.setEnabled(busy)
        self._bar.setVisible(busy)
        if busy:
            self._bar.setRange(0, 0)
            self._status.setText(f"Working on {self._runner.title} …")
            self._status.setVisible(True)

    @guarded
    def _show_progress(self, event: object) -> None:
        if isinstance(event, wire.Queued):
            self._status.setText(f"Waiting: {event.place} before this one.")
        elif isinstance(event, wire.Progress):
            self._bar.setRange(0, max(0, event.total))
            self._bar.setValue(event.done)
            self._status.setText(_upper(event.sentence()))

    @guarded
    def _show_end(self, outcome: Outcome) -> None:
        self._forget_plan()
        self._status.setText(outcome.sentence)
        self._status.setVisible(True)
        self._receipts.look_again()
        own_run, self._own_run = self._own_run, False
        if own_run:
            self.tell(outcome.sentence)
        self._poll()
        if own_run and outcome.receipts and words.words(outcome.receipts[-1]):
            shown = self._receipts.pick(outcome.receipts[-1])
            QtCore.QTimer.singleShot(0, lambda: self._bring_into_sight(shown))

    # Showing

    @guarded
    def _bring_into_sight(self, widgets: tuple[Any, ...]) -> None:
        for widget in widgets:
            self._scroll.ensureWidgetVisible(widget)

    def _forget_plan(self) -> None:
        self._asked = self._wanted = self._answered = None
        self._stale = True

    def look_soon(self) -> None:
        """Look anew at the document once Krita is done with what it does."""
        if self.isVisible():
            QtCore.QTimer.singleShot(0, self._poll)

    def _show_text(self, text: str) -> None:
        self._plan_text.setText(text)
        self._consent.show_offer("", None)
        self._insist.setVisible(False)
        self._answered = None
        self._show_consent()


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
