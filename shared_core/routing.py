"""Which path a tool takes, and why: a pure function of facts and the user's preference."""

from __future__ import annotations

from dataclasses import dataclass

from shared_core.bridge.settings import USUAL
from shared_core.bridge.wire import CLASSICAL, REAL, Plan, duration, megabytes


@dataclass(frozen=True)
class Candidate:
    """A model that could do the job; candidates come in order of preference.

    ``trouble`` says why its files cannot be used although they are there, ``fault`` what went
    wrong when it last ran at this size. ``seconds`` and ``peak_bytes`` are predictions for this
    picture, None where nothing is known.
    """

    model: str
    title: str
    present: bool
    trouble: str
    fault: str
    seconds: float | None
    peak_bytes: int | None
    download_bytes: int
    licence: str
    host: str


@dataclass(frozen=True)
class Facts:
    """What is known about this picture on this machine."""

    candidates: tuple[Candidate, ...]
    classical_title: str
    classical_seconds: float | None
    classical_peak_bytes: int | None
    provider: str | None
    provider_trouble: str
    memory_bytes: int


@dataclass(frozen=True)
class Preference:
    """What the user wants: ``auto``, ``real`` or ``classical``, and the limits for ``auto``."""

    path: str = "auto"
    budget_seconds: float = USUAL.budget


def decide(facts: Facts, preference: Preference) -> Plan:
    """The plan. Every plan carries a reason, except a real one that is simply fine."""
    if preference.path == CLASSICAL:
        return _classical(facts, "as you chose")
    if not facts.candidates:
        return _without(facts, preference, "there is no model for these settings")
    if facts.provider is None:
        return _without(facts, preference, facts.provider_trouble)
    refused: list[_Refusal] = []
    for candidate in facts.candidates:
        against = _against(candidate, facts, preference)
        if against is None:
            return _real(facts, candidate, "as you chose" if preference.path == REAL else "")
        refused.append(against)
    missing = next(
        (c for c in facts.candidates if not c.present and not _too_heavy(c, facts, preference)),
        None,
    )
    return _without(facts, preference, refused[0].reason, refused[0].insist, missing)


@dataclass(frozen=True)
class _Refusal:
    """Why a model does not run, and what the user may choose to have it run all the same."""

    reason: str
    insist: str = ""


def _against(candidate: Candidate, facts: Facts, preference: Preference) -> _Refusal | None:
    """Why this model does not run; None when it may."""
    if candidate.trouble:
        return _Refusal(candidate.trouble)
    heavy = _too_heavy(candidate, facts, preference)
    if not candidate.present:
        size = megabytes(candidate.download_bytes)
        missing = f"{candidate.title} is not downloaded, {size}"
        return _Refusal(f"{missing}; {heavy}" if heavy else missing)
    if candidate.fault and preference.path != REAL:
        return _Refusal(candidate.fault, f"Try {candidate.title} again")
    return _Refusal(heavy, f"Run {candidate.title} anyway") if heavy else None


def _too_heavy(candidate: Candidate, facts: Facts, preference: Preference) -> str:
    """Why this model is too much for this machine; what the user insists on is not."""
    if preference.path == REAL:
        return ""
    seconds, peak = candidate.seconds, candidate.peak_bytes
    if peak is not None and peak > facts.memory_bytes:
        return (
            f"{candidate.title} needs {megabytes(peak)} of memory, "
            f"{megabytes(facts.memory_bytes)} can be used"
        )
    if seconds is not None and seconds > preference.budget_seconds:
        return (
            f"{candidate.title} would take about {duration(seconds)}, "
            f"the limit is {duration(preference.budget_seconds)}"
        )
    return ""


def _real(facts: Facts, candidate: Candidate, reason: str) -> Plan:
    return Plan(
        path=REAL,
        model=candidate.model,
        provider=facts.provider,
        reason=reason or "the model is here and fits the limits",
        seconds=candidate.seconds,
        peak_bytes=candidate.peak_bytes,
        download_bytes=0,
        title=candidate.title,
        licence=candidate.licence,
        host=candidate.host,
    )


def _classical(facts: Facts, reason: str) -> Plan:
    return Plan(
        path=CLASSICAL,
        model=None,
        provider=None,
        reason=reason,
        seconds=facts.classical_seconds,
        peak_bytes=facts.classical_peak_bytes,
        download_bytes=0,
        title=facts.classical_title,
    )


def _without(
    facts: Facts,
    preference: Preference,
    reason: str,
    insist: str = "",
    missing: Candidate | None = None,
) -> Plan:
    base = _classical(facts, reason)
    return Plan(
        path=None if preference.path == REAL else CLASSICAL,
        model=None,
        provider=None,
        reason=reason,
        seconds=None if preference.path == REAL else base.seconds,
        peak_bytes=None if preference.path == REAL else base.peak_bytes,
        download_bytes=missing.download_bytes if missing else 0,
        title="" if preference.path == REAL else base.title,
        download=missing.model if missing else None,
        download_title=missing.title if missing else "",
        licence=missing.licence if missing else "",
        host=missing.host if missing else "",
        insist=insist,
    )
