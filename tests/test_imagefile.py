"""Picture files: what is read is what other libraries read, what is written they read back."""

from __future__ import annotations

import io
import os
import struct
import subprocess
import sys
import tempfile
import textwrap
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image as Pillow
from PIL import ImageCms, ImageOps

from shared_core import imagefile
from shared_core.bridge import labels
from shared_core.bridge.errors import BadInput, CouldNotBeDone, NssError, UsageError
from shared_core.bridge.labels.files import Damaged, Reader
from shared_core.imagefile.decode import _check_jpeg_end

GENERATED = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
RECEIPT = {"schema": 1, "tool": "denoise", "path": "classical"}
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
# `make campaign` asks for more.
CASES = int(os.environ.get("NSS_FUZZ_CASES", "100"))

rng = np.random.default_rng(3)


def _profile(space: bytes, tag: bytes, curve: bytes) -> bytes:
    """A profile that is only as real as this module looks at it."""
    head = bytes(16) + space.ljust(4) + bytes(16) + b"acsp" + bytes(88)
    return head + struct.pack(">I4sII", 1, tag, 144, len(curve)) + curve


def _curv(*points: int) -> bytes:
    return b"curv" + bytes(4) + struct.pack(f">I{len(points)}H", len(points), *points)


LINEAR = _profile(b"RGB", b"rTRC", _curv())
GREY = _profile(b"GRAY", b"kTRC", _curv(round(2.2 * 256)))


def _noise(height: int, width: int, channels: int, dtype: str = "u1") -> NDArray[Any]:
    if dtype == "f4":
        return rng.normal(0.5, 0.5, (height, width, channels)).astype("f4")
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype=dtype)


def _saved(image: Pillow.Image, kind: str, **options: Any) -> bytes:
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def _tiff(data: NDArray[Any], **options: Any) -> bytes:
    out = io.BytesIO()
    byteorder = options.pop("byteorder", "<")
    with tifffile.TiffWriter(out, byteorder=byteorder) as writer:
        writer.write(data, metadata=None, **options)
    return out.getvalue()


def _read(tmp_path: Path, data: bytes, name: str = "ein Bild ü.dat") -> imagefile.Image:
    path = tmp_path / name
    path.write_bytes(data)
    image = imagefile.read(path)
    header = imagefile.probe(path)
    assert (header.height, header.width) == image.pixels.shape[:2]
    assert image.pixels.flags.c_contiguous
    return image


def _png(
    width: int,
    height: int,
    bits: int,
    colour: int,
    rows: bytes,
    *extra: tuple[bytes, bytes],
    interlace: int = 0,
) -> bytes:
    """A PNG by hand, for what Pillow does not write."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, interlace)
    parts = [(b"IHDR", header), *extra, (b"IDAT", zlib.compress(rows)), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


def _rows(data: NDArray[Any]) -> bytes:
    """Unfiltered PNG rows of big-endian samples."""
    data = data.astype(data.dtype.newbyteorder(">"))
    return b"".join(b"\0" + row.tobytes() for row in data)


# -- reading PNG --------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
@pytest.mark.parametrize("keyed", [False, True])
def test_grey_png_of_all_depths(tmp_path: Path, bits: int, keyed: bool) -> None:
    top = (1 << bits) - 1
    values = rng.integers(0, top + 1, (6, 16), dtype=np.uint16)
    values[0, :2] = 0, top
    if bits < 8:
        per = 8 // bits
        shifts = np.arange(per - 1, -1, -1) * bits
        packed = (values.reshape(6, -1, per) << shifts).sum(axis=-1).astype("u1")
    else:
        packed = values.astype("u1" if bits == 8 else "u2")
    key = int(values[2, 3])
    extra = [(b"tRNS", struct.pack(">H", key))] if keyed else []
    image = _read(tmp_path, _png(16, 6, bits, 0, _rows(packed), *extra))
    full = 65535 if bits == 16 else 255
    assert image.depth == ("u16" if bits == 16 else "u8")
    assert image.grey and image.had_alpha == keyed and image.curve == "srgb" and not image.note
    for channel in range(3):
        assert np.array_equal(image.pixels[..., channel], values.astype(int) * (full // top))
    expected = np.where(values == key, 0, full) if keyed else np.full_like(values, full)
    assert np.array_equal(image.pixels[..., 3], expected)


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("colour,channels", [(2, 3), (4, 2), (6, 4)])
@pytest.mark.parametrize("keyed", [False, True])
def test_colour_and_alpha_png(
    tmp_path: Path, dtype: str, colour: int, channels: int, keyed: bool
) -> None:
    if keyed and colour != 2:
        return
    data = _noise(5, 7, channels, dtype)
    if channels in (2, 4):
        data[0, 0, -1] = 0  # colour under alpha 0 stays
    key = data[1, 2, :3]
    extra = [(b"tRNS", struct.pack(">HHH", *key))] if keyed else []
    image = _read(tmp_path, _png(7, 5, 8 * data.itemsize, colour, _rows(data), *extra))
    top = np.iinfo(dtype).max
    assert image.pixels.dtype == dtype
    assert image.grey == (channels == 2)
    assert image.had_alpha == (keyed or channels in (2, 4))
    assert np.array_equal(image.pixels[..., 0], data[..., 0])
    assert np.array_equal(image.pixels[..., 2], data[..., 0 if channels == 2 else 2])
    alpha = data[..., -1] if channels in (2, 4) else np.full((5, 7), top)
    if keyed:
        alpha = np.where((data == key).all(axis=-1), 0, top)
        assert (alpha == 0).any()
    assert np.array_equal(image.pixels[..., 3], alpha)


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
@pytest.mark.parametrize("transparent", [False, True])
def test_palette_png(tmp_path: Path, bits: int, transparent: bool) -> None:
    count = 1 << bits
    image = Pillow.fromarray(rng.integers(0, count, (9, 8), dtype=np.uint8), "P")
    image.putpalette(rng.integers(0, 256, 3 * count, dtype=np.uint8).tobytes())
    options: dict[str, Any] = {"bits": bits}
    if transparent:
        options["transparency"] = bytes(rng.integers(0, 256, count, dtype=np.uint8))
    data = _saved(image, "PNG", **options)
    expected = np.asarray(Pillow.open(io.BytesIO(data)).convert("RGBA"))
    found = _read(tmp_path, data)
    assert np.array_equal(found.pixels, expected)
    assert found.had_alpha == transparent and not found.grey


def test_interlaced_png(tmp_path: Path) -> None:
    data = _noise(11, 13, 3)
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2)]
    passes.append((1, 0, 2, 1))
    rows = b"".join(_rows(data[y::dy, x::dx]) for y, x, dy, dx in passes if data[y::dy, x::dx].size)
    image = _read(tmp_path, _png(13, 11, 8, 2, rows, interlace=1))
    assert np.array_equal(image.pixels[..., :3], data)


def test_animated_png_and_webp_give_their_first_picture(tmp_path: Path) -> None:
    frames = [Pillow.fromarray(np.full((4, 6, 3), value, np.uint8)) for value in (10, 200)]
    for kind in ("PNG", "WEBP"):
        data = _saved(frames[0], kind, save_all=True, append_images=frames[1:], lossless=True)
        image = _read(tmp_path, data)
        assert (image.pixels[..., :3] == 10).all()
        assert "animated" in image.note


# -- reading JPEG and WebP ----------------------------------------------------------------------


@pytest.mark.parametrize("orientation", range(9))
@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "PNG", "TIFF"])
def test_orientation_is_applied(tmp_path: Path, orientation: int, kind: str) -> None:
    exif = Pillow.Exif()
    exif[274] = orientation
    source = Pillow.fromarray(np.kron(_noise(3, 5, 3), np.ones((8, 8, 1), np.uint8)))
    options: dict[str, Any] = {"lossless": True} if kind == "WEBP" else {}
    options |= {"tiffinfo": {274: orientation}} if kind == "TIFF" else {"exif": exif}
    data = _saved(source, kind, **options)
    expected = np.asarray(ImageOps.exif_transpose(Pillow.open(io.BytesIO(data))).convert("RGB"))
    found = _read(tmp_path, data)
    assert found.pixels.shape == (*expected.shape[:2], 4)
    # Two JPEG decoders differ by a step or two.
    tolerance = 3 if kind == "JPEG" else 0
    assert np.abs(found.pixels[..., :3].astype(int) - expected).max() <= tolerance


def test_grey_jpeg_and_profile_in_parts(tmp_path: Path) -> None:
    icc = GREY + bytes(150_000)
    source = Pillow.fromarray(np.kron(_noise(3, 5, 1)[..., 0], np.ones((8, 8), np.uint8)))
    image = _read(tmp_path, _saved(source, "JPEG", icc_profile=icc, progressive=True))
    assert image.grey and not image.had_alpha
    assert image.icc == icc


def test_webp_with_alpha_and_profile(tmp_path: Path) -> None:
    data = _noise(5, 7, 4)
    saved = _saved(Pillow.fromarray(data), "WEBP", lossless=True, exact=True, icc_profile=SRGB)
    image = _read(tmp_path, saved)
    assert np.array_equal(image.pixels, data)
    assert image.had_alpha and image.icc == SRGB
    lossy = _saved(Pillow.fromarray(data[..., :3]), "WEBP")
    assert not _read(tmp_path, lossy).had_alpha


# -- reading TIFF -------------------------------------------------------------------------------

TIFFS = {
    "plain": {},
    "big-endian": {"byteorder": ">"},
    "strips": {"rowsperstrip": 3},
    "tiles": {"tile": (16, 32)},
    "deflate": {"compression": "zlib"},
    "deflate tiles": {"compression": "zlib", "tile": (16, 16)},
}


@pytest.mark.parametrize("way", TIFFS)
@pytest.mark.parametrize("dtype", ["u1", "u2", "f2", "f4", "f8"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("planar", ["contig", "separate"])
def test_tiff(tmp_path: Path, way: str, dtype: str, channels: int, planar: str) -> None:
    data = _noise(21, 37, channels, "f4" if dtype[0] == "f" else dtype).astype(dtype)
    if dtype[0] == "f" and channels in (2, 4):
        data[..., -1] = np.clip(data[..., -1], 0, 1)
    options: dict[str, Any] = dict(TIFFS[way])
    options |= {"photometric": "rgb" if channels > 2 else "minisblack"}
    if channels > 1:
        options |= {"planarconfig": planar}
    if channels in (2, 4):
        options |= {"extrasamples": ["unassalpha"]}
    layout = data[..., 0] if channels == 1 else data
    if planar == "separate" and channels > 1:
        layout = np.ascontiguousarray(data.transpose(2, 0, 1))
    image = _read(tmp_path, _tiff(layout, **options))
    depth = {"u1": "u8", "u2": "u16"}.get(dtype, "f32")
    assert image.depth == depth
    assert image.curve == ("linear" if depth == "f32" else "srgb")
    assert image.grey == (channels < 3) and image.had_alpha == (channels in (2, 4))
    wanted = data.astype({"u8": "u1", "u16": "u2", "f32": "f4"}[depth])
    for channel in range(3):
        assert np.array_equal(
            image.pixels[..., channel], wanted[..., channel % max(1, 2 * (channels // 3) + 1)]
        )
    top = 1 if depth == "f32" else np.iinfo(wanted.dtype).max
    alpha = wanted[..., -1] if channels in (2, 4) else np.full(wanted.shape[:2], top)
    assert np.array_equal(image.pixels[..., 3], alpha)


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_adobe_deflate", None])
@pytest.mark.parametrize("mode", ["L", "LA", "RGB", "RGBA", "I;16", "F"])
@pytest.mark.parametrize("predictor", [1, 2, 3])
def test_tiff_by_libtiff(
    tmp_path: Path, compression: str | None, mode: str, predictor: int
) -> None:
    if predictor == 3 and mode != "F":
        return
    channels = {"L": 1, "LA": 2, "RGB": 3, "RGBA": 4, "I;16": 1, "F": 1}[mode]
    dtype = {"I;16": "u2", "F": "f4"}.get(mode, "u1")
    data = _noise(33, 41, channels, dtype)
    source = Pillow.fromarray(data[..., 0] if channels == 1 else data)
    options = {"compression": compression} if compression else {}
    image = _read(tmp_path, _saved(source, "TIFF", tiffinfo={317: predictor}, **options))
    colours = data[..., : 3 if channels > 2 else 1]
    assert np.array_equal(image.pixels[..., :3], np.broadcast_to(colours, (33, 41, 3)))
    if channels in (2, 4):
        assert np.array_equal(image.pixels[..., 3], data[..., -1])


def test_tiff_packed_as_jpeg(tmp_path: Path) -> None:
    for mode in ("RGB", "L"):
        source = Pillow.fromarray(np.kron(_noise(3, 5, 3), np.ones((16, 16, 1), np.uint8)))
        data = _saved(source.convert(mode), "TIFF", compression="jpeg")
        expected = np.asarray(Pillow.open(io.BytesIO(data)).convert("RGB"))
        found = _read(tmp_path, data)
        assert np.abs(found.pixels[..., :3].astype(int) - expected).max() <= 3
        assert found.grey == (mode == "L")


@pytest.mark.parametrize("dtype", ["u1", "u2", "f4"])
def test_associated_alpha_is_divided_out(tmp_path: Path, dtype: str) -> None:
    top = 1.0 if dtype == "f4" else float(np.iinfo(dtype).max)
    straight = rng.uniform(0, top, (9, 8, 4))
    alpha = straight[..., 3:]
    alpha[0, 0] = 0
    alpha[0, 1] = top
    if dtype != "f4":
        alpha = np.rint(alpha)
    associated = straight[..., :3] * alpha / top
    data = np.concatenate([associated, alpha], axis=-1)
    data = data.astype("f4") if dtype == "f4" else np.rint(data).astype(dtype)
    image = _read(tmp_path, _tiff(data, photometric="rgb", extrasamples=["assocalpha"]))
    assert "alpha" in image.note
    back = image.pixels[..., :3] * (image.pixels[..., 3:] / top)
    assert np.abs(back - data[..., :3]).max() <= (1e-6 if dtype == "f4" else 0.51)
    assert np.array_equal(image.pixels[0, 1], data[0, 1])
    assert np.array_equal(image.pixels[..., 3], data[..., 3])


def test_palette_bilevel_and_inverted_tiff(tmp_path: Path) -> None:
    palette = rng.integers(0, 256, (3, 256), dtype=np.uint16) * 257
    index = rng.integers(0, 256, (6, 7), dtype=np.uint8)
    image = _read(tmp_path, _tiff(index, photometric="palette", colormap=palette))
    assert np.array_equal(image.pixels[..., :3], (palette // 257).T[index])
    assert not image.grey
    bits = rng.integers(0, 2, (6, 13), dtype=np.uint8).astype(bool)
    image = _read(tmp_path, _saved(Pillow.fromarray(bits), "TIFF"))
    assert np.array_equal(image.pixels[..., 1], bits * 255)
    inverted = _read(tmp_path, _tiff(index, photometric="miniswhite"))
    assert np.array_equal(inverted.pixels[..., 0], 255 - index)


def test_more_pages_and_channels_are_told(tmp_path: Path) -> None:
    out = io.BytesIO()
    pages = [_noise(4, 5, 3) for _ in range(3)]
    with tifffile.TiffWriter(out) as writer:
        for page in pages:
            writer.write(page, photometric="rgb", metadata=None)
    image = _read(tmp_path, out.getvalue())
    assert np.array_equal(image.pixels[..., :3], pages[0])
    assert "more than one page" in image.note
    with tifffile.TiffWriter(out := io.BytesIO()) as writer:
        for page, kind in zip(pages, (0, 1, 1), strict=True):
            writer.write(page, photometric="rgb", metadata=None, subfiletype=kind)
    assert _read(tmp_path, out.getvalue()).note == ""
    five = _noise(4, 5, 5)
    kinds = ["unspecified", "unspecified"]
    image = _read(
        tmp_path, _tiff(five, photometric="rgb", extrasamples=kinds, planarconfig="contig")
    )
    assert np.array_equal(image.pixels, five[..., :4])
    assert "unknown meaning" in image.note and "only the first" in image.note


def test_values_that_are_not_finite_are_read_as_0_and_told(tmp_path: Path) -> None:
    data = np.ones((3, 4, 3), "f4") * 2
    data[1, 1] = np.nan
    data[2, 2, 0] = np.inf
    image = _read(tmp_path, _tiff(data, photometric="rgb"))
    assert "2 pixels were not finite" in image.note
    assert image.pixels[1, 1].tolist() == [0, 0, 0, 1]
    assert image.pixels[2, 2].tolist() == [0, 2, 2, 1]


UNSUPPORTED = {
    "cmyk tiff": lambda: _saved(Pillow.fromarray(_noise(4, 5, 4), "CMYK"), "TIFF"),
    "cmyk jpeg": lambda: _saved(Pillow.fromarray(_noise(4, 5, 4), "CMYK"), "JPEG"),
    "lab tiff": lambda: _saved(Pillow.fromarray(_noise(4, 5, 3)).convert("LAB"), "TIFF"),
    "32-bit whole numbers": lambda: _tiff(np.ones((4, 5), "u4"), photometric="minisblack"),
    "signed": lambda: _tiff(np.ones((4, 5), "i2"), photometric="minisblack"),
    "complex": lambda: _tiff(np.ones((4, 5), "c8"), photometric="minisblack"),
    "fax": lambda: _saved(Pillow.new("1", (9, 9)), "TIFF", compression="group4"),
    "gif": lambda: _saved(Pillow.new("RGB", (9, 9)), "GIF"),
    "text": lambda: b"To whom it may concern",
    "xcf": lambda: b"gimp xcf v011\0",
}


@pytest.mark.parametrize("name", UNSUPPORTED)
def test_kinds_that_are_not_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "a picture"
    path.write_bytes(UNSUPPORTED[name]())
    with pytest.raises(BadInput) as caught:
        imagefile.read(path)
    assert str(path) in str(caught.value)
    for word in ("cmyk", "lab"):
        if word in name:
            assert word in str(caught.value).lower()


# -- curve and profile --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "icc,linear",
    [
        (SRGB, False),
        (LINEAR, True),
        (_profile(b"RGB", b"rTRC", _curv(256)), True),
        (_profile(b"RGB", b"rTRC", _curv(0, 32768, 65535)), True),
        (_profile(b"RGB", b"rTRC", _curv(0, 14000, 65535)), False),
        (_profile(b"RGB", b"rTRC", b"para" + bytes(8) + struct.pack(">I", 0x10000)), True),
        (GREY, False),
        (b"no profile", None),
    ],
)
@pytest.mark.parametrize("dtype", ["u2", "f4"])
def test_the_profile_says_whether_values_are_linear(
    tmp_path: Path, icc: bytes, linear: bool | None, dtype: str
) -> None:
    grey = icc is GREY
    data = np.ones((3, 4), dtype) if grey else np.ones((3, 4, 3), dtype)
    saved = _tiff(data, photometric="minisblack" if grey else "rgb", iccprofile=icc)
    image = _read(tmp_path, saved)
    expected = linear if linear is not None else dtype == "f4"
    assert image.curve == ("linear" if expected else "srgb")
    assert image.icc == icc


# -- writing ------------------------------------------------------------------------------------


@st.composite
def images(draw: st.DrawFn) -> imagefile.Image:
    dtype = draw(st.sampled_from(["u1", "u2", "f4"]))
    height, width = draw(st.integers(1, 40)), draw(st.integers(1, 40))
    seed = draw(st.integers(0, 2**32 - 1))
    local = np.random.default_rng(seed)
    top = 1 if dtype == "f4" else int(np.iinfo(dtype).max)
    values = local.uniform(0, 1, (height, width, 4)).astype("f4")
    pixels = values if dtype == "f4" else np.rint(values * np.float32(top)).astype(dtype)
    grey, had_alpha = draw(st.booleans()), draw(st.booleans())
    if grey:
        pixels[..., 1:3] = pixels[..., :1]
    if not had_alpha:
        pixels[..., 3] = top
    icc = draw(st.sampled_from([None, SRGB, LINEAR, GREY]))
    curve = "linear" if icc == LINEAR or (dtype == "f4" and icc is None) else "srgb"
    depth = {"u1": "u8", "u2": "u16", "f4": "f32"}[dtype]
    return imagefile.Image(pixels, depth, curve, grey, had_alpha, icc)


@settings(deadline=None)
@given(images(), st.sampled_from([".png", ".tif", ".TIFF"]))
def test_written_and_read_again(image: imagefile.Image, suffix: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"ein Bild ü{suffix}"
        imagefile.write(path, image.pixels, image, [RECEIPT])
        assert os.listdir(folder) == [path.name]
        again = imagefile.read(path)
        if suffix == ".png":
            with Pillow.open(path) as seen:
                seen.load()
                assert seen.mode in {"L", "LA", "RGB", "RGBA", "I;16"}
                assert "nss-receipt" in seen.text
                assert seen.info.get("icc_profile") == again.icc
        else:
            other = tifffile.imread(path)
            channels = ([0] if image.grey else [0, 1, 2]) + ([3] if image.had_alpha else [])
            expected = image.pixels[..., channels]
            assert np.array_equal(other, expected[..., 0] if len(channels) == 1 else expected)
    assert again.grey == image.grey and again.had_alpha == image.had_alpha
    assert again.receipts == [RECEIPT]
    assert again.source_type and again.source_type.endswith("/algorithmicallyEnhanced")
    fits = image.icc is not None and (image.icc == GREY) == image.grey
    assert again.icc == (image.icc if fits else None)
    if image.depth != "f32" or suffix != ".png":
        assert again.depth == image.depth
        assert np.array_equal(again.pixels, image.pixels)
        return
    assert again.depth == "u16"
    colours = image.pixels[..., :3].astype("f8")
    if image.curve == "linear" and again.icc != LINEAR:
        low = colours <= 0.0031308
        colours = np.where(low, 12.92 * colours, 1.055 * colours ** (1 / 2.4) - 0.055)
    assert np.abs(again.pixels[..., :3] - colours * 65535).max() <= 0.6
    assert np.abs(again.pixels[..., 3] - image.pixels[..., 3] * 65535.0).max() <= 0.51


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_opencv_and_pillow_read_our_png(tmp_path: Path, dtype: str, channels: int) -> None:
    # More than one band, and a last one that is not full.
    pixels = _noise(1500, 901, 4, dtype)
    pixels[:700] //= 7
    if channels < 3:
        pixels[..., 1:3] = pixels[..., :1]
    if channels in (1, 3):
        pixels[..., 3] = np.iinfo(dtype).max
    like = imagefile.Image(pixels, "u8", "srgb", channels < 3, channels in (2, 4))
    path = tmp_path / "a.png"
    imagefile.write(path, pixels, like, [])
    seen = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    if channels == 1:
        assert np.array_equal(seen, pixels[..., 0])
    elif channels == 3:
        assert np.array_equal(seen, pixels[..., 2::-1])
    else:
        assert np.array_equal(seen, pixels[..., [2, 1, 0, 3]])
    if dtype == "u1":
        with Pillow.open(path) as other:
            assert other.mode == {1: "L", 2: "LA", 3: "RGB", 4: "RGBA"}[channels]
            assert np.array_equal(np.asarray(other.convert("RGBA")), pixels)


def test_sixteen_bits_stay_sixteen_bits(tmp_path: Path) -> None:
    ramp = np.linspace(0, 65535, 4096).astype("u2").reshape(64, 64)
    pixels = np.dstack([ramp, ramp[::-1], ramp.T, np.full_like(ramp, 65535)])
    for name in ("a.png", "a.tif"):
        imagefile.write(tmp_path / name, pixels, None, [])
        again = imagefile.read(tmp_path / name)
        assert np.array_equal(again.pixels, pixels) and not again.had_alpha and not again.grey
        assert again.receipts == [] and again.source_type is None


def test_alpha_and_colour_are_written_where_the_result_needs_them(tmp_path: Path) -> None:
    pixels = np.full((3, 4, 4), 255, np.uint8)
    like = imagefile.Image(pixels, "u8", "srgb", True, False, GREY)
    cut = pixels.copy()
    cut[1, 1, 3] = 254
    red = pixels.copy()
    red[0, 0] = 255, 0, 0, 255
    path = tmp_path / "a.png"
    for result, mode, icc in ((pixels, "L", GREY), (cut, "LA", GREY), (red, "RGB", None)):
        imagefile.write(path, result, like, [])
        with Pillow.open(path) as seen:
            assert (seen.mode, seen.info.get("icc_profile")) == (mode, icc)


def test_a_stronger_label_of_the_source_stays(tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    pixels = np.full((3, 4, 4), 255, np.uint8)
    imagefile.write(source, pixels, None, [{**RECEIPT, "tool": "text-to-image", "path": "real"}])
    image = imagefile.read(source)
    assert image.source_type == GENERATED
    for name in ("b.tif", "b.png"):
        imagefile.write(tmp_path / name, pixels, image, [RECEIPT])
        assert labels.read_source_type(tmp_path / name) == GENERATED
        assert labels.read(tmp_path / name) == [RECEIPT]


def test_a_damaged_label_does_not_hide_the_picture(tmp_path: Path) -> None:
    plain = _saved(Pillow.new("RGB", (4, 5)), "JPEG", xmp=b"<x:xmpmeta")
    image = _read(tmp_path, plain)
    assert image.pixels.shape == (5, 4, 4)
    assert "label" in image.note and image.receipts == []


def test_names_that_cannot_be_written(tmp_path: Path) -> None:
    pixels = np.zeros((2, 2, 4), np.uint8)
    (tmp_path / "folder.png").mkdir()
    for name, error in (
        ("a.jpg", UsageError),
        ("a", UsageError),
        ("a.webp", UsageError),
        ("no/a.png", CouldNotBeDone),
        ("folder.png", CouldNotBeDone),
    ):
        for action in (
            imagefile.check_target,
            lambda p: imagefile.write(p, pixels, None, []),
        ):
            with pytest.raises(error):
                action(tmp_path / name)
    imagefile.check_target(tmp_path / "a.PNG")
    assert os.listdir(tmp_path) == ["folder.png"]


@pytest.mark.parametrize("name", ["a.png", "a.tif"])
@pytest.mark.parametrize("limit", [20_000, 121_000])
@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_leaves_nothing_half(
    tmp_path: Path, name: str, limit: int, exists: bool
) -> None:
    """A limit on the size of files stands in for the disk: in the pixels and in the label."""
    path = tmp_path / name
    if exists:
        path.write_bytes(b"what was there")
    script = """
        import resource, sys
        import numpy as np
        from shared_core import imagefile
        from shared_core.bridge.errors import CouldNotBeDone
        pixels = np.random.default_rng(0).integers(0, 256, (200, 200, 4), dtype=np.uint8)
        pixels[..., 3] = 255
        resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), int(sys.argv[2])))
        try:
            imagefile.write(sys.argv[1], pixels, None, [{"tool": "x", "note": "y" * 9000}])
        except CouldNotBeDone as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path), str(limit)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "disk is full" in done.stdout and str(path) in done.stdout
    assert os.listdir(tmp_path) == ([name] if exists else [])
    if exists:
        assert path.read_bytes() == b"what was there"


# -- masks --------------------------------------------------------------------------------------


def test_masks(tmp_path: Path) -> None:
    path = tmp_path / "mask"
    grey = _noise(6, 7, 1)[..., 0]
    path.write_bytes(_saved(Pillow.fromarray(grey), "PNG"))
    assert np.array_equal(imagefile.read_mask(path, 7, 6), grey)
    wide = _noise(6, 7, 1, "u2")[..., 0]
    path.write_bytes(_png(7, 6, 16, 0, _rows(wide)))
    found = imagefile.read_mask(path, 7, 6)
    assert found.dtype == np.uint8
    assert np.abs(found - wide / 257).max() <= 0.5001
    colour = _noise(6, 7, 4)
    path.write_bytes(_saved(Pillow.fromarray(colour), "PNG"))
    luma = colour[..., :3] @ np.array([0.2126, 0.7152, 0.0722])
    assert np.abs(imagefile.read_mask(path, 7, 6) - luma).max() <= 0.51
    path.write_bytes(_tiff(np.array([[-1, 0, 0.5, 1, 2]], "f4"), photometric="minisblack"))
    assert imagefile.read_mask(path, 5, 1).tolist() == [[0, 0, 128, 255, 255]]
    with pytest.raises(BadInput, match=r"5 × 1 .* 6 × 1"):
        imagefile.read_mask(path, 6, 1)


# -- bad input ----------------------------------------------------------------------------------


def _huge(side: int, jpeg_side: int) -> dict[str, bytes]:
    """Headers of square pictures with next to nothing behind them."""
    entries = {256: side, 257: side, 258: 8, 259: 1, 262: 1, 273: 8, 277: 1, 278: side, 279: 10}
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in entries.items())
    frame = struct.pack(">BHHB", 8, jpeg_side, jpeg_side, 3) + bytes(9)
    frame_segment = b"\xff\xc0" + struct.pack(">H", 2 + len(frame)) + frame
    return {
        "png": _png(side, side, 8, 2, b""),
        "tiff": struct.pack("<2sHIH", b"II", 42, 8, len(entries)) + tags + bytes(4),
        "jpeg": b"\xff\xd8" + frame_segment + b"\xff\xda\0\2\xff\xd9",
    }


def _gigapixels() -> dict[str, bytes]:
    canvas = b"VP8X" + struct.pack("<II", 10, 0) + b"\xff\xff\x03" * 2
    webp = b"RIFF" + struct.pack("<I", 4 + len(canvas)) + b"WEBP" + canvas
    return _huge(400_000, 65_535) | {"webp": webp}


@pytest.mark.parametrize("kind", _gigapixels())
@pytest.mark.parametrize("action", [imagefile.probe, imagefile.read])
def test_gigapixel_headers_are_refused(
    tmp_path: Path, kind: str, action: Callable[[Path], Any]
) -> None:
    path = tmp_path / "huge"
    path.write_bytes(_gigapixels()[kind])
    with pytest.raises(BadInput, match="gigapixel"):
        action(path)


def test_a_small_file_that_claims_to_be_large_takes_no_memory(tmp_path: Path) -> None:
    """A gigabyte may not be allocated for what a few bytes cannot hold."""
    script = """
        import resource, sys
        from shared_core import imagefile
        from shared_core.bridge.errors import BadInput
        import cv2, numpy, shared_core.imagefile.decode
        limit = 1 << 30
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        try:
            imagefile.read(sys.argv[1])
        except BadInput as error:
            print(error)
    """
    for kind, data in _huge(31_000, 31_000).items():
        path = tmp_path / kind
        path.write_bytes(data)
        assert imagefile.probe(path) == imagefile.ImageHeader(31_000, 31_000)
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert str(path) in done.stdout and "cut off" in done.stdout, (kind, done.stderr[-500:])


def test_a_picture_too_large_for_the_memory_is_told_so(tmp_path: Path) -> None:
    script = """
        import resource, sys
        from shared_core import imagefile
        from shared_core.bridge.errors import CouldNotBeDone
        import cv2, numpy, shared_core.imagefile.decode
        status = open("/proc/self/status").read()
        limit = int(status.split("VmData:")[1].split()[0]) * 1024 + (150 << 20)
        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
        try:
            imagefile.read(sys.argv[1])
        except CouldNotBeDone as error:
            print(error)
    """
    side = 16_000
    rows = (b"\0" + bytes(side)) * side
    (tmp_path / "a.png").write_bytes(_png(side, side, 8, 0, rows))
    header = {256: side, 257: side, 258: 8, 259: 8, 262: 1, 273: 8, 277: 1, 278: side, 279: 0}
    packed = zlib.compress(rows)
    header[279] = len(packed)
    tags = b"".join(struct.pack("<HHII", tag, 4, 1, value) for tag, value in header.items())
    directory = struct.pack("<H", len(header)) + tags + bytes(4)
    start = struct.pack("<2sHI", b"II", 42, 8 + len(packed) + len(packed) % 2)
    (tmp_path / "a.tif").write_bytes(start + packed + b"\0" * (len(packed) % 2) + directory)
    for name in ("a.png", "a.tif"):
        done = subprocess.run(
            [sys.executable, "-c", textwrap.dedent(script), str(tmp_path / name)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "not enough memory" in done.stdout, (name, done.stdout, done.stderr[-500:])


def test_probe_loads_no_numpy(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(_saved(Pillow.new("RGB", (3, 4)), "PNG"))
    script = (
        "import sys; from shared_core import imagefile; "
        f"print(imagefile.probe({str(path)!r})); "
        "print({'numpy', 'cv2', 'tifffile'} & set(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.split("\n")[:2] == ["ImageHeader(width=3, height=4)", "set()"]


def test_missing_empty_folder_and_pipe(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    os.mkfifo(tmp_path / "pipe")
    for name, words in (
        ("missing", "no file"),
        ("empty", "is empty"),
        ("", "a folder"),
        ("pipe", "not a regular file"),
    ):
        for action in (
            imagefile.probe,
            imagefile.read,
            lambda path: imagefile.read_mask(path, 1, 1),
        ):
            with pytest.raises(BadInput, match=words):
                action(tmp_path / name)


def _files() -> dict[str, bytes]:
    source = Pillow.fromarray(np.kron(_noise(3, 4, 3), np.ones((5, 5, 1), np.uint8)))
    exif = Pillow.Exif()
    exif[274] = 6
    sixteen = _noise(9, 8, 4, "u2")
    return {
        "png": _saved(source, "PNG", icc_profile=SRGB),
        "png palette": _saved(source.quantize(16), "PNG", transparency=b"\x80" * 9),
        "jpeg": _saved(source, "JPEG", exif=exif),
        "jpeg progressive": _saved(source, "JPEG", progressive=True),
        "webp": _saved(source, "WEBP"),
        "webp lossless": _saved(source, "WEBP", lossless=True, exif=exif),
        "tiff": _tiff(np.asarray(source), photometric="rgb"),
        "tiff lzw": _saved(source, "TIFF", compression="tiff_lzw"),
        "tiff packbits": _saved(source, "TIFF", compression="packbits"),
        "tiff tiles": _tiff(
            sixteen,
            photometric="rgb",
            extrasamples=["assocalpha"],
            tile=(16, 16),
            compression="zlib",
            predictor=2,
            byteorder=">",
        ),
        "tiff jpeg": _saved(source, "TIFF", compression="jpeg"),
    }


FILES = _files()


@pytest.mark.parametrize("name", FILES)
def test_a_picture_cut_off_anywhere_is_bad_input(tmp_path: Path, name: str) -> None:
    data = FILES[name]
    path = tmp_path / "cut"
    path.write_bytes(data)
    imagefile.read(path)
    lengths = set(range(1, len(data), max(1, len(data) // CASES))) | {len(data) - 1}
    for length in sorted(lengths):
        path.write_bytes(data[:length])
        if name.startswith("tiff"):
            # What the directory points to may end before the file does.
            _survives(path)
        else:
            with pytest.raises(BadInput) as caught:
                imagefile.read(path)
            assert str(path) in str(caught.value)


def test_a_byte_changed_in_a_png_is_bad_input(tmp_path: Path) -> None:
    data = FILES["png"]
    path = tmp_path / "changed.png"
    for place in range(len(data)):
        path.write_bytes(data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :])
        with pytest.raises(BadInput):
            imagefile.read(path)


def test_the_end_of_a_jpeg_is_looked_for_behind_its_thumbnail() -> None:
    """OpenCV before 5 fills what is missing with grey; so this does not rely on the decoder."""
    thumbnail = FILES["jpeg"]
    exif = b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 8) + b"Exif\0\0" + thumbnail
    for name in ("jpeg", "jpeg progressive"):
        data = FILES[name][:2] + exif + FILES[name][2:]
        _check_jpeg_end(Reader(io.BytesIO(data)), data)
        tail = data + b"a trailer as telephones write it"
        _check_jpeg_end(Reader(io.BytesIO(tail)), tail)
        for length in range(len(data) - 60, len(data)):
            cut = data[:length]
            with pytest.raises(Damaged):
                _check_jpeg_end(Reader(io.BytesIO(cut)), cut)


def _survives(path: Path) -> imagefile.Image | None:
    try:
        image = imagefile.read(path)
    except NssError as error:
        assert isinstance(error, BadInput) and str(path) in str(error)
        return None
    header = imagefile.probe(path)
    assert image.pixels.shape == (header.height, header.width, 4)
    return image


@pytest.mark.parametrize("name", [n for n in FILES if n.startswith("tiff")])
def test_a_tiff_that_lacks_pixels_is_bad_input(tmp_path: Path, name: str) -> None:
    """Half of the pixel data cut out of the file, everything behind moved up."""
    data = FILES[name]
    with tifffile.TiffFile(io.BytesIO(data)) as file:
        page = file.pages[0]
        offset, length = page.dataoffsets[0], page.databytecounts[0]
    path = tmp_path / "cut"
    # The strip now reaches beyond the end of the file.
    if offset + length > len(data) - 8:
        path.write_bytes(data[: offset + length // 2])
        assert _survives(path) is None
    else:
        path.write_bytes(
            data[: offset + length // 2] + bytes(length - length // 2) + data[offset + length :]
        )
        _survives(path)


@pytest.mark.parametrize("name", FILES)
@settings(max_examples=CASES, deadline=None)
@given(data=st.data())
def test_a_picture_changed_anywhere_is_survived(name: str, data: st.DataObject) -> None:
    content = bytearray(FILES[name])
    for _ in range(data.draw(st.integers(1, 4))):
        place = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(
            st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f"])
            | st.binary(min_size=1, max_size=8)
        )
        content[place : place + len(new)] = new
    if name.startswith("png") and data.draw(st.booleans()):
        content = bytearray(_with_right_checksums(bytes(content)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "changed"
        path.write_bytes(content)
        _survives(path)


def _with_right_checksums(data: bytes) -> bytes:
    """So that a change reaches the decoder."""
    out, place = bytearray(data), 8
    while place + 12 <= len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        end = place + 8 + length
        if end + 4 > len(data):
            break
        out[end : end + 4] = struct.pack(">I", zlib.crc32(data[place + 4 : end]))
        place = end + 4
    return bytes(out)


@pytest.mark.parametrize("shape", [(1, 1), (1, 97), (97, 1)])
@pytest.mark.parametrize("name", ["a.png", "a.tif"])
def test_thin_pictures(tmp_path: Path, shape: tuple[int, int], name: str) -> None:
    pixels = _noise(*shape, 4)
    imagefile.write(tmp_path / name, pixels, None, [])
    assert np.array_equal(imagefile.read(tmp_path / name).pixels, pixels)
