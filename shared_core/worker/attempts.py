"""How a job is tried: the real path, an easier one where memory ran out, the classical one.

An attempt is one request to the runner; it ends with a result, an error, or the runner's death.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from shared_core.bridge import toolbox, wire
from shared_core.bridge.errors import BadInput, Cancelled, CouldNotBeDone, NssError
from shared_core.bridge.language import _, joined
from shared_core.child import Child, ChildDied, Event
from shared_core.tools import costs

from .journal import Fault, Journal, Mark, died
from .planner import CPU, Planner
from .stages import CHECKING, READING, RUNNING, SILENCE_SECONDS, STARTING, words

Send = Callable[[Any], None]
Stopped = Callable[[], bool]
# A job's pixel files beside its source.
_PLACES = ("result", "mask", "strokes", "matte")
MIN_WATCHDOG_SECONDS = 30.0
WATCHDOG_FACTOR = 10.0
# Of a run that nothing is known of.
UNKNOWN_SECONDS = 60.0


class RealFailed(Exception):
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
class Attempt:
    """One try at a job, by a plan; ``helpers`` says whether small models may help, ``why`` why."""

    plan: wire.Plan
    helpers: bool = True
    why: str = ""


@dataclass
class Run:
    """A job on its way; ``again`` once an attempt may have left something in the result."""

    id: str
    job: wire.StartJob
    send: Send
    stopped: Stopped
    seed: int | None = None
    stage: str = STARTING
    tile_seconds: float | None = None
    again: bool = False


class Attempts:
    """Tries jobs in the runner that ``runner`` gives; ``rest`` ends it, so that the next is fresh.

    The journal learns from each attempt what was running, and how fast it went.
    """

    def __init__(
        self,
        journal: Journal,
        planner: Planner,
        log: Path,
        runner: Callable[[], Child],
        rest: Callable[[], None],
    ) -> None:
        self._journal = journal
        self._planner = planner
        self._log = log
        self._runner = runner
        self._rest = rest

    def real(self, run: Run, plan: wire.Plan) -> tuple[wire.Plan, Event, str]:
        """The plan that the real path came to its end by, its result, and the fault before it.

        Where memory ran out it is tried with smaller tiles, then on the processor. Raises
        ``RealFailed``, ``Cancelled``, and what is wrong with the picture.
        """
        failures: list[RealFailed] = []
        failed: list[wire.Plan] = []
        for attempt in self._attempts(run, plan):
            smaller = failures and attempt.plan.provider == plan.provider
            if smaller and failures[-1].stage != RUNNING:
                # What a session takes does not depend on the tiles.
                continue
            try:
                done = self._real_once(run, attempt)
            except RealFailed as failure:
                failures.append(failure)
                failed.append(attempt.plan)
                if not failure.memory:
                    break
            else:
                for before, why in zip(failed, failures, strict=True):
                    # So that a later plan begins with what went well here.
                    self.remember(run, before, why, before.tile_divisor)
                reason = joined("; ", [plan.reason, attempt.why]) if attempt.why else plan.reason
                fault = joined("; ", map(str, failures))
                return replace(attempt.plan, reason=reason), done, fault
        texts = list(dict.fromkeys(map(str, failures)))
        last = failures[-1]
        raise RealFailed(joined(_("; then: "), texts), last.pixels, last.memory, last.stage)

    def remember(
        self, run: Run, plan: wire.Plan, failure: RealFailed, tile_divisor: int = 0
    ) -> None:
        """Have later plans do without what failed, in such tiles and larger ones or in any."""
        if failure.pixels is not None:
            when = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
            model, provider = plan.model or "", plan.provider or CPU
            text, size = str(failure), failure.pixels
            self._journal.note_fault(
                Fault(run.job.tool, model, provider, size, text, when, tile_divisor)
            )

    def _attempts(self, run: Run, plan: wire.Plan) -> Iterator[Attempt]:
        """The plan, and what may still go where it went beyond the memory."""
        yield Attempt(plan)
        card = self._planner.cards[plan.model or ""]
        provider = plan.provider or CPU
        full = wire.provider_title(provider)
        if card.tile is not None and not card.tile.fixed:
            why = _("in smaller tiles, since memory ran out on {provider}", provider=full)
            yield Attempt(_halved(plan), why=why)
        if provider != CPU:
            instead = self._planner.plan(question(run.job), CPU)
            if (instead.path, instead.model) == (plan.path, plan.model):
                why = _("on the processor, since memory ran out on {provider}", provider=full)
                yield Attempt(instead, why=why)

    def _real_once(self, run: Run, attempt: Attempt) -> Event:
        plan = attempt.plan
        model, provider = plan.model or "", plan.provider or CPU
        pixels = pixels_of(run.job)
        mark = Mark(run.id, run.job.tool, model, plan.title, provider, pixels, STARTING)
        self._journal.open(mark)
        try:
            done = self._ask(run, attempt, mark)
        except ChildDied as error:
            mark = replace(mark, stage=run.stage)
            blamed = pixels if mark.blamed else None
            raise RealFailed(joined(": ", [died(mark), str(error)]), blamed) from None
        except (Cancelled, BadInput):
            raise
        except NssError as error:
            if _in_the_files(error):
                raise
            details: Event = getattr(error, "details", {})
            stage, memory = str(details.get("stage")), _for_memory(error)
            size: int | None = pixels if memory else 0
            if stage in (READING, CHECKING) or details.get("of_the_picture"):
                # What is wrong with its files, the store knows; another picture may be fine.
                size = None
            raise RealFailed(str(error), size, memory, stage) from None
        finally:
            self._journal.close(run.id)
        if not (done["model_runs"] or done["unchanged"]):
            raise RealFailed(_("the model's session did not run"), 0)
        self._journal.refute(model, provider, pixels, plan.tile_divisor)
        speeds = {f"{model}/{provider}/load": done["load_seconds"]}
        if done["tiles"] and done["tile_shape"]:
            key = f"{model}/{provider}/{done['tile_shape']}"
            speeds[key] = done["run_seconds"] / done["tiles"]
        self._journal.note_speeds(speeds)
        return done

    def classical(self, run: Run, plan: wire.Plan) -> tuple[Event, str]:
        """The classical path's result, and what failed on the way to it.

        One retry with half the tile and without the small models that help where they are here.
        Raises ``CouldNotBeDone``, ``Cancelled``, and what is wrong with the picture.
        """
        trouble, why = "", ""
        for attempt in (Attempt(plan), Attempt(_halved(plan), helpers=False)):
            try:
                done = self._ask(run, attempt, None)
            except ChildDied as error:
                why = str(error)
                trouble = _(
                    "the first attempt at {model} ended early: {error}",
                    model=plan.title,
                    error=why,
                )
                continue
            except (Cancelled, BadInput):
                raise
            except NssError as error:
                if _in_the_files(error):
                    raise
                why = str(error)
                trouble = _(
                    "the first attempt at {model} failed: {error}", model=plan.title, error=why
                )
                continue
            self._note_classical(run.job, done["run_seconds"])
            return done, trouble
        raise CouldNotBeDone(
            _(
                "It was tried twice ({model}) and ended both times without a result: {why}. The "
                "worker's log says more: {log}. If memory ran out, close other programs or "
                "work on a smaller part of the picture. Nothing was changed.",
                model=plan.title,
                why=why,
                log=self._log,
            )
        )

    def _note_classical(self, job: wire.StartJob, run_seconds: float) -> None:
        tool = toolbox.tool(job.tool)
        size = worked(job)
        megapixels = costs.megapixels(tool, tool.parse(job.parameters), *size)
        # Small pictures say little about large ones.
        if megapixels > 0.1:
            seconds = max(0.0, run_seconds - costs.CLASSICAL[job.tool].seconds)
            self._journal.note_speed(f"classical/{job.tool}", seconds / megapixels)

    def _ask(self, run: Run, attempt: Attempt, mark: Mark | None) -> Event:
        job, plan = run.job, attempt.plan
        card = self._planner.cards.get(plan.model or "")
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
                    self._journal.open(replace(mark, stage=run.stage))
                run.send(wire.Progress(words(run.stage), 0, 1, "steps", plan=plan))
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
            "tile_divisor": plan.tile_divisor,
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
                    self._rest()
                raise
            except ChildDied:
                # One that died before it began had died of something else, or was ended idle.
                if last or run.stage != STARTING:
                    raise
            finally:
                run.again = True
        return done


def _in_the_files(error: NssError) -> bool:
    """Whether the job's pixel files are at fault, which every path reads."""
    details: Event = getattr(error, "details", {})
    return details.get("stage") == READING and not _for_memory(error)


def _for_memory(error: NssError) -> bool:
    """Whether the runner reported that memory ran out."""
    details: Event = getattr(error, "details", {})
    return bool(details.get("memory"))


def worked(job: wire.StartJob) -> tuple[int, int]:
    """Width and height of the part that is worked on."""
    return job.worked_width or job.source.width, job.worked_height or job.source.height


def question(job: wire.StartJob) -> wire.AskPlan:
    """What a plan for the job is asked for."""
    return wire.AskPlan(
        job.tool, *worked(job), job.path, job.parameters, job.limits, job.commercial_only
    )


def _halved(plan: wire.Plan) -> wire.Plan:
    return replace(plan, tile_divisor=2 * plan.tile_divisor)


def pixels_of(job: wire.StartJob) -> int:
    """How many pixels are worked on."""
    width, height = worked(job)
    return width * height


def _description(file: wire.PixelFile | None) -> dict[str, Any] | None:
    return asdict(file) if file else None


def _doing(plan: wire.Plan) -> str:
    if plan.path == wire.CLASSICAL:
        return plan.title
    if plan.path == wire.BYO:
        return _("your model {model}", model=plan.title)
    return _("real {model}", model=plan.title)
