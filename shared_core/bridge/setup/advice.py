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
from ..language import _
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
    Condition.MISSING: _("Set up the worker"),
    Condition.BROKEN: _("Repair the worker"),
    Condition.OUTDATED: _("Update the worker"),
    Condition.NEWER: _("The worker is newer"),
    Condition.READY: _("The worker is ready"),
    Condition.FOREIGN: _("The worker is ready"),
}


def _missing(facts: Facts) -> Said:
    what = _(
        "NSS does its work in a program of its own beside {editor}, the worker. It is set "
        "up once, in a minute or two.",
        editor=facts.editor,
    )
    if facts.python is None:
        text, actions = _without_python()
        return f"{what} {text}", actions
    size = _size(facts.python)
    text = _(
        "{what} {python} makes an environment for it in your own folder, and {size} of "
        "packages come from {host}, each checked by its SHA-256. Nothing of yours is sent.",
        what=what,
        python=facts.python.title,
        size=size,
        host=index.settings().host,
    )
    return text, _installing(_("Set Up"), size, facts.python)


def _without_python() -> Said:
    look = Action(LOOK, _("Look Again"), _("Looks for a Python that was installed meanwhile."))
    text = _("It needs a Python from 3.11 to 3.14, and there is none on this computer that fits.")
    try:
        size = wire.megabytes(fetch.pinned().size + FETCHED_BYTES)
    except NssError as error:
        return f"{text} {error}", [look]
    text += " " + _(
        "Install one, for instance from python.org, and look again; or let NSS fetch one "
        "for itself alone: {size}, with the installer uv from {host}, which gets Python "
        "from github.com.",
        size=size,
        host=index.settings().host,
    )
    get = Action(
        FETCH_PYTHON,
        _("Fetch Python and Set Up ({size} more)", size=size),
        _("Python goes into the folder of NSS and nowhere else."),
    )
    return text, [get, look]


def _installing(label: str, size: str, python: Python) -> list[Action]:
    made = _("Makes the worker's environment with {program}.", program=python.program)
    return [
        Action(INSTALL, f"{label} ({size})", made),
        Action(
            FROM_FOLDER,
            _("From a Folder…"),
            _("Without a network: takes all packages from a folder with their wheels."),
            asks_folder=True,
        ),
        Action(LOOK, _("Look Again"), _("Looks for a Python that was installed meanwhile.")),
    ]


def _broken(facts: Facts) -> Said:
    text, actions = _missing(facts)
    return _("Its environment is damaged or was not finished. {text}", text=text), [
        replace(action, label=action.label.replace(_("Set Up"), _("Repair"))) for action in actions
    ]


def _outdated(facts: Facts) -> Said:
    stamp = facts.state.stamp
    assert stamp is not None
    if stamp.locks == locks.digest(stamp.flavour):
        text = _("It takes seconds and no network; settings and models stay.")
        return text, [Action(INSTALL, _("Update"), _("Brings the worker of this plug-in."))]
    if facts.python is None:
        return _without_python()
    size = _size(facts.python, stamp.flavour)
    text = _(
        "Its packages have changed too: {size} to download. Settings and models stay.", size=size
    )
    return text, _installing(_("Update"), size, facts.python)


def _newer(facts: Facts) -> Said:
    assert facts.state.stamp is not None
    text = _(
        "It is version {version}, this plug-in is {ours}, and the two do not "
        "understand each other. Bring {editor} the newer plug-in.",
        version=facts.state.stamp.version,
        ours=__version__,
        editor=facts.editor,
    )
    return text, []


def _ready(facts: Facts) -> Said:
    stamp = facts.state.stamp
    assert stamp is not None
    flavour = locks.flavour(stamp.flavour)
    runs = (
        _("for the processor")
        if flavour.id == locks.CPU
        else _("with {flavour}", flavour=flavour.title)
    )
    text = _(
        "Version {version} on Python {python}, {runs}.",
        version=stamp.version,
        python=stamp.python,
        runs=runs,
    )
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
                _("Use {flavour} ({size})", flavour=locks.flavour(proposed.id).title, size=size),
                _(
                    "Makes an environment with it, {size} to download, and measures it. Where "
                    "it does not work, the worker stays as it is.",
                    size=size,
                ),
            )
        )
    if stamp.note:
        text += f" {stamp.note}"
    if stamp.flavour != locks.CPU and facts.python_for(locks.CPU):
        back = _("Makes an environment without it.")
        actions.append(Action(f"{FLAVOUR}{locks.CPU}", _("Back to the Processor"), back))
    if facts.python is not None:
        label = _("Repair ({size})", size=_size(facts.python, stamp.flavour))
        made = _(
            "Makes the worker's environment anew, with {program}.", program=facts.python.program
        )
        actions.append(Action(INSTALL, label, made))
    keeps = _("Deletes the worker's environment; settings and models stay.")
    actions.append(Action(REMOVE, _("Remove"), keeps))
    return text, actions


def _foreign(facts: Facts) -> Said:
    text = _("It runs in an environment that you made yourself.")
    if facts.python is None:
        return text, []
    size = _size(facts.python)
    return text, _installing(_("Set Up Its Own"), size, facts.python)[:2]


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
        found.append(Proposal("cuda", _("{card} can run models by CUDA", card=cards["NVIDIA"])))
    if system == "win32" and cards:
        name = next(iter(cards.values()))
        found.append(Proposal("directml", _("{card} can run models by DirectML", card=name)))
    if system == "linux" and "AMD" in cards and (root / "opt/rocm").is_dir():
        found.append(Proposal("rocm", _("{card} can run models by ROCm", card=cards["AMD"])))
    if system in ("linux", "win32") and "Intel" in cards:
        found.append(
            Proposal("openvino", _("{card} can run models by OpenVINO", card=cards["Intel"]))
        )
    return found
