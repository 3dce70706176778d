"""Decodes a TIFF's first page: grey, RGB and palette, 1 to 16 bits and float, strips and tiles."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bridge.labels import tiff
from ..bridge.labels.files import Damaged, Reader
from ..bridge.language import _
from .header import Header, Unsupported
from .model import DEPTHS, MAX_PIXELS, Image
from .opencv import imdecode

_NONE, _LZW, _JPEG, _DEFLATE, _OLD_DEFLATE, _PACKBITS = 1, 5, 7, 8, 32946, 32773
_WHITE_IS_ZERO, _BLACK_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 1, 2, 3, 6
_PREDICTED = (_LZW, _DEFLATE, _OLD_DEFLATE)
_COLOURS = {_WHITE_IS_ZERO: 1, _BLACK_IS_ZERO: 1, _RGB: 3, _PALETTE: 1}
_NAMES = {4: _("a mask"), 5: _("a CMYK picture"), 8: _("a Lab picture"), 9: _("a Lab picture")}
_DTYPES = {
    (8, 1): "u1",
    (16, 1): "u2",
    (16, 3): "f2",
    (32, 3): "f4",
    (64, 3): "f8",
}
# No code of LZW stands for more bytes than this.
_BEST_RATIO = 4096
# OpenCV takes no wider pictures.
_WIDEST = 1 << 20


@dataclass(frozen=True)
class _Page:
    """The tags that say how the pixels lie in the file."""

    header: Header
    order: str
    compression: int
    photometric: int
    predictor: int
    sample_format: int
    planar: bool
    extra: tuple[int, ...]
    tile: tuple[int, int] | None
    rows_per_strip: int
    offsets: tuple[int, ...]
    lengths: tuple[int, ...]
    palette: tuple[int, ...]

    @property
    def samples(self) -> int:
        """Samples of one pixel within a segment."""
        return 1 if self.planar else self.header.channels

    @property
    def planes(self) -> int:
        """How many times the picture's area is stored."""
        return self.header.channels if self.planar else 1

    @property
    def segment_size(self) -> tuple[int, int]:
        """Rows and columns of a tile or of a full strip."""
        if self.tile:
            return self.tile[1], self.tile[0]
        return self.rows_per_strip, self.header.width

    @property
    def segments(self) -> int:
        """The number of strips or tiles."""
        rows, columns = self.segment_size
        return self.planes * -(-self.header.height // rows) * -(-self.header.width // columns)

    def row_bytes(self, width: int) -> int:
        """Bytes of a row of ``width`` pixels in a segment."""
        return (width * self.samples * self.header.bits + 7) // 8


def read(reader: Reader, header: Header) -> Image:
    """The first page as straight RGBA; ``Damaged`` or ``Unsupported`` when that is not possible."""
    page = _page(reader, header)
    alpha = page.extra[0] if page.extra else None
    if page.compression == _JPEG and page.photometric in (_BLACK_IS_ZERO, _RGB, _YCBCR):
        samples = _jpeg(reader, page)
        colours = 1 if page.photometric == _BLACK_IS_ZERO else 3
    else:
        colours = _check(page)
        samples = _samples(reader, page)
    if page.photometric == _PALETTE:
        samples = _through_palette(samples, page)
        colours = 3
    elif header.bits < 8:
        samples = samples * np.uint8(255 // ((1 << header.bits) - 1))
    if samples.dtype.kind == "f":
        samples = samples.astype(np.float32, copy=False)
    top = 1 if samples.dtype.kind == "f" else np.iinfo(samples.dtype).max
    if page.photometric == _WHITE_IS_ZERO:
        samples[..., 0] = top - samples[..., 0]
    pixels: NDArray[Any] = np.empty((header.height, header.width, 4), samples.dtype)
    pixels[..., :3] = samples[..., :colours]
    pixels[..., 3] = samples[..., colours] if alpha is not None else top
    note = ""
    if alpha is not None and pixels.dtype.kind == "f":
        np.clip(pixels[..., 3], 0, 1, out=pixels[..., 3])
    if alpha == 1:
        _divide(pixels, top)
        note = _("Its associated alpha was divided out.")
    elif alpha == 0:
        note = _("Its channel of unknown meaning is used as transparency.")
    if len(page.extra) > 1:
        note += " " + _("Of its extra channels only the first is used, as transparency.")
    return Image(
        pixels=pixels,
        depth=DEPTHS[pixels.dtype.name],
        curve="srgb",
        grey=colours == 1,
        had_alpha=alpha is not None,
        note=note.strip(),
    )


def _page(reader: Reader, header: Header) -> _Page:
    directory = tiff.directory(reader)

    def numbers(tag: int, default: tuple[int, ...] = ()) -> tuple[int, ...]:
        return tiff.numbers(reader, directory, tag) or default

    bits, formats = numbers(258, (1,)), numbers(339, (1,))
    if len({*bits}) != 1 or len({*formats}) != 1:
        raise Unsupported(_("a TIFF whose channels differ in depth"))
    if not 1 <= header.channels <= 16:
        raise Unsupported(_("a TIFF with {channels} channels", channels=header.channels))
    tiled = 322 in directory.fields
    tile = (numbers(322, (0,))[0], numbers(323, (0,))[0]) if tiled else None
    if tile and (min(tile) < 1 or tile[0] * tile[1] > MAX_PIXELS):
        raise Damaged(_("its tiles have no valid size"))
    compression = numbers(259, (_NONE,))[0]
    photometric = numbers(262, (_BLACK_IS_ZERO,))[0]
    colours = _COLOURS.get(photometric, 3)
    extra = numbers(338)
    # Writers that leave the tag out mean straight alpha by a channel too many.
    missing = header.channels - colours - len(extra)
    rows = numbers(278, (header.height,))[0]
    return _Page(
        header=header,
        order=directory.order,
        compression=compression,
        photometric=photometric,
        predictor=numbers(317, (1,))[0] if compression in _PREDICTED else 1,
        sample_format=formats[0],
        planar=numbers(284, (1,))[0] == 2 and header.channels > 1,
        extra=extra + (2,) * max(0, missing),
        tile=tile,
        rows_per_strip=min(rows if rows > 0 else header.height, header.height),
        offsets=numbers(324 if tiled else 273),
        lengths=numbers(325 if tiled else 279),
        palette=numbers(320),
    )


def _check(page: _Page) -> int:
    """The number of colour channels; ``Unsupported`` when the page is of a kind not read."""
    header = page.header
    if page.photometric not in _COLOURS:
        raise Unsupported(_NAMES.get(page.photometric, _("a TIFF of a rare colour model")))
    colours = _COLOURS[page.photometric]
    if page.compression not in (_NONE, _LZW, _DEFLATE, _OLD_DEFLATE, _PACKBITS):
        raise Unsupported(_("a TIFF packed by method {compression}", compression=page.compression))
    small = header.bits in (1, 2, 4) and page.sample_format == 1 and header.channels == 1
    if (header.bits, page.sample_format) not in _DTYPES and not small:
        raise Unsupported(_("a TIFF with {bits} bits per channel", bits=header.bits))
    if page.photometric == _PALETTE and (header.bits > 8 or len(page.palette) != 3 << header.bits):
        raise Damaged(_("its palette has the wrong size"))
    if header.channels < colours or header.channels != colours + len(page.extra):
        raise Damaged(_("its number of channels does not fit its colour model"))
    if page.predictor not in (1, 2, 3) or (page.predictor == 3 and page.sample_format != 3):
        raise Unsupported(_("a TIFF with an unknown predictor"))
    if page.predictor != 1 and header.bits < 8:
        raise Unsupported(_("a TIFF with a predictor for less than 8 bits"))
    return colours


def _samples(reader: Reader, page: _Page) -> NDArray[Any]:
    """All samples, height × width × channels, in their own depth."""
    header = page.header
    shape = (header.height, header.width, header.channels)
    dtype = np.dtype(_DTYPES.get((header.bits, page.sample_format), "u1"))
    count = page.segments
    if len(page.offsets) < count or len(page.lengths) < count:
        raise Damaged(_("the list of its strips is cut off"))
    size = header.height * page.row_bytes(header.width) * page.planes
    if size > sum(page.lengths[:count]) * _BEST_RATIO:
        raise Damaged(_("it is cut off"))
    samples: NDArray[Any] = np.empty(shape, dtype)
    for number, (top, left, rows, columns, plane) in enumerate(_segments(page)):
        raw = reader.at(page.offsets[number], page.lengths[number])
        block = _values(_unpack(raw, page, rows, columns), page, columns)
        high, wide = min(rows, header.height - top), min(columns, header.width - left)
        part = samples[top : top + high, left : left + wide]
        (part[..., plane : plane + 1] if page.planar else part)[:] = block[:high, :wide]
    return samples


def _segments(page: _Page) -> Iterator[tuple[int, int, int, int, int]]:
    """Top, left, rows, columns and plane of each strip or tile, in the file's order."""
    header = page.header
    rows, columns = page.segment_size
    for plane in range(page.planes):
        for top in range(0, header.height, rows):
            high = rows if page.tile else min(rows, header.height - top)
            for left in range(0, header.width, columns):
                yield top, left, high, columns, plane


def _unpack(raw: bytes, page: _Page, rows: int, columns: int) -> NDArray[np.uint8]:
    """The bytes of a segment, rows × bytes."""
    width = page.row_bytes(columns)
    need = rows * width
    if page.compression in (_DEFLATE, _OLD_DEFLATE):
        try:
            raw = zlib.decompressobj().decompress(raw, need)
        except zlib.error:
            raise Damaged(_("its packed pixels are damaged")) from None
    elif page.compression in (_LZW, _PACKBITS):
        return _by_libtiff(raw, page.compression, rows, width)
    if len(raw) < need:
        raise Damaged(_("it is cut off"))
    return np.frombuffer(raw, np.uint8, need).reshape(rows, width)


def _by_libtiff(raw: bytes, compression: int, rows: int, width: int) -> NDArray[np.uint8]:
    """Unpack LZW or PackBits by the libtiff inside OpenCV.

    The packed bytes are handed over as a grey 8-bit picture of their own, one pixel per byte:
    OpenCV's own way of reading TIFF would multiply alpha in and drop channels.
    """
    if width > _WIDEST:
        raise Unsupported(_("a TIFF with packed rows of {width} bytes", width=width))
    if rows * width > len(raw) * _BEST_RATIO:
        raise Damaged(_("it is cut off"))
    values = {
        256: width,
        257: rows,
        258: 8,
        259: compression,
        262: _BLACK_IS_ZERO,
        273: 8,
        277: 1,
        278: rows,
        279: len(raw),
    }
    body = raw + b"\0" * (len(raw) % 2)
    entries = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in values.items())
    wrapped = struct.pack("<2sHI", b"II", 42, 8 + len(body)) + body
    wrapped += struct.pack("<H", len(values)) + entries + bytes(4)
    decoded = imdecode(wrapped, cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.shape != (rows, width) or decoded.dtype != np.uint8:
        raise Damaged(_("its packed pixels are damaged"))
    result: NDArray[np.uint8] = decoded
    return result


def _values(raw: NDArray[np.uint8], page: _Page, columns: int) -> NDArray[Any]:
    """Samples from a segment's bytes: rows × columns × samples."""
    rows, samples, bits = raw.shape[0], page.samples, page.header.bits
    if bits < 8:
        shifts = np.arange(8 - bits, -1, -bits, dtype=np.uint8)
        parts = raw[..., None] >> shifts & np.uint8((1 << bits) - 1)
        return parts.reshape(rows, -1)[:, : columns * samples].reshape(rows, columns, samples)
    dtype = np.dtype(_DTYPES[bits, page.sample_format])
    if page.predictor == 3:
        # Adobe's floating point predictor: differences of bytes, highest bytes of a row first.
        summed = np.cumsum(raw.reshape(rows, -1, samples), axis=1, dtype=np.uint8)
        planes = summed.reshape(rows, dtype.itemsize, columns * samples)
        mixed = np.ascontiguousarray(planes.transpose(0, 2, 1))
        return mixed.view(dtype.newbyteorder(">")).reshape(rows, columns, samples)
    block: NDArray[Any] = raw.view(f"{page.order}{dtype.kind}{bits // 8}")
    if page.predictor == 2:
        whole = block.view(f"{page.order}u{dtype.itemsize}").astype(f"u{dtype.itemsize}")
        whole = whole.reshape(rows, columns, samples)
        return np.cumsum(whole, axis=1, dtype=whole.dtype).view(dtype)
    return block.reshape(rows, columns, samples)


def _jpeg(reader: Reader, page: _Page) -> NDArray[Any]:
    """A page packed as JPEG, 8 bits without alpha, by OpenCV."""
    header = page.header
    if header.bits != 8 or page.extra:
        raise Unsupported(_("a TIFF packed as JPEG with transparency or more than 8 bits"))
    data = reader.at(0, reader.size)
    decoded = imdecode(data, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)
    if decoded is None or decoded.shape != (header.height, header.width, 3):
        raise Damaged(_("its pixels cannot be decoded"))
    result: NDArray[Any] = decoded[..., ::-1]
    return result


def _through_palette(samples: NDArray[Any], page: _Page) -> NDArray[np.uint8]:
    colours = np.array(page.palette, np.uint16).reshape(3, -1).T
    # Entries have 16 bits; some writers fill only the lower eight.
    eight = colours if colours.max() <= 255 else colours >> 8
    result: NDArray[np.uint8] = eight.astype(np.uint8)[samples[..., 0]]
    if page.extra:
        result = np.concatenate([result, samples[..., 1:]], axis=-1)
    return result


def _divide(pixels: NDArray[Any], top: int) -> None:
    """Associated to straight alpha, in place."""
    alpha = pixels[..., 3:]
    if pixels.dtype.kind == "f":
        np.divide(pixels[..., :3], alpha, out=pixels[..., :3], where=alpha > 0)
        return
    wide = pixels.astype(np.uint32)
    colour, part = wide[..., :3], np.maximum(wide[..., 3:], 1)
    pixels[..., :3] = np.minimum((colour * top + part // 2) // part, top)
