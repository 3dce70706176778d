"""Pixels in and out: every untouched byte stays, every depth keeps its precision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.bridge.errors import BadInput
from shared_core.curves import decode, encode
from shared_core.fill import TransparentFill
from shared_core.pixels import Box, Picture, Raster, WrongOutput

# Other programs may hold the processor while an example runs.
UNTIMED = settings(deadline=None)
DEPTHS = ("u8", "u16", "f32")
TOPS = {"u8": 255, "u16": 65535}

rasters = st.builds(
    Raster,
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    depth=st.sampled_from(DEPTHS),
    order=st.sampled_from(("rgba", "bgra")),
    curve=st.sampled_from(("srgb", "linear")),
)
alphas = st.sampled_from(("opaque", "random", "holes", "clear"))
masks = st.sampled_from(("none", "random", "feathered", "box", "full", "empty"))
seeds = st.integers(0, 2**32 - 1)


def make_source(raster: Raster, alpha: str, seed: int) -> np.ndarray:
    """Random samples; floats include values outside 0..1."""
    rng = np.random.default_rng(seed)
    if raster.depth == "f32":
        pixels = rng.normal(0.5, 0.6, raster.shape).astype(np.float32)
        pixels[..., 3] = rng.random(raster.shape[:2])
        opaque: Any = np.float32(1)
    else:
        opaque = TOPS[raster.depth]
        pixels = rng.integers(0, opaque + 1, raster.shape, raster.dtype)
    if alpha == "opaque":
        pixels[..., 3] = opaque
    elif alpha == "holes":
        pixels[..., 3] = np.where(rng.random(raster.shape[:2]) < 0.5, 0, opaque)
    elif alpha == "clear":
        pixels[..., 3] = 0
    return pixels


def make_mask(raster: Raster, kind: str, seed: int) -> np.ndarray | None:
    rng = np.random.default_rng(seed + 1)
    shape = raster.shape[:2]
    if kind == "none":
        return None
    mask = np.zeros(shape, np.uint8)
    if kind == "random":
        mask[:] = rng.integers(0, 256, shape)
        mask[rng.random(shape) < 0.5] = 0
    elif kind == "feathered":
        mask[:] = np.linspace(0, 255, shape[1]).astype(np.uint8)
    elif kind == "box":
        mask[shape[0] // 3 : shape[0] // 2 + 1, shape[1] // 3 : shape[1] // 2 + 1] = 255
    elif kind == "full":
        mask[:] = 255
    return mask


def open_picture(
    raster: Raster, source: np.ndarray, mask: np.ndarray | None, context: int = 3
) -> tuple[Picture, np.ndarray]:
    """A begun picture whose result array starts with bytes that the source does not have."""
    result = np.frombuffer(bytes([0xA5]) * raster.nbytes, raster.dtype).reshape(raster.shape).copy()
    before = source.copy()
    before.setflags(write=False)
    picture = Picture(before, result, raster, mask, context=context)
    picture.begin()
    return picture, result


def same_bytes(one: np.ndarray, other: np.ndarray) -> bool:
    return np.ascontiguousarray(one).tobytes() == np.ascontiguousarray(other).tobytes()


@UNTIMED
@given(rasters, alphas, masks, seeds)
def test_a_tool_that_changes_nothing_gives_the_source_back(
    raster: Raster, alpha: str, kind: str, seed: int
) -> None:
    source = make_source(raster, alpha, seed)
    picture, result = open_picture(raster, source, make_mask(raster, kind, seed))
    if not picture.region.empty:
        picture.write(picture.region, picture.rgb(picture.region))
    if raster.depth == "f32" and raster.curve == "linear":
        assert np.abs(result - source).max() < 1e-6
        assert same_bytes(result[..., 3], source[..., 3])
    else:
        assert same_bytes(result, source)


@UNTIMED
@given(rasters, alphas, masks, seeds)
def test_pixels_outside_the_selection_keep_their_bytes(
    raster: Raster, alpha: str, kind: str, seed: int
) -> None:
    source, mask = make_source(raster, alpha, seed), make_mask(raster, kind, seed)
    picture, result = open_picture(raster, source, mask)
    region = picture.region
    if not region.empty:
        picture.write(region, np.random.default_rng(seed).random((region.height, region.width, 3)))
    kept = source[..., 3] == 0
    if mask is not None:
        kept |= mask == 0
    assert same_bytes(result[kept], source[kept])
    assert same_bytes(result[..., 3], source[..., 3])


@UNTIMED
@given(rasters, masks, seeds)
def test_the_blend_is_the_formula(raster: Raster, kind: str, seed: int) -> None:
    source, mask = make_source(raster, "random", seed), make_mask(raster, kind, seed)
    picture, result = open_picture(raster, source, mask)
    region = picture.region
    if region.empty:
        return
    new = np.random.default_rng(seed).random((region.height, region.width, 3))
    picture.write(region, new)

    place = region.slices
    old = source[place].astype(np.float64)
    weight = np.ones(old.shape[:2]) if mask is None else mask[place] / 255
    weight = np.where(old[..., 3] == 0, 0, weight)[..., None]
    stored = new if raster.order == "rgba" else new[..., ::-1]
    if raster.curve == "linear":
        stored = np.where(stored <= 0.04045, stored / 12.92, ((stored + 0.055) / 1.055) ** 2.4)
    if raster.depth == "f32":
        expected = old[..., :3] + weight * (stored - np.clip(old[..., :3], 0, 1))
        assert np.abs(result[place][..., :3] - expected).max() < 2e-6
    else:
        top = TOPS[raster.depth]
        expected = old[..., :3] + weight * (stored * top - old[..., :3])
        assert np.abs(result[place][..., :3] - expected).max() < 0.5 + 0.05


def test_memory_maps_do(tmp_path: Path) -> None:
    raster = Raster(70, 50, "u16", "bgra")
    source = make_source(raster, "opaque", 9)
    source.tofile(tmp_path / "source")
    (tmp_path / "result").write_bytes(bytes(raster.nbytes))
    maps = [
        np.memmap(tmp_path / name, raster.dtype, mode, shape=raster.shape)
        for name, mode in (("source", "r"), ("result", "r+"))
    ]
    mask = make_mask(raster, "feathered", 1)
    picture = Picture(maps[0], maps[1], raster, mask)
    picture.begin()
    picture.write(picture.region, picture.rgb(picture.region))
    assert (tmp_path / "result").read_bytes() == source.tobytes()


@pytest.mark.parametrize("order", ["rgba", "bgra"])
@pytest.mark.parametrize("depth", ["u8", "u16"])
def test_colours_are_read_in_the_right_channels(depth: Any, order: Any) -> None:
    raster = Raster(1, 1, depth, order)
    top = TOPS[depth]
    source = np.array([[[0, top // 2, top, top]]], raster.dtype)
    picture, _ = open_picture(raster, source, None)
    expected = [0, top // 2 / top, 1]
    colours = picture.rgb(picture.bounds)[0, 0]
    assert colours == pytest.approx(expected if order == "rgba" else expected[::-1], abs=1e-6)


@pytest.mark.parametrize("curve", ["srgb", "linear"])
@pytest.mark.parametrize("depth", ["u8", "u16"])
def test_every_integer_sample_survives_the_curve(depth: Any, curve: Any) -> None:
    top = TOPS[depth]
    samples = np.arange(top + 1)
    raster = Raster(top + 1, 1, depth, "rgba", curve)
    source = np.empty(raster.shape, raster.dtype)
    source[0, :, :3] = samples[:, None]
    source[..., 3] = top
    picture, result = open_picture(raster, source, None)
    colours = picture.rgb(picture.bounds)
    if curve == "linear":
        linear = samples / top
        exact = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    else:
        exact = samples / top
    assert np.abs(colours[0, :, 0] - exact).max() < 1e-7
    picture.write(picture.bounds, colours)
    assert same_bytes(result, source)
    # The blending of tiles leaves errors of this size; they must not move a sample either.
    for noise in (np.float32(1e-6), np.float32(-1e-6)):
        picture.write(picture.bounds, colours + noise)
        assert same_bytes(result, source)


def test_the_float_curve_returns_where_it_came_from() -> None:
    values = np.linspace(0, 1, 300_000, dtype=np.float32).reshape(-1, 100, 3)
    assert np.abs(decode(encode(values)) - values).max() < 5e-7
    assert np.abs(encode(decode(values)) - values).max() < 5e-7


def test_sixteen_bits_stay_sixteen_bits() -> None:
    raster = Raster(256, 256, "u16")
    source = np.random.default_rng(1).integers(0, 65536, raster.shape, np.uint16)
    source[..., 3] = 65535
    picture, result = open_picture(raster, source, None)
    picture.write(picture.bounds, picture.rgb(picture.bounds) * np.float32(0.5) + np.float32(0.25))
    assert len(np.unique(result[..., 0])) > 20_000


@pytest.mark.parametrize("curve", ["srgb", "linear"])
def test_values_outside_the_range_are_added_back(curve: Any) -> None:
    raster = Raster(3, 1, "f32", "rgba", curve)
    source = np.array([[[1.75, 7.0, 1.0, 1], [-0.25, 0.0, 0.5, 1], [1.5, 0.2, 0.9, 0]]], np.float32)
    picture, result = open_picture(raster, source, None)
    assert 1 - 1e-6 < picture.rgb(picture.bounds).max() <= 1
    assert picture.rgb(picture.bounds).min() == 0
    picture.write(picture.bounds, np.full((1, 3, 3), 0.5, np.float32))
    half = 0.5 if curve == "srgb" else ((0.5 + 0.055) / 1.055) ** 2.4
    expected = [[half + 0.75, half + 6, half], [half - 0.25, half, half]]
    assert result[0, :2, :3] == pytest.approx(np.array(expected), abs=1e-6)
    assert same_bytes(result[0, 2], source[0, 2])


@UNTIMED
@given(rasters.filter(lambda raster: raster.depth == "f32"), masks, seeds)
def test_values_that_are_not_finite_stay_as_they_are(raster: Raster, kind: str, seed: int) -> None:
    source = make_source(raster, "opaque", seed)
    rng = np.random.default_rng(seed)
    odd = np.array([0x7FC00001, 0x7FA00001, 0x7F800000, 0xFF800000], np.uint32).view(np.float32)
    spots = rng.random(raster.shape) < 0.3
    spots[..., 3] = False
    source[spots] = rng.choice(odd, spots.sum())
    picture, result = open_picture(raster, source, make_mask(raster, kind, seed))
    if picture.region.empty:
        return
    colours = picture.rgb(picture.region)
    assert np.isfinite(colours).all()
    picture.write(picture.region, np.full_like(colours, 0.5))
    assert same_bytes(result[spots], source[spots])
    assert np.isfinite(result[~spots]).all()


def test_negative_zero_keeps_its_sign() -> None:
    raster = Raster(1, 1, "f32")
    source = np.array([[[-0.0, -0.0, 0.5, 1]]], np.float32)
    picture, result = open_picture(raster, source, None)
    picture.write(picture.bounds, picture.rgb(picture.bounds))
    assert same_bytes(result, source)


def test_a_value_that_is_not_finite_is_zero_to_the_tool() -> None:
    raster = Raster(2, 1, "f32")
    source = np.array([[[np.nan, 0.25, np.inf, 1], [-np.inf, 1, 0, 1]]], np.float32)
    picture, _ = open_picture(raster, source, None)
    assert picture.rgb(picture.bounds).tolist() == [[[0, 0.25, 0], [0, 1, 0]]]


@pytest.mark.parametrize("odd", [np.nan, np.inf, -0.5])
def test_alpha_that_is_no_opacity_counts_as_transparent(odd: float) -> None:
    raster = Raster(1, 1, "f32")
    source = np.array([[[0.1, 0.2, 0.3, odd]]], np.float32)
    picture, result = open_picture(raster, source, None)
    assert picture.alpha(picture.bounds)[0, 0] == 0
    assert not picture.touches(picture.bounds)
    picture.write(picture.bounds, np.ones((1, 1, 3), np.float32))
    assert same_bytes(result, source)


@pytest.mark.parametrize("depth", DEPTHS)
def test_grey_layers_stay_grey(depth: Any) -> None:
    raster = Raster(64, 4, depth, grey=True)
    source = make_source(raster, "opaque", 5)
    source[..., 1] = source[..., 2] = source[..., 0]
    picture, result = open_picture(raster, source, None)
    picture.write(picture.bounds, picture.rgb(picture.bounds))
    assert same_bytes(result, source)
    new = np.random.default_rng(2).random((4, 64, 3)).astype(np.float32)
    picture.write(picture.bounds, new)
    assert same_bytes(result[..., 0], result[..., 1])
    assert same_bytes(result[..., 0], result[..., 2])
    if depth == "u8":
        luma = new @ np.array([0.2126, 0.7152, 0.0722])
        assert np.abs(result[..., 0] / 255 - luma).max() < 0.5 / 255 + 1e-6


@UNTIMED
@given(st.integers(1, 60), st.integers(1, 60), masks, seeds, st.integers(0, 20))
def test_region_is_the_selection_with_its_context(
    width: int, height: int, kind: str, seed: int, context: int
) -> None:
    raster = Raster(width, height, "u8")
    mask = make_mask(raster, kind, seed)
    picture, result = open_picture(raster, make_source(raster, "opaque", seed), mask, context)
    if mask is None:
        assert picture.region == picture.bounds
        return
    rows, columns = np.nonzero(mask)
    if not len(rows):
        assert picture.region.empty
        assert same_bytes(result, make_source(raster, "opaque", seed))
        return
    left, top = max(0, columns.min() - context), max(0, rows.min() - context)
    right = min(width, columns.max() + 1 + context)
    bottom = min(height, rows.max() + 1 + context)
    assert picture.region == (left, top, right - left, bottom - top)


@UNTIMED
@given(rasters, alphas, masks, seeds, st.data())
def test_touches_says_whether_writing_can_matter(
    raster: Raster, alpha: str, kind: str, seed: int, data: st.DataObject
) -> None:
    source, mask = make_source(raster, alpha, seed), make_mask(raster, kind, seed)
    picture, _ = open_picture(raster, source, mask)
    left = data.draw(st.integers(0, raster.width - 1))
    top = data.draw(st.integers(0, raster.height - 1))
    box = Box(
        left,
        top,
        data.draw(st.integers(1, raster.width - left)),
        data.draw(st.integers(1, raster.height - top)),
    )
    editable = source[..., 3] > 0
    if mask is not None:
        editable &= mask > 0
    assert picture.touches(box) == editable[box.slices].any()


# What hides under transparent pixels must not reach the tool.


def half_transparent(width: int, height: int) -> tuple[Raster, np.ndarray]:
    """Left half visible orange, right half transparent with bright blue below it."""
    raster = Raster(width, height, "u8")
    source = np.empty(raster.shape, np.uint8)
    source[:, : width // 2] = (200, 100, 50, 255)
    source[:, width // 2 :] = (0, 0, 255, 0)
    return raster, source


@pytest.mark.parametrize("size", [(8, 8), (2, 1), (301, 7), (1500, 900)])
def test_hidden_colours_do_not_bleed(size: tuple[int, int]) -> None:
    raster, source = half_transparent(*size)
    picture, _ = open_picture(raster, source, None)
    colours = picture.rgb(picture.bounds) * 255
    assert np.abs(colours - (200, 100, 50)).max() < 0.01


def test_the_fill_follows_the_nearest_visible_colours() -> None:
    raster = Raster(512, 64, "u8")
    source = np.zeros(raster.shape, np.uint8)
    source[:, :200] = (255, 0, 0, 255)
    source[:, 312:] = (0, 255, 0, 255)
    picture, _ = open_picture(raster, source, None)
    colours = picture.rgb(picture.bounds)
    assert colours[:, 203].min(axis=0)[0] > 0.7
    assert colours[:, 308].min(axis=0)[1] > 0.7
    assert colours[..., 2].max() == 0


@UNTIMED
@given(st.integers(1, 90), st.integers(1, 90), seeds, st.data())
def test_the_fill_does_not_depend_on_the_box(
    width: int, height: int, seed: int, data: st.DataObject
) -> None:
    raster = Raster(width, height, "u8")
    picture, _ = open_picture(raster, make_source(raster, "holes", seed), None)
    whole = picture.rgb(picture.bounds)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    box = Box(
        left,
        top,
        data.draw(st.integers(1, width - left)),
        data.draw(st.integers(1, height - top)),
    )
    assert same_bytes(picture.rgb(box), whole[box.slices])


def test_a_reduced_fill_is_made_in_strips_and_stays_close() -> None:
    width, height = 3000, 2000

    def read(top: int, rows: int) -> tuple[np.ndarray, np.ndarray]:
        colours = np.zeros((rows, width, 3), np.float32)
        colours[..., 0] = np.linspace(0, 1, width, dtype=np.float32)
        alpha = np.ones((rows, width), np.float32)
        alpha[:, 1000:1040] = 0
        colours[:, 1000:1040] = 1
        return colours, alpha

    made = TransparentFill(width, height, read)
    visible = made.at(200, 500, 60, 8)
    assert np.abs(visible[..., 0] - np.linspace(0, 1, width)[200:260]).max() < 1e-5
    fill = made.at(990, 500, 60, 8)
    assert np.abs(fill[..., 0] - np.linspace(0, 1, width)[990:1050]).max() < 0.02
    assert np.abs(fill[..., 1:]).max() < 1e-6


# What does not fit is refused.


@pytest.mark.parametrize("shape", [(5, 4, 3), (4, 5), (4, 5, 4), (3, 5, 3)])
def test_colours_of_a_wrong_shape_are_refused(shape: tuple[int, ...]) -> None:
    raster = Raster(5, 4, "u8")
    picture, result = open_picture(raster, make_source(raster, "opaque", 0), None)
    before = result.copy()
    with pytest.raises(WrongOutput):
        picture.write(picture.bounds, np.zeros(shape, np.float32))
    assert same_bytes(result, before)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_colours_that_are_not_finite_are_refused(odd: float) -> None:
    raster = Raster(5, 4, "u8")
    picture, _ = open_picture(raster, make_source(raster, "opaque", 0), None)
    colours = picture.rgb(picture.bounds)
    colours[2, 3, 1] = odd
    with pytest.raises(WrongOutput):
        picture.write(picture.bounds, colours)


@pytest.mark.parametrize(
    ("source", "mask"),
    [
        (np.zeros((4, 5, 3), np.uint8), None),
        (np.zeros((4, 5, 4), np.uint16), None),
        (np.zeros((4, 5, 4), np.uint8), np.zeros((5, 4), np.uint8)),
        (np.zeros((4, 5, 4), np.uint8), np.zeros((4, 5), np.float32)),
    ],
)
def test_arrays_that_do_not_fit_are_refused(source: np.ndarray, mask: Any) -> None:
    with pytest.raises(BadInput):
        Picture(source, np.zeros((4, 5, 4), np.uint8), Raster(5, 4, "u8"), mask)


@pytest.mark.parametrize(
    "box", [Box(-1, 0, 2, 2), Box(0, 0, 6, 1), Box(0, 3, 1, 2), Box(1, 1, 0, 1)]
)
def test_a_box_outside_the_picture_is_a_mistake(box: Box) -> None:
    raster = Raster(5, 4, "u8")
    picture, _ = open_picture(raster, make_source(raster, "opaque", 0), None)
    with pytest.raises(ValueError, match="no part"):
        picture.rgb(box)


@pytest.mark.parametrize("opacity", [np.full((2, 2), np.nan, "f4"), np.ones((2, 3), "f4")])
def test_an_opacity_that_is_none_is_refused(opacity: Any) -> None:
    source = np.full((2, 2, 4), 200, np.uint8)
    result = np.zeros_like(source)
    picture = Picture(source, result, Raster(2, 2, "u8"))
    with pytest.raises(WrongOutput):
        picture.write(picture.bounds, picture.rgb(picture.bounds), opacity)
    with pytest.raises(WrongOutput):
        picture.fade(picture.bounds, opacity)
    assert not result.any()


@pytest.mark.parametrize("depth", ["u8", "u16", "f32"])
@pytest.mark.parametrize("opacity", [None, np.linspace(0, 1, 20, dtype="f4").reshape(4, 5)])
def test_fading_writes_the_pictures_own_colours(depth: Any, opacity: Any) -> None:
    raster = Raster(5, 4, depth)
    source = make_source(raster, "opaque", 0)
    results = np.zeros_like(source), np.zeros_like(source)
    written, faded = (Picture(source, result, raster) for result in results)
    written.write(written.bounds, written.rgb(written.bounds), opacity)
    faded.fade(faded.bounds, opacity)
    assert results[0].tobytes() == results[1].tobytes()
