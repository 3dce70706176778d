"""What must be known of an ICC profile to carry it over: its colour space and its curve."""

from __future__ import annotations

import struct


def space(icc: bytes | None) -> str:
    """The colour space of a profile's data: RGB, GRAY, CMYK, …; empty without a profile."""
    return icc[16:20].decode("latin-1").strip() if icc and len(icc) >= 132 else ""


def is_linear(icc: bytes | None) -> bool | None:
    """Whether values in the profile are proportional to light; None when it does not say.

    Looks at the tone curve of red or grey (ICC.1:2022, 10.6 curveType and 10.18
    parametricCurveType).
    """
    if not icc or len(icc) < 132:
        return None
    count = min(struct.unpack_from(">I", icc, 128)[0], (len(icc) - 132) // 12)
    for number in range(count):
        name, offset, length = struct.unpack_from(">4sII", icc, 132 + 12 * number)
        if name not in (b"rTRC", b"kTRC"):
            continue
        curve = icc[offset : offset + length]
        if curve[:4] == b"curv" and len(curve) >= 12:
            return _linear_table(curve)
        if curve[:4] == b"para" and len(curve) >= 16:
            kind, _, gamma = struct.unpack_from(">HHi", curve, 8)
            return (kind, gamma) == (0, 0x10000)
        return None
    return None


def _linear_table(curve: bytes) -> bool | None:
    points: int = struct.unpack_from(">I", curve, 8)[0]
    if points == 0:
        return True
    if len(curve) < 12 + 2 * points:
        return None
    if points == 1:
        return curve[12:14] == b"\x01\x00"
    middle = points // 2
    value: int = struct.unpack_from(">H", curve, 12 + 2 * middle)[0]
    return abs(value / 65535 - middle / (points - 1)) < 0.01
