"""Remove object, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool

TOOL = Tool(
    id="remove-object",
    title=_("Remove Object"),
    help=_(
        "Fills what is selected as if it had never been there. The models continue what the "
        "picture shows; the classical path copies pieces of it, which does for texture such as "
        "grass, sky or walls, and is far from a model's fill where an outline has to go on."
    ),
    returns=Returns.PIXELS,
    classical_name=_("classical fill"),
    gain=_(
        "outlines and structures go on through what is filled: a large gain there, a "
        "small one on texture"
    ),
    selects=Selects.NEEDED,
    parameters=(
        Parameter(
            "model",
            _("Model"),
            _(
                "Best is LaMa; small is LaMa in less than half of the download, light is MI-GAN "
                "in a seventh. The classical path makes no difference between them."
            ),
            Kind.CHOICE,
            AUTO,
            choices=(AUTO, "best", "light", "small"),
            choice_titles=(
                _("Automatic"),
                _("Best (LaMa)"),
                _("Light (MI-GAN)"),
                _("Small (LaMa)"),
            ),
            own=True,
        ),
    ),
)
