"""Colour spaces: which layers cross to the worker as they are, and how all others are converted.

Krita itself converts, in a temporary document, so that no step lands on the user's undo stack.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from krita import Krita

from .vendored import _, errors, wire

_CHANNELS = {"RGBA": 4, "GRAYA": 2, "CMYKA": 5, "LABA": 4, "XYZA": 4, "YCBCRA": 4}
_BYTES = {"U8": 1, "U16": 2, "F16": 2, "F32": 4}
_DEPTHS: dict[str, wire.Depth] = {"U8": "u8", "U16": "u16", "F32": "f32"}
_LINEAR_PROFILE = "sRGB-elle-V2-g10.icc"
_SRGB_PROFILE = "sRGB-elle-V2-srgbtrc.icc"
# Profiles known to have sRGB's primaries and its curve, by the names Krita shows.
_SRGB_CURVE = re.compile(
    r"sRGB(-elle-V[24]-srgbtrc(\.icc)?| built-in|\.icc| IEC61966-2[.-]1.*| Color Space Profile.*)?",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Space:
    """A colour space as Krita names it."""

    model: str
    depth: str
    profile: str

    @property
    def pixel_size(self) -> int:
        """Bytes of one pixel; ``BadInput`` for a model or depth that is not known."""
        try:
            return _CHANNELS[self.model.upper()] * _BYTES[self.depth]
        except KeyError:
            raise errors.BadInput(
                _(
                    "Layers in the colour space {model} {depth} cannot be read. Convert the "
                    "layer to RGB (Layer ▸ Convert) and try again.",
                    model=self.model,
                    depth=self.depth,
                )
            ) from None

    @property
    def grey(self) -> bool:
        """Whether it holds one grey channel and alpha."""
        return self.model == "GRAYA"

    @property
    def crossing(self) -> tuple[wire.Depth, wire.Order, wire.Curve] | None:
        """Depth, channel order and curve for the worker; None where Krita must convert first."""
        depth = _DEPTHS.get(self.depth)
        if self.model != "RGBA" or depth is None:
            return None
        order: wire.Order = "rgba" if depth == "f32" else "bgra"
        if self.profile == _LINEAR_PROFILE:
            return depth, order, "linear"
        if _SRGB_CURVE.fullmatch(self.profile):
            return depth, order, "srgb"
        return None


# Of what has no colours.
PLAIN = Space("RGBA", "U8", _SRGB_PROFILE)
# Unclipped and linear: what is converted to it and back comes back bit-exactly.
MIDDLE = Space("RGBA", "F32", _LINEAR_PROFILE)


def in_colour(space: Space) -> Space:
    """RGB of the same depth, with the profile that Krita gives new pictures of that depth."""
    return Space("RGBA", space.depth, _SRGB_PROFILE if space.depth == "U8" else _LINEAR_PROFILE)


def of_node(node: Any) -> Space:
    """The colour space of a layer's pixels."""
    return Space(node.colorModel(), node.colorDepth(), node.colorProfile())


def of_document(document: Any) -> Space:
    """The colour space of a document, and of the layers it makes."""
    return Space(document.colorModel(), document.colorDepth(), document.colorProfile())


class Temporary:
    """A document without a view, closed on leaving the ``with`` block.

    One left open, or a Python reference kept to one, crashes Krita when it quits.
    """

    def __init__(self, width: int, height: int, space: Space) -> None:
        self._size = width, height
        self._space = space

    def __enter__(self) -> Any:
        space = self._space
        self._document = Krita.instance().createDocument(
            *self._size, "NSS", space.model, space.depth, space.profile, 72.0
        )
        if self._document is None or of_document(self._document) != space:
            self._close()
            raise errors.CouldNotBeDone(
                _(
                    "Krita cannot make a document in {model} {depth} with the profile "
                    "“{profile}”. Convert the layer to sRGB (Layer ▸ Convert) and try again.",
                    model=space.model,
                    depth=space.depth,
                    profile=space.profile,
                )
            )
        return self._document

    def __exit__(self, *ignored: object) -> None:
        self._close()

    def _close(self) -> None:
        if self._document is not None:
            self._document.setModified(False)
            self._document.close()
            self._document = None


def convert(data: bytes, width: int, height: int, source: Space, target: Space) -> bytes:
    """Pixels of ``source`` as pixels of ``target``. Krita's event loop may run meanwhile.

    ``CouldNotBeDone`` when Krita does not know one of the spaces.
    """
    if source == target:
        return data
    with Temporary(width, height, source) as document:
        layer = document.topLevelNodes()[0]
        try:
            layer.setPixelData(data, 0, 0, width, height)
            done = document.setColorSpace(target.model, target.depth, target.profile)
            document.waitForDone()
            if not done or of_node(layer) != target:
                raise errors.CouldNotBeDone(
                    _(
                        "Krita cannot convert from “{profile}” to “{target_profile}”. Convert "
                        "the layer to sRGB (Layer ▸ Convert) and try again.",
                        profile=source.profile,
                        target_profile=target.profile,
                    )
                )
            return bytes(layer.pixelData(0, 0, width, height))
        finally:
            del layer, document
