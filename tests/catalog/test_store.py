"""Downloads through the unpatched huggingface_hub from a local hub, and what the store makes of it.

Every download here is the real ``shared_core.catalog.fetch`` child process.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from shared_core.bridge.errors import CouldNotBeDone, RealPathImpossible
from shared_core.bridge.locks import locked
from shared_core.catalog.cards import Card
from shared_core.catalog.store import Presence
from shared_core.catalog.trust import confined
from tests.catalog.world import Event, World, finish, message, stages, wait_for
from tests.fakes.contract_models import (
    DRUNET,
    MODELS,
    NAFNET,
    SCUNET,
    Variant,
    write_catalogue,
)
from tests.fakes.hub import Hub

PADDING = 3_000_000


@pytest.fixture(scope="module")
def twins(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("twins")
    write_catalogue(folder / "cards", folder / "hub", padding=PADDING)
    return folder


@pytest.fixture
def world(tmp_path: Path, twins: Path) -> Iterator[World]:
    (tmp_path / "cards").symlink_to(twins / "cards")
    with Hub(twins / "hub") as hub:
        yield World(tmp_path, hub, {})


def never(*_: object, **__: object) -> None:
    raise AssertionError("it was opened")


@contextlib.contextmanager
def faulty_world(folder: Path, model: str, variant: Variant) -> Iterator[World]:
    where = folder / "cards", folder / "hub"
    write_catalogue(*where, {model: variant}, models=(model,), seconds=30)
    with Hub(folder / "hub") as hub:
        yield World(folder, hub, {})


def installed(world: World, model: str = NAFNET) -> Card:
    """Download the model, by the real child process."""
    events, status = world.fetch(model)
    assert status == 0, events
    return world.cards[model]


def placed(world: World, model: str = NAFNET) -> Card:
    """Put the model's files into their place by hand, without any download."""
    card = world.cards[model]
    for file in card.files:
        path = world.store.folder(card) / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((world.hub.folder / card.repo / card.revision / file.path).read_bytes())
    return card


def ready(world: World, model: str = NAFNET) -> Card:
    """The model in its place, verified and tried."""
    card = placed(world, model)
    world.store.check_before_use(card)
    assert world.store.state(card).presence is Presence.INSTALLED
    return card


# ---------------------------------------------------------------- the good way


@pytest.mark.parametrize("model", MODELS)
def test_a_model_is_downloaded_verified_and_tried(world: World, model: str) -> None:
    card = world.cards[model]
    assert world.store.state(card).presence is Presence.MISSING
    assert world.store.state(card).bytes_total == card.download_bytes
    events, status = world.fetch(model)
    assert status == 0
    assert events[-1]["event"] == "done"
    assert events[-1]["seconds_per_tile"] > 0
    done = [e["done"] for e in events if e["event"] == "progress"]
    assert done == sorted(done)
    assert done[-1] == card.download_bytes
    assert all(e["total"] == card.download_bytes for e in events if e["event"] == "progress")
    assert stages(events) == [*["downloading", "verifying"] * len(card.files), "canary"]
    state = world.store.state(card)
    assert state.presence is Presence.INSTALLED
    assert state.reason == ""
    assert state.bytes_here == card.download_bytes
    assert state.trial is not None and state.trial.ok and state.trial.seconds_per_tile > 0
    for file in card.files:
        path = world.store.folder(card) / file.path
        assert path.is_file() and not path.is_symlink()
        assert path.stat().st_size == file.size
    assert world.store.check_before_use(card) == world.store.path(card)
    assert world.hub.bytes_sent == card.download_bytes
    assert not world.part(model).exists()

    asked = len(world.hub.requests)
    events, status = world.fetch(model)
    assert (status, events[-1]["event"]) == (0, "done")
    assert len(world.hub.requests) == asked, "what is here is not asked for again"


def test_the_token_goes_to_the_hub_alone(world: World) -> None:
    world.extra["HF_TOKEN"] = "hf_secret"
    installed(world)
    hub = [r for r in world.hub.requests if r.server == "hub"]
    cdn = [r for r in world.hub.requests if r.server == "cdn"]
    assert hub and all(r.authorization == "Bearer hf_secret" for r in hub)
    assert cdn and not any(r.authorization for r in cdn)


def test_prints_of_libraries_do_not_reach_the_stream(world: World) -> None:
    noise = world.folder / "noise"
    noise.mkdir()
    (noise / "sitecustomize.py").write_text(
        "import threading, sys\n"
        "def hook(event, args):\n"
        "    if event == 'import' and threading.current_thread() is not "
        "threading.main_thread():\n"
        "        print('noise', args[0])\n"
        "sys.addaudithook(hook)\n",
        encoding="utf-8",
    )
    world.extra["PYTHONPATH"] = str(noise)
    child = world.start()
    events, status = finish(child)
    assert status == 0
    assert events[-1]["event"] == "done"


def test_an_unknown_model_is_a_usage_error(world: World) -> None:
    events, status = world.fetch("no-such-model")
    assert (events[-1]["code"], status) == ("usage", 2)
    assert NAFNET in message(events)


# ---------------------------------------------------------------- stopped and continued


def test_a_killed_download_is_continued(world: World) -> None:
    card = world.cards[NAFNET]
    world.hub.fault(".onnx", "slow", at=200_000)
    child = world.start()
    wait_for(lambda: world.part().exists() and world.part().stat().st_size > 100_000)
    child.kill()
    child.wait()
    held = world.part().stat().st_size
    state = world.store.state(card)
    assert state.presence is Presence.PARTIAL
    assert state.bytes_here == held
    world.hub.heal()
    installed(world)
    (last,) = [request for request in world.hub.downloads() if request.range]
    assert last.range == f"bytes={held}-"
    assert last.sent == card.download_bytes - held


@pytest.mark.parametrize("how", ["stdin", "word", "SIGTERM"])
@pytest.mark.parametrize("kind", ["slow", "stall"])
def test_a_cancel_is_quick_and_keeps_what_is_here(world: World, how: str, kind: str) -> None:
    if how == "SIGTERM" and os.name == "nt":
        pytest.skip("Windows has no SIGTERM that a process could catch")
    # By itself it would notice after that only.
    world.extra["HF_HUB_DOWNLOAD_TIMEOUT"] = "600"
    world.hub.fault(".onnx", kind, at=200_000)
    child = world.start()
    assert child.stdin is not None
    wait_for(lambda: world.part().exists() and world.part().stat().st_size > 100_000)
    if how == "stdin":
        child.stdin.close()
    elif how == "word":
        child.stdin.write('{"op": "cancel"}\n')
        child.stdin.flush()
    else:
        child.send_signal(signal.SIGTERM)
    assert child.wait(120) == 130
    assert child.stdout is not None
    last = json.loads(child.stdout.read().splitlines()[-1])
    assert (last["event"], last["code"]) == ("error", "cancelled")
    assert world.store.state(world.cards[NAFNET]).presence is Presence.PARTIAL


def test_a_trial_can_be_cancelled(tmp_path: Path) -> None:
    with faulty_world(tmp_path, NAFNET, Variant.SLOW) as world:
        child = world.start()
        assert child.stdout is not None and child.stdin is not None
        while json.loads(child.stdout.readline()).get("stage") != "canary":
            pass
        child.stdin.close()
        assert child.wait(120) == 130
        assert world.store.state(world.cards[NAFNET]).presence is Presence.UNCHECKED


def test_three_processes_download_once(world: World) -> None:
    card = world.cards[NAFNET]
    world.hub.fault(".onnx", "slow", at=2_000_000)
    # Nobody is at the end before all have begun.
    world.hub.paused.set()
    children = [world.start() for _ in range(3)]
    begun = [json.loads(child.stdout.readline())["stage"] for child in children if child.stdout]
    world.hub.paused.clear()
    ends = [finish(child) for child in children]
    assert [status for _, status in ends] == [0, 0, 0]
    assert len(world.hub.downloads()) == 1
    assert world.hub.bytes_sent == card.download_bytes
    assert sorted(begun) == ["downloading", "waiting", "waiting"]


def test_a_waiting_process_can_be_cancelled(world: World) -> None:
    card = world.cards[NAFNET]
    staging = world.home / "data/models/.staging"
    with locked(staging / f"{card.main_file.sha256}.lock"):
        child = world.start()
        assert child.stdout is not None and child.stdin is not None
        assert json.loads(child.stdout.readline()) == {"event": "stage", "stage": "waiting"}
        with pytest.raises(CouldNotBeDone, match="being downloaded"):
            world.store.remove(card)
        child.stdin.close()
        assert child.wait(120) == 130
    assert not world.hub.requests


@pytest.mark.parametrize("kind", ["ignore-range", "wrong-range"])
def test_a_server_that_cannot_continue_starts_anew(world: World, kind: str) -> None:
    card = world.cards[NAFNET]
    world.part().parent.mkdir(parents=True)
    world.part().write_bytes(b"x" * 1000)
    world.hub.fault(".onnx", kind, times=1)
    installed(world)
    assert world.hub.downloads()[0].range == "bytes=1000-"
    assert world.store.state(card).presence is Presence.INSTALLED


def test_a_part_that_only_waits_to_be_verified_needs_no_hub(world: World) -> None:
    card = world.cards[NAFNET]
    truth = world.hub.folder / card.repo / card.revision / card.main_file.path
    world.part().parent.mkdir(parents=True)
    world.part().write_bytes(truth.read_bytes())
    world.extra["HF_HUB_OFFLINE"] = "1"
    installed(world)
    assert not world.hub.requests


def test_a_part_that_is_too_long_is_thrown_away(world: World) -> None:
    world.part().parent.mkdir(parents=True)
    world.part().write_bytes(bytes(world.cards[NAFNET].main_file.size + 5))
    installed(world)


def test_a_spoilt_part_is_found_out_and_comes_anew(world: World) -> None:
    card = world.cards[NAFNET]
    world.part().parent.mkdir(parents=True)
    world.part().write_bytes(b"x" * 1000)
    events, status = world.fetch()
    assert status == 0, events
    assert stages(events) == ["downloading", "verifying"] * 2 + ["canary"]
    assert [r.range for r in world.hub.downloads()] == ["bytes=1000-", ""]
    assert world.store.state(card).presence is Presence.INSTALLED


def test_a_spoilt_part_of_a_wrong_file_is_told(world: World) -> None:
    world.part().parent.mkdir(parents=True)
    world.part().write_bytes(b"x" * 1000)
    world.hub.fault(".onnx", "flip", at=5000)
    events, status = world.fetch()
    assert status == 5
    assert f"expected {world.cards[NAFNET].main_file.sha256[:12]}…" in message(events)
    assert not world.part().exists()
    assert len(world.hub.downloads()) == 2


# ---------------------------------------------------------------- faults of the hub


@pytest.mark.parametrize("kind", ["truncate", "reset", "stall", "408", "429", "502", "503", "504"])
def test_a_fault_that_passes_is_overcome(world: World, kind: str) -> None:
    card = world.cards[NAFNET]
    if kind == "stall":
        world.extra["HF_HUB_DOWNLOAD_TIMEOUT"] = "1"
    world.hub.fault(".onnx", kind, at=2_000_000, times=1)
    events, status = world.fetch()
    assert status == 0, events
    assert world.store.state(card).presence is Presence.INSTALLED
    if kind in ("truncate", "stall"):
        assert world.hub.downloads()[-1].range, "it went on instead of starting anew"


@pytest.mark.parametrize(
    ("kind", "at", "words"),
    [
        ("short", 1_000_000, ["ended after 1000000 of", "bytes"]),
        ("flip", 2_000_000, ["got SHA-256", "expected", "deleted"]),
        ("wrong-size", None, ["the hub offers", "bytes, expected"]),
        ("wrong-hash", None, ["the hub offers", "SHA-256", "expected"]),
        ("reset", 0, ["broke off after 0 of"]),
        ("html", None, ["a web page came instead of", "login page"]),
        ("html-disguised", None, ["a web page came instead of"]),
        ("json", None, ["a JSON message came instead of"]),
        ("redirect-loop", None, ["redirects in a circle"]),
        ("401", None, ["wants to know who asks", "agree to its terms", "HF_TOKEN", "401"]),
        ("403", None, ["wants to know who asks", "agree to its terms", "HF_TOKEN", "403"]),
        ("404", None, ["the hub has no", "404"]),
        ("429", None, ["busy", "429", "5 tries"]),
        ("later", 3600, ["busy", "left alone for 60 min"]),
        ("moved", None, ["got revision", "expected"]),
    ],
)
def test_a_fault_that_stays_is_told_in_one_sentence(
    world: World, kind: str, at: int | None, words: list[str]
) -> None:
    card = world.cards[NAFNET]
    world.hub.fault(".onnx", kind, at=at)
    events, status = world.fetch()
    assert (status, events[-1]["code"]) == (5, "could-not")
    for word in words:
        assert word in message(events)
    assert "NAFNet" in message(events)
    assert "\n" not in message(events)
    assert not world.store.path(card).exists()
    assert not world.store.state(card).usable
    with pytest.raises(RealPathImpossible):
        world.store.check_before_use(card)
    if kind == "flip":
        assert not world.part().exists()
        assert f"expected {card.main_file.sha256[:12]}…" in message(events)


def test_faults_that_take_patience_are_given_up(world: World) -> None:
    faults = {
        NAFNET: ("silent", "broke off after 0 of"),
        SCUNET: ("truncate", "broke off after 0 of"),
        DRUNET: ("500", "out of order (status 500, 5 tries)"),
        "modnet": ("trickle", "bytes came in 3 s"),
    }
    for model, (kind, _) in faults.items():
        world.hub.fault(world.cards[model].main_file.path, kind, at=0)
    children = {}
    for model, (kind, _) in faults.items():
        patience = "1" if kind in ("silent", "trickle") else "20"
        world.extra |= {"HF_HUB_DOWNLOAD_TIMEOUT": patience, "HF_HUB_ETAG_TIMEOUT": patience}
        children[model] = world.start(model)
    for model, (_, words) in faults.items():
        events, status = finish(children[model])
        assert (status, events[-1]["code"]) == (5, "could-not")
        assert words in message(events)
        assert world.cards[model].title in message(events)


def test_a_line_that_often_breaks_gets_there_byte_for_byte(world: World) -> None:
    card = world.cards[NAFNET]
    world.hub.fault(".onnx", "choppy", at=270_000)
    installed(world)
    assert len(world.hub.downloads()) > 10
    assert world.hub.bytes_sent == card.download_bytes


def test_a_line_that_breaks_all_the_time_is_given_up(world: World) -> None:
    world.hub.fault(".onnx", "choppy", at=10_000)
    events, status = world.fetch()
    assert status == 5
    assert "broke off after 50000 of" in message(events)


def test_a_token_that_does_not_help_is_told_apart_from_none(world: World) -> None:
    world.extra["HF_TOKEN"] = "hf_secret"
    world.hub.fault(".onnx", "403")
    events, status = world.fetch()
    assert status == 5
    assert "does not let the account of your token have" in message(events)
    assert f"open {world.hub.url}/{world.cards[NAFNET].repo}" in message(events)
    assert "hf_secret" not in message(events)


def test_the_speed_is_told_until_nothing_comes(world: World) -> None:
    world.hub.fault(".onnx", "slow", at=1_000_000)
    child = world.start()
    assert child.stdout is not None

    def until(told: Callable[[Event], bool]) -> None:
        assert child.stdout is not None
        while not told(json.loads(child.stdout.readline())):
            pass

    until(lambda event: bool(event.get("speed")))
    world.hub.paused.set()
    until(lambda event: event["event"] == "progress" and event["speed"] is None)
    world.hub.paused.clear()
    until(lambda event: bool(event.get("speed")))
    child.kill()
    child.communicate()


def test_a_line_that_always_breaks_and_cannot_continue_is_given_up(world: World) -> None:
    world.hub.fault(".onnx", "truncate-anew", at=1_000_000)
    events, status = world.fetch()
    assert status == 5
    assert "broke off after 1000000 of" in message(events)
    assert len(world.hub.downloads()) == 6


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("HF_HUB_OFFLINE", "1", "HF_HUB_OFFLINE is set"),
        ("HF_ENDPOINT", "http://127.0.0.1:9", "cannot be reached"),
        ("HF_ENDPOINT", "not an address", "is no address"),
        ("HTTP_PROXY", "http://127.0.0.1:9", "cannot be reached"),
    ],
)
def test_no_way_to_the_hub_is_told(world: World, name: str, value: str, words: str) -> None:
    world.extra[name] = value
    events, status = world.fetch()
    assert status == 5
    assert words in message(events)
    assert name == "HTTP_PROXY" or not world.hub.requests


class _Forward(BaseHTTPRequestHandler):
    """A proxy that passes requests on as they are, and remembers them."""

    def log_message(self, *args: object) -> None:
        pass

    def do_GET(self) -> None:
        self.server.seen.append(self.path)  # type: ignore[attr-defined]
        there = urlsplit(self.path)
        line = http.client.HTTPConnection(there.netloc, timeout=120)
        line.request(self.command, there.path, headers=dict(self.headers))
        answer = line.getresponse()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name not in ("Server", "Date", "Connection"):
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.read())

    do_HEAD = do_GET


@pytest.fixture
def proxy() -> Iterator[ThreadingHTTPServer]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Forward)
    server.seen = []  # type: ignore[attr-defined]
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("name", ["HTTP_PROXY", "http_proxy"])
def test_a_proxy_is_the_way_there(world: World, proxy: Any, name: str) -> None:
    world.extra[name] = f"http://127.0.0.1:{proxy.server_port}"
    world.part().parent.mkdir(parents=True)
    card = world.cards[NAFNET]
    truth = world.hub.folder / card.repo / card.revision / card.main_file.path
    world.part().write_bytes(truth.read_bytes()[:1000])
    installed(world)
    assert len(proxy.seen) == len(world.hub.requests) == 3
    assert all(url.startswith("http://127.0.0.1:") for url in proxy.seen)
    assert world.hub.bytes_sent == card.download_bytes - 1000


# ---------------------------------------------------------------- the disk


def test_no_room_is_said_before_anything_is_asked(world: World, tmp_path: Path) -> None:
    text = next((world.folder / "cards").rglob(f"{NAFNET}.toml")).read_text(encoding="utf-8")
    size = world.cards[NAFNET].main_file.size
    (world.folder / "cards").unlink()
    (world.folder / "cards").mkdir()
    (world.folder / "cards/huge.toml").write_text(
        text.replace(f"size = {size}", f"size = {10**15}"), encoding="utf-8"
    )
    events, status = world.fetch()
    assert status == 5
    assert "needs 1000000.0 GB more" in message(events)
    assert not world.hub.requests


def test_a_disk_that_fills_up_is_told_and_the_rest_is_continued(world: World) -> None:
    resource = pytest.importorskip("resource")

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000))

    events, status = world.fetch(preexec_fn=limit)
    assert status == 5
    assert "is full" in message(events)
    assert 0 < world.part().stat().st_size <= 1_000_000
    installed(world)
    assert world.hub.downloads()[-1].range


def test_a_home_that_cannot_be_written_is_told(world: World) -> None:
    world.home.mkdir()
    (world.home / "data").write_text("in the way", encoding="utf-8")
    events, status = world.fetch()
    assert status == 5
    assert "cannot be written" in message(events)


# ---------------------------------------------------------------- models that break the contract


@pytest.mark.parametrize(
    ("model", "variant", "words"),
    [
        (NAFNET, Variant.TWO_INPUTS, "2 inputs, expected 1"),
        (DRUNET, Variant.WRONG_RANK, "5 dimensions, expected 4"),
        (SCUNET, Variant.WRONG_NAMES, "should be called 'image'"),
        (DRUNET, Variant.NAN, "no numbers"),
        (NAFNET, Variant.HALF_SIZE, r"expected \[1, 3, 512, 512\]"),
        (DRUNET, Variant.CONSTANT, "the same everywhere"),
        (SCUNET, Variant.WRONG_RANGE, "expected about 0 to 1"),
        (SCUNET, Variant.GARBAGE, "it is damaged"),
    ],
)
def test_a_model_with_the_right_hash_that_breaks_the_contract_is_never_used(
    tmp_path: Path, model: str, variant: Variant, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with faulty_world(tmp_path, model, variant) as world:
        card = placed(world, model)
        with pytest.raises(RealPathImpossible, match=words) as caught:
            world.store.check_before_use(card)
        state = world.store.state(card)
        assert state.presence is Presence.BAD
        assert state.reason == str(caught.value)
        # It is not even opened again.
        monkeypatch.setattr(confined, "call", never)
        with pytest.raises(RealPathImpossible, match=words):
            world.store.check_before_use(card)


def test_a_downloaded_model_that_breaks_the_contract_is_told(tmp_path: Path) -> None:
    with faulty_world(tmp_path, NAFNET, Variant.TWO_INPUTS) as world:
        events, status = world.fetch()
        assert (status, events[-1]["code"]) == (4, "real-impossible")
        assert "2 inputs, expected 1" in message(events)
        assert world.store.state(world.cards[NAFNET]).reason == message(events)


def test_a_model_that_failed_is_tried_again_when_asked_for(world: World) -> None:
    card = ready(world)
    trial = world.store.state(card).trial
    assert trial is not None
    failed = type(trial)(False, "It failed.", trial.onnxruntime, 0, trial.tile, trial.when)
    world.store.record_trial(card, failed)
    assert world.store.state(card).reason == "It failed."
    installed(world)
    assert world.store.state(card).presence is Presence.INSTALLED
    assert not world.hub.requests


# ---------------------------------------------------------------- files that change later


def test_a_touched_file_is_hashed_once_and_used(world: World) -> None:
    card = ready(world)
    os.utime(world.store.path(card))
    state = world.store.state(card)
    assert state.presence is Presence.UNCHECKED and state.usable
    assert world.store.check(card).presence is Presence.INSTALLED
    assert world.store.state(card).presence is Presence.INSTALLED
    assert world.store.check_before_use(card) == world.store.path(card)


@pytest.mark.parametrize("model", [NAFNET, SCUNET])
def test_one_flipped_byte_is_found_although_size_and_time_are_the_same(
    world: World, model: str
) -> None:
    card = ready(world, model)
    file = card.files[-1]
    path = world.store.folder(card) / file.path
    info = path.stat()
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    os.utime(path, ns=(info.st_atime_ns, info.st_mtime_ns))
    assert world.store.state(card).presence is Presence.UNCHECKED
    with pytest.raises(RealPathImpossible, match=f"expected {file.sha256[:12]}…"):
        world.store.check_before_use(card)
    state = world.store.state(card)
    assert state.presence is Presence.BAD, "and it is remembered without hashing again"
    assert file.path in state.reason and "Download it again" in state.reason
    installed(world, model)
    assert world.store.check_before_use(card) == world.store.path(card)


def _truncated(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def _web_page(path: Path) -> None:
    path.write_bytes(b"<!DOCTYPE html><html></html>")


def _link(path: Path) -> None:
    other = path.with_name("elsewhere")
    path.rename(other)
    path.symlink_to(other)


def _folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize("spoil", [_truncated, _web_page, _link, _folder])
def test_a_spoilt_file_is_bad_at_once_and_replaced_on_request(
    world: World, spoil: Callable[[Path], None]
) -> None:
    card = ready(world)
    spoil(world.store.path(card))
    state = world.store.state(card)
    assert state.presence is Presence.BAD
    assert card.main_file.path in state.reason
    with pytest.raises(RealPathImpossible):
        world.store.check_before_use(card)
    events, status = world.fetch(NAFNET, "--verify")
    assert (status, events[-1]["code"]) == (5, "could-not")
    installed(world)
    assert world.store.state(card).presence is Presence.INSTALLED


def test_files_put_there_by_hand_are_verified_and_tried(world: World) -> None:
    card = placed(world, SCUNET)
    assert world.store.state(card).presence is Presence.UNCHECKED
    assert world.store.check(card).presence is Presence.UNCHECKED
    assert "tried" in world.store.state(card).reason
    world.store.check_before_use(card)
    assert world.store.state(card).presence is Presence.INSTALLED
    assert not world.hub.requests


def test_another_onnxruntime_tries_the_model_again(world: World) -> None:
    card = ready(world)
    trial = world.store.state(card).trial
    assert trial is not None
    old = type(trial)(False, "It failed.", "0.1", 0, trial.tile, trial.when)
    world.store.record_trial(card, old)
    world.store.check_before_use(card)
    fresh = world.store.state(card).trial
    assert fresh is not None and fresh.ok and fresh.onnxruntime == trial.onnxruntime


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"schema": 1, "files": 3}', "\x00"])
def test_a_spoilt_manifest_means_hashing_again(world: World, text: str) -> None:
    card = ready(world)
    folder = world.store.folder(card)
    (folder / ".verified.json").write_text(text, encoding="utf-8")
    assert world.store.state(card).presence is Presence.UNCHECKED
    world.store.check_before_use(card)
    assert world.store.state(card).presence is Presence.INSTALLED


def test_verify_hashes_everything_anew(world: World) -> None:
    card = ready(world)
    seen: list[int] = []
    state = world.store.verify(card, lambda progress: seen.append(progress.done))
    assert state.presence is Presence.INSTALLED
    assert seen[-1] == card.download_bytes
    events, status = world.fetch(NAFNET, "--verify")
    assert (status, events[-1]["event"]) == (0, "done")
    assert stages(events) == ["verifying", "canary"]


def test_remove_leaves_nothing_of_the_model(world: World) -> None:
    card = ready(world)
    world.part().write_bytes(b"x")
    world.store.remove(card)
    assert world.store.state(card).presence is Presence.MISSING
    assert world.store.state(card).bytes_here == 0
    assert not world.store.folder(card).exists()
    assert not world.part().exists()
    world.store.remove(card)


def test_a_new_edition_of_a_card_does_not_accept_the_old_file(world: World) -> None:
    card = ready(world)
    file = card.main_file
    for edition in (replace(file, size=file.size + 1), replace(file, sha256="0" * 64)):
        fresh = replace(card, files=(edition,))
        assert world.store.state(fresh).presence is Presence.BAD
        with pytest.raises(RealPathImpossible, match="Download it again"):
            world.store.check_before_use(fresh)
