"""The user's own models: their cards beside their files, before the catalogue's, truly labelled."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest

from shared_core.bridge import toolbox
from shared_core.bridge.errors import CouldNotBeDone, UsageError
from shared_core.bridge.paths import Paths
from shared_core.catalog import cards, own
from shared_core.catalog.card import Card, CardFile, CommercialUse, TensorSpec, Tier, TileRule
from shared_core.catalog.card_text import card_text
from shared_core.tools import registry
from tests.conftest import Home
from tests.fakes.contracts import strangers
from tests.fakes.contracts.strangers import Contract

CATALOGUE = cards.load()


def a_card(data: bytes, tool: str = "denoise", name: str = "own.smooth", **fields: object) -> Card:
    """The card of the stranger of the plain contract."""
    inputs, outputs = strangers.specs(Contract())
    plain = replace(
        CATALOGUE["scunet-real-psnr"],
        id=name,
        tool=tool,
        title="smooth",
        tier=Tier.STANDARD,
        rank=1,
        choice=name,
        repo="",
        revision="",
        licence="unknown",
        licence_url="",
        licence_note="",
        commercial_use=CommercialUse.UNCLEAR,
        commercial_note="Your own model.",
        files=(CardFile("smooth.onnx", len(data), hashlib.sha256(data).hexdigest()),),
        inputs=inputs,
        outputs=outputs,
        tile=TileRule(64, 16, 1, False, least=32),
        mix="",
        own=True,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def put(models: Path, card: Card, data: bytes) -> None:
    """Put an own model where models are."""
    own.write(models / card.id, card)
    (models / card.id / card.main_file.path).write_bytes(data)


@pytest.mark.parametrize("model", CATALOGUE)
def test_a_card_written_is_the_card_read(tmp_path: Path, model: str) -> None:
    card = CATALOGUE[model]
    if card.recipe or not isinstance(card.mix, str) or card.helper or card.shipped:
        pytest.skip("only the catalogue has these")
    path = tmp_path / "card.toml"
    path.write_text(card_text(card), encoding="utf-8")
    assert cards.read_card(path) == replace(card, mix="")


def test_a_card_of_everything_a_contract_may_have(tmp_path: Path) -> None:
    spec = TensorSpec(
        'a "name"\n\\ é',
        "float16",
        "NHWC",
        ("batch", "H", "W", 4),
        ("R", "G", "B", "hole"),
        (0.0, 1.0),
        mean=(0.5, 0.5, 0.5, 0.0),
        std=(0.5, 0.5, 0.5, 1.0),
        by_maximum=True,
        blank=True,
        margin=7,
    )
    number = TensorSpec("w", "float64", "", (), (), None, value=0.0)
    part = TensorSpec("out", "int64", "NHW", ("N", "H/4", "W/4"), (), (0.0, 1.0), None)
    part = replace(part, then="classes", subject=(0, 15))
    card = a_card(b"x", inputs=(spec, number), outputs=(part,), tile=None, side=320, multiple=14)
    own.write(tmp_path / card.id, card)
    assert own.load(tmp_path) == {card.id: card}


def test_the_user_s_own_come_first_the_newest_of_them_and_can_be_switched_off(
    tmp_path: Path,
) -> None:
    data = strangers.enhancer(Contract())
    first, second = a_card(data), a_card(data, name="own.smooth-2", rank=2)
    for card in (first, second):
        put(tmp_path, card, data)
    known = {**CATALOGUE, **own.load(tmp_path)}

    def order() -> list[str]:
        found = {**CATALOGUE, **own.load(tmp_path)}
        return [card.id for card in registry.models(found, "denoise", {"strength": "auto"})]

    assert order()[:3] == ["own.smooth-2", "own.smooth", "scunet-real-psnr"]
    assert own.new_rank(known.values(), "denoise") == 3
    assert own.new_rank(known.values(), "deblur") == 1
    own.switch(tmp_path, second, on=False)
    assert order()[:2] == ["own.smooth", "scunet-real-psnr"]
    own.switch(tmp_path, second, on=True)
    assert order()[0] == "own.smooth-2"
    # A noise level that the user chose goes to a model that can be told.
    found = registry.models(known, "denoise", {"strength": 25.0})
    assert all(card.takes_sigma for card in found)


def test_an_own_model_is_chosen_by_its_name() -> None:
    tool = toolbox.tool("upscale")
    assert tool.parse({"model": "own.mine"})["model"] == "own.mine"
    for wrong in ("own.", "own./x", "own.a b", "other", "own.../../x"):
        with pytest.raises(UsageError, match=r"own\.NAME|is not one of"):
            tool.parse({"model": wrong})
    inputs, outputs = strangers.specs(Contract(scale=2))
    card = a_card(b"x", "upscale", "own.mine", inputs=inputs, outputs=outputs, opt_in=True)
    card = replace(card, tile=TileRule(64, 16, scale=2))
    known = {**CATALOGUE, card.id: card}
    assert registry.models(known, "upscale", {"factor": "2", "model": "own.mine"}) == [card]
    assert card not in registry.models(known, "upscale", {"factor": "2", "model": "auto"})


def test_names_are_unlike_each_other() -> None:
    assert own.new_id("SCUNet Real (PSNR).onnx", []) == "own.scunet-real-psnr"
    assert own.new_id("x.onnx", ["own.x", "own.x-2"]) == "own.x-3"
    assert own.new_id("…", []) == "own.model"


def test_a_card_that_cannot_be_read_spoils_nothing(tmp_path: Path) -> None:
    data = b"x"
    put(tmp_path, a_card(data), data)
    for name, text in (("own.torn", "schema = "), ("own.moved", card_text(a_card(data)))):
        (tmp_path / name).mkdir()
        (tmp_path / name / own.CARD).write_text(text)
    assert list(own.load(tmp_path)) == ["own.smooth"]
    # In the catalogue no card passes for one of these.
    hosted = replace(a_card(data), repo="a/b", revision="5" * 40)
    path = tmp_path / "card.toml"
    path.write_text(card_text(hosted))
    assert cards.read_card(path, own=True) == hosted
    with pytest.raises(CouldNotBeDone, match=r"begin with 'own\.'"):
        cards.read_card(path)


def test_changes_are_seen_at_once(tmp_path: Path) -> None:
    where = Paths(tmp_path / "c", tmp_path, tmp_path / "x", tmp_path / "r")
    known = own.Known(where)
    assert set(known.cards()) == set(CATALOGUE)
    card = a_card(b"x")
    put(where.models, card, b"x")
    assert known.cards()[card.id] == card
    own.switch(where.models, card, on=False)
    assert known.cards()[card.id].opt_in


def _photo(folder: Path) -> Path:
    rng = np.random.default_rng(1)
    path = folder / "photo.png"
    cv2.imwrite(str(path), rng.integers(0, 255, (60, 80, 3), np.uint8))
    return path


def test_the_whole_way_is_labelled_as_the_user_s_own(home: Home, tmp_path: Path) -> None:
    """Plan, result, receipt, a fault and what is left after removing it."""
    data = strangers.enhancer(Contract())
    models = home.folder / "data" / "models"
    card = a_card(data)
    put(models, card, data)
    photo = _photo(tmp_path)
    plan = home.json("plan", "denoise", photo)
    assert (plan["path"], plan["model"]) == ("byo", "own.smooth")
    assert "Your model · smooth · CPU" in home.nss("plan", "denoise", photo).stdout
    out = tmp_path / "out.png"
    done = home.nss("run", "denoise", photo, "-o", out, "--receipt", tmp_path / "r.json")
    assert "Denoise: your model smooth on CPU" in done.stdout
    receipt = home.json_file(tmp_path / "r.json")
    assert receipt["path"] == "byo"
    assert receipt["model"]["file"] == "smooth.onnx"
    assert receipt["model"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert receipt["model"]["repo"] == ""
    source = cv2.imread(str(photo))[..., ::-1] / 255
    made = cv2.imread(str(out))[..., ::-1]
    expected = np.clip(strangers.expected_enhanced(source), 0, 1) * 255
    assert np.abs(made - expected).max() <= 0.51
    # The same bytes changed: never run, never called the user's model.
    (models / card.id / "smooth.onnx").write_bytes(data[:-1] + b"!")
    plan = home.json("plan", "denoise", photo)
    assert plan["path"] == "classical"
    assert "SHA-256" in plan["reason"]
    (models / card.id / "smooth.onnx").unlink()
    plan = home.json("plan", "denoise", photo)
    assert plan["path"] == "classical" and (plan["offer"] or {}).get("model") != card.id
    home.nss("models", "remove", card.id)
    assert not (models / card.id).exists()
    assert card.id not in [row["id"] for row in home.json("models", "list")["models"]]
