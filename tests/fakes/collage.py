"""A large picture of known faces, many sizes and turns, upon photographs and textures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]

PORTRAITS = (
    "astronaut.png",
    "kodim04.png",
    "lange_migrant_mother_1936.jpg",
    "official_portrait.jpg",
    "camera.png",
)
GROUNDS = ("kodim01.png", "kodim02.png", "kodim03.png", "coffee.png", "chelsea.png", "rocket.jpg")
_GROUND = 500


@dataclass(frozen=True)
class Known:
    """A face in the collage: its middle, its box's width and height before it was turned."""

    x: float
    y: float
    width: float
    height: float
    name: str


def collage(images: Path, weights: Path, seed: int, side: int) -> tuple[Bytes, list[Known]]:
    """A BGR picture of ``side`` by ``side`` and the faces in it, found by OpenCV in the portraits.

    Widths run from 40 pixels to an eighth of the side, turns up to 20 degrees.
    """
    rng = np.random.default_rng(seed)
    picture = _ground(images, rng, side)
    portraits = [(name, *_portrait(images / name, weights)) for name in PORTRAITS]
    known: list[Known] = []
    used: list[tuple[float, float, float]] = []
    widths = [side / 8, side / 10, *np.geomspace(side / 12, 41, 48)]
    for number, width in enumerate(widths):
        name, portrait, box = portraits[number % len(portraits)]
        scale = width / box[2]
        radius = scale * max(box[2], box[3])
        spot = _free(rng, used, radius, side)
        if spot is None:
            continue
        used.append((*spot, radius))
        _place(picture, portrait, box, scale, rng.uniform(-20, 20), spot, radius)
        known.append(Known(*spot, width, box[3] * scale, name))
    return picture, known


def _portrait(path: Path, weights: Path) -> tuple[Bytes, NDArray[Any]]:
    """A portrait and the box (left, top, width, height) that OpenCV's detector finds in it."""
    bgr = cv2.imread(str(path))
    assert bgr is not None, path
    scale = 640 / max(bgr.shape[:2])
    small = cv2.resize(bgr, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    height, width = small.shape[:2]
    detector = cv2.FaceDetectorYN.create(str(weights), "", (width, height), 0.6, 0.3, 5000)
    _, faces = detector.detect(small)
    assert faces is not None and len(faces) == 1, path
    return np.asarray(bgr, np.uint8), np.asarray(faces[0][:4] / scale)


def _ground(images: Path, rng: np.random.Generator, side: int) -> Bytes:
    """Photographs without faces, blurred noise and woven stripes, as tiles in a random order."""
    photographs = [cv2.imread(str(images / name)) for name in GROUNDS]
    size = (_GROUND, _GROUND)
    y, x = np.mgrid[:_GROUND, :_GROUND]
    picture = np.zeros((side, side, 3), np.uint8)
    for top in range(0, side, _GROUND):
        for left in range(0, side, _GROUND):
            kind = int(rng.integers(0, len(photographs) + 2))
            if kind < len(photographs):
                tile: Any = cv2.resize(photographs[kind], size, interpolation=cv2.INTER_AREA)
            elif kind == len(photographs):
                noise = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
                tile = cv2.GaussianBlur(noise, (0, 0), rng.uniform(0.5, 4))
            else:
                waves = np.sin(x / rng.uniform(2, 20)) * np.sin(y / rng.uniform(2, 20))
                tile = np.repeat((127 + 80 * waves)[..., None], 3, axis=2)
            picture[top : top + _GROUND, left : left + _GROUND] = tile[: side - top, : side - left]
    return picture


def _free(
    rng: np.random.Generator, used: list[tuple[float, float, float]], radius: float, side: int
) -> tuple[float, float] | None:
    for _ in range(2000):
        x, y = rng.uniform(radius + 2, side - radius - 2, 2)
        if all(max(abs(x - a), abs(y - b)) > radius + r + 2 for a, b, r in used):
            return float(x), float(y)
    return None


def _place(
    picture: Bytes,
    portrait: Bytes,
    box: NDArray[Any],
    scale: float,
    degrees: float,
    spot: tuple[float, float],
    radius: float,
) -> None:
    """Draw a disc of ``radius`` around the portrait's face at ``spot``."""
    reach = int(radius) + 4
    left, top = int(spot[0]) - reach, int(spot[1]) - reach
    middle = box[:2] + box[2:] / 2
    if scale < 0.7:
        # Reduced by area first, so that nothing flickers.
        portrait = np.asarray(
            cv2.resize(portrait, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA), np.uint8
        )
        middle, scale = middle * scale, 1.0
    matrix = cv2.getRotationMatrix2D((float(middle[0]), float(middle[1])), degrees, scale)
    matrix[:, 2] += np.array(spot) - (left, top) - middle
    size = (2 * reach, 2 * reach)
    turned = cv2.warpAffine(portrait, matrix, size, flags=cv2.INTER_LINEAR)
    there = cv2.warpAffine(np.full(portrait.shape[:2], 255, np.uint8), matrix, size)
    disc = np.zeros((2 * reach, 2 * reach), np.uint8)
    cv2.circle(disc, (reach, reach), int(radius * 0.97), 255, -1)
    share = cv2.GaussianBlur(disc & there, (0, 0), max(1.0, radius / 60))[..., None] / 255
    rows = slice(max(0, top), top + 2 * reach)
    columns = slice(max(0, left), left + 2 * reach)
    old = picture[rows, columns]
    inside = (slice(rows.start - top, None), slice(columns.start - left, None))
    cut = (slice(0, old.shape[0]), slice(0, old.shape[1]))
    new, share = turned[inside][cut], share[inside][cut]
    picture[rows, columns] = np.rint(old + share * (new.astype(np.float64) - old))
