"""What the user is told of an error; one that nobody expected is kept in a log."""

from __future__ import annotations

from vendored import _, errors, paths


def explain(error: BaseException) -> str:
    """A sentence for the user; an unexpected error goes into the log with its traceback."""
    if isinstance(error, errors.NssError):
        return str(error)
    import logging

    from vendored import logs

    places = paths.paths()
    log = logging.getLogger("nss_gimp")
    logs.start(log, places, "gimp.log")
    log.error("unexpected", exc_info=(type(error), error, error.__traceback__))
    return _(
        "Something unexpected went wrong ({kind}: {error}). The details are in {cache}; "
        "Copy Diagnostics in the panel makes a report of it.",
        kind=type(error).__name__,
        error=error,
        cache=places.cache / "gimp.log",
    )
