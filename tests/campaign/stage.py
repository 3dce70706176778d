"""Where the campaign plays: a home with contract models and the seam, pictures, and what is right.

Every tool has one order here, small and with a fixed seed, whose results by both paths are known
before anything goes wrong; what comes back after a fault is held against them, bit by bit.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import stat
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import psutil

from shared_core.bridge import wire
from shared_core.bridge.client import Client
from shared_core.bridge.paths import paths
from shared_core.bridge.toolbox import Returns, tool
from shared_core.cli import main as cli
from shared_core.imagefile import read
from tests.fakes.contract_models import write_catalogue
from tests.fakes.hub import Hub

HERE = Path(__file__).resolve().parent
# Shorter than the product's own, so that a hang need not be waited for as long.
SETTINGS = {"MIN_WATCHDOG_SECONDS": 8.0, "WATCHDOG_FACTOR": 1.0, "SILENCE_SECONDS": 8.0}
BUDGET = "3600"


@dataclass(frozen=True)
class Case:
    """How a tool is called here; ``picture`` has its real path run more than once where it can."""

    tool: str
    model: str
    picture: str
    parameters: dict[str, Any] = field(default_factory=dict)
    mask: str = ""
    helper: str = ""

    @property
    def returns(self) -> Returns:
        """What comes back."""
        return tool(self.tool).returns


_SD = "sd-turbo-ort-web"
_PROMPT = {"prompt": "blue wood", "seed": 5, "steps": 2}
CASES = (
    Case("remove-background", "isnet-general-fp16", "small"),
    Case("remove-object", "lama-carve-fp32", "small", mask="holes"),
    Case("denoise", "scunet-real-psnr", "wide"),
    Case("deblur", "nafnet-gopro-opencv", "wide"),
    Case("upscale", "realesrgan-x4plus-x2", "narrow", {"factor": "2"}),
    Case("restore-faces", "gfpgan-1.4-facefusion", "faces", helper="yunet-2023mar"),
    Case("colorize", "ddcolor-tiny-fp16", "small"),
    Case("text-to-image", _SD, "", _PROMPT),
    Case("generate-background", _SD, "small", _PROMPT),
    Case("tags", "clip-vit-b32-xenova", "small", helper="yunet-2023mar"),
)


@dataclass(frozen=True)
class Outcome:
    """What a command gave: its exit code, its receipt, its pixels or words, what it said."""

    code: int
    receipt: dict[str, Any]
    result: Any
    said: str

    def difference(self, other: Outcome) -> float:
        """The largest difference between the pixels, in levels of 255; infinite in shape."""
        one, two = self.result, other.result
        if not isinstance(one, np.ndarray) or not isinstance(two, np.ndarray):
            return 0.0 if one == two else float("inf")
        if one.shape != two.shape or one.dtype != two.dtype:
            return float("inf")
        levels = 255 / np.iinfo(one.dtype).max if one.dtype.kind == "u" else 255.0
        return float(np.abs(one.astype(np.float64) - two).max() * levels)

    def same_result(self, other: Outcome) -> bool:
        """Whether both have the very same pixels or words."""
        if isinstance(self.result, np.ndarray) and isinstance(other.result, np.ndarray):
            return self.result.shape == other.result.shape and bool(
                np.array_equal(self.result, other.result)
            )
        return type(self.result) is type(other.result) and bool(self.result == other.result)


class Stage:
    """One home, its worker behind the seam."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.seam = folder / "seam"
        self.home = folder / "home"
        self.pictures = folder / "pictures"
        self.hub: Any = None
        for place in (self.seam, self.pictures, self.home / "config"):
            place.mkdir(parents=True)
        _draw(self.pictures)
        python = folder / "python"
        python.write_text(
            f"#!/bin/sh\nexec '{sys.executable}' -E -P '{HERE / 'seam.py'}' '{self.seam}' "
            f"'{python}' \"$@\"\n"
        )
        python.chmod(python.stat().st_mode | stat.S_IXUSR)
        (self.home / "config" / "worker.json").write_text(json.dumps({"python": str(python)}))
        (self.seam / "settings.json").write_text(json.dumps(SETTINGS))

    # What the user does

    def command(self, *arguments: str) -> tuple[int, str]:
        """``nss`` in this process: its exit code and what it said."""
        said = io.StringIO()
        before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            code = cli.main(arguments)
        if threading.current_thread() is threading.main_thread():
            for number, handler in before.items():
                signal.signal(number, handler)
        return code, said.getvalue()

    def arguments(self, case: Case, path: str, out: Path) -> list[str]:
        """The command line of a case."""
        made = ["run", case.tool]
        if case.picture:
            made.append(str(self.pictures / f"{case.picture}.png"))
        if case.mask:
            made += ["--mask", str(self.pictures / f"{case.mask}.png")]
        for name, value in case.parameters.items():
            made += ["-p", f"{name}={value}"]
        written = str(out.with_suffix(".json"))
        return [*made, "-o", str(out), "--path", path, "--budget", BUDGET, "--receipt", written]

    def out(self, case: Case) -> Path:
        """Where a case's result goes; nothing lies there yet."""
        name = "out.txt" if case.returns is Returns.TEXT else "out.png"
        out = self.folder / name
        for file in (out, out.with_suffix(".json")):
            file.unlink(missing_ok=True)
        return out

    def run(self, case: Case, path: str) -> Outcome:
        """Run a case through the command line."""
        # What a tool remembers of earlier runs would keep its model from running again.
        shutil.rmtree(self.home / "cache" / "labels", ignore_errors=True)
        out = self.out(case)
        code, said = self.command(*self.arguments(case, path, out))
        return outcome(case, code, out, said)

    def client(self) -> Client:
        """A connection to the worker that runs; it does not start one."""
        return Client(paths(), "campaign", "1", str(self.folder / "python"))

    def forget(self) -> None:
        """Have the worker forget all faults."""
        client = self.client()
        client.ask(wire.TryAgain(), wire.Done)
        client.close()

    # What is looked at

    def inject(self, fault: dict[str, Any] | None) -> None:
        """Have ``fault`` provoked from the next job on; the witness begins anew."""
        for name in ("fault.json", "spent", "witness.jsonl"):
            (self.seam / name).unlink(missing_ok=True)
        if fault:
            (self.seam / "fault.json").write_text(json.dumps(fault))

    def provoked(self) -> int:
        """How often the fault was provoked."""
        spent = self.seam / "spent"
        return spent.stat().st_size if spent.exists() else 0

    def witness(self) -> list[list[dict[str, Any]]]:
        """What was seen, by attempts."""
        attempts: list[list[dict[str, Any]]] = []
        file = self.seam / "witness.jsonl"
        for line in file.read_text("utf-8").splitlines() if file.exists() else ():
            seen = json.loads(line)
            if seen["event"] == "begin":
                attempts.append([])
            if attempts:
                attempts[-1].append(seen)
        return attempts

    def model_files(self, model: str) -> list[Path]:
        """A model's files that sessions are made from."""
        return sorted((self.home / "data" / "models" / model).rglob("*.onnx"))

    def leftovers(self) -> list[str]:
        """Pixel files that are here."""
        folders = (self.home / "run", self.home / "cache" / "pixels")
        return [f.name for d in folders if d.is_dir() for f in d.iterdir() if f.match("px-*")]

    def processes(self) -> list[psutil.Process]:
        """The worker's processes that live."""
        found = []
        for process in psutil.process_iter(["cmdline", "status"]):
            line = process.info["cmdline"] or []
            if str(self.seam) in line and process.info["status"] != psutil.STATUS_ZOMBIE:
                found.append(process)
        return found

    def log(self) -> str:
        """What the worker wrote."""
        file = self.home / "cache" / "worker.log"
        return file.read_text("utf-8", "replace") if file.exists() else ""


def outcome(case: Case, code: int, out: Path, said: str) -> Outcome:
    """What a finished command left."""
    written = out.with_suffix(".json")
    receipt = json.loads(written.read_text("utf-8")) if written.exists() else {}
    result: Any = None
    if out.exists():
        result = receipt.get("found") if case.returns is Returns.TEXT else read(out).pixels
    return Outcome(code, receipt, result, said)


@contextlib.contextmanager
def a_stage(folder: Path, **catalogue: Any) -> Iterator[Stage]:
    """A stage below ``folder``, its catalogue served; the worker ended at the end."""
    stage = Stage(folder)
    write_catalogue(folder / "cards", folder / "hub", **catalogue)
    kept = dict(os.environ)
    try:
        with Hub(folder / "hub") as hub:
            stage.hub = hub
            for name in [n for n in os.environ if n.startswith(("NSS_", "HF_"))]:
                del os.environ[name]
            os.environ |= {
                "NSS_HOME": str(stage.home),
                "NSS_CARDS": str(folder / "cards"),
                "HF_ENDPOINT": hub.url,
                "NSS_RUNNER_IDLE_SECONDS": "600",
            }
            yield stage
            stage.command("worker", "stop")
    finally:
        os.environ.clear()
        os.environ |= kept


def _draw(folder: Path) -> None:
    """Pictures on which the real paths run several times, and as small as that allows."""
    cv2.imwrite(str(folder / "wide.png"), _photo(1300, 96))
    cv2.imwrite(str(folder / "narrow.png"), _photo(600, 48))
    cv2.imwrite(str(folder / "small.png"), _with_faces(96, 80, [48]))
    cv2.imwrite(str(folder / "faces.png"), _with_faces(420, 110, [60, 210, 360]))
    mask = np.zeros((80, 96), np.uint8)
    for left in (8, 40, 72):
        mask[30:44, left : left + 14] = 255
    cv2.imwrite(str(folder / "holes.png"), mask)


def _photo(width: int, height: int) -> Any:
    rows, columns = np.mgrid[0:height, 0:width]
    waves = 110 + 60 * np.sin(columns / 9) * np.cos(rows / 7)
    noise = np.random.default_rng(3).normal(0, 6, (height, width, 3))
    picture = np.dstack([waves, 0.8 * waves + 20, 200 - 0.5 * waves]) + noise
    return np.clip(np.rint(picture), 0, 240).astype(np.uint8)


def _with_faces(width: int, height: int, middles: list[int]) -> Any:
    """Discs with a green middle, which the detector's twin takes for faces; a corner is clear."""
    rows, columns = np.mgrid[0:height, 0:width]
    bgr = np.stack([rows / height, columns / width, 0.4 + 0 * rows], axis=-1) * 0.5
    middle = height // 2
    for at in middles:
        inside = (rows - middle) ** 2 + (columns - at) ** 2 < 24**2
        bgr[inside] = [0.2, 0.6, 0.9]
        bgr[(abs(rows - middle) < 10) & (abs(columns - at) < 10)] = [0, 1, 0]
    made = np.dstack([bgr, np.ones((height, width))])
    made[:6, :6, 3] = 0
    return np.rint(made * 255).astype(np.uint8)
