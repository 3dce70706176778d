"""Colours between colours: ramps through a few of them, mixed in a space of even steps.

Mixing, tinting and ordering are done in Oklab (Ottosson, "A perceptual color space for image
processing", 2020), so that the middle between two colours is neither grey nor dark.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..curves import decode, encode

Floats = NDArray[np.float32]
Colour = tuple[float, float, float]

_STEPS = 1024
_TO_CONES = np.array(
    [
        [0.4122214708, 0.5363325363, 0.0514459929],
        [0.2119034982, 0.6806995451, 0.1073969566],
        [0.0883024619, 0.2817188376, 0.6299787005],
    ]
)
_TO_LAB = np.array(
    [
        [0.2104542553, 0.7936177850, -0.0040720468],
        [1.9779984951, -2.4285922050, 0.4505937099],
        [0.0259040371, 0.7827717662, -0.8086757660],
    ]
)


def to_oklab(rgb: Any) -> NDArray[np.float64]:
    """sRGB-encoded 0..1 as Oklab, (..., 3): lightness 0..1, green to red, blue to yellow."""
    linear = decode(np.ascontiguousarray(np.atleast_2d(rgb), np.float32)).astype(np.float64)
    return np.asarray(np.cbrt(linear @ _TO_CONES.T) @ _TO_LAB.T)


def from_oklab(lab: Any) -> Floats:
    """The inverse of ``to_oklab``, clipped to 0..1."""
    cones = (np.atleast_2d(lab) @ np.linalg.inv(_TO_LAB).T) ** 3
    linear = np.clip(cones @ np.linalg.inv(_TO_CONES).T, 0, 1)
    return encode(np.ascontiguousarray(linear, np.float32))


@dataclass(frozen=True)
class Ramp:
    """Colours along 0..1, sRGB-encoded, evenly spaced."""

    colours: tuple[Colour, ...]

    def __call__(self, at: NDArray[Any]) -> Floats:
        """The colours at ``at`` (any shape), clipped to 0..1: that shape and a channel axis."""
        table = self.table()
        index = np.clip(at * np.float32(_STEPS - 1), 0, _STEPS - 1).astype(np.int16)
        return np.asarray(table[index])

    def table(self) -> Floats:
        """The ramp in even steps, float32 (1024, 3)."""
        lab = to_oklab(self.colours)
        places = np.linspace(0, 1, len(lab))
        steps = np.linspace(0, 1, _STEPS)
        return from_oklab(np.stack([np.interp(steps, places, plane) for plane in lab.T], axis=1))

    def tinted(
        self, colours: Sequence[Colour], body: float = 0.5, keep_light: bool = False
    ) -> Ramp:
        """The ramp in other colours.

        One colour gives its hue to all steps and moves their lightness so that it comes to lie at
        ``body`` (0..1), with ``keep_light`` less and less towards the light end; several take the
        ramp's place, the darkest first.
        """
        if not colours:
            return self
        wanted = to_oklab(colours)
        if len(colours) > 1:
            ordered = wanted[np.argsort(wanted[:, 0], kind="stable")]
            return Ramp(_tuples(from_oklab(ordered)))
        lab = to_oklab(self.colours)
        share = np.linspace(1, 0, len(lab)) if keep_light else np.ones(len(lab))
        middle = np.interp(body, np.linspace(0, 1, len(lab)), lab[:, 0])
        lab[:, 0] = np.clip(lab[:, 0] + 0.85 * share * (wanted[0, 0] - middle), 0.06, 0.98)
        # Towards black and white there is less room for colour.
        room = np.clip(1.1 - 1.3 * np.abs(lab[:, 0] - wanted[0, 0]), 0.2, 1) * share
        lab[:, 1:] = wanted[0, 1:] * room[:, None]
        return Ramp(_tuples(from_oklab(lab)))

    def extended(self) -> Ramp:
        """The ramp with a darker colour before its first and a lighter one after its last."""
        lab = to_oklab(self.colours)
        ends = lab[[0, -1]] * [[0.55, 0.8, 0.8], [1, 0.5, 0.5]]
        ends[1, 0] += 0.6 * (1 - ends[1, 0])
        return Ramp(_tuples(from_oklab(np.concatenate([ends[:1], lab, ends[1:]]))))

    def adjusted(self, lightness: float = 0.0, chroma: float = 1.0, warmth: float = 0.0) -> Ramp:
        """The ramp lighter by ``lightness``, more colourful by ``chroma``, and warmer."""
        lab = to_oklab(self.colours)
        lab[:, 0] = np.clip(lab[:, 0] + lightness, 0.03, 0.99)
        lab[:, 1:] *= chroma
        lab[:, 1] += 0.3 * warmth
        lab[:, 2] += warmth
        return Ramp(_tuples(from_oklab(lab)))


def ramp(*colours: str) -> Ramp:
    """A ramp of colours in hexadecimal digits, such as "1e2a3c"."""
    return Ramp(tuple(colour(text) for text in colours))


def colour(digits: str) -> Colour:
    """A colour of six hexadecimal digits, 0..1."""
    red, green, blue = bytes.fromhex(digits)
    return red / 255, green / 255, blue / 255


def hexadecimal(value: Sequence[float]) -> str:
    """A colour as six hexadecimal digits."""
    return bytes(round(255 * min(1.0, max(0.0, float(part)))) for part in value).hex()


def _tuples(rgb: Floats) -> tuple[Colour, ...]:
    return tuple((float(r), float(g), float(b)) for r, g, b in rgb)
