"""A few-step latent diffusion model as one function: tokens and a seed in, a picture out.

The noise levels are those of the scaled-linear schedule (Rombach et al., "High-Resolution Image
Synthesis with Latent Diffusion Models", 2022) with trailing steps; a step is Euler's, ancestral
where more follow (Karras et al., "Elucidating the Design Space of Diffusion-Based Generative
Models", 2022), which is how adversarially distilled models were trained to be sampled.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _, joined
from .recipe import Recipe

if TYPE_CHECKING:
    from .session import Session, Tensor

Floats = NDArray[np.float32]
Doubles = NDArray[np.float64]

SIDE = 512
LATENT = (1, 4, SIDE // 8, SIDE // 8)
TRAIN_STEPS = 1000
_BETA = (0.00085, 0.012)
# A decoder strays a little beyond -1..1; one that strays further has another range.
_FURTHEST = 4.0
_LEAST_SPAN = 1e-3


def timesteps(steps: int) -> list[int]:
    """The training steps, from noise to picture, at which the U-Net is asked."""
    return [round(TRAIN_STEPS - i * TRAIN_STEPS / steps) - 1 for i in range(steps)]


def sigmas(steps: int) -> list[float]:
    """The noise level at each of ``timesteps(steps)``, and 0 after the last."""
    betas = np.linspace(math.sqrt(_BETA[0]), math.sqrt(_BETA[1]), TRAIN_STEPS) ** 2
    kept = np.cumprod(1 - betas)
    levels = np.sqrt((1 - kept) / kept)
    return [*(float(levels[at]) for at in timesteps(steps)), 0.0]


def generate(
    sessions: Mapping[str, Session],
    ids: NDArray[np.int64],
    recipe: Recipe,
    *,
    steps: int,
    seed: int,
    progress: Callable[[int, int], None],
    done_with: Callable[[str], None],
    cancelled: Callable[[], bool] | None = None,
) -> Floats:
    """The picture for ``ids`` (77 tokens): float32 (512, 512, 3) in 0..1.

    ``sessions`` are "text_encoder", "unet" and "vae_decoder", each asked for when its turn comes,
    and ``done_with`` is told when it is over, so that not all three need be in memory. All
    randomness is from ``seed``: the start first, then one draw for each step but the last.
    ``progress(done, total)`` counts the runs. Raises ``CouldNotBeDone`` when a session has other
    tensors than such a model, or gives what is no picture.
    """
    total = steps + 2
    progress(0, total)
    hidden = _prompt(sessions["text_encoder"], ids, cancelled)
    done_with("text_encoder")
    progress(1, total)

    latent = _latent(sessions["unet"], hidden, steps, seed, lambda n: progress(n, total), cancelled)
    done_with("unet")
    picture = _picture(sessions["vae_decoder"], latent / recipe.latent_scale, cancelled)
    done_with("vae_decoder")
    progress(total, total)
    return picture


def _prompt(
    session: Session, ids: NDArray[np.int64], cancelled: Callable[[], bool] | None
) -> Doubles:
    hidden = _run(session, {2: ids[None]}, cancelled)
    if hidden.ndim != 3 or hidden.shape[:2] != (1, ids.size):
        raise _wrong(session, _("It gave a shape {shape} for the prompt.", shape=hidden.shape))
    return hidden


def _latent(
    session: Session,
    hidden: Doubles,
    steps: int,
    seed: int,
    progress: Callable[[int], None],
    cancelled: Callable[[], bool] | None,
) -> Doubles:
    """The latent picture, after all steps from pure noise."""
    levels = sigmas(steps)
    random = np.random.Generator(np.random.PCG64(seed))
    latent = random.standard_normal(LATENT) * levels[0]
    for number, at in enumerate(timesteps(steps)):
        level, following = levels[number], levels[number + 1]
        scaled = latent / math.sqrt(level**2 + 1)
        noise = _run(session, {4: scaled, 3: hidden, 1: np.array([at]), 0: np.array(at)}, cancelled)
        if noise.shape != LATENT:
            raise _wrong(
                session,
                _("It gave a shape {shape}, not {latent}.", shape=noise.shape, latent=LATENT),
            )
        renewed = following * math.sqrt(level**2 - following**2) / level
        latent = latent + (math.sqrt(following**2 - renewed**2) - level) * noise
        if following > 0:
            latent = latent + renewed * random.standard_normal(LATENT)
        progress(number + 2)
    return latent


def _picture(session: Session, latent: Doubles, cancelled: Callable[[], bool] | None) -> Floats:
    decoded = _run(session, {4: latent}, cancelled)
    if decoded.shape != (1, 3, SIDE, SIDE):
        raise _wrong(
            session,
            _(
                "It gave a shape {shape}, not {expected}.",
                shape=decoded.shape,
                expected=(1, 3, SIDE, SIDE),
            ),
        )
    furthest = float(np.abs(decoded).max())
    if furthest > _FURTHEST:
        raise _wrong(
            session,
            _("It gave values as far as {furthest:.0f}, not from -1 to 1.", furthest=furthest),
        )
    if np.ptp(decoded) < _LEAST_SPAN:
        raise _wrong(session, _("It gave the same value everywhere, which is no picture."))
    colours = np.clip(decoded[0].transpose(1, 2, 0) / 2 + 0.5, 0, 1)
    return np.ascontiguousarray(colours, np.float32)


def _run(
    session: Session,
    by_rank: Mapping[int, NDArray[Any]],
    cancelled: Callable[[], bool] | None,
) -> Doubles:
    """The session's output; each input gets the array of its own number of dimensions."""
    feeds = {}
    for tensor in session.inputs:
        array = by_rank.get(len(tensor.shape))
        if array is None or tensor.dtype is None or not _fits(tensor, array):
            raise _wrong(
                session,
                _(
                    "It wants an input {name} of {type} {shape}.",
                    name=tensor.name,
                    type=tensor.type,
                    shape=tensor.shape,
                ),
            )
        feeds[tensor.name] = array.astype(tensor.dtype)
    output = np.asarray(session.run(feeds, cancelled=cancelled)[0], np.float64)
    if not np.isfinite(output).all():
        raise _wrong(session, _("It gave values that are not numbers."))
    return output


def _fits(tensor: Tensor, array: NDArray[Any]) -> bool:
    pairs = zip(tensor.shape, array.shape, strict=True)
    return all(not isinstance(side, int) or side == length for side, length in pairs)


def _wrong(session: Session, what: str) -> CouldNotBeDone:
    path = session.path
    head = _("The model {name}/{file} cannot be used.", name=path.parent.name, file=path.name)
    advice = _("Remove it and download it again, or use the classical path.")
    return CouldNotBeDone(joined(" ", [head, what, advice]))
