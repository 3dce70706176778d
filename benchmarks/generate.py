"""What text-to-image and generate-background take without a model: seconds and memory by size."""

from __future__ import annotations

import multiprocessing
import resource
import sys
import time
from collections.abc import Mapping
from pathlib import Path

import cv2
import numpy as np
import psutil
from report import Aim, Section, Table, aims_table

from shared_core.bridge import toolbox
from shared_core.pixels import Picture, Raster
from shared_core.sheet import Sheet
from shared_core.tools import registry
from shared_core.tools.work import Work

SIZES = {1: (1152, 864), 12: (4000, 3000), 48: (8000, 6000)}
RUNS: tuple[tuple[str, str, Mapping[str, object]], ...] = (
    ("text to image, no word known", "text-to-image", {"prompt": "an astronaut"}),
    ("text to image, wood", "text-to-image", {"prompt": "old wood"}),
    ("text to image, sky over grass", "text-to-image", {"prompt": "blue sky over a meadow"}),
    ("text to image, forest (the slowest)", "text-to-image", {"prompt": "misty forest"}),
    ("background, studio gradient", "generate-background", {"style": "gradient"}),
    ("background, blurred original", "generate-background", {"style": "blurred"}),
    ("background, painted cloth", "generate-background", {"style": "texture"}),
    ("background, brick wall", "generate-background", {"prompt": "brick wall"}),
)
AIM = 1.5


def section(images: Path) -> str:
    """Seconds per megapixel and peak memory of the classical paths, as Markdown."""
    speeds, peaks, slowest = [], [], 0.0
    # A process for each run, so that nothing is left over from the one before.
    with multiprocessing.get_context("spawn").Pool(1, maxtasksperchild=1) as pool:
        for name, tool, parameters in RUNS:
            found = [pool.apply(_run, (images, tool, parameters, size)) for size in SIZES.values()]
            each = [s * 1e6 / (w * h) for (s, _), (w, h) in zip(found, SIZES.values(), strict=True)]
            speeds.append((name, *(f"{value:.2f}" for value in each)))
            peaks.append((name, *(f"{peak / 1e6:.0f}" for _, peak in found)))
            slowest = max(slowest, *each)
    columns = ("", *(f"{megapixels} MP" for megapixels in SIZES))
    made = Section(
        "Classical text to image and background",
        "A canvas of the size given; for the backgrounds with a cut-out subject in its middle. "
        f"Elapsed seconds on {cv2.getNumThreads()} threads, one run each.",
        [
            Table("Seconds per megapixel", columns, speeds),
            Table("Peak in MB beside layer and result", columns, peaks),
        ],
        [Aim("slowest classical picture", f"{AIM} s/MP", f"{slowest:.2f} s/MP", slowest <= AIM)],
    )
    return "\n\n".join([made.markdown(), aims_table(made.aims)])


def _run(
    images: Path, tool_id: str, parameters: Mapping[str, object], size: tuple[int, int]
) -> tuple[float, int]:
    """Seconds of one run and the most memory beyond that of the two layers."""
    width, height = size
    photo = cv2.imread(str(images / "coffee.png"), cv2.IMREAD_COLOR)
    if photo is None:
        raise FileNotFoundError(images / "coffee.png")
    layer = np.zeros((height, width, 4), np.uint8)
    for top in range(0, height, 256):
        rows = slice(top, min(height, top + 256))
        part = photo[rows.start * photo.shape[0] // height :][:64]
        layer[rows, :, :3] = cv2.resize(part, (width, rows.stop - rows.start))
    middle = slice(height // 4, height * 3 // 4), slice(width // 3, width * 2 // 3)
    layer[(*middle, 3)] = 255
    result = np.ones_like(layer)
    raster = Raster(width, height, "u8")
    tool = toolbox.tool(tool_id)
    work = Work(
        picture=Picture(layer, None, raster),
        parameters=tool.parse(parameters),
        progress=lambda done, total: None,
        cancelled=lambda: False,
        outcome=tool.returns,
        sheet=Sheet(result, raster),
        seed=1,
    )
    module = registry.module(tool_id)
    before = psutil.Process().memory_info().rss
    began = time.perf_counter()
    module.classical(work)
    seconds = time.perf_counter() - began
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return seconds, max(0, peak - before)


if __name__ == "__main__":
    print(
        section(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[2] / "shared/images")
    )
