"""Exporting with a label: the file is whole and labelled, or not there at all."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from shared_core.bridge import export, labels, receipt
from shared_core.bridge.errors import BadInput, CouldNotBeDone
from tests.bridge import label_files
from tests.bridge.test_receipt import CLASSICAL as MADE

GENERATED = replace(MADE, tool="text-to-image", path="byo", model=receipt.Model(*"abcdefg"))
FILES = {".png": label_files.png, ".JPG": label_files.jpeg, ".tif": label_files.tiff}


def writes(data: bytes) -> Any:
    return lambda path: path.write_bytes(data)


@pytest.mark.parametrize("ending", FILES)
def test_exported(tmp_path: Path, ending: str) -> None:
    """The strongest source type of all receipts, and the receipts in their order."""
    target = tmp_path / f"Rome at night{ending}"
    target.write_bytes(b"an older file")
    said = export.export(target, [MADE, GENERATED], writes(FILES[ending]()))
    assert said.endswith("exported with 2 receipts, digital source type trainedAlgorithmicMedia.")
    assert labels.read(target) == [receipt.to_dict(MADE), receipt.to_dict(GENERATED)]
    picture = Image.open(target)
    picture.load()
    assert picture.size == (7, 5)
    assert b"trainedAlgorithmicMedia" in target.read_bytes()
    assert list(tmp_path.iterdir()) == [target]


def test_what_the_editor_writes_counts(tmp_path: Path) -> None:
    """A source type that the exporter has put in is not made weaker."""
    strong = tmp_path / "strong.png"
    strong.write_bytes(label_files.png())
    labels.embed(strong, [receipt.to_dict(GENERATED)])
    target = tmp_path / "out.png"
    said = export.export(target, [MADE], writes(strong.read_bytes()))
    assert "1 receipt, digital source type trainedAlgorithmicMedia" in said
    assert labels.read(target) == [receipt.to_dict(MADE)]


def test_without_receipts(tmp_path: Path) -> None:
    data = label_files.png()
    said = export.export(tmp_path / "a.png", [], writes(data))
    assert said == "a.png: exported without a label, since no visible layer has a receipt."
    assert (tmp_path / "a.png").read_bytes() == data


def test_another_kind(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"ends in \.png, \.tif, \.jpg"):
        export.export(tmp_path / "a.webp", [MADE], writes(b"x"))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("data", [b"", b"no picture", label_files.png()[:40]])
def test_a_bad_export_leaves_what_was_there(tmp_path: Path, data: bytes) -> None:
    target = tmp_path / "a.png"
    target.write_bytes(b"an older file")
    with pytest.raises((BadInput, CouldNotBeDone)):
        export.export(target, [MADE], writes(data))
    assert target.read_bytes() == b"an older file" and list(tmp_path.iterdir()) == [target]


def test_an_editor_that_fails(tmp_path: Path) -> None:
    def fail(path: Path) -> None:
        path.write_bytes(b"half")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        export.export(tmp_path / "a.png", [MADE], fail)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(CouldNotBeDone, match="no folder"):
        export.export(tmp_path / "none" / "a.png", [MADE], writes(b""))


def test_endings() -> None:
    assert export.with_ending("a", "TIFF") == "a.tif"
    assert export.with_ending("a.b", "JPEG") == "a.b.jpg"
    assert export.with_ending("a.JPEG", "PNG") == "a.JPEG"
