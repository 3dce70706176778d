"""Tiles cover everything once in sum, show no seam, and stop when something is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.bridge.errors import Cancelled
from shared_core.engine.grid import Grid, Span, plan_tiles
from shared_core.engine.tiling import run_tiles
from shared_core.pixels import Box, Picture, Raster, WrongOutput

KERNEL = np.array([[0.05, 0.1, 0.02], [0.2, 0.3, 0.05], [0.08, 0.15, 0.05]], np.float32)


def convolve(colours: np.ndarray) -> np.ndarray:
    """A 3 by 3 convolution that reflects at the edges of what it is given."""
    return cv2.filter2D(colours, -1, KERNEL, borderType=cv2.BORDER_REFLECT_101)


def convolve_with_zeros(colours: np.ndarray) -> np.ndarray:
    """The same as networks do it: zeros beyond the edges."""
    return cv2.filter2D(colours, -1, KERNEL, borderType=cv2.BORDER_CONSTANT)


def open_picture(
    width: int, height: int, mask: np.ndarray | None = None, depth: Any = "f32", context: int = 0
) -> tuple[Picture, np.ndarray]:
    raster = Raster(width, height, depth)
    rng = np.random.default_rng(width * 1000 + height)
    if depth == "f32":
        source = rng.random(raster.shape, np.float32)
        source[..., 3] = 1
    else:
        source = rng.integers(0, np.iinfo(raster.dtype).max + 1, raster.shape, raster.dtype)
        source[..., 3] = np.iinfo(raster.dtype).max
    result = np.zeros_like(source)
    picture = Picture(source, result, raster, mask, context=context)
    picture.begin()
    return picture, result


def untiled(picture: Picture, fn: Callable[[np.ndarray], np.ndarray], multiple: int = 1) -> Any:
    """``fn`` of the whole picture at once, filled up to ``multiple`` by reflection."""
    whole = picture.rgb(picture.bounds)
    height, width = whole.shape[:2]
    padding = (0, -height % multiple, 0, -width % multiple)
    padded = cv2.copyMakeBorder(whole, *padding, cv2.BORDER_REFLECT_101)
    return fn(padded)[:height, :width]


# Other programs may hold the processor while an example runs.
UNTIMED = settings(deadline=None)


@st.composite
def rules(draw: st.DrawFn) -> dict[str, Any]:
    multiple = draw(st.sampled_from((1, 1, 2, 8, 16)))
    tile = draw(st.integers(1, max(1, 64 // multiple))) * multiple
    return {
        "tile": tile,
        "overlap": draw(st.integers(0, tile // 2)),
        "multiple": multiple,
        "fixed": draw(st.booleans()),
    }


def shares(span: Span, length: int) -> np.ndarray:
    """The span's weight at every pixel of an axis, by its definition."""
    centres = np.arange(length) + 0.5
    weight = ((centres > span.start) & (centres < span.stop)).astype(float)
    if span.rise and span.rise.length:
        weight *= np.clip((centres - span.rise.start) / span.rise.length, 0, 1)
    if span.fall and span.fall.length:
        weight *= 1 - np.clip((centres - span.fall.start) / span.fall.length, 0, 1)
    return weight


# Where the tiles lie.


@UNTIMED
@given(st.integers(1, 400), rules(), st.data())
def test_the_plan_covers_every_pixel_once(length: int, rule: Any, data: st.DataObject) -> None:
    start = data.draw(st.integers(0, length - 1))
    size = data.draw(st.integers(1, length - start))
    grid = plan_tiles(length, 7, **rule, region=(start, 2, size, 3))
    total = sum(shares(span, length) for span in grid.columns)
    assert np.allclose(total[start : start + size], 1)
    assert not total[:start].any()
    assert not total[start + size :].any()

    assert grid.width == rule["tile"] if rule["fixed"] else grid.width <= rule["tile"]
    assert grid.width % rule["multiple"] == 0
    margin = rule["overlap"] // 4
    for span in grid.columns:
        assert span.origin >= 0
        assert span.origin <= span.start < span.stop <= span.origin + grid.width
        # Context of real pixels on both sides, but for the picture's own edges.
        assert span.start - span.origin >= margin or span.origin == 0
        end = span.origin + grid.width
        assert end - span.stop >= margin or end >= length
        # Nothing is reflected that could be read, but what fills up a multiple.
        beyond = span.origin + grid.width - length
        assert beyond < rule["multiple"] or span.origin == 0
    for before, after in zip(grid.columns, grid.columns[1:], strict=False):
        assert before.origin < after.origin
        assert before.origin + grid.width - after.origin >= rule["overlap"]


@UNTIMED
@given(st.integers(1, 3000), st.sampled_from((256, 512)), st.sampled_from((0, 32, 64)))
def test_inner_tiles_lie_on_multiples_of_eight(length: int, tile: int, overlap: int) -> None:
    columns = plan_tiles(length, 1, tile, overlap).columns
    assert all(span.origin % 8 == 0 for span in columns[:-1])
    needed = max(1, math.ceil((length - overlap) / (tile - overlap)))
    assert len(columns) == needed


def test_a_picture_smaller_than_the_tile_takes_one() -> None:
    grid = plan_tiles(100, 30, 512, 64, 8)
    assert (grid.count, grid.width, grid.height) == (1, 104, 32)
    fixed = plan_tiles(100, 30, 512, 64, 8, fixed=True)
    assert (fixed.count, fixed.width, fixed.height) == (1, 512, 512)


def test_nothing_selected_is_no_tile() -> None:
    assert plan_tiles(100, 30, 64, 8, region=(0, 0, 0, 0)).count == 0


@pytest.mark.parametrize("rule", [(0, 0), (64, 33), (64, -1), (60, 8, 8), (64, 8, 0)], ids=str)
def test_rules_that_cannot_be_followed_are_refused(rule: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"tile|overlap"):
        plan_tiles(100, 100, *rule)


# What comes out.

SIZES = (1, 2, 7, 31, 32, 33, 47, 48, 49, 63, 64, 65, 96, 97, 131)


def convolve_in_planes(colours: np.ndarray) -> np.ndarray:
    """As from a network: the memory holds plane after plane, in double precision."""
    planes = np.ascontiguousarray(convolve(colours).transpose(2, 0, 1), np.float64)
    return planes.transpose(1, 2, 0)


@pytest.mark.parametrize("fn", [convolve, convolve_with_zeros, convolve_in_planes])
@pytest.mark.parametrize("width", SIZES)
def test_tiled_and_untiled_agree(width: int, fn: Any) -> None:
    for height in (1, 5, 32, 33, 77):
        picture, result = open_picture(width, height)
        run_tiles(picture, picture.bounds, fn, tile=32, overlap=8)
        assert np.abs(result[..., :3] - untiled(picture, fn)).max() < 1e-5


@UNTIMED
@given(st.integers(1, 120), st.integers(1, 120), rules(), st.data())
def test_tiled_and_untiled_agree_in_any_region(
    width: int, height: int, rule: Any, data: st.DataObject
) -> None:
    rule = rule | {"tile": rule["tile"] + 8 * rule["multiple"]}
    rule["overlap"] = min(max(4, rule["overlap"]), rule["tile"] // 2)
    left, top = data.draw(st.integers(0, width - 1)), data.draw(st.integers(0, height - 1))
    region = Box(
        left,
        top,
        data.draw(st.integers(1, width - left)),
        data.draw(st.integers(1, height - top)),
    )
    picture, result = open_picture(width, height)
    run_tiles(picture, region, convolve, **rule)
    expected = untiled(picture, convolve)
    assert np.abs(result[region.slices][..., :3] - expected[region.slices]).max() < 1e-5
    outside = np.ones((height, width), bool)
    outside[region.slices] = False
    assert not result[outside].any()


def test_a_network_that_reduces_sees_the_same_phase() -> None:
    def pooled(colours: np.ndarray) -> np.ndarray:
        height, width = colours.shape[:2]
        blocks = colours.reshape(height // 8, 8, width // 8, 8, 3).mean(axis=(1, 3))
        return blocks.repeat(8, 0).repeat(8, 1)

    for width, height in ((203, 77), (64, 64), (65, 300), (10, 129)):
        picture, result = open_picture(width, height)
        run_tiles(picture, picture.bounds, pooled, tile=64, overlap=16, multiple=8)
        assert np.abs(result[..., :3] - untiled(picture, pooled, 8)).max() < 1e-5


@UNTIMED
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    rules(),
    st.sampled_from(("u8", "u16")),
    st.integers(0, 2**32 - 1),
)
def test_a_function_that_changes_nothing_gives_the_source_back(
    width: int, height: int, rule: Any, depth: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mask = (rng.random((height, width)) * 255).astype(np.uint8)
    picture, result = open_picture(width, height, mask if seed % 2 else None, depth)
    source = np.array(picture._source)
    run_tiles(picture, picture.region, lambda colours: colours, **rule)
    assert result.tobytes() == source.tobytes()


@UNTIMED
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    rules(),
    st.sampled_from(("u8", "u16", "f32")),
    st.integers(0, 2**32 - 1),
)
def test_pixels_outside_the_selection_keep_their_bytes(
    width: int, height: int, rule: Any, depth: Any, seed: int
) -> None:
    rng = np.random.default_rng(seed)
    mask = np.zeros((height, width), np.uint8)
    for _ in range(2):
        left, top = rng.integers(0, width), rng.integers(0, height)
        mask[top : top + rng.integers(1, 40), left : left + rng.integers(1, 40)] = rng.integers(256)
    picture, result = open_picture(width, height, mask, depth, context=5)
    source = np.array(picture._source)
    run_tiles(picture, picture.region, lambda colours: 1 - colours, **rule)
    assert result[mask == 0].tobytes() == source[mask == 0].tobytes()
    full = mask == 255
    if depth == "u8" and full.any():
        assert np.abs(result[full][:, :3] + source[full][:, :3].astype(int) - 255).max() == 0


@pytest.mark.parametrize("overlap", [16, 32, 64])
def test_a_bias_of_each_tile_makes_a_ramp_and_no_step(overlap: int) -> None:
    picture, result = open_picture(500, 300)
    picture._source[..., :3] = 0.5
    seen: list[int] = []

    def biased(colours: np.ndarray) -> np.ndarray:
        seen.append(1)
        return colours + np.float32(0.2 if len(seen) % 2 else -0.2)

    tiles = run_tiles(picture, picture.bounds, biased, tile=128, overlap=overlap)
    assert tiles == len(seen) > 6
    values = result[..., 0]
    assert values.max() - values.min() > 0.39
    # A step would be 0.4; a ramp over half the overlap rises by no more than this per pixel.
    slope = 0.4 / (overlap // 2) + 1e-6
    assert np.abs(np.diff(values, axis=0)).max() <= slope
    assert np.abs(np.diff(values, axis=1)).max() <= slope


def test_values_are_clipped_before_they_are_blended() -> None:
    picture, result = open_picture(500, 60)
    seen: list[int] = []

    def excessive(colours: np.ndarray) -> np.ndarray:
        seen.append(1)
        return np.full_like(colours, 9 if len(seen) % 2 else -9)

    run_tiles(picture, picture.bounds, excessive, tile=128, overlap=32)
    values = result[0, :, 0]
    assert (values.min(), values.max()) == (0, 1)
    assert np.abs(np.diff(values)).max() <= 1 / 16 + 1e-6


def test_what_a_tile_does_at_its_own_edge_is_not_used() -> None:
    def spoiled(colours: np.ndarray) -> np.ndarray:
        output = np.full_like(colours, 0.9)
        output[8:-8, 8:-8] = 0.1
        return output

    picture, result = open_picture(300, 300)
    run_tiles(picture, picture.bounds, spoiled, tile=96, overlap=32)
    assert np.abs(result[8:-8, 8:-8, :3] - 0.1).max() < 1e-6


@UNTIMED
@given(st.integers(1, 40), st.integers(1, 40))
def test_a_fixed_tile_is_filled_by_reflection(width: int, height: int) -> None:
    picture, _ = open_picture(width, height)
    seen: list[np.ndarray] = []

    def look(colours: np.ndarray) -> np.ndarray:
        seen.append(colours.copy())
        return colours

    run_tiles(picture, picture.bounds, look, tile=64, overlap=0, fixed=True)
    pixels = picture.rgb(picture.bounds)
    expected = np.pad(pixels, ((0, 64 - height), (0, 64 - width), (0, 0)), "reflect")
    assert len(seen) == 1
    assert np.array_equal(seen[0], expected)


def test_all_tiles_have_one_shape() -> None:
    picture, _ = open_picture(331, 207)
    shapes = set()

    def look(colours: np.ndarray) -> np.ndarray:
        shapes.add(colours.shape)
        return colours

    run_tiles(picture, picture.bounds, look, tile=96, overlap=16, multiple=8)
    [(height, width, _)] = shapes
    assert 60 < height <= 96
    assert 60 < width <= 96
    assert height % 8 == width % 8 == 0


def test_values_are_clipped() -> None:
    picture, result = open_picture(50, 50)
    run_tiles(picture, picture.bounds, lambda c: c * 4 - 1.5, tile=32, overlap=8)
    assert result[..., :3].min() == 0
    assert result[..., :3].max() == 1


def test_tiles_without_a_selected_pixel_are_not_run() -> None:
    mask = np.zeros((600, 600), np.uint8)
    mask[5, 5] = mask[590, 590] = 255
    picture, result = open_picture(600, 600, mask, "u8")
    counts: list[tuple[int, int]] = []
    tiles = run_tiles(
        picture,
        picture.region,
        lambda colours: 1 - colours,
        tile=64,
        overlap=16,
        progress=lambda *count: counts.append(count),
    )
    assert tiles == 2
    assert counts == [(0, 2), (1, 2), (2, 2)]
    changed = np.nonzero((result != picture._source).any(axis=2))
    assert set(zip(*changed, strict=True)) == {(5, 5), (590, 590)}


def test_an_empty_selection_runs_nothing() -> None:
    picture, result = open_picture(30, 20, np.zeros((20, 30), np.uint8), "u8")
    assert run_tiles(picture, picture.region, lambda c: 1 - c, tile=8, overlap=2) == 0
    assert np.array_equal(result, picture._source)


# What stops a run.


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_output_that_is_not_finite_is_caught(odd: float) -> None:
    picture, _ = open_picture(100, 100)
    seen: list[int] = []

    def failing(colours: np.ndarray) -> np.ndarray:
        seen.append(1)
        if len(seen) == 4:
            # In the margin, where the value would not even be used: still no trust in the model.
            colours[0, 0, 0] = odd
        return colours

    with pytest.raises(WrongOutput, match="not numbers"):
        run_tiles(picture, picture.bounds, failing, tile=32, overlap=8)
    assert len(seen) == 4


@pytest.mark.parametrize(
    "fn",
    [
        lambda colours: colours[:-1],
        lambda colours: colours.transpose(2, 0, 1),
        lambda colours: colours[..., :1],
        lambda colours: colours[None],
        lambda colours: colours.repeat(2, 0).repeat(2, 1),
    ],
)
def test_output_of_a_wrong_shape_is_caught(fn: Any) -> None:
    picture, _ = open_picture(100, 100)
    with pytest.raises(WrongOutput, match="shape"):
        run_tiles(picture, picture.bounds, fn, tile=32, overlap=8)


def test_cancel_stops_before_the_next_tile() -> None:
    picture, _ = open_picture(100, 100)
    done: list[int] = []
    with pytest.raises(Cancelled):
        run_tiles(
            picture,
            picture.bounds,
            lambda colours: colours,
            tile=32,
            overlap=8,
            progress=lambda number, _: done.append(number),
            cancelled=lambda: len(done) > 3,
        )
    assert done == [0, 1, 2, 3]


def test_an_error_of_the_function_goes_through() -> None:
    picture, _ = open_picture(10, 10)

    def failing(colours: np.ndarray) -> np.ndarray:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        run_tiles(picture, picture.bounds, failing, tile=32, overlap=8)


def test_the_grid_is_counted_without_a_picture() -> None:
    # A 24-megapixel photo at the tile rule of a network with fixed tiles.
    grid = plan_tiles(6000, 4000, 512, 64, fixed=True)
    assert isinstance(grid, Grid)
    assert grid.count == 14 * 9
