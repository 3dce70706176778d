"""The arguments and return values of the procedures, made from the toolbox's declarations."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import gi

gi.require_version("Gimp", "3.0")

from gi.repository import Gimp, GObject  # noqa: E402
from vendored import _, host, placement, settings, toolbox, wire  # noqa: E402

FLAGS = GObject.ParamFlags.READWRITE
PATH, CONSENT, COMMERCIAL = "path", "consent", "commercial-only"
PLACEMENT = "placement"
_PATH_TITLES = (_("Automatic"), _("Real model only"), _("Classical only"))


def name_of(parameter: toolbox.Parameter) -> str:
    """The argument that carries a parameter."""
    return parameter.id.replace("_", "-")


def automatic(parameter: toolbox.Parameter) -> str:
    """The argument that says whether a number is chosen automatically."""
    return f"{name_of(parameter)}-auto"


def placements(tool: toolbox.Tool) -> tuple[placement.Choice, ...]:
    """Where a tool's results may go, whatever its parameters; where it is one there is no choice.

    What does not fit the parameters is refused when it is run.
    """
    # A cut-out takes the form that is chosen.
    masked = tool.returns is toolbox.Returns.MASK
    outcomes = (toolbox.Returns.MASK, toolbox.Returns.PIXELS) if masked else (tool.returns,)
    found = {one.placement: one for outcome in outcomes for one in placement.choices(outcome)}
    return tuple(found[one] for one in placement.Placement if one in found)


def declare(procedure: Any, tool: toolbox.Tool) -> None:
    """Add the arguments and return values of a tool's procedure."""
    for parameter in tool.parameters:
        _add(procedure, parameter)
    places = placements(tool)
    if len(places) > 1:
        told = " ".join(f"{one.title}: {one.help}" for one in places)
        names = [one.placement.value for one in places]
        choice = _choice(names, [one.title for one in places])
        procedure.add_choice_argument(PLACEMENT, _("_Placed as"), told, choice, names[0], FLAGS)
    procedure.add_choice_argument(
        PATH,
        _("_Made by"),
        _("Automatic takes the real model where this machine can run it in reasonable time."),
        _choice(wire.PATHS, _PATH_TITLES),
        wire.PATHS[0],
        FLAGS,
    )
    procedure.add_boolean_argument(
        COMMERCIAL,
        _("Only models for commercial _use"),
        _("Leaves out models whose licences forbid commercial use."),
        False,
        FLAGS,
    )
    procedure.add_boolean_argument(
        CONSENT,
        _("Download the model"),
        _("Consent to the download of the model that the real path needs."),
        False,
        FLAGS,
    )
    procedure.add_string_return_value(
        "receipts", _("Receipts"), _("One receipt for each result, a JSON list."), "", FLAGS
    )
    procedure.add_string_return_value(
        "images", _("Images"), _("The ids of new images with results, a JSON list."), "", FLAGS
    )
    procedure.add_string_return_value(
        "text", _("Text"), _("What the tool says in words, a line for each finding."), "", FLAGS
    )


def order_of(tool: toolbox.Tool, config: Any, consent: str, kept: settings.Settings) -> host.Order:
    """What the procedure's arguments ask for within the user's settings."""
    given: dict[str, object] = {}
    for parameter in tool.parameters:
        chosen = parameter.auto and config.get_property(automatic(parameter))
        value = toolbox.AUTO if chosen else config.get_property(name_of(parameter))
        # GIMP may give None for an empty text.
        given[parameter.id] = "" if value is None else value
    return host.Order(
        tool.id,
        given,
        config.get_property(PATH),
        consent,
        limits=kept.limits,
        commercial_only=kept.commercial_only or bool(config.get_property(COMMERCIAL)),
        placement=str(config.get_property(PLACEMENT) if len(placements(tool)) > 1 else "new"),
    )


def filled(values: Any, *results: str | bool) -> Any:
    """The return values of a procedure that has succeeded, with its results in their order."""
    values.truncate(1)
    for result in results:
        kind = GObject.TYPE_BOOLEAN if isinstance(result, bool) else GObject.TYPE_STRING
        values.append(GObject.Value(kind, result))
    return values


def _add(procedure: Any, parameter: toolbox.Parameter) -> None:
    """A parameter of the toolbox as an argument of the procedure."""
    name, title, text = name_of(parameter), parameter.title, parameter.help
    if parameter.kind is toolbox.Kind.CHOICE:
        choice = _choice(parameter.choices, parameter.choice_titles)
        procedure.add_choice_argument(name, title, text, choice, parameter.default, FLAGS)
        return
    if parameter.kind is toolbox.Kind.TEXT:
        procedure.add_string_argument(name, title, text, parameter.default, FLAGS)
        return
    if parameter.auto:
        default = parameter.default == toolbox.AUTO
        procedure.add_boolean_argument(
            automatic(parameter), _("Automatic: {title}", title=title), text, default, FLAGS
        )
    start = parameter.start if parameter.default == toolbox.AUTO else parameter.default
    if parameter.unit:
        title = f"{title} ({parameter.unit})"
    span = parameter.minimum, parameter.maximum, start
    if parameter.whole:
        procedure.add_int_argument(name, title, text, *map(int, span), FLAGS)
    else:
        procedure.add_double_argument(name, title, text, *span, FLAGS)


def _choice(names: Sequence[str], titles: Sequence[str]) -> Any:
    choice = Gimp.Choice.new()
    for number, (name, title) in enumerate(zip(names, titles, strict=True)):
        choice.add(name, number, title, "")
    return choice
