"""Whatever goes wrong with a model, the user gets a result with the true reason."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import psutil
import pytest

from shared_core.bridge import wire
from tests.fakes.contract_models import NAFNET, Variant


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture of two tiles."""
    pixels = np.random.default_rng(3).integers(0, 256, (300, 700, 3), np.uint8)
    path = tmp_path / "Foto über.png"
    cv2.imencode(".png", cv2.GaussianBlur(pixels, (0, 0), 2))[1].tofile(path)
    return path


def run(home, photo: Path, *more: str, code: int = 0) -> dict:
    """``nss run deblur``; its receipt when it succeeds."""
    receipt = photo.with_suffix(".json")
    receipt.unlink(missing_ok=True)
    out = photo.with_name("out.png")
    out.unlink(missing_ok=True)
    before = photo.read_bytes()
    done = home.nss("run", "deblur", photo, "-o", out, "--receipt", receipt, *more, ok=False)
    assert done.returncode == code, f"{done.stderr}\n{home.log()}"
    assert photo.read_bytes() == before
    assert out.exists() == (code == 0)
    if code:
        return {"message": done.stderr}
    made = json.loads(receipt.read_text())
    assert json.loads(home.nss("receipt", out).stdout) == made
    return made


def start(home, photo: Path, *more: str) -> subprocess.Popen:
    """``nss run deblur`` in the background."""
    out, receipt = photo.with_name("out.png"), photo.with_suffix(".json")
    return subprocess.Popen(
        [
            sys.executable,
            "-m",
            "shared_core.cli",
            "run",
            "deblur",
            photo,
            "-o",
            out,
            "--receipt",
            receipt,
            *more,
        ],
        env=home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_until_it_runs(home) -> wire.StatusReply:
    """Wait until the journal says that a model is running; the worker's status then."""
    journal = home.folder / "data" / "journal.json"
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline:
        if journal.exists():
            marks = json.loads(journal.read_text())["marks"]
            if any(mark["stage"] == "running" for mark in marks):
                return home.status()
        time.sleep(0.05)
    raise AssertionError(f"no model runs: {home.log()}")


def eventually(holds) -> None:
    """Wait until ``holds()``."""
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def finish(process: subprocess.Popen, photo: Path) -> dict:
    """The receipt of a run in the background, which must succeed."""
    _out, err = process.communicate(timeout=900)
    assert process.returncode == 0, err
    return json.loads(photo.with_suffix(".json").read_text())


@pytest.mark.parametrize("victim", ["runner_pid", "pid"])
def test_a_killed_worker_gives_a_classical_result_that_says_so(home, models, photo, victim):
    models({NAFNET: Variant.SLOW}, seconds=3, gflop_per_megapixel={NAFNET: 0.1}).get(NAFNET)
    process = start(home, photo, "--budget", "3600")
    status = wait_until_it_runs(home)
    os.kill(getattr(status, victim), signal.SIGKILL)
    made = finish(process, photo)
    assert made["path"] == "classical"
    assert "died" in made["fault"]
    assert "running" in made["fault"]
    assert made["model"] is None

    # The same model at that size is left alone until the user asks for it.
    plan = home.json("plan", "deblur", photo)
    assert plan["path"] == "classical"
    assert "died" in plan["reason"]
    assert run(home, photo)["path"] == "classical"
    assert home.json("plan", "deblur", photo, "--path", "real")["path"] == "real"
    eventually(lambda: not psutil.pid_exists(getattr(status, victim)))
    assert [f for f in (home.folder / "run").iterdir() if f.name.startswith("px-")] == []


def test_a_killed_runner_is_an_error_for_real_only(home, models, photo):
    models({NAFNET: Variant.SLOW}, seconds=3, gflop_per_megapixel={NAFNET: 0.1}).get(NAFNET)
    process = start(home, photo, "--path", "real")
    os.kill(wait_until_it_runs(home).runner_pid, signal.SIGKILL)
    _out, err = process.communicate(timeout=600)
    assert process.returncode == 4
    assert "died" in err
    assert not photo.with_name("out.png").exists()


@pytest.mark.parametrize(
    "variant",
    [
        Variant.TWO_INPUTS,
        Variant.WRONG_RANK,
        Variant.NAN,
        Variant.HALF_SIZE,
        Variant.CONSTANT,
        Variant.GARBAGE,
    ],
)
def test_a_model_that_fails_its_trial_is_never_run(home, models, photo, variant):
    models({NAFNET: variant})
    done = home.nss("models", "get", NAFNET, ok=False)
    assert done.returncode in (4, 5)
    plan = home.json("plan", "deblur", photo)
    assert plan["path"] == "classical"
    assert "NAFNet" in plan["reason"]
    receipt = run(home, photo)
    assert receipt["path"] == "classical"
    assert receipt["reason"] == plan["reason"]
    assert run(home, photo, "--path", "real", code=4)["message"]


def test_a_model_that_fails_later_is_replaced_by_the_classical_path(home, models, photo):
    models({NAFNET: Variant.NAN_ON_WHITE}).get(NAFNET)
    assert run(home, photo)["path"] == "real"
    white = photo.with_name("white.png")
    pixels = cv2.imdecode(np.fromfile(photo, np.uint8), cv2.IMREAD_COLOR)
    pixels[200:220, 600:620] = 255
    cv2.imencode(".png", pixels)[1].tofile(white)
    receipt = run(home, white)
    assert receipt["path"] == "classical"
    assert "not numbers" in receipt["fault"]
    assert "NAFNet failed" in receipt["reason"]
    assert "not numbers" in home.json("plan", "deblur", white)["reason"]


@pytest.mark.parametrize("damage", ["truncated", "flipped", "html", "gone"])
def test_a_damaged_file_is_never_run(home, models, photo, damage):
    file = models().get(NAFNET) or home.folder / "data" / "models" / NAFNET
    [file] = file.glob("*.onnx")
    assert run(home, photo)["path"] == "real"
    data = bytearray(file.read_bytes())
    if damage == "truncated":
        file.write_bytes(data[: len(data) // 2])
    elif damage == "flipped":
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
    elif damage == "html":
        file.write_bytes(b"<html>Sign in to your network</html>".ljust(len(data)))
    else:
        file.unlink()
    receipt = run(home, photo)
    assert receipt["path"] == "classical"
    why = receipt["fault"] or receipt["reason"]
    assert ("not downloaded" if damage == "gone" else "NAFNet") in why, why
    plan = home.json("plan", "deblur", photo)
    assert plan["path"] == "classical"
    if damage != "gone":
        assert any(word in plan["reason"] for word in ("SHA-256", "bytes", "size")), plan["reason"]
    assert run(home, photo, "--path", "real", code=4)["message"]


def test_cancel_leaves_nothing(home, models, photo):
    models({NAFNET: Variant.SLOW}, seconds=3, gflop_per_megapixel={NAFNET: 0.1}).get(NAFNET)
    process = start(home, photo, "--path", "real")
    wait_until_it_runs(home)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=600)
    assert process.returncode == 130
    assert not photo.with_name("out.png").exists()
    eventually(lambda: home.status().job_running is None)
    assert run(home, photo, "--path", "classical")["path"] == "classical"


def test_a_killed_client_cancels_its_job_and_leaves_no_file(home, models, photo):
    models({NAFNET: Variant.SLOW}, seconds=3, gflop_per_megapixel={NAFNET: 0.1}).get(NAFNET)
    process = start(home, photo, "--path", "real")
    wait_until_it_runs(home)
    process.kill()
    process.wait()
    eventually(lambda: home.status().job_running is None)
    assert [f for f in (home.folder / "run").iterdir() if f.name.startswith("px-")] == []
