"""``confined.call`` without the half second in which an interpreter and onnxruntime start.

A fork of this process, which has imported both and opened no model, takes on the same restraints
and gives the same answer. Unlike the product's process it is not started anew: what of that
matters (environment, handles) is made good here, and a share of the campaign uses the real one.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import time
from collections.abc import Callable, Mapping
from typing import Any

import psutil

from shared_core.bridge.errors import Cancelled, from_code
from shared_core.bridge.language import unpacked
from shared_core.bridge.launch import scrubbed
from shared_core.byo import examine
from shared_core.catalog.trust import (
    canary,
    confined,
    restraints,
)

# Imported here, so that no fork need do it.
assert canary.answer and examine.answer


def call(
    module: str,
    request: Mapping[str, Any],
    *,
    memory_bytes: int,
    seconds: float,
    cancelled: Callable[[], bool] = lambda: False,
    what: str = "the file",
    on_pid: Callable[[int], None] = lambda pid: None,
) -> dict[str, Any]:
    """As ``confined.call``; ``on_pid`` hears of the process."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        _be_the_process(writing, module, request, memory_bytes, seconds)
    os.close(writing)
    on_pid(pid)
    too_much = f"it needs more than {memory_bytes >> 20:,} MiB of memory"
    body, end = b"", time.monotonic() + seconds
    process = psutil.Process(pid)
    try:
        while True:
            if cancelled():
                raise Cancelled("The trial was cancelled.")
            if time.monotonic() > end:
                raise confined.Ended(what, f"it made no progress for {seconds:.0f} s and was ended")
            with contextlib.suppress(psutil.Error):
                if process.memory_info().rss > memory_bytes:
                    raise confined.Ended(what, too_much, memory=True)
            if not select.select([reading], [], [], 0.05)[0]:
                continue
            part = os.read(reading, 1 << 16)
            if not part:
                break
            body += part
    finally:
        os.close(reading)
        with contextlib.suppress(OSError):
            os.killpg(pid, signal.SIGKILL)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    if not body.endswith(b"\n"):
        how = signal.Signals(-status).name if status < 0 else f"code {status}"
        memory = status in (-signal.SIGABRT, -signal.SIGKILL)
        raise confined.Ended(what, f"it was ended by {how}", memory)
    event = unpacked(json.loads(body))
    if event["event"] == "done":
        reply: dict[str, Any] = event["reply"]
        return reply
    if event.get("memory"):
        raise confined.Ended(what, too_much, memory=True)
    raise from_code(event["code"], event["message"])


def _be_the_process(
    writing: int, module: str, request: Mapping[str, Any], memory_bytes: int, seconds: float
) -> None:
    try:
        os.setsid()
        kept = scrubbed(os.environ)
        os.environ.clear()
        os.environ.update(kept)
        nothing = os.open(os.devnull, os.O_RDWR)
        for handle in range(3):
            os.dup2(nothing, handle)
        os.dup2(writing, 3)
        os.closerange(4, 4096)
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        restraints.take_on(memory_bytes, seconds)
        body = json.dumps(confined.answered(module, json.loads(json.dumps(request))))
        data = body.encode() + b"\n"
        while data:
            data = data[os.write(3, data) :]
    finally:
        # Nothing of whoever was forked may go on here.
        os._exit(0)
