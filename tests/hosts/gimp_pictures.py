"""The layers that GIMP is given in tests: their formats, their native bytes and what these mean."""

from __future__ import annotations

from pathlib import Path

import numpy as np

WIDTH, HEIGHT = 120, 90

# Of each format: type of a sample, channels, whether linear, and the largest error in its steps.
FORMATS: dict[str, tuple[str, int, bool, float]] = {
    "srgb8": ("u1", 4, False, 1),
    "opaque8": ("u1", 3, False, 1),
    "wide8": ("u1", 4, False, 2),
    "srgb16": ("<u2", 4, False, 1),
    "linear16": ("<u2", 4, True, 1),
    "linear32": ("<f4", 4, True, 2e-5),
    "srgb32": ("<f4", 4, False, 2e-5),
    "wide32": ("<f4", 4, True, 3e-4),
    "half": ("<f2", 4, True, 2e-3),
    "grey8": ("u1", 2, False, 1),
    "greyonly8": ("u1", 1, False, 1),
    "grey32": ("<f4", 2, True, 2e-5),
}
WITHOUT_ALPHA = ("opaque8", "greyonly8")
# AdobeRGB's primaries in sRGB's, both linear.
CLAY = np.array([[1.39835574, -0.39835574, 0], [0, 1, 0], [0, -0.04292933, 1.04292933]])


def make_pictures(folder: Path) -> None:
    """The layers' native bytes, one file for each format."""
    folder.mkdir()
    rng = np.random.default_rng(5)
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float64)
    ramp = np.stack([x / WIDTH, y / HEIGHT, (x + y) / (WIDTH + HEIGHT)], -1)
    stripes = 0.1 * np.sign(np.sin(x / 7) * np.sin(y / 9))[..., None]
    colours = np.clip(0.2 + 0.6 * ramp + stripes + rng.normal(0, 0.02, ramp.shape), 0, 1)
    alpha = np.ones((HEIGHT, WIDTH, 1))
    alpha[:, 50:60] = 0.5
    alpha[40:50, :] = 0.0
    write = folder.joinpath
    write("opaque-srgb8.raw").write_bytes(stored(np.dstack([colours, np.ones_like(alpha)]), "u1"))
    # The twin of the face detector takes green for the middle of a face twice as wide.
    face = np.dstack([colours, np.ones_like(alpha)])
    face[34:56, 48:70, :3] = (0, 1, 0)
    write("face-srgb8.raw").write_bytes(stored(face, "u1"))
    for kind, (dtype, channels, linear, _) in FORMATS.items():
        values = decode(colours) if linear else colours.copy()
        if dtype.startswith("<f"):
            values[30:36, 10:100] = rng.uniform(-0.5, 6.0, (6, 90, 3))
            values[60:66, 10:100] = rng.uniform(1.0, 40.0, (6, 90, 3))
        values = values[..., : 1 if channels < 3 else 3]
        if kind not in WITHOUT_ALPHA:
            values = np.dstack([values, alpha])
        write(f"{kind}.raw").write_bytes(stored(values, dtype))


def top(dtype: str) -> int:
    return {"u1": 255, "<u2": 65535}.get(dtype, 1)


def stored(values: np.ndarray, dtype: str) -> bytes:
    scaled = values * top(dtype)
    return (np.round(scaled) if top(dtype) > 1 else scaled).astype(dtype).tobytes()


def samples(data: bytes, kind: str) -> np.ndarray:
    dtype, channels, _, _ = FORMATS[kind]
    return np.frombuffer(data, dtype).reshape(HEIGHT, WIDTH, channels)


def encode(linear: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, linear light to encoded."""
    high = 1.055 * np.maximum(linear, 0) ** (1 / 2.4) - 0.055
    return np.where(linear <= 0.0031308, 12.92 * linear, high)


def decode(encoded: np.ndarray) -> np.ndarray:
    """IEC 61966-2-1, encoded to linear light."""
    high = ((np.maximum(encoded, 0) + 0.055) / 1.055) ** 2.4
    return np.where(encoded <= 0.04045, encoded / 12.92, high)
