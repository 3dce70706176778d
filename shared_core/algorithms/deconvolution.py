"""Sharpening a picture whose blur is known, estimated or chosen: deconvolution, held in check."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from .blur import TRUSTED, Blur, kernel

Floats = NDArray[np.float32]

# Y, Cb, Cr with chroma about zero. Sharpening needs most of its care in luma, where detail lives.
_TO_YCC = np.array(
    [[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32
)
_TO_RGB = np.linalg.inv(_TO_YCC.astype(np.float64)).astype(np.float32)
# What independent noise of 1 in each of R, G and B becomes in luma and in chroma.
_LUMA_NOISE, _CHROMA_NOISE = 0.67, 0.65
# 8-bit rounding; no picture is cleaner.
_LEAST_NOISE = 0.29

# Power of a picture at angular frequency w: _LUMA_POWER / w^2.
_LUMA_POWER, _CHROMA_POWER = 0.01, 5e-4
_GRADIENT_WEIGHT, _COUPLING = 10.0, 300.0
_MIDDLE = np.float32(0.5)
_LONGEST_REACH = 160
_WIENER_ROUNDS, _TV_ROUNDS = 4, 5
_WIENER_SHARE = 0.6
# The share of the noise that the bold luma of ``estimate`` is told of.
_BOLD = 0.35
# How much wider than measured a blur is tried: a Gaussian, and one whose spectrum has zeros.
_GAUSSIAN_ERROR, _SHARP_ERROR = 1.15, 1.07
# Power of what is wrong in a restored picture, as above, and the steps between neighbours, in
# deviations of the noise, that are detail. Chosen on photographs that are not the evaluation's.
_MOTION_ERROR, _DISC_ERROR = 1e-3, 1.5e-4
_STEP, _AROUND = 3.2, 8.0
# A disc that is taken for a Gaussian has this share of its radius.
_DISC_RADIUS = 0.8

# Kernels that stand for the doubt about a blur: offsets in standard deviations, and weights.
_SOFT_DOUBT = ((-1.22, 0.3), (0.0, 0.4), (1.22, 0.3))
_LENGTH_DOUBT = ((-1.5, 0.15), (-0.7, 0.2), (0.0, 0.3), (0.7, 0.2), (1.5, 0.15))
_DEGREES_PER_SPREAD = 30.0
_DISC_DOUBT = 0.15

_GENTLE_SIGMA, _GENTLE_STRENGTH, _GENTLE_NOISE_LIMIT = 1.0, 0.3, 0.8


def name(blur: Blur, noise_sigma: float = 0.0) -> str:
    """What ``deblur`` does about this blur at this noise, in a few words."""
    if not _deconvolves(blur):
        if noise_sigma >= _GENTLE_NOISE_LIMIT:
            return _("nothing: no blur is certain, and sharpening would raise the noise")
        return _("gentle unsharp mask")
    if blur.kind == "motion":
        return _("Wiener and total variation deconvolution of a straight motion")
    shape = _("an out-of-focus disc") if blur.disc else _("a Gaussian blur")
    return _("Wiener and total variation deconvolution of {shape}", shape=shape)


def radius(blur: Blur) -> int:
    """How far around a pixel ``deblur`` looks: what lies farther changes it by about 1/255 at most.

    Measured at noise 1; a cleaner picture is changed up to three times as much.
    """
    if not _deconvolves(blur):
        return 8
    if blur.kind == "soft" and not blur.disc:
        return int(np.ceil(14 * blur.radius)) + 4
    return int(min(_LONGEST_REACH, np.ceil(6 * _extent(blur)) + 24))


def deblur(
    rgb: NDArray[np.floating[Any]], blur: Blur, amount: float = 1.0, noise_sigma: float = 0.0
) -> Floats:
    """The picture without its blur: float32 (h, w, 3), sRGB-encoded in 0..1, any size from 1 x 1.

    ``amount`` 0..1 mixes the result with the picture, ``noise_sigma`` is the standard deviation of
    the picture's noise in levels of 255. A blur that is "none" or whose confidence is below
    ``TRUSTED`` gives a gentle unsharp mask, which stays away from noise.

    Luma is deconvolved by Wiener's filter and with total variation, split by ADMM (Wang, Yang, Yin
    and Zhang, "A new alternating minimization algorithm for total variation image reconstruction",
    SIAM J. Imaging Sciences 2008; Afonso, Bioucas-Dias and Figueiredo, IEEE Trans. Image Processing
    2010), chroma by Wiener's filter. What lies beyond the border is estimated along with the
    picture instead of assumed (Reeves, "Fast image restoration without boundary artifacts", IEEE
    Trans. Image Processing 2005). The blur's ``spread`` enters as the expectation over kernels,
    which leaves alone the frequencies where likely kernels disagree.
    """
    picture = np.ascontiguousarray(rgb, np.float32)
    if amount <= 0 or picture.size == 0:
        return picture.copy()
    if not np.isfinite(picture).all():
        picture = np.nan_to_num(picture, nan=0.0, posinf=1.0, neginf=0.0)
    if _deconvolves(blur):
        problem = _Problem(picture.shape[:2], *_expected_kernels(_careful(blur)))
        sharp = _deconvolve(problem, picture, noise_sigma)
    else:
        sharp = _unsharp(picture, noise_sigma)
    np.clip(sharp, 0, 1, out=sharp)
    return sharp if amount >= 1 else picture + np.float32(amount) * (sharp - picture)


def estimate(rgb: NDArray[np.floating[Any]], blur: Blur, noise_sigma: float) -> Floats:
    """What a network begins with that corrects a deconvolution: float32 (h, w, 6) for (h, w, 3).

    The picture as ``deblur`` gives it, in 0..1, and its luma by Wiener's filter with too little
    care, in -0.5..1.5: noisier, and with more of the detail. That luma for the blur, for a wider
    one, and for another that might be taken for it: so the network sees where the blur is wrong.
    A blur "none" gives the picture and its luma back. The confidence is not asked for: the network
    may be what decides.
    """
    picture = np.ascontiguousarray(rgb, np.float32)
    luma = np.asarray(cv2.transform(picture, _TO_YCC[:1])).reshape(picture.shape[:2])
    if blur.kind == "none":
        return np.dstack([picture, luma, luma, luma])
    problem = _Problem(picture.shape[:2], *_expected_kernels(_careful(blur)))
    planes = [np.clip(_deconvolve(problem, picture, noise_sigma), 0, 1)]
    told = _noise(noise_sigma) * _LUMA_NOISE * _BOLD
    for one in (blur, *_others(blur)):
        if one is not blur:
            problem = _Problem(picture.shape[:2], *_expected_kernels(_careful(one)))
        spectrum, _padded = problem.wiener(luma - _MIDDLE, told, _LUMA_POWER)
        bold = problem.inside(_picture_of(spectrum)) + _MIDDLE
        planes.append(np.clip(bold, -0.5, 1.5))
    return np.dstack(planes)


def _others(blur: Blur) -> tuple[Blur, Blur]:
    """A wider blur, and one that is as easily taken for this one: a disc, or a narrower one."""
    if blur.kind == "soft" and not blur.disc:
        return (
            replace(blur, radius=_GAUSSIAN_ERROR * blur.radius),
            replace(blur, radius=_DISC_RADIUS * blur.radius, disc=True),
        )
    return _times(blur, _SHARP_ERROR), _times(blur, 1 / _SHARP_ERROR)


def _times(blur: Blur, factor: float) -> Blur:
    return replace(blur, radius=factor * blur.radius, length=factor * blur.length)


def blurred(rgb: NDArray[np.floating[Any]], blur: Blur) -> Floats:
    """The picture (h, w, 3) through the blur that ``estimate`` undoes, reflected at its edges."""
    mean, _squared = _expected_kernels(_careful(blur))
    picture = np.ascontiguousarray(rgb, np.float32)
    return np.asarray(cv2.filter2D(picture, -1, mean, borderType=cv2.BORDER_REFLECT_101))


def faithful(
    made: Floats, rgb: NDArray[np.floating[Any]], blur: Blur, noise_sigma: float
) -> Floats:
    """A restored picture ``made`` (h, w, 3), led back to ``rgb`` where that is certain of it.

    What it misses, seen through the blur, is deconvolved by Wiener's filter and added: a network
    keeps less well than this what the blur has left of the picture (data consistency, as in
    Zhang, Van Gool and Timofte, "Deep unfolding network for image super-resolution", CVPR 2020).
    Not where the picture is smooth, since there is nothing to be missed but noise. For an exact
    blur alone (``Blur.exact``): what a wrong one misses would only be wrong once more.
    """
    picture = np.ascontiguousarray(rgb, np.float32)
    problem = _Problem(picture.shape[:2], *_expected_kernels(_careful(blur)))
    noise = _noise(noise_sigma)
    gain = problem.gain(noise, _MOTION_ERROR if blur.kind == "motion" else _DISC_ERROR)
    share = _detail(made, noise)
    better = np.empty_like(picture)
    for channel in range(3):
        plane = np.ascontiguousarray(made[..., channel])
        missed = problem.missed(plane, np.ascontiguousarray(picture[..., channel]))
        better[..., channel] = plane + share * problem.inside(_picture_of(missed * gain))
    return better


def _detail(picture: Floats, noise: float) -> Floats:
    """Where there is detail: (h, w) in 0..1, a half where steps are ``_STEP`` times the noise."""
    luma = np.asarray(cv2.transform(picture, _TO_YCC[:1])).reshape(picture.shape[:2])
    across, down = (
        cv2.Sobel(luma, -1, *order, ksize=1, scale=0.5, borderType=cv2.BORDER_REFLECT_101)
        for order in ((1, 0), (0, 1))
    )
    power = cv2.GaussianBlur(
        across * across + down * down, (0, 0), _AROUND, borderType=cv2.BORDER_REFLECT_101
    )
    return np.asarray(power / (power + (_STEP * noise) ** 2), np.float32)


def _extent(blur: Blur) -> float:
    """Length of a motion, diameter of a disc, in pixels."""
    return 4 * blur.radius if blur.kind == "soft" else blur.length


def _least_spread(blur: Blur) -> float:
    """The doubt below which ghosts of a line or disc would be heard beyond ``radius``.

    At the zeros of such a kernel only doubt damps its inverse, whose echoes come every extent.
    """
    if blur.kind == "soft" and not blur.disc:
        return 0.0
    return 0.5 * _extent(blur) / radius(blur)


def _deconvolves(blur: Blur) -> bool:
    size = {"none": 0.0, "soft": blur.radius / 0.3, "motion": blur.length / 1.5}[blur.kind]
    return blur.confidence >= TRUSTED and size >= 1


def _careful(blur: Blur) -> Blur:
    return replace(blur, spread=max(blur.spread, _least_spread(blur)))


def _noise(sigma: float) -> float:
    """The noise's deviation as a share of the range, with that of rounding."""
    return float(np.hypot(sigma, _LEAST_NOISE)) / 255


def _deconvolve(problem: _Problem, picture: Floats, noise_sigma: float) -> Floats:
    noise = _noise(noise_sigma)
    channels = list(cv2.split(cv2.transform(picture, _TO_YCC)))
    channels[0] -= _MIDDLE
    channels[0] = problem.luma(channels[0], noise * _LUMA_NOISE) + _MIDDLE
    for index in (1, 2):
        spectrum, _ = problem.wiener(channels[index], noise * _CHROMA_NOISE, _CHROMA_POWER)
        channels[index] = problem.inside(_picture_of(spectrum))
    return np.asarray(cv2.transform(cv2.merge(channels), _TO_RGB), np.float32)


class _Problem:
    """One blur on one size: the padded plane, and the transfer functions on it.

    ``mean`` is the kernel, ``squared`` the kernel convolved with itself, both as expected.
    Transfer functions are real, for kernels are symmetric, and lie in OpenCV's packed layout of a
    real plane's spectrum.
    """

    def __init__(self, shape: tuple[int, int], mean: Floats, squared: Floats) -> None:
        reach = mean.shape[0] // 2
        margin = 3 * reach + 16
        self._rows = slice(margin, margin + shape[0])
        self._columns = slice(margin, margin + shape[1])
        self._shape = (
            cv2.getOptimalDFTSize(shape[0] + 2 * margin),
            cv2.getOptimalDFTSize(shape[1] + 2 * margin),
        )
        self._transfer = _transfer(mean, self._shape)
        self._power = _transfer(squared, self._shape)
        self._laplacian = _transfer(
            np.array([[0, -1, 0], [-1, 4, -1], [0, -1, 0]], np.float32), self._shape
        )

    def inside(self, plane: Floats) -> Floats:
        """The part of a padded plane that the picture covers."""
        return plane[self._rows, self._columns]

    def wiener(self, channel: Floats, noise: float, power: float) -> tuple[Floats, Floats]:
        """Spectrum of Wiener's estimate, and the padded channel continued beyond its border."""
        gain = self.gain(noise, power)
        reblur = gain * self._transfer
        padded = self._padded(channel)
        for _turn in range(_WIENER_ROUNDS):
            padded = self._continued(channel, cv2.dft(padded) * reblur)
        spectrum = cv2.dft(padded) * gain
        return spectrum, padded

    def missed(self, made: Floats, channel: Floats) -> Floats:
        """Spectrum of what ``made`` lacks of the channel when it is blurred; nothing beyond it."""
        again = self.inside(_picture_of(cv2.dft(self._padded(made)) * self._transfer))
        plane = np.zeros(self._shape, np.float32)
        plane[self._rows, self._columns] = channel - again
        return np.asarray(cv2.dft(plane))

    def gain(self, noise: float, power: float) -> Floats:
        """Wiener's filter for a picture of ``power`` / w^2."""
        ratio = noise * noise / power
        return np.asarray(self._transfer / (self._power + ratio * self._laplacian), np.float32)

    def luma(self, channel: Floats, noise: float) -> Floats:
        """The channel deconvolved by Wiener's filter and by isotropic total variation, mixed.

        Total variation alone turns fine texture into flat patches, Wiener's filter alone leaves
        noise; the mixture scores as well as the better of the two.
        """
        spectrum, padded = self.wiener(channel, noise, _LUMA_POWER)
        natural = self.inside(_picture_of(spectrum))
        coupling = np.float32(noise * noise * _COUPLING)
        threshold = np.float32(_GRADIENT_WEIGHT / _COUPLING)
        inverse = 1 / (self._power + coupling * self._laplacian)
        across, down = np.zeros_like(padded), np.zeros_like(padded)
        for _turn in range(_TV_ROUNDS):
            padded = self._continued(channel, spectrum * self._transfer)
            plane = _picture_of(spectrum)
            across += np.roll(plane, -1, 1) - plane
            down += np.roll(plane, -1, 0) - plane
            length = cv2.magnitude(across, down)
            # The part of each gradient below the threshold is the multiplier of the next round,
            # the rest is the split gradient: their difference goes back into the picture.
            rest = np.minimum(threshold / np.maximum(length, np.float32(1e-9)), 1)
            pull = 1 - 2 * rest
            pull_x, pull_y = across * pull, down * pull
            across *= rest
            down *= rest
            divergence = np.roll(pull_x, 1, 1) - pull_x + np.roll(pull_y, 1, 0) - pull_y
            spectrum = cv2.dft(padded) * self._transfer
            spectrum += coupling * cv2.dft(divergence)
            spectrum *= inverse
        flat = self.inside(_picture_of(spectrum))
        return np.asarray(flat + np.float32(_WIENER_SHARE) * (natural - flat), np.float32)

    def _padded(self, channel: Floats) -> Floats:
        top, left = self._rows.start, self._columns.start
        bottom, right = self._shape[0] - self._rows.stop, self._shape[1] - self._columns.stop
        mode = cv2.BORDER_REFLECT_101
        return np.asarray(cv2.copyMakeBorder(channel, top, bottom, left, right, mode), np.float32)

    def _continued(self, channel: Floats, blurred: Floats) -> Floats:
        """The channel, and beyond it the blurred estimate with this spectrum."""
        plane = _picture_of(blurred)
        plane[self._rows, self._columns] = channel
        return plane


def _expected_kernels(blur: Blur) -> tuple[Floats, Floats]:
    """Mean over the blur's doubt of the kernel, and of the kernel convolved with itself."""
    weighted = []
    if blur.kind == "soft":
        for offset, weight in _SOFT_DOUBT:
            size = blur.radius * (1 + offset * blur.spread)
            weighted.append((replace(blur, radius=size), weight))
        if not blur.disc:
            weighted = [(one, weight * (1 - _DISC_DOUBT)) for one, weight in weighted]
            weighted.append((replace(blur, radius=0.725 * blur.radius, disc=True), _DISC_DOUBT))
    else:
        turn = _DEGREES_PER_SPREAD * blur.spread
        for offset, weight in _LENGTH_DOUBT:
            length = blur.length * (1 + offset * blur.spread)
            for side, share in _SOFT_DOUBT:
                line = replace(blur, length=length, angle=blur.angle + side * turn)
                weighted.append((line, weight * share))
    kernels = [(kernel(one), weight) for one, weight in weighted]
    side = max(k.shape[0] for k, _ in kernels)
    mean = np.zeros((side, side), np.float32)
    squared = np.zeros((2 * side - 1, 2 * side - 1), np.float32)
    for one, weight in kernels:
        mean += weight * _centred(one, side)
        wide = _centred(one, 2 * side - 1)
        squared += weight * cv2.filter2D(wide, -1, one, borderType=cv2.BORDER_CONSTANT)
    return mean, squared


def _centred(small: Floats, side: int) -> Floats:
    edge = (side - small.shape[0]) // 2
    return np.pad(small, edge)


def _transfer(symmetric: Floats, shape: tuple[int, int]) -> Floats:
    """Transfer function of a symmetric kernel in packed layout, each value at both its places.

    A kernel larger than the plane wraps around.
    """
    plane = np.zeros(shape, np.float32)
    reach = symmetric.shape[0] // 2
    steps = np.arange(-reach, reach + 1)
    np.add.at(plane, (steps[:, None] % shape[0], steps[None, :] % shape[1]), symmetric)
    packed = np.asarray(cv2.dft(plane), np.float32)
    height, width = shape
    # Real parts lie at odd places, imaginary ones (here nothing) follow; columns of their own
    # hold the frequencies 0 and, for an even width, 1/2.
    whole = width - 1 if width % 2 == 0 else width
    packed[:, 2:whole:2] = packed[:, 1 : whole - 1 : 2]
    tall = height - 1 if height % 2 == 0 else height
    for column in {0, whole} if width % 2 == 0 else {0}:
        packed[2:tall:2, column] = packed[1 : tall - 1 : 2, column]
    return packed


def _picture_of(spectrum: Floats) -> Floats:
    return np.asarray(cv2.idft(spectrum, flags=cv2.DFT_SCALE), np.float32)


def _unsharp(picture: Floats, noise_sigma: float) -> Floats:
    """Luma detail above the noise, a little stronger; none where noise is seen at all."""
    strength = _GENTLE_STRENGTH * max(0.0, 1 - noise_sigma / _GENTLE_NOISE_LIMIT)
    luma = cv2.transform(picture, _TO_YCC[:1])
    smooth = cv2.GaussianBlur(luma, (0, 0), _GENTLE_SIGMA, borderType=cv2.BORDER_REFLECT_101)
    detail = luma - smooth
    gate = np.float32(max(3 * noise_sigma, 1.0) / 255)
    detail -= np.clip(detail, -gate, gate)
    np.clip(detail, np.float32(-0.06), np.float32(0.06), out=detail)
    detail *= np.float32(strength)
    step = detail.reshape(picture.shape[:2])
    return np.asarray(cv2.add(picture, cv2.merge([step, step, step])), np.float32)
