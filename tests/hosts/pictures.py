"""Takes the pictures of the documentation.

`pictures.py PHOTO [--only EDITOR ROOT] [--all FOLDER] [--language CODE]`

Opens the photo in Krita and in GIMP of every test root, dark and light, goes through what a user
sees (plan, consent, progress, error, history, dialog, panel), and writes docs/pictures and the page
that shows them, docs/gallery.md. Only KEPT stays in the repository; ``--all`` has everything
written into a folder too, to be looked at.

The catalogue is the real one, so that sizes and licences are true. What shows a download comes from
a local hub, which sends zeros, slowly: what comes at the end is the error of a file that is not the
right one.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from editors import Editor, ensure
from gimp_stage import HOME, SCRIPTS, Hub, a_stage
from gimp_stage import Stage as GimpStage
from pictured import ROOT, cut
from test_gimp import await_state, await_window, open_tool
from test_krita import staged

sys.path.insert(0, str(ROOT))

from shared_core.catalog import cards

PAGE = ROOT / "docs" / "gallery.md"
PICTURES = ROOT / "docs" / "pictures"
ROOTS = ("debian13", "testing", "krita6")
THEMES = ("dark", "light")
MODEL = "nafnet-gopro-opencv"
BYTES_PER_SECOND = 14_000_000
# What is seen of each editor, in the order of the page.
SCENES = {
    "Krita": {
        "menu": "Filter ▸ NSS",
        "result": "After Remove Background: the new layer with its mask, and the panel",
        "docker": "The panel, with the plan before the click",
        "consent": "Consent to a download",
        "progress": "Progress of a download",
        "error": "A file that is not the right one; *real only* was asked for",
        "history": "The receipts of the document, one of them in full",
        "models": "The models",
    },
    "GIMP": {
        "menu": "Filters ▸ NSS",
        "result": "After Remove Background: the new layer with its layer mask, and the message",
        "dialog": "A tool's dialog, with the plan before the click",
        "consent": "Consent to a download",
        "models": "The panel: models",
        "progress": "Progress of a download",
        "error": "A file that is not the right one",
        "history": "The panel: the receipts of the image",
        "settings": "The panel: settings",
    },
}
WHOLE_WINDOW = ("menu", "result")
# Where the menu is.
MENU = {"Krita": (0, 4, 840, 700), "GIMP": (370, 0, 490, 830)}
# What the window manager draws around a window.
FRAME, TITLE = 1, 20
Place = tuple[int, int, int, int]


def kept(editor: str, root: str, scene: str, theme: str) -> bool:
    """Whether a picture stays in the repository: one of the whole window is large."""
    if "-" in theme:
        return scene in ("dialog", "docker", "consent")
    if scene in WHOLE_WINDOW:
        return root == "debian13" and theme == "dark"
    return root == "debian13" or (scene not in ("models", "settings"))


class Album:
    """The pictures as they are taken, in English or in ``language``, then dark alone."""

    def __init__(self, every: Path | None, language: str) -> None:
        self._every, self.language = every, language
        self.themes = THEMES[:1] if language else THEMES

    def named(self, theme: str) -> str:
        """What tells the pictures of a theme apart."""
        return f"{theme}-{self.language}" if self.language else theme

    def add(self, name: tuple[str, str, str, str], screen: Path, place: Place) -> None:
        """Cut one out of a photograph of the screen; ``name`` is editor, root, scene, theme."""
        editor, _, scene, _ = name
        x, y, width, height = MENU[editor] if scene == "menu" else place
        rows, columns = slice(max(0, y), y + height), slice(max(0, x), x + width)
        places = [self._every, PICTURES if kept(*name) else None]
        first, *others = [folder / file_name(*name) for folder in places if folder] or [None]
        if first is not None:
            cut(screen, first, rows, columns)
        for other in others:
            shutil.copyfile(first, other)


def file_name(editor: str, root: str, scene: str, theme: str) -> str:
    """A picture's file; a theme in another language is called *dark-de*."""
    return f"{editor.lower()}-{root}-{scene}-{theme}.png"


def in_language(language: str) -> dict[str, str]:
    """What has a plug-in speak a language, as the editor's own setting does."""
    return {"NSS_LANGUAGE": language} if language else {}


def framed(place: Place) -> Place:
    """With what the window manager draws around it."""
    x, y, width, height = place
    return x - FRAME, y - TITLE, width + 2 * FRAME, height + TITLE + FRAME


# ---------------------------------------------------------------- Krita


def krita(editor: Editor, folder: Path, photo: Path, hub: Hub, album: Album) -> None:
    """The probe goes through it all, once for each theme."""
    (folder / "pictures").mkdir()
    shutil.copyfile(photo, folder / "pictures" / "photo.png")
    with staged(editor, folder) as stage:
        for theme in album.themes:
            name = {"dark": "Krita dark", "light": "Krita bright"}[theme]
            environment = {"HF_HUB_OFFLINE": "1", "NSS_GALLERY_HUB": hub.url}
            found, done, profile = stage.start(
                "gallery",
                {},
                environment | in_language(album.language),
                setting=f"[theme]\nTheme={name}\n",
            )
            if not found.get("done"):
                raise SystemExit(found.get("error", done.stderr[-2000:]))
            for scene, place in found["places"].items():
                shot = profile.tmp / "probe" / f"{scene}.png"
                window = scene in (*WHOLE_WINDOW, "models")
                album.add(
                    ("Krita", editor.name, scene, album.named(theme)),
                    shot,
                    framed(tuple(place)) if window else tuple(place),
                )
            shutil.rmtree(profile.folder, ignore_errors=True)


# ---------------------------------------------------------------- GIMP

# A narrower status bar would make GIMP show the message in a box.
WIDTH, HEIGHT = 1460, 860
# The edge of the dockable dialogs on the right, and where it goes, so that layers' names fit.
EDGE, WIDER = 1226, 986
# Where the panel's tabs are once it is beside the picture.
TABS = {"history": (172, 98), "settings": (235, 98)}
SETTLE_SECONDS = 1.5
MEASURING_SECONDS = 25


class Gimp:
    """The display with GIMP on it, used with the keyboard."""

    def __init__(self, inside: Any, out: Path, album: Album, name: tuple[str, str]) -> None:
        self._inside, self._out, self._album = inside, out, album
        self._root, self._theme = name

    def do(self, *command: str) -> str:
        """Something that xdotool does; what it says."""
        return str(self._inside.also(["xdotool", *command]).stdout)

    def keys(self, *keys: str) -> None:
        """Press each, and give GIMP the time to follow."""
        for key in keys:
            self.do("key", key)
            time.sleep(SETTLE_SECONDS)

    def click(self, place: tuple[int, int]) -> None:
        """Press the mouse somewhere, then take the pointer out of sight."""
        self.do("mousemove", *map(str, place), "click", "1", "mousemove", "1590", "990")
        time.sleep(2 * SETTLE_SECONDS)

    def laid_out(self) -> None:
        """The window in the corner of the screen, its dialogs wide enough for layers' names."""
        window = await_window(self._inside, "astronaut")
        self.do("windowmove", window, "0", "0")
        self.do("windowsize", window, str(WIDTH), str(HEIGHT))
        time.sleep(SETTLE_SECONDS)
        middle = str(HEIGHT // 2)
        self.do("mousemove", str(EDGE), middle, "mousedown", "1")
        for x in (EDGE - 10, (EDGE + WIDER) // 2, WIDER):
            self.do("mousemove", str(x), middle)
            time.sleep(0.2)
        self.do("mouseup", "1", "mousemove", "1590", "990")
        time.sleep(SETTLE_SECONDS)
        self.keys("ctrl+shift+j")

    def open(self, title: str, window: str = "") -> str:
        """A menu entry's window, beside the picture."""
        window = window or f"^NSS: {title}"
        open_tool(self._inside, title, window)
        return self.beside(window)

    def beside(self, window: str) -> str:
        """A window that has been opened, beside the picture, with all that it has to say."""
        found = await_window(self._inside, window, 60)
        self.do("windowmove", found, "12", "60")
        time.sleep(2 * SETTLE_SECONDS)
        return found

    def take(self, scene: str, window: str = "") -> None:
        """Photograph a window, or all of GIMP."""
        place: Place = (0, 0, WIDTH, HEIGHT + TITLE + FRAME)
        if window:
            said = self.do("getwindowgeometry", "--shell", window)
            told = dict(line.split("=") for line in said.split())
            x, y, width, height = (int(told[part]) for part in ("X", "Y", "WIDTH", "HEIGHT"))
            # The frame is counted twice.
            place = framed((x - FRAME, y - TITLE, width, height))
        shot = self._out / f"{scene}-{self._theme}.png"
        self._inside.screenshot(shot)
        self._album.add(("GIMP", self._root, scene, self._theme), shot, place)


def gimp(editor: Editor, folder: Path, photo: Path, hub: Hub, album: Album) -> None:
    """For each theme a start as it is for a user, and one that fetches from the local hub."""
    with a_stage(folder, editor=editor) as stage:
        shutil.copyfile(photo, folder / "pictures" / "photo.png")
        for theme in album.themes:
            profile = stage.profile(theme)
            gimprc = stage.editor.gimp_plug_ins(profile).parent / "gimprc"
            with gimprc.open("a", encoding="utf-8") as file:
                file.write(f"\n(theme-color-scheme {theme})\n")
            out = stage.folder / f"{theme}-out"
            name = editor.name, album.named(theme)
            offline = {"HF_HUB_OFFLINE": "1", **in_language(album.language)}
            with shown(stage, profile, out, offline) as inside:
                screen = Gimp(inside, out, album, name)
                if album.language:
                    of_a_tool(screen, out)
                    continue
                as_a_user(screen, inside, out)
            (out / "stop").unlink(missing_ok=True)
            (out / "state.json").unlink(missing_ok=True)
            with shown(stage, profile, out, {"HF_ENDPOINT": hub.url}) as inside:
                fetching(Gimp(inside, out, album, name), inside, out, profile)


def shown(stage: GimpStage, profile: Any, out: Path, environment: Mapping[str, str]) -> Any:
    """GIMP with the photo on a display."""
    gimp = ["sh", "-c", 'exec "$@" >/out/gimp.log 2>&1', "sh", stage.editor.gimp, "-s"]
    return stage.editor.on_display(
        [*gimp, *stage.batch("gallery")[:-1]],
        profile=profile,
        binds={out: "/out"},
        readonly={stage.folder / "pictures": "/pictures", SCRIPTS: "/scripts"},
        env={"NSS_HOME": HOME, "PYTHONDONTWRITEBYTECODE": "1", **environment},
    )


def as_a_user(screen: Gimp, inside: Any, out: Path) -> None:
    """Menu, dialog, result, consent and the panel's pages."""
    await_state(out, lambda state: state["layers"] == 1, 180)
    screen.laid_out()
    screen.keys("alt+r", "End", "Right")
    screen.take("menu")
    screen.keys("Escape", "Escape", "Escape")
    screen.take("dialog", screen.open("Remove Background"))
    screen.keys("alt+a")
    await_state(out, lambda state: state["layers"] == 2, 120)
    # The tool leaves the source in sight; here the picture is to show what was cut out.
    (out / "hide").touch()
    await_state(out, lambda state: state["hidden"])
    time.sleep(SETTLE_SECONDS)
    screen.take("result")
    screen.take("consent", screen.open("Restore Faces"))
    screen.keys("Escape")
    panel = screen.open("Panel", "^NSS$")
    # This machine is measured the first time.
    time.sleep(MEASURING_SECONDS)
    screen.take("models", panel)
    for scene, tab in TABS.items():
        screen.click(tab)
        screen.take(scene, panel)
    screen.keys("Escape")
    (out / "stop").touch()


def of_a_tool(screen: Gimp, out: Path) -> None:
    """Dialogs alone: in another language the menu is sorted otherwise."""
    await_state(out, lambda state: state["layers"] == 1, 180)
    screen.laid_out()
    for scene, tool in (("dialog", "remove-background"), ("consent", "restore-faces")):
        (out / "ask").write_text(tool, "utf-8")
        screen.take(scene, screen.beside("^NSS: "))
        screen.keys("Escape")
    (out / "stop").touch()


def fetching(screen: Gimp, inside: Any, out: Path, profile: Any) -> None:
    """A download in the panel, up to the error at its end."""
    await_state(out, lambda state: state["layers"] == 1, 180)
    panel = screen.open("Panel", "^NSS$")
    time.sleep(2 * SETTLE_SECONDS)
    screen.do("type", "--delay", "80", "NAFNet")
    # The second is the consent.
    screen.keys("Return", "alt+d", "alt+d")
    staging = profile.home / "nss" / "data" / "models" / ".staging"
    until(lambda: list(staging.glob("*.part")))
    time.sleep(2 * SETTLE_SECONDS)
    screen.take("progress", panel)
    until(lambda: not list(staging.glob("*.part")))
    time.sleep(2 * SETTLE_SECONDS)
    screen.take("error", panel)
    screen.keys("Escape")
    (out / "stop").touch()


def until(condition: Callable[[], Any], seconds: float = 120) -> None:
    """Wait for something that comes."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("It did not come.")
        time.sleep(0.2)


# ---------------------------------------------------------------- all


def zeros(folder: Path) -> dict[str, str]:
    """A hub's folder with a file of zeros as long as the model's; the hashes it tells of them."""
    card = cards.load(ROOT / "models")[MODEL]
    for file in card.files:
        place = folder / card.repo / card.revision / file.path
        place.parent.mkdir(parents=True)
        with place.open("wb") as made:
            made.truncate(file.size)
    return {Path(file.path).name: file.sha256 for file in card.files}


WAYS: dict[str, Callable[[Editor, Path, Path, Hub, Album], None]] = {"Krita": krita, "GIMP": gimp}


def page() -> str:
    """The page of all pictures that are there."""
    lines = [
        "# What it looks like",
        "Taken by `python tests/hosts/pictures.py PHOTO` in the real editors, dark and light. "
        "What shows a download was fetched from a local hub that sends the wrong bytes on purpose.",
    ]
    for editor, scenes in SCENES.items():
        for root in ROOTS:
            version = ensure(root).versions.get(editor.lower())
            shown = [(scene, *there(editor, root, scene)) for scene in scenes]
            if version is None or not any(files for _, *files in shown):
                continue
            lines.append(f"## {editor} {version}")
            for scene, *files in shown:
                if files:
                    pictures = "\n".join(f"![{editor}, {scene}](pictures/{one})" for one in files)
                    lines.append(f"{scenes[scene]}\n\n{pictures}")
    return "\n\n".join(lines) + "\n"


def there(editor: str, root: str, scene: str) -> Iterator[str]:
    """The pictures of a scene that have been taken."""
    for theme in (*THEMES, "dark-de"):
        name = file_name(editor, root, scene, theme)
        if (PICTURES / name).exists():
            yield name


def main() -> None:
    """Take what was asked for, then write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("--only", nargs=2, metavar=("EDITOR", "ROOT"), help="such as GIMP testing")
    parser.add_argument("--all", type=Path, metavar="FOLDER", help="also for what is not kept")
    parser.add_argument("--language", default="", metavar="CODE", help="such as de; dark alone")
    chosen = parser.parse_args()
    os.environ["HF_HUB_OFFLINE"] = "0"
    folder = Path(tempfile.mkdtemp(prefix="pictures-"))
    album = Album(chosen.all, chosen.language)
    every = [(editor, root) for root in ROOTS for editor in WAYS]
    try:
        declared = zeros(folder / "hub")
        with Hub(folder / "hub") as hub:
            hub.declared |= declared
            hub.fault(".onnx", "slow", at=BYTES_PER_SECOND)
            for name, root in [tuple(chosen.only)] if chosen.only else every:
                editor = ensure(root)
                if name.lower() in editor.versions:
                    place = folder / f"{root}-{name}"
                    place.mkdir()
                    WAYS[name](editor, place, chosen.photo, hub, album)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    PAGE.write_text(page(), "utf-8")


if __name__ == "__main__":
    main()
