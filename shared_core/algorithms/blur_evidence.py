"""What a picture's spectrum and its edges say about its blur."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_BLOCK = 512
_BLOCKS_PER_AXIS = 3
# Rounding to 8 bits leaves 0.29 levels of noise in each channel, 0.19 in the luma of three.
_LEAST_NOISE = (0.19 / 255) ** 2
# Below this clipping and rounding, which are no white noise, shape the spectrum.
_LEAST_DEPTH = (0.6 / 255) ** 2
# Power falls as frequency to this power in natural images.
_NATURAL_SLOPE = 2.2
_ANGLE_STEP = 5.0
# Only so many of a motion's dark lines are compared: the farther ones drown or alias.
_LINES = 6.5
_RINGS = 2.6


@dataclass(frozen=True)
class Spectrum:
    """Mean power of a patch per frequency (cycles per pixel), its radial means, and its floor.

    ``floor`` is the power of white noise in luma, ``noise`` its standard deviation in levels.
    """

    fx: Floats
    fy: Floats
    power: Floats
    radial_frequency: Doubles
    radial_power: Doubles
    floor: float

    @property
    def noise(self) -> float:
        return float(np.sqrt(self.floor) * 255)


@dataclass(frozen=True)
class Softness:
    """Gaussian ``sigma`` in pixels that explains the radial spectrum; from so many ``bins``."""

    sigma: float
    bins: int


@dataclass(frozen=True)
class Motion:
    """The straight motion that fits best.

    ``score`` is the correlation between the projected log spectrum and that of the motion,
    ``slope`` how deep its lines are compared with theory, ``cutoff`` the highest frequency used.
    """

    length: float
    angle: float
    score: float
    slope: float
    cutoff: float


@dataclass(frozen=True)
class Disc:
    """The out-of-focus disc that fits best; ``score`` and ``slope`` as for a motion."""

    radius: float
    score: float
    slope: float


def luma(rgb: NDArray[np.floating[Any]]) -> Floats:
    """Rec. 601 luma (h, w) of colours (h, w, 3)."""
    return np.ascontiguousarray(rgb, np.float32) @ _LUMA


def power_spectrum(planes: list[Floats]) -> Spectrum:
    """Welch's mean periodogram over blocks of at most 512 pixels, Hann-windowed."""
    height = min(_BLOCK, *(p.shape[0] for p in planes))
    width = min(_BLOCK, *(p.shape[1] for p in planes))
    window = np.outer(np.hanning(height + 2)[1:-1], np.hanning(width + 2)[1:-1])
    window = np.asarray(window, np.float32)
    total = np.zeros((height, width // 2 + 1))
    count = 0
    for plane in planes:
        for block in _blocks(plane, height, width):
            level = (block * window).sum() / window.sum()
            total += np.abs(np.fft.rfft2((block - level) * window)) ** 2
            count += 1
    power = np.asarray(total / (count * float((window**2).sum())), np.float32)
    fy, fx = np.meshgrid(np.fft.fftfreq(height), np.fft.rfftfreq(width), indexing="ij")
    frequency = np.hypot(fx, fy)
    smooth = cv2.blur(power, (5, 5), borderType=cv2.BORDER_REFLECT_101)
    floor = max(1.25 * float(np.quantile(smooth[frequency > 0.4], 0.1)), _LEAST_NOISE)
    bins = int(np.clip(min(height, width) // 4, 16, 64))
    sums, members = _radial_sums(fx, fy, power, bins)
    return Spectrum(
        np.asarray(fx, np.float32),
        np.asarray(fy, np.float32),
        power,
        (np.arange(bins) + 0.5) / (2 * bins),
        sums / np.maximum(members, 1),
        floor,
    )


def measure_softness(spectrum: Spectrum) -> Softness:
    """Least-squares fit of a power law times a Gaussian's transfer function, above the noise."""
    frequency = spectrum.radial_frequency
    signal = spectrum.radial_power - spectrum.floor
    usable = (frequency > 0.025) & (frequency < 0.48)
    buried = np.flatnonzero(usable & (signal < max(spectrum.floor, _LEAST_DEPTH)))
    if len(buried):
        usable[buried[0] :] = False
    bins = int(usable.sum())
    if bins < 5:
        return Softness(0.0, 0)
    x, y = frequency[usable], np.log(signal[usable]) + _NATURAL_SLOPE * np.log(frequency[usable])
    terms = np.stack([np.ones(bins), -((2 * np.pi * x) ** 2)], axis=1)
    solution = np.linalg.lstsq(terms, y, rcond=None)[0]
    return Softness(float(np.sqrt(max(solution[1], 0.0))), bins)


def match_motion(
    spectrum: Spectrum,
    lengths: tuple[float, float] = (4.0, 61.0),
    angles: tuple[float, float] = (0.0, 180.0),
) -> Motion:
    """The straight motion whose zeros the log spectrum shows best, within the given ranges.

    For each direction the log spectrum, less its radial mean, is averaged over lines across that
    direction and compared with log sinc^2. Angles are returned in 0..180.
    """
    floor = max(spectrum.floor, _LEAST_DEPTH)
    frequency = np.hypot(spectrum.fx, spectrum.fy)
    buried = np.flatnonzero(spectrum.radial_power[3:] < 3 * floor)
    last = buried[0] + 2 if len(buried) else len(spectrum.radial_power) - 1
    cutoff = min(float(spectrum.radial_frequency[last]) + 0.004, 0.5)
    expected = np.interp(frequency, spectrum.radial_frequency, spectrum.radial_power)
    excess = np.log(spectrum.power + 0.5 * floor) - np.log(expected + 0.5 * floor)
    used = (frequency < cutoff) & (frequency > 0.008)
    points = (spectrum.fx[used], spectrum.fy[used], excess[used])
    bins = min(128, min(spectrum.power.shape[0], 2 * spectrum.power.shape[1]) // 2)

    coarse_angles = np.arange(angles[0], angles[1], _ANGLE_STEP)
    step = np.clip(lengths, 3.0, 66.0)
    coarse_lengths = np.arange(step[0], step[1] + 0.01, min(1.0, max(0.25, step[0] / 10)))
    score, slope, depth = _fit_lengths(
        *_project(points, coarse_angles, bins), coarse_lengths, cutoff
    )
    row, column = np.unravel_index(np.argmax(np.maximum(score, 0) * depth), score.shape)

    fine_angles = coarse_angles[row] + np.arange(-5.0, 6.0)
    fine_lengths = coarse_lengths[column] + np.arange(-1.0, 1.01, 0.25)
    score, slope, depth = _fit_lengths(*_project(points, fine_angles, bins), fine_lengths, cutoff)
    row, column = np.unravel_index(np.argmax(np.maximum(score, 0) * depth), score.shape)
    angle = _peak(fine_angles, depth.max(axis=1))
    return Motion(
        float(fine_lengths[column]),
        float(angle % 180),
        float(score[row, column]),
        float(slope[row, column]),
        cutoff,
    )


def match_disc(spectrum: Spectrum) -> Disc:
    """The disc, 1.5 to 12 pixels in radius, whose dark rings the log radial spectrum shows best."""
    floor = max(spectrum.floor, _LEAST_DEPTH)
    bins = 2 * len(spectrum.radial_power)
    power, members = _radial_sums(spectrum.fx, spectrum.fy, spectrum.power, bins)
    mean = power / np.maximum(members, 1)
    u = (np.arange(bins) + 0.5) / (2 * bins)
    clear = np.flatnonzero((mean > 2.5 * floor) & (members > 0))
    best, depth_of_best = Disc(0.0, 0.0, 0.0), 0.0
    if not len(clear):
        return best
    cutoff = u[clear[-1]]
    trend = np.stack([np.ones(bins), np.log(u), u * u], axis=1)
    excess = np.log(mean + 0.5 * floor)[None]
    counts = np.minimum(members, 50.0)[None]
    for radius in np.arange(1.5, 12.01, 0.1):
        used = (u > 0.02) & (u < min(0.97 * cutoff, _RINGS / radius)) & (members > 0)
        if radius * cutoff < 0.7 or used.sum() < 10:
            continue
        theory = np.log(_disc_transfer(2 * np.pi * radius * u) ** 2 + 0.01)
        score, slope, depth = (float(v[0]) for v in _correlate(excess, counts, theory, used, trend))
        if max(score, 0) * depth > depth_of_best:
            best, depth_of_best = Disc(float(radius), score, slope), score * depth
    return best


def motion_bound(planes: list[Floats], length: float, angle: float, noise: float) -> float | None:
    """How steep the picture is along a motion, compared with the steepest that the motion allows.

    A box blur of this length changes by at most range / length per pixel. Returned is the 90 %
    quantile of the ratio over all places with contrast, or None where there is none: about 1 for
    a picture with this blur, more for a sharper one.
    """
    direction = np.deg2rad(angle)
    reach = int(np.ceil(length / 2))
    element = np.zeros((2 * reach + 1, 2 * reach + 1), np.uint8)
    along = np.linspace(-length / 2, length / 2, 8 * reach + 1)
    rows = np.round(reach - along * np.sin(direction)).astype(int)
    element[rows, np.round(reach + along * np.cos(direction)).astype(int)] = 1
    ratios = []
    for plane in planes:
        smooth, gx, gy = _gradient(plane)
        steep = np.abs(gx * np.cos(direction) - gy * np.sin(direction)) * length
        ratios.append(_ratios(steep, smooth, element, noise))
    return _quantile(ratios, 0.9)


def soft_bound(planes: list[Floats], sigma: float, noise: float) -> float | None:
    """The largest Gaussian sigma that the steepest 2 % of the edges allow, in pixels.

    A step blurred by sigma rises by range / (sigma sqrt(2 pi)) per pixel and no more.
    """
    reach = max(6, int(np.ceil(2 * sigma)))
    element = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * reach + 1, 2 * reach + 1))
    ratios = []
    for plane in planes:
        smooth, gx, gy = _gradient(plane)
        ratios.append(_ratios(cv2.magnitude(gx, gy), smooth, element, noise))
    steepest = _quantile(ratios, 0.98)
    if steepest is None:
        return None
    return float(np.sqrt(max((1 / (np.sqrt(2 * np.pi) * steepest)) ** 2 - 1.0, 0.0)))


def _blocks(plane: Floats, height: int, width: int) -> Iterator[Floats]:
    rows = min(_BLOCKS_PER_AXIS, -(-plane.shape[0] // height))
    columns = min(_BLOCKS_PER_AXIS, -(-plane.shape[1] // width))
    for top in np.linspace(0, plane.shape[0] - height, rows).astype(int):
        for left in np.linspace(0, plane.shape[1] - width, columns).astype(int):
            yield plane[top : top + height, left : left + width]


def _radial_sums(
    fx: NDArray[np.floating[Any]], fy: NDArray[np.floating[Any]], power: Floats, bins: int
) -> tuple[Doubles, NDArray[np.int_]]:
    index = np.minimum((np.hypot(fx, fy) * 2 * bins).astype(int), bins).ravel()
    members = np.bincount(index, minlength=bins + 1)[:bins]
    sums = np.bincount(index, power.ravel(), bins + 1)[:bins]
    return np.asarray(sums, np.float64), members


def _project(
    points: tuple[Floats, Floats, Doubles], angles: Doubles, bins: int
) -> tuple[Doubles, Doubles]:
    """Mean excess and number of frequencies, each (angle, bin), by frequency along the angle."""
    fx, fy, excess = points
    means, counts = [], []
    for angle in np.deg2rad(angles):
        along = np.abs(fx * np.float32(np.cos(angle)) - fy * np.float32(np.sin(angle)))
        index = np.minimum((along * (2 * bins)).astype(int), bins - 1)
        count = np.bincount(index, minlength=bins)
        means.append(np.bincount(index, excess, bins) / np.maximum(count, 1))
        counts.append(count)
    return np.array(means), np.array(counts, float)


def _correlate(
    means: Doubles, counts: Doubles, theory: Doubles, used: NDArray[np.bool_], trend: Doubles
) -> tuple[Doubles, Doubles, Doubles]:
    """How well and how deeply each row of ``means`` (row, bin) shows the dips of ``theory`` (bin).

    Both sides lose what the smooth ``trend`` (bin, term) could explain. Returned are correlation,
    regression slope and the explained depth of each row.
    """
    weight = np.sqrt(counts[:, used])
    basis = np.linalg.qr(trend[used] * weight[..., None])[0]
    expected = weight * theory[used]
    expected -= _explained(basis, expected)
    found = weight * means[:, used]
    found -= _explained(basis, found)
    product = (expected * found).sum(axis=1)
    energy = (expected**2).sum(axis=1) + 1e-12
    score = product / np.sqrt(energy * ((found**2).sum(axis=1) + 1e-12))
    return score, product / energy, product / np.sqrt(energy)


def _explained(basis: Doubles, values: Doubles) -> Doubles:
    part: Doubles = np.einsum("ank,ak->an", basis, np.einsum("ank,an->ak", basis, values))
    return part


def _fit_lengths(
    means: Doubles, counts: Doubles, lengths: Doubles, cutoff: float
) -> tuple[Doubles, Doubles, Doubles]:
    """Score, slope and depth (angle, length) of motions; 0 where too few of their lines show."""
    bins = means.shape[1]
    u = (np.arange(bins) + 0.5) / (2 * bins)
    trend = np.stack([np.ones(bins), u, u * u, np.log(u)], axis=1)
    fits = np.zeros((3, len(means), len(lengths)))
    for index, length in enumerate(lengths):
        used = (u > 0.5 / length) & (u < min(0.97 * cutoff, _LINES / length))
        if length * cutoff >= 1.25 and used.sum() >= 8:
            theory = np.log(np.sinc(u * length) ** 2 + 0.02)
            fits[:, :, index] = _correlate(means, counts, theory, used, trend)
    return fits[0], fits[1], fits[2]


def _disc_transfer(x: Doubles) -> Doubles:
    """2 J1(x) / x, the transfer function of a disc, by Gauss-Chebyshev quadrature (|x| < 60)."""
    nodes = np.arange(1, 41) * np.pi / 41
    total: Doubles = (2 / 41) * (np.sin(nodes) ** 2 * np.cos(x[..., None] * np.cos(nodes))).sum(-1)
    return total


def _peak(places: Doubles, values: Doubles) -> float:
    """Top of the parabola through the values near the highest, within the places."""
    near = np.abs(places - places[np.argmax(values)]) <= 3
    a, b, _ = np.polyfit(places[near] - places[near].mean(), values[near], 2)
    if a >= 0:
        return float(places[np.argmax(values)])
    return float(np.clip(places[near].mean() - b / (2 * a), places[near].min(), places[near].max()))


def _gradient(plane: Floats) -> tuple[Floats, Floats, Floats]:
    smooth = cv2.GaussianBlur(plane, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT_101)
    gx = cv2.Sobel(smooth, -1, 1, 0, ksize=1, scale=0.5)
    gy = cv2.Sobel(smooth, -1, 0, 1, ksize=1, scale=0.5)
    return smooth, gx, gy


def _ratios(steep: Floats, smooth: Floats, element: NDArray[np.uint8], noise: float) -> Floats:
    contrast = cv2.dilate(smooth, element) - cv2.erode(smooth, element)
    clear = contrast > max(0.08, 8 * noise / 255)
    return np.asarray(steep[clear] / contrast[clear], np.float32)


def _quantile(ratios: list[Floats], share: float) -> float | None:
    joined = np.concatenate(ratios)
    return float(np.quantile(joined, share)) if len(joined) >= 200 else None
