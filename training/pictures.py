"""Generated pictures to train on: nobody's photographs, made from numbers and a seed.

Dead leaves (Lee, Mumford, Huang 2001; to train networks with: Achddou, Gousseau, Ladjal,
"Synthetic images as a regularity prior for image restoration neural networks", 2021): surfaces of
all sizes hide each other, as objects do in photographs, which gives natural edges and a natural
spectrum. On them lie textures, gradients, round shading and soft shadows; what lies far behind is
out of focus. A part of the pictures are drawings and pages of text, and textures alone. ``KINDS``
are pools of their own: more of rough surfaces, and things made of lines (``fibres``).

    python -m training.pictures POOL.npy --count 900 --seed 1 --kind leaves
"""

from __future__ import annotations

import argparse
import time
from multiprocessing import Pool
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from . import fibres, materials, textures
from .materials import Colours, Image
from .textures import SIDE, Field

KINDS = ("leaves", "rough", "fibres")
_BANK = 40
_PER_BANK = 12
# Below this radius a leaf is one colour.
_PLAIN_RADIUS = 5.0
_MOST_LEAVES = 5000


def pictures(rng: np.random.Generator, count: int, kind: str = "leaves") -> NDArray[np.uint8]:
    """``count`` pictures of one of ``KINDS``, uint8 (count, SIDE, SIDE, 3).

    "rough": more of fur, foliage, pebbles and weathered surfaces, less of smooth things; "fibres":
    things made of lines alone.
    """
    made = np.empty((count, SIDE, SIDE, 3), np.uint8)
    bank: list[Field] = []
    for index in range(count):
        if kind == "fibres":
            made[index] = fibres.picture(rng)
            continue
        rough = kind == "rough"
        if index % _PER_BANK == 0:
            bank = textures.bank(rng, _BANK, rough)
        made[index] = picture(rng, bank, rough)
    return made


def picture(rng: np.random.Generator, bank: list[Field], rough: bool = False) -> Image:
    """One picture of leaves, a surface or a page, uint8 (SIDE, SIDE, 3)."""
    kind = rng.random()
    palette = materials.palette(rng)
    if kind < 0.08:
        canvas = _page(rng, palette, bank)
    elif kind < (0.3 if rough else 0.16):
        canvas = _surface(rng, palette, bank, SIDE, SIDE)
    elif rough and kind < 0.6:
        canvas = _thicket(rng, palette, bank)
    else:
        canvas = _scene(rng, palette, bank)
    return materials.photographed(rng, canvas)


def _surface(
    rng: np.random.Generator,
    palette: Colours,
    bank: list[Field],
    height: int,
    width: int,
) -> NDArray[np.float32]:
    """A textured, shaded surface, float32 (height, width, 3) in levels of 255."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    y, x = y / max(height, 1) - 0.5, x / max(width, 1) - 0.5
    first, second = materials.colour(rng, palette), materials.colour(rng, palette)
    angle = rng.uniform(0, 2 * np.pi)
    if rng.random() < 0.3:
        ramp = 1 - 1.6 * np.hypot(x - rng.uniform(-0.3, 0.3), y - rng.uniform(-0.3, 0.3))
    else:
        ramp = 0.5 + np.cos(angle) * x + np.sin(angle) * y
    ramp = np.clip(ramp, 0, 1) * rng.choice([0, 0.15, 0.4, 1], p=[0.3, 0.3, 0.25, 0.15])
    made = first + ramp[..., None] * (second - first)
    for _ in range(int(rng.choice([0, 1, 2], p=[0.18, 0.6, 0.22]))):
        field = bank[int(rng.integers(len(bank)))]
        rows = (int(rng.integers(SIDE)) + np.arange(height)) % SIDE
        columns = (int(rng.integers(SIDE)) + np.arange(width)) % SIDE
        part = field[np.ix_(rows, columns)]
        # Contrasts from hardly visible to strong, the weak ones as often as the strong.
        contrast = np.exp(rng.uniform(np.log(0.006), np.log(0.16)))
        tint = first * 0.7 + 0.3 if rng.random() < 0.7 else 1 + 0.4 * rng.standard_normal(3)
        made = made + contrast * part[..., None] * np.asarray(tint, np.float32)
    return 255 * np.clip(made, 0, 1).astype(np.float32)


def _scene(rng: np.random.Generator, palette: Colours, bank: list[Field]) -> NDArray[np.float32]:
    """Dead leaves, back to front."""
    canvas = np.round(_surface(rng, palette, bank, SIDE, SIDE)).astype(np.uint8)
    smallest = np.exp(rng.uniform(np.log(1.2), np.log(50)))
    largest = rng.uniform(60, 260)
    power = rng.uniform(2.2, 3.2)
    layers = rng.uniform(0.8, 3.5)
    # Radii with a density of r^-power, by its inverse distribution.
    low, high = smallest ** (1 - power), largest ** (1 - power)
    radii = (low + (high - low) * rng.random(_MOST_LEAVES)) ** (1 / (1 - power))
    covered = np.cumsum(2 * radii**2)
    radii = radii[: max(8, int(np.searchsorted(covered, layers * SIDE * SIDE)))]
    centres = rng.uniform(-0.1 * SIDE, 1.1 * SIDE, (len(radii), 2))
    round_ones = rng.random() < 0.2
    faintest = rng.choice([0.05, 0.2, 0.9])
    blurred_at = int(len(radii) * rng.uniform(0.3, 0.95)) if rng.random() < 0.35 else -1
    for index, (radius, centre) in enumerate(zip(radii, centres, strict=True)):
        if index == blurred_at:
            canvas = cv2.GaussianBlur(canvas, (0, 0), float(np.exp(rng.uniform(0, 2))))
        if radius < _PLAIN_RADIUS:
            x, y = np.clip(centre.astype(int), 0, SIDE - 1)
            # Most small details differ little from what they lie on.
            below = canvas[y, x].astype(np.float32)
            contrast = np.exp(rng.uniform(np.log(faintest), 0))
            colour = (below + contrast * (255 * materials.colour(rng, palette) - below)).tolist()
            if round_ones or rng.random() < 0.5:
                place = tuple(int(value) for value in np.round(centre * 16))
                cv2.circle(canvas, place, int(radius * 16), colour, -1, cv2.LINE_AA, 4)
            else:
                points = np.round((centre + materials.outline(rng, radius)) * 16).astype(np.int32)
                cv2.fillPoly(canvas, [points], colour, cv2.LINE_AA, 4)
        else:
            _leaf(rng, canvas, centre + materials.outline(rng, radius), radius, palette, bank)
    return canvas.astype(np.float32)


def _thicket(rng: np.random.Generator, palette: Colours, bank: list[Field]) -> NDArray[np.float32]:
    """Foliage, grass, gravel, fur: a scene covered with many small things much like each other."""
    canvas = np.round(_scene(rng, palette, bank)).astype(np.uint8)
    cover = textures.fractal(rng, rng.uniform(1.2, 2))
    bend = rng.uniform(0, 1.5) * textures.fractal(rng, 2.0)
    direction, stretch = rng.uniform(0, np.pi), np.exp(rng.uniform(0, 2.2))
    size = np.exp(rng.uniform(np.log(1.2), np.log(8)))
    own = materials.colour(rng, palette)
    spread = rng.uniform(0.02, 0.15)
    count = int(min(9000, 1.2 * SIDE * SIDE / (np.pi * size * size)))
    for x, y in rng.uniform(0, SIDE - 1, (count, 2)):
        if cover[int(y), int(x)] < -0.5:
            continue
        length = float(size * rng.lognormal(0, 0.4) * stretch**0.5)
        turn = np.degrees(direction + bend[int(y), int(x)] + rng.normal(0, 0.3))
        light = np.clip(own * (1 + spread * 3 * rng.standard_normal()), 0, 1)
        colour = 255 * np.clip(light + 0.3 * spread * rng.standard_normal(3), 0, 1)
        below = canvas[int(y), int(x)].astype(np.float32)
        mixed = (below + rng.uniform(0.2, 1) * (colour - below)).tolist()
        axes = max(8, int(16 * length)), max(8, int(16 * length / stretch))
        place = int(16 * x), int(16 * y)
        cv2.ellipse(canvas, place, axes, float(turn), 0, 360, mixed, -1, cv2.LINE_AA, 4)
    return canvas.astype(np.float32)


def with_buildings(rng: np.random.Generator, picture: Image) -> Image:
    """A picture with upright and level things laid on: walls, windows, masts, lattices, shelves.

    What people build stands straight in photographs, which leaves at all angles do not teach.
    """
    made = picture.copy()
    side = len(made)
    tilt = rng.normal(0, 0.03) if rng.random() < 0.4 else 0.0
    turn = np.array([[np.cos(tilt), -np.sin(tilt)], [np.sin(tilt), np.cos(tilt)]])
    for _ in range(int(np.exp(rng.uniform(np.log(2), np.log(40))))):
        half = np.exp(rng.uniform(np.log(0.4), np.log(60), 2))
        if rng.random() < 0.4:
            half[rng.integers(2)] = np.exp(rng.uniform(np.log(0.4), np.log(2.5)))
        times, step = np.ones(2, int), 2 * half
        if rng.random() < 0.4:
            half = np.minimum(half, rng.uniform(2, 16))
            times = rng.integers(1, 9, 2)
            step = half * rng.uniform(2.3, 6, 2)
        first = rng.uniform(-20, side, 2)
        sheer = rng.choice([0, 0, 0, 1]) * rng.normal(0, 1)
        corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * half
        corners[:, 0] += sheer * corners[:, 1]
        y, x = rng.integers(0, side, 2)
        colour = made[y, x] * rng.uniform(0.3, 1.4) + rng.uniform(0, 30)
        if rng.random() < 0.2:
            colour = np.full(3, rng.choice([5, 40, 200, 250]))
        laid = made.copy()
        for column in range(times[0]):
            for row in range(times[1]):
                points = (first + step * (column, row) + corners - side / 2) @ turn.T + side / 2
                whole = np.round(points * 16).astype(np.int32)
                told = np.clip(colour, 0, 255).tolist()
                cv2.fillPoly(laid, [whole], told, cv2.LINE_AA, 4)
        share = float(rng.uniform(0.2, 1))
        made = np.asarray(cv2.addWeighted(laid, share, made, 1 - share, 0), np.uint8)
    return made


def _leaf(
    rng: np.random.Generator,
    canvas: Image,
    points: NDArray[np.float64],
    radius: float,
    palette: Colours,
    bank: list[Field],
) -> None:
    """Lay one textured leaf on the canvas, with its soft shadow below it."""
    soft = float(np.exp(rng.uniform(-1, 1.6))) if rng.random() < 0.2 else 0.0
    shadow = rng.random() < 0.35
    reach = float(radius * rng.uniform(0.03, 0.3)) if shadow else 0.0
    margin = int(3 * max(soft, reach) + 3)
    left, top = np.maximum(np.floor(points.min(0)).astype(int) - margin, 0)
    right, bottom = np.minimum(np.ceil(points.max(0)).astype(int) + margin, SIDE)
    if right - left < 2 or bottom - top < 2:
        return
    mask = np.zeros((bottom - top, right - left), np.uint8)
    local = np.round((points - (left, top)) * 16).astype(np.int32)
    cv2.fillPoly(mask, [local], 255, cv2.LINE_AA, 4)
    if soft:
        mask = cv2.GaussianBlur(mask, (0, 0), soft)
    cover = mask.astype(np.float32)[..., None] / 255
    below = canvas[top:bottom, left:right].astype(np.float32)
    if shadow:
        offset = np.float32([[1, 0, rng.normal(0, reach)], [0, 1, abs(rng.normal(0, reach))]])
        cast = cv2.warpAffine(mask, offset, mask.shape[::-1])
        cast = cv2.GaussianBlur(cast, (0, 0), max(0.5, reach)).astype(np.float32) / 255
        below = below * (1 - rng.uniform(0.2, 0.8) * cast[..., None])
    surface = _surface(rng, palette, bank, bottom - top, right - left)
    if rng.random() < 0.25:
        # Round things are darker towards one edge.
        distance = cv2.distanceTransform(mask, cv2.DIST_L2, 3)
        rim = np.clip(distance / max(float(distance.max()), 1.0), 0, 1) ** rng.uniform(0.3, 1)
        surface = surface * (1 - rng.uniform(0.2, 0.8) * (1 - rim))[..., None]
    mixed = below + cover * (surface - below)
    canvas[top:bottom, left:right] = np.clip(mixed + 0.5, 0, 255).astype(np.uint8)


def _page(rng: np.random.Generator, palette: Colours, bank: list[Field]) -> NDArray[np.float32]:
    """A drawing or a page: paper, flat shapes, lines and letters."""
    paper = np.clip(rng.choice([0.05, 0.9, 0.95, 1.0]) + 0.05 * rng.standard_normal(3), 0, 1)
    canvas = np.empty((SIDE, SIDE, 3), np.uint8)
    canvas[:] = np.round(255 * paper)
    for _ in range(int(rng.integers(2, 30))):
        points = rng.uniform(0, SIDE, 2) + materials.outline(rng, float(np.exp(rng.uniform(2, 5))))
        colour = [float(value) for value in 255 * materials.colour(rng, palette)]
        cv2.fillPoly(canvas, [np.round(points * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)
    ink = [float(value) for value in 255 * np.clip(1 - paper + 0.1 * rng.standard_normal(3), 0, 1)]
    for _ in range(int(rng.integers(5, 80))):
        steps = np.cumsum(rng.normal(0, np.exp(rng.uniform(0.5, 3)), (30, 2)), 0)
        smooth = cv2.GaussianBlur(steps, (1, 9), 2) + rng.uniform(0, SIDE, 2)
        points = np.round(smooth * 16).astype(np.int32)
        cv2.polylines(canvas, [points], False, ink, int(rng.integers(1, 5)), cv2.LINE_AA, 4)
    made = canvas.astype(np.float32)
    if rng.random() < 0.5:
        made += rng.uniform(0.5, 8) * bank[int(rng.integers(len(bank)))][..., None]
    return made


def _part(job: tuple[int, int, str]) -> NDArray[np.uint8]:
    seed, count, kind = job
    cv2.setNumThreads(1)
    return pictures(np.random.default_rng(seed), count, kind)


def make_pool(path: Path, count: int, seed: int, processes: int, kind: str) -> None:
    """Write ``count`` pictures (count, SIDE, SIDE, 3) to ``path``; the same for the same seed."""
    jobs = [
        (seed * 100_000 + start, min(_PER_BANK, count - start), kind)
        for start in range(0, count, _PER_BANK)
    ]
    part = path.with_suffix(".part.npy")
    pool = np.lib.format.open_memmap(part, "w+", np.uint8, (count, SIDE, SIDE, 3))
    start = time.perf_counter()
    with Pool(processes) as workers:
        done = 0
        for made in workers.imap(_part, jobs):
            pool[done : done + len(made)] = made
            done += len(made)
            print(f"{done} of {count} pictures, {time.perf_counter() - start:.0f} s", flush=True)
    pool.flush()
    part.replace(path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("path", type=Path)
    parser.add_argument("--count", type=int, default=900)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kind", choices=KINDS, default="leaves")
    parser.add_argument("--processes", type=int, default=2)
    told = parser.parse_args()
    told.path.parent.mkdir(parents=True, exist_ok=True)
    make_pool(told.path, told.count, told.seed, told.processes, told.kind)


if __name__ == "__main__":
    main()
