"""Takes the pictures of the models' windows: `models_pictures.py krita|gimp [FOLDER]`.

Shows the real catalogue, so that sizes and licences in the pictures are true. A local hub sends
zeros of a model's size, slowly: what comes at the end is the error of a file that is not the
right one.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from editors import ensure
from gimp_stage import HOME, SCRIPTS, Hub, a_stage
from pictured import ROOT, cut
from test_gimp import await_window
from test_krita import EDITOR, staged

sys.path.insert(0, str(ROOT))

from shared_core.catalog import cards

MODEL = "nafnet-gopro-opencv"
SPEED = 14_000_000
THEMES = ("dark", "light")
STEPS = ("models", "consent", "progress", "error")
# What the window manager draws around a window.
FRAME, TITLE = 1, 20


def zeros(folder: Path) -> dict[str, str]:
    """A hub's folder with a file of zeros as long as the model's; the hashes it tells of them."""
    card = cards.load(ROOT / "models")[MODEL]
    for file in card.files:
        place = folder / card.repo / card.revision / file.path
        place.parent.mkdir(parents=True)
        with place.open("wb") as made:
            made.truncate(file.size)
    return {Path(file.path).name: file.sha256 for file in card.files}


def krita(folder: Path, hub: Hub, target: Path) -> None:
    """The probe does it all; the window is cut out of its photographs of the display."""
    (folder / "pictures").mkdir()
    with staged(ensure(EDITOR), folder) as stage:
        for theme in THEMES:
            name = {"dark": "Krita dark", "light": "Krita bright"}[theme]
            environment = {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
            found, _, profile = stage.start(
                "models_pictures", {}, environment, setting=f"[theme]\nTheme={name}\n"
            )
            if "error" in found:
                raise SystemExit(found["error"])
            x, y, width, height = found["place"]
            rows = slice(y - TITLE, y + height + FRAME)
            columns = slice(x - FRAME, x + width + FRAME)
            for step in STEPS:
                shot = profile.tmp / "probe" / f"{step}.png"
                cut(shot, target / f"krita-models-{step}-{theme}.png", rows, columns)
            shutil.rmtree(profile.folder, ignore_errors=True)


def gimp(folder: Path, hub: Hub, target: Path) -> None:
    """The panel is opened by a script and used with the keyboard."""
    with a_stage(folder) as stage:
        for theme in THEMES:
            _gimp(stage, f"panel-{theme}", theme, hub, target)


def _gimp(stage: Any, name: str, theme: str, hub: Hub, target: Path) -> None:
    profile = stage.profile(name)
    gimprc = stage.editor.gimp_plug_ins(profile).parent / "gimprc"
    with gimprc.open("a", encoding="utf-8") as file:
        file.write(f"\n(theme-color-scheme {theme})\n")
    out = stage.folder / f"{name}-out"
    gimp = ["sh", "-c", 'exec "$@" >/out/gimp.log 2>&1', "sh", stage.editor.gimp, "-s"]
    with stage.editor.on_display(
        [*gimp, *stage.batch("panel")[:-1]],
        profile=profile,
        binds={out: "/out"},
        readonly={stage.folder / "pictures": "/pictures", SCRIPTS: "/scripts"},
        env={"NSS_HOME": HOME, "HF_ENDPOINT": hub.url, "PYTHONDONTWRITEBYTECODE": "1"},
    ) as inside:
        window = await_window(inside, "^NSS$", 180)
        inside.also(["xdotool", "windowmove", window, "60", "60"])
        models = profile.home / "nss" / "data" / "models"
        keys = _keys(inside)
        time.sleep(25)
        inside.also(["xdotool", "type", "--delay", "80", "NAFNet"])
        time.sleep(1)
        keys("Return")
        shoot = _shooter(inside, window, out, target, theme)
        shoot("models")
        keys("alt+d")
        shoot("consent")
        keys("alt+d")
        while not list((models / ".staging").glob("*.part")):
            time.sleep(0.2)
        time.sleep(3)
        shoot("progress")
        while list((models / ".staging").glob("*.part")):
            time.sleep(0.2)
        time.sleep(3)
        shoot("error")
        keys("alt+l")


def _keys(inside: Any) -> Callable[[str], None]:
    def press(key: str) -> None:
        inside.also(["xdotool", "key", key])
        time.sleep(1.5)

    return press


def _shooter(
    inside: Any, window: str, out: Path, target: Path, theme: str
) -> Callable[[str], None]:
    def shoot(step: str) -> None:
        said = inside.also(["xdotool", "getwindowgeometry", "--shell", window]).stdout
        place = dict(line.split("=") for line in said.split())
        x, y, width, height = (int(place[name]) for name in ("X", "Y", "WIDTH", "HEIGHT"))
        # The frame is counted twice.
        x, y = x - FRAME, y - TITLE
        inside.screenshot(out / f"{step}.png")
        rows = slice(max(0, y - TITLE), y + height + FRAME)
        columns = slice(max(0, x - FRAME), x + width + FRAME)
        cut(out / f"{step}.png", target / f"gimp-models-{step}-{theme}.png", rows, columns)

    return shoot


def main() -> None:
    """Make the pictures of one editor."""
    which, *given = sys.argv[1:]
    target = Path(given[0]) if given else ROOT / "docs" / "pictures"
    folder = Path(tempfile.mkdtemp(prefix="models-pictures-"))
    os.environ["HF_HUB_OFFLINE"] = "0"
    (folder / which).mkdir()
    try:
        declared = zeros(folder / "hub")
        with Hub(folder / "hub") as hub:
            hub.declared |= declared
            hub.fault(".onnx", "slow", at=SPEED)
            {"krita": krita, "gimp": gimp}[which](folder / which, hub, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
