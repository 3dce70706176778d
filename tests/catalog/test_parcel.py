"""Models carried in a folder: known by their bytes, whatever they are called."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.catalog import parcel
from shared_core.catalog.store import Presence
from shared_core.catalog.transfer import (
    copying,
    download,
)
from shared_core.catalog.transfer.staging import FOLDER
from tests.catalog.small_cards import placed
from tests.catalog.small_store import Shelves

FILES = {"vocab.json": b"{}" * 500, "deep/merges.txt": b"a b\n" * 500}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    made = Shelves(tmp_path / "mine")
    made.offer("words", FILES)
    return made


@pytest.fixture
def stick(tmp_path: Path) -> Path:
    """A folder with the model's files under other names, and with others."""
    folder = tmp_path / "stick"
    files = {
        "a/b/c/0001.bin": FILES["vocab.json"],
        "z/second copy": FILES["vocab.json"],
        "Ünïcode 写真": FILES["deep/merges.txt"],
        "same size": b"x" * len(FILES["vocab.json"]),
        "readme": b"Hello.",
    }
    placed(folder, files)
    return folder


@pytest.fixture
def no_links(monkeypatch: pytest.MonkeyPatch) -> None:
    def link(source: object, target: object) -> None:
        raise OSError("a disk that knows no links")

    monkeypatch.setattr(os, "link", link)


def brought(shelves: Shelves, folder: Path) -> dict[str, str]:
    """What was done with each file found in ``folder``."""
    found = parcel.look(shelves.store, shelves.cards, folder)
    return {one.file.path: parcel.bring(shelves.store, one) for one in found.matches}


def whole(shelves: Shelves, model: str = "words") -> None:
    """All files are in their place and verified; nothing is left of the way there."""
    card = shelves.cards[model]
    state = shelves.store.state(card)
    assert state.presence is Presence.UNCHECKED and "must be tried" in state.reason
    for file in card.files:
        data = (shelves.store.folder(card) / file.path).read_bytes()
        assert hashlib.sha256(data).hexdigest() == shelves.store.declared(card, file)
    assert not list((shelves.root / FOLDER).iterdir())


def test_files_are_found_by_their_bytes_and_told(shelves: Shelves, stick: Path) -> None:
    found = parcel.look(shelves.store, shelves.cards, stick)
    assert {match.file.path: match.source.name for match in found.matches} == {
        "vocab.json": "0001.bin",
        "deep/merges.txt": "Ünïcode 写真",
    }
    assert {path.name for path in found.others} == {"same size", "readme"}
    assert found.unreadable == []


def test_a_file_in_common_does_not_begin_another_model(shelves: Shelves, stick: Path) -> None:
    other = shelves.offer("other", {"o": b"o", "vocab.json": FILES["vocab.json"]})
    found = parcel.look(shelves.store, shelves.cards, stick)
    assert {match.card.id for match in found.matches} == {"words"}
    # It does go on with one that has begun, and a part alone is no less than that.
    placed(shelves.store.folder(other), {"o": b"o"})
    found = parcel.look(shelves.store, shelves.cards, stick)
    assert [match.card.id for match in found.matches].count("other") == 1
    (stick / "a/b/c/0001.bin").unlink()
    (stick / "z/second copy").unlink()
    found = parcel.look(shelves.store, shelves.cards, stick)
    assert [match.file.path for match in found.matches] == ["deep/merges.txt"]


def test_what_lies_on_the_same_disk_is_linked(shelves: Shelves, stick: Path) -> None:
    assert set(brought(shelves, stick).values()) == {parcel.LINKED}
    whole(shelves)
    place = shelves.store.folder(shelves.cards["words"]) / "vocab.json"
    assert place.samefile(stick / "a/b/c/0001.bin")
    state = shelves.store.state(shelves.cards["words"])
    assert state.arrived
    assert set(brought(shelves, stick).values()) == {parcel.HERE}
    # Should the other name's owner write to it, it is found out like any other change.
    (stick / "a/b/c/0001.bin").write_bytes(b"[]" * 500)
    assert shelves.store.check(shelves.cards["words"]).presence is Presence.BAD


@pytest.mark.usefixtures("no_links")
def test_what_lies_on_another_disk_is_copied(shelves: Shelves, stick: Path) -> None:
    assert set(brought(shelves, stick).values()) == {parcel.COPIED}
    whole(shelves)
    shutil.rmtree(stick)
    whole(shelves)


def test_what_a_download_had_of_it_goes(shelves: Shelves, stick: Path) -> None:
    card = shelves.cards["words"]
    part = parcel.Shelf(shelves.root, card).part(card.files[0])
    placed(part.parent, {part.name: FILES["vocab.json"][:100]})
    brought(shelves, stick)
    whole(shelves)


def test_a_link_is_followed(shelves: Shelves, stick: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "vocab.json").symlink_to(stick / "z/second copy")
    (cache / "nowhere").symlink_to(stick / "nothing")
    (cache / "elsewhere").symlink_to(stick)
    found = parcel.look(shelves.store, shelves.cards, cache)
    assert [str(one.source) for one in found.matches] == [str(cache / "vocab.json")]
    assert len(found.unreadable) == 1 and "nowhere" in found.unreadable[0]
    assert parcel.bring(shelves.store, found.matches[0]) == parcel.LINKED
    place = shelves.store.folder(shelves.cards["words"]) / "vocab.json"
    assert place.is_file() and not place.is_symlink()


@pytest.mark.parametrize("links", [True, False])
def test_a_file_that_changed_since_it_was_found_is_refused(
    shelves: Shelves,
    stick: Path,
    links: bool,
    request: pytest.FixtureRequest,
    capfd: pytest.CaptureFixture[str],
) -> None:
    if not links:
        request.getfixturevalue("no_links")
    found = parcel.look(shelves.store, shelves.cards, stick)
    (stick / "a/b/c/0001.bin").write_bytes(b"[]" * 500)
    [match] = [one for one in found.matches if one.file.path == "vocab.json"]
    with pytest.raises(CouldNotBeDone, match=r"got SHA-256 \w{12}…, expected \w{12}…"):
        parcel.bring(shelves.store, match)
    # The log has them in full.
    assert re.search(r"got SHA-256 \w{64}, expected \w{64}\n", capfd.readouterr().err)
    assert shelves.store.state(shelves.cards["words"]).presence is Presence.MISSING
    assert not list((shelves.root / FOLDER).iterdir())
    assert (stick / "a/b/c/0001.bin").read_bytes() == b"[]" * 500


@pytest.mark.usefixtures("no_links")
def test_a_cancel_and_a_full_disk_leave_nothing(
    shelves: Shelves, stick: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = parcel.look(shelves.store, shelves.cards, stick)
    # The lock and what lies there take a look at it too.
    looks = iter([False] * 1 + [True] * 9)
    with pytest.raises(Cancelled):
        parcel.bring(shelves.store, found.matches[0], cancelled=lambda: next(looks))
    usage = shutil.disk_usage(stick)
    monkeypatch.setattr(download.shutil, "disk_usage", lambda path: usage._replace(free=10))
    with pytest.raises(CouldNotBeDone, match="free some space"):
        parcel.bring(shelves.store, found.matches[0])
    assert not list((shelves.root / FOLDER).iterdir())
    with pytest.raises(Cancelled):
        parcel.look(shelves.store, shelves.cards, stick, cancelled=lambda: True)


def test_a_folder_that_is_not_there_is_told(shelves: Shelves, tmp_path: Path) -> None:
    with pytest.raises(CouldNotBeDone, match="Connect its disk"):
        parcel.look(shelves.store, shelves.cards, tmp_path / "nothing")


# ---------------------------------------------------------------- export


@pytest.fixture
def theirs(tmp_path: Path) -> Shelves:
    """Another machine, which has the model, and one whose hash the hub declared."""
    made = Shelves(tmp_path / "theirs")
    made.install("words", FILES)
    card = made.install("declared", {"d": b"d" * 700}, unknown=["d"])
    sha256 = hashlib.sha256(b"d" * 700).hexdigest()
    shelf = parcel.Shelf(made.root, card)
    shelf.keep({}, {parcel.file_key(card, card.files[0]): sha256})
    return made


def exported(theirs: Shelves, folder: Path, *models: str) -> dict[str, Any]:
    parcel.export(theirs.store, [theirs.cards[model] for model in models], folder)
    index: dict[str, Any] = json.loads((folder / parcel.INDEX).read_text("utf-8"))
    return index["models"]  # type: ignore[no-any-return]


def test_an_exported_folder_is_read_in_elsewhere(
    theirs: Shelves, shelves: Shelves, tmp_path: Path
) -> None:
    folder = tmp_path / "stick 2"
    index = exported(theirs, folder, "words", "declared")
    assert index["words"]["licence"] == "MIT" and index["words"]["title"] == "The words"
    assert [file["sha256_from"] for file in index["words"]["files"]] == ["card", "card"]
    assert [file["sha256_from"] for file in index["declared"]["files"]] == ["hub"]
    assert (folder / "words/deep/merges.txt").read_bytes() == FILES["deep/merges.txt"]
    assert not (folder / "words/vocab.json").samefile(theirs.root / "words/vocab.json")
    card = shelves.offer("declared", {"d": b"d" * 700}, unknown=["d"])
    assert set(brought(shelves, folder)) == {"vocab.json", "deep/merges.txt", "d"}
    whole(shelves)
    whole(shelves, "declared")
    assert shelves.store.declared(card, card.files[0])


@pytest.mark.parametrize("field", ["revision", "repo"])
def test_what_the_hub_declared_counts_for_that_revision_alone(
    theirs: Shelves, shelves: Shelves, tmp_path: Path, field: str
) -> None:
    folder = tmp_path / "stick 2"
    exported(theirs, folder, "declared")
    card = shelves.offer("declared", {"d": b"d" * 700}, unknown=["d"])
    path = folder / parcel.INDEX
    index = json.loads(path.read_text("utf-8"))
    index["models"]["declared"][field] = "7" * 40
    path.write_text(json.dumps(index), "utf-8")
    assert brought(shelves, folder) == {}
    assert shelves.store.declared(card, card.files[0]) == ""


@pytest.mark.parametrize(
    "spoil",
    [
        lambda path: path.write_text("[" * 5000),
        lambda path: path.write_text('{"schema": 1, "models": {"a": 3, "b": {"files": [4]}}}'),
        lambda path: path.write_bytes(b"\xff\xfe"),
        lambda path: path.unlink(),
    ],
)
def test_a_spoilt_index_costs_only_what_it_alone_knows(
    theirs: Shelves, shelves: Shelves, tmp_path: Path, spoil: Callable[[Path], None]
) -> None:
    folder = tmp_path / "stick 2"
    exported(theirs, folder, "words", "declared")
    shelves.offer("declared", {"d": b"d" * 700}, unknown=["d"])
    spoil(folder / parcel.INDEX)
    assert set(brought(shelves, folder)) == {"vocab.json", "deep/merges.txt"}


def test_a_second_export_copies_what_is_missing_and_keeps_the_index(
    theirs: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "stick 2"
    exported(theirs, folder, "words")
    (folder / "words/vocab.json").write_bytes(b"[]" * 500)
    copied = []
    copy = copying._copy
    monkeypatch.setattr(
        copying, "_copy", lambda *given: copied.append(given[0].name) or copy(*given)
    )
    assert set(exported(theirs, folder, "declared")) == {"words", "declared"}
    exported(theirs, folder, "words", "declared")
    assert copied == ["d", "vocab.json"]
    assert (folder / "words/vocab.json").read_bytes() == FILES["vocab.json"]


def test_only_what_is_whole_and_right_is_exported(
    theirs: Shelves, shelves: Shelves, tmp_path: Path
) -> None:
    folder = tmp_path / "stick 2"
    with pytest.raises(CouldNotBeDone, match="words cannot be exported"):
        exported(shelves, folder, "words")
    (theirs.root / "words/vocab.json").write_bytes(b"[]" * 500)
    with pytest.raises(CouldNotBeDone, match="Download it again"):
        exported(theirs, folder, "words")
    assert not folder.exists()
    (tmp_path / "file").touch()
    with pytest.raises(CouldNotBeDone, match="could not be brought"):
        exported(theirs, tmp_path / "file", "declared")
