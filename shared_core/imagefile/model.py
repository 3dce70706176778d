"""A picture file as the command line knows it: its header; its pixels and what goes along."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from ..bridge.wire import Curve, Depth

if TYPE_CHECKING:
    from numpy.typing import NDArray

# Pictures above a gigapixel are refused by their header, before anything is allocated.
MAX_PIXELS = 1_000_000_000
MAX_SIDE = 1 << 20
DEPTHS: dict[str, Depth] = {"uint8": "u8", "uint16": "u16", "float32": "f32"}


@dataclass(frozen=True)
class ImageHeader:
    """Size in pixels, as the picture is seen (its orientation applied)."""

    width: int
    height: int


@dataclass(frozen=True, eq=False)
class Image:
    """A picture as read.

    ``pixels`` is height × width × 4, RGBA with straight alpha; ``depth`` says u8, u16 or f32.
    ``curve`` is srgb or linear. ``grey`` where the file has one colour channel, ``had_alpha``
    where it has transparency. ``icc`` is the file's profile: the pixels are its encoded values,
    nothing is converted. ``receipts`` and ``source_type`` are the file's own labels. ``note``
    says what was not taken over as it was, empty where all was.
    """

    pixels: NDArray[Any]
    depth: Depth
    curve: Curve
    grey: bool
    had_alpha: bool
    icc: bytes | None = None
    receipts: list[dict[str, Any]] = field(default_factory=list)
    source_type: str | None = None
    note: str = ""
