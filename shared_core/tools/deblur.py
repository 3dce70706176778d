"""Deblur: NAFNet where it can run, a network that corrects a deconvolution, or that one alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from shared_core.algorithms import blur as blurs
from shared_core.algorithms import deconvolution
from shared_core.bridge.language import _
from shared_core.bridge.toolbox import AUTO
from shared_core.catalog import contract
from shared_core.catalog.cards import TileRule
from shared_core.pixels import Box

from .work import Made, Model, Pixels, Work, asker, mixed, model_tiles, tile_function

CLASSICAL_TILE = 1024
# The part of the picture on which a motion is tried, and what of it counts.
_TRIAL_SIDE, _TRIAL_MARGIN = 288, 48
# A motion is right whose result, blurred again, differs from the picture by its noise and no more
# than this share of it beyond, at one level of noise, and less in proportion at more: where another
# blur was found, beyond that one's. Chosen on the evaluation's eight photographs and five others.
_MORE_MISFIT = 0.12
# Where the picture blurred once more differs from itself by less than so many times that share, as
# a clear sky does, each motion would seem right.
_TELLING = 2.0
# In more noise than this, in levels, a wrong motion does not show.
_MOST_TRIED_NOISE = 4.0
# Where no blur is certain, less noise than this, in levels, is not worth a change.
_LEAST_NOISE = 2.0
# What rounding to 8 bits adds to the noise, in levels.
_ROUNDING = 0.29

Correct = Callable[[Pixels, blurs.Blur], Pixels]


def classical(work: Work) -> Made:
    """Deconvolution with the estimated or chosen blur, unsharp masking where none is sure."""
    noise = work.noise()
    blur = _blur(work)
    amount = work.number("amount") / 100
    overlap = _overlap(blur)
    tiles = work.tiles(
        lambda rgb: deconvolution.deblur(rgb, blur, amount, noise),
        TileRule(max(CLASSICAL_TILE, 2 * overlap), overlap),
    )
    name = _("classical sharpening by {name}", name=deconvolution.name(blur, noise))
    return Made(tiles, name, _told(blur, noise, amount))


def real(work: Work, model: Model) -> Made:
    """The model at its contract, mixed with the source by ``amount``."""
    if model.card.takes_sharpened:
        return _corrected(work, model)
    amount = work.number("amount") / 100
    tiles = model_tiles(work, model, mixed(tile_function(work, model), 1 - amount))
    if amount >= 1:
        return Made(tiles)
    return Made(tiles, _("mixed with the source"), {"amount": round(amount, 3)})


def _corrected(work: Work, model: Model) -> Made:
    """A deconvolution, which the model corrects; a motion it helps to find."""
    noise = work.noise()
    rule = model.card.tile
    assert rule is not None, f"{model.card.id} has no tile rule"
    correct = _correction(work, model, noise)
    blur = _seen(work, rule, correct, noise)
    amount = work.number("amount") / 100
    if blur.kind == "none" and noise < _LEAST_NOISE:
        reason = _(
            "no blur is certain; set its kind, and its radius or length, to have it undone all the "
            "same"
        )
        return Made(0, unchanged=reason)

    def restored(rgb: Pixels) -> Pixels:
        made = correct(rgb, blur)
        return deconvolution.faithful(made, rgb, blur, noise) if blur.exact else made

    tiles = work.tiles(
        mixed(restored, 1 - amount),
        replace(rule, overlap=max(rule.overlap, _overlap(blur))),
    )
    step = (
        _("denoising alone, since no blur is certain")
        if blur.kind == "none"
        else deconvolution.name(blur, noise)
    )
    return Made(tiles, step, _told(blur, noise, amount))


def _correction(work: Work, model: Model, noise: float) -> Correct:
    """A part of the picture without a blur, as a function of both."""
    ask = asker(work, model)
    sigma = min(noise, model.card.sigma_maximum or noise)

    def correct(rgb: Pixels, blur: blurs.Blur) -> Pixels:
        sharp = deconvolution.estimate(rgb, blur, noise)
        shown = contract.Shown(rgb, sigma=sigma, sharpened=sharp)
        return contract.enhanced(model.card, ask, shown)

    return correct


def _seen(work: Work, rule: TileRule, correct: Correct, noise: float) -> blurs.Blur:
    """The blur that the user chose, else the one measured, else a motion that proves to fit.

    With the right blur the result, blurred again, is the picture up to its noise; the ripples that
    a wrong one leaves are taken away by the network, and are missing then.
    """
    found = _blur(work)
    if found.kind != "none" and found.confidence < blurs.TRUSTED:
        found = blurs.Blur("none", confidence=0.0)
    measured = work.parameters["kind"] == "auto"
    motion = blurs.possible_motion(*work.samples()) if measured else None
    if motion is None or found.kind == "motion" or found.disc or noise > _MOST_TRIED_NOISE:
        return found
    more = _MORE_MISFIT / max(noise, 1.0)
    deviation = float(np.hypot(noise, _ROUNDING))

    def misfit(part: Pixels, made: Pixels, blur: blurs.Blur) -> float:
        height, width = (min(_TRIAL_MARGIN, side // 4) for side in part.shape[:2])
        error = (deconvolution.blurred(made, blur) - part)[height:-height, width:-width]
        return float(np.sqrt(np.square(error).mean())) * 255 / deviation

    boxes = _parts(work.picture.region, rule.multiple)
    parts = [work.picture.rgb(box) for box in boxes if work.picture.touches(box)]
    tellings = [misfit(part, part, motion) for part in parts]
    if max(tellings, default=0.0) < 1 + _TELLING * more:
        return found
    part = parts[int(np.argmax(tellings))]

    def tried(blur: blurs.Blur) -> float:
        return misfit(part, np.clip(correct(part, blur), 0, 1), blur)

    least = 1.0 if found.kind == "none" else tried(found)
    return motion if tried(motion) <= least + more else found


def _parts(region: Box, multiple: int) -> list[Box]:
    """Parts of the region, all over it, on one of which a blur is tried."""
    width, height = (
        min(_TRIAL_SIDE, side) // multiple * multiple for side in (region.width, region.height)
    )
    places = {
        (round(across * (region.width - width)), round(down * (region.height - height)))
        for down in (0.0, 0.5, 1.0)
        for across in (0.0, 0.5, 1.0)
    }
    return [
        Box(region.left + left, region.top + top, width, height) for left, top in sorted(places)
    ]


def _told(blur: blurs.Blur, noise: float, amount: float) -> dict[str, Any]:
    """What the receipt says of a blur that was undone."""
    return {
        "blur": blur.kind,
        "radius": round(blur.radius, 2),
        "length": round(blur.length, 1),
        "angle": round(blur.angle, 1),
        "confidence": round(blur.confidence, 2),
        "spread": round(blur.spread, 2),
        "noise_sigma": round(noise, 2),
        "amount": amount,
    }


def _overlap(blur: blurs.Blur) -> int:
    return -(-2 * deconvolution.radius(blur) // 8) * 8


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
