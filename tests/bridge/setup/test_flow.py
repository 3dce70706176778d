"""Does the set-up make a whole environment or none, and use a flavour only where it works?

pip, venv and uv are the real ones; the packages are tiny and come from a server on this machine.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
import time
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path

import pytest
from workshop import Workshop, this_python

from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.bridge.locks import locked_now
from shared_core.bridge.paths import Paths
from shared_core.bridge.setup import environment, flow
from shared_core.bridge.setup.environment import Condition

NO_CARD = "No NVIDIA card was found."


def install(
    shop: Workshop,
    where: Paths,
    flavour: str = "cpu",
    *,
    pip: bool = False,
    wheels: Path | None = None,
    parts: flow.Parts | None = None,
    stopped: Callable[[], bool] = lambda: False,
    told: list[tuple[float, str]] | None = None,
) -> str:
    seen = told if told is not None else []
    return flow.install(
        where,
        parts or shop.parts,
        this_python(pip),
        flavour,
        wheels,
        lambda share, text: seen.append((share, text)),
        stopped,
    )


def kind(where: Paths) -> str:
    """Which onnxruntime the worker's Python has."""
    python = json.loads(where.worker_python.read_text())["python"]
    code = "import onnxruntime; print(onnxruntime.KIND)"
    done = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def environments(where: Paths) -> list[str]:
    folder = environment.home(where)
    return sorted(entry.name for entry in folder.iterdir()) if folder.is_dir() else []


def nothing_is_left(where: Paths) -> None:
    assert environments(where) == []
    assert environment.state(where).condition is Condition.MISSING


@pytest.mark.parametrize("pip", [True, False], ids=["venv and pip", "uv"])
def test_from_nothing_to_a_worker(workshop: Workshop, where: Paths, pip: bool) -> None:
    told: list[tuple[float, str]] = []
    said = install(workshop, where, pip=pip, told=told)
    assert said == "The worker is set up."
    state = environment.state(where, workshop.parts.digest)
    assert state.condition is Condition.READY and state.usable
    assert state.stamp is not None and state.stamp.flavour == "cpu"
    assert kind(where) == "processor"
    assert environments(where) == ["1"]
    shares = [share for share, _ in told]
    assert shares == sorted(shares) and shares[-1] > 0.9
    assert any("tiny-ort" in text for _, text in told) or not pip
    # The measurement serves the worker; what was fetched on the way is gone.
    assert where.profile.read_text() == "{}"
    assert not (environment.home(where) / "1" / "tmp").exists()
    fetched = any(path.startswith("/files/uv-") for path in workshop.index.asked)
    assert fetched != pip


@pytest.mark.parametrize("pip", [True, False], ids=["venv and pip", "uv"])
def test_a_package_with_another_hash_is_refused(
    workshop: Workshop, where: Paths, pip: bool
) -> None:
    workshop.index.lies.add("tiny_ort-1.0-py3-none-any.whl")
    with pytest.raises(CouldNotBeDone, match="is not the one it should be") as told:
        install(workshop, where, pip=pip)
    assert str(flow.log_of(where)) in str(told.value)
    nothing_is_left(where)


def test_an_installer_with_another_hash_is_refused(workshop: Workshop, where: Paths) -> None:
    workshop.index.lies.add("uv-0-py3-none-any.whl")
    with pytest.raises(CouldNotBeDone, match="is not the file it should be"):
        install(workshop, where)
    nothing_is_left(where)


@pytest.mark.parametrize("file", ["uv-0-py3-none-any.whl", "tiny_ort-1.0-py3-none-any.whl"])
def test_cancelled_in_a_download(workshop: Workshop, where: Paths, file: str) -> None:
    """The installer is ended, and nothing of the environment stays."""
    workshop.index.stalls.add(file)
    wish = threading.Event()

    def stopped() -> bool:
        if f"/files/{file}" in workshop.index.asked:
            wish.set()
        return wish.is_set()

    with pytest.raises(Cancelled):
        install(workshop, where, stopped=stopped)
    nothing_is_left(where)
    place = str(environment.home(where))

    def runs() -> bool:
        found = subprocess.run(["ps", "-eo", "args"], capture_output=True, text=True, check=True)
        return place in found.stdout

    deadline = time.monotonic() + 60
    while runs():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_an_index_that_is_not_there(
    workshop: Workshop, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    with pytest.raises(CouldNotBeDone, match=r"127\.0\.0\.1 could not be reached"):
        install(workshop, where)
    nothing_is_left(where)


def test_from_a_folder_without_a_network(
    workshop: Workshop, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    asked = len(workshop.index.asked)
    install(workshop, where, wheels=workshop.wheels())
    assert environment.state(where).condition is Condition.READY
    assert len(workshop.index.asked) == asked


@pytest.mark.parametrize("lacks", ["tiny_ort", "uv"])
def test_a_folder_that_lacks_something(workshop: Workshop, where: Paths, lacks: str) -> None:
    with pytest.raises(CouldNotBeDone, match=r"lacks a package.*tiny|uv-0.* is not in"):
        install(workshop, where, wheels=workshop.wheels(lacks))
    nothing_is_left(where)


def test_a_flavour_that_works_replaces_the_processors(workshop: Workshop, where: Paths) -> None:
    install(workshop, where)
    said = install(workshop, where, "cuda")
    assert said == "The worker is set up with NVIDIA CUDA on card."
    assert kind(where) == "card" and environments(where) == ["2"]
    install(workshop, where, "cpu")
    assert kind(where) == "processor" and environments(where) == ["3"]


@pytest.mark.parametrize("before", [True, False], ids=["set up", "from nothing"])
def test_a_flavour_that_does_not_bind_is_not_used(
    workshop: Workshop, where: Paths, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    """And where there was no worker yet, there is one for the processor afterwards."""
    if before:
        install(workshop, where)
    proof = {"CUDAExecutionProvider": {"works": False, "reason": NO_CARD}}
    monkeypatch.setenv("NSS_TEST_PROOF", json.dumps(proof))
    said = install(workshop, where, "cuda")
    assert said == f"NVIDIA CUDA is not used: {NO_CARD} The worker runs on the processor."
    assert kind(where) == "processor" and len(environments(where)) == 1
    assert environment.state(where).condition is Condition.READY


def test_an_onnxruntime_that_does_not_work_at_all_is_told(
    workshop: Workshop, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The classical paths need none, so the worker is set up all the same."""
    proof = {"CPUExecutionProvider": {"works": False, "reason": "It fails: no AVX."}}
    monkeypatch.setenv("NSS_TEST_PROOF", json.dumps(proof))
    said = install(workshop, where)
    assert "no model will run: It fails: no AVX." in said
    stamp = environment.state(where).stamp
    assert stamp is not None and "no AVX" in stamp.note


def test_a_newer_worker_comes_without_a_network(
    workshop: Workshop, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(workshop, where, pip=True)
    parts = workshop.bring("NEW = 1\n")
    assert environment.state(where, parts.digest).condition is Condition.OUTDATED
    where.settings.write_text('{"mine": 1}')
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    said = install(workshop, where, pip=True, parts=parts)
    assert said.startswith("The worker is now version")
    assert environment.state(where, parts.digest).condition is Condition.READY
    assert environments(where) == ["1"] and where.settings.read_text() == '{"mine": 1}'
    python = json.loads(where.worker_python.read_text())["python"]
    subprocess.run([python, "-I", "-c", "import shared_core; shared_core.NEW"], check=True)


def test_what_was_interrupted_is_swept_and_repaired(workshop: Workshop, where: Paths) -> None:
    install(workshop, where)
    used = environment.home(where) / "1"
    (used / environment.STAMP).unlink()
    (environment.home(where) / "7").mkdir()
    assert environment.state(where).condition is Condition.BROKEN
    install(workshop, where)
    assert environments(where) == ["2"]
    assert environment.state(where).condition is Condition.READY


def test_removed(workshop: Workshop, where: Paths) -> None:
    install(workshop, where)
    where.settings.write_text("{}")
    where.models.mkdir()
    flow.remove(where, lambda *_: None, lambda: False)
    nothing_is_left(where)
    assert where.settings.exists() and where.models.is_dir()
    assert not environment.home(where).exists() and not where.worker_python.exists()


def test_a_worker_that_somebody_else_named_stays_named(workshop: Workshop, where: Paths) -> None:
    environment.name_worker(where, this_python(True).program)
    assert environment.state(where).condition is Condition.FOREIGN
    flow.remove(where, lambda *_: None, lambda: False)
    assert environment.state(where).condition is Condition.FOREIGN


def test_one_at_a_time(workshop: Workshop, where: Paths) -> None:
    where.data.mkdir(parents=True)
    with locked_now(where.data / "setup.lock") as mine:
        assert mine
        with pytest.raises(CouldNotBeDone, match="by another program already"):
            install(workshop, where)


def test_a_full_disk_is_told_before_anything(
    workshop: Workshop, where: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(10, 9, 1))
    with pytest.raises(CouldNotBeDone, match="Free some space"):
        install(workshop, where)
    nothing_is_left(where)


def test_a_python_without_wheels_is_told(workshop: Workshop, where: Paths) -> None:
    shutil.copytree(workshop.parts.locks, workshop.folder / "bare")
    (workshop.folder / "bare" / "sizes.json").write_text("{}")
    parts = flow.Parts(workshop.parts.wheel, workshop.folder / "bare")
    with pytest.raises(CouldNotBeDone, match="There are no processor packages"):
        install(workshop, where, parts=parts)


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space",
            "disk is full",
        ),
        ("SSLError(SSLCertVerificationError(1, 'CERTIFICATE_VERIFY_FAILED'))", "who it is"),
        ("error: dns error: failed to lookup address", "could not be reached"),
        ("ERROR: No matching distribution found for numpy==9", "lacks a package: ERROR: No match"),
        ("Traceback\nerror: something odd.\n", "failed: error: something odd."),
        ("", "it left no message"),
    ],
)
def test_what_installers_say_is_explained(said: str, means: str) -> None:
    assert means in flow.explained(said, "pypi.org")
