"""How each kind of result gets into Krita: layers in one undo step, selections, new documents.

Pixels go into a layer while it is detached: afterwards they would corrupt the undo history.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from krita import Krita, Selection

from . import receipts, spaces
from .qt import owned
from .vendored import errors, receipt

# Krita's blending mode that puts a layer behind everything that lies below it in its group.
_BEHIND = "behind"
# Since this version a selection that is set can be undone.
_UNDOABLE_SELECTION = (5, 3)
_MASK_NAME = "Transparency mask"


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
    """A result's native pixels and where they lie; ``matte`` is its transparency mask."""

    name: str
    data: bytes
    area: Area
    space: spaces.Space
    matte: bytes | None = None


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
    """The receipt comes first, so that nothing can fail once the layer is there."""
    added = maker.createNode(piece.name, "paintlayer")
    added.setPixelData(piece.data, *piece.area.rectangle)
    if behind:
        added.setBlendingMode(_BEHIND)
    if piece.matte is not None:
        mask = maker.createTransparencyMask(_MASK_NAME)
        mask.setPixelData(piece.matte, *piece.area.rectangle)
        added.addChildNode(mask, None)
    receipts.attach(document, added, label)
    if not insert(added):
        receipts.detach(document, added)
        raise errors.CouldNotBeDone(
            f"Krita did not take the new layer “{piece.name}”. The document was not changed."
        )


def open_document(
    window: Any, size: tuple[int, int], resolution: float, piece: Piece, label: receipt.Receipt
) -> None:
    """A new document with the piece as its one layer, shown in ``window``."""
    space = piece.space
    document = Krita.instance().createDocument(
        *size, piece.name, space.model, space.depth, space.profile, resolution
    )
    if document is None or spaces.of_document(document) != space:
        _discard(document)
        raise errors.CouldNotBeDone(
            f"Krita cannot make a document of {size[0]} × {size[1]} pixels in {space.model} "
            f"{space.depth} with the profile “{space.profile}”. Convert the layer to sRGB "
            "(Layer ▸ Convert) and try again."
        )
    try:
        layer = document.createNode(piece.name, "paintlayer")
        layer.setPixelData(piece.data, *piece.area.rectangle)
        receipts.attach(document, layer, label)
        # In place of the first layer, which is white without end; and no undo step.
        document.rootNode().setChildNodes([layer])
        document.refreshProjection()
        window.addView(document)
    except Exception:
        _discard(document)
        raise


def _discard(document: Any) -> None:
    """Close a document that nobody sees; Krita would crash at quit with one left."""
    if document is not None:
        document.setModified(False)
        document.close()


def select(document: Any, data: bytes, area: Area) -> None:
    """The document's selection: 0 to 255 for each pixel of ``area``, nothing around it.

    One undo step; in Krita 5.2, where there was a selection before, two.
    """
    selection = Selection()
    selection.setPixelData(data, *area.rectangle)
    if tuple(map(int, version().split(".")[:2])) >= _UNDOABLE_SELECTION:
        document.setSelection(selection)
        document.waitForDone()
        return
    # A selection that is set cannot be undone here; a selection mask that is added can, and one
    # that another document made by setting a selection is active at once.
    with spaces.Temporary(1, 1, spaces.PLAIN) as maker:
        maker.setSelection(selection)
        (mask,) = _selection_masks(maker)
        added = mask.duplicate()
        del mask, maker
        for old in _selection_masks(document):
            old.remove()
        document.rootNode().addChildNode(added, None)


def _selection_masks(document: Any) -> list[Any]:
    """The global selection of a document, which lies among its layers: one or none."""
    nodes = owned(document.rootNode().childNodes())
    return [node for node in nodes if node.type() == "selectionmask"]
