"""Every tool declared once; menus, dialogs, the command line and the manual are made from it."""

from __future__ import annotations

import importlib
import importlib.util

from ..errors import UsageError
from .kinds import AUTO, Kind, Parameter, Returns, Selects, Tool, Value

__all__ = ["AUTO", "TOOLS", "Kind", "Parameter", "Returns", "Selects", "Tool", "Value", "tool"]

# In the order of the menus.
_NAMES = (
    "remove_background", "remove_object", "denoise", "deblur", "upscale", "restore_faces",
    "colorize", "text_to_image", "generate_background", "tags",
)
# TEMPORARY while the tools are being written: only what is there.
TOOLS: tuple[Tool, ...] = tuple(
    importlib.import_module("." + name, __package__).TOOL
    for name in _NAMES
    if importlib.util.find_spec("." + name, __package__)
)


def tool(tool_id: str) -> Tool:
    """The tool with this id; ``UsageError`` when there is none."""
    for candidate in TOOLS:
        if candidate.id == tool_id:
            return candidate
    known = ", ".join(t.id for t in TOOLS)
    raise UsageError(f"There is no tool {tool_id!r}; the tools are {known}.")
