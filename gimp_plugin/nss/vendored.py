"""The one place that finds the bridge: beside this file in the installed plug-in, or a checkout."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING or find_spec("bridge") is None:
    from shared_core.bridge import (
        arena,
        client,
        consent,
        errors,
        host,
        paths,
        receipt,
        settings,
        toolbox,
        wire,
        words,
    )
    from shared_core.bridge.setup import guide
else:
    from bridge import (
        arena,
        client,
        consent,
        errors,
        host,
        paths,
        receipt,
        settings,
        toolbox,
        wire,
        words,
    )
    from bridge.setup import guide

__all__ = [
    "arena",
    "client",
    "consent",
    "errors",
    "guide",
    "host",
    "paths",
    "receipt",
    "settings",
    "toolbox",
    "wire",
    "words",
]
