"""What the commands on models share: who is meant, what is told; and ``nss models list``."""

from __future__ import annotations

import argparse
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import date, datetime, timezone
from pathlib import Path
from typing import Any, Literal

from ..bridge import (
    settings,
    wire,
)
from ..bridge.errors import UsageError
from ..bridge.language import _
from ..bridge.paths import paths
from ..catalog import (
    inventory,
    own,
)
from ..catalog.card import Card
from ..catalog.store import (
    ModelState,
    Presence,
    Store,
)
from ..catalog.transfer.staging import Leftover
from .terminal import (
    Screen,
    print_json,
    worker_client,
)

# Columns that a table with every column takes, and what is printed to a file.
_WIDE_ENOUGH, _WIDE = 120, 200


def chosen(cards: Mapping[str, Card], ids: Sequence[str]) -> list[Card]:
    """The cards with these ids."""
    for model in ids:
        if model not in cards:
            raise UsageError(
                _(
                    "There is no model {model}; the models are {names}.",
                    model=repr(model),
                    names=", ".join(cards),
                )
            )
    return [cards[model] for model in dict.fromkeys(ids)]


def states_data(states: Mapping[str, ModelState]) -> list[dict[str, str]]:
    """The states of models as data."""
    return [
        {"id": model, "state": state.presence.value, "reason": state.reason}
        for model, state in states.items()
    ]


def say(options: argparse.Namespace, states: Mapping[str, ModelState]) -> None:
    """Print the states of models."""
    if options.json:
        print_json(states_data(states))
        return
    for model, state in states.items():
        print(f"{model}: {state.presence.value}{'; ' + state.reason if state.reason else ''}")


def try_models(cards: Sequence[Card], environment: dict[str, str]) -> None:
    """Have the worker fetch what is missing of the models, and try them."""
    client = worker_client()
    with Screen() as screen:
        for card in cards:
            client.ask(wire.Download(card.id, environment), wire.Done, screen)
    client.close()


def today() -> date:
    """The day it is."""
    return datetime.now(timezone.utc).date()


def size(count: int) -> str:
    """A byte count as users read it, nothing included."""
    return wire.megabytes(count) if count else _("0 MB")


def show_list(options: argparse.Namespace) -> int:
    """``nss models list``."""
    cards, store = own.known(paths()), Store(paths())
    entries = inventory.take(store, cards.values())
    left_out = []
    if settings.load(paths().settings).commercial_only:
        left_out = [one for one in entries if not (one.card.commercial or one.disk_bytes)]
        entries = [one for one in entries if one not in left_out]
    strangers = inventory.strangers(store.root, cards)
    leftovers = store.leftovers(cards.values())
    if not options.json:
        _print_list(store, entries, strangers, leftovers)
        if left_out:
            print(
                _(
                    "{count} left out, since only models that allow commercial use are wanted; "
                    "nss settings commercial_only=no lists them.",
                    count=len(left_out),
                )
            )
        return 0
    tiers = {
        tier: {"here": here, "models": count, "disk_bytes": used, "bytes": total}
        for tier, (here, count, used, total) in inventory.by_tier(entries).items()
    }
    print_json(
        {
            "folder": str(store.root),
            "models": [row(entry) for entry in entries],
            "tiers": tiers,
            "disk_bytes": sum(entry.disk_bytes for entry in entries),
            "without_card": strangers,
            "leftovers": [{**asdict(one), "path": str(one.path)} for one in leftovers],
            "left_out": [one.card.id for one in left_out],
        }
    )
    return 0


def row(entry: inventory.Entry) -> dict[str, Any]:
    """A model and what is here of it as data."""
    card, state = entry.card, entry.state
    return {
        "id": card.id,
        "tool": card.tool,
        "title": card.title,
        "tier": card.tier.value,
        "state": state.presence.value,
        "reason": state.reason,
        "bytes": card.file_bytes,
        "disk_bytes": entry.disk_bytes,
        "arrived": state.arrived,
        "used": state.used,
        "unused_days": entry.idle_days(today()),
        "licence": card.licence,
        "licence_link": card.licence_link,
        "commercial_use": card.commercial_use.value,
        "repo": card.repo,
        "revision": card.revision,
    }


def _print_list(
    store: Store,
    entries: Sequence[inventory.Entry],
    strangers: Mapping[str, int],
    leftovers: Sequence[Leftover],
) -> None:
    _print_table(entries)
    for tier, (here, count, used, total) in inventory.by_tier(entries).items():
        print(
            _(
                "{tier}: {here} of {count} here, {size} of {total}",
                tier=tier,
                here=here,
                count=count,
                size=size(used),
                total=size(total),
            )
        )
    for name, used in strangers.items():
        print(
            _(
                "{name}: {size}, no card knows it any more; nss models remove {name}",
                name=name,
                size=size(used),
            )
        )
    for one in leftovers:
        of = (
            _("of {file} ({model})", file=one.file, model=one.model)
            if one.model
            else _("of no model")
        )
        day = datetime.fromtimestamp(one.since, timezone.utc).date()
        how = _("coming in") if one.busy else _("unfinished since {day}", day=day)
        print(f"{size(one.bytes)} {of}: {how}")
    used = sum(entry.disk_bytes for entry in entries) + sum(strangers.values())
    used += sum(one.bytes for one in leftovers)
    free = shutil.disk_usage(_existing(store.root)).free
    print(
        _(
            "In all {size} in {root}, where {free} are free.",
            size=size(used),
            root=store.root,
            free=size(free),
        )
    )
    if trouble := store.trouble():
        print(trouble)


def _print_table(entries: Sequence[inventory.Entry]) -> None:
    from rich.console import Console
    from rich.table import Table

    # For whoever is no terminal nothing is cut.
    console = Console() if sys.stdout.isatty() else Console(width=_WIDE)
    wide = console.width >= _WIDE_ENOUGH
    table = Table(box=None, pad_edge=False, header_style="bold")
    heads = {
        "model": _("model"),
        "for": _("for"),
        "tier": _("tier"),
        "size": _("size"),
        "on disk": _("on disk"),
        "state": _("state"),
        "last used": _("last used"),
        "commercial": _("commercial"),
        "licence": _("licence"),
    }
    shown = [head for head in heads if wide or head not in ("for", "tier", "on disk", "licence")]
    for head in shown:
        justify: Literal["left", "right"] = "right" if head in ("size", "on disk") else "left"
        table.add_column(heads[head], no_wrap=head != "licence", overflow="fold", justify=justify)
    tool = ""
    for entry in sorted(entries, key=lambda one: (one.card.tool, one.card.rank, one.card.id)):
        card, state = entry.card, entry.state
        if card.tool != tool and not wide:
            table.add_row(card.tool, style="bold")
        tool = card.tool
        here = state.presence.value
        if state.presence is Presence.PARTIAL:
            here += f", {size(state.bytes_here)}"
        cells = {
            "model": card.id if wide else f"  {card.id}",
            "for": tool,
            "tier": card.tier.value,
            "size": size(card.file_bytes),
            "on disk": size(entry.disk_bytes) if entry.disk_bytes else "",
            "state": here,
            "last used": state.used or (_("never") if entry.disk_bytes else ""),
            "commercial": card.commercial_use.value,
            "licence": card.licence,
        }
        table.add_row(*(cells[head] for head in shown))
    console.print(table)
    if not wide:
        print(_("The licence of each: nss models show MODEL, or a wider window."))
    print()


def _existing(folder: Path) -> Path:
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    return folder
