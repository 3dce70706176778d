"""The page on which a model of the user's own is looked at, corrected, tried and added.

It draws what the bridge's desk says.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gi

gi.require_version("Gtk", "3.0")

from choosers import file_chosen  # noqa: E402
from consent_box import markup, wrapped  # noqa: E402
from gi.repository import GdkPixbuf, Gtk  # noqa: E402
from models_box import Buttons, named, say, scrolled  # noqa: E402
from page import SPACING, Page  # noqa: E402
from vendored import _, shop_own, wire  # noqa: E402

if TYPE_CHECKING:
    from shared_core.bridge.shop import own, views
else:
    own, views = shop_own()

_LIST_HEIGHT = 140
_PREVIEW_WIDTH, _PREVIEW_HEIGHT = 420, 170
_LABEL_CHARS = 24


class OwnBox(Page):
    """What the desk says; ``window`` is that of its choosers."""

    def __init__(self, desk: own.Desk, window: Any) -> None:
        super().__init__()
        self._desk = desk
        self._window = window
        self._view: own.OwnView | None = None
        self._fields: dict[str, tuple[wire.Finding, Any]] = {}
        self._file = ""
        self._build()

    def end(self) -> None:
        """Follow nothing any more, and end what is being done."""
        super().end()
        self._desk.stop()

    def _build(self) -> None:
        about = wrapped(own.HELP)
        self._grid = Gtk.Grid(row_spacing=SPACING, column_spacing=SPACING)
        self._found = scrolled(self._grid, _LIST_HEIGHT)
        named(self._grid, _("What was understood"))
        self._facts = wrapped("")
        self._facts.set_selectable(True)
        self._preview = Gtk.Image()
        named(self._preview, _("Before and after"))
        self._doing = wrapped("")
        self._cancel = Gtk.Button.new_with_mnemonic(_("_Cancel"))
        self._cancel.connect("clicked", lambda *ignored: self._desk.cancel())
        self._said = wrapped("")
        self._said.set_selectable(True)
        self._buttons = Buttons(self._clicked)
        parts = (
            (about, False),
            (self._build_form(), False),
            (self._found, True),
            (self._facts, False),
            (self._preview, False),
            (self._doing, False),
            (self._cancel, False),
            (self._said, False),
            (self._buttons.widget, False),
        )
        hidden = (
            self._found,
            self._facts,
            self._preview,
            self._doing,
            self._cancel,
            self._said,
        )
        self._fill(parts, hidden)

    def _build_form(self) -> Any:
        self._choose = Gtk.Button(label=_("Choose…"))
        self._choose.connect("clicked", self._choose_clicked)
        self._tool = _choices(own.tools())
        self._tool.connect("changed", self._other)
        self._title = Gtk.Entry(placeholder_text=_("the file's name"))
        self._licence = Gtk.Entry(placeholder_text=_("not known"))
        self._commercial = _choices(own.COMMERCIAL)
        grid = Gtk.Grid(row_spacing=SPACING, column_spacing=SPACING)
        for place, (text, widget) in enumerate(
            (
                (_("_File:"), self._choose),
                (_("_Tool:"), self._tool),
                (_("_Name:"), self._title),
                (_("L_icence:"), self._licence),
                (_("Commercial _use:"), self._commercial),
            )
        ):
            label = Gtk.Label.new_with_mnemonic(text)
            label.set_xalign(0)
            label.set_mnemonic_widget(widget)
            widget.set_hexpand(True)
            grid.attach(label, 0, place, 1, 1)
            grid.attach(widget, 1, place, 1, 1)
        return grid

    # Following the desk

    def _poll(self) -> bool:
        view = self._desk.poll()
        before, self._view = self._view, view
        if view == before:
            return True
        if before is None or view.findings != before.findings:
            self._show_findings(view)
        self._facts.set_visible(bool(view.lines))
        self._facts.set_markup("\n".join(map(markup, view.lines)))
        if before is None or view.png != before.png:
            self._show_preview(view.png)
        say(self._doing, view.doing.text if view.doing else "")
        self._cancel.set_visible(view.doing is not None)
        say(self._said, views.told(view.said, view.failed))
        self._buttons.show_actions(view.actions, enabled=view.doing is None)
        if view.doing is None and self._window.get_focus() is None and self.widget.get_mapped():
            # The button that had the keyboard is gone.
            self._choose.grab_focus()
        return True

    def _show_findings(self, view: own.OwnView) -> None:
        for old in self._grid.get_children():
            old.destroy()
        self._fields = {}
        for place, finding in enumerate(view.findings):
            field = _field(finding)
            field.set_hexpand(True)
            field.set_tooltip_text(finding.why)
            self._fields[finding.name] = finding, field
            label = Gtk.Label(label=f"{finding.title}\n({own.sure(finding)})", xalign=0)
            label.set_line_wrap(True)
            label.set_max_width_chars(_LABEL_CHARS)
            label.set_mnemonic_widget(field)
            self._grid.attach(label, 0, place, 1, 1)
            self._grid.attach(field, 1, place, 1, 1)
        self._grid.show_all()
        self._found.set_visible(bool(view.findings))

    def _show_preview(self, png: bytes) -> None:
        self._preview.set_visible(bool(png))
        if png:
            loader = GdkPixbuf.PixbufLoader.new_with_type("png")
            loader.write(png)
            loader.close()
            picture = loader.get_pixbuf()
            width, height = picture.get_width(), picture.get_height()
            scale = min(_PREVIEW_WIDTH / width, _PREVIEW_HEIGHT / height, 1.0)
            size = max(1, round(width * scale)), max(1, round(height * scale))
            smooth = GdkPixbuf.InterpType.BILINEAR
            self._preview.set_from_pixbuf(picture.scale_simple(*size, smooth))

    # What is clicked

    def _choose_clicked(self, *ignored: object) -> None:
        name = file_chosen(self._window, _("A model of your own"), "*.onnx", _("ONNX models"))
        if name:
            self._file = name
            self._choose.set_label(Path(name).name)
            self._choose.set_tooltip_text(name)
            self._other()

    def _other(self, *ignored: object) -> None:
        self._desk.forget()
        self._poll()

    def _clicked(self, action: views.Action) -> None:
        if action.id == own.ADD:
            self._desk.add()
        else:
            self._desk.look(self._form())
        self._poll()

    def _form(self) -> own.Form:
        told: dict[str, str] = {}
        for finding, field in self._fields.values():
            told |= own.corrected(finding, _value(field))
        return own.Form(
            self._file,
            self._tool.get_active_id() or "",
            self._title.get_text().strip(),
            self._licence.get_text().strip(),
            self._commercial.get_active_id() or "unclear",
            told,
        )


def _choices(pairs: Any) -> Any:
    combo = Gtk.ComboBoxText()
    for value, title in pairs:
        combo.append(value, title)
    combo.set_active(0)
    return combo


def _field(finding: wire.Finding) -> Any:
    """Where a finding's value is seen, and corrected if that is possible."""
    if len(finding.choices) > 1:
        field = Gtk.ComboBoxText.new_with_entry() if finding.free else Gtk.ComboBoxText()
        for choice in finding.choices:
            field.append(choice, choice)
        if not field.set_active_id(finding.value) and finding.free:
            field.get_child().set_text(finding.value)
        return field
    if finding.free:
        return Gtk.Entry(text=finding.value)
    return Gtk.Label(label=finding.value, xalign=0, wrap=True)


def _value(field: Any) -> str:
    if isinstance(field, Gtk.ComboBoxText):
        return str(field.get_active_text() or "")
    return str(field.get_text())
