"""Parts of a picture of any size made smaller by area means, read in strips."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.pixels import Box, Picture

Floats = NDArray[np.float32]

_STRIP_PIXELS = 1 << 20


def box_around(places: NDArray[np.float64], bounds: Box) -> Box:
    """The smallest box of whole pixels around ``places`` (n, 2) that lies within ``bounds``."""
    left, top = (int(value) for value in np.floor(places.min(axis=0)))
    right, bottom = (int(value) for value in np.ceil(places.max(axis=0)))
    left = min(max(left, bounds.left), bounds.right - 1)
    top = min(max(top, bounds.top), bounds.bottom - 1)
    right = max(min(right, bounds.right), left + 1)
    bottom = max(min(bottom, bounds.bottom), top + 1)
    return Box(left, top, right - left, bottom - top)


def reduced(picture: Picture, box: Box, step: int) -> Floats:
    """``box`` of the picture ``step`` times smaller by area means, float32 RGB (h, w, 3)."""
    return np.concatenate(list(reduced_strips(picture, box, step)))


def reduced_strips(picture: Picture, box: Box, step: int) -> Iterator[Floats]:
    """The rows of ``reduced`` from the top down, a megapixel of the picture at a time."""
    rows = max(1, _STRIP_PIXELS // (box.width * step)) * step
    for top in range(box.top, box.bottom, rows):
        strip = picture.rgb(Box(box.left, top, box.width, min(rows, box.bottom - top)))
        yield by_area(strip, step)


def by_area(values: NDArray[Any], step: int) -> NDArray[Any]:
    """Means of ``step`` by ``step`` blocks, incomplete ones filled up with their edge's pixels."""
    if step == 1:
        return values
    height, width = values.shape[:2]
    across, down = -(-width // step), -(-height // step)
    filling = (0, down * step - height, 0, across * step - width)
    values = cv2.copyMakeBorder(values, *filling, cv2.BORDER_REPLICATE)
    means = cv2.resize(values, (across, down), interpolation=cv2.INTER_AREA)
    return np.asarray(means).reshape(down, across, 3)
