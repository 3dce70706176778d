"""Tiny ONNX models with the very tensors of the catalogue's models and a known function each.

The expected pixels are computed here in numpy, apart from the graphs. ``write_catalogue`` writes
cards and a hub folder for them: with NSS_CARDS and HF_ENDPOINT set to these, everything else is the
real code. ``python tests/fakes/contract_models.py OUTFOLDER`` makes OUTFOLDER/cards and
OUTFOLDER/hub.
"""

from __future__ import annotations

import argparse
import hashlib
import random
import re
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Picture = NDArray[np.float32]

NAFNET = "nafnet-gopro-opencv"
SCUNET = "scunet-real-psnr"
DRUNET = "drunet-color"
MODELS = (NAFNET, SCUNET, DRUNET)
MODELS_FOLDER = Path(__file__).resolve().parents[2] / "models"

SHARPEN = 0.25
OPSET = 17
NAFNET_SIDE = 512


class Variant(str, Enum):
    """What the twin of a model does.

    GOOD is the known function. SLOW is the identity behind many convolutions, COST a NAFNet of
    width 32 with random weights that changes little. The others are faults: the tensors' number,
    rank or names, and outputs that are not finite, too small, or constant. NAN_ON_WHITE is GOOD
    where no value is above 0.95, and not finite there, so that it passes a trial and fails later.
    """

    GOOD = "good"
    SLOW = "slow"
    COST = "cost"
    TWO_INPUTS = "two-inputs"
    WRONG_RANK = "wrong-rank"
    WRONG_NAMES = "wrong-names"
    NAN = "nan"
    NAN_ON_WHITE = "nan-on-white"
    HALF_SIZE = "half-size"
    CONSTANT = "constant"
    GARBAGE = "garbage"


@dataclass(frozen=True)
class Twin:
    """A model's files by their path in the repository, and what it costs."""

    files: dict[str, bytes]
    gflop_per_megapixel: float


@dataclass(frozen=True)
class _Contract:
    path: str
    data: str | None
    input: str
    output: str
    channels: int
    multiple: int


_CONTRACTS = {
    # The real names are unknown; these serve as well, since they are read from the session.
    NAFNET: _Contract("deblurring_nafnet_2025may.onnx", None, "lq", "restored", 3, 16),
    SCUNET: _Contract(
        "scunet_color_real_psnr.onnx",
        "scunet_color_real_psnr.onnx.data",
        "image",
        "denoised",
        3,
        64,
    ),
    DRUNET: _Contract("drunet_color.onnx", None, "input", "output", 4, 8),
}


# ---------------------------------------------------------------- the expected pixels


def expected_nafnet(rgb: Picture) -> Picture:
    """What NAFNet's twin makes of ``rgb`` (H, W, 3): sharpened, edges repeated, not clipped."""
    p = np.pad(rgb.astype(np.float64), ((1, 1), (1, 1), (0, 0)), mode="edge")
    neighbours = p[:-2, 1:-1] + p[2:, 1:-1] + p[1:-1, :-2] + p[1:-1, 2:]
    return ((1 + 4 * SHARPEN) * rgb - SHARPEN * neighbours).astype(np.float32)


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


# ---------------------------------------------------------------- the graphs


class _Graph:
    """A graph under construction; every method adds a node and returns its output's name."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []

    def weight(self, value: NDArray[np.generic]) -> str:
        name = f"w{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    def number(self, value: float) -> str:
        return self.weight(np.array(value, np.float32))

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def call(self, name: str, result: str) -> None:
        self.nodes.append(helper.make_node("Identity", [result], [name]))

    def shaped(self, tensor: str, sides: list[int]) -> str:
        return self.node("Reshape", tensor, self.weight(np.array(sides, np.int64)))

    def sliced(self, tensor: str, axis: int, begin: int, end: int, step: int = 1) -> str:
        at = [self.weight(np.array([n], np.int64)) for n in (begin, end, axis, step)]
        return self.node("Slice", tensor, *at)

    def depthwise(self, tensor: str, kernel: NDArray[np.float32]) -> str:
        pads = self.weight(np.array([0, 0, 1, 1, 0, 0, 1, 1], np.int64))
        padded = self.node("Pad", tensor, pads, mode="edge")
        weight = self.weight(np.tile(kernel[None, None], (3, 1, 1, 1)))
        return self.node("Conv", padded, weight, group=3)


def _function(model: str, graph: _Graph, tensor: str) -> str:
    """The known function of the model's twin; tiles of a forbidden size fail inside it."""
    if model == NAFNET:
        # Like the real export: the sizes are hard-coded inside, and not visible outside.
        fixed = graph.shaped(tensor, [1, 3, NAFNET_SIDE, NAFNET_SIDE])
        kernel = np.zeros((3, 3), np.float32)
        kernel[1] = kernel[:, 1] = -SHARPEN
        kernel[1, 1] = 1 + 4 * SHARPEN
        return graph.depthwise(fixed, kernel)
    block = _CONTRACTS[model].multiple
    # There and back again: refuses sides that are no multiples.
    deep = graph.node("SpaceToDepth", tensor, blocksize=block)
    tensor = graph.node("DepthToSpace", deep, blocksize=block)
    if model == SCUNET:
        return graph.depthwise(tensor, np.full((3, 3), 1 / 9, np.float32))
    rgb = graph.sliced(tensor, 1, 0, 3)
    plane = graph.sliced(tensor, 1, 3, 4)
    kept = graph.node("Mul", rgb, graph.node("Sub", graph.number(1.0), plane))
    return graph.node("Add", kept, graph.node("Mul", plane, graph.number(0.5)))


def _identity_chain(graph: _Graph, rgb: str, convolutions: int) -> str:
    """``rgb`` unchanged behind ``convolutions`` 3x3 convolutions of 64 channels."""
    grow = np.zeros((64, 3, 3, 3), np.float32)
    keep = np.zeros((64, 64, 3, 3), np.float32)
    for channel in range(3):
        grow[channel, channel, 1, 1] = 1
    for channel in range(64):
        keep[channel, channel, 1, 1] = 1
    tensor = graph.node("Conv", rgb, graph.weight(grow), pads=[1, 1, 1, 1])
    weight = graph.weight(keep)
    for _ in range(convolutions):
        tensor = graph.node("Conv", tensor, weight, pads=[1, 1, 1, 1])
    return graph.sliced(tensor, 1, 0, 3)


def _nafnet32(graph: _Graph, rgb: str) -> str:
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


def _result(model: str, variant: Variant, graph: _Graph, source: str, convolutions: int) -> str:
    rgb = source if model != DRUNET else graph.sliced(source, 1, 0, 3)
    if variant is Variant.SLOW:
        return _identity_chain(graph, rgb, convolutions)
    if variant is Variant.COST:
        return _nafnet32(graph, graph.shaped(rgb, [1, 3, NAFNET_SIDE, NAFNET_SIDE]))
    result = _function(model, graph, source)
    if variant is Variant.NAN:
        return graph.node("Mul", result, graph.number(float("nan")))
    if variant is Variant.NAN_ON_WHITE:
        root = graph.node("Sqrt", graph.node("Sub", graph.number(0.95), rgb))
        return graph.node("Add", result, graph.node("Mul", root, graph.number(0.0)))
    if variant is Variant.HALF_SIZE:
        return graph.sliced(graph.sliced(result, 2, 0, 1 << 30, 2), 3, 0, 1 << 30, 2)
    if variant is Variant.CONSTANT:
        return graph.node("Add", graph.node("Mul", result, graph.number(0.0)), graph.number(0.5))
    return result


def twin(
    model: str,
    variant: Variant = Variant.GOOD,
    *,
    seconds: float = 10.0,
    gflop_per_second: float = 150.0,
    padding: int = 0,
) -> Twin:
    """The files of ``model``'s twin.

    ``seconds`` is about what a 512x512 tile of SLOW takes on a machine of ``gflop_per_second``.
    ``padding`` makes the last file about that many bytes longer, with bytes that mean nothing.
    """
    contract = _CONTRACTS[model]
    if variant is Variant.GARBAGE:
        paths = [path for path in (contract.path, contract.data) if path]
        noise = random.Random(7)
        return Twin({path: noise.randbytes(4096 + padding) for path in paths}, 0.1)
    each = 2 * 9 * 64 * 64 * NAFNET_SIDE**2 / 1e9
    convolutions = max(1, round(seconds * gflop_per_second / each))
    graph = _Graph()
    names = ("x", "y") if variant is Variant.WRONG_NAMES else (contract.input, contract.output)
    channels: list[int | str | None] = ["batch", contract.channels, "H", "W"]
    source = names[0]
    if variant is Variant.WRONG_RANK:
        channels = ["batch", contract.channels, "frames", "H", "W"]
        source = graph.node("Squeeze", source, graph.weight(np.array([2], np.int64)))
    inputs = [helper.make_tensor_value_info(names[0], TensorProto.FLOAT, channels)]
    if variant is Variant.TWO_INPUTS:
        inputs.append(helper.make_tensor_value_info("more", TensorProto.FLOAT, [1]))
        source = graph.node("Add", source, "more")
    graph.call(names[1], _result(model, variant, graph, source, convolutions))
    sides: list[int | str | None] = ["batch", 3, "H", "W"]
    if variant is Variant.HALF_SIZE:
        sides[2:] = ["half H", "half W"]
    output = helper.make_tensor_value_info(names[1], TensorProto.FLOAT, sides)
    proto = helper.make_model(
        helper.make_graph(graph.nodes, "twin", inputs, [output], graph.weights),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=8,
        producer_name="contract-models",
    )
    if padding and contract.data is None:
        letters = random.Random(7).randbytes(padding // 2).hex()
        proto.metadata_props.add(key="padding", value=letters)
    gflop = {Variant.SLOW: convolutions * each * 1e6 / NAFNET_SIDE**2, Variant.COST: 486.9}
    return Twin(_files(contract, proto, padding), gflop.get(variant, 0.1))


def _files(contract: _Contract, proto: onnx.ModelProto, padding: int) -> dict[str, bytes]:
    if contract.data is None:
        onnx.checker.check_model(proto)
        return {contract.path: proto.SerializeToString()}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / contract.path
        onnx.save_model(
            proto,
            path,
            save_as_external_data=True,
            all_tensors_to_one_file=True,
            location=contract.data,
            # Shapes and pads must stay inside: onnxruntime reads them before external data.
            size_threshold=100,
        )
        onnx.checker.check_model(path)
        data = (Path(folder) / contract.data).read_bytes()
        noise = random.Random(7).randbytes(padding)
        return {contract.path: path.read_bytes(), contract.data: data + noise}


# ---------------------------------------------------------------- cards and hub


def write_catalogue(
    cards_folder: Path,
    hub_folder: Path,
    variants: Mapping[str, Variant] | None = None,
    *,
    models: tuple[str, ...] = MODELS,
    seconds: float = 10.0,
    padding: int = 0,
    gflop_per_megapixel: Mapping[str, float] | None = None,
) -> None:
    """Write the twins of ``models`` as hub and as cards, which differ from the real ones in what
    the twins differ in: sizes, hashes and costs.

    ``variants`` names the models that are not GOOD; ``gflop_per_megapixel`` has a card lie about
    the cost.
    """
    for model in models:
        variant = (variants or {}).get(model, Variant.GOOD)
        made = twin(model, variant, seconds=seconds, padding=padding)
        cost = (gflop_per_megapixel or {}).get(model, made.gflop_per_megapixel)
        real = next(MODELS_FOLDER.rglob(f"{model}.toml"))
        text = real.read_text(encoding="utf-8")
        card = cards_folder / real.relative_to(MODELS_FOLDER)
        card.parent.mkdir(parents=True, exist_ok=True)
        card.write_text(_card_of(text, made.files, cost), encoding="utf-8")
        repo, revision = _value(text, "repo"), _value(text, "revision")
        for name, data in made.files.items():
            file = hub_folder / repo / revision / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(data)


def _card_of(text: str, files: Mapping[str, bytes], gflop: float) -> str:
    for name, data in files.items():
        digest = hashlib.sha256(data).hexdigest()
        text, count = re.subn(
            rf'(path = "{re.escape(name)}"\n)size = [\d_]+\nsha256 = "[0-9a-f]+"',
            rf'\g<1>size = {len(data)}\nsha256 = "{digest}"',
            text,
        )
        if count != 1:
            raise ValueError(f"the card has no file {name}")
    cost = f"[cost]\ngflop_per_megapixel = {gflop:.3f}\npeak_bytes_per_pixel = 600\n\n"
    return re.sub(r"\[cost\]\n.*?\n\n(?=\[)", cost, text, count=1, flags=re.DOTALL)


def _value(text: str, field: str) -> str:
    match = re.search(rf'^{field} = "([^"]+)"$', text, re.MULTILINE)
    if match is None:
        raise ValueError(f"the card has no {field}")
    return match[1]


def _main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--seconds", type=float, default=10.0, help="of a tile of a slow twin")
    parser.add_argument("--padding", type=int, default=0, help="bytes to add to each download")
    parser.add_argument("--variant", action="append", default=[], metavar="MODEL=VARIANT")
    given = parser.parse_args()
    variants = {}
    for text in given.variant:
        model, _, name = text.partition("=")
        variants[model] = Variant(name)
    cards, hub = given.folder / "cards", given.folder / "hub"
    write_catalogue(cards, hub, variants, seconds=given.seconds, padding=given.padding)
    sys.stdout.write(f"NSS_CARDS={cards}\n{hub}\n")


if __name__ == "__main__":
    _main()
