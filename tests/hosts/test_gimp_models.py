"""The panel in the real GIMP, used with the keyboard alone: consent, cancel, errors, the list."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from gimp_stage import Stage, a_stage, contract_models
from test_gimp import await_window

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
NAFNET, SCUNET = contract_models.NAFNET, contract_models.SCUNET
SPEED = 1_500_000
PADDING = 6_000_000


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """The built plug-in and a worker's environment inside the test editor."""
    with a_stage(tmp_path_factory.mktemp("gimp-models")) as made:
        yield made


def wait_for(condition: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came"
        time.sleep(0.1)


class Keys:
    """The keyboard, and what lies in the folder of the models."""

    def __init__(self, inside: Any, models: Path) -> None:
        self._inside = inside
        self._models = models

    def press(self, *keys: str) -> None:
        for key in keys:
            self._inside.also(["xdotool", "key", key])
            time.sleep(0.7)

    def choose(self, title: str) -> None:
        """Type a model's name in the list, which looks for it."""
        self._inside.also(["xdotool", "type", "--delay", "80", title])
        time.sleep(1)
        self.press("Return")

    def here(self, model: str) -> bool:
        return bool(list((self._models / model).glob("*.onnx")))

    def parts(self) -> int:
        return sum(one.stat().st_size for one in (self._models / ".staging").glob("*.part"))


def test_the_panel(stage: Stage) -> None:
    out = stage.folder / "panel-out"
    with stage.mounts("panel", 3.0, {}, padding=PADDING, models=(NAFNET, SCUNET)) as options:
        hub = options.pop("hub")
        hub.fault("scunet_color_real_psnr.onnx", "flip", at=100)
        hub.fault(".onnx", "slow", at=SPEED)
        gimp = ["sh", "-c", 'exec "$@" >/out/gimp.log 2>&1', "sh", stage.editor.gimp, "-s"]
        with stage.editor.on_display([*gimp, *stage.batch("panel")[:-1]], **options) as inside:
            await_window(inside, "^NSS$", 180)
            models = options["profile"].home / "nss" / "data" / "models"
            keys = Keys(inside, models)
            time.sleep(4)
            keys.choose("NAFNet")
            asked = len(hub.requests)
            keys.press("alt+d")
            inside.screenshot(out / "consent.png")
            keys.press("alt+n", "alt+d")
            assert len(hub.requests) == asked
            # The second is the consent.
            keys.press("alt+d")
            wait_for(lambda: keys.parts() > 0)
            time.sleep(1)
            inside.screenshot(out / "progress.png")
            keys.press("alt+c")
            held = keys.parts()
            time.sleep(2)
            assert 0 < held == keys.parts() and not keys.here(NAFNET)
            keys.press("alt+d", "alt+d")
            wait_for(lambda: keys.here(NAFNET))
            begun, continued = hub.downloads("deblurring_nafnet_2025may.onnx")
            assert continued.range and begun.sent < PADDING
            time.sleep(6)
            inside.screenshot(out / "ready.png")
            # A file with other bytes than its card says.
            keys.choose("SCUNet")
            keys.press("alt+d", "alt+d")
            wait_for(lambda: hub.downloads("scunet_color_real_psnr.onnx"))
            wait_for(lambda: keys.parts() == 0)
            time.sleep(2)
            inside.screenshot(out / "error.png")
            assert not keys.here(SCUNET)
            keys.press("alt+l")
            wait_for((out / "found.json").exists)
    found = json.loads((out / "found.json").read_text("utf-8"))
    assert [status for status, _ in found["runs"]] == ["success"] * 3
    before, after = (
        {one["id"]: one["state"] for one in json.loads(found["runs"][place][1])} for place in (0, 2)
    )
    assert (before[NAFNET], after[NAFNET]) == ("missing", "installed")
    log = (out / "gimp.log").read_text("utf-8", "replace")
    assert "Traceback" not in log and "Gtk-CRITICAL" not in log, log
