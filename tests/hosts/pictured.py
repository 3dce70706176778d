"""Cuts a picture for the documentation out of a photograph of the screen."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parents[2]
LIMIT = 100_000
COLOURS = 256


def cut(screen: Path, target: Path, rows: slice, columns: slice) -> None:
    """Write that part of a screen as a PNG, of few colours where all would make it large."""
    whole = Image.fromarray(np.asarray(Image.open(screen).convert("RGB"))[rows, columns])
    target.parent.mkdir(parents=True, exist_ok=True)
    whole.save(target, optimize=True)
    if target.stat().st_size > LIMIT:
        # Without k-means smooth backgrounds fall into visible steps.
        few = whole.quantize(COLOURS, kmeans=1, dither=Image.Dither.NONE)
        few.save(target, optimize=True)
    print(target, target.stat().st_size, flush=True)
