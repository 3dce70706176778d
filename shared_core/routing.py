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
    """How a model would run if its files were here, and in words what is too much of it, or ""."""
    way, excess = _lightest(candidate, facts, preference)
    return way, excess.sentence if excess else ""


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
    """What a way takes too much of and the limit of it, and what would allow it."""

    sentence: str
    remedy: str
    of_time: bool = False


def _try(candidate: Candidate, facts: Facts, preference: Preference) -> Plan | _Refusal:
    """The plan with this model, or why there is none."""
    if candidate.trouble:
        return _Refusal(candidate.trouble)
    if not candidate.present:
        size = megabytes(candidate.download_bytes)
        named = _("{model} (not downloaded, {size})", model=candidate.title, size=size)
        excess = _lightest(replace(candidate, title=named), facts, preference)[1]
        if excess is None or preference.path == REAL:
            missing = _("{model} is not downloaded, {size}", model=candidate.title, size=size)
            return _Refusal(missing)
        return _Refusal(excess.sentence, _remedies(excess), over=True)
    if preference.path == REAL:
        way, excess = _lightest(candidate, facts, preference)
        reason = joined("; ", [AS_CHOSEN, excess.sentence]) if excess else AS_CHOSEN
        return _real(candidate, way, reason)
    first = ""
    for way in candidate.ways:
        excess = _excess(candidate, way, facts, preference)
        if not (way.fault or excess):
            return _real(candidate, way, _other_way(way, candidate.ways[0], first))
        first = first or way.fault or (excess.sentence if excess else "")
    return _refusal(candidate, facts, preference)


def _refusal(candidate: Candidate, facts: Facts, preference: Preference) -> _Refusal:
    """Why a model that is here runs in none of its ways: the best of them on each provider."""
    reasons: list[str] = []
    found: list[_Excess] = []
    for way, excess in _best_on_each(candidate, facts, preference):
        against = way.fault or (excess.sentence if excess else "")
        reasons.append(joined(": ", [_("on the processor"), against]) if reasons else against)
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
            (way, _excess(candidate, way, facts, preference))
            for way in candidate.ways
            if way.provider == provider
        ]
        allowed = [one for one in found if one[1] is None or one[1].of_time]
        yield (allowed or found[-1:])[0]


def _excess(candidate: Candidate, way: Way, facts: Facts, preference: Preference) -> _Excess | None:
    """What this way takes too much of."""
    if way.peak_bytes is not None and way.peak_bytes > facts.memory.limit:
        return _of_memory(candidate.title, way, way.peak_bytes, facts.memory)
    if way.vram_bytes is not None and facts.vram and way.vram_bytes > facts.vram.limit:
        return _of_graphics_memory(candidate.title, way, way.vram_bytes, facts.vram)
    if way.seconds is not None and way.seconds > preference.budget_seconds:
        return _of_time(candidate.title, way, way.seconds, preference.budget_seconds)
    return None


def _of_memory(model: str, way: Way, need: int, room: Room) -> _Excess:
    size, limit = megabytes(need), megabytes(room.limit)
    if way.tile_divisor > 1:
        sentence = _(
            "{model} needs {size} of memory even in smaller tiles, {limit} can be used",
            model=model,
            size=size,
            limit=limit,
        )
    else:
        sentence = _(
            "{model} needs {size} of memory, {limit} can be used",
            model=model,
            size=size,
            limit=limit,
        )
    return _Excess(
        sentence,
        _more_room(
            need,
            room,
            _("raise the limit of memory to {size}", size=_round(need)),
            _("close other programs to free memory"),
        ),
    )


def _of_graphics_memory(model: str, way: Way, need: int, room: Room) -> _Excess:
    size, limit = megabytes(need), megabytes(room.limit)
    if way.tile_divisor > 1:
        sentence = _(
            "{model} needs {size} of graphics memory even in smaller tiles, {limit} can be used",
            model=model,
            size=size,
            limit=limit,
        )
    else:
        sentence = _(
            "{model} needs {size} of graphics memory, {limit} can be used",
            model=model,
            size=size,
            limit=limit,
        )
    return _Excess(
        sentence,
        _more_room(
            need,
            room,
            _("raise the limit of graphics memory to {size}", size=_round(need)),
            _("close other programs to free graphics memory"),
        ),
    )


def _of_time(model: str, way: Way, seconds: float, budget: float) -> _Excess:
    time, limit = duration(seconds), duration(budget)
    if way.tile_divisor > 1:
        sentence = _(
            "{model} would take about {time} in smaller tiles, the limit is {limit}",
            model=model,
            time=time,
            limit=limit,
        )
    else:
        sentence = _(
            "{model} would take about {time}, the limit is {limit}",
            model=model,
            time=time,
            limit=limit,
        )
    return _Excess(sentence, _more_time(seconds), of_time=True)


def _more_room(need: int, room: Room, more: str, close: str) -> str:
    """How the user can allow ``need`` bytes; nothing where this machine does not have them."""
    if need <= room.free:
        return more
    return close if need <= room.total else ""


def _round(need: int) -> str:
    return megabytes(_up(need, 100_000_000))


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


def _other_way(way: Way, usual: Way, first: str) -> str:
    """Why a model runs as it does; ``first`` is what speaks against the usual way, if anything."""
    if not first:
        return FITS
    if way.provider == usual.provider:
        return _("in smaller tiles, since {reason}", reason=first)
    if way.tile_divisor > 1:
        return _("on the processor in smaller tiles, since {reason}", reason=first)
    return _("on the processor, since {reason}", reason=first)


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
