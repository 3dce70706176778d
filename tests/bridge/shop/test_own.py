"""Adding a model of one's own, with a worker that a test plays."""

from __future__ import annotations

import base64
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge import wire
from shared_core.bridge.errors import BadInput, Cancelled
from shared_core.bridge.paths import paths
from shared_core.bridge.shop import own

ORDER = wire.Finding("order", "Order of colours", "rgb", "assumed", "usual", ("rgb", "bgr"))
SIZE = wire.Finding("size", "Size", "any", "measured", "tried")
TILE = wire.Finding("tile", "Side of a tile", "512", "assumed", "usual", (), True)
EXAMINED = wire.Examined(
    (ORDER, SIZE, TILE),
    ("It is slow.",),
    "My net runs here in 2 s",
    "My net",
    "card",
    "/x.onnx",
    True,
    base64.b64encode(b"png").decode(),
)


class Worker:
    """Answers as a test wants and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.error: Exception | None = None
        self.works = True
        self.go_on = threading.Event()
        self.go_on.set()

    def __call__(self, *_: object, **__: object) -> Worker:
        return self

    def ask(self, message: Any, kind: type, watcher: Any) -> Any:
        self.asked.append(message)
        watcher.progress(wire.Progress("trying", 0, 1, "steps"))
        while not self.go_on.wait(0.01):
            if watcher.cancelled():
                raise Cancelled("Cancelled.")
        if self.error is not None:
            raise self.error
        if isinstance(message, wire.Examine):
            return replace(EXAMINED, works=self.works)
        return wire.Added("own.my-net", "My net is here.")

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.go_on.set()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    made = Worker()
    monkeypatch.setattr(own, "Client", made)
    return made


@pytest.fixture
def added() -> list[str]:
    return []


@pytest.fixture
def desk(worker: Worker, added: list[str], tmp_path: Path) -> Iterator[own.Desk]:
    where = paths({"NSS_HOME": str(tmp_path)})
    made = own.Desk(where, "test", "1", lambda: added.append("added"))
    yield made
    made.stop()


def until(desk: own.Desk, wanted: Callable[[own.OwnView], bool]) -> own.OwnView:
    deadline = time.monotonic() + 120
    while not wanted(view := desk.poll()):
        assert time.monotonic() < deadline, view
        time.sleep(0.005)
    return view


FORM = own.Form("/x.onnx", "denoise", "My net", "MIT", "yes", {"order": "bgr"})


def test_the_tools_that_take_one() -> None:
    assert [tool for tool, _ in own.tools()] == [
        *("remove-background", "remove-object", "denoise", "deblur", "upscale"),
        *("restore-faces", "colorize"),
    ]


def test_looked_at_corrected_and_added(desk: own.Desk, worker: Worker, added: list[str]) -> None:
    assert [one.id for one in desk.poll().actions] == ["look"]
    desk.add()
    desk.look(own.Form())
    assert desk.poll().said == "Choose a file first." and worker.asked == []
    desk.look(FORM)
    view = until(desk, lambda v: bool(v.findings))
    assert view.findings == (ORDER, SIZE, TILE) and view.png == b"png"
    assert [line.text for line in view.lines] == [
        "My net runs here in 2 s.",
        "Caution: It is slow.",
    ]
    assert [line.warning for line in view.lines] == [False, True]
    assert [one.id for one in view.actions] == ["look", "add"]
    assert added == []
    desk.add()
    view = until(desk, lambda v: v.said == "My net is here.")
    assert added == ["added"] and not view.findings
    first, second = worker.asked
    assert (first.tool, first.told, first.commercial) == ("denoise", {"order": "bgr"}, "yes")
    assert (second.card, second.file) == ("card", "/x.onnx")


def test_a_model_that_failed_its_trial_is_not_offered(desk: own.Desk, worker: Worker) -> None:
    worker.works = False
    desk.look(FORM)
    view = until(desk, lambda v: bool(v.findings))
    assert [one.id for one in view.actions] == ["look"]


def test_what_does_not_fit_is_told(desk: own.Desk, worker: Worker) -> None:
    worker.error = BadInput("It takes two pictures. Choose another tool.")
    desk.look(FORM)
    view = until(desk, lambda v: v.failed)
    assert view.said == "It takes two pictures. Choose another tool." and not view.findings


def test_another_file_is_another_question(desk: own.Desk) -> None:
    desk.look(FORM)
    until(desk, lambda v: bool(v.findings))
    desk.forget()
    assert desk.poll() == own.OwnView()


def test_cancel_and_stop(desk: own.Desk, worker: Worker) -> None:
    worker.go_on.clear()
    desk.look(FORM)
    until(desk, lambda v: v.doing is not None and v.doing.text == "Trying")
    desk.cancel()
    view = until(desk, lambda v: v.doing is None)
    assert view.said == "Cancelled." and not view.failed
    desk.look(FORM)
    until(desk, lambda v: v.doing is not None)
    desk.stop()
    for thread in threading.enumerate():
        if thread.name == "nss-own":
            thread.join(60)
            assert not thread.is_alive()


@pytest.mark.parametrize(
    ("finding", "value", "told"),
    [
        (ORDER, "bgr", {"order": "bgr"}),
        (ORDER, "rgb", {}),
        (SIZE, "64", {}),
        (TILE, " 256 ", {"tile": "256"}),
        (TILE, "", {}),
    ],
)
def test_corrections(finding: wire.Finding, value: str, told: dict[str, str]) -> None:
    assert own.corrected(finding, value) == told


def test_a_correction_stays_when_it_is_looked_at_again() -> None:
    """What the user said is said again, else it would be forgotten."""
    before = wire.Finding("order", "Order", "bgr", "told", "as you say", ("rgb", "bgr"))
    assert own.corrected(before, "bgr") == {"order": "bgr"}


def test_letters_are_unique() -> None:
    labels = [one.label for one in own.OwnView().actions]
    fields = ["_File", "_Tool", "_Name", "L_icence", "Commercial _use", "_Cancel", "C_lose"]
    letters = [text[text.index("_") + 1].lower() for text in [*labels, "_Add It", *fields]]
    assert len(letters) == len(set(letters))
