"""Another user of the machine: reaches nothing, takes nobody's place; what it plants is refused.

A second user id is what only root can be; where the tests do not run as root they are skipped.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator
from multiprocessing import connection
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared_core.bridge import paths as paths_module
from shared_core.bridge import wire
from shared_core.bridge.arena import Arena, mapped
from shared_core.bridge.client import Client, key_of
from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.locks import locked_now
from shared_core.bridge.paths import Paths, paths, private_folder, socket_address
from shared_core.worker import server
from tests.conftest import Home
from tests.worker.test_server import Worker

if not hasattr(os, "getuid") or os.getuid() != 0:
    pytest.skip("only root can be others", allow_module_level=True)

OTHER = 65534


def as_other(act: Callable[[], Any]) -> int:
    """The exit code of a process of the other user that does ``act``: 0, or 1 where it may not."""
    child = os.fork()
    if child == 0:
        code = 99
        try:
            os.setgroups([])
            os.setgid(OTHER)
            os.setuid(OTHER)
            code = 0
            act()
        except (PermissionError, psutil.AccessDenied):
            code = 1
        except BaseException as error:
            sys.stderr.write(repr(error))
            code = 98
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that everybody can look into and write to, as the temporary one is."""
    made = Path(tempfile.mkdtemp(prefix="nss-others-", dir="/tmp"))
    made.chmod(0o1777)
    yield made
    shutil.rmtree(made)


@pytest.fixture(scope="module")
def worker(folder: Path) -> Iterator[Worker]:
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NSS_", "HF_"))}
    home = Home(folder / "home", environment | {"NSS_HOME": str(folder / "home")})
    made = Worker(home)
    yield made
    made.stop()
    assert "Traceback" not in made.log()


@pytest.fixture
def where(folder: Path, request: pytest.FixtureRequest) -> Paths:
    """The folders of a user who has not yet started anything; the other one may come first."""
    return paths({"NSS_HOME": str(folder / request.node.name.replace("/", "-"))})


def dial(address: str) -> None:
    with socket.socket(socket.AF_UNIX) as end:
        end.connect(address)


def test_another_user_reaches_neither_worker_nor_pixels(worker: Worker) -> None:
    runtime, pid = worker.paths.runtime, worker.process.pid
    address = socket_address(runtime, wire.PROTOCOL)
    with Arena(worker.paths) as arena:
        pixels = runtime / arena.create(8, 6, "u8", "rgba").name
        assert pixels.stat().st_mode & 0o777 == 0o600
        assert runtime.stat().st_mode & 0o777 == 0o700
        tries: dict[str, Callable[[], Any]] = {
            "look into the folder": lambda: os.listdir(runtime),
            "read pixels": lambda: os.open(pixels, os.O_RDONLY),
            "write pixels": lambda: os.open(pixels, os.O_WRONLY),
            "read the key": lambda: os.open(runtime / "worker.key", os.O_RDONLY),
            "connect": lambda: dial(address),
            "delete the socket": lambda: os.unlink(address),
            "move the folder": lambda: os.rename(runtime, runtime.with_name("moved")),
            "plant a file": lambda: os.open(runtime / "px", os.O_WRONLY | os.O_CREAT),
            "plant a link": lambda: os.symlink("/etc/passwd", runtime / "link"),
            "hold the lock": lambda: os.open(runtime / f"worker-{wire.PROTOCOL}.lock", os.O_RDWR),
            "end the worker": lambda: os.kill(pid, signal.SIGTERM),
            "read its memory": lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY),
            "read its environment": lambda: os.open(f"/proc/{pid}/environ", os.O_RDONLY),
            "read the log": lambda: os.open(worker.paths.log, os.O_RDONLY),
        }
        worker.paths.log.parent.mkdir(parents=True, exist_ok=True)
        private_folder(worker.paths.cache)
        worker.paths.log.touch()
        reached = [name for name, act in tries.items() if as_other(act) != 1]
    assert reached == []
    # What it would be without the folder's mode: the witness can tell.
    assert as_other(lambda: os.listdir(worker.home.folder)) == 0


def test_another_user_cannot_take_the_workers_place(worker: Worker, monkeypatch: Any) -> None:
    monkeypatch.setenv("NSS_HOME", str(worker.home.folder))
    # The whole program, as the other user would start it.
    assert as_other(server.main) == CouldNotBeDone.exit_code
    with worker.connect() as line:
        assert line.status().pid == worker.process.pid


def planted_folder(place: Path) -> None:
    place.mkdir(mode=0o777)
    (place / "worker.key").write_bytes(b"k" * 32)


@pytest.mark.parametrize("what", ["folder", "folder with a link to ours", "link"])
def test_a_planted_runtime_folder_is_refused(where: Paths, folder: Path, what: str) -> None:
    """Made by the other user before ours was; nothing of ours may get there."""
    where.runtime.parent.mkdir(parents=True)
    where.runtime.parent.chmod(0o1777)
    ours = folder / f"ours {what}"
    ours.mkdir(mode=0o700)

    def plant() -> None:
        if what == "link":
            where.runtime.symlink_to(ours)
            return
        planted_folder(where.runtime)
        if what != "folder":
            (where.runtime / "pixels").symlink_to(ours)

    assert as_other(plant) == 0
    before = sorted(where.runtime.iterdir())
    with pytest.raises(CouldNotBeDone, match=r"another user|is not a folder"):
        Client(where, "test", "0", sys.executable).connect()
    with Arena(where) as arena, pytest.raises(CouldNotBeDone):
        arena.create(8, 6, "u8", "rgba")
    with pytest.raises(CouldNotBeDone):
        server.Server(where).serve()
    assert sorted(where.runtime.iterdir()) == before
    assert list(ours.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "link"])
def test_a_planted_folder_for_the_socket_is_refused(
    folder: Path, what: str, monkeypatch: Any
) -> None:
    """Where the home's path is too long for a socket, it lies in the temporary folder."""
    short = folder / f"tmp {what}"
    short.mkdir(exist_ok=True)
    short.chmod(0o1777)
    monkeypatch.setattr(paths_module.tempfile, "gettempdir", lambda: str(short))
    where = paths({"NSS_HOME": str(folder / ("x" * 100))})
    address = Path(socket_address(where.runtime, wire.PROTOCOL))
    assert address.parent.parent == short
    address.parent.rmdir()
    plant = address.parent.mkdir if what == "folder" else lambda: address.parent.symlink_to(folder)
    assert as_other(plant) == 0
    with pytest.raises(CouldNotBeDone, match=r"another user|is not a folder"):
        socket_address(where.runtime, wire.PROTOCOL)


@pytest.fixture
def open_once(where: Paths) -> Paths:
    """A runtime folder of ours that others could write to, until NSS looks at it."""
    where.runtime.mkdir(parents=True)
    where.runtime.chmod(0o777)
    return where


def test_a_key_that_somebody_else_knows_is_refused(open_once: Paths) -> None:
    file = open_once.runtime / "worker.key"
    assert as_other(lambda: file.write_bytes(b"k" * 32)) == 0
    with pytest.raises(CouldNotBeDone, match="belongs to another user"):
        key_of(open_once)
    assert open_once.runtime.stat().st_mode & 0o777 == 0o700
    assert as_other(file.unlink) == 1
    file.unlink()
    assert len(key_of(open_once)) == 32


@pytest.mark.parametrize("what", ["link", "pipe"])
def test_a_key_that_is_no_file_is_refused(open_once: Paths, folder: Path, what: str) -> None:
    file = open_once.runtime / "worker.key"
    known = folder / f"known {what}"
    known.write_bytes(b"k" * 32)
    assert as_other(lambda: file.symlink_to(known) if what == "link" else os.mkfifo(file)) == 0
    with pytest.raises(CouldNotBeDone, match="Delete it"):
        key_of(open_once)


def test_a_planted_worker_learns_nothing(open_once: Paths) -> None:
    """Somebody else listens at the worker's address: no message gets there."""
    key_of(open_once)
    open_once.runtime.chmod(0o777)
    address = socket_address(open_once.runtime, wire.PROTOCOL)
    open_once.runtime.chmod(0o777)
    ready, heard = os.pipe()[0], None
    reading, writing = os.pipe()

    def listen() -> None:
        with connection.Listener(address, "AF_UNIX") as listener:
            os.chmod(address, 0o777)
            os.write(writing, b"r")
            with listener.accept() as line:
                with contextlib.suppress(Exception):
                    connection.deliver_challenge(line, b"k" * 32)
                with contextlib.suppress(EOFError, OSError):
                    os.write(writing, line.recv_bytes())

    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            as_other(listen)
        os._exit(0)
    os.close(ready)
    assert os.read(reading, 1) == b"r"
    with pytest.raises(CouldNotBeDone, match="does not know this user's key"):
        Client(open_once, "test", "0", sys.executable).connect(start=False)
    os.waitpid(child, 0)
    os.close(writing)
    heard = os.read(reading, 1 << 16)
    os.close(reading)
    assert b"type" not in heard


@pytest.mark.parametrize("what", ["another's file", "link", "pipe", "folder", "device"])
def test_planted_pixel_files_are_not_opened(open_once: Paths, folder: Path, what: str) -> None:
    with Arena(open_once) as arena:
        file = arena.create(32, 32, "u8", "rgba")
        open_once.runtime.chmod(0o777)
        place = open_once.runtime / file.name
        place.unlink()
        secret = folder / f"secret {what}"
        secret.write_bytes(bytes(file.size))
        plants: dict[str, Callable[[], Any]] = {
            "another's file": lambda: place.write_bytes(bytes(file.size)),
            "link": lambda: place.symlink_to(secret),
            "pipe": lambda: os.mkfifo(place),
            "folder": place.mkdir,
            "device": lambda: place.symlink_to("/dev/zero"),
        }
        assert as_other(plants[what]) == 0
        for write in (False, True):
            with pytest.raises(CouldNotBeDone), mapped(open_once, file, write=write):
                pass
        if what == "folder":
            place.rmdir()


def test_a_lock_that_is_a_link_makes_no_file_elsewhere(open_once: Paths, folder: Path) -> None:
    lock, elsewhere = open_once.runtime / "worker.lock", folder / "made elsewhere"
    assert as_other(lambda: lock.symlink_to(elsewhere)) == 0
    with pytest.raises(CouldNotBeDone), locked_now(lock):
        pass
    assert not elsewhere.exists()


def test_a_stale_socket_and_a_link_in_its_place_are_replaced(folder: Path) -> None:
    """What is at the socket's place goes; what a link there points at stays."""
    for what in ("stale", "link"):
        home = folder / f"home {what}"
        where = paths({"NSS_HOME": str(home)})
        address = Path(socket_address(private_folder(where.runtime), wire.PROTOCOL))
        precious = folder / f"precious {what}"
        precious.write_text("mine")
        if what == "link":
            address.symlink_to(precious)
        else:
            with socket.socket(socket.AF_UNIX) as end:
                end.bind(str(address))
        environment = {k: v for k, v in os.environ.items() if not k.startswith(("NSS_", "HF_"))}
        made = Worker(Home(home, environment | {"NSS_HOME": str(home)}))
        assert address.is_socket() and not address.is_symlink()
        made.stop()
        assert precious.read_text() == "mine"
