"""Colorize, as the user meets it."""

from __future__ import annotations

from .kinds import AUTO, Kind, Parameter, Returns, Tool

TOOL = Tool(
    id="colorize",
    title="Colorize",
    help=(
        "Gives colours to a black-and-white picture and leaves its lightness as it is. The model "
        "sees what is in the picture and guesses its colours; the classical path sees nothing: it "
        "tones the picture like an old print, or spreads the colours of your strokes. The two are "
        "very far apart."
    ),
    returns=Returns.PIXELS,
    classical_name="classical toning",
    gain=(
        "things are recognised and get likely colours, instead of one tone for all: a large gain"
    ),
    colours=True,
    parameters=(
        Parameter(
            "model",
            "Model",
            "Automatic takes the small one where it is here; the large ones are slower, artistic "
            "is more vivid. DeOldify is an older kind. The classical path makes no difference "
            "between them.",
            Kind.CHOICE,
            AUTO,
            choices=(AUTO, "small", "artistic", "large", "deoldify"),
            choice_titles=(
                "Automatic",
                "DDColor tiny",
                "DDColor artistic (large)",
                "DDColor large",
                "DeOldify",
            ),
            own=True,
        ),
        Parameter(
            "strength",
            "Strength",
            "How far the picture's own colours give way to the new ones.",
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "saturation",
            "Saturation",
            "How vivid the new colours are; 100 is as the model, the palette or the strokes say.",
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=200,
            unit="%",
        ),
        Parameter(
            "palette",
            "Palette",
            "The print that the classical path imitates; the model ignores it.",
            Kind.CHOICE,
            "sepia",
            choices=("sepia", "cyanotype", "selenium", "gold", "platinum", "vandyke", "tinted"),
            choice_titles=(
                "Sepia",
                "Cyanotype",
                "Selenium-toned",
                "Gold-toned",
                "Platinum",
                "Van Dyke brown",
                "Hand-tinted",
            ),
        ),
        Parameter(
            "strokes",
            "Colour strokes",
            "The classical path spreads the colours painted on the layer above, up to the edges "
            "in the picture; the model ignores them, so choose the classical path with them.",
            Kind.CHOICE,
            "none",
            choices=("none", "above"),
            choice_titles=("None", "On the layer above"),
        ),
    ),
)
