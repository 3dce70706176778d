"""Faces found in pictures of any size: with the real YuNet in collages, with its twin anywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms.yunet import Face
from shared_core.bridge.errors import Cancelled
from shared_core.catalog import cards
from shared_core.catalog.trust.canary import try_model
from shared_core.engine.session import Session, open_session
from shared_core.pixels import Box, Picture, Raster, WrongOutput
from shared_core.tools.faces import find_faces
from shared_core.tools.reduced import reduced
from tests.conftest import shared
from tests.fakes.collage import Known, collage
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.restore_faces import MARKER, POINTS, TALL, TWINS, YUNET, YUNET_FILE

WEIGHTS = "face_detection_yunet_2023mar.onnx"


def _picture(rgb: NDArray[np.uint8]) -> Picture:
    height, width = rgb.shape[:2]
    rgba = np.dstack([rgb, np.full((height, width), 255, np.uint8)])
    return Picture(rgba, None, Raster(width, height, "u8"))


def _real() -> Session:
    return open_session(shared("weights") / WEIGHTS, threads=1)


def _twin(folder: Path, variant: Variant = Variant.GOOD) -> Session:
    (folder / YUNET_FILE).write_bytes(TWINS[YUNET](variant)[YUNET_FILE])
    return open_session(folder / YUNET_FILE, threads=1)


def _never() -> bool:
    return False


def _same(face: Face, known: Known) -> bool:
    """Whether the boxes' middles are near and their sizes alike."""
    size = (known.width * known.height) ** 0.5
    x, y = face.left + face.width / 2, face.top + face.height / 2
    near = max(abs(x - known.x), abs(y - known.y)) < 0.35 * size
    return near and 0.6 < face.size / size < 1.7


@pytest.mark.parametrize(("seed", "side"), [(1, 4000), (2, 4000), (3, 2500)])
def test_every_face_of_a_collage_is_found_and_nothing_else(
    images: Path, seed: int, side: int
) -> None:
    weights = shared("weights") / WEIGHTS
    bgr, known = collage(images, weights, seed, side)
    assert len(known) >= 40
    assert min(face.width for face in known) < 42
    found = find_faces(_picture(np.ascontiguousarray(bgr[..., ::-1])), _real(), _never)
    missed = [one for one in known if not any(_same(face, one) for face in found)]
    extra = [face for face in found if not any(_same(face, one) for one in known)]
    assert not missed
    assert not extra
    assert len(found) == len(known)


def test_a_face_that_fills_the_picture_and_one_at_its_edge(images: Path) -> None:
    session = _real()
    bgr = cv2.imread(str(images / "astronaut.png"))
    assert bgr is not None
    rgb = np.ascontiguousarray(bgr[..., ::-1])
    close = np.asarray(cv2.resize(rgb[55:190, 165:285], None, fx=12, fy=12), np.uint8)
    [face] = find_faces(_picture(close), session, _never)
    assert face.size > 1000
    # A third of the face lies beyond the picture's left edge.
    [cut] = find_faces(_picture(np.ascontiguousarray(rgb[:, 210:])), session, _never)
    assert cut.left < 10


def test_photographs_without_faces_have_none(images: Path) -> None:
    session = _real()
    for name in ("chelsea.png", "coffee.png", "kodim01.png", "kodim02.png", "kodim03.png"):
        bgr = cv2.imread(str(images / name))
        assert bgr is not None
        large = np.asarray(cv2.resize(bgr[..., ::-1], None, fx=2.5, fy=2.5), np.uint8)
        assert not find_faces(_picture(large), session, _never), name


# ---------------------------------------------------------------- with the twin


def _marked(width: int, height: int, faces: list[tuple[int, int, int]]) -> NDArray[np.uint8]:
    """Grey with markers of faces (middle and width)."""
    rgb = np.full((height, width, 3), 128, np.uint8)
    for x, y, size in faces:
        half = round(size * MARKER / 2)
        rgb[y - half : y + half, x - half : x + half] = (0, 255, 0)
    return rgb


def test_places_in_a_large_picture(tmp_path: Path) -> None:
    drawn = [(1500, 900, 400), (900, 500, 200), (300, 300, 60), (1900, 60, 48)]
    found = find_faces(_picture(_marked(2000, 1500, drawn)), _twin(tmp_path), _never)
    assert len(found) == len(drawn)
    for face, (x, y, size) in zip(found, drawn, strict=True):
        assert face.width == pytest.approx(size, rel=0.05)
        assert face.height == pytest.approx(size * TALL, rel=0.05)
        middle = (face.left + face.width / 2, face.top + face.height / 2)
        assert middle == pytest.approx((x, y), abs=1)
        expected = np.array(POINTS) * size + (x, y)
        np.testing.assert_allclose(face.points, expected, atol=0.02 * size + 1)


def test_only_within_and_only_large_enough(tmp_path: Path) -> None:
    session = _twin(tmp_path)
    picture = _picture(_marked(1500, 900, [(300, 300, 100), (1200, 500, 200)]))
    [right] = find_faces(picture, session, _never, Box(800, 200, 700, 700))
    assert right.left + right.width / 2 == pytest.approx(1200, abs=1)
    [large] = find_faces(picture, session, _never, smallest=150)
    assert large.width == pytest.approx(200, rel=0.05)
    assert find_faces(picture, session, _never, Box(0, 0, 0, 0)) == []


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (641, 640), (640, 1)])
def test_any_size_of_picture(tmp_path: Path, size: tuple[int, int]) -> None:
    rgb = np.full((size[1], size[0], 3), 90, np.uint8)
    assert find_faces(_picture(rgb), _twin(tmp_path), _never) == []


def test_cancelled(tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        find_faces(_picture(_marked(900, 900, [])), _twin(tmp_path), lambda: True)


@pytest.mark.parametrize("variant", [Variant.NAN, Variant.HALF_SIZE])
def test_a_broken_detector_is_told(tmp_path: Path, variant: Variant) -> None:
    with pytest.raises(WrongOutput, match="face detector"):
        find_faces(_picture(_marked(700, 700, [])), _twin(tmp_path, variant), _never)


def test_the_card_describes_the_twin_and_the_real_file(tmp_path: Path) -> None:
    card: Any = cards.load()[YUNET]
    _twin(tmp_path)
    assert try_model(card, tmp_path).ok
    for variant in (Variant.WRONG_NAMES, Variant.NAN, Variant.HALF_SIZE, Variant.GARBAGE):
        (tmp_path / YUNET_FILE).write_bytes(TWINS[YUNET](variant)[YUNET_FILE])
        assert not try_model(card, tmp_path).ok, variant
    trial = try_model(card, shared("weights"))
    assert trial.ok, trial.reason


@pytest.mark.parametrize("step", [1, 2, 7])
def test_reduced_is_the_mean_of_blocks(step: int) -> None:
    rgb = np.random.default_rng(3).integers(0, 256, (53, 61, 3), dtype=np.uint8)
    made = reduced(_picture(rgb), Box(4, 2, 50, 45), step)
    part = rgb[2:47, 4:54] / 255
    down, right = -len(part) % step, -part.shape[1] % step
    filled = np.pad(part, ((0, down), (0, right), (0, 0)), mode="edge")
    rows, columns = filled.shape[0] // step, filled.shape[1] // step
    blocks = filled.reshape(rows, step, columns, step, 3).mean(axis=(1, 3))
    np.testing.assert_allclose(made, blocks, atol=1e-5)
