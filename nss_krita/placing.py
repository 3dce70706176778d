"""How results get among the layers of the user's picture, and how many undo steps that takes.

Pixels go into a layer while it is detached: afterwards they would corrupt the undo history.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from krita import Krita

from . import receipts, spaces
from .qt import owned
from .vendored import _, errors, placement, receipt

# Krita's blending mode that puts a layer behind everything that lies below it in its group.
_BEHIND = "behind"
_MASK_NAME = _("Transparency mask")
# What is a new layer comes in one step; where the user's layer leaves its place that is another.
UNDO_STEPS = {placement.Placement.REPLACE: 2, placement.Placement.GROUP: 2}


@dataclass(frozen=True)
class Area:
    """A rectangle in the document's pixels."""

    x: int
    y: int
    width: int
    height: int

    @property
    def rectangle(self) -> tuple[int, int, int, int]:
        """As libkis takes it: x, y, width, height."""
        return self.x, self.y, self.width, self.height


@dataclass(frozen=True)
class Piece:
    """A result's native pixels and where they lie; ``matte`` is its transparency mask.

    ``source`` is the id of the layer that it was made from.
    """

    name: str
    data: bytes
    area: Area
    space: spaces.Space
    matte: bytes | None = None
    source: str = ""


def version() -> str:
    """Krita's version, without the words of a build made from a branch."""
    return str(Krita.instance().version()).split(" ")[0]


def above(document: Any, anchor: Any, piece: Piece, label: receipt.Receipt) -> None:
    """A new layer above ``anchor``, with its transparency mask where it has one."""

    def insert(node: Any) -> bool:
        return bool(anchor.parentNode().addChildNode(node, anchor))

    _place(document, piece, label, insert)


def below(document: Any, anchor: Any, piece: Piece, label: receipt.Receipt) -> None:
    """A new layer under ``anchor``.

    Krita can put nothing below the lowest layer of a group in one undo step: there the new layer
    lies above it in the blending mode *Behind*, which looks the same.
    """
    parent, next_below = anchor.parentNode(), neighbour(anchor, -1)

    def insert(node: Any) -> bool:
        return bool(parent.addChildNode(node, anchor if next_below is None else next_below))

    _place(document, piece, label, insert, behind=next_below is None)


def neighbour(node: Any, step: int) -> Any:
    """The node that lies ``step`` places above another one in its group, or None."""
    parent = node.parentNode()
    if parent is None:
        return None
    siblings = owned(parent.childNodes())
    place = next(i for i, n in enumerate(siblings) if n.uniqueId() == node.uniqueId()) + step
    return siblings[place] if 0 <= place < len(siblings) else None


def as_mask(document: Any, source: Any, piece: Piece, label: receipt.Receipt) -> None:
    """A transparency mask on ``source``: the piece's matte; its pixels are not used."""
    assert piece.matte is not None
    mask = document.createTransparencyMask(piece.name)
    mask.setPixelData(piece.matte, *piece.area.rectangle)
    _insert(document, mask, label, piece.source, lambda: bool(source.addChildNode(mask, None)))


def replace(document: Any, source: Any, piece: Piece, label: receipt.Receipt) -> None:
    """The piece in the place of ``source``, with its masks, opacity and mode; two undo steps."""
    made = source.duplicate()
    made.setPixelData(piece.data, *piece.area.rectangle)
    made.setName(piece.name)
    _insert(document, made, label, "", lambda: bool(source.parentNode().addChildNode(made, source)))
    _leave(source)


def group(
    document: Any, source: Any, piece: Piece, label: receipt.Receipt, under: bool = False
) -> None:
    """A new group in the place of ``source``, with it and the piece in it; two undo steps.

    Krita cannot move a layer that has its place, so that a copy of ``source`` goes into the group.
    """
    with contextlib.ExitStack() as stack:
        own = spaces.of_document(document)
        maker = stack.enter_context(spaces.Temporary(1, 1, own))
        painter = maker
        if piece.space != own:
            painter = stack.enter_context(spaces.Temporary(1, 1, piece.space))
        made = maker.createGroupLayer(source.name())
        added, inside = _made(painter, piece), source.duplicate()
        for node in (added, inside) if under else (inside, added):
            made.addChildNode(node, None)
        receipts.carry(document, source, inside)
        try:
            _insert(
                document,
                added,
                label,
                inside.uniqueId().toString(),
                lambda: bool(source.parentNode().addChildNode(made, source)),
            )
        finally:
            del maker, painter
    _leave(source)


def _leave(source: Any) -> None:
    """Take a layer out whose place the result has."""
    if not source.remove():
        raise errors.CouldNotBeDone(
            _(
                "Krita did not take the layer “{name}” out; the result lies above it. Undo "
                "takes the result back.",
                name=source.name(),
            )
        )


def _place(
    document: Any,
    piece: Piece,
    label: receipt.Receipt,
    insert: Callable[[Any], bool],
    behind: bool = False,
) -> None:
    """Make the layer and add it.

    A layer keeps the colour space of the document that made it; and a mask given to a detached
    layer, or its blending mode, is an undo step of the document that made the layer. So wherever
    one of these is wanted, a temporary document makes it.
    """
    plain = piece.matte is None and not behind
    if plain and spaces.of_document(document) == piece.space:
        _add(document, document, piece, label, insert, behind)
        return
    with spaces.Temporary(1, 1, piece.space) as maker:
        _add(document, maker, piece, label, insert, behind)
        del maker


def _add(
    document: Any,
    maker: Any,
    piece: Piece,
    label: receipt.Receipt,
    insert: Callable[[Any], bool],
    behind: bool,
) -> None:
    added = _made(maker, piece)
    if behind:
        added.setBlendingMode(_BEHIND)
    _insert(document, added, label, piece.source, lambda: insert(added))


def _made(maker: Any, piece: Piece) -> Any:
    """The piece as a layer that is nowhere yet."""
    made = maker.createNode(piece.name, "paintlayer")
    made.setPixelData(piece.data, *piece.area.rectangle)
    if piece.matte is not None:
        mask = maker.createTransparencyMask(_MASK_NAME)
        mask.setPixelData(piece.matte, *piece.area.rectangle)
        made.addChildNode(mask, None)
    return made


def _insert(
    document: Any,
    labelled: Any,
    label: receipt.Receipt,
    source: str,
    insert: Callable[[], bool],
) -> None:
    """The receipt of ``labelled`` comes first, so that nothing can fail once it is there."""
    receipts.attach(document, labelled, label, source)
    if not insert():
        receipts.detach(document, labelled)
        raise errors.CouldNotBeDone(
            _("Krita did not take “{name}”. The document was not changed.", name=labelled.name())
        )
