"""What the demo shows each tool on: photographs from scikit-image (public domain and CC0)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from skimage import data

from shared_core import imagefile
from shared_core.bridge.toolbox import TOOLS, Returns, Selects

Bytes = NDArray[np.uint8]


@dataclass(frozen=True)
class Sample:
    """A picture for a tool, and what it is.

    ``detail`` is the corner (column, row) of what the sheet shows at 100 %; all of it where None.
    """

    tool: str
    name: str
    photo: Path | None
    what: str
    parameters: Mapping[str, Any] = field(default_factory=dict)
    mask: Path | None = None
    strokes: Path | None = None
    detail: tuple[int, int] | None = None


def samples(out: Path) -> list[Sample]:
    """One or two samples for every tool; the pictures are written below ``out``."""

    def kept(name: str, bgr: Bytes) -> Path:
        path = out / f"{name}.png"
        cv2.imwrite(str(path), bgr)
        return path

    astronaut, chelsea = _photo("astronaut"), _photo("chelsea")
    coffee, rocket = _photo("coffee"), _photo("rocket")
    small = cv2.resize(astronaut, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
    portrait = cv2.resize(astronaut[:300, 80:380], None, fx=0.4, fy=0.4)
    portrait = cv2.resize(portrait, None, fx=2.5, fy=2.5, interpolation=cv2.INTER_CUBIC)
    mast = np.zeros(rocket.shape[:2], np.uint8)
    outline = np.array([[436, 112], [462, 112], [484, 374], [428, 374]])
    cv2.fillPoly(mast, [outline], 255)
    grey = np.ascontiguousarray(data.camera())
    return [
        Sample("remove-background", "astronaut", kept("astronaut", astronaut), "astronaut"),
        Sample(
            "remove-object",
            "rocket",
            kept("rocket", rocket),
            "rocket, the mast on the right selected",
            mask=kept("rocket-selection", mast),
            detail=(300, 60),
        ),
        Sample(
            "denoise",
            "chelsea",
            kept("chelsea-noisy", _noisy(chelsea, 20)),
            "chelsea, noise of 20 levels added",
            detail=(55, 0),
        ),
        Sample(
            "deblur",
            "coffee",
            kept("coffee-blurred", _blurred(coffee)),
            "coffee, blurred by 1.8 px",
            detail=(130, 20),
        ),
        Sample(
            "upscale",
            "astronaut-small",
            kept("astronaut-small", small),
            "astronaut at half its size",
            {"factor": "4"},
            detail=(80, 10),
        ),
        Sample("restore-faces", "portrait", kept("portrait", portrait), "astronaut, scaled up"),
        Sample(
            "colorize", "camera", kept("camera", grey), "camera, a grey picture", detail=(60, 40)
        ),
        Sample(
            "colorize",
            "rocket-strokes",
            kept("rocket-grey", cv2.cvtColor(rocket, cv2.COLOR_BGR2GRAY)),
            "rocket made grey, 60 colour strokes",
            {"strokes": "above"},
            strokes=kept("rocket-strokes", _strokes(rocket)),
        ),
        Sample(
            "text-to-image",
            "clouds",
            None,
            "the prompt “white clouds in a blue sky”, seed 7",
            {"prompt": "white clouds in a blue sky", "seed": 7},
        ),
        Sample(
            "generate-background",
            "subject",
            out / "astronaut-remove-background-auto.png",
            "the astronaut cut out above; the prompt “green forest”, seed 7",
            {"prompt": "green forest", "seed": 7},
        ),
        Sample("tags", "chelsea-tags", kept("chelsea", chelsea), "chelsea"),
    ]


def of_photo(photo: Path, out: Path) -> list[Sample]:
    """Every tool on the user's own picture; where one needs a selection, its middle."""
    size = imagefile.probe(photo)
    mask = np.zeros((size.height, size.width), np.uint8)
    middle = tuple(slice(side * 2 // 5, side * 3 // 5) for side in mask.shape)
    mask[middle] = 255
    selection = out / "selection.png"
    cv2.imwrite(str(selection), mask)
    corner = (max(0, (size.width - 340) // 2), max(0, (size.height - 340) // 3))
    close = ("denoise", "deblur", "upscale")
    return [
        Sample(
            tool.id,
            photo.stem,
            None if tool.returns is Returns.LAYER else photo,
            "your photo, as it is",
            {"prompt": photo.stem.replace("-", " ")} if tool.returns is Returns.LAYER else {},
            mask=selection if tool.selects is Selects.NEEDED else None,
            detail=corner if tool.id in close else None,
        )
        for tool in TOOLS
    ]


def _photo(name: str) -> Bytes:
    return np.ascontiguousarray(getattr(data, name)()[..., ::-1])


def _noisy(bgr: Bytes, sigma: float) -> Bytes:
    noise = np.random.default_rng(7).standard_normal(bgr.shape)
    return np.clip(np.rint(bgr + sigma * noise), 0, 255).astype(np.uint8)


def _blurred(bgr: Bytes) -> Bytes:
    return _noisy(cv2.GaussianBlur(bgr, (0, 0), 1.8), 1.0)


def _strokes(bgr: Bytes) -> Bytes:
    """Short strokes of the true colours at places of chance, on a transparent ground."""
    rng = np.random.default_rng(7)
    height, width = bgr.shape[:2]
    marks = np.zeros((height, width, 4), np.uint8)
    for x, y in zip(rng.integers(8, width - 8, 60), rng.integers(8, height - 8, 60), strict=True):
        colour = [int(value) for value in bgr[y - 2 : y + 3, x - 2 : x + 3].mean((0, 1))]
        cv2.line(marks, (int(x) - 4, int(y)), (int(x) + 4, int(y)), [*colour, 255], 3)
    return marks
