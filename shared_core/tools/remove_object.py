"""Remove object: LaMa or MI-GAN on a square around each hole, else pieces of the rest."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms import exemplar_fill, thin_fill
from shared_core.bridge.errors import BadInput, CouldNotBeDone
from shared_core.bridge.language import _, joined
from shared_core.catalog import contract
from shared_core.pixels import Box

from . import holes
from .work import Made, Model, Pixels, Work, asker, network_size

Bools = NDArray[np.bool_]

# A hole of this width in pixels is a scratch, if it is nowhere much wider: both of its sides say
# what was there.
THIN = 6
_THIN_AT_MOST = 4 * THIN
# What is looked at around an area, by its longer side, and within which limits.
_CONTEXT = 0.75
_LEAST_CONTEXT, _MOST_CONTEXT = 64, 768
# So far may the object's rim reach beyond the selection.
_RIM = 2
# The least context of the models, as they were trained, and its share of the square's side.
_SQUARE = 2
_STRIP = 256
# The models keep what they are shown around the hole: root mean square over blocks.
_MOST_DRIFT = 0.12
_BLOCK = 16

_NOTHING_LEFT = _(
    "The selection covers all or nearly all that is visible, so there is nothing to fill it from. "
    "Select only the object that is to be removed."
)


def classical(work: Work) -> Made:
    """Thin holes from both of their sides, areas with pieces of what is around them."""
    selection, parts = _parts(work)
    areas = thin = 0
    widest = 0.0
    for number, part in enumerate(parts):
        work.step(number, len(parts))
        around = part.grown(1, work.picture.bounds)
        width, most = thin_fill.width_of(selection[around.slices] > 0)
        widest = max(widest, width)
        if width <= THIN and most <= _THIN_AT_MOST:
            thin += 1
            box = part.grown(thin_fill.MARGIN, work.picture.bounds)
            filled = thin_fill.fill(work.picture.rgb(box), selection[box.slices] > 0)
        else:
            areas += 1
            filled, box = _area(work, selection, part, partial(work.step, number, len(parts)))
        _write(work, filled, box, part)
    work.step(len(parts), len(parts))
    names = [exemplar_fill.NAME] * (areas > 0) + [thin_fill.NAME] * (thin > 0)
    return Made(
        len(parts),
        _("classical fill: {names}", names=joined(_(" and "), names)),
        {"areas": areas, "scratches": thin, "width": round(widest, 1), "scratch_up_to": THIN},
    )


def real(work: Work, model: Model) -> Made:
    """The model on a square around each hole, reduced where the hole is large."""
    side = model.card.side or max(network_size(model) or (0, 0))
    if not side:
        raise CouldNotBeDone(
            _("{model} has no size of its own. Choose another model.", model=model.card.title)
        )
    selection, parts = _parts(work)
    smallest = 1.0
    for number, part in enumerate(parts):
        work.step(number, len(parts))
        square = max(side, _SQUARE * max(part.width, part.height))
        box = holes.square(part, square, work.picture.bounds)
        hole = _hole(selection, box)
        if not (~hole & (work.picture.alpha(box) > 0)).any():
            raise BadInput(_NOTHING_LEFT)
        filled = _run(work, model, work.picture.rgb(box), hole, square, side)
        smallest = min(smallest, side / square)
        _write(work, filled, box, part)
    work.step(len(parts), len(parts))
    step = _("enlarged from the model's size by bicubic interpolation") if smallest < 1 else None
    return Made(len(parts), step, {"holes": len(parts), "scale": round(smallest, 3)})


def _parts(work: Work) -> tuple[NDArray[np.uint8], list[Box]]:
    """The selection and its parts that hold something visible."""
    if work.selection is None:
        raise BadInput(_("Nothing is selected. Select the object that is to be removed."))
    parts = [part for part in holes.boxes(work.selection) if work.picture.touches(part)]
    if not parts:
        raise BadInput(
            _("The selection holds nothing visible. Select the object that is to be removed.")
        )
    work.picture.keep()
    return work.selection, parts


def _hole(selection: NDArray[np.uint8], box: Box) -> Bools:
    """What is selected in ``box``, and a rim around it that may still show the object."""
    around = box.grown(_RIM, Box(0, 0, selection.shape[1], selection.shape[0]))
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * _RIM + 1, 2 * _RIM + 1))
    grown = cv2.dilate((selection[around.slices] > 0).astype(np.uint8), disc)
    left, top = box.left - around.left, box.top - around.top
    return np.asarray(grown[top : top + box.height, left : left + box.width] > 0)


def _write(work: Work, filled: Pixels, box: Box, part: Box) -> None:
    left, top = part.left - box.left, part.top - box.top
    work.picture.write(part, filled[top : top + part.height, left : left + part.width])


# ---------------------------------------------------------------- classical


def _area(
    work: Work, selection: NDArray[np.uint8], part: Box, between: Callable[[], None]
) -> tuple[Pixels, Box]:
    """The filled colours of a box around ``part``, and the box; more is looked at where needed."""
    bounds = work.picture.bounds
    context = int(_CONTEXT * max(part.width, part.height)) // work.tile_divisor
    context = min(max(context, _LEAST_CONTEXT), _MOST_CONTEXT // work.tile_divisor)
    box = part.grown(context, bounds)
    while True:
        try:
            filled = exemplar_fill.fill(
                work.picture.rgb(box),
                _hole(selection, box),
                work.picture.alpha(box) == 0,
                work.seed,
                between,
            )
            return filled, box
        except exemplar_fill.NothingToCopy:
            if box == bounds:
                raise BadInput(_NOTHING_LEFT) from None
            box = box.grown(2 * max(box.width, box.height), bounds)


# ---------------------------------------------------------------- real


def _run(work: Work, model: Model, rgb: Pixels, hole: Bools, square: int, side: int) -> Pixels:
    """``rgb`` (h, w, 3) filled by the model, which sees a ``square`` reduced to ``side``."""
    height, width = hole.shape
    beyond = 0, square - height, 0, square - width
    shown: Any = cv2.copyMakeBorder(rgb, *beyond, cv2.BORDER_REFLECT_101)
    mask: Any = cv2.copyMakeBorder(hole.astype(np.float32), *beyond, cv2.BORDER_REFLECT_101)
    if square > side:
        shown = cv2.resize(shown, (side, side), interpolation=cv2.INTER_AREA)
        # A pixel that holds any of the object is the hole's.
        mask = cv2.resize(mask, (side, side), interpolation=cv2.INTER_AREA)
    mask = mask > 1e-6
    seen = contract.Shown(shown, mask)
    filled = np.clip(contract.enhanced(model.card, asker(work, model), seen), 0, 1)
    _check_likeness(shown, filled, ~mask)
    if square > side:
        filled = np.asarray(
            cv2.resize(filled, (square, square), interpolation=cv2.INTER_CUBIC), np.float32
        )
    return np.clip(filled[:height, :width], 0, 1)


def _check_likeness(shown: Pixels, filled: Pixels, known: Bools) -> None:
    """The models keep what is around the hole; one that does not has misunderstood its input."""
    cells = shown.shape[1] // _BLOCK, shown.shape[0] // _BLOCK
    difference = np.where(known[..., None], filled - shown, np.float32(0))
    sums = cv2.resize(difference, cells, interpolation=cv2.INTER_AREA)
    share = cv2.resize(known.astype(np.float32), cells, interpolation=cv2.INTER_AREA)
    drift = float(np.sqrt((sums**2).sum() / 3 / max(float((share**2).sum()), 1e-6)))
    if drift > _MOST_DRIFT:
        raise contract.wrong(_("The model gave a picture that is changed around the hole."))
