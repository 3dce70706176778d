"""A store with models of a few bytes, which need no session and so no trial of one."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from shared_core.bridge.paths import Paths, paths
from shared_core.catalog import cards
from shared_core.catalog.cards import Card
from shared_core.catalog.manifest import Trial
from shared_core.catalog.store import Store
from tests.catalog.small_cards import card, card_text, placed

TRIAL = Trial(True, "", "0", 0.0, 0, "")


@dataclass
class Shelves:
    """One user's home below ``folder``, and the catalogue."""

    folder: Path

    @property
    def paths(self) -> Paths:
        return paths({"NSS_HOME": str(self.folder / "home")})

    @property
    def store(self) -> Store:
        return Store(self.paths)

    @property
    def cards(self) -> dict[str, Card]:
        return cards.load(self.folder / "cards")

    @property
    def root(self) -> Path:
        return self.store.root

    def offer(self, model: str, files: dict[str, bytes], **options: object) -> Card:
        """Put a card into the catalogue."""
        text = card_text(model, files, "", extra="helper = true", **options)  # type: ignore[arg-type]
        return card(self.folder / "cards", model, text)

    def install(self, model: str, files: dict[str, bytes], **options: object) -> Card:
        """The same, with its files in their place, verified and tried."""
        made = self.offer(model, files, **options)
        placed(self.store.folder(made), files)
        self.store.check(made)
        self.store.record_trial(made, TRIAL)
        return made
