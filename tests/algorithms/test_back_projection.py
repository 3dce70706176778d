"""Classical enlarging: faithful to its source, without ringing, better than Lanczos."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared_core.algorithms.back_projection import RADIUS, enlarge

Floats = NDArray[np.float32]
FOUR = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")
OTHERS = ("kodim01.png", "kodim02.png", "kodim03.png", "kodim04.png")


def _noise(height: int, width: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)


def _scene(side: int = 64) -> Floats:
    """A slanted line, a disc and a soft gradient."""
    picture = np.full((side, side, 3), 40, np.uint8)
    cv2.line(picture, (5, 50), (58, 12), (230, 200, 90), 3, cv2.LINE_AA)
    cv2.circle(picture, (20, 20), 11, (90, 30, 210), -1, cv2.LINE_AA)
    ramp = np.linspace(0, 40, side, dtype=np.float32)
    return np.asarray((picture + ramp[None, :, None]) / 255, np.float32)


def _psnr(one: NDArray[Any], other: NDArray[Any]) -> float:
    return float(-10 * np.log10(np.mean((one.astype(np.float64) - other) ** 2)))


@pytest.mark.parametrize("factor", [2, 4])
def test_a_flat_picture_stays_flat(factor: int) -> None:
    flat = np.full((9, 7, 3), 0.3, np.float32)
    np.testing.assert_allclose(enlarge(flat, factor), 0.3, atol=1e-6)


@pytest.mark.parametrize("factor", [2, 4])
def test_shrinking_by_area_gives_the_source_back(factor: int) -> None:
    scene = _scene()
    height, width = scene.shape[:2]
    large = enlarge(scene, factor)
    cubic = cv2.resize(scene, None, fx=factor, fy=factor, interpolation=cv2.INTER_CUBIC)

    def error(result: Floats) -> float:
        # The mean of each block of factor x factor pixels.
        back = result.reshape(height, factor, width, factor, 3).mean(axis=(1, 3))
        return float(np.abs(back - scene).mean())

    assert error(large) < 0.0015
    assert error(large) < 0.5 * error(np.asarray(cubic, np.float32))


@pytest.mark.parametrize("factor", [2, 4])
def test_nothing_rings(factor: int) -> None:
    noise = _noise(20, 30)
    large = enlarge(noise, factor)
    p = np.pad(noise, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = np.stack([p[y : y + 20, x : x + 30] for y in range(3) for x in range(3)])
    blocks = large.reshape(20, factor, 30, factor, 3)
    # Each result pixel mixes the ranges of two source pixels next to each other each way.
    widest = np.pad(around, ((0, 0), (1, 1), (1, 1), (0, 0)), mode="edge")
    low = np.min([widest[:, y : y + 20, x : x + 30] for y in range(3) for x in range(3)], (0, 1))
    high = np.max([widest[:, y : y + 20, x : x + 30] for y in range(3) for x in range(3)], (0, 1))
    assert (blocks >= low[:, None, :, None] - 1e-6).all()
    assert (blocks <= high[:, None, :, None] + 1e-6).all()


@pytest.mark.parametrize("factor", [2, 4])
def test_a_step_has_no_halo_where_lanczos_has_one(factor: int) -> None:
    step = np.full((12, 24, 3), 0.2, np.float32)
    step[:, 12:] = 0.8
    large = enlarge(step, factor)
    lanczos = cv2.resize(step, None, fx=factor, fy=factor, interpolation=cv2.INTER_LANCZOS4)
    assert lanczos.max() > 0.82
    assert large.max() <= 0.8 + 1e-6
    assert large.min() >= 0.2 - 1e-6
    assert (np.diff(large, axis=1) >= -1e-6).all()


@pytest.mark.parametrize("factor", [2, 4])
def test_what_lies_beyond_the_radius_does_not_count(factor: int) -> None:
    noise = _noise(70, 70)
    whole = enlarge(noise, factor)
    inner = slice(30 - RADIUS, 40 + RADIUS)
    cut = slice(RADIUS * factor, -RADIUS * factor)
    part = enlarge(noise[inner, inner], factor)[cut, cut]
    place = slice(30 * factor, 40 * factor)
    np.testing.assert_allclose(part, whole[place, place], atol=1e-4)


def test_one_channel_is_treated_as_three_equal_ones() -> None:
    grey = _scene()[..., 0]
    three = enlarge(np.repeat(grey[..., None], 3, axis=2), 2)
    np.testing.assert_allclose(enlarge(grey, 2), three[..., 1], atol=1e-5)


@settings(max_examples=30, deadline=None)
@given(
    height=st.integers(1, 20),
    width=st.integers(1, 20),
    factor=st.sampled_from([2, 4]),
    seed=st.integers(0, 99),
)
def test_any_size(height: int, width: int, factor: int, seed: int) -> None:
    large = enlarge(_noise(height, width, seed), factor)
    assert large.shape == (factor * height, factor * width, 3)
    assert large.dtype == np.float32
    assert np.isfinite(large).all()
    assert large.min() >= 0
    assert large.max() <= 1


@pytest.mark.parametrize(("factor", "gain"), [(2, 0.5), (4, 0.33)])
def test_photographs_come_back_better_than_by_lanczos(
    images: Path, factor: int, gain: float
) -> None:
    gains = []
    for name in FOUR + OTHERS:
        photo = cv2.imread(str(images / name), cv2.IMREAD_COLOR)
        assert photo is not None
        height, width = (side // factor * factor for side in photo.shape[:2])
        photo = photo[:height, :width] / np.float32(255)
        small = cv2.resize(photo, None, fx=1 / factor, fy=1 / factor, interpolation=cv2.INTER_AREA)
        size = (width, height)
        lanczos = np.clip(cv2.resize(small, size, interpolation=cv2.INTER_LANCZOS4), 0, 1)
        gains.append(_psnr(enlarge(small, factor), photo) - _psnr(lanczos, photo))
    assert min(gains) > 0.05
    assert np.mean(gains) > gain
