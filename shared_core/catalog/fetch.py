"""``python -m shared_core.catalog.fetch MODEL_ID``: download, verify and try one model.

A child process, so that the transfer and huggingface_hub can harm nobody; the first run of the
unknown file is a child's of its own. It speaks JSON lines on stdout and is cancelled by anything
on its stdin, by its end, or by a signal.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from types import FrameType

from ..bridge.errors import (
    Cancelled,
    CouldNotBeDone,
    NssError,
    RealPathImpossible,
    UsageError,
)
from ..bridge.paths import paths
from . import cards, own
from .cards import Card
from .store import CANARY, VERIFYING, Presence, Progress, Store

_PROGRESS_SECONDS = 0.1
_STILL_SECONDS = 2.0
# How long a cancelled transfer may take to notice; what is on disk is right at any moment.
_GRACE_SECONDS = 1.5


class _Events:
    """JSON lines on the real stdout, which nothing else can write to any more."""

    def __init__(self) -> None:
        self._stream = os.fdopen(os.dup(1), "w", encoding="utf-8")
        os.dup2(2, 1)
        self._lock = threading.Lock()
        self._last = 0.0
        self._moving: Progress | None = None
        self._ended = False

    def send(self, event: str, **fields: object) -> None:
        with self._lock:
            if self._ended:
                return
            self._ended = event in ("done", "error")
            with contextlib.suppress(OSError):
                self._stream.write(json.dumps({"event": event, **fields}) + "\n")
                self._stream.flush()

    def stage(self, name: str) -> None:
        self._moving = None
        self.send("stage", stage=name)

    def progress(self, progress: Progress) -> None:
        now = time.monotonic()
        if now - self._last >= _PROGRESS_SECONDS or progress.done >= progress.total:
            self._last, self._moving = now, progress
            self.send(
                "progress",
                done=progress.done,
                total=progress.total,
                file=progress.file,
                speed=progress.speed,
            )

    def stands_still(self) -> None:
        """Take back the speed once nothing has come for a while."""
        moving = self._moving
        if moving and moving.speed and time.monotonic() - self._last > _STILL_SECONDS:
            self.progress(replace(moving, speed=None))


def main(arguments: list[str] | None = None) -> int:
    """Fetch the model that ``arguments`` name; the exit status is ``NssError.exit_code`` or 0."""
    parser = argparse.ArgumentParser(prog="python -m shared_core.catalog.fetch")
    parser.add_argument("model", help="the model's id")
    parser.add_argument(
        "--verify", action="store_true", help="download nothing; verify and try what is here"
    )
    given = parser.parse_args(arguments)
    events = _Events()
    cancel = threading.Event()
    finished = threading.Event()
    status = [NssError.exit_code]

    def work() -> None:
        try:
            seconds = _fetch(given.model, given.verify, events, cancel)
            events.send("done", seconds_per_tile=seconds)
            status[0] = 0
        except NssError as error:
            events.send("error", code=error.code, message=str(error))
            status[0] = error.exit_code
        except Exception as error:
            events.send(
                "error",
                code=CouldNotBeDone.code,
                message=f"{given.model} cannot be fetched ({type(error).__name__}: {error}).",
            )
            raise
        finally:
            finished.set()

    def stop(number: int, frame: FrameType | None) -> None:
        cancel.set()

    for name in ("SIGTERM", "SIGINT", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), stop)
    threading.Thread(target=_watch_stdin, args=(cancel,), daemon=True).start()
    threading.Thread(target=work, daemon=True).start()

    deadline: float | None = None
    while not finished.wait(0.1):
        events.stands_still()
        if cancel.is_set():
            deadline = deadline or time.monotonic() + _GRACE_SECONDS
            if time.monotonic() > deadline:
                events.send("error", code=Cancelled.code, message="The download was cancelled.")
                status[0] = Cancelled.exit_code
                break
    sys.stderr.flush()
    # The worker thread may be stuck in a transfer or a session, and would hold up a normal exit.
    os._exit(status[0])


def _fetch(model: str, verify: bool, events: _Events, cancel: threading.Event) -> float:
    """Download (or with ``verify`` only hash) and try the model and what it needs.

    Returns the seconds of the model's own trial.
    """
    wanted = _cards(model)
    store = Store(paths())

    stage = events.stage
    if verify:
        stage(VERIFYING)
        total, before = sum(card.file_bytes for card in wanted), 0
        for card in wanted:

            def tell(progress: Progress, before: int = before) -> None:
                events.progress(Progress(before + progress.done, total, progress.file))

            store.verify(card, tell, cancel.is_set)
            before += card.file_bytes
    else:
        store.sweep(own.known(paths()).values(), [card.id for card in wanted])
        store.download(wanted, events.progress, cancel.is_set, stage)
    seconds = [_try(store, card, verify, stage, cancel) for card in wanted]
    return seconds[0]


def _try(
    store: Store, card: Card, anew: bool, stage: Callable[[str], None], cancel: threading.Event
) -> float:
    """Try the model, unless a trial that it passed counts; returns the seconds of its run."""
    state = store.check(card)
    if not anew and state.presence is Presence.INSTALLED and state.trial is not None:
        return state.trial.seconds_per_tile
    # Whoever asks again wants a model that failed before to have another chance.
    store.record_trial(card, None)
    state = store.check(card)
    if not state.usable:
        raise CouldNotBeDone(state.reason)
    stage(CANARY)
    trial = store.try_out(card, cancel.is_set)
    if not trial.ok:
        raise RealPathImpossible(trial.reason)
    return trial.seconds_per_tile


def _cards(model: str) -> list[Card]:
    known = own.known(paths())
    if model not in known:
        raise UsageError(f"There is no model {model!r}; the models are {', '.join(known)}.")
    return cards.with_needs(known, known[model])


def _watch_stdin(cancel: threading.Event) -> None:
    with contextlib.suppress(OSError):
        os.read(0, 4096)
    cancel.set()


if __name__ == "__main__":
    sys.exit(main())
