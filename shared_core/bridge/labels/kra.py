"""Krita's .kra: reads the annotations ``nss/receipt/<layer uuid>`` of the layers that are there."""

from __future__ import annotations

import re
import struct
import zipfile
import zlib
from typing import BinaryIO

from ..language import _
from .files import MAX_TEXT, Damaged
from .xmp import Xml

ANNOTATION = "nss/receipt/"
_ENTRY = re.compile(r"/annotations/nss/receipt/(.+)\Z", re.DOTALL)
# What zipfile raises on damaged archives.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    NotImplementedError,
    RuntimeError,
    EOFError,
    ValueError,
    OverflowError,
    IndexError,
    KeyError,
    OSError,
)


class _Layers(Xml):
    """The uuids of all nodes in maindoc.xml, topmost first."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.uuids: list[str] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        if "uuid" in attributes:
            self.uuids.append(attributes["uuid"])


def read(file: BinaryIO) -> list[bytes]:
    """The receipts' texts, the topmost layer's first.

    A receipt whose layer is not in the document (undone, or merged away) is left out: it is not
    known which pixels it speaks of. Without a list of layers (maindoc.xml) all are returned.
    """
    try:
        with zipfile.ZipFile(file) as archive:
            return _receipts(archive)
    except _ZIP_ERRORS as error:
        raise Damaged(_("its archive is damaged: {error}", error=error)) from None


def _receipts(archive: zipfile.ZipFile) -> list[bytes]:
    found: dict[str, bytes] = {}
    left = MAX_TEXT
    for entry in archive.infolist():
        match = _ENTRY.search(entry.filename)
        if match:
            found[match[1]] = _member(archive, entry, left)
            left -= len(found[match[1]])
    if not found:
        return []
    try:
        entry = archive.getinfo("maindoc.xml")
    except KeyError:
        return [found[uuid] for uuid in sorted(found)]
    try:
        layers = _Layers(_member(archive, entry, MAX_TEXT).decode("utf-8"))
    except UnicodeDecodeError:
        raise Damaged(_("its list of layers is not in UTF-8")) from None
    layers.parse()
    return [found.pop(uuid) for uuid in layers.uuids if uuid in found]


def _member(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, limit: int) -> bytes:
    if entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise Damaged(_("it is compressed in a way Krita does not use"))
    with archive.open(entry) as member:
        data = member.read(limit + 1)
    if len(data) > limit:
        raise Damaged(_("a text in it is longer than 16 MB"))
    return data
