"""Deblur, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Tool

TOOL = Tool(
    id="deblur",
    title=_("Deblur"),
    help=_(
        "Sharpens a blurred picture. NAFNet undoes camera shake and motion; the compact model and "
        "the classical path undo one blur of the whole picture, where it is certain."
    ),
    returns=Returns.PIXELS,
    classical_name=_("classical sharpening"),
    gain=_(
        "motion that differs over the picture and shake that is not straight are undone too: a "
        "modest gain at mild blur"
    ),
    parameters=(
        Parameter(
            "amount",
            _("Amount"),
            _("How much of the sharpened picture is used."),
            Kind.NUMBER,
            100.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "kind",
            _("Kind of blur"),
            _("What the compact model and the classical path undo; NAFNet sees for itself."),
            Kind.CHOICE,
            AUTO,
            choices=("auto", "soft", "motion"),
            choice_titles=(_("Find out"), _("Soft or out of focus"), _("Motion")),
        ),
        Parameter(
            "radius",
            _("Radius"),
            _("Standard deviation of a soft blur; auto measures it. NAFNet ignores it."),
            Kind.NUMBER,
            AUTO,
            minimum=0.3,
            maximum=8,
            unit="px",
            auto=True,
            start=2,
        ),
        Parameter(
            "length",
            _("Length"),
            _("Length of a motion blur. NAFNet ignores it."),
            Kind.NUMBER,
            15.0,
            minimum=2,
            maximum=60,
            unit="px",
        ),
        Parameter(
            "angle",
            _("Angle"),
            _("Direction of a motion blur, counter-clockwise from horizontal. NAFNet ignores it."),
            Kind.NUMBER,
            0.0,
            minimum=-180,
            maximum=180,
            unit="°",
        ),
    ),
)
