"""``nss models add`` as a user gives it: a file or a repository, corrected, kept and used."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import pytest

from shared_core.bridge import wire
from shared_core.bridge.client import Client, Silent
from shared_core.bridge.errors import BadInput
from shared_core.bridge.paths import Paths
from tests.conftest import Home
from tests.fakes.contracts import strangers
from tests.fakes.contracts.graph import with_external_data
from tests.fakes.contracts.strangers import Contract
from tests.fakes.hub import Hub

REVISION = "5" * 40


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A picture with some noise."""
    rng = np.random.default_rng(1)
    smooth = cv2.resize(rng.integers(40, 220, (6, 8, 3), np.uint8), (90, 64)).astype(float)
    path = tmp_path / "photo.png"
    cv2.imwrite(str(path), np.clip(smooth + rng.normal(0, 8, smooth.shape), 0, 255))
    return path


def _file(folder: Path, data: bytes, name: str = "My net.onnx") -> Path:
    path = folder / name
    path.write_bytes(data)
    return path


def _of_the_future() -> bytes:
    """A model that wants a later onnxruntime."""
    proto = onnx.load_from_string(strangers.enhancer(Contract()))
    proto.ir_version = 90
    return proto.SerializeToString()


def _rgb(path: Path) -> Any:
    return cv2.imread(str(path))[..., ::-1] / 255


def test_from_a_file_to_a_result(home: Home, tmp_path: Path, photo: Path) -> None:
    data = strangers.enhancer(Contract(high=255.0, order="BGR", layout="NHWC", opaque=True))
    file = _file(tmp_path, data)
    look = tmp_path / "look.png"
    seen = home.json(
        "models", "add", file, "--tool", "denoise", "--dry-run", "--preview", look,
        "--picture", photo,
    )  # fmt: skip
    found = {one["name"]: one for one in seen["findings"]}
    assert found["values"]["value"] == "0..255"
    assert (found["order"]["value"], found["order"]["sure"]) == ("rgb", "assumed")
    assert found["order"]["choices"] == ["rgb", "bgr"] and found["values"]["free"]
    assert seen["model"] is None
    preview = cv2.imread(str(look))
    assert preview.shape[:2] == (seen["height"], seen["width"])
    np.testing.assert_array_equal(preview[:64, :90], cv2.imread(str(photo)))
    assert home.json("plan", "denoise", photo)["path"] == "classical"
    done = home.nss(
        "models", "add", file, "--tool", "denoise", "-p", "order=bgr", "--title", "Mine",
        "--licence", "MIT", "--commercial", "yes",
    )  # fmt: skip
    assert "bgr" in done.stdout and "yours" in done.stdout
    assert "Mine is here as own.my-net" in done.stdout
    kept = home.folder / "data" / "models" / "own.my-net"
    assert (kept / "My net.onnx").read_bytes() == data and file.read_bytes() == data
    plan = home.json("plan", "denoise", photo, "--commercial")
    assert (plan["path"], plan["model"]) == ("byo", "own.my-net") and plan["seconds"] is not None
    out = tmp_path / "out.png"
    home.nss("run", "denoise", photo, "-o", out, "--receipt", tmp_path / "r.json")
    receipt = home.json_file(tmp_path / "r.json")
    assert receipt["path"] == "byo"
    assert receipt["model"] == {
        "id": "own.my-net",
        "title": "Mine",
        "repo": "",
        "revision": "",
        "file": "My net.onnx",
        "sha256": hashlib.sha256(data).hexdigest(),
        "licence": "MIT",
    }
    expected = np.clip(strangers.expected_enhanced(_rgb(photo)), 0, 1) * 255
    assert np.abs(_rgb(out) * 255 - expected).max() <= 0.51
    chosen = home.json("plan", "denoise", photo, "-p", "strength=20")
    assert "Mine takes no chosen strength" in chosen["reason"]
    assert home.nss("models", "off", "own.my-net").stdout.startswith("Mine is used only where")
    assert home.json("plan", "denoise", photo)["path"] == "classical"
    home.nss("models", "on", "own.my-net")
    assert home.json("plan", "denoise", photo)["path"] == "byo"
    assert home.nss("models", "remove", "own.my-net").stdout == "own.my-net: removed\n"
    assert not kept.exists() and file.exists()


def test_an_own_model_of_a_tool_with_a_choice(home: Home, tmp_path: Path, photo: Path) -> None:
    file = _file(tmp_path, strangers.enhancer(Contract(scale=3)), "three.onnx")
    home.nss("models", "add", file, "--tool", "upscale")
    home.nss("models", "off", "own.three")
    out = tmp_path / "big.png"
    home.nss("run", "upscale", photo, "-p", "model=own.three", "-o", out)
    assert cv2.imread(str(out)).shape[:2] == (128, 180)
    told = home.nss("receipt", out).stdout
    assert json.loads(told)["path"] == "byo"
    assert home.json("plan", "upscale", photo)["model"] != "own.three"
    large = home.json("plan", "upscale", photo, "-p", "model=own.three", "-p", "factor=4")
    assert (large["path"], large["reason"]) == ("classical", "three enlarges 3 times, not 4")
    gone = home.nss("plan", "upscale", photo, "-p", "model=own.four")
    assert gone.stdout.startswith("Classical ")
    # The same name again is another model.
    home.nss("models", "add", file, "--tool", "upscale")
    assert home.json("plan", "upscale", photo)["model"] == "own.three-2"


def test_data_beside_the_file_comes_along(home: Home, tmp_path: Path) -> None:
    proto = onnx.load_from_string(strangers.enhancer(Contract()))
    for name, data in with_external_data(proto, "net.onnx", "net.onnx.data").items():
        (tmp_path / name).write_bytes(data)
    home.nss("models", "add", tmp_path / "net.onnx", "--tool", "denoise")
    kept = home.folder / "data" / "models" / "own.net"
    assert (kept / "net.onnx.data").read_bytes() == (tmp_path / "net.onnx.data").read_bytes()


@pytest.mark.parametrize(
    ("make", "tool", "code", "words"),
    [
        (lambda: strangers.enhancer(Contract(scale=2)), "denoise", 3, "Add it for Upscale"),
        (lambda: b"<!doctype html><html>", "denoise", 5, "it is a web page"),
        (lambda: strangers.enhancer(Contract())[:300], "denoise", 5, "is not used"),
        (
            _of_the_future,
            "denoise",
            5,
            "Fail: Unsupported model IR version: 90, max supported IR version",
        ),
        (lambda: strangers.enhancer(Contract()), "tags", 3, "takes no model of your own"),
        (lambda: strangers.enhancer(Contract()), "nonsense", 2, "There is no tool 'nonsense'"),
    ],
)
def test_what_is_not_taken_says_why(
    shared_home: Home, tmp_path: Path, make: Any, tool: str, code: int, words: str
) -> None:
    file = _file(tmp_path, make())
    done = shared_home.nss("models", "add", file, "--tool", tool, ok=False)
    assert done.returncode == code, done.stderr
    assert words in done.stderr
    assert not list((shared_home.folder / "data").glob("models/own.*"))


def test_usage(shared_home: Home, tmp_path: Path) -> None:
    file = _file(tmp_path, strangers.enhancer(Contract()))
    for arguments, code, words in (
        (["nowhere.onnx", "--tool", "denoise"], 3, "There is no file"),
        ([file, "--tool", "denoise", "-p", "order"], 2, "-p takes NAME=VALUE"),
        ([file, "--tool", "denoise", "-p", "order=grb"], 2, "order takes rgb, bgr"),
        ([file, "--tool", "denoise", "--preview", "x.jpg"], 2, "ends in .png"),
        (["a/b", "--tool", "denoise", "--file", "x.onnx"], 2, "takes --revision"),
    ):
        done = shared_home.nss("models", "add", *arguments, ok=False)
        assert (done.returncode, words in done.stderr) == (code, True), done.stderr
    done = shared_home.nss("models", "off", "own.none", ok=False)
    assert done.returncode == 3 and "There is no model 'own.none' of your own" in done.stderr


@pytest.fixture
def repository(tmp_path: Path) -> Any:
    """A repository with a model and its data, and the files' bytes."""
    proto = onnx.load_from_string(strangers.enhancer(Contract(high=255.0)))
    files = with_external_data(proto, "net.onnx", "net.onnx.data")
    folder = tmp_path / "hub" / "some" / "body" / REVISION / "onnx"
    folder.mkdir(parents=True)
    for name, data in files.items():
        (folder / name).write_bytes(data)
    with Hub(tmp_path / "hub") as hub:
        yield hub, files


def test_from_the_hub_after_consent(
    home: Home, photo: Path, tmp_path: Path, repository: Any
) -> None:
    hub, files = repository
    home.environment |= {"HF_ENDPOINT": hub.url, "HF_HUB_OFFLINE": "0"}
    add = ("models", "add", "some/body", "--file", "onnx/net.onnx", "--revision", REVISION)
    refused = home.nss(*add, "--tool", "denoise", ok=False)
    assert refused.returncode == 2 and "Download onnx/net.onnx" in refused.stderr
    assert "add --yes to consent" in refused.stderr
    assert not list((home.folder / "data").glob("models/own.*"))
    hub.fault("net.onnx.data", "flip")
    broken = home.nss(*add, "--tool", "denoise", "--yes", ok=False)
    assert broken.returncode == 5 and "SHA-256" in broken.stderr
    hub.heal()
    done = home.nss(*add, "--tool", "denoise", "--yes")
    [kept] = (home.folder / "data").glob("models/own.*")
    assert kept.name in done.stdout
    assert (kept / "onnx" / "net.onnx.data").read_bytes() == files["net.onnx.data"]
    out = tmp_path / "out.png"
    home.nss("run", "denoise", photo, "-o", out, "--receipt", tmp_path / "r.json")
    model = home.json_file(tmp_path / "r.json")["model"]
    assert (model["repo"], model["revision"]) == ("some/body", REVISION)
    assert model["sha256"] == hashlib.sha256(files["net.onnx"]).hexdigest()
    for wrong, words in (
        (
            ("models", "add", "some/body", "--file", "x.onnx", "--revision", REVISION),
            "has no x",
        ),
        (("models", "add", "some/body", "--file", "../x.onnx", "--revision", REVISION), "outside"),
        (("models", "add", "some/body", "--file", "x.onnx", "--revision", "main"), "40 hexadec"),
    ):
        failed = home.nss(*wrong, "--tool", "denoise", "--yes", ok=False)
        assert failed.returncode == 3 and words in failed.stderr, failed.stderr


def test_the_messages_that_a_panel_needs(home: Home, tmp_path: Path) -> None:
    file = _file(tmp_path, strangers.enhancer(Contract(order="BGR", opaque=True)))
    home.nss("worker", "status")
    folder = home.folder
    where = Paths(folder / "config", folder / "data", folder / "cache", folder / "run")
    home.json("plan", "denoise", _picture(tmp_path))
    client = Client(where, "a panel", "1")
    ask = wire.Examine("denoise", str(file))
    first = client.ask(ask, wire.Examined, Silent())
    [order] = [one for one in first.findings if one.name == "order"]
    assert order.open and order.title == "Order of colours"
    again = wire.Examine("denoise", str(file), told={"order": order.choices[1]})
    second = client.ask(again, wire.Examined, Silent())
    assert second.png and second.width > second.height
    with pytest.raises(BadInput, match=r"changed since"):
        client.ask(
            wire.AddModel(second.card.replace("size = ", "size = 1"), second.file),
            wire.Added,
            Silent(),
        )
    # What the worker did not try itself is tried before it counts, whatever a client says.
    made_up = second.card.replace("[0.0, 1.0]", "[0.0, 1000.0]")
    assert made_up != second.card
    with pytest.raises(BadInput, match=r"is not used: its output"):
        client.ask(wire.AddModel(made_up, second.file), wire.Added, Silent())
    assert not list(where.models.glob("own.*"))
    renamed = wire.AddModel(second.card.replace('"My net"', '"Other"'), second.file)
    other = client.ask(renamed, wire.Added, Silent())
    client.ask(wire.Tend("remove", (other.model,)), wire.Done)
    assert second.works
    added = client.ask(wire.AddModel(second.card, second.file), wire.Added, Silent())

    def listed() -> list[wire.Model]:
        return [one for one in client.ask(wire.AskModels(), wire.ModelsReply).models if one.own]

    [mine] = listed()
    assert (mine.id, mine.tool, mine.by_itself, mine.state) == (
        added.model, "denoise", True, "installed",
    )  # fmt: skip
    client.ask(wire.SwitchModel(added.model, False), wire.Done)
    assert [one.by_itself for one in listed()] == [False]
    client.ask(wire.Tend("remove", (added.model,)), wire.Done)
    assert listed() == []
    client.close()


def _picture(folder: Path) -> Path:
    path = folder / "grey.png"
    cv2.imwrite(str(path), np.full((20, 20, 3), os.getpid() % 200, np.uint8))
    return path
