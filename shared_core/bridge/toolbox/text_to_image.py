"""Text to image, as the user meets it, and what its models are told elsewhere too."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool

# What the models that paint from words are told, by every tool that uses them.
PAINTING = (
    Parameter(
        "seed",
        _("Seed"),
        _("The same prompt and seed give the same pixels again; auto takes a new one."),
        Kind.NUMBER,
        AUTO,
        minimum=0,
        maximum=2147483647,
        auto=True,
        start=1,
        whole=True,
    ),
    Parameter(
        "steps",
        _("Steps"),
        _(
            "How often the model goes over the picture; more take longer and add detail. The small "
            "model always takes one, and the classical path ignores it."
        ),
        Kind.NUMBER,
        1.0,
        minimum=1,
        maximum=4,
        whole=True,
    ),
    Parameter(
        "model",
        _("Model"),
        _(
            "The small model is faster, needs less memory and allows commercial use; there are two "
            "exports of it. The classical path makes no difference between them."
        ),
        Kind.CHOICE,
        AUTO,
        choices=("auto", "best", "small", "small-second"),
        choice_titles=(
            _("Best that fits"),
            _("SD-Turbo (restricted licence)"),
            _("Small (SDXS)"),
            _("Small, second export"),
        ),
    ),
)

TOOL = Tool(
    id="text-to-image",
    title=_("Text to Image"),
    help=_(
        "Makes a new layer from a description. The model paints what the words say; the classical "
        "path only makes a texture or gradient from the colours and materials it finds among them, "
        "so the two have little in common."
    ),
    returns=Returns.LAYER,
    classical_name=_("procedural texture"),
    gain=_(
        "what the words say is painted, instead of a texture in their colours: the two "
        "have nothing in common"
    ),
    selects=Selects.HINT,
    canvas=True,
    colours=True,
    parameters=(
        Parameter(
            "prompt",
            _("Prompt"),
            _("What to show, in English; the models read about the first 50 words."),
            Kind.TEXT,
            "",
            maximum=500,
        ),
        *PAINTING,
    ),
)
