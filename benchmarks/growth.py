"""What stays: memory after many runs, the supervisor at rest, the runner after a minute's rest."""

from __future__ import annotations

import os
import time

import psutil
from pictures import layer
from report import Aim, Section, Table
from workshop import NAFNET, Workshop, job, opened

from shared_core.bridge import wire

PLANS = (1, 200, 3000, 12000)
SUPERVISOR_AIM = 30e6
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
        supervisor, aim = _supervisor(shop)
        aims.append(aim)
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
            "Plans for a layer of 12 megapixels by a supervisor without a runner, and "
            f"{RUNS} runs on a layer of one megapixel by one runner; resident memory where nothing "
            "else is said.",
            [supervisor, Table("Memory of the runner in MB", columns, rows)],
            aims,
        )
    ]


def _supervisor(shop: Workshop) -> tuple[Table, Aim]:
    """What the supervisor weighs at rest, after plans and after a job."""
    shop.stop()
    client = shop.client()
    weights = {}
    for number in range(1, max(PLANS) + 1):
        client.ask(wire.AskPlan("denoise", 4000, 3000), wire.PlanReply)
        if number in PLANS:
            supervisor = psutil.Process(client.ask(wire.AskStatus(), wire.StatusReply).pid)
            weights[f"after {number:,} plans" if number > 1 else "after a plan"] = (
                supervisor.memory_full_info()
            )
    client.close()
    with job(shop, "denoise", "classical", layer(1)) as ready:
        ready.run()
    weights["after a job as well"] = supervisor.memory_full_info()
    crypto = sum(m.rss for m in supervisor.memory_maps() if "libcrypto" in m.path)
    rows = [
        (name, *(f"{getattr(info, kind, 0) / 1e6:.1f}" for info in weights.values()))
        for name, kind in (
            ("resident (RSS)", "rss"),
            ("its proportional share (PSS)", "pss"),
            ("its own alone (USS)", "uss"),
        )
    ]
    note = (
        "What comes with the plans levels off and holds nothing of them: Python keeps up to 2,000 "
        "freed tuples of each length, and makes its table of the parts of paths anew in a larger "
        f"size. {crypto / 1e6:.1f} MB are pages of OpenSSL's library, which Python loads for the "
        "handshake with the editor. Where NVIDIA's driver is installed, the module that asks it "
        "takes 2 MB more, beside the driver's own library."
    )
    least, most = (choose(info.rss for info in weights.values()) / 1e6 for choose in (min, max))
    return Table("Memory of the supervisor in MB", ("", *weights), rows, note), Aim(
        "supervisor's memory",
        f"under {SUPERVISOR_AIM / 1e6:.0f} MB",
        f"{least:.1f} to {most:.1f} MB",
        most * 1e6 < SUPERVISOR_AIM,
    )


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
