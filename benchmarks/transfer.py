"""What the store's care costs a download: beside ``huggingface_hub``'s own, from the same hub."""

from __future__ import annotations

import hashlib
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from report import Aim, Section, Table

from tests.catalog.small_cards import REPO, REVISION, card_text, placed
from tests.catalog.world import World
from tests.fakes.hub import Hub

MEGABYTES = 200
REPEATS = 3
# Beside the hash, without which no file is used.
AIM = 1.15
MODEL, FILE = "large", "weights.bin"
_BARE = """
import sys
from huggingface_hub import hf_hub_download
hf_hub_download(sys.argv[1], sys.argv[2], revision=sys.argv[3], local_dir=sys.argv[4])
"""


def measure(full: bool) -> list[Section]:
    """The section's table."""
    with tempfile.TemporaryDirectory(prefix="nss-bench-") as name:
        folder = Path(name)
        data = random.Random(1).randbytes(MEGABYTES << 20)
        placed(folder / "hub" / REPO / REVISION, {FILE: data})
        text = card_text(MODEL, {FILE: data}, "", extra="helper = true")
        placed(folder / "cards", {f"{MODEL}.toml": text.encode()})
        began = time.perf_counter()
        hashlib.sha256(data).digest()
        hashing = time.perf_counter() - began
        with Hub(folder / "hub") as hub:
            world = World(folder, hub)
            world.extra |= {"HF_HUB_DOWNLOAD_TIMEOUT": "20", "HF_HUB_ETAG_TIMEOUT": "20"}
            ways: dict[str, Callable[[], None]] = {
                "bare": lambda: _bare(world),
                "ours": lambda: _ours(world),
                "ours, a second time": lambda: _again(world),
            }
            times = _in_turns(ways)
    middle = {way: statistics.median(seconds) for way, seconds in times.items()}
    rows = [
        ("huggingface_hub, hf_hub_download", *_cells(middle["bare"])),
        ("NSS, downloaded, verified and recorded", *_cells(middle["ours"])),
        ("NSS, the file is here already", f"{middle['ours, a second time']:.2f}", ""),
        ("SHA-256 of the file alone", *_cells(hashing)),
    ]
    ratio = (middle["ours"] - hashing) / middle["bare"]
    return [
        Section(
            "Downloads",
            f"A file of {MEGABYTES} MiB from a hub on this machine, each in a process of its own, "
            "whose start counts; in turns.",
            [Table(f"Seconds, medians of {REPEATS}", ("", "s", "MB/s"), rows)],
            [
                Aim(
                    "the store's download without its hash, against huggingface_hub's",
                    f"at most {AIM} times as long",
                    f"{ratio:.2f} times",
                    ratio <= AIM,
                    "The rest is the check of the free space, the lock, and the record of it.",
                )
            ],
        )
    ]


def _cells(seconds: float) -> tuple[str, str]:
    return f"{seconds:.2f}", f"{MEGABYTES * 1.048576 / seconds:.0f}"


def _in_turns(ways: dict[str, Callable[[], None]]) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {way: [] for way in ways}
    for _ in range(REPEATS):
        for way, run in ways.items():
            began = time.perf_counter()
            run()
            times[way].append(time.perf_counter() - began)
    return times


def _bare(world: World) -> None:
    place = world.folder / "bare"
    shutil.rmtree(place, ignore_errors=True)
    environment = world.environment | {"HF_HUB_DISABLE_XET": "1", "HF_HUB_DISABLE_TELEMETRY": "1"}
    command = [sys.executable, "-c", _BARE, REPO, FILE, REVISION, str(place)]
    subprocess.run(command, env=environment, check=True, stderr=subprocess.DEVNULL)
    if os.path.getsize(place / FILE) != MEGABYTES << 20:
        raise RuntimeError("huggingface_hub brought another file")


def _ours(world: World) -> None:
    shutil.rmtree(world.home, ignore_errors=True)
    _again(world)


def _again(world: World) -> None:
    events, status = world.fetch(MODEL)
    if status or events[-1]["event"] != "done":
        raise RuntimeError(f"the download failed: {events[-1]}")
