"""``nss models``: which models there are, which are here, and all that can be done with them."""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..bridge import launch
from ..bridge.errors import (
    BadInput,
    UsageError,
)
from ..bridge.language import _
from ..bridge.paths import paths
from ..catalog import cards as catalogue
from ..catalog import (
    describe,
    inventory,
    own,
    tending,
)
from ..catalog.card import Card
from ..catalog.store import (
    Progress,
    Store,
)
from . import (
    consent as cli_consent,
)
from . import (
    own as cli_own,
)
from .inventory import (
    chosen,
    row,
    say,
    show_list,
    size,
    today,
    try_models,
)
from .parcels import (
    bring_in,
    copy_out,
)
from .terminal import (
    Screen,
    print_json,
)

_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}


def register(sub: Any) -> None:
    """Add the actions and their options to the parser of ``nss models``."""
    actions = sub.add_subparsers(required=True, metavar="ACTION")

    def action(name: str, command: Callable[[argparse.Namespace], int], text: str) -> Any:
        made = actions.add_parser(name, help=text, description=text)
        made.set_defaults(command=command)
        made.add_argument("--json", action="store_true", help=_("print JSON"))
        return made

    action("list", show_list, _("List the models: size, licence, state, use of the disk."))
    show = action("show", _show, _("Say all that is known of a model, and from where."))
    show.add_argument("id", metavar="MODEL")
    cli_own.register(action)
    get = action("get", _get, _("Download, verify and try a model."))
    get.add_argument("id", metavar="MODEL", nargs="?")
    verify = action("verify", _verify, _("Hash the files of models anew."))
    verify.add_argument("ids", metavar="MODEL", nargs="*", help=_("default: all that are here"))
    remove = action("remove", _remove, _("Delete the files of models."))
    remove.add_argument("ids", metavar="MODEL", nargs="*")
    remove.add_argument(
        "--unused-for",
        metavar="TIME",
        type=_days,
        help=_("those not used for so long, such as 90d, 12w, 6m or 1y; lists them only"),
    )
    remove.add_argument("--yes", action="store_true", help=_("delete what --unused-for lists"))
    move = action("move", _move, _("Keep the models in another folder from now on."))
    move.add_argument("folder", metavar="FOLDER", type=Path)
    bring = action("import", bring_in, _("Take over models' files from a folder, by their bytes."))
    bring.add_argument("folder", metavar="FOLDER", type=Path)
    export = action("export", copy_out, _("Copy models into a folder for another machine."))
    export.add_argument("folder", metavar="FOLDER", type=Path)
    export.add_argument("ids", metavar="MODEL", nargs="*", help=_("default: all that are here"))
    lock = action(
        "lock", _lock, _("For maintainers: hold the cards against the Hub, correct them.")
    )
    lock.add_argument("ids", metavar="MODEL", nargs="*", help=_("default: all"))
    lock.add_argument(
        "--check", action="store_true", help=_("change nothing; exit code 3 if wrong")
    )
    lock.add_argument(
        "--declared",
        action="store_true",
        help=_("write hashes into cards that leave them to the hub"),
    )
    lock.add_argument(
        "--newest", action="store_true", help=_("pin the repository's newest revision")
    )


def _days(text: str) -> int:
    match = re.fullmatch(r"(\d{1,4})\s*([dwmy])", text.strip().lower())
    if match is None:
        raise argparse.ArgumentTypeError(
            _("takes a time such as 90d, 12w, 6m or 1y, not {text}", text=repr(text))
        )
    return int(match[1]) * _DAYS[match[2]]


def _verify(options: argparse.Namespace) -> int:
    cards, store = own.known(paths()), Store(paths())
    wanted = chosen(cards, options.ids) or tending.here(store, cards)
    with Screen() as screen:
        states = tending.verify(store, wanted, screen.bytes, screen.cancelled)
    say(options, states)
    return 0 if all(state.usable for state in states.values()) else BadInput.exit_code


def _get(options: argparse.Namespace) -> int:
    cards = own.known(paths())
    if options.id is None:
        raise UsageError(
            _("Name the model to get; the models are {names}.", names=", ".join(cards))
        )
    [card] = chosen(cards, [options.id])
    store = Store(paths())
    family = catalogue.with_needs(cards, card)
    if missing := store.state_together(family).bytes_missing:
        cli_consent.tell(family, missing)
    try_models([card], launch.hub_environment())
    say(options, {card.id: store.state(card)})
    return 0


def _show(options: argparse.Namespace) -> int:
    [card] = chosen(own.known(paths()), [options.id])
    store = Store(paths())
    recorded = {file.path: store.declared(card, file) for file in card.files}
    if options.json:
        print_json(describe.data(card, store.state(card), recorded))
    else:
        print(describe.text(card, store.state(card), recorded))
    return 0


def _remove(options: argparse.Namespace) -> int:
    cards, store = own.known(paths()), Store(paths())
    if options.unused_for is not None:
        return _remove_unused(options, cards, store)
    if not options.ids:
        raise UsageError(
            _("Name the model to remove; the models are {names}.", names=", ".join(cards))
        )
    wanted = tending.remove(store, cards, options.ids)
    left = wanted if options.json else [card for card in wanted if not card.own]
    for card in wanted:
        if card not in left:
            print(_("{id}: removed", id=card.id))
    say(options, {card.id: store.state(card) for card in left})
    return 0


def _remove_unused(options: argparse.Namespace, cards: Mapping[str, Card], store: Store) -> int:
    if options.ids:
        raise UsageError(_("--unused-for finds the models itself: name none."))
    idle = inventory.unused(inventory.take(store, cards.values()), options.unused_for, today())
    if options.yes:
        for entry in idle:
            store.remove(entry.card)
    if options.json:
        print_json({"removed": options.yes, "models": [row(entry) for entry in idle]})
        return 0
    for entry in idle:
        print(
            _(
                "{id}: {size}, not used for {days} days",
                id=entry.card.id,
                size=size(entry.disk_bytes),
                days=entry.idle_days(today()),
            )
        )
    total = size(sum(entry.disk_bytes for entry in idle))
    if options.yes:
        print(_("{count} models removed, {total}.", count=len(idle), total=total))
    else:
        print(
            _(
                "{count} models, {total}; nothing was removed. Add --yes to remove them.",
                count=len(idle),
                total=total,
            )
        )
    return 0


def _move(options: argparse.Namespace) -> int:
    from ..catalog.moving import move

    target = options.folder.expanduser().absolute()
    with Screen() as screen:

        def tell(progress: Progress) -> None:
            screen.bytes(progress, _("moving {file}", file=progress.file))

        moved = move(paths(), own.known(paths()).values(), target, tell, screen.cancelled)
    if options.json:
        left = [str(path) for path in moved.left]
        print_json({"folder": str(target), "models": moved.models, "left": left})
        return 0
    print(
        _(
            "Models are kept in {target} now; {models} were moved, {size}.",
            target=target,
            models=moved.models,
            size=size(moved.bytes),
        )
    )
    for path in moved.left:
        print(
            _(
                "{path} could not be deleted: close what uses it, and give the same command again.",
                path=path,
            )
        )
    return 0


def _lock(options: argparse.Namespace) -> int:
    from ..catalog import pins

    known = {
        model: (path, card)
        for model, (path, card) in catalogue.places().items()
        if not card.shipped
    }
    wanted = options.ids or list(known)
    chosen({model: card for model, (_place, card) in known.items()}, wanted)
    if options.newest and not options.ids:
        raise UsageError(_("--newest takes the models whose newest revision is to be pinned."))
    wrong = []
    for model in wanted:
        path, card = known[model]
        found = pins.pins(card, newest=options.newest)
        left = [pin for pin in found if not pin.here and not options.declared]
        different = [pin for pin in found if not pin.right and pin not in left]
        if different and not options.check:
            pins.write(path, different)
        wrong += different
    if options.json:
        print_json([asdict(pin) for pin in wrong])
    else:
        for pin in wrong:
            print(pin.sentence())
        count, values = len(wanted), len(wrong)
        print(
            _(
                "{count} cards held against the hub; {wrong} values are wrong.",
                count=count,
                wrong=values,
            )
            if options.check
            else _(
                "{count} cards held against the hub; {wrong} values were corrected.",
                count=count,
                wrong=values,
            )
        )
    return BadInput.exit_code if options.check and wrong else 0
