"""Consent on the command line: what is told and asked, and what consent to any model covers."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Home

SD_TURBO = "sd-turbo-ort-web"
SDXS = "sdxs-512-dreamshaper-cvclass"
PROMPT = ("-p", "prompt=blue wood", "--seed", "5", "--size", "64x64")


@pytest.fixture
def painting(models: Any) -> Any:
    """A home in which both models that paint may be downloaded, and neither is here."""
    return models(models=[SD_TURBO, SDXS])


def paint(home: Home, out: Path, *more: str) -> Any:
    """Text to Image without a terminal; its receipt."""
    receipt = out.with_suffix(".json")
    home.nss("run", "text-to-image", *PROMPT, "-o", out, "--receipt", receipt, *more)
    return json.loads(receipt.read_text("utf-8"))


def at_a_terminal(home: Home, out: Path, answers: str) -> str:
    """Text to Image with these answers typed; all that the terminal showed."""
    ours, theirs = os.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "shared_core.cli", "run", "text-to-image", *PROMPT, "-o", str(out)],
        env={**home.environment, "COLUMNS": "90"},
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    os.write(ours, answers.encode())
    shown = b""
    with contextlib.suppress(OSError):
        while chunk := os.read(ours, 4096):
            shown += chunk
    assert process.wait(600) == 0, shown.decode()
    os.close(ours)
    return shown.decode().replace("\r\n", "\n")


def here(home: Home) -> set[str]:
    """The models of which anything is on the disk."""
    return {path.parent.name for path in (home.folder / "data/models").glob("[!.]*/*")}


def test_consent_to_any_model_takes_the_one_that_allows_commercial_use(painting, tmp_path):
    made = paint(painting.home, tmp_path / "out.png", "--yes")
    assert (made["path"], made["model"]["id"]) == ("real", SDXS)
    assert made["parameters"]["model"] == "small"
    assert SD_TURBO not in here(painting.home)


def test_a_model_that_was_chosen_by_name_is_covered(painting, tmp_path):
    made = paint(painting.home, tmp_path / "out.png", "--yes", "-p", "model=best")
    assert (made["path"], made["model"]["id"]) == ("real", SD_TURBO)
    assert made["model"]["sha256"].startswith("hub-declared ")


def test_without_a_clean_one_consent_to_any_model_takes_none(models, tmp_path):
    alone = models(models=[SD_TURBO])
    made = paint(alone.home, tmp_path / "out.png", "--yes")
    assert made["path"] == "classical"
    assert "SD-Turbo has to be chosen, since its licence restricts commercial use" in made["reason"]
    assert here(alone.home) == set()
    assert not alone.hub.requests


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals on Windows")
def test_the_terminal_tells_everything_and_asks(painting, tmp_path):
    home = painting.home
    shown = at_a_terminal(home, tmp_path / "no.png", "n\n")
    for told in (
        "With it, what the words say is painted",
        "! Not for commercial use. The licence in the repository is non-commercial",
        "Licence: Stability AI (non-commercial",
        "https://stability.ai/community-license-agreement\n",
        "From 127.0.0.1, once; nothing is uploaded.",
        "(hub-declared)",
        "SDXS-512-DreamShaper allows commercial use.",
        "o: Use SDXS-512-DreamShaper instead (1 MB)",
        "Download SD-Turbo (1 MB)? [y/N/o]",
        "Text to Image: classical procedural texture",
    ):
        assert told in shown, shown
    assert not painting.hub.requests and here(home) == set()

    shown = at_a_terminal(home, tmp_path / "other.png", "o\ny\n")
    assert "Licence: CreativeML OpenRAIL++-M (openrail++)." in shown
    assert "Download SDXS-512-DreamShaper (1 MB)? [y/N]" in shown
    assert "Text to Image: real SDXS-512-DreamShaper on CPU" in shown
    assert SD_TURBO not in here(home)


@pytest.mark.skipif(os.name == "nt", reason="there are no pseudo-terminals on Windows")
def test_a_yes_downloads_what_was_told(painting, tmp_path):
    shown = at_a_terminal(painting.home, tmp_path / "out.png", "y\n")
    assert "Text to Image: real SD-Turbo on CPU" in shown


def test_a_download_by_name_says_what_may_not_be_overlooked(painting):
    done = painting.home.nss("models", "get", SD_TURBO)
    assert done.stderr.startswith("Download SD-Turbo (1 MB):\n")
    assert "! Not for commercial use." in done.stderr and "(hub-declared)" in done.stderr
    assert painting.home.nss("models", "get", SD_TURBO).stderr == ""
    assert painting.home.nss("models", "get", SDXS).stderr == ""


def test_a_plan_tells_the_same(painting):
    home = painting.home
    lines = home.nss("plan", "text-to-image", *PROMPT).stdout
    assert "Download SD-Turbo (1 MB):" in lines and "! Not for commercial use." in lines
    offer = home.json("plan", "text-to-image", *PROMPT)["offer"]
    assert (offer["model"], offer["commercial"]) == (SD_TURBO, "no")
    assert offer["instead"]["model"] == SDXS and offer["hub_declared"] is True
    clean = home.json("plan", "text-to-image", *PROMPT, "--commercial")["offer"]
    assert (clean["model"], clean["instead"]) == (SDXS, None)


def test_the_catalogue_leaves_out_what_does_not_allow_commercial_use(painting):
    home = painting.home

    def listed() -> set[str]:
        return {row["id"] for row in home.json("models", "list")["models"]}

    assert listed() == {SD_TURBO, SDXS, "clip-tokenizer-sd"}
    home.nss("settings", "commercial_only=yes")
    assert listed() == {SDXS, "clip-tokenizer-sd"}
    assert home.json("models", "list")["left_out"] == [SD_TURBO]
    assert "1 left out" in home.nss("models", "list").stdout
    # What takes up the disk is always listed.
    painting.get(SD_TURBO)
    assert SD_TURBO in listed()


def test_show_says_all_that_is_known(painting):
    home = painting.home
    told = home.json("models", "show", SD_TURBO)
    assert told["state"] == "missing" and told["opset"] is None
    unet = next(file for file in told["files"] if file["role"] == "unet")
    assert (unet["sha256"], unet["sha256_is"]) == (None, "hub-declared")
    assert told["sources"][0]["certainty"] == "high" and told["commercial_use"] == "no"
    text = home.nss("models", "show", SD_TURBO).stdout
    for line in (
        "ONNX opset            unknown",
        "SHA-256 unknown (hub-declared: the hub's own is recorded at the download)",
        "commercial use        not allowed. The licence in the repository",
        "others report         unknown",
        "unet takes            timestep: int64 [1], 0 to 999",
        "pad 0, latent scale 0.18215, most steps 4",
    ):
        assert line in text, text
    painting.get(SD_TURBO)
    unet = next(f for f in home.json("models", "show", SD_TURBO)["files"] if f["role"] == "unet")
    assert len(unet["sha256"]) == 64 and unet["sha256_is"] == "hub-declared"
    assert (
        f"{unet['sha256']} (hub-declared at the download)"
        in home.nss("models", "show", SD_TURBO).stdout
    )
    assert "no model 'dream'" in home.nss("models", "show", "dream", ok=False).stderr
