"""The bicubic reduction against Pillow's, which the networks were trained with."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.algorithms import bicubic
from shared_core.algorithms.bicubic import resized_part

Image = pytest.importorskip("PIL.Image")


def _photo(height: int, width: int) -> NDArray[np.uint8]:
    rng = np.random.default_rng(2)
    rough = cv2.resize(rng.random((9, 9, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    noisy = rough + 0.1 * rng.random((height, width, 3))
    # Away from the ends, where Pillow clips after each direction.
    return (40 + 170 * np.clip(noisy, 0, 1)).astype(np.uint8)


def _made(
    rgb: NDArray[np.uint8], new_size: tuple[int, int], part: tuple[int, int, int, int]
) -> NDArray[np.float32]:
    floats = rgb.astype(np.float32) / 255
    height, width = rgb.shape[:2]
    return resized_part(
        lambda top, count: floats[top : top + count], (width, height), new_size, part
    )


@pytest.mark.parametrize(
    ("height", "width", "new_size"),
    [(300, 400, (298, 224)), (700, 500, (224, 313)), (90, 61, (224, 330)), (224, 224, (224, 224))],
)
def test_it_is_pillows_bicubic(height: int, width: int, new_size: tuple[int, int]) -> None:
    rgb = _photo(height, width)
    made = _made(rgb, new_size, (0, 0, *new_size)) * 255
    expected = np.asarray(
        Image.fromarray(rgb).resize(new_size, Image.Resampling.BICUBIC), np.float32
    )
    # Pillow rounds after each direction; nothing else differs.
    difference = np.abs(np.clip(made, 0, 255) - expected)
    assert difference.max() <= 1.51
    assert difference.mean() < 0.4


def test_a_part_is_a_part_of_the_whole_in_any_strips(monkeypatch: pytest.MonkeyPatch) -> None:
    rgb = _photo(330, 470)
    whole = _made(rgb, (319, 224), (0, 0, 319, 224))
    monkeypatch.setattr(bicubic, "_STRIP_PIXELS", 470 * 7)
    part = _made(rgb, (319, 224), (47, 10, 224, 200))
    np.testing.assert_allclose(part, whole[10:210, 47:271], atol=1e-5)


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 300), (3000, 2)])
def test_odd_shapes_take_little_memory_and_stay_in_range(height: int, width: int) -> None:
    rgb = np.full((height, width, 3), 77, np.uint8)
    short = min(height, width)
    new_size = width * 224 // short, height * 224 // short
    part = (new_size[0] - 224) // 2, (new_size[1] - 224) // 2, 224, 224
    np.testing.assert_allclose(_made(rgb, new_size, part), 77 / 255, atol=1e-5)
