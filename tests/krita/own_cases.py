"""A model of the user's own, added in the panel's window; run by test_adapter.py for each Qt."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from contracts import strangers
from desk import QT, Desk, wait
from models_cases import Shop, shop

__all__ = ["shop"]
QtWidgets: Any = import_module(f"PyQt{QT}.QtWidgets")


class Own:
    """The window, used as a user would."""

    def __init__(self, window: Any) -> None:
        self.window = window

    def __getattr__(self, name: str) -> Any:
        found = self.window.findChild(QtWidgets.QWidget, f"nss_own_{name}")
        if found is None:
            raise AttributeError(name)
        return found

    def click(self, name: str) -> None:
        def there() -> list[Any]:
            found = self.window.findChildren(QtWidgets.QPushButton, f"nss_own_{name}")
            return [one for one in found if one.isVisible() and one.isEnabled()]

        wait(lambda: len(there()) == 1)
        there()[0].click()

    def idle(self) -> bool:
        return not self.cancel.isVisible()

    def pick(self, tool: str) -> None:
        self.tool.setCurrentIndex(self.tool.findData(tool))


@pytest.fixture
def own(desk: Desk, shop: Shop) -> Iterator[Own]:
    shop.click("own")
    yield Own(desk.dock._windows._own)
    desk.dock._windows._own.close()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """What a user picks: an enhancer that takes 0..255."""
    path = tmp_path / "My net.onnx"
    path.write_bytes(strangers.enhancer(strangers.Contract(high=255.0, opaque=True)))
    monkeypatch.setattr(QtWidgets.QFileDialog, "getOpenFileName", lambda *_: (str(path), ""))
    return path


def test_looked_at_corrected_added_switched_and_removed(own: Own, shop: Shop, file: Path) -> None:
    assert own.window.isVisible() and not own.window.isModal()
    own.click("look")
    wait(lambda: "Choose a file first." in own.said.text())
    own.click("file")
    assert own.file.text() == "My net.onnx"
    own.pick("denoise")
    own.licence.setText("MIT")
    own.click("look")
    wait(lambda: own.idle() and own.findings.isVisible())
    assert own.field_values.currentText() == "0..255"
    order = own.field_order
    assert order.currentText() == "rgb" and order.findText("bgr") >= 0
    assert own.preview.isVisible() and own.facts.toPlainText()
    order.setCurrentText("bgr")
    own.click("look")
    wait(lambda: own.idle() and own.field_order is not order)
    wait(lambda: own.field_order.currentText() == "bgr")
    own.click("add")
    wait(lambda: own.idle() and bool(own.said.text()))
    assert not own.said.text().startswith("⚠"), own.said.text()
    assert not own.findings.isVisible()
    # The list of models has it, first of its tool.
    wait(lambda: any(item.text(0) == "My net" for item in shop.items()))
    mine = next(item for item in shop.items() if item.text(0) == "My net")
    assert mine.parent().indexOfChild(mine) == 0
    shop.list.setCurrentItem(mine)
    assert "Your own model." in shop.facts.toPlainText()
    shop.click("switch-off")
    wait(lambda: "only where you choose it" in shop.facts.toPlainText())
    shop.click("remove")
    wait(lambda: "no other copy" in shop.asked())
    shop.answer("agree")
    wait(lambda: not any(item.text(0) == "My net" for item in shop.items()))
    assert file.exists()


def test_what_is_no_model_is_told_in_place(own: Own, file: Path) -> None:
    file.write_bytes(b"<html>not found</html>")
    own.click("file")
    own.pick("denoise")
    own.click("look")
    wait(lambda: own.idle() and own.said.text().startswith("⚠ "))
    assert not own.findings.isVisible()
    assert QtWidgets.QApplication.activeModalWidget() is None
