"""A fake Krita with the plug-in in it, and a desk to use it from; a pytest plug-in of its own."""

from __future__ import annotations

import json
import os
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "tests" / "fakes")]
QT = int(os.environ["NSS_TEST_QT"])

if QT == 6:
    from PyQt6 import QtWidgets
else:
    from PyQt5 import QtWidgets

import contract_models  # noqa: E402
import krita as fake  # noqa: E402
from hub import Hub  # noqa: E402

from shared_core.bridge import client, paths, wire  # noqa: E402

SRGB = ("RGBA", "U8", "sRGB-elle-V2-srgbtrc.icc")
GREY = ("GRAYA", "U8", "Gray-D50-elle-V2-srgbtrc.icc")
WIDTH, HEIGHT = 48, 32
ESCAPED: list[str] = []
# The one that serves the models of the surroundings.
HUBS: list[Hub] = []


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home for the worker, contract models, and a hub to fetch them from."""
    folder = tmp_path_factory.mktemp("krita")
    contract_models.write_catalogue(folder / "cards", folder / "hub")
    with Hub(folder / "hub") as hub:
        HUBS.append(hub)
        os.environ |= {
            "NSS_HOME": str(folder / "home"),
            "NSS_CARDS": str(folder / "cards"),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
        }
        config = folder / "home" / "config"
        config.mkdir(parents=True)
        (config / "worker.json").write_text(json.dumps({"python": sys.executable}), "utf-8")
        yield folder
        last = client.Client(paths.paths(), "test", "1")
        if last.connect(start=False):
            last.ask(wire.Stop(), wire.Done)
        last.close()


@pytest.fixture(scope="session")
def editor(surroundings: Path) -> Iterator[Any]:
    """The fake Krita with the plug-in loaded and one window open."""
    application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["krita"])
    module = fake.install(QT)
    sys.excepthook = lambda kind, value, trace: ESCAPED.append(f"{kind.__name__}: {value}")
    import_module("nss_krita")
    krita = module.Krita.instance()
    krita.open_window()
    yield krita
    krita.notifier().applicationClosing.emit()
    for thread in threading.enumerate():
        if thread.name.startswith("nss-"):
            thread.join(60)
            assert not thread.is_alive(), thread.name
    assert krita.open_documents == []
    del application


def wait(condition: Callable[[], bool], seconds: float = 240) -> None:
    """Let the event loop run until the condition holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        QtWidgets.QApplication.processEvents()
        time.sleep(0.005)


class Desk:
    """A window with a picture open, used as a user would."""

    def __init__(self, krita: Any, space: tuple[str, str, str] = SRGB) -> None:
        self.krita = krita
        self.window = krita.activeWindow()
        self.document = krita.createDocument(WIDTH, HEIGHT, "Picture", *space, 300.0)
        layer = self.document.topLevelNodes()[0]
        layer.setName("Photo")
        size = 4 if space == SRGB else 2
        self.native = random.Random(3).randbytes(WIDTH * HEIGHT * size)
        layer.setPixelData(self.native, 0, 0, WIDTH, HEIGHT)
        self.window.show(self.document)
        self.layer = layer
        self.dock = self.window.main.findChild(QtWidgets.QDockWidget, "nss_docker").panel()

    def widget(self, name: str) -> Any:
        found = self.dock.findChild(QtWidgets.QWidget, f"nss_{name}")
        assert found is not None, name
        return found

    def open(self, tool: str, path: str = "classical") -> None:
        self.window.made[f"nss_{tool}"][0].trigger()
        combo = self.widget("path")
        combo.setCurrentIndex(combo.findData(path))
        wait(self.dock.settled)

    def apply(self) -> str:
        self.widget("apply").click()
        wait(lambda: not self.widget("cancel").isEnabled())
        wait(self.dock.settled)
        return str(self.widget("status").text())

    def names(self) -> list[str]:
        return [node.name() for node in self.document.topLevelNodes()]

    def close(self) -> None:
        self.window.view = None
        self.document.close()
        wait(self.dock.settled)


@pytest.fixture
def desk(editor: Any) -> Iterator[Desk]:
    made = Desk(editor)
    yield made
    made.close()
    assert ESCAPED == []
    assert editor.open_documents == []
