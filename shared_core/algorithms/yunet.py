"""Faces from YuNet's tensors: decoding, duplicates, and where its square tiles lie in a picture.

Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", Machine Intelligence Research 2023.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

SIDE = 640
CONFIDENCE = 0.6
NMS = 0.3

# A box that lies within another by more than this is the same face seen twice.
_WITHIN = 0.75
# exp() of more would be a face larger than any tile.
_LARGEST_LOG = 8.0


@dataclass(frozen=True)
class Face:
    """A face in pixels of the picture it was found in, whole numbers at pixels' upper left corners.

    ``points`` are, as (x, y): the eye at the left of the picture, the eye at its right, the nose,
    the left and the right corner of the mouth. ``score`` is the detector's, 0..1.
    """

    left: float
    top: float
    width: float
    height: float
    points: tuple[tuple[float, float], ...]
    score: float

    @property
    def size(self) -> float:
        """Side of the square with the box's area."""
        return math.sqrt(max(self.width, 0.0) * max(self.height, 0.0))

    def moved(self, scale: float, left: float, top: float) -> Face:
        """The face with all its places multiplied by ``scale`` and then shifted."""
        return Face(
            self.left * scale + left,
            self.top * scale + top,
            self.width * scale,
            self.height * scale,
            tuple((x * scale + left, y * scale + top) for x, y in self.points),
            self.score,
        )


def letterbox(bgr: NDArray[np.uint8]) -> tuple[NDArray[np.uint8], float]:
    """``bgr`` (h, w, 3) with a long side of 640, black at the right or below, and the scale."""
    height, width = bgr.shape[:2]
    scale = SIDE / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    tile = np.zeros((SIDE, SIDE, 3), np.uint8)
    tile[: size[1], : size[0]] = cv2.resize(bgr, size, interpolation=how)
    return tile, scale


def feed(tile: NDArray[np.uint8]) -> NDArray[np.float32]:
    """The network's input for a BGR tile (640, 640, 3): float32 (1, 3, 640, 640), 0..255."""
    return np.ascontiguousarray(tile.transpose(2, 0, 1)[None], np.float32)


def decode(outputs: Sequence[NDArray[Any]], confidence: float = CONFIDENCE) -> list[Face]:
    """Faces in the tile's pixels from the network's outputs, best first, duplicates removed.

    The outputs may come in any order: what each is follows from its shape (1, cells, 1 | 4 | 10),
    and the two of one value each are multiplied anyway. Raises ``ValueError`` for other shapes and
    for values that are not finite.
    """
    grids: dict[int, dict[int, list[NDArray[np.float32]]]] = {}
    for output in outputs:
        if output.ndim != 3 or output.shape[0] != 1 or output.shape[2] not in {1, 4, 10}:
            raise ValueError(f"an output has the shape {list(output.shape)}")
        if not np.isfinite(output).all():
            raise ValueError("an output holds values that are not numbers")
        grid = grids.setdefault(output.shape[1], {1: [], 4: [], 10: []})
        grid[output.shape[2]].append(np.asarray(output[0], np.float32))
    if {cells: [len(kinds[n]) for n in (1, 4, 10)] for cells, kinds in grids.items()} != {
        (SIDE // stride) ** 2: [2, 1, 1] for stride in (8, 16, 32)
    }:
        raise ValueError(f"outputs of {sorted(grids)} cells")
    found: list[Face] = []
    for cells, kinds in grids.items():
        columns = math.isqrt(cells)
        found += _decode_grid(kinds[1], kinds[4][0], kinds[10][0], columns, confidence)
    return without_duplicates(found)


def _decode_grid(
    scores: list[NDArray[np.float32]],
    boxes: NDArray[np.float32],
    points: NDArray[np.float32],
    columns: int,
    confidence: float,
) -> list[Face]:
    stride = SIDE // columns
    first, second = (np.clip(part[:, 0], 0, 1) for part in scores)
    score = np.sqrt(first * second)
    faces = []
    for index in np.flatnonzero(score >= confidence):
        row, column = divmod(int(index), columns)
        x, y, log_width, log_height = (float(value) for value in boxes[index])
        width = math.exp(min(log_width, _LARGEST_LOG)) * stride
        height = math.exp(min(log_height, _LARGEST_LOG)) * stride
        faces.append(
            Face(
                (column + x) * stride - width / 2,
                (row + y) * stride - height / 2,
                width,
                height,
                tuple(
                    ((float(px) + column) * stride, (float(py) + row) * stride)
                    for px, py in points[index].reshape(5, 2)
                ),
                float(score[index]),
            )
        )
    return faces


def overlap(one: Face, other: Face) -> tuple[float, float]:
    """Common area of two boxes as a share of their union and of the smaller of them."""
    width = min(one.left + one.width, other.left + other.width) - max(one.left, other.left)
    height = min(one.top + one.height, other.top + other.height) - max(one.top, other.top)
    if width <= 0 or height <= 0:
        return 0.0, 0.0
    common = width * height
    areas = one.width * one.height, other.width * other.height
    return common / (sum(areas) - common), common / min(areas)


def without_duplicates(faces: Sequence[Face], within: float = 1.1) -> list[Face]:
    """Non-maximum suppression: of boxes that share more than 0.3 of their union the best stays.

    With ``within`` below 1 also a box goes that lies by more than that share in a better one.
    """
    kept: list[Face] = []
    for face in sorted(faces, key=lambda face: face.score, reverse=True):
        shares = [overlap(face, better) for better in kept]
        if all(union <= NMS and inside <= within for union, inside in shares):
            kept.append(face)
    return kept


def merged(faces: Sequence[Face]) -> list[Face]:
    """One face for each found in several tiles or at several scales."""
    return without_duplicates(faces, _WITHIN)
