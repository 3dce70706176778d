"""How fast the worker answers, from nothing and when it is there."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from report import Aim, Section, Table
from workshop import Workshop, opened

from shared_core.bridge import wire

COLD = 5
PLANS = 200
FIRST_PLAN_AIM = 0.6


def measure(full: bool) -> list[Section]:
    """The section's table."""
    with opened() as shop:
        shop.probe()
        bare, cold = [], []
        for _ in range(COLD):
            began = time.perf_counter()
            subprocess.run([sys.executable, "-E", "-P", "-c", ""], check=True)
            bare.append(time.perf_counter() - began)
            cold.append(_first_plan(shop))
        reconnect = [_first_plan(shop, stop=False) for _ in range(20)]
        client = shop.client()
        plans = [_plan(client) for _ in range(PLANS)]
        client.close()
    rows = [
        ("an empty Python process, for comparison", *_spread(bare)),
        (f"worker start to its first plan, cold, {COLD} times", *_spread(cold)),
        ("new connection to its first plan, worker there", *_spread(reconnect)),
        (f"plan on an open connection, {PLANS} times", *_spread(plans)),
    ]
    first = statistics.median(cold)
    aims = [
        Aim(
            "cold start to the first plan",
            f"under {FIRST_PLAN_AIM} s",
            f"{first:.2f} s",
            first < FIRST_PLAN_AIM,
            f"{statistics.median(bare):.2f} s of it are Python's own start.",
        ),
    ]
    section = Section(
        "Start and plans",
        "A plan for a layer of 12 megapixels, the machine's measurement cached, without a runner.",
        [Table("Milliseconds", ("", "median", "least", "most"), rows)],
        aims,
    )
    return [section]


def _first_plan(shop: Workshop, stop: bool = True) -> float:
    if stop:
        shop.stop()
    began = time.perf_counter()
    client = shop.client()
    _plan(client)
    took = time.perf_counter() - began
    client.close()
    return took


def _plan(client: object) -> float:
    began = time.perf_counter()
    client.ask(wire.AskPlan("denoise", 4000, 3000), wire.PlanReply)  # type: ignore[attr-defined]
    return time.perf_counter() - began


def _spread(seconds: list[float]) -> tuple[str, str, str]:
    values = (statistics.median(seconds), min(seconds), max(seconds))
    median, least, most = (f"{1000 * value:.1f}" for value in values)
    return median, least, most
