"""When the compact deblur believes a motion that is only suspected."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared_core.algorithms import deconvolution
from shared_core.algorithms.blur import Blur
from shared_core.bridge import toolbox
from shared_core.catalog import cards
from shared_core.catalog.cards import TileRule
from shared_core.pixels import Picture, Raster
from shared_core.tools import deblur
from shared_core.tools.work import Model, Pixels, Sessions, Work
from training import evaluation

SUSPECTED = Blur("motion", length=9, angle=30, confidence=0.5, spread=0.04)
SIDE = 320


def busy() -> Pixels:
    """Sharp edges everywhere, in levels of 255."""
    rng = np.random.default_rng(3)
    coarse = rng.uniform(30, 225, (SIDE // 8, SIDE // 8, 3)).astype(np.float32)
    return np.asarray(cv2.resize(coarse, (SIDE, SIDE), interpolation=cv2.INTER_NEAREST))


def sky() -> Pixels:
    """From dark to light, without an edge."""
    column = np.linspace(120, 160, SIDE, dtype=np.float32)[:, None, None]
    return np.broadcast_to(column, (SIDE, SIDE, 3)).copy()


def seen(sharp: Pixels, soft: Pixels, monkeypatch: pytest.MonkeyPatch) -> Blur:
    """What is believed of ``soft`` with noise of 1 level, by a model that restores ``sharp``."""
    monkeypatch.setattr(deblur, "_blur", lambda work: Blur("none", confidence=0.0))
    monkeypatch.setattr(deblur.blurs, "possible_motion", lambda *patches: SUSPECTED)
    given = evaluation.with_noise(soft, 1, 5)
    height, width = given.shape[:2]
    rgba = np.dstack([given, np.full((height, width), 255, np.uint8)])
    told: Any = toolbox.tool("deblur").parse({})
    picture = Picture(rgba, np.zeros_like(rgba), Raster(width, height, "u8"))
    work = Work(picture, told, lambda done, total: None, lambda: False)

    def correct(part: Pixels, blur: Blur) -> Pixels:
        whole = given.astype(np.float32) / 255
        difference = cv2.matchTemplate(whole, part, cv2.TM_SQDIFF)
        left, top = cv2.minMaxLoc(difference)[2]
        return sharp[top : top + part.shape[0], left : left + part.shape[1]] / 255

    return deblur._seen(work, TileRule(256, 32, 4), correct, 1.0)


def test_a_suspected_motion_that_is_there_is_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(busy(), deconvolution.blurred(busy(), SUSPECTED), monkeypatch) is SUSPECTED


def test_a_motion_is_tried_where_it_would_show(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not in the middle, where there is nothing but sky."""
    sharp = np.tile(sky(), (2, 2, 1))
    sharp[-150:, -150:] = busy()[:150, :150]
    soft = deconvolution.blurred(sharp, SUSPECTED)
    assert seen(sharp, soft, monkeypatch) is SUSPECTED
    assert seen(sharp, sharp, monkeypatch).kind == "none"


def test_a_suspected_motion_of_a_sharp_picture_is_not_believed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert seen(busy(), busy(), monkeypatch).kind == "none"


def test_a_part_that_cannot_tell_proves_no_motion(monkeypatch: pytest.MonkeyPatch) -> None:
    assert seen(sky(), sky(), monkeypatch).kind == "none"


@pytest.mark.parametrize(
    ("blur", "led"),
    [
        (SUSPECTED, True),
        (Blur("soft", 1.5, spread=0.04, disc=True), True),
        (Blur("motion", length=9, angle=30, spread=0.25), False),
        (Blur("soft", 1.5, spread=0.08), False),
    ],
    ids=["motion", "disc", "motion that nothing confirms", "gaussian"],
)
def test_an_exact_blur_alone_leads_the_result_back(
    blur: Blur, led: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def faithful(made: Pixels, rgb: Pixels, blur: Blur, noise: float) -> Pixels:
        asked.append(blur)
        return np.zeros_like(made)

    monkeypatch.setattr(deconvolution, "faithful", faithful)
    monkeypatch.setattr(deblur, "_seen", lambda *told: blur)
    monkeypatch.setattr(deblur, "_correction", lambda *told: lambda rgb, blur: np.ones_like(rgb))
    rgba = np.dstack([np.rint(busy()).astype(np.uint8), np.full((SIDE, SIDE), 255, np.uint8)])
    result = np.zeros_like(rgba)
    picture = Picture(rgba, result, Raster(SIDE, SIDE, "u8"))
    picture.begin()
    told: Any = toolbox.tool("deblur").parse({})
    work = Work(picture, told, lambda done, total: None, lambda: False)
    model = Model(cards.load()["nss-compact-deblur"], Sessions((), lambda role: None), Path())
    deblur.real(work, model)
    assert bool(asked) == led and set(asked) <= {blur}
    assert (result[..., :3] == (0 if led else 255)).all()
