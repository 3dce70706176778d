"""Tries the ways in which a model may be fed and read on a known picture, and compares them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from shared_core.bridge.language import _
from shared_core.catalog.contract import AB, Shown

from . import judging, known, readings
from .evidence import Found
from .fields import (
    ASSUMED,
    DECLARED,
    EITHER,
    LIKELY,
    MEASURED,
    ORDER,
    OUTPUT_ORDER,
    OUTPUT_VALUES,
    SIGMA,
    SUBJECT,
    TOLD,
    VALUES,
    Finding,
)
from .known import Known
from .probe import Probe
from .readings import Reading
from .structure import Structure
from .values import CHOICES

TILED = ("denoise", "deblur", "upscale")
_OF_FIGURES = ("remove-background", "restore-faces")
# Sizes that are enough to tell, and quick.
_TRIED, _WHOLE = (160, 192), (256, 256)
# By how many decibels the others have to be worse for a field to count as measured, or as likely.
_SURE, _LIKELY = 1.0, 0.3
_HARDER = 3.0
# What a name is worth, and what the file's own operators are. A drawn figure or face is less like
# what such networks have seen than the other pictures are, so that there a name counts more.
_NAME, _NAME_BEFORE_FIGURES, _CERTAIN = 1.5, 6.0, 40.0
# Of several outputs the first counts, unless a later one is clearly better.
_LATER, _LAST = 0.5, 2.0
_SAME = 0.01
# So much worse than the untouched picture, and it is no restoration.
_WORSE = 4.0
_FREE = (VALUES, SIGMA, OUTPUT_VALUES, SUBJECT)


@dataclass(frozen=True)
class Score:
    """A pair of readings, the error in decibels, and the error with all that makes it unlikely."""

    total: float
    decibels: float
    unlikely: float
    source: Reading
    made: Reading

    @property
    def texts(self) -> Mapping[str, str]:
        """The fields that both fill."""
        return {**self.source.texts, **self.made.texts}


@dataclass
class Tried:
    """All pairs that could be, the best first; how many were left out for want of time."""

    known: Known
    scores: list[Score] = field(default_factory=list)
    offered: dict[str, list[str]] = field(default_factory=dict)
    tested: dict[str, set[str]] = field(default_factory=dict)
    left_out: int = 0
    blind: bool = False
    exact: bool = True

    def offer(self, reading: Reading) -> None:
        """Remember what each field may be."""
        for name, text in reading.texts.items():
            found = self.offered.setdefault(name, [])
            if text not in found:
                found.append(text)


def try_all(
    probe: Probe, structure: Structure, tool: str, told: Mapping[str, str], said: Found
) -> Tried:
    """Every reading tried, the best first; one run for each way to feed the model."""
    sizes = structure.sizes
    near = _TRIED if tool in TILED else _WHOLE
    height, width = (side - 2 * sizes.margin for side in sizes.near(*near))
    picture = known.for_tool(tool, height, width, sizes.scale)
    if structure.colours == 1 and tool != "colorize":
        picture = known.as_grey(picture)
    tried = Tried(picture)
    sources = readings.of_inputs(tool, structure.inputs, told)
    sources.sort(key=lambda reading: reading.penalty + _surprise(tool, reading, said))
    for number, source in enumerate(sources):
        if not _promising(source, sources[0], tried):
            continue
        if number and probe.left < probe.last_seconds:
            tried.left_out += 1
            continue
        arrays = probe.run(source.specs, Shown(picture.shown, picture.hole, picture.sigma))
        for name, text in source.texts.items():
            tried.tested.setdefault(name, set()).add(text)
        if arrays is None:
            continue
        for place, output in enumerate(structure.given):
            for made in readings.of_outputs(tool, output, sizes, source, told):
                error = judging.error(tool, made.specs[0], arrays[output.index], picture)
                if error is not None:
                    decibels = 10 * math.log10(max(error, 1e-9))
                    unlikely = source.penalty + made.penalty + min(_LATER * place, _LAST)
                    unlikely += _surprise(tool, source, said) + _surprise(tool, made, said)
                    tried.scores.append(
                        Score(decibels + unlikely, decibels, unlikely, source, made)
                    )
    tried.scores.sort(key=lambda score: score.total)
    _offer_all(tried, structure, tool)
    if tried.scores and tool == "remove-background":
        best = min(score.decibels for score in tried.scores)
        tried.blind = best > _worst(tool, picture)
    tried.exact = not any(score.made.specs[0].channels == AB for score in tried.scores)
    if tried.blind or not tried.exact:
        # Where nothing is seen the errors say nothing.
        tried.scores.sort(key=lambda score: (score.unlikely, score.decibels))
    return tried


def _offer_all(tried: Tried, structure: Structure, tool: str) -> None:
    """Note all that each field may be, whatever the user said of it."""
    for source in readings.of_inputs(tool, structure.inputs, {}):
        tried.offer(source)
    for output in structure.given if tried.scores else ():
        best = tried.scores[0].source
        for made in readings.of_outputs(tool, output, structure.sizes, best, {}):
            tried.offer(made)


def _promising(source: Reading, first: Reading, tried: Tried) -> bool:
    """Whether to run it: the other order of colours only where all else is as is best so far.

    Colours tell so little of their order that all the others are not worth the time.
    """
    if source.texts.get(ORDER) == first.texts.get(ORDER) or not tried.scores:
        return True
    best = min(tried.scores, key=lambda score: score.total).source.texts
    return all(best[name] == text for name, text in source.texts.items() if name != ORDER)


def _surprise(tool: str, reading: Reading, said: Found) -> float:
    """Decibels by which a reading contradicts what is said."""
    wrong = [
        said[name]
        for name, text in reading.texts.items()
        if name in said and said[name].text != text
    ]
    name = _NAME_BEFORE_FIGURES if tool in _OF_FIGURES else _NAME
    return sum(_CERTAIN if one.certain else name for one in wrong)


def findings(tried: Tried, told: Mapping[str, str], said: Found) -> list[Finding]:
    """What the best pair of readings says of each field, and how sure it is."""
    best = tried.scores[0]
    found = []
    for name, text in best.texts.items():
        # The one that is taken first.
        choices = tuple(dict.fromkeys((text, *tried.offered[name])))
        if name in told:
            sure, why = TOLD, _("as you say")
        else:
            others = [one for one in tried.scores if one.texts.get(name) != text]
            sure, why = _judged(name, text, best, others, said, tried)
        if name == VALUES and len(choices) > 1:
            choices = tuple(dict.fromkeys((*choices, *CHOICES)))
        if name == OUTPUT_ORDER and sure == ASSUMED and text == best.texts.get(ORDER):
            why = _("as that of the picture")
        found.append(Finding(name, text, sure, why, choices, name in _FREE))
    return found


def _judged(
    name: str, text: str, best: Score, others: Sequence[Score], said: Found, tried: Tried
) -> tuple[str, str]:
    """How sure a field is, and why."""
    reason = said.get(name)
    if reason is not None and reason.text != text:
        reason = None
    if reason is not None and reason.certain:
        return DECLARED, reason.why
    if len(tried.offered[name]) == 1:
        return DECLARED, _("the file leaves nothing else")
    if tried.left_out and name in tried.tested and len(tried.tested[name]) == 1:
        return ASSUMED, _("the others were not tried for want of time, so the usual is taken")
    if not others:
        return MEASURED, _("tried: no other way gives a result")
    # The likeliest of the others, not the one that happens to be nearest.
    margin = others[0].decibels - best.decibels
    # Colours tell little of their order, whatever the model.
    harder = _HARDER if name in (ORDER, OUTPUT_ORDER) else 1.0
    if tried.blind:
        margin = 0.0
    if margin >= _SURE * harder:
        return MEASURED, _("tried: the others are worse by {margin:.1f} dB", margin=margin)
    if reason is not None:
        return LIKELY, reason.why
    if margin >= _LIKELY * harder:
        return LIKELY, _("tried: the others are a little worse, {margin:.1f} dB", margin=margin)
    if tried.blind:
        return ASSUMED, _("it saw no subject in a drawn figure, so the usual is taken")
    if abs(margin) < _SAME and tried.exact:
        return EITHER, _("tried: it makes no difference, so the usual is taken")
    return ASSUMED, _("tried: nothing tells it from the others, so the usual is taken")


def doubts(tried: Tried, tool: str) -> list[str]:
    """What the user should know before using the model."""
    found = []
    if tried.left_out:
        found.append(
            _(
                "The model is slow, so {left_out} less usual ways to feed it were not tried.",
                left_out=tried.left_out,
            )
        )
    if tried.scores[0].decibels > _worst(tool, tried.known):
        found.append(
            _(
                "What it makes of the known picture is far from what is expected: look at the "
                "preview."
            )
        )
    return found


def _worst(tool: str, picture: Known) -> float:
    """The error in decibels beyond which a result is in doubt."""
    if tool == "remove-background" and picture.subject is not None:
        # Half of the subject is not seen.
        return 10 * math.log10(0.5 * float(np.mean(picture.subject**2)))
    if tool in ("colorize", "restore-faces", "remove-object"):
        return -15.0
    shown, wanted = picture.shown, picture.wanted
    if shown.shape != wanted.shape:
        size = wanted.shape[1], wanted.shape[0]
        shown = np.asarray(cv2.resize(shown, size, interpolation=cv2.INTER_LINEAR), np.float32)
    untouched = float(np.mean((shown - wanted) ** 2))
    return 10 * math.log10(max(untouched, 1e-9)) + _WORSE
