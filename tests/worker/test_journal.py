"""The journal: what it remembers, what it forgets, and that no damage to its file matters."""

from __future__ import annotations

import json
import threading
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared_core.worker.journal import KEEP_FAULTS, KEEP_SPEEDS, Fault, Journal, Mark

CPU = "CPUExecutionProvider"
MARK = Mark("j1", "deblur", "nafnet", "NAFNet", CPU, 12_000_000, "running")
FAULT = Fault("deblur", "nafnet", CPU, 1000, "it fell over", "2026-01-01T00:00:00Z")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "journal.json"


def test_a_mark_left_open_becomes_a_fault_once(path):
    Journal(path).open(MARK)
    found = Journal(path).recover()
    assert [(f.model, f.provider, f.pixels) for f in found] == [("nafnet", CPU, 12_000_000)]
    assert "NAFNet" in found[0].what and "running" in found[0].what and "12.0 MP" in found[0].what
    again = Journal(path)
    assert again.recover() == []
    fault = again.fault_of("nafnet", CPU, 12_000_000)
    assert fault == found[0]


@pytest.mark.parametrize(
    ("stage", "blamed"),
    [("starting", False), ("reading the picture", False), ("loading the model", True)],
)
def test_a_model_is_not_blamed_for_a_death_before_its_turn(path, stage, blamed):
    Journal(path).open(Mark(**{**asdict(MARK), "stage": stage}))
    again = Journal(path)
    [found] = again.recover()
    assert stage in found.what
    assert (again.fault_of("nafnet", CPU, 12_000_000) == found) is blamed


def test_a_closed_mark_is_no_fault(path):
    journal = Journal(path)
    journal.open(MARK)
    journal.open(Mark(**{**asdict(MARK), "stage": "loading the model"}))
    journal.close("j1")
    journal.close("never opened")
    assert Journal(path).recover() == []


def test_a_fault_speaks_against_its_size_and_above(path):
    journal = Journal(path)
    journal.note_fault(FAULT)
    for model, provider, pixels, against in (
        ("nafnet", CPU, 1000, True),
        ("nafnet", CPU, 10**9, True),
        ("nafnet", CPU, 999, False),
        ("nafnet", "CUDAExecutionProvider", 1000, False),
        ("scunet", CPU, 1000, False),
    ):
        assert (journal.fault_of(model, provider, pixels) is not None) == against
    journal.note_fault(Fault(**{**asdict(FAULT), "pixels": 0, "what": "newer"}))
    for pixels in (1, 1000):
        found = journal.fault_of("nafnet", CPU, pixels)
        assert found is not None and found.what == "newer"


def test_a_fault_of_large_tiles_does_not_speak_against_smaller_ones(path):
    journal = Journal(path)
    journal.note_fault(Fault(**{**asdict(FAULT), "tile_divisor": 2}))

    def against() -> list[bool]:
        return [journal.fault_of("nafnet", CPU, 1000, divisor) is not None for divisor in (1, 2, 4)]

    assert against() == [True, True, False]
    journal.refute("nafnet", CPU, 1000, 4)
    assert against() == [True, True, False]
    journal.note_fault(FAULT)
    assert against() == [True, True, True]
    journal.refute("nafnet", CPU, 1000, 1)
    assert against() == [False, False, False]


def test_forgetting(path):
    journal = Journal(path)
    other = Fault(**{**asdict(FAULT), "tool": "denoise", "model": "scunet"})
    for given_to, count, left in (
        ({"tool": "deblur"}, 1, "scunet"),
        ({"model": "scunet"}, 1, "nafnet"),
        ({"tool": "upscale"}, 0, "nafnet"),
        ({}, 2, None),
    ):
        journal.forget()
        journal.note_fault(FAULT)
        journal.note_fault(other)
        assert journal.forget(**given_to) == count
        again = Journal(path)
        kept = [m for m in ("nafnet", "scunet") if again.fault_of(m, CPU, 10**6)]
        assert (left in kept) if left else kept == []
        assert len(kept) == 2 - count


def test_it_does_not_grow_for_ever(path):
    journal = Journal(path)
    for number in range(KEEP_FAULTS + 20):
        journal.note_fault(Fault("deblur", f"m{number}", CPU, 0, "x", "t"))
    for number in range(KEEP_SPEEDS + 20):
        journal.note_speed("tile", float(number))
    data = json.loads(path.read_text())
    assert len(data["faults"]) == KEEP_FAULTS and len(data["speeds"]["tile"]) == KEEP_SPEEDS
    assert journal.fault_of("m0", CPU, 1) is None
    assert journal.fault_of(f"m{KEEP_FAULTS + 19}", CPU, 1) is not None


def test_speed_is_the_median_of_the_newest(path):
    journal = Journal(path)
    assert journal.speed("tile") is None
    for seconds in (1, 1, 100, 2, 2):
        journal.note_speed("tile", seconds)
    assert journal.speed("tile") == Journal(path).speed("tile") == 2


def test_many_threads(path):
    journal = Journal(path)

    def work(number: int) -> None:
        for turn in range(10):
            mark = Mark(f"{number}-{turn}", "deblur", "nafnet", "NAFNet", CPU, 1, "running")
            journal.open(mark)
            journal.note_speed(f"s{number}", 1.0)
            if number:
                journal.close(mark.job)

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(Journal(path).recover()) == 10
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("trouble", ["folder", "parent-is-file"])
def test_a_journal_that_cannot_be_written_stops_nobody(tmp_path, trouble):
    path = tmp_path / "data" / "journal.json"
    if trouble == "folder":
        path.mkdir(parents=True)
    else:
        path.parent.write_text("a file")
    journal = Journal(path)
    journal.open(MARK)
    journal.note_fault(FAULT)
    journal.note_speed("tile", 1)
    journal.close("j1")
    assert journal.fault_of("nafnet", CPU, 2000) == FAULT and journal.speed("tile") == 1


GOOD = {"marks": [asdict(MARK)], "faults": [asdict(FAULT)], "speeds": {"tile": [1.0, 3.0]}}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        "[" * 100_000,
        "\0" * 4096,
        '{"marks": 7, "faults": {}, "speeds": []}',
        '{"marks": [7, null, {}], "faults": [[]], "speeds": {"tile": {}}}',
        json.dumps(GOOD)[:-40],
    ],
)
def test_a_damaged_file_is_an_empty_journal(path, text):
    path.parent.mkdir()
    path.write_bytes(text.encode())
    journal = Journal(path)
    assert journal.recover() == []
    assert journal.fault_of("nafnet", CPU, 10**9) is None
    assert journal.speed("tile") is None
    journal.note_fault(FAULT)
    assert Journal(path).fault_of("nafnet", CPU, 10**9) == FAULT


def test_what_is_sound_in_a_damaged_file_is_kept(path):
    path.parent.mkdir()
    wrong = {**asdict(FAULT), "pixels": "many"}
    data = {
        "marks": [asdict(MARK), {"job": "j2"}, {**asdict(MARK), "job": ["j3"]}],
        "faults": [wrong, asdict(FAULT), {**asdict(FAULT), "new": 1}],
        "speeds": {"tile": [float("nan"), -1, "x", None, True, 1e300, 4.0], "bad": ["x"]},
    }
    path.write_text(json.dumps(data))
    journal = Journal(path)
    assert journal.fault_of("nafnet", CPU, 5000) == FAULT
    assert journal.speed("tile") == 4.0 and journal.speed("bad") is None
    assert len(journal.recover()) == 1


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=6,
)


@settings(deadline=None)
@given(part=st.sampled_from(["marks", "faults", "speeds"]), value=_json, inside=st.booleans())
def test_no_file_breaks_it(tmp_path_factory, part, value, inside):
    path = tmp_path_factory.getbasetemp() / "hypothesis-journal.json"
    data = json.loads(json.dumps(GOOD))
    if inside and part == "speeds":
        data[part]["tile"] = [value]
    elif inside:
        name = next(iter(data[part][0]))
        data[part][0][name] = value
    else:
        data[part] = value
    path.write_text(json.dumps(data))
    journal = Journal(path)
    journal.recover()
    journal.fault_of("nafnet", CPU, 5000)
    speed = journal.speed("tile")
    assert speed is None or 0 <= speed < 1e9
