"""Text to image, both paths: the model's pixels by the formulas, sizes, selection, depths, seed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.bridge import toolbox
from shared_core.bridge.errors import BadInput, Cancelled, CouldNotBeDone
from shared_core.catalog import cards
from shared_core.engine.session import open_session
from shared_core.pixels import Picture, Raster
from shared_core.sheet import Sheet
from shared_core.tools import generation, text_to_image
from shared_core.tools.work import Model, Sessions, Work
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.text_to_image import (
    CONTRACTS,
    SD_TURBO,
    SDXS,
    SDXS_SECOND,
    TOKENIZER,
    TWINS,
    byte_ids,
    expected_decoded,
    expected_hidden,
    expected_noise,
)

Samples = NDArray[Any]
DTYPES = {"u8": "<u1", "u16": "<u2", "f32": "<f4"}
SIGMA = 14.614641229333639
PROMPT = "a red cat on a mat"


def work_on(
    tool_id: str, layer: Samples | tuple[int, int], depth: str = "u8", **given: Any
) -> tuple[Work, Samples]:
    """The work as the runner makes it, and the array that its sheet writes to.

    ``layer`` may be width and height: an empty layer.
    """
    if isinstance(layer, tuple):
        layer = np.zeros((layer[1], layer[0], 4), DTYPES[depth])
    raster = Raster(
        layer.shape[1],
        layer.shape[0],
        depth,  # type: ignore[arg-type]
        given.pop("order", "rgba"),
        given.pop("curve", "srgb"),
    )
    tool = toolbox.tool(tool_id)
    result = np.zeros(raster.shape, raster.dtype)
    fields = {
        name: given.pop(name)
        for name in ("selection", "seed", "helpers", "tile_divisor", "progress", "cancelled")
        if name in given
    }
    fields = {"progress": lambda done, total: None, "cancelled": lambda: False, **fields}
    work = Work(
        picture=Picture(layer, None, raster),
        parameters=tool.parse(given),
        outcome=tool.returns,
        sheet=Sheet(result, raster),
        **fields,
    )
    return work, result


@pytest.fixture
def twin(tmp_path: Path) -> Callable[..., Model]:
    """A model's twin under its real card, opened by the real session code."""

    def make(model: str, variant: Variant = Variant.GOOD) -> Model:
        folder = tmp_path / model
        card = cards.load()[model]
        for name, data in TWINS[model](variant).items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        files = dict(card.sessions())
        opened = Sessions(
            tuple(files), lambda role: open_session(folder / files[role].path, threads=1)
        )
        return Model(card, opened, folder)

    return make


def expected(model: str, prompt: str, seed: int) -> NDArray[np.float64]:
    """One step by hand, (512, 512, 3) in 0..1."""
    pad, scale = (0, 0.18215) if model == SD_TURBO else (49407, 1.0)
    hidden = expected_hidden(byte_ids(prompt, pad)[None], CONTRACTS[model].width)
    start = np.random.Generator(np.random.PCG64(seed)).standard_normal((1, 4, 64, 64)) * SIGMA
    noise = expected_noise(start / np.sqrt(SIGMA**2 + 1), 999, hidden)
    decoded = expected_decoded((start - SIGMA * noise) / scale)[0]
    return np.clip(decoded.transpose(1, 2, 0) / 2 + 0.5, 0, 1)


def test_the_models_pixels_at_its_own_size(twin: Callable[..., Model]) -> None:
    work, result = work_on("text-to-image", (512, 512), prompt=PROMPT, seed=9)
    made = text_to_image.real(work, twin(SD_TURBO))
    wanted = expected(SD_TURBO, PROMPT, 9)
    np.testing.assert_allclose(result[..., :3], wanted * 255, atol=0.6)
    assert (result[..., 3] == 255).all()
    assert made.parameters["prompt"] == PROMPT
    assert made.parameters["steps"] == 1
    assert made.parameters["made_at"] == "512x512"


def test_the_small_model_with_the_tokenizer_beside_it(twin: Callable[..., Model]) -> None:
    work, result = work_on(
        "text-to-image",
        (512, 512),
        prompt=PROMPT,
        steps=4,
        seed=3,
        helpers={TOKENIZER: twin(TOKENIZER)},
    )
    made = text_to_image.real(work, twin(SDXS))
    np.testing.assert_allclose(result[..., :3], expected(SDXS, PROMPT, 3) * 255, atol=0.6)
    # It was made for one step; the receipt tells what was done, not what was asked.
    assert made.parameters["steps"] == 1


def test_the_small_models_second_export(twin: Callable[..., Model]) -> None:
    work, result = work_on("text-to-image", (512, 512), prompt=PROMPT, steps=4, seed=3)
    made = text_to_image.real(work, twin(SDXS_SECOND))
    np.testing.assert_allclose(result[..., :3], expected(SDXS_SECOND, PROMPT, 3) * 255, atol=0.6)
    assert made.parameters["steps"] == 1


def test_a_16_bit_canvas_gets_16_bits(twin: Callable[..., Model]) -> None:
    work, result = work_on("text-to-image", (512, 512), "u16", prompt=PROMPT, order="bgra")
    text_to_image.real(work, twin(SD_TURBO))
    wanted = expected(SD_TURBO, PROMPT, 0) * 65535
    np.testing.assert_allclose(result[..., 2::-1], wanted, atol=20)
    assert np.unique(result[..., 0] % 257).size > 200


def test_a_linear_float_canvas_gets_linear_light(twin: Callable[..., Model]) -> None:
    work, result = work_on("text-to-image", (512, 512), "f32", prompt=PROMPT, curve="linear")
    text_to_image.real(work, twin(SD_TURBO))
    encoded = expected(SD_TURBO, PROMPT, 0)
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    np.testing.assert_allclose(result[..., :3], linear, atol=5e-4)
    assert (result[..., 3] == 1).all()


def test_a_wide_canvas_takes_the_middle_undistorted(twin: Callable[..., Model]) -> None:
    work, result = work_on("text-to-image", (1536, 768), prompt=PROMPT, seed=5)
    made = text_to_image.real(work, twin(SD_TURBO))
    assert made.parameters["scaled_by"] == 3
    # Three pixels of the canvas are one of the model's, whose upper and lower quarter fall away.
    back = cv2.resize(result[..., :3], (512, 256), interpolation=cv2.INTER_AREA)
    wanted = expected(SD_TURBO, PROMPT, 5)[128:384] * 255
    assert np.abs(back - wanted).mean() < 4
    for dy, dx in ((0, 1), (1, 0), (0, -1), (-1, 0)):
        moved = np.roll(wanted, (dy, dx), (0, 1))
        assert np.abs(back - wanted).mean() < 0.6 * np.abs(back - moved).mean()


def test_a_small_upright_canvas_shrinks_it(twin: Callable[..., Model]) -> None:
    work, result = work_on("text-to-image", (128, 256), prompt=PROMPT, seed=5)
    made = text_to_image.real(work, twin(SD_TURBO))
    assert made.parameters["scaled_by"] == 0.5
    half = cv2.resize(expected(SD_TURBO, PROMPT, 5), (256, 256), interpolation=cv2.INTER_AREA)
    assert np.abs(result[..., :3] / 255 - half[:, 64:192]).mean() < 0.03


def test_the_selection_is_the_place_and_the_opacity(twin: Callable[..., Model]) -> None:
    selection = np.zeros((700, 900), np.uint8)
    selection[100:612, 200:712] = 255
    selection[150:160, 200:712] = 51
    selection[300:310, 300:310] = 0
    work, result = work_on("text-to-image", (900, 700), prompt=PROMPT, seed=2, selection=selection)
    text_to_image.real(work, twin(SD_TURBO))
    np.testing.assert_array_equal(result[..., 3], selection)
    wanted = expected(SD_TURBO, PROMPT, 2) * 255
    np.testing.assert_allclose(result[100:612, 200:712, :3], wanted, atol=0.6)
    assert not result[:100].any()


@pytest.mark.parametrize(
    "variant", [Variant.NAN, Variant.WRONG_RANGE, Variant.HALF_SIZE, Variant.CONSTANT]
)
def test_a_model_that_strays_is_an_error(twin: Callable[..., Model], variant: Variant) -> None:
    work, result = work_on("text-to-image", (64, 64), prompt=PROMPT)
    with pytest.raises(CouldNotBeDone, match="classical path"):
        text_to_image.real(work, twin(SD_TURBO, variant))
    assert not result.any()


def test_what_the_model_does_not_read_is_told(twin: Callable[..., Model]) -> None:
    work, _ = work_on("text-to-image", (64, 64), prompt="x" * 100)
    assert text_to_image.real(work, twin(SD_TURBO)).parameters["tokens_not_read"] == 25


def test_networks_are_let_go_in_turn(twin: Callable[..., Model]) -> None:
    model = twin(SD_TURBO)
    first = model.sessions["text_encoder"]
    work, _ = work_on("text-to-image", (64, 64), prompt=PROMPT)
    text_to_image.real(work, model)
    assert model.sessions["text_encoder"] is not first


@pytest.mark.parametrize("path", ["classical", "real"])
def test_no_prompt_is_an_error(twin: Callable[..., Model], path: str) -> None:
    work, _ = work_on("text-to-image", (64, 64), prompt="  ")
    with pytest.raises(BadInput, match="no prompt"):
        if path == "real":
            text_to_image.real(work, twin(SD_TURBO))
        else:
            text_to_image.classical(work)


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (333, 77), (20000, 3)])
@pytest.mark.parametrize("depth", ["u8", "u16", "f32"])
def test_classical_fills_any_canvas(size: tuple[int, int], depth: str) -> None:
    work, result = work_on("text-to-image", size, depth, prompt="sunset over the sea")
    made = text_to_image.classical(work)
    top = {"u8": 255, "u16": 65535, "f32": 1}[depth]
    assert (result[..., 3] == top).all()
    assert result.max() <= top
    assert "not a picture of your prompt" in str(made.algorithm)


@pytest.mark.parametrize("size", [(1, 300), (700, 1), (1200, 31)])
def test_the_model_fills_any_canvas(twin: Callable[..., Model], size: tuple[int, int]) -> None:
    work, result = work_on("text-to-image", size, "f32", prompt=PROMPT)
    text_to_image.real(work, twin(SD_TURBO))
    assert (result[..., 3] == 1).all()
    assert result[..., :3].std() > 0.01


def test_classical_is_repeatable_and_the_seed_matters() -> None:
    results = []
    for seed in (4, 4, 5):
        work, result = work_on("text-to-image", (200, 120), prompt="blue marble", seed=seed)
        text_to_image.classical(work)
        results.append(result)
    np.testing.assert_array_equal(results[0], results[1])
    assert np.abs(results[0].astype(int) - results[2]).mean() > 3


def test_classical_in_a_selection() -> None:
    selection = np.zeros((200, 300), np.uint8)
    selection[20:120, 30:200] = 128
    work, result = work_on("text-to-image", (300, 200), "u16", prompt="grass", selection=selection)
    text_to_image.classical(work)
    np.testing.assert_array_equal(result[..., 3] > 0, selection > 0)
    assert abs(int(result[50, 50, 3]) - 128 * 257) <= 1
    assert not result[selection == 0].any()


def test_a_large_canvas_is_written_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = []
    for pixels in (1 << 19, 3000):
        monkeypatch.setattr(generation, "PART_PIXELS", pixels)
        work, result = work_on("text-to-image", (250, 90), "f32", prompt="wood")
        monkeypatch.setattr(text_to_image, "GRAIN", 0)
        text_to_image.classical(work)
        pictures.append(result)
    np.testing.assert_allclose(pictures[0], pictures[1], atol=1e-6)


def test_cancel_ends_it() -> None:
    work, _ = work_on("text-to-image", (64, 64), prompt="wood", cancelled=lambda: True)
    with pytest.raises(Cancelled):
        text_to_image.classical(work)


@pytest.mark.parametrize("prompt", ["marble", "forest", "wood", "sunset over water"])
def test_a_texture_is_given_up_while_it_is_drawn(
    monkeypatch: pytest.MonkeyPatch, prompt: str
) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > 2

    monkeypatch.setattr(text_to_image, "place", lambda *_, **__: pytest.fail("drawn to its end"))
    work, _ = work_on("text-to-image", (64, 64), prompt=prompt, cancelled=cancelled)
    with pytest.raises(Cancelled):
        text_to_image.classical(work)


def test_an_enlargement_is_named(twin: Callable[..., Model]) -> None:
    for size, word in (((512, 512), ""), ((900, 600), "enlarging 2 times by edge-guided")):
        work, _ = work_on("text-to-image", size, prompt=PROMPT)
        named = text_to_image.real(work, twin(SD_TURBO)).algorithm or ""
        assert named.endswith("fitting to the place") == bool(word)
        assert named.startswith(word) and bool(word) == ("enlarging" in named)


# ---------------------------------------------------------------- through the worker


def run(home: Any, folder: Path, *more: str) -> tuple[Samples, dict[str, Any]]:
    """``nss run text-to-image``; its picture and its receipt."""
    out, receipt = folder / "out.png", folder / "out.json"
    out.unlink(missing_ok=True)
    home.nss(
        "run", "text-to-image", "--size", "512x512", "-p", f"prompt={PROMPT}", "-o", out,
        "--receipt", receipt, *more,
    )  # fmt: skip
    picture = cv2.imdecode(np.fromfile(out, np.uint8), cv2.IMREAD_UNCHANGED)
    return picture, json.loads(receipt.read_text())


def test_prompt_and_seed_give_the_same_pixels_again(home: Any, models: Any, tmp_path: Path) -> None:
    models(models=(SD_TURBO, SDXS)).get(SD_TURBO, SDXS)
    first, receipt = run(home, tmp_path, "--path", "real", "-p", "seed=77")
    assert receipt["path"] == "real"
    assert receipt["model"]["id"] == SD_TURBO
    assert receipt["seed"] == 77
    assert PROMPT in json.dumps(receipt["parameters"])
    wanted = expected(SD_TURBO, PROMPT, 77) * 255
    np.testing.assert_allclose(first[..., 2::-1], wanted, atol=0.6)

    again, _ = run(home, tmp_path, "--path", "real", "-p", "seed=77")
    np.testing.assert_array_equal(first, again)
    other, receipt = run(home, tmp_path, "--path", "real")
    assert isinstance(receipt["seed"], int)
    assert (other != first).any()
    same, _ = run(home, tmp_path, "--path", "real", "-p", f"seed={receipt['seed']}")
    np.testing.assert_array_equal(other, same)

    small, receipt = run(home, tmp_path, "--path", "real", "-p", "model=small", "-p", "seed=77")
    assert receipt["model"]["id"] == SDXS
    np.testing.assert_allclose(small[..., 2::-1], expected(SDXS, PROMPT, 77) * 255, atol=0.6)
    _, receipt = run(home, tmp_path, "--commercial")
    assert receipt["model"]["id"] == SDXS


def test_the_users_selection_through_the_worker(shared_home: Any, tmp_path: Path) -> None:
    mask = np.zeros((300, 400), np.uint8)
    mask[100:250, 50:350] = 255
    mask[200:210, 50:350] = 90
    photo, out = tmp_path / "grey.png", tmp_path / "out.png"
    cv2.imencode(".png", mask)[1].tofile(tmp_path / "mask.png")
    cv2.imencode(".png", np.full((300, 400), 7000, np.uint16))[1].tofile(photo)
    shared_home.nss(
        "run", "text-to-image", photo, "-o", out, "--mask", tmp_path / "mask.png",
        "-p", "prompt=red silk", "--path", "classical",
    )  # fmt: skip
    picture = cv2.imdecode(np.fromfile(out, np.uint8), cv2.IMREAD_UNCHANGED)
    # Of the picture's depth, and in colour although that is grey.
    assert picture.dtype == np.uint16
    np.testing.assert_allclose(picture[..., 3], mask * 257.0, atol=1)
    blue, _green, red = picture[mask > 0][:, :3].mean(axis=0)
    assert red > 2 * blue


def test_a_model_that_fails_gives_the_texture_with_the_reason(
    home: Any, models: Any, tmp_path: Path
) -> None:
    models({SD_TURBO: Variant.NAN}, models=(SD_TURBO,))
    home.nss("models", "get", SD_TURBO, ok=False)
    picture, receipt = run(home, tmp_path)
    assert receipt["path"] == "classical"
    assert "SD-Turbo" in receipt["reason"]
    assert "not a picture of your prompt" in receipt["algorithm"]["name"]
    assert picture.shape[:2] == (512, 512)
    assert picture.std() > 5
