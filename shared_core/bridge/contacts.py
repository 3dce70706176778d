"""What this program ever contacted over a network, kept on this disk alone, one JSON line each.

Whatever sends a request notes it here before: downloads of models, and the set-up of the worker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from pathlib import Path

from .errors import CouldNotBeDone
from .language import _, kept
from .paths import Paths


@dataclass(frozen=True)
class Contact:
    """One request that was sent, or with ``received`` how many bytes a transfer brought.

    ``what`` is for instance a model and its file. ``via`` is the host of a proxy between, and
    ``account`` whether a token told who asked.
    """

    when: str
    host: str
    what: str
    received: int | None = None
    account: bool = False
    via: str = ""


@dataclass(frozen=True)
class Summary:
    """All contacts with one host about one thing; times in UTC, ISO 8601."""

    host: str
    what: str
    first: str
    last: str
    requests: int
    received: int
    account: bool
    via: tuple[str, ...]


def log_of(paths: Paths) -> Path:
    """Where it is kept."""
    return paths.data / "contacts.jsonl"


@dataclass(frozen=True)
class Errand:
    """What requests are sent for, and in whose log they are noted."""

    paths: Paths
    what: str

    def sending(self, host: str, *, scheme: str = "", account: bool = False) -> None:
        """Note a request that is about to be sent; none goes out that is not in the log.

        Raises ``CouldNotBeDone`` where it cannot be written.
        """
        via = _proxy(scheme, host)
        _append(self.paths, Contact(_now(), host, self.what, None, account, via))

    def received(self, host: str, count: int) -> None:
        """Note how many bytes came. Raises ``CouldNotBeDone`` likewise."""
        _append(self.paths, Contact(_now(), host, self.what, count))


def read(paths: Paths) -> list[Contact]:
    """Everything that was noted, the oldest first; a line that is damaged is left out."""
    try:
        text = log_of(paths).read_text("utf-8", "replace")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            found.append(Contact(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return found


def summed(contacts: Iterable[Contact]) -> list[Summary]:
    """The contacts by host and what they were about, the latest first."""
    groups: dict[tuple[str, str], list[Contact]] = {}
    for one in contacts:
        groups.setdefault((one.host, one.what), []).append(one)
    made = [
        Summary(
            host,
            what,
            min(one.when for one in group),
            max(one.when for one in group),
            sum(one.received is None for one in group),
            sum(one.received or 0 for one in group),
            any(one.account for one in group),
            tuple(sorted({one.via for one in group if one.via})),
        )
        for (host, what), group in groups.items()
    ]
    return sorted(made, key=lambda one: (one.last, one.host, one.what), reverse=True)


def _append(paths: Paths, contact: Contact) -> None:
    known = {k: v for k, v in asdict(contact).items() if v not in (None, "", False)}
    line = json.dumps(kept(known))
    path = log_of(paths)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        # In one write, so that lines of several processes do not mix.
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, line.encode() + b"\n")
        finally:
            os.close(descriptor)
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "Nothing is contacted, since it could not be noted in {path} ({reason}). Free "
                "some space or correct the permissions.",
                path=path,
                reason=error.strerror or error,
            )
        ) from error


def _now() -> str:
    return datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def _proxy(scheme: str, host: str) -> str:
    """The host of the proxy that the environment names for such an address."""
    # It brings ssl and http along, 7 MB that a worker at rest need not hold.
    import urllib.request

    given = urllib.request.getproxies_environment()
    address = given.get(scheme) or given.get("all") if scheme else None
    if not address or urllib.request.proxy_bypass(host):
        return ""
    return address.rpartition("@")[2].rpartition("://")[2].rstrip("/")
