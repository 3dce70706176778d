"""One job from its plan to its receipt; the probe and downloads.

This is the only place where a failed real path turns into a classical one, and the only place
where receipts are made.
"""

from __future__ import annotations

import contextlib
import platform
import secrets
import threading
from dataclasses import replace
from datetime import datetime, timezone
from typing import Any

from shared_core.bridge import __version__, launch, receipt, toolbox, wire
from shared_core.bridge.errors import (
    BadInput,
    Cancelled,
    CouldNotBeDone,
    NssError,
    RealPathImpossible,
)
from shared_core.bridge.language import _, joined
from shared_core.bridge.paths import Paths
from shared_core.catalog.store import CANARY, DOWNLOADING, VERIFYING, WAITING, Store
from shared_core.child import Child, ChildDied, Event
from shared_core.device import profile as device

from . import showcase
from .attempts import Attempts, RealFailed, Run, Send, Stopped, pixels_of, question
from .journal import Journal
from .own_models import OwnModels
from .planner import CPU, Planner, missing_onnxruntime
from .stages import SILENCE_SECONDS

# glibc then keeps the pages of arrays between tiles; measured to halve the cost of reading.
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "268435456"}

UNCHANGED = _("unchanged copy")


class JobRunner:
    """Owns the runner child, the planner and the journal."""

    def __init__(self, where: Paths, journal: Journal) -> None:
        self._paths = where
        self.journal = journal
        self.planner = Planner(where, journal, Store(where))
        self.planner.onnxruntime_trouble = missing_onnxruntime()
        self._child: Child | None = None
        self._guard = threading.Lock()
        self.own_models = OwnModels(where, journal, lambda: self.planner.cards)
        self._attempts = Attempts(journal, self.planner, where.log, self._runner, self.rest)
        self._probe_wanted = True
        self._died_before = journal.recover()
        with contextlib.suppress(Exception):
            from shared_core.device.probe import machine_key

            self.planner.profile = device.load(where.profile, machine_key())

    def tidy(self) -> None:
        """Delete what earlier downloads left that no later one will go on with."""
        with contextlib.suppress(NssError, OSError):
            Store(self._paths).sweep(self.planner.cards.values())

    # The runner child

    def runner_pid(self) -> int | None:
        """Process id of the runner, if one is there."""
        child = self._child
        return child.pid if child and child.alive() else None

    def rest(self) -> None:
        """End the idle runner."""
        with self._guard:
            if self._child is not None:
                self._child.end()
                self._child = None

    end = rest

    def _runner(self) -> Child:
        with self._guard:
            if self._child is not None and not self._child.alive():
                self._child.end()
                self._child = None
            if self._child is None:
                self._child = Child("shared_core.worker.runner", environment=_ALLOCATOR)
            return self._child

    # Probe and download

    def wants_probe(self) -> bool:
        """Whether to measure this machine in the background; true once at most."""
        wanted = self._probe_wanted and self.planner.profile is None
        self._probe_wanted = False
        return wanted and not self.planner.onnxruntime_trouble

    def machine(self) -> wire.DoctorReply:
        """The machine's profile with advice, as data and in words."""
        return showcase.machine(self.planner)

    def models(self) -> wire.ModelsReply:
        """All models and what is here of them."""
        return showcase.models(self.planner, self._paths)

    def probe(self, stopped: Stopped) -> None:
        """Measure the machine in the runner; a failure leaves the cautious defaults."""
        runner = self._runner()
        try:
            runner.send({"op": "probe"})
            done = runner.follow(lambda event: None, stopped, silence=SILENCE_SECONDS)
            self.planner.profile = device.from_dict(done["profile"])
        except Cancelled:
            self._probe_wanted = True
            raise
        except (ChildDied, NssError, ValueError, KeyError) as error:
            raise CouldNotBeDone(
                _("This machine could not be measured: {error}.", error=error)
            ) from error

    def download(self, message: wire.Download, send: Send, stopped: Stopped) -> None:
        """Fetch, verify and try one model in a child process."""
        card = self.planner.cards.get(message.model)
        if card is None:
            raise BadInput(
                _("There is no model {model} in the catalogue.", model=repr(message.model))
            )
        environment = launch.hub_environment(message.environment)
        child = Child("shared_core.catalog.fetch", card.id, environment=environment)
        broke = _("The download of {model} broke off", model=card.title)
        self._follow(child, send, stopped, broke, card.title)
        self.journal.forget(model=card.id)

    def tend(self, message: wire.Tend, send: Send, stopped: Stopped) -> str:
        """Verify, remove, import, export or move models in a child process; what came of it."""
        folder = ["--folder", message.folder] if message.folder else []
        child = Child(
            "shared_core.catalog.chores",
            *folder,
            "--",
            message.chore,
            *message.models,
            environment={"HF_HUB_OFFLINE": "1"},
        )
        done = self._follow(child, send, stopped, _("That broke off"))
        for model in done["tried"]:
            self.journal.forget(model=model)
        return str(done["text"])

    @staticmethod
    def _follow(
        child: Child, send: Send, stopped: Stopped, broke: str, title: str = _("models")
    ) -> Event:
        """Pass a child's progress on until its last event, which is returned."""
        doing = _stage(DOWNLOADING, title)

        def tell(event: Event) -> None:
            nonlocal doing
            if event["event"] == "stage":
                doing = _stage(event["stage"], title)
                if event["stage"] != DOWNLOADING:
                    send(wire.Progress(doing, 0, 1, "steps"))
                return
            done, total, speed = int(event["done"]), int(event["total"]), event["speed"]
            left = (total - done) / speed if speed else None
            what = event["doing"] or doing
            send(wire.Progress(what, done, total, "bytes", left, bytes_per_second=speed))

        try:
            return child.follow(tell, stopped)
        except ChildDied as error:
            raise CouldNotBeDone(
                _(
                    "{broke} ({error}): start it again, and it goes on where it was.",
                    broke=broke,
                    error=error,
                )
            ) from None
        finally:
            child.end()

    # Jobs

    def run(self, job: wire.StartJob, host: str, send: Send, stopped: Stopped) -> dict[str, Any]:
        """Run a job to its receipt. Raises what kept even the classical path from a result."""
        run = Run(secrets.token_hex(8), job, send, stopped, _seed(job))
        run.again = bool(job.lost_worker)
        started = datetime.now(timezone.utc)
        fault = job.lost_worker
        if fault:
            # Several jobs may have been lost with the worker; only one of them was running.
            pixels = pixels_of(job)
            mine = [f for f in self._died_before if (f.tool, f.pixels) == (job.tool, pixels)]
            fault = mine[-1].what if mine else fault
        plan = self._plan(job)
        if plan.path is None:
            raise RealPathImpossible(
                _("The real path is not possible: {reason}.", reason=plan.reason)
            )
        done: Event | None = None
        if plan.path in wire.BY_MODEL and not job.lost_worker:
            try:
                plan, done, fault = self._attempts.real(run, plan)
            except RealFailed as failure:
                fault = str(failure)
                self._attempts.remember(run, plan, failure)
                if job.path == wire.REAL:
                    raise RealPathImpossible(
                        _(
                            "{model} could not finish: {fault}. Nothing was changed; without "
                            "“real only” the classical path gives a result.",
                            model=plan.title,
                            fault=fault,
                        )
                    ) from None
        elif plan.path in wire.BY_MODEL and job.path == wire.REAL:
            raise RealPathImpossible(
                _(
                    "{model} could not finish: {fault}. Nothing was changed.",
                    model=plan.title,
                    fault=fault,
                )
            )
        if done is None:
            if plan.path in wire.BY_MODEL:
                classical = self._plan(replace(job, path=wire.CLASSICAL))
                why = (
                    fault
                    if job.lost_worker
                    else _("{model} failed: {fault}", model=plan.title, fault=fault)
                )
                plan = replace(classical, reason=why)
            done, trouble = self._attempts.classical(run, plan)
            fault = joined("; ", [text for text in (fault, trouble) if text])
        if done["unchanged"]:
            # Nothing was changed, so no model made any pixel of it.
            plan = replace(self._plan(replace(job, path=wire.CLASSICAL)), reason=done["unchanged"])
            done["algorithm"], done["bound"], done["onnxruntime"] = UNCHANGED, None, None
        if job.note and job.note not in plan.reason:
            plan = replace(plan, reason=joined("; ", [plan.reason, job.note]))
        return receipt.to_dict(self._receipt(run, plan, done, fault or None, host, started))

    def _plan(self, job: wire.StartJob) -> wire.Plan:
        return self.planner.plan(question(job))

    def _receipt(
        self,
        run: Run,
        plan: wire.Plan,
        done: Event,
        fault: str | None,
        host: str,
        started: datetime,
    ) -> receipt.Receipt:
        job = run.job
        real = plan.path in wire.BY_MODEL
        model = None
        if real:
            card = self.planner.cards[plan.model or ""]
            file = card.main_file
            digest = file.sha256 or self.planner.hub_declared(card, file)
            model = receipt.Model(
                card.id, card.title, card.repo, card.revision, file.path, digest, card.licence
            )
        name = done["algorithm"] or (toolbox.tool(job.tool).classical_name if not real else None)
        algorithm = receipt.Algorithm(name, done["algorithm_parameters"]) if name else None
        device_name = (
            self.planner.device_name(plan.provider or CPU) or platform.processor() or "CPU"
        )
        return receipt.Receipt(
            tool=job.tool,
            path=plan.path or "",
            model=model,
            algorithm=algorithm,
            provider=receipt.Provider(plan.provider if real else None, done["bound"], device_name),
            reason=plan.reason,
            fault=fault,
            predicted=receipt.Predicted(plan.seconds, plan.peak_bytes),
            actual=receipt.Actual(
                round(done["load_seconds"], 3),
                round(done["run_seconds"], 3),
                round((datetime.now(timezone.utc) - started).total_seconds(), 3),
                done["peak_bytes"],
                done["tiles"],
            ),
            image=receipt.ImageFacts(
                job.source.width, job.source.height, job.source.depth, job.mask is not None
            ),
            parameters=job.parameters,
            seed=run.seed,
            versions=receipt.Versions(__version__, done["onnxruntime"], host),
            started=started.strftime("%Y-%m-%dT%H:%M:%SZ"),
            source=job.previous,
            found=done["found"],
        )


def _stage(stage: str, title: str) -> str:
    """A download's stage as users read it."""
    if stage == WAITING:
        return _("waiting for another download of {model}", model=title)
    if stage == VERIFYING:
        return _("verifying {model}", model=title)
    if stage == CANARY:
        return _("trying out {model}", model=title)
    return _("downloading {model}", model=title)


def _seed(job: wire.StartJob) -> int | None:
    """The seed that the user chose, or one of chance; None for tools without chance."""
    parameters = toolbox.tool(job.tool).parse(job.parameters)
    if "seed" not in parameters:
        return None
    chosen = parameters["seed"]
    return secrets.randbelow(1 << 31) if chosen == toolbox.AUTO else int(chosen)
