"""``nss models import`` and ``export``: models carried from one machine to another."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from ..bridge.errors import (
    BadInput,
    CouldNotBeDone,
    NssError,
)
from ..bridge.language import _
from ..bridge.paths import paths
from ..catalog import cards as catalogue
from ..catalog import (
    own,
    parcel,
    tending,
)
from ..catalog.store import (
    Progress,
    Store,
)
from .inventory import (
    chosen,
    say,
    size,
    states_data,
    try_models,
)
from .terminal import (
    Screen,
    print_json,
)

_SHOWN = 10


def bring_in(options: argparse.Namespace) -> int:
    """``nss models import FOLDER``."""
    cards, store = catalogue.unshipped(own.known(paths())), Store(paths())
    folder = options.folder.expanduser().absolute()
    with Screen() as screen:
        brought = tending.bring_in(store, cards, folder, screen.bytes, screen.cancelled)
    troubles = brought.troubles
    for card in brought.whole:
        try:
            # What was brought in is tried; nothing is to be fetched for it.
            try_models([card], {"HF_HUB_OFFLINE": "1"})
        except NssError as error:
            troubles.append(str(error))
    states = {card.id: store.state(card) for card in brought.concerned}
    if options.json:
        files = [
            {
                "model": match.card.id,
                "file": match.file.path,
                "source": str(match.source),
                "way": way,
            }
            for match, way in brought.ways
        ]
        others = [str(path) for path in brought.others]
        print_json(
            {
                "files": files,
                "models": states_data(states),
                "troubles": troubles,
                "others": others,
                "unreadable": brought.unreadable,
            }
        )
    else:
        for match, way in brought.ways:
            print(
                _(
                    "{id}: {path} {way}, from {source}",
                    id=match.card.id,
                    path=match.file.path,
                    way=way,
                    source=match.source,
                )
            )
        say(options, states)
        _print_few(_("In the way"), troubles)
        _print_few(_("Of no known model"), [str(path) for path in brought.others])
        _print_few(_("Not readable"), brought.unreadable)
    if not brought.ways and not troubles:
        raise BadInput(_("No file below {folder} is one of a known model.", folder=folder))
    return CouldNotBeDone.exit_code if troubles else 0


def _print_few(head: str, texts: Sequence[str]) -> None:
    for text in texts[:_SHOWN]:
        print(f"{head}: {text}")
    if len(texts) > _SHOWN:
        print(
            _("{head}: {count} more (--json names them all)", head=head, count=len(texts) - _SHOWN)
        )


def copy_out(options: argparse.Namespace) -> int:
    """``nss models export FOLDER [MODEL ...]``."""
    cards, store = catalogue.unshipped(own.known(paths())), Store(paths())
    chosen(cards, options.ids)
    taken = tending.whole(store, cards, options.ids)
    if not taken:
        raise BadInput(_("No model is here that could be exported."))
    folder = options.folder.expanduser().absolute()
    with Screen() as screen:

        def tell(progress: Progress) -> None:
            screen.bytes(progress, _("copying {file}", file=progress.file))

        parcel.export(store, taken, folder, tell, screen.cancelled)
    total = size(sum(card.file_bytes for card in taken))
    ids = [card.id for card in taken]
    if options.json:
        print_json({"folder": str(folder), "models": ids})
    else:
        print(
            _(
                "{names}: {total} in {folder}, told in its {index}.",
                names=", ".join(ids),
                total=total,
                folder=folder,
                index=parcel.INDEX,
            )
        )
        print(_("On the other machine: nss models import {name}", name=folder.name))
    return 0
