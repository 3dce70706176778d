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

# Kernels of all blurs; what a blurred patch loses on each side.
KERNEL = 17
MARGIN = KERNEL // 2


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
        told = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(80, 99))]
        saved = cv2.imencode(".jpg", made[..., ::-1].astype(np.uint8), told)[1]
        made = cv2.imdecode(saved, cv2.IMREAD_COLOR)[..., ::-1]
    return np.ascontiguousarray(made, np.float32)


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


def blurred(clean: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pictures through a lens or a shaken camera with a little noise, and the sharp ones.

    The result lacks ``MARGIN`` pixels on each side. One in ten stays sharp: a picture without
    blur must leave as it came.
    """
    count, channels, height, width = clean.shape
    kernels = np.stack([_kernel(rng) for _ in range(count)])
    weight = torch.from_numpy(kernels).repeat_interleave(channels, 0)[:, None]
    flat = clean.reshape(1, count * channels, height, width)
    soft = functional.conv2d(flat, weight, groups=count * channels)
    sharp = clean[..., MARGIN:-MARGIN, MARGIN:-MARGIN]
    soft = soft.reshape(sharp.shape)
    sigma = torch.tensor(rng.uniform(0.2, 3.6, count) / 255, dtype=torch.float32)
    given = eight_bits(soft + noise_like(soft, sigma[:, None, None, None], rng))
    return _compressed(given, rng, 0.1, 85), sharp


def halved(clean: Tensor, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Pictures at half their size by area means, some noisy or from JPEG, and the large ones."""
    small = functional.avg_pool2d(clean, 2)
    sigma = np.where(rng.random(len(clean)) < 0.05, rng.uniform(0, 3, len(clean)), 0)
    deviation = torch.tensor(sigma / 255, dtype=torch.float32)[:, None, None, None]
    given = eight_bits(small + noise_like(small, deviation, rng))
    return _compressed(given, rng, 0.05, 85), clean


def _kernel(rng: np.random.Generator) -> NDArray[np.float32]:
    """A blur: defocus, Gaussian, camera shake, two of them, or none."""
    kind = rng.random()
    if kind < 0.1:
        return _sized(np.ones((1, 1), np.float32))
    makers = (_gaussian, _disc, _shake)
    kernel = makers[rng.choice(3, p=(0.37, 0.28, 0.35))](rng)
    if kind < 0.25:
        soft = cv2.GaussianBlur(kernel, (0, 0), float(rng.uniform(0.4, 0.9)))
        kernel = soft / soft.sum()
    return kernel


def _sized(kernel: NDArray[np.float32]) -> NDArray[np.float32]:
    made = np.zeros((KERNEL, KERNEL), np.float32)
    top, left = ((KERNEL - side) // 2 for side in kernel.shape)
    made[top : top + kernel.shape[0], left : left + kernel.shape[1]] = kernel
    return made


def _gaussian(rng: np.random.Generator) -> NDArray[np.float32]:
    y, x = np.mgrid[-MARGIN : MARGIN + 1, -MARGIN : MARGIN + 1].astype(np.float32)
    wide = rng.uniform(0.7, 2.8)
    high = wide * (rng.uniform(0.7, 1) if rng.random() < 0.3 else 1)
    angle = rng.uniform(0, np.pi)
    along, across = x * np.cos(angle) + y * np.sin(angle), y * np.cos(angle) - x * np.sin(angle)
    kernel = np.exp(-0.5 * ((along / wide) ** 2 + (across / high) ** 2))
    return np.asarray(kernel / kernel.sum(), np.float32)


def _disc(rng: np.random.Generator) -> NDArray[np.float32]:
    y, x = np.mgrid[-MARGIN : MARGIN + 1, -MARGIN : MARGIN + 1].astype(np.float32)
    radius = rng.uniform(1.2, 4.6)
    kernel = np.clip(radius + 0.5 - np.hypot(x, y), 0, 1)
    return np.asarray(kernel / kernel.sum(), np.float32)


def _shake(rng: np.random.Generator) -> NDArray[np.float32]:
    """A short path, most often straight."""
    length = rng.uniform(3, 13)
    angle = rng.uniform(0, np.pi)
    along = np.linspace(-0.5, 0.5, 33) * length
    bend = (rng.normal(0, 0.15) if rng.random() < 0.4 else 0) * (along**2 / length - length / 12)
    x = along * np.cos(angle) - bend * np.sin(angle) + MARGIN
    y = along * np.sin(angle) + bend * np.cos(angle) + MARGIN
    kernel = np.zeros((KERNEL, KERNEL), np.float32)
    left, top = np.floor(x).astype(int), np.floor(y).astype(int)
    for right in (0, 1):
        for down in (0, 1):
            share = np.abs(1 - right - (x - left)) * np.abs(1 - down - (y - top))
            rows, columns = np.clip(top + down, 0, KERNEL - 1), np.clip(left + right, 0, KERNEL - 1)
            np.add.at(kernel, (rows, columns), share)
    return kernel / kernel.sum()


def _compressed(pictures: Tensor, rng: np.random.Generator, share: float, worst: int) -> Tensor:
    """``share`` of the pictures saved as JPEG of quality ``worst`` to 98 and read again."""
    for index in np.flatnonzero(rng.random(len(pictures)) < share):
        image = (pictures[index].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
        told = [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(worst, 99))]
        read = cv2.imdecode(cv2.imencode(".jpg", image[..., ::-1], told)[1], cv2.IMREAD_COLOR)
        again = np.ascontiguousarray(read[..., ::-1].transpose(2, 0, 1))
        pictures[index] = torch.from_numpy(again).float() / 255
    return pictures


def _torch(rng: np.random.Generator) -> torch.Generator:
    return torch.Generator().manual_seed(int(rng.integers(2**62)))
