"""The counter with a worker that a test plays: questions before deeds, one deed at a time."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge import client, contacts, wire
from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.bridge.paths import paths
from shared_core.bridge.shop import counter, views
from tests.bridge.shop.rows import CLEAN, HERE, MODEL, RESTRICTED, reply


class Worker:
    """Answers as a test wants and remembers what was asked."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.models: tuple[wire.Model, ...] = (MODEL, RESTRICTED, CLEAN)
        self.go_on = threading.Event()
        self.go_on.set()
        self.error: Exception | None = None

    def __call__(self, *_: object, **__: object) -> Worker:
        return self

    def ask(self, message: Any, kind: type, watcher: Any) -> Any:
        if isinstance(message, wire.AskModels):
            return reply(*self.models)
        if isinstance(message, wire.AskDoctor) and not message.wait:
            return wire.DoctorReply({"cpu": 1}, {}, "Standard · CPU", "all of it")
        self.asked.append(message)
        watcher.progress(wire.Progress("doing", 25, 100, "bytes", 3.0))
        while not self.go_on.wait(0.01):
            if watcher.cancelled():
                raise Cancelled("Cancelled.")
        if self.error is not None:
            raise self.error
        return wire.Done("It is done.")

    def close(self) -> None:
        pass

    def abort(self) -> None:
        self.go_on.set()


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    made = Worker()
    monkeypatch.setattr(counter, "Client", made)
    assert client.Client is not made
    return made


@pytest.fixture
def desk(worker: Worker, tmp_path: Path) -> Iterator[counter.Counter]:
    made = counter.Counter(paths({"NSS_HOME": str(tmp_path)}), "test", "1")
    made.look()
    until(made, lambda view: bool(view.groups))
    yield made
    made.stop()
    for thread in threading.enumerate():
        if thread.name.startswith("nss-models"):
            thread.join(60)
            assert not thread.is_alive()


def until(desk: counter.Counter, wanted: Callable[[views.View], bool]) -> views.View:
    deadline = time.monotonic() + 120
    while not wanted(view := desk.poll()):
        assert time.monotonic() < deadline, view
        time.sleep(0.005)
    return view


def test_what_is_shown_at_first(desk: counter.Counter) -> None:
    view = desk.poll()
    assert view.machine == "Standard · CPU"
    assert view.details.startswith("all of it\n\nWhat was contacted\n  nothing, ever\n")
    assert [group.title for group in view.groups] == ["Deblur", "Restore Faces"]
    assert view.question is None and view.doing is None and view.said == ""
    assert [one.id for one in view.actions] == [
        *("import", "export", "own", "verify", "move", "measure"),
    ]


def test_what_was_contacted_is_told(desk: counter.Counter) -> None:
    contacts.Errand(desk._paths, "NAFNet: x.onnx").sending("huggingface.co")
    desk.look()
    until(desk, lambda v: "huggingface.co: 1 request" in v.details)


def test_nothing_is_downloaded_before_it_is_agreed_to(
    desk: counter.Counter, worker: Worker
) -> None:
    desk.begin(views.AGREE)
    desk.begin(views.DOWNLOAD, "nafnet")
    assert (question := desk.poll().question) and question.lines[
        0
    ].text == "Download NAFNet (92 MB)?"
    desk.begin(views.DISMISS)
    assert desk.poll().question is None
    desk.begin(views.AGREE)
    assert not desk.busy and worker.asked == []
    desk.begin(views.DOWNLOAD, "nafnet")
    desk.begin(views.AGREE)
    worker.models = (HERE, RESTRICTED)
    view = until(desk, lambda v: v.said == "NAFNet is ready.")
    until(desk, lambda v: v.groups[0].rows[0].state == "✓ ready")
    assert view.question is None and not view.failed
    assert [(type(one), one.model) for one in worker.asked] == [(wire.Download, "nafnet")]


def test_the_other_model_is_asked_about_too(desk: counter.Counter, worker: Worker) -> None:
    desk.begin(views.DOWNLOAD, "gfpgan")
    desk.begin(views.OTHER)
    assert (question := desk.poll().question) and question.lines[0].text.startswith(
        "Download Clean ("
    )
    assert worker.asked == []
    desk.begin(views.AGREE)
    until(desk, lambda v: bool(v.said))
    assert worker.asked[0].model == "clean"


def test_progress_and_one_thing_at_a_time(desk: counter.Counter, worker: Worker) -> None:
    worker.go_on.clear()
    desk.begin(views.VERIFY)
    view = until(desk, lambda v: v.doing is not None and v.doing.share is not None)
    assert view.doing == views.Doing("Doing 1 MB of 1 MB, 3.0 s left", 0.25)
    desk.begin(views.EXPORT, folder="/stick")
    desk.begin(views.DOWNLOAD, "nafnet")
    assert desk.poll().question is None
    # The list can be read meanwhile.
    worker.models = (HERE,)
    desk.look()
    until(desk, lambda v: v.groups[0].rows[0].state == "✓ ready")
    worker.go_on.set()
    view = until(desk, lambda v: v.doing is None)
    assert view.said == "It is done."
    assert worker.asked == [wire.Tend("verify")]


def test_cancel(desk: counter.Counter, worker: Worker) -> None:
    worker.go_on.clear()
    desk.begin(views.IMPORT, folder="/stick")
    until(desk, lambda v: v.doing is not None and v.doing.share is not None)
    desk.cancel()
    assert desk.poll().doing == views.Doing("Cancelling …")
    view = until(desk, lambda v: v.doing is None)
    assert view.said.startswith("Cancelled.") and not view.failed
    assert worker.asked == [wire.Tend("import", (), "/stick")]


def test_errors_are_their_sentence(desk: counter.Counter, worker: Worker) -> None:
    worker.error = CouldNotBeDone("The stick is full: use another one.")
    desk.begin(views.EXPORT, folder="/stick")
    view = until(desk, lambda v: bool(v.said))
    assert (view.said, view.failed) == ("The stick is full: use another one.", True)
    worker.error = ZeroDivisionError("by zero")
    desk.begin(views.MEASURE)
    view = until(desk, lambda v: "unexpected" in v.said)
    assert view.failed and "ZeroDivisionError" in view.said
    desk.dismiss()
    assert desk.poll().said == ""


def test_a_removal_is_asked_about(desk: counter.Counter, worker: Worker) -> None:
    desk.begin(views.REMOVE, "nafnet")
    assert (question := desk.poll().question) and question.lines[0].text.startswith("Remove NAFNet")
    assert worker.asked == []
    desk.begin(views.AGREE)
    until(desk, lambda v: bool(v.said))
    assert worker.asked == [wire.Tend("remove", ("nafnet",))]


def test_a_model_of_ones_own_is_switched(desk: counter.Counter, worker: Worker) -> None:
    for action, on in ((views.SWITCH_OFF, False), (views.SWITCH_ON, True)):
        desk.begin(action, "own.mine")
        until(desk, lambda v: v.said == "It is done." and v.doing is None)
        assert worker.asked[-1] == wire.SwitchModel("own.mine", on)
        desk.dismiss()


def test_stopping_ends_what_is_done(desk: counter.Counter, worker: Worker) -> None:
    worker.go_on.clear()
    desk.begin(views.VERIFY)
    until(desk, lambda v: v.doing is not None and v.doing.share is not None)
    # The fixture waits for the threads.
    desk.stop()
    assert worker.go_on.is_set()


def test_what_was_asked_for_meanwhile_is_asked_again(desk: counter.Counter, worker: Worker) -> None:
    """A change between a question and its answer is not missed."""
    desk.look()
    worker.models = (HERE,)
    desk.look()
    until(desk, lambda v: v.groups[0].rows[0].state == "✓ ready")
