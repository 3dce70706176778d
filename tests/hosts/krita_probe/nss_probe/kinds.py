"""Every tool through both paths: the runs are data (every_tool.py), written out beside this.

Notes the document before and after each run, after one undo, and after one redo.
"""

import json
from pathlib import Path

from .driver import (
    Panel,
    activate,
    app,
    area,
    close,
    document,
    dump,
    feathered,
    notes_of,
    paint_layer,
    receipts_of,
    trigger,
    undo_text,
)

WIDTH, HEIGHT = 120, 90
GREY = ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc")
RGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
SMALL = (-20, 30, 60, 45)
# What Krita's own threads need after an action's first visible effect.
SETTLE_MS = 120


def picture(name):
    return Path(f"/pictures/{name}.raw").read_bytes()


def rows(doc):
    """All that can be seen of every node, from bottom to top."""

    def walk(node, depth):
        for child in node.childNodes():
            yield {
                "uuid": child.uniqueId().toString(),
                "depth": depth,
                "name": child.name(),
                "type": child.type(),
                "mode": child.blendingMode(),
                "space": [child.colorModel(), child.colorDepth(), child.colorProfile()],
                "area": area(child),
            }
            yield from walk(child, depth + 1)

    return list(walk(doc.rootNode(), 0))


def seen(doc, name):
    """The document as it is now."""
    selection = doc.selection()
    return {
        "rows": rows(doc),
        "undo": undo_text(),
        "modified": doc.modified(),
        "receipts": receipts_of(doc),
        "notes": notes_of(doc),
        "selection": None
        if selection is None
        else dump(f"{name}-selection", selection.pixelData(0, 0, doc.width(), doc.height())),
    }


def set_up(case):
    """A document with the source that a run wants; the layer, or what stands in for it."""
    grey = case["source"] == "grey"
    doc = document(WIDTH, HEIGHT, GREY if grey else RGB, name=case["name"])
    yield lambda: doc.activeNode() is not None
    lowest = doc.topLevelNodes()[0]
    name = {"grey": "grey8", "face": "face8"}.get(case["source"], "subject8")
    data = picture(name)
    if case["source"] == "small":
        rest = bytes(b for y in range(45) for b in data[4 * 120 * y : 4 * 120 * y + 4 * 60])
        layer = paint_layer(doc, "Photo", rest, *SMALL)
    elif case["source"] == "empty":
        layer = doc.createNode("Photo", "paintlayer")
        doc.rootNode().addChildNode(layer, None)
    elif case["source"] == "lowest":
        layer = lowest
        layer.setName("Photo")
        layer.setPixelData(data, 0, 0, WIDTH, HEIGHT)
    else:
        layer = paint_layer(doc, "Photo", data, 0, 0, WIDTH, HEIGHT)
    marked = lowest
    if case["source"] == "lowest":
        marked = paint_layer(doc, "Above", data, 0, 0, WIDTH, HEIGHT)
    if case["strokes"]:
        paint_layer(doc, "Strokes", picture("strokes8"), 0, 0, WIDTH, HEIGHT)
    if case["selection"]:
        feathered(doc, *case["selection"])
    # A step with a name of its own: what lies on it in the undo stack can be counted.
    app.filter("invert").startFilter(marked, 0, 0, WIDTH, HEIGHT)
    yield lambda: "Invert" in undo_text()
    yield activate(doc, layer)
    doc.setModified(False)
    return doc, layer


def play_case(case, notes):
    name = f"tool-{case['name']}"
    doc, layer = yield from set_up(case)
    uuid = layer.uniqueId()
    box = (*SMALL,) if case["source"] == "small" else (0, 0, WIDTH, HEIGHT)
    notes["uuid"] = uuid.toString()
    notes["source"] = dump(f"{name}-source", layer.pixelData(*box))
    known = [d.rootNode().uniqueId() for d in app.documents()]
    notes["menu"] = trigger(case["tool"].replace("-", "_"))
    panel = Panel()
    panel.commercial.setChecked(case["commercial"])
    panel.choose(case["path"], **case["values"])
    yield panel.dock.settled
    notes["before"] = panel.state()
    notes["first"] = seen(doc, f"{name}-first")
    if panel.consent.isVisible():
        panel.consent.setChecked(case["consent"])
    panel.apply.click()
    yield panel.idle
    yield SETTLE_MS
    notes["panel"] = panel.state()
    notes["words"] = panel.words.toPlainText() if panel.words.isVisible() else ""
    notes["after"] = seen(doc, f"{name}-after")
    new = [d for d in app.documents() if d.rootNode().uniqueId() not in known]
    notes["opened"] = []
    for other in new:
        (top,) = other.topLevelNodes()
        notes["opened"].append(
            {
                "size": [other.width(), other.height()],
                "space": [other.colorModel(), other.colorDepth(), other.colorProfile()],
                "resolution": other.xRes(),
                "active": app.activeDocument() == other,
                "state": seen(other, f"{name}-other"),
                "pixels": dump(
                    f"{name}-opened", top.pixelData(0, 0, other.width(), other.height())
                ),
            }
        )
        close(other)
    result = result_of(doc, notes)
    if result is not None:
        notes["result"] = dump(f"{name}-result", result.pixelData(0, 0, WIDTH, HEIGHT))
        masks = [c for c in result.childNodes() if c.type() == "transparencymask"]
        if masks:
            notes["matte"] = dump(f"{name}-matte", masks[0].pixelData(0, 0, WIDTH, HEIGHT))
    del result
    if not new and notes["after"]["undo"] != notes["first"]["undo"]:
        for action, moment in (("edit_undo", "undone"), ("edit_redo", "redone")):
            known = undo_text()
            app.action(action).trigger()
            yield lambda known=known: undo_text() != known
            yield SETTLE_MS
            notes[moment] = seen(doc, f"{name}-{moment}")
    notes["again"] = dump(f"{name}-again", doc.nodeByUniqueID(uuid).pixelData(*box))
    if notes["after"]["selection"]:
        # Krita 5.3 crashes where a document is closed with changes of its selection still queued
        # for the layer box (KisNodeModel::processUpdateQueue).
        yield 600
    close(doc)
    yield SETTLE_MS


def result_of(doc, notes):
    """The top-level layer that the run added, if there is one."""
    before = {row["uuid"] for row in notes["first"]["rows"]}
    for node in doc.rootNode().childNodes():
        if node.uniqueId().toString() not in before and node.type() == "paintlayer":
            return node
    return None


def every_tool(found):
    for case in json.loads(Path("/pictures/runs.json").read_text("utf-8")):
        notes = found[f"tool-{case['name']}"] = {}
        yield from play_case(case, notes)
    Panel().commercial.setChecked(False)
