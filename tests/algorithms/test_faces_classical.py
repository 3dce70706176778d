"""Alignment, pasting and the classical detail of faces: by other means, and their limits."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.algorithms import face_detail, face_paste
from shared_core.algorithms.alignment import FFHQ_512, between_pixels, similarity, transformed
from shared_core.algorithms.face_paste import PlacedFace


@settings(max_examples=50, deadline=None)
@given(
    turn=st.floats(-180, 180),
    scale=st.floats(0.05, 20),
    x=st.floats(-3000, 3000),
    y=st.floats(-3000, 3000),
    jitter=st.integers(0, 2**32 - 1),
)
def test_similarity_equals_opencvs(
    turn: float, scale: float, x: float, y: float, jitter: int
) -> None:
    rough = cv2.getRotationMatrix2D((0, 0), turn, scale)
    rough[:, 2] += (x, y)
    points = transformed(np.array(FFHQ_512), rough)
    points += np.random.default_rng(jitter).normal(0, 4 * scale, points.shape)
    mine = similarity([(a, b) for a, b in points], FFHQ_512)
    assert mine is not None
    theirs, _ = cv2.estimateAffinePartial2D(
        points, np.array(FFHQ_512), ransacReprojThreshold=1000.0, refineIters=100
    )
    square = np.array([[0, 0], [512, 0], [0, 512], [512, 512]], np.float64)
    there = transformed(square, cv2.invertAffineTransform(mine))
    np.testing.assert_allclose(transformed(there, theirs), square, atol=0.5)


def test_points_in_one_place_have_no_alignment() -> None:
    assert similarity([(5.0, 7.0)] * 5, FFHQ_512) is None


@pytest.mark.parametrize("step", [1, 3])
def test_between_pixels_starts_from_a_reduced_part(step: int) -> None:
    matrix = np.array([[0.8, -0.3, 20.0], [0.3, 0.8, -7.0]])
    found = between_pixels(matrix, 40, 60, step) @ (5, 9, 1)
    place = np.array([40 + 5.5 * step, 60 + 9.5 * step])
    np.testing.assert_allclose(found, matrix[:, :2] @ place + matrix[:, 2] - 0.5)


def _matrix(side: float, left: float, top: float) -> np.ndarray:
    scale = 512 / side
    return np.array([[scale, 0, -left * scale], [0, scale, -top * scale]])


def test_in_the_middle_of_a_face_it_is_all_new_and_outside_nothing() -> None:
    rgb = np.full((300, 400, 3), 0.25, np.float32)
    face = PlacedFace(_matrix(160, 100, 80), 100, 80, np.full((160, 160, 3), 0.75, np.float32))
    made = face_paste.blended(rgb, 0, 0, [face], 1.0)
    np.testing.assert_allclose(made[115:205, 135:225], 0.75, atol=1e-6)
    outside = np.ones((300, 400), bool)
    outside[85:235, 105:255] = False
    assert (made[outside] == 0.25).all()
    assert np.abs(np.diff(made[..., 0], axis=1)).max() < 0.05
    half = face_paste.blended(rgb, 0, 0, [face], 0.5)
    np.testing.assert_allclose(half - rgb, (made - rgb) / 2, atol=1e-6)


def test_overlapping_faces_in_any_order_without_a_step() -> None:
    rgb = np.full((300, 500, 3), 0.5, np.float32)
    one = PlacedFace(_matrix(200, 60, 50), 60, 50, np.full((200, 200, 3), 0.2, np.float32))
    two = PlacedFace(_matrix(200, 160, 40), 160, 40, np.full((200, 200, 3), 0.9, np.float32))
    made = face_paste.blended(rgb, 0, 0, [one, two], 1.0)
    np.testing.assert_allclose(made, face_paste.blended(rgb, 0, 0, [two, one], 1.0), atol=1e-6)
    # Each has its way in its own middle.
    assert abs(made[150, 140, 0] - 0.2) < 0.02
    assert abs(made[140, 280, 0] - 0.9) < 0.02
    for axis in (0, 1):
        assert np.abs(np.diff(made[..., 0], axis=axis)).max() < 0.08


def test_in_parts_as_in_one() -> None:
    rng = np.random.default_rng(0)
    rgb = rng.random((240, 260, 3)).astype(np.float32)
    faces = [rng.random((512, 512, 3)).astype(np.float32) for _ in range(2)]
    smooth = [np.asarray(cv2.GaussianBlur(face, (0, 0), 5), np.float32) for face in faces]
    for side in (90, 180, 700):
        patch = face_paste.make_patch(_matrix(side, 30, 20), smooth[0], smooth[1])
        whole = face_paste.blended(rgb, 0, 0, [face_paste.shown(patch, rgb, 0, 0)], 0.8)
        part = np.ascontiguousarray(rgb[60:200, 50:230])
        drawn = face_paste.shown(patch, part, 50, 60)
        made = face_paste.blended(part, 50, 60, [drawn], 0.8)
        np.testing.assert_allclose(made, whole[60:200, 50:230], atol=3e-3)


def test_a_patch_of_nothing_new_changes_nothing() -> None:
    """What the model leaves as it is comes back as it was, at any size."""
    y, x = np.mgrid[:600, :600].astype(np.float32)
    rgb = np.stack([0.5 + 0.3 * np.sin(x / 40), 0.5 + 0.3 * np.cos(y / 50), 0 * x + 0.4], axis=2)
    for side in (100, 300, 580):
        matrix = _matrix(side, 10, 10)
        square = cv2.warpAffine(rgb, between_pixels(matrix, 0, 0, 1), (512, 512))
        before = np.asarray(square, np.float32)
        patch = face_paste.make_patch(matrix, before, before)
        made = face_paste.blended(rgb, 0, 0, [face_paste.shown(patch, rgb, 0, 0)], 1.0)
        assert np.abs(made - rgb).max() < 0.01, side


def test_tone_is_matched_gently() -> None:
    rng = np.random.default_rng(1)
    rough = rng.random((6, 6, 3)) * 0.4 + 0.3
    before = np.asarray(cv2.resize(rough, (512, 512), interpolation=cv2.INTER_CUBIC), np.float32)
    tinted = np.asarray(before * (1.06, 1.0, 0.94), np.float32)
    near = face_paste.matched(before, tinted)
    assert np.abs(near - before).mean() < 0.3 * np.abs(tinted - before).mean()
    np.testing.assert_allclose(face_paste.matched(before, before), before, atol=1e-6)
    # A face that is black is not made the other's tone: it stays far away.
    black = face_paste.matched(before, np.zeros_like(before))
    assert black.mean() < 0.2


def test_a_grey_face_stays_grey() -> None:
    y, x = np.mgrid[:512, :512].astype(np.float32)
    grey = np.repeat((0.5 + 0.3 * np.sin(x / 50) * np.cos(y / 40))[..., None], 3, axis=2)
    tinted = np.asarray(np.clip(grey + np.array([0.06, 0.0, -0.04]), 0, 1), np.float32)
    made = face_paste.matched(grey, tinted)
    assert np.ptp(made, axis=2).max() < 0.02


# ---------------------------------------------------------------- the classical path


def _scene() -> np.ndarray:
    y, x = np.mgrid[:300, :400].astype(np.float32)
    luma = 0.5 + 0.1 * np.sin(x / 6) * np.sin(y / 7) + 0.15 * np.sin(x / 60)
    return np.repeat(luma[..., None], 3, axis=2).astype(np.float32) * np.float32([1, 0.9, 0.8])


def test_detail_is_raised_and_noise_is_not() -> None:
    scene = _scene()
    made = face_detail.enhance(scene, 120, 0)
    fine = scene - cv2.GaussianBlur(scene, (0, 0), 8)
    assert (made - cv2.GaussianBlur(made, (0, 0), 8)).std() > 1.1 * fine.std()
    noise = np.random.default_rng(3).standard_normal(scene.shape) * (6 / 255)
    noisy = np.clip(scene + noise, 0, 1).astype(np.float32)
    again = face_detail.enhance(noisy, 120, 6)
    assert np.abs(again - made).std() < 0.7 * noise.std()


def test_colour_and_flat_areas_stay() -> None:
    flat = np.full((80, 90, 3), (0.6, 0.4, 0.3), np.float32)
    np.testing.assert_allclose(face_detail.enhance(flat, 100, 0), flat, atol=1e-5)
    scene = _scene()
    change = face_detail.enhance(scene, 120, 0) - scene
    np.testing.assert_allclose(change, np.repeat(change[..., :1], 3, axis=2), atol=1e-5)


@pytest.mark.parametrize("size", [1.0, 60.0, 3000.0])
@pytest.mark.parametrize("sigma", [0.0, 8.0])
def test_parts_agree_with_the_whole_beyond_the_reach(size: float, sigma: float) -> None:
    scene = np.tile(_scene(), (2, 2, 1))[:420, :520]
    reach = face_detail.reach(size)
    whole = face_detail.enhance(scene, size, sigma)
    part = face_detail.enhance(np.ascontiguousarray(scene[40:, 48:]), size, sigma)
    inner = (slice(reach, 380 - 0), slice(reach, 472))
    np.testing.assert_allclose(part[inner], whole[40:, 48:][inner], atol=2e-3)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 30), st.integers(1, 30), st.floats(1, 500), st.floats(0, 40))
def test_any_size_is_finite_and_in_range(
    height: int, width: int, size: float, sigma: float
) -> None:
    rgb = np.random.default_rng(height).random((height, width, 3)).astype(np.float32)
    made = face_detail.enhance(rgb, size, sigma)
    assert made.shape == rgb.shape
    assert np.isfinite(made).all()
    assert made.min() >= 0
    assert made.max() <= 1
