"""The folder of models moved: within a disk, to another one, interrupted, and again."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_core.bridge import settings
from shared_core.bridge.errors import Cancelled, CouldNotBeDone, UsageError
from shared_core.bridge.locks import locked
from shared_core.catalog import moving
from shared_core.catalog.moving import move
from shared_core.catalog.shelf import Shelf
from shared_core.catalog.store import Presence
from tests.catalog.small_store import Shelves
from tests.conftest import ROOT

FILES = {"vocab.json": b"{}" * 5000, "deep/merges.txt": b"a b\n" * 5000}


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    made = Shelves(tmp_path)
    made.install("words", FILES)
    # Two models may have a file in common.
    made.install("other", {"a": b"a" * 100, "vocab.json": FILES["vocab.json"]})
    return made


@pytest.fixture
def other_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing can be renamed, as between disks."""

    def rename(source: object, target: object) -> None:
        raise OSError(errno.EXDEV, "Invalid cross-device link")

    monkeypatch.setattr(os, "rename", rename)


def carry(shelves: Shelves, folder: Path, **options: object) -> moving.Moved:
    return move(shelves.paths, shelves.cards.values(), folder, **options)  # type: ignore[arg-type]


def all_there(shelves: Shelves, folder: Path) -> None:
    """Everything is in ``folder``, verified without hashing anew, and nowhere else."""
    assert shelves.root == folder
    for card in shelves.cards.values():
        state = shelves.store.state(card)
        assert state.presence is Presence.INSTALLED, state.reason
        assert shelves.store.folder(card).parent == folder
    for name, data in FILES.items():
        assert (folder / "words" / name).read_bytes() == data


def test_within_a_disk_nothing_is_copied(shelves: Shelves, tmp_path: Path) -> None:
    old, new = shelves.root, tmp_path / "elsewhere/models"
    inode = (old / "words/vocab.json").stat().st_ino
    moved = carry(shelves, new)
    assert (moved.models, moved.left) == (2, ())
    all_there(shelves, new)
    assert (new / "words/vocab.json").stat().st_ino == inode
    assert not old.exists()
    assert carry(shelves, old).models == 2
    all_there(shelves, old)
    assert settings.load(shelves.paths.settings).models_folder is None


@pytest.mark.usefixtures("other_disk")
def test_to_another_disk_files_are_copied_and_verified(shelves: Shelves, tmp_path: Path) -> None:
    old, new = shelves.root, tmp_path / "elsewhere"
    seen: list[tuple[int, int]] = []
    carry(shelves, new, on_progress=lambda p: seen.append((p.done, p.total)))
    all_there(shelves, new)
    assert not old.exists()
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)
    assert seen[-1][0] == seen[-1][1]


@pytest.fixture
def shm() -> Iterator[Path]:
    place = Path("/dev/shm")
    if not place.is_dir() or not os.access(place, os.W_OK):
        pytest.skip("there is no second disk to write to")
    with tempfile.TemporaryDirectory(dir=place) as folder:
        yield Path(folder)


def test_between_two_real_disks(shelves: Shelves, shm: Path) -> None:
    if shm.stat().st_dev == shelves.root.stat().st_dev:
        pytest.skip("both folders are on one disk")
    carry(shelves, shm / "models")
    all_there(shelves, shm / "models")


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL")
def test_a_move_killed_at_any_moment_loses_nothing(shelves: Shelves, shm: Path) -> None:
    if shm.stat().st_dev == shelves.root.stat().st_dev:
        pytest.skip("both folders are on one disk")
    for number in range(8):
        shelves.install(f"large-{number}", {"a": bytes([number]) * 4_000_000})
    script = (
        "import sys\nfrom pathlib import Path\nfrom shared_core.bridge.paths import paths\n"
        "from shared_core.catalog import cards\nfrom shared_core.catalog.moving import move\n"
        "known = cards.load(Path(sys.argv[1])).values()\nprint('begins', flush=True)\n"
        "move(paths(), known, Path(sys.argv[2]))\n"
    )
    old, new = shelves.root, shm / "models"
    environment = {**os.environ, "NSS_HOME": str(shelves.folder / "home")}
    killed = 0
    for moment in (0.005, 0.02, 0.04, 0.08, 0.12, 0.2, 600):
        child = subprocess.Popen(
            [sys.executable, "-c", script, shelves.folder / "cards", new],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
        )
        assert child.stdout is not None
        child.stdout.readline()
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(moment)
        child.kill()
        killed += child.wait() != 0
        child.stdout.close()
        assert shelves.root in (old, new)
        for card in shelves.cards.values():
            state = shelves.store.check(card)
            assert state.presence is Presence.INSTALLED, f"{card.id} at {moment}: {state.reason}"
    assert killed > 0
    all_there(shelves, new)
    assert not old.exists()


def test_an_unfinished_download_goes_along(shelves: Shelves, tmp_path: Path) -> None:
    card = shelves.offer("coming", {"c": b"c" * 1000})
    part = Shelf(shelves.root, card).part(card.files[0])
    part.parent.mkdir(exist_ok=True)
    part.write_bytes(b"c" * 300)
    carry(shelves, tmp_path / "new")
    state = shelves.store.state(card)
    assert (state.presence, state.bytes_here) == (Presence.PARTIAL, 300)


@pytest.mark.usefixtures("other_disk")
def test_a_cancel_leaves_all_where_it_was_and_is_gone_on_with(
    shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = shelves.root, tmp_path / "new"
    with pytest.raises(Cancelled):
        carry(shelves, new, cancelled=(new / "words/deep").exists)
    all_there(shelves, old)
    copied = []
    put = moving.put
    monkeypatch.setattr(moving, "put", lambda *given: copied.append(given[0].name) or put(*given))
    carry(shelves, new)
    all_there(shelves, new)
    assert "a" not in copied and "vocab.json" in copied, "what was there is not copied again"


def test_a_failure_within_a_disk_puts_all_back(
    shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(*given: object) -> None:
        raise CouldNotBeDone("The settings cannot be written.")

    monkeypatch.setattr(moving.settings, "change", change)
    old = shelves.root
    with pytest.raises(CouldNotBeDone, match="settings"):
        carry(shelves, tmp_path / "new")
    all_there(shelves, old)


@pytest.mark.usefixtures("other_disk")
def test_what_could_not_be_deleted_is_deleted_the_next_time(
    shelves: Shelves, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    old, new = shelves.root, tmp_path / "new"
    with monkeypatch.context() as patch:
        patch.setattr(moving.shutil, "rmtree", lambda *given, **options: None)
        moved = carry(shelves, new)
    assert [path.name for path in moved.left] == ["other", "words"]
    all_there(shelves, new)
    assert carry(shelves, new).left == ()
    assert not old.exists()
    all_there(shelves, new)


def test_only_models_are_moved(shelves: Shelves, tmp_path: Path) -> None:
    old = shelves.root
    (old / "holiday").mkdir()
    (old / "holiday/picture.png").write_bytes(b"p")
    (shelves.folder / "cards/other.toml").unlink()
    assert carry(shelves, tmp_path / "new").models == 2, "a model without a card has a manifest"
    assert [path.name for path in old.iterdir()] == ["holiday"]


def test_a_model_that_is_there_already_stays_and_the_old_one_goes(
    shelves: Shelves, tmp_path: Path
) -> None:
    new = tmp_path / "new"
    (new / "words").mkdir(parents=True)
    (new / "words/vocab.json").write_bytes(FILES["vocab.json"])
    carry(shelves, new)
    all_there(shelves, new)


def test_impossible_folders_are_refused(shelves: Shelves, tmp_path: Path) -> None:
    old = shelves.root
    for folder in (old / "inside", old.parent):
        with pytest.raises(UsageError, match="one in the other"):
            carry(shelves, folder)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(CouldNotBeDone, match="stay in"):
        carry(shelves, file / "folder")
    card = shelves.cards["words"]
    with (
        locked(Shelf(old, card).lock(card.files[0])),
        pytest.raises(CouldNotBeDone, match="being downloaded"),
    ):
        carry(shelves, tmp_path / "new")
    all_there(shelves, old)


def test_a_folder_whose_disk_is_gone_is_told(shelves: Shelves, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    carry(shelves, disk / "models")
    disk.rename(tmp_path / "taken away")
    card = shelves.cards["words"]
    assert "connect its disk" in shelves.store.state(card).reason
    with pytest.raises(CouldNotBeDone, match="connect its disk"):
        shelves.store.download([card])
    assert not disk.exists()
    (tmp_path / "taken away").rename(disk)
    all_there(shelves, disk / "models")
