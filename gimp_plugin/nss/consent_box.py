"""The part of a tool's dialog that offers a download: what is to be known, and the consent."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import gi

gi.require_version("Gtk", "3.0")

from gi.repository import GLib, Gtk, Pango  # noqa: E402
from vendored import _, consent, wire  # noqa: E402

_SPACING = 6
_INDENT = 24
_WIDTH_CHARS = 52


class ConsentBox:
    """One offer, with the model that may be taken instead; hidden where there is none.

    ``changed`` is called when the consent is given or taken back, ``switch`` with the choice of
    another model. ``widget`` is what goes into the dialog.
    """

    def __init__(self, changed: Callable[[], None], switch: Callable[[str], None]) -> None:
        self._switch = switch
        self._offer: wire.Offer | None = None
        self._ticked_for = ""
        self._box = Gtk.CheckButton()
        self._question = wrapped("")
        self._box.add(self._question)
        self._box.set_tooltip_text(
            _(
                "The model is fetched once, verified and kept on this computer. Your picture is "
                "never uploaded."
            )
        )
        self._box.connect("toggled", lambda *ignored: changed())
        self._facts = wrapped("")
        self._facts.set_margin_start(_INDENT)
        self._other = Gtk.Button()
        self._other.set_margin_start(_INDENT)
        self._other.set_halign(Gtk.Align.START)
        self._other.connect("clicked", self._clicked)
        self.widget = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_SPACING)
        for child in (self._box, self._facts, self._other):
            self.widget.pack_start(child, False, False, 0)
        self.widget.show_all()
        self.widget.set_no_show_all(True)
        self.widget.hide()

    def agreed(self) -> str:
        """The model whose download is agreed to, or nothing."""
        return self._offer.model if self._offer and self._box.get_active() else ""

    def show_offer(self, tool_id: str, offer: wire.Offer | None) -> None:
        """Show what is offered, or nothing; the consent to one model is none to another."""
        self._offer = offer
        self.widget.set_visible(offer is not None)
        if offer is None:
            return
        if offer.model != self._ticked_for:
            self._box.set_active(False)
            self._ticked_for = offer.model
        self._question.set_text(consent.question(offer))
        told = consent.lines(tool_id, offer, consent.hub_host())
        self._facts.set_markup("\n".join(map(markup, told)))
        self._other.set_visible(offer.instead is not None)
        if offer.instead is not None:
            self._other.set_label(consent.switch(offer.instead))
            self._other.set_tooltip_text(consent.switch_help(offer.instead))

    def _clicked(self, *ignored: object) -> None:
        if self._offer is not None and self._offer.instead is not None:
            self._switch(self._offer.instead.choice)


def wrapped(text: str) -> Any:
    """A label of several lines."""
    label = Gtk.Label(label=text)
    label.set_line_wrap(True)
    # A SHA-256 is longer than a line.
    label.set_line_wrap_mode(Pango.WrapMode.WORD_CHAR)
    label.set_xalign(0)
    label.set_max_width_chars(_WIDTH_CHARS)
    return label


def markup(line: consent.Line) -> str:
    """A line as Pango has it."""
    text: str = GLib.markup_escape_text(line.text)
    if line.warning:
        text = f"<b>{text}</b>"
    if line.link:
        read = _("Read it")
        text += f' <a href="{GLib.markup_escape_text(line.link)}">{read}</a>'
    return text
