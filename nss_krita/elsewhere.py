"""Results that are no layer of the user's picture: a new document, or the selection."""

from __future__ import annotations

from typing import Any

from krita import Krita, Selection

from . import receipts, spaces
from .placing import Area, Piece, version
from .qt import owned
from .vendored import _, errors, receipt

# Since this version a selection that is set can be undone.
_UNDOABLE_SELECTION = (5, 3)


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
            _(
                "Krita cannot make a document of {size} × {size2} pixels in {model} {depth} "
                "with the profile “{profile}”. Convert the layer to sRGB (Layer ▸ Convert) and "
                "try again.",
                size=size[0],
                size2=size[1],
                model=space.model,
                depth=space.depth,
                profile=space.profile,
            )
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
