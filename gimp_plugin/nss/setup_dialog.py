"""The dialog that guides through setting up the worker, and later repairs or removes it.

It shows what the bridge's guide says, and runs in the plug-in's own process.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gi
import vendored
from vendored import _

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")

from choosers import folder_chosen  # noqa: E402
from gi.repository import GimpUi, GLib, Gtk  # noqa: E402

if TYPE_CHECKING:
    from shared_core.bridge.setup import guide
else:
    guide = vendored.guide()

_POLL_MS = 150
_SPACING = 6
_WIDTH = 480
_WIDTH_CHARS = 56
_LOG_HEIGHT = 140


def show() -> bool:
    """Show the dialog until it is closed; whether there is a worker then."""
    GimpUi.init("nss-setup")
    return SetupDialog(guide.Guide(vendored.paths.paths(), "GIMP")).run()


class SetupDialog:
    """What the guide says, its actions as buttons, how far it has come, and its log."""

    def __init__(self, followed: guide.Guide) -> None:
        self._guide = followed
        self._view: guide.View | None = None
        self._dialog = GimpUi.Dialog(title="NSS: " + _("Set Up"), role="nss-setup")
        self._dialog.add_button(_("C_lose"), Gtk.ResponseType.CLOSE)
        self._dialog.set_default_size(_WIDTH, -1)
        self._title = _wrapped()
        self._text = _wrapped()
        self._said = _wrapped()
        self._bar = Gtk.ProgressBar()
        self._buttons = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=_SPACING)
        self._log = Gtk.TextView(editable=False, cursor_visible=False, monospace=True)
        scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN)
        scrolled.set_min_content_height(_LOG_HEIGHT)
        scrolled.add(self._log)
        self._expander = Gtk.Expander(label=_("Log"))
        self._expander.add(scrolled)
        column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, border_width=12)
        for widget in (self._title, self._text, self._bar, self._said, self._buttons):
            column.pack_start(widget, False, False, 0)
        column.pack_start(self._expander, False, False, 0)
        self._dialog.get_content_area().pack_start(column, True, True, 0)
        self._dialog.show_all()

    def run(self) -> bool:
        """Until it is closed; whether there is a worker then. Closing cancels what is being done.

        GIMP ends this process with the procedure, and the set-up would end with it.
        """
        self._poll()
        timer = GLib.timeout_add(_POLL_MS, self._poll)
        try:
            self._dialog.run()
        finally:
            GLib.source_remove(timer)
            self._guide.stop()
            self._dialog.destroy()
        return self._guide.usable

    def _poll(self) -> bool:
        view = self._guide.poll()
        before, self._view = self._view, view
        if view == before:
            return True
        self._title.set_markup(f"<b>{GLib.markup_escape_text(view.title)}</b>")
        self._text.set_text(view.text)
        self._said.set_text(view.said)
        self._said.set_visible(bool(view.said))
        self._bar.set_visible(view.share is not None)
        self._bar.set_fraction(view.share or 0.0)
        if before is None or view.actions != before.actions:
            self._show_actions(view)
        if self._expander.get_expanded():
            self._log.get_buffer().set_text(self._guide.log())
        return True

    def _show_actions(self, view: guide.View) -> None:
        for old in self._buttons.get_children():
            old.destroy()
        for action in view.actions:
            button = Gtk.Button(label=action.label)
            button.set_tooltip_text(action.help)
            button.connect("clicked", self._clicked, action)
            self._buttons.pack_start(button, False, False, 0)
        self._buttons.show_all()
        # What comes next is a press of Return away.
        if view.actions and not view.usable:
            self._buttons.get_children()[0].grab_focus()
        else:
            self._dialog.get_widget_for_response(Gtk.ResponseType.CLOSE).grab_focus()

    def _clicked(self, ignored: Any, action: guide.Action) -> None:
        folder: Path | None = None
        if action.asks_folder:
            chosen = folder_chosen(self._dialog, action.label)
            if not chosen:
                return
            folder = Path(chosen)
        elif action.id == guide.REMOVE and not self._agreed(action):
            return
        self._guide.begin(action.id, folder)
        self._poll()

    def _agreed(self, action: guide.Action) -> bool:
        question = Gtk.MessageDialog(
            transient_for=self._dialog,
            modal=True,
            message_type=Gtk.MessageType.QUESTION,
            buttons=Gtk.ButtonsType.OK_CANCEL,
            text=action.help,
        )
        answer = question.run()
        question.destroy()
        return bool(answer == Gtk.ResponseType.OK)


def _wrapped() -> Any:
    label = Gtk.Label()
    label.set_line_wrap(True)
    label.set_xalign(0)
    label.set_max_width_chars(_WIDTH_CHARS)
    label.set_selectable(True)
    return label
