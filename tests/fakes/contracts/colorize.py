"""The twins of the colouring models, and what they make of a grey picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, Picture, Shape, Tensor, Variant, garbage, odd_input, odd_output, renamed

TINY = "ddcolor-tiny-fp16"
ARTISTIC = "ddcolor-artistic-facefusion"
LARGE = "ddcolor-facefusion"
DEOLDIFY = "deoldify-artistic-facefusion"
SIDE = 512
DEOLDIFY_SIDE = 256

# a* of the mean of 3x3 reds, b* of the blue: factor and offset. Parts of it leave sRGB's gamut.
RED_TO_A = (90.0, -35.0)
BLUE_TO_B = (-80.0, 45.0)
# WRONG_RANGE gives -1..1, as other exports of this network do.
WRONG_FACTOR = 1 / 110

_CONTRACTS: dict[str, tuple[str, int | str, int | str]] = {
    TINY: ("ddcolor-tiny-fp16.onnx", SIDE, SIDE),
    ARTISTIC: ("ddcolor_artistic.onnx", "H", "W"),
    LARGE: ("ddcolor.onnx", "H", "W"),
}
DEOLDIFY_PATH = "deoldify_artistic.onnx"
# Factor and offset in levels of 255 of DeOldify's red, green and blue; all stay within 0..255.
TINTS = ((0.8, 40.0), (0.7, 20.0), (-0.5, 200.0))


def expected_chroma(rgb: Picture) -> NDArray[np.float64]:
    """What the twins make of ``rgb`` (H, W, 3): a* and b* (H, W, 2), edges repeated."""
    height, width = rgb.shape[:2]
    p = np.pad(rgb[..., 0].astype(np.float64), 1, mode="edge")
    mean = sum(p[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9
    blue = rgb[..., 2].astype(np.float64)
    a = RED_TO_A[0] * mean + RED_TO_A[1]
    return np.stack([a, BLUE_TO_B[0] * blue + BLUE_TO_B[1]], axis=2)


def expected_deoldify(rgb: Picture) -> NDArray[np.float64]:
    """The picture (H, W, 3), 0..1, that DeOldify's twin makes of ``rgb``: each channel tinted."""
    factors, offsets = np.array(TINTS).T
    return np.asarray(rgb.astype(np.float64) * factors + offsets / 255)


def deoldify(variant: Variant) -> dict[str, bytes]:
    """The file of DeOldify's twin. WRONG_RANGE gives 0..1 where 0..255 is due."""
    if variant is Variant.GARBAGE:
        return garbage(DEOLDIFY_PATH)
    graph = Graph()
    shape: Shape = [1, 3, DEOLDIFY_SIDE, DEOLDIFY_SIDE]
    inputs = renamed([Tensor("input", "float32", shape)], variant, "x")
    outputs = renamed([Tensor("out", "float32", shape)], variant, "y")
    source, inputs = odd_input(graph, inputs, variant)
    factors, offsets = (
        graph.weight(column.astype(np.float32).reshape(1, 3, 1, 1)) for column in np.array(TINTS).T
    )
    result = graph.node("Add", graph.node("Mul", source, factors), offsets)
    if variant is Variant.WRONG_RANGE:
        result = graph.spoilt(result, variant, 1 / 255)
    else:
        result, outputs = odd_output(graph, source, result, outputs, variant)
    graph.call(outputs[0].name, result)
    return {DEOLDIFY_PATH: graph.bytes(inputs, outputs)}


def twin(model: str, variant: Variant) -> dict[str, bytes]:
    """The file of ``model``'s twin."""
    path, *sides = _CONTRACTS[model]
    if variant is Variant.GARBAGE:
        return garbage(path)
    graph = Graph()
    grey: Shape = [1, 3, *sides]
    colours: Shape = [1, 2, *sides]
    inputs = renamed([Tensor("input", "float32", grey)], variant, "x")
    outputs = renamed([Tensor("output", "float32", colours)], variant, "y")
    source, inputs = odd_input(graph, inputs, variant)
    mean = graph.depthwise(source, np.full((3, 3), 1 / 9, np.float32))
    red, blue = graph.sliced(mean, 1, 0, 1), graph.sliced(source, 1, 2, 3)
    both = [graph.scaled(red, *RED_TO_A), graph.scaled(blue, *BLUE_TO_B)]
    result = graph.node("Concat", *both, axis=1)
    if variant is Variant.WRONG_RANGE:
        result = graph.spoilt(result, variant, WRONG_FACTOR)
    else:
        result, outputs = odd_output(graph, blue, result, outputs, variant)
    graph.call(outputs[0].name, result)
    return {path: graph.bytes(inputs, outputs)}


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {
    **{model: partial(twin, model) for model in _CONTRACTS},
    DEOLDIFY: deoldify,
}
