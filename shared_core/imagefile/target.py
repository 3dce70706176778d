"""Which names a result can be written to."""

from __future__ import annotations

import os
from pathlib import Path

from ..bridge.errors import CouldNotBeDone, UsageError
from ..bridge.language import _

_FORMATS = {".png": "png", ".tif": "tiff", ".tiff": "tiff"}


def format_of(path: str | os.PathLike[str]) -> str:
    """png or tiff by the suffix; ``UsageError`` for any other."""
    suffix = Path(path).suffix.lower()
    if suffix not in _FORMATS:
        raise UsageError(
            _(
                "The result cannot be written as {name}: give it a name that ends in .png, "
                ".tif or .tiff.",
                name=repr(Path(path).name),
            )
        )
    return _FORMATS[suffix]


def check(path: str | os.PathLike[str]) -> None:
    """Raise ``UsageError`` or ``CouldNotBeDone`` when nothing can be written there."""
    format_of(path)
    target = Path(os.path.realpath(path))
    if target.is_dir():
        raise CouldNotBeDone(
            _("{path} is a folder. Choose another name for the result.", path=path)
        )
    if not target.parent.is_dir():
        raise CouldNotBeDone(
            _("There is no folder {parent}. Make it or choose another one.", parent=target.parent)
        )
    if not os.access(target.parent, os.W_OK | os.X_OK):
        raise CouldNotBeDone(
            _(
                "The folder {parent} cannot be written. Choose another one or correct its "
                "permissions.",
                parent=target.parent,
            )
        )
