"""Does an editor's guide lead from nothing to a worker, and does it never leave half of one?

The editor is a Python of its own (3.10 where there is one) with the built plug-in; the set-up is
the real process, the packages are tiny ones.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from workshop import Workshop, this_python, uv_wheel, worker, write_locks

from shared_core.bridge.paths import Paths
from shared_core.bridge.setup import advice, environment
from shared_core.bridge.setup.environment import Condition
from shared_core.install import plugins

ROOT = Path(__file__).resolve().parents[3]
ORT = "tiny_ort-1.0-py3-none-any.whl"


class Editor:
    """A plug-in in an editor, for one user."""

    def __init__(self, shop: Workshop) -> None:
        self.folder = shop.folder / "krita"
        name, body = worker()
        for place, content in plugins.krita(plugins.Wheel(name, body)).items():
            file = self.folder / place
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
        requirements = self.folder / "nss_krita/bridge/setup/requirements"
        shutil.copytree(shop.parts.locks, requirements, dirs_exist_ok=True)
        self.programs = [sys.executable]

    def start(self, *steps: list[Any]) -> subprocess.Popen[str]:
        python = shutil.which("python3.10") or sys.executable
        if subprocess.run([python, "--version"], capture_output=True, check=False).returncode:
            python = sys.executable
        return subprocess.Popen(
            [
                python,
                str(Path(__file__).parent / "editor.py"),
                str(self.folder / "nss_krita"),
                json.dumps(steps),
                json.dumps(self.programs),
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *steps: list[Any]) -> list[Any]:
        """The views that it wrote. No poll may have held it up."""
        said, wrong = self.start(*steps).communicate(timeout=600)
        assert not wrong, wrong
        *views, end = [json.loads(line) for line in said.splitlines()]
        assert end["slowest"] < 5.0
        return views


@pytest.fixture
def editor(workshop: Workshop, monkeypatch: pytest.MonkeyPatch) -> Editor:
    # The base of this test's Python has pip; uv is quicker, and the guide goes by the answer.
    made = Editor(workshop)
    answers = made.folder / "nss_krita/bridge/setup/pythons.py"
    text = answers.read_text("utf-8")
    quick = text.replace('bool(find_spec("venv") and find_spec("ensurepip"))', "False")
    assert quick != text
    answers.write_text(quick, "utf-8")
    return made


def labels(view: Any) -> list[str]:
    return [action["label"] for action in view["actions"]]


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_from_nothing_to_a_worker_and_away_again(editor: Editor, where: Paths) -> None:
    before, after, gone = editor.run(["wait"], ["install"], ["wait"], ["remove"], ["wait"])
    assert before["title"] == "Set up the worker" and not before["usable"]
    assert this_python(False).title in before["text"]
    assert any("python" in action["help"] for action in before["actions"])
    assert "127.0.0.1" in before["text"]
    assert labels(before)[0].startswith("Set Up (") and "MB)" in labels(before)[0]
    assert after["title"] == "The worker is ready" and after["usable"]
    assert after["said"] == "The worker is set up."
    assert labels(after)[-1] == "Remove"
    assert not gone["usable"] and "settings" in gone["said"]
    assert environment.state(where).condition is Condition.MISSING


def test_cancelled(editor: Editor, workshop: Workshop, where: Paths) -> None:
    workshop.index.stalls.add(ORT)
    working, after = editor.run(
        ["wait"], ["install"], ["until", "environment"], ["cancel"], ["wait"]
    )[1:]
    assert labels(working) == ["Cancel"]
    assert after["said"] == "Cancelled; nothing was changed." and not after["usable"]
    assert list(environment.home(where).iterdir()) == []


def test_the_editor_is_killed_in_the_middle(
    editor: Editor, workshop: Workshop, where: Paths
) -> None:
    """The set-up hears of it and cleans up by itself."""
    workshop.index.stalls.add(ORT)
    process = editor.start(["wait"], ["install"], ["wait"])
    until(lambda: f"/files/{ORT}" in workshop.index.asked)
    assert list(environment.home(where).iterdir())
    process.send_signal(signal.SIGKILL)
    process.communicate()
    until(lambda: list(environment.home(where).iterdir()) == [])


def test_the_set_up_is_killed_in_the_middle(
    editor: Editor, workshop: Workshop, where: Paths
) -> None:
    """The editor is told; what is left counts for nothing and goes at the next try."""
    workshop.index.stalls.add(ORT)
    process = editor.start(["wait"], ["install"], ["wait"])
    until(lambda: f"/files/{ORT}" in workshop.index.asked)
    (pid,) = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    os.kill(int(pid), signal.SIGKILL)
    said, wrong = process.communicate(timeout=600)
    assert not wrong, wrong
    after = json.loads(said.splitlines()[1])
    assert "ended by itself" in after["said"] and not after["usable"]
    assert environment.state(where).condition is Condition.MISSING
    workshop.index.released.set()
    workshop.index.stalls.clear()
    (_, ready) = editor.run(["wait"], ["install"], ["wait"])
    assert ready["usable"]
    assert len(list(environment.home(where).iterdir())) == 1


def test_without_a_python(editor: Editor) -> None:
    """What would be fetched, and from where, is said before anything is."""
    editor.programs = []
    (view,) = editor.run(["wait"])
    assert "there is none on this computer" in view["text"] and "github.com" in view["text"]
    assert labels(view)[0].startswith("Fetch Python") and labels(view)[1] == "Look Again"


def test_a_python_is_fetched_by_uv(
    editor: Editor, workshop: Workshop, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through the seam: a stand-in for uv's own download puts this test's Python there."""
    program, uv = this_python(True).program, pytest.importorskip("uv").find_uv_bin()
    stand_in = workshop.folder / "uv"
    stand_in.write_text(
        "#!/bin/sh\n"
        f'[ "$1 $2" = "python install" ] || exec {uv} "$@"\n'
        'while [ "$1" != --install-dir ]; do shift; done\n'
        f'mkdir -p "$2/cpython-3.13/bin" && ln -s {program} "$2/cpython-3.13/bin/python3"\n'
    )
    name, body = uv_wheel(stand_in)
    workshop.index.files[name] = body
    write_locks(editor.folder / "nss_krita/bridge/setup/requirements", workshop.index.files)
    editor.programs = []
    _, ready = editor.run(["wait"], ["fetch-python"], ["wait"])
    assert ready["usable"] and ready["said"] == "The worker is set up.", ready
    assert (where.data / "python").is_dir() and not (where.data / "uv").exists()
    _, gone = editor.run(["wait"], ["remove"], ["wait"])
    assert not gone["usable"] and not (where.data / "python").exists()


def test_a_server_that_is_not_there(
    editor: Editor, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    _, after = editor.run(["wait"], ["install"], ["wait"])
    assert "127.0.0.1 could not be reached" in after["said"]
    assert labels(after)[0].startswith("Set Up (")


def test_a_card_is_proposed_tried_and_not_used(
    editor: Editor, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the measurement of the machine; what its trial says decides."""
    editor.run(["wait"], ["install"], ["wait"])
    card = {"name": "GeForce", "vendor": "NVIDIA", "usable": True}
    where.profile.write_text(json.dumps({"adapters": [card]}))
    proof = {"CUDAExecutionProvider": {"works": False, "reason": "No driver."}}
    monkeypatch.setenv("NSS_TEST_PROOF", json.dumps(proof))
    proposed, after = editor.run(["wait"], ["flavour:cuda"], ["wait"])
    assert "GeForce can run models by CUDA" in proposed["text"]
    assert labels(proposed)[0].startswith("Use NVIDIA CUDA (")
    assert after["said"].startswith("NVIDIA CUDA is not used: No driver.")
    assert "for the processor" in after["text"]
    monkeypatch.delenv("NSS_TEST_PROOF")
    _, after, back = editor.run(["wait"], ["flavour:cuda"], ["wait"], ["flavour:cpu"], ["wait"])
    assert after["said"] == "The worker is set up with NVIDIA CUDA on card."
    assert "Back to the Processor" in labels(after)
    assert "for the processor" in back["text"]


@pytest.mark.parametrize(
    ("vendors", "system", "ids"),
    [
        (["NVIDIA"], "linux", ["cuda"]),
        (["NVIDIA"], "win32", ["cuda", "directml"]),
        (["AMD"], "win32", ["directml"]),
        (["AMD"], "linux", ["rocm"]),
        (["Intel"], "linux", ["openvino"]),
        (["Intel", "NVIDIA"], "win32", ["cuda", "directml", "openvino"]),
        (["Apple"], "darwin", []),
        (["NVIDIA"], "darwin", []),
        ([], "linux", []),
    ],
)
def test_proposals(tmp_path: Path, vendors: list[str], system: str, ids: list[str]) -> None:
    (tmp_path / "opt/rocm").mkdir(parents=True)
    cards = [{"name": f"{v} card", "vendor": v, "usable": True} for v in vendors]
    cards.append({"name": "llvmpipe", "vendor": "NVIDIA", "usable": False})
    found = advice.proposals({"adapters": cards}, system, tmp_path)
    assert [proposal.id for proposal in found] == ids
    assert advice.proposals({"adapters": cards}, "linux", tmp_path / "no") == [
        p for p in advice.proposals({"adapters": cards}, "linux", tmp_path) if p.id != "rocm"
    ]


def test_a_plug_in_without_a_worker_says_so(editor: Editor) -> None:
    shutil.rmtree(editor.folder / "nss_krita/worker")
    _, after = editor.run(["wait"], ["install"], ["wait"])
    assert "does not carry the worker" in after["said"]
