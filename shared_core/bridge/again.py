"""From a receipt back to an order: the same tool with the same parameters once more."""

from __future__ import annotations

from .host import Order
from .receipt import Receipt
from .settings import Settings
from .toolbox import tool
from .wire import CLASSICAL


def order_again(receipt: Receipt, kept: Settings, path: str | None = None) -> Order:
    """What made this result, within the user's settings of today.

    Without a ``path`` what was made classically is so again, and else the plan decides. Parameters
    that the tool no longer has are left out; ``UsageError`` where this version does not know it.
    """
    known = {parameter.id for parameter in tool(receipt.tool).parameters}
    return Order(
        tool=receipt.tool,
        parameters={name: v for name, v in receipt.parameters.items() if name in known},
        path=path or (CLASSICAL if receipt.path == CLASSICAL else "auto"),
        limits=kept.limits,
        commercial_only=kept.commercial_only,
    )
