"""Which module does a tool, and in which order its models are tried; imports no numpy itself."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

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
    found = for_tool(cards, SERVED_BY.get(tool_id, tool_id))
    wanted = parameters.get(MODEL, AUTO)
    if wanted == AUTO:
        found = [card for card in found if not card.opt_in]
    else:
        found = [card for card in found if card.choice == wanted]
    if tool_id == "denoise":
        return _for_noise(found, parameters)
    if tool_id == "upscale":
        factor = int(parameters["factor"])
        return [card for card in found if card.tile and card.tile.scale >= factor]
    return found


def _for_noise(found: list[Card], parameters: Mapping[str, Value]) -> list[Card]:
    """A chosen noise level needs a model that takes one; without one the blind model is first."""
    if parameters.get("strength", AUTO) != AUTO:
        return [card for card in found if card.takes_sigma]
    return sorted(found, key=lambda card: not card.own and card.takes_sigma)


# The session of a model with several that runs once for every step.
REPEATED = "unet"


def runs(card: Card, parameters: Mapping[str, Value]) -> int:
    """How often a model that sees the picture as a whole will run."""
    return int(parameters.get("steps", 1)) if card.tile is None else 1
