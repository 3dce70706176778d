"""What models take on the disk, and which of them nobody uses."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from shared_core.catalog import inventory
from shared_core.catalog import store as store_module
from shared_core.catalog.manifest import Arrival, Manifest
from shared_core.catalog.shelf import Shelf
from shared_core.catalog.store import Presence
from shared_core.catalog.trust.canary import onnxruntime_version
from tests.catalog.small_store import TRIAL, Shelves

TODAY = date(2026, 6, 30)


@pytest.fixture
def shelves(tmp_path: Path) -> Shelves:
    return Shelves(tmp_path)


def lived(shelves: Shelves, model: str, arrived: int, used: int | None, **options: object) -> None:
    """Install a model that came so many days ago, and was used so many days ago."""
    card = shelves.install(model, {"a": model.encode() * 10}, **options)

    def change(manifest: Manifest) -> None:
        manifest.arrived["a"] = Arrival((TODAY - timedelta(arrived)).isoformat(), "somewhere")
        manifest.used = (TODAY - timedelta(used)).isoformat() if used is not None else ""

    Shelf(shelves.root, card).change(change)


def idle(shelves: Shelves, days: int) -> list[str]:
    entries = inventory.take(shelves.store, shelves.cards.values())
    return [entry.card.id for entry in inventory.unused(entries, days, TODAY)]


def test_a_model_is_idle_since_its_last_use_or_since_it_came(shelves: Shelves) -> None:
    lived(shelves, "used", arrived=200, used=10)
    lived(shelves, "never-used", arrived=100, used=None)
    lived(shelves, "new", arrived=3, used=None)
    shelves.offer("absent", {"a": b"absent"})
    assert idle(shelves, 90) == ["never-used"]
    assert sorted(idle(shelves, 5)) == ["never-used", "used"]
    assert idle(shelves, 1000) == []


def test_what_a_model_in_use_needs_is_not_idle(shelves: Shelves) -> None:
    lived(shelves, "words", arrived=500, used=None)
    lived(shelves, "main", arrived=500, used=1)
    path = shelves.folder / "cards/main.toml"
    path.write_text('needs = ["words"]\n' + path.read_text("utf-8"), "utf-8")
    assert idle(shelves, 90) == []
    assert sorted(idle(shelves, 1)) == ["main", "words"]


def test_what_cannot_be_had_again_is_not_idle(shelves: Shelves) -> None:
    lived(shelves, "mine", arrived=500, used=None)
    entries = inventory.take(shelves.store, shelves.cards.values())
    assert len(inventory.unused(entries, 90, TODAY)) == 1
    own = [replace(entry, card=replace(entry.card, repo="")) for entry in entries]
    assert inventory.unused(own, 90, TODAY) == []


def test_disk_use_counts_all_that_lies_there(shelves: Shelves) -> None:
    card = shelves.install("words", {"a": b"x" * 1000, "deep/b": b"y" * 500})
    (shelves.store.folder(card) / "of-an-old-card").write_bytes(b"z" * 250)
    (entry,) = inventory.take(shelves.store, shelves.cards.values())
    manifest = (shelves.store.folder(card) / ".verified.json").stat().st_size
    assert entry.disk_bytes == 1750 + manifest
    assert inventory.by_tier([entry]) == {
        "lite": (1, 1, 1750 + manifest, 1500),
        "standard": (0, 0, 0, 0),
        "pro": (0, 0, 0, 0),
    }


def test_a_model_without_a_card_is_told_and_can_go(shelves: Shelves) -> None:
    shelves.install("words", {"a": b"x" * 1000})
    (shelves.root / "holiday pictures").mkdir()
    (shelves.folder / "cards/words.toml").unlink()
    strangers = inventory.strangers(shelves.root, shelves.cards)
    assert list(strangers) == ["words"] and strangers["words"] > 1000
    inventory.remove_stranger(shelves.root, "words")
    assert inventory.strangers(shelves.root, shelves.cards) == {}
    assert (shelves.root / "holiday pictures").is_dir()


def test_a_use_is_written_once_a_day(shelves: Shelves, monkeypatch: pytest.MonkeyPatch) -> None:
    card = shelves.install("words", {"a": b"x"})
    shelves.store.record_trial(card, TRIAL.__class__(True, "", onnxruntime_version(), 0, 0, ""))
    assert shelves.store.state(card).used == ""
    written = []
    change = Shelf.change
    monkeypatch.setattr(Shelf, "change", lambda *given: written.append(1) or change(*given))
    for day, writes in (("2026-06-30", 1), ("2026-06-30", 1), ("2026-07-01", 2)):
        monkeypatch.setattr(store_module, "now", lambda day=day: f"{day}T10:00:00+00:00")
        shelves.store.check_before_use(card)
        assert shelves.store.state(card).used == day
        assert shelves.store.state(card).presence is Presence.INSTALLED
        assert len(written) == writes
