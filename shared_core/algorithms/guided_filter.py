"""Smooths or enlarges one picture along the edges of another: the guided filter, in strips.

He, Sun and Tang, "Guided image filtering", IEEE TPAMI 35(6), 2013, with a colour guide; its linear
model may be fitted at a reduced size, as in He and Sun, "Fast guided filter", arXiv:1505.00996.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

Floats = NDArray[np.float32]

NAME = _("guided filter")


def guided_filter(
    guide: Floats, source: Floats, radius: int, epsilon: float, subsample: int = 1
) -> Floats:
    """``source`` smoothed so that its edges follow those of ``guide``, float32, of its shape.

    ``guide`` is float32 (height, width, 3) in 0..1, ``source`` float32 (height, width) or
    (height, width, channels) of the same size. ``radius`` is the window's in pixels of full size,
    ``epsilon`` the variance of the guide (in units of its range, squared) below which it counts as
    flat. ``subsample`` fits the model on a picture that many times smaller, which costs that much
    squared less. The values may leave the range of ``source`` a little. Takes about 120 bytes a
    pixel without ``subsample``.
    """
    height, width = guide.shape[:2]
    small_guide, small_source = guide, source
    if subsample > 1:
        size = (max(1, round(width / subsample)), max(1, round(height / subsample)))
        small_guide = cv2.resize(guide, size, interpolation=cv2.INTER_AREA)
        small_source = cv2.resize(source, size, interpolation=cv2.INTER_AREA)
    window = max(1, round(radius / subsample))
    planes = small_source.reshape(*small_guide.shape[:2], -1)
    result = np.empty((height, width, planes.shape[2]), np.float32)
    for channel in range(planes.shape[2]):
        plane = np.ascontiguousarray(planes[..., channel])
        model = linear_model(small_guide, plane, window, epsilon)
        result[..., channel] = apply_model(model, guide)
    return result.reshape(source.shape)


def linear_model(guide: Floats, source: Floats, radius: int, epsilon: float) -> Floats:
    """The smoothed local model source = slope · guide + offset, float32 (height, width, 4).

    The first three planes are the slopes of red, green and blue. ``guide`` is float32 (height,
    width, 3) in 0..1 and ``source`` float32 (height, width); ``radius`` is in their pixels.
    """
    mean_guide = _mean(guide, radius)
    mean_source = _mean(source, radius)
    # Sums of products in single precision lose what a variance near epsilon needs less than this.
    regular = np.float32(max(epsilon, 1e-6))

    def covariance(i: int, j: int) -> Floats:
        product = _mean(guide[..., i] * guide[..., j], radius)
        return np.asarray(product - mean_guide[..., i] * mean_guide[..., j], np.float32)

    joint = _mean(guide * source[..., None], radius) - mean_guide * mean_source[..., None]
    model = np.empty((*source.shape, 4), np.float32)
    spread = [[covariance(i, j) if j >= i else mean_source for j in range(3)] for i in range(3)]
    model[..., :3] = solved(spread, joint, regular)
    model[..., 3] = mean_source - (model[..., :3] * mean_guide).sum(axis=2)
    return _mean(model, radius)


def apply_model(
    model: Floats, guide: Floats, top: int = 0, full_height: int | None = None
) -> Floats:
    """The model's values for ``guide``, float32 (rows, width), a strip of a larger picture.

    ``guide`` is float32 (rows, width, 3), full width, and begins at row ``top`` of a picture
    ``full_height`` rows high (default: it is the whole). ``model`` may be of another size; it is
    interpolated linearly, so that strips join without a seam.
    """
    rows, width = guide.shape[:2]
    height = rows if full_height is None else full_height
    part = rows_of(model, top, rows, height)
    if part.shape[1] != width:
        part = cv2.resize(part, (width, rows), interpolation=cv2.INTER_LINEAR)
    value = part[..., 3].copy()
    for channel in range(3):
        value += part[..., channel] * guide[..., channel]
    return value


def rows_of(array: Floats, top: int, rows: int, full_height: int) -> Floats:
    """``rows`` rows from ``top`` of ``array`` stretched linearly to ``full_height`` rows."""
    height = array.shape[0]
    if height == full_height:
        return array[top : top + rows]
    place = (np.arange(top, top + rows) + 0.5) * (height / full_height) - 0.5
    place = np.clip(place, 0, height - 1)
    above = np.floor(place).astype(np.intp)
    share = (place - above).astype(np.float32).reshape(-1, *(1,) * (array.ndim - 1))
    upper, lower = array[above], array[np.minimum(above + 1, height - 1)]
    return np.asarray(upper + share * (lower - upper), np.float32)


def solved(matrix: Sequence[Sequence[Floats]], right: Floats, ridge: np.float32) -> Floats:
    """x of (matrix + ridge · 1) x = right for a symmetric 3×3 matrix at every pixel.

    Only the upper triangle of ``matrix`` is read, planes of (height, width); ``right`` and the
    result are (height, width, 3). The matrix is a covariance, so that no pivot can be below
    ``ridge`` but by rounding.
    """
    (rr, rg, rb), (_, gg, gb), (_, _, bb) = matrix
    first = np.maximum(rr + ridge, ridge)
    low_g, low_b = rg / first, rb / first
    second = np.maximum(gg + ridge - rg * low_g, ridge)
    low = (gb - rg * low_b) / second
    third = np.maximum(bb + ridge - rb * low_b - second * low * low, ridge)
    r = right[..., 0]
    g = right[..., 1] - low_g * r
    b = (right[..., 2] - low_b * r - low * g) / third
    g = g / second - low * b
    r = r / first - low_g * g - low_b * b
    return np.stack([r, g, b], axis=2)


def _mean(array: Floats, radius: int) -> Floats:
    """The mean over a square window, which is mirrored at the border."""
    side = 2 * radius + 1
    return np.asarray(
        cv2.boxFilter(array, cv2.CV_32F, (side, side), borderType=cv2.BORDER_REFLECT), np.float32
    )
