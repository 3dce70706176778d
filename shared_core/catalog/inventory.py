"""What the models take on this disk, and which of them have not been used for long."""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _
from .card import Card, Tier
from .manifest import NAME, size_of
from .store import ModelState, Store


@dataclass(frozen=True)
class Entry:
    """A model, what is here of it, and the bytes of all files in its folder."""

    card: Card
    state: ModelState
    disk_bytes: int

    @property
    def idle_since(self) -> str:
        """The day on which it was last used, or else came here; "" where neither is known."""
        return max(self.state.used, self.state.arrived)

    def idle_days(self, today: date) -> int | None:
        """For how many days it has not been used; None where nothing of it is here or known."""
        if not self.disk_bytes or not self.idle_since:
            return None
        return (today - date.fromisoformat(self.idle_since)).days


def take(store: Store, cards: Iterable[Card]) -> list[Entry]:
    """All models with what is here of them."""
    return [Entry(card, store.state(card), disk_bytes(store.root / card.id)) for card in cards]


def unused(entries: Sequence[Entry], days: int, today: date) -> list[Entry]:
    """The models here that have not been used for ``days`` and can be had again.

    Not what a model in use needs, and nothing that the user brought from elsewhere than the Hub.
    """
    idle = {
        entry.card.id
        for entry in entries
        if entry.card.hosted and (entry.idle_days(today) or 0) >= days
    }
    needed = {
        need
        for entry in entries
        if entry.disk_bytes and entry.card.id not in idle
        for need in entry.card.needs
    }
    return [entry for entry in entries if entry.card.id in idle - needed]


def strangers(root: Path, known: Collection[str]) -> dict[str, int]:
    """The bytes of models that were brought here by NSS and have no card any more, by name."""
    found = {}
    if root.is_dir():
        for folder in sorted(root.iterdir()):
            if folder.name not in known and (folder / NAME).is_file():
                found[folder.name] = disk_bytes(folder)
    return found


def remove_stranger(root: Path, name: str) -> None:
    """Delete such a model's files. Raises ``CouldNotBeDone`` when one cannot be deleted."""
    try:
        shutil.rmtree(root / name)
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "{root} cannot be removed ({reason}). Correct its permissions.",
                root=root / name,
                reason=error.strerror or error,
            )
        ) from error


def disk_bytes(folder: Path) -> int:
    """The bytes of all files below the folder."""
    return sum(size_of(path) for path in folder.rglob("*") if path.is_file())


def by_tier(entries: Sequence[Entry]) -> Mapping[str, tuple[int, int, int, int]]:
    """By tier: how many models are here, of how many; bytes on the disk, bytes of them all.

    The user's own count in none.
    """
    found = {tier.value: (0, 0, 0, 0) for tier in Tier}
    for entry in entries:
        if entry.card.own:
            continue
        here, count, used, total = found[entry.card.tier.value]
        found[entry.card.tier.value] = (
            here + entry.state.usable,
            count + 1,
            used + entry.disk_bytes,
            total + entry.card.download_bytes,
        )
    return found
