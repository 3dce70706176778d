"""What downloads leave that did not end: what is kept, what goes, and when."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from shared_core.bridge.locks import locked
from shared_core.catalog.manifest import file_key
from shared_core.catalog.transfer.staging import (
    FOLDER,
    KEEP_SECONDS,
)
from tests.catalog.small_store import Shelves

FILES = {"vocab.json": b"{}" * 50, "merges.txt": b"a b\n" * 50}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    made = Shelves(tmp_path)
    made.offer("words", FILES)
    (made.root / FOLDER).mkdir(parents=True)
    return made


def part(shelves: Shelves, name: str, old: bool = False) -> Path:
    path = shelves.root / FOLDER / name
    path.write_bytes(b"x" * 10)
    if old:
        long_ago = time.time() - KEEP_SECONDS - 1
        os.utime(path, (long_ago, long_ago))
    return path


def key(shelves: Shelves, number: int = 0) -> str:
    card = shelves.cards["words"]
    return file_key(card, card.files[number])


def left(shelves: Shelves) -> set[str]:
    return {path.name for path in (shelves.root / FOLDER).iterdir()}


def test_an_unfinished_download_is_told_and_kept(shelves: Shelves) -> None:
    kept = part(shelves, key(shelves) + ".part")
    [found] = shelves.store.leftovers(shelves.cards.values())
    assert (found.path, found.bytes) == (kept, 10)
    assert (found.model, found.file, found.busy) == ("words", "vocab.json", False)
    assert shelves.store.sweep(shelves.cards.values()) == []
    assert left(shelves) == {kept.name}


def test_what_nobody_goes_on_with_goes(shelves: Shelves) -> None:
    old = part(shelves, key(shelves) + ".part", old=True)
    strange = part(shelves, "0" * 64 + ".part")
    half = part(shelves, "words.tmp")
    lock = part(shelves, key(shelves, 1) + ".lock")
    assert {one.path for one in shelves.store.sweep(shelves.cards.values())} == {old, strange, half}
    assert left(shelves) == (set() if os.name != "nt" else {lock.name})


def test_what_is_wanted_now_is_kept_however_old(shelves: Shelves) -> None:
    old = part(shelves, key(shelves) + ".part", old=True)
    assert shelves.store.sweep(shelves.cards.values(), wanted=["words"]) == []
    assert left(shelves) == {old.name}


def test_what_a_process_is_at_is_left_alone(shelves: Shelves) -> None:
    busy = part(shelves, "0" * 64 + ".part", old=True)
    with locked(busy.with_suffix(".lock")):
        [found] = shelves.store.leftovers(shelves.cards.values())
        assert found.busy
        assert shelves.store.sweep(shelves.cards.values()) == []
        assert busy.exists()
    assert shelves.store.sweep(shelves.cards.values()) != []


def test_no_folder_is_no_trouble(tmp_path: Path) -> None:
    shelves = Shelves(tmp_path)
    assert shelves.store.leftovers([]) == shelves.store.sweep([]) == []
    assert not (tmp_path / "home").exists()
