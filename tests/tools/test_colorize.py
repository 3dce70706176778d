"""Colorize, both paths: the real one's pixels by other means, lightness, edges, strokes, faults."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from shared_core.bridge import toolbox
from shared_core.bridge.errors import Cancelled
from shared_core.catalog import cards
from shared_core.catalog.trust.canary import try_model
from shared_core.engine.session import open_session
from shared_core.pixels import Picture, Raster, WrongOutput
from shared_core.tools import colorize, registry
from shared_core.tools.work import Model, Sessions, Work
from tests.fakes.contracts.colorize import (
    ARTISTIC,
    DEOLDIFY,
    DEOLDIFY_SIDE,
    LARGE,
    SIDE,
    TINY,
    TWINS,
    expected_chroma,
    expected_deoldify,
)
from tests.fakes.contracts.graph import Variant

Samples = NDArray[Any]
Doubles = NDArray[np.float64]
TOPS = {"u8": 255, "u16": 65535}
PALETTES = toolbox.tool("colorize").parameter("palette").choices


def _layer(height: int, width: int, depth: str = "u8", grey: bool = False) -> Samples:
    """Smooth colours with hard edges and fine grain; alpha from faint to full, never none."""
    rng = np.random.default_rng(7)
    rough = cv2.resize(rng.random((5, 6, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    rough[height // 3 :, width // 2 :] *= 0.6
    colours = np.clip(rough + 0.05 * rng.standard_normal((height, width, 3)), 0, 1)
    if grey:
        colours = np.repeat(colours[..., 1:2], 3, axis=2)
    alpha = np.linspace(0.02, 1, width)[None, :, None].repeat(height, axis=0)
    top = TOPS[depth]
    return np.rint(np.dstack([colours, alpha]) * top).astype({"u8": "<u1", "u16": "<u2"}[depth])


def _work(
    rgba: Samples, depth: str = "u8", mask: Any = None, **fields: Any
) -> tuple[Work, Samples]:
    """The work as the runner makes it, and the array that it writes to."""
    height, width = rgba.shape[:2]
    raster = Raster(width, height, depth, fields.pop("order", "rgba"))  # type: ignore[arg-type]
    result = np.zeros_like(rgba)
    picture = Picture(rgba, result, raster, mask)
    picture.begin()
    names = [parameter.id for parameter in toolbox.tool("colorize").parameters]
    given = {name: fields.pop(name) for name in list(fields) if name in names}
    work = Work(
        picture,
        toolbox.tool("colorize").parse(given),
        fields.pop("progress", lambda done, total: None),
        fields.pop("cancelled", lambda: False),
        selection=mask,
        strokes=fields.pop("marks", None),
        **fields,
    )
    return work, result


def _model(folder: Path, model: str = TINY, variant: Variant = Variant.GOOD) -> Model:
    """The twin of ``model`` under its real card."""
    card = cards.load()[model]
    for name, data in TWINS[model](variant).items():
        (folder / name).write_bytes(data)
    sessions = Sessions(("",), lambda role: open_session(folder / card.main_file.path))
    return Model(card, sessions, folder)


# ---------------------------------------------------------------- by other means
# In double precision and from the standards' formulas; nothing of the code under test.

_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
_WHITE = _XYZ.sum(axis=1)


def _decode(encoded: Any) -> Doubles:
    x = np.asarray(encoded, np.float64)
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _encode(linear: Any) -> Doubles:
    x = np.clip(linear, 0, 1)
    return np.where(x <= 0.0031308, 12.92 * x, 1.055 * x ** (1 / 2.4) - 0.055)


def _lab(rgb: Any) -> Doubles:
    xyz = _decode(rgb) @ _XYZ.T / _WHITE
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    x, y, z = f[..., 0], f[..., 1], f[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def _linear(lab: Doubles) -> Doubles:
    """Linear RGB, which may lie outside 0..1."""
    y = (lab[..., 0] + 16) / 116
    f = np.stack([y + lab[..., 1] / 500, y, y - lab[..., 2] / 200], axis=-1)
    xyz = np.where(f > 6 / 29, f**3, (116 * f - 16) * 27 / 24389) * _WHITE
    return xyz @ np.linalg.inv(_XYZ).T


def _on_screen(lab: Doubles) -> Doubles:
    """sRGB with this L*, drawn towards grey in linear light until it fits, by halving."""
    wanted = _linear(lab)
    grey = _linear(lab * (1, 0, 0))
    low, high = np.zeros((*lab.shape[:2], 1)), np.ones((*lab.shape[:2], 1))
    fits = ((wanted >= 0) & (wanted <= 1)).all(axis=2, keepdims=True)
    for _ in range(40):
        middle = (low + high) / 2
        made = grey + middle * (wanted - grey)
        inside = ((made >= 0) & (made <= 1)).all(axis=2, keepdims=True)
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return _encode(grey + np.where(fits, 1, low) * (wanted - grey))


def _enlarged(small_lab: Doubles, colours: Doubles, lightness: Doubles) -> Doubles:
    """Linear interpolation, plus lost lightness times the guided filter's slope, held within."""
    height, width = lightness.shape

    def large(array: Doubles) -> Doubles:
        return cv2.resize(array, (width, height), interpolation=cv2.INTER_LINEAR)

    def mean(array: Doubles) -> Doubles:
        return cv2.blur(array, (3, 3), borderType=cv2.BORDER_REFLECT)

    guide = small_lab[..., 0] / 100
    variance = mean(guide * guide) - mean(guide) ** 2
    window = np.ones((3, 3), np.uint8)
    planes = []
    for plane in cv2.split(colours):
        slope = mean((mean(guide * plane) - mean(guide) * mean(plane)) / (variance + 5e-4))
        made = large(plane) + large(slope) * (lightness / 100 - large(guide))
        lowest, highest = large(cv2.erode(plane, window)), large(cv2.dilate(plane, window))
        planes.append(np.clip(made, lowest, highest))
    return np.dstack(planes)


def _expected_real(
    rgb: Any, strength: float = 1.0, saturation: float = 1.0, model: str = TINY
) -> Doubles:
    """The whole of the real path for colours 0..1 (h, w, 3) that are larger than the square."""
    height, width = rgb.shape[:2]
    assert min(height, width) >= SIDE
    side = DEOLDIFY_SIDE if model == DEOLDIFY else SIDE
    small = cv2.resize(rgb.astype(np.float64), (side, side), interpolation=cv2.INTER_AREA)
    small_lab = _lab(small)
    grey = _encode(_linear(small_lab * (1, 0, 0)))
    pictured = model == DEOLDIFY
    colours = _lab(expected_deoldify(grey))[..., 1:] if pictured else expected_chroma(grey)
    lab = _lab(rgb)
    new = saturation * _enlarged(small_lab, colours, lab[..., 0])
    lab[..., 1:] += strength * (new - lab[..., 1:])
    return _on_screen(lab)


# ---------------------------------------------------------------- real


@pytest.mark.parametrize("model", [TINY, ARTISTIC, DEOLDIFY])
def test_real_pixels_of_sixteen_bits_with_alpha_and_a_selection(tmp_path: Path, model: str) -> None:
    rgba = _layer(760, 900, "u16")
    mask = np.zeros((760, 900), np.uint8)
    mask[90:660, 120:820] = 255
    mask[90:200, 120:820] = np.linspace(1, 254, 110).astype(np.uint8)[:, None]
    work, result = _work(rgba, "u16", mask)
    made = colorize.real(work, _model(tmp_path, model))
    assert made.tiles == 1
    assert made.algorithm is not None
    assert "lightness of the source kept" in made.algorithm

    # The selection with 64 pixels around it is what the model sees.
    rows, columns = slice(26, 724), slice(56, 884)
    rgb = rgba[rows, columns, :3] / 65535
    share = mask[rows, columns, None] / 255
    expected = 65535 * (rgb + share * (_expected_real(rgb, model=model) - rgb))
    difference = np.abs(result[rows, columns, :3] - expected)
    assert difference.max() <= 4
    assert difference.mean() <= 0.4
    # It really is coloured, and by more than a rounding.
    assert np.abs(result[rows, columns, :3] - 65535 * rgb)[share[..., 0] == 1].mean() > 3000
    np.testing.assert_array_equal(result[mask == 0], rgba[mask == 0])
    np.testing.assert_array_equal(result[..., 3], rgba[..., 3])


def test_strength_and_saturation_in_the_other_order_of_channels(tmp_path: Path) -> None:
    rgba = _layer(600, 560)
    shares: dict[str, Any] = {"strength": 60, "saturation": 140}
    work, result = _work(rgba[..., [2, 1, 0, 3]].copy(), order="bgra", **shares)
    colorize.real(work, _model(tmp_path))
    expected = 255 * _expected_real(rgba[..., :3] / 255, 0.6, 1.4)
    assert np.abs(result[..., 2::-1] - expected).max() <= 0.51


def test_the_lightness_of_every_pixel_stays(tmp_path: Path) -> None:
    rgba = _layer(300, 420, "u16")
    work, result = _work(rgba, "u16", saturation=200)
    colorize.real(work, _model(tmp_path))
    before, after = (_lab(p[..., :3] / 65535)[..., 0] for p in (rgba, result))
    assert np.abs(after - before).max() < 2e-3


def test_without_strength_nothing_changes(tmp_path: Path) -> None:
    rgba = _layer(90, 120, "u16")
    work, result = _work(rgba, "u16", strength=0)
    colorize.real(work, _model(tmp_path))
    np.testing.assert_array_equal(result, rgba)


def test_without_saturation_it_is_grey(tmp_path: Path) -> None:
    rgba = _layer(90, 120, "u16")
    work, result = _work(rgba, "u16", saturation=0)
    colorize.real(work, _model(tmp_path))
    assert np.ptp(result[..., :3].astype(int), axis=2).max() == 0
    assert np.abs(_lab(result[..., :3] / 65535)[..., 1:]).max() < 1e-3


@pytest.mark.parametrize("size", [(1, 1), (3, 700), (200, 300), (513, 511)])
def test_pictures_of_any_shape(tmp_path: Path, size: tuple[int, int]) -> None:
    rgba = _layer(*size)
    work, result = _work(rgba)
    assert colorize.real(work, _model(tmp_path)).tiles == 1
    assert (result[..., 3] == rgba[..., 3]).all()
    assert (result[..., :3] != rgba[..., :3]).any()


def test_strips_leave_no_seam(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rgba = _layer(300, 200, "u16")
    work, whole = _work(rgba, "u16")
    colorize.real(work, _model(tmp_path))
    monkeypatch.setattr(colorize, "STRIP_PIXELS", 200 * 14)
    work, strips = _work(rgba, "u16", tile_divisor=2)
    colorize.real(work, _model(tmp_path))
    assert np.abs(whole.astype(int) - strips).max() <= 2


def test_names_are_read_from_the_session(tmp_path: Path) -> None:
    rgba = _layer(520, 530)
    work, result = _work(rgba)
    colorize.real(work, _model(tmp_path, TINY, Variant.WRONG_NAMES))
    assert np.abs(result[..., :3] - 255 * _expected_real(rgba[..., :3] / 255)).max() <= 0.51


@pytest.mark.parametrize("model", [TINY, ARTISTIC])
@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (Variant.NAN, "not numbers"),
        (Variant.NAN_ON_WHITE, "not numbers"),
        (Variant.HALF_SIZE, "256, 256"),
        (Variant.WRONG_RANGE, "no colours"),
        (Variant.CONSTANT, "no colours"),
    ],
)
def test_wrong_models_are_caught(tmp_path: Path, model: str, variant: Variant, words: str) -> None:
    rgba = _layer(60, 60)
    rgba[:30, :30, :3] = 255
    work, result = _work(rgba)
    before = result.copy()
    with pytest.raises(WrongOutput, match=words):
        colorize.real(work, _model(tmp_path, model, variant))
    np.testing.assert_array_equal(result, before)


@pytest.mark.parametrize(
    ("variant", "words"),
    [
        (Variant.NAN, "not numbers"),
        (Variant.HALF_SIZE, "128, 128"),
        (Variant.WRONG_RANGE, "no colours"),
        (Variant.CONSTANT, "no colours"),
    ],
)
def test_a_wrong_model_that_gives_a_whole_picture_is_caught(
    tmp_path: Path, variant: Variant, words: str
) -> None:
    work, _ = _work(_layer(60, 60))
    with pytest.raises(WrongOutput, match=words):
        colorize.real(work, _model(tmp_path, DEOLDIFY, variant))


def test_colours_in_eight_bit_codes_are_caught(tmp_path: Path) -> None:
    def coded(session: Any) -> Callable[..., Any]:
        plain = session.run
        return lambda *given, **options: [plain(*given, **options)[0] + 128]

    model = _model(tmp_path)
    model.session.run = coded(model.session)  # type: ignore[method-assign]
    work, _ = _work(_layer(60, 60))
    with pytest.raises(WrongOutput, match="about 100 is the most"):
        colorize.real(work, model)


def test_swapped_a_and_b_would_not_pass_for_the_contract(tmp_path: Path) -> None:
    rgba = _layer(520, 530)
    work, result = _work(rgba)
    colorize.real(work, _model(tmp_path, TINY, Variant.SWAPPED))
    assert np.abs(result[..., :3] - 255 * _expected_real(rgba[..., :3] / 255)).mean() > 10


@pytest.mark.parametrize("model", [TINY, ARTISTIC, DEOLDIFY])
def test_the_trial_run_knows_the_contract(tmp_path: Path, model: str) -> None:
    card = cards.load()[model]
    for variant in (Variant.GOOD, Variant.NAN, Variant.HALF_SIZE, Variant.WRONG_RANGE):
        folder = tmp_path / variant.value
        folder.mkdir()
        _model(folder, model, variant)
        assert try_model(card, folder).ok == (variant is Variant.GOOD)


def test_a_model_is_chosen_by_its_word() -> None:
    known = cards.load()

    def ids(**parameters: Any) -> list[str]:
        return [card.id for card in registry.models(known, "colorize", parameters)]

    assert ids(model="auto") == [TINY, ARTISTIC]
    assert ids(model="artistic") == [ARTISTIC]
    assert ids(model="small") == [TINY]
    assert ids(model="large") == [LARGE]
    assert ids(model="deoldify") == [DEOLDIFY]


# ---------------------------------------------------------------- classical


@pytest.mark.parametrize("palette", PALETTES)
def test_palettes_keep_the_lightness_of_sixteen_bits(palette: str) -> None:
    rgba = _layer(120, 300, "u16", grey=True)
    work, result = _work(rgba, "u16", palette=palette, saturation=130)
    made = colorize.classical(work)
    assert made.algorithm == f"classical toning ({palette})"
    assert made.parameters == {"palette": palette, "strength": 1.0, "saturation": 1.3}
    before, after = (_lab(p[..., :3] / 65535)[..., 0] for p in (rgba, result))
    assert np.abs(after - before).max() < 2e-3
    assert np.ptp(result[..., :3].astype(int), axis=2).mean() > 500
    np.testing.assert_array_equal(result[..., 3], rgba[..., 3])


def test_only_the_selection_is_toned() -> None:
    rgba = _layer(200, 300)
    mask = np.zeros((200, 300), np.uint8)
    mask[50:90, 100:220] = 200
    work, result = _work(rgba, mask=mask)
    colorize.classical(work)
    np.testing.assert_array_equal(result[mask == 0], rgba[mask == 0])
    assert (result[mask > 0] != rgba[mask > 0]).any()


def _marks(height: int, width: int) -> NDArray[np.uint8]:
    """A red stroke on the left half and a faint blue one on the right."""
    marks = np.zeros((height, width, 4), np.uint8)
    marks[height // 4 : height // 4 + 6, width // 8 : width // 3] = (200, 40, 30, 255)
    marks[height // 2 : height // 2 + 6, 5 * width // 8 : 7 * width // 8] = (30, 60, 200, 90)
    return marks


def _halves(height: int, width: int) -> Samples:
    rgba = np.full((height, width, 4), 255, np.uint8)
    rgba[:, : width // 2, :3] = 110
    rgba[:, width // 2 :, :3] = 170
    return rgba


@pytest.mark.parametrize("size", [(120, 160), (900, 1200)])
def test_strokes_colour_what_they_lie_on(size: tuple[int, int]) -> None:
    height, width = size
    rgba = _halves(height, width)
    marks = Picture(_marks(height, width), None, Raster(width, height, "u8"))
    work, result = _work(rgba, strokes="above", marks=marks)
    made = colorize.classical(work)
    assert made.algorithm is not None
    assert made.algorithm.startswith("classical spreading of colour strokes")
    lab = _lab(result[..., :3] / 255)
    red, blue = (
        _lab(np.array([[colour]]) / 255)[0, 0] for colour in ([200, 40, 30], [30, 60, 200])
    )
    left, right = lab[:, : width // 2 - 4], lab[:, width // 2 + 4 :]
    # Red fits the screen at this lightness; blue must give way to the lightness.
    assert np.abs(left[..., 1:] - red[1:]).max() < 12
    hue = np.arctan2(right[..., 2], right[..., 1]) - np.arctan2(blue[2], blue[1])
    assert np.abs(hue).max() < 0.35
    assert np.hypot(right[..., 1], right[..., 2]).min() > 20
    assert np.abs(lab[..., 0] - _lab(rgba[..., :3] / 255)[..., 0]).max() < 0.3


@pytest.mark.parametrize("where", ["none", "empty", "outside the selection"])
def test_without_a_stroke_it_is_toned_and_says_why(where: str) -> None:
    rgba = _halves(200, 400)
    layer = np.zeros((200, 400, 4), np.uint8)
    mask = None
    if where == "outside the selection":
        layer[:10, :10] = 255
        mask = np.zeros((200, 400), np.uint8)
        mask[120:180, 200:380] = 255
    marks = None if where == "none" else Picture(layer, None, Raster(400, 200, "u8"))
    work, result = _work(rgba, mask=mask, strokes="above", marks=marks)
    made = colorize.classical(work)
    assert made.algorithm == "classical toning (sepia), no stroke was found on the layer above"
    assert (result != rgba).any()


def test_strokes_are_not_taken_unless_asked_for() -> None:
    rgba = _halves(60, 80)
    marks = Picture(_marks(60, 80), None, Raster(80, 60, "u8"))
    work, _ = _work(rgba, marks=marks)
    assert colorize.classical(work).algorithm == "classical toning (sepia)"


@pytest.mark.parametrize("strokes", ["none", "above"])
def test_an_empty_selection_changes_nothing(strokes: str) -> None:
    rgba = _layer(50, 60)
    marks = Picture(_marks(50, 60), None, Raster(60, 50, "u8"))
    work, result = _work(rgba, mask=np.zeros((50, 60), np.uint8), strokes=strokes, marks=marks)
    colorize.classical(work)
    np.testing.assert_array_equal(result, rgba)


@pytest.mark.parametrize("strokes", ["none", "above"])
def test_cancelling_ends_it_between_strips(strokes: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(colorize, "STRIP_PIXELS", 80 * 5)
    told: list[int] = []
    marks = Picture(_marks(60, 80), None, Raster(80, 60, "u8"))
    work, _ = _work(
        _halves(60, 80),
        strokes=strokes,
        marks=marks,
        progress=lambda done, total: told.append(done),
        cancelled=lambda: len(told) > 3,
    )
    with pytest.raises(Cancelled):
        colorize.classical(work)
    assert len(told) == 4


# ---------------------------------------------------------------- the whole way


def _picture_file(folder: Path, white: bool) -> Path:
    rgba = _layer(530, 540, "u16", grey=True)
    rgba[..., 3] = np.maximum(rgba[..., 3], 9000)
    if white:
        rgba[:100, :100, :3] = 65535
    else:
        rgba[..., :3] = np.minimum(rgba[..., :3], 55000)
    path = folder / "Großmutter 1912.png"
    cv2.imencode(".png", rgba[..., [2, 1, 0, 3]])[1].tofile(path)
    return path


def _run(home: Any, path: Path, *more: str) -> tuple[dict[str, Any], Samples, Samples]:
    """The receipt, and the source's and the result's pixels as RGBA."""
    out, receipt = path.with_name("out.png"), path.with_suffix(".json")
    home.nss("run", "colorize", path, "-o", out, "--receipt", receipt, *more)
    read = [cv2.imdecode(np.fromfile(file, np.uint8), cv2.IMREAD_UNCHANGED) for file in (path, out)]
    source, result = (np.asarray(pixels)[..., [2, 1, 0, 3]] for pixels in read)
    return json.loads(receipt.read_text("utf-8")), source, result


def test_a_grey_picture_of_sixteen_bits_through_the_worker(
    home: Any, models: Any, tmp_path: Path
) -> None:
    models(models=(TINY,)).get(TINY)
    path = _picture_file(tmp_path, white=False)
    receipt, source, result = _run(home, path, "--path", "real")
    assert receipt["path"] == "real"
    assert receipt["model"]["id"] == TINY
    assert receipt["actual"]["tiles"] == 1
    expected = 65535 * _expected_real(source[..., :3] / 65535)
    assert np.abs(result[..., :3] - expected).max() <= 4
    np.testing.assert_array_equal(result[..., 3], source[..., 3])


def test_a_model_that_fails_gives_a_toned_picture_that_says_so(
    home: Any, models: Any, tmp_path: Path
) -> None:
    models({TINY: Variant.NAN_ON_WHITE}, models=(TINY,)).get(TINY)
    path = _picture_file(tmp_path, white=True)
    receipt, source, result = _run(home, path, "-p", "palette=cyanotype")
    assert receipt["path"] == "classical"
    assert "not numbers" in receipt["fault"]
    assert receipt["model"] is None
    before, after = (_lab(p[..., :3] / 65535) for p in (source, result))
    assert np.abs(after[..., 0] - before[..., 0]).max() < 2e-3
    assert after[..., 2].mean() < -5


def test_strokes_on_a_picture_of_one_channel_give_a_picture_in_colour(
    home: Any, tmp_path: Path
) -> None:
    path, strokes, out = (tmp_path / name for name in ("grey.png", "strokes.png", "out.png"))
    receipt = tmp_path / "receipt.json"
    cv2.imencode(".png", _halves(90, 120)[..., 0])[1].tofile(path)
    cv2.imencode(".png", _marks(90, 120)[..., [2, 1, 0, 3]])[1].tofile(strokes)
    home.nss(
        *("run", "colorize", path, "-o", out, "--receipt", receipt, "--path", "classical"),
        *("-p", "strokes=above", "--strokes", strokes),
    )
    made = json.loads(receipt.read_text("utf-8"))
    assert made["path"] == "classical"
    assert "strokes" in made["algorithm"]["name"]
    bgr = np.asarray(cv2.imdecode(np.fromfile(out, np.uint8), cv2.IMREAD_UNCHANGED))
    assert bgr.ndim == 3
    lab = _lab(bgr[..., 2::-1] / 255)
    assert lab[:, :50, 1].min() > 30
    assert lab[:, 70:, 2].max() < -10
