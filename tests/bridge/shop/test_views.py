"""What is shown of the models: their order and words, what can be done, what is asked."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from shared_core.bridge.shop import views
from tests.bridge.shop.rows import CLEAN, HERE, MODEL, RESTRICTED, reply


def row(model: Any) -> views.Row:
    [group] = views.groups(reply(model), False)
    [found] = group.rows
    return found


def text(lines: tuple[views.Line, ...]) -> str:
    return "\n".join(line.text for line in lines)


def test_models_stand_by_tool_the_preferred_first() -> None:
    groups = views.groups(
        reply(
            CLEAN,
            replace(MODEL, id="chosen", rank=0, by_itself=False),
            MODEL,
            RESTRICTED,
            replace(MODEL, id="own.mine", own=True, rank=9),
            replace(MODEL, id="yunet", tool=""),
        ),
        False,
    )
    assert [group.title for group in groups] == ["Deblur", "Restore Faces", "Small helpers"]
    assert [one.id for one in groups[0].rows] == ["own.mine", "nafnet", "chosen"]
    assert [one.id for one in groups[1].rows] == ["gfpgan", "clean"]


def test_only_models_for_commercial_use_and_what_is_here() -> None:
    here = replace(RESTRICTED, id="there", disk_bytes=5)
    [group] = views.groups(reply(RESTRICTED, here, CLEAN), True)
    assert [one.id for one in group.rows] == ["there", "clean"]


@pytest.mark.parametrize(
    ("changes", "state", "actions"),
    [
        ({}, "not downloaded", ["download"]),
        ({"coming": True}, "… coming in", []),
        ({"state": "partial", "disk_bytes": 5}, "◐ here in part", ["download", "verify", "remove"]),
        (
            {"state": "unchecked", "missing_bytes": 0, "disk_bytes": 5},
            "✓ here, checked before its next use",
            ["verify", "remove"],
        ),
        (
            {"state": "bad", "disk_bytes": 5},
            "✗ cannot be used",
            ["download", "verify", "remove"],
        ),
        ({"shipped": True, "state": "installed", "missing_bytes": 0}, "✓ a part of NSS", []),
        (
            {"own": True, "disk_bytes": 5, "missing_bytes": 0, "state": "installed"},
            "✓ ready",
            ["switch-off", "verify", "remove"],
        ),
        (
            {"own": True, "by_itself": False, "disk_bytes": 5, "state": "installed"},
            "✓ ready",
            ["switch-on", "verify", "remove"],
        ),
    ],
)
def test_state_and_what_can_be_done(
    changes: dict[str, object], state: str, actions: list[str]
) -> None:
    found = row(replace(MODEL, **changes))  # type: ignore[arg-type]
    assert found.state == state
    assert [one.id for one in found.actions] == actions


def test_what_is_told_of_a_model() -> None:
    told = row(MODEL).lines
    assert told[0] == views.Line("NAFNet", warning=True)
    assert told[1].text.startswith("With it, ")
    assert "for a photo of 12 megapixels: NAFNet would take about 3 min," in text(told)
    assert [line.link for line in told if line.text == "Licence: MIT."] == [MODEL.licence_link]
    assert "Commercial use: allowed. MIT allows it." in text(told)
    here = text(row(HERE).lines)
    assert "about 4.0 s for a photo of 12 megapixels" in here
    assert "Takes 92 MB on the disk; came 2026-03-01, last used 2026-03-04." in here
    assert [line.text for line in row(RESTRICTED).lines[1:] if line.warning] == [
        "Commercial use: not allowed. No."
    ]
    bad = replace(HERE, state="bad", reason="File x is not the right one.")
    assert row(bad).lines[1] == views.Line("File x is not the right one.", warning=True)
    chosen = replace(MODEL, by_itself=False)
    assert "only where you choose it" in text(row(chosen).lines)


def test_a_download_is_asked_about_with_all_that_counts() -> None:
    asked = views.to_download(RESTRICTED, (RESTRICTED, CLEAN), "huggingface.co")
    assert asked.lines[0].text == "Download GFPGAN (92 MB)?"
    told = text(asked.lines)
    for words in ("With it, ", "Licence: MIT.", "huggingface.co", "nothing is uploaded"):
        assert words in told
    assert [line.text for line in asked.lines[1:] if line.warning] == [
        "Not for commercial use. No."
    ]
    assert [one.id for one in asked.actions] == ["agree", "other", "dismiss"]
    assert asked.actions[1].label == "_Use Clean instead (92 MB)"
    assert views.instead_of(RESTRICTED, (RESTRICTED, CLEAN)) == "clean"
    asked = views.to_download(MODEL, (MODEL,), "huggingface.co")
    assert [one.id for one in asked.actions] == ["agree", "dismiss"]


@pytest.mark.parametrize(
    "changes",
    [{"shipped": True}, {"own": True}, {"state": "bad"}, {"by_itself": False}, {"tool": "deblur"}],
)
def test_what_is_no_alternative(changes: dict[str, object]) -> None:
    other = replace(CLEAN, **changes)  # type: ignore[arg-type]
    assert views.instead_of(RESTRICTED, (RESTRICTED, other)) == ""


def test_a_removal_says_whether_it_can_be_undone() -> None:
    asked = views.to_remove(HERE, HERE.id)
    assert asked.lines[0].text == "Remove NAFNet (92 MB)?"
    assert text(asked.lines[1:]) == "It can be downloaded again."
    [_, line] = views.to_remove(replace(HERE, own=True), HERE.id).lines
    assert line.warning and "no other copy" in line.text
    assert views.to_remove(None, "old-one").lines[0].text == "Remove old-one?"


def test_the_disk_in_a_line() -> None:
    told = views.disk(reply(HERE, strangers={"old": 8_000_000}, unfinished_bytes=3_000_000))
    assert told == ("100 MB in /m, where 50.0 GB are free. Unfinished downloads have 3 MB more.")
    assert views.disk(reply(trouble="The folder is not there.")) == "The folder is not there."
    groups = views.groups(reply(HERE, strangers={"old": 8_000_000}), False)
    assert groups[-1].title == "No longer known"
    assert [one.id for one in groups[-1].rows[0].actions] == ["remove"]


def test_letters_are_unique() -> None:
    """Of all buttons that can be seen together."""
    asked = views.to_download(RESTRICTED, (RESTRICTED, CLEAN), "h").actions
    own = row(replace(MODEL, state="partial", disk_bytes=5)).actions
    removing = views.to_remove(HERE, "x").actions
    for together in (own, asked, removing):
        letters = [
            label[label.index("_") + 1].lower()
            for label in (
                *(one.label for one in (*views.FOR_ALL, views.MEASURING, *together)),
                "_Cancel",
                "De_tails",
                "C_lose",
            )
        ]
        assert len(letters) == len(set(letters)), letters


def test_labels_without_their_marks() -> None:
    assert views.plain("_Import…") == "Import"
    assert views.told("It failed.", True) == "⚠ It failed."
    assert views.told("It is done.", False) == "It is done."
    assert views.told("", True) == ""
