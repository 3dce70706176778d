"""The card of a model that the user brings: what was understood of it, its files, and its costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from shared_core.catalog.card import Card, CardFile, CommercialUse, Source, Tier

from .fields import Finding

if TYPE_CHECKING:
    from .understand import Understood

UNKNOWN_LICENCE = "unknown (your own file)"
DETECTOR = "yunet-2023mar"


@dataclass(frozen=True)
class Origin:
    """Where a model comes from and what the user calls it.

    ``repo`` and ``revision`` are empty for a file of the user's own.
    """

    id: str
    rank: int
    title: str
    repo: str = ""
    revision: str = ""
    licence: str = ""
    commercial: str = CommercialUse.UNCLEAR.value


@dataclass(frozen=True)
class Costs:
    """What a run takes: bytes of the session, and on top of them of a run on so many pixels."""

    session_bytes: int
    run_bytes: int
    pixels: int


def bare_card(tool: str, origin: Origin, files: Sequence[CardFile]) -> Card:
    """The card of a model of which nothing is known yet but its files."""
    return Card(
        id=origin.id,
        tool=tool,
        title=origin.title,
        tier=Tier.STANDARD,
        rank=origin.rank,
        repo=origin.repo,
        revision=origin.revision,
        licence=origin.licence or UNKNOWN_LICENCE,
        licence_url="",
        licence_note="",
        commercial_use=CommercialUse(origin.commercial),
        commercial_note="As the user who added it says.",
        weights="",
        opset=None,
        files=tuple(files),
        inputs=(),
        outputs=(),
        tile=None,
        side=None,
        gflop_per_megapixel=None,
        cpu_seconds_per_megapixel=None,
        gflop_per_run=None,
        cpu_seconds_per_run=None,
        peak_bytes_per_pixel=None,
        peak_bytes=None,
        session_bytes=None,
        sources=(),
        choice=origin.id,
        needs=(DETECTOR,) if tool == "restore-faces" else (),
        own=True,
    )


def card_of(
    tool: str,
    origin: Origin,
    files: Sequence[CardFile],
    understood: Understood,
    opset: int | None,
    costs: Costs,
) -> Card:
    """The card of a model that was understood."""
    rule = understood.rule
    tiled = rule.tile is not None
    return replace(
        bare_card(tool, origin, files),
        opset=opset,
        inputs=understood.inputs,
        outputs=understood.outputs,
        tile=rule.tile,
        side=rule.side,
        multiple=rule.multiple,
        peak_bytes_per_pixel=max(1, costs.run_bytes // max(1, costs.pixels)) if tiled else None,
        peak_bytes=None if tiled else max(1, costs.run_bytes),
        session_bytes=max(1, costs.session_bytes),
        sources=tuple(_source(finding) for finding in understood.findings),
    )


def _source(finding: Finding) -> Source:
    return Source((finding.name,), f"{finding.value}: {finding.why}", finding.sure)


def finding_data(finding: Finding) -> Mapping[str, Any]:
    """A finding as JSON data."""
    return {
        "name": finding.name,
        "title": finding.title,
        "value": finding.value,
        "sure": finding.sure,
        "why": finding.why,
        "choices": list(finding.choices),
        "free": finding.free,
    }
