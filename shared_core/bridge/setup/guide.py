"""The set-up as an editor shows it: an editor polls it from a timer and draws the view.

Nothing here waits, and the work is done by a process of its own. The one exception is a machine
without any Python, where a thread fetches one.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

from ..errors import CouldNotBeDone, NssError
from ..language import _
from ..paths import Paths
from . import child, environment, flow, locks
from .advice import (
    CANCEL,
    FETCH_PYTHON,
    FLAVOUR,
    INSTALL,
    LOOK,
    REMOVE,
    Action,
    Facts,
    View,
    title_of,
    view,
)
from .labour import BRIDGE, Child, Fetching
from .pythons import Python, Search, candidates

__all__ = ["CANCEL", "REMOVE", "Action", "Guide", "View", "carried_wheel"]


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
        self._work: Child | Fetching | None = None
        self._progress = (0.0, "")
        self._said = ""
        self._shown: tuple[Any, View] | None = None

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
        state, pythons = self._state(), self._found()
        if pythons is None:
            looking = _("Looking for a Python on this computer …")
            return View(title_of(state), looking, (), said=self._said, usable=state.usable)
        # Settings of pip are read for it, and this is asked several times a second.
        known = state, tuple(pythons), self._said
        if self._shown is None or self._shown[0] != known:
            self._shown = known, view(self._facts(state), self._said)
        return self._shown[1]

    def begin(self, action: str, folder: Path | None = None) -> None:
        """Do what the user chose from the newest view's actions."""
        if action == CANCEL:
            self.cancel()
        if self._work is not None:
            return
        self._said, self._progress = "", (0.0, _("Starting"))
        if action == LOOK:
            self._pythons = None
            return
        flavour = action[len(FLAVOUR) :] if action.startswith(FLAVOUR) else self._flavour()
        python = self._facts(self._state()).python_for(flavour)
        try:
            if action == REMOVE:
                self._start(self._request(child.REMOVE), python)
            elif action == FETCH_PYTHON:
                self._work = Fetching(self._paths)
            elif python is None:
                raise CouldNotBeDone(
                    _("No Python that fits was found. Install one and look again.")
                )
            else:
                request = self._request(child.INSTALL, python, flavour)
                self._start(replace(request, wheels=str(folder or "")), python)
        except NssError as error:
            self._said = str(error)
        except OSError as error:
            self._said = _(
                "The set-up could not be started ({reason}).", reason=error.strerror or error
            )

    def cancel(self) -> None:
        """Stop what is being done; the worker stays as it was."""
        if self._work is not None:
            self._work.cancel()
            self._progress = (self._progress[0], _("Cancelling …"))

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

    def _facts(self, state: environment.State) -> Facts:
        pythons = tuple(self._pythons or ())
        return Facts(state, self._editor, pythons, _profile(self._paths))

    def _request(
        self, action: str, python: Python | None = None, flavour: str = locks.CPU
    ) -> child.Request:
        if self._wheel is None:
            raise CouldNotBeDone(
                _(
                    "This plug-in does not carry the worker. Import it from nss_krita.zip or "
                    "nss_gimp.zip, or set the worker up with  nss setup."
                )
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
        self._work = Child(self._paths, program, request)

    def _follow(self, work: Child | Fetching) -> View:
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
        stop = Action(CANCEL, _("Cancel"), _("Stops; nothing is left behind."))
        usable = self._state().usable
        return View(_("Setting up the worker"), text, (stop,), share=share, usable=usable)


def _profile(paths: Paths) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        found = json.loads(paths.profile.read_text("utf-8"))
        if isinstance(found, dict):
            return found
    return {}
