"""Similarity transforms: from a face's five points to the upright square a network was trained on.

A matrix is 2×3 and maps places (x, y), whole numbers at pixels' upper left corners.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

TEMPLATE_SIDE = 512
# The five points of FFHQ's aligned faces at 512 by 512, in the order of ``yunet.Face.points``.
FFHQ_512 = (
    (192.98138, 239.94708),
    (318.90277, 240.1936),
    (256.63416, 314.01935),
    (201.26117, 371.41043),
    (313.08905, 371.15118),
)


def similarity(
    points: Sequence[tuple[float, float]], template: Sequence[tuple[float, float]]
) -> Matrix | None:
    """The turn, scale and shift that bring ``points`` nearest to ``template`` by least squares.

    None where the points lie too near to each other to tell. Umeyama, "Least-squares estimation
    of transformation parameters between two point patterns", PAMI 1991, for the plane and without
    mirroring, where it has this closed form.
    """
    start, goal = np.asarray(points, np.float64), np.asarray(template, np.float64)
    start_mean, goal_mean = start.mean(axis=0), goal.mean(axis=0)
    here, there = start - start_mean, goal - goal_mean
    spread = float((here**2).sum())
    if not spread > 1e-6:
        return None
    cosine = float((here * there).sum()) / spread
    sine = float((here[:, 0] * there[:, 1] - here[:, 1] * there[:, 0]).sum()) / spread
    if math.hypot(cosine, sine) < 1e-6:
        return None
    turn = np.array([[cosine, -sine], [sine, cosine]])
    return np.column_stack([turn, goal_mean - turn @ start_mean])


def transformed(places: Matrix, matrix: Matrix) -> Matrix:
    """``places`` (n, 2) under ``matrix``."""
    return np.asarray(places @ matrix[:, :2].T + matrix[:, 2])


def scale_of(matrix: Matrix) -> float:
    """By how much a similarity enlarges."""
    return math.hypot(matrix[0, 0], matrix[1, 0])


def between_pixels(matrix: Matrix, left: float, top: float, step: float) -> Matrix:
    """``matrix`` for OpenCV, whose whole numbers are pixels' centres.

    It starts from the pixels of a copy of the picture that begins at ``left``, ``top`` and is
    reduced ``step`` times.
    """
    out = matrix[:, :2] * step
    shift = matrix[:, :2] @ np.array([left + step / 2, top + step / 2]) + matrix[:, 2] - 0.5
    return np.column_stack([out, shift])
