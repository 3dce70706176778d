"""Write a trained network as the ONNX file that a card ships, and check that it computes the same.

    python -m training.export denoise RUN/step-20000.pt models/compact/nss-denoise.onnx

Weights are stored in half precision and widened as a first step, which onnxruntime does once, at
load; everything is computed in float32. The operations are of opset 17 and such as every provider
has: convolutions, means, arithmetic, slices, padding by reflection, DepthToSpace and Cast.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from .networks import Twice, mean_weights
from .recipes import RECIPES

OPSET = 17
# Half precision keeps 11 bits of each weight; a level of 255 is 0.0039.
MOST_DIFFERENCE = 2e-3
LEVEL = 0.1


def export(network: nn.Module, channels: int, scale: int, path: Path) -> float:
    """Write ``network`` to ``path``; the largest difference to torch on a random picture."""
    network.eval()
    example = torch.rand(1, channels, 64, 48)
    sides = {0: "N", 2: "H", 3: "W"}
    torch.onnx.export(
        network,
        (example,),
        str(path),
        input_names=["input"],
        output_names=["output"],
        dynamic_axes={"input": sides, "output": {0: "N", 2: "outH", 3: "outW"}},
        opset_version=OPSET,
        dynamo=False,
    )
    model = onnx.load(str(path))
    _name_sides(model, scale)
    _halve(model)
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    worst = 0.0
    for height, width in ((64, 48), (32, 128)):
        picture = torch.rand(1, channels, height, width)
        # A plane beside the colours is one level of noise.
        picture[:, 3:] = LEVEL
        with torch.no_grad():
            wanted = network(picture).numpy()
        [found] = session.run(None, {"input": picture.numpy()})
        worst = max(worst, float(np.abs(found - wanted).max()))
    return worst


def _name_sides(model: onnx.ModelProto, scale: int) -> None:
    for value, times in ((model.graph.input[0], 1), (model.graph.output[0], scale)):
        for axis, letter in ((2, "H"), (3, "W")):
            side = value.type.tensor_type.shape.dim[axis]
            side.ClearField("dim_value")
            side.dim_param = letter if times == 1 else f"{times}{letter}"
    model.producer_name, model.producer_version = "nss-training", ""


def _halve(model: onnx.ModelProto) -> None:
    """Store the large weights in half precision, with a cast to float32 before their use."""
    casts = []
    for tensor in list(model.graph.initializer):
        if tensor.data_type != TensorProto.FLOAT or len(tensor.dims) < 2:
            continue
        values = numpy_helper.to_array(tensor).astype(np.float16)
        half = numpy_helper.from_array(values, f"{tensor.name}.half")
        casts.append(helper.make_node("Cast", [half.name], [tensor.name], to=TensorProto.FLOAT))
        model.graph.initializer.remove(tensor)
        model.graph.initializer.append(half)
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", choices=RECIPES)
    parser.add_argument(
        "weights", type=Path, nargs="+", help="a step-*.pt of the training; of several, their mean"
    )
    parser.add_argument("path", type=Path, help="the .onnx file to write")
    parser.add_argument("--twice", action="store_true", help="an enlarger applied to its result")
    told = parser.parse_args()
    recipe = RECIPES[told.model]
    trained = recipe.build()
    trained.load_state_dict(mean_weights(told.weights))
    network = recipe.whole(trained)
    scale = recipe.scale
    if told.twice:
        network, scale = Twice(network), scale**2
    worst = export(network, recipe.channels, scale, told.path)
    content = told.path.read_bytes()
    print(f"{told.path}: {len(content)} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}")
    print(f"differs from torch by {worst:.2g} at most")
    if worst > MOST_DIFFERENCE:
        raise SystemExit(f"That is more than {MOST_DIFFERENCE}: the file is not to be used.")


if __name__ == "__main__":
    main()
