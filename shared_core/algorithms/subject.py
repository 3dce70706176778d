"""Finds the subject of a picture without a trained model: what stands out, and a cut around it.

What stands out: regions that a threshold separates from the border (Zhang and Sclaroff, "Saliency
detection: a Boolean map approach", ICCV 2013) together with the distance from the border's colours
(as in Zhang et al., "Minimum barrier salient object detection at 80 FPS", ICCV 2015), with a prior
for the middle. The cut: GrabCut (Rother, Kolmogorov and Blake, SIGGRAPH 2004).
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

NAME = "saliency and GrabCut"

_SALIENCY_SIDE = 240
_LEVELS = 12
_CUT_PIXELS = 150_000
_ROUNDS = 4
# A subject is at least and at most this share of what could be it.
_SMALLEST, _LARGEST = 0.004, 0.9
# Spread of a picture's colours, in Lab units, below which nothing stands out.
_FAINT = 7.0
# A piece counts with this share of what the weightiest has; the cut stays within this margin.
_WEIGHTY = 0.15
_MARGIN = 0.15
# How far above the threshold of two classes what stands out is, what share of that is likely the
# subject too, and how fast things away from the middle lose.
_BAR, _LIKELY, _MIDDLE = 1.2, 0.5, 1.2


@dataclass(frozen=True)
class Subject:
    """Where the subject is, float32 (height, width) of 0 or 1, and what that was decided by."""

    matte: Floats
    found: bool


def find_subject(rgb: Floats, allowed: Mask | None = None, hinted: Mask | None = None) -> Subject:
    """The subject of ``rgb``, float32 (height, width, 3) in 0..1.

    ``allowed`` (height, width) is False where there is none for sure: transparent pixels, and what
    the user left unselected. ``hinted`` is what the user selected: then the subject is what differs
    from the rest there. Where nothing stands out, an ellipse in the middle is taken and ``found``
    is False. The cut is made at 0.15 megapixels.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, (_CUT_PIXELS / (height * width)) ** 0.5)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.rint(255 * cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)).astype(np.uint8)
    may = np.ones(small.shape[:2], bool) if allowed is None else _shrunk(allowed, size)
    inside = None if hinted is None else _shrunk(hinted, size)
    labels = _labels(small, may, inside)
    cut = None if labels is None else _cut(small, labels, may)
    found = cut is not None
    if cut is None:
        cut = _ellipse(may if inside is None else may & inside)
    matte = cv2.resize(cut.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return Subject(np.asarray(matte, np.float32), found)


def saliency(rgb: Bytes) -> Floats:
    """How much each pixel stands out, float32 (height, width) in 0..1; ``rgb`` is 8-bit."""
    height, width = rgb.shape[:2]
    scale = min(1.0, _SALIENCY_SIDE / max(height, width))
    size = (max(3, round(width * scale)), max(3, round(height * scale)))
    small = cv2.GaussianBlur(cv2.resize(rgb, size, interpolation=cv2.INTER_AREA), (0, 0), 1)
    lab = cv2.cvtColor(small.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2Lab)
    # What stands in the picture's foot is no background: people do.
    surrounded = _surrounded(lab, foot=True) + _surrounded(lab, foot=False)
    score = _unit(surrounded) + _unit(_far_from_border(lab))
    y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
    score = _unit(score) * np.exp(-_MIDDLE * (x**2 + 0.7 * y**2)).astype(np.float32)
    return np.asarray(
        np.clip(cv2.resize(_unit(score), (width, height), interpolation=cv2.INTER_LINEAR), 0, 1)
    )


def _surrounded(lab: Floats, foot: bool) -> Floats:
    """Share of thresholds that part a pixel from the border, the foot of it only where asked."""
    total = np.zeros(lab.shape[:2], np.float32)
    for channel in range(3):
        plane = lab[..., channel]
        low, high = float(plane.min()), float(plane.max())
        if high - low < _FAINT:
            continue
        for level in np.linspace(low, high, _LEVELS + 2)[1:-1]:
            for side in (plane > level, plane <= level):
                total += _inner(side, foot)
    return np.asarray(cv2.GaussianBlur(total, (0, 0), 2), np.float32)


def _inner(region: Mask, foot: bool) -> Mask:
    """The parts of ``region`` that do not touch the border."""
    _, labels = cv2.connectedComponents(region.astype(np.uint8), connectivity=4)
    edges = [labels[0], labels[:, 0], labels[:, -1]]
    if foot:
        edges.append(labels[-1])
    outer = np.zeros(labels.max() + 1, bool)
    outer[np.concatenate(edges)] = True
    outer[0] = True
    return np.asarray(~outer[labels])


def _far_from_border(lab: Floats) -> Floats:
    """Mahalanobis distances from the colours of the four border strips; the largest is left out."""
    width = max(2, min(lab.shape[:2]) // 10)
    distances = []
    for part in (lab[:width], lab[-width:], lab[:, :width], lab[:, -width:]):
        colours = part.reshape(-1, 3)
        inverse = np.linalg.inv(np.cov(colours.T) + 25 * np.eye(3))
        apart = lab - colours.mean(axis=0)
        distances.append(np.sqrt(np.einsum("hwi,ij,hwj->hw", apart, inverse, apart)))
    # One side may be the subject itself.
    return np.asarray(sum(distances) - np.maximum.reduce(distances), np.float32)


def _labels(rgb: Bytes, may: Mask, hinted: Mask | None) -> Bytes | None:
    """GrabCut's first labels, or None where nothing stands out."""
    labels = np.full(may.shape, cv2.GC_PR_BGD, np.uint8)
    if hinted is not None and hinted.any() and not (hinted | ~may).all():
        labels[hinted] = cv2.GC_PR_FGD
    else:
        score = saliency(rgb)
        score[~may] = 0
        bar = max(_BAR * _otsu(score[may]), 0.25) if may.any() else 1.0
        salient = _weighty((score > bar) & may, score)
        if not _stands_out(rgb, salient):
            return None
        near = _around(salient)
        labels[near & (score > _LIKELY * bar)] = cv2.GC_PR_FGD
        labels[~near] = cv2.GC_BGD
        core = cv2.erode(salient.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0
        labels[core & (score > 0.5 * (1 + bar))] = cv2.GC_FGD
    labels[~may] = cv2.GC_BGD
    return labels


def _weighty(salient: Mask, score: Floats) -> Mask:
    """The pieces of ``salient`` that hold a good part of what stands out."""
    count, labels = cv2.connectedComponents(salient.astype(np.uint8))
    weights = np.bincount(labels[salient], score[salient], minlength=count)
    return np.asarray((weights >= _WEIGHTY * max(1e-9, weights.max()))[labels] & salient)


def _around(salient: Mask) -> Mask:
    """The hull of ``salient`` and a margin; what is farther off only has the subject's colours."""
    points = cv2.findNonZero(salient.astype(np.uint8))
    hull = np.zeros(salient.shape, np.uint8)
    cv2.fillConvexPoly(hull, cv2.convexHull(points), 1)
    margin = 2 * max(2, round(_MARGIN * min(salient.shape))) + 1
    return cv2.dilate(hull, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (margin, margin))) > 0


def _stands_out(rgb: Bytes, salient: Mask) -> bool:
    lab = cv2.cvtColor(rgb.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2Lab)
    return salient.mean() >= _SMALLEST and float(lab.std(axis=(0, 1)).max()) >= _FAINT


def _cut(rgb: Bytes, labels: Bytes, may: Mask) -> Mask | None:
    """GrabCut's foreground in whole pieces, or None where it is next to nothing or everything."""
    fore = (labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)
    # GrabCut needs some pixels of either kind for its mixtures of five colours.
    if min(fore.sum(), (~fore).sum()) < 16:
        return None
    cv2.setRNGSeed(1)
    models = np.zeros((1, 65)), np.zeros((1, 65))
    labels = labels.copy()
    try:
        cv2.grabCut(rgb, labels, None, *models, _ROUNDS, cv2.GC_INIT_WITH_MASK)
    except cv2.error:
        # Colours that are all the same make no mixture.
        return None
    fore = _pieces(((labels == cv2.GC_FGD) | (labels == cv2.GC_PR_FGD)) & may)
    return fore if _SMALLEST <= fore.sum() / max(1, may.sum()) <= _LARGEST else None


def _pieces(fore: Mask) -> Mask:
    """``fore`` without crumbs and pinholes."""
    opened = cv2.morphologyEx(fore.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    for value in (1, 0):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (opened == value).astype(np.uint8), connectivity=4
        )
        areas = stats[:, cv2.CC_STAT_AREA]
        least = 0.03 * areas[1:].max() if value and count > 1 else 0.001 * fore.size
        crumbs = areas < least
        crumbs[0] = False
        opened[crumbs[labels]] = 1 - value
    return np.asarray(opened > 0)


def _ellipse(may: Mask) -> Mask:
    """An ellipse in the middle of what may be the subject."""
    left, top, width, height = cv2.boundingRect(may.astype(np.uint8))
    y, x = np.mgrid[: may.shape[0], : may.shape[1]]
    across = (x + 0.5 - left - width / 2) / max(1.0, 0.35 * width)
    down = (y + 0.5 - top - height / 2) / max(1.0, 0.35 * height)
    return np.asarray((across**2 + down**2 <= 1) & may)


def _shrunk(mask: Mask, size: tuple[int, int]) -> Mask:
    return np.asarray(cv2.resize(mask.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST) > 0)


def _unit(values: Floats) -> Floats:
    low, high = float(values.min()), float(values.max())
    return np.asarray((values - low) / max(high - low, 1e-6), np.float32)


def _otsu(values: Floats) -> float:
    """Otsu's threshold of values in 0..1."""
    levels = np.rint(255 * values).astype(np.uint8).reshape(1, -1)
    return float(cv2.threshold(levels, 0, 255, cv2.THRESH_OTSU)[0]) / 255
