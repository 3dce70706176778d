"""Labels inside files: receipts and the IPTC DigitalSourceType, written and read back.

PNG, TIFF and JPEG are written; these, WebP, .kra and .xcf are read.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .. import iptc
from .. import receipt as receipts_
from ..errors import BadInput
from ..language import _
from . import jpeg, kra, png, tiff, webp, xcf, xmp
from .files import MAX_TEXT, Damaged, Reader, kind_of, replacing

__all__ = ["embed", "read", "read_source_type"]

_WRITABLE = ("png", "tiff", "jpeg")


@dataclass(frozen=True)
class _Label:
    """What a file carries: the receipts' texts, and the XMP packet with our properties in it."""

    receipts: tuple[bytes, ...] = ()
    packet: bytes | None = None
    properties: xmp.Properties = xmp.NOTHING


def embed(
    path: str | os.PathLike[str],
    receipts: Sequence[Mapping[str, Any]],
    source_type: str | None = None,
) -> None:
    """Put receipts and DigitalSourceType into a PNG, TIFF or JPEG in place, whole or not at all.

    One receipt is written as a JSON object, several as a list; without any, those in the file
    stay. The strongest of the receipts' source types, ``source_type`` and the one in the file
    is written. All other XMP stays. The pixels are not touched. Raises ``BadInput`` when the file
    is damaged or cannot hold a label, ``CouldNotBeDone`` when it cannot be written.
    """
    with _opened(path) as (reader, kind):
        if kind not in _WRITABLE:
            raise BadInput(
                _(
                    "{path} is not a PNG, TIFF or JPEG, so no label can be put into it. Export "
                    "the picture as one of these.",
                    path=path,
                )
            )
        old = _label(reader, kind)
        receipts = receipts or _parsed(old)
        found = [iptc.source_type(r) for r in receipts]
        chosen = iptc.strongest([old.properties.source_type, source_type, *found])
        text = _text(receipts)
        ours = xmp.Properties(chosen, None if kind == "png" else text)
        if old.packet is None and ours == xmp.NOTHING:
            packet = None
        else:
            packet = xmp.update(old.packet, ours)
    if len(packet or b"") + len(text or "") > MAX_TEXT:
        raise BadInput(
            _("The label for {path} is longer than 16 MB. Label fewer layers at once.", path=path)
        )
    if text is None and packet is None:
        return
    with (
        replacing(path) as fresh,
        _opened(path) as (reader, kind),
        open(fresh, "r+b") as out,
    ):
        if kind == "png":
            png.write(reader, out, text, packet)
        elif packet is not None and kind == "tiff":
            tiff.write(reader, out, packet)
        elif packet is not None:
            jpeg.write(reader, out, packet)


def _text(receipts: Sequence[Mapping[str, Any]]) -> str | None:
    if not receipts:
        return None
    return receipts_.dump(receipts[0] if len(receipts) == 1 else list(receipts))


def read(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The receipts in a PNG, TIFF, JPEG, WebP, .kra or .xcf, the topmost layer's first.

    They are JSON objects as written, not yet checked by ``receipt.from_dict``. Empty for a file
    without any. Raises ``BadInput`` when the file is missing, damaged, or of another kind.
    """
    with _opened(path) as (reader, kind):
        return _parsed(_label(reader, kind))


def read_source_type(path: str | os.PathLike[str]) -> str | None:
    """The strongest DigitalSourceType that a file's XMP and receipts name; None without any.

    Raises ``BadInput`` like ``read``.
    """
    with _opened(path) as (reader, kind):
        label = _label(reader, kind)
        found = [iptc.source_type(r) for r in _parsed(label)]
        return iptc.strongest([label.properties.source_type, *found])


@contextlib.contextmanager
def _opened(path: str | os.PathLike[str]) -> Iterator[tuple[Reader, str]]:
    try:
        if not os.path.isfile(path):
            raise BadInput(
                _("{path} is not a file. Choose a picture, a .kra or a .xcf.", path=path)
                if os.path.exists(path)
                else _("{path} does not exist. Choose a picture, a .kra or a .xcf.", path=path)
            )
        file = open(path, "rb")  # noqa: SIM115
    except (OSError, ValueError) as error:
        raise BadInput(
            _("{path} cannot be read ({error}). Correct its permissions.", path=path, error=error)
        ) from None
    with file:
        reader = Reader(file)
        kind = kind_of(reader.at(0, min(16, reader.size)))
        if kind is None:
            raise BadInput(
                _(
                    "{path} is none of PNG, TIFF, JPEG, WebP, .kra and .xcf. Choose one of these.",
                    path=path,
                )
            )
        try:
            yield reader, kind
        except Damaged as error:
            raise BadInput(
                _(
                    "{path} is damaged ({error}). Save or export it again, or use the original.",
                    path=path,
                    error=error,
                )
            ) from None


def _label(reader: Reader, kind: str) -> _Label:
    if kind == "kra":
        return _Label(tuple(kra.read(reader.file)))
    if kind == "xcf":
        return _Label(tuple(xcf.read(reader)))
    text: bytes | None = None
    if kind == "png":
        text, packet = png.read(reader)
    elif kind == "tiff":
        packet = tiff.read_xmp(reader)
    elif kind == "jpeg":
        packet = jpeg.read_xmp(reader)
    else:
        packet = webp.read_xmp(reader)
    properties = xmp.read(packet) if packet else xmp.NOTHING
    if text is None and properties.receipt is not None:
        text = properties.receipt.encode("utf-8")
    return _Label((text,) if text is not None else (), packet, properties)


def _parsed(label: _Label) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for text in label.receipts:
        try:
            data = json.loads(text)
        except (ValueError, RecursionError):
            raise Damaged(_("its receipt is not valid JSON")) from None
        for item in data if isinstance(data, list) else [data]:
            if not isinstance(item, dict):
                raise Damaged(_("its receipt is not a JSON object"))
            # A host may wrap the receipt to keep notes of its own beside it.
            inner = item.get("receipt")
            found.append(inner if isinstance(inner, dict) and "schema" not in item else item)
    return found
