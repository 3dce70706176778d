"""GIMP as a host of the tools: reads the chosen layers, and has their results placed."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Sequence
from typing import Any

import gi

gi.require_version("Gegl", "0.4")
gi.require_version("Gimp", "3.0")

from crossing import (  # noqa: E402
    MATTES,
    Area,
    Crossing,
    area_of,
    crossing_of,
    mask_over,
    matte_depth,
    over,
    own_format,
    pixels,
    with_alpha_times,
)
from gi.repository import Gegl, Gimp  # noqa: E402
from parasites import label_of  # noqa: E402
from placing import Kept, Native, Placer  # noqa: E402
from vendored import (  # noqa: E402
    _,
    arena,
    errors,
    host,
    paths,
    placement,
    receipt,
    toolbox,
    wire,
    words,
)

Returns = toolbox.Returns
Placement = placement.Placement
_NO_LAYER = "Canvas"


class GimpHost:
    """One image and the drawables that a procedure was called with.

    Where none is chosen, and a tool makes a picture of its own, the layer is None.
    ``opened`` are the new images that results went to, ``remarks`` what the user is told beside.
    """

    name = "GIMP"

    def __init__(self, image: Any, drawables: Sequence[Any], places: paths.Paths) -> None:
        Gegl.init(None)
        self.version = str(Gimp.version())
        self.paths = places
        self.opened: list[Any] = []
        self.remarks: list[str] = []
        self._texts: list[tuple[str, str]] = []
        self._image = image
        self._drawables = list(drawables)
        self._names = [drawable.get_name() for drawable in self._drawables]
        self._selection: Any = None
        self._placer = Placer(image)

    @property
    def text(self) -> str:
        """What the results so far say in words, with the layers' names where there are several."""
        if len(self._texts) == 1:
            return self._texts[0][1]
        return "\n\n".join(f"{name}\n{text}" for name, text in self._texts)

    def opens_new_image(self, task: host.Task) -> bool:
        """Whether the result goes to an image of its own: this one cannot hold it."""
        if task.outcome in (Returns.SELECTION, Returns.TEXT):
            return False
        base = self._image.get_base_type()
        grey = base == Gimp.ImageBaseType.GRAY and task.tool.colours
        return bool(task.outcome is Returns.SCALED or base == Gimp.ImageBaseType.INDEXED or grey)

    def destination(self, layer: Any, task: host.Task) -> str:
        """Where the result for a layer will go, in words for the plan."""
        area = self.source_area(layer, task)
        if task.outcome is Returns.SCALED:
            width, height = task.tool.result_size(task.parameters, *area.size)
            return _(
                "The result opens as a new image, {width} × {height}.", width=width, height=height
            )
        if self.opens_new_image(task):
            if self._image.get_base_type() == Gimp.ImageBaseType.GRAY:
                return _(
                    "A grey image cannot hold colours, so the result opens as a new RGB image."
                )
            return _("An indexed image cannot hold the result, so it opens as a new RGB image.")
        if layer is None:
            return _(
                "The result is a new layer on top, {width} × {height}.",
                width=area.width,
                height=area.height,
            )
        told = {
            Placement.MASK: _("The result is a layer mask on it."),
            Placement.REPLACE: _("The result takes its place."),
            Placement.GROUP: _("The result is a new layer, in a new group with it."),
        }
        if task.placement in told:
            return told[task.placement]
        return {
            Returns.PIXELS: _("The result is a new layer above it."),
            Returns.MASK: _("The result is a new layer with a layer mask above it."),
            Returns.SELECTION: _("The result is the image's selection."),
            Returns.BELOW: _(
                "The result is a new layer below it, {width} × {height}.",
                width=area.width,
                height=area.height,
            ),
            Returns.LAYER: _(
                "The result is a new layer above it, {width} × {height}.",
                width=area.width,
                height=area.height,
            ),
            Returns.TEXT: _("The result is a text. No pixel changes."),
        }[task.outcome]

    def layers(self, task: host.Task) -> Sequence[Any]:
        """The layers; ``BadInput`` when there is none, or one that cannot be worked on.

        What is selected now counts for all of them.
        """
        self.check_presence()
        self._remember_selection()
        if task.tool.selects is toolbox.Selects.NEEDED and self._selection is None:
            raise errors.BadInput(
                _(
                    "{tool} needs a selection, and nothing is selected. Select what it is to "
                    "work on and try again.",
                    tool=task.tool.title,
                )
            )
        if not self._drawables:
            if task.outcome is Returns.LAYER:
                return [None]
            raise errors.BadInput(_("No layer is selected. Select a layer and try again."))
        beside = task.outcome in (Returns.PIXELS, Returns.MASK, Returns.BELOW, Returns.LAYER)
        for drawable in self._drawables:
            if not isinstance(drawable, Gimp.Layer):
                what = _("a layer mask") if isinstance(drawable, Gimp.LayerMask) else _("a channel")
                raise errors.BadInput(
                    _(
                        "“{name}” is {what}. Select a layer and try again.",
                        name=drawable.get_name(),
                        what=what,
                    )
                )
            empty = drawable.is_group() and not drawable.get_children()
            if empty and task.outcome is not Returns.LAYER:
                raise _empty(drawable.get_name())
            if beside and not self.opens_new_image(task):
                check_parents(drawable)
                check_placement(drawable, task.placement)
            if task.selection and not task.tool.canvas:
                self._check_selection(drawable)
        return self._drawables

    def read(self, layer: Any, files: arena.Arena, task: host.Task) -> host.Source:
        """The layer's pixels (a group's projection), the selection and the strokes over it."""
        Gimp.progress_init(task.tool.title)
        name = layer.get_name() if layer is not None else _NO_LAYER
        strokes = self._strokes_layer(layer) if task.strokes else None
        with self._as_shown(layer) as shown:
            area = self._canvas() if task.tool.canvas else area_of(shown)
            crossing = crossing_of(shown, self._image.get_precision())
            # What the layer's mask hides is not in the way of what comes below.
            data = over(shown, area, crossing.name)
            if task.tool.canvas:
                data = _without_hidden(data, layer, area, crossing)
            if data.count(0) == len(data) and task.outcome is not Returns.LAYER:
                raise _empty(name)
            pixel_file = self._file(files, area, crossing, data)
            replaced = task.placement is Placement.REPLACE
            digest = hashlib.sha256(data).digest() if replaced else b""
            del data
            own = own_format(shown)
            mask = self._mask(area) if task.selection else None
            kept = None
            limited = task.tool.selects in (toolbox.Selects.LIMITS, toolbox.Selects.NEEDED)
            if mask is not None and limited and own != crossing.name:
                kept = Kept(mask, over(shown, area, None), own)
        mask_file, selected, strokes_file = None, None, None
        if mask is not None:
            mask_file = files.create(*area.size, "u8", "mask")
            files.write(mask_file, mask)
            selected = arena.selected_size(mask, area.width)
        if strokes is not None:
            strokes_file = self._strokes(files, name, strokes, area, crossing)
        return host.Source(
            name=name,
            pixels=pixel_file,
            mask=mask_file,
            strokes=strokes_file,
            selected=selected,
            # A generated picture is not made from the layer that it lies above.
            previous=None if task.outcome is Returns.LAYER else _previous(layer),
            matte_depth=matte_depth(self._image.get_precision()),
            private=Native(task, area, crossing, kept, strokes, digest),
        )

    def source_area(self, layer: Any, task: host.Task) -> Area:
        """The rectangle of the image that a tool would look at."""
        return self._canvas() if task.tool.canvas or layer is None else area_of(layer)

    def worked_size(self, layer: Any, task: host.Task) -> tuple[int, int]:
        """Width and height of the part of a layer that a tool would work on."""
        area, selected = self.source_area(layer, task), None
        if task.selection and self._selection is not None:
            if task.tool.canvas:
                _, touched, left, top, right, bottom = Gimp.Selection.bounds(self._image)
                width, height = right - left, bottom - top
            else:
                touched, _, _, width, height = layer.mask_intersect()
            selected = (width, height) if touched else (0, 0)
        return host.worked_size(*area.size, selected)

    def write(
        self,
        layer: Any,
        source: host.Source,
        files: arena.Arena,
        result: host.Result,
        label: receipt.Receipt,
    ) -> None:
        """Place the result in one undo step, with its receipt.

        A new layer, or the selection, or words; where the image cannot hold it, and for a picture
        of another size, a new image.
        """
        # With it goes the Cancel, which ends this process at once and would leave half of it.
        Gimp.progress_end()
        self._check_presence(layer, source.name)
        if result.outcome is Returns.TEXT:
            self._placer.note(layer, label)
            self._texts.append((source.name, words.words(label)))
            return
        matte = files.read(result.matte) if result.matte is not None else b""
        if result.outcome is Returns.SELECTION:
            self._placer.select(layer, source, matte, label)
            return
        assert result.pixels is not None
        data = files.read(result.pixels)
        if not self.opens_new_image(source.private.task):
            if layer is not None:
                check_parents(layer)
                check_placement(layer, result.placement)
            placed = result.placement
            if placed is Placement.REPLACE and not self._is_as_read(layer, source.private):
                self.remarks.append(placement.kept(source.name))
                placed = Placement.NEW
            self._placer.add(layer, source, data, matte, label, placed)
            return
        below = files.read(source.pixels) if result.outcome is Returns.BELOW else None
        size = result.pixels.width, result.pixels.height
        self.opened.append(self._placer.open(layer, source, size, data, matte, label, below))

    def _is_as_read(self, layer: Any, native: Native) -> bool:
        """Whether a layer has its pixels still; what was painted meanwhile must not go with it."""
        with self._as_shown(layer) as shown:
            data = over(shown, native.area, native.crossing.name)
        return hashlib.sha256(data).digest() == native.digest

    def _file(
        self, files: arena.Arena, area: Area, crossing: Crossing, data: bytes
    ) -> wire.PixelFile:
        grey = bool(self._image.get_base_type() == Gimp.ImageBaseType.GRAY)
        made = files.create(*area.size, crossing.depth, "rgba", crossing.curve, grey)
        files.write(made, data)
        return made

    def _strokes(
        self, files: arena.Arena, name: str, strokes: Any, area: Area, crossing: Crossing
    ) -> wire.PixelFile:
        """The strokes over the source's rectangle; ``BadInput`` when there is nothing."""
        with self._as_shown(strokes) as shown:
            data = over(shown, area, crossing.name)
        data = _without_hidden(data, strokes, area, crossing)
        if data.count(0) == len(data):
            raise _no_strokes(name, _("“{name}” has nothing there", name=strokes.get_name()))
        return self._file(files, area, crossing, data)

    def _canvas(self) -> Area:
        return Area(0, 0, self._image.get_width(), self._image.get_height())

    def _remember_selection(self) -> None:
        """Keep a copy: a result that becomes the selection is no hint for the next layer."""
        empty = Gimp.Selection.is_empty(self._image)
        self._selection = None if empty else self._image.get_selection().get_buffer().dup()

    def _mask(self, area: Area) -> bytes | None:
        """The selection over a rectangle of the image, one byte a pixel; None without one."""
        return None if self._selection is None else pixels(self._selection, area, MATTES["u8"])

    def _check_selection(self, layer: Any) -> None:
        mask = self._mask(area_of(layer))
        if mask is not None and mask.count(0) == len(mask):
            raise errors.BadInput(
                _(
                    "The selection lies outside the layer “{name}”. Select a part of the "
                    "layer, or nothing for all of it, and try again.",
                    name=layer.get_name(),
                )
            )

    def _strokes_layer(self, layer: Any) -> Any:
        """The layer above one, which holds the user's strokes; ``BadInput`` without one."""
        name = layer.get_name()
        if self._image.get_base_type() == Gimp.ImageBaseType.GRAY:
            raise errors.BadInput(
                _(
                    "The layers of a grey image hold no colours, so there are no strokes to read. "
                    "Choose Image ▸ Mode ▸ RGB first, or no strokes."
                )
            )
        position = self._image.get_item_position(layer)
        if position == 0:
            raise _no_strokes(name, _("there is no layer"))
        strokes = _siblings(self._image, layer)[position - 1]
        if label_of(strokes) is not None:
            raise _no_strokes(name, _("“{name}” is itself a result", name=strokes.get_name()))
        return strokes

    def check_presence(self) -> None:
        """``BadInput`` when the image is closed, or a layer deleted, while a dialog is open.

        GIMP itself shows an error for each question about what is gone.
        """
        chosen = zip(self._drawables, self._names, strict=True)
        for layer, name in ((None, _NO_LAYER), *chosen):
            self._check_presence(layer, name)

    def _check_presence(self, layer: Any, name: str) -> None:
        """``BadInput`` when the user has closed the image or deleted the layer meanwhile."""
        if not self._image.is_valid():
            raise errors.BadInput(
                _(
                    "The image was closed meanwhile, so there is no place for the result. "
                    "Open it and run the tool again."
                )
            )
        if layer is not None and (not layer.is_valid() or layer.get_image() is None):
            raise errors.BadInput(
                _(
                    "The layer “{name}” was deleted meanwhile, so there is no place for the "
                    "result. Undo the deletion and run the tool again.",
                    name=name,
                )
            )

    @contextlib.contextmanager
    def _as_shown(self, layer: Any) -> Iterator[Any]:
        """The layer, or a copy where it has filters that GIMP applies on the fly; for None an
        empty one."""
        if layer is None:
            kind = self._placer.layer_type(self._image, alpha=True)
            blank = Gimp.Layer.new(self._image, "", 1, 1, kind, 100, Gimp.LayerMode.NORMAL)
            try:
                yield blank
            finally:
                blank.delete()
        elif layer.is_group() or not layer.get_filters():
            yield layer
        else:
            copied = layer.copy()
            copied.set_lock_content(False)
            try:
                yield copied if copied.merge_filters() else layer
            finally:
                copied.delete()


def check_parents(layer: Any) -> None:
    """``BadInput`` when a group around the layer is locked: libgimp would add a layer there."""
    parent = layer.get_parent()
    while parent is not None:
        if parent.get_lock_content():
            raise errors.BadInput(
                _(
                    "The group “{name}” around the layer “{layer_name}” is locked, so no "
                    "result can be added there. Unlock the group and try again.",
                    name=parent.get_name(),
                    layer_name=layer.get_name(),
                )
            )
        parent = parent.get_parent()


def check_placement(layer: Any, placed: placement.Placement) -> None:
    """``BadInput`` when the layer cannot make place as the user wants it."""
    name = layer.get_name()
    if placed is Placement.MASK and layer.get_mask() is not None:
        raise errors.BadInput(
            _(
                "“{name}” has a layer mask already. Apply or delete it, or choose “New layer”, and "
                "try again.",
                name=name,
            )
        )
    if placed is not Placement.REPLACE:
        return
    if layer.get_lock_content():
        raise errors.BadInput(
            _(
                "The layer “{name}” is locked. Unlock it, or choose “New layer”, and try again.",
                name=name,
            )
        )
    plain = type(layer) is Gimp.Layer and not layer.is_group()
    if not plain or layer.is_text_layer():
        raise errors.BadInput(
            _(
                "“{name}” is no plain layer, and only those can be replaced. Merge it to one, or "
                "choose “New layer”, and try again.",
                name=name,
            )
        )


def _without_hidden(data: bytes, layer: Any, area: Area, crossing: Crossing) -> bytes:
    """A layer's pixels with what its layer mask hides made transparent."""
    shown = mask_over(layer, area, crossing.depth) if layer is not None else None
    return data if shown is None else with_alpha_times(data, shown, crossing.depth)


def _siblings(image: Any, layer: Any) -> Any:
    parent = layer.get_parent()
    return image.get_layers() if parent is None else parent.get_children()


def _previous(layer: Any) -> dict[str, Any] | None:
    label = label_of(layer) if layer is not None else None
    return receipt.to_dict(label) if label is not None else None


def _empty(name: str) -> errors.BadInput:
    return errors.BadInput(
        _("The layer “{name}” is empty. Select a layer with pixels and try again.", name=name)
    )


def _no_strokes(name: str, why: str) -> errors.BadInput:
    return errors.BadInput(
        _(
            "The colour strokes are read from the layer above “{name}”, but {why}. Paint "
            "strokes on a new layer directly above it, or choose no strokes, and try again.",
            name=name,
            why=why,
        )
    )
