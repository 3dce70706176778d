"""WebP's chunks: reads XMP and other metadata from them; labels are not written into WebP."""

from __future__ import annotations

from collections.abc import Iterator

from ..language import _
from .files import Damaged, Reader


def chunks(reader: Reader) -> Iterator[tuple[bytes, int, int]]:
    """Kind, offset and length of each chunk; ``Damaged`` when the file is cut off."""
    end = 8 + int.from_bytes(reader.at(4, 4), "little")
    if end > reader.size:
        raise Damaged(_("it is cut off"))
    place = 12
    while place + 8 <= end:
        head = reader.at(place, 8)
        length = int.from_bytes(head[4:], "little")
        if place + 8 + length > end:
            raise Damaged(_("it is cut off"))
        yield head[:4], place + 8, length
        place += 8 + length + length % 2


def chunk(reader: Reader, kind: bytes) -> bytes | None:
    """The data of the first chunk of this kind."""
    for found, offset, length in chunks(reader):
        if found == kind:
            return reader.text(offset, length)
    return None


def read_xmp(reader: Reader) -> bytes | None:
    """The XMP packet."""
    return chunk(reader, b"XMP ")
