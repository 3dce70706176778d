"""Fitting a picture over a rectangle: the middle, no distortion, the same in parts as at once."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared_core.algorithms.fitting import Cover

Floats = NDArray[np.float32]


def _noise(height: int, width: int, seed: int = 1) -> Floats:
    return np.random.default_rng(seed).random((height, width, 3)).astype(np.float32)


def _smooth(height: int, width: int) -> Floats:
    y, x = np.mgrid[:height, :width].astype(np.float32)
    waves = [np.sin(x / 17 + y / 29), np.cos(x / 23), np.sin(y / 19)]
    return (0.5 + 0.4 * np.dstack(waves)).astype(np.float32)


def test_the_same_size_is_the_identity() -> None:
    picture = _noise(40, 60)
    np.testing.assert_array_equal(Cover(picture, 60, 40).part(0, 0, 60, 40), picture)


def test_places_are_those_of_the_scale_about_the_middle() -> None:
    y, x = np.mgrid[:100, :100].astype(np.float32) + 0.5
    made = Cover(np.dstack([x, y, x * 0]), 300, 150).part(0, 0, 300, 150)
    inner = made[20:-20, 20:-20]
    wide, high = np.meshgrid(np.arange(300) + 0.5, np.arange(150) + 0.5)
    np.testing.assert_allclose(inner[..., 0], (wide / 3)[20:-20, 20:-20], atol=1e-3)
    np.testing.assert_allclose(inner[..., 1], (25 + high / 3)[20:-20, 20:-20], atol=1e-3)


@pytest.mark.parametrize("factor", [2, 3, 5])
def test_enlarging_equals_cubic_interpolation(factor: int) -> None:
    picture = _smooth(60, 60)
    side = 60 * factor
    made = Cover(picture, side, side).part(0, 0, side, side)
    # OpenCV's cubic filter has another parameter, which differs little where all is smooth.
    wanted = cv2.resize(picture, (side, side), interpolation=cv2.INTER_CUBIC)
    assert np.abs(made - wanted).max() < 0.02


def test_shrinking_averages() -> None:
    checks = np.indices((128, 128)).sum(axis=0) % 2
    picture = np.repeat(checks[..., None].astype(np.float32), 3, axis=2)
    made = Cover(picture, 16, 16).part(0, 0, 16, 16)
    np.testing.assert_allclose(made, 0.5, atol=0.02)


@settings(max_examples=40, deadline=None)
@given(
    size=st.tuples(st.integers(1, 60), st.integers(1, 60)),
    place=st.tuples(st.integers(1, 200), st.integers(1, 200)),
    cuts=st.tuples(st.integers(0, 199), st.integers(0, 199)),
)
def test_parts_make_the_whole(
    size: tuple[int, int], place: tuple[int, int], cuts: tuple[int, int]
) -> None:
    width, height = place
    across, down = min(cuts[0], width - 1), min(cuts[1], height - 1)
    cover = Cover(_noise(*size), width, height)
    whole = cover.part(0, 0, width, height)
    assert whole.shape == (height, width, 3)
    assert np.isfinite(whole).all()
    np.testing.assert_allclose(
        cover.part(across, down, width - across, height - down), whole[down:, across:], atol=1e-5
    )


def test_a_flat_picture_stays_flat() -> None:
    flat = np.full((30, 30, 3), 0.3, np.float32)
    for width, height in ((1, 500), (500, 1), (7, 7), (333, 100)):
        np.testing.assert_allclose(
            Cover(flat, width, height).part(0, 0, width, height), 0.3, atol=1e-6
        )
