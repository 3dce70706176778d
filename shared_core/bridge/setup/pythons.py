"""Which Python on this machine can be the base of the worker's environment.

Candidates are asked in processes of their own, all at once, and polled: nothing here waits.
"""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..launch import scrubbed
from . import locks, processes

LOOK_SECONDS = 15.0
_NAMES = ("python3.14", "python3.13", "python3.12", "python3.11", "python3", "python")
_ASK = """
import json, platform, sys, sysconfig
from importlib.util import find_spec
print(json.dumps({
    "program": getattr(sys, "_base_executable", None) or sys.executable,
    "version": sys.version_info[:2],
    "implementation": sys.implementation.name,
    "platform": sysconfig.get_platform(),
    "machine": platform.machine(),
    "libc": platform.libc_ver()[0],
    "wide": sys.maxsize > 2**32,
    "free_threaded": bool(sysconfig.get_config_var("Py_GIL_DISABLED")),
    "ssl": find_spec("_ssl") is not None,
    "brings_pip": bool(find_spec("venv") and find_spec("ensurepip")),
}))
"""


@dataclass(frozen=True)
class Python:
    """A usable interpreter; ``brings_pip`` when its own venv module can install packages.

    ``platform`` is its system with the processor it was built for, as ``locks`` names them.
    """

    program: str
    version: tuple[int, int]
    platform: str
    brings_pip: bool

    @property
    def title(self) -> str:
        """What users are told of it."""
        return f"Python {self.version[0]}.{self.version[1]}"


def usable(answer: Mapping[str, Any]) -> Python | None:
    """The interpreter that gave this answer, or None where our packages have no wheels for it."""
    version = (int(answer["version"][0]), int(answer["version"][1]))
    system, _, built_for = str(answer["platform"]).partition("-")
    built_for = built_for.rpartition("-")[2]
    universal = built_for.startswith("universal")
    place = f"{system}-{processor(str(answer['machine']) if universal else built_for)}"
    fits = (
        answer["implementation"] == "cpython"
        and locks.download_bytes(locks.CPU, place, version) is not None
        and (answer["libc"] == "glibc" or system != "linux")
        and answer["wide"]
        and answer["ssl"]
        and not answer["free_threaded"]
    )
    program = str(answer["program"])
    return Python(program, version, place, bool(answer["brings_pip"])) if fits else None


def processor(name: str) -> str:
    """One name for each kind of processor."""
    lower = name.lower()
    return {"amd64": "x86_64", "aarch64": "arm64"}.get(lower, lower)


def best(found: Iterable[Python]) -> Python | None:
    """One that brings pip before one that does not, then the newest."""
    return max(found, key=lambda p: (p.brings_pip, p.version), default=None)


def candidates(
    environ: Mapping[str, str] | None = None,
    system: str = sys.platform,
    root: Path = Path("/"),
    excluded: Iterable[Path] = (),
) -> list[str]:
    """Programs that may be a Python: on the PATH, registered with Windows, in the usual places.

    Left out is what vanishes with the editor (inside its AppImage or Snap) and what lies below
    ``excluded``. ``root`` stands for the file system's root.
    """
    env = os.environ if environ is None else environ
    gone = [Path(env[name]) for name in ("APPDIR", "SNAP") if env.get(name)]
    gone += excluded
    found: dict[str, str] = {}
    for program in (*_on_path(env, system), *_usual(env, system, root)):
        inside = any(place in program.parents for place in gone)
        # On a Mac without developer tools Apple's own offers to install them, in a dialog.
        apples = system == "darwin" and program == root / "usr/bin/python3"
        if not inside and not apples and program.is_file():
            found.setdefault(os.path.realpath(program), str(program))
    return list(found.values())


def _on_path(env: Mapping[str, str], system: str) -> Iterator[Path]:
    ending = ".exe" if system == "win32" else ""
    for folder in env.get("PATH", "").split(os.pathsep):
        if folder:
            yield from (Path(folder) / f"{name}{ending}" for name in _NAMES)


def _usual(env: Mapping[str, str], system: str, root: Path) -> Iterator[Path]:
    if system == "win32":
        yield from registered()
        for variable, below in (("LOCALAPPDATA", "Programs/Python"), ("PROGRAMFILES", ".")):
            if env.get(variable):
                yield from sorted((Path(env[variable]) / below).glob("Python3*/python.exe"))
        return
    folders = [root / "usr/bin", root / "usr/local/bin", root / "opt/homebrew/bin"]
    frameworks = root / "Library/Frameworks/Python.framework/Versions"
    folders += [folder / "bin" for folder in sorted(frameworks.glob("3.*"), reverse=True)]
    home = Path(env.get("HOME") or Path.home())
    folders += [home / ".local/bin"]
    folders += [folder / "bin" for folder in sorted(home.glob(".pyenv/versions/3.*"))]
    for folder in folders:
        yield from (folder / name for name in _NAMES)


def registered(registry: Any = None) -> list[Path]:
    """The interpreters that Windows knows of, as the py launcher finds them (PEP 514)."""
    if registry is None:
        try:
            import winreg as registry  # type: ignore[no-redef,unused-ignore]
        except ImportError:
            return []
    found = []
    for hive in (registry.HKEY_CURRENT_USER, registry.HKEY_LOCAL_MACHINE):
        for company in _keys(registry, hive, r"Software\Python"):
            for tag in _keys(registry, hive, rf"Software\Python\{company}"):
                place = rf"Software\Python\{company}\{tag}\InstallPath"
                with contextlib.suppress(OSError), registry.OpenKey(hive, place) as key:
                    found.append(Path(registry.QueryValueEx(key, "ExecutablePath")[0]))
    return found


def _keys(registry: Any, hive: Any, place: str) -> list[str]:
    names: list[str] = []
    with contextlib.suppress(OSError), registry.OpenKey(hive, place) as key:
        while True:
            names.append(registry.EnumKey(key, len(names)))
    return names


class Search:
    """Asks candidates what they are, each in a process of its own."""

    def __init__(self, programs: Iterable[str]) -> None:
        self._deadline = time.monotonic() + LOOK_SECONDS
        self._asked: list[subprocess.Popen[bytes]] = []
        self._found: list[Python] = []
        for program in programs:
            with contextlib.suppress(OSError):
                self._asked.append(
                    subprocess.Popen(
                        [program, "-I", "-c", _ASK],
                        stdin=subprocess.DEVNULL,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.DEVNULL,
                        env=scrubbed(os.environ),
                        start_new_session=os.name != "nt",
                        creationflags=processes.FLAGS,
                    )
                )

    def poll(self) -> list[Python] | None:
        """The usable ones, or None while some have not answered yet."""
        if time.monotonic() > self._deadline:
            self.stop()
        for process in [p for p in self._asked if p.poll() is not None]:
            self._asked.remove(process)
            # An answer is far shorter than what a pipe holds.
            said, _ = process.communicate()
            with contextlib.suppress(ValueError, KeyError, TypeError, IndexError):
                answer = usable(json.loads(said))
                if answer is not None and answer not in self._found:
                    self._found.append(answer)
        return None if self._asked else self._found

    def stop(self) -> None:
        """End those that do not answer."""
        for process in self._asked:
            processes.end(process)
            if process.stdout is not None:
                process.stdout.close()
        self._asked = []


def answers(programs: Iterable[str]) -> list[Python]:
    """What these programs are, waited for; those that are usable."""
    search = Search(programs)
    while (found := search.poll()) is None:
        time.sleep(0.02)
    return found


def find(excluded: Iterable[Path] = ()) -> list[Python]:
    """All usable ones of this machine, waited for."""
    return answers(candidates(excluded=excluded))
