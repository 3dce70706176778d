"""The truth table of routing: every reason is reachable, and no plan is without one."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared_core.routing import Candidate, Facts, Preference, decide

NAFNET = Candidate(
    model="nafnet",
    title="NAFNet",
    present=True,
    trouble="",
    fault="",
    seconds=40.0,
    peak_bytes=2_000_000_000,
    download_bytes=0,
    licence="MIT",
    host="huggingface.co",
)
FACTS = Facts(
    candidates=(NAFNET,),
    classical_title="classical sharpening",
    classical_seconds=1.5,
    classical_peak_bytes=400_000_000,
    provider="CPUExecutionProvider",
    provider_trouble="",
    memory_bytes=8_000_000_000,
)
MISSING = replace(NAFNET, present=False, download_bytes=91_736_251)
LIGHT = replace(NAFNET, model="light", title="Light", seconds=5.0)


def plan(*candidates: Candidate, path: str = "auto", budget: float = 60, **facts: object):
    return decide(replace(FACTS, candidates=candidates, **facts), Preference(path, budget))


TABLE = [
    # name, plan, expected path, what the reason must say, download
    ("fits", plan(NAFNET), "real", "fits the limits", None),
    ("insisted", plan(NAFNET, path="real"), "real", "as you chose", None),
    ("classical chosen", plan(NAFNET, path="classical"), "classical", "as you chose", None),
    ("no model", plan(), "classical", "no model for these settings", None),
    ("no model, real", plan(path="real"), None, "no model for these settings", None),
    ("missing", plan(MISSING), "classical", "NAFNet is not downloaded, 92 MB", "nafnet"),
    ("missing, real", plan(MISSING, path="real"), None, "not downloaded, 92 MB", "nafnet"),
    (
        "missing and slow",
        plan(replace(MISSING, seconds=300.0)),
        "classical",
        "not downloaded, 92 MB; NAFNet would take about 5 min",
        None,
    ),
    (
        "too slow",
        plan(replace(NAFNET, seconds=200.0)),
        "classical",
        "about 3 min, the limit is 60 s",
        None,
    ),
    ("too slow, real", plan(replace(NAFNET, seconds=200.0), path="real"), "real", "chose", None),
    ("raised budget", plan(replace(NAFNET, seconds=200.0), budget=300), "real", "fits", None),
    (
        "too big",
        plan(NAFNET, memory_bytes=1_000_000_000),
        "classical",
        "needs 2.0 GB of memory, 1.0 GB can be used",
        None,
    ),
    ("too big, real", plan(NAFNET, memory_bytes=1, path="real"), "real", "as you chose", None),
    ("bad file", plan(replace(NAFNET, trouble="wrong hash")), "classical", "wrong hash", None),
    ("bad file, real", plan(replace(NAFNET, trouble="bad"), path="real"), None, "bad", None),
    (
        "remembered fault",
        plan(replace(NAFNET, fault="the worker died")),
        "classical",
        "the worker died",
        None,
    ),
    ("try again", plan(replace(NAFNET, fault="died"), path="real"), "real", "as you chose", None),
    ("unknown speed", plan(replace(NAFNET, seconds=None)), "real", "fits", None),
    ("lighter one", plan(replace(NAFNET, seconds=200.0), LIGHT), "real", "fits", None),
    ("other one here", plan(MISSING, LIGHT), "real", "fits", None),
    (
        "no onnxruntime",
        plan(NAFNET, provider=None, provider_trouble="onnxruntime is not installed"),
        "classical",
        "onnxruntime is not installed",
        None,
    ),
    (
        "no onnxruntime, real",
        plan(NAFNET, provider=None, provider_trouble="onnxruntime is not installed", path="real"),
        None,
        "onnxruntime is not installed",
        None,
    ),
]


@pytest.mark.parametrize(
    ("made", "path", "reason", "download"), [row[1:] for row in TABLE], ids=[r[0] for r in TABLE]
)
def test_table(made, path, reason, download):
    assert made.path == path
    assert reason in made.reason
    assert made.download == download
    assert (made.download_bytes > 0) == (download is not None)
    assert (made.model is not None) == (path == "real")


def test_what_the_user_may_insist_on():
    assert plan(replace(NAFNET, seconds=200.0)).insist == "Run NAFNet anyway"
    assert plan(replace(NAFNET, fault="it died")).insist == "Try NAFNet again"
    for made in (plan(NAFNET), plan(MISSING), plan(replace(NAFNET, trouble="wrong hash"))):
        assert made.insist == ""


candidates = st.builds(
    Candidate,
    model=st.just("m"),
    title=st.just("M"),
    present=st.booleans(),
    trouble=st.sampled_from(["", "wrong hash"]),
    fault=st.sampled_from(["", "it died"]),
    seconds=st.none() | st.floats(0, 1e5),
    peak_bytes=st.none() | st.integers(0, 10**11),
    download_bytes=st.integers(1, 10**10),
    licence=st.just("MIT"),
    host=st.just("huggingface.co"),
)


@given(
    st.lists(candidates, max_size=4),
    st.sampled_from(["auto", "real", "classical"]),
    st.sampled_from([None, "CPUExecutionProvider"]),
    st.integers(0, 10**11),
    st.floats(5, 3600),
)
def test_every_plan_has_a_reason_and_keeps_its_promise(found, path, provider, memory, budget):
    made = plan(
        *found,
        path=path,
        budget=budget,
        provider=provider,
        provider_trouble="no provider",
        memory_bytes=memory,
    )
    assert made.reason
    assert made.sentence()
    if path == "classical":
        assert made.path == "classical"
    if path == "real":
        assert made.path in ("real", None)
    if made.path == "real":
        usable = [c for c in found if c.present and not c.trouble]
        assert usable
        assert provider is not None
        if path == "auto":
            assert made.seconds is None or made.seconds <= budget
            assert made.peak_bytes is None or made.peak_bytes <= memory
