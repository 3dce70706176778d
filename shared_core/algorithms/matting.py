"""Mattes at full size and the colours under them: sharpened along the picture's edges, without the
old background's colour. All is fitted at a reduced size and applied strip by strip.

The matte follows the colour guided filter (He, Sun and Tang, 2013, fitted at a reduced size as in
He and Sun, 2015). Where it is in doubt, the coverage that a pixel's colour speaks for is mixed in
by inverse variances: the colour's place between the foreground's and the background's around it,
along their linear discriminant (the colour model of Chuang et al., "A Bayesian approach to digital
matting", CVPR 2001). Foreground colours: Forte, "Approximate fast foreground colour estimation",
ICIP 2021, with a kernel of several widths. In edges so soft that no sure pixel is near, the colours
of both sides are mixed ones, and are unmixed by the mean mattes of their sides.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from .guided_filter import apply_model, linear_model, rows_of, solved
from .resampling import Kernel, Resizer

Floats = NDArray[np.float32]

NAME = _("guided filter with local colour models")
COLOURS_NAME = _("blur-fusion foreground estimation")

SIDE = 1024
"""Longest side of the reduced size at which everything is fitted."""

_WINDOW = 6
_EPSILON = 1e-5
# Widths of the boxes that make up the kernel, and their weights: near pixels decide where there
# are any, far ones where not.
_NEAR, _FAR = (6, 18, 54), (1.0, 0.1, 0.01)
_FINE, _COARSE = (2, 6, 18, 54), (1.0, 0.1, 0.01, 0.001)
# Powers of the matte that say how sure a pixel must be to count for the colours of its side.
_SURE_MATTE = 16
_SURE_COLOUR = 8
# What share of the change around it an edge makes within the reach: less is soft, and from the
# second on wholly so, an edge that the matte's errors alone cannot have made.
_STEEP, _SOFT = 0.8, 0.4
# Least difference of the mean mattes of two sides whose colours are told apart by it.
_APART = np.float32(0.2)
# Variance of colours that are flat: rounding to 8 bits and a little noise.
_FLAT = 3e-4
# What is nearer than this to 0 or 1 counts as it; it would show as a veil or a hole.
_SNAP = 0.02


@dataclass(frozen=True)
class Refinement:
    """A matte fitted to a picture, both at a reduced size; ``strip`` gives it at any size.

    Planes of (height, width, channels): ``plain`` the matte itself, ``guided`` and ``colours``
    linear models of it in the picture's colours, ``certainty`` the inverse variance of the colours'
    word, ``doubt`` the variance of the matte.
    """

    plain: Floats
    guided: Floats
    colours: Floats
    certainty: Floats
    doubt: Floats

    def strip(self, rgb: Floats, top: int, full_height: int, detail: float = 1.0) -> Floats:
        """The matte of a strip of the picture, float32 (rows, width) in 0..1.

        ``rgb`` is float32 (rows, width, 3), the rows from ``top`` of a picture ``full_height``
        rows high. ``detail`` in 0..1 mixes from the plain enlargement to the refined matte.
        """

        def of(plane: Floats) -> Floats:
            return _enlarged(plane, top, (len(rgb), rgb.shape[1]), full_height)

        plain = of(self.plain)
        matte = np.clip(apply_model(self.guided, rgb, top, full_height), 0, 1)
        spoken = np.clip(apply_model(self.colours, rgb, top, full_height), 0, 1)
        weight = of(self.doubt) * of(self.certainty)
        weight /= 1 + weight
        matte += weight * (spoken - matte)
        return _snapped(plain + np.float32(detail) * (matte - plain))


def enlarged(matte: Floats, top: int, size: tuple[int, int], full_height: int) -> Floats:
    """The rows from ``top``, ``size`` = (rows, width), of ``matte`` enlarged linearly.

    It is what a ``Refinement`` gives with no detail, without a look at the picture.
    """
    return _snapped(_enlarged(matte, top, size, full_height))


def refinement(rgb: Floats, matte: Floats, reach: int = 2) -> Refinement:
    """Fit ``matte`` to ``rgb``, both at the reduced size.

    ``rgb`` is float32 (height, width, 3), ``matte`` float32 (height, width), both 0..1. ``reach``
    is how many pixels an edge of the matte may be off. Takes about 200 bytes a pixel.
    """
    guided = linear_model(rgb, matte, _WINDOW, _EPSILON)
    front, front_spread, most = _moments(rgb, matte, _power(matte, _SURE_MATTE))
    back, back_spread, least = _moments(rgb, matte, _power(1 - matte, _SURE_MATTE))
    spread = [[front_spread[i][j] + back_spread[i][j] for j in range(3)] for i in range(3)]
    apart = front - back
    direction = solved(spread, apart, np.float32(_FLAT))
    # The squared distance of the two sides' colours in units of their spread.
    certainty = (direction * apart).sum(axis=2)
    span, around = _span(matte, reach), 3 * reach + 1
    steep = cv2.dilate(span, _square(around)) / np.maximum(_span(matte, around), np.float32(1e-3))
    soft = np.clip((_STEEP - steep) / np.float32(_STEEP - _SOFT), 0, 1)
    # In a soft edge the nearest colours of the two sides are mixed ones.
    most, least = 1 + soft * (most - 1), soft * least
    direction *= ((most - least) / np.maximum(certainty, np.float32(1e-6)))[..., None]
    offset = least - (direction * back).sum(axis=2)
    doubt = cv2.GaussianBlur(span, (0, 0), reach / 2)
    return Refinement(
        matte, guided, np.dstack([direction, offset]), certainty, np.asarray(doubt**2, np.float32)
    )


def shifted(matte: Floats, edge: float) -> Floats:
    """``matte`` with its edge moved: inwards for ``edge`` from -1 to 0, outwards from 0 to 1."""
    share = np.float32(0.7 * abs(edge))
    if edge < 0:
        return np.asarray(np.clip((matte - share) / (1 - share), 0, 1))
    return np.asarray(np.clip(matte / (1 - share), 0, 1))


class ForegroundColours:
    """Colours of the foreground alone, for the pixels where the background shines through.

    First every strip is given to ``add`` with its matte, then ``strip`` gives its colours.
    """

    def __init__(self, height: int, width: int) -> None:
        self._height = height
        scale = max(1.0, max(height, width) / SIDE)
        size = (max(1, round(height / scale)), max(1, round(width / scale)))
        self._sums = Resizer((height, width), size, Kernel.TRIANGLE, 10)
        self._fields: tuple[Floats, Floats] | None = None

    def add(self, rgb: Floats, matte: Floats, top: int) -> None:
        """Take the rows from ``top``: ``rgb`` float32 (rows, width, 3), ``matte`` (rows, width)."""
        front, back = _power(matte, _SURE_COLOUR), _power(1 - matte, _SURE_COLOUR)
        planes = ((_weighted(rgb, side), matte * side, side) for side in (front, back))
        self._sums.add([plane for side in planes for plane in side], top)

    def strip(self, rgb: Floats, matte: Floats, top: int) -> Floats:
        """``rgb`` with the foreground's colours where 0 < matte < 1, unchanged elsewhere."""
        between = (matte > 0) & (matte < 1)
        if not between.any():
            return rgb
        front, back = (_enlarged(field, top, matte.shape, self._height) for field in self._both())
        share, between = cv2.merge([matte] * 3), cv2.merge([between.view(np.uint8)] * 3) > 0
        # The least change of both sides' colours that makes them mix to what is seen.
        mixed = back + share * (front - back)
        colours = front + share * (rgb - mixed)
        return np.where(between, np.clip(colours, 0, 1), rgb)

    def _both(self) -> tuple[Floats, Floats]:
        if self._fields is None:
            sums = self._sums.result()
            (front, most), (back, least) = _spread_out(sums[..., :5]), _spread_out(sums[..., 5:])
            # Where an edge is so soft that no sure pixel is near, both are mixed colours: unmixed.
            change = (front - back) / np.maximum(most - least, _APART)
            front, back = front + (1 - most) * change, back - least * change
            self._fields = np.clip(front, 0, 1), np.clip(back, 0, 1)
        return self._fields


def _enlarged(field: Floats, top: int, size: tuple[int, int], full_height: int) -> Floats:
    rows = rows_of(field, top, size[0], full_height)
    return np.asarray(cv2.resize(rows, size[::-1], interpolation=cv2.INTER_LINEAR), np.float32)


def _spread_out(sums: Floats) -> tuple[Floats, Floats]:
    """Weighted colours, weighted matte and weights (height, width, 5) as surroundings' means."""
    total = _heavy(sums, _FINE, _COARSE)
    means = np.asarray(total[..., :4] / np.maximum(total[..., 4:], np.float32(1e-9)), np.float32)
    return means[..., :3], means[..., 3:]


def _moments(
    rgb: Floats, matte: Floats, weight: Floats
) -> tuple[Floats, list[list[Floats]], Floats]:
    """Mean and covariance (upper triangle) of the colours around each pixel, by ``weight``.

    And the mean of ``matte`` by the same weight.
    """
    total = np.maximum(_heavy(weight, _NEAR, _FAR), np.float32(1e-9))
    mean = np.asarray(_heavy(rgb * weight[..., None], _NEAR, _FAR) / total[..., None], np.float32)

    def covariance(i: int, j: int) -> Floats:
        if i > j:
            return total
        product = _heavy(rgb[..., i] * rgb[..., j] * weight, _NEAR, _FAR) / total
        return np.asarray(product - mean[..., i] * mean[..., j])

    coverage = np.asarray(_heavy(matte * weight, _NEAR, _FAR) / total, np.float32)
    return mean, [[covariance(i, j) for j in range(3)] for i in range(3)], coverage


def _heavy(array: Floats, radii: tuple[int, ...], weights: tuple[float, ...]) -> Floats:
    """``array`` under a kernel with a peak and long tails, a sum of boxes."""
    total = np.zeros_like(array)
    for radius, weight in zip(radii, weights, strict=True):
        side = (2 * radius + 1, 2 * radius + 1)
        mean = cv2.boxFilter(array, cv2.CV_32F, side, borderType=cv2.BORDER_REFLECT)
        total += np.float32(weight) * mean
    return total


def _weighted(rgb: Floats, weight: Floats) -> Floats:
    return np.asarray(cv2.multiply(rgb, cv2.merge([weight, weight, weight])), np.float32)


def _span(matte: Floats, reach: int) -> Floats:
    """The range of ``matte`` within ``reach`` pixels."""
    kernel = _square(reach)
    return np.asarray(cv2.dilate(matte, kernel) - cv2.erode(matte, kernel), np.float32)


def _square(reach: int) -> NDArray[np.uint8]:
    return np.ones((2 * reach + 1,) * 2, np.uint8)


def _power(matte: Floats, exponent: int) -> Floats:
    """``matte`` to a power of 2, ``exponent``; what would be slow denormal numbers is 0."""
    power = np.where(matte < 1e-20 ** (1 / exponent), np.float32(0), matte)
    while exponent > 1:
        power *= power
        exponent //= 2
    return np.asarray(power, np.float32)


def _snapped(matte: Floats) -> Floats:
    return np.asarray(np.clip((matte - _SNAP) / (1 - 2 * _SNAP), 0, 1), np.float32)
