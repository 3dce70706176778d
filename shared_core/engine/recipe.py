"""What a diffusion model's files do not tell of themselves."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How such a model is fed and sampled.

    ``pad`` fills the tokens after the end, ``latent_scale`` is the factor between the latents that
    the U-Net works on and those the decoder takes, ``most_steps`` how many steps help.
    """

    pad: int
    latent_scale: float
    most_steps: int
