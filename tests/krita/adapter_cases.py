"""The adapter in a fake Krita with a real worker; run by test_adapter.py once for each Qt."""

from __future__ import annotations

import gc
import json
import os
import signal
import sys
import time
import weakref
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from desk import ESCAPED, GREY, HEIGHT, QT, SRGB, WIDTH, Desk, wait

from shared_core.bridge import client, host, paths, toolbox, wire

QtCore: Any = import_module(f"PyQt{QT}.QtCore")
QtWidgets: Any = import_module(f"PyQt{QT}.QtWidgets")


def test_menu_entries(editor: Any) -> None:
    made = editor.activeWindow().made
    tools = [f"nss_{tool.id.replace('-', '_')}" for tool in toolbox.TOOLS]
    others = ["nss_export_labelled", "nss_models_open", "nss_setup_open", "nss_diagnostics_copy"]
    assert list(made) == ["nss_menu", *tools, *others]
    assert made["nss_menu"][1] == "filter"
    assert made["nss_deblur"][1] == "filter/nss_menu"
    assert made["nss_deblur"][0].text() == "Deblur…"
    assert made["nss_menu"][0].menu() is not None


def test_parameters_come_from_the_toolbox(desk: Desk) -> None:
    """Every parameter has a widget whose value the toolbox takes, and defaults are shown."""
    for tool in toolbox.TOOLS:
        form = import_module("nss_krita.form").ToolForm(tool)
        assert tool.parse(form.values()) == tool.parse({})
        for parameter in tool.parameters:
            values: tuple[Any, ...] = parameter.choices
            if parameter.kind is toolbox.Kind.NUMBER:
                values = (parameter.minimum, parameter.maximum)
            elif parameter.kind is toolbox.Kind.TEXT:
                values = ("a  red\nboat", "x" * (int(parameter.maximum) + 9), "")
            for value in values:
                form.set_values({parameter.id: value})
                shown = tool.parse(form.values())[parameter.id]
                if parameter.kind is toolbox.Kind.TEXT:
                    assert shown == " ".join(value.split())[: int(parameter.maximum)]
                else:
                    assert shown == value
                assert isinstance(shown, int) or not parameter.whole


def test_menu_opens_the_panel(desk: Desk) -> None:
    desk.open("deblur")
    assert desk.dock.isVisible()
    assert desk.widget("tool").currentData() == "deblur"
    assert desk.widget("layer").text() == f"“Photo”, {WIDTH} × {HEIGHT}"
    assert desk.widget("plan").text().startswith("Classical")


def test_result_receipt_and_undo(desk: Desk) -> None:
    desk.open("denoise")
    status = desk.apply()
    assert status.startswith("Denoise: ")
    assert desk.names() == ["Photo", "Photo · Denoise · classical"]
    assert [step[0] for step in desk.document.undo_stack] == ["Add Layer"]
    assert not desk.document.history_damaged
    assert bytes(desk.layer.pixelData(0, 0, WIDTH, HEIGHT)) == desk.native
    result = desk.document.topLevelNodes()[1]
    assert bytes(result.pixelData(0, 0, WIDTH, HEIGHT)) != desk.native
    key = f"nss/receipt/{result.uniqueId().toString()}"
    wrapper = json.loads(desk.document.annotations[key][1])
    assert wrapper["receipt"]["versions"]["host"].startswith("Krita ")
    assert desk.document.annotations[key][0] == status
    assert desk.window.view.messages[-1] == status
    rows = desk.widget("receipts")
    wait(lambda: rows.count() == 1)
    assert rows.item(0).text() == status
    desk.document.undo()
    wait(lambda: rows.count() == 0)
    desk.document.redo()
    wait(lambda: rows.count() == 1)
    rows.setCurrentRow(0)
    assert desk.widget("receipt_details").topLevelItemCount() > 5
    own = desk.widget("layer_receipt")
    desk.document.active = result._item
    wait(lambda: own.text().endswith(status))
    desk.document.active = desk.layer._item
    wait(lambda: own.text().endswith("no receipt."))
    result.setPixelData(desk.native, 0, 0, WIDTH, HEIGHT)
    desk.document.active = result._item
    wait(lambda: own.text().endswith("Changed since."))


def test_consent_holds_for_the_shown_model_alone(desk: Desk) -> None:
    """A tick for one tool's model, and Apply for another tool before its plan is there."""
    desk.open("deblur", "auto")
    desk.widget("consent").setChecked(True)
    desk.window.made["nss_denoise"][0].trigger()
    status = desk.apply()
    assert "classical" in desk.names()[-1], status
    models = Path(os.environ["NSS_HOME"]) / "data" / "models"
    assert not list(models.rglob("*.onnx"))


def test_consent_then_real(desk: Desk) -> None:
    """Nothing is fetched before the box is ticked; afterwards the box is gone."""
    desk.open("denoise", "real")
    assert desk.widget("plan").text().startswith("Not possible")
    assert desk.widget("consent").text().startswith("Download SCUNet (")
    for told in ("With it, ", "Licence: Apache-2.0.", "From 127.0.0.1, once;"):
        assert told in desk.widget("consent_facts").text()
    assert not desk.widget("consent_other").isVisible()
    assert not desk.widget("consent").isChecked()
    status = desk.apply()
    assert "SCUNet" in status and desk.names() == ["Photo"]
    desk.widget("consent").setChecked(True)
    assert desk.widget("apply").text() == "Download and apply"
    assert desk.apply().startswith("Denoise: real SCUNet on CPU")
    assert desk.names() == ["Photo", "Photo · Denoise · real SCUNet"]
    assert not desk.widget("consent").isVisible()
    assert desk.widget("apply").text() == "Apply"


def test_a_restricted_model_and_the_one_instead(desk: Desk) -> None:
    """The terms are told in plain words; a click takes the other model, with its own consent."""
    desk.open("restore_faces", "real")
    assert desk.widget("consent").text().startswith("Download GFPGAN 1.4\n(")
    told = desk.widget("consent_facts").text()
    assert "<b>Commercial use is in doubt. Parts of it" in told
    assert '<a href="https://github.com/TencentARC/GFPGAN/blob/master/LICENSE">' in told
    other = desk.widget("consent_other")
    assert not other.isVisible() and not desk.widget("consent_facts").isVisible()
    desk.widget("consent").setChecked(True)
    assert other.isVisible() and other.text().startswith("Use RestoreFormer++ instead\n(")
    assert desk.widget("consent_facts").isVisible()
    other.click()
    wait(desk.dock.settled)
    assert desk.widget("form_restore-faces").values()["model"] == "restoreformer"
    assert desk.widget("consent").text().startswith("Download RestoreFormer++\n(")
    assert not desk.widget("consent").isChecked() and not other.isVisible()
    assert desk.widget("apply").text() == "Apply"
    assert "Commercial use" not in desk.widget("consent_facts").text()
    desk.widget("form_restore-faces").set_values({"model": "auto"})


def test_a_tick_stays_while_the_settings_change(desk: Desk) -> None:
    desk.open("deblur", "auto")
    desk.widget("consent").setChecked(True)
    desk.widget("form_deblur").set_values({"amount": 40})
    wait(desk.dock.settled)
    assert desk.widget("consent").isChecked()
    assert desk.widget("apply").text() == "Download and apply"
    desk.widget("consent").setChecked(False)


def test_selection_and_grey(editor: Any) -> None:
    """A grey picture stays grey; native bytes outside the selection stay; no document is left."""
    desk = Desk(editor, GREY)
    selection = sys.modules["krita"].Selection()  # type: ignore[attr-defined]
    selection.select(8, 8, 16, 12, 255)
    desk.document.setSelection(selection)
    desk.open("denoise")
    desk.apply()
    assert editor.open_documents == [desk.document]
    assert desk.names() == ["Photo", "Photo · Denoise · classical", "Selection Mask"]
    result = desk.document.topLevelNodes()[1]
    assert result.colorModel() == "GRAYA"
    new = bytes(result.pixelData(0, 0, WIDTH, HEIGHT))
    outside = [
        p for p in range(WIDTH * HEIGHT) if not (8 <= p % WIDTH < 24 and 8 <= p // WIDTH < 20)
    ]
    assert all(new[2 * p : 2 * p + 2] == desk.native[2 * p : 2 * p + 2] for p in outside)
    assert new != desk.native
    desk.close()


def test_bad_input_is_one_sentence(desk: Desk) -> None:
    root = desk.document.rootNode()
    group = desk.document.createGroupLayer("Group")
    inner = desk.document.createNode("Inner", "paintlayer")
    inner.setPixelData(desk.native, 0, 0, WIDTH, HEIGHT)
    group.addChildNode(inner, None)
    root.addChildNode(group, None)
    empty = desk.document.createNode("Empty", "paintlayer")
    root.addChildNode(empty, None)
    mask = desk.document.createNode("Mask", "transparencymask")
    steps = len(desk.document.undo_stack)
    desk.open("deblur")
    group.setLocked(True)
    for node, words in ((empty, "is empty"), (inner, "is locked"), (mask, "is a mask")):
        desk.window.view.picked = [node]
        if node is mask:
            desk.layer.addChildNode(mask, None)
            steps += 1
        status = desk.apply()
        assert words in status and status.endswith(".") and status.count("\n") == 0
        assert len(desk.document.undo_stack) == steps
    group.setLocked(False)
    selection = sys.modules["krita"].Selection()  # type: ignore[attr-defined]
    selection.select(500, 500, 5, 5, 255)
    desk.document.setSelection(selection)
    desk.window.view.picked = [desk.layer]
    assert "outside the layer" in desk.apply()


def test_group_is_read_by_what_it_shows(desk: Desk) -> None:
    group = desk.document.createGroupLayer("Group")
    inner = desk.document.createNode("Inner", "paintlayer")
    inner.setPixelData(desk.native, 0, 0, WIDTH, HEIGHT)
    group.addChildNode(inner, None)
    desk.document.rootNode().addChildNode(group, None)
    desk.window.view.picked = [group]
    desk.open("denoise")
    desk.apply()
    assert desk.names()[-1] == "Group · Denoise · classical"


def test_huge_layer_is_cut_to_the_canvas(desk: Desk) -> None:
    class Huge:
        def type(self) -> str:
            return "paintlayer"

        def name(self) -> str:
            return "Huge"

        def bounds(self) -> Any:
            return QtCore.QRect(-90000, -90000, 200000, 200000)

        def colorModel(self) -> str:
            return "RGBA"

        def colorDepth(self) -> str:
            return "U8"

        def colorProfile(self) -> str:
            return SRGB[2]

    area = import_module("nss_krita.reading").area_of(desk.document, Huge())
    assert area.rectangle == (0, 0, WIDTH, HEIGHT)


def test_layer_and_document_gone(editor: Any) -> None:
    """Whatever the user does meanwhile: a sentence, and nothing is written."""
    desk = Desk(editor)
    other = desk.document.createNode("Other", "paintlayer")
    desk.document.rootNode().addChildNode(other, None)
    desk.open("denoise")
    desk.widget("apply").click()
    desk.layer.remove()
    wait(lambda: not desk.widget("cancel").isEnabled())
    assert "was deleted meanwhile" in desk.widget("status").text()
    desk.close()
    desk = Desk(editor)
    desk.open("denoise")
    desk.widget("apply").click()
    desk.close()
    wait(lambda: not desk.widget("cancel").isEnabled())
    assert "was closed meanwhile" in desk.widget("status").text()
    assert ESCAPED == []


def test_a_tool_in_use_is_ended_before_the_layer_is_read(desk: Desk) -> None:
    """What the transform tool has begun is not in the pixels yet; saving ends it as well."""
    desk.open("denoise")
    desk.document.at_work = True
    assert desk.apply().startswith("Denoise: classical")
    assert desk.document.waited


def test_a_result_waits_for_the_end_of_a_stroke(desk: Desk) -> None:
    """It would be cut off: the user may well draw meanwhile."""
    desk.open("denoise")
    desk.widget("apply").click()
    desk.document.at_work = True
    wait(lambda: "waits until" in desk.widget("status").text())
    assert desk.names() == ["Photo"] and desk.document.undo_stack == []
    desk.document.at_work = False
    wait(lambda: not desk.widget("cancel").isEnabled())
    assert desk.names() == ["Photo", "Photo · Denoise · classical"]
    assert not desk.document.waited


@pytest.mark.parametrize(("path", "said"), [("real", "not possible"), ("classical", "classical")])
def test_nothing_of_a_run_is_kept(desk: Desk, monkeypatch: Any, path: str, said: str) -> None:
    """Its pixels would be, until the next one, or until Python looks for circles of references."""
    desk.open("colorize", path)
    read, kept = import_module("nss_krita.layers").KritaHost.read, []

    def noted(*arguments: Any) -> Any:
        source = read(*arguments)
        kept.append(weakref.ref(source.private))
        return source

    monkeypatch.setattr("nss_krita.layers.KritaHost.read", noted)
    gc.collect()
    gc.disable()
    try:
        assert said in desk.apply()
        assert [ref() for ref in kept] == [None]
    finally:
        gc.enable()


@pytest.mark.parametrize("end", ["cancel", "close"])
def test_a_result_that_waits_is_not_wanted_any_more(editor: Any, end: str) -> None:
    desk = Desk(editor)
    desk.open("denoise")
    desk.widget("apply").click()
    desk.document.at_work = True
    wait(lambda: "waits until" in desk.widget("status").text())
    if end == "cancel":
        desk.widget("cancel").click()
    else:
        desk.close()
    wait(lambda: not desk.widget("cancel").isEnabled())
    said = desk.widget("status").text()
    assert ("Cancelled; the document was not changed." if end == "cancel" else "closed") in said
    assert desk.names() == ["Photo"]
    if end == "cancel":
        desk.document.at_work = False
        desk.close()
    assert ESCAPED == []


def test_apply_during_a_conversion_is_ignored(editor: Any) -> None:
    """Krita's event loop runs inside a conversion, so a second click arrives there."""
    desk = Desk(editor, GREY)
    desk.open("denoise")
    runs = []
    desk.dock._runner.changed.connect(lambda: runs.append(desk.dock._runner.busy))
    QtCore.QTimer.singleShot(0, desk.widget("apply").click)
    desk.dock._apply_clicked()
    wait(lambda: not desk.widget("cancel").isEnabled())
    assert runs == [True, False]
    assert desk.names() == ["Photo", "Photo · Denoise · classical"]
    desk.close()


@pytest.mark.parametrize("conversion", ["there", "back"])
def test_cancel_during_a_conversion(editor: Any, monkeypatch: Any, conversion: str) -> None:
    """A click that arrives while Krita converts the result leaves no layer either."""
    desk = Desk(editor, GREY)
    desk.open("denoise")
    inner = import_module("nss_krita.spaces").convert
    calls: list[str] = []

    def convert(*arguments: Any) -> bytes:
        calls.append("back" if calls else "there")
        if calls[-1] == conversion:
            QtCore.QTimer.singleShot(0, desk.widget("cancel").click)
        converted: bytes = inner(*arguments)
        return converted

    monkeypatch.setattr("nss_krita.spaces.convert", convert)
    assert desk.apply() == "Cancelled; the document was not changed."
    assert calls[-1] == conversion
    assert desk.names() == ["Photo"] and desk.document.annotations == {}
    desk.close()


@pytest.mark.skipif(sys.platform == "win32", reason="Windows cannot stop a process")
def test_cancel_at_a_worker_that_stands_still(desk: Desk, monkeypatch: Any) -> None:
    """Nobody answers there; the editor is free at once all the same."""
    # By itself the handshake gives up after that only.
    monkeypatch.setattr(client, "HANDSHAKE_SECONDS", 200.0)
    asker = client.Client(paths.paths(), "test", "1")
    worker = asker.ask(wire.AskStatus(), wire.StatusReply).pid
    asker.close()
    desk.open("denoise")
    os.kill(worker, signal.SIGSTOP)
    try:
        desk.widget("apply").click()
        wait(lambda: desk.dock._runner.busy)
        clicked = time.monotonic()
        desk.widget("cancel").click()
        wait(lambda: not desk.widget("cancel").isEnabled())
        took = time.monotonic() - clicked
    finally:
        os.kill(worker, signal.SIGCONT)
    wait(desk.dock.settled)
    assert desk.names() == ["Photo"]
    assert took < client.HANDSHAKE_SECONDS / 2


def test_worker_that_is_not_set_up(desk: Desk, surroundings: Path) -> None:
    """The panel says so in one sentence instead of a plan."""
    answers: list[Any] = []
    plans = import_module("nss_krita.planner")
    planner = plans.Planner(paths.paths({"NSS_HOME": str(surroundings / "nothing here")}), "5.2.9")
    planner.answered.connect(lambda question, answer: answers.append(answer))
    planner.ask([plans.Question("", "", 5, 5, host.Order(tool)) for tool in ("denoise", "tags")])
    wait(lambda: len(answers) == 2)
    assert all("not set up" in str(answer) for answer in answers)
    planner.stop()


def test_a_mistake_does_not_reach_kritas_dialog(desk: Desk, monkeypatch: Any) -> None:
    desk.open("denoise")
    monkeypatch.setattr("nss_krita.docker.reading.task_area", lambda *_: 1 / 0)
    desk.widget("form_denoise").set_values({"detail": 40})
    wait(lambda: "ZeroDivisionError" in desk.widget("status").text())
    log = Path(os.environ["NSS_HOME"]) / "cache" / "krita.log"
    assert "ZeroDivisionError" in log.read_text("utf-8")


def test_diagnostics_are_copied(desk: Desk) -> None:
    """All of it, and no name of the open picture or place of the user's."""
    desk.document.title = "Rome at night"
    clipboard = QtWidgets.QApplication.clipboard()
    clipboard.clear()
    desk.window.made["nss_diagnostics_copy"][0].trigger()
    wait(lambda: bool(clipboard.text()))
    text = clipboard.text()
    version = desk.krita.version().split()[0]
    assert f"in Krita {version}\n" in text and "Recent faults of models" in text
    assert "onnxruntime 1." in text or "not measured yet" in text
    assert "Rome" not in text and os.environ["NSS_HOME"] not in text
    assert desk.widget("status").text().startswith("The diagnostics are in the clipboard.")
