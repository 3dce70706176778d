"""What stays: memory after many runs, the supervisor at rest, the runner after a minute's rest."""

from __future__ import annotations

import os
import time

import psutil
from pictures import layer
from report import Aim, Section, Table
from workshop import NAFNET, Workshop, job, opened

RUNS = 200
# Memory is settled after these: sessions, caches and the allocator's own.
SETTLED = 20
GROWTH_AIM = 0.03
REST_SECONDS = 30
IDLE_SECONDS = 60
CPU_AIM = 0.002
WAYS = (("denoise", "classical"), ("deblur", "real"))


def measure(full: bool) -> list[Section]:
    """The section's tables."""
    rows, aims = [], []
    with opened() as shop:
        shop.probe()
        shop.get(NAFNET)
        for tool, path in WAYS:
            row, aim = _runs(shop, tool, path)
            rows.append(row)
            aims.append(aim)
        rest = _rest(shop)
        aims += rest
    columns = ("", f"after {SETTLED}", f"after {RUNS}", "supervisor, then", "and at the end")
    return [
        Section(
            "What stays after many runs",
            f"{RUNS} runs on a layer of one megapixel by one runner; resident memory.",
            [Table("Memory of the runner in MB", columns, rows)],
            aims,
        )
    ]


def _runs(shop: Workshop, tool: str, path: str) -> tuple[tuple[str, ...], Aim]:
    shop.stop()
    weights: dict[int, tuple[float, float]] = {}
    with job(shop, tool, path, layer(1)) as ready:
        for number in range(1, RUNS + 1):
            ready.run()
            if number in (SETTLED, RUNS):
                status = shop.status()
                runner, supervisor = (
                    psutil.Process(pid).memory_info().rss / 1e6
                    for pid in (status.runner_pid, status.pid)
                )
                weights[number] = runner, supervisor
    first, last = weights[SETTLED], weights[RUNS]
    more = last[0] / first[0] - 1
    row = (f"{tool}, {path}", *(f"{one:.1f}" for one in (first[0], last[0], first[1], last[1])))
    return row, Aim(
        f"{tool}, {path}: the runner's growth from run {SETTLED} to run {RUNS}",
        f"none (within {GROWTH_AIM:.0%})",
        f"{more:+.1%}",
        more <= GROWTH_AIM,
    )


def _rest(shop: Workshop) -> list[Aim]:
    """The supervisor's share of a processor at rest, and when the runner goes."""
    shop.stop()
    kept = os.environ["NSS_RUNNER_IDLE_SECONDS"]
    os.environ["NSS_RUNNER_IDLE_SECONDS"] = str(IDLE_SECONDS)
    try:
        with job(shop, "colorize", "classical", layer(1)) as ready:
            ready.run()
        done = time.monotonic()
        status = shop.status()
        runner = psutil.Process(status.runner_pid)
        supervisor = psutil.Process(status.pid)
        before = sum(supervisor.cpu_times()[:2])
        time.sleep(REST_SECONDS)
        share = (sum(supervisor.cpu_times()[:2]) - before) / REST_SECONDS
        gone = psutil.wait_procs([runner], timeout=3 * IDLE_SECONDS)[0]
        went = time.monotonic() - done
        shop.stop()
    finally:
        os.environ["NSS_RUNNER_IDLE_SECONDS"] = kept
    return [
        Aim(
            "the supervisor at rest",
            "no CPU use",
            f"{share:.2%} of one processor in {REST_SECONDS} s",
            share <= CPU_AIM,
            "It looks twice a second whether it is still wanted.",
        ),
        Aim(
            "the runner at rest",
            f"gone after {IDLE_SECONDS} s",
            f"gone after {went:.0f} s" if gone else "still there",
            bool(gone) and went < IDLE_SECONDS + 5,
        ),
    ]
