"""A few per cent of the campaign of mutants, and whether its witnesses would see a wrong one."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import Any

import psutil
import pytest

from shared_core.catalog.cards import Card
from shared_core.catalog.store import Store
from shared_core.catalog.trust import (
    confined,
    trial,
)

if sys.platform != "linux":
    pytest.skip("inotify, fanotify and fork are Linux's", allow_module_level=True)

from . import forked, mutants, strangers
from .opens import Baits, watching

MIB = 1 << 20
SHARE = 0.004


def test_a_share_of_the_mutants(tmp_path: Path) -> None:
    tally = strangers.campaign(tmp_path, 1, round(strangers.COUNT * SHARE), processes=1)
    assert tally.faults == []
    assert tally.mutants == tally.plans == round(strangers.COUNT * SHARE)
    ended = sum(tally.crashed.values()) + tally.late + tally.greedy
    passed = sum(tally.passed.values())
    empty = tally.mutants - tally.refused - tally.unrunnable - ended - passed
    assert 0 <= empty <= 2
    assert sum(tally.examined.values()) == tally.mutants
    assert min(tally.examined["refused by inspection"], tally.examined["added"]) > 0
    # Something of every way there is.
    assert min(tally.refused, tally.unrunnable, passed, tally.jobs, tally.real_processes) > 0


def test_a_mutant_is_made_from_its_number_alone() -> None:
    places = ("/etc/passwd", mutants.WEIGHTS)
    made = [mutants.mutant(5, number, places) for number in range(300)]
    assert made == [mutants.mutant(5, number, places) for number in range(300)]
    assert len({one.data for one in made}) > 290
    assert {one.kind for one in made} >= set(mutants.KINDS) - {mutants.ENDLESS}
    assert not {one.data for one in made} & set(mutants.seeds().values())


def _forked(act: str, seconds: float = 240, memory_mib: int = 600, **more: Any) -> Any:
    request = {"act": act, **more}
    # A fork begins with what this process has grown to by now.
    grown = psutil.Process().memory_info().data
    return forked.call(
        "tests.catalog.trust.hazards",
        request,
        memory_bytes=grown + memory_mib * MIB,
        seconds=seconds,
        on_pid=more.get("on_pid", lambda pid: None),
    )


def test_the_fork_ends_as_the_products_process_does() -> None:
    assert _forked("echo", text="so") == {"said": "so"}
    for act, words in (
        ("crash", "it was ended by SIGSEGV"),
        ("hang", "it made no progress for 1 s and was ended"),
        ("spin", "it made no progress for 1 s and was ended"),
    ):
        with pytest.raises(confined.Ended) as caught:
            _forked(act, seconds=1 if act != "crash" else 240)
        assert caught.value.reason == words
    with pytest.raises(confined.Ended) as caught:
        _forked("memory", memory_mib=300, bytes=900 * MIB)
    assert caught.value.memory


def test_the_fork_takes_nothing_along(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_TOKEN", "secret")
    with (tmp_path / "kept").open("w"):
        seen = _forked("look")
        assert "secret" not in seen["environment"].values()
        assert not [handle for handle in seen["handles"] if str(tmp_path) in handle]


def test_the_witnesses_see_what_is_read(tmp_path: Path) -> None:
    """Else nothing of what they tell would mean anything."""
    bait, pipe = tmp_path / "bait", tmp_path / "pipe"
    bait.write_bytes(b"secret")
    os.mkfifo(pipe)
    baits = Baits([bait, pipe])
    assert baits.opened() == []
    pids: list[int] = []

    def read(file: Path) -> None:
        request = {"act": "read", "file": str(file)}
        grown = psutil.Process().memory_info().data
        limits = {"memory_bytes": grown + 600 * MIB, "seconds": 240.0}
        forked.call("tests.catalog.trust.hazards", request, on_pid=pids.append, **limits)  # type: ignore[arg-type]

    def looked() -> None:
        with watching(Path("/"), tmp_path) as opens:
            read(bait)
            if opens is None:
                seen.append("not allowed here")
                return
            opens.settle(tmp_path / "settle")
            seen.extend(opens.take(pids[-1]))

    # A mount namespace is left only with the thread that entered it.
    seen: list[str] = []
    thread = threading.Thread(target=looked)
    thread.start()
    thread.join()
    assert seen and (str(bait) in seen or seen == ["not allowed here"])
    assert baits.opened() == [str(bait)]
    read(pipe)
    assert baits.opened() == [str(pipe)]
    baits.close()


def test_a_wrong_outcome_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Were a mutant to count, to be opened or to read outside, the tally would say so."""
    tally = strangers.Tally()

    def trusting(self: Store, card: Card, cancelled: Any = None) -> Path:
        trial.tried(card, self.folder(card))
        return self.path(card)

    def run() -> None:
        with strangers.a_ground(tmp_path / "ground", strangers.Tally()) as ground:
            ground.tally = tally
            monkeypatch.setattr(Store, "check_before_use", trusting)
            monkeypatch.setattr(ground.baits, "opened", lambda: ["bait.bin"])
            # An unknown field makes another file of a good one.
            data = mutants.seeds()["beside"] + b"\xfa\x3e\x01\0"
            strangers.suffer(ground, mutants.Mutant(1, "bit flips", "beside", data), real=False)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert [text.rpartition(": ")[2] for text in tally.counted] == ["it may be used"] * 2
    assert len(tally.opened) == len(tally.outside) == 1
    assert "bait.bin" in tally.outside[0]
    assert len(tally.faults) == 4
