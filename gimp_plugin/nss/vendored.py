"""The one place that finds the bridge: beside this file in the installed plug-in, or a checkout."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or find_spec("bridge") is None:
    from shared_core.bridge import (
        arena,
        client,
        consent,
        errors,
        host,
        lane,
        paths,
        receipt,
        settings,
        toolbox,
        wire,
        words,
    )
    from shared_core.bridge.setup import environment
    from shared_core.bridge.shop import counter, views
else:
    from bridge import (
        arena,
        client,
        consent,
        errors,
        host,
        lane,
        paths,
        receipt,
        settings,
        toolbox,
        wire,
        words,
    )
    from bridge.setup import environment
    from bridge.shop import counter, views


def guide() -> Any:
    """The module that guides through the set-up; few starts need it, and it is slow to load."""
    return import_module(f"{environment.__package__}.guide")


__all__ = [
    "arena",
    "client",
    "consent",
    "counter",
    "environment",
    "errors",
    "guide",
    "host",
    "lane",
    "paths",
    "receipt",
    "settings",
    "toolbox",
    "views",
    "wire",
    "words",
]
