"""Every tool declared once; menus, dialogs, the command line and the manual are made from it."""

from __future__ import annotations

from ..errors import UsageError
from ..language import _
from . import (
    colorize,
    deblur,
    denoise,
    generate_background,
    remove_background,
    remove_object,
    restore_faces,
    tags,
    text_to_image,
    upscale,
)
from .kinds import AUTO, MODEL, OWN, Kind, Parameter, Returns, Selects, Tool, Value

__all__ = [
    "AUTO",
    "MODEL",
    "OWN",
    "TAKE_OWN",
    "TOOLS",
    "Kind",
    "Parameter",
    "Returns",
    "Selects",
    "Tool",
    "Value",
    "tool",
]

# In the order of the menus.
TOOLS: tuple[Tool, ...] = (
    remove_background.TOOL,
    remove_object.TOOL,
    denoise.TOOL,
    deblur.TOOL,
    upscale.TOOL,
    restore_faces.TOOL,
    colorize.TOOL,
    text_to_image.TOOL,
    generate_background.TOOL,
    tags.TOOL,
)

# The tools that take a model of the user's own.
TAKE_OWN = (
    "denoise",
    "deblur",
    "upscale",
    "remove-background",
    "colorize",
    "restore-faces",
    "remove-object",
)


def tool(tool_id: str) -> Tool:
    """The tool with this id; ``UsageError`` when there is none."""
    for candidate in TOOLS:
        if candidate.id == tool_id:
            return candidate
    known = ", ".join(t.id for t in TOOLS)
    raise UsageError(
        _("There is no tool {tool_id}; the tools are {known}.", tool_id=repr(tool_id), known=known)
    )
