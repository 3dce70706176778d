"""A picture from the colour and texture words of a prompt: noise and patterns, no understanding.

The same prompt, size and seed give the same pixels.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from . import patterns, textures, vistas
from .colour_ramps import Colour, Ramp, hexadecimal, ramp
from .noise_fields import Field, Floats, smooth
from .prompt_words import Plan, Wish, colours_of_letters, read

MOST_PIXELS = 4_000_000
MOST_SIDE = 8192


@dataclass(frozen=True)
class Texture:
    """A texture, its own colours, and whether it can be a sky or a ground.

    ``body`` is where on the ramp most of it lies. A ``flat`` one has the colours of its ramp and
    none beyond; one that is ``white`` keeps its light parts white in any colour.
    """

    draw: Callable[[Field, Ramp], Floats]
    colours: Ramp
    place: str = ""
    body: float = 0.5
    flat: bool = False
    white: bool = False


TEXTURES = {
    "gradient": Texture(
        textures.gradient, ramp("2b3a67", "496a81", "66999b", "b3af8f", "ffc482"), flat=True
    ),
    "marble": Texture(
        textures.marble, ramp("3c3f45", "8e9196", "d3d2ce", "f4f2ed", "ffffff"), body=0.8
    ),
    "stone": Texture(textures.stone, ramp("2e2c2a", "6d6860", "a39b8f", "d6cfc2"), "ground"),
    "sand": Texture(textures.sand, ramp("6b4a2f", "b98a58", "e0bd8a", "f6e3bf"), "ground"),
    "wood": Texture(textures.wood, ramp("3a2012", "7a4a26", "b57f4a", "dcb27a")),
    "grass": Texture(textures.grass, ramp("132a0c", "2f5a1b", "6a9a32", "b5cf66"), "ground"),
    "water": Texture(
        textures.water, ramp("04354d", "0b6f8c", "35aebb", "9fe6de", "f2fffb"), "ground"
    ),
    "fabric": Texture(textures.fabric, ramp("5b5142", "a89a82", "d9ccb4", "f2e9d8")),
    "silk": Texture(textures.silk, ramp("1f0612", "6d1530", "b83353", "ee8fa0")),
    "metal": Texture(textures.metal, ramp("3b4046", "80878e", "b9bfc4", "eff2f4")),
    "paper": Texture(textures.paper, ramp("8a6a3f", "cdb183", "e9d9b5", "f7eedb"), body=0.75),
    "leather": Texture(textures.leather, ramp("1d0d06", "54290f", "8c4d22", "c58a52")),
    "fire": Texture(textures.fire, ramp("080203", "5e0d05", "d2380a", "fb9a1e", "fff2a8")),
    "ice": Texture(textures.ice, ramp("10405f", "3f86ab", "8cc5dc", "d8f0f6", "ffffff"), "ground"),
    "snow": Texture(
        textures.snow, ramp("4f6f9e", "a4bddb", "e3ecf5", "ffffff"), "ground", body=0.7
    ),
    "clouds": Texture(
        vistas.clouds,
        ramp("1f5fae", "5b9bdc", "b9d9f2", "e8eef4", "ffffff"),
        "sky",
        body=0.1,
        white=True,
    ),
    "sunset": Texture(vistas.sunset, ramp("1b1b45", "5b2a6d", "c0445f", "f58a43", "ffd27a"), "sky"),
    "stars": Texture(vistas.stars, ramp("04050d", "10163a", "49307e", "b2559a", "ffd9c4"), "sky"),
    "mist": Texture(vistas.mist, ramp("3d4650", "7d8790", "b9c0c4", "eceeee"), "sky"),
    "bokeh": Texture(vistas.bokeh, ramp("0b0f1e", "2b2346", "c0703a", "ffc36b", "fff0cf")),
    "mountains": Texture(
        vistas.mountains, ramp("101c2c", "2f4a66", "6f8fa9", "b9cbd6", "f6e7d6"), "sky"
    ),
    "forest": Texture(vistas.forest, ramp("0b1711", "2a4334", "64806c", "a9bcab", "e6ebe0")),
    "stripes": Texture(patterns.stripes, ramp("f3ead8", "2f5d7c", "f3ead8", "c8553d"), flat=True),
    "dots": Texture(patterns.dots, ramp("c8402f", "f8efe0"), flat=True),
    "checks": Texture(patterns.checks, ramp("a81c2c", "e8b8b0", "fbf6ec"), flat=True),
    "bricks": Texture(patterns.bricks, ramp("5f2417", "8f3b26", "b45a3b", "cf8a63")),
    "tiles": Texture(patterns.tiles, ramp("0d5c75", "2b8fa3", "7cc4c4", "d5ece4")),
}


@dataclass(frozen=True)
class Drawn:
    """A picture, float32 (height, width, 3) in 0..1, and how it came about."""

    pixels: Floats
    parameters: dict[str, Any]


def picture(
    prompt: str,
    width: int,
    height: int,
    seed: int,
    *,
    colours: Sequence[Colour] = (),
    most_pixels: int = MOST_PIXELS,
    between: Callable[[], None] = lambda: None,
) -> Drawn:
    """A picture for a place of ``width`` by ``height``, in its proportions and no larger.

    ``colours`` are taken where the prompt names none. Takes about 200 bytes for each of at most
    ``most_pixels``. Where no word is known, soft colours are made of the prompt's letters.
    ``between`` is called now and then, and may raise.
    """
    plan = read(prompt)
    field = Field(*working_size(width, height, most_pixels), _random(seed), between)
    wishes = _wishes(plan, prompt, colours)
    names = " over ".join(wish.texture for wish in wishes)
    if len(wishes) == 2:
        pixels = _landscape(field, wishes[0], wishes[1], plan)
    else:
        pixels = _drawn(field, wishes[0], plan)
    told: dict[str, Any] = {"texture": names, "words_known": " ".join(plan.words) or "none"}
    if wishes[0].colours:
        told["colours"] = " ".join(hexadecimal(value) for value in wishes[0].colours)
    return Drawn(np.clip(pixels, 0, 1).astype(np.float32), told)


def names_texture(prompt: str) -> bool:
    """Whether the prompt asks for a texture that is known."""
    return bool(read(prompt).wishes)


def working_size(width: int, height: int, most_pixels: int = MOST_PIXELS) -> tuple[int, int]:
    """The size to draw at: the same proportions, with limits to the pixels and each side."""
    shrunk = min(1.0, math.sqrt(most_pixels / (width * height)), MOST_SIDE / max(width, height))
    return max(1, round(width * shrunk)), max(1, round(height * shrunk))


def grained(rgb: Floats, seed: int, place: tuple[int, int], strength: float) -> Floats:
    """``rgb`` with fine grain of this standard deviation, so that no gradient shows steps."""
    random = np.random.Generator(np.random.PCG64([seed, *place]))
    # Evenly spread from -√3 to √3 standard deviations: as good as a bell here, and quick.
    grain = random.random(rgb.shape[:2], dtype=np.float32)
    grain -= np.float32(0.5)
    grain *= np.float32(math.sqrt(12) * strength)
    return np.asarray(cv2.add(rgb, cv2.merge([grain, grain, grain])), np.float32)


def _random(seed: int) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(seed))


def _wishes(plan: Plan, prompt: str, colours: Sequence[Colour]) -> tuple[Wish, ...]:
    """One texture, or a sky and a ground where both are asked for."""
    given = plan.colours or tuple(colours)
    if not plan.wishes:
        return (Wish("gradient", given or colours_of_letters(prompt)),)
    wishes = [Wish(w.texture, w.colours or tuple(colours)) for w in plan.wishes]
    skies = [wish for wish in wishes if TEXTURES[wish.texture].place == "sky"]
    grounds = [wish for wish in wishes if TEXTURES[wish.texture].place == "ground"]
    if skies and grounds:
        return skies[0], grounds[0]
    return (wishes[0],)


def _drawn(field: Field, wish: Wish, plan: Plan) -> Floats:
    texture = TEXTURES[wish.texture]
    colours = texture.colours.tinted(wish.colours, texture.body, keep_light=texture.white)
    if len(wish.colours) > 1 and not texture.flat:
        colours = colours.extended()
    return texture.draw(field, plan.mood.of(colours))


def _landscape(field: Field, sky: Wish, ground: Wish, plan: Plan) -> Floats:
    """``sky`` above a horizon, and ``ground`` as a plain that ends there in haze."""
    horizon = max(1, min(field.height - 1, round(field.height * field.random.uniform(0.46, 0.6))))
    if field.height < 8:
        return _drawn(field, sky, plan)
    above = _drawn(Field(field.width, horizon, field.random, field.between), sky, plan)
    plain = _drawn(field, ground, plan)
    rows = field.height - horizon
    nearness = (np.arange(rows, dtype=np.float32)[:, None] + 0.5) / rows
    depth = 1 / (0.07 + 0.93 * nearness)
    middle = field.width / 2
    columns = middle + (np.arange(field.width, dtype=np.float32)[None] - middle) * depth
    along = np.broadcast_to(field.height * (1.1 - 0.35 * depth), columns.shape)
    blurred = cv2.GaussianBlur(plain, (0, 0), max(0.8, field.unit * 0.006))
    near, far = (
        cv2.remap(
            source,
            np.ascontiguousarray(columns, np.float32),
            np.ascontiguousarray(along, np.float32),
            cv2.INTER_LINEAR,
            borderMode=cv2.BORDER_REFLECT_101,
        )
        for source in (plain, blurred)
    )
    share = smooth(depth, 1.5, 5.0)[..., None]
    below = near + share * (far - near)
    haze = above[-max(1, horizon // 12) :].mean(axis=(0, 1))
    light = above.mean(axis=(0, 1)) + haze
    below *= min(1.0, 0.35 + float(light.mean())) * (0.65 + 0.35 * light / light.max())
    below += (0.8 * smooth(depth, 2.0, 14.5) ** 1.2)[..., None] * (haze - below)
    return np.concatenate([above, below])
