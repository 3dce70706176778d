"""Every kind of result in a fake Krita: what is read for it, and how it is placed and undone.

Run by test_adapter.py. The results' bytes are made here; no worker is needed.
"""

from __future__ import annotations

import contextlib
import io
import json
import random
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from desk import GREY, HEIGHT, QT, WIDTH, Desk, fake, wait

from shared_core.bridge import arena, errors, host, paths, placement, receipt, settings, toolbox
from shared_core.bridge.toolbox import Kind, Parameter, Returns, Selects, Tool
from shared_core.cli import main as cli

QtCore: Any = import_module(f"PyQt{QT}.QtCore")

WHITE = b"\xff" * (WIDTH * HEIGHT)
STROKES = Parameter("strokes", "Strokes", "", Kind.CHOICE, "above", choices=("none", "above"))
FACTOR = Parameter("factor", "Factor", "", Kind.CHOICE, "2", choices=("2", "4"))


def tool(returns: Returns, **more: Any) -> Tool:
    return Tool("colorize", "Try", "", returns, "classical trying", **more)


def noise(size: int) -> bytes:
    return random.Random(9).randbytes(size)


def matte() -> bytes:
    """Opaque in the middle, half beside it, nothing at the rim."""
    out = bytearray(WIDTH * HEIGHT)
    for y in range(4, 20):
        out[y * WIDTH + 8 : y * WIDTH + 24] = b"\x80" * 4 + b"\xff" * 8 + b"\x80" * 4
    return bytes(out)


def label(found: dict[str, Any] | None = None) -> receipt.Receipt:
    return receipt.Receipt(
        tool="colorize",
        path="classical",
        model=None,
        algorithm=receipt.Algorithm("classical trying", {}),
        provider=receipt.Provider(None, None, None),
        reason="asked for",
        fault=None,
        predicted=receipt.Predicted(1.0, 1),
        actual=receipt.Actual(0.0, 0.1, 0.1, 1, 1),
        image=receipt.ImageFacts(WIDTH, HEIGHT, "u8", False),
        parameters={},
        seed=None,
        versions=receipt.Versions("1", None, "Krita"),
        started="2026-11-23T10:00:00Z",
        found=found or {},
    )


Maker = Callable[[host.Source, host.Result, arena.Arena], receipt.Receipt]


def apply(
    desk: Desk, made: Tool, make: Maker, where: str = "new", **parameters: object
) -> list[host.Source]:
    """The flow of every tool with a worker's part played by ``make``."""
    layers = import_module("nss_krita.layers")
    nodes = desk.window.view.selectedNodes()
    place = layers.KritaHost(desk.document, nodes, paths.paths(), desk.window)
    task = host.Task(made, made.parse(parameters), placement.Placement(where))
    sources = []
    for layer in place.layers(task):
        with arena.Arena(paths.paths()) as files:
            source = place.read(layer, files, task)
            result = host._room(task, source, files)
            place.write(layer, source, files, result, make(source, result, files))
            sources.append(source)
    return sources


def fill(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
    """A worker that gives noise for pixels and the known matte."""
    if result.pixels is not None:
        files.write(result.pixels, noise(result.pixels.size))
    if result.matte is not None:
        files.write(result.matte, matte())
    return label()


def native(node: Any, width: int = WIDTH, height: int = HEIGHT) -> bytes:
    return bytes(node.pixelData(0, 0, width, height))


def test_mask_is_one_step(desk: Desk) -> None:
    """Layer and transparency mask come together, go together, and come back the same."""
    apply(desk, tool(Returns.MASK), fill)
    document = desk.document
    result = document.topLevelNodes()[1]
    (mask,) = result.childNodes()
    assert mask.type() == "transparencymask"
    assert native(mask) == matte()
    assert native(result) == noise(WIDTH * HEIGHT * 4)
    assert [step[0] for step in document.undo_stack] == ["Add Layer"]
    uuid = result.uniqueId()
    document.undo()
    assert desk.names() == ["Photo"]
    document.redo()
    again = document.topLevelNodes()[1]
    assert again.uniqueId() == uuid and native(again.childNodes()[0]) == matte()
    assert f"nss/receipt/{uuid.toString()}" in document.annotations


def shaped(desk: Desk) -> bytes:
    """Give the photo a transparency mask; its bytes."""
    hides = noise(WIDTH * HEIGHT)
    mask = desk.document.createTransparencyMask("Own")
    mask.setPixelData(hides, 0, 0, WIDTH, HEIGHT)
    desk.layer.addChildNode(mask, None)
    desk.document.undo_stack.clear()
    return hides


def back_and_again(desk: Desk, steps: int) -> None:
    """Undo all that was done, and do it again."""
    document = desk.document
    assert len(document.undo_stack) == steps and not document.history_damaged
    after = desk.names()
    for _ in range(steps):
        document.undo()
    assert desk.names() == ["Photo"] and native(document.topLevelNodes()[0]) == desk.native
    for _ in range(steps):
        document.redo()
    assert desk.names() == after


def labels_of(desk: Desk) -> list[str]:
    found = import_module("nss_krita.receipts").of_document(desk.document)
    return [one.layer for one in found]


def test_mask_on_the_layer_itself(desk: Desk) -> None:
    apply(desk, tool(Returns.MASK), fill, "mask")
    assert desk.names() == ["Photo"] and native(desk.layer) == desk.native
    (mask,) = desk.layer.childNodes()
    assert (mask.type(), mask.name()) == ("transparencymask", "Photo · Colorize · classical")
    assert native(mask) == matte()
    assert labels_of(desk) == [mask.name()]
    receipts = import_module("nss_krita.receipts")
    # It speaks for the layer too.
    found = receipts.of_layer(desk.document, desk.layer)
    assert found is not None and receipts.untouched(desk.layer, found)
    back_and_again(desk, 1)


def test_in_the_place_of_the_layer(desk: Desk) -> None:
    """What masks the layer stays, so that its pixels are read as if it were not there."""
    shaped(desk)
    apply(desk, tool(Returns.PIXELS), fill, "replace")
    (result,) = desk.document.topLevelNodes()
    assert native(result) == noise(WIDTH * HEIGHT * 4)
    assert [child.name() for child in result.childNodes()] == ["Own"]
    assert result.name() == "Photo · Colorize · classical" and labels_of(desk) == [result.name()]
    back_and_again(desk, 2)


def test_what_was_painted_meanwhile_stays(desk: Desk) -> None:
    """A layer that was changed during the run does not leave its place."""
    desk.open("denoise")
    place = desk.widget("placement")
    place.setCurrentIndex(place.findData("replace"))
    wait(desk.dock.settled)
    desk.widget("apply").click()
    painted = bytes(len(desk.native))
    desk.layer.setPixelData(painted, 0, 0, WIDTH, HEIGHT)
    wait(lambda: not desk.widget("cancel").isEnabled())
    wait(desk.dock.settled)
    assert "“Photo” was changed meanwhile" in desk.widget("status").text()
    assert desk.names() == ["Photo", "Photo · Denoise · classical"]
    assert bytes(desk.layer.pixelData(0, 0, WIDTH, HEIGHT)) == painted
    place.setCurrentIndex(place.findData("new"))


@pytest.mark.parametrize("outcome", [Returns.PIXELS, Returns.MASK, Returns.BELOW])
def test_in_a_group_with_the_layer(desk: Desk, outcome: Returns) -> None:
    """The layer keeps its mask and its receipt there."""
    shaped(desk)
    receipts = import_module("nss_krita.receipts")
    receipts.attach(desk.document, desk.layer, label())
    apply(desk, tool(outcome, canvas=outcome is Returns.BELOW), fill, "group")
    (group,) = desk.document.topLevelNodes()
    assert (group.type(), group.name()) == ("grouplayer", "Photo")
    inside = group.childNodes()
    result, kept = inside if outcome is Returns.BELOW else reversed(inside)
    assert native(kept) == desk.native and [c.name() for c in kept.childNodes()] == ["Own"]
    assert native(result) == noise(WIDTH * HEIGHT * 4)
    assert bool(result.childNodes()) is (outcome is Returns.MASK)
    assert sorted(labels_of(desk)) == ["Photo", "Photo · Colorize · classical"]
    back_and_again(desk, 2)


def test_a_group_of_two_colour_spaces(editor: Any) -> None:
    """The group has the document's colour space, the result the layer's."""
    desk = Desk(editor)
    desk.layer._item.pixels.space = GREY
    desk.layer.setPixelData(desk.native[: WIDTH * HEIGHT * 2], 0, 0, WIDTH, HEIGHT)

    def same(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
        assert result.pixels is not None
        files.write(result.pixels, files.read(source.pixels))
        return label()

    apply(desk, tool(Returns.PIXELS), same, "group")
    (group,) = desk.document.topLevelNodes()
    assert [node.colorModel() for node in group.childNodes()] == ["GRAYA", "GRAYA"]
    assert group.colorModel() == "RGBA"
    desk.close()
    assert editor.open_documents == []


def test_what_cannot_make_place(desk: Desk) -> None:
    """One sentence, and nothing is changed."""
    desk.layer.setLocked(True)
    for where in ("replace", "group"):
        with pytest.raises(errors.BadInput, match=r"is locked\. Unlock it, or choose “New layer”"):
            apply(desk, tool(Returns.PIXELS), fill, where)
    with pytest.raises(errors.BadInput, match="is locked"):
        apply(desk, tool(Returns.MASK), fill, "mask")
    desk.layer.setLocked(False)
    desk.layer._item.animated = True
    with pytest.raises(errors.BadInput, match="is animated"):
        apply(desk, tool(Returns.PIXELS), fill, "replace")
    desk.layer._item.animated = False
    desk.layer._item.pixels.space = GREY
    with pytest.raises(errors.BadInput, match="which the grey layer “Photo” cannot hold"):
        apply(desk, tool(Returns.PIXELS, colours=True), fill, "replace")
    desk.layer._item.kind = "vectorlayer"
    with pytest.raises(errors.BadInput, match="is no paint layer"):
        apply(desk, tool(Returns.PIXELS), fill, "replace")
    assert desk.names() == ["Photo"] and desk.document.undo_stack == []


@pytest.mark.parametrize("before", [False, True])
def test_selection(desk: Desk, before: bool) -> None:
    """The document's selection, undone to what it was, with a receipt beside it."""
    document = desk.document
    old = None
    if before:
        old = sys.modules["krita"].Selection()  # type: ignore[attr-defined]
        old.select(1, 2, 3, 4, 255)
        document.setSelection(old)
    document.undo_stack.clear()
    apply(desk, tool(Returns.SELECTION, selects=Selects.HINT), fill)
    selection = document.selection()
    assert bytes(selection.pixelData(0, 0, WIDTH, HEIGHT)) == matte()
    assert desk.names().count("Selection Mask") == 1
    steps = len(document.undo_stack)
    # Krita 5.2 cannot replace a selection in one step.
    assert steps == (2 if before and QT == 5 else 1)
    (key,) = [key for key in document.annotations if key.startswith("nss/selection/")]
    assert key.endswith(desk.layer.uniqueId().toString())
    receipts = import_module("nss_krita.receipts")
    assert receipts.present(document) == (key,)
    for _ in range(steps):
        document.undo()
    back = document.selection()
    assert (back is None) is not before
    if before:
        assert (back.x(), back.y(), back.width(), back.height()) == (1, 2, 3, 4)
    # The receipt speaks of a selection that is not there any more.
    assert receipts.present(document) == ()


def test_selection_of_nothing(desk: Desk) -> None:
    def nothing(source: host.Source, result: host.Result, files: Any) -> receipt.Receipt:
        return label()

    with pytest.raises(errors.BadInput, match="found nothing to select"):
        apply(desk, tool(Returns.SELECTION), nothing)
    assert desk.document.selection() is None and desk.document.undo_stack == []


def small_layer(desk: Desk) -> Any:
    """A layer of 6 by 5 pixels above the photo, partly off the canvas."""
    layer = desk.document.createNode("Small", "paintlayer")
    layer.setPixelData(noise(6 * 5 * 4), -2, 3, 6, 5)
    desk.document.rootNode().addChildNode(layer, None)
    desk.document.undo_stack.clear()
    desk.window.view.picked = [layer]
    return layer


def test_below_works_on_the_canvas(desk: Desk) -> None:
    layer = small_layer(desk)
    read: list[bytes] = []

    def make(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
        assert (source.pixels.width, source.pixels.height) == (WIDTH, HEIGHT)
        read.append(files.read(source.pixels))
        return fill(source, result, files)

    apply(desk, tool(Returns.BELOW, canvas=True), make)
    assert read == [native(layer)]
    assert [n.split(" · ")[0] for n in desk.names()] == ["Photo", "Small", "Small"]
    assert desk.document.topLevelNodes()[2].uniqueId() == layer.uniqueId()
    result = desk.document.topLevelNodes()[1]
    assert result.blendingMode() == "normal"
    assert native(result) == noise(WIDTH * HEIGHT * 4)
    assert [step[0] for step in desk.document.undo_stack] == ["Add Layer"]


def test_below_the_lowest_layer(desk: Desk) -> None:
    """Krita adds nothing at the bottom in one step: the mode Behind looks the same."""
    apply(desk, tool(Returns.BELOW, canvas=True), fill)
    below = desk.document.topLevelNodes()[1]
    assert below.blendingMode() == "behind"
    assert [step[0] for step in desk.document.undo_stack] == ["Add Layer"]


@pytest.mark.parametrize("kind", ["empty", "transparent", "group", "mask"])
def test_new_picture_above_anything(desk: Desk, kind: str) -> None:
    """The active layer is only a place: it may be empty, a group, or a mask on a layer."""
    document = desk.document
    node = document.createNode("Place", "paintlayer")
    if kind == "group":
        node = document.createGroupLayer("Place")
    elif kind == "transparent":
        node.setPixelData(bytes(WIDTH * HEIGHT * 4), 0, 0, WIDTH, HEIGHT)
    elif kind == "mask":
        node = document.createTransparencyMask("Place")
    parent = desk.layer if kind == "mask" else document.rootNode()
    parent.addChildNode(node, None)
    document.undo_stack.clear()
    desk.window.view.picked = [node]
    read: list[bytes] = []

    def make(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
        read.append(files.read(source.pixels))
        assert source.previous is None
        return fill(source, result, files)

    apply(desk, tool(Returns.LAYER, canvas=True, colours=True, selects=Selects.HINT), make)
    assert read == [bytes(WIDTH * HEIGHT * 4)]
    assert desk.names()[-1] == "Place · Colorize · classical"
    assert native(document.topLevelNodes()[-1]) == noise(WIDTH * HEIGHT * 4)
    assert [step[0] for step in document.undo_stack] == ["Add Layer"]


def test_scaled_opens_a_document(desk: Desk, editor: Any) -> None:
    """Same colour space and resolution, one layer, its receipt; the source is as it was."""
    source = desk.document
    source.setModified(False)
    apply(desk, tool(Returns.SCALED, parameters=(FACTOR,)), fill, factor="4")
    made = desk.window.view.shown
    assert made is not source and editor.open_documents == [source, made]
    assert (made.width(), made.height()) == (4 * WIDTH, 4 * HEIGHT)
    assert made.space == source.space and made.xRes() == 300.0
    (layer,) = made.topLevelNodes()
    assert layer.name() == "Photo · Colorize · classical"
    assert native(layer, 4 * WIDTH, 4 * HEIGHT) == noise(16 * WIDTH * HEIGHT * 4)
    assert list(made.annotations) == [f"nss/receipt/{layer.uniqueId().toString()}"]
    assert made.undo_stack == [] and not made.history_damaged
    assert not source.modified() and source.undo_stack == [] and source.annotations == {}
    made.close()


def test_scaled_without_its_source(desk: Desk, editor: Any) -> None:
    """The source may be closed meanwhile: the result has a place of its own."""

    def make(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
        editor.open_documents.remove(desk.document)
        return fill(source, result, files)

    apply(desk, tool(Returns.SCALED, parameters=(FACTOR,)), make)
    desk.window.view.shown.close()
    editor.open_documents.append(desk.document)


def test_too_large_a_result(desk: Desk) -> None:
    desk.document.size = (9000, 9000)
    with pytest.raises(errors.BadInput, match="36000 × 36000"):
        made = tool(Returns.SCALED, parameters=(FACTOR,), canvas=True)
        apply(desk, made, fill, factor="4")
    desk.document.size = (WIDTH, HEIGHT)


def test_colour_from_grey(editor: Any) -> None:
    """A grey document shows grey alone, so the result opens in colour, converted from linear."""
    desk = Desk(editor, GREY)
    made_tool = tool(Returns.PIXELS, colours=True)

    def make(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
        assert source.pixels.grey and result.pixels is not None and not result.pixels.grey
        pixels = fake.to_linear(noise(WIDTH * HEIGHT * 4), ("RGBA", "U8", ""))
        files.write(result.pixels, fake.from_linear(pixels, ("RGBA", "F32", "")))
        return label()

    apply(desk, made_tool, make)
    made = desk.window.view.shown
    assert made.space == ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
    assert native(made.topLevelNodes()[0]) == noise(WIDTH * HEIGHT * 4)
    assert desk.document.undo_stack == [] and desk.names() == ["Photo"]
    assert editor.open_documents == [desk.document, made]
    made.close()
    desk.close()


def test_strokes_in_the_sources_format(editor: Any) -> None:
    """Colour strokes above a grey layer cross as linear floats, as the grey does."""
    desk = Desk(editor, GREY)
    colours = noise(WIDTH * HEIGHT * 4)
    krita = sys.modules["krita"].Krita.instance()  # type: ignore[attr-defined]
    maker = krita.createDocument(1, 1, "m", "RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc", 72.0)
    marks = maker.createNode("Marks", "paintlayer")
    marks.setPixelData(colours, 0, 0, WIDTH, HEIGHT)
    desk.document.rootNode().addChildNode(marks, desk.layer)
    maker.close()
    seen: list[bytes] = []

    def make(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
        assert source.strokes is not None
        same = ("width", "height", "depth", "order", "curve")
        assert [getattr(source.strokes, n) for n in same] == [
            getattr(source.pixels, n) for n in same
        ]
        seen.append(files.read(source.strokes))
        assert result.pixels is not None
        files.write(result.pixels, files.read(source.pixels))
        return label()

    desk.window.view.picked = [desk.layer]
    apply(desk, tool(Returns.PIXELS, parameters=(STROKES,)), make)
    (floats,) = seen
    assert fake.from_linear(fake.to_linear(floats, ("RGBA", "F32", "")), ("RGBA", "U8", "")) == (
        colours
    )
    desk.close()


def test_strokes_are_missing(desk: Desk) -> None:
    with pytest.raises(errors.BadInput, match="the layer above “Photo”, and there is none"):
        apply(desk, tool(Returns.PIXELS, parameters=(STROKES,)), fill)
    assert desk.document.undo_stack == []


def test_selection_is_read_only_where_it_counts(desk: Desk) -> None:
    """An ignored selection is not read; a hint beside the layer is none; a limit there is wrong."""
    selection = sys.modules["krita"].Selection()  # type: ignore[attr-defined]
    selection.select(WIDTH + 9, 0, 5, 5, 255)
    desk.document.setSelection(selection)
    for selects in (Selects.IGNORED, Selects.HINT):
        (source,) = apply(desk, tool(Returns.PIXELS, selects=selects), fill)
        assert source.mask is None and source.selected is None
    for selects in (Selects.LIMITS, Selects.NEEDED):
        with pytest.raises(errors.BadInput, match="outside the layer"):
            apply(desk, tool(Returns.PIXELS, selects=selects), fill)


def test_hint_does_not_keep_what_is_not_selected(editor: Any) -> None:
    """The tool decides itself what changes, also where colours are converted."""
    desk = Desk(editor, GREY)
    selection = sys.modules["krita"].Selection()  # type: ignore[attr-defined]
    selection.select(8, 8, 16, 12, 255)
    desk.document.setSelection(selection)

    def black(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
        assert source.selected == (16, 12)
        return label()

    apply(desk, tool(Returns.PIXELS, selects=Selects.HINT), black)
    assert set(native(desk.document.topLevelNodes()[1])) == {0}
    desk.close()


def test_words(desk: Desk) -> None:
    """No layer; the receipt lies in the document and the panel shows it, to be copied."""

    def make(source: host.Source, result: host.Result, files: arena.Arena) -> receipt.Receipt:
        assert result.pixels is None and result.matte is None
        return label({"labels": [["a red boat", 0.75], ["sea", 0.2]]})

    desk.open("denoise")
    for _ in range(2):
        apply(desk, tool(Returns.TEXT), make)
    assert desk.names() == ["Photo"] and desk.document.undo_stack == []
    key = f"nss/tags/{desk.layer.uniqueId().toString()}"
    assert list(desk.document.annotations) == [key]
    assert json.loads(desk.document.annotations[key][1])["receipt"]["found"]["labels"]
    rows = desk.widget("receipts")
    wait(lambda: rows.count() == 1)
    # What was found in a layer says nothing of who made its pixels.
    assert desk.widget("layer_receipt").text().endswith("no receipt.")
    assert not desk.widget("words").isVisibleTo(desk.dock)
    rows.setCurrentRow(0)
    assert desk.widget("words").toPlainText() == "a red boat  75%\nsea  20%"
    desk.widget("copy").click()
    clipboard = import_module(f"PyQt{QT}.QtWidgets").QApplication.clipboard()
    assert clipboard.text() == "a red boat  75%\nsea  20%"


def test_where_the_result_goes(desk: Desk) -> None:
    """The panel says so before the click."""
    reading = import_module("nss_krita.reading")

    def where(made: Tool, **parameters: object) -> str:
        return str(
            reading.destination(desk.document, desk.layer, host.Task(made, made.parse(parameters)))
        )

    assert where(tool(Returns.PIXELS)) == ""
    assert where(tool(Returns.SCALED, parameters=(FACTOR,)), factor="4") == (
        f"a new picture of {4 * WIDTH} × {4 * HEIGHT}"
    )
    assert "mask" in where(tool(Returns.MASK))
    assert "Behind" in where(tool(Returns.BELOW, canvas=True))
    assert "words" in where(tool(Returns.TEXT))


def test_commercial_use_only_is_remembered(desk: Desk) -> None:
    file = paths.paths().settings
    box = desk.widget("commercial")
    assert not box.isChecked()
    box.setChecked(True)
    assert settings.load(file).commercial_only
    assert desk.dock._order().commercial_only
    box.setChecked(False)
    assert not settings.load(file).commercial_only
    assert not desk.dock._order().commercial_only


def test_limits_are_seen_changed_and_planned_with(desk: Desk) -> None:
    """Every widget writes its setting; what another host writes is shown; the plan follows."""
    file = paths.paths().settings
    title, body = desk.widget("limits"), desk.widget("budget").parent()
    try:
        desk.open("deblur", "auto")
        assert title.words() == "Limits: 1 min, 60 % of memory" and not body.isVisibleTo(desk.dock)
        title.click()
        assert body.isVisibleTo(desk.dock)
        desk.widget("budget").setValue(90)
        desk.widget("memory").setValue(45)
        unit = desk.widget("vram_unit")
        unit.setCurrentIndex(unit.findData("GB"))
        assert title.words() == "Limits: 90 s, 45 % of memory"
        four = settings.Amount(bytes=4 * 10**9)
        assert settings.load(file).limits == settings.Limits(90.0, settings.Amount(0.45), four)
        assert desk.dock._order().limits == settings.load(file).limits
        # Another host writes; the fields follow, and what they cannot show exactly is kept.
        settings.change(file, {"memory": "100 MB", "vram": "4 GiB"})
        wait(lambda: title.words() == "Limits: 90 s, 0.1 GB of memory")
        wait(lambda: "100 MB can be used" in desk.widget("plan").text())
        assert "raise the limit of memory" in desk.widget("plan").text()
        assert (desk.widget("memory").value(), desk.widget("vram").value()) == (0.1, 4.3)
        desk.widget("budget").setValue(120)
        assert settings.load(file).vram == settings.Amount(bytes=4 << 30)
        desk.widget("memory").setValue(60)
        wait(lambda: "can be used" not in desk.widget("plan").text())
        file.write_text("{", "utf-8")
        wait(lambda: "the defaults hold" in desk.widget("settings_trouble").text())
        assert desk.widget("budget").value() == 60
    finally:
        file.unlink()
        title.setChecked(False)


def test_the_panel_shows_the_command_lines_sentence(desk: Desk, tmp_path: Path) -> None:
    """The same words for the same plan, also where a limit stands against it."""
    photo = tmp_path / "photo.png"
    cv2.imwrite(str(photo), np.zeros((HEIGHT, WIDTH, 3), np.uint8))
    file = paths.paths().settings
    desk.open("deblur", "auto")
    # Else the machine may be measured between the two, which changes plans.
    wait(lambda: "·" in desk.widget("machine").words())
    try:
        for limit in ("60 %", "100 MB"):
            settings.change(file, {"memory": limit})
            desk.open("deblur", "auto")
            said = io.StringIO()
            with contextlib.redirect_stdout(said):
                assert cli.main(["plan", "deblur", str(photo)]) == 0
            assert desk.widget("plan").text() == said.getvalue().splitlines()[0]
    finally:
        file.unlink()


def test_limits_that_cannot_be_kept_are_told(desk: Desk, tmp_path: Path) -> None:
    limits = import_module("nss_krita.limits_box")
    (tmp_path / "config").write_text("in the way", "utf-8")
    box = limits.LimitsBox(tmp_path / "config" / "settings.json")
    box.findChild(QtCore.QObject, "nss_budget").setValue(90)
    trouble = box.findChild(QtCore.QObject, "nss_settings_trouble")
    assert "cannot be written" in trouble.text()
    assert box.findChild(QtCore.QObject, "nss_budget").value() == 60


def test_a_large_number_has_no_slider(desk: Desk) -> None:
    """The seed is typed; a small whole number slides in whole steps."""
    form = import_module("nss_krita.form")
    seed = form.NumberField(
        Parameter("seed", "", "", Kind.NUMBER, "auto", maximum=2147483647, auto=True, whole=True)
    )
    assert seed.value() == toolbox.AUTO
    assert seed.findChild(QtCore.QObject, "nss_param_seed_slider") is None
    seed.set_value(2147483647)
    assert seed.value() == 2147483647
    steps = form.NumberField(
        Parameter("steps", "", "", Kind.NUMBER, 1.0, minimum=1, maximum=4, whole=True)
    )
    slider = steps.findChild(QtCore.QObject, "nss_param_steps_slider")
    slider.setValue(slider.maximum() - 1)
    assert steps.value() == 3 and isinstance(steps.value(), int)


@pytest.mark.parametrize("tool_id", [made.id for made in toolbox.TOOLS])
def test_every_tool_from_the_panel(desk: Desk, editor: Any, tool_id: str) -> None:
    """Menu entry, form, worker and placing together, by the classical path."""
    made = toolbox.tool(tool_id)
    document = desk.document
    if made.selects is Selects.NEEDED:
        selection = sys.modules["krita"].Selection()  # type: ignore[attr-defined]
        selection.select(10, 10, 8, 6, 255)
        document.setSelection(selection)
    document.undo_stack.clear()
    before = desk.names()
    desk.open(tool_id.replace("-", "_"))
    form = desk.widget(f"form_{tool_id}")
    if "prompt" in form.values():
        form.set_values({"prompt": "red sand under a blue sky"})
        wait(desk.dock.settled)
    assert desk.widget("plan").text().lower().startswith(made.classical_name)
    status = desk.apply()
    assert status.startswith(f"{made.title}: "), status
    assert native(desk.layer) == desk.native
    outcome = made.outcome(made.parse(form.values()))
    if outcome is Returns.SCALED:
        desk.window.view.shown.close()
    new = [n for n in document.topLevelNodes() if n.name() not in before]
    assert len(new) == len(document.undo_stack) == (outcome not in (Returns.SCALED, Returns.TEXT))
    if outcome is Returns.TEXT:
        assert desk.widget("words").toPlainText()
