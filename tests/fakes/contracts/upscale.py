"""The twins of the upscaling models, and what they make of a picture."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, Picture, Shape, Tensor, Variant, garbage, odd_input, odd_output, renamed

X4PLUS = "realesrgan-x4plus"
X2PLUS = "realesrgan-x4plus-x2"
GENERAL = "realesr-general-x4v3"
ANIME = "realesrgan-anime6b"
SWIN2SR = "swin2sr-lightweight-x2"

SOFTNESS = 0.5
SLANT = 0.02

# File, batch, scale, what height and width must be multiples of, and the tensors' names.
_CONTRACTS: dict[str, tuple[str, int | str, int, int, str, str]] = {
    X4PLUS: ("real_esrgan_x4.onnx", 1, 4, 1, "input", "output"),
    X2PLUS: ("real_esrgan_x2.onnx", 1, 2, 2, "input", "output"),
    GENERAL: ("realesr-general-x4v3.onnx", "batch", 4, 1, "input", "output"),
    ANIME: ("realesrgan_anime6b.onnx", "N", 4, 1, "input", "output"),
    SWIN2SR: ("onnx/model.onnx", "batch", 2, 8, "pixel_values", "reconstruction"),
}


def expected_upscale(rgb: Picture, scale: int) -> Picture:
    """What the twins make of ``rgb`` (H, W, 3): each pixel a block of ``scale`` by ``scale``.

    The block is the pixel half mixed with the mean of the 3x3 around it, edges repeated, and a
    little brighter towards the block's lower left.
    """
    height, width = rgb.shape[:2]
    p = np.pad(rgb.astype(np.float64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    mean = sum(p[y : y + height, x : x + width] for y in range(3) for x in range(3)) / 9
    mixed = (1 - SOFTNESS) * rgb + SOFTNESS * mean
    blocks = mixed.repeat(scale, axis=0).repeat(scale, axis=1)
    return (blocks * np.tile(_gains(scale), (height, width))[..., None]).astype(np.float32)


def _gains(scale: int) -> NDArray[np.float64]:
    rows, columns = np.mgrid[:scale, :scale]
    return np.asarray(1 + SLANT * (rows - columns) / scale)


def twin(model: str, variant: Variant) -> dict[str, bytes]:
    """The file of ``model``'s twin."""
    path, batch, scale, multiple, name_in, name_out = _CONTRACTS[model]
    if variant is Variant.GARBAGE:
        return garbage(path)
    graph = Graph()
    sides: Shape = [batch, 3, "H", "W"]
    large: Shape = [batch, 3, f"{scale}H", f"{scale}W"]
    inputs = renamed([Tensor(name_in, "float32", sides)], variant, "x")
    outputs = renamed([Tensor(name_out, "float32", large)], variant, "y")
    source, inputs = odd_input(graph, inputs, variant)
    tensor = source
    if multiple > 1:
        # There and back again: refuses sides that are no multiples.
        deep = graph.node("SpaceToDepth", tensor, blocksize=multiple)
        tensor = graph.node("DepthToSpace", deep, blocksize=multiple)
    pads = graph.weight(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
    padded = graph.node("Pad", tensor, pads, mode="edge")
    deep = graph.node("Conv", padded, graph.weight(_kernels(scale)))
    result = graph.node("DepthToSpace", deep, blocksize=scale, mode="CRD")
    result, outputs = odd_output(graph, result, result, outputs, variant)
    graph.call(outputs[0].name, result)
    return {path: graph.bytes(inputs, outputs)}


def _kernels(scale: int) -> NDArray[np.float32]:
    """3x3 kernels (3 scale², 3, 3, 3): one for each colour and place in the block."""
    kernel = np.full((3, 3), SOFTNESS / 9)
    kernel[1, 1] += 1 - SOFTNESS
    kernels = np.zeros((3, scale * scale, 3, 3, 3), np.float32)
    for place, gain in enumerate(_gains(scale).ravel()):
        for colour in range(3):
            kernels[colour, place, colour] = gain * kernel
    return kernels.reshape(3 * scale * scale, 3, 3, 3)


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {
    model: partial(twin, model) for model in _CONTRACTS
}
