"""Generate background: a model's picture of a place, else a backdrop in the subject's colours."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from shared_core.algorithms import backdrops, procedural
from shared_core.algorithms.backdrops import Subject
from shared_core.algorithms.colour_ramps import hexadecimal
from shared_core.algorithms.noise_fields import Field
from shared_core.algorithms.prompt_words import read
from shared_core.bridge.language import _
from shared_core.bridge.toolbox import AUTO
from shared_core.pixels import Box

from .generation import PART_PIXELS, Floats, draw, enlarged, place
from .work import Made, Model, Work

EMPTY_PROMPT = "plain studio backdrop, soft light"
GRAIN = 0.6
_REDUCED_PIXELS = 300_000


def classical(work: Work) -> Made:
    """A studio gradient, the blurred original, or a texture, in the subject's palette."""
    bounds = work.picture.bounds
    prompt, share = work.text("prompt"), work.number("harmonise") / 100
    small, alpha = _reduced(work)
    subject = backdrops.subject(small, alpha)
    style = work.choice("style")
    if style == AUTO:
        style = "texture" if procedural.names_texture(prompt) else "gradient"
    if style == "blurred" and subject is None:
        style = "gradient"
    told: dict[str, Any] = {"prompt": prompt, "style": style, "harmonise": share}
    if style == "blurred":
        picture = backdrops.blurred(small)
    elif style == "texture" and procedural.names_texture(prompt):
        most = procedural.MOST_PIXELS // work.tile_divisor
        drawn = procedural.picture(
            prompt,
            bounds.width,
            bounds.height,
            work.seed,
            most_pixels=most,
            between=lambda: work.step(0, 1),
        )
        told |= drawn.parameters
        picture = drawn.pixels
        if subject is not None:
            picture = backdrops.harmonised(picture, subject, share)
    else:
        picture, colours = _cloth_or_wall(work, style, prompt, subject, share)
        told["colours"] = " ".join(map(hexadecimal, colours))
    place(work, picture, bounds, grain=GRAIN)
    height, width = picture.shape[:2]
    told["made_at"] = f"{width}x{height}"
    return Made(1, _("classical backdrop: {style}", style=_NAMES[style]), told)


def real(work: Work, model: Model) -> Made:
    """The model's picture of the prompt over the canvas, drawn towards the subject's palette."""
    bounds, share = work.picture.bounds, work.number("harmonise") / 100
    drawn = draw(work, model, work.text("prompt") or EMPTY_PROMPT)
    picture, before = drawn.picture, ""
    subject = backdrops.subject(*_reduced(work)) if share else None
    if subject is not None:
        before = _("colours harmonised in Lab")
        picture = backdrops.harmonised(picture, subject, share)
    picture, steps, told = enlarged(picture, bounds, work)
    place(work, picture, bounds)
    named = ", ".join(step for step in (before, steps) if step) or None
    return Made(drawn.steps, named, {**drawn.parameters, **told, "harmonise": share})


_NAMES = {
    "gradient": _("studio gradient"),
    "blurred": _("blurred original"),
    "texture": _("procedural texture"),
}


def _cloth_or_wall(
    work: Work, style: str, prompt: str, subject: Subject | None, share: float
) -> tuple[Floats, tuple[Any, ...]]:
    bounds = work.picture.bounds
    most = procedural.MOST_PIXELS // work.tile_divisor
    size = procedural.working_size(bounds.width, bounds.height, most)
    random = np.random.Generator(np.random.PCG64(work.seed))
    field = Field(*size, random, lambda: work.step(0, 1))
    plan = read(prompt)
    given = plan.colours or tuple(value for wish in plan.wishes for value in wish.colours)
    colours = backdrops.backdrop_colours(subject.palette if subject else (), share, given)
    centre = subject.centre if subject else (0.5, 0.5)
    paint = backdrops.studio if style == "gradient" else backdrops.muslin
    return paint(field, colours, centre), colours


def _reduced(work: Work) -> tuple[Floats, Floats]:
    """A small copy of the picture, transparent parts filled in, and its alpha."""
    bounds = work.picture.bounds
    step = 1
    while bounds.width * bounds.height > _REDUCED_PIXELS * step * step:
        step += 1
    width, height = -(-bounds.width // step), -(-bounds.height // step)
    small = np.empty((height, width, 3), np.float32)
    alpha = np.empty((height, width), np.float32)
    rows = max(1, PART_PIXELS // bounds.width // step)
    for row in range(0, height, rows):
        count = min(rows, height - row)
        top = row * step
        box = Box(0, top, bounds.width, min(bounds.height - top, count * step))
        part = slice(row, row + count)
        small[part] = _shrunk(work.picture.rgb(box), width, count)
        alpha[part] = _shrunk(work.picture.alpha(box), width, count)
        work.step(row, height)
    return small, alpha


def _shrunk(values: Floats, width: int, height: int) -> Floats:
    made = cv2.resize(values, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(made, np.float32).reshape(height, width, *values.shape[2:])
