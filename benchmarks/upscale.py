"""What classical enlarging gives and takes beside OpenCV's own, on photographs shrunk by area."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import footprint
import numpy as np
from numpy.typing import NDArray
from pictures import EIGHT
from report import Aim, Section, Table, aims_table
from skimage.metrics import structural_similarity

from shared_core.algorithms.back_projection import enlarge

Floats = NDArray[np.float32]
NSS = "NSS upscale, classical"
PLAIN = "bicubic and 10 rounds of back-projection"
LANCZOS = "cv2 Lanczos"
# What plain back-projection was measured to gain over Lanczos on another set of pictures.
GAINS = {2: 0.33, 4: 0.29}
ROUNDS = 3


def _cubic(small: Floats, factor: int) -> Floats:
    return _resized(small, factor, cv2.INTER_CUBIC)


def _lanczos(small: Floats, factor: int) -> Floats:
    return _resized(small, factor, cv2.INTER_LANCZOS4)


def _resized(small: Floats, factor: int, how: int) -> Floats:
    return np.asarray(cv2.resize(small, None, fx=factor, fy=factor, interpolation=how), np.float32)


def _back_projected(small: Floats, factor: int) -> Floats:
    large = _cubic(small, factor)
    for _ in range(10):
        large += _cubic(small - _shrunk(large, factor), factor)
    return large


def _shrunk(picture: Any, factor: int) -> Any:
    share = 1 / factor
    return cv2.resize(picture, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)


METHODS: dict[str, Callable[[Floats, int], Floats]] = {
    "cv2 bicubic": _cubic,
    LANCZOS: _lanczos,
    PLAIN: _back_projected,
    NSS: enlarge,
}


def section(images: Path) -> str:
    """PSNR, SSIM, time and memory of classical enlarging, as Markdown."""
    tables, aims = [], []
    for factor in (2, 4):
        table, gain = _quality(images, factor)
        tables.append(table)
        aims.append(
            Aim(
                f"classical upscale ×{factor}, gain over Lanczos",
                f"at least {GAINS[factor]:.2f} dB",
                f"{gain:+.2f} dB",
                gain >= GAINS[factor],
            )
        )
    tables.append(_costs(images))
    text = (
        "Photographs shrunk by averaging areas, rounded to 8 bits, enlarged again; PSNR and SSIM "
        "against the photographs, all channels. Seconds are of the processor, all threads "
        f"together: methods in turns, the median of {ROUNDS} rounds, on {cv2.getNumThreads()} "
        "threads."
    )
    made = Section("Classical upscale", text, tables, aims)
    return "\n\n".join([made.markdown(), aims_table(made.aims)])


def _quality(images: Path, factor: int) -> tuple[Table, float]:
    scores: dict[str, list[float]] = {name: [] for name in METHODS}
    likeness: dict[str, list[float]] = {name: [] for name in METHODS}
    seconds: dict[str, list[float]] = {name: [] for name in METHODS}
    for name in EIGHT:
        photo: Any = cv2.imread(str(images / name), cv2.IMREAD_COLOR)
        height, width = (side // factor * factor for side in photo.shape[:2])
        photo = photo[:height, :width]
        small = _shrunk(photo, factor) / np.float32(255)
        taken: dict[str, list[float]] = {method: [] for method in METHODS}
        for _ in range(ROUNDS):
            for method, function in METHODS.items():
                began = time.process_time()
                large = function(small, factor)
                taken[method].append(time.process_time() - began)
                if len(taken[method]) == 1:
                    rounded = np.clip(np.rint(large * 255), 0, 255).astype(np.uint8)
                    scores[method].append(cv2.PSNR(photo, rounded))
                    likeness[method].append(structural_similarity(photo, rounded, channel_axis=2))
        for method in METHODS:
            megapixels = small.shape[0] * small.shape[1] / 1e6
            seconds[method].append(statistics.median(taken[method]) / megapixels)
    rows = [
        (
            method,
            f"{statistics.mean(scores[method]):.2f}",
            f"{statistics.mean(scores[method][:4]):.2f}",
            f"{statistics.mean(likeness[method]):.4f}",
            f"{statistics.mean(seconds[method]):.2f}",
        )
        for method in METHODS
    ]
    columns = ("method", "PSNR", "first four", "SSIM", "s per source MP")
    gain = statistics.mean(scores[NSS]) - statistics.mean(scores[LANCZOS])
    return Table(f"×{factor}, mean of {len(EIGHT)} pictures", columns, rows), gain


def _costs(images: Path) -> Table:
    rows = []
    for factor, sizes in ((2, (1, 12, 48)), (4, (1, 12))):
        for megapixels in sizes:
            found = footprint.measure(images, "upscale", {"factor": str(factor)}, megapixels)
            rows.append(
                (
                    f"×{factor}, {megapixels} MP",
                    f"{found.seconds / megapixels:.2f}",
                    f"{found.cpu_seconds / megapixels:.2f}",
                    f"{found.peak_bytes / 1e6:.0f}",
                )
            )
    return Table(
        "The whole tool by the size of the source",
        ("", "s per source MP", "of the processor", "peak MB beside the pixel files"),
        rows,
    )


if __name__ == "__main__":
    print(
        section(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[2] / "shared/images")
    )
