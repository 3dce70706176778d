"""What generated pictures are made with: colours, outlines, and the light that falls on them."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from . import textures
from .textures import SIDE

Image = NDArray[np.uint8]
Colours = NDArray[np.float32]


def palette(rng: np.random.Generator) -> Colours:
    """A few colours (n, 3) in 0..1 that go together, most of them of little chroma.

    In natural pictures the three channels vary together, and most of the rest lies between blue
    and yellow (Ruderman, Cronin, Chiao 1998).
    """
    count = int(rng.integers(3, 10))
    light = rng.beta(0.9, 1.1, count)
    chroma = rng.gamma(1.2, rng.choice([0.03, 0.08, 0.16]), count)
    vivid = rng.random(count) < 0.08
    chroma[vivid] = rng.uniform(0.3, 0.7, int(vivid.sum()))
    hue = rng.uniform(0, 2 * np.pi) + rng.normal(0, rng.choice([0.3, 1.0, 2.5]), count)
    warm = np.cos(hue)[:, None] * np.array([1, 0, -1]) / np.sqrt(2)
    green = 0.6 * np.sin(hue)[:, None] * np.array([1, -2, 1]) / np.sqrt(6)
    reach = np.sqrt(np.clip(4 * light * (1 - light), 0.1, 1))
    mixed = light[:, None] + (chroma * reach)[:, None] * (warm + green)
    return np.clip(mixed, 0, 1).astype(np.float32)


def colour(rng: np.random.Generator, colours: Colours) -> NDArray[np.float32]:
    """One of the colours, a mixture of two, and not quite: (3,) in 0..1."""
    a, b = colours[rng.integers(0, len(colours), 2)]
    share = rng.beta(0.5, 0.5)
    mixed = (
        share * a + (1 - share) * b + 0.03 * rng.standard_normal() + 0.008 * rng.standard_normal(3)
    )
    return np.clip(mixed, 0, 1).astype(np.float32)


def outline(rng: np.random.Generator, radius: float) -> NDArray[np.float64]:
    """The points (n, 2) of a shape around the origin."""
    kind = rng.random()
    angle = rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    if kind < 0.35:
        count = int(np.clip(radius, 10, 60))
        around = np.linspace(0, 2 * np.pi, count, endpoint=False)
        squeeze = np.array([1, rng.uniform(0.35, 1)])
        points = np.stack([np.cos(around), np.sin(around)], 1) * squeeze
    elif kind < 0.6:
        half = np.array([1, np.exp(rng.uniform(-2.5, 0))])
        points = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        points = points + rng.normal(0, 0.08, (4, 2))
    elif kind < 0.75:
        around = np.sort(rng.uniform(0, 2 * np.pi, int(rng.integers(3, 9))))
        reach = rng.uniform(0.5, 1.2, len(around))
        points = np.stack([np.cos(around), np.sin(around)], 1) * reach[:, None]
    elif kind < 0.9:
        around = np.linspace(0, 2 * np.pi, 48, endpoint=False)
        reach = 1 + sum(
            rng.normal(0, 0.5 / n) * np.cos(n * around + rng.uniform(0, 6)) for n in range(2, 7)
        )
        points = np.stack([np.cos(around), np.sin(around)], 1) * np.clip(reach, 0.2, 2)[:, None]
    else:
        # A branch, a cable: a bent band.
        along = np.linspace(-1.6, 1.6, 24)
        bend = rng.normal(0, 0.4) * along**2 + 0.2 * np.sin(rng.uniform(1, 5) * along)
        wide = np.exp(rng.uniform(np.log(0.02), np.log(0.25))) * np.linspace(
            1, rng.uniform(0.2, 1), 24
        )
        points = np.concatenate(
            [np.stack([along, bend + wide], 1), np.stack([along, bend - wide], 1)[::-1]]
        )
    return radius * points @ turn.T


def photographed(rng: np.random.Generator, canvas: NDArray[np.float32]) -> Image:
    """Uneven light, a tone curve and a lens's softness."""
    made = canvas / 255
    if rng.random() < 0.5:
        light = cv2.resize(textures.fractal(rng, 2.2), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
        made = made * np.clip(1 + rng.uniform(0.05, 0.3) * light, 0.2, 1.6)[..., None]
    if rng.random() < 0.6:
        made = np.clip(made, 0, 1) ** np.exp(rng.normal(0, 0.3))
        low, high = rng.uniform(-0.05, 0.1), rng.uniform(0.85, 1.1)
        made = low + (high - low) * made
    if rng.random() < 0.6:
        made = cv2.GaussianBlur(made, (0, 0), float(rng.uniform(0.3, 0.9)))
    return np.clip(np.round(255 * made), 0, 255).astype(np.uint8)
