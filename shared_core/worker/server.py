"""The supervisor: accepts editors, answers plans at once, queues jobs, outlives its runner.

Started detached by the first editor that needs it; imports nothing heavy. Jobs, downloads and
the probe run in child processes, so that no crash of theirs reaches it.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import queue
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from multiprocessing.connection import (
    Connection,
    Listener,
    answer_challenge,
    deliver_challenge,
)
from typing import Any

from shared_core.bridge import __version__, arena, codec, wire
from shared_core.bridge.client import hang_up, key_of, put_down
from shared_core.bridge.errors import (
    Cancelled,
    CouldNotBeDone,
    NssError,
    UsageError,
)
from shared_core.bridge.language import _
from shared_core.bridge.locks import locked_now
from shared_core.bridge.paths import Paths, paths, private_folder, socket_address

from .jobs import JobRunner
from .journal import Journal

HANDSHAKE_SECONDS = 2.0
ENDING_SECONDS = 5.0
# What may wait for an editor that does not read: four messages of the longest kind.
OUTBOX_BYTES = 4 * wire.MAX_MESSAGE
# Of the connections that break the rules, so many are told in the log.
DROPS_TOLD = 100
# Half a second apart, after somebody has left.
SWEEPS = 4
RUNNER_IDLE_SECONDS = float(os.environ.get("NSS_RUNNER_IDLE_SECONDS", "60"))
IDLE_SECONDS = float(os.environ.get("NSS_WORKER_IDLE_SECONDS", "300"))


class Peer:
    """One connected editor; its messages go out through a queue, so that nobody waits for it."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.gone = threading.Event()
        self.cancel = threading.Event()
        self.busy = threading.Lock()
        self.name = ""
        self._unsent = 0
        self._guard = threading.Lock()
        self._outbox: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._sender = threading.Thread(target=self._send_all, daemon=True)
        self._sender.start()

    def send(self, message: Any) -> None:
        """Queue a message; an editor that does not read any more is dropped."""
        try:
            body = codec.encode(message)
        except wire.WireError as error:
            # Whoever waits for this message must not wait for ever.
            body = codec.encode(wire.Failed(error.code, str(error)))
        with self._guard:
            self._unsent += len(body)
            deaf = self._unsent > OUTBOX_BYTES
        if deaf:
            hang_up(self.connection)
        else:
            self._outbox.put(body)

    def _send_all(self) -> None:
        while (body := self._outbox.get()) is not None:
            with contextlib.suppress(OSError, ValueError):
                self.connection.send_bytes(body)
            with self._guard:
                self._unsent -= len(body)

    def stopped(self) -> bool:
        """Whether the running request is no longer wanted."""
        return self.gone.is_set() or self.cancel.is_set()

    def leave(self) -> None:
        """The connection has ended."""
        self.gone.set()
        self._outbox.put(None)

    def flush(self, seconds: float) -> None:
        """Wait until everything queued has been sent; nothing is sent after it."""
        self._outbox.put(None)
        self._sender.join(seconds)


@dataclass
class Task:
    """Something that needs the runner: a job or a probe."""

    peer: Peer | None
    work: Callable[[Callable[[], bool]], Any]
    tool: str = ""
    files: tuple[wire.PixelFile, ...] = field(default=())

    def stopped(self) -> bool:
        """Whether nobody wants it any more."""
        return self.peer is not None and self.peer.stopped()


class Server:
    """The supervisor of one user."""

    def __init__(self, where: Paths) -> None:
        self._paths = where
        self._began = self._last_used = self._last_job = time.monotonic()
        self._ending = threading.Event()
        self._tasks: deque[Task] = deque()
        self._running: Task | None = None
        self._wake = threading.Condition()
        self._peers: set[Peer] = set()
        self._sweeps = 0
        self._drops = itertools.count()
        self._jobs = JobRunner(where, Journal(where.journal))

    def serve(self) -> None:
        """Accept editors until ``Stop`` or until nobody has been there for a while."""
        arena.sweep(self._paths)
        address = socket_address(private_folder(self._paths.runtime), wire.PROTOCOL)
        family = "AF_PIPE" if os.name == "nt" else "AF_UNIX"
        if family == "AF_UNIX":
            with contextlib.suppress(FileNotFoundError):
                os.unlink(address)
        key = key_of(self._paths)
        with Listener(address, family, backlog=16) as listener:
            threading.Thread(target=self._jobs.tidy, daemon=True).start()
            threading.Thread(target=self._work_off, daemon=True).start()
            threading.Thread(target=self._accept, args=(listener, key), daemon=True).start()
            while not self._ending.wait(0.5):
                self._rest()
        self._end_all()

    def end(self) -> None:
        """Have ``serve`` return soon."""
        self._ending.set()

    def _end_all(self) -> None:
        """Cancel what runs and waits, and let everybody hear of it, before we go."""
        with self._wake:
            peers = list(self._peers)
        for peer in peers:
            peer.cancel.set()
        deadline = time.monotonic() + ENDING_SECONDS
        while time.monotonic() < deadline:
            if self._running is None and not any(peer.busy.locked() for peer in peers):
                break
            time.sleep(0.01)
        self._jobs.end()
        for peer in peers:
            peer.flush(0.5)

    def _rest(self) -> None:
        """End the runner, and then ourselves, when there has been nothing to do for long."""
        with self._wake:
            now = time.monotonic()
            if self._running or self._tasks:
                self._last_used = self._last_job = now
            peers = len(self._peers)
        if self._sweeps:
            # A client that was killed is not gone at once, and may have announced no job yet.
            self._sweeps -= 1
            arena.sweep(self._paths)
        # Questions alone do not keep models in memory. No job may begin while the runner ends.
        with self._wake:
            if self._running is None and now - self._last_job > RUNNER_IDLE_SECONDS:
                self._jobs.rest()
        if now - self._last_used > IDLE_SECONDS and not peers:
            self._ending.set()

    def _accept(self, listener: Listener, key: bytes) -> None:
        while not self._ending.is_set():
            try:
                connection = listener.accept()
            except OSError:
                time.sleep(0.05)
                continue
            threading.Thread(target=self._attend, args=(connection, key), daemon=True).start()

    def _attend(self, connection: Connection, key: bytes) -> None:
        """One editor, from the handshake to its end. A silent stranger holds up nobody."""
        deadline = threading.Timer(HANDSHAKE_SECONDS, hang_up, (connection,))
        deadline.daemon = True
        deadline.start()
        peer: Peer | None = None
        try:
            deliver_challenge(connection, key)
            answer_challenge(connection, key)
            hello = codec.decode(connection.recv_bytes(wire.MAX_MESSAGE))
            deadline.cancel()
            if not isinstance(hello, wire.Hello) or hello.protocol != wire.PROTOCOL:
                return
            peer = Peer(connection)
            peer.name = f"{hello.host} {hello.version}"
            with self._wake:
                self._peers.add(peer)
            peer.send(wire.Welcome(wire.PROTOCOL, __version__, os.getpid()))
            while True:
                self._take(peer, connection.recv_bytes(wire.MAX_MESSAGE))
        except Exception as error:
            if not isinstance(error, (EOFError, OSError)) and next(self._drops) < DROPS_TOLD:
                print(f"connection dropped: {type(error).__name__}: {error}", file=sys.stderr)
        finally:
            deadline.cancel()
            # Whatever is still being sent to it is to fail at once, and not to go to somebody else
            # who gets the same number.
            hang_up(connection)
            if peer is not None:
                self._dismiss(peer)
                peer.flush(ENDING_SECONDS)
            put_down(connection)

    def _dismiss(self, peer: Peer) -> None:
        """A closed connection cancels that editor's jobs and deletes their files."""
        peer.leave()
        with self._wake:
            self._peers.discard(peer)
            self._sweeps = SWEEPS
            self._last_used = time.monotonic()
            waiting = [task for task in self._tasks if task.peer is peer]
            for task in waiting:
                self._tasks.remove(task)
            self._wake.notify_all()
        for task in waiting:
            self._drop_files(task)

    def _drop_files(self, task: Task) -> None:
        for file in task.files:
            arena.remove(self._paths, file)

    def _take(self, peer: Peer, body: bytes) -> None:
        try:
            message = codec.decode(body)
        except wire.WireError as error:
            peer.send(wire.Failed(error.code, str(error)))
            return
        if isinstance(message, wire.Cancel):
            peer.cancel.set()
            return
        if self._ending.is_set():
            peer.send(wire.Failed(CouldNotBeDone.code, _("The worker is ending. Try again.")))
            return
        if not peer.busy.acquire(blocking=False):
            peer.send(wire.Failed(UsageError.code, _("One request at a time on a connection.")))
            return
        peer.cancel.clear()
        self._last_used = time.monotonic()
        try:
            waits = self._answer(peer, message)
        except NssError as error:
            waits = False
            peer.send(wire.Failed(error.code, str(error)))
        except BaseException:
            peer.busy.release()
            raise
        if not waits:
            peer.busy.release()

    def _answer(self, peer: Peer, message: Any) -> bool:
        """Answer at once, or start what takes time and return True."""
        own_models = self._jobs.own_models
        if isinstance(message, wire.AskPlan):
            peer.send(wire.PlanReply(self._jobs.planner.plan(message)))
            self._measure_once()
        elif isinstance(message, wire.StartJob):
            name = peer.name

            def work(stopped: Callable[[], bool]) -> wire.JobDone:
                return wire.JobDone(self._jobs.run(message, name, peer.send, stopped))

            files = message.files()
            self._enlist(Task(peer, work, message.tool, files))
            return True
        elif isinstance(message, wire.Download):

            def fetch() -> wire.Done:
                self._jobs.download(message, peer.send, peer.stopped)
                return wire.Done(_("{model} is here and verified.", model=message.model))

            self._see_to(peer, fetch)
            return True
        elif isinstance(message, wire.Tend):

            def tend() -> wire.Done:
                return wire.Done(self._jobs.tend(message, peer.send, peer.stopped))

            self._see_to(peer, tend)
            return True
        elif isinstance(message, wire.AskModels):
            peer.send(self._jobs.models())
            self._measure_once()
        elif isinstance(message, (wire.AskHub, wire.FetchFiles, wire.Examine, wire.AddModel)):
            self._see_to(peer, lambda: own_models.carry_out(message, peer.send, peer.stopped))
            return True
        elif isinstance(message, wire.SwitchModel):
            peer.send(own_models.switch(message))
        elif isinstance(message, wire.AskDoctor):
            if not message.wait or (self._jobs.planner.profile and not message.again):
                peer.send(self._jobs.machine())
            else:

                def measure(stopped: Callable[[], bool]) -> wire.DoctorReply:
                    self._jobs.probe(stopped)
                    return self._jobs.machine()

                self._enlist(Task(peer, measure))
                return True
        elif isinstance(message, wire.AskStatus):
            peer.send(self._status())
        elif isinstance(message, wire.TryAgain):
            count = self._jobs.journal.forget(tool=message.tool)
            peer.send(wire.Done(_("{count} remembered faults forgotten.", count=count)))
        elif isinstance(message, wire.Stop):
            peer.send(wire.Done(_("The worker ends.")))
            self._ending.set()
        else:
            raise UsageError(_("{kind} is not a request.", kind=type(message).__name__))
        return False

    def _measure_once(self) -> None:
        """Measure this machine in the background, where that was not done yet."""
        if self._jobs.wants_probe():
            self._enlist(Task(None, self._jobs.probe))

    def _status(self) -> wire.StatusReply:
        with self._wake:
            running = self._running
            waiting = sum(1 for task in self._tasks if task.peer)
        return wire.StatusReply(
            pid=os.getpid(),
            runner_pid=self._jobs.runner_pid(),
            jobs_waiting=waiting,
            job_running=(running.tool or "probe") if running else None,
            uptime_seconds=round(time.monotonic() - self._began, 1),
            version=__version__,
        )

    def _enlist(self, task: Task) -> None:
        with self._wake:
            place = sum(1 for t in self._tasks if t.peer) + (self._running is not None)
            self._tasks.append(task)
            self._wake.notify_all()
        if task.peer and place:
            task.peer.send(wire.Queued(place))

    def _work_off(self) -> None:
        """One task at a time; a probe that nobody waits for makes room for a job."""
        while True:
            with self._wake:
                while not self._tasks:
                    self._wake.wait()
                task = self._running = self._tasks.popleft()
                for place, waiting in enumerate(self._tasks):
                    if waiting.peer:
                        waiting.peer.send(wire.Queued(place + 1))
            self._finish(task)
            with self._wake:
                self._running = None
                self._last_used = self._last_job = time.monotonic()

    def _finish(self, task: Task) -> None:
        def stopped() -> bool:
            if task.peer is None:
                return bool(self._tasks) or self._ending.is_set()
            return task.stopped()

        reply: Any
        try:
            if stopped():
                raise Cancelled(_("Cancelled."))
            reply = task.work(stopped)
        except NssError as error:
            reply = wire.Failed(error.code, str(error))
        except Exception as error:
            sys.excepthook(type(error), error, error.__traceback__)
            text = _(
                "The worker made a mistake of its own ({kind}: {error}).",
                kind=type(error).__name__,
                error=error,
            )
            reply = wire.Failed(CouldNotBeDone.code, text)
        if task.peer is not None:
            task.peer.busy.release()
            task.peer.send(reply)
            if task.peer.gone.is_set():
                self._drop_files(task)

    def _see_to(self, peer: Peer, work: Callable[[], Any]) -> None:
        """Do what needs no runner, in a thread of its own, and answer with what it gives."""

        def run() -> None:
            reply: Any
            try:
                reply = work()
            except NssError as error:
                reply = wire.Failed(error.code, str(error))
            except Exception as error:
                sys.excepthook(type(error), error, error.__traceback__)
                reply = wire.Failed(
                    CouldNotBeDone.code, _("That could not be done ({error}).", error=error)
                )
            peer.busy.release()
            peer.send(reply)

        threading.Thread(target=run, daemon=True).start()


def main() -> None:
    """Serve this user, unless another worker already does."""
    where = paths()
    code = 0
    try:
        with locked_now(private_folder(where.runtime) / f"worker-{wire.PROTOCOL}.lock") as mine:
            if mine:
                server = Server(where)
                # A log-out is no crash of the model that was running.
                signal.signal(signal.SIGTERM, lambda number, frame: server.end())
                server.serve()
    except NssError as error:
        print(error, file=sys.stderr, flush=True)
        code = error.exit_code
    sys.stdout.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
