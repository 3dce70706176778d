"""Seconds and memory of one classical path on a layer of a given size, in a process of its own."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge import toolbox
from shared_core.bridge.toolbox import Selects
from shared_core.pixels import Picture, Raster
from shared_core.sheet import Sheet
from shared_core.tools import registry
from shared_core.tools.work import Work

SIZES = {1: (1152, 864), 12: (4000, 3000), 48: (8000, 6000)}


@dataclass(frozen=True)
class Footprint:
    """Seconds of the tool alone, by the clock and of all threads of the processor.

    ``peak_bytes`` is the most memory it took beside the mapped pixel files.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def measure(
    images: Path,
    tool: str,
    parameters: Mapping[str, object],
    megapixels: int,
    hole: tuple[int, int] | None = None,
) -> Footprint:
    """One run in a fresh process; ``hole`` (width, height) is what is selected, in the middle."""
    order = {
        "images": str(images),
        "tool": tool,
        "parameters": parameters,
        "size": SIZES[megapixels],
    }
    order["hole"] = hole
    done = subprocess.run(
        [sys.executable, __file__, json.dumps(order)], check=True, stdout=subprocess.PIPE, text=True
    )
    return Footprint(**json.loads(done.stdout))


def _anonymous() -> int:
    """Bytes of memory that are not mapped from files, as the kernel counts them now."""
    for line in Path("/proc/self/status").read_text("utf-8").splitlines():
        if line.startswith("RssAnon:"):
            return int(line.split()[1]) * 1024
    return 0


def _layer(images: Path, width: int, height: int) -> NDArray[np.uint8]:
    """An opaque RGBA layer: a photograph, enlarged, with fine grain."""
    photo = cv2.imread(str(images / "coffee.png"), cv2.IMREAD_COLOR_RGB)
    photo = cv2.resize(photo, (width, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(1).integers(-4, 5, (height, width, 1), np.int16)
    rgba = np.full((height, width, 4), 255, np.uint8)
    np.clip(photo + grain, 0, 255, out=rgba[..., :3], casting="unsafe")
    return rgba


def _run(
    images: str,
    tool: str,
    parameters: Mapping[str, object],
    size: tuple[int, int],
    hole: tuple[int, int] | None,
) -> Footprint:
    width, height = size
    chosen = toolbox.tool(tool).parse(parameters)
    wide, high = toolbox.tool(tool).result_size(chosen, width, height)
    with tempfile.TemporaryDirectory() as folder:
        source = np.memmap(Path(folder) / "source", np.uint8, "w+", shape=(height, width, 4))
        result = np.memmap(Path(folder) / "result", np.uint8, "w+", shape=(high, wide, 4))
        source[:] = _layer(Path(images), width, height)
        selection = None
        if hole:
            selection = np.zeros((height, width), np.uint8)
            top, left = (height - hole[1]) // 2, (width - hole[0]) // 2
            selection[top : top + hole[1], left : left + hole[0]] = 255
        if (wide, high) == (width, height):
            masked = toolbox.tool(tool).selects in (Selects.LIMITS, Selects.NEEDED)
            mask = selection if masked else None
            picture, sheet = Picture(source, result, Raster(width, height, "u8"), mask), None
            picture.begin()
        else:
            picture = Picture(source, None, Raster(width, height, "u8"))
            sheet = Sheet(result, Raster(wide, high, "u8"))
        work = Work(
            picture,
            chosen,
            lambda done, total: None,
            lambda: False,
            selection=selection,
            sheet=sheet,
        )
        module = registry.module(tool)
        before = most = _anonymous()
        ended = threading.Event()

        def watch() -> None:
            nonlocal most
            while not ended.wait(0.005):
                most = max(most, _anonymous())

        watcher = threading.Thread(target=watch)
        watcher.start()
        began, spent = time.perf_counter(), time.process_time()
        try:
            module.classical(work)
        finally:
            seconds, spent = time.perf_counter() - began, time.process_time() - spent
            ended.set()
            watcher.join()
    return Footprint(seconds, spent, most - before)


def main() -> None:
    """The order is the only argument, as JSON; the answer goes to standard output."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("order", type=json.loads)
    found = _run(**parser.parse_args().order)
    print(json.dumps(asdict(found)))


if __name__ == "__main__":
    main()
