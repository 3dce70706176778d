"""Upscale: Real-ESRGAN's family where a model can run, else back-projection; ×2 and ×4."""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np

from shared_core.algorithms import back_projection
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.language import _
from shared_core.catalog.cards import TileRule
from shared_core.catalog.contract import wrong
from shared_core.pixels import Box, Picture

from .scaled_tiles import Enlarge, run_scaled_tiles
from .work import Made, Model, Pixels, Work, tile_function

# Output pixels on a tile's side: the classical steps take about 80 bytes for each of its pixels.
CLASSICAL_SIDE = 1536

# A model may change texture, never what the picture looks like from afar: root mean square over
# blocks, far above the drift of trained models and far below swapped channels or a wrong range.
_MOST_DRIFT = 0.12
_BLOCKS = 16


def classical(work: Work) -> Made:
    """Edge-guided back-projection of colours and alpha."""
    factor = int(work.choice("factor"))
    radius = back_projection.RADIUS
    rule = TileRule(CLASSICAL_SIDE // factor // work.tile_divisor + 2 * radius, 4 * radius)

    def enlarge(rgb: Pixels) -> Pixels:
        return back_projection.enlarge(rgb, factor)

    tiles = run_scaled_tiles(work, enlarge, _alpha(work.picture, factor), factor, rule)
    return Made(
        tiles, _("classical enlarging by {name}", name=back_projection.NAME), {"factor": factor}
    )


def real(work: Work, model: Model) -> Made:
    """The model's colours, averaged down where it enlarges more than asked; alpha classically."""
    factor = int(work.choice("factor"))
    rule = model.card.tile
    if rule is None or rule.scale < factor:
        raise CouldNotBeDone(
            _(
                "{model} does not enlarge {factor} times. Choose another factor or model.",
                model=model.card.title,
                factor=factor,
            )
        )
    steps = []
    if rule.scale > factor:
        steps.append(_("averaged down from ×{scale}", scale=rule.scale))
    if not _opaque(work):
        steps.append(_("alpha by {name}", name=back_projection.NAME))
    tiles = run_scaled_tiles(
        work,
        _model(work, model, factor),
        _alpha(work.picture, factor),
        factor,
        rule.divided(work.tile_divisor),
    )
    parameters = {"factor": factor, "model_factor": rule.scale}
    return Made(tiles, ", ".join(steps) or None, parameters)


def _model(work: Work, model: Model, factor: int) -> Enlarge:
    """The model as a function of one tile, h×w×3 to (factor h)×(factor w)×3."""
    enlarge = tile_function(work, model)

    def run(rgb: Pixels) -> Pixels:
        size = factor * rgb.shape[1], factor * rgb.shape[0]
        colours = np.ascontiguousarray(np.clip(enlarge(rgb), 0, 1))
        _check_likeness(rgb, colours)
        if colours.shape[1::-1] == size:
            return colours
        return np.asarray(cv2.resize(colours, size, interpolation=cv2.INTER_AREA), np.float32)

    return run


def _check_likeness(source: Pixels, enlarged: Pixels) -> None:
    size = min(_BLOCKS, source.shape[1]), min(_BLOCKS, source.shape[0])
    blocks = [cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (source, enlarged)]
    drift = float(np.sqrt(np.mean((blocks[0] - blocks[1]) ** 2)))
    if drift > _MOST_DRIFT:
        raise wrong(_("The model gave a picture that does not look like the source."))


def _alpha(picture: Picture, factor: int) -> Callable[[Box], Pixels | None]:
    """The enlarged opacity of a box of the source, None where all of it is opaque."""

    def enlarged(box: Box) -> Pixels | None:
        around = box.grown(back_projection.RADIUS, picture.bounds)
        alpha = picture.alpha(around)
        if alpha.min() == 1:
            return None
        left, top = factor * (box.left - around.left), factor * (box.top - around.top)
        made = back_projection.enlarge(alpha, factor)
        return made[top : top + factor * box.height, left : left + factor * box.width]

    return enlarged


def _opaque(work: Work) -> bool:
    bounds = work.picture.bounds
    strips = (
        Box(0, top, bounds.width, min(256, bounds.height - top))
        for top in range(0, bounds.height, 256)
    )
    return all(work.picture.alpha(strip).min() == 1 for strip in strips)
