"""What the search for a subject finds, leaves out, and makes of pictures that have none."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms.subject import find_subject, saliency

Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def _scene(height: int = 260, width: int = 380) -> tuple[Floats, Mask]:
    """A yellow figure that stands on the foot of the picture, before a slope of blue and grain."""
    y, x = np.mgrid[:height, :width]
    rgb = np.stack([0.25 + y / 1500, 0.35 + x / 2000, 0.6 - y / 2000], axis=2)
    body = (np.abs(x - 0.5 * width) < 0.13 * width) & (y > 0.5 * height)
    figure = body | (np.hypot(x - 0.5 * width, y - 0.4 * height) < 0.14 * height)
    rgb[figure] = (0.85, 0.7, 0.2)
    rgb += 0.02 * np.random.default_rng(0).standard_normal(rgb.shape)
    return np.clip(rgb, 0, 1).astype(np.float32), figure


def _overlap(matte: Floats, truth: Mask) -> float:
    return float(np.minimum(matte, truth).sum() / np.maximum(matte, truth).sum())


def test_a_figure_on_the_foot_of_the_picture_is_found() -> None:
    rgb, figure = _scene()
    found = find_subject(rgb)
    assert found.found
    assert _overlap(found.matte, figure) > 0.95


def test_it_stands_out() -> None:
    rgb, figure = _scene()
    score = saliency((rgb * 255).astype(np.uint8))
    assert score[figure].mean() > 4 * score[~figure].mean()


def test_transparent_pixels_are_no_subject_and_teach_no_colours() -> None:
    rgb, figure = _scene()
    visible = np.ones(figure.shape, bool)
    visible[:, :190] = False
    found = find_subject(rgb, visible)
    assert not (found.matte[:, :186] > 0).any()
    assert _overlap(found.matte, figure & visible) > 0.85


def test_a_hint_says_which_of_two_things() -> None:
    rgb, _ = _scene()
    rgb[40:90, 30:90] = (0.7, 0.1, 0.1)
    hint = np.zeros(rgb.shape[:2], bool)
    hint[20:110, 10:120] = True
    truth = np.zeros_like(hint)
    truth[40:90, 30:90] = True
    found = find_subject(rgb, None, hint)
    assert found.found
    assert _overlap(found.matte, truth) > 0.9


@pytest.mark.parametrize("shape", [(90, 120), (1, 1), (2, 500), (400, 3)])
def test_a_picture_of_one_colour_gives_its_middle(shape: tuple[int, int]) -> None:
    found = find_subject(np.full((*shape, 3), 0.7, np.float32))
    assert not found.found
    assert found.matte.shape == shape
    if min(shape) > 10:
        assert 0.2 < found.matte.mean() < 0.6


@pytest.mark.parametrize("seed", range(6))
def test_noise_gives_something_but_not_everything(seed: int) -> None:
    noise = np.random.default_rng(seed).random((120, 160, 3), np.float32)
    matte = find_subject(cv2.GaussianBlur(noise, (0, 0), 1 + seed)).matte
    assert 0.003 < matte.mean() < 0.92


def test_the_same_picture_gives_the_same_subject() -> None:
    rgb, _ = _scene()
    assert np.array_equal(find_subject(rgb).matte, find_subject(rgb).matte)
