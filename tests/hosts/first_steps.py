"""Takes the first steps of a new user on a bare system, in Krita and in GIMP, and writes them down.

`first_steps.py PHOTO [DOCS] [--only EDITOR ROOT]` starts the editors of the root *bare* (no pip, no
venv module) and of *debian13* (with them) in fresh homes, and does what docs/installation.md tells
a user to do, by the mouse and the keyboard: imports the zip, restarts, sets the worker up over the
network, runs a tool.
Seconds and pictures go into docs/installation.md and docs/pictures.

In Krita a second plug-in tells where things are on the screen; it clicks nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plugged
from editors import Editor, ensure
from pictured import cut
from roots import Inside, Profile
from test_gimp import await_window, open_tool

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from shared_core.bridge import labels  # noqa: E402

DOWNLOADS = "/home/nss/Downloads"
BARE, WITH_VENV = "bare", "debian13"
PATIENCE = 240.0
SETTLE = 1.0
WIDTH, HEIGHT = 1460, 860
# With what the window manager draws above a window.
WHOLE = slice(0, HEIGHT + 22), slice(0, WIDTH)
# Where Krita's window comes up on a screen of this size.
KRITA = slice(146, 956), slice(264, 1338)


@dataclass
class Steps:
    """What was done, and how long each took."""

    done: list[tuple[str, float]] = field(default_factory=list)

    @contextlib.contextmanager
    def step(self, text: str) -> Iterator[None]:
        """Times what is done inside."""
        began = time.monotonic()
        yield
        self.done.append((text, time.monotonic() - began))
        print(f"{self.done[-1][1]:6.1f} s  {text}", flush=True)

    def table(self) -> str:
        """The steps in Markdown."""
        rows = [f"| {n} | {text} | {took:.0f} s |" for n, (text, took) in enumerate(self.done, 1)]
        total = sum(took for _, took in self.done)
        head = ["| | step | took |", "|--:|:--|--:|"]
        return "\n".join([*head, *rows, f"| | **in all** | **{total:.0f} s** |"])


def until(condition: Callable[[], Any], what: str, seconds: float = PATIENCE) -> Any:
    """The condition's value once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise SystemExit(f"Waited {seconds:.0f} s in vain for {what}.")
        time.sleep(0.2)
    return value


@contextlib.contextmanager
def witnessed(inside: Inside) -> Iterator[None]:
    """Keeps a picture of the screen where something goes wrong."""
    try:
        yield
    except BaseException:
        inside.screenshot(Path(tempfile.gettempdir()) / "first-steps-failed.png")
        raise


class Screen:
    """The display with an editor on it, used with mouse and keyboard."""

    def __init__(self, inside: Inside, folder: Path, target: Path | None) -> None:
        self.inside = inside
        self._folder = folder
        self._target = target

    def do(self, *command: str) -> str:
        """Something that xdotool does; what it says."""
        return self.inside.also(["xdotool", *command]).stdout

    def keys(self, *keys: str) -> None:
        """Press each, and give the editor the time to follow."""
        for key in keys:
            self.do("key", key)
            time.sleep(0.5)

    def click(self, x: int, y: int) -> None:
        """Move there as a hand does, and press."""
        self.do("mousemove", str(x - 3), str(y - 2))
        self.do("mousemove", str(x), str(y))
        time.sleep(0.3)
        self.do("click", "1")

    def large(self, title: str) -> None:
        """Give an editor's window the size that the pictures have."""
        for window in windows(self.inside, title):
            self.do("windowmove", window, "0", "0")
            self.do("windowsize", window, str(WIDTH), str(HEIGHT))

    def take(self, name: str, rows: slice = WHOLE[0], columns: slice = WHOLE[1]) -> None:
        """Photograph a part of the screen, for the documentation or to look at."""
        picture = self._folder / name
        self.inside.screenshot(picture)
        if self._target is not None:
            cut(picture, self._target / name, rows, columns)


# ---------------------------------------------------------------- Krita


class Krita(Screen):
    """Krita, with what the probe sees."""

    def __init__(self, inside: Inside, profile: Profile, folder: Path, target: Path | None) -> None:
        super().__init__(inside, folder, target)
        self._file = profile.tmp / "probe" / "eyes.json"

    def seen(self) -> dict[str, Any]:
        """The newest of what is on the screen."""
        with contextlib.suppress(OSError, ValueError):
            return dict(json.loads(self._file.read_text("utf-8")))
        return {"seen": [], "picture": None}

    def find(self, text: str = "", name: str = "", kind: str = "") -> dict[str, Any] | None:
        """The first thing on the screen whose text begins so, with that name and kind."""
        for entry in self.seen()["seen"]:
            fits = entry["text"].startswith(text) and kind in entry["kind"]
            if fits and (not name or entry["name"] == name):
                return dict(entry)
        return None

    def press(self, text: str = "", name: str = "", kind: str = "") -> None:
        """Click the middle of what is found."""
        what = f"{text or name} on the screen"
        entry = until(lambda: self.find(text, name, kind), what, 60)
        x, y, width, height = entry["place"]
        self.click(x + min(width // 2, 60), y + height // 2)
        time.sleep(0.6)

    def menu(self, *titles: str) -> None:
        """Down a menu, entry by entry."""
        for title in titles:
            self.press(title, kind="menu")

    def text(self, name: str) -> str:
        """What a widget of that name says, or nothing."""
        entry = self.find(name=name)
        return str(entry["text"]) if entry else ""


def krita(editor: Editor, folder: Path, photo: Path, target: Path | None) -> Steps:
    """From the zip to a labelled result in Krita."""
    steps = Steps()
    profile = user(editor, folder, photo)
    plug_ins = editor.krita_plug_ins(profile, enable=["nss_probe"])
    shutil.copytree(ROOT / "tests/hosts/krita_probe", plug_ins, dirs_exist_ok=True)
    log = ["sh", "-c", 'exec "$@" >/tmp/krita.log 2>&1', "sh"]
    start: dict[str, Any] = {"profile": profile, "env": {"NSS_PROBE": "eyes"}}
    with editor.on_display([*log, "krita", "--nosplash"], **start) as inside, witnessed(inside):
        screen = Krita(inside, profile, folder, target)
        # Krita's own first start is no part of the installation.
        until(lambda: screen.find("Tools", kind="menu"), "Krita's window")
        time.sleep(3)
        with steps.step("Tools ▸ Scripts ▸ *Import Python Plugin from File…*, `nss_krita.zip`"):
            screen.menu("Tools", "Scripts", "Import Python Plugin from File")
            until(lambda: screen.find(name="fileNameEdit"), "the file dialog", 60)
            screen.do("type", "--delay", "20", f"{DOWNLOADS}/nss_krita.zip")
            time.sleep(0.5)
            screen.keys("Return")
            until((plug_ins / "nss_krita" / "__init__.py").exists, "the import", 60)
            until(lambda: screen.find("Yes", kind="Button"), "Krita's question", 60)
        time.sleep(SETTLE)
        screen.take("install-krita-import.png", slice(140, 660), slice(260, 1320))
        with steps.step("*Enable plugins now?* Yes; quit Krita"):
            screen.press("Yes", kind="Button")
            screen.keys("ctrl+q")
            until(lambda: inside.process.poll() is not None, "Krita's end", 60)
    (profile.tmp / "probe" / "eyes.json").unlink(missing_ok=True)
    began = time.monotonic()
    arguments = ["krita", "--nosplash", f"{DOWNLOADS}/photo.png"]
    with editor.on_display([*log, *arguments], **start) as inside, witnessed(inside):
        screen = Krita(inside, profile, folder, target)
        until(lambda: screen.seen()["picture"], "the photo in Krita")
        steps.done.append(("Start Krita again with a photo", time.monotonic() - began))
        time.sleep(3)
        with steps.step("Filter ▸ NSS ▸ *Remove Background…*: the panel opens and asks to set up"):
            screen.menu("Filter", "NSS", "Remove Background")
            until(lambda: screen.find("Set Up (", kind="Button"), "the guide's button", 60)
        time.sleep(SETTLE)
        screen.take("install-krita-set-up.png", *KRITA)
        with steps.step(f"*{screen.find('Set Up (', kind='Button')['text']}*"):
            screen.press("Set Up (", kind="Button")
            until(lambda: "Fetching" in screen.text("nss_setup_doing"), "a download", 120)
            time.sleep(SETTLE)
            screen.take("install-krita-working.png", *KRITA)
            until(lambda: screen.text("nss_status"), "the end of the set-up", 600)
        print("    ", screen.text("nss_status"))
        with steps.step("The plan for the layer is there"):
            until(lambda: " · " in screen.text("nss_plan"), "a plan", 120)
        time.sleep(SETTLE)
        screen.take("install-krita-ready.png", *KRITA)
        with steps.step("*Apply*: a new layer with its label"):
            screen.press(name="nss_apply")
            until(lambda: screen.seen()["picture"]["receipts"], "a receipt", 240)
        time.sleep(2 * SETTLE)
        screen.take("install-krita-result.png", *KRITA)
        picture = screen.seen()["picture"]
        print("    ", picture["layers"], screen.text("nss_status"))
        assert any(" · Remove Background · " in name for name in picture["layers"]), picture
        screen.keys("ctrl+q")
        time.sleep(SETTLE)
    return steps


# ---------------------------------------------------------------- GIMP


def gimp(editor: Editor, folder: Path, photo: Path, target: Path | None) -> Steps:
    """From the zip to a labelled result in GIMP."""
    steps = Steps()
    profile = user(editor, folder, photo)
    series = editor.gimp_series
    log = ["sh", "-c", 'exec "$@" >/tmp/gimp.log 2>&1', "sh"]
    config = profile.home / ".config" / "GIMP" / series
    with editor.on_display([*log, editor.gimp], profile=profile) as inside, witnessed(inside):
        # GIMP's own first start is no part of the installation, and makes its folders.
        await_window(inside, "GNU Image Manipulation Program|Welcome", 120)
        until(lambda: (config / "pluginrc").exists() or (config / "gimprc").exists(), "GIMP", 120)
        time.sleep(3)
    with steps.step(f"Unpack `nss_gimp.zip` into `~/.config/GIMP/{series}/plug-ins`"):
        unpack(profile.home / "Downloads" / "nss_gimp.zip", config / "plug-ins")
    # The welcome of a new version would come up again, since GIMP was not left in peace.
    editor.gimp_plug_ins(profile)
    worker = profile.home / ".config" / "nss" / "worker.json"
    began = time.monotonic()
    arguments = [editor.gimp, "-s", f"{DOWNLOADS}/photo.png"]
    with editor.on_display([*log, *arguments], profile=profile) as inside, witnessed(inside):
        screen = Screen(inside, folder, target)
        asks = "Keep the Embedded"
        until(lambda: windows(inside, f"photo|{asks}"), "the photo in GIMP", 120)
        if windows(inside, asks):
            screen.keys("Return")
        until(lambda: windows(inside, "photo"), "the photo in GIMP", 120)
        steps.done.append(("Start GIMP with a photo", time.monotonic() - began))
        screen.large("photo")
        time.sleep(3)
        with steps.step("Filters ▸ NSS ▸ *Remove Background…*: the set-up comes first"):
            open_tool(inside, "Remove Background", "^NSS: Set Up")
        dialog = await_window(inside, "^NSS: Set Up", 60)
        screen.do("windowmove", dialog, "12", "120")
        time.sleep(3 * SETTLE)
        screen.take("install-gimp-set-up.png")
        with steps.step("*Set Up*"):
            screen.keys("Return")
            until((profile.home / ".local/share/nss/environments/1/pyvenv.cfg").exists, "a start")
            time.sleep(2 * SETTLE)
            screen.take("install-gimp-working.png")
            until(worker.exists, "the worker", 600)
        time.sleep(3 * SETTLE)
        screen.take("install-gimp-ready.png")
        with steps.step("*Close*: the tool's dialog says what would be done"):
            screen.keys("alt+l")
            dialog = await_window(inside, "^NSS: Remove Background", 60)
        screen.do("windowmove", dialog, "12", "160")
        time.sleep(8)
        screen.take("install-gimp-plan.png")
        result = profile.home / "result.xcf"
        with steps.step("*Apply*: a new layer with its label"):
            screen.keys("alt+a")
            until(lambda: not windows(inside, "^NSS: Remove Background"), "the run", 120)
            until(lambda: title_changed(inside), "the result", 60)
        time.sleep(2 * SETTLE)
        screen.take("install-gimp-result.png")
        screen.keys("ctrl+s")
        await_window(inside, "Save Image", 30)
        screen.keys("ctrl+a")
        screen.do("type", "--delay", "20", "/home/nss/result.xcf")
        screen.keys("Return")
        until(lambda: result.exists() and result.stat().st_size > 1000, "the saved image", 60)
        time.sleep(2)
    found = labels.read(result)
    print("    ", [(one["tool"], one["path"]) for one in found])
    assert found and found[0]["tool"] == "remove-background", found
    return steps


def windows(inside: Inside, title: str) -> list[str]:
    """The visible windows with that title."""
    done = inside.also(["xdotool", "search", "--onlyvisible", "--name", title])
    return done.stdout.split()


def title_changed(inside: Inside) -> bool:
    """Whether the image's window says that it has been changed and has two layers."""
    return bool(windows(inside, r"\*.*photo.*2 layers"))


def unpack(archive: Path, folder: Path) -> None:
    """As a file manager does, with the programs executable."""
    folder.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as opened:
        for entry in opened.infolist():
            place = Path(opened.extract(entry, folder))
            if not entry.is_dir():
                place.chmod(entry.external_attr >> 16 & 0o777)


# ---------------------------------------------------------------- both


def user(editor: Editor, folder: Path, photo: Path) -> Profile:
    """A fresh home with the zips and a photo among the downloads."""
    profile = editor.profile(folder / "user")
    downloads = profile.home / "Downloads"
    downloads.mkdir()
    for name in ("nss_krita.zip", "nss_gimp.zip"):
        shutil.copyfile(folder.parent / "dist" / name, downloads / name)
    shutil.copyfile(photo, downloads / "photo.png")
    return profile


WAYS: dict[str, Callable[[Editor, Path, Path, Path | None], Steps]] = {
    "Krita": krita,
    "GIMP": gimp,
}


def main() -> None:
    """Take the steps; pictures come from the bare root."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("photo", type=Path)
    parser.add_argument("docs", type=Path, nargs="?", default=ROOT / "docs")
    parser.add_argument("--only", nargs=2, metavar=("EDITOR", "ROOT"), help="such as GIMP bare")
    chosen = parser.parse_args()
    page = chosen.docs / "installation.md"
    all_of_them = [(name, root) for root in (BARE, WITH_VENV) for name in WAYS]
    folder = Path(tempfile.mkdtemp(prefix="first-steps-"))
    try:
        plugged.build(folder / "dist")
        for name, root in [tuple(chosen.only)] if chosen.only else all_of_them:
            print(f"{name} on {root}", flush=True)
            place = folder / f"{root}-{name}"
            place.mkdir()
            pictures = chosen.docs / "pictures" if root == BARE else None
            table = WAYS[name](ensure(root), place, chosen.photo, pictures).table()
            page.write_text(filled(page.read_text("utf-8"), f"{name} {root}", table), "utf-8")
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def filled(page: str, name: str, table: str) -> str:
    """The page with a table between its two marks."""
    mark = f"<!-- {name} -->"
    before, _, after = page.split(mark)
    return f"{before}{mark}\n\n{table}\n\n{mark}{after}"


if __name__ == "__main__":
    main()
