"""Gathers what is known (models, machine, history) and lets ``routing`` decide. No numpy here."""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path

from shared_core import routing, tiers
from shared_core.bridge import settings, toolbox, wire
from shared_core.bridge.errors import UsageError
from shared_core.bridge.paths import Paths
from shared_core.catalog import cards as catalogue
from shared_core.catalog.store import ModelState, Presence, Store, Trial
from shared_core.device import profile as device
from shared_core.engine import memory
from shared_core.tools import costs, registry

from .journal import Journal, whole

CPU = "CPUExecutionProvider"
# About 50 ms; a plan is to be there within 100.
HASHED_AT_ONCE_BYTES = 80 << 20
CLASSICAL_BASE_BYTES = 200 << 20
# The runner with onnxruntime and OpenCV before it opens a model.
RUNNER_BYTES = 110 << 20
# The picture's and the result's files are mapped: four channels of 16 bits.
PICTURE_BYTES_PER_PIXEL = 8
# From so many in a row on, tiles have nearly the full size.
MANY_TILES = 16
# Session memory where the card does not know it: measured at 1.1 to 3 times the file, and while
# half precision is widened at 3.4 times.
SESSION_BYTES_PER_FILE_BYTE = 3
SESSION_BYTES_PER_BYTE_OF_HALF = 3.5
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
        megapixels = costs.megapixels(tool, parameters, ask.width, ask.height)
        provider = self._provider()
        candidates = tuple(
            self._candidate(card, provider or CPU, ask.width, ask.height, parameters)
            for card in self._models(tool, parameters, ask.commercial_only)
        )
        cost = costs.CLASSICAL[tool.id]
        speed = self._journal.speed(f"classical/{tool.id}")
        if speed is None:
            speed = cost.seconds_per_megapixel
        facts = routing.Facts(
            candidates=candidates,
            classical_title=tool.classical_name,
            classical_seconds=cost.seconds + speed * megapixels,
            classical_peak_bytes=CLASSICAL_BASE_BYTES
            + min(round(megapixels * 1e6) * cost.bytes_per_pixel, cost.most_bytes),
            provider=provider,
            provider_trouble=self.onnxruntime_trouble or "no provider of onnxruntime works here",
            memory_bytes=ask.limits.memory.of(memory.available_bytes()),
        )
        return routing.decide(facts, routing.Preference(ask.path, ask.limits.budget))

    def _models(
        self, tool: toolbox.Tool, parameters: Mapping[str, toolbox.Value], commercial_only: bool
    ) -> list[catalogue.Card]:
        """The models that may serve a tool, the preferred first."""
        return [
            card
            for card in registry.models(self.cards, tool.id, parameters)
            if not commercial_only or card.commercial_use is catalogue.CommercialUse.YES
        ]

    def _provider(self) -> str | None:
        """The provider that the probe prefers; the CPU before the first probe."""
        if self.onnxruntime_trouble:
            return None
        if self.profile is None:
            return CPU
        preferred = self.profile.preferred()
        return preferred.id if preferred else None

    def advice(self) -> tiers.Advice:
        """What each tier makes real on this machine within the user's limits."""
        chosen = settings.load(self._paths.settings)
        provider = self._provider() or CPU
        offers = []
        for tool in toolbox.TOOLS:
            parameters = tool.parse({})
            for card in self._models(tool, parameters, chosen.commercial_only):
                found = self._candidate(card, provider, tiers.WIDTH, tiers.HEIGHT, parameters)
                family = catalogue.with_needs(self.cards, card)
                offers.append(
                    tiers.Offer(
                        tool.id,
                        card.id,
                        card.title,
                        card.tier.value,
                        sum(one.download_bytes for one in family),
                        found.download_bytes,
                        found.seconds,
                        found.peak_bytes,
                    )
                )
        limits = tiers.Limits(chosen.budget, chosen.memory.of(memory.available_bytes()))
        return tiers.advise(offers, [(tool.id, tool.title) for tool in toolbox.TOOLS], limits)

    def hub_declared(self, card: catalogue.Card, file: catalogue.CardFile) -> str:
        """The SHA-256 that the hub declared for a file whose card knows none, and that word."""
        return f"hub-declared {self._store.declared(card, file)}"

    def device_name(self, provider: str) -> str:
        """The device behind a provider, as the probe named it."""
        found = self.profile.provider(provider) if self.profile else None
        return found.device if found else ""

    def _candidate(
        self,
        card: catalogue.Card,
        provider: str,
        width: int,
        height: int,
        parameters: Mapping[str, toolbox.Value],
    ) -> routing.Candidate:
        state = self._state(catalogue.with_needs(self.cards, card))
        fault = self._journal.fault_of(card.id, provider, width * height)
        return routing.Candidate(
            model=card.id,
            title=card.title,
            present=state.usable,
            trouble=state.reason if state.presence is Presence.BAD else "",
            fault=fault.what if fault else "",
            seconds=self.seconds(card, provider, width, height, parameters),
            peak_bytes=_peak(card, width, height, parameters),
            download_bytes=state.bytes_missing,
            licence=card.licence,
            host="huggingface.co",
        )

    def _state(self, family: list[catalogue.Card]) -> ModelState:
        """The state of a model and what it needs.

        Files that changed since they were verified are hashed before a plan trusts them, unless
        that takes longer than a plan may: then the run, which checks all of them, finds out.
        """
        state = self._store.state_together(family)
        if state.presence is Presence.UNCHECKED and state.bytes_total <= HASHED_AT_ONCE_BYTES:
            for card in family:
                self._store.check(card)
            state = self._store.state_together(family)
        return state

    def seconds(
        self,
        card: catalogue.Card,
        provider: str,
        width: int,
        height: int,
        parameters: Mapping[str, toolbox.Value],
    ) -> float | None:
        """Predicted seconds of the whole run: history, else the canary, else arithmetic."""
        load = self._journal.speed(f"{card.id}/{provider}/load")
        if load is None:
            load = device.load_seconds(card.download_bytes, half=_is_half(card))
        if card.tile is None:
            running = self._run_seconds(card, provider, parameters)
        else:
            running = self._tiles_seconds(card, card.tile, provider, width, height)
        return None if running is None or math.isinf(running) else load + running

    def _trial(self, card: catalogue.Card, provider: str) -> Trial | None:
        """The run after the download, which was on the CPU and tells of no other provider."""
        trial = self._store.state(card).trial
        return trial if trial and trial.ok and provider == CPU else None

    def _run_seconds(
        self, card: catalogue.Card, provider: str, parameters: Mapping[str, toolbox.Value]
    ) -> float | None:
        """Seconds of a model that sees the picture as a whole, all its sessions together."""
        count = registry.runs(card, parameters)
        known = self._journal.speed(f"{card.id}/{provider}/{whole(card, count)}")
        if known is not None:
            return known * count
        trial = self._trial(card, provider)
        if trial:
            return sum(
                seconds * (count if role == registry.REPEATED else 1)
                for role, seconds in trial.seconds_by_role.items()
            )
        if card.gflop_per_run:
            return count * device.predict_seconds(
                self.profile, provider, card.gflop_per_run, mix=_mix(card)
            )
        return None if card.cpu_seconds_per_run is None else count * card.cpu_seconds_per_run

    def _tiles_seconds(
        self,
        card: catalogue.Card,
        rule: catalogue.TileRule,
        provider: str,
        width: int,
        height: int,
    ) -> float | None:
        """Seconds of a model that sees the picture in tiles."""
        grid = rule.over(width, height)
        megapixels = grid.width * grid.height / 1e6
        per_tile = self._journal.speed(f"{card.id}/{provider}/{grid.width}x{grid.height}")
        trial = self._trial(card, provider)
        if per_tile is None and trial and trial.tile:
            tried = trial.tile * (rule.width or trial.tile)
            per_tile = trial.seconds_per_tile * card.passes * megapixels * 1e6 / tried
        if per_tile is None and card.gflop_per_megapixel:
            per_tile = device.predict_seconds(
                self.profile, provider, card.gflop_per_megapixel * megapixels, mix=_mix(card)
            )
        if per_tile is None and card.cpu_seconds_per_megapixel:
            per_tile = card.cpu_seconds_per_megapixel * megapixels
        return None if per_tile is None else grid.count * per_tile


def _check(ask: wire.AskPlan) -> None:
    """Raise ``UsageError`` for an impossible size, path or limit."""
    if not (1 <= ask.width <= wire.MAX_SIDE and 1 <= ask.height <= wire.MAX_SIDE):
        raise UsageError(
            f"{ask.width} × {ask.height} pixels is no size to work on; a side has 1 to "
            f"{wire.MAX_SIDE} pixels."
        )
    if ask.path not in wire.PATHS:
        raise UsageError(f"There is no path {ask.path!r}; there are {', '.join(wire.PATHS)}.")
    limits = ask.limits
    if not (0 < limits.budget < math.inf and limits.memory.sound and limits.vram.sound):
        raise UsageError("A limit of time or memory must be above 0, and a share at most 1.")


def _is_half(card: catalogue.Card) -> bool:
    return "float16" in card.weights


def _mix(card: catalogue.Card) -> str | Mapping[str, float]:
    """What the model's operations are made of; where nobody knows, of NAFNet's slow blocks."""
    if isinstance(card.mix, str) and card.mix not in device.MIXES:
        return "block"
    return card.mix


def _peak(
    card: catalogue.Card, width: int, height: int, parameters: Mapping[str, toolbox.Value]
) -> int:
    """Bytes that the runner takes at most: itself, the pixels' files, the session and a run."""
    made = toolbox.tool(card.tool).result_size(parameters, width, height)
    pictures = PICTURE_BYTES_PER_PIXEL * (width * height + math.prod(made))
    factor = SESSION_BYTES_PER_BYTE_OF_HALF if _is_half(card) else SESSION_BYTES_PER_FILE_BYTE
    session = card.session_bytes or int(card.download_bytes * factor)
    if card.peak_bytes:
        running = card.peak_bytes
    else:
        pixels = math.prod(card.run_size or card.fixed_size or (0, 0))
        if card.tile and max(width, height) < MANY_TILES * max(card.tile.sides):
            # Tiles of a small picture are smaller.
            grid = card.tile.over(width, height)
            pixels = grid.width * grid.height
        running = (card.peak_bytes_per_pixel or TILE_BYTES_PER_PIXEL) * pixels
    return RUNNER_BYTES + pictures + session + running


def missing_onnxruntime() -> str:
    """Why no model can run in this environment; empty when onnxruntime is installed."""
    import importlib.util

    spec = importlib.util.find_spec("onnxruntime")
    if spec is not None and spec.origin and Path(spec.origin).is_file():
        return ""
    return "onnxruntime is not installed in the worker's environment; run the installer again"
