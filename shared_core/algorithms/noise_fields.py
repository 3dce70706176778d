"""Random fields that textures are made of: spectral noise, cells, relief light, warping.

Noise is made in the frequency domain (Ebert et al., "Texturing and Modeling", 2003, chapter 16):
it has no grid and any stretch. Cells are those of Worley ("A Cellular Texture Basis Function",
SIGGRAPH 1996).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


class Field:
    """A rectangle of ``width`` by ``height`` pixels that random fields are drawn on.

    Lengths are in units: a square of the same area has the side 1. ``random`` is the only source
    of chance. All results are float32 (height, width) unless said otherwise. ``between`` is called
    before each of them is made, and may raise.
    """

    def __init__(
        self,
        width: int,
        height: int,
        random: np.random.Generator,
        between: Callable[[], None] = lambda: None,
    ) -> None:
        self.between = between
        self.width = width
        self.height = height
        self.unit = max(math.sqrt(width * height), max(width, height) / 8)
        self.random = random
        self.x = ((np.arange(width, dtype=np.float32) + 0.5) / self.unit)[None]
        self.y = ((np.arange(height, dtype=np.float32) + 0.5) / self.unit)[:, None]
        # The same from 0 to 1 over the picture.
        self.across = ((np.arange(width, dtype=np.float32) + 0.5) / width)[None]
        self.down = ((np.arange(height, dtype=np.float32) + 0.5) / height)[:, None]

    def noise(
        self, size: float, roughness: float = 2.0, stretch: tuple[float, float] = (1, 1)
    ) -> Floats:
        """Noise of mean 0 and standard deviation 1.

        ``size`` is that of the largest features, in units; ``roughness`` the power by which finer
        ones fall (1.3 rough, 2 like clouds, 4 smooth); ``stretch`` how much longer all are along
        x and y.
        """
        self.between()
        rows, columns = (cv2.getOptimalDFTSize(n + 2) for n in (self.height, self.width))
        spectrum = np.empty((rows, columns // 2 + 1), np.complex64)
        spectrum.real = self.random.standard_normal(spectrum.shape, dtype=np.float32)
        spectrum.imag = self.random.standard_normal(spectrum.shape, dtype=np.float32)
        down = np.fft.fftfreq(rows, 1 / self.unit).astype(np.float32)[:, None] * stretch[1]
        across = np.fft.rfftfreq(columns, 1 / self.unit).astype(np.float32)[None] * stretch[0]
        power = down * down + across * across
        power += np.float32(size**-2)
        spectrum *= power ** np.float32(-roughness / 2)
        spectrum[0, 0] = 0
        made = np.fft.irfft2(spectrum, (rows, columns))[: self.height, : self.width]
        # A picture of one pixel has no spread.
        return np.asarray(made / (float(made.std()) or 1.0), np.float32)

    def cells(self, size: float, jitter: float = 0.9) -> tuple[Floats, Floats, Floats]:
        """Distances to the nearest and second nearest of scattered points, and a value 0..1 of
        each point's own; ``size`` (in units) is about the points' distance and the distances' unit.
        """
        self.between()
        step = max(1.0, size * self.unit)
        x = np.arange(self.width, dtype=np.float32) / np.float32(step) + 1
        y = np.arange(self.height, dtype=np.float32) / np.float32(step) + 1
        shape = int(y[-1]) + 3, int(x[-1]) + 3
        points = self.random.random((*shape, 2), dtype=np.float32) * np.float32(jitter)
        values = self.random.random(shape, dtype=np.float32)
        row, column = y.astype(np.intp)[:, None], x.astype(np.intp)[None]
        nearest = np.full((self.height, self.width), np.inf, np.float32)
        second, own = nearest.copy(), np.zeros_like(nearest)
        for down in (-1, 0, 1):
            for across in (-1, 0, 1):
                place = row + down, column + across
                away_x = points[..., 0][place] + (column + across) - x[None]
                away_y = points[..., 1][place] + (row + down) - y[:, None]
                distance = away_x.astype(np.float32) ** 2 + away_y.astype(np.float32) ** 2
                closer = distance < nearest
                np.minimum(second, np.maximum(nearest, distance), out=second)
                np.copyto(own, values[place], where=closer)
                np.minimum(nearest, distance, out=nearest)
        return np.sqrt(nearest), np.sqrt(second), own

    def light(self, relief: Floats, depth: float, angle: float = 135, rise: float = 45) -> Floats:
        """Brightness of a surface, 1 where it is level.

        ``relief`` is its height and ``depth`` the unit of that in units of length; the light comes
        from ``angle`` degrees (counter-clockwise from the right), ``rise`` above the surface.
        """
        self.between()
        scale = depth * self.unit / 8
        across = cv2.Sobel(relief, cv2.CV_32F, 1, 0, ksize=3, scale=scale)
        down = cv2.Sobel(relief, cv2.CV_32F, 0, 1, ksize=3, scale=scale)
        to_x, to_y = math.cos(math.radians(angle)), -math.sin(math.radians(angle))
        lean = 1 / math.tan(math.radians(rise))
        steepness = np.sqrt(1 + across * across + down * down)
        lit = (1 - lean * (to_x * across + to_y * down)) / steepness
        return np.asarray(np.clip(lit, 0, 2), np.float32)

    def warped(self, values: Floats, right: Floats, down: Floats) -> Floats:
        """``values`` (height, width[, 3]) fetched from places moved by so many units."""
        self.between()
        columns = np.arange(self.width, dtype=np.float32) + right * np.float32(self.unit)
        rows = np.arange(self.height, dtype=np.float32)[:, None] + down * np.float32(self.unit)
        shape = self.height, self.width
        at_x = np.ascontiguousarray(np.broadcast_to(columns, shape), np.float32)
        at_y = np.ascontiguousarray(np.broadcast_to(rows, shape), np.float32)
        made = cv2.remap(values, at_x, at_y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT_101)
        return np.asarray(made, np.float32).reshape(values.shape)


def blurred(values: Floats, sigma: float) -> Floats:
    """``values`` (height, width) through a Gaussian of ``sigma`` pixels; a wide one shrunk."""
    height, width = values.shape
    step = max(1, int(sigma / 4))
    size = max(1, width // step), max(1, height // step)
    small = cv2.resize(values, size, interpolation=cv2.INTER_AREA) if step > 1 else values
    soft = cv2.GaussianBlur(small, (0, 0), sigma / step, borderType=cv2.BORDER_REFLECT_101)
    if step > 1:
        soft = cv2.resize(soft, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(soft, np.float32).reshape(height, width)


def smooth(values: NDArray[Any], low: float, high: float) -> Floats:
    """0 below ``low``, 1 above ``high``, and without a corner between."""
    at = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return np.asarray(at * at * (3 - 2 * at), np.float32)


def level(values: Floats) -> Floats:
    """Noise of standard deviation 1 as 0..1, every value about as frequent."""
    return np.asarray(0.5 + 0.5 * np.tanh(values * np.float32(0.85)), np.float32)


def ridges(values: Floats, sharpness: float) -> Floats:
    """1 where noise crosses 0 and falling to both sides, the faster the sharper."""
    return np.asarray(np.exp(np.abs(values) * np.float32(-sharpness)), np.float32)
