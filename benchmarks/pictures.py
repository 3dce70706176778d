"""The photographs that are measured on, and what is done to them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

Bytes = NDArray[np.uint8]
NAMES = ("astronaut", "chelsea", "coffee", "rocket")
ROOT = Path(__file__).resolve().parent.parent
IMAGES = Path(os.environ.get("NSS_SHARED", ROOT.parent / "shared")) / "images"
# Files of ``IMAGES`` that the tools which restore are measured on.
EIGHT = (
    "astronaut.png",
    "chelsea.png",
    "coffee.png",
    "rocket.jpg",
    "kodim01.png",
    "kodim02.png",
    "kodim03.png",
    "kodim04.png",
)
# Width and height by megapixels; 4:3 or near it.
SIZES = {
    1: (1152, 864),
    4: (2304, 1728),
    12: (4000, 3000),
    24: (6000, 4000),
    48: (8000, 6000),
    100: (11520, 8640),
}


def photographs() -> dict[str, Bytes]:
    """The four pictures, h×w×3 RGB, from ``NSS_SHARED``/images or from inside scikit-image."""
    found = {}
    for name in NAMES:
        file = next(iter(sorted(IMAGES.glob(f"{name}.*"))), None)
        picture: Any = cv2.imread(str(file), cv2.IMREAD_COLOR_RGB) if file else None
        if picture is None:
            picture = getattr(data, name)()[..., :3]
        found[name] = np.ascontiguousarray(picture)
    return found


def layer(megapixels: int) -> Bytes:
    """An opaque h×w×4 RGBA layer of about this size: a photograph, enlarged, with fine grain."""
    width, height = SIZES[megapixels]
    photo = cv2.resize(photographs()["coffee"], (width, height), interpolation=cv2.INTER_CUBIC)
    grain = np.random.default_rng(1).integers(-4, 5, (height, width, 1), np.int16)
    rgba = np.full((height, width, 4), 255, np.uint8)
    np.clip(photo + grain, 0, 255, out=rgba[..., :3], casting="unsafe")
    return rgba


def noisy(picture: NDArray[Any], sigma: float, seed: int) -> Bytes:
    """``picture`` with Gaussian noise of ``sigma`` levels, rounded to 8 bits."""
    noise = np.random.default_rng(seed).standard_normal(picture.shape)
    return np.clip(np.rint(picture + sigma * noise), 0, 255).astype(np.uint8)


def motion_kernel(length: int, degrees: float) -> NDArray[np.float32]:
    """A straight line of ``length`` pixels through the middle, counter-clockwise from level."""
    side = length | 1
    kernel = np.zeros((side, side), np.float32)
    kernel[side // 2, :] = 1
    turn = cv2.getRotationMatrix2D((side // 2, side // 2), degrees, 1)
    turned = cv2.warpAffine(kernel, turn, (side, side))
    return np.asarray(turned / turned.sum(), np.float32)


def psnr(one: Bytes, other: Bytes) -> float:
    """Peak signal-to-noise ratio in dB, over all pixels and channels."""
    error = np.mean((one.astype(np.float64) - other) ** 2)
    return float(10 * np.log10(255**2 / error))
