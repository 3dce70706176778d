"""Remove background, as the user meets it."""

from __future__ import annotations

from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool

TOOL = Tool(
    id="remove-background",
    title="Remove Background",
    help=(
        "Cuts out the subject, with the colour of the old background taken out of hair and soft "
        "edges. A selection around the subject says which one is meant. The model knows what "
        "things are; the classical path only sees what differs in colour and stands in the middle, "
        "so the two are far apart on busy pictures."
    ),
    returns=Returns.MASK,
    classical_name="classical cut-out",
    gain=(
        "the subject is recognised, not told apart by its colours: a large gain on "
        "busy pictures and hair"
    ),
    selects=Selects.HINT,
    parameters=(
        Parameter(
            "model",
            "Model",
            "Which model cuts; BiRefNet needs 7 to 9 GB of memory. The classical path makes no "
            "difference between them.",
            Kind.CHOICE,
            AUTO,
            choices=(
                *(AUTO, "fast", "best", "portrait", "tiny"),
                *("fast-full", "finest", "ben2", "rmbg"),
            ),
            choice_titles=(
                "Automatic",
                "Fast (IS-Net)",
                "Best edges (BiRefNet lite)",
                "People (MODNet)",
                "Tiny (U²-Netp)",
                "IS-Net, full precision",
                "BiRefNet, large",
                "BEN2",
                "RMBG 1.4 (not for commercial use)",
            ),
            own=True,
        ),
        Parameter(
            "result",
            "Result",
            "A new layer with a layer mask, a new layer cut out for good, or a selection.",
            Kind.CHOICE,
            "mask",
            choices=("mask", "cut", "selection"),
            choice_titles=("Layer with mask", "Cut-out layer", "Selection"),
        ),
        Parameter(
            "edge",
            "Edge",
            "Moves the edge inwards (below 0) or outwards (above 0) within its soft part.",
            Kind.NUMBER,
            0.0,
            minimum=-100,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "detail",
            "Fine detail",
            "How closely the edge follows hair and thin lines in the picture; less is smoother.",
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "clean",
            "Clean edge colours",
            "How much of the old background's colour is taken out of half-covered pixels; a "
            "selection has no colours to clean.",
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
    ),
)
