"""The editor's end of the connection: find or start the worker, ask, follow progress, cancel."""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
import struct
import subprocess
import threading
import time
from multiprocessing import AuthenticationError, connection
from multiprocessing.connection import Connection
from typing import Any, Protocol, TypeVar

from . import __version__, codec, launch, wire
from .errors import Cancelled, CouldNotBeDone, WorkerLost, from_code
from .language import _
from .locks import locked_now
from .paths import Paths, private_folder, socket_address
from .setup import environment

START_SECONDS = 60.0
HANDSHAKE_SECONDS = 8.0
# For the rest of a message that has begun, in or out.
LINE_SECONDS = 10.0
POLL_SECONDS = 0.05
# Whoever cancels waits no longer than this for the worker to say that it has stopped.
CANCEL_SECONDS = 0.6
END_SECONDS = 10.0
# What may be asked twice without harm.
_QUESTIONS = (wire.AskPlan, wire.AskModels, wire.AskStatus, wire.AskDoctor)
R = TypeVar("R")


class Watcher(Protocol):
    """Whoever waits for a request: is told of progress, may ask for an end."""

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """The request has come this far."""

    def cancelled(self) -> bool:
        """Whether the user has cancelled."""


class Silent:
    """A watcher that neither looks nor cancels."""

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """Ignored."""

    def cancelled(self) -> bool:
        """Never."""
        return False


def key_of(paths: Paths) -> bytes:
    """The secret that editors and worker of one user share; made on first need, mode 0600.

    Raises ``CouldNotBeDone`` for one that somebody else has put there, who would know it.
    """
    file = private_folder(paths.runtime) / "worker.key"
    usual = getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    with contextlib.suppress(FileExistsError):
        handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL | usual, 0o600)
        os.write(handle, secrets.token_bytes(32))
        os.close(handle)
    for _turn in range(50):
        try:
            handle = os.open(file, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | usual)
        except OSError as error:
            why = error.strerror or error
            raise CouldNotBeDone(
                _("{file} cannot be read ({why}). Delete it and try again.", file=file, why=why)
            ) from error
        try:
            owner, key = os.fstat(handle).st_uid, os.read(handle, 33)
        finally:
            os.close(handle)
        if hasattr(os, "getuid") and owner != os.getuid():
            raise CouldNotBeDone(
                _(
                    "{file} belongs to another user, who knows it. Delete it and try again.",
                    file=file,
                )
            )
        if len(key) == 32:
            return key
        time.sleep(0.01)
    raise CouldNotBeDone(_("{file} is damaged. Delete it and try again.", file=file))


_HANGING_UP = threading.Lock()


def hang_up(line: Connection) -> None:
    """End a connection from another thread, so that a blocked read there returns."""
    with _HANGING_UP, contextlib.suppress(OSError, ValueError):
        if os.name == "nt":
            line.close()
        else:
            with socket.socket(fileno=os.dup(line.fileno())) as end:
                end.shutdown(socket.SHUT_RDWR)


def put_down(line: Connection) -> None:
    """Close a connection that nobody reads or writes any more.

    Its number may at once be that of another file or connection of this process, so that nobody
    may be about to hang it up.
    """
    with _HANGING_UP, contextlib.suppress(OSError):
        line.close()


def ended(paths: Paths) -> bool:
    """Wait for the end of a worker that was asked to stop; whether it has ended in time."""
    lock = paths.runtime / f"worker-{wire.PROTOCOL}.lock"
    deadline = time.monotonic() + END_SECONDS
    while time.monotonic() < deadline:
        if not lock.exists():
            return True
        with locked_now(lock) as free:
            if free:
                return True
        time.sleep(POLL_SECONDS)
    return False


def _dial(address: str) -> Connection:
    """A connection without handshake; ``TimeoutError`` when its queue stays full.

    The library's own call would wait for ever at a worker that is stopped.
    """
    if os.name == "nt":
        return connection.Client(address)
    deadline = time.monotonic() + HANDSHAKE_SECONDS
    with socket.socket(socket.AF_UNIX) as line:
        while True:
            line.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                line.connect(address)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise TimeoutError(address) from None
                time.sleep(POLL_SECONDS)
                continue
            line.setblocking(True)
            patience = struct.pack("ll", int(LINE_SECONDS), round(LINE_SECONDS % 1 * 1e6))
            line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVTIMEO, patience)
            line.setsockopt(socket.SOL_SOCKET, socket.SO_SNDTIMEO, patience)
            return Connection(line.detach())


def _give_up(line: Connection, late: threading.Event) -> None:
    late.set()
    hang_up(line)


class Client:
    """A connection to the worker; one request at a time, from one thread."""

    def __init__(
        self, paths: Paths, host: str, version: str, own_python: str | None = None
    ) -> None:
        self._paths = paths
        self._hello = wire.Hello(wire.PROTOCOL, host, version)
        self._own_python = own_python
        self._connection: Connection | None = None
        self._greeting: Connection | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._welcome: wire.Welcome | None = None
        self._ended = False

    @property
    def paths(self) -> Paths:
        """The folders of this user."""
        return self._paths

    def connect(self, start: bool = True, watcher: Watcher | None = None) -> bool:
        """Connect, starting the worker where ``start`` allows; whether there is a connection.

        A worker that is older than the installed one is replaced unless it is busy. Raises
        ``CouldNotBeDone`` when the worker cannot be started or does not answer.
        """
        watcher = watcher or Silent()
        if self._connection is not None:
            return True
        if self._try_connecting(watcher) and not (start and self._end_older()):
            return True
        if self._ended:
            raise Cancelled(_("Cancelled."))
        if not start:
            return False
        self._process = launch.start(self._paths, self._own_python)
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            if self._ended or watcher.cancelled():
                raise Cancelled(_("Cancelled."))
            if self._try_connecting(watcher):
                return True
            code = self._process.poll()
            if code == 0:
                # It found another worker, which may have been about to end.
                time.sleep(0.2)
                if not self._try_connecting(watcher):
                    self._process = launch.start(self._paths, self._own_python)
            elif code is not None:
                break
            time.sleep(0.01)
        raise CouldNotBeDone(
            _(
                "The NSS worker does not start: {last_words}. The whole log is {log}; setting "
                "it up again usually helps.",
                last_words=launch.last_words(self._paths),
                log=self._paths.log,
            )
        )

    def _try_connecting(self, watcher: Watcher) -> bool:
        address = socket_address(private_folder(self._paths.runtime), wire.PROTOCOL)
        found: Connection | None = None
        deadline: threading.Timer | None = None
        late = threading.Event()
        try:
            key = key_of(self._paths)
            found = self._greeting = _dial(address)
            # A worker that is stopped or stuck still accepts; then nothing ever comes.
            deadline = threading.Timer(HANDSHAKE_SECONDS, _give_up, (found, late))
            deadline.daemon = True
            deadline.start()
            while not found.poll(POLL_SECONDS):
                if watcher.cancelled():
                    raise Cancelled(_("Cancelled."))
            connection.answer_challenge(found, key)
            connection.deliver_challenge(found, key)
            found.send_bytes(codec.encode(self._hello))
            welcome = codec.decode(found.recv_bytes(wire.MAX_MESSAGE))
        except Cancelled:
            if found is not None:
                put_down(found)
            raise
        except (AuthenticationError, AssertionError, ValueError):
            # Python 3.11 asserts that it is asked for the key at all.
            if found is not None:
                put_down(found)
            raise CouldNotBeDone(
                _("The running NSS worker does not know this user's key. End it and try again.")
            ) from None
        except (OSError, EOFError, wire.WireError) as error:
            if found is not None:
                put_down(found)
            if late.is_set() or isinstance(error, TimeoutError):
                raise CouldNotBeDone(
                    _(
                        "A NSS worker runs and does not answer. End its process, whose module "
                        "is {worker_module}, and try again. The log is {log}.",
                        worker_module=launch.WORKER_MODULE,
                        log=self._paths.log,
                    )
                ) from None
            return False
        finally:
            self._greeting = None
            if deadline is not None:
                deadline.cancel()
        if not isinstance(welcome, wire.Welcome):
            put_down(found)
            return False
        self._connection, self._welcome = found, welcome
        return True

    def _end_older(self) -> bool:
        """End the worker we are connected to if it is an old one and idle; whether it has ended.

        It runs on after an update of what it was started from.
        """
        stamp = environment.state(self._paths).stamp
        newest = stamp.version if stamp else None
        if stamp is None and self._own_python is not None:
            # A command line starts the worker of its own version, unless another one is named.
            ours = launch.worker_python(self._paths, self._own_python) == self._own_python
            newest = __version__ if ours else None
        if newest is None or self._welcome is None:
            return False
        if environment.comparable(self._welcome.version) >= environment.comparable(newest):
            return False
        status = self.ask(wire.AskStatus(), wire.StatusReply)
        if status.job_running is not None or status.jobs_waiting:
            return False
        self.ask(wire.Stop(), wire.Done)
        self.close()
        return ended(self._paths)

    def abort(self) -> None:
        """From another thread: end whatever is running, at once and for good."""
        self._ended = True
        for line in (self._greeting, self._connection):
            if line is not None:
                hang_up(line)

    def close(self) -> None:
        """End the connection; the worker goes on living for others."""
        if self._connection is not None:
            put_down(self._connection)
            self._connection = None
        if self._process is not None:
            self._process.poll()

    def ask(self, message: Any, reply: type[R], watcher: Watcher | None = None) -> R:
        """Send a request and wait for its reply, which must be of the type ``reply``.

        A question that changes nothing is asked again, of a new worker, when the worker is lost.
        Raises the error the worker answers with, ``Cancelled``, or ``WorkerLost`` when the
        connection ends meanwhile.
        """
        watcher = watcher or Silent()
        try:
            return self._ask(message, reply, watcher)
        except WorkerLost:
            if not isinstance(message, _QUESTIONS):
                raise
            return self._ask(message, reply, watcher)

    def _ask(self, message: Any, reply: type[R], watcher: Watcher) -> R:
        self.connect(watcher=watcher)
        line = self._connection
        assert line is not None
        if self._ended:
            self.close()
            raise Cancelled(_("Cancelled."))
        asked_to_stop: float | None = None
        body = codec.encode(message)
        try:
            line.send_bytes(body)
            while True:
                if asked_to_stop is None and watcher.cancelled():
                    line.send_bytes(codec.encode(wire.Cancel()))
                    asked_to_stop = time.monotonic()
                if asked_to_stop and time.monotonic() - asked_to_stop > CANCEL_SECONDS:
                    # The end of the connection cancels as well; nobody has to wait for it.
                    self.close()
                    raise Cancelled(_("Cancelled."))
                if not line.poll(POLL_SECONDS):
                    continue
                event = codec.decode(line.recv_bytes(wire.MAX_MESSAGE))
                if isinstance(event, (wire.Progress, wire.Queued)):
                    watcher.progress(event)
                elif isinstance(event, wire.Failed):
                    raise from_code(event.code, event.message)
                elif isinstance(event, reply):
                    if asked_to_stop is not None:
                        # It was done before the worker heard of it; the user wants no result.
                        raise Cancelled(_("Cancelled."))
                    return event
                else:
                    raise wire.WireError(
                        _("The worker answered {kind}.", kind=type(event).__name__)
                    )
        except (EOFError, OSError, wire.WireError) as error:
            self.close()
            if self._ended or asked_to_stop is not None:
                raise Cancelled(_("Cancelled.")) from None
            raise WorkerLost(
                _("The connection to the NSS worker ended. Run the tool again.")
            ) from error

    def run(self, job: wire.StartJob, watcher: Watcher | None = None) -> wire.JobDone:
        """Run a job; when the worker is lost, a new one is started and does it classically.

        The new worker finds in its journal which model was running when the old one died.
        """
        try:
            return self.ask(job, wire.JobDone, watcher)
        except WorkerLost:
            again = wire.StartJob(
                **{**vars(job), "lost_worker": _("the NSS worker ended in the middle of the run")}
            )
            return self.ask(again, wire.JobDone, watcher)
