"""The fields of a model's contract as the user sees and corrects them. Standard library only."""

from __future__ import annotations

from dataclasses import dataclass

PICTURE, SIZE, MULTIPLE, SCALE = "picture", "size", "multiple", "scale"
CHANNELS, ORDER, VALUES, SIGMA, MASK = "channels", "order", "values", "sigma", "mask"
CONSTANTS = "constants"
OUTPUT, OUTPUT_ORDER, OUTPUT_VALUES = "output", "output_order", "output_values"
RESIDUAL, SUBJECT = "residual", "subject"
STRETCH, MAXIMUM = "stretch", "by_maximum"
TILE, SIDE = "tile", "side"

TITLES = {
    PICTURE: "Picture",
    SIZE: "Size",
    MULTIPLE: "Sides are multiples of",
    SCALE: "Enlarges",
    CHANNELS: "One channel is",
    ORDER: "Order of colours",
    VALUES: "Values of the picture",
    SIGMA: "Values of the noise level",
    MASK: "The mask's high value marks",
    CONSTANTS: "Other numbers",
    OUTPUT: "Output that counts",
    OUTPUT_ORDER: "Order of colours in the result",
    OUTPUT_VALUES: "Values of the result",
    RESIDUAL: "The result is what is to be taken away",
    SUBJECT: "Classes of the subject",
    STRETCH: "The matte is stretched to 0..1",
    MAXIMUM: "The picture is divided by its largest value",
    TILE: "Side of a tile",
    SIDE: "Side of what the network sees",
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
