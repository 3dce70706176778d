"""Broken, hostile and unusual picture files, and what is right for each: its pixels or a refusal.

``python tests/fakes/pictures.py FOLDER`` writes them all.
"""

from __future__ import annotations

import gzip
import io
import struct
import sys
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps

Array = NDArray[Any]
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


@dataclass(frozen=True)
class Case:
    """A file. ``pixels``: what another decoder, or its maker, says is in it, None where a command
    is to refuse it; then with words of ``says``. ``tolerance``: in steps, for lossy kinds."""

    name: str
    data: bytes
    pixels: Array | None
    says: str = ""
    tolerance: int = 0


def png(
    width: int, height: int, bits: int, colour: int, rows: bytes, *extra: tuple[bytes, bytes]
) -> bytes:
    """A PNG by hand, for what no library writes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(kind + data))
        return struct.pack(">I", len(data)) + kind + data + check

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0)
    parts = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows, 9)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def rows(data: Array) -> bytes:
    """Unfiltered PNG rows of big-endian samples."""
    data = data.astype(data.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in data)


def saved(image: Pillow.Image, kind: str, **options: Any) -> bytes:
    """A picture as Pillow writes it."""
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def tiff(*pages: Array, **options: Any) -> bytes:
    """Pages as tifffile writes them."""
    out = io.BytesIO()
    with tifffile.TiffWriter(out) as writer:
        for page in pages:
            writer.write(page, metadata=None, **options)
    return out.getvalue()


def cases(seed: int = 3) -> list[Case]:
    """All of them, the same for the same seed."""
    chance = np.random.default_rng(seed)
    return [*_odd(chance), *_turned(chance), *_broken(chance), *_bombs()]


def _noise(chance: np.random.Generator, *shape: int, dtype: str = "u1") -> Array:
    return chance.integers(0, np.iinfo(dtype).max + 1, shape, dtype=dtype)


def _soft(chance: np.random.Generator, height: int = 24, width: int = 32) -> Pillow.Image:
    """Large blocks of colour, which lossy kinds keep."""
    small = _noise(chance, height // 8, width // 8, 3)
    return Pillow.fromarray(np.kron(small, np.ones((8, 8, 1), np.uint8)))


def _seen(data: bytes, mode: str = "RGBA") -> Array:
    """What Pillow sees, turned as its EXIF says."""
    return np.asarray(ImageOps.exif_transpose(Pillow.open(io.BytesIO(data))).convert(mode))


def _odd(chance: np.random.Generator) -> Iterator[Case]:
    """Unusual, and right."""
    for bits in (1, 2, 4):
        grey = _noise(chance, 9, 16) >> (8 - bits)
        packed = np.packbits(
            np.unpackbits(grey[..., None], axis=2)[..., 8 - bits :].reshape(9, -1), axis=1
        )
        shown = grey * np.uint8(255 // ((1 << bits) - 1))
        yield Case(f"grey of {bits} bits.png", png(16, 9, bits, 0, rows(packed)), shown)
    for name, channels, colour in (("grey", 1, 0), ("grey, alpha", 2, 4), ("rgb", 3, 2)):
        data = _noise(chance, 9, 13, channels, dtype="u2")
        yield Case(f"16 bits, {name}.png", png(13, 9, 16, colour, rows(data)), data)
    data = _noise(chance, 9, 13, 4, dtype="u2")
    yield Case("16 bits, rgb and alpha.png", png(13, 9, 16, 6, rows(data)), data)
    profile = (b"iCCP", b"sRGB\0\0" + zlib.compress(SRGB))
    yield Case("16 bits, alpha, profile.png", png(13, 9, 16, 6, rows(data), profile), data)
    indexed = _soft(chance).quantize(16)
    for name, options in (("indexed", {}), ("indexed, clear", {"transparency": b"\x80\0" * 8})):
        made = saved(indexed, "PNG", **options)
        yield Case(f"{name}.png", made, _seen(made))
    for name, icc in (("profile", SRGB), ("nonsense for a profile", b"no profile at all" * 9)):
        for kind in ("PNG", "JPEG", "TIFF", "WEBP"):
            lossless = {"lossless": True} if kind == "WEBP" else {}
            made = saved(_soft(chance), kind, icc_profile=icc, **lossless)
            suffix = kind.lower()
            lossy = 3 if kind == "JPEG" else 0
            yield Case(f"{name}.{suffix}", made, _seen(made, "RGB"), tolerance=lossy)
    for height, width in ((1, 1), (1, 2000), (2000, 1)):
        for kind in ("PNG", "TIFF"):
            line = Pillow.fromarray(_noise(chance, height, width, 3))
            name = f"{width} by {height}.{kind.lower()}"
            yield Case(name, saved(line, kind), np.asarray(line))
    frames = [Pillow.fromarray(np.full((9, 8, 3), value, np.uint8)) for value in (10, 200, 90)]
    for kind in ("PNG", "WEBP"):
        made = saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        yield Case(f"animated.{kind.lower()}", made, np.asarray(frames[0]))
    pages = [_noise(chance, 9, 8, 3) for _ in range(3)]
    yield Case("three pages.tiff", tiff(*pages, photometric="rgb"), pages[0])
    for kind in ("u2", "f4"):
        data = _noise(chance, 9, 8, 4, dtype="u2")
        data = data if kind == "u2" else (data / np.float32(65535)).astype("f4")
        made = tiff(data, photometric="rgb", extrasamples=["unassalpha"], compression="zlib")
        yield Case(f"tiff of {kind} with alpha.tiff", made, data)
    five = _noise(chance, 9, 8, 5)
    made = tiff(five, photometric="rgb", extrasamples=["unspecified"] * 2)
    yield Case("five channels.tiff", made, five[..., :4])


def _turned(chance: np.random.Generator) -> Iterator[Case]:
    """Every orientation that EXIF knows, and some that it does not."""
    source = _soft(chance, 16, 40)
    for orientation in (*range(1, 9), 0, 9, 65535):
        exif = Pillow.Exif()
        exif[274] = orientation
        for kind in ("JPEG", "PNG", "WEBP", "TIFF"):
            options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
            options |= {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif}
            made = saved(source, kind, **options)
            name = f"orientation {orientation}.{kind.lower()}"
            yield Case(name, made, _seen(made, "RGB"), tolerance=3 if kind == "JPEG" else 0)


def _broken(chance: np.random.Generator) -> Iterator[Case]:
    """Cut off, empty, of a kind that is not read, or not pictures."""
    whole = {
        "png": saved(_soft(chance), "PNG"),
        "jpeg": saved(_soft(chance), "JPEG"),
        "webp": saved(_soft(chance), "WEBP"),
        "tiff": saved(_soft(chance), "TIFF", compression="tiff_lzw"),
    }
    for kind, data in whole.items():
        for share in (0.02, 0.4, 0.97):
            yield Case(f"cut off at {share:.0%}.{kind}", data[: int(len(data) * share)], None)
        yield Case(f"only zeros behind its start.{kind}", data[:16] + bytes(len(data)), None)
    cmyk = Pillow.fromarray(_noise(chance, 9, 8, 4), "CMYK")
    yield Case("cmyk.jpeg", saved(cmyk, "JPEG"), None, "CMYK")
    yield Case("cmyk.tiff", saved(cmyk, "TIFF"), None, "CMYK")
    yield Case("lab.tiff", saved(_soft(chance).convert("LAB"), "TIFF"), None, "Lab")
    yield Case("32 bits.tiff", tiff(np.ones((4, 5), "u4"), photometric="minisblack"), None)
    yield Case("complex.tiff", tiff(np.ones((4, 5), "c8"), photometric="minisblack"), None)
    yield Case("no bytes.png", b"", None, "empty")
    yield Case("no width.png", png(0, 9, 8, 2, b""), None)
    yield Case("no height.png", png(9, 0, 8, 2, b""), None)
    yield Case("depth 3.png", png(9, 9, 3, 2, bytes(400)), None)
    yield Case("colour 7.png", png(9, 9, 8, 7, bytes(400)), None)
    yield Case("no palette.png", png(9, 9, 8, 3, rows(_noise(chance, 9, 9))), None)
    yield Case("too few rows.png", png(9, 90, 8, 2, rows(_noise(chance, 9, 9, 3))), None)
    yield Case("gif.png", saved(_soft(chance), "GIF"), None)
    yield Case("svg.png", b'<svg xmlns="http://www.w3.org/2000/svg"/>', None)
    yield Case("zip.png", b"PK\3\4" + bytes(99), None)
    yield Case("noise.png", _noise(chance, 3000).tobytes(), None)
    loop = b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8)
    yield Case("a directory that follows itself.tiff", loop, None)


def _bombs() -> Iterator[Case]:
    """Small files that would be large."""
    side = 31_000
    yield Case("nothing in a large frame.png", png(side, side, 8, 2, b""), None)
    yield Case("400,000 a side.png", png(400_000, 400_000, 8, 2, b""), None, "gigapixel")
    yield Case("the largest a side.png", png((1 << 31) - 1, (1 << 31) - 1, 16, 6, b""), None)
    zeros = bytes(64 << 20)
    black = np.zeros((9, 9, 3), np.uint8)
    yield Case("64 MB behind 9 by 9.png", png(9, 9, 8, 2, zeros), black)
    large = zlib.compress(zeros, 9)
    text = (b"zTXt", b"x\0\0" + large)
    profile = (b"iCCP", b"x\0\0" + large)
    grey = np.zeros((9, 9), np.uint8)
    yield Case("64 MB of text.png", png(9, 9, 8, 0, rows(grey), text), grey)
    yield Case("64 MB of profile.png", png(9, 9, 8, 0, rows(grey), profile), None, "16 MB")
    yield Case("zipped zeros.png", gzip.compress(zeros), None)
    entries = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: side, 279: 10}
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    frame = struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + tags + bytes(4)
    yield Case("nothing in a large frame.tiff", frame, None)
    sof = struct.pack(">BHHB", 8, 65_535, 65_535, 3) + bytes(9)
    jpeg = b"\xff\xd8\xff\xc0" + struct.pack(">H", 2 + len(sof)) + sof + b"\xff\xda\0\2\xff\xd9"
    yield Case("65,535 a side.jpeg", jpeg, None, "gigapixel")
    canvas = b"VP8X" + struct.pack("<II", 10, 0) + b"\xff\xff\x03" * 2
    webp = b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    yield Case("262,144 a side.webp", webp, None, "gigapixel")


def write(folder: Path, make: Callable[[], list[Case]] = cases) -> dict[str, Case]:
    """All files in ``folder``, by their paths' names."""
    folder.mkdir(parents=True, exist_ok=True)
    found = {}
    for case in make():
        (folder / case.name).write_bytes(case.data)
        found[case.name] = case
    return found


if __name__ == "__main__":
    write(Path(sys.argv[1]))
