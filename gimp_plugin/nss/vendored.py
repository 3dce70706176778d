"""The one place that finds the bridge: beside this file in the installed plug-in, or a checkout.

Its modules are loaded when they are first asked for: GIMP starts the plug-in anew for each use.
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shared_core.bridge import (
        again,
        arena,
        client,
        consent,
        errors,
        export,
        host,
        iptc,
        lane,
        language,
        logs,
        paths,
        placement,
        receipt,
        settings,
        toolbox,
        wire,
        words,
    )
    from shared_core.bridge.language import _, ngettext
    from shared_core.bridge.setup import environment

_BRIDGE = "bridge" if find_spec("bridge") is not None else "shared_core.bridge"

if not TYPE_CHECKING:
    language = import_module(f"{_BRIDGE}.language")
    _, ngettext = language._, language.ngettext

# GIMP tells its plug-ins so which language it speaks.
language.choose(language.of_environment())


def __getattr__(name: str) -> Any:
    """A module of the bridge."""
    if name not in __all__:
        raise AttributeError(name)
    found = import_module(
        f"{_BRIDGE}.setup.{name}" if name == "environment" else f"{_BRIDGE}.{name}"
    )
    globals()[name] = found
    return found


def guide() -> Any:
    """The module that guides through the set-up; few starts need it, and it is slow to load."""
    return import_module(f"{_BRIDGE}.setup.guide")


def shop() -> Any:
    """The modules of the models' window, ``counter`` and ``views``; as slow to load."""
    place = f"{_BRIDGE}.shop"
    return import_module(f"{place}.counter"), import_module(f"{place}.views")


def shop_own() -> Any:
    """The modules ``own`` and ``views``, for a model of the user's own."""
    place = f"{_BRIDGE}.shop"
    return import_module(f"{place}.own"), import_module(f"{place}.views")


def diagnostics() -> Any:
    """The module that makes the text for a report of a fault; rarely needed."""
    return import_module(f"{_BRIDGE}.diagnostics")


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
    "iptc",
    "lane",
    "language",
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
