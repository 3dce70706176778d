"""What a report of a fault needs to say: versions, machine, settings, models, faults, last errors.

The user copies it and may read it first; who they are, their paths and pictures are not in it. It
is in English, since it is for those who help.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from .. import __version__, settings, wire
from ..client import Client, Silent, Watcher
from ..errors import NssError
from ..language import _, kept, unpacked
from ..paths import Paths
from ..setup import environment
from .redact import OWN_MODEL, redacted

__all__ = ["COPIED", "collect", "redacted"]

COPIED = _("The diagnostics are in the clipboard. Read them before you post them.")
_FAULTS = 12
_LOG_LINES = 40
_LOG_BYTES = 1 << 16
_LOGS = ("worker.log", "krita.log", "gimp.log", "setup.log")


@dataclass(frozen=True)
class _Answers:
    """What the worker said; ``trouble`` is why it said no more."""

    status: wire.StatusReply | None = None
    machine: wire.DoctorReply | None = None
    models: wire.ModelsReply | None = None
    trouble: str = ""


def collect(
    client: Client, editor: str, hidden: Iterable[str] = (), watcher: Watcher | None = None
) -> str:
    """All of it as plain text of many lines, whatever state NSS is in.

    ``editor`` is the program's name and version, ``hidden`` are names that must not stay in, such
    as those of open pictures. Waits for the worker, which is started where none runs: not for the
    thread that draws. Raises ``Cancelled`` alone.
    """
    answers = _asked(client, watcher or Silent())
    own = [one.title for one in answers.models.models if one.own] if answers.models else []
    text = "\n".join(_lines(client.paths, editor, answers))
    return redacted(text, [*hidden, *own])


def _asked(client: Client, watcher: Watcher) -> _Answers:
    found = _Answers()
    try:
        status = client.ask(wire.AskStatus(), wire.StatusReply, watcher)
        found = _Answers(status)
        machine = client.ask(wire.AskDoctor(wait=False), wire.DoctorReply, watcher)
        found = _Answers(status, machine)
        models = client.ask(wire.AskModels(), wire.ModelsReply, watcher)
        return _Answers(status, machine, models)
    except NssError as error:
        if error.code == "cancelled":
            raise
        return _Answers(found.status, found.machine, found.models, str(error))


def _lines(paths: Paths, editor: str, answers: _Answers) -> Iterator[str]:
    now = datetime.now(timezone.utc).strftime("%Y-%m-%d %H:%M UTC")
    yield f"NSS diagnostics, {now}"
    yield f"NSS {__version__}, protocol {wire.PROTOCOL}, in {editor}"
    yield f"{platform.python_implementation()} {platform.python_version()}, {_system()}"
    yield _sandbox()
    yield from _worker(paths, answers)
    yield from _part("Settings", _settings(paths))
    yield from _part("Machine", _machine(answers))
    yield from _part("Models", _models(answers))
    yield from _part("Recent faults of models", _faults(paths))
    for name in _LOGS:
        yield from _part(f"Last lines of {name}", _tail(paths.cache / name))


def _part(title: str, lines: Iterable[str]) -> Iterator[str]:
    yield ""
    yield title
    told = False
    for line in lines:
        told = True
        yield f"  {line}"
    if not told:
        yield "  none"


def _system() -> str:
    name = f"{platform.system()} {platform.release()} {platform.machine()}"
    with contextlib.suppress(OSError):
        name += f", {platform.freedesktop_os_release().get('PRETTY_NAME', 'no name')}"
    if sys.platform == "darwin":
        name += f", macOS {platform.mac_ver()[0]}"
    return name


def _sandbox() -> str:
    kinds = [
        kind
        for kind, sign in (("Flatpak", "FLATPAK_ID"), ("Snap", "SNAP"), ("AppImage", "APPIMAGE"))
        if os.environ.get(sign)
    ]
    return f"Sandbox: {', '.join(kinds) or 'none'}"


def _worker(paths: Paths, answers: _Answers) -> Iterator[str]:
    state = environment.state(paths)
    text = f"Environment of the worker: {state.condition.value}"
    if state.stamp is not None:
        stamp = state.stamp
        text += f", {stamp.version}, onnxruntime flavour {stamp.flavour}, Python {stamp.python}"
        text += f" ({kept(stamp.note)})" if stamp.note else ""
    yield text
    if answers.status is not None:
        busy = answers.status.job_running or "nothing"
        waiting = f", {answers.status.jobs_waiting} waiting" if answers.status.jobs_waiting else ""
        yield f"Running worker: {answers.status.version}, busy with {busy}{waiting}"
    if answers.trouble:
        yield f"No answer: {kept(answers.trouble)}"


def _settings(paths: Paths) -> Iterator[str]:
    chosen, trouble = settings.read(paths.settings)
    for name, words in settings.words_of(chosen).items():
        folder = name == "models_folder" and words != settings.DEFAULT
        yield f"{name}: {'another folder' if folder else words}"
    if trouble:
        yield kept(trouble)


def _machine(answers: _Answers) -> Iterator[str]:
    if answers.machine is None:
        yield "not known, since the worker does not answer"
    elif answers.machine.profile is None:
        yield "not measured yet"
    else:
        yield kept(answers.machine.line)
        yield from kept(answers.machine.report).splitlines()


def _models(answers: _Answers) -> Iterator[str]:
    if answers.models is None:
        yield "not known, since the worker does not answer"
        return
    if answers.models.trouble:
        yield kept(answers.models.trouble)
    missing = 0
    for one in answers.models.models:
        if one.state == "missing" and not one.coming:
            missing += 1
            continue
        name = f"{OWN_MODEL} for {one.tool}" if one.own else one.id
        words = [one.state, kept(wire.megabytes(one.disk_bytes)) if one.disk_bytes else ""]
        words += ["ships with NSS" if one.shipped else "", "coming in" if one.coming else ""]
        words += [f"last used {one.used}" if one.used else "", kept(one.reason)]
        yield f"{name}: {', '.join(filter(None, words))}"
    yield f"{missing} not downloaded"


def _faults(paths: Paths) -> Iterator[str]:
    data: Any = None
    with contextlib.suppress(OSError, ValueError, RecursionError):
        data = kept(unpacked(json.loads(paths.journal.read_text("utf-8"))))
    known = data.get("faults") if isinstance(data, dict) else None
    for fault in (known if isinstance(known, list) else [])[-_FAULTS:]:
        if isinstance(fault, dict):
            when, tool, model, provider, pixels, what = (
                fault.get(name, "?")
                for name in ("when", "tool", "model", "provider", "pixels", "what")
            )
            yield f"{when}: {tool} with {model} on {provider} from {pixels} pixels: {what}"


def _tail(log: Path) -> Iterator[str]:
    try:
        with log.open("rb") as file:
            file.seek(max(0, log.stat().st_size - _LOG_BYTES))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    yield from lines[-_LOG_LINES:]
