"""What the worker and the plug-in do, seen from outside: processes, the journal, pixel files."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path

HOME = Path(os.environ["NSS_HOME"])
WORKERS = {"server": "shared_core.worker.server", "runner": "shared_core.worker.runner"}
PLUG_IN = {"plug-in": "plug-ins/nss/nss.py"}
_JOURNAL = HOME / "data" / "journal.json"


def pids(word: str) -> list[int]:
    """The ids of the processes whose command lines hold this."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            with contextlib.suppress(OSError):
                if word in (folder / "cmdline").read_bytes().decode():
                    found.append(int(folder.name))
    return sorted(found)


def processes(words: dict[str, str]) -> dict[str, int]:
    """One process for each of these words, as far as there is one."""
    return {name: found[0] for name, word in words.items() if (found := pids(word))}


def running() -> bool:
    """Whether the worker's journal says that a model is running."""
    if not _JOURNAL.exists():
        return False
    return any(mark["stage"] == "running" for mark in json.loads(_JOURNAL.read_text())["marks"])


def pixel_files() -> int:
    """How many files of pixels there are."""
    return len(list(HOME.rglob("px-*")))
