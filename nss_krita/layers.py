"""Krita as a host of the tools: reads the selected layers, hands on what is to be placed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from krita import Krita

from . import elsewhere, placing, reading, receipts, spaces
from .placing import Area
from .qt import owned
from .vendored import _, arena, errors, host, paths, placement, receipt, toolbox, wire

_LIMITING = (toolbox.Selects.LIMITS, toolbox.Selects.NEEDED)


@dataclass(frozen=True)
class Target:
    """A layer to work on, remembered by its id: the user goes on working meanwhile."""

    uuid: str
    name: str


@dataclass(frozen=True)
class Native:
    """How to go back: where the result lies and in which colour space.

    ``back`` is the colour space of the result. ``kept`` are the layer's own bytes and ``mask`` the
    selection where the colours were converted and what is not selected must stay as it was.
    ``digest`` is that of the layer's own bytes where it is to be replaced.
    """

    area: Area
    space: spaces.Space
    back: spaces.Space
    opens: bool
    kept: bytes | None
    mask: bytes | None
    digest: bytes | None


class KritaHost:
    """One document of Krita, and the layers and the selection it had when the user pressed Apply.

    New documents are shown in ``window``. All methods are for Krita's own thread. Conversions let
    Krita's event loop run meanwhile.
    """

    name = "Krita"

    def __init__(
        self, document: Any, nodes: Sequence[Any], places: paths.Paths, window: Any
    ) -> None:
        self.version = placing.version()
        self.paths = places
        self.document = document
        self.title = PurePath(document.fileName()).name or document.name() or _("the document")
        # A conversion lets the user's click on Cancel through, after the worker is done.
        self.cancelled: Callable[[], bool] = lambda: False
        # What the user is told beside what came of it.
        self.remarks: list[str] = []
        self._window = window
        self._resolution = document.xRes()
        self._targets = [
            Target(node.uniqueId().toString(), node.name())
            for node in nodes
            if node.type() != "selectionmask"
        ]
        selection = document.selection()
        self._selection = selection.duplicate() if selection is not None else None

    def at_work(self) -> bool:
        """Whether a tool or filter of Krita is in the middle of its work on the document.

        What is read then is not what is seen, and what is added ends the user's stroke.
        """
        if not self._is_open():
            return False
        if self.document.tryBarrierLock():
            self.document.unlock()
            return False
        return True

    def settle(self) -> None:
        """Have what is at work come to its end, as before Krita saves: this may take a moment."""
        self.document.waitForDone()

    def layers(self, task: host.Task) -> Sequence[Target]:
        """The selected layers, from bottom to top; ``BadInput`` when one cannot be used."""
        if not self._targets:
            raise errors.BadInput(_("No layer is selected. Select a layer and try again."))
        if task.outcome is toolbox.Returns.SELECTION and len(self._targets) > 1:
            raise errors.BadInput(
                _(
                    "A selection is made from one layer, and {count} are selected. Select one "
                    "of them and try again.",
                    count=len(self._targets),
                )
            )
        for target in self._targets:
            node = self._node(target)
            area, _worked = reading.work_of(self.document, node, task)
            if self._selection is not None and self._limits(task) and self._mask(area) is None:
                raise errors.BadInput(
                    _(
                        "The selection lies outside the layer “{name}”. Select a part of the "
                        "layer, or nothing for all of it, and try again.",
                        name=target.name,
                    )
                )
        return tuple(self._targets)

    def read(self, layer: Target, files: arena.Arena, task: host.Task) -> host.Source:
        """The layer's pixels as the worker takes them, the selection over them, and strokes."""
        node = self._node(layer)
        area = reading.task_area(self.document, node, task)
        space = reading.space_of(self.document, node, task)
        crossing = spaces.MIDDLE if space.crossing is None else space
        mask = self._mask(area) if task.selection else None
        pixels = _file(files, area, crossing, space.grey)
        kept = previous = digest = None
        if not reading.makes_picture(task):
            data = reading.pixels_of(node, area, task.placement)
            if task.placement is placement.Placement.REPLACE:
                digest = hashlib.sha256(data).digest()
            label = receipts.of_layer(self.document, node)
            previous = receipt.to_dict(label.receipt) if label else None
            if space != crossing and mask is not None and self._limits(task):
                kept = data
            data = spaces.convert(data, area.width, area.height, space, crossing)
            files.write(pixels, data)
        return host.Source(
            name=layer.name,
            selected=None if mask is None else arena.selected_size(mask, area.width),
            pixels=pixels,
            mask=None if mask is None else _mask_file(files, area, mask),
            strokes=self._strokes(node, area, crossing, files) if task.strokes else None,
            previous=previous,
            private=Native(
                area=area,
                space=space,
                back=reading.result_space(self.document, space, task),
                opens=reading.opens_document(self.document, space, task),
                kept=kept,
                mask=mask,
                digest=digest,
            ),
        )

    def write(
        self,
        layer: Target,
        source: host.Source,
        files: arena.Arena,
        result: host.Result,
        label: receipt.Receipt,
    ) -> None:
        """Place the result as outcome and placement say, with its receipt."""
        native: Native = source.private
        matte = files.read(result.matte) if result.matte is not None else None
        if result.pixels is None:
            self._write_without_layer(layer, native.area, matte, label)
            return
        data = self._native_bytes(native, result.pixels, files.read(result.pixels))
        if self.cancelled():
            raise errors.Cancelled(_("Cancelled."))
        name = receipt.layer_name(source.name, receipt.tool_title(label.tool), label)
        size = result.pixels.width, result.pixels.height
        if native.opens:
            piece = placing.Piece(name, data, Area(0, 0, *size), native.back)
            elsewhere.open_document(self._open_window(), size, self._resolution, piece, label)
            return
        node = reading.anchor_of(self._node(layer))
        reading.check_parents(node)
        piece = placing.Piece(name, data, native.area, native.back, matte, layer.uuid)
        under = result.outcome is toolbox.Returns.BELOW
        if result.placement is placement.Placement.MASK:
            placing.as_mask(self.document, node, piece, label)
        elif result.placement is placement.Placement.REPLACE and self._is_as_read(node, native):
            placing.replace(self.document, node, piece, label)
        elif result.placement is placement.Placement.GROUP:
            placing.group(self.document, node, piece, label, under)
        elif under:
            placing.below(self.document, node, piece, label)
        else:
            placing.above(self.document, node, piece, label)

    def _is_as_read(self, node: Any, native: Native) -> bool:
        """Whether a layer has its pixels still; what was painted meanwhile must not go with it."""
        data = node.pixelData(*native.area.rectangle)
        same = hashlib.sha256(memoryview(data)).digest() == native.digest
        if not same:
            self.remarks.append(placement.kept(node.name()))
        return same

    def _write_without_layer(
        self, layer: Target, area: Area, matte: bytes | None, label: receipt.Receipt
    ) -> None:
        self._node(layer)
        if matte is None:
            receipts.attach_words(self.document, layer.uuid, label)
            return
        if matte.count(0) == len(matte):
            raise errors.BadInput(
                _(
                    "{tool} found nothing to select in the layer “{name}”, so the selection is "
                    "as it was. Choose another layer, or mark roughly what you want with a "
                    "selection.",
                    tool=receipt.tool_title(label.tool),
                    name=layer.name,
                )
            )
        elsewhere.select(self.document, matte, area)
        receipts.attach_selection(self.document, layer.uuid, label)

    @staticmethod
    def _native_bytes(native: Native, file: wire.PixelFile, data: bytes) -> bytes:
        """A result's pixels in the colour space where they go."""
        if native.space.crossing is None:
            data = spaces.convert(data, file.width, file.height, spaces.MIDDLE, native.back)
        if native.kept is not None and native.mask is not None and native.back == native.space:
            size = native.space.pixel_size
            data = arena.keep_unselected(native.kept, data, native.mask, size)
        return data

    def _strokes(
        self, node: Any, area: Area, crossing: spaces.Space, files: arena.Arena
    ) -> wire.PixelFile:
        above = reading.strokes_above(node)
        data = reading.pixels_of(above, area)
        file = _file(files, area, crossing, False)
        space = spaces.of_node(above)
        files.write(file, spaces.convert(data, area.width, area.height, space, crossing))
        return file

    def _open_window(self) -> Any:
        """The window the run was started from; another one where that has been closed."""
        windows = owned(Krita.instance().windows())
        kept = [window for window in windows if window == self._window]
        return kept[0] if kept else Krita.instance().activeWindow()

    def _is_open(self) -> bool:
        return any(one == self.document for one in owned(Krita.instance().documents()))

    def _node(self, target: Target) -> Any:
        """The layer as it is now; ``BadInput`` when it, or the whole document, has gone."""
        if not self._is_open():
            raise errors.BadInput(
                _(
                    "{title} was closed meanwhile, so there is no place for the result. Open "
                    "it and run the tool again.",
                    title=self.title,
                )
            )
        node = receipts.node_of(self.document, target.uuid)
        if node is None:
            raise errors.BadInput(
                _(
                    "The layer “{name}” was deleted meanwhile, so there is no place for the "
                    "result. Undo the deletion and run the tool again.",
                    name=target.name,
                )
            )
        return node

    @staticmethod
    def _limits(task: host.Task) -> bool:
        return task.tool.selects in _LIMITING

    def _mask(self, area: Area) -> bytes | None:
        """The selection over an area; None where nothing of it is selected."""
        if self._selection is None:
            return None
        mask = bytes(self._selection.pixelData(*area.rectangle))
        return None if mask.count(0) == len(mask) else mask


def _file(files: arena.Arena, area: Area, space: spaces.Space, grey: bool) -> wire.PixelFile:
    """A pixel file, all zeros, for an area of a colour space that crosses as it is."""
    assert space.crossing is not None
    depth, order, curve = space.crossing
    return files.create(area.width, area.height, depth, order, curve, grey)


def _mask_file(files: arena.Arena, area: Area, mask: bytes) -> wire.PixelFile:
    file = files.create(area.width, area.height, "u8", "mask")
    files.write(file, mask)
    return file
