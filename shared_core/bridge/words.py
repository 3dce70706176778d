"""What a tool found out about a picture, as plain text to read and to copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .language import _, looked_up
from .receipt import Receipt

MEASUREMENTS = _("measurements, not recognition")


def words(receipt: Receipt) -> str:
    """Labels with their scores or measurements, one on each line; empty where there are none."""
    lines = []
    labels = receipt.found.get("labels")
    if isinstance(labels, list):
        lines += [f"{pair[0]}  {float(pair[1]):.0%}" for pair in labels if _is_pair(pair)]
    measured = receipt.found.get("measurements")
    if isinstance(measured, Mapping):
        lines += [f"{looked_up(name)}: {value}" for name, value in measured.items()]
    return "\n".join(lines)


def _is_pair(item: Any) -> bool:
    return isinstance(item, list) and len(item) == 2 and isinstance(item[1], (int, float))
