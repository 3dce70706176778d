"""``nss models`` as its users meet it: the list, the disk, models carried to other machines."""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from shared_core.catalog import cards
from shared_core.cli.inventory import today
from tests.conftest import Home, Models, a_catalogue, a_home
from tests.fakes.contract_models import NAFNET, SCUNET

# The hub declares hashes of the first; the second needs the third.
SD_TURBO, SDXS, TOKENS = "sd-turbo-ort-web", "sdxs-512-dreamshaper-cvclass", "clip-tokenizer-sd"
CHOSEN = (NAFNET, SCUNET, SD_TURBO, SDXS)


@pytest.fixture(scope="module")
def stocked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    """A home with a model of each kind: of one file, of several, and one that needs another."""
    folder = tmp_path_factory.mktemp("stocked")
    with a_home(folder) as home, a_catalogue(home, folder) as make:
        made: Models = make(models=CHOSEN)
        made.get(*CHOSEN)
        yield made


@pytest.fixture
def another(stocked: Models, tmp_path: Path) -> Iterator[Home]:
    """A home on a machine without network."""
    with a_home(tmp_path) as home:
        home.environment["NSS_CARDS"] = stocked.home.environment["NSS_CARDS"]
        yield home


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    noise = np.random.default_rng(1).integers(60, 200, (48, 64, 3))
    cv2.imwrite(str(path), noise.astype(np.uint8))
    return path


def rows(home: Home) -> dict[str, Any]:
    return {row["id"]: row for row in home.json("models", "list")["models"]}


def test_the_list_tells_what_is_here_and_what_it_takes(stocked: Models) -> None:
    told = stocked.home.json("models", "list")
    assert told["folder"] == str(stocked.home.folder / "data/models")
    assert told["leftovers"] == [] and told["without_card"] == {}
    found = {row["id"]: row for row in told["models"]}
    assert set(found) == {*CHOSEN, TOKENS}
    days = {(today() - timedelta(ago)).isoformat() for ago in (0, 1)}
    for row in found.values():
        assert row["state"] == "installed"
        assert row["disk_bytes"] > row["bytes"] > 0
        assert row["arrived"] in days
        assert row["used"] == "" and row["unused_days"] in (0, 1)
    assert told["disk_bytes"] == sum(row["disk_bytes"] for row in found.values())
    assert told["tiers"]["lite"]["here"] == told["tiers"]["lite"]["models"] == 1
    text = stocked.home.nss("models", "list").stdout
    for model in found:
        [line] = [line for line in text.splitlines() if line.startswith(model)]
        assert "installed" in line and "never" in line
    assert "lite: 1 of 1 here" in text
    assert f"in {told['folder']}, where" in text


def test_a_use_is_remembered(stocked: Models, photo: Path, tmp_path: Path) -> None:
    stocked.home.nss("run", "deblur", photo, "-o", tmp_path / "out.png", "--path", "real")
    found = rows(stocked.home)
    assert found[NAFNET]["used"]
    assert not found[SCUNET]["used"]


def test_what_is_verified(stocked: Models) -> None:
    told = stocked.home.json("models", "verify")
    assert {one["id"]: one["state"] for one in told} == dict.fromkeys(
        (*CHOSEN, TOKENS), "installed"
    )
    assert len(stocked.home.json("models", "verify", NAFNET, SCUNET, NAFNET)) == 2


# ---------------------------------------------------------------- without network


def test_everything_works_without_network_from_an_imported_folder(
    stocked: Models, another: Home, photo: Path, tmp_path: Path
) -> None:
    exported = tmp_path / "exported"
    said = stocked.home.nss("models", "export", exported).stdout
    assert "nss models import exported" in said
    # As they come from a stick of somebody who calls files as he likes.
    stick = tmp_path / "stick"
    for number, file in enumerate(sorted(exported.rglob("*"))):
        if file.is_file() and file.name != "index.json":
            target = stick / f"{number % 3}" / f"file {number}.dat"
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.move(file, target)
    shutil.move(exported / "index.json", stick / "index.json")
    (stick / "holiday.txt").write_text("not a model")

    asked = len(stocked.hub.requests)
    told = another.json("models", "import", stick)
    assert {one["id"]: one["state"] for one in told["models"]} == dict.fromkeys(
        (*CHOSEN, TOKENS), "installed"
    )
    assert told["others"] == [str(stick / "holiday.txt")]
    assert told["troubles"] == told["unreadable"] == []
    assert {one["way"] for one in told["files"]} == {"linked"}
    shutil.rmtree(stick)
    for tool, more in (
        ("deblur", [photo]),
        ("denoise", [photo]),
        ("text-to-image", ["-p", "prompt=blue wood", "--seed", "5", "--size", "64x64"]),
    ):
        receipt = tmp_path / f"{tool}.json"
        out = tmp_path / f"{tool}.png"
        another.nss("run", tool, *more, "-o", out, "--path", "real", "--receipt", receipt)
        made = json.loads(receipt.read_text("utf-8"))
        assert made["path"] == "real" and made["fault"] is None
        assert len(made["model"]["sha256"].split()[-1]) == 64
    assert len(stocked.hub.requests) == asked


def test_an_import_says_what_is_still_missing(
    stocked: Models, another: Home, tmp_path: Path
) -> None:
    stick = tmp_path / "stick"
    stocked.home.nss("models", "export", stick, SDXS)
    assert (stick / TOKENS).is_dir(), "what a model needs goes along"
    missing = min((stick / SDXS).rglob("*.onnx"))
    missing.unlink()
    said = another.nss("models", "import", stick).stdout
    assert f"{SDXS}: partial" in said
    assert f"{TOKENS}: installed" in said
    assert rows(another)[SDXS]["state"] == "partial"


def test_a_folder_without_models_is_bad_input(another: Home, tmp_path: Path) -> None:
    (tmp_path / "stick").mkdir()
    done = another.nss("models", "import", tmp_path / "stick", ok=False)
    assert done.returncode == 3 and "is one of a known model" in done.stderr
    done = another.nss("models", "import", tmp_path / "nothing", ok=False)
    assert done.returncode == 5 and "Connect its disk" in done.stderr
    done = another.nss("models", "export", tmp_path / "out", ok=False)
    assert done.returncode == 3 and "No model is here" in done.stderr


def test_a_model_that_does_not_work_is_told_by_the_import(
    stocked: Models, another: Home, tmp_path: Path
) -> None:
    """The bytes are right, and yet it must be tried before it counts."""
    folder = tmp_path / "cards"
    shutil.copytree(stocked.home.environment["NSS_CARDS"], folder)
    [card] = folder.rglob(f"{NAFNET}.toml")
    text = card.read_text("utf-8")
    card.write_text(text.replace('channels = ["R", "G", "B"]', 'name = "x"', 1), "utf-8")
    another.environment["NSS_CARDS"] = str(folder)
    stocked.home.nss("models", "export", tmp_path / "stick", NAFNET)
    done = another.nss("models", "import", tmp_path / "stick", ok=False)
    assert done.returncode == 5
    assert f"{NAFNET}: bad" in done.stdout and "In the way: NAFNet" in done.stdout


# ---------------------------------------------------------------- what goes


@pytest.fixture
def mine(stocked: Models, another: Home) -> Home:
    """A home of its own with the models, by hard links."""
    for folder in (stocked.home.folder / "data/models").iterdir():
        if folder.name != ".staging":
            target = another.folder / "data/models" / folder.name
            shutil.copytree(folder, target, copy_function=os.link)
    return another


def aged(home: Home, model: str, days: int) -> None:
    """Have it look as if the model had come so many days ago."""
    path = home.folder / "data/models" / model / ".verified.json"
    data = json.loads(path.read_text("utf-8"))
    when = (today() - timedelta(days)).isoformat()
    data["used"] = ""
    for arrival in data["arrived"].values():
        arrival["when"] = when
    path.unlink()
    path.write_text(json.dumps(data), "utf-8")


def test_what_is_unused_is_listed_first_and_removed_when_agreed_to(mine: Home) -> None:
    aged(mine, SCUNET, 100)
    aged(mine, TOKENS, 100)
    listed = mine.nss("models", "remove", "--unused-for", "90d").stdout
    assert f"{SCUNET}: " in listed and "not used for 100 days" in listed
    assert "1 models" in listed and "nothing was removed" in listed
    assert rows(mine)[SCUNET]["disk_bytes"]
    told = mine.json("models", "remove", "--unused-for", "3m", "--yes")
    assert told["removed"] and [row["id"] for row in told["models"]] == [SCUNET]
    found = rows(mine)
    assert not found[SCUNET]["disk_bytes"]
    assert found[TOKENS]["disk_bytes"], "a model that is not idle needs it"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--unused-for", "soon"], "such as 90d"),
        (["--unused-for", "90d", NAFNET], "name none"),
        ([], "Name the model to remove"),
    ],
)
def test_what_is_to_go_must_be_said(another: Home, arguments: list[str], says: str) -> None:
    done = another.nss("models", "remove", *arguments, ok=False)
    assert done.returncode == 2 and says in done.stderr


def test_a_model_that_no_card_knows_can_be_removed(mine: Home, tmp_path: Path) -> None:
    folder = tmp_path / "cards"
    shutil.copytree(mine.environment["NSS_CARDS"], folder)
    [card] = folder.rglob(f"{SCUNET}.toml")
    card.unlink()
    mine.environment["NSS_CARDS"] = str(folder)
    assert list(mine.json("models", "list")["without_card"]) == [SCUNET]
    assert f"nss models remove {SCUNET}" in mine.nss("models", "list").stdout
    mine.nss("models", "remove", SCUNET)
    assert mine.json("models", "list")["without_card"] == {}


def test_the_folder_is_moved_and_the_worker_follows(
    mine: Home, photo: Path, tmp_path: Path
) -> None:
    arguments = ("run", "deblur", photo, "-o", tmp_path / "out.png", "--path", "real")
    mine.nss(*arguments)
    old, new = mine.folder / "data/models", tmp_path / "Große Platte/models"
    said = mine.nss("models", "move", new).stdout
    assert f"Models are kept in {new} now; 5 were moved" in said
    assert not old.exists()
    (tmp_path / "out.png").unlink()
    mine.nss(*arguments)
    assert mine.json("models", "list")["folder"] == str(new)
    assert "0 were moved" in mine.nss("models", "move", new).stdout
    done = mine.nss("models", "move", new / "deeper", ok=False)
    assert done.returncode == 2


def test_leftovers_are_told_and_cleaned_when_the_worker_starts(another: Home, photo: Path) -> None:
    staging = another.folder / "data/models/.staging"
    staging.mkdir(parents=True)
    card = cards.load(Path(another.environment["NSS_CARDS"]))[NAFNET]
    ours = staging / f"{card.main_file.sha256}.part"
    strange = staging / f"{'0' * 64}.part"
    for path in (ours, strange):
        path.write_bytes(b"x" * 2_000_000)
    text = another.nss("models", "list").stdout
    assert f"2 MB of {card.main_file.path} ({NAFNET}): unfinished since" in text
    assert "2 MB of no model: unfinished since" in text
    another.nss("plan", "deblur", photo)
    deadline = time.monotonic() + 120
    while strange.exists():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert ours.exists()
