"""Does installing change what it must, and does uninstalling leave nothing behind?"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.bridge.errors import CouldNotBeDone
from shared_core.bridge.paths import paths
from shared_core.install import editors, places

ROOT = Path(__file__).resolve().parents[2]
FILES = {
    "nss_krita/__init__.py": b"",
    "nss_krita/bridge/client.py": b"new",
    "nss_krita.desktop": b"[Desktop Entry]",
    "nss_krita.action": b"<x/>",
}
_WORD = st.text("abcXYZäé_ .", min_size=1, max_size=8)
_LINE = st.one_of(
    st.builds("{}={}".format, _WORD, _WORD),
    st.builds("[{}]".format, st.sampled_from(["General", "last", "python2"])),
    st.just("[python]\nenable_other=true"),
    st.just(""),
)


@settings(max_examples=300, deadline=None)
@given(
    lines=st.lists(_LINE, max_size=8),
    end=st.sampled_from(["\n", "\r\n"]),
    whole=st.booleans(),
)
def test_the_flag_goes_in_and_out_of_any_settings(
    tmp_path_factory: pytest.TempPathFactory, lines: list[str], end: str, whole: bool
) -> None:
    """Every other byte stays."""
    file = tmp_path_factory.mktemp("settings") / "kritarc"
    text = "".join(line.replace("\n", end) + end for line in lines)
    # The last line of a file may have no end; then it is not an empty one.
    before = (text if whole or not lines or not lines[-1] else text.removesuffix(end)).encode()
    if before:
        file.write_bytes(before)
    if end.encode() not in before:
        end = "\n"
    editors.set_flag(file, True)
    text = file.read_bytes().decode()
    group = text.split(f"[python]{end}", 1)[1]
    assert group.splitlines()[0] == "enable_nss_krita=true"
    editors.set_flag(file, True)
    assert file.read_bytes().decode() == text
    editors.set_flag(file, False)
    assert (file.read_bytes() if file.exists() else b"") == before


def test_bytes_that_are_no_text_stay(tmp_path: Path) -> None:
    file = tmp_path / "kritarc"
    file.write_bytes(b"name=\xff\xfe\n")
    editors.set_flag(file, True)
    editors.set_flag(file, False)
    assert file.read_bytes() == b"name=\xff\xfe\n"


def test_an_upgrade_leaves_no_old_module(tmp_path: Path) -> None:
    krita = places.Krita("Krita", tmp_path / "krita", tmp_path / "kritarc")
    ledger = editors.Ledger(paths({"NSS_HOME": str(tmp_path / "nss")}))
    editors.add_to_krita(krita, {**FILES, "nss_krita/old.py": b""}, ledger)
    editors.add_to_krita(krita, FILES, ledger)
    there = [p.relative_to(tmp_path / "krita") for p in (tmp_path / "krita").rglob("*.*")]
    assert sorted(map(str, there)) == [
        "actions/nss_krita.action",
        "pykrita/nss_krita.desktop",
        "pykrita/nss_krita/__init__.py",
        "pykrita/nss_krita/bridge/client.py",
    ]


def test_only_folders_that_were_made_go_again(tmp_path: Path) -> None:
    (tmp_path / "krita/pykrita").mkdir(parents=True)
    (tmp_path / "GIMP/3.0").mkdir(parents=True)
    krita = places.Krita("Krita", tmp_path / "krita", tmp_path / "config/kritarc")
    gimp = places.Gimp("GIMP", tmp_path / "GIMP/3.0")
    before = snapshot(tmp_path)
    ledger = editors.Ledger(paths({"NSS_HOME": str(tmp_path / "nss")}))
    editors.add_to_krita(krita, FILES, ledger)
    editors.add_to_gimp(gimp, {"nss/nss.py": b"#!", "nss/bridge/a.py": b""}, ledger)
    main = tmp_path / "GIMP/3.0/plug-ins/nss/nss.py"
    assert os.access(main, os.X_OK)
    (tmp_path / "GIMP/3.0/plug-ins/another").mkdir()
    assert editors.take_from_krita(krita) and editors.take_from_gimp(gimp)
    assert not editors.take_from_krita(krita) and not editors.take_from_gimp(gimp)
    ledger.unmake()
    # What somebody else put there meanwhile keeps its folder; the ledger keeps that in mind.
    after = snapshot(tmp_path)
    kept = {"GIMP/3.0/plug-ins", "GIMP/3.0/plug-ins/another", "nss", "nss/data"}
    assert set(after) - set(before) == kept | {"nss/data/installed.json"}
    (tmp_path / "GIMP/3.0/plug-ins/another").rmdir()
    left = editors.remove_empty(ledger.folders())
    assert left == [tmp_path / "nss/data", tmp_path / "nss"]


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "krita").mkdir(mode=0o500)
    krita = places.Krita("Krita", tmp_path / "krita", tmp_path / "kritarc")
    ledger = editors.Ledger(paths({"NSS_HOME": str(tmp_path / "nss")}))
    with pytest.raises(CouldNotBeDone, match="pykrita could not be written"):
        editors.add_to_krita(krita, FILES, ledger)


def test_a_file_in_the_way_is_told(tmp_path: Path) -> None:
    (tmp_path / "krita").write_bytes(b"")
    krita = places.Krita("Krita", tmp_path / "krita", tmp_path / "kritarc")
    ledger = editors.Ledger(paths({"NSS_HOME": str(tmp_path / "nss")}))
    with pytest.raises(CouldNotBeDone, match="could not be written"):
        editors.add_to_krita(krita, FILES, ledger)


def snapshot(folder: Path) -> dict[str, tuple[int, bytes | None]]:
    """Every file with its mode and its bytes, and every folder with its mode."""
    return {
        str(entry.relative_to(folder)): (
            entry.stat().st_mode,
            entry.read_bytes() if entry.is_file() else None,
        )
        for entry in sorted(folder.rglob("*"))
    }


def nss(home: Path, *arguments: str, code: int = 0) -> str:
    kept = {"PATH": f"{home.parent}/bin:/usr/bin:/bin", "HOME": str(home), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [sys.executable, "-m", "shared_core.cli", *arguments],
        env=kept | {"XDG_RUNTIME_DIR": str(home.parent / "runtime"), "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def test_the_home_is_as_it_was(tmp_path: Path) -> None:
    """`nss install --all`, twice, then `nss uninstall`: the same files with the same bytes."""
    home = tmp_path / "home"
    (tmp_path / "runtime").mkdir(mode=0o700)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin/gimp").write_text("#!/bin/sh\n")
    (tmp_path / "bin/gimp").chmod(0o755)
    for folder in (
        ".config/GIMP/3.0/plug-ins/other",
        ".config/GIMP/3.2",
        ".local/share/krita/pykrita/other",
        ".var/app/org.kde.krita/config",
        ".var/app/org.gimp.GIMP/config/GIMP/3.0",
    ):
        (home / folder).mkdir(parents=True)
    (home / ".config/kritarc").write_text("theme=dark\n[python]\nenable_other=true\n[a]\nb=c\n")
    (home / ".var/app/org.kde.krita/config/kritarc").write_text("theme=dark\n")
    (home / ".config/GIMP/3.0/pluginrc").write_text("(query)\n")
    before = snapshot(home)
    said = nss(home, "install", "--all")
    for place in (
        ".local/share/krita/pykrita/nss_krita/bridge/client.py",
        ".var/app/org.kde.krita/data/krita/pykrita/nss_krita.desktop",
        ".config/GIMP/3.0/plug-ins/nss/nss.py",
        ".config/GIMP/3.2/plug-ins/nss/nss.py",
        ".var/app/org.gimp.GIMP/config/GIMP/3.0/plug-ins/nss/bridge/wire.py",
        ".config/nss/worker.json",
    ):
        assert (home / place).is_file(), place
    assert said.count("guide you through") == 2, said
    flags = (home / ".var/app/org.kde.krita/config/kritarc").read_text()
    assert flags == "theme=dark\n[python]\nenable_nss_krita=true\n"
    nss(home, "install", "krita")
    assert "add --yes" in nss(home, "uninstall", code=2)
    nss(home, "uninstall", "--yes")
    assert snapshot(home) == before
    assert list((tmp_path / "runtime").iterdir()) == []


def test_one_editor_alone(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".config/GIMP/3.0").mkdir(parents=True)
    assert "No Krita was found" in nss(home, "install", "krita", code=3)
    nss(home, "install", "gimp")
    nss(home, "uninstall", "gimp")
    assert not (home / ".config/GIMP/3.0/plug-ins").exists()
    # The worker is still there for others.
    assert (home / ".config/nss/worker.json").is_file()
    assert "photoshop" in nss(home, "install", "photoshop", code=2)
    assert "Name an editor" in nss(home, "install", code=2)
