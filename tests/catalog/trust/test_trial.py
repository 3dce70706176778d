"""The first opening of a model: inspection, a process that may die, and only then it counts."""

from __future__ import annotations

import ast
import functools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import psutil
import pytest
from onnx import TensorProto, helper, numpy_helper

from shared_core.bridge.errors import Cancelled, CouldNotBeDone, RealPathImpossible
from shared_core.bridge.locks import locked
from shared_core.bridge.paths import paths
from shared_core.catalog import card as contracts
from shared_core.catalog import cards
from shared_core.catalog import store as stores
from shared_core.catalog.cards import Card
from shared_core.catalog.store import Presence, Store
from shared_core.catalog.trust import (
    confined,
    trial,
)
from tests.catalog.small_cards import card, card_text, identity, placed
from tests.catalog.test_store import faulty_world
from tests.catalog.world import finish, message
from tests.fakes.contract_models import NAFNET, TWINS, Variant, write_catalogue
from tests.fakes.contract_models import twin as made_twin

ROOT = Path(__file__).resolve().parents[3]
PICTURE = 'dtype = "float32"\nlayout = "NCHW"\nshape = [1, 3, 32, 32]\nchannels = ["R", "G", "B"]\n'
TENSORS = f"[[input]]\n{PICTURE}[[output]]\n{PICTURE}"
unix = pytest.mark.skipif(os.name == "nt", reason="signals of Unix")


def model(nodes: Sequence[onnx.NodeProto], *tensors: TensorProto) -> bytes:
    """A model from "picture" to "result", both (1, 3, 32, 32) in float32."""
    graph = helper.make_graph(
        list(nodes),
        "graph",
        [helper.make_tensor_value_info("picture", TensorProto.FLOAT, [1, 3, 32, 32])],
        [helper.make_tensor_value_info("result", TensorProto.FLOAT, [1, 3, 32, 32])],
        list(tensors),
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    data: bytes = made.SerializeToString()
    return data


def endless() -> bytes:
    """A loop of 2^62 rounds around the picture: correct, and never done."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["going"], ["goes"]),
            helper.make_node("Sin", ["before"], ["after"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("round", TensorProto.INT64, []),
            helper.make_tensor_value_info("going", TensorProto.BOOL, []),
            helper.make_tensor_value_info("before", TensorProto.FLOAT, [1, 3, 32, 32]),
        ],
        [
            helper.make_tensor_value_info("goes", TensorProto.BOOL, []),
            helper.make_tensor_value_info("after", TensorProto.FLOAT, [1, 3, 32, 32]),
        ],
    )
    rounds = numpy_helper.from_array(np.array(1 << 62, np.int64), "rounds")
    yes = numpy_helper.from_array(np.array(True), "yes")
    loop = helper.make_node("Loop", ["rounds", "yes", "picture"], ["result"], body=body)
    return model([loop], rounds, yes)


def greedy(mebibytes: int) -> bytes:
    """The picture, through a tensor of so many MiB that is made of it."""
    times = np.array([mebibytes * (1 << 20) // (4 * 3 * 32 * 32), 1, 1, 1], np.int64)
    tensors = [
        numpy_helper.from_array(times, "times"),
        numpy_helper.from_array(np.array([0], np.int64), "axes"),
    ]
    return model(
        [
            helper.make_node("Tile", ["picture", "times"], ["many"]),
            helper.make_node("Sin", ["many"], ["more"]),
            helper.make_node("ReduceMax", ["more"], ["result"], axes=[0]),
        ],
        *tensors,
    )


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Callable[..., tuple[Card, Path]]]:
    """Put a model's files into a folder; its card and the folder."""

    def make(data: bytes, **more: bytes) -> tuple[Card, Path]:
        files = {"model.onnx": data, **more}
        placed(tmp_path / "model", files)
        known = {"model.onnx": data}
        made = card(tmp_path / "cards", "model", card_text("model", known, TENSORS))
        return made, tmp_path / "model"

    yield make


def never(*given: Any, **named: Any) -> Any:
    """What must not be called."""
    raise AssertionError("a process was started for it")


# ---------------------------------------------------------------- what comes of a trial


@pytest.mark.parametrize("name", ["nafnet-gopro-opencv", "clip-vit-b32-xenova"])
def test_a_good_model_passes(tmp_path: Path, name: str) -> None:
    write_catalogue(tmp_path / "cards", tmp_path / "hub", models=(name,))
    made = cards.load(tmp_path / "cards")[name]
    found = trial.tried(made, tmp_path / "hub" / made.repo / made.revision)
    assert found.ok and found.reason == "" and found.seconds_per_tile > 0
    assert found.onnxruntime == onnxruntime.__version__
    assert set(found.seconds_by_role) == {role for role, _ in made.sessions()}


@pytest.mark.parametrize("name", sorted(TWINS))
def test_a_card_crosses_as_json(tmp_path: Path, name: str) -> None:
    made = cards.load()[name]
    again = contracts.from_json(json.loads(json.dumps(contracts.to_json(made))))
    for field in ("title", "files", "inputs", "outputs", "tile", "side", "run_size", "main_file"):
        assert getattr(again, field) == getattr(made, field)
    assert again.sessions() == made.sessions()


def test_what_inspection_refuses_is_opened_by_nobody(
    shelf: Callable[..., tuple[Card, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "call", never)
    node = helper.make_node("Own", ["picture"], ["result"], domain="own")
    for data, words in (
        (b"<!doctype html><html>", "The model is not used: it is a web page."),
        (model([node]), "it uses the operator 'Own' of 'own'"),
        (identity()[:-40], "it is cut short"),
    ):
        found = trial.tried(*shelf(data))
        assert not found.ok and words in found.reason
        assert found.onnxruntime == onnxruntime.__version__


def test_weights_in_a_file_that_nobody_verified_are_refused(
    shelf: Callable[..., tuple[Card, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(confined, "call", never)
    weight = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1])
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="more.bin")
    data = model([helper.make_node("Mul", ["picture", "w"], ["result"])], weight)
    found = trial.tried(*shelf(data, **{"more.bin": bytes(4)}))
    assert "it keeps weights in 'more.bin', which is none of its files" in found.reason


def test_a_model_without_end_is_ended(
    shelf: Callable[..., tuple[Card, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "SECONDS_PER_SESSION", 3.0)
    found = trial.tried(*shelf(endless()))
    assert not found.ok
    assert found.reason.startswith(
        "The model is not used: its trial broke off (it made no progress"
    )
    assert not _confined_children(psutil.Process())


def test_a_model_that_wants_too_much_memory_is_told_from_a_full_machine(
    shelf: Callable[..., tuple[Card, Path]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trial, "available_bytes", lambda: 16 << 30)
    made, folder = shelf(greedy(400))
    assert trial.memory_bytes(made) > 2 << 30
    assert trial.tried(made, folder).ok
    monkeypatch.setattr(trial, "memory_bytes", lambda card: 700 << 20)
    found = trial.tried(made, folder)
    assert "its trial broke off (it needs more than 700 MiB of memory)" in found.reason
    monkeypatch.setattr(trial, "available_bytes", lambda: 600 << 20)
    with pytest.raises(CouldNotBeDone, match=r"at the moment .* 540 MiB are free\). Close other"):
        trial.tried(made, folder)


def test_a_cancelled_trial_says_nothing_of_the_model(
    shelf: Callable[..., tuple[Card, Path]],
) -> None:
    begun = time.monotonic()
    with pytest.raises(Cancelled):
        trial.tried(*shelf(endless()), cancelled=lambda: time.monotonic() - begun > 1)
    assert not _confined_children(psutil.Process())


# ---------------------------------------------------------------- in the store


def _store(tmp_path: Path, data: bytes) -> tuple[Store, Card]:
    store = Store(paths({"NSS_HOME": str(tmp_path / "home")}))
    made = card(tmp_path / "cards", "model", card_text("model", {"model.onnx": data}, TENSORS))
    placed(store.folder(made), {"model.onnx": data})
    return store, made


def test_two_that_try_a_model_at_once_try_it_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, made = _store(tmp_path, identity())
    store.check(made)
    tries: list[Path] = []
    waits = threading.Event()
    tried = trial.tried

    def late(*given: Any) -> Any:
        tries.append(given[1])
        assert waits.wait(120)
        return tried(*given)

    def watched(path: Path, cancelled: Any, on_wait: Any) -> Any:
        def wait() -> None:
            on_wait()
            waits.set()

        return locked(path, cancelled, wait)

    monkeypatch.setattr(trial, "tried", late)
    monkeypatch.setattr(stores, "locked", watched)
    came: list[Any] = []
    threads = [threading.Thread(target=lambda: came.append(store.try_out(made))) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(tries) == 1
    assert came[0] == came[1] and came[0].ok
    assert store.try_out(made).ok and len(tries) == 2, "who did not wait gets a trial of their own"


def test_a_file_replaced_during_its_trial_does_not_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The bytes that were looked at are the bytes that were opened, or nothing is recorded."""
    good, other = identity(), identity(factor=0.9)
    assert len(good) == len(other)
    store, made = _store(tmp_path, good)
    native = trial.inspect

    def late(path: Path, folder: Path) -> Any:
        found = native(path, folder)
        path.write_bytes(other)
        return found

    monkeypatch.setattr(trial, "inspect", late)
    with pytest.raises(CouldNotBeDone, match="are being changed: try again"):
        store.check_before_use(made)
    monkeypatch.setattr(trial, "inspect", native)
    assert store.state(made).trial is None
    with pytest.raises(RealPathImpossible, match="got SHA-256"):
        store.check_before_use(made)
    assert store.state(made).presence is Presence.BAD


def test_a_wrong_hash_is_not_even_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, made = _store(tmp_path, identity())
    store.path(made).write_bytes(identity(factor=0.9))
    monkeypatch.setattr(confined, "call", never)
    monkeypatch.setattr(trial, "inspect", never)
    with pytest.raises(RealPathImpossible, match="got SHA-256"):
        store.check_before_use(made)


def _below(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _confined_children(process: psutil.Process) -> list[psutil.Process]:
    found = []
    for child in _below(process):
        try:
            if confined.__name__ in child.cmdline():
                found.append(child)
        except psutil.Error:
            continue
    return found


def _strike(process: psutil.Process, number: int, struck: list[int]) -> None:
    """Wait until a model is being tried below ``process``, and end that as a crash would."""
    end = time.monotonic() + 240
    while time.monotonic() < end:
        for child in _confined_children(process):
            if child.cpu_times().user > 0.5:
                os.kill(child.pid, number)
                struck.append(child.pid)
                return
        time.sleep(0.02)


@unix
def test_a_download_outlives_the_crash_of_its_trial(tmp_path: Path) -> None:
    with faulty_world(tmp_path, NAFNET, Variant.SLOW) as world:
        child = world.start(NAFNET)
        struck: list[int] = []
        striker = threading.Thread(
            target=_strike, args=(psutil.Process(child.pid), signal.SIGSEGV, struck)
        )
        striker.start()
        events, _ = finish(child)
        striker.join()
        assert struck
        text = message(events)
        assert "is not used: its trial broke off (it was ended by SIGSEGV)" in text
        state = world.store.state(world.cards[NAFNET])
        assert state.presence is Presence.BAD and state.reason == text
        assert state.bytes_here == world.cards[NAFNET].download_bytes


@unix
def test_the_runner_opens_nothing_that_was_not_tried(
    models: Any, home: Any, tmp_path: Path
) -> None:
    """Where another onnxruntime tried it, it is tried apart; the runner outlives the crash."""
    offered = models({NAFNET: Variant.SLOW}, models=(NAFNET,), seconds=1.0)
    offered.get(NAFNET)
    record = home.folder / "data" / "models" / NAFNET / ".verified.json"
    told = json.loads(record.read_text("utf-8"))
    told["trial"]["onnxruntime"] = "1.0"
    record.write_text(json.dumps(told), "utf-8")
    photo, out, receipt = (tmp_path / name for name in ("photo.png", "out.png", "out.json"))
    cv2.imwrite(str(photo), np.random.default_rng(3).integers(0, 255, (64, 64, 3), np.uint8))
    struck: list[int] = []
    worker = psutil.Process(home.json("worker", "status")["pid"])
    striker = threading.Thread(target=_strike, args=(worker, signal.SIGSEGV, struck))
    striker.start()
    home.nss("run", "deblur", photo, "-o", out, "--receipt", receipt, "--budget", "1000")
    striker.join()
    made = json.loads(receipt.read_text("utf-8"))
    assert struck
    assert made["path"] == "classical"
    assert "its trial broke off (it was ended by SIGSEGV)" in made["reason"]
    assert home.json("worker", "status")["runner_pid"] is not None
    assert struck[0] not in [child.pid for child in worker.children(recursive=True)]


# ---------------------------------------------------------------- what a model cannot bring along


@functools.cache
def _words() -> dict[str, set[str]]:
    """What the code of each module of the product has as names and texts."""
    found = {}
    for path in (
        p for top in ("shared_core", "nss_krita", "gimp_plugin") for p in (ROOT / top).rglob("*.py")
    ):
        words = set()
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for name in ("attr", "id", "value", "name"):
                if isinstance(word := getattr(node, name, None), str):
                    words.add(word)
        found[path.relative_to(ROOT).as_posix()] = words
    assert len(found) > 100
    return found


def _who_names(*words: str) -> set[str]:
    return {path for path, named in _words().items() if named & set(words)}


def test_no_library_of_operators_can_be_registered_anywhere() -> None:
    """onnxruntime loads such a library in these ways alone; a model's file cannot name one."""
    assert hasattr(onnxruntime.SessionOptions, "register_custom_ops_library")
    assert (
        _who_names("register_custom_ops_library", "get_library_path", "RegisterCustomOps") == set()
    )


def test_sessions_are_made_in_few_places() -> None:
    """Of tried models in the runner, of the probe's graphs, and in the throw-away process."""
    core = "shared_core"
    assert _who_names("InferenceSession") == {f"{core}/engine/session.py"}
    assert _who_names("open_session") == {
        f"{core}/engine/session.py",
        *(f"{core}/device/{name}.py" for name in ("benchmark", "probe")),
        *(f"{core}/{name}.py" for name in ("catalog/trust/canary", "byo/examine")),
    }
    # The two are for the throw-away process, which alone gives what they answer.
    assert _who_names("try_model") == {f"{core}/catalog/trust/canary.py", f"{core}/byo/examine.py"}
    opened_by = {f"{core}/catalog/trust/trial.py", f"{core}/worker/own_models.py"}
    assert _who_names("shared_core.catalog.trust.canary", "shared_core.byo.examine") == opened_by


@pytest.mark.parametrize("asked", ["0", "1"])
def test_a_model_cannot_choose_its_sessions_options(tmp_path: Path, asked: str) -> None:
    """With this variable onnxruntime obeys the file and writes a profile; our sessions do not."""
    made = onnx.load_from_string(identity())
    options = {"session_options": {"enable_profiling": 1}}
    made.metadata_props.add(key="ort_config", value=json.dumps(options))
    onnx.save(made, tmp_path / "model.onnx")
    environment = {**os.environ, "ORT_LOAD_CONFIG_FROM_MODEL": asked, "PYTHONPATH": str(ROOT)}
    plain = (
        "import onnxruntime as o; "
        "s = o.InferenceSession('model.onnx', providers=['CPUExecutionProvider'])"
    )
    ours = "from shared_core.engine.session import open_session; s = open_session('model.onnx')"
    for program, obeys in ((ours, False), (plain, asked == "1")):
        for file in tmp_path.glob("onnxruntime_profile*"):
            file.unlink()
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, env=environment, check=True)
        assert bool(list(tmp_path.glob("onnxruntime_profile*"))) == obeys


def test_a_twin_with_weights_beside_it_passes(tmp_path: Path) -> None:
    named = [
        name
        for name in TWINS
        if any(not p.endswith((".onnx", ".json", ".txt")) for p in made_twin(name).files)
    ]
    assert named
    write_catalogue(tmp_path / "cards", tmp_path / "hub", models=named[:1])
    made = cards.load(tmp_path / "cards")[named[0]]
    assert trial.tried(made, tmp_path / "hub" / made.repo / made.revision).ok
