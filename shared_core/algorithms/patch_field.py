"""Which patch of the known picture each patch over a hole is to look like, and the colours then.

The search is PatchMatch (Barnes et al., SIGGRAPH 2009), all patches at once, on patches projected
to their principal components.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from . import membrane

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]
Indices = NDArray[np.intp]
Sample = TypeVar("Sample", bound=np.generic)

RADIUS = 3
SIDE = 2 * RADIUS + 1

_COMPONENTS = 24
_SAMPLES = 2500
# How much less a patch's word counts for each pixel farther from what is known.
_DISTRUST = 1.3
_MOST_AWAY = 40
_MOST_MISFIT = 8
# The last vote is by fewer patches, so that the fill stays sharp.
_LAST_RADIUS = 2
# So far may a step of the search leave the picture.
_MARGIN = 8
_STEPS = (1, 4)
# Where a rim differs by more than this, an edge was cut: that must not bleed into the hole.
_MOST_CORRECTION = 0.1
_CHUNK = 1 << 16


@dataclass(frozen=True)
class Level:
    """One size of the picture: colours (h, w, 3), hole, and where a whole patch is known."""

    rgb: Floats
    hole: Bools
    source: Bools


class PatchField:
    """For each patch that touches the hole of a level, the patch that it is to look like.

    Pixels are counted along the rows of the level with a margin around it, so that steps of the
    search need no look at the borders.
    """

    def __init__(self, level: Level, rng: np.random.Generator, distance_cost: float) -> None:
        self._rng = rng
        self.level = level
        height, width = level.hole.shape
        self.width = width + 2 * _MARGIN
        reach = cv2.dilate(level.hole.astype(np.uint8), np.ones((SIDE, SIDE), np.uint8)) > 0
        reach[:RADIUS] = reach[-RADIUS:] = reach[:, :RADIUS] = reach[:, -RADIUS:] = False
        self._sources = _padded(level.source).ravel()
        self.places = np.flatnonzero(_padded(reach))
        self.at = np.full(self._sources.size, -1, np.intp)
        self.at[self.places] = np.arange(len(self.places))
        self.holes = np.flatnonzero(_padded(level.hole))
        self._all = np.flatnonzero(self._sources)
        self._colours = np.ascontiguousarray(_padded(level.rgb).reshape(-1, 3))
        away = cv2.distanceTransform(level.hole.astype(np.uint8), cv2.DIST_L2, 3)
        away = np.minimum(_padded(away).ravel()[self.places], _MOST_AWAY)
        self._trust = np.asarray(np.float32(_DISTRUST) ** -away, np.float32)
        self.nearest: Indices = np.zeros(len(self.places), np.intp)
        self._error: Floats = np.zeros(len(self.places), np.float32)
        self._span = max(height, width)
        self._cost = np.float32(distance_cost / self._span)
        rows, columns = np.divmod(np.arange(self.at.size), self.width)
        self._rows, self._columns = rows.astype(np.float32), columns.astype(np.float32)

    def begin(self) -> None:
        """The nearest known colours in the hole, and any patch for each."""
        hole = self.level.hole
        _, labels = cv2.distanceTransformWithLabels(
            hole.astype(np.uint8), cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
        )
        colours = np.zeros((int(labels.max()) + 1, 3), np.float32)
        colours[labels[~hole]] = self.level.rgb[~hole]
        self._colours[self.holes] = colours[labels[hole]]
        self.nearest = self._rng.choice(self._all, len(self.places))

    def refine(self, coarse: PatchField) -> None:
        """Take over what was found at half the size, and what it says of the colours."""
        y, x = np.divmod(self.places, self.width)
        y, x = y - _MARGIN, x - _MARGIN
        parent = (y // 2 + _MARGIN) * coarse.width + x // 2 + _MARGIN
        index = coarse.at[parent]
        below_y, below_x = np.divmod(coarse.nearest[index], coarse.width)
        below_y, below_x = 2 * (below_y - _MARGIN) + y % 2, 2 * (below_x - _MARGIN) + x % 2
        height, width = self.level.hole.shape
        below_y, below_x = np.minimum(below_y, height - 1), np.minimum(below_x, width - 1)
        found = (below_y + _MARGIN) * self.width + below_x + _MARGIN
        lost = (index < 0) | ~self._sources[found]
        found[lost] = self._rng.choice(self._all, int(lost.sum()))
        self.nearest = found
        # Those that lost theirs take a neighbour's before the first vote.
        self._adopt(lost)
        self.vote(_LAST_RADIUS)

    def _adopt(self, lost: Bools) -> None:
        for _ in range(2 * RADIUS):
            if not lost.any():
                return
            for step in (1, -1, self.width, -self.width):
                at = np.flatnonzero(lost)
                beside = self.at[self.places[at] + step]
                good = (beside >= 0) & ~lost[beside]
                found = self.nearest[beside] - step
                good &= self._sources[found]
                self.nearest[at[good]] = found[good]
                lost[at[good]] = False

    def improve(self, rounds: int, between: Callable[[], None]) -> None:
        """Search and vote in turns."""
        basis = self._basis()
        features = self._features(self._all, basis)
        row = np.zeros(self._sources.size, np.int32)
        row[self._all] = np.arange(len(self._all), dtype=np.int32)
        for number in range(rounds):
            between()
            wanted = self._features(self.places, basis)
            self._error = _misfit(wanted, features, row[self.nearest])
            self._error += self._far(self.places, self.nearest)
            self._search(wanted, features, row)
            self.vote(RADIUS if number + 1 < rounds else _LAST_RADIUS)

    def _search(self, wanted: Floats, features: Floats, row: NDArray[np.int32]) -> None:
        for step in _STEPS:
            for shift in (step, -step, step * self.width, -step * self.width):
                beside = self.at[self.places + shift]
                at = np.flatnonzero(beside >= 0)
                self._keep_better(at, self.nearest[beside[at]] - shift, wanted, features, row)
        height, width = self.level.hole.shape
        reach = self._span // 2
        while reach >= 1:
            y, x = np.divmod(self.nearest, self.width)
            y = y + self._rng.integers(-reach, reach + 1, len(y))
            x = x + self._rng.integers(-reach, reach + 1, len(x))
            y = np.clip(y, _MARGIN, _MARGIN + height - 1)
            x = np.clip(x, _MARGIN, _MARGIN + width - 1)
            self._keep_better(np.arange(len(y)), y * self.width + x, wanted, features, row)
            reach //= 3

    def _keep_better(
        self,
        at: Indices,
        found: Indices,
        wanted: Floats,
        features: Floats,
        row: NDArray[np.int32],
    ) -> None:
        good = self._sources[found] & (found != self.nearest[at])
        at, found = at[good], found[good]
        error = _misfit(wanted[at], features, row[found])
        error += self._far(self.places[at], found)
        better = error < self._error[at]
        self.nearest[at[better]] = found[better]
        self._error[at[better]] = error[better]

    def _far(self, places: Indices, found: Indices) -> Floats:
        """What the way from one to the other costs."""
        y, x = self._rows[places] - self._rows[found], self._columns[places] - self._columns[found]
        away = np.sqrt(y * y + x * x)
        return np.asarray(away * self._cost, np.float32)

    def vote(self, radius: int) -> None:
        """Each pixel of the hole: the mean of what the patches within ``radius`` say of it."""
        colours, weights = self._votes(self.holes, radius)
        missed = np.flatnonzero(weights <= 0)
        if len(missed):
            # At the picture's border a pixel is covered only by patches farther inside.
            colours[missed], weights[missed] = self._votes(self.holes[missed], RADIUS)
        covered = weights > 0
        self._colours[self.holes[covered]] = colours[covered]

    def _votes(self, pixels: Indices, radius: int) -> tuple[Floats, Floats]:
        """The mean of what the patches say of ``pixels``, and the weight of their votes."""
        trust = self._trust
        if self._error.any():
            # Patches that fit badly hardly count.
            width = max(float(np.quantile(self._error, 0.75)), 1e-6)
            misfit = np.minimum(self._error / (2 * width), _MOST_MISFIT)
            trust = np.asarray(trust * np.exp(-misfit), np.float32)
        total = np.zeros((len(pixels), 3), np.float32)
        weights = np.zeros(len(pixels), np.float32)
        for dy in range(-radius, radius + 1):
            for dx in range(-radius, radius + 1):
                shift = dy * self.width + dx
                patch = self.at[pixels - shift]
                weight = np.where(patch >= 0, trust[patch], np.float32(0))
                total += weight[:, None] * self._colours[self.nearest[patch] + shift]
                weights += weight
        total /= np.maximum(weights, np.float32(1e-12))[:, None]
        return total, weights

    def _basis(self) -> Floats:
        """Principal components of the known patches, (7 · 7 · 3, components)."""
        count = min(_SAMPLES, len(self._all))
        patches = self._patches(self._rng.choice(self._all, count, replace=False))
        patches = patches - patches.mean(axis=0)
        # OpenCV's products, here and below: NumPy's start threads that spin between small ones.
        _, _, vectors = cv2.eigen(cv2.mulTransposed(patches, True))
        return np.ascontiguousarray(vectors[:_COMPONENTS].T, np.float32)

    def _features(self, places: Indices, basis: Floats) -> Floats:
        made = np.empty((len(places), basis.shape[1]), np.float32)
        for start in range(0, len(places), _CHUNK):
            part = slice(start, start + _CHUNK)
            made[part] = cv2.gemm(self._patches(places[part]), basis, 1, None, 0)
        return made

    def _patches(self, places: Indices) -> Floats:
        """The patches around ``places``, (n, 7 · 7 · 3)."""
        rows = np.lib.stride_tricks.sliding_window_view(self._colours.ravel(), 3 * SIDE)[::3]
        made = np.empty((len(places), SIDE, 3 * SIDE), np.float32)
        for number in range(SIDE):
            made[:, number] = rows[places + (number - RADIUS) * self.width - RADIUS]
        return made.reshape(len(places), -1)

    def result(self) -> Floats:
        """The filled picture, its colours led smoothly into those around the hole."""
        hole = self.level.hole
        rim = (cv2.dilate(hole.astype(np.uint8), np.ones((5, 5), np.uint8)) > 0) & ~hole
        pixels = np.flatnonzero(_padded(rim))
        said, weights = self._votes(pixels, _LAST_RADIUS)
        covered = weights > 0
        wrong = self._colours[pixels] - said
        height, width = hole.shape
        differences = np.zeros((self.at.size, 3), np.float32)
        differences[pixels] = np.clip(wrong, -_MOST_CORRECTION, _MOST_CORRECTION)
        known = np.zeros(self.at.size, np.bool_)
        known[pixels[covered]] = True
        inside = slice(_MARGIN, _MARGIN + height), slice(_MARGIN, _MARGIN + width)
        film = membrane.spread(
            differences.reshape(-1, self.width, 3)[inside], known.reshape(-1, self.width)[inside]
        )
        filled = self.level.rgb.copy()
        colours = self._colours.reshape(-1, self.width, 3)[inside]
        filled[hole] = np.clip(colours[hole] + film[hole], 0, 1)
        return filled


def _misfit(wanted: Floats, features: Floats, rows: NDArray[np.int32]) -> Floats:
    difference = features[rows]
    difference -= wanted
    return np.asarray(np.einsum("nk,nk->n", difference, difference), np.float32)


def _padded(values: NDArray[Sample]) -> NDArray[Sample]:
    """``values`` with zeros around."""
    around = [(_MARGIN, _MARGIN)] * 2 + [(0, 0)] * (values.ndim - 2)
    return np.pad(values, around)
