"""Filling holes: exemplar-based for areas, Navier-Stokes for scratches, and the film between."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from shared_core.algorithms import exemplar_fill, membrane, thin_fill

Floats = NDArray[np.float32]
Bools = NDArray[np.bool_]


def _checks(height: int, width: int, cell: int = 6) -> Floats:
    y, x = np.mgrid[:height, :width] // cell
    picture = np.empty((height, width, 3), np.float32)
    picture[:] = (0.2, 0.3, 0.1)
    picture[(y + x) % 2 == 1] = (0.8, 0.6, 0.7)
    return picture


def _hole(height: int, width: int, top: int, left: int, high: int, wide: int) -> Bools:
    hole = np.zeros((height, width), np.bool_)
    hole[top : top + high, left : left + wide] = True
    return hole


def test_a_pattern_goes_on_through_the_hole() -> None:
    clean = _checks(130, 140)
    hole = _hole(130, 140, 45, 50, 40, 36)
    spoilt = np.where(hole[..., None], np.float32(1), clean)
    filled = exemplar_fill.fill(spoilt, hole)
    np.testing.assert_array_equal(filled[~hole], clean[~hole])
    assert np.abs(filled - clean)[hole].mean() < 0.02


def test_grain_stays_grain() -> None:
    rng = np.random.default_rng(1)
    grain = (0.5 + 0.1 * rng.standard_normal((120, 120, 1))).repeat(3, axis=2).astype(np.float32)
    hole = _hole(120, 120, 40, 40, 40, 40)
    filled = exemplar_fill.fill(np.where(hole[..., None], np.float32(0), grain), hole)
    smooth = thin_fill.fill(np.where(hole[..., None], np.float32(0), grain), hole)
    # No blur: the fill keeps most of the noise, which inpainting from the sides loses.
    assert filled[hole].std() > 0.06
    assert smooth[hole].std() < 0.06
    assert abs(filled[hole].mean() - 0.5) < 0.03


def test_no_seam_on_a_slope() -> None:
    slope = np.linspace(0.2, 0.8, 160, dtype=np.float32)[None, :, None].repeat(120, 0).repeat(3, 2)
    hole = _hole(120, 160, 40, 60, 40, 40)
    filled = exemplar_fill.fill(np.where(hole[..., None], np.float32(0), slope), hole)
    steps = np.abs(np.diff(filled, axis=1))[40:80, 58:102]
    assert steps.max() < 0.03
    assert np.abs(filled - slope)[hole].mean() < 0.03


def test_unusable_pixels_are_not_copied() -> None:
    picture = _checks(120, 160)
    unusable = np.zeros((120, 160), np.bool_)
    unusable[:, :60] = True
    picture[:, :60] = (1, 0, 1)
    hole = _hole(120, 160, 40, 80, 40, 40)
    filled = exemplar_fill.fill(picture, hole, unusable)
    # The only green below 0.25 is that of the unusable pixels.
    assert filled[hole][:, 1].min() > 0.25


def test_a_hole_too_large_to_search_is_filled_from_a_reduced_search(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clean = _checks(260, 260, 12)
    hole = _hole(260, 260, 80, 80, 100, 100)
    monkeypatch.setattr(exemplar_fill, "MOST_SEARCHED", 3000)
    filled = exemplar_fill.fill(np.where(hole[..., None], np.float32(0), clean), hole)
    # Sharp edges of the full size, not enlarged ones: nearly all values are the pattern's own.
    own = (np.abs(filled[hole][:, 0] - 0.2) < 0.06) | (np.abs(filled[hole][:, 0] - 0.8) < 0.06)
    assert own.mean() > 0.85


def test_nothing_to_copy() -> None:
    picture = _checks(40, 40)
    hole = np.ones((40, 40), np.bool_)
    hole[:6] = False
    with pytest.raises(exemplar_fill.NothingToCopy):
        exemplar_fill.fill(picture, hole)


@settings(max_examples=25, deadline=None)
@given(
    height=st.integers(8, 60),
    width=st.integers(8, 60),
    seed=st.integers(0, 999),
)
def test_any_size_and_hole(height: int, width: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    picture = rng.random((height, width, 3)).astype(np.float32)
    hole = np.zeros((height, width), np.bool_)
    for _ in range(int(rng.integers(1, 4))):
        y, x = rng.integers(0, (height, width))
        hole[y : y + int(rng.integers(1, height)), x : x + int(rng.integers(1, width))] = True
    picture[hole] = 5
    try:
        filled = exemplar_fill.fill(picture, hole)
    except exemplar_fill.NothingToCopy:
        return
    np.testing.assert_array_equal(filled[~hole], picture[~hole])
    assert filled.dtype == np.float32
    # Mixtures of known colours only, whatever was in the hole.
    assert (filled[hole] >= 0).all()
    assert (filled[hole] <= 1).all()


def test_widths_are_measured() -> None:
    for width in (1, 2, 3, 5, 8, 21):
        hole = _hole(100, 100, 20, 30, 60, width)
        mean, most = thin_fill.width_of(hole)
        assert most == pytest.approx(width, abs=1.01)
        assert mean == pytest.approx(width, abs=1 + width / 4)
    assert thin_fill.width_of(np.zeros((9, 9), np.bool_)) == (0, 0)


def test_a_scratch_keeps_float_precision() -> None:
    slope = np.linspace(0.5, 0.52, 400, dtype=np.float32)[None, :, None].repeat(30, 0).repeat(3, 2)
    hole = _hole(30, 400, 14, 0, 3, 400)
    filled = thin_fill.fill(np.where(hole[..., None], np.float32(1), slope), hole)
    np.testing.assert_allclose(filled, slope, atol=2e-4)


def test_a_film_is_exact_where_it_is_held_and_smooth_between() -> None:
    known = np.ones((40, 60), np.bool_)
    known[5:35, 8:52] = False
    slope = np.linspace(-0.1, 0.1, 60, dtype=np.float32)[None, :, None].repeat(40, 0).repeat(3, 2)
    film = membrane.spread(np.where(known[..., None], slope, np.float32(9)), known)
    np.testing.assert_array_equal(film[known], slope[known])
    # A slope is a soap film already.
    assert np.abs(film - slope).max() < 0.03
    assert np.abs(membrane.spread(slope, np.zeros((40, 60), np.bool_))).max() == 0


def test_areas_of_photographs_are_filled_better_than_by_navier_stokes(images: Path) -> None:
    rng = np.random.default_rng(4)
    ours, plain = [], []
    for name in ("kodim01.png", "kodim03.png", "rocket.jpg", "coffee.png"):
        photo: Any = cv2.imread(str(images / name), cv2.IMREAD_COLOR)
        for _ in range(2):
            y, x = rng.integers(60, (photo.shape[0] - 120, photo.shape[1] - 120))
            part = photo[y - 60 : y + 120, x - 60 : x + 120]
            hole = _hole(*part.shape[:2], 60, 60, 60, 60)
            spoilt = np.where(hole[..., None], np.uint8(255), part)
            filled = exemplar_fill.fill(spoilt / np.float32(255), hole)
            other = cv2.inpaint(spoilt, hole.astype(np.uint8), 3, cv2.INPAINT_NS)
            ours.append(cv2.PSNR(part[hole] / 255.0, filled[hole].astype(np.float64), 1.0))
            plain.append(cv2.PSNR(part[hole], other[hole]))
    assert np.mean(ours) > np.mean(plain) + 0.5
