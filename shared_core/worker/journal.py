"""What the worker remembers across its own death: which model was running, what failed, how fast.

One small JSON file, written atomically. A mark is opened before a real model runs and closed
after it; a mark found open at start means that the worker died there.
"""

from __future__ import annotations

import contextlib
import json
import os
import threading
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from shared_core.bridge import codec, wire
from shared_core.bridge.language import _, ngettext, packed
from shared_core.catalog.cards import Card

from .stages import READING, RUNNING, STARTING, words

CPU = "CPUExecutionProvider"
KEEP_SPEEDS = 9
KEEP_FAULTS = 64
T = TypeVar("T")


@dataclass(frozen=True)
class Mark:
    """A real run in progress."""

    job: str
    tool: str
    model: str
    title: str
    provider: str
    pixels: int
    stage: str

    @property
    def blamed(self) -> bool:
        """Whether the model had a part in what happened at this stage."""
        return self.stage not in (STARTING, READING)


@dataclass(frozen=True)
class Fault:
    """A model that failed on a provider, at ``pixels`` and more, or at any size when 0.

    ``tile_divisor`` is set where smaller tiles went well: then it is about tiles of that part of
    the usual side, and larger ones.
    """

    tool: str
    model: str
    provider: str
    pixels: int
    what: str
    when: str
    tile_divisor: int = 0

    def covers(self, model: str, provider: str, pixels: int, tile_divisor: int = 1) -> bool:
        """Whether this fault speaks against running ``model`` at ``pixels`` in such tiles."""
        if self.tile_divisor and tile_divisor > self.tile_divisor:
            return False
        return self.model == model and self.provider == provider and pixels >= self.pixels


def whole(card: Card, runs: int) -> str:
    """The shape, in a speed's key, of a model that sees the picture as a whole.

    Where only one of its sessions is repeated, a run among four takes less than one alone.
    """
    return "whole" if len(card.sessions()) == 1 else f"whole-{runs}"


class Journal:
    """The journal file of one user; safe to use from several threads of one process."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._marks: dict[str, Mark] = {}
        self._faults: list[Fault] = []
        self._speeds: dict[str, list[float]] = {}
        self._load()

    def _load(self) -> None:
        """Whatever of the file is as we write it; a damaged part is forgotten."""
        data: Any = None
        with contextlib.suppress(OSError, ValueError, RecursionError):
            data = json.loads(self._path.read_text("utf-8"))
        if not isinstance(data, dict):
            return
        marks, self._faults = _built(Mark, data.get("marks")), _built(Fault, data.get("faults"))
        self._faults = self._faults[-KEEP_FAULTS:]
        self._marks = {mark.job: mark for mark in marks}
        speeds = data.get("speeds")
        for what, seconds in speeds.items() if isinstance(speeds, dict) else ():
            known = [x for x in seconds if _is_duration(x)] if isinstance(seconds, list) else []
            if known:
                self._speeds[what] = [float(x) for x in known][-KEEP_SPEEDS:]

    def _save(self, durable: bool = False) -> None:
        """Write the file; ``durable`` waits for the disk, which takes longer than all the rest.

        What is written survives this process either way, a fall of the whole machine only so.
        """
        data: dict[str, Any] = {
            "marks": [asdict(m) for m in self._marks.values()],
            "faults": [asdict(f) for f in self._faults],
            "speeds": self._speeds,
        }
        part = self._path.with_suffix(f".{os.getpid()}.part")
        # A journal that cannot be written must not stop the user's work.
        with contextlib.suppress(OSError):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with part.open("w", encoding="utf-8") as file:
                file.write(json.dumps(packed(data)))
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.replace(part, self._path)

    def recover(self) -> list[Fault]:
        """Turn marks left open by a dead worker into faults; all of them.

        Those in which the model had a part are remembered.
        """
        with self._lock:
            found = {
                m: Fault(m.tool, m.model, m.provider, m.pixels, died(m), _now())
                for m in self._marks.values()
            }
            if found:
                blamed = [fault for mark, fault in found.items() if mark.blamed]
                self._marks.clear()
                self._faults = (self._faults + blamed)[-KEEP_FAULTS:]
                self._save()
            return list(found.values())

    def open(self, mark: Mark) -> None:
        """A real run begins, or enters another stage."""
        with self._lock:
            self._marks[mark.job] = mark
            # A driver may take the whole machine along.
            self._save(durable=mark.blamed and mark.provider != CPU)

    def close(self, job: str) -> None:
        """The run is over, in whatever way."""
        with self._lock:
            if self._marks.pop(job, None) is not None:
                self._save()

    def note_fault(self, fault: Fault) -> None:
        """Remember that a model failed."""
        with self._lock:
            self._faults = [*self._faults, fault][-KEEP_FAULTS:]
            self._save()

    def fault_of(
        self, model: str, provider: str, pixels: int, tile_divisor: int = 1
    ) -> Fault | None:
        """The newest fault that speaks against this run."""
        with self._lock:
            for fault in reversed(self._faults):
                if fault.covers(model, provider, pixels, tile_divisor):
                    return fault
        return None

    def forget(self, tool: str | None = None, model: str | None = None) -> int:
        """Forget the faults of a tool, of a model, or all; how many there were."""
        with self._lock:
            kept = [
                f
                for f in self._faults
                if (tool is not None and f.tool != tool) or (model is not None and f.model != model)
            ]
            count = len(self._faults) - len(kept)
            if count:
                self._faults = kept
                self._save()
            return count

    def refute(self, model: str, provider: str, pixels: int, tile_divisor: int = 1) -> None:
        """A run of ``model`` at ``pixels`` went well: forget the faults that spoke against it."""
        with self._lock:
            run = model, provider, pixels, tile_divisor
            kept = [f for f in self._faults if not f.covers(*run)]
            if len(kept) != len(self._faults):
                self._faults = kept
                self._save()

    def note_speed(self, what: str, seconds: float) -> None:
        """One more measured duration of ``what`` (a model's tile, a tool's megapixel)."""
        self.note_speeds({what: seconds})

    def note_speeds(self, measured: Mapping[str, float]) -> None:
        """One more measured duration, in seconds, of each of several things."""
        with self._lock:
            for what, seconds in measured.items():
                known = self._speeds.get(what, [])
                self._speeds[what] = [*known, round(seconds, 5)][-KEEP_SPEEDS:]
            self._save()

    def speed(self, what: str) -> float | None:
        """Median of the newest measurements of ``what``, in seconds."""
        with self._lock:
            known = sorted(self._speeds.get(what, ()))
        if not known:
            return None
        # ``statistics`` brings decimal and fractions along, which a worker at rest need not hold.
        return (known[len(known) // 2] + known[(len(known) - 1) // 2]) / 2


def _built(cls: type[T], items: object) -> list[T]:
    """The items that are a ``cls`` in JSON."""
    made: list[T] = []
    for item in items if isinstance(items, list) else ():
        with contextlib.suppress(wire.WireError):
            made.append(codec.build(cls, item))
    return made


def _is_duration(value: object) -> bool:
    """Whether a number from the file can be a time in seconds."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value < 1e9


def died(mark: Mark) -> str:
    """The sentence for a worker found dead at ``mark``."""
    doing = (
        _("{title} was running", title=mark.title)
        if mark.stage == RUNNING
        else _("it was {stage}", stage=words(mark.stage))
    )
    return _("the worker died while {doing} ({size})", doing=doing, size=sized(mark.pixels))


def sized(pixels: int) -> str:
    """A number of pixels as users read it."""
    return (
        _("{number:.1f} MP", number=pixels / 1e6)
        if pixels >= 100_000
        else ngettext("{count} pixel", "{count} pixels", pixels)
    )


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
