"""How receipts are kept in a GIMP image: as parasites of their layers, or of the image."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("Gimp", "3.0")

from gi.repository import Gimp  # noqa: E402
from vendored import errors, receipt  # noqa: E402

RECEIPT = "nss-receipt"
# Receipts of what is no layer are kept by the image: prefix, tool, and the layer's tattoo.
PREFIX = "nss-"
# The tattoo of the layer that a result was made from: GIMP keeps it, also in files.
_SOURCE = "nss-source"


def label_of(item: Any, name: str = RECEIPT) -> receipt.Receipt | None:
    """The receipt that a layer or image carries; None where there is none or it is damaged."""
    data = text_of(item, name)
    try:
        return None if data is None else receipt.from_json(data)
    except (errors.NssError, ValueError):
        return None


def text_of(item: Any, name: str) -> bytes | None:
    """What a parasite of that name holds; None where there is none."""
    found = item.get_parasite(name)
    return None if found is None else bytes(found.get_data())


def attach(item: Any, label: receipt.Receipt, name: str = RECEIPT) -> bool:
    """Have a layer or image carry a receipt; saved with it, and undone with what comes with it."""
    return attach_text(item, name, receipt.to_json(label))


def attach_source(item: Any, layer: Any) -> bool:
    """Have a result know the layer that it was made from."""
    return attach_text(item, _SOURCE, str(layer.get_tattoo()))


def source_tattoo(item: Any) -> int:
    """The tattoo of the layer that a result was made from; 0 where it is not known."""
    text = text_of(item, _SOURCE) or b""
    return int(text) if text.isdigit() else 0


def attach_text(item: Any, name: str, text: str) -> bool:
    """The same with a text in ASCII; whether GIMP took it."""
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    return bool(item.attach_parasite(Gimp.Parasite.new(name, flags, text.encode("ascii"))))


def attach_note(image: Any, layer: Any, label: receipt.Receipt) -> bool:
    """Have the image carry the receipt of what was made from a layer and is no layer."""
    return attach(image, label, f"{PREFIX}{label.tool}-{layer.get_tattoo()}")
