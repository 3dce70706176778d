"""The panel in the real GIMP, used with the keyboard alone: all that its models' pages do."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gimp_pictures import HEIGHT, WIDTH
from gimp_stage import Stage, a_stage, contract_models
from test_gimp import await_window

from shared_core.bridge import settings
from tests.fakes.contracts import strangers

pytestmark = [pytest.mark.hosts, pytest.mark.timeout(600)]
NAFNET, SCUNET = contract_models.NAFNET, contract_models.SCUNET
SPEED = 1_500_000
PADDING = 6_000_000
Shoot = Callable[[str], None]
# Of the fields, with the keyboard, from that of the commercial use.
TO_ORDER = 4
MINE = strangers.enhancer(strangers.Contract(high=255.0, order="BGR", opaque=True))


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
        self._panel = self._active()

    def _active(self) -> str:
        return str(self._inside.also(["xdotool", "getactivewindow"]).stdout)

    def _other_window(self, key: str, panel: bool = False) -> bool:
        """Press a key that has another window come, or the panel's; whether it soon does."""
        self.press(key)
        for _ in range(50):
            if (self._active() == self._panel) is panel:
                return True
            time.sleep(0.1)
        return False

    def press(self, *keys: str) -> None:
        for key in keys:
            self._inside.also(["xdotool", "key", key])
            time.sleep(0.7)

    def choose(self, title: str) -> None:
        """Type a model's name in the list, which looks for it."""
        self._inside.also(["xdotool", "type", "--delay", "80", title])
        time.sleep(1)
        self.press("Return")

    def type(self, text: str) -> None:
        self._inside.also(["xdotool", "type", "--delay", "40", text])
        time.sleep(0.7)

    def into_the_list(self) -> None:
        """Click on a row, so that what is typed looks for another."""
        told = self._inside.also(
            ["xdotool", "getactivewindow", "getwindowgeometry", "--shell"]
        ).stdout
        place = dict(line.split("=") for line in told.split())
        at = str(int(place["X"]) + 120), str(int(place["Y"]) + 170)
        self._inside.also(["xdotool", "mousemove", *at, "click", "1"])
        time.sleep(1)

    def pick(self, button: str, path: str) -> None:
        """In the dialog of files that a button opens, once it can be pressed.

        A path begins with a stroke, and a place to type it opens.
        """
        wait_for(lambda: self._other_window(button))
        # It reads each folder that is named, and complains of what is typed meanwhile.
        for name in path.split("/")[:-1]:
            time.sleep(1)
            self.type(f"{name}/")
        time.sleep(1)
        self.type(path.rpartition("/")[2])
        # The first may have it show the folder that is named.
        wait_for(lambda: self._other_window("Return", panel=True))
        time.sleep(1)

    def look(self) -> None:
        """Have the model be looked at, and wait for the end of the process that does it."""

        def looking() -> bool:
            return self._inside.also(["pgrep", "-f", "shared_core.byo.examine"]).returncode == 0

        self._inside.also(["xdotool", "key", "alt+k"])
        wait_for(looking)
        wait_for(lambda: not looking(), 120)
        time.sleep(2)

    def here(self, model: str) -> bool:
        return bool(list((self._models / model).glob("*.onnx")))

    def card(self, model: str) -> str:
        file = self._models / model / "card.toml"
        return file.read_text("utf-8") if file.is_file() else ""

    def verified(self, model: str) -> dict[str, Any]:
        """What was found out about a model's files: their hashes, and how its trial ended."""
        file = self._models / model / ".verified.json"
        return dict(json.loads(file.read_text("utf-8"))) if file.is_file() else {}

    def damage(self, model: str) -> str:
        """Change one bit in the middle of a model's file; the SHA-256 that it has then."""
        [file] = (self._models / model).glob("*.onnx")
        data = bytearray(file.read_bytes())
        data[len(data) // 2] ^= 1
        file.write_bytes(data)
        return hashlib.sha256(data).hexdigest()

    def parts(self) -> int:
        return sum(one.stat().st_size for one in (self._models / ".staging").glob("*.part"))


def bring_one(keys: Keys, shoot: Shoot) -> None:
    """A model of one's own that does not fit, and one that is corrected and added."""
    keys.press("alt+y")
    keys.press("alt+t", "Down", "Down")
    keys.pick("alt+f", "/own/twice.onnx")
    keys.look()
    shoot("own-misfit")
    keys.pick("alt+f", "/own/mine.onnx")
    keys.press("alt+n")
    keys.type("My denoiser")
    keys.look()
    shoot("own-seen")
    keys.press("alt+u", *["Tab"] * TO_ORDER, "Down")
    shoot("own-corrected")
    keys.look()
    shoot("own-again")
    keys.press("alt+a")
    wait_for(lambda: keys.card("own.mine"))
    time.sleep(2)
    shoot("own-added")


def carry_about(keys: Keys, profile: Any, out: Path) -> None:
    """Settings, and models that are taken along in a folder and removed."""
    keys.press("ctrl+Page_Down", "ctrl+Page_Down", "alt+u")
    file = profile.home / "nss" / "config" / "settings.json"
    wait_for(lambda: settings.load(file).commercial_only)
    keys.press("alt+u")
    wait_for(lambda: not settings.load(file).commercial_only)
    keys.press("ctrl+Page_Up", "ctrl+Page_Up", "ctrl+Page_Up")
    keys.pick("alt+e", "/out/stick")
    wait_for(lambda: list((out / "stick").rglob("*.onnx")))
    time.sleep(2)
    keys.into_the_list()
    keys.choose("NAFNet")
    keys.press("alt+r", "alt+r")
    wait_for(lambda: not keys.here(NAFNET))


def without_network(keys: Keys, hub: Any, shoot: Shoot) -> None:
    """The folder brings the model back, and nobody asks the hub; a damaged file is found."""
    asked = len(hub.requests)
    keys.pick("alt+i", "/out/stick")
    wait_for(lambda: (keys.verified(NAFNET).get("trial") or {}).get("ok"))
    time.sleep(2)
    shoot("imported")
    assert len(hub.requests) == asked
    stamped = keys.verified(NAFNET)["files"]
    keys.press("alt+a")
    wait_for(lambda: keys.verified(NAFNET)["files"] != stamped)
    time.sleep(2)
    shoot("right")
    damaged = keys.damage(NAFNET)
    keys.press("alt+a")
    wait_for(lambda: damaged in {one["sha256"] for one in keys.verified(NAFNET)["files"].values()})
    time.sleep(2)
    shoot("damaged")


def test_the_panel(stage: Stage) -> None:
    out = stage.folder / "panel-out"
    with stage.mounts("panel", 3.0, {}, padding=PADDING, models=(NAFNET, SCUNET)) as options:
        hub = options.pop("hub")
        own = stage.folder / "own"
        own.mkdir()
        (own / "mine.onnx").write_bytes(MINE)
        (own / "twice.onnx").write_bytes(strangers.enhancer(strangers.Contract(scale=2)))
        options["readonly"][own] = "/own"
        hub.fault("scunet_color_real_psnr.onnx", "flip", at=100)
        hub.fault(".onnx", "slow", at=SPEED)
        gimp = ["sh", "-c", 'exec "$@" >/out/gimp.log 2>&1', "sh", stage.editor.gimp, "-s"]
        with stage.editor.on_display([*gimp, *stage.batch("panel")[:-1]], **options) as inside:
            await_window(inside, "^NSS$", 180)
            models = options["profile"].home / "nss" / "data" / "models"
            time.sleep(4)
            keys = Keys(inside, models)
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

            def shoot(name: str) -> None:
                inside.screenshot(out / f"{name}.png")

            bring_one(keys, shoot)
            carry_about(keys, options["profile"], out)
            without_network(keys, hub, shoot)
            keys.press("alt+l")
            wait_for((out / "found.json").exists)
    found = json.loads((out / "found.json").read_text("utf-8"))
    assert [status for status, _ in found["runs"]] == ["success"] * 3
    before, after = (
        {one["id"]: one["state"] for one in json.loads(found["runs"][place][1])} for place in (0, 2)
    )
    assert (before[NAFNET], after[NAFNET], after["own.mine"]) == ("missing", "bad", "installed")
    own = found["own"]
    assert own["name"] == "Photo · Denoise · your model My denoiser"
    model = own["receipt"]["model"]
    assert (own["receipt"]["path"], model["file"]) == ("byo", "mine.onnx")
    assert model["sha256"] == hashlib.sha256(MINE).hexdigest()
    source, result = (
        np.frombuffer((out / own[name]).read_bytes(), np.uint8).reshape(HEIGHT, WIDTH, 4)
        for name in ("source", "result")
    )
    expected = np.clip(strangers.expected_enhanced(source[..., :3] / 255), 0, 1) * 255
    assert np.abs(result[..., :3] - expected).max() <= 0.51
    log = (out / "gimp.log").read_text("utf-8", "replace")
    # A key's release may reach a window that its press has closed.
    lines = [line for line in log.splitlines() if "WIDGET_REALIZED_FOR_EVENT" not in line]
    assert not [line for line in lines if "Traceback" in line or "Gtk-CRITICAL" in line], log
