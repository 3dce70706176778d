"""How strong the white noise of a picture is, measured blindly."""

from __future__ import annotations

import math

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from . import clipped_noise

Floats = NDArray[np.float32]

MAXIMUM = 75.0
"""The largest noise level told, in levels of 255."""

_SIDE = 8
_MOST_BLOCKS = 16000
_FEWEST_BLOCKS = 8
_FLAT_SHARE = 0.1
# Below this a block was never digitised with noise: a fill, or a gradient computed in floats.
_SYNTHETIC = 0.05 / 255
# More clipped samples than this bend a block's variance too far to be set right.
_CLIPPED_SHARE = 0.03
_ROUNDS = 12
_UNEVENNESS = 1.5


def estimate_sigma(rgb: Floats) -> float:
    """Standard deviation of the white noise in ``rgb``, in levels of 255, from 0 to ``MAXIMUM``.

    ``rgb`` is float32 (height, width, 3), sRGB-encoded, 0..1. The noise is measured in the
    brightness, scaled so that independent noise of the three channels gives their common standard
    deviation; where the channels are equal, it is that of one of them. 0 for pictures without
    noise, and for those with a side under 8 pixels or with too few blocks to tell. Blocks with
    values that are not finite are left out. Noise that went through strong JPEG compression (below
    about quality 85 at sigma 10) has lost the frequencies that are looked at and comes out low.

    The median high-frequency energy of the blocks that are flattest by their low frequencies, after
    Ponomarenko et al., "An automatic approach to lossy compression of AVIRIS images", IGARSS 2007,
    corrected for clipping (see ``clipped_noise``).
    """
    blocks = _sample(rgb)
    blocks = blocks[np.isfinite(blocks).all(axis=(1, 2))]
    if len(blocks) < _FEWEST_BLOCKS:
        return 0.0
    grey = bool((blocks == blocks[..., :1]).all())
    brightness = blocks.mean(axis=2) * np.float32(1 if grey else 3**0.5)
    low, high = brightness @ _LOW, brightness @ _HIGH
    clipped = ((blocks <= 0) | (blocks >= 1)).mean(axis=(1, 2))

    energy = (high * high).mean(axis=1)
    noisy = energy > _SYNTHETIC**2
    if not noisy.any():
        return 0.0
    usable = noisy & (clipped <= max(_CLIPPED_SHARE, np.quantile(clipped[noisy], _FLAT_SHARE)))
    if usable.sum() < _FEWEST_BLOCKS:
        return 0.0
    blocks, low, high, energy = (part[usable] for part in (blocks, low, high, energy))
    count = min(len(low), max(2 * _FEWEST_BLOCKS, round(len(low) * _FLAT_SHARE)))
    flattest = np.argsort((low * low).sum(axis=1))[:count]
    measured = float(np.median(energy[flattest])) / _MEDIAN_OF_MEAN
    by_frequency = (high[flattest] ** 2).mean(axis=0)
    # Noise spreads over all frequencies; dithering and pixel patterns keep to a few.
    variance = min(measured, _UNEVENNESS * float(np.median(by_frequency)))
    sigma = _before_clipping(variance, blocks[flattest].mean(axis=1))
    return min(255 * sigma, MAXIMUM)


def _sample(rgb: Floats) -> Floats:
    """Blocks spread evenly over the picture, (blocks, 64, 3)."""
    height, width = rgb.shape[:2]
    if min(height, width) < _SIDE:
        return np.zeros((0, _SIDE * _SIDE, 3), np.float32)
    step = _SIDE
    while step > 2 and (height // step) * (width // step) < _MOST_BLOCKS // 4:
        step //= 2
    windows = sliding_window_view(rgb, (_SIDE, _SIDE), axis=(0, 1))[::step, ::step]
    down, across = windows.shape[:2]
    chosen = np.linspace(0, down * across - 1, min(down * across, _MOST_BLOCKS)).astype(np.intp)
    picked = windows[chosen // across, chosen % across].reshape(len(chosen), 3, -1)
    return np.ascontiguousarray(picked.transpose(0, 2, 1))


def _frequencies() -> tuple[Floats, Floats]:
    """Columns of the 8×8 cosine transform: its low frequencies, and its high ones."""
    frequency, place = np.mgrid[:_SIDE, :_SIDE]
    cosines = np.cos(np.pi * frequency * (2 * place + 1) / (2 * _SIDE)) * np.sqrt(2 / _SIDE)
    cosines[0] = np.sqrt(1 / _SIDE)
    transform = np.kron(cosines, cosines).T.astype(np.float32)
    order = np.add.outer(np.arange(_SIDE), np.arange(_SIDE)).ravel()
    return transform[:, (order > 0) & (order <= 4)], transform[:, order >= 9]


_LOW, _HIGH = _frequencies()
# Of a mean of that many squared normal numbers (Wilson and Hilferty).
_MEDIAN_OF_MEAN = (1 - 2 / (9 * _HIGH.shape[1])) ** 3


def _before_clipping(variance: float, means: Floats) -> float:
    """The standard deviation that clipping, at the blocks' ``means``, reduced to ``variance``."""
    sigma = math.sqrt(variance)
    if sigma == 0:
        return 0.0
    for _ in range(_ROUNDS):
        sigma = math.sqrt(variance / clipped_noise.variance_left(means, sigma).mean())
    return sigma
