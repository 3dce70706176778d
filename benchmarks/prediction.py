"""How well the plans foresee seconds and memory, on random-weight twins of the catalogue's models.

``python benchmarks/prediction.py`` measures; ``--most-seconds S`` ends each run after so many
seconds (the other tiles count as much as those that ran), ``--only NAME`` takes one twin, and
``--json FILE`` keeps every figure. Runs and probes take turns, so that what others do on this
machine meanwhile falls on both. That helps while others take little; where they take most of the
machine, ``--processor-time`` counts the seconds of processor that runs and probes take, divided by
the threads, in place of those on the wall.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import cost_twins
import cv2  # noqa: F401 - the runner has it loaded too, and it counts into the memory
import machine
import numpy as np
import onnxruntime
import psutil
from report import Aim, Section, Table, aims_table

from shared_core.bridge import toolbox
from shared_core.bridge.paths import paths
from shared_core.catalog.cards import Card, load
from shared_core.catalog.store import Store
from shared_core.device import benchmark
from shared_core.device.profile import CPU_PROVIDER, Cpu, Memory, Profile, Provider
from shared_core.engine.grid import plan_tiles
from shared_core.engine.memory import peak_rss_bytes, reset_peak_rss, usable_threads
from shared_core.engine.session import open_session
from shared_core.worker import planner as planners
from shared_core.worker.journal import Journal, whole
from shared_core.worker.needs import needs_of

SIDES = {0.25: 500, 1.0: 1000, 4.0: 2000}
SMALL_ONLY = ("Real-ESRGAN x4plus",)
ROUNDS = 5
KNOWN = 3
# The aims of the project.
TYPICAL, WORST, TILE, LEARNED, MEMORY = 0.45, 1.0, 0.25, 0.20, 0.10


@dataclass(frozen=True)
class Case:
    """A twin at a size: ``tiles`` runs on inputs of ``width`` by ``height``."""

    name: str
    megapixels: float | None
    width: int
    height: int
    tiles: int

    @property
    def title(self) -> str:
        """Name and size."""
        size = "one run" if self.megapixels is None else f"{self.megapixels:g} MP"
        return f"{self.name}, {size}"


@dataclass(frozen=True)
class Measured:
    """What a process of its own found: seconds of each tile by run, the probe after each run.

    ``busy`` is the share of the processors that others took during each run; memory in bytes.
    """

    load_seconds: float
    base_bytes: int
    session_bytes: int
    peak_bytes: int
    runs: Sequence[Sequence[float]]
    rates: Sequence[Mapping[str, float]]
    busy: Sequence[float]


def cases(card: Card, name: str, sizes: Sequence[float]) -> list[Case]:
    """A fixed network once, a tiled one at all sizes."""
    rule = card.tile
    if rule is None:
        side = cost_twins.TWINS[name].side
        return [Case(name, None, side, side, 1)]
    found = []
    for megapixels in sizes:
        if name not in SMALL_ONLY or megapixels < 1:
            side = SIDES[megapixels]
            grid = plan_tiles(side, side, rule.size, rule.overlap, rule.multiple, rule.fixed)
            found.append(Case(name, megapixels, grid.width, grid.height, grid.count))
    return found


# ---------------------------------------------------------------- in a process of its own


def run_in_turns(
    path: str, case: Case, rounds: int, most_seconds: float, processor_time: bool
) -> Measured:
    """Runs and probes in turns; the first run is the very first of a fresh session."""
    base = psutil.Process().memory_info().rss
    reset_peak_rss()
    began = time.process_time()
    session = open_session(path, CPU_PROVIDER)
    # Opening is the work of one thread.
    opened = time.process_time() - began if processor_time else session.load_seconds
    clock = _clock(processor_time)
    loaded = psutil.Process().memory_info().rss
    rng = np.random.default_rng(0)
    feeds = {}
    for tensor in session.inputs:
        if tensor.name == "words":
            shape: tuple[int, ...] = (1, 77, 1024)
        else:
            shape = (1, int(tensor.shape[1] or 3), case.height, case.width)
        feeds[tensor.name] = rng.random(shape, np.float32)
    runs, rates, busy = [], [], []
    for _ in range(rounds):
        others = Others()
        tiles: list[float] = []
        while len(tiles) < case.tiles and sum(tiles) < most_seconds:
            began = clock()
            session.run(feeds)
            tiles.append(clock() - began)
        busy.append(others.share())
        runs.append(tiles)
        # In a process of its own: memory that it leaves behind is not the model's.
        rates.append(_speeds("--probe", processor_time))
    return Measured(opened, base, loaded, peak_rss_bytes(), runs, rates, busy)


def _clock(processor_time: bool) -> benchmark.Clock:
    threads = usable_threads()
    return (lambda: time.process_time() / threads) if processor_time else time.perf_counter


class Others:
    """How much of the processors others took since it was made."""

    def __init__(self) -> None:
        self._began = self._now()

    def share(self) -> float:
        """0 to 1."""
        wall, busy, own = (b - a for a, b in zip(self._began, self._now(), strict=True))
        return max(0.0, (busy - own) / (wall * (os.cpu_count() or 1)))

    def _now(self) -> tuple[float, float, float]:
        times = psutil.cpu_times()
        idle = {"idle", "iowait", "guest", "guest_nice"}
        busy = sum(value for key, value in times._asdict().items() if key not in idle)
        return time.perf_counter(), float(busy), time.process_time()


def apart(path: Path, case: Case, given: argparse.Namespace) -> Measured:
    """``run_in_turns`` in a process of its own, whose memory nobody else has used."""
    order = json.dumps(
        [str(path), vars(case), given.rounds, given.most_seconds, given.processor_time]
    )
    done = subprocess.run(
        [sys.executable, __file__, "--measure", order], check=True, stdout=subprocess.PIPE
    )
    return Measured(**json.loads(done.stdout))


# ---------------------------------------------------------------- the product's predictions


def profile_of(rates: Mapping[str, float]) -> Profile:
    """A machine of these speeds."""
    return Profile(
        cpu=Cpu("", 1, 1, (), rates),
        memory=Memory(1, 1),
        adapters=(),
        providers=(Provider(CPU_PROVIDER, "CPU", True, gflops=rates),),
        onnxruntime="",
        key="",
        measured="",
        seconds=0,
    )


def twin_card(card: Card, made: cost_twins.Written, name: str) -> Card:
    """The model's card with the costs and the size of its twin."""
    tiled = cost_twins.TWINS[name].tiled
    one = replace(card.files[0], size=made.size)
    changed = replace(
        card,
        files=(one,),
        gflop_per_megapixel=made.gflop_per_megapixel if tiled else None,
        gflop_per_run=None if tiled else made.gflop,
        cpu_seconds_per_megapixel=None,
        cpu_seconds_per_run=None,
        weights="float16" if cost_twins.TWINS[name].half else "float32",
    )
    # Cards of several sessions, or of another width, know other amounts of memory.
    if len(card.sessions()) > 1:
        changed = replace(changed, session_bytes=None, peak_bytes=None)
    if "width 32" in name:
        changed = replace(changed, session_bytes=None, mix="block_narrow")
    return changed


def judged(card: Card, case: Case, found: Measured) -> dict[str, Any]:
    """Predicted and measured seconds and bytes of one case."""
    side = SIDES[case.megapixels] if case.megapixels else case.width
    with tempfile.TemporaryDirectory() as folder:
        where = paths({"NSS_HOME": folder})
        journal = Journal(where.journal)
        planner = planners.Planner(where, journal, Store(where))

        def predicted(profile: Profile | None) -> float:
            planner.profile = profile
            seconds = planner.seconds(card, CPU_PROVIDER, side, side, {})
            assert seconds is not None
            return seconds

        totals = [found.load_seconds + case.tiles * statistics.mean(tiles) for tiles in found.runs]
        before = [predicted(profile_of(rates)) for rates in found.rates]
        shape = f"{case.width}x{case.height}" if card.tile else whole(card, 1)
        for tiles in found.runs[:KNOWN]:
            journal.note_speed(f"{card.id}/{CPU_PROVIDER}/{shape}", statistics.mean(tiles))
            journal.note_speed(f"{card.id}/{CPU_PROVIDER}/load", found.load_seconds)
        learned = predicted(profile_of(found.rates[-1]))
        peak = needs_of(card, side, side, toolbox.tool(card.tool).parse({})).together
    later = found.runs[KNOWN:]
    quiet = [_slowness(rates) for rates in found.rates]
    drift = statistics.median(quiet[KNOWN:] or quiet) / statistics.median(quiet[:KNOWN])
    lefts = [first * (len(rest)) / sum(rest) - 1 for first, *rest in found.runs if rest]
    return {
        "case": case.title,
        "tiles": case.tiles,
        "run": min(map(len, found.runs)),
        "measured": statistics.median(totals),
        "predicted": statistics.median(before),
        "error": statistics.median(p / t - 1 for p, t in zip(before, totals, strict=True)),
        "left": statistics.median(lefts) if lefts else None,
        "learned": learned / statistics.median(totals[KNOWN:]) - 1 if later else None,
        "learned_without_drift": (
            learned * drift / statistics.median(totals[KNOWN:]) - 1 if later else None
        ),
        "peak": found.peak_bytes,
        "peak_predicted": peak,
        "base": found.base_bytes,
        "session": found.session_bytes,
        "load": found.load_seconds,
        "busy": statistics.median(found.busy),
    }


def _slowness(rates: Mapping[str, float]) -> float:
    return statistics.geometric_mean([1 / rate for rate in rates.values()])


# ---------------------------------------------------------------- the processor's speed


def speed_section(rounds: int, processor_time: bool) -> Section:
    """``nss doctor --json`` beside onnxruntime on the same graphs without any of our code.

    With ``processor_time`` it is the probe that ``nss doctor`` runs, by that clock.
    """
    told: dict[str, list[float]] = {}
    separate: dict[str, list[float]] = {}
    for _ in range(rounds):
        doctor = _speeds("--probe", processor_time) if processor_time else _doctor()
        for found, values in ((told, doctor), (separate, _speeds("--plain", processor_time))):
            for kind, rate in values.items():
                found.setdefault(kind, []).append(rate)
    # On the wall others only take speed away; processor time errs either way.
    pick = statistics.median if processor_time else max
    errors = {kind: pick(rates) / pick(separate[kind]) - 1 for kind, rates in told.items()}
    rows = [
        (kind, f"{pick(told[kind]):.1f}", f"{pick(separate[kind]):.1f}", f"{error:+.0%}")
        for kind, error in errors.items()
    ]
    title = "GFLOP/s that `nss doctor --json` tells of the processor"
    table = Table(title, ("", "told", "measured apart", "error"), rows)
    worst = max(map(abs, errors.values()))
    aim = Aim("speeds of the processor", "within 25 %", f"{worst:.0%} at most", worst <= 0.25)
    text = (
        f"The median of {rounds} rounds of the probe by processor time"
        if processor_time
        else f"The best of {rounds} rounds of `nss doctor --json` in a new home"
    ) + " and then, in a process of its own, of onnxruntime alone on the same graphs."
    return Section("Speed of the processor", text, [table], [aim])


def _doctor() -> dict[str, float]:
    with tempfile.TemporaryDirectory(prefix="nss-speed-") as folder:
        environment = {**os.environ, "NSS_HOME": folder}
        nss = [sys.executable, "-m", "shared_core.cli"]
        told = subprocess.run(
            [*nss, "doctor", "--json"], env=environment, check=True, stdout=subprocess.PIPE
        )
        stop = [*nss, "worker", "stop"]
        subprocess.run(stop, env=environment, check=False, capture_output=True)
    rates: dict[str, float] = json.loads(told.stdout)["cpu"]["gflops"]
    return rates


def _speeds(what: str, processor_time: bool) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, __file__, what, json.dumps(processor_time)],
        check=True,
        stdout=subprocess.PIPE,
    )
    rates: dict[str, float] = json.loads(done.stdout)
    return rates


def probe_speeds(processor_time: bool) -> dict[str, float]:
    """GFLOP/s per kind as the probe measures them."""
    return benchmark.measure(
        CPU_PROVIDER,
        open_session,
        benchmark.graphs(),
        reference={},
        tolerance=benchmark.CPU_TOLERANCE,
        clock=_clock(processor_time),
    ).gflops


def _fastest(
    session: onnxruntime.InferenceSession, feeds: Mapping[str, Any], clock: benchmark.Clock
) -> float:
    taken: list[float] = []
    while len(taken) < 4 or sum(taken) < 0.05:
        began = clock()
        session.run(None, feeds)
        taken.append(clock() - began)
    return min(taken)


def plain_speeds(processor_time: bool) -> dict[str, float]:
    """GFLOP/s per kind by onnxruntime's own session, on the largest graph that is quick."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = usable_threads()
    # Threads that spin lose most of their time where others want the processor.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    speeds: dict[str, float] = {}
    clock, last = _clock(processor_time), []
    for kind, sizes in benchmark.graphs().items():
        seconds, work = 0.0, 1.0
        for graph in sizes:
            # About the sizes that the probe takes, so that the operations are the same.
            if 4 * seconds * graph.gflop / work > benchmark.KIND_SECONDS:
                break
            session = onnxruntime.InferenceSession(
                str(graph.path), options, providers=[CPU_PROVIDER]
            )
            feeds = {"x": benchmark.probe_input(graph.shape)}
            seconds, work = _fastest(session, feeds, clock), graph.gflop
        speeds[kind] = work / seconds
        last.append((kind, session, feeds, work))
    for kind, session, feeds, work in last:
        speeds[kind] = max(speeds[kind], work / _fastest(session, feeds, clock))
    return speeds


# ---------------------------------------------------------------- all of it


def section(judgements: Sequence[Mapping[str, Any]]) -> Section:
    """The tables and the aims."""

    def share(value: float | None) -> str:
        return "" if value is None else f"{value:+.0%}"

    rows = [
        (
            one["case"],
            f"{one['run']} of {one['tiles']}",
            f"{one['measured']:.2f}",
            f"{one['predicted']:.2f}",
            share(one["error"]),
            share(one["left"]),
            share(one["learned"]),
            share(one["learned_without_drift"]),
            f"{one['busy']:.0%}",
        )
        for one in judgements
    ]
    columns = (
        "",
        "tiles run",
        "measured s",
        "predicted s",
        "error",
        "after a tile",
        "after 3 runs",
        "the same, drift taken out",
        "others",
    )
    memory = [
        (
            one["case"],
            f"{one['peak'] / 1e6:.0f}",
            f"{one['peak_predicted'] / 1e6:.0f}",
            share(one["peak_predicted"] / one["peak"] - 1),
            f"{one['base'] / 1e6:.0f}",
            f"{one['session'] / 1e6:.0f}",
            f"{one['load']:.2f}",
        )
        for one in judgements
    ]
    tables = [
        Table("Seconds, before any history and after some", columns, rows),
        Table(
            "Memory of the process in MB",
            ("", "peak", "predicted", "error", "before", "session open", "opened in s"),
            memory,
        ),
    ]
    errors = [one["error"] for one in judgements]
    near = sum(abs(error) <= TYPICAL for error in errors)
    worst = max(max(error, 1 / (1 + error) - 1) for error in errors)
    lefts = [abs(one["left"]) for one in judgements if one["left"] is not None]
    learned = [abs(one["learned"]) for one in judgements if one["learned"] is not None]
    under = min(one["peak_predicted"] / one["peak"] - 1 for one in judgements)
    aims = [
        Aim(
            "seconds before any history",
            f"nine of ten within {TYPICAL:.0%}",
            f"{near} of {len(errors)}",
            near >= 0.9 * len(errors),
        ),
        Aim(
            "the worst of them",
            "at most 2 times off",
            f"{worst + 1:.2f} times",
            worst <= WORST,
        ),
    ]
    if lefts:
        got = f"{max(lefts):.0%} at most"
        aims.append(Aim("after the first tile", f"within {TILE:.0%}", got, max(lefts) <= TILE))
    if learned:
        got = f"{max(learned):.0%} at most"
        met = max(learned) <= LEARNED
        aims.append(Aim("after three runs", f"within {LEARNED:.0%}", got, met))
    aims.append(
        Aim("peak memory", f"at most {MEMORY:.0%} under", f"{under:+.0%}", under >= -MEMORY)
    )
    text = (
        f"Medians of {ROUNDS} rounds; in each a run and then the probe, whose speeds the plan of "
        "that run is made from, as before the first run of a model. `others` is the share of the "
        "processors that other programs took meanwhile. Time left is foretold from the first tile "
        "of each run for its others; after three runs, for the fourth and fifth from their median. "
        "Sizes with equal tiles share a measurement, and tiles that did not run count as those did."
    )
    if any(one["processor_time"] for one in judgements):
        text += (
            " Seconds are those of the processor, divided by the threads: what the runs, and the "
            "probe's graphs, take where nobody else wants the processor."
        )
    return Section("Predictions", text, tables, aims)


def measure(full: bool) -> list[Section]:
    """The processor's speed, and all predictions; with ``full`` every run to its end."""
    most = [] if full else ["--most-seconds", "8"]
    return [*_sections(["--speed"]), *_sections(most)]


def _sections(arguments: Sequence[str] | None = None) -> list[Section]:
    """What ``arguments`` (default: the command line's) ask for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", action="append", choices=cost_twins.TWINS, metavar="NAME")
    parser.add_argument("--size", action="append", type=float, choices=SIDES, metavar="MP")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--most-seconds", type=float, default=600.0)
    parser.add_argument("--processor-time", action="store_true", help="not the wall's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--again", action="store_true", help="judge what the file has, only")
    parser.add_argument("--speed", action="store_true", help="the processor's speed alone")
    given = parser.parse_args(arguments)
    if given.speed:
        return [speed_section(given.rounds, given.processor_time)]
    kept: dict[str, Any] = {}
    if given.json and given.json.exists():
        kept = json.loads(given.json.read_text("utf-8"))
    if not given.again:
        known = load()
        for name in given.only or cost_twins.TWINS:
            found = _measured(name, known[cost_twins.TWINS[name].card], given)
            kept = {title: one for title, one in kept.items() if one["case"]["name"] != name}
            kept |= found
            if given.json:
                given.json.write_text(json.dumps(kept), "utf-8")
    return [section([_judged(one) for one in kept.values()])]


def _measured(name: str, card: Card, given: argparse.Namespace) -> dict[str, Any]:
    """What was found of one twin by title; sizes with equal tiles share their measurement."""
    twin, found, by_shape = cost_twins.TWINS[name], {}, {}
    with tempfile.TemporaryDirectory(prefix="nss-twin-") as folder:
        for case in sorted(
            cases(card, name, given.size or tuple(SIDES)), key=lambda one: -one.tiles
        ):
            shape = (case.width, case.height)
            if shape not in by_shape:
                made = cost_twins.write(name, Path(folder), case.width if twin.tiled else twin.side)
                by_shape[shape] = (vars(made) | {"path": ""}, vars(apart(made.path, case, given)))
            made_facts, figures = by_shape[shape]
            runs = [tiles[: case.tiles] for tiles in figures["runs"]]
            one = {
                "case": vars(case),
                "made": made_facts,
                "found": {**figures, "runs": runs},
                "load": machine.load(),
                "processor_time": given.processor_time,
            }
            found[case.title] = one
            print(_short(one), file=sys.stderr, flush=True)
    return dict(reversed(found.items()))


def _judged(one: Mapping[str, Any]) -> dict[str, Any]:
    case, made = Case(**one["case"]), cost_twins.Written(**one["made"])
    card = twin_card(load()[cost_twins.TWINS[case.name].card], made, case.name)
    seen = judged(card, case, Measured(**one["found"]))
    return seen | {"processor_time": one["processor_time"]}


def _short(one: Mapping[str, Any]) -> str:
    seen = _judged(one)
    return (
        f"{seen['case']}: {seen['measured']:.2f} s, predicted {seen['predicted']:.2f} "
        f"({seen['error']:+.0%}); {one['load']}"
    )


if __name__ == "__main__":
    if sys.argv[1:2] == ["--measure"]:
        path, case, *how = json.loads(sys.argv[2])
        print(json.dumps(vars(run_in_turns(path, Case(**case), *how))))
    elif sys.argv[1:2] == ["--plain"]:
        print(json.dumps(plain_speeds(json.loads(sys.argv[2]))))
    elif sys.argv[1:2] == ["--probe"]:
        print(json.dumps(probe_speeds(json.loads(sys.argv[2]))))
    else:
        for each in _sections():
            print(each.markdown(), aims_table(each.aims), sep="\n\n")
        print(f"\nMeasured on {machine.described()}. After: {machine.load()}.")
