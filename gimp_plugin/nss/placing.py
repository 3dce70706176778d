"""Where results go in GIMP: new layers, layer masks, the selection, new images, notes in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")

import metadata  # noqa: E402
import parasites  # noqa: E402
from crossing import (  # noqa: E402
    MATTES,
    Area,
    Crossing,
    area_of,
    cropped,
    mask_over,
    multiplied,
    over,
    own_format,
    pixels,
)
from gi.repository import Gegl, Gimp  # noqa: E402
from vendored import _, arena, errors, host, placement, receipt, toolbox, wire  # noqa: E402

Returns = toolbox.Returns
Placement = placement.Placement


@dataclass(frozen=True)
class Kept:
    """The selection over a layer, one byte a pixel, and the layer's bytes in its own format."""

    mask: bytes
    native: bytes
    own: str


@dataclass(frozen=True)
class Native:
    """What a layer was read for, from where and in which format.

    ``kept`` only where pixels outside a selection must get the layer's own bytes back. ``digest``
    is that of the pixels where the layer is to be replaced.
    """

    task: host.Task
    area: Area
    crossing: Crossing
    kept: Kept | None
    strokes: Any = None
    digest: bytes = b""


class Placer:
    """Puts results into one image, or into new ones that are like it."""

    def __init__(self, image: Any) -> None:
        self._image = image
        self._combine = Gimp.ChannelOps.REPLACE

    def add(
        self,
        layer: Any,
        source: host.Source,
        data: bytes,
        matte: bytes,
        label: receipt.Receipt,
        placed: placement.Placement = Placement.NEW,
    ) -> None:
        """The result among the layers, at the source; finished before the image gets it.

        One undo step, whatever the placement.
        """
        native: Native = source.private
        image = self._image
        if placed is Placement.REPLACE:
            made = self._copy(layer, source, label)
        else:
            made = self._layer(image, layer, source, native.area.size, label)
        made.set_offsets(native.area.x, native.area.y)
        _fill(made, native, data)
        done = placed is Placement.REPLACE or self._mask(layer, made, source, matte)
        image.undo_group_start()
        try:
            if placed is Placement.MASK:
                labelled = layer
                done = _move_mask(made, layer) and done
            else:
                labelled = made
                parent, position = self._position(layer, native, placed)
                done = image.insert_layer(made, parent, position) and done
            if placed is Placement.REPLACE:
                done = image.remove_layer(layer) and done
                done = image.set_selected_layers([made]) and done
            done = parasites.attach(labelled, label) and done
            if layer is not None:
                done = parasites.attach_source(labelled, layer) and done
            done = metadata.update(image) and done
        finally:
            image.undo_group_end()
        if placed is Placement.MASK:
            made.delete()
        if not done:
            raise _refused(_("the result of “{name}”", name=source.name))

    def open(
        self,
        layer: Any,
        source: host.Source,
        size: tuple[int, int],
        data: bytes,
        matte: bytes,
        label: receipt.Receipt,
        above: bytes | None,
    ) -> Any:
        """The result as a new image of ``size``, with the pixels ``above`` as a layer over it."""
        native: Native = source.private
        image = _image_like(self._image, size, native.task)
        # Undo begins with the finished image.
        image.undo_disable()
        masked = layer is not None and layer.get_mask() is not None
        made = self._layer(image, layer, source, native.area.size if masked else size, label)
        done = image.insert_layer(made, None, 0)
        done = self._mask(layer, made, source, matte) and done
        if masked:
            # GIMP scales the mask; the pixels are the result's.
            done = made.scale(*size, False) and done
        _fill(made, native, data)
        done = parasites.attach(made, label) and done
        if above is not None:
            kind = self.layer_type(image, alpha=True)
            subject = Gimp.Layer.new(image, source.name, *size, kind, 100, Gimp.LayerMode.NORMAL)
            _fill(subject, native, above)
            done = image.insert_layer(subject, None, 0) and done
        done = metadata.update(image, self._image) and done
        image.undo_enable()
        if not done:
            image.delete()
            raise _refused(_("the new image for “{name}”", name=source.name))
        return image

    def select(self, layer: Any, source: host.Source, matte: bytes, label: receipt.Receipt) -> None:
        """The matte as the image's selection; its receipt is kept by the image.

        The mattes of several layers are selected together.
        """
        area: Area = source.private.area
        shown = mask_over(layer, area, "u8")
        if shown is not None:
            matte = multiplied(matte, shown, "u8")
        image = self._image
        size = image.get_width(), image.get_height()
        channel = Gimp.Channel.new(image, source.name, *size, 100, Gegl.Color.new("black"))
        # GIMP takes a channel's stored values for a selection, whatever curve their format names.
        name = own_format(channel).partition(" ")[0] + " u8"
        # GIMP ends a plug-in that writes beyond a drawable.
        part = area.within(Area(0, 0, *size))
        if part.width and part.height:
            buffer = channel.get_buffer()
            rectangle = Gegl.Rectangle.new(part.x, part.y, *part.size)
            buffer.set(rectangle, name, cropped(matte, area, part))
            buffer.flush()
            del buffer
        chosen = image.get_selected_layers()
        Gimp.context_push()
        Gimp.context_set_feather(False)
        image.undo_group_start()
        try:
            done = image.insert_channel(channel, None, 0)
            done = image.select_item(self._combine, channel) and done
            done = image.remove_channel(channel) and done
            done = parasites.attach_note(image, layer, label) and done
            done = image.set_selected_layers(chosen) and done
        finally:
            image.undo_group_end()
            Gimp.context_pop()
        if not done:
            raise _refused(_("the selection"))
        self._combine = Gimp.ChannelOps.ADD

    def note(self, layer: Any, label: receipt.Receipt) -> None:
        """The receipt of a result in words, kept by the image; no pixel is touched."""
        if not parasites.attach_note(self._image, layer, label):
            raise _refused(_("the note"))

    @staticmethod
    def layer_type(image: Any, alpha: bool) -> Any:
        """The type of layers that belong in an image."""
        kinds = {
            Gimp.ImageBaseType.RGB: (Gimp.ImageType.RGB_IMAGE, Gimp.ImageType.RGBA_IMAGE),
            Gimp.ImageBaseType.GRAY: (Gimp.ImageType.GRAY_IMAGE, Gimp.ImageType.GRAYA_IMAGE),
            Gimp.ImageBaseType.INDEXED: (
                Gimp.ImageType.INDEXED_IMAGE,
                Gimp.ImageType.INDEXEDA_IMAGE,
            ),
        }
        return kinds[image.get_base_type()][alpha]

    def _layer(
        self,
        image: Any,
        layer: Any,
        source: host.Source,
        size: tuple[int, int],
        label: receipt.Receipt,
    ) -> Any:
        tool = source.private.task.tool
        same = tool.returns in (Returns.PIXELS, Returns.SCALED)
        kind = self.layer_type(image, alpha=not same or layer.has_alpha())
        name = receipt.layer_name(source.name, tool.title, label)
        return Gimp.Layer.new(image, name, *size, kind, 100, Gimp.LayerMode.NORMAL)

    def _copy(self, layer: Any, source: host.Source, label: receipt.Receipt) -> Any:
        """A layer like the source, with its mode, opacity and masks, for the result."""
        made = layer.copy()
        made.set_name(receipt.layer_name(source.name, source.private.task.tool.title, label))
        if made.get_filters():
            # The result was made from what is seen, with them.
            made.merge_filters()
        if source.private.task.outcome is not source.private.task.tool.returns:
            # A cut-out.
            made.add_alpha()
        return made

    def _position(self, layer: Any, native: Native, placed: placement.Placement) -> tuple[Any, int]:
        """Parent and position of the new layer; the group for both is made here."""
        if layer is None:
            return None, 0
        strokes = native.strokes
        if strokes is not None and not (strokes.is_valid() and strokes.get_image() is not None):
            strokes = None
        under = native.task.outcome is Returns.BELOW
        if placed is Placement.GROUP:
            title = native.task.tool.title
            return self._group(f"{layer.get_name()} · {title}", layer, strokes), int(under)
        # Above the strokes, so that they are not seen, and read again by the next run.
        beside = layer if strokes is None else strokes
        return beside.get_parent(), self._image.get_item_position(beside) + under

    def _group(self, name: str, layer: Any, strokes: Any) -> Any:
        """A new group in the place of a layer, with it, and with the strokes, inside."""
        image = self._image
        made = Gimp.GroupLayer.new(image, name)
        # What is blended with the layers below goes on being so.
        made.set_mode(Gimp.LayerMode.PASS_THROUGH)
        image.insert_layer(made, layer.get_parent(), image.get_item_position(layer))
        for one in (layer, strokes):
            if one is not None:
                image.reorder_item(one, made, 0)
        return made

    def _mask(self, layer: Any, made: Any, source: host.Source, matte: bytes) -> bool:
        """Give the result its layer mask: what the source's own mask hides stays hidden."""
        native: Native = source.private
        if native.task.outcome is Returns.MASK:
            depth: wire.Depth = source.matte_depth
            shown = mask_over(layer, native.area, depth)
            if shown is not None:
                matte = multiplied(matte, shown, depth)
            return _add_mask(made, matte, MATTES[depth])
        mask = None if native.task.tool.canvas else layer.get_mask()
        if mask is None:
            return True
        name = own_format(mask)
        added = _add_mask(made, over(mask, native.area, name), name)
        return bool(added and made.set_apply_mask(layer.get_apply_mask()))


def _image_like(old: Any, size: tuple[int, int], task: host.Task) -> Any:
    """A new image with the precision, colour profile and resolution of ``old``."""
    grey = old.get_base_type() == Gimp.ImageBaseType.GRAY and not task.tool.colours
    base = Gimp.ImageBaseType.GRAY if grey else Gimp.ImageBaseType.RGB
    image = Gimp.Image.new_with_precision(*size, base, old.get_precision())
    profile = old.get_color_profile()
    if profile is not None and (profile.is_gray() if grey else profile.is_rgb()):
        image.set_color_profile(profile)
    found, across, down = old.get_resolution()
    if found:
        image.set_resolution(across, down)
    return image


def _add_mask(made: Any, data: bytes, name: str) -> bool:
    """A layer mask with ``data`` in the Babl format ``name``; painting stays on the layer."""
    mask = made.create_mask(Gimp.AddMaskType.WHITE)
    area = area_of(made)
    buffer = mask.get_buffer()
    buffer.set(Gegl.Rectangle.new(0, 0, *area.size), name, data)
    buffer.flush()
    return bool(made.add_mask(mask) and made.set_edit_mask(False))


def _move_mask(made: Any, layer: Any) -> bool:
    """Give a layer the mask of another one of its size; painting stays on the layer."""
    mask = layer.create_mask(Gimp.AddMaskType.WHITE)
    area = Gegl.Rectangle.new(0, 0, layer.get_width(), layer.get_height())
    name = own_format(mask)
    buffer = mask.get_buffer()
    held = made.get_mask().get_buffer().get(area, 1.0, name, Gegl.AbyssPolicy.NONE)
    buffer.set(area, name, bytes(held))
    buffer.flush()
    return bool(layer.add_mask(mask) and layer.set_edit_mask(False))


def _fill(made: Any, native: Native, data: bytes) -> None:
    """Put the result into a layer that no user sees yet: no undo, no selection applies.

    Where colours were converted, pixels outside the selection get the source's own bytes back.
    """
    width, height = made.get_width(), made.get_height()
    rectangle = Gegl.Rectangle.new(0, 0, width, height)
    buffer = made.get_buffer()
    buffer.set(rectangle, native.crossing.name, data)
    kept = native.kept
    if kept is not None and native.task.outcome is Returns.PIXELS and own_format(made) == kept.own:
        new = pixels(buffer, Area(0, 0, width, height), None)
        pixel_size = len(new) // (width * height)
        mixed = arena.keep_unselected(kept.native, new, kept.mask, pixel_size)
        buffer.set(rectangle, kept.own, mixed)
    buffer.flush()


def _refused(what: str) -> errors.CouldNotBeDone:
    return errors.CouldNotBeDone(
        _("GIMP did not take {what}. Undo takes back what there is of it.", what=what)
    )
