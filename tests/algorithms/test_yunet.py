"""YuNet's decoding against OpenCV's own, duplicates, and what is refused."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms.yunet import SIDE, Face, decode, feed, letterbox, merged, overlap
from shared_core.engine.session import open_session
from tests.conftest import shared

WEIGHTS = "face_detection_yunet_2023mar.onnx"
PORTRAITS = (
    "astronaut.png",
    "camera.png",
    "kodim04.png",
    "lange_migrant_mother_1936.jpg",
    "official_portrait.jpg",
)
FACELESS = ("chelsea.png", "coffee.png", "kodim01.png", "kodim02.png", "kodim03.png", "rocket.jpg")


@pytest.mark.parametrize("name", PORTRAITS + FACELESS)
def test_decoding_equals_opencvs(images: Path, name: str) -> None:
    weights = str(shared("weights") / WEIGHTS)
    bgr = cv2.imread(str(images / name))
    assert bgr is not None
    tile, _ = letterbox(np.asarray(bgr, np.uint8))
    session = open_session(weights, threads=1)
    found = decode(session.run({session.inputs[0].name: feed(tile)}))
    reference = cv2.FaceDetectorYN.create(weights, "", (SIDE, SIDE), 0.6, 0.3, 5000)
    _, expected = reference.detect(tile)
    rows = np.zeros((0, 15)) if expected is None else expected
    assert len(found) == len(rows) == (name in PORTRAITS)
    for face, row in zip(found, rows, strict=True):
        mine = [face.left, face.top, face.width, face.height, *np.ravel(face.points)]
        # Two pixels of the tile are what is due; a hundredth is what was measured.
        np.testing.assert_allclose(mine, row[:14], atol=0.01)
        assert face.score == pytest.approx(row[14], abs=1e-4)


def test_letterbox_keeps_the_shape_and_fills_with_black() -> None:
    bgr = np.full((300, 1000, 3), 200, np.uint8)
    tile, scale = letterbox(bgr)
    assert tile.shape == (SIDE, SIDE, 3)
    assert scale == pytest.approx(0.64)
    assert (tile[:192] == 200).all()
    assert not tile[192:].any()


def _outputs() -> dict[str, NDArray[np.float32]]:
    made = {}
    for stride in (8, 16, 32):
        cells = (SIDE // stride) ** 2
        for kind, values in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            made[f"{kind}_{stride}"] = np.zeros((1, cells, values), np.float32)
    return made


def test_one_cell_by_hand() -> None:
    outputs = _outputs()
    cell = 7 * 40 + 11
    outputs["cls_16"][0, cell] = 0.81
    # Scores above 1 count as 1.
    outputs["obj_16"][0, cell] = 1.7
    outputs["bbox_16"][0, cell] = [0.5, 0.25, np.log(4), np.log(5)]
    outputs["kps_16"][0, cell] = np.arange(10) / 10
    # In any order: the shapes tell them apart.
    [face] = decode(list(outputs.values())[::-1])
    assert face.score == pytest.approx(0.9)
    assert (face.width, face.height) == pytest.approx((64, 80))
    assert (face.left, face.top) == pytest.approx((11.5 * 16 - 32, 7.25 * 16 - 40))
    expected = [((k / 10 + 11) * 16, ((k + 1) / 10 + 7) * 16) for k in range(0, 10, 2)]
    np.testing.assert_allclose(face.points, expected, rtol=1e-6)


def test_what_is_no_detectors_answer_is_refused() -> None:
    outputs = list(_outputs().values())
    with pytest.raises(ValueError, match="cells"):
        decode(outputs[:-1])
    with pytest.raises(ValueError, match="shape"):
        decode([*outputs[:-1], np.zeros((1, 400, 9), np.float32)])
    outputs[0][0, 5] = np.nan
    with pytest.raises(ValueError, match="not numbers"):
        decode(outputs)


def _face(left: float, top: float, side: float, score: float) -> Face:
    return Face(left, top, side, side, ((0.0, 0.0),) * 5, score)


def test_of_several_boxes_of_one_face_the_best_stays() -> None:
    one, other = _face(0, 0, 100, 0.8), _face(30, 0, 100, 0.9)
    inside = _face(50, 20, 40, 0.7)
    apart = _face(90, 90, 60, 0.6)
    assert overlap(one, other)[0] == pytest.approx(70 / 130)
    assert merged([one, other, inside, apart]) == [other, apart]
