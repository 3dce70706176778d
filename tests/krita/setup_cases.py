"""The panel's guide through setting up the worker; run by test_adapter.py once for each Qt."""

from __future__ import annotations

import sys
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from desk import QT, Desk, wait

from shared_core.bridge import paths, wire
from shared_core.bridge.setup import environment, guide

QtWidgets: Any = import_module(f"PyQt{QT}.QtWidgets")
FIRST = guide.View(
    "Set up the worker",
    "It takes a minute.",
    (
        guide.Action("install", "Set Up (121 MB)", "Makes it."),
        guide.Action("from-folder", "From a Folder…", "Offline.", asks_folder=True),
        guide.Action("remove", "Remove", "Deletes it."),
    ),
)


class Script:
    """A guide that shows what a test wants and notes what is begun."""

    def __init__(self) -> None:
        self.view = FIRST
        self.begun: list[tuple[str, Path | None]] = []

    @property
    def usable(self) -> bool:
        return self.view.usable

    def poll(self) -> guide.View:
        return self.view

    def begin(self, action: str, folder: Path | None = None) -> None:
        self.begun.append((action, folder))

    def log(self) -> str:
        return "Collecting numpy"


@pytest.fixture
def script() -> Script:
    return Script()


@pytest.fixture
def box(editor: Any, script: Script) -> Any:
    made = import_module("nss_krita.setup_box").SetupBox(script)
    made.show()
    yield made
    made.stop()
    made.deleteLater()


def part(box: Any, name: str) -> Any:
    found = box.findChild(QtWidgets.QWidget, f"nss_setup_{name}")
    assert found is not None, name
    return found


def test_it_says_what_the_guide_says(box: Any) -> None:
    assert box.title() == "Set up the worker"
    assert part(box, "text").text() == "It takes a minute."
    assert part(box, "install").text() == "Set Up (121 MB)"
    assert not part(box, "progress").isVisible() and not part(box, "said").isVisible()


def test_a_click_begins(box: Any, script: Script) -> None:
    part(box, "install").click()
    assert script.begun == [("install", None)]


def test_progress_then_a_usable_worker(box: Any, script: Script) -> None:
    told: list[str] = []
    box.changed.connect(told.append)
    stop = guide.Action("cancel", "Cancel", "Stops.")
    script.view = guide.View("Setting up the worker", "Fetching numpy", (stop,), share=0.25)
    wait(lambda: part(box, "progress").isVisible())
    assert part(box, "progress").value() == 250
    assert part(box, "doing").text() == "Fetching numpy" and not part(box, "text").isVisible()
    part(box, "cancel").click()
    assert script.begun == [("cancel", None)]
    part(box, "show_log").setChecked(True)
    assert part(box, "log").toPlainText() == "Collecting numpy"
    script.view = replace(FIRST, title="The worker is ready", said="Done.", usable=True)
    wait(lambda: told == ["Done."])
    assert not box.isVisible()
    box.show()
    assert part(box, "said").text() == "Done." and not part(box, "progress").isVisible()
    part(box, "close").click()
    assert not box.isVisible()


def test_an_offline_folder_is_asked_for(
    box: Any, script: Script, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    answers = ["", str(tmp_path)]
    dialog = QtWidgets.QFileDialog
    monkeypatch.setattr(dialog, "getExistingDirectory", lambda *_: answers.pop(0))
    part(box, "from-folder").click()
    assert script.begun == []
    part(box, "from-folder").click()
    assert script.begun == [("from-folder", tmp_path)]


def test_removing_is_asked_for(box: Any, script: Script, monkeypatch: pytest.MonkeyPatch) -> None:
    buttons = QtWidgets.QMessageBox.StandardButton
    answers = [buttons.No, buttons.Yes]
    monkeypatch.setattr(QtWidgets.QMessageBox, "question", lambda *_: answers.pop(0))
    part(box, "remove").click()
    assert script.begun == []
    part(box, "remove").click()
    assert script.begun == [("remove", None)]


def test_the_panel_waits_for_the_worker(desk: Desk) -> None:
    """Without a worker the panel offers nothing but its set-up; with one it plans again."""
    named = paths.paths().worker_python
    desk.open("denoise")
    named.rename(named.with_suffix(".away"))
    try:
        wait(lambda: not desk.widget("apply").isEnabled())
        assert not desk.widget("plan").isVisible()
        wait(lambda: desk.widget("setup_text").text().startswith("NSS does its work"))
    finally:
        named.with_suffix(".away").rename(named)
    wait(lambda: desk.widget("plan").text().startswith("Classical"))
    assert desk.widget("apply").isEnabled()


def test_an_older_worker_is_told_and_used_all_the_same(editor: Any) -> None:
    """In a panel of its own, since the session's has been asked for the set-up already."""
    where = paths.paths()
    named = where.worker_python.read_bytes()
    folder = environment.new_folder(where)
    program = environment.program(folder)
    program.parent.mkdir()
    program.symlink_to(sys.executable)
    stamp = environment.Stamp("0.0.1", wire.PROTOCOL, "", "cpu", "", "3.13")
    environment.write_stamp(folder, stamp)
    environment.name_worker(where, program)
    try:
        extension = import_module("nss_krita.extension")
        panel = extension.NssExtension(editor).make_dock().panel()
        panel._poll()
        box = panel.findChild(QtWidgets.QWidget, "nss_setup")
        assert box is not None and not box.isHidden()
        assert box._guide.poll().title == "Update the worker"
        assert panel.findChild(QtWidgets.QWidget, "nss_layer").text() != "The worker is not set up."
        panel.stop()
    finally:
        where.worker_python.write_bytes(named)
        environment.delete(folder)


def test_the_menu_shows_how_it_stands(desk: Desk) -> None:
    desk.window.made["nss_setup_open"][0].trigger()
    wait(lambda: desk.widget("setup").isVisible())
    wait(lambda: desk.widget("setup").title() == "The worker is ready")
    desk.widget("setup_close").click()
    assert not desk.widget("setup").isVisible()
