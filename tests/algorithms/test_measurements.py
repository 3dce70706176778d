"""The measured facts on pictures whose facts are known."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms.measurements import Tones, palette, sharpness

Floats = NDArray[np.float32]
DARK = (51 / 255, 26 / 255, 26 / 255)


def _tones(rgb: Floats, weight: Floats | None = None, strips: int = 1) -> Tones:
    tones = Tones()
    weight = np.ones(rgb.shape[:2], np.float32) if weight is None else weight
    for pixels, shares in zip(
        np.array_split(rgb, strips), np.array_split(weight, strips), strict=True
    ):
        tones.add(np.ascontiguousarray(pixels), np.ascontiguousarray(shares))
    return tones


def _filled(colour: tuple[float, float, float], side: int = 40) -> Floats:
    return np.full((side, side, 3), colour, np.float32)


def test_black_white_and_grey_are_what_they_are() -> None:
    white, black, grey = (_tones(_filled((v, v, v))) for v in (1.0, 0.0, 0.4663))
    assert white.brightness == pytest.approx(100, abs=0.1)
    assert black.brightness == pytest.approx(0, abs=0.1)
    # sRGB 0.4663 has the luminance 0.184, and L* = 116 x 0.184^(1/3) - 16.
    assert grey.brightness == pytest.approx(50, abs=0.2)
    assert (white.highlights_clipped, white.shadows_clipped) == (1, 0)
    assert (black.highlights_clipped, black.shadows_clipped) == (0, 1)
    assert grey.contrast == pytest.approx(0, abs=0.05)
    assert grey.colourfulness == pytest.approx(0, abs=0.01)


def test_contrast_and_colourfulness_by_the_formula() -> None:
    rng = np.random.default_rng(1)
    rgb = rng.random((60, 80, 3), dtype=np.float32)
    lightness = cv2.cvtColor(rgb, cv2.COLOR_RGB2LAB)[..., 0]
    red, green, blue = (rgb[..., n].astype(np.float64) * 255 for n in range(3))
    first, second = red - green, 0.5 * (red + green) - blue
    expected = np.hypot(first.std(), second.std()) + 0.3 * np.hypot(first.mean(), second.mean())
    for strips in (1, 7):
        tones = _tones(rgb, strips=strips)
        assert tones.contrast == pytest.approx(float(lightness.std()), rel=1e-3)
        assert tones.colourfulness == pytest.approx(float(expected), rel=1e-3)


def test_weight_decides_what_counts() -> None:
    rgb = np.concatenate([_filled((1, 1, 1)), _filled(DARK)])
    weight = np.concatenate([np.zeros((40, 40), np.float32), np.ones((40, 40), np.float32)])
    alone = _tones(rgb, weight, strips=4)
    plain = _tones(_filled(DARK))
    assert alone.brightness == pytest.approx(plain.brightness, rel=1e-6)
    assert alone.weight == 1600
    assert alone.palette() == plain.palette() == [("#331a1a", 1.0)]


def test_the_palette_finds_flat_colours_with_their_shares() -> None:
    colours = {"#1030c0": 50, "#f0e010": 30, "#20a040": 20}
    rgb = np.concatenate(
        [
            np.tile(np.array([int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)], np.float32), (n, 1))
            for c, n in colours.items()
        ]
    )
    found = palette(rgb, np.ones(100, np.float32))
    assert [share for _, share in found] == pytest.approx([0.5, 0.3, 0.2])
    for (text, _), wanted in zip(found, colours, strict=True):
        differences = [int(text[i : i + 2], 16) - int(wanted[i : i + 2], 16) for i in (1, 3, 5)]
        assert max(map(abs, differences)) <= 1


def test_sharpness_falls_with_blur_and_not_with_size_or_brightness(images: Path) -> None:
    rgb = cv2.imread(str(images / "chelsea.png"))
    if rgb is None:
        pytest.skip("chelsea.png is not among the pictures")
    sharp = np.ascontiguousarray(rgb[..., ::-1], np.float32) / 255
    values = [
        sharpness([sharp if not sigma else cv2.GaussianBlur(sharp, (0, 0), sigma)])
        for sigma in (0, 1, 2, 4)
    ]
    assert values == sorted(values, reverse=True)
    assert values[0] > values[-1] + 0.2
    assert sharpness([sharp * np.float32(0.5)]) == pytest.approx(values[0], abs=0.02)
    assert min(values) >= 0 and max(values) <= 1
    assert sharpness([_filled((0.5, 0.5, 0.5))]) == 0
