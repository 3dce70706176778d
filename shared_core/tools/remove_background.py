"""Remove background: a matte from a model, else from saliency and GrabCut; then clean edges."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms import matting, subject
from shared_core.algorithms.resampling import Kernel, Resizer, resized
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.language import _
from shared_core.bridge.toolbox import Returns
from shared_core.catalog import contract
from shared_core.catalog.card import MIN_MAX
from shared_core.pixels import Box, Implausible

from .work import Made, Model, Pixels, Work, asker, network_size

# A strip takes about 200 bytes a pixel.
STRIP_PIXELS = 1 << 18

# How far the surroundings of a selection are looked at, in shares of its longer side.
_AROUND = 0.15
_LEAST_AROUND = 24

# Sides of networks that take any: multiples of this, the longer at most this many times the card's.
_MULTIPLE = 32
_LONGEST = 2
# Off by how many pixels of its own an edge of the network's matte may be.
_OFF = 1.5
# A classical cut is off by more, in pixels of the reduced size.
_CLASSICAL_REACH = 4
# Beyond 0..1 by more than this, values are of another range.
_TOLERANCE = 0.05
# Where no pixel is covered by this much, there is no subject.
_LEAST_COVER = 0.1


def classical(work: Work) -> Made:
    """What stands out, cut along the colours around it."""
    region = _region(work)
    if region.empty:
        return _nothing_selected(work)
    strips = _strips(work, region)
    height, width = _reduced(region)
    shrinking = Resizer((region.height, region.width), (height, width), Kernel.TRIANGLE, 5)
    for number, box in enumerate(strips):
        work.step(number, 3 * len(strips))
        may = work.picture.alpha(box) > 0
        marked = np.ones_like(may) if work.selection is None else work.selection[box.slices] > 127
        masks = may.astype(np.float32), marked.astype(np.float32)
        shrinking.add([work.picture.rgb(box), *masks], box.top - region.top)
    small = shrinking.result()
    del shrinking
    rgb = np.clip(small[..., :3], 0, 1)
    visible, marked = small[..., 3] > 0.5, small[..., 4] > 0.5
    if not (visible & marked).any():
        # All that is there is finer than a pixel of the reduced size.
        visible, marked = small[..., 3] > 0, small[..., 4] > 0
    found = subject.find_subject(rgb, visible, None if work.selection is None else marked)
    _cut_out(work, region, _Fit(rgb, found.matte, _CLASSICAL_REACH), len(strips))
    what = subject.NAME if found.found else _("nothing stood out, so the middle was taken")
    return Made(
        len(strips),
        _("classical cut-out ({what}), {steps}", what=what, steps=_steps(work)),
        _shares(work),
        found={"subject": "found" if found.found else _("none: the middle was taken")},
    )


def real(work: Work, model: Model) -> Made:
    """The model's matte of the region, enlarged along the picture's edges."""
    region = _region(work)
    if region.empty:
        return _nothing_selected(work)
    strips = _strips(work, region)
    network, reduced = _network_size(model, region), _reduced(region)
    size = region.height, region.width
    feed = Resizer(size, network, Kernel.LANCZOS)
    guide = Resizer(size, reduced, Kernel.TRIANGLE) if _settings(work).detail else None
    for number, box in enumerate(strips):
        work.step(number, 3 * len(strips))
        rgb = work.picture.rgb(box)
        feed.add(rgb, box.top - region.top)
        if guide:
            guide.add(rgb, box.top - region.top)
    matte = _matte(work, model, np.clip(feed.result(), 0, 1))
    parameters = {"network": f"{network[1]}×{network[0]}", **_shares(work)}
    if matte.max() < _LEAST_COVER:
        _keep_everything(work)
        reason = _("{model} found no subject", model=model.card.title)
        return Made(1, None, parameters, found={"subject": "none"}, unchanged=reason)
    reach = max(2, math.ceil(_OFF * max(reduced) / max(network)))
    small = np.clip(resized(matte, reduced, Kernel.LANCZOS), 0, 1)
    fit = _Fit(np.clip(guide.result(), 0, 1) if guide else None, small, reach)
    del feed, guide
    _cut_out(work, region, fit, len(strips))
    return Made(1, _("matte {steps}", steps=_steps(work)), parameters, found={"subject": "found"})


# ---------------------------------------------------------------- the model


def _network_size(model: Model, region: Box) -> tuple[int, int]:
    """Height and width of what the network sees.

    A fixed size is filled without regard to the picture's shape, as these networks were trained.
    Where the sides are free the shorter is the card's, and the picture keeps its shape.
    """
    size = network_size(model)
    if size is not None:
        return size
    side = model.card.run_side
    if side is None:
        raise CouldNotBeDone(
            _(
                "The card of {model} does not say the size of its input. Choose another model "
                "or the classical path.",
                model=model.card.title,
            )
        )
    shorter, longer = sorted((region.width, region.height))
    scale = min(side / shorter, _LONGEST * side / longer)

    multiple = model.card.multiple or _MULTIPLE

    def whole(length: int) -> int:
        return max(1, round(length * scale / multiple)) * multiple

    return whole(region.height), whole(region.width)


def _matte(work: Work, model: Model, rgb: Pixels) -> Pixels:
    """The model's matte of ``rgb`` (height, width, 3), float32 (height, width) in 0..1."""
    matte = contract.coverage(model.card, asker(work, model), contract.Shown(rgb))
    low, high = float(matte.min()), float(matte.max())
    if low < -_TOLERANCE or high > 1 + _TOLERANCE:
        raise contract.wrong(
            _(
                "The model gave values from {low:.3g} to {high:.3g} where 0 to 1 is due.",
                low=low,
                high=high,
            )
        )
    if high == low >= _LEAST_COVER:
        raise Implausible(
            _(
                "The model gave the same coverage everywhere, so its result is not used. "
                "Choose another model or the classical path."
            )
        )
    if model.card.outputs[0].then == MIN_MAX and high >= _LEAST_COVER:
        matte = (matte - low) / (high - low)
    matte = np.clip(matte, 0, 1)
    if matte.shape != rgb.shape[:2]:
        # Some networks give it at a part of the size that they see.
        matte = np.clip(resized(matte, rgb.shape[:2], Kernel.LANCZOS), 0, 1)
    return np.asarray(matte, np.float32)


# ---------------------------------------------------------------- what both paths share


@dataclass(frozen=True)
class _Settings:
    detail: float
    edge: float
    clean: float


def _settings(work: Work) -> _Settings:
    clean = 0.0 if work.outcome is Returns.SELECTION else work.number("clean") / 100
    return _Settings(work.number("detail") / 100, work.number("edge") / 100, clean)


def _shares(work: Work) -> dict[str, float]:
    settings = _settings(work)
    return {"detail": settings.detail, "edge": settings.edge, "clean": settings.clean}


def _steps(work: Work) -> str:
    settings = _settings(work)
    how = matting.NAME if settings.detail else _("linear interpolation")
    if settings.clean:
        return _("enlarged by {how}, {colours}", how=how, colours=matting.COLOURS_NAME)
    return _("enlarged by {how}", how=how)


def _region(work: Work) -> Box:
    """What is looked at: what is selected with its surroundings, or all."""
    selected = work.selected
    if work.selection is None or selected.empty:
        return selected
    around = max(_LEAST_AROUND, round(_AROUND * max(selected.width, selected.height)))
    return selected.grown(around, work.picture.bounds)


def _reduced(region: Box) -> tuple[int, int]:
    scale = max(1.0, max(region.width, region.height) / matting.SIDE)
    return max(1, round(region.height / scale)), max(1, round(region.width / scale))


def _strips(work: Work, region: Box) -> list[Box]:
    rows = max(1, STRIP_PIXELS // work.tile_divisor // region.width)
    return [
        Box(region.left, top, region.width, min(rows, region.bottom - top))
        for top in range(region.top, region.bottom, rows)
    ]


@dataclass(frozen=True)
class _Fit:
    """A matte at the reduced size, the picture there (None where it is not followed), and how far
    off the matte may be.
    """

    rgb: Pixels | None
    matte: Pixels
    reach: int


def _cut_out(work: Work, region: Box, fit: _Fit, before: int) -> None:
    """Write the cut-out of the whole picture; nothing outside ``region`` is in it.

    ``before`` is how many steps of as many as these were done.
    """
    picture, settings = work.picture, _settings(work)
    strips = _strips(work, region)
    refined = None
    if settings.detail and fit.rgb is not None:
        refined = matting.refinement(fit.rgb, fit.matte, fit.reach)
    matte = np.empty((region.height, region.width), np.float32)
    colours = matting.ForegroundColours(region.height, region.width) if settings.clean else None
    for number, box in enumerate(strips):
        work.step(before + number, before + 2 * len(strips))
        rgb, top = picture.rgb(box) if refined or colours else None, box.top - region.top
        if refined and rgb is not None:
            strip = refined.strip(rgb, top, region.height, settings.detail)
        else:
            strip = matting.enlarged(fit.matte, top, (box.height, box.width), region.height)
        matte[top : top + box.height] = strip
        if colours and rgb is not None:
            colours.add(rgb, strip, top)
    for number, box in enumerate(strips):
        work.step(before + len(strips) + number, before + 2 * len(strips))
        top = box.top - region.top
        strip = matte[top : top + box.height]
        rgb = None
        if colours and ((strip > 0) & (strip < 1)).any():
            seen = picture.rgb(box)
            rgb = colours.strip(seen, strip, top)
            if settings.clean < 1:
                rgb = seen + np.float32(settings.clean) * (rgb - seen)
        strip = matting.shifted(strip, settings.edge)
        _write(work, box, rgb, np.where(picture.alpha(box) > 0, strip, np.float32(0)))
    for box in _outside(work, region):
        work.cut(box, None, np.zeros((box.height, box.width), np.float32))
    work.step(before + 2 * len(strips), before + 2 * len(strips))


def _write(work: Work, box: Box, rgb: Pixels | None, matte: NDArray[np.float32]) -> None:
    if work.selection is not None:
        matte = matte * (work.selection[box.slices] * np.float32(1 / 255))
    work.cut(box, rgb, matte)


def _outside(work: Work, region: Box) -> Iterator[Box]:
    """The picture around ``region`` in boxes."""
    bounds = work.picture.bounds
    sides = (
        Box(0, 0, bounds.width, region.top),
        Box(0, region.bottom, bounds.width, bounds.bottom - region.bottom),
        Box(0, region.top, region.left, region.height),
        Box(region.right, region.top, bounds.right - region.right, region.height),
    )
    for side in sides:
        if not side.empty:
            yield from _strips(work, side)


def _keep_everything(work: Work) -> None:
    """Nothing is cut; a selection that was to come back stays as it was."""
    for box in _strips(work, work.picture.bounds):
        work.step(0, 1)
        matte = np.ones((box.height, box.width), np.float32)
        if work.outcome is Returns.SELECTION:
            _write(work, box, None, matte)
        else:
            work.cut(box, None, matte)
    work.step(1, 1)


def _nothing_selected(work: Work) -> Made:
    _keep_everything(work)
    return Made(0, unchanged=_("nothing is selected"))
