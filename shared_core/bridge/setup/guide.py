"""The set-up as an editor shows it: how things stand, what can be done, how far it has come.

An editor polls it from a timer and draws the view; nothing here waits, and the work is done by a
process of its own. The one exception is a machine without any Python, where a thread fetches one.
"""

from __future__ import annotations

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from .. import __version__, wire
from ..errors import CouldNotBeDone, NssError
from ..launch import scrubbed
from ..paths import Paths, private_folder
from . import child, environment, fetch, flow, index, locks, processes
from .environment import Condition
from .pythons import Python, Search, answers, best, candidates

BRIDGE = Path(__file__).resolve().parent.parent
CANCEL_SECONDS = 10.0
FETCHED_PYTHON = "3.13"
# As uv lists it.
FETCHED_BYTES = 35_000_000
_RUN = (
    "import sys; sys.path.insert(0, sys.argv[1]); from bridge.setup.child import main; "
    "main(sys.argv[2])"
)
INSTALL, FROM_FOLDER, FETCH_PYTHON = "install", "from-folder", "fetch-python"
REMOVE, LOOK, CANCEL, FLAVOUR = "remove", "look", "cancel", "flavour:"


@dataclass(frozen=True)
class Action:
    """Something the user may choose; ``asks_folder`` when it needs a folder from them."""

    id: str
    label: str
    help: str
    asks_folder: bool = False


@dataclass(frozen=True)
class View:
    """What to show. ``share`` (0..1) is how far the work has come, None while there is none."""

    title: str
    text: str
    actions: tuple[Action, ...]
    share: float | None = None
    said: str = ""
    usable: bool = False


def carried_wheel(folder: Path = BRIDGE.parent / "worker") -> Path | None:
    """The worker's wheel that a plug-in carries beside the bridge."""
    return next(iter(sorted(folder.glob("*.whl"))), None)


class Guide:
    """One for each editor; several panels may show it."""

    def __init__(
        self,
        paths: Paths,
        editor: str,
        wheel: Path | None = None,
        look: Callable[[], list[str]] | None = None,
    ) -> None:
        self._paths = paths
        self._editor = editor
        self._wheel = wheel or carried_wheel()
        self._digest: str | None = None
        self._look = look or (lambda: candidates(excluded=[paths.data]))
        self._search: Search | None = None
        self._pythons: list[Python] | None = None
        self._work: _Child | _Fetching | None = None
        self._progress = (0.0, "")
        self._said = ""

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self._work is not None

    @property
    def usable(self) -> bool:
        """Whether there is a worker for the tools."""
        return self._state().usable

    def poll(self) -> View:
        """Look how things stand, and go on with what is being done."""
        if self._work is not None:
            return self._follow(self._work)
        state = self._state()
        pythons = self._found()
        if pythons is None:
            looking = "Looking for a Python on this computer …"
            return View(_title(state), looking, (), said=self._said, usable=state.usable)
        return self._view(state, best(pythons))

    def begin(self, action: str, folder: Path | None = None) -> None:
        """Do what the user chose from the newest view's actions."""
        if action == CANCEL:
            self.cancel()
        if self._work is not None:
            return
        self._said, self._progress = "", (0.0, "Starting")
        if action == LOOK:
            self._pythons = None
            return
        flavour = action[len(FLAVOUR) :] if action.startswith(FLAVOUR) else self._flavour()
        python = self._python_for(flavour)
        try:
            if action == REMOVE:
                self._start(self._request(child.REMOVE), python)
            elif action == FETCH_PYTHON:
                self._work = _Fetching(self._paths)
            elif python is None:
                raise CouldNotBeDone("No Python that fits was found. Install one and look again.")
            else:
                request = self._request(child.INSTALL, python, flavour)
                self._start(replace(request, wheels=str(folder or "")), python)
        except NssError as error:
            self._said = str(error)
        except OSError as error:
            self._said = f"The set-up could not be started ({error.strerror or error})."

    def cancel(self) -> None:
        """Stop what is being done; the worker stays as it was."""
        if self._work is not None:
            self._work.cancel()
            self._progress = (self._progress[0], "Cancelling …")

    def stop(self) -> None:
        """End everything; before the editor quits."""
        if self._search is not None:
            self._search.stop()
        if self._work is not None:
            self._work.cancel()
            self._work.stop()

    def log(self) -> str:
        """What the installers have said."""
        with contextlib.suppress(OSError):
            return flow.log_of(self._paths).read_text("utf-8", "replace")
        return ""

    def _state(self) -> environment.State:
        if self._digest is None:
            self._digest = flow.Parts(self._wheel).digest if self._wheel else ""
        return environment.state(self._paths, self._digest)

    def _found(self) -> list[Python] | None:
        if self._pythons is None:
            if self._search is None:
                self._search = Search(self._look())
            self._pythons = self._search.poll()
            if self._pythons is not None:
                self._search = None
        return self._pythons

    def _flavour(self) -> str:
        """The flavour that the present environment has."""
        stamp = self._state().stamp
        return stamp.flavour if stamp else locks.CPU

    def _python_for(self, flavour: str) -> Python | None:
        fitting = [
            python
            for python in self._pythons or ()
            if locks.download_bytes(flavour, python.platform, python.version) is not None
        ]
        return best(fitting)

    def _request(
        self, action: str, python: Python | None = None, flavour: str = locks.CPU
    ) -> child.Request:
        if self._wheel is None:
            raise CouldNotBeDone(
                "This plug-in does not carry the worker. Import it from nss_krita.zip or "
                "nss_gimp.zip, or set the worker up with  nss setup."
            )
        request = child.Request(
            action=action,
            config=str(self._paths.config),
            data=str(self._paths.data),
            cache=str(self._paths.cache),
            runtime=str(self._paths.runtime),
            wheel=str(self._wheel),
        )
        if python is None:
            return request
        return replace(
            request,
            program=python.program,
            version=f"{python.version[0]}.{python.version[1]}",
            platform=python.platform,
            brings_pip=python.brings_pip,
            flavour=flavour,
        )

    def _start(self, request: child.Request, python: Python | None) -> None:
        program = (
            python.program if python else str(environment.program(self._state().folder or Path()))
        )
        self._work = _Child(self._paths, program, request)

    def _follow(self, work: _Child | _Fetching) -> View:
        for event in work.poll():
            if "text" in event:
                self._progress = (float(event["share"]), str(event["text"]))
            elif "python" in event:
                self._pythons = [event["python"]]
                self._work = None
                self.begin(INSTALL)
                return self.poll()
            else:
                self._said = str(event.get("done") or event.get("failed") or "")
                self._work = None
                return self.poll()
        share, text = self._progress
        stop = Action(CANCEL, "Cancel", "Stops; nothing is left behind.")
        usable = self._state().usable
        return View("Setting up the worker", text, (stop,), share=share, usable=usable)

    # What is said

    def _view(self, state: environment.State, python: Python | None) -> View:
        text, actions = _TEXTS[state.condition](self, state, python)
        return View(_title(state), text, tuple(actions), said=self._said, usable=state.usable)

    def _missing(self, state: environment.State, python: Python | None) -> tuple[str, list[Action]]:
        what = (
            f"NSS does its work in a program of its own beside {self._editor}, the worker. It is "
            "set up once, in a minute or two. "
        )
        if python is None:
            text, actions = self._without_python()
            return what + text, actions
        size = self._size(python)
        text = (
            f"{what}{python.title} makes an environment for it in your own folder, and {size} of "
            f"packages come from {index.settings().host}, each checked by its SHA-256. Nothing of "
            "yours is sent."
        )
        return text, self._installing("Set Up", size, python)

    def _without_python(self) -> tuple[str, list[Action]]:
        look = Action(LOOK, "Look Again", "Looks for a Python that was installed meanwhile.")
        text = "It needs a Python from 3.11 to 3.14, and there is none on this computer that fits. "
        try:
            size = wire.megabytes(fetch.pinned().size + FETCHED_BYTES)
        except NssError as error:
            return text + str(error), [look]
        text += (
            "Install one, for instance from python.org, and look again; or let NSS fetch one for "
            f"itself alone: {size}, with the installer uv from {index.settings().host}, which "
            "gets Python from github.com."
        )
        get = Action(
            FETCH_PYTHON,
            f"Fetch Python and Set Up ({size} more)",
            "Python goes into the folder of NSS and nowhere else.",
        )
        return text, [get, look]

    def _installing(self, label: str, size: str, python: Python) -> list[Action]:
        made = f"Makes the worker's environment with {python.program}."
        return [
            Action(INSTALL, f"{label} ({size})", made),
            Action(
                FROM_FOLDER,
                "From a Folder …",
                "Without a network: takes all packages from a folder with their wheels.",
                asks_folder=True,
            ),
            Action(LOOK, "Look Again", "Looks for a Python that was installed meanwhile."),
        ]

    def _broken(self, state: environment.State, python: Python | None) -> tuple[str, list[Action]]:
        text, actions = self._missing(state, python)
        return f"Its environment is damaged or was not finished. {text}", [
            replace(action, label=action.label.replace("Set Up", "Repair")) for action in actions
        ]

    def _outdated(
        self, state: environment.State, python: Python | None
    ) -> tuple[str, list[Action]]:
        stamp = state.stamp
        assert stamp is not None
        if stamp.locks == locks.digest(stamp.flavour):
            text = "It takes seconds and no network; settings and models stay."
            return text, [Action(INSTALL, "Update", "Brings the worker of this plug-in.")]
        if python is None:
            return self._without_python()
        size = self._size(python, stamp.flavour)
        text = f"Its packages have changed too: {size} to download. Settings and models stay."
        return text, self._installing("Update", size, python)

    def _newer(self, state: environment.State, python: Python | None) -> tuple[str, list[Action]]:
        assert state.stamp is not None
        text = (
            f"It is version {state.stamp.version}, this plug-in is {__version__}, and the two do "
            f"not understand each other. Bring {self._editor} the newer plug-in."
        )
        return text, []

    def _ready(self, state: environment.State, python: Python | None) -> tuple[str, list[Action]]:
        stamp = state.stamp
        assert stamp is not None
        flavour = locks.flavour(stamp.flavour)
        runs = "for the processor" if flavour.id == locks.CPU else f"with {flavour.title}"
        text = f"Version {stamp.version} on Python {stamp.python}, {runs}."
        actions = []
        for proposed in proposals(_profile(self._paths), sys.platform):
            fitting = self._python_for(proposed.id)
            if proposed.id == stamp.flavour or fitting is None:
                continue
            size = self._size(fitting, proposed.id)
            text += f" {proposed.why}."
            actions.append(
                Action(
                    FLAVOUR + proposed.id,
                    f"Use {locks.flavour(proposed.id).title} ({size})",
                    f"Makes an environment with it, {size} to download, and measures it. Where it "
                    "does not work, the worker stays as it is.",
                )
            )
        if stamp.note:
            text += f" {stamp.note}"
        if stamp.flavour != locks.CPU and self._python_for(locks.CPU):
            back = "Makes an environment without it."
            actions.append(Action(f"{FLAVOUR}{locks.CPU}", "Back to the Processor", back))
        if python is not None:
            label = f"Repair ({self._size(python, stamp.flavour)})"
            made = f"Makes the worker's environment anew, with {python.program}."
            actions.append(Action(INSTALL, label, made))
        keeps = "Deletes the worker's environment; settings and models stay."
        actions.append(Action(REMOVE, "Remove", keeps))
        return text, actions

    def _foreign(self, state: environment.State, python: Python | None) -> tuple[str, list[Action]]:
        text = "It runs in an environment that you made yourself."
        if python is None:
            return text, []
        size = self._size(python)
        return text, self._installing("Set Up Its Own", size, python)[:2]

    def _size(self, python: Python, flavour: str = locks.CPU) -> str:
        count = locks.download_bytes(flavour, python.platform, python.version) or 0
        if not python.brings_pip:
            with contextlib.suppress(NssError):
                count += fetch.pinned().size
        return wire.megabytes(count)


_TEXTS = {
    Condition.MISSING: Guide._missing,
    Condition.BROKEN: Guide._broken,
    Condition.OUTDATED: Guide._outdated,
    Condition.NEWER: Guide._newer,
    Condition.READY: Guide._ready,
    Condition.FOREIGN: Guide._foreign,
}
_TITLES = {
    Condition.MISSING: "Set up the worker",
    Condition.BROKEN: "Repair the worker",
    Condition.OUTDATED: "Update the worker",
    Condition.NEWER: "The worker is newer",
    Condition.READY: "The worker is ready",
    Condition.FOREIGN: "The worker is ready",
}


def _title(state: environment.State) -> str:
    return _TITLES[state.condition]


@dataclass(frozen=True)
class Proposal:
    """A flavour that this machine's hardware suggests, and why."""

    id: str
    why: str


def proposals(profile: Mapping[str, Any], system: str, root: Path = Path("/")) -> list[Proposal]:
    """The flavours that may serve the adapters of a measured machine, the most promising first.

    macOS needs none: Core ML is part of the processor's packages there.
    """
    cards: dict[str, str] = {}
    for adapter in profile.get("adapters", ()):
        if adapter.get("usable"):
            cards.setdefault(str(adapter.get("vendor")), str(adapter.get("name")))
    found = []
    if system in ("linux", "win32") and "NVIDIA" in cards:
        found.append(Proposal("cuda", f"{cards['NVIDIA']} can run models by CUDA"))
    if system == "win32" and cards:
        name = next(iter(cards.values()))
        found.append(Proposal("directml", f"{name} can run models by DirectML"))
    if system == "linux" and "AMD" in cards and (root / "opt/rocm").is_dir():
        found.append(Proposal("rocm", f"{cards['AMD']} can run models by ROCm"))
    if system in ("linux", "win32") and "Intel" in cards:
        found.append(Proposal("openvino", f"{cards['Intel']} can run models by OpenVINO"))
    return found


def _profile(paths: Paths) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(paths.profile.read_text("utf-8"))
        if isinstance(found, dict):
            return found
    return {}


class _Child:
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
        events = [json.loads(line) for line in whole.splitlines()]
        if ended and not (events and ("done" in events[-1] or "failed" in events[-1])):
            code = self._process.returncode
            events.append({"failed": f"The set-up ended by itself (code {code}). Try again."})
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


class _Fetching:
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
            text = f"Python could not be fetched ({type(error).__name__}: {error})."
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
        text = f"Fetching the installer uv, {wire.megabytes(done)} of {wire.megabytes(total)}"
        tell(0.5 * done / total, text)

    whole = False
    try:
        program = fetch.uv(tools, where, fetch.pinned(), stopped, fetched)
        tell(0.5, f"Fetching Python {FETCHED_PYTHON}")
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
        raise CouldNotBeDone("The Python that was fetched does not run here. Install one yourself.")
    return python
