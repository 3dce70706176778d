"""Which blur a picture has, measured blindly, and the kernel of a blur."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from .blur_evidence import (
    Disc,
    Motion,
    Softness,
    Spectrum,
    luma,
    match_disc,
    match_motion,
    measure_softness,
    motion_bound,
    power_spectrum,
    soft_bound,
)

Floats = NDArray[np.float32]
Kind = Literal["none", "soft", "motion"]

TRUSTED = 0.5
"""From this confidence on a blur is worth undoing."""

# A hand-set radius or length is right to about a fifth; what the spectrum says is much closer.
_HAND_SET_SPREAD = 0.21
_UNCONFIRMED_SPREAD = 0.25
_SOFT_SPREAD = 0.08
_MEASURED_SPREAD = 0.04

# Sharp photographs fit as a Gaussian of about this sigma: lens and demosaicing, not a fault.
_NATIVE_SIGMA = 0.35
_LEAST_SIGMA = 0.75
_SMALLEST_SIDE = 96
_LEAST_SOFTNESS = 0.3
# How many Gaussian deviations that explain the spectrum a motion is long: for certain, and perhaps.
_MOTION_LENGTHS, _LEAST_MOTION_LENGTHS = 7.0, 4.5
_LEAST_MOTION_SCORE, _LEAST_MOTION_SLOPE = 0.84, 0.36
_HAND_SET_RANGE = 1.6
_HAND_SET_DEGREES = 20.0


@dataclass(frozen=True)
class Blur:
    """One blur for a whole picture.

    ``radius`` is the sigma of a Gaussian in pixels ("soft"); ``length`` in pixels and ``angle`` in
    degrees, counter-clockwise from horizontal, describe a straight motion. ``confidence`` 0..1
    says whether the picture has this blur at all, ``spread`` how far radius or length may be off
    (relative standard deviation; an angle: 30 degrees times it). A soft blur with ``disc`` is no
    Gaussian but the disc of a lens out of focus, of twice this radius (and the same variance).
    """

    kind: Kind
    radius: float = 0.0
    length: float = 0.0
    angle: float = 0.0
    confidence: float = 1.0
    spread: float = _HAND_SET_SPREAD
    disc: bool = False

    @property
    def exact(self) -> bool:
        """Whether zeros in the picture's spectrum tell its size, not their fall or a hand alone."""
        return (self.kind == "motion" or self.disc) and self.spread <= _MEASURED_SPREAD


def kernel(blur: Blur) -> Floats:
    """The blur's kernel: float32, odd sides, symmetric about its middle, sum 1.

    "soft" is a Gaussian cut at 4 sigma or an antialiased disc, "motion" an antialiased line, "none"
    a single 1.
    """
    if blur.kind == "soft" and blur.disc and blur.radius > 0:
        weights = _disc(2 * blur.radius)
    elif blur.kind == "soft" and blur.radius > 0:
        reach = int(np.ceil(4 * blur.radius))
        steps = np.arange(-reach, reach + 1)
        line = np.exp(-0.5 * (steps / blur.radius) ** 2)
        weights = np.outer(line, line)
    elif blur.kind == "motion" and blur.length > 0:
        weights = _line(blur.length, blur.angle)
    else:
        weights = np.ones((1, 1))
    return np.asarray(weights / weights.sum(), np.float32)


def estimate_blur(*patches: NDArray[np.floating[Any]]) -> Blur:
    """The blur that one or more patches (h, w, 3) of the same picture share; sRGB in 0..1.

    Motion shows as parallel dark lines in the power spectrum, found by its Radon transform
    (Oliveira, Figueiredo and Bioucas-Dias, "Parametric blur estimation for blind restoration of
    natural images", IEEE Trans. Image Processing 2014); a lens out of focus as dark rings; a
    Gaussian as the fall of the radial spectrum below the power law of natural images (Field,
    "Relations between the statistics of natural images and the response properties of cortical
    cells", JOSA A 1987). Motions and Gaussians are trusted only where the sharpest edges allow
    them. Patches under 96 pixels give "none" with confidence 0.
    """
    planes = _planes(patches)
    if not planes:
        return Blur("none", confidence=0.0)
    spectrum = power_spectrum(planes)
    softness = measure_softness(spectrum)
    disc = match_disc(spectrum)
    confidence = _disc_confidence(disc)
    if confidence >= TRUSTED:
        return Blur(
            "soft", disc.radius / 2, confidence=confidence, spread=_MEASURED_SPREAD, disc=True
        )
    motion = match_motion(spectrum)
    confidence = _motion_confidence(motion, softness, planes, spectrum.noise)
    if confidence >= TRUSTED:
        return Blur("motion", 0.0, motion.length, motion.angle, confidence, _MEASURED_SPREAD)
    if softness.sigma < _LEAST_SIGMA:
        sure = 0.5 + 0.5 * min(1.0, (_LEAST_SIGMA - softness.sigma) / 0.3)
        return Blur("none", confidence=sure if softness.bins else 0.0)
    confidence = _soft_confidence(softness, planes, spectrum.noise)
    return Blur("soft", _own_sigma(softness), confidence=confidence, spread=_SOFT_SPREAD)


def possible_motion(*patches: NDArray[np.floating[Any]]) -> Blur | None:
    """The motion that patches like those of ``estimate_blur`` may show, sure or not; None if none.

    For a path that can tell from its result whether it was right to believe it.
    """
    planes = _planes(patches)
    if not planes:
        return None
    spectrum = power_spectrum(planes)
    motion, softness = match_motion(spectrum), measure_softness(spectrum)
    if motion.score < _LEAST_MOTION_SCORE or motion.slope < _LEAST_MOTION_SLOPE:
        return None
    if motion.length < _LEAST_MOTION_LENGTHS * max(softness.sigma, _LEAST_SOFTNESS):
        return None
    return Blur("motion", 0.0, motion.length, motion.angle, TRUSTED, _MEASURED_SPREAD)


def chosen(blur: Blur, *patches: NDArray[np.floating[Any]]) -> Blur:
    """A hand-set blur, held against patches (h, w, 3) of the picture it is meant for.

    A motion that the picture shows near the chosen one (within 20 degrees and a factor 1.6) takes
    the measured length and angle. Otherwise the choice stays, with a ``spread`` that says how far
    the picture confirms it: a wide one makes deconvolution careful.
    """
    planes = _planes(patches)
    if blur.kind == "none" or not planes:
        return blur
    spectrum = power_spectrum(planes)
    softness = measure_softness(spectrum)
    if blur.kind == "motion":
        motion = match_motion(
            spectrum,
            (blur.length / _HAND_SET_RANGE, blur.length * _HAND_SET_RANGE),
            (blur.angle - _HAND_SET_DEGREES, blur.angle + _HAND_SET_DEGREES),
        )
        if _motion_confidence(motion, softness, planes, spectrum.noise) < TRUSTED:
            return replace(blur, spread=_UNCONFIRMED_SPREAD)
        return replace(blur, length=motion.length, angle=motion.angle, spread=_MEASURED_SPREAD)
    if softness.sigma < _LEAST_SIGMA or blur.radius <= 0:
        return replace(blur, spread=_UNCONFIRMED_SPREAD)
    disc = match_disc(spectrum)
    focus = _disc_confidence(disc) >= TRUSTED
    measured = disc.radius / 2 if focus else _own_sigma(softness)
    doubt = abs(float(np.log(blur.radius / measured)))
    return replace(blur, spread=float(np.clip(0.7 * doubt, _SOFT_SPREAD, 0.3)), disc=focus)


def _planes(patches: tuple[NDArray[np.floating[Any]], ...]) -> list[Floats]:
    usable = [p for p in patches if min(p.shape[:2]) >= _SMALLEST_SIDE]
    return [luma(p) for p in usable]


def _own_sigma(softness: Softness) -> float:
    return float(np.sqrt(max(softness.sigma**2 - _NATIVE_SIGMA**2, 0.0)))


def _motion_confidence(
    motion: Motion, softness: Softness, planes: list[Floats], noise: float
) -> float:
    """0.5 where every test just passes, 1 where each passes with room to spare.

    A motion leaves the radial mean much sharper than a Gaussian of its extent would.
    """
    margins = [
        (motion.score - _LEAST_MOTION_SCORE) / 0.08,
        (motion.slope - _LEAST_MOTION_SLOPE) / 0.3,
        (motion.length * motion.cutoff - 1.8) / 1.0,
        (motion.length / max(softness.sigma, _LEAST_SOFTNESS) - _MOTION_LENGTHS) / 3.0,
    ]
    if min(margins) < 0:
        return max(0.0, 0.5 + 0.5 * min(margins))
    steepest = motion_bound(planes, motion.length, motion.angle, noise)
    if steepest is None:
        return 0.0
    margins.append((2.0 - steepest) / 0.3)
    return float(np.clip(0.5 + 0.5 * min(margins), 0.0, 1.0))


def _disc_confidence(disc: Disc) -> float:
    margin = min((disc.score - 0.86) / 0.1, (disc.slope - 0.6) / 0.5)
    return float(np.clip(0.5 + 0.5 * margin, 0.0, 1.0))


def _soft_confidence(softness: Softness, planes: list[Floats], noise: float) -> float:
    bound = soft_bound(planes, softness.sigma, noise)
    if bound is None:
        return 0.0
    limit = 1.7 * bound + 0.2
    margins = [
        (softness.sigma - _LEAST_SIGMA) / 0.3,
        (limit - softness.sigma) / (0.3 * softness.sigma),
    ]
    return float(np.clip(0.5 + 0.5 * min(margins), 0.0, 1.0))


def _disc(radius: float) -> NDArray[np.float64]:
    """A disc in the middle of a square, each pixel weighted by the share of it that is inside."""
    reach = int(np.ceil(radius))
    side, fine = 2 * reach + 1, 16
    places = (np.arange(side * fine) + 0.5) / fine - side / 2
    inside = places[:, None] ** 2 + places[None, :] ** 2 <= radius * radius
    return np.asarray(inside.reshape(side, fine, side, fine).mean(axis=(1, 3)), np.float64)


def _line(length: float, angle: float) -> NDArray[np.float64]:
    """A line through the middle of a square, its mass spread bilinearly over the pixels."""
    reach = int(np.ceil(length / 2)) + 1
    weights = np.zeros((2 * reach + 1, 2 * reach + 1))
    count = int(np.ceil(16 * length))
    along = ((np.arange(count) + 0.5) / count - 0.5) * length
    x = reach + along * np.cos(np.deg2rad(angle))
    y = reach - along * np.sin(np.deg2rad(angle))
    column, row = np.floor(x).astype(int), np.floor(y).astype(int)
    right, down = x - column, y - row
    np.add.at(weights, (row, column), (1 - right) * (1 - down))
    np.add.at(weights, (row, column + 1), right * (1 - down))
    np.add.at(weights, (row + 1, column), (1 - right) * down)
    np.add.at(weights, (row + 1, column + 1), right * down)
    # Rounding aside it is symmetric; deconvolution relies on a real transfer function.
    return (weights + weights[::-1, ::-1]) / 2


__all__ = [
    "TRUSTED",
    "Blur",
    "Kind",
    "Spectrum",
    "chosen",
    "estimate_blur",
    "kernel",
    "possible_motion",
]
