"""The compact models through their tools: better than the classical path, tiles without seams."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.bridge import toolbox
from shared_core.bridge.paths import paths
from shared_core.bridge.toolbox import Returns
from shared_core.catalog import cards
from shared_core.catalog.cards import Card
from shared_core.catalog.store import Store
from shared_core.engine.session import open_session
from shared_core.pixels import Picture, Raster
from shared_core.sheet import Sheet
from shared_core.tools import registry
from shared_core.tools.work import Model, Sessions, Work
from training import evaluation, pictures, textures

Bytes = NDArray[np.uint8]
IMAGES = Path(os.environ.get("NSS_SHARED", Path(__file__).parents[3] / "shared")) / "images"
TOOLS = sorted({card.tool for card in cards.load().values() if card.shipped})


@pytest.fixture(scope="module")
def generated() -> Bytes:
    """A picture that no training has seen, 256 by 256."""
    rng = np.random.default_rng(20261129)
    bank = textures.bank(rng, 6)
    return np.ascontiguousarray(pictures.picture(rng, bank)[100:356, 100:356])


@pytest.fixture(scope="module")
def photograph() -> Bytes:
    """A detail of a photograph, where the photographs for measurements are here."""
    if not IMAGES.is_dir():
        pytest.skip("the photographs for measurements are not here")
    photo: Any = cv2.imread(str(IMAGES / "kodim01.png"), cv2.IMREAD_COLOR_RGB)
    return np.ascontiguousarray(photo[100:356, 100:356])


def spoilt(tool: str, picture: Bytes, factor: int = 2) -> tuple[Bytes, dict[str, object]]:
    """The picture with what the tool is to undo, and the tool's settings."""
    if tool == "denoise":
        return evaluation.with_noise(picture, 25, 3), {"strength": 25}
    if tool == "deblur":
        kernel = evaluation.BLURS["defocus 2"]
        soft = cv2.filter2D(picture.astype(np.float32), -1, kernel)
        # Told, since smooth drawn pictures are measured as more blurred than they are.
        return evaluation.with_noise(soft, 1, 3), {"kind": "soft", "radius": 1}
    side = picture.shape[0] // factor
    small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.uint8), {"factor": str(factor)}


def compact(tool: str, parameters: Mapping[str, object]) -> Card:
    told = toolbox.tool(tool).parse(parameters)
    return next(card for card in registry.models(cards.load(), tool, told) if card.shipped)


def run(
    tool: str, given: Bytes, settings: Mapping[str, object], card: Card | None, **fields: Any
) -> Bytes:
    """The tool's result on 8 bits, by the model of ``card`` or classically."""
    kind, height, width = toolbox.tool(tool), *given.shape[:2]
    told = kind.parse(settings)
    rgba = np.dstack([given, np.full((height, width), 255, np.uint8)])
    wide, high = kind.result_size(told, width, height)
    result = np.zeros((high, wide, 4), np.uint8)
    scaled = kind.returns is Returns.SCALED
    picture = Picture(rgba, None if scaled else result, Raster(width, height, "u8"))
    picture.begin()
    sheet = Sheet(result, Raster(wide, high, "u8")) if scaled else None
    work = Work(
        picture,
        told,
        lambda done, total: None,
        lambda: False,
        outcome=kind.returns,
        sheet=sheet,
        **fields,
    )
    module = registry.module(tool)
    if card is None:
        module.classical(work)
    else:
        path = Store(paths()).path(card)
        module.real(
            work, Model(card, Sessions(("",), lambda role: open_session(path)), path.parent)
        )
    return np.ascontiguousarray(result[..., :3])


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("source", ["generated", "photograph"])
def test_better_than_classical_and_than_nothing(
    tool: str, source: str, request: pytest.FixtureRequest
):
    picture = request.getfixturevalue(source)
    given, settings = spoilt(tool, picture)
    real = evaluation.psnr(picture, run(tool, given, settings, compact(tool, settings)))
    assert real > evaluation.psnr(picture, run(tool, given, settings, None))
    if tool != "upscale":
        assert real > evaluation.psnr(picture, given)


@pytest.mark.parametrize("source", ["generated", "photograph"])
def test_a_grey_picture_with_the_same_noise_in_all_channels(
    source: str, request: pytest.FixtureRequest
):
    picture = cv2.cvtColor(request.getfixturevalue(source), cv2.COLOR_RGB2GRAY)
    noise = np.random.default_rng(3).normal(0, 10, picture.shape)
    noisy = np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
    wanted, given = (np.dstack([one] * 3) for one in (picture, noisy))
    settings = {"strength": 10}
    real = run("denoise", given, settings, compact("denoise", settings))
    assert (real == real[..., :1]).all()
    classical = run("denoise", given, settings, None)
    assert evaluation.psnr(wanted, real) > evaluation.psnr(wanted, classical)


def test_four_times_is_better_than_classical(photograph: Bytes):
    given, settings = spoilt("upscale", photograph, 4)
    card = compact("upscale", settings)
    assert card.tile and card.tile.scale == 4
    real = evaluation.psnr(photograph, run("upscale", given, settings, card))
    assert real > evaluation.psnr(photograph, run("upscale", given, settings, None))


@pytest.mark.parametrize("tool", TOOLS)
def test_tiles_leave_no_seam(tool: str, generated: Bytes):
    given, settings = spoilt(tool, generated)
    given = cv2.copyMakeBorder(given, 0, 200, 0, 330, cv2.BORDER_REFLECT_101)
    card = compact(tool, settings)
    assert card.tile and card.tile.size // 2 < max(given.shape)
    whole, tiled = (
        run(tool, given, settings, card, tile_divisor=divisor).astype(int) for divisor in (1, 2)
    )
    difference = np.abs(whole - tiled)
    assert difference.max() <= 6 and difference.mean() < 0.1


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if tool != "upscale"])
def test_blending_goes_from_the_source_to_the_model(tool: str, generated: Bytes):
    given, settings = spoilt(tool, generated)
    card = compact(tool, settings)
    name = "detail" if tool == "denoise" else "amount"
    changes = [
        np.abs(run(tool, given, {**settings, name: value}, card).astype(int) - given).mean()
        for value in ((100, 50, 0) if tool == "denoise" else (10, 50, 100))
    ]
    assert changes[0] < changes[1] < changes[2]


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("size", [(1, 1), (3, 40), (17, 5)])
def test_pictures_of_a_few_pixels(tool: str, size: tuple[int, int], generated: Bytes):
    given = np.ascontiguousarray(generated[: size[0], : size[1]])
    settings = {"strength": 10} if tool == "denoise" else {}
    made = run(tool, given, settings, compact(tool, settings))
    assert made.shape[0] % given.shape[0] == 0 and np.ptp(made) <= 255
