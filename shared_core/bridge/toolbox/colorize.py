"""Colorize, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Tool

TOOL = Tool(
    id="colorize",
    title=_("Colorize"),
    help=_(
        "Gives colours to a black-and-white picture and leaves its lightness as it is. The model "
        "sees what is in the picture and guesses its colours; the classical path sees nothing: it "
        "tones the picture like an old print, or spreads the colours of your strokes. The two are "
        "very far apart."
    ),
    returns=Returns.PIXELS,
    classical_name=_("classical toning"),
    gain=_(
        "things are recognised and get likely colours, instead of one tone for all: a large gain"
    ),
    colours=True,
    parameters=(
        Parameter(
            "model",
            _("Model"),
            _(
                "Automatic takes the small one where it is here; the large ones are slower, "
                "artistic is more vivid. DeOldify is an older kind. The classical path makes no "
                "difference between them."
            ),
            Kind.CHOICE,
            AUTO,
            choices=(AUTO, "small", "artistic", "large", "deoldify"),
            choice_titles=(
                _("Automatic"),
                _("DDColor tiny"),
                _("DDColor artistic (large)"),
                _("DDColor large"),
                _("DeOldify"),
            ),
            own=True,
        ),
        Parameter(
            "strength",
            _("Strength"),
            _("How far the picture's own colours give way to the new ones."),
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "saturation",
            _("Saturation"),
            _(
                "How vivid the new colours are; 100 is as the model, the palette or the strokes "
                "say."
            ),
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=200,
            unit="%",
        ),
        Parameter(
            "palette",
            _("Palette"),
            _("The print that the classical path imitates; the model ignores it."),
            Kind.CHOICE,
            "sepia",
            choices=("sepia", "cyanotype", "selenium", "gold", "platinum", "vandyke", "tinted"),
            choice_titles=(
                _("Sepia"),
                _("Cyanotype"),
                _("Selenium-toned"),
                _("Gold-toned"),
                _("Platinum"),
                _("Van Dyke brown"),
                _("Hand-tinted"),
            ),
        ),
        Parameter(
            "strokes",
            _("Colour strokes"),
            _(
                "The classical path spreads the colours painted on the layer above, up to the "
                "edges in the picture; the model ignores them, so choose the classical path with "
                "them."
            ),
            Kind.CHOICE,
            "none",
            choices=("none", "above"),
            choice_titles=(_("None"), _("On the layer above")),
        ),
    ),
)
