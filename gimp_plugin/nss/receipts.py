"""The receipts of an image's layers: as data, and in a dialog."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import gi

gi.require_version("Gimp", "3.0")

from parasites import PREFIX, RECEIPT, label_of  # noqa: E402
from vendored import _, receipt  # noqa: E402

_WIDTH, _HEIGHT, _LIST_HEIGHT = 560, 520, 140
_WRAP_WIDTH = 240
# Pango's WRAP_WORD_CHAR.
_BY_WORD = 2


@dataclass(frozen=True)
class Labelled:
    """A layer's name and a receipt: of the layer itself, or of what was found out about it."""

    layer: str
    receipt: receipt.Receipt


def of_image(image: Any) -> list[Labelled]:
    """The receipts of all layers, also inside groups, from top to bottom, then of the image.

    The image keeps those of results that are no layers, each under the tattoo of its layer.
    """
    layers = list(_all(image.get_layers()))
    found = [(layer.get_name(), label_of(layer)) for layer in layers]
    names = {layer.get_tattoo(): layer.get_name() for layer in layers}
    for name in sorted(image.get_parasite_list()):
        if name.startswith(PREFIX) and name != RECEIPT:
            tattoo = name.rpartition("-")[2]
            layer = names.get(int(tattoo)) if tattoo.isdigit() else None
            found.append((layer or _("a deleted layer"), label_of(image, name)))
    return [Labelled(name, label) for name, label in found if label is not None]


def visible(image: Any) -> list[receipt.Receipt]:
    """The receipts of the layers that are seen, from top to bottom."""
    shown = _all(image.get_layers(), only_visible=True)
    return [label for layer in shown if (label := label_of(layer)) is not None]


def listed(found: list[receipt.Receipt]) -> str:
    """Receipts as a JSON list."""
    return receipt.dump([receipt.to_dict(one) for one in found])


def to_json(found: list[Labelled]) -> str:
    """A JSON list of objects with ``layer`` and ``receipt``."""
    return receipt.dump(
        [{"layer": one.layer, "receipt": receipt.to_dict(one.receipt)} for one in found]
    )


def show(found: list[Labelled]) -> None:
    """A dialog with the receipts."""
    gi.require_version("GimpUi", "3.0")
    gi.require_version("Gtk", "3.0")
    from gi.repository import GimpUi, Gtk

    GimpUi.init("nss-receipts")
    dialog = GimpUi.Dialog(title="NSS: " + _("Receipts"), role="nss-receipts")
    dialog.add_button(_("_Close"), Gtk.ResponseType.CLOSE)
    dialog.set_default_size(_WIDTH, _HEIGHT if found else -1)
    dialog.get_content_area().pack_start(box(found), True, True, 0)
    dialog.show_all()
    dialog.run()
    dialog.destroy()


def box(found: list[Labelled]) -> Any:
    """A sentence for each layer, and all fields of the chosen one."""
    gi.require_version("Gtk", "3.0")
    from gi.repository import Gtk

    column = Gtk.Box(orientation=Gtk.Orientation.VERTICAL, spacing=12, border_width=12)
    if not found:
        text = _("No layer of this image has a receipt: none is a result of NSS.")
        column.pack_start(Gtk.Label(label=text, xalign=0, wrap=True), False, False, 0)
        return column
    details = Gtk.TreeStore(str, str)
    rows = _list(Gtk, found, details)
    rows.set_size_request(-1, _LIST_HEIGHT)
    column.pack_start(rows, False, True, 0)
    column.pack_start(_details(Gtk, details), True, True, 0)
    return column


def _list(gtk: Any, found: list[Labelled], details: Any) -> Any:
    rows = gtk.ListBox()
    for one in found:
        line = gtk.Label(label=f"{one.layer}\n{receipt.sentence(one.receipt)}", xalign=0, wrap=True)
        line.set_margin_top(4)
        line.set_margin_bottom(4)
        line.set_margin_start(6)
        rows.add(line)

    def chosen(ignored: object, row: Any) -> None:
        details.clear()
        if row is not None:
            _add_fields(details, None, receipt.to_dict(found[row.get_index()].receipt))

    rows.connect("row-selected", chosen)
    rows.select_row(rows.get_row_at_index(0))
    return _scrolled(gtk, rows)


def _details(gtk: Any, details: Any) -> Any:
    tree = gtk.TreeView(model=details, headers_visible=False)
    for number in range(2):
        cell = gtk.CellRendererText(wrap_mode=_BY_WORD, wrap_width=_WRAP_WIDTH)
        tree.append_column(gtk.TreeViewColumn("", cell, text=number))
    details.connect("row-inserted", lambda *ignored: tree.expand_all())
    tree.expand_all()
    return _scrolled(gtk, tree)


def _scrolled(gtk: Any, child: Any) -> Any:
    scrolled = gtk.ScrolledWindow(shadow_type=gtk.ShadowType.IN)
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


def _all(layers: Any, only_visible: bool = False) -> Iterator[Any]:
    for layer in layers:
        if only_visible and not (layer.get_visible() and layer.get_opacity()):
            continue
        yield layer
        if layer.is_group():
            yield from _all(layer.get_children(), only_visible)
