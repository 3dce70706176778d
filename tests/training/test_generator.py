"""Generated pictures are the same for the same seed, differ among each other, and look natural."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from training import evaluation, pictures, textures


@pytest.fixture(scope="module")
def some() -> np.ndarray:
    return pictures.pictures(np.random.default_rng(4), 4)


@pytest.fixture(scope="module")
def fibrous() -> np.ndarray:
    return pictures.pictures(np.random.default_rng(6), 6, "fibres")


def test_the_seed_decides(some: np.ndarray):
    assert some.shape == (4, textures.SIDE, textures.SIDE, 3) and some.dtype == np.uint8
    again = pictures.pictures(np.random.default_rng(4), 4)
    np.testing.assert_array_equal(some, again)
    assert len({picture.tobytes() for picture in some}) == 4


def test_the_seed_decides_about_fibres(fibrous: np.ndarray):
    again = pictures.pictures(np.random.default_rng(6), 6, "fibres")
    np.testing.assert_array_equal(fibrous, again)
    assert len({picture.tobytes() for picture in fibrous}) == 6


def test_fibres_share_their_direction_with_their_neighbours(some: np.ndarray, fibrous: np.ndarray):
    """The structure tensor is more coherent than in pictures of leaves."""

    def coherence(picture: np.ndarray) -> float:
        down, across = np.gradient(picture.mean(2))
        parts = [cv2.GaussianBlur(one, (0, 0), 4) for one in (across**2, down**2, across * down)]
        length = np.hypot(parts[0] - parts[1], 2 * parts[2])
        return float(length.sum() / (parts[0] + parts[1]).sum())

    assert np.mean([coherence(one) for one in fibrous]) > 0.1 + np.mean(
        [coherence(one) for one in some]
    )


def test_none_is_empty(some: np.ndarray, fibrous: np.ndarray):
    for picture in (*some, *fibrous):
        assert picture.std() > 5
        assert len(np.unique(picture)) > 30


def test_colours_vary_together_as_in_photographs(some: np.ndarray):
    shares = []
    for picture in some:
        values = np.linalg.eigvalsh(np.cov(picture.reshape(-1, 3).T.astype(float)))
        shares.append(values[-1] / values.sum())
    assert np.mean(shares) > 0.6


@pytest.mark.parametrize("kind", textures._KINDS)
def test_textures_repeat_without_a_seam(kind):
    field = textures.normal(kind(np.random.default_rng(8)))
    assert field.shape == (textures.SIDE, textures.SIDE)
    assert abs(field.mean()) < 0.2 and 0.5 < field.std() < 1.1
    assert np.isfinite(field).all()


def test_kernels_for_the_evaluation_keep_the_light():
    for name, kernel in evaluation.BLURS.items():
        assert kernel.sum() == pytest.approx(1, abs=1e-5), name
        assert kernel.shape[0] % 2 == 1 and (kernel >= 0).all()
        rows, columns = np.indices(kernel.shape) - kernel.shape[0] // 2
        assert abs((kernel * rows).sum()) < 0.05 and abs((kernel * columns).sum()) < 0.05


def test_a_cascade_is_sparse_as_photographs_are():
    """Its differences of neighbours have heavier tails than those of Gaussian noise (3)."""
    found = []
    for seed in range(4):
        field = textures.cascade(np.random.default_rng(seed))
        assert field.mean() == pytest.approx(0, abs=0.05)
        assert field.std() == pytest.approx(1, abs=0.2)
        steps = np.diff(field, axis=1)
        found.append((steps**4).mean() / (steps**2).mean() ** 2)
    assert min(found) > 3.2 and np.median(found) > 4


def test_buildings_stand_straight():
    rng = np.random.default_rng(5)
    flat = np.full((256, 256, 3), 128, np.uint8)
    built = [pictures.with_buildings(rng, flat) for _ in range(16)]
    assert all(one.shape == flat.shape and one.dtype == np.uint8 for one in built)
    down, across = np.abs(np.gradient(np.float64(built).mean(3), axis=(1, 2)))
    edges = np.hypot(down, across) > 5
    aslant = np.minimum(down, across) > 0.25 * np.maximum(down, across)
    assert aslant[edges].mean() < 0.4
