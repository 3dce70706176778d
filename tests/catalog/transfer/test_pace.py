"""How fast a download goes, by a clock of our own."""

from __future__ import annotations

import pytest

from shared_core.bridge import wire
from shared_core.catalog.transfer.pace import Pace


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def noted(pace: Pace, clock: Clock, *steps: tuple[float, int]) -> float | None:
    speed = None
    for seconds, here in steps:
        clock.now += seconds
        speed = pace.note(here)
    return speed


def test_neither_what_was_here_nor_the_wait_for_the_hub_counts() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert noted(pace, clock, (0, 5_000_000), (7, 5_100_000), (0.2, 5_300_000)) is None
    assert noted(pace, clock, (0.8, 6_100_000)) == pytest.approx(1_000_000)


def test_only_the_last_seconds_count() -> None:
    clock = Clock()
    pace = Pace(clock)
    noted(pace, clock, (0, 0), (1, 1), (1, 50_000_000))
    speed = noted(pace, clock, *((1, 50_000_000 + 1000 * n) for n in range(1, 11)))
    assert speed == pytest.approx(1000)
    assert noted(pace, clock, *((1, 50_010_000) for _ in range(6))) == 0


def test_a_file_that_starts_anew_loses_nothing() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert noted(pace, clock, (0, 0), (1, 500), (1, 1500), (0, 0), (1, 1000)) == pytest.approx(1000)


def test_between_two_files_the_last_speed_holds() -> None:
    clock = Clock()
    pace = Pace(clock)
    assert noted(pace, clock, (0, 0), (2, 1), (2, 4001)) == pytest.approx(2000)
    pace.rest()
    clock.now += 60
    assert noted(pace, clock, (0, 0), (0.1, 100), (0.2, 300)) == pytest.approx(2000)
    assert noted(pace, clock, (0.8, 5100)) == pytest.approx(5000)


def test_users_read_speed_and_time() -> None:
    progress = wire.Progress(
        "downloading NAFNet", 12_000_000, 92_000_000, "bytes", 26, bytes_per_second=3_100_000
    )
    assert progress.sentence() == "downloading NAFNet 12 MB of 92 MB, 3.1 MB/s, 26 s left"
    assert wire.Progress("x", 1, 2, "bytes", bytes_per_second=20_400).sentence().endswith("20 kB/s")
