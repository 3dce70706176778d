"""Cancel in every phase of a run, two documents at once, and a document closed in the middle.

Every run would take seconds by the slow twin; each notes how long the panel was busy after the
click, and what was left of it.
"""

import json
import os
import signal
import subprocess
import time
from pathlib import Path

from .driver import (
    RGB8,
    Panel,
    QtCore,
    QtGui,
    QtWidgets,
    activate,
    app,
    close,
    document,
    paint_layer,
    tree,
    trigger,
    undo_text,
    window,
)

WIDTH, HEIGHT = 120, 90
WIDE = ("RGBA", "U8", "ClayRGB-elle-V2-g22.icc")
# A conversion of this lets Krita's event loop run; nothing can interrupt the conversion itself.
CONVERTED = 512, 512
# A classical run of this takes seconds.
LARGE = 1500, 1200
HOME = Path("/home/nss/nss")
PATIENCE = 30


def picture(name):
    return Path(f"/pictures/{name}.raw").read_bytes()


def pixel_files():
    return len(list(HOME.rglob("px-*")))


def running():
    """Whether the worker's journal says that a model is running."""
    try:
        marks = json.loads((HOME / "data" / "journal.json").read_text())["marks"]
    except (OSError, ValueError):
        return False
    return any(mark["stage"] == "running" for mark in marks)


def lives(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def runner():
    """The process that computes."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
        except OSError:
            continue
        if b"shared_core.worker.runner" in words:
            return int(folder.name)
    return None


def begin(doc, layer, tool="deblur", path="auto"):
    """Everything up to the click on Apply."""
    yield activate(doc, layer)
    trigger(tool)
    panel = Panel()
    panel.choose(path)
    yield panel.dock.settled
    if panel.consent.isVisible():
        panel.consent.setChecked(True)
    panel.apply.click()


def cancelled(doc, notes, before, meanwhile=lambda: ()):
    """Click on Cancel; how long the panel stays busy, and what is left."""
    panel = Panel()
    clicked = time.monotonic()
    panel.cancel.click()
    yield panel.idle
    notes["seconds"] = time.monotonic() - clicked
    yield from meanwhile()
    yield from leavings(doc, notes, before)


def leavings(doc, notes, before):
    notes["status"] = Panel().status.text()
    notes["before"], notes["after"] = before, [tree(doc), undo_text()]
    deadline = time.monotonic() + PATIENCE
    yield lambda: pixel_files() == 0 or time.monotonic() > deadline
    notes["pixel_files"] = pixel_files()


def tiles():
    return Panel().status.text().startswith("Real NAFNet")


def every_phase(found):
    found["phases"] = {}
    doc = document(WIDTH, HEIGHT, name="Cancelled")
    yield lambda: doc.activeNode() is not None
    layer = paint_layer(doc, "Photo", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
    yield activate(doc, layer)
    before = [tree(doc), undo_text()]

    def notes_of(phase):
        return found["phases"].setdefault(phase, {})

    # A tile takes seconds; the first run also fetches and tries the model.
    yield from begin(doc, layer)
    yield tiles
    yield 200
    yield from cancelled(doc, notes_of("tiles"), before)

    # The worker has only just been told.
    yield from begin(doc, layer)
    yield from cancelled(doc, notes_of("starting"), before)

    # Somebody else's job computes.
    other = elsewhere()
    yield running
    yield from begin(doc, layer)
    yield lambda: Panel().status.text().startswith("Waiting")

    def end_other():
        found["elsewhere"] = other.poll()
        other.send_signal(signal.SIGINT)
        yield lambda: other.poll() is not None
        yield lambda: not running()

    yield from cancelled(doc, notes_of("waiting"), before, end_other)

    # What computes hears nothing any more, and is ended for it.
    yield from begin(doc, layer)
    yield tiles
    yield 300
    notes = notes_of("stuck")
    stuck = runner()
    os.kill(stuck, signal.SIGSTOP)
    clicked = time.monotonic()
    yield from cancelled(doc, notes, before)
    deadline = clicked + PATIENCE
    yield lambda: not lives(stuck) or time.monotonic() > deadline
    notes["runner"] = [lives(stuck), time.monotonic() - clicked]

    yield from two_documents(found, doc, layer)
    close(doc)
    yield 300
    yield from conversions(found)


def elsewhere():
    """A run of the command line, over more tiles than the test lasts."""
    image = QtGui.QImage(900, 600, QtGui.QImage.Format.Format_RGB32)
    image.fill(QtGui.QColor(90, 140, 60))
    image.save("/tmp/elsewhere.png")
    python = json.loads((HOME / "config" / "worker.json").read_text())["python"]
    words = ["run", "deblur", "/tmp/elsewhere.png", "-o", "/tmp/deblurred.png", "--path", "real"]
    with open("/tmp/elsewhere.log", "wb") as log:
        return subprocess.Popen([python, "-m", "shared_core.cli", *words], stdout=log, stderr=log)


def two_documents(found, doc, layer):
    """While a run is going on in one document the user works in another; then one is closed."""
    notes = found["two"] = {}
    yield from begin(doc, layer)
    yield tiles
    other = document(WIDTH, HEIGHT, name="Other")
    yield lambda: other.activeNode() is not None
    painted = paint_layer(other, "Painted", picture("srgb8"), 0, 0, WIDTH, HEIGHT)
    yield activate(other, painted)
    app.filter("invert").startFilter(painted, 0, 0, WIDTH, HEIGHT)
    yield lambda: "Invert" in undo_text()
    notes["working"] = [Panel().idle(), tree(other), undo_text()]
    yield Panel().idle
    yield 200
    notes["status"] = Panel().status.text()
    notes["other"], notes["document"] = tree(other), tree(doc)
    notes["undo"] = undo_text()
    app.action("edit_undo").trigger()
    yield lambda: "Invert" not in undo_text()
    notes["undone"] = [tree(other), tree(doc)]
    yield bring_into_view(doc)
    yield activate(doc, layer)
    notes["undo_there"] = undo_text()
    app.action("edit_undo").trigger()
    yield lambda: len(tree(doc)) < len(notes["document"])
    notes["undone_there"] = tree(doc)

    # The other document is closed the way a user does it, in the middle of its run.
    notes = found["closed"] = {}
    yield bring_into_view(other)
    yield from begin(other, painted)
    yield tiles
    other.setModified(False)
    app.action("file_close").trigger()
    yield lambda: all(one != other for one in app.documents())
    painted = other = None
    yield Panel().idle
    yield from leavings(doc, notes, [tree(doc), undo_text()])


def bring_into_view(doc):
    """As a click on its tab does."""
    area = window().findChild(QtWidgets.QMdiArea)
    area.activateNextSubWindow()
    return lambda: app.activeDocument() == doc


def of_size(width, height, space=RGB8):
    """A document with stripes on a layer."""
    row = bytes(range(256)) * (4 * width // 256 + 1)
    doc = document(width, height, space, name="Sized")
    yield lambda: doc.activeNode() is not None
    layer = paint_layer(doc, "Photo", row[: 4 * width] * height, 0, 0, width, height)
    yield activate(doc, layer)
    return doc, layer


def conversions(found):
    """The click arrives in the event loop that Krita runs inside a conversion."""
    from nss_krita import spaces  # noqa: PLC0415

    doc, layer = yield from of_size(*CONVERTED, space=WIDE)
    before = [tree(doc), undo_text()]
    inner = spaces.convert
    for wanted in (1, 2):
        notes = found["phases"][("", "reading", "writing")[wanted]] = {}
        calls = []

        def convert(*arguments, calls=calls, wanted=wanted):
            calls.append(0.0)
            if len(calls) == wanted:
                QtCore.QTimer.singleShot(0, Panel().cancel.click)
            converted = inner(*arguments)
            calls[-1] = time.monotonic()
            return converted

        spaces.convert = convert
        try:
            yield from begin(doc, layer, "denoise", "classical")
            yield Panel().idle
        finally:
            spaces.convert = inner
        notes["seconds"], notes["calls"] = time.monotonic() - calls[-1], len(calls)
        yield from leavings(doc, notes, before)
    close(doc)
    yield 300
    # By the classical path, and with many tiles.
    doc, layer = yield from of_size(*LARGE)
    before = [tree(doc), undo_text()]
    notes = found["phases"]["classical"] = {}
    yield from begin(doc, layer, "denoise", "classical")
    yield lambda: "Classical" in Panel().status.text()
    yield from cancelled(doc, notes, before)
    close(doc)
    yield 300
