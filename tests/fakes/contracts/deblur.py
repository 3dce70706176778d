"""The twin of the deblurring model, and what it makes of a picture."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from .graph import (
    Graph,
    Picture,
    Tensor,
    Twin,
    Variant,
    chain_gflop_per_megapixel,
    convolutions_for,
    garbage,
    identity_chain,
    odd_input,
    odd_output,
    renamed,
)

NAFNET = "nafnet-gopro-opencv"
NAFNET_SIDE = 512
PATH = "deblurring_nafnet_2025may.onnx"
SHARPEN = 0.25


def expected_nafnet(rgb: Picture) -> Picture:
    """What NAFNet's twin makes of ``rgb`` (H, W, 3): sharpened, edges repeated, not clipped."""
    p = np.pad(rgb.astype(np.float64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    neighbours = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]
    return ((1 + 4 * SHARPEN) * rgb - SHARPEN * neighbours).astype(np.float32)


def nafnet(variant: Variant, seconds: float = 10.0, gflop_per_second: float = 150.0) -> Twin:
    """The twin; a tile of SLOW takes about ``seconds`` on a machine of ``gflop_per_second``."""
    if variant is Variant.GARBAGE:
        return Twin(garbage(PATH), 0.1)
    graph = Graph()
    # The real names are unknown; these serve as well, since they are read from the session.
    inputs = renamed([Tensor("lq", "float32", ["batch", 3, "H", "W"])], variant, "x")
    outputs = renamed([Tensor("restored", "float32", ["batch", 3, "H", "W"])], variant, "y")
    source, inputs = odd_input(graph, inputs, variant)
    gflop = 0.1
    if variant is Variant.SLOW:
        count = convolutions_for(seconds, gflop_per_second, NAFNET_SIDE)
        result = identity_chain(graph, source, count)
        gflop = chain_gflop_per_megapixel(count)
    elif variant is Variant.COST:
        result = _nafnet32(graph, graph.shaped(source, [1, 3, NAFNET_SIDE, NAFNET_SIDE]))
        gflop = 486.9
    else:
        # Like the real export: the sizes are hard-coded inside, and not visible outside.
        fixed = graph.shaped(source, [1, 3, NAFNET_SIDE, NAFNET_SIDE])
        kernel = np.zeros((3, 3), np.float32)
        kernel[1] = kernel[:, 1] = -SHARPEN
        kernel[1, 1] = 1 + 4 * SHARPEN
        result = graph.depthwise(fixed, kernel)
    result, outputs = odd_output(graph, source, result, outputs, variant)
    graph.call(outputs[0].name, result)
    return Twin({PATH: graph.bytes(inputs, outputs)}, gflop)


def _nafnet32(graph: Graph, rgb: str) -> str:
    """NAFNet of width 32 as trained on GoPro (encoders 1, 1, 1, 28; middle 1; decoders 1, 1, 1, 1).

    Random weights, small enough that the picture hardly changes.
    """
    rng = np.random.default_rng(1)

    def conv(tensor: str, size: int, to: int, kernel: int, **attributes: Any) -> str:
        group = attributes.get("group", 1)
        scale = 0.5 / np.sqrt(kernel * kernel * size / group)
        weight = rng.standard_normal((to, size // group, kernel, kernel)).astype(np.float32)
        pad = kernel // 2 if kernel == 3 else 0
        return graph.node(
            "Conv", tensor, graph.weight(weight * np.float32(scale)), pads=[pad] * 4, **attributes
        )

    def normed(tensor: str, size: int) -> str:
        last = graph.node("Transpose", tensor, perm=[0, 2, 3, 1])
        ones, zeros = np.ones(size, np.float32), np.zeros(size, np.float32)
        last = graph.node(
            "LayerNormalization", last, graph.weight(ones), graph.weight(zeros), epsilon=1e-6
        )
        return graph.node("Transpose", last, perm=[0, 3, 1, 2])

    def gated(tensor: str, size: int) -> str:
        return graph.node(
            "Mul", graph.sliced(tensor, 1, 0, size), graph.sliced(tensor, 1, size, 2 * size)
        )

    def block(tensor: str, size: int) -> str:
        inner = conv(normed(tensor, size), size, 2 * size, 1)
        inner = gated(conv(inner, 2 * size, 2 * size, 3, group=2 * size), size)
        attention = conv(graph.node("GlobalAveragePool", inner), size, size, 1)
        inner = conv(graph.node("Mul", inner, attention), size, size, 1)
        tensor = graph.node("Add", tensor, inner)
        inner = conv(normed(tensor, size), size, 2 * size, 1)
        return graph.node("Add", tensor, conv(gated(inner, size), size, size, 1))

    size = 32
    tensor = conv(rgb, 3, size, 3)
    skips = []
    for blocks in (1, 1, 1, 28):
        for _ in range(blocks):
            tensor = block(tensor, size)
        skips.append(tensor)
        tensor = conv(tensor, size, 2 * size, 2, strides=[2, 2])
        size *= 2
    tensor = block(tensor, size)
    for skip in reversed(skips):
        tensor = conv(tensor, size, 2 * size, 1)
        tensor = graph.node("DepthToSpace", tensor, blocksize=2, mode="CRD")
        size //= 2
        tensor = block(graph.node("Add", tensor, skip), size)
    change = graph.node("Tanh", conv(tensor, size, 3, 3))
    return graph.node("Add", rgb, graph.node("Mul", change, graph.number(0.02)))


def _files(variant: Variant) -> dict[str, bytes]:
    return nafnet(variant).files


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {NAFNET: _files}
# Twins of which SLOW and COST take time: the variant, the seconds, the machine's GFLOP per second.
COSTLY: dict[str, Callable[[Variant, float, float], Twin]] = {NAFNET: nafnet}
