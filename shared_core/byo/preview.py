"""A trial run of a stranger's model through its tool, on a tile or a known picture, to look at."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms.alignment import TEMPLATE_SIDE
from shared_core.bridge import toolbox
from shared_core.bridge.toolbox import Returns
from shared_core.catalog import contract
from shared_core.catalog.card import Card
from shared_core.engine.session import Session
from shared_core.pixels import Picture, Raster
from shared_core.sheet import Matte, Sheet
from shared_core.tools import registry, restore_faces
from shared_core.tools.work import Model, Sessions, Work

from . import known

Floats = NDArray[np.float32]
Bytes = NDArray[np.uint8]

# Enough to see, and within a message of one mebibyte when told in letters.
SIDE = 512
_MOST_BYTES = 480_000
_KNOWN_SIDE = 256
_CELL = 16


def pictured(card: Card, session: Session, path: Path, tile: Floats | None) -> Mapping[str, Any]:
    """Before and after side by side as a PNG in base 64, with its width and height.

    ``tile`` is a part of the user's picture, None for the known one. Raises what the tool raises.
    """
    shown = _known(card) if tile is None else tile
    model = Model(card, Sessions(("",), lambda role: session), path.parent)
    after = _made(model, shown)
    height, width = after.shape[:2]
    before = _bytes(shown)
    if before.shape[:2] != (height, width):
        before = np.asarray(
            cv2.resize(before, (width, height), interpolation=cv2.INTER_NEAREST), np.uint8
        )
    gap = np.full((height, max(2, width // 64), 3), 255, np.uint8)
    return _encoded(np.hstack([before, gap, after]))


def _known(card: Card) -> Floats:
    scale = card.tile.scale if card.tile else 1
    return known.for_tool(card.tool, _KNOWN_SIDE, _KNOWN_SIDE, scale).shown


def _made(model: Model, shown: Floats) -> Bytes:
    """What the tool shows of ``shown`` (height, width, 3), 8 bits."""
    tool = toolbox.tool(model.card.tool)
    if tool.id == "restore-faces":
        return _face(model, shown)
    height, width = shown.shape[:2]
    rgba = np.dstack([_bytes(shown), np.full((height, width), 255, np.uint8)])
    result = np.zeros_like(rgba)
    raster = Raster(width, height, "u8")
    given: dict[str, object] = {}
    outcome, sheet, matte, selection = Returns.PIXELS, None, None, None
    if tool.returns is Returns.SCALED:
        factor = 4 if model.card.tile and model.card.tile.scale >= 4 else 2
        given["factor"] = str(factor)
        result = np.zeros((factor * height, factor * width, 4), np.uint8)
        sheet = Sheet(result, Raster(factor * width, factor * height, "u8"))
        outcome = Returns.SCALED
    cover = np.full((height, width), 255, np.uint8)
    if tool.id == "remove-background":
        outcome, matte = Returns.MASK, Matte(cover, "u8")
    if tool.id == "remove-object":
        selection = np.zeros((height, width), np.uint8)
        middle, axes = (width // 2, height // 2), (max(1, width // 7), max(1, height // 8))
        cv2.ellipse(selection, middle, axes, 0, 0, 360, 255, -1)
    picture = Picture(rgba, None if sheet else result, raster, selection)
    if not sheet:
        picture.begin()
    work = Work(
        picture,
        tool.parse(given),
        lambda done, total: None,
        lambda: False,
        outcome=outcome,
        selection=selection,
        sheet=sheet,
        matte=matte,
    )
    registry.module(tool.id).real(work, model)
    colours = result[..., :3]
    return _on_cells(colours, cover) if matte else np.ascontiguousarray(colours)


def _face(model: Model, shown: Floats) -> Bytes:
    """A picture taken for one aligned face."""
    side = TEMPLATE_SIDE
    square = np.asarray(cv2.resize(shown, (side, side), interpolation=cv2.INTER_LINEAR))
    asked = contract.asker(model.card, model.session)
    face = restore_faces.redrawn(model, asked, np.asarray(square, np.float32))
    return _bytes(face)


def _on_cells(colours: Bytes, cover: Bytes) -> Bytes:
    """A cut-out on a chequered ground."""
    y, x = np.mgrid[0 : cover.shape[0], 0 : cover.shape[1]] // _CELL
    ground = np.where((x + y) % 2, 204, 255)[..., None].astype(np.float32)
    share = cover[..., None].astype(np.float32) / 255
    return np.asarray(np.rint(ground + share * (colours - ground)), np.uint8)


def _bytes(picture: Floats) -> Bytes:
    return np.asarray(np.rint(np.clip(picture, 0, 1) * 255), np.uint8)


def _encoded(picture: Bytes) -> Mapping[str, Any]:
    """The picture as a PNG, made smaller where it is too much for a message."""
    scale = min(1.0, 2 * SIDE / picture.shape[1], SIDE / picture.shape[0])
    while True:
        size = max(1, round(picture.shape[1] * scale)), max(1, round(picture.shape[0] * scale))
        shown = picture if scale == 1 else cv2.resize(picture, size, interpolation=cv2.INTER_AREA)
        data = cv2.imencode(".png", np.ascontiguousarray(np.asarray(shown)[..., ::-1]))[1].tobytes()
        if len(data) <= _MOST_BYTES:
            return {
                "png": base64.b64encode(data).decode("ascii"),
                "width": int(np.asarray(shown).shape[1]),
                "height": int(np.asarray(shown).shape[0]),
            }
        scale *= 0.8
