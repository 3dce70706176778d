"""Labels in files: written and read back, seen by other programs, and hostile files survived."""

from __future__ import annotations

import io
import json
import os
import re
import resource
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import textwrap
import tracemalloc
import xml.etree.ElementTree as ET
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shared_core.bridge import labels
from shared_core.bridge.errors import BadInput, CouldNotBeDone, NssError
from shared_core.bridge.labels import jpeg, xmp
from shared_core.bridge.labels.files import replacing

from . import label_files as files

CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ENHANCED = CODES + "algorithmicallyEnhanced"
COMPOSITE = CODES + "compositeWithTrainedAlgorithmicMedia"
GENERATED = CODES + "trainedAlgorithmicMedia"
DENOISED = {"schema": 1, "tool": "denoise", "path": "classical", "reason": "ü < & > \"'", "n": 1}
FACES = {"schema": 1, "tool": "restore-faces", "path": "real", "source": DENOISED}

WRITABLE: dict[str, Callable[[], bytes]] = {
    "a.png": files.png,
    "little.tif": files.tiff,
    "big-endian.tif": lambda: files.tiff(byteorder=">"),
    "bigtiff.tif": lambda: files.tiff(bigtiff=True),
    "bigtiff-be.tif": lambda: files.tiff(bigtiff=True, byteorder=">"),
    "pages.tif": lambda: files.tiff(pages=3),
    "a.jpg": files.jpeg,
    "exif.jpg": lambda: files.jpeg(exif=_exif(), icc_profile=b"profile" * 20_000),
}

# What GIMP, Lightroom, exiftool and others write: elements, attributes, resources, other prefixes.
# The property (with the space before it) stands where the @ is.
PACKETS = {
    "elements": (
        """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
        <x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0-Exiv2">
        <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <!-- a comment --> <rdf:Description rdf:about="uuid:ü"
            xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"
            xmlns:dc="http://purl.org/dc/elements/1.1/" dc:format="image/png">
        @
        <dc:title><rdf:Alt><rdf:li xml:lang="x-default">Bär &amp; Co</rdf:li></rdf:Alt></dc:title>
        </rdf:Description></rdf:RDF></x:xmpmeta>     <?xpacket end="w"?>""",
        "<Iptc4xmpExt:DigitalSourceType>%s</Iptc4xmpExt:DigitalSourceType>",
    ),
    "attribute": (
        """<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF
        xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description r:about=''
        xmlns:dc="http://purl.org/dc/elements/1.1/" dc:rights="a > b, Q:DigitalSourceType='no'"
        xmlns:Q='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'@
        xmlns:other="urn:other#" other:DigitalSourceType="mine"/></r:RDF></x:xmpmeta>""",
        "   Q:DigitalSourceType = '%s'",
    ),
    "resource": (
        """<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description xmlns:e="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
        @<e:Event>Fête</e:Event>
        </rdf:Description></rdf:RDF>""",
        '<e:DigitalSourceType rdf:resource="%s"/>',
    ),
}


def _packet(shape: str, source_type: str) -> bytes:
    template, prop = PACKETS[shape]
    return template.replace("@", prop % source_type).encode()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[271] = "Camera"
    return exif


def _pixels(path: Path) -> bytes:
    if path.suffix == ".tif":
        return bytes(tifffile.imread(path, key=0).tobytes())
    with Image.open(path) as image:
        return image.convert("RGB").tobytes()


def _xmp_by_others(path: Path) -> bytes:
    """The packet as Pillow or tifffile sees it."""
    if path.suffix == ".tif":
        with tifffile.TiffFile(path) as file:
            return bytes(file.pages[0].tags[700].value)
    with Image.open(path) as image:
        image.load()
        found = image.info.get("xmp") or image.info["XML:com.adobe.xmp"]
        return found if isinstance(found, bytes) else found.encode()


def _property(packet: bytes, name: str) -> list[str | None]:
    """A property by ElementTree, which knows nothing of this project."""
    root = ET.fromstring(packet.decode("utf-8").strip("\ufeff \n"))
    found = [e.text or e.get(f"{{{xmp.RDF}}}resource") for e in root.iter(name)]
    return found + [e.get(name) for e in root.iter() if e.get(name)]


SOURCE_TYPE = f"{{{xmp.IPTC}}}DigitalSourceType"


@pytest.mark.parametrize("name", WRITABLE)
@pytest.mark.parametrize("receipts", [[DENOISED], [FACES, DENOISED]], ids=["one", "two"])
def test_embed_and_read(tmp_path: Path, name: str, receipts: list[dict[str, Any]]) -> None:
    path = tmp_path / f"ein Bild ü {name}"
    path.write_bytes(WRITABLE[name]())
    path.chmod(0o640)
    before = _pixels(path)
    assert labels.read(path) == []
    assert labels.read_source_type(path) is None
    labels.embed(path, receipts)
    expected = COMPOSITE if FACES in receipts else ENHANCED
    assert labels.read(path) == receipts
    assert labels.read_source_type(path) == expected
    assert _pixels(path) == before
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    assert os.listdir(tmp_path) == [path.name]
    packet = _xmp_by_others(path)
    assert _property(packet, SOURCE_TYPE) == [expected]
    if path.suffix == ".png":
        with Image.open(path) as image:
            text = image.text["nss-receipt"]
    else:
        [text] = _property(packet, f"{{{xmp.NSS}}}receipt")
    assert text.isascii()
    data = json.loads(text)
    assert data == (receipts[0] if len(receipts) == 1 else receipts)


@pytest.mark.parametrize("name", WRITABLE)
def test_a_new_label_replaces_the_old_one(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(WRITABLE[name]())
    labels.embed(path, [FACES, DENOISED])
    labels.embed(path, [DENOISED])
    assert labels.read(path) == [DENOISED]
    # The pixels have not become less generated by that.
    assert labels.read_source_type(path) == COMPOSITE
    assert len(_property(_xmp_by_others(path), SOURCE_TYPE)) == 1
    labels.embed(path, [], GENERATED)
    assert labels.read(path) == [DENOISED]
    assert labels.read_source_type(path) == GENERATED
    assert _pixels(path)


def test_nothing_to_embed_changes_nothing(tmp_path: Path) -> None:
    for name, make in WRITABLE.items():
        path = tmp_path / name
        path.write_bytes(make())
        before = path.read_bytes()
        labels.embed(path, [])
        assert path.read_bytes() == before


def test_other_pages_and_tags_of_a_tiff_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    path.write_bytes(files.tiff(pages=3, description="hello", iccprofile=b"icc" * 50))
    with tifffile.TiffFile(path) as file:
        before = [page.asarray() for page in file.pages]
    for _ in range(3):
        labels.embed(path, [DENOISED])
    with tifffile.TiffFile(path) as file:
        assert len(file.pages) == 3
        for page, pixels in zip(file.pages, before, strict=True):
            assert np.array_equal(page.asarray(), pixels)
        assert file.pages[0].description == "hello"
        assert file.pages[0].iccprofile == b"icc" * 50
        tags = [tag.code for tag in file.pages[0].tags]
        assert tags == sorted(tags)
        assert 700 not in file.pages[1].tags


def test_exif_and_profile_of_a_jpeg_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(WRITABLE["exif.jpg"]())
    labels.embed(path, [DENOISED])
    with Image.open(path) as image:
        assert image.getexif()[271] == "Camera"
        assert image.info["icc_profile"] == b"profile" * 20_000


@pytest.mark.parametrize("shape", PACKETS)
@pytest.mark.parametrize("kind", ["png", "tif", "jpg", "webp"])
def test_existing_xmp_is_kept_and_extended(tmp_path: Path, shape: str, kind: str) -> None:
    old = CODES + "digitalCapture"
    packet = _packet(shape, old)
    path = tmp_path / f"a.{kind}"
    if kind == "tif":
        extra = [(700, 1, len(packet), packet, True)]
        path.write_bytes(files.tiff(extratags=extra))
    elif kind == "png":
        path.write_bytes(_png_with(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + packet))
    else:
        path.write_bytes((files.jpeg if kind == "jpg" else files.webp)(xmp=packet))
    assert labels.read_source_type(path) == old
    if kind == "webp":
        return
    labels.embed(path, [DENOISED])
    assert labels.read_source_type(path) == ENHANCED
    after = _xmp_by_others(path)
    assert _property(after, SOURCE_TYPE) == [ENHANCED]
    # Nothing but the old property is missing, byte for byte, and nothing but ours is new.
    ours = r'<rdf:Description rdf:about="[^"]*" xmlns:rdf=[^>]*>.*?</rdf:Description>\n'
    rest, found = re.subn(ours, "", after.decode(), flags=re.DOTALL)
    assert found == 1
    assert rest.strip("\ufeff") == PACKETS[shape][0].replace("@", "")
    about = "uuid:ü" if shape == "elements" else ""
    assert f'<rdf:Description rdf:about="{about}" xmlns:rdf=' in after.decode()


@pytest.mark.parametrize("shape", PACKETS)
def test_a_stronger_value_in_the_file_stays(tmp_path: Path, shape: str) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(files.jpeg(xmp=_packet(shape, GENERATED)))
    labels.embed(path, [FACES], ENHANCED)
    assert labels.read_source_type(path) == GENERATED
    assert _property(_xmp_by_others(path), SOURCE_TYPE) == [GENERATED]


def test_a_given_stronger_value_wins(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(files.png())
    labels.embed(path, [DENOISED], GENERATED)
    assert labels.read_source_type(path) == GENERATED


xml_names = st.sampled_from(["a:b", "c", "Iptc4xmpExt:DigitalSourceType", "nss:receipt", "n:x"])
xml_text = st.text("ab &<>\"'ü\n", max_size=8)


@st.composite
def elements(draw: st.DrawFn, depth: int = 3) -> str:
    name = draw(xml_names)
    attributes = "".join(
        f" {key}={quoteattr(draw(xml_text))}"
        for key in draw(st.lists(xml_names.filter(lambda n: n != "c"), unique=True, max_size=2))
    )
    inner = escape(draw(xml_text))
    if depth:
        inner += "".join(draw(st.lists(elements(depth - 1), max_size=2)))
    if not inner:
        return f"<{name}{attributes}/>"
    return f"<{name}{attributes}>{inner}</{name}>"


@given(st.lists(elements(), max_size=3), st.lists(elements(0), max_size=1), st.booleans())
def test_any_packet_is_extended_without_loss(
    inner: list[str], outer: list[str], twice: bool
) -> None:
    spaces = (
        'xmlns:a="urn:a" xmlns:n="urn:n" xmlns="urn:c" '
        f'xmlns:Iptc4xmpExt="{xmp.IPTC}" xmlns:nss="{xmp.NSS}"'
    )
    description = f"<rdf:Description rdf:about=''>{''.join(inner)}</rdf:Description>"
    packet = (
        f'<x xmlns:rdf="{xmp.RDF}" {spaces}>{"".join(outer)}'
        f"<rdf:RDF>{description * (1 + twice)}</rdf:RDF></x>"
    ).encode()
    wanted = xmp.Properties(GENERATED, '{"a":"<&>"}')
    new = xmp.update(packet, wanted)
    assert xmp.read(new) == wanted
    # A second time makes no difference.
    assert xmp.update(new, wanted) == new

    def rest(data: bytes) -> list[str]:
        found = []
        for one in ET.fromstring(data).find(f"{{{xmp.RDF}}}RDF") or []:
            for child in one:
                if child.tag not in (SOURCE_TYPE, f"{{{xmp.NSS}}}receipt"):
                    found.append(ET.tostring(child).decode().strip())
        return found

    assert rest(new) == rest(packet)
    cleared = xmp.update(new, xmp.NOTHING)
    assert xmp.read(cleared) == xmp.NOTHING
    assert rest(cleared) == rest(packet)


def test_an_empty_rdf_element_is_opened() -> None:
    for packet in (
        f'<x><q:RDF xmlns:q="{xmp.RDF}" /></x>'.encode(),
        b"<x/>",
        b"\xef\xbb\xbf<x/>\0\0\n",
    ):
        assert xmp.read(xmp.update(packet, xmp.Properties(ENHANCED))).source_type == ENHANCED


@pytest.mark.parametrize("name", WRITABLE)
def test_exiftool_agrees(tmp_path: Path, name: str) -> None:
    if shutil.which("exiftool") is None:
        pytest.skip("exiftool is not installed")
    path = tmp_path / name
    path.write_bytes(WRITABLE[name]())

    def seen() -> dict[str, Any]:
        groups = ("-warning", "-error", "-XMP:all", "-PNG:all")
        command = ["exiftool", "-j", "-n", "-a", *groups, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        [found] = json.loads(done.stdout)
        return dict(found)

    before = seen()
    labels.embed(path, [FACES])
    found = seen()
    assert found["DigitalSourceType"] == COMPOSITE
    assert found.get("Warning") == before.get("Warning")
    assert "Error" not in found
    text = found.get("Receipt") or found["Nss-receipt"]
    assert (json.loads(text) if isinstance(text, str) else text) == FACES
    if name.startswith("bigtiff"):
        return  # exiftool does not write it
    # exiftool can work on with the file, and what it adds does not disturb the label.
    subprocess.run(["exiftool", "-q", "-XMP-dc:Title=Fête", str(path)], check=True)
    assert labels.read(path) == [FACES]
    assert labels.read_source_type(path) == COMPOSITE


def _png_with(kind: bytes, data: bytes) -> bytes:
    plain = files.png()
    chunk = struct.pack(">I", len(data)) + kind + data
    chunk += struct.pack(">I", zlib.crc32(kind + data))
    return plain[:33] + chunk + plain[33:]


def test_texts_that_other_programs_rewrote_are_read(tmp_path: Path) -> None:
    text = json.dumps(DENOISED).encode()
    path = tmp_path / "a.png"
    for kind, data in (
        (b"tEXt", b"nss-receipt\0" + text),
        (b"zTXt", b"nss-receipt\0\0" + zlib.compress(text)),
        (b"iTXt", b"nss-receipt\0\1\0de\0Beleg\0" + zlib.compress(text)),
    ):
        path.write_bytes(_png_with(kind, data))
        assert labels.read(path) == [DENOISED]
        labels.embed(path, [FACES])
        assert labels.read(path) == [FACES]
        with Image.open(path) as image:
            assert list(image.text) == ["XML:com.adobe.xmp", "nss-receipt"]


def test_a_label_too_long_for_jpeg_is_an_error_and_the_file_stays(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(files.jpeg())
    before = path.read_bytes()
    with pytest.raises(BadInput, match="PNG or TIFF"):
        labels.embed(path, [{**DENOISED, "reason": "x" * 70_000}])
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.jpg"]
    fits = 65_535 - 2 - len(jpeg.XMP_HEADER)
    empty = len(xmp.update(None, xmp.Properties(ENHANCED, json.dumps({"r": ""}))))
    labels.embed(path, [{"r": "x" * (fits - empty - 200)}], ENHANCED)
    with Image.open(path) as image:
        image.load()


def test_a_label_above_16_mb_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(files.png())
    with pytest.raises(BadInput, match="16 MB"):
        labels.embed(path, [{"reason": "x" * (17 << 20)}])


@pytest.mark.parametrize("name", ["a.webp", "a.kra", "a.xcf", "a.txt", "empty", "missing", "."])
def test_what_cannot_carry_a_label(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    data = {
        "a.webp": files.webp(),
        "a.kra": files.kra({}),
        "a.xcf": files.xcf(11, [[]]),
        "a.txt": b"some text",
        "empty": b"",
    }.get(name)
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(BadInput, match=re.escape(str(path))):
        labels.embed(path, [DENOISED])


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    """A limit on the size of files stands in for the disk: the same error at the same place."""
    path = tmp_path / "a.png"
    out = io.BytesIO()
    noise = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    Image.fromarray(noise).save(out, "PNG")
    path.write_bytes(out.getvalue())
    script = """
        import resource, sys
        from shared_core.bridge import labels
        from shared_core.bridge.errors import CouldNotBeDone
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        try:
            labels.embed(sys.argv[1], [{"tool": "denoise", "path": "real"}])
        except CouldNotBeDone as error:
            print(error)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    assert "disk is full" in done.stdout and str(path) in done.stdout
    assert path.read_bytes() == out.getvalue()
    assert os.listdir(tmp_path) == ["a.png"]


def test_a_link_is_followed(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(files.png())
    link = tmp_path / "link.png"
    link.symlink_to(path)
    labels.embed(link, [DENOISED])
    assert link.is_symlink()
    assert labels.read(path) == [DENOISED]


def test_a_folder_that_vanished_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(CouldNotBeDone, match="no folder"), replacing(tmp_path / "no" / "a.png"):
        pass


# -- documents ----------------------------------------------------------------------------------


def _ascii(receipt: dict[str, Any]) -> bytes:
    return json.dumps(receipt).encode("ascii")


@pytest.mark.parametrize("version", range(27))
def test_xcf(tmp_path: Path, version: int) -> None:
    path = tmp_path / "a.xcf"
    other = files.parasite("jpeg-save-defaults", b"<!-- x -->\0")
    path.write_bytes(
        files.xcf(
            version,
            [
                [files.parasite("nss-receipt", _ascii(FACES))],
                [],
                [other, files.parasite("nss-receipt", _ascii(DENOISED) + b"\0"), other],
                [other],
            ],
        )
    )
    assert labels.read(path) == [FACES, DENOISED]
    assert labels.read_source_type(path) == COMPOSITE


def test_kra_in_the_order_of_the_layers(tmp_path: Path) -> None:
    path = tmp_path / "a.kra"
    receipts = {"{a}": _ascii(DENOISED), "{b}": _ascii(FACES), "{undone}": _ascii(FACES)}
    path.write_bytes(files.kra(receipts, ["{c}", "{b}", "{a}"]))
    assert labels.read(path) == [FACES, DENOISED]
    path.write_bytes(files.kra(receipts, ["{c}", "{a}"]))
    assert labels.read(path) == [DENOISED]
    assert labels.read_source_type(path) == ENHANCED
    path.write_bytes(files.kra({}, ["{c}"]))
    assert labels.read(path) == []
    path.write_bytes(files.kra(receipts, maindoc=b""))
    assert len(labels.read(path)) == 3
    # The adapter's own notes around the receipt.
    path.write_bytes(files.kra({"{a}": _ascii({"receipt": FACES, "pixels": "ab"})}, ["{a}"]))
    assert labels.read(path) == [FACES]


def test_a_document_whose_receipts_are_no_json_is_bad_input(tmp_path: Path) -> None:
    path = tmp_path / "a.kra"
    for text in (b"", b"{", b"3", b"[1]", b"[" * 100_000, b"\xff"):
        path.write_bytes(files.kra({"{a}": text}, ["{a}"]))
        with pytest.raises(BadInput, match="receipt"):
            labels.read(path)


# -- hostile files ------------------------------------------------------------------------------


def _labelled(data: bytes, name: str) -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(data)
        labels.embed(path, [DENOISED])
        return path.read_bytes()


def _samples() -> dict[str, bytes]:
    webp_packet = xmp.update(None, xmp.Properties(ENHANCED, json.dumps(DENOISED)))
    parasites = [[files.parasite("nss-receipt", _ascii(DENOISED))], []]
    receipts = {"{a}": _ascii(DENOISED)}
    zipped = files.png()[:33], zlib.compress(_ascii(DENOISED))
    return {
        "png": _labelled(files.png(), "a.png"),
        "png zipped": _png_with(b"iTXt", b"nss-receipt\0\1\0\0\0" + zipped[1]),
        "tiff": _labelled(files.tiff(), "a.tif"),
        "tiff be": _labelled(files.tiff(byteorder=">"), "a.tif"),
        "bigtiff": _labelled(files.tiff(bigtiff=True), "a.tif"),
        "jpeg": _labelled(files.jpeg(), "a.jpg"),
        "webp": files.webp(xmp=webp_packet),
        "xcf 3": files.xcf(3, parasites),
        "xcf 23": files.xcf(23, parasites),
        "kra": files.kra(receipts, ["{a}"]),
        "kra stored": files.kra(receipts, ["{a}"], compression=zipfile.ZIP_STORED),
    }


SAMPLES = _samples()
# `make campaign` asks for more.
CASES = int(os.environ.get("NSS_FUZZ_CASES", "100"))


def _survives(data: bytes, path: Path) -> bool:
    """Whether the file was taken; anything but a clear error escapes from here."""
    path.write_bytes(data)
    taken = True
    for action in (
        lambda: labels.read(path),
        lambda: labels.read_source_type(path),
        lambda: labels.embed(path, [FACES]),
    ):
        try:
            action()
        except NssError as error:
            assert isinstance(error, BadInput)
            assert str(path) in str(error)
            taken = False
    return taken


@pytest.mark.parametrize("name", SAMPLES)
def test_a_file_cut_off_anywhere_is_survived(name: str, tmp_path: Path) -> None:
    data = SAMPLES[name]
    path = tmp_path / "cut"
    for length in range(0, len(data), max(1, len(data) // CASES)):
        _survives(data[:length], path)
    assert os.listdir(tmp_path) == ["cut"]


@pytest.mark.parametrize("name", SAMPLES)
@settings(max_examples=CASES, deadline=None)
@given(data=st.data())
def test_a_file_changed_anywhere_is_survived(name: str, data: st.DataObject) -> None:
    content = bytearray(SAMPLES[name])
    for _ in range(data.draw(st.integers(1, 6))):
        place = data.draw(st.integers(0, len(content) - 1))
        new = data.draw(
            st.sampled_from([b"\0", b"\xff", b"\xff\xff\xff\xff", b"\0\0\0\0", b"\x7f"])
            | st.binary(min_size=1, max_size=8)
        )
        if data.draw(st.booleans()):
            content[place : place + len(new)] = new
        else:
            content[place:place] = new
    with tempfile.TemporaryDirectory() as folder:
        _survives(bytes(content), Path(folder) / "changed")


@settings(max_examples=CASES, deadline=None)
@given(
    st.sampled_from(
        [
            b"\x89PNG\r\n\x1a\n",
            b"\xff\xd8\xff",
            b"II*\0",
            b"MM\0*",
            b"II+\0\x08\0\0\0",
            b"RIFF\x40\0\0\0WEBP",
            b"PK\x03\x04",
            b"gimp xcf v011\0",
            b"gimp xcf file\0",
        ]
    ),
    st.binary(max_size=200),
)
def test_noise_after_a_magic_is_survived(magic: bytes, noise: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        _survives(magic + noise, Path(folder) / "noise")


def _bomb_png() -> bytes:
    return _png_with(b"iTXt", b"nss-receipt\0\1\0\0\0" + zlib.compress(bytes(1 << 28), 9))


def _bomb_kra() -> bytes:
    return files.kra({"{a}": bytes(1 << 28)}, ["{a}"])


def _bomb_maindoc() -> bytes:
    levels = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    text = f'<!DOCTYPE x [<!ENTITY a0 "xxxxxxxxxx">{levels}]><x uuid="{{a}}">&a11;</x>'
    return files.kra({"{a}": _ascii(DENOISED)}, maindoc=text.encode())


def _bomb_xmp() -> bytes:
    levels = "".join(f'<!ENTITY a{i} "{f"&a{i - 1};" * 10}">' for i in range(1, 12))
    text = f'<!DOCTYPE x [<!ENTITY a0 "xxxxxxxxxx">{levels}]><x>&a11;</x>'
    return files.jpeg(xmp=text.encode())


def _bomb_tiff_count() -> bytes:
    entry = struct.pack("<HHII", 700, 1, 0xFFFFFFFF, 8)
    return struct.pack("<2sHIH", b"II", 42, 8, 1) + entry + bytes(4)


def _bomb_xcf_layers() -> bytes:
    """Many layers, each of which begins a property further into the same long list."""
    count = 20_000
    head = b"gimp xcf v011\0" + struct.pack(">IIII", 7, 5, 0, 150) + files.prop(0, b"")
    start = len(head) + 8 * (count + 1)
    pointers = b"".join(struct.pack(">Q", start + 8 * i) for i in range(count))
    return head + pointers + bytes(8) + files.prop(6, b"") * count * 2 + files.prop(0, b"")


def _bomb_jpeg_fill() -> bytes:
    return b"\xff\xd8" + b"\xff" * (1 << 22)


@pytest.mark.parametrize(
    "bomb",
    [
        _bomb_png,
        _bomb_kra,
        _bomb_maindoc,
        _bomb_xmp,
        _bomb_tiff_count,
        _bomb_xcf_layers,
        _bomb_jpeg_fill,
    ],
)
def test_bombs_take_neither_memory_nor_time(bomb: Callable[[], bytes], tmp_path: Path) -> None:
    path = tmp_path / "bomb"
    path.write_bytes(bomb())
    tracemalloc.start()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_utime
    try:
        with pytest.raises(BadInput):
            labels.read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 80 << 20
    assert resource.getrusage(resource.RUSAGE_SELF).ru_utime - before < 30


def test_xml_that_declares_entities_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a"
    declaration = '<!DOCTYPE x [<!ENTITY a "{a}">]>'
    path.write_bytes(files.jpeg(xmp=f"{declaration}<x>&a;</x>".encode()))
    with pytest.raises(BadInput, match="entities"):
        labels.read(path)
    document = f'{declaration}<x uuid="&a;"/>'.encode()
    path.write_bytes(files.kra({"{a}": _ascii(DENOISED)}, maindoc=document))
    with pytest.raises(BadInput, match="entities"):
        labels.read(path)
