"""How cost grows: with the size of the layer, with the number of layers, with that of clients."""

from __future__ import annotations

import contextlib
import statistics
import threading
import time

from pictures import SIZES, layer
from report import Aim, Section, Table
from workshop import NAFNET, Job, Workshop, job, opened

MEGAPIXELS = (1, 4, 12, 24, 48, 100)
LAYERS = (1, 10, 50)
CLIENTS = (1, 2, 4)
JOBS_EACH = 6
# From this size on a line is to be straight: what is the same for every size has been paid.
FROM = 12
STRAIGHT = 1.3
WAYS = (
    ("colorize, palette, classical", "colorize", "classical"),
    ("denoise, classical", "denoise", "classical"),
    ("deblur, real (a contract model that costs nearly nothing)", "deblur", "real"),
)


def measure(full: bool) -> list[Section]:
    """The three tables, with whether the lines are straight."""
    with opened() as shop:
        shop.probe()
        shop.get(NAFNET)
        sizes, aims = _sizes(shop)
        layers, same = _layers(shop)
        clients, fair = _clients(shop)
    return [
        Section(
            "How cost grows",
            "Through the supervisor and a warm runner, pixel files already made: from the request "
            "to the receipt.",
            [sizes, layers, clients],
            [*aims, same, fair],
        )
    ]


def _sizes(shop: Workshop) -> tuple[Table, list[Aim]]:
    rows, aims = [], []
    for name, tool, path in WAYS:
        each = {}
        for megapixels in MEGAPIXELS:
            with job(shop, tool, path, layer(megapixels)) as ready:
                ready.run()
                pixels = SIZES[megapixels][0] * SIZES[megapixels][1] / 1e6
                each[megapixels] = _seconds(ready, 3 if megapixels <= FROM else 1) / pixels
        rows.append((name, *(f"{1000 * seconds:.0f}" for seconds in each.values())))
        large = [seconds for megapixels, seconds in each.items() if megapixels >= FROM]
        if large:
            much = max(large) / min(large)
            aims.append(
                Aim(
                    f"{name}: a straight line from {FROM} MP on",
                    f"milliseconds per MP within {STRAIGHT} times",
                    f"{much:.2f} times",
                    much <= STRAIGHT,
                    "A large layer no longer fits the processor's caches between two steps, and "
                    "other programs count into the clock.",
                )
            )
    columns = ("", *(f"{megapixels} MP" for megapixels in MEGAPIXELS))
    return Table("By the layer's size: milliseconds per megapixel", columns, rows), aims


def _seconds(ready: Job, repeats: int) -> float:
    return statistics.median(ready.run()[0] for _ in range(repeats))


def _layers(shop: Workshop) -> tuple[Table, Aim]:
    """As an editor does it: one after the other, each with files of its own."""
    rows = []
    each = {}
    rgba = layer(1)
    for count in LAYERS:
        began = time.perf_counter()
        for _ in range(count):
            with job(shop, "colorize", "classical", rgba) as ready:
                ready.run()
        each[count] = (time.perf_counter() - began) / count
        rows.append((f"{count}", f"{1000 * each[count]:.0f}", f"{each[count] * count:.2f}"))
    much = each[LAYERS[-1]] / each[LAYERS[0]]
    return Table(
        "By the number of layers of 1 MP, files and connection made anew for each",
        ("layers", "ms each", "s in all"),
        rows,
    ), Aim(
        f"{LAYERS[-1]} layers against one",
        f"no more than {STRAIGHT} times as long each",
        f"{much:.2f} times",
        much <= STRAIGHT,
    )


def _clients(shop: Workshop) -> tuple[Table, Aim]:
    """All at once: one job computes at a time, the others wait for their turn."""
    rows, rate = [], {}
    for count in CLIENTS:
        waits: list[float] = []
        with contextlib.ExitStack() as stack:
            ready = [
                stack.enter_context(job(shop, "colorize", "classical", layer(1)))
                for _ in range(count)
            ]
            threads = [threading.Thread(target=_run_all, args=(one, waits)) for one in ready]
            began = time.perf_counter()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            took = time.perf_counter() - began
        rate[count] = len(waits) / took
        rows.append(
            (
                f"{count}",
                f"{rate[count]:.2f}",
                f"{1000 * statistics.median(waits):.0f}",
                f"{1000 * max(waits):.0f}",
            )
        )
    share = min(rate.values()) / rate[CLIENTS[0]]
    return Table(
        "By the number of clients, each with jobs of 1 MP without a pause",
        ("clients", "jobs per second", "median wait, ms", "longest, ms"),
        rows,
    ), Aim(
        "jobs per second of several clients against one",
        f"at least {1 / STRAIGHT:.2f} of it",
        f"{share:.2f} of it",
        share >= 1 / STRAIGHT,
    )


def _run_all(ready: Job, waits: list[float]) -> None:
    for _ in range(JOBS_EACH):
        waits.append(ready.run()[0])
