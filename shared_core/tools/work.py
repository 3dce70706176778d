"""What a tool is given, what it gives back, and the steps that several tools share."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms.noise import estimate_sigma
from shared_core.bridge.errors import Cancelled
from shared_core.bridge.language import _
from shared_core.bridge.toolbox import Returns, Value
from shared_core.catalog import contract
from shared_core.catalog.cards import Card, TileRule
from shared_core.engine.memory import usable_threads
from shared_core.engine.tiling import run_tiles
from shared_core.pixels import Box, Picture
from shared_core.sheet import Matte, Sheet

if TYPE_CHECKING:
    # The classical paths work where onnxruntime is missing.
    from shared_core.engine.session import Session

Pixels = NDArray[np.float32]
SAMPLE_SIDE = 512


@dataclass(frozen=True)
class Work:
    """One picture to be worked on, and where the result goes.

    ``picture`` blends what is written into it through the selection where the tool lets it limit
    the change. ``selection`` (height, width; 0 to 255) is None where nothing is selected.
    ``outcome`` says which of the places for results are there: ``sheet`` for a picture of its own
    (scaled, layer, below), ``matte`` for a layer mask or a selection, else the picture itself.
    ``strokes`` is the layer with the user's marks. ``helpers`` are small models by card id that
    serve beside the main one. ``tile_divisor`` is 2 or more for smaller tiles, which save memory.
    ``progress(done, total)`` counts tiles; ``cancelled`` is asked between them.
    """

    picture: Picture
    parameters: Mapping[str, Value]
    progress: Callable[[int, int], None]
    cancelled: Callable[[], bool]
    tile_divisor: int = 1
    outcome: Returns = Returns.PIXELS
    selection: NDArray[np.uint8] | None = None
    strokes: Picture | None = None
    sheet: Sheet | None = None
    matte: Matte | None = None
    helpers: Mapping[str, Model] = field(default_factory=dict)
    seed: int = 0

    def number(self, name: str) -> float:
        """The value of a number parameter."""
        return float(self.parameters[name])

    def choice(self, name: str) -> str:
        """The value of a choice."""
        return str(self.parameters[name])

    def text(self, name: str) -> str:
        """The value of a text parameter, without spaces around it."""
        return str(self.parameters[name]).strip()

    @property
    def selected(self) -> Box:
        """The box around what is selected; all of the picture where nothing is."""
        if self.selection is None:
            return self.picture.bounds
        return Box(*cv2.boundingRect(self.selection))

    def step(self, done: int, total: int) -> None:
        """Between two pieces of work: tell how far it is. Raises ``Cancelled``."""
        if self.cancelled():
            raise Cancelled(_("Cancelled."))
        self.progress(done, total)

    def each(self, boxes: Sequence[Box], function: Callable[[Box], object]) -> None:
        """Run ``function`` for all ``boxes``, several at once where there are the processors.

        It may write into its own box alone. Raises ``Cancelled`` and what ``function`` raises.
        """
        pool = ThreadPoolExecutor(usable_threads())
        try:
            for done, _result in enumerate(pool.map(function, boxes)):
                self.step(done, len(boxes))
        finally:
            pool.shutdown(cancel_futures=True)
        self.step(len(boxes), len(boxes))

    def cut(self, box: Box, rgb: Pixels | None, matte: Pixels) -> None:
        """A part of a cut-out: its colours (height, width, 3) and its coverage (height, width).

        Both in 0..1; None for the colours that the picture has. To be called for every pixel of
        the picture.
        """
        if self.outcome is not Returns.SELECTION:
            if rgb is None:
                self.picture.fade(box, None if self.matte else matte)
            else:
                self.picture.write(box, rgb, None if self.matte else matte)
        if self.matte is not None:
            self.matte.write(box, matte)

    def tiles(self, function: Callable[[Pixels], Pixels], rule: TileRule) -> int:
        """Run ``function`` over the picture's region in tiles; how many there were."""
        rule = rule.divided(self.tile_divisor)
        return run_tiles(
            self.picture,
            self.picture.region,
            function,
            tile=rule.sides,
            overlap=rule.overlap,
            multiple=rule.multiple,
            fixed=rule.fixed,
            least=rule.least,
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


class Sessions(Mapping[str, "Session"]):
    """A model's sessions by their role, opened when they are first asked for."""

    def __init__(self, roles: tuple[str, ...], opener: Callable[[str], Session]) -> None:
        self._roles = roles
        self._opener = opener
        self._open: dict[str, Session] = {}
        self._before: dict[str, int] = {}
        self._closed_runs = 0
        self.load_seconds = 0.0

    def __getitem__(self, role: str) -> Session:
        if role not in self._roles:
            raise KeyError(role)
        if role not in self._open:
            began = time.monotonic()
            session = self._open[role] = self._opener(role)
            self._before[role] = session.runs
            self.load_seconds += time.monotonic() - began
        return self._open[role]

    def __iter__(self) -> Iterator[str]:
        return iter(self._roles)

    def __len__(self) -> int:
        return len(self._roles)

    @property
    def runs(self) -> int:
        """How often any of them has given an output since this was made."""
        running = sum(session.runs - self._before[role] for role, session in self._open.items())
        return self._closed_runs + running

    def cancel(self) -> None:
        """End the run that is going on, from another thread."""
        for session in list(self._open.values()):
            session.cancel()

    def close(self, role: str) -> None:
        """Let go of one that is not needed any more."""
        session = self._open.pop(role, None)
        if session is not None:
            self._closed_runs += session.runs - self._before.pop(role)


@dataclass(frozen=True)
class Model:
    """A verified model: its card, its sessions by role, and where its files lie."""

    card: Card
    sessions: Sessions
    folder: Path

    @property
    def session(self) -> Session:
        """The first session, for most models the only one."""
        return self.sessions[next(iter(self.sessions))]

    def path(self, role: str) -> Path:
        """The file that plays ``role``, such as a vocabulary."""
        return self.folder / self.card.file(role).path


@dataclass(frozen=True)
class Made:
    """What a tool did: tiles or runs, and the classical steps with their parameters, if any.

    ``found`` is what it found out about the picture, as JSON data. ``unchanged`` says why nothing
    was changed, where that is so.
    """

    tiles: int
    algorithm: str | None = None
    parameters: dict[str, Any] = field(default_factory=dict)
    found: dict[str, Any] = field(default_factory=dict)
    unchanged: str = ""


def asker(work: Work, model: Model) -> contract.Ask:
    """The model as a function of what it is shown, ended with the work. Raises ``Cancelled``."""
    return contract.asker(model.card, model.session, work.cancelled)


def tile_function(work: Work, model: Model, sigma: float = 0.0) -> Callable[[Pixels], Pixels]:
    """A model that makes a picture of one as a function of a tile, unclipped.

    ``sigma`` is the noise in levels of 255, for a model that must be told.
    """
    ask = asker(work, model)
    return lambda rgb: contract.enhanced(model.card, ask, contract.Shown(rgb, sigma=sigma))


def network_size(model: Model) -> tuple[int, int] | None:
    """Height and width of what the network sees, where the file or its card fixes both."""
    spec = model.card.inputs[0]
    [tensor, *_] = contract.matched(model.card.inputs, model.session.inputs)
    if len(tensor.shape) == len(spec.layout):
        height, width = (tensor.shape[spec.layout.index(letter)] for letter in "HW")
        if isinstance(height, int) and isinstance(width, int):
            return height, width
    return spec.size


def mixed(function: Callable[[Pixels], Pixels], share: float) -> Callable[[Pixels], Pixels]:
    """``function`` with ``share`` (0..1) of its input mixed back into its output."""

    def run(rgb: Pixels) -> Pixels:
        made = function(rgb)
        return np.asarray(made + np.float32(share) * (rgb - made), np.float32)

    return run if share > 0 else function


def model_tiles(work: Work, model: Model, function: Callable[[Pixels], Pixels]) -> int:
    """Run ``function`` by the tile rule on the model's card."""
    rule = model.card.tile
    assert rule is not None, f"{model.card.id} has no tile rule"
    return work.tiles(function, rule)
