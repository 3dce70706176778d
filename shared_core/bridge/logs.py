"""The log in which an editor's plug-in keeps its unexpected errors, beside the worker's own."""

from __future__ import annotations

import contextlib
import logging

from .errors import NssError
from .paths import Paths, private_folder

_LIMIT = 1 << 20


def start(log: logging.Logger, paths: Paths, name: str) -> None:
    """Have ``log`` write to the file ``name``, of a mebibyte and one older.

    Without a writable folder there is no log.
    """
    if log.handlers:
        return
    from logging.handlers import RotatingFileHandler

    log.propagate = False
    log.setLevel(logging.INFO)
    with contextlib.suppress(OSError, NssError):
        handler = RotatingFileHandler(
            private_folder(paths.cache) / name,
            maxBytes=_LIMIT,
            backupCount=1,
            encoding="utf-8",
            delay=True,
        )
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        log.addHandler(handler)
        return
    log.addHandler(logging.NullHandler())
