"""Pictures that are known beforehand, and what is done to them so that a model can undo it.

Drawn here, the same on every machine: discs of all sizes in front of each other, whose edges and
sizes are distributed as in photographs (Lee, Mumford and Huang, "Occlusion models for natural
images", IJCV 41, 2001), in colours of outdoor scenes. A figure or a face can stand before them.
Pictures are float32 (height, width, 3), sRGB-encoded, red first, in 0..1.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms import chroma
from shared_core.algorithms.alignment import FFHQ_512, TEMPLATE_SIDE
from shared_core.catalog import contract

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]

# Skies, foliage, soil, stone, skin, and a few bright things.
_COLOURS = np.array(
    [
        (0.52, 0.68, 0.86), (0.72, 0.81, 0.90), (0.33, 0.47, 0.70), (0.22, 0.34, 0.13),
        (0.38, 0.50, 0.20), (0.55, 0.62, 0.30), (0.13, 0.20, 0.10), (0.45, 0.33, 0.22),
        (0.62, 0.50, 0.36), (0.30, 0.22, 0.16), (0.55, 0.54, 0.52), (0.76, 0.74, 0.70),
        (0.28, 0.28, 0.30), (0.87, 0.70, 0.58), (0.70, 0.50, 0.40), (0.80, 0.22, 0.16),
        (0.93, 0.78, 0.25), (0.90, 0.90, 0.88), (0.08, 0.08, 0.09), (0.25, 0.20, 0.45),
    ],
    np.float32,
)  # fmt: skip
# Drawn so many times larger, so that edges are soft as a lens leaves them.
_FINER = 2
_DISCS, _LARGE = 400, 16
_SKIN = (0.86, 0.67, 0.55)

_SEED = 11
_MOST_SIDE = 512

# What is done to a picture, in levels of 255 and in pixels.
NOISE = 25.0
BLUR = 1.5
_LITTLE_NOISE = 1.0


@dataclass(frozen=True)
class Known:
    """A picture to show, and what a right model makes of it about.

    ``wanted`` is the picture that it should come near to; ``subject`` (height, width) its subject,
    ``hole`` what is to be filled in it.
    """

    shown: Floats
    wanted: Floats
    subject: Floats | None = None
    hole: Bools | None = None
    sigma: float = 0.0


def for_tool(tool: str, height: int, width: int, scale: int = 1) -> Known:
    """What a model for ``tool`` is shown at this size, and what it should make of it."""
    if tool == "upscale":
        large = scene(height * scale, width * scale)
        small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
        return Known(_eight_bits(np.asarray(small)), large)
    if tool == "remove-background":
        picture, subject = figure(height, width)
        return Known(picture, picture, subject=subject)
    if tool == "restore-faces":
        clear = face(height, width)
        return Known(degraded("deblur", clear), clear)
    picture = scene(height, width)
    if tool == "colorize":
        grey = np.dstack([chroma.grey(picture)] * 3)
        return Known(grey, picture)
    if tool == "remove-object":
        y, x = np.mgrid[0:height, 0:width]
        hole = (abs(y - height / 2) < height / 8) & (abs(x - width / 2) < width / 7)
        return Known(picture, picture, hole=hole)
    return Known(degraded(tool, picture), picture, sigma=NOISE if tool == "denoise" else 0.0)


def as_grey(known: Known) -> Known:
    """The same for a model that sees one channel: luma three times."""
    shown, wanted = (
        np.repeat(contract.luma(picture)[..., None], 3, axis=2)
        for picture in (known.shown, known.wanted)
    )
    return replace(known, shown=shown, wanted=wanted)


def degraded(tool: str, picture: Floats) -> Floats:
    """``picture`` with what ``tool`` is to undo: noise, or a blur; the values of 8 bits."""
    rng = np.random.default_rng(20)
    if tool == "deblur":
        soft = cv2.GaussianBlur(picture, (0, 0), BLUR, borderType=cv2.BORDER_REFLECT_101)
        level = _LITTLE_NOISE
    else:
        soft, level = picture, NOISE
    noisy = soft + rng.normal(0, level / 255, picture.shape)
    return _eight_bits(noisy)


def _eight_bits(picture: NDArray[np.floating]) -> Floats:
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255) / 255, np.float32)


def scene(height: int, width: int) -> Floats:
    """Discs of all sizes in front of each other, with fine texture, under uneven light.

    Beyond so many pixels a side it goes on as its own reflection.
    """
    drawn = _discs(min(height, _MOST_SIDE), min(width, _MOST_SIDE))
    beyond = ((0, height - drawn.shape[0]), (0, width - drawn.shape[1]), (0, 0))
    return np.pad(drawn, beyond, "symmetric")


def _discs(height: int, width: int) -> Floats:
    rng = np.random.default_rng(_SEED)
    tall, wide = _FINER * height, _FINER * width
    canvas = np.empty((tall, wide, 3), np.float32)
    canvas[:] = _COLOURS[0]
    least, most = 2.5 * _FINER, 0.35 * min(tall, wide)
    # The number of those larger than a radius falls with its square.
    chance = rng.random(_DISCS)
    radii = 1 / np.sqrt(chance / most**2 + (1 - chance) / least**2)
    large = rng.uniform(0.5, 1.2, _LARGE) * most
    for radius in [*large, *np.sort(radii)[::-1]]:
        colour = _COLOURS[rng.integers(len(_COLOURS))] * rng.uniform(0.75, 1.2)
        middle = rng.uniform(0, wide), rng.uniform(0, tall)
        _disc(canvas, middle, float(radius), np.asarray(colour, np.float32), rng)
    canvas *= 1 + 0.05 * _texture(rng, tall, wide)[..., None]
    y, x = np.mgrid[0:tall, 0:wide].astype(np.float32)
    canvas *= (1.05 - 0.25 * (0.6 * y / tall + 0.4 * x / wide))[..., None]
    small = cv2.resize(canvas, (width, height), interpolation=cv2.INTER_AREA)
    return _eight_bits(np.asarray(small) * 0.94 + 0.03)


def _disc(
    canvas: Floats,
    middle: tuple[float, float],
    radius: float,
    colour: Floats,
    rng: np.random.Generator,
) -> None:
    """A disc, lit from one side."""
    left, right = (int(np.clip(middle[0] + s * radius, 0, canvas.shape[1])) for s in (-1, 1))
    top, bottom = (int(np.clip(middle[1] + s * radius, 0, canvas.shape[0])) for s in (-1, 1))
    if left >= right or top >= bottom:
        return
    y, x = np.mgrid[top:bottom, left:right].astype(np.float32)
    x, y = (x - middle[0]) / radius, (y - middle[1]) / radius
    inside = x * x + y * y <= 1
    angle = rng.uniform(0, 2 * np.pi)
    light = 1 + rng.uniform(0, 0.25) * (x * np.cos(angle) + y * np.sin(angle))
    canvas[top:bottom, left:right][inside] = (light[..., None] * colour)[inside]


def _texture(rng: np.random.Generator, height: int, width: int) -> Floats:
    """Noise whose power falls with its frequency, of deviation one."""
    spectrum = np.fft.rfft2(rng.standard_normal((height, width)))
    y, x = np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None]
    spectrum /= np.maximum(np.hypot(y, x), 1 / max(height, width))
    made = np.fft.irfft2(spectrum, (height, width))
    return np.asarray((made - made.mean()) / made.std(), np.float32)


def figure(height: int, width: int) -> tuple[Floats, Floats]:
    """A person before a blurred scene, and the person's coverage (height, width)."""
    unit = min(height, width) / 512
    picture, cover = _outdoors(height, width), np.zeros((height, width), np.float32)
    x, y = width / 2, height / 2
    body = np.array(
        [(-205, 262), (-190, 160), (-130, 105), (-50, 80), (-42, 20), (42, 20), (50, 80),
         (130, 105), (190, 160), (205, 262)]
    )  # fmt: skip
    _shape(picture, cover, body * unit + (x, y), (0.66, 0.24, 0.18))
    neck = np.array([(-42, 20), (42, 20), (50, 86), (0, 118), (-50, 86)])
    _shape(picture, cover, neck * unit + (x, y), _SKIN)
    _head(picture, cover, x, y - 60 * unit, unit)
    return _eight_bits(picture), cover


def _outdoors(height: int, width: int) -> Floats:
    """Sky above a field, out of focus."""
    y = np.linspace(0, 1, height, dtype=np.float32)[:, None, None]
    sky, field = np.array((0.55, 0.72, 0.93)), np.array((0.26, 0.42, 0.34))
    share = 1 / (1 + np.exp(-14 * (y - 0.62)))
    colours = sky * (1 - 0.25 * y) * (1 - share) + field * (1.2 - 0.4 * y) * share
    texture = _texture(np.random.default_rng(3), height, width)[..., None]
    made = np.broadcast_to(colours, (height, width, 3)) * (1 + 0.05 * texture)
    blurred = cv2.GaussianBlur(made, (0, 0), max(1.0, min(height, width) / 60))
    return np.asarray(np.clip(blurred, 0, 1), np.float32)


def face(height: int, width: int) -> Floats:
    """A face in the places of aligned ones (FFHQ), before a blurred scene."""
    picture = _outdoors(height, width)
    unit = min(height, width) / TEMPLATE_SIDE
    _head(picture, np.zeros((height, width), np.float32), width / 2, height / 2, 1.55 * unit, unit)
    return _eight_bits(picture)


def _head(
    picture: Floats, cover: Floats, x: float, y: float, unit: float, template: float = 0.0
) -> None:
    """A head of some 190 units' height around ``x``, ``y``; its parts where FFHQ has them."""
    hair, lip, dark = (0.20, 0.13, 0.09), (0.72, 0.36, 0.34), (0.12, 0.09, 0.08)
    _oval(picture, cover, x, y - 14 * unit, 88 * unit, 112 * unit, hair)
    _oval(picture, cover, x, y + 4 * unit, 74 * unit, 96 * unit, _SKIN)
    scale = template or unit / 1.55
    places = [(x + (px - 256) * scale, y + (py - 256) * scale) for px, py in FFHQ_512]
    for px, py in places[:2]:
        _oval(picture, cover, px, py - 28 * scale, 30 * scale, 6 * scale, hair)
        _oval(picture, cover, px, py, 24 * scale, 13 * scale, (0.95, 0.94, 0.92))
        _oval(picture, cover, px, py, 11 * scale, 12 * scale, (0.30, 0.22, 0.15))
        _oval(picture, cover, px, py, 5 * scale, 6 * scale, dark)
    nose = places[2]
    _oval(picture, cover, nose[0], nose[1] + 4 * scale, 18 * scale, 12 * scale, (0.76, 0.56, 0.46))
    mouth = (places[3][0] + places[4][0]) / 2, places[3][1]
    _oval(picture, cover, *mouth, 56 * scale, 16 * scale, lip)
    _oval(picture, cover, *mouth, 52 * scale, 3 * scale, (0.45, 0.18, 0.18))


def _oval(
    picture: Floats,
    cover: Floats,
    x: float,
    y: float,
    wide: float,
    high: float,
    colour: tuple[float, float, float],
) -> None:
    angles = np.linspace(0, 2 * np.pi, 72, endpoint=False)
    _shape(
        picture, cover, np.stack([x + wide * np.cos(angles), y + high * np.sin(angles)], 1), colour
    )


def _shape(
    picture: Floats,
    cover: Floats,
    corners: NDArray[np.floating],
    colour: tuple[float, float, float],
) -> None:
    """A polygon with smooth edges, a little lighter to one side, laid on ``picture``."""
    mask = np.zeros(cover.shape, np.uint8)
    points = np.rint(corners * 256).astype(np.int32)
    cv2.fillPoly(mask, [points], 255, cv2.LINE_AA, shift=8)
    share = mask.astype(np.float32) / 255
    x = np.linspace(1.06, 0.90, cover.shape[1], dtype=np.float32)[None, :, None]
    picture += share[..., None] * (np.array(colour, np.float32) * x - picture)
    np.maximum(cover, share, out=cover)
