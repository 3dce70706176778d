"""Puts the built plug-ins into a test user's editors, and names the worker's Python."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from shared_core.bridge.paths import paths  # noqa: E402
from shared_core.bridge.setup import environment  # noqa: E402
from shared_core.install import editors, places  # noqa: E402


def build(out: Path) -> Path:
    """Everything that packaging builds, in ``out``; the wheel."""
    command = [sys.executable, str(ROOT / "packaging" / "build.py"), "--out", str(out)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    (wheel,) = out.glob("*.whl")
    return wheel


def files(archive: Path) -> dict[str, bytes]:
    """What a zip contains."""
    with zipfile.ZipFile(archive) as opened:
        return {n: opened.read(n) for n in opened.namelist() if not n.endswith("/")}


def into_krita(archive: Path, data: Path, settings: Path, home: Path) -> None:
    """Install into the Krita with these folders; ``home`` is the user's NSS_HOME."""
    ledger = editors.Ledger(paths({"NSS_HOME": str(home)}))
    editors.add_to_krita(places.Krita("Krita", data, settings), files(archive), ledger)


def into_gimp(archive: Path, config: Path, home: Path) -> None:
    """Install into the GIMP with this configuration folder."""
    ledger = editors.Ledger(paths({"NSS_HOME": str(home)}))
    editors.add_to_gimp(places.Gimp("GIMP", config), files(archive), ledger)


def name_worker(home: Path, python: str) -> None:
    """Have the worker started with this Python."""
    environment.name_worker(paths({"NSS_HOME": str(home)}), python)
