"""In which formats pixels, layer masks and selections cross between GIMP and the worker."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from operator import mul
from typing import Any

import gi

gi.require_version("Babl", "0.1")
gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")

from gi.repository import Babl, Gegl, Gimp  # noqa: E402
from vendored import wire  # noqa: E402

# Type code and largest value of a sample.
_SAMPLES: dict[wire.Depth, tuple[str, int]] = {
    "u8": ("B", 255),
    "u16": ("H", 65535),
    "f32": ("f", 1),
}
_CHUNK = 4096


@dataclass(frozen=True)
class Crossing:
    """A Babl format with what the worker calls its depth and curve."""

    name: str
    depth: wire.Depth
    curve: wire.Curve


# Every other precision and every other profile crosses as float in linear light, unclipped.
_MIDDLE = Crossing("RGBA float", "f32", "linear")
_BY_PRECISION: dict[Any, Crossing] = {
    Gimp.Precision.U8_NON_LINEAR: Crossing("R'G'B'A u8", "u8", "srgb"),
    Gimp.Precision.U8_PERCEPTUAL: Crossing("R'G'B'A u8", "u8", "srgb"),
    Gimp.Precision.U16_NON_LINEAR: Crossing("R'G'B'A u16", "u16", "srgb"),
    Gimp.Precision.U16_PERCEPTUAL: Crossing("R'G'B'A u16", "u16", "srgb"),
    Gimp.Precision.U16_LINEAR: Crossing("RGBA u16", "u16", "linear"),
    Gimp.Precision.FLOAT_LINEAR: _MIDDLE,
    Gimp.Precision.FLOAT_NON_LINEAR: Crossing("R'G'B'A float", "f32", "srgb"),
    Gimp.Precision.FLOAT_PERCEPTUAL: Crossing("R'G'B'A float", "f32", "srgb"),
}
_MATTE_DEPTHS: dict[Any, wire.Depth] = {
    Gimp.Precision.U8_LINEAR: "u8",
    Gimp.Precision.U8_NON_LINEAR: "u8",
    Gimp.Precision.U8_PERCEPTUAL: "u8",
    Gimp.Precision.U16_LINEAR: "u16",
    Gimp.Precision.U16_NON_LINEAR: "u16",
    Gimp.Precision.U16_PERCEPTUAL: "u16",
}
# GIMP keeps layer masks and selections linear in images of every precision.
MATTES: dict[wire.Depth, str] = {"u8": "Y u8", "u16": "Y u16", "f32": "Y float"}


@dataclass(frozen=True)
class Area:
    """A rectangle of the image, in pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def size(self) -> tuple[int, int]:
        """Width and height."""
        return self.width, self.height

    def within(self, other: Area) -> Area:
        """The part of it inside another one, maybe of no width or height."""
        left, top = max(self.x, other.x), max(self.y, other.y)
        right = min(self.x + self.width, other.x + other.width)
        bottom = min(self.y + self.height, other.y + other.height)
        return Area(left, top, max(0, right - left), max(0, bottom - top))


def area_of(item: Any) -> Area:
    """Where a layer or a layer mask lies."""
    _, x, y = item.get_offsets()
    return Area(x, y, item.get_width(), item.get_height())


def crossing_of(layer: Any, precision: Any) -> Crossing:
    """In what format the pixels of a layer cross; ``precision`` is its image's."""
    # Babl names the colour space of a format unless it is sRGB.
    if "-space-" in own_format(layer):
        return _MIDDLE
    return _BY_PRECISION.get(precision, _MIDDLE)


def matte_depth(precision: Any) -> wire.Depth:
    """The depth of layer masks in images of this precision."""
    return _MATTE_DEPTHS.get(precision, "f32")


def own_format(drawable: Any) -> str:
    """The Babl format in which a drawable keeps its pixels."""
    return str(Babl.get_name(drawable.get_format()))


def pixels(buffer: Any, area: Area, name: str | None) -> bytes:
    """A rectangle of a buffer in the Babl format ``name``, or in the buffer's own.

    ``area`` is in the buffer's own coordinates; zeros where it reaches beyond the buffer.
    """
    rectangle = Gegl.Rectangle.new(area.x, area.y, area.width, area.height)
    return bytes(buffer.get(rectangle, 1.0, name, Gegl.AbyssPolicy.NONE))


def over(drawable: Any, area: Area, name: str | None) -> bytes:
    """What a layer or layer mask has in a rectangle of the image, as ``pixels``."""
    _, x, y = drawable.get_offsets()
    inside = Area(area.x - x, area.y - y, area.width, area.height)
    return pixels(drawable.get_buffer(), inside, name)


def mask_over(layer: Any, area: Area, depth: wire.Depth) -> bytes | None:
    """How much a layer's mask shows; None where it has none or one that does not apply."""
    mask = layer.get_mask()
    if mask is None or not layer.get_apply_mask():
        return None
    return over(mask, area, MATTES[depth])


def cropped(mask: bytes, area: Area, part: Area) -> bytes:
    """The ``part`` of a mask over ``area``, one byte a pixel."""
    first = (part.y - area.y) * area.width + part.x - area.x
    starts = range(first, first + part.height * area.width, area.width)
    return b"".join(mask[start : start + part.width] for start in starts)


def multiplied(values: bytes, factors: bytes, depth: wire.Depth) -> bytes:
    """The products of two masks, pixel by pixel, in integers rounded to the nearest."""
    if len(values) != len(factors):
        raise ValueError("two masks that are to be multiplied differ in size")
    code, top = _SAMPLES[depth]
    full = array(code, [top] * _CHUNK).tobytes()
    out = bytearray(len(values))
    for start in range(0, len(values), len(full)):
        part = slice(start, start + len(full))
        one, other = values[part], factors[part]
        if other.count(0) == len(other):
            continue
        out[part] = one if full.startswith(other) else _products(one, other, code, top)
    return bytes(out)


def _products(one: bytes, other: bytes, code: str, top: int) -> bytes:
    pairs = map(mul, array(code, one), array(code, other))
    if top == 1:
        return array(code, pairs).tobytes()
    return array(code, [(product + top // 2) // top for product in pairs]).tobytes()


def with_alpha_times(data: bytes, mask: bytes, depth: wire.Depth) -> bytes:
    """RGBA pixels with their alpha multiplied by a mask of the same depth."""
    code, _ = _SAMPLES[depth]
    samples = array(code, data)
    samples[3::4] = array(code, multiplied(samples[3::4].tobytes(), mask, depth))
    return samples.tobytes()
