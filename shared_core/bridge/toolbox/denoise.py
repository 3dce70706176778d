"""Denoise, as the user meets it."""

from __future__ import annotations

from .kinds import AUTO, Kind, Parameter, Returns, Tool

TOOL = Tool(
    id="denoise",
    title="Denoise",
    help=(
        "Removes grain and sensor noise. The model keeps more fine texture at strong noise; "
        "at mild noise the classical filter comes close."
    ),
    returns=Returns.PIXELS,
    classical_name="classical denoising",
    gain="more fine texture stays where the noise is strong: a modest gain",
    parameters=(
        Parameter(
            "strength",
            "Strength",
            "Standard deviation of the noise to remove; auto measures it in the picture.",
            Kind.NUMBER,
            AUTO,
            minimum=0,
            maximum=75,
            unit="levels of 255",
            auto=True,
            start=15,
        ),
        Parameter(
            "detail",
            "Detail",
            "How much fine structure is kept; more detail leaves more grain.",
            Kind.NUMBER,
            50.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
    ),
)
