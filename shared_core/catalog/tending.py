"""What is done with several models at once: verified, removed, brought in from a folder."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..bridge.errors import CouldNotBeDone, UsageError
from ..bridge.language import _
from . import inventory, parcel
from .card import Card
from .cards import with_needs
from .store import ModelState, Progress, Store

# Hears of the bytes of everything together, and what is being done, in words.
Tell = Callable[[Progress, str], None]
Cancelled = Callable[[], bool]


def here(store: Store, cards: Mapping[str, Card]) -> list[Card]:
    """The models of which something is here."""
    return [card for card in cards.values() if store.state(card).bytes_here]


def verify(
    store: Store, wanted: Sequence[Card], tell: Tell, cancelled: Cancelled
) -> dict[str, ModelState]:
    """Hash all files of the models anew; their states by id. Raises ``Cancelled``."""
    total, before = sum(card.file_bytes for card in wanted), 0
    states = {}
    for card in wanted:

        def report(progress: Progress, before: int = before, card: Card = card) -> None:
            done = Progress(before + progress.done, total, progress.file)
            tell(done, _("verifying {model}", model=card.title))

        states[card.id] = store.verify(card, report, cancelled)
        before += card.file_bytes
    return states


def remove(store: Store, cards: Mapping[str, Card], names: Collection[str]) -> list[Card]:
    """Delete models, also those that have no card any more; the cards of the others.

    Raises ``UsageError`` for a name that is none before anything is deleted, and
    ``CouldNotBeDone``.
    """
    strangers = [one for one in names if one in inventory.strangers(store.root, cards)]
    known = [one for one in dict.fromkeys(names) if one not in strangers]
    for name in known:
        if name not in cards:
            raise UsageError(
                _(
                    "There is no model {name}; the models are {names}.",
                    name=repr(name),
                    names=", ".join(cards),
                )
            )
    for name in strangers:
        inventory.remove_stranger(store.root, name)
    for name in known:
        store.remove(cards[name])
    return [cards[name] for name in known]


@dataclass
class Brought:
    """What came of a folder: each file and how it came, and what was in the way.

    ``concerned`` are the models that have a new file, or need one that has; of these ``whole`` lack
    nothing and wait to be tried.
    """

    ways: list[tuple[parcel.Match, str]] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    concerned: list[Card] = field(default_factory=list)
    whole: list[Card] = field(default_factory=list)
    others: list[Path] = field(default_factory=list)
    unreadable: list[str] = field(default_factory=list)


def bring_in(
    store: Store, cards: Mapping[str, Card], folder: Path, tell: Tell, cancelled: Cancelled
) -> Brought:
    """Put all files of models below ``folder`` into their places, verified.

    Raises ``CouldNotBeDone`` where the folder cannot be read, and ``Cancelled``.
    """

    def reading(progress: Progress) -> None:
        tell(progress, _("reading {file}", file=progress.file))

    def copying(progress: Progress) -> None:
        tell(progress, _("copying {file}", file=progress.file))

    found = parcel.look(store, cards, folder, reading, cancelled)
    brought = Brought(others=found.others, unreadable=found.unreadable)
    for match in found.matches:
        try:
            way = parcel.bring(store, match, copying, cancelled)
            brought.ways.append((match, way))
        except CouldNotBeDone as error:
            brought.troubles.append(str(error))
    ids = {match.card.id for match, _way in brought.ways}
    # What was waiting for a part that it needs may be complete by now.
    concerned = [card for card in cards.values() if ids & {card.id, *card.needs}]
    brought.concerned = [card for card in concerned if store.state(card).bytes_here]
    brought.whole = [
        card
        for card in brought.concerned
        if not store.state_together(with_needs(cards, card)).bytes_missing
    ]
    return brought


def whole(store: Store, cards: Mapping[str, Card], names: Sequence[str] = ()) -> list[Card]:
    """The models with these names and what they need, or else all that can be used."""
    if names:
        return list(
            {need.id: need for name in names for need in with_needs(cards, cards[name])}.values()
        )
    return [card for card in cards.values() if store.state(card).usable]
