"""Finds out how a stranger's model is fed and read: by what it declares, and by trying it.

For a process that may die: the session is one on the file itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from shared_core.bridge.errors import UsageError
from shared_core.bridge.language import _
from shared_core.catalog.card import EACH, LIGHTNESS, LUMA, MATTE, MIN_MAX, TensorSpec, TileRule
from shared_core.catalog.trust.inspection import Inspected

from . import evidence, graph
from .evidence import Evidence
from .fields import (
    ASSUMED,
    CHANNELS,
    CONSTANTS,
    DECLARED,
    EITHER,
    LIKELY,
    MAXIMUM,
    MEASURED,
    MULTIPLE,
    PICTURE,
    SCALE,
    SIDE,
    SIZE,
    STRETCH,
    TILE,
    TOLD,
    Finding,
)
from .probe import Probe, Sizes, Specs, picture_of
from .roles import misfit
from .structure import Structure, structure_of
from .trying import TILED, doubts, findings, try_all

_MOST_SIDE = 4096
_OVERLAPS = (16, 64)
_USUAL_SIDES = {"restore-faces": 512, "remove-object": 512, "colorize": 256}
_USUAL_SIDE = 512
_SIDES_OF_NAMES = {"isnet": 1024, "birefnet": 1024, "rmbg": 1024, "u2net": 320, "ddcolor": 512}
_YES_NO = ("no", "yes")


@dataclass(frozen=True)
class Rule:
    """How a picture is cut for a model: in tiles, or all of it on ``side``; neither where fixed."""

    tile: TileRule | None = None
    side: int | None = None
    multiple: int | None = None


@dataclass(frozen=True)
class Understood:
    """How a model is fed and read, what was found out, and what the user should look at."""

    inputs: Specs
    outputs: Specs
    rule: Rule
    findings: tuple[Finding, ...]
    doubts: tuple[str, ...]


def understand(
    probe: Probe,
    inspected: Inspected,
    path: Path,
    tool: str,
    name: str,
    told: Mapping[str, str],
) -> Understood:
    """How the model at ``path`` is to be fed and read by ``tool``.

    ``name`` is what the file is called, with its repository. ``told`` holds corrections by field.
    Raises ``Misfit`` where the model cannot be used so, and ``UsageError`` for a correction that
    is none.
    """
    structure = structure_of(probe, inspected, tool, told)
    said = _said(path, inspected, tool, name, structure)
    tried = try_all(probe, structure, tool, told, said)
    if not tried.scores:
        raise misfit(
            tool,
            _("whatever it was shown, what it made cannot be a result")
            + (f" ({probe.failure})" if probe.failure else ""),
            _("Choose another tool, or correct what was understood."),
        )
    best = tried.scores[0]
    rule, cuts = _rule(tool, name, structure.sizes, told)
    taken, result, switches = _switched(tool, name, told, best.source.specs, best.made.specs[0])
    found = [
        *_plain(inspected, structure, tool, told),
        *findings(tried, told, said),
        *switches,
        *cuts,
    ]
    known = {finding.name for finding in found if finding.open or finding.sure == TOLD}
    for field in told:
        if field not in known:
            raise UsageError(
                _(
                    "There is no {field} to correct here; there is {names}.",
                    field=repr(field),
                    names=", ".join(sorted(known)),
                )
            )
    return Understood(taken, (result,), rule, tuple(found), tuple(doubts(tried, tool)))


def _said(
    path: Path, inspected: Inspected, tool: str, name: str, structure: Structure
) -> dict[str, Evidence]:
    """What the name, the notes and the operators say; what is certain counts most."""
    found = evidence.of_name(name) | evidence.of_metadata(inspected.metadata)
    drawn = graph.read(path)
    picture = picture_of(structure.inputs)
    first = structure.given[0]
    found |= evidence.of_exit(tool, graph.exit_of(drawn, first.name, first.channels))
    entry = graph.entry(drawn, picture.name or "", structure.colours)
    return found | evidence.of_entry(entry, picture.channels == (LIGHTNESS,))


def _plain(
    inspected: Inspected, structure: Structure, tool: str, told: Mapping[str, str]
) -> list[Finding]:
    """What the file declares, and what its runs have shown of sizes."""
    picture, sizes = picture_of(structure.inputs), structure.sizes
    found = [
        Finding(
            PICTURE,
            f"{picture.name}, {picture.dtype}, {picture.layout}",
            DECLARED,
            _("the file says so"),
        )
    ]
    if sizes.fixed:
        declared = any(sizes.fixed == _declared_size(value.shape) for value in inspected.inputs)
        why = _("the file says so") if declared else _("tried: no other size runs")
        text = f"{sizes.fixed[1]} × {sizes.fixed[0]}"
        found.append(Finding(SIZE, text, DECLARED if declared else MEASURED, why))
    else:
        why = _("tried: from {least} pixels on", least=sizes.least)
        found.append(Finding(SIZE, "any", MEASURED, why))
        sure, why = MEASURED, _("tried: smaller steps do not run")
        if sizes.multiple == 1:
            why = _("tried: odd sizes run")
        if MULTIPLE in told:
            sure, why = TOLD, _("as you say")
        text = told.get(MULTIPLE, str(sizes.multiple))
        found.append(Finding(MULTIPLE, text, sure, why, free=True))
    if tool == "upscale":
        found.append(Finding(SCALE, _("{scale} times", scale=sizes.scale), MEASURED, "tried"))
    if picture.channels[0] in (EACH, LUMA):
        usual = "each" if picture.channels[0] == EACH else "luma"
        why = (
            _("red, green and blue go through it one after the other")
            if usual == "each"
            else _("the colours are enlarged beside it")
        )
        sure = TOLD if CHANNELS in told else ASSUMED
        found.append(Finding(CHANNELS, usual, sure, why, ("each", "luma")))
    constants = [spec for spec in structure.inputs if spec.value is not None]
    if constants:
        text = ", ".join(f"{spec.name}={spec.value:g}" for spec in constants)
        sure = TOLD if CONSTANTS in told else ASSUMED
        why = _("as you say") if CONSTANTS in told else _("nobody says what they mean")
        found.append(Finding(CONSTANTS, text, sure, why, free=True))
    return found


def _declared_size(shape: object) -> tuple[int, int] | None:
    sides = [n for n in shape if isinstance(n, int) and n > 8] if isinstance(shape, tuple) else []
    return (sides[0], sides[1]) if len(sides) == 2 else None


# ---------------------------------------------------------------- the rest of the contract


def _switched(
    tool: str, name: str, told: Mapping[str, str], inputs: Specs, output: TensorSpec
) -> tuple[Specs, TensorSpec, list[Finding]]:
    """What only mattes have: the picture divided by its maximum, the matte stretched."""
    if tool != "remove-background" or output.channels != (MATTE,) or output.then:
        return inputs, output, []
    found = []
    for field, usual, what in (
        (MAXIMUM, evidence.by_maximum(name), _("U²-Net's users do so")),
        (STRETCH, evidence.stretched(name), _("its name is that of networks read so")),
    ):
        yes = _switch(field, told, usual)
        sure = TOLD if field in told else LIKELY if usual else ASSUMED
        why = _("as you say") if field in told else what if usual else _("this is the usual")
        found.append(Finding(field, _YES_NO[yes], sure, why, _YES_NO))
        if field == MAXIMUM and yes:
            picture = picture_of(inputs)
            inputs = tuple(
                replace(spec, by_maximum=True) if spec is picture else spec for spec in inputs
            )
        elif yes:
            output = replace(output, then=MIN_MAX)
    return inputs, output, found


def _switch(field: str, told: Mapping[str, str], usual: bool) -> bool:
    text = told.get(field, _YES_NO[usual])
    if text not in _YES_NO:
        raise UsageError(_("{field} takes no or yes, not {text}.", field=field, text=repr(text)))
    return text == "yes"


def _rule(
    tool: str, name: str, sizes: Sizes, told: Mapping[str, str]
) -> tuple[Rule, list[Finding]]:
    """How a picture is cut for the model."""
    multiple = _whole(MULTIPLE, told, sizes.multiple, 1, 512)
    if tool in TILED:
        return _tiles(sizes, multiple, told)
    if sizes.fixed:
        return Rule(), []
    usual = _USUAL_SIDES.get(tool, _USUAL_SIDE)
    for word, side in _SIDES_OF_NAMES.items():
        if word in name.lower().replace("-", "").replace("_", ""):
            usual = side
    side = _whole(SIDE, told, usual, max(sizes.least, multiple), _MOST_SIDE)
    side = -(-side // multiple) * multiple
    sure, why = (TOLD, _("as you say")) if SIDE in told else (ASSUMED, _("this is the usual"))
    return Rule(None, side, multiple), [Finding(SIDE, str(side), sure, why, free=True)]


def _tiles(sizes: Sizes, multiple: int, told: Mapping[str, str]) -> tuple[Rule, list[Finding]]:
    margin = 2 * sizes.margin
    if sizes.fixed:
        height, width = (side - margin for side in sizes.fixed)
        overlap = _overlap(min(height, width), sizes)
        tile = TileRule(height, overlap, 1, True, sizes.scale, width if width != height else None)
        return Rule(tile), []
    usual = 512 if sizes.scale == 1 else 256
    side = _whole(TILE, told, usual, max(sizes.least, multiple, 32), _MOST_SIDE)
    side = -(-side // multiple) * multiple
    least = min(side, -(-sizes.least // multiple) * multiple)
    tile = TileRule(side, _overlap(side, sizes), multiple, False, sizes.scale, None, least)
    sure, why = (TOLD, _("as you say")) if TILE in told else (EITHER, _("less takes less memory"))
    return Rule(tile), [Finding(TILE, str(side), sure, why, free=True)]


def _overlap(side: int, sizes: Sizes) -> int:
    """The width that tiles share: an eighth of them, and room for what the network cuts away."""
    least, most = _OVERLAPS
    return min(max(least, min(most, side // 8), 4 * sizes.margin), side // 2)


def _whole(field: str, told: Mapping[str, str], usual: int, least: int, most: int) -> int:
    if field not in told:
        return usual
    text = told[field].strip()
    if not text.isdecimal() or not least <= int(text) <= most:
        raise UsageError(
            _(
                "{field} takes a whole number from {least} to {most}, not {text}.",
                field=field,
                least=least,
                most=most,
                text=repr(text),
            )
        )
    return int(text)
