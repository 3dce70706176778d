#!/usr/bin/env python3
"""Registers one procedure for each tool in GIMP, below Filters ▸ NSS."""

from __future__ import annotations

import contextlib
import functools
import json
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gimp", "3.0")

from arguments import FLAGS, declare, filled  # noqa: E402
from gi.repository import Gimp, Gio, GLib  # noqa: E402
from vendored import _, client, environment, errors, export, paths, toolbox, wire  # noqa: E402

PREFIX = "plug-in-nss-"
RECEIPTS = PREFIX + "receipts"
SETUP = PREFIX + "setup"
PANEL = PREFIX + "panel"
EXPORT = PREFIX + "export"
_PLACES = {
    toolbox.Returns.PIXELS: _("The result is a new layer above each selected one."),
    toolbox.Returns.MASK: _(
        "The result is a new layer with a layer mask above each selected one, "
        "or what is chosen instead."
    ),
    toolbox.Returns.SELECTION: _("The result is the image's selection."),
    toolbox.Returns.BELOW: _("The result is a new layer below each selected one."),
    toolbox.Returns.LAYER: _("The result is a new layer."),
    toolbox.Returns.SCALED: _("The result opens as a new image."),
    toolbox.Returns.TEXT: _("The result is a text; no pixel changes."),
}


def guarded(work: Callable[..., Any]) -> Callable[..., Any]:
    """A procedure whose failures are its errors, each with a sentence."""

    @functools.wraps(work)
    def call(procedure: Any, *arguments: Any) -> Any:
        try:
            return work(procedure, *arguments)
        except errors.Cancelled:
            return _end(procedure, Gimp.PDBStatusType.CANCEL)
        except Exception as error:
            from faults import explain

            called_wrongly = isinstance(error, (errors.BadInput, errors.UsageError))
            kinds = Gimp.PDBStatusType
            kind = kinds.CALLING_ERROR if called_wrongly else kinds.EXECUTION_ERROR
            return _end(procedure, kind, explain(error))

    return call


@guarded
def run(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, tool: toolbox.Tool
) -> Any:
    """Apply a tool to the drawables."""
    import running

    return running.run(procedure, mode, image, drawables, config, tool)


@guarded
def show_receipts(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, data: Any
) -> Any:
    """List the receipts of the image's layers."""
    import receipts

    found = receipts.of_image(image)
    if mode != Gimp.RunMode.NONINTERACTIVE:
        receipts.show(image)
    return filled(_end(procedure, Gimp.PDBStatusType.SUCCESS), receipts.to_json(found))


@guarded
def export_labelled(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, data: Any
) -> Any:
    """Export the image with its label, to a file that is asked for where there is a user."""
    import exporting

    if mode == Gimp.RunMode.INTERACTIVE:
        target = exporting.chosen(image)
        if target is None:
            raise errors.Cancelled(_("Cancelled."))
        config.set_property("file", Gio.File.new_for_path(str(target)))
    file = config.get_property("file")
    if file is None or not file.get_path():
        raise errors.UsageError(_("Name the file that is to be written, as the argument file."))
    said, found = exporting.export_to(image, Path(file.get_path()))
    if mode != Gimp.RunMode.NONINTERACTIVE:
        Gimp.message(said)
    return filled(_end(procedure, Gimp.PDBStatusType.SUCCESS), found, said)


@guarded
def set_up(procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, data: Any) -> Any:
    """Show how the worker stands, and set it up; without a dialog say whether it is usable."""
    usable = environment.state(paths.paths()).usable
    if mode != Gimp.RunMode.NONINTERACTIVE:
        from setup_dialog import show

        usable = show()
    return filled(_end(procedure, Gimp.PDBStatusType.SUCCESS), usable)


@guarded
def show_panel(
    procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, data: Any
) -> Any:
    """Show the window with machine, models, receipts and settings; without it list the models."""
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


def _end(procedure: Any, status: Any, text: str = "") -> Any:
    error = GLib.Error.new_literal(Gimp.PlugIn.error_quark(), text, 0) if text else None
    return procedure.new_return_values(status, error)


class Nss(Gimp.PlugIn):
    """The plug-in: a procedure for each tool, one with receipts, a panel, a set-up."""

    def do_set_i18n(self, name: str) -> bool:
        """None of GIMP's own: the texts come translated."""
        return False

    def do_query_procedures(self) -> list[str]:
        """Names of the procedures."""
        return [*(PREFIX + tool.id for tool in toolbox.TOOLS), RECEIPTS, EXPORT, PANEL, SETUP]

    def do_create_procedure(self, name: str) -> Any:
        """One procedure, those of the tools made from their declarations."""
        others = {
            RECEIPTS: self._receipts,
            EXPORT: self._export,
            PANEL: self._panel,
            SETUP: self._set_up,
        }
        if name in others:
            return others[name](name)
        tool = toolbox.tool(name.removeprefix(PREFIX))
        procedure = self._procedure(name, f"{tool.title}…", run, tool)
        sensitive = Gimp.ProcedureSensitivityMask.DRAWABLE | Gimp.ProcedureSensitivityMask.DRAWABLES
        if tool.returns is toolbox.Returns.LAYER:
            # Up to 3.2 GIMP's menus do without such entries all the same where there is no layer.
            sensitive |= Gimp.ProcedureSensitivityMask.NO_DRAWABLES
        procedure.set_sensitivity_mask(sensitive)
        procedure.set_documentation(
            tool.help,
            _(
                "{help} {place} A receipt says whether a real model or a classical algorithm "
                "made it. Nothing is uploaded.",
                help=tool.help,
                place=_PLACES[tool.returns],
            ),
            name,
        )
        declare(procedure, tool)
        return procedure

    def _receipts(self, name: str) -> Any:
        procedure = self._procedure(name, _("Receipts…"), show_receipts, None)
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.ALWAYS)
        text = _("Lists which path made the layers that NSS added to this image, and why.")
        procedure.set_documentation(text, text, name)
        procedure.add_string_return_value(
            "receipts", _("Receipts"), _("A JSON list of objects: layer and receipt."), "", FLAGS
        )
        return procedure

    def _export(self, name: str) -> Any:
        procedure = self._procedure(name, f"{export.TITLE}…", export_labelled, None)
        procedure.set_sensitivity_mask(
            Gimp.ProcedureSensitivityMask.DRAWABLE
            | Gimp.ProcedureSensitivityMask.DRAWABLES
            | Gimp.ProcedureSensitivityMask.NO_DRAWABLES
        )
        procedure.set_documentation(
            export.HELP,
            _(
                "{help} The strongest source type wins. GIMP's own exporter writes the file; "
                "the image keeps its name, and is saved or not as before.",
                help=export.HELP,
            ),
            name,
        )
        procedure.add_file_argument(
            "file",
            "_File",
            _("The file that is written; its ending says whether as PNG, TIFF or JPEG."),
            Gimp.FileChooserAction.SAVE,
            True,
            None,
            FLAGS,
        )
        procedure.add_string_return_value(
            "receipts", _("Receipts"), _("The receipts in the file, a JSON list."), "", FLAGS
        )
        procedure.add_string_return_value(
            "text", _("Text"), _("What was exported, in a sentence."), "", FLAGS
        )
        return procedure

    def _set_up(self, name: str) -> Any:
        procedure = self._procedure(name, _("Set Up…"), set_up, None)
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.ALWAYS)
        text = _("Sets up, repairs or removes the program that does the work.")
        procedure.set_documentation(text, text, name)
        procedure.add_boolean_return_value(
            "usable", _("Usable"), _("Whether tools can be run."), False, FLAGS
        )
        return procedure

    def _panel(self, name: str) -> Any:
        procedure = self._procedure(name, _("Panel…"), show_panel, None)
        procedure.set_sensitivity_mask(Gimp.ProcedureSensitivityMask.ALWAYS)
        text = _("Shows this machine, the models, the image's receipts, and settings.")
        procedure.set_documentation(text, text, name)
        procedure.add_string_return_value(
            "models",
            _("Models"),
            _("A JSON list of the models and what is here of each."),
            "",
            FLAGS,
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
