"""Cards and models made for one test each: any tensors, any files."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from shared_core.catalog import cards
from shared_core.catalog.cards import Card
from tests.fakes.contracts.graph import Graph, Tensor

REPO = "nobody/nothing"
REVISION = "5" * 40


def card_text(
    model: str,
    files: Mapping[str, bytes],
    tensors: str,
    *,
    roles: Mapping[str, str] | None = None,
    unknown: Sequence[str] = (),
    extra: str = "",
    rule: str = "",
) -> str:
    """A card in TOML: ``tensors`` and ``rule`` are tables, ``extra`` are fields.

    The hashes of the files in ``unknown`` are the hub's to declare.
    """
    text = (
        f'schema = 1\nid = "{model}"\ntool = "denoise"\ntitle = "The {model}"\ntier = "lite"\n'
        f'rank = 1\nrepo = "{REPO}"\nrevision = "{REVISION}"\nlicence = "MIT"\n'
        f'commercial_use = "yes"\ncommercial_note = "Allowed."\n{extra}\n'
    )
    for path, data in files.items():
        text += f'[[file]]\npath = "{path}"\nsize = {len(data)}\n'
        known = cards.HUB_DECLARED if path in unknown else hashlib.sha256(data).hexdigest()
        text += f'sha256 = "{known}"\n'
        if roles and path in roles:
            text += f'role = "{roles[path]}"\n'
    source = '[[source]]\nfacts = ["file"]\nsource = "here"\ncertainty = "high"\n'
    return text + tensors + rule + source


def card(folder: Path, model: str, text: str) -> Card:
    """The card of ``text``, written into ``folder`` and read from there."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{model}.toml"
    path.write_text(text, encoding="utf-8")
    return cards.read_card(path)


def identity(
    shape: Sequence[int | str] = (1, 3, 32, 32), factor: float = 1.0, name: str = "picture"
) -> bytes:
    """A model that multiplies its float32 input ``name`` by ``factor``, as output "result"."""
    graph = Graph()
    graph.call("result", graph.scaled(name, factor))
    return graph.bytes([Tensor(name, "float32", shape)], [Tensor("result", "float32", shape)])


def placed(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write ``files`` below ``folder``."""
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
