"""A layer's raw bytes as straight-alpha RGB for the tools, and the tools' colours as bytes again.

All reading, colour handling and blending through the selection mask happens here and once.
"""

from __future__ import annotations

import math
import threading
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from .bridge.errors import BadInput, CouldNotBeDone
from .bridge.language import _
from .curves import decode, encode, samples_table
from .fill import TransparentFill

Floats = NDArray[np.float32]
Samples = NDArray[Any]

# How far around the region transparent pixels get a fill of their own.
_FILL_MARGIN = 512
_TOPS = {"u8": 255, "u16": 65535, "f32": 1}
_DTYPES: dict[str, np.dtype[Any]] = {
    "u8": np.dtype("u1"),
    "u16": np.dtype("<u2"),
    "f32": np.dtype("<f4"),
}


class WrongOutput(CouldNotBeDone):
    """A tool or model gave colours of the wrong shape, or values that are not numbers."""


class Implausible(WrongOutput):
    """A model gave what cannot be right for this picture, which says little about others."""

    of_the_picture = True


class Box(NamedTuple):
    """A rectangle of whole pixels in a picture's own coordinates."""

    left: int
    top: int
    width: int
    height: int

    @property
    def right(self) -> int:
        """First column to the right of the box."""
        return self.left + self.width

    @property
    def bottom(self) -> int:
        """First row below the box."""
        return self.top + self.height

    @property
    def empty(self) -> bool:
        """Whether the box holds no pixel."""
        return self.width <= 0 or self.height <= 0

    def grown(self, by: int, within: Box) -> Box:
        """The box with ``by`` pixels more on every side, cut to ``within``."""
        left, top = max(within.left, self.left - by), max(within.top, self.top - by)
        right = min(within.right, self.right + by)
        return Box(left, top, right - left, min(within.bottom, self.bottom + by) - top)

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns of the box, to index an array with."""
        return slice(self.top, self.bottom), slice(self.left, self.right)


@dataclass(frozen=True)
class Raster:
    """How a layer's bytes are to be read: four channels, straight alpha, sRGB primaries.

    ``curve`` says whether the samples are sRGB-encoded or linear light; ``grey`` that the layer
    is a grey one, so that its three colours must stay equal.
    """

    width: int
    height: int
    depth: Literal["u8", "u16", "f32"]
    order: Literal["rgba", "bgra"] = "rgba"
    curve: Literal["srgb", "linear"] = "srgb"
    grey: bool = False

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type of one sample, little-endian."""
        return _DTYPES[self.depth]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the layer's array: rows, columns, channels."""
        return self.height, self.width, 4

    @property
    def nbytes(self) -> int:
        """Bytes of the whole layer."""
        return self.height * self.width * 4 * self.dtype.itemsize


class Picture:
    """One layer's raw bytes seen as straight-alpha sRGB-encoded RGB float32 in 0..1.

    ``source`` and ``result`` are arrays of ``raster.shape`` and ``raster.dtype`` (memory maps do);
    ``result`` is None where the picture is only looked at. ``mask`` is the selection, u8 of
    (height, width), or None where everything is selected. ``region`` is the part a tool works on:
    the selection's bounding box with ``context`` pixels around it, of no size where nothing is
    selected. Raises ``BadInput`` when they do not fit.
    """

    def __init__(
        self,
        source: Samples,
        result: Samples | None,
        raster: Raster,
        mask: NDArray[np.uint8] | None = None,
        *,
        context: int = 64,
    ) -> None:
        self.raster = raster
        self.bounds = Box(0, 0, raster.width, raster.height)
        _check_arrays(source, result, raster, mask)
        self._source = source
        self._result = result
        self._mask = mask
        self._to_rgb = cv2.COLOR_RGBA2RGB if raster.order == "rgba" else cv2.COLOR_BGRA2RGB
        self._fill: TransparentFill | None = None
        self._filling = threading.Lock()
        self.region = self.bounds
        if mask is not None:
            selected = Box(*cv2.boundingRect(mask))
            self.region = Box(0, 0, 0, 0)
            if not selected.empty:
                self.region = selected.grown(context, self.bounds)
        self._filled = self.region.grown(_FILL_MARGIN, self.bounds)

    def begin(self) -> None:
        """Copy everything outside ``region`` from source to result, byte by byte."""
        region = self.region
        source, result = self._source, self._result
        if result is None:
            return
        result[: region.top] = source[: region.top]
        rows = slice(region.top, region.bottom)
        result[rows, : region.left] = source[rows, : region.left]
        result[rows, region.right :] = source[rows, region.right :]
        result[region.bottom :] = source[region.bottom :]

    def keep(self) -> None:
        """Copy the whole source to the result: for tools that write only some places of it."""
        if self._result is not None:
            self._result[:] = self._source

    def excess(self, box: Box) -> Floats | None:
        """What ``box`` holds beyond 0..1, float32 (height, width, 3) in the layer's own curve.

        None where nothing does; values that are not finite count as 0.
        """
        if self.raster.depth != "f32":
            return None
        stored = np.asarray(cv2.cvtColor(self._raw(box), self._to_rgb), np.float32)
        beyond = np.where(np.isfinite(stored), stored - _clipped(stored), np.float32(0))
        return beyond if beyond.any() else None

    def rgb(self, box: Box) -> Floats:
        """Colours of ``box``, float32 (height, width, 3) in 0..1, as a fresh array.

        Fully transparent pixels get the colours of the visible ones near them; values that are
        not finite are 0.
        """
        colours = self._colours(box)
        hidden = self._hidden(box)
        if hidden is not None:
            left, top = box.left - self._filled.left, box.top - self._filled.top
            fill = self._transparent_fill().at(left, top, box.width, box.height)
            np.copyto(colours, fill, where=hidden[..., None])
        return colours

    def alpha(self, box: Box) -> Floats:
        """Opacity of ``box``, float32 (height, width) in 0..1."""
        raw = cv2.extractChannel(self._raw(box), 3).reshape(box.height, box.width)
        if self.raster.depth == "f32":
            return _clipped(raw)
        return np.asarray(raw * np.float32(1 / _TOPS[self.raster.depth]))

    def touches(self, box: Box) -> bool:
        """Whether ``write`` could change any pixel of ``box``: one is selected and visible."""
        if box.empty or (self._mask is not None and not self._mask[box.slices].any()):
            return False
        hidden = self._hidden(box)
        if hidden is None:
            return True
        visible = ~hidden
        if self._mask is not None:
            visible &= self._mask[box.slices] > 0
        return bool(visible.any())

    def write(
        self, box: Box, rgb: NDArray[np.floating[Any]], opacity: Floats | None = None
    ) -> None:
        """Blend ``rgb`` (height, width, 3) in 0..1 into the result, through the selection mask.

        The blend is source + mask · (new - source) in the layer's own depth and curve. Where the
        mask or the alpha is 0 the source's bytes stay, as do alpha itself, values that are not
        finite, and what lies outside 0..1 is added back. ``opacity`` (height, width) in 0..1, where
        given, is what the alpha is multiplied by. Raises ``WrongOutput``.
        """
        assert self._result is not None, "this picture is only looked at"
        if rgb.shape != (box.height, box.width, 3):
            raise WrongOutput(
                _(
                    "The tool gave colours of shape {shape} for {width} by {height} pixels. "
                    "Please report this; the layer was not changed.",
                    shape=rgb.shape,
                    width=box.width,
                    height=box.height,
                )
            )
        if opacity is not None:
            self._check_opacity(box, opacity)
        colours = np.ascontiguousarray(rgb, np.float32)
        total = sum(cv2.sumElems(colours))
        if opacity is not None:
            total += float(np.sum(opacity, dtype=np.float64))
        if not math.isfinite(total):
            raise _no_numbers()
        colours = np.clip(colours, np.float32(0), np.float32(1))
        if self.raster.grey:
            colours = luma(colours)
        if self.raster.curve == "linear":
            colours = decode(colours)
        raw = self._raw(box)
        old = cv2.cvtColor(raw, self._to_rgb)
        weight = self._weight(box)
        if self.raster.depth == "f32":
            new = _blend_floats(old, colours, weight)
        else:
            new = _blend_integers(old, colours, weight, _TOPS[self.raster.depth])
        blended = np.empty_like(raw)
        red, blue = (0, 2) if self.raster.order == "rgba" else (2, 0)
        cv2.mixChannels([new, raw], [blended], [0, red, 1, 1, 2, blue, 6, 3])
        if opacity is not None:
            blended[..., 3] = self._faded(raw, opacity)
        self._result[box.slices] = blended

    def fade(self, box: Box, opacity: Floats | None = None) -> None:
        """Multiply the alpha by ``opacity`` (height, width) in 0..1 and leave the colours' bytes.

        The same as ``write`` with the picture's own colours. Raises ``WrongOutput``.
        """
        assert self._result is not None, "this picture is only looked at"
        raw = self._raw(box)
        faded = raw[..., 3]
        if opacity is not None:
            self._check_opacity(box, opacity)
            if not math.isfinite(float(np.sum(opacity, dtype=np.float64))):
                raise _no_numbers()
            faded = self._faded(raw, opacity)
        self._result[box.slices] = raw
        self._result[(*box.slices, 3)] = faded

    def _check_opacity(self, box: Box, opacity: Floats) -> None:
        if opacity.shape != (box.height, box.width):
            raise WrongOutput(
                _(
                    "The tool gave an opacity of shape {shape} for {width} by {height} pixels. "
                    "Please report this; the layer was not changed.",
                    shape=opacity.shape,
                    width=box.width,
                    height=box.height,
                )
            )

    def _faded(self, raw: Samples, opacity: Floats) -> Samples:
        """The alpha of ``raw`` times ``opacity``."""
        faded = raw[..., 3] * np.clip(opacity, np.float32(0), np.float32(1))
        return faded if self.raster.depth == "f32" else np.rint(faded)

    def _raw(self, box: Box) -> Samples:
        if box.empty or box.grown(0, self.bounds) != box:
            raise ValueError(f"{box} is no part of a picture of {self.bounds}")
        return self._source[box.slices]

    def _colours(self, box: Box) -> Floats:
        """Colours without regard to alpha."""
        stored = cv2.cvtColor(self._raw(box), self._to_rgb)
        linear = self.raster.curve == "linear"
        if self.raster.depth != "f32":
            table = samples_table(_TOPS[self.raster.depth], linear)
            return np.asarray(cv2.LUT(stored, table), np.float32)
        colours = _clipped(np.asarray(stored, np.float32))
        return encode(colours) if linear else colours

    def _hidden(self, box: Box) -> NDArray[np.bool_] | None:
        """Which pixels are fully transparent; None where none is."""
        alpha: Samples
        if self.raster.depth == "f32":
            alpha = self.alpha(box)
        else:
            alpha = cv2.extractChannel(self._raw(box), 3).reshape(box.height, box.width)
        if alpha.min() > 0:
            return None
        return np.asarray(alpha == 0)

    def _weight(self, box: Box) -> Floats | None:
        """Share of the new colour at each pixel, 0..1; None where it is 1 everywhere."""
        hidden = self._hidden(box)
        mask = None if self._mask is None else self._mask[box.slices]
        if hidden is None and (mask is None or mask.min() == 255):
            return None
        if mask is None:
            weight = np.ones((box.height, box.width), np.float32)
        else:
            weight = mask * np.float32(1 / 255)
        if hidden is not None:
            weight[hidden] = 0
        return weight

    def _transparent_fill(self) -> TransparentFill:
        around = self._filled

        def read(top: int, height: int) -> tuple[Floats, Floats]:
            strip = Box(around.left, around.top + top, around.width, height)
            return self._colours(strip), self.alpha(strip)

        with self._filling:
            if self._fill is None:
                self._fill = TransparentFill(around.width, around.height, read)
            return self._fill


def _no_numbers() -> WrongOutput:
    return WrongOutput(
        _(
            "The tool gave values that are not numbers. "
            "Please report this; the layer was not changed."
        )
    )


def _check_arrays(
    source: Samples, result: Samples | None, raster: Raster, mask: NDArray[np.uint8] | None
) -> None:
    if raster.width < 1 or raster.height < 1:
        raise BadInput(_("The layer has no pixels. Paint something on it or choose another layer."))
    for name, array in (("layer", source), ("result", result)):
        if array is None:
            continue
        if array.shape != raster.shape or array.dtype != raster.dtype:
            raise BadInput(
                _(
                    "The {name}'s pixels are {shape} {dtype} where {expected} "
                    "{expected_type} was announced. Please report this with the editor's "
                    "version.",
                    name=name,
                    shape=array.shape,
                    dtype=array.dtype,
                    expected=raster.shape,
                    expected_type=raster.dtype,
                )
            )
    if mask is not None and (mask.shape != raster.shape[:2] or mask.dtype != np.uint8):
        raise BadInput(
            _(
                "The selection is {shape} {dtype} where {expected} of 8 bits was expected. "
                "Please report this with the editor's version.",
                shape=mask.shape,
                dtype=mask.dtype,
                expected=raster.shape[:2],
            )
        )


def _clipped(values: Floats) -> Floats:
    """``values`` in 0..1, those that are not finite as 0, as a fresh array."""
    clipped = np.clip(values, np.float32(0), np.float32(1))
    finite = np.isfinite(values)
    if not finite.all():
        clipped[~finite] = 0
    return clipped


def luma(rgb: Floats) -> Floats:
    """``rgb`` with its Rec. 709 luma in all three channels; equal channels stay as they are."""
    green = rgb[..., 1]
    luma = np.float32(0.2126) * (rgb[..., 0] - green)
    luma += np.float32(0.0722) * (rgb[..., 2] - green)
    luma += green
    return np.asarray(cv2.merge([luma, luma, luma]), np.float32)


def _blend_integers(old: Samples, new: Floats, weight: Floats | None, top: int) -> Samples:
    """``old`` moved towards ``new`` (0..1) by ``weight``, halves rounded up."""
    samples = new * np.float32(top)
    if weight is not None:
        before = old.astype(np.float32)
        samples -= before
        samples *= cv2.merge([weight, weight, weight])
        samples += before
    samples += np.float32(0.5)
    return samples.astype(old.dtype)


def _blend_floats(old: Floats, new: Floats, weight: Floats | None) -> Floats:
    """``old`` moved towards ``new`` (0..1) by ``weight``; what exceeds 0..1 in ``old`` is kept."""
    change = new - _clipped(old)
    if weight is not None:
        change *= cv2.merge([weight, weight, weight])
    # Adding nothing is not nothing: it turns -0.0 into 0.0 and may alter the bits of a NaN.
    blended = old.copy()
    np.add(old, change, out=blended, where=(change != 0) & np.isfinite(old))
    return blended
