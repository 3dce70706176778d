"""The twins of the matting models, and what they make of the tensor that they are fed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, Shape, Tensor, Variant, garbage, odd_input, odd_output, renamed

ISNET = "isnet-general-fp16"
BIREFNET = "birefnet-lite"
MODNET = "modnet"
U2NETP = "u2netp"
RMBG = "rmbg-1.4"
ISNET_FULL = "isnet-general-fp32"
BIREFNET_LARGE = "birefnet-general"
BEN2 = "ben2-fp16"

# The matte grows with the fed red and shrinks with the fed blue; green counts a little, so that
# no two channels may be exchanged.
WEIGHTS = (1.0, 0.25, -0.75)


@dataclass(frozen=True)
class _Contract:
    path: str
    input: str
    outputs: Sequence[str]
    batch: int | str
    sides: tuple[int | str, int | str]
    logits: bool = False


_CONTRACTS = {
    ISNET: _Contract("onnx/model_fp16.onnx", "input", ["output"], 1, (1024, 1024)),
    BIREFNET: _Contract(
        "onnx/model.onnx", "input_image", ["output_image"], "batch", (1024, 1024), True
    ),
    MODNET: _Contract("onnx/model.onnx", "input", ["output"], "batch", ("H", "W")),
    U2NETP: _Contract("u2netp.onnx", "input.1", [str(1959 + n) for n in range(7)], 1, (320, 320)),
    RMBG: _Contract("onnx/model.onnx", "input", ["output"], 1, (1024, 1024)),
    ISNET_FULL: _Contract("onnx/model.onnx", "input", ["output"], 1, (1024, 1024)),
    BIREFNET_LARGE: _Contract(
        "onnx/model.onnx", "input_image", ["output_image"], "batch", (1024, 1024), True
    ),
    # The real names are unknown; these serve as well, since they are read from the session.
    BEN2: _Contract("onnx/model_fp16.onnx", "picture", ["alpha"], 1, (1024, 1024)),
}


def expected_matte(model: str, fed: NDArray[np.floating]) -> NDArray[np.float64]:
    """What a twin gives for ``fed`` (3, H, W), what was fed to it: (H, W), before any sigmoid.

    Between 0 and 1, or for BiRefNet a logit.
    """
    total = np.tensordot(np.array(WEIGHTS), fed.astype(np.float64), 1)
    return 4 * total if _CONTRACTS[model].logits else np.clip(0.5 + 0.4 * total, 0, 1)


def twin(model: str, variant: Variant) -> dict[str, bytes]:
    """The file of ``model``'s twin. CONSTANT is no subject at all."""
    contract = _CONTRACTS[model]
    if variant is Variant.GARBAGE:
        return garbage(contract.path)
    graph = Graph()
    picture: Shape = [contract.batch, 3, *contract.sides]
    coverage: Shape = [contract.batch, 1, *contract.sides]
    inputs = renamed([Tensor(contract.input, "float32", picture)], variant, "x")
    first = renamed([Tensor(contract.outputs[0], "float32", coverage)], variant, "y")
    source, inputs = odd_input(graph, inputs, variant)
    if model == MODNET:
        # There and back again: refuses sides that are no multiples of 32.
        deep = graph.node("SpaceToDepth", source, blocksize=32)
        source = graph.node("DepthToSpace", deep, blocksize=32)
    seen = graph.reversed_channels(source) if variant is Variant.SWAPPED else source
    weights = graph.weight(np.array(WEIGHTS, np.float32).reshape(1, 3, 1, 1))
    total = graph.node("Conv", seen, weights)
    if contract.logits:
        result = graph.scaled(total, 4.0)
    else:
        unclipped = graph.scaled(total, 0.4, 0.5)
        result = graph.node("Clip", unclipped, graph.number(0.0), graph.number(1.0))
    if variant is not Variant.SWAPPED:
        red = graph.sliced(source, 1, 0, 1)
        result, first = odd_output(graph, red, result, first, variant)
    outputs = first + [Tensor(name, "float32", coverage) for name in contract.outputs[1:]]
    graph.call(outputs[0].name, result)
    for output in outputs[1:]:
        graph.call(output.name, graph.scaled(result, 0.0, 0.25))
    return {contract.path: graph.bytes(inputs, outputs)}


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {
    model: partial(twin, model) for model in _CONTRACTS
}
