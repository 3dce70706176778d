"""Deblur: NAFNet where it can run, else deconvolution or gentle sharpening, called that."""

from __future__ import annotations

from shared_core.algorithms import blur as blurs
from shared_core.algorithms import deconvolution
from shared_core.bridge.language import _
from shared_core.bridge.toolbox import AUTO
from shared_core.catalog.cards import TileRule

from .work import Made, Model, Work, mixed, model_tiles, tile_function

CLASSICAL_TILE = 1024


def classical(work: Work) -> Made:
    """Deconvolution with the estimated or chosen blur, unsharp masking where none is sure."""
    noise = work.noise()
    blur = _blur(work)
    amount = work.number("amount") / 100
    overlap = -(-2 * deconvolution.radius(blur) // 8) * 8
    tiles = work.tiles(
        lambda rgb: deconvolution.deblur(rgb, blur, amount, noise),
        TileRule(max(CLASSICAL_TILE, 2 * overlap), overlap),
    )
    return Made(
        tiles,
        _("classical sharpening by {name}", name=deconvolution.name(blur, noise)),
        {
            "blur": blur.kind,
            "radius": round(blur.radius, 2),
            "length": round(blur.length, 1),
            "angle": round(blur.angle, 1),
            "confidence": round(blur.confidence, 2),
            "spread": round(blur.spread, 2),
            "noise_sigma": round(noise, 2),
            "amount": amount,
        },
    )


def real(work: Work, model: Model) -> Made:
    """The model at its contract, mixed with the source by ``amount``."""
    amount = work.number("amount") / 100
    tiles = model_tiles(work, model, mixed(tile_function(work, model), 1 - amount))
    if amount >= 1:
        return Made(tiles)
    return Made(tiles, _("mixed with the source"), {"amount": round(amount, 3)})


def _blur(work: Work) -> blurs.Blur:
    """The blur the user chose, held against the picture, or the one the picture shows."""
    patches = work.samples()
    kind = work.parameters["kind"]
    if kind == "motion":
        by_hand = blurs.Blur("motion", length=work.number("length"), angle=work.number("angle"))
        return blurs.chosen(by_hand, *patches)
    if kind == "soft" and work.parameters["radius"] != AUTO:
        return blurs.chosen(blurs.Blur("soft", radius=work.number("radius")), *patches)
    found = blurs.estimate_blur(*patches)
    if kind == "soft" and found.kind != "soft":
        return blurs.Blur("none", confidence=0.0)
    return found
