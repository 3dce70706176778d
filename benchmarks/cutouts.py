"""Composites whose foreground and matte are known: subjects that are drawn on photographs."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SUBJECTS = ("hair", "leaves", "soft", "figure")
# The photographs of subject and background, and the light on the subject. The last is hard: the
# background has things in it that stand out as much as the subject does.
PAIRS = (
    ("kodim04.png", "kodim01.png"),
    ("coffee.png", "kodim02.png"),
    ("chelsea.png", "rocket.jpg"),
    ("astronaut.png", "kodim03.png"),
)
_LIGHTS = ((1.0, 0.72, 0.45), (0.7, 0.95, 1.0), (1.0, 0.85, 0.6), (1.0, 1.0, 1.0))
_SUPERSAMPLING = 2


@dataclass(frozen=True)
class Composite:
    """A picture float32 (h, w, 3) and what it was made from: matte (h, w), foreground (h, w, 3)."""

    name: str
    picture: Floats
    matte: Floats
    foreground: Floats


def composites(images: Path, width: int, height: int) -> Iterator[Composite]:
    """Every kind of subject on every pair of photographs, at this size."""
    for kind in SUBJECTS:
        for number, pair in enumerate(PAIRS):
            yield composite(images, kind, pair, width, height, number)


def composite(
    images: Path, kind: str, pair: tuple[str, str], width: int, height: int, seed: int = 0
) -> Composite:
    """One subject with the colours of one photograph in front of another, rounded to 8 bits."""
    foreground = _foreground(images / pair[0], width, height, _LIGHTS[seed % len(_LIGHTS)])
    background = _photo(images / pair[1], width, height)
    matte = draw(kind, width, height, seed)
    mixed = matte[..., None] * foreground + (1 - matte[..., None]) * background
    return Composite(
        f"{kind} {Path(pair[0]).stem}/{Path(pair[1]).stem}",
        np.asarray(np.rint(mixed * 255) / 255, np.float32),
        matte,
        foreground,
    )


@functools.lru_cache(maxsize=32)
def draw(kind: str, width: int, height: int, seed: int = 0) -> Floats:
    """A matte, float32 (height, width): a head with hair, leaves, a soft ball, or a figure."""
    size = (width * _SUPERSAMPLING, height * _SUPERSAMPLING)
    large = np.zeros((size[1], size[0]), np.uint8)
    drawing: Callable[[NDArray[np.uint8], np.random.Generator], None] = {
        "hair": _hair,
        "leaves": _leaves,
        "soft": _ball,
        "figure": _figure,
    }[kind]
    drawing(large, np.random.default_rng(seed))
    if kind == "soft":
        large = cv2.GaussianBlur(large, (0, 0), size[1] / 90)
    small = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA)
    return np.asarray(small * np.float32(1 / 255))


def _foreground(path: Path, width: int, height: int, light: tuple[float, float, float]) -> Floats:
    """The photo, brightened and toned, so that it differs from the background as subjects do."""
    photo = cv2.GaussianBlur(_photo(path, width, height), (0, 0), max(width, height) / 400)
    return np.asarray((0.25 + 0.75 * photo) * np.array(light, np.float32), np.float32)


def _photo(path: Path, width: int, height: int) -> Floats:
    bgr = cv2.imread(str(path), cv2.IMREAD_COLOR)
    if bgr is None:
        raise FileNotFoundError(path)
    rgb = cv2.resize(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB), (width, height), cv2.INTER_CUBIC)
    return np.asarray(rgb * np.float32(1 / 255))


def _points(array: NDArray[np.float64]) -> NDArray[np.int32]:
    # Fixed-point coordinates with four bits after the point, which cv2 calls shift.
    return np.rint(array * 16).astype(np.int32)


def _curve(
    large: NDArray[np.uint8],
    start: NDArray[np.float64],
    angle: float,
    bend: float,
    length: float,
    thickness: int,
) -> None:
    steps = np.linspace(0, 1, 24)
    angles = angle + bend * steps
    moves = np.stack([np.cos(angles), np.sin(angles)], axis=1) * length / len(steps)
    cv2.polylines(
        large,
        [_points(start + np.cumsum(moves, axis=0))],
        isClosed=False,
        color=255,
        thickness=thickness,
        lineType=cv2.LINE_AA,
        shift=4,
    )


def _hair(large: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = large.shape
    unit = min(width, height)
    middle = np.array([width * 0.5, height * 0.45])
    axes = (int(unit * 0.2), int(unit * 0.26))
    cv2.ellipse(large, tuple(np.rint(middle).astype(int).tolist()), axes, 0, 0, 360, 255, -1)
    shoulders = np.array(
        [[0.22, 1.0], [0.3, 0.78], [0.44, 0.68], [0.56, 0.68], [0.7, 0.78], [0.78, 1.0]]
    )
    cv2.fillPoly(large, [_points(shoulders * (width, height))], 255, cv2.LINE_AA, 4)
    for _ in range(420):
        around = rng.uniform(np.pi * 0.95, np.pi * 2.05)
        root = middle + 0.96 * np.array([axes[0] * np.cos(around), axes[1] * np.sin(around)])
        thickness = max(1, round(unit * rng.uniform(0.0008, 0.003)))
        length = unit * rng.uniform(0.05, 0.22)
        _curve(large, root, around + rng.normal(0, 0.5), rng.normal(0, 1.2), length, thickness)


def _leaves(large: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = large.shape
    unit = min(width, height)
    foot = np.array([width * 0.5, height * 0.92])
    for _ in range(26):
        angle = -np.pi / 2 + rng.uniform(-1.1, 1.1)
        stem = unit * rng.uniform(0.25, 0.62)
        tip = foot + stem * np.array([np.cos(angle), np.sin(angle)])
        cv2.line(
            large, *(tuple(p.tolist()) for p in (_points(foot), _points(tip))),
            255, max(2, int(unit * 0.006)), cv2.LINE_AA, 4,
        )  # fmt: skip
        along = np.linspace(0, np.pi, 20)
        half, wide = unit * 0.11, unit * 0.035
        x = np.concatenate([np.linspace(0, half, 20), np.linspace(half, 0, 20)])
        y = np.concatenate([wide * np.sin(along), -wide * np.sin(along)])
        turn = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        cv2.fillPoly(large, [_points(tip + np.stack([x, y], axis=1) @ turn)], 255, cv2.LINE_AA, 4)


def _ball(large: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = large.shape
    unit = min(width, height)
    place = (int(width * rng.uniform(0.42, 0.58)), int(height * rng.uniform(0.42, 0.58)))
    cv2.ellipse(large, place, (int(unit * 0.3), int(unit * 0.24)), 20, 0, 360, 255, -1)


def _figure(large: NDArray[np.uint8], rng: np.random.Generator) -> None:
    height, width = large.shape
    unit = min(width, height)
    x = width * rng.uniform(0.42, 0.58)

    def limb(*way: tuple[float, float], thick: float) -> None:
        points = np.array([(x + unit * right, height * 0.5 + unit * down) for right, down in way])
        cv2.polylines(
            large, [_points(points)], False, 255, max(1, int(unit * thick)), cv2.LINE_AA, 4
        )

    cv2.circle(large, (int(x), int(height * 0.5 - unit * 0.3)), int(unit * 0.085), 255, -1)
    limb((0, -0.22), (0.0, 0.08), thick=0.15)
    limb((0, 0.05), (-0.08, 0.25), (-0.1, 0.45), thick=0.06)
    limb((0, 0.05), (0.07, 0.25), (0.14, 0.44), thick=0.06)
    limb((0, -0.18), (-0.2, -0.12), (-0.32, -0.28), thick=0.04)
    limb((0, -0.18), (0.18, -0.05), (0.26, 0.1), thick=0.04)
    limb((0.26, 0.1), (0.3, -0.4), thick=0.008)
