"""What is done to clean pictures, so that a network learns to undo it.

Pictures are float32 (N, 3, H, W) in 0..1 and leave with the values of 8 bits, as a layer has them.
"""

from __future__ import annotations

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional


def through_a_lens(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A picture (h, w, 3) as soft as photographs are at their pixels; a fifth stays as drawn.

    Lens, sensor and demosaicing leave no edge as sharp as a drawn one, and a network that has seen
    drawn ones alone sharpens all that it sees.
    """
    if rng.random() < 0.2:
        return picture
    width = float(rng.uniform(0.4, 1.2))
    return np.asarray(
        cv2.GaussianBlur(picture, (0, 0), width, borderType=cv2.BORDER_REFLECT_101), np.float32
    )


def photographed(picture: NDArray[np.float32], rng: np.random.Generator) -> NDArray[np.float32]:
    """A drawn picture (h, w, 3) in levels of 255 as cameras and their users hand photographs on.

    Softened by a lens; with less detail in the colours than in the light, as demosaicing leaves
    it; sharpened; saved as JPEG. Each happens to a part of the pictures.
    """
    made = through_a_lens(picture, rng)
    if rng.random() < 0.6:
        light = made.mean(2, keepdims=True)
        soft = cv2.GaussianBlur(made - light, (0, 0), float(rng.uniform(0.5, 2.0)))
        made = light + soft
    if rng.random() < 0.35:
        soft = cv2.GaussianBlur(made, (0, 0), float(rng.uniform(0.6, 1.6)))
        made = made + float(rng.uniform(0.2, 1.2)) * (made - soft)
    made = np.rint(np.clip(made, 0, 255))
    if rng.random() < 0.25:
        return as_jpeg(made, int(rng.integers(80, 99)))
    return np.ascontiguousarray(made, np.float32)


def as_jpeg(picture: NDArray[np.float32], quality: int) -> NDArray[np.float32]:
    """A picture (h, w, 3) of whole levels of 255, saved as JPEG and read again."""
    told = [cv2.IMWRITE_JPEG_QUALITY, quality]
    saved = cv2.imencode(".jpg", picture[..., ::-1].astype(np.uint8), told)[1]
    read = cv2.imdecode(saved, cv2.IMREAD_COLOR)
    return np.ascontiguousarray(read[..., ::-1], np.float32)


def eight_bits(pictures: Tensor) -> Tensor:
    """Cut off at black and white and rounded to 255 levels."""
    return (pictures.clamp(0, 1) * 255).round() / 255


def noise_like(pictures: Tensor, sigma: Tensor, rng: np.random.Generator) -> Tensor:
    """Noise of deviation ``sigma`` (N, 1, 1, 1), in the pictures' units.

    Three quarters are white; the others grow with the light, as photons do, or are correlated as
    demosaicing and in-camera processing leave them.
    """
    noise = torch.randn(pictures.shape, generator=_torch(rng))
    for index in range(len(pictures)):
        kind = rng.random()
        if kind < 0.15:
            share = rng.uniform(0.3, 1)
            variance = 1 - share + share * pictures[index] / pictures[index].mean().clamp(min=0.05)
            noise[index] *= variance.sqrt()
        elif kind < 0.23:
            width = float(rng.uniform(0.35, 0.8))
            planes = noise[index].numpy().transpose(1, 2, 0)
            soft = cv2.GaussianBlur(planes, (0, 0), width, borderType=cv2.BORDER_REFLECT_101)
            soft = torch.from_numpy(np.ascontiguousarray(soft.transpose(2, 0, 1)))
            noise[index] = soft / soft.std()
        if rng.random() < 0.1:
            # Film and most cameras' processing leave little noise in the chroma.
            grey = noise[index].mean(0, keepdim=True) * 3**0.5
            share = float(rng.uniform(0.3, 0.9))
            noise[index] = share * grey + (1 - share**2) ** 0.5 * noise[index]
    return noise * sigma


def halved(clean: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pictures at half their size by area means, some noisy or from JPEG, and the large ones."""
    small = functional.avg_pool2d(clean, 2)
    sigma = np.where(rng.random(len(clean)) < 0.05, rng.uniform(0, 3, len(clean)), 0)
    deviation = torch.tensor(sigma / 255, dtype=torch.float32)[:, None, None, None]
    given = eight_bits(small + noise_like(small, deviation, rng))
    return _compressed(given, rng, 0.05, 85), clean


def _compressed(pictures: Tensor, rng: np.random.Generator, share: float, worst: int) -> Tensor:
    """``share`` of the pictures saved as JPEG of quality ``worst`` to 98 and read again."""
    for index in np.flatnonzero(rng.random(len(pictures)) < share):
        levels = (pictures[index].permute(1, 2, 0).numpy() * 255).round()
        again = as_jpeg(levels, int(rng.integers(worst, 99)))
        pictures[index] = torch.from_numpy(again).permute(2, 0, 1) / 255
    return pictures


def _torch(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**62)))
