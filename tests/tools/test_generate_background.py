"""Generate background: all of the canvas, opaque, in the model's or the subject's colours."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared_core.bridge.errors import Cancelled
from shared_core.tools import generate_background
from shared_core.tools.work import Model
from tests.fakes.contracts.text_to_image import SD_TURBO

from .test_text_to_image import PROMPT, Samples, expected, twin, work_on

__all__ = ["twin"]

TOPS = {"u8": 255, "u16": 65535, "f32": 1}


def subject(width: int, height: int, depth: str = "u8") -> Samples:
    """A layer with an orange disc, a darker half and a soft rim, and green under alpha 0."""
    y, x = np.mgrid[:height, :width]
    away = np.hypot(x - width / 2, y - height / 2) / (min(width, height) / 3)
    rgba = np.zeros((height, width, 4))
    rgba[...] = (0.1, 0.9, 0.2, 0)
    inside = away < 1.1
    rgba[inside, :3] = (0.9, 0.45, 0.1)
    rgba[inside & (x < width / 2), :3] = (0.5, 0.2, 0.05)
    rgba[..., 3] = np.clip((1.1 - away) * 8, 0, 1)
    top = TOPS[depth]
    dtype = {"u8": "<u1", "u16": "<u2", "f32": "<f4"}[depth]
    return (np.rint(rgba * top) if depth != "f32" else rgba).astype(dtype)


def test_the_models_pixels_without_harmony(twin: Callable[..., Model]) -> None:
    work, result = work_on(
        "generate-background", subject(512, 512), prompt=PROMPT, harmonise=0, seed=8
    )
    made = generate_background.real(work, twin(SD_TURBO))
    np.testing.assert_allclose(result[..., :3], expected(SD_TURBO, PROMPT, 8) * 255, atol=0.6)
    assert (result[..., 3] == 255).all()
    assert made.parameters["prompt"] == PROMPT


def test_the_models_pixels_with_harmony_by_hand(twin: Callable[..., Model]) -> None:
    layer = subject(512, 512, "u16")
    work, result = work_on("generate-background", layer, "u16", prompt=PROMPT, harmonise=60, seed=8)
    generate_background.real(work, twin(SD_TURBO))
    lab = lab_of(expected(SD_TURBO, PROMPT, 8)).reshape(-1, 3)
    seen = layer[..., 3].ravel() > 0.05 * 65535
    weight = layer[..., 3].ravel()[seen].astype(float)
    own = lab_of(layer[..., :3] / 65535).reshape(-1, 3)[seen]
    mean = np.average(own, axis=0, weights=weight)
    spread = np.sqrt(np.average((own - mean) ** 2, axis=0, weights=weight))
    gain = np.clip(spread / lab.std(0), [0.7, 0.6, 0.6], [1.3, 1, 1])
    target = lab.mean(0) + [0.5, 1, 1] * (mean - lab.mean(0))
    strength = 0.6
    moved = (lab - lab.mean(0)) * (1 + strength * (gain - 1))
    moved += lab.mean(0) + strength * (target - lab.mean(0))
    wanted = cv2.cvtColor(moved.reshape(512, 512, 3).astype(np.float32), cv2.COLOR_Lab2RGB)
    # The subject is looked at in a reduced copy, so that its statistics differ a little.
    assert np.abs(result[..., :3] / 65535 - np.clip(wanted, 0, 1)).mean() < 0.004
    plain = expected(SD_TURBO, PROMPT, 8)
    assert np.abs(plain - wanted).mean() > 0.03


def lab_of(rgb: Any) -> Any:
    return cv2.cvtColor(np.ascontiguousarray(rgb, np.float32), cv2.COLOR_RGB2Lab).astype(float)


def test_without_a_prompt_the_model_paints_a_studio(twin: Callable[..., Model]) -> None:
    work, _ = work_on("generate-background", subject(64, 64))
    made = generate_background.real(work, twin(SD_TURBO))
    assert made.parameters["prompt"] == generate_background.EMPTY_PROMPT


@pytest.mark.parametrize("style", ["auto", "gradient", "blurred", "texture"])
@pytest.mark.parametrize("size", [(1, 1), (1, 200), (200, 1), (301, 97), (9000, 4)])
@pytest.mark.parametrize("depth", ["u8", "u16", "f32"])
def test_classical_fills_any_canvas(style: str, size: tuple[int, int], depth: str) -> None:
    work, result = work_on("generate-background", subject(*size, depth), depth, style=style, seed=3)
    generate_background.classical(work)
    assert (result[..., 3] == TOPS[depth]).all()
    assert result.max() <= TOPS[depth]


def test_a_selection_does_not_count() -> None:
    selection = np.zeros((60, 80), np.uint8)
    selection[10:20, 10:20] = 255
    work, result = work_on("generate-background", subject(80, 60), style="gradient")
    generate_background.classical(work)
    limited, other = work_on(
        "generate-background", subject(80, 60), style="gradient", selection=selection
    )
    generate_background.classical(limited)
    np.testing.assert_array_equal(result, other)


@pytest.mark.parametrize("style", ["gradient", "texture"])
def test_the_same_seed_gives_the_same_pixels(style: str) -> None:
    results = []
    for seed in (1, 1, 2):
        work, result = work_on("generate-background", subject(160, 120), style=style, seed=seed)
        generate_background.classical(work)
        results.append(result)
    np.testing.assert_array_equal(results[0], results[1])
    assert (results[0] != results[2]).any()


@pytest.mark.parametrize("style", ["gradient", "blurred", "texture"])
def test_the_backdrop_has_the_subjects_hue(style: str) -> None:
    work, result = work_on("generate-background", subject(160, 120), style=style, harmonise=100)
    generate_background.classical(work)
    red, green, blue = result[..., :3].reshape(-1, 3).mean(axis=0)
    # Orange, although the hidden pixels are green.
    assert red > green > blue


def test_no_harmony_gives_grey() -> None:
    work, result = work_on("generate-background", subject(160, 120), style="gradient", harmonise=0)
    generate_background.classical(work)
    assert np.ptp(result[..., :3].reshape(-1, 3).mean(axis=0)) < 2


def test_a_dark_subject_stands_before_a_light_backdrop_and_the_other_way_round() -> None:
    means = []
    for value in (30, 225):
        layer = subject(120, 120)
        layer[..., :3] = value
        work, result = work_on("generate-background", layer, style="gradient")
        generate_background.classical(work)
        means.append(result[..., :3].mean())
    assert means[0] > means[1] + 50


def test_an_empty_layer_gets_a_backdrop_too() -> None:
    work, result = work_on("generate-background", (90, 70), style="blurred")
    made = generate_background.classical(work)
    assert made.parameters["style"] == "gradient"
    assert (result[..., 3] == 255).all()


def test_the_prompt_names_texture_and_colour() -> None:
    work, _ = work_on("generate-background", subject(90, 70), prompt="an old brick wall")
    made = generate_background.classical(work)
    assert made.parameters["texture"] == "bricks"
    work, result = work_on("generate-background", subject(90, 70), prompt="plain green")
    generate_background.classical(work)
    red, green, blue = result[..., :3].reshape(-1, 3).mean(axis=0)
    assert green > max(red, blue) + 20


def test_cancel_ends_it() -> None:
    work, _ = work_on("generate-background", subject(64, 64), cancelled=lambda: True)
    with pytest.raises(Cancelled):
        generate_background.classical(work)


def test_through_the_worker(home: Any, models: Any, tmp_path: Path) -> None:
    models(models=(SD_TURBO,)).get(SD_TURBO)
    photo, out, told = tmp_path / "cut.png", tmp_path / "out.png", tmp_path / "out.json"
    cv2.imencode(".png", subject(512, 512))[1].tofile(photo)
    arguments = ("-p", f"prompt={PROMPT}", "-p", "seed=6", "-p", "harmonise=0")
    home.nss(
        "run", "generate-background", photo, "-o", out, "--receipt", told, "--path", "real",
        *arguments,
    )  # fmt: skip
    picture = cv2.imdecode(np.fromfile(out, np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_allclose(picture[..., 2::-1], expected(SD_TURBO, PROMPT, 6) * 255, atol=0.6)
    receipt = json.loads(told.read_text())
    assert (receipt["path"], receipt["model"]["id"]) == ("real", SD_TURBO)
    assert receipt["seed"] == 6
