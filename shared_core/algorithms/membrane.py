"""Values known at some pixels carried on smoothly to all others, as a soap film would.

Laplace's equation from coarse to fine; adding such a film of differences at a border is what
Poisson image editing does (Pérez, Gangnet and Blake, SIGGRAPH 2003).
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

_ROUNDS = 8
_LEAST_SIDE = 4


def spread(values: Floats, known: Bools) -> Floats:
    """``values`` (h, w, 3) float32 where ``known`` (h, w), between them a smooth transition.

    What stands in ``values`` elsewhere does not count. Zeros where nothing is known.
    """
    kept = known[..., None]
    height, width = known.shape
    if known.all() or min(height, width) <= _LEAST_SIDE:
        mean = values[known].mean(axis=0) if known.any() else np.zeros(3)
        return np.where(kept, values, mean.astype(np.float32))
    size = (width + 1) // 2, (height + 1) // 2
    share = _half(known.astype(np.float32), size)
    sums = _half(np.where(kept, values, np.float32(0)), size)
    coarse = spread(np.asarray(sums / np.maximum(share, 1e-6)[..., None], np.float32), share > 0)
    film = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_LINEAR)
    film = np.where(kept, values, film)
    for _ in range(_ROUNDS):
        film = np.where(kept, values, cv2.blur(film, (3, 3)))
    return np.asarray(film, np.float32)


def _half(values: Floats, size: tuple[int, int]) -> Floats:
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), np.float32)
