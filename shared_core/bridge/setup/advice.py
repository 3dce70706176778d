"""What is said of the set-up: how things stand, and what can be done about it, in words.

Pure functions of the facts; `guide.py` gathers them and does what the user chooses.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from .. import __version__, wire
from ..errors import NssError
from . import environment, fetch, index, locks
from .environment import Condition
from .pythons import Python, best

INSTALL, FROM_FOLDER, FETCH_PYTHON = "install", "from-folder", "fetch-python"
REMOVE, LOOK, CANCEL, FLAVOUR = "remove", "look", "cancel", "flavour:"
# A Python as uv fetches it.
FETCHED_BYTES = 35_000_000


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


@dataclass(frozen=True)
class Facts:
    """What is known: the environment, the Pythons of this computer, its measurement."""

    state: environment.State
    editor: str
    pythons: tuple[Python, ...]
    profile: Mapping[str, Any] = field(default_factory=dict)

    @property
    def python(self) -> Python | None:
        """The one to make an environment with."""
        return best(self.pythons)

    def python_for(self, flavour: str) -> Python | None:
        """The one to make an environment of that flavour with."""
        fitting = [
            python
            for python in self.pythons
            if locks.download_bytes(flavour, python.platform, python.version) is not None
        ]
        return best(fitting)


Said = tuple[str, list[Action]]


def view(facts: Facts, said: str) -> View:
    """What to show while nothing is being done; ``said`` is how the last work ended."""
    text, actions = _SAYS[facts.state.condition](facts)
    title = title_of(facts.state)
    return View(title, text, tuple(actions), said=said, usable=facts.state.usable)


def title_of(state: environment.State) -> str:
    """A heading for how things stand."""
    return _TITLES[state.condition]


_TITLES = {
    Condition.MISSING: "Set up the worker",
    Condition.BROKEN: "Repair the worker",
    Condition.OUTDATED: "Update the worker",
    Condition.NEWER: "The worker is newer",
    Condition.READY: "The worker is ready",
    Condition.FOREIGN: "The worker is ready",
}


def _missing(facts: Facts) -> Said:
    what = (
        f"NSS does its work in a program of its own beside {facts.editor}, the worker. It is "
        "set up once, in a minute or two. "
    )
    if facts.python is None:
        text, actions = _without_python()
        return what + text, actions
    size = _size(facts.python)
    text = (
        f"{what}{facts.python.title} makes an environment for it in your own folder, and {size} of "
        f"packages come from {index.settings().host}, each checked by its SHA-256. Nothing of "
        "yours is sent."
    )
    return text, _installing("Set Up", size, facts.python)


def _without_python() -> Said:
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


def _installing(label: str, size: str, python: Python) -> list[Action]:
    made = f"Makes the worker's environment with {python.program}."
    return [
        Action(INSTALL, f"{label} ({size})", made),
        Action(
            FROM_FOLDER,
            "From a Folder…",
            "Without a network: takes all packages from a folder with their wheels.",
            asks_folder=True,
        ),
        Action(LOOK, "Look Again", "Looks for a Python that was installed meanwhile."),
    ]


def _broken(facts: Facts) -> Said:
    text, actions = _missing(facts)
    return f"Its environment is damaged or was not finished. {text}", [
        replace(action, label=action.label.replace("Set Up", "Repair")) for action in actions
    ]


def _outdated(facts: Facts) -> Said:
    stamp = facts.state.stamp
    assert stamp is not None
    if stamp.locks == locks.digest(stamp.flavour):
        text = "It takes seconds and no network; settings and models stay."
        return text, [Action(INSTALL, "Update", "Brings the worker of this plug-in.")]
    if facts.python is None:
        return _without_python()
    size = _size(facts.python, stamp.flavour)
    text = f"Its packages have changed too: {size} to download. Settings and models stay."
    return text, _installing("Update", size, facts.python)


def _newer(facts: Facts) -> Said:
    assert facts.state.stamp is not None
    text = (
        f"It is version {facts.state.stamp.version}, this plug-in is {__version__}, and the two do "
        f"not understand each other. Bring {facts.editor} the newer plug-in."
    )
    return text, []


def _ready(facts: Facts) -> Said:
    stamp = facts.state.stamp
    assert stamp is not None
    flavour = locks.flavour(stamp.flavour)
    runs = "for the processor" if flavour.id == locks.CPU else f"with {flavour.title}"
    text = f"Version {stamp.version} on Python {stamp.python}, {runs}."
    actions = []
    for proposed in proposals(facts.profile, sys.platform):
        fitting = facts.python_for(proposed.id)
        if proposed.id == stamp.flavour or fitting is None:
            continue
        size = _size(fitting, proposed.id)
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
    if stamp.flavour != locks.CPU and facts.python_for(locks.CPU):
        back = "Makes an environment without it."
        actions.append(Action(f"{FLAVOUR}{locks.CPU}", "Back to the Processor", back))
    if facts.python is not None:
        label = f"Repair ({_size(facts.python, stamp.flavour)})"
        made = f"Makes the worker's environment anew, with {facts.python.program}."
        actions.append(Action(INSTALL, label, made))
    keeps = "Deletes the worker's environment; settings and models stay."
    actions.append(Action(REMOVE, "Remove", keeps))
    return text, actions


def _foreign(facts: Facts) -> Said:
    text = "It runs in an environment that you made yourself."
    if facts.python is None:
        return text, []
    size = _size(facts.python)
    return text, _installing("Set Up Its Own", size, facts.python)[:2]


def _size(python: Python, flavour: str = locks.CPU) -> str:
    count = locks.download_bytes(flavour, python.platform, python.version) or 0
    if not python.brings_pip:
        with contextlib.suppress(NssError):
            count += fetch.pinned().size
    return wire.megabytes(count)


_SAYS = {
    Condition.MISSING: _missing,
    Condition.BROKEN: _broken,
    Condition.OUTDATED: _outdated,
    Condition.NEWER: _newer,
    Condition.READY: _ready,
    Condition.FOREIGN: _foreign,
}


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
