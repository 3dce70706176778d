"""The guided filter against its definition, window by window."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms.guided_filter import apply_model, guided_filter, linear_model, solved

Doubles = NDArray[np.float64]


def _by_definition(guide: Doubles, source: Doubles, radius: int, epsilon: float) -> Doubles:
    """A ridge regression in each window, then the mean of all windows' models at each pixel."""
    height, width = source.shape
    pad = ((radius, radius), (radius, radius))
    wide, values = np.pad(guide, (*pad, (0, 0)), "symmetric"), np.pad(source, pad, "symmetric")
    side = 2 * radius + 1
    models = np.empty((height, width, 4))
    for y in range(height):
        for x in range(width):
            colours = wide[y : y + side, x : x + side].reshape(-1, 3)
            wanted = values[y : y + side, x : x + side].ravel()
            centred = colours - colours.mean(axis=0)
            matrix = centred.T @ centred / len(wanted) + epsilon * np.eye(3)
            slope = np.linalg.solve(matrix, centred.T @ (wanted - wanted.mean()) / len(wanted))
            models[y, x] = *slope, wanted.mean() - slope @ colours.mean(axis=0)
    around = np.pad(models, (*pad, (0, 0)), "symmetric")
    mean = (
        sum(around[y : y + height, x : x + width] for y in range(side) for x in range(side))
        / side**2
    )
    return (mean[..., :3] * guide).sum(axis=2) + mean[..., 3]


def _pictures(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rng = np.random.default_rng(1)
    guide = np.clip(0.2 * rng.standard_normal((height, width, 3)) + 0.5, 0, 1)
    guide[:, width // 2 :] *= 0.4
    return guide.astype(np.float32), rng.random((height, width)).astype(np.float32)


@pytest.mark.parametrize("epsilon", [1e-2, 1e-4])
def test_it_is_what_its_definition_says(epsilon: float) -> None:
    guide, source = _pictures(18, 23)
    expected = _by_definition(guide.astype(float), source.astype(float), 2, epsilon)
    assert np.abs(guided_filter(guide, source, 2, epsilon) - expected).max() < 1e-4


def test_channels_are_filtered_each_for_itself() -> None:
    guide, one = _pictures(20, 30)
    both = np.dstack([one, 1 - one])
    filtered = guided_filter(guide, both, 3, 1e-3)
    assert np.abs(filtered[..., 0] - guided_filter(guide, one, 3, 1e-3)).max() < 1e-6
    assert np.abs(filtered.sum(axis=2) - 1).max() < 1e-4


def test_a_coarse_plane_is_enlarged_along_the_edges_of_the_guide() -> None:
    y, x = np.mgrid[:160, :200]
    sharp = (np.hypot(x - 90, y - 80) < 50).astype(np.float32)
    guide = np.dstack([0.2 + 0.6 * sharp, 0.5 + 0.1 * sharp, 0.8 - 0.3 * sharp])
    coarse = sharp[::8, ::8].repeat(8, axis=0).repeat(8, axis=1)
    filtered = guided_filter(guide, coarse, 16, 1e-4, subsample=4)
    band = np.abs(cv2.blur(sharp, (5, 5)) - 0.5) < 0.49
    assert np.abs(filtered - sharp)[band].mean() < 0.8 * np.abs(coarse - sharp)[band].mean()


def test_strips_of_an_enlarged_model_join() -> None:
    guide, source = _pictures(100, 120)
    model = linear_model(guide[::4, ::4], source[::4, ::4], 3, 1e-3)
    whole = apply_model(model, guide)
    strips = [apply_model(model, guide[top : top + 7], top, 100) for top in range(0, 100, 7)]
    assert np.abs(np.vstack(strips) - whole).max() < 1e-6


def test_flat_pictures_and_tiny_ones_give_numbers() -> None:
    flat = np.full((9, 7, 3), 0.25, np.float32)
    plane = np.linspace(0, 1, 63, dtype=np.float32).reshape(9, 7)
    for size in (slice(0, 1), slice(0, 9)):
        filtered = guided_filter(flat[size], plane[size], 8, 1e-5, subsample=4)
        assert np.isfinite(filtered).all()
        assert -0.01 <= filtered.min() <= filtered.max() <= 1.01


def test_the_solver_equals_numpy() -> None:
    rng = np.random.default_rng(2)
    root = rng.normal(size=(4, 5, 3, 3))
    matrix, right = root @ root.transpose(0, 1, 3, 2), rng.normal(size=(4, 5, 3))
    planes = [[matrix[..., i, j].astype(np.float32) for j in range(3)] for i in range(3)]
    found = solved(planes, right.astype(np.float32), np.float32(0.1))
    expected = np.linalg.solve(matrix + 0.1 * np.eye(3), right[..., None])[..., 0]
    assert np.abs(found - expected).max() < 1e-3
