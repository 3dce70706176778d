"""The twins of the denoising models, and what they make of a picture."""

from __future__ import annotations

from collections.abc import Callable

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
    with_external_data,
)

SCUNET = "scunet-real-psnr"
DRUNET = "drunet-color"
SCUNET_PATH = "scunet_color_real_psnr.onnx"
SCUNET_DATA = "scunet_color_real_psnr.onnx.data"
DRUNET_PATH = "drunet_color.onnx"
SIDE = 512


def expected_scunet(rgb: Picture) -> Picture:
    """What SCUNet's twin makes of ``rgb`` (H, W, 3): the mean of 3x3 pixels, edges repeated."""
    height, width = rgb.shape[:2]
    p = np.pad(rgb.astype(np.float64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    total = sum(p[y : y + height, x : x + width] for y in range(3) for x in range(3))
    return np.asarray(total / 9, np.float32)


def expected_drunet(rgb: Picture, sigma: float) -> Picture:
    """What DRUNet's twin makes of ``rgb`` (H, W, 3) for ``sigma`` in levels of 255.

    The picture drawn towards middle grey by sigma / 255.
    """
    plane = sigma / 255
    return (rgb.astype(np.float64) * (1 - plane) + 0.5 * plane).astype(np.float32)


def scunet(variant: Variant, seconds: float = 10.0, gflop_per_second: float = 150.0) -> Twin:
    """The twin of SCUNet; SLOW takes about ``seconds`` at ``gflop_per_second`` for its tile."""
    if variant is Variant.GARBAGE:
        return Twin(garbage(SCUNET_PATH, SCUNET_DATA), 0.1)
    graph = Graph()
    inputs = renamed([Tensor("image", "float32", ["batch", 3, "H", "W"])], variant, "x")
    outputs = renamed([Tensor("denoised", "float32", ["batch", 3, "H", "W"])], variant, "y")
    source, inputs = odd_input(graph, inputs, variant)
    if variant is Variant.SLOW:
        result, gflop = _slow(graph, source, seconds, gflop_per_second)
    else:
        gflop = 0.1
        result = graph.depthwise(_multiples(graph, source, 64), np.full((3, 3), 1 / 9, np.float32))
    result, outputs = odd_output(graph, source, result, outputs, variant)
    graph.call(outputs[0].name, result)
    proto = graph.model(inputs, outputs)
    return Twin(with_external_data(proto, SCUNET_PATH, SCUNET_DATA), gflop)


def drunet(variant: Variant, seconds: float = 10.0, gflop_per_second: float = 150.0) -> Twin:
    """The twin of DRUNet; SLOW takes about ``seconds`` at ``gflop_per_second`` for its tile."""
    if variant is Variant.GARBAGE:
        return Twin(garbage(DRUNET_PATH), 0.1)
    graph = Graph()
    inputs = renamed([Tensor("input", "float32", ["batch", 4, "H", "W"])], variant, "x")
    outputs = renamed([Tensor("output", "float32", ["batch", 3, "H", "W"])], variant, "y")
    source, inputs = odd_input(graph, inputs, variant)
    rgb = graph.sliced(source, 1, 0, 3)
    if variant is Variant.SLOW:
        result, gflop = _slow(graph, rgb, seconds, gflop_per_second)
    else:
        gflop = 0.1
        whole = _multiples(graph, source, 8)
        plane = graph.sliced(whole, 1, 3, 4)
        kept = graph.node(
            "Mul", graph.sliced(whole, 1, 0, 3), graph.node("Sub", graph.number(1.0), plane)
        )
        result = graph.node("Add", kept, graph.node("Mul", plane, graph.number(0.5)))
    result, outputs = odd_output(graph, rgb, result, outputs, variant)
    graph.call(outputs[0].name, result)
    return Twin({DRUNET_PATH: graph.bytes(inputs, outputs)}, gflop)


def _multiples(graph: Graph, tensor: str, block: int) -> str:
    """``tensor`` unchanged; sides that are no multiples of ``block`` fail."""
    deep = graph.node("SpaceToDepth", tensor, blocksize=block)
    return graph.node("DepthToSpace", deep, blocksize=block)


def _slow(graph: Graph, rgb: str, seconds: float, gflop_per_second: float) -> tuple[str, float]:
    count = convolutions_for(seconds, gflop_per_second, SIDE)
    return identity_chain(graph, rgb, count), chain_gflop_per_megapixel(count)


def _scunet(variant: Variant) -> dict[str, bytes]:
    return scunet(variant).files


def _drunet(variant: Variant) -> dict[str, bytes]:
    return drunet(variant).files


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {SCUNET: _scunet, DRUNET: _drunet}
# Twins of which SLOW takes time: the variant, the seconds, the machine's GFLOP per second.
COSTLY: dict[str, Callable[[Variant, float, float], Twin]] = {SCUNET: scunet, DRUNET: drunet}
