"""Models of several sessions, models that need others, and files whose hash the hub declares.

Every download here is the real ``shared_core.catalog.fetch`` child process.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from shared_core.bridge.errors import CouldNotBeDone, RealPathImpossible
from shared_core.catalog import cards
from shared_core.catalog.cards import Card
from shared_core.catalog.store import Presence
from tests.catalog.small_cards import REPO, REVISION, card, card_text, identity, placed
from tests.catalog.world import World, message, stages
from tests.fakes.hub import Hub

PICTURE = 'dtype = "float32"\nlayout = "NCHW"\nshape = [1, 3, 32, 32]\nchannels = ["R", "G", "B"]\n'
TENSORS = f"[[input]]\n{PICTURE}[[output]]\n{PICTURE}"
TWO = "".join(
    f'[[{kind}]]\nrole = "{role}"\n{PICTURE}'
    for role in ("unet", "vae")
    for kind in ("input", "output")
)


@dataclass
class Shop(World):
    """A world whose catalogue the test fills itself."""

    def offer(self, model: str, files: dict[str, bytes], tensors: str, **options: object) -> Card:
        """Put a model's files on the hub, and its card into the catalogue."""
        placed(self.folder / "hub" / REPO / REVISION, files)
        text = card_text(model, files, tensors, **options)  # type: ignore[arg-type]
        return card(self.folder / "cards", model, text)

    def staging(self) -> list[Path]:
        return list((self.home / "data/models/.staging").glob("*.part"))


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    (tmp_path / "hub").mkdir()
    with Hub(tmp_path / "hub") as hub:
        yield Shop(tmp_path, hub, {})


# ---------------------------------------------------------------- several sessions


def test_sessions_in_sub_folders_are_fetched_tried_and_found_by_role(shop: Shop) -> None:
    files = {
        "unet/model.onnx": identity(),
        "vae/model.onnx": identity(factor=2),
        "tokenizer/merges.txt": b"#version: 0.2\n",
    }
    roles = {"unet/model.onnx": "unet", "vae/model.onnx": "vae", "tokenizer/merges.txt": "merges"}
    made = shop.offer("several", files, TWO, roles=roles)
    events, status = shop.fetch("several")
    assert status == 0, events[-1]
    assert stages(events) == ["downloading", "verifying"] * 3 + ["canary"]
    state = shop.store.state(made)
    assert state.presence is Presence.INSTALLED and state.bytes_missing == 0
    assert state.trial is not None and set(state.trial.seconds_by_role) == {"unet", "vae"}
    for path, role in roles.items():
        assert shop.store.path(made, role) == shop.store.folder(made) / path
        assert shop.store.path(made, role).read_bytes() == files[path]
    assert shop.store.path(made) == shop.store.path(made, "unet")
    with pytest.raises(KeyError):
        shop.store.path(made, "text")
    shop.store.remove(made)
    assert not shop.store.folder(made).exists()


def test_a_fault_in_the_second_session_refuses_the_model(shop: Shop) -> None:
    files = {"unet/model.onnx": identity(), "vae/model.onnx": identity(factor=float("nan"))}
    roles = {"unet/model.onnx": "unet", "vae/model.onnx": "vae"}
    made = shop.offer("several", files, TWO, roles=roles)
    events, status = shop.fetch("several")
    assert status == 4
    assert "vae/model.onnx" in message(events) and "no numbers" in message(events)
    with pytest.raises(RealPathImpossible, match="no numbers"):
        shop.store.check_before_use(made)


# ---------------------------------------------------------------- models that need others


def test_what_a_model_needs_comes_along_and_counts(shop: Shop) -> None:
    words = {"vocab.json": b"{}" * 500}
    helper = shop.offer("words", words, "", roles={"vocab.json": "vocab"}, extra="helper = true")
    main = shop.offer("main", {"model.onnx": identity()}, TENSORS, extra='needs = ["words"]')
    both = cards.with_needs(shop.cards, main)
    total = main.download_bytes + helper.download_bytes
    before = shop.store.state_together(both)
    assert (before.presence, before.bytes_total) == (Presence.MISSING, total)
    assert (before.bytes_here, before.bytes_missing, before.usable) == (0, total, False)

    events, status = shop.fetch("main")
    assert status == 0, events[-1]
    progress = [e for e in events if e["event"] == "progress"]
    assert all(e["total"] == total for e in progress)
    assert [e["done"] for e in progress] == sorted(e["done"] for e in progress)
    assert progress[-1]["done"] == total
    after = shop.store.state_together(both)
    assert (after.presence, after.bytes_missing) == (Presence.INSTALLED, 0)
    assert after.trial is not None and after.trial.tile == 32

    shop.store.remove(helper)
    assert shop.store.state(main).usable
    lost = shop.store.state_together(both)
    assert (lost.presence, lost.usable) == (Presence.PARTIAL, False)
    assert lost.reason == "The words is not downloaded."
    assert lost.bytes_missing == helper.download_bytes
    asked = len(shop.hub.downloads("model.onnx"))
    assert shop.fetch("main")[1] == 0
    assert shop.store.state_together(both).usable
    assert len(shop.hub.downloads("model.onnx")) == asked, "what is here is not fetched again"


def test_a_damaged_need_makes_the_model_unusable(shop: Shop) -> None:
    words = {"vocab.json": b"{}"}
    helper = shop.offer("words", words, "", extra="helper = true")
    main = shop.offer("main", {"model.onnx": identity()}, TENSORS, extra='needs = ["words"]')
    both = cards.with_needs(shop.cards, main)
    assert shop.fetch("main")[1] == 0
    shop.store.path(helper).write_bytes(b"[]")
    shop.store.check(helper)
    state = shop.store.state_together(both)
    assert state.presence is Presence.BAD and "vocab.json" in state.reason
    assert state.bytes_missing == 2
    assert shop.fetch("main")[1] == 0
    assert shop.store.state_together(both).presence is Presence.INSTALLED


def test_no_room_for_a_need_is_said_before_anything_is_asked(shop: Shop) -> None:
    helper = shop.offer("words", {"vocab.json": b"{}"}, "", extra="helper = true")
    shop.offer("main", {"model.onnx": identity()}, TENSORS, extra='needs = ["words"]')
    path = shop.folder / "cards/words.toml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"size = {helper.files[0].size}", f"size = {10**15}"), "utf-8")
    events, status = shop.fetch("main")
    assert status == 5
    assert "The main needs 1000000.0 GB more" in message(events)
    assert not shop.hub.requests


# ---------------------------------------------------------------- hashes that the hub declares


def test_the_hubs_own_hash_is_recorded_and_held_to(shop: Shop) -> None:
    data = identity()
    made = shop.offer("main", {"model.onnx": data}, TENSORS, unknown=["model.onnx"])
    real = hashlib.sha256(data).hexdigest()
    file = made.main_file
    assert shop.store.declared(made, file) == ""
    events, status = shop.fetch("main")
    assert status == 0, events[-1]
    assert shop.store.declared(made, file) == real
    assert shop.store.state(made).presence is Presence.INSTALLED
    assert shop.store.check_before_use(made) == shop.store.path(made)
    assert not shop.staging()

    path = shop.store.path(made)
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    assert shop.store.state(made).presence is Presence.UNCHECKED
    with pytest.raises(RealPathImpossible, match=f"expected {real[:12]}…"):
        shop.store.check_before_use(made)
    # What was declared once is held to, whatever the hub says later.
    (shop.folder / "hub" / REPO / REVISION / "model.onnx").write_bytes(identity(factor=0.5))
    events, status = shop.fetch("main")
    assert status == 5 and f"expected {real[:12]}…" in message(events)
    placed(shop.folder / "hub" / REPO / REVISION, {"model.onnx": data})
    assert shop.fetch("main")[1] == 0
    assert shop.store.state(made).presence is Presence.INSTALLED


def test_bytes_that_differ_from_the_declared_hash_are_not_kept(shop: Shop) -> None:
    made = shop.offer("main", {"model.onnx": identity()}, TENSORS, unknown=["model.onnx"])
    shop.hub.fault(".onnx", "flip", at=100, times=1)
    events, status = shop.fetch("main")
    assert status == 5 and "got SHA-256" in message(events)
    assert shop.store.declared(made, made.main_file) == ""
    assert not shop.store.path(made).exists() and not shop.staging()
    assert shop.fetch("main")[1] == 0


def test_a_declared_download_is_continued(shop: Shop) -> None:
    data = identity() + b"\x32\x00" * 200_000
    made = shop.offer("main", {"model.onnx": data}, TENSORS, unknown=["model.onnx"])
    shop.hub.fault(".onnx", "truncate", at=300_000)
    assert shop.fetch("main")[1] == 5
    state = shop.store.state(made)
    assert state.presence is Presence.PARTIAL
    assert 0 < state.bytes_here <= 300_000
    assert state.bytes_missing == len(data) - state.bytes_here
    shop.hub.heal()
    shop.fetch("main")
    assert shop.hub.downloads()[-1].range == f"bytes={state.bytes_here}-"
    assert shop.store.path(made).read_bytes() == data


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("wrong-size", "bytes, expected"),
        ("404", "the hub has no"),
        ("401", "wants to know who asks"),
        ("html", "a web page came instead of"),
    ],
)
def test_a_hub_that_declares_nonsense_is_refused(shop: Shop, kind: str, words: str) -> None:
    shop.offer("main", {"model.onnx": identity()}, TENSORS, unknown=["model.onnx"])
    shop.hub.fault(".onnx", kind)
    events, status = shop.fetch("main")
    assert status == 5 and words in message(events)
    assert not shop.staging()


def test_a_file_for_which_nobody_declares_a_hash_is_refused(shop: Shop) -> None:
    # The hub keeps no SHA-256 of files outside LFS.
    files = {"model.onnx": identity(), "vocab.json": b"{}"}
    made = shop.offer("main", files, TENSORS, unknown=["vocab.json"])
    events, status = shop.fetch("main")
    assert status == 5
    assert "neither its card nor the hub says what SHA-256 vocab.json must have" in message(events)
    assert shop.store.state(made).presence is Presence.PARTIAL
    assert not shop.hub.downloads("vocab.json")


def test_a_file_put_there_by_hand_counts_once_the_hub_has_declared_it(shop: Shop) -> None:
    data = identity()
    made = shop.offer("main", {"model.onnx": data}, TENSORS, unknown=["model.onnx"])
    placed(shop.store.folder(made), {"model.onnx": data})
    state = shop.store.check(made)
    assert state.presence is Presence.BAD
    assert "never compared with what the hub declares" in state.reason
    with pytest.raises(RealPathImpossible, match="Download it again"):
        shop.store.check_before_use(made)
    assert shop.fetch("main")[1] == 0
    assert not shop.hub.downloads(), "its bytes were right, so nothing was transferred"
    assert shop.store.state(made).presence is Presence.INSTALLED


def test_another_revision_is_another_file(shop: Shop) -> None:
    made = shop.offer("main", {"model.onnx": identity()}, TENSORS, unknown=["model.onnx"])
    assert shop.fetch("main")[1] == 0
    path = shop.folder / "cards/main.toml"
    path.write_text(path.read_text("utf-8").replace(REVISION, "6" * 40), "utf-8")
    newer = shop.cards["main"]
    assert shop.store.declared(newer, newer.main_file) == ""
    assert shop.store.state(newer).presence is Presence.BAD
    assert shop.store.state(made).presence is Presence.INSTALLED


# ---------------------------------------------------------------- room and trials


def test_a_damaged_file_of_the_right_size_needs_room_too(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = identity()
    made = shop.offer("main", {"model.onnx": data}, TENSORS)
    placed(shop.store.folder(made), {"model.onnx": data[:-1] + b"\x00"})
    usage = shutil.disk_usage(shop.folder)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
    with pytest.raises(CouldNotBeDone, match="free some space"):
        shop.store.download([made])
    assert shop.store.state(made).bytes_missing == len(data)
    assert not shop.hub.requests


def test_a_corrected_contract_gives_a_model_another_chance(shop: Shop) -> None:
    data = identity(factor=100)
    wrong = TENSORS + "range = [0, 1]\n"
    made = shop.offer("main", {"model.onnx": data}, wrong)
    assert shop.fetch("main")[1] == 4
    assert shop.store.state(made).presence is Presence.BAD
    made = shop.offer("main", {"model.onnx": data}, TENSORS + "range = [0, 255]\n")
    assert shop.store.state(made).presence is Presence.UNCHECKED
    assert shop.store.check_before_use(made) == shop.store.path(made)
