"""Fetches uv, the installer for where Python brings none: pinned, and checked by its SHA-256.

Standard library only; may run in a thread of an editor, since it waits for the network alone.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import platform
import queue
import re
import ssl
import sys
import threading
import urllib.error
import urllib.request
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urljoin, urlsplit, urlunsplit

from ..errors import Cancelled, CouldNotBeDone
from ..language import _
from .index import Index
from .locks import LOCKS
from .pythons import processor

PROJECT = "uv"
SECONDS = 30.0
_CHUNK = 1 << 16
_PAGE_LIMIT = 64 << 20
_SIMPLE = "application/vnd.pypi.simple.v1+json, text/html;q=0.1"
_ANCHOR = re.compile(r"""<a\s[^>]*href=["']([^"']+)["']""", re.IGNORECASE)


@dataclass(frozen=True)
class Pinned:
    """A wheel of uv: the name of its file, its SHA-256 and its size in bytes."""

    name: str
    sha256: str
    size: int


def pinned(folder: Path = LOCKS, system: str = sys.platform, machine: str = "") -> Pinned:
    """uv's wheel for this machine; ``CouldNotBeDone`` where there is none."""
    kind = {"win32": "win", "darwin": "macosx"}.get(system, "manylinux")
    place = f"{kind}-{processor(machine or platform.machine())}"
    found = json.loads((folder / "uv.json").read_text("utf-8")).get(place)
    if found is None:
        raise CouldNotBeDone(
            _(
                "There is no installer for {place}. Install Python 3.11 to 3.14 with its venv "
                "module (on Debian and Ubuntu: python3-venv), and look again.",
                place=place,
            )
        )
    return Pinned(str(found["name"]), str(found["sha256"]), int(found["size"]))


def uv(
    folder: Path,
    index: Index,
    wanted: Pinned,
    stopped: Callable[[], bool],
    on_bytes: Callable[[int, int], None] = lambda done, total: None,
) -> Path:
    """uv's program below ``folder``, fetched from the index or taken from its local folders.

    Raises ``CouldNotBeDone`` when it cannot be had or is not the pinned one, ``Cancelled`` once
    ``stopped()`` is true.
    """
    return _attended(lambda: _uv(folder, index, wanted, stopped, on_bytes), stopped)


def _attended(work: Callable[[], Path], stopped: Callable[[], bool]) -> Path:
    """The result of ``work``, which is left to itself once nobody wants it any more.

    A server that says nothing would hold it for as long as its patience lasts.
    """
    results: queue.SimpleQueue[Path | BaseException] = queue.SimpleQueue()

    def run() -> None:
        try:
            results.put(work())
        except BaseException as error:
            results.put(error)

    threading.Thread(target=run, name="nss-fetch", daemon=True).start()
    while True:
        if stopped():
            raise Cancelled(_("Cancelled; nothing was changed."))
        with contextlib.suppress(queue.Empty):
            result = results.get(timeout=0.05)
            if isinstance(result, BaseException):
                raise result
            return result


def _uv(
    folder: Path,
    index: Index,
    wanted: Pinned,
    stopped: Callable[[], bool],
    on_bytes: Callable[[int, int], None],
) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    wheel = folder / wanted.name
    source = _local(wanted, index) or _listed(wanted, index)
    try:
        digest = _copy(source, wheel, wanted, index, stopped, on_bytes)
        if digest != wanted.sha256:
            raise CouldNotBeDone(
                _(
                    "{name} from {source} is not the file it should be (its SHA-256 is another "
                    "one), so it was not used. Try again, or use another package index.",
                    name=wanted.name,
                    source=_shown(source),
                )
            )
        with zipfile.ZipFile(wheel) as opened:
            (member,) = (n for n in opened.namelist() if re.search(r"/scripts/uv(\.exe)?$", n))
            program = folder / member.rpartition("/")[2]
            program.write_bytes(opened.read(member))
        program.chmod(0o755)
    except OSError as error:
        raise _unreachable(_shown(source), error) from error
    finally:
        wheel.unlink(missing_ok=True)
    return program


def _local(wanted: Pinned, index: Index) -> str:
    for folder in index.folders:
        file = Path(folder) / wanted.name
        if file.is_file():
            return file.absolute().as_uri()
    if not index.online:
        raise CouldNotBeDone(
            _(
                "{name} is not in {names}. Put it there: it is on PyPI, and needed because "
                "this Python has no venv module of its own.",
                name=wanted.name,
                names=", ".join(index.folders) or _("any folder"),
            )
        )
    return ""


def _listed(wanted: Pinned, index: Index) -> str:
    """The wheel's address, looked up in the index's page of uv (PEP 503 and PEP 691)."""
    trouble: Exception | None = None
    for address in index.addresses:
        page = f"{address}/{PROJECT}/"
        try:
            with _open(page, index) as reply:
                body = reply.read(_PAGE_LIMIT)
                kind = reply.headers.get("Content-Type") or ""
                for link in _links(body, kind):
                    if unquote(urlsplit(link).path).rpartition("/")[2] == wanted.name:
                        return urljoin(str(reply.geturl()), link)
        except (OSError, ValueError) as error:
            trouble = trouble or error
    if trouble is not None:
        raise _unreachable(index.host, trouble)
    raise CouldNotBeDone(
        _(
            "The package index {host} has no {name}. Install Python's venv module (on Debian "
            "and Ubuntu: python3-venv), use another index, or choose a folder of wheels.",
            host=index.host,
            name=wanted.name,
        )
    )


def _links(body: bytes, kind: str) -> Iterator[str]:
    if "json" in kind:
        yield from (str(file["url"]) for file in json.loads(body)["files"])
    else:
        yield from map(unescape, _ANCHOR.findall(body.decode("utf-8", "replace")))


def _copy(
    source: str,
    target: Path,
    wanted: Pinned,
    index: Index,
    stopped: Callable[[], bool],
    on_bytes: Callable[[int, int], None],
) -> str:
    """Write the file and return its SHA-256; never more than it should have."""
    digest, done, shown = hashlib.sha256(), 0, -1
    with _open(source, index) as reply, target.open("wb") as file:
        while done <= wanted.size and (part := reply.read(_CHUNK)):
            if stopped():
                raise Cancelled(_("Cancelled; nothing was changed."))
            digest.update(part)
            file.write(part)
            done += len(part)
            if (percent := done * 100 // wanted.size) != shown:
                shown = percent
                on_bytes(done, wanted.size)
    return digest.hexdigest()


def _open(address: str, index: Index) -> Any:
    """The answer to a request; name and password in an address become a header, as with pip."""
    parts = urlsplit(address)
    headers = {"Accept": _SIMPLE if address.endswith("/") else "*/*", "User-Agent": "nss-setup"}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode("ascii")
        address = urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))
    if parts.scheme == "file" and address.endswith("/"):
        address += "index.html"
    handlers: list[urllib.request.BaseHandler] = []
    if index.proxy:
        handlers.append(urllib.request.ProxyHandler({"http": index.proxy, "https": index.proxy}))
    if parts.scheme == "https":
        context = ssl.create_default_context(cafile=index.certificates or None)
        if parts.hostname in index.trusted or f"{parts.hostname}:{parts.port}" in index.trusted:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        handlers.append(urllib.request.HTTPSHandler(context=context))
    request = urllib.request.Request(address, headers=headers)  # noqa: S310
    return urllib.request.build_opener(*handlers).open(request, timeout=SECONDS)


def _shown(address: str) -> str:
    """An address for people, without a password."""
    parts = urlsplit(address)
    return parts.hostname or parts.path


def _unreachable(where: str, error: Exception) -> CouldNotBeDone:
    why = getattr(error, "reason", None) or getattr(error, "strerror", None) or error
    if isinstance(error, urllib.error.HTTPError):
        why = _("HTTP {code}", code=error.code)
    return CouldNotBeDone(
        _(
            "{where} could not be reached or read ({why}). Check the connection and the proxy, "
            "or choose a folder of wheels.",
            where=where,
            why=why,
        )
    )
