"""Classical sharpening: never worse than its input, and a gain where the blur is certain."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.algorithms.blur import Blur, chosen, estimate_blur, kernel
from shared_core.algorithms.deconvolution import deblur, estimate, faithful, name, radius
from shared_core.algorithms.noise import estimate_sigma

PICTURES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg")


def psnr(one, other):
    return -10 * np.log10(max(1e-12, np.mean((one.astype(np.float64) - other) ** 2)))


def photo(images, file):
    return cv2.imread(str(images / file))[..., ::-1].astype(np.float32) / 255


def degraded(sharp, blur, noise, seed=0):
    """``sharp`` blurred, with white noise of ``noise`` levels, in 0..1."""
    soft = cv2.filter2D(sharp, -1, kernel(blur), borderType=cv2.BORDER_REFLECT_101)
    grain = np.random.default_rng(seed).standard_normal(sharp.shape) * noise / 255
    return np.clip(soft + grain, 0, 1).astype(np.float32)


def sharpened(picture, blur=None):
    """As the tool does it: the blur and the noise measured in the picture."""
    return deblur(picture, blur or estimate_blur(picture), 1.0, estimate_sigma(picture))


def test_gaussian_blur_of_two_pixels_gains_at_least_1_2_db(images):
    gains = []
    for file in PICTURES:
        sharp = photo(images, file)
        soft = degraded(sharp, Blur("soft", radius=2), 1)
        gains.append(psnr(sharpened(soft), sharp) - psnr(soft, sharp))
    assert min(gains) > 0.3, gains
    assert np.mean(gains) > 2.0, gains


@pytest.mark.parametrize("noise", [1, 3])
@pytest.mark.parametrize(
    "blur",
    [
        Blur("soft", radius=1),
        Blur("soft", radius=3),
        Blur("motion", length=9, angle=30),
        Blur("motion", length=21, angle=120),
    ],
    ids=lambda b: f"{b.kind}-{b.radius or b.length:g}",
)
def test_never_worse_than_the_input(images, blur, noise):
    for file in PICTURES:
        sharp = photo(images, file)
        soft = degraded(sharp, blur, noise)
        assert psnr(sharpened(soft), sharp) > psnr(soft, sharp) - 0.1, file


@pytest.mark.parametrize("noise", [0, 2])
def test_a_sharp_picture_is_left_almost_alone(images, noise):
    for file in PICTURES:
        sharp = photo(images, file)
        picture = degraded(sharp, Blur("none"), noise)
        assert psnr(sharpened(picture), picture) > 38, file


def test_a_chosen_motion_gains(images):
    sharp = photo(images, "chelsea.png")
    soft = degraded(sharp, Blur("motion", length=15, angle=20), 1)
    by_hand = chosen(Blur("motion", length=15, angle=20), soft)
    assert psnr(sharpened(soft, by_hand), sharp) > psnr(soft, sharp) + 2


@pytest.mark.parametrize("factor", [1 / 1.5, 1.5])
def test_a_wrong_choice_is_no_disaster(images, factor):
    for true in (Blur("soft", radius=2), Blur("motion", length=15, angle=0)):
        sharp = photo(images, "astronaut.png")
        soft = degraded(sharp, true, 2)
        wrong = Blur(true.kind, radius=true.radius * factor, length=true.length * factor)
        gain = psnr(sharpened(soft, chosen(wrong, soft)), sharp) - psnr(soft, sharp)
        assert gain > -1, (true.kind, factor, gain)


def test_tiles_agree_with_the_whole(images):
    sharp = photo(images, "coffee.png")
    blur = Blur("soft", radius=2)
    soft = degraded(sharp, blur, 1)
    whole = deblur(soft, blur, 1.0, 1.0)
    reach = radius(blur)
    tile = deblur(soft[: 200 + reach, : 300 + reach], blur, 1.0, 1.0)
    assert np.abs(tile[:200, :300] - whole[:200, :300]).max() < 1.5 / 255


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 40),
    st.integers(1, 40),
    st.sampled_from(
        [Blur("none"), Blur("soft", radius=8), Blur("motion", length=60, angle=-180), None]
    ),
    st.floats(0, 75),
)
def test_any_size_gives_finite_colours(height, width, blur, noise):
    picture = np.random.default_rng(height * 41 + width).random((height, width, 3), np.float32)
    made = deblur(picture, blur or estimate_blur(picture), 1.0, noise)
    assert made.shape == picture.shape
    assert np.isfinite(made).all()
    assert made.min() >= 0
    assert made.max() <= 1
    assert np.array_equal(deblur(picture, Blur("soft", radius=2), 0.0, noise), picture)


@pytest.mark.parametrize(
    "blur", [Blur("none"), Blur("soft", radius=0.3), Blur("motion", length=2, angle=45)]
)
def test_kernels_sum_to_one_and_are_symmetric(blur):
    weights = kernel(blur)
    assert weights.sum() == pytest.approx(1, abs=1e-5)
    assert weights.shape[0] % 2 == 1
    assert np.allclose(weights, weights[::-1, ::-1], atol=1e-6)


def test_angles_turn_counter_clockwise():
    weights = kernel(Blur("motion", length=21, angle=45))
    middle = weights.shape[0] // 2
    assert weights[middle - 5, middle + 5] > 0
    assert weights[middle + 5, middle + 5] == 0


def test_what_it_did_is_named():
    assert name(Blur("none")) == "gentle unsharp mask"
    assert name(Blur("soft", radius=2, confidence=0.1)) == "gentle unsharp mask"
    assert "Gaussian" in name(Blur("soft", radius=2))
    assert "motion" in name(Blur("motion", length=15))


MOTION = Blur("motion", length=9, angle=30, spread=0.04)


def test_what_a_restoration_lost_is_found_again_in_the_picture(images):
    """Softened a little, as a network does; the picture still has what that took away."""
    for file in PICTURES:
        sharp = photo(images, file)[:300, :300]
        soft = degraded(sharp, MOTION, 1)
        lost = cv2.GaussianBlur(sharp, (0, 0), 0.8)
        assert psnr(faithful(lost, soft, MOTION, 1.0), sharp) > psnr(lost, sharp) + 0.3, file
        # What nothing was taken from keeps all but a little.
        assert psnr(faithful(sharp, soft, MOTION, 1.0), sharp) > 44, file


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (40, 1), (5, 7)])
def test_a_restoration_of_any_shape_is_led_back(shape):
    rng = np.random.default_rng(2)
    made, soft = (rng.random((*shape, 3), np.float32) for _ in range(2))
    found = faithful(made, soft, MOTION, 2.0)
    assert found.shape == (*shape, 3) and found.dtype == np.float32 and np.isfinite(found).all()
    # Of a single pixel there is no detail.
    assert np.array_equal(found, made) == (shape == (1, 1))


def test_noise_is_not_given_back_to_a_sky_beside_detail():
    rng = np.random.default_rng(7)
    sharp = np.full((160, 320, 3), 0.5, np.float32)
    sharp[:, :160] = rng.uniform(0.2, 0.8, (40, 40, 1)).repeat(4, 0).repeat(4, 1)
    soft = degraded(sharp, MOTION, 1)
    lost = cv2.GaussianBlur(sharp, (0, 0), 0.8)
    change = np.abs(faithful(lost, soft, MOTION, 1.0) - lost)
    assert change[20:-20, 20:120].mean() > 2 / 255
    assert change[:, 240:].max() < 0.3 / 255


def test_only_what_zeros_tell_is_exact(images):
    assert replace(MOTION, disc=False).exact and Blur("soft", 1.5, spread=0.04, disc=True).exact
    assert not Blur("soft", 1.5, spread=0.04).exact
    sharp = photo(images, "astronaut.png")
    assert estimate_blur(degraded(sharp, Blur("motion", length=11, angle=55), 1)).exact
    assert not estimate_blur(degraded(sharp, Blur("soft", radius=2), 1)).exact
    # The picture does not confirm it.
    assert not chosen(Blur("motion", length=14, angle=0), sharp).exact


GAUSSIAN, DISC = Blur("soft", radius=1.5, spread=0.08), Blur("soft", 1.5, spread=0.04, disc=True)


@pytest.mark.parametrize(
    ("blur", "others"),
    [
        (GAUSSIAN, [{"radius": 1.5 * 1.15}, {"radius": 1.5 * 0.8, "disc": True}]),
        (DISC, [{"radius": 1.5 * 1.07}, {"radius": 1.5 / 1.07}]),
        (MOTION, [{"length": 9 * 1.07}, {"length": 9 / 1.07}]),
    ],
    ids=["gaussian", "disc", "motion"],
)
def test_an_estimate_shows_other_blurs_too(images, blur, others):
    sharp = photo(images, "chelsea.png")[:200, :200]
    soft = degraded(sharp, blur, 1)
    found = estimate(soft, blur, 1.0)
    assert found.shape == (200, 200, 6) and found.dtype == np.float32
    np.testing.assert_allclose(found[..., :3], deblur(soft, blur, 1.0, 1.0), atol=1e-4)
    for plane, other in zip((4, 5), others, strict=True):
        assert np.abs(found[..., plane] - found[..., 3]).mean() > 1e-3
        own = estimate(soft, replace(blur, **other), 1.0)[..., 3]
        np.testing.assert_allclose(found[..., plane], own, atol=1e-4)


def test_an_estimate_without_a_blur_is_the_picture():
    picture = np.random.default_rng(4).random((9, 11, 3), np.float32)
    found = estimate(picture, Blur("none"), 1.0)
    np.testing.assert_array_equal(found[..., :3], picture)
    for plane in (3, 4, 5):
        np.testing.assert_allclose(found[..., plane], picture @ [0.299, 0.587, 0.114], atol=1e-6)
