"""Restore faces, both paths: the real one's pixels by other means, what stays, and faults."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.bridge import toolbox
from shared_core.bridge.errors import Cancelled, CouldNotBeDone
from shared_core.catalog import cards
from shared_core.catalog.trust.canary import try_model
from shared_core.engine.session import open_session
from shared_core.pixels import Picture, Raster, WrongOutput
from shared_core.tools import registry, restore_faces
from shared_core.tools.faces import find_faces
from shared_core.tools.work import Model, Sessions, Work
from tests.fakes.contracts.graph import Variant
from tests.fakes.contracts.restore_faces import (
    CODEFORMER,
    GFPGAN,
    MARKER,
    RESTOREFORMER,
    RESTOREFORMER_FULL,
    TWINS,
    YUNET,
    expected,
)

Samples = NDArray[Any]
Doubles = NDArray[np.float64]
TOPS = {"u8": 255, "u16": 65535, "f32": 1}
DTYPES = {"u8": "<u1", "u16": "<u2", "f32": "<f4"}

FFHQ = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)


def _layer(
    height: int, width: int, faces: list[tuple[int, int, int]], depth: str = "u8"
) -> Samples:
    """Warm smooth colours with markers of faces (middle and width); a corner is transparent."""
    rng = np.random.default_rng(5)
    rough = rng.random((6, 7, 3)) * (0.3, 0.25, 0.2) + (0.5, 0.35, 0.2)
    colours = cv2.resize(rough, (width, height), interpolation=cv2.INTER_CUBIC)
    for x, y, size in faces:
        half = round(size * MARKER / 2)
        colours[y - half : y + half, x - half : x + half] = (0.05, 0.95, 0.1)
    colours = np.clip(cv2.GaussianBlur(colours, (0, 0), 0.7), 0, 1)
    alpha = np.linspace(0.3, 1, width)[None].repeat(height, axis=0)
    alpha[:40, -40:] = 0
    samples = np.dstack([colours, alpha]) * TOPS[depth]
    return (samples if depth == "f32" else np.rint(samples)).astype(DTYPES[depth])


def _model(folder: Path, model: str, variant: Variant = Variant.GOOD) -> Model:
    """The twin of ``model`` under its real card."""
    card = cards.load()[model]
    for name, data in TWINS[model](variant).items():
        (folder / name).write_bytes(data)
    sessions = Sessions(("",), lambda role: open_session(folder / card.main_file.path, threads=1))
    return Model(card, sessions, folder)


def _work(
    folder: Path,
    rgba: Samples,
    mask: Any = None,
    *,
    raster: Raster | None = None,
    detector: bool = True,
    cancelled: Any = None,
    **parameters: object,
) -> tuple[Work, Samples]:
    """The work as the runner makes it, and the array that it writes to."""
    height, width = rgba.shape[:2]
    depth: Any = {1: "u8", 2: "u16", 4: "f32"}[rgba.dtype.itemsize]
    result = np.zeros_like(rgba)
    picture = Picture(rgba, result, raster or Raster(width, height, depth), mask)
    picture.begin()
    work = Work(
        picture,
        toolbox.tool("restore-faces").parse(parameters),
        lambda done, total: None,
        cancelled or (lambda: False),
        selection=mask,
        helpers={YUNET: _model(folder, YUNET)} if detector else {},
    )
    return work, result


# ---------------------------------------------------------------- by other means
# Alignment and warps by OpenCV over the whole picture, colours by the standards' formulas.

_XYZ = np.array(
    [
        [0.412453, 0.357580, 0.180423],
        [0.212671, 0.715160, 0.072169],
        [0.019334, 0.119193, 0.950227],
    ]
)
_WHITE = np.array([0.950456, 1.0, 1.088754])


def _lab(rgb: Doubles) -> Doubles:
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    t = linear @ _XYZ.T / _WHITE
    f = np.where(t > 0.008856, np.cbrt(t), 7.787 * t + 16 / 116)
    lightness = np.where(t[..., 1] > 0.008856, 116 * f[..., 1] - 16, 903.3 * t[..., 1])
    return np.stack(
        [lightness, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1
    )


def _rgb(lab: Doubles) -> Doubles:
    fy = (lab[..., 0] + 16) / 116
    f = np.stack([fy + lab[..., 1] / 500, fy, fy - lab[..., 2] / 200], axis=-1)
    t = np.where(f > 0.206893, f**3, (f - 16 / 116) / 7.787)
    linear = np.clip(t * _WHITE @ np.linalg.inv(_XYZ).T, 0, 1)
    gamma = 1.055 * linear ** (1 / 2.4) - 0.055
    return np.clip(np.where(linear <= 0.0031308, 12.92 * linear, gamma), 0, 1)


def _ramp(depth: Doubles) -> Doubles:
    share = np.clip((depth - 16) / 80, 0, 1)
    return share * share * (3 - 2 * share)


def _matched(before: Doubles, after: Doubles) -> Doubles:
    """Mean and spread of Lab in the mask's rim, from means of 8 by 8 pixels."""
    y, x = np.mgrid[:64, :64] * 8 + 4.0
    deep = np.minimum(np.minimum(x, 512 - x), np.minimum(y, 512 - y))
    rim = (deep > 16) & (deep < 96)
    small = [_lab(p.reshape(64, 8, 64, 8, 3).mean(axis=(1, 3)))[rim] for p in (before, after)]
    stretch = np.clip((small[0].std(0) + 1) / (small[1].std(0) + 1), 1 / 1.2, 1.2)
    shift = np.clip(small[0].mean(0) - small[1].mean(0), (-12, -10, -10), (12, 10, 10))
    middle = small[1].mean(0)
    return _rgb((_lab(after) - middle) * stretch + middle + shift)


def _expected(
    model: str, rgb: Doubles, faces: list[Any], strength: float, keep_above: float = 1.0
) -> Doubles:
    """The picture (h, w, 3) with every one of ``faces`` reconstructed; whole, in 0..1."""
    height, width = rgb.shape[:2]
    y, x = np.mgrid[:height, :width] + 0.5
    total, change = np.zeros((height, width, 1)), np.zeros(rgb.shape)
    for face in faces:
        source = np.array(face.points, np.float64)
        matrix, _ = cv2.estimateAffinePartial2D(source, FFHQ, ransacReprojThreshold=100.0)
        # OpenCV's whole numbers are the middles of pixels.
        centred = matrix.copy()
        centred[:, 2] += matrix[:, :2] @ (0.5, 0.5) - 0.5
        before = cv2.warpAffine(
            rgb.astype(np.float32), centred, (512, 512), borderMode=cv2.BORDER_REPLICATE
        ).astype(np.float64)
        after = np.clip(expected(model, before.astype(np.float32)), 0, 1)
        after = _matched(before, after)
        u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
        v = matrix[1, 0] * x + matrix[1, 1] * y + matrix[1, 2]
        size = 1 / np.hypot(*matrix[:, 0])
        kept = float(np.clip(size - 1, 0, 1))
        how = cv2.INTER_CUBIC if size > 1 else cv2.INTER_LINEAR
        drawn = cv2.remap(
            (after - kept * before).astype(np.float32),
            (u - 0.5).astype(np.float32),
            (v - 0.5).astype(np.float32),
            how,
            borderMode=cv2.BORDER_REPLICATE,
        )
        mask = _ramp(np.minimum(u, 512 - u)) * _ramp(np.minimum(v, 512 - v))
        near = np.exp(-6 * np.minimum(((u - 256) ** 2 + (v - 256) ** 2) / 256**2, 4))
        weight = (mask * near)[..., None]
        change += weight * mask[..., None] * (drawn + kept * rgb - rgb)
        total += weight
    return rgb + strength * change / np.where(total == 0, 1, total)


@pytest.mark.parametrize("model", [GFPGAN, RESTOREFORMER, CODEFORMER])
def test_the_real_paths_pixels_of_16_bits_with_alpha_and_a_selection(
    tmp_path: Path, model: str
) -> None:
    # One smaller than the template, one larger, and two that overlap.
    rgba = _layer(
        900, 1100, [(280, 330, 180), (800, 280, 260), (330, 690, 150), (560, 700, 150)], "u16"
    )
    mask = np.zeros((900, 1100), np.uint8)
    cv2.ellipse(mask, (520, 450), (500, 420), 0, 0, 360, 255, -1)
    mask = np.asarray(cv2.GaussianBlur(mask, (0, 0), 6), np.uint8)
    source = rgba.copy()
    work, result = _work(tmp_path, rgba, mask, strength=70)
    served = _model(tmp_path, model)
    made = restore_faces.real(work, served)
    assert made.tiles == served.session.runs == 4
    assert made.found["faces"] == 4
    assert "reconstructed" in (made.algorithm or "")
    faces = find_faces(work.picture, work.helpers[YUNET].session, lambda: False)
    assert len(faces) == 4

    rgb = rgba[..., :3] / 65535
    wanted = _expected(model, rgb, faces, 0.7)
    share = mask[..., None] / 255
    blended = rgba[..., :3] + share * (np.clip(wanted, 0, 1) * 65535 - rgba[..., :3])
    off = np.abs(blended - result[..., :3])
    # OpenCV's warps and cube roots are good to about this; the change itself is far larger.
    assert off.max() < 0.008 * 65535
    assert off.mean() < 0.0004 * 65535
    changed = np.abs(result[..., :3].astype(float) - rgba[..., :3])
    assert changed.max() > 0.03 * 65535
    np.testing.assert_array_equal(rgba, source)
    np.testing.assert_array_equal(result[..., 3], rgba[..., 3])
    outside = (mask == 0) | (rgba[..., 3] == 0)
    np.testing.assert_array_equal(result[outside], rgba[outside])


@pytest.mark.parametrize("curve", ["srgb", "linear"])
@pytest.mark.parametrize("depth", ["u8", "u16", "f32"])
def test_away_from_faces_every_byte_stays(tmp_path: Path, depth: str, curve: Any) -> None:
    rgba = _layer(500, 1300, [(250, 250, 120)], depth)
    if depth == "f32":
        rgba[100:120, 900:950, 0] = (np.nan, -0.2, 1.4, np.inf, -0.0) * 10
    raster: Any = Raster(1300, 500, depth, "bgra", curve)  # type: ignore[arg-type]
    # Green is green in either order of channels.
    work, result = _work(tmp_path, rgba, raster=raster)
    made = restore_faces.real(work, _model(tmp_path, GFPGAN))
    assert made.tiles == 1
    assert result[:, 600:].tobytes() == rgba[:, 600:].tobytes()
    assert (result[:, :500] != rgba[:, :500]).any()


def test_strength_nothing_changes_nothing(tmp_path: Path) -> None:
    rgba = _layer(500, 500, [(250, 250, 120)])
    work, result = _work(tmp_path, rgba, strength=0)
    restore_faces.real(work, _model(tmp_path, GFPGAN))
    np.testing.assert_array_equal(result, rgba)


def test_a_face_larger_than_the_template_keeps_its_own_fine_detail(tmp_path: Path) -> None:
    rgba = _layer(1500, 1500, [(750, 750, 620)])
    # Stripes finer than any of the template's pixels, on the cheek.
    rgba[900:1000:2, 480:560, :3] += 20
    work, result = _work(tmp_path, rgba, strength=100)
    restore_faces.real(work, _model(tmp_path, RESTOREFORMER))
    part = result[910:990, 490:550, 1].astype(float)
    assert abs(np.diff(part, axis=0)).mean() > 15


@pytest.mark.parametrize("path", ["real", "classical"])
def test_no_face_is_said_and_nothing_changed(tmp_path: Path, path: str) -> None:
    rgba = _layer(400, 600, [])
    work, result = _work(tmp_path, rgba)
    served = _model(tmp_path, GFPGAN)
    if path == "real":
        made = restore_faces.real(work, served)
        assert served.session.runs == 0
    else:
        made = restore_faces.classical(work)
    assert made.unchanged == "no face of 40 pixels or more was found"
    assert made.found == {"faces": 0, "boxes": []}
    np.testing.assert_array_equal(result, rgba)


def test_only_faces_that_the_selection_touches_are_run(tmp_path: Path) -> None:
    rgba = _layer(600, 1500, [(250, 300, 120), (1200, 300, 120)])
    mask = np.zeros((600, 1500), np.uint8)
    mask[250:330, 200:260] = 255
    work, result = _work(tmp_path, rgba, mask)
    served = _model(tmp_path, GFPGAN)
    made = restore_faces.real(work, served)
    assert served.session.runs == 1
    assert made.found["faces"] == 1
    assert made.found["boxes"][0][0] < 400
    np.testing.assert_array_equal(result[mask == 0], rgba[mask == 0])
    assert (result[mask > 0] != rgba[mask > 0]).any()
    mask[:] = 0
    mask[:100, 700:760] = 255
    work, _ = _work(tmp_path, rgba, mask)
    assert "selection" in restore_faces.real(work, served).unchanged


def test_smaller_tiles_after_running_out_of_memory_give_the_same(tmp_path: Path) -> None:
    rgba = _layer(1400, 1400, [(700, 700, 500), (300, 200, 100)])
    results = []
    for divisor in (1, 2):
        for path in ("real", "classical"):
            work, result = _work(tmp_path, rgba)
            object.__setattr__(work, "tile_divisor", divisor)
            if path == "real":
                restore_faces.real(work, _model(tmp_path, GFPGAN))
            else:
                restore_faces.classical(work)
            results.append(result.astype(int))
    assert np.abs(results[0] - results[2]).max() <= 1
    assert np.abs(results[1] - results[3]).max() <= 1


# ---------------------------------------------------------------- the classical path


def test_classical_raises_detail_on_faces_alone(tmp_path: Path) -> None:
    rgba = _layer(600, 1200, [(300, 300, 160)])
    rng = np.random.default_rng(2)
    rough = cv2.resize(rng.random((75, 150)), (1200, 600), interpolation=cv2.INTER_CUBIC)
    rgba[..., :3] = np.clip(rgba[..., :3] + 40 * (rough[..., None] - 0.5), 0, 255)
    work, result = _work(tmp_path, rgba, strength=100)
    made = restore_faces.classical(work)
    assert made.algorithm is not None and "classical" in made.algorithm
    assert made.parameters["where"] == "faces"
    face = (slice(340, 400), slice(250, 350), 1)
    assert result[face].std() > 1.15 * rgba[face].std()
    np.testing.assert_array_equal(result[:, 700:], rgba[:, 700:])
    np.testing.assert_array_equal(result[..., 3], rgba[..., 3])


def test_classical_without_a_detector_takes_selection_or_layer_and_says_so(tmp_path: Path) -> None:
    rgba = _layer(300, 500, [(150, 150, 80)])
    mask = np.zeros((300, 500), np.uint8)
    mask[100:200, 100:200] = 255
    work, result = _work(tmp_path, rgba, mask, detector=False)
    made = restore_faces.classical(work)
    assert made.parameters["where"] == "the selection"
    assert made.algorithm is not None and "no face detector" in made.algorithm
    np.testing.assert_array_equal(result[mask == 0], rgba[mask == 0])
    assert (result[mask > 0] != rgba[mask > 0]).any()
    work, result = _work(tmp_path, rgba, detector=False)
    made = restore_faces.classical(work)
    assert made.parameters["where"] == "the whole layer"
    assert made.algorithm is not None and "the whole layer" in made.algorithm


# ---------------------------------------------------------------- faults


@pytest.mark.parametrize("model", [GFPGAN, RESTOREFORMER])
@pytest.mark.parametrize(
    "variant",
    [Variant.WRONG_RANGE, Variant.SWAPPED, Variant.NAN, Variant.HALF_SIZE, Variant.CONSTANT],
)
def test_a_wrong_model_is_not_used(tmp_path: Path, model: str, variant: Variant) -> None:
    work, _ = _work(tmp_path, _layer(500, 500, [(250, 250, 120)]))
    with pytest.raises(WrongOutput, match="not used"):
        restore_faces.real(work, _model(tmp_path, model, variant))


def test_a_flat_face_is_none_even_of_a_pale_portrait() -> None:
    rough = np.random.default_rng(3).random((6, 6, 3)).astype(np.float32)
    pale = cv2.resize(0.4 + 0.3 * rough, (512, 512), interpolation=cv2.INTER_LINEAR)
    restore_faces._check_likeness(pale, cv2.GaussianBlur(pale, (0, 0), 20))
    with pytest.raises(WrongOutput, match="resemble"):
        restore_faces._check_likeness(pale, np.full_like(pale, 0.55))


def test_a_model_that_fails_on_white_alone(tmp_path: Path) -> None:
    rgba = _layer(500, 500, [(250, 250, 120)])
    rgba[300:310, 240:260, :3] = 255
    work, _ = _work(tmp_path, rgba)
    with pytest.raises(WrongOutput, match="not numbers"):
        restore_faces.real(work, _model(tmp_path, GFPGAN, Variant.NAN_ON_WHITE))


def test_other_names_work_where_none_are_known(tmp_path: Path) -> None:
    work, result = _work(tmp_path, _layer(500, 500, [(250, 250, 120)]))
    restore_faces.real(work, _model(tmp_path, RESTOREFORMER, Variant.WRONG_NAMES))
    assert result.any()


def test_without_the_detector_the_real_path_says_so(tmp_path: Path) -> None:
    work, _ = _work(tmp_path, _layer(300, 300, []), detector=False)
    with pytest.raises(CouldNotBeDone, match="YuNet"):
        restore_faces.real(work, _model(tmp_path, GFPGAN))


@pytest.mark.parametrize("after", [0, 3, 9, 12])
def test_cancel_at_any_time(tmp_path: Path, after: int) -> None:
    asked = 0

    def cancelled() -> bool:
        nonlocal asked
        asked += 1
        return asked > after

    work, _ = _work(tmp_path, _layer(700, 700, [(250, 250, 120)]), cancelled=cancelled)
    with pytest.raises(Cancelled):
        restore_faces.real(work, _model(tmp_path, GFPGAN))


@pytest.mark.parametrize("model", [GFPGAN, RESTOREFORMER, RESTOREFORMER_FULL, CODEFORMER])
def test_the_cards_describe_the_twins_and_catch_broken_ones(tmp_path: Path, model: str) -> None:
    card = cards.load()[model]
    _model(tmp_path, model)
    trial = try_model(card, tmp_path)
    assert trial.ok, trial.reason
    for variant in (
        Variant.NAN,
        Variant.HALF_SIZE,
        Variant.WRONG_RANK,
        Variant.TWO_INPUTS,
        Variant.GARBAGE,
    ):
        _model(tmp_path, model, variant)
        assert not try_model(card, tmp_path).ok, variant


def test_the_choice_of_model() -> None:
    def chosen(word: str) -> list[str]:
        return [card.id for card in registry.models(cards.load(), "restore-faces", {"model": word})]

    assert chosen("auto") == [GFPGAN, RESTOREFORMER]
    assert chosen("gfpgan") == [GFPGAN]
    assert chosen("restoreformer") == [RESTOREFORMER]
    assert chosen("restoreformer-full") == [RESTOREFORMER_FULL]
    assert chosen("codeformer") == [CODEFORMER]
    catalogue = cards.load()
    assert catalogue[RESTOREFORMER].commercial_use.value == "yes"
    assert catalogue[GFPGAN].commercial_use.value == "unclear"
    assert catalogue[YUNET].helper
