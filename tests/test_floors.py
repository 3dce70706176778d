"""What an editor's process loads: import-linter sees the packages, this GIMP's loose files too."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = {
    "gimp_plugin/nss": {"gi", "bridge", "shared_core.bridge"},
    "nss_krita": {"krita", "pykrita", "PyQt5", "PyQt6", "shared_core.bridge"},
    "shared_core/bridge": {"appdirs"},
}


@pytest.mark.parametrize("folder", FOLDERS)
def test_an_editors_process_loads_nothing_but_this(folder):
    files = sorted((ROOT / folder).rglob("*.py"))
    assert files
    own = {file.stem for file in files}
    for file in files:
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.level == 0:
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                allowed = FOLDERS[folder]
                known = top in sys.stdlib_module_names or top in allowed or top in own
                assert known or ".".join(name.split(".")[:2]) in allowed, f"{file}: {name}"
