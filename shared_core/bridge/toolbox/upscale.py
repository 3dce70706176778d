"""Upscale, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool

TOOL = Tool(
    id="upscale",
    title=_("Upscale"),
    help=_(
        "Makes the whole layer two or four times as wide and high. The models draw detail that "
        "was not in the picture; the classical path keeps edges clean and adds no detail, so the "
        "two are far apart at ×4 and near at ×2 of a sharp picture."
    ),
    returns=Returns.SCALED,
    classical_name=_("classical enlarging"),
    gain=_(
        "detail is drawn that fits the picture: a large gain at ×4, a small one at ×2 of "
        "a sharp picture"
    ),
    selects=Selects.IGNORED,
    parameters=(
        Parameter(
            "factor",
            _("Factor"),
            _("How many times as wide and high the result is."),
            Kind.CHOICE,
            "2",
            choices=("2", "4"),
            choice_titles=("×2", "×4"),
        ),
        Parameter(
            "model",
            _("Model"),
            _(
                "Best invents the finest texture and is slow; fast is about 15 times faster; "
                "drawing is for line art and anime; Swin2SR is small and only doubles. The "
                "classical path makes no difference between them."
            ),
            Kind.CHOICE,
            AUTO,
            choices=(AUTO, "best", "fast", "drawing", "swin2sr"),
            choice_titles=(
                _("Automatic"),
                _("Best"),
                _("Fast"),
                _("Drawing"),
                _("Swin2SR (×2 only)"),
            ),
            own=True,
        ),
    ),
)
