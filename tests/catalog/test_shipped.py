"""Models that ship with NSS: there without a download, held to their hashes, never removed."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from shared_core.bridge import __version__
from shared_core.bridge.errors import CouldNotBeDone, RealPathImpossible
from shared_core.bridge.paths import Paths, paths
from shared_core.catalog import cards
from shared_core.catalog.cards import SHIPPED, Card, Tier
from shared_core.catalog.store import Presence, Store

CARDS = [card for card in cards.load().values() if card.shipped]
MOST_BYTES = 2_000_000
every = pytest.mark.parametrize("card", CARDS, ids=[card.id for card in CARDS])


@pytest.fixture
def home(tmp_path: Path) -> Paths:
    return paths({"NSS_HOME": str(tmp_path / "home")})


@pytest.fixture
def copied(tmp_path: Path) -> Card:
    """A shipped model in an installation that may be spoilt."""
    folder = tmp_path / "installed"
    source = CARDS[0]
    assert source.shipped
    folder.mkdir()
    for name in (f"{source.id}.toml", *(file.path for file in source.files)):
        shutil.copy(source.shipped / name, folder / name)
    return cards.read_card(folder / f"{source.id}.toml")


def test_some_ship():
    assert {card.tool for card in CARDS} >= {"upscale"}


@every
def test_a_card_promises_no_download(card: Card):
    assert card.tier is Tier.LITE
    assert card.download_bytes == 0 < card.file_bytes <= MOST_BYTES
    assert (card.repo, card.revision) == (SHIPPED, __version__)
    assert card.title.startswith("NSS compact ")
    others = [c.rank for c in cards.load().values() if c.tool == card.tool and not c.shipped]
    assert card.rank > max(others)


@every
def test_it_is_here_and_usable_on_a_fresh_machine(card: Card, home: Paths):
    store = Store(home)
    assert store.state(card).usable
    assert store.check_before_use(card) == card.shipped / card.main_file.path
    state = store.state(card)
    assert state.presence is Presence.INSTALLED
    assert state.bytes_missing == 0
    assert Store(home).state(card).trial == state.trial


@every
def test_the_card_says_how_it_was_made(card: Card):
    told = {fact: source.source for source in card.sources for fact in source.facts}
    assert re.search(r"dB", told["scores"])
    if card.id.endswith("x4"):
        assert "nss-compact-upscale-x2" in told["training"]
    else:
        for word in ("steps", "seconds", "generated pictures"):
            assert word in told["training"]


def test_nothing_is_written_beside_it(copied: Card, home: Paths):
    assert copied.shipped
    before = sorted(path.name for path in copied.shipped.iterdir())
    Store(home).check_before_use(copied)
    assert sorted(path.name for path in copied.shipped.iterdir()) == before


def test_a_damaged_file_is_not_used_and_not_fetched(copied: Card, home: Paths):
    assert copied.shipped
    path = copied.shipped / copied.main_file.path
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    store = Store(home)
    state = store.check(copied)
    assert state.presence is Presence.BAD and not state.usable
    assert "Install NSS again" in state.reason and "ownload" not in state.reason
    with pytest.raises(RealPathImpossible, match="Install NSS again"):
        store.check_before_use(copied)
    with pytest.raises(CouldNotBeDone, match="Install NSS again"):
        store.download([copied])


def test_a_missing_file_is_not_fetched_either(copied: Card, home: Paths):
    assert copied.shipped
    (copied.shipped / copied.main_file.path).unlink()
    state = Store(home).state(copied)
    assert state.presence is Presence.BAD
    assert "Install NSS again" in state.reason
    with pytest.raises(CouldNotBeDone, match="Install NSS again"):
        Store(home).download([copied])


def test_it_cannot_be_removed(copied: Card, home: Paths):
    assert copied.shipped
    store = Store(home)
    store.check_before_use(copied)
    with pytest.raises(CouldNotBeDone, match="a part of NSS"):
        store.remove(copied)
    assert (copied.shipped / copied.main_file.path).exists()


def test_asking_for_it_transfers_nothing(copied: Card, home: Paths):
    told = []
    Store(home).download([copied], told.append)
    assert [(p.done, p.total) for p in told] == [(copied.file_bytes, copied.file_bytes)]


def test_a_shipped_card_names_every_hash(tmp_path: Path):
    source = CARDS[0]
    assert source.shipped
    text = (source.shipped / f"{source.id}.toml").read_text("utf-8")
    (tmp_path / "card.toml").write_text(
        re.sub(r"(?m)^sha256 = .*", 'sha256 = "hub-declared"', text), "utf-8"
    )
    with pytest.raises(CouldNotBeDone, match="SHA-256"):
        cards.read_card(tmp_path / "card.toml")
