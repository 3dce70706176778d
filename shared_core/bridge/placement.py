"""Where a result goes in the user's picture: what fits which tool, in the words all editors show.

An editor carries it out in its own way; one that needs more than one undo step says so with
``told``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from .errors import UsageError
from .toolbox import Returns


class Placement(str, Enum):
    """NEW: a new layer beside the source, which stays as it is; what every tool does by default.

    MASK: the cut-out's mask, on the source. REPLACE: in the source's place. GROUP: a new layer, in
    one group with the source.
    """

    NEW = "new"
    MASK = "mask"
    REPLACE = "replace"
    GROUP = "group"


@dataclass(frozen=True)
class Choice:
    """A placement as the user meets it."""

    placement: Placement
    title: str
    help: str


_NEW = Choice(Placement.NEW, "New layer", "A new layer with the result; your layer stays as it is.")
_CHOICES = {
    Placement.NEW: _NEW,
    Placement.MASK: Choice(
        Placement.MASK,
        "Mask on your layer",
        "Your layer gets the mask, and keeps its own pixels: edge colours are not cleaned.",
    ),
    Placement.REPLACE: Choice(
        Placement.REPLACE,
        "Replace your layer",
        "The result takes the place of your layer; its pixels are then in the undo history alone.",
    ),
    Placement.GROUP: Choice(
        Placement.GROUP,
        "Group with your layer",
        "A new layer with the result, in one new group with your layer.",
    ),
}
_FITTING = {
    Returns.PIXELS: (Placement.NEW, Placement.REPLACE, Placement.GROUP),
    Returns.MASK: (Placement.NEW, Placement.MASK, Placement.GROUP),
    Returns.BELOW: (Placement.NEW, Placement.GROUP),
}


def fitting(outcome: Returns) -> tuple[Placement, ...]:
    """The placements that what comes back can have, the default first; often this alone."""
    return _FITTING.get(outcome, (Placement.NEW,))


def choices(outcome: Returns) -> tuple[Choice, ...]:
    """The placements that fit, in words; where it is one alone there is nothing to ask."""
    return tuple(_CHOICES[placement] for placement in fitting(outcome))


def told(choice: Choice, undo_steps: int) -> Choice:
    """The choice in an editor where it takes so many undo steps."""
    if undo_steps == 1:
        return choice
    return replace(
        choice,
        title=f"{choice.title} ({undo_steps} undo steps)",
        help=f"{choice.help} It takes {undo_steps} undo steps to take it back.",
    )


def settled(wanted: str, outcome: Returns) -> Placement:
    """The placement that was asked for; ``UsageError`` where it is none or does not fit."""
    for placement in fitting(outcome):
        if placement.value == wanted:
            return placement
    known = ", ".join(placement.value for placement in fitting(outcome))
    raise UsageError(f"The result cannot be placed as {wanted!r}; what fits here: {known}.")
