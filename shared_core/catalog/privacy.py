"""What is kept on this disk, and what was ever contacted: everything that is there is told.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..bridge import contacts
from ..bridge.language import _
from ..bridge.paths import Paths

_MODELS = _("models, your own among them, and what was found out about their files")
# What the things in our folders are, by the beginning of their names.
_KINDS = (
    ("settings", _("your settings")),
    ("worker.json", _("which Python runs the worker")),
    ("journal", _("how fast models run here and which failed: sizes and seconds, no picture")),
    ("contacts", _("this list of what was contacted")),
    ("installed", _("which plug-ins were put where")),
    ("environments", _("the worker's Python packages")),
    ("python", _("a Python for the worker")),
    ("uv", _("an installer, for the time of a set-up")),
    ("profile", _("the measurement of this machine")),
    ("labels", _("numbers that stand for the labels of Tags")),
    ("pixels", _("pictures while a tool works on them; deleted after it")),
    ("worker.log", _("the worker's messages, names of files among them")),
    ("worker.old.log", _("older ones")),
    ("worker-", _("the address of the running worker")),
    ("worker.key", _("the key that lets the editors talk to the worker")),
    ("setup", _("messages of the last set-up")),
    ("krita.log", _("the panel's errors")),
    ("run", _("pictures while a tool works on them, and the running worker's address")),
)


@dataclass(frozen=True)
class Kept:
    """A file or folder of ours: what it is, and how much; ``what`` is "" where nobody knows."""

    path: str
    what: str
    bytes: int
    files: int


def kept(paths: Paths) -> list[Kept]:
    """Everything in our folders, one level deep, and the models where they were moved to."""
    places: dict[Path, None] = {}
    for root in (paths.config, paths.data, paths.cache, paths.runtime):
        places |= dict.fromkeys(_children(root))
    places |= dict.fromkeys([paths.models] if paths.models.exists() else [])
    return [_kept(path, _MODELS if path == paths.models else _what(path)) for path in places]


def data(paths: Paths) -> dict[str, Any]:
    """All of it as JSON data."""
    return {
        "contacts": [asdict(one) for one in contacts.summed(contacts.read(paths))],
        "log": str(contacts.log_of(paths)),
        "kept": [asdict(one) for one in kept(paths)],
    }


def _children(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return


def _what(path: Path) -> str:
    return next((told for name, told in _KINDS if path.name.startswith(name)), "")


def _kept(path: Path, what: str) -> Kept:
    sizes = [file.lstat().st_size for file in _files(path)]
    return Kept(str(path), what, sum(sizes), len(sizes))


def _files(path: Path) -> Iterator[Path]:
    if path.is_symlink() or not path.is_dir():
        yield path
        return
    for entry in path.rglob("*"):
        if entry.is_symlink() or entry.is_file():
            yield entry
