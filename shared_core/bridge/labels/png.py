"""Labels in PNG: the receipt as iTXt ``nss-receipt``, XMP as iTXt ``XML:com.adobe.xmp``."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from ..language import _
from .files import Damaged, Reader, inflate

RECEIPT_KEYWORD = b"nss-receipt"
XMP_KEYWORD = b"XML:com.adobe.xmp"
_TEXTS = (b"iTXt", b"tEXt", b"zTXt")


@dataclass(frozen=True)
class Chunk:
    """A chunk: its kind, where its data lie, and how many bytes they are."""

    kind: bytes
    offset: int
    length: int


def chunks(reader: Reader) -> Iterator[Chunk]:
    """All chunks up to IEND; ``Damaged`` when the file ends before it. CRCs are not checked."""
    offset = 8
    while True:
        head = reader.at(offset, 8)
        chunk = Chunk(head[4:], offset + 8, int.from_bytes(head[:4], "big"))
        if not chunk.kind.isalpha():
            raise Damaged(_("a chunk in it has no valid name"))
        offset = chunk.offset + chunk.length + 4
        if offset > reader.size:
            raise Damaged(_("it is cut off"))
        yield chunk
        if chunk.kind == b"IEND":
            return


def check(reader: Reader) -> None:
    """Raise ``Damaged`` unless every chunk up to IEND is there with the right CRC."""
    for chunk in chunks(reader):
        crc = zlib.crc32(chunk.kind)
        for start in range(chunk.offset, chunk.offset + chunk.length, 1 << 20):
            end = min(start + (1 << 20), chunk.offset + chunk.length)
            crc = zlib.crc32(reader.at(start, end - start), crc)
        if crc.to_bytes(4, "big") != reader.at(chunk.offset + chunk.length, 4):
            raise Damaged(
                _("the checksum of its chunk {chunk} is wrong", chunk=chunk.kind.decode())
            )


def pack(kind: bytes, data: bytes) -> bytes:
    """A chunk as it stands in the file."""
    crc = zlib.crc32(data, zlib.crc32(kind))
    return len(data).to_bytes(4, "big") + kind + data + crc.to_bytes(4, "big")


def _keyword(reader: Reader, chunk: Chunk) -> bytes:
    if chunk.kind not in _TEXTS:
        return b""
    return reader.at(chunk.offset, min(chunk.length, 80)).split(b"\0", 1)[0]


def _text(reader: Reader, chunk: Chunk) -> bytes:
    rest = reader.text(chunk.offset, chunk.length).partition(b"\0")[2]
    if chunk.kind == b"tEXt":
        return rest
    if chunk.kind == b"zTXt":
        return inflate(rest[1:])
    if len(rest) < 2 or rest.count(b"\0", 2) < 2:
        raise Damaged(_("a text in it is damaged"))
    _language, _translated, text = rest[2:].split(b"\0", 2)
    return inflate(text) if rest[0] else text


def read(reader: Reader) -> tuple[bytes | None, bytes | None]:
    """The receipt's text and the XMP packet, the first of each."""
    found: dict[bytes, bytes] = {}
    for chunk in chunks(reader):
        keyword = _keyword(reader, chunk)
        if keyword in (RECEIPT_KEYWORD, XMP_KEYWORD) and keyword not in found:
            found[keyword] = _text(reader, chunk)
    return found.get(RECEIPT_KEYWORD), found.get(XMP_KEYWORD)


def write(reader: Reader, out: BinaryIO, receipt: str | None, xmp: bytes | None) -> None:
    """Copy the file to ``out`` with this receipt and XMP packet, if any, and without its own."""
    end = 8
    reader.copy(0, 8, out)
    for chunk in chunks(reader):
        start, end = end, chunk.offset + chunk.length + 4
        if _keyword(reader, chunk) in (RECEIPT_KEYWORD, XMP_KEYWORD):
            continue
        reader.copy(start, end - start, out)
        if chunk.kind == b"IHDR":
            if xmp is not None:
                out.write(pack(b"iTXt", XMP_KEYWORD + b"\0\0\0\0\0" + xmp))
            if receipt is not None:
                text = receipt.encode("ascii")
                out.write(pack(b"iTXt", RECEIPT_KEYWORD + b"\0\0\0\0\0" + text))
    reader.copy(end, reader.size - end, out)
