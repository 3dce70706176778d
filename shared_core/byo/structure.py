"""What is what in a stranger's model: inputs, the sizes it takes, outputs that may count."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

from shared_core.bridge.errors import UsageError
from shared_core.bridge.language import _
from shared_core.catalog.card import EACH, LUMA
from shared_core.catalog.trust.inspection import Inspected

from . import roles
from .fields import CHANNELS, CONSTANTS
from .outputs import Given, Looker
from .probe import Probe, Sizes, Specs, picture_of, sizes_of, with_words
from .roles import misfit

_WANTED = {
    "remove-background": _("a matte, or classes"),
    "colorize": _("a* and b*, or a picture"),
    "upscale": _("a larger picture"),
}


@dataclass(frozen=True)
class Structure:
    """A model's inputs by their roles, the sizes it takes, and the outputs that may count."""

    inputs: Specs
    sizes: Sizes
    given: tuple[Given, ...]

    @property
    def colours(self) -> int:
        """How many colours it sees at once: three, or one."""
        return 3 if "R" in picture_of(self.inputs).channels else 1


def structure_of(
    probe: Probe, inspected: Inspected, tool: str, told: Mapping[str, str]
) -> Structure:
    """The structure with which ``tool`` can use the model. Raises ``Misfit``, ``UsageError``."""
    why = ""
    names = [output.name for output in probe.session.outputs]
    for reading in roles.readings(inspected.inputs, tool):
        inputs = _with_constants(_with_channels(reading, told), told)
        colours = 3 if "R" in picture_of(inputs).channels else 1
        look = Looker(tool, colours, names)
        sizes = sizes_of(probe, inputs, look)
        if isinstance(sizes, Sizes) and look.best:
            _check_scale(tool, sizes)
            fitting = tuple(with_words(spec, sizes) for spec in inputs)
            if sizes.margin:
                fitting = tuple(
                    replace(spec, margin=sizes.margin) if spec.layout else spec for spec in fitting
                )
            return Structure(fitting, sizes, tuple(look.best))
        if look.seen and not look.best:
            why = why or _("from a picture it makes {seen}", seen=look.seen)
        why = why or str(sizes)
    wanted = _WANTED.get(tool, _("a picture of the same size"))
    raise misfit(
        tool,
        _("it should make {wanted}, and {why}", wanted=wanted, why=why),
        _("Choose another tool or file."),
    )


def _check_scale(tool: str, sizes: Sizes) -> None:
    if tool == "upscale" and sizes.scale == 1:
        raise misfit(
            tool,
            _("what it makes is as large as what it is given, where an enlargement is expected"),
            _(
                "A model that cleans pictures is one for Denoise, one that sharpens them for "
                "Deblur."
            ),
        )
    if tool in ("denoise", "deblur") and sizes.scale > 1:
        raise misfit(
            tool,
            _(
                "it enlarges {scale} times, where a picture of the same size is expected",
                scale=sizes.scale,
            ),
            _("Add it for Upscale."),
        )
    whole = tool in ("remove-background", "colorize")
    if (sizes.part > 1 and not whole) or (
        sizes.margin and tool not in ("denoise", "deblur", "upscale")
    ):
        raise misfit(
            tool,
            _("what it makes is smaller than what it is given"),
            _("Choose another tool or file."),
        )


def _with_channels(inputs: Specs, told: Mapping[str, str]) -> Specs:
    """One channel as the luma or each colour, as the user wants it."""
    picture = picture_of(inputs)
    if picture.channels[0] not in (EACH, LUMA) or CHANNELS not in told:
        return inputs
    names = {"each": EACH, "luma": LUMA}
    if told[CHANNELS] not in names:
        raise UsageError(
            _(
                "{channels} takes each or luma, not {told}.",
                channels=CHANNELS,
                told=repr(told[CHANNELS]),
            )
        )
    channels = (names[told[CHANNELS]], *picture.channels[1:])
    return tuple(replace(s, channels=channels) if s is picture else s for s in inputs)


def _with_constants(inputs: Specs, told: Mapping[str, str]) -> Specs:
    """Numbers beside the picture as the user wants them, by NAME=NUMBER, ..."""
    if CONSTANTS not in told:
        return inputs
    names = [spec.name or "" for spec in inputs if spec.value is not None]
    wanted: dict[str, float] = {}
    for part in told[CONSTANTS].replace(" ", "").split(","):
        name, _equals, text = part.partition("=")
        try:
            number = float(text)
        except ValueError:
            number = math.nan
        if name not in names or not math.isfinite(number):
            raise UsageError(
                _(
                    "{constants} takes NAME=NUMBER for {names}, not {part}.",
                    constants=CONSTANTS,
                    names=", ".join(names) or "no input here",
                    part=repr(part),
                )
            )
        wanted[name] = number
    return tuple(replace(spec, value=wanted.get(spec.name or "", spec.value)) for spec in inputs)
