"""Shrinkage of block cosine transforms as a part of a network: where the compact denoiser begins.

The two passes of ``shared_core.algorithms.dct_denoise``, written as convolutions, so that a network
need not learn them from noise. Nothing in it is learnt.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

PILOT_BLOCK, PILOT_STEP = 16, 4
WIENER_BLOCK, WIENER_STEP = 8, 2
THRESHOLD = 2.8
RAMP = 0.4
COUPLING = 0.12
WIENER_NOISE = 1.1


class Shrinkage(nn.Module):
    """(N, 3, H, W) in 0..1 and its noise's deviation as a plane (N, 1, H, W) to an estimate.

    H and W are multiples of 4.
    """

    opponent: Tensor
    pilot_forward: Tensor
    pilot_inverse: Tensor
    pilot_spread: Tensor
    pilot_varying: Tensor
    wiener_forward: Tensor
    wiener_inverse: Tensor
    wiener_varying: Tensor

    def __init__(self) -> None:
        super().__init__()
        root = [3**-0.5, 2**-0.5, 6**-0.5]
        opponent = torch.tensor(
            [[root[0]] * 3, [root[1], 0, -root[1]], [root[2], -2 * root[2], root[2]]]
        )
        self.register_buffer("opponent", opponent[..., None, None])
        self.register_buffer("pilot_forward", _bases(PILOT_BLOCK))
        self.register_buffer("pilot_inverse", _inverse(PILOT_BLOCK, PILOT_STEP))
        taps = PILOT_BLOCK // PILOT_STEP
        self.register_buffer("pilot_spread", torch.ones(PILOT_STEP**2, 1, taps, taps))
        self.register_buffer("pilot_varying", _varying(PILOT_BLOCK))
        self.register_buffer("wiener_forward", _bases(WIENER_BLOCK))
        self.register_buffer("wiener_inverse", _inverse(WIENER_BLOCK, WIENER_STEP))
        self.register_buffer("wiener_varying", _varying(WIENER_BLOCK))

    def forward(self, noisy: Tensor, plane: Tensor) -> Tensor:
        variance = plane.mean((2, 3), keepdim=True).clamp(min=1e-3).square()
        planes = functional.conv2d(noisy, self.opponent)
        pilot = self._pilot(planes, variance)
        clean = self._wiener(planes, pilot, variance)
        return functional.conv2d(clean, self.opponent.transpose(0, 1))

    def _pilot(self, planes: Tensor, variance: Tensor) -> Tensor:
        """Coefficients that noise alone hardly reaches are kept, the others dropped."""
        padded = functional.pad(planes, (PILOT_BLOCK - PILOT_STEP,) * 4, mode="reflect")
        own = [
            functional.conv2d(plane, self.pilot_forward, stride=PILOT_STEP)
            for plane in padded.split(1, 1)
        ]
        energies = [coefficients.square() for coefficients in own]
        scale = 1 / (RAMP * THRESHOLD**2 * variance)
        joint = COUPLING * (energies[0] + energies[1] + energies[2]) * scale - (1 / RAMP - 0.5)
        made = []
        for coefficients, energy in zip(own, energies, strict=True):
            kept = ((1 - COUPLING) * energy * scale + joint).clamp(0, 1)
            kept = kept * self.pilot_varying + (1 - self.pilot_varying)
            weight = 1 / kept.sum(1, keepdim=True)
            total = functional.conv2d(coefficients * kept * weight, self.pilot_inverse)
            weights = functional.conv2d(weight, self.pilot_spread)
            made.append(functional.pixel_shuffle(total / weights, PILOT_STEP))
        return torch.cat(made, 1)

    def _wiener(self, planes: Tensor, pilot: Tensor, variance: Tensor) -> Tensor:
        """Each coefficient's colour projected on the pilot's and attenuated."""
        signals = self._transformed(pilot)
        products = [s * y for s, y in zip(signals, self._transformed(planes), strict=True)]
        energy = signals[0].square() + signals[1].square() + signals[2].square()
        gain = (products[0] + products[1] + products[2]) / (energy + WIENER_NOISE * variance)
        gain = gain * self.wiener_varying + (1 - self.wiener_varying)
        share = (WIENER_STEP / WIENER_BLOCK) ** 2
        made = [
            functional.pixel_shuffle(
                share * functional.conv2d(signal * gain, self.wiener_inverse), WIENER_STEP
            )
            for signal in signals
        ]
        return torch.cat(made, 1)

    def _transformed(self, planes: Tensor) -> list[Tensor]:
        padded = functional.pad(planes, (WIENER_BLOCK - WIENER_STEP,) * 4, mode="reflect")
        return [
            functional.conv2d(plane, self.wiener_forward, stride=WIENER_STEP)
            for plane in padded.split(1, 1)
        ]


def _bases(block: int) -> Tensor:
    """The pictures (block², 1, block, block) that a block is made up of; the first is even."""
    frequency, place = np.mgrid[:block, :block]
    cosines = np.sqrt(2 / block) * np.cos(np.pi * frequency * (2 * place + 1) / (2 * block))
    cosines[0] = np.sqrt(1 / block)
    pictures = np.einsum("uy,vx->uvyx", cosines, cosines).reshape(block**2, 1, block, block)
    return torch.from_numpy(pictures.astype(np.float32))


def _varying(block: int) -> Tensor:
    """1 for all coefficients of a block but its mean, which is always kept."""
    return (torch.arange(block**2) > 0).float()[None, :, None, None]


def _inverse(block: int, step: int) -> Tensor:
    """Weights (step², block², taps, taps) that add up blocks which begin every ``step`` pixels.

    Their output is to be shuffled up by ``step``: within a cell of step by step pixels each has
    its own weights for the blocks that cover it.
    """
    bases, taps = _bases(block)[:, 0], block // step
    weights = torch.empty(step**2, block**2, taps, taps)
    for y in range(step):
        for x in range(step):
            rows = [y + step * (taps - 1 - tap) for tap in range(taps)]
            columns = [x + step * (taps - 1 - tap) for tap in range(taps)]
            weights[step * y + x] = bases[:, rows][:, :, columns]
    return weights
