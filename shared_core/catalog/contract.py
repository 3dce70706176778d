"""Feeding a picture to a model as its card says, and reading back what the model gives.

The one place for both, for the catalogue's models and for the user's own. A picture is float32
(height, width, 3), sRGB-encoded, red first, in 0..1.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _, joined

from ..algorithms import chroma
from ..pixels import WrongOutput
from .card import (
    CLASSES,
    EACH,
    HOLE,
    KEEP,
    LIGHTNESS,
    LUMA,
    MATTE,
    RESIDUAL,
    SHARPENED,
    SIGMA,
    SIGMOID,
    SOFTMAX,
    Card,
    TensorSpec,
)

if TYPE_CHECKING:
    from ..engine.session import Session, Tensor

Floats = NDArray[np.float32]
Ask = Callable[["Shown"], NDArray[Any]]

AB = ("a", "b")
_COLOURS = ("R", "G", "B")
_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
# Beyond these the float32 exponential is 0 or endless.
_MOST_LOGIT = 30


@dataclass(frozen=True)
class Shown:
    """What a model is shown: a picture, its hole (height, width), its noise in levels of 255.

    ``sharpened`` (height, width, 6) is its deconvolution, by default the picture and its luma.
    """

    rgb: Floats
    hole: NDArray[np.bool_] | None = None
    sigma: float = 0.0
    sharpened: Floats | None = None


def wrong(fault: str) -> WrongOutput:
    """The error for a model that gave what cannot be used; ``fault`` is a sentence about that."""
    advice = _("Its result is not used; choose another model or the classical path.")
    return WrongOutput(joined(" ", [fault, advice]))


# ---------------------------------------------------------------- to the model and back


def matched(specs: Sequence[TensorSpec], tensors: Sequence[Tensor]) -> list[Tensor]:
    """The session's tensor for each of the card's: by name where all have one, else by order."""
    by_name = {tensor.name: tensor for tensor in tensors}
    names = [spec.name for spec in specs if spec.name in by_name]
    if len(set(names)) == len(specs):
        return [by_name[name] for name in names if name]
    return list(tensors[: len(specs)])


def asker(card: Card, session: Session, cancelled: Callable[[], bool] | None = None) -> Ask:
    """A model of one session as a function: what is shown to it, and the card's first output."""
    named = list(zip(card.inputs, matched(card.inputs, session.inputs), strict=True))
    [given, *_] = matched(card.outputs, session.outputs)
    index = session.outputs.index(given)

    def ask(shown: Shown) -> NDArray[Any]:
        feeds = {tensor.name: fed(spec, shown, tensor.dtype) for spec, tensor in named}
        return session.run(feeds, cancelled=cancelled)[index]

    return ask


def enhanced(card: Card, ask: Ask, shown: Shown) -> Floats:
    """The picture that a model makes of one, as many times as large as its card says, unclipped.

    Raises ``WrongOutput`` for a wrong shape or values that are no numbers.
    """
    spec = card.outputs[0]
    if spec.channels == (EACH,):
        planes = [
            read(spec, ask(one), one)[..., 0]
            for one in (
                Shown(shown.rgb[..., [channel] * 3], shown.hole, shown.sigma)
                for channel in range(3)
            )
        ]
        return np.dstack(planes)
    values = read(spec, ask(shown), shown)
    if spec.channels == (LUMA,):
        height, width = values.shape[:2]
        colours = shown.rgb
        if colours.shape[:2] != (height, width):
            larger = cv2.resize(colours, (width, height), interpolation=cv2.INTER_CUBIC)
            colours = np.asarray(larger, np.float32)
        return colours + (values[..., 0] - luma(colours))[..., None]
    return red_first(spec, values)


def coverage(card: Card, ask: Ask, shown: Shown) -> Floats:
    """The share of the subject (height, width) in each pixel; "min-max" is yet to be done.

    Raises ``WrongOutput`` for a wrong shape or values that are no numbers.
    """
    spec = card.outputs[0]
    return subject_of(spec, read(spec, ask(shown), shown))


def red_first(spec: TensorSpec, values: Floats) -> Floats:
    """The colours in values (height, width, channels) that ``read`` gave, red, green, blue."""
    order = [spec.channels.index(colour) for colour in _COLOURS]
    return values if order == [0, 1, 2] and values.shape[2] == 3 else values[..., order]


def subject_of(spec: TensorSpec, values: Floats) -> Floats:
    """The subject's share (height, width) in values (height, width, channels) of ``read``."""
    if MATTE in spec.channels:
        return np.ascontiguousarray(values[..., spec.channels.index(MATTE)])
    if spec.then == CLASSES:
        labels = np.rint(values[..., 0])
        found = np.isin(labels, spec.subject) if spec.subject else labels != 0
        return found.astype(np.float32)
    subject = list(spec.subject or range(1, values.shape[2]))
    return np.asarray(values[..., subject].sum(axis=2), np.float32)


# ---------------------------------------------------------------- feeding


def luma(rgb: Floats) -> Floats:
    """Luma (height, width) of a picture, by ITU-R BT.601 as in JPEG."""
    return np.asarray(rgb @ _LUMA, np.float32)


def fed(spec: TensorSpec, shown: Shown, dtype: np.dtype[Any] | None = None) -> NDArray[Any]:
    """The tensor for the input ``spec``, in ``dtype`` or the card's own."""
    if spec.margin:
        shown = _widened(shown, spec.margin)
    height, width = shown.rgb.shape[:2]
    wanted = np.dtype(spec.dtype) if dtype is None else dtype
    shape = spec.sized(height, width)
    if spec.value is not None:
        return np.full(shape, spec.value, wanted)
    if not spec.layout:
        return np.full(shape, _noise(spec, shown), wanted)
    size = dict(zip(spec.layout, shape, strict=True))
    planes = np.empty((size.get("C", 1), size["H"], size["W"]), np.float32)
    rgb = shown.rgb
    if spec.by_maximum:
        rgb = rgb / np.float32(max(float(rgb.max()), 1e-6))
    for index, plane in enumerate(planes):
        _fill(plane, spec, index, rgb, shown)
    return _as_laid(planes, spec.layout, size.get("N", 1), wanted)


def _widened(shown: Shown, margin: int) -> Shown:
    """What is shown with a reflection of itself around it."""
    around = (margin,) * 4
    rgb = cv2.copyMakeBorder(shown.rgb, *around, cv2.BORDER_REFLECT_101)
    hole, sharp = shown.hole, shown.sharpened
    if hole is not None:
        wide = cv2.copyMakeBorder(hole.astype(np.uint8), *around, cv2.BORDER_REFLECT_101)
        hole = np.asarray(wide) > 0
    if sharp is not None:
        wide = cv2.copyMakeBorder(sharp, *around, cv2.BORDER_REFLECT_101)
        sharp = np.asarray(wide, np.float32)
    return Shown(np.asarray(rgb, np.float32), hole, shown.sigma, sharp)


def _fill(plane: Floats, spec: TensorSpec, index: int, rgb: Floats, shown: Shown) -> None:
    """The channel ``index`` of ``spec`` into ``plane``."""
    channel = spec.channels[index] if spec.channels else ""
    if channel == SIGMA:
        plane[:] = _noise(spec, shown)
        return
    low, high = spec.range or (0.0, 1.0)
    plane[:] = _values(channel, index, rgb, shown)
    if (low, high) != (0, 1):
        plane *= np.float32(high - low)
        plane += np.float32(low)
    if spec.mean:
        plane -= np.float32(spec.mean[index])
        plane /= np.float32(spec.std[index])
    if spec.blank and shown.hole is not None and channel not in (HOLE, KEEP):
        plane[shown.hole] = 0


def _values(channel: str, index: int, rgb: Floats, shown: Shown) -> NDArray[Any]:
    if channel in (HOLE, KEEP):
        if shown.hole is None:
            return np.zeros(rgb.shape[:2]) if channel == HOLE else np.ones(rgb.shape[:2])
        return shown.hole if channel == HOLE else ~shown.hole
    if channel == LUMA:
        return luma(rgb)
    if channel == LIGHTNESS:
        return chroma.lightness(rgb)
    if channel in SHARPENED:
        sharp = np.dstack([rgb, *[luma(rgb)] * 3]) if shown.sharpened is None else shown.sharpened
        return sharp[..., SHARPENED.index(channel)]
    # One of three alike, and whatever a card calls otherwise, by its place.
    return rgb[..., _COLOURS.index(channel) if channel in _COLOURS else index % 3]


def _noise(spec: TensorSpec, shown: Shown) -> float:
    low, high = spec.range or (0.0, 1.0)
    return (high - low) * shown.sigma / 255


def _as_laid(planes: Floats, layout: str, batch: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    """``planes`` (channels, height, width) in the axes of ``layout``, as often as the batch."""
    if dtype.kind in "iu":
        limits = np.iinfo(dtype)
        np.rint(planes, out=planes)
        np.clip(planes, limits.min, limits.max, out=planes)
    # Channels are dropped where the layout has none.
    values: NDArray[Any] = planes if "C" in layout else planes[0]
    now = "CHW" if "C" in layout else "HW"
    values = values.transpose([now.index(letter) for letter in layout if letter != "N"])
    if "N" in layout:
        values = np.broadcast_to(values, (batch, *values.shape))
    return np.ascontiguousarray(values, dtype)


# ---------------------------------------------------------------- reading


def read(spec: TensorSpec, output: NDArray[Any], shown: Shown) -> Floats:
    """The values (height, width, channels) of an output, colours and shares in 0..1, unclipped.

    a* and b* are as they are. Raises ``WrongOutput`` for a wrong shape and for values that are no
    numbers.
    """
    wanted = spec.sized(*shown.rgb.shape[:2])
    if output.shape != wanted:
        raise wrong(
            _(
                "The model gave values of the shape {shape} where {wanted} are due.",
                shape=list(output.shape),
                wanted=list(wanted),
            )
        )
    values = planes(output, spec.layout)
    if not np.isfinite(values).all():
        raise wrong(_("The model gave values that are not numbers."))
    values = undone(spec, values)
    low, high = spec.range or (0.0, 1.0)
    if spec.then == RESIDUAL:
        values = _of_picture(spec, shown) - values / np.float32(high - low)
    elif (low, high) != (0, 1) and spec.then != CLASSES and spec.channels != AB:
        values = (values - np.float32(low)) / np.float32(high - low)
    if values.shape[2] == 3 and not values.flags.c_contiguous:
        # Ten times as quick as numpy for planes that become pixels.
        parts = [np.ascontiguousarray(values[..., channel], np.float32) for channel in range(3)]
        return np.asarray(cv2.merge(parts), np.float32)
    return np.ascontiguousarray(values, np.float32)


def undone(spec: TensorSpec, values: Floats) -> Floats:
    """Values (..., channels) of an output within the range of ``spec``: no logits any more."""
    if spec.mean:
        values = values * np.array(spec.std, np.float32) + np.array(spec.mean, np.float32)
    if spec.then == SIGMOID:
        return np.asarray(1 / (1 + np.exp(-np.clip(values, -_MOST_LOGIT, _MOST_LOGIT))))
    if spec.then == SOFTMAX:
        powers = np.exp(values - values.max(axis=-1, keepdims=True))
        return np.asarray(powers / powers.sum(axis=-1, keepdims=True))
    return values


def planes(output: NDArray[Any], layout: str) -> Floats:
    """The first of a batch as (height, width, channels)."""
    values = output[0] if layout.startswith("N") else output
    now = layout.removeprefix("N")
    if "C" not in now:
        values, now = values[..., None], now + "C"
    return np.asarray(values.transpose([now.index(letter) for letter in "HWC"]), np.float32)


def _of_picture(spec: TensorSpec, shown: Shown) -> Floats:
    """What was shown, in the channels of the output ``spec``."""
    return np.dstack([_values(c, n, shown.rgb, shown) for n, c in enumerate(spec.channels)])
