"""How true the classical measurements are: noise and sharpness of photographs, time and memory."""

from __future__ import annotations

import statistics
import sys
from pathlib import Path

import cv2
import footprint
import numpy as np
from numpy.typing import NDArray
from report import Section, Table

from shared_core.algorithms.measurements import sharpness
from shared_core.algorithms.noise import estimate_sigma

Floats = NDArray[np.float32]
NAMES = ("astronaut.png", "chelsea.png", "coffee.png", "rocket.jpg", "kodim01.png", "kodim03.png")


def section(images: Path) -> str:
    """Noise told beside noise added, sharpness by blur, and costs, as Markdown."""
    pictures = [_photo(images / name) for name in NAMES]
    text = (
        f"{len(NAMES)} photographs, 8 bits. The recognition itself is the model's, and is not "
        "measured here."
    )
    tables = [_noise(pictures), _sharpness(pictures), _costs(images)]
    return Section("Tags: classical measurements", text, tables, []).markdown()


def _photo(path: Path) -> Floats:
    return np.asarray(cv2.imread(str(path), cv2.IMREAD_COLOR_RGB) / np.float32(255), np.float32)


def _noise(pictures: list[Floats]) -> Table:
    rng = np.random.default_rng(1)
    rows = []
    for sigma in (0, 5, 10, 20, 40):
        told = []
        for picture in pictures:
            noisy = picture + rng.normal(0, sigma / 255, picture.shape)
            eight = np.rint(np.clip(noisy, 0, 1) * 255) / 255
            told.append(estimate_sigma(eight.astype(np.float32)))
        rows.append(
            (f"{sigma}", f"{statistics.median(told):.1f}", f"{min(told):.1f} to {max(told):.1f}")
        )
    return Table(
        "Noise told, standard deviation in levels of 255", ("added", "median", "from, to"), rows
    )


def _sharpness(pictures: list[Floats]) -> Table:
    rows = []
    for sigma in (0.0, 1.0, 2.0, 4.0):
        told = [sharpness([cv2.GaussianBlur(p, (0, 0), sigma) if sigma else p]) for p in pictures]
        rows.append(
            (f"{sigma:g}", f"{statistics.median(told):.2f}", f"{min(told):.2f} to {max(told):.2f}")
        )
    return Table(
        "Sharpness told, by the standard deviation of a blur in pixels",
        ("blur", "median", "from, to"),
        rows,
    )


def _costs(images: Path) -> Table:
    rows = []
    for megapixels in (1, 12, 48):
        found = footprint.measure(images, "tags", {}, megapixels)
        rows.append(
            (
                f"{megapixels} MP",
                f"{found.seconds / megapixels:.2f}",
                f"{found.peak_bytes / 1e6:.0f}",
            )
        )
    return Table(
        "The whole tool by the size of the source",
        ("", "s per MP", "peak MB beside the pixel files"),
        rows,
    )


if __name__ == "__main__":
    print(
        section(Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).parents[2] / "shared/images")
    )
