"""The twins of the face models: restorers with known functions, and a detector of drawn markers.

YuNet's twin takes a disc or square of pure green for the middle of a face.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, Picture, Tensor, Variant, garbage, odd_input, odd_output, renamed

GFPGAN = "gfpgan-1.4-facefusion"
RESTOREFORMER = "restoreformer-pp-int8w"
RESTOREFORMER_FULL = "restoreformer-pp-facefusion"
CODEFORMER = "codeformer-facefusion"
YUNET = "yunet-2023mar"
SIDE = 512

# The models' files; names that are unknown (RestoreFormer's, outputs) are made up: these serve.
_CONTRACTS = {
    GFPGAN: ("gfpgan_1.4.onnx", "input", "output"),
    RESTOREFORMER: ("restoreformer_pp_int8w.onnx", "lq", "restored"),
    RESTOREFORMER_FULL: ("restoreformer_plus_plus.onnx", "input", "restored"),
    CODEFORMER: ("codeformer.onnx", "input", "restored"),
}
YUNET_FILE = "face_detection_yunet_2023mar.onnx"
YUNET_SIDE = 640
STRIDES = (8, 16, 32)

SHARPEN = 0.25
# RestoreFormer's twins draw towards a tone, so that red and blue are told apart; CodeFormer's by
# the share that its fidelity leaves.
TONE = (0.1, 0.0, -0.1)
FIDELITY = 0.5

# A marker's side (root of its area) as a share of the face's width, the face's height over its
# width, and the five points about the middle in widths.
MARKER = 0.5
TALL = 1.25
POINTS = ((-0.22, -0.16), (0.22, -0.16), (0.0, 0.06), (-0.18, 0.26), (0.18, 0.26))
SCORE = 0.95


def expected(model: str, face: Picture) -> NDArray[np.float64]:
    """What a restorer's twin makes of an aligned face (512, 512, 3) in 0..1, not clipped."""
    x = face.astype(np.float64) * 2 - 1
    p = np.pad(x, ((1, 1), (1, 1), (0, 0)), mode="edge")
    if model == GFPGAN:
        neighbours = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]
        y = (1 + 4 * SHARPEN) * x - SHARPEN * neighbours
    else:
        y = sum(p[r : r + SIDE, c : c + SIDE] for r in range(3) for c in range(3)) / 9
        y = y + np.array(TONE) * (1 - FIDELITY if model == CODEFORMER else 1)
    return (np.asarray(y) + 1) / 2


def restorer(model: str, variant: Variant) -> dict[str, bytes]:
    """The file of a face restorer's twin.

    WRONG_RANGE gives 0..1 where -1..1 is due.
    """
    path, name_in, name_out = _CONTRACTS[model]
    if variant is Variant.GARBAGE:
        return garbage(path)
    graph = Graph()
    shape = [1, 3, SIDE, SIDE]
    inputs = renamed([Tensor(name_in, "float32", shape)], variant, "x")
    outputs = renamed([Tensor(name_out, "float32", shape)], variant, "y")
    source, inputs = odd_input(graph, inputs, variant)
    if model == GFPGAN:
        kernel = np.zeros((3, 3), np.float32)
        kernel[1] = kernel[:, 1] = -SHARPEN
        kernel[1, 1] = 1 + 4 * SHARPEN
        result = graph.depthwise(source, kernel)
    else:
        mean = graph.depthwise(source, np.full((3, 3), 1 / 9, np.float32))
        tone = graph.weight(np.array(TONE, np.float32).reshape(1, 3, 1, 1))
        if model == CODEFORMER:
            weight = Tensor("weight" if inputs[0].name == name_in else "x1", "float64", [1])
            inputs = [*inputs, weight]
            rest = graph.scaled(graph.cast(weight.name, "float32"), -1.0, 1.0)
            tone = graph.node("Mul", tone, rest)
        result = graph.node("Add", mean, tone)
    if variant is Variant.WRONG_RANGE:
        result = graph.scaled(result, 0.5, 0.5)
    else:
        result, outputs = odd_output(graph, source, result, outputs, variant)
    graph.call(outputs[0].name, result)
    return {path: graph.bytes(inputs, outputs)}


def detector(variant: Variant) -> dict[str, bytes]:
    """The file of YuNet's twin: the real tensors, and a face of width side / MARKER per marker."""
    if variant is Variant.GARBAGE:
        return garbage(YUNET_FILE)
    graph = Graph()
    inputs = renamed([Tensor("input", "float32", [1, 3, YUNET_SIDE, YUNET_SIDE])], variant, "x")
    source, inputs = odd_input(graph, inputs, variant)
    blue, green, red = (graph.sliced(source, 1, n, n + 1) for n in range(3))
    excess = graph.node("Sub", green, graph.node("Max", blue, red))
    marked = graph.cast(graph.node("Greater", excess, graph.number(128.0)), "float32")
    parts: dict[str, str] = {}
    for stride in STRIDES:
        for kind, tensor in _grid(graph, marked, stride).items():
            parts[f"{kind}_{stride}"] = tensor
    sizes = {"cls": 1, "obj": 1, "bbox": 4, "kps": 10}
    outputs = []
    for kind, values in sizes.items():
        for stride in STRIDES:
            cells = (YUNET_SIDE // stride) ** 2
            told = cells // 2 if variant is Variant.HALF_SIZE else cells
            outputs.append(Tensor(f"{kind}_{stride}", "float32", [1, told, values]))
    named = renamed(outputs, variant, "y")
    for tensor, name in zip(outputs, named, strict=True):
        result = parts[tensor.name]
        if variant is Variant.HALF_SIZE:
            result = graph.sliced(result, 1, 0, int(tensor.shape[1]))
        if variant is Variant.NAN:
            result = graph.node("Mul", result, graph.number(float("nan")))
        graph.call(name.name, result)
    return {YUNET_FILE: graph.bytes(inputs, named)}


def _grid(graph: Graph, marked: str, stride: int) -> dict[str, str]:
    """The four outputs of the cells of ``stride`` pixels, for markers 2 to 4 cells wide.

    Area and middle of the green within 6 by 6 cells around each cell; the one in which the middle
    lies is the face's.
    """
    cells = YUNET_SIDE // stride
    reach = 6 * stride
    offset = (np.arange(reach, dtype=np.float32) + 0.5) / stride - 3
    kernel = np.ones((3, 1, reach, reach), np.float32) / stride**2
    kernel[1] *= offset[None, None]
    kernel[2] *= offset[None, :, None]
    pads = [5 * stride // 2] * 4
    sums = graph.node("Conv", marked, graph.weight(kernel), strides=[stride] * 2, pads=pads)
    area = graph.node("Max", graph.sliced(sums, 1, 0, 1), graph.number(0.25))
    middle = graph.node("Div", graph.sliced(sums, 1, 1, 3), area)
    side = graph.node("Sqrt", area)
    inside = graph.node("ReduceMax", graph.node("Abs", middle), axes=[1], keepdims=1)
    is_face = graph.node(
        "And",
        graph.node("LessOrEqual", inside, graph.number(0.5)),
        graph.node(
            "And",
            graph.node("GreaterOrEqual", side, graph.number(2.0)),
            graph.node("Less", side, graph.number(4.0)),
        ),
    )
    # No output may be the same everywhere, or it would be taken for a broken model's.
    slope = np.linspace(0, 1e-3, cells * cells, dtype=np.float32).reshape(1, 1, cells, cells)
    ramp = graph.weight(slope)
    score = graph.node("Max", graph.scaled(graph.cast(is_face, "float32"), SCORE), ramp)
    width = graph.scaled(side, 1 / MARKER)
    at = graph.node("Add", graph.scaled(middle, 1.0, 0.5), graph.scaled(ramp, 0.1))
    logs = [graph.node("Log", graph.scaled(width, factor)) for factor in (1.0, TALL)]
    places = graph.weight(np.array(POINTS, np.float32).reshape(1, 10, 1, 1))
    middles = graph.node("Concat", *[at] * 5, axis=1)
    points = graph.node("Add", middles, graph.node("Mul", places, width))

    def listed(tensor: str, values: int) -> str:
        last = graph.node("Transpose", tensor, perm=[0, 2, 3, 1])
        return graph.shaped(last, [1, cells * cells, values])

    return {
        "cls": listed(score, 1),
        "obj": listed(score, 1),
        "bbox": listed(graph.node("Concat", at, *logs, axis=1), 4),
        "kps": listed(points, 10),
    }


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {
    GFPGAN: partial(restorer, GFPGAN),
    RESTOREFORMER: partial(restorer, RESTOREFORMER),
    RESTOREFORMER_FULL: partial(restorer, RESTOREFORMER_FULL),
    CODEFORMER: partial(restorer, CODEFORMER),
    YUNET: detector,
}
