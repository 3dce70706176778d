"""The twins of the inpainting models, and what they make of a picture with a hole."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, Picture, Shape, Tensor, Variant, garbage, renamed

LAMA = "lama-carve-fp32"
MIGAN = "migan-pipeline-v2"
LAMA_CV = "lama-opencv"
LAMA_PATH = "lama_fp32.onnx"
MIGAN_PATH = "migan_pipeline_v2.onnx"
LAMA_CV_PATH = "inpainting_lama_2025jan.onnx"
SIDE = 512
_TINY = 1e-3
# What the twin that takes blue first does to the fill of its three channels, so that their order
# shows.
FADED = (0.5, 0.75, 1.0)


def expected_fill(rgb: Picture, hole: NDArray[np.bool_], model: str = LAMA) -> Picture:
    """What a twin makes of ``rgb`` (H, W, 3) in 0..1: in each row the mean of what is known.

    Outside the ``hole`` (H, W) the picture stays. LAMA_CV's fill is darker in blue and green.
    """
    known = (~hole)[..., None].astype(np.float64)
    mean = (rgb * known).sum(axis=1) / (known.sum(axis=1) + _TINY)
    if model == LAMA_CV:
        mean = mean * FADED[::-1]
    return np.where(hole[..., None], mean[:, None], rgb).astype(np.float32)


def _rows_filled(graph: Graph, image: str, hole: str, faded: Sequence[float] = (1, 1, 1)) -> str:
    """The known function on an NCHW picture and a mask of zeros and ones.

    The fill is multiplied by ``faded``, a factor for each channel.
    """
    known = graph.scaled(hole, -1.0, 1.0)
    axes = graph.weight(np.array([3], np.int64))
    total = graph.node("ReduceSum", graph.node("Mul", image, known), axes)
    count = graph.scaled(graph.node("ReduceSum", known, axes), 1.0, _TINY)
    factors = graph.weight(np.array(faded, np.float32).reshape(1, 3, 1, 1))
    mean = graph.node("Mul", graph.node("Div", total, count), factors)
    filled = graph.node("Mul", mean, hole)
    return graph.node("Add", graph.node("Mul", image, known), filled)


def _binary(graph: Graph, mask: str, middle: float) -> str:
    return graph.cast(graph.node("Greater", mask, graph.number(middle)), "float32")


def lama(path: str, batch: int | str, faded: Sequence[float], variant: Variant) -> dict[str, bytes]:
    """LaMa's twin: floats, 1 marks the hole, the result in 0..255."""
    if variant is Variant.GARBAGE:
        return garbage(path)
    graph = Graph()
    shape: Shape = [batch, 3, SIDE, SIDE]
    inputs = renamed(
        [Tensor("image", "float32", shape), Tensor("mask", "float32", [batch, 1, SIDE, SIDE])],
        variant,
        "x",
    )
    half: Shape = [batch, 3, SIDE // 2, SIDE // 2]
    outputs = renamed(
        [Tensor("output", "float32", half if variant is Variant.HALF_SIZE else shape)],
        variant,
        "y",
    )
    image, mask = (tensor.name for tensor in inputs)
    result = _rows_filled(graph, image, _binary(graph, mask, 0.5), faded)
    result = graph.spoilt(graph.scaled(result, 255.0), variant, 1 / 255)
    graph.call(outputs[0].name, result)
    return {path: graph.bytes(inputs, outputs)}


def migan(variant: Variant) -> dict[str, bytes]:
    """MI-GAN's twin: bytes, 255 marks what is kept."""
    if variant is Variant.GARBAGE:
        return garbage(MIGAN_PATH)
    graph = Graph()
    shape: Shape = [1, 3, "H", "W"]
    inputs = renamed(
        [Tensor("image", "uint8", shape), Tensor("mask", "uint8", [1, 1, "H", "W"])], variant, "x"
    )
    half: Shape = [1, 3, "half H", "half W"]
    outputs = renamed(
        [Tensor("result", "uint8", half if variant is Variant.HALF_SIZE else shape)], variant, "y"
    )
    image, mask = (graph.cast(tensor.name, "float32") for tensor in inputs)
    hole = graph.scaled(_binary(graph, mask, 127.5), -1.0, 1.0)
    result = graph.spoilt(_rows_filled(graph, image, hole), variant, 1 / 255)
    graph.call(outputs[0].name, graph.cast(graph.node("Round", result), "uint8"))
    return {MIGAN_PATH: graph.bytes(inputs, outputs)}


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {
    LAMA: partial(lama, LAMA_PATH, "batch", (1, 1, 1)),
    LAMA_CV: partial(lama, LAMA_CV_PATH, 1, FADED),
    MIGAN: migan,
}
