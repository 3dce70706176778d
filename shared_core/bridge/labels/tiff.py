"""TIFF and BigTIFF directories: reads the first one, and labels it by XMP in tag 700."""

from __future__ import annotations

import shutil
import struct
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import BadInput
from ..language import _
from .files import Damaged, Reader

XMP_TAG = 700
ORIENTATION_TAG = 274
_BYTE = 1
# Field types: struct code and how many values of it make one.
_TYPES: dict[int, tuple[str, int]] = {
    1: ("B", 1),
    2: ("B", 1),
    3: ("H", 1),
    4: ("I", 1),
    5: ("I", 2),
    6: ("b", 1),
    7: ("B", 1),
    8: ("h", 1),
    9: ("i", 1),
    10: ("i", 2),
    11: ("f", 1),
    12: ("d", 1),
    13: ("I", 1),
    16: ("Q", 1),
    17: ("q", 1),
    18: ("Q", 1),
}


@dataclass(frozen=True)
class Field:
    """A directory entry: tag, type, count, and its last bytes (the value or where it lies)."""

    tag: int
    kind: int
    count: int
    value: bytes


@dataclass(frozen=True)
class Directory:
    """An image file directory; ``following`` is the next one's place, 0 for none.

    ``order`` is "<" or ">" as struct has it.
    """

    order: str
    big: bool
    fields: dict[int, Field]
    following: int


def directory(reader: Reader, offset: int = 0) -> Directory:
    """The first page's directory, or that at ``offset``.

    Raises ``Damaged`` when it does not lie in the file.
    """
    head = reader.at(0, 8)
    order = "<" if head[:2] == b"II" else ">"
    version = struct.unpack(order + "H", head[2:4])[0]
    if head[:2] not in (b"II", b"MM") or version not in (42, 43):
        raise Damaged(_("it has no TIFF header"))
    big = version == 43
    if big:
        if struct.unpack(order + "HH", head[4:8]) != (8, 0):
            raise Damaged(_("its BigTIFF header is wrong"))
        offset = offset or struct.unpack(order + "Q", reader.at(8, 8))[0]
        count = struct.unpack(order + "Q", reader.at(offset, 8))[0]
        start, size = offset + 8, 20
    else:
        offset = offset or struct.unpack(order + "I", head[4:8])[0]
        count = struct.unpack(order + "H", reader.at(offset, 2))[0]
        start, size = offset + 2, 12
    if not 0 < count <= 0xFFFF:
        raise Damaged(_("its directory is empty"))
    entries = reader.at(start, count * size)
    fields: dict[int, Field] = {}
    for place in range(0, len(entries), size):
        tag, kind = struct.unpack_from(order + "HH", entries, place)
        number = struct.unpack_from(order + ("Q" if big else "I"), entries, place + 4)[0]
        value = entries[place + (12 if big else 8) : place + size]
        fields.setdefault(tag, Field(tag, kind, number, value))
    link = reader.at(start + len(entries), 8 if big else 4)
    return Directory(order, big, fields, struct.unpack(order + ("Q" if big else "I"), link)[0])


def data(reader: Reader, page: Directory, tag: int) -> bytes:
    """The bytes of a field as they stand in the file, empty where the tag is not there."""
    field = page.fields.get(tag)
    if field is None:
        return b""
    if field.kind not in _TYPES:
        raise Damaged(_("its tag {tag} has no known type", tag=tag))
    code, values = _TYPES[field.kind]
    length = field.count * values * struct.calcsize("=" + code)
    if length <= len(field.value):
        return field.value[:length]
    offset = struct.unpack(page.order + ("Q" if page.big else "I"), field.value)[0]
    return reader.text(offset, length)


def numbers(reader: Reader, page: Directory, tag: int) -> tuple[int, ...]:
    """The whole numbers of a field, empty where the tag is not there."""
    raw = data(reader, page, tag)
    if not raw:
        return ()
    code, values = _TYPES[page.fields[tag].kind]
    if code in "fd" or values == 2:
        raise Damaged(_("its tag {tag} holds no whole numbers", tag=tag))
    return struct.unpack(f"{page.order}{len(raw) // struct.calcsize('=' + code)}{code}", raw)


def read_xmp(reader: Reader) -> bytes | None:
    """The XMP packet of the first page."""
    return data(reader, directory(reader), XMP_TAG) or None


def write(reader: Reader, out: BinaryIO, xmp: bytes) -> None:
    """Copy the file to ``out`` with this XMP packet (no shorter than 9 bytes) on the first page.

    Packet and a new first directory go to the end and the header points there; all else keeps its
    place, so that no offset in the file becomes wrong. The old directory's bytes stay unused.
    """
    page = directory(reader)
    order, big = page.order, page.big
    unit = 8 if big else 4
    packet_at = reader.size + reader.size % 2
    directory_at = packet_at + len(xmp) + -len(xmp) % unit
    directory_at += -directory_at % unit
    number = order + ("Q" if big else "I")
    fields = dict(page.fields)
    if not big and directory_at + 6 + 12 * (len(fields) + 1) > 0xFFFFFFFF:
        raise BadInput(
            _(
                "The TIFF is at its limit of 4 GB and its label does not fit any more. "
                "Export it as BigTIFF."
            )
        )
    fields[XMP_TAG] = Field(XMP_TAG, _BYTE, len(xmp), struct.pack(number, packet_at))
    out.seek(0)
    reader.file.seek(0)
    shutil.copyfileobj(reader.file, out, 1 << 20)
    out.write(b"\0" * (packet_at - reader.size))
    out.write(xmp + b"\0" * (directory_at - packet_at - len(xmp)))
    out.write(struct.pack(order + ("Q" if big else "H"), len(fields)))
    for field in sorted(fields.values(), key=lambda f: f.tag):
        out.write(struct.pack(order + "HH", field.tag, field.kind))
        out.write(struct.pack(number, field.count) + field.value)
    out.write(struct.pack(number, page.following))
    out.seek(8 if big else 4)
    out.write(struct.pack(number, directory_at))
