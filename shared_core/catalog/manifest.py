"""What was found out about a model's files on this disk: their hashes, and whether it works.

A stamp remembers which bytes (size, times, inode) were hashed, so that a start does not hash
gigabytes again. Standard library only.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from ..bridge.errors import Cancelled
from ..bridge.language import _, packed, unpacked
from .card import Card, CardFile

NAME = ".verified.json"
_SCHEMA = 1
_HASH_CHUNK = 1 << 20
_SHOWN_DIGITS = 12
# Of inspection and trial: models that passed older ones are tried anew before their next use.
_RULES = 3


Identity = tuple[int, int, int, int]


@dataclass(frozen=True)
class Trial:
    """What came of running the model once on the CPU, on known values of ``tile`` pixels a side.

    ``reason`` says what was wrong when ``ok`` is false. ``tile`` is 0 for a model without
    pictures; ``seconds_per_tile`` is the sum of ``seconds_by_role``, one run of each session.
    ``answers`` are some values of each session's output, and ``agreed`` names where else they came
    out the same.
    """

    ok: bool
    reason: str
    onnxruntime: str
    seconds_per_tile: float
    tile: int
    when: str
    seconds_by_role: dict[str, float] = field(default_factory=dict)
    answers: dict[str, list[float]] = field(default_factory=dict)
    agreed: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Stamp:
    """The SHA-256 that the bytes with this identity had."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str
    verified: str

    def fits(self, info: os.stat_result) -> bool:
        """Whether these are still the same bytes, as far as the file system tells."""
        return (self.size, self.mtime_ns, self.ctime_ns, self.inode) == identity(info)


@dataclass(frozen=True)
class Arrival:
    """When a file came here, and from where: the hub's address, or a folder."""

    when: str
    origin: str


@dataclass
class Manifest:
    """What is known of a model's files.

    Stamps and arrivals by the file's path, hashes that the hub declared by file key, the last
    trial, and the day on which the model last made something ("" for never).
    """

    stamps: dict[str, Stamp] = field(default_factory=dict)
    declared: dict[str, str] = field(default_factory=dict)
    trial: Trial | None = None
    arrived: dict[str, Arrival] = field(default_factory=dict)
    used: str = ""

    def expected(self, card: Card, file: CardFile) -> str:
        """The SHA-256 that the file must have: the card's, else the hub's, else ""."""
        return file.sha256 or self.declared.get(file_key(card, file), "")

    def stamped(self, file: CardFile, info: os.stat_result) -> str:
        """The SHA-256 of the bytes that are there now, "" where they were not hashed."""
        stamp = self.stamps.get(file.path)
        return stamp.sha256 if stamp is not None and stamp.fits(info) else ""


def file_key(card: Card, file: CardFile) -> str:
    """A name for the file's bytes: their SHA-256, else a hash of where they come from."""
    origin = f"{card.repo}@{card.revision}/{file.path}"
    return file.sha256 or hashlib.sha256(origin.encode()).hexdigest()


def read(folder: Path, card: Card) -> Manifest:
    """The manifest in ``folder``; an unreadable one counts as empty, and the files are hashed."""
    try:
        data = unpacked(json.loads((folder / NAME).read_text(encoding="utf-8")))
        if data["schema"] != _SCHEMA:
            return Manifest()
        stamps = {path: Stamp(**stamp) for path, stamp in data["files"].items()}
        declared = {str(key): str(value) for key, value in data.get("declared", {}).items()}
        arrived = {path: Arrival(**one) for path, one in data.get("arrived", {}).items()}
        manifest = Manifest(stamps, declared, None, arrived, str(data.get("used", "")))
        # The trial is worth something only for the very bytes and the contract that were tried.
        if data["trial"] and data["trial_of"] == _tried(card, manifest):
            manifest.trial = Trial(**data["trial"])
        return manifest
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return Manifest()


def write(folder: Path, card: Card, manifest: Manifest, fresh: Path) -> None:
    """Replace the manifest in ``folder``, by way of the file ``fresh``. Raises ``OSError``."""
    data = {
        "schema": _SCHEMA,
        "files": {path: asdict(stamp) for path, stamp in manifest.stamps.items()},
        "declared": manifest.declared,
        "arrived": {path: asdict(arrival) for path, arrival in manifest.arrived.items()},
        "used": manifest.used,
        "trial": asdict(manifest.trial) if manifest.trial else None,
        "trial_of": _tried(card, manifest),
    }
    fresh.write_text(json.dumps(packed(data), indent=1), encoding="utf-8")
    os.replace(fresh, folder / NAME)


def stamp(info: os.stat_result, sha256: str) -> Stamp:
    """The stamp for bytes that were just hashed."""
    return Stamp(*identity(info), sha256, now())


def now() -> str:
    """This moment, UTC, ISO 8601."""
    return datetime.now(timezone.utc).isoformat(timespec="seconds")


def lstat(path: Path) -> os.stat_result | None:
    """The file's own state, None where there is none."""
    try:
        return path.lstat()
    except OSError:
        return None


def is_whole(info: os.stat_result | None, file: CardFile) -> bool:
    """Whether it is a file of its own with the right size."""
    return info is not None and stat.S_ISREG(info.st_mode) and info.st_size == file.size


def size_of(path: Path) -> int:
    """The file's bytes, 0 where there is none."""
    info = lstat(path)
    return 0 if info is None else info.st_size


def sha256_of(
    path: Path,
    on_bytes: Callable[[int], None] = lambda here: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> str:
    """The SHA-256 of the file; ``on_bytes`` hears how many were read. Raises ``Cancelled``."""
    digest = hashlib.sha256()
    here = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_HASH_CHUNK):
            if cancelled():
                raise Cancelled(_("The verification was cancelled."))
            digest.update(chunk)
            here += len(chunk)
            on_bytes(here)
    return digest.hexdigest()


def beginning(sha256: str) -> str:
    """What a sentence shows of a SHA-256."""
    return f"{sha256[:_SHOWN_DIGITS]}…"


def note_wrong(place: object, found: str, expected: str) -> None:
    """Keep in full, in the worker's log, what a sentence shows the beginnings of."""
    print(f"{place}: got SHA-256 {found}, expected {expected}", file=sys.stderr, flush=True)


def _tried(card: Card, manifest: Manifest) -> str:
    contract = repr((card.inputs, card.outputs, card.tile, card.side))
    hashes = "".join(manifest.expected(card, file) for file in card.files)
    return hashlib.sha256(f"{_RULES} {hashes}{contract}".encode()).hexdigest()


def identity(info: os.stat_result) -> Identity:
    """What tells that a file's bytes are still the same: its size, times and inode."""
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino
