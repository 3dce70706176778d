"""Where the editors of this machine keep their plug-ins and settings, however they came here."""

from __future__ import annotations

import os
import re
import shutil
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from shared_core.bridge.language import _


@dataclass(frozen=True)
class Machine:
    """What the search looks at; a test gives it another one."""

    environ: Mapping[str, str]
    home: Path
    system: str = sys.platform
    root: Path = Path("/")
    program: Callable[[str], str | None] = shutil.which

    def folder(self, variable: str, otherwise: Path) -> Path:
        """A folder that a variable of the environment names."""
        return Path(self.environ.get(variable) or otherwise)


def this() -> Machine:
    """The machine that this runs on."""
    return Machine(os.environ, Path.home())


@dataclass(frozen=True)
class Krita:
    """A Krita: its folder for resources and plug-ins, and its settings file.

    ``sandboxed`` when it sees a home of its own, so that its worker must be set up inside.
    """

    title: str
    data: Path
    settings: Path
    sandboxed: bool = False


@dataclass(frozen=True)
class Gimp:
    """A GIMP 3: its configuration folder of one minor version."""

    title: str
    config: Path
    sandboxed: bool = False


def kritas(machine: Machine) -> list[Krita]:
    """Every Krita that is installed here or has been used here."""
    home, found = machine.home, []
    if machine.system == "win32":
        roaming = machine.folder("APPDATA", home / "AppData/Roaming")
        local = machine.folder("LOCALAPPDATA", home / "AppData/Local")
        installed = machine.folder("PROGRAMFILES", Path("C:/Program Files")).glob("Krita*")
        if (roaming / "krita").is_dir() or any(installed):
            found.append(Krita("Krita", roaming / "krita", local / "kritarc"))
        for package in sorted((local / "Packages").glob("*Krita_*")):
            cache = package / "LocalCache"
            inside = cache / "Roaming/krita", cache / "Local/kritarc"
            found.append(Krita(_("Krita from the Microsoft Store"), *inside, sandboxed=True))
    elif machine.system == "darwin":
        data = home / "Library/Application Support/krita"
        if data.is_dir() or (machine.root / "Applications/krita.app").exists():
            found.append(Krita("Krita", data, home / "Library/Preferences/kritarc"))
    else:
        data = machine.folder("XDG_DATA_HOME", home / ".local/share") / "krita"
        settings = machine.folder("XDG_CONFIG_HOME", home / ".config") / "kritarc"
        if data.is_dir() or settings.is_file() or machine.program("krita"):
            found.append(Krita("Krita", data, settings))
        flatpak = home / ".var/app/org.kde.krita"
        if flatpak.is_dir():
            inside = flatpak / "data/krita", flatpak / "config/kritarc"
            found.append(Krita(_("Krita from Flatpak"), *inside, sandboxed=True))
        snap = home / "snap/krita/current"
        if snap.is_dir():
            inside = snap / ".local/share/krita", snap / ".config/kritarc"
            found.append(Krita(_("Krita from Snap"), *inside, sandboxed=True))
    return [_moved(krita) for krita in found]


def _moved(krita: Krita) -> Krita:
    """Krita with its resources where its settings have moved them to."""
    if krita.settings.is_file():
        text = krita.settings.read_text("utf-8", "replace")
        top = f"\n{text}".partition("\n[")[0]
        moved = re.search(r"^ResourceDirectory=(.+)$", top, re.MULTILINE)
        if moved and Path(moved[1].strip()).is_dir():
            return Krita(krita.title, Path(moved[1].strip()), krita.settings, krita.sandboxed)
    return krita


def gimps(machine: Machine) -> list[Gimp]:
    """The configuration folder of every minor version of GIMP 3 that has been started here.

    Where one is not there yet none is made: GIMP would take it for a version that it has moved
    the user's settings to.
    """
    home = machine.home
    if machine.system == "win32":
        roaming = machine.folder("APPDATA", home / "AppData/Roaming")
        local = machine.folder("LOCALAPPDATA", home / "AppData/Local")
        stores = sorted((local / "Packages").glob("*GIMP*"))
        above = [("GIMP", roaming / "GIMP", False)]
        above += [
            (_("GIMP from the Microsoft Store"), store / "LocalCache/Roaming/GIMP", True)
            for store in stores
        ]
    elif machine.system == "darwin":
        above = [("GIMP", home / "Library/Application Support/GIMP", False)]
    else:
        config = machine.folder("XDG_CONFIG_HOME", home / ".config")
        flatpak, snap = home / ".var/app/org.gimp.GIMP", home / "snap/gimp/current"
        above = [("GIMP", config / "GIMP", flatpak.is_dir() and not machine.program("gimp"))]
        above += [(_("GIMP from an AppImage"), config / "GIMP-AppImage", False)]
        above += [(_("GIMP from Flatpak"), flatpak / "config/GIMP", True)]
        above += [(_("GIMP from Snap"), snap / ".config/GIMP", True)]
    return [
        Gimp(f"{title} {folder.name}", folder, sandboxed)
        for title, place, sandboxed in above
        for folder in sorted(place.glob("3.*"))
        if folder.is_dir()
    ]
