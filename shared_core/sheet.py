"""Results that are no change of a layer: pictures with an opacity of their own, and layer masks."""

from __future__ import annotations

import math
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from .curves import decode
from .pixels import Box, Raster, WrongOutput, luma

Floats = NDArray[np.float32]
_TOPS = {"u8": 255, "u16": 65535}


class Sheet:
    """A new picture (scaled, generated), written box by box.

    ``result`` is an array of ``raster.shape`` and ``raster.dtype``, all zero: what is never written
    stays transparent.
    """

    def __init__(self, result: NDArray[Any], raster: Raster) -> None:
        self.raster = raster
        self.bounds = Box(0, 0, raster.width, raster.height)
        self._result = result

    @property
    def width(self) -> int:
        """Columns."""
        return self.raster.width

    @property
    def height(self) -> int:
        """Rows."""
        return self.raster.height

    def write(
        self,
        box: Box,
        rgb: NDArray[np.floating[Any]],
        alpha: NDArray[Any] | None = None,
        excess: Floats | None = None,
    ) -> None:
        """Put sRGB-encoded ``rgb`` (height, width, 3) in 0..1 into ``box``.

        ``alpha`` (height, width) in 0..1 is its opacity, opaque where left out. ``excess`` of the
        same shape as ``rgb`` is added in the sheet's own curve: light beyond 0..1, which only f32
        can hold. Raises ``WrongOutput``.
        """
        _check(box, self.bounds, rgb, (box.height, box.width, 3))
        colours = np.clip(rgb, 0, 1).astype(np.float32)
        if self.raster.grey:
            colours = luma(colours)
        if self.raster.curve == "linear":
            colours = decode(colours)
        if excess is not None and self.raster.depth == "f32":
            colours = np.asarray(colours + excess, np.float32)
        opacity = np.ones((box.height, box.width), np.float32)
        if alpha is not None:
            _check(box, self.bounds, alpha, (box.height, box.width))
            opacity = np.clip(alpha, 0, 1).astype(np.float32)
        red, blue = (0, 2) if self.raster.order == "rgba" else (2, 0)
        new = np.empty((box.height, box.width, 4), np.float32)
        cv2.mixChannels([colours, opacity], [new], [0, red, 1, 1, 2, blue, 3, 3])
        self._result[box.slices] = _samples(new, self.raster.depth)


class Matte:
    """A layer mask or a selection: coverage without a curve, u8, u16 or f32 of (height, width)."""

    def __init__(self, result: NDArray[Any], depth: str) -> None:
        height, width = result.shape
        self.bounds = Box(0, 0, width, height)
        self._depth = depth
        self._result = result

    def write(self, box: Box, coverage: NDArray[np.floating[Any]]) -> None:
        """Put ``coverage`` (height, width) in 0..1 into ``box``. Raises ``WrongOutput``."""
        _check(box, self.bounds, coverage, (box.height, box.width))
        new = np.clip(coverage, 0, 1).astype(np.float32)
        self._result[box.slices] = _samples(new, self._depth)


def _check(box: Box, bounds: Box, values: NDArray[Any], shape: tuple[int, ...]) -> None:
    if box.empty or box.grown(0, bounds) != box:
        raise ValueError(f"{box} is no part of a picture of {bounds}")
    if values.shape != shape:
        raise WrongOutput(
            _(
                "The tool gave values of shape {shape} where {expected} was expected. Please "
                "report this; nothing was changed.",
                shape=values.shape,
                expected=shape,
            )
        )
    if not math.isfinite(float(np.sum(values, dtype=np.float64))):
        raise WrongOutput(
            _("The tool gave values that are not numbers. Please report this; nothing was changed.")
        )


def _samples(values: Floats, depth: str) -> NDArray[Any]:
    """``values`` (0..1) as samples of ``depth``, halves rounded up."""
    if depth == "f32":
        return values
    values *= np.float32(_TOPS[depth])
    values += np.float32(0.5)
    return values.astype("<u1" if depth == "u8" else "<u2")
