"""Procedural pictures: what the words ask for, repeatable, any size, and no blank ones."""

from __future__ import annotations

import colorsys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.algorithms.colour_ramps import Ramp, colour, from_oklab, hexadecimal, to_oklab
from shared_core.algorithms.noise_fields import Field
from shared_core.algorithms.procedural import (
    MOST_PIXELS,
    TEXTURES,
    grained,
    names_texture,
    picture,
    working_size,
)
from shared_core.algorithms.prompt_words import (
    COLOURS,
    MATERIALS,
    Mood,
    colours_of_letters,
    read,
)


def _field(width: int, height: int, seed: int = 1) -> Field:
    return Field(width, height, np.random.Generator(np.random.PCG64(seed)))


@pytest.mark.parametrize("name", TEXTURES)
def test_every_texture_is_a_picture(name: str) -> None:
    pixels = picture(name, 160, 120, 3).pixels
    assert pixels.shape == (120, 160, 3)
    assert pixels.dtype == np.float32
    assert pixels.min() >= 0
    assert pixels.max() <= 1
    assert pixels.std() > 0.015


def test_every_word_leads_to_a_texture() -> None:
    assert set(MATERIALS) == set(TEXTURES)
    for name, words in MATERIALS.items():
        for word in words.split():
            if word not in COLOURS and "-" not in word:
                assert [wish.texture for wish in read(word).wishes] == [name], word


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("hue", ["red", "green", "blue"])
def test_a_named_colour_is_seen(name: str, hue: str) -> None:
    pixels = picture(f"{hue} {name}", 96, 96, 5).pixels
    means = pixels.reshape(-1, 3).mean(axis=0)
    wanted = np.array(colour(COLOURS[hue]))
    # The channel that the colour has most of is at least never the weakest.
    assert means[wanted.argmax()] > means.min(), means
    if name not in ("clouds", "bokeh", "bricks", "tiles", "stars"):
        assert means.argmax() == wanted.argmax(), means


def test_words_mean_what_they_say() -> None:
    plan = read("A DARK green marble, and a golden Sunset over the sea!")
    assert [wish.texture for wish in plan.wishes] == ["marble", "sunset", "water"]
    assert plan.wishes[0].colours[0][1] < colour(COLOURS["green"])[1]
    assert plan.wishes[1].colours == (colour(COLOURS["golden"]),)
    assert plan.wishes[2].colours == ()
    assert plan.mood == Mood()
    assert read("warm wood").mood.warmth > 0
    assert read("stripes in teal and gold").wishes[0].colours == (
        colour(COLOURS["teal"]),
        colour(COLOURS["gold"]),
    )
    assert read("sky blue").colours == (colour(COLOURS["sky blue"]),)
    assert read("woodpecker and starling").wishes == ()
    assert not names_texture("an astronaut")
    assert names_texture("an astronaut in space")


def test_a_sky_and_a_ground_meet_at_a_horizon() -> None:
    made = picture("blue sky over golden sand", 160, 120, 4)
    assert made.parameters["texture"] == "clouds over sand"
    top = made.pixels[:20].mean(axis=(0, 1))
    bottom = made.pixels[-20:].mean(axis=(0, 1))
    assert top[2] > top[0] + 0.1
    assert bottom[0] > bottom[2] + 0.1


def test_the_same_seed_gives_the_same_bits_and_another_does_not() -> None:
    first = picture("marble", 150, 90, 7).pixels
    np.testing.assert_array_equal(first, picture("marble", 150, 90, 7).pixels)
    assert np.abs(first - picture("marble", 150, 90, 8).pixels).mean() > 0.01


def test_unknown_words_give_colours_of_their_own_and_say_so() -> None:
    one, other = picture("an astronaut", 80, 60, 1), picture("a library", 80, 60, 1)
    assert one.parameters["words_known"] == "none"
    assert one.parameters["colours"] != other.parameters["colours"]
    assert colours_of_letters("An  Astronaut") == colours_of_letters("an astronaut")
    lightness = to_oklab(colours_of_letters("an astronaut"))[:, 0]
    assert (np.diff(lightness) > 0).all()


def test_given_colours_serve_where_the_prompt_names_none() -> None:
    blue = (0.1, 0.2, 0.9)
    assert picture("silk", 64, 64, 1, colours=[blue]).parameters["colours"] == hexadecimal(blue)
    named = picture("red silk", 64, 64, 1, colours=[blue]).parameters["colours"]
    assert named == COLOURS["red"]


@settings(max_examples=60, deadline=None)
@given(
    prompt=st.one_of(st.text(max_size=40), st.sampled_from([f"red {name}" for name in TEXTURES])),
    width=st.integers(1, 70),
    height=st.integers(1, 70),
    seed=st.integers(0, 2**31 - 1),
)
def test_any_prompt_size_and_seed(prompt: str, width: int, height: int, seed: int) -> None:
    pixels = picture(prompt, width, height, seed).pixels
    assert pixels.shape == (height, width, 3)
    assert np.isfinite(pixels).all()


@pytest.mark.parametrize("name", TEXTURES)
@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 1), (300, 2), (2, 300)])
def test_every_texture_at_thin_sizes(name: str, size: tuple[int, int]) -> None:
    pixels = picture(name, *size, 1).pixels
    assert pixels.shape == (size[1], size[0], 3)
    assert np.isfinite(pixels).all()


def test_large_places_are_drawn_small() -> None:
    for width, height in ((8000, 6000), (60000, 10), (10, 60000), (4000, 3000)):
        made = working_size(width, height)
        assert made[0] * made[1] <= MOST_PIXELS * 1.01
        assert max(made) <= 8192
        if min(made) > 20:
            assert made[0] / made[1] == pytest.approx(width / height, rel=0.02)
    assert working_size(640, 480) == (640, 480)


def test_noise_has_no_mean_no_grid_and_the_size_asked_for() -> None:
    field = _field(256, 256)
    rough, fine = field.noise(0.5, 3), field.noise(0.02, 3)
    for noise in (rough, fine):
        assert abs(float(noise.std()) - 1) < 1e-4
        assert abs(float(noise.mean())) < 0.2
    assert np.abs(np.diff(rough)).mean() < 0.3 * np.abs(np.diff(fine)).mean()
    long = field.noise(0.05, 3, (8, 1))
    assert np.abs(np.diff(long, axis=1)).mean() < 0.4 * np.abs(np.diff(long, axis=0)).mean()


def test_cells_equal_a_search_over_all_points() -> None:
    field = _field(60, 45, seed=9)
    nearest, second, _own = field.cells(0.25)
    step = 0.25 * field.unit
    # The same random numbers, and every point tried.
    y = np.arange(45, dtype=np.float32) / np.float32(step) + 1
    x = np.arange(60, dtype=np.float32) / np.float32(step) + 1
    shape = int(y[-1]) + 3, int(x[-1]) + 3
    random = np.random.Generator(np.random.PCG64(9))
    points = random.random((*shape, 2), dtype=np.float32) * np.float32(0.9)
    rows, columns = np.indices(shape)
    at = np.stack([points[..., 0] + columns, points[..., 1] + rows], axis=-1).reshape(-1, 2)
    away = np.hypot(x[None, :, None] - at[:, 0], y[:, None, None] - at[:, 1])
    away.sort(axis=2)
    np.testing.assert_allclose(nearest, away[..., 0], atol=1e-4)
    assert (second >= nearest).all()
    assert np.abs(second - away[..., 1]).max() < 0.2


def test_light_falls_from_where_it_is_said_to() -> None:
    field = _field(64, 64)
    hill = np.exp(-((field.x - 0.5) ** 2 + (field.y - 0.5) ** 2) * 30).astype(np.float32)
    lit = field.light(hill, 0.5, angle=90)
    assert lit[20, 32] > 1.05
    assert lit[44, 32] < 0.95
    np.testing.assert_allclose(field.light(hill * 0, 0.5), 1)


def test_oklab_is_the_published_one() -> None:
    # Pairs from Ottosson's description: white, and red, green and blue of sRGB.
    published = {
        (1.0, 1.0, 1.0): (1.0, 0.0, 0.0),
        (1.0, 0.0, 0.0): (0.62796, 0.22486, 0.12585),
        (0.0, 1.0, 0.0): (0.86644, -0.23389, 0.17950),
        (0.0, 0.0, 1.0): (0.45201, -0.03246, -0.31153),
    }
    for rgb, lab in published.items():
        np.testing.assert_allclose(to_oklab(rgb)[0], lab, atol=2e-4)
    values = np.random.default_rng(1).random((50, 3))
    np.testing.assert_allclose(from_oklab(to_oklab(values)), values, atol=1e-4)


def test_a_ramp_begins_and_ends_with_its_colours() -> None:
    colours = Ramp(((0.1, 0.2, 0.3), (0.9, 0.8, 0.2)))
    np.testing.assert_allclose(
        colours(np.array([0.0, 1.0, -3.0, 7.0])),
        [colours.colours[0], colours.colours[1]] * 2,
        atol=1e-4,
    )
    hues = [colorsys.rgb_to_hsv(*c)[0] for c in colours.tinted([(0.1, 0.2, 0.9)]).colours]
    assert all(abs(hue - 0.65) < 0.08 for hue in hues), hues


def test_grain_is_faint_and_repeatable() -> None:
    flat = np.full((64, 64, 3), 0.5, np.float32)
    grain = grained(flat, 1, (0, 0), 0.01) - flat
    np.testing.assert_allclose(grain, grained(flat, 1, (0, 0), 0.01) - flat)
    assert 0.009 < grain.std() < 0.011
    assert np.ptp(grain, axis=2).max() < 1e-6
