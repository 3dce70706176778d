"""The panel's parts in a fake Krita: the list of tools, options, history, keyboard and width.

Run by test_adapter.py once for each Qt.
"""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module
from typing import Any

import pytest
from desk import ESCAPED, HEIGHT, QT, WIDTH, Desk, wait

from shared_core.bridge import host, toolbox, wire

QtCore: Any = import_module(f"PyQt{QT}.QtCore")
QtGui: Any = import_module(f"PyQt{QT}.QtGui")
QtWidgets: Any = import_module(f"PyQt{QT}.QtWidgets")


def plan(path: str | None, **more: Any) -> wire.Plan:
    given = {"model": None, "provider": None, "reason": wire.FITS, "seconds": None}
    return wire.Plan(path, **{**given, "peak_bytes": None, "download_bytes": 0, **more})


def add_layer(desk: Desk, name: str) -> Any:
    layer = desk.document.createNode(name, "paintlayer")
    layer.setPixelData(desk.native, 0, 0, WIDTH, HEIGHT)
    desk.document.rootNode().addChildNode(layer, None)
    return layer


def history(desk: Desk, row: int = 0) -> Any:
    rows = desk.widget("receipts")
    rows.setCurrentRow(row)
    return rows


def test_every_tool_has_its_plan_beside_it(desk: Desk) -> None:
    """By the classical path all say so; what needs a selection says that, and is greyed."""
    desk.open("deblur")
    rows = desk.widget("tool")
    for tool in toolbox.TOOLS:
        shown = rows.shown(tool.id)
        if tool.selects is toolbox.Selects.NEEDED:
            assert "nothing is selected" in shown.told and not shown.able
            assert shown.words.startswith("not possible · ")
            continue
        assert shown.words.startswith("classical · about "), shown
        assert shown.told.startswith("Classical ") or shown.told[0].isupper()
    assert rows.shown("deblur").told == desk.widget("plan").text()


def test_words_and_sign_tell_the_paths_apart(desk: Desk) -> None:
    rows = desk.widget("tool")
    cases = {
        "real · NAFNet · CPU · about 40 s": plan(
            "real", title="NAFNet", provider="CPUExecutionProvider", seconds=40.0
        ),
        "your model · Mine · CPU · about 2.0 s": plan(
            "byo", title="Mine", provider="CPUExecutionProvider", seconds=2.0
        ),
        "classical · NAFNet is not downloaded, 92 MB": plan(
            "classical", reason="NAFNet is not downloaded, 92 MB", seconds=0.8
        ),
        "not possible · no model fits": plan(None, reason="no model fits"),
    }
    drawn = set()
    for words, told in cases.items():
        assert told.brief() == words
        rows.show_plan("deblur", told)
        item = rows._items["deblur"]
        assert item.text(1) == words and told.sentence() in item.toolTip(1)
        image = item.icon(0).pixmap(32, 32).toImage()
        drawn.add(bytes(image.constBits().asstring(image.sizeInBytes())))
    assert len(drawn) == len(cases)


def test_nothing_is_asked_while_it_is_hidden(desk: Desk) -> None:
    desk.open("deblur")
    rounds: list[int] = []

    def asked() -> list[int]:
        """The rounds about plans; without a question it is the machine that is asked about."""
        return [count for count in rounds if count]

    ask = desk.dock._planner.ask
    desk.dock._planner.ask = lambda questions: (rounds.append(len(questions)), ask(questions))
    try:
        desk.dock._dock.setVisible(False)
        desk.document.active = add_layer(desk, "Other")._item
        QtCore.QThread.msleep(700)
        QtWidgets.QApplication.processEvents()
        assert rounds == [] and not desk.dock._poll_timer.isActive()
        desk.dock._dock.setVisible(True)
        wait(lambda: bool(asked()))
        wait(desk.dock.settled)
        # All in one round, and then no more.
        assert asked() == [len(toolbox.TOOLS) - 1]
        assert desk.widget("layer").text().startswith("“Other”")
        desk.widget("form_deblur").set_values({"amount": 12})
        wait(desk.dock.settled)
        assert asked()[1:] == [1]
    finally:
        del desk.dock._planner.ask


def test_the_machine_in_one_line(desk: Desk) -> None:
    line = desk.widget("machine")
    wait(lambda: "·" in line.words())
    details = desk.widget("machine_details")
    assert not details.isVisible()
    line.click()
    assert details.isVisible() and "Processor" in details.toPlainText()
    line.click()


def test_where_the_result_goes_is_a_choice(desk: Desk) -> None:
    desk.open("denoise")
    choice = desk.widget("placement")
    titles = [choice.itemText(row) for row in range(choice.count())]
    assert titles == [
        "New layer",
        "Replace your layer (2 undo steps)",
        "Group with your layer (2 undo steps)",
    ]
    choice.setCurrentIndex(1)
    wait(desk.dock.settled)
    assert desk.widget("layer").text().endswith("→ in its place")
    assert "takes the place of your layer" in desk.widget("apply").toolTip()
    desk.apply()
    assert desk.names() == ["Photo · Denoise · classical"]
    assert [step[0] for step in desk.document.undo_stack] == ["Add Layer", "Remove Layer"]
    desk.open("tags")
    assert not choice.isVisible()
    # What was chosen for one kind of result is no choice for another.
    desk.open("remove_background")
    assert choice.currentData() == "new" and choice.count() == 3
    desk.open("denoise")
    assert choice.currentData() == "replace"
    choice.setCurrentIndex(0)


def test_history_selects_and_runs_again(desk: Desk) -> None:
    desk.open("denoise")
    desk.widget("form_denoise").set_values({"detail": 20})
    first = desk.apply()
    desk.widget("form_denoise").set_values({"detail": 50})
    add_layer(desk, "Other")
    rows = history(desk)
    assert rows.item(0).text() == first
    desk.document.setActiveNode(desk.layer)
    desk.widget("receipt_layer").click()
    assert desk.document.activeNode().name() == "Photo · Denoise · classical"
    desk.widget("receipt_again").click()
    wait(lambda: not desk.widget("cancel").isEnabled())
    wait(desk.dock.settled)
    # Above the layer that it was made from, whichever is chosen.
    names = ["Photo", *["Photo · Denoise · classical"] * 2, "Other"]
    assert desk.names() == names
    found = import_module("nss_krita.receipts").of_document(desk.document)
    assert [one.receipt.parameters["detail"] for one in found] == [20, 20]
    desk.layer.remove()
    wait(lambda: rows.count() == 2)
    history(desk)
    desk.widget("receipt_again").click()
    assert "is not there any more" in desk.widget("status").text()


def test_retry_with_a_model_that_is_not_here(desk: Desk) -> None:
    """The panel then shows the tool as it was used, and what the real path takes."""
    desk.open("deblur")
    desk.widget("form_deblur").set_values({"amount": 33})
    desk.apply()
    desk.widget("form_deblur").set_values({"amount": 60})
    desk.open("tags")
    history(desk)
    button = desk.widget("receipt_real")
    assert button.isVisible()
    button.click()
    wait(lambda: not desk.widget("cancel").isEnabled())
    wait(desk.dock.settled)
    assert "is not possible" in desk.widget("status").text()
    assert desk.names() == ["Photo", "Photo · Deblur · classical"]
    assert desk.widget("tool").currentData() == "deblur"
    assert desk.widget("path").currentData() == "real"
    assert desk.widget("form_deblur").values()["amount"] == 33
    assert desk.widget("consent").isVisible()
    desk.open("deblur")


def test_a_name_is_no_markup(desk: Desk) -> None:
    """A picture from a stranger names a layer so that Qt would open any file for a tooltip."""
    desk.layer.setName("<img src='/dev/zero'>")
    desk.open("denoise")
    desk.apply()
    rows, fields = desk.widget("receipts"), desk.widget("receipt_details")
    rows.setCurrentRow(0)
    tips = [widget.toolTip() for widget in desk.dock.findChildren(QtWidgets.QWidget)]
    tips += [rows.item(row).toolTip() for row in range(rows.count())]
    tips += [fields.topLevelItem(row).toolTip(1) for row in range(fields.topLevelItemCount())]
    assert [text for text in tips if "<img" in text] == []
    assert len([text for text in tips if "&lt;img" in text]) == 2
    desk.layer.setName("Photo")


def test_what_is_wrong_with_the_panel_stands_in_its_frame(editor: Any) -> None:
    """Krita would show a modal dialog each time that it comes into sight."""
    frame = import_module("nss_krita.dock").NssDock(lambda dock: 1 / 0)
    frame.show()
    wait(lambda: "ZeroDivisionError" in getattr(frame.widget(), "text", str)())
    frame.close()
    frame.deleteLater()
    assert ESCAPED == []


def test_several_layers_are_one_job(desk: Desk) -> None:
    other = add_layer(desk, "Other")
    desk.window.view.picked = [desk.layer, other]
    desk.open("denoise")
    assert ", one of 2 selected layers" in desk.widget("layer").text()
    steps: list[Any] = []
    desk.dock._runner.progressed.connect(steps.append)
    status = desk.apply()
    assert status.startswith("2 layers done")
    told = [step for step in steps if step.share is not None]
    assert told[0].sentence.startswith("Layer 1 of 2 · ")
    assert told[-1].sentence.startswith("Layer 2 of 2 · ")
    shares = [step.share for step in told]
    assert shares == sorted(shares) and shares[0] < 0.5 <= shares[-1] <= 1


def test_an_animated_layer_gives_its_current_frame(desk: Desk) -> None:
    desk.layer._item.animated = True
    desk.open("denoise")
    assert desk.widget("layer").text().endswith(", its current frame")


def focusable(panel: Any) -> list[Any]:
    """What Tab goes through."""
    tab = QtCore.Qt.FocusPolicy.TabFocus
    policy = (
        (lambda w: w.focusPolicy() & tab)
        if QT == 6
        else (lambda w: int(w.focusPolicy()) & int(tab))
    )
    found, at = [], panel.nextInFocusChain()
    while at is not panel and len(found) < 2000:
        if panel.isAncestorOf(at) and policy(at) and at.focusProxy() is None:
            found.append(at)
        at = at.nextInFocusChain()
    return found


def test_keyboard_and_screen_reader(desk: Desk) -> None:
    """Everything has a name; Tab goes from the list over the parameters to Apply."""
    desk.open("denoise")
    desk.apply()
    history(desk)
    chain = [widget for widget in focusable(desk.dock) if widget.isVisibleTo(desk.dock)]
    for widget in chain:
        said = widget.accessibleName() or getattr(widget, "text", lambda: "")()
        if isinstance(widget, (QtWidgets.QScrollArea, QtWidgets.QLabel)):
            continue
        assert said, f"{widget.objectName()} {type(widget).__name__} has no name"
    names = [widget.objectName() for widget in chain]
    wanted = ["machine", "open_models", "tool", "param_strength_auto", "param_detail"]
    wanted += ["path", "placement", "limits", "receipts", "receipt_layer", "apply"]
    places = [names.index(f"nss_{name}") for name in wanted]
    assert places == sorted(places), list(zip(wanted, places, strict=True))
    keys, kind = QtCore.Qt.Key, QtCore.QEvent.Type.KeyPress
    wanted_keys = {keys.Key_Down: "deblur", keys.Key_Return: "deblur"}
    desk.widget("tool").setFocus()
    for key, tool in wanted_keys.items():
        event = QtGui.QKeyEvent(kind, key, QtCore.Qt.KeyboardModifier.NoModifier)
        QtWidgets.QApplication.sendEvent(desk.widget("tool"), event)
        assert desk.widget("tool").currentData() == tool
    assert desk.widget("apply").hasFocus() or not desk.dock.isActiveWindow()
    # Letters with Alt belong to Krita's menus.
    assert not [w for w in chain if "&" in getattr(w, "text", lambda: "")().replace("&&", "")]
    for label in desk.widget("form_denoise").findChildren(QtWidgets.QLabel):
        assert label.buddy() is not None, label.text()


@pytest.mark.parametrize("tool", [made.id for made in toolbox.TOOLS])
def test_narrow(desk: Desk, tool: str) -> None:
    """Nothing needs more width than a narrow docker has, so that nothing is scrolled sideways."""
    desk.open(tool.replace("-", "_"))
    # The fonts of the two Qt differ here.
    most = max(230, 28 * desk.dock.fontMetrics().averageCharWidth())
    for part in (desk.dock._scroll.widget(), desk.dock._footer):
        assert part.minimumSizeHint().width() <= most, tool
    fields = [desk.widget("path"), *desk.widget(f"form_{tool}")._fields.values()]
    left = {f.mapTo(desk.dock, QtCore.QPoint(0, 0)).x() for f in fields if f.isVisible()}
    # Texts of several lines, and what a narrow panel wraps, begin near the margin.
    assert len({place for place in left if place > 40}) <= 1, left
    rows = desk.widget("tool")
    for width in (140, 230, 500):
        rows.resize(width, rows.height())
        assert rows.columnWidth(0) + rows.columnWidth(1) == rows.viewport().width()
        assert rows.columnWidth(1) >= 0.3 * rows.viewport().width()


def test_right_to_left_and_dark(desk: Desk) -> None:
    arrow = QtCore.Qt.ArrowType
    title = desk.widget("limits")
    assert title.arrowType() == arrow.RightArrow
    title.setLayoutDirection(QtCore.Qt.LayoutDirection.RightToLeft)
    assert title.arrowType() == arrow.LeftArrow
    title.unsetLayoutDirection()
    rows = desk.widget("tool")

    def drawn() -> Any:
        return rows._items["deblur"].icon(0).pixmap(16, 16).toImage()

    rows.show_plan("deblur", plan("classical"))
    before, palette = drawn(), QtGui.QPalette(rows.palette())
    palette.setColor(QtGui.QPalette.ColorRole.Text, QtGui.QColor("#f0f0f0"))
    rows.setPalette(palette)
    wait(lambda: drawn() != before)
    rows.setPalette(QtGui.QPalette())


def test_the_menu_greys_what_the_layer_does_not_allow(desk: Desk) -> None:
    """With the reason, and only while it is open: a shortcut has the panel say it."""
    made = desk.window.made
    menu = made["nss_menu"][0].menu()
    assert menu.toolTipsVisible()
    action = made["nss_remove_object"][0]
    menu.aboutToShow.emit()
    assert not action.isEnabled() and "nothing is selected" in action.toolTip()
    assert made["nss_deblur"][0].isEnabled()
    menu.aboutToHide.emit()
    assert action.isEnabled() and action.toolTip() == toolbox.tool("remove-object").help
    mask = desk.document.createTransparencyMask("Mask")
    desk.layer.addChildNode(mask, None)
    desk.document.setActiveNode(mask)
    menu.aboutToShow.emit()
    greyed = {
        t.id for t in toolbox.TOOLS if not made[f"nss_{t.id.replace('-', '_')}"][0].isEnabled()
    }
    # A new picture is put above the layer that the mask lies on.
    assert greyed == {t.id for t in toolbox.TOOLS} - {"text-to-image"}
    assert "is a mask" in made["nss_deblur"][0].toolTip()
    menu.aboutToHide.emit()
    assert made["nss_deblur"][0].isEnabled()


def test_an_order_from_a_receipt() -> None:
    """Parameters that the tool does not have any more are left out."""
    again = import_module("shared_core.bridge.again")
    kinds = import_module("kinds_cases")
    settings = import_module("shared_core.bridge.settings").Settings(budget=90)
    label = kinds.label()
    label = replace(label, tool="denoise", parameters={"detail": 7, "gone": 1})
    order = again.order_again(label, settings)
    assert order == host.Order(
        "denoise", {"detail": 7}, "classical", limits=settings.limits, commercial_only=False
    )
    assert again.order_again(label, settings, "real").path == "real"
