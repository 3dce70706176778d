"""What a stranger's file is, how a tool feeds and reads it, and what it makes: asked in a process
of its own that may die (``catalog.trust.confined``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.bridge import arena, codec, toolbox, wire
from shared_core.bridge.errors import BadInput, CouldNotBeDone, NssError
from shared_core.bridge.language import _, joined
from shared_core.bridge.paths import Paths
from shared_core.catalog.card import Card, CardFile
from shared_core.catalog.card_text import card_text
from shared_core.catalog.contract import Shown
from shared_core.catalog.manifest import sha256_of
from shared_core.catalog.trust.canary import onnxruntime_version, try_model
from shared_core.catalog.trust.inspection import Inspected, inspect
from shared_core.engine.memory import peak_rss_bytes
from shared_core.engine.session import Session, SessionFailed, open_session
from shared_core.pixels import Picture, Raster

from . import roles
from .card import Costs, Origin, card_of, finding_data
from .known import scene
from .preview import pictured
from .probe import Probe, picture_of
from .understand import Understood, understand

Floats = NDArray[np.float32]

# A part of the user's picture of more than so much a side is not needed to see what a model does.
MOST_TILE = 512
_DTYPES = {"u8": "<u1", "u16": "<u2", "f32": "<f4"}


@dataclass(frozen=True)
class _Asked:
    path: Path
    tool: str
    told: Mapping[str, str]
    origin: Origin
    root: Path
    seconds: float
    tile: Mapping[str, Any] | None


def answer(request: dict[str, Any]) -> dict[str, Any]:
    """What was understood of the file, its card, and a preview; raises where it does not fit.

    ``request`` holds ``file``, ``tool``, ``told`` (corrections by field), ``origin`` (the fields of
    ``Origin``), ``root`` (the folder of all its files, "" for its own), ``seconds`` (about, for
    trying) and ``tile``, a pixel ``file``'s fields with the user's ``folders``, or None for a known
    picture.
    """
    asked = _Asked(
        Path(request["file"]),
        request["tool"],
        request["told"],
        Origin(**request["origin"]),
        Path(request["root"] or Path(request["file"]).parent),
        request["seconds"],
        request["tile"],
    )
    _check_tool(asked.tool)
    inspected = inspect(asked.path, asked.root)
    files = _files(asked.path, asked.root, inspected)
    # What does not fit by what it declares is not even opened.
    roles.readings(inspected.inputs, asked.tool)
    before = peak_rss_bytes()
    session = _opened(asked.path)
    opened = peak_rss_bytes()
    probe = Probe(session, asked.seconds)
    name = f"{asked.origin.repo} {asked.path.name}".strip()
    understood = understand(probe, inspected, asked.path, asked.tool, name, asked.told)
    pixels, seconds = _run_full(probe, understood)
    costs = Costs(opened - before, max(0, peak_rss_bytes() - opened), pixels)
    opset = inspected.opsets.get("")
    card = card_of(asked.tool, asked.origin, files, understood, opset, costs)
    doubts = list(understood.doubts)
    preview: Mapping[str, Any] = {"png": "", "width": 0, "height": 0}
    try:
        preview = pictured(card, session, asked.path, _tile(asked.tile))
    except NssError as error:
        doubts.append(_("The trial run did not succeed: {error}", error=error))
    del session, probe
    trial = try_model(card, asked.root)
    if not trial.ok:
        doubts.append(trial.reason)
    if inspected.changed:
        raise CouldNotBeDone(
            _("{name} changed while it was looked at. Try again.", name=asked.path.name)
        )
    return {
        "card": card_text(card),
        "findings": [finding_data(finding) for finding in understood.findings],
        "doubts": doubts,
        "preview": dict(preview),
        "trial": asdict(trial),
        "seconds": seconds,
        "bytes": costs.session_bytes + costs.run_bytes,
        "summary": _summary(card, seconds, costs),
    }


def _opened(path: Path) -> Session:
    try:
        return open_session(path)
    except SessionFailed as failed:
        raise CouldNotBeDone(
            _(
                "{name} cannot be loaded by onnxruntime {onnxruntime_version} ({reason}). "
                "Export it for this version, with operators and types that it has.",
                name=path.name,
                onnxruntime_version=onnxruntime_version(),
                reason=failed.reason,
            )
        ) from None


def _check_tool(tool: str) -> None:
    if tool not in roles.TOOLS:
        title = toolbox.tool(tool).title
        raise BadInput(
            _(
                "{title} takes no model of your own; the tools that do are {names}.",
                title=title,
                names=", ".join(roles.TOOLS),
            )
        )


def _files(path: Path, root: Path, inspected: Inspected) -> list[CardFile]:
    """The file and those with its data, with their sizes and hashes."""
    found = [path, *(path.parent / name for name in inspected.external)]
    return [
        CardFile(one.relative_to(root).as_posix(), one.stat().st_size, sha256_of(one))
        for one in found
    ]


def _run_full(probe: Probe, understood: Understood) -> tuple[int, float]:
    """One run at the size of a tile or of the whole; its pixels and seconds.

    Raises ``CouldNotBeDone`` where it cannot.
    """
    rule, size = understood.rule, picture_of(understood.inputs).size
    if size is not None:
        # It was run at its only size already.
        return math.prod(size), probe.last_seconds
    width, height = rule.tile.sides if rule.tile else (rule.side or 0,) * 2
    picture = scene(min(height, MOST_TILE), min(width, MOST_TILE))
    if picture.shape[:2] != (height, width):
        picture = np.asarray(cv2.resize(picture, (width, height)), np.float32)
    hole = np.zeros((height, width), bool)
    hole[height // 3 : height // 2, width // 3 : width // 2] = True
    if probe.run(understood.inputs, Shown(picture, hole, 15.0)) is None:
        if probe.out_of_memory:
            what = _(
                "The model needs too much memory at {width} × {height} pixels ({failure}).",
                width=width,
                height=height,
                failure=probe.failure,
            )
        else:
            what = _(
                "The model does not run at {width} × {height} pixels ({failure}).",
                width=width,
                height=height,
                failure=probe.failure,
            )
        advice = _("Correct the side of a tile or of what the network sees.")
        raise CouldNotBeDone(joined(" ", [what, advice]))
    return height * width, probe.last_seconds


def _tile(told: Mapping[str, Any] | None) -> Floats | None:
    """The part of the user's picture, float32 (height, width, 3) in 0..1."""
    if told is None:
        return None
    file = codec.build(wire.PixelFile, told["file"])
    if file.order == wire.MASK or max(file.width, file.height) > MOST_TILE:
        raise BadInput(
            _(
                "A tile to try has at most {most} pixels a side and four channels.",
                most=MOST_TILE,
            )
        )
    folders = Paths(*map(Path, told["folders"]))
    with arena.mapped(folders, file) as pixels:
        samples = np.frombuffer(bytes(pixels), _DTYPES[file.depth])
    picture = Picture(
        samples.reshape(file.height, file.width, 4),
        None,
        Raster(file.width, file.height, file.depth, file.order, file.curve, file.grey),
    )
    return picture.rgb(picture.bounds)


def _summary(card: Card, seconds: float, costs: Costs) -> str:
    """What a run takes, in one line."""
    rule = card.tile
    what = (
        _("A tile of {height} × {width}", height=rule.sides[0], width=rule.sides[1])
        if rule
        else _("A run")
    )
    needs = wire.megabytes(max(1, costs.session_bytes + costs.run_bytes))
    return _(
        "{what} took {time} here, with about {needs} of memory",
        what=what,
        time=wire.duration(max(seconds, 0.05)),
        needs=needs,
    )
