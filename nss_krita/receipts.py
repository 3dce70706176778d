"""Receipts in a document: one annotation for each result layer, found again by the layer's id.

They stay after undo, since redo brings the layer back with the same id; while the layer is absent
they are hidden. A copy of a layer has another id and is recognised by its pixels alone. Words and
selections made from a layer are no layers: their receipts stand under names of their own, with the
id of the layer that they were made from.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from .qt import QtCore, owned
from .vendored import errors, receipt

LAYER, WORDS, SELECTION = "nss/receipt/", "nss/tags/", "nss/selection/"
_KINDS = (LAYER, WORDS, SELECTION)


@dataclass(frozen=True)
class Labelled:
    """A result and its receipt.

    ``uuid`` and ``layer`` are those of the result layer, or of the layer that words or a selection
    were made from; ``kind`` is LAYER, WORDS or SELECTION. ``pixels``, ``size`` and ``corner`` are
    those of the untouched result layer. ``source`` is the id of the layer that it was made from, ""
    where that is not known or has gone.
    """

    kind: str
    uuid: str
    layer: str
    receipt: receipt.Receipt
    pixels: str
    size: tuple[int, int]
    corner: tuple[int, int] = (0, 0)
    source: str = ""


def fingerprint(node: Any) -> str:
    """SHA-256 of a layer's native pixels within its bounds."""
    area = node.bounds()
    if area.isEmpty():
        return hashlib.sha256(b"").hexdigest()
    data = node.pixelData(area.x(), area.y(), area.width(), area.height())
    return hashlib.sha256(memoryview(data)).hexdigest()


def attach(document: Any, node: Any, label: receipt.Receipt, source: str = "") -> None:
    """Write the receipt of ``node``, made from the layer ``source``, into the document."""
    area = node.bounds()
    wrapper = {
        "receipt": receipt.to_dict(label),
        "pixels": fingerprint(node),
        "size": [area.width(), area.height()],
        "corner": [area.x(), area.y()],
        "source": source,
    }
    _write(document, LAYER + node.uniqueId().toString(), label, wrapper)


def carry(document: Any, node: Any, copy: Any) -> None:
    """Give a copy of a layer that takes its place the receipt that the layer has, if any."""
    key = LAYER + node.uniqueId().toString()
    if key in keys(document):
        label = read(document, key)
        said = receipt.sentence(label.receipt) if label else ""
        data = document.annotation(key)
        document.setAnnotation(LAYER + copy.uniqueId().toString(), said, data)


def detach(document: Any, node: Any) -> None:
    """Take the receipt of ``node`` out of the document again."""
    document.removeAnnotation(LAYER + node.uniqueId().toString())


def attach_words(document: Any, uuid: str, label: receipt.Receipt) -> None:
    """Write the receipt of what was found out about a layer; the one before it goes."""
    _write(document, WORDS + uuid, label, {"receipt": receipt.to_dict(label)})


def attach_selection(document: Any, uuid: str, label: receipt.Receipt) -> None:
    """Write the receipt of the document's selection, which was made from a layer."""
    wrapper = {"receipt": receipt.to_dict(label), "box": _selected_box(document)}
    _write(document, SELECTION + uuid, label, wrapper)


def _write(document: Any, key: str, label: receipt.Receipt, wrapper: dict[str, Any]) -> None:
    body = receipt.dump(wrapper).encode("ascii")
    document.setAnnotation(key, receipt.sentence(label), QtCore.QByteArray(body))


def _selected_box(document: Any) -> list[int] | None:
    selection = document.selection()
    if selection is None:
        return None
    return [selection.x(), selection.y(), selection.width(), selection.height()]


def keys(document: Any) -> tuple[str, ...]:
    """The names of all receipts, whether what they speak of is there or not."""
    return tuple(key for key in document.annotationTypes() if key.startswith(_KINDS))


def present(document: Any) -> tuple[str, ...]:
    """The names of the receipts of what is there."""
    return tuple(key for key in keys(document) if _is_present(document, key))


def _is_present(document: Any, key: str) -> bool:
    kind, uuid = _parts(key)
    if node_of(document, uuid) is None:
        return False
    # A selection that was undone or changed since is no longer what the receipt speaks of.
    return kind != SELECTION or _wrapper(document, key).get("box") == _selected_box(document)


def _parts(key: str) -> tuple[str, str]:
    kind = next(kind for kind in _KINDS if key.startswith(kind))
    return kind, key[len(kind) :]


def _wrapper(document: Any, key: str) -> dict[str, Any]:
    try:
        found = json.loads(bytes(document.annotation(key)))
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def node_of(document: Any, uuid: str) -> Any:
    """The layer with this id, or None."""
    found = owned([node] if (node := document.nodeByUniqueID(QtCore.QUuid(uuid))) else [])
    return found[0] if found else None


def read(document: Any, key: str) -> Labelled | None:
    """The receipt of that name, whose layer is there; None for none or a damaged one."""
    kind, uuid = _parts(key)
    node = node_of(document, uuid)
    if node is None:
        return None
    wrapper = _wrapper(document, key)
    try:
        width, height = wrapper.get("size", (0, 0))
        x, y = wrapper.get("corner", (0, 0))
        return Labelled(
            kind=kind,
            uuid=uuid,
            layer=node.name(),
            receipt=receipt.from_dict(wrapper["receipt"]),
            pixels=str(wrapper.get("pixels", "")),
            size=(int(width), int(height)),
            corner=(int(x), int(y)),
            source=str(wrapper.get("source", "")) if kind == LAYER else uuid,
        )
    except (ValueError, TypeError, KeyError, errors.NssError):
        return None


def of_document(document: Any) -> list[Labelled]:
    """The receipts of what is there, the newest first."""
    found = [read(document, key) for key in present(document)]
    return sorted(
        (label for label in found if label), key=lambda label: label.receipt.started, reverse=True
    )


def _same_mask(mask: Any, label: Labelled) -> bool:
    """As above: the bounds of a mask are others once it lies on a layer."""
    data = bytes(mask.pixelData(*label.corner, *label.size))
    return hashlib.sha256(data).hexdigest() == label.pixels


def _masks(node: Any) -> list[Any]:
    return [child for child in owned(node.childNodes()) if child.type().endswith("mask")]


def untouched(node: Any, label: Labelled) -> bool:
    """Whether the pixels of a layer, or of the mask on it, are those the receipt speaks of."""
    for mask in _masks(node):
        if mask.uniqueId().toString() == label.uuid:
            return _same_mask(mask, label)
    if node.type().endswith("mask"):
        return _same_mask(node, label)
    area = node.bounds()
    same_size = label.size == (area.width(), area.height())
    return same_size and fingerprint(node) == label.pixels


def of_layer(document: Any, node: Any) -> Labelled | None:
    """The receipt of a layer: its own, else that of a mask on it or of what it is a copy of."""
    known = [key for key in keys(document) if key.startswith(LAYER)]
    for bearer in (node, *_masks(node)) if known else ():
        own = LAYER + bearer.uniqueId().toString()
        if own in known:
            return read(document, own)
    if not known or node.type() != "paintlayer":
        return None
    area = node.bounds()
    alike = [
        label
        for label in of_document(document)
        if label.kind == LAYER and label.size == (area.width(), area.height())
    ]
    if not alike:
        return None
    pixels = fingerprint(node)
    return next((label for label in alike if label.pixels == pixels), None)
