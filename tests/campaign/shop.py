"""Models to download in the campaign: of one file, of several, with needs, with declared hashes.

Small, so that many downloads go by quickly; most need no session, and so no trial.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from shared_core.bridge.language import unpacked
from shared_core.catalog import cards
from shared_core.catalog.cards import Card
from shared_core.catalog.manifest import NAME
from shared_core.catalog.shelf import Shelf
from shared_core.catalog.transfer.staging import FOLDER
from tests.catalog.small_cards import REPO, REVISION, card_text, identity, placed
from tests.catalog.world import World
from tests.fakes.contracts.graph import padded
from tests.fakes.hub import Hub

PATIENT_SECONDS = 20
MODELS = ("bare", "one", "several", "main", "declared")
# How often each is chosen; a trial takes longer than a download.
WEIGHTS = (4, 1, 1, 1, 1)
FETCH = "shared_core.catalog.fetch"
_PICTURE = """
dtype = "float32"
layout = "NCHW"
shape = [1, 3, 32, 32]
channels = ["R", "G", "B"]
"""


class Shop(World):
    """A world with models of the campaign's own."""

    def family(self, model: str) -> list[Card]:
        """A model's card, and those of what it needs."""
        known = self.cards
        return cards.with_needs(known, known[model])

    def truth(self, card: Card, path: str) -> bytes:
        """The right bytes of a file."""
        return (self.hub.folder / card.repo / card.revision / path).read_bytes()

    def give_up_after(self, seconds: int) -> None:
        """After how many seconds a silent hub counts as gone."""
        self.extra["HF_HUB_DOWNLOAD_TIMEOUT"] = self.extra["HF_HUB_ETAG_TIMEOUT"] = str(seconds)

    # What is on the disk

    def wrong_files(self) -> list[str]:
        """Files that have their final name and not their bytes."""
        wrong = []
        for card in self.cards.values():
            for file in card.files:
                place = Shelf(self.store.root, card).place(file)
                if place.exists() and place.read_bytes() != self.truth(card, file.path):
                    wrong.append(f"{card.id}/{file.path}")
        return wrong

    def strays(self) -> list[str]:
        """All that is neither a model's file or manifest nor an unfinished download of one."""
        root = self.store.root
        known = set()
        for card in self.cards.values():
            shelf = Shelf(root, card)
            known.add(shelf.folder / NAME)
            known |= {shelf.place(file) for file in card.files}
            known |= {shelf.part(file) for file in card.files}
        found = [path for path in root.rglob("*") if path.is_file() and path not in known]
        return [str(path.relative_to(root)) for path in found]

    def unfinished(self) -> list[str]:
        """What lies in the staging folder."""
        staging = self.store.root / FOLDER
        return [path.name for path in staging.iterdir()] if staging.is_dir() else []

    def bytes_to_come(self, model: str) -> int:
        """What a download may still transfer, if nothing that is good comes again.

        Where a part does not begin like the file, that is found out at its end only; then all of
        the file comes anew.
        """
        total = 0
        for card in self.family(model):
            for file in card.files:
                shelf, truth = Shelf(self.store.root, card), self.truth(card, file.path)
                place, part = shelf.place(file), shelf.part(file)
                if place.exists() and place.read_bytes() == truth:
                    continue
                held = part.read_bytes() if part.exists() else b""
                if len(held) > len(truth):
                    held = b""
                total += len(truth) - len(held)
                if not truth.startswith(held):
                    total += len(truth)
        return total


def outcome(said: str) -> dict[str, Any]:
    """The last event that a download process reported."""
    lines = said.strip().splitlines()
    last: dict[str, Any] = unpacked(json.loads(lines[-1])) if lines else {}
    return last


@contextmanager
def a_shop(folder: Path) -> Iterator[Shop]:
    """A shop below ``folder``."""
    _stock(folder)
    with Hub(folder / "hub") as hub:
        shop = Shop(folder, hub)
        # A busy machine is no fault.
        shop.give_up_after(PATIENT_SECONDS)
        yield shop


def _stock(folder: Path) -> None:
    chance = random.Random(5)

    def onnx(name: str) -> dict[str, bytes]:
        return padded({f"{name}.onnx": identity()}, 300_000 + chance.randrange(200_000))

    tensors = f"[[input]]{_PICTURE}[[output]]{_PICTURE}"
    two = "".join(
        f'[[{kind}]]\nrole = "{role}"{_PICTURE}'
        for role in ("unet", "vae")
        for kind in ("input", "output")
    )
    words = {
        "weights.bin": chance.randbytes(700_000),
        "table.data": chance.randbytes(250_000),
        "vocab.json": json.dumps(dict.fromkeys(range(6000), "word")).encode(),
    }
    several = {**onnx("several/unet"), **onnx("several/vae"), "several/merges.txt": b"a b\n" * 9000}
    roles = {"several/unet.onnx": "unet", "several/vae.onnx": "vae", "several/merges.txt": "merges"}
    offers: tuple[tuple[str, dict[str, bytes], str, dict[str, Any]], ...] = (
        ("bare", words, "", {"extra": "helper = true"}),
        ("one", onnx("one"), tensors, {}),
        ("several", several, two, {"roles": roles}),
        ("main", onnx("main"), tensors, {"extra": 'needs = ["bare"]'}),
        ("declared", onnx("declared"), tensors, {"unknown": ["declared.onnx"]}),
    )
    for model, files, text, options in offers:
        placed(folder / "hub" / REPO / REVISION, files)
        placed(
            folder / "cards", {f"{model}.toml": card_text(model, files, text, **options).encode()}
        )
