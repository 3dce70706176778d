"""Any size, tiles, selection, depth and alpha: what changes nothing gives the source back, and what
commutes with shifts does so in tiles too."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared_core.bridge import toolbox
from shared_core.catalog.cards import TileRule
from shared_core.engine.tiling import run_tiles
from shared_core.pixels import Box, Picture, Raster
from shared_core.sheet import Sheet
from shared_core.tools.scaled_tiles import run_scaled_tiles
from shared_core.tools.work import Work
from tests.engine.test_tiling import convolve, rules
from tests.test_pixels import TOPS, alphas, make_mask, make_source, masks, open_picture, same_bytes

# Other programs may hold the processor while an example runs.
UNTIMED = settings(deadline=None)
Array = NDArray[Any]


@dataclass(frozen=True)
class Scene:
    """A picture and what of it is selected."""

    raster: Raster
    source: Array
    mask: Array | None
    context: int

    def cropped(self, box: Box) -> Scene:
        """A part of it as a picture of its own."""
        raster = Raster(
            box.width, box.height, self.raster.depth, self.raster.order, self.raster.curve
        )
        mask = None if self.mask is None else np.ascontiguousarray(self.mask[box.slices])
        source = np.ascontiguousarray(self.source[box.slices])
        return Scene(raster, source, mask, self.context)

    def run(self, fn: Any, rule: Any) -> Array:
        """What is in the result after ``fn`` in tiles."""
        picture, result = open_picture(self.raster, self.source, self.mask, self.context)
        run_tiles(picture, picture.region, fn, **rule)
        return result


@st.composite
def scenes(draw: st.DrawFn, least: int = 1, most: int = 100) -> Scene:
    raster = Raster(
        draw(st.integers(least, most)),
        draw(st.integers(least, most)),
        draw(st.sampled_from(("u8", "u16", "f32"))),
        draw(st.sampled_from(("rgba", "bgra"))),
        draw(st.sampled_from(("srgb", "linear"))),
    )
    seed = draw(st.integers(0, 2**32 - 1))
    source = make_source(raster, draw(alphas), seed)
    mask = make_mask(raster, draw(masks), seed)
    return Scene(raster, source, mask, draw(st.sampled_from((0, 3, 64))))


@st.composite
def parts(draw: st.DrawFn, scene: Scene, step: int = 1) -> Box:
    """A part of a scene, its sides on multiples of ``step``."""
    left = step * draw(st.integers(0, (scene.raster.width - step) // step))
    top = step * draw(st.integers(0, (scene.raster.height - step) // step))
    width = step * draw(st.integers(1, (scene.raster.width - left) // step))
    height = step * draw(st.integers(1, (scene.raster.height - top) // step))
    return Box(left, top, width, height)


def steps_apart(one: Array, other: Array) -> float:
    """The largest difference, in steps of the depth; in thousandths for floats."""
    unit = 1e-3 if one.dtype.kind == "f" else 1.0
    return float(np.abs(one.astype(np.float64) - other).max(initial=0) / unit)


@UNTIMED
@given(scenes(), rules())
def test_what_changes_nothing_gives_the_source_back(scene: Scene, rule: Any) -> None:
    found = scene.run(lambda colours: colours, rule)
    if scene.raster.depth != "f32":
        assert same_bytes(found, scene.source)
        return
    # Two shares of a value add up to it but for the last bits.
    assert np.abs(found - scene.source).max(initial=0) < 1e-5 * max(1, np.abs(scene.source).max())
    if scene.mask is not None:
        assert same_bytes(found[scene.mask == 0], scene.source[scene.mask == 0])


@UNTIMED
@given(scenes(least=4), rules(), rules(), st.data())
def test_what_commutes_with_shifts_does_so_in_tiles(
    scene: Scene, rule: Any, other: Any, data: st.DataObject
) -> None:
    """A part of the picture, in other tiles that lie elsewhere, gives the same but for its rim."""
    # Colours under clear pixels come from the nearest that are visible, which a cut may remove.
    opaque: Any = 1.0 if scene.raster.depth == "f32" else TOPS[scene.raster.depth]
    scene.source[..., 3] = np.maximum(scene.source[..., 3], opaque / 16)
    for one in (rule, other):
        one["tile"] += 8 * one["multiple"]
        one["overlap"] = min(max(4, one["overlap"]), one["tile"] // 2)
    box = data.draw(parts(scene))
    whole, part = scene.run(convolve, rule)[box.slices], scene.cropped(box).run(convolve, other)
    # A step apart where a value lies between two; the linear curve is steep in the dark.
    inner = (slice(1, box.height - 1), slice(1, box.width - 1))
    assert steps_apart(whole[inner], part[inner]) <= 1


@UNTIMED
@given(scenes(least=8), rules(), rules(), st.data())
def test_a_network_that_reduces_commutes_with_shifts_of_its_step(
    scene: Scene, rule: Any, other: Any, data: st.DataObject
) -> None:
    def pooled(colours: Array) -> Array:
        height, width = colours.shape[:2]
        blocks = colours.reshape(height // 8, 8, width // 8, 8, 3).mean(axis=(1, 3))
        return blocks.repeat(8, 0).repeat(8, 1).astype(np.float32)

    scene.source[..., 3] = 1.0 if scene.raster.depth == "f32" else TOPS[scene.raster.depth]
    for one in (rule, other):
        one["tile"] = 64 + 8 * (one["tile"] // 8)
        one["multiple"], one["overlap"], one["fixed"] = 8, 32, False
    box = data.draw(parts(scene, step=8))
    whole, part = scene.run(pooled, rule)[box.slices], scene.cropped(box).run(pooled, other)
    # What reaches over the picture's own end is filled up by reflection in both.
    assert steps_apart(whole, part) <= 1


@UNTIMED
@given(
    st.integers(1, 60),
    st.integers(1, 60),
    st.sampled_from((2, 3, 4)),
    st.sampled_from(("u8", "u16")),
    st.integers(1, 40),
    st.data(),
)
def test_an_enlargement_by_repetition_repeats_every_pixel(
    width: int, height: int, factor: int, depth: Any, tile: int, data: st.DataObject
) -> None:
    overlap = data.draw(st.integers(0, tile // 2))
    raster = Raster(width, height, depth)
    source = make_source(raster, "opaque", width * 100 + height)
    result = np.zeros((factor * height, factor * width, 4), source.dtype)
    work = Work(
        Picture(source, None, raster),
        toolbox.tool("upscale").parse({}),
        lambda done, total: None,
        lambda: False,
        outcome=toolbox.Returns.SCALED,
        sheet=Sheet(result, Raster(factor * width, factor * height, depth)),
    )

    def enlarge(colours: Array) -> Array:
        return colours.repeat(factor, 0).repeat(factor, 1)

    rule = TileRule(tile, overlap)
    run_scaled_tiles(work, enlarge, lambda box: None, factor, rule)
    assert same_bytes(result, source.repeat(factor, 0).repeat(factor, 1))


@UNTIMED
@given(scenes(), rules(), st.sampled_from((cv2.ROTATE_180, cv2.ROTATE_90_CLOCKWISE)))
def test_what_works_on_single_pixels_commutes_with_turns(
    scene: Scene, rule: Any, turn: int
) -> None:
    def gamma(colours: Array) -> Array:
        return np.sqrt(colours)

    raster = scene.raster
    sides = (raster.width, raster.height)
    size = sides if turn == cv2.ROTATE_180 else sides[::-1]
    mask = None if scene.mask is None else cv2.rotate(scene.mask, turn)
    turned = Scene(
        Raster(*size, raster.depth, raster.order, raster.curve),
        cv2.rotate(scene.source, turn),
        mask,
        scene.context,
    )
    visible = cv2.rotate(scene.source, turn)[..., 3] > 0
    expected = cv2.rotate(scene.run(gamma, rule), turn)
    assert steps_apart(turned.run(gamma, rule)[visible], expected[visible]) <= 1
