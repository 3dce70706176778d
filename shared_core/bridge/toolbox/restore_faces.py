"""Restore faces, as the user meets it."""

from __future__ import annotations

from ..language import _
from .kinds import AUTO, Kind, Parameter, Returns, Tool

TOOL = Tool(
    id="restore-faces",
    title=_("Restore Faces"),
    help=_(
        "Makes the faces in a blurred, small or damaged photo clear; only faces change. The "
        "models draw a face anew that resembles the old one: it is reconstructed, not recovered, "
        "and may not be the person's own features. The classical path only lowers noise and raises "
        "contrast and detail that are there, so the two are far apart."
    ),
    returns=Returns.PIXELS,
    classical_name=_("classical detail and contrast on faces"),
    gain=_(
        "faces are drawn anew and clear, reconstructed rather than recovered: a large "
        "gain on blurred or small ones"
    ),
    parameters=(
        Parameter(
            "strength",
            _("Strength"),
            _("How much of the new face is used; the rest is the source."),
            Kind.NUMBER,
            80.0,
            minimum=0,
            maximum=100,
            unit="%",
        ),
        Parameter(
            "smallest",
            _("Smallest face"),
            _(
                "Smaller faces stay as they are; it has no effect where the face detector is "
                "missing."
            ),
            Kind.NUMBER,
            40.0,
            minimum=24,
            maximum=1000,
            unit="px",
            whole=True,
        ),
        Parameter(
            "model",
            _("Model"),
            _(
                "GFPGAN gives the clearest faces, and its licence leaves commercial use in doubt; "
                "RestoreFormer++ allows it. The classical path makes no difference between them."
            ),
            Kind.CHOICE,
            AUTO,
            choices=(AUTO, "gfpgan", "restoreformer", "restoreformer-full", "codeformer"),
            choice_titles=(
                _("Automatic"),
                "GFPGAN",
                _("RestoreFormer++"),
                _("RestoreFormer++ full"),
                _("CodeFormer (not for commercial use)"),
            ),
            own=True,
        ),
    ),
)
