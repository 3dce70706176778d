"""The window of the models, used through its widgets, and photographed."""

import json
import time

from .driver import (
    OUT,
    QtCore,
    QtWidgets,
    activate,
    app,
    close,
    document,
    menu_path,
    paint_layer,
    window,
)
from .scenarios import SPACES, note_result, picture, run_tool

NAFNET, DRUNET, SCUNET = "nafnet-gopro-opencv", "drunet-color", "scunet-real-psnr"
CORNER = 60, 40
SIZE = 460, 760


class Shop:
    """The window; buttons are those that can be seen."""

    def __init__(self):
        self.window = window().findChild(QtWidgets.QDialog, "nss_models")

    def __getattr__(self, name):
        found = self.window.findChild(QtWidgets.QWidget, f"nss_models_{name}")
        if found is None:
            raise AttributeError(name)
        return found

    def items(self):
        role = QtCore.Qt.ItemDataRole.UserRole
        for place in range(self.list.topLevelItemCount()):
            head = self.list.topLevelItem(place)
            for number in range(head.childCount()):
                yield head.child(number).data(0, role), head.child(number)

    def choose(self, model):
        item = dict(self.items())[model]
        self.list.setCurrentItem(item)
        self.list.scrollToItem(item)

    def state(self, model):
        return dict(self.items())[model].text(1)

    def button(self, name, inside=None):
        found = (inside or self.window).findChildren(QtWidgets.QPushButton, f"nss_models_{name}")
        return next((one for one in found if one.isVisible()), None)

    def ready(self, name, inside=None):
        def there():
            found = self.button(name, inside)
            return found is not None and found.isEnabled()

        return there

    def idle(self):
        """Nothing is being done, and the list is from after it: it comes after the sentence."""
        return not self.cancel.isVisible() and self.window._counter.settled

    def notes(self, model):
        return {
            "state": self.state(model),
            "said": self.said.text() if self.said.isVisible() else "",
            "doing": self.doing.text() if self.doing.isVisible() else "",
            "asked": self.button("agree") is not None,
            "facts": self.facts.toPlainText(),
            "modal": QtWidgets.QApplication.activeModalWidget() is not None,
        }


def press(shop, name, inside=None):
    yield shop.ready(name, inside)
    shop.button(name, inside).click()
    yield 300


def agree(shop, name="download"):
    yield from press(shop, name)
    yield from press(shop, "agree", shop.of_row)


def opened(found):
    path, action = menu_path("nss_models_open")
    found["path"] = path
    action.trigger()
    shop = Shop()
    yield lambda: shop.list.topLevelItemCount() > 0
    shop.window.setGeometry(*CORNER, *SIZE)
    found["window"] = [shop.window.isModal(), shop.window.isVisible(), shop.machine.text()]
    found["heads"] = [
        shop.list.topLevelItem(place).text(0) for place in range(shop.list.topLevelItemCount())
    ]
    return shop


def picked(folder):
    QtWidgets.QFileDialog.getExistingDirectory = lambda *_: folder


class Own:
    """The window in which a model of the user's own is added."""

    def __init__(self):
        self.window = window().findChild(QtWidgets.QDialog, "nss_own")

    def __getattr__(self, name):
        found = self.window.findChild(QtWidgets.QWidget, f"nss_own_{name}")
        if found is None:
            raise AttributeError(name)
        return found

    def choose(self, tool, file):
        self.tool.setCurrentIndex(self.tool.findData(tool))
        QtWidgets.QFileDialog.getOpenFileName = lambda *_: (file, "")
        self.file.click()

    def button(self, name):
        """A button of the newest view; those of earlier ones may not be gone yet."""
        found = self.window.findChildren(QtWidgets.QPushButton, f"nss_own_{name}")
        return next((one for one in found if one.isVisible()), None)

    def press(self, name):
        yield lambda: self.button(name) is not None and self.button(name).isEnabled()
        self.button(name).click()
        yield lambda: not self.cancel.isVisible()
        yield 300

    def notes(self):
        fields = self.window.findChildren(QtWidgets.QComboBox)
        picture = self.preview.pixmap() if self.preview.isVisible() else None
        return {
            "said": self.said.text() if self.said.isVisible() else "",
            "facts": self.facts.toPlainText() if self.facts.isVisible() else "",
            "fields": {
                one.objectName()[len("nss_own_field_") :]: one.currentText()
                for one in fields
                if one.objectName().startswith("nss_own_field_")
            },
            "preview": [picture.width(), picture.height()] if picture else [0, 0],
            "modal": QtWidgets.QApplication.activeModalWidget() is not None,
        }


def brought(shop, found):
    """A model of one's own: one that does not fit, one that is corrected and added; a tool runs."""
    found["own"] = notes = {}
    yield from press(shop, "own")
    own = Own()
    own.window.move(560, 40)
    yield from own.press("look")
    notes["nothing"] = own.notes()
    own.choose("denoise", "/own/twice.onnx")
    yield from own.press("look")
    notes["misfit"] = own.notes()
    own.choose("denoise", "/own/mine.onnx")
    own.title.setText("My denoiser")
    yield from own.press("look")
    notes["seen"] = own.notes()
    own.field_order.setCurrentText("bgr")
    yield from own.press("look")
    notes["corrected"] = own.notes()
    yield from own.press("add")
    notes["added"] = own.notes()
    own.window.close()
    yield lambda: "own.mine" in dict(shop.items())
    notes["state"] = shop.state("own.mine")
    doc = document(120, 90, SPACES["srgb8"], "own")
    layer = paint_layer(doc, "Photo", picture("srgb8"), 0, 0, 120, 90)
    yield activate(doc, layer)
    notes["run"] = {}
    yield from run_tool("denoise", "auto", {"strength": "auto", "detail": 50}, notes["run"])
    note_result(doc, layer, notes["run"], "own", "srgb8")
    yield from run_tool("denoise", "auto", {"strength": 20, "detail": 50}, notes)
    close(doc)


def models(found):
    """Consent, progress, cancel and going on, a wrong file, a removal, a folder; quitting amid."""
    shop = yield from opened(found)
    shop.choose(NAFNET)
    yield from press(shop, "download")
    found["asked"] = shop.notes(NAFNET)
    yield from press(shop, "dismiss", shop.of_row)
    yield 800
    found["dismissed"] = shop.notes(NAFNET)
    yield from agree(shop)
    yield lambda: " of " in shop.doing.text() and "left" in shop.doing.text()
    found["coming"] = shop.notes(NAFNET)
    begun = time.monotonic()
    shop.cancel.click()
    yield shop.idle
    found["cancelled"] = {**shop.notes(NAFNET), "seconds": time.monotonic() - begun}
    yield lambda: "in part" in shop.state(NAFNET)
    yield from agree(shop)
    yield lambda: "ready" in shop.state(NAFNET)
    found["ready"] = shop.notes(NAFNET)
    shop.choose(SCUNET)
    yield from agree(shop)
    yield lambda: shop.idle() and bool(shop.said.text())
    found["wrong"] = shop.notes(SCUNET)
    shop.choose(NAFNET)
    picked("/tmp/stick")
    yield from press(shop, "export")
    yield lambda: shop.idle() and "copied into" in shop.said.text()
    yield from agree(shop, "remove")
    yield lambda: "not downloaded" in shop.state(NAFNET)
    found["removed"] = shop.notes(NAFNET)
    (OUT / "offline").touch()
    yield from press(shop, "import")
    yield lambda: "ready" in shop.state(NAFNET)
    found["imported"] = shop.notes(NAFNET)
    yield from brought(shop, found)
    shop.choose(DRUNET)
    yield from agree(shop)
    yield lambda: " of " in shop.doing.text()
    found["done"] = True
    (OUT / "found.json").write_text(json.dumps(found), encoding="utf-8")
    app.action("file_quit").trigger()
