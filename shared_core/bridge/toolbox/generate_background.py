"""Declares the tool generate-background."""

from __future__ import annotations

from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool

TOOL = Tool(
    id="generate-background",
    title="Generate Background",
    help=(
        "Fills the canvas with a background below the layer, whose own pixels stay. The model "
        "paints the place that the words describe; the classical path makes a backdrop of "
        "gradients, blur or texture in the subject's colours, which is not a place."
    ),
    returns=Returns.BELOW,
    classical_name="classical backdrop",
    selects=Selects.IGNORED,
    canvas=True,
    colours=True,
    parameters=(
        Parameter(
            "prompt",
            "Prompt",
            "The background to show, in English; the backdrop takes colours and materials from it.",
            Kind.TEXT,
            "",
            maximum=500,
        ),
        Parameter(
            "style",
            "Backdrop",
            "What the classical path makes; find out takes a texture where the prompt names "
            "one. The model ignores it.",
            Kind.CHOICE,
            AUTO,
            choices=("auto", "gradient", "blurred", "texture"),
            choice_titles=("Find out", "Studio gradient", "Blurred original", "Texture"),
        ),
        Parameter(
            "harmonise",
            "Harmonise",
            "How far light and palette are drawn towards the subject's; a blurred original "
            "has them already.",
            Kind.NUMBER,
            40.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "seed",
            "Seed",
            "The same prompt and seed give the same pixels again; auto takes a new one.",
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
            "Steps",
            "How often the model goes over the picture; more take longer and add detail. The small "
            "model always takes one, and the classical path ignores it.",
            Kind.NUMBER,
            1.0,
            minimum=1,
            maximum=4,
            whole=True,
        ),
        Parameter(
            "model",
            "Model",
            "The small model is faster, needs less memory and allows commercial use. The classical "
            "path makes no difference between them.",
            Kind.CHOICE,
            AUTO,
            choices=("auto", "small"),
            choice_titles=("Best that fits", "Small"),
        ),
    ),
)
