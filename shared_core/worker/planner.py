"""Gathers what is known (models, machine, history) and lets ``routing`` decide. No numpy here."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from shared_core import routing, tiers
from shared_core.bridge import settings, toolbox, wire
from shared_core.bridge.errors import UsageError
from shared_core.bridge.language import _
from shared_core.bridge.paths import Paths
from shared_core.catalog import cards as catalogue
from shared_core.catalog import own
from shared_core.catalog.store import ModelState, Presence, Store, Trial
from shared_core.device import profile as device
from shared_core.device.gauge import Gauge
from shared_core.device.libraries import adapter_behind
from shared_core.engine import memory
from shared_core.tools import costs, registry

from .journal import Journal, whole
from .needs import divisors, is_half, needs_of

CPU = "CPUExecutionProvider"
# About 50 ms; a plan is to be there within 100.
HASHED_AT_ONCE_BYTES = 80 << 20
CLASSICAL_BASE_BYTES = 200 << 20


class Planner:
    """Plans from cached facts, at once; only files changed since they were verified are read."""

    def __init__(self, paths: Paths, journal: Journal, store: Store) -> None:
        self._journal = journal
        self._store = store
        self._paths = paths
        self._known = own.Known(paths)
        self.profile: device.Profile | None = None
        self.onnxruntime_trouble = ""
        self._gauge = Gauge()

    @property
    def cards(self) -> Mapping[str, catalogue.Card]:
        """All models by id, the user's own too."""
        return self._known.cards()

    def plan(self, ask: wire.AskPlan, provider: str | None = None) -> wire.Plan:
        """The plan for a picture, on ``provider`` alone where one is named.

        ``UsageError`` for what no tool can be asked for.
        """
        tool = toolbox.tool(ask.tool)
        _check(ask)
        parameters = tool.parse(ask.parameters)
        megapixels = costs.megapixels(tool, parameters, ask.width, ask.height)
        usual = provider or self._provider()
        size = ask.width, ask.height
        found = self._models(tool, parameters, ask.commercial_only)
        clean: list[catalogue.Card] = []
        if not all(self._allows_commercial_use(card) for card in found):
            by_itself = {**parameters, toolbox.MODEL: toolbox.AUTO}
            clean = self._models(tool, by_itself, commercial_only=True)
        cost = costs.CLASSICAL[tool.id]
        speed = self._journal.speed(f"classical/{tool.id}")
        if speed is None:
            speed = cost.seconds_per_megapixel
        facts = routing.Facts(
            candidates=tuple(self._candidate(c, usual or CPU, *size, parameters) for c in found),
            no_candidate=self._no_candidate(tool, parameters),
            passed_over=self._passed_over(tool, parameters, ask.commercial_only),
            classical_title=tool.classical_name,
            classical_seconds=cost.seconds + speed * megapixels,
            classical_peak_bytes=CLASSICAL_BASE_BYTES
            + min(round(megapixels * 1e6) * cost.bytes_per_pixel, cost.most_bytes),
            memory=_memory(ask.limits.memory),
            vram=self._vram(usual or CPU, ask.limits.vram),
            trouble=""
            if usual
            else self.onnxruntime_trouble or _("no provider of onnxruntime works here"),
            others=tuple(self._others(ask, tool, parameters, usual or CPU, found)),
            clean=tuple(self._candidate(c, usual or CPU, *size, parameters) for c in clean),
        )
        return routing.decide(facts, routing.Preference(ask.path, ask.limits.budget))

    def _models(
        self, tool: toolbox.Tool, parameters: Mapping[str, toolbox.Value], commercial_only: bool
    ) -> list[catalogue.Card]:
        """The models that may serve a tool, the preferred first."""
        return [
            card
            for card in registry.models(self.cards, tool.id, parameters)
            if not commercial_only or self._allows_commercial_use(card)
        ]

    def _allows_commercial_use(self, card: catalogue.Card) -> bool:
        """Whether a model, with all that it needs, does so; where that is unclear it does not."""
        family = catalogue.with_needs(self.cards, card)
        return all(one.commercial for one in family)

    def _no_candidate(self, tool: toolbox.Tool, parameters: Mapping[str, toolbox.Value]) -> str:
        """Why there is no model to choose from, where there is none."""
        left_out = self._models(tool, parameters, commercial_only=False)
        if not left_out:
            unfit = self._passed_over(tool, parameters, commercial_only=False)
            return unfit or _("there is no model for these settings")
        return _(
            "{title} is left out: only models that allow commercial use may run",
            title=left_out[0].title,
        )

    def _passed_over(
        self, tool: toolbox.Tool, parameters: Mapping[str, toolbox.Value], commercial_only: bool
    ) -> str:
        """Why the model that the user brought or chose cannot do what is asked, "" where it can."""
        found = registry.passed_over(self.cards, tool.id, parameters)
        if found is None or (commercial_only and not self._allows_commercial_use(found[0])):
            return ""
        return found[1]

    def _others(
        self,
        ask: wire.AskPlan,
        tool: toolbox.Tool,
        parameters: Mapping[str, toolbox.Value],
        provider: str,
        known: Sequence[catalogue.Card],
    ) -> Iterator[routing.Candidate]:
        """The models that the tool's parameter "model" would take at its other values."""
        choices = [p for p in tool.parameters if p.id == toolbox.MODEL]
        titles = {
            name: t for p in choices for name, t in zip(p.choices, p.choice_titles, strict=True)
        }
        titles.pop(toolbox.AUTO, None)
        for name, title in titles.items():
            for card in self._models(
                tool, {**parameters, toolbox.MODEL: name}, ask.commercial_only
            ):
                # What has to be chosen suits some pictures alone, and this may be another.
                if card not in known and not card.opt_in:
                    found = self._candidate(card, provider, ask.width, ask.height, parameters)
                    yield replace(found, choice=title)

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
        offers = []
        for tool in toolbox.TOOLS:
            parameters = tool.parse({})
            for card in self._models(tool, parameters, chosen.commercial_only):
                if card.own:
                    # No tier's download brings it.
                    continue
                found, way, against = self.on_a_photo(card, parameters, chosen)
                family = catalogue.with_needs(self.cards, card)
                offers.append(
                    tiers.Offer(
                        tool.id,
                        card.id,
                        card.title,
                        card.tier.value,
                        sum(one.download_bytes for one in family),
                        found.download_bytes,
                        way.seconds,
                        way.peak_bytes,
                        against,
                    )
                )
        return tiers.advise(offers, [(t.id, t.title) for t in toolbox.TOOLS], chosen.budget)

    def on_a_photo(
        self,
        card: catalogue.Card,
        parameters: Mapping[str, toolbox.Value],
        chosen: settings.Settings,
    ) -> tuple[routing.Candidate, routing.Way, str]:
        """How a model would run on the photo that tiers are about, and what is too much of it."""
        provider = self._provider() or CPU
        found = self._candidate(card, provider, tiers.WIDTH, tiers.HEIGHT, parameters)
        facts = routing.Facts(
            (), "", None, None, _memory(chosen.memory), self._vram(provider, chosen.vram)
        )
        preference = routing.Preference(budget_seconds=chosen.budget)
        return found, *routing.best_way(found, facts, preference)

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
        family = catalogue.with_needs(self.cards, card)
        state = self._state(family)
        # What came from a file of the user's own cannot be downloaded again.
        bad = state.presence is Presence.BAD or not (card.hosted or state.usable)
        return routing.Candidate(
            model=card.id,
            title=card.title,
            present=state.usable,
            trouble=state.reason if bad else "",
            ways=tuple(self._ways(card, provider, width, height, parameters)),
            download_bytes=state.bytes_missing,
            word=card.choice,
            licence=card.licence,
            hosted=card.hosted,
            compact=card.shipped is not None,
            own=card.own,
            licence_link=card.licence_link,
            commercial=card.commercial_use.value,
            terms=card.commercial_note,
            hub_declared=any(one.hub_declared for one in family),
        )

    def _ways(
        self,
        card: catalogue.Card,
        provider: str,
        width: int,
        height: int,
        parameters: Mapping[str, toolbox.Value],
    ) -> Iterator[routing.Way]:
        """On the provider, then on the processor; in the card's tiles, then in smaller ones."""
        for one in dict.fromkeys((provider, CPU)):
            for divisor in divisors(card.tile, width, height):
                fault = self._journal.fault_of(card.id, one, width * height, divisor)
                needs = needs_of(card, width, height, parameters, divisor)
                apart = self._own_memory(one) is not None
                yield routing.Way(
                    provider=one,
                    tile_divisor=divisor,
                    seconds=self.seconds(card, one, width, height, parameters, divisor),
                    # The weights pass through main memory on their way to a card.
                    peak_bytes=needs.together - (needs.running if apart else 0),
                    vram_bytes=needs.session + needs.running if apart else None,
                    fault=fault.what if fault else "",
                )

    def _own_memory(self, provider: str) -> device.Adapter | None:
        """The adapter behind a provider, where it has memory of its own."""
        if self.profile is None:
            return None
        card = adapter_behind(provider, self.profile.adapters)
        return card if card and card.memory_total is not None else None

    def _vram(self, provider: str, limit: settings.Amount) -> routing.Room | None:
        """What a provider may take of its card's memory, where that is known."""
        card = self._own_memory(provider)
        free = self._gauge.free_bytes(card) if card else None
        if card is None or card.memory_total is None or free is None:
            return None
        return routing.Room(limit.of(free), free, card.memory_total)

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
        divisor: int = 1,
    ) -> float | None:
        """Predicted seconds of the whole run: history, else the canary, else arithmetic.

        ``divisor`` is 2 for tiles of half the usual side.
        """
        load = self._journal.speed(f"{card.id}/{provider}/load")
        if load is None:
            load = device.load_seconds(card.file_bytes, half=is_half(card))
        if card.tile is None:
            running = self._run_seconds(card, provider, parameters)
        else:
            running = self._tiles_seconds(card, card.tile.divided(divisor), provider, width, height)
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
            _(
                "{width} × {height} pixels is no size to work on; a side has 1 to {most} pixels.",
                width=ask.width,
                height=ask.height,
                most=wire.MAX_SIDE,
            )
        )
    if ask.path not in wire.PATHS:
        raise UsageError(
            _(
                "There is no path {path}; there are {names}.",
                path=repr(ask.path),
                names=", ".join(wire.PATHS),
            )
        )
    limits = ask.limits
    if not (0 < limits.budget < math.inf and limits.memory.sound and limits.vram.sound):
        raise UsageError(_("A limit of time or memory must be above 0, and a share at most 1."))


def _mix(card: catalogue.Card) -> str | Mapping[str, float]:
    """What the model's operations are made of; where nobody knows, of NAFNet's slow blocks."""
    if isinstance(card.mix, str) and card.mix not in device.MIXES:
        return "block"
    return card.mix


def _memory(limit: settings.Amount) -> routing.Room:
    """What a run may take of main memory."""
    free = memory.available_bytes()
    return routing.Room(limit.of(free), free, memory.total_bytes())


def missing_onnxruntime() -> str:
    """Why no model can run in this environment; empty when onnxruntime is installed."""
    import importlib.util

    spec = importlib.util.find_spec("onnxruntime")
    if spec is not None and spec.origin and Path(spec.origin).is_file():
        return ""
    return _("onnxruntime is not installed in the worker's environment; run the installer again")
