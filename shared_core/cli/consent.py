"""Consent to a download on the terminal: what is told before it, and the question."""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from ..bridge import (
    consent,
    wire,
)
from ..bridge.client import Client
from ..bridge.host import (
    Order,
    ask_plan,
)
from ..catalog.card import Card

_WIDEST = 100


def told(tool_id: str, offer: wire.Offer) -> str:
    """All that is to be known of an offer, in lines as wide as the terminal."""
    width = min(shutil.get_terminal_size().columns, _WIDEST)
    texts = []
    for line in consent.lines(tool_id, offer, consent.hub_host()):
        mark = "! " if line.warning else "  "
        texts += textwrap.wrap(
            line.text, width, initial_indent=mark, subsequent_indent="  ", break_on_hyphens=False
        )
        # In one piece, so that it can be clicked.
        texts += [f"  {line.link}"] if line.link else []
    if offer.instead:
        texts.append(f"  {consent.switch_help(offer.instead)}")
    return "\n".join(texts)


def tell(family: Sequence[Card], missing: int) -> None:
    """What is to be known of a model that the user has named, and of what it needs.

    A script hears only what nobody may overlook.
    """
    card = family[0]
    if card.commercial and not sys.stderr.isatty():
        return
    offer = wire.Offer(
        card.id,
        card.title,
        missing,
        card.licence,
        card.licence_link,
        card.commercial_use.value,
        card.commercial_note,
        any(one.hub_declared for one in family),
    )
    _print(f"{consent.question(offer)}:\n{told('' if card.helper else card.tool, offer)}")


def asked(order: Order, client: Client, size: tuple[int, int]) -> Order:
    """Ask for the consent to the download that a plan proposes, or to that of another model."""
    while True:
        plan = client.ask(ask_plan(order, *size), wire.PlanReply).plan
        offer = plan.offer
        if offer is None or plan.path == wire.REAL:
            return order
        _print(f"{plan.sentence()}\n{told(order.tool, offer)}")
        answers = "[y/N]"
        if offer.instead:
            _print(f"  o: {consent.switch(offer.instead)}")
            answers = "[y/N/o]"
        print(f"{consent.question(offer)}? {answers} ", end="", file=sys.stderr, flush=True)
        answer = sys.stdin.readline().strip().lower()
        if answer in ("o", "other") and offer.instead:
            order = replace(order, parameters=consent.switched(order.parameters, offer.instead))
            continue
        return replace(order, consent=offer.model if answer in ("y", "yes") else "")


def _print(text: str) -> None:
    print(text, file=sys.stderr)
