"""Tiny wheels, their lock, and an index on this machine that serves them, lies or stalls."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import http.server
import io
import json
import platform
import sys
import threading
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from shared_core.bridge import __version__
from shared_core.bridge.setup import fetch, flow, pythons

# What the worker's own trial says of a provider: NSS_TEST_PROOF holds the answers as JSON.
PROVE = """
import json, os, sys
import onnxruntime
answers = json.loads(os.environ.get("NSS_TEST_PROOF", "{}"))
usual = {"works": True, "reason": "", "device": onnxruntime.KIND}
if "--save" in sys.argv:
    open(sys.argv[sys.argv.index("--save") + 1], "w").write("{}")
print("some driver's chatter")
print(json.dumps(answers.get(sys.argv[1], usual)))
"""
_PACKAGES = {
    "tiny_base": {"numpy.py": "", "cv2.py": ""},
    "tiny_ort": {"onnxruntime.py": "KIND = 'processor'"},
    "tiny_ort_gpu": {"onnxruntime.py": "KIND = 'card'"},
}


def wheel(name: str, files: Mapping[str, str], version: str = "1.0") -> tuple[str, bytes]:
    """A pure wheel: the name of its file, and its bytes."""
    info = f"{name}-{version}.dist-info"
    contents = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    lines = []
    for place, text in contents.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=")
        lines.append(f"{place},sha256={digest.decode()},{len(text.encode())}\n")
    contents[f"{info}/RECORD"] = "".join([*lines, f"{info}/RECORD,,\n"])
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for place, text in contents.items():
            archive.writestr(zipfile.ZipInfo(place, (1980, 1, 1, 0, 0, 0)), text)
    return f"{name}-{version}-py3-none-any.whl", body.getvalue()


def worker(text: str = "") -> tuple[str, bytes]:
    """A worker that starts and proves; ``text`` makes it another one."""
    files = {
        "shared_core/__init__.py": text,
        "shared_core/worker/__init__.py": "",
        "shared_core/worker/server.py": "",
        "shared_core/worker/runner.py": "",
        "shared_core/device/__init__.py": "",
        "shared_core/device/prove.py": PROVE,
    }
    return wheel("nss_krita_gimp", files, __version__)


@dataclass
class Index:
    """Wheels on a server on this machine; ``lies`` are served with other bytes, ``stalls`` never
    end."""

    files: dict[str, bytes]
    url: str = ""
    lies: set[str] = field(default_factory=set)
    stalls: set[str] = field(default_factory=set)
    asked: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)

    def projects(self) -> dict[str, list[str]]:
        """The files of each project."""
        found: dict[str, list[str]] = {}
        for name in self.files:
            found.setdefault(name.split("-")[0].replace("_", "-"), []).append(name)
        return found


@contextlib.contextmanager
def served(files: dict[str, bytes]) -> Iterator[Index]:
    """An index with these files, at ``url``."""
    index = Index(files)

    class Handler(http.server.BaseHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            index.asked.append(self.path)
            last = [part for part in self.path.split("/") if part][-1]
            if self.path.endswith("/"):
                links = index.projects().get(last)
                if links is None:
                    self.send_error(404)
                    return
                page = "".join(f'<a href="/files/{name}">{name}</a>' for name in links)
                self.answer(page.encode(), "text/html")
            elif last in index.stalls:
                self.send_response(200)
                self.send_header("Content-Length", str(len(index.files[last])))
                self.end_headers()
                self.wfile.write(index.files[last][:100])
                index.released.wait(600)
            elif last in index.files:
                body = index.files[last]
                lie = last in index.lies
                self.answer(other(body) if lie else body, "application/octet-stream")
            else:
                self.send_error(404)

        def do_HEAD(self) -> None:
            self.send_error(405)

        def answer(self, body: bytes, kind: str) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    index.url = f"http://127.0.0.1:{server.server_port}/simple"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield index
    finally:
        index.released.set()
        server.shutdown()
        server.server_close()
        thread.join()


def other(body: bytes) -> bytes:
    """The same wheel with one file more."""
    changed = io.BytesIO(body)
    with zipfile.ZipFile(changed, "a") as archive:
        archive.writestr("evil.pth", "import this\n")
    return changed.getvalue()


def uv_wheel(program: Path) -> tuple[str, bytes]:
    """The installed uv as the wheel that it would be fetched as."""
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        archive.writestr("uv-0.data/scripts/uv", program.read_bytes())
    return "uv-0-py3-none-any.whl", body.getvalue()


def write_locks(folder: Path, files: Mapping[str, bytes]) -> None:
    """Locks, sizes and uv's pin for these files, in ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    locks = {"base": "tiny_base", "cpu": "tiny_ort", "cuda": "tiny_ort_gpu"}
    here = this_python(True)
    sizes = {}
    for lock, package in locks.items():
        name = f"{package}-1.0-py3-none-any.whl"
        digest = hashlib.sha256(files[name]).hexdigest()
        (folder / f"{lock}.txt").write_text(
            f"# inputs\n{package}==1.0 \\\n    --hash=sha256:{digest}\n"
        )
        sizes[lock] = {here.platform: {".".join(map(str, here.version)): len(files[name])}}
    (folder / "sizes.json").write_text(json.dumps(sizes))
    kind = {"win32": "win", "darwin": "macosx"}.get(sys.platform, "manylinux")
    place = f"{kind}-{pythons.processor(platform.machine())}"
    for name, body in files.items():
        if name.startswith("uv-"):
            digest = hashlib.sha256(body).hexdigest()
            pin = vars(fetch.Pinned(name, digest, len(body)))
            (folder / "uv.json").write_text(json.dumps({place: pin}))


def this_python(brings_pip: bool) -> pythons.Python:
    """The Python of this test, as one that was found."""
    system = {"win32": "win", "darwin": "macosx"}.get(sys.platform, "linux")
    return pythons.Python(
        sys._base_executable,  # type: ignore[attr-defined]
        sys.version_info[:2],
        f"{system}-{pythons.processor(platform.machine())}",
        brings_pip,
    )


@dataclass
class Workshop:
    """Everything that a set-up takes."""

    folder: Path
    index: Index
    parts: flow.Parts

    def bring(self, text: str) -> flow.Parts:
        """The parts with another worker."""
        name, body = worker(text)
        place = self.folder / f"worker-{hashlib.sha256(body).hexdigest()[:8]}"
        place.mkdir(exist_ok=True)
        (place / name).write_bytes(body)
        return flow.Parts(place / name, self.parts.locks)

    def wheels(self, *without: str) -> Path:
        """A folder with all files but some."""
        place = self.folder / f"wheels-{len(without)}"
        place.mkdir(exist_ok=True)
        for name, body in self.index.files.items():
            if not name.startswith(without or ("-",)):
                (place / name).write_bytes(body)
        return place


@contextlib.contextmanager
def opened(folder: Path, uv: Path) -> Iterator[Workshop]:
    """Tiny wheels, locks, and their index."""
    files = dict(wheel(name, contents) for name, contents in _PACKAGES.items())
    files |= dict([uv_wheel(uv)])
    write_locks(folder / "locks", files)
    with served(files) as index:
        made = Workshop(folder, index, flow.Parts(Path(), folder / "locks"))
        made.parts = made.bring("")
        yield made
