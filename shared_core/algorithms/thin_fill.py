"""Fills scratches, hairs and other thin holes from both of their sides.

OpenCV's inpainting after Bertalmio, Bertozzi and Sapiro ("Navier-Stokes, fluid dynamics, and image
and video inpainting", CVPR 2001), one channel at a time, so that float precision stays; and the
mean of that with a smooth film between the sides, which is nearer to photographs than either alone.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from . import membrane

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

NAME = _("Navier-Stokes inpainting and a smooth film")
MARGIN = 16
"""Pixels around a hole that are enough for it."""

_RADIUS = 3


def width_of(hole: Bools) -> tuple[float, float]:
    """How wide ``hole`` (h, w) is on the whole and at its widest, in pixels; 0 where it is empty.

    Crossing lines are wide where they meet and thin on the whole. What lies beyond the border
    counts as more of the hole.
    """
    if not hole.any():
        return 0.0, 0.0
    away = cv2.distanceTransform(hole.astype(np.uint8), cv2.DIST_L2, cv2.DIST_MASK_PRECISE)
    # In a line of w pixels the distances run 1, 2, ... 2, 1, whose mean is about (w + 2) / 4.
    return max(1.0, 4 * float(away[hole].mean()) - 2), max(1.0, 2 * float(away.max()) - 1)


def fill(rgb: Floats, hole: Bools) -> Floats:
    """``rgb`` (h, w, 3) float32 in 0..1 with the pixels of ``hole`` (h, w) filled."""
    mask = hole.astype(np.uint8)
    channels = [
        cv2.inpaint(np.ascontiguousarray(rgb[..., n]), mask, _RADIUS, cv2.INPAINT_NS)
        for n in range(3)
    ]
    film = membrane.spread(rgb, ~hole)
    return np.clip(np.asarray((cv2.merge(channels) + film) / 2, np.float32), 0, 1)
