"""The fields of a model's contract as the user sees and corrects them. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

from shared_core.bridge.language import _

PICTURE, SIZE, MULTIPLE, SCALE = "picture", "size", "multiple", "scale"
CHANNELS, ORDER, VALUES, SIGMA, MASK = "channels", "order", "values", "sigma", "mask"
CONSTANTS = "constants"
OUTPUT, OUTPUT_ORDER, OUTPUT_VALUES = "output", "output_order", "output_values"
RESIDUAL, SUBJECT = "residual", "subject"
STRETCH, MAXIMUM = "stretch", "by_maximum"
TILE, SIDE = "tile", "side"

TITLES = {
    PICTURE: _("Picture"),
    SIZE: _("Size"),
    MULTIPLE: _("Sides are multiples of"),
    SCALE: _("Enlarges"),
    CHANNELS: _("One channel is"),
    ORDER: _("Order of colours"),
    VALUES: _("Values of the picture"),
    SIGMA: _("Values of the noise level"),
    MASK: _("The mask's high value marks"),
    CONSTANTS: _("Other numbers"),
    OUTPUT: _("Output that counts"),
    OUTPUT_ORDER: _("Order of colours in the result"),
    OUTPUT_VALUES: _("Values of the result"),
    RESIDUAL: _("The result is what is to be taken away"),
    SUBJECT: _("Classes of the subject"),
    STRETCH: _("The matte is stretched to 0..1"),
    MAXIMUM: _("The picture is divided by its largest value"),
    TILE: _("Side of a tile"),
    SIDE: _("Side of what the network sees"),
}

# How sure a finding is.
DECLARED, MEASURED, LIKELY = "declared", "measured", "likely"
ASSUMED, EITHER, TOLD = "assumed", "either", "told"


@dataclass(frozen=True)
class Finding:
    """One thing that was understood: a field, its value in words, how sure it is and why.

    ``sure`` is "declared" (the file says so), "measured", "likely", "assumed" (nothing told it from
    others, so the usual was taken), "either" (it makes no difference) or "told" (by the user).
    ``choices`` are the values offered for a correction, ``free`` says that others may do too; with
    neither nothing else is possible.
    """

    name: str
    value: str
    sure: str
    why: str
    choices: tuple[str, ...] = ()
    free: bool = False

    @property
    def title(self) -> str:
        """What the field is called for the user."""
        return TITLES[self.name]

    @property
    def open(self) -> bool:
        """Whether the user can correct it."""
        return self.free or len(self.choices) > 1
