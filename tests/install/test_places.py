"""Are the editors found wherever their kinds of installation keep things, on every system?"""

from __future__ import annotations

from pathlib import Path

import pytest

from shared_core.install.places import Gimp, Krita, Machine, gimps, kritas


def machine(home: Path, system: str, programs: tuple[str, ...] = (), **env: str) -> Machine:
    def program(name: str) -> str | None:
        return f"/usr/bin/{name}" if name in programs else None

    return Machine(env, home, system, home / "root", program)


def make(*folders: Path) -> None:
    for folder in folders:
        folder.mkdir(parents=True)


def test_nothing_is_found_where_there_is_nothing(tmp_path: Path) -> None:
    for system in ("linux", "win32", "darwin"):
        found = machine(tmp_path, system, PROGRAMFILES=str(tmp_path))
        assert kritas(found) == [] and gimps(found) == []


def test_linux_native_flatpak_and_snap(tmp_path: Path) -> None:
    make(
        tmp_path / ".var/app/org.kde.krita",
        tmp_path / "snap/krita/12",
        tmp_path / ".config/GIMP/3.0",
        tmp_path / ".config/GIMP/3.2",
        tmp_path / ".config/GIMP/2.10",
        tmp_path / ".config/GIMP-AppImage/3.0",
        tmp_path / ".var/app/org.gimp.GIMP/config/GIMP/3.2",
        tmp_path / "snap/gimp/current/.config/GIMP/3.0",
    )
    (tmp_path / "snap/krita/current").symlink_to("12")
    here = machine(tmp_path, "linux", ("krita", "gimp"))
    assert kritas(here) == [
        Krita("Krita", tmp_path / ".local/share/krita", tmp_path / ".config/kritarc"),
        Krita(
            "Krita from Flatpak",
            tmp_path / ".var/app/org.kde.krita/data/krita",
            tmp_path / ".var/app/org.kde.krita/config/kritarc",
            sandboxed=True,
        ),
        Krita(
            "Krita from Snap",
            tmp_path / "snap/krita/current/.local/share/krita",
            tmp_path / "snap/krita/current/.config/kritarc",
            sandboxed=True,
        ),
    ]
    assert [(found.title, found.sandboxed) for found in gimps(here)] == [
        ("GIMP 3.0", False),
        ("GIMP 3.2", False),
        ("GIMP from an AppImage 3.0", False),
        ("GIMP from Flatpak 3.2", True),
        ("GIMP from Snap 3.0", True),
    ]


def test_a_flatpak_alone_shares_gimps_folder_and_has_its_own_home(tmp_path: Path) -> None:
    make(tmp_path / ".config/GIMP/3.0", tmp_path / ".var/app/org.gimp.GIMP")
    assert gimps(machine(tmp_path, "linux")) == [
        Gimp("GIMP 3.0", tmp_path / ".config/GIMP/3.0", sandboxed=True)
    ]


def test_xdg_folders_count(tmp_path: Path) -> None:
    make(tmp_path / "data/krita", tmp_path / "config/GIMP/3.0")
    here = machine(
        tmp_path,
        "linux",
        XDG_DATA_HOME=str(tmp_path / "data"),
        XDG_CONFIG_HOME=str(tmp_path / "config"),
    )
    assert kritas(here) == [Krita("Krita", tmp_path / "data/krita", tmp_path / "config/kritarc")]
    assert gimps(here) == [Gimp("GIMP 3.0", tmp_path / "config/GIMP/3.0")]


def test_windows_installer_and_store(tmp_path: Path) -> None:
    roaming, local = tmp_path / "Roaming", tmp_path / "Local"
    store = local / "Packages/49800Krita_dxvzj3ffzkfd4"
    gimp_store = local / "Packages/ABC.GIMP_xyz"
    make(
        tmp_path / "Program Files/Krita (x64)",
        store,
        roaming / "GIMP/3.0",
        gimp_store / "LocalCache/Roaming/GIMP/3.2",
    )
    here = machine(
        tmp_path,
        "win32",
        APPDATA=str(roaming),
        LOCALAPPDATA=str(local),
        PROGRAMFILES=str(tmp_path / "Program Files"),
    )
    inside = store / "LocalCache"
    assert kritas(here) == [
        Krita("Krita", roaming / "krita", local / "kritarc"),
        Krita(
            "Krita from the Microsoft Store",
            inside / "Roaming/krita",
            inside / "Local/kritarc",
            sandboxed=True,
        ),
    ]
    assert [(found.config, found.sandboxed) for found in gimps(here)] == [
        (roaming / "GIMP/3.0", False),
        (gimp_store / "LocalCache/Roaming/GIMP/3.2", True),
    ]


def test_macos(tmp_path: Path) -> None:
    library = tmp_path / "Library"
    make(tmp_path / "root/Applications/krita.app", library / "Application Support/GIMP/3.2")
    here = machine(tmp_path, "darwin")
    assert kritas(here) == [
        Krita("Krita", library / "Application Support/krita", library / "Preferences/kritarc")
    ]
    assert [g.config for g in gimps(here)] == [library / "Application Support/GIMP/3.2"]


@pytest.mark.parametrize(
    ("text", "moved"),
    [
        ("ResourceDirectory={0}\n[python]\na=b\n", True),
        ("theme=dark\nResourceDirectory={0}\n", True),
        ("[other]\nResourceDirectory={0}\n", False),
        ("ResourceDirectory={0}/missing\n", False),
    ],
)
def test_resources_that_were_moved(tmp_path: Path, text: str, moved: bool) -> None:
    elsewhere = tmp_path / "my resources"
    make(elsewhere, tmp_path / ".config", tmp_path / ".local/share/krita")
    (tmp_path / ".config/kritarc").write_text(text.format(elsewhere))
    (found,) = kritas(machine(tmp_path, "linux"))
    assert found.data == (elsewhere if moved else tmp_path / ".local/share/krita")
