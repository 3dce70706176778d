"""Takes the pictures of GIMP for the documentation: `gimp_screens.py PHOTO [FOLDER]`.

Shows the real catalogue, so that the sizes in the pictures are true; downloads nothing.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from gimp_stage import HOME, SCRIPTS, a_stage
from pictured import cut, targets
from test_gimp import await_state, await_window, open_tool

# A narrower status bar would make GIMP show the message in a box.
WIDTH, HEIGHT = 1460, 860
# The edge of the dockable dialogs on the right, and where it goes, so that layers' names fit.
EDGE, WIDER = 1226, 986
# What the window manager draws above a window.
TITLE = 22
SETTLE_SECONDS = 1.5
ALL = slice(0, HEIGHT + TITLE), slice(0, WIDTH)


class Screen:
    """The display with GIMP on it."""

    def __init__(self, inside: Any, folder: Path, target: Path) -> None:
        self._inside = inside
        self._folder = folder
        self._target = target

    def keys(self, *keys: str) -> None:
        """Press each, and give GIMP the time to follow."""
        for key in keys:
            self.do("key", key)
            time.sleep(0.7)

    def do(self, *command: str) -> None:
        """Anything else that xdotool does."""
        self._inside.also(["xdotool", *command])

    def drag(self, start: int, end: int, y: int) -> None:
        """Pull sideways, then take the pointer out of sight."""
        self.do("mousemove", str(start), str(y), "mousedown", "1")
        for x in (start - 10, (start + end) // 2, end):
            self.do("mousemove", str(x), str(y))
            time.sleep(0.2)
        self.do("mouseup", "1", "mousemove", "1590", "990")
        time.sleep(SETTLE_SECONDS)

    def take(self, name: str, rows: slice, columns: slice) -> None:
        """Photograph a part of the screen."""
        screen = self._folder / name
        self._inside.screenshot(screen)
        cut(screen, self._target / name, rows, columns)


def shoot(inside: Any, out: Path, target: Path) -> None:
    """Menu, words, dialog and result, one after the other."""
    screen = Screen(inside, out, target)
    await_state(out, lambda state: state["layers"] == 1, 180)
    window = await_window(inside, "512x512")
    screen.do("windowmove", window, "0", "0")
    screen.do("windowsize", window, str(WIDTH), str(HEIGHT))
    time.sleep(SETTLE_SECONDS)
    screen.drag(EDGE, WIDER, HEIGHT // 2)
    screen.keys("ctrl+shift+j")
    screen.keys("alt+r", "End", "Right")
    screen.take("gimp-menu.png", *ALL)
    screen.keys("Escape", "Escape", "Escape")

    open_tool(inside, "Tags and Description")
    screen.keys("alt+a")
    await_state(out, lambda state: state["words"] == 1, 120)
    found = await_window(inside, "^NSS: Tags and Description")
    screen.do("windowmove", found, "12", "430")
    time.sleep(SETTLE_SECONDS)
    screen.take("gimp-tags.png", *ALL)
    screen.keys("alt+l")

    open_tool(inside, "Remove Background")
    dialog = await_window(inside, "^NSS: Remove Background")
    screen.do("windowmove", dialog, "12", "260")
    time.sleep(SETTLE_SECONDS)
    screen.take("gimp-dialog.png", *ALL)
    screen.keys("alt+a")
    await_state(out, lambda state: state["layers"] == 2, 120)
    # The tool leaves the source in sight; here the picture is to show what was cut out.
    (out / "hide").touch()
    await_state(out, lambda state: state["hidden"])
    time.sleep(SETTLE_SECONDS)
    screen.take("gimp-result.png", *ALL)

    open_tool(inside, "Restore Faces")
    dialog = await_window(inside, "^NSS: Restore Faces")
    screen.do("windowmove", dialog, "12", "120")
    time.sleep(SETTLE_SECONDS)
    screen.take("gimp-consent.png", *ALL)
    screen.keys("Escape")
    (out / "stop").touch()


def main() -> None:
    """Start GIMP and photograph it."""
    photo, target = targets(sys.argv[1:])
    folder = Path(tempfile.mkdtemp(prefix="gimp-screens-"))
    try:
        with a_stage(folder) as stage:
            shutil.copyfile(photo, folder / "pictures" / "astronaut.png")
            profile = stage.profile("screens")
            out = folder / "screens-out"
            gimp = ["sh", "-c", 'exec "$@" >/out/gimp.log 2>&1', "sh", stage.editor.gimp, "-s"]
            with stage.editor.on_display(
                [*gimp, *stage.batch("screens")[:-1]],
                profile=profile,
                binds={out: "/out"},
                readonly={folder / "pictures": "/pictures", SCRIPTS: "/scripts"},
                env={"NSS_HOME": HOME, "HF_HUB_OFFLINE": "1", "PYTHONDONTWRITEBYTECODE": "1"},
            ) as inside:
                shoot(inside, out, target)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
