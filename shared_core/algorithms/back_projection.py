"""Enlarges a picture so that shrinking it by area nearly gives the source back, without ringing.

Iterative back-projection (Irani and Peleg, "Improving resolution by image registration", CVGIP
53(3), 1991), held within the range of the source around each pixel, so that no edge overshoots,
with one step of smoothing along the edges (coherence-enhancing shock filters, Weickert, DAGM 2003),
so that slanted edges show no stairs.
"""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

Floats = NDArray[np.float32]

NAME = _("edge-guided back-projection")
RADIUS = 12
"""Source pixels around a pixel beyond which nothing changes its result by more than 0.00001."""

_ROUNDS = 4
# Above 1 the rounds converge faster; below 2 they are stable.
_STEP = 1.7
# The round whose result is smoothed along the edges; the later ones restore the source's areas.
_SMOOTHED_ROUND = 1
_SMOOTHING = 0.9
# How far along the edge the smoothing looks each way, in source pixels.
_REACH = 1.0
_TENSOR_SIGMA = 1.0
# Squared gradients below this are noise, whatever direction they seem to have.
_NO_GRADIENT = 1e-5
_LUMA = np.array([[0.299, 0.587, 0.114]], np.float32)


def enlarge(values: Floats, factor: int) -> Floats:
    """``values`` (h, w) or (h, w, 3), float32, ``factor`` times as wide and high, as a new array.

    Every value lies between the least and the greatest of the source's 3x3 pixels around it. Takes
    about 25 bytes per channel and pixel of the result.
    """
    source = np.ascontiguousarray(values, np.float32)
    height, width = source.shape[:2]
    size = width * factor, height * factor
    around = np.ones((3, 3), np.uint8)
    # Explicit: beyond the edge counts as the edge itself.
    border = cv2.BORDER_REPLICATE
    low = _up(cv2.erode(source, around, borderType=border), size)
    high = _up(cv2.dilate(source, around, borderType=border), size)
    # Linear throughout: slopes stay exact, which OpenCV's bicubic turns into fine stairs.
    result = _up(source, size)
    for number in range(_ROUNDS):
        if number == _SMOOTHED_ROUND:
            result = _smoothed(result, source, factor)
        missing = source - cv2.resize(result, (width, height), interpolation=cv2.INTER_AREA)
        result += _up(missing * np.float32(_STEP), size)
        cv2.max(result, low, dst=result)
        cv2.min(result, high, dst=result)
    return result


def _up(values: Any, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_LINEAR), np.float32)


def _smoothed(result: Floats, source: Floats, factor: int) -> Floats:
    """``result`` averaged along the edges of ``source``, where these have a clear direction."""
    along_x, along_y, coherence = _directions(source)
    height, width = result.shape[:2]
    size = width, height
    reach = np.float32(_REACH * factor)
    shift_x = _up(along_x * reach, size)
    shift_y = _up(along_y * reach, size)
    columns = np.arange(width, dtype=np.float32)
    rows = np.arange(height, dtype=np.float32)[:, None]
    ahead = _sampled(result, columns + shift_x, rows + shift_y)
    behind = _sampled(result, columns - shift_x, rows - shift_y)
    share = _up(coherence * np.float32(_SMOOTHING), size)
    # blendLinear normalises by the sum of both weights, which is 1 here.
    return np.asarray(
        cv2.blendLinear((ahead + behind) * np.float32(0.5), result, share, 1 - share), np.float32
    )


def _sampled(values: Floats, x: Floats, y: Floats) -> Floats:
    return np.asarray(
        cv2.remap(values, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE), np.float32
    )


def _directions(source: Floats) -> tuple[Floats, Floats, Floats]:
    """Unit vectors along the edges of ``source`` (h, w each) and how clear these are, 0..1."""
    grey = source if source.ndim == 2 else cv2.transform(source, _LUMA)
    across = cv2.Sobel(grey, cv2.CV_32F, 1, 0, ksize=3, scale=1 / 8)
    down = cv2.Sobel(grey, cv2.CV_32F, 0, 1, ksize=3, scale=1 / 8)
    xx, xy, yy = (
        cv2.GaussianBlur(product, (0, 0), _TENSOR_SIGMA)
        for product in (across * across, across * down, down * down)
    )
    coherence = cv2.magnitude(xx - yy, 2 * xy) / (xx + yy + np.float32(_NO_GRADIENT))
    # The doubled angle of the gradient; the edge stands at a right angle to it.
    angle = np.float32(0.5) * cv2.phase(xx - yy, 2 * xy) + np.float32(np.pi / 2)
    return np.cos(angle), np.sin(angle), np.asarray(coherence, np.float32)
