"""The classical denoiser and its noise estimate: how good, how local, and safe at any size."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared_core.algorithms.clipped_noise import unclip
from shared_core.algorithms.dct_denoise import RADIUS, denoise
from shared_core.algorithms.noise import estimate_sigma

Floats = NDArray[np.float32]

PHOTOGRAPHS = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


def _photograph(images: Path, name: str) -> Floats:
    bgr = cv2.imread(str(images / name), cv2.IMREAD_COLOR)
    assert bgr is not None, name
    return cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB).astype(np.float32) / 255


def _noisy(rgb: Floats, sigma: float, seed: int = 0) -> Floats:
    noise = np.random.default_rng(seed).standard_normal(rgb.shape)
    return np.clip(rgb + noise * (sigma / 255), 0, 1).astype(np.float32)


def _psnr(one: Floats, other: Floats) -> float:
    return float(-10 * np.log10(np.mean((one.astype(np.float64) - other) ** 2)))


def _scene(height: int = 256, width: int = 320) -> Floats:
    """Slopes, a disc with a hard edge, coloured stripes and a black corner."""
    y, x = np.mgrid[:height, :width].astype(np.float32)
    rgb = np.stack([0.3 + 0.4 * x / width, 0.7 - 0.4 * y / height, np.full_like(x, 0.5)], axis=2)
    rgb[(y - 120) ** 2 + (x - 220) ** 2 < 60**2] = (0.9, 0.3, 0.2)
    stripes = 0.15 * np.sin(x[:, :100] * 0.7 + y[:, :100] * 0.2)
    rgb[:, :100] += stripes[..., None] * np.array([1.0, 0.8, 0.3], np.float32)
    rgb[:70, 250:] = 0
    return np.clip(rgb, 0, 1).astype(np.float32)


def test_noise_of_a_drawn_scene_is_removed() -> None:
    scene = _scene()
    noisy = _noisy(scene, 25)
    assert _psnr(noisy, scene) < 21.5
    assert _psnr(denoise(noisy, 25), scene) > 34


def test_four_photographs_at_sigma_25(images: Path) -> None:
    scores = []
    for seed, name in enumerate(PHOTOGRAPHS):
        clean = _photograph(images, name)
        scores.append(_psnr(denoise(_noisy(clean, 25, seed), 25), clean))
    # The floor is 29.6; 31.6 was measured, and less than 31 would be a step back.
    assert np.mean(scores) >= 31.0, scores
    assert min(scores) >= 29.6, scores


def test_a_measured_noise_level_does_as_well_as_the_true_one(images: Path) -> None:
    clean = _photograph(images, "chelsea.png")
    noisy = _noisy(clean, 15)
    given_level = _psnr(denoise(noisy, 15), clean)
    assert _psnr(denoise(noisy, estimate_sigma(noisy)), clean) > given_level - 0.1


def test_sigma_zero_is_the_identity() -> None:
    picture = np.random.default_rng(1).random((33, 47, 3)).astype(np.float32)
    before = picture.copy()
    np.testing.assert_array_equal(denoise(picture, 0), picture)
    denoise(picture, 20)
    np.testing.assert_array_equal(picture, before)


def test_a_flat_picture_keeps_its_colour() -> None:
    flat = np.full((50, 70, 3), (0.02, 0.5, 1), np.float32)
    np.testing.assert_allclose(denoise(flat, 50), flat, atol=1e-5)


@pytest.mark.parametrize("sigma", [5.0, 25.0])
def test_more_detail_keeps_more_of_the_noisy_picture(sigma: float) -> None:
    scene = _scene(128, 160)
    noisy = _noisy(scene, sigma)
    removed = [
        float(np.mean((denoise(noisy, sigma, detail) - noisy) ** 2))
        for detail in (0, 0.25, 0.5, 0.75, 1)
    ]
    assert all(more > less for more, less in itertools.pairwise(removed)), removed


def test_full_detail_brings_no_coloured_noise_back() -> None:
    grey = np.full((128, 128, 3), 0.5, np.float32)
    noisy = _noisy(grey, 25)

    def colour(rgb: Floats) -> float:
        return float((rgb[..., 0] - rgb[..., 2]).std())

    assert colour(denoise(noisy, 25, 1)) < 0.1 * colour(noisy)


def test_black_stays_black_under_clipped_noise() -> None:
    black = np.zeros((96, 96, 3), np.float32)
    noisy = _noisy(black, 25)
    assert noisy.mean() > 0.03
    assert denoise(noisy, 25).mean() < 0.008


def test_dark_areas_without_noise_are_not_darkened() -> None:
    dark = np.full((40, 40, 3), 0.03, np.float32)
    noisy = dark.copy()
    noisy[0, 0] = 0
    np.testing.assert_allclose(unclip(dark, noisy, 0.1)[10:, 10:], dark[10:, 10:])


def test_a_grey_picture_stays_grey_and_is_denoised_at_the_given_level() -> None:
    scene = np.repeat(_scene().mean(axis=2, keepdims=True), 3, axis=2)
    noise = np.random.default_rng(3).standard_normal(scene.shape[:2])[..., None]
    noisy = np.clip(scene + noise * (25 / 255), 0, 1).astype(np.float32)
    clean = denoise(noisy, 25)
    np.testing.assert_array_equal(clean[..., 0], clean[..., 2])
    assert _psnr(clean, scene) > _psnr(noisy, scene) + 11


@pytest.mark.parametrize("place", [(0, 0), (8, 24), (104, 0), (56, 136)])
def test_a_tile_gives_what_the_whole_picture_gives(place: tuple[int, int]) -> None:
    noisy = _noisy(_scene(), 25)
    height, width = noisy.shape[:2]
    top, left = place
    bottom, right = min(height, top + 152), min(width, left + 150)
    tile = denoise(noisy[top:bottom, left:right], 25)
    # The picture's own edges are edges of the tile too; all others are inside the picture.
    inside = (
        slice(top + RADIUS if top else 0, bottom if bottom == height else bottom - RADIUS),
        slice(left + RADIUS if left else 0, right if right == width else right - RADIUS),
    )
    part = tile[inside[0].start - top : inside[0].stop - top]
    part = part[:, inside[1].start - left : inside[1].stop - left]
    np.testing.assert_allclose(part, denoise(noisy, 25)[inside], atol=1e-4)


def test_one_thread_gives_what_many_give() -> None:
    noisy = _noisy(_scene(), 25)
    threads = cv2.getNumThreads()
    many = denoise(noisy, 25)
    try:
        cv2.setNumThreads(1)
        np.testing.assert_allclose(denoise(noisy, 25), many, atol=1e-5)
    finally:
        cv2.setNumThreads(threads)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    sigma=st.one_of(st.floats(0, 75), st.sampled_from([1e-30, 1e-4, 0.01])),
    detail=st.floats(0, 1),
    seed=st.integers(0, 99),
)
def test_any_size_and_strength(
    height: int, width: int, sigma: float, detail: float, seed: int
) -> None:
    picture = np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)
    clean = denoise(picture, sigma, detail)
    assert clean.shape == picture.shape
    assert clean.dtype == np.float32
    assert np.isfinite(clean).all()
    assert clean.min() >= 0
    assert clean.max() <= 1
    assert 0 <= estimate_sigma(picture) <= 75


def test_values_that_are_not_finite_do_not_spread() -> None:
    picture = np.full((32, 32, 3), 0.5, np.float32)
    picture[3, 4] = np.nan
    picture[20, 9] = np.inf
    assert np.isfinite(denoise(picture, 20)).all()


@pytest.mark.parametrize("sigma", [2.0, 5.0, 10.0, 15.0, 25.0, 50.0])
def test_the_noise_of_photographs_is_measured(images: Path, sigma: float) -> None:
    for seed, name in enumerate(("astronaut.png", "kodim01.png", "kodim03.png", "rocket.jpg")):
        measured = estimate_sigma(_noisy(_photograph(images, name), sigma, seed))
        assert abs(measured - sigma) < 1.5 + 0.04 * sigma, name


def test_clean_photographs_do_not_look_noisy(images: Path) -> None:
    for name in ("astronaut.png", "kodim01.png", "kodim02.png", "kodim03.png", "kodim04.png"):
        assert estimate_sigma(_photograph(images, name)) < 3, name


@pytest.mark.parametrize(
    "picture",
    [
        np.zeros((1, 1, 3), np.float32),
        np.random.default_rng(0).random((1, 300, 3)).astype(np.float32),
        np.random.default_rng(0).random((300, 1, 3)).astype(np.float32),
        np.zeros((200, 200, 3), np.float32),
        np.ones((200, 200, 3), np.float32),
        np.full((200, 200, 3), np.nan, np.float32),
        np.repeat(np.linspace(0, 1, 200, dtype=np.float32)[None, :, None], 90, 0).repeat(3, 2),
    ],
    ids=["one pixel", "one row", "one column", "black", "white", "not finite", "slope"],
)
def test_no_noise_where_there_is_none_to_measure(picture: Floats) -> None:
    assert estimate_sigma(picture) == 0


@pytest.mark.parametrize("level", [0.5, 0.03, 0.98])
def test_the_noise_of_a_flat_picture_is_measured_also_where_it_is_clipped(level: float) -> None:
    noisy = _noisy(np.full((200, 200, 3), level, np.float32), 10)
    assert estimate_sigma(noisy) == pytest.approx(10, rel=0.15)


def test_grey_noise_is_measured_as_that_of_one_channel() -> None:
    noise = np.random.default_rng(5).standard_normal((200, 200, 1)) * (12 / 255)
    picture = np.repeat(0.5 + noise, 3, axis=2).astype(np.float32)
    assert estimate_sigma(picture) == pytest.approx(12, rel=0.05)


def test_smooth_fills_beside_a_noisy_picture_do_not_hide_its_noise() -> None:
    picture = _noisy(_scene(), 12)
    picture[:, :200] = np.linspace(0.2, 0.8, 200, dtype=np.float32)[None, :, None]
    assert estimate_sigma(picture) == pytest.approx(12, rel=0.15)


def test_dithering_is_not_noise() -> None:
    checks = (np.indices((200, 200)).sum(axis=0) % 2).astype(np.float32)
    picture = np.repeat(0.3 + 0.4 * checks[..., None], 3, axis=2).astype(np.float32)
    assert estimate_sigma(picture) < 1
