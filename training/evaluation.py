"""The photographs and faults that compact models are judged by, and never trained on.

The same degradations, by the same seeds, for every model and every classical path.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

# Files of a folder with photographs; the first four are those of scikit-image.
PHOTOGRAPHS = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "kodim01.png",
    "kodim02.png",
    "kodim03.png",
    "kodim04.png",
)


@dataclass(frozen=True)
class Case:
    """A photograph that was spoilt: ``given`` goes in, ``wanted`` should come out, both RGB.

    ``sigma`` is the noise in levels of 255, ``fault`` the kind of damage.
    """

    photograph: str
    fault: str
    given: Bytes
    wanted: Bytes
    sigma: float = 0.0


def photographs(folder: Path) -> Iterator[tuple[str, Bytes]]:
    """Name and pixels (h, w, 3) of each; ``FileNotFoundError`` where one is missing."""
    for file in PHOTOGRAPHS:
        picture: Any = cv2.imread(str(folder / file), cv2.IMREAD_COLOR)
        if picture is None:
            raise FileNotFoundError(f"{folder / file} cannot be read.")
        yield Path(file).stem, np.ascontiguousarray(picture[..., ::-1])


def noisy_cases(folder: Path, sigmas: tuple[int, ...] = (15, 25, 50)) -> Iterator[Case]:
    """White Gaussian noise, rounded to 8 bits."""
    for seed, (name, picture) in enumerate(photographs(folder)):
        for sigma in sigmas:
            yield Case(name, f"sigma {sigma}", with_noise(picture, sigma, seed), picture, sigma)


def small_cases(folder: Path, factor: int = 2) -> Iterator[Case]:
    """Pictures shrunk by area means (``cv2.INTER_AREA``), rounded to 8 bits."""
    for name, picture in photographs(folder):
        height, width = (side // factor * factor for side in picture.shape[:2])
        large = np.ascontiguousarray(picture[:height, :width])
        size = width // factor, height // factor
        small = cv2.resize(large, size, interpolation=cv2.INTER_AREA)
        yield Case(name, f"×{factor}", np.asarray(small, np.uint8), large)


def blurred_cases(folder: Path) -> Iterator[Case]:
    """Gaussian blur, defocus and motion, each with little and with more noise, in 8 bits."""
    for seed, (name, picture) in enumerate(photographs(folder)):
        for fault, kernel in BLURS.items():
            blurred = cv2.filter2D(
                picture.astype(np.float32), -1, kernel, borderType=cv2.BORDER_REFLECT_101
            )
            for sigma in (1, 3):
                given = with_noise(blurred, sigma, seed)
                yield Case(name, f"{fault}, noise {sigma}", given, picture, sigma)


def with_noise(picture: NDArray[Any], sigma: float, seed: int) -> Bytes:
    """``picture`` with Gaussian noise of ``sigma`` levels, rounded to 8 bits."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape)
    return np.clip(np.rint(picture + sigma * noise), 0, 255).astype(np.uint8)


def psnr(one: Bytes, other: Bytes) -> float:
    """Peak signal-to-noise ratio in dB, over all pixels and channels."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-10)))


def gaussian(sigma: float) -> Floats:
    """A Gaussian kernel cut at three and a half deviations."""
    line = cv2.getGaussianKernel(2 * int(np.ceil(3.5 * sigma)) + 1, sigma)
    return np.asarray(line @ line.T, np.float32)


def disc(radius: float) -> Floats:
    """A lens out of focus: a disc, its rim weighted by what of a pixel lies in it."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1 : 0.125, -reach : reach + 1 : 0.125] - 0.4375
    fine = (np.hypot(x, y) <= radius).astype(np.float32)
    side = 2 * reach + 1
    kernel = fine.reshape(side, 8, side, 8).mean((1, 3))
    return np.asarray(kernel / kernel.sum(), np.float32)


def motion(length: int, degrees: float) -> Floats:
    """A straight line of ``length`` pixels around the middle, counter-clockwise from level."""
    reach = length // 2 + 1
    along = (np.arange(8 * length) + 0.5) / 8 - length / 2
    x, y = along * np.cos(np.radians(degrees)), -along * np.sin(np.radians(degrees))
    kernel = np.zeros((2 * reach + 1,) * 2, np.float32)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for right in (0, 1):
        for down in (0, 1):
            share = np.abs(1 - right - (x - left)) * np.abs(1 - down - (y - top))
            np.add.at(kernel, (top + down + reach, left + right + reach), share)
    return kernel / kernel.sum()


BLURS = {
    "Gauss 1.2": gaussian(1.2),
    "Gauss 1.8": gaussian(1.8),
    "Gauss 2.5": gaussian(2.5),
    "defocus 2": disc(2),
    "defocus 3": disc(3),
    "defocus 4": disc(4),
    "motion 5": motion(5, 20),
    "motion 8": motion(8, 100),
    "motion 11": motion(11, 55),
}
