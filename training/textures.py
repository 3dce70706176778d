"""Textures that surfaces of generated pictures are made of: float32 fields, mean 0, deviation 1.

Each repeats itself without a seam, so that any part of it can be cut out with wrapping indices.
"""

from __future__ import annotations

from collections.abc import Callable

import cv2
import numpy as np
from numpy.typing import NDArray

Field = NDArray[np.float32]

SIDE = 512
_FONTS = (
    cv2.FONT_HERSHEY_SIMPLEX,
    cv2.FONT_HERSHEY_PLAIN,
    cv2.FONT_HERSHEY_DUPLEX,
    cv2.FONT_HERSHEY_COMPLEX,
    cv2.FONT_HERSHEY_TRIPLEX,
    cv2.FONT_HERSHEY_SCRIPT_SIMPLEX,
)
_LETTERS = np.array(
    list("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789,.;:!?()   ")
)


def bank(rng: np.random.Generator, count: int, rough: bool = False) -> list[Field]:
    """``count`` textures of all kinds, a third of them one kind laid over another.

    ``rough``: most of them on top of coarser structures, as surfaces in nature have at all scales.
    """
    fields = []
    for _ in range(count):
        field = _KINDS[rng.choice(len(_KINDS), p=_SHARES)](rng)
        if rng.random() < 0.35:
            other = _KINDS[rng.choice(len(_KINDS), p=_SHARES)](rng)
            field = field + rng.uniform(0.2, 0.8) * other
        if rng.random() < 0.3:
            # Surfaces are seldom equally rough everywhere.
            field = field * np.clip(0.6 + 0.6 * fractal(rng, rng.uniform(1.4, 2.2)), 0, None)
        if rough and rng.random() < 0.7:
            coarse = fractal(rng, rng.uniform(0.8, 1.7), float(np.exp(rng.uniform(0, 1.2))))
            field = normal(field) + rng.uniform(0.3, 1.8) * coarse
        fields.append(normal(field))
    return fields


class Grain:
    """Fine texture for whole pictures: nothing in a photograph is as smooth as what is drawn.

    Without it a denoiser learns that what is faint and fine is never of the picture.
    """

    def __init__(self, seed: int, count: int = 40) -> None:
        rng = np.random.default_rng(seed)
        self._fields = bank(rng, count // 2, rough=True)
        for _ in range(count // 4):
            stretch = float(np.exp(rng.uniform(0, 1.5)))
            self._fields.append(fractal(rng, rng.uniform(0.0, 1.2), stretch))
        self._fields += [cascade(rng) for _ in range(count)]
        self._masks = [fractal(rng, rng.uniform(1.4, 2.4)) for _ in range(count // 2)]

    def over(self, picture: NDArray[np.floating], rng: np.random.Generator) -> Field:
        """``picture`` (h, w, 3) in levels of 255, three quarters of them with texture added."""
        made = picture.astype(np.float32)
        if rng.random() < 0.25:
            return made
        for _ in range(int(rng.integers(1, 4))):
            field = self._part(self._fields, made.shape, rng)
            mask = np.clip(rng.uniform(0, 1) + self._part(self._masks, made.shape, rng), 0, 1)
            contrast = np.exp(rng.uniform(np.log(2), np.log(36)))
            light = 0.3 + 0.7 * made.mean(2, keepdims=True) / 255
            tint = 1 + 0.15 * rng.standard_normal(3).astype(np.float32)
            made = made + (contrast * field * mask)[..., None] * light * tint
        return np.clip(made, 0, 255).astype(np.float32)

    @staticmethod
    def _part(fields: list[Field], shape: tuple[int, ...], rng: np.random.Generator) -> Field:
        field = fields[int(rng.integers(len(fields)))]
        rows = (int(rng.integers(SIDE)) + np.arange(shape[0])) % SIDE
        columns = (int(rng.integers(SIDE)) + np.arange(shape[1])) % SIDE
        return field[np.ix_(rows, columns)]


def normal(field: NDArray[np.floating]) -> Field:
    """``field`` with mean 0 and deviation 1, outliers cut at three deviations."""
    field = (field - field.mean()) / max(float(field.std()), 1e-6)
    return np.clip(field, -3, 3).astype(np.float32)


def fractal(rng: np.random.Generator, slope: float, stretch: float = 1.0) -> Field:
    """Random phases below an amplitude that falls with frequency to the power of ``slope``.

    ``stretch`` draws the structures out along a random direction.
    """
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE), np.float32))
    y, x = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    angle = rng.uniform(0, np.pi)
    along = x * np.cos(angle) + y * np.sin(angle)
    across = y * np.cos(angle) - x * np.sin(angle)
    frequency = np.hypot(along * stretch, across)
    frequency[0, 0] = 1
    amplitude = np.maximum(frequency, 1 / SIDE) ** -slope
    amplitude[0, 0] = 0
    return normal(np.fft.irfft2(spectrum * amplitude, (SIDE, SIDE)))


def cascade(rng: np.random.Generator) -> Field:
    """Bark, plaster, foliage, fur: oriented detail of all sizes that comes in clusters.

    In photographs the coefficients of a wavelet are sparse, and large where those of the coarser
    scales are (Wainwright, Simoncelli, Willsky, "Random cascades on wavelet trees", 2001): here
    each band of noise has a gain, whose logarithm is a fractal shared with other bands in part.
    """
    y, x = np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None]
    radius = np.maximum(np.hypot(x, y), 1 / SIDE)
    angle = np.arctan2(y, x)
    slope, burst = rng.uniform(0.6, 1.4), rng.uniform(0.2, 1.1)
    narrow, first = rng.uniform(0, 6), rng.uniform(0, np.pi)
    total = np.zeros((SIDE, SIDE))
    shared = [fractal(rng, rng.uniform(0.9, 1.4)) for _ in range(2)]
    for octave in range(7):
        middle = 0.42 / 2**octave
        ring = np.exp(-((np.log2(radius / middle) / 0.7) ** 2))
        for turn, common in zip((first, first + np.pi / 2), shared, strict=True):
            spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE), np.float32))
            facing = np.abs(np.cos(angle - turn)) ** narrow
            detail = normal(np.fft.irfft2(spectrum * ring * facing, (SIDE, SIDE)))
            own = fractal(rng, rng.uniform(0.9, 1.4))
            gain = np.exp(burst * (0.8 * common + 0.6 * own))
            total += middle ** (1 - slope) * 0.5 ** (turn > first) * gain * detail
    field = (total - total.mean()) / total.std()
    if rng.random() < 0.3:
        field = rng.choice([-1, 1]) * np.exp(0.5 * np.clip(field, -4, 4))
        field = (field - field.mean()) / field.std()
    return np.clip(field, -6, 6).astype(np.float32)


def _noise(rng: np.random.Generator) -> Field:
    stretch = float(np.exp(rng.uniform(0, 2.5))) if rng.random() < 0.5 else 1.0
    field = fractal(rng, rng.uniform(0.4, 2.0), stretch)
    shape = rng.integers(5)
    if shape == 0:
        return normal(-np.abs(field))
    if shape == 1:
        return normal(np.tanh(rng.uniform(1, 6) * (field + rng.uniform(-1, 1))))
    if shape == 2:
        return normal(np.exp(0.8 * field))
    return field


def _band(rng: np.random.Generator) -> Field:
    """Blotches or ripples of one size: frequencies from a narrow band alone."""
    spectrum = np.fft.rfft2(rng.standard_normal((SIDE, SIDE), np.float32))
    frequency = np.hypot(np.fft.fftfreq(SIDE)[:, None], np.fft.rfftfreq(SIDE)[None])
    middle = np.exp(rng.uniform(np.log(0.01), np.log(0.25)))
    amplitude = np.exp(-(((frequency - middle) / (middle * rng.uniform(0.1, 0.5))) ** 2))
    field = normal(np.fft.irfft2(spectrum * amplitude, (SIDE, SIDE)))
    return normal(np.tanh(2 * field)) if rng.random() < 0.4 else field


def _grating(rng: np.random.Generator) -> Field:
    """Wood, cloth, ripples: one or two warped gratings."""
    y, x = np.mgrid[0:SIDE, 0:SIDE].astype(np.float32) / SIDE
    period = np.exp(rng.uniform(np.log(3), np.log(40)))
    angle = rng.uniform(0, 2 * np.pi)
    waves = np.round(SIDE / period * np.array([np.cos(angle), np.sin(angle)]))
    warp = rng.choice([0.05, 0.3, 1.0, 3.0]) * fractal(rng, rng.uniform(1.5, 2.5), 4)
    field = np.sin(2 * np.pi * (waves[0] * x + waves[1] * y + warp))
    if rng.random() < 0.5:
        field = np.sign(field) * np.abs(field) ** rng.uniform(0.2, 1.5)
    if rng.random() < 0.4:
        crossed = np.sin(2 * np.pi * (-waves[1] * x + waves[0] * y + warp))
        field = field * crossed if rng.random() < 0.5 else np.maximum(field, crossed)
    return normal(field)


def _hair(rng: np.random.Generator) -> Field:
    """Hair, grass, brushed metal: thin strokes that follow a smooth field of directions."""
    canvas = np.full((SIDE, SIDE), 128, np.uint8)
    count = int(rng.integers(1500, 6000))
    bend = rng.uniform(0, 1.2) * fractal(rng, 2.2)
    angle = rng.uniform(0, np.pi)
    reach = rng.uniform(4, 40)
    starts = rng.uniform(0, SIDE, (count, 2))
    greys = np.clip(128 + 50 * rng.standard_normal(count), 0, 255)
    lengths = reach * rng.uniform(0.5, 1.5, count)
    thickness = int(rng.choice([1, 1, 1, 2, 3]))
    for start, grey, length in zip(starts, greys, lengths, strict=True):
        px, py = start
        points = [(px, py)]
        for _ in range(3):
            turn = angle + bend[int(py) % SIDE, int(px) % SIDE]
            px, py = px + length / 3 * np.cos(turn), py + length / 3 * np.sin(turn)
            points.append((px, py))
        whole = np.round(np.array(points) * 16).astype(np.int32)
        cv2.polylines(canvas, [whole], False, float(grey), thickness, cv2.LINE_AA, 4)
    return normal(canvas.astype(np.float32))


def _grains(rng: np.random.Generator) -> Field:
    """Sand, foam, gravel, pores: small discs over each other."""
    canvas = np.full((SIDE, SIDE), 128, np.uint8)
    size = np.exp(rng.uniform(np.log(0.8), np.log(6)))
    count = int(min(12000, 0.7 * SIDE * SIDE / (np.pi * size * size)))
    places = np.round(rng.uniform(0, SIDE, (count, 2)) * 16).astype(int)
    radii = np.maximum(0.5, size * rng.lognormal(0, 0.4, count))
    greys = np.clip(128 + 45 * rng.standard_normal(count), 0, 255)
    ring = rng.random() < 0.3
    for (x, y), radius, grey in zip(places, radii, greys, strict=True):
        cv2.circle(canvas, (x, y), int(radius * 16), float(grey), 1 if ring else -1, cv2.LINE_AA, 4)
    return normal(canvas.astype(np.float32))


def _cells(rng: np.random.Generator) -> Field:
    """Stones, scales, cracked earth: cells around random points, with or without their joints."""
    points = np.full((SIDE, SIDE), 255, np.uint8)
    count = int(np.exp(rng.uniform(np.log(60), np.log(4000))))
    points[rng.integers(0, SIDE, count), rng.integers(0, SIDE, count)] = 0
    distance, labels = cv2.distanceTransformWithLabels(
        points, cv2.DIST_L2, 5, labelType=cv2.DIST_LABEL_PIXEL
    )
    field = rng.standard_normal(int(labels.max()) + 1)[labels]
    if rng.random() < 0.7:
        field = field - rng.uniform(0.5, 2) * distance / max(float(distance.mean()), 1e-6)
    return normal(field)


def _bricks(rng: np.random.Generator) -> Field:
    """Walls, tiles, windows, keyboards: a grid of parts of different brightness with joints."""
    high, wide = rng.choice([4, 8, 16, 32, 64], 2)
    shift = rng.random() < 0.5
    joint = max(1, int(min(high, wide) * rng.uniform(0.03, 0.25)))
    rows, columns = SIDE // high, SIDE // wide
    parts = rng.standard_normal((rows, columns)) * rng.uniform(0.1, 0.6)
    field = np.kron(parts, np.ones((high, wide)))
    lines = np.zeros((SIDE, SIDE))
    for row in range(rows):
        band = slice(row * high, (row + 1) * high)
        lines[row * high : row * high + joint] = 1
        offset = wide // 2 if shift and row % 2 else 0
        field[band] = np.roll(field[band], offset, axis=1)
        for column in range(columns):
            lines[band, (column * wide + offset) % SIDE] = 1
    field = field + rng.choice([-1, 1]) * rng.uniform(0.5, 2) * lines
    angle = rng.choice([0, 0, 90, rng.uniform(0, 180)])
    turned = cv2.warpAffine(
        field.astype(np.float32),
        cv2.getRotationMatrix2D((SIDE / 2, SIDE / 2), float(angle), 1),
        (SIDE, SIDE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_WRAP,
    )
    return normal(turned)


def _letters(rng: np.random.Generator) -> Field:
    """Lines of text in one hand."""
    canvas = np.zeros((SIDE, SIDE), np.uint8)
    font = int(rng.choice(_FONTS))
    size = float(np.exp(rng.uniform(np.log(0.3), np.log(2))))
    step = max(9, int(34 * size))
    for top in range(step, SIDE + step, step):
        words = "".join(rng.choice(_LETTERS, 90))
        place = (-int(rng.integers(0, 20)), top)
        cv2.putText(canvas, words, place, font, size, 255, 1 + int(size > 0.8), cv2.LINE_AA)
    return normal(canvas.astype(np.float32))


_KINDS: tuple[Callable[[np.random.Generator], Field], ...] = (
    _noise, _band, _grating, _hair, _grains, _cells, _bricks, _letters,
)  # fmt: skip
_SHARES = (0.34, 0.06, 0.17, 0.15, 0.12, 0.06, 0.05, 0.05)
