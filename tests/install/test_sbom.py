"""The bill of materials names all that the zips hold and all that the worker's set-up installs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import io
import json
import re
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge.setup import locks
from shared_core.catalog import cards

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tests.install.test_package import build  # noqa: PLC0415

    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def bill(dist: Path) -> dict[str, Any]:
    made: dict[str, Any] = json.loads((dist / "nss.cdx.json").read_text("ascii"))
    return made


def of_type(bill: dict[str, Any], kind: str) -> list[dict[str, Any]]:
    return [one for one in bill["components"] if one["type"] == kind]


def test_it_is_cyclonedx(bill: dict[str, Any]) -> None:
    assert (bill["bomFormat"], bill["specVersion"], bill["version"]) == ("CycloneDX", "1.6", 1)
    assert re.fullmatch(r"urn:uuid:[0-9a-f-]{36}", bill["serialNumber"])
    references = [one["bom-ref"] for one in bill["components"]]
    assert len(references) == len(set(references))
    [root] = bill["dependencies"]
    assert root["ref"] == bill["metadata"]["component"]["bom-ref"]
    assert root["dependsOn"] == references


def test_it_has_the_sums_of_what_is_published(dist: Path, bill: dict[str, Any]) -> None:
    told = {one["name"]: one["hashes"][0]["content"] for one in of_type(bill, "file")}
    files = {file.name for file in dist.iterdir()} - {"SHA256SUMS", "nss.cdx.json"}
    assert set(told) == files and len(files) == 3
    for name, digest in told.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest


def test_every_line_of_every_lock_is_in_it(bill: dict[str, Any]) -> None:
    """Read in another way than the bill was made: word by word."""
    told = {one["purl"]: one for one in of_type(bill, "library") if "scope" in one}
    seen = set()
    for flavour in (locks.BASE, *(one.id for one in locks.FLAVOURS)):
        purl = ""
        for word in (locks.LOCKS / f"{flavour}.txt").read_text("utf-8").split():
            if "==" in word and word[0].isalnum():
                name, _, version = word.rstrip(";").partition("==")
                purl = f"pkg:pypi/{name.lower().replace('_', '-').replace('.', '-')}@{version}"
                seen.add(purl)
                assert {"name": "nss:lock", "value": flavour} in told[purl]["properties"]
            elif word.startswith("--hash=sha256:"):
                [reference] = told[purl]["externalReferences"]
                hashes = [one["content"] for one in reference["hashes"]]
                assert word.removeprefix("--hash=sha256:") in hashes
    assert seen == set(told) and len(seen) > 20
    assert told[f"pkg:pypi/huggingface-hub@{version_of('huggingface-hub')}"]["scope"] == "required"
    assert {one["scope"] for purl, one in told.items() if "openvino" in purl} == {"optional"}


def version_of(name: str) -> str:
    return importlib.metadata.version(name)


def test_it_names_what_lies_inside_the_zips(dist: Path, bill: dict[str, Any]) -> None:
    """Foreign code and models: nothing that the bill does not know."""
    models = {one["hashes"][0]["content"] for one in of_type(bill, "machine-learning-model")}
    shipped = [card for card in cards.load().values() if card.shipped is not None]
    assert len(models) == sum(len(card.files) for card in shipped) > 0
    for name in ("nss_krita.zip", "nss_gimp.zip"):
        with zipfile.ZipFile(dist / name) as archive:
            vendored = {
                Path(inside).name
                for inside in archive.namelist()
                if "/_vendor/" in inside and not inside.endswith("/")
            }
            assert vendored <= {"__init__.py", "appdirs.py", "appdirs-LICENSE.txt"}
            [wheel] = [inside for inside in archive.namelist() if inside.endswith(".whl")]
            body = archive.read(wheel)
        with zipfile.ZipFile(io.BytesIO(body)) as opened:
            inside = {
                hashlib.sha256(opened.read(one)).hexdigest()
                for one in opened.namelist()
                if one.endswith(".onnx") and "_models/" in one
            }
        assert inside == models


def test_all_requirements_are_pinned_by_hash() -> None:
    sys.path.insert(0, str(ROOT / "packaging"))
    try:
        import sbom  # noqa: PLC0415
    finally:
        sys.path.remove(str(ROOT / "packaging"))
    for flavour in locks.FLAVOURS:
        for file in locks.files(flavour.id):
            found = list(sbom.pins(file))
            assert found and all(hashes for *_, hashes in found), file.name
