"""Disks that are really full and memory that really ends: small file systems, limits of the system.

Where nothing can be given back, there is to be one sentence that says why, and nothing half done.
"""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import psutil

from shared_core.bridge import wire

from .stage import Case, Outcome, Stage, outcome

_SMALL = "1m"
_LITTLE_MEMORY = 8 << 20


@dataclass(frozen=True)
class Trouble:
    """What was tried, whether it could be, and what is wrong with what came of it, if anything."""

    name: str
    came: str
    wrong: str = ""
    skipped: str = ""


@contextlib.contextmanager
def small_disk(folder: Path, size: str = _SMALL) -> Iterator[None]:
    """A file system of ``size`` at ``folder``; ``OSError`` where none may be mounted."""
    folder.mkdir(parents=True, exist_ok=True)
    command = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "tmpfs", str(folder)]
    if subprocess.run(command, capture_output=True, check=False).returncode:
        raise OSError("no file system may be mounted here")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def fill(folder: Path) -> None:
    """Fill a file system to its last byte."""
    with contextlib.suppress(OSError), (folder / "filler").open("wb", buffering=0) as file:
        while True:
            file.write(bytes(4096))


def every_trouble(stage: Stage, case: Case, wide: Case) -> list[Trouble]:
    """All of them; ``case``'s model is here, ``wide`` is a case with a picture to be read."""
    found = []
    for trial in (_result_disk, _pixel_disk, _data_disk, _reading, _little_memory):
        name = (trial.__doc__ or "").strip().rstrip(".")
        try:
            came, wrong = trial(stage, wide if trial is _reading else case)
        except OSError as error:
            found.append(Trouble(name, "", skipped=str(error)))
        else:
            found.append(Trouble(name, came, wrong))
    return found


def _refused(stage: Stage, made: Outcome, words: str, out: Path) -> tuple[str, str]:
    """What is to come where no result is possible."""
    wrong = []
    if made.code != 5 or words not in made.said:
        wrong.append(f"code {made.code}: {made.said.strip()[-300:]}")
    if list(out.parent.glob("out*")):
        wrong.append(f"left: {sorted(f.name for f in out.parent.glob('out*'))}")
    if stage.leftovers():
        wrong.append(f"pixel files left: {stage.leftovers()}")
    return "an error that names it", "; ".join(wrong)


def _result_disk(stage: Stage, case: Case) -> tuple[str, str]:
    """The disk that the result is to be saved on is full."""
    folder = stage.folder / "full"
    with small_disk(folder):
        fill(folder)
        out = folder / "out.png"
        code, said = stage.command(*stage.arguments(case, "auto", out))
        return _refused(stage, Outcome(code, {}, None, said), "space", out)


def _pixel_disk(stage: Stage, case: Case) -> tuple[str, str]:
    """Neither folder for pixel files has room."""
    stage.command("worker", "stop")
    places = [stage.home / "run", stage.home / "cache" / "pixels"]
    out = stage.out(case)
    try:
        with contextlib.ExitStack() as stack:
            for place in places:
                stack.enter_context(small_disk(place))
            code, said = stage.command(*stage.arguments(case, "auto", out))
            made = _refused(stage, Outcome(code, {}, None, said), "disk is full", out)
            stage.command("worker", "stop")
            _wait_for_end(stage)
            return made
    finally:
        stage.command("worker", "stop")


def _data_disk(stage: Stage, case: Case) -> tuple[str, str]:
    """The journal's disk is full, and the runner is killed while the model runs."""
    stage.command("worker", "stop")
    _wait_for_end(stage)
    data = stage.home / "data"
    kept = stage.folder / "data"
    os.replace(data, kept)
    try:
        with small_disk(data):
            subprocess.run(["cp", "-rp", *map(str, kept.iterdir()), str(data)], check=True)
            # Their stamps are of the other file system.
            stage.command("models", "verify", case.model)
            fill(data)
            real = stage.run(case, "auto")
            fault = {"id": 1, "where": "run", "number": 1, "do": "kill", "path": wire.REAL}
            stage.inject({**fault, "times": 1})
            killed = stage.run(case, "auto")
            stage.inject(None)
            stage.command("worker", "stop")
            _wait_for_end(stage)
    finally:
        data.rmdir()
        os.replace(kept, data)
    wrong = []
    if real.receipt.get("path") != wire.REAL:
        wrong.append(f"before the kill: {real.said.strip()[-300:]} {real.receipt.get('reason')}")
    if killed.receipt.get("path") != wire.CLASSICAL or "SIGKILL" not in killed.receipt["fault"]:
        wrong.append(f"after the kill: {killed.said.strip()[-300:]}")
    return "real, and classical after the kill", "; ".join(wrong)


def _reading(stage: Stage, case: Case) -> tuple[str, str]:
    """Memory ends while the command line reads the picture."""
    large = stage.pictures / "large.png"
    cv2.imwrite(str(large), np.zeros((9000, 9000, 4), np.uint8))
    out = stage.out(case)
    done = subprocess.run(
        [
            *(sys.executable, "-m", "shared_core.cli", "run", case.tool, str(large)),
            *("-o", str(out), "--path", "classical"),
        ],
        capture_output=True,
        text=True,
        check=False,
        preexec_fn=_limited(700 << 20),
    )
    large.unlink()
    said = done.stdout + done.stderr
    if "Traceback" in said:
        return "", said[-300:]
    return _refused(stage, Outcome(done.returncode, {}, None, said), "memory", out)


def _little_memory(stage: Stage, case: Case) -> tuple[str, str]:
    """The system gives the runner no more memory while it works on a large picture."""
    source = stage.pictures / "broad.png"
    cv2.imwrite(str(source), np.random.default_rng(1).integers(0, 255, (1500, 2000, 3), np.uint8))
    stage.run(case, wire.REAL)
    client = stage.client()
    pid = client.ask(wire.AskStatus(), wire.StatusReply).runner_pid
    client.close()
    if pid is None:
        return "", "no runner is there"
    runner = psutil.Process(pid)
    most = runner.memory_info().vms + _LITTLE_MEMORY
    runner.rlimit(psutil.RLIMIT_AS, (most, most))
    large = Case(case.tool, case.model, "broad", case.parameters)
    out = stage.out(large)
    code, said = stage.command(*stage.arguments(large, "auto", out))
    made = outcome(large, code, out, said)
    source.unlink()
    stage.forget()
    if made.code or "memory" not in (made.receipt.get("fault") or ""):
        return "", f"code {made.code}: {made.said.strip()[-300:]} {made.receipt.get('fault')}"
    return f"{made.receipt['path']}, since “{made.receipt['fault'][:90]}…”", ""


def _limited(most: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _wait_for_end(stage: Stage) -> None:
    for process in stage.processes():
        with contextlib.suppress(psutil.Error):
            process.wait(20)
