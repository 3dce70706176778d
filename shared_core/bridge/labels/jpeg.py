"""Labels in JPEG: XMP in an APP1 segment, the receipt as a property in it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..errors import BadInput
from ..language import _
from .files import Damaged, Reader

XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
EXIF_HEADER = b"Exif\0\0"
APP0, APP1 = 0xE0, 0xE1
# A segment's length field counts itself and holds 16 bits.
_SEGMENT_LIMIT = 0xFFFF - 2
_MOST_MARKERS = 100_000


@dataclass(frozen=True)
class Segment:
    """A marker segment: where it begins, its marker, and where its data lie."""

    start: int
    marker: int
    offset: int
    length: int


def segments(reader: Reader) -> Iterator[Segment]:
    """The segments before the picture's data, the first start of scan included."""
    place = 2
    for _turn in range(_MOST_MARKERS):
        start = place
        if reader.at(place, 1) != b"\xff":
            raise Damaged(_("a marker is missing in it"))
        marker = reader.at(place + 1, 1)[0]
        if marker == 0xFF:
            place += 1
            continue
        place += 2
        if marker == 0xD9:
            raise Damaged(_("it holds no picture"))
        if marker == 0x01 or 0xD0 <= marker <= 0xD8:
            continue
        length = int.from_bytes(reader.at(place, 2), "big")
        if length < 2 or place + length > reader.size:
            raise Damaged(_("it is cut off"))
        yield Segment(start, marker, place + 2, length - 2)
        if marker == 0xDA:
            return
        place += length
    raise Damaged(_("it has more markers than a picture can have"))


def _starts(reader: Reader, segment: Segment, header: bytes) -> bool:
    return (
        segment.marker == APP1
        and segment.length >= len(header)
        and reader.at(segment.offset, len(header)) == header
    )


def payload(reader: Reader, header: bytes) -> bytes | None:
    """The data after ``header`` in the first APP1 segment that begins with it."""
    for segment in segments(reader):
        if _starts(reader, segment, header):
            return reader.at(segment.offset + len(header), segment.length - len(header))
    return None


def read_xmp(reader: Reader) -> bytes | None:
    """The XMP packet; parts that were moved to extended XMP are not looked at."""
    return payload(reader, XMP_HEADER)


def write(reader: Reader, out: BinaryIO, xmp: bytes) -> None:
    """Copy the file to ``out`` with this XMP packet in place of the one it has.

    ``BadInput`` when the packet is too long for a JPEG.
    """
    data = XMP_HEADER + xmp
    if len(data) > _SEGMENT_LIMIT:
        raise BadInput(
            _(
                "The receipts and the XMP need {count} bytes and a JPEG holds {segment_limit}. "
                "Export the picture as PNG or TIFF instead.",
                count=len(data),
                segment_limit=_SEGMENT_LIMIT,
            )
        )
    segment_bytes = b"\xff\xe1" + (len(data) + 2).to_bytes(2, "big") + data
    reader.copy(0, 2, out)
    done, written = 2, False
    for segment in segments(reader):
        # JFIF and Exif want to come first.
        first = segment.marker == APP0 or _starts(reader, segment, EXIF_HEADER)
        if not first and not written:
            reader.copy(done, segment.start - done, out)
            out.write(segment_bytes)
            done, written = segment.start, True
        if _starts(reader, segment, XMP_HEADER):
            reader.copy(done, segment.start - done, out)
            done = segment.offset + segment.length
    reader.copy(done, reader.size - done, out)
