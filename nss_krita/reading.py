"""What a task wants to know of a layer: its rectangle, its pixels, its strokes, and its place."""

from __future__ import annotations

from typing import Any

from . import placing, spaces
from .placing import Area
from .qt import QtCore, owned
from .vendored import _, errors, host, placement, toolbox

Placement = placement.Placement

_READABLE = frozenset(
    {"paintlayer", "grouplayer", "vectorlayer", "filllayer", "filelayer", "clonelayer"}
)
# What hides or changes the pixels of a paint layer, so that they differ from what is seen.
_SHAPING_MASKS = frozenset({"transparencymask", "filtermask", "transformmask", "colorizemask"})
_SIZE_LIMIT = (1 << 31) - 1


def area_of(document: Any, node: Any) -> Area:
    """The rectangle of a layer that is worked on: all of it, or where that is absurd the canvas.

    ``BadInput`` when the node is no layer with pixels, is empty, or is too large.
    """
    kind, name = node.type(), node.name()
    if kind not in _READABLE:
        what = _("a mask") if kind.endswith("mask") else _("a layer without pixels of its own")
        raise errors.BadInput(
            _("“{name}” is {what}. Select a layer with pixels and try again.", name=name, what=what)
        )
    canvas = QtCore.QRect(0, 0, document.width(), document.height())
    bounds = canvas if kind == "filllayer" else node.bounds()
    pixel_size = max(4, spaces.of_node(node).pixel_size, spaces.MIDDLE.pixel_size)
    if bounds.width() * bounds.height() * pixel_size > _SIZE_LIMIT:
        bounds = bounds.intersected(canvas)
    if bounds.isEmpty():
        raise errors.BadInput(
            _("The layer “{name}” is empty. Select a layer with pixels and try again.", name=name)
        )
    if bounds.width() * bounds.height() * pixel_size > _SIZE_LIMIT:
        raise errors.BadInput(
            _(
                "The layer “{name}” has {width} × {height} pixels, which is too large to be "
                "worked on at once. Crop it or scale it down.",
                name=name,
                width=bounds.width(),
                height=bounds.height(),
            )
        )
    return Area(bounds.x(), bounds.y(), bounds.width(), bounds.height())


def task_area(document: Any, node: Any, task: host.Task) -> Area:
    """The rectangle that a task is about: the layer's, or the canvas where the tool wants that.

    ``BadInput`` when the node cannot be used for the task, or the result would be too large.
    """
    canvas = Area(0, 0, document.width(), document.height())
    # A new picture takes nothing from the layer that it is put above.
    area = canvas if makes_picture(task) else area_of(document, node)
    if task.tool.canvas:
        area = canvas
    width, height = task.tool.result_size(task.parameters, area.width, area.height)
    if width * height * spaces.MIDDLE.pixel_size > _SIZE_LIMIT:
        raise errors.BadInput(
            _(
                "The result of “{name}” would have {width} × {height} pixels, which is too "
                "large to be made at once. Crop the layer or scale it down.",
                name=node.name(),
                width=width,
                height=height,
            )
        )
    return area


def makes_picture(task: host.Task) -> bool:
    """Whether the tool makes a picture from nothing, so that the layer is only a place."""
    return task.outcome is toolbox.Returns.LAYER


def worked_size(document: Any, area: Area, task: host.Task) -> tuple[int, int]:
    """Width and height of the part of ``area`` that a tool would work on.

    ``BadInput`` when the tool needs a selection and there is none.
    """
    selection = document.selection() if task.selection else None
    if selection is None:
        if task.tool.selects is toolbox.Selects.NEEDED:
            raise errors.BadInput(
                _(
                    "{tool} needs a selection, and nothing is selected. Select what it is to "
                    "work on.",
                    tool=task.tool.title,
                )
            )
        return area.width, area.height
    box = QtCore.QRect(selection.x(), selection.y(), selection.width(), selection.height())
    box = box.intersected(QtCore.QRect(*area.rectangle))
    if box.isEmpty():
        return area.width, area.height
    return host.worked_size(area.width, area.height, (box.width(), box.height()))


def work_of(document: Any, node: Any, task: host.Task) -> tuple[Area, tuple[int, int]]:
    """The rectangle that a task is about, and the size of the part that is worked on.

    ``BadInput`` when the node cannot be used for the task, in a sentence for the user.
    """
    area = task_area(document, node, task)
    if task.outcome not in (toolbox.Returns.TEXT, toolbox.Returns.SELECTION):
        space = space_of(document, node, task)
        if not opens_document(document, space, task):
            check_parents(anchor_of(node))
            check_placement(document, node, task)
    if task.strokes:
        strokes_above(node)
    return area, worked_size(document, area, task)


def about(node: Any, area: Area, where: str, layers: int) -> str:
    """What a plan is about: the layer, how much of it, and where the result will go."""
    text = _("“{name}”, {width} × {height}", name=node.name(), width=area.width, height=area.height)
    if layers > 1:
        text += ", " + _("one of {count} selected layers", count=layers)
    if node.animated():
        text += ", " + _("its current frame")
    return f"{text} → {where}" if where else text


def pixels_of(node: Any, area: Area, where: Placement = Placement.NEW) -> bytes:
    """What a layer shows within ``area``; ``BadInput`` when that is nothing.

    A layer that is replaced keeps its masks, so that its pixels are read without them.
    """
    shown = _shows_more_than_pixels(node) and where is not Placement.REPLACE
    read = node.projectionPixelData if shown else node.pixelData
    data = bytes(read(*area.rectangle))
    if data.count(0) == len(data):
        raise errors.BadInput(
            _(
                "The layer “{name}” is empty where it would be read. Select a layer with "
                "pixels there and try again.",
                name=node.name(),
            )
        )
    return data


def _shows_more_than_pixels(node: Any) -> bool:
    """Whether what a layer shows differs from its pixels, or it has no pixels of its own."""
    if node.type() != "paintlayer":
        return True
    return any(
        child.type() in _SHAPING_MASKS and child.visible() for child in owned(node.childNodes())
    )


def strokes_above(node: Any) -> Any:
    """The layer directly above another one, for the strokes on it; ``BadInput`` without one."""
    above = placing.neighbour(node, 1)
    if above is None or above.type() not in _READABLE:
        raise errors.BadInput(
            _(
                "Colour strokes are wanted from the layer above “{name}”, and there is none. "
                "Add a layer there, paint on it with the colours you want, select “{name}” "
                "again, and try again.",
                name=node.name(),
            )
        )
    return above


def anchor_of(node: Any) -> Any:
    """The layer that a node belongs to: itself, or the one that a mask lies on."""
    while node.type().endswith("mask") and node.parentNode() is not None:
        node = node.parentNode()
    return node


def check_parents(node: Any) -> None:
    """``BadInput`` when a group around the layer is locked, so that no layer may be added there."""
    parent = node.parentNode()
    while parent is not None:
        above = parent.parentNode()
        if above is not None and parent.locked():
            raise errors.BadInput(
                _(
                    "The group “{name}” around the layer “{node_name}” is locked, so no result "
                    "can be added there. Unlock the group and try again.",
                    name=parent.name(),
                    node_name=node.name(),
                )
            )
        parent = above


def check_placement(document: Any, node: Any, task: host.Task) -> None:
    """``BadInput`` when the layer cannot make place as the task wants it."""
    if task.placement is Placement.NEW:
        return
    name = node.name()
    if node.locked():
        raise errors.BadInput(
            _(
                "The layer “{name}” is locked. Unlock it, or choose “New layer”, and try again.",
                name=name,
            )
        )
    if task.placement is not Placement.REPLACE:
        return
    if node.type() != "paintlayer":
        raise errors.BadInput(
            _(
                "“{name}” is no paint layer, and only those can be replaced. Convert it, or choose "
                "“New layer”, and try again.",
                name=name,
            )
        )
    if node.animated():
        raise errors.BadInput(
            _(
                "“{name}” is animated, and the result is one frame, which cannot replace all. "
                "Choose “New layer”, and try again.",
                name=name,
            )
        )
    space = spaces.of_node(node)
    if result_space(document, space, task) != space:
        raise errors.BadInput(
            _(
                "The result has colour, which the grey layer “{name}” cannot hold. Choose “New "
                "layer”, and try again.",
                name=name,
            )
        )


def space_of(document: Any, node: Any, task: host.Task) -> spaces.Space:
    """The colour space in which the layer crosses; a picture from nothing has the document's."""
    return spaces.of_document(document) if makes_picture(task) else spaces.of_node(node)


def result_space(document: Any, space: spaces.Space, task: host.Task) -> spaces.Space:
    """The colour space of the result of a layer in ``space``; RGB for colour from grey."""
    if not (space.grey and task.tool.colours):
        return space
    own = spaces.of_document(document)
    return own if own.model == "RGBA" else spaces.in_colour(space)


def opens_document(document: Any, space: spaces.Space, task: host.Task) -> bool:
    """Whether the result of a layer in ``space`` goes into a document of its own.

    A grey document shows all its layers in grey, also those that have colour.
    """
    if task.outcome is toolbox.Returns.SCALED:
        return True
    coloured = not result_space(document, space, task).grey
    return coloured and spaces.of_document(document).grey and task.tool.colours


def destination(document: Any, node: Any, task: host.Task) -> str:
    """Where the result will go, in a few words; empty for a layer above the source."""
    if task.outcome is toolbox.Returns.TEXT:
        return _("words in this panel")
    if task.outcome is toolbox.Returns.SELECTION:
        return _("a selection")
    if task.outcome is toolbox.Returns.SCALED:
        area = task_area(document, node, task)
        width, height = task.tool.result_size(task.parameters, area.width, area.height)
        return _("a new picture of {width} × {height}", width=width, height=height)
    if opens_document(document, space_of(document, node, task), task):
        return _("a new picture in colour, as this one is grey")
    if task.placement is Placement.MASK:
        return _("a transparency mask on it")
    if task.placement is Placement.REPLACE:
        return _("in its place")
    if task.placement is Placement.GROUP:
        return _("a group with it")
    if task.outcome is toolbox.Returns.MASK:
        return _("a layer with a transparency mask")
    if task.outcome is not toolbox.Returns.BELOW:
        return ""
    if placing.neighbour(node, -1) is not None:
        return _("a layer below it")
    return _("a layer in the mode Behind, as Krita puts nothing under the lowest one")
