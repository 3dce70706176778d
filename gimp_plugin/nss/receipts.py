"""The receipts of an image's layers: as data, and in a dialog."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import gi

gi.require_version("Gimp", "3.0")

from parasites import PREFIX, label_of, source_tattoo  # noqa: E402
from vendored import _, receipt  # noqa: E402

_WIDTH, _HEIGHT = 560, 560


@dataclass(frozen=True)
class Labelled:
    """A layer's name and a receipt: of the layer itself, or of what was found out about it.

    ``item`` is that layer, None where it was deleted; ``source`` is the tattoo of the layer that
    the result was made from, 0 where it is not known.
    """

    layer: str
    receipt: receipt.Receipt
    item: Any
    source: int


def of_image(image: Any) -> list[Labelled]:
    """The receipts of all layers, also inside groups, from top to bottom, then of the image.

    The image keeps those of results that are no layers, each under the tattoo of its layer.
    """
    found = []
    layers = _by_tattoo(image)
    for layer in layers.values():
        if (label := label_of(layer)) is not None:
            found.append(Labelled(layer.get_name(), label, layer, source_tattoo(layer)))
    for name in sorted(image.get_parasite_list()):
        if not name.startswith(PREFIX) or (label := label_of(image, name)) is None:
            continue
        ending = name.rpartition("-")[2]
        tattoo = int(ending) if ending.isdigit() else 0
        layer = layers.get(tattoo)
        title = layer.get_name() if layer is not None else _("a deleted layer")
        found.append(Labelled(title, label, layer, tattoo))
    return found


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


def source_of(image: Any, one: Labelled) -> Any:
    """The layer that a result was made from; None where it is gone or not known."""
    return _by_tattoo(image).get(one.source)


def show(image: Any) -> None:
    """A dialog with the receipts of an image."""
    gi.require_version("GimpUi", "3.0")
    gi.require_version("Gtk", "3.0")
    from gi.repository import GimpUi, Gtk

    GimpUi.init("nss-receipts")
    from history_box import HistoryBox

    dialog = GimpUi.Dialog(title="NSS: " + _("Receipts"), role="nss-receipts")
    dialog.add_button(_("C_lose"), Gtk.ResponseType.CLOSE)
    history = HistoryBox(image)
    dialog.set_default_size(_WIDTH, _HEIGHT if of_image(image) else -1)
    dialog.get_content_area().pack_start(history.widget, True, True, 0)
    # A run that the history has begun keeps the dialog from closing until it ends.
    dialog.connect("response", lambda *ignored: history.cancel())
    dialog.show()
    dialog.run()
    dialog.destroy()


def _by_tattoo(image: Any) -> dict[int, Any]:
    return {layer.get_tattoo(): layer for layer in _all(image.get_layers())}


def _all(layers: Any, only_visible: bool = False) -> Iterator[Any]:
    for layer in layers:
        if only_visible and not (layer.get_visible() and layer.get_opacity()):
            continue
        yield layer
        if layer.is_group():
            yield from _all(layer.get_children(), only_visible)
