"""Are the Pythons of a machine found and judged, on every system?"""

from __future__ import annotations

import math
import os
import stat
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge.setup import pythons

GOOD: dict[str, Any] = {
    "program": "/usr/bin/python3",
    "version": [3, 13],
    "implementation": "cpython",
    "platform": "linux-x86_64",
    "machine": "x86_64",
    "libc": "glibc",
    "wide": True,
    "free_threaded": False,
    "ssl": True,
    "brings_pip": True,
}


def test_a_good_one() -> None:
    found = pythons.usable(GOOD)
    assert found == pythons.Python("/usr/bin/python3", (3, 13), "linux-x86_64", True)
    assert found.title == "Python 3.13"


@pytest.mark.parametrize(
    "fault",
    [
        {"version": [3, 10]},
        {"version": [3, 15]},
        {"implementation": "pypy"},
        {"libc": ""},
        {"wide": False},
        {"free_threaded": True},
        {"ssl": False},
        {"platform": "mingw_x86_64_msvcrt_gnu"},
        {"platform": "linux-riscv64"},
        {"platform": "win-arm64", "libc": ""},
        {"platform": "macosx-10.15-x86_64", "libc": "", "version": [3, 14]},
    ],
)
def test_what_our_packages_have_no_wheels_for(fault: dict[str, Any]) -> None:
    assert pythons.usable({**GOOD, **fault}) is None


@pytest.mark.parametrize(
    ("platform", "machine", "place"),
    [
        ("linux-aarch64", "aarch64", "linux-arm64"),
        ("win-amd64", "AMD64", "win-x86_64"),
        ("macosx-11.0-arm64", "arm64", "macosx-arm64"),
        ("macosx-10.9-universal2", "arm64", "macosx-arm64"),
        ("macosx-10.9-universal2", "x86_64", "macosx-x86_64"),
    ],
)
def test_platforms(platform: str, machine: str, place: str) -> None:
    libc = "glibc" if place.startswith("linux") else ""
    found = pythons.usable({**GOOD, "platform": platform, "machine": machine, "libc": libc})
    assert found is not None and found.platform == place


def test_the_best_brings_pip_and_is_the_newest() -> None:
    def made(minor: int, pip: bool) -> pythons.Python:
        return pythons.Python(f"p{minor}", (3, minor), "linux-x86_64", pip)

    assert pythons.best([made(14, False), made(12, True), made(13, True)]) == made(13, True)
    assert pythons.best([made(11, False), made(13, False)]) == made(13, False)
    assert pythons.best([]) is None


def program(place: Path, text: str = "#!/bin/sh\n") -> Path:
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text)
    place.chmod(place.stat().st_mode | stat.S_IXUSR)
    return place


def test_on_linux(tmp_path: Path) -> None:
    """The PATH first, each program once; nothing of the editor's own bundle."""
    (tmp_path / "usr/bin").mkdir(parents=True)
    system = program(tmp_path / "usr/bin/python3.13")
    (tmp_path / "usr/bin/python3").symlink_to("python3.13")
    bundled = program(tmp_path / "mount/usr/bin/python3.12")
    snap = program(tmp_path / "snap/krita/usr/bin/python3")
    own = program(tmp_path / "data/environments/1/bin/python3")
    pyenv = program(tmp_path / "home/.pyenv/versions/3.12.1/bin/python3.12")
    path = (tmp_path / "usr/bin", bundled.parent, snap.parent, own.parent, tmp_path / "nowhere")
    environ = {
        "PATH": os.pathsep.join(map(str, path)),
        "HOME": str(tmp_path / "home"),
        "APPDIR": str(tmp_path / "mount"),
        "SNAP": str(tmp_path / "snap/krita"),
    }
    found = pythons.candidates(environ, "linux", tmp_path, [tmp_path / "data"])
    assert found == [str(system), str(pyenv)]


def test_on_windows(tmp_path: Path) -> None:
    local = program(tmp_path / "Local/Programs/Python/Python313/python.exe")
    shared = program(tmp_path / "Files/Python312/python.exe")
    alias = program(tmp_path / "WindowsApps/python3.exe")
    environ = {
        "PATH": str(alias.parent),
        "LOCALAPPDATA": str(tmp_path / "Local"),
        "PROGRAMFILES": str(tmp_path / "Files"),
    }
    found = pythons.candidates(environ, "win32", tmp_path)
    assert found == [str(alias), str(local), str(shared)]


def test_on_a_mac_apples_stub_is_left_alone(tmp_path: Path) -> None:
    stub = program(tmp_path / "usr/bin/python3")
    brew = program(tmp_path / "opt/homebrew/bin/python3.13")
    official = program(tmp_path / "Library/Frameworks/Python.framework/Versions/3.12/bin/python3")
    environ = {"PATH": str(stub.parent), "HOME": str(tmp_path / "home")}
    assert pythons.candidates(environ, "darwin", tmp_path) == [str(brew), str(official)]


def test_what_windows_has_registered(tmp_path: Path) -> None:
    """A registry in the form that PEP 514 describes."""

    class Key(list[str]):
        def __enter__(self) -> Key:
            return self

        def __exit__(self, *_: object) -> None:
            pass

    keys = {
        (1, r"Software\Python"): ["PythonCore"],
        (1, r"Software\Python\PythonCore"): ["3.12", "3.13", "broken"],
        (1, r"Software\Python\PythonCore\3.12\InstallPath"): ["C:/P312/python.exe"],
        (1, r"Software\Python\PythonCore\3.13\InstallPath"): ["C:/P313/python.exe"],
    }

    class Registry:
        HKEY_CURRENT_USER, HKEY_LOCAL_MACHINE = 1, 2

        def OpenKey(self, hive: int, place: str) -> Key:
            try:
                return Key(keys[hive, place])
            except KeyError:
                raise OSError(place) from None

        def EnumKey(self, key: Key, number: int) -> str:
            if number >= len(key):
                raise OSError("no more")
            return key[number]

        def QueryValueEx(self, key: Key, name: str) -> tuple[str, int]:
            assert name == "ExecutablePath"
            return key[0], 1

    found = pythons.registered(Registry())
    assert found == [Path("C:/P312/python.exe"), Path("C:/P313/python.exe")]


def test_asked_all_at_once_and_waited_for_by_nobody(tmp_path: Path) -> None:
    """Among them one that never answers, one that talks nonsense, and one that is none."""
    hangs = program(tmp_path / "hangs", "#!/bin/sh\nsleep 600\n")
    talks = program(tmp_path / "talks", "#!/bin/sh\necho '[1, 2'\n")
    lies = program(tmp_path / "lies", "#!/bin/sh\necho '{}'\n")
    search = pythons.Search(
        [str(tmp_path / "missing"), str(hangs), str(talks), str(lies), sys.executable]
    )
    search._deadline = math.inf
    assert search.poll() is None
    while len(search._asked) > 1:
        search.poll()
        time.sleep(0.02)
    search._deadline = 0.0
    found = search.poll()
    assert found is not None and len(found) == 1
    # A virtual environment leads to the Python that it was made from.
    assert os.path.realpath(found[0].program) == os.path.realpath(sys._base_executable)  # type: ignore[attr-defined]
    assert found[0].version == sys.version_info[:2]
