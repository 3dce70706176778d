"""Resizing in strips, mattes at full size, and foreground colours, on composites that are known."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared_core.algorithms.matting import ForegroundColours, refinement, shifted
from shared_core.algorithms.resampling import Kernel, Resizer, resized

Floats = NDArray[np.float32]
BACKDROPS = ((0.0, 0.0, 0.0), (1.0, 1.0, 1.0), (0.0, 1.0, 0.0))


@pytest.mark.parametrize(
    "sizes", [((300, 401), (97, 64)), ((50, 60), (128, 131)), ((7, 5), (3, 9))]
)
@pytest.mark.parametrize("kernel", list(Kernel))
def test_resizing_equals_pillow(
    sizes: tuple[tuple[int, int], tuple[int, int]], kernel: Kernel
) -> None:
    picture = np.random.default_rng(0).random(sizes[0], np.float32)
    how = {Kernel.LANCZOS: Image.Resampling.LANCZOS, Kernel.TRIANGLE: Image.Resampling.BILINEAR}
    expected = np.asarray(Image.fromarray(picture).resize(sizes[1][::-1], how[kernel]))
    assert np.abs(resized(picture, sizes[1], kernel) - expected).max() < 1e-6


def test_strips_may_come_in_any_order() -> None:
    picture = np.random.default_rng(0).random((101, 90, 3), np.float32)
    resizer = Resizer((101, 90), (40, 50), Kernel.LANCZOS)
    for top in (60, 0, 30, 90):
        resizer.add(picture[top : min(top + 30, 101)], top)
    assert np.abs(resizer.result() - resized(picture, (40, 50), Kernel.LANCZOS)).max() < 1e-6


def _composite(height: int, width: int) -> tuple[Floats, Floats, Floats]:
    """Picture, matte and foreground: a ball with hair, textured, before a textured background."""
    large = np.zeros((2 * height, 2 * width), np.uint8)
    middle = (width, height)
    cv2.circle(large, middle, height // 2, 255, -1)
    rng = np.random.default_rng(3)
    for angle in rng.uniform(0, 2 * np.pi, 250):
        turn = angle + rng.normal(0, 0.15)
        ends = [
            (int(middle[0] + r * height * np.cos(a)), int(middle[1] + r * height * np.sin(a)))
            for r, a in ((0.48, angle), (rng.uniform(0.55, 0.8), turn))
        ]
        cv2.line(large, *ends, 255, max(2, height // 180), cv2.LINE_AA)
    matte = cv2.resize(large, (width, height), interpolation=cv2.INTER_AREA) / np.float32(255)
    front, back = (
        cv2.resize(rng.random((9, 12, 3), np.float32), (width, height), None, 0, 0, cv2.INTER_CUBIC)
        for _ in range(2)
    )
    foreground = np.clip(0.5 + 0.4 * front, 0, 1) * np.array([1, 0.75, 0.5], np.float32)
    background = np.clip(0.5 * back, 0, 1) * np.array([0.5, 0.8, 1], np.float32)
    mixed = matte[..., None] * foreground + (1 - matte[..., None]) * background
    return np.rint(mixed * 255).astype(np.float32) / 255, matte, foreground.astype(np.float32)


def _coarse(matte: Floats, side: int = 1024) -> Floats:
    """What a network that sees a square of ``side`` pixels may give of ``matte`` at best."""
    small = resized(matte, (side, side), Kernel.LANCZOS)
    return np.clip(cv2.GaussianBlur(small, (0, 0), 1.5), 0, 1)


def test_hair_survives_the_way_through_a_small_matte() -> None:
    picture, matte, _ = _composite(1200, 1600)
    guide = resized(picture, (768, 1024), Kernel.TRIANGLE)
    fitted = refinement(guide, resized(_coarse(matte), (768, 1024), Kernel.TRIANGLE))
    errors = []
    for detail in (0.0, 1.0):
        strips = [
            fitted.strip(picture[top : top + 170], top, 1200, detail) for top in range(0, 1200, 170)
        ]
        made = np.vstack(strips)
        assert made.min() >= 0
        assert made.max() <= 1
        errors.append(np.abs(made - matte).mean())
    assert errors[1] < errors[0] / 3


def test_where_the_matte_is_sure_it_stays() -> None:
    picture, matte, _ = _composite(300, 400)
    made = refinement(picture, matte).strip(picture, 0, 300)
    far = cv2.dilate(((matte > 0) & (matte < 1)).astype(np.uint8), np.ones((31, 31))) == 0
    assert far.mean() > 0.2
    assert np.array_equal(made[far], matte[far])


def test_colours_that_tell_nothing_leave_the_matte_alone() -> None:
    _, matte, _ = _composite(300, 400)
    soft = cv2.GaussianBlur(matte, (0, 0), 4)
    flat = np.full((300, 400, 3), 0.5, np.float32)
    made = refinement(flat, soft).strip(flat, 0, 300)
    # The window of the guided filter smooths it a little.
    assert np.abs(made - np.clip((soft - 0.02) / 0.96, 0, 1)).mean() < 0.02


def _soft_composite() -> tuple[Floats, Floats, Floats]:
    """Picture, matte and foreground: a ball so far out of focus that its edge is 60 pixels wide."""
    matte = np.zeros((300, 400), np.float32)
    cv2.circle(matte, (200, 150), 90, 1.0, -1)
    matte = cv2.GaussianBlur(matte, (0, 0), 15)
    rough = np.random.default_rng(5).random((9, 12), np.float32)
    grain = cv2.resize(rough, (400, 300), interpolation=cv2.INTER_CUBIC)[..., None]
    front = np.array([1, 0.6, 0.2], np.float32) * (0.7 + 0.3 * grain)
    back = np.array([0.1, 0.4, 0.9], np.float32) * (0.7 + 0.3 * grain[::-1])
    mixed = matte[..., None] * front + (1 - matte[..., None]) * back
    return np.rint(mixed * 255).astype(np.float32) / 255, matte, front


def test_a_soft_edge_stays_soft() -> None:
    picture, matte, _ = _soft_composite()
    made = refinement(picture, matte).strip(picture, 0, 300)
    assert np.abs(made - matte)[(matte > 0.02) & (matte < 0.98)].mean() < 0.03


def test_the_colours_of_a_soft_edge_are_the_foregrounds() -> None:
    picture, matte, truth = _soft_composite()
    made, edge = _foreground(picture, matte), (matte > 0.1) & (matte < 0.9)
    off = np.abs(made - truth)[edge].mean()
    assert off < 0.15 * np.abs(picture - truth)[edge].mean()


def _foreground(picture: Floats, matte: Floats) -> Floats:
    height, width = matte.shape
    colours = ForegroundColours(height, width)
    for top in range(0, height, 100):
        colours.add(picture[top : top + 100], matte[top : top + 100], top)
    strips = [
        colours.strip(picture[top : top + 130], matte[top : top + 130], top)
        for top in range(0, height, 130)
    ]
    return np.vstack(strips)


@pytest.mark.parametrize("size", [(480, 640), (1500, 2000)])
def test_no_halo_with_the_true_matte(size: tuple[int, int]) -> None:
    picture, matte, truth = _composite(*size)
    made = _foreground(picture, matte)
    edge = (matte > 0) & (matte < 1)
    assert np.array_equal(made[~edge], picture[~edge])

    def error(colours: Floats) -> float:
        total = 0.0
        for backdrop in BACKDROPS:
            behind = (1 - matte[..., None]) * np.array(backdrop, np.float32)
            laid, true = matte[..., None] * colours + behind, matte[..., None] * truth + behind
            total += float(np.abs(laid - true)[edge].mean())
        return total

    assert error(made) * 3 < error(picture)


def test_a_matte_without_edges_changes_no_colour() -> None:
    picture, matte, _ = _composite(100, 120)
    for value in (0, 1):
        assert np.array_equal(_foreground(picture, np.full_like(matte, value)), picture)


def test_the_edge_moves_and_keeps_both_ends() -> None:
    ramp = np.linspace(0, 1, 101, dtype=np.float32)
    assert np.array_equal(shifted(ramp, 0), ramp)
    for edge in (-1.0, -0.3, 0.4, 1.0):
        moved = shifted(ramp, edge)
        assert (moved[0], moved[-1]) == (0, 1)
        assert (np.diff(moved) >= 0).all()
        assert ((moved - ramp) * edge >= 0).all()
