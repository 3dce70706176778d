"""``nss settings``, and the options of other commands that stand in for a setting."""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from typing import Any

from ..bridge import settings
from ..bridge.errors import UsageError
from ..bridge.language import _
from ..bridge.paths import paths
from ..bridge.settings import Settings
from .terminal import print_json

LIMITS = {"budget": "TIME", "memory": "AMOUNT", "vram": "AMOUNT"}


def register(sub: Any) -> None:
    """Add the arguments of ``nss settings`` to its parser."""
    sub.add_argument("given", metavar="NAME=VALUE", nargs="*", help=_("such as budget=3min"))
    sub.add_argument("--json", action="store_true", help=_("print JSON"))


def add_limits(sub: Any) -> None:
    """Add the options that stand in for settings to a command's parser."""
    for name, words in LIMITS.items():
        sub.add_argument(
            f"--{name}", metavar=words, help=_("in place of the setting {name}", name=name)
        )
    sub.add_argument(
        "--commercial",
        action=argparse.BooleanOptionalAction,
        help=_("only models that allow commercial use"),
    )


def show_or_change(options: argparse.Namespace) -> int:
    """The command itself."""
    given = {}
    for pair in options.given:
        name, equals, value = pair.partition("=")
        if not equals:
            raise UsageError(_("nss settings takes NAME=VALUE, not {pair}.", pair=repr(pair)))
        given[name] = value
    file = paths().settings
    if given:
        settings.change(file, given)
    words = settings.words_of(_kept())
    if options.json:
        print_json(words)
        return 0
    for setting in settings.SETTINGS:
        print(f"{setting.name} = {words[setting.name]}  ({setting.help})")
    print(
        _(
            "They are kept in {file}; NAME={default} takes one back.",
            file=file,
            default=settings.DEFAULT,
        )
    )
    return 0


def chosen(options: argparse.Namespace) -> Settings:
    """The user's settings, and in their place what the command's options say."""
    found: dict[str, Any] = {}
    for setting in settings.SETTINGS:
        text = getattr(options, setting.name, None) if setting.name in LIMITS else None
        if text is not None:
            try:
                found[setting.name] = setting.read(text)
            except ValueError as error:
                raise UsageError(
                    _(
                        "--{name} {error}, not {text}.",
                        name=setting.name,
                        error=error,
                        text=repr(text),
                    )
                ) from None
    if options.commercial is not None:
        found["commercial_only"] = options.commercial
    return replace(_kept(), **found)


def _kept() -> Settings:
    """The user's settings; what is wrong with their file is said."""
    kept, trouble = settings.read(paths().settings)
    if trouble:
        print(f"nss: {trouble}", file=sys.stderr)
    return kept
