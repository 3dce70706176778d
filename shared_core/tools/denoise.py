"""Denoise: SCUNet where the noise level is unknown, DRUNet at a chosen one, else DCT shrinkage."""

from __future__ import annotations

import numpy as np

from shared_core.algorithms import dct_denoise
from shared_core.bridge.language import _
from shared_core.bridge.toolbox import AUTO
from shared_core.catalog.cards import TileRule

from .work import Made, Model, Pixels, Work, mixed, model_tiles, tile_function

CLASSICAL_TILE = 1024
# Two differences of the channels, orthonormal, and how much larger the noise of their sum is where
# it is the same in all three.
_DIFFERENCES = np.array([[1, 0, -1], [1, -2, 1]], np.float32) / np.sqrt(
    np.array([[2], [6]], np.float32)
)
_SUM = 3**0.5


def classical(work: Work) -> Made:
    """Overlapped DCT shrinkage at the measured or chosen noise level."""
    sigma, how = _sigma(work)
    detail = work.number("detail") / 100
    overlap = -(-2 * dct_denoise.RADIUS // 8) * 8
    rule = TileRule(CLASSICAL_TILE, overlap)
    tiles = work.tiles(lambda rgb: dct_denoise.denoise(rgb, sigma, detail), rule)
    return Made(
        tiles,
        _("classical denoising by {name}", name=dct_denoise.NAME),
        {"sigma": round(sigma, 2), "sigma_is": how, "detail": detail},
    )


def real(work: Work, model: Model) -> Made:
    """The model at its contract; ``detail`` above one half mixes some of the source back in."""
    detail = work.number("detail") / 100
    if model.card.takes_sigma:
        sigma, how = _sigma(work)
        limit = model.card.sigma_maximum or sigma
        # Half a unit of detail is a factor of the square root of two in the noise level.
        level = min(sigma * 2.0 ** (0.5 - detail), limit)
        grey = min(level * _SUM, limit)
        of_colours, of_grey = (tile_function(work, model, told) for told in (level, grey))

        def run(rgb: Pixels) -> Pixels:
            if not model.card.decorrelate or not (rgb == rgb[..., :1]).all():
                return of_colours(rgb)
            made = of_grey(_unalike(rgb, grey)).mean(axis=2, keepdims=True)
            return np.repeat(made, 3, axis=2)

        tiles = model_tiles(work, model, run)
        step = _("noise level measured in the picture") if how == "measured" else None
        return Made(tiles, step, {"sigma": round(level, 2)})

    share = max(0.0, detail - 0.5)
    tiles = model_tiles(work, model, mixed(tile_function(work, model), share))
    if share == 0:
        return Made(tiles)
    return Made(tiles, _("mixed with the source"), {"share": round(share, 3)})


def _unalike(grey: Pixels, sigma: float) -> Pixels:
    """A tile of equal channels with noise that differs from channel to channel.

    A model whose card says ``decorrelate`` knows noise that is independent in each channel. Noise
    that is the same in all is as one of ``sigma`` (levels of 255) in their sum and none in their
    differences; given the same there, and told of it, the model does what it has learnt. The mean
    of what it gives is the result.
    """
    chance = np.random.default_rng(0).standard_normal((*grey.shape[:2], 2), np.float32)
    return np.asarray(np.clip(grey + chance @ _DIFFERENCES * np.float32(sigma / 255), 0, 1))


def _sigma(work: Work) -> tuple[float, str]:
    if work.parameters["strength"] == AUTO:
        return work.noise(), "measured"
    return work.number("strength"), "chosen"
