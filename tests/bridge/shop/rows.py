"""Models as the worker tells of them, for tests."""

from __future__ import annotations

from dataclasses import replace

from shared_core.bridge import wire

MODEL = wire.Model(
    id="nafnet",
    tool="deblur",
    title="NAFNet",
    tier="standard",
    rank=1,
    by_itself=True,
    own=False,
    shipped=False,
    state="missing",
    reason="NAFNet is not downloaded.",
    bytes=92_000_000,
    missing_bytes=92_000_000,
    disk_bytes=0,
    coming=False,
    arrived="",
    used="",
    seconds=180.0,
    against="NAFNet would take about 3 min, the limit is 60 s",
    licence="MIT",
    licence_link="https://example.org/licence",
    commercial="yes",
    terms="MIT allows it.",
    hub_declared=False,
)
HERE = replace(
    MODEL,
    state="installed",
    reason="",
    missing_bytes=0,
    disk_bytes=92_000_400,
    arrived="2026-03-01",
    used="2026-03-04",
    seconds=4.0,
    against="",
)
RESTRICTED = replace(
    MODEL,
    id="gfpgan",
    title="GFPGAN",
    tool="restore-faces",
    commercial="no",
    terms="No.",
)
CLEAN = replace(RESTRICTED, id="clean", title="Clean", rank=2, commercial="yes", terms="")


def reply(*models: wire.Model, **more: object) -> wire.ModelsReply:
    usual = wire.ModelsReply("/m", 50_000_000_000, "", models, {}, 0)
    return replace(usual, **more)  # type: ignore[arg-type]
