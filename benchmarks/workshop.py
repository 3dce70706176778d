"""A home of its own with a worker and a local model hub, so that the real ways can be timed."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from shared_core.bridge import __version__, launch, toolbox, wire
from shared_core.bridge.arena import Arena
from shared_core.bridge.client import Client
from shared_core.bridge.errors import WorkerLost
from shared_core.bridge.paths import Paths, paths
from shared_core.catalog import cards
from shared_core.catalog.store import Store
from tests.fakes.contract_models import MODELS, NAFNET, Variant, write_catalogue
from tests.fakes.hub import Hub

__all__ = ["NAFNET", "Variant", "Workshop", "opened"]


@dataclass(frozen=True)
class Workshop:
    """State below ``folder``; ``os.environ`` points there as long as it is open."""

    folder: Path
    paths: Paths

    def client(self) -> Client:
        """A connection to the worker, not yet made."""
        return Client(self.paths, "benchmark", __version__, own_python=sys.executable)

    def status(self) -> wire.StatusReply:
        """What the worker says of itself; it is started where it does not run."""
        client = self.client()
        reply = client.ask(wire.AskStatus(), wire.StatusReply)
        client.close()
        return reply

    def probe(self) -> None:
        """Have the machine measured now, so that it is not done in the midst of something."""
        client = self.client()
        client.ask(wire.AskDoctor(), wire.DoctorReply)
        client.close()

    def get(self, model: str) -> Path:
        """Download, verify and try a model as a user would; its main file."""
        client = self.client()
        client.ask(wire.Download(model, launch.hub_environment()), wire.Done)
        client.close()
        return Store(self.paths).path(cards.load()[model])

    def stop(self) -> None:
        """End the worker and wait until it is gone."""
        client = self.client()
        if not client.connect(start=False):
            return
        process = psutil.Process(client.ask(wire.AskStatus(), wire.StatusReply).pid)
        # It may be gone before its answer is.
        with contextlib.suppress(WorkerLost):
            client.ask(wire.Stop(), wire.Done)
        # A worker that this process has started is its child, and a zombie until waited for.
        with contextlib.suppress(psutil.NoSuchProcess):
            process.wait(20)
        client.close()

    def nss(self, *arguments: str | Path) -> float:
        """Seconds of one command line call, from starting its process to its end."""
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, "-m", "shared_core.cli", *map(str, arguments)],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
        )
        return time.perf_counter() - began


@dataclass
class Job:
    """A layer whose pixel files are already made, ready to be run again and again."""

    client: Client
    order: wire.StartJob

    def run(self) -> tuple[float, dict[str, Any]]:
        """Seconds until the reply, and the receipt."""
        began = time.perf_counter()
        done = self.client.run(self.order)
        return time.perf_counter() - began, done.receipt


@contextlib.contextmanager
def job(
    shop: Workshop,
    tool: str,
    path: str,
    rgba: Any,
    parameters: Mapping[str, Any] | None = None,
    selection: Any = None,
) -> Iterator[Job]:
    """A job on ``rgba`` (h×w×4 u8) with its files and a connection of its own.

    ``selection`` is h×w u8, for tools that need one.
    """
    height, width = rgba.shape[:2]
    values = toolbox.tool(tool).parse(parameters or {})
    size = toolbox.tool(tool).result_size(values, width, height)
    client = shop.client()
    mask = None
    with Arena(shop.paths) as arena:
        source = arena.create(width, height, "u8", "rgba")
        result = arena.create(*size, "u8", "rgba")
        arena.write(source, memoryview(rgba).cast("B"))
        if selection is not None:
            mask = arena.create(width, height, "u8", "mask")
            arena.write(mask, memoryview(selection).cast("B"))
        order = wire.StartJob(tool, source, result, mask=mask, path=path, parameters=values)
        yield Job(client, order)
    client.close()


@contextlib.contextmanager
def opened(
    variants: Mapping[str, Variant] | None = None, models: Sequence[str] = MODELS
) -> Iterator[Workshop]:
    """A workshop with twins of ``models`` of the catalogue; its worker ends with the block.

    The runner stays for the whole block, since it would else be ended while other things run.
    """
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="nss-bench-")))
        write_catalogue(folder / "cards", folder / "hub", variants, models=models)
        hub = stack.enter_context(Hub(folder / "hub"))
        stack.enter_context(
            _environment(
                NSS_HOME=str(folder / "home"),
                NSS_CARDS=str(folder / "cards"),
                NSS_RUNNER_IDLE_SECONDS="3600",
                HF_ENDPOINT=hub.url,
                HF_HUB_OFFLINE="0",
            )
        )
        shop = Workshop(folder, paths())
        stack.callback(shop.stop)
        yield shop


@contextlib.contextmanager
def _environment(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
