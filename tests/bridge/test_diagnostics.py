"""The text for reports of faults: what is in it, and what must never be."""

from __future__ import annotations

import json
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as trials
from hypothesis import strategies as st

from shared_core.bridge import diagnostics, settings, wire
from shared_core.bridge.diagnostics.redact import redacted
from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.bridge.paths import Paths
from shared_core.bridge.setup import environment
from tests.bridge.shop import rows

HOME = "/home/Ann Smith"
USER = {"HOME": HOME, "USER": "ann.smith"}
PICTURE = "Rome at night.png"


@dataclass
class Worker:
    """A client whose worker says what it is told to say."""

    paths: Paths
    replies: dict[type, Any] = field(default_factory=dict)

    def ask(self, message: Any, reply: type, watcher: Any) -> Any:
        answer = self.replies.get(reply)
        if answer is None:
            raise CouldNotBeDone(f"The worker does not start. The log is {self.paths.log}.")
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    root = tmp_path / "Ann Smith"
    folders = Paths(root / "config", root / "data", root / "cache", root / "run")
    for folder in (folders.config, folders.data, folders.cache):
        folder.mkdir(parents=True)
    return folders


def answered() -> dict[type, Any]:
    """A worker with a measured machine, and a model of the user's own."""
    own = replace(rows.HERE, id="own.rome-at-night", own=True, title="Rome at night")
    profile = {"cpu": {}}
    machine = wire.DoctorReply(profile, {}, "Standard · CPU", "Processor\n  EPYC\nTiers\n  Lite")
    return {
        wire.StatusReply: wire.StatusReply(7, None, 0, None, 3.0, "0.1.0"),
        wire.DoctorReply: machine,
        wire.ModelsReply: rows.reply(rows.HERE, own),
    }


def test_everything_is_in_it(paths: Paths) -> None:
    """Versions, flavour, machine and tier, settings, models, faults, and the end of the logs."""
    settings.change(paths.settings, {"budget": "3 min", "models_folder": str(paths.data / "big")})
    folder = environment.new_folder(paths)
    stamp = environment.Stamp("0.1.0", wire.PROTOCOL, "w", "cuda", "locks", "3.13.5")
    environment.write_stamp(folder, stamp)
    program = environment.program(folder)
    program.parent.mkdir(parents=True)
    program.touch()
    environment.name_worker(paths, program)
    fault = {
        "tool": "deblur",
        "model": "own.rome-at-night",
        "provider": "CUDAExecutionProvider",
        "pixels": 12_000_000,
        "what": "the worker died while Rome at night was running (12.0 MP)",
        "when": "2026-11-30T01:02:03Z",
    }
    paths.journal.write_text(json.dumps({"faults": [fault]}), "utf-8")
    paths.log.write_text(f"old\n\nRuntimeError: no memory for {paths.data}/{PICTURE}\n", "utf-8")
    (paths.cache / "gimp.log").write_text(f"closed “{PICTURE}” at once", "utf-8")
    text = diagnostics.collect(Worker(paths, answered()), "GIMP 3.0.4", ["Rome at night.xcf"])
    for wanted in (
        "in GIMP 3.0.4",
        "ready, 0.1.0, onnxruntime flavour cuda, Python 3.13.5",
        "budget: 3 min",
        "models_folder: another folder",
        "Standard · CPU",
        "EPYC",
        "nafnet: installed, 92 MB",
        "<own model> for deblur: installed",
        "deblur with <own model> on CUDAExecutionProvider from 12000000 pixels",
        "RuntimeError: no memory for <path>",
        "closed “…” at once",
    ):
        assert wanted in text, text
    for secret in ("Ann", "Rome", "rome", "night", str(paths.data), "big"):
        assert secret not in text, text


def test_without_a_worker(paths: Paths) -> None:
    """What is known without it is told, and why it does not answer."""
    paths.settings.write_text("no JSON", "utf-8")
    paths.journal.write_text('{"faults": [7, {"tool": "tags"}]}', "utf-8")
    text = diagnostics.collect(Worker(paths), "Krita 5.2.9")
    assert "Environment of the worker: missing" in text
    assert "No answer: The worker does not start. The log is <path>" in text
    assert "not known, since the worker does not answer" in text
    assert "The settings in <path>" in text and "Ann" not in text
    assert "?: tags with ? on ? from ? pixels: ?" in text


def test_half_an_answer_and_an_end(paths: Paths) -> None:
    """What came before the worker was lost stays; who cancels gets nothing."""
    replies = answered()
    del replies[wire.ModelsReply]
    assert "Standard · CPU" in diagnostics.collect(Worker(paths, replies), "x")
    replies[wire.ModelsReply] = Cancelled("Cancelled.")
    with pytest.raises(Cancelled):
        diagnostics.collect(Worker(paths, replies), "x")


TRACEBACK = f'''Traceback (most recent call last):
  File "{HOME}/nss/lib/python3.13/site-packages/shared_core/worker/runner.py", line 7, in run
    read(path)
  File "{HOME}/secret project/shared_core/engine/session.py", line 9, in read
  File "{HOME}/Rome/x.py", line 1, in <module>
FileNotFoundError: [Errno 2] No such file or directory: '{HOME}/Rome at night/{PICTURE}'
'''


def test_a_traceback_stays_of_use() -> None:
    """Its frames name our own files, the lines, and what went wrong."""
    text = redacted(TRACEBACK, environ=USER)
    assert 'File "shared_core/worker/runner.py", line 7, in run' in text
    assert 'File "shared_core/engine/session.py", line 9' in text
    assert 'File "<path>", line 1' in text
    assert "FileNotFoundError: [Errno 2] No such file or directory: '<path>'" in text
    for secret in ("Ann", "secret", "Rome", "night"):
        assert secret not in text, text


@pytest.mark.parametrize(
    ("line", "left"),
    [
        (f"cannot open {HOME}/Rome/my file of 2 May.tiff: no", "cannot open <path> <file>: no"),
        (r"C:\Users\Ann\Pictures\Rome at night.jpg is gone", "<path> <file> is gone"),
        (r"\\server\share\Rome.exr: no", "<path> no"),
        ("at file:///home/ann/Rome.png", "at <path>"),
        ("~/Rome/x.py, line 3", "<path> line 3"),
        ("E: Rome at night.KRA has no layers", "E: <file> has no layers"),
        ("“Rome” was deleted", "“…” was deleted"),
        ("from https://ann:pw@hub.example:80/a/Rome?token=x", "from https://hub.example"),
        ("token hf_abcdefghijkl failed", "token <token> failed"),
        ("mail ann@example.org", "mail <mail>"),
        ("run by ann.smith on it", "run by <user> on it"),
        ("61.4 GFLOP/s, real/classical, 3 / 4 of 12 MP", None),
        ("onnxruntime 1.32.0 [E:onnxruntime:Default] CUDA failure 35", None),
        ("AttributeError: 'NoneType' object has no attribute 'name'", None),
    ],
)
def test_redacted(line: str, left: str | None) -> None:
    text = redacted(line, environ=USER)
    assert text == (line if left is None else left)
    assert "Rome" not in text


NAME = st.text(st.sampled_from("abzÄé漢 -_.0(9)+&"), min_size=1, max_size=12).map(
    lambda text: f"Q{text}Q"
)
SHAPES = (
    "cannot read {}: damaged",
    "cannot read {}",
    "'{}' is open",
    "“{}” is open",
    "{} was closed meanwhile.",
    "<Image {}>",
    "x={}, y=2",
)


@trials(max_examples=60, deadline=None)
@given(st.sampled_from(SHAPES), st.sampled_from((HOME, r"C:\Users\Ann", "")), NAME)
def test_no_name_of_an_open_picture_is_left(shape: str, folder: str, name: str) -> None:
    """Whatever its name and wherever it lies."""
    whole = f"{folder}/{name}.png" if folder else f"{name}.png"
    text = redacted(shape.format(whole), [f"{name}.png"], USER)
    assert name not in text and "Ann" not in text, text


@trials(max_examples=60, deadline=None)
@given(st.sampled_from(SHAPES), st.text("abzÄé漢 -_.09", min_size=1, max_size=12))
def test_no_name_of_a_picture_is_left(shape: str, name: str) -> None:
    """Also one that nobody named, where only its ending tells it."""
    text = redacted(shape.format(f"Q{name}Q.jpeg"), (), USER)
    assert "Q" not in text, text


def test_long_lines_end() -> None:
    text = redacted("a" * 5000 + "\n" + "/" * 5000, environ=USER)
    assert all(len(line) < 600 for line in text.splitlines())
