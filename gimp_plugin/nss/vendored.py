"""The one place that finds the bridge: beside this file in the installed plug-in, or a checkout."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING or find_spec("bridge") is None:
    from shared_core.bridge import language
    from shared_core.bridge.language import _, ngettext
else:
    from bridge import language
    from bridge.language import _, ngettext

# GIMP tells its plug-ins so which language it speaks.
language.choose(language.of_environment())

if TYPE_CHECKING or find_spec("bridge") is None:
    from shared_core.bridge import (
        again,
        arena,
        client,
        consent,
        errors,
        export,
        host,
        lane,
        logs,
        paths,
        placement,
        receipt,
        settings,
        toolbox,
        wire,
        words,
    )
    from shared_core.bridge.setup import environment
else:
    from bridge import (
        again,
        arena,
        client,
        consent,
        errors,
        export,
        host,
        lane,
        logs,
        paths,
        placement,
        receipt,
        settings,
        toolbox,
        wire,
        words,
    )
    from bridge.setup import environment


def guide() -> Any:
    """The module that guides through the set-up; few starts need it, and it is slow to load."""
    return import_module(f"{environment.__package__}.guide")


def shop() -> Any:
    """The modules of the models' window, ``counter`` and ``views``; as slow to load."""
    place = f"{lane.__package__}.shop"
    return import_module(f"{place}.counter"), import_module(f"{place}.views")


def shop_own() -> Any:
    """The modules ``own`` and ``views``, for a model of the user's own."""
    place = f"{lane.__package__}.shop"
    return import_module(f"{place}.own"), import_module(f"{place}.views")


def diagnostics() -> Any:
    """The module that makes the text for a report of a fault; rarely needed."""
    return import_module(f"{lane.__package__}.diagnostics")


__all__ = [
    "_",
    "again",
    "arena",
    "client",
    "consent",
    "diagnostics",
    "environment",
    "errors",
    "export",
    "guide",
    "host",
    "lane",
    "logs",
    "ngettext",
    "paths",
    "placement",
    "receipt",
    "settings",
    "shop",
    "shop_own",
    "toolbox",
    "wire",
    "words",
]
