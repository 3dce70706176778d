"""GIMP's XCF (versions 0 to 26): reads the parasite ``nss-receipt`` of every layer.

After GIMP's devel-docs/specifications/xcf.txt: integers are big-endian, pointers have 32 bits and
from version 11 on 64.
"""

from __future__ import annotations

from collections.abc import Iterator

from ..language import _
from .files import MAX_TEXT, Damaged, Reader

PARASITE = b"nss-receipt"
_PROP_END = 0
_PROP_PARASITES = 21
# More layers and properties than any document has; overlapping ones in a hostile file end here.
_MOST_STEPS = 300_000


class _Document:
    def __init__(self, reader: Reader) -> None:
        self.reader = reader
        self.place = 0
        self.steps = 0
        self.taken = 0

    def take(self, length: int) -> bytes:
        data = self.reader.at(self.place, length)
        self.place += length
        return data

    def number(self, size: int = 4) -> int:
        return int.from_bytes(self.take(size), "big")

    def skip(self, length: int) -> None:
        if self.place + length > self.reader.size:
            raise Damaged(_("it is cut off"))
        self.place += length

    def count(self) -> None:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise Damaged(_("it has more layers or properties than a document can have"))

    def each_property(self) -> Iterator[tuple[int, int]]:
        """Kind and length of each property; the place stands at its data and is then moved on."""
        while True:
            self.count()
            kind, length = self.number(), self.number()
            if kind == _PROP_END:
                return
            following = self.place + length
            if following > self.reader.size:
                raise Damaged(_("it is cut off"))
            yield kind, length
            self.place = following

    def parasites(self, length: int) -> Iterator[bytes]:
        """The data of those of our name among the parasites in the next ``length`` bytes."""
        end = self.place + length
        while self.place < end:
            self.count()
            name = self.take(self.number())
            self.skip(4)
            size = self.number()
            if self.place + size > end:
                raise Damaged(_("a parasite in it is cut off"))
            if name.rstrip(b"\0") == PARASITE:
                self.taken += size
                if self.taken > MAX_TEXT:
                    raise Damaged(_("the receipts in it are longer than 16 MB"))
                yield self.take(size).rstrip(b"\0")
            else:
                self.skip(size)


def read(reader: Reader) -> list[bytes]:
    """The receipts' texts, the topmost layer's first."""
    document = _Document(reader)
    head = document.take(14)
    tag = head[9:13]
    if head[13] or (tag != b"file" and not (tag[:1] == b"v" and tag[1:].isdigit())):
        raise Damaged(_("its version is none that GIMP writes"))
    version = 0 if tag == b"file" else int(tag[1:])
    pointer = 8 if version >= 11 else 4
    document.skip(16 if version >= 4 else 12)
    for _turn in document.each_property():
        pass
    layers: list[int] = []
    while place := document.number(pointer):
        document.count()
        layers.append(place)
    if len(set(layers)) != len(layers):
        raise Damaged(_("two of its layers are the same"))
    receipts: list[bytes] = []
    for place in layers:
        document.place = place
        document.skip(12)
        document.skip(document.number())
        for kind, length in document.each_property():
            if kind == _PROP_PARASITES:
                receipts += document.parasites(length)
    return receipts
