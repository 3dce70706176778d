"""The compact networks: plain convolutions, which every provider runs, and runs fast."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional

from .shrinkage import Shrinkage, unclipped

# Less noise than a quarter of a level of 255 is none.
LEAST = 1e-3
# What a network learns from generated pictures it overdoes on photographs: the mean of its result
# and the classical path's is better than either (training/README.md).
SHARE = 0.5


class Block(nn.Module):
    """Two 3×3 convolutions beside a skip, without normalisation (Lim et al., EDSR, 2017)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(functional.relu(self.first(x)))


class Restorer(nn.Module):
    """What is wrong with a picture, found at half and at quarter size, and taken away.

    ``correction`` takes (N, 3 + planes, H, W) and gives (N, 3, H, W), to be added to the picture;
    H and W are multiples of 4. The work begins at half the picture's size (FFDNet, Zhang et al.
    2018), and a level at a quarter of it gives the context that a plain stack of convolutions would
    need many layers for (DRUNet, Zhang et al. 2021).
    """

    def __init__(
        self,
        planes: int,
        width: int = 48,
        deep_width: int = 96,
        blocks: tuple[int, int, int] = (2, 3, 2),
    ) -> None:
        super().__init__()
        # The same as 3×3 over a picture unshuffled by 2, as one operation.
        self.head = nn.Conv2d(3 + planes, width, 6, stride=2, padding=2)
        self.before = _stack(width, blocks[0])
        self.down = nn.Conv2d(width, deep_width, 2, stride=2)
        self.deep = _stack(deep_width, blocks[1])
        self.up = nn.Conv2d(deep_width, 4 * width, 1)
        self.after = _stack(width, blocks[2])
        self.tail = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)

    def correction(self, x: Tensor) -> Tensor:
        """What is to be added to the picture."""
        features = self.before(self.head(x))
        deep = self.deep(self.down(features))
        features = features + functional.pixel_shuffle(self.up(deep), 2)
        return functional.pixel_shuffle(self.tail(self.after(features)), 2)


class Refiner(nn.Module):
    """An estimate of a noisy picture, the picture, and the noise's deviation as a plane, corrected.

    (N, 7, H, W) to (N, 3, H, W), in 0..1; H and W are multiples of 4. First the estimate is freed
    of what black and white cut off: so the network begins where the classical path ends. What that
    took away goes in, and the correction comes out, in units of the noise: so all levels look alike
    to the network, and without noise nothing is changed.
    """

    def __init__(self) -> None:
        super().__init__()
        self.restorer = Restorer(planes=4)

    def forward(self, x: Tensor, share: float = 1.0) -> Tensor:
        noisy, plane = x[:, 3:6], x[:, 6:]
        estimate = unclipped(x[:, :3], noisy, plane)
        removed = (noisy - estimate) / plane.clamp(min=LEAST)
        correction = self.restorer.correction(torch.cat([estimate, removed, plane], 1))
        return estimate + share * plane * correction


class Denoiser(nn.Module):
    """A noisy picture and its noise's deviation as a plane, (N, 4, H, W), to (N, 3, H, W).

    ``Shrinkage`` gives a first estimate, ``refine`` corrects it by ``SHARE`` of what it has learnt
    to. H and W are multiples of 16.
    """

    def __init__(self, refine: nn.Module) -> None:
        super().__init__()
        self.shrink = Shrinkage()
        self.refine = refine

    def forward(self, x: Tensor) -> Tensor:
        estimate = self.shrink(x[:, :3], x[:, 3:]).clamp(0, 1)
        clean: Tensor = self.refine(torch.cat([estimate, x], 1), SHARE)
        return clean


class Corrector(nn.Module):
    """What a deconvolution leaves of a blurred picture's faults, and adds to them, taken away.

    (N, 10, H, W) to (N, 3, H, W), in 0..1; H and W are multiples of 4. The planes are the blurred
    picture, its noise's deviation, and what ``deconvolution.estimate`` gives. That undoes a blur
    that is the same everywhere far better than a network of this size could; the noise and the
    ripples that it makes of what the blur has erased are what such a network knows (Schuler et al.,
    "A machine learning approach for non-blind image deconvolution", CVPR 2013).
    """

    def __init__(self) -> None:
        super().__init__()
        self.restorer = Restorer(planes=7, blocks=(3, 4, 3))

    def forward(self, x: Tensor) -> Tensor:
        given, plane, sharp, bold = x[:, :3], x[:, 3:4], x[:, 4:7], x[:, 7:]
        # About as large as the others.
        levels = [sharp, bold - 0.5, given, 20 * plane]
        corrected: Tensor = sharp + self.restorer.correction(torch.cat(levels, 1))
        return corrected


class Enlarger(nn.Module):
    """A picture at twice its size: what the small pixels differ by from the large one they share.

    (N, 3, H, W) to (N, 3, 2H, 2W), both in 0..1; H and W are multiples of 2. Most of the work is
    done at the source's size (ESPCN, Shi et al. 2016), some at half of it for the context.
    """

    def __init__(
        self, width: int = 48, deep_width: int = 64, blocks: tuple[int, int, int] = (1, 3, 1)
    ) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, width, 3, padding=1)
        self.before = _stack(width, blocks[0])
        self.down = nn.Conv2d(width, deep_width, 2, stride=2)
        self.deep = _stack(deep_width, blocks[1])
        self.up = nn.Conv2d(deep_width, 4 * width, 1)
        self.after = _stack(width, blocks[2])
        self.tail = nn.Conv2d(width, 12, 3, padding=1)
        nn.init.zeros_(self.tail.weight)
        nn.init.zeros_(self.tail.bias)
        self.spread = nn.Conv2d(3, 12, 1, bias=False)
        with torch.no_grad():
            self.spread.weight.copy_(torch.eye(3).repeat_interleave(4, 0)[..., None, None])

    def forward(self, x: Tensor) -> Tensor:
        features = self.before(self.head(x))
        deep = self.deep(self.down(features))
        features = features + functional.pixel_shuffle(self.up(deep), 2)
        return functional.pixel_shuffle(self.spread(x) + self.tail(self.after(features)), 2)


class Twice(nn.Module):
    """An enlarger applied to its own result: four times, with the same weights."""

    def __init__(self, enlarger: nn.Module) -> None:
        super().__init__()
        self.enlarger = enlarger

    def forward(self, x: Tensor) -> Tensor:
        larger: Tensor = self.enlarger(self.enlarger(x).clamp(0, 1))
        return larger


def _stack(width: int, count: int) -> nn.Sequential:
    return nn.Sequential(*(Block(width) for _ in range(count)))


def mean_weights(paths: Sequence[Path]) -> dict[str, Tensor]:
    """The mean of the averaged weights of several trainings that began with the same ones.

    Better on pictures of another kind than each of them (Wortsman et al., "Model soups", 2022).
    """
    kept = [torch.load(path, weights_only=True)["average"] for path in paths]
    return {name: torch.stack([one[name].float() for one in kept]).mean(0) for name in kept[0]}


def parameters(network: nn.Module) -> int:
    """How many numbers the network has learnt."""
    return sum(values.numel() for values in network.parameters())


def multiply_adds(network: nn.Module, channels: int, side: int = 64) -> float:
    """Multiply-adds of the convolutions for each pixel of an input with ``channels``."""
    total = 0.0

    def count(layer: nn.Module, given: tuple[Tensor], made: Tensor) -> None:
        nonlocal total
        assert isinstance(layer, nn.Conv2d)
        total += layer.weight.numel() * made.shape[-1] * made.shape[-2]

    hooks = [
        layer.register_forward_hook(count)
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d)
    ]
    with torch.no_grad():
        network(torch.zeros(1, channels, side, side))
    for hook in hooks:
        hook.remove()
    return total / side**2
