"""The panel: puts its parts together, and has them follow the active layer and the runs."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from . import placing, reading, receipts
from .form import ToolForm
from .log import guarded
from .machine_line import MachineLine
from .parts import align
from .plan_box import PlanBox
from .planner import Planner
from .plans import Plans, Told
from .qt import QtCore, QtGui, QtWidgets
from .receipts_box import ReceiptsBox
from .run_bar import RunBar
from .run_options import RunOptions
from .runner import Outcome, Runner
from .starter import Starter
from .tool_list import ToolList
from .vendored import _, environment, host, paths, toolbox, wire, words
from .whereabouts import Glimpse, Whereabouts, glimpse
from .windows import Windows

_POLL_MS = 500
_MESSAGE_MS = 6000
_MEASURING_MS = 4000
_GOOD_HEIGHT = 640
_APPLY_HELP = {
    toolbox.Returns.PIXELS: _("Adds the result as a new layer above each selected layer."),
    toolbox.Returns.MASK: _(
        "Adds a new layer above each selected layer, or selects, as you chose."
    ),
    toolbox.Returns.SELECTION: _("Selects what was found; no layer is changed or added."),
    toolbox.Returns.BELOW: _("Adds a new layer below each selected layer."),
    toolbox.Returns.LAYER: _("Adds a new layer above the selected one."),
    toolbox.Returns.SCALED: _("Opens the result as a new picture."),
    toolbox.Returns.TEXT: _("Shows what was found as words; no layer is changed or added."),
}


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
        self._runner = runner
        self._planner = Planner(places, placing.version())
        self._plans = Plans(self._planner)
        self._paths = places
        self._where = Whereabouts(dock)
        self._windows = Windows(places, self._where, counter)
        self._starter = Starter(runner, places, self._where, self.tell)
        # What the plans that are shown were made for.
        self._seen: Glimpse | None = None
        self._own_run = False
        # A setting, the layer or the document has changed and has not been looked at yet.
        self._stale = True
        self._able = False
        self._build()
        # The settings, which another host may change.
        self._kept = self._options.look()
        self._poll_timer = QtCore.QTimer(self)
        self._poll_timer.setInterval(_POLL_MS)
        self._poll_timer.timeout.connect(self._poll)
        runner.changed.connect(self._show_state)
        runner.progressed.connect(self._bar.show_step)
        runner.ended.connect(self._show_end)
        self._plans.told.connect(self._show_told)
        self._planner.machine.connect(self._show_machine)
        self._windows.changed.connect(self._models_changed)
        self._pick_tool()
        self._show_state()

    # What the panel consists of

    def _build(self) -> None:
        body = QtWidgets.QWidget()
        column = self._column = QtWidgets.QVBoxLayout(body)
        column.setContentsMargins(6, 2, 6, 2)
        self._machine = MachineLine()
        self._machine.models_wanted.connect(self.open_models)
        column.addWidget(self._machine)
        self._tool = ToolList()
        self._tool.picked.connect(self._pick_tool)
        self._tool.confirmed.connect(self._ready)
        column.addWidget(self._tool)
        self._forms: dict[str, ToolForm] = {}
        for tool in toolbox.TOOLS:
            form = self._forms[tool.id] = ToolForm(tool)
            form.changed.connect(self._settings_changed)
            column.addWidget(form)
        self._options = RunOptions(self._paths.settings)
        self._options.changed.connect(self._settings_changed)
        column.addWidget(self._options)
        self._receipts = ReceiptsBox()
        self._receipts.layer_wanted.connect(self._select_layer)
        self._receipts.again.connect(self._run_again)
        self._receipts.real_wanted.connect(self._retry_real)
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

    def _build_footer(self) -> Any:
        self._plan = PlanBox(self._set_values)
        self._plan.insisted.connect(self._apply_real)
        self._plan.consented.connect(self._label_apply)
        self._bar = RunBar()
        self._bar.wanted.connect(self._apply_clicked)
        self._bar.unwanted.connect(self._runner.cancel)
        box = QtWidgets.QWidget()
        column = QtWidgets.QVBoxLayout(box)
        column.setContentsMargins(6, 0, 6, 0)
        column.addWidget(self._plan)
        column.addWidget(self._bar)
        return box

    # What menu entries and other parts open

    def open_tool(self, tool_id: str) -> None:
        """What a menu entry does: show the panel with this tool, ready to apply."""
        self._tool.pick(tool_id)
        opened = not self._dock.isVisible()
        self._dock.setVisible(True)
        self._dock.raise_()
        if opened:
            QtCore.QTimer.singleShot(0, self._make_room)
        self._forget_plans()
        self._poll()
        self._ready()

    @guarded
    def _ready(self, *ignored: object) -> None:
        """Return applies next; it is pressed on a tool, or its menu entry was chosen."""
        self._bar.focus(QtCore.Qt.FocusReason.ShortcutFocusReason)

    @guarded
    def open_models(self, *ignored: object) -> None:
        """Show the window of the models."""
        self._windows.open_models()

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
        self._models_changed()
        if said:
            self.tell(said)

    @guarded
    def _make_room(self, *ignored: object) -> None:
        """A panel that comes up lower than its plan is of little use."""
        dock = self._dock
        if not dock.isFloating() and dock.height() < _GOOD_HEIGHT:
            dock.parent().resizeDocks([dock], [_GOOD_HEIGHT], QtCore.Qt.Orientation.Vertical)

    @guarded
    def _bring_into_sight(self, widgets: tuple[Any, ...]) -> None:
        for widget in widgets:
            self._scroll.ensureWidgetVisible(widget)

    def tell(self, sentence: str) -> None:
        """Show a sentence in the panel, and over the picture."""
        self._bar.say(sentence)
        view = self._where.view()
        if view is not None and sentence:
            view.showFloatingMessage(sentence, QtGui.QIcon(), _MESSAGE_MS, 1)

    def settled(self) -> bool:
        """Whether nothing runs and the panel shows what there is to say of the present settings."""
        return not (self._stale or self._plans.waiting or self._runner.busy)

    def stop(self) -> None:
        """Touch nothing any more; before Krita quits. The widgets may be gone by then."""
        self._planner.stop()
        self._windows.stop()
        with contextlib.suppress(RuntimeError):
            if self._setup is not None:
                self._setup.stop()
        with contextlib.suppress(RuntimeError):
            self._poll_timer.stop()
            self._plans.rest()

    # What is wanted

    def _order(self, tool_id: str = "", path: str = "") -> host.Order:
        kept = self._kept
        tool = toolbox.tool(tool_id or self._tool.currentData())
        values = self._forms[tool.id].values()
        return host.Order(
            tool=tool.id,
            parameters=values,
            path=path or self._options.path,
            limits=kept.limits,
            commercial_only=kept.commercial_only,
            placement=self._options.placement(tool.outcome(tool.parse(values))),
        )

    def _consents(self, order: host.Order) -> str:
        """The model whose box is ticked for what ``order`` would download, or nothing."""
        return self._plan.agreed() if self._plans.holds(order) else ""

    def _set_values(self, values: dict[str, toolbox.Value]) -> None:
        self._forms[self._tool.currentData()].set_values(values)

    # Following the active layer and the settings

    @guarded
    def showEvent(self, event: Any) -> None:
        """It has come into sight."""
        super().showEvent(event)
        self._poll_timer.start()
        # What was to be asked when it went out of sight has not been.
        self._stale = True
        self.look_soon()

    @guarded
    def hideEvent(self, event: Any) -> None:
        """Nobody looks: nothing is looked at and nothing asked."""
        super().hideEvent(event)
        self._poll_timer.stop()
        self._plans.rest()

    def look_soon(self) -> None:
        """Look anew at the document once Krita is done with what it does."""
        if self.isVisible():
            QtCore.QTimer.singleShot(0, self._poll)

    @guarded
    def _pick_tool(self, *ignored: object) -> None:
        chosen = self._tool.currentData()
        for tool_id, form in self._forms.items():
            form.setVisible(tool_id == chosen)
        align(self._forms[chosen].layout(), self._options.layout())
        # The plan of another tool would be read as this one's.
        self._plan.show_text("…")
        self._settings_changed()

    @guarded
    def _settings_changed(self, *ignored: object) -> None:
        self._kept = self._options.look()
        tool = toolbox.tool(self._tool.currentData())
        self._options.show_outcome(tool.outcome(tool.parse(self._forms[tool.id].values())))
        self._label_apply()
        self._stale = True
        self.look_soon()

    @guarded
    def _models_changed(self, *ignored: object) -> None:
        self._forget_plans()
        self.look_soon()

    def _forget_plans(self) -> None:
        self._plans.forget()
        self._stale = True

    @guarded
    def _poll(self, *ignored: object) -> None:
        if self._runner.busy:
            return
        kept = self._options.look()
        worker = environment.state(self._paths)
        if worker.condition is environment.Condition.OUTDATED and self._setup is None:
            self._show_setup()
        for part in (self._machine, self._footer):
            part.setVisible(worker.usable)
        if not worker.usable:
            self._show_setup()
            self._show_none(_("The worker is not set up."), _("Set it up above."))
            return
        document = self._where.document()
        self._receipts.show_document(document)
        if document is None:
            self._show_none(
                _("No picture is open."), _("Open a picture to see what would be done.")
            )
            return
        node = document.activeNode()
        if node is None:
            self._show_none(
                _("No layer is selected."), _("Select a layer to see what would be done.")
            )
            return
        self._receipts.show_layer(document, node)
        found = glimpse(document, node, len(self._where.nodes()))
        if self._stale or found != self._seen or kept != self._kept:
            if self._seen is None or found.layer != self._seen.layer:
                self._tool.show_nothing()
            self._seen, self._kept, self._stale = found, kept, False
            self._look_at(document, node, found)

    def _show_none(self, what: str, text: str) -> None:
        """There is nothing that a tool could be used on."""
        self._stale, self._seen = False, None
        self._plans.forget()
        self._tool.show_nothing()
        self._plan.show_layer(what)
        self._plan.show_text(text)
        self._enable(False)

    def _look_at(self, document: Any, node: Any, seen: Glimpse) -> None:
        """Show what there is to say of the layer, and each tool's plan."""
        chosen = self._tool.currentData()
        orders = {tool.id: self._order(tool.id) for tool in toolbox.TOOLS}
        about = self._plans.look(document, node, seen, orders, chosen)
        name = _("“{name}”", name=seen.name)
        self._plan.show_layer(reading.about(node, *about, seen.layers) if about else name)
        self._enable(True)

    @guarded
    def _show_told(self, tool_id: str, told: Told, usable: bool) -> None:
        """Beside the tool, and for the chosen one in full."""
        is_chosen = tool_id == self._tool.currentData()
        if told is None:
            self._tool.show_waiting(tool_id)
        elif isinstance(told, wire.Plan):
            self._tool.show_plan(tool_id, told)
            if is_chosen:
                self._plan.show_plan(tool_id, told)
        else:
            self._tool.show_reason(tool_id, str(told), usable)
            if is_chosen:
                self._plan.show_text(str(told))
        if is_chosen:
            self._label_apply()

    @guarded
    def _show_machine(self, told: wire.DoctorReply) -> None:
        self._machine.show_machine(told)
        if told.profile is None:
            QtCore.QTimer.singleShot(_MEASURING_MS, self._ask_machine)

    @guarded
    def _ask_machine(self, *ignored: object) -> None:
        # The plans that are asked next ask for the machine too.
        if self.isVisible() and not self._planner.busy:
            self._planner.ask([])

    @guarded
    def _label_apply(self, *ignored: object) -> None:
        tool = toolbox.tool(self._tool.currentData())
        label = _("Download and apply") if self._plan.agreed() else _("Apply")
        self._bar.label(label, self._options.placement_help() or _APPLY_HELP[tool.returns])

    # Runs

    @guarded
    def _apply_clicked(self, *ignored: object) -> None:
        self._kept = self._options.look()
        order = self._order()
        self._start(replace(order, consent=self._consents(order)))

    @guarded
    def _apply_real(self, *ignored: object) -> None:
        self._kept = self._options.look()
        self._start(self._order(path=wire.REAL))

    def _start(self, order: host.Order) -> None:
        self._begin(lambda: self._starter.start(order))

    @guarded
    def _run_again(self, label: receipts.Labelled) -> None:
        self._begin(lambda: self._starter.once_more(label, self._options.look()))

    @guarded
    def _retry_real(self, label: receipts.Labelled) -> None:
        self._begin(lambda: self._starter.once_more(label, self._options.look(), wire.REAL))

    def _begin(self, start: Callable[[], bool]) -> None:
        """Begin a run that is this panel's own; it may be at its end before ``start`` returns."""
        if self._runner.busy:
            return
        self._own_run = True
        if not start():
            self._own_run = False

    @guarded
    def _select_layer(self, label: receipts.Labelled) -> None:
        self._where.select(label.uuid)
        self.look_soon()

    def _prepare(self, order: host.Order) -> None:
        """Show what was asked for and is not possible yet, with what it takes."""
        self._tool.pick(order.tool)
        self._forms[order.tool].set_values(toolbox.tool(order.tool).parse(order.parameters))
        self._options.want_path(order.path)

    def _enable(self, able: bool) -> None:
        self._able = able
        self._bar.enable(able, self._runner.busy)
        self._plan.enable(able and not self._runner.busy)

    @guarded
    def _show_state(self, *ignored: object) -> None:
        self._enable(self._able)
        if self._runner.busy:
            self._bar.say(_("Working on {title} …", title=self._runner.title))

    @guarded
    def _show_end(self, outcome: Outcome) -> None:
        self._forget_plans()
        self._bar.say(outcome.sentence)
        self._receipts.look_again()
        own_run, self._own_run = self._own_run, False
        if own_run:
            self.tell(outcome.sentence)
            if outcome.impossible is not None:
                self._prepare(outcome.impossible)
        self._poll()
        if own_run and outcome.receipts and words.words(outcome.receipts[-1]):
            shown = self._receipts.pick(outcome.receipts[-1])
            QtCore.QTimer.singleShot(0, lambda: self._bring_into_sight(shown))
