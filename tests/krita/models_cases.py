"""The window of the models with a real worker and hub; run by test_adapter.py once for each Qt."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from desk import ESCAPED, HUBS, QT, Desk, wait

from shared_core.bridge import settings
from shared_core.bridge.paths import paths

QtCore: Any = import_module(f"PyQt{QT}.QtCore")
QtWidgets: Any = import_module(f"PyQt{QT}.QtWidgets")
NAFNET, SCUNET = "nafnet-gopro-opencv", "scunet-real-psnr"


class Shop:
    """The window, used as a user would."""

    def __init__(self, window: Any) -> None:
        self.window = window

    def __getattr__(self, name: str) -> Any:
        found = self.window.findChild(QtWidgets.QWidget, f"nss_models_{name}")
        if found is None:
            raise AttributeError(name)
        return found

    def items(self) -> Iterator[Any]:
        tree = self.list
        for place in range(tree.topLevelItemCount()):
            head = tree.topLevelItem(place)
            yield from (head.child(number) for number in range(head.childCount()))

    def item(self, model: str) -> Any:
        role = QtCore.Qt.ItemDataRole.UserRole
        return next(item for item in self.items() if item.data(0, role) == model)

    def state(self, model: str) -> str:
        return str(self.item(model).text(1))

    def choose(self, model: str) -> None:
        self.list.setCurrentItem(self.item(model))

    def seen(self, name: str, inside: Any = None) -> list[Any]:
        """The buttons of this name that can be seen."""
        place = inside or self.window
        found = place.findChildren(QtWidgets.QPushButton, f"nss_models_{name}")
        return [one for one in found if one.isVisible()]

    def has(self, name: str) -> bool:
        QtWidgets.QApplication.processEvents()
        return bool(self.seen(name))

    def click(self, name: str, inside: Any = None) -> None:
        wait(lambda: [one.isEnabled() for one in self.seen(name, inside)] == [True])
        self.seen(name, inside)[0].click()

    def idle(self) -> bool:
        """Nothing is being done, and the list is from after it: it comes after the sentence."""
        return not self.cancel.isVisible() and bool(self.window._counter.settled)

    def answer(self, name: str) -> None:
        self.click(name, self.of_row)

    def asked(self) -> str:
        """What is told beside the list, which is the question where there is one."""
        return str(self.facts.toPlainText())

    def until(self, model: str, words: str) -> None:
        wait(lambda: self.idle() and words in self.state(model))


@pytest.fixture
def shop(desk: Desk) -> Iterator[Shop]:
    desk.window.made["nss_models_open"][0].trigger()
    found = Shop(desk.dock._windows._models)
    wait(lambda: found.list.topLevelItemCount() > 0)
    yield found
    HUBS[0].heal()
    HUBS[0].paused.clear()
    wait(found.idle)
    for model in (NAFNET, SCUNET):
        found.choose(model)
        if found.has("remove"):
            found.click("remove")
            found.answer("agree")
            found.until(model, "not downloaded")
    found.window.close()


def downloaded(shop: Shop, model: str) -> None:
    shop.choose(model)
    shop.click("download")
    shop.answer("agree")
    shop.until(model, "ready")


def stand_still() -> None:
    """Have the hub send nothing until it is healed."""
    HUBS[0].fault(".onnx", "slow", at=1_000_000)
    HUBS[0].paused.set()


def folders(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    """What a user would pick in the dialog for folders."""
    monkeypatch.setattr(QtWidgets.QFileDialog, "getExistingDirectory", lambda *_: str(folder))


def test_the_window_is_not_modal_and_says_what_there_is(desk: Desk, shop: Shop) -> None:
    assert shop.window.isVisible() and not shop.window.isModal()
    heads = [shop.list.topLevelItem(n).text(0) for n in range(shop.list.topLevelItemCount())]
    assert heads[:3] == ["Remove Background", "Remove Object", "Denoise"]
    assert shop.state(NAFNET) == "not downloaded"
    assert "0 MB in " in shop.disk.text() and "are free." in shop.disk.text()
    assert shop.machine.text()
    shop.choose(NAFNET)
    facts = shop.facts.toPlainText()
    assert facts.startswith("NAFNet\nWith it, ") and "Licence: MIT. Read it" in facts
    assert "Commercial use: allowed." in facts
    assert shop.has("download") and not shop.has("remove")
    # The second window of the same panel is the first.
    desk.widget("open_models").click()
    assert Shop(desk.dock._windows._models).window is shop.window


def test_nothing_comes_before_the_consent(shop: Shop) -> None:
    before = len(HUBS[0].requests)
    shop.choose(NAFNET)
    shop.click("download")
    wait(lambda: shop.asked().startswith("Download NAFNet ("))
    told = shop.asked()
    assert "Licence: MIT." in told and "127.0.0.1" in told and "nothing is uploaded" in told
    shop.answer("dismiss")
    assert not shop.has("agree")
    shop.click("download")
    # Another model is another question.
    shop.choose(SCUNET)
    assert not shop.has("agree")
    assert len(HUBS[0].requests) == before


def test_download_with_progress(desk: Desk, shop: Shop) -> None:
    desk.open("deblur", "auto")
    assert "not downloaded" in desk.widget("plan").text()
    stand_still()
    shop.choose(NAFNET)
    shop.click("download")
    shop.answer("agree")
    wait(lambda: shop.cancel.isVisible() and shop.doing.text().startswith("Downloading NAFNet"))
    assert not any(button.isEnabled() for button in shop.seen("download"))
    HUBS[0].paused.clear()
    shop.until(NAFNET, "✓ ready")
    assert shop.said.text() == "NAFNet is ready."
    assert "Takes 1 MB on the disk; came 20" in shop.facts.toPlainText()
    # The panel's plan follows.
    wait(lambda: desk.dock.settled() and desk.widget("plan").text().startswith("Real · NAFNet"))


def test_a_download_is_cancelled(shop: Shop) -> None:
    stand_still()
    shop.choose(NAFNET)
    shop.click("download")
    shop.answer("agree")
    wait(shop.cancel.isVisible)
    shop.cancel.click()
    wait(shop.idle)
    assert shop.said.text() == "Cancelled. What has come already is kept."
    assert "ready" not in shop.state(NAFNET)


def test_a_wrong_file_is_told_in_place(shop: Shop) -> None:
    HUBS[0].fault(".onnx", "flip", at=50)
    shop.choose(NAFNET)
    shop.click("download")
    shop.answer("agree")
    wait(lambda: shop.idle() and bool(shop.said.text()))
    said = shop.said.text()
    assert said.startswith("⚠ ") and "got SHA-256" in said and "expected" in said
    assert QtWidgets.QApplication.activeModalWidget() is None
    assert shop.state(NAFNET) in ("not downloaded", "◐ here in part")
    HUBS[0].heal()
    downloaded(shop, NAFNET)
    assert not shop.said.text().startswith("⚠")


def test_verify_remove_and_what_is_broken(shop: Shop) -> None:
    downloaded(shop, NAFNET)
    shop.click("verify", shop.of_row)
    wait(lambda: shop.idle() and "every file is right" in shop.said.text())
    [file] = (paths().models / NAFNET).glob("*.onnx")
    file.write_bytes(file.read_bytes()[:-1] + b"?")
    shop.click("verify", shop.of_row)
    shop.until(NAFNET, "✗ cannot be used")
    assert "got SHA-256" in shop.facts.toPlainText()
    shop.click("remove")
    assert "It can be downloaded again." in shop.asked()
    shop.answer("dismiss")
    assert file.exists()
    shop.click("remove")
    shop.answer("agree")
    shop.until(NAFNET, "not downloaded")
    assert not file.exists()


def test_a_folder_carries_models(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Exported, removed, and imported while the hub does not answer."""
    downloaded(shop, NAFNET)
    folders(monkeypatch, tmp_path)
    shop.click("export")
    wait(lambda: shop.idle() and "copied into" in shop.said.text())
    shop.click("remove")
    shop.answer("agree")
    shop.until(NAFNET, "not downloaded")
    stand_still()
    shop.click("import")
    shop.until(NAFNET, "ready")
    assert "NAFNet: here and ready." in shop.said.text()
    # No folder was picked: nothing is done.
    monkeypatch.setattr(QtWidgets.QFileDialog, "getExistingDirectory", lambda *_: "")
    shop.click("import")
    assert shop.idle()


def test_only_models_for_commercial_use(shop: Shop) -> None:
    restricted = [item for item in shop.items() if "GFPGAN" in item.text(0)]
    assert restricted
    settings.change(paths().settings, {"commercial_only": "yes"})
    try:
        shop.window._counter.look()
        wait(lambda: not [item for item in shop.items() if "GFPGAN" in item.text(0)])
    finally:
        settings.change(paths().settings, {"commercial_only": "no"})
    shop.window._counter.look()
    wait(lambda: bool([item for item in shop.items() if "GFPGAN" in item.text(0)]))


def test_the_clean_alternative_is_one_click_away(shop: Shop) -> None:
    [restricted] = [item for item in shop.items() if "GFPGAN" in item.text(0)]
    shop.list.setCurrentItem(restricted)
    shop.click("download")
    assert "ommercial use" in shop.asked()
    shop.answer("other")
    assert shop.asked().startswith("Download RestoreFormer++ (")
    shop.answer("dismiss")


def test_narrow_keyboard_and_names(shop: Shop) -> None:
    """It fits a narrow place, every button has a letter of its own, and lists have names."""
    shop.choose(NAFNET)
    assert shop.window.minimumSizeHint().width() <= 320
    for name in ("list", "facts", "details", "progress"):
        assert getattr(shop, name).accessibleName()
    letters = [
        text[text.index("&") + 1].lower()
        for text in (
            one.text() for one in shop.window.findChildren(QtWidgets.QPushButton) if one.isVisible()
        )
    ]
    assert len(letters) == len(set(letters)) >= 6, letters


def test_a_worker_that_is_not_set_up(editor: Any, tmp_path: Path) -> None:
    """One sentence instead of a list, and no dialog."""
    module = import_module("nss_krita.models_window")
    nowhere = paths({"NSS_HOME": str(tmp_path)})
    lonely = module.counter.Counter(nowhere, "Krita", "5.2.9")
    shop = Shop(module.ModelsWindow(lonely, None))
    shop.window.come_up()
    said: Callable[[], str] = lambda: str(shop.said.text())  # noqa: E731
    wait(lambda: "not set up" in said())
    assert shop.list.topLevelItemCount() == 0
    shop.window.close()
    lonely.stop()
    assert ESCAPED == [] and os.environ["NSS_HOME"] != str(tmp_path)
