#!/usr/bin/env python3
"""Registers one procedure for each tool in GIMP, below Filters ▸ NSS."""

from __future__ import annotations

import sys
from typing import Any

import gi

gi.require_version("Gimp", "3.0")

from gi.repository import Gimp, GLib, GObject  # noqa: E402
from vendored import client, errors, host, paths, receipt, toolbox, wire  # noqa: E402

PREFIX = "plug-in-nss-"
RECEIPTS = PREFIX + "receipts"
FLAGS = GObject.ParamFlags.READWRITE
PATH_TITLES = ("Automatic", "Real model only", "Classical only")


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


def order_of(tool: toolbox.Tool, config: Any, consent: str) -> host.Order:
    """What the procedure's arguments ask for."""
    given: dict[str, object] = {}
    for parameter in tool.parameters:
        automatic = parameter.auto and config.get_property(f"{parameter.id}-auto")
        given[parameter.id] = toolbox.AUTO if automatic else config.get_property(parameter.id)
    return host.Order(tool.id, given, config.get_property("path"), consent)


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

    worker = client.Client(paths.paths(), GimpHost.name, str(Gimp.version()))
    place = GimpHost(image, drawables, worker.paths)
    consent = ""
    if mode == Gimp.RunMode.INTERACTIVE:
        from panel import ask

        answer = ask(procedure, config, tool, place, lambda: order_of(tool, config, ""))
        if answer is None:
            return _end(procedure, Gimp.PDBStatusType.CANCEL)
        consent = answer
    elif mode == Gimp.RunMode.NONINTERACTIVE:
        consent = host.ANY if config.get_property("consent") else ""
    Gimp.progress_init(tool.title)
    flow = host.apply_tool(place, order_of(tool, config, consent))
    made = host.run_here(flow, worker, Watcher())
    worker.close()
    if mode != Gimp.RunMode.NONINTERACTIVE:
        place.show_new_images()
        Gimp.displays_flush()
        Gimp.message(_message(made))
    Gimp.progress_end()
    return _success(procedure, "[" + ",".join(receipt.to_json(one) for one in made) + "]")


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
        return _success(procedure, receipts.to_json(found))
    except Exception as error:
        text = f"Something unexpected went wrong ({type(error).__name__}: {error})."
        return _end(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, text)


def _success(procedure: Any, text: str) -> Any:
    values = _end(procedure, Gimp.PDBStatusType.SUCCESS)
    values.remove(1)
    values.append(GObject.Value(GObject.TYPE_STRING, text))
    return values


def _end(procedure: Any, status: Any, text: str = "") -> Any:
    error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), text, 0) if text else None
    return procedure.new_return_values(status, error)


class Nss(Gimp.PlugIn):
    """The plug-in: a procedure for each tool of the toolbox, and one that lists receipts."""

    def do_set_i18n(self, name: str) -> bool:
        """No translations yet."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Names of the procedures."""
        return [*(PREFIX + tool.id for tool in toolbox.TOOLS), RECEIPTS]

    def do_create_procedure(self, name: str) -> Any:
        """One procedure, those of the tools made from their declarations."""
        if name == RECEIPTS:
            return self._receipts(name)
        tool = toolbox.tool(name.removeprefix(PREFIX))
        procedure = self._procedure(name, f"{tool.title}…", run, tool)
        procedure.set_sensitivity_mask(
            Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES
        )
        procedure.set_documentation(
            tool.help,
            f"{tool.help} The result is a new layer above each selected one, with a receipt that "
            "says whether a real model or a classical algorithm made it. Nothing is uploaded.",
            name,
        )
        for parameter in tool.parameters:
            _add(procedure, parameter)
        procedure.add_choice_argument(
            "path",
            "_Made by",
            "Automatic takes the real model where this machine can run it in reasonable time.",
            _choice(wire.PATHS, PATH_TITLES),
            wire.PATHS[0],
            FLAGS,
        )
        procedure.add_boolean_argument(
            "consent",
            "Download the model",
            "Consent to the download of the model that the real path needs.",
            False,
            FLAGS,
        )
        procedure.add_string_return_value(
            "receipts", "Receipts", "One receipt for each new layer, a JSON list.", "", FLAGS
        )
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

    def _procedure(self, name: str, label: str, function: Any, data: Any) -> Any:
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, function, data)
        procedure.set_image_types("*")
        procedure.set_menu_label(label)
        procedure.add_menu_path("<Image>/Filters/NSS")
        procedure.set_attribution("NSS", "The NSS for Krita and GIMP authors", "2026")
        return procedure


def _add(procedure: Any, parameter: toolbox.Parameter) -> None:
    """A parameter of the toolbox as an argument of the procedure."""
    if parameter.kind is toolbox.Kind.CHOICE:
        procedure.add_choice_argument(
            parameter.id,
            parameter.title,
            parameter.help,
            _choice(parameter.choices, parameter.choice_titles),
            parameter.default,
            FLAGS,
        )
        return
    if parameter.auto:
        procedure.add_boolean_argument(
            f"{parameter.id}-auto",
            f"Automatic {parameter.title.lower()}",
            parameter.help,
            parameter.default == toolbox.AUTO,
            FLAGS,
        )
    start = parameter.start if parameter.default == toolbox.AUTO else parameter.default
    title = f"{parameter.title} ({parameter.unit})" if parameter.unit else parameter.title
    procedure.add_double_argument(
        parameter.id, title, parameter.help, parameter.minimum, parameter.maximum, start, FLAGS
    )


def _choice(names: Any, titles: Any) -> Any:
    choice = Gimp.Choice.new()
    for number, (name, title) in enumerate(zip(names, titles, strict=True)):
        choice.add(name, number, title, "")
    return choice


Gimp.main(Nss.__gtype__, sys.argv)
