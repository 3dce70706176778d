"""``nss models lock`` against the local hub: what cards pin, checked and written."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared_core.bridge.errors import CouldNotBeDone
from shared_core.catalog import cards
from shared_core.catalog.card import HUB_DECLARED
from shared_core.catalog.pins import corrected
from tests.catalog.small_cards import REPO, REVISION, card_text, identity, placed
from tests.conftest import Home
from tests.fakes.contract_models import MODELS_FOLDER
from tests.fakes.hub import Hub

FILES = {"model.onnx": identity(), "vocab.json": b'{"a": 1}'}
TENSORS = "".join(
    f'[[{kind}]]\ndtype = "float32"\nlayout = "NCHW"\nshape = [1, 3, 32, 32]\n'
    for kind in ("input", "output")
)
NEWER = "6" * 40


class Desk:
    """A maintainer's checkout of one card, and the hub."""

    def __init__(self, home: Home, folder: Path, hub: Hub) -> None:
        self.home, self.hub = home, hub
        self.path = folder / "cards" / "words.toml"
        self.text = (
            card_text("words", FILES, TENSORS)
            .replace("size = ", "size   = ")
            .replace('revision = "', '# The pin.\nrevision = "')
            .replace('sha256 = "', 'sha256 = "', 1)
        )
        self.path.parent.mkdir()
        self.write(self.text)

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")

    def read(self) -> str:
        return self.path.read_text(encoding="utf-8")

    def lock(self, *options: str, code: int = 0) -> str:
        done = self.home.nss("models", "lock", *options, ok=False)
        assert done.returncode == code, done.stdout + done.stderr
        return str(done.stdout + done.stderr)


@pytest.fixture
def desk(home: Home, tmp_path: Path) -> Iterator[Desk]:
    placed(tmp_path / "hub" / REPO / REVISION, FILES)
    with Hub(tmp_path / "hub") as hub:
        home.environment |= {
            "NSS_CARDS": str(tmp_path / "cards"),
            "HF_ENDPOINT": hub.url,
            "HF_HUB_OFFLINE": "0",
            "HF_HUB_DOWNLOAD_TIMEOUT": "1",
        }
        yield Desk(home, tmp_path, hub)


def test_a_card_that_is_right_is_left_alone(desk: Desk) -> None:
    assert "0 values are wrong" in desk.lock("--check")
    assert "0 values were corrected" in desk.lock()
    assert desk.read() == desk.text


def test_what_is_wrong_is_found_and_corrected_and_the_rest_stays(desk: Desk) -> None:
    size = len(FILES["model.onnx"])
    sha256 = hashlib.sha256(FILES["vocab.json"]).hexdigest()
    wrong = desk.text.replace(f"size   = {size}", f"size   = {size + 1_000}  # bytes")
    wrong = wrong.replace(sha256, "0" * 64)
    desk.write(wrong)
    said = desk.lock("--check", code=3)
    assert f"words, model.onnx: size {size + 1000}, the hub says {size}" in said
    assert f"words, vocab.json: sha256 {'0' * 64}, the hub says {sha256}" in said
    assert desk.read() == wrong
    assert "2 values were corrected" in desk.lock("words")
    assert desk.read() == desk.text.replace(f"size   = {size}", f"size   = {size}  # bytes")
    assert desk.home.json("models", "lock", "--check") == []


def test_hashes_left_to_the_hub_are_written_only_when_asked_for(desk: Desk) -> None:
    sha256 = hashlib.sha256(FILES["model.onnx"]).hexdigest()
    without = desk.text.replace(sha256, HUB_DECLARED)
    desk.write(without)
    assert "0 values are wrong" in desk.lock("--check")
    desk.lock()
    assert desk.read() == without
    assert "left to the hub" in desk.lock("--check", "--declared", code=3)
    desk.lock("--declared")
    assert desk.read() == desk.text


def test_the_newest_revision_is_pinned_when_asked_for(desk: Desk) -> None:
    files = {**FILES, "model.onnx": identity(factor=2), "README.md": b"New."}
    placed(desk.hub.folder / REPO / NEWER, files)
    desk.hub.heads[REPO] = NEWER
    assert "0 values were corrected" in desk.lock("words")
    assert "takes the models" in desk.lock("--newest", code=2)
    assert "revision" in desk.lock("words", "--newest")
    [(_, card)] = cards.places(desk.path.parent).values()
    assert card.revision == NEWER
    assert card.main_file.sha256 == hashlib.sha256(files["model.onnx"]).hexdigest()
    assert "# The pin." in desk.read()


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("401", "and HF_TOKEN"),
        ("403", "and HF_TOKEN"),
        ("404", "status 404"),
        ("503", "status 503"),
        ("html", "cannot be asked"),
        ("silent", "timed out"),
    ],
)
def test_a_hub_that_cannot_be_asked_is_told(desk: Desk, kind: str, says: str) -> None:
    desk.hub.fault(f"/revision/{REVISION}", kind)
    [line] = desk.lock(code=5).splitlines()
    assert line.startswith(f"nss: The hub cannot be asked about {REPO} at revision {REVISION}")
    assert says in line
    assert desk.read() == desk.text


def test_what_the_hub_does_not_have_is_told(desk: Desk) -> None:
    (desk.hub.folder / REPO / REVISION / "vocab.json").unlink()
    assert "The hub has no vocab.json" in desk.lock(code=5)
    shutil.rmtree(desk.hub.folder / REPO)
    assert "status 404" in desk.lock(code=5)
    assert "no model 'nothing'" in desk.lock("nothing", code=2)


HUB_CARDS = sorted(set(MODELS_FOLDER.rglob("*.toml")) - set(MODELS_FOLDER.glob("compact/*")))


@pytest.mark.parametrize("path", HUB_CARDS, ids=lambda p: p.stem)
def test_every_card_can_be_corrected_and_keeps_its_layout(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    card = cards.read_card(path)
    values = {
        "": {"revision": NEWER},
        **{file.path: {"size": "1234567", "sha256": "a" * 64} for file in card.files},
    }
    made = corrected(text, values)
    assert made.count("1_234_567") == made.count("a" * 64) == len(card.files)
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert [line for line in made.splitlines() if line.startswith("#")] == comments
    same = {"": {"revision": card.revision}}
    same |= {
        f.path: {"size": str(f.size)} | ({"sha256": f.sha256} if f.sha256 else {})
        for f in card.files
    }
    assert corrected(text, same) == text


def test_a_layout_that_cannot_be_changed_is_refused() -> None:
    text = 'revision = "1"\nfile = [{path = "a", size = 1, sha256 = "b"}]\n'
    with pytest.raises(CouldNotBeDone, match="by hand"):
        corrected(text, {"a": {"size": "2"}})
