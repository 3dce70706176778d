"""Restore faces: each found face drawn anew by a model, else its contrast and detail raised.

Only the squares around faces are written; all else stays the source's bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from shared_core.algorithms import face_detail, face_paste
from shared_core.algorithms.alignment import (
    FFHQ_512,
    TEMPLATE_SIDE,
    Matrix,
    between_pixels,
    scale_of,
    similarity,
)
from shared_core.algorithms.face_paste import PlacedFace
from shared_core.algorithms.noise import estimate_sigma
from shared_core.algorithms.yunet import Face
from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.bridge.language import _
from shared_core.catalog import contract
from shared_core.catalog.cards import TileRule
from shared_core.catalog.contract import wrong
from shared_core.pixels import Box, Picture

from .faces import find_faces
from .reduced import box_around, reduced
from .work import Made, Model, Pixels, Work, asker, mixed, network_size

DETECTOR = "yunet-2023mar"

_CELL = 1024
_NOISE_SIDE = 512
_MOST_BOXES = 100
# The face that is thought of where none is known: this share of the shorter side.
_FACE_SHARE = 1 / 3
_FACE_SIZES = (60.0, 800.0)

# What a model makes of a face resembles it when both are reduced to this side.
_LOOK_SIDE = 32
_MOST_UNLIKE = 0.25
_UNLIKE = 0.04
# A model's face varies at least this much as what was there.
_LEAST_SPREAD = 0.2

Patches = list[face_paste.Patch]


@dataclass(frozen=True)
class _Place:
    """A face to be worked on: where it is, its alignment, and the box it may change."""

    face: Face
    matrix: Matrix
    box: Box


def real(work: Work, model: Model) -> Made:
    """Every face aligned, reconstructed by the model, and blended into its surroundings."""
    detector = work.helpers.get(DETECTOR)
    if detector is None:
        raise CouldNotBeDone(
            _(
                "{model} needs the face detector YuNet, which is not here. Download it or use "
                "the classical path.",
                model=model.card.title,
            )
        )
    work.picture.keep()
    places = _places(work, detector)
    if not places:
        return _no_face(work)
    done = 0
    for group in _groups(places):
        patches: Patches = []
        for place in group:
            work.step(done, len(places))
            patches.append(_patch(work, model, place))
            done += 1

        def drawn(rgb: Pixels, part: Box, number: int, patches: Patches = patches) -> PlacedFace:
            return face_paste.shown(patches[number], rgb, part.left, part.top)

        _paste(work, group, drawn, 0)
    work.step(done, len(places))
    return Made(
        done,
        _(
            "faces found by {model}, reconstructed, not recovered; pasted by {name}",
            model=detector.card.title,
            name=face_paste.NAME,
        ),
        {"faces": len(places), "strength": _strength(work)},
        found=_found(places),
    )


def classical(work: Work) -> Made:
    """Contrast and detail raised on the faces, else in the selection, else everywhere."""
    detector = work.helpers.get(DETECTOR)
    if detector is None:
        return _everywhere(work)
    work.picture.keep()
    places = _places(work, detector)
    if not places:
        return _no_face(work)
    sigmas = [_noise(work.picture, place.face) for place in places]

    def raised(rgb: Pixels, part: Box, number: int) -> PlacedFace:
        place = places[number]
        pixels = face_detail.enhance(rgb, place.face.size, sigmas[number])
        return PlacedFace(place.matrix, part.left, part.top, pixels)

    reach = max(face_detail.reach(place.face.size) for place in places)
    cells = _paste(work, places, raised, reach)
    return Made(
        cells,
        _(
            "classical {name} on faces found by {model}",
            name=face_detail.NAME,
            model=detector.card.title,
        ),
        {
            "where": "faces",
            "faces": len(places),
            "strength": _strength(work),
            "sigma": round(max(sigmas), 2),
        },
        found=_found(places),
    )


def _everywhere(work: Work) -> Made:
    """The classical path where no detector is here: on what is selected, or on all."""
    strength = _strength(work)
    region = work.selected
    size = float(np.clip(min(region.width, region.height) * _FACE_SHARE, *_FACE_SIZES))
    sigma = work.noise()
    overlap = -(-2 * face_detail.reach(size) // 8) * 8
    raised = mixed(lambda rgb: face_detail.enhance(rgb, size, sigma), 1 - strength)
    tiles = work.tiles(raised, TileRule(_CELL, overlap))
    where = "the selection" if work.selection is not None else "the whole layer"
    return Made(
        tiles,
        _(
            "classical {name} on the whole layer, since there was no face detector",
            name=face_detail.NAME,
        )
        if work.selection is None
        else _(
            "classical {name} on the selection, since there was no face detector",
            name=face_detail.NAME,
        ),
        {"where": where, "strength": strength, "sigma": round(sigma, 2)},
    )


def _no_face(work: Work) -> Made:
    smallest = round(work.number("smallest"))
    return Made(
        0,
        unchanged=_("no face of {smallest} pixels or more was found", smallest=smallest)
        if work.selection is None
        else _(
            "no face of {smallest} pixels or more that touches the selection was found",
            smallest=smallest,
        ),
        found={"faces": 0, "boxes": []},
    )


def _strength(work: Work) -> float:
    return work.number("strength") / 100


def _found(places: Sequence[_Place]) -> dict[str, Any]:
    boxes = [
        [round(value) for value in (f.left, f.top, f.width, f.height)]
        for f in (place.face for place in places[:_MOST_BOXES])
    ]
    return {"faces": len(places), "boxes": boxes}


def _places(work: Work, detector: Model) -> list[_Place]:
    """The faces of the picture that the selection touches, the largest first."""
    picture = work.picture
    area = picture.bounds
    if work.selection is not None:
        # Far enough that a face is seen whole of which a part is selected.
        area = work.selected.grown(2 * max(512, *work.selected[2:]), picture.bounds)
    found = find_faces(picture, detector.session, work.cancelled, area, work.number("smallest"))
    places = []
    for face in found:
        matrix = similarity(face.points, FFHQ_512)
        if matrix is None:
            continue
        box = box_around(face_paste.corners(matrix), picture.bounds)
        if picture.touches(box):
            places.append(_Place(face, matrix, box))
    return places


def _groups(places: Sequence[_Place]) -> Iterator[list[_Place]]:
    """The places in groups whose boxes do not meet those of another group."""
    left = list(places)
    while left:
        group = [left.pop(0)]
        for place in group:
            group += [other for other in left if _common(place.box, other.box)]
            left = [other for other in left if other not in group]
        yield group


def _paste(
    work: Work,
    places: Sequence[_Place],
    make: Callable[[Pixels, Box, int], PlacedFace],
    reach: int,
) -> int:
    """Write the places' boxes cell by cell; how many cells there were.

    ``make`` gives the new pixels of one of the ``places`` by its number, for a part of the picture
    that is ``reach`` pixels larger on every side than what is written.
    """
    picture, cell = work.picture, _CELL // work.tile_divisor
    left, top = min(p.box.left for p in places), min(p.box.top for p in places)
    right, bottom = max(p.box.right for p in places), max(p.box.bottom for p in places)
    cells = 0
    for y in range(top, bottom, cell):
        for x in range(left, right, cell):
            box = Box(x, y, min(cell, right - x), min(cell, bottom - y))
            chosen = [n for n, place in enumerate(places) if _common(box, place.box)]
            if not chosen or not picture.touches(box):
                continue
            around = box.grown(reach, picture.bounds)
            rgb = picture.rgb(around)
            faces = []
            for number in chosen:
                if work.cancelled():
                    raise Cancelled(_("Cancelled."))
                part = _common(around, places[number].box.grown(reach, picture.bounds))
                assert part is not None
                faces.append(make(rgb[_within(part, around)], part, number))
            made = face_paste.blended(rgb, around.left, around.top, faces, _strength(work))
            picture.write(box, made[_within(box, around)])
            cells += 1
    return cells


def _common(one: Box, other: Box) -> Box | None:
    left, top = max(one.left, other.left), max(one.top, other.top)
    right, bottom = min(one.right, other.right), min(one.bottom, other.bottom)
    return Box(left, top, right - left, bottom - top) if left < right and top < bottom else None


def _within(part: Box, around: Box) -> tuple[slice, slice]:
    """Rows and columns of ``part`` in an array of ``around``."""
    return Box(part.left - around.left, part.top - around.top, part.width, part.height).slices


def _patch(work: Work, model: Model, place: _Place) -> face_paste.Patch:
    """The face as the model draws it, in the tone of its surroundings."""
    before = _aligned(work.picture, place)
    after = _reconstructed(work, model, before)
    return face_paste.make_patch(place.matrix, before, face_paste.matched(before, after))


def _aligned(picture: Picture, place: _Place) -> Pixels:
    """The face in the template's places, float32 (512, 512, 3); beyond the picture its edge."""
    step = max(1, int(1 / scale_of(place.matrix)))
    square = cv2.warpAffine(
        reduced(picture, place.box, step),
        between_pixels(place.matrix, place.box.left, place.box.top, step),
        (TEMPLATE_SIDE, TEMPLATE_SIDE),
        flags=cv2.INTER_LINEAR,
        borderMode=cv2.BORDER_REPLICATE,
    )
    return np.asarray(square, np.float32)


def _reconstructed(work: Work, model: Model, square: Pixels) -> Pixels:
    """What the model makes of an aligned face, in 0..1, by the contract on its card."""
    return redrawn(model, asker(work, model), square)


def redrawn(model: Model, ask: contract.Ask, square: Pixels) -> Pixels:
    """An aligned face (512, 512, 3) as the model draws it, in 0..1.

    Raises ``WrongOutput`` where it does not resemble the face.
    """
    height, width = network_size(model) or square.shape[:2]
    shown = contract.Shown(_sized(square, height, width))
    face = contract.enhanced(model.card, ask, shown)
    face = _sized(face, *square.shape[:2])
    _check_likeness(square, face)
    return np.ascontiguousarray(np.clip(face, 0, 1), np.float32)


def _sized(face: Pixels, height: int, width: int) -> Pixels:
    if face.shape[:2] == (height, width):
        return face
    how = cv2.INTER_AREA if height < face.shape[0] else cv2.INTER_CUBIC
    return np.asarray(cv2.resize(face, (width, height), interpolation=how), np.float32)


def _check_likeness(before: Pixels, after: Pixels) -> None:
    """``WrongOutput`` where the two are no pictures of one face, or are in another range."""
    size = (_LOOK_SIDE, _LOOK_SIDE)
    old, new = (cv2.resize(p, size, interpolation=cv2.INTER_AREA) for p in (before, after))
    unlike = _difference(old, new)
    # As if the output had been 0..1 where -1..1 is due, or 0..255, or blue first.
    others = {
        _("The model gave a face in another range."): min(
            _difference(old, 2 * new - 1), _difference(old, new * 2 / 255)
        ),
        _("The model gave a face with red and blue exchanged."): _difference(old, new[..., ::-1]),
    }
    for fault, other in others.items():
        if unlike > _UNLIKE and other < unlike / 2:
            raise wrong(fault)
    flat = (new.std(axis=(0, 1)) < _LEAST_SPREAD * old.std(axis=(0, 1))).all()
    if unlike > _MOST_UNLIKE or flat:
        raise wrong(_("The model gave something that does not resemble the face."))


def _difference(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one - other).mean())


def _noise(picture: Picture, face: Face) -> float:
    """Standard deviation of the noise around a face's middle, in levels of 255."""
    x, y = round(face.left + face.width / 2), round(face.top + face.height / 2)
    reach = min(_NOISE_SIDE // 2, max(32, round(face.size / 2)))
    places = np.array([[x - reach, y - reach], [x + reach, y + reach]], np.float64)
    return estimate_sigma(picture.rgb(box_around(places, picture.bounds)))
