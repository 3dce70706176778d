"""``nss install``, ``nss uninstall`` and ``nss setup``: the plug-ins, and the worker they start."""

from __future__ import annotations

import argparse
import json
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from ..bridge import wire
from ..bridge.errors import (
    BadInput,
    Cancelled,
    CouldNotBeDone,
    UsageError,
)
from ..bridge.language import _
from ..bridge.paths import (
    Paths,
    paths,
)
from ..bridge.setup import (
    environment,
    flow,
    locks,
    pythons,
)
from ..install import (
    editors,
    places,
    plugins,
    wheels,
)

KRITA, GIMP = "krita", "gimp"
_NEXT = {
    KRITA: _("Start it again and open Settings ▸ Dockers ▸ NSS; the tools are in Filter ▸ NSS."),
    GIMP: _("Start it again; the tools are in Filters ▸ NSS."),
}
_SANDBOXED = _(
    "It sees a home of its own, so it will guide you through setting up its worker there."
)


def register(command: Callable[..., Any]) -> None:
    """Add the commands to the parser; ``command(name, action, text)`` makes one."""
    text = _("Put the plug-in into every Krita or GIMP of this user.")
    sub = command("install", _install, text)
    _add_editors(sub)
    sub = command("uninstall", _uninstall, _("Take the plug-ins out; without a name, all of NSS."))
    _add_editors(sub)
    sub.add_argument("--yes", action="store_true", help=_("do not ask"))
    sub = command("setup", _setup, _("Set up the worker in an environment of its own."))
    sub.add_argument(
        "--flavour",
        choices=[flavour.id for flavour in locks.FLAVOURS],
        help=_("which onnxruntime: for the processor, or for a graphics card"),
    )
    sub.add_argument(
        "--from", dest="wheels", metavar="FOLDER", type=Path, help=_("take all packages from there")
    )
    sub.add_argument("--python", metavar="PROGRAM", help=_("the Python to make it with"))
    sub.add_argument("--remove", action="store_true", help=_("delete the environment"))
    sub.add_argument("--status", action="store_true", help=_("say what there is"))
    sub.add_argument("--json", action="store_true", help=_("print JSON"))


def _add_editors(sub: Any) -> None:
    sub.add_argument("editors", metavar="EDITOR", nargs="*", help=_("krita, gimp"))
    sub.add_argument("--all", action="store_true", help="both")
    text = _("another Krita: its resource folder and its kritarc")
    sub.add_argument("--krita", metavar=("DATA", "KRITARC"), nargs=2, type=Path, help=text)
    text = _("another GIMP: its configuration folder, such as GIMP/3.0")
    sub.add_argument("--gimp", metavar="CONFIG", type=Path, help=text)


def _chosen(options: argparse.Namespace) -> set[str]:
    for name in options.editors:
        if name not in (KRITA, GIMP):
            raise UsageError(
                _("There is no plug-in for {name}; there are krita and gimp.", name=repr(name))
            )
    given = {KRITA} if options.krita else set()
    given |= {GIMP} if options.gimp else set()
    return {KRITA, GIMP} if options.all else {*options.editors, *given}


def _found(options: argparse.Namespace, chosen: set[str]) -> list[places.Krita | places.Gimp]:
    """The editors that are meant; those named by folders instead of those found."""
    machine = places.this()
    found: list[places.Krita | places.Gimp] = []
    if KRITA in chosen:
        named = [places.Krita("Krita", *options.krita)] if options.krita else []
        found += named or places.kritas(machine)
    if GIMP in chosen:
        named_gimp = [places.Gimp("GIMP", options.gimp)] if options.gimp else []
        found += named_gimp or places.gimps(machine)
    return found


def _install(options: argparse.Namespace) -> int:
    chosen = _chosen(options)
    if not chosen:
        raise UsageError(_("Name an editor, krita or gimp, or use --all."))
    found = _found(options, chosen)
    missing = chosen - {KRITA if isinstance(p, places.Krita) else GIMP for p in found}
    if missing and not (options.all and found):
        hints = {
            KRITA: _("No Krita was found. Install it, or name its folders with --krita."),
            GIMP: _(
                "No GIMP 3 has been started here. Start it once, or name its folder with --gimp."
            ),
        }
        raise BadInput(" ".join(hints[name] for name in sorted(missing)))
    where = paths()
    ledger = editors.Ledger(where)
    wheel = wheels.own()
    for place in found:
        sandboxed = f" {_SANDBOXED}" if place.sandboxed else ""
        if isinstance(place, places.Krita):
            editors.add_to_krita(place, plugins.krita(wheel), ledger)
            print(f"{place.title}: {place.data / 'pykrita' / plugins.KRITA}")
            print(f"  {_NEXT[KRITA]}{sandboxed}")
        else:
            editors.add_to_gimp(place, plugins.gimp(wheel), ledger)
            print(f"{place.title}: {place.config / 'plug-ins' / plugins.GIMP}")
            print(f"  {_NEXT[GIMP]}{sandboxed}")
    if not environment.state(where).usable:
        # This very environment has all that the worker needs.
        ledger.make(where.config)
        environment.name_worker(where, sys.executable)
    if where.runtime.is_dir():
        flow.retire(where, lambda share, text: None, lambda: True)
    return 0


def _uninstall(options: argparse.Namespace) -> int:
    chosen = _chosen(options)
    where = paths()
    everything = not chosen or options.all
    own = [where.config, where.data, where.cache, where.runtime]
    if everything and not _agreed(options, where):
        raise Cancelled(_("Nothing was removed."))
    ledger, models = editors.Ledger(where), where.models
    for place in _found(options, chosen or {KRITA, GIMP}):
        if isinstance(place, places.Krita):
            there = editors.take_from_krita(place)
        else:
            there = editors.take_from_gimp(place)
        if there:
            print(_("{editor}: the plug-in is gone.", editor=place.title))
    if not everything:
        ledger.unmake()
        return 0
    if where.runtime.is_dir() and not flow.retire(where, lambda *ignored: None, lambda: True):
        raise CouldNotBeDone(_("A tool is running. Wait until it is done, and uninstall again."))
    made = ledger.folders()
    left = [folder for folder in own if not environment.delete(folder)]
    editors.remove_empty(made)
    if left:
        raise CouldNotBeDone(
            _("{left} could not be deleted whole. Delete it yourself.", left=left[0])
        )
    print(_("NSS is gone from this user's folders. What pip installed, pip uninstalls."))
    if models.is_dir():
        print(
            _(
                "The models in {models}, a folder that you chose, are left: delete it yourself.",
                models=models,
            )
        )
    return 0


def _agreed(options: argparse.Namespace, where: Paths) -> bool:
    """Whether the user wants models and settings deleted too."""
    if options.yes:
        return True
    if not sys.stdin.isatty():
        raise UsageError(_("Uninstalling everything deletes models and settings: add --yes."))
    models = environment.size(where.usual_models) if where.usual_models.is_dir() else 0
    question = (
        _(
            "Delete the plug-ins, the worker, all settings and {size} of downloaded models?",
            size=wire.megabytes(models),
        )
        if models
        else _("Delete the plug-ins, the worker, all settings?")
    )
    return input(f"{question} [y/N] ").strip().lower() in ("y", "yes")


def _setup(options: argparse.Namespace) -> int:
    where = paths()
    if options.status:
        return _status(options, where)
    wish = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *ignored: wish.set())
    if options.remove:
        print(flow.remove(where, _tell, wish.is_set))
        return 0
    if options.wheels is not None and not options.wheels.is_dir():
        raise BadInput(_("There is no folder {wheels}.", wheels=options.wheels))
    stamp = environment.state(where).stamp
    flavour = options.flavour or (stamp.flavour if stamp else locks.CPU)
    python = _python(options.python, where, flavour)
    print(
        _("With {python}, {program}.", python=python.title, program=python.program), file=sys.stderr
    )
    with _parts() as parts:
        said = flow.install(where, parts, python, flavour, options.wheels, _tell, wish.is_set)
    print(said)
    return 0


def _python(program: str | None, where: Paths, flavour: str) -> pythons.Python:
    found = pythons.answers([program]) if program else pythons.find(excluded=[where.data])
    fitting = [
        python
        for python in found
        if locks.download_bytes(flavour, python.platform, python.version) is not None
    ]
    chosen = pythons.best(fitting)
    if chosen is None:
        raise CouldNotBeDone(
            _(
                "There is no Python between 3.11 and 3.14 for that here. Install one, or name it "
                "with --python."
            )
        )
    return chosen


@contextmanager
def _parts() -> Iterator[flow.Parts]:
    wheel = wheels.own()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / wheel.name
        file.write_bytes(wheel.body)
        yield flow.Parts(file)


def _tell(share: float, text: str) -> None:
    width = shutil.get_terminal_size().columns - 1
    if sys.stderr.isatty():
        print(f"\r{f'{share:4.0%}  {text}'[:width]:{width}}", end="", file=sys.stderr, flush=True)


def _status(options: argparse.Namespace, where: Paths) -> int:
    state = environment.state(where)
    facts: dict[str, Any] = {
        "condition": state.condition.value,
        "folder": str(state.folder) if state.folder else None,
        "bytes": environment.size(state.folder) if state.folder else None,
        **({"environment": asdict(state.stamp)} if state.stamp else {}),
    }
    if options.json:
        print(json.dumps(facts, indent=2))
    elif state.stamp and state.folder:
        made = _(
            "version {version}, Python {python}, {flavour}",
            version=state.stamp.version,
            python=state.stamp.python,
            flavour=state.stamp.flavour,
        )
        size = wire.megabytes(facts["bytes"])
        print(
            _(
                "The worker's environment is {state}: {made}, {size}.",
                state=state.condition.value,
                made=made,
                size=size,
            )
        )
        print(state.folder)
    else:
        print(_("The worker's environment: {state}.", state=state.condition.value))
    return 0
