"""What a tool is given, what it gives back, and the steps that several tools share."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms.noise import estimate_sigma
from shared_core.bridge.toolbox import Value
from shared_core.catalog.cards import Card
from shared_core.engine.tiling import run_tiles
from shared_core.pixels import Box, Picture

if TYPE_CHECKING:
    # The classical paths work where onnxruntime is missing.
    from shared_core.engine.session import Session

Pixels = NDArray[np.float32]
SAMPLE_SIDE = 512


@dataclass(frozen=True)
class Work:
    """One picture to be worked on.

    ``tile_divisor`` is 2 where a first attempt ran out of memory. ``progress(done, total)`` counts
    tiles; ``cancelled`` is asked between them.
    """

    picture: Picture
    parameters: Mapping[str, Value]
    progress: Callable[[int, int], None]
    cancelled: Callable[[], bool]
    tile_divisor: int = 1

    def number(self, name: str) -> float:
        """The value of a number parameter."""
        return float(self.parameters[name])

    def tiles(
        self,
        function: Callable[[Pixels], Pixels],
        tile: int,
        overlap: int,
        multiple: int = 1,
        fixed: bool = False,
    ) -> int:
        """Run ``function`` over the picture's region in tiles; how many there were."""
        if not fixed and self.tile_divisor > 1:
            smallest = -(-2 * overlap // multiple)
            tile = max(smallest, tile // self.tile_divisor // multiple) * multiple
        return run_tiles(
            self.picture,
            self.picture.region,
            function,
            tile=tile,
            overlap=overlap,
            multiple=multiple,
            fixed=fixed,
            progress=self.progress,
            cancelled=self.cancelled,
        )

    def samples(self) -> list[Pixels]:
        """Up to five patches of the region, float32 h×w×3, for global estimates."""
        region = self.picture.region
        width, height = min(SAMPLE_SIDE, region.width), min(SAMPLE_SIDE, region.height)
        spots = [(0.5, 0.5)]
        if region.width * region.height > 2 * SAMPLE_SIDE**2:
            spots += [(0.2, 0.2), (0.8, 0.2), (0.2, 0.8), (0.8, 0.8)]
        boxes = {
            Box(
                region.left + round(x * (region.width - width)),
                region.top + round(y * (region.height - height)),
                width,
                height,
            )
            for x, y in spots
        }
        return [self.picture.rgb(box) for box in sorted(boxes)]

    def noise(self) -> float:
        """Standard deviation of the picture's noise, in levels of 255."""
        return float(np.median([estimate_sigma(patch) for patch in self.samples()]))


@dataclass(frozen=True)
class Model:
    """A verified model and its open session."""

    card: Card
    session: Session


@dataclass(frozen=True)
class Made:
    """What a tool did: tiles run, and the classical steps with their parameters, if any."""

    tiles: int
    algorithm: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)


def tile_function(
    work: Work, model: Model, planes: tuple[float, ...] = ()
) -> Callable[[Pixels], Pixels]:
    """A model with NCHW picture input as a function of one tile.

    ``planes`` are constant extra input channels. Tensor names and types come from the session.
    """
    session = model.session
    tensor = session.inputs[0]
    dtype = tensor.dtype or np.dtype(np.float32)

    def run(rgb: Pixels) -> Pixels:
        height, width = rgb.shape[:2]
        feed = np.empty((1, 3 + len(planes), height, width), dtype)
        feed[0, :3] = rgb.transpose(2, 0, 1)
        for number, value in enumerate(planes):
            feed[0, 3 + number] = value
        output = session.run({tensor.name: feed}, cancelled=work.cancelled)[0]
        if output.ndim != 4 or output.shape[0] != 1:
            # The tile engine names the shape it got and the one it needs.
            return np.asarray(output, np.float32)
        return np.ascontiguousarray(output[0].transpose(1, 2, 0), np.float32)

    return run


def mixed(function: Callable[[Pixels], Pixels], share: float) -> Callable[[Pixels], Pixels]:
    """``function`` with ``share`` (0..1) of its input mixed back into its output."""

    def run(rgb: Pixels) -> Pixels:
        made = function(rgb)
        if made.shape != rgb.shape:
            # The tile engine names the shape it got and the one it needs.
            return made
        return np.asarray(made + np.float32(share) * (rgb - made), np.float32)

    return run if share > 0 else function


def model_tiles(work: Work, model: Model, function: Callable[[Pixels], Pixels]) -> int:
    """Run ``function`` by the tile rule on the model's card."""
    rule = model.card.tile
    return work.tiles(function, rule.size, rule.overlap, rule.multiple, rule.fixed)
