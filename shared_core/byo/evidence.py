"""What a file's own operators, and names, say of how it wants to be fed and read.

Operators are certain: what a file itself divides by 255 comes in as 0..255. A name is a hint.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared_core.bridge.language import _

from .fields import MASK, ORDER, OUTPUT_ORDER, OUTPUT_VALUES, VALUES
from .graph import Affine, Entry, Exit
from .values import BYTES, IMAGENET, LIGHTNESS, SIGNED, UNIT

# Means of photographs, as shares of the range.
_MEANS = (0.15, 0.85)
# The mean colour of photographs is warm: red has more than blue, by at least this factor.
_WARM = 1.03


@dataclass(frozen=True)
class Evidence:
    """What a field should be, and why; ``certain`` where the file itself says so."""

    text: str
    why: str
    certain: bool = True


Found = Mapping[str, Evidence]


# ---------------------------------------------------------------- operators


def of_entry(entry: Entry, lightness: bool = False) -> dict[str, Evidence]:
    """What the first operators after a picture, or after its CIE L* alone, say of it."""
    if lightness:
        return _of_lightness(entry.affine)
    found: dict[str, Evidence] = {}
    affine = entry.affine
    if not affine.plain:
        found |= _of_affine(affine)
    for limits, text in (((0, 1), UNIT), ((0, 255), BYTES), ((-1, 1), SIGNED)):
        if entry.limits and np.allclose(entry.limits, limits, atol=1e-6):
            why = _("the file cuts what it is given off at {value}", value=text.text())
            found.setdefault(VALUES, Evidence(text.text(), why))
    if entry.reversed and ORDER not in found:
        why = _("the file turns the order of the channels round")
        found[ORDER] = Evidence("bgr", why, certain=False)
    return found


def _of_lightness(affine: Affine) -> dict[str, Evidence]:
    """What the file itself does to L*."""
    scale, shift = affine.scale[0], affine.shift[0]
    if np.allclose((scale, shift), (0.01, 0), atol=1e-4):
        return {VALUES: Evidence(LIGHTNESS.text(), _("the file divides by 100"))}
    if shift < 0 and np.isclose(-shift / scale, 50, rtol=0.01):
        return {VALUES: Evidence(LIGHTNESS.text(), _("the file subtracts 50 itself"))}
    return {}


def _of_affine(affine: Affine) -> dict[str, Evidence]:
    """What the file's own normalisation says of the range and of the order."""
    scale, shift = affine.scale, affine.shift
    if (scale == 0).any():
        return {}
    for order, turn in (("rgb", 1), ("bgr", -1)):
        if len(scale) == 3 and np.allclose(
            (scale, shift), (IMAGENET.std[::turn], IMAGENET.mean[::turn]), rtol=0.01
        ):
            why = _("the file undoes ImageNet's normalisation")
            return {VALUES: Evidence(IMAGENET.text(), why), ORDER: Evidence(order, why)}
    if (shift == 0).all():
        if np.allclose(scale, 1 / 255, rtol=0.01):
            return {VALUES: Evidence(BYTES.text(), _("the file divides by 255"))}
        if np.allclose(scale, 255, rtol=0.01):
            return {VALUES: Evidence(UNIT.text(), _("the file multiplies by 255"))}
        return {}
    if np.allclose((scale, shift), 0.5, rtol=0.01):
        return {VALUES: Evidence(SIGNED.text(), _("the file turns -1..1 into 0..1"))}
    means = -shift / scale
    unit = _unit(means)
    if unit is None:
        return {}
    found = {VALUES: Evidence(unit, _("the file subtracts {values} itself", values=_list(means)))}
    if len(means) == 3 and (order := _order(means)):
        found[ORDER] = Evidence(
            order,
            _(
                "the file subtracts {values}, means of {order}",
                values=_list(means),
                order=_first(order),
            ),
        )
    return found


def _unit(means: NDArray[np.float64]) -> str | None:
    """The range of which these are the means of photographs."""
    low, high = _MEANS
    for value in (UNIT, BYTES):
        if (means >= low * value.high).all() and (means <= high * value.high).all():
            return value.text()
    return None


def _order(means: NDArray[np.float64]) -> str:
    if means[0] > _WARM * means[2] and means[0] > means[1] > means[2]:
        return "rgb"
    return "bgr" if means[2] > _WARM * means[0] and means[2] > means[1] > means[0] else ""


def _first(order: str) -> str:
    return _("red first") if order == "rgb" else _("blue first")


def _list(numbers: NDArray[np.float64]) -> str:
    distinct = numbers if np.ptp(numbers) > 1e-9 else numbers[:1]
    return ", ".join(f"{number:.3g}" for number in distinct)


def of_exit(tool: str, end: Exit) -> dict[str, Evidence]:
    """What the last operators before an output say of it."""
    if tool == "colorize" and end.kind == "tanh" and len(end.affine.scale) == 2:
        why = _("networks that end in a tanh, as this one, mostly want it so")
        return {VALUES: Evidence(SIGNED.text(), why, certain=False)}
    if end.kind == "argmax":
        return {
            OUTPUT_VALUES: Evidence(
                "classes", _("the file gives the number of the likeliest class")
            )
        }
    if tool == "remove-background":
        if end.kind in ("sigmoid", "softmax", "hardsigmoid") and end.affine.plain:
            return {
                OUTPUT_VALUES: Evidence("shares", _("the file ends in a {kind}", kind=end.kind))
            }
        return {}
    for limits, value in (((0, 1), UNIT), ((0, 255), BYTES), ((-1, 1), SIGNED)):
        if end.limits and np.allclose(end.limits, limits, atol=1e-3 * limits[1]):
            how = (
                _("cuts off")
                if end.kind == "clip"
                else _("ends in a {kind}, which keeps it", kind=end.kind)
            )
            return {
                OUTPUT_VALUES: Evidence(
                    value.text(), _("the file {how} at {value}", how=how, value=value.text())
                )
            }
    scale, shift = end.affine.scale, end.affine.shift
    found: dict[str, Evidence] = {}
    if np.allclose(scale, 255, rtol=0.01) or np.allclose(scale, 127.5, rtol=0.01):
        what = _("the file multiplies what it gives by {scale:g}", scale=scale[0])
        found[OUTPUT_VALUES] = Evidence(BYTES.text(), what)
    elif (shift != 0).all() and (unit := _unit(shift)) is not None and (scale > 0).all():
        found[OUTPUT_VALUES] = Evidence(
            unit, _("the file adds {values} to what it gives", values=_list(shift))
        )
        if len(shift) == 3 and (order := _order(shift)):
            why = _(
                "the file adds {values} to what it gives, means of {order}",
                values=_list(shift),
                order=_first(order),
            )
            found[OUTPUT_ORDER] = Evidence(order, why)
    return found


# ---------------------------------------------------------------- names

# Words in a file's or repository's name, what such models are called, and how their public exports
# are fed. Later entries count more.
_SOME = _("networks of this name")
_NAMES: Sequence[tuple[str, str, Mapping[str, str]]] = (
    (r"esrgan|bsrgan|swin|scunet|upscayl|\bhat|\bdat\b|\bspan", _SOME, {VALUES: "0..1"}),
    (r"nafnet|restormer|mprnet|mirnet|uformer|drunet|ffdnet|dncnn", _SOME, {VALUES: "0..1"}),
    (r"waifu2x|cunet|upconv|cugan", _("waifu2x and its kind"), {VALUES: "0..1"}),
    (r"\bm?edsr|mdsr|rcan|wdsr", _("EDSR and its kind"), {VALUES: "0..255"}),
    (r"deblurgan", _("DeblurGAN"), {VALUES: "-1..1"}),
    (r"deeplab|lr-?aspp|\bfcn|segformer|pspnet", _("ImageNet's networks"), {VALUES: "imagenet"}),
    (r"u-?2-?net|silueta", "U²-Net", {VALUES: "imagenet"}),
    (r"is-?net|\bdis\b|rmbg-?1|rmbg\b", "IS-Net", {VALUES: "-0.5..0.5"}),
    (r"birefnet|rmbg-?2|\bben2?\b|inspyrenet|mvanet", _("BiRefNet"), {VALUES: "imagenet"}),
    (r"modnet|humanseg|pp-?matting", _("MODNet and its kind"), {VALUES: "-1..1"}),
    (r"selfie|mediapipe|robust|\brvm", _SOME, {VALUES: "0..1"}),
    (r"ddcolor", "DDColor", {VALUES: "0..1", OUTPUT_VALUES: "1"}),
    (r"deoldify", _("DeOldify"), {VALUES: "0..255"}),
    (r"siggraph|eccv|zhang", _("Zhang's networks"), {VALUES: "0..100", OUTPUT_VALUES: "1"}),
    (r"gfpgan|codeformer|restoreformer|gpen|vqfr", _("networks of faces"), {VALUES: "-1..1"}),
    (r"mi-?gan", "MI-GAN", {MASK: "keep"}),
    (r"inpainting-lama-2025", _("OpenCV's LaMa"), {ORDER: "bgr", VALUES: "0..1"}),
)
_BY_MAXIMUM = re.compile(r"u-?2-?net|silueta")
_STRETCHED = re.compile(r"u-?2-?net|silueta|is-?net|\bdis\b|rmbg-?1")


def of_name(name: str) -> dict[str, Evidence]:
    """What a file's name, with its repository's, makes expect."""
    found: dict[str, Evidence] = {}
    words = _words(name)
    for pattern, kind, texts in _NAMES:
        if re.search(pattern, words):
            why = _("its name is that of {kind}, which want it so", kind=kind)
            found |= {field: Evidence(text, why, certain=False) for field, text in texts.items()}
    for order in ("rgb", "bgr"):
        if order in words.split("-"):
            found[ORDER] = Evidence(order, _("its name says {order}", order=order), certain=False)
    return found


def _words(name: str) -> str:
    """A name in small letters, with hyphens between its words."""
    return re.sub(r"[^a-z0-9²]+", "-", name.lower()).replace("²", "2")


def of_metadata(metadata: Mapping[str, str]) -> dict[str, Evidence]:
    """What the notes in a file say of the order of colours."""
    text = " ".join(f"{key} {value}" for key, value in metadata.items()).lower()
    words = set(re.findall(r"(?<![a-z])(rgb|bgr)(?![a-z])", text))
    if len(words) != 1:
        return {}
    [order] = words
    return {
        ORDER: Evidence(order, _("a note in the file says {order}", order=order), certain=False)
    }


def by_maximum(name: str) -> bool:
    """Whether models of this name want the picture divided by its largest value."""
    return bool(_BY_MAXIMUM.search(_words(name)))


def stretched(name: str) -> bool:
    """Whether the mattes of models of this name are stretched to the whole of 0..1."""
    return bool(_STRETCHED.search(_words(name)))
