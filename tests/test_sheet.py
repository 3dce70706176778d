from __future__ import annotations

import numpy as np
import pytest

from shared_core.pixels import Box, Picture, Raster, WrongOutput
from shared_core.sheet import Matte, Sheet

DTYPES = {"u8": np.dtype("u1"), "u16": np.dtype("<u2"), "f32": np.dtype("<f4")}
TOPS = {"u8": 255, "u16": 65535, "f32": 1}


def blank(raster: Raster) -> np.ndarray:
    return np.zeros(raster.shape, raster.dtype)


def linear(values: np.ndarray) -> np.ndarray:
    """The sRGB curve undone, after IEC 61966-2-1."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


@pytest.mark.parametrize("depth", ["u8", "u16", "f32"])
@pytest.mark.parametrize("order", ["rgba", "bgra"])
@pytest.mark.parametrize("curve", ["srgb", "linear"])
def test_a_sheet_holds_what_was_written_in_its_own_format(depth, order, curve):
    raster = Raster(5, 4, depth, order, curve)
    result = blank(raster)
    rng = np.random.default_rng(1)
    rgb = rng.random((2, 3, 3)).astype(np.float32)
    alpha = rng.random((2, 3)).astype(np.float32)
    Sheet(result, raster).write(Box(1, 2, 3, 2), rgb, alpha)
    expected = linear(rgb) if curve == "linear" else rgb
    if order == "bgra":
        expected = expected[..., ::-1]
    top = TOPS[depth]
    step = 1e-6 if depth == "f32" else 0.51
    assert np.abs(result[2:4, 1:4, :3] - expected * top).max() <= step + 0.02 * (depth == "u16")
    assert np.abs(result[2:4, 1:4, 3] - alpha * top).max() <= step
    result[2:4, 1:4] = 0
    assert not result.any()


def test_without_alpha_it_is_opaque_and_values_are_clipped():
    raster = Raster(2, 1, "u8")
    result = blank(raster)
    Sheet(result, raster).write(Box(0, 0, 2, 1), np.array([[[-1, 0.5, 2], [0, 0, 0]]]))
    assert result.tolist() == [[[0, 128, 255, 255], [0, 0, 0, 255]]]


@pytest.mark.parametrize("order", ["rgba", "bgra"])
def test_light_beyond_one_goes_from_a_picture_to_a_sheet(order):
    raster = Raster(3, 1, "f32", order, "linear")
    source = np.array([[[4, 0.5, -1, 1], [0.2, 0.3, 0.4, 1], [np.inf, 0, 2, 1]]], "<f4")
    picture = Picture(source, None, raster)
    result = blank(raster)
    excess = picture.excess(picture.bounds)
    Sheet(result, raster).write(picture.bounds, picture.rgb(picture.bounds), None, excess)
    expected = source.copy()
    expected[0, 2, 0] = 0
    assert np.abs(result - expected).max() < 1e-5
    assert picture.excess(Box(1, 0, 1, 1)) is None
    assert (
        Picture(np.zeros((1, 3, 4), "u1"), None, Raster(3, 1, "u8")).excess(picture.bounds) is None
    )


def test_keep_copies_everything():
    source = np.arange(32, dtype=np.uint8).reshape(2, 4, 4)
    result = np.zeros_like(source)
    Picture(source, result, Raster(4, 2, "u8")).keep()
    assert np.array_equal(result, source)


def test_a_grey_sheet_stays_grey():
    raster = Raster(1, 1, "u8", grey=True)
    result = blank(raster)
    Sheet(result, raster).write(Box(0, 0, 1, 1), np.array([[[1.0, 0, 0]]]))
    assert len(set(result[0, 0, :3].tolist())) == 1 and result[0, 0, 0] == round(0.2126 * 255)


@pytest.mark.parametrize(
    ("rgb", "alpha"),
    [
        (np.full((2, 2, 3), np.nan), None),
        (np.full((2, 2, 3), np.inf), None),
        (np.zeros((2, 3, 3)), None),
        (np.zeros((2, 2)), None),
        (np.zeros((2, 2, 3)), np.full((2, 2), np.nan)),
        (np.zeros((2, 2, 3)), np.zeros((1, 2))),
    ],
)
def test_a_sheet_refuses_what_is_no_picture(rgb, alpha):
    raster = Raster(2, 2, "u8")
    result = blank(raster)
    with pytest.raises(WrongOutput):
        Sheet(result, raster).write(Box(0, 0, 2, 2), rgb, alpha)
    assert not result.any()


@pytest.mark.parametrize("depth", ["u8", "u16", "f32"])
def test_a_matte_holds_coverage_without_a_curve(depth):
    result = np.zeros((3, 4), DTYPES[depth])
    coverage = np.linspace(-0.5, 1.5, 12).reshape(3, 4)
    Matte(result, depth).write(Box(0, 0, 4, 3), coverage)
    off = np.abs(result - np.clip(coverage, 0, 1) * TOPS[depth])
    assert off.max() <= (1e-6 if depth == "f32" else 0.5)
    with pytest.raises(WrongOutput):
        Matte(result, depth).write(Box(0, 0, 4, 3), np.full((3, 4), np.nan))
    with pytest.raises(ValueError, match="no part"):
        Matte(result, depth).write(Box(1, 0, 4, 3), coverage)


@pytest.mark.parametrize("depth", ["u8", "u16", "f32"])
def test_a_cut_multiplies_the_alpha_and_leaves_opaque_colours_alone(depth):
    rng = np.random.default_rng(2)
    source = (rng.random((4, 5, 4)) * TOPS[depth]).astype(DTYPES[depth])
    result = np.zeros_like(source)
    picture = Picture(source, result, Raster(5, 4, depth))
    picture.begin()
    opacity = rng.random((4, 5)).astype(np.float32)
    opacity[0], opacity[1] = 0, 1
    picture.write(picture.bounds, picture.rgb(picture.bounds), opacity)
    assert np.array_equal(result[..., :3], source[..., :3])
    assert np.array_equal(result[1], source[1]) and not result[0, :, 3].any()
    expected = source[..., 3] * opacity.astype(np.float64)
    assert np.abs(result[..., 3] - expected).max() <= (1e-6 if depth == "f32" else 0.51)


def test_a_picture_that_is_only_looked_at_has_no_result():
    source = np.full((2, 2, 4), 200, np.uint8)
    picture = Picture(source, None, Raster(2, 2, "u8"))
    picture.begin()
    assert picture.rgb(picture.bounds).shape == (2, 2, 3)
    with pytest.raises(AssertionError, match="only looked at"):
        picture.write(picture.bounds, np.zeros((2, 2, 3)))
