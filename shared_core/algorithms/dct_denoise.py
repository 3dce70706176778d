"""Removes white noise by shrinking the coefficients of overlapping block cosine transforms.

Hard thresholding in 16×16 blocks (Yu and Sapiro, "DCT image denoising", IPOL 1, 2011) gives a first
estimate; that sets the gains of an empirical Wiener filter in 8×8 blocks, as in the second pass of
Dabov et al., "Image denoising by sparse 3-D transform-domain collaborative filtering", IEEE TIP
16(8), 2007. Both treat the colour of a coefficient as one vector.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from . import clipped_noise

Floats = NDArray[np.float32]
Offsets = tuple[tuple[int, int], ...]

NAME = _("two-pass DCT shrinkage")

_PILOT_BLOCK = 16
_WIENER_BLOCK = 8
RADIUS = (_PILOT_BLOCK - 1) + (_WIENER_BLOCK - 1) + clipped_noise.RADIUS
"""Pixels around a pixel that its result depends on, where a tile begins at multiples of 8."""

# Tilings of the plane by blocks, each by its shift. Shifts scattered over all rows and columns do
# with 8 tilings what a regular grid does with 16. Both sets look the same from every multiple of 8,
# so that tiles see the same blocks as the whole picture.
_PILOT_TILINGS: Offsets = tuple(
    (y + down, x + across)
    for y, x in ((0, 0), (2, 6), (4, 4), (6, 2))
    for down in (0, 8)
    for across in (0, 8)
)
_WIENER_TILINGS: Offsets = tuple((i, 3 * i % 8) for i in range(8))

# Orthonormal, so that white noise stays white: brightness and two colour differences.
_OPPONENT = np.array(
    [
        [3**-0.5, 3**-0.5, 3**-0.5],
        [2**-0.5, 0, -(2**-0.5)],
        [6**-0.5, -2 * 6**-0.5, 6**-0.5],
    ],
    np.float32,
)

# Noise below this does not show, and dividing by its variance would leave the range of floats.
_LEAST = 0.01
# Multiples of the noise level, best by PSNR on photographs from sigma 5 to 75.
_THRESHOLD = 2.8
_WIENER_NOISE = 1.1
# How far the other two channels of a coefficient count for keeping it, and how wide the ramp from
# dropped to kept is: rounding must not decide about a coefficient.
_COUPLING = 0.12
_RAMP = 0.4
# Share of the removed brightness that full detail brings back.
_MOST_RETURNED = 0.4

# The padding keeps block grids in step with the picture and blocks of both passes inside.
_PADDING = 24
_BAND = 64
# Products of matrices this small stay on the calling thread, which leaves the cores to the bands.
_RUN = 512


def denoise(rgb: Floats, sigma: float, detail: float = 0.5) -> Floats:
    """``rgb`` without white noise of standard deviation ``sigma``, as a new array.

    ``rgb`` is float32 (height, width, 3), sRGB-encoded, 0..1; ``sigma`` is in levels of 255;
    ``detail`` in 0..1 says how much fine structure is kept: 0.5 has the highest PSNR, below it more
    is smoothed, above it some of what was removed comes back, brightness only. A picture whose
    three channels are equal is worked on as one channel. With ``sigma`` below 0.01 the values come
    back as they are. Values that are not finite count as 0. Takes about 100 bytes a pixel, and as
    many threads as OpenCV is set to.
    """
    rgb = np.ascontiguousarray(np.nan_to_num(rgb, nan=0, posinf=0, neginf=0), np.float32)
    np.clip(rgb, 0, 1, out=rgb)
    if sigma < _LEAST or rgb.size == 0:
        return rgb
    if (rgb == rgb[..., :1]).all():
        grey = np.ascontiguousarray(rgb[..., :1])
        return np.repeat(_denoised(grey, sigma / 255, detail), 3, axis=2)
    return _denoised(rgb, sigma / 255, detail)


def _denoised(colours: Floats, level: float, detail: float) -> Floats:
    """Colours or grey values, (height, width, 3 or 1), without noise of ``level``."""
    planes = _planes(colours)
    estimate = _colours(_filtered(planes, level * 2 ** max(0.0, 0.5 - detail)))
    clean = clipped_noise.unclip(estimate, colours, level)
    share = _MOST_RETURNED * max(0.0, 2 * detail - 1)
    if share:
        channels = colours.shape[2]
        brightness = np.full((1, channels), share / channels, np.float32)
        removed = cv2.transform(colours - estimate, brightness)
        clean = clean + removed.reshape(*colours.shape[:2], 1)
    return np.asarray(np.clip(clean, 0, 1))


def _filtered(planes: Floats, level: float) -> Floats:
    """Both passes, without the border."""
    clean = _wiener(planes, _pilot(planes, level), level)
    return clean[:, _PADDING:-_PADDING, _PADDING:-_PADDING]


def _planes(colours: Floats) -> Floats:
    """Brightness and colour differences with a reflected border, (channels, height, width)."""
    padded = cv2.copyMakeBorder(colours, *(_PADDING,) * 4, cv2.BORDER_REFLECT_101)
    if colours.shape[2] == 1:
        return np.asarray(padded, np.float32)[None]
    return np.ascontiguousarray(cv2.transform(padded, _OPPONENT).transpose(2, 0, 1), np.float32)


def _colours(planes: Floats) -> Floats:
    """The inverse of ``_planes``, (height, width, channels)."""
    channels = np.ascontiguousarray(planes.transpose(1, 2, 0))
    if len(planes) == 1:
        return channels
    return np.asarray(cv2.transform(channels, _OPPONENT.T), np.float32).reshape(channels.shape)


def _pilot(planes: Floats, level: float) -> Floats:
    """First estimate: coefficients that noise alone hardly reaches are kept, the rest dropped."""
    block = _PILOT_BLOCK
    total = np.zeros_like(planes)
    weights = np.zeros_like(planes)
    scale = 1 / (_RAMP * (_THRESHOLD * level) ** 2)
    own, joint = np.float32((1 - _COUPLING) * scale), np.float32(_COUPLING * scale)
    start = np.float32(1 / _RAMP - 0.5)

    def shrink(rows: slice, columns: slice) -> None:
        coefficients = _forward(_blocks(planes, rows, columns, block))
        kept = coefficients * coefficients
        colour = kept.sum(axis=0)
        colour *= joint
        colour -= start
        kept *= own
        kept += colour
        np.clip(kept, 0, 1, out=kept)
        kept[:, :, 0, ::block] = 1
        coefficients *= kept
        count = kept.sum(axis=2)
        count = count.reshape(*count.shape[:2], -1, block).sum(axis=3)
        # The fewer coefficients a block needs, the less noise it keeps.
        weight = np.repeat(1 / count, block, axis=2)[:, :, None]
        estimate = _inverse(coefficients)
        estimate *= weight
        _blocks(total, rows, columns, block)[...] += estimate
        _blocks(weights, rows, columns, block)[...] += weight

    _each_run(planes.shape[1:], block, _PILOT_TILINGS, shrink)
    total /= np.maximum(weights, np.float32(1e-6))
    return total


def _wiener(planes: Floats, pilot: Floats, level: float) -> Floats:
    """Final estimate: each coefficient's colour is projected on the pilot's and attenuated.

    With the pilot's colour vector p of a coefficient as its signal, of covariance ppᵀ, the linear
    estimate from the noisy vector y is p (pᵀy) / (|p|² + noise).
    """
    block = _WIENER_BLOCK
    total = np.zeros_like(planes)
    noise = np.float32(_WIENER_NOISE * level**2)

    def filter_blocks(rows: slice, columns: slice) -> None:
        signal = _forward(_blocks(pilot, rows, columns, block))
        product = _forward(_blocks(planes, rows, columns, block))
        product *= signal
        gain = product.sum(axis=0)
        np.multiply(signal, signal, out=product)
        energy = product.sum(axis=0)
        energy += noise
        gain /= energy
        # A block's mean is not noise around zero: attenuated, dark areas would get darker.
        gain[:, 0, ::block] = 1
        signal *= gain
        _blocks(total, rows, columns, block)[...] += _inverse(signal)

    _each_run(planes.shape[1:], block, _WIENER_TILINGS, filter_blocks)
    total *= np.float32(1 / len(_WIENER_TILINGS))
    return total


def _cosines(block: int) -> Floats:
    """The orthonormal cosine transform of ``block`` samples; a row for each frequency."""
    frequency, place = np.mgrid[:block, :block]
    matrix = np.sqrt(2 / block) * np.cos(np.pi * frequency * (2 * place + 1) / (2 * block))
    matrix[0] = np.sqrt(1 / block)
    return np.asarray(matrix, np.float32)


_COSINES = {block: _cosines(block) for block in (_PILOT_BLOCK, _WIENER_BLOCK)}
# Copied, since small products take twice as long with a transposed view on the right.
_TRANSPOSED = {block: np.ascontiguousarray(cosines.T) for block, cosines in _COSINES.items()}


def _blocks(planes: Floats, rows: slice, columns: slice, block: int) -> Floats:
    """A view of whole blocks as (channels, blocks down, block, pixels across)."""
    part = planes[:, rows, columns]
    return part.reshape(len(part), -1, block, part.shape[2])


def _forward(blocks: Floats) -> Floats:
    """Block transforms, laid out like their pixels."""
    block = blocks.shape[2]
    vertical = np.matmul(_COSINES[block], blocks)
    segments = vertical.reshape(*blocks.shape[:2], -1, block)
    return np.asarray(np.matmul(segments, _TRANSPOSED[block])).reshape(blocks.shape)


def _inverse(coefficients: Floats) -> Floats:
    block = coefficients.shape[2]
    segments = coefficients.reshape(*coefficients.shape[:2], -1, block)
    horizontal = np.matmul(segments, _COSINES[block]).reshape(coefficients.shape)
    return np.asarray(np.matmul(_TRANSPOSED[block], horizontal))


def _each_run(
    size: tuple[int, ...],
    block: int,
    tilings: Offsets,
    work: Callable[[slice, slice], None],
) -> None:
    """Call ``work(rows, columns)`` on all blocks of all tilings, on several threads.

    Calls that run at the same time never share a row.
    """
    height, width = size

    def band(top: int) -> None:
        for rows, columns in _runs(top, height, width, block, tilings):
            work(rows, columns)

    tops = range(0, height, _BAND)
    with ThreadPoolExecutor(max(1, cv2.getNumThreads())) as threads:
        # Blocks reach into the next band, never into the one after it.
        for bands in (tops[::2], tops[1::2]):
            for _ in threads.map(band, bands):
                pass


def _runs(
    top: int, height: int, width: int, block: int, tilings: Offsets
) -> Iterator[tuple[slice, slice]]:
    """Rectangles of whole blocks that begin in the band at ``top``."""
    for down, across in tilings:
        first = top + (down - top) % block
        stop = min(top + _BAND, height - block + 1)
        count = -(-(stop - first) // block)
        if count <= 0:
            continue
        rows = slice(first, first + count * block)
        end = across + (width - across) // block * block
        for left in range(across, end, _RUN):
            yield rows, slice(left, min(left + _RUN, end))
