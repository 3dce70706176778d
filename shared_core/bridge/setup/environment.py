"""Where the worker's environments lie, which one is in use, and whether it is whole and current.

Each lies in a folder of its own, numbered, since an environment cannot be moved: its programs hold
their absolute places. A stamp, written last, tells a whole one from the rest of an interrupted
set-up, and `worker.json` names the one in use; both are replaced in one step.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from dataclasses import asdict, dataclass
from enum import Enum
from pathlib import Path

from .. import __version__, codec, wire
from ..files import replace_text
from ..language import packed
from ..paths import Paths, private_folder

STAMP = "nss-environment.json"


@dataclass(frozen=True)
class Stamp:
    """What a whole environment is made of."""

    version: str
    protocol: int
    wheel: str
    flavour: str
    locks: str
    python: str
    note: str = ""


class Condition(str, Enum):
    """FOREIGN: the worker's Python was named by somebody else than this set-up."""

    MISSING = "missing"
    BROKEN = "broken"
    OUTDATED = "outdated"
    NEWER = "newer"
    READY = "ready"
    FOREIGN = "foreign"


@dataclass(frozen=True)
class State:
    """The environment in use, as far as there is one."""

    condition: Condition
    folder: Path | None = None
    stamp: Stamp | None = None

    @property
    def usable(self) -> bool:
        """Whether a worker can be started that understands us."""
        if self.condition is Condition.OUTDATED:
            return self.stamp is not None and self.stamp.protocol == wire.PROTOCOL
        return self.condition in (Condition.READY, Condition.FOREIGN)


def home(paths: Paths) -> Path:
    """The folder of all environments."""
    return paths.data / "environments"


def program(folder: Path) -> Path:
    """The interpreter of an environment."""
    return folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")


def state(paths: Paths, wheel: str = "") -> State:
    """What there is; ``wheel`` is the SHA-256 of the worker that the asking plug-in carries.

    Reads two small files.
    """
    python = _named(paths)
    if python is None:
        return State(Condition.MISSING)
    if home(paths) not in python.parents:
        return State(Condition.FOREIGN if python.is_file() else Condition.MISSING)
    folder = home(paths) / python.relative_to(home(paths)).parts[0]
    stamp = read_stamp(folder)
    if stamp is None or not python.is_file():
        return State(Condition.BROKEN, folder, stamp)
    ours, theirs = comparable(__version__), comparable(stamp.version)
    if theirs > ours and stamp.protocol != wire.PROTOCOL:
        return State(Condition.NEWER, folder, stamp)
    if theirs < ours or (theirs == ours and wheel and wheel != stamp.wheel):
        return State(Condition.OUTDATED, folder, stamp)
    return State(Condition.READY, folder, stamp)


def _named(paths: Paths) -> Path | None:
    with contextlib.suppress(OSError, ValueError, AttributeError):
        python = json.loads(paths.worker_python.read_text("utf-8")).get("python")
        if isinstance(python, str) and python:
            return Path(python)
    return None


def comparable(version: str) -> list[int]:
    """A version as numbers, of which a newer one has the greater."""
    numbers = version.partition("+")[0].split(".")
    return [int("".join(filter(str.isdigit, number)) or 0) for number in numbers]


def read_stamp(folder: Path) -> Stamp | None:
    """The stamp of a whole environment, or None."""
    with contextlib.suppress(OSError, ValueError, wire.WireError):
        return codec.build(Stamp, json.loads((folder / STAMP).read_text("utf-8")))
    return None


def write_stamp(folder: Path, stamp: Stamp) -> None:
    """Declare an environment whole."""
    replace_text(folder / STAMP, json.dumps(packed(asdict(stamp)), indent=1))


def name_worker(paths: Paths, python: Path | str) -> None:
    """From now on the worker is started with this interpreter."""
    private_folder(paths.config)
    replace_text(paths.worker_python, json.dumps({"python": str(python)}, indent=1))


def new_folder(paths: Paths) -> Path:
    """An empty folder for the next environment."""
    above = private_folder(paths.data) and private_folder(home(paths))
    numbers = [int(entry.name) for entry in above.iterdir() if entry.name.isdecimal()]
    folder = above / str(max(numbers, default=0) + 1)
    folder.mkdir()
    return folder


def sweep(paths: Paths) -> list[Path]:
    """Delete all environments but the one in use; those that could not be deleted.

    On Windows that may be one whose Python still runs.
    """
    used = state(paths).folder
    return [
        folder
        for folder in (home(paths).iterdir() if home(paths).is_dir() else ())
        if folder != used and not delete(folder)
    ]


def delete(folder: Path) -> bool:
    """Delete a folder, the stamp first, so that a rest of it counts for nothing."""
    with contextlib.suppress(OSError):
        (folder / STAMP).unlink()
    shutil.rmtree(folder, ignore_errors=True)
    return not folder.exists()


def size(folder: Path) -> int:
    """Bytes that a folder takes."""
    return sum(
        entry.lstat().st_size
        for entry in folder.rglob("*")
        if entry.is_file() and not entry.is_symlink()
    )
