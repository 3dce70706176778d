"""One job from its plan to its receipt: the real path, its fallback, and what the journal learns.

This is the only place where a failed real path turns into a classical one, and the only place
where receipts are made.
"""

from __future__ import annotations

import contextlib
import platform
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from typing import Any

from shared_core import routing
from shared_core.bridge import __version__, receipt, toolbox, wire
from shared_core.bridge.errors import (
    BadInput,
    Cancelled,
    CouldNotBeDone,
    NssError,
    RealPathImpossible,
)
from shared_core.bridge.paths import Paths
from shared_core.catalog.cards import Card
from shared_core.catalog.store import Store
from shared_core.device import profile as device
from shared_core.tools.costs import CLASSICAL

from .child import (
    CHECKING,
    READING,
    RUNNING,
    SILENCE_SECONDS,
    STARTING,
    Child,
    ChildDied,
    Event,
)
from .journal import Fault, Journal, Mark, died
from .planner import CPU, Planner, missing_onnxruntime

# glibc then keeps the pages of arrays between tiles; measured to halve the cost of reading.
_ALLOCATOR = {"MALLOC_MMAP_THRESHOLD_": "33554432", "MALLOC_TRIM_THRESHOLD_": "268435456"}

Send = Callable[[Any], None]
Stopped = Callable[[], bool]
UNCHANGED = "unchanged copy"
# A job's pixel files beside its source.
_PLACES = ("result", "mask", "strokes", "matte")
MIN_WATCHDOG_SECONDS = 30.0
WATCHDOG_FACTOR = 10.0
# Of a run that nothing is known of.
UNKNOWN_SECONDS = 60.0


class _RealFailed(Exception):
    """The real path ended without a result; the text is the fault.

    ``pixels`` is from which size on it counts, None where the model had no part in it; ``memory``
    says that it was for want of memory, in the stage ``stage``.
    """

    def __init__(
        self, what: str, pixels: int | None, memory: bool = False, stage: str = ""
    ) -> None:
        super().__init__(what)
        self.pixels = pixels
        self.memory = memory
        self.stage = stage


@dataclass(frozen=True)
class _Attempt:
    """One try at a job: ``tile_divisor`` 2 for half the tile, ``helpers`` whether they may run."""

    plan: wire.Plan
    tile_divisor: int = 1
    helpers: bool = True
    why: str = ""


@dataclass
class _Run:
    """A job on its way; ``again`` once an attempt may have left something in the result."""

    id: str
    job: wire.StartJob
    send: Send
    stopped: Stopped
    seed: int | None = None
    stage: str = STARTING
    tile_seconds: float | None = None
    again: bool = False


class JobRunner:
    """Owns the runner child, the planner and the journal."""

    def __init__(self, where: Paths, journal: Journal) -> None:
        self._paths = where
        self.journal = journal
        self.planner = Planner(where, journal, Store(where))
        self.planner.onnxruntime_trouble = missing_onnxruntime()
        self._child: Child | None = None
        self._guard = threading.Lock()
        self._probe_wanted = True
        self._died_before = journal.recover()
        with contextlib.suppress(Exception):
            from shared_core.device.probe import machine_key

            self.planner.profile = device.load(where.profile, machine_key())

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

    def profile(self) -> dict[str, Any] | None:
        """The machine's profile as data."""
        return device.to_dict(self.planner.profile) if self.planner.profile else None

    def advice(self) -> dict[str, Any]:
        """The tiers as data, with the recommended one."""
        return asdict(self.planner.advice())

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
            raise CouldNotBeDone(f"This machine could not be measured: {error}.") from error

    def download(self, message: wire.Download, send: Send, stopped: Stopped) -> None:
        """Fetch, verify and try one model in a child process."""
        card = self.planner.cards.get(message.model)
        if card is None:
            raise BadInput(f"There is no model {message.model!r} in the catalogue.")
        child = Child("shared_core.catalog.fetch", card.id, environment=message.environment)
        began = time.monotonic()
        first: list[int] = []
        stage = "downloading"

        def tell(event: Event) -> None:
            nonlocal stage
            if event["event"] == "stage":
                stage = str(event["stage"])
                send(wire.Progress(f"{card.title}: {stage}", 0, 1, "steps"))
                return
            done, total = int(event["done"]), int(event["total"])
            first.append(done)
            gained = done - first[0]
            left = (time.monotonic() - began) / gained * (total - done) if gained > 0 else None
            send(wire.Progress(f"downloading {card.title}", done, total, "bytes", left))

        try:
            child.follow(tell, stopped)
        except ChildDied as error:
            raise CouldNotBeDone(
                f"The download of {card.title} broke off ({error}). Start it again; what is here "
                "already is kept."
            ) from None
        finally:
            child.end()
        self.journal.forget(model=card.id)

    # Jobs

    def run(self, job: wire.StartJob, host: str, send: Send, stopped: Stopped) -> dict[str, Any]:
        """Run a job to its receipt. Raises what kept even the classical path from a result."""
        run = _Run(secrets.token_hex(8), job, send, stopped, _seed(job))
        run.again = bool(job.lost_worker)
        started = datetime.now(timezone.utc)
        fault = job.lost_worker
        if fault:
            # Several jobs may have been lost with the worker; only one of them was running.
            pixels = _pixels(job)
            mine = [f for f in self._died_before if (f.tool, f.pixels) == (job.tool, pixels)]
            fault = mine[-1].what if mine else fault
        plan = self._plan(job)
        if plan.path is None:
            raise RealPathImpossible(f"The real path is not possible: {plan.reason}.")
        done: Event | None = None
        if plan.path == wire.REAL and not job.lost_worker:
            try:
                plan, done, fault = self._real(run, plan)
            except _RealFailed as failure:
                fault = str(failure)
                self._remember(run, plan, failure)
                if job.path == wire.REAL:
                    raise RealPathImpossible(
                        f"{plan.title} could not finish: {fault}. Nothing was changed; without "
                        "“real only” the classical path gives a result."
                    ) from None
        elif plan.path == wire.REAL and job.path == wire.REAL:
            raise RealPathImpossible(
                f"{plan.title} could not finish: {fault}. Nothing was changed."
            )
        if done is None:
            if plan.path == wire.REAL:
                classical = self._plan(replace(job, path=wire.CLASSICAL))
                why = fault if job.lost_worker else f"{plan.title} failed: {fault}"
                plan = replace(classical, reason=why)
            done, trouble = self._classical(run, plan)
            fault = "; ".join(text for text in (fault, trouble) if text)
        if done["unchanged"]:
            # Nothing was changed, so no model made any pixel of it.
            plan = replace(self._plan(replace(job, path=wire.CLASSICAL)), reason=done["unchanged"])
            done["algorithm"], done["bound"], done["onnxruntime"] = UNCHANGED, None, None
        if job.note and job.note not in plan.reason:
            plan = replace(plan, reason=f"{plan.reason}; {job.note}")
        return receipt.to_dict(self._receipt(run, plan, done, fault or None, host, started))

    def _plan(self, job: wire.StartJob) -> wire.Plan:
        return self.planner.plan(
            wire.AskPlan(
                job.tool,
                *_worked(job),
                job.path,
                job.parameters,
                job.budget_seconds,
                job.memory_bytes,
                job.commercial_only,
            )
        )

    def _real(self, run: _Run, plan: wire.Plan) -> tuple[wire.Plan, Event, str]:
        """The plan that the real path came to its end by, its result, and the fault before it.

        Where memory ran out it is tried with smaller tiles, then on the processor.
        """
        failures: list[_RealFailed] = []
        for attempt in [_Attempt(plan), *self._easier(run, plan)]:
            if attempt.tile_divisor > 1 and failures[-1].stage != RUNNING:
                # What a session takes does not depend on the tiles.
                continue
            try:
                done = self._real_once(run, attempt)
            except _RealFailed as failure:
                failures.append(failure)
                if not failure.memory:
                    break
            else:
                reason = f"{plan.reason}; {attempt.why}" if attempt.why else plan.reason
                fault = "; ".join(map(str, failures))
                return replace(attempt.plan, reason=reason), done, fault
        texts = list(dict.fromkeys(map(str, failures)))
        last = failures[-1]
        raise _RealFailed("; then: ".join(texts), last.pixels, last.memory, last.stage)

    def _easier(self, run: _Run, plan: wire.Plan) -> list[_Attempt]:
        """What may still go where the plan went beyond the memory."""
        card = self.planner.cards[plan.model or ""]
        provider = plan.provider or CPU
        attempts = []
        if card.tile is not None and not card.tile.fixed:
            why = f"in smaller tiles, since memory ran out on {wire.provider_title(provider)}"
            attempts.append(_Attempt(plan, tile_divisor=2, why=why))
        if provider != CPU and self._bearable_on_cpu(run, card):
            why = f"on the processor, since memory ran out on {wire.provider_title(provider)}"
            attempts.append(_Attempt(replace(plan, provider=CPU), why=why))
        return attempts

    def _bearable_on_cpu(self, run: _Run, card: Card) -> bool:
        """Whether the processor would do it within the user's time."""
        job = run.job
        if self.journal.fault_of(card.id, CPU, _pixels(job)):
            return False
        parameters = toolbox.tool(job.tool).parse(job.parameters)
        seconds = self.planner.seconds(card, CPU, *_worked(job), parameters)
        budget = job.budget_seconds or routing.DEFAULT_BUDGET_SECONDS
        return job.path == wire.REAL or (seconds is not None and seconds <= budget)

    def _real_once(self, run: _Run, attempt: _Attempt) -> Event:
        plan = attempt.plan
        model, provider = plan.model or "", plan.provider or CPU
        pixels = _pixels(run.job)
        mark = Mark(run.id, run.job.tool, model, plan.title, provider, pixels, STARTING)
        self.journal.open(mark)
        try:
            done = self._ask(run, attempt, mark)
        except ChildDied as error:
            mark = replace(mark, stage=run.stage)
            blamed = pixels if mark.blamed else None
            raise _RealFailed(f"{died(mark)}: {error}", blamed) from None
        except (Cancelled, BadInput):
            raise
        except NssError as error:
            if _in_the_files(error):
                raise
            details: Event = getattr(error, "details", {})
            stage, memory = str(details.get("stage")), _for_memory(error)
            size: int | None = pixels if memory else 0
            if stage in (READING, CHECKING):
                # What is wrong with its files, the store knows.
                size = None
            raise _RealFailed(str(error), size, memory, stage) from None
        finally:
            self.journal.close(run.id)
        if not (done["model_runs"] or done["unchanged"]):
            raise _RealFailed("the model's session did not run", 0)
        self.journal.refute(model, provider, pixels)
        if done["tiles"] and done["tile_shape"]:
            key = f"{model}/{provider}/{done['tile_shape']}"
            self.journal.note_speed(key, done["run_seconds"] / done["tiles"])
        self.journal.note_speed(f"{model}/{provider}/load", done["load_seconds"])
        return done

    def _classical(self, run: _Run, plan: wire.Plan) -> tuple[Event, str]:
        """The classical path's result, and what failed on the way to it.

        One retry with half the tile and without the small models that help where they are here.
        """
        trouble = ""
        for attempt in (_Attempt(plan), _Attempt(plan, tile_divisor=2, helpers=False)):
            try:
                done = self._ask(run, attempt, None)
            except ChildDied as error:
                trouble = f"the first attempt at {plan.title} ended early: {error}"
                continue
            except (Cancelled, BadInput):
                raise
            except NssError as error:
                if _in_the_files(error):
                    raise
                trouble = f"the first attempt at {plan.title} failed: {error}"
                continue
            megapixels = _pixels(run.job) / 1e6
            if megapixels > 0.1:
                key = f"classical/{run.job.tool}"
                seconds = max(0.0, done["run_seconds"] - CLASSICAL[run.job.tool].seconds)
                self.journal.note_speed(key, seconds / megapixels)
            return done, trouble
        why = trouble.partition(": ")[2]
        raise CouldNotBeDone(
            f"{plan.title.capitalize()} was tried twice and ended both times without a result "
            f"({why}). "
            f"The worker's log says more: {self._paths.log}. If memory ran out, close other "
            "programs or work on a smaller part of the picture. Nothing was changed."
        )

    def _ask(self, run: _Run, attempt: _Attempt, mark: Mark | None) -> Event:
        job, plan = run.job, attempt.plan
        card = self.planner.cards.get(plan.model or "")
        first_tile = time.monotonic()
        run.stage, run.tile_seconds = STARTING, None
        # Only where the parts are alike does one of them say what to expect of the next.
        even = card is not None and card.tile is not None
        predicted = plan.seconds or UNKNOWN_SECONDS

        def tell(event: Event) -> None:
            nonlocal first_tile, predicted
            if event["event"] == "stage":
                run.stage = str(event["stage"])
                first_tile = time.monotonic()
                if mark is not None:
                    self.journal.open(replace(mark, stage=run.stage))
                run.send(wire.Progress(run.stage, 0, 1, "steps", plan=plan))
                return
            done, total = int(event["done"]), int(event["total"])
            if even and plan.seconds and total:
                predicted = plan.seconds / total
            if even and done:
                run.tile_seconds = run.tile_seconds or (time.monotonic() - first_tile) / done
                predicted = max(predicted, run.tile_seconds)
            left = event.get("seconds_left")
            run.send(wire.Progress(_doing(plan), done, total, "tiles", left, plan))

        def deadline() -> float:
            return max(MIN_WATCHDOG_SECONDS, WATCHDOG_FACTOR * predicted)

        request = {
            "op": "job",
            "tool": job.tool,
            "path": plan.path,
            "model": plan.model,
            "provider": plan.provider,
            "parameters": job.parameters,
            "source": asdict(job.source),
            "seed": run.seed,
            **{name: _description(getattr(job, name)) for name in _PLACES},
            "tile_divisor": attempt.tile_divisor,
            "helpers": attempt.helpers,
            "again": run.again,
        }
        for last in (False, True):
            runner = self._runner()
            try:
                runner.send(request)
                done = runner.follow(tell, run.stopped, deadline, SILENCE_SECONDS)
                break
            except NssError as error:
                if _for_memory(error):
                    # Whatever comes next begins with all the memory there is.
                    self.rest()
                raise
            except ChildDied:
                # One that died before it began had died of something else, or was ended idle.
                if last or run.stage != STARTING:
                    raise
            finally:
                run.again = True
        return done

    def _remember(self, run: _Run, plan: wire.Plan, failure: _RealFailed) -> None:
        if failure.pixels is None:
            return
        when = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.journal.note_fault(
            Fault(
                run.job.tool,
                plan.model or "",
                plan.provider or CPU,
                failure.pixels,
                str(failure),
                when,
            )
        )

    def _receipt(
        self,
        run: _Run,
        plan: wire.Plan,
        done: Event,
        fault: str | None,
        host: str,
        started: datetime,
    ) -> receipt.Receipt:
        job = run.job
        real = plan.path == wire.REAL
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


def _in_the_files(error: NssError) -> bool:
    """Whether the job's pixel files are at fault, which every path reads."""
    details: Event = getattr(error, "details", {})
    return details.get("stage") == READING and not _for_memory(error)


def _for_memory(error: NssError) -> bool:
    """Whether the runner reported that memory ran out."""
    details: Event = getattr(error, "details", {})
    return bool(details.get("memory"))


def _seed(job: wire.StartJob) -> int | None:
    """The seed that the user chose, or one of chance; None for tools without chance."""
    parameters = toolbox.tool(job.tool).parse(job.parameters)
    if "seed" not in parameters:
        return None
    chosen = parameters["seed"]
    return secrets.randbelow(1 << 31) if chosen == toolbox.AUTO else int(chosen)


def _description(file: wire.PixelFile | None) -> dict[str, Any] | None:
    return asdict(file) if file else None


def _worked(job: wire.StartJob) -> tuple[int, int]:
    """Width and height of the part that is worked on."""
    return job.worked_width or job.source.width, job.worked_height or job.source.height


def _pixels(job: wire.StartJob) -> int:
    width, height = _worked(job)
    return width * height


def _doing(plan: wire.Plan) -> str:
    return plan.title if plan.path == wire.CLASSICAL else f"real {plan.title}"
