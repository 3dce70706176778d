"""Goes through what a user sees on a photo, and photographs it for the documentation.

NSS_GALLERY_HUB is a hub that sends slowly what is not the right file; before that one is used,
everything is as it is for a user, and nothing is downloaded.
"""

import os
import shutil

from .driver import (
    Panel,
    QtCore,
    QtWidgets,
    activate,
    app,
    hide_pointer,
    trigger,
    window,
)
from .models import DRUNET, opened
from .scenarios import leave

# Where the window is: below its title bar.
PLACE = (0, 24, 1280, 900)
PANEL_WIDTH, PANEL_HEIGHT = 440, 640
LAYERS_HEIGHT = 190
MODELS = (60, 60, 460, 760)
# As long as Krita shows a sentence over the picture, and a bit.
FLOATING_MS = 7500
TITLE = 22


def shoot(found, name, widget):
    """The whole display, and which part of it the widget takes."""
    hide_pointer()
    corner = widget.mapToGlobal(QtCore.QPoint(0, 0))
    found["places"][name] = [corner.x(), corner.y(), widget.width(), widget.height()]
    os.system(f"import -window root /tmp/probe/{name}.png")


def laid_out():
    """The window with its layers and our panel, each of a good size."""
    window().showNormal()
    window().setGeometry(*PLACE)
    for name in ("PresetDocker", "ColorSelectorNg", "sharedtooldocker"):
        other = window().findChild(QtWidgets.QDockWidget, name)
        if other is not None:
            other.setVisible(False)
    docks = [window().findChild(QtWidgets.QDockWidget, "KisLayerBox"), Panel().frame]
    window().resizeDocks(docks, [PANEL_WIDTH] * 2, QtCore.Qt.Orientation.Horizontal)
    window().resizeDocks(docks, [LAYERS_HEIGHT, PANEL_HEIGHT], QtCore.Qt.Orientation.Vertical)


def gallery(found):
    """Menu, plan, result, history, consent, progress and error in the panel, then the models."""
    found["places"] = {}
    shutil.copyfile("/pictures/photo.png", "/tmp/astronaut.png")
    doc = app.openDocument("/tmp/astronaut.png")
    app.activeWindow().addView(doc)
    yield lambda: doc.activeNode() is not None
    yield 1500
    node = doc.topLevelNodes()[0]
    node.setName("Photo")
    yield activate(doc, node)
    trigger("remove_background")
    yield 500
    laid_out()
    panel = Panel()
    yield 800
    app.activeWindow().activeView().canvas().setZoomLevel(1.4)
    yield panel.dock.settled
    yield 800
    shoot(found, "docker", panel.frame)
    yield from menu(found)
    panel.apply.click()
    yield panel.idle
    # The tool leaves the source in sight; here the picture is to show what was cut out.
    node.setVisible(False)
    doc.refreshProjection()
    yield FLOATING_MS
    shoot(found, "result", window())
    panel.fields()
    yield 300
    into_sight(panel.receipt_details)
    yield 500
    shoot(found, "history", panel.frame)
    node.setVisible(True)
    doc.refreshProjection()
    yield activate(doc, node)
    trigger("restore_faces")
    yield panel.dock.settled
    panel.consent.setChecked(True)
    yield 800
    shoot(found, "consent", panel.frame)
    panel.consent.setChecked(False)
    yield from download(found, doc, node)
    yield from models(found)
    found["done"] = True
    yield from leave()


def into_sight(widget):
    """Scroll to it, wherever it lies."""
    above = widget.parentWidget()
    while above is not None:
        if isinstance(above, QtWidgets.QScrollArea):
            above.ensureWidgetVisible(widget)
        above = above.parentWidget()


def menu(found):
    """Filter ▸ NSS, unfolded."""
    bar = window().menuBar()
    filters = next(a for a in bar.actions() if a.text().replace("&", "") == "Filter")
    bar.setActiveAction(filters)
    filters.menu().popup(bar.mapToGlobal(bar.actionGeometry(filters).bottomLeft()))
    yield 400
    entry = next(a for a in filters.menu().actions() if a.text().replace("&", "") == "NSS")
    filters.menu().setActiveAction(entry)
    place = filters.menu().actionGeometry(entry)
    entry.menu().popup(filters.menu().mapToGlobal(place.topRight()))
    entry.menu().setActiveAction(entry.menu().actions()[0])
    yield 600
    shoot(found, "menu", window())
    entry.menu().close()
    filters.menu().close()
    yield 400


def download(found, doc, node):
    """A model is fetched from the hub that sends something else."""
    os.environ["HF_ENDPOINT"], os.environ["HF_HUB_OFFLINE"] = os.environ["NSS_GALLERY_HUB"], "0"
    panel = Panel()
    yield activate(doc, node)
    trigger("deblur")
    panel.choose("real")
    yield panel.dock.settled
    panel.consent.setChecked(True)
    panel.apply.click()
    yield lambda: "MB" in panel.status.text()
    yield 3000
    shoot(found, "progress", panel.frame)
    yield panel.idle
    yield panel.dock.settled
    yield FLOATING_MS
    found["error"] = panel.status.text()
    shoot(found, "error", panel.frame)
    panel.choose("auto")


def models(found):
    """The window of the models."""
    shop = yield from opened({})
    shop.window.setGeometry(*MODELS)
    yield lambda: "measured yet" not in shop.machine.text()
    shop.choose(DRUNET)
    yield 800
    shoot(found, "models", shop.window)
    shop.window.close()
