"""Text to image: a few-step diffusion model where it can run, else a texture that says so."""

from __future__ import annotations

from shared_core.algorithms import procedural
from shared_core.bridge.errors import BadInput
from shared_core.bridge.language import _

from .generation import draw, enlarged, place
from .work import Made, Model, Work

NAME = _("classical procedural texture, not a picture of your prompt")
# Less than one level: it only hides the steps of smooth colours.
GRAIN = 0.6


def classical(work: Work) -> Made:
    """A texture in the prompt's materials and colours, or colours made of the prompt's letters."""
    prompt = _prompt(work)
    box = work.selected
    most = procedural.MOST_PIXELS // work.tile_divisor
    drawn = procedural.picture(
        prompt,
        box.width,
        box.height,
        work.seed,
        most_pixels=most,
        between=lambda: work.step(0, 1),
    )
    place(work, drawn.pixels, box, mask=work.selection, grain=GRAIN)
    height, width = drawn.pixels.shape[:2]
    told = {"prompt": prompt, **drawn.parameters, "made_at": f"{width}x{height}"}
    return Made(1, NAME, told)


def real(work: Work, model: Model) -> Made:
    """The model's picture of the prompt over the selection's box, else over the canvas."""
    drawn = draw(work, model, _prompt(work))
    picture, steps, told = enlarged(drawn.picture, work.selected, work)
    place(work, picture, work.selected, mask=work.selection)
    return Made(drawn.steps, steps or None, {**drawn.parameters, **told})


def _prompt(work: Work) -> str:
    prompt = work.text("prompt")
    if not prompt:
        raise BadInput(_("There is no prompt, so there is nothing to paint. Write what to show."))
    return prompt
