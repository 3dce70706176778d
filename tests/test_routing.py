"""The truth table of routing: every reason is reachable, and no plan is without one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core import routing
from shared_core.bridge import wire
from shared_core.routing import Candidate, Facts, Preference, Room, Way, decide

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
GB = 10**9
WAY = Way(CPU, seconds=40.0, peak_bytes=2 * GB)
SMALLER = Way(CPU, 2, seconds=50.0, peak_bytes=GB)
ON_CARD = Way(CUDA, seconds=2.0, peak_bytes=GB, vram_bytes=3 * GB)
ON_CARD_SMALLER = Way(CUDA, 2, seconds=2.5, peak_bytes=GB, vram_bytes=2 * GB)
DIED = "the worker died while NAFNet was running (12.0 MP)"
NAFNET = Candidate(
    model="nafnet",
    title="NAFNet",
    present=True,
    trouble="",
    ways=(WAY,),
    download_bytes=0,
)
FACTS = Facts(
    candidates=(NAFNET,),
    classical_title="classical sharpening",
    classical_seconds=1.5,
    classical_peak_bytes=400_000_000,
    memory=Room(8 * GB, 13 * GB, 16 * GB),
    no_candidate="there is no model for these settings",
)


def one(*ways: Way, **change: object) -> Candidate:
    """NAFNet with other ways."""
    return replace(NAFNET, ways=ways or NAFNET.ways, **change)


MISSING = one(present=False, download_bytes=91_736_251)
SLOW = one(replace(WAY, seconds=200.0))
LIGHT = one(Way(CPU, seconds=5.0, peak_bytes=GB), model="light", title="Light", choice="Fast")
COMPACT = replace(LIGHT, model="own", title="Own", choice="", compact=True)
LIGHT_MISSING = replace(LIGHT, present=False, download_bytes=17_000_000)
TILED = one(WAY, SMALLER)
CARD = one(ON_CARD, ON_CARD_SMALLER, WAY, SMALLER)


def plan(*candidates: Candidate, path: str = "auto", budget: float = 60, **facts: object):
    return decide(replace(FACTS, candidates=candidates, **facts), Preference(path, budget))


def room(limit: float, free: float = 13, total: float = 16) -> Room:
    """Gigabytes."""
    return Room(round(limit * GB), round(free * GB), round(total * GB))


# name, plan, path, provider and divisor of tiles (or none), reason, remedy, insist, download
AUTO_TABLE = [
    ("fits", plan(NAFNET), (CPU, 1), wire.FITS, "", "", None),
    ("nothing is known", plan(one(Way(CPU))), (CPU, 1), wire.FITS, "", "", None),
    ("chosen", plan(NAFNET, path="classical"), None, "as you chose", "", "", None),
    ("no model", plan(), None, "there is no model for these settings", "", "", None),
    (
        "passed over",
        plan(NAFNET, passed_over="Mine takes no chosen strength"),
        (CPU, 1),
        "since Mine takes no chosen strength",
        "",
        "",
        None,
    ),
    (
        "passed over, and the next is slow",
        plan(SLOW, passed_over="Mine takes no chosen strength"),
        None,
        "Mine takes no chosen strength; NAFNet would take about 3 min, the limit is 60 s",
        "raise the time limit to 4 min",
        "Run NAFNet anyway",
        None,
    ),
    (
        "no onnxruntime",
        plan(MISSING, trouble="onnxruntime is not installed"),
        None,
        "onnxruntime is not installed",
        "",
        "",
        None,
    ),
    ("bad file", plan(one(trouble="wrong hash")), None, "wrong hash", "", "", None),
    ("missing", plan(MISSING), None, "NAFNet is not downloaded, 92 MB", "", "", "nafnet"),
    (
        "missing and slow",
        plan(replace(MISSING, ways=SLOW.ways)),
        None,
        "NAFNet (not downloaded, 92 MB) would take about 3 min, the limit is 60 s",
        "raise the time limit to 4 min",
        "",
        None,
    ),
    (
        "missing, and fits in smaller tiles",
        plan(replace(TILED, present=False, download_bytes=92_000_000), memory=room(1.5)),
        None,
        "NAFNet is not downloaded, 92 MB",
        "",
        "",
        "nafnet",
    ),
    (
        "slow",
        plan(SLOW),
        None,
        "NAFNet would take about 3 min, the limit is 60 s",
        "raise the time limit to 4 min",
        "Run NAFNet anyway",
        None,
    ),
    (
        "a little slow",
        plan(one(replace(WAY, seconds=61))),
        None,
        "NAFNet would take about 61 s, the limit is 60 s",
        "raise the time limit to 65 s",
        "Run NAFNet anyway",
        None,
    ),
    (
        "beyond every time limit",
        plan(one(replace(WAY, seconds=4000.0))),
        None,
        "NAFNet would take about 67 min, the limit is 60 s",
        "",
        "Run NAFNet anyway",
        None,
    ),
    ("more time", plan(SLOW, budget=240), (CPU, 1), wire.FITS, "", "", None),
    (
        "large",
        plan(NAFNET, memory=room(1)),
        None,
        "NAFNet needs 2.0 GB of memory, 1.0 GB can be used",
        "raise the limit of memory to 2.0 GB",
        "Run NAFNet anyway",
        None,
    ),
    (
        "large, and others hold the memory",
        plan(NAFNET, memory=room(1, 1.7)),
        None,
        "NAFNet needs 2.0 GB of memory, 1.0 GB can be used",
        "close other programs to free memory",
        "Run NAFNet anyway",
        None,
    ),
    (
        "larger than the machine",
        plan(NAFNET, memory=room(1, 1.5, 1.9)),
        None,
        "NAFNet needs 2.0 GB of memory, 1.0 GB can be used",
        "",
        "Run NAFNet anyway",
        None,
    ),
    (
        "smaller tiles",
        plan(TILED, memory=room(1.5)),
        (CPU, 2),
        "in smaller tiles, since NAFNet needs 2.0 GB of memory, 1.5 GB can be used",
        "",
        "",
        None,
    ),
    (
        "smaller tiles are not enough",
        plan(TILED, memory=room(0.5)),
        None,
        "NAFNet needs 1.0 GB of memory even in smaller tiles, 500 MB can be used",
        "raise the limit of memory to 1.0 GB",
        "Run NAFNet anyway",
        None,
    ),
    (
        "smaller tiles take too long",
        plan(one(WAY, replace(SMALLER, seconds=70)), memory=room(1.5)),
        None,
        "NAFNet would take about 70 s in smaller tiles, the limit is 60 s",
        "raise the time limit to 70 s",
        "Run NAFNet anyway",
        None,
    ),
    ("smaller tiles are for memory alone", plan(TILED, budget=39), None, None, None, None, None),
    (
        "lighter model",
        plan(SLOW, LIGHT),
        (CPU, 1),
        "since NAFNet would take about 3 min, the limit is 60 s",
        "",
        "",
        None,
    ),
    (
        "the other model is here",
        plan(MISSING, LIGHT),
        (CPU, 1),
        "since NAFNet is not downloaded, 92 MB",
        "",
        "",
        None,
    ),
    (
        "lighter model in smaller tiles",
        plan(SLOW, replace(TILED, model="light", title="Light"), memory=room(1.5)),
        (CPU, 2),
        "in smaller tiles, since Light needs 2.0 GB of memory, 1.5 GB can be used; "
        "since NAFNet needs 2.0 GB of memory, 1.5 GB can be used",
        "",
        "",
        None,
    ),
    (
        "the lighter model could be fetched",
        plan(SLOW, LIGHT_MISSING),
        None,
        "NAFNet would take about 3 min, the limit is 60 s",
        "download Light (17 MB) or raise the time limit to 4 min",
        "Run NAFNet anyway",
        "light",
    ),
    (
        "other settings take a lighter model",
        plan(SLOW, others=(LIGHT,)),
        None,
        "NAFNet would take about 3 min, the limit is 60 s",
        "take the model “Fast” or raise the time limit to 4 min",
        "Run NAFNet anyway",
        None,
    ),
    (
        "other settings take a lighter model that is not here",
        plan(SLOW, others=(LIGHT_MISSING,)),
        None,
        "NAFNet would take about 3 min, the limit is 60 s",
        "take the model “Fast” (17 MB to download) or raise the time limit to 4 min",
        "Run NAFNet anyway",
        None,
    ),
    (
        "other settings would not help",
        plan(SLOW, others=(SLOW, replace(LIGHT, trouble="bad"))),
        None,
        "NAFNet would take about 3 min, the limit is 60 s",
        "raise the time limit to 4 min",
        "Run NAFNet anyway",
        None,
    ),
    (
        "it died",
        plan(one(replace(WAY, fault=DIED))),
        None,
        DIED,
        "",
        "Try NAFNet again",
        None,
    ),
    ("on the card", plan(CARD, vram=room(4, 5, 8)), (CUDA, 1), wire.FITS, "", "", None),
    ("a card of unknown memory", plan(CARD), (CUDA, 1), wire.FITS, "", "", None),
    (
        "on the card in smaller tiles",
        plan(CARD, vram=room(2.5, 3, 8)),
        (CUDA, 2),
        "in smaller tiles, since NAFNet needs 3.0 GB of graphics memory, 2.5 GB can be used",
        "",
        "",
        None,
    ),
    (
        "too large for the card",
        plan(CARD, vram=room(1, 3, 8)),
        (CPU, 1),
        "on the processor, since NAFNet needs 3.0 GB of graphics memory, 1.0 GB can be used",
        "",
        "",
        None,
    ),
    (
        "too large for the card and for memory",
        plan(CARD, vram=room(1, 3, 8), memory=room(1.5)),
        (CPU, 2),
        "on the processor in smaller tiles, since NAFNet needs 3.0 GB of graphics memory, 1.0 GB "
        "can be used",
        "",
        "",
        None,
    ),
    (
        "a compact one until the better one is here",
        plan(MISSING, COMPACT),
        (CPU, 1),
        "since NAFNet is not downloaded, 92 MB",
        "",
        "",
        "nafnet",
    ),
    (
        "a compact one, and no better one would run",
        plan(one(replace(WAY, seconds=200.0), present=False), COMPACT),
        (CPU, 1),
        None,
        "",
        "",
        None,
    ),
    (
        "the better one is here",
        plan(NAFNET, COMPACT),
        (CPU, 1),
        "the model is here and fits the limits",
        "",
        "",
        None,
    ),
    (
        "too large for the card, too slow for the processor",
        plan(CARD, vram=room(1, 3, 8), budget=30),
        None,
        "NAFNet needs 2.0 GB of graphics memory even in smaller tiles, 1.0 GB can be used; "
        "on the processor: NAFNet would take about 40 s, the limit is 30 s",
        "raise the limit of graphics memory to 2.0 GB or raise the time limit to 40 s",
        "Run NAFNet anyway",
        None,
    ),
    (
        "it died on the card",
        plan(one(replace(ON_CARD, fault=DIED), replace(ON_CARD_SMALLER, fault=DIED), WAY)),
        (CPU, 1),
        f"on the processor, since {DIED}",
        "",
        "",
        None,
    ),
    (
        "it died on the card and is too slow elsewhere",
        plan(one(replace(ON_CARD, fault=DIED), WAY), budget=30),
        None,
        f"{DIED}; on the processor: NAFNet would take about 40 s, the limit is 30 s",
        "raise the time limit to 40 s",
        "Try NAFNet again",
        None,
    ),
]


@pytest.mark.parametrize(
    ("made", "way", "reason", "remedy", "insist", "download"),
    [row[1:] for row in AUTO_TABLE],
    ids=[row[0] for row in AUTO_TABLE],
)
def test_table(made, way, reason, remedy, insist, download):
    assert made.path == ("real" if way else "classical")
    if way:
        assert (made.provider, made.tile_divisor) == way
    if reason is not None:
        assert (made.reason, made.remedy, made.insist) == (reason, remedy, insist)
    assert made.download == download
    assert (made.download_bytes > 0) == (download is not None)
    assert (made.model is not None) == (made.path == "real")


REAL_TABLE = [
    ("compact, insisted", plan(MISSING, COMPACT, path="real"), (CPU, 1), None, "nafnet"),
    ("insisted", plan(NAFNET, path="real"), (CPU, 1), "as you chose", None),
    ("no model", plan(path="real"), None, "there is no model for these settings", None),
    ("missing", plan(MISSING, path="real"), None, "NAFNet is not downloaded, 92 MB", "nafnet"),
    (
        "missing and slow",
        plan(replace(MISSING, ways=SLOW.ways), path="real"),
        None,
        "NAFNet is not downloaded, 92 MB",
        "nafnet",
    ),
    ("bad file", plan(one(trouble="bad"), path="real"), None, "bad", None),
    (
        "no onnxruntime",
        plan(MISSING, trouble="onnxruntime is not installed", path="real"),
        None,
        "onnxruntime is not installed",
        None,
    ),
    (
        "slow",
        plan(SLOW, path="real"),
        (CPU, 1),
        "as you chose; NAFNet would take about 3 min, the limit is 60 s",
        None,
    ),
    (
        "large",
        plan(NAFNET, memory=room(1), path="real"),
        (CPU, 1),
        "as you chose; NAFNet needs 2.0 GB of memory, 1.0 GB can be used",
        None,
    ),
    ("large with tiles", plan(TILED, memory=room(1.5), path="real"), (CPU, 2), None, None),
    ("nothing is enough", plan(TILED, memory=room(0.5), path="real"), (CPU, 2), None, None),
    ("again", plan(one(replace(WAY, fault=DIED)), path="real"), (CPU, 1), "as you chose", None),
    (
        "again there",
        plan(one(replace(ON_CARD, fault=DIED), WAY), path="real"),
        (CUDA, 1),
        None,
        None,
    ),
    ("too large a card", plan(CARD, vram=room(1, 3, 8), path="real"), (CPU, 1), None, None),
]


@pytest.mark.parametrize(
    ("made", "way", "reason", "download"),
    [row[1:] for row in REAL_TABLE],
    ids=[row[0] for row in REAL_TABLE],
)
def test_table_of_real_only(made, way, reason, download):
    assert made.path == ("real" if way else None)
    if way:
        assert (made.provider, made.tile_divisor) == way
        assert made.reason.startswith("as you chose")
    if reason is not None:
        assert made.reason == reason
    assert (made.insist, made.download) == ("", download)


DOUBTFUL = replace(MISSING, commercial="unclear", terms="Parts are for research only.")
CLEAN = replace(MISSING, model="clean", title="Clean", word="clean", download_bytes=75_000_000)


def test_an_offer_tells_all_that_is_known():
    offered = replace(DOUBTFUL, licence="X", licence_link="https://x.example/", hub_declared=True)
    offer = plan(offered).offer
    assert offer is not None and offer.instead is None
    assert (offer.model, offer.title, offer.bytes) == ("nafnet", "NAFNet", 91_736_251)
    assert (offer.licence, offer.licence_link) == ("X", "https://x.example/")
    assert (offer.commercial, offer.terms) == ("unclear", "Parts are for research only.")
    assert offer.hub_declared and plan(offered).download_bytes == offer.bytes


def test_a_model_that_allows_commercial_use_is_offered_instead():
    assert plan(MISSING, clean=(CLEAN,)).offer.instead is None
    instead = plan(DOUBTFUL, CLEAN, clean=(CLEAN,)).offer.instead
    assert (instead.model, instead.choice, instead.bytes) == ("clean", "clean", 75_000_000)
    here = replace(CLEAN, present=True, download_bytes=0)
    assert plan(DOUBTFUL, clean=(here,), path="real").offer.instead.bytes == 0
    for useless in (
        replace(CLEAN, word=""),
        replace(CLEAN, trouble="wrong hash"),
        replace(CLEAN, ways=SLOW.ways),
        replace(CLEAN, ways=(replace(WAY, peak_bytes=100 * GB),)),
    ):
        assert plan(DOUBTFUL, clean=(useless,)).offer.instead is None
        second = plan(DOUBTFUL, clean=(useless, replace(CLEAN, model="next"))).offer.instead
        assert second.model == "next"


def test_the_sentences():
    assert plan(NAFNET).sentence() == "Real · NAFNet · CPU · about 40 s, 2.0 GB of memory"
    assert plan(CARD, vram=room(4)).sentence() == (
        "Real · NAFNet · CUDA · about 2.0 s, 1.0 GB of memory, 3.0 GB of graphics memory"
    )
    assert plan(SLOW, others=(LIGHT,)).sentence() == (
        "Classical sharpening · about 1.5 s, 400 MB of memory · "
        "NAFNet would take about 3 min, the limit is 60 s · "
        "take the model “Fast” or raise the time limit to 4 min"
    )
    assert plan(TILED, memory=room(1.5)).sentence() == (
        "Real · NAFNet · CPU · about 50 s, 1.0 GB of memory · "
        "in smaller tiles, since NAFNet needs 2.0 GB of memory, 1.5 GB can be used"
    )
    assert plan(MISSING, path="real").sentence() == (
        "Not possible · NAFNet is not downloaded, 92 MB"
    )


providers = st.sampled_from([CPU, CUDA])
ways = st.builds(
    Way,
    provider=providers,
    tile_divisor=st.sampled_from([1, 2]),
    seconds=st.none() | st.floats(0, 1e5),
    peak_bytes=st.none() | st.integers(0, 10**11),
    vram_bytes=st.none() | st.integers(0, 10**11),
    fault=st.sampled_from(["", "it died"]),
)
candidates = st.builds(
    Candidate,
    model=st.just("m"),
    title=st.just("M"),
    present=st.booleans(),
    trouble=st.sampled_from(["", "wrong hash"]),
    ways=st.lists(ways, min_size=1, max_size=4).map(tuple),
    download_bytes=st.integers(1, 10**10),
    choice=st.just("Fast"),
    word=st.sampled_from(["", "fast"]),
    commercial=st.sampled_from(["yes", "no", "unclear"]),
)
rooms = st.builds(Room, st.integers(0, 10**11), st.integers(0, 10**11), st.integers(0, 10**12))


@given(
    st.lists(candidates, max_size=4),
    st.lists(candidates, max_size=2),
    st.sampled_from(["auto", "real", "classical"]),
    st.sampled_from(["", "no provider"]),
    rooms,
    st.none() | rooms,
    st.floats(5, 3600),
)
def test_every_plan_has_a_reason_and_keeps_its_promise(
    found, others, path, trouble, memory, vram, budget
):
    made = plan(
        *found,
        path=path,
        budget=budget,
        trouble=trouble,
        memory=memory,
        vram=vram,
        others=tuple(others),
    )
    assert made.reason and "None" not in made.sentence()
    assert "\n" not in made.sentence() and " ." not in made.sentence()
    if path == "classical":
        assert made.path == "classical"
    if path == "real":
        assert made.path in ("real", None)
    if made.path != "real":
        return
    assert not trouble
    usable = [c for c in found if c.present and not c.trouble]
    [way] = {
        way
        for c in usable
        for way in c.ways
        if (way.provider, way.tile_divisor, way.seconds, way.peak_bytes, way.vram_bytes)
        == (made.provider, made.tile_divisor, made.seconds, made.peak_bytes, made.vram_bytes)
        and (path == "real" or not way.fault)
    } or {None}
    assert way is not None
    if path == "auto":
        assert made.seconds is None or made.seconds <= budget
        assert made.peak_bytes is None or made.peak_bytes <= memory.limit
        assert made.vram_bytes is None or vram is None or made.vram_bytes <= vram.limit


@given(candidates, rooms, st.floats(5, 3600))
def test_following_the_remedy_helps(candidate, memory, budget):
    """Whoever sets the limit to what a plan says does not meet it again for the same way."""
    here = replace(
        candidate, present=True, trouble="", ways=(replace(candidate.ways[0], fault=""),)
    )
    before = plan(here, memory=memory, budget=budget)
    if before.path == "real" or not before.remedy:
        return
    way = here.ways[0]
    if "time" in before.remedy:
        assert plan(here, memory=memory, budget=3600).path == "real"
    elif "raise" in before.remedy:
        more = replace(memory, limit=memory.free)
        after = plan(here, memory=more, budget=budget)
        assert after.path == "real" or (way.seconds or 0) > budget


def test_the_best_way_for_the_tiers():
    facts = replace(FACTS, memory=room(1.5))
    assert routing.best_way(TILED, facts, Preference()) == (SMALLER, "")
    too_long = "NAFNet would take about 3 min, the limit is 60 s"
    assert routing.best_way(SLOW, FACTS, Preference()) == (SLOW.ways[0], too_long)
    assert routing.best_way(replace(TILED, present=False), FACTS, Preference()) == (WAY, "")
