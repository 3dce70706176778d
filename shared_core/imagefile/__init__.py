"""Reads and writes pictures for the command line: PNG, TIFF, JPEG, WebP in; PNG, TIFF out.

Importing it, and ``probe``, load no numpy, so that a plan is quick. Colour management: pixels are
the file's encoded values; a profile is carried over from the file read to the file written and
never applied. Exif and XMP of the source are not carried over, its labels are.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from . import header as _header
from .model import MAX_PIXELS, Image, ImageHeader

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = [
    "MAX_PIXELS",
    "Image",
    "ImageHeader",
    "check_target",
    "probe",
    "read",
    "read_mask",
    "write",
]


def probe(path: str | os.PathLike[str]) -> ImageHeader:
    """The size of a picture as it is seen, from its header alone.

    Raises ``BadInput`` when the file is missing, empty, cut off, no picture, or above one
    gigapixel. What lies behind the header is not looked at.
    """
    with _header.opened(path) as (reader, kind):
        found = _header.inspect(reader, kind, path)
    if found.orientation >= 5:
        return ImageHeader(found.height, found.width)
    return ImageHeader(found.width, found.height)


def read(path: str | os.PathLike[str]) -> Image:
    """The picture in a PNG, TIFF, JPEG or WebP file, with its labels.

    Float TIFF is linear light unless its profile says otherwise. Associated alpha is divided out.
    Raises ``BadInput`` when it cannot be read whole, ``CouldNotBeDone`` when memory runs out.
    """
    from . import decode

    return decode.read(path)


def read_mask(path: str | os.PathLike[str], width: int, height: int) -> NDArray[Any]:
    """A mask as height × width uint8: a grey picture's values or a colour picture's luma.

    Alpha is ignored. Raises ``BadInput`` like ``read``, and when the size is another one.
    """
    from . import decode

    return decode.read_mask(path, width, height)


def check_target(path: str | os.PathLike[str]) -> None:
    """Raise what ``write`` would raise for this name, before work is done for it.

    ``UsageError`` for a suffix other than .png, .tif and .tiff, ``CouldNotBeDone`` when the
    folder is missing or cannot be written.
    """
    from . import target

    target.check(path)


def write(
    path: str | os.PathLike[str],
    image_pixels: NDArray[Any],
    like: Image | None,
    receipts: Sequence[Mapping[str, Any]],
    source_type: str | None = None,
) -> None:
    """Write height × width × 4 straight RGBA (u8, u16, f32) as PNG or TIFF, with its labels.

    ``like`` is the picture it was made from (None for a new one): it says whether grey stays grey
    and alpha is kept, and gives profile and earlier label. Alpha is written where ``like`` had it
    or where not all pixels are opaque. Float stays float in TIFF; a PNG of it has 16 bits, cut to
    0..1, with the sRGB curve unless it carries a linear profile. The file appears only when it
    is complete. Raises ``UsageError`` for another suffix, ``CouldNotBeDone`` when it cannot be
    written.
    """
    from . import encode

    encode.write(path, image_pixels, like, receipts, source_type)
