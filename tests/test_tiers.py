from __future__ import annotations

from shared_core.tiers import Offer, advise

TOOLS = (("denoise", "Denoise"), ("deblur", "Deblur"), ("paint", "Paint"), ("back", "Background"))
BUDGET = 60
SLOW = "Model would take about 4 min, the limit is 60 s"


def offer(tool: str, tier: str, against: str = "", model: str = "") -> Offer:
    name = model or f"{tool}-{tier}"
    return Offer(tool, name, name, tier, 100_000_000, 40_000_000, 10, 1 << 30, against)


def test_without_models_lite_is_what_there_is():
    advice = advise([], TOOLS, BUDGET)
    assert advice.recommended == "lite"
    assert [tier.download_bytes for tier in advice.tiers] == [0, 0, 0]
    assert advice.reason.startswith("0 of 4 tools run a real model within 60 s")


def test_the_highest_tier_that_adds_something_within_the_limits():
    offers = [
        offer("denoise", "standard"),
        offer("deblur", "standard", SLOW),
        offer("paint", "pro"),
    ]
    advice = advise(offers, TOOLS, BUDGET)
    assert advice.recommended == "pro"
    assert [len(tier.real) for tier in advice.tiers] == [0, 1, 2]
    assert advice.reason == (
        "2 of 4 tools run a real model within 60 s on a 12-megapixel photo; "
        "Deblur: Model would take about 4 min, the limit is 60 s."
    )


def test_a_tier_that_adds_nothing_here_is_not_recommended():
    offers = [
        offer("denoise", "standard"),
        offer("paint", "pro", SLOW),
        offer("back", "pro", "Big needs 1.1 TB"),
    ]
    advice = advise(offers, TOOLS, BUDGET)
    assert advice.recommended == "standard"
    assert f"; Paint: {SLOW}; Background: Big needs 1.1 TB." in advice.reason


def test_a_better_model_is_reason_enough():
    offers = [offer("denoise", "pro"), offer("denoise", "standard")]
    advice = advise(offers, TOOLS, BUDGET)
    assert advice.recommended == "pro"
    assert advice.tiers[1].tools[0].model == "denoise-standard"
    assert advice.tiers[2].tools[0].model == "denoise-pro"


def test_the_lighter_model_serves_where_the_better_one_is_too_much():
    offers = [offer("denoise", "pro", SLOW), offer("denoise", "standard")]
    advice = advise(offers, TOOLS, BUDGET)
    assert advice.recommended == "standard"
    assert advice.tiers[2].tools[0].model == "denoise-standard"


def test_a_model_that_two_tools_share_is_counted_once():
    offers = [offer("paint", "pro", model="sd"), offer("back", "pro", model="sd")]
    pro = advise(offers, TOOLS, BUDGET).tiers[2]
    assert len(pro.real) == 2
    assert (pro.download_bytes, pro.missing_bytes) == (100_000_000, 40_000_000)
