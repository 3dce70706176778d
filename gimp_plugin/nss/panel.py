"""The dialogs of a tool: parameters, plan and consent before the click, and words afterwards."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")

from arguments import COMMERCIAL, PATH, PLACEMENT, automatic, name_of, placements  # noqa: E402
from consent_box import ConsentBox, wrapped  # noqa: E402
from copier import put_into_clipboard  # noqa: E402
from gi.repository import GimpUi, GLib, Gtk  # noqa: E402
from layers import GimpHost  # noqa: E402
from limits import Limits  # noqa: E402
from vendored import _, client, errors, host, placement, settings, toolbox, wire  # noqa: E402

_DEBOUNCE_MS = 200
_WIDTH = 460
_SPACING = 6
_HIGHEST = 400
# A slider over more steps than this cannot be set to one of them.
_SLIDER_STEPS = 10_000
_COPY = 1
_TEXT_WIDTH, _TEXT_HEIGHT = 460, 360


class Planner:
    """Asks for plans in a thread; of several questions only the newest is answered.

    The thread uses a client of its own and nothing of GIMP, which has no threads.
    """

    def __init__(self, place: GimpHost, answered: Callable[[object], None]) -> None:
        self._place = place
        self._answered = answered
        self._client: client.Client | None = None
        self._next: wire.AskPlan | None = None
        self._busy = False
        self._stopped = False

    def ask(self, question: wire.AskPlan) -> None:
        """The answer comes as ``answered(Plan or error)`` on this thread."""
        self._next = question
        if not self._busy:
            self._start()

    def stop(self) -> None:
        """Answer nothing any more."""
        self._stopped = True
        if self._client is not None:
            self._client.abort()

    def _start(self) -> None:
        question, self._next = self._next, None
        self._busy = True
        threading.Thread(target=self._work, args=(question,), daemon=True).start()

    def _work(self, question: wire.AskPlan) -> None:
        answer: object
        try:
            with contextlib.closing(
                client.Client(self._place.paths, self._place.name, self._place.version)
            ) as worker:
                self._client = worker
                answer = worker.ask(question, wire.PlanReply).plan
        except Exception as error:
            answer = error
        GLib.idle_add(self._deliver, answer)

    def _deliver(self, answer: object) -> bool:
        self._busy = False
        if self._stopped:
            return False
        if self._next is not None:
            self._start()
        else:
            self._answered(answer)
        return False


@dataclass(frozen=True)
class Answer:
    """What the user agreed to: the model to download, or nothing, and a path insisted on."""

    consent: str = ""
    path: str = ""


class ToolDialog:
    """GIMP's own dialog for a procedure, and below the parameters what would be done."""

    def __init__(
        self,
        procedure: Any,
        config: Any,
        tool: toolbox.Tool,
        place: GimpHost,
        order: Callable[[], host.Order],
    ) -> None:
        self._tool = tool
        self._order = order
        self._config = config
        self._place = place
        self._task = self._newest_task()
        self._layers = place.layers(self._task)
        self._largest = max(self._layers, key=self._pixels)
        self._planner = Planner(place, self._show)
        self._plan: wire.Plan | None = None
        self._insisted = False
        self._timer = 0
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, f"NSS: {tool.title}")
        self._dialog.set_ok_label(_("_Apply"))
        self._dialog.set_default_size(_WIDTH, -1)
        # There is no page of help that this button could open.
        if (help_button := self._dialog.get_widget_for_response(Gtk.ResponseType.HELP)) is not None:
            help_button.hide()
        self._ok = self._dialog.get_widget_for_response(Gtk.ResponseType.OK)
        self._first_entry: Any = None
        self._fill(config, tool)
        self._limits = Limits(place.paths.settings, self._changed)
        content = self._dialog.get_content_area()
        content.pack_start(self._limits.box, False, False, 0)
        content.pack_start(self._build_plan(), False, False, _SPACING)
        config.connect(f"notify::{COMMERCIAL}", self._remember)
        config.connect("notify", self._changed)

    def run(self) -> Answer | None:
        """What the user agrees to; None on Cancel."""
        self._ask()
        if self._first_entry is not None:
            self._first_entry.grab_focus()
        try:
            if not self._dialog.run():
                return None
            return Answer(path=wire.REAL) if self._insisted else Answer(self._consent.agreed())
        finally:
            self._planner.stop()
            if self._timer:
                GLib.source_remove(self._timer)
            self._dialog.destroy()

    def _newest_task(self) -> host.Task:
        """The task as it is set now; the defaults where something cannot be used."""
        try:
            return host.task_of(self._order())
        except errors.UsageError:
            return host.Task(self._tool, self._tool.parse({}))

    def _settle_placement(self) -> None:
        """What does not fit a cut-out's form any more goes back to the default."""
        if len(placements(self._tool)) == 1:
            return
        order = self._order()
        outcome = self._tool.outcome(self._tool.parse(order.parameters))
        fitting = [one.value for one in placement.fitting(outcome)]
        if order.placement not in fitting:
            self._config.set_property(PLACEMENT, fitting[0])

    def _pixels(self, layer: Any) -> int:
        area = self._place.source_area(layer, self._task)
        return area.width * area.height

    def _fill(self, config: Any, tool: toolbox.Tool) -> None:
        names = []
        for parameter in tool.parameters:
            name = name_of(parameter)
            steps = parameter.maximum - parameter.minimum
            if parameter.kind is toolbox.Kind.NUMBER and steps <= _SLIDER_STEPS:
                self._dialog.get_scale_entry(name, 1.0)
            if parameter.kind is toolbox.Kind.TEXT and self._first_entry is None:
                self._first_entry = self._dialog.get_widget(name, GimpUi.LabelEntry).get_entry()
            if parameter.auto:
                names.append(automatic(parameter))
                self._dialog.set_sensitive(name, True, config, automatic(parameter), True)
            names.append(name)
        # A screen may be lower than the parameters are high.
        names += [PLACEMENT] * (len(placements(tool)) > 1)
        box = self._dialog.fill_box("nss-parameters", [*names, PATH, COMMERCIAL])
        scrolled = self._dialog.fill_scrolled_window("nss-scrolled", "nss-parameters")
        scrolled.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC)
        scrolled.set_shadow_type(Gtk.ShadowType.NONE)
        self._dialog.fill(["nss-scrolled"])
        scrolled.show_all()
        _, height = box.get_preferred_height()
        scrolled.set_min_content_height(min(height, _HIGHEST))

    def _build_plan(self) -> Any:
        frame = GimpUi.Frame.new(_("Plan"))
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_SPACING)
        self._where = wrapped("")
        self._where.get_style_context().add_class("dim-label")
        self._text = wrapped(_("Looking at this machine …"))
        self._consent = ConsentBox(self._consented, self._take_other)
        self._insist = Gtk.Button(halign=Gtk.Align.START, use_underline=True)
        self._insist.connect("clicked", self._insist_clicked)
        for widget in (self._where, self._text, self._consent.widget, self._insist):
            column.pack_start(widget, False, False, 0)
        frame.add(column)
        frame.show_all()
        self._insist.hide()
        return frame

    def _insist_clicked(self, *ignored: object) -> None:
        self._insisted = True
        self._dialog.response(Gtk.ResponseType.OK)

    def _remember(self, config: Any, *ignored: object) -> None:
        """Keep for all hosts whether only models for commercial use may run."""
        words = settings.show_switch(config.get_property(COMMERCIAL))
        self._limits.keep({COMMERCIAL.replace("-", "_"): words})

    def _changed(self, *ignored: object) -> None:
        self._text.set_sensitive(False)
        if self._timer:
            GLib.source_remove(self._timer)
        self._timer = GLib.timeout_add(_DEBOUNCE_MS, self._ask)

    def _ask(self) -> bool:
        self._timer = 0
        with contextlib.suppress(errors.UsageError):
            self._settle_placement()
        self._task = self._newest_task()
        try:
            self._place.check_presence()
            self._where.set_text(self._layers_line())
            size = self._place.worked_size(self._largest, self._task)
            self._planner.ask(host.ask_plan(self._order(), *size))
        except errors.NssError as error:
            self._show(error)
        return False

    def _layers_line(self) -> str:
        """What is worked on, and where the result will go."""
        place, task, layer = self._place, self._task, self._largest
        destination = place.destination(layer, task)
        if layer is None:
            return destination
        size = f"{layer.get_width()} × {layer.get_height()}"
        what = _("“{name}”, {size}.", name=layer.get_name(), size=size)
        if len(self._layers) > 1:
            what = _(
                "{count} layers, each for itself; the largest {size}.",
                count=len(self._layers),
                size=size,
            )
        return f"{what} {destination}"

    def _show(self, answer: object) -> None:
        self._plan = answer if isinstance(answer, wire.Plan) else None
        self._text.set_sensitive(True)
        self._text.set_text(self._plan.sentence() if self._plan else str(answer))
        self._consent.show_offer(self._tool.id, self._plan.offer if self._plan else None)
        insist = self._plan.insist if self._plan else ""
        # "Run … anyway" and "Try … again" both have a y for the keyboard.
        before, key, after = insist.replace("_", "__").rpartition("y")
        self._insist.set_label(f"{before}_{key}{after}" if key else insist)
        self._insist.set_visible(bool(insist))
        self._consented()

    def _consented(self) -> None:
        agreed = bool(self._consent.agreed())
        self._dialog.set_ok_label(_("_Download and apply") if agreed else _("_Apply"))
        impossible = self._plan is not None and self._plan.path is None
        self._ok.set_sensitive(agreed or not impossible)

    def _take_other(self, choice: str) -> None:
        self._config.set_property(toolbox.MODEL, choice)


def ask(
    procedure: Any,
    config: Any,
    tool: toolbox.Tool,
    place: GimpHost,
    order: Callable[[], host.Order],
) -> Answer | None:
    """Show a tool's dialog; what the user agreed to, or None on Cancel."""
    GimpUi.init(procedure.get_name())
    return ToolDialog(procedure, config, tool, place, order).run()


def show_text(title: str, how: str, text: str) -> None:
    """What a tool says in words, to read and to copy, and ``how`` it came about."""
    GimpUi.init("nss-text")
    dialog = GimpUi.Dialog(title=f"NSS: {title}", role="nss-text")
    dialog.add_button(_("_Copy"), _COPY)
    dialog.add_button(_("C_lose"), Gtk.ResponseType.CLOSE)
    dialog.set_default_response(Gtk.ResponseType.CLOSE)
    dialog.set_default_size(_TEXT_WIDTH, _TEXT_HEIGHT)
    view = Gtk.TextView(editable=False, cursor_visible=False, wrap_mode=Gtk.WrapMode.WORD)
    view.get_buffer().set_text(text)
    for side in ("left", "right", "top", "bottom"):
        getattr(view, f"set_{side}_margin")(_SPACING)
    scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN)
    scrolled.add(view)
    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, border_width=12)
    column.pack_start(scrolled, True, True, 0)
    column.pack_start(wrapped(how), False, False, 0)
    dialog.get_content_area().pack_start(column, True, True, 0)
    dialog.show_all()
    while dialog.run() == _COPY:
        put_into_clipboard(text)
    dialog.destroy()
