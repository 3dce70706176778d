"""The supervisor as a process: strangers, queues, ends and restarts, and a flood of nonsense."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from multiprocessing import AuthenticationError, connection
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared_core.bridge import codec, wire
from shared_core.bridge.arena import Arena
from shared_core.bridge.client import Client, key_of
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.paths import Paths, paths, socket_address
from tests.conftest import ROOT, Home, a_catalogue
from tests.fakes.contract_models import NAFNET, Variant

# `make campaign` asks for more.
CASES = 20 * int(os.environ.get("NSS_FUZZ_CASES", "100"))
SERVER = [sys.executable, "-E", "-P", "-m", "shared_core.worker.server"]
PLAN = wire.AskPlan("deblur", 64, 48)
FINAL = (wire.PlanReply, wire.JobDone, wire.Done, wire.StatusReply, wire.DoctorReply, wire.Failed)

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Unix sockets and signals")


class Wire:
    """One connection to the worker, message by message."""

    def __init__(self, where: Paths, key: bytes | None = None) -> None:
        address = socket_address(where.runtime, wire.PROTOCOL)
        self.line = connection.Client(address, authkey=key or key_of(where))
        self.send(wire.Hello(wire.PROTOCOL, "test", "0"))
        assert isinstance(self.next(), wire.Welcome)

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *error: object) -> None:
        self.line.close()

    def send(self, message: Any) -> None:
        self.line.send_bytes(message if isinstance(message, bytes) else codec.encode(message))

    def next(self, seconds: float = 120) -> Any:
        assert self.line.poll(seconds), f"nothing came for {seconds} s"
        return codec.decode(self.line.recv_bytes(wire.MAX_MESSAGE))

    def until(self, *kinds: type, seconds: float = 120) -> Any:
        """The next message of one of ``kinds``; progress on the way is passed over."""
        while True:
            event = self.next(seconds)
            if isinstance(event, kinds):
                return event
            assert isinstance(event, (wire.Progress, wire.Queued)), event

    def ask(self, message: Any) -> Any:
        self.send(message)
        return self.until(*FINAL)

    def status(self) -> wire.StatusReply:
        reply = self.ask(wire.AskStatus())
        assert isinstance(reply, wire.StatusReply)
        return reply


class Worker:
    """A worker process of our own, and the home it serves."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self.paths = paths(home.environment)
        home.folder.mkdir(parents=True, exist_ok=True)
        with (home.folder / "server.log").open("ab") as log:
            self.process = subprocess.Popen(
                SERVER, env=home.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        deadline = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError, EOFError), self.connect():
                return
            assert self.process.poll() is None, self.log()
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.05)

    def connect(self) -> Wire:
        return Wire(self.paths)

    def log(self) -> str:
        return (self.home.folder / "server.log").read_text("utf-8", "replace")

    def files(self) -> list[str]:
        return sorted(f.name for f in self.paths.runtime.iterdir() if f.name.startswith("px-"))

    def journal(self) -> dict[str, Any]:
        if not self.paths.journal.exists():
            return {"marks": [], "faults": []}
        found: dict[str, Any] = json.loads(self.paths.journal.read_text("utf-8"))
        return found

    def stop(self) -> None:
        if self.process.poll() is None:
            with self.connect() as line:
                line.send(wire.Stop())
        assert self.process.wait(120) == 0


def job(arena: Arena, path: str = "real", width: int = 64, **changes: Any) -> wire.StartJob:
    """A job on files of ``arena``; the real one takes some seconds, the classical one does not."""
    source = arena.create(width, 48, "u8", "rgba")
    arena.write(source, bytes(range(256)) * (source.size // 256))
    result = arena.create(width, 48, "u8", "rgba")
    return wire.StartJob("deblur", source, result, path=path, **changes)


def running(line: Wire) -> None:
    """Wait until the model runs."""
    while line.until(wire.Progress).stage != "running":
        pass


@contextlib.contextmanager
def held(worker: Worker) -> Iterator[None]:
    """The runner stands still, so that its job does not come to an end meanwhile."""
    with worker.connect() as line:
        runner = line.status().runner_pid
    assert runner
    os.kill(runner, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(runner, signal.SIGCONT)


def eventually(what: Any, seconds: float = 120) -> None:
    """Wait until ``what()`` holds."""
    deadline = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.fixture(scope="module")
def worker() -> Iterator[Worker]:
    """One worker for many tests, with a slow model; other users could reach its home's folder."""
    folder = Path(tempfile.mkdtemp(prefix="nss-test-", dir="/tmp"))
    folder.chmod(0o755)
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NSS_", "HF_"))}
    home = Home(folder / "home", environment | {"NSS_HOME": str(folder / "home")})
    try:
        with a_catalogue(home, folder) as make:
            make({NAFNET: Variant.SLOW}, seconds=0.7, gflop_per_megapixel={NAFNET: 0.1})
            # The model comes through another worker, so that this one starts with it.
            home.nss("models", "get", NAFNET)
            home.nss("worker", "stop")
            environment = {k: v for k, v in home.environment.items() if k != "HF_ENDPOINT"}
            home = Home(home.folder, environment | {"HF_HUB_OFFLINE": "1"})
            eventually(lambda: not home.json("worker", "status")["running"])
            made = Worker(home)
            with made.connect() as line:
                line.ask(wire.AskDoctor())
            yield made
            made.stop()
            assert "Traceback" not in made.log()
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def arena(worker: Worker) -> Iterator[Arena]:
    with Arena(worker.paths) as made:
        yield made


# ---------------------------------------------------------------- strangers


def bare(worker: Worker) -> socket.socket:
    """A connection that has not shaken hands."""
    end = socket.socket(socket.AF_UNIX)
    end.connect(socket_address(worker.paths.runtime, wire.PROTOCOL))
    end.settimeout(120)
    return end


def waits(stranger: socket.socket) -> bool:
    """Whether the worker has not hung up yet."""
    try:
        return bool(stranger.recv(4096, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return True


def test_silent_strangers_hold_up_nobody(worker):
    """Somebody else is answered while all of them wait, and in the end they are sent away."""
    # A machine that is busy may send them away before: then they had no chance to hold it up.
    for _ in range(10):
        strangers = [bare(worker) for _ in range(30)]
        with worker.connect() as line:
            assert isinstance(line.ask(PLAN), wire.PlanReply)
        meanwhile = all(map(waits, strangers))
        for stranger in strangers:
            with stranger:
                while stranger.recv(4096):
                    pass
        if meanwhile:
            return
    pytest.fail("they were always gone before anybody else was answered")


def test_a_wrong_key_is_refused(worker):
    for key in (b"x", bytes(32), b"\xff" * 32):
        with pytest.raises(AuthenticationError):
            Wire(worker.paths, key)
    with worker.connect() as line:
        assert line.status().pid == worker.process.pid


def test_a_client_with_another_key_is_told_so(worker, tmp_path):
    wrong = replace(worker.paths, runtime=tmp_path / "run")
    key_of(wrong)
    os.symlink(
        socket_address(worker.paths.runtime, wire.PROTOCOL),
        socket_address(wrong.runtime, wire.PROTOCOL),
    )
    with pytest.raises(CouldNotBeDone, match="does not know this user's key"):
        Client(wrong, "test", "0").connect(start=False)


@pytest.mark.parametrize(
    "noise",
    [b"", b"\0", b"GET / HTTP/1.1\r\n\r\n", b"\xff" * 64, b"\0\0\0\x05hello", b"\x7f\xff\xff\xff"],
)
def test_noise_before_the_handshake(worker, noise):
    with bare(worker) as stranger:
        stranger.sendall(noise)
        stranger.shutdown(socket.SHUT_WR)
        with contextlib.suppress(ConnectionError):
            while stranger.recv(4096):
                pass
    with worker.connect() as line:
        assert isinstance(line.ask(PLAN), wire.PlanReply)


@pytest.mark.parametrize(
    "hello",
    [
        codec.encode(wire.Hello(wire.PROTOCOL + 1, "future", "9")),
        codec.encode(wire.AskStatus()),
        b"not json",
    ],
)
def test_a_wrong_first_message_ends_the_connection(worker, hello):
    address = socket_address(worker.paths.runtime, wire.PROTOCOL)
    with connection.Client(address, authkey=key_of(worker.paths)) as line:
        line.send_bytes(hello)
        with pytest.raises(EOFError):
            line.recv_bytes()
    with worker.connect() as line:
        assert line.status().pid == worker.process.pid


# ---------------------------------------------------------------- messages


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"\0" * 100, b"[]", b'{"type": "Popen"}', b'{"type": "AskPlan"}', b"[" * 9999],
)
def test_garbage_is_answered_and_the_connection_lives(worker, body):
    with worker.connect() as line:
        assert isinstance(line.ask(body), wire.Failed)
        assert isinstance(line.ask(PLAN), wire.PlanReply)


@pytest.mark.parametrize("size", [wire.MAX_MESSAGE, wire.MAX_MESSAGE + 1, 8 << 20])
def test_messages_of_a_mebibyte_and_more(worker, size):
    with worker.connect() as line:
        with contextlib.suppress(ConnectionError):
            line.send(b'"' + b"x" * (size - 2) + b'"')
        if size > wire.MAX_MESSAGE:
            with pytest.raises((EOFError, ConnectionError)):
                line.next()
        else:
            assert isinstance(line.next(), wire.Failed)
    with worker.connect() as line:
        assert isinstance(line.ask(PLAN), wire.PlanReply)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"width": 0}, "usage"),
        ({"height": -5}, "usage"),
        ({"width": 10**18}, "usage"),
        ({"width": 10**30}, "wire"),
        ({"width": 1 << 20, "height": 1 << 20}, None),
        ({"tool": "unblur"}, "usage"),
        ({"path": "byo"}, "usage"),
        ({"path": ""}, "usage"),
        ({"limits": {"budget": 0.0}}, "usage"),
        ({"limits": {"budget": 1e-9}}, None),
        ({"limits": {"memory": {"bytes": -1}}}, "usage"),
        ({"limits": {"memory": {"bytes": 1}}}, None),
        ({"limits": {"vram": {}}}, "usage"),
        ({"limits": {"patience": 1}}, "wire"),
        ({"parameters": {"amount": 10**400}}, "wire"),
        ({"parameters": {"amount": [1]}}, "usage"),
        ({"parameters": {"amount": None}}, "usage"),
        ({"parameters": {"kind": {}}}, "usage"),
        ({"parameters": {"": 1}}, "usage"),
    ],
)
def test_plans_for_odd_questions(worker, change, code):
    with worker.connect() as line:
        reply = line.ask(json.dumps({"type": "AskPlan", **asdict(PLAN), **change}).encode())
        if code is None:
            assert isinstance(reply, wire.PlanReply) and reply.plan.path == "classical"
        else:
            assert isinstance(reply, wire.Failed) and reply.code == code, reply
        assert isinstance(line.ask(PLAN), wire.PlanReply)


@pytest.mark.parametrize("kind", ["infinite", "long"])
def test_a_reply_that_cannot_be_sent_is_an_error_and_not_a_silence(worker, arena, kind):
    body = {"type": "StartJob", **asdict(job(arena, "classical")), "previous": {"a": 0}}
    text = json.dumps(body)
    fill = "1e999" if kind == "infinite" else '"' + "x" * (wire.MAX_MESSAGE - len(text) - 1) + '"'
    with worker.connect() as line:
        line.send(text.replace('{"a": 0}', f'{{"a": {fill}}}').encode())
        assert isinstance(line.until(*FINAL), wire.Failed)
        assert isinstance(line.ask(PLAN), wire.PlanReply)


@pytest.mark.parametrize(
    "change",
    [
        {"name": "../../../etc/passwd"},
        {"name": "worker.key"},
        {"name": "px-1-" + "0" * 32},
        {"folder": "overflow"},
        {"width": 65},
        {"width": 1 << 20, "height": 1 << 20, "depth": "f32"},
        {"depth": "u16"},
        {"order": "mask"},
    ],
)
@pytest.mark.parametrize("path", ["classical", "real"])
def test_pixel_files_that_are_not_what_they_are_said_to_be(worker, arena, change, path):
    good = job(arena, path)
    with worker.connect() as line:
        for field in ("source", "result", "mask"):
            wrong = replace(good.source, **change)
            if field == "mask" and change == {"order": "mask"}:
                continue
            reply = line.ask(replace(good, **{field: wrong}))
            assert isinstance(reply, wire.Failed), (field, reply)
            assert reply.message[-1] == "." and "Error" not in reply.message
        # None of it is the model's fault.
        assert worker.journal()["faults"] == []
        if path == "classical":
            assert isinstance(line.ask(good), wire.JobDone)


def test_a_link_to_foreign_pixels_is_not_followed(worker, arena, tmp_path):
    good = job(arena, "classical")
    (tmp_path / "secret").write_bytes(bytes(good.source.size))
    name = f"px-{os.getpid()}-" + "a" * 32
    link = worker.paths.runtime / name
    link.symlink_to(tmp_path / "secret")
    try:
        with worker.connect() as line:
            assert isinstance(
                line.ask(replace(good, result=replace(good.result, name=name))), wire.Failed
            )
    finally:
        link.unlink()
    assert (tmp_path / "secret").read_bytes() == bytes(good.source.size)


def test_status_while_a_job_runs_tells_the_truth(worker, arena):
    with worker.connect() as line, worker.connect() as other:
        line.send(job(arena))
        line.until(wire.Progress)
        with held(worker):
            status = other.status()
        assert (status.job_running, status.jobs_waiting) == ("deblur", 0)
        assert status.runner_pid and psutil.pid_exists(status.runner_pid)
        assert line.until(*FINAL).receipt["path"] == "real"
        eventually(lambda: other.status().job_running is None)


# ---------------------------------------------------------------- the queue


def test_jobs_queue_and_one_runs_at_a_time(worker, arena):
    lines = [worker.connect() for _ in range(3)]
    ended: list[int] = []
    at_once = 0
    places: dict[int, list[int]] = {0: [], 1: [], 2: []}
    try:
        lines[0].send(job(arena))
        running(lines[0])
        with held(worker):
            for number in (1, 2):
                lines[number].send(job(arena))
                places[number].append(lines[number].next().place)

        def follow(number: int) -> None:
            while True:
                event = lines[number].next()
                if isinstance(event, wire.Queued):
                    places[number].append(event.place)
                elif not isinstance(event, wire.Progress):
                    assert isinstance(event, wire.JobDone), event
                    assert event.receipt["path"] == "real"
                    ended.append(number)
                    return

        threads = [threading.Thread(target=follow, args=(n,)) for n in range(3)]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            at_once = max(at_once, len(worker.journal()["marks"]))
            time.sleep(0.01)
    finally:
        for line in lines:
            line.line.close()
    assert places == {0: [], 1: [1], 2: [2, 1]}
    assert sorted(ended) == [0, 1, 2]
    assert at_once == 1


def test_cancel_and_disconnect_while_queued(worker, arena):
    with contextlib.ExitStack() as stack:
        first, second, third, fourth = (stack.enter_context(worker.connect()) for _ in range(4))
        first.send(job(arena))
        running(first)
        waiting = []
        with held(worker):
            for place, line in enumerate((second, third, fourth), 1):
                waiting.append(job(arena, "classical"))
                line.send(waiting[-1])
                assert line.next() == wire.Queued(place)
            second.send(wire.Cancel())
            third.line.close()
            gone = {waiting[1].source.name, waiting[1].result.name}
            eventually(lambda: gone.isdisjoint(worker.files()))
            assert waiting[2].source.name in worker.files()
        assert first.until(*FINAL).receipt["path"] == "real"
        cancelled = second.until(*FINAL)
        assert isinstance(cancelled, wire.Failed) and cancelled.code == "cancelled"
        assert isinstance(fourth.until(*FINAL), wire.JobDone)
        # The connection whose job was cancelled is as good as before.
        assert isinstance(second.ask(waiting[0]), wire.JobDone)


def test_a_cancelled_job_is_no_fault_of_the_model(worker, arena):
    with worker.connect() as line:
        line.send(job(arena))
        running(line)
        line.send(wire.Cancel())
        reply = line.until(*FINAL)
        assert isinstance(reply, wire.Failed) and reply.code == "cancelled"
        assert worker.journal()["marks"] == worker.journal()["faults"] == []
        assert isinstance(line.ask(job(arena, "classical")), wire.JobDone)


def test_one_request_at_a_time_on_a_connection(worker, arena):
    with worker.connect() as line:
        line.send(job(arena))
        running(line)
        with held(worker):
            for message in (PLAN, wire.AskStatus(), job(arena), wire.Stop(), wire.TryAgain()):
                reply = line.ask(message)
                assert isinstance(reply, wire.Failed) and reply.code == "usage"
            line.send(wire.Cancel())
        assert line.until(*FINAL).code == "cancelled"
        assert isinstance(line.ask(PLAN), wire.PlanReply)


def test_a_disconnect_in_a_run_cancels_it_and_deletes_its_files(worker, arena):
    with worker.connect() as line:
        line.send(job(arena))
        running(line)
    with worker.connect() as line:
        eventually(lambda: line.status().job_running is None)
    assert worker.files() == []


def test_files_of_a_killed_client_go_though_it_announced_no_job(worker):
    script = textwrap.dedent("""
        import os, sys, time
        from shared_core.bridge import wire
        from shared_core.bridge.arena import Arena
        from shared_core.bridge.client import Client
        from shared_core.bridge.paths import paths
        client = Client(paths(), "test", "0")
        client.ask(wire.AskPlan("deblur", 64, 48), wire.PlanReply)
        print(Arena(paths()).create(64, 48, "u8", "rgba").name, flush=True)
        time.sleep(60)
    """)
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        env={**worker.home.environment, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    name = process.stdout.readline().strip()
    assert name in worker.files()
    process.kill()
    process.wait()
    eventually(lambda: name not in worker.files())


# ---------------------------------------------------------------- nonsense in bulk


def _mutated(rng: random.Random, body: dict[str, Any]) -> bytes:
    """A message with one or several faults, or only bytes."""
    odd: list[Any] = [
        *(None, True, False, 0, -1, 1, 2**31, 2**63, 10**300, 0.5, -1e308, 1e-300, "", "x", "auto"),
        *(
            "real",
            "classical",
            "../x",
            "\0",
            "\ud800",
            "é" * 50,
            [],
            [[]],
            {},
            {"a": 1},
            [None] * 9,
        ),
    ]
    kind = rng.random()
    if kind < 0.1:
        return rng.randbytes(rng.randrange(300))
    target = body
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        nested = [v for v in body.values() if isinstance(v, dict) and v]
        target = rng.choice([body, *nested])
        name = rng.choice(list(target))
        if name == "type":
            target[name] = rng.choice(["AskPlan", "StartJob", "Cancel", "Hello", "JobDone", 7])
        elif rng.random() < 0.15:
            del target[name]
        elif rng.random() < 0.1:
            target[rng.choice(["", "type ", "folder", "x"])] = copy.deepcopy(rng.choice(odd))
        else:
            target[name] = copy.deepcopy(rng.choice(odd))
    text = bytearray(json.dumps(body).encode())
    if kind < 0.25:
        for _ in range(rng.randrange(1, 4)):
            text[rng.randrange(len(text))] = rng.randrange(256)
    return bytes(text)


def test_a_flood_of_nonsense(worker, arena):
    seed = int(os.environ.get("NSS_FUZZ_SEED", "7"))
    rng = random.Random(seed)
    good = job(arena, "classical")
    messages = [
        wire.AskPlan("denoise", 300, 200, "auto", {"strength": 9.0}, 30.0, 1 << 30),
        PLAN,
        replace(good, mask=good.source, parameters={"amount": 5.0}, previous={"schema": 1}),
        good,
        wire.TryAgain("deblur"),
        wire.Download("no-such-model", {"HF_ENDPOINT": "http://127.0.0.1:9"}),
        wire.AskDoctor(wait=False),
        wire.AskStatus(),
    ]
    bodies = [{"type": type(m).__name__, **asdict(m)} for m in messages]
    answered = 0
    log = worker.log()
    line = worker.connect()
    for number in range(CASES):
        body = _mutated(rng, json.loads(json.dumps(rng.choice(bodies))))
        message: Any = None
        with contextlib.suppress(wire.WireError):
            message = codec.decode(body)
        if isinstance(message, wire.AskDoctor) and message.wait:
            continue
        line.send(body)
        if not isinstance(message, wire.Cancel):
            reply = line.until(*FINAL)
            answered += 1
            assert message is not None or isinstance(reply, wire.Failed), (seed, number, body)
            said = getattr(reply, "message", "")
            assert "mistake of its own" not in said and "Error" not in said, (
                seed,
                number,
                body,
                said,
            )
        if rng.random() < 0.02:
            line.line.close()
            line = worker.connect()
    assert answered > CASES * 0.9
    assert isinstance(line.ask(PLAN), wire.PlanReply)
    assert line.status().pid == worker.process.pid
    assert isinstance(line.ask(job(arena, "classical")), wire.JobDone)
    line.line.close()
    assert worker.log() == log


def test_it_stays_light(worker, arena):
    """After whatever the tests before have done to it."""
    with worker.connect() as line:
        line.ask(job(arena, "classical"))
    if not Path("/proc/self/maps").exists():
        pytest.skip("there is no /proc here")
    pid = worker.process.pid
    maps = Path(f"/proc/{pid}/maps").read_text()
    for library in ("numpy", "onnxruntime", "cv2", "huggingface", "rich", "tifffile"):
        assert library not in maps
    # The floods before have cost some 4 MiB, but it does not grow with their number.
    assert psutil.Process(pid).memory_info().rss < 40 << 20
    # Those of connections that have just ended go in their own time.
    eventually(lambda: psutil.Process(pid).num_threads() < 12)
    eventually(lambda: psutil.Process(pid).num_fds() < 40)


# ---------------------------------------------------------------- lives and ends


def test_a_second_server_goes_by_itself(worker):
    # It would serve for minutes.
    second = subprocess.run(SERVER, env=worker.home.environment, timeout=200, check=False)
    assert second.returncode == 0
    with worker.connect() as line:
        assert line.status().pid == worker.process.pid


@pytest.mark.parametrize("left", ["socket", "file", "nothing"])
def test_a_killed_server_is_replaced(home, left):
    first = Worker(home)
    pid = first.process.pid
    leftover = home.folder / "run" / f"px-{pid}-{'0' * 32}"
    leftover.write_bytes(b"pixels")
    mine = home.folder / "run" / f"px-{os.getpid()}-{'0' * 32}"
    mine.write_bytes(b"pixels")
    first.process.kill()
    first.process.wait()
    address = Path(socket_address(first.paths.runtime, wire.PROTOCOL))
    assert address.is_socket()
    if left != "socket":
        address.unlink()
    if left == "file":
        address.write_text("not a socket")
    second = Worker(home)
    assert second.process.pid != pid
    assert not leftover.exists() and mine.exists()
    second.stop()
    assert not address.exists()


def test_idle_processes_go_away(home):
    home.environment |= {"NSS_RUNNER_IDLE_SECONDS": "3", "NSS_WORKER_IDLE_SECONDS": "4"}
    worker = Worker(home)
    with worker.connect() as line, Arena(worker.paths) as arena:
        assert isinstance(line.ask(job(arena, "classical")), wire.JobDone)
        runner = line.status().runner_pid
        assert runner and psutil.pid_exists(runner)
        if psutil.LINUX:
            # 25 MiB with Python 3.11, 28 with 3.13, some more beside NVIDIA's driver; whatever is
            # heavy takes more than what is left here.
            assert psutil.Process(worker.process.pid).memory_info().rss < 32 << 20
        eventually(lambda: line.status().runner_pid is None)
        eventually(lambda: not psutil.pid_exists(runner))
        # As long as somebody is connected the supervisor stays.
        time.sleep(4.5)
        assert worker.process.poll() is None
        assert isinstance(line.ask(job(arena, "classical")), wire.JobDone)
    assert worker.process.wait(120) == 0
    assert not Path(socket_address(worker.paths.runtime, wire.PROTOCOL)).exists()


@pytest.mark.parametrize("way", ["message", "SIGTERM"])
def test_an_end_in_the_middle_of_a_run_is_no_fault_of_the_model(worker, way):
    """Its own home, with the slow model of the shared one."""
    folder = Path(tempfile.mkdtemp(prefix="nss-test-", dir="/tmp"))
    shutil.copytree(worker.home.folder / "data" / "models", folder / "home" / "data" / "models")
    home = Home(folder / "home", {**worker.home.environment, "NSS_HOME": str(folder / "home")})
    mine = Worker(home)
    try:
        with mine.connect() as line, mine.connect() as other, Arena(mine.paths) as arena:
            line.send(job(arena))
            running(line)
            family = psutil.Process(mine.process.pid).children(recursive=True)
            assert len(family) == 1
            with held(mine):
                if way == "message":
                    assert isinstance(other.ask(wire.Stop()), wire.Done)
                else:
                    mine.process.terminate()
            reply = line.until(*FINAL)
            assert isinstance(reply, wire.Failed) and reply.code == "cancelled"
            with pytest.raises(EOFError):
                line.line.recv_bytes()
        assert mine.process.wait(120) == 0
        eventually(lambda: all(_gone(child.pid) for child in family))
        assert mine.journal()["marks"] == mine.journal()["faults"] == []
        assert "Traceback" not in mine.log()
    finally:
        mine.process.kill()
        shutil.rmtree(folder)


def test_a_runner_killed_while_idle_leaves_no_zombie(worker, arena):
    with worker.connect() as line:
        line.ask(job(arena, "classical"))
        runner = line.status().runner_pid
        assert runner
        os.kill(runner, signal.SIGKILL)
        eventually(lambda: line.status().runner_pid is None)
        eventually(lambda: not psutil.pid_exists(runner))
        assert isinstance(line.ask(job(arena, "classical")), wire.JobDone)
        assert len(psutil.Process(worker.process.pid).children()) == 1


def test_a_killed_supervisor_takes_its_runner_along(home):
    worker = Worker(home)
    with worker.connect() as line, Arena(worker.paths) as arena:
        line.ask(job(arena, "classical"))
        runner = line.status().runner_pid
        assert runner
        worker.process.kill()
        worker.process.wait()
        eventually(lambda: _gone(runner))


def _gone(pid: int) -> bool:
    """Whether a process has ended; whoever is to notice that may be gone too."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    return True
