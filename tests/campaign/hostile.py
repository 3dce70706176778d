"""A worker that is hostile: it has the key, and sends the client whatever it likes."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from multiprocessing import AuthenticationError, connection
from pathlib import Path
from typing import Any

import psutil

from shared_core.bridge import __version__, codec, receipt, wire
from shared_core.bridge import client as client_module
from shared_core.bridge.arena import Arena
from shared_core.bridge.client import Client, key_of
from shared_core.bridge.errors import NssError
from shared_core.bridge.paths import Paths, paths, private_folder, socket_address

from .forge import Forge
from .messages import ANSWER_SECONDS, GROWTH_MB, Tally

# A line that stands still in the middle of a message is given up after these instead.
PATIENCE_SECONDS = 0.4
BURST = 60
_RECEIPT = {
    "schema": 1,
    "tool": "deblur",
    "path": "classical",
    "model": None,
    "algorithm": {"name": "a", "parameters": {}},
    "provider": {"requested": None, "bound": None, "device": "CPU"},
    "reason": "r",
    "fault": None,
    "predicted": {"seconds": 1.0, "peak_bytes": 1},
    "actual": {
        "load_seconds": 0.1,
        "run_seconds": 0.1,
        "total_seconds": 0.2,
        "peak_bytes": 1,
        "tiles": 1,
    },
    "image": {"width": 1, "height": 1, "depth": "u8", "selection": False},
    "parameters": {},
    "seed": None,
    "versions": {"nss": "0", "onnxruntime": None, "host": "x"},
    "started": "2026-01-01T00:00:00Z",
    "source": None,
    "found": {},
}
_PLAN = wire.Plan("real", "m", "CPUExecutionProvider", "fits", 4.0, 10, 5, "NAFNet")
_OFFER = wire.Offer("m", "M", 5, "MIT", "https://example.org", "yes", "", False)
REPLIES: tuple[Any, ...] = (
    *(wire.Progress("running", 1, 4, "tiles", 3.5, _PLAN), wire.Queued(2)),
    wire.Progress("downloading", 1, 4, "bytes", 3.5, bytes_per_second=5.0),
    *(wire.PlanReply(_PLAN), wire.PlanReply(wire.Plan(None, None, None, "no", None, None, 0))),
    wire.PlanReply(wire.Plan("classical", None, None, "no", 1.0, 5, 9, "soft", _OFFER)),
    *(wire.JobDone(_RECEIPT), wire.Done("x"), wire.Failed("bad-input", "no")),
    *(wire.StatusReply(1, None, 0, None, 1.0, "0.1.0"), wire.DoctorReply(None)),
    *(wire.ModelsReply("/m", 5, "", (), {"old": 3}, 0), wire.Welcome(wire.PROTOCOL, "0.1", 7)),
    *(wire.HubReply(("a",), 5, "MIT", "h"), wire.AskStatus(), wire.Stop()),
)


class Hostile:
    """Listens in the worker's place; what it sends comes from ``chance`` alone."""

    def __init__(self, where: Paths, chance: random.Random, tally: Tally, patience: float) -> None:
        self._key = key_of(where)
        self._address = socket_address(private_folder(where.runtime), wire.PROTOCOL)
        self._chance, self._tally = chance, tally
        self._patience = patience
        self._forge = Forge(chance, REPLIES)
        self._events = [codec.encode(one) for one in REPLIES[:3]]
        self._listener = connection.Listener(self._address, "AF_UNIX", backlog=16)
        self.ended = threading.Event()
        # Connections are served one after the other, so that their order is that of the seed.
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Listen no longer."""
        self.ended.set()
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX) as end:
            end.connect(self._address)
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        while not self.ended.is_set():
            with (
                contextlib.suppress(OSError, EOFError, AuthenticationError, ValueError),
                self._listener.accept() as line,
            ):
                self._tally.connections += 1
                self._attend(line)

    def _attend(self, line: connection.Connection) -> None:
        chance = self._chance
        if chance.random() < 0.05:
            self._raw(line)
            return
        connection.deliver_challenge(line, self._key)
        connection.answer_challenge(line, self._key)
        line.recv_bytes()
        if chance.random() < 0.05:
            self._send(line, self._forge.body()[1])
            return
        line.send_bytes(codec.encode(wire.Welcome(wire.PROTOCOL, __version__, 7)))
        while True:
            line.recv_bytes()
            if chance.random() < 0.02:
                self._raw(line)
                return
            self._burst(line)

    def _burst(self, line: connection.Connection) -> None:
        """Progress with odd values, and at last something that ends the wait, well or badly."""
        for _ in range(self._chance.randrange(BURST)):
            self._send(line, codec.encode(self._forge.odd_fields(self._chance.choice(REPLIES[:3]))))
        for _ in range(50):
            body = self._forge.body()[1]
            self._send(line, body)
            with contextlib.suppress(wire.WireError):
                if isinstance(codec.decode(body), (wire.Progress, wire.Queued)):
                    continue
            return
        self._send(line, b"")

    def _raw(self, line: connection.Connection) -> None:
        """Something that is no message; now and then the line then stands still."""
        self._tally.to_client += 1
        with socket.socket(fileno=os.dup(line.fileno())) as end:
            end.sendall(self._forge.frames(self._forge.body()[1]))
        if self._chance.random() < 0.03:
            # Somebody who hangs up is noticed here, and nobody else is waited for.
            line.poll(self._patience * 5)

    def _send(self, line: connection.Connection, body: bytes) -> None:
        self._tally.to_client += 1
        line.send_bytes(body)


class _Watcher:
    """Shows progress, as an editor does."""

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """What is shown."""
        if isinstance(event, wire.Progress):
            event.sentence()
            if event.plan:
                event.plan.sentence()

    def cancelled(self) -> bool:
        """Never."""
        return False


def to_client(
    folder: Path, seed: int, count: int, tally: Tally, say: Callable[[str], None]
) -> None:
    """Have a client ask a hostile worker until it has sent ``count`` messages."""
    where = paths({"NSS_HOME": str(folder)})
    chance = random.Random(f"{seed} client")
    process = psutil.Process()
    before = 0.0
    with _patience(), Arena(where) as arena:
        source = arena.create(8, 6, "u8", "rgba")
        job = wire.StartJob("deblur", source, source)
        asks: Sequence[tuple[Any, type]] = (
            (wire.AskPlan("deblur", 8, 6), wire.PlanReply),
            *((job, wire.JobDone), (wire.AskStatus(), wire.StatusReply)),
            *((wire.AskModels(), wire.ModelsReply), (wire.TryAgain(), wire.Done)),
            (wire.AskDoctor(), wire.DoctorReply),
        )
        start = tally.to_client
        server = Hostile(where, chance, tally, PATIENCE_SECONDS)
        # A hostile answer is no reason to start a process: this one has no worker to start.
        client = Client(where, "campaign", "0", "/bin/false")
        try:
            while tally.to_client - start < count and not tally.hangs:
                begun = time.monotonic()
                asked = sum(tally.outcomes.values())
                outcome = _ask(client, *asks[asked % len(asks)], tally)
                tally.outcomes[outcome] = tally.outcomes.get(outcome, 0) + 1
                if asked % 500 == 0:
                    say(f"{tally.to_client} messages to the client; {len(tally.faults)} wrong")
                seconds = time.monotonic() - begun
                if seconds > ANSWER_SECONDS:
                    tally.hangs.append(f"the client waited {seconds:.0f} s")
                before = before or process.memory_info().rss / 1e6
            tally.client_growth_mb = process.memory_info().rss / 1e6 - before
            if tally.client_growth_mb > GROWTH_MB:
                tally.greedy.append(f"the client grew by {tally.client_growth_mb:.0f} MB")
        finally:
            client.close()
            server.close()


def _ask(client: Client, message: Any, reply: type, tally: Tally) -> str:
    """One question; the kind of its outcome."""
    try:
        answer = client.ask(message, reply, _Watcher())
        if isinstance(answer, wire.PlanReply):
            answer.plan.sentence()
        if isinstance(answer, wire.JobDone):
            made = receipt.from_dict(answer.receipt)
            receipt.sentence(made)
            receipt.to_json(made)
        return "answer"
    except NssError as error:
        if not str(error).strip() and error.__cause__ is not None:
            tally.mistakes.append(f"{message}: an error without words: {error!r}")
        return type(error).__name__
    except Exception as error:
        tally.crashes.append(f"{type(message).__name__}: {type(error).__name__}: {error}"[:400])
        client.close()
        return "crash"


@contextlib.contextmanager
def _patience() -> Iterator[None]:
    """The client's patience with a line that stands still, shortened."""
    names = ("LINE_SECONDS", "HANDSHAKE_SECONDS")
    kept = {name: getattr(client_module, name) for name in names}
    for name in names:
        setattr(client_module, name, PATIENCE_SECONDS)
    try:
        yield
    finally:
        for name, value in kept.items():
            setattr(client_module, name, value)
