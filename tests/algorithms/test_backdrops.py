"""Backdrops: the subject's palette and place, light and hue, harmony."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from shared_core.algorithms.backdrops import (
    backdrop_colours,
    blurred,
    harmonised,
    muslin,
    studio,
    subject,
)
from shared_core.algorithms.colour_ramps import to_oklab
from shared_core.algorithms.noise_fields import Field, Floats


def _patches() -> tuple[Floats, Floats]:
    """Three colours in known shares, and others that are hidden."""
    rgb = np.zeros((60, 100, 3), np.float32)
    rgb[...] = (0.0, 1.0, 0.0)
    rgb[:, :50] = (0.8, 0.2, 0.1)
    rgb[:, 50:80] = (0.1, 0.2, 0.7)
    rgb[:20, 50:80] = (0.95, 0.9, 0.8)
    alpha = np.zeros((60, 100), np.float32)
    alpha[:, :80] = 1
    return rgb, alpha


def test_the_palette_is_the_visible_colours_by_frequency() -> None:
    found = subject(*_patches())
    assert found is not None
    np.testing.assert_allclose(
        found.palette, [(0.8, 0.2, 0.1), (0.1, 0.2, 0.7), (0.95, 0.9, 0.8)], atol=2e-3
    )
    assert found.centre == pytest.approx((0.4, 0.5), abs=0.02)


def test_alpha_weighs_the_statistics() -> None:
    rgb = np.zeros((2, 2, 3), np.float32)
    rgb[0], rgb[1] = 0.2, 0.8
    alpha = np.array([[1, 1], [0.25, 0.25]], np.float32)
    found = subject(rgb, alpha)
    assert found is not None
    lab = cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab)[:, 0]
    assert found.mean[0] == pytest.approx((lab[0, 0] * 4 + lab[1, 0]) / 5, abs=1e-3)


def test_nothing_visible_is_no_subject() -> None:
    rgb, alpha = _patches()
    assert subject(rgb, alpha * 0) is None


def test_backdrop_colours_set_the_subject_off() -> None:
    for palette, light in (([(0.1, 0.1, 0.15)], True), ([(0.9, 0.9, 0.85)], False)):
        lightness = to_oklab(backdrop_colours(palette, 1.0))[:, 0]
        assert bool(lightness[1] > 0.6) is light
        assert (np.diff(lightness) > 0.05).all()
    grey = np.array(backdrop_colours([(0.9, 0.3, 0.1)], 0.0))
    assert np.ptp(grey, axis=1).max() < 0.01
    warm = backdrop_colours([(0.9, 0.3, 0.1)], 1.0)[1]
    assert warm[0] > warm[2] + 0.05
    chosen = backdrop_colours([(0.9, 0.3, 0.1)], 1.0, [(0.1, 0.6, 0.2)])[1]
    np.testing.assert_allclose(chosen, (0.1, 0.6, 0.2), atol=0.02)


@pytest.mark.parametrize("paint", [studio, muslin])
def test_light_is_behind_the_subject(paint: object) -> None:
    field = Field(200, 120, np.random.Generator(np.random.PCG64(1)))
    made = paint(field, [(0.1, 0.1, 0.1), (0.5, 0.5, 0.5), (0.9, 0.9, 0.9)], (0.3, 0.5))  # type: ignore[operator]
    assert made.shape == (120, 200, 3)
    assert made[45:70, 45:75].mean() > made[:, -20:].mean() + 0.1


def test_blur_leaves_no_detail() -> None:
    noise = np.random.default_rng(1).random((120, 160, 3)).astype(np.float32)
    made = blurred(noise)
    assert made.shape == noise.shape
    assert np.abs(np.diff(made, axis=1)).max() < 0.02
    assert 0.3 < made.mean() < 0.5


def test_harmony_moves_the_means_and_spares_grey() -> None:
    rng = np.random.default_rng(2)
    scene = (0.3 + 0.2 * rng.random((80, 80, 3))).astype(np.float32)
    scene[:10] = 0.5
    own = subject(*_patches())
    assert own is not None
    np.testing.assert_allclose(harmonised(scene, own, 0), scene, atol=2e-3)

    def mean(rgb: Floats) -> np.ndarray:
        return cv2.cvtColor(rgb, cv2.COLOR_RGB2Lab).reshape(-1, 3).mean(axis=0)

    before, after = mean(scene), mean(harmonised(scene, own, 1))
    np.testing.assert_allclose(after[1:], own.mean[1:], atol=3)
    assert after[0] == pytest.approx((before[0] + own.mean[0]) / 2, abs=2)
    half = mean(harmonised(scene, own, 0.5))
    np.testing.assert_allclose(half, (before + after) / 2, atol=2)
