"""Every fault at every stage of every tool: is there a result, and does its label tell the truth?

The label is held against two things that the product has no part in: the witness below onnxruntime,
which counts the outputs of each model's sessions in each attempt, and the results of undisturbed
runs, with which the pixels must agree bit by bit.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from shared_core.bridge import wire
from shared_core.catalog import cards as catalogue

from .stage import CASES, Case, Outcome, Stage

# What the receipt must say after each kind of fault; any of the words.
WORDS = {
    "error": ("injected fault",),
    "lost": ("device removed",),
    "memory": ("memory",),
    "nan": ("not numbers", "no numbers"),
    "one-nan": ("not numbers", "no numbers"),
    "infinite": ("not numbers", "no numbers"),
    "shape": ("shape", "do not fit", "wants an input", "dimension"),
    "rank": ("shape", "dimension", "index", "axis"),
    "hang": ("no progress",),
    "freeze": ("no sign of life",),
    "kill": ("SIGKILL",),
    "exit": ("code 3",),
    "supervisor": ("worker died", "worker ended"),
    "gone": ("not downloaded", "cannot be loaded"),
    "truncated": ("bytes, expected",),
    "changed": ("SHA-256", "expected"),
}
_OTHER_TILES = 8.0


@dataclass(frozen=True)
class Fault:
    """One thing that goes wrong: ``do`` at the ``number``-th passing of ``where`` in a job.

    ``path`` is the path of the job, ``model`` the only model that is meant, ``times`` how often it
    happens in all. ``asked`` is the path that the user asked for.
    """

    id: int
    case: Case
    where: str
    number: int
    do: str
    path: str = wire.REAL
    asked: str = "auto"
    model: str = ""
    times: int = 1
    stage: str = ""

    @property
    def name(self) -> str:
        """The fault in a few words."""
        model = f" of {self.model}" if self.model else ""
        again = "" if self.times == 1 else f" {self.times} times"
        asked = "" if self.asked == "auto" else f", {self.asked} asked for"
        return f"{self.case.tool}: {self.do}{again} at {self.where} {self.number}{model}{asked}"


@dataclass
class Known:
    """What undisturbed runs of a case gave, and how often each place was passed in them."""

    real: Outcome
    classical: Outcome
    bare: Outcome | None
    counts: dict[str, dict[str, int]]


@dataclass
class Tally:
    """The campaign's figures."""

    runs: int = 0
    provoked: int = 0
    results: int = 0
    refused: int = 0
    wrong_labels: list[str] = field(default_factory=list)
    wrong_reasons: list[str] = field(default_factory=list)
    wrong_pixels: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    changed_sources: list[str] = field(default_factory=list)
    slow: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0
    by_kind: dict[str, int] = field(default_factory=dict)
    by_tool: dict[str, int] = field(default_factory=dict)

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        lists = (
            self.wrong_labels,
            self.wrong_reasons,
            self.wrong_pixels,
            self.missing,
            self.changed_sources,
            self.slow,
        )
        return [text for one in lists for text in one]


def prepare(stage: Stage, cases: tuple[Case, ...] = CASES) -> dict[str, Known]:
    """Download the models of ``cases``, measure the machine, and run each case undisturbed."""
    stage.inject(None)
    _ok(stage.command("doctor", "--json"))
    known: dict[str, Known] = {}
    bare = {c.tool: stage.run(c, wire.CLASSICAL) for c in cases if c.helper}
    for model in dict.fromkeys([c.model for c in cases] + [c.helper for c in cases if c.helper]):
        _ok(stage.command("models", "get", model))
    for case in cases:
        found, counts = {}, {}
        for path in (wire.REAL, wire.CLASSICAL):
            stage.inject(None)
            found[path] = stage.run(case, path)
            made = found[path]
            assert made.code == 0, f"{case.tool} by {path}: {made.said}\n{stage.log()[-3000:]}"
            assert made.receipt["path"] == path, made.receipt
            counts[path] = _counts(stage)
        known[case.tool] = Known(
            found[wire.REAL], found[wire.CLASSICAL], bare.get(case.tool), counts
        )
    return known


def _counts(stage: Stage) -> dict[str, int]:
    """How often each place was passed in the last job, told a moment after its result."""
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        last = stage.witness()[-1][-1]
        if last["event"] == "end":
            return dict(last["counts"])
        time.sleep(0.01)
    raise AssertionError("the witness saw no end of the job")


def every_fault(known: Mapping[str, Known], cases: tuple[Case, ...] = CASES) -> list[Fault]:
    """All faults of the campaign, in an order that hardly repeats itself from tool to tool."""
    made: list[Fault] = []
    for case in cases:
        for fields in _faults_of(case, known[case.tool]):
            made.append(Fault(len(made) + 1, case, **fields))
    return made


def _faults_of(case: Case, known: Known) -> Iterator[dict[str, Any]]:
    real, classical = known.counts[wire.REAL], known.counts[wire.CLASSICAL]
    runs, looks = real.get("run", 0), real.get("look", 0)
    for do in ("error", "memory", "kill", "exit", "hang", "gone", "truncated", "changed"):
        # A warm session is not opened again; every one of these faults begins in a new runner.
        yield {"where": "open", "number": 1, "do": do, "model": case.model}
    kinds = ("error", "memory", "lost", "nan", "one-nan", "infinite", "shape", "rank")
    for number, stage in _stages(runs):
        for do in (*kinds, "kill", "exit", "hang", "supervisor"):
            yield {"where": "run", "number": number, "do": do, "stage": stage}
    yield {"where": "run", "number": 1, "do": "memory", "times": 2}
    yield {"where": "run", "number": 1, "do": "freeze"}
    for number, stage in _stages(looks):
        yield {"where": "look", "number": number, "do": "memory", "stage": stage}
    for number in range(1, min(2, real["map"]) + 1):
        for do in ("memory", "kill"):
            yield {"where": "map", "number": number, "do": do}
    yield {"where": "map", "number": 1, "do": "supervisor"}
    for do in ("gone", "truncated", "changed"):
        yield {"where": "begin", "number": 1, "do": do}
    for do in ("error", "kill", "nan"):
        yield {"where": "run", "number": runs, "do": do, "asked": wire.REAL}
    # The classical path has faults of its own, and small models that help it.
    for number, stage in _stages(classical.get("look", 0)):
        for do in ("memory", "kill", "supervisor"):
            fields = {"where": "look", "number": number, "do": do, "stage": stage}
            yield {**fields, "path": wire.CLASSICAL, "asked": wire.CLASSICAL}
    if case.helper:
        fields = {"path": wire.CLASSICAL, "asked": wire.CLASSICAL, "model": case.helper}
        yield {**fields, "where": "open", "number": 1, "do": "error"}
        for do in ("error", "memory", "nan", "shape", "kill", "hang"):
            yield {**fields, "where": "run", "number": 1, "do": do}


def _stages(count: int) -> list[tuple[int, str]]:
    """The first, a middle and the last of ``count`` passings, those that are not the same."""
    names = {1: "first", (count + 1) // 2: "middle", count: "last"}
    return [(number, name) for number, name in sorted(names.items()) if 1 <= number <= count]


def sample(faults: list[Fault], share: float, seed: int) -> list[Fault]:
    """A share of the faults, at least one, in their order."""
    count = max(1, round(share * len(faults)))
    chosen = random.Random(seed).sample(range(len(faults)), count)
    return [faults[index] for index in sorted(chosen)]


def suffer(stage: Stage, fault: Fault, known: Known, tally: Tally) -> None:
    """Provoke ``fault`` and look closely at what comes of it."""
    case = fault.case
    files = stage.model_files(case.model)
    kept = [(file, file.read_bytes(), file.stat()) for file in files]
    described = {k: v for k, v in asdict(fault).items() if k not in ("case", "asked", "stage")}
    source = stage.pictures / f"{case.picture}.png"
    before = source.read_bytes() if case.picture else b""
    if fault.where == "open":
        _end_runner(stage)
    stage.inject({**described, "file": str(files[0])})
    begun = time.monotonic()
    try:
        made = stage.run(case, fault.asked)
    finally:
        seconds = time.monotonic() - begun
        provoked, attempts = stage.provoked(), stage.witness()
        stage.inject(None)
        _restore(stage, case.model, kept)
    tally.runs += 1
    tally.provoked += provoked
    tally.longest_seconds = max(tally.longest_seconds, seconds)
    tally.by_kind[fault.do] = tally.by_kind.get(fault.do, 0) + 1
    tally.by_tool[case.tool] = tally.by_tool.get(case.tool, 0) + 1
    if case.picture and source.read_bytes() != before:
        tally.changed_sources.append(fault.name)
    judge(fault, made, attempts, provoked, known, tally)
    if stage.leftovers():
        tally.missing.append(f"{fault.name}: pixel files stay: {stage.leftovers()}")
    # The supervisor's deadline, once for each attempt, and what the runs themselves take.
    if seconds > 60:
        tally.slow.append(f"{fault.name}: {seconds:.0f} s")
    stage.forget()


def judge(
    fault: Fault,
    made: Outcome,
    attempts: list[list[dict[str, Any]]],
    provoked: int,
    known: Known,
    tally: Tally,
) -> None:
    """Hold what came of ``fault`` against the witness and the undisturbed runs."""
    name = fault.name
    if not provoked:
        tally.missing.append(f"{name}: was not provoked")
        return
    if fault.asked == wire.REAL:
        if made.code == 4 and made.result is None and _told(fault, made.said):
            tally.refused += 1
        else:
            tally.wrong_labels.append(f"{name}: code {made.code}, {made.said.strip()[-300:]}")
        return
    if made.code or made.result is None:
        tally.missing.append(f"{name}: code {made.code}, {made.said.strip()[-400:]}")
        return
    tally.results += 1
    receipt = made.receipt
    text = f"{receipt['reason']} / {receipt['fault']}"
    if not receipt["fault"] or not _told(fault, text):
        tally.wrong_reasons.append(f"{name}: {text}")
    outputs = _outputs(attempts[-1])
    smaller = _smaller_tiles_help(fault)
    wanted = wire.REAL if smaller else wire.CLASSICAL
    if receipt["path"] != wanted:
        tally.wrong_labels.append(f"{name}: {receipt['path']}, not {wanted}: {text}")
        return
    if wanted == wire.REAL:
        if not outputs.get(receipt["model"]["id"]) or attempts[-1][0]["path"] != wire.REAL:
            tally.wrong_labels.append(f"{name}: labelled real, the witness saw {outputs}")
        if outputs.get(receipt["model"]["id"], 0) < receipt["actual"]["tiles"]:
            tally.wrong_labels.append(f"{name}: {receipt['actual']['tiles']} tiles, {outputs}")
        if made.difference(known.real) > _OTHER_TILES:
            tally.wrong_pixels.append(f"{name}: not the real path's pixels")
        return
    if outputs.get(fault.case.model) or receipt["model"] is not None:
        tally.wrong_labels.append(f"{name}: labelled classical, the witness saw {outputs}")
    right = known.bare if known.bare and not attempts[-1][0]["helpers"] else known.classical
    # Other tiles, and what is estimated in them, round otherwise.
    allowed = _OTHER_TILES if attempts[-1][0]["tile_divisor"] > 1 else 0.0
    if made.difference(right) > allowed:
        tally.wrong_pixels.append(
            f"{name}: {made.difference(right):.1f} levels from the classical path's pixels"
        )


def _smaller_tiles_help(fault: Fault) -> bool:
    """Whether the real path is to come through with smaller tiles."""
    card = catalogue.load()[fault.case.model]
    can = card.tile is not None and not card.tile.fixed
    inside = fault.where == "run" or (fault.where == "look" and fault.stage != "")
    return can and inside and fault.do == "memory" and fault.times == 1 and fault.path == wire.REAL


def _told(fault: Fault, text: str) -> bool:
    return any(word in text for word in WORDS[fault.do])


def _outputs(attempt: list[dict[str, Any]]) -> dict[str, int]:
    """How many outputs each model's sessions gave in an attempt."""
    counts: dict[str, int] = {}
    for seen in attempt:
        if seen["event"] == "output":
            counts[seen["model"]] = counts.get(seen["model"], 0) + 1
    return counts


def _restore(stage: Stage, model: str, kept: list[tuple[Path, bytes, os.stat_result]]) -> None:
    """Put back what was changed of a model's files."""
    for file, data, info in kept:
        if not file.exists() or file.read_bytes() != data:
            file.write_bytes(data)
            os.utime(file, ns=(info.st_atime_ns, info.st_mtime_ns))
            _ok(stage.command("models", "verify", model))


def _end_runner(stage: Stage) -> None:
    """Have the next job begin in a new runner, with no session open."""
    client = stage.client()
    with contextlib.suppress(ProcessLookupError):
        status = client.ask(wire.AskStatus(), wire.StatusReply)
        if status.runner_pid:
            os.kill(status.runner_pid, signal.SIGKILL)
    client.close()


def _ok(done: tuple[int, str]) -> None:
    code, said = done
    assert code == 0, said
