"""The label in an image's own metadata, so that an ordinary export with XMP ticked carries it."""

from __future__ import annotations

import html
import json
import re
from typing import Any

import gi

gi.require_version("Gimp", "3.0")

import parasites  # noqa: E402
import receipts  # noqa: E402
from gi.repository import Gimp  # noqa: E402
from vendored import iptc, receipt  # noqa: E402

_TYPE, _RECEIPT = "Xmp.iptcExt.DigitalSourceType", "Xmp.nss.receipt"
_NAMESPACES = {
    "iptcExt": "http://iptc.org/std/Iptc4xmpExt/2008-02-29/",
    "nss": "urn:nss-krita-gimp:receipt#",
}
_END = "</metadata>"
# What the image said of itself before the first result, so that an export can begin with that.
_BEFORE = "iptc-source-type-before-nss"
# A JPEG holds 64 kB of XMP in one piece.
_MOST = 40_000


def update(image: Any, origin: Any = None) -> bool:
    """Label an image with the receipts of its visible layers, in the caller's undo group.

    The source type is the strongest of theirs and of what the metadata say already, those of
    ``origin`` where it was made from another image. Whether it was done.
    """
    text = _read(image)
    said = _value(_read(origin or image), _TYPE)
    done = True
    if parasites.text_of(image, _BEFORE) is None:
        done = parasites.attach_text(image, _BEFORE, receipt.dump(said))
    found = receipts.visible(image)
    types = [iptc.source_type(receipt.to_dict(one)) for one in found]
    chosen = iptc.strongest([said, *types])
    listed = receipts.listed(found)
    return _write(image, text, chosen, listed if found and len(listed) < _MOST else "") and done


def clear(image: Any) -> None:
    """Take the label out of a copy that is to be exported and labelled anew."""
    before = parasites.text_of(image, _BEFORE)
    if before is not None:
        _write(image, _read(image), str(json.loads(before)), "")


def _read(image: Any) -> str:
    found = image.get_metadata() or Gimp.Metadata.new()
    text: str = found.serialize()
    return text


def _value(text: str, name: str) -> str:
    found = re.search(_element(name), text, re.DOTALL)
    return html.unescape(found[1]) if found else ""


def _write(image: Any, text: str, source_type: str | None, listed: str) -> bool:
    """Set both properties, or take them out where empty; all else stays."""
    for name, value in ((_TYPE, source_type), (_RECEIPT, listed)):
        text = re.sub(rf"\s*{_element(name)}", "", text, flags=re.DOTALL)
        if not value:
            continue
        prefix = name.split(".")[1]
        element = f'<tag name="{name}">{html.escape(value)}</tag>'
        if f'prefix="{prefix}"' not in text:
            url = _NAMESPACES[prefix]
            element = f'<namespace prefix="{prefix}" url="{url}"></namespace>\n  {element}'
        text = text.replace(_END, f"  {element}\n{_END}")
    made = Gimp.Metadata.deserialize(text)
    return bool(made is not None and image.set_metadata(made))


def _element(name: str) -> str:
    return rf'<tag name="{re.escape(name)}"[^>]*>(.*?)</tag>'
