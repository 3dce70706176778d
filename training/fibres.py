"""Generated pictures of things made of lines: hair, fur, wood, cloth, straw, ripples, blinds.

Where lines lie closer together than pixels, only the direction that they share with their
neighbours tells what they were; a network that has seen leaves and grains alone makes a
checkerboard of them. Here noise is drawn out along a flow that bends slowly (as van Wijk's "Spot
noise", 1991, and the line integral convolution of Cabral and Leedom, 1993, do it), at twice the
picture's size, so that the lines are as fine as a sensor gives them.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from . import materials, textures
from .materials import Colours, Image
from .textures import SIDE, Field

_FINE = 2
_WIDE = SIDE * _FINE
_ATLAS = 1024
_MOST_BUNDLES, _MOST_HAIRS, _BENDS = 5, 500, 12


def picture(rng: np.random.Generator) -> Image:
    """One picture, uint8 (SIDE, SIDE, 3): surfaces of fibres, single hairs on some of them."""
    colours = materials.palette(rng)
    made = _surface(rng, colours)
    for _ in range(int(rng.choice(4, p=[0.3, 0.3, 0.25, 0.15]))):
        cover = _cover(rng)[..., None]
        made = made + cover * (_surface(rng, colours) - made)
    canvas = np.rint(255 * made).astype(np.uint8)
    if rng.random() < 0.35:
        if rng.random() < 0.6:
            canvas = np.asarray(cv2.GaussianBlur(canvas, (0, 0), _between(rng, 1.6, 20)), np.uint8)
        for _ in range(int(rng.integers(1, _MOST_BUNDLES + 1))):
            canvas = _with_hairs(rng, canvas)
    small = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return materials.photographed(rng, np.asarray(small, np.float32))


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    """A number from ``low`` to ``high``, each octave as often as another."""
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _smooth(rng: np.random.Generator, slope: float) -> Field:
    field = textures.fractal(rng, slope)
    return np.asarray(cv2.resize(field, (_WIDE, _WIDE), interpolation=cv2.INTER_CUBIC), np.float32)


def _cover(rng: np.random.Generator) -> Field:
    """Where one surface hides another, in 0..1: a shape, or what grows over it."""
    if rng.random() < 0.5:
        mask = np.zeros((_WIDE, _WIDE), np.uint8)
        points = rng.uniform(0, _WIDE, 2) + materials.outline(rng, rng.uniform(80, 600))
        cv2.fillPoly(mask, [np.round(points * 16).astype(np.int32)], 255, cv2.LINE_AA, 4)
        return mask.astype(np.float32) / 255
    steep, shift = rng.choice([1, 5, 40]), rng.uniform(-0.5, 0.5)
    return np.clip(_smooth(rng, 2) * steep + shift, 0, 1).astype(np.float32)


def _surface(rng: np.random.Generator, colours: Colours) -> Field:
    """(_WIDE, _WIDE, 3) in 0..1."""
    across, along = _flow(rng)
    regular = rng.random() < 0.25
    field = _waves(rng, across, along) if regular else _strands(rng, across, along)
    if rng.random() < 0.3:
        over = _strands(rng, across + 3 * _smooth(rng, 1.8), along)
        field = textures.normal(field + rng.uniform(0.2, 0.8) * over)
    if rng.random() < 0.4:
        patchy = rng.uniform(0.3, 0.9) + 0.7 * _smooth(rng, rng.uniform(1.4, 2.2))
        field = field * np.clip(patchy, 0, None)
    first, second = materials.colour(rng, colours), materials.colour(rng, colours)
    if rng.random() < 0.6:
        tint = first * 0.7 + 0.3
    else:
        tint = (second - first) / max(0.2, float(np.abs(second - first).max()))
    made = first + _between(rng, 0.02, 0.3) * field[..., None] * np.asarray(tint, np.float32)
    if rng.random() < 0.7:
        made = made * (1 + rng.uniform(0.1, 0.4) * _smooth(rng, 2.2))[..., None]
    return np.clip(made, 0, 1).astype(np.float32)


def _flow(rng: np.random.Generator) -> tuple[Field, Field]:
    """How far each place is across the lines, and along them, in pixels of the picture."""
    y, x = np.mgrid[0:_WIDE, 0:_WIDE].astype(np.float32) / _FINE
    if rng.random() < 0.2:
        # Rings around a middle, or rays from it.
        left, top = rng.uniform(-300, 812, 2)
        distance, angle = np.hypot(x - left, y - top), np.arctan2(y - top, x - left)
        if rng.random() < 0.5:
            across, along = distance, 200 * angle
        else:
            across, along = rng.uniform(150, 500) * angle, distance
    else:
        level = rng.choice([0, np.pi / 2]) + rng.normal(0, 0.02)
        turn = level if rng.random() < 0.15 else rng.uniform(0, np.pi)
        across = np.cos(turn) * y - np.sin(turn) * x
        along = np.sin(turn) * y + np.cos(turn) * x
    across = across + _between(rng, 2, 60) * _smooth(rng, rng.uniform(2, 2.8))
    if rng.random() < 0.4:
        across = across * np.exp(rng.uniform(0, 0.3) * _smooth(rng, 2.5))
    return across.astype(np.float32), along.astype(np.float32)


def _strands(rng: np.random.Generator, across: Field, along: Field) -> Field:
    """Noise drawn out along the flow, of one to five octaves of widths."""
    drawn, slope, finest = _between(rng, 4, 60), rng.uniform(-0.3, 0.8), _between(rng, 1.5, 5)
    # The atlas has two samples for a pixel across the lines, and one for ``step`` pixels along.
    step = drawn / 8
    atlas = np.zeros((_ATLAS, _ATLAS), np.float32)
    for octave in range(int(rng.integers(1, 6))):
        width = finest * 2**octave
        sigmas = 1.6 * width, 0.4 * width
        noise = rng.standard_normal((_ATLAS, _ATLAS), np.float32)
        noise = cv2.GaussianBlur(noise, (0, 0), sigmaX=sigmas[0], sigmaY=sigmas[1])
        if rng.random() < 0.5:
            # Lines of about this width alone, and none that are wider.
            wider = 2 * np.array(sigmas)
            noise = noise - cv2.GaussianBlur(noise, (0, 0), sigmaX=wider[0], sigmaY=wider[1])
        atlas += width**slope * noise / noise.std()
    starts = rng.uniform(0, 1000, 2)
    places = _folded(along / step + starts[0]), _folded(2 * across + starts[1])
    drawn_out = cv2.remap(atlas, *places, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    field = textures.normal(drawn_out)
    shape = rng.integers(6)
    if shape == 0:
        field = -np.abs(field)
    elif shape == 1:
        field = np.tanh(rng.uniform(1, 5) * (field + rng.uniform(-1, 1)))
    elif shape < 4:
        field = (1 if shape == 2 else -1) * np.exp(rng.uniform(0.5, 1) * field)
    return textures.normal(field)


def _folded(places: Field) -> Field:
    """Places in the atlas, which is mirrored at its ends."""
    there_and_back = 2 * _ATLAS - 2
    turned = places % there_and_back
    return np.minimum(turned, there_and_back - turned).astype(np.float32)


def _waves(rng: np.random.Generator, across: Field, along: Field) -> Field:
    """Regular lines, single or crossed: cloth, corduroy, blinds, ripples."""
    period = _between(rng, 2.1, 12)
    unsteady = rng.choice([0, 0.5, 2]) * rng.uniform(0, 1)
    phase = 2 * np.pi / period * across + unsteady * _smooth(rng, 1.5)
    field = np.sin(phase)
    if rng.random() < 0.5:
        field = np.clip(field * rng.uniform(1, 5) + rng.uniform(-0.8, 0.8), -1, 1)
    if rng.random() < 0.4:
        shifted = np.pi * (np.floor(phase / (2 * np.pi)) % 2) if rng.random() < 0.5 else 0
        crossed = np.sin(2 * np.pi / (period * rng.uniform(0.7, 2)) * along + shifted)
        field = field * crossed if rng.random() < 0.5 else np.maximum(field, crossed)
    if rng.random() < 0.4:
        field = field * (1 + 0.3 * _smooth(rng, 1.0))
    return textures.normal(field)


def _with_hairs(rng: np.random.Generator, canvas: Image) -> Image:
    """A bundle of thin lines, nearly side by side: whiskers, grass, cables, rain."""
    count = int(_between(rng, 2, _MOST_HAIRS))
    angle, spread = rng.uniform(0, 2 * np.pi), _between(rng, 0.01, 0.5)
    ahead = np.array([np.cos(angle), np.sin(angle)])
    aside = np.array([-ahead[1], ahead[0]])
    first = rng.uniform(0, _WIDE, 2)
    gap = _between(rng, 2, 16) * _FINE * rng.uniform(0.3, 1)
    reach, bend = _between(rng, 30, 700), rng.normal(0, 0.8)
    disorder = 1.0 if rng.random() < 0.6 else 0.2
    thickness = int(rng.choice([1, 1, 2, 2, 3, 4]))
    if rng.random() < 0.3:
        ink: NDArray[np.float64] = rng.uniform(0, 255, 3)
    else:
        ink = rng.choice([10, 60, 190, 245]) + rng.normal(0, 12, 3)
    laid = canvas.copy()
    way = np.linspace(0, 1, _BENDS)
    for index in range(count):
        sideways = gap * (index - count / 2 + disorder * rng.normal())
        root = first + aside * sideways + ahead * rng.normal(0, 0.2 * reach)
        turn = angle + disorder * rng.normal(0, spread) + (bend + rng.normal(0, spread)) * way
        steps = np.stack([np.cos(turn), np.sin(turn)], 1) * reach * rng.uniform(0.6, 1.2) / _BENDS
        points = np.round(16 * (root + np.cumsum(steps, 0))).astype(np.int32)
        light = np.clip(ink * (1 + 0.25 * rng.standard_normal()), 0, 255).tolist()
        cv2.polylines(laid, [points], False, light, thickness, cv2.LINE_AA, 4)
    share = float(rng.uniform(0.2, 1))
    return np.asarray(cv2.addWeighted(laid, share, canvas, 1 - share, 0), np.uint8)
