"""What the ends of the range do to noise, and how to undo it.

Noise that would carry a sample below 0 or above 1 is cut off there: black is lifted, white is
lowered, and both look less noisy than they are. After Foi, "Clipped noisy images: heteroskedastic
modeling and practical denoising", Signal Processing 89(12), 2009.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

RADIUS = 4
"""Pixels around a pixel that ``unclip`` looks at."""

# Further than this many standard deviations from an end, clipping changes nothing that shows.
_REACH = 3.0
# Fine enough that neighbouring entries differ by less than 1e-4 of the range at any sigma.
_ENTRIES = 1 << 14
# Rows at once: few enough to stay within the processor's cache.
_BAND = 64


def _density(u: float) -> float:
    return math.exp(-u * u / 2) / math.sqrt(2 * math.pi)


def _below(u: float) -> float:
    return (1 + math.erf(u / math.sqrt(2))) / 2


def _observed_mean(u: float) -> float:
    return u * _below(u) + _density(u)


def _observed_variance(u: float) -> float:
    mean = _density(u) - u * _below(-u)
    return u * u * _below(-u) + _below(u) - u * _density(u) - mean * mean


# For samples of standard deviation 1 whose true value lies u above the lower end.
_U = np.linspace(0, 2 * _REACH, 241)
_MEAN = np.array([_observed_mean(u) for u in _U])
_VARIANCE = np.array([_observed_variance(u) for u in _U])
_CLIPPED = np.array([_below(-u) for u in _U])

_OBSERVED = np.linspace(0, _REACH, _ENTRIES)
_TRUE = np.interp(_OBSERVED, _MEAN, _U)
_LIFT = (_OBSERVED - _TRUE).astype(np.float32)
_LIFT[-1] = 0
_EXPECTED = np.interp(_TRUE, _U, _CLIPPED).astype(np.float32)


def variance_left(means: Floats, sigma: float) -> NDArray[np.float64]:
    """Share of the noise variance ``sigma``² that clipping leaves where samples have ``means``."""
    lower = np.interp(means / sigma, _MEAN, _VARIANCE)
    upper = np.interp((1 - means) / sigma, _MEAN, _VARIANCE)
    return np.asarray(lower * upper)


def unclip(estimate: Floats, noisy: Floats, sigma: float) -> Floats:
    """Where ``noisy`` was clipped, the true values behind ``estimate``, its local mean.

    Both are float32 arrays of one shape (h, w) or (h, w, channels), ``sigma`` is in their units.
    The model is trusted as far as clipped samples are as frequent around a pixel as it expects:
    dark areas without noise, or with less of it, stay as they are.
    """
    result = estimate.copy()
    for top in range(0, len(estimate), _BAND):
        seen = slice(max(0, top - RADIUS), top + _BAND + RADIUS)
        kept = slice(top - seen.start, top - seen.start + _BAND)
        band = result[top : top + _BAND]
        black, white = noisy[seen] <= 0, noisy[seen] >= 1
        if black.any():
            band -= _lift(estimate[seen], black, sigma)[kept]
        if white.any():
            band += _lift(1 - estimate[seen], white, sigma)[kept]
    return result


def _lift(observed: Floats, clipped: NDArray[np.bool_], sigma: float) -> Floats:
    """By how much clipping at 0 raised ``observed``."""
    scaled = observed * np.float32((_ENTRIES - 1) / (_REACH * sigma))
    entry = np.clip(scaled, 0, _ENTRIES - 1).astype(np.int32)
    expected = _mean_around(_EXPECTED.take(entry))
    found = _mean_around(clipped.astype(np.float32))
    trust = np.minimum(found / expected, 1)
    return np.asarray(_LIFT.take(entry) * trust * np.float32(sigma))


def _mean_around(values: Floats) -> Floats:
    side = 2 * RADIUS + 1
    blurred = cv2.blur(values, (side, side), borderType=cv2.BORDER_REFLECT_101)
    return np.asarray(blurred, np.float32).reshape(values.shape)
