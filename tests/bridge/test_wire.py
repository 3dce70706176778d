"""What users read of a plan and of progress, in one line."""

from __future__ import annotations

from dataclasses import replace

from shared_core.bridge import wire
from shared_core.bridge.wire import Plan, Progress

PLAN = Plan("real", "m", "CPUExecutionProvider", "fits", 40.0, 10, 0, "NAFNet")


def test_sentences():
    assert replace(PLAN, peak_bytes=2 * 10**9, reason=wire.FITS).sentence() == (
        "Real · NAFNet · CPU · about 40 s, 2.0 GB of memory"
    )
    classical = Plan("classical", None, None, "NAFNet would take long", 0.8, None, 1, "soft")
    assert replace(classical, remedy="take the fast one").sentence() == (
        "Soft · about 0.8 s · NAFNet would take long · take the fast one"
    )
    impossible = Plan(None, None, None, "no model", None, None, 0)
    assert impossible.sentence() == "Not possible · no model"
    assert Progress("real NAFNet", 2, 9, "tiles", 65).sentence() == (
        "real NAFNet, tile 2 of 9, 65 s left"
    )
    assert Progress("downloading", 5_000_000, 92_000_000, "bytes").sentence() == (
        "downloading 5 MB of 92 MB"
    )
