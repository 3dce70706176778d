"""Every shipped card in words and as JSON: nothing is left out, nothing is made up."""

from __future__ import annotations

import json

import pytest

from shared_core.catalog import cards, describe
from shared_core.catalog.card import HUB_DECLARED
from shared_core.catalog.store import ModelState, Presence
from tests.conftest import ROOT

CARDS = cards.load(ROOT / "models")
STATE = ModelState(Presence.MISSING, 0, 1, "It is not downloaded.", None)


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card.id)
def test_a_card_in_words_and_as_data(card: cards.Card) -> None:
    text = describe.text(card, STATE, {})
    told = json.loads(json.dumps(describe.data(card, STATE, {})))
    place = (card.repo, card.revision, card.page) if card.hosted else (str(card.shipped),)
    for fact in (*place, card.licence, card.licence_link, card.commercial_note):
        assert fact in text
    for file in card.files:
        assert file.path in text and f"{file.size:,} bytes" in text
        assert (file.sha256 or HUB_DECLARED) in text
    for spec in (*card.inputs, *card.outputs):
        assert (spec.name or "name read from the session") in text
    for source in card.sources:
        assert f"{source.source} ({source.certainty})" in text
    assert (told["state"], told["reason"]) == ("missing", "It is not downloaded.")
    assert "missing; It is not downloaded." in text
    assert told["id"] == card.id and told["bytes"] == card.download_bytes
    assert [file["sha256"] for file in told["files"]] == [f.sha256 or None for f in card.files]
    assert (card.opset is None) == (told["opset"] is None) == ("opset            unknown" in text)
    assert (
        (told["weights"] is None) == (not card.weights) == ("weights               unknown" in text)
    )


def test_what_the_hub_declared_is_told_with_that_word() -> None:
    card = CARDS["ddcolor-facefusion"]
    recorded = {"ddcolor.onnx": "ab" * 32}
    assert f"SHA-256 {'ab' * 32} (hub-declared at the download)" in describe.text(
        card, STATE, recorded
    )
    [file] = describe.data(card, STATE, recorded)["files"]
    assert (file["sha256"], file["sha256_is"]) == ("ab" * 32, "hub-declared")
