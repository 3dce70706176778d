"""The gauge of a card's memory: fresh where the driver answers at once, never a wait."""

from __future__ import annotations

import threading
from dataclasses import replace

import pytest

from shared_core.device import gauge
from shared_core.device.adapters import FoundAdapter
from shared_core.device.gauge import Gauge
from shared_core.device.libraries import adapter_behind
from shared_core.device.profile import Adapter

CARD = Adapter("RTX", "NVIDIA", "gpu", 8 << 30, 5 << 30, "nvidia", True)
NOW = FoundAdapter("RTX", memory_total=8 << 30, memory_free=2 << 30)


def test_what_is_free_now_and_not_when_the_machine_was_measured(monkeypatch):
    monkeypatch.setattr(gauge, "PATIENCE_SECONDS", 120.0)
    assert Gauge(lambda: [NOW]).free_bytes(CARD) == 2 << 30
    assert Gauge(list).free_bytes(CARD) == 5 << 30
    assert Gauge(lambda: [NOW]).free_bytes(replace(CARD, memory_total=None)) is None


def test_a_driver_that_sleeps_holds_up_nobody(monkeypatch):
    awake = threading.Event()
    asked = []

    def look() -> list[FoundAdapter]:
        asked.append(1)
        awake.wait(120)
        return [NOW]

    made = Gauge(look)
    # One thread waits, however often it is asked meanwhile.
    assert [made.free_bytes(CARD) for _ in range(3)] == [5 << 30] * 3
    assert len(asked) == 1
    looking = made._looking
    awake.set()
    if looking:
        looking.join(120)
    monkeypatch.setattr(gauge, "PATIENCE_SECONDS", 120.0)
    assert made.free_bytes(CARD) == 2 << 30


def test_a_driver_that_fails_leaves_what_was_known(monkeypatch):
    monkeypatch.setattr(gauge, "FRESH_SECONDS", 0.0)

    def look() -> list[FoundAdapter]:
        raise RuntimeError("lost")

    made = Gauge(look)
    assert made.free_bytes(CARD) == made.free_bytes(CARD) == 5 << 30


OTHER = replace(CARD, name="Arc", vendor="Intel")


@pytest.mark.parametrize(
    ("provider", "cards", "behind"),
    [
        ("CUDAExecutionProvider", [OTHER, CARD], CARD),
        ("CUDAExecutionProvider", [OTHER], None),
        ("CUDAExecutionProvider", [replace(CARD, usable=False)], None),
        ("DmlExecutionProvider", [OTHER], OTHER),
        ("DmlExecutionProvider", [OTHER, CARD], None),
        ("CPUExecutionProvider", [CARD], None),
        ("CoreMLExecutionProvider", [CARD], None),
    ],
)
def test_the_adapter_behind_a_provider(provider, cards, behind):
    assert adapter_behind(provider, cards) == behind
