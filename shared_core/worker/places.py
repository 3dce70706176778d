"""A job's pixel files as what tools read and write: picture, selection, strokes, sheet, matte."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_core.bridge import arena, codec, wire
from shared_core.bridge.errors import BadInput
from shared_core.bridge.language import _
from shared_core.bridge.paths import Paths
from shared_core.bridge.toolbox import Returns, Selects, Tool, Value
from shared_core.pixels import Picture, Raster
from shared_core.sheet import Matte, Sheet

_DTYPES = {"u8": "<u1", "u16": "<u2", "f32": "<f4"}
_SHEETS = (Returns.SCALED, Returns.LAYER, Returns.BELOW)


class Places:
    """The mapped files of one job; they stay mapped until ``stack`` ends.

    Raises ``BadInput`` when there is nothing to work on.
    """

    def __init__(
        self,
        paths: Paths,
        request: Mapping[str, Any],
        tool: Tool,
        parameters: Mapping[str, Value],
        stack: contextlib.ExitStack,
    ) -> None:
        self._paths = paths
        self._stack = stack
        self.outcome = tool.outcome(parameters)
        source = _file(request["source"])
        if source is None or source.order == wire.MASK:
            raise BadInput(_("A selection cannot be worked on as a picture."))
        result = _file(request["result"])
        mask = _file(request["mask"])
        strokes = _file(request["strokes"])
        matte = _file(request["matte"])
        _check(result, tool.result_size(parameters, source.width, source.height), self._pixels)
        _check(matte, (source.width, source.height), self._coverage)
        for beside in (mask, strokes):
            _check(beside, (source.width, source.height), False)
        self._source = self._view(source)
        self._result = self._view(result, write=True) if result else None
        self._matte = self._view(matte, write=True) if matte else None
        self.selection: NDArray[np.uint8] | None = self._view(mask) if mask else None
        if self.selection is not None and not self.selection.any():
            raise BadInput(
                _(
                    "The selection does not touch the layer, so there is nothing to work on. "
                    "Move the selection or select nothing."
                )
            )
        drawn_apart = self.outcome in _SHEETS
        limits = tool.selects in (Selects.LIMITS, Selects.NEEDED)
        self.picture = Picture(
            self._source,
            None if drawn_apart else self._result,
            _raster(source, grey=bool(result and result.grey)),
            self.selection if limits else None,
        )
        seen = self.picture.touches(self.picture.region)
        if not seen and not tool.canvas:
            raise BadInput(
                _(
                    "Everything there is fully transparent, so there is nothing to work on. "
                    "Select a layer or a part with visible pixels."
                )
            )
        self.sheet: Sheet | None = None
        if drawn_apart and result is not None and self._result is not None:
            self.sheet = Sheet(self._result, _raster(result, result.grey))
        self.strokes: Picture | None = None
        if strokes is not None:
            self.strokes = Picture(self._view(strokes), None, _raster(strokes, strokes.grey))
        self.matte: Matte | None = None
        if matte is not None and self._matte is not None:
            self.matte = Matte(self._matte, matte.depth)

    def clear(self) -> None:
        """All places for results as they were made: nothing of an earlier attempt stays."""
        for place in (self._result, self._matte):
            if place is not None:
                place[...] = 0

    @property
    def _pixels(self) -> bool:
        """Whether there must be a place for pixels."""
        return self.outcome not in (Returns.TEXT, Returns.SELECTION)

    @property
    def _coverage(self) -> bool:
        """Whether there must be a place for a layer mask or a selection."""
        return self.outcome in (Returns.MASK, Returns.SELECTION)

    def copy(self) -> None:
        """The result as an unchanged copy of the source, where it is one of its size."""
        if self._result is not None and self._result.shape == self._source.shape:
            self._result[:] = self._source

    def _view(self, file: wire.PixelFile, write: bool = False) -> NDArray[Any]:
        pixels = self._stack.enter_context(arena.mapped(self._paths, file, write))
        shape: tuple[int, ...] = (file.height, file.width)
        if file.order != wire.MASK:
            shape += (4,)
        return np.frombuffer(pixels, _DTYPES[file.depth]).reshape(shape)


def _check(file: wire.PixelFile | None, size: tuple[int, int], needed: bool) -> None:
    """Raise ``BadInput`` where a file is missing or of another size than ``size``."""
    if file is None and needed:
        raise BadInput(_("The editor made no place for the result. Please report this."))
    if file is not None and (file.width, file.height) != size:
        raise BadInput(
            _(
                "The editor announced {width} × {height} pixels where {size} × {due_height} are "
                "due. Please report this with the editor's version.",
                width=file.width,
                height=file.height,
                size=size[0],
                due_height=size[1],
            )
        )


def _file(data: Any) -> wire.PixelFile | None:
    return codec.build(wire.PixelFile, data) if data else None


def _raster(file: wire.PixelFile, grey: bool) -> Raster:
    assert file.order != "mask"
    return Raster(file.width, file.height, file.depth, file.order, file.curve, grey)
