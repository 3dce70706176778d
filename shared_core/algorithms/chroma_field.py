"""Enlarges a small map of colours along the edges of the large picture's lightness, in strips.

Linear interpolation, plus what the large picture's lightness has that the small one's lost, times
the local slope of colour over lightness, which a guided filter fits (He and Sun, "Fast guided
filter", arXiv:1505.00996). The sum is held within the colours around, so that a highlight does not
turn into the opposite hue.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from .guided_filter import linear_model, rows_of

Floats = NDArray[np.float32]

NAME = _("guided filter")

# Measured on photographs whose colours were shrunk 4 and 8 times, with and without a blur: 5 to 15
# per cent nearer than linear interpolation; wider windows and other variances were no better.
_RADIUS = 1
_EPSILON = 5e-4


class ChromaField:
    """The colours ``chroma`` (h, w, 2) of a picture of which ``lightness`` (h, w) is a small copy.

    Both float32, a* and b*, and L* / 100. The large picture may be of any size and proportion.
    """

    def __init__(self, lightness: Floats, chroma: Floats) -> None:
        flat = np.zeros_like(lightness)
        guide = np.dstack([lightness, flat, flat])
        slopes = [
            linear_model(guide, np.ascontiguousarray(plane), _RADIUS, _EPSILON)[..., 0]
            for plane in (chroma[..., 0], chroma[..., 1])
        ]
        window = np.ones((2 * _RADIUS + 1, 2 * _RADIUS + 1), np.uint8)
        self._lightness = lightness
        self._chroma = chroma
        self._slopes = np.dstack(slopes)
        self._lowest = np.asarray(cv2.erode(chroma, window), np.float32)
        self._highest = np.asarray(cv2.dilate(chroma, window), np.float32)

    def strip(self, lightness: Floats, top: int, full_height: int) -> Floats:
        """The colours, float32 (rows, width, 2), of the rows from ``top`` of the large picture.

        ``lightness`` (rows, width) is that strip's, of the large picture's full width.
        """
        rows, width = lightness.shape

        def large(field: Floats) -> Floats:
            part = rows_of(field, top, rows, full_height)
            return np.asarray(cv2.resize(part, (width, rows), interpolation=cv2.INTER_LINEAR))

        lost = lightness - large(self._lightness)
        chroma = large(self._slopes)
        chroma *= lost[..., None]
        chroma += large(self._chroma)
        np.maximum(chroma, large(self._lowest), out=chroma)
        return np.minimum(chroma, large(self._highest), out=chroma)
