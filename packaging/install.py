"""Puts the built plug-ins into an editor's own folders; names the Python that runs the worker.

`python packaging/install.py krita|gimp ZIP …` and `… worker PYTHON`; `--remove` takes them out.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import stat
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from shared_core.bridge.paths import paths  # noqa: E402

MODULE = "nss_krita"
FLAG = f"enable_{MODULE}"


def krita_data() -> Path:
    """Krita's folder for resources and plug-ins."""
    if sys.platform == "win32":
        return Path(os.environ["APPDATA"]) / "krita"
    if sys.platform == "darwin":
        return Path.home() / "Library/Application Support/krita"
    return Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local/share") / "krita"


def krita_settings() -> Path:
    """Krita's settings file."""
    if sys.platform == "win32":
        return Path(os.environ["LOCALAPPDATA"]) / "kritarc"
    if sys.platform == "darwin":
        return Path.home() / "Library/Preferences/kritarc"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "kritarc"


def gimp_folders() -> list[Path]:
    """The configuration folders of every GIMP 3 that this user has started."""
    if sys.platform == "win32":
        base = Path(os.environ["APPDATA"]) / "GIMP"
    elif sys.platform == "darwin":
        base = Path.home() / "Library/Application Support/GIMP"
    else:
        base = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "GIMP"
    return sorted(base.glob("3.*"))


def install_krita(archive: Path, data: Path, settings: Path) -> None:
    """Unpack the plug-in as Krita's importer does, and switch it on."""
    remove_krita(data, settings)
    plug_ins, actions = data / "pykrita", data / "actions"
    plug_ins.mkdir(parents=True, exist_ok=True)
    actions.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as opened:
        for name in opened.namelist():
            if name.endswith(".action"):
                (actions / name).write_bytes(opened.read(name))
            else:
                opened.extract(name, plug_ins)
    set_flag(settings, True)


def remove_krita(data: Path, settings: Path) -> None:
    """Take the plug-in out; models and settings stay."""
    shutil.rmtree(data / "pykrita" / MODULE, ignore_errors=True)
    (data / "pykrita" / f"{MODULE}.desktop").unlink(missing_ok=True)
    (data / "actions" / f"{MODULE}.action").unlink(missing_ok=True)
    if settings.is_file():
        set_flag(settings, False)


def set_flag(settings: Path, on: bool) -> None:
    """Switch the plug-in on or off in kritarc; every other line stays as it is."""
    text = settings.read_text("utf-8") if settings.is_file() else ""
    lines = [line for line in text.splitlines() if line.partition("=")[0].strip() != FLAG]
    if on:
        if "[python]" not in lines:
            lines += ["[python]"]
        lines.insert(lines.index("[python]") + 1, f"{FLAG}=true")
    settings.parent.mkdir(parents=True, exist_ok=True)
    settings.write_text("".join(f"{line}\n" for line in lines), "utf-8")


def install_gimp(archive: Path, config: Path) -> None:
    """Unpack the plug-in's folder below ``config``/plug-ins; its main file becomes executable."""
    remove_gimp(config)
    plug_ins = config / "plug-ins"
    plug_ins.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(plug_ins)
    main_file = plug_ins / "nss" / "nss.py"
    main_file.chmod(main_file.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)
    # GIMP asks a plug-in anew only when this file's time has changed.
    main_file.touch()


def remove_gimp(config: Path) -> None:
    """Take the plug-in out."""
    shutil.rmtree(config / "plug-ins" / "nss", ignore_errors=True)


def set_worker(python: str) -> Path:
    """Name the Python that has the worker installed; where it was written to."""
    file = paths().worker_python
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"python": python}), "utf-8")
    return file


def main() -> None:
    parser = argparse.ArgumentParser(prog="install.py", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    krita = commands.add_parser("krita", help="install the plug-in into Krita")
    krita.add_argument("archive", type=Path, nargs="?", default=ROOT / "dist" / "nss_krita.zip")
    krita.add_argument("--data", type=Path, default=None, help="Krita's resource folder")
    krita.add_argument("--settings", type=Path, default=None, help="Krita's kritarc")
    gimp = commands.add_parser("gimp", help="install the plug-in into GIMP")
    gimp.add_argument("archive", type=Path, nargs="?", default=ROOT / "dist" / "nss_gimp.zip")
    gimp.add_argument("--config", type=Path, action="append", help="a GIMP/3.x folder")
    worker = commands.add_parser("worker", help="name the Python that runs the worker")
    worker.add_argument("python", help="the interpreter that has this package installed")
    for command in (krita, gimp):
        command.add_argument("--remove", action="store_true", help="take it out again")
    chosen = parser.parse_args()
    if chosen.command == "worker":
        print(set_worker(chosen.python))
    elif chosen.command == "krita":
        data, settings = chosen.data or krita_data(), chosen.settings or krita_settings()
        if chosen.remove:
            remove_krita(data, settings)
        else:
            install_krita(chosen.archive, data, settings)
        print(data / "pykrita" / MODULE)
    else:
        folders = chosen.config or gimp_folders()
        if not folders:
            parser.error("no folder of GIMP 3 was found; start GIMP once, or give --config")
        for folder in folders:
            if chosen.remove:
                remove_gimp(folder)
            else:
                install_gimp(chosen.archive, folder)
            print(folder / "plug-ins" / "nss")


if __name__ == "__main__":
    main()
