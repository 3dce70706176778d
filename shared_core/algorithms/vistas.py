"""Skies and places drawn from random fields: suggestions of depth, not pictures of a place.

Every function takes the field to draw on and a ramp, dark to light, and gives sRGB-encoded colours
(height, width, 3) around 0..1.
"""

from __future__ import annotations

import cv2
import numpy as np

from .colour_ramps import Ramp
from .noise_fields import Field, Floats, blurred, level, ridges, smooth


def clouds(field: Field, colours: Ramp) -> Floats:
    """Heaped clouds on a sky that is paler below, lit from above."""
    table = colours.table()
    sky = Ramp((tuple(table[80]), tuple(table[420]), tuple(table[640])))(
        np.broadcast_to(field.down, (field.height, field.width)) * np.float32(0.9)
    )
    heaps = field.noise(0.4, 1.95, (1.5, 1)) + 0.25 * ridges(field.noise(0.12, 2), 2)
    heaps -= 0.3 * (1 - field.down)
    cover = smooth(heaps, -0.1, 1.0)
    soft = blurred(heaps, max(0.6, 0.012 * field.unit))
    lit = field.light(soft, 0.05, angle=100, rise=50)
    white = 0.58 + 0.42 * smooth(lit, 0.35, 1.25) - 0.12 * smooth(heaps, 0.8, 2.2)
    bright = colours(0.6 + 0.4 * white)
    return np.asarray(sky + cover[..., None] * (bright - sky))


def sunset(field: Field, colours: Ramp) -> Floats:
    """Evening sky with a low sun and drawn-out clouds."""
    streaks = field.noise(0.22, 2.1, (6, 1))
    tone = field.down * np.float32(0.95) + 0.02 * streaks
    sun_x, sun_y = field.random.uniform(0.3, 0.7), field.random.uniform(0.66, 0.78)
    wide, high = field.width / field.unit, field.height / field.unit
    away = np.hypot(field.x - sun_x * wide, field.y - sun_y * high)
    sky = colours(tone + 0.22 * np.exp(-away * 3.2))
    cover = smooth(streaks, 0.1, 1.9) * (0.25 + 0.75 * smooth(1 - field.down, 0.0, 0.9))
    under = colours(tone * 0.75 + 0.35 * np.exp(-away * 2.4) - 0.12)
    sky += (0.85 * cover)[..., None] * (under - sky)
    glow = np.exp(-np.square(away / 0.13)) * 0.35 + smooth(-away, -0.052, -0.046)
    return np.asarray(
        sky + glow[..., None].astype(np.float32) * (np.array([1, 0.93, 0.75], np.float32) - sky)
    )


def stars(field: Field, colours: Ramp) -> Floats:
    """Night sky with nebulae and stars of all brightnesses."""
    drift = 0.15 * field.noise(0.6, 2.6), 0.15 * field.noise(0.6, 2.6)
    clouds_of_gas = field.warped(field.noise(0.5, 2.0), *drift)
    dust = smooth(field.warped(field.noise(0.35, 1.9), *drift), 0.2, 1.8)
    sky = colours(0.1 + 0.5 * smooth(clouds_of_gas, 0.0, 2.6) * (1 - 0.65 * dust))
    count = round(1400 * field.width * field.height / field.unit**2)
    lights = np.zeros((field.height, field.width), np.float32)
    at = field.random.integers(0, (field.height, field.width), (count, 2))
    lights[at[:, 0], at[:, 1]] = 0.12 * field.random.pareto(1.6, count) + 0.15
    lights = np.minimum(lights, 12)
    sharp = max(0.45, field.unit / 1800)
    points = cv2.GaussianBlur(lights, (0, 0), sharp) * np.float32(2 * np.pi * sharp**2)
    halo = cv2.GaussianBlur(lights, (0, 0), 6 * sharp) * np.float32(20 * sharp**2)
    shine = np.clip(points, 0, 1) + np.clip(0.35 * halo, 0, 0.5)
    return np.asarray(sky + shine[..., None], np.float32)


def mist(field: Field, colours: Ramp) -> Floats:
    """Drifting fog or smoke."""
    drift = 0.06 * field.noise(0.8, 3.5), 0.06 * field.noise(0.8, 3.5)
    wisps = field.warped(field.noise(0.45, 2.3, (2.2, 1)), *drift)
    return colours(0.55 + 0.15 * wisps + 0.4 * (field.down - 0.5))


def bokeh(field: Field, colours: Ramp) -> Floats:
    """Lights far out of focus."""
    table = colours.table()
    picture = colours(0.05 + 0.16 * level(field.noise(0.7, 4)))
    count = round(46 * field.width * field.height / field.unit**2)
    for _ in range(count):
        radius = field.unit * field.random.uniform(0.018, 0.075)
        x, y = field.random.uniform(0, field.width), field.random.uniform(0, field.height)
        left, right = max(0, int(x - radius - 2)), min(field.width, int(x + radius + 3))
        top, bottom = max(0, int(y - radius - 2)), min(field.height, int(y + radius + 3))
        columns, rows = np.arange(left, right) - x, np.arange(top, bottom)[:, None] - y
        away = (np.hypot(columns, rows) / radius).astype(np.float32)
        disc = smooth(-away, -1.0, -0.93) * (0.7 + 0.3 * smooth(away, 0.6, 1.0))
        light = table[field.random.integers(380, 1024)]
        part = picture[top:bottom, left:right]
        part += field.random.uniform(0.12, 0.55) * disc[..., None] * light * (1.1 - part)
    return picture


def mountains(field: Field, colours: Ramp) -> Floats:
    """Ridge behind ridge in the haze, under an open sky."""
    table = colours.table()
    wide = np.broadcast_to(field.down, (field.height, field.width))
    picture = Ramp((tuple(table[560]), tuple(table[900]), tuple(table[1023])))(wide * 1.6)
    layers = 6
    for number in range(layers):
        near = number / (layers - 1)
        line = field.noise(0.5 - 0.25 * near, 1.9, (1, 1000))[0]
        crest = 0.36 + 0.5 * near**1.15 - (0.075 - 0.02 * near) * line
        soft = 0.6 / max(2.0, field.height)
        inside = smooth(field.down - crest[None], -soft, soft)
        haze = smooth(field.down - crest[None], 0, 0.35)
        tone = 0.74 * (1 - near) ** 1.2 + 0.03 + 0.16 * haze * (1 - 0.75 * near)
        tone = tone + 0.02 * field.noise(0.05, 1.8) * near
        picture += inside[..., None] * (colours(tone.astype(np.float32)) - picture)
    return picture


def forest(field: Field, colours: Ramp) -> Floats:
    """Trunks that stand one behind the other in mist."""
    wide = np.broadcast_to(field.down, (field.height, field.width))
    picture = colours((0.95 - 0.25 * wide + 0.04 * field.noise(0.6, 3)).astype(np.float32))
    for number in range(5):
        near = number / 4
        rows = field.noise(0.035 + 0.05 * near, 2.6, (1, 30))
        trunks = smooth(rows, 1.25 - 0.1 * near, 1.36 - 0.08 * near)
        crowns = smooth(field.noise(0.1, 1.7) + 2.6 * (0.34 - field.down - 0.14 * near), 0.2, 0.6)
        ground = smooth(
            field.down + 0.01 * field.noise(0.1, 2), 0.8 + 0.1 * near, 0.86 + 0.1 * near
        )
        cover = np.maximum(np.maximum(trunks, 0.85 * crowns), ground)
        tone = 0.72 * (1 - near) ** 0.9 + 0.06 + 0.03 * field.noise(0.02, 1.4)
        picture += cover[..., None] * (colours(tone) - picture)
    return picture
