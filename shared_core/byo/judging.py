"""How far what a model gave is from what a right one would give of a known picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms import chroma
from shared_core.catalog import contract
from shared_core.catalog.card import EACH, LUMA, RESIDUAL, TensorSpec
from shared_core.catalog.contract import Shown
from shared_core.pixels import WrongOutput

from .known import Known

Floats = NDArray[np.float32]

# Of the sides, this part is left out at each border.
_BORDER = 12
# A face is compared at this size, since a model draws it anew.
_LOOK_SIDE = 32
# What a residual takes away at least, as a share of what is due; its mean is near zero.
_LEAST_TAKEN, _MOST_MEAN = 0.3, 0.5
# Mattes told in 0..255 reach at least so far, as a share of it.
_LEAST_OF_BYTES = 0.2
# Shares lie within 0..1 but for the last bits.
_SLACK = 0.02
_LEAST_CHROMA, _MOST_CHROMA = 1.5, 130.0
# Colours of photographs, as mean distance from grey.
_USUAL_CHROMA = (2.0, 45.0)


def error(tool: str, spec: TensorSpec, array: NDArray[Any], known: Known) -> float | None:
    """The mean squared error of an output under the reading ``spec``; None where it cannot be.

    Comparable between readings of one tool on one picture, and with nothing else.
    """
    try:
        values = contract.read(spec, array, Shown(known.shown, known.hole, known.sigma))
    except WrongOutput:
        return None
    if tool == "remove-background":
        return _of_matte(spec, values, known)
    if tool == "colorize":
        return _of_colours(spec, values, known)
    made = _colours(spec, values)
    if spec.then == RESIDUAL and not _takes_something(made, known):
        return None
    wanted = known.wanted
    if made.shape[2] == 1:
        wanted = contract.luma(wanted)[..., None]
    if tool == "restore-faces":
        made, wanted = _reduced(made), _reduced(wanted)
    if made.shape != wanted.shape:
        return None
    if tool == "remove-object" and known.hole is not None:
        return _of_fill(made, wanted, known.hole)
    return float(np.mean(_inner(made - wanted) ** 2))


def _takes_something(made: Floats, known: Known) -> bool:
    """Whether a residual is one: about as much as there is to be taken, and not the picture."""
    shown, wanted = known.shown, known.wanted
    if made.shape[2] == 1:
        shown, wanted = (contract.luma(picture)[..., None] for picture in (shown, wanted))
    taken = shown - made
    due = float(np.sqrt(np.mean((shown - wanted) ** 2)))
    size = float(np.sqrt(np.mean(taken**2)))
    return _LEAST_TAKEN * due < size and abs(float(taken.mean())) < _MOST_MEAN * size


def _colours(spec: TensorSpec, values: Floats) -> Floats:
    """The picture in ``values``, red first, or its only channel."""
    if spec.channels in ((EACH,), (LUMA,)):
        return values[..., :1]
    return contract.red_first(spec, values)


def _inner(picture: Floats) -> Floats:
    """Without the border, where what a network takes for the surroundings counts."""
    height, width = (side // _BORDER for side in picture.shape[:2])
    return picture[height : picture.shape[0] - height, width : picture.shape[1] - width]


def _reduced(picture: Floats) -> Floats:
    side = _LOOK_SIDE
    return np.asarray(cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA), np.float32)


def _of_matte(spec: TensorSpec, values: Floats, known: Known) -> float | None:
    if not spec.then and (values.min() < -_SLACK or values.max() > 1 + _SLACK):
        return None
    if not spec.then and values.shape[2] > 1 and np.abs(values.sum(axis=2) - 1).max() > _SLACK:
        return None
    if spec.range == (0.0, 255.0) and values.max() < _LEAST_OF_BYTES:
        return None
    matte = contract.subject_of(spec, values)
    if known.subject is None:
        return None
    subject = known.subject
    if subject.shape != matte.shape:
        size = matte.shape[1], matte.shape[0]
        subject = np.asarray(cv2.resize(subject, size, interpolation=cv2.INTER_AREA), np.float32)
    return float(np.mean((matte - subject) ** 2))


def _of_colours(spec: TensorSpec, values: Floats, known: Known) -> float | None:
    """Colours have the picture's lightness where they are told as a picture, and are not too many.

    In units of a share of the lightness.
    """
    if spec.channels == contract.AB:
        distance = np.hypot(values[..., 0], values[..., 1])
        if not _LEAST_CHROMA < distance.max() < _MOST_CHROMA:
            return None
        mean = float(distance.mean())
        low, high = _USUAL_CHROMA
        away = max(0.0, low - mean) / low + max(0.0, mean - high) / high
        return 1e-3 + 0.02 * away
    picture = _colours(spec, values)
    size = picture.shape[1], picture.shape[0]
    grey = chroma.lightness(np.clip(picture, 0, 1).astype(np.float32))
    seen = cv2.resize(chroma.lightness(known.shown), size, interpolation=cv2.INTER_AREA)
    beyond = float(np.mean((picture - np.clip(picture, 0, 1)) ** 2))
    return float(np.mean((grey - np.asarray(seen)) ** 2)) + beyond


def _of_fill(made: Floats, wanted: Floats, hole: NDArray[np.bool_]) -> float:
    """What is around the hole stays, and the hole's mean colour is that of its surroundings."""
    around = cv2.dilate(hole.astype(np.uint8), np.ones((9, 9), np.uint8)) > 0
    ring = around & ~hole
    known = float(np.mean((made - wanted)[~hole] ** 2))
    fill = float(np.mean((made[hole].mean(axis=0) - wanted[ring].mean(axis=0)) ** 2))
    return known + 0.1 * fill
