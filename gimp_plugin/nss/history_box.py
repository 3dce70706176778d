"""The history of an image: its receipts, all fields of one, and what can be done with it."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import gi

gi.require_version("Gimp", "3.0")
gi.require_version("Gtk", "3.0")

import receipts  # noqa: E402
from consent_box import wrapped  # noqa: E402
from faults import explain  # noqa: E402
from gi.repository import Gimp, GLib, Gtk, Pango  # noqa: E402
from layers import GimpHost  # noqa: E402
from vendored import _, again, client, errors, host, ngettext, paths, receipt, settings, wire  # noqa: E402

_SPACING = 6
_LIST_HEIGHT = 140
_WRAP_WIDTH, _LEAST_WIDTH = 240, 120
# What a scrolled list needs beside its columns.
_FRAME_WIDTH = 28
_NOTHING = _("No layer of this image has a receipt: none is a result of NSS.")
_GONE = _("The layer that it was made from is not there any more, or not known.")
_LAYER, _AGAIN, _REAL = "layer", "again", "real"
_ACTIONS = (
    (_LAYER, _("S_elect Layer"), _("Selects the layer that this receipt is about.")),
    (
        _AGAIN,
        _("Run A_gain"),
        _(
            "The same tool with the same parameters on the layer that it was made from, with the "
            "selection as it is now. The result is another layer."
        ),
    ),
    (
        _REAL,
        _("_Retry with the Real Model"),
        _("The same once more by a real model; where none can run yet, it is told what it takes."),
    ),
)


class HistoryBox:
    """One image's receipts; ``widget`` goes into a window. ``image`` may be None."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self._found: list[receipts.Labelled] = []
        self._running = self._cancelled = False
        self.widget = Gtk.Box(
            orientation=Gtk.Orientation.VERTICAL, spacing=_SPACING, border_width=12
        )
        self._none = wrapped(_NOTHING)
        self._rows = Gtk.ListBox()
        self._rows.get_accessible().set_name(_("Receipts of this image"))
        self._rows.connect("row-selected", self._picked)
        self._list = _scrolled(self._rows)
        self._list.set_size_request(-1, _LIST_HEIGHT)
        self._details = Gtk.TreeStore(str, str)
        self._tree = self._build_details()
        self._buttons = {name: self._button(name, title, text) for name, title, text in _ACTIONS}
        row = Gtk.Box(spacing=_SPACING)
        for button in self._buttons.values():
            row.pack_start(button, True, True, 0)
        self._bar = Gtk.ProgressBar(show_text=True, ellipsize=Pango.EllipsizeMode.END)
        self._stop = Gtk.Button.new_with_mnemonic(_("_Cancel"))
        self._stop.connect("clicked", lambda *ignored: self.cancel())
        self._work = Gtk.Box(spacing=_SPACING)
        self._work.pack_start(self._bar, True, True, 0)
        self._work.pack_start(self._stop, False, False, 0)
        self._said = wrapped("")
        self._said.set_selectable(True)
        for part, grows in (
            (self._none, False),
            (self._list, False),
            (row, False),
            (self._work, False),
            (self._said, False),
            (self._tree, True),
        ):
            self.widget.pack_start(part, grows, True, 0)
        self._row = row
        self.widget.show_all()
        self.look()

    def look(self) -> None:
        """Show the receipts as they are now; the image may have other layers than before."""
        if self._running:
            return
        self._found = receipts.of_image(self._image) if self._is_open() else []
        for old in self._rows.get_children():
            old.destroy()
        for one in self._found:
            text = f"{one.layer}\n{receipt.sentence(one.receipt)}"
            line = Gtk.Label(label=text, xalign=0, wrap=True, margin=4, margin_start=6)
            self._rows.add(line)
        self._rows.show_all()
        self._none.set_visible(not self._found)
        for part in (self._list, self._row, self._tree):
            part.set_visible(bool(self._found))
        self._work.hide()
        self._said.set_visible(bool(self._said.get_text()))
        self._rows.select_row(self._rows.get_row_at_index(0))

    def _is_open(self) -> bool:
        """Whether the image is there still: GIMP shows an error for each question about one that
        is closed."""
        return self._image is not None and bool(self._image.is_valid())

    def cancel(self) -> None:
        """End what is being done; also before the window is closed."""
        self._cancelled = True

    # A watcher of the run, which lets the window live meanwhile

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """How far the run has come."""
        if isinstance(event, wire.Queued):
            self._bar.set_text(
                ngettext(
                    "Waiting behind {count} other job",
                    "Waiting behind {count} other jobs",
                    event.place,
                )
            )
            return
        self._bar.set_text(event.sentence())
        if event.total > 1:
            self._bar.set_fraction(event.done / event.total)
        else:
            self._bar.pulse()

    def cancelled(self) -> bool:
        """Whether the user has had enough of it; asked many times a second."""
        while Gtk.events_pending():
            Gtk.main_iteration_do(False)
        return self._cancelled

    # What it consists of

    def _build_details(self) -> Any:
        tree = Gtk.TreeView(model=self._details, headers_visible=False)
        tree.get_accessible().set_name(_("All fields of the chosen receipt"))
        names = Gtk.TreeViewColumn("", Gtk.CellRendererText(), text=0)
        value = Gtk.CellRendererText(wrap_mode=Pango.WrapMode.WORD_CHAR, wrap_width=_WRAP_WIDTH)
        values = Gtk.TreeViewColumn("", value, text=1)
        tree.append_column(names)
        tree.append_column(values)
        self._details.connect("row-inserted", lambda *ignored: tree.expand_all())
        scrolled = _scrolled(tree)

        def fit(ignored: Any, place: Any) -> None:
            """Break the values where the window ends."""
            width = max(_LEAST_WIDTH, place.width - names.get_width() - _FRAME_WIDTH)
            if width != value.get_property("wrap-width"):
                value.set_property("wrap-width", width)
                GLib.idle_add(values.queue_resize)

        scrolled.connect("size-allocate", fit)
        return scrolled

    def _button(self, name: str, title: str, text: str) -> Any:
        button = Gtk.Button.new_with_mnemonic(title)
        button.set_tooltip_text(text)
        button.connect("clicked", lambda *ignored: self._clicked(name))
        return button

    # What is picked and clicked

    def _chosen(self) -> receipts.Labelled | None:
        row = self._rows.get_selected_row()
        return self._found[row.get_index()] if row is not None else None

    def _picked(self, *ignored: object) -> None:
        self._details.clear()
        one = self._chosen()
        if one is None or not self._is_open():
            return
        _add_fields(self._details, None, receipt.to_dict(one.receipt))
        source = receipts.source_of(self._image, one)
        self._buttons[_LAYER].set_sensitive(one.item is not None)
        for name in (_AGAIN, _REAL):
            button = self._buttons[name]
            button.set_sensitive(source is not None)
            text = next(text for action, title, text in _ACTIONS if action == name)
            button.set_tooltip_text(text if source is not None else _GONE)
        self._buttons[_REAL].set_visible(one.receipt.path == wire.CLASSICAL)

    def _clicked(self, name: str) -> None:
        one = self._chosen()
        if one is None or self._running:
            return
        if not self._is_open():
            self.look()
            return
        try:
            if name == _LAYER:
                self._image.set_selected_layers([one.item])
                Gimp.displays_flush()
                return
            said = self._once_more(one, wire.REAL if name == _REAL else None)
        except errors.Cancelled:
            said = _("Cancelled; the image was not changed.")
        except Exception as error:
            said = explain(error)
        self._said.set_text(said)
        self.look()

    def _once_more(self, one: receipts.Labelled, path: str | None) -> str:
        """Run what made a result again; the sentence about the new one."""
        source = receipts.source_of(self._image, one)
        if source is None:
            raise errors.BadInput(_("{gone} Undo its deletion and try again.", gone=_GONE))
        places = paths.paths()
        order = again.order_again(one.receipt, settings.load(places.settings), path)
        place = GimpHost(self._image, [source], places)
        self._running, self._cancelled = True, False
        self._show_work()
        try:
            with contextlib.closing(client.Client(places, place.name, place.version)) as worker:
                made = host.run_here(host.apply_tool(place, order), worker, self)
        finally:
            self._running = False
            Gimp.progress_end()
            for opened in place.opened:
                Gimp.Display.new(opened)
            Gimp.displays_flush()
            self._row.set_sensitive(True)
        return receipt.sentence(made[-1])

    def _show_work(self) -> None:
        self._bar.set_text(_("Looking at this machine …"))
        self._bar.set_fraction(0.0)
        self._row.set_sensitive(False)
        self._said.hide()
        self._work.show()


def _scrolled(child: Any) -> Any:
    scrolled = Gtk.ScrolledWindow(shadow_type=Gtk.ShadowType.IN)
    scrolled.add(child)
    return scrolled


def _add_fields(store: Any, parent: Any, fields: Mapping[str, Any]) -> None:
    for name, found in fields.items():
        if found is None or found == {}:
            continue
        pairs = name == "labels" and isinstance(found, list)
        value = {str(label): score for label, score in found} if pairs else found
        nested = isinstance(value, dict)
        row = store.append(parent, [name.replace("_", " "), "" if nested else str(value)])
        if nested:
            _add_fields(store, row, value)
