"""What is told before a download: everything that must be, in the words of all hosts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from shared_core.bridge import consent, toolbox
from shared_core.bridge.wire import Instead, Offer

PLAIN = Offer(
    "m", "Model", 92_000_000, "MIT", "https://example.org/l", "yes", "MIT allows it.", False
)
CLEAN = Instead("clean", "Clean", "small", 75_000_000)


@pytest.mark.parametrize("tool", toolbox.TOOLS, ids=lambda tool: tool.id)
def test_every_tool_says_what_becomes_better(tool: toolbox.Tool) -> None:
    first, *_ = consent.lines(tool.id, PLAIN, "host")
    assert first.text == f"With it, {tool.gain}."
    assert len(tool.gain) > 20 and tool.gain[0].islower() and not tool.gain.endswith(".")


def test_title_size_licence_link_and_host_are_told() -> None:
    assert consent.question(PLAIN) == "Download Model (92 MB)"
    told = consent.lines("deblur", PLAIN, "mirror.example")
    assert [line.text for line in told][1:] == [
        "Licence: MIT.",
        "From mirror.example, once; nothing is uploaded.",
    ]
    assert told[1].link == PLAIN.licence_link
    assert not any(line.warning for line in told)
    assert not consent.lines("", PLAIN, "h")[0].text.startswith("With it")


@pytest.mark.parametrize(
    ("use", "lead"), [("no", "Not for commercial use."), ("unclear", "Commercial use is in doubt.")]
)
def test_a_restricted_use_is_told_in_plain_words(use: str, lead: str) -> None:
    offer = replace(PLAIN, commercial=use, terms="Parts are for research only.")
    [warning] = [line for line in consent.lines("deblur", offer, "h") if line.warning]
    assert warning.text == f"{lead} Parts are for research only."


def test_a_hash_that_the_hub_alone_knows_is_told() -> None:
    assert (
        "hub-declared" in consent.lines("deblur", replace(PLAIN, hub_declared=True), "h")[-1].text
    )
    assert "hub-declared" not in consent.lines("deblur", PLAIN, "h")[-1].text


def test_the_other_model_says_its_size_and_is_chosen_by_its_word() -> None:
    assert consent.switch(CLEAN) == "Use Clean instead (75 MB)"
    assert consent.switch(replace(CLEAN, bytes=0)) == "Use Clean instead (already here)"
    assert "commercial use" in consent.switch_help(CLEAN)
    assert consent.switched({"strength": 3}, CLEAN) == {"strength": 3, "model": "small"}


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        (None, "huggingface.co"),
        ("", "huggingface.co"),
        ("https://hf-mirror.example/path", "hf-mirror.example"),
        ("http://127.0.0.1:8000", "127.0.0.1"),
        ("no address", "no address"),
    ],
)
def test_the_host_is_the_one_that_is_contacted(endpoint: str | None, host: str) -> None:
    assert consent.hub_host({} if endpoint is None else {"HF_ENDPOINT": endpoint}) == host
