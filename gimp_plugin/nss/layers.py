"""GIMP as a host of the tools: reads the chosen layers, adds results above them."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
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
_CROSSING: dict[Any, tuple[str, wire.Depth, wire.Curve]] = {
    Gimp.Precision.U8_NON_LINEAR: ("R'G'B'A u8", "u8", "srgb"),
    Gimp.Precision.U8_PERCEPTUAL: ("R'G'B'A u8", "u8", "srgb"),
    Gimp.Precision.U16_NON_LINEAR: ("R'G'B'A u16", "u16", "srgb"),
    Gimp.Precision.U16_PERCEPTUAL: ("R'G'B'A u16", "u16", "srgb"),
    Gimp.Precision.U16_LINEAR: ("RGBA u16", "u16", "linear"),
    Gimp.Precision.FLOAT_LINEAR: ("RGBA float", "f32", "linear"),
    Gimp.Precision.FLOAT_NON_LINEAR: ("R'G'B'A float", "f32", "srgb"),
    Gimp.Precision.FLOAT_PERCEPTUAL: ("R'G'B'A float", "f32", "srgb"),
}
_MIDDLE: tuple[str, wire.Depth, wire.Curve] = ("RGBA float", "f32", "linear")


@dataclass(frozen=True)
class Kept:
    """The selection over a layer, one byte a pixel, and the layer's bytes in its own format."""

    mask: bytes
    native: bytes


@dataclass(frozen=True)
class Native:
    """Where a layer's pixels lay; Babl formats: the one in which they crossed, and its own.

    ``kept`` only where these differ and there is a selection.
    """

    place: tuple[int, int]
    crossing: str
    own: str
    kept: Kept | None


class GimpHost:
    """One image and the drawables that a procedure was called with."""

    name = "GIMP"

    def __init__(self, image: Any, drawables: Sequence[Any], places: paths.Paths) -> None:
        Gegl.init(None)
        self.version = str(Gimp.version())
        self.paths = places
        self._image = image
        self._drawables = list(drawables)
        self._opened: list[Any] = []

    @property
    def opens_new_image(self) -> bool:
        """Whether the image cannot hold the result: an indexed one has no colours of its own."""
        return bool(self._image.get_base_type() == Gimp.ImageBaseType.INDEXED)

    def layers(self) -> Sequence[Any]:
        """The layers; ``BadInput`` when there is none, or one that cannot be worked on."""
        if not self._drawables:
            raise errors.BadInput("No layer is selected. Select a layer and try again.")
        for drawable in self._drawables:
            if not isinstance(drawable, Gimp.Layer):
                what = "a layer mask" if isinstance(drawable, Gimp.LayerMask) else "a channel"
                raise errors.BadInput(
                    f"“{drawable.get_name()}” is {what}. Select a layer and try again."
                )
            if drawable.is_group() and not drawable.get_children():
                raise _empty(drawable.get_name())
            if not self.opens_new_image:
                _check_parents(drawable)
            if not Gimp.Selection.is_empty(self._image):
                self._check_selection(drawable)
        return self._drawables

    def read(self, layer: Any, files: arena.Arena) -> host.Source:
        """The layer's pixels (a group's projection) and the selection over it."""
        with _as_shown(layer) as shown:
            size = shown.get_width(), shown.get_height()
            _, x, y = shown.get_offsets()
            crossing, depth, curve = self._crossing(shown)
            buffer = shown.get_buffer()
            data = _pixels(buffer, 0, 0, *size, crossing)
            if data.count(0) == len(data):
                raise _empty(layer.get_name())
            grey = bool(self._image.get_base_type() == Gimp.ImageBaseType.GRAY)
            pixels = files.create(*size, depth, "rgba", curve, grey)
            files.write(pixels, data)
            del data
            own = Babl.get_name(shown.get_format())
            kept, mask_file, selected = None, None, None
            if not Gimp.Selection.is_empty(self._image):
                mask = self._mask(x, y, *size)
                if own != crossing:
                    kept = Kept(mask, _pixels(buffer, 0, 0, *size, None))
                mask_file = files.create(*size, "u8", "mask")
                files.write(mask_file, mask)
                selected = arena.selected_size(mask, size[0])
            native = Native((x, y), crossing, own, kept)
        return host.Source(
            name=layer.get_name(),
            pixels=pixels,
            mask=mask_file,
            selected=selected,
            previous=_previous(layer),
            private=native,
        )

    def worked_size(self, layer: Any) -> tuple[int, int]:
        """Width and height of the part of a layer that a tool would work on."""
        selected = None
        if not Gimp.Selection.is_empty(self._image):
            touched, _, _, width, height = layer.mask_intersect()
            selected = (width, height) if touched else (0, 0)
        return host.worked_size(layer.get_width(), layer.get_height(), selected)

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
        self._check_presence(layer, source.name)
        name = receipt.layer_name(source.name, toolbox.tool(label.tool).title, label)
        size = result.width, result.height
        image = self._image
        if self.opens_new_image:
            image = _new_image(self._image, *size)
            made = Gimp.Layer.new(
                image, name, *size, Gimp.ImageType.RGBA_IMAGE, 100, Gimp.LayerMode.NORMAL
            )
            parent, position = None, 0
        else:
            _check_parents(layer)
            made = Gimp.Layer.new(image, name, *size, layer.type(), 100, Gimp.LayerMode.NORMAL)
            parent, position = layer.get_parent(), image.get_item_position(layer)
            made.set_offsets(*source.private.place)
        _fill(made, source.private, files.read(result))
        image.undo_group_start()
        try:
            done = image.insert_layer(made, parent, position)
            done = done and made.attach_parasite(_parasite(label))
            if not self.opens_new_image:
                done = done and _copy_mask(layer, made)
        finally:
            image.undo_group_end()
        if not done:
            raise errors.CouldNotBeDone(
                f"GIMP did not take the new layer “{name}”. Undo takes back what there is of it."
            )
        if self.opens_new_image:
            image.clean_all()
            self._opened.append(image)

    def show_new_images(self) -> None:
        """Give the results that opened as new images a window each."""
        for image in self._opened:
            Gimp.Display.new(image)

    def _crossing(self, layer: Any) -> tuple[str, wire.Depth, wire.Curve]:
        """Babl format, depth and curve in which a layer's pixels cross."""
        # Babl names the colour space of a format unless it is sRGB.
        if "-space-" in Babl.get_name(layer.get_format()):
            return _MIDDLE
        return _CROSSING.get(self._image.get_precision(), _MIDDLE)

    def _mask(self, x: int, y: int, width: int, height: int) -> bytes:
        """The selection over a rectangle of the image, one byte a pixel."""
        return _pixels(self._image.get_selection().get_buffer(), x, y, width, height, "Y u8")

    def _check_selection(self, layer: Any) -> None:
        _, x, y = layer.get_offsets()
        mask = self._mask(x, y, layer.get_width(), layer.get_height())
        if mask.count(0) == len(mask):
            raise errors.BadInput(
                f"The selection lies outside the layer “{layer.get_name()}”. Select a part of the "
                "layer, or nothing for all of it, and try again."
            )

    def _check_presence(self, layer: Any, name: str) -> None:
        """``BadInput`` when the user has closed the image or deleted the layer meanwhile."""
        if not self._image.is_valid():
            raise errors.BadInput(
                "The image was closed meanwhile, so there is no place for the result. "
                "Open it and run the tool again."
            )
        if not layer.is_valid() or layer.get_image() is None:
            raise errors.BadInput(
                f"The layer “{name}” was deleted meanwhile, so there is no place for the result. "
                "Undo the deletion and run the tool again."
            )


@contextlib.contextmanager
def _as_shown(layer: Any) -> Iterator[Any]:
    """The layer, or where it has filters that GIMP applies on the fly a copy with them applied."""
    if layer.is_group() or not layer.get_filters():
        yield layer
        return
    copied = layer.copy()
    copied.set_lock_content(False)
    try:
        yield copied if copied.merge_filters() else layer
    finally:
        copied.delete()


def label_of(layer: Any) -> receipt.Receipt | None:
    """The receipt that a layer carries; None where there is none or it is damaged."""
    parasite = layer.get_parasite(PARASITE)
    if parasite is None:
        return None
    try:
        return receipt.from_json(bytes(parasite.get_data()))
    except (errors.NssError, ValueError):
        return None


def _previous(layer: Any) -> dict[str, Any] | None:
    label = label_of(layer)
    return receipt.to_dict(label) if label is not None else None


def _parasite(label: receipt.Receipt) -> Any:
    flags = Gimp.PARASITE_PERSISTENT | Gimp.PARASITE_UNDOABLE
    return Gimp.Parasite.new(PARASITE, flags, receipt.to_json(label).encode("ascii"))


def _empty(name: str) -> errors.BadInput:
    return errors.BadInput(
        f"The layer “{name}” is empty. Select a layer with pixels and try again."
    )


def _check_parents(layer: Any) -> None:
    """``BadInput`` when a group around the layer is locked: libgimp would add a layer there."""
    parent = layer.get_parent()
    while parent is not None:
        if parent.get_lock_content():
            raise errors.BadInput(
                f"The group “{parent.get_name()}” around the layer “{layer.get_name()}” is locked, "
                "so no result can be added there. Unlock the group and try again."
            )
        parent = parent.get_parent()


def _new_image(old: Any, width: int, height: int) -> Any:
    """An RGB image with the colour profile and the resolution of ``old``."""
    image = Gimp.Image.new(width, height, Gimp.ImageBaseType.RGB)
    profile = old.get_color_profile()
    if profile is not None:
        image.set_color_profile(profile)
    found, across, down = old.get_resolution()
    if found:
        image.set_resolution(across, down)
    return image


def _copy_mask(layer: Any, made: Any) -> bool:
    """Give the result a copy of the source's layer mask, so that it shows as much as that one."""
    mask = layer.get_mask()
    if mask is None:
        return True
    _, x, y = made.get_offsets()
    _, mask_x, mask_y = mask.get_offsets()
    size = made.get_width(), made.get_height()
    name = Babl.get_name(mask.get_format())
    copied = made.create_mask(Gimp.AddMaskType.WHITE)
    buffer = copied.get_buffer()
    data = _pixels(mask.get_buffer(), x - mask_x, y - mask_y, *size, name)
    buffer.set(Gegl.Rectangle.new(0, 0, *size), name, data)
    buffer.flush()
    added = made.add_mask(copied) and made.set_edit_mask(False)
    return bool(added and made.set_apply_mask(layer.get_apply_mask()))


def _pixels(buffer: Any, x: int, y: int, width: int, height: int, name: str | None) -> bytes:
    """A rectangle of a buffer in the Babl format ``name``, or in the buffer's own."""
    rectangle = Gegl.Rectangle.new(x, y, width, height)
    return bytes(buffer.get(rectangle, 1.0, name, Gegl.AbyssPolicy.NONE))


def _fill(made: Any, native: Native, data: bytes) -> None:
    """Put the result into a layer that is not in the image yet: no undo, no selection applies.

    Where colours were converted, pixels outside the selection get the source's own bytes back.
    """
    width, height = made.get_width(), made.get_height()
    rectangle = Gegl.Rectangle.new(0, 0, width, height)
    buffer = made.get_buffer()
    buffer.set(rectangle, native.crossing, data)
    kept = native.kept
    if kept is not None and Babl.get_name(made.get_format()) == native.own:
        new = _pixels(buffer, 0, 0, width, height, None)
        pixel_size = len(new) // (width * height)
        mixed = arena.keep_unselected(kept.native, new, kept.mask, pixel_size)
        buffer.set(rectangle, native.own, mixed)
    buffer.flush()
