"""A machine where NSS was just installed, offline: tools whose models ship are real at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared_core.bridge import receipt
from shared_core.bridge.toolbox import TOOLS
from shared_core.catalog import cards
from shared_core.imagefile import read

SHIPPED = {card.id: card for card in cards.load().values() if card.shipped}
FIRST = {card.tool: card for card in reversed(SHIPPED.values())}


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows, columns = np.mgrid[0:90, 0:120]
    rgb = np.stack([rows / 90, columns / 120, 0.5 + 0.4 * np.sin(rows / 5)], -1)
    noise = 0.04 * np.random.default_rng(1).standard_normal(rgb.shape)
    path = tmp_path_factory.mktemp("photo") / "photo.png"
    cv2.imwrite(str(path), np.rint(np.clip(rgb + noise, 0, 1) * 65535).astype(np.uint16))
    return path


@pytest.mark.parametrize("tool", FIRST)
def test_the_shipped_model_makes_the_pixels(
    fresh_home: Any, photo: Path, tmp_path: Path, tool: str
):
    out = tmp_path / "out.png"
    plan = fresh_home.json("plan", tool, photo)
    assert (plan["path"], plan["model"]) == ("real", FIRST[tool].id)
    fresh_home.nss("run", tool, photo, "-o", out, "--receipt", tmp_path / "receipt.json")
    made = receipt.from_json((tmp_path / "receipt.json").read_text("utf-8"))
    assert made.path == "real" and made.fault is None
    assert made.model and made.model.id == FIRST[tool].id
    assert made.model.sha256 == FIRST[tool].main_file.sha256
    assert made.model.repo == cards.SHIPPED
    assert "real NSS compact" in receipt.sentence(made)
    assert read(out).pixels.dtype == np.uint16


def test_the_better_model_is_still_offered(fresh_home: Any, photo: Path):
    """With the compact one running, the plan says what a download would give instead."""
    plan = fresh_home.json("plan", "upscale", photo)
    assert plan["download"] == "realesrgan-x4plus-x2"
    assert plan["download_bytes"] == 67_073_434 and plan["host"] == "huggingface.co"
    assert "Real-ESRGAN ×2 is not downloaded" in plan["reason"]
    said = fresh_home.nss("plan", "upscale", photo).stdout
    assert "Download Real-ESRGAN ×2" in said and "huggingface.co" in said
    chosen = fresh_home.json("plan", "upscale", photo, "--path", "classical")
    assert chosen["path"] == "classical" and chosen["download"] is None


def test_other_tools_stay_classical(fresh_home: Any, photo: Path):
    for tool in TOOLS:
        if tool.id not in FIRST and tool.id != "text-to-image":
            parameters = ["-p", "prompt=a tree"] if tool.id == "generate-background" else []
            assert fresh_home.json("plan", tool.id, photo, *parameters)["path"] == "classical"


def test_the_list_of_models_says_that_they_are_here(fresh_home: Any):
    rows = {row["id"]: row for row in fresh_home.json("models", "list")["models"]}
    for model, card in SHIPPED.items():
        assert rows[model]["state"] in ("unchecked", "installed")
        assert rows[model]["bytes"] == card.file_bytes
    done = fresh_home.nss("models", "remove", next(iter(SHIPPED)), ok=False)
    assert done.returncode == 5 and "a part of NSS" in done.stderr


def test_the_lite_tier_has_them(fresh_home: Any):
    advice = fresh_home.json("doctor", "--no-probe")
    if advice:
        lite = next(tier for tier in advice["tier"]["tiers"] if tier["id"] == "lite")
        assert {tool["model"] for tool in lite["tools"]} >= {FIRST[tool].id for tool in FIRST}
