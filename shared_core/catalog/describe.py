"""All that a card knows of a model, as data and in words; what nobody knows is said to be unknown.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any

from ..bridge.language import _, looked_up
from ..bridge.wire import duration, megabytes
from .card import HUB_DECLARED, Card, CardFile, TensorSpec
from .store import ModelState

UNKNOWN = _("unknown")
_WIDTH = 22
_COMMERCIAL = {"yes": _("allowed"), "no": _("not allowed"), "unclear": _("in doubt")}


def data(card: Card, state: ModelState, recorded: Mapping[str, str]) -> dict[str, Any]:
    """The card as JSON data, with the ``state`` of the model here; None is what is not known.

    ``recorded`` are the SHA-256 by path that the hub declared at the download.
    """
    told = {name: _plain(value) for name, value in asdict(card).items()}
    told["files"] = [
        {
            "path": file.path,
            "role": file.role or None,
            "size": file.size,
            "sha256": file.sha256 or recorded.get(file.path) or None,
            "sha256_is": "known" if file.sha256 else HUB_DECLARED,
        }
        for file in card.files
    ]
    more = {"licence_link": card.licence_link, "page": card.page, "bytes": card.download_bytes}
    return {**told, **more, "state": state.presence.value, "reason": state.reason}


def _plain(value: Any) -> Any:
    """Data as JSON has it; an empty text is one that is not known."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return None if value == "" else value


def text(card: Card, state: ModelState, recorded: Mapping[str, str]) -> str:
    """The same for people, several lines."""
    return "\n".join(_lines(card, state, recorded))


def _lines(card: Card, state: ModelState, recorded: Mapping[str, str]) -> Iterator[str]:
    yield f"{card.title} ({card.id})"
    yield from _rows(
        (_("tool"), card.tool),
        (_("state"), f"{state.presence.value}{'; ' if state.reason else ''}{state.reason}"),
        (_("taken"), _taken(card)),
        (_("needs"), ", ".join(card.needs) or _("nothing else")),
        (_("tier, rank"), f"{card.tier.value}, {card.rank}"),
    )
    yield _("Licence")
    use = _COMMERCIAL[card.commercial_use.value]
    yield from _rows(
        (_("licence"), card.licence),
        (_("to be read at"), card.licence_link or UNKNOWN),
        (_("commercial use"), f"{use}. {looked_up(card.commercial_note)}"),
        (_("note"), card.licence_note or _("none")),
    )
    yield _("Where it comes from")
    yield from _origin(card)
    yield _("Files")
    for file in card.files:
        yield from _rows((file.role or "model", f"{file.path}, {file.size:,} bytes"))
        yield from _rows(("", _("SHA-256 {hash}", hash=_hash(file, recorded))))
    yield _("Networks")
    yield from _rows(
        (_("weights"), card.weights or UNKNOWN),
        (_("ONNX opset"), card.opset or UNKNOWN),
    )
    for kind, specs in ((_("takes"), card.inputs), (_("gives"), card.outputs)):
        for spec in specs:
            yield from _rows((f"{spec.role} {kind}".strip(), _tensor(spec)))
    yield from _rows((_("a picture goes"), _way(card)))
    if card.recipe:
        told = ", ".join(f"{name} {value}" for name, value in asdict(card.recipe).items())
        yield from _rows((_("is sampled with"), told.replace("_", " ")))
    yield _("What it costs")
    yield from _rows(*_costs(card))
    yield _("Where this is known from")
    for source in card.sources:
        yield from _rows((", ".join(source.facts), f"{source.source} ({source.certainty})"))


def _origin(card: Card) -> Iterator[str]:
    if card.shipped:
        return _rows((_("part of NSS"), card.shipped))
    if not card.hosted:
        return _rows((_("a file of yours"), _("it cannot be downloaded again")))
    return _rows(
        (_("repository"), card.repo),
        (_("revision"), card.revision),
        (_("page"), card.page),
        (
            _("download"),
            _(
                "{size}, {download_bytes:,} bytes",
                size=megabytes(card.download_bytes),
                download_bytes=card.download_bytes,
            ),
        ),
    )


def _rows(*rows: tuple[str, object]) -> Iterator[str]:
    for name, value in rows:
        if len(name) < _WIDTH:
            yield f"  {name:<{_WIDTH}}{value}"
        else:
            yield f"  {name}"
            yield f"  {'':<{_WIDTH}}{value}"


def _taken(card: Card) -> str:
    if card.helper:
        helped = (
            _(
                "by the models that need it; the classical paths of {names} use it",
                names=", ".join(card.helps),
            )
            if card.helps
            else _("by the models that need it")
        )
        return helped
    word = f"-p model={card.choice}" if card.choice else ""
    if card.opt_in:
        return _("only when chosen by {word}", word=word)
    if word:
        return _("by itself, in its turn, or when chosen by {word}", word=word)
    return _("by itself, in its turn")


def _hash(file: CardFile, recorded: Mapping[str, str]) -> str:
    if file.sha256:
        return file.sha256
    found = recorded.get(file.path)
    if found:
        return _("{found} ({hub_declared} at the download)", found=found, hub_declared=HUB_DECLARED)
    return _(
        "unknown ({hub_declared}: the hub's own is recorded at the download)",
        hub_declared=HUB_DECLARED,
    )


def _tensor(spec: TensorSpec) -> str:
    name = spec.name or _("name read from the session")
    layout = f" {spec.layout}" if spec.layout else ""
    parts = [f"{name}: {spec.dtype}{layout} [{', '.join(map(str, spec.shape))}]"]
    if spec.channels:
        parts.append(" ".join(spec.channels))
    if spec.range:
        parts.append(_("{range:g} to {high:g}", range=spec.range[0], high=spec.range[1]))
    if spec.by_maximum:
        parts.append(_("divided by its largest value"))
    if spec.mean:
        parts.append(
            _(
                "mean {means}, std {deviations}",
                means=_numbers(spec.mean),
                deviations=_numbers(spec.std),
            )
        )
    if spec.value is not None:
        parts.append(_("always {value:g}", value=spec.value))
    if spec.sigma_maximum is not None:
        parts.append(_("noise up to {most:g} levels of 255", most=spec.sigma_maximum))
    if spec.decorrelate:
        parts.append(_("noise of grey pictures made independent in each channel"))
    if spec.then:
        parts.append(_("then {then}", then=spec.then))
    return ", ".join(parts)


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _way(card: Card) -> str:
    rule = card.tile
    if rule:
        width, height = rule.sides
        parts = [
            _("in tiles of exactly {width} × {height} pixels", width=width, height=height)
            if rule.fixed
            else _("in tiles of about {width} × {height} pixels", width=width, height=height),
            _("multiples of {multiple}", multiple=rule.multiple),
            _("{overlap} shared with each neighbour", overlap=rule.overlap),
        ]
        if rule.scale > 1:
            parts.append(_("{scale} times as large after it", scale=rule.scale))
        return ", ".join(parts)
    size = card.run_size or card.fixed_size
    return (
        _("as one of {size} × {height} pixels", size=size[1], height=size[0])
        if size
        else _("not through it")
    )


def _costs(card: Card) -> Iterator[tuple[str, object]]:
    """Name and value; of those for a megapixel and for a run only what fits the model."""
    operations = reported = peak = ""
    if card.tile:
        if card.gflop_per_megapixel:
            operations = _("{gflop:,.0f} GFLOP a megapixel", gflop=card.gflop_per_megapixel)
        if card.cpu_seconds_per_megapixel:
            time = duration(card.cpu_seconds_per_megapixel)
            reported = _("{time} a megapixel on a processor", time=time)
        if card.peak_bytes_per_pixel:
            peak = _("{peak:,} bytes for a tile's pixel", peak=card.peak_bytes_per_pixel)
    else:
        if card.gflop_per_run:
            operations = _("{gflop:,.0f} GFLOP a run", gflop=card.gflop_per_run)
        if card.cpu_seconds_per_run:
            time = duration(card.cpu_seconds_per_run)
            reported = _("{time} a run on a processor", time=time)
        if card.peak_bytes:
            peak = megabytes(card.peak_bytes)
    mix = (
        card.mix
        if isinstance(card.mix, str)
        else ", ".join(f"{k} {v:g}" for k, v in card.mix.items())
    )
    yield _("operations"), operations or UNKNOWN
    yield _("made of"), mix or UNKNOWN
    yield _("others report"), reported or UNKNOWN
    yield _("memory when loaded"), megabytes(card.session_bytes) if card.session_bytes else UNKNOWN
    yield _("memory in a run"), peak or UNKNOWN
