"""Models as anybody may bring them: every contract that public exports have, with a known function.

A ``Contract`` says how such a model is fed and read; ``enhancer`` and the others make its file,
and the functions called ``expected_…`` compute in numpy, apart from the graphs, what it does to a
picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from shared_core.catalog.cards import TensorSpec

from .graph import Graph, Picture, Shape, Tensor

Doubles = NDArray[np.float64]

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
HALVES = ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))
# What is done to red, green and blue: three ways to smooth, so that none may pass for another.
KERNELS = np.array(
    [
        [[1 / 9, 1 / 9, 1 / 9], [1 / 9, 1 / 9, 1 / 9], [1 / 9, 1 / 9, 1 / 9]],
        [[1 / 16, 1 / 8, 1 / 16], [1 / 8, 1 / 4, 1 / 8], [1 / 16, 1 / 8, 1 / 16]],
        [[0, 1 / 5, 0], [1 / 5, 1 / 5, 1 / 5], [0, 1 / 5, 0]],
    ]
)
# So far is everything drawn to middle grey, so that no other range passes for the right one.
FADED = 0.08
# Times the noise level as a share of the range, how much of the smoothing counts.
SMOOTHER = 10.0
# What a face model is told of how far it may go.
WEIGHT = 0.5


@dataclass(frozen=True)
class Contract:
    """How a picture goes in and comes out; what ``given_…`` leaves open is as it goes in.

    ``order`` is "RGB", "BGR", or "Y" for one channel. ``sigma`` is how the noise level is told:
    "plane" (a fourth channel), "map" (a picture of its own), "number" (a vector of one) or "one"
    (a tensor of one by one), as a share of 0..``sigma_high``. ``more`` is the number of further
    outputs. ``residual``: what comes out is to be taken from the picture. ``weight``: a second
    input, one double, darkens what is made, the more the smaller it is. ``opaque``: the operators
    at both ends say nothing of the contract. ``margin``: so many pixels on each side are only seen.
    ``small``: the weights are whole numbers of 8 bits.
    """

    layout: str = "NCHW"
    dtype: str = "float32"
    order: str = "RGB"
    low: float = 0.0
    high: float = 1.0
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    given_layout: str = ""
    given_dtype: str = ""
    given_order: str = ""
    given_low: float | None = None
    given_high: float | None = None
    batch: int | str = "batch"
    sides: tuple[int | str, int | str] = ("height", "width")
    multiple: int = 1
    scale: int = 1
    sigma: str = ""
    sigma_high: float = 1.0
    more: int = 0
    residual: bool = False
    weight: bool = False
    opaque: bool = False
    margin: int = 0
    small: bool = False

    @property
    def given(self) -> tuple[float, float]:
        """The range of what comes out."""
        low = self.low if self.given_low is None else self.given_low
        return low, self.high if self.given_high is None else self.given_high

    @property
    def channels(self) -> int:
        """How many there are of the picture."""
        return 1 if self.order == "Y" else 3

    def shape(self, layout: str, channels: int, scale: int = 1) -> list[int | str]:
        """The shape in the file: numbers where they are fixed."""
        height, width = (n * scale if isinstance(n, int) else f"{n}{scale}" for n in self.sides)
        if scale == 1:
            height, width = self.sides
        named = {"N": self.batch, "C": channels, "H": height, "W": width}
        return [named[letter] for letter in layout]


def decoded(graph: Graph, contract: Contract, tensor: str) -> str:
    """``tensor`` as the contract's picture comes in, as float32 NCHW, RGB in 0..1, clipped."""
    values = tensor if contract.dtype == "float32" else graph.cast(tensor, "float32")
    if contract.opaque:
        values = graph.node("Max", values, graph.number(-1e9))
    if contract.layout == "NHWC":
        values = graph.node("Transpose", values, perm=[0, 3, 1, 2])
    if contract.mean:
        std, mean = (
            graph.weight(np.array(v, np.float32).reshape(1, -1, 1, 1))
            for v in (contract.std, contract.mean)
        )
        values = graph.node("Add", graph.node("Mul", values, std), mean)
    width = contract.high - contract.low
    values = graph.scaled(values, 1 / width, -contract.low / width)
    if contract.order == "BGR":
        values = graph.reversed_channels(values)
    values = graph.node("Clip", values, graph.number(0.0), graph.number(1.0))
    if contract.multiple > 1:
        deep = graph.node("SpaceToDepth", values, blocksize=contract.multiple)
        values = graph.node("DepthToSpace", deep, blocksize=contract.multiple)
    return values


def encoded(graph: Graph, contract: Contract, rgb: str) -> str:
    """``rgb`` (float32 NCHW, RGB, 0..1) as the contract's picture goes out."""
    order = contract.given_order or contract.order
    values = graph.reversed_channels(rgb) if order == "BGR" else rgb
    low, high = contract.given
    values = graph.scaled(values, high - low, 0.0 if contract.residual else low)
    if contract.opaque:
        values = graph.node("Min", values, graph.number(1e9))
    if (contract.given_layout or contract.layout) == "NHWC":
        values = graph.node("Transpose", values, perm=[0, 2, 3, 1])
    dtype = contract.given_dtype or contract.dtype
    if dtype == "uint8":
        values = graph.node("Round", values)
        values = graph.node("Clip", values, graph.number(0.0), graph.number(255.0))
    return values if dtype == "float32" else graph.cast(values, dtype)


def enhancer(contract: Contract, metadata: dict[str, str] | None = None) -> bytes:
    """A model that smooths each colour in its own way, the more the stronger the noise it is told,
    and repeats pixels where it enlarges.
    """
    graph = Graph()
    count = contract.channels
    plane = contract.sigma == "plane"
    picture = Tensor(
        "image", contract.dtype, contract.shape(contract.layout, count + (1 if plane else 0))
    )
    inputs, level, source = [picture], "", picture.name
    if plane:
        axis = contract.layout.index("C")
        source = graph.sliced(picture.name, axis, 0, count)
        level = graph.sliced(picture.name, axis, count, count + 1)
        if contract.layout == "NHWC":
            level = graph.node("Transpose", level, perm=[0, 3, 1, 2])
    elif contract.sigma:
        shapes: dict[str, Shape] = {
            "map": contract.shape("NCHW", 1),
            "number": [1],
            "one": [1, 1, 1, 1],
        }
        inputs.append(Tensor("sigma", contract.dtype, shapes[contract.sigma]))
        level = "sigma"
    rgb = decoded(graph, contract, source)
    made = _enhanced(graph, rgb, count, contract.small)
    if level:
        if contract.dtype != "float32":
            level = graph.cast(level, "float32")
        level = graph.scaled(level, SMOOTHER / contract.sigma_high)
        made = graph.node("Add", rgb, graph.node("Mul", level, graph.node("Sub", made, rgb)))
    if contract.weight:
        inputs.append(Tensor("weight", "float64", [1]))
        share = graph.scaled(graph.cast("weight", "float32"), 0.2, 0.8)
        made = graph.node("Mul", made, share)
    if contract.residual:
        made = graph.node("Sub", rgb, made)
    if contract.margin:
        for axis in (2, 3):
            made = graph.sliced(made, axis, contract.margin, -contract.margin)
    if contract.scale > 1:
        scales = graph.weight(np.array([1, 1, contract.scale, contract.scale], np.float32))
        made = graph.node(
            "Resize",
            made,
            "",
            scales,
            mode="nearest",
            nearest_mode="floor",
            coordinate_transformation_mode="asymmetric",
        )
    result = encoded(graph, contract, made)
    dtype = contract.given_dtype or contract.dtype
    shape = contract.shape(contract.given_layout or contract.layout, count, contract.scale)
    names = ["result"] + [f"result_{number}" for number in range(contract.more)]
    graph.call("result", result)
    for name in names[1:]:
        graph.call(name, graph.node("Sub", result, result))
    outputs = [Tensor(name, dtype, shape) for name in names]
    proto = graph.model(inputs, outputs)
    if metadata:
        onnx.helper.set_model_props(proto, metadata)
    return proto.SerializeToString()


def _enhanced(graph: Graph, rgb: str, count: int, small: bool) -> str:
    pads = graph.weight(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    padded = graph.node("Pad", rgb, pads, mode="edge")
    kernels = KERNELS if count == 3 else KERNELS[:1]
    weight = graph.weight(kernels.astype(np.float32)[:, None])
    if small:
        whole = graph.weight(np.rint(720 * kernels[:, None]).astype(np.uint8))
        weight = graph.node("DequantizeLinear", whole, graph.number(1 / 720))
    smooth = graph.node("Conv", padded, weight, group=count)
    return graph.scaled(smooth, 1 - FADED, FADED / 2)


def expected_enhanced(
    rgb: Picture, sigma: float | None = None, scale: int = 1, channels: int = 3
) -> Doubles:
    """What ``enhancer`` makes of ``rgb`` (H, W, channels), unclipped; ``sigma`` counts to 255."""
    height, width = rgb.shape[:2]
    p = np.pad(rgb.astype(np.float64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    made = np.zeros(rgb.shape, np.float64)
    for channel in range(channels):
        for y in range(3):
            for x in range(3):
                share = KERNELS[channel if channels == 3 else 0, y, x]
                made[..., channel] += share * p[y : y + height, x : x + width, channel]
    made = (1 - FADED) * made + FADED / 2
    if sigma is not None:
        made = rgb + SMOOTHER * sigma / 255 * (made - rgb)
    return made.repeat(scale, axis=0).repeat(scale, axis=1)


# ---------------------------------------------------------------- mattes, colours, fills

# How a segmenter says what is the subject.
MATTE, LOGIT, TWO, SHARES, MANY, LABELS = "matte", "logit", "two", "shares", "many", "labels"
PERSON = 15
CLASSES = 21


def segmenter(contract: Contract, kind: str = MATTE, part: int = 1) -> bytes:
    """A model whose subject is what is more red than blue, told in the way ``kind``.

    TWO and MANY are logits of classes, of which the first is the background, SHARES what a softmax
    made of TWO, LABELS the number of each pixel's class. ``part`` is how many times smaller the
    output is.
    """
    graph = Graph()
    inputs = [Tensor("image", contract.dtype, contract.shape(contract.layout, 3))]
    rgb = decoded(graph, contract, "image")
    weights = graph.weight(np.array([STEEP, 0, -STEEP], np.float32).reshape(1, 3, 1, 1))
    logit = graph.node("Conv", rgb, weights)
    if part > 1:
        logit = graph.node("AveragePool", logit, kernel_shape=[part] * 2, strides=[part] * 2)
    nothing = graph.scaled(logit, 0.0)
    layout, count, dtype = contract.given_layout or contract.layout, 1, "float32"
    if kind == MATTE:
        result = graph.node("Sigmoid", logit)
    elif kind == LOGIT:
        result = logit
    elif kind in (TWO, SHARES):
        count, result = 2, graph.node("Concat", nothing, logit, axis=1)
        if kind == SHARES:
            result = graph.node("Softmax", result, axis=1)
    else:
        count, low = CLASSES, graph.scaled(logit, 0.0, -20.0)
        planes = [nothing] + [logit if n == PERSON else low for n in range(1, CLASSES)]
        result = graph.node("Concat", *planes, axis=1)
        if kind == LABELS:
            layout, dtype, count = "NHW", "int64", 0
            result = graph.node("ArgMax", result, axis=1, keepdims=0)
    if layout == "NHWC":
        result = graph.node("Transpose", result, perm=[0, 2, 3, 1])
    graph.call("result", result)
    shape = contract.shape(layout, count)
    if part > 1:
        shape = [
            (n // part if isinstance(n, int) else f"{n}/{part}") if letter in "HW" else n
            for n, letter in zip(shape, layout, strict=True)
        ]
    return graph.bytes(inputs, [Tensor("result", dtype, shape)])


STEEP = 12.0


def expected_matte(rgb: Any) -> Doubles:
    """The coverage (H, W) that a segmenter gives of ``rgb`` (H, W, 3)."""
    rgb = np.asarray(rgb, np.float64)
    return np.asarray(1 / (1 + np.exp(-STEEP * (rgb[..., 0] - rgb[..., 2]))))


def colorizer(
    contract: Contract, taken: str = "RGB", given: str = "ab", unit: float = 1.0
) -> bytes:
    """A model of colours that depend on how light a pixel is.

    ``taken`` is "RGB", three times the grey, or "L", CIE L* from 0 to 100 alone. ``given`` is "ab",
    a* and b* divided by ``unit``, or "RGB".
    """
    graph = Graph()
    inputs = [
        Tensor("image", contract.dtype, contract.shape(contract.layout, 3 if taken == "RGB" else 1))
    ]
    if taken == "RGB":
        grey = graph.sliced(decoded(graph, contract, "image"), 1, 0, 1)
    else:
        grey = graph.scaled("image", 0.01)
    if given == "RGB":
        planes = [graph.scaled(grey, factor) for factor in TINTS]
        result = encoded(graph, contract, graph.node("Concat", *planes, axis=1))
    else:
        planes = [graph.scaled(grey, f / unit, o / unit) for f, o in SLOPES]
        result = graph.node("Concat", *planes, axis=1)
    graph.call("result", result)
    layout = contract.given_layout or contract.layout
    shape = contract.shape(layout, 3 if given == "RGB" else 2)
    return graph.bytes(inputs, [Tensor("result", "float32", shape)])


# Of a colorizer: what is made of grey, and a* and b* as factor and offset.
TINTS = (1.0, 0.9, 0.7)
SLOPES = ((60.0, -20.0), (-50.0, 40.0))


def inpainter(contract: Contract, mask: str = "hole", joined: bool = False) -> bytes:
    """A model that fills the hole with one colour and leaves the rest, blind to what was there.

    ``mask`` is "hole" where its 1 is to be filled, "keep" where 0 is. ``joined``: picture and mask
    are one tensor, the picture first and already without what is in the hole.
    """
    graph = Graph()
    if joined:
        inputs = [Tensor("image", contract.dtype, contract.shape("NCHW", 4))]
        picture, hole = graph.sliced("image", 1, 0, 3), graph.sliced("image", 1, 3, 4)
    else:
        high = 255 if contract.dtype == "uint8" else 1
        inputs = [
            Tensor("image", contract.dtype, contract.shape("NCHW", 3)),
            Tensor("mask", contract.dtype, contract.shape("NCHW", 1)),
        ]
        picture, hole = "image", "mask"
        if contract.dtype != "float32":
            hole = graph.cast(hole, "float32")
        hole = graph.scaled(hole, 1 / high)
    if mask == "keep":
        hole = graph.scaled(hole, -1.0, 1.0)
    rgb = decoded(graph, contract, picture)
    colour = graph.weight(np.array(FILL, np.float32).reshape(1, 3, 1, 1))
    kept = graph.node("Mul", rgb, graph.scaled(hole, -1.0, 1.0))
    made = graph.node("Add", kept, graph.node("Mul", hole, colour))
    graph.call("result", encoded(graph, contract, made))
    dtype = contract.given_dtype or contract.dtype
    return graph.bytes(inputs, [Tensor("result", dtype, contract.shape("NCHW", 3))])


FILL = (0.3, 0.6, 0.2)

# ---------------------------------------------------------------- what their cards must say


def specs(contract: Contract) -> tuple[tuple[TensorSpec, ...], tuple[TensorSpec, ...]]:
    """The inputs and outputs of ``enhancer``'s card."""
    colours = {"RGB": ("R", "G", "B"), "BGR": ("B", "G", "R"), "Y": ("each",)}
    taken = colours[contract.order]
    extra = ("sigma",) if contract.sigma == "plane" else ()
    picture = TensorSpec(
        "image",
        contract.dtype,
        contract.layout,
        _words(contract.shape(contract.layout, len(taken + extra)), contract.layout),
        taken + extra,
        (contract.low, contract.high),
        mean=contract.mean,
        std=contract.std,
    )
    inputs = [picture]
    if contract.sigma in ("map", "number", "one"):
        layout = "" if contract.sigma == "number" else "NCHW"
        shape: tuple[Any, ...] = {
            "map": _words(contract.shape("NCHW", 1), "NCHW"),
            "number": (1,),
            "one": (1, 1, 1, 1),
        }[contract.sigma]
        limits = (0.0, contract.sigma_high)
        inputs.append(TensorSpec("sigma", contract.dtype, layout, shape, ("sigma",), limits))
    layout = contract.given_layout or contract.layout
    if contract.weight:
        inputs.append(TensorSpec("weight", "float64", "", (1,), (), None, value=WEIGHT))
    made = TensorSpec(
        "result",
        contract.given_dtype or contract.dtype,
        layout,
        _words(contract.shape(layout, contract.channels, contract.scale), layout, contract.scale),
        colours[contract.given_order or contract.order],
        contract.given,
        then="residual" if contract.residual else "",
    )
    return tuple(inputs), (made,)


def _words(shape: list[int | str], layout: str, scale: int = 1) -> tuple[int | str, ...]:
    """A shape of a file in the words of a card."""
    times = "" if scale == 1 else str(scale)
    return tuple(
        n if isinstance(n, int) or letter == "N" else f"{times}{letter}"
        for n, letter in zip(shape, layout, strict=True)
    )
