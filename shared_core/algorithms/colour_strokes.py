"""Spreads the colours of a few strokes over a picture: far where it is even, not over its edges.

Levin, Lischinski and Weiss, "Colorization using optimization", ACM SIGGRAPH 2004: neighbours of
like lightness get like colours. Their weights are made symmetric here (the mean of both pixels'
variances, four neighbours), so that conjugate gradients with a multigrid step solve it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

Floats = NDArray[np.float32]

NAME = _("spreading of colour strokes (Levin 2004)")

_VARIANCE_SHARE = np.float32(0.6)
_LEAST_VARIANCE = np.float32(2e-6)
_LEAST_WEIGHT = np.float32(1e-4)
# A stroke's pull beside that of a neighbour of the same lightness, which is 1.
_PULL = np.float32(100)
_COARSEST = 8
_DAMPING = np.float32(0.7)
# Sums over 2x2 pixels make neighbours twice as stiff as the coarser picture's own would be.
_SOFTENING = np.float32(0.55)
# After so many the colours are within about 0.2 of the exact solution on average.
_ITERATIONS = 50
_TOLERANCE = 0.03


@dataclass(frozen=True)
class _Level:
    """One size of the problem: weights to the right and below, the strokes' pull, the diagonal."""

    right: Floats
    below: Floats
    pull: Floats
    diagonal: Floats

    def times(self, values: Floats) -> Floats:
        """The matrix times ``values`` (channels, h, w)."""
        result = self.diagonal * values
        right, below = self.right[:, :-1], self.below[:-1]
        result[:, :, :-1] -= right * values[:, :, 1:]
        result[:, :, 1:] -= right * values[:, :, :-1]
        result[:, :-1] -= below * values[:, 1:]
        result[:, 1:] -= below * values[:, :-1]
        return result


def spread(
    lightness: Floats,
    colours: Floats,
    coverage: Floats,
    step: Callable[[int, int], None] = lambda done, total: None,
) -> Floats:
    """The colours (h, w, 2) of every pixel, float32.

    ``lightness`` is float32 (h, w) in 0..1; ``colours`` float32 (h, w, 2) hold a* and b* where
    ``coverage`` (h, w), 0..1, is above 0, which must be so somewhere. ``step`` is called before
    each of the iterations. Takes about 150 bytes a pixel.
    """
    levels = _levels(lightness, coverage)
    top = levels[0]
    target = np.ascontiguousarray(colours.transpose(2, 0, 1)) * top.pull
    solution = _first_guess(levels, target)
    residual = target - top.times(solution)
    direction = np.zeros_like(residual)
    before = np.ones((2, 1, 1), np.float32)
    for count in range(_ITERATIONS):
        step(count, _ITERATIONS)
        better = _cycle(levels, 0, residual)
        if float(np.sqrt(np.mean(better * better))) < _TOLERANCE:
            solution += better
            break
        now = _dots(residual, better)
        direction *= now / before if count else np.float32(0)
        direction += better
        image = top.times(direction)
        length = now / np.maximum(_dots(direction, image), np.float32(1e-20))
        solution += length * direction
        residual -= length * image
        before = np.maximum(now, np.float32(1e-20))
    return np.ascontiguousarray(solution.transpose(1, 2, 0))


def _levels(lightness: Floats, coverage: Floats) -> list[_Level]:
    mean = cv2.blur(lightness, (3, 3), borderType=cv2.BORDER_REFLECT_101)
    centred = lightness - mean
    variance = cv2.blur(centred * centred, (3, 3), borderType=cv2.BORDER_REFLECT_101)
    right = np.zeros_like(lightness)
    below = np.zeros_like(lightness)
    right[:, :-1] = _likeness(
        lightness[:, 1:] - lightness[:, :-1], variance[:, 1:], variance[:, :-1]
    )
    below[:-1] = _likeness(lightness[1:] - lightness[:-1], variance[1:], variance[:-1])
    levels = [_level(right, below, coverage * _PULL)]
    while max(levels[-1].pull.shape) > _COARSEST:
        levels.append(_coarser(levels[-1]))
    return levels


def _likeness(difference: Floats, one: Floats, other: Floats) -> Floats:
    variance = np.maximum((one + other) * (np.float32(0.5) * _VARIANCE_SHARE), _LEAST_VARIANCE)
    weight = np.exp(-(difference * difference) / variance)
    return np.asarray(np.maximum(weight, _LEAST_WEIGHT), np.float32)


def _level(right: Floats, below: Floats, pull: Floats) -> _Level:
    diagonal = pull + right + below
    diagonal[:, 1:] += right[:, :-1]
    diagonal[1:] += below[:-1]
    return _Level(right, below, pull, diagonal)


def _coarser(fine: _Level) -> _Level:
    right = _halved_rows(_even(fine.right)[:, 1::2]) * _SOFTENING
    below = _halved_columns(_even(fine.below)[1::2]) * _SOFTENING
    return _level(right, below, _summed(fine.pull))


def _even(plane: Floats) -> Floats:
    height, width = plane.shape[-2:]
    pads = [(0, 0)] * (plane.ndim - 2) + [(0, height % 2), (0, width % 2)]
    return np.pad(plane, pads) if height % 2 or width % 2 else plane


def _halved_rows(plane: Floats) -> Floats:
    return np.asarray(plane[..., ::2, :] + plane[..., 1::2, :])


def _halved_columns(plane: Floats) -> Floats:
    return np.asarray(plane[..., ::2] + plane[..., 1::2])


def _summed(planes: Floats) -> Floats:
    """The sums over 2x2 pixels of each plane; a missing last row or column counts as 0."""
    return _halved_columns(_halved_rows(_even(planes)))


def _stretched(planes: Floats, height: int, width: int) -> Floats:
    """Each pixel of (channels, h, w) four times."""
    return planes.repeat(2, axis=1).repeat(2, axis=2)[:, :height, :width]


def _cycle(levels: list[_Level], number: int, target: Floats) -> Floats:
    """About the solution for ``target``, linear and symmetric: one multigrid V-cycle."""
    level = levels[number]
    if number == len(levels) - 1:
        return _solved(level, target)
    step = _DAMPING / level.diagonal
    solution = step * target
    coarse = _cycle(levels, number + 1, _summed(target - level.times(solution)))
    solution += _stretched(coarse, *level.pull.shape)
    solution += step * (target - level.times(solution))
    return solution


def _solved(level: _Level, target: Floats) -> Floats:
    """The exact solution on the coarsest size, of at most 8x8 pixels."""
    count = level.pull.size
    matrix = level.times(np.eye(count, dtype=np.float32).reshape(count, *level.pull.shape))
    solved = np.linalg.solve(
        matrix.reshape(count, count).astype(np.float64), target.reshape(len(target), count).T
    )
    return np.asarray(solved.T.reshape(target.shape), np.float32)


def _first_guess(levels: list[_Level], target: Floats) -> Floats:
    """The solution from the coarsest size to the finest, one cycle on each."""
    targets = [target]
    for _turn in levels[1:]:
        targets.append(_summed(targets[-1]))
    solution = _solved(levels[-1], targets[-1])
    for number in range(len(levels) - 2, -1, -1):
        level = levels[number]
        solution = _stretched(solution, *level.pull.shape)
        solution = solution + _cycle(levels, number, targets[number] - level.times(solution))
    return solution


def _dots(one: Floats, other: Floats) -> Floats:
    """The inner product of each channel, (channels, 1, 1)."""
    return np.asarray(np.einsum("chw,chw->c", one, other), np.float32)[:, None, None]
