"""What packaging builds: by the rules of Krita's own importer, complete, and the same each time."""

from __future__ import annotations

import configparser
import hashlib
import importlib.metadata
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from shared_core.bridge import placement, toolbox
from shared_core.bridge.setup import flow, locks
from shared_core.install import wheels

ROOT = Path(__file__).resolve().parents[2]
NAMES = ("nss_gimp.zip", "nss_krita.zip")


def build(out: Path, root: Path = ROOT, **environment: str) -> Path:
    subprocess.run(
        [sys.executable, str(root / "packaging" / "build.py"), "--out", str(out)],
        check=True,
        capture_output=True,
        env={**os.environ, **environment},
    )
    return out


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def archive(dist: Path) -> Path:
    return dist / "nss_krita.zip"


def test_same_bytes_each_time(dist: Path, tmp_path: Path) -> None:
    """From another folder, at another time of the files, in another time zone and language."""
    copy = tmp_path / "ein anderer Ort"
    kept = shutil.ignore_patterns(".*", "dist", "build", "demo", "__pycache__", "tests", "docs")
    shutil.copytree(ROOT, copy, ignore=kept, copy_function=shutil.copy)
    again = build(tmp_path / "again", copy, TZ="Asia/Tokyo", LC_ALL="C", PYTHONHASHSEED="7")
    assert sorted(f.name for f in again.iterdir()) == sorted(f.name for f in dist.iterdir())
    for file in dist.iterdir():
        assert file.read_bytes() == (again / file.name).read_bytes(), file.name


def test_the_sums_are_of_all_that_is_published(dist: Path) -> None:
    sums = dict(line.split()[::-1] for line in (dist / "SHA256SUMS").read_text().splitlines())
    assert set(sums) == {file.name for file in dist.iterdir()} - {"SHA256SUMS"}
    for name, digest in sums.items():
        assert hashlib.sha256((dist / name).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("name", NAMES)
def test_a_plug_in_carries_its_worker(dist: Path, name: str) -> None:
    """The wheel that was built, and hash-locked requirements for every flavour."""
    (wheel,) = dist.glob("*.whl")
    module = {"nss_gimp.zip": "nss", "nss_krita.zip": "nss_krita"}[name]
    with zipfile.ZipFile(dist / name) as opened:
        assert opened.read(f"{module}/worker/{wheel.name}") == wheel.read_bytes()
        for flavour in locks.FLAVOURS:
            for file in locks.files(flavour.id):
                inside = f"{module}/bridge/setup/requirements/{file.name}"
                assert opened.read(inside) == file.read_bytes()


def test_gimps_main_file_is_executable(dist: Path) -> None:
    with zipfile.ZipFile(dist / "nss_gimp.zip") as opened:
        assert opened.getinfo("nss/nss.py").external_attr >> 16 & 0o111
        assert {name.split("/")[0] for name in opened.namelist()} == {"nss"}


def test_kritas_importer_finds_it(archive: Path) -> None:
    """A .desktop with library and name; folder entry and action file of that name."""
    with zipfile.ZipFile(archive) as opened:
        names = opened.namelist()
        (desktop,) = [name for name in names if name.endswith(".desktop")]
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(opened.read(desktop).decode("utf-8"))
        entry = parser["Desktop Entry"]
        assert entry["ServiceTypes"] == "Krita/PythonPlugin"
        module = entry["X-KDE-Library"]
        assert module == "nss_krita" and entry["Name"]
        assert f"{module}/" in names and f"{module}/__init__.py" in names
        assert f"{module}/{entry['X-Krita-Manual']}" in names
        assert f"{module}.action" in names
        # Whatever lies elsewhere would be dropped.
        kept = (f"{module}/", f"{module}.desktop", f"{module}.action")
        assert all(name.startswith(kept) for name in names)
        assert not [n for n in names if "__pycache__" in n or n.endswith((".pyc", ".onnx"))]


def test_actions_and_manual_come_from_the_toolbox(archive: Path) -> None:
    with zipfile.ZipFile(archive) as opened:
        tree = ElementTree.fromstring(opened.read("nss_krita.action"))
        manual = opened.read("nss_krita/Manual.html").decode("utf-8")
    actions = {action.get("name"): action for action in tree.iter("Action")}
    assert tree.get("version") == "2" and tree.get("name") == "Scripts"
    for tool in toolbox.TOOLS:
        action = actions.pop(f"nss_{tool.id.replace('-', '_')}")
        assert action.findtext("text") == f"{tool.title}…"
        # Binary digits: any other one would silently mean 0.
        assert action.findtext("activationFlags") == "1"
        assert tool.title in manual
        assert all(parameter.help in manual for parameter in tool.parameters)
    for choice in placement.choices(toolbox.Returns.PIXELS):
        assert choice.title in manual and choice.help in manual
    assert actions.pop("nss_export_labelled").findtext("activationFlags") == "1"
    others = ["nss_menu", "nss_models_open", "nss_setup_open", "nss_diagnostics_copy"]
    assert list(actions) == others
    assert {action.findtext("activationFlags") for action in actions.values()} == {"0"}


def test_bridge_inside_stands_alone(archive: Path, tmp_path: Path) -> None:
    """Without site-packages and without the checkout, as in an editor's Python."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    # A stub of the package keeps its own __init__, which needs Krita, out of this.
    code = (
        "import sys, types; sys.path.insert(0, sys.argv[1]);"
        "p = types.ModuleType('nss_krita'); p.__path__ = [sys.argv[1] + '/nss_krita'];"
        "sys.modules['nss_krita'] = p;"
        "from nss_krita.vendored import arena, client, guide, host, paths, receipt, toolbox, wire;"
        "assert 'urllib.request' not in sys.modules and 'zipfile' not in sys.modules;"
        "assert paths.__name__ == 'nss_krita.bridge.paths', paths.__name__;"
        "assert paths.appdirs.__name__ == 'nss_krita.bridge._vendor.appdirs';"
        "assert guide().carried_wheel().name.startswith('nss_krita_gimp-');"
        "assert 'numpy' not in sys.modules and 'shared_core' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_an_installed_package_packs_the_wheel_it_came_in(dist: Path, tmp_path: Path) -> None:
    """So that it can carry itself into a plug-in; the installer's own files stay out."""
    (wheel,) = dist.glob("*.whl")
    target = tmp_path / "site"
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--no-index"]
    subprocess.run([*pip, "--target", str(target), str(wheel)], check=True)
    (installed,) = importlib.metadata.distributions(name="nss-krita-gimp", path=[str(target)])
    packed = wheels.packed(installed)
    file = tmp_path / packed.name
    file.write_bytes(packed.body)
    assert packed.name == wheel.name
    assert flow.Parts(file).digest == flow.Parts(wheel).digest
    with zipfile.ZipFile(file) as ours, zipfile.ZipFile(wheel) as theirs:
        assert sorted(ours.namelist()) == sorted(theirs.namelist())
        assert all(ours.read(name) == theirs.read(name) for name in ours.namelist()[:40])
    again = tmp_path / "again"
    subprocess.run([*pip, "--target", str(again), str(file)], check=True)
