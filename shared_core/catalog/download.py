"""One file from the Hub into its ``.part``: resumed, byte by byte reported, and every fault named.

The transfer itself is ``huggingface_hub``'s own ``http_get``, so that its end points, tokens,
proxies and offline mode count; ``hf_hub_download`` is not used since it gives a file its final name
before the file can be verified and starts anew after a kill.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO, TypeVar

from ..bridge.errors import Cancelled, CouldNotBeDone
from .cards import Card, CardFile

# huggingface_hub's own 10 MiB would make a cancel and the progress coarse on a slow line.
_CHUNK = 256 * 1024
_SPARE_BYTES = 8 * 1024 * 1024
_BUSY = (408, 429, 500, 502, 503, 504)
_TRIES = 3
_LONGEST_WAIT = 30.0
_DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_LFS_POINTER = b"version https://git-lfs"

_T = TypeVar("_T")


class _StartAnew(Exception):
    """The server does not continue where the .part ends."""


def free_space(folder: Path, needed: int, title: str) -> None:
    """Raise ``CouldNotBeDone`` unless ``needed`` bytes fit on the disk of ``folder``."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed + _SPARE_BYTES:
        raise CouldNotBeDone(
            f"{title} needs {_megabytes(needed)} more in {folder}, where {_megabytes(free)} are "
            "free; free some space, or move NSS_HOME to a larger disk."
        )


def transfer(
    card: Card,
    file: CardFile,
    part: Path,
    on_bytes: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> None:
    """Bring ``part`` to ``file.size`` bytes, continuing what it already holds.

    The bytes are not verified here. ``on_bytes`` hears how many are in ``part``. Raises
    ``CouldNotBeDone`` with one sentence for the user, or ``Cancelled``; ``part`` stays then.
    """
    hub = _hub()
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        if part.exists() and part.stat().st_size > file.size:
            part.unlink()
        with part.open("r+b" if part.exists() else "w+b") as stream:
            target = _Part(stream, card, file, on_bytes, cancelled)
            target.seek(0, os.SEEK_END)
            on_bytes(target.tell())
            if target.tell() < file.size:
                _with_patience(
                    hub,
                    card,
                    file,
                    lambda: _once(hub, card, file, target),
                    cancelled,
                    target,
                )
            os.fsync(stream.fileno())
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise CouldNotBeDone(
                f"{card.title} cannot be downloaded: the disk of {part.parent} is full; free some "
                "space and try again, and the download continues."
            ) from error
        raise CouldNotBeDone(
            f"{card.title} cannot be downloaded into {part.parent} ({error.strerror or error}); "
            "correct the folder's permissions, or set NSS_HOME to a folder of your own."
        ) from error


def declared_sha256(card: Card, file: CardFile, cancelled: Callable[[], bool]) -> str:
    """The SHA-256 that the hub declares for a file whose card knows none, at the card's revision.

    Large files have one (Git LFS, Xet). Raises ``CouldNotBeDone`` where the hub declares none,
    or another size or revision than the card's, or cannot be asked; and ``Cancelled``.
    """
    hub = _hub()

    def ask() -> Any:
        with _inspected(hub, card, file):
            return hub.get_hf_file_metadata(_url(hub, card, file), headers=_headers(hub))

    offered = _with_patience(hub, card, file, ask, cancelled)
    _compare(card, file, offered)
    sha256 = _declared(offered)
    if not sha256:
        raise CouldNotBeDone(
            f"{card.title} cannot be downloaded: neither its card nor the hub says what SHA-256 "
            f"{file.path} must have, so it could not be verified; choose another model, or update "
            "NSS."
        )
    return sha256


def _hub() -> Any:
    # Read once, when huggingface_hub is imported.
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    os.environ["HF_HUB_DISABLE_PROGRESS_BARS"] = "1"
    import huggingface_hub

    return huggingface_hub


def _with_patience(
    hub: Any,
    card: Card,
    file: CardFile,
    attempt: Callable[[], _T],
    cancelled: Callable[[], bool],
    target: _Part | None = None,
) -> _T:
    """Try again, a few times, where the fault is likely to pass; explain the others."""
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    what = f"{card.title} cannot be downloaded"
    tries = 0

    def here() -> int:
        return target.tell() if target else 0

    while True:
        if cancelled():
            raise Cancelled("The download was cancelled; what is here is continued next time.")
        tries += 1
        held = here()
        last = tries >= _TRIES
        try:
            return attempt()
        except _StartAnew as error:
            if last:
                raise CouldNotBeDone(
                    f"{what}: the hub does not continue {file.path} where it stopped; try again, "
                    "or check HF_ENDPOINT."
                ) from error
            if target:
                target.seek(0)
                target.truncate()
            continue
        except OfflineModeIsEnabled as error:
            raise CouldNotBeDone(
                f"{what} because HF_HUB_OFFLINE is set; unset it and try again."
            ) from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status not in _BUSY or last:
                raise CouldNotBeDone(f"{what}: {_status(status, card, file)}") from error
            wait = _wait_seconds(error.response.headers.get("Retry-After"), tries)
        except httpx2.TooManyRedirects as error:
            raise CouldNotBeDone(
                f"{what}: {_endpoint(hub)} redirects in a circle; check HF_ENDPOINT and the proxy."
            ) from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            raise CouldNotBeDone(
                f"{what}: {_endpoint(hub)} cannot be reached ({error}); check the network, the "
                "proxy and HF_ENDPOINT, and try again."
            ) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise CouldNotBeDone(
                f"{what}: {_endpoint(hub)} is no address; correct or unset HF_ENDPOINT."
            ) from error
        except (httpx2.HTTPError, httpx2.StreamError, ValueError) as error:
            # http_get itself has tried these again, and gone on while anything came.
            given_up = isinstance(error, (httpx2.TimeoutException, httpx2.RemoteProtocolError))
            if here() > held and not given_up:
                tries = 0
            elif last or given_up:
                raise CouldNotBeDone(
                    f"{what}: the connection to {_endpoint(hub)} broke off after {here()} "
                    f"of {file.size} bytes ({_name(error)}); try again, and the download continues."
                ) from error
            wait = _wait_seconds(None, 1)
        _sleep(wait, cancelled)


def _once(hub: Any, card: Card, file: CardFile, target: _Part) -> None:
    from huggingface_hub import file_download

    url, headers = _url(hub, card, file), _headers(hub)
    held = target.tell()
    with _inspected(hub, card, file):
        _compare(card, file, hub.get_hf_file_metadata(url, headers=headers))
        hub.constants.DOWNLOAD_CHUNK_SIZE = _CHUNK
        try:
            file_download.http_get(
                url, target, resume_size=held, headers=headers, expected_size=file.size
            )
        except OSError as error:
            # http_get's own check of the length; faults of the disk have a number.
            if type(error) is not OSError or error.errno is not None:
                raise
            raise CouldNotBeDone(
                f"{card.title} cannot be downloaded: {file.path} ended after {target.tell()} of "
                f"{file.size} bytes; try again, and the download continues."
            ) from error


def _url(hub: Any, card: Card, file: CardFile) -> str:
    return str(hub.hf_hub_url(card.repo, file.path, revision=card.revision))


def _headers(hub: Any) -> dict[str, str]:
    # A compressed answer could not be continued at a byte of the file.
    return {**hub.utils.build_hf_headers(library_name="nss"), "Accept-Encoding": "identity"}


def _declared(offered: Any) -> str:
    # A file outside LFS has a git hash for an ETag, and a mirror may have anything.
    etag = offered.etag or ""
    return etag if re.fullmatch("[0-9a-f]{64}", etag) else ""


def _compare(card: Card, file: CardFile, offered: Any) -> None:
    """Refuse, before anything is transferred, what the hub itself says to be another file."""
    what = ""
    etag = _declared(offered)
    if offered.commit_hash and offered.commit_hash != card.revision:
        what = f"revision {offered.commit_hash}, expected {card.revision}"
    elif etag and file.sha256 and etag != file.sha256:
        what = f"SHA-256 {etag}, expected {file.sha256}"
    elif offered.size is not None and offered.size != file.size:
        what = f"{offered.size} bytes, expected {file.size}"
    if what:
        raise CouldNotBeDone(
            f"{card.title} cannot be downloaded: the hub offers {file.path} with {what}; "
            "update NSS, or check HF_ENDPOINT."
        )


@contextmanager
def _inspected(hub: Any, card: Card, file: CardFile) -> Iterator[None]:
    """Look at each answer's head before its body is written anywhere."""

    def inspect(response: Any) -> None:
        status = response.status_code
        asked = re.fullmatch(r"bytes=(\d+)-", response.request.headers.get("Range", ""))
        if status == 416:
            raise _StartAnew
        if status == 206:
            given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
            if asked is None or given is None or given[1] != asked[1]:
                raise _StartAnew
        if status in (200, 206):
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind in ("text/html", "application/xhtml+xml"):
                raise _not_a_model(card, file, "a web page")
            if kind == "application/json" and PurePosixPath(file.path).suffix != ".json":
                raise _not_a_model(card, file, "a JSON message")

    client = hub.get_session()
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks.get("response", []), inspect]}
    try:
        yield
    finally:
        client.event_hooks = hooks


def _not_a_model(card: Card, file: CardFile, what: str) -> CouldNotBeDone:
    return CouldNotBeDone(
        f"{card.title} cannot be downloaded: {what} came instead of {file.path}; a proxy or a "
        "network's login page may be in the way, so sign in there or check HF_ENDPOINT, and try "
        "again."
    )


class _Part:
    """The .part as ``http_get`` writes it: tells its length, can be stopped, refuses nonsense."""

    def __init__(
        self,
        stream: BinaryIO,
        card: Card,
        file: CardFile,
        on_bytes: Callable[[int], None],
        cancelled: Callable[[], bool],
    ) -> None:
        self._stream = stream
        self._card = card
        self._file = file
        self._restarts = 0
        self._on_bytes = on_bytes
        self._cancelled = cancelled

    def write(self, chunk: bytes) -> int:
        if self._cancelled():
            raise Cancelled("The download was cancelled; what is here is continued next time.")
        at = self._stream.tell()
        if at == 0:
            self._look_at(chunk)
        if at + len(chunk) > self._file.size:
            self.seek(0)
            self.truncate()
            raise CouldNotBeDone(
                f"{self._card.title} cannot be downloaded: {self._file.path} is longer than the "
                f"{self._file.size} bytes expected; it was deleted, so try again, and check "
                "HF_ENDPOINT if that does not help."
            )
        written = self._stream.write(chunk)
        self._stream.flush()
        self._on_bytes(at + written)
        return written

    def _look_at(self, chunk: bytes) -> None:
        if _WEB_PAGE.match(chunk):
            raise _not_a_model(self._card, self._file, "a web page")
        if chunk.startswith(_LFS_POINTER):
            raise _not_a_model(self._card, self._file, "a Git LFS pointer")

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        return self._stream.seek(offset, whence)

    def tell(self) -> int:
        return self._stream.tell()

    def truncate(self) -> int:
        size = self._stream.truncate()
        self._on_bytes(size)
        # http_get starts anew without end where a server cannot continue and always breaks off.
        self._restarts += 1
        if self._restarts > _TRIES:
            raise CouldNotBeDone(
                f"{self._card.title} cannot be downloaded: the connection breaks off again and "
                f"again, and the hub cannot continue {self._file.path}; try again later."
            )
        return size


def _status(status: int, card: Card, file: CardFile) -> str:
    if status in (401, 403):
        return (
            f"the hub asks for permission to read {card.repo} (status {status}); set HF_TOKEN to a "
            "token of an account that has it, and try again."
        )
    if status == 404:
        return (
            f"the hub has no {file.path} in {card.repo} at revision {card.revision[:8]} "
            "(status 404); update NSS, or check HF_ENDPOINT."
        )
    if status in _BUSY:
        return (
            f"the hub is busy or out of order (status {status}, {_TRIES} tries); try again in a "
            "few minutes."
        )
    return f"the hub refuses {file.path} (status {status}); check HF_ENDPOINT and try again."


def _wait_seconds(retry_after: str | None, tries: int) -> float:
    if retry_after is not None and retry_after.isdigit():
        return min(float(retry_after), _LONGEST_WAIT)
    return float(2 ** (tries - 1))


def _sleep(seconds: float, cancelled: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not cancelled():
        time.sleep(0.1)


def _endpoint(hub: Any) -> str:
    return str(hub.constants.ENDPOINT)


def _name(error: BaseException) -> str:
    return str(error) or type(error).__name__


def _megabytes(size: int) -> str:
    return f"{max(1, round(size / 1e6))} MB"
