"""``nss models import`` and ``export``: models carried from one machine to another."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence

from .bridge import wire
from .bridge.errors import BadInput, CouldNotBeDone, NssError
from .bridge.paths import paths
from .catalog import cards as catalogue
from .catalog import own, parcel
from .catalog.store import Progress, Store
from .cli_inventory import chosen, say, size, states_data, try_models
from .cli_terminal import Screen, print_json

_SHOWN = 10


def bring_in(options: argparse.Namespace) -> int:
    """``nss models import FOLDER``."""
    cards, store = catalogue.unshipped(own.known(paths())), Store(paths())
    folder = options.folder.expanduser().absolute()
    ways: list[tuple[parcel.Match, str]] = []
    troubles: list[str] = []
    with Screen() as screen:

        def tell(doing: str) -> Callable[[Progress], None]:
            return lambda progress: screen.progress(
                wire.Progress(f"{doing} {progress.file}", progress.done, progress.total, "bytes")
            )

        found = parcel.look(store, cards, folder, tell("reading"), screen.cancelled)
        for match in found.matches:
            try:
                way = parcel.bring(store, match, tell("copying"), screen.cancelled)
                ways.append((match, way))
            except CouldNotBeDone as error:
                troubles.append(str(error))
    brought = {match.card.id for match, _ in ways}
    # What was waiting for a part that it needs may be complete by now.
    concerned = [card for card in cards.values() if brought & {card.id, *card.needs}]
    concerned = [card for card in concerned if store.state(card).bytes_here]
    for card in concerned:
        if not store.state_together(catalogue.with_needs(cards, card)).bytes_missing:
            try:
                # What was brought in is tried; nothing is to be fetched for it.
                try_models([card], {"HF_HUB_OFFLINE": "1"})
            except NssError as error:
                troubles.append(str(error))
    states = {card.id: store.state(card) for card in concerned}
    if options.json:
        files = [
            {
                "model": match.card.id,
                "file": match.file.path,
                "source": str(match.source),
                "way": way,
            }
            for match, way in ways
        ]
        others = [str(path) for path in found.others]
        print_json(
            {
                "files": files,
                "models": states_data(states),
                "troubles": troubles,
                "others": others,
                "unreadable": found.unreadable,
            }
        )
    else:
        for match, way in ways:
            print(f"{match.card.id}: {match.file.path} {way}, from {match.source}")
        say(options, states)
        _print_few("In the way", troubles)
        _print_few("Of no known model", [str(path) for path in found.others])
        _print_few("Not readable", found.unreadable)
    if not found.matches:
        raise BadInput(f"No file below {folder} is one of a known model.")
    return CouldNotBeDone.exit_code if troubles else 0


def _print_few(head: str, texts: Sequence[str]) -> None:
    for text in texts[:_SHOWN]:
        print(f"{head}: {text}")
    if len(texts) > _SHOWN:
        print(f"{head}: {len(texts) - _SHOWN} more (--json names them all)")


def copy_out(options: argparse.Namespace) -> int:
    """``nss models export FOLDER [MODEL ...]``."""
    cards, store = catalogue.unshipped(own.known(paths())), Store(paths())
    named = chosen(cards, options.ids)
    taken = {need.id: need for card in named for need in catalogue.with_needs(cards, card)}
    for card in cards.values() if not options.ids else ():
        if store.state(card).usable:
            taken[card.id] = card
    if not taken:
        raise BadInput("No model is here that could be exported.")
    folder = options.folder.expanduser().absolute()
    with Screen() as screen:

        def tell(progress: Progress) -> None:
            doing = f"copying {progress.file}"
            screen.progress(wire.Progress(doing, progress.done, progress.total, "bytes"))

        parcel.export(store, list(taken.values()), folder, tell, screen.cancelled)
    total = size(sum(card.file_bytes for card in taken.values()))
    if options.json:
        print_json({"folder": str(folder), "models": list(taken)})
    else:
        print(f"{', '.join(taken)}: {total} in {folder}, told in its {parcel.INDEX}.")
        print(f"On the other machine: nss models import {folder.name}")
    return 0
