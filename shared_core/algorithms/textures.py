"""Textures of materials, each from a few random fields and a ramp of colours.

Every function takes the field to draw on and a ramp, dark to light, and gives sRGB-encoded colours
(height, width, 3) around 0..1.
"""

from __future__ import annotations

import numpy as np

from .colour_ramps import Ramp
from .noise_fields import Field, Floats, level, ridges, smooth


def gradient(field: Field, colours: Ramp) -> Floats:
    """Soft fields of colour that run into each other."""
    angle = field.random.uniform(0, 2 * np.pi)
    along = np.cos(angle) * (field.across - 0.5) + np.sin(angle) * (field.down - 0.5)
    return colours(0.5 + 0.75 * along.astype(np.float32) + 0.13 * field.noise(0.9, 5))


def marble(field: Field, colours: Ramp) -> Floats:
    """Polished stone: cloudy, with veins of several widths that follow one direction."""
    bend = field.noise(0.7, 3)
    drift = 0.12 * bend, 0.12 * field.noise(0.7, 3)
    body = field.warped(field.noise(0.5, 2.2), *drift)
    tone = 0.8 + 0.1 * body
    for size, width, depth in ((0.55, 7.0, 0.75), (0.3, 14.0, 0.4), (0.16, 26.0, 0.25)):
        veins = field.warped(field.noise(size, 2.3, (1.7, 0.8)), *drift)
        tone -= depth * ridges(veins, width) * smooth(field.noise(0.4, 3), -0.6, 1.4)
    return colours(tone)


def stone(field: Field, colours: Ramp) -> Floats:
    """Rough rock in slanting light, with cracks."""
    cracks = ridges(field.noise(0.3, 2.1), 16) + 0.6 * ridges(field.noise(0.12, 2.1), 20)
    rough = field.noise(0.35, 1.9)
    relief = 0.05 * rough - 0.035 * cracks + 0.006 * field.noise(0.01, 1.5)
    lit = field.light(relief, 0.55, rise=40)
    tone = 0.42 + 0.1 * field.noise(0.25, 1.7) + 0.06 * field.noise(0.006, 1)
    return colours(tone - 0.12 * cracks) * (0.45 + 0.55 * lit)[..., None]


def sand(field: Field, colours: Ramp) -> Floats:
    """Wind ripples in low light, and grains."""
    bend = field.noise(0.8, 4.5)
    turns = 20 * field.y + 4 * field.x + 0.55 * bend + 0.16 * field.noise(0.14, 2.6, (2, 1))
    phase = turns * np.float32(2 * np.pi)
    ripple = np.sin(phase) + 0.3 * np.sin(2 * phase + 0.8)
    ripple *= 0.25 + 0.75 * level(field.noise(0.45, 3))
    lit = field.light(0.008 * ripple + 0.06 * bend, 0.75, angle=75, rise=38)
    tone = 0.28 + 0.34 * lit + 0.035 * field.noise(0.003, 0.5) + 0.06 * bend
    return colours(tone)


def wood(field: Field, colours: Ramp) -> Floats:
    """A board: growth rings cut lengthwise, fibres and pores."""
    middle = field.y - field.random.uniform(0.3, 0.7) * field.height / field.unit
    rings = np.hypot(
        middle + 0.05 * field.noise(0.8, 4, (4, 1)), 0.12 + 0.05 * field.noise(1.5, 4, (5, 1))
    )
    phase = 15 * rings + 0.12 * field.noise(0.25, 2.2, (10, 1))
    ring = np.mod(phase, 1).astype(np.float32)
    late = smooth(ring, 0.15, 0.9) * (1 - smooth(ring, 0.9, 1.0))
    fibres = field.noise(0.012, 1.3, (40, 1))
    pores = smooth(field.noise(0.004, 1.2, (22, 1)), 1.5, 2.6)
    tone = 0.72 - 0.42 * late + 0.075 * fibres + 0.06 * field.noise(0.6, 3, (3, 1)) - 0.3 * pores
    return colours(tone)


def grass(field: Field, colours: Ramp) -> Floats:
    """Blades in tufts that lean with the wind, light on the upper ones."""
    lean = 0.02 * field.noise(0.5, 4)
    still = np.zeros_like(lean)
    tone = 0.34 + 0.08 * field.noise(0.5, 2.5)
    relief = np.zeros_like(lean)
    for size, share in ((0.024, 0.11), (0.014, 0.1), (0.008, 0.09)):
        blades = field.noise(size, 2.0, (0.14, 2.2))
        relief += share * field.warped(blades, lean, still) * (0.6 + 0.4 * level(blades))
    lit = field.light(relief, 0.025, angle=60, rise=45)
    return colours(tone + 1.2 * relief) * (0.6 + 0.4 * lit)[..., None]


def water(field: Field, colours: Ramp) -> Floats:
    """Clear water over light ground, with the net of light that waves throw."""
    drift = 0.03 * field.noise(0.25, 3), 0.03 * field.noise(0.25, 3)
    net = np.zeros((field.height, field.width), np.float32)
    for size, share in ((0.12, 0.7), (0.07, 0.45)):
        net += share * ridges(field.warped(field.noise(size, 3.2), *drift), 5.5)
    tone = 0.4 + 0.13 * field.warped(field.noise(0.5, 3), *drift) + 0.12 * (field.down - 0.5)
    return colours(tone + 0.42 * net * (0.6 + 0.4 * level(field.noise(0.4, 3))))


def fabric(field: Field, colours: Ramp) -> Floats:
    """Plain weave of uneven threads."""
    threads = min(110.0, 0.2 * field.unit)
    wobble = 0.0011 * field.noise(0.06, 2), 0.0011 * field.noise(0.06, 2)
    turns = np.float32(np.pi * threads)
    warp = np.sin((field.x + wobble[0]) * turns)
    weft = np.sin((field.y + wobble[1]) * turns)
    over = np.sign(warp * weft)
    relief = np.where(over > 0, np.abs(warp), np.abs(weft))
    slubs = 0.5 * field.noise(0.01, 1.2, (12, 0.6)) * (over < 0)
    slubs = slubs + 0.5 * field.noise(0.01, 1.2, (0.6, 12)) * (over > 0)
    folds = field.noise(0.6, 4)
    return colours(0.3 + 0.3 * relief + 0.07 * slubs + 0.05 * folds)


def silk(field: Field, colours: Ramp) -> Floats:
    """Smooth cloth in folds, with a sheen."""
    drift = 0.1 * field.noise(0.6, 4), 0.1 * field.noise(0.6, 4)
    folds = field.warped(field.noise(0.35, 4, (0.7, 2.2)), *drift)
    lit = field.light(folds, 0.09, angle=150, rise=42)
    sheen = smooth(lit, 1.0, 1.38) ** 2
    return colours(0.08 + 0.52 * lit) + 0.3 * sheen[..., None]


def metal(field: Field, colours: Ramp) -> Floats:
    """Brushed metal with broad reflections."""
    brushed = field.noise(0.004, 1, (70, 0.6))
    angle = field.random.uniform(-0.6, 0.6)
    along = field.across + angle * (field.down - 0.5)
    phase = field.random.uniform(0, 1)
    shine = (
        0.5
        + 0.3 * np.sin(2 * np.pi * (1.15 * along + phase))
        + 0.12 * np.sin(2 * np.pi * (2.7 * along + 2 * phase))
    )
    return colours(shine.astype(np.float32) + 0.045 * brushed)


def paper(field: Field, colours: Ramp) -> Floats:
    """Paper with fibres, a little aged towards its edges."""
    fibres = 0.5 * field.noise(0.02, 1.4) + 0.5 * field.noise(0.008, 1)
    lit = field.light(fibres, 0.0016, rise=35)
    edge = np.maximum(np.abs(field.across - 0.5), np.abs(field.down - 0.5)) * 2
    stains = 0.5 + 0.5 * level(field.noise(0.4, 2.4))
    tone = 0.76 + 0.05 * field.noise(0.5, 2.2) - 0.5 * smooth(edge, 0.6, 1.15) * stains
    return colours(tone) * (0.75 + 0.25 * lit)[..., None]


def leather(field: Field, colours: Ramp) -> Floats:
    """Grained skin."""
    drift = 0.008 * field.noise(0.05, 2.5), 0.008 * field.noise(0.05, 2.5)
    nearest, second, own = field.cells(0.022)
    bump = field.warped(smooth(second - nearest, 0.0, 0.5), *drift)
    relief = bump + 0.12 * field.noise(0.004, 1.2)
    lit = field.light(relief, 0.006, rise=42)
    tone = 0.42 + 0.05 * (own - 0.5) + 0.07 * field.noise(0.5, 3)
    return colours(tone - 0.16 * (1 - bump)) * (0.5 + 0.5 * lit)[..., None]


def fire(field: Field, colours: Ramp) -> Floats:
    """Flames that rise and thin out."""
    sway = 0.06 * field.noise(0.3, 3), 0.16 * field.noise(0.25, 2.6)
    tongues = field.warped(field.noise(0.16, 2.4, (0.55, 2.4)), *sway)
    heat = 0.25 + 1.15 * field.down**1.3 + 0.3 * tongues - 0.35 * smooth(1 - field.down, 0.4, 1)
    heat += 0.22 * ridges(tongues, 3.0) * field.down
    return colours(heat - 0.2)


def ice(field: Field, colours: Ramp) -> Floats:
    """Frozen water with cracks and frost."""
    drift = 0.05 * field.noise(0.3, 2.6), 0.05 * field.noise(0.3, 2.6)
    nearest, second, own = field.cells(0.28)
    crack = np.exp(-field.warped(second - nearest, *drift) * 60)
    fine = ridges(field.warped(field.noise(0.25, 2.2), *drift), 24)
    frost = smooth(field.noise(0.3, 1.5), 0.2, 2.2)
    tone = 0.5 + 0.12 * field.warped(own - 0.5, *drift) + 0.1 * field.noise(0.4, 2.5)
    return colours(tone + 0.4 * crack + 0.22 * fine + 0.3 * frost)


def snow(field: Field, colours: Ramp) -> Floats:
    """Soft drifts with blue shadows and a glitter."""
    drifts = field.noise(0.6, 4, (1.8, 1)) + 0.05 * field.noise(0.12, 2.4, (3, 1))
    lit = field.light(drifts, 0.045, angle=60, rise=40)
    glitter = smooth(field.noise(0.002, 0.3), 3.2, 4.2)
    return colours(0.12 + 0.6 * lit + 0.012 * field.noise(0.004, 1)) + 0.3 * glitter[..., None]
