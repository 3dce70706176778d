"""How much memory a run of a model takes, by its card and the picture's size: arithmetic alone."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from shared_core.bridge import toolbox
from shared_core.catalog.cards import Card, TileRule

# The runner with onnxruntime and OpenCV before it opens a model.
RUNNER_BYTES = 110 << 20
# The picture's and the result's files are mapped: four channels of 16 bits.
PICTURE_BYTES_PER_PIXEL = 8
# From so many in a row on, tiles have nearly the full size.
MANY_TILES = 16
# Session memory where the card does not know it: measured at 1.1 to 3 times the file, and while
# half precision is widened at 3.4 times.
SESSION_BYTES_PER_FILE_BYTE = 3
SESSION_BYTES_PER_BYTE_OF_HALF = 3.5
TILE_BYTES_PER_PIXEL = 2000


@dataclass(frozen=True)
class Needs:
    """Bytes of the runner with the pixels' files, of a model's sessions, and of a run on top."""

    pictures: int
    session: int
    running: int

    @property
    def together(self) -> int:
        """All of it, as it is in main memory."""
        return self.pictures + self.session + self.running


def needs_of(
    card: Card,
    width: int,
    height: int,
    parameters: Mapping[str, toolbox.Value],
    divisor: int = 1,
) -> Needs:
    """What a run takes at most."""
    made = toolbox.tool(card.tool).result_size(parameters, width, height)
    pictures = PICTURE_BYTES_PER_PIXEL * (width * height + math.prod(made))
    factor = SESSION_BYTES_PER_BYTE_OF_HALF if is_half(card) else SESSION_BYTES_PER_FILE_BYTE
    session = card.session_bytes or int(card.file_bytes * factor)
    if card.peak_bytes:
        running = card.peak_bytes
    else:
        rule = card.tile.divided(divisor) if card.tile else None
        if rule is None:
            pixels = math.prod(card.run_size or card.fixed_size or (0, 0))
        elif max(width, height) < MANY_TILES * max(rule.sides):
            # Tiles of a small picture are smaller.
            grid = rule.over(width, height)
            pixels = grid.width * grid.height
        else:
            pixels = math.prod(rule.sides)
        running = (card.peak_bytes_per_pixel or TILE_BYTES_PER_PIXEL) * pixels
    return Needs(RUNNER_BYTES + pictures, session, running)


def divisors(rule: TileRule | None, width: int, height: int) -> tuple[int, ...]:
    """1, and 2 where the picture is large enough for smaller tiles to be smaller."""
    if rule is None:
        return (1,)
    usual, half = (r.over(width, height) for r in (rule, rule.divided(2)))
    return (1, 2) if half.width * half.height < usual.width * usual.height else (1,)


def is_half(card: Card) -> bool:
    """Whether its weights are of half precision, which are widened on the processor."""
    return "float16" in card.weights
