"""Where the user is: the window of a panel, its view, document and active layer.

Krita tells nobody that another layer was chosen, so that the panel looks every now and then; a
glimpse says at little cost whether there is anything new to see.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from krita import Krita

from . import receipts
from .qt import owned


@dataclass(frozen=True)
class Glimpse:
    """What the plans of all tools depend on in a picture."""

    document: str
    canvas: tuple[int, int]
    layer: str
    name: str
    kind: str
    locked: bool
    bounds: tuple[int, int, int, int]
    selection: tuple[int, int, int, int] | None
    layers: int


class Whereabouts:
    """Looks at Krita from one panel's window."""

    def __init__(self, dock: Any) -> None:
        self._dock = dock

    def window(self) -> Any:
        """The window that the panel is in."""
        parent = self._dock.parent()
        for window in owned(Krita.instance().windows()):
            if window.qwindow() is parent:
                return window
        return Krita.instance().activeWindow()

    def view(self) -> Any:
        """Its view, or None."""
        window = self.window()
        return window.activeView() if window is not None else None

    def document(self) -> Any:
        """The document that it shows, or None."""
        view = self.view()
        return view.document() if view is not None else None

    def nodes(self) -> list[Any]:
        """The selected layers, from bottom to top."""
        view = self.view()
        return owned(view.selectedNodes()) if view is not None else []

    def node(self, uuid: str) -> Any:
        """The layer of the document with this id, or None."""
        document = self.document()
        return receipts.node_of(document, uuid) if document is not None else None

    def select(self, uuid: str) -> None:
        """Make a layer the active one, where it is there."""
        node = self.node(uuid)
        if node is not None:
            self.document().setActiveNode(node)


def glimpse(document: Any, node: Any, layers: int) -> Glimpse:
    """What there is to see of a layer, one of ``layers`` that are selected."""
    bounds, chosen = node.bounds(), document.selection()
    selection = None
    if chosen is not None:
        selection = chosen.x(), chosen.y(), chosen.width(), chosen.height()
    return Glimpse(
        document=document.rootNode().uniqueId().toString(),
        canvas=(document.width(), document.height()),
        layer=node.uniqueId().toString(),
        name=node.name(),
        kind=node.type(),
        locked=node.locked(),
        bounds=(bounds.x(), bounds.y(), bounds.width(), bounds.height()),
        selection=selection,
        layers=layers,
    )
