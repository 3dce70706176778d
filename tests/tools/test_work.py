"""The steps that tools share: boxes on several threads."""

from __future__ import annotations

import threading

import numpy as np
import pytest

from shared_core.bridge.errors import Cancelled
from shared_core.pixels import Box, Picture, Raster
from shared_core.tools import work as module
from shared_core.tools.work import Work

BOXES = [Box(0, top, 4, 1) for top in range(40)]


def _work(progress: list[tuple[int, int]], stop_at: int = 1000) -> Work:
    pixels = np.zeros((40, 4, 4), np.uint8)
    picture = Picture(pixels, pixels.copy(), Raster(4, 40, "u8"))
    return Work(
        picture,
        {},
        lambda done, total: progress.append((done, total)),
        lambda: len(progress) >= stop_at,
    )


def test_every_box_has_its_turn_and_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_threads", lambda: 3)
    progress: list[tuple[int, int]] = []
    seen: list[Box] = []
    _work(progress).each(BOXES, seen.append)
    assert sorted(seen) == BOXES
    assert progress == [(done, len(BOXES)) for done in range(len(BOXES) + 1)]


def test_several_boxes_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_threads", lambda: 2)
    both = threading.Barrier(2, timeout=20)
    _work([]).each(BOXES, lambda box: both.wait())


def test_an_end_or_an_error_leaves_the_rest_undone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "usable_threads", lambda: 1)
    late = threading.Event()
    seen: list[Box] = []

    def slow(box: Box) -> None:
        seen.append(box)
        if len(seen) > 5:
            late.wait(0.05)

    with pytest.raises(Cancelled):
        _work([], stop_at=3).each(BOXES, slow)
    assert len(seen) < len(BOXES)

    def wrong(box: Box) -> None:
        raise ValueError(box)

    with pytest.raises(ValueError, match="Box"):
        _work([]).each(BOXES, wrong)
