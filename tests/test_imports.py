"""Importing any module of ours, or all of them, asks the network for nothing."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.fakes.namespaces import unshared

_IMPORT_ALL = """
import importlib, json, pkgutil, sys
seen = []
def note(event, arguments):
    if event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        if not (len(arguments) > 1 and isinstance(arguments[1], (str, bytes))):
            seen.append(f"{event} {arguments[1:]!r}")
    elif event in ("urllib.Request", "http.client.connect", "ftplib.connect", "smtplib.connect"):
        seen.append(event)
sys.addaudithook(note)
import shared_core
names, left_out = [], []
for module in pkgutil.walk_packages(shared_core.__path__, "shared_core."):
    if module.name.endswith("__main__"):
        continue
    try:
        importlib.import_module(module.name)
    except ImportError as error:
        left_out.append(f"{module.name}: {error}")
        continue
    names.append(module.name)
# What they import late, when it is first needed.
for library in ("numpy", "cv2", "onnxruntime", "huggingface_hub", "tifffile", "tokenizers", "rich"):
    importlib.import_module(library)
from tests.fakes.namespaces import counted
print(json.dumps({"names": names, "left_out": left_out, "seen": seen,
                  "counted": counted() if len(sys.argv) > 1 else {}}))
"""


def test_no_import_uses_the_network() -> None:
    prefix, _ = unshared()
    done = subprocess.run(
        [*prefix, sys.executable, "-c", _IMPORT_ALL, *(["alone"] if prefix else [])],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["names"]) > 150
    # Windows' and macOS' own modules may need what is there alone.
    assert all("windows" in one or "macos" in one for one in found["left_out"]), found["left_out"]
    assert found["seen"] == []
    # What libraries in other languages did, by the kernel's count.
    assert set(found["counted"].values()) <= {0}


@pytest.mark.parametrize(
    "act",
    [
        "socket.create_connection(('127.0.0.1', 9), 1)",
        "socket.getaddrinfo('example.org', 80)",
        "urllib.request.urlopen('http://127.0.0.1:9')",
    ],
)
def test_the_witness_notices_whoever_does(act: str) -> None:
    script = _IMPORT_ALL.replace(
        "import shared_core\n",
        f"import contextlib, shared_core, socket, urllib.request\n"
        f"with contextlib.suppress(OSError):\n    {act}\n",
    ).replace('pkgutil.walk_packages(shared_core.__path__, "shared_core.")', "()")
    prefix, _ = unshared()
    done = subprocess.run(
        [*prefix, sys.executable, "-c", script],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=600,
        check=True,
    )
    assert json.loads(done.stdout)["seen"]
