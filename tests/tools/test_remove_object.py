"""Remove object, both paths: holes, context, masks of either polarity, 16 bits, wrong models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.bridge import toolbox
from shared_core.bridge.errors import BadInput, Cancelled
from shared_core.catalog import cards
from shared_core.engine.session import open_session
from shared_core.pixels import Box, Picture, Raster, WrongOutput
from shared_core.tools import holes, remove_object
from shared_core.tools.work import Made, Model, Sessions, Work
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.remove_object import LAMA, LAMA_CV, MIGAN, TWINS, expected_fill

Samples = NDArray[Any]
Mask = NDArray[np.uint8]
TOPS = {"u8": 255, "u16": 65535}


def _layer(height: int, width: int, depth: str = "u8") -> Samples:
    """Opaque, smooth colours under fine texture, clearly redder than blue."""
    rng = np.random.default_rng(3)
    rough = cv2.resize(rng.random((5, 6, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    rgba = np.ones((height, width, 4))
    rgba[..., :3] = np.clip(rough + 0.1 * rng.random((height, width, 3)), 0, 1)
    rgba[..., 2] *= 0.3
    return np.rint(rgba * TOPS[depth]).astype({"u8": "<u1", "u16": "<u2"}[depth])


def _box(shape: tuple[int, ...], top: int, left: int, height: int, width: int) -> Mask:
    mask = np.zeros(shape[:2], np.uint8)
    mask[top : top + height, left : left + width] = 255
    return mask


def _work(
    rgba: Samples, selection: Mask | None, order: str = "rgba", **fields: Any
) -> tuple[Work, Samples]:
    """The work as the runner makes it, and the array that the result goes to."""
    height, width = rgba.shape[:2]
    depth = "u8" if rgba.dtype.itemsize == 1 else "u16"
    result = np.zeros_like(rgba)
    raster = Raster(width, height, depth, order)  # type: ignore[arg-type]
    picture = Picture(rgba, result, raster, selection)
    picture.begin()
    parameters = toolbox.tool("remove-object").parse({})
    progress = fields.pop("progress", lambda done, total: None)
    cancelled = fields.pop("cancelled", lambda: False)
    return Work(picture, parameters, progress, cancelled, selection=selection, **fields), result


def _model(folder: Path, model: str, variant: Variant = Variant.GOOD) -> Model:
    """The twin of ``model`` under its real card."""
    [path] = cards.cards_folder().rglob(f"{model}.toml")
    card = cards.read_card(path)
    for name, data in TWINS[model](variant).items():
        (folder / name).write_bytes(data)
    return Model(
        card, Sessions(("",), lambda role: open_session(folder / card.main_file.path)), folder
    )


def _outside_is_untouched(rgba: Samples, result: Samples, selection: Mask) -> None:
    np.testing.assert_array_equal(result[selection == 0], rgba[selection == 0])
    np.testing.assert_array_equal(result[..., 3], rgba[..., 3])


def _blended(rgba: Samples, new: NDArray[np.floating[Any]], selection: Mask) -> Samples:
    """source + selection · (new - source), computed here by hand."""
    top = TOPS["u8" if rgba.dtype.itemsize == 1 else "u16"]
    share = (selection / 255)[..., None]
    mixed = rgba.astype(np.float64)
    mixed[..., :3] += share * (np.clip(new, 0, 1) * top - mixed[..., :3])
    return mixed


# ---------------------------------------------------------------- holes


def test_holes_far_apart_are_filled_one_by_one_and_near_ones_together() -> None:
    mask = _box((200, 300), 20, 30, 10, 12)
    mask |= _box(mask.shape, 20, 50, 10, 12)
    mask |= _box(mask.shape, 150, 200, 40, 99)
    assert holes.boxes(mask) == [Box(30, 20, 32, 10), Box(200, 150, 99, 40)]


def test_boxes_that_overlap_are_one() -> None:
    ring = np.zeros((200, 200), np.uint8)
    cv2.circle(ring, (100, 100), 90, 255, 4)
    ring[98:102, 98:102] = 255
    [only] = holes.boxes(ring)
    assert (only.width, only.height) == tuple(cv2.boundingRect(ring)[2:])


def test_every_selected_pixel_lies_in_exactly_one_box() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        mask = np.zeros((160, 210), np.uint8)
        for _ in range(int(rng.integers(1, 12))):
            y, x = rng.integers(0, (160, 210))
            h, w = rng.integers(1, 40, 2)
            mask[y : y + h, x : x + w] = rng.integers(1, 256)
        count = np.zeros(mask.shape, int)
        for box in holes.boxes(mask):
            count[box.slices] += 1
        assert count.max() == 1
        assert (count[mask > 0] == 1).all()


def test_no_box_where_nothing_is_selected() -> None:
    assert holes.boxes(np.zeros((40, 50), np.uint8)) == []


def test_a_square_stays_inside_the_picture_and_holds_the_hole() -> None:
    bounds = Box(0, 0, 1000, 700)
    assert holes.square(Box(10, 20, 30, 40), 512, bounds) == Box(0, 0, 512, 512)
    assert holes.square(Box(500, 300, 100, 100), 512, bounds) == Box(294, 94, 512, 512)
    assert holes.square(Box(900, 600, 100, 100), 512, bounds) == Box(488, 188, 512, 512)
    assert holes.square(Box(100, 100, 600, 300), 1200, bounds) == bounds


# ---------------------------------------------------------------- what cannot be done


def _both_paths(work: Work, folder: Path) -> list[Any]:
    model = _model(folder, LAMA)
    return [lambda: remove_object.classical(work), lambda: remove_object.real(work, model)]


def test_a_selection_is_needed(tmp_path: Path) -> None:
    work, _ = _work(_layer(40, 40), None)
    for path in _both_paths(work, tmp_path):
        with pytest.raises(BadInput, match="Nothing is selected"):
            path()


def test_everything_selected_leaves_nothing_to_copy(tmp_path: Path) -> None:
    work, _ = _work(_layer(40, 40), np.full((40, 40), 255, np.uint8))
    for path in _both_paths(work, tmp_path):
        with pytest.raises(BadInput, match="covers all"):
            path()


def test_transparent_surroundings_are_nothing_to_copy(tmp_path: Path) -> None:
    rgba = _layer(60, 60)
    selection = _box(rgba.shape, 20, 20, 20, 20)
    rgba[selection == 0, 3] = 0
    work, _ = _work(rgba, selection)
    for path in _both_paths(work, tmp_path):
        with pytest.raises(BadInput, match="covers all"):
            path()


def test_an_invisible_selection_is_told(tmp_path: Path) -> None:
    rgba = _layer(60, 60)
    rgba[:30, :, 3] = 0
    work, _ = _work(rgba, _box(rgba.shape, 5, 5, 10, 10))
    for path in _both_paths(work, tmp_path):
        with pytest.raises(BadInput, match="nothing visible"):
            path()


# ---------------------------------------------------------------- classical


def _striped(height: int, width: int) -> Samples:
    """Vertical stripes, eight pixels each, which any good fill carries on."""
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[..., :3] = (200, 160, 40)
    rgba[:, np.arange(width) // 8 % 2 == 1, :3] = (40, 60, 20)
    return rgba


def test_an_area_is_filled_with_texture_that_goes_on() -> None:
    clean = _striped(160, 200)
    selection = _box(clean.shape, 50, 60, 50, 60)
    spoilt = clean.copy()
    spoilt[selection > 0] = (255, 0, 255, 255)
    work, result = _work(spoilt, selection)
    made = remove_object.classical(work)
    assert made.parameters["areas"] == 1
    assert made.algorithm is not None
    assert "PatchMatch" in made.algorithm
    _outside_is_untouched(spoilt, result, selection)
    wrong = np.abs(result.astype(int) - clean)[selection > 0].mean()
    assert wrong < 4


def test_the_same_picture_gives_the_same_fill_and_another_seed_another() -> None:
    rgba = _layer(120, 120)
    selection = _box(rgba.shape, 40, 40, 30, 30)
    results = []
    for seed in (0, 0, 1):
        work, result = _work(rgba, selection, seed=seed)
        remove_object.classical(work)
        results.append(result)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


def test_a_scratch_is_filled_from_both_sides() -> None:
    clean = _layer(90, 120, "u16")
    selection = np.zeros((90, 120), np.uint8)
    cv2.line(selection, (10, 80), (110, 5), 255, 2)
    spoilt = clean.copy()
    spoilt[selection > 0, :3] = 65535
    work, result = _work(spoilt, selection)
    made = remove_object.classical(work)
    assert made.parameters == {"areas": 0, "scratches": 1, "width": pytest.approx(3, abs=1.5)} | {
        "scratch_up_to": 6
    }
    assert made.algorithm is not None
    assert "Navier-Stokes" in made.algorithm
    _outside_is_untouched(spoilt, result, selection)
    assert np.abs(result.astype(int) - clean)[selection > 0].mean() < 0.05 * 65535
    # 16 bits come back, not 8 spread over 16.
    assert len(np.unique(result[selection > 0] % 257)) > 50


def test_crossing_scratches_are_scratches_still() -> None:
    clean = _layer(200, 200)
    selection = np.zeros((200, 200), np.uint8)
    for start, end in (((5, 10), (190, 40)), ((5, 40), (190, 10)), ((100, 3), (90, 190))):
        cv2.line(selection, start, end, 255, 3)
    work, _ = _work(clean, selection)
    made = remove_object.classical(work)
    assert (made.parameters["areas"], made.parameters["scratches"]) == (0, 1)


@pytest.mark.parametrize("corner", [(0, 0), (0, 90), (90, 90), (40, 90), (0, 40)])
def test_holes_at_the_border_are_filled(corner: tuple[int, int]) -> None:
    clean = _striped(120, 120)
    selection = _box(clean.shape, *corner, 30, 30)
    spoilt = clean.copy()
    spoilt[selection > 0] = (255, 0, 255, 255)
    work, result = _work(spoilt, selection)
    remove_object.classical(work)
    _outside_is_untouched(spoilt, result, selection)
    inside = result[selection > 0].astype(int)
    # Only colours of the stripes, none of the object.
    assert (inside[:, 2] < 90).all()
    assert (inside[:, 1] > 20).all()


def test_the_objects_rim_does_not_leak_under_a_feathered_selection() -> None:
    clean = np.full((120, 120, 4), (60, 120, 60, 255), np.uint8)
    spoilt = clean.copy()
    cv2.circle(spoilt, (60, 60), 22, (255, 0, 0, 255), -1)
    selection = np.zeros((120, 120), np.uint8)
    cv2.circle(selection, (60, 60), 21, 255, -1)
    work, result = _work(spoilt, selection)
    remove_object.classical(work)
    assert (np.abs(result.astype(int) - clean)[selection > 0] <= 1).all()


def test_nothing_is_copied_from_transparent_pixels() -> None:
    rgba = _striped(120, 120)
    rgba[:, :50] = (255, 0, 255, 0)
    selection = _box(rgba.shape, 40, 60, 30, 30)
    work, result = _work(rgba, selection)
    remove_object.classical(work)
    assert (result[selection > 0][:, 2] < 90).all()
    _outside_is_untouched(rgba, result, selection)


def test_a_far_source_is_found_where_nothing_near_is_whole() -> None:
    clean = _striped(400, 400)
    rgba = clean.copy()
    selection = np.full((400, 400), 255, np.uint8)
    selection[:, :60] = 0
    work, result = _work(rgba, selection)
    remove_object.classical(work)
    assert (result[selection > 0][:, 2] < 90).all()


def test_cancelling_ends_the_fill() -> None:
    rgba = _layer(120, 120)
    asked = []

    def cancelled() -> bool:
        asked.append(1)
        return len(asked) > 4

    work, _ = _work(rgba, _box(rgba.shape, 40, 40, 40, 40), cancelled=cancelled)
    with pytest.raises(Cancelled):
        remove_object.classical(work)
    assert len(asked) == 5


# ---------------------------------------------------------------- real


@pytest.mark.parametrize(("model", "levels"), [(LAMA, 1), (LAMA_CV, 1), (MIGAN, 1)])
@pytest.mark.parametrize("depth", ["u8", "u16"])
def test_a_hole_is_filled_from_the_square_around_it(
    tmp_path: Path, model: str, levels: int, depth: str
) -> None:
    rgba = _layer(700, 900, depth)
    rgba[..., 3] = rgba[..., 3] // 2
    selection = np.zeros((700, 900), np.uint8)
    cv2.circle(selection, (500, 300), 40, 255, -1)
    selection = cv2.GaussianBlur(selection, (0, 0), 3)
    work, result = _work(rgba, selection, "bgra")
    made = remove_object.real(work, _model(tmp_path, model))
    assert made == Made(1, None, {"holes": 1, "scale": 1.0})
    _outside_is_untouched(rgba, result, selection)
    # The square of 512 around the hole's box, its mask grown by two pixels.
    left, top, width, height = cv2.boundingRect(selection)
    y, x = top + (height - 512) // 2, left + (width - 512) // 2
    rgb = (rgba[y : y + 512, x : x + 512, 2::-1] / TOPS[depth]).astype(np.float32)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    hole = cv2.dilate((selection > 0).astype(np.uint8), disc)[y : y + 512, x : x + 512] > 0
    if model == MIGAN:
        rgb = np.rint(rgb * 255) / np.float32(255)
    new = rgba[..., 2::-1] / TOPS[depth]
    new[y : y + 512, x : x + 512] = expected_fill(rgb, hole, model)
    expected = _blended(np.dstack([rgba[..., 2::-1], rgba[..., 3]]), new, selection)
    # MI-GAN gives whole levels of 8 bits.
    slack = levels * (TOPS[depth] / 255 if model == MIGAN else 1) * 0.5 + 1
    difference = np.abs(result[..., 2::-1].astype(np.float64) - expected[..., :3])
    assert difference.max() <= slack


@pytest.mark.parametrize("model", [LAMA, MIGAN])
def test_a_large_hole_is_reduced_and_says_so(tmp_path: Path, model: str) -> None:
    rgba = np.full((1400, 1500, 4), 255, np.uint8)
    # Rows of one colour: what the twin makes of a reduced copy is known without reducing.
    rows = np.linspace(20, 220, 1400)
    rgba[..., 0], rgba[..., 1], rgba[..., 2] = rows[:, None], 255 - rows[:, None], 40
    clean = rgba.copy()
    selection = _box(rgba.shape, 400, 300, 500, 600)
    rgba[selection > 0] = (255, 255, 255, 255)
    work, result = _work(rgba, selection)
    made = remove_object.real(work, _model(tmp_path, model))
    assert made.parameters["scale"] == pytest.approx(512 / 1200, abs=1e-3)
    assert made.algorithm is not None
    assert "enlarged" in made.algorithm
    _outside_is_untouched(rgba, result, selection)
    assert np.abs(result.astype(int) - clean)[selection > 0].max() <= 3


def test_a_picture_smaller_than_the_model_is_mirrored(tmp_path: Path) -> None:
    rgba = _layer(60, 80)
    selection = _box(rgba.shape, 20, 30, 15, 20)
    work, result = _work(rgba, selection)
    remove_object.real(work, _model(tmp_path, LAMA))
    rgb = (rgba[..., :3] / 255).astype(np.float32)
    hole = _box(rgba.shape, 18, 28, 19, 24)
    # The rim is round: its corners are not the hole's.
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (5, 5))
    hole = cv2.dilate((selection > 0).astype(np.uint8), disc)
    rows = np.pad(np.arange(60), (0, 452), mode="reflect")
    columns = np.pad(np.arange(80), (0, 432), mode="reflect")
    wide = expected_fill(rgb[rows][:, columns], hole[rows][:, columns] > 0)
    expected = _blended(rgba, wide[:60, :80], selection)
    assert np.abs(result - expected)[..., :3].max() <= 1
    _outside_is_untouched(rgba, result, selection)


def test_two_holes_are_two_runs_each_blind_to_the_other(tmp_path: Path) -> None:
    rgba = np.full((600, 1000, 4), (200, 120, 40, 255), np.uint8)
    clean = rgba.copy()
    selection = _box(rgba.shape, 250, 100, 60, 60) | _box(rgba.shape, 250, 300, 60, 60)
    rgba[selection > 0] = (0, 0, 255, 255)
    work, result = _work(rgba, selection)
    made = remove_object.real(work, _model(tmp_path, LAMA))
    assert made.tiles == 2
    # Had one been context for the other, its blue would be in the rows' mean.
    assert np.abs(result.astype(int) - clean).max() <= 1


_FAULTS = (Variant.NAN, Variant.HALF_SIZE, Variant.WRONG_RANGE, Variant.SWAPPED, Variant.CONSTANT)


@pytest.mark.parametrize("model", [LAMA, LAMA_CV, MIGAN])
@pytest.mark.parametrize("variant", _FAULTS)
def test_wrong_models_are_caught(tmp_path: Path, model: str, variant: Variant) -> None:
    rgba = _layer(520, 520)
    work, _ = _work(rgba, _box(rgba.shape, 200, 200, 60, 60))
    with pytest.raises(WrongOutput):
        remove_object.real(work, _model(tmp_path, model, variant))


def test_names_are_read_from_the_session(tmp_path: Path) -> None:
    rgba = np.full((520, 520, 4), (200, 120, 40, 255), np.uint8)
    clean = rgba.copy()
    selection = _box(rgba.shape, 200, 200, 60, 60)
    rgba[selection > 0] = 255
    work, result = _work(rgba, selection)
    remove_object.real(work, _model(tmp_path, MIGAN, Variant.WRONG_NAMES))
    assert np.abs(result.astype(int) - clean).max() <= 1
