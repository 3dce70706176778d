"""Denoise, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Tool

TOOL = Tool(
    id="denoise",
    title=_("Denoise"),
    help=_(
        "Removes grain and sensor noise. The model keeps more fine texture at strong noise; "
        "at mild noise the classical filter comes close."
    ),
    returns=Returns.PIXELS,
    classical_name=_("classical denoising"),
    gain=_("more fine texture stays where the noise is strong: a modest gain"),
    parameters=(
        Parameter(
            "strength",
            _("Strength"),
            _("Standard deviation of the noise to remove; auto measures it in the picture."),
            Kind.NUMBER,
            AUTO,
            minimum=0,
            maximum=75,
            unit=_("levels of 255"),
            auto=True,
            start=15,
        ),
        Parameter(
            "detail",
            _("Detail"),
            _("How much fine structure is kept; more detail leaves more grain."),
            Kind.NUMBER,
            50.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
    ),
)
