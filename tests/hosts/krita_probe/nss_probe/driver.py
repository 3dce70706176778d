"""What scenarios are played with: steps on a timer, waiting, documents, the panel, and dumps.

A scenario is a generator. It yields milliseconds to rest, or a function to wait for until it is
true. Its findings go to /tmp/probe: JSON of what was seen, raw pixels beside it. An exception, or
a wait that takes too long, is written there too and ends Krita with status 3.
"""

import faulthandler
import json
import os
import sys
import time
import traceback
from pathlib import Path

import pykrita
from krita import Krita, Selection

if hasattr(pykrita, "qt_major_version") and pykrita.qt_major_version() == 6:
    from PyQt6 import QtCore, QtGui, QtWidgets
else:
    from PyQt5 import QtCore, QtGui, QtWidgets

OUT = Path("/tmp/probe")
FIRST_MS = 2500
WAIT_SECONDS = 240
RGB8 = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
app = Krita.instance()


class Player:
    def __init__(self, scenario):
        OUT.mkdir(exist_ok=True)
        # Where Krita crashes, standard error tells in which call.
        faulthandler.enable()
        self.found = {}
        self.steps = scenario(self.found)
        self.waiting = None
        self.deadline = 0.0
        sys.excepthook = self.fail

    def fail(self, kind, value, trace):
        text = "".join(traceback.format_exception(kind, value, trace))
        self.found["error"] = text
        self.save()
        os._exit(3)

    def save(self):
        (OUT / "found.json").write_text(json.dumps(self.found, indent=1), encoding="utf-8")

    def tick(self):
        if self.waiting is not None:
            if not self.waiting():
                if time.monotonic() > self.deadline:
                    state = Panel().state()
                    raise TimeoutError(f"waited in vain at {self.steps.gi_frame}: {state}")
                QtCore.QTimer.singleShot(30, self.tick)
                return
            self.waiting = None
        wish = next(self.steps, None)
        self.save()
        if wish is None:
            return
        if callable(wish):
            self.waiting, self.deadline = wish, time.monotonic() + WAIT_SECONDS
            wish = 10
        QtCore.QTimer.singleShot(wish, self.tick)


_kept = []


def play(scenario):
    player = Player(scenario)
    _kept.append(player)
    QtCore.QTimer.singleShot(FIRST_MS, player.tick)


def window():
    return app.activeWindow().qwindow()


def hide_pointer():
    """On a picture it would show the outline of the brush; screens are larger than the window."""
    QtGui.QCursor.setPos(1500, 980)


def menu_path(action):
    """The titles from the menu bar down to an action, by walking the menus as a user does."""

    def walk(menu, above):
        for entry in menu.actions():
            if entry is action or (entry.objectName() and entry.objectName() == action):
                return [*above, entry.text().replace("&", "")], entry
            if entry.menu() is not None:
                found = walk(entry.menu(), [*above, entry.text().replace("&", "")])
                if found:
                    return found
        return None

    return walk(window().menuBar(), [])


class Panel:
    """The docker, used through its widgets alone."""

    def __init__(self):
        self.frame = window().findChild(QtWidgets.QDockWidget, "nss_docker")
        self.dock = self.frame.panel()

    def __getattr__(self, name):
        found = self.dock.findChild(QtWidgets.QWidget, f"nss_{name}")
        if found is None:
            raise AttributeError(name)
        return found

    def state(self):
        labels = ("layer", "plan", "status", "layer_receipt", "consent_facts")
        found = {name: getattr(self, name).text() for name in labels}
        found["visible"] = self.dock.isVisible()
        found["apply"] = self.apply.text()
        found["apply_enabled"] = self.apply.isEnabled()
        found["consent"] = self.consent.text() if self.consent.isVisible() else None
        found["insist"] = self.insist.text() if self.insist.isVisible() else None
        found["receipts"] = self.receipts_shown()
        return found

    def receipts_shown(self):
        return [self.receipts.item(row).text() for row in range(self.receipts.count())]

    def idle(self):
        return not self.cancel.isEnabled()

    def choose(self, path, **values):
        self.path.setCurrentIndex(self.path.findData(path))
        # Several tools have a parameter of the same name; the form of the chosen one is shown.
        form = getattr(self, f"form_{self.tool.currentData()}")
        for name, value in values.items():
            widget = form.findChild(QtWidgets.QWidget, f"nss_param_{name}")
            if isinstance(widget, QtWidgets.QComboBox):
                widget.setCurrentIndex(widget.findData(value))
                continue
            if isinstance(widget, QtWidgets.QPlainTextEdit):
                widget.setPlainText(value)
                continue
            if isinstance(widget, QtWidgets.QLineEdit):
                widget.setText(value)
                continue
            auto = form.findChild(QtWidgets.QCheckBox, f"nss_param_{name}_auto")
            if auto is not None:
                auto.setChecked(value == "auto")
            if value != "auto":
                widget.setValue(value)

    def fields(self):
        """The receipt's fields as the panel shows them, after the first receipt is picked."""
        self.receipts.setCurrentRow(0)
        tree = self.receipt_details

        def read(item):
            if item.childCount():
                return {
                    item.child(i).text(0): read(item.child(i)) for i in range(item.childCount())
                }
            return item.text(1)

        top = [tree.topLevelItem(i) for i in range(tree.topLevelItemCount())]
        return {item.text(0): read(item) for item in top}


def trigger(tool):
    """Choose Filter ▸ NSS ▸ tool by its own QAction; returns the titles on the way."""
    path, action = menu_path(f"nss_{tool}")
    if not action.isEnabled():
        raise AssertionError(f"{path} is not enabled")
    action.trigger()
    return path


def document(width, height, space=RGB8, name="picture"):
    made = app.createDocument(width, height, name, *space, 300.0)
    app.activeWindow().addView(made)
    made.setBatchmode(True)
    return made


def paint_layer(doc, name, data, x, y, width, height, parent=None, above=None):
    layer = doc.createNode(name, "paintlayer")
    layer.setPixelData(data, x, y, width, height)
    (parent or doc.rootNode()).addChildNode(layer, above)
    doc.refreshProjection()
    return layer


def activate(doc, layer):
    doc.setActiveNode(layer)
    return lambda: doc.activeNode() is not None and doc.activeNode() == layer


def feathered(doc, x, y, width, height, radius):
    selection = Selection()
    selection.select(x, y, width, height, 255)
    selection.feather(radius)
    doc.setSelection(selection)


def area(node):
    rect = node.bounds()
    return [rect.x(), rect.y(), rect.width(), rect.height()]


def dump(name, data):
    (OUT / f"{name}.raw").write_bytes(bytes(data))
    return f"{name}.raw"


def undo_text():
    return app.action("edit_undo").text().replace("&", "")


def tree(doc):
    """Every node's name and type, from bottom to top."""

    def walk(node, depth):
        for child in node.childNodes():
            yield [depth, child.name(), child.type()]
            yield from walk(child, depth + 1)

    return list(walk(doc.rootNode(), 0))


def receipts_of(doc):
    keys = [key for key in doc.annotationTypes() if key.startswith("nss/receipt/")]
    return {key[12:]: json.loads(bytes(doc.annotation(key))) for key in keys}


def notes_of(doc):
    """The receipts of words and selections, by their whole names."""
    keys = [key for key in doc.annotationTypes() if key.startswith(("nss/tags/", "nss/selection/"))]
    return {key: json.loads(bytes(doc.annotation(key))) for key in keys}


def close(doc):
    doc.setModified(False)
    doc.close()
