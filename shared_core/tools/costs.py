"""What the classical paths cost before this machine has run them: measured on two cores."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Cost:
    """Seconds for each megapixel worked on and in any case; memory for each pixel and at most."""

    seconds_per_megapixel: float
    seconds: float = 0.0
    bytes_per_pixel: int = 300
    most_bytes: int = 300 << 20


CLASSICAL = {
    "denoise": Cost(0.5),
    "deblur": Cost(0.8),
    "remove-background": Cost(0.4, 1.2, 25, 1 << 30),
    "remove-object": Cost(1.5, 1.0),
    "colorize": Cost(0.35, 0.5, 100, 180 << 20),
    "restore-faces": Cost(1.2, 0.5, 300, 220 << 20),
    "upscale": Cost(0.7),
    "text-to-image": Cost(0.7, 0.3, 100, 400 << 20),
    "generate-background": Cost(1.4, 0.3, 120, 420 << 20),
    "tags": Cost(0.4, 0.4, 10, 150 << 20),
}
