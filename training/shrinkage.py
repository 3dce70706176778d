"""The classical denoiser as a part of a network: where the compact denoiser begins.

The two passes of ``shared_core.algorithms.dct_denoise``, written as convolutions, and its
``clipped_noise``, so that a network need not learn them from noise. Nothing in it is learnt.
"""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from shared_core.algorithms import clipped_noise

PILOT_BLOCK, WIENER_BLOCK = 16, 8
# Blocks begin every 8 pixels from each of these shifts on.
STEP = 8
PILOT_SHIFTS = ((0, 0), (2, 6), (4, 4), (6, 2))
WIENER_SHIFTS = tuple((i, 3 * i % 8) for i in range(8))
THRESHOLD = 2.8
RAMP = 0.4
COUPLING = 0.12
WIENER_NOISE = 1.1


class Shrinkage(nn.Module):
    """(N, 3, H, W) in 0..1 and its noise's deviation as a plane (N, 1, H, W) to an estimate.

    H and W are multiples of 8, at least 16.
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
        self.register_buffer("pilot_inverse", _inverse(PILOT_BLOCK))
        taps = PILOT_BLOCK // STEP
        self.register_buffer("pilot_spread", torch.ones(STEP**2, 1, taps, taps))
        self.register_buffer("pilot_varying", _varying(PILOT_BLOCK))
        self.register_buffer("wiener_forward", _bases(WIENER_BLOCK))
        self.register_buffer("wiener_inverse", _inverse(WIENER_BLOCK))
        self.register_buffer("wiener_varying", _varying(WIENER_BLOCK))

    def forward(self, noisy: Tensor, plane: Tensor) -> Tensor:
        variance = plane.mean((2, 3), keepdim=True).clamp(min=1e-3).square()
        planes = functional.conv2d(noisy, self.opponent)
        pilot = self._pilot(planes, variance)
        clean = self._wiener(planes, pilot, variance)
        return functional.conv2d(clean, self.opponent.transpose(0, 1))

    def _pilot(self, planes: Tensor, variance: Tensor) -> Tensor:
        """Coefficients that noise alone hardly reaches are kept, the others dropped."""
        scale = 1 / (RAMP * THRESHOLD**2 * variance)
        totals, weights = [], []
        for shift in PILOT_SHIFTS:
            own = _transformed(planes, self.pilot_forward, shift)
            energies = [coefficients.square() for coefficients in own]
            joint = COUPLING * (energies[0] + energies[1] + energies[2]) * scale - (1 / RAMP - 0.5)
            made, counted = [], []
            for coefficients, energy in zip(own, energies, strict=True):
                kept = ((1 - COUPLING) * energy * scale + joint).clamp(0, 1)
                kept = kept * self.pilot_varying + (1 - self.pilot_varying)
                weight = 1 / kept.sum(1, keepdim=True)
                made.append(functional.conv2d(coefficients * kept * weight, self.pilot_inverse))
                counted.append(functional.conv2d(weight, self.pilot_spread))
            totals.append(_placed(made, shift))
            weights.append(_placed(counted, shift))
        return _sum(totals) / _sum(weights)

    def _wiener(self, planes: Tensor, pilot: Tensor, variance: Tensor) -> Tensor:
        """Each coefficient's colour projected on the pilot's and attenuated."""
        totals = []
        for shift in WIENER_SHIFTS:
            signals = _transformed(pilot, self.wiener_forward, shift)
            noisy = _transformed(planes, self.wiener_forward, shift)
            products = [signal * values for signal, values in zip(signals, noisy, strict=True)]
            energy = signals[0].square() + signals[1].square() + signals[2].square()
            gain = (products[0] + products[1] + products[2]) / (energy + WIENER_NOISE * variance)
            gain = gain * self.wiener_varying + (1 - self.wiener_varying)
            made = [functional.conv2d(signal * gain, self.wiener_inverse) for signal in signals]
            totals.append(_placed(made, shift))
        return _sum(totals) / len(WIENER_SHIFTS)


def _transformed(planes: Tensor, bases: Tensor, shift: tuple[int, int]) -> list[Tensor]:
    """Coefficients (N, block², rows, columns) of each plane's blocks, those over its edges too."""
    block = bases.shape[-1]
    # No block reaches further beyond the edge; shifts are even where blocks are two steps wide.
    beyond = block - (2 if block > STEP else 1)
    padded = functional.pad(planes, (beyond,) * 4, mode="reflect")
    top, left = (_first(offset, block) + beyond for offset in shift)
    return [
        functional.conv2d(plane, bases, stride=STEP)
        for plane in padded[:, :, top:, left:].split(1, 1)
    ]


def _first(offset: int, block: int) -> int:
    """Where the first block begins that has pixels of the picture."""
    return offset - block if offset else STEP - block


def _placed(cells: list[Tensor], shift: tuple[int, int]) -> Tensor:
    """Planes from cells (N, STEP², rows, columns) that begin at ``shift``, cut to the picture."""
    made = torch.cat([functional.pixel_shuffle(plane, STEP) for plane in cells], 1)
    down, right = shift
    if down:
        made = made[:, :, STEP - down : -down]
    if right:
        made = made[:, :, :, STEP - right : -right]
    return made


def _sum(values: list[Tensor]) -> Tensor:
    total = values[0]
    for value in values[1:]:
        total = total + value
    return total


# For samples of deviation 1: the lowest mean that clipping at 0 can leave, and how the lift and the
# share of clipped samples fall above it, fitted to the tables of ``clipped_noise`` within 0.0012.
_LOWEST = (2 * np.pi) ** -0.5
_LIFT = (2.4285, -0.3216, 0.1822)
_CLIPPED = (1.5794, 0.0965, 0.0707)
_AROUND = 2 * clipped_noise.RADIUS + 1
# Samples below a sixteenth of a level of 255 count as cut off.
_STEEP = 4096.0


def unclipped(estimate: Tensor, noisy: Tensor, plane: Tensor) -> Tensor:
    """``clipped_noise.unclip``: where ``noisy`` was cut off, the true values behind the estimate.

    Pictures (N, 3, H, W) in 0..1, the noise's deviation as a plane (N, 1, H, W).
    """
    level = plane.clamp(min=1e-3)
    black = (1 - _STEEP * noisy).clamp(0, 1)
    white = (1 - _STEEP * (1 - noisy)).clamp(0, 1)
    lifted = _lift(estimate / level, black)
    lowered = _lift((1 - estimate) / level, white)
    return estimate + level * (lowered - lifted)


def _lift(observed: Tensor, cut: Tensor) -> Tensor:
    """By how much clipping at 0 raised means in units of the noise, as far as samples are cut."""
    above = (observed - _LOWEST).clamp(0, 3)
    lift = torch.minimum(observed.clamp(min=0), _LOWEST * torch.exp(-_cubic(above, _LIFT)))
    expected = 0.5 * torch.exp(-_cubic(above, _CLIPPED))
    return lift * (_mean_around(cut) / _mean_around(expected)).clamp(max=1)


def _cubic(x: Tensor, factors: tuple[float, float, float]) -> Tensor:
    first, second, third = factors
    return x * (first + x * (second + x * third))


def _mean_around(values: Tensor) -> Tensor:
    padded = functional.pad(values, (clipped_noise.RADIUS,) * 4, mode="reflect")
    return functional.avg_pool2d(padded, _AROUND, stride=1)


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


def _inverse(block: int) -> Tensor:
    """Weights (STEP², block², taps, taps) that add up blocks which begin every ``STEP`` pixels.

    Their output is to be shuffled up by ``STEP``: within a cell of that many pixels each has its
    own weights for the blocks that cover it.
    """
    bases, taps = _bases(block)[:, 0], block // STEP
    weights = torch.empty(STEP**2, block**2, taps, taps)
    for y in range(STEP):
        for x in range(STEP):
            rows = [y + STEP * (taps - 1 - tap) for tap in range(taps)]
            columns = [x + STEP * (taps - 1 - tap) for tap in range(taps)]
            weights[STEP * y + x] = bases[:, rows][:, :, columns]
    return weights
