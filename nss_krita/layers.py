"""Krita as a host of the tools: reads the selected layers, adds results above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from krita import Krita

from . import receipts, spaces
from .qt import QtCore, owned
from .vendored import arena, errors, host, paths, receipt, wire

_READABLE = {
    "paintlayer": "paint layer",
    "grouplayer": "group",
    "vectorlayer": "vector layer",
    "filllayer": "fill layer",
    "filelayer": "file layer",
    "clonelayer": "clone layer",
}
# What hides or changes the pixels of a paint layer, so that they differ from what is seen.
_SHAPING_MASKS = frozenset({"transparencymask", "filtermask", "transformmask", "colorizemask"})
_SIZE_LIMIT = (1 << 31) - 1


@dataclass(frozen=True)
class Target:
    """A layer to work on, remembered by its id: the user goes on working meanwhile."""

    uuid: str
    name: str


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
class Native:
    """Where and how a layer's own pixels lie; ``kept`` and ``mask`` only where it matters."""

    area: Area
    space: spaces.Space
    kept: bytes | None
    mask: bytes | None


def version() -> str:
    """Krita's version, without the words of a build made from a branch."""
    return str(Krita.instance().version()).split(" ")[0]


def area_of(document: Any, node: Any) -> Area:
    """The rectangle of a layer that is worked on: all of it, or where that is absurd the canvas.

    ``BadInput`` when the node is no layer with pixels, is empty, or is too large.
    """
    kind, name = node.type(), node.name()
    if kind not in _READABLE:
        what = "a mask" if kind.endswith("mask") else "a layer without pixels of its own"
        raise errors.BadInput(f"“{name}” is {what}. Select a layer with pixels and try again.")
    canvas = QtCore.QRect(0, 0, document.width(), document.height())
    bounds = canvas if kind == "filllayer" else node.bounds()
    pixel_size = max(4, spaces.of_node(node).pixel_size, spaces.MIDDLE.pixel_size)
    if bounds.width() * bounds.height() * pixel_size > _SIZE_LIMIT:
        bounds = bounds.intersected(canvas)
    if bounds.isEmpty():
        raise errors.BadInput(
            f"The layer “{name}” is empty. Select a layer with pixels and try again."
        )
    if bounds.width() * bounds.height() * pixel_size > _SIZE_LIMIT:
        raise errors.BadInput(
            f"The layer “{name}” has {bounds.width()} × {bounds.height()} pixels, which is too "
            "large to be worked on at once. Crop it or scale it down."
        )
    return Area(bounds.x(), bounds.y(), bounds.width(), bounds.height())


def worked_size(document: Any, area: Area) -> tuple[int, int]:
    """Width and height of the part of ``area`` that a tool would work on."""
    selection = document.selection()
    if selection is None:
        return area.width, area.height
    box = QtCore.QRect(selection.x(), selection.y(), selection.width(), selection.height())
    box = box.intersected(QtCore.QRect(*area.rectangle))
    return host.worked_size(area.width, area.height, (box.width(), box.height()))


def shows_more_than_pixels(node: Any) -> bool:
    """Whether what a layer shows differs from its pixels, or it has no pixels of its own."""
    if node.type() != "paintlayer":
        return True
    return any(
        child.type() in _SHAPING_MASKS and child.visible() for child in owned(node.childNodes())
    )


def check_parents(node: Any) -> None:
    """``BadInput`` when a group around the layer is locked, so that no layer may be added there."""
    parent = node.parentNode()
    while parent is not None:
        above = parent.parentNode()
        if above is not None and parent.locked():
            raise errors.BadInput(
                f"The group “{parent.name()}” around the layer “{node.name()}” is locked, so no "
                "result can be added there. Unlock the group and try again."
            )
        parent = above


class KritaHost:
    """One document of Krita, and the layers and the selection it had when the user pressed Apply.

    All methods are for Krita's own thread. Conversions let Krita's event loop run meanwhile.
    """

    name = "Krita"

    def __init__(self, document: Any, nodes: Sequence[Any], places: paths.Paths) -> None:
        self.version = version()
        self.paths = places
        self.document = document
        self.title = PurePath(document.fileName()).name or document.name() or "the document"
        self._targets = [
            Target(node.uniqueId().toString(), node.name())
            for node in nodes
            if node.type() != "selectionmask"
        ]
        selection = document.selection()
        self._selection = selection.duplicate() if selection is not None else None

    def layers(self) -> Sequence[Target]:
        """The selected layers, from bottom to top; ``BadInput`` when one cannot be used."""
        if not self._targets:
            raise errors.BadInput("No layer is selected. Select a layer and try again.")
        for target in self._targets:
            node = self._node(target)
            area = area_of(self.document, node)
            check_parents(node)
            if self._selection is not None:
                self._check_selection(target, area)
        return tuple(self._targets)

    def read(self, layer: Target, files: arena.Arena) -> host.Source:
        """The layer's pixels as the worker takes them, and the selection over them."""
        node = self._node(layer)
        area = area_of(self.document, node)
        space = spaces.of_node(node)
        if shows_more_than_pixels(node):
            data = bytes(node.projectionPixelData(*area.rectangle))
        else:
            data = bytes(node.pixelData(*area.rectangle))
        if data.count(0) == len(data):
            raise errors.BadInput(
                f"The layer “{layer.name}” is empty. Select a layer with pixels and try again."
            )
        label = receipts.of_layer(self.document, node)
        mask = self._mask(area) if self._selection is not None else None
        size = area.width, area.height
        kept = None
        if space.crossing is None:
            kept = data if mask is not None else None
            data = spaces.convert(data, *size, space, spaces.MIDDLE)
        depth, order, curve = space.crossing or spaces.MIDDLE_CROSSING
        pixels = files.create(*size, depth, order, curve, space.grey)
        files.write(pixels, data)
        mask_file = None
        if mask is not None:
            mask_file = files.create(*size, "u8", "mask")
            files.write(mask_file, mask)
        return host.Source(
            name=layer.name,
            selected=None if mask is None else arena.selected_size(mask, area.width),
            pixels=pixels,
            mask=mask_file,
            previous=receipt.to_dict(label.receipt) if label else None,
            private=Native(area, space, kept, mask),
        )

    def write(
        self,
        layer: Target,
        source: host.Source,
        files: arena.Arena,
        result: wire.PixelFile,
        label: receipt.Receipt,
    ) -> None:
        """The result as a new layer above the source, in one undo step, with its receipt."""
        native: Native = source.private
        area, space = native.area, native.space
        data = files.read(result)
        if space.crossing is None:
            data = spaces.convert(data, area.width, area.height, spaces.MIDDLE, space)
            if native.kept is not None and native.mask is not None:
                data = arena.keep_unselected(native.kept, data, native.mask, space.pixel_size)
        node = self._node(layer)
        check_parents(node)
        name = receipt.layer_name(source.name, receipt.tool_title(label.tool), label)
        if spaces.of_document(self.document) == space:
            self._add(self.document, name, data, area, label, node)
        else:
            # A layer keeps the colour space of the document that made it.
            with spaces.Temporary(1, 1, space) as maker:
                self._add(maker, name, data, area, label, node)
                del maker

    def _add(
        self, maker: Any, name: str, data: bytes, area: Area, label: receipt.Receipt, above: Any
    ) -> None:
        """The pixels go in while the layer is detached: afterwards they would corrupt the undo.

        The receipt comes first too, so that nothing can fail once the layer is there.
        """
        added = maker.createNode(name, "paintlayer")
        added.setPixelData(data, *area.rectangle)
        receipts.attach(self.document, added, label)
        if not above.parentNode().addChildNode(added, above):
            receipts.detach(self.document, added)
            raise errors.CouldNotBeDone(
                f"Krita did not take the new layer “{name}”. The document was not changed."
            )

    def _node(self, target: Target) -> Any:
        """The layer as it is now; ``BadInput`` when it, or the whole document, has gone."""
        if not any(document == self.document for document in owned(Krita.instance().documents())):
            raise errors.BadInput(
                f"{self.title} was closed meanwhile, so there is no place for the result. "
                "Open it and run the tool again."
            )
        node = receipts.node_of(self.document, target.uuid)
        if node is None:
            raise errors.BadInput(
                f"The layer “{target.name}” was deleted meanwhile, so there is no place for the "
                "result. Undo the deletion and run the tool again."
            )
        return node

    def _check_selection(self, target: Target, area: Area) -> None:
        mask = self._mask(area)
        if mask.count(0) == len(mask):
            raise errors.BadInput(
                f"The selection lies outside the layer “{target.name}”. Select a part of the "
                "layer, or nothing for all of it, and try again."
            )

    def _mask(self, area: Area) -> bytes:
        assert self._selection is not None
        return bytes(self._selection.pixelData(*area.rectangle))
