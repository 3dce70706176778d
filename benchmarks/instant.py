"""The classical tools on 12 megapixels through the warm runner, without any file being coded."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray
from pictures import SIZES, layer
from report import Aim, Section, Table
from workshop import job, opened

MEGAPIXELS = 12
REPEATS = 3
_BLOCK = 16
INSTANT_AIM, HEAVY_AIM = 1.0, 1.5
# Tool, parameters, and what they are; the first are those that are to be there at once.
UNSHARP = "unsharp mask, where no blur is certain"
INSTANT: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("colorize", {"palette": "sepia"}, "palette"),
    ("generate-background", {"style": "gradient"}, "procedural background"),
    ("text-to-image", {"prompt": "clouds"}, "procedural picture"),
    ("deblur", {}, UNSHARP),
)
HEAVY: tuple[tuple[str, Mapping[str, Any], str], ...] = (
    ("denoise", {}, "two-pass DCT shrinkage"),
    ("deblur", {}, "blur measured, sharpened or deconvolved"),
    ("remove-background", {"result": "cut"}, "saliency, GrabCut, guided filter"),
    ("remove-object", {}, "PatchMatch fill of a hole"),
    ("restore-faces", {}, "local contrast and detail"),
    ("upscale", {"factor": "2"}, "edge-guided back-projection"),
)


def measure(full: bool) -> list[Section]:
    """The section's table."""
    rows, aims = [], []
    pixels = SIZES[MEGAPIXELS][0] * SIZES[MEGAPIXELS][1] / 1e6
    rgba = layer(MEGAPIXELS)
    hole = np.zeros(rgba.shape[:2], np.uint8)
    height, width = hole.shape
    hole[height // 2 : height // 2 + height // 8, width // 2 : width // 2 + width // 8] = 255
    with opened() as shop:
        shop.probe()
        for cases, most, unit in ((INSTANT, INSTANT_AIM, "s"), (HEAVY, HEAVY_AIM, "s/MP")):
            for tool, parameters, what in cases:
                selection = hole if tool == "remove-object" else None
                pixels_of = _blocks(rgba) if what == UNSHARP else rgba
                with job(shop, tool, "classical", pixels_of, parameters, selection) as ready:
                    ready.run()
                    runner = psutil.Process(shop.status().runner_pid)
                    before = sum(runner.cpu_times()[:2])
                    runs = [ready.run() for _ in range(REPEATS)]
                    busy = (sum(runner.cpu_times()[:2]) - before) / REPEATS
                seconds = statistics.median(took for took, _ in runs)
                if runs[0][1]["path"] != "classical":
                    raise RuntimeError(f"{tool} ran as {runs[0][1]['path']}")
                each = seconds if unit == "s" else seconds / pixels
                row = (f"{seconds:.2f}", f"{seconds / pixels:.3f}", f"{busy:.2f}")
                rows.append((f"{tool}, {what}", *row))
                aims.append(
                    Aim(
                        f"{tool}, {what}",
                        f"under {most} {unit}",
                        f"{each:.2f} {unit}",
                        each < most,
                        f"The runner's threads were busy for {busy:.2f} s together.",
                    )
                )
    return [
        Section(
            f"Classical results on {MEGAPIXELS} megapixels",
            f"From the request to the receipt, the runner warm, medians of {REPEATS}; 8 bits RGBA.",
            [Table("Seconds", ("", f"{MEGAPIXELS} MP", "per MP", "of the processor"), rows)],
            aims,
        )
    ]


def _blocks(rgba: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Squares with the sharpest edges there can be, of the size of ``rgba``."""
    height, width = rgba.shape[:2]
    small = np.ascontiguousarray(rgba[::_BLOCK, ::_BLOCK])
    large = small.repeat(_BLOCK, 0).repeat(_BLOCK, 1)
    return np.ascontiguousarray(large[:height, :width])
