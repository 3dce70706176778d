"""Generate background, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool
from .text_to_image import PAINTING

TOOL = Tool(
    id="generate-background",
    title=_("Generate Background"),
    help=_(
        "Fills the canvas with a background below the layer, whose own pixels stay. The model "
        "paints the place that the words describe; the classical path makes a backdrop of "
        "gradients, blur or texture in the subject's colours, which is not a place."
    ),
    returns=Returns.BELOW,
    classical_name=_("classical backdrop"),
    gain=_(
        "the place that the words name is painted, instead of a backdrop: the two have "
        "nothing in common"
    ),
    selects=Selects.IGNORED,
    canvas=True,
    colours=True,
    parameters=(
        Parameter(
            "prompt",
            _("Prompt"),
            _(
                "The background to show, in English; the backdrop takes colours and materials "
                "from it."
            ),
            Kind.TEXT,
            "",
            maximum=500,
        ),
        Parameter(
            "style",
            _("Backdrop"),
            _(
                "What the classical path makes; find out takes a texture where the prompt names "
                "one. The model ignores it."
            ),
            Kind.CHOICE,
            AUTO,
            choices=("auto", "gradient", "blurred", "texture"),
            choice_titles=(
                _("Find out"),
                _("Studio gradient"),
                _("Blurred original"),
                _("Texture"),
            ),
        ),
        Parameter(
            "harmonise",
            _("Harmonise"),
            _(
                "How far light and palette are drawn towards the subject's; a blurred original "
                "has them already."
            ),
            Kind.NUMBER,
            40.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
        *PAINTING,
    ),
)
