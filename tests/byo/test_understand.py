"""Strangers of every contract, understood as what they are: by what they declare, and by trying."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared_core.bridge.errors import NssError, UsageError
from shared_core.byo.card import Costs, Origin, card_of
from shared_core.byo.probe import Probe
from shared_core.byo.roles import Misfit
from shared_core.byo.understand import Understood, understand
from shared_core.catalog.card import Card, CardFile, TensorSpec
from shared_core.catalog.trust import canary
from shared_core.catalog.trust.inspection import inspect
from shared_core.engine.session import open_session
from tests.fakes.contracts import strangers
from tests.fakes.contracts.graph import Graph, Tensor
from tests.fakes.contracts.strangers import HALVES, IMAGENET, Contract

FAR = 60.0
# What the first and last operators of these say, or else what trying them shows.
TOLD = {
    "0..1": Contract(),
    "0..255": Contract(high=255.0),
    "-1..1": Contract(low=-1.0),
    "-1..1 to 0..1": Contract(low=-1.0, given_low=0.0),
    "0..1 to 0..255": Contract(given_high=255.0),
    "ImageNet to 0..1": Contract(mean=IMAGENET[0], std=IMAGENET[1]),
    "NHWC": Contract(layout="NHWC"),
    "NHWC to NCHW": Contract(layout="NHWC", given_layout="NCHW"),
    "bytes": Contract(dtype="uint8", high=255.0),
    "bytes to 0..1": Contract(dtype="uint8", high=255.0, given_dtype="float32", given_high=1.0),
    "half precision": Contract(dtype="float16"),
    "weights of 8 bits": Contract(small=True),
    "multiples of 8": Contract(multiple=8),
    "multiples of 16": Contract(multiple=16),
    "multiples of 32": Contract(multiple=32),
    "multiples of 64": Contract(multiple=64),
    "fixed": Contract(sides=(256, 256), batch=1),
    "fixed and wide": Contract(sides=(96, 160), batch=1),
    "large and fixed": Contract(sides=(720, 1280), batch=1),
    "batches of two": Contract(sides=(128, 128), batch=2),
    "several outputs": Contract(more=3),
    "residual": Contract(residual=True),
    "residual, 0..255": Contract(residual=True, high=255.0),
    "one channel": Contract(order="Y"),
    "one channel, 0..255": Contract(order="Y", high=255.0),
}


def look(folder: Path, data: bytes, tool: str, name: str = "model.onnx", **told: str) -> Understood:
    """What is understood of ``data``."""
    path = folder / name
    path.write_bytes(data)
    inspected = inspect(path)
    probe = Probe(open_session(path, threads=2), FAR)
    return understand(probe, inspected, path, tool, name, told)


def fields(understood: Understood) -> dict[str, tuple[str, str]]:
    """Value and certainty of each finding."""
    return {one.name: (one.value, one.sure) for one in understood.findings}


def same(understood: Understood, contract: Contract) -> None:
    """The inputs and outputs are those of the contract's card."""
    for found, due in zip(
        (understood.inputs, understood.outputs), strangers.specs(contract), strict=True
    ):
        assert [one_batch(spec) for spec in found] == [one_batch(spec) for spec in due]


def one_batch(spec: TensorSpec) -> TensorSpec:
    """``spec`` with a batch of any size where it is of one."""
    shape = tuple(
        "batch" if n == 1 and not i and spec.layout else n for i, n in enumerate(spec.shape)
    )
    return replace(spec, shape=shape)


@pytest.mark.parametrize("opaque", [False, True])
@pytest.mark.parametrize("name", TOLD)
def test_denoisers(tmp_path: Path, name: str, opaque: bool) -> None:
    contract = replace(TOLD[name], opaque=opaque)
    found = look(tmp_path, strangers.enhancer(contract), "denoise")
    same(found, contract)
    assert not found.doubts
    rule = found.rule.tile
    assert rule is not None
    if isinstance(contract.sides[0], int):
        assert (rule.size, rule.sides[0], rule.fixed) == (*contract.sides, True)
    else:
        assert rule.multiple == contract.multiple and not rule.fixed


@pytest.mark.parametrize(
    ("scale", "name"),
    [(2, "0..1"), (3, "0..255"), (4, "-1..1"), (8, "NHWC"), (2, "bytes"), (4, "fixed")],
)
def test_enlargers(tmp_path: Path, scale: int, name: str) -> None:
    contract = replace(TOLD[name], scale=scale, opaque=True)
    if name == "fixed":
        contract = replace(contract, sides=(64, 64))
    found = look(tmp_path, strangers.enhancer(contract), "upscale")
    same(found, contract)
    assert found.rule.tile is not None and found.rule.tile.scale == scale


def test_an_enlarger_of_luma(tmp_path: Path) -> None:
    found = look(tmp_path, strangers.enhancer(Contract(order="Y", scale=2)), "upscale")
    assert found.inputs[0].channels == found.outputs[0].channels == ("Y",)
    assert fields(found)["channels"] == ("luma", "assumed")
    each = look(
        tmp_path, strangers.enhancer(Contract(order="Y", scale=2)), "upscale", channels="each"
    )
    assert each.outputs[0].channels == ("each",)


@pytest.mark.parametrize("kind", ["plane", "map", "number", "one"])
@pytest.mark.parametrize("high", [1.0, 255.0])
def test_the_noise_level(tmp_path: Path, kind: str, high: float) -> None:
    contract = Contract(sigma=kind, sigma_high=high, opaque=True)
    if kind == "plane":
        contract = replace(contract, high=high)
    if kind == "map":
        contract = replace(contract, sides=(128, 128), batch=1)
    found = look(tmp_path, strangers.enhancer(contract), "denoise")
    same(found, contract)


def test_what_cannot_be_known_is_assumed_and_corrected(tmp_path: Path) -> None:
    data = strangers.enhancer(Contract(order="BGR", opaque=True))
    found = look(tmp_path, data, "denoise")
    assert fields(found)["order"] == ("rgb", "assumed")
    told = look(tmp_path, data, "denoise", order="bgr")
    assert fields(told)["order"] == ("bgr", "told")
    same(told, Contract(order="BGR"))


def test_the_order_that_a_file_tells(tmp_path: Path) -> None:
    bgr = Contract(order="BGR")
    noted = strangers.enhancer(replace(bgr, opaque=True), {"color_format": "BGR"})
    assert fields(look(tmp_path, noted, "denoise"))["order"] == ("bgr", "likely")
    named = strangers.enhancer(replace(bgr, opaque=True))
    found = look(tmp_path, named, "denoise", "my_bgr_net.onnx")
    assert fields(found)["order"] == ("bgr", "likely")
    same(found, bgr)
    turned = look(tmp_path, strangers.enhancer(bgr), "denoise")
    assert fields(turned)["order"] == ("bgr", "likely")
    same(turned, bgr)
    normal = replace(bgr, mean=IMAGENET[0][::-1], std=IMAGENET[1][::-1])
    same(look(tmp_path, strangers.enhancer(normal), "denoise"), normal)


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("unit", [1.0, 255.0])
def test_a_file_with_its_own_normalisation_says_range_and_order(
    tmp_path: Path, order: int, unit: float
) -> None:
    graph = Graph()
    mean, std = (np_row(values[::order], unit) for values in IMAGENET)
    seen = graph.node("Div", graph.node("Sub", "in", graph.weight(mean)), graph.weight(std))
    smooth = graph.depthwise(seen, BOX)
    back = graph.node("Add", graph.node("Mul", smooth, graph.weight(std)), graph.weight(mean))
    graph.call("out", back)
    shape = ["N", 3, "H", "W"]
    data = graph.bytes([Tensor("in", "float32", shape)], [Tensor("out", "float32", shape)])
    found = fields(look(tmp_path, data, "denoise"))
    assert found["values"] == ("0..1" if unit == 1 else "0..255", "declared")
    assert found["order"] == ("rgb" if order == 1 else "bgr", "declared")


def np_row(values: Any, unit: float) -> Any:
    return (np.array(values, np.float32) * np.float32(unit)).reshape(1, 3, 1, 1)


BOX = np.full((3, 3), 1 / 9, np.float32)


def test_a_network_that_gives_less_than_it_sees(tmp_path: Path) -> None:
    for scale in (1, 2):
        contract = Contract(margin=7, scale=scale, opaque=True)
        tool = "upscale" if scale > 1 else "denoise"
        found = look(tmp_path, strangers.enhancer(contract), tool)
        assert found.inputs[0].margin == 7
        assert found.rule.tile is not None and found.rule.tile.overlap >= 28


@pytest.mark.parametrize("kind", ["matte", "logit", "two", "shares", "many", "labels"])
@pytest.mark.parametrize(
    ("contract", "name"),
    [
        (Contract(mean=IMAGENET[0], std=IMAGENET[1], sides=(256, 256)), "x.onnx"),
        (Contract(low=-1.0, layout="NHWC", sides=(224, 320)), "x.onnx"),
        (Contract(low=-0.5, high=0.5, sides=(256, 256), opaque=True), "isnet.onnx"),
        (Contract(high=255.0, multiple=32), "x.onnx"),
    ],
)
def test_mattes(tmp_path: Path, kind: str, contract: Contract, name: str) -> None:
    found = look(tmp_path, strangers.segmenter(contract, kind), "remove-background", name)
    inputs, _ = strangers.specs(contract)
    assert found.inputs == inputs
    [made] = found.outputs
    then = {"logit": "sigmoid", "two": "softmax", "many": "softmax", "labels": "classes"}
    stretched = "min-max" if kind == "matte" and name == "isnet.onnx" else ""
    assert made.then == then.get(kind, stretched)
    assert made.subject in ((), (1,))
    assert not found.doubts


def test_a_matte_of_a_quarter(tmp_path: Path) -> None:
    contract = Contract(mean=IMAGENET[0], std=IMAGENET[1], multiple=4)
    found = look(tmp_path, strangers.segmenter(contract, "two", 4), "remove-background")
    assert found.outputs[0].shape == ("batch", 2, "H/4", "W/4")
    assert found.rule.multiple == 4


def test_one_class_of_many_is_chosen(tmp_path: Path) -> None:
    contract = Contract(mean=IMAGENET[0], std=IMAGENET[1], sides=(256, 256))
    data = strangers.segmenter(contract, "many")
    found = look(tmp_path, data, "remove-background", subject="15")
    assert found.outputs[0].subject == (15,)
    with pytest.raises(UsageError, match="classes from 0 to 20"):
        look(tmp_path, data, "remove-background", subject="21")


def test_where_no_subject_is_seen_the_usual_is_assumed(tmp_path: Path) -> None:
    graph = Graph()
    far = graph.node("ReduceMean", "in", axes=[1], keepdims=1)
    graph.call("out", graph.node("Sigmoid", graph.scaled(far, 0.01, -6.0)))
    shape = [1, 3, 320, 320]
    data = graph.bytes(
        [Tensor("in", "float32", shape)], [Tensor("out", "float32", [1, 1, 320, 320])]
    )
    found = look(tmp_path, data, "remove-background")
    assert fields(found)["values"] == ("imagenet", "assumed")
    assert found.doubts
    u2net = look(tmp_path, data, "remove-background", "u2netp.onnx")
    assert fields(u2net)["by_maximum"][0] == fields(u2net)["stretch"][0] == "yes"
    assert u2net.inputs[0].by_maximum and u2net.outputs[0].then == "min-max"


@pytest.mark.parametrize("taken", ["RGB", "L"])
@pytest.mark.parametrize("unit", [1.0, 110.0])
def test_colours(tmp_path: Path, taken: str, unit: float) -> None:
    data = strangers.colorizer(Contract(sides=(256, 256)), taken, "ab", unit)
    found = look(tmp_path, data, "colorize")
    assert found.inputs[0].channels == (("R", "G", "B") if taken == "RGB" else ("L",))
    assert found.inputs[0].range == ((0.0, 1.0) if taken == "RGB" else (0.0, 100.0))
    assert found.outputs[0].channels == ("a", "b")
    assert found.outputs[0].std == (() if unit == 1 else (110.0, 110.0))
    if unit != 1:
        told = look(tmp_path, data, "colorize", output_values="128")
        assert told.outputs[0].std == (128.0, 128.0)


@pytest.mark.parametrize("layout", ["NCHW", "NHWC"])
def test_a_file_that_leaves_even_the_channels_open(tmp_path: Path, layout: str) -> None:
    graph = Graph()
    seen = "pixels"
    if layout == "NHWC":
        seen = graph.node("Transpose", seen, perm=[0, 3, 1, 2])
    made = graph.depthwise(seen, BOX)
    if layout == "NHWC":
        made = graph.node("Transpose", made, perm=[0, 2, 3, 1])
    graph.call("out", made)
    shape = ["batch_size", "one", "two", "three"]
    data = graph.bytes([Tensor("pixels", "float32", shape)], [Tensor("out", "float32", shape)])
    found = look(tmp_path, data, "denoise")
    assert found.inputs[0].layout == found.outputs[0].layout == layout
    assert found.inputs[0].channels == ("R", "G", "B")


def test_places_for_hints_stay_empty(tmp_path: Path) -> None:
    graph = Graph()
    light = graph.scaled("light", 0.4, -20.0)
    more = graph.node("Add", graph.node("Concat", light, light, axis=1), "hints")
    graph.call("out", graph.node("Add", more, "where"))
    sides = ("H", "W")
    data = graph.bytes(
        [
            Tensor(n, "float32", [1, c, *sides])
            for n, c in (("light", 1), ("hints", 2), ("where", 1))
        ],
        [Tensor("out", "float32", [1, 2, *sides])],
    )
    found = look(tmp_path, data, "colorize")
    assert [spec.value for spec in found.inputs] == [None, 0.0, 0.0]
    assert found.inputs[0].channels == ("L",)


@pytest.mark.parametrize("high", [1.0, 255.0])
def test_colours_as_a_picture(tmp_path: Path, high: float) -> None:
    contract = Contract(high=high, sides=(256, 256))
    data = strangers.colorizer(contract, "RGB", "RGB")
    same(look(tmp_path, data, "colorize"), contract)


@pytest.mark.parametrize("side", [256, 512])
def test_faces(tmp_path: Path, side: int) -> None:
    contract = Contract(
        sides=(side, side), batch=1, mean=HALVES[0], std=HALVES[1], given_low=-1.0, weight=True
    )
    # The same numbers as these statistics of 0..1.
    signed = replace(contract, mean=(), std=(), low=-1.0)
    found = look(tmp_path, strangers.enhancer(contract), "restore-faces", "codeformer.onnx")
    same(found, signed)
    assert fields(found)["constants"] == ("weight=0.5", "assumed")
    told = look(tmp_path, strangers.enhancer(contract), "restore-faces", constants="weight=0.8")
    assert told.inputs[1].value == 0.8


@pytest.mark.parametrize(
    ("contract", "mask", "joined"),
    [
        (Contract(given_high=255.0), "hole", False),
        (Contract(high=255.0, dtype="uint8"), "keep", False),
        (Contract(low=-1.0, multiple=8), "hole", False),
        (Contract(), "hole", True),
        (Contract(low=-1.0), "keep", True),
    ],
)
@pytest.mark.parametrize("opaque", [False, True])
def test_fills(tmp_path: Path, contract: Contract, mask: str, joined: bool, opaque: bool) -> None:
    contract = replace(contract, opaque=opaque, sides=(256, 256) if opaque else contract.sides)
    found = look(tmp_path, strangers.inpainter(contract, mask, joined), "remove-object")
    picture = found.inputs[0]
    if joined:
        assert picture.channels == ("R", "G", "B", mask) and picture.blank
        assert picture.mean == ((0.5, 0.5, 0.5, 0.0) if contract.low < 0 else (0.0,) * 4)
    else:
        assert picture.range == (contract.low, contract.high)
        assert found.inputs[1].channels == (mask,)
    assert found.outputs[0].range == contract.given


def test_of_outputs_of_several_sizes_the_largest_counts(tmp_path: Path) -> None:
    graph = Graph()
    made = graph.depthwise("in", BOX)
    for part in (4, 2, 1):
        pooled = made
        if part > 1:
            pooled = graph.node("AveragePool", made, kernel_shape=[part] * 2, strides=[part] * 2)
        graph.call(f"of_{part}", pooled)
    data = graph.bytes(
        [Tensor("in", "float32", ["N", 3, "H", "W"])],
        [Tensor(f"of_{n}", "float32", ["N", 3, f"H{n}", f"W{n}"]) for n in (4, 2, 1)],
    )
    found = look(tmp_path, data, "deblur")
    assert fields(found)["output"] == ("of_1", "declared")
    assert found.outputs[0].shape == ("batch", 3, "H", "W")


@pytest.mark.parametrize(
    ("side", "margin", "multiple"),
    [
        # A window's size and a border in its code: 64 and multiples of 48 more.
        (256, 8, 48),
        # Exported at this size, whatever its axes are called.
        (64, 0, 0),
    ],
)
def test_a_file_that_runs_at_fewer_sizes_than_it_says(
    tmp_path: Path, side: int, margin: int, multiple: int
) -> None:
    graph = Graph()
    made = graph.depthwise("in", BOX)
    if multiple:
        for axis in (2, 3):
            made = graph.sliced(made, axis, margin, -margin)
        made = graph.node("SpaceToDepth", made, blocksize=multiple)
        made = graph.node("DepthToSpace", made, blocksize=multiple)
    else:
        made = graph.shaped(made, [1, 3, side, side])
    graph.call("out", made)
    shape = ["N", 3, "H", "W"]
    data = graph.bytes([Tensor("in", "float32", shape)], [Tensor("out", "float32", shape)])
    found = look(tmp_path, data, "denoise")
    rule = found.rule.tile
    assert rule is not None and rule.fixed and rule.size == side - 2 * margin
    assert found.inputs[0].margin == margin
    assert fields(found)["size"] == (f"{side} × {side}", "measured")
    trial = canary.try_model(card_of_a_denoiser(tmp_path, data, found), tmp_path)
    assert trial.ok, trial.reason


def card_of_a_denoiser(folder: Path, data: bytes, found: Understood) -> Card:
    """The card of a model that was looked at in ``folder``."""
    file = CardFile("model.onnx", len(data), hashlib.sha256(data).hexdigest())
    return card_of("denoise", Origin("own.x", 1, "X"), [file], found, 17, Costs(1, 1, 1))


@pytest.mark.parametrize(
    ("name", "own", "tanh", "values"),
    [
        ("x.onnx", False, False, ("0..100", "assumed")),
        ("x.onnx", True, False, ("0..100", "declared")),
        ("x.onnx", False, True, ("-1..1", "likely")),
    ],
)
def test_lightness(
    tmp_path: Path, name: str, own: bool, tanh: bool, values: tuple[str, str]
) -> None:
    graph = Graph()
    light = "light"
    if own:
        centred = graph.node("Sub", light, graph.number(50.0))
        light = graph.node("Div", centred, graph.number(100.0))
    both = graph.node("Concat", graph.scaled(light, 0.3), graph.scaled(light, -0.2, 0.1), axis=1)
    made = graph.node("Tanh", both) if tanh else graph.scaled(both, 110.0 if own else 1.0)
    graph.call("out", made)
    data = graph.bytes(
        [Tensor("light", "float32", [1, 1, 256, 256])],
        [Tensor("out", "float32", [1, 2, 256, 256])],
    )
    assert fields(look(tmp_path, data, "colorize", name))["values"] == values


def test_a_name_counts_more_than_a_drawn_figure(tmp_path: Path) -> None:
    graph = Graph()
    weights = np.array([12, 0, -12], np.float32).reshape(1, 3, 1, 1)
    graph.call("out", graph.node("Conv", "in", graph.weight(weights)))
    data = graph.bytes(
        [Tensor("in", "float32", [1, 3, 256, 256])], [Tensor("out", "float32", [1, 1, 256, 256])]
    )
    found = look(tmp_path, data, "remove-background", "BiRefNet_lite.onnx")
    assert fields(found)["values"] == ("imagenet", "likely")
    assert found.outputs[0].then == "sigmoid"


def test_a_mask_of_bytes_beside_a_picture_of_floats_is_0_and_1(tmp_path: Path) -> None:
    graph = Graph()
    hole = graph.cast("mask", "float32")
    kept = graph.node("Mul", "in", graph.scaled(hole, -1.0, 1.0))
    graph.call("out", graph.node("Add", kept, graph.scaled(hole, 0.4)))
    side = [256, 256]
    data = graph.bytes(
        [Tensor("mask", "uint8", [1, 1, *side]), Tensor("in", "float32", [1, 3, *side])],
        [Tensor("out", "float32", [1, 3, *side])],
    )
    found = look(tmp_path, data, "remove-object")
    assert found.inputs[0].range == (0.0, 1.0) and found.inputs[0].channels == ("hole",)
    assert not found.doubts


def _of_frames() -> bytes:
    """Five frames at once, as networks for films take them."""
    graph = Graph()
    graph.call("out", graph.sliced("frames", 1, 6, 9))
    shape = [1, 15, "h", "w"]
    return graph.bytes(
        [Tensor("frames", "float32", shape)], [Tensor("out", "float32", [1, 3, "h", "w"])]
    )


def _enlarger_by_half() -> bytes:
    graph = Graph()
    scales = graph.weight(np.array([1, 1, 1.5, 1.5], np.float32))
    graph.call("out", graph.node("Resize", "in", "", scales, mode="nearest"))
    return graph.bytes(
        [Tensor("in", "float32", ["N", 3, "H", "W"])],
        [Tensor("out", "float32", ["N", 3, "H2", "W2"])],
    )


@pytest.mark.parametrize(
    ("data", "tool", "words"),
    [
        (strangers.enhancer(Contract(scale=2)), "denoise", "Add it for Upscale"),
        (strangers.enhancer(Contract()), "upscale", "as large as what it is given"),
        (strangers.segmenter(Contract()), "denoise", "should make a picture of the same size"),
        (strangers.inpainter(Contract()), "deblur", "looks like a model for Remove Object"),
        (strangers.enhancer(Contract(sigma="plane")), "deblur", "one picture of 3 channels or 1"),
        (strangers.colorizer(Contract(), "L"), "restore-faces", "one picture of 3 channels"),
        (strangers.enhancer(Contract()), "remove-object", "a picture of 3 channels and a mask"),
        (_of_frames(), "denoise", r"file takes frames float32 \[1, 15, h, w"),
        (_enlarger_by_half(), "upscale", "from 128 × 131 pixels it makes 192 × 196"),
    ],
)
def test_a_model_that_does_not_fit_says_why(
    tmp_path: Path, data: bytes, tool: str, words: str
) -> None:
    with pytest.raises(Misfit, match=words):
        look(tmp_path, data, tool)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ({"values": "0-1"}, "values takes LOW..HIGH"),
        ({"values": "1..0"}, "values takes LOW..HIGH"),
        ({"order": "grb"}, "order takes rgb, bgr"),
        ({"nonsense": "1"}, "There is no 'nonsense' to correct here; there is"),
        ({"size": "3"}, "There is no 'size' to correct here; there is"),
        ({"tile": "big"}, "tile takes a whole number from"),
        ({"constants": "w=1"}, "constants takes NAME=NUMBER for no input here"),
        ({"channels": "luma"}, "There is no 'channels' to correct"),
    ],
)
def test_corrections_that_are_none(tmp_path: Path, told: dict[str, str], words: str) -> None:
    with pytest.raises(NssError, match=words):
        look(tmp_path, strangers.enhancer(Contract()), "denoise", **told)


def test_corrections_are_followed(tmp_path: Path) -> None:
    data = strangers.enhancer(Contract())
    found = look(
        tmp_path,
        data,
        "denoise",
        values="0..2 mean 0.1,0.2,0.3 std 1,2,4",
        order="bgr",
        output_values="-1..1",
        residual="no",
        multiple="48",
        tile="100",
    )
    [picture] = found.inputs
    assert (picture.range, picture.mean, picture.std) == (
        (0.0, 2.0),
        (0.3, 0.2, 0.1),
        (4.0, 2.0, 1.0),
    )
    assert found.outputs[0].range == (-1.0, 1.0)
    assert found.rule.tile is not None and (found.rule.tile.size, found.rule.tile.multiple) == (
        144,
        48,
    )
    assert {one.sure for one in found.findings if one.name in ("values", "order", "tile")} == {
        "told"
    }


def test_a_slow_model_is_not_called_measured(tmp_path: Path) -> None:
    path = tmp_path / "slow.onnx"
    path.write_bytes(strangers.enhancer(Contract(opaque=True)))
    probe = Probe(open_session(path, threads=1), 0.0)
    found = understand(probe, inspect(path), path, "denoise", "slow.onnx", {})
    assert fields(found)["values"] == ("0..1", "assumed")
    assert any("were not tried" in doubt for doubt in found.doubts)
