"""What the zips and the worker's environment consist of, as a CycloneDX bill of materials.

Made from the hash-locked requirements, the cards of the models that ship, and what is built: the
same sources give the same bytes, so it bears no time.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import json
import re
import uuid
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from shared_core.bridge import __version__
from shared_core.bridge.setup import locks
from shared_core.catalog import cards

NAME = "nss.cdx.json"
PRODUCT = "nss-krita-gimp"
_PIN = re.compile(r"^([A-Za-z0-9._-]+)==([^\s;\\]+)\s*(?:;\s*([^\\]+?))?\s*\\?$", re.MULTILINE)
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")


def bill(artifacts: Mapping[str, bytes]) -> bytes:
    """The bill (CycloneDX 1.6, JSON) of a release whose files are ``artifacts``."""
    packages = list(_packages())
    components = [*_files(artifacts), *_vendored(), *_models(), *packages]
    product = {
        "type": "application",
        "bom-ref": PRODUCT,
        "name": PRODUCT,
        "version": __version__,
        "licenses": [{"license": {"id": "MIT"}}],
    }
    body = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {"component": product},
        "components": components,
        "dependencies": [
            {"ref": PRODUCT, "dependsOn": [component["bom-ref"] for component in components]}
        ],
    }
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).digest()
    body["serialNumber"] = f"urn:uuid:{uuid.UUID(bytes=digest[:16], version=4)}"
    return (json.dumps(body, indent=1, sort_keys=True) + "\n").encode("ascii")


def _files(artifacts: Mapping[str, bytes]) -> Iterator[dict[str, Any]]:
    for name, data in sorted(artifacts.items()):
        yield {
            "type": "file",
            "bom-ref": f"file:{name}",
            "name": name,
            "hashes": [_sha256(hashlib.sha256(data).hexdigest())],
        }


def _vendored() -> Iterator[dict[str, Any]]:
    """What lies inside the zips besides our own code."""
    version = importlib.metadata.version("appdirs")
    yield {
        "type": "library",
        "bom-ref": "vendored:appdirs",
        "name": "appdirs",
        "version": version,
        "purl": f"pkg:pypi/appdirs@{version}",
        "licenses": [{"license": {"id": "MIT"}}],
        "properties": [{"name": "nss:part", "value": "in both zips, for the editors' own Python"}],
    }


def _models() -> Iterator[dict[str, Any]]:
    """The models that ship; all others are downloads that the user consents to."""
    for card in cards.load().values():
        if card.shipped is None:
            continue
        for file in card.files:
            yield {
                "type": "machine-learning-model",
                "bom-ref": f"model:{card.id}/{file.path}",
                "name": card.id,
                "version": __version__,
                "hashes": [_sha256(file.sha256)] if file.sha256 else [],
                "properties": [{"name": "nss:file", "value": file.path}],
            }


def _packages() -> Iterator[dict[str, Any]]:
    """Every package of every flavour of the worker's environment, with the hashes of its wheels."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for part in (locks.BASE, *(flavour.id for flavour in locks.FLAVOURS)):
        for name, version, marker, hashes in pins(locks.LOCKS / f"{part}.txt"):
            purl = f"pkg:pypi/{name}@{version}"
            reference = {
                "type": "distribution",
                "url": f"https://pypi.org/project/{name}/{version}/",
                "hashes": [_sha256(value) for value in hashes],
            }
            made = found.setdefault(
                (name, version),
                {
                    "type": "library",
                    "bom-ref": purl,
                    "name": name,
                    "version": version,
                    "purl": purl,
                    "scope": "optional",
                    "externalReferences": [reference],
                    "properties": [],
                },
            )
            if part in (locks.BASE, locks.CPU):
                made["scope"] = "required"
            made["properties"].append({"name": "nss:lock", "value": part})
            if marker:
                made["properties"].append({"name": "nss:marker", "value": marker})
    for _, made in sorted(found.items()):
        yield made


def pins(lock: Path) -> Iterator[tuple[str, str, str, list[str]]]:
    """Name, version, marker and hashes of each requirement of a lock."""
    text = lock.read_text("utf-8")
    starts = list(_PIN.finditer(text))
    ends = [match.start() for match in starts[1:]] + [len(text)]
    for match, end in zip(starts, ends, strict=True):
        name, version, marker = match.groups()
        hashes = _HASH.findall(text, match.end(), end)
        yield re.sub(r"[-_.]+", "-", name).lower(), version, marker or "", hashes


def _sha256(value: str) -> dict[str, str]:
    return {"alg": "SHA-256", "content": value}
