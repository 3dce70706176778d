"""What each tier makes real on this machine and at which price, and which one is recommended.

Pure functions of facts, like ``routing``. A tier is what a user installs at once: nothing (Lite),
models of some hundred megabytes (Standard), or gigabytes (Pro).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from shared_core.bridge.language import _, joined
from shared_core.bridge.wire import duration

TIERS = ("lite", "standard", "pro")
# What predictions are about: a photo of 12 megapixels.
WIDTH, HEIGHT = 4000, 3000


@dataclass(frozen=True)
class Offer:
    """A model that could serve a tool; offers come in order of preference.

    ``seconds`` and ``peak_bytes`` are predictions for the photo, None where nothing is known, and
    ``against`` says what is too much of it for this machine, if anything. ``download_bytes`` is all
    that belongs to it, ``missing_bytes`` what is not here yet.
    """

    tool: str
    model: str
    title: str
    tier: str
    download_bytes: int
    missing_bytes: int
    seconds: float | None
    peak_bytes: int | None
    against: str = ""


@dataclass(frozen=True)
class ToolInTier:
    """The model that a tier gives a tool; ``against`` says why it would not run by itself."""

    tool: str
    model: str
    title: str
    seconds: float | None
    peak_bytes: int | None
    against: str


@dataclass(frozen=True)
class Tier:
    """A tier: what it makes real, what has to be downloaded for it in all and from now on."""

    id: str
    tools: tuple[ToolInTier, ...]
    download_bytes: int
    missing_bytes: int

    @property
    def real(self) -> tuple[ToolInTier, ...]:
        """The tools that run a real model within the limits."""
        return tuple(tool for tool in self.tools if not tool.against)


@dataclass(frozen=True)
class Advice:
    """All tiers, the recommended one's id, how many tools it makes real, and why that one."""

    tiers: tuple[Tier, ...]
    recommended: str
    scope: str
    reason: str


def advise(offers: Sequence[Offer], tools: Sequence[tuple[str, str]], budget: float) -> Advice:
    """The tiers for ``tools`` (id and title each) and the recommended one.

    ``budget`` is the limit of time, in seconds, that the offers were held against. The recommended
    tier is the highest one in which a tool becomes real, or gets a better model, that stays within
    the limits.
    """
    tiers = tuple(_tier(tier, offers, tools) for tier in TIERS)
    recommended = tiers[0]
    for tier in tiers[1:]:
        if set(tier.real) - set(recommended.real):
            recommended = tier
    titles = dict(tools)
    scope = _("within {time} on a 12-megapixel photo", time=duration(budget))
    scope = _(
        "{count} of {total} tools run a real model {scope}",
        count=len(recommended.real),
        total=len(titles),
        scope=scope,
    )
    return Advice(tiers, recommended.id, scope, _reason(scope, tiers, titles))


def _tier(tier: str, offers: Sequence[Offer], tools: Sequence[tuple[str, str]]) -> Tier:
    allowed = TIERS[: TIERS.index(tier) + 1]
    chosen: list[Offer] = []
    for tool, _title in tools:
        found = [offer for offer in offers if offer.tool == tool and offer.tier in allowed]
        fitting = [offer for offer in found if not offer.against]
        chosen += (fitting or found)[:1]
    # Two tools may share a model.
    models = {offer.model: offer for offer in chosen}.values()
    return Tier(
        tier,
        tuple(
            ToolInTier(o.tool, o.model, o.title, o.seconds, o.peak_bytes, o.against) for o in chosen
        ),
        sum(offer.download_bytes for offer in models),
        sum(offer.missing_bytes for offer in models),
    )


def _reason(text: str, tiers: Sequence[Tier], titles: dict[str, str]) -> str:
    heavy = [tool for tool in tiers[-1].tools if tool.against]
    if heavy:
        against = [joined(": ", [titles[tool.tool], tool.against]) for tool in heavy]
        text = joined("; ", [text, *against])
    return joined("", [text, "."])
