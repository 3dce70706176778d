"""The worker's processes killed at moments of chance during runs from the command line.

After each kill there is to be a result whose label is true, and after a while no process of the
killed worker and no pixel file.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import subprocess
import sys
import time
from dataclasses import dataclass, field
from typing import Any

import psutil

from shared_core.bridge import wire

from .stage import Case, Outcome, Stage, outcome
from .sweep import Known

RUNNER, SUPERVISOR = "runner", "supervisor"
MODULES = {RUNNER: "shared_core.worker.runner", SUPERVISOR: "shared_core.worker.server"}
ORPHAN_SECONDS = 60.0
RUN_SECONDS = 180.0


@dataclass
class Deaths:
    """The figures of the kills of one kind of process."""

    victim: str
    runs: int = 0
    struck: int = 0
    real: int = 0
    classical: int = 0
    told: int = 0
    wrong: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0
    longest_cleaning_seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        return [*self.wrong, *self.missing, *self.orphans]


@dataclass
class EditorDeaths(Deaths):
    """The same of runs in an editor, with ``wanted`` kills."""

    editor: str = ""
    wanted: int = 0
    changed: list[str] = field(default_factory=list)
    ended: list[str] = field(default_factory=list)

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        return [*super().faults, *self.changed, *self.ended]


def kill(
    stage: Stage, case: Case, known: Known, chance: random.Random, usual: float, deaths: Deaths
) -> None:
    """One run, in the middle of which the victim is killed; ``usual`` is what a run takes."""
    stage.inject(None)
    stage.forget()
    out = stage.out(case)
    moment = chance.uniform(0, usual)
    begun = time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "shared_core.cli", *stage.arguments(case, "auto", out)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    time.sleep(moment)
    struck = _strike(stage, deaths.victim)
    during = process.poll() is None
    try:
        said, _ = process.communicate(timeout=RUN_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        said = f"did not end within {RUN_SECONDS:.0f} s"
    seconds = time.monotonic() - begun
    name = f"{case.tool}, {deaths.victim} killed after {moment:.2f} s"
    made = outcome(case, process.returncode, out, said)
    deaths.runs += 1
    deaths.struck += bool(struck) and during
    deaths.longest_seconds = max(deaths.longest_seconds, seconds)
    _judge(stage, case, made, known, name, deaths)
    waited = time.monotonic()
    while time.monotonic() - waited < ORPHAN_SECONDS:
        left = [pid for pid in struck if _lives(pid)] + _strays(stage) + stage.leftovers()
        if not left:
            break
        time.sleep(0.1)
    else:
        deaths.orphans.append(f"{name}: {left}")
    deaths.longest_cleaning_seconds = max(
        deaths.longest_cleaning_seconds, time.monotonic() - waited
    )


def usual_seconds(stage: Stage, case: Case) -> float:
    """What an undisturbed run of the case takes on the command line."""
    out = stage.out(case)
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-m", "shared_core.cli", *stage.arguments(case, "auto", out)],
        check=True,
        capture_output=True,
    )
    return time.monotonic() - begun


def _judge(
    stage: Stage, case: Case, made: Outcome, known: Known, name: str, deaths: Deaths
) -> None:
    if made.code or made.result is None:
        deaths.missing.append(f"{name}: code {made.code}, {made.said.strip()[-400:]}")
        return
    attempts = stage.witness()
    outputs = [seen["model"] for seen in attempts[-1] if seen["event"] == "output"]
    path, fault = made.receipt["path"], made.receipt["fault"]
    if path == wire.REAL:
        deaths.real += 1
        true = outputs.count(case.model) >= made.receipt["actual"]["tiles"] >= 1
        true = true and made.same_result(known.real)
    else:
        deaths.classical += 1
        deaths.told += bool(fault)
        # Nothing but the kill can have kept the real path from it.
        true = case.model not in outputs and bool(fault) and told(fault)
        right = [known.classical] + ([known.bare] if known.bare else [])
        true = true and any(made.same_result(one) for one in right)
    if not true:
        why = f"{path}, {made.receipt['reason']} / {fault}, the witness saw {outputs}"
        deaths.wrong.append(f"{name}: {why}")


def told(fault: str) -> bool:
    """Whether a receipt's fault is the death of one of the worker's processes."""
    return any(word in fault for word in ("died", "SIGKILL", "worker ended"))


def _strike(stage: Stage, victim: str) -> list[int]:
    """Kill the stage's victims that live now; their process ids."""
    struck = []
    for process in stage.processes():
        with contextlib.suppress(psutil.Error):
            if MODULES[victim] in process.cmdline():
                os.kill(process.pid, signal.SIGKILL)
                struck.append(process.pid)
    return struck


def _lives(pid: int) -> bool:
    with contextlib.suppress(psutil.Error):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


def _strays(stage: Stage) -> list[str]:
    """More than one supervisor with one runner, or a runner whose supervisor is gone."""
    found: dict[str, list[Any]] = {name: [] for name in MODULES}
    for process in stage.processes():
        with contextlib.suppress(psutil.Error):
            line = process.cmdline()
            for name, module in MODULES.items():
                if module in line:
                    found[name].append((process.pid, process.ppid()))
    parents = {pid for pid, _ in found[SUPERVISOR]}
    strays = [f"runner {pid}" for pid, parent in found[RUNNER] if parent not in parents]
    for name, here in found.items():
        strays += [f"{name} {pid}" for pid, _ in here[1:]]
    return strays
