"""Small files of every kind that labels are read from, built by hand or by other libraries."""

from __future__ import annotations

import io
import struct
import zipfile
from collections.abc import Sequence
from typing import Any

import numpy as np
import tifffile
from PIL import Image


def picture(height: int = 5, width: int = 7) -> np.ndarray[Any, Any]:
    """RGB noise."""
    return np.random.default_rng(7).integers(0, 256, (height, width, 3), dtype=np.uint8)


def png(**options: Any) -> bytes:
    """By Pillow."""
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, "PNG", **options)
    return out.getvalue()


def jpeg(**options: Any) -> bytes:
    """By Pillow."""
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, "JPEG", **options)
    return out.getvalue()


def webp(**options: Any) -> bytes:
    """By Pillow."""
    out = io.BytesIO()
    Image.fromarray(picture()).save(out, "WEBP", lossless=True, **options)
    return out.getvalue()


def tiff(pages: int = 1, **options: Any) -> bytes:
    """By tifffile."""
    out = io.BytesIO()
    with tifffile.TiffWriter(
        out, byteorder=options.pop("byteorder", "<"), bigtiff=options.pop("bigtiff", False)
    ) as writer:
        for _ in range(pages):
            writer.write(picture(), photometric="rgb", metadata=None, **options)
    return out.getvalue()


def kra(
    receipts: dict[str, bytes],
    layers: Sequence[str] = (),
    maindoc: bytes | None = None,
    compression: int = zipfile.ZIP_DEFLATED,
) -> bytes:
    """Krita's archive with annotations: layer uuid to receipt; ``layers`` from top to bottom."""
    if maindoc is None:
        nodes = "".join(
            f'<layer name="L{i}" nodetype="paintlayer" uuid="{uuid}"/>'
            for i, uuid in enumerate(layers)
        )
        maindoc = (
            '<?xml version="1.0" encoding="UTF-8"?>\n'
            "<!DOCTYPE DOC PUBLIC '-//KDE//DTD krita 2.0//EN' "
            "'http://www.calligra.org/DTD/krita-2.0.dtd'>\n"
            '<DOC xmlns="http://www.calligra.org/DTD/krita" editor="Krita">'
            f'<IMAGE name="Unnamed" width="7" height="5"><layers>{nodes}</layers></IMAGE></DOC>'
        ).encode()
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", compression) as archive:
        archive.writestr("mimetype", "application/x-krita", zipfile.ZIP_STORED)
        if maindoc:
            archive.writestr("maindoc.xml", maindoc)
        archive.writestr("Unnamed/annotations/icc", b"profile")
        for uuid, text in receipts.items():
            archive.writestr(f"Unnamed/annotations/nss/receipt/{uuid}", text)
    return out.getvalue()


def _string(text: str) -> bytes:
    data = text.encode() + b"\0"
    return struct.pack(">I", len(data)) + data


def parasite(name: str, data: bytes) -> bytes:
    """A parasite within PROP_PARASITES."""
    return _string(name) + struct.pack(">II", 1, len(data)) + data


def prop(kind: int, data: bytes) -> bytes:
    """An XCF property."""
    return struct.pack(">II", kind, len(data)) + data


def xcf(version: int, layers: Sequence[Sequence[bytes]]) -> bytes:
    """GIMP's format after its specification: per layer the parasites; no pixels."""
    tag = b"file" if version == 0 else f"v{version:03}".encode()
    pointer = ">Q" if version >= 11 else ">I"
    head = b"gimp xcf " + tag + b"\0" + struct.pack(">III", 7, 5, 0)
    if version >= 4:
        head += struct.pack(">I", 150)
    head += prop(17, bytes([0])) + prop(21, parasite("gimp-comment", b"hello\0")) + prop(0, b"")
    place = len(head) + struct.calcsize(pointer) * (len(layers) + 2)
    bodies = []
    pointers = b""
    for number, parasites in enumerate(layers):
        body = struct.pack(">III", 7, 5, 1) + _string(f"Layer {number} ü")
        body += prop(6, struct.pack(">I", 255)) + prop(8, struct.pack(">I", 1))
        if parasites:
            body += prop(21, b"".join(parasites))
        body += prop(0, b"") + struct.pack(pointer, 0) * 2
        pointers += struct.pack(pointer, place)
        place += len(body)
        bodies.append(body)
    return head + pointers + struct.pack(pointer, 0) * 2 + b"".join(bodies)
