"""Puts the plug-ins into an editor's folders and takes them out, leaving nothing behind.

Folders that had to be made are remembered, so that only these go again.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _
from ..bridge.paths import Paths, private_folder
from .places import Gimp, Krita
from .plugins import GIMP, GIMP_MAIN, KRITA

_GROUP = "[python]"
_FLAG = f"enable_{KRITA}"


class Ledger:
    """The folders that installing had to make, in a file of the data folder."""

    def __init__(self, paths: Paths) -> None:
        self._file = paths.data / "installed.json"
        self._paths = paths

    def folders(self) -> list[Path]:
        """Those made so far."""
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            return [Path(name) for name in json.loads(self._file.read_text("utf-8"))["folders"]]
        return []

    def make(self, folder: Path) -> None:
        """Make a folder with all above it, and remember which were missing."""
        places = [place for end in (folder, self._paths.data) for place in (end, *end.parents)]
        missing = [place for place in places if not place.exists()]
        folder.mkdir(parents=True, exist_ok=True)
        if missing:
            self._write([*self.folders(), *missing])

    def unmake(self) -> None:
        """Delete those that are empty by now, and forget them."""
        self._write(remove_empty(self.folders()))

    def _write(self, folders: list[Path]) -> None:
        if folders:
            private_folder(self._paths.data)
            names = list(dict.fromkeys(map(str, folders)))
            self._file.write_text(json.dumps({"folders": names}, indent=1), "utf-8")
        else:
            self._file.unlink(missing_ok=True)


def remove_empty(folders: Iterable[Path]) -> list[Path]:
    """Delete the folders that are empty, the innermost first; those that are not."""
    left = []
    for folder in sorted(folders, key=lambda place: len(place.parts), reverse=True):
        try:
            folder.rmdir()
        except FileNotFoundError:
            continue
        except OSError:
            left.append(folder)
    return left


def add_to_krita(place: Krita, files: Mapping[str, bytes], ledger: Ledger) -> None:
    """Install the plug-in as Krita's own importer does, and switch it on.

    Raises ``CouldNotBeDone`` where a folder cannot be written.
    """
    take_from_krita(place)
    with _told(place.data):
        for name, body in files.items():
            folder = "actions" if name.endswith(".action") else "pykrita"
            _put(place.data / folder / name, body, ledger)
        ledger.make(place.settings.parent)
        set_flag(place.settings, True)


def take_from_krita(place: Krita) -> bool:
    """Take the plug-in out; whether it was there."""
    plug_ins = place.data / "pykrita"
    parts = (
        plug_ins / KRITA,
        plug_ins / f"{KRITA}.desktop",
        place.data / "actions" / f"{KRITA}.action",
    )
    there = sum(map(_delete, parts)) > 0
    if place.settings.is_file():
        set_flag(place.settings, False)
    return there


def set_flag(settings: Path, on: bool) -> None:
    """Switch the plug-in on or off in kritarc; every other byte stays as it is.

    A group or a file that would be left empty goes too, since Krita keeps none.
    """
    text = settings.read_bytes().decode("utf-8", "surrogateescape") if settings.is_file() else ""
    end = "\r\n" if "\r\n" in text else "\n"
    whole = not text or text.endswith("\n")
    lines = [
        line for line in text.splitlines(keepends=True) if line.partition("=")[0].strip() != _FLAG
    ]
    bare = [line.strip() for line in lines]
    if on:
        if _GROUP not in bare:
            if lines and not lines[-1].endswith("\n"):
                lines[-1] += end
            lines.append(f"{_GROUP}{end}")
            bare.append(_GROUP)
        lines.insert(bare.index(_GROUP) + 1, f"{_FLAG}=true{end}")
    elif _GROUP in bare and len(lines) < len(text.splitlines()):
        group = bare.index(_GROUP)
        if not any(bare[group + 1 :]) or next(filter(None, bare[group + 1 :])).startswith("["):
            del lines[group]
    # A file whose last line has no end is left like that.
    changed = "".join(lines) if whole else "".join(lines).removesuffix(end)
    if changed:
        settings.write_bytes(changed.encode("utf-8", "surrogateescape"))
    elif settings.is_file() and text:
        settings.unlink()


def add_to_gimp(place: Gimp, files: Mapping[str, bytes], ledger: Ledger) -> None:
    """Install the plug-in's folder; its main file is executable.

    Raises ``CouldNotBeDone`` where a folder cannot be written.
    """
    take_from_gimp(place)
    with _told(place.config):
        for name, body in files.items():
            _put(place.config / "plug-ins" / name, body, ledger)
        main = place.config / "plug-ins" / GIMP_MAIN
        main.chmod(main.stat().st_mode | stat.S_IXUSR | stat.S_IXGRP | stat.S_IXOTH)


def take_from_gimp(place: Gimp) -> bool:
    """Take the plug-in out; whether it was there."""
    return _delete(place.config / "plug-ins" / GIMP)


def _put(file: Path, body: bytes, ledger: Ledger) -> None:
    if not file.parent.is_dir():
        ledger.make(file.parent)
    file.write_bytes(body)


def _delete(part: Path) -> bool:
    if not part.exists() and not part.is_symlink():
        return False
    try:
        if part.is_dir() and not part.is_symlink():
            shutil.rmtree(part)
        else:
            part.unlink()
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "{part} could not be deleted ({reason}). Close the editor, correct the "
                "permissions, and try again.",
                part=part,
                reason=error.strerror or error,
            )
        ) from error
    return True


@contextlib.contextmanager
def _told(place: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "{filename} could not be written ({reason}). Correct the permissions, and try "
                "again.",
                filename=error.filename or place,
                reason=error.strerror or error,
            )
        ) from error
