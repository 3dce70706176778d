"""Decodes PNG, JPEG and WebP by OpenCV, TIFF by ``tiffdecode``, into one straight-alpha RGBA."""

from __future__ import annotations

import os
import re
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ..bridge import labels
from ..bridge.errors import BadInput, CouldNotBeDone
from ..bridge.labels import jpeg, png
from ..bridge.labels.files import Damaged, Reader
from ..bridge.language import _
from . import header as headers
from . import tiffdecode
from .model import DEPTHS, Image
from .opencv import imdecode
from .profile import is_linear

# Any marker but stuffed bytes, restarts and fill bytes.
_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]", re.DOTALL)
# Deflate cannot pack more than this into one byte; a shortest JPEG block of 64 pixels takes a bit.
_DEFLATE_RATIO = 1032
_JPEG_RATIO = 1024


def read(path: str | os.PathLike[str]) -> Image:
    """See ``imagefile.read``."""
    try:
        with headers.opened(path) as (reader, kind):
            header = headers.inspect(reader, kind, path)
            if kind == "tiff":
                image = tiffdecode.read(reader, header)
            else:
                image = _by_opencv(reader, header)
    except MemoryError:
        raise CouldNotBeDone(
            _(
                "There is not enough memory to open {path}. Close other programs or scale it down.",
                path=path,
            )
        ) from None
    image = _finite(image)
    turned = np.ascontiguousarray(_turn(image.pixels, header.orientation))
    linear = is_linear(header.icc)
    if linear is None:
        linear = image.depth == "f32"
    image = replace(image, pixels=turned, icc=header.icc, curve="linear" if linear else "srgb")
    return _with_label(path, _noted(image, header.note))


def read_mask(path: str | os.PathLike[str], width: int, height: int) -> NDArray[np.uint8]:
    """See ``imagefile.read_mask``."""
    image = read(path)
    high, wide = image.pixels.shape[:2]
    if (wide, high) != (width, height):
        raise BadInput(
            _(
                "The mask {path} is {wide} × {high} pixels and the picture is {width} × "
                "{height}. Give a mask of the picture's size.",
                path=path,
                wide=wide,
                high=high,
                width=width,
                height=height,
            )
        )
    top = 1.0 if image.depth == "f32" else float(np.iinfo(image.pixels.dtype).max)
    if image.grey:
        luma = image.pixels[..., 0].astype(np.float32)
    else:
        # Rec. 709.
        weights = np.array([0.2126, 0.7152, 0.0722], np.float32)
        luma = image.pixels[..., :3].astype(np.float32) @ weights
    result: NDArray[np.uint8] = np.rint(np.clip(luma / top, 0, 1) * 255).astype(np.uint8)
    return result


def _by_opencv(reader: Reader, header: headers.Header) -> Image:
    if header.kind == "png":
        png.check(reader)
        packed = sum(c.length for c in png.chunks(reader) if c.kind == b"IDAT")
        rows = header.width * header.height * header.bits // 8
        if rows > packed * _DEFLATE_RATIO:
            raise Damaged(_("it is cut off"))
    data = reader.at(0, reader.size)
    if header.kind == "jpeg":
        if header.width * header.height > len(data) * _JPEG_RATIO:
            raise Damaged(_("it is cut off"))
        _check_jpeg_end(reader, data)
    decoded = imdecode(data, cv2.IMREAD_UNCHANGED)
    if decoded is None or decoded.shape[:2] != (header.height, header.width):
        raise Damaged(_("its pixels cannot be decoded"))
    if decoded.dtype not in (np.uint8, np.uint16):
        raise headers.Unsupported(_("a picture of {dtype} values", dtype=decoded.dtype))
    channels = 1 if decoded.ndim == 2 else decoded.shape[2]
    pixels: NDArray[Any] = np.empty((header.height, header.width, 4), decoded.dtype)
    if channels == 1:
        pixels[..., :3] = decoded.reshape(header.height, header.width, 1)
    else:
        pixels[..., :3] = decoded[..., 2::-1]
    pixels[..., 3] = decoded[..., 3] if channels == 4 else np.iinfo(decoded.dtype).max
    if header.key and channels != 4:
        _apply_key(pixels, header)
    return Image(
        pixels=pixels,
        depth=DEPTHS[decoded.dtype.name],
        curve="srgb",
        grey=header.channels <= 2,
        had_alpha=channels == 4 or bool(header.key),
    )


def _check_jpeg_end(reader: Reader, data: bytes) -> None:
    """Raise ``Damaged`` unless the scans end with an end-of-image marker.

    libjpeg fills what is missing with grey and says nothing that OpenCV hands on.
    """
    place = 0
    for segment in jpeg.segments(reader):
        place = segment.offset + segment.length
    while match := _MARKER.search(data, place):
        if match[0] == b"\xff\xd9":
            return
        place = match.end() + int.from_bytes(data[match.end() : match.end() + 2], "big")
    raise Damaged(_("it is cut off"))


def _apply_key(pixels: NDArray[Any], header: headers.Header) -> None:
    """Make the colour that PNG's tRNS names transparent."""
    key = header.key or b""
    if len(key) != 2 * header.channels:
        raise Damaged(_("its transparent colour is damaged"))
    values = np.frombuffer(key, ">u2").astype(np.int64)
    if header.bits < 8:
        values = values * (255 // ((1 << header.bits) - 1))
    hit = (pixels[..., : header.channels] == values).all(axis=-1)
    pixels[hit, 3] = 0


def _finite(image: Image) -> Image:
    if image.depth != "f32":
        return image
    wrong = ~np.isfinite(image.pixels)
    count = int(wrong.any(axis=-1).sum())
    if not count:
        return image
    pixels = np.where(wrong, np.float32(0), image.pixels)
    return _noted(
        replace(image, pixels=pixels),
        _("{count} pixels were not finite and are read as 0.", count=count),
    )


def _noted(image: Image, note: str) -> Image:
    return replace(image, note=f"{image.note} {note}".strip())


def _with_label(path: str | os.PathLike[str], image: Image) -> Image:
    try:
        return replace(image, receipts=labels.read(path), source_type=labels.read_source_type(path))
    except BadInput as error:
        return _noted(image, _("The label in the file is not readable: {error}", error=error))


def _turn(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
    """The picture upright: Exif orientation 1 to 8."""
    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels
