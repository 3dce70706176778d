"""A card as the TOML text that ``cards.read_card`` reads. Standard library only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from .card import HUB_DECLARED, Card, TensorSpec

SCHEMA = 1
# Fields of a card's own table, in the order of the catalogue's cards.
_PLAIN = (
    "id",
    "tool",
    "title",
    "tier",
    "rank",
    "choice",
    "opt_in",
    "needs",
    "repo",
    "revision",
    "licence",
    "licence_url",
    "licence_note",
    "commercial_use",
    "commercial_note",
    "weights",
    "opset",
)
_ALWAYS = ("shape", "fixed")
_COSTS = (
    "gflop_per_megapixel",
    "cpu_seconds_per_megapixel",
    "gflop_per_run",
    "cpu_seconds_per_run",
    "peak_bytes_per_pixel",
    "peak_bytes",
    "session_bytes",
)


def card_text(card: Card) -> str:
    """The text of the card; what it does not know stands nowhere in it."""
    plain = {name: getattr(card, name) for name in _PLAIN}
    parts = [_table("", {"schema": SCHEMA, **plain})]
    for file in card.files:
        values = {
            "path": file.path,
            "size": file.size,
            "sha256": file.sha256 or HUB_DECLARED,
            "role": file.role,
        }
        parts.append(_table("[[file]]", values))
    for head, specs in (("[[input]]", card.inputs), ("[[output]]", card.outputs)):
        parts += [_table(head, _tensor(spec)) for spec in specs]
    if card.tile:
        parts.append(_table("[tile]", _fields(card.tile)))
    if card.side:
        parts.append(_table("[whole]", {"side": card.side, "multiple": card.multiple}))
    costs = {name: getattr(card, name) for name in _COSTS}
    if any(value is not None for value in costs.values()):
        parts.append(_table("[cost]", costs))
    for source in card.sources:
        parts.append(_table("[[source]]", _fields(source)))
    return "\n".join(parts)


def _tensor(spec: TensorSpec) -> dict[str, Any]:
    return {**_fields(spec), "margin": spec.margin or None}


def _fields(made: Any) -> dict[str, Any]:
    return {one.name: getattr(made, one.name) for one in fields(made)}


def _table(head: str, values: Mapping[str, Any]) -> str:
    lines = [head] if head else []
    for name, value in values.items():
        # A shape without sides is that of a number alone.
        if name in _ALWAYS or not (value is None or value is False or value in ("", ())):
            lines.append(f"{name} = {_value(value)}")
    return "\n".join(lines) + "\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_value(item) for item in value) + "]"
    # TOML's basic strings have JSON's escapes, but for those of characters beyond 16 bits.
    text = getattr(value, "value", value)
    return json.dumps(str(text), ensure_ascii=False).replace("\x7f", "\\u007f")
