"""XMP packets: read and set the DigitalSourceType and the receipt, leaving all else as it is.

The packet is edited as text at the places an XML parser points out, so that every other property,
prefix, comment and the padding stay byte for byte.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from xml.parsers import expat

from ..language import _
from .files import MAX_TEXT, Damaged

RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
IPTC = "http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
NSS = "urn:nss-krita-gimp:receipt#"

_SOURCE_TYPE = f"{IPTC} DigitalSourceType"
_RECEIPT = f"{NSS} receipt"
_ATTRIBUTE = re.compile(rb"""\s+([^\s=]+)\s*=\s*(?:"[^"]*"|'[^']*')""")
_START_TAG = re.compile(rb"""<([^\s/>]+)(?:\s+[^\s=]+\s*=\s*(?:"[^"]*"|'[^']*'))*\s*(/?)>""")
_EMPTY = (
    '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
    '<x:xmpmeta xmlns:x="adobe:ns:meta/">\n'
    f'<rdf:RDF xmlns:rdf="{RDF}">\n</rdf:RDF>\n</x:xmpmeta>\n'
    '<?xpacket end="w"?>'
)


@dataclass(frozen=True)
class Properties:
    """The two properties of ours; None where the packet does not have one."""

    source_type: str | None = None
    receipt: str | None = None


NOTHING = Properties()


class Xml:
    """An expat parser that knows namespaces and refuses declarations of entities.

    Subclasses override ``start``, ``end`` and ``text``; names are "namespace local".
    """

    def __init__(self, source: str) -> None:
        self.source = source.encode("utf-8")
        self.parser = expat.ParserCreate(encoding="utf-8", namespace_separator=" ")
        self.parser.buffer_text = True
        self.parser.StartElementHandler = self.start
        self.parser.EndElementHandler = self.end
        self.parser.CharacterDataHandler = self.text
        self.parser.EntityDeclHandler = self._refuse

    def parse(self) -> None:
        """Parse to the end; ``Damaged`` when the source is not well-formed."""
        try:
            self.parser.Parse(self.source, True)
        except (expat.ExpatError, ValueError) as error:
            raise Damaged(_("its XML is damaged: {error}", error=error)) from None

    def start(self, name: str, attributes: dict[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def text(self, data: str) -> None:
        """Text inside an element."""

    def _refuse(self, *declaration: object) -> None:
        raise Damaged(_("its XML declares entities"))


class _Packet(Xml):
    """Finds our properties, their places, and the place for new ones."""

    def __init__(self, source: str) -> None:
        super().__init__(source)
        self.parser.StartNamespaceDeclHandler = self._prefix
        self.parser.EndNamespaceDeclHandler = self._end_prefix
        self.prefixes: dict[str, list[str]] = {}
        self.path: list[str] = []
        self.found: dict[str, str] = {}
        self.cuts: list[tuple[int, int]] = []
        self.about = ""
        self.rdf: tuple[int, int] | None = None
        self._rdf: tuple[int, int] | None = None
        self._property: tuple[int, int, str] | None = None
        self._text: list[str] = []
        # Where the current rdf:Description begins, how many cuts there were, whether it has more.
        self._description = (0, 0, False)

    def _prefix(self, prefix: str | None, uri: str | None) -> None:
        self.prefixes.setdefault(prefix or "", []).append(uri or "")

    def _end_prefix(self, prefix: str | None) -> None:
        self.prefixes[prefix or ""].pop()

    def start(self, name: str, attributes: dict[str, str]) -> None:
        place = self.parser.CurrentByteIndex
        self.path.append(name)
        depth = len(self.path)
        if self._property or self.rdf:
            return
        if self._rdf is None:
            if name == f"{RDF} RDF":
                self._rdf = (place, depth)
        elif depth == self._rdf[1] + 1 and name == f"{RDF} Description":
            self.about = self.about or attributes.get(f"{RDF} about", "")
            others = set(attributes) - {f"{RDF} about", _SOURCE_TYPE, _RECEIPT}
            self._description = (place, len(self.cuts), bool(others))
            for key in (_SOURCE_TYPE, _RECEIPT):
                if key in attributes:
                    self.found.setdefault(key, attributes[key])
                    self._cut_attribute(place, key)
        elif depth == self._rdf[1] + 2 and self.path[-2] == f"{RDF} Description":
            if name in (_SOURCE_TYPE, _RECEIPT):
                self._property = (place, depth, attributes.get(f"{RDF} resource", ""))
                self._text = []
            else:
                self._description = (*self._description[:2], True)

    def end(self, name: str) -> None:
        depth = len(self.path)
        if self._property and self._property[1] == depth:
            start, _depth, resource = self._property
            self.found.setdefault(name, resource or "".join(self._text).strip())
            self.cuts.append((start, self._after(start)))
            self._property = None
        elif not self._rdf or self.rdf:
            pass
        elif depth == self._rdf[1] + 1 and name == f"{RDF} Description":
            start, before, more = self._description
            if len(self.cuts) > before and not more:
                # Nothing but our properties stood in it.
                end = self._after(start)
                end += self.source[end : end + 1] == b"\n"
                self.cuts[before:] = [(start, end)]
        elif depth == self._rdf[1]:
            self.rdf = (self._rdf[0], self._after(self._rdf[0]))
        self.path.pop()

    def text(self, data: str) -> None:
        if self._property:
            self._text.append(data)

    def tag(self, place: int) -> re.Match[bytes]:
        """The start tag at ``place``: whole, its name, and "/" where it ends the element."""
        match = _START_TAG.match(self.source, place)
        if match is None:
            raise Damaged(_("its XML is damaged"))
        return match

    def _after(self, start: int) -> int:
        """The byte after the element that began at ``start`` and ends now."""
        tag = self.tag(start)
        if tag[2]:
            return tag.end()
        return self.source.index(b">", self.parser.CurrentByteIndex) + 1

    def _cut_attribute(self, place: int, key: str) -> None:
        tag = self.tag(place)
        uri, local = key.split(" ")
        for attribute in _ATTRIBUTE.finditer(self.source, tag.end(1), tag.end()):
            prefix, _colon, name = attribute[1].decode("utf-8").partition(":")
            if name == local and self.prefixes.get(prefix, [])[-1:] == [uri]:
                self.cuts.append(attribute.span())


def _parsed(packet: bytes) -> _Packet:
    if len(packet) > MAX_TEXT:
        raise Damaged(_("its XMP is longer than 16 MB"))
    try:
        text = packet.decode("utf-8")
    except UnicodeDecodeError:
        raise Damaged(_("its XMP is not in UTF-8")) from None
    found = _Packet(text.strip("\0 \t\r\n\ufeff"))
    found.parse()
    return found


def read(packet: bytes) -> Properties:
    """Our properties in an XMP packet; ``Damaged`` when it is not XML."""
    found = _parsed(packet).found
    return Properties(found.get(_SOURCE_TYPE), found.get(_RECEIPT))


def update(packet: bytes | None, properties: Properties) -> bytes:
    """The packet (or a new one) with our properties set, or removed where None."""
    found = _parsed(packet if packet else _EMPTY.encode("utf-8"))
    if found.rdf is None:
        found = _parsed(_EMPTY.encode("utf-8"))
    if found.rdf is None:
        raise Damaged(_("its XMP has no RDF"))
    new = _description(found.about, properties).encode("utf-8")
    source = bytearray(found.source)
    start, end = found.rdf
    tag = found.tag(start)
    if tag[2]:
        source[start:end] = tag[0][:-2] + b">" + new + b"</" + tag[1] + b">"
    else:
        place = source.rindex(b"</", start, end)
        source[place:place] = new
    for start, end in sorted(found.cuts, reverse=True):
        del source[start:end]
    return bytes(source)


def _description(about: str, properties: Properties) -> str:
    parts = []
    if properties.source_type is not None:
        value = escape(properties.source_type, quote=False)
        parts.append(f"<Iptc4xmpExt:DigitalSourceType>{value}</Iptc4xmpExt:DigitalSourceType>")
    if properties.receipt is not None:
        parts.append(f"<nss:receipt>{escape(properties.receipt, quote=False)}</nss:receipt>")
    if not parts:
        return ""
    return (
        f'<rdf:Description rdf:about="{escape(about)}" xmlns:rdf="{RDF}" '
        f'xmlns:Iptc4xmpExt="{IPTC}" xmlns:nss="{NSS}">\n'
        + "\n".join(parts)
        + "\n</rdf:Description>\n"
    )
