"""A picture file's header: kind, size, orientation, profile; without decoding any pixel."""

from __future__ import annotations

import contextlib
import io
import os
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from ..bridge.errors import BadInput
from ..bridge.labels import jpeg, png, tiff, webp
from ..bridge.labels.files import Damaged, Reader, inflate, kind_of
from ..bridge.language import _
from .model import MAX_PIXELS, MAX_SIDE

_KINDS = _("PNG, TIFF, JPEG or WebP")
_PNG_BITS = {0: (1, 2, 4, 8, 16), 2: (8, 16), 3: (1, 2, 4, 8), 4: (8, 16), 6: (8, 16)}
_ICC_TAG = 34675
# NewSubfileType; its lowest bit marks a smaller copy.
_SUBFILE_TAG = 254
_ICC_SEGMENT = b"ICC_PROFILE\0"
# All start-of-frame markers; C4, C8 and CC are something else.
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}


@dataclass(frozen=True)
class Header:
    """A picture's header as stored.

    Width and height before the orientation (1 to 8, as in Exif) is applied; ``channels`` as the
    file has them; ``key`` is PNG's transparent colour (the data of tRNS) where there is one.
    """

    kind: str
    width: int
    height: int
    bits: int
    channels: int
    orientation: int = 1
    icc: bytes | None = None
    key: bytes | None = None
    note: str = ""


class Unsupported(Exception):
    """A picture of a kind that is not read; the text names it."""


@contextlib.contextmanager
def opened(path: str | os.PathLike[str]) -> Iterator[tuple[Reader, str]]:
    """The file and its kind (png, tiff, jpeg or webp); every fault within becomes ``BadInput``."""
    try:
        if not os.path.isfile(path):
            if not os.path.exists(path):
                raise BadInput(_("There is no file {path}. Check the name.", path=path))
            what = _("a folder") if os.path.isdir(path) else _("not a regular file")
            raise BadInput(
                _(
                    "{path} is {what}. Choose a picture ({kinds}).",
                    path=path,
                    what=what,
                    kinds=_KINDS,
                )
            )
        file = open(path, "rb")  # noqa: SIM115
    except OSError as error:
        raise BadInput(
            _(
                "{path} cannot be read ({reason}). Correct its permissions.",
                path=path,
                reason=error.strerror or error,
            )
        ) from None
    with file:
        reader = Reader(file)
        if reader.size == 0:
            raise BadInput(
                _("{path} is empty. Choose a picture ({kinds}).", path=path, kinds=_KINDS)
            )
        try:
            kind = kind_of(reader.at(0, min(16, reader.size)))
            if kind not in ("png", "tiff", "jpeg", "webp"):
                raise BadInput(
                    _(
                        "{path} is not a picture this reads. Choose a {kinds} file.",
                        path=path,
                        kinds=_KINDS,
                    )
                )
            yield reader, kind
        except Damaged as error:
            raise BadInput(
                _("{path} is damaged: {error}. Use an undamaged copy.", path=path, error=error)
            ) from None
        except Unsupported as error:
            raise BadInput(
                _(
                    "{path} is {error}, which is not read. Export it as RGB or grey with 8 or "
                    "16 bits, or as PNG.",
                    path=path,
                    error=error,
                )
            ) from None


def inspect(reader: Reader, kind: str, path: str | os.PathLike[str]) -> Header:
    """The header; ``BadInput`` when the picture is larger than ``MAX_PIXELS``."""
    readers = {"png": _png, "tiff": _tiff, "jpeg": _jpeg, "webp": _webp}
    header = readers[kind](reader)
    if header.width < 1 or header.height < 1:
        raise Damaged(_("its width or height is zero"))
    if header.width * header.height > MAX_PIXELS or max(header.width, header.height) > MAX_SIDE:
        raise BadInput(
            _(
                "{path} says it is {width} × {height} pixels; the limit is one gigapixel and "
                "{most} pixels a side. Scale it down or cut it into parts.",
                path=path,
                width=header.width,
                height=header.height,
                most=MAX_SIDE,
            )
        )
    return header


def _png(reader: Reader) -> Header:
    found: dict[bytes, bytes] = {}
    animated = False
    for chunk in png.chunks(reader):
        if not found and chunk.kind != b"IHDR":
            raise Damaged(_("it does not begin with its header"))
        animated = animated or chunk.kind == b"acTL"
        if chunk.kind in (b"IHDR", b"tRNS", b"iCCP", b"eXIf") and chunk.kind not in found:
            found[chunk.kind] = reader.text(chunk.offset, chunk.length)
    if len(found[b"IHDR"]) != 13:
        raise Damaged(_("its header has the wrong length"))
    width, height, bits, colour = struct.unpack(">IIBB", found[b"IHDR"][:10])
    if bits not in _PNG_BITS.get(colour, ()):
        raise Damaged(_("its colour type is none that PNG has"))
    icc = None
    if b"iCCP" in found:
        # Name, one byte for the method, then the packed profile.
        icc = inflate(found[b"iCCP"].partition(b"\0")[2][1:])
    return Header(
        kind="png",
        width=width,
        height=height,
        bits=bits,
        channels={0: 1, 2: 3, 3: 3, 4: 2, 6: 4}[colour],
        orientation=_exif_orientation(found.get(b"eXIf", b"")),
        icc=icc,
        key=found.get(b"tRNS") if colour in (0, 2) else None,
        note=_("The picture is animated; its first picture is used.") if animated else "",
    )


def _jpeg(reader: Reader) -> Header:
    frame = b""
    exif = b""
    profile: dict[int, bytes] = {}
    for segment in jpeg.segments(reader):
        data = reader.at(segment.offset, segment.length)
        if segment.marker in _FRAMES and not frame:
            if segment.marker not in (0xC0, 0xC1, 0xC2):
                raise Unsupported(_("a JPEG with lossless or arithmetic coding"))
            frame = data
        elif segment.marker == jpeg.APP1 and data.startswith(jpeg.EXIF_HEADER):
            exif = exif or data[len(jpeg.EXIF_HEADER) :]
        elif segment.marker == 0xE2 and data.startswith(_ICC_SEGMENT) and len(data) > 14:
            profile.setdefault(data[12], data[14:])
    if len(frame) < 6:
        raise Damaged(_("its header is missing"))
    bits, height, width, channels = struct.unpack(">BHHB", frame[:6])
    if channels == 4:
        raise Unsupported(_("a CMYK JPEG"))
    if bits != 8 or channels not in (1, 3):
        raise Unsupported(
            _("a JPEG with {channels} channels of {bits} bits", channels=channels, bits=bits)
        )
    return Header(
        kind="jpeg",
        width=width,
        height=height,
        bits=bits,
        channels=channels,
        orientation=_exif_orientation(exif),
        icc=b"".join(profile[part] for part in sorted(profile)) or None,
    )


def _webp(reader: Reader) -> Header:
    size: tuple[int, int] | None = None
    animated = False
    for kind, offset, length in webp.chunks(reader):
        data = reader.at(offset, min(length, 16))
        if kind == b"VP8X" and len(data) >= 10:
            animated = bool(data[0] & 2)
            size = (_u24(data, 4) + 1, _u24(data, 7) + 1)
        elif kind == b"VP8 " and len(data) >= 10 and size is None:
            wide, high = struct.unpack("<HH", data[6:10])
            size = (wide & 0x3FFF, high & 0x3FFF)
        elif kind == b"VP8L" and len(data) >= 5 and size is None:
            packed = int.from_bytes(data[1:5], "little")
            size = ((packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1)
    if size is None:
        raise Damaged(_("it holds no picture"))
    exif = (webp.chunk(reader, b"EXIF") or b"").removeprefix(jpeg.EXIF_HEADER)
    return Header(
        kind="webp",
        width=size[0],
        height=size[1],
        bits=8,
        channels=3,
        orientation=_exif_orientation(exif),
        icc=webp.chunk(reader, b"ICCP"),
        note=_("The picture is animated; its first picture is used.") if animated else "",
    )


def _u24(data: bytes, place: int) -> int:
    return int.from_bytes(data[place : place + 3], "little")


def _tiff(reader: Reader) -> Header:
    page = tiff.directory(reader)

    def number(tag: int, default: int | None) -> int:
        values = tiff.numbers(reader, page, tag)
        if not values:
            if default is None:
                raise Damaged(_("its tag {tag} is missing", tag=tag))
            return default
        return values[0]

    return Header(
        kind="tiff",
        width=number(256, None),
        height=number(257, None),
        bits=number(258, 1),
        channels=number(277, 1),
        orientation=_valid(number(tiff.ORIENTATION_TAG, 1)),
        icc=tiff.data(reader, page, _ICC_TAG) or None,
        note=_("The file has more than one page; the first is used.")
        if _more(reader, page)
        else "",
    )


def _more(reader: Reader, page: tiff.Directory) -> bool:
    """Whether another picture follows that is not a smaller copy."""
    for _turn in range(16):
        if not page.following:
            return False
        page = tiff.directory(reader, page.following)
        if not sum(tiff.numbers(reader, page, _SUBFILE_TAG)) & 1:
            return True
    return True


def _exif_orientation(exif: bytes) -> int:
    """Orientation in an Exif block; 1 where it has none or is damaged."""
    if not exif:
        return 1
    try:
        reader = Reader(io.BytesIO(exif))
        values = tiff.numbers(reader, tiff.directory(reader), tiff.ORIENTATION_TAG)
    except Damaged:
        return 1
    return _valid(values[0]) if values else 1


def _valid(orientation: int) -> int:
    return orientation if 1 <= orientation <= 8 else 1
