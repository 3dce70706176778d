"""What Krita reads of a plug-in beside its code: the description of its menu, and its manual."""

from __future__ import annotations

import html
from xml.sax.saxutils import escape

from ..bridge import export, placement, toolbox
from ..bridge.language import ENGLISH, _, within

# Krita reads the flags as binary digits: 1 is "a picture is open".
_NEEDS_PICTURE = "1"


def action_file() -> str:
    """Krita's description of the menu entries, which makes their shortcuts configurable."""
    entries = [_action("nss_menu", "NSS", "", "0")]
    entries += [
        _action(f"nss_{t.id.replace('-', '_')}", f"{t.title}…", t.help, _NEEDS_PICTURE)
        for t in toolbox.TOOLS
    ]
    entries.append(_action("nss_export_labelled", f"{export.TITLE}…", export.HELP, _NEEDS_PICTURE))
    text = _("Downloads, verifies and removes models, and says what this machine runs.")
    entries.append(_action("nss_models_open", _("Models…"), text, "0"))
    text = _("Sets up, repairs or removes the program that does the work.")
    entries.append(_action("nss_setup_open", _("Set Up…"), text, "0"))
    text = _("Copies what a report of a fault needs; no names, paths or pictures are in it.")
    entries.append(_action("nss_diagnostics_copy", _("Copy Diagnostics"), text, "0"))
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        '<ActionCollection version="2" name="Scripts">\n'
        '  <Actions category="Scripts">\n    <text>NSS</text>\n'
        + "".join(entries)
        + "  </Actions>\n</ActionCollection>\n"
    )


def _action(name: str, text: str, help_text: str, flags: str) -> str:
    fields = {
        "icon": "",
        "text": text,
        "whatsThis": help_text,
        "toolTip": help_text,
        "iconText": text,
        "activationFlags": flags,
        "activationConditions": "0",
        "shortcut": "",
        "isCheckable": "false",
        "statusTip": help_text,
    }
    lines = "".join(f"      <{key}>{escape(value)}</{key}>\n" for key, value in fields.items())
    return f'    <Action name="{name}">\n{lines}    </Action>\n'


# What Krita makes of each kind of result, and what a selection means to the tool.
_RESULTS = {
    toolbox.Returns.PIXELS: _("The result is a new layer above."),
    toolbox.Returns.MASK: _(
        "The result is a new layer above with a transparency mask, the cut "
        "pixels, or a selection, as you choose."
    ),
    toolbox.Returns.SELECTION: _("The result is a selection."),
    toolbox.Returns.BELOW: _(
        "The result is a new layer below, of the canvas' size; under the lowest "
        "layer of a group it is one above in the blending mode Behind, which looks the same."
    ),
    toolbox.Returns.LAYER: _("The result is a new layer above, of the canvas' size."),
    toolbox.Returns.SCALED: _("The result opens as a new picture."),
    toolbox.Returns.TEXT: _("The result is words in the panel, to read and to copy."),
}
_SELECTIONS = {
    toolbox.Selects.LIMITS: _("A selection limits the change."),
    toolbox.Selects.NEEDED: _("It changes what is selected, and needs a selection."),
    toolbox.Selects.HINT: _("A selection shows it what you mean."),
    toolbox.Selects.IGNORED: _("A selection does not count."),
}


def manual(language: str = ENGLISH) -> str:
    """The page that Krita's Python Plugin Manager shows, in a language."""
    parts = [
        "<!DOCTYPE html>\n<html><head><meta charset='utf-8'><title>NSS</title></head><body>",
        "<h1>NSS</h1>",
        _(
            "<p>Select one or more layers and choose a tool from <b>Filter ▸ NSS</b>. The panel "
            "<b>NSS</b> opens and says what will be done before you press <b>Apply</b>: with a "
            "real neural model or by a classical algorithm, in how many seconds, and why, and "
            "where the result will go. Unless you choose otherwise it is a new layer in one undo "
            "step, and your own layers stay as they are.</p>"
        ),
        _(
            "<p>The panel lists <b>all tools with their plans</b> for the active layer: a star "
            "stands for a real model, a curve for a classical algorithm, a circle with a stroke "
            "for what is not possible here; the words say the same. What an entry of the menu "
            "needs and the layer does not have is told when you point at it.</p>"
        ),
        _placements(language),
        _(
            "<p>Several selected layers are worked on one after the other, each in an undo step "
            "of its own. Of an animated layer the current frame is taken.</p>"
        ),
        _(
            "<p>Every result has a receipt: which path made its pixels, with which model, in what "
            "time. Receipts are saved in the .kra file and listed in the panel as the picture's "
            "<b>history</b>: choose one to read all of it, to select its layer, to run the same "
            "once more on the layer that it was made from, or to retry a classical result with "
            "the real model.</p>"
        ),
        _(
            "<p><b>Limits</b> says what a real model may take by itself. With <b>Only models that "
            "allow commercial use</b> ticked there, models whose licence forbids it are left "
            "out.</p>"
        ),
        _(
            "<p>A grey picture shows grey alone: a tool that adds colour opens its result as a new "
            "picture. Krita 5.2 needs two undo steps to replace a selection that was there "
            "before.</p>"
        ),
        _(
            "<p>Nothing is uploaded, and no model is downloaded before you tick the box that "
            "names it. The work is done by a program of its own beside Krita; if the panel says "
            "that it is not set up, press <b>Set Up</b> there.</p>"
        ),
        _(
            "<p><b>Export with Label…</b> in the menu writes a PNG, TIFF or JPEG with the receipts "
            "of all visible layers in it. <b>Copy Diagnostics</b> makes the text for a report of a "
            "fault; what to do when something does not work is told by the page "
            "docs/troubleshooting.md of the project.</p>"
        ),
    ]
    for tool in toolbox.TOOLS:
        words = (tool.help, _RESULTS[tool.returns], _SELECTIONS[tool.selects])
        told = " ".join(_html(text, language) for text in words if text)
        parts.append(f"<h2>{_html(tool.title, language)}</h2><p>{told}</p><ul>")
        for parameter in tool.parameters:
            title, values = _html(parameter.title, language), _values(parameter, language)
            parts.append(f"<li><b>{title}</b> ({values}): {_html(parameter.help, language)}</li>")
        parts.append("</ul>")
    return "\n".join([*(within(part, language) for part in parts), "</body></html>", ""])


def _placements(language: str) -> str:
    """Where results go, in the words of the panel."""
    told: dict[str, str] = {}
    for outcome in toolbox.Returns:
        for choice in placement.choices(outcome):
            told[_html(choice.title, language)] = _html(choice.help, language)
    items = "".join(f"<li><b>{title}</b>: {text}</li>" for title, text in told.items())
    return _(
        "<p><b>Result as</b> offers what fits the tool:</p><ul>{items}</ul><p>Replacing and "
        "grouping take two undo steps, since Krita cannot move a layer in one.</p>",
        items=items,
    )


def _html(text: str, language: str) -> str:
    return html.escape(within(text, language), quote=False)


def _values(parameter: toolbox.Parameter, language: str) -> str:
    if parameter.kind is toolbox.Kind.CHOICE:
        titles = parameter.choice_titles or parameter.choices
        return ", ".join(_html(title, language) for title in titles)
    return _html(parameter.span(), language)
