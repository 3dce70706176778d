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


def order_of(tool: toolbox.Tool, config: Any, consent: bool) -> host.Order:
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
        text = f"{tool.title}: {type(error).__name__}: {error}. Nothing was changed."
        return _end(procedure, Gimp.PDBStatusType.EXECUTION_ERROR, text)


def _run(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, tool: toolbox.Tool
) -> Any:
    from layers import GimpHost

    worker = client.Client(paths.paths(), "GIMP", Gimp.version())
    place = GimpHost(image, drawables, worker.paths)
    consent = False
    if mode == Gimp.RunMode.INTERACTIVE:
        from panel import ask

        answer = ask(procedure, config, tool, worker, place, order_of)
        if answer is None:
            return _end(procedure, Gimp.PDBStatusType.CANCEL)
        consent = answer
    elif mode == Gimp.RunMode.NONINTERACTIVE:
        consent = config.get_property("consent")
    Gimp.progress_init(tool.title)
    flow = host.apply_tool(place, order_of(tool, config, consent))
    made = host.run_here(flow, worker, Watcher())
    Gimp.progress_end()
    worker.close()
    if mode != Gimp.RunMode.NONINTERACTIVE:
        place.show_new_images()
        Gimp.displays_flush()
    values = _end(procedure, Gimp.PDBStatusType.SUCCESS)
    texts = "[" + ",".join(receipt.to_json(one) for one in made) + "]"
    values.remove(1)
    values.append(GObject.Value(GObject.TYPE_STRING, texts))
    return values


def _end(procedure: Any, status: Any, text: str = "") -> Any:
    error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), text, 0) if text else None
    return procedure.new_return_values(status, error)


class Nss(Gimp.PlugIn):
    """The plug-in: a procedure for each tool of the toolbox."""

    def do_set_i18n(self, name: str) -> bool:
        """No translations yet."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Names of the procedures."""
        return [PREFIX + tool.id for tool in toolbox.TOOLS]

    def do_create_procedure(self, name: str) -> Any:
        """One procedure, made from the tool's declaration."""
        tool = toolbox.tool(name.removeprefix(PREFIX))
        procedure = Gimp.ImageProcedure.new(self, name, Gimp.PDBProcType.PLUGIN, run, tool)
        procedure.set_image_types("*")
        procedure.set_sensitivity_mask(
            Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES
        )
        procedure.set_menu_label(f"{tool.title}…")
        procedure.add_menu_path("<Image>/Filters/NSS")
        procedure.set_documentation(
            tool.help,
            f"{tool.help} The result is a new layer above each selected one, with a receipt that "
            "says whether a real model or a classical algorithm made it. Nothing is uploaded.",
            name,
        )
        procedure.set_attribution("NSS", "The NSS for Krita and GIMP authors", "2026")
        for parameter in tool.parameters:
            _add(procedure, parameter)
        procedure.add_choice_argument(
            "path",
            "_Path",
            "Automatic takes the real model where it is here and fits the limits.",
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
            f"{parameter.title}: automatic",
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
    for number, (name, title) in enumerate(zip(names, titles)):
        choice.add(name, number, title, "")
    return choice


Gimp.main(Nss.__gtype__, sys.argv)
