"""Receipts in a document: one annotation for each result layer, found again by the layer's id.

They stay after undo, since redo brings the layer back with the same id; while the layer is absent
they are hidden. A copy of a layer has another id and is recognised by its pixels alone.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import Any

from .qt import QtCore, owned
from .vendored import errors, receipt

PREFIX = "nss/receipt/"


@dataclass(frozen=True)
class Labelled:
    """A result layer and its receipt; ``pixels`` and ``size`` are those of the untouched result."""

    uuid: str
    layer: str
    receipt: receipt.Receipt
    pixels: str
    size: tuple[int, int]


def fingerprint(node: Any) -> str:
    """SHA-256 of a layer's native pixels within its bounds."""
    area = node.bounds()
    if area.isEmpty():
        return hashlib.sha256(b"").hexdigest()
    data = node.pixelData(area.x(), area.y(), area.width(), area.height())
    return hashlib.sha256(memoryview(data)).hexdigest()


def attach(document: Any, node: Any, label: receipt.Receipt) -> None:
    """Write the receipt of ``node`` into the document."""
    area = node.bounds()
    wrapper = {
        "receipt": receipt.to_dict(label),
        "pixels": fingerprint(node),
        "size": [area.width(), area.height()],
    }
    body = receipt.dump(wrapper).encode("ascii")
    key = PREFIX + node.uniqueId().toString()
    document.setAnnotation(key, receipt.sentence(label), QtCore.QByteArray(body))


def detach(document: Any, node: Any) -> None:
    """Take the receipt of ``node`` out of the document again."""
    document.removeAnnotation(PREFIX + node.uniqueId().toString())


def keys(document: Any) -> tuple[str, ...]:
    """The ids of all layers, present or not, that have a receipt."""
    return tuple(key[len(PREFIX) :] for key in document.annotationTypes() if key.startswith(PREFIX))


def present(document: Any) -> tuple[str, ...]:
    """The ids of the layers in the document that have a receipt."""
    return tuple(uuid for uuid in keys(document) if node_of(document, uuid) is not None)


def node_of(document: Any, uuid: str) -> Any:
    """The layer with this id, or None."""
    found = owned([node] if (node := document.nodeByUniqueID(QtCore.QUuid(uuid))) else [])
    return found[0] if found else None


def read(document: Any, uuid: str) -> Labelled | None:
    """The receipt stored for a layer that is there; None for none or a damaged one."""
    node = node_of(document, uuid)
    if node is None:
        return None
    try:
        wrapper = json.loads(bytes(document.annotation(PREFIX + uuid)))
        width, height = wrapper.get("size", (0, 0))
        return Labelled(
            uuid=uuid,
            layer=node.name(),
            receipt=receipt.from_dict(wrapper["receipt"]),
            pixels=str(wrapper["pixels"]),
            size=(int(width), int(height)),
        )
    except (ValueError, TypeError, KeyError, AttributeError, errors.NssError):
        return None


def of_document(document: Any) -> list[Labelled]:
    """The receipts of the layers that are there, the newest first."""
    found = [read(document, uuid) for uuid in keys(document)]
    return sorted(
        (label for label in found if label), key=lambda label: label.receipt.started, reverse=True
    )


def untouched(node: Any, label: Labelled) -> bool:
    """Whether a layer's pixels are still those the receipt speaks of."""
    area = node.bounds()
    same_size = label.size == (area.width(), area.height())
    return same_size and fingerprint(node) == label.pixels


def of_layer(document: Any, node: Any) -> Labelled | None:
    """The receipt of a layer: its own, else that of the layer whose untouched copy it is."""
    uuid = node.uniqueId().toString()
    known = keys(document)
    if uuid in known:
        return read(document, uuid)
    if not known or node.type() != "paintlayer":
        return None
    area = node.bounds()
    alike = [
        label for label in of_document(document) if label.size == (area.width(), area.height())
    ]
    if not alike:
        return None
    pixels = fingerprint(node)
    return next((label for label in alike if label.pixels == pixels), None)
