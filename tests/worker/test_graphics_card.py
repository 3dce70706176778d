"""A model on a graphics card, from the plan to the receipt; the card is a fake one.

Its sessions run on the processor, so what is tested is all that NSS does around them.
"""

from __future__ import annotations

import json
import math
import os
import shlex
import stat
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared_core.bridge.paths import paths
from shared_core.device import probe
from shared_core.device import profile as device
from tests.conftest import ROOT, Home, Models
from tests.fakes.contract_models import DRUNET

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
RATES = {"conv3x3": 200.0, "block_deep": 100.0, "block_full": 20.0, "attention": 50.0}
GB = 10**9
TOLD = ("-p", "strength=20", "--budget", "1 h", "--memory", "90 %")

pytestmark = pytest.mark.skipif(os.name == "nt", reason="a script stands for the worker's Python")


class Bench:
    """A home with DRUNet's twin and a card with two gigabytes free."""

    def __init__(self, home: Home, folder: Path) -> None:
        self._home = home
        self._mood = folder / "card.json"
        self._photo = folder / "photo.png"
        self._out = folder / "out.png"
        pixels = np.random.default_rng(3).integers(0, 256, (700, 700, 3), np.uint8)
        cv2.imwrite(str(self._photo), cv2.GaussianBlur(pixels, (0, 0), 2))
        self.mood()

    def mood(self, **settings: object) -> None:
        """How the card behaves from the next session on."""
        self._mood.write_text(json.dumps(settings), "utf-8")

    def prepare(self, python: Path) -> None:
        """The card as the worker's Python, and as the probe would have found it."""
        script = ROOT / "tests" / "fakes" / "graphics_card.py"
        words = (sys.executable, "-E", "-P", script, self._mood, python)
        python.write_text(f'#!/bin/sh\nexec {" ".join(map(shlex.quote, map(str, words)))} "$@"\n')
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        where = paths({"NSS_HOME": str(self._home.folder)})
        where.config.mkdir(parents=True, exist_ok=True)
        where.worker_python.write_text(json.dumps({"python": str(python)}))
        card = device.Adapter("RTX", "NVIDIA", "gpu", 8 * GB, 2 * GB, "nvidia 999", True)
        rates = {kind: 20 * rate for kind, rate in RATES.items()}
        plain = device.Profile(
            cpu=device.Cpu("", 2, 2, (), RATES),
            memory=device.Memory(1, 1),
            adapters=(card,),
            providers=(
                device.Provider(CPU, "CPU", True, gflops=RATES),
                device.Provider(CUDA, "CUDA", True, device="RTX", gflops=rates),
            ),
            onnxruntime="",
            key=probe.machine_key(),
            measured="2026-01-01T00:00:00+00:00",
            seconds=0,
            valid_hours=1e6,
        )
        device.save(replace(plain), where.profile)

    def plan(self, *more: str) -> dict[str, Any]:
        made: dict[str, Any] = self._home.json("plan", "denoise", self._photo, *TOLD, *more)
        return made

    def run(self, *more: str) -> dict[str, Any]:
        receipt = self._out.with_suffix(".json")
        self._home.nss(
            *("run", "denoise", self._photo, "-o", self._out, "--receipt", receipt),
            *TOLD,
            *more,
        )
        self._out.unlink()
        made: dict[str, Any] = json.loads(receipt.read_text("utf-8"))
        return made

    def agreed(self) -> list[str]:
        """Where the model was found to answer as on the processor."""
        file = self._home.folder / "data" / "models" / DRUNET / ".verified.json"
        found: list[str] = json.loads(file.read_text("utf-8"))["trial"]["agreed"]
        return found


@pytest.fixture
def bench(models: Callable[..., Models], home: Home, tmp_path: Path) -> Bench:
    made = Bench(home, tmp_path)
    models().get(DRUNET)
    home.nss("worker", "stop")
    made.prepare(tmp_path / "python")
    return made


def test_a_model_on_a_card(bench: Bench) -> None:
    plan = bench.plan()
    assert (plan["path"], plan["provider"], plan["tile_divisor"]) == ("real", CUDA, 1)
    assert plan["vram_bytes"] > 0 and plan["peak_bytes"] > 0
    made = bench.run()
    assert made["path"] == "real" and made["fault"] is None
    assert made["provider"] == {"requested": CUDA, "bound": CUDA, "device": "RTX"}
    # The answers were compared once, before the first use.
    [agreed] = bench.agreed()
    assert agreed.startswith(CUDA)
    bench.run()
    assert bench.agreed() == [agreed]


def test_a_limit_of_the_card_s_memory(bench: Bench) -> None:
    plan = bench.plan("--vram", f"{bench.plan()['vram_bytes'] / (2 * GB) * 100 - 0.5:.1f} %")
    assert (plan["provider"], plan["tile_divisor"]) == (CUDA, 2)
    assert "of graphics memory" in plan["reason"]
    plan = bench.plan("--vram", "1 %")
    assert (plan["provider"], plan["vram_bytes"]) == (CPU, None)
    assert plan["reason"].startswith("on the processor, since DRUNet needs ")
    made = bench.run("--vram", "1 %")
    assert made["provider"]["bound"] == CPU and made["reason"] == plan["reason"]


@pytest.mark.parametrize("off", [0.4, math.inf])
def test_a_card_that_computes_wrongly(bench: Bench, off: float) -> None:
    says = "DRUNet computes wrongly on CUDA"
    bench.mood(wrong=off)
    made = bench.run()
    assert made["path"] == "classical" and says in made["fault"]
    assert bench.agreed() == []
    # From then on the processor does the work.
    plan = bench.plan()
    assert (plan["path"], plan["provider"]) == ("real", CPU)
    assert plan["reason"].startswith("on the processor, since ") and says in plan["reason"]
    made = bench.run()
    assert (made["path"], made["provider"]["bound"]) == ("real", CPU)
