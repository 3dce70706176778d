"""What text-to-image and generate-background share: a model's picture of a prompt, and placing it.

A model makes one square picture; it is scaled to cover the place and its middle is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms import back_projection
from shared_core.algorithms.fitting import Cover
from shared_core.algorithms.procedural import grained
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.language import _
from shared_core.pixels import Box

from .work import Model, Work

Floats = NDArray[np.float32]

TOKENIZER = "clip-tokenizer-sd"
COVERED = _("fitting to the place")
PART_PIXELS = 1 << 19
# Of parts that are resampled: quick, and they stay within the processor's cache.
_PART_SIDE = 256


@dataclass(frozen=True)
class Drawn:
    """A model's picture, float32 (512, 512, 3) in 0..1, and what the receipt tells of it."""

    picture: Floats
    parameters: dict[str, Any]

    @property
    def steps(self) -> int:
        """How often the model went over the picture."""
        return int(self.parameters["steps"])


def draw(work: Work, model: Model, prompt: str) -> Drawn:
    """The model's picture of ``prompt`` with the seed and steps of ``work``."""
    # Only here, since the classical path works where these libraries are missing.
    from shared_core.engine import clip_tokens, diffusion

    recipe = model.card.recipe
    if recipe is None:
        raise CouldNotBeDone(
            _(
                "The card of {model} does not say how it is sampled. Choose another model.",
                model=model.card.title,
            )
        )
    tokenizer = work.helpers.get(TOKENIZER, model) if TOKENIZER in model.card.needs else model
    tokens = clip_tokens.ClipTokenizer(tokenizer.path("vocab"), tokenizer.path("merges")).tokens(
        prompt, recipe.pad
    )
    steps = min(int(work.number("steps")), recipe.most_steps)
    picture = diffusion.generate(
        model.sessions,
        tokens.ids,
        recipe,
        steps=steps,
        seed=work.seed,
        progress=work.step,
        done_with=model.sessions.close,
        cancelled=work.cancelled,
    )
    parameters: dict[str, Any] = {"prompt": prompt, "steps": steps}
    if tokens.dropped:
        parameters["tokens_not_read"] = tokens.dropped
    return Drawn(picture, parameters)


def enlarged(picture: Floats, box: Box, work: Work) -> tuple[Floats, str, dict[str, Any]]:
    """A model's ``picture`` twice or four times as large where ``box`` is larger.

    And the classical steps by which it comes to cover ``box`` (empty where there is none), and
    their figures.
    """
    height, width = picture.shape[:2]
    scale = max(box.width / width, box.height / height)
    told = {"made_at": f"{width}x{height}", "scaled_by": round(scale, 3)}
    if (width, height) == (box.width, box.height):
        return picture, "", told
    if scale <= 1:
        return picture, COVERED, told
    factor = 4 if scale > 2 and work.tile_divisor == 1 else 2
    steps = _(
        "enlarging {factor} times by {name}, {covered}",
        factor=factor,
        name=back_projection.NAME,
        covered=COVERED,
    )
    return back_projection.enlarge(picture, factor), steps, told


def _parts(box: Box) -> Iterator[Box]:
    """``box`` in parts, the last of a row or column smaller."""
    for top in range(box.top, box.bottom, _PART_SIDE):
        for left in range(box.left, box.right, _PART_SIDE):
            width, height = min(_PART_SIDE, box.right - left), min(_PART_SIDE, box.bottom - top)
            yield Box(left, top, width, height)


def place(
    work: Work,
    picture: Floats,
    box: Box,
    *,
    mask: NDArray[np.uint8] | None = None,
    grain: float = 0.0,
) -> None:
    """``picture`` over ``box`` of the sheet: scaled to cover it, the middle taken.

    ``mask`` (of the whole sheet) is its opacity, and ``grain`` the standard deviation of fine noise
    to add, in levels of 255.
    """
    sheet = work.sheet
    assert sheet is not None
    cover = Cover(picture, box.width, box.height)

    def paint(part: Box) -> None:
        colours = cover.part(part.left - box.left, part.top - box.top, part.width, part.height)
        if grain:
            colours = grained(colours, work.seed, (part.left, part.top), grain / 255)
        alpha = None if mask is None else mask[part.slices] * np.float32(1 / 255)
        sheet.write(part, colours, alpha)

    work.each(list(_parts(box)), paint)
