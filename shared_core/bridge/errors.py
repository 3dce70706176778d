"""The one small hierarchy of errors: each says what happened, to what, and what the user can do."""

from __future__ import annotations


class NssError(Exception):
    """Base of all errors a user may see.

    ``exit_code`` is what the command line returns; ``code`` names the error on the wire.
    """

    code = "failed"
    exit_code = 5


class UsageError(NssError):
    """An unknown tool, a parameter out of range, an option that does not exist."""

    code = "usage"
    exit_code = 2


class BadInput(NssError):
    """The picture, layer, selection or mask cannot be worked on as it is."""

    code = "bad-input"
    exit_code = 3


class RealPathImpossible(NssError):
    """The user asked for the real model only, and it cannot run here."""

    code = "real-impossible"
    exit_code = 4


class CouldNotBeDone(NssError):
    """Disk full, no worker, a download that failed: the surroundings are in the way."""

    code = "could-not"
    exit_code = 5


class WorkerLost(CouldNotBeDone):
    """The connection to the worker ended in the middle of a request."""

    code = "worker-lost"


class Cancelled(NssError):
    """The user cancelled."""

    code = "cancelled"
    exit_code = 130


_BY_CODE: dict[str, type[NssError]] = {
    cls.code: cls
    for cls in (
        NssError,
        UsageError,
        BadInput,
        RealPathImpossible,
        CouldNotBeDone,
        WorkerLost,
        Cancelled,
    )
}


def from_code(code: str, message: str) -> NssError:
    """The error that ``code`` names on the wire, as an exception with ``message``."""
    return _BY_CODE.get(code, NssError)(message)
