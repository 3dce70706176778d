#!/usr/bin/env python3
"""Registers one procedure for each tool in GIMP, below Filters ▸ NSS."""

from __future__ import annotations

import contextlib
import json
import sys
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import gi

gi.require_version("Gimp", "3.0")

from arguments import COMMERCIAL, FLAGS, declare, filled, order_of  # noqa: E402
from gi.repository import Gimp, GLib  # noqa: E402
from vendored import client, environment, errors, host, paths, receipt, settings, toolbox, wire  # noqa: E402

if TYPE_CHECKING:
    from layers import GimpHost

PREFIX = "plug-in-nss-"
RECEIPTS = PREFIX + "receipts"
SETUP = PREFIX + "setup"
PANEL = PREFIX + "panel"
_PLACES = {
    toolbox.Returns.PIXELS: "The result is a new layer above each selected one.",
    toolbox.Returns.MASK: "The result is a new layer with a layer mask above each selected one, "
    "or what is chosen instead.",
    toolbox.Returns.SELECTION: "The result is the image's selection.",
    toolbox.Returns.BELOW: "The result is a new layer below each selected one.",
    toolbox.Returns.LAYER: "The result is a new layer.",
    toolbox.Returns.SCALED: "The result opens as a new image.",
    toolbox.Returns.TEXT: "The result is a text; no pixel changes.",
}


class Watcher:
    """Shows the worker's progress; GIMP's Cancel ends this whole process, which the worker sees."""

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """Text and bar in the image window."""
        if isinstance(event, wire.Queued):
            Gimp.progress_set_text(f"Waiting behind {event.place} other job(s)")
            return
        Gimp.progress_set_text(event.sentence())
        if event.total > 1:
            Gimp.progress_update(event.done / event.total)
        else:
            Gimp.progress_pulse()

    def cancelled(self) -> bool:
        """Never: there is no other way to cancel."""
        return False


def run(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, tool: toolbox.Tool
) -> Any:
    """Apply a tool to the drawables; every failure is an error of the procedure."""
    try:
        return _run(procedure, mode, image, drawables, config, tool)
    except errors.Cancelled:
        return _end(procedure, Gimp.PDBStatusType.CANCEL)
    except (errors.BadInput, errors.UsageError) as error:
        return _end(procedure, Gimp.PDBStatusType.CALLING_ERROR, str(error))
    except errors.NssError as error:
        return _end(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, str(error))
    except Exception as error:
        text = f"Something unexpected went wrong ({type(error).__name__}: {error})."
        return _end(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, text)


def _run(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, tool: toolbox.Tool
) -> Any:
    from layers import GimpHost

    if mode == Gimp.RunMode.INTERACTIVE and not environment.state(paths.paths()).usable:
        from setup_dialog import show

        if not show():
            return _end(procedure, Gimp.PDBStatusType.CANCEL)
    worker = client.Client(paths.paths(), GimpHost.name, str(Gimp.version()))
    place = GimpHost(image, drawables, worker.paths)

    def order(consent: str = "", path: str = "") -> host.Order:
        made = order_of(tool, config, consent, settings.load(worker.paths.settings))
        return replace(made, path=path or made.path)

    consent = path = ""
    if mode != Gimp.RunMode.NONINTERACTIVE:
        # Not what it was at the last time: another host may have changed it since.
        chosen = settings.load(worker.paths.settings)
        config.set_property(COMMERCIAL, chosen.commercial_only)
    if mode == Gimp.RunMode.INTERACTIVE:
        from panel import ask

        answer = ask(procedure, config, tool, place, order)
        if answer is None:
            return _end(procedure, Gimp.PDBStatusType.CANCEL)
        consent, path = answer.consent, answer.path
    elif mode == Gimp.RunMode.NONINTERACTIVE:
        consent = host.ANY if config.get_property("consent") else ""
    Gimp.progress_init(tool.title)
    flow = host.apply_tool(place, order(consent, path))
    try:
        made = host.run_here(flow, worker, Watcher())
    finally:
        worker.close()
        if mode != Gimp.RunMode.NONINTERACTIVE:
            # Also those from before a failure.
            for opened in place.opened:
                Gimp.Display.new(opened)
    Gimp.progress_end()
    if mode != Gimp.RunMode.NONINTERACTIVE:
        _show(place, made)
    receipts = "[" + ",".join(receipt.to_json(one) for one in made) + "]"
    images = json.dumps([image.get_id() for image in place.opened])
    return filled(_end(procedure, Gimp.PDBStatusType.SUCCESS), receipts, images, place.text)


def _show(place: GimpHost, made: list[receipt.Receipt]) -> None:
    """Words get a dialog, everything else a message."""
    Gimp.displays_flush()
    if place.text:
        from panel import show_text

        show_text(receipt.tool_title(made[-1].tool), receipt.sentence(made[-1]), place.text)
    else:
        Gimp.message(_message(made))


def _message(made: list[receipt.Receipt]) -> str:
    """What the user is told at the end: short, since GIMP puts what does not fit into a box.

    A fault is told in full; why the classical path was planned stood in the dialog.
    """
    last = made[-1]
    text = receipt.sentence(last)
    if last.model is None and last.fault is None:
        took = wire.duration(last.actual.total_seconds)
        title = receipt.tool_title(last.tool)
        text = f"{title}: {last.path}, {took}. See Filters ▸ NSS ▸ Receipts."
    return text if len(made) == 1 else f"{len(made)} layers done. The last one: {text}"


def show_receipts(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, data: Any
) -> Any:
    """List the receipts of the image's layers."""
    import receipts

    try:
        found = receipts.of_image(image)
        if mode != Gimp.RunMode.NONINTERACTIVE:
            receipts.show(found)
        return filled(_end(procedure, Gimp.PDBStatusType.SUCCESS), receipts.to_json(found))
    except Exception as error:
        text = f"Something unexpected went wrong ({type(error).__name__}: {error})."
        return _end(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, text)


def set_up(procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, data: Any) -> Any:
    """Show how the worker stands, and set it up; without a dialog say whether it is usable."""
    try:
        usable = environment.state(paths.paths()).usable
        if mode != Gimp.RunMode.NONINTERACTIVE:
            from setup_dialog import show

            usable = show()
        return filled(_end(procedure, Gimp.PDBStatusType.SUCCESS), usable)
    except Exception as error:
        text = f"Something unexpected went wrong ({type(error).__name__}: {error})."
        return _end(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, text)


def show_panel(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, data: Any
) -> Any:
    """Show the window with machine, models, receipts and settings; without it list the models."""
    try:
        version = str(Gimp.version())
        known: tuple[wire.Model, ...] = ()
        if mode != Gimp.RunMode.NONINTERACTIVE:
            import panel_window

            panel_window.show(image, version)
        else:
            with contextlib.closing(client.Client(paths.paths(), "GIMP", version)) as worker:
                known = worker.ask(wire.AskModels(), wire.ModelsReply).models
        listed = json.dumps([asdict(one) for one in known])
        return filled(_end(procedure, Gimp.PDBStatusType.SUCCESS), listed)
    except errors.NssError as error:
        return _end(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, str(error))
    except Exception as error:
        text = f"Something unexpected went wrong ({type(error).__name__}: {error})."
        return _end(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, text)


def _end(procedure: Any, status: Any, text: str = "") -> Any:
    error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), text, 0) if text else None
    return procedure.new_return_values(status, error)


class Nss(Gimp.PlugIn):
    """The plug-in: a procedure for each tool, one with receipts, a panel, a set-up."""

    def do_set_i18n(self, name: str) -> bool:
        """No translations yet."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Names of the procedures."""
        return [*(PREFIX + tool.id for tool in toolbox.TOOLS), RECEIPTS, PANEL, SETUP]

    def do_create_procedure(self, name: str) -> Any:
        """One procedure, those of the tools made from their declarations."""
        if name == RECEIPTS:
            return self._receipts(name)
        if name == SETUP:
            return self._set_up(name)
        if name == PANEL:
            return self._panel(name)
        tool = toolbox.tool(name.removeprefix(PREFIX))
        procedure = self._procedure(name, f"{tool.title}…", run, tool)
        sensitive = Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES
        if tool.returns is toolbox.Returns.LAYER:
            # Up to 3.2 GIMP's menus do without such entries all the same where there is no layer.
            sensitive |= Gimp.ProcedureSensitivityMask.NO_DRAWABLES
        procedure.set_sensitivity_mask(sensitive)
        procedure.set_documentation(
            tool.help,
            f"{tool.help} {_PLACES[tool.returns]} A receipt says whether a real model or a "
            "classical algorithm made it. Nothing is uploaded.",
            name,
        )
        declare(procedure, tool)
        return procedure

    def _receipts(self, name: str) -> Any:
        procedure = self._procedure(name, "Receipts…", show_receipts, None)
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.ALWAYS)
        text = "Lists which path made the layers that NSS added to this image, and why."
        procedure.set_documentation(text, text, name)
        procedure.add_string_return_value(
            "receipts", "Receipts", "A JSON list of objects: layer and receipt.", "", FLAGS
        )
        return procedure

    def _set_up(self, name: str) -> Any:
        procedure = self._procedure(name, "Set Up…", set_up, None)
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.ALWAYS)
        text = "Sets up, repairs or removes the program that does the work."
        procedure.set_documentation(text, text, name)
        procedure.add_boolean_return_value(
            "usable", "Usable", "Whether tools can be run.", False, FLAGS
        )
        return procedure

    def _panel(self, name: str) -> Any:
        procedure = self._procedure(name, "Panel…", show_panel, None)
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.ALWAYS)
        text = "Shows this machine, the models, the image's receipts, and settings."
        procedure.set_documentation(text, text, name)
        procedure.add_string_return_value(
            "models", "Models", "A JSON list of the models and what is here of each.", "", FLAGS
        )
        return procedure

    def _procedure(self, name: str, label: str, function: Any, data: Any) -> Any:
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, function, data)
        procedure.set_image_types("*")
        procedure.set_menu_label(label)
        procedure.add_menu_path("<Image>/Filters/NSS")
        procedure.set_attribution("NSS", "The NSS for Krita and GIMP authors", "2026")
        return procedure


Gimp.main(Nss.__gtype__, sys.argv)
