"""Keeps exceptions out of Krita's modal dialog: they go to a log and, in short, to the user."""

from __future__ import annotations

import contextlib
import functools
import logging
from collections.abc import Callable
from typing import Any

from .vendored import _, errors, logs, paths

LOG = logging.getLogger("nss_krita")


def start() -> None:
    """Write the log beside the worker's own; without a writable folder there is no log."""
    logs.start(LOG, paths.paths(), "krita.log")


def explain(error: BaseException) -> str:
    """What the user is told of an error; an unexpected one is logged with its traceback."""
    if isinstance(error, errors.NssError):
        return str(error)
    LOG.error("unexpected", exc_info=(type(error), error, error.__traceback__))
    return _(
        "Something unexpected went wrong ({kind}: {error}). The document was not changed; "
        "the details are in {cache}.",
        kind=type(error).__name__,
        error=error,
        cache=paths.paths().cache / "krita.log",
    )


def guarded(slot: Callable[..., None]) -> Callable[..., None]:
    """A slot whose exceptions are handed to its object's ``tell`` instead of Krita's dialog."""

    @functools.wraps(slot)
    def call(self: Any, *arguments: object) -> None:
        try:
            slot(self, *arguments)
        except Exception as error:
            sentence = explain(error)
            with contextlib.suppress(Exception):
                self.tell(sentence)

    return call
