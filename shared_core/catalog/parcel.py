"""Models as a folder that is carried to another machine: export, and import of any folder.

What is imported is known by its bytes alone: the files may have any names and lie anywhere in the
folder. An exported folder has an index besides, for people, and for the hashes that cards leave to
the hub.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..bridge.errors import Cancelled, CouldNotBeDone
from ..bridge.language import _
from .card import Card, CardFile
from .manifest import file_key, is_whole, lstat, sha256_of, stamp
from .shelf import Shelf
from .store import Progress, Store
from .transfer.copying import holds, put

INDEX = "index.json"
_SCHEMA = 1
_LARGEST_INDEX = 1 << 20
LINKED, COPIED, HERE = "linked", "copied", _("already here")

OnProgress = Callable[[Progress], None]
Stopped = Callable[[], bool]


@dataclass(frozen=True)
class Match:
    """A file of a card, and a file with its bytes."""

    card: Card
    file: CardFile
    source: Path
    sha256: str


@dataclass
class Found:
    """What a folder holds: files of models, files of none, files that could not be read."""

    matches: list[Match] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def look(
    store: Store,
    cards: Mapping[str, Card],
    folder: Path,
    on_progress: OnProgress = lambda progress: None,
    cancelled: Stopped = lambda: False,
) -> Found:
    """Compare the files below ``folder`` with those of all cards; only likely ones are read.

    Raises ``CouldNotBeDone`` where the folder cannot be read, and ``Cancelled``.
    """
    if not folder.is_dir():
        raise CouldNotBeDone(
            _("There is no folder {folder}. Connect its disk, or correct the name.", folder=folder)
        )
    found = Found()
    files = _files(folder, found.unreadable, cancelled)
    declared = _declared(path for path in files if path.name == INDEX)
    wanted: dict[tuple[int, str], list[tuple[Card, CardFile]]] = {}
    for card in cards.values():
        for file in card.files:
            sha256 = store.declared(card, file) or declared.get(_origin(card, file), "")
            wanted.setdefault((file.size, sha256), []).append((card, file))
    sizes = {size for size, sha256 in wanted if sha256}
    total, before = sum(size for size in files.values() if size in sizes), 0
    seen: set[tuple[int, str]] = set()
    for path, size in files.items():
        sha256 = ""
        if size in sizes:

            def report(here: int, before: int = before, path: Path = path) -> None:
                on_progress(Progress(before + here, total, path.name))

            before += size
            try:
                sha256 = sha256_of(path, report, cancelled)
            except OSError as error:
                found.unreadable.append(f"{path} ({error.strerror or error})")
                continue
        key = (size, sha256)
        if sha256 and key in wanted:
            # A second file with the same bytes is known, and not needed.
            if key not in seen:
                found.matches += [Match(*one, path, sha256) for one in wanted[key]]
                seen.add(key)
        elif path.name != INDEX:
            found.others.append(path)
    found.matches = _meant(store, found.matches)
    return found


def _meant(store: Store, matches: Sequence[Match]) -> list[Match]:
    """Without the files of models of which nothing is here but what other models have as well."""
    meant = {
        match.card.id
        for match in matches
        if match.file == match.card.main_file or store.state(match.card).bytes_here
    }
    shared = {match.sha256 for match in matches if match.card.id in meant}
    return [match for match in matches if match.card.id in meant or match.sha256 not in shared]


def bring(
    store: Store,
    match: Match,
    on_progress: OnProgress = lambda progress: None,
    cancelled: Stopped = lambda: False,
) -> str:
    """Put one file into its place, verified: LINKED, COPIED or HERE.

    Raises ``CouldNotBeDone`` with one sentence, or ``Cancelled``.
    """
    store.ready()
    file = match.file
    declared = {} if file.sha256 else {file_key(match.card, file): match.sha256}
    shelf = Shelf(store.root, match.card)
    with store.held(match.card):
        manifest = shelf.checked(cancelled)
        info = lstat(shelf.place(file))
        if info is not None and is_whole(info, file):
            found = manifest.stamped(file, info)
            if found == match.sha256:
                shelf.keep({}, declared)
                return HERE

        def report(here: int) -> None:
            on_progress(Progress(here, file.size, file.path))

        target, by_way_of = shelf.place(file), shelf.part(file).with_suffix(".tmp")
        linked = put(
            match.source,
            target,
            match.sha256,
            by_way_of,
            match.card.title,
            report,
            cancelled,
            link=True,
        )
        shelf.part(file).unlink(missing_ok=True)
        stamps = {file.path: stamp(target.stat(), match.sha256)}
        shelf.keep(stamps, declared, _("folder {parent}", parent=match.source.parent))
    return LINKED if linked else COPIED


def export(
    store: Store,
    cards: Sequence[Card],
    folder: Path,
    on_progress: OnProgress = lambda progress: None,
    cancelled: Stopped = lambda: False,
) -> None:
    """Copy models into ``folder``, one folder each, and write the index of all that is there.

    Raises ``CouldNotBeDone`` with one sentence where a model is not here whole, or the folder
    cannot be written; and ``Cancelled``. What was copied before stays and is not copied again.
    """
    hashes = {card.id: _hashes(store, card, cancelled) for card in cards}
    total = sum(card.file_bytes for card in cards)
    before = 0
    for card in cards:
        shelf = Shelf(store.root, card)
        for file in card.files:
            target = folder / card.id / file.path

            def report(here: int, before: int = before, file: CardFile = file) -> None:
                on_progress(Progress(before + here, total, file.path))

            sha256 = hashes[card.id][file.path]
            if not holds(target, file.size, sha256, cancelled):
                by_way_of = target.with_name(target.name + ".part")
                put(shelf.place(file), target, sha256, by_way_of, card.title, report, cancelled)
            before += file.size
            on_progress(Progress(before, total, file.path))
    _write_index(folder, cards, hashes)


def _hashes(store: Store, card: Card, cancelled: Stopped) -> dict[str, str]:
    """The SHA-256 of each of the model's files, all of which must be here and right."""
    shelf = Shelf(store.root, card)
    manifest = shelf.checked(cancelled)
    found = {}
    for file in card.files:
        info = lstat(shelf.place(file))
        sha256 = manifest.stamped(file, info) if info is not None else ""
        if not sha256 or shelf.fault_of(file, manifest):
            reason = shelf.fault_of(file, manifest) or _(
                "{model} is not here completely.", model=card.title
            )
            raise CouldNotBeDone(_("{id} cannot be exported. {reason}", id=card.id, reason=reason))
        found[file.path] = sha256
    return found


def _write_index(
    folder: Path, cards: Sequence[Card], hashes: Mapping[str, Mapping[str, str]]
) -> None:
    path = folder / INDEX
    models = _read_index(path)
    for card in cards:
        models[card.id] = {
            "title": card.title,
            "tool": card.tool,
            "licence": card.licence,
            "licence_link": card.licence_link,
            "commercial_use": card.commercial_use.value,
            "repo": card.repo,
            "revision": card.revision,
            "files": [
                {
                    "path": file.path,
                    "size": file.size,
                    "sha256": hashes[card.id][file.path],
                    "sha256_from": "card" if file.sha256 else "hub",
                }
                for file in card.files
            ],
        }
    about = "Models for NSS, one folder each. Read them in with: nss models import FOLDER"
    data = {"about": about, "schema": _SCHEMA, "models": models}
    fresh = path.with_suffix(".tmp")
    try:
        fresh.write_text(json.dumps(data, indent=1) + "\n", encoding="utf-8")
        os.replace(fresh, path)
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The index {path} cannot be written ({reason}).",
                path=path,
                reason=error.strerror or error,
            )
        ) from error


def _read_index(path: Path) -> dict[str, Any]:
    """The models of an index; nothing where it is none."""
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError, RecursionError):
        if path.stat().st_size <= _LARGEST_INDEX:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["schema"] == _SCHEMA and isinstance(data["models"], dict):
                return dict(data["models"])
    return {}


def _declared(indexes: Iterable[Path]) -> dict[tuple[str, ...], str]:
    """The hashes that the hub declared to whoever exported, by where each file comes from."""
    found = {}
    for path in indexes:
        for model in _read_index(path).values():
            with contextlib.suppress(KeyError, TypeError, AttributeError):
                for file in model["files"]:
                    origin = (model["repo"], model["revision"], file["path"])
                    found[tuple(map(str, origin))] = str(file["sha256"]).lower()
    return found


def _origin(card: Card, file: CardFile) -> tuple[str, ...]:
    return card.repo, card.revision, file.path


def _files(folder: Path, unreadable: list[str], cancelled: Stopped) -> dict[Path, int]:
    """All files below ``folder`` with their sizes; links to files count, links to folders do not.

    Raises ``Cancelled``.
    """
    found = {}

    def on_error(error: OSError) -> None:
        unreadable.append(f"{error.filename} ({error.strerror})")

    for here, folders, names in os.walk(folder, onerror=on_error):
        if cancelled():
            raise Cancelled(_("The import was cancelled."))
        folders.sort()
        for name in sorted(names):
            path = Path(here, name)
            try:
                info = path.stat()
            except OSError as error:
                on_error(error)
                continue
            if stat.S_ISREG(info.st_mode):
                found[path] = info.st_size
    return found
