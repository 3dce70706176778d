"""The models in GIMP: which there are, what is here of them, and all that can be done.

It draws what the bridge's counter says.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import gi

gi.require_version("Gtk", "3.0")

from choosers import folder_chosen  # noqa: E402
from consent_box import markup, wrapped  # noqa: E402
from gi.repository import GLib, Gtk, Pango  # noqa: E402
from page import SPACING, Page  # noqa: E402
from vendored import _, shop  # noqa: E402

if TYPE_CHECKING:
    from shared_core.bridge.shop import counter, views
else:
    counter, views = shop()

_LIST_HEIGHT, _FACTS_HEIGHT, _DETAILS_HEIGHT = 120, 240, 160
_TITLE, _STATE, _SIZE, _MODEL = range(4)
_HEADS = (_("Model"), _("State"), _("Size"))


class ModelsBox(Page):
    """What the counter says; ``window`` is that of its choosers.

    ``own_wanted`` is called when the user wants to add a model of their own.
    """

    def __init__(
        self, followed: counter.Counter, window: Any, own_wanted: Callable[[], None]
    ) -> None:
        super().__init__()
        self._counter = followed
        self._own_wanted = own_wanted
        self._window = window
        self._view: views.View | None = None
        self._chosen = ""
        self._drawing = False
        self._build()

    def begin(self) -> None:
        """Follow the counter from now on."""
        self._counter.look()
        self._list.grab_focus()
        super().begin()

    def look(self) -> None:
        """Whoever comes back sees what has changed meanwhile."""
        self._counter.look()

    def end(self) -> None:
        """Follow nothing any more, and end what is being done."""
        super().end()
        self._counter.stop()

    # What it consists of

    def _build(self) -> None:
        self._machine = wrapped("")
        self._details = Gtk.TextView(editable=False, cursor_visible=False, monospace=True)
        named(self._details, _("This machine in detail, and what was contacted"))
        self._more = Gtk.Expander(label=_("De_tails and Privacy"), use_underline=True)
        self._more.add(scrolled(self._details, _DETAILS_HEIGHT))
        self._facts = wrapped("")
        self._facts.set_selectable(True)
        self._facts.set_valign(Gtk.Align.START)
        for side in ("start", "end", "top", "bottom"):
            self._facts.set_property(f"margin-{side}", SPACING)
        named(self._facts, _("About the chosen model"))
        # All that is told is to be seen at once, where there is room for it.
        self._about = scrolled(self._facts, 0)
        self._about.set_max_content_height(_FACTS_HEIGHT)
        self._about.set_propagate_natural_height(True)
        self._of_row = Buttons(self._row_clicked, columns=1)
        self._doing = wrapped("")
        self._bar = Gtk.ProgressBar()
        named(self._bar, _("Progress"))
        self._cancel = Gtk.Button.new_with_mnemonic(_("_Cancel"))
        self._cancel.set_tooltip_text(_("Stops; what has come already is kept."))
        self._cancel.connect("clicked", lambda *ignored: self._counter.cancel())
        self._work = Gtk.Box(spacing=SPACING)
        self._bar.set_valign(Gtk.Align.CENTER)
        self._work.pack_start(self._bar, True, True, 0)
        self._work.pack_start(self._cancel, False, False, 0)
        self._said = wrapped("")
        self._said.set_selectable(True)
        self._disk = wrapped("")
        self._of_all = Buttons(self._all_clicked)
        parts = (
            (self._machine, False),
            (self._more, False),
            (self._build_list(), True),
            (self._about, False),
            (self._of_row.widget, False),
            (self._doing, False),
            (self._work, False),
            (self._said, False),
            (self._disk, False),
            (self._of_all.widget, False),
        )
        hidden = (
            self._more,
            self._about,
            self._of_row.widget,
            self._doing,
            self._work,
            self._said,
        )
        self._fill(parts, hidden)

    def _build_list(self) -> Any:
        self._rows = Gtk.TreeStore(str, str, str, str)
        self._list = Gtk.TreeView(model=self._rows, enable_search=True)
        named(self._list, _("Models by tool"))
        for place, head in enumerate(_HEADS):
            cell = Gtk.CellRendererText()
            column = Gtk.TreeViewColumn(head, cell, text=place)
            if place == _TITLE:
                cell.set_property("ellipsize", Pango.EllipsizeMode.END)
                column.set_expand(True)
            if place == _SIZE:
                cell.set_property("xalign", 1.0)
            self._list.append_column(column)
        self._list.get_selection().connect("changed", self._picked)
        return scrolled(self._list, _LIST_HEIGHT)

    # Following the counter

    def _poll(self) -> bool:
        view = self._counter.poll()
        before, self._view = self._view, view
        if view.doing is not None and view.doing.share is None:
            self._bar.pulse()
        if view == before:
            return True
        say(self._machine, view.machine)
        self._more.set_visible(bool(view.details))
        if before is None or view.details != before.details:
            self._details.get_buffer().set_text(view.details)
        if before is None or view.groups != before.groups:
            self._show_groups(view)
        self._show_doing(view)
        say(self._said, views.told(view.said, view.failed))
        say(self._disk, view.disk)
        self._of_all.show_actions(view.actions, enabled=view.doing is None)
        self._show_choice(before is not None and before.question is not None)
        return True

    def _show_groups(self, view: views.View) -> None:
        """Draw the list anew; what was chosen and folded stays so."""
        closed = {line[_TITLE] for line in self._rows if not self._list.row_expanded(line.path)}
        self._drawing = True
        self._rows.clear()
        chosen = None
        for group in view.groups:
            head = self._rows.append(None, [group.title, "", "", ""])
            for row in group.rows:
                place = self._rows.append(head, [row.title, row.state, row.size, row.id])
                if row.id == self._chosen:
                    chosen = self._rows.get_path(place)
            if group.title not in closed:
                self._list.expand_row(self._rows.get_path(head), False)
        if chosen is None:
            self._chosen = ""
        else:
            self._list.get_selection().select_path(chosen)
        self._drawing = False

    def _show_choice(self, was_asked: bool = False) -> None:
        view = self._view
        assert view is not None
        lines, actions = view.told(self._chosen)
        for part in (self._about, self._of_row.widget):
            part.set_visible(bool(lines))
        self._facts.set_markup("\n".join(map(markup, lines)))
        self._of_row.show_actions(actions, enabled=view.doing is None)
        if view.question is not None and not was_asked:
            # Whoever presses Return without reading agrees to nothing.
            self._of_row.focus_last()
        elif view.question is None and was_asked:
            self._list.grab_focus()

    def _show_doing(self, view: views.View) -> None:
        self._work.set_visible(view.doing is not None)
        say(self._doing, view.doing.text if view.doing else "")
        if view.doing is not None and view.doing.share is not None:
            self._bar.set_fraction(view.doing.share)

    # What is clicked

    def _picked(self, selection: Any) -> None:
        if self._drawing:
            return
        rows, place = selection.get_selected()
        self._chosen = rows[place][_MODEL] if place is not None else ""
        self._counter.dismiss()
        if self._view is not None:
            self._show_choice(self._view.question is not None)
        self._poll()
        GLib.idle_add(self._bring_into_sight)

    def _bring_into_sight(self) -> bool:
        """What is told of a model takes room from the list."""
        rows, place = self._list.get_selection().get_selected()
        if place is not None:
            self._list.scroll_to_cell(rows.get_path(place))
        return False

    def _row_clicked(self, action: views.Action) -> None:
        self._begin(action, self._chosen)

    def _all_clicked(self, action: views.Action) -> None:
        self._begin(action, "")

    def _begin(self, action: views.Action, model: str) -> None:
        if action.id == views.OWN:
            self._own_wanted()
            return
        folder = ""
        if action.chooses:
            title = views.plain(action.label)
            folder = folder_chosen(self._window, title, fill=action.chooses == "fill")
            if not folder:
                return
        self._counter.begin(action.id, model, folder)
        self._poll()


class Buttons:
    """Actions as buttons; made anew only where they change."""

    def __init__(self, clicked: Callable[[views.Action], None], columns: int = 2) -> None:
        self._columns = columns
        self._clicked = clicked
        self._shown: tuple[views.Action, ...] = ()
        self.widget = Gtk.Grid(row_spacing=SPACING, column_spacing=SPACING, column_homogeneous=True)

    def show_actions(self, actions: tuple[views.Action, ...], enabled: bool = True) -> None:
        """Show these, and whether they can be clicked now."""
        if actions != self._shown:
            self._shown = actions
            for old in self.widget.get_children():
                old.destroy()
            for place, action in enumerate(actions):
                self.widget.attach(
                    self._button(action), place % self._columns, place // self._columns, 1, 1
                )
        for button in self.widget.get_children():
            button.set_sensitive(enabled)

    def focus_last(self) -> None:
        """Have the keyboard on the last one."""
        # Children come in the reverse order.
        self.widget.get_children()[0].grab_focus()

    def _button(self, action: views.Action) -> Any:
        button = Gtk.Button.new_with_mnemonic(action.label)
        button.set_tooltip_text(action.help)
        button.set_hexpand(True)
        button.get_child().set_ellipsize(Pango.EllipsizeMode.END)
        button.connect("clicked", lambda *ignored: self._clicked(action))
        button.show()
        return button


def say(label: Any, text: str) -> None:
    """Show a text, or nothing at all where there is none."""
    label.set_text(text)
    label.set_visible(bool(text))


def scrolled(child: Any, height: int) -> Any:
    """A widget that scrolls up and down where there is little room."""
    scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN)
    scrolled.set_policy(Gtk.PolicyType.NEVER, Gtk.PolicyType.AUTOMATIC)
    scrolled.set_min_content_height(height)
    scrolled.add(child)
    return scrolled


def named(widget: Any, name: str) -> None:
    """What a screen reader calls it."""
    widget.get_accessible().set_name(name)
