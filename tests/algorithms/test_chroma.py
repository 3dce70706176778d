"""Lightness and colour apart and together, against CIE's formulas in double precision."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms import chroma, chroma_field, palettes

# CIE 15 and IEC 61966-2-1, written down apart from the code under test.
_MATRIX = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)


def lab(rgb: NDArray[Any]) -> NDArray[np.float64]:
    """L*, a*, b* of sRGB-encoded 0..1, in double precision."""
    rgb = np.asarray(rgb, np.float64)
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = linear @ _MATRIX.T / _MATRIX.sum(axis=1)
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _colours(seed: int = 0) -> NDArray[np.float32]:
    cube = np.random.default_rng(seed).random((300, 300, 3), np.float32)
    cube[:20] **= 6
    cube[20:40] = 1 - cube[20:40] ** 6
    cube[0, :8] = [[r, g, b] for r in (0, 1) for g in (0, 1) for b in (0, 1)]
    return cube


def test_lightness_and_chroma_are_exact() -> None:
    rgb = _colours()
    expected = lab(rgb)
    assert np.abs(100 * chroma.lightness(rgb) - expected[..., 0]).max() < 1e-4
    assert np.abs(chroma.chroma(rgb) - expected[..., 1:]).max() < 1e-3


def test_there_and_back_within_two_steps_of_sixteen_bits() -> None:
    rgb = _colours()
    back = chroma.with_chroma(chroma.luminance(rgb), chroma.chroma(rgb))
    assert np.abs(back - rgb).max() * 65535 < 2


def test_lightness_stays_whatever_the_chroma() -> None:
    rgb = _colours()
    wanted = np.random.default_rng(1).uniform(-150, 150, (300, 300, 2)).astype(np.float32)
    made = chroma.with_chroma(chroma.luminance(rgb), wanted)
    assert made.min() >= 0
    assert made.max() <= 1
    before = lab(rgb)[..., 0]
    assert np.abs(lab(made)[..., 0] - before).max() < 1e-4
    # Rounded to a step of 16 bits it is off by no more than that step is in lightness.
    rounded = np.rint(made.astype(np.float64) * 65535) / 65535
    assert np.abs(lab(rounded)[..., 0] - before).max() < 1.5e-3


def test_colours_that_the_screen_has_are_as_asked_and_others_keep_their_direction() -> None:
    rgb = _colours()
    wanted = np.random.default_rng(2).uniform(-80, 80, (300, 300, 2)).astype(np.float32)
    made = chroma.with_chroma(chroma.luminance(rgb), wanted)
    found = lab(made)[..., 1:]
    inside = (made.min(axis=2) > 1e-3) & (made.max(axis=2) < 1 - 1e-3)
    assert 0.2 < inside.mean() < 0.9
    assert np.abs(found - wanted)[inside].max() < 1e-2
    # Drawn to the very border of the gamut, not further.
    border = np.minimum(made.min(axis=2), 1 - made.max(axis=2))[~inside]
    assert border.max() < 1.1e-3
    # Never more colour than asked, and never the opposite one.
    assert (np.hypot(*found.transpose(2, 0, 1)) < np.hypot(*wanted.transpose(2, 0, 1)) + 8).all()
    assert ((found * wanted).sum(axis=2) > -1e-3).all()


def test_grey_without_chroma_stays_grey_to_the_bit() -> None:
    levels = np.arange(65536, dtype=np.float32) / np.float32(65535)
    grey = np.repeat(levels[None, :, None], 3, axis=2)
    made = chroma.with_chroma(chroma.luminance(grey), np.zeros((1, 65536, 2), np.float32))
    assert (made[..., 0] == made[..., 1]).all()
    assert (made[..., 0] == made[..., 2]).all()
    assert (np.rint(made[0, :, 0] * 65535) == np.arange(65536)).all()
    assert np.abs(chroma.chroma(grey)).max() < 1e-3


def test_grey_of_a_colour_has_its_lightness() -> None:
    rgb = _colours()
    grey = np.repeat(chroma.grey(rgb)[..., None], 3, axis=2)
    assert np.abs(lab(grey)[..., 0] - lab(rgb)[..., 0]).max() < 1e-4


# ---------------------------------------------------------------- the field of colours


def _two_halves(height: int, width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    lightness = np.full((height, width), 0.3, np.float32)
    lightness[:, width // 2 :] = 0.8
    colours = np.zeros((height, width, 2), np.float32)
    colours[:, : width // 2] = (40, -20)
    colours[:, width // 2 :] = (-10, 50)
    return lightness, colours


def test_colours_do_not_bleed_over_an_edge_that_the_small_picture_splits() -> None:
    lightness, colours = _two_halves(160, 168)
    # The edge lies in the middle of a small pixel: 21 of them, 8 wide.
    small = lightness.reshape(20, 8, 21, 8).mean(axis=(1, 3))
    small_colours = colours.reshape(20, 8, 21, 8, 2).mean(axis=(1, 3))
    field = chroma_field.ChromaField(small, small_colours)
    error = np.abs(field.strip(lightness, 0, 160) - colours).max(axis=2)
    plain = np.abs(cv2.resize(small_colours, (168, 160)) - colours).max(axis=2)
    assert error.mean() < 0.5 * plain.mean()
    assert error[:, 74:94].mean() < 0.5 * plain[:, 74:94].mean()


def test_an_even_field_is_that_everywhere() -> None:
    rng = np.random.default_rng(3)
    small = rng.random((30, 40), np.float32)
    field = chroma_field.ChromaField(small, np.full((30, 40, 2), (12.5, -3.0), np.float32))
    made = field.strip(rng.random((90, 70), np.float32), 0, 90)
    np.testing.assert_allclose(made, np.broadcast_to((12.5, -3.0), made.shape), atol=1e-4)


def test_a_highlight_does_not_turn_into_the_opposite_hue() -> None:
    lightness, colours = _two_halves(64, 64)
    field = chroma_field.ChromaField(lightness, colours)
    bright = np.full((64, 64), 1.0, np.float32)
    made = field.strip(bright, 0, 64)
    assert made[..., 0].min() >= -10 - 1e-3
    assert made[..., 1].max() <= 50 + 1e-3


@pytest.mark.parametrize("size", [(97, 131), (20, 300), (7, 5), (1, 1)])
def test_strips_join_without_a_seam(size: tuple[int, int]) -> None:
    height, width = size
    rng = np.random.default_rng(4)
    small = rng.random((16, 24), np.float32)
    field = chroma_field.ChromaField(small, rng.normal(0, 30, (16, 24, 2)).astype(np.float32))
    lightness = rng.random((height, width), np.float32)
    whole = field.strip(lightness, 0, height)
    parts = [field.strip(lightness[top : top + 10], top, height) for top in range(0, height, 10)]
    np.testing.assert_allclose(np.concatenate(parts), whole, atol=1e-3)


# ---------------------------------------------------------------- palettes


@pytest.mark.parametrize("name", palettes.PALETTES)
def test_palettes_are_smooth_and_leave_black_and_white(name: str) -> None:
    levels = np.linspace(0, 1, 4097, dtype=np.float32)[None]
    colours = palettes.palette(name, levels)
    assert np.abs(np.diff(colours, axis=1)).max() < 0.1
    grey = np.repeat(levels[..., None], 3, axis=2)
    made = chroma.with_chroma(
        chroma.luminance(grey), palettes.palette(name, chroma.lightness(grey))
    )
    assert (np.rint(made[0, [0, -1]] * 65535) == [[0] * 3, [65535] * 3]).all()


@pytest.mark.parametrize("saturation", [0.0, 1.0, 2.0])
@pytest.mark.parametrize("name", palettes.PALETTES)
def test_toning_by_table_equals_toning_itself(name: str, saturation: float) -> None:
    lightness = np.random.default_rng(3).random((64, 512), np.float32)
    lightness[0, :2] = 0, 1
    colours = palettes.palette(name, lightness) * np.float32(saturation)
    wanted = chroma.with_chroma(chroma.luminance_of(lightness), colours)
    made = palettes.toned(name, lightness, saturation)
    assert np.abs(lab(made)[..., 0] / 100 - lightness).max() < 1e-5
    # Dark colours are steep: a step of lightness is more than one of the table there.
    assert np.abs(made - wanted).max() < 2e-4


def _hue(name: str, lightness: float) -> tuple[float, float]:
    a, b = palettes.palette(name, np.full((1, 1), lightness, np.float32))[0, 0]
    return float(np.degrees(np.arctan2(b, a)) % 360), float(np.hypot(a, b))


@pytest.mark.parametrize(
    ("name", "lightness", "hues", "least", "most"),
    [
        ("sepia", 0.5, (45, 85), 15, 35),
        ("cyanotype", 0.3, (250, 290), 25, 45),
        ("cyanotype", 0.6, (240, 280), 15, 40),
        ("selenium", 0.3, (320, 360), 5, 15),
        ("gold", 0.25, (0, 40), 8, 20),
        ("gold", 0.85, (60, 95), 10, 25),
        ("platinum", 0.5, (50, 100), 3, 10),
        ("vandyke", 0.4, (40, 70), 20, 35),
        ("tinted", 0.6, (30, 70), 12, 30),
        ("tinted", 0.9, (180, 280), 2, 12),
    ],
)
def test_palettes_have_the_colours_of_their_processes(
    name: str, lightness: float, hues: tuple[float, float], least: float, most: float
) -> None:
    hue, strength = _hue(name, lightness)
    assert hues[0] <= hue <= hues[1]
    assert least <= strength <= most
