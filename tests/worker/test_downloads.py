"""Downloads through the real supervisor: two editors and a command line at once, and their ends."""

from __future__ import annotations

import operator
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge.paths import paths
from shared_core.catalog import cards
from shared_core.catalog.store import Presence, Store
from tests.catalog.world import wait_for
from tests.conftest import ROOT, Home, Models
from tests.fakes.contract_models import NAFNET

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Unix signals")

EDITOR = """
import sys
from shared_core.bridge import launch, wire
from shared_core.bridge.client import Client, Silent
from shared_core.bridge.paths import paths

class Watch(Silent):
    def progress(self, event):
        print(event.sentence(), flush=True)

client = Client(paths(), sys.argv[1], "1", own_python=sys.executable)
done = client.ask(wire.Download(sys.argv[2], launch.hub_environment()), wire.Done, Watch())
print(done.text, flush=True)
"""


def editor(home: Home, name: str) -> subprocess.Popen[str]:
    return started(home, "-c", EDITOR, name, NAFNET)


def started(home: Home, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=home.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def store(home: Home) -> tuple[Store, cards.Card]:
    card = cards.load(Path(home.environment["NSS_CARDS"]))[NAFNET]
    return Store(paths(home.environment)), card


def part(home: Home) -> Path:
    where, card = store(home)
    return where.folder(card).parent / ".staging" / f"{card.main_file.sha256}.part"


@pytest.fixture
def slow(home: Home, models: Any) -> Models:
    made: Models = models(models=(NAFNET,), padding=3_000_000)
    made.hub.fault(".onnx", "slow", at=1_500_000)
    return made


def test_two_editors_and_a_command_line_download_once(home: Home, slow: Models) -> None:
    slow.hub.paused.set()
    asking = [
        editor(home, "Krita"),
        editor(home, "GIMP"),
        started(home, "-m", "shared_core.cli", "models", "get", NAFNET),
    ]
    # Both editors have asked before anything has come.
    begun = [process.stdout.readline() for process in asking[:2] if process.stdout]
    slow.hub.paused.clear()
    said = [process.communicate(timeout=600)[0] for process in asking]
    said[:2] = map(operator.add, begun, said)
    assert [process.returncode for process in asking] == [0, 0, 0], said
    where, card = store(home)
    assert where.state(card).presence is Presence.INSTALLED
    assert slow.hub.bytes_sent == card.download_bytes
    for told in said[:2]:
        lines = told.splitlines()
        assert lines[-1] == f"{NAFNET} is here and verified."
        assert any("MB/s" in line and line.endswith("left") for line in lines), told
    assert f"{NAFNET}: installed" in said[2]


def test_when_one_editor_dies_the_other_goes_on_with_what_is_here(home: Home, slow: Models) -> None:
    first = editor(home, "Krita")
    wait_for(lambda: part(home).exists() and part(home).stat().st_size > 1_000_000)
    slow.hub.paused.set()
    second = editor(home, "GIMP")
    assert second.stdout is not None
    while "waiting for another download of NAFNet" not in (line := second.stdout.readline()):
        assert line
    first.kill()
    first.communicate()
    slow.hub.paused.clear()
    said, _ = second.communicate(timeout=600)
    assert second.returncode == 0, said
    where, card = store(home)
    assert where.state(card).presence is Presence.INSTALLED
    begun, continued = slow.hub.downloads()
    held = int(continued.range.removeprefix("bytes=").rstrip("-"))
    assert 1_000_000 < held <= begun.sent
    assert continued.sent == card.download_bytes - held
