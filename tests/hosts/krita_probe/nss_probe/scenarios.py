"""What the real Krita is led through; each function is one start of the program.

They only act and note what they saw: what is right is judged outside.
"""

import json
import os
import signal
import time
from importlib import import_module
from pathlib import Path

from . import cancels, kinds
from .driver import (
    OUT,
    Panel,
    QtCore,
    QtWidgets,
    activate,
    app,
    area,
    close,
    document,
    dump,
    feathered,
    menu_path,
    paint_layer,
    receipts_of,
    tree,
    trigger,
    undo_text,
    window,
)

WIDTH, HEIGHT = 120, 90
# The panel looks at the document twice a second.
POLL_MS = 600
FEATHER = (30, 20, 60, 50, 6)
LINEAR = "sRGB-elle-V2-g10.icc"
SRGB = "sRGB-elle-V2-srgbtrc.icc"
SPACES = {
    "srgb8": ("RGBA", "U8", SRGB),
    "wide8": ("RGBA", "U8", "ClayRGB-elle-V2-g22.icc"),
    "linear16": ("RGBA", "U16", LINEAR),
    "srgb16": ("RGBA", "U16", SRGB),
    "linear32": ("RGBA", "F32", LINEAR),
    "srgb32": ("RGBA", "F32", SRGB),
    "half": ("RGBA", "F16", LINEAR),
    "grey8": ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc"),
    "grey16": ("GRAYA", "U16", "Gray-D50-elle-V2-g10.icc"),
    "cmyk8": ("CMYKA", "U8", "Chemical proof"),
    "lab16": ("LABA", "U16", "Lab identity built-in"),
}


def picture(name):
    """The test picture of a colour space, prepared outside."""
    return Path(f"/pictures/{name}.raw").read_bytes()


def run_tool(tool, path, values, notes, consent=False, clicked=lambda: None):
    """Menu entry, parameters, plan, Apply, and waiting for the end; what the panel said."""
    notes["menu"] = trigger(tool)
    panel = Panel()
    panel.choose(path, **values)
    # The plan of these very settings: the panel forgets the old one when a setting changes.
    yield panel.dock.settled
    notes["before"] = panel.state()
    if consent and panel.consent.isVisible():
        panel.consent.setChecked(True)
        notes["button"] = panel.apply.text()
    begun = time.monotonic()
    panel.apply.click()
    clicked()
    yield panel.idle
    notes["ended"] = time.monotonic()
    notes["seconds"] = notes["ended"] - begun
    yield 120
    yield panel.dock.settled
    notes["after"] = panel.state()


def note_result(doc, source, notes, name, space):
    """What the run left in the document; the result is the node above the source."""
    nodes = [n for n in doc.rootNode().childNodes() if n.type() == "paintlayer"]
    index = next(i for i, n in enumerate(nodes) if n.uniqueId() == source.uniqueId())
    result = nodes[index + 1]
    rect = area(result)
    notes["layers"] = tree(doc)
    notes["undo"] = undo_text()
    notes["result"] = {
        "name": result.name(),
        "uuid": result.uniqueId().toString(),
        "area": rect,
        "space": [result.colorModel(), result.colorDepth(), result.colorProfile()],
        "pixels": dump(f"{name}-result", result.pixelData(0, 0, doc.width(), doc.height())),
    }
    notes["shown"] = dump(f"{name}-shown", doc.pixelData(0, 0, doc.width(), doc.height()))
    notes["source"] = dump(f"{name}-source", source.pixelData(0, 0, doc.width(), doc.height()))
    if doc.selection() is not None:
        mask = doc.selection().pixelData(0, 0, doc.width(), doc.height())
        notes["mask"] = dump(f"{name}-mask", mask)
    notes["receipts"] = receipts_of(doc)
    return result


def undo_and_redo(doc, notes):
    """One undo must take the result away, one redo must bring it back with its receipt."""
    panel = Panel()
    count = len(tree(doc))
    app.action("edit_undo").trigger()
    yield lambda: len(tree(doc)) < count
    yield POLL_MS
    notes["undone"] = {"layers": tree(doc), "undo": undo_text(), "shown": panel.receipts_shown()}
    app.action("edit_redo").trigger()
    yield lambda: len(tree(doc)) == count
    yield POLL_MS
    notes["redone"] = {"layers": tree(doc), "undo": undo_text(), "shown": panel.receipts_shown()}


def ten_times(doc, source, notes, name):
    """Nine more undos and redos; then the result once more, and what the panel shows."""
    count = len(tree(doc))
    for _ in range(9):
        app.action("edit_undo").trigger()
        yield lambda: len(tree(doc)) < count
        app.action("edit_redo").trigger()
        yield lambda: len(tree(doc)) == count
    yield POLL_MS
    last = notes["ten"] = {}
    note_result(doc, source, last, f"{name}-ten", SPACES["srgb8"])
    last["shown"] = Panel().receipts_shown()


def main(found):
    """Tools and paths, colour spaces, kinds of layers, bad input, saving and loading."""
    found["version"] = app.version()
    found["pipe"] = to_nobody()
    yield from menu_entries(found)
    yield from tools_and_paths(found)
    yield from exported(found)
    yield from kinds.every_tool(found)
    yield from colour_spaces(found)
    yield from kinds_of_layers(found)
    yield from placements(found)
    yield from bad_input(found)
    yield from tools_in_use(found)
    yield from two_documents(found)
    found["done"] = True
    yield from leave()


def to_nobody():
    """What comes of writing to a program that has ended: the end of Krita, or an error."""
    read, write = os.pipe()
    os.close(read)
    try:
        os.write(write, b"?")
    except OSError as error:
        return type(error).__name__
    finally:
        os.close(write)


def every_tool(found):
    """Every tool through both paths, alone."""
    found["version"] = app.version()
    yield from kinds.every_tool(found)
    found["done"] = True
    yield from leave()


def leave():
    for doc in app.documents():
        doc.setModified(False)
    yield 100
    app.action("file_quit").trigger()


def menu_entries(found):
    """Each entry of Filter ▸ NSS is chosen; what is then seen of it."""
    doc = document(WIDTH, HEIGHT, name="Menu")
    yield lambda: doc.activeNode() is not None
    _, top = menu_path("nss_menu")
    entries = [action for action in top.menu().actions() if not action.isSeparator()]
    found["entries"] = {}
    for action in entries:
        seen = visible_parts()
        Panel().frame.setVisible(False)
        clipboard = QtWidgets.QApplication.clipboard()
        clipboard.clear()
        dialogs = []
        # What is modal keeps the entry from coming back.
        patience = QtCore.QTimer()
        patience.setSingleShot(True)
        patience.timeout.connect(lambda dialogs=dialogs: dismiss(dialogs))
        patience.start(1000)
        action.trigger()
        patience.stop()
        if "Copy" in action.text():
            yield clipboard.text
        yield 300
        found["entries"][action.objectName()] = {
            "text": action.text().replace("&", ""),
            "copied": clipboard.text(),
            "dialogs": dialogs,
            "tool": Panel().tool.currentData(),
            "panel": Panel().frame.isVisible(),
            "new": sorted(visible_parts() - seen),
        }
        for widget in QtWidgets.QApplication.topLevelWidgets():
            if isinstance(widget, QtWidgets.QDialog) and widget.isVisible():
                widget.close()
    # The signals of the menu's opening and closing, as a menu that is shown would wait for a click.
    top.menu().aboutToShow.emit()
    found["greyed"] = {a.objectName(): a.toolTip() for a in entries if not a.isEnabled()}
    top.menu().aboutToHide.emit()
    found["grey_after"] = [a.objectName() for a in entries if not a.isEnabled()]
    Panel().frame.setVisible(True)
    close(doc)
    yield 300


def exported(found):
    """A document is exported with its label, first by the menu and then without the dialog."""
    to_file = import_module("nss_krita.exporter").to_file
    doc = document(WIDTH, HEIGHT, SPACES["wide8"], name="Export")
    yield lambda: doc.activeNode() is not None
    doc.setBatchmode(False)
    photo = paint_layer(doc, "Photo", picture("wide8"), 0, 0, WIDTH, HEIGHT)
    yield activate(doc, photo)
    notes = found["exported"] = {}
    yield from run_tool("denoise", "classical", {"strength": 20.0}, notes)
    doc.waitForDone()
    top = doc.rootNode().childNodes()[-1]
    doc.setModified(False)
    trigger("export_labelled")
    yield 500
    dialog = next(
        widget
        for widget in QtWidgets.QApplication.topLevelWidgets()
        if widget.objectName() == "nss_export" and widget.isVisible()
    )
    notes["proposed"] = dialog.selectedFiles()
    dialog.setDirectory("/tmp/probe")
    dialog.findChild(QtWidgets.QLineEdit, "fileNameEdit").setText("menu")
    dialog.accept()
    yield lambda: Path("/tmp/probe/menu.png").exists()
    yield POLL_MS
    notes["said"] = Panel().state()["status"]
    notes["files"] = {}
    for name in ("direct.png", "direct.tif", "direct.jpg"):
        notes["files"][name] = to_file(doc, Path("/tmp/probe") / name)
    top.setVisible(False)
    doc.waitForDone()
    doc.refreshProjection()
    notes["files"]["hidden.png"] = to_file(doc, Path("/tmp/probe/hidden.png"))
    top.setVisible(True)
    doc.setModified(False)
    notes["files"]["again.png"] = to_file(doc, Path("/tmp/probe/again.png"))
    notes["document"] = [doc.modified(), doc.fileName(), doc.batchmode()]
    notes["receipts"] = list(receipts_of(doc).values())
    # Krita may crash in its own list of layers where a document goes in the middle of its work.
    yield POLL_MS
    close(doc)
    yield 300


def dismiss(dialogs):
    """Turn away from a modal dialog, if there is one."""
    dialog = QtWidgets.QApplication.activeModalWidget()
    if dialog is not None:
        dialogs.append(dialog.windowTitle())
        dialog.close()


def visible_parts():
    """The names of our widgets that can be seen."""
    every = QtWidgets.QApplication.allWidgets()
    return {w.objectName() for w in every if w.objectName().startswith("nss_") and w.isVisible()}


def tools_and_paths(found):
    cases = {
        "denoise-classical": ("denoise", "classical", {"strength": 20, "detail": 50}),
        "denoise-real-auto": ("denoise", "auto", {"strength": "auto", "detail": 50}),
        "denoise-real": ("denoise", "real", {"strength": 20, "detail": 50}),
        "deblur-classical": ("deblur", "classical", {"kind": "soft", "radius": 1.5}),
        "deblur-real": ("deblur", "real", {"amount": 100}),
    }
    doc = document(WIDTH, HEIGHT, name="Tools")
    yield 600
    layer = paint_layer(doc, "Photo", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
    yield activate(doc, layer)
    before = undo_text()
    for name, (tool, path, values) in cases.items():
        notes = found[name] = {"undo_before": before}
        yield from run_tool(tool, path, values, notes, consent=True)
        note_result(doc, layer, notes, name, SPACES["srgb8"])
        notes["fields"] = Panel().fields()
        yield from undo_and_redo(doc, notes)
        if name == "denoise-real":
            yield from ten_times(doc, layer, notes, name)
        notes["again"] = dump(
            f"{name}-redone",
            doc.nodeByUniqueID(layer.uniqueId()).pixelData(0, 0, WIDTH, HEIGHT),
        )
        yield activate(doc, layer)
    notes = found["saved"] = {"receipts": receipts_of(doc), "shown": Panel().receipts_shown()}
    # A copy of a result is known by its pixels; the source has no receipt.
    result = next(n for n in doc.rootNode().childNodes() if " · real " in n.name())
    copy = result.duplicate()
    doc.rootNode().addChildNode(copy, None)
    yield activate(doc, copy)
    yield 900
    notes["copy"] = Panel().state()["layer_receipt"]
    yield activate(doc, layer)
    yield 900
    notes["plain"] = Panel().state()["layer_receipt"]
    notes["saved"] = doc.saveAs("/tmp/probe/saved.kra")
    close(doc)
    yield 700
    notes["closed"] = Panel().state()
    doc = app.openDocument("/tmp/probe/saved.kra")
    app.activeWindow().addView(doc)
    yield 1200
    notes["loaded"] = {"shown": Panel().receipts_shown(), "fields": Panel().fields()}
    close(doc)
    yield 300


def colour_spaces(found):
    for name, space in SPACES.items():
        doc = document(WIDTH, HEIGHT, space, name=name)
        yield 500
        notes = found[f"space-{name}"] = {
            "space": [doc.colorModel(), doc.colorDepth(), doc.colorProfile()]
        }
        layer = paint_layer(doc, "Photo", picture(name), 0, 0, WIDTH, HEIGHT)
        feathered(doc, *FEATHER)
        yield activate(doc, layer)
        notes["undo_before"] = undo_text()
        notes["documents"] = len(app.documents())
        yield from run_tool("denoise", "real", {"strength": 40, "detail": 50}, notes)
        note_result(doc, layer, notes, f"space-{name}", space)
        notes["documents_after"] = len(app.documents())
        yield from undo_and_redo(doc, notes)
        close(doc)
        yield 200


def kinds_of_layers(found):
    doc = document(WIDTH, HEIGHT, name="Kinds")
    yield 600
    root = doc.rootNode()
    settings = ("denoise", "real", {"strength": 40, "detail": 50})

    # Two layers at once, one of them beyond the canvas.
    notes = found["several"] = {}
    first = paint_layer(doc, "First", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
    second = paint_layer(doc, "Second", picture("srgb8"), -30, 40, WIDTH, HEIGHT)
    yield activate(doc, second)
    for layer in (first, second):
        select_in_box(layer.name(), layer is second)
    yield 600
    view = app.activeWindow().activeView()
    notes["selected"] = [node.name() for node in view.selectedNodes()]
    notes["undo_before"] = undo_text()
    yield from run_tool(*settings, notes)
    notes["layers"] = tree(doc)
    notes["areas"] = {n.name(): area(n) for n in root.childNodes()}
    result = next(n for n in root.childNodes() if n.name().startswith("Second ·"))
    notes["second"] = dump("several-second", result.pixelData(-30, 40, WIDTH, HEIGHT))
    close(doc)
    yield 300

    # A group is read by what it shows; a vector layer without shapes is empty.
    doc = document(WIDTH, HEIGHT, name="Group")
    yield 600
    root = doc.rootNode()
    group = doc.createGroupLayer("Group")
    root.addChildNode(group, None)
    inner = paint_layer(doc, "Inner", picture("srgb8"), 0, 0, WIDTH, HEIGHT, parent=group)
    inner.setOpacity(255)
    yield 500
    notes = found["group"] = {"shows": None}
    yield activate(doc, group)
    shown = group.projectionPixelData(0, 0, WIDTH, HEIGHT)
    notes["shows"] = dump("group-shows", shown)
    yield from run_tool(*settings, notes)
    notes["layers"] = tree(doc)
    result = next(n for n in root.childNodes() if n.name().startswith("Group ·"))
    notes["result"] = dump("group-result", result.pixelData(0, 0, WIDTH, HEIGHT))

    # Inside a group, the result goes into the group.
    notes = found["inside"] = {}
    yield activate(doc, inner)
    yield from run_tool(*settings, notes)
    notes["layers"] = tree(doc)

    # A locked group takes nothing.
    notes = found["locked"] = {}
    group.setLocked(True)
    notes["layers_before"] = tree(doc)
    notes["undo_before"] = undo_text()
    yield from run_tool(*settings, notes)
    notes["layers"] = tree(doc)
    notes["undo"] = undo_text()
    group.setLocked(False)

    # A locked layer is only read.
    notes = found["locked-layer"] = {}
    inner.setLocked(True)
    yield from run_tool(*settings, notes)
    notes["layers"] = tree(doc)
    inner.setLocked(False)

    # A layer with a colour space of its own, in a document of another.
    notes = found["foreign"] = {}
    grey = picture("grey8")
    maker = app.createDocument(WIDTH, HEIGHT, "maker", *SPACES["grey8"], 300.0)
    foreign = maker.createNode("Foreign", "paintlayer")
    foreign.setPixelData(grey, 0, 0, WIDTH, HEIGHT)
    root.addChildNode(foreign, None)
    # Taken anew: Krita tells nodes apart by the image they were made for, too.
    foreign = doc.nodeByUniqueID(foreign.uniqueId())
    maker.setModified(False)
    maker.close()
    del maker
    yield activate(doc, foreign)
    notes["undo_before"] = undo_text()
    yield from run_tool(*settings, notes)
    note_result(doc, foreign, notes, "foreign", SPACES["grey8"])
    yield from undo_and_redo(doc, notes)
    close(doc)
    yield 300


def bad_input(found):
    doc = document(WIDTH, HEIGHT, name="Bad")
    yield 600
    root = doc.rootNode()
    photo = paint_layer(doc, "Photo", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
    empty = doc.createNode("Empty", "paintlayer")
    root.addChildNode(empty, None)
    fill_mask = doc.createTransparencyMask("Mask")
    photo.addChildNode(fill_mask, None)
    small = paint_layer(doc, "Small", picture("srgb8")[: 4 * 100], 2, 3, 10, 10)
    settings = ("deblur", "classical", {})
    yield 300
    for name, node in (("empty", empty), ("mask", fill_mask)):
        notes = found[f"bad-{name}"] = {}
        yield activate(doc, node)
        notes["undo_before"], notes["layers_before"] = undo_text(), tree(doc)
        yield from run_tool(*settings, notes)
        notes["undo"], notes["layers"] = undo_text(), tree(doc)
    notes = found["bad-selection"] = {}
    feathered(doc, 60, 50, 20, 20, 2)
    yield activate(doc, small)
    yield 300
    notes["undo_before"], notes["layers_before"] = undo_text(), tree(doc)
    yield from run_tool(*settings, notes)
    notes["undo"], notes["layers"] = undo_text(), tree(doc)
    close(doc)
    yield 300
    notes = found["bad-nothing"] = {}
    yield 700
    notes["enabled"] = menu_path("nss_deblur")[1].isEnabled()
    notes["state"] = Panel().state()


def placements(found):
    """A mask on the layer, the result in its place or in a group with it, and the way back."""
    for where, tool in (
        ("mask", "remove_background"),
        ("replace", "denoise"),
        ("group", "denoise"),
    ):
        notes = found[f"placed-{where}"] = {}
        doc = document(WIDTH, HEIGHT, name=where)
        yield 600
        layer = paint_layer(doc, "Photo", picture("subject8"), 0, 0, WIDTH, HEIGHT)
        yield activate(doc, layer)
        before = tree(doc)
        trigger(tool)
        panel = Panel()
        panel.placement.setCurrentIndex(panel.placement.findData(where))
        yield from run_tool(tool, "classical", {}, notes)
        notes["placed"] = tree(doc)
        notes["names"] = [one.name() for one in labelled(doc)]
        notes["own"] = Panel().layer_receipt.text()
        steps = 0
        while tree(doc) != before and steps < 4:
            steps += 1
            app.action("edit_undo").trigger()
            yield POLL_MS
        notes["steps"], notes["undone"] = steps, tree(doc)
        (photo,) = [node for node in doc.rootNode().childNodes() if node.name() == "Photo"]
        data = photo.pixelData(0, 0, WIDTH, HEIGHT)
        notes["same"] = bytes(data) == picture("subject8")
        for _ in range(steps):
            app.action("edit_redo").trigger()
            yield POLL_MS
        notes["redone"] = tree(doc)
        panel.placement.setCurrentIndex(0)
        if where == "group":
            yield from history(doc, notes)
        close(doc)
        yield 300


def history(doc, notes):
    """The newest receipt's layer is selected; then the same is run again on the source."""
    panel = Panel()
    panel.receipts.setCurrentRow(0)
    panel.receipt_layer.click()
    yield POLL_MS
    notes["selected"] = doc.activeNode().name()
    panel.receipt_again.click()
    yield panel.idle
    yield panel.dock.settled
    notes["again"] = tree(doc)


def labelled(doc):
    """The nodes that have a receipt and are there."""
    found = [doc.nodeByUniqueID(QtCore.QUuid(uuid)) for uuid in receipts_of(doc)]
    return [node for node in found if node is not None]


def tools_in_use(found):
    """The transform tool is at work when Apply is clicked, and when a result comes."""
    notes = found["in-use"] = {}
    doc = document(WIDTH, HEIGHT, name="In use")
    yield 500
    layer = paint_layer(doc, "Photo", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
    yield activate(doc, layer)
    app.action("KisToolTransform").trigger()
    # While it is at work it may have taken the layer's pixels away.
    yield lambda: not free(doc)
    yield 500
    notes["at_work"] = not free(doc)
    before = notes["before"] = {}
    yield from run_tool("denoise", "classical", {"strength": 20, "detail": 50}, before)
    note_result(doc, layer, before, "in-use", SPACES["srgb8"])
    app.action("KritaShape/KisToolBrush").trigger()
    yield lambda: free(doc)
    yield activate(doc, layer)
    trigger("deblur")
    panel = Panel()
    panel.choose("classical", kind="soft")
    yield panel.dock.settled
    panel.apply.click()
    app.action("KisToolTransform").trigger()
    yield lambda: "waits until" in panel.status.text() or panel.idle()
    yield 500
    notes["waiting"] = panel.state()["status"], tree(doc)
    app.action("KritaShape/KisToolBrush").trigger()
    yield panel.idle
    notes["after"] = panel.state()["status"], tree(doc)
    close(doc)
    yield 400


def free(doc):
    """Whether nothing of Krita is at work on a document."""
    found = doc.tryBarrierLock()
    if found:
        doc.unlock()
    return found


def two_documents(found):
    """The document is closed, or the layer deleted, while the tool runs."""
    for name in ("gone-document", "gone-layer"):
        notes = found[name] = {}
        other = document(WIDTH, HEIGHT, name="Other")
        yield 500
        doc = document(WIDTH, HEIGHT, name=name)
        yield 500
        layer = paint_layer(doc, "Photo", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
        yield activate(doc, layer)
        trigger("deblur")
        panel = Panel()
        panel.choose("classical")
        yield panel.dock.settled
        panel.apply.click()
        if name == "gone-document":
            close(doc)
        else:
            layer.remove()
        yield panel.idle
        yield 200
        notes["after"] = panel.state()
        notes["other"] = tree(other)
        for left in app.documents():
            close(left)
        yield 400


def slow_start(found, notes):
    """A document whose deblur takes long, and the run begun; for kill, cancel and quit."""
    doc = document(WIDTH, HEIGHT, name="Slow")
    yield 600
    layer = paint_layer(doc, "Photo", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
    yield activate(doc, layer)
    notes["undo_before"] = undo_text()
    notes["menu"] = trigger("deblur")
    panel = Panel()
    panel.choose("auto")
    yield panel.dock.settled
    notes["before"] = panel.state()
    panel.consent.setChecked(True)
    panel.apply.click()
    yield lambda: panel.status.text().startswith("Real NAFNet")
    yield 1500
    notes["during"] = panel.state()
    return doc, layer


def worker_pids():
    """Supervisor and runner, from /proc."""
    pids = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        for module in ("server", "runner"):
            if f"shared_core.worker.{module}".encode() in words:
                pids[module] = int(folder.name)
    return pids


def kill(found):
    """Cancels; the worker killed in the middle of a real run; a run on demand, cancelled too."""
    yield from cancels.every_phase(found)
    notes = found["kill"] = {}
    doc, layer = yield from slow_start(found, notes)
    panel = Panel()
    notes["pids"] = worker_pids()
    for pid in notes["pids"].values():
        os.kill(pid, signal.SIGKILL)
    yield panel.idle
    yield 300
    notes["after"] = panel.state()
    note_result(doc, layer, notes, "kill", SPACES["srgb8"])
    notes["pids_after"] = worker_pids()

    # The next plan goes round the model; the button insists on it.
    notes = found["again"] = {}
    yield activate(doc, layer)
    trigger("deblur")
    yield panel.dock.settled
    notes["before"] = panel.state()
    panel.apply.click()
    yield panel.idle
    yield 200
    notes["after"] = panel.state()
    notes["receipts"] = receipts_of(doc)
    yield panel.dock.settled
    notes["layers_before"], notes["undo_before"] = tree(doc), undo_text()
    yield activate(doc, layer)
    yield panel.dock.settled
    panel.insist.click()
    yield lambda: panel.status.text().startswith("Real NAFNet")
    yield 700
    notes["insisted"] = panel.state()
    panel.cancel.click()
    yield panel.idle
    yield 200
    notes["cancelled"] = panel.state()
    notes["layers"], notes["undo"] = tree(doc), undo_text()
    notes["pixel_files"] = len(list(Path("/home/nss/nss").rglob("px-*")))
    found["done"] = True
    yield from leave()


def quit_mid_run(found):
    """Krita quits while the worker computes."""
    notes = found["quit"] = {}
    yield from slow_start(found, notes)
    found["done"] = True
    (OUT / "found.json").write_text(json.dumps(found), encoding="utf-8")
    yield from leave()


def select_in_box(name, keep):
    """Add a layer to the selected ones by a click in the layer box, as a user does with Ctrl."""
    box = window().findChild(QtWidgets.QTreeView, "listLayers")
    model = box.model()

    def walk(parent):
        for row in range(model.rowCount(parent)):
            index = model.index(row, 0, parent)
            if model.data(index) == name:
                return index
            found = walk(index)
            if found is not None:
                return found
        return None

    index = walk(QtCore.QModelIndex())
    flags = QtCore.QItemSelectionModel.SelectionFlag
    box.selectionModel().select(index, flags.Select | flags.Rows)
