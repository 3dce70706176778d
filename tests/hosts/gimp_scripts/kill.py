"""The worker is killed in the middle of a run; then the same again, and again until asked."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from pathlib import Path

from common import NOTES, add_layer, apply, new_image, save

JOURNAL = Path(os.environ["NSS_HOME"]) / "data" / "journal.json"


def workers() -> dict[str, int]:
    found = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                words = (folder / "cmdline").read_bytes().decode().split("\0")
            except OSError:
                continue
            for part in ("server", "runner"):
                if f"shared_core.worker.{part}" in words:
                    found[part] = int(folder.name)
    return found


def kill_when_it_runs() -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if JOURNAL.exists():
            marks = json.loads(JOURNAL.read_text())["marks"]
            if any(mark["stage"] == "running" for mark in marks):
                NOTES["killed"] = workers()
                for pid in NOTES["killed"].values():
                    os.kill(pid, signal.SIGKILL)
                return
        time.sleep(0.05)


image = new_image("srgb8")
photo = add_layer(image, "srgb8", "Photo")
thread = threading.Thread(target=kill_when_it_runs)
thread.start()
apply("kill", image, [photo], "deblur", consent=True)
thread.join()
NOTES["workers_after"] = workers()
apply("after", image, [photo], "deblur", consent=True)
apply("asked", image, [photo], "deblur", path="real")
NOTES["done"] = True
save()
