"""Which module does a tool, and in which order its models are tried; imports no numpy itself."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from shared_core.bridge.language import _
from shared_core.bridge.toolbox import AUTO, MODEL, Value
from shared_core.catalog.cards import Card, for_tool

# Tools that use another one's models.
SERVED_BY = {"generate-background": "text-to-image"}


def module(tool_id: str) -> Any:
    """The module with ``classical(work)`` and ``real(work, model)`` of a tool."""
    return importlib.import_module(f"shared_core.tools.{tool_id.replace('-', '_')}")


def models(cards: Mapping[str, Card], tool_id: str, parameters: Mapping[str, Value]) -> list[Card]:
    """The tool's cards that can do what ``parameters`` ask, the preferred first.

    A model that the user chose stands alone; otherwise those that want to be chosen stay out.
    """
    found = _wanted(cards, tool_id, parameters)
    return [card for card in found if not _unfit(card, tool_id, parameters)]


def passed_over(
    cards: Mapping[str, Card], tool_id: str, parameters: Mapping[str, Value]
) -> tuple[Card, str] | None:
    """The model that the user brought or chose, and why it cannot do what ``parameters`` ask.

    None where the one that comes first can.
    """
    for card in _wanted(cards, tool_id, parameters):
        why = _unfit(card, tool_id, parameters)
        if not why:
            return None
        if card.own or parameters.get(MODEL, AUTO) != AUTO:
            return card, why
    return None


def _wanted(cards: Mapping[str, Card], tool_id: str, parameters: Mapping[str, Value]) -> list[Card]:
    """The models to take in this order, as far as they can do it."""
    found = for_tool(cards, SERVED_BY.get(tool_id, tool_id))
    wanted = parameters.get(MODEL, AUTO)
    if wanted != AUTO:
        return [card for card in found if card.choice == wanted]
    found = [card for card in found if not card.opt_in]
    if tool_id == "denoise" and parameters.get("strength", AUTO) == AUTO:
        # Without a chosen noise level the blind model is first.
        found.sort(key=lambda card: not card.own and card.takes_sigma)
    return found


def _unfit(card: Card, tool_id: str, parameters: Mapping[str, Value]) -> str:
    """Why a model cannot do what ``parameters`` ask, "" where it can."""
    if tool_id == "denoise":
        chosen = parameters.get("strength", AUTO) != AUTO
        return (
            _("{model} takes no chosen strength", model=card.title)
            if chosen and not card.takes_sigma
            else ""
        )
    if tool_id == "upscale":
        factor, scale = int(parameters["factor"]), card.tile.scale if card.tile else 1
        return (
            _(
                "{model} enlarges {scale} times, not {factor}",
                model=card.title,
                scale=scale,
                factor=factor,
            )
            if scale < factor
            else ""
        )
    return ""


# The session of a model with several that runs once for every step.
REPEATED = "unet"


def runs(card: Card, parameters: Mapping[str, Value]) -> int:
    """How often a model that sees the picture as a whole will run."""
    return int(parameters.get("steps", 1)) if card.tile is None else 1
