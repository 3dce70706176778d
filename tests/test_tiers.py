from __future__ import annotations

import pytest

from shared_core.tiers import Limits, Offer, advise

TOOLS = (("denoise", "Denoise"), ("deblur", "Deblur"), ("paint", "Paint"), ("back", "Background"))
LIMITS = Limits(60, 8 << 30)


def offer(tool: str, tier: str, seconds: float | None = 10, peak: int = 1 << 30, model="") -> Offer:
    name = model or f"{tool}-{tier}"
    return Offer(tool, name, name, tier, 100_000_000, 40_000_000, seconds, peak)


def test_without_models_lite_is_what_there_is():
    advice = advise([], TOOLS, LIMITS)
    assert advice.recommended == "lite"
    assert [tier.download_bytes for tier in advice.tiers] == [0, 0, 0]
    assert advice.reason.startswith("0 of 4 tools run a real model within 60 s")


def test_the_highest_tier_that_adds_something_within_the_limits():
    offers = [offer("denoise", "standard"), offer("deblur", "standard", 240), offer("paint", "pro")]
    advice = advise(offers, TOOLS, LIMITS)
    assert advice.recommended == "pro"
    assert [len(tier.real) for tier in advice.tiers] == [0, 1, 2]
    assert advice.reason == (
        "2 of 4 tools run a real model within 60 s on a 12-megapixel photo; "
        "Deblur would take about 4 min."
    )


def test_a_tier_that_adds_nothing_here_is_not_recommended():
    offers = [
        offer("denoise", "standard"),
        offer("paint", "pro", 500),
        offer("back", "pro", 1, 1 << 40),
    ]
    advice = advise(offers, TOOLS, LIMITS)
    assert advice.recommended == "standard"
    assert "Paint would take about 8 min" in advice.reason
    assert "Background needs 1099.5 GB of memory" in advice.reason


def test_a_better_model_is_reason_enough():
    offers = [offer("denoise", "pro", 50), offer("denoise", "standard")]
    advice = advise(offers, TOOLS, LIMITS)
    assert advice.recommended == "pro"
    assert advice.tiers[1].tools[0].model == "denoise-standard"
    assert advice.tiers[2].tools[0].model == "denoise-pro"


def test_the_lighter_model_serves_where_the_better_one_is_too_much():
    offers = [offer("denoise", "pro", 100), offer("denoise", "standard")]
    advice = advise(offers, TOOLS, LIMITS)
    assert advice.recommended == "standard"
    assert advice.tiers[2].tools[0].model == "denoise-standard"


def test_a_model_that_two_tools_share_is_counted_once():
    offers = [offer("paint", "pro", model="sd"), offer("back", "pro", model="sd")]
    pro = advise(offers, TOOLS, LIMITS).tiers[2]
    assert len(pro.real) == 2
    assert (pro.download_bytes, pro.missing_bytes) == (100_000_000, 40_000_000)


@pytest.mark.parametrize("seconds", [None, 60])
def test_what_is_not_known_or_just_fits_counts_as_fitting(seconds):
    assert advise([offer("denoise", "standard", seconds)], TOOLS, LIMITS).recommended == "standard"
