"""What the classical removal gives and takes beside OpenCV's inpainting, on holes with a truth."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import footprint
import numpy as np
from numpy.typing import NDArray
from pictures import EIGHT
from report import Aim, Section, Table, aims_table
from skimage.metrics import structural_similarity

from shared_core.bridge import toolbox
from shared_core.pixels import Picture, Raster
from shared_core.tools import remove_object
from shared_core.tools.work import Work

Bytes = NDArray[np.uint8]
Case = tuple[Bytes, Bytes]
NSS = "NSS remove object, classical"
NAVIER_STOKES = "cv2.inpaint, Navier-Stokes, radius 3"
SIDE = 60
BOXES = 4
SCRATCHES = 8
SCRATCH = 3
# Holes of the large layers: this part of each side.
PART = 8


def _inpainted(rgb: Bytes, selection: Bytes, how: int) -> Bytes:
    return np.asarray(cv2.inpaint(rgb, selection, 3, how), np.uint8)


def _removed(rgb: Bytes, selection: Bytes) -> Bytes:
    """``rgb`` through the tool's classical path, as the worker's runner calls it."""
    height, width = rgb.shape[:2]
    rgba = np.dstack([rgb, np.full((height, width), 255, np.uint8)])
    result = np.zeros_like(rgba)
    picture = Picture(rgba, result, Raster(width, height, "u8"), selection)
    picture.begin()
    parameters = toolbox.tool("remove-object").parse({})
    remove_object.classical(
        Work(picture, parameters, lambda done, total: None, lambda: False, selection=selection)
    )
    return np.ascontiguousarray(result[..., :3])


METHODS: dict[str, Callable[[Bytes, Bytes], Bytes]] = {
    "cv2.inpaint, Telea, radius 3": lambda rgb, hole: _inpainted(rgb, hole, cv2.INPAINT_TELEA),
    NAVIER_STOKES: lambda rgb, hole: _inpainted(rgb, hole, cv2.INPAINT_NS),
    NSS: _removed,
}


def section(images: Path) -> str:
    """PSNR, SSIM, time and memory of the classical removal, as Markdown."""
    areas, area_gain = _quality(f"Areas: boxes of {SIDE} pixels", _boxes(images))
    scratches, scratch_gain = _quality(f"Scratches of {SCRATCH} pixels", _scratched(images))
    aims = [
        Aim(
            "classical removal of areas, PSNR beside Navier-Stokes",
            "at least +0.0 dB",
            f"{area_gain:+.2f} dB",
            area_gain >= 0,
        ),
        Aim(
            "classical removal of scratches, PSNR beside Navier-Stokes",
            "at least +0.0 dB",
            f"{scratch_gain:+.2f} dB",
            scratch_gain >= 0,
        ),
    ]
    text = (
        "Holes are painted white in photographs and filled again; PSNR and SSIM inside the holes "
        "against the photographs. A fill need not be what was there to look right, so these "
        "figures flatter smooth fills: look at the contact sheet too. Seconds are of the processor."
    )
    made = Section("Classical removal", text, [areas, scratches, _costs(images)], aims)
    return "\n\n".join([made.markdown(), aims_table(made.aims)])


def _boxes(images: Path) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    for name in EIGHT:
        photo = _photo(images, name)
        for _ in range(BOXES):
            selection = np.zeros(photo.shape[:2], np.uint8)
            room = photo.shape[0] - 2 * SIDE, photo.shape[1] - 2 * SIDE
            top, left = rng.integers(SIDE, room)
            selection[top : top + SIDE, left : left + SIDE] = 255
            yield photo, selection


def _scratched(images: Path) -> Iterator[Case]:
    rng = np.random.default_rng(0)
    for name in EIGHT:
        photo = _photo(images, name)
        height, width = photo.shape[:2]
        selection = np.zeros((height, width), np.uint8)
        for _ in range(SCRATCHES):
            ends = rng.integers(0, (width, height), (2, 2))
            cv2.line(selection, ends[0].tolist(), ends[1].tolist(), 255, SCRATCH)
        yield photo, selection


def _photo(images: Path, name: str) -> Bytes:
    return np.asarray(cv2.imread(str(images / name), cv2.IMREAD_COLOR_RGB), np.uint8)


def _quality(title: str, cases: Iterator[Case]) -> tuple[Table, float]:
    scores: dict[str, list[float]] = {name: [] for name in METHODS}
    likeness: dict[str, list[float]] = {name: [] for name in METHODS}
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    count = 0
    for photo, selection in cases:
        count += 1
        hole = selection > 0
        spoilt = np.where(hole[..., None], np.uint8(255), photo)
        for name, method in METHODS.items():
            began = time.process_time()
            filled = method(spoilt, selection)
            seconds[name].append(time.process_time() - began)
            error = np.mean((photo[hole].astype(np.float64) - filled[hole]) ** 2)
            scores[name].append(float(10 * np.log10(255**2 / error)))
            like: Any = structural_similarity(photo, filled, channel_axis=2, full=True)[1]
            likeness[name].append(float(like[hole].mean()))
    rows = [
        (
            name,
            f"{statistics.mean(scores[name]):.2f}",
            f"{statistics.mean(likeness[name]):.3f}",
            f"{statistics.mean(seconds[name]):.2f}",
        )
        for name in METHODS
    ]
    columns = ("method", "PSNR", "SSIM", "seconds each")
    gain = statistics.mean(scores[NSS]) - statistics.mean(scores[NAVIER_STOKES])
    return Table(f"{title}, mean of {count} cases", columns, rows), gain


def _costs(images: Path) -> Table:
    rows = []
    for megapixels, (width, height) in footprint.SIZES.items():
        hole = width // PART, height // PART
        found = footprint.measure(images, "remove-object", {}, megapixels, hole)
        rows.append(
            (
                f"{megapixels} MP, {hole[0]} by {hole[1]}",
                f"{found.seconds:.1f}",
                f"{found.cpu_seconds:.1f}",
                f"{found.peak_bytes / 1e6:.0f}",
            )
        )
    return Table(
        f"By the size of the layer, the hole {PART} times smaller each way",
        ("layer, hole", "seconds", "of the processor", "peak MB beside the pixel files"),
        rows,
    )


if __name__ == "__main__":
    SHARED = Path(__file__).resolve().parents[2] / "shared" / "images"
    print(section(Path(sys.argv[1]) if sys.argv[1:] else SHARED))
