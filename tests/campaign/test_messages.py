"""A share of the campaign's messages, and whether its witnesses would see a wrong one."""

from __future__ import annotations

import os
import random
import socket
import struct
import sys
import threading
import time
from multiprocessing import connection
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge import client as client_module
from shared_core.bridge import codec, wire
from shared_core.bridge.client import Client, key_of
from shared_core.bridge.errors import CouldNotBeDone, WorkerLost
from shared_core.bridge.paths import paths, private_folder, socket_address
from shared_core.worker import server

if sys.platform != "linux":
    pytest.skip("inotify is Linux's", allow_module_level=True)

from . import guided, messages
from .forge import KINDS, Forge

COUNT = 6_000


def test_a_share_of_the_messages(tmp_path: Path) -> None:
    tally = messages.campaign(tmp_path, 1, COUNT, lambda text: None)
    assert tally.faults == []
    assert tally.messages >= COUNT
    # Something of every way there is.
    assert min(tally.understood, tally.refused, tally.jobs, tally.frames, tally.handshakes) > 0
    assert set(tally.by_kind) == set(KINDS)
    assert {"WorkerLost", "answer"} <= set(tally.outcomes)


@pytest.mark.skipif(not guided.HERE, reason="atheris is not here")
def test_a_share_of_the_bodies_found_by_coverage(tmp_path: Path) -> None:
    tally = guided.campaign(tmp_path, 1, 20_000)
    assert tally.wrong == []
    assert tally.bodies >= 20_000
    assert tally.branches > 20


def test_a_message_that_does_not_read_back_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    guided.look(b'{"type": "no such message"}')
    guided.look(codec.encode(wire.Queued(1)))
    monkeypatch.setattr(codec, "encode", lambda message: b'{"type": "Queued", "place": 2}')
    with pytest.raises(AssertionError, match="reads back"):
        guided.look(b'{"type": "Queued", "place": 1}')


def test_messages_are_made_from_the_seed_alone() -> None:
    good = [wire.AskPlan("deblur", 64, 48), wire.Cancel()]

    def made(seed: int) -> list[tuple[str, bytes]]:
        forge = Forge(random.Random(seed), good, ["../x"])
        return [forge.body() for _ in range(300)]

    assert made(5) == made(5) != made(6)
    assert len({body for _, body in made(5)}) > 100
    assert max(len(body) for _, body in made(5)) <= wire.MAX_MESSAGE


def test_the_witnesses_see_who_looks_outside(tmp_path: Path) -> None:
    worker = messages.Worker(tmp_path / "worker")
    try:
        assert worker.outside() == []
        worker.link.read_bytes()
        assert worker.outside() == [f"opened {worker.secrets[0]}"]
        (tmp_path / "worker" / "stray").touch()
        assert len(worker.outside()) == 1
        tally = messages.Tally()
        os.kill(worker.process.pid, 9)
        worker.process.wait()
        messages._look(worker, "here", tally)
        assert len(tally.crashes) == 1
    finally:
        worker.end()


@pytest.mark.parametrize(
    "number", [str(10**400), "-" + "9" * 21, "1e999", "-1e400", "Infinity", "NaN"]
)
@pytest.mark.parametrize("place", ['"done":{}', '"done":1,"seconds_left":{}'])
def test_numbers_that_no_sentence_can_show_are_no_message(number: str, place: str) -> None:
    text = '{"type":"Progress","stage":"s","total":1,"unit":"bytes",' + place.format(number) + "}"
    with pytest.raises(wire.WireError, match=r"out of range|no number"):
        codec.decode(text.encode())


@pytest.fixture
def listener(tmp_path: Path):
    where = paths({"NSS_HOME": str(tmp_path)})
    address = socket_address(private_folder(where.runtime), wire.PROTOCOL)
    with connection.Listener(address, "AF_UNIX") as made:
        yield where, made


@pytest.mark.parametrize("first", [b"", b"x"])
def test_whoever_asks_for_no_key_is_no_worker(listener, first: bytes) -> None:
    where, made = listener

    def serve() -> None:
        with made.accept() as line:
            line.send_bytes(first)
            line.poll(120)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    with pytest.raises(CouldNotBeDone):
        Client(where, "test", "0", "/bin/false").connect(start=False)
    thread.join(240)
    assert not thread.is_alive()


def test_a_worker_that_stops_in_the_middle_of_a_message_is_given_up(listener, monkeypatch) -> None:
    monkeypatch.setattr(client_module, "LINE_SECONDS", 2.0)
    where, made = listener
    given_up = threading.Event()

    def serve() -> None:
        with made.accept() as line:
            connection.deliver_challenge(line, key_of(where))
            connection.answer_challenge(line, key_of(where))
            line.recv_bytes()
            line.send_bytes(codec.encode(wire.Welcome(wire.PROTOCOL, "9", 7)))
            line.recv_bytes()
            os.write(line.fileno(), struct.pack("!i", 100) + b"{")
            given_up.wait(240)

    threading.Thread(target=serve, daemon=True).start()
    client = Client(where, "test", "0", "/bin/false")
    # It would wait for ever.
    with pytest.raises(WorkerLost):
        client.ask(wire.TryAgain(), wire.Done)
    given_up.set()


def test_a_connection_is_closed_when_nobody_sends_on_it_any_more(tmp_path: Path) -> None:
    """Its number would be another editor's, to whom the rest of the message would go."""
    [worker_end, editor_end] = socket.socketpair()
    order: list[str] = []

    class Slow(connection.Connection):
        def send_bytes(self, *arguments: Any) -> None:
            try:
                super().send_bytes(*arguments)
            finally:
                time.sleep(0.2)
                order.append("sent")

        def close(self) -> None:
            order.append("closed")
            super().close()

    where = paths({"NSS_HOME": str(tmp_path)})
    slow = Slow(worker_end.detach())
    made = server.Server(where)
    thread = threading.Thread(target=made._attend, args=(slow, key_of(where)))
    thread.start()
    with connection.Connection(editor_end.detach()) as line:
        connection.answer_challenge(line, key_of(where))
        connection.deliver_challenge(line, key_of(where))
        line.send_bytes(codec.encode(wire.Hello(wire.PROTOCOL, "x", "0")))
        line.recv_bytes()
        for _ in range(8):
            line.send_bytes(b"no message")
    thread.join(240)
    assert order.count("closed") == 1 and order[-1] == "closed"
    assert order.count("sent") > 8
