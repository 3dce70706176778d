"""Hours of mixed jobs from three clients at once, while faults, kills and full disks come and go.

Every result is held against undisturbed runs bit by bit, every source against its hash; at the end
nothing may be left over, and everything must work as at the beginning.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from shared_core.bridge import receipt as receipts
from shared_core.bridge import wire
from shared_core.bridge.client import Client
from shared_core.bridge.errors import Cancelled, NssError, RealPathImpossible
from shared_core.bridge.host import Order, apply_tool, run_here
from shared_core.bridge.paths import paths
from shared_core.bridge.settings import Limits
from shared_core.bridge.toolbox import Returns
from shared_core.cli.host import FileHost
from shared_core.imagefile import read

from . import sweep
from .kills import MODULES, RUNNER, SUPERVISOR
from .stage import CASES, Case, Outcome, Stage
from .surroundings import fill, small_disk

CLIENTS = 3
# What is done to the worker, and how often; a hang is waited for 8 s here.
EVENTS = {
    **dict.fromkeys(("error", "memory", "lost", "nan", "one-nan", "shape", "rank"), 4),
    "kill": 4,
    "exit": 4,
    "hang": 1,
    "freeze": 1,
    "supervisor": 2,
    "kill the runner": 6,
    "kill the supervisor": 5,
    "fill the disks": 3,
    "nothing": 6,
}
# These end a runner.
DEADLY = ("kill", "exit", "hang", "freeze", "supervisor")
PAUSE_SECONDS = (0.5, 4.0)
# A job that began with a fault may meet it so long after the fault was taken away.
LINGER_SECONDS = 5.0
FULL_SECONDS = 3.0
# For the pixel files, so that they can be filled.
DISK = "300m"
# Whoever waits so long for one small job waits for ever.
JOB_SECONDS = 240.0
OTHER_TILES = 8.0
END_SECONDS = 60.0
SUPERVISOR_MB, GROWTH_MB = 64, 200


@dataclass
class Tally:
    """The soak's figures."""

    minutes: float = 0.0
    jobs: int = 0
    by_tool: dict[str, int] = field(default_factory=dict)
    real: int = 0
    classical: int = 0
    in_other_tiles: int = 0
    cancelled: int = 0
    broken_off: int = 0
    clients_killed: int = 0
    refused: int = 0
    full: int = 0
    events: dict[str, int] = field(default_factory=dict)
    provoked: int = 0
    survived: int = 0
    wrong_labels: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    changed_sources: list[str] = field(default_factory=list)
    half_done: list[str] = field(default_factory=list)
    leaks: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    supervisor_mb: float = 0.0
    runner_mb: float = 0.0
    growth_mb: float = 0.0
    longest_seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        lists = (self.wrong_labels, self.missing, self.changed_sources, self.half_done)
        return [text for one in (*lists, self.leaks, self.hangs) for text in one]


@dataclass
class _Chaos:
    """When something was done that may keep a job from its result."""

    full: list[float] = field(default_factory=list)
    # Until when something could end a supervisor, and a runner; begun and not over: infinity.
    deaths: list[float] = field(default_factory=list)
    blows: list[float] = field(default_factory=list)

    def died(self, since: float) -> int:
        """How many supervisors may have died since then."""
        return sum(1 for until in self.deaths if until >= since)

    def ended_runners(self, since: float) -> int:
        """How many runners may have been ended since then."""
        return sum(1 for until in self.blows if until >= since)

    def over(self, linger: float) -> None:
        """What was begun can strike no more in ``linger`` seconds."""
        end = time.monotonic() + linger
        self.deaths = [min(until, end) for until in self.deaths]
        self.blows = [min(until, end) for until in self.blows]

    def was_full(self, since: float) -> bool:
        """Whether the disks were full at any time since then."""
        return any(at + FULL_SECONDS + 5 >= since for at in self.full)


class Soak:
    """One soak on a stage whose cases are ``known``."""

    def __init__(
        self, stage: Stage, known: dict[str, sweep.Known], seed: int, disks: list[Path]
    ) -> None:
        self.stage, self.known, self.seed = stage, known, seed
        self.tally = Tally()
        self._disks = disks
        self._chaos = _Chaos()
        self._cases = [case for case in CASES if case.tool in known]
        self._over = threading.Event()
        self._guard = threading.Lock()
        self._at_work: dict[int, tuple[str, float]] = {}
        self._full = stage.folder / "full"
        self._sources = {file: _digest(file) for file in stage.pictures.iterdir()}

    def run(self, minutes: float, say: Callable[[str], None]) -> Tally:
        """Soak for so long; what came of it."""
        begun = time.monotonic()
        clients = [threading.Thread(target=self._client, args=(n,)) for n in range(CLIENTS)]
        chaos = threading.Thread(target=self._disturb)
        process = psutil.Process()
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(OSError):
                stack.enter_context(small_disk(self._full))
                fill(self._full)
            for thread in (*clients, chaos):
                thread.start()
            before, told = 0.0, 0.0
            while (now := time.monotonic() - begun) < 60 * minutes and not self.tally.hangs:
                time.sleep(0.5)
                self._watch()
                if not before and now > 12 * minutes:
                    before = process.memory_info().rss / 1e6
                if now - told > 60:
                    told = now
                    say(f"{self.tally.jobs} jobs; {len(self.tally.faults)} wrong so far")
            self.tally.growth_mb = process.memory_info().rss / 1e6 - before
            self._over.set()
            for thread in (*clients, chaos):
                thread.join(JOB_SECONDS)
                if thread.is_alive():
                    self.tally.hangs.append("a client does not come to an end")
        self._end()
        self.tally.minutes += (time.monotonic() - begun) / 60
        return self.tally

    # The clients

    def _client(self, number: int) -> None:
        chance = random.Random(f"{self.seed} client {number}")
        client = self.stage.client()
        count = 0
        while not self._over.is_set():
            count += 1
            case = chance.choice(self._cases)
            if chance.random() < 0.2:
                client.close()
                client = self.stage.client()
            if chance.random() < 0.3:
                with contextlib.suppress(NssError):
                    client.ask(wire.TryAgain(), wire.Done)
            with self._guard:
                self._at_work[number] = (case.tool, time.monotonic())
            try:
                if chance.random() < 0.05:
                    self._killed(case, chance, f"{number}-{count}")
                else:
                    client = self._job(client, case, chance, f"{number}-{count}")
            except Exception as error:
                self._note("missing", f"{case.tool}: {type(error).__name__}: {error}")
            finally:
                with self._guard:
                    self._at_work.pop(number, None)
        client.close()

    def _job(self, client: Client, case: Case, chance: random.Random, name: str) -> Client:
        """One job, to its end or broken off; the client for the next."""
        path = chance.choice(("auto", "auto", "auto", wire.REAL, wire.CLASSICAL))
        onto_full = os.path.ismount(self._full) and chance.random() < 0.03
        text = case.returns is Returns.TEXT
        folder = self._full if onto_full and not text else self.stage.folder
        out = folder / f"out-{name}{'.txt' if text else '.png'}"
        pictures = self.stage.pictures
        host = FileHost(
            paths(),
            pictures / f"{case.picture}.png" if case.picture else None,
            out,
            pictures / f"{case.mask}.png" if case.mask else None,
        )
        order = Order(case.tool, case.parameters, path, limits=Limits(budget=3600.0))
        watcher = _Watcher(chance.uniform(0, 2) if chance.random() < 0.2 else None)
        stop, ended = None, threading.Event()
        if chance.random() < 0.05:
            stop = threading.Timer(chance.uniform(0, 1.5), _quit, (client, ended))
            stop.start()
        begun = time.monotonic()
        made: Any = None
        error: NssError | None = None
        try:
            [made] = run_here(apply_tool(host, order), client, watcher)
        except NssError as found:
            error = found
        finally:
            if stop is not None:
                stop.cancel()
        seconds = time.monotonic() - begun
        if made is not None:
            self._result(case, path, made, out)
        else:
            assert error is not None
            self._no_result(case, path, error, begun, folder, watcher.wished, ended.is_set())
            if out.exists():
                self._note("half_done", f"{case.tool}: {error}, and {out.name} is there")
        with self._guard:
            self.tally.jobs += 1
            self.tally.by_tool[case.tool] = self.tally.by_tool.get(case.tool, 0) + 1
            self.tally.longest_seconds = max(self.tally.longest_seconds, seconds)
        out.unlink(missing_ok=True)
        if stop is None:
            return client
        client.close()
        return self.stage.client()

    def _result(self, case: Case, path: str, made: Any, out: Path) -> None:
        """Hold a result against the undisturbed runs: it must have the pixels of its label's."""
        text = case.returns is Returns.TEXT
        got = Outcome(0, receipts.to_dict(made), made.found if text else read(out).pixels, "")
        known = self.known[case.tool]
        right = [known.real] if made.path == wire.REAL else [known.classical, known.bare]
        same = any(one is not None and got.same_result(one) for one in right)
        near = not same and any(
            one is not None and got.difference(one) <= OTHER_TILES for one in right
        )
        with self._guard:
            self.tally.real += made.path == wire.REAL
            self.tally.classical += made.path == wire.CLASSICAL
            self.tally.in_other_tiles += near
            self.tally.survived += bool(made.fault)
        name = f"{case.tool}, {path} asked for: {made.path}, {made.reason} / {made.fault}"
        if not same and not near:
            self._note("wrong_labels", f"{name}: other pixels")
        elif path in (wire.REAL, wire.CLASSICAL) and made.path != path:
            self._note("wrong_labels", name)
        elif near and made.path == wire.REAL and got.same_result(known.classical):
            self._note("wrong_labels", f"{name}: the classical path's pixels")

    def _no_result(
        self,
        case: Case,
        path: str,
        error: NssError,
        begun: float,
        folder: Path,
        wished: bool,
        ended: bool,
    ) -> None:
        """Whether there was a reason for having none."""
        words = str(error)
        full = folder == self._full or self._chaos.was_full(begun)
        if isinstance(error, Cancelled) and (wished or ended):
            self._count("broken_off" if ended else "cancelled")
        elif full and any(word in words for word in ("disk is full", "space", "No space")):
            self._count("full")
            self._over.wait(0.5)
        elif path == wire.REAL and isinstance(error, RealPathImpossible):
            self._count("refused")
        elif "tried twice" in words and self._chaos.ended_runners(begun) > 1:
            # As often as it is tried, it was ended.
            self._count("refused")
        elif self._chaos.died(begun) > 1 or (path == wire.REAL and self._chaos.died(begun)):
            # The client starts a lost worker once.
            self._count("refused")
        else:
            self._note("missing", f"{case.tool}, {path} asked for: {type(error).__name__}: {words}")

    def _killed(self, case: Case, chance: random.Random, name: str) -> None:
        """A client that is killed: what it left is complete or nothing."""
        out = self.stage.folder / f"out-{name}.png"
        if case.returns is Returns.TEXT:
            out = out.with_suffix(".txt")
        process = subprocess.Popen(
            [sys.executable, "-m", "shared_core.cli", *self.stage.arguments(case, "auto", out)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        time.sleep(chance.uniform(0.3, 3))
        process.kill()
        process.wait()
        if out.exists() and case.returns is not Returns.TEXT:
            try:
                read(out)
            except NssError as error:
                self._note("half_done", f"{case.tool}, client killed: {error}")
        for file in self.stage.folder.glob(f"*out-{name}*"):
            # A half-written file under another name is what a kill may leave.
            file.unlink(missing_ok=True)
        self._count("clients_killed")

    # What disturbs them

    def _disturb(self) -> None:
        chance = random.Random(f"{self.seed} chaos")
        while not self._over.wait(chance.uniform(*PAUSE_SECONDS)):
            [event] = chance.choices(list(EVENTS), list(EVENTS.values()))
            if event in ("kill the runner", "kill the supervisor"):
                self._strike(RUNNER if event == "kill the runner" else SUPERVISOR)
            elif event == "fill the disks":
                if not self._disks:
                    continue
                self._chaos.full.append(time.monotonic())
                with _filled(self._disks):
                    self._over.wait(FULL_SECONDS)
            elif event != "nothing":
                self._inject(event, chance)
            with self._guard:
                self.tally.events[event] = self.tally.events.get(event, 0) + 1
        self._inject("", chance)

    def _inject(self, do: str, chance: random.Random) -> None:
        """Have the next job that comes so far meet a fault; those of before are counted."""
        self.tally.provoked += self.stage.provoked()
        seam = self.stage.seam
        for name in ("spent", "witness.jsonl"):
            (seam / name).unlink(missing_ok=True)
        self._chaos.over(LINGER_SECONDS)
        if not do:
            (seam / "fault.json").unlink(missing_ok=True)
            return
        if do == "supervisor":
            self._chaos.deaths.append(math.inf)
        if do in DEADLY:
            self._chaos.blows.append(math.inf)
        fault = {
            "id": 1,
            "path": chance.choice((wire.REAL, wire.REAL, wire.CLASSICAL)),
            "where": chance.choice(("run", "run", "open", "look", "map")),
            "model": "",
            "number": chance.choice((1, 1, 2)),
            "do": do,
            "times": 1,
        }
        if fault["where"] not in ("run", "open") and do not in ("memory", "kill"):
            fault["where"] = "run"
        if fault["where"] == "open" and do in ("nan", "one-nan", "shape", "rank", "lost"):
            fault["where"] = "run"
        (seam / "fault.new").write_text(json.dumps(fault))
        os.replace(seam / "fault.new", seam / "fault.json")

    def _strike(self, victim: str) -> None:
        struck = [self._chaos.blows]
        if victim == SUPERVISOR:
            struck.append(self._chaos.deaths)
        for one in struck:
            one.append(math.inf)
        for process in self.stage.processes():
            with contextlib.suppress(psutil.Error):
                if MODULES[victim] in process.cmdline():
                    os.kill(process.pid, signal.SIGKILL)
        for one in struck:
            one[-1] = time.monotonic()

    def _watch(self) -> None:
        """Memory of the worker, and whoever waits too long."""
        for process in self.stage.processes():
            with contextlib.suppress(psutil.Error):
                memory, line = process.memory_info().rss / 1e6, process.cmdline()
                if MODULES[SUPERVISOR] in line:
                    self.tally.supervisor_mb = max(self.tally.supervisor_mb, memory)
                elif MODULES[RUNNER] in line:
                    self.tally.runner_mb = max(self.tally.runner_mb, memory)
        with self._guard:
            waiting = list(self._at_work.values())
        for tool, since in waiting:
            if time.monotonic() - since > JOB_SECONDS:
                self._note("hangs", f"{tool}: no end after {JOB_SECONDS:.0f} s")

    # The end

    def _end(self) -> None:
        """All is as it was: every case by both paths, sources, processes, files, memory."""
        self.stage.inject(None)
        # The worker may have been killed last of all; a command starts it.
        self.stage.command("doctor")
        self.stage.forget()
        for case in self._cases:
            for path in (wire.REAL, wire.CLASSICAL):
                made = self.stage.run(case, path)
                right = self.known[case.tool]
                wanted = right.real if path == wire.REAL else right.classical
                if not made.same_result(wanted):
                    self._note("missing", f"{case.tool} by {path} at the end: {made.said[-300:]}")
        for file, digest in self._sources.items():
            if _digest(file) != digest:
                self._note("changed_sources", file.name)
        if self.tally.supervisor_mb > SUPERVISOR_MB or self.tally.growth_mb > GROWTH_MB:
            self._note(
                "leaks",
                f"supervisor {self.tally.supervisor_mb:.0f} MB, the clients' process grew by "
                f"{self.tally.growth_mb:.0f} MB",
            )
        self.stage.command("worker", "stop")
        deadline = time.monotonic() + END_SECONDS
        while left := [*map(str, self.stage.processes()), *self.stage.leftovers()]:
            if time.monotonic() > deadline:
                self._note("leaks", f"left after {END_SECONDS:.0f} s: {left}")
                break
            time.sleep(0.2)
        strays = [f.name for f in self.stage.folder.iterdir() if "out-" in f.name]
        if strays:
            self._note("leaks", f"beside the results: {strays}")

    def _note(self, where: str, text: str) -> None:
        with self._guard:
            getattr(self.tally, where).append(text[:600])

    def _count(self, what: str) -> None:
        with self._guard:
            setattr(self.tally, what, getattr(self.tally, what) + 1)


class _Watcher:
    """A user who cancels after so many seconds, if at all."""

    def __init__(self, after: float | None) -> None:
        self._at = None if after is None else time.monotonic() + after
        self.wished = False

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """Looked at as an editor does."""
        if isinstance(event, wire.Progress):
            event.sentence()

    def cancelled(self) -> bool:
        """Whether the user has cancelled by now."""
        self.wished = self._at is not None and time.monotonic() > self._at
        return self.wished


def _quit(client: Client, ended: threading.Event) -> None:
    """What an editor does that is closed in the middle of a job."""
    ended.set()
    client.abort()


def _digest(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


@contextlib.contextmanager
def disks_of(stage: Stage) -> Iterator[list[Path]]:
    """File systems of their own for the pixel files, where they may be mounted."""
    places = [stage.home / "run", stage.home / "cache" / "pixels"]
    with contextlib.ExitStack() as stack:
        try:
            for place in places:
                stack.enter_context(small_disk(place, DISK))
        except OSError:
            yield []
            return
        yield places


@contextlib.contextmanager
def _filled(places: list[Path]) -> Iterator[None]:
    """Leave less room than NSS leaves free for others."""
    fillers = [place / "filler" for place in places]
    try:
        for filler in fillers:
            with filler.open("wb") as file:
                left = os.statvfs(filler.parent)
                os.posix_fallocate(file.fileno(), 0, left.f_bavail * left.f_frsize - (8 << 20))
        yield
    finally:
        for filler in fillers:
            filler.unlink(missing_ok=True)
