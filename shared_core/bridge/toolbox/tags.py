"""Tags, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool

TOOL = Tool(
    id="tags",
    title=_("Tags and Description"),
    help=_(
        "Says what is in the picture, in words with scores to copy; no pixel changes. The model "
        "recognises things; the classical path only measures size, colours, brightness, sharpness "
        "and noise, so the two are very far apart."
    ),
    returns=Returns.TEXT,
    classical_name=_("classical measurements, not recognition"),
    gain=_(
        "things in the picture are recognised and named, instead of only measured: the "
        "two have nothing in common"
    ),
    selects=Selects.LIMITS,
    parameters=(
        Parameter(
            "labels",
            _("Your own labels"),
            _(
                "Words to look for, separated by commas, such as: oak leaf, rusty gate. The "
                "classical path recognises none."
            ),
            Kind.TEXT,
            "",
            maximum=500,
        ),
        Parameter(
            "among",
            _("Choose among"),
            _(
                "Whether the built-in list counts beside your own labels; with fewer than two of "
                "your own it always does. The classical path ignores it."
            ),
            Kind.CHOICE,
            "all",
            choices=("all", "own"),
            choice_titles=(_("The list and your labels"), _("Your labels only")),
        ),
        Parameter(
            "count",
            _("How many"),
            _("How many labels are told, the likeliest first; the classical path tells none."),
            Kind.NUMBER,
            8,
            minimum=1,
            maximum=30,
            whole=True,
        ),
        Parameter(
            "model",
            _("Model"),
            _(
                "Full precision is four times the download, and its weights are not rounded. The "
                "classical path makes no difference between them."
            ),
            Kind.CHOICE,
            AUTO,
            choices=(AUTO, "full"),
            choice_titles=(_("Automatic"), _("Full precision")),
        ),
    ),
)
