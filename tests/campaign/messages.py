"""Malformed and adversarial messages to a real worker, and from a hostile worker to the client.

Nothing may crash, hang, take memory without bound, or read or write outside its folder. Every
message comes from the seed alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from multiprocessing import AuthenticationError, connection
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from shared_core.bridge import codec, wire
from shared_core.bridge.arena import Arena
from shared_core.bridge.client import key_of
from shared_core.bridge.paths import Paths, paths, private_folder, socket_address
from shared_core.bridge.settings import Amount, Limits

from .forge import Forge
from .opens import Baits

COUNT = 1_000_000
# The rest goes to the client, where most of them end a connection.
TO_WORKER = 0.8
CHUNK = 4000
BATCH = 100
# Of the messages: connections that break the framing or the handshake.
BROKEN_LINES = 0.01
ANSWER_SECONDS = 60.0
# What the supervisor may take at the very most, and what the client's process may grow by.
MEMORY_MB, GROWTH_MB = 64, 64
THREADS, FILES = 60, 120
LOG_BYTES = 4 << 20
# One of so many messages that take long is let through; the others are spoilt.
LABOUR = 40
# Of half a mebibyte each.
DEAF_MESSAGES = 200
FINAL = (
    *(wire.PlanReply, wire.JobDone, wire.Done, wire.StatusReply, wire.DoctorReply, wire.Failed),
    *(wire.ModelsReply, wire.HubReply, wire.Fetched, wire.Examined, wire.Added),
)
_SLOW = (wire.StartJob, wire.Download, wire.AskModels, wire.AskDoctor)
# These start a process each.
_CHORES = (wire.Tend, wire.AskHub, wire.FetchFiles, wire.Examine, wire.AddModel)
_MISTAKES = ("mistake of its own", "Traceback", "Error:", "Error(", "Exception")


@dataclass
class Tally:
    """What came of the messages."""

    wanted: int = 0
    to_worker: int = 0
    by_kind: dict[str, int] = field(default_factory=dict)
    understood: int = 0
    refused: int = 0
    jobs: int = 0
    chores: int = 0
    frames: int = 0
    handshakes: int = 0
    to_client: int = 0
    connections: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    most_memory_mb: float = 0.0
    most_threads: int = 0
    most_files: int = 0
    client_growth_mb: float = 0.0
    log_bytes: int = 0
    longest_seconds: float = 0.0
    crashes: list[str] = field(default_factory=list)
    hangs: list[str] = field(default_factory=list)
    mistakes: list[str] = field(default_factory=list)
    greedy: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    @property
    def messages(self) -> int:
        """All of them."""
        return self.to_worker + self.frames + self.handshakes + self.to_client

    @property
    def faults(self) -> list[str]:
        """Everything that should not have been."""
        return [*self.crashes, *self.hangs, *self.mistakes, *self.greedy, *self.outside]


class Worker:
    """A supervisor of our own with a home of its own, and files that it must leave alone."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.home = folder / "home"
        self.log_file = folder / "server.log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NSS_", "HF_"))}
        self.environment = environment | {
            "NSS_HOME": str(self.home),
            "HF_HUB_OFFLINE": "1",
            "NSS_RUNNER_IDLE_SECONDS": "3600",
            "NSS_WORKER_IDLE_SECONDS": "3600",
        }
        self.paths = paths(self.environment)
        outside = folder / "outside"
        outside.mkdir(parents=True)
        self.secrets = [outside / "secret", outside / f"px-{os.getpid()}-{'0' * 32}"]
        for secret in self.secrets:
            secret.write_bytes(b"secret" * 1000)
        link = private_folder(self.paths.runtime) / f"px-{os.getpid()}-{'1' * 32}"
        link.symlink_to(self.secrets[0])
        self.link = link
        self.baits = Baits(self.secrets)
        self._log = self.log_file.open("ab")
        self.process = subprocess.Popen(
            [sys.executable, "-E", "-P", "-m", "shared_core.worker.server"],
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log,
        )

    def words(self) -> list[str]:
        """Names that lead outside, for any field that takes a text."""
        up = os.path.relpath(self.secrets[0], self.paths.runtime)
        return [str(self.secrets[0]), up, self.link.name, self.secrets[1].name]

    def dial(self) -> Line:
        """A connection that has shaken hands; the worker may still be starting."""
        deadline = time.monotonic() + ANSWER_SECONDS
        while True:
            try:
                return Line(self.paths)
            except (OSError, EOFError):
                if time.monotonic() > deadline or self.process.poll() is not None:
                    raise
                time.sleep(0.02)

    def outside(self) -> list[str]:
        """What was opened or changed outside, or has appeared there."""
        found = [f"opened {name}" for name in self.baits.opened()]
        here = sorted(one.name for one in self.folder.iterdir())
        if here != ["home", "outside", "server.log"]:
            found.append(f"beside the home: {here}")
        if sorted(self.secrets) != sorted((self.folder / "outside").iterdir()):
            found.append(f"beside the secrets: {sorted((self.folder / 'outside').iterdir())}")
        return found

    def end(self) -> None:
        """End it, and look at the secrets for the last time."""
        with contextlib.suppress(OSError, EOFError), Line(self.paths) as line:
            line.ask(wire.Stop())
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.baits.close()
        self._log.close()


class Line:
    """One connection to the worker; many bodies go at once, since each way takes its time."""

    def __init__(self, where: Paths) -> None:
        address = socket_address(where.runtime, wire.PROTOCOL)
        with connection.Client(address, authkey=key_of(where)) as line:
            self.socket = socket.socket(fileno=os.dup(line.fileno()))
        self.socket.settimeout(ANSWER_SECONDS)
        self._read = bytearray()
        try:
            self.send([codec.encode(wire.Hello(wire.PROTOCOL, "messages", "0"))])
            assert isinstance(self.next(), wire.Welcome)
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Line:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def send(self, bodies: Sequence[bytes]) -> None:
        """Send bodies, one behind the other."""
        self.socket.sendall(b"".join(struct.pack("!i", len(body)) + body for body in bodies))

    def next(self) -> Any:
        """The next message; ``TimeoutError`` where none comes."""
        length = struct.unpack("!i", self._take(4))[0]
        return codec.decode(self._take(length))

    def final(self) -> Any:
        """The next answer; progress on the way is passed over."""
        while True:
            event = self.next()
            if isinstance(event, FINAL):
                return event
            if not isinstance(event, (wire.Progress, wire.Queued)):
                raise wire.WireError(f"{type(event).__name__} is no answer")

    def ask(self, message: Any) -> Any:
        """The answer to a good message."""
        self.send([codec.encode(message)])
        return self.final()

    def _take(self, count: int) -> bytes:
        while len(self._read) < count:
            part = self.socket.recv(1 << 18)
            if not part:
                raise EOFError
            self._read += part
        taken = bytes(self._read[:count])
        del self._read[:count]
        return taken


def questions(arena: Arena, words: Sequence[str]) -> list[Any]:
    """Good requests of every kind, on small files of ``arena``."""
    source = arena.create(8, 6, "u8", "rgba")
    result = arena.create(8, 6, "u8", "rgba")
    mask = arena.create(8, 6, "u8", "mask")
    arena.write(source, bytes(range(192)))
    limits = Limits(30.0, Amount(share=0.5), Amount(bytes=1 << 30))
    job = wire.StartJob("denoise", source, result, path="classical")
    foreign = replace(source, name=words[2])
    plan = wire.AskPlan("deblur", 64, 48, parameters={"amount": 50.0}, limits=limits)
    return [
        *(plan, replace(plan, tool="upscale", parameters={"factor": "4"}), job),
        replace(job, mask=mask, matte=mask, parameters={"strength": 9.0}, previous={"schema": 1}),
        *(replace(job, source=foreign), replace(job, result=foreign, lost_worker="x")),
        *(wire.AskStatus(), wire.AskDoctor(wait=False), wire.Cancel(), wire.AskModels()),
        *(wire.TryAgain("deblur"), wire.SwitchModel("no-such", True)),
        wire.Download("no-such-model", {"HF_ENDPOINT": "http://127.0.0.1:9", "LD_PRELOAD": "x"}),
        wire.Tend("verify", ("no-such-model",)),
        *(wire.AskHub("a/b", "0" * 40, ("m.onnx",)), wire.FetchFiles("a/b", "0" * 40, ("m.onnx",))),
        wire.Examine("denoise", "/nowhere/m.onnx", tile=source),
        wire.AddModel("id = 1", "/nowhere/m.onnx"),
        *(wire.Hello(wire.PROTOCOL, "x", "1"), wire.Queued(1), wire.Done("x"), wire.Stop()),
    ]


def to_worker(
    folder: Path, seed: int, count: int, tally: Tally, say: Callable[[str], None]
) -> None:
    """Send ``count`` messages, in parts that the seed and their number alone determine."""
    worker = Worker(folder)
    try:
        with worker.dial() as line:
            # Later questions about the machine then start no measurement.
            line.ask(wire.AskDoctor())
        with Arena(worker.paths) as arena:
            good = questions(arena, worker.words())
            for part, start in enumerate(range(0, count, CHUNK)):
                many = min(CHUNK, count - start)
                _part(worker, random.Random(f"{seed} worker {part}"), good, many, tally)
                if part % 5 == 0:
                    _deaf(worker, tally)
                _look(worker, f"part {part}", tally)
                if part % 10 == 0:
                    say(f"{start + many} messages to the worker; {len(tally.faults)} wrong so far")
                if tally.crashes or tally.hangs:
                    break
    finally:
        worker.end()
    if worker.process.returncode:
        tally.crashes.append(f"the worker ended with {worker.process.returncode}")
    _read_log(worker, tally)


def _part(
    worker: Worker, chance: random.Random, good: Sequence[Any], count: int, tally: Tally
) -> None:
    forge = Forge(chance, good, worker.words())
    strangers: list[socket.socket] = []
    line = worker.dial()
    done = 0
    batch: list[Sent] = []
    try:
        while done < count:
            if chance.random() < BROKEN_LINES * BATCH:
                _stranger(worker, chance, forge, strangers, tally)
                done += 1
            batch = [_made(chance, forge, tally) for _ in range(min(BATCH, count - done))]
            done += len(batch)
            _ask(line, [one for one in batch if not one.labour], tally)
            for one in batch:
                if one.labour:
                    _ask(line, [one], tally, cancel=chance.random() < 0.3)
            if chance.random() < 0.1:
                # What is under way is no longer wanted by anybody.
                line.send([chance.choice(batch).body])
                line.close()
                done, tally.to_worker = done + 1, tally.to_worker + 1
                line = worker.dial()
    except TimeoutError as error:
        tally.hangs.append(f"{error} in {[one.body[:200] for one in batch]}"[:2000])
    except (OSError, EOFError) as error:
        tally.crashes.append(f"the connection ended: {error!r}; {worker.process.poll()}")
    except wire.WireError as error:
        tally.mistakes.append(f"an answer could not be read: {error}")
    finally:
        line.close()
        for end in strangers:
            end.close()


class Sent(NamedTuple):
    """A body, the message in it if it is one, and whether that takes long."""

    body: bytes
    message: Any
    labour: bool = False


def _made(chance: random.Random, forge: Forge, tally: Tally) -> Sent:
    kind, body = forge.body()
    message = _decoded(body)
    labour = isinstance(message, (*_SLOW, *_CHORES))
    if isinstance(message, wire.Stop) or (isinstance(message, wire.AskDoctor) and message.wait):
        # The one would end it, the other measure the machine each time.
        spoilt = True
    else:
        often = LABOUR * (10 if isinstance(message, _CHORES) else 1)
        spoilt = labour and chance.random() * often > 1
    if spoilt:
        kind, body, message, labour = "damaged", body + b"}", None, False
    tally.jobs += isinstance(message, wire.StartJob)
    tally.chores += isinstance(message, (wire.Download, *_CHORES))
    tally.by_kind[kind] = tally.by_kind.get(kind, 0) + 1
    return Sent(body, message, labour)


def _ask(line: Line, sent: Sequence[Sent], tally: Tally, cancel: bool = False) -> None:
    """Send all at once; each but ``Cancel`` has to be answered."""
    begun = time.monotonic()
    line.send([one.body for one in sent] + [codec.encode(wire.Cancel())] * cancel)
    tally.to_worker += len(sent) + cancel
    for one in sent:
        if isinstance(one.message, wire.Cancel):
            continue
        reply = line.final()
        if isinstance(reply, wire.Failed):
            tally.refused += 1
            if any(word in reply.message for word in _MISTAKES) or not reply.message.strip():
                tally.mistakes.append(f"{one.body[:500]!r}: {reply.message[:300]}")
        elif one.message is None:
            tally.mistakes.append(f"{one.body[:300]!r} was answered with {reply}"[:600])
        else:
            tally.understood += 1
    tally.longest_seconds = max(tally.longest_seconds, time.monotonic() - begun)


def _decoded(body: bytes) -> Any:
    with contextlib.suppress(wire.WireError):
        return codec.decode(body)
    return None


def _stranger(
    worker: Worker,
    chance: random.Random,
    forge: Forge,
    left: list[socket.socket],
    tally: Tally,
) -> None:
    """A connection that breaks the rules of the line, before or after it has shown the key.

    Some stay in ``left``, silent in the middle of a frame.
    """
    raw = forge.frames(_made(chance, forge, tally).body)
    if chance.random() < 0.5:
        tally.handshakes += 1
        end = socket.socket(socket.AF_UNIX)
        end.connect(socket_address(worker.paths.runtime, wire.PROTOCOL))
        if chance.random() < 0.3:
            # As a client does it, with another key.
            with (
                contextlib.suppress(AuthenticationError, OSError, EOFError),
                connection.Connection(os.dup(end.fileno())) as line,
            ):
                connection.answer_challenge(line, chance.randbytes(32))
    else:
        tally.frames += 1
        end = worker.dial().socket
    with contextlib.suppress(OSError):
        end.sendall(raw)
    if len(left) < 10 and chance.random() < 0.1:
        left.append(end)
        return
    if chance.random() < 0.5:
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_WR)
    end.close()


def _deaf(worker: Worker, tally: Tally) -> None:
    """A connection that asks for long answers and reads none; the worker has to give it up."""
    body = json.dumps({"type": "AskStatus", "x" * (wire.MAX_MESSAGE // 2): 0}).encode()
    with worker.dial() as line, contextlib.suppress(OSError):
        for _ in range(DEAF_MESSAGES):
            line.send([body])
            tally.to_worker += 1
        tally.greedy.append(f"{DEAF_MESSAGES} long answers wait for somebody who reads none")


def _look(worker: Worker, where: str, tally: Tally) -> None:
    """Whether the worker is well and has stayed where it belongs."""
    try:
        with worker.dial() as line:
            status = line.ask(wire.AskStatus())
        process = psutil.Process(worker.process.pid)
        memory = process.memory_info().rss / 1e6
        threads, files = process.num_threads(), process.num_fds()
    except (OSError, EOFError, TimeoutError, psutil.Error) as error:
        tally.crashes.append(f"{where}: the worker does not answer: {error!r}")
        return
    if not isinstance(status, wire.StatusReply) or status.pid != worker.process.pid:
        tally.crashes.append(f"{where}: {status}")
    tally.most_memory_mb = max(tally.most_memory_mb, memory)
    tally.most_threads = max(tally.most_threads, threads)
    tally.most_files = max(tally.most_files, files)
    if memory > MEMORY_MB or threads > THREADS or files > FILES:
        tally.greedy.append(f"{where}: {memory:.0f} MB, {threads} threads, {files} open files")
    tally.outside += [f"{where}: {text}" for text in worker.outside()]


def _read_log(worker: Worker, tally: Tally) -> None:
    tally.log_bytes = worker.log_file.stat().st_size
    if tally.log_bytes > LOG_BYTES:
        tally.greedy.append(f"the log has {tally.log_bytes} bytes")
    log = worker.log_file.read_text("utf-8", "replace")
    if "Traceback" in log:
        tally.mistakes.append(log[log.index("Traceback") :][:1500])
    if any(secret.read_bytes() != b"secret" * 1000 for secret in worker.secrets):
        tally.outside.append("a file outside was changed")


def campaign(folder: Path, seed: int, count: int, say: Callable[[str], None]) -> Tally:
    """``count`` messages in all, below ``folder``."""
    from .hostile import to_client  # noqa: PLC0415

    tally = Tally(wanted=count)
    there = round(count * TO_WORKER)
    to_worker(folder / "worker", seed, there, tally, say)
    to_client(folder / "client", seed, count - there, tally, say)
    return tally
