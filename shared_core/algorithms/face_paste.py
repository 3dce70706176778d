"""Faces of another size and turn blended into a picture: soft square masks and matching tone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from .alignment import TEMPLATE_SIDE, Matrix, between_pixels, scale_of, transformed

Floats = NDArray[np.float32]

NAME = _("5-point alignment, soft mask, colours matched to the surroundings")

# In the template's pixels: nothing is changed up to the first from its edge, all from the second.
_RIM = (16.0, 96.0)
# Where squares overlap, the one whose middle is nearer has its way: how fast this goes.
_NEARNESS = 6.0
_SMALL = 64
# The most that tone may be moved, in Lab units, and stretched.
_MOST_SHIFT = np.array([12.0, 10.0, 10.0], np.float32)
_MOST_STRETCH = 1.2
# Of less spread in a* and b* than this a picture has but one hue.
_GREY = 1.0


@dataclass(frozen=True)
class Patch:
    """A reconstructed face on its way into the picture.

    ``matrix`` maps places of the picture to the template's 512 by 512. ``change`` (h, w, 3) is the
    face, possibly reduced, less ``kept`` times what was there before; so the share ``kept`` of
    detail that is finer than the template's pixels stays the picture's own.
    """

    matrix: Matrix
    change: Floats
    kept: float


@dataclass(frozen=True)
class PlacedFace:
    """New pixels (h, w, 3) at ``left``, ``top`` of the picture, for the face of ``matrix``."""

    matrix: Matrix
    left: int
    top: int
    pixels: Floats


def make_patch(matrix: Matrix, before: Floats, after: Floats) -> Patch:
    """The patch of a face that was ``before`` and is now ``after``, both (512, 512, 3) in 0..1."""
    enlarged = 1 / scale_of(matrix)
    kept = float(np.clip(enlarged - 1, 0, 1))
    change = after - np.float32(kept) * before
    # Reduced by area first, since a face smaller than the template is read with gaps.
    side = TEMPLATE_SIDE
    while side > 2 * TEMPLATE_SIDE * enlarged and side > 32:
        side //= 2
    if side < TEMPLATE_SIDE:
        change = cv2.resize(change, (side, side), interpolation=cv2.INTER_AREA)
    return Patch(matrix, np.asarray(change, np.float32), kept)


def corners(matrix: Matrix) -> Matrix:
    """Where the template's four corners lie in the picture, (4, 2)."""
    square = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float64) * TEMPLATE_SIDE
    return transformed(square, cv2.invertAffineTransform(matrix))


def blended(
    rgb: Floats, left: int, top: int, faces: Sequence[PlacedFace], strength: float
) -> Floats:
    """``rgb`` (h, w, 3), which lies at ``left``, ``top`` of the picture, with ``faces`` in it.

    The faces' pixels must lie within ``rgb``. Where several overlap, each counts by how near its
    middle is; the order makes no difference.
    """
    total = np.zeros(rgb.shape[:2], np.float32)
    change = np.zeros_like(rgb)
    for face in faces:
        height, width = face.pixels.shape[:2]
        part = (
            slice(face.top - top, face.top - top + height),
            slice(face.left - left, face.left - left + width),
        )
        mask, nearness = _mask(face.matrix, face.left, face.top, width, height)
        # The mask is a weight too, so that no face ends abruptly within another.
        weight = nearness * mask
        change[part] += (weight * mask)[..., None] * (face.pixels - rgb[part])
        total[part] += weight
    total[total == 0] = 1
    return np.asarray(rgb + np.float32(strength) * change / total[..., None], np.float32)


def shown(patch: Patch, rgb: Floats, left: int, top: int) -> PlacedFace:
    """The patch in the picture's own pixels, for all of ``rgb`` (h, w, 3) at ``left``, ``top``."""
    side = patch.change.shape[0]
    matrix = between_pixels(patch.matrix, left, top, 1) + np.array([[0, 0, 0.5]] * 2)
    matrix = matrix * (side / TEMPLATE_SIDE) - np.array([[0, 0, 0.5]] * 2)
    how = cv2.INTER_CUBIC if scale_of(matrix) < 1 else cv2.INTER_LINEAR
    change = cv2.warpAffine(
        patch.change,
        matrix,
        (rgb.shape[1], rgb.shape[0]),
        flags=how | cv2.WARP_INVERSE_MAP,
        borderMode=cv2.BORDER_REPLICATE,
    )
    pixels = np.asarray(change + np.float32(patch.kept) * rgb, np.float32)
    return PlacedFace(patch.matrix, left, top, pixels)


def _mask(matrix: Matrix, left: int, top: int, width: int, height: int) -> tuple[Floats, Floats]:
    """The share of the face at each pixel, and how near the pixel is to the face's middle."""
    x = np.arange(left, left + width, dtype=np.float32)[None] + np.float32(0.5)
    y = np.arange(top, top + height, dtype=np.float32)[:, None] + np.float32(0.5)
    (a, b, c), (d, e, f) = matrix.astype(np.float32)
    middle = np.float32(TEMPLATE_SIDE / 2)
    across, down = a * x + b * y + (c - middle), d * x + e * y + (f - middle)
    mask = _ramp(middle - np.abs(across)) * _ramp(middle - np.abs(down))
    away = (across * across + down * down) / (middle * middle)
    return mask, np.exp(-np.float32(_NEARNESS) * np.minimum(away, np.float32(4)))


def _ramp(depth: Floats) -> Floats:
    share = np.clip((depth - _RIM[0]) / (_RIM[1] - _RIM[0]), 0, 1).astype(np.float32)
    return np.asarray(share * share * (3 - 2 * share), np.float32)


def matched(before: Floats, after: Floats) -> Floats:
    """``after`` with the tone that ``before`` has in the mask's rim, both (512, 512, 3) in 0..1.

    Mean and spread of L*, a* and b* are moved, by little at most, as Reinhard et al., "Color
    transfer between images", 2001; they are taken from small copies, so that it is the light that
    is matched and not how sharp the two are. A face in a picture of one hue, as old photographs
    are, stays of that hue.
    """
    rim = _rim()
    here, there = (
        _lab(cv2.resize(p, (_SMALL, _SMALL), interpolation=cv2.INTER_AREA))[rim]
        for p in (before, after)
    )
    spread, spread_after = here.std(axis=0) + 1, there.std(axis=0) + 1
    stretch = np.clip(spread / spread_after, 1 / _MOST_STRETCH, _MOST_STRETCH)
    mean = there.mean(axis=0)
    shift = np.clip(here.mean(axis=0) - mean, -_MOST_SHIFT, _MOST_SHIFT)
    lab = _lab(after)
    moved = (lab - mean) * stretch + mean + shift
    if (spread[1:] - 1 < _GREY).all():
        moved[..., 1:] = here.mean(axis=0)[1:]
    # As a difference, since OpenCV's way to Lab and back is off by half a level of 255.
    change = _from_lab(np.asarray(moved, np.float32)) - _from_lab(lab)
    return np.asarray(np.clip(after + change, 0, 1), np.float32)


def _lab(rgb: Floats) -> Floats:
    return np.asarray(cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab), np.float32)


def _from_lab(lab: Floats) -> Floats:
    return np.asarray(cv2.cvtColor(lab, cv2.COLOR_Lab2RGB), np.float32)


def _rim() -> NDArray[np.bool_]:
    """Where the small template's mask is between nothing and all."""
    scale = TEMPLATE_SIDE / _SMALL
    depth = np.minimum(np.arange(_SMALL) + 0.5, np.arange(_SMALL, 0, -1) - 0.5) * scale
    deep = np.minimum(depth[None], depth[:, None])
    return np.asarray((deep > _RIM[0]) & (deep < _RIM[1]))
