"""Which path a tool takes, and why: a pure function of facts and the user's preference."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from shared_core.bridge.language import _, joined
from shared_core.bridge.settings import LONGEST_SECONDS, USUAL
from shared_core.bridge.wire import (
    AS_CHOSEN,
    BYO,
    CLASSICAL,
    FITS,
    REAL,
    Instead,
    Offer,
    Plan,
    duration,
    megabytes,
)


@dataclass(frozen=True)
class Way:
    """One way to run a model: on which provider, in tiles of which part of the usual side.

    ``seconds`` and bytes of memory, and of the graphics card's, are predictions for this picture,
    None where nothing is known or no such memory is needed. ``fault`` is what went wrong when it
    last ran this way at this size.
    """

    provider: str
    tile_divisor: int = 1
    seconds: float | None = None
    peak_bytes: int | None = None
    vram_bytes: int | None = None
    fault: str = ""


@dataclass(frozen=True)
class Candidate:
    """A model that could do the job, with its ways; both come in order of preference.

    ``trouble`` says why its files cannot be used although they are there. ``choice`` is the title
    of the value of the tool's parameter "model" that takes it, ``word`` that value itself. A
    ``compact`` one ships with NSS and runs until the user downloads a better one. ``own``: the user
    brought it. One that is not ``hosted`` cannot be downloaded. The rest is what an offer tells.
    """

    model: str
    title: str
    present: bool
    trouble: str
    ways: tuple[Way, ...]
    download_bytes: int
    choice: str = ""
    compact: bool = False
    own: bool = False
    hosted: bool = True
    word: str = ""
    licence: str = ""
    licence_link: str = ""
    commercial: str = "yes"
    terms: str = ""
    hub_declared: bool = False


@dataclass(frozen=True)
class Room:
    """Bytes that may be taken of a memory, that are free in it, and that it has in all."""

    limit: int
    free: int
    total: int


@dataclass(frozen=True)
class Facts:
    """What is known about this picture on this machine.

    ``trouble`` says why no model can run at all, and is empty where one can; ``no_candidate`` why
    there is none. ``passed_over`` says why the user's own model, or the chosen one, is no candidate
    here. ``others`` are models that other settings of the tool would take. ``clean`` are
    those that allow commercial use among what the tool takes by itself; they matter only where a
    candidate does not.
    """

    candidates: tuple[Candidate, ...]
    classical_title: str
    classical_seconds: float | None
    classical_peak_bytes: int | None
    memory: Room
    vram: Room | None = None
    trouble: str = ""
    no_candidate: str = ""
    passed_over: str = ""
    others: tuple[Candidate, ...] = ()
    clean: tuple[Candidate, ...] = ()


@dataclass(frozen=True)
class Preference:
    """What the user wants: ``auto``, ``real`` or ``classical``, and the time limit for ``auto``."""

    path: str = "auto"
    budget_seconds: float = USUAL.budget


def decide(facts: Facts, preference: Preference) -> Plan:
    """The plan. Every plan carries a reason, and one without a model says what would change it."""
    if preference.path == CLASSICAL:
        return _classical(facts, AS_CHOSEN)
    if not facts.candidates:
        return _without(facts, preference, _Refusal(facts.no_candidate))
    if facts.trouble:
        return _without(facts, preference, _Refusal(facts.trouble))
    missing = next((c for c in facts.candidates if _worth_fetching(c, facts, preference)), None)
    refused: list[_Refusal] = []
    for candidate in facts.candidates:
        found = _try(candidate, facts, preference)
        if isinstance(found, Plan):
            plan = _instead(found, _against(facts, refused))
            return _offering(plan, missing, facts, preference) if candidate.compact else plan
        refused.append(found)
    return _without(facts, preference, _against(facts, refused), missing)


def best_way(candidate: Candidate, facts: Facts, preference: Preference) -> tuple[Way, str]:
    """How a model would run if its files were here, and what is too much of it, if anything."""
    way, excess = _lightest(candidate, facts, preference)
    return way, excess.what if excess else ""


@dataclass(frozen=True)
class _Refusal:
    """Why a model does not run, what would change that, and what the user may insist on.

    ``over``: it is too much for the limits.
    """

    reason: str
    remedies: tuple[str, ...] = ()
    insist: str = ""
    over: bool = False


@dataclass(frozen=True)
class _Excess:
    """What a way takes too much of, the limit of it, and what would allow it."""

    what: str
    limit: str
    remedy: str
    of_time: bool = False

    def __str__(self) -> str:
        return _("{what}, {limit}", what=self.what, limit=self.limit)


def _try(candidate: Candidate, facts: Facts, preference: Preference) -> Plan | _Refusal:
    """The plan with this model, or why there is none."""
    if candidate.trouble:
        return _Refusal(candidate.trouble)
    if not candidate.present:
        size = megabytes(candidate.download_bytes)
        missing = _("{model} is not downloaded, {size}", model=candidate.title, size=size)
        excess = _lightest(candidate, facts, preference)[1]
        if excess is None or preference.path == REAL:
            return _Refusal(missing)
        return _Refusal(
            _("{missing}, and {excess}", missing=missing, excess=excess),
            _remedies(excess),
            over=True,
        )
    if preference.path == REAL:
        way, excess = _lightest(candidate, facts, preference)
        reason = (
            joined("; ", [AS_CHOSEN, _("{model} {excess}", model=candidate.title, excess=excess)])
            if excess
            else AS_CHOSEN
        )
        return _real(candidate, way, reason)
    first = ""
    for way in candidate.ways:
        excess = _excess(way, facts, preference)
        if not (way.fault or excess):
            manner = _manner(way, candidate.ways[0])
            return _real(
                candidate,
                way,
                _("{manner}, since {first}", manner=manner, first=first) if first else FITS,
            )
        first = first or way.fault or _("{model} {excess}", model=candidate.title, excess=excess)
    return _refusal(candidate, facts, preference)


def _refusal(candidate: Candidate, facts: Facts, preference: Preference) -> _Refusal:
    """Why a model that is here runs in none of its ways: the best of them on each provider."""
    reasons: list[str] = []
    found: list[_Excess] = []
    for way, excess in _best_on_each(candidate, facts, preference):
        if not reasons:
            reasons.append(way.fault or _("{model} {excess}", model=candidate.title, excess=excess))
        else:
            against = way.fault or _("it {excess}", excess=excess)
            manner = _manner(way, candidate.ways[0])
            reasons.append(_("{manner} {against}", manner=manner, against=against))
        if excess and not way.fault:
            found.append(excess)
    again = _("Try {model} again", model=candidate.title)
    insist = again if candidate.ways[0].fault else _("Run {model} anyway", model=candidate.title)
    return _Refusal(joined("; ", reasons), _remedies(*found), insist, bool(found))


def _lightest(
    candidate: Candidate, facts: Facts, preference: Preference
) -> tuple[Way, _Excess | None]:
    """The way that keeps to the limits, else one that takes only too long, else the preferred."""
    best = list(_best_on_each(candidate, facts, preference))
    fitting = [(way, excess) for way, excess in best if excess is None]
    patient = [(way, excess) for way, excess in best if excess and excess.of_time]
    return (fitting or patient or best)[0]


def _best_on_each(
    candidate: Candidate, facts: Facts, preference: Preference
) -> Iterator[tuple[Way, _Excess | None]]:
    """For each provider the first way that its memory allows, or else the smallest."""
    for provider in dict.fromkeys(way.provider for way in candidate.ways):
        found = [
            (way, _excess(way, facts, preference))
            for way in candidate.ways
            if way.provider == provider
        ]
        allowed = [one for one in found if one[1] is None or one[1].of_time]
        yield (allowed or found[-1:])[0]


def _excess(way: Way, facts: Facts, preference: Preference) -> _Excess | None:
    """What this way takes too much of."""
    smaller = way.tile_divisor > 1
    for kind, need, room in (
        (_("memory"), way.peak_bytes, facts.memory),
        (_("graphics memory"), way.vram_bytes, facts.vram),
    ):
        if need is not None and room is not None and need > room.limit:
            size = megabytes(need)
            what = (
                _("needs {size} of {kind} even in smaller tiles", size=size, kind=kind)
                if smaller
                else _("needs {size} of {kind}", size=size, kind=kind)
            )
            limit = _("{size} can be used", size=megabytes(room.limit))
            return _Excess(what, limit, _more_room(kind, need, room))
    budget = preference.budget_seconds
    if way.seconds is not None and way.seconds > budget:
        time = duration(way.seconds)
        what = (
            _("would take about {time} in smaller tiles", time=time)
            if smaller
            else _("would take about {time}", time=time)
        )
        limit = _("the limit is {time}", time=duration(budget))
        return _Excess(what, limit, _more_time(way.seconds), of_time=True)
    return None


def _more_room(kind: str, need: int, room: Room) -> str:
    """How the user can allow ``need`` bytes; nothing where this machine does not have them."""
    if need <= room.free:
        return _(
            "raise the limit of {kind} to {size}", kind=kind, size=megabytes(_up(need, 100_000_000))
        )
    return _("close other programs to free {kind}", kind=kind) if need <= room.total else ""


def _more_time(seconds: float) -> str:
    """How the user can allow so many seconds; nothing where no limit does."""
    if seconds > LONGEST_SECONDS:
        return ""
    return _(
        "raise the time limit to {time}", time=duration(_up(seconds, 5 if seconds <= 115 else 60))
    )


def _up(value: float, step: int) -> int:
    return math.ceil(value / step) * step


def _remedies(*found: _Excess) -> tuple[str, ...]:
    return tuple(dict.fromkeys(excess.remedy for excess in found if excess.remedy))


def _worth_fetching(candidate: Candidate, facts: Facts, preference: Preference) -> bool:
    """Whether a model that is not here would run if it were."""
    if candidate.present or not candidate.hosted:
        return False
    return preference.path == REAL or _lightest(candidate, facts, preference)[1] is None


def _would_do(candidate: Candidate, facts: Facts, preference: Preference) -> bool:
    """Whether a model that other settings would take keeps to the limits."""
    way, excess = _lightest(candidate, facts, preference)
    return excess is None and not way.fault and not candidate.trouble


def _manner(way: Way, usual: Way) -> str:
    """How a way differs from the usual one."""
    parts = []
    if way.provider != usual.provider:
        parts.append(_("on the processor"))
    if way.tile_divisor > 1:
        parts.append(_("in smaller tiles"))
    return joined(" ", parts)


def _real(candidate: Candidate, way: Way, reason: str) -> Plan:
    return Plan(
        path=BYO if candidate.own else REAL,
        model=candidate.model,
        provider=way.provider,
        reason=reason,
        seconds=way.seconds,
        peak_bytes=way.peak_bytes,
        download_bytes=0,
        title=candidate.title,
        vram_bytes=way.vram_bytes,
        tile_divisor=way.tile_divisor,
    )


def _against(facts: Facts, refused: Sequence[_Refusal]) -> _Refusal:
    """Why the models that were to come first do not run; no reason where the first one does."""
    first = refused[0] if refused else _Refusal("")
    return replace(first, reason=joined("; ", filter(None, (facts.passed_over, first.reason))))


def _instead(plan: Plan, refusal: _Refusal) -> Plan:
    """A plan with a model that the user would not have got, had the preferred one been possible."""
    if not refusal.reason:
        return plan
    since = _("since {reason}", reason=refusal.reason)
    reason = since if plan.reason == FITS else joined("; ", [plan.reason, since])
    return replace(plan, reason=reason)


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


def _offering(plan: Plan, missing: Candidate | None, facts: Facts, preference: Preference) -> Plan:
    """The plan with the download of a model that would run if it were here."""
    if missing is None:
        return plan
    offer = _offer(missing, facts, preference)
    return replace(plan, download_bytes=offer.bytes, offer=offer)


def _without(
    facts: Facts, preference: Preference, refusal: _Refusal, missing: Candidate | None = None
) -> Plan:
    """The plan where no model runs, with what would change it."""
    plan = _classical(facts, refusal.reason)
    if preference.path == REAL:
        plan = replace(plan, path=None, seconds=None, peak_bytes=None, title="")
    remedies = list(refusal.remedies)
    if missing:
        plan = _offering(plan, missing, facts, preference)
        if missing is not facts.candidates[0]:
            size = megabytes(missing.download_bytes)
            remedies.insert(0, _("download {title} ({size})", title=missing.title, size=size))
    elif refusal.over:
        other = next((c for c in facts.others if _would_do(c, facts, preference)), None)
        if other:
            take = _("take the model “{choice}”", choice=other.choice)
            if not other.present:
                size = megabytes(other.download_bytes)
                take = _("{take} ({size} to download)", take=take, size=size)
            remedies.insert(0, take)
    return replace(plan, insist=refusal.insist, remedy=joined(_(" or "), remedies))


def _offer(missing: Candidate, facts: Facts, preference: Preference) -> Offer:
    """The download of this model, and the one that allows commercial use where it does not."""
    instead = None
    if missing.commercial != "yes":
        instead = next(
            (
                Instead(clean.model, clean.title, clean.word, clean.download_bytes)
                for clean in facts.clean
                if clean.word
                and not clean.trouble
                and (preference.path == REAL or _would_do(clean, facts, preference))
            ),
            None,
        )
    return Offer(
        missing.model,
        missing.title,
        missing.download_bytes,
        missing.licence,
        missing.licence_link,
        missing.commercial,
        missing.terms,
        missing.hub_declared,
        instead,
    )
