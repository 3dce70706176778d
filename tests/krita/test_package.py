"""What packaging builds: by the rules of Krita's own importer, complete, and the same each time."""

from __future__ import annotations

import configparser
import hashlib
import subprocess
import sys
import zipfile
from pathlib import Path
from xml.etree import ElementTree

import pytest

from shared_core.bridge import toolbox

ROOT = Path(__file__).resolve().parents[2]


def build(out: Path) -> Path:
    command = [sys.executable, str(ROOT / "packaging" / "build.py"), "--out", str(out), "krita"]
    subprocess.run(command, check=True, capture_output=True)
    return out / "nss_krita.zip"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build(tmp_path_factory.mktemp("dist"))


def test_same_bytes_each_time(archive: Path, tmp_path: Path) -> None:
    again = build(tmp_path)
    assert hashlib.sha256(archive.read_bytes()).digest() == (
        hashlib.sha256(again.read_bytes()).digest()
    )


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
    assert list(actions) == ["nss_menu"]


def test_bridge_inside_stands_alone(archive: Path, tmp_path: Path) -> None:
    """Without site-packages and without the checkout, as in an editor's Python."""
    with zipfile.ZipFile(archive) as opened:
        opened.extractall(tmp_path)
    # A stub of the package keeps its own __init__, which needs Krita, out of this.
    code = (
        "import sys, types; sys.path.insert(0, sys.argv[1]);"
        "p = types.ModuleType('nss_krita'); p.__path__ = [sys.argv[1] + '/nss_krita'];"
        "sys.modules['nss_krita'] = p;"
        "from nss_krita.vendored import arena, client, host, paths, receipt, toolbox, wire;"
        "assert paths.__name__ == 'nss_krita.bridge.paths', paths.__name__;"
        "assert paths.appdirs.__name__ == 'nss_krita.bridge._vendor.appdirs';"
        "assert 'numpy' not in sys.modules and 'shared_core' not in sys.modules"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_installed_and_removed(archive: Path, tmp_path: Path) -> None:
    """Into a Krita configuration with other settings, and out again."""
    data, settings = tmp_path / "krita", tmp_path / "kritarc"
    settings.write_text("theme=dark\n[python]\nenable_other=true\n[last]\na=b\n", "utf-8")
    script = [sys.executable, str(ROOT / "packaging" / "install.py"), "krita"]
    where = ["--data", str(data), "--settings", str(settings)]
    for _ in range(2):
        subprocess.run([*script, str(archive), *where], check=True, capture_output=True)
    assert (data / "pykrita/nss_krita/bridge/client.py").is_file()
    assert (data / "pykrita/nss_krita.desktop").is_file()
    assert (data / "actions/nss_krita.action").is_file()
    assert settings.read_text("utf-8") == (
        "theme=dark\n[python]\nenable_nss_krita=true\nenable_other=true\n[last]\na=b\n"
    )
    subprocess.run([*script, "--remove", *where], check=True, capture_output=True)
    assert not list(data.rglob("*nss_krita*"))
    assert settings.read_text("utf-8") == ("theme=dark\n[python]\nenable_other=true\n[last]\na=b\n")
