"""The IPTC source types of receipts, and which of several says most."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.bridge.iptc import source_type, strongest

CODES = "http://cv.iptc.org/newscodes/digitalsourcetype/"
ENHANCED = CODES + "algorithmicallyEnhanced"
COMPOSITE = CODES + "compositeWithTrainedAlgorithmicMedia"
GENERATED = CODES + "trainedAlgorithmicMedia"
PROCEDURAL = CODES + "algorithmicMedia"


def step(tool: str, path: str, source: dict[str, Any] | None = None) -> dict[str, Any]:
    """Of a receipt what counts."""
    return {"tool": tool, "path": path, "source": source}


# Written down from the specification, not from the table under test: real, classical.
EXPECTED = {
    "remove-background": (ENHANCED, ENHANCED),
    "colorize": (COMPOSITE, ENHANCED),
    "restore-faces": (COMPOSITE, ENHANCED),
    "deblur": (ENHANCED, ENHANCED),
    "denoise": (ENHANCED, ENHANCED),
    "upscale": (COMPOSITE, ENHANCED),
    "remove-object": (COMPOSITE, ENHANCED),
    "text-to-image": (GENERATED, PROCEDURAL),
    "generate-background": (COMPOSITE, PROCEDURAL),
    "tags": (None, None),
}


@pytest.mark.parametrize("tool", EXPECTED)
def test_source_types_of_all_tools(tool: str) -> None:
    real, classical = EXPECTED[tool]
    assert source_type(step(tool, "real")) == source_type(step(tool, "byo")) == real
    assert source_type(step(tool, "classical")) == classical


def test_a_stronger_source_stays() -> None:
    faces = step("restore-faces", "real")
    later = step("deblur", "classical", faces)
    assert source_type(step("tags", "real", later)) == COMPOSITE
    generated = step("text-to-image", "real")
    assert source_type(step("restore-faces", "real", generated)) == GENERATED
    procedural = step("text-to-image", "classical")
    assert source_type(step("deblur", "real", procedural)) == PROCEDURAL


def test_a_long_chain_of_edits_is_no_trouble() -> None:
    chain: dict[str, Any] | None = None
    for _ in range(5000):
        chain = step("denoise", "classical", chain)
    assert source_type(step("deblur", "real", chain)) == ENHANCED


STRENGTH = [None, CODES + "digitalCapture", ENHANCED, PROCEDURAL, COMPOSITE, GENERATED]


@given(st.lists(st.sampled_from(STRENGTH), max_size=6))
def test_the_strongest_wins_in_any_order(values: list[str | None]) -> None:
    best = max(values, key=STRENGTH.index, default=None)
    assert strongest(values) == best
    assert strongest(reversed(values)) == best
    assert strongest([best, *values]) == best


@pytest.mark.parametrize(
    "spelling",
    [
        "https://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
        "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia/",
        "digsrctype:trainedAlgorithmicMedia",
        " trainedalgorithmicmedia\n",
    ],
)
def test_other_spellings_count(spelling: str) -> None:
    assert strongest([ENHANCED, spelling]) == GENERATED


def test_unknown_values_are_weak_but_kept_alone() -> None:
    assert strongest(["x:y", CODES + "digitalCapture"]) == "x:y"
    assert strongest(["x:y", ENHANCED]) == ENHANCED
    assert strongest(["", "  ", None]) is None


def test_what_is_no_receipt_counts_for_nothing() -> None:
    for data in ({}, {"tool": 3, "path": "real"}, {"tool": "deblur", "path": ["real"]}):
        assert source_type(data) is None
    assert source_type(step("a newer tool", "real")) == COMPOSITE
    assert source_type(step("a newer tool", "classical")) == ENHANCED
