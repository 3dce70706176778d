"""A local model hub for the unpatched huggingface_hub, with faults that can be switched per file.

``with Hub(folder) as hub: hub.url`` serves ``folder/<owner>/<name>/<revision>/<path>`` on
127.0.0.1 like the real one: metadata in the headers of a redirect, bytes from a second server (the
"CDN", another origin, so that tokens must not reach it), and ``api/models`` with what it knows of a
repository and its files. It remembers requests and counts bytes.
``python tests/fakes/hub.py FOLDER [--fault SUFFIX=KIND[:AT]]...`` prints the URL and serves until
its stdin ends or it is killed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import re
import socket
import struct
import sys
import threading
import time
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

# What the real hub keeps in LFS and therefore serves through the CDN.
LFS_SUFFIXES = (".onnx", ".data", ".onnx_data", ".pb", ".bin")
PAGE = b"<!DOCTYPE html><html><body>Please sign in to the network.</body></html>"

KINDS = (
    "truncate",  # the connection ends after `at` bytes, though all were promised
    "truncate-anew",  # like truncate, and a Range is ignored
    "short",  # `at` bytes are promised and sent
    "flip",  # the byte at `at` has one bit changed
    "wrong-size",  # the metadata lies about the size
    "wrong-hash",  # the metadata lies about the SHA-256
    "silent",  # the hub never answers
    "stall",  # nothing comes any more after `at` bytes
    "reset",  # the connection is reset after `at` bytes
    "choppy",  # the connection ends after `at` more bytes
    "slow",  # `at` bytes per second; nothing while `paused` is set
    "trickle",  # after `at` bytes a few bytes a second, without end
    "html",  # a web page, called one
    "html-disguised",  # a web page, called bytes
    "json",  # a JSON message
    "moved",  # the answer is about another revision than was asked for
    "later",  # 429, and a wish to be left alone for `at` seconds
    "redirect-loop",
    "ignore-range",  # 200 and everything, whatever Range was asked for
    "wrong-range",  # 206, but from the start
    "401",
    "403",
    "404",
    "408",
    "429",
    "500",
    "502",
    "503",
    "504",
)


@dataclass
class Fault:
    """What goes wrong: ``kind`` (of ``KINDS``), where (``at``), and how often (None: always).

    Faults of the body (truncate, flip, stall, reset, slow, ranges) count the answers with a body,
    the others every answer. ``at = None``: half of the file.
    """

    kind: str
    at: int | None = None
    times: int | None = None

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{self.kind!r} is not one of {', '.join(KINDS)}")


@dataclass(frozen=True)
class Request:
    """One request as it came, and how much of a body went back."""

    server: str
    method: str
    path: str
    range: str
    authorization: str
    status: int
    sent: int


class Hub:
    """The hub and its CDN, each on a port of its own, from entering to leaving the context."""

    def __init__(self, folder: Path) -> None:
        self.folder = Path(folder)
        self.requests: list[Request] = []
        self.heads: dict[str, str] = {}
        # What is told of files instead of their SHA-256, by their names.
        self.declared: dict[str, str] = {}
        self.provoked: list[str] = []
        self._busy = 0
        self._faults: dict[str, Fault] = {}
        self._lock = threading.Lock()
        self.closing = threading.Event()
        self.healed = threading.Event()
        self.paused = threading.Event()
        self._hub = _server(self, "hub")
        self._cdn = _server(self, "cdn")

    @property
    def url(self) -> str:
        """The value for HF_ENDPOINT."""
        return f"http://127.0.0.1:{self._hub.server_port}"

    @property
    def cdn_url(self) -> str:
        return f"http://127.0.0.1:{self._cdn.server_port}"

    def fault(
        self, suffix: str, kind: str, at: int | None = None, times: int | None = None
    ) -> None:
        """Have answers about files whose path ends in ``suffix`` go wrong."""
        with self._lock:
            self._faults[suffix] = Fault(kind, at, times)

    def heal(self) -> None:
        """Take all faults back, and let go of whoever waits for nothing."""
        with self._lock:
            self._faults.clear()
            self.healed.set()
            self.healed = threading.Event()

    def revision(self, repo: str, name: str) -> str:
        """The revision that a branch's or revision's name means; ``heads`` says what main is."""
        if name != "main":
            return name
        folder = self.folder / repo
        return self.heads.get(repo) or min(p.name for p in folder.iterdir())

    @property
    def bytes_sent(self) -> int:
        """Bytes of files sent so far."""
        with self._lock:
            return sum(request.sent for request in self.requests)

    def downloads(self, suffix: str = "") -> list[Request]:
        """The requests that were answered with bytes of a file whose path ends in ``suffix``."""
        with self._lock:
            return [r for r in self.requests if r.sent and r.path.endswith(suffix)]

    def quiet(self, seconds: float = 10) -> bool:
        """Wait until no request is being answered; whether that came."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            with self._lock:
                if not self._busy:
                    return True
            time.sleep(0.005)
        return False

    def __enter__(self) -> Hub:
        for server in (self._hub, self._cdn):
            threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.closing.set()
        self.healed.set()
        for server in (self._hub, self._cdn):
            server.shutdown()
            server.server_close()

    def begin(self) -> None:
        """A request has come."""
        with self._lock:
            self._busy += 1

    def remember(self, request: Request) -> None:
        """It was answered."""
        with self._lock:
            self.requests.append(request)
            self._busy -= 1

    def take_fault(self, path: str, kinds: tuple[str, ...]) -> Fault | None:
        """The fault for ``path`` if it is of ``kinds``, counted as happened."""
        with self._lock:
            for suffix, fault in self._faults.items():
                if path.endswith(suffix) and fault.kind in kinds and fault.times != 0:
                    if fault.times is not None:
                        fault.times -= 1
                    self.provoked.append(fault.kind)
                    return fault
        return None

    def has_fault(self, path: str, kind: str) -> bool:
        """Whether the metadata of ``path`` are to lie in this way, however often."""
        with self._lock:
            found = any(path.endswith(s) and f.kind == kind for s, f in self._faults.items())
            if found:
                self.provoked.append(kind)
            return found


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    hub: Hub
    role: str

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is what the tests do."""


def _server(hub: Hub, role: str) -> _Server:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.hub, server.role = hub, role
    return server


_STATUSES = ("401", "403", "404", "408", "429", "500", "502", "503", "504")
_HEAD_FAULTS = (*_STATUSES, "html", "json", "later")
_BODY_FAULTS = (
    "truncate",
    "truncate-anew",
    "short",
    "flip",
    "html-disguised",
    "stall",
    "reset",
    "choppy",
    "slow",
    "trickle",
    "ignore-range",
    "wrong-range",
)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: _Server

    def log_message(self, *args: object) -> None:
        pass

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def do_POST(self) -> None:
        self._answer()

    def _answer(self) -> None:
        self._sent = 0
        self._status = 0
        path = unquote(urlsplit(self.path).path)
        self.server.hub.begin()
        try:
            if self.server.role == "cdn":
                self._cdn(path)
            else:
                self._hub(path)
        except OSError:
            self.close_connection = True
        self.server.hub.remember(
            Request(
                self.server.role,
                self.command,
                path,
                self.headers.get("Range", ""),
                self.headers.get("Authorization", ""),
                self._status,
                self._sent,
            )
        )

    def _hub(self, path: str) -> None:
        hub = self.server.hub
        if path.startswith("/api/models/"):
            return self._api(path)
        match = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        if match is None or not (hub.folder / match[1]).is_dir():
            return self._plain(404, b"", {"X-Error-Code": "RepoNotFound"})
        revision = hub.revision(match[1], match[2])
        if not _inside(hub.folder, f"{match[1]}/{revision}", folder=True):
            return self._plain(404, b"", {"X-Error-Code": "RevisionNotFound"})
        file = _inside(hub.folder, f"{match[1]}/{revision}/{match[3]}")
        if file is None:
            return self._plain(404, b"", {"X-Error-Code": "EntryNotFound"})
        fault = hub.take_fault(path, _HEAD_FAULTS)
        if fault is not None:
            return self._faulty(fault)
        if hub.take_fault(path, ("silent",)):
            hub.healed.wait(120)
        if hub.take_fault(path, ("redirect-loop",)):
            return self._plain(302, b"", {"Location": self.path})
        data = file.read_bytes()
        told = hub.declared.get(path.rpartition("/")[2])
        sha256 = told or hashlib.sha256(data).hexdigest()
        if hub.has_fault(path, "wrong-hash"):
            sha256 = hashlib.sha256(b"something else").hexdigest()
        if hub.has_fault(path, "moved"):
            revision = hashlib.sha1(revision.encode()).hexdigest()
        headers = {"X-Repo-Commit": revision, "Accept-Ranges": "bytes"}
        if not file.name.endswith(LFS_SUFFIXES):
            return self._bytes(path, data, {**headers, "ETag": f'"{_git_hash(data)}"'})
        size = len(data) + 1 if hub.has_fault(path, "wrong-size") else len(data)
        headers |= {
            "X-Linked-Size": str(size),
            "X-Linked-Etag": f'"{sha256}"',
            "ETag": f'"{sha256}"',
            "Location": f"{hub.cdn_url}/{file.relative_to(hub.folder).as_posix()}",
        }
        return self._plain(302, b"", headers)

    def _cdn(self, path: str) -> None:
        file = _inside(self.server.hub.folder, path.lstrip("/"))
        if file is None:
            return self._plain(404, b"", {})
        data = file.read_bytes()
        etag = hashlib.sha256(data).hexdigest()
        return self._bytes(path, data, {"ETag": f'"{etag}"', "Accept-Ranges": "bytes"})

    def _api(self, path: str) -> None:
        """``model_info`` of a repository, all its files, and ``get_paths_info`` of some of them."""
        hub = self.server.hub
        rest = path.removeprefix("/api/models/")
        match = re.fullmatch(r"([^/]+/[^/]+?)(?:/(revision|paths-info|tree)/([^/]+))?", rest)
        if match is None or not (hub.folder / match[1]).is_dir():
            return self._plain(404, b"", {"X-Error-Code": "RepoNotFound"})
        fault = hub.take_fault(path, _HEAD_FAULTS)
        if fault is not None:
            return self._faulty(fault)
        if hub.take_fault(path, ("silent",)):
            hub.healed.wait(120)
        revision = hub.revision(match[1], match[3] or "main")
        root = hub.folder / match[1] / revision
        if not root.is_dir():
            return self._plain(404, b"", {"X-Error-Code": "RevisionNotFound"})
        files = {p.relative_to(root).as_posix(): p for p in sorted(root.rglob("*")) if p.is_file()}
        body: Any
        if match[2] == "paths-info":
            length = int(self.headers.get("Content-Length", 0))
            asked = parse_qs(self.rfile.read(length).decode())["paths"]
            body = [_tree_entry(name, files[name]) for name in asked if name in files]
        elif match[2] == "tree":
            body = [_tree_entry(name, file) for name, file in files.items()]
        else:
            siblings = [_sibling(name, file) for name, file in files.items()]
            body = {"id": match[1], "sha": revision, "siblings": siblings}
        return self._plain(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _faulty(self, fault: Fault) -> None:
        kind = fault.kind
        if kind == "html":
            headers = {"Content-Type": "text/html; charset=utf-8"}
            return self._plain(200, PAGE, headers)
        if kind == "json":
            headers = {"Content-Type": "application/json"}
            return self._plain(200, b'{"error":"Not for you"}', headers)
        if kind == "later":
            return self._plain(429, b"", {"Retry-After": str(fault.at or 0)})
        headers = {"X-Error-Code": "GatedRepo"} if kind in ("401", "403") else {}
        if kind == "404":
            headers = {"X-Error-Code": "EntryNotFound"}
        return self._plain(int(kind), b"", headers)

    def _plain(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._head(status, len(body), headers)
        if self.command != "HEAD":
            self.wfile.write(body)

    def _head(self, status: int, length: int, headers: dict[str, str]) -> None:
        self._status = status
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _bytes(self, path: str, data: bytes, headers: dict[str, str]) -> None:
        headers = {"Content-Type": "application/octet-stream", **headers}
        if self.command == "HEAD":
            return self._head(200, len(data), headers)
        fault = self.server.hub.take_fault(path, _BODY_FAULTS)
        kind = fault.kind if fault else ""
        at = len(data) // 2 if fault is None or fault.at is None else fault.at
        if kind == "flip":
            data = data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]
        if kind == "short":
            data = data[:at]
        if kind == "html-disguised":
            data = PAGE
        start = 0
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if asked and kind not in ("ignore-range", "truncate-anew"):
            start, whole = int(asked[1]), len(data)
            if start >= whole:
                return self._plain(416, b"", {"Content-Range": f"bytes */{whole}"})
            if kind == "wrong-range":
                start = 0
            data = data[: int(asked[2]) + 1] if asked[2] else data
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{whole}"
        self._head(206 if "Content-Range" in headers else 200, len(data) - start, headers)
        if kind == "slow":
            return self._slowly(data[start:], at)
        # A connection is broken at a place of the file, which a resumed one may be beyond.
        broken = kind in ("truncate", "truncate-anew", "stall", "reset", "trickle")
        end = max(at, start) if broken else len(data)
        if kind == "choppy":
            end = min(start + at, len(data))
        self._send(data[start:end])
        if kind == "trickle":
            self._slowly(data[end:], 20)
        if kind == "stall":
            self.server.hub.healed.wait(120)
        if kind == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
        if end < len(data):
            self.close_connection = True
        return None

    def _send(self, data: bytes) -> None:
        step = 1 << 16
        for begin in range(0, len(data), step):
            self.wfile.write(data[begin : begin + step])
            self._sent += len(data[begin : begin + step])

    def _slowly(self, data: bytes, bytes_per_second: int) -> None:
        step = max(1, bytes_per_second // 20)
        for begin in range(0, len(data), step):
            while not self.server.hub.closing.wait(0.05):
                if not self.server.hub.paused.is_set():
                    break
            else:
                return
            self.wfile.write(data[begin : begin + step])
            self._sent += len(data[begin : begin + step])


def _inside(root: Path, relative: str, folder: bool = False) -> Path | None:
    found = root / relative
    inside = found.resolve().is_relative_to(root.resolve())
    return found if inside and (found.is_dir() if folder else found.is_file()) else None


def _git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _lfs(file: Path, data: bytes, name_of_hash: str) -> dict[str, Any]:
    if not file.name.endswith(LFS_SUFFIXES):
        return {}
    sha256 = hashlib.sha256(data).hexdigest()
    return {"lfs": {name_of_hash: sha256, "size": len(data), "pointerSize": 130}}


def _sibling(name: str, file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    return {
        "rfilename": name,
        "size": len(data),
        "blobId": _git_hash(data),
        **_lfs(file, data, "sha256"),
    }


def _tree_entry(name: str, file: Path) -> dict[str, Any]:
    data = file.read_bytes()
    return {
        "type": "file",
        "path": name,
        "size": len(data),
        "oid": _git_hash(data),
        **_lfs(file, data, "oid"),
    }


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--fault", action="append", default=[], metavar="SUFFIX=KIND[:AT]")
    given = parser.parse_args()
    with Hub(given.folder) as hub:
        for text in given.fault:
            suffix, _, what = text.rpartition("=")
            kind, _, at = what.partition(":")
            hub.fault(suffix, kind, int(at) if at else None)
        print(hub.url, flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            sys.stdin.read()


if __name__ == "__main__":
    _main()
