"""The dialog of a tool: its parameters, the plan before the click, consent to a download."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")

from gi.repository import GimpUi, GLib, Gtk  # noqa: E402
from layers import GimpHost  # noqa: E402
from vendored import client, errors, host, toolbox, wire  # noqa: E402

_DEBOUNCE_MS = 200
_WIDTH = 460
_WIDTH_CHARS = 52
_SPACING = 6


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
        self._order = order
        self._place = place
        layers = place.layers()
        self._largest = max(layers, key=lambda one: one.get_width() * one.get_height())
        self._planner = Planner(place, self._show)
        self._plan: wire.Plan | None = None
        self._timer = 0
        self._dialog = GimpUi.ProcedureDialog.new(procedure, config, f"NSS: {tool.title}")
        self._dialog.set_ok_label("_Apply")
        self._dialog.set_default_size(_WIDTH, -1)
        # There is no page of help that this button could open.
        if (help_button := self._dialog.get_widget_for_response(Gtk.ResponseType.HELP)) is not None:
            help_button.hide()
        self._ok = self._dialog.get_widget_for_response(Gtk.ResponseType.OK)
        self._fill(config, tool)
        self._build_plan(_layers_line(layers, self._largest, place.opens_new_image))
        config.connect("notify", self._changed)

    def run(self) -> str | None:
        """The model whose download the user consents to, or nothing; None on Cancel."""
        self._ask()
        try:
            if not self._dialog.run():
                return None
            agreed = self._consent.get_visible() and self._consent.get_active()
            return str(self._consent.get_name()) if agreed else ""
        finally:
            self._planner.stop()
            if self._timer:
                GLib.source_remove(self._timer)
            self._dialog.destroy()

    def _fill(self, config: Any, tool: toolbox.Tool) -> None:
        names = []
        for parameter in tool.parameters:
            if parameter.kind is toolbox.Kind.NUMBER:
                self._dialog.get_scale_entry(parameter.id, 1.0)
            if parameter.auto:
                automatic = f"{parameter.id}-auto"
                names.append(automatic)
                self._dialog.set_sensitive(parameter.id, True, config, automatic, True)
            names.append(parameter.id)
        self._dialog.fill([*names, "path"])

    def _build_plan(self, layers_line: str) -> None:
        frame = GimpUi.Frame.new("Plan")
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_SPACING)
        where = _wrapped(layers_line)
        where.get_style_context().add_class("dim-label")
        self._text = _wrapped("Looking at this machine …")
        self._consent = Gtk.CheckButton()
        self._consent_text = _wrapped("")
        self._consent.add(self._consent_text)
        self._consent.set_tooltip_text(
            "The model is fetched once, verified and kept on this computer. Your picture is never "
            "uploaded."
        )
        self._consent.connect("toggled", self._consented)
        for widget in (where, self._text, self._consent):
            column.pack_start(widget, False, False, 0)
        frame.add(column)
        frame.show_all()
        self._consent.hide()
        content = self._dialog.get_content_area()
        content.pack_start(frame, False, False, _SPACING)

    def _changed(self, *_: object) -> None:
        self._text.set_sensitive(False)
        if self._timer:
            GLib.source_remove(self._timer)
        self._timer = GLib.timeout_add(_DEBOUNCE_MS, self._ask)

    def _ask(self) -> bool:
        self._timer = 0
        size = self._place.worked_size(self._largest)
        try:
            self._planner.ask(host.ask_plan(self._order(), *size))
        except errors.NssError as error:
            self._show(error)
        return False

    def _show(self, answer: object) -> None:
        self._plan = answer if isinstance(answer, wire.Plan) else None
        self._text.set_sensitive(True)
        if self._plan is None:
            self._text.set_text(str(answer))
        else:
            sentence = self._plan.sentence()
            self._text.set_text(sentence[:1].upper() + sentence[1:])
        offered = self._plan.download if self._plan else None
        if offered is not None and self._plan is not None:
            size = wire.megabytes(self._plan.download_bytes)
            self._consent_text.set_text(
                f"Download {self._plan.download_title}, {size}, {self._plan.licence}, "
                f"from {self._plan.host}"
            )
        if self._consent.get_name() != (offered or ""):
            # What was consented to was another model.
            self._consent.set_active(False)
            self._consent.set_name(offered or "")
        self._consent.set_visible(offered is not None)
        self._consented()

    def _consented(self, *_: object) -> None:
        consent = self._consent.get_visible() and self._consent.get_active()
        self._dialog.set_ok_label("_Download and apply" if consent else "_Apply")
        impossible = self._plan is not None and self._plan.path is None
        self._ok.set_sensitive(consent or not impossible)


def ask(
    procedure: Any,
    config: Any,
    tool: toolbox.Tool,
    place: GimpHost,
    order: Callable[[], host.Order],
) -> str | None:
    """Show a tool's dialog; the model whose download is agreed to, or None on Cancel."""
    GimpUi.init(procedure.get_name())
    return ToolDialog(procedure, config, tool, place, order).run()


def _layers_line(layers: Any, largest: Any, opens_new_image: bool) -> str:
    size = f"{largest.get_width()} × {largest.get_height()}"
    line = f"“{largest.get_name()}”, {size}"
    if len(layers) > 1:
        line = f"{len(layers)} layers, the largest {size}"
    if opens_new_image:
        line += "; an indexed image cannot hold the result, so it opens as a new RGB image"
    return line


def _wrapped(text: str) -> Any:
    label = Gtk.Label(label=text)
    label.set_line_wrap(True)
    label.set_xalign(0)
    label.set_max_width_chars(_WIDTH_CHARS)
    return label
