"""Remove object, as the user meets it."""

from __future__ import annotations

from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool

TOOL = Tool(
    id="remove-object",
    title="Remove Object",
    help=(
        "Fills what is selected as if it had never been there. The models continue what the "
        "picture shows; the classical path copies pieces of it, which does for texture such as "
        "grass, sky or walls, and is far from a model's fill where an outline has to go on."
    ),
    returns=Returns.PIXELS,
    classical_name="classical fill",
    gain=(
        "outlines and structures go on through what is filled: a large gain there, a "
        "small one on texture"
    ),
    selects=Selects.NEEDED,
    parameters=(
        Parameter(
            "model",
            "Model",
            "Best is LaMa; small is LaMa in less than half of the download, light is MI-GAN in a "
            "seventh. The classical path makes no difference between them.",
            Kind.CHOICE,
            AUTO,
            choices=(AUTO, "best", "light", "small"),
            choice_titles=("Automatic", "Best (LaMa)", "Light (MI-GAN)", "Small (LaMa)"),
            own=True,
        ),
    ),
)
