"""The colours, materials and moods that a procedural picture knows, as found in a prompt."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from .colour_ramps import Colour, Ramp, colour, from_oklab

COLOURS = {
    "amber": "ffbf00", "apricot": "fbb07a", "aqua": "3fd0d4", "aquamarine": "6fe0c0",
    "azure": "2f86e0", "beige": "e6d8b8", "black": "161616", "blue": "2456c8",
    "blush": "eab8b5", "bronze": "9c6a35", "brown": "6b4423", "burgundy": "6d1028",
    "caramel": "b8763a", "charcoal": "3a3f44", "cherry": "a81232", "chocolate": "4a2a18",
    "cobalt": "1a47ae", "copper": "b5693c", "coral": "fa7a62", "cream": "f6ecd2",
    "crimson": "b8102e", "cyan": "19bfd3", "denim": "3b5f8f", "ebony": "241f1c",
    "emerald": "17925a", "fuchsia": "d6279a", "gold": "d4a52a", "golden": "d9ab38",
    "gray": "808488", "green": "2f8f3e", "grey": "808488", "indigo": "3b2a8c",
    "ivory": "f5efdd", "jade": "2fa37a", "khaki": "b3a36a", "lavender": "b9a4e0",
    "lemon": "f5e04a", "lilac": "c3a0d6", "lime": "a4d232", "magenta": "cf1f8f",
    "maroon": "6e1420", "mauve": "a97a9c", "mint": "a8e6c6", "mustard": "cfa022",
    "navy": "14254f", "ochre": "bf8a2e", "olive": "74762c", "orange": "f07c1c",
    "orchid": "c66bc4", "peach": "f8bf9a", "petrol": "0f5566", "pink": "f08bb0",
    "plum": "6f2f63", "purple": "6a2c9e", "red": "cc2222", "rose": "e0607e",
    "ruby": "9e1036", "rust": "a8471c", "sage": "9aae8c", "salmon": "f58e78",
    "sapphire": "14409a", "scarlet": "d62718", "sepia": "704a2a", "silver": "b4b8bc",
    "slate": "55636f", "tan": "c8a578", "taupe": "8a7a6a", "teal": "0e7f80",
    "terracotta": "c0603c", "turquoise": "2cc0b4", "ultramarine": "2432a0",
    "umber": "5d4126", "vanilla": "f3e5ab", "vermilion": "de4a24", "violet": "6f3bb8",
    "white": "f8f8f6", "wine": "661a2c", "yellow": "f4ce22",
    "sky blue": "84bfe8", "ice blue": "c4e2f0", "forest green": "22502c",
    "sand color": "dcc294", "midnight blue": "141c44", "rose gold": "d89a86",
    "navy blue": "14254f", "royal blue": "2448b8", "baby blue": "a8d0f0", "hot pink": "f0408c",
    "off white": "f3efe4", "sea green": "2f8f78", "blood red": "7c0c10",
}  # fmt: skip

MATERIALS = {
    "gradient": "gradient gradients blend ombre backdrop studio abstract",
    "marble": "marble marbled onyx alabaster agate",
    "stone": "stone stones stony rock rocks rocky granite cliff cliffs concrete slate gravel cave "
    "asphalt cement basalt canyon",
    "sand": "sand sandy desert dune dunes beach",
    "wood": "wood wooden timber plank planks board boards oak walnut pine mahogany table desk",
    "grass": "grass grassy meadow lawn moss mossy field fields pasture",
    "clouds": "cloud clouds cloudy sky skies heaven",
    "sunset": "sunset sundown dusk sunrise dawn evening twilight",
    "water": "water watery sea ocean lake river pool wave waves underwater lagoon pond",
    "fabric": "fabric cloth linen canvas cotton textile burlap wool jute tweed denim",
    "silk": "silk silky satin velvet drapery drape curtain curtains folds",
    "metal": "metal metallic steel iron aluminium aluminum chrome brass tin titanium",
    "paper": "paper parchment cardboard papyrus page old-paper vintage",
    "leather": "leather hide skin suede",
    "fire": "fire fiery flame flames burning lava blaze inferno hell ember embers",
    "ice": "ice icy frozen frost frosty glacier crystal",
    "snow": "snow snowy winter snowfield",
    "stars": "star stars starry space galaxy galaxies nebula cosmos cosmic universe night",
    "mist": "mist misty fog foggy smoke smoky haze hazy steam vapor vapour",
    "bokeh": "bokeh lights glitter sparkle sparkles party festive christmas lanterns",
    "mountains": "mountain mountains mountainous hill hills hilly alps peak peaks valley landscape",
    "forest": "forest forests woods wood-land woodland jungle trees tree",
    "stripes": "stripe stripes striped lines bands",
    "dots": "dot dots dotted polka spots spotted",
    "checks": "check checks checked checkered chequered gingham plaid tartan",
    "bricks": "brick bricks brickwork masonry",
    "tiles": "tile tiles tiled mosaic ceramic bathroom",
}
_TEXTURE_OF = {word: name for name, words in MATERIALS.items() for word in words.split()}


@dataclass(frozen=True)
class Mood:
    """Changes to a ramp: lighter, more colourful, warmer."""

    lightness: float = 0.0
    chroma: float = 1.0
    warmth: float = 0.0

    def of(self, ramp: Ramp) -> Ramp:
        """The ramp in this mood."""
        return ramp.adjusted(self.lightness, self.chroma, self.warmth)


MOODS = {
    "dark": Mood(-0.16), "deep": Mood(-0.1, 1.1), "gloomy": Mood(-0.18, 0.7),
    "moody": Mood(-0.14, 0.85), "dim": Mood(-0.14, 0.9), "light": Mood(0.12, 0.9),
    "pale": Mood(0.14, 0.65), "pastel": Mood(0.15, 0.65), "soft": Mood(0.06, 0.85),
    "bright": Mood(0.08, 1.2), "vivid": Mood(0, 1.4), "vibrant": Mood(0, 1.4),
    "saturated": Mood(0, 1.4), "colorful": Mood(0, 1.4), "colourful": Mood(0, 1.4),
    "neon": Mood(0.05, 1.6), "muted": Mood(0, 0.6), "dull": Mood(0, 0.6),
    "faded": Mood(0.08, 0.55), "warm": Mood(0, 1, 0.035), "cold": Mood(0, 1, -0.035),
    "cool": Mood(0, 1, -0.03), "sunny": Mood(0.05, 1.1, 0.02),
}  # fmt: skip


@dataclass(frozen=True)
class Wish:
    """One texture that is asked for, in its colours, from left to right as they were said."""

    texture: str
    colours: tuple[Colour, ...] = ()


@dataclass(frozen=True)
class Plan:
    """What a prompt asks for, as far as its words are known; nothing where none is."""

    wishes: tuple[Wish, ...]
    colours: tuple[Colour, ...]
    mood: Mood
    words: tuple[str, ...]


def read(prompt: str) -> Plan:
    """The textures, colours and moods in ``prompt``.

    A colour belongs to the next texture, and after the last texture to that one.
    """
    wishes: list[Wish] = []
    loose: list[Colour] = []
    mood = Mood()
    shade: Mood | None = None
    known: list[str] = []
    for word, following in _pairs(prompt):
        if word in MOODS:
            known.append(word)
            if following in COLOURS:
                shade = MOODS[word]
            else:
                mood = _both(mood, MOODS[word])
        elif word in COLOURS:
            known.append(word)
            named = Ramp((colour(COLOURS[word]),))
            loose += shade.of(named).colours if shade else named.colours
            shade = None
        if word in _TEXTURE_OF and word not in COLOURS:
            known.append(word)
            name = _TEXTURE_OF[word]
            if name not in [wish.texture for wish in wishes]:
                wishes.append(Wish(name, tuple(loose)))
                loose = []
    if wishes and loose:
        wishes[-1] = replace(wishes[-1], colours=(*wishes[-1].colours, *loose))
        loose = []
    return Plan(tuple(wishes), tuple(loose), mood, tuple(dict.fromkeys(known)))


def colours_of_letters(prompt: str) -> tuple[Colour, ...]:
    """Four colours that go together, the same for the same prompt."""
    digest = hashlib.sha256(" ".join(prompt.split()).casefold().encode()).digest()
    hue = digest[0] / 256 * 2 * math.pi
    spread = 0.5 + digest[1] / 256
    chroma = 0.07 + 0.06 * digest[2] / 256
    lab = []
    for lightness, turn in ((0.3, 0.0), (0.52, 0.4), (0.74, 0.8), (0.9, 1.4)):
        at = hue + turn * spread
        # Shadows turn to blue, or a yellow one would be olive.
        cold = max(0.0, 0.7 - lightness) * 0.15
        lab.append((lightness, chroma * math.cos(at), chroma * math.sin(at) - cold))
    return tuple((float(r), float(g), float(b)) for r, g, b in from_oklab(lab))


def _pairs(prompt: str) -> Iterator[tuple[str, str]]:
    """Each word, colours of two words as one, and the word after it."""
    words = re.findall(r"[a-z]+", prompt.casefold())
    joined: list[str] = []
    for word in words:
        if joined and f"{joined[-1]} {word}" in COLOURS:
            joined[-1] = f"{joined[-1]} {word}"
        else:
            joined.append(word)
    return zip(joined, [*joined[1:], ""], strict=False)


def _both(one: Mood, other: Mood) -> Mood:
    return Mood(
        one.lightness + other.lightness, one.chroma * other.chroma, one.warmth + other.warmth
    )
