"""One file from the Hub into its ``.part``: resumed, byte by byte reported, and every fault named.

The requests go through ``huggingface_hub``'s own session. Its ``hf_hub_download`` gives a file its
final name before the file can be verified and starts anew after a kill; its ``http_get`` waits as
long as a server says, and goes one call deeper with each break of the line.
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

from ...bridge import contacts
from ...bridge.errors import Cancelled, CouldNotBeDone
from ...bridge.language import _, joined
from ...bridge.paths import Paths
from ...bridge.wire import duration, megabytes
from ..cards import Card, CardFile
from ..manifest import beginning, note_wrong
from .hub import described, endpoint, library, noted, received

# What the editor needs for itself, at least, on the same disk.
_SPARE_BYTES = 64_000_000
_BUSY = (408, 429, 500, 502, 503, 504)
# In a row without this much more of the file; the waits between them double.
_TRIES = 5
_STEP_BYTES = 256 * 1024
# What comes slower than this many bytes in so many times the line's time-out stands still.
_LEAST_BYTES, _LEAST_TIMEOUTS = 1000, 3
_FIRST_WAIT = float(os.environ.get("NSS_BACKOFF_SECONDS", "1"))
_LONGEST_WAIT = 60.0
_DISK_FULL = (errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC))
_HEAD_BYTES = 512
_WEB_PAGE = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
_LFS_POINTER = b"version https://git-lfs"

_T = TypeVar("_T")


class _StartAnew(Exception):
    """The server does not continue where the .part ends."""


class _Trickle(Exception):
    """So little comes that it would never end, though the line never times out."""


def free_space(folder: Path, needed: int, title: str) -> None:
    """Raise ``CouldNotBeDone`` unless ``needed`` bytes fit on the disk of ``folder``."""
    existing = folder
    while not existing.exists() and existing != existing.parent:
        existing = existing.parent
    free = shutil.disk_usage(existing).free
    if free < needed + _SPARE_BYTES:
        raise CouldNotBeDone(
            _(
                "{title} needs {size} more in {folder} and {size2} to spare, and {size3} are "
                "free there; free some space, or keep the models on another disk with nss "
                "models move.",
                title=title,
                size=megabytes(needed),
                folder=folder,
                size2=megabytes(_SPARE_BYTES),
                size3=megabytes(free),
            )
        )


def transfer(
    where: Paths,
    card: Card,
    file: CardFile,
    part: Path,
    on_bytes: Callable[[int], None],
    cancelled: Callable[[], bool],
) -> None:
    """Bring ``part`` to ``file.size`` bytes, continuing what it already holds.

    The bytes are not verified here. What is contacted is noted in ``where``. ``on_bytes`` hears how
    many are in ``part``. Raises ``CouldNotBeDone`` with one sentence for the user, or
    ``Cancelled``; ``part`` stays then.
    """
    hub = library()
    try:
        part.parent.mkdir(parents=True, exist_ok=True)
        if part.exists() and part.stat().st_size > file.size:
            part.unlink()
        with part.open("r+b" if part.exists() else "w+b") as stream:
            target = _Part(stream, card, file, on_bytes, cancelled)
            if target.length < file.size:
                with noted(_of_file(where, card, file)):
                    _with_patience(
                        hub,
                        card,
                        file,
                        lambda: _once(hub, card, file, target),
                        cancelled,
                        lambda: target.length,
                    )
            os.fsync(stream.fileno())
    except OSError as error:
        if error.errno in _DISK_FULL:
            raise CouldNotBeDone(
                _(
                    "{model} cannot be downloaded: the disk of {parent} is full; free some "
                    "space and try again, and the download continues.",
                    model=card.title,
                    parent=part.parent,
                )
            ) from error
        raise CouldNotBeDone(
            _(
                "{model} cannot be downloaded into {parent} ({reason}); correct the folder's "
                "permissions, or set NSS_HOME to a folder of your own.",
                model=card.title,
                parent=part.parent,
                reason=error.strerror or error,
            )
        ) from error


def declared_sha256(where: Paths, card: Card, file: CardFile, cancelled: Callable[[], bool]) -> str:
    """The SHA-256 that the hub declares for a file whose card knows none, at the card's revision.

    Large files have one (Git LFS, Xet). Raises ``CouldNotBeDone`` where the hub declares none,
    or another size or revision than the card's, or cannot be asked; and ``Cancelled``.
    """
    hub = library()

    def ask() -> Any:
        with _inspected(hub, card, file):
            return hub.get_hf_file_metadata(_url(hub, card, file), headers=_headers(hub))

    with noted(_of_file(where, card, file)):
        offered = _with_patience(hub, card, file, ask, cancelled)
    _compare(card, file, offered)
    sha256 = _declared(offered)
    if not sha256:
        raise CouldNotBeDone(
            _(
                "{model} cannot be downloaded: neither its card nor the hub says what SHA-256 "
                "{path} must have, so it could not be verified; choose another model, or "
                "update NSS.",
                model=card.title,
                path=file.path,
            )
        )
    return sha256


def _of_file(where: Paths, card: Card, file: CardFile) -> contacts.Errand:
    return contacts.Errand(where, f"{card.title} ({card.id}): {file.path}")


def _with_patience(
    hub: Any,
    card: Card,
    file: CardFile,
    attempt: Callable[[], _T],
    cancelled: Callable[[], bool],
    here: Callable[[], int] = lambda: 0,
) -> _T:
    """Try again, a few times, where the fault is likely to pass; explain the others.

    ``here`` says how many bytes there are: what brings a good piece more is not counted.
    """
    import httpx2
    from huggingface_hub.errors import HfHubHTTPError, OfflineModeIsEnabled

    what = _("{model} cannot be downloaded", model=card.title)
    most = held = here()
    tries = 0
    while True:
        if cancelled():
            raise Cancelled(_("The download was cancelled; what is here is continued next time."))
        tries += 1
        wait = _FIRST_WAIT * 2 ** (tries - 1)
        try:
            return attempt()
        except _StartAnew as error:
            fault: Exception = error
            wait = 0.0
            trouble = _(
                "the hub does not continue {path} where it stopped; try again, or check "
                "HF_ENDPOINT.",
                path=file.path,
            )
        except OfflineModeIsEnabled as error:
            raise CouldNotBeDone(
                _(
                    "{model} cannot be downloaded because HF_HUB_OFFLINE is set; unset it and try "
                    "again.",
                    model=card.title,
                )
            ) from error
        except HfHubHTTPError as error:
            status = error.response.status_code
            if status not in _BUSY:
                raise CouldNotBeDone(
                    joined(": ", [what, _refusal(hub, status, card, file)])
                ) from error
            fault = error
            wait = max(wait, _asked_wait(hub, error.response))
            if wait > _LONGEST_WAIT:
                raise CouldNotBeDone(
                    _(
                        "{model} cannot be downloaded: the hub is busy (status {status}) and asks "
                        "to be left alone for {time}; try again then.",
                        model=card.title,
                        status=status,
                        time=duration(wait),
                    )
                ) from error
            trouble = _(
                "the hub is busy or out of order (status {status}, {tries} tries); try "
                "again in a few minutes.",
                status=status,
                tries=_TRIES,
            )
        except httpx2.TooManyRedirects as error:
            raise CouldNotBeDone(
                _(
                    "{model} cannot be downloaded: {endpoint} redirects in a circle; check "
                    "HF_ENDPOINT and the proxy.",
                    model=card.title,
                    endpoint=endpoint(),
                )
            ) from error
        except (httpx2.UnsupportedProtocol, httpx2.InvalidURL) as error:
            raise CouldNotBeDone(
                _(
                    "{model} cannot be downloaded: {endpoint} is no address; correct or unset "
                    "HF_ENDPOINT.",
                    model=card.title,
                    endpoint=endpoint(),
                )
            ) from error
        except (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.ProxyError) as error:
            fault = error
            trouble = _(
                "{endpoint} cannot be reached ({error}); check the network, the proxy "
                "and HF_ENDPOINT, and try again.",
                endpoint=endpoint(),
                error=described(error),
            )
            if tries == 1 and here() == held:
                # Nothing has come yet: there is no network, rather than one that comes and goes.
                raise CouldNotBeDone(joined(": ", [what, trouble])) from error
        except (httpx2.HTTPError, httpx2.StreamError, _Trickle, ValueError) as error:
            fault = error
            trouble = _(
                "the connection to {endpoint} broke off after {here} of {size} bytes "
                "({error}); try again, and the download continues.",
                endpoint=endpoint(),
                here=here(),
                size=file.size,
                error=described(error),
            )
        if here() >= most + _STEP_BYTES:
            most, tries, wait = here(), 0, _FIRST_WAIT
        if tries >= _TRIES:
            raise CouldNotBeDone(joined(": ", [what, trouble])) from fault
        _sleep(wait, cancelled)


def _once(hub: Any, card: Card, file: CardFile, target: _Part) -> None:
    """One request for what the .part lacks, read to its end."""
    url, headers = _url(hub, card, file), _headers(hub)
    with _inspected(hub, card, file):
        _compare(card, file, hub.get_hf_file_metadata(url, headers=headers))
        if target.length:
            headers["Range"] = f"bytes={target.length}-"
        seconds = hub.constants.HF_HUB_DOWNLOAD_TIMEOUT
        with hub.get_session().stream("GET", url, headers=headers, timeout=seconds) as response:
            hub.utils.hf_raise_for_status(response)
            if not _continues(response, target.length):
                target.start_anew()
                if response.status_code != 200:
                    raise _StartAnew
            held = target.length
            try:
                begun, since = held, time.monotonic()
                for chunk in response.iter_bytes():
                    target.add(chunk)
                    if target.length - begun >= _LEAST_BYTES:
                        begun, since = target.length, time.monotonic()
                    elif time.monotonic() - since > _LEAST_TIMEOUTS * seconds:
                        raise _Trickle(
                            _(
                                "{length} bytes came in {seconds} s",
                                length=target.length - begun,
                                seconds=_LEAST_TIMEOUTS * seconds,
                            )
                        )
            finally:
                received(response.url.host, target.length - held)
    if target.length < file.size:
        raise CouldNotBeDone(
            _(
                "{model} cannot be downloaded: {path} ended after {length} of {size} bytes; "
                "try again, and the download continues.",
                model=card.title,
                path=file.path,
                length=target.length,
                size=file.size,
            )
        )


def _continues(response: Any, held: int) -> bool:
    """Whether the answer begins at the byte ``held``."""
    if response.status_code == 206:
        given = re.match(r"bytes (\d+)-", response.headers.get("Content-Range", ""))
        return given is not None and int(given[1]) == held
    return held == 0 and response.status_code == 200


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
    etag = _declared(offered)
    if offered.commit_hash and offered.commit_hash != card.revision:
        raise CouldNotBeDone(
            _(
                "{model} cannot be downloaded: the hub offers another {path}: got revision "
                "{found}, expected {revision}; update NSS, or check HF_ENDPOINT.",
                model=card.title,
                path=file.path,
                found=offered.commit_hash,
                revision=card.revision,
            )
        )
    if etag and file.sha256 and etag != file.sha256:
        note_wrong(f"{card.repo}/{file.path}", etag, file.sha256)
        raise CouldNotBeDone(
            _(
                "{model} cannot be downloaded: the hub offers another {path}: got SHA-256 "
                "{found}, expected {expected}; update NSS, or check HF_ENDPOINT.",
                model=card.title,
                path=file.path,
                found=beginning(etag),
                expected=beginning(file.sha256),
            )
        )
    if offered.size is not None and offered.size != file.size:
        raise CouldNotBeDone(
            _(
                "{model} cannot be downloaded: the hub offers another {path}: got {found} bytes, "
                "expected {expected}; update NSS, or check HF_ENDPOINT.",
                model=card.title,
                path=file.path,
                found=offered.size,
                expected=file.size,
            )
        )


@contextmanager
def _inspected(hub: Any, card: Card, file: CardFile) -> Iterator[None]:
    """Refuse, by an answer's head alone, what a login page or a proxy sends instead of a file."""

    def inspect(response: Any) -> None:
        if response.status_code in (200, 206):
            kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
            if kind in ("text/html", "application/xhtml+xml"):
                raise _not_a_model(card, file, _("a web page"))
            if kind == "application/json" and PurePosixPath(file.path).suffix != ".json":
                raise _not_a_model(card, file, _("a JSON message"))

    client = hub.get_session()
    hooks = client.event_hooks
    client.event_hooks = {**hooks, "response": [*hooks.get("response", []), inspect]}
    try:
        yield
    finally:
        client.event_hooks = hooks


def _not_a_model(card: Card, file: CardFile, what: str) -> CouldNotBeDone:
    return CouldNotBeDone(
        _(
            "{model} cannot be downloaded: {what} came instead of {path}; a proxy or a "
            "network's login page may be in the way, so sign in there or check HF_ENDPOINT, "
            "and try again.",
            model=card.title,
            what=what,
            path=file.path,
        )
    )


class _Part:
    """The .part while bytes are added to it: tells its length, can be stopped, refuses nonsense."""

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
        self._on_bytes = on_bytes
        self._cancelled = cancelled
        self._head = stream.read(_HEAD_BYTES)
        self.length = stream.seek(0, os.SEEK_END)
        on_bytes(self.length)

    def add(self, chunk: bytes) -> None:
        """Append a piece, which is on its way to the disk when this returns."""
        if self._cancelled():
            raise Cancelled(_("The download was cancelled; what is here is continued next time."))
        if self.length < _HEAD_BYTES:
            self._head += chunk[: _HEAD_BYTES - self.length]
            self._look_at_head()
        if self.length + len(chunk) > self._file.size:
            self.start_anew()
            raise CouldNotBeDone(
                _(
                    "{model} cannot be downloaded: {path} is longer than the {size} bytes "
                    "expected; it was deleted, so try again, and check HF_ENDPOINT if that "
                    "does not help.",
                    model=self._card.title,
                    path=self._file.path,
                    size=self._file.size,
                )
            )
        self._stream.write(chunk)
        self._stream.flush()
        self.length += len(chunk)
        self._on_bytes(self.length)

    def _look_at_head(self) -> None:
        what = ""
        if _WEB_PAGE.match(self._head):
            what = _("a web page")
        elif self._head.startswith(_LFS_POINTER):
            what = _("a Git LFS pointer")
        if what:
            self.start_anew()
            raise _not_a_model(self._card, self._file, what)

    def start_anew(self) -> None:
        """Throw away what is here."""
        self._stream.seek(0)
        self._stream.truncate()
        self._head, self.length = b"", 0
        self._on_bytes(0)


def _refusal(hub: Any, status: int, card: Card, file: CardFile) -> str:
    """What a status that will not pass means, and what to do."""
    page = f"{endpoint()}/{card.repo}"
    if status in (401, 403) and not hub.get_token():
        return _(
            "the hub wants to know who asks (status {status}); open {page}, agree to its "
            "terms with your account, set HF_TOKEN to a token of that account, and try "
            "again.",
            status=status,
            page=page,
        )
    if status in (401, 403):
        return _(
            "the hub does not let the account of your token have {repo} (status {status}); "
            "open {page} and agree to its terms, or set HF_TOKEN to another token, and try "
            "again.",
            repo=card.repo,
            status=status,
            page=page,
        )
    if status == 404:
        return _(
            "the hub has no {path} in {repo} at revision {revision} (status 404); update "
            "NSS, or check HF_ENDPOINT.",
            path=file.path,
            repo=card.repo,
            revision=card.revision[:8],
        )
    return _(
        "the hub refuses {path} (status {status}); check HF_ENDPOINT and try again.",
        path=file.path,
        status=status,
    )


def _asked_wait(hub: Any, response: Any) -> float:
    """The seconds that a busy hub asks to be left alone; 0 where it does not say."""
    limit = hub.utils.parse_ratelimit_headers(response.headers)
    if limit is not None and limit.remaining == 0:
        return float(limit.reset_in_seconds)
    asked = response.headers.get("Retry-After", "")
    return float(asked) if asked.isdecimal() else 0.0


def _sleep(seconds: float, cancelled: Callable[[], bool]) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end and not cancelled():
        time.sleep(0.1)
