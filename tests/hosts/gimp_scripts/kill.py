"""Kills the worker in the middle of a run, runs the tool again, then kills the plug-in instead."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import NOTES, add_layer, apply, new_image, save

HOME = Path(os.environ["NSS_HOME"])
JOURNAL = HOME / "data" / "journal.json"
WORKERS = {"server": "shared_core.worker.server", "runner": "shared_core.worker.runner"}


def processes(words: dict[str, str]) -> dict[str, int]:
    """The ids of the processes whose command lines hold these words."""
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                line = (folder / "cmdline").read_bytes().decode()
                found |= {name: int(folder.name) for name, word in words.items() if word in line}
    return found


def running() -> bool:
    """Whether the worker's journal says that a model is running."""
    if not JOURNAL.exists():
        return False
    return any(mark["stage"] == "running" for mark in json.loads(JOURNAL.read_text())["marks"])


def await_that(wanted: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not wanted() and time.monotonic() < deadline:
        time.sleep(0.05)


def kill_when_it_runs(words: dict[str, str]) -> None:
    await_that(running)
    NOTES["files_in_run"] = len(list(HOME.rglob("px-*")))
    NOTES["killed"] = processes(words)
    for pid in NOTES["killed"].values():
        os.kill(pid, signal.SIGKILL)


def with_killer(words: dict[str, str], name: str, **arguments: Any) -> None:
    killer = threading.Thread(target=kill_when_it_runs, args=(words,))
    killer.start()
    apply(name, image, [photo], "deblur", **arguments)
    killer.join()
    NOTES[f"{name}-victims"] = NOTES.pop("killed")


image = new_image("srgb8")
photo = add_layer(image, "srgb8", "Photo")
with_killer(WORKERS, "kill", consent=True)
NOTES["workers_after"] = processes(WORKERS)
apply("after", image, [photo], "deblur", consent=True)
apply("asked", image, [photo], "deblur", path="real")
with_killer({"plug-in": "plug-ins/nss/nss.py"}, "cancel", path="real")
start = time.monotonic()
await_that(lambda: not running() and not list(HOME.rglob("px-*")), 20)
NOTES["seconds_to_end"] = time.monotonic() - start
NOTES["files_after"] = len(list(HOME.rglob("px-*")))
NOTES["done"] = True
save()
