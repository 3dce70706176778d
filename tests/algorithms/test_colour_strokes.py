"""Spreading colour strokes: the system's solution by a dense solver, and what it is for."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms import chroma, colour_strokes
from shared_core.bridge.errors import Cancelled


def _exact(lightness: Any, colours: Any, coverage: Any) -> NDArray[np.float64]:
    """The colours by Levin's symmetric weights, pixel by pixel and solved densely."""
    height, width = lightness.shape
    padded = np.pad(lightness.astype(np.float64), 1, mode="reflect")
    windows = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    centred = lightness - np.mean(windows, axis=0)
    padded = np.pad(centred * centred, 1, mode="reflect")
    windows = [padded[y : y + height, x : x + width] for y in range(3) for x in range(3)]
    variance = np.mean(windows, axis=0)
    matrix = np.diag(100 * coverage.astype(np.float64).ravel())
    for y in range(height):
        for x in range(width):
            for v, u in ((y, x + 1), (y + 1, x)):
                if v == height or u == width:
                    continue
                spread = max(0.6 * (variance[y, x] + variance[v, u]) / 2, 2e-6)
                weight = max(np.exp(-((lightness[y, x] - lightness[v, u]) ** 2) / spread), 1e-4)
                i, j = y * width + x, v * width + u
                matrix[[i, j], [i, j]] += weight
                matrix[[i, j], [j, i]] -= weight
    target = 100 * (coverage[..., None] * colours).reshape(-1, 2)
    return np.linalg.solve(matrix, target).reshape(height, width, 2)


def _scene(height: int, width: int, strokes: int, seed: int) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    lightness = 0.3 + 0.4 * ((x - width / 2) ** 2 + (y - height / 2) ** 2 < (height / 3) ** 2)
    lightness = (lightness + 0.02 * rng.standard_normal(lightness.shape)).astype(np.float32)
    coverage = np.zeros((height, width), np.float32)
    colours = np.zeros((height, width, 2), np.float32)
    for _ in range(strokes):
        row, column = rng.integers(0, height), rng.integers(0, width)
        coverage[row, column] = rng.uniform(0.1, 1)
        colours[row, column] = rng.uniform(-60, 60, 2)
    return lightness, colours, coverage


@pytest.mark.parametrize(("height", "width", "strokes"), [(40, 44, 30), (37, 51, 3), (9, 30, 1)])
def test_the_solution_is_that_of_the_system(height: int, width: int, strokes: int) -> None:
    scene = _scene(height, width, strokes, height)
    error = np.abs(colour_strokes.spread(*scene) - _exact(*scene))
    assert error.mean() < 0.3
    assert error.max() < 6


def test_colours_fill_regions_and_stop_at_their_edges() -> None:
    lightness = np.full((120, 160), 0.3, np.float32)
    lightness[:, 70:] = 0.7
    coverage = np.zeros_like(lightness)
    colours = np.zeros((120, 160, 2), np.float32)
    coverage[10:14, 5:9] = coverage[100:104, 150:154] = 1
    colours[10:14, 5:9] = (50, 10)
    colours[100:104, 150:154] = (-20, -40)
    made = colour_strokes.spread(lightness, colours, coverage)
    assert np.abs(made[:, :69] - (50, 10)).max() < 3
    assert np.abs(made[:, 71:] - (-20, -40)).max() < 3


@pytest.mark.parametrize("size", [(1, 1), (1, 50), (50, 1), (3, 200), (17, 16)])
def test_one_stroke_colours_everything_whatever_the_size(size: tuple[int, int]) -> None:
    lightness = np.full(size, 0.5, np.float32)
    coverage = np.zeros(size, np.float32)
    colours = np.zeros((*size, 2), np.float32)
    coverage[0, 0] = 0.2
    colours[0, 0] = (30, -10)
    made = colour_strokes.spread(lightness, colours, coverage)
    np.testing.assert_allclose(made, np.broadcast_to((30, -10), made.shape), atol=1)


def test_photograph_gets_its_colours_back_from_a_few_of_them(images: Any) -> None:
    bgr: Any = cv2.imread(str(images / "kodim03.png"))
    rgb = cv2.resize(bgr, (192, 128), interpolation=cv2.INTER_AREA)[..., ::-1] / np.float32(255)
    truth = chroma.chroma(np.ascontiguousarray(rgb))
    rng = np.random.default_rng(5)
    coverage = np.zeros((128, 192), np.float32)
    coverage[rng.integers(0, 128, 250), rng.integers(0, 192, 250)] = 1
    made = colour_strokes.spread(chroma.lightness(rgb), truth * coverage[..., None], coverage)
    error = np.hypot(*(made - truth).transpose(2, 0, 1)).mean()
    assert error < 0.2 * np.hypot(*truth.transpose(2, 0, 1)).mean()


def test_it_can_be_cancelled() -> None:
    def step(done: int, total: int) -> None:
        if done == 2:
            raise Cancelled("Cancelled.")

    with pytest.raises(Cancelled):
        colour_strokes.spread(*_scene(60, 60, 5, 1), step)
