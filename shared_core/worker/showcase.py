"""What editors show of the models and of this machine, gathered at once."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from shared_core.bridge import settings, toolbox, wire
from shared_core.bridge.language import kept
from shared_core.bridge.paths import Paths
from shared_core.catalog import cards as catalogue
from shared_core.catalog import inventory
from shared_core.catalog.card import Card
from shared_core.catalog.store import Store
from shared_core.device import profile as device
from shared_core.device import report

from .planner import Planner


def models(planner: Planner, paths: Paths) -> wire.ModelsReply:
    """All models, what is here of each, and what the folder of models takes."""
    store, cards = Store(paths), planner.cards
    chosen = settings.load(paths.settings)
    leftovers = store.leftovers(cards.values())
    coming = {one.model for one in leftovers if one.busy}
    return wire.ModelsReply(
        folder=str(store.root),
        free_bytes=_free(store.root),
        trouble=store.trouble(),
        models=tuple(
            _model(planner, store, cards, entry, chosen, entry.card.id in coming)
            for entry in inventory.take(store, cards.values())
        ),
        strangers=inventory.strangers(store.root, cards),
        unfinished_bytes=sum(one.bytes for one in leftovers if not one.busy),
    )


def machine(planner: Planner) -> wire.DoctorReply:
    """The machine's profile with advice, as data and in words; no profile where there is none."""
    found = planner.profile
    advice = asdict(planner.advice())
    if found is None:
        return wire.DoctorReply(None, kept(advice))
    profile = device.to_dict(found)
    preferred = found.preferred()
    provider = asdict(preferred) if preferred else None
    return wire.DoctorReply(
        kept(profile), kept(advice), report.line(advice, provider), report.report(profile, advice)
    )


def _model(
    planner: Planner,
    store: Store,
    cards: Mapping[str, Card],
    entry: inventory.Entry,
    chosen: settings.Settings,
    coming: bool,
) -> wire.Model:
    card = entry.card
    family = catalogue.with_needs(cards, card)
    state = store.state_together(family)
    seconds, against = None, ""
    if not card.helper:
        _, way, against = planner.on_a_photo(card, toolbox.tool(card.tool).parse({}), chosen)
        seconds = way.seconds
    return wire.Model(
        id=card.id,
        tool="" if card.helper else card.tool,
        title=card.title,
        tier=card.tier.value,
        rank=card.rank,
        by_itself=not (card.opt_in or card.helper),
        state=state.presence.value,
        reason=state.reason,
        own=card.own,
        shipped=card.shipped is not None,
        bytes=card.file_bytes,
        missing_bytes=state.bytes_missing,
        disk_bytes=entry.disk_bytes,
        coming=coming,
        arrived=entry.state.arrived,
        used=entry.state.used,
        seconds=seconds,
        against=against,
        licence=card.licence,
        licence_link=card.licence_link,
        commercial=card.commercial_use.value,
        terms=card.commercial_note,
        hub_declared=any(one.hub_declared for one in family),
    )


def _free(folder: Path) -> int:
    """Bytes that are free on the disk of a folder that may not be there yet."""
    for place in (folder, *folder.parents):
        with contextlib.suppress(OSError):
            return shutil.disk_usage(place).free
    return 0
