"""The sampler against its formulas, on networks with known functions."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.engine.diffusion import generate, sigmas, timesteps
from shared_core.engine.recipe import Recipe
from shared_core.engine.session import Session, open_session
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.text_to_image import (
    CONTRACTS,
    SD_TURBO,
    SDXS,
    TWINS,
    byte_ids,
    expected_decoded,
    expected_hidden,
    expected_noise,
)

# Published for Euler's discrete scheduler with trailing steps.
TIMES = {1: [999], 2: [999, 499], 3: [999, 666, 332], 4: [999, 749, 499, 249]}
LEVELS = {
    1: [14.614641, 0],
    2: [14.614641, 1.612886, 0],
    3: [14.614641, 2.918307, 0.929214, 0],
    4: [14.614641, 4.081729, 1.612886, 0.693205, 0],
}
RECIPES = {SD_TURBO: Recipe(0, 0.18215, 4), SDXS: Recipe(49407, 1.0, 1)}


def sessions(model: str, folder: Path, variant: Variant = Variant.GOOD) -> dict[str, Session]:
    """The twin's three networks, opened by the real session code."""
    made = {}
    for name, data in TWINS[model](variant).items():
        if name.endswith(".onnx"):
            file = folder / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)
            made[file.parent.name] = open_session(file, threads=1)
    return made


def run(opened: Mapping[str, Session], model: str, steps: int, seed: int, **more: Any) -> Any:
    """The picture for a short prompt."""
    recipe = RECIPES[model]
    ids = byte_ids("a red cat", recipe.pad)
    options: dict[str, Any] = {"progress": lambda done, total: None, "done_with": lambda r: None}
    return generate(opened, ids, recipe, steps=steps, seed=seed, **(options | more))


def expected(model: str, steps: int, seed: int) -> NDArray[np.float64]:
    """The same by the formulas of ancestral Euler sampling."""
    recipe, contract = RECIPES[model], CONTRACTS[model]
    hidden = expected_hidden(byte_ids("a red cat", recipe.pad)[None], contract.width)
    random = np.random.Generator(np.random.PCG64(seed))
    levels = LEVELS[steps]
    x = random.standard_normal((1, 4, 64, 64)) * levels[0]
    for s, following, t in zip(levels, levels[1:], TIMES[steps], strict=False):
        eps = expected_noise(x / np.sqrt(s**2 + 1), t, hidden)
        up = np.sqrt(following**2 * (s**2 - following**2) / s**2)
        down = np.sqrt(following**2 - up**2)
        x = x + (down - s) * eps
        if following:
            x = x + up * random.standard_normal(x.shape)
    decoded = expected_decoded(x / recipe.latent_scale)[0]
    return np.clip(decoded.transpose(1, 2, 0) / 2 + 0.5, 0, 1)


@pytest.mark.parametrize("steps", [1, 2, 3, 4])
def test_noise_levels_are_the_published_ones(steps: int) -> None:
    assert timesteps(steps) == TIMES[steps]
    np.testing.assert_allclose(sigmas(steps), LEVELS[steps], atol=5e-7)


def test_the_first_level_to_the_last_digit() -> None:
    assert sigmas(1)[0] == pytest.approx(14.614641229333639, abs=1e-12)


@pytest.mark.parametrize(
    ("model", "steps"), [(SD_TURBO, 1), (SD_TURBO, 2), (SD_TURBO, 3), (SD_TURBO, 4), (SDXS, 1)]
)
def test_pixels_are_those_of_the_formulas(tmp_path: Path, model: str, steps: int) -> None:
    picture = run(sessions(model, tmp_path), model, steps, 42)
    assert picture.dtype == np.float32
    wanted = expected(model, steps, 42)
    assert wanted.std() > 0.02
    np.testing.assert_allclose(picture, wanted, atol=2e-4)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(tmp_path: Path) -> None:
    opened = sessions(SD_TURBO, tmp_path)
    first = run(opened, SD_TURBO, 2, 7)
    np.testing.assert_array_equal(first, run(opened, SD_TURBO, 2, 7))
    assert np.abs(first - run(opened, SD_TURBO, 2, 8)).mean() > 0.001


def test_names_come_from_the_session(tmp_path: Path) -> None:
    picture = run(sessions(SDXS, tmp_path, Variant.WRONG_NAMES), SDXS, 1, 3)
    np.testing.assert_allclose(picture, expected(SDXS, 1, 3), atol=2e-4)


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (Variant.NAN, "not numbers"),
        (Variant.WRONG_RANGE, "not from -1 to 1"),
        (Variant.HALF_SIZE, "shape"),
    ],
)
def test_a_network_that_strays_is_an_error(tmp_path: Path, variant: Variant, words: str) -> None:
    with pytest.raises(CouldNotBeDone, match=words):
        run(sessions(SDXS, tmp_path, variant), SDXS, 1, 3)


def test_networks_of_another_model_are_an_error(tmp_path: Path) -> None:
    mixed = sessions(SD_TURBO, tmp_path / "a") | {"unet": sessions(SDXS, tmp_path / "b")["unet"]}
    with pytest.raises(CouldNotBeDone, match="encoder_hidden_states"):
        run(mixed, SD_TURBO, 1, 3)


def test_each_network_is_let_go_when_its_work_is_done(tmp_path: Path) -> None:
    told: list[Any] = []
    run(
        sessions(SD_TURBO, tmp_path),
        SD_TURBO,
        2,
        1,
        progress=lambda done, total: told.append((done, total)),
        done_with=told.append,
    )
    assert told == [
        (0, 4),
        "text_encoder",
        (1, 4),
        (2, 4),
        (3, 4),
        "unet",
        "vae_decoder",
        (4, 4),
    ]


def test_cancel_ends_it_between_steps(tmp_path: Path) -> None:
    opened = sessions(SD_TURBO, tmp_path)
    with pytest.raises(Cancelled):
        run(opened, SD_TURBO, 4, 1, cancelled=lambda: opened["unet"].runs > 1)
    assert opened["unet"].runs == 2
    assert opened["vae_decoder"].runs == 0
