"""A client that is aborted or meets a stuck worker comes back; live editors keep their pixels."""

from __future__ import annotations

import ctypes
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from shared_core.bridge import arena, client, wire
from shared_core.bridge.client import Client
from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.bridge.paths import Paths, paths, private_folder, socket_address

unix = pytest.mark.skipif(os.name == "nt", reason="Unix sockets")


@pytest.fixture
def where(tmp_path: Path) -> Paths:
    return paths({"NSS_HOME": str(tmp_path / "home")})


@pytest.fixture
def mute(where: Paths) -> Iterator[str]:
    """A worker that is stopped: its socket listens, and nobody accepts."""
    address = socket_address(private_folder(where.runtime), wire.PROTOCOL)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen(1)
        yield address


@unix
def test_an_abort_ends_a_handshake_that_nobody_answers(
    where: Paths, mute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # By itself it would end after that only.
    monkeypatch.setattr(client, "HANDSHAKE_SECONDS", 200.0)
    made = Client(where, "test", "0")
    threading.Timer(0.3, made.abort).start()
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        made.connect()
    assert time.monotonic() - begun < client.HANDSHAKE_SECONDS / 2


@unix
def test_a_full_queue_is_an_error_and_no_endless_wait(
    where: Paths, mute: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "HANDSHAKE_SECONDS", 0.5)
    crowd = []
    try:
        while True:
            one = socket.socket(socket.AF_UNIX)
            crowd.append(one)
            one.setblocking(False)
            try:
                one.connect(mute)
            except BlockingIOError:
                break
        with pytest.raises(CouldNotBeDone, match="does not answer"):
            Client(where, "test", "0").connect()
    finally:
        for one in crowd:
            one.close()


@pytest.mark.parametrize(
    ("handle", "error", "waited", "alive"),
    [(7, 0, 0x102, True), (7, 0, 0, False), (None, 87, 0, False), (None, 5, 0, True)],
    ids=["runs", "has ended, handle left", "no such process", "not ours to ask"],
)
def test_whether_a_process_lives_on_windows(
    monkeypatch: pytest.MonkeyPatch, handle: int | None, error: int, waited: int, alive: bool
) -> None:
    """What the sweep asks there. Stands in for Windows, which cannot be run here."""

    def open_process(rights: int, inherit: bool, pid: int) -> int | None:
        return handle

    closed: list[object] = []
    kernel = SimpleNamespace(
        OpenProcess=open_process,
        WaitForSingleObject=lambda one, wait: waited,
        CloseHandle=closed.append,
    )
    monkeypatch.setattr(ctypes, "WinDLL", lambda name, use_last_error: kernel, raising=False)
    monkeypatch.setattr(ctypes, "get_last_error", lambda: error, raising=False)
    assert arena._alive_on_windows(1234) is alive
    assert len(closed) == (handle is not None)
