"""Starts the worker: its own Python, a scrubbed environment, detached from the editor."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

from .errors import CouldNotBeDone
from .language import _
from .paths import Paths, private_folder
from .setup import processes

WORKER_MODULE = "shared_core.worker.server"
LOG_LIMIT = 1 << 20

_KEEP = frozenset(
    {
        *("HOME", "USER", "LOGNAME", "PATH", "LANG", "LANGUAGE", "TZ", "TMPDIR", "TMP", "TEMP"),
        *("XDG_CONFIG_HOME", "XDG_DATA_HOME", "XDG_CACHE_HOME", "XDG_RUNTIME_DIR"),
        *("SYSTEMROOT", "SYSTEMDRIVE", "WINDIR", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA"),
        *("PROGRAMDATA", "PROGRAMFILES", "USERPROFILE", "USERNAME", "NUMBER_OF_PROCESSORS"),
        *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CUDA_VISIBLE_DEVICES"),
    }
)
_KEEP_PREFIXES = ("NSS_", "LC_")
# The worker's folder is another one than ours.
_FOLDERS = ("NSS_HOME", "NSS_CARDS")


def scrubbed(environ: Mapping[str, str]) -> dict[str, str]:
    """``environ`` without what editors put there for themselves (PYTHON*, QT_*, LD_*, GI_*).

    The settings of the model hub are not among it: they come with each download, since those of
    whoever started the worker may be old. Folders are made absolute.
    """
    kept = {
        name: value
        for name, value in environ.items()
        if name.upper() in _KEEP or name.startswith(_KEEP_PREFIXES)
    }
    for name in _FOLDERS:
        if kept.get(name):
            kept[name] = str(Path(kept[name]).expanduser().absolute())
    return kept


def hub_environment(environ: Mapping[str, str] | None = None) -> dict[str, str]:
    """The settings of the model hub and of proxies, sent along with a consented download."""
    env = os.environ if environ is None else environ
    return {
        name: value
        for name, value in env.items()
        if name.startswith("HF_") or name.lower().endswith("_proxy")
    }


def worker_python(paths: Paths, own_python: str | None) -> str:
    """Which Python runs the worker: the installed one, else ``own_python``.

    Raises ``CouldNotBeDone`` when there is neither (in an editor, before the set-up).
    """
    with contextlib.suppress(OSError, ValueError, AttributeError):
        python = json.loads(paths.worker_python.read_text("utf-8")).get("python")
        if isinstance(python, str) and Path(python).is_file():
            return python
    if own_python:
        return own_python
    raise CouldNotBeDone(
        _(
            "The NSS worker is not set up. Krita's panel NSS does it, in GIMP Filters ▸ NSS ▸ Set "
            "Up…, on the command line  nss setup."
        )
    )


def start(paths: Paths, own_python: str | None = None) -> subprocess.Popen[bytes]:
    """Start the worker detached; it writes to a log that is kept under two mebibytes.

    Raises ``CouldNotBeDone`` when its Python is missing or cannot be started.
    """
    python = worker_python(paths, own_python)
    private_folder(paths.cache)
    log = paths.log
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_LIMIT:
            os.replace(log, log.with_suffix(".old.log"))
    try:
        output = log.open("ab")
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The NSS worker's log {log} cannot be written ({reason}). Correct the "
                "permissions of its folder, or set NSS_HOME to a folder of your own.",
                log=log,
                reason=error.strerror or error,
            )
        ) from error
    try:
        with output:
            return subprocess.Popen(
                [python, "-E", "-P", "-m", WORKER_MODULE],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=scrubbed(os.environ),
                cwd=paths.cache,
                close_fds=True,
                start_new_session=os.name != "nt",
                creationflags=processes.FLAGS,
            )
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The NSS worker could not be started with {python} ({reason}). Set it up "
                "again: that repairs it.",
                python=python,
                reason=error.strerror or error,
            )
        ) from error


def last_words(paths: Paths) -> str:
    """The last line of the worker's log, for an error message."""
    with contextlib.suppress(OSError):
        lines = paths.log.read_text("utf-8", "replace").strip().splitlines()
        if lines:
            return lines[-1][:300]
    return _("it left no message")
