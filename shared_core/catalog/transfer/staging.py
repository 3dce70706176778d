"""Unfinished downloads, and what processes that were killed left beside them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from ...bridge.errors import CouldNotBeDone
from ...bridge.locks import locked_now
from ..card import Card
from ..manifest import file_key, lstat

FOLDER = ".staging"
PART, LOCK = ".part", ".lock"
KEEP_SECONDS = 30 * 86400.0


@dataclass(frozen=True)
class Leftover:
    """A file that waits to become another: what is here of ``file`` of the card ``model``.

    ``model`` is "" where it belongs to no card; ``since`` is when bytes last came, in seconds of
    the epoch; ``busy`` says that a process is at it.
    """

    path: Path
    bytes: int
    model: str
    file: str
    since: float
    busy: bool

    def worth_keeping(self, now: float) -> bool:
        """Whether a download will go on with it."""
        return self.busy or (bool(self.model) and now - self.since < KEEP_SECONDS)


def look(root: Path, cards: Iterable[Card]) -> list[Leftover]:
    """What lies in the staging folder of the models' folder ``root``."""
    owners = {
        file_key(card, file) + PART: (card.id, file.path) for card in cards for file in card.files
    }
    found = []
    for path in _files(root):
        info = lstat(path)
        if info is None or path.suffix == LOCK:
            continue
        model, file = owners.get(path.name, ("", ""))
        found.append(
            Leftover(path, info.st_size, model, file, info.st_mtime, _held(_lock_of(path)))
        )
    return found


def sweep(root: Path, cards: Iterable[Card], wanted: Collection[str] = ()) -> list[Leftover]:
    """Delete what no download will go on with, and locks that nobody holds; what was deleted.

    Files of the cards ``wanted`` stay, however old they are.
    """
    now = time.time()
    deleted = []
    for leftover in look(root, cards):
        if leftover.model in wanted or leftover.worth_keeping(now):
            continue
        with contextlib.suppress(OSError, CouldNotBeDone), locked_now(_lock_of(leftover.path)) as h:
            if h:
                leftover.path.unlink()
                deleted.append(leftover)
    for path in _files(root):
        if path.suffix == LOCK:
            _held(path)
    return deleted


def _files(root: Path) -> list[Path]:
    try:
        return sorted((root / FOLDER).iterdir())
    except OSError:
        return []


def _lock_of(path: Path) -> Path:
    return path.with_suffix(LOCK)


def _held(lock: Path) -> bool:
    """Whether a process holds the lock; one that nobody holds is gone after this."""
    if not lock.exists():
        return False
    try:
        with locked_now(lock) as mine:
            return not mine
    except CouldNotBeDone:
        return False
