"""The work of a set-up as an editor follows it: in a process, or in a thread where none can be.

Both tell of it in events that are polled: ``share`` and ``text`` while it goes on, then ``done`` or
``failed`` with a sentence, or ``python`` with one that was fetched.
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from .. import contacts, wire
from ..errors import CouldNotBeDone, NssError
from ..language import _, unpacked
from ..launch import scrubbed
from ..paths import Paths, private_folder
from . import child, environment, fetch, flow, index, processes
from .pythons import Python, answers, best

BRIDGE = Path(__file__).resolve().parent.parent
CANCEL_SECONDS = 10.0
FETCHED_PYTHON = "3.13"
_RUN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from bridge.setup.child import main; "
    "main(sys.argv[2])"
)


class Child:
    """The set-up's process; what it writes is read from a file, so that nobody waits for it."""

    def __init__(self, paths: Paths, program: str, request: child.Request) -> None:
        file = private_folder(paths.cache) / "setup.events"
        self._offset = 0
        self._file = file
        self._told: float | None = None
        with file.open("wb") as events, (paths.cache / "setup.err").open("wb") as errors:
            self._process = subprocess.Popen(
                [program, "-I", "-c", _RUN, str(BRIDGE.parent), json.dumps(asdict(request))],
                stdin=subprocess.PIPE,
                stdout=events,
                stderr=errors,
                cwd=paths.cache,
                env=_environment(),
                start_new_session=os.name != "nt",
                creationflags=processes.FLAGS,
            )

    def poll(self) -> list[dict[str, Any]]:
        """The events since the last time; a last one in any case."""
        if self._told and time.monotonic() - self._told > CANCEL_SECONDS:
            processes.end(self._process)
        ended = self._process.poll() is not None
        body = self._file.read_bytes()[self._offset :]
        whole = body[: body.rfind(b"\n") + 1]
        self._offset += len(whole)
        events = [unpacked(json.loads(line)) for line in whole.splitlines()]
        if ended and not (events and ("done" in events[-1] or "failed" in events[-1])):
            code = self._process.returncode
            events.append(
                {"failed": _("The set-up ended by itself (code {code}). Try again.", code=code)}
            )
        return events

    def cancel(self) -> None:
        """The end of its input tells it."""
        self._told = self._told or time.monotonic()
        if self._process.stdin is not None:
            self._process.stdin.close()

    def stop(self) -> None:
        """Give it the time to clean up, then end it."""
        try:
            self._process.wait(0.5)
        except subprocess.TimeoutExpired:
            # It goes on by itself: it has been told, and needs nobody for its cleaning.
            return


def _environment() -> dict[str, str]:
    """What pip and uv may be told, and the worker's folders; nothing of the editor's own."""
    kept = scrubbed(os.environ)
    for name, value in os.environ.items():
        if name.startswith(("PIP_", "UV_")) or name.lower().endswith("_proxy"):
            kept[name] = value
    return kept


class Fetching:
    """Fetches a Python in a thread, since there is none that could do it in a process."""

    def __init__(self, paths: Paths) -> None:
        self._events: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self._wish = threading.Event()
        self._paths = paths
        self._thread = threading.Thread(target=self._run, name="nss-python", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        try:
            self._events.put({"python": fetch_python(self._paths, self._tell, self._wish.is_set)})
        except NssError as error:
            self._events.put({"failed": str(error)})
        except Exception as error:
            text = _(
                "Python could not be fetched ({kind}: {error}).",
                kind=type(error).__name__,
                error=error,
            )
            self._events.put({"failed": text})

    def _tell(self, share: float, text: str) -> None:
        self._events.put({"share": share, "text": text})

    def poll(self) -> list[dict[str, Any]]:
        """The events since the last time."""
        events = []
        while not self._events.empty():
            events.append(self._events.get())
        return events

    def cancel(self) -> None:
        """It looks at this many times a second, except while a server is silent."""
        self._wish.set()

    def stop(self) -> None:
        """Wait for its end."""
        self._thread.join(3.0)


def fetch_python(paths: Paths, tell: flow.Tell, stopped: flow.Stopped) -> Python:
    """A Python of our own, by uv, below the data folder; uv itself is deleted again."""
    place, tools = flow.bootstrapped(paths)
    private_folder(paths.data)
    private_folder(paths.cache)
    where = index.settings()

    def fetched(done: int, total: int) -> None:
        text = _(
            "Fetching the installer uv, {size} of {total}",
            size=wire.megabytes(done),
            total=wire.megabytes(total),
        )
        tell(0.5 * done / total, text)

    whole = False
    try:
        for host in where.hosts:
            contacts.Errand(paths, _("the installer uv")).sending(host)
        contacts.Errand(paths, _("Python for the worker, by uv")).sending("github.com")
        program = fetch.uv(tools, where, fetch.pinned(), stopped, fetched)
        tell(0.5, _("Fetching Python {version}", version=FETCHED_PYTHON))
        env = index.environment(where) | {"UV_CACHE_DIR": str(tools / "cache")}
        command = [str(program), "python", "install", FETCHED_PYTHON, "--no-bin"]
        command += ["--install-dir", str(place)]
        code, said = processes.run(command, env, flow.log_of(paths), stopped)
        if code:
            raise CouldNotBeDone(flow.explained(said, "github.com"))
        found = fetched_python(place)
        whole = True
    finally:
        environment.delete(tools)
        if not whole:
            environment.delete(place)
    return found


def fetched_python(place: Path) -> Python:
    """The interpreter below ``place``; ``CouldNotBeDone`` where none works."""
    pattern = "*/python.exe" if os.name == "nt" else "*/bin/python3"
    python = best(answers(str(file) for file in sorted(place.glob(pattern))))
    if python is None:
        raise CouldNotBeDone(
            _("The Python that was fetched does not run here. Install one yourself.")
        )
    return python
