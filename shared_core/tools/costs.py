"""What the classical paths cost before this machine has run them: measured on two cores."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from shared_core.bridge.toolbox import Tool, Value


@dataclass(frozen=True)
class Cost:
    """Seconds for each megapixel of the result and in any case; memory per pixel and at most."""

    seconds_per_megapixel: float
    seconds: float = 0.0
    bytes_per_pixel: int = 300
    most_bytes: int = 300 << 20


def megapixels(tool: Tool, parameters: Mapping[str, Value], width: int, height: int) -> float:
    """What the cost of a run on ``width`` by ``height`` pixels grows with: the result's size."""
    wide, high = tool.result_size(parameters, width, height)
    return wide * high / 1e6


CLASSICAL = {
    "denoise": Cost(0.5),
    "deblur": Cost(0.8),
    "remove-background": Cost(0.4, 1.2, 25, 1 << 30),
    "remove-object": Cost(0.5, 1.0, 150, 800 << 20),
    "colorize": Cost(0.35, 0.5, 100, 180 << 20),
    "restore-faces": Cost(1.2, 0.5, 300, 220 << 20),
    "upscale": Cost(0.17, 0.0, 40, 360 << 20),
    "text-to-image": Cost(0.7, 0.3, 100, 400 << 20),
    "generate-background": Cost(1.4, 0.3, 120, 420 << 20),
    "tags": Cost(0.4, 0.4, 10, 150 << 20),
}
