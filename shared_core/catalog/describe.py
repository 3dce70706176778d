"""All that a card knows of a model, as data and in words; what nobody knows is said to be unknown.

Standard library only.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from enum import Enum
from pathlib import Path
from typing import Any

from ..bridge.wire import duration, megabytes
from .card import HUB_DECLARED, Card, CardFile, TensorSpec
from .store import ModelState

UNKNOWN = "unknown"
_WIDTH = 22
_COMMERCIAL = {"yes": "allowed", "no": "not allowed", "unclear": "in doubt"}


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
        ("tool", card.tool),
        ("state", f"{state.presence.value}{'; ' if state.reason else ''}{state.reason}"),
        ("taken", _taken(card)),
        ("needs", ", ".join(card.needs) or "nothing else"),
        ("tier, rank", f"{card.tier.value}, {card.rank}"),
    )
    yield "Licence"
    use = _COMMERCIAL[card.commercial_use.value]
    yield from _rows(
        ("licence", card.licence),
        ("to be read at", card.licence_link or UNKNOWN),
        ("commercial use", f"{use}. {card.commercial_note}"),
        ("note", card.licence_note or "none"),
    )
    yield "Where it comes from"
    yield from _origin(card)
    yield "Files"
    for file in card.files:
        yield from _rows((file.role or "model", f"{file.path}, {file.size:,} bytes"))
        yield from _rows(("", f"SHA-256 {_hash(file, recorded)}"))
    yield "Networks"
    yield from _rows(
        ("weights", card.weights or UNKNOWN),
        ("ONNX opset", card.opset or UNKNOWN),
    )
    for kind, specs in (("takes", card.inputs), ("gives", card.outputs)):
        for spec in specs:
            yield from _rows((f"{spec.role} {kind}".strip(), _tensor(spec)))
    yield from _rows(("a picture goes", _way(card)))
    if card.recipe:
        told = ", ".join(f"{name} {value}" for name, value in asdict(card.recipe).items())
        yield from _rows(("is sampled with", told.replace("_", " ")))
    yield "What it costs"
    yield from _rows(*_costs(card))
    yield "Where this is known from"
    for source in card.sources:
        yield from _rows((", ".join(source.facts), f"{source.source} ({source.certainty})"))


def _origin(card: Card) -> Iterator[str]:
    if card.shipped:
        return _rows(("part of NSS", card.shipped))
    if not card.hosted:
        return _rows(("a file of yours", "it cannot be downloaded again"))
    return _rows(
        ("repository", card.repo),
        ("revision", card.revision),
        ("page", card.page),
        ("download", f"{megabytes(card.download_bytes)}, {card.download_bytes:,} bytes"),
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
        helped = f"; the classical paths of {', '.join(card.helps)} use it" if card.helps else ""
        return f"by the models that need it{helped}"
    word = f"-p model={card.choice}" if card.choice else ""
    if card.opt_in:
        return f"only when chosen by {word}"
    return f"by itself, in its turn{f', or when chosen by {word}' if word else ''}"


def _hash(file: CardFile, recorded: Mapping[str, str]) -> str:
    if file.sha256:
        return file.sha256
    found = recorded.get(file.path)
    if found:
        return f"{found} ({HUB_DECLARED} at the download)"
    return f"{UNKNOWN} ({HUB_DECLARED}: the hub's own is recorded at the download)"


def _tensor(spec: TensorSpec) -> str:
    name = spec.name or "name read from the session"
    layout = f" {spec.layout}" if spec.layout else ""
    parts = [f"{name}: {spec.dtype}{layout} [{', '.join(map(str, spec.shape))}]"]
    if spec.channels:
        parts.append(" ".join(spec.channels))
    if spec.range:
        parts.append(f"{spec.range[0]:g} to {spec.range[1]:g}")
    if spec.by_maximum:
        parts.append("divided by its largest value")
    if spec.mean:
        parts.append(f"mean {_numbers(spec.mean)}, std {_numbers(spec.std)}")
    if spec.value is not None:
        parts.append(f"always {spec.value:g}")
    if spec.sigma_maximum is not None:
        parts.append(f"noise up to {spec.sigma_maximum:g} levels of 255")
    if spec.then:
        parts.append(f"then {spec.then}")
    return ", ".join(parts)


def _numbers(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)


def _way(card: Card) -> str:
    rule = card.tile
    if rule:
        width, height = rule.sides
        kind = "of exactly" if rule.fixed else "of about"
        larger = f", {rule.scale} times as large after it" if rule.scale > 1 else ""
        return (
            f"in tiles {kind} {width} × {height} pixels, multiples of {rule.multiple}, "
            f"{rule.overlap} shared with each neighbour{larger}"
        )
    size = card.run_size or card.fixed_size
    return f"as one of {size[1]} × {size[0]} pixels" if size else "not through it"


def _costs(card: Card) -> Iterator[tuple[str, object]]:
    """Name and value; of those for a megapixel and for a run only what fits the model."""
    per = "megapixel" if card.tile else "run"
    gflop = card.gflop_per_megapixel if card.tile else card.gflop_per_run
    seconds = card.cpu_seconds_per_megapixel if card.tile else card.cpu_seconds_per_run
    yield "operations", f"{gflop:,.0f} GFLOP a {per}" if gflop else UNKNOWN
    mix = (
        card.mix
        if isinstance(card.mix, str)
        else ", ".join(f"{k} {v:g}" for k, v in card.mix.items())
    )
    yield "made of", mix or UNKNOWN
    yield "others report", f"{duration(seconds)} a {per} on a processor" if seconds else UNKNOWN
    yield "memory when loaded", megabytes(card.session_bytes) if card.session_bytes else UNKNOWN
    if card.tile:
        peak = card.peak_bytes_per_pixel
        yield "memory in a run", f"{peak:,} bytes for a tile's pixel" if peak else UNKNOWN
    else:
        yield "memory in a run", megabytes(card.peak_bytes) if card.peak_bytes else UNKNOWN
