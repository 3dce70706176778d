"""Writes a result as PNG or TIFF with its labels, whole or not at all."""

from __future__ import annotations

import os
import struct
import zlib
from collections.abc import Mapping, Sequence
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from .. import curves
from ..bridge import iptc, labels
from ..bridge.errors import CouldNotBeDone, NssError
from ..bridge.labels import png
from ..bridge.labels.files import replacing
from ..bridge.language import _
from . import profile, target
from .model import Image

# Rows are filtered and packed in bands of about this many bytes.
_BAND = 4 << 20


def write(
    path: str | os.PathLike[str],
    pixels: NDArray[Any],
    like: Image | None,
    receipts: Sequence[Mapping[str, Any]],
    source_type: str | None,
) -> None:
    """See ``imagefile.write``."""
    kind = target.format_of(path)
    if pixels.ndim != 3 or pixels.shape[2] != 4 or pixels.dtype not in ("u1", "u2", "f4"):
        raise ValueError(f"not straight RGBA of u8, u16 or f32: {pixels.shape} {pixels.dtype}")
    target.check(path)
    try:
        with replacing(path) as fresh:
            with open(fresh, "r+b") as file:
                (_write_png if kind == "png" else _write_tiff)(file, pixels, like)
            before = like.source_type if like else None
            try:
                labels.embed(fresh, receipts, iptc.strongest([source_type, before]))
            except NssError as error:
                raise type(error)(str(error).replace(str(fresh), str(path))) from error
    except MemoryError:
        raise CouldNotBeDone(
            _(
                "There is not enough memory to write {path}. Close other programs and try again.",
                path=path,
            )
        ) from None


def _wanted(pixels: NDArray[Any], like: Image | None) -> NDArray[Any]:
    """The channels that are written: grey or RGB, with alpha where it is needed."""
    top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
    grey = (
        like is not None
        and like.grey
        and np.array_equal(pixels[..., 0], pixels[..., 1])
        and np.array_equal(pixels[..., 0], pixels[..., 2])
    )
    alpha = (like is not None and like.had_alpha) or bool((pixels[..., 3] < top).any())
    if grey:
        return pixels[..., ::3] if alpha else pixels[..., :1]
    return pixels if alpha else pixels[..., :3]


def _icc(like: Image | None, channels: int) -> bytes | None:
    """The source's profile, where it fits what is written."""
    if like is None or like.icc is None:
        return None
    return like.icc if profile.space(like.icc) == ("GRAY" if channels < 3 else "RGB") else None


def _write_png(file: BinaryIO, pixels: NDArray[Any], like: Image | None) -> None:
    pixels = _wanted(pixels, like)
    height, width, channels = pixels.shape
    icc = _icc(like, channels)
    encode = like is not None and like.curve == "linear" and not profile.is_linear(icc)
    size = 1 if pixels.dtype.itemsize == 1 else 2
    colour = {1: 0, 2: 4, 3: 2, 4: 6}[channels]
    file.write(b"\x89PNG\r\n\x1a\n")
    file.write(png.pack(b"IHDR", struct.pack(">IIBBBBB", width, height, 8 * size, colour, 0, 0, 0)))
    if icc:
        file.write(png.pack(b"iCCP", b"icc\0\0" + zlib.compress(icc)))
    row_bytes = width * channels * size
    packer = zlib.compressobj(1, zlib.DEFLATED, 15, 9)
    above = np.zeros((1, row_bytes), np.uint8)
    rows = max(1, _BAND // row_bytes)
    for top in range(0, height, rows):
        band = pixels[top : top + rows]
        if band.dtype.kind == "f":
            band = _sixteen_bits(band, encode)
        big_endian = np.ascontiguousarray(band, f">u{size}")
        raw = big_endian.view(np.uint8).reshape(len(band), row_bytes)
        filtered = np.empty((len(raw), row_bytes + 1), np.uint8)
        # Filter 2, "up": as small as the better ones at this packing level, and the quickest.
        filtered[:, 0] = 2
        np.subtract(raw, np.concatenate([above, raw[:-1]]), out=filtered[:, 1:])
        above = raw[-1:]
        packed = packer.compress(filtered.data)
        if packed:
            file.write(png.pack(b"IDAT", packed))
    file.write(png.pack(b"IDAT", packer.flush()))
    file.write(png.pack(b"IEND", b""))


def _sixteen_bits(values: NDArray[Any], encode: bool) -> NDArray[np.uint16]:
    """Float to 16 bits, cut to 0..1; with ``encode`` the colours get the sRGB curve."""
    values = np.clip(np.nan_to_num(values), 0, 1)
    if encode:
        colours = 3 if values.shape[2] >= 3 else 1
        values[..., :colours] = curves.encode(np.ascontiguousarray(values[..., :colours]))
    result: NDArray[np.uint16] = np.rint(values * 65535).astype(np.uint16)
    return result


def _write_tiff(file: BinaryIO, pixels: NDArray[Any], like: Image | None) -> None:
    data = np.ascontiguousarray(_wanted(pixels, like))
    channels = data.shape[2]
    whole = data.dtype.kind == "u"
    tifffile.imwrite(
        file,
        data[..., 0] if channels == 1 else data,
        photometric="minisblack" if channels < 3 else "rgb",
        planarconfig="contig" if channels > 1 else None,
        extrasamples=["unassalpha"] if channels in (2, 4) else None,
        # Float hardly packs and takes half a minute for it.
        compression="zlib" if whole else None,
        compressionargs={"level": 1} if whole else None,
        predictor=2 if whole else 1,
        rowsperstrip=max(1, min(len(pixels), _BAND // 4 // max(1, data[0].nbytes))),
        iccprofile=_icc(like, channels),
        metadata=None,
        software=False,
    )
