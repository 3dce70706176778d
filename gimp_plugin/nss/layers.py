"""GIMP as a host of the tools: reads the chosen layers, adds results above them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gi

gi.require_version("Babl", "0.1")
gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")

from gi.repository import Babl, Gegl, Gimp  # noqa: E402
from vendored import arena, errors, host, paths, receipt, toolbox, wire  # noqa: E402

PARASITE = "nss-receipt"
# Precision -> how sRGB pixels cross to the worker: Babl format, depth, curve. Every other
# precision and every other profile crosses as float in linear light, unclipped.
_CROSSING = {
    Gimp.Precision.U8_NON_LINEAR: ("R'G'B'A u8", "u8", "srgb"),
    Gimp.Precision.U8_PERCEPTUAL: ("R'G'B'A u8", "u8", "srgb"),
    Gimp.Precision.U16_NON_LINEAR: ("R'G'B'A u16", "u16", "srgb"),
    Gimp.Precision.U16_PERCEPTUAL: ("R'G'B'A u16", "u16", "srgb"),
    Gimp.Precision.U16_LINEAR: ("RGBA u16", "u16", "linear"),
    Gimp.Precision.FLOAT_LINEAR: ("RGBA float", "f32", "linear"),
}
_MIDDLE = ("RGBA float", "f32", "linear")


@dataclass(frozen=True)
class Native:
    """How a layer's pixels crossed, and the selection's bytes over it, if there is one."""

    format: str
    mask: bytes | None


class GimpHost:
    """One image and the drawables that a procedure was called with."""

    name = "GIMP"

    def __init__(self, image: Any, drawables: Sequence[Any], places: paths.Paths) -> None:
        Gegl.init(None)
        self.version = Gimp.version()
        self.paths = places
        self.made: list[Any] = []
        self._image = image
        self._drawables = list(drawables)

    def layers(self) -> Sequence[Any]:
        """The layers; ``BadInput`` when there is none, or one that cannot get a result above it."""
        if not self._drawables:
            raise errors.BadInput("No layer is selected. Select a layer and try again.")
        for drawable in self._drawables:
            if not isinstance(drawable, Gimp.Layer):
                raise errors.BadInput(
                    f"“{drawable.get_name()}” is a mask or channel. Select its layer and try again."
                )
            parent = drawable.get_parent()
            while parent is not None:
                if parent.get_lock_content():
                    raise errors.BadInput(
                        f"The group “{parent.get_name()}” around the layer "
                        f"“{drawable.get_name()}” is locked, so no result can be added there. "
                        "Unlock the group and try again."
                    )
                parent = parent.get_parent()
        return self._drawables

    def read(self, layer: Any, files: arena.Arena) -> host.Source:
        """The layer's pixels (a group's projection) and the selection over it."""
        width, height = layer.get_width(), layer.get_height()
        name, depth, curve = self._crossing(layer)
        grey = self._image.get_base_type() == Gimp.ImageBaseType.GRAY
        mask = self._mask(layer)
        pixels = files.create(width, height, depth, "rgba", curve, grey)
        files.write(pixels, _pixels(layer.get_buffer(), 0, 0, width, height, name))
        mask_file = None
        if mask is not None:
            mask_file = files.create(width, height, "u8", "mask")
            files.write(mask_file, mask)
        return host.Source(
            layer.get_name(), pixels, mask_file, receipt_of(layer), Native(name, mask)
        )

    def write(
        self,
        layer: Any,
        source: host.Source,
        files: arena.Arena,
        result: wire.PixelFile,
        label: receipt.Receipt,
    ) -> None:
        """The result as a new layer above the source, in one undo step, with its receipt.

        An indexed image cannot hold it: the result opens as a new RGB image instead.
        """
        title = toolbox.tool(label.tool).title
        name = receipt.layer_name(source.name, title, label)
        native: Native = source.private
        data = files.read(result)
        size = result.width, result.height
        indexed = self._image.get_base_type() == Gimp.ImageBaseType.INDEXED
        image = Gimp.Image.new(*size, Gimp.ImageBaseType.RGB) if indexed else self._image
        kind = Gimp.ImageType.RGBA_IMAGE if indexed else layer.type()
        made = Gimp.Layer.new(image, name, *size, kind, 100, Gimp.LayerMode.NORMAL)
        if made is None:
            raise errors.CouldNotBeDone(f"GIMP could not make the layer “{name}”.")
        _fill(made, native, layer, data)
        if not indexed:
            _, x, y = layer.get_offsets()
            made.set_offsets(x, y)
        image.undo_group_start()
        try:
            parent = None if indexed else layer.get_parent()
            position = 0 if indexed else image.get_item_position(layer)
            inserted = image.insert_layer(made, parent, position)
            attached = inserted and made.attach_parasite(_parasite(label))
        finally:
            image.undo_group_end()
        if not attached:
            raise errors.CouldNotBeDone(
                f"GIMP did not accept the new layer “{name}”. Undo takes back what there is of it."
            )
        self.made.append(image if indexed else made)

    def _crossing(self, layer: Any) -> tuple[str, wire.Depth, wire.Curve]:
        """Babl format, depth and curve in which a layer's pixels cross."""
        if "-space-" in Babl.get_name(layer.get_format()):
            return _MIDDLE
        return _CROSSING.get(self._image.get_precision(), _MIDDLE)

    def _mask(self, layer: Any) -> bytes | None:
        """The selection over the layer, one byte a pixel; None where nothing is selected."""
        if Gimp.Selection.is_empty(self._image):
            return None
        width, height = layer.get_width(), layer.get_height()
        _, x, y = layer.get_offsets()
        mask = _pixels(self._image.get_selection().get_buffer(), x, y, width, height, "Y u8")
        if mask.count(0) == len(mask):
            raise errors.BadInput(
                f"The selection does not touch the layer “{layer.get_name()}”. "
                "Move the selection, or select nothing to work on the whole layer."
            )
        return mask


def receipt_of(layer: Any) -> dict[str, Any] | None:
    """The receipt that a layer carries; None where there is none or it is damaged."""
    parasite = layer.get_parasite(PARASITE)
    if parasite is None:
        return None
    try:
        return receipt.to_dict(receipt.from_json(bytes(parasite.get_data())))
    except errors.NssError:
        return None


def _parasite(label: receipt.Receipt) -> Any:
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    return Gimp.Parasite.new(PARASITE, flags, receipt.to_json(label).encode("ascii"))


def _pixels(buffer: Any, x: int, y: int, width: int, height: int, name: str | None) -> bytes:
    """A rectangle of a buffer in the Babl format ``name``, or in the buffer's own."""
    rectangle = Gegl.Rectangle.new(x, y, width, height)
    return bytes(buffer.get(rectangle, 1.0, name, Gegl.AbyssPolicy.NONE))


def _fill(made: Any, native: Native, layer: Any, data: bytes) -> None:
    """Put the result into a layer that is not in the image yet: no undo, no selection applies.

    Where colours were converted, pixels outside the selection get the source's own bytes back.
    """
    width, height = made.get_width(), made.get_height()
    rectangle = Gegl.Rectangle.new(0, 0, width, height)
    buffer = made.get_buffer()
    buffer.set(rectangle, native.format, data)
    same = Babl.get_name(made.get_format()) == Babl.get_name(layer.get_format())
    if native.mask is not None and same:
        old = _pixels(layer.get_buffer(), 0, 0, width, height, None)
        new = _pixels(buffer, 0, 0, width, height, None)
        size = len(old) // (width * height)
        kept = arena.keep_unselected(old, new, native.mask, size)
        buffer.set(rectangle, Babl.get_name(made.get_format()), kept)
    buffer.flush()
