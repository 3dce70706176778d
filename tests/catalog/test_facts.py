"""Every card against the collected facts, which are no part of the project: skips without them.

What a card says and the facts say too must agree, tensor by tensor; what the facts leave out of a
file (its SHA-256, its opset) the card must leave out too.
"""

from __future__ import annotations

import re
from typing import Any

import pytest
import tomllib

from shared_core.catalog import cards
from shared_core.catalog.cards import (
    MIN_MAX,
    SIGMOID,
    Card,
    CommercialUse,
    TensorSpec,
)
from tests.conftest import ROOT, shared

CARDS = cards.load(ROOT / "models")
COMMERCIAL = {
    "no": CommercialUse.NO,
    "restricted": CommercialUse.NO,
    "doubtful": CommercialUse.UNCLEAR,
}
# The tensors in the facts are those of another file of the same repository, of another scale.
OTHER_FILE = {"realesrgan-x4plus-x2"}


@pytest.fixture(scope="module")
def facts() -> list[dict[str, Any]]:
    path = shared("facts") / "models.toml"
    found: list[dict[str, Any]] = tomllib.loads(path.read_text("utf-8"))["model"]
    return found


def entry_of(card: Card, facts: list[dict[str, Any]]) -> dict[str, Any]:
    """The facts on this very repository, revision and file."""
    wanted = card.repo, card.revision, card.files[0].path
    for entry in facts:
        # A note may follow the name.
        place = entry["repo"].split(" ")[0], entry.get("revision")
        if any((*place, file["path"]) == wanted for file in entry["file"]):
            return entry
    pytest.fail(f"{card.id}: no fact speaks of {wanted}")


@pytest.mark.parametrize("card", cards.unshipped(CARDS).values(), ids=lambda card: card.id)
def test_a_card_agrees_with_the_facts(card: Card, facts: list[dict[str, Any]]) -> None:
    entry = entry_of(card, facts)
    assert entry["host"] == "huggingface"
    assert card.licence == entry["licence"]
    assert card.licence_note or "licence_note" not in entry
    if "commercial_use" in entry:
        assert card.commercial_use is COMMERCIAL[entry["commercial_use"]]
    if card.opset is not None:
        assert card.opset == entry["opset"]
    if "weights_dtype" in entry and card.files[0].path == entry["file"][0]["path"]:
        assert card.weights.split(" ")[0] == entry["weights_dtype"].split(" ")[0]
    check_files(card, entry)
    if "recommended_tile" in entry:
        assert card.tile is not None and card.tile.size == entry["recommended_tile"]
    check_recipe(card, entry)
    for kind, specs in (("input", card.inputs), ("output", card.outputs)):
        if kind not in entry:
            assert all(spec.name is None for spec in specs), f"nobody knows the {kind}'s name"
        for place, fact in enumerate(entry.get(kind, [])):
            check_tensor(card, kind, specs, place, fact)


def check_files(card: Card, entry: dict[str, Any]) -> None:
    listed = {file["path"]: file for file in entry["file"]}
    for file in card.files:
        fact = listed[file.path]
        assert file.size == fact["size"], file.path
        assert file.sha256 == fact.get("sha256", ""), file.path


def check_recipe(card: Card, entry: dict[str, Any]) -> None:
    if card.recipe is None:
        return
    assert card.recipe.latent_scale == entry["vae_scaling_factor"]
    assert str(card.recipe.most_steps) == str(entry["steps"]).rpartition("..")[2]
    note = next(one["note"] for one in entry["input"] if one["name"].endswith("input_ids"))
    pad = re.search(r"pad(?:ded)?(?: token id| with) (\d+)", note)
    assert pad is not None and card.recipe.pad == int(pad[1])


def check_tensor(
    card: Card, kind: str, specs: tuple[TensorSpec, ...], place: int, fact: dict[str, Any]
) -> None:
    role, _, name = fact.get("name", "").rpartition(":")
    if role and role not in {spec.role for spec in specs}:
        # Of a network that is left out here.
        return
    named = [spec for spec in specs if name and spec.name == name and role in ("", spec.role)]
    unnamed = [spec for spec in specs if spec.name is None and role in ("", spec.role)]
    where = f"{card.id} {kind} {name or place}"
    assert named or unnamed, f"{where} is not on the card"
    spec = (named or unnamed)[0]
    if spec.name is None and card.id not in OTHER_FILE:
        assert not name or "read from session" in fact.get("note", ""), where
    assert spec.dtype == fact["dtype"].split(" ")[0], where
    assert sides_agree(spec.shape, fact["shape"]) or card.id in OTHER_FILE, where
    if "channels" in fact:
        assert spec.channels == letters(fact["channels"]), where
    for field in ("mean", "std"):
        if field in fact:
            assert list(getattr(spec, field)) == fact[field], where
    if "range" in fact:
        check_range(spec, fact["range"], where)
    if "multiple_of" in fact and card.tile is not None:
        assert card.tile.multiple == fact["multiple_of"], where


def sides_agree(told: tuple[int | str, ...], known: list[int | str]) -> bool:
    """Whether shapes are the same; where the card leaves a side free it may have any length."""
    if len(told) != len(known):
        return False
    for index, (mine, theirs) in enumerate(zip(told, known, strict=True)):
        if mine == theirs or (isinstance(mine, str) and (index == 0 or isinstance(theirs, int))):
            continue
        # "seq<=77" and the like.
        if isinstance(mine, int) and isinstance(theirs, str) and theirs.endswith(f"={mine}"):
            continue
        return False
    return True


def letters(text: str) -> tuple[str, ...]:
    """Channels as cards write them."""
    if text.startswith("Lab "):
        return tuple(text.removeprefix("Lab ").split(","))
    order = re.match("RGB|BGR", text)
    return tuple(order[0]) if order else tuple(text.split(","))


def check_range(spec: TensorSpec, text: str, where: str) -> None:
    assert spec.by_maximum == ("x/max(x)" in text), where
    if "logits" in text:
        assert spec.then == SIGMOID, where
    if "min-max" in text:
        assert spec.then == MIN_MAX, where
    mask = re.match(r"(\d+) keep / (\d+) hole", text)
    if mask:
        keep, hole = map(float, mask.groups())
        assert spec.range == (min(keep, hole), max(keep, hole)), where
        assert spec.channels == (("hole",) if hole > keep else ("keep",)), where
    limits = re.search(r"(-?\d+)\.\.(-?\d+)", text)
    if limits and spec.range is not None:
        said = tuple(map(float, limits.groups()))
        fed = [spec.range]
        if spec.mean:
            fed.append(tuple((n - spec.mean[0]) / spec.std[0] for n in spec.range))
        assert said in fed, where
