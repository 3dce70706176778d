"""Download processes killed at moments of chance, in the middle of what the supervisor asked.

After each kill the store works; the next download goes on where this one was, and leaves nothing.
"""

from __future__ import annotations

import contextlib
import os
import random
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from shared_core.bridge import launch, wire
from shared_core.bridge.client import Client
from shared_core.bridge.errors import NssError
from shared_core.bridge.paths import paths
from shared_core.catalog.shelf import Shelf
from shared_core.catalog.store import Presence

from .shop import FETCH, MODELS, WEIGHTS, Shop, a_shop

DOWNLOAD, SUPERVISOR = "download", "supervisor"
_SERVER = "shared_core.worker.server"
_CATALOG = "shared_core.catalog"
_GONE_SECONDS = 10.0
# So that a moment of chance often meets the transfer.
_BYTES_PER_SECOND = 1_000_000


@dataclass
class DownloadDeaths:
    """The figures of the kills of one kind of process."""

    victim: str
    wanted: int = 0
    runs: int = 0
    struck: int = 0
    done_before: int = 0
    continued: int = 0
    wrong_files: list[str] = field(default_factory=list)
    unclear: list[str] = field(default_factory=list)
    not_resumed: list[str] = field(default_factory=list)
    orphans: list[str] = field(default_factory=list)
    longest_seconds: float = 0.0

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        return [*self.wrong_files, *self.unclear, *self.not_resumed, *self.orphans]


@contextlib.contextmanager
def a_served_shop(folder: Path) -> Iterator[Shop]:
    """A shop whose customer's worker runs, by this process's environment."""
    kept = dict(os.environ)
    with a_shop(folder) as shop:
        environment = shop.environment
        try:
            os.environ.clear()
            os.environ |= environment
            yield shop
            with contextlib.suppress(NssError):
                client = _client()
                if client.connect(start=False):
                    client.ask(wire.Stop(), wire.Done)
                client.close()
        finally:
            os.environ.clear()
            os.environ |= kept


def usual_seconds(shop: Shop) -> float:
    """What an undisturbed download of the largest model takes."""
    _slow(shop)
    begun = time.monotonic()
    _download("main")
    return time.monotonic() - begun


def kill(shop: Shop, chance: random.Random, usual: float, deaths: DownloadDeaths) -> None:
    """One download, in the middle of which the victim is killed; and another one."""
    [model] = chance.choices(MODELS, WEIGHTS)
    for card in shop.cards.values():
        shop.store.remove(card)
    _slow(shop)
    moment = chance.uniform(0, usual)
    name = f"{model}, {deaths.victim} killed after {moment:.2f} s"
    said: list[str] = []
    thread = threading.Thread(target=lambda: said.append(_download(model)))
    thread.start()
    time.sleep(moment)
    struck = _strike(shop, deaths.victim)
    thread.join()
    deaths.runs += 1
    deaths.struck += bool(struck)
    deaths.done_before += said == [""]
    if (said[0] and not said[0].endswith(".")) or (struck and "Traceback" in said[0]):
        deaths.unclear.append(f"{name}: {said[0]!r}")
    gone = _all_gone(shop)
    if gone:
        deaths.orphans.append(f"{name}: processes {gone}")
    deaths.wrong_files += [f"{name}: {file}" for file in shop.wrong_files()]
    deaths.wrong_files += [f"{name}: {part}" for part in _wrong_parts(shop, model)]
    state = shop.store.state_together(shop.family(model))
    if state.presence is Presence.BAD:
        deaths.wrong_files.append(f"{name}: {state.reason}")
    shop.hub.heal()
    shop.hub.quiet()
    _again(shop, model, name, deaths)


def _again(shop: Shop, model: str, name: str, deaths: DownloadDeaths) -> None:
    to_come, sent, begun = shop.bytes_to_come(model), shop.hub.bytes_sent, time.monotonic()
    deaths.continued += any(part.endswith(".part") for part in shop.unfinished())
    trouble = _download(model)
    deaths.longest_seconds = max(deaths.longest_seconds, time.monotonic() - begun)
    shop.hub.quiet()
    came = shop.hub.bytes_sent - sent
    state = shop.store.state_together(shop.family(model))
    if trouble or state.presence is not Presence.INSTALLED:
        deaths.not_resumed.append(f"{name}: {trouble or state.reason}")
    elif came != to_come:
        deaths.not_resumed.append(f"{name}: {came} bytes came instead of {to_come}")
    deaths.wrong_files += [f"{name}, again: {file}" for file in shop.wrong_files()]
    deaths.orphans += [f"{name}: {left}" for left in shop.strays() + shop.unfinished()]


def _slow(shop: Shop) -> None:
    shop.hub.heal()
    for card in shop.cards.values():
        for file in card.files:
            shop.hub.fault(f"/{file.path}", "slow", _BYTES_PER_SECOND)


def _client() -> Client:
    return Client(paths(), "campaign", "1", own_python=sys.executable)


def _download(model: str) -> str:
    """Ask the supervisor for a model; what went wrong, else ""."""
    client = _client()
    try:
        client.ask(wire.Download(model, launch.hub_environment()), wire.Done)
    except NssError as error:
        return str(error)
    finally:
        client.close()
    return ""


def _wrong_parts(shop: Shop, model: str) -> list[str]:
    """Unfinished files that do not begin like the file."""
    wrong = []
    for card in shop.family(model):
        for file in card.files:
            part = Shelf(shop.store.root, card).part(file)
            if part.exists() and not shop.truth(card, file.path).startswith(part.read_bytes()):
                wrong.append(f"the unfinished {file.path}")
    return wrong


def _processes(shop: Shop, module: str) -> list[psutil.Process]:
    """The living processes of this shop's customer that run ``module``, or one below it."""
    found = []
    for process in psutil.process_iter(["cmdline", "status"]):
        with contextlib.suppress(psutil.Error):
            runs_it = any(word.startswith(module) for word in process.info["cmdline"] or [])
            if not runs_it or process.info["status"] == psutil.STATUS_ZOMBIE:
                continue
            if process.environ().get("NSS_HOME") == str(shop.home):
                found.append(process)
    return found


def _strike(shop: Shop, victim: str) -> list[int]:
    struck = []
    for process in _processes(shop, FETCH if victim == DOWNLOAD else _SERVER):
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
            struck.append(process.pid)
    return struck


def _all_gone(shop: Shop) -> list[int]:
    """Processes of downloads and trials that are there when nobody asks for anything any more."""
    end = time.monotonic() + _GONE_SECONDS
    while time.monotonic() < end:
        left = [process.pid for process in _processes(shop, _CATALOG)]
        if not left:
            return []
        time.sleep(0.05)
    return left
