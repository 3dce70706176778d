"""Gathers what is known (models, machine, history) and lets ``routing`` decide. No numpy here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from shared_core import routing
from shared_core.bridge import toolbox, wire
from shared_core.bridge.errors import UsageError
from shared_core.bridge.paths import Paths
from shared_core.catalog import cards as catalogue
from shared_core.catalog.store import Presence, Store
from shared_core.device import profile as device
from shared_core.engine import memory
from shared_core.engine.grid import plan_tiles
from shared_core.tools import registry

from .journal import Journal

CPU = "CPUExecutionProvider"
# Before a first run of this machine: measured on two cores, seconds per megapixel.
CLASSICAL_SECONDS_PER_MEGAPIXEL = {"denoise": 0.5, "deblur": 0.8}
CLASSICAL_BASE_BYTES = 200 << 20
CLASSICAL_TILE_BYTES = 300 << 20
# Session memory where the card does not know it: measured at 1.1 to 3 times the file.
SESSION_BYTES_PER_FILE_BYTE = 3
TILE_BYTES_PER_PIXEL = 2000


class Planner:
    """Plans from cached facts, at once; only files changed since they were verified are read."""

    def __init__(self, paths: Paths, journal: Journal, store: Store) -> None:
        self._journal = journal
        self._store = store
        self._paths = paths
        self.cards: Mapping[str, catalogue.Card] = catalogue.load()
        self.profile: device.Profile | None = None
        self.onnxruntime_trouble = ""

    def plan(self, ask: wire.AskPlan) -> wire.Plan:
        """The plan for a picture; ``UsageError`` for what no tool can be asked for."""
        tool = toolbox.tool(ask.tool)
        _check(ask)
        parameters = tool.parse(ask.parameters)
        pixels = ask.width * ask.height
        provider = self._provider()
        candidates = tuple(
            self._candidate(card, provider or CPU, ask.width, ask.height)
            for card in registry.models(self.cards, tool.id, parameters)
        )
        speed = self._journal.speed(f"classical/{tool.id}")
        if speed is None:
            speed = CLASSICAL_SECONDS_PER_MEGAPIXEL[tool.id]
        facts = routing.Facts(
            candidates=candidates,
            classical_title=tool.classical_name,
            classical_seconds=speed * pixels / 1e6,
            classical_peak_bytes=CLASSICAL_BASE_BYTES + min(pixels * 300, CLASSICAL_TILE_BYTES),
            provider=provider,
            provider_trouble=self.onnxruntime_trouble or "no provider of onnxruntime works here",
            memory_bytes=memory.budget(ask.memory_bytes),
        )
        budget = ask.budget_seconds or routing.DEFAULT_BUDGET_SECONDS
        return routing.decide(facts, routing.Preference(ask.path, budget))

    def _provider(self) -> str | None:
        """The provider that the probe prefers; the CPU before the first probe."""
        if self.onnxruntime_trouble:
            return None
        if self.profile is None:
            return CPU
        preferred = self.profile.preferred()
        return preferred.id if preferred else None

    def device_name(self, provider: str) -> str:
        """The device behind a provider, as the probe named it."""
        found = self.profile.provider(provider) if self.profile else None
        return found.device if found else ""

    def _candidate(
        self, card: catalogue.Card, provider: str, width: int, height: int
    ) -> routing.Candidate:
        state = self._store.state(card)
        if state.presence is Presence.UNCHECKED:
            # Files that changed since they were verified are hashed before a plan trusts them.
            state = self._store.check(card)
        present = state.usable
        # A damaged model has to be fetched as a whole.
        kept = 0 if state.presence is Presence.BAD else state.bytes_here
        trouble = state.reason if state.presence is Presence.BAD else ""
        fault = self._journal.fault_of(card.id, provider, width * height)
        return routing.Candidate(
            model=card.id,
            title=card.title,
            present=present,
            trouble=trouble,
            fault=fault.what if fault else "",
            seconds=self.seconds(card, provider, width, height),
            peak_bytes=_peak(card),
            download_bytes=0 if present else state.bytes_total - kept,
            licence=card.licence,
            host="huggingface.co",
        )

    def seconds(self, card: catalogue.Card, provider: str, width: int, height: int) -> float | None:
        """Predicted seconds of the whole run: history, else the canary, else arithmetic."""
        rule = card.tile
        grid = plan_tiles(width, height, rule.size, rule.overlap, rule.multiple, rule.fixed)
        megapixels = grid.width * grid.height / 1e6
        per_tile = self._journal.speed(f"{card.id}/{provider}/{grid.width}x{grid.height}")
        trial = self._store.state(card).trial
        if per_tile is None and trial and trial.ok and trial.tile:
            per_tile = trial.seconds_per_tile * megapixels * 1e6 / trial.tile**2
        if per_tile is None and card.gflop_per_megapixel:
            per_tile = device.predict_seconds(
                self.profile, provider, card.gflop_per_megapixel * megapixels
            )
        if per_tile is None and card.cpu_seconds_per_megapixel:
            per_tile = card.cpu_seconds_per_megapixel * megapixels
        if per_tile is None or math.isinf(per_tile):
            return None
        load = self._journal.speed(f"{card.id}/{provider}/load")
        if load is None:
            load = card.download_bytes / 300e6
        return load + grid.count * per_tile


def _check(ask: wire.AskPlan) -> None:
    """Raise ``UsageError`` for an impossible size, path or limit."""
    if not (1 <= ask.width <= wire.MAX_SIDE and 1 <= ask.height <= wire.MAX_SIDE):
        raise UsageError(
            f"{ask.width} × {ask.height} pixels is no size to work on; a side has 1 to "
            f"{wire.MAX_SIDE} pixels."
        )
    if ask.path not in wire.PATHS:
        raise UsageError(f"There is no path {ask.path!r}; there are {', '.join(wire.PATHS)}.")
    for limit in (ask.budget_seconds, ask.memory_bytes):
        if limit is not None and not 0 < limit < math.inf:
            raise UsageError("A limit of time or memory must be above 0.")


def _peak(card: catalogue.Card) -> int:
    session = card.session_bytes or card.main_file.size * SESSION_BYTES_PER_FILE_BYTE
    per_pixel = card.peak_bytes_per_pixel or TILE_BYTES_PER_PIXEL
    return session + per_pixel * card.tile.size**2


def missing_onnxruntime() -> str:
    """Why no model can run in this environment; empty when onnxruntime is installed."""
    import importlib.util

    spec = importlib.util.find_spec("onnxruntime")
    if spec is not None and spec.origin and Path(spec.origin).is_file():
        return ""
    return "onnxruntime is not installed in the worker's environment; run the installer again"
