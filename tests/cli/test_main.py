"""The command ``nss`` as its users meet it: real processes, every exit code, no traceback ever."""

from __future__ import annotations

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image

from shared_core import curves
from shared_core.bridge import labels, wire
from tests.conftest import ROOT, Home
from tests.fakes.contract_models import (
    DRUNET,
    NAFNET,
    SCUNET,
    Variant,
    expected_drunet,
    expected_nafnet,
    expected_scunet,
)

COMMAND = [sys.executable, "-m", "shared_core.cli"]
PLAN_FIELDS = {"path", "model", "provider", "reason", "seconds", "peak_bytes", "download_bytes"}
ENHANCED = "http://cv.iptc.org/newscodes/digitalsourcetype/algorithmicallyEnhanced"
WIDTH, HEIGHT = 90, 60


def noise(height: int, width: int, channels: int, dtype: str = "u1", seed: int = 1) -> Any:
    """A smooth picture with noise on it, in the depth's whole range."""
    rng = np.random.default_rng(seed)
    base = cv2.resize(rng.random((6, 8, channels)), (width, height), interpolation=cv2.INTER_CUBIC)
    values = np.clip(base.reshape(height, width, channels), 0.05, 0.95)
    values = np.clip(values + rng.normal(0, 0.03, values.shape), 0, 1)
    if dtype == "f4":
        return values.astype("f4")
    return np.rint(values * np.iinfo(dtype).max).astype(dtype)


def save(path: Path, pixels: Any, *options: int) -> Path:
    """Write grey, RGB or RGBA pixels by OpenCV, or as TIFF."""
    if path.suffix == ".tif":
        photometric = "rgb" if pixels.ndim == 3 and pixels.shape[2] > 2 else "minisblack"
        extra = ["unassalpha"] if pixels.ndim == 3 and pixels.shape[2] in (2, 4) else None
        tifffile.imwrite(path, pixels, photometric=photometric, extrasamples=extra, metadata=None)
        return path
    swapped = pixels
    if pixels.ndim == 3 and pixels.shape[2] >= 3:
        swapped = pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]
    cv2.imencode(path.suffix, swapped, options)[1].tofile(path)
    return path


def load(path: Path) -> Any:
    """Pixels as stored: grey, RGB or RGBA."""
    if path.suffix == ".tif":
        return tifffile.imread(path)
    pixels = cv2.imdecode(np.fromfile(path, np.uint8), cv2.IMREAD_UNCHANGED)
    assert pixels is not None, path
    return pixels if pixels.ndim == 2 else pixels[..., [2, 1, 0, 3][: pixels.shape[2]]]


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ordinary picture with a name that is not so ordinary."""
    folder = tmp_path_factory.mktemp("Bilder")
    return save(folder / "ein Föto 写真.png", noise(HEIGHT, WIDTH, 3))


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "Ergebnis ü.png"


def refused(home: Home, code: int, *arguments: str | Path, says: str = "") -> str:
    """The one sentence on stderr of a command that must end with ``code``."""
    done = home.nss(*arguments, ok=False)
    assert done.returncode == code, f"{arguments}: {done.returncode} {done.stdout}\n{done.stderr}"
    assert done.stdout == ""
    [line] = done.stderr.splitlines()
    assert line.startswith("nss: ") and line.endswith("."), line
    assert says.lower() in line.lower(), line
    return line


def run(home: Home, tool: str, image: Path, out: Path, *more: str | Path) -> dict[str, Any]:
    """``nss run``: its receipt, which must be in the file too, and the label."""
    receipt = out.with_suffix(".json")
    before = image.read_bytes()
    home.nss("run", tool, image, "-o", out, "--receipt", receipt, *more)
    assert image.read_bytes() == before
    made: dict[str, Any] = json.loads(receipt.read_text("utf-8"))
    assert labels.read(out) == [made]
    assert labels.read_source_type(out) == ENHANCED
    return made


# ---------------------------------------------------------------- what a command says


TOOLS = [
    "remove-background",
    "remove-object",
    "denoise",
    "deblur",
    "upscale",
    "restore-faces",
    "colorize",
    "text-to-image",
    "generate-background",
    "tags",
]


def test_tools(shared_home):
    tools = shared_home.json("tools")
    assert [tool["id"] for tool in tools] == TOOLS
    for tool in tools:
        assert {"id", "title", "returns", "parameters"} <= set(tool)
        assert tool["returns"] in ("pixels", "mask", "scaled", "layer", "below", "text")
        assert {"id", "kind", "default", "minimum", "maximum", "unit"} <= set(tool["parameters"][0])
    text = shared_home.nss("tools").stdout
    for tool in tools:
        assert tool["id"] in text
        assert all(parameter["id"] + "=" in text for parameter in tool["parameters"])


def test_plan(shared_home, photo):
    plan = shared_home.json("plan", "deblur", photo)
    assert set(plan) >= PLAN_FIELDS
    assert (plan["path"], plan["model"], plan["provider"]) == ("classical", None, None)
    assert "not downloaded" in plan["reason"]
    assert plan["seconds"] > 0 and plan["peak_bytes"] > 0
    assert plan["download_bytes"] == 91_736_251
    line = shared_home.nss("plan", "deblur", photo).stdout
    assert "Classical sharpening" in line and "not downloaded" in line and "92 MB" in line


def test_a_plan_for_the_impossible_is_no_error(shared_home, photo):
    plan = shared_home.json("plan", "denoise", photo, "--path", "real")
    assert set(plan) >= PLAN_FIELDS
    assert plan["path"] is None and "not downloaded" in plan["reason"]
    assert plan["download_bytes"] > 0
    assert "Not possible" in shared_home.nss("plan", "denoise", photo, "--path", "real").stdout


def test_a_plan_as_chosen(shared_home, photo):
    plan = shared_home.json("plan", "denoise", photo, "--path", "classical")
    assert (plan["path"], plan["download_bytes"]) == ("classical", 0)
    heavy = shared_home.json("plan", "deblur", photo, "--memory", "100 MB")
    assert (heavy["path"], heavy["download_bytes"]) == ("classical", 0)
    assert "100 MB can be used" in heavy["reason"]


def test_settings_are_kept_and_options_overrule_them(home, photo):
    usual = home.json("settings")
    assert usual["budget"] == "1 min" and usual["memory"] == "60 %"
    changed = home.json("settings", "memory=100 MB", "budget=3min", "commercial_only=yes")
    assert changed == home.json("settings")
    assert changed == {**usual, "memory": "0.1 GB", "budget": "3 min", "commercial_only": "yes"}
    assert "budget = 3 min" in home.nss("settings").stdout
    assert "100 MB can be used" in home.json("plan", "deblur", photo)["reason"]
    over = home.json("plan", "deblur", photo, "--memory", "90 %", "--budget", "1 h")
    assert over["reason"].endswith("not downloaded, 92 MB")
    faces = ("plan", "restore-faces", photo, "--memory", "90 %", "--budget", "1 h")
    assert "GFPGAN" not in home.json(*faces)["reason"]
    assert "GFPGAN" in home.json(*faces, "--no-commercial")["reason"]
    home.nss("settings", "memory=default", "commercial_only=default")
    assert home.json("settings") == {**usual, "budget": "3 min"}


def test_settings_that_cannot_be_read_are_said_and_do_not_stop_a_plan(home, photo):
    file = home.folder / "config" / "settings.json"
    file.parent.mkdir(parents=True)
    file.write_text("{", "utf-8")
    done = home.nss("plan", "deblur", photo)
    assert done.stdout.startswith("Classical ")
    assert str(file) in done.stderr and "the defaults hold" in done.stderr


def test_worker_status_starts_no_worker(home, photo):
    for _ in range(2):
        status = home.json("worker", "status")
        assert status == {"running": False, "pid": None}
    assert "No worker" in home.nss("worker", "status").stdout
    assert "No worker" in home.nss("worker", "stop").stdout
    assert home.log() == ""
    home.nss("plan", "deblur", photo)
    status = home.json("worker", "status")
    assert status["running"] is True
    os.kill(status["pid"], 0)
    assert str(status["pid"]) in home.nss("worker", "status").stdout
    assert home.json("worker", "stop")["running"] is False
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and home.json("worker", "status")["running"]:
        time.sleep(0.1)
    assert home.json("worker", "status") == {"running": False, "pid": None}


def test_stopping_is_answered_every_time(home, photo):
    for _ in range(3):
        home.nss("plan", "deblur", photo)
        assert "The worker ends" in home.nss("worker", "stop").stdout


def test_many_commands_on_a_cold_morning_share_one_worker(home, photo, tmp_path):
    outs = [tmp_path / f"{number}.png" for number in range(5)]
    processes = [
        subprocess.Popen(
            [*COMMAND, "run", "denoise", photo, "-o", out],
            env=home.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for out in outs
    ]
    for process in processes:
        _, err = process.communicate(timeout=600)
        assert (process.returncode, err) == (0, "")
    assert all(out.exists() for out in outs)
    left = {f.name for f in (home.folder / "run").iterdir()}
    socket = f"worker-{wire.PROTOCOL}"
    assert left == {f"{socket}.lock", f"{socket}.sock", "worker.key"}


def test_doctor(shared_home):
    before = shared_home.json("doctor", "--no-probe")
    assert before == {} or "providers" in before
    profile = shared_home.json("doctor")
    assert profile["providers"]
    assert shared_home.json("doctor", "--no-probe") == profile
    assert "CPU" in shared_home.nss("doctor").stdout


def test_doctor_for_a_report(shared_home):
    """Versions, machine and settings for a report of a fault, and no place of the user's."""
    text = shared_home.nss("doctor", "--diagnostics").stdout
    assert text.startswith("NSS diagnostics, ") and "in the command line" in text
    assert "budget: 1 min" in text and "not downloaded" in text
    assert "Zuhause" not in text and str(Path.home()) not in text


def test_models(shared_home):
    rows = shared_home.json("models", "list")["models"]
    assert {NAFNET, SCUNET, DRUNET} < {row["id"] for row in rows}
    assert {row["state"] for row in rows} == {"missing"}
    for row in rows:
        assert row["id"] in shared_home.nss("models", "list").stdout
        assert row["bytes"] > 0 and row["licence"] and len(row["revision"]) == 40
    assert shared_home.json("models", "remove", NAFNET)[0]["state"] == "missing"
    assert shared_home.nss("models", "verify", NAFNET, ok=False).returncode == 3
    refused(shared_home, 2, "models", "get", says="name the model")
    refused(shared_home, 2, "models", "verify", "../../etc", says="no model")
    refused(shared_home, 5, "models", "get", NAFNET, says="HF_HUB_OFFLINE")


# ---------------------------------------------------------------- usage: exit code 2


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "unblur", "IMAGE", "-o", "OUT"], "no tool"),
        (["plan", "", "IMAGE"], "no tool"),
        (["run", "deblur", "IMAGE"], "-o OUT is needed"),
        (["run", "deblur", "-o", "OUT"], "name a file"),
        (["plan", "deblur"], "name a file"),
        (["run", "deblur", "IMAGE", "-o", "OUT.jpg"], ".png"),
        (["run", "deblur", "IMAGE", "-o", "OUT.webp"], ".png"),
        (["run", "deblur", "IMAGE", "-o", "OUT.png.exe"], ".png"),
        (["run", "deblur", "IMAGE", "-o", "IMAGE"], "must not replace"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "--receipt", "IMAGE"], "must not replace"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "--receipt", "OUT"], "must not replace"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "amount"], "NAME=VALUE"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "amount="], "amount"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "amount=101"], "0 to 100"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "amount=nan"], "0 to 100"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "amount=inf"], "0 to 100"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "amount=1e999"], "0 to 100"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "amount=auto"], "0 to 100"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "kind=fast"], "soft"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "=1"], "no parameter"),
        (["run", "deblur", "IMAGE", "-o", "OUT", "-p", "strength=1"], "no parameter"),
        (["plan", "denoise", "IMAGE", "-p", "strength=-1"], "0 to 75"),
        *(
            (["plan", "denoise", "IMAGE", f"--budget={seconds}"], "--budget")
            for seconds in ("nan", "-1", "0", "inf", "4.9", "2h", "soon", "3 days")
        ),
        (["plan", "denoise", "IMAGE", "--memory", "60"], "1 % to 100 % of what is free"),
        (["plan", "denoise", "IMAGE", "--vram", "2 MB"], "at least 100 MB"),
        (["settings", "budget"], "NAME=VALUE"),
        (["settings", "patience=3"], "budget, memory, vram"),
        (["settings", "budget=3 days"], "5 s to 1 h"),
        (["settings", "budget=60", "commercial_only=perhaps"], "yes or no"),
        (["settings", "models_folder=models"], "whole path of a folder"),
        (["receipt"], "Name a file"),
        (["receipt", "--embed", "IMAGE"], "-o FILE"),
    ],
)
def test_usage(shared_home, photo, out, arguments, says):
    before = photo.read_bytes()
    names = {"IMAGE": photo, "OUT": out}
    given = [names.get(a, a) for a in arguments]
    given = [out.with_suffix(a[3:]) if str(a).startswith("OUT.") else a for a in given]
    refused(shared_home, 2, *given, says=says)
    assert photo.read_bytes() == before
    assert list(out.parent.iterdir()) == []


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["run"],
        ["plan", "deblur", "x.png", "--path", "magic"],
        ["plan", "text-to-image", "--size", "0x5"],
        ["plan", "text-to-image", "--size", "big"],
        ["run", "deblur", "x.png", "-o", "y.png", "--path", "byo"],
        ["run", "deblur", "x.png", "-o", "y.png", "-p"],
        ["run", "deblur", "x.png", "-o", "y.png", "--seed", "blue"],
        ["plan", "deblur", "x.png", "--yes"],
        ["worker", "start"],
        ["models", "steal"],
        ["receipt", "a", "b"],
    ],
)
def test_the_parser_refuses(shared_home, arguments):
    done = shared_home.nss(*arguments, ok=False)
    assert done.returncode == 2
    assert done.stdout == "" and done.stderr.startswith("usage: nss")


def test_the_output_may_not_be_the_source_by_another_name(shared_home, photo, tmp_path):
    link, hard = tmp_path / "link.png", tmp_path / "hard.png"
    link.symlink_to(photo)
    os.link(photo, hard)
    for name in (link, hard, photo.parent / ".." / photo.parent.name / photo.name):
        refused(shared_home, 2, "run", "deblur", photo, "-o", name, says="must not replace")


# ---------------------------------------------------------------- bad pictures: exit code 3


def _png_header(width: int, height: int) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    packed = chunk(b"IDAT", zlib.compress(b"\0" * 100)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + packed


def _bad(kind: str, photo: Path, folder: Path) -> Path:
    path = folder / f"{kind} ö.png"
    data = photo.read_bytes()
    contents = {
        "empty": b"",
        "one-byte": b"\x89",
        "signature": data[:8],
        "truncated": data[: len(data) // 2],
        "flipped": data[:200] + bytes([data[200] ^ 255]) + data[201:],
        "text": b"I am a picture, trust me.\n" * 20,
        "zeros": bytes(5000),
        "html": b"<!DOCTYPE html><html></html>",
        "gif": b"GIF89a" + bytes(100),
        "gigapixels": _png_header(400_000, 250_000),
        "no-width": _png_header(0, 10),
        "lying": _png_header(20_000, 20_000),
        "tiff": b"II*\0" + b"\xff" * 100,
        "tiff-loop": b"II*\0\x08\0\0\0" + struct.pack("<H", 0) + struct.pack("<I", 8),
        "jpeg": b"\xff\xd8\xff\xe0\xff\xff" + bytes(50),
        "webp": b"RIFF\xff\xff\xff\xffWEBPVP8X",
    }
    if kind == "folder":
        path.mkdir()
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "loop":
        path.symlink_to(path)
    elif kind == "dangling":
        path.symlink_to(folder / "nowhere")
    elif kind in contents:
        path.write_bytes(contents[kind])
    elif kind == "long":
        path = folder / ("x" * 300 + ".png")
    elif kind == "below-file":
        path = photo / "inside.png"
    elif kind == "device":
        path = Path("/dev/zero")
    return path


BAD = [
    *("missing", "empty", "one-byte", "signature", "truncated", "flipped", "text", "zeros", "html"),
    *("gif", "gigapixels", "no-width", "lying", "tiff", "tiff-loop", "jpeg", "webp", "folder"),
    *("pipe", "loop", "dangling", "long", "below-file", "device"),
]


@pytest.mark.parametrize("kind", BAD)
def test_bad_pictures(shared_home, photo, tmp_path, kind):
    bad = _bad(kind, photo, tmp_path)
    out = tmp_path / "out.png"
    line = refused(shared_home, 3, "run", "denoise", bad, "-o", out)
    assert bad.name[:100] in line
    assert not out.exists()
    if kind in ("gigapixels", "no-width", "tiff-loop", "folder", "device"):
        refused(shared_home, 3, "plan", "denoise", bad)


@pytest.mark.parametrize("kind", ["missing", "truncated", "text", "gigapixels", "folder"])
def test_bad_masks(shared_home, photo, tmp_path, kind):
    bad = _bad(kind, photo, tmp_path)
    out = tmp_path / "out.png"
    line = refused(shared_home, 3, "run", "denoise", photo, "-o", out, "--mask", bad)
    assert bad.name in line
    assert not out.exists()


def test_masks_that_do_not_fit(shared_home, photo, tmp_path, out):
    other = save(tmp_path / "m.png", np.full((HEIGHT, WIDTH + 1), 255, "u1"))
    refused(shared_home, 3, "run", "denoise", photo, "-o", out, "--mask", other, says="size")
    empty = save(tmp_path / "e.png", np.zeros((HEIGHT, WIDTH), "u1"))
    refused(shared_home, 3, "run", "denoise", photo, "-o", out, "--mask", empty, says="selection")
    assert not out.exists()


@pytest.mark.parametrize("kind", ["missing", "text", "folder", "truncated"])
def test_receipts_of_bad_files(shared_home, photo, tmp_path, kind):
    bad = _bad(kind, photo, tmp_path)
    refused(shared_home, 3, "receipt", bad)
    refused(shared_home, 3, "receipt", "--embed", bad, "-o", photo)


def test_a_file_without_a_receipt(shared_home, photo):
    before = photo.read_bytes()
    refused(shared_home, 3, "receipt", photo, says="no receipt")
    refused(shared_home, 3, "receipt", "--embed", photo, "-o", photo, says="no receipt")
    assert photo.read_bytes() == before


# ---------------------------------------------------------------- demands and surroundings: 4, 5


def test_the_real_path_demanded_without_a_model(shared_home, photo, out):
    line = refused(shared_home, 4, "run", "deblur", photo, "-o", out, "--path", "real")
    assert "not downloaded" in line
    assert not out.exists()


def test_outputs_that_cannot_be_written(shared_home, photo, tmp_path):
    folder = tmp_path / "folder.png"
    folder.mkdir()
    for target in (
        folder,
        tmp_path / "nowhere" / "out.png",
        photo / "out.png",
        tmp_path / ("x" * 300 + ".png"),
        Path("/proc/out.png"),
    ):
        refused(shared_home, 5, "run", "denoise", photo, "-o", target)
    out = tmp_path / "out.png"
    for target in (folder, tmp_path / "nowhere" / "r.json"):
        refused(shared_home, 5, "run", "denoise", photo, "-o", out, "--receipt", target)
        assert not out.exists()
    assert [f.name for f in tmp_path.iterdir()] == ["folder.png"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_a_receipt_on_a_full_disk(shared_home, photo, out):
    arguments = ("run", "denoise", photo, "-o", out, "--receipt", "/dev/full")
    refused(shared_home, 5, *arguments, says="nss receipt")
    assert shared_home.nss("receipt", out).returncode == 0


def _pictures_in(home: Home) -> list[Path]:
    return [f for f in home.folder.rglob("px-*") if f.is_file()]


def test_a_home_that_is_a_file(tmp_path, photo, out):
    (tmp_path / "home").write_text("not a folder")
    home = Home(tmp_path / "home", {**os.environ, "NSS_HOME": str(tmp_path / "home")})
    for command in (
        ["plan", "deblur", photo],
        ["run", "deblur", photo, "-o", out],
        ["worker", "status"],
        ["doctor"],
        ["models", "get", NAFNET],
    ):
        assert "NSS_HOME" in refused(home, 5, *command)
    assert home.nss("models", "list").returncode == 0
    assert not out.exists()


def _without_privileges() -> list[str]:
    """What to put before a command so that permissions count for it, also for root."""
    if os.getuid() != 0:
        return []
    rights = "-dac_override,-dac_read_search,-fowner,-chown"
    prefix = ["setpriv", f"--bounding-set={rights}"]
    if shutil.which("setpriv") is None or subprocess.run([*prefix, "true"], check=False).returncode:
        pytest.skip("root may write everywhere here, and setpriv cannot take that away")
    return prefix


@pytest.mark.parametrize("made_before", [False, True])
def test_a_home_that_is_read_only(tmp_path, photo, out, made_before):
    folder = tmp_path / "home"
    for name in ("run", "cache", "data", "config"):
        (folder / name).mkdir(mode=0o500 if made_before else 0o700, parents=True)
    if not made_before:
        for name in folder.iterdir():
            name.rmdir()
    folder.chmod(0o555)
    environment = {**os.environ, "NSS_HOME": str(folder)}
    for arguments in (["plan", "deblur", photo], ["run", "deblur", photo, "-o", out]):
        done = subprocess.run(
            [*_without_privileges(), *COMMAND, *arguments],
            env=environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            timeout=600,
            check=False,
        )
        assert done.returncode == 5, done.stderr
        [line] = done.stderr.splitlines()
        assert line.startswith("nss: ") and str(folder) in line
        assert done.stdout == "" and not out.exists()


def test_a_relative_home_and_a_long_one(tmp_path, photo):
    for name in ("rel ative", "/".join(["a-rather-long-folder-name"] * 6)):
        home = Home(tmp_path / name, {**os.environ, "NSS_HOME": name, "HF_HUB_OFFLINE": "1"})
        home.environment["PYTHONPATH"] = str(ROOT)

        def call(*arguments: str | Path, home: Home = home) -> Any:
            return subprocess.run(
                [*COMMAND, *map(str, arguments)],
                env=home.environment,
                cwd=tmp_path,
                capture_output=True,
                text=True,
                stdin=subprocess.DEVNULL,
                timeout=600,
                check=False,
            )

        done = call("plan", "deblur", photo)
        assert done.returncode == 0, done.stderr
        assert (home.folder / "cache" / "worker.log").exists()
        assert call("worker", "stop").returncode == 0


def test_a_worker_that_cannot_start(home, photo, out, tmp_path):
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\necho the cat ate it >&2\nexit 3\n")
    script.chmod(0o755)
    (home.folder / "config").mkdir(parents=True)
    settings = home.folder / "config" / "worker.json"
    settings.write_text(json.dumps({"python": str(script)}))
    line = refused(home, 5, "run", "deblur", photo, "-o", out, says="the cat ate it")
    assert "worker" in line and not out.exists()
    script.write_bytes(b"\x7fELF")
    refused(home, 5, "run", "deblur", photo, "-o", out, says="could not be started")
    assert _pictures_in(home) == []
    for text in ("{", "[]", '{"python": 7}', '{"python": "/nowhere/python"}'):
        settings.write_text(text)
        assert home.nss("plan", "deblur", photo).returncode == 0


def test_a_worker_that_is_frozen(home, photo):
    home.nss("plan", "deblur", photo)
    pid = home.json("worker", "status")["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        refused(home, 5, "plan", "deblur", photo, says="does not answer")
    finally:
        os.kill(pid, signal.SIGCONT)
    assert home.nss("plan", "deblur", photo).returncode == 0


# ---------------------------------------------------------------- ends of the terminal


def test_ctrl_c_in_a_download(shared_models, photo, out):
    home, hub = shared_models.home, shared_models.hub
    home.nss("models", "remove", NAFNET)
    before = len(hub.requests)
    hub.fault(".onnx", "stall", at=1000)
    try:
        process = subprocess.Popen(
            [*COMMAND, "run", "deblur", photo, "-o", out, "--yes"],
            env=home.environment,
            stderr=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        deadline = time.monotonic() + 240
        while not any(request.path.endswith(".onnx") for request in hub.requests[before:]):
            assert process.poll() is None and time.monotonic() < deadline
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        said, err = process.communicate(timeout=240)
    finally:
        hub.heal()
    assert process.returncode == 130, err
    [line] = err.splitlines()
    assert "cancelled" in line.lower() and said == ""
    assert not out.exists() and _pictures_in(home) == []


def test_the_reader_of_the_output_goes_away(shared_home):
    process = subprocess.Popen(
        [*COMMAND, "tools"],
        env=shared_home.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    process.stdout.close()
    err = process.stderr.read()
    assert process.wait(240) == 0
    assert err == b""


def test_a_terminal_that_lacks_our_letters(shared_home, photo):
    environment = {**shared_home.environment, "PYTHONIOENCODING": "ascii"}
    home = Home(shared_home.folder, environment)
    assert "Classical sharpening" in home.nss("plan", "deblur", photo).stdout
    assert json.loads(home.nss("plan", "deblur", photo, "--json").stdout)["path"] == "classical"


def test_a_name_that_is_no_text(shared_home, photo, tmp_path):
    environment = {**shared_home.environment, "PYTHONIOENCODING": "utf-8:strict"}
    home = Home(shared_home.folder, environment)
    source, out = (
        Path(os.fsdecode(os.fsencode(tmp_path) + n)) for n in (b"/a\xff.png", b"/b\xfe.png")
    )
    shutil.copy(photo, source)
    home.nss("run", "denoise", source, "-o", out)
    assert load(out).shape == (HEIGHT, WIDTH, 3)
    done = home.nss("run", "denoise", out.with_suffix(".gone"), "-o", source, ok=False)
    assert done.returncode == 3


# ---------------------------------------------------------------- formats in and out


def _palette(path: Path) -> Path:
    Image.fromarray(noise(HEIGHT, WIDTH, 3)).quantize(32).save(path)
    return path


FORMATS: dict[str, Callable[[Path], Path]] = {
    "grey8.png": lambda p: save(p, noise(HEIGHT, WIDTH, 1)[..., 0]),
    "grey16.png": lambda p: save(p, noise(HEIGHT, WIDTH, 1, "u2")[..., 0]),
    "rgba8.png": lambda p: save(p, noise(HEIGHT, WIDTH, 4)),
    "rgba16.png": lambda p: save(p, noise(HEIGHT, WIDTH, 4, "u2")),
    "rgb16.png": lambda p: save(p, noise(HEIGHT, WIDTH, 3, "u2")),
    "palette.png": _palette,
    "rgb16.tif": lambda p: save(p, noise(HEIGHT, WIDTH, 3, "u2")),
    "rgba16.tif": lambda p: save(p, noise(HEIGHT, WIDTH, 4, "u2")),
    "greyfloat.tif": lambda p: save(p, noise(HEIGHT, WIDTH, 1, "f4")[..., 0]),
    "photo.jpg": lambda p: save(p, noise(HEIGHT, WIDTH, 3)),
    "photo.webp": lambda p: save(p, noise(HEIGHT, WIDTH, 3), cv2.IMWRITE_WEBP_QUALITY, 101),
    "one.png": lambda p: save(p, noise(1, 1, 3)),
    "row.png": lambda p: save(p, noise(1, 300, 3)),
    "column.tif": lambda p: save(p, noise(300, 1, 4, "u2")),
}


@pytest.mark.parametrize("name", FORMATS)
def test_formats(shared_home, tmp_path, name):
    source = FORMATS[name](tmp_path / name)
    kind = source.suffix if source.suffix == ".tif" else ".png"
    out = tmp_path / ("out" + kind)
    made = run(shared_home, "denoise", source, out, "-p", "strength=12")
    before, after = load(source), load(out)
    assert made["path"] == "classical" and made["fault"] is None
    assert made["image"]["width"] == before.shape[1]
    assert made["parameters"]["strength"] == 12
    assert after.shape == before.shape
    if name != "palette.png":
        assert after.dtype == before.dtype
    if before.ndim == 3 and before.shape[2] == 4:
        assert np.array_equal(after[..., 3], before[..., 3])
    if before.dtype == np.uint16 and before.size > 5000:
        assert len(np.unique(after)) > 256
        assert not np.array_equal(after, before)


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1)])
def test_deblur_of_the_smallest(shared_home, tmp_path, shape):
    source = save(tmp_path / "small.png", noise(*shape, 3))
    made = run(shared_home, "deblur", source, tmp_path / "out.png")
    assert load(tmp_path / "out.png").shape == (*shape, 3)
    assert made["path"] == "classical"


def test_values_above_one_survive(shared_home, tmp_path):
    pixels = noise(HEIGHT, WIDTH, 3, "f4")
    pixels[10:20, 10:30] += 3
    pixels[40:50, 10:30] -= 2
    source = save(tmp_path / "hdr.tif", pixels)
    mask = np.zeros((HEIGHT, WIDTH), "u1")
    mask[:, WIDTH // 2 :] = 255
    out = tmp_path / "out.tif"
    run(shared_home, "denoise", source, out, "--mask", save(tmp_path / "mask.png", mask))
    after = load(out)
    assert after.dtype == np.float32
    assert np.array_equal(after[mask == 0].view("u4"), pixels[mask == 0].view("u4"))
    run(shared_home, "denoise", source, out)
    after = load(out)
    assert after[12:18, 12:28].min() > 2 and after[42:48, 12:28].max() < 0


@pytest.mark.parametrize("dtype", ["u1", "u2"])
@pytest.mark.parametrize(
    ("tool", "options"),
    [("denoise", ["-p", "strength=9"]), ("deblur", ["-p", "kind=soft", "-p", "radius=1.5"])],
)
def test_pixels_outside_the_mask_are_bit_identical(shared_home, tmp_path, dtype, tool, options):
    rng = np.random.default_rng(5)
    pixels = noise(150, 200, 4, dtype)
    mask = np.zeros((150, 200), "u1")
    cv2.circle(mask, (100, 70), 40, 255, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 5)
    mask[rng.random(mask.shape) < 0.1] = 0
    source = save(tmp_path / "in.png", pixels)
    out = tmp_path / "out.png"
    mask_file = save(tmp_path / "mask.png", mask)
    made = run(shared_home, tool, source, out, "--mask", mask_file, *options)
    after = load(out)
    assert made["image"]["selection"] is True
    assert np.array_equal(after[mask == 0], pixels[mask == 0])
    assert np.array_equal(after[..., 3], pixels[..., 3])
    assert not np.array_equal(after[mask == 255], pixels[mask == 255])


def test_a_result_of_a_result_names_its_source(shared_home, photo, tmp_path):
    first, second = tmp_path / "1.png", tmp_path / "2.tif"
    made = run(shared_home, "denoise", photo, first)
    assert json.loads(shared_home.nss("receipt", first).stdout) == made
    again = run(shared_home, "deblur", first, second)
    # How it is said in other languages is kept for the last step alone.
    wording = made.pop("wording")
    assert made["source"] is None and again["source"] == made and wording


@pytest.mark.parametrize("kind", ["huge", "deep", "long-chain", "list", "other-schema", "wrong"])
def test_a_picture_with_a_hostile_receipt(shared_home, photo, tmp_path, kind):
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    shutil.copy(photo, source)
    deep: Any = {}
    chain: Any = None
    for _ in range(400):
        deep = {"parameters": deep}
        chain = {"schema": 1, "tool": "denoise", "path": "classical", "source": chain}
    receipts: dict[str, list[Any]] = {
        "huge": [{"schema": 1, "tool": "denoise", "path": "real", "reason": "x" * 3_000_000}],
        "deep": [deep],
        "long-chain": [chain],
        "list": [{"schema": 1}, {"schema": 1, "tool": 7, "path": []}],
        "other-schema": [{"schema": 99, "tool": "denoise", "path": "real"}],
        "wrong": [{"source": [1, 2], "model": {}}],
    }
    labels.embed(source, receipts[kind])
    made = run(shared_home, "denoise", source, out)
    assert made["path"] == "classical" and made["fault"] is None
    assert len(json.dumps(made)) < 300_000
    if kind == "long-chain":
        assert made["source"]["source"]["source"]["tool"] == "denoise"


def test_no_pixel_file_is_left(shared_home, photo, out):
    run(shared_home, "denoise", photo, out)
    assert _pictures_in(shared_home) == []


# ---------------------------------------------------------------- consent and the real path


def _real_case(model: str, dtype: str) -> tuple[str, list[str], Any, Any, Any]:
    """Tool, options, pixels with alpha, mask, and the pixels that the model's twin must give."""
    height, width = 300, 620
    pixels = noise(height, width, 4, dtype)
    top = np.iinfo(dtype).max
    pixels[..., 3] = np.maximum(pixels[..., 3], 1)
    pixels[100:140, 50:90, 3] = 0
    mask = np.zeros((height, width), "u1")
    cv2.rectangle(mask, (30, 20), (560, 250), 255, -1)
    mask = cv2.GaussianBlur(mask, (0, 0), 6)
    rgb = (pixels[..., :3] / top).astype(np.float32)
    tool, options, new = {
        NAFNET: ("deblur", [], expected_nafnet(rgb)),
        SCUNET: ("denoise", ["-p", "strength=auto"], expected_scunet(rgb)),
        DRUNET: ("denoise", ["-p", "strength=20"], expected_drunet(rgb, 20)),
    }[model]
    blend = rgb + (np.clip(new, 0, 1) - rgb) * (mask / np.float32(255))[..., None]
    return tool, options, pixels, mask, np.rint(blend * top)


@pytest.mark.parametrize("model", [NAFNET, SCUNET, DRUNET])
def test_consent_downloads_and_then_the_model_makes_the_pixels(shared_models, tmp_path, model):
    home, hub = shared_models.home, shared_models.hub
    home.nss("models", "remove", model)
    source, out = tmp_path / "in.png", tmp_path / "out.png"
    # The second time it is installed, so it needs neither consent nor network any more.
    for dtype, consent in (("u2", ["--yes"]), ("u1", [])):
        tool, options, pixels, mask, expected = _real_case(model, dtype)
        save(source, pixels)
        mask_file = save(tmp_path / "mask.png", mask)
        asked = len(hub.requests)
        made = run(home, tool, source, out, *options, "--mask", mask_file, *consent)
        assert bool(hub.requests[asked:]) == bool(consent)
        assert made["path"] == "real" and made["fault"] is None
        assert made["model"]["id"] == model
        assert made["provider"]["bound"] == made["provider"]["requested"] == "CPUExecutionProvider"
        assert made["image"]["depth"] == ("u8" if dtype == "u1" else "u16")
        assert made["actual"]["tiles"] == 2

        after = load(out)
        hidden = pixels[..., 3] == 0
        assert np.array_equal(after[..., 3], pixels[..., 3])
        assert np.array_equal(after[mask == 0], pixels[mask == 0])
        assert np.array_equal(after[hidden], pixels[hidden])
        # Beside hidden pixels the model sees their visible neighbours' colours instead.
        compared = cv2.dilate(hidden.astype("u1"), np.ones((3, 3), "u1")) == 0
        off = np.abs(after[..., :3].astype(int) - expected)[compared]
        assert off.max() <= (1 if dtype == "u1" else 3)
        if dtype == "u2":
            assert len(np.unique(after[..., 0])) > 256
    assert home.json("plan", tool, source, *options)["path"] == "real"


def test_light_above_one_is_kept_by_the_real_path(shared_models, tmp_path):
    home = shared_models.home
    pixels = noise(HEIGHT, WIDTH, 3, "f4")
    pixels[10:20, 10:30] += 3
    source, out = save(tmp_path / "hdr.tif", pixels), tmp_path / "out.tif"
    run(home, "denoise", source, out, "-p", "strength=20", "--path", "real", "--yes")
    seen = np.clip(pixels, 0, 1)
    new = curves.decode(expected_drunet(curves.encode(seen), 20))
    assert np.abs(load(out) - (new + pixels - seen)).max() < 1e-4


def test_without_consent_nothing_is_downloaded(shared_models, photo, out):
    home, hub = shared_models.home, shared_models.hub
    home.nss("models", "remove", NAFNET)
    asked = len(hub.requests)
    made = run(home, "deblur", photo, out)
    assert made["path"] == "classical" and "not downloaded" in made["reason"]
    out.unlink()
    refused(home, 4, "run", "deblur", photo, "-o", out, "--path", "real")
    home.nss("plan", "deblur", photo)
    home.nss("plan", "deblur", photo, "--path", "real")
    # What is chosen to be classical, or too large for this machine, needs no model.
    run(home, "deblur", photo, out, "--path", "classical", "--yes")
    run(home, "deblur", photo, out, "--memory", "100 MB", "--yes")
    assert len(hub.requests) == asked


def test_a_plan_with_smaller_tiles_is_what_runs(shared_models, tmp_path, out):
    home = shared_models.home
    shared_models.get(DRUNET)
    picture = save(tmp_path / "large.png", noise(700, 700, 3))
    told = ("-p", "strength=20", "--budget", "1 h")
    usual = home.json("plan", "denoise", picture, *told)
    assert (usual["path"], usual["tile_divisor"]) == ("real", 1)
    short = ("--memory", f"{usual['peak_bytes'] / 1e6 - 1:.0f} MB")
    plan = home.json("plan", "denoise", picture, *told, *short)
    assert (plan["path"], plan["tile_divisor"]) == ("real", 2)
    assert plan["peak_bytes"] < usual["peak_bytes"]
    assert plan["reason"].startswith("in smaller tiles, since DRUNet needs ")
    full = run(home, "denoise", picture, out, *told)
    made = run(home, "denoise", picture, out.with_name("small.png"), *told, *short)
    assert made["path"] == "real" and made["reason"] == plan["reason"]
    assert made["actual"]["tiles"] > full["actual"]["tiles"]
    # The one that runs all the same is the user's choice, and runs as well as it can.
    none = (*told, "--memory", "100 MB", "--path", "real")
    chosen = run(home, "denoise", picture, out.with_name("chosen.png"), *none)
    assert chosen["path"] == "real" and chosen["actual"]["tiles"] == made["actual"]["tiles"]
    assert chosen["reason"].startswith("as you chose; DRUNet needs ")


@pytest.mark.parametrize("fault", ["404", "flip"])
def test_a_failing_download(shared_models, photo, out, fault):
    home, hub = shared_models.home, shared_models.hub
    home.nss("models", "remove", NAFNET)
    hub.fault(".onnx", fault)
    try:
        made = run(home, "deblur", photo, out, "--yes")
        assert made["path"] == "classical" and made["model"] is None
        assert made["reason"].startswith("NAFNet is not downloaded") and len(made["reason"]) > 80
        out.unlink()
        refused(home, 5, "run", "deblur", photo, "-o", out, "--yes", "--path", "real")
        assert not out.exists()
    finally:
        hub.heal()


def test_the_hub_of_this_command_counts_not_that_of_the_workers_start(shared_models, photo, out):
    home = shared_models.home
    home.nss("models", "remove", NAFNET)
    home.nss("worker", "stop")
    offline = Home(home.folder, {**home.environment, "HF_HUB_OFFLINE": "1"})
    offline.nss("plan", "deblur", photo)
    online = {k: v for k, v in home.environment.items() if k != "HF_HUB_OFFLINE"}
    Home(home.folder, online).nss("models", "get", NAFNET)


def test_a_model_that_fails_its_trial_with_consent(home, models, photo, out):
    models({NAFNET: Variant.CONSTANT})
    made = run(home, "deblur", photo, out, "--yes")
    assert made["path"] == "classical" and "same everywhere" in made["reason"]
    out.unlink()
    assert refused(home, 4, "run", "deblur", photo, "-o", out, "--yes", "--path", "real")


# ---------------------------------------------------------------- options that would do nothing


def test_words_are_not_written_under_a_pictures_name(shared_home, photo, out):
    assert ".txt" in refused(shared_home, 2, "run", "tags", photo, "-o", out)
    assert not out.exists()


def test_strokes_without_their_parameter_are_refused(shared_home, photo, out):
    refused(
        shared_home,
        2,
        "run",
        "colorize",
        photo,
        "-o",
        out,
        "--strokes",
        photo,
        says="strokes=above",
    )
    assert not out.exists()


def test_a_mask_that_does_not_count_is_said(shared_home, photo, tmp_path, out):
    mask = save(tmp_path / "mask.png", np.full((HEIGHT, WIDTH), 255, np.uint8))
    done = shared_home.nss("run", "upscale", photo, "-o", out, "--mask", mask)
    assert "--mask has no effect" in done.stderr


def test_a_canvas_has_a_largest_side(shared_home, out):
    arguments = ("run", "text-to-image", "-p", "prompt=sand", "--size", "9999999x9", "-o", out)
    done = shared_home.nss(*arguments, ok=False)
    assert done.returncode == 2 and "at most" in done.stderr


def test_a_receipt_needs_an_exported_file(shared_home, photo, tmp_path):
    refused(
        shared_home, 3, "receipt", "--embed", photo, "-o", tmp_path / "no.png", says="export the"
    )
