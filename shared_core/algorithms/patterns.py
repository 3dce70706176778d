"""Regular patterns: stripes, dots, checks, bricks and tiles, each in a ramp of colours.

Every function takes the field to draw on and a ramp, dark to light, and gives sRGB-encoded colours
(height, width, 3) around 0..1.
"""

from __future__ import annotations

import numpy as np

from .colour_ramps import Ramp
from .noise_fields import Field, Floats, level, smooth


def stripes(field: Field, colours: Ramp) -> Floats:
    """Even stripes in the ramp's own colours, slanted or upright by chance."""
    angle = field.random.choice([0.0, 0.0, np.pi / 4, -np.pi / 4])
    along = field.x * np.cos(angle) + field.y * np.sin(angle)
    return _flat(field, colours, along * 9)


def dots(field: Field, colours: Ramp) -> Floats:
    """Round dots in offset rows on a plain ground."""
    rows = field.y * 9
    columns = field.x * 9 + 0.5 * np.mod(np.floor(rows), 2)
    away = np.hypot(np.mod(columns, 1) - 0.5, np.mod(rows, 1) - 0.5).astype(np.float32)
    edge = 9 / field.unit
    inside = smooth(0.3 - away, -edge, edge)
    return _grained(field, colours(inside))


def checks(field: Field, colours: Ramp) -> Floats:
    """Woven checks: two sets of stripes laid over each other."""
    wide = (_edged(field.x * 8, 8 / field.unit) + _edged(field.y * 8, 8 / field.unit)) / 2
    return _grained(field, colours(wide.astype(np.float32)))


def bricks(field: Field, colours: Ramp) -> Floats:
    """A wall in running bond, every brick of its own shade."""
    wobble = 0.0016 * field.noise(0.05, 2.5), 0.0016 * field.noise(0.05, 2.5)
    row = np.floor((field.y + wobble[1]) * 13)
    column = (field.x + wobble[0]) * 5.2 + 0.5 * np.mod(row, 2)
    to_edge = np.minimum(
        0.5 - np.abs(np.mod(column, 1) - 0.5),
        (0.5 - np.abs(np.mod((field.y + wobble[1]) * 13, 1) - 0.5)) * 0.4,
    )
    face = smooth(to_edge.astype(np.float32), 0.022, 0.05)
    shades = field.random.random((31, 37), dtype=np.float32)
    own = shades[np.mod(row, 31).astype(np.intp), np.mod(np.floor(column), 37).astype(np.intp)]
    rough = field.noise(0.02, 1.5)
    lit = field.light(face * 0.5 + 0.1 * rough, 0.006, rise=42)
    tone = 0.2 + 0.45 * own + 0.05 * rough + 0.06 * field.noise(0.4, 3)
    mortar = np.array([0.72, 0.7, 0.66], np.float32) * (0.9 + 0.05 * rough)[..., None]
    wall = mortar + face[..., None] * (colours(tone) - mortar)
    return np.asarray(wall * (0.6 + 0.4 * lit)[..., None], np.float32)


def tiles(field: Field, colours: Ramp) -> Floats:
    """Glazed square tiles with joints."""
    columns, rows = field.x * 7, field.y * 7
    to_edge = np.minimum(
        0.5 - np.abs(np.mod(columns, 1) - 0.5), 0.5 - np.abs(np.mod(rows, 1) - 0.5)
    ).astype(np.float32)
    face = smooth(to_edge, 0.015, 0.06)
    shades = field.random.random((31, 37), dtype=np.float32)
    own = shades[
        np.mod(np.floor(rows), 31).astype(np.intp), np.mod(np.floor(columns), 37).astype(np.intp)
    ]
    glaze = field.noise(0.25, 3)
    lit = field.light(face + 0.03 * glaze, 0.02, rise=42)
    tone = 0.3 + 0.4 * own + 0.07 * glaze + 0.08 * level(field.noise(0.05, 2))
    joint = np.array([0.82, 0.81, 0.78], np.float32)
    made = joint + face[..., None] * (colours(tone) - joint)
    return np.asarray(made * (0.55 + 0.45 * lit)[..., None], np.float32)


def _flat(field: Field, colours: Ramp, along: Floats) -> Floats:
    """Bands of equal width, one for each colour of the ramp in turn."""
    own = np.asarray(colours.colours, np.float32)
    along = np.broadcast_to(along, (field.height, field.width))
    number = np.mod(np.floor(along), len(own)).astype(np.intp)
    edge = smooth(np.mod(along, 1).astype(np.float32), 1 - 12 / field.unit, 1.0)
    following = own[np.mod(number + 1, len(own))]
    return _grained(field, own[number] + edge[..., None] * (following - own[number]))


def _edged(along: Floats, width: float) -> Floats:
    """0 and 1 in turn, with a soft edge of ``width``."""
    at = np.abs(np.mod(along, 1) - 0.5)
    return smooth(0.25 - at, -width, width)


def _grained(field: Field, colours: Floats) -> Floats:
    """The faint unevenness of a print on paper."""
    print_ = 1 + 0.018 * field.noise(0.01, 1.2) + 0.02 * field.noise(0.6, 3)
    return np.asarray(colours * print_[..., None], np.float32)
