"""Is a worker that is older than what is installed replaced, and only when nobody needs it?"""

from __future__ import annotations

import sys
import threading
from multiprocessing.connection import Listener, answer_challenge, deliver_challenge
from pathlib import Path

import pytest

from shared_core.bridge import __version__, client, codec, wire
from shared_core.bridge.paths import Paths, paths, private_folder, socket_address
from shared_core.bridge.setup import environment


class OldWorker:
    """Greets with a version and says what it does; notes whether it was asked to stop."""

    def __init__(self, where: Paths, version: str, running: str | None) -> None:
        self.stopped = threading.Event()
        self._reply = wire.StatusReply(1, None, 0, running, 1.0, version)
        self._version = version
        address = socket_address(private_folder(where.runtime), wire.PROTOCOL)
        self._listener = Listener(address, "AF_UNIX")
        self._key = client.key_of(where)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _serve(self) -> None:
        with self._listener.accept() as line:
            deliver_challenge(line, self._key)
            answer_challenge(line, self._key)
            assert isinstance(codec.decode(line.recv_bytes()), wire.Hello)
            line.send_bytes(codec.encode(wire.Welcome(wire.PROTOCOL, self._version, 1)))
            while True:
                try:
                    asked = codec.decode(line.recv_bytes())
                except EOFError:
                    return
                if isinstance(asked, wire.Stop):
                    self.stopped.set()
                    self._listener.close()
                    line.send_bytes(codec.encode(wire.Done()))
                    return
                line.send_bytes(codec.encode(self._reply))


@pytest.fixture
def where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Paths:
    monkeypatch.setenv("NSS_HOME", str(tmp_path))
    return paths()


@pytest.mark.parametrize(
    ("version", "running", "replaced"),
    [
        ("0.0.1", None, True),
        ("0.0.1", "deblur", False),
        (__version__, None, False),
        ("99.0", None, False),
    ],
)
def test_replaced(where: Paths, version: str, running: str | None, replaced: bool) -> None:
    old = OldWorker(where, version, running)
    connected = client.Client(where, "test", "1", own_python=sys.executable)
    assert connected.connect()
    status = connected.ask(wire.AskStatus(), wire.StatusReply)
    assert old.stopped.is_set() == replaced
    assert status.version == (__version__ if replaced else version)
    if replaced:
        connected.ask(wire.Stop(), wire.Done)
        client.ended(where)
    connected.close()


def test_who_does_not_start_workers_replaces_none(where: Paths) -> None:
    old = OldWorker(where, "0.0.1", None)
    connected = client.Client(where, "test", "1", own_python=sys.executable)
    assert connected.connect(start=False)
    connected.close()
    assert not old.stopped.is_set()


def test_a_worker_of_another_environment_is_left_alone(where: Paths, tmp_path: Path) -> None:
    """Starting it again would bring the same version, at each command anew."""
    other = tmp_path / "python"
    other.touch()
    environment.name_worker(where, other)
    old = OldWorker(where, "0.0.1", None)
    connected = client.Client(where, "test", "1", own_python=sys.executable)
    assert connected.connect()
    connected.close()
    assert not old.stopped.is_set()
