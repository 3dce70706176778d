"""The child that touches pixels and models: runs one job at a time, keeps models warm."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared_core.bridge import toolbox, wire
from shared_core.bridge.errors import BadInput, Cancelled, CouldNotBeDone, NssError
from shared_core.bridge.language import _
from shared_core.bridge.paths import Paths, paths
from shared_core.catalog import cards as catalogue
from shared_core.catalog import own
from shared_core.catalog.store import Presence, Store
from shared_core.engine import memory
from shared_core.speech import Speech
from shared_core.tools import registry
from shared_core.tools.work import Made, Model, Sessions, Work

from .journal import whole
from .places import Places
from .stages import CHECKING, LOADING, READING, RUNNING

PROGRESS_SECONDS = 0.1
CPU = "CPUExecutionProvider"
# Graphics cards round products to 10 or 11 bits, layer after layer.
MOST_DEVIATION = 0.05


class Runner:
    """What the child keeps between jobs: folders, store, warm sessions."""

    def __init__(self, speech: Speech) -> None:
        self._speech = speech
        self._paths: Paths = paths()
        self._store = Store(self._paths)
        self._known = own.Known(self._paths)
        self._sessions: Any = None

    def handle(self, request: dict[str, Any]) -> None:
        """Carry out one request and report its end."""
        self._stage = READING
        try:
            if request["op"] == "probe":
                self._probe()
            else:
                self._job(request)
        except (Cancelled, BadInput) as error:
            self._speech.say_error(error, stage=self._stage)
        except NssError as error:
            if self._say_changed(request):
                return
            out_of_memory = getattr(error, "out_of_memory", False)
            if request.get("provider") not in (None, CPU):
                # A device that was lost stays lost for the sessions that are open on it.
                self._forget_sessions()
            self._speech.say_error(
                error,
                stage=self._stage,
                memory=out_of_memory,
                of_the_picture=getattr(error, "of_the_picture", False),
            )
        except Exception as error:
            if self._say_changed(request):
                return
            if _is_out_of_memory(error):
                problem = CouldNotBeDone(_("memory ran out ({error})", error=error))
                self._speech.say_error(problem, stage=self._stage, memory=True)
                return
            problem = CouldNotBeDone(
                _(
                    "an error of NSS itself ({kind}: {error}); the worker's log says more. "
                    "Nothing was changed",
                    kind=type(error).__name__,
                    error=error,
                )
            )
            self._speech.say_error(problem, stage=self._stage)
            sys.excepthook(type(error), error, error.__traceback__)

    def _say_changed(self, request: dict[str, Any]) -> bool:
        """Report changed files of a model as what made its session or run fail, if they did."""
        if self._stage not in (LOADING, RUNNING) or not request.get("model"):
            return False
        try:
            self._check_unchanged(self._cards()[request["model"]])
        except NssError as error:
            self._speech.say_error(error, stage=CHECKING)
            return True
        return False

    def _forget_sessions(self) -> None:
        """Let go of all models that are kept warm."""
        if self._sessions is not None:
            self._sessions.clear()

    def _probe(self) -> None:
        from shared_core.device import probe, profile

        def tell(fraction: float, sentence: str) -> None:
            self._speech.say("progress", stage=sentence, done=round(fraction * 100), total=100)

        measured = probe.probe(tell, self._speech.cancelled)
        profile.save(measured, self._paths.profile)
        self._speech.say("done", profile=profile.to_dict(measured))

    def _job(self, request: dict[str, Any]) -> None:
        started = time.monotonic()
        peak_is_ours = memory.reset_peak_rss()
        tool = toolbox.tool(request["tool"])
        parameters = tool.parse(request["parameters"])
        self._enter(READING)
        with contextlib.ExitStack() as stack:
            places = Places(self._paths, request, tool, parameters, stack)
            if request["again"]:
                places.clear()
            picture = places.picture
            model = self._open(request) if request["path"] in wire.BY_MODEL else None
            work = Work(
                picture=picture,
                parameters=parameters,
                progress=self._progress(),
                cancelled=self._speech.cancelled,
                tile_divisor=request["tile_divisor"],
                outcome=places.outcome,
                selection=places.selection,
                strokes=places.strokes,
                sheet=places.sheet,
                matte=places.matte,
                helpers=self._helpers(tool.id, model) if request["helpers"] else {},
                seed=request["seed"] or 0,
            )
            module = registry.module(tool.id)
            opened = time.monotonic()
            before = model.sessions.load_seconds if model else 0.0
            bound = model.session.bound if model else None
            picture.begin()
            self._enter(RUNNING)
            made: Made = module.real(work, model) if model else module.classical(work)
            if model:
                self._check_unchanged(model.card)
            if made.unchanged:
                places.copy()
        done = time.monotonic()
        late = model.sessions.load_seconds - before if model else 0.0
        self._speech.say(
            "done",
            algorithm=made.algorithm,
            algorithm_parameters=made.parameters,
            tiles=made.tiles,
            found=made.found,
            unchanged=made.unchanged,
            model_runs=model.sessions.runs if model else 0,
            tile_shape=self._tile_shape(model, work, made.tiles),
            load_seconds=opened - started + late,
            run_seconds=done - opened - late,
            peak_bytes=memory.peak_rss_bytes() if peak_is_ours else None,
            bound=_bound_text(bound) if bound else None,
            onnxruntime=_onnxruntime_version() if model else None,
        )

    def _enter(self, stage: str) -> None:
        self._stage = stage
        self._speech.say("stage", stage=stage)

    def _open(self, request: dict[str, Any]) -> Model:
        self._enter(CHECKING)
        card = self._cards()[request["model"]]
        self._store.check_before_use(card, self._speech.cancelled)
        self._enter(LOADING)
        model = self._model(card, request["provider"])
        self._speech.canceller = model.sessions.cancel
        _opened = model.session
        return model

    def _model(self, card: catalogue.Card, provider: str) -> Model:
        from shared_core.device.libraries import preload
        from shared_core.engine.session import SessionCache

        preload(provider)
        if self._sessions is None:
            self._sessions = SessionCache()
        files = dict(card.sessions())

        def opened(role: str) -> Any:
            path = self._store.path(card, role)
            digest = f"{card.id}/{card.revision}/{files[role].sha256}"
            session = self._sessions.get(path, digest, provider)
            if provider != CPU:
                self._compare(card, role, session, provider)
            return session

        return Model(card, Sessions(tuple(files), opened), self._store.folder(card))

    def _compare(self, card: catalogue.Card, role: str, session: Any, provider: str) -> None:
        """Hold a provider's answer to the known values against the processor's, before first use.

        Once for each model, provider, driver and version of onnxruntime. Raises ``CouldNotBeDone``
        where they differ.
        """
        from shared_core.catalog.trust import canary
        from shared_core.device.probe import machine_key

        trial = self._store.state(card).trial
        where = f"{provider} {role} {machine_key()}"
        if trial is None or where in trial.agreed:
            return
        off = canary.deviation(canary.answered(card, role, session), trial.answers.get(role, ()))
        if off > MOST_DEVIATION:
            self._forget_sessions()
            named = {"model": card.title, "provider": wire.provider_title(provider)}
            raise CouldNotBeDone(
                _(
                    "{model} computes wrongly on {provider}: held against the processor's, its "
                    "answer to known values is off by {off:.0%}",
                    off=off,
                    **named,
                )
                if math.isfinite(off)
                else _(
                    "{model} computes wrongly on {provider}: its answer to known values is no "
                    "numbers",
                    **named,
                )
            )
        self._store.note_agreement(card, where)

    def _helpers(self, tool_id: str, model: Model | None) -> dict[str, Model]:
        """The small models beside the main one: those it needs, else those that are here.

        They run on the processor.
        """
        cards = self._cards()
        if model is not None:
            wanted = [cards[name] for name in model.card.needs]
            for card in wanted:
                self._store.check_before_use(card, self._speech.cancelled)
        else:
            wanted = [card for card in cards.values() if tool_id in card.helps]
            wanted = [card for card in wanted if self._usable(card)]
        return {card.id: self._model(card, CPU) for card in wanted}

    def _usable(self, card: catalogue.Card) -> bool:
        try:
            self._store.check_before_use(card, self._speech.cancelled)
        except NssError:
            return False
        return True

    def _check_unchanged(self, card: catalogue.Card) -> None:
        """Raise ``CouldNotBeDone`` where its sessions may not be of the bytes that were verified.

        Files that were only removed meanwhile had been read before.
        """
        for one in (card, *(self._cards()[name] for name in card.needs)):
            state = self._store.check(one)
            if state.presence is Presence.BAD:
                self._forget_sessions()
                raise CouldNotBeDone(
                    _(
                        "the files of {model} changed while it was used, so its result is not. "
                        "{reason}",
                        model=one.title,
                        reason=state.reason,
                    )
                )

    def _cards(self) -> Mapping[str, catalogue.Card]:
        return self._known.cards()

    @staticmethod
    def _tile_shape(model: Model | None, work: Work, runs: int) -> str | None:
        if model is None:
            return None
        picture = work.picture
        rule, bounds = model.card.tile, picture.bounds
        if rule is None:
            return whole(model.card, runs)
        rule = rule.divided(work.tile_divisor)
        grid = rule.over(bounds.width, bounds.height, picture.region)
        return f"{grid.width}x{grid.height}"

    def _progress(self) -> Any:
        begun = time.monotonic()
        last = 0.0

        def tell(done: int, total: int) -> None:
            nonlocal last
            now = time.monotonic()
            if done == total or now - last >= PROGRESS_SECONDS:
                last = now
                left = (now - begun) / done * (total - done) if done else None
                self._speech.say(
                    "progress", stage="running", done=done, total=total, seconds_left=left
                )

        return tell


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError):
        return True
    if isinstance(error, OSError):
        return error.errno == errno.ENOMEM
    return "insufficient memory" in str(error).lower()


def _bound_text(bound: Any) -> str:
    """The provider that ran, and its share of the nodes where others ran some too."""
    if bound.share is None or bound.share >= 1:
        return str(bound.provider)
    return f"{bound.provider} ({bound.share:.0%})"


def _onnxruntime_version() -> str:
    import onnxruntime

    return str(onnxruntime.__version__)


def main() -> None:
    """Serve the supervisor until it closes our input."""
    with contextlib.suppress(OSError):
        # When memory runs out the system shall end this process, not the editor.
        Path("/proc/self/oom_score_adj").write_text("800", "ascii")
    speech = Speech()
    runner = Runner(speech)
    for request in speech.requests():
        speech.canceller = None
        runner.handle(request)


if __name__ == "__main__":
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    main()
