"""How much the whole way costs beyond the network: ``nss run`` and a warm job beside onnxruntime.

The network is a random-weight twin of NAFNet of width 32, run on the very tiles of the tool.
"""

from __future__ import annotations

import json
import statistics
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import onnxruntime as ort
import psutil
from numpy.typing import NDArray
from pictures import SIZES, layer
from report import Aim, Section, Table
from workshop import NAFNET, Job, Variant, Workshop, job, opened

from shared_core.bridge import toolbox
from shared_core.catalog import cards
from shared_core.engine import session as engine
from shared_core.engine.memory import usable_threads
from shared_core.engine.tiling import run_tiles
from shared_core.pixels import Box, Picture, Raster
from shared_core.tools import deblur
from shared_core.tools.work import Model, Sessions, Work

Floats = NDArray[np.float32]
AIM_PERCENT = 3.0
AIM_MILLISECONDS = 30.0
AIM_MEGAPIXELS = 12
QUICK_RUNS = 30
WHOLE = "the job less the network"


@dataclass
class Times:
    """Seconds of one size, in the order in which they were measured."""

    tiles: int
    bare: list[float] = field(default_factory=list)
    bare_cpu: list[float] = field(default_factory=list)
    warm: list[Taken] = field(default_factory=list)
    warm_cpu: list[Taken] = field(default_factory=list)
    command: list[Taken] = field(default_factory=list)
    cold: list[Taken] = field(default_factory=list)
    outside: list[float] = field(default_factory=list)
    loading: list[float] = field(default_factory=list)
    around: list[float] = field(default_factory=list)
    peak_bytes: int = 0

    def taken(self, seconds: float) -> Taken:
        """``seconds`` taken between the last bare run and the next."""
        return Taken(seconds, len(self.bare) - 1)


class Taken(NamedTuple):
    """Seconds, and after which bare run they were measured."""

    seconds: float
    after: int


def median(taken: list[Taken]) -> str:
    """The median seconds."""
    return f"{statistics.median(one.seconds for one in taken):.2f}"


def overhead(taken: list[Taken], bare: list[float]) -> float:
    """Per cent above the bare runs before and after each, the median."""
    return 100 * statistics.median(
        seconds / statistics.mean(bare[after : after + 2]) - 1 for seconds, after in taken
    )


def measure(full: bool) -> list[Section]:
    """The whole section; ``full`` takes 12 megapixels, the size of the aim, instead of 4."""
    plan = {1: 3, 12: 2} if full else {1: 3, 4: 2}
    times: dict[int, Times] = {}
    with opened({NAFNET: Variant.COST}) as shop:
        shop.probe()
        model = shop.get(NAFNET)
        for megapixels, repeats in plan.items():
            times[megapixels] = _times(shop, model, layer(megapixels), repeats)
        shop.stop()
        largest = max(plan)
        parts, beside, network = _breakdown(model, layer(largest))
    quick, quick_aim = _quick()
    rows, cpu_rows = [], []
    for megapixels, t in times.items():
        pixels = SIZES[megapixels][0] * SIZES[megapixels][1] / 1e6
        bare = statistics.median(t.bare)
        rows.append(
            (
                f"{pixels:.1f} MP, {t.tiles} tiles",
                f"{bare:.2f}",
                f"{bare / pixels:.2f}",
                median(t.warm),
                f"{overhead(t.warm, t.bare):+.1f} %",
                median(t.command),
                f"{overhead(t.command, t.bare):+.1f} %",
                median(t.cold),
                f"{overhead(t.cold, t.bare):+.1f} %",
            )
        )
        cpu_rows.append(
            (
                f"{pixels:.1f} MP",
                f"{statistics.median(t.bare_cpu):.2f}",
                median(t.warm_cpu),
                f"{overhead(t.warm_cpu, t.bare_cpu):+.1f} %",
                f"{1000 * statistics.median(t.loading):.0f} ms",
                f"{1000 * statistics.median(t.outside):.0f} ms",
                f"{1000 * statistics.median(t.around):.0f} ms",
                f"{t.peak_bytes / 1e6:.0f} MB",
                " ".join(f"{seconds:.1f}" for seconds in t.bare),
                " ".join(f"{seconds:.1f}" for seconds, _ in t.warm),
            )
        )
    tables = [
        Table(
            "Seconds, medians; overheads against the bare runs just before and after, medians",
            (
                "layer",
                "bare onnxruntime",
                "per MP",
                "warm job",
                "overhead",
                "nss run, warm",
                "overhead",
                "nss run, cold",
                "overhead",
            ),
            rows,
            "Bare: `InferenceSession.run` alone on tiles that are already cut, same session "
            "settings. Warm job: pixel files already made, model loaded. `nss run` also starts "
            "Python, reads and writes PNG files; cold starts worker and runner and loads the "
            "model as well.",
        ),
        Table(
            "The same runs seen otherwise",
            (
                "layer",
                "bare, CPU s",
                "runner, CPU s",
                "overhead",
                "opening, warm",
                "outside the runner",
                "nss run outside it",
                "peak",
                "bare, each",
                "warm, each",
            ),
            cpu_rows,
            "Outside the runner: from the request to the reply, less what the receipt calls the "
            "total; for `nss run` from the start of its process to its end. "
            "CPU seconds of all threads suffer less from other programs, but count what runs on "
            "one thread less than the clock does.",
        ),
        Table(
            f"What the runner does beside the network, {largest} MP, one run within one process",
            ("step", "seconds", "per MP", "share of the network's time"),
            parts,
        ),
        quick,
    ]
    last = times[largest]
    got = overhead(last.warm, last.bare)
    beside += statistics.median(last.loading) + statistics.median(last.outside)
    share = 100 * beside / network
    spread = 100 * (max(last.bare) / min(last.bare) - 1)
    costly = max(parts[1:-1], key=lambda row: float(row[1]))
    elsewhere = "" if largest == AIM_MEGAPIXELS else f" (the aim is for {AIM_MEGAPIXELS}: --full)"
    aims = [
        Aim(
            f"overhead of a warm job at {largest} MP{elsewhere}",
            f"under {AIM_PERCENT:.0f} %",
            f"{share:.1f} % by its parts; {got:+.1f} % between runs, "
            f"where bare runs differed by {spread:.0f} %",
            (got if spread < 2 * AIM_PERCENT else share) < AIM_PERCENT,
            f"By its parts most of it is {costly[0]}, {costly[3]}. What the runs show beyond the "
            "parts is the network itself, which was slower in the jobs than in the bare runs.",
        ),
        quick_aim,
    ]
    section = Section(
        "Overhead of the whole way",
        "Deblur by the real path, on a random-weight twin of NAFNet of width 32 (the cost, not "
        "the quality, of a real model), downloaded from a local hub, verified and tried first. "
        "The overhead is taken in two ways: between runs, and by its parts (opening, every step "
        "beside the network, everything outside the runner). Where other programs make the bare "
        f"runs differ by more than {2 * AIM_PERCENT:.0f} % among themselves, the runs cannot tell "
        "and the aim is judged by the parts.",
        tables,
        aims,
    )
    return [section]


def _quick() -> tuple[Table, Aim]:
    """What a warm job of one megapixel takes beside the network, with one that costs little.

    A run of the twin's takes many seconds, whose own differences hide what is looked for here.
    """
    rgba = layer(1)
    taken: dict[str, list[float]] = {}
    with opened() as shop:
        shop.probe()
        model = shop.get(NAFNET)
        options = engine._options(model, usable_threads())
        native = ort.InferenceSession(str(model), options, providers=[engine.CPU])
        name = native.get_inputs()[0].name
        feeds = [np.ascontiguousarray(tile.transpose(2, 0, 1)[None]) for tile in _tiles(rgba)]
        with job(shop, "deblur", "real", rgba) as ready:
            runner, supervisor = _processes(shop, ready)
            for _ in range(QUICK_RUNS):
                began, cpu = time.perf_counter(), time.process_time()
                for feed in feeds:
                    native.run(None, {name: feed})
                bare, bare_cpu = time.perf_counter() - began, time.process_time() - cpu
                cpus = [sum(one.cpu_times()[:2]) for one in (runner, supervisor)]
                seconds, receipt = ready.run()
                actual = receipt["actual"]
                spent = [
                    sum(one.cpu_times()[:2]) - before
                    for one, before in zip((runner, supervisor), cpus, strict=True)
                ]
                for step, value in (
                    (WHOLE, seconds - bare),
                    ("a whole warm job", seconds),
                    ("the network alone, in turns with it", bare),
                    ("opening files and model, checks", actual["load_seconds"]),
                    ("plan, journal and receipt", _between(actual)),
                    ("outside the worker", seconds - actual["total_seconds"]),
                    ("the runner's processor time, less the network's", spent[0] - bare_cpu),
                    ("the supervisor's processor time", spent[1]),
                ):
                    taken.setdefault(step, []).append(1000 * value)
        shop.stop()
    rows = [
        # The system counts a process's time in steps, which only many runs together even out.
        (step, f"{statistics.mean(each):.1f}", "")
        if "processor" in step
        else (step, f"{statistics.median(each):.1f}", f"{min(each):.1f}")
        for step, each in taken.items()
    ]
    beside = statistics.median(taken[WHOLE])
    outside = [_median_of(taken, step) for step in list(taken)[3:6]]
    table = Table(
        f"A warm job of 1 MP with a model that costs nearly nothing, ms of {QUICK_RUNS} runs",
        ("", "median", "least"),
        rows,
        "Processor times are means, and have no least.",
    )
    return table, Aim(
        "overhead of a warm job at 1 MP",
        f"under {AIM_MILLISECONDS:.0f} ms",
        f"{beside:.0f} ms, at best {min(taken[WHOLE]):.0f}",
        beside < AIM_MILLISECONDS,
        f"{sum(outside):.0f} ms of it are opening, plan, journal, receipt and the line to the "
        "worker, the rest are the steps that grow with the picture: colours, layout, tiles and "
        "samples. Other programs count into the clock.",
    )


def _median_of(taken: Mapping[str, list[float]], step: str) -> float:
    """The median of one step."""
    return statistics.median(taken[step])


def _between(actual: Mapping[str, Any]) -> float:
    """Seconds of a job that are not the runner's."""
    whole: float = actual["total_seconds"] - actual["load_seconds"] - actual["run_seconds"]
    return whole


def _processes(shop: Workshop, ready: Job) -> tuple[psutil.Process, psutil.Process]:
    """Runner and supervisor, both warm."""
    for _ in range(3):
        ready.run()
    status = shop.status()
    return psutil.Process(status.runner_pid), psutil.Process(status.pid)


def _times(shop: Workshop, model: Path, rgba: Any, repeats: int) -> Times:
    options = engine._options(model, usable_threads())
    native = ort.InferenceSession(str(model), options, providers=[engine.CPU], enable_fallback=0)
    name = native.get_inputs()[0].name
    feeds = [np.ascontiguousarray(tile.transpose(2, 0, 1)[None]) for tile in _tiles(rgba)]
    times = Times(len(feeds))

    def bare() -> None:
        began, cpu = time.perf_counter(), time.process_time()
        for feed in feeds:
            native.run(None, {name: feed})
        times.bare.append(time.perf_counter() - began)
        times.bare_cpu.append(time.process_time() - cpu)

    picture, result = shop.folder / "in.png", shop.folder / "out.png"
    cv2.imwrite(str(picture), cv2.cvtColor(rgba, cv2.COLOR_RGBA2BGR))
    receipt_file = shop.folder / "receipt.json"
    command = (
        *("run", "deblur", picture, "-o", result),
        *("--path", "real", "--receipt", receipt_file),
    )
    native.run(None, {name: feeds[0]})
    with job(shop, "deblur", "real", rgba) as ready:
        small = np.ascontiguousarray(rgba[:512, :512])
        with job(shop, "deblur", "real", small) as first:
            first.run()
        runner = psutil.Process(shop.status().runner_pid)
        bare()
        for number in range(repeats):
            cpu = sum(runner.cpu_times()[:2])
            seconds, receipt = ready.run()
            actual = receipt["actual"]
            times.warm.append(times.taken(seconds))
            times.warm_cpu.append(times.taken(sum(runner.cpu_times()[:2]) - cpu))
            times.outside.append(seconds - actual["total_seconds"])
            times.loading.append(actual["load_seconds"])
            times.peak_bytes = max(times.peak_bytes, actual["peak_bytes"])
            if number % 2 == 0:
                seconds = shop.nss(*command)
                times.command.append(times.taken(seconds))
                times.around.append(seconds - _total(receipt_file))
            bare()
    for _ in range(max(1, repeats // 2)):
        shop.stop()
        times.cold.append(times.taken(shop.nss(*command)))
        bare()
    return times


def _total(receipt: Path) -> float:
    """Seconds that the runner took, by the receipt of a command line run."""
    return float(json.loads(receipt.read_text("utf-8"))["actual"]["total_seconds"])


def _tiles(rgba: Any) -> list[Floats]:
    """What the engine feeds to the model, tile by tile, by the model's own tile rule."""
    rule = cards.load()[NAFNET].tile
    picture = _picture(Picture, rgba)
    seen: list[Floats] = []

    def remember(rgb: Floats) -> Floats:
        seen.append(rgb)
        return rgb

    run_tiles(
        picture,
        picture.region,
        remember,
        tile=rule.size,
        overlap=rule.overlap,
        multiple=rule.multiple,
        fixed=rule.fixed,
    )
    return seen


def _picture(cls: type[Picture], rgba: Any) -> Picture:
    height, width = rgba.shape[:2]
    return cls(rgba, np.zeros_like(rgba), Raster(width, height, "u8"))


def _breakdown(model: Path, rgba: Any) -> tuple[list[tuple[str, ...]], float, float]:
    """Where a run's time goes; seconds beside the network, and seconds of the network."""
    spent: Counter[str] = Counter()

    def timed(step: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any) -> Any:
            began = time.perf_counter()
            try:
                return function(*arguments)
            finally:
                spent[step] += time.perf_counter() - began

        return call

    class TimedPicture(Picture):
        def rgb(self, box: Box) -> Floats:
            return timed("rgb", super().rgb)(box)

        def touches(self, box: Box) -> bool:
            return timed("touches", super().touches)(box)

        def write(self, box: Box, rgb: Any) -> None:
            timed("write", super().write)(box, rgb)

    class TimedWork(Work):
        def tiles(self, function: Any, *rule: Any, **more: Any) -> int:
            return super().tiles(timed("function", function), *rule, **more)

    picture = _picture(TimedPicture, rgba)
    session = engine.open_session(model)
    card = cards.load()[NAFNET]

    def opener(role: str) -> engine.Session:
        return session

    work = TimedWork(
        picture,
        toolbox.tool("deblur").parse({}),
        lambda done, total: None,
        lambda: False,
    )
    began = time.perf_counter()
    picture.begin()
    deblur.real(work, Model(card, Sessions(tuple(dict(card.sessions())), opener), model.parent))
    total = time.perf_counter() - began
    network = session.run_seconds
    steps = {
        "reading pixels as colours (pixels.py, rgb)": spent["rgb"],
        "looking for pixels to change (pixels.py, touches)": spent["touches"],
        "layout to and from the network's (tools/work.py)": spent["function"] - network,
        "cutting, checking and fading tiles (engine/tiling.py)": (
            total - spent["rgb"] - spent["touches"] - spent["function"] - spent["write"]
        ),
        "writing colours as pixels (pixels.py, write)": spent["write"],
    }
    rows = [("the network (onnxruntime)", network)]
    rows += [*steps.items(), ("all steps beside the network", total - network)]
    pixels = rgba.shape[0] * rgba.shape[1] / 1e6
    shown = [
        (name, f"{seconds:.3f}", f"{1000 * seconds / pixels:.1f} ms", f"{seconds / network:.2%}")
        for name, seconds in rows
    ]
    return shown, total - network, network
