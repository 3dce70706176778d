"""What each compact model is, what it learns to undo, and for how long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from . import degradations
from .networks import Corrector, Denoiser, Enlarger, Refiner

Degrade = Callable[[Tensor, np.random.Generator], tuple[Tensor, Tensor]]


# Charbonnier's loss is quadratic for differences far below this.
_EPSILON = 4 / 255


def charbonnier(made: Tensor, wanted: Tensor, given: Tensor) -> Tensor:
    """Mean absolute difference, smoothed at zero."""
    return torch.sqrt((made - wanted) ** 2 + _EPSILON**2).mean() - _EPSILON


def squares(made: Tensor, wanted: Tensor, given: Tensor) -> Tensor:
    """Mean squared difference."""
    return (made - wanted).square().mean()


def in_units_of_noise(made: Tensor, wanted: Tensor, given: Tensor) -> Tensor:
    """Mean squared difference in units of the noise's deviation, the last plane of ``given``.

    Squares, since their best guess is a mean: absolute differences are smallest for a median, to
    which faint texture is nothing.
    """
    return ((made - wanted) / (given[:, -1:] + 0.01)).square().mean()


def beside_the_estimate(made: Tensor, wanted: Tensor, given: Tensor) -> Tensor:
    """Mean squared difference, as a share of that of the estimate in ``given``'s planes 4 to 6.

    So that pictures with much noise or blur, which nothing restores, do not outweigh the others.
    """
    before = (given[:, 4:7] - wanted).square().mean((1, 2, 3), keepdim=True)
    return ((made - wanted).square() / (before + 1e-5)).mean()


@dataclass(frozen=True)
class Recipe:
    """One model: ``patch`` is the side of a clean crop.

    ``build`` makes what is trained, and ``whole`` of it what is shipped, which takes ``channels``.
    ``degrade`` is None where the spoilt pictures were prepared. ``start`` names the model whose
    weights it begins with, where the shapes agree.
    """

    name: str
    build: Callable[[], nn.Module]
    degrade: Degrade | None
    channels: int
    scale: int
    steps: int
    batch: int
    patch: int
    rate: float = 2e-3
    start: str = ""
    whole: Callable[[nn.Module], nn.Module] = lambda trained: trained
    loss: Callable[[Tensor, Tensor, Tensor], Tensor] = charbonnier


RECIPES = {
    recipe.name: recipe
    for recipe in (
        Recipe(
            "denoise", Refiner, None,
            channels=4, scale=1, steps=9_000, batch=16, patch=64, rate=6e-4, whole=Denoiser,
            loss=in_units_of_noise,
        ),
        Recipe(
            "upscale", Enlarger, degradations.halved,
            channels=3, scale=2, steps=8_000, batch=12, patch=96, loss=squares,
        ),
        Recipe(
            "deblur", Corrector, None,
            channels=10, scale=1, steps=8_000, batch=16, patch=64, rate=1e-3, start="denoise",
            loss=beside_the_estimate,
        ),
    )
}  # fmt: skip
