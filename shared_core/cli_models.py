"""``nss models``: which models there are, and which are here."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from .bridge import launch, wire
from .bridge.errors import BadInput, UsageError
from .bridge.paths import paths
from .catalog import cards as catalogue
from .catalog.card import Card
from .catalog.store import ModelState, Store
from .cli_terminal import Screen, print_json, worker_client


def register(sub: Any) -> None:
    """Add the actions and their options to the parser of ``nss models``."""
    actions = sub.add_subparsers(required=True, metavar="ACTION")
    for name, command, text in (
        ("list", _list, "List the models: size, licence, state."),
        ("get", _get, "Download, verify and try a model."),
        ("verify", _verify, "Hash a model's files anew."),
        ("remove", _remove, "Delete a model's files."),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.set_defaults(command=command)
        action.add_argument("--json", action="store_true", help="print JSON")
        if name != "list":
            action.add_argument("id", metavar="MODEL", nargs="?")
    text = "For maintainers: hold the cards against the Hub, and correct them."
    lock = actions.add_parser("lock", help=text, description=text)
    lock.set_defaults(command=_lock)
    lock.add_argument("ids", metavar="MODEL", nargs="*", help="default: all")
    lock.add_argument("--json", action="store_true", help="print JSON")
    lock.add_argument("--check", action="store_true", help="change nothing; exit code 3 if wrong")
    lock.add_argument(
        "--declared", action="store_true", help="write hashes into cards that leave them to the hub"
    )
    lock.add_argument("--newest", action="store_true", help="pin the repository's newest revision")


def _list(options: argparse.Namespace) -> int:
    cards, store = catalogue.load(), Store(paths())
    rows = []
    for card in cards.values():
        state = store.state(card)
        rows.append(
            {
                "id": card.id,
                "tool": card.tool,
                "title": card.title,
                "state": state.presence.value,
                "reason": state.reason,
                "bytes": card.download_bytes,
                "licence": card.licence,
                "commercial_use": card.commercial_use.value,
                "repo": card.repo,
                "revision": card.revision,
            }
        )
    if options.json:
        print_json(rows)
    for row in rows if not options.json else ():
        size = wire.megabytes(int(str(row["bytes"])))
        print(f"{row['id']}: {row['tool']}, {size}, {row['licence']}, {row['state']}")
    return 0


def _get(options: argparse.Namespace) -> int:
    card, store = _named(options, "get")
    client = worker_client()
    with Screen() as screen:
        request = wire.Download(card.id, launch.hub_environment())
        client.ask(request, wire.Done, screen)
    client.close()
    _say(options, card, store.state(card))
    return 0


def _verify(options: argparse.Namespace) -> int:
    card, store = _named(options, "verify")
    state = store.verify(card)
    _say(options, card, state)
    return 0 if state.usable else BadInput.exit_code


def _remove(options: argparse.Namespace) -> int:
    card, store = _named(options, "remove")
    store.remove(card)
    _say(options, card, store.state(card))
    return 0


def _lock(options: argparse.Namespace) -> int:
    from .catalog import pins

    known = catalogue.places()
    wanted = options.ids or list(known)
    for model in wanted:
        if model not in known:
            raise UsageError(f"There is no model {model!r}; the models are {', '.join(known)}.")
    if options.newest and not options.ids:
        raise UsageError("--newest takes the models whose newest revision is to be pinned.")
    wrong, written = [], []
    for model in wanted:
        path, card = known[model]
        found = pins.pins(card, newest=options.newest)
        left = [pin for pin in found if not pin.here and not options.declared]
        different = [pin for pin in found if not pin.right and pin not in left]
        if different and not options.check:
            pins.write(path, different)
            written += different
        wrong += different
    if options.json:
        print_json([asdict(pin) for pin in wrong])
    else:
        for pin in wrong:
            print(pin.sentence())
        verb = "are wrong" if options.check else "were corrected"
        print(f"{len(wanted)} cards held against the hub; {len(wrong)} values {verb}.")
    return BadInput.exit_code if options.check and wrong else 0


def _named(options: argparse.Namespace, action: str) -> tuple[Card, Store]:
    """The card that the command names, and the store."""
    cards = catalogue.load()
    known = ", ".join(cards)
    if options.id is None:
        raise UsageError(f"Name the model to {action}; the models are {known}.")
    if options.id not in cards:
        raise UsageError(f"There is no model {options.id!r}; the models are {known}.")
    return cards[options.id], Store(paths())


def _say(options: argparse.Namespace, card: Card, state: ModelState) -> None:
    if options.json:
        print_json({"id": card.id, "state": state.presence.value, "reason": state.reason})
    else:
        print(f"{card.id}: {state.presence.value}{'; ' + state.reason if state.reason else ''}")
