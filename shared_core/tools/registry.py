"""Which module does a tool, and in which order its models are tried; imports no numpy itself."""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any

from shared_core.bridge.toolbox import AUTO, Value
from shared_core.catalog.cards import Card, for_tool

_MODULES = {"denoise": "denoise", "deblur": "deblur"}


def module(tool_id: str) -> Any:
    """The module with ``classical(work)`` and ``real(work, model)`` of a tool."""
    return importlib.import_module(f"shared_core.tools.{_MODULES[tool_id]}")


def models(cards: Mapping[str, Card], tool_id: str, parameters: Mapping[str, Value]) -> list[Card]:
    """The tool's cards that can do what ``parameters`` ask, the preferred first.

    A chosen noise level needs a model that takes one; without one the blind model comes first.
    """
    cards_of_tool = for_tool(cards, tool_id)
    if tool_id != "denoise":
        return cards_of_tool
    if parameters.get("strength", AUTO) != AUTO:
        return [card for card in cards_of_tool if card.takes_sigma]
    return sorted(cards_of_tool, key=lambda card: card.takes_sigma)
