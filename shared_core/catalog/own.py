"""The user's own models: each has its card beside its files, in the folder of models.

Standard library only, since the light supervisor reads it.
"""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _
from ..bridge.paths import Paths
from ..bridge.toolbox import OWN
from . import cards as catalogue
from .card import Card
from .card_text import card_text

CARD = "card.toml"
_LONGEST_NAME = 40


def load(models: Path) -> dict[str, Card]:
    """The user's models by id; a card that cannot be read is left out."""
    found = {}
    for path in _places(models):
        with contextlib.suppress(CouldNotBeDone):
            card = catalogue.read_card(path, own=True)
            if card.id == path.parent.name:
                found[card.id] = card
    return found


def known(paths: Paths) -> dict[str, Card]:
    """The catalogue's models and the user's own, by id."""
    return {**catalogue.load(), **load(paths.models)}


class Known:
    """The same, read anew only where a card of the user's has come, gone or changed."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._fixed = catalogue.load()
        self._seen: dict[Path, tuple[int, int]] = {}
        self._all: Mapping[str, Card] = self._fixed

    def cards(self) -> Mapping[str, Card]:
        """All models by id."""
        root = self._paths.models
        seen = {}
        for path in _places(root):
            with contextlib.suppress(OSError):
                info = path.stat()
                seen[path] = (info.st_mtime_ns, info.st_size)
        if seen != self._seen:
            self._seen = seen
            self._all = {**self._fixed, **load(root)}
        return self._all


def _places(models: Path) -> list[Path]:
    """The files that may be cards of the user's."""
    try:
        folders = [entry for entry in os.scandir(models) if entry.name.startswith(OWN)]
    except OSError:
        return []
    return sorted(Path(entry.path) / CARD for entry in folders)


def new_id(name: str, taken: Iterable[str]) -> str:
    """A model's id from its file's name, unlike all that are taken."""
    stem = re.sub(r"\.onnx$", "", name, flags=re.IGNORECASE)
    plain = re.sub(r"[^a-z0-9]+", "-", stem.lower()).strip("-")[:_LONGEST_NAME].strip("-")
    base = f"{OWN}{plain or 'model'}"
    used, number, found = set(taken), 1, base
    while found in used:
        number += 1
        found = f"{base}-{number}"
    return found


def new_rank(cards: Iterable[Card], tool: str) -> int:
    """The rank of a model that is added now: before those that were added earlier."""
    return 1 + max((card.rank for card in cards if card.own and card.tool == tool), default=0)


def write(folder: Path, card: Card) -> None:
    """Put the card beside the model's files, complete or not at all.

    Raises ``CouldNotBeDone`` where it cannot be written.
    """
    fresh = folder / f"{CARD}.{os.getpid()}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        fresh.write_text(card_text(card), encoding="utf-8")
        os.replace(fresh, folder / CARD)
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The card of {model} cannot be written into {folder} ({reason}). Free some "
                "space or correct the folder's permissions.",
                model=card.title,
                folder=folder,
                reason=error.strerror or error,
            )
        ) from error


def switch(models: Path, card: Card, on: bool) -> Card:
    """Have the model used of its own accord, or only where it is chosen by its name."""
    changed = replace(card, opt_in=not on)
    write(models / card.id, changed)
    return changed
