"""Where a result goes in the user's picture: what fits which tool, in the words all editors show.

An editor carries it out in its own way; one that needs more than one undo step says so with
``told``.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from .errors import UsageError
from .language import _
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


_NEW = Choice(
    Placement.NEW, _("New layer"), _("A new layer with the result; your layer stays as it is.")
)
_CHOICES = {
    Placement.NEW: _NEW,
    Placement.MASK: Choice(
        Placement.MASK,
        _("Mask on your layer"),
        _("Your layer gets the mask, and keeps its own pixels: edge colours are not cleaned."),
    ),
    Placement.REPLACE: Choice(
        Placement.REPLACE,
        _("Replace your layer"),
        _(
            "The result takes the place of your layer; its pixels are then in the undo history "
            "alone."
        ),
    ),
    Placement.GROUP: Choice(
        Placement.GROUP,
        _("Group with your layer"),
        _("A new layer with the result, in one new group with your layer."),
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
        title=_("{title} ({undo_steps} undo steps)", title=choice.title, undo_steps=undo_steps),
        help=_(
            "{help} It takes {undo_steps} undo steps to take it back.",
            help=choice.help,
            undo_steps=undo_steps,
        ),
    )


def kept(name: str) -> str:
    """What is told where a layer was changed during the run, and so does not leave its place."""
    return _(
        "“{name}” was changed meanwhile, so it stays, and the result lies above it.", name=name
    )


def settled(wanted: str, outcome: Returns) -> Placement:
    """The placement that was asked for; ``UsageError`` where it is none or does not fit."""
    for placement in fitting(outcome):
        if placement.value == wanted:
            return placement
    known = ", ".join(placement.value for placement in fitting(outcome))
    raise UsageError(
        _(
            "The result cannot be placed as {wanted}; what fits here: {known}.",
            wanted=repr(wanted),
            known=known,
        )
    )
