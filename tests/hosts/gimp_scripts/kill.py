"""Kills the worker in the middle of a run, runs the tool again, then kills the plug-in instead."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

from common import NOTES, add_layer, apply, new_image, save
from watched import PLUG_IN, WORKERS, pixel_files, processes, running


def await_that(wanted: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not wanted() and time.monotonic() < deadline:
        time.sleep(0.05)


def kill_when_it_runs(words: dict[str, str]) -> None:
    await_that(running)
    NOTES["files_in_run"] = pixel_files()
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
with_killer(PLUG_IN, "cancel", path="real")
start = time.monotonic()
await_that(lambda: not running() and not pixel_files(), 20)
NOTES["seconds_to_end"] = time.monotonic() - start
NOTES["files_after"] = pixel_files()
NOTES["done"] = True
save()
