"""Models from strangers: mutated ONNX files on their way through the store, none of them believed.

``python tests/campaign/strangers.py --seed N --first A --count B --folder F`` is one process of
it; ``campaign`` divides the numbers among several.

Each mutant goes three ways. With a wrong hash it lies in a model's place: it must not count, not
even be opened, and the running worker must answer with a plan that does without it. With the right
hash, which the hub might have declared for it, it is inspected and then tried by a process that may
die. And it is brought as a model of the user's own, as ``nss models add`` does. Whatever is opened
meanwhile is witnessed by the kernel.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

if not __package__:
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from shared_core.bridge import wire
from shared_core.bridge.client import Silent
from shared_core.bridge.errors import CouldNotBeDone, NssError, RealPathImpossible
from shared_core.bridge.paths import paths
from shared_core.catalog import (
    cards,
    own,
)
from shared_core.catalog.card import HUB_DECLARED
from shared_core.catalog.cards import Card, CardFile
from shared_core.catalog.manifest import file_key
from shared_core.catalog.shelf import Shelf
from shared_core.catalog.store import Presence, Store
from shared_core.catalog.trust import (
    confined,
    inspection,
    trial,
)
from shared_core.worker import own_models
from shared_core.worker.journal import Journal
from shared_core.worker.own_models import OwnModels
from tests.campaign import forked, mutants
from tests.campaign.mutants import Mutant, mutant
from tests.campaign.opens import Baits, Opens, watching
from tests.campaign.stage import CASES, Stage, a_stage
from tests.catalog.small_cards import card, card_text
from tests.fakes.contract_models import NAFNET

confined_call = confined.call
ROOT = Path(__file__).resolve().parents[2]
COUNT = 10_000
# Of so many trials one is in the product's own process instead of a fork.
REAL_EVERY = 20
# Of so many mutants one is brought through the running worker.
WORKER_EVERY = 100
# Of so many that may be added one is replaced by another file in the last moment.
REPLACED_EVERY = 5
# Of so many mutants of the deblurring model one goes through a job of the worker.
JOB_EVERY = 10
JOB_BYTES = 1 << 20
_PADDING_HEAD = 7
SECONDS, SPARE_BYTES = 6.0, 1 << 30
# For trying the ways to feed a model of one's own, and the most that all of it may take.
TRYING_SECONDS, EXAMINING_SECONDS, EXAMINING_BYTES = 0.3, 10.0, 3 << 29
WRONG, GOOD = "wrong-hash", "good"
_DEBLUR = next(case for case in CASES if case.tool == "deblur")
# Programs and libraries, which one model needs and another does not.
_OF_THE_SYSTEM = ("/proc/", "/sys/", "/usr/", "/lib")


@dataclass
class Tally:
    """What came of the mutants."""

    mutants: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    refused: int = 0
    unrunnable: int = 0
    crashed: dict[str, int] = field(default_factory=dict)
    late: int = 0
    greedy: int = 0
    passed: dict[str, int] = field(default_factory=dict)
    examined: dict[str, int] = field(default_factory=dict)
    through_worker: int = 0
    real_processes: int = 0
    plans: int = 0
    longest_plan_seconds: float = 0.0
    jobs: int = 0
    real_jobs: int = 0
    late_jobs: int = 0
    watched: int = 0
    audited: int = 0
    counted: list[str] = field(default_factory=list)
    opened: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    worker_deaths: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        lists = (self.counted, self.opened, self.outside, self.mistakes, self.worker_deaths)
        return [text for one in lists for text in one]

    def join(self, other: Tally) -> None:
        """Add up with what another process found."""
        for name, mine in vars(self).items():
            theirs = getattr(other, name)
            if isinstance(mine, dict):
                setattr(self, name, dict(Counter(mine) + Counter(theirs)))
            elif name == "longest_plan_seconds":
                self.longest_plan_seconds = max(mine, theirs)
            else:
                setattr(self, name, mine + theirs)


class Ground:
    """A home with a running worker, and around it what no model may read."""

    def __init__(self, folder: Path, stage: Stage, tally: Tally, opens: Opens | None) -> None:
        self.tally = tally
        self.stage = stage
        self.store = Store(paths())
        self.outside = folder / "outside"
        self.opens = opens
        self._lay_baits()
        self.catalogue = _catalogue(folder / "seeds")
        self.known = cards.load()
        self.client = stage.client()
        self.worker = self.client.ask(wire.AskStatus(), wire.StatusReply).pid
        self.trials: list[int] = []
        self.inspected = 0
        journal = Journal(folder / "journal.json")
        self.own = OwnModels(paths(), journal, own.Known(paths()).cards)
        self.may_be_added = 0
        self.usual: set[str] = set()

    def _lay_baits(self) -> None:
        self.outside.mkdir()
        bait = self.outside / "bait.bin"
        bait.write_bytes(bytes(1 << 20))
        os.mkfifo(self.outside / "pipe")
        baits = [bait, self.outside / "pipe", Path("/etc/shadow")]
        with contextlib.suppress(OSError):
            os.mknod(self.outside / "zero", 0o666 | 0o020000, os.makedev(1, 5))
            baits.append(self.outside / "zero")
        self.baits = Baits([bait for bait in baits if os.access(bait, os.R_OK)])

    def places(self, model: Path) -> tuple[str, ...]:
        """Where the data of a tensor in ``model``'s folder may be said to be."""
        bait = self.outside / "bait.bin"
        up = os.path.relpath(bait, model)
        out = (
            str(bait),
            up,
            f"./{up}",
            "/etc/passwd",
            "/etc/shadow",
            "../../../../../../etc/passwd",
        )
        devices = (
            str(self.outside / "pipe"),
            str(self.outside / "zero"),
            "/dev/zero",
            "/dev/stdin",
        )
        odd = (
            "/proc/self/environ",
            "*/_ORT_MEM_ADDR_/*",
            "C:\\Windows\\win.ini",
            up.replace("/", "\\"),
        )
        names = ("link.bin", "linked/bait.bin", "pipe", "folder", "missing.bin", ".verified.json")
        good = (
            mutants.WEIGHTS,
            mutants.WEIGHTS,
            f"./{mutants.WEIGHTS}",
            f"folder/../{mutants.WEIGHTS}",
        )
        return (*out, *devices, *odd, *names, *good, "", "x" * 5000, "w.bin\0/etc/passwd", "con")

    def lay_out(self, model: Path, data: bytes) -> None:
        """A model's folder with ``data`` as its file, and all that it may try to reach."""
        model.mkdir(parents=True, exist_ok=True)
        if not (model / "pipe").exists():
            os.mkfifo(model / "pipe")
            (model / "folder").mkdir()
            (model / "link.bin").symlink_to(self.outside / "bait.bin")
            (model / "linked").symlink_to(self.outside)
            (model / mutants.WEIGHTS).write_bytes(weights())
        # Another file, not the old one with other bytes.
        fresh = model / "fresh"
        fresh.write_bytes(data)
        os.replace(fresh, model / "model.onnx")


def weights() -> bytes:
    """The data beside a model."""
    return np.linspace(-1, 1, mutants.WEIGHT_BYTES // 4, dtype="<f4").tobytes()


def _catalogue(folder: Path) -> dict[str, Card]:
    """A card for each seed, whose tensors are those of the good model."""
    made = {}
    for name, data in mutants.seeds().items():
        if name.startswith(NAFNET):
            made[name] = cards.load()[NAFNET]
            continue
        place = folder / name.replace("/", "-")
        place.mkdir(parents=True)
        (place / mutants.WEIGHTS).write_bytes(weights())
        (place / "model.onnx").write_bytes(data)
        seen = inspection.inspect(place / "model.onnx")
        text = ""
        for kind, values in (("input", seen.inputs), ("output", seen.outputs)):
            for value in values:
                sides = [side if isinstance(side, int) else 16 for side in value.shape or ()]
                text += f'[[{kind}]]\nname = "{value.name}"\ndtype = "{value.dtype}"\n'
                text += f"shape = {sides}\n"
        model = place.name.lower().replace("_", "-")
        made[name] = card(folder, model, card_text(model, {"model.onnx": data}, text))
    return made


def suffer(ground: Ground, one: Mutant, real: bool) -> None:
    """Send a mutant both ways, and note what came of it."""
    tally = ground.tally
    tally.mutants += 1
    tally.by_kind[one.kind] = tally.by_kind.get(one.kind, 0) + 1
    name = f"mutant {one.number} ({one.kind} of {one.seed}: {one.note})"
    ground.trials.clear()
    ground.inspected = 0
    try:
        _with_a_wrong_hash(ground, one, name)
        _with_the_right_hash(ground, one, name, real)
        _as_ones_own(ground, one, name, real)
    except NssError as error:
        # What the sentences are for is not expected here, so it is a mistake too.
        tally.mistakes.append(f"{name}: {type(error).__name__}: {error}")
    except Exception as error:
        tally.mistakes.append(f"{name}: {type(error).__name__}: {error}")
    _look_around(ground, one, name)


def _with_a_wrong_hash(ground: Ground, one: Mutant, name: str) -> None:
    tally = ground.tally
    for model in (ground.catalogue[one.seed], ground.known[WRONG]):
        # The size is right in the first, so that it is the hash that tells.
        size = len(one.data) if model is not ground.known[WRONG] else model.main_file.size
        file = CardFile("model.onnx", size or 1, "0" * 64)
        made = replace(model, files=(file,)) if model is not ground.known[WRONG] else model
        ground.lay_out(ground.store.folder(made), one.data)
        state = ground.store.check(made)
        if state.usable or state.presence is Presence.INSTALLED:
            tally.counted.append(f"{name}: {state.presence.value}")
        with contextlib.suppress(RealPathImpossible):
            ground.store.check_before_use(made)
            tally.counted.append(f"{name}: it may be used")
    if ground.inspected or ground.trials:
        tally.opened.append(name)
    begun = time.monotonic()
    plan = ground.client.ask(wire.AskPlan("deblur", 64, 64), wire.PlanReply).plan
    tally.longest_plan_seconds = max(tally.longest_plan_seconds, time.monotonic() - begun)
    tally.plans += 1
    if plan.path != wire.CLASSICAL:
        tally.counted.append(f"{name}: the worker plans with it")
    (ground.store.folder(ground.known[WRONG]) / "model.onnx").unlink()


def _with_the_right_hash(ground: Ground, one: Mutant, name: str, real: bool) -> None:
    tally = ground.tally
    beside = CardFile(mutants.WEIGHTS, mutants.WEIGHT_BYTES, hashlib.sha256(weights()).hexdigest())
    digest = hashlib.sha256(one.data).hexdigest()
    file = CardFile("model.onnx", len(one.data) or 1, digest)
    made = replace(ground.catalogue[one.seed], files=(file, beside))
    ground.lay_out(ground.store.folder(made), one.data)
    if not one.data:
        return
    confined.call = _noting(ground, confined_call if real else forked.call)
    try:
        ground.store.check_before_use(made)
    except (RealPathImpossible, CouldNotBeDone) as error:
        _sort(tally, ground, str(error), name)
        if ground.store.state(made).presence is Presence.INSTALLED:
            tally.counted.append(f"{name}: it counts after {error}")
    else:
        tally.passed[one.kind] = tally.passed.get(one.kind, 0) + 1
        if not ground.trials:
            tally.mistakes.append(f"{name}: it passed without a trial")
    if real and ground.trials:
        tally.real_processes += 1


def _as_ones_own(ground: Ground, one: Mutant, name: str, real: bool) -> None:
    """What ``nss models add`` does with it, and with what is added."""
    tally = ground.tally
    # As deep as a model's folder, so that the same ways lead out of it.
    folder = ground.store.root.parent / "brought" / "model"
    ground.lay_out(folder, one.data)
    tool = "deblur" if one.seed.startswith(NAFNET) else "denoise"
    message = wire.Examine(tool, str(folder / "model.onnx"))
    confined.call = _noting(ground, confined_call if real else forked.call)
    through = one.number % WORKER_EVERY == 0
    tally.through_worker += through
    try:
        if through:
            examined = ground.client.ask(message, wire.Examined, _Patience())
        else:
            examined = ground.own.examine(message, lambda event: None, lambda: False)
    except NssError as error:
        _note(tally, _way(str(error)))
        if "broke off" in str(error):
            sys.stderr.write(f"{name}, brought: {error}\n")
        if "mistake of its own" in str(error):
            tally.mistakes.append(f"{name}, brought: {error}")
        return
    request = wire.AddModel(examined.card, examined.file)
    passed = examined.works
    ground.may_be_added += passed
    replaced = passed and ground.may_be_added % REPLACED_EVERY == 0
    if replaced:
        ground.lay_out(folder, one.data[:-1] + bytes([one.data[-1] ^ 1]))
    try:
        if through:
            added = ground.client.ask(request, wire.Added)
        else:
            added = ground.own.add(request, lambda event: None, lambda: False)
    except NssError as error:
        _note(tally, "replaced, and not added" if replaced else "not added, since it fails")
        if passed and not replaced:
            tally.mistakes.append(f"{name}, added: {error}")
        return
    _note(tally, "added")
    model = own.load(ground.store.root)[added.model]
    digest = hashlib.sha256(ground.store.path(model).read_bytes()).hexdigest()
    held = [ground.store.declared(model, file) for file in model.files]
    if not passed or replaced or digest != hashlib.sha256(one.data).hexdigest():
        tally.counted.append(f"{name}: it was added")
    if digest != held[0] or ground.store.state(model).presence is not Presence.INSTALLED:
        tally.counted.append(f"{name}: added, and {ground.store.state(model).reason}")
    ground.store.remove(model)


class _Patience(Silent):
    """A user who cancels what takes too long; the worker has more time than the campaign."""

    def __init__(self) -> None:
        self._end = time.monotonic() + 3 * EXAMINING_SECONDS

    def cancelled(self) -> bool:
        return time.monotonic() > self._end


def _note(tally: Tally, way: str) -> None:
    tally.examined[way] = tally.examined.get(way, 0) + 1


def _way(text: str) -> str:
    """Which way it was that a file was not taken as a model of one's own."""
    if "broke off" in text or "ancelled" in text:
        return "its examination was ended"
    if " is not used: " in text:
        return "refused by inspection"
    if "cannot be loaded" in text:
        return "not loaded by onnxruntime"
    return "does not fit, with the reason"


def _noting(ground: Ground, call: Callable[..., Any]) -> Callable[..., Any]:
    def noted(*given: Any, **named: Any) -> Any:
        if call is forked.call:
            named["on_pid"] = ground.trials.append
        return call(*given, **named)

    return noted


def _sort(tally: Tally, ground: Ground, text: str, name: str) -> None:
    """Which of the ways to be refused it was."""
    if "its trial broke off" in text:
        sys.stderr.write(f"{name}: {text}\n")
    if not ground.trials:
        tally.refused += 1
    elif "it was ended by " in text or "it ended with code" in text:
        how = text.partition("(it ")[2].partition(")")[0]
        tally.crashed[how] = tally.crashed.get(how, 0) + 1
    elif "no progress for" in text:
        tally.late += 1
    elif "of memory" in text:
        tally.greedy += 1
    else:
        tally.unrunnable += 1
        if "mistake of its own" in text:
            tally.mistakes.append(f"{name}: {text}")


def _look_around(ground: Ground, one: Mutant, name: str) -> None:
    """Whether anybody opened what no model may read, and whether the worker is still there."""
    tally = ground.tally
    if found := ground.baits.opened():
        tally.outside.append(f"{name}: {', '.join(found)}")
    tally.watched += 1
    if ground.opens is not None:
        ground.opens.settle(ground.outside.parent / "settle")
        places = [str(ground.store.folder(ground.catalogue[one.seed])), sys.prefix, sys.base_prefix]
        allowed = (*(f"{place}/" for place in (*places, str(ROOT))), *_OF_THE_SYSTEM)
        for pid in ground.trials:
            opened = ground.opens.take(pid)
            tally.audited += 1
            # A file that was removed since has that word behind its name.
            names = {file.removesuffix(" (deleted)") for file in opened}
            strange = [file for file in names if not file.startswith(allowed)]
            if one.kind == GOOD:
                ground.usual.update(strange)
            elif strange := sorted(set(strange) - ground.usual):
                tally.outside.append(f"{name}: {', '.join(strange)}")
        ground.opens.forget()


@contextlib.contextmanager
def a_ground(folder: Path, tally: Tally) -> Iterator[Ground]:
    """A ground below ``folder``; its worker runs, and is ended at the end."""
    folder.mkdir(parents=True, exist_ok=True)
    native = trial.inspect, confined._Confined.__init__  # type: ignore[attr-defined]
    limits = {
        (trial, "SECONDS_PER_SESSION"): SECONDS,
        (trial, "_SPARE_BYTES"): SPARE_BYTES,
        (own_models, "TRYING_SECONDS"): TRYING_SECONDS,
        (own_models, "_MOST_SECONDS"): EXAMINING_SECONDS,
        (own_models, "_LEAST_BYTES"): EXAMINING_BYTES,
        (own_models, "_SHARE_OF_AVAILABLE"): 0.0,
    }
    kept = {(module, name): getattr(module, name) for module, name in limits}
    with watching(Path("/"), folder) as opens, a_stage(folder / "stage", models=[NAFNET]) as stage:
        _write_cards(folder / "stage" / "cards")
        code, said = stage.command("plan", "deblur", str(stage.pictures / "small.png"))
        assert code == 0, said
        ground = Ground(folder, stage, tally, opens)

        def inspected(*given: Any) -> Any:
            ground.inspected += 1
            return native[0](*given)

        def started(self: Any, *given: Any) -> None:
            native[1](self, *given)
            ground.trials.append(self.pid)

        trial.inspect = inspected  # type: ignore[attr-defined]
        confined._Confined.__init__ = started  # type: ignore[method-assign]
        for (module, name), value in limits.items():
            setattr(module, name, value)
        try:
            _try_good_ones(ground)
            yield ground
            _end(ground)
        finally:
            trial.inspect, confined.call = native[0], confined_call  # type: ignore[attr-defined]
            confined._Confined.__init__ = native[1]  # type: ignore[method-assign]
            for (module, name), value in kept.items():
                setattr(module, name, value)
            ground.client.close()
            ground.baits.close()


def _try_good_ones(ground: Ground) -> None:
    """They pass; and what is opened then has nothing to do with what a model says."""
    suffer(ground, Mutant(-1, GOOD, "beside", mutants.seeds()["beside"]), real=True)
    for name in sorted(mutants.seeds().keys() - {"beside"}):
        one = Mutant(-1, GOOD, name, mutants.seeds()[name])
        ground.trials.clear()
        ground.inspected = 0
        _with_a_wrong_hash(ground, one, name)
        _with_the_right_hash(ground, one, name, real=False)
        _look_around(ground, one, name)
    assert ground.tally.passed == {GOOD: len(mutants.seeds())}, ground.tally
    assert not ground.tally.faults, ground.tally
    vars(ground.tally).update(vars(Tally()))


def _end(ground: Ground) -> None:
    """The worker that was there at the beginning is still there, and has made no mistake."""
    tally = ground.tally
    status = ground.client.ask(wire.AskStatus(), wire.StatusReply)
    if status.pid != ground.worker:
        tally.worker_deaths.append(f"the worker is another one: {status.pid}, not {ground.worker}")
    if "Traceback" in ground.stage.log():
        tally.mistakes.append(f"the worker's log: {ground.stage.log()[-2000:]}")


def _write_cards(folder: Path) -> None:
    """The deblurring model with the hub's word for its hash, and once more with a wrong one."""
    [path] = folder.rglob(f"{NAFNET}.toml")
    text = path.read_text("utf-8")
    [file] = cards.read_card(path).files
    wrong = text.replace(f'id = "{NAFNET}"', f'id = "{WRONG}"').replace(file.path, "model.onnx")
    path.with_name(f"{WRONG}.toml").write_text(wrong.replace(file.sha256, "0" * 64), "utf-8")
    text = text.replace(f'sha256 = "{file.sha256}"', f'sha256 = "{HUB_DECLARED}"')
    path.write_text(text.replace(f"size = {file.size}", f"size = {JOB_BYTES}"), "utf-8")


def work(ground: Ground, one: Mutant) -> None:
    """Have the worker deblur with a mutant whose hash the hub is said to have declared."""
    tally = ground.tally
    name = f"mutant {one.number} ({one.kind}: {one.note}) in a job"
    model = ground.known[NAFNET]
    room = JOB_BYTES - len(one.data) - _PADDING_HEAD
    if room < 0:
        return
    # An unknown field makes up for the length.
    data = one.data + b"\xfa\x3e" + _long_varint(room) + bytes(room)
    file = ground.store.path(model)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    declared = {file_key(model, model.main_file): hashlib.sha256(data).hexdigest()}
    Shelf(ground.store.root, model).keep({}, declared)
    ground.stage.forget()
    ground.stage.inject(None)
    before = ground.client.ask(wire.AskStatus(), wire.StatusReply)
    came = ground.stage.run(_DEBLUR, "auto")
    after = ground.client.ask(wire.AskStatus(), wire.StatusReply)
    ran = any(seen["event"] == "output" for attempt in ground.stage.witness() for seen in attempt)
    tally.jobs += 1
    if came.code or came.result is None:
        tally.mistakes.append(f"{name}: code {came.code}, {came.said[-300:]}")
        return
    real = came.receipt["path"] == wire.REAL
    tally.real_jobs += real
    if ran and ground.store.state(model).presence is not Presence.INSTALLED:
        tally.opened.append(f"{name}: the runner ran it")
    if real != ran:
        tally.counted.append(f"{name}: labelled {came.receipt['path']}, and the model ran: {ran}")
    if before.runner_pid not in (None, after.runner_pid):
        # The supervisor ends a runner that stands still, and says so; one that dies is a fault.
        if "no progress" in str(came.receipt["fault"]):
            tally.late_jobs += 1
        else:
            fault = came.receipt["fault"]
            tally.worker_deaths.append(f"{name}: the runner is another one ({fault})")
    file.unlink()


def _long_varint(number: int) -> bytes:
    """``number`` in five bytes, whatever its size."""
    data = bytes(number >> (7 * place) & 0x7F | 0x80 for place in range(4))
    return data + bytes([number >> 28])


def suffer_all(ground: Ground, seed: int, numbers: range) -> None:
    """Send the mutants of these numbers through it."""
    workable = told = 0
    places = ground.places(ground.store.folder(ground.catalogue["beside"]))
    for number in numbers:
        one = mutant(seed, number, places)
        suffer(ground, one, real=number % REAL_EVERY == 0)
        if one.seed.startswith(NAFNET):
            if workable % JOB_EVERY == 0:
                work(ground, one)
            workable += 1
        faults = ground.tally.faults
        sys.stderr.writelines(f"WRONG: {fault}\n" for fault in faults[told:])
        told = len(faults)
        if number % 200 == 0:
            sys.stderr.write(f"mutant {number}; {told} wrong so far\n")


def campaign(folder: Path, seed: int, count: int, processes: int | None = None) -> Tally:
    """Send ``count`` mutants through, divided among processes (default: one for each core)."""
    processes = processes or os.cpu_count() or 1
    each = -(-count // processes)
    running = []
    for first in range(0, count, each):
        command = [sys.executable, __file__, "--seed", str(seed), "--first", str(first)]
        command += ["--count", str(min(each, count - first)), "--folder", str(folder / str(first))]
        running.append(subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT))
    tally = Tally()
    for process in running:
        out, _ = process.communicate()
        try:
            tally.join(Tally(**json.loads(out)))
        except ValueError:
            tally.mistakes.append(f"a process of the campaign ended with {process.returncode}")
    return tally


def main() -> int:
    """One process's share, from the command line; its tally as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--count", type=int, default=COUNT)
    parser.add_argument("--folder", type=Path, required=True)
    given = parser.parse_args()
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    tally = Tally()
    with a_ground(given.folder, tally) as ground:
        suffer_all(ground, given.seed, range(given.first, given.first + given.count))
    sys.stdout.write(json.dumps(asdict(tally)))
    return 0


if __name__ == "__main__":
    sys.exit(main())
