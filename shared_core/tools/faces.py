"""Where faces are in a picture of any size: YuNet over overlapping tiles at several scales.

Every candidate is looked at a second time, upright and in the middle of a small view of its own,
so that what only looked like a face by chance, or at a tile's edge, is dropped.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import product
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from shared_core.algorithms.alignment import Matrix, between_pixels, scale_of, transformed
from shared_core.algorithms.yunet import (
    SIDE,
    Face,
    decode,
    feed,
    letterbox,
    merged,
    overlap,
)
from shared_core.bridge.errors import Cancelled
from shared_core.bridge.language import _
from shared_core.pixels import Box, Picture, WrongOutput

from .reduced import box_around, by_area, reduced, reduced_strips

if TYPE_CHECKING:
    # The classical paths work where onnxruntime is missing.
    from shared_core.engine.session import Session

Bytes = NDArray[np.uint8]
Floats = NDArray[np.float32]

SMALLEST = 40.0

# Neighbouring tiles share this much, so a face up to _LARGEST lies wholly in one of them; larger
# ones are found at the next scale, where they are half as large.
_OVERLAP = 224
_MARGIN = 8
_LARGEST = _OVERLAP - 2 * _MARGIN

# The second look: four faces a run, each so large in a quarter of the tile. Measured on collages
# of known faces over photographs, ears and patterns reach 0.68 in the mean, faces 0.72 and more.
_VIEW = SIDE // 2
_VIEWS = (160.0, 200.0, 60.0)
_SAME = 0.4
_SURE = 0.7
# Confidences below the usual 0.6, since none of these looks decides alone.
_FIRST = 0.4
_AGAIN = 0.3


def find_faces(
    picture: Picture,
    session: Session,
    cancelled: Callable[[], bool],
    within: Box | None = None,
    smallest: float = SMALLEST,
) -> list[Face]:
    """The faces in ``picture``, or in its part ``within``, the largest first.

    Places are in the picture's pixels. Faces whose size (root of the box's area) is below
    ``smallest`` pixels are left out. ``session`` is YuNet's. Memory: one byte a pixel, and what a
    megapixel takes. Raises ``Cancelled``, and ``WrongOutput`` where the model does not answer as a
    face detector does.
    """
    area = picture.bounds if within is None else within
    if area.empty:
        return []
    detector = _Detector(session, cancelled)
    candidates: list[Face] = []
    for level in _levels(picture, area, cancelled):
        candidates += [
            face.moved(level.step, area.left, area.top) for face in detector.level(level)
        ]
    # Boxes of one face differ a little between scales.
    large = merged([face for face in candidates if face.size >= 0.8 * smallest])
    sure = detector.second_look(picture, large)
    return sorted(
        (face for face in sure if face.size >= 0.85 * smallest),
        key=lambda face: face.size,
        reverse=True,
    )


@dataclass(frozen=True)
class _Level:
    """A picture reduced ``step`` times; ``read`` gives a box of it as BGR bytes."""

    width: int
    height: int
    step: int
    read: Callable[[Box], Bytes]


class _Detector:
    """YuNet on tiles of 640 by 640."""

    def __init__(self, session: Session, cancelled: Callable[[], bool]) -> None:
        self._session = session
        self._cancelled = cancelled

    def tile(self, tile: Bytes, confidence: float = _FIRST) -> list[Face]:
        """The faces in a BGR tile."""
        name = self._session.inputs[0].name
        outputs = self._session.run({name: feed(tile)}, cancelled=self._cancelled)
        try:
            return decode(outputs, confidence)
        except ValueError as error:
            raise WrongOutput(
                _(
                    "The face detector does not answer as expected: {error}. Remove its file "
                    "and download it again.",
                    error=error,
                )
            ) from error

    def level(self, level: _Level) -> list[Face]:
        """The faces of one level, in its pixels."""
        if max(level.width, level.height) <= SIDE:
            tile, scale = letterbox(level.read(Box(0, 0, level.width, level.height)))
            found = self.tile(tile)
            # A face that fills the picture is found where it is smaller.
            smaller = np.zeros_like(tile)
            smaller[:_VIEW, :_VIEW] = cv2.resize(tile, (_VIEW, _VIEW), interpolation=cv2.INTER_AREA)
            found += [face.moved(2, 0, 0) for face in self.tile(smaller) if face.size > SIDE / 8]
            return [face.moved(1 / scale, 0, 0) for face in found]
        faces = []
        for top, left in product(_origins(level.height), _origins(level.width)):
            width, height = min(SIDE, level.width - left), min(SIDE, level.height - top)
            tile = np.zeros((SIDE, SIDE, 3), np.uint8)
            tile[:height, :width] = level.read(Box(left, top, width, height))
            placed = (face.moved(1, left, top) for face in self.tile(tile))
            faces += [face for face in placed if _whole(face, left, top, level)]
        return faces

    def second_look(self, picture: Picture, faces: list[Face]) -> list[Face]:
        """Those of ``faces`` that are found again, upright, in near and far views of their own.

        Their places are those of the nearest view, which every face fills alike; their score is
        the mean of all views.
        """
        looks = [self._looked_at(picture, faces, size) for size in _VIEWS]
        sure = []
        for seen in zip(*looks, strict=True):
            score = sum(face.score for face in seen if face) / len(seen)
            if seen[0] and score >= _SURE:
                sure.append(replace(seen[0], score=score))
        return merged(sure)

    def _looked_at(self, picture: Picture, faces: list[Face], size: float) -> list[Face | None]:
        """Each face as found again in a view where it is ``size`` pixels large."""
        again: list[Face | None] = []
        for first in range(0, len(faces), 4):
            group = faces[first : first + 4]
            corners = [(_VIEW * (n % 2), _VIEW * (n // 2)) for n in range(len(group))]
            tile = np.zeros((SIDE, SIDE, 3), np.uint8)
            for face, (left, top) in zip(group, corners, strict=True):
                tile[top : top + _VIEW, left : left + _VIEW] = _upright_view(picture, face, size)
            found = self.tile(tile, _AGAIN)
            for face, (left, top) in zip(group, corners, strict=True):
                expected = _centred(face, size).moved(1, left, top)
                same = [other for other in found if overlap(expected, other)[0] >= _SAME]
                if same:
                    again.append(_from_view(same[0].moved(1, -left, -top), _to_view(face, size)))
                else:
                    again.append(None)
        return again


def _upright_view(picture: Picture, face: Face, size: float) -> Bytes:
    """``face`` turned upright in the middle of a BGR view of 320 by 320, ``size`` pixels large."""
    forward = _to_view(face, size)
    corners = np.array([[0, 0], [_VIEW, 0], [0, _VIEW], [_VIEW, _VIEW]], np.float64)
    box = box_around(transformed(corners, cv2.invertAffineTransform(forward)), picture.bounds)
    step = max(1, int(face.size / size))
    matrix = between_pixels(forward, box.left, box.top, step)
    view = cv2.warpAffine(_bytes(reduced(picture, box, step)), matrix, (_VIEW, _VIEW))
    return np.asarray(view, np.uint8)


def _from_view(face: Face, forward: Matrix) -> Face:
    """A face found in a view, in the picture's places; its box keeps its size and centre."""
    back = cv2.invertAffineTransform(forward)
    scale = scale_of(back)
    middle = np.array([[face.left + face.width / 2, face.top + face.height / 2]])
    ((x, y),) = transformed(middle, back)
    width, height = face.width * scale, face.height * scale
    points = transformed(np.array(face.points), back)
    return Face(
        float(x) - width / 2,
        float(y) - height / 2,
        width,
        height,
        tuple((float(px), float(py)) for px, py in points),
        face.score,
    )


def _to_view(face: Face, size: float) -> Matrix:
    (x0, y0), (x1, y1) = face.points[:2]
    angle = math.degrees(math.atan2(y1 - y0, x1 - x0))
    centre = face.left + face.width / 2, face.top + face.height / 2
    matrix = cv2.getRotationMatrix2D(centre, angle, size / max(face.size, 1.0))
    matrix[:, 2] += _VIEW / 2 - np.array(centre)
    return np.asarray(matrix, np.float64)


def _centred(face: Face, size: float) -> Face:
    """Where a view shows the face."""
    scale = size / max(face.size, 1.0)
    width, height = face.width * scale, face.height * scale
    return Face((_VIEW - width) / 2, (_VIEW - height) / 2, width, height, (), face.score)


def _levels(picture: Picture, area: Box, cancelled: Callable[[], bool]) -> Iterator[_Level]:
    """The area at full size, then halved again and again until it fits a tile."""

    def read(box: Box) -> Bytes:
        return _bytes(picture.rgb(Box(area.left + box.left, area.top + box.top, *box[2:])))

    yield _Level(area.width, area.height, 1, read)
    if max(area.width, area.height) <= SIDE:
        return
    strips = []
    for strip in reduced_strips(picture, area, 2):
        if cancelled():
            raise Cancelled(_("Cancelled."))
        strips.append(_bytes(strip))
    level, step = np.concatenate(strips), 2
    yield _level_of(level, step)
    while max(level.shape[:2]) > SIDE:
        level, step = np.asarray(by_area(level, 2), np.uint8), 2 * step
        yield _level_of(level, step)


def _level_of(bgr: Bytes, step: int) -> _Level:
    return _Level(bgr.shape[1], bgr.shape[0], step, lambda box: bgr[box.slices])


def _bytes(rgb: Floats) -> Bytes:
    """BGR bytes of RGB 0..1."""
    return np.asarray(rgb[..., ::-1] * np.float32(255) + np.float32(0.5), np.uint8)


def _origins(length: int) -> list[int]:
    """Where tiles begin that cover ``length`` evenly and share at least the overlap."""
    if length <= SIDE:
        return [0]
    count = -(-(length - _OVERLAP) // (SIDE - _OVERLAP))
    return [round(n * (length - SIDE) / (count - 1)) for n in range(count)]


def _whole(face: Face, left: int, top: int, level: _Level) -> bool:
    """Whether the tile at ``left``, ``top`` shows all of a face, or all that the picture has."""
    right, bottom = left + SIDE, top + SIDE
    return (
        max(face.width, face.height) <= _LARGEST
        and (left == 0 or face.left >= left + _MARGIN)
        and (top == 0 or face.top >= top + _MARGIN)
        and (right >= level.width or face.left + face.width <= right - _MARGIN)
        and (bottom >= level.height or face.top + face.height <= bottom - _MARGIN)
    )
