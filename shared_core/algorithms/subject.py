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

from shared_core.bridge.language import _

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]
Mask = NDArray[np.bool_]

NAME = _("saliency and GrabCut")

_SALIENCY_SIDE = 240
_LEVELS = 12
_CUT_PIXELS = 90_000
_ROUNDS = 2
# A subject is at least and at most this share of what could be it.
_SMALLEST, _LARGEST = 0.004, 0.9
# Spread of a picture's colours, in Lab units, below which nothing stands out.
_FAINT = 7.0
# A piece of the cut stays with this share of what stands out in the weightiest, or with this share
# of the area of the largest; a hole, with this share of the picture.
_WEIGHTY, _LARGE, _HOLE = 0.08, 0.2, 0.004
# Where the subject is looked for, in shares of width and height from the middle and the top, and
# beyond which only what stands out may be subject.
_INNER, _RIM, _HEAD = 0.42, 0.46, 0.06
# In shares of the threshold between what stands out and what does not.
_UNLIKELY, _PLAIN = 0.15, 1.2
# How fast things away from the middle lose.
_MIDDLE = 1.6


@dataclass(frozen=True)
class Subject:
    """Where the subject is, float32 (height, width) of 0 or 1, and what that was decided by."""

    matte: Floats
    found: bool


def find_subject(rgb: Floats, visible: Mask | None = None, hinted: Mask | None = None) -> Subject:
    """The subject of ``rgb``, float32 (height, width, 3) in 0..1.

    ``visible`` (height, width) is False where pixels are transparent, whose colours mean nothing.
    ``hinted`` is what the user selected: the subject is what differs there from the rest. Where
    nothing stands out, an ellipse in the middle is taken and ``found`` is False. The cut is made at
    0.09 megapixels.
    """
    height, width = rgb.shape[:2]
    scale = min(1.0, (_CUT_PIXELS / (height * width)) ** 0.5)
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    small = np.rint(255 * cv2.resize(rgb, size, interpolation=cv2.INTER_AREA)).astype(np.uint8)
    seen = np.ones(small.shape[:2], bool) if visible is None else _shrunk(visible, size)
    inside = None if hinted is None else _shrunk(hinted, size)
    may = seen if inside is None else seen & inside
    first = _labels(small, may, inside)
    cut = None
    if first is not None:
        labels, score = first
        cut = _cut(_filled(small, labels, seen), labels, score, may)
    found = cut is not None
    if cut is None:
        cut = _ellipse(may)
    matte = cv2.resize(cut.astype(np.float32), (width, height), interpolation=cv2.INTER_LINEAR)
    return Subject(np.asarray(matte, np.float32), found)


def _filled(rgb: Bytes, labels: Bytes, seen: Mask) -> Bytes:
    """``rgb`` with colours of the background where nothing is seen, so that it learns no others."""
    back = rgb[seen & ((labels == cv2.GC_BGD) | (labels == cv2.GC_PR_BGD))]
    if seen.all() or not len(back):
        return rgb
    made = rgb.copy()
    made[~seen] = np.random.default_rng(1).choice(back, int((~seen).sum()))
    return made


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


def _labels(rgb: Bytes, may: Mask, hinted: Mask | None) -> tuple[Bytes, Floats | None] | None:
    """GrabCut's first labels and the saliency they are from, or None where nothing stands out."""
    labels = np.full(may.shape, cv2.GC_PR_BGD, np.uint8)
    if hinted is not None and may.any() and not may.all():
        labels[may] = cv2.GC_PR_FGD
        labels[~may] = cv2.GC_BGD
        return labels, None
    score = saliency(rgb)
    score[~may] = 0
    bar = max(_otsu(score[may]), 0.1) if may.any() else 1.0
    if not _stands_out(rgb, (score > bar) & may):
        return None
    left, top, width, height = cv2.boundingRect(may.astype(np.uint8))
    y, x = np.mgrid[: may.shape[0], : may.shape[1]]
    across = np.abs((x + 0.5 - left) / width - 0.5)
    down = (y + 0.5 - top) / height
    # A subject may stand on the picture's foot, seldom on its other sides.
    labels[(across < _INNER) & (down > _HEAD) & (score > _UNLIKELY * bar)] = cv2.GC_PR_FGD
    labels[((across > _RIM) | (down < _HEAD / 2)) & (score < _PLAIN * bar)] = cv2.GC_BGD
    labels[~may] = cv2.GC_BGD
    return labels, np.where(score > bar, score, np.float32(0))


def _stands_out(rgb: Bytes, salient: Mask) -> bool:
    lab = cv2.cvtColor(rgb.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2Lab)
    return salient.mean() >= _SMALLEST and float(lab.std(axis=(0, 1)).max()) >= _FAINT


def _cut(rgb: Bytes, labels: Bytes, score: Floats | None, may: Mask) -> Mask | None:
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
    if score is not None:
        fore = _weighty(fore, score)
    return fore if _SMALLEST <= fore.sum() / max(1, may.sum()) <= _LARGEST else None


def _pieces(fore: Mask) -> Mask:
    """``fore`` without crumbs and pinholes."""
    opened = cv2.morphologyEx(fore.astype(np.uint8), cv2.MORPH_CLOSE, np.ones((3, 3), np.uint8))
    for value in (1, 0):
        count, labels, stats, _ = cv2.connectedComponentsWithStats(
            (opened == value).astype(np.uint8), connectivity=4
        )
        areas = stats[:, cv2.CC_STAT_AREA]
        least = 0.03 * areas[1:].max() if value and count > 1 else _HOLE * fore.size
        crumbs = areas < least
        crumbs[0] = False
        opened[crumbs[labels]] = 1 - value
    return np.asarray(opened > 0)


def _weighty(fore: Mask, score: Floats) -> Mask:
    """The pieces of ``fore`` that hold a good part of what stands out."""
    count, labels = cv2.connectedComponents(fore.astype(np.uint8))
    weights = np.bincount(labels[fore], score[fore], minlength=count)
    areas = np.bincount(labels[fore], minlength=count)
    stays = (weights >= _WEIGHTY * max(1e-9, weights.max())) | (areas >= _LARGE * areas.max())
    return np.asarray(stays[labels] & fore)


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
