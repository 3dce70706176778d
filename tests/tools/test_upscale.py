"""Upscale, both paths: no seams, alpha, transparency, 16 bits, bounded memory, wrong models."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms.back_projection import enlarge
from shared_core.bridge import toolbox
from shared_core.bridge.errors import Cancelled, CouldNotBeDone, NssError
from shared_core.bridge.toolbox import Returns
from shared_core.catalog import cards
from shared_core.catalog.cards import TileRule
from shared_core.engine.session import open_session
from shared_core.pixels import Box, Picture, Raster, WrongOutput
from shared_core.sheet import Sheet
from shared_core.tools import scaled_tiles, upscale
from shared_core.tools.work import Model, Sessions, Work
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.upscale import (
    ANIME,
    GENERAL,
    SWIN2SR,
    TWINS,
    X2PLUS,
    X4PLUS,
    expected_upscale,
)

Samples = NDArray[Any]
FOUR_TIMES = (X4PLUS, GENERAL, ANIME)
TOPS = {"u8": 255, "u16": 65535}


def _layer(height: int, width: int, depth: str = "u8", opaque: bool = True) -> Samples:
    """Smooth colours under fine texture, and where not ``opaque`` a hole with a soft rim."""
    rng = np.random.default_rng(3)
    rough = cv2.resize(
        rng.random((5, 6, 4)), (width, height), interpolation=cv2.INTER_CUBIC
    ) + 0.1 * rng.random((height, width, 4))
    rgba = np.clip(rough, 0, 1)
    rgba[..., 3] = 1
    if not opaque:
        y, x = np.mgrid[:height, :width]
        away = np.hypot(y - height / 2, x - width / 2) - min(height, width) / 4
        rgba[..., 3] = np.clip(away / 4, 0, 1)
    dtype = {"u8": "<u1", "u16": "<u2"}[depth]
    return np.rint(rgba * TOPS[depth]).astype(dtype)


def _work(
    rgba: Samples, factor: int, depth: str = "u8", order: str = "rgba", **fields: Any
) -> tuple[Work, Samples]:
    """The work as the runner makes it, and the array that its sheet writes to."""
    height, width = rgba.shape[:2]
    result = np.zeros((factor * height, factor * width, 4), rgba.dtype)
    picture = Picture(rgba, None, Raster(width, height, depth, order))  # type: ignore[arg-type]
    sheet = Sheet(result, Raster(factor * width, factor * height, depth, order))  # type: ignore[arg-type]
    parameters = toolbox.tool("upscale").parse({"factor": str(factor)})
    work = Work(
        picture,
        parameters,
        fields.pop("progress", lambda done, total: None),
        fields.pop("cancelled", lambda: False),
        outcome=Returns.SCALED,
        sheet=sheet,
        **fields,
    )
    return work, result


def _model(folder: Path, model: str, variant: Variant = Variant.GOOD) -> Model:
    """The twin of ``model`` under its real card."""
    [path] = cards.cards_folder().rglob(f"{model}.toml")
    card = cards.read_card(path)
    for name, data in TWINS[model](variant).items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(data)
    sessions = Sessions(("",), lambda role: open_session(folder / card.main_file.path))
    return Model(card, sessions, folder)


def _floats(rgba: Samples) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    top = np.float32(TOPS["u8" if rgba.dtype.itemsize == 1 else "u16"])
    return rgba[..., :3] / top, rgba[..., 3] / top


def _no_seam(found: Samples, expected: NDArray[np.floating[Any]], levels: float) -> None:
    top = 255 if found.dtype.itemsize == 1 else 65535
    difference = np.abs(found.astype(np.float64) - np.clip(expected, 0, 1) * top)
    assert difference.max() <= levels


# ---------------------------------------------------------------- classical


@pytest.mark.parametrize("factor", [2, 4])
@pytest.mark.parametrize("opaque", [True, False])
def test_tiles_leave_no_seam(monkeypatch: pytest.MonkeyPatch, factor: int, opaque: bool) -> None:
    rgba = _layer(150, 190, opaque=opaque)
    monkeypatch.setattr(upscale, "CLASSICAL_SIDE", 40 * factor)
    work, result = _work(rgba, factor)
    made = upscale.classical(work)
    assert made.tiles >= 9
    assert made.algorithm is not None
    assert made.algorithm.startswith("classical")
    rgb, alpha = _floats(rgba)
    filled = work.picture.rgb(work.picture.bounds)
    _no_seam(result[..., :3], enlarge(filled, factor), 0.51)
    _no_seam(result[..., 3], enlarge(alpha, factor), 0.51)
    if opaque:
        np.testing.assert_allclose(filled, rgb, atol=1e-6)
        assert (result[..., 3] == 255).all()


def test_a_layer_of_one_colour_stays_so_in_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    rgba = np.full((130, 170, 4), (10, 128, 250, 255), np.uint8)
    monkeypatch.setattr(upscale, "CLASSICAL_SIDE", 64)
    work, result = _work(rgba, 2)
    assert upscale.classical(work).tiles > 20
    assert (result == rgba[0, 0]).all()


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (3, 5)])
def test_tiny_layers(size: tuple[int, int]) -> None:
    work, result = _work(_layer(*size), 4)
    upscale.classical(work)
    assert (result[..., 3] == 255).all()


def test_colours_under_transparent_pixels_do_not_bleed() -> None:
    rgba = np.zeros((40, 40, 4), np.uint8)
    rgba[:, :20] = (255, 0, 0, 0)
    rgba[:, 20:] = (0, 200, 0, 255)
    work, result = _work(rgba, 4)
    upscale.classical(work)
    visible = result[result[..., 3] > 0]
    assert (visible[:, 0] <= 1).all()
    assert (np.abs(visible[:, 1].astype(int) - 200) <= 1).all()
    # No ghost outline: opacity rises once, within a pixel of the edge, and does not ring.
    assert (result[:, :72, 3] == 0).all()
    assert (result[:, 88:, 3] == 255).all()


def test_sixteen_bits_keep_their_precision() -> None:
    steps = np.arange(64, dtype="<u2") * 16 + 30000
    rgba = np.full((8, 64, 4), 65535, "<u2")
    rgba[..., :3] = steps[None, :, None]
    work, result = _work(rgba, 2, "u16")
    upscale.classical(work)
    # A slope stays one: neighbours differ by half a step, which 8 bits could not tell apart.
    assert (np.abs(np.diff(result[3, 4:-4, 0].astype(int)) - 8) <= 1).all()


class _Spy(Sheet):
    """Counts how often each pixel is written, and how many at once."""

    def __init__(self, result: Samples, raster: Raster) -> None:
        super().__init__(result, raster)
        self.written = np.zeros(result.shape[:2], np.uint8)
        self.largest = 0

    def write(self, box: Box, rgb: Any, alpha: Any = None, excess: Any = None) -> None:
        self.written[box.slices] += 1
        self.largest = max(self.largest, box.width * box.height)
        super().write(box, rgb, alpha, excess)


@pytest.mark.parametrize("size", [(50, 700), (700, 50), (131, 97)])
def test_every_pixel_is_written_once_and_a_tile_at_most_at_once(size: tuple[int, int]) -> None:
    height, width = size
    rgba = _layer(height, width)
    work, result = _work(rgba, 2)
    spy = _Spy(result, Raster(2 * width, 2 * height, "u8"))
    scaled_tiles.run_scaled_tiles(
        replace(work, sheet=spy),
        lambda rgb: rgb.repeat(2, axis=0).repeat(2, axis=1),
        lambda box: None,
        factor=2,
        rule=TileRule(64, 16),
    )
    assert (spy.written == 1).all()
    assert spy.largest <= (2 * 64) ** 2
    # Blending equal values changes nothing, wherever tiles meet.
    np.testing.assert_array_equal(result, rgba.repeat(2, axis=0).repeat(2, axis=1))


def test_cancelling_ends_it_between_tiles(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upscale, "CLASSICAL_SIDE", 64)
    told: list[tuple[int, int]] = []
    work, _ = _work(
        _layer(130, 130),
        2,
        progress=lambda done, total: told.append((done, total)),
        cancelled=lambda: len(told) > 3,
    )
    with pytest.raises(Cancelled):
        upscale.classical(work)
    assert [done for done, _ in told] == [0, 1, 2, 3]


def test_less_memory_means_smaller_tiles() -> None:
    rgba = _layer(900, 900)
    work, result = _work(rgba, 2)
    whole = upscale.classical(work).tiles
    careful, again = _work(rgba, 2, tile_divisor=2)
    assert upscale.classical(careful).tiles > whole
    assert np.abs(result.astype(int) - again).max() <= 1


# ---------------------------------------------------------------- real


@pytest.mark.parametrize("model", FOUR_TIMES)
@pytest.mark.parametrize("depth", ["u8", "u16"])
def test_four_times_is_what_the_model_gives(tmp_path: Path, model: str, depth: str) -> None:
    rgba = _layer(60, 50, depth)
    work, result = _work(rgba, 4, depth)
    made = upscale.real(work, _model(tmp_path, model))
    assert made.algorithm is None
    assert made.parameters["model_factor"] == 4
    _no_seam(result[..., :3], expected_upscale(_floats(rgba)[0], 4), 1)
    assert (result[..., 3] == TOPS[depth]).all()


def test_two_times_by_the_model_made_for_it_also_of_odd_sides(tmp_path: Path) -> None:
    rgba = _layer(61, 43)
    work, result = _work(rgba, 2)
    made = upscale.real(work, _model(tmp_path, X2PLUS))
    assert made.algorithm is None
    rgb, _ = _floats(rgba)
    # The last row and column see a reflection beyond the picture, not themselves.
    expected = expected_upscale(np.pad(rgb, ((0, 1), (0, 1), (0, 0)), mode="reflect"), 2)
    _no_seam(result[..., :3], expected[:122, :86], 1)


def test_two_times_by_a_model_for_four_is_averaged_down(tmp_path: Path) -> None:
    rgba = _layer(60, 50)
    work, result = _work(rgba, 2)
    made = upscale.real(work, _model(tmp_path, GENERAL))
    assert made.algorithm == "averaged down from ×4"
    assert made.parameters == {"factor": 2, "model_factor": 4}
    large = np.clip(expected_upscale(_floats(rgba)[0], 4), 0, 1)
    expected = large.reshape(120, 2, 100, 2, 3).mean(axis=(1, 3))
    _no_seam(result[..., :3], expected, 1)


@pytest.mark.parametrize(("model", "factor"), [(X4PLUS, 4), (X2PLUS, 2), (X4PLUS, 2), (SWIN2SR, 2)])
def test_real_tiles_leave_no_seam_in_sixteen_bits_with_alpha(
    tmp_path: Path, model: str, factor: int
) -> None:
    # Multiples of what each model wants, or the last rows would see a reflection.
    rgba = _layer(304, 424, "u16", opaque=False)
    work, result = _work(rgba, factor, "u16", "bgra")
    made = upscale.real(work, _model(tmp_path, model))
    assert made.tiles >= 4
    assert made.algorithm is not None
    assert "alpha" in made.algorithm
    scale = int(made.parameters["model_factor"])
    colours = work.picture.rgb(work.picture.bounds)
    expected = np.clip(expected_upscale(colours, scale), 0, 1)
    step = scale // factor
    expected = expected.reshape(304 * factor, step, 424 * factor, step, 3).mean(axis=(1, 3))
    # The twin repeats a tile's own edge, which lies outside what the tile contributes.
    _no_seam(result[..., 2::-1], expected, 2)
    _no_seam(result[..., 3], enlarge(_floats(rgba)[1], factor), 1)


def test_a_model_for_two_refuses_four(tmp_path: Path) -> None:
    work, _ = _work(_layer(20, 20), 4)
    with pytest.raises(CouldNotBeDone, match="4 times"):
        upscale.real(work, _model(tmp_path, X2PLUS))


_FAULTS: Mapping[Variant, type[NssError]] = {
    Variant.NAN: WrongOutput,
    Variant.HALF_SIZE: WrongOutput,
    Variant.WRONG_RANGE: WrongOutput,
    Variant.SWAPPED: WrongOutput,
    Variant.CONSTANT: WrongOutput,
}


@pytest.mark.parametrize("model", [X4PLUS, X2PLUS, SWIN2SR])
@pytest.mark.parametrize("variant", _FAULTS)
def test_wrong_models_are_caught(tmp_path: Path, model: str, variant: Variant) -> None:
    rgba = _layer(40, 40)
    rgba[..., 2] = rgba[..., 2] // 3
    work, _ = _work(rgba, 2)
    with pytest.raises(_FAULTS[variant]):
        upscale.real(work, _model(tmp_path, model, variant))


def test_names_are_read_from_the_session(tmp_path: Path) -> None:
    rgba = _layer(30, 30)
    work, result = _work(rgba, 4)
    upscale.real(work, _model(tmp_path, X4PLUS, Variant.WRONG_NAMES))
    _no_seam(result[..., :3], expected_upscale(_floats(rgba)[0], 4), 1)


@pytest.mark.parametrize("factor", [2, 4])
def test_light_beyond_one_is_enlarged_along(factor):
    source = np.full((20, 30, 4), 0.5, "<f4")
    source[..., 3] = 1
    source[5:10, 8:20, 0] = 3.0
    raster = Raster(30, 20, "f32", "rgba", "linear")
    larger = Raster(30 * factor, 20 * factor, "f32", "rgba", "linear")
    result = np.zeros(larger.shape, "<f4")
    picture = Picture(source, None, raster)
    values = toolbox.tool("upscale").parse({"factor": str(factor)})
    upscale.classical(
        Work(picture, values, lambda *_: None, lambda: False, sheet=Sheet(result, larger))
    )
    middle = result[7 * factor : 8 * factor, 13 * factor : 15 * factor, 0]
    assert np.abs(middle - 3).max() < 0.05
    assert result[:, : 4 * factor].max() < 1.01
