"""Every contract that a model may have, through the tools: pixels as computed apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared_core.algorithms import chroma
from shared_core.bridge import toolbox
from shared_core.bridge.toolbox import Returns
from shared_core.catalog import cards
from shared_core.catalog import contract as feeding
from shared_core.catalog.card import SHARPENED
from shared_core.catalog.cards import CardFile, TensorSpec, TileRule
from shared_core.catalog.trust.canary import try_model
from shared_core.engine.session import open_session
from shared_core.pixels import Box, Picture, Raster, WrongOutput
from shared_core.sheet import Sheet
from shared_core.tools import (
    colorize,
    deblur,
    denoise,
    registry,
    remove_background,
    remove_object,
    restore_faces,
    upscale,
)
from shared_core.tools.work import Model, Sessions, Work
from tests.fakes.contracts import strangers
from tests.fakes.contracts.strangers import HALVES, IMAGENET, Contract

Samples = NDArray[Any]
CARDS = cards.load()
PLAIN = {"denoise": CARDS["scunet-real-psnr"], "upscale": CARDS["realesrgan-x4plus"]}
TOP = 65535


def _layer(height: int, width: int) -> Samples:
    """Smooth colours under fine texture, 16 bits, opaque."""
    rng = np.random.default_rng(3)
    smooth = cv2.resize(rng.random((5, 6, 3)), (width, height), interpolation=cv2.INTER_CUBIC)
    rgb = np.clip(0.15 + 0.7 * smooth + 0.1 * rng.random((height, width, 3)), 0, 1)
    return np.rint(np.dstack([rgb, np.ones((height, width))]) * TOP).astype("<u2")


def _model(folder: Path, contract: Contract, tool: str, rule: TileRule) -> Model:
    """The stranger of ``contract`` under the card that it must have."""
    inputs, outputs = strangers.specs(contract)
    data = strangers.enhancer(contract)
    (folder / "model.onnx").write_bytes(data)
    card = replace(
        PLAIN[tool],
        id="stranger",
        files=(CardFile("model.onnx", len(data)),),
        inputs=inputs,
        outputs=outputs,
        tile=replace(rule, scale=contract.scale),
    )
    trial = try_model(card, folder)
    assert trial.ok, trial.reason
    sessions = Sessions(("",), lambda role: open_session(folder / "model.onnx", threads=1))
    return Model(card, sessions, folder)


def _run(tool: Any, rgba: Samples, model: Model, factor: int = 1, **given: Any) -> Samples:
    """The tool's result on ``rgba``, as the runner has it made."""
    height, width = rgba.shape[:2]
    result = np.zeros((factor * height, factor * width, 4), rgba.dtype)
    name = tool.__name__.rpartition(".")[2]
    if factor > 1:
        given["factor"] = str(factor)
    sheet = Sheet(result, Raster(factor * width, factor * height, "u16")) if factor > 1 else None
    picture = Picture(rgba, None if sheet else result, Raster(width, height, "u16"))
    if not sheet:
        picture.begin()
    work = Work(
        picture,
        toolbox.tool(name).parse(given),
        lambda done, total: None,
        lambda: False,
        outcome=Returns.SCALED if sheet else Returns.PIXELS,
        sheet=sheet,
    )
    tool.real(work, model)
    return result


RULES = {
    "free": TileRule(64, 16, 1, False),
    "eights": TileRule(64, 16, 8, False),
    "fixed": TileRule(64, 16, 1, True),
    "wide": TileRule(48, 16, 1, True, width=80),
}
CONTRACTS = {
    "0..1": (Contract(), "free"),
    "0..255": (Contract(high=255.0), "free"),
    "-1..1": (Contract(low=-1.0), "free"),
    "-1..1 to 0..1": (Contract(low=-1.0, given_low=0.0), "free"),
    "0..1 to 0..255": (Contract(given_high=255.0), "free"),
    "halves": (Contract(mean=HALVES[0], std=HALVES[1], given_low=-1.0), "free"),
    "ImageNet": (Contract(mean=IMAGENET[0], std=IMAGENET[1]), "free"),
    "BGR": (Contract(order="BGR"), "free"),
    "BGR, ImageNet": (Contract(order="BGR", mean=IMAGENET[0][::-1], std=IMAGENET[1][::-1]), "free"),
    "BGR in, RGB out": (Contract(order="BGR", given_order="RGB"), "free"),
    "NHWC": (Contract(layout="NHWC"), "free"),
    "NHWC in, NCHW out": (Contract(layout="NHWC", given_layout="NCHW"), "free"),
    "bytes": (Contract(dtype="uint8", high=255.0), "free"),
    "bytes, NHWC, BGR": (Contract(dtype="uint8", high=255.0, layout="NHWC", order="BGR"), "free"),
    "bytes in": (
        Contract(dtype="uint8", high=255.0, given_dtype="float32", given_high=1.0),
        "free",
    ),
    "half precision": (Contract(dtype="float16"), "free"),
    "eights": (Contract(multiple=8), "eights"),
    "fixed": (Contract(sides=(64, 64), batch=1), "fixed"),
    "wide": (Contract(sides=(48, 80), batch=1), "wide"),
    "batches of four": (Contract(sides=(64, 64), batch=4), "fixed"),
    "several outputs": (Contract(more=3), "free"),
    "residual": (Contract(residual=True), "free"),
    "residual, 0..255, BGR": (Contract(residual=True, high=255.0, order="BGR"), "free"),
    "one channel": (Contract(order="Y"), "free"),
    "one channel, residual": (Contract(order="Y", residual=True, high=255.0), "free"),
    "one channel, NHWC": (Contract(order="Y", layout="NHWC"), "free"),
}


def _expected(contract: Contract, rgb: Any, sigma: float | None = None) -> Any:
    """What the stranger makes of ``rgb`` as the tool has to show it."""
    if contract.order != "Y":
        return strangers.expected_enhanced(rgb, sigma, contract.scale)
    planes = [
        strangers.expected_enhanced(rgb[..., c : c + 1], sigma, contract.scale, 1) for c in range(3)
    ]
    return np.concatenate(planes, axis=2)


def _tolerance(contract: Contract) -> float:
    """How far off a 16-bit sample may be, in steps."""
    if contract.dtype == "uint8":
        return 1.7 * 257
    return 48 if contract.dtype == "float16" else 1


@pytest.mark.parametrize("tool", [denoise, deblur])
@pytest.mark.parametrize("name", CONTRACTS)
def test_a_picture_is_fed_and_read_as_the_card_says(tmp_path: Path, tool: Any, name: str) -> None:
    contract, rule = CONTRACTS[name]
    rgba = _layer(88, 136)
    result = _run(tool, rgba, _model(tmp_path, contract, "denoise", RULES[rule]))
    expected = np.clip(_expected(contract, rgba[..., :3] / TOP), 0, 1) * TOP
    assert np.abs(result[..., :3] - expected).max() <= _tolerance(contract)
    np.testing.assert_array_equal(result[..., 3], rgba[..., 3])


@pytest.mark.parametrize("kind", ["plane", "map", "number", "one"])
@pytest.mark.parametrize("high", [1.0, 255.0])
@pytest.mark.parametrize("order", ["RGB", "Y"])
def test_the_noise_level_is_told_as_the_card_says(
    tmp_path: Path, kind: str, high: float, order: str
) -> None:
    if kind == "plane" and high != 1.0:
        contract = Contract(sigma=kind, sigma_high=high, high=high, order=order)
    else:
        contract = Contract(sigma=kind, sigma_high=high, order=order)
    if kind == "map":
        contract = replace(contract, sides=(64, 64), batch=1)
    rgba = _layer(64, 64)
    model = _model(tmp_path, contract, "denoise", RULES["fixed" if kind == "map" else "free"])
    assert model.card.takes_sigma
    result = _run(denoise, rgba, model, strength=25, detail=50)
    expected = np.clip(_expected(contract, rgba[..., :3] / TOP, 25.0), 0, 1) * TOP
    assert np.abs(result[..., :3] - expected).max() <= 1


@pytest.mark.parametrize("decorrelate", [False, True])
def test_grey_pictures_get_independent_noise_where_the_card_says_so(
    tmp_path: Path, decorrelate: bool
) -> None:
    contract = Contract(sigma="plane")
    grey = _layer(64, 64)
    grey[..., :3] = grey[..., :1]
    model = _model(tmp_path, contract, "denoise", RULES["free"])
    [spec] = model.card.inputs
    card = replace(model.card, inputs=(replace(spec, decorrelate=decorrelate),))
    result = _run(denoise, grey, replace(model, card=card), strength=25, detail=50)
    expected = np.clip(_expected(contract, grey[..., :3] / TOP, 25.0), 0, 1) * TOP
    difference = np.abs(result[..., :3] - expected).max()
    # The stranger gives each channel another tint; the mean of them is grey again.
    if decorrelate:
        assert (result[..., :3] == result[..., :1]).all() and difference > TOP / 100
    else:
        assert difference <= 1


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("name", ["0..1", "0..255", "-1..1", "BGR", "NHWC", "bytes", "fixed"])
def test_an_enlarging_model_of_any_factor(tmp_path: Path, scale: int, name: str) -> None:
    contract, rule = CONTRACTS[name]
    contract = replace(contract, scale=scale)
    factor = min(4, scale // 2 * 2)
    rgba = _layer(70, 90)
    model = _model(tmp_path, contract, "upscale", RULES[rule])
    catalogue = {"stranger": model.card}
    assert registry.models(catalogue, "upscale", {"factor": str(factor)}) == [model.card]
    result = _run(upscale, rgba, model, factor)
    small = strangers.expected_enhanced(rgba[..., :3] / TOP)
    expected = np.clip(small, 0, 1).repeat(factor, axis=0).repeat(factor, axis=1) * TOP
    if scale == 3:
        # Each result pixel covers one and a half of the model's, all of the same source pixel's.
        assert np.abs(result[..., :3] - expected).max() <= _tolerance(contract) + 1
    else:
        assert np.abs(result[..., :3] - expected).max() <= _tolerance(contract)


def test_a_model_of_luma_keeps_the_colours(tmp_path: Path) -> None:
    contract = Contract(order="Y", scale=2)
    inputs, outputs = (
        tuple(replace(spec, channels=("Y",)) for spec in side) for side in strangers.specs(contract)
    )
    model = _model(tmp_path, contract, "upscale", RULES["free"])
    model = replace(model, card=replace(model.card, inputs=inputs, outputs=outputs))
    rgba = _layer(40, 50)
    result = _run(upscale, rgba, model, 2)
    weights = np.array([0.299, 0.587, 0.114])
    small = rgba[..., :3].astype(np.float64) / TOP
    luma = strangers.expected_enhanced((small @ weights)[..., None], scale=2, channels=1)[..., 0]
    large = cv2.resize(small.astype(np.float32), (100, 80), interpolation=cv2.INTER_CUBIC)
    expected = large + (luma - large @ weights)[..., None]
    assert np.abs(result[..., :3] - np.clip(expected, 0, 1) * TOP).max() <= 3


def test_values_that_are_no_numbers_and_shapes_that_are_not_due_are_refused(tmp_path: Path) -> None:
    contract = Contract()
    model = _model(tmp_path, contract, "denoise", RULES["free"])
    twice = replace(contract, scale=2)
    (tmp_path / "model.onnx").write_bytes(strangers.enhancer(twice))
    fresh = Sessions(("",), lambda role: open_session(tmp_path / "model.onnx", threads=1))
    with pytest.raises(WrongOutput, match=r"the shape \[1, 3, 80, 80\] where \[1, 3, 40, 40\]"):
        _run(denoise, _layer(40, 40), replace(model, sessions=fresh))


# ---------------------------------------------------------------- mattes, colours, faces, fills


def _work() -> Work:
    rgba = _layer(8, 8)
    picture = Picture(rgba, np.zeros_like(rgba), Raster(8, 8, "u16"))
    return Work(picture, {}, lambda done, total: None, lambda: False)


def _plain(height: int, width: int) -> NDArray[np.float32]:
    return (_layer(height, width)[..., :3] / np.float32(TOP)).astype(np.float32)


def _open(folder: Path, data: bytes, card: cards.Card, inputs: Any, outputs: Any) -> Model:
    """The model ``data`` under ``card`` with these tensors, tried."""
    (folder / "model.onnx").write_bytes(data)
    file = CardFile("model.onnx", len(data))
    card = replace(card, files=(file,), inputs=tuple(inputs), outputs=tuple(outputs), needs=())
    trial = try_model(card, folder)
    assert trial.ok, trial.reason
    sessions = Sessions(("",), lambda role: open_session(folder / "model.onnx", threads=1))
    return Model(card, sessions, folder)


def _matte_spec(kind: str, layout: str, sides: tuple[int, int]) -> TensorSpec:
    """How the output of a segmenter is read."""
    fields: dict[str, Any] = {
        strangers.MATTE: {"channels": ("matte",)},
        strangers.LOGIT: {"channels": ("matte",), "then": "sigmoid"},
        strangers.TWO: {"then": "softmax"},
        strangers.SHARES: {},
        strangers.MANY: {"then": "softmax", "subject": (strangers.PERSON,)},
        strangers.LABELS: {"then": "classes", "subject": (strangers.PERSON,)},
    }[kind]
    count = {strangers.TWO: 2, strangers.SHARES: 2, strangers.MANY: 21}.get(kind, 1)
    layout = "NHW" if kind == strangers.LABELS else layout
    named = {"N": "batch", "C": count, "H": sides[0], "W": sides[1]}
    return TensorSpec(
        None,
        "int64" if kind == strangers.LABELS else "float32",
        layout,
        tuple(named[letter] for letter in layout),
        fields.pop("channels", ()),
        (0.0, 1.0),
        **fields,
    )


@pytest.mark.parametrize("kind", ["matte", "logit", "two", "shares", "many", "labels"])
@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
@pytest.mark.parametrize("part", [1, 4])
def test_a_matte_however_it_is_told(tmp_path: Path, kind: str, layout: str, part: int) -> None:
    contract = Contract(
        layout=layout, mean=IMAGENET[0], std=IMAGENET[1], sides=(64, 96), order="BGR"
    )
    inputs, _ = strangers.specs(contract)
    spec = _matte_spec(kind, layout, (64 // part, 96 // part))
    data = strangers.segmenter(contract, kind, part)
    model = _open(tmp_path, data, CARDS["u2netp"], inputs, [spec])
    rgb = _plain(64, 96)
    assert remove_background._network_size(model, Box(0, 0, 700, 300)) == (64, 96)
    matte = remove_background._matte(_work(), model, rgb)
    difference = rgb[..., 0].astype(np.float64) - rgb[..., 2]
    expected = strangers.expected_matte(rgb)
    if part > 1:
        mean = difference.reshape(64 // part, part, 96 // part, part).mean(axis=(1, 3))
        small = 1 / (1 + np.exp(-strangers.STEEP * mean))
        if kind == "labels":
            small = (mean > 0).astype(np.float64)
        image = Image.fromarray(small.astype(np.float32))
        expected = np.clip(image.resize((96, 64), Image.Resampling.LANCZOS), 0, 1)
    elif kind == "labels":
        expected = (difference > 0).astype(np.float64)
    assert matte.shape == (64, 96)
    wrong = np.abs(matte - expected) > 1e-4
    assert not wrong.any() or (kind == "labels" and np.abs(difference[wrong]).max() < 1e-6)


@pytest.mark.parametrize("taken", ["RGB", "L"])
@pytest.mark.parametrize("unit", [1.0, 110.0])
def test_colours_in_any_unit(tmp_path: Path, taken: str, unit: float) -> None:
    contract = Contract(sides=(48, 64), high=255.0)
    inputs, _ = strangers.specs(contract)
    if taken == "L":
        shape = ("batch", 1, 48, 64)
        inputs = (replace(inputs[0], shape=shape, channels=("L",), range=(0.0, 100.0)),)
    given = TensorSpec(None, "float32", "NCHW", ("batch", 2, 48, 64), ("a", "b"), (-127.0, 127.0))
    if unit != 1:
        given = replace(given, mean=(0.0, 0.0), std=(unit, unit))
    data = strangers.colorizer(contract, taken, "ab", unit)
    model = _open(tmp_path, data, CARDS["ddcolor-tiny-fp16"], inputs, [given])
    assert colorize._network(model) == (48, 64)
    grey = np.repeat(_plain(48, 64)[..., :1], 3, axis=2)
    shown = feeding.Shown(grey)
    found = colorize._colours(model, feeding.asker(model.card, model.session), shown)
    seen = grey[..., 0].astype(np.float64)
    if taken == "L":
        linear = np.where(seen <= 0.04045, seen / 12.92, ((seen + 0.055) / 1.055) ** 2.4)
        seen = (116 * np.cbrt(linear) - 16) / 100
    for channel, (factor, offset) in enumerate(strangers.SLOPES):
        np.testing.assert_allclose(found[..., channel], factor * seen + offset, atol=0.01)


@pytest.mark.parametrize(("low", "high"), [(0.0, 1.0), (0.0, 255.0), (-1.0, 1.0)])
@pytest.mark.parametrize("order", ["RGB", "BGR"])
def test_a_picture_in_colours_gives_its_chroma(
    tmp_path: Path, low: float, high: float, order: str
) -> None:
    contract = Contract(sides=(48, 48), low=low, high=high, given_order=order)
    inputs, outputs = strangers.specs(contract)
    data = strangers.colorizer(contract, "RGB", "RGB")
    model = _open(tmp_path, data, CARDS["ddcolor-tiny-fp16"], inputs, outputs)
    grey = np.full((48, 48, 3), 0.5, np.float32)
    grey[:24] = 0.25
    shown = feeding.Shown(grey)
    found = colorize._colours(model, feeding.asker(model.card, model.session), shown)
    expected = chroma.chroma((grey * np.array(strangers.TINTS, np.float32)).astype(np.float32))
    np.testing.assert_allclose(found, expected, atol=0.01)


@pytest.mark.parametrize("side", [256, 512, 1024])
def test_a_face_of_any_size_with_a_weight(tmp_path: Path, side: int) -> None:
    contract = Contract(
        sides=(side, side), batch=1, mean=HALVES[0], std=HALVES[1], given_low=-1.0, weight=True
    )
    inputs, outputs = strangers.specs(contract)
    data = strangers.enhancer(contract)
    model = _open(tmp_path, data, CARDS["gfpgan-1.4-facefusion"], inputs, outputs)
    face = _plain(512, 512)
    found = restore_faces._reconstructed(_work(), model, face)
    how = cv2.INTER_AREA if side < 512 else cv2.INTER_CUBIC
    seen = cv2.resize(face, (side, side), interpolation=how) if side != 512 else face
    made = strangers.expected_enhanced(np.clip(seen, 0, 1)) * (0.8 + 0.2 * strangers.WEIGHT)
    if side != 512:
        back = cv2.INTER_CUBIC if side < 512 else cv2.INTER_AREA
        made = cv2.resize(made, (512, 512), interpolation=back)
    np.testing.assert_allclose(found, np.clip(made, 0, 1), atol=1e-4)


@pytest.mark.parametrize(
    ("contract", "mask", "joined"),
    [
        (Contract(given_high=255.0), "hole", False),
        (Contract(high=255.0, dtype="uint8"), "keep", False),
        (Contract(low=-1.0), "hole", False),
        (Contract(order="BGR", high=255.0), "keep", False),
        (Contract(), "hole", True),
        (Contract(low=-1.0), "keep", True),
    ],
)
def test_a_hole_is_told_as_the_card_says(
    tmp_path: Path, contract: Contract, mask: str, joined: bool
) -> None:
    contract = replace(contract, sides=(64, 64))
    inputs, outputs = strangers.specs(contract)
    [picture] = inputs
    high = 255.0 if contract.dtype == "uint8" else 1.0
    if joined:
        scale = (2.0, 2.0, 2.0, 1.0) if contract.low < 0 else (1.0, 1.0, 1.0, 1.0)
        shift = (0.5, 0.5, 0.5, 0.0) if contract.low < 0 else (0.0, 0.0, 0.0, 0.0)
        inputs = (
            replace(
                picture,
                shape=("batch", 4, 64, 64),
                channels=(*picture.channels, mask),
                range=(0.0, 1.0),
                mean=shift,
                std=tuple(1 / s for s in scale),
                blank=True,
            ),
        )
    else:
        shape = ("batch", 1, 64, 64)
        told = replace(picture, name="mask", shape=shape, channels=(mask,), range=(0.0, high))
        inputs = (picture, told)
    data = strangers.inpainter(contract, mask, joined)
    model = _open(tmp_path, data, CARDS["lama-carve-fp32"], inputs, outputs)
    rgb = _plain(64, 64)
    hole = np.zeros((64, 64), bool)
    hole[20:40, 10:30] = True
    found = remove_object._run(_work(), model, rgb, hole, 64, 64)
    expected = np.where(hole[..., None], np.array(strangers.FILL), rgb)
    np.testing.assert_allclose(found, expected, atol=1.1 / 255 if high == 255 else 1e-5)


def test_a_margin_is_around_what_was_sharpened_too() -> None:
    colours = np.random.default_rng(1).random((9, 11, 3), np.float32)
    sharp = np.dstack([colours[::-1], colours[:, ::-1]])
    spec = TensorSpec(None, "float32", "NCHW", ("N", 6, "H", "W"), SHARPENED, (0, 1), margin=3)
    fed = feeding.fed(spec, feeding.Shown(colours, sharpened=sharp))
    wide = np.pad(sharp, ((3, 3), (3, 3), (0, 0)), "reflect")
    np.testing.assert_array_equal(fed[0], wide.transpose(2, 0, 1))
