"""What editors ask of the models through the real supervisor: the list, and work on them."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge import launch, wire
from shared_core.bridge.client import Client, Silent
from shared_core.bridge.errors import BadInput, Cancelled, CouldNotBeDone, UsageError
from shared_core.bridge.paths import paths
from tests.conftest import Models
from tests.fakes.contract_models import DRUNET, NAFNET, SCUNET

pytestmark = pytest.mark.skipif(os.name == "nt", reason="the worker's tests end it with signals")


class Watch(Silent):
    """Remembers what was said, and cancels once bytes have come."""

    def __init__(self, cancel: bool = False) -> None:
        self.said: list[str] = []
        self._cancel = cancel

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        if isinstance(event, wire.Progress):
            self.said.append(event.sentence())

    def cancelled(self) -> bool:
        return self._cancel and bool(self.said)


@pytest.fixture
def shop(models: Any) -> Models:
    made: Models = models()
    return made


@pytest.fixture
def worker(shop: Models, monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    """A connection as an editor has it."""
    for name, value in shop.home.environment.items():
        if name.startswith(("NSS_", "HF_")):
            monkeypatch.setenv(name, value)
    client = Client(paths(), "test", "1", own_python=sys.executable)
    yield client
    client.close()


def stand_still(shop: Models) -> None:
    """Have the hub send nothing of a file for now."""
    shop.hub.fault(".onnx", "slow", at=1_000_000)
    shop.hub.paused.set()


def get(worker: Client, model: str) -> None:
    worker.ask(wire.Download(model, launch.hub_environment()), wire.Done)


def listed(worker: Client) -> dict[str, wire.Model]:
    return {one.id: one for one in worker.ask(wire.AskModels(), wire.ModelsReply).models}


def tend(worker: Client, chore: Any, *models: str, folder: Path | str = "") -> str:
    return worker.ask(wire.Tend(chore, models, str(folder)), wire.Done).text


def test_the_list_says_what_is_here(worker: Client, shop: Models) -> None:
    before = listed(worker)[NAFNET]
    assert (before.tool, before.state, before.title) == ("deblur", "missing", "NAFNet")
    assert before.missing_bytes == before.bytes > 0 == before.disk_bytes
    assert before.reason == "NAFNet is not downloaded."
    assert before.commercial == "yes" and before.licence and before.licence_link
    get(worker, NAFNET)
    after = listed(worker)[NAFNET]
    assert (after.state, after.reason, after.missing_bytes) == ("installed", "", 0)
    assert after.disk_bytes > after.bytes and after.arrived
    reply = worker.ask(wire.AskModels(), wire.ModelsReply)
    assert reply.folder == str(shop.home.folder / "data" / "models")
    assert reply.free_bytes > 0 and not reply.trouble


def test_verify_and_remove(worker: Client, shop: Models) -> None:
    with pytest.raises(UsageError, match="no model 'unheard-of'"):
        tend(worker, "verify", "unheard-of")
    get(worker, NAFNET)
    get(worker, SCUNET)
    assert tend(worker, "verify", NAFNET) == "NAFNet: every file is right."
    file = shop.file(NAFNET)
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(data)
    watch = Watch()
    said = worker.ask(wire.Tend("verify", (NAFNET, SCUNET)), wire.Done, watch).text
    assert said.startswith("1 of 2 models are right. File ") and "got SHA-256" in said
    assert any(text.startswith("verifying NAFNet ") for text in watch.said)
    assert listed(worker)[NAFNET].state == "bad"
    assert tend(worker, "remove", NAFNET, SCUNET) == "Removed: NAFNet, SCUNet."
    assert not file.exists()
    assert listed(worker)[SCUNET].state == "missing"
    with pytest.raises(UsageError, match="Name the models"):
        tend(worker, "remove")


def test_a_folder_carries_models_to_a_machine_without_network(
    worker: Client, shop: Models, tmp_path: Path
) -> None:
    """Exported, removed, and brought back from the folder while the hub cannot be reached."""
    stick = tmp_path / "a stick"
    get(worker, NAFNET)
    get(worker, DRUNET)
    assert tend(worker, "export", NAFNET, folder=stick).startswith("NAFNet: copied into ")
    (stick / "notes.txt").write_text("mine")
    tend(worker, "remove", NAFNET)
    stand_still(shop)
    asked = len(shop.hub.requests)
    said = tend(worker, "import", folder=stick)
    assert said == "NAFNet: here and ready. 1 file belongs to no known model."
    assert len(shop.hub.requests) == asked
    assert listed(worker)[NAFNET].state == "installed"
    (stick / "notes").mkdir()
    with pytest.raises(BadInput, match="is one of a known model"):
        tend(worker, "import", folder=stick / "notes")
    with pytest.raises(CouldNotBeDone, match="There is no folder"):
        tend(worker, "import", folder=tmp_path / "none")


def test_the_folder_of_models_is_moved(worker: Client, tmp_path: Path) -> None:
    get(worker, NAFNET)
    said = tend(worker, "move", folder=tmp_path / "elsewhere")
    assert said == f"Models are kept in {tmp_path / 'elsewhere'} now; 1 was moved."
    reply = worker.ask(wire.AskModels(), wire.ModelsReply)
    assert reply.folder == str(tmp_path / "elsewhere")
    assert {one.id: one.state for one in reply.models}[NAFNET] == "installed"


def test_work_on_models_can_be_cancelled(worker: Client, shop: Models) -> None:
    get(worker, NAFNET)
    # Nothing but the cancel ends it.
    stand_still(shop)
    with pytest.raises(Cancelled):
        request = wire.Download(SCUNET, launch.hub_environment())
        worker.ask(request, wire.Done, Watch(cancel=True))
    shop.hub.paused.clear()
    # The connection serves on.
    assert tend(worker, "verify", NAFNET) == "NAFNet: every file is right."


def test_models_can_be_asked_for_while_one_comes(worker: Client, shop: Models) -> None:
    """On another connection, at once; the list says that it comes."""
    stand_still(shop)
    watch = Watch()
    failed: list[BaseException] = []

    def fetch() -> None:
        client = Client(paths(), "other", "1", own_python=sys.executable)
        try:
            client.ask(wire.Download(NAFNET, launch.hub_environment()), wire.Done, watch)
        except BaseException as error:
            failed.append(error)
        client.close()

    thread = threading.Thread(target=fetch)
    thread.start()
    while not watch.said and thread.is_alive():
        time.sleep(0.01)
    while not listed(worker)[NAFNET].coming:
        assert thread.is_alive()
    shop.hub.paused.clear()
    thread.join(600)
    assert not failed
    assert listed(worker)[NAFNET].state == "installed"


def test_the_machine_is_told_in_a_line(worker: Client) -> None:
    reply = worker.ask(wire.AskDoctor(wait=False), wire.DoctorReply)
    assert reply.profile is None and reply.line == "" and reply.advice is not None
    reply = worker.ask(wire.AskDoctor(), wire.DoctorReply)
    tier, device, *why = reply.line.split(" · ")
    assert tier in ("Lite", "Standard", "Pro")
    assert device.startswith("CPU (") and "tools run a real model" in why[0]
    assert "Measured" in reply.report and "\n" in reply.report
