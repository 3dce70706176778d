"""Remove background, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool

TOOL = Tool(
    id="remove-background",
    title=_("Remove Background"),
    help=_(
        "Cuts out the subject, with the colour of the old background taken out of hair and soft "
        "edges. A selection around the subject says which one is meant. The model knows what "
        "things are; the classical path only sees what differs in colour and stands in the middle, "
        "so the two are far apart on busy pictures."
    ),
    returns=Returns.MASK,
    classical_name=_("classical cut-out"),
    gain=_(
        "the subject is recognised, not told apart by its colours: a large gain on "
        "busy pictures and hair"
    ),
    selects=Selects.HINT,
    parameters=(
        Parameter(
            "model",
            _("Model"),
            _(
                "Which model cuts; BiRefNet needs 7 to 9 GB of memory. The classical path makes no "
                "difference between them."
            ),
            Kind.CHOICE,
            AUTO,
            choices=(
                *(AUTO, "fast", "best", "portrait", "tiny"),
                *("fast-full", "finest", "ben2", "rmbg"),
            ),
            choice_titles=(
                _("Automatic"),
                _("Fast (IS-Net)"),
                _("Best edges (BiRefNet lite)"),
                _("People (MODNet)"),
                _("Tiny (U²-Netp)"),
                _("IS-Net, full precision"),
                _("BiRefNet, large"),
                "BEN2",
                _("RMBG 1.4 (not for commercial use)"),
            ),
            own=True,
        ),
        Parameter(
            "result",
            _("Result"),
            _("A new layer with a layer mask, a new layer cut out for good, or a selection."),
            Kind.CHOICE,
            "mask",
            choices=("mask", "cut", "selection"),
            choice_titles=(_("Layer with mask"), _("Cut-out layer"), _("Selection")),
        ),
        Parameter(
            "edge",
            _("Edge"),
            _("Moves the edge inwards (below 0) or outwards (above 0) within its soft part."),
            Kind.NUMBER,
            0.0,
            minimum=-100,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "detail",
            _("Fine detail"),
            _("How closely the edge follows hair and thin lines in the picture; less is smoother."),
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "clean",
            _("Clean edge colours"),
            _(
                "How much of the old background's colour is taken out of half-covered pixels; a "
                "selection has no colours to clean."
            ),
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
    ),
)
