"""Nothing leaves: every tool without any network, and every contact of a whole session.

What a namespace without a route proves: no tool needs a network, and no code in any language gets
through. What the recorded session proves: beyond that nobody even tries, except a download that
was consented to, from the hub's host alone; and that the product's own account of it is true.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared_core.catalog import cards
from tests.conftest import ROOT, Home, a_catalogue, a_home
from tests.fakes.contract_models import SCUNET
from tests.fakes.namespaces import counted, interfaces, unshared
from tests.test_every_tool import CASES, photo, run, selection

__all__ = ["photo", "selection"]

_INSTALL = """
from shared_core.bridge.paths import paths
from shared_core.catalog import cards
from shared_core.catalog.store import Store
store, known = Store(paths()), cards.load()
for card in known.values():
    if card.hosted:
        store.download([card])
print(len(known))
"""


def prefix() -> list[str]:
    """What isolates a command; skips the test where that is not possible."""
    found, why = unshared()
    if not found:
        pytest.skip(why)
    return found


@pytest.fixture(scope="module")
def isolated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home with every model on its disk, whose commands and worker have no network at all."""
    before = prefix()
    folder = tmp_path_factory.mktemp("isolated")
    with a_home(folder) as home:
        with a_catalogue(home, folder) as make:
            made = make()
            done = subprocess.run(
                [sys.executable, "-c", _INSTALL],
                env=home.environment,
                capture_output=True,
                text=True,
                check=False,
            )
            assert done.returncode == 0, done.stderr
            assert int(done.stdout) == len(cards.load(folder / "cards"))
            made.hub.requests.clear()
        home.prefix = tuple(before)
        # Nobody listens there any more, and nobody may try.
        home.environment["HF_HUB_OFFLINE"] = "0"
        yield home


@pytest.mark.parametrize("path", ["classical", "real"])
@pytest.mark.parametrize("tool_id", CASES)
def test_every_tool_without_a_network(isolated, photo, selection, tmp_path, tool_id, path):
    suffix = ".txt" if tool_id == "tags" else ".png"
    made = run(isolated, tool_id, photo, selection, tmp_path / f"out{suffix}", path)
    assert (made["tool"], made["path"]) == (tool_id, path), made["reason"]
    assert made["fault"] is None


def test_the_worker_had_no_network_and_did_not_try(isolated):
    isolated.nss("doctor")
    pid = isolated.json("worker", "status")["pid"]
    assert Path(f"/proc/{pid}/ns/net").readlink() != Path("/proc/self/ns/net").readlink()
    assert interfaces(pid) == ["lo"]
    assert "lo:       0       0" in Path(f"/proc/{pid}/net/dev").read_text("ascii")
    assert Path(f"/proc/{pid}/net/route").read_text("ascii").count("\n") <= 1
    assert counted(pid) == {"opened": 0, "datagrams": 0, "astray": 0}


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """One session with its phases, in a network of its own."""
    command = [*prefix(), sys.executable, "-m", "tests.fakes.session"]
    done = subprocess.run(
        [*command, str(tmp_path_factory.mktemp("session"))],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1000,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout)


QUIET = {"opened": 0, "datagrams": 0, "astray": 0}


@pytest.mark.parametrize("phase", ["without consent", "afterwards"])
def test_without_a_download_nobody_uses_the_network(session, phase):
    assert session["phases"][phase]["seen"] == []
    assert session["phases"][phase]["counted"] == QUIET


def test_before_the_consent_nothing_was_ever_contacted(session):
    assert (
        "What was contacted\n  nothing, ever\n" in session["phases"]["without consent"]["said"][-1]
    )
    assert "SCUNet is not downloaded" in "".join(session["phases"]["without consent"]["said"])


def test_with_consent_the_download_alone_contacts_the_hub_alone(session):
    phase = session["phases"]["with consent"]
    assert "real SCUNet" in phase["said"][-1]
    assert phase["seen"], "the witness saw nothing"
    assert {use["host"] for use in phase["seen"]} == {"127.0.0.1"}
    assert all(
        "-m shared_core.catalog.fetch scunet-real-psnr" in u["command"] for u in phase["seen"]
    )
    # The kernel counts what the hook saw and nothing more: no code beside Python's tried anything.
    connections = [use for use in phase["seen"] if use["event"] == "socket.connect"]
    assert phase["counted"] == {**QUIET, "opened": len(connections)}


def test_the_account_of_it_is_true(session):
    account = session["account"]
    card = cards.load(ROOT / "models")[SCUNET]
    told = {one["what"]: one for one in account["contacts"]}
    assert set(told) == {f"{card.title} ({card.id}): {file.path}" for file in card.files}
    assert {one["host"] for one in told.values()} == {"127.0.0.1"}
    assert sum(one["requests"] for one in told.values()) == len(session["requests"])
    assert not any(one["account"] or one["via"] for one in told.values())
    [models] = [one for one in account["kept"] if one["path"].endswith("/data/models")]
    assert models["bytes"] >= sum(one["received"] for one in told.values()) > 0
    text = session["phases"]["afterwards"]["said"][-1]
    assert f"127.0.0.1: {len(session['requests'])} requests, " in text
    assert "not known to this version of NSS" not in text


_STRAY = """
import ctypes, socket, struct
try:
    socket.create_connection(("192.0.2.1", 80), timeout=1)
except OSError:
    pass
libc = ctypes.CDLL(None)
address = struct.pack("=HH4s8x", socket.AF_INET, socket.htons(80), socket.inet_aton("192.0.2.1"))
assert libc.connect(libc.socket(socket.AF_INET, socket.SOCK_STREAM, 0), address, 16) == -1
"""
_NOTICED = """
import json, subprocess, sys
from pathlib import Path
from tests.fakes.namespaces import counted
from tests.fakes.witness import witness
made = witness(Path(sys.argv[1]))
subprocess.run([made.python, "-E", "-P", "-c", sys.argv[2]], check=True)
print(json.dumps([[use["host"] for use in made.seen()], counted()]))
"""


def test_the_witnesses_notice_whoever_tries(tmp_path):
    """The hook sees what Python does; the kernel counts that, and what goes past Python."""
    done = subprocess.run(
        [*prefix(), sys.executable, "-c", _NOTICED, str(tmp_path), _STRAY],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    hosts, kernel = json.loads(done.stdout)
    assert hosts == ["192.0.2.1", "192.0.2.1"], "the name, then the connection"
    assert kernel == {"opened": 0, "datagrams": 0, "astray": 2}
