"""The twins of the diffusion models: three small networks and a tokenizer of single bytes.

``expected_hidden``, ``expected_noise`` and ``expected_decoded`` compute in numpy what the networks
make; a test that joins them by the sampler's formulas knows every pixel.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .graph import Graph, Tensor, Variant, garbage, renamed

Doubles = NDArray[np.float64]

SD_TURBO = "sd-turbo-ort-web"
SDXS = "sdxs-512-dreamshaper-cvclass"
SDXS_SECOND = "sdxs-512-dreamshaper-skillsafe"
TOKENIZER = "clip-tokenizer-sd"
START, END = 49406, 49407
LENGTH = 77


@dataclass(frozen=True)
class _Contract:
    """``file`` is where the network "{}" lies; ``noise`` to ``picture`` are tensors' names."""

    file: str
    width: int
    ids: str
    timestep: str
    noise: str = "out_sample"
    latent: str = "latent_sample"
    picture: str = "sample"


CONTRACTS = {
    SD_TURBO: _Contract("{}/model.onnx", 1024, "int32", "int64"),
    SDXS: _Contract("{}/model.fp16.onnx", 768, "int64", "float32"),
    # The real name of its noise is unknown; this serves as well.
    SDXS_SECOND: _Contract("{}.onnx", 768, "int64", "float32", "noise", "latent", "image"),
}

# The decoder's colours of the four latent channels.
_COLOURS = np.array([[0.5, -0.2, 0.1, 0.3], [0.1, 0.6, -0.3, -0.1], [-0.2, 0.2, 0.5, 0.2]])


def expected_hidden(ids: NDArray[Any], width: int) -> Doubles:
    """(1, 77) ids to (1, 77, width): each tells its id and its place."""
    along = np.sin(0.37 * np.arange(width))
    places = np.cos(0.21 * np.arange(LENGTH))
    return ids[..., None] % 97 / 24.0 * along + 0.5 * places[None, :, None]


def expected_noise(sample: Doubles, timestep: float, hidden: Doubles) -> Doubles:
    """(1, 4, 64, 64) to the same: the sample, and the prompt as one number for each channel."""
    told = hidden[0].T @ _places() @ np.ones(1)
    return (
        sample * (0.6 + 0.3 * timestep / 999)
        + (told @ _channels(hidden.shape[2]))[None, :, None, None]
    )


def expected_decoded(latent: Doubles) -> Doubles:
    """(1, 4, 64, 64) to (1, 3, 512, 512) in -1..1: mixed to colours, each cell 8 by 8 pixels."""
    colours = np.tanh(np.einsum("ck,bkyx->bcyx", _COLOURS, latent) * 0.2)
    return colours.repeat(8, axis=2).repeat(8, axis=3)


def _places() -> Doubles:
    """(77, 1): how much each place of the prompt counts."""
    return (np.linspace(1, 2, LENGTH) / LENGTH)[:, None]


def _channels(width: int) -> Doubles:
    """(width, 4)"""
    return np.sin(np.arange(width)[:, None] * 0.37 + np.arange(4)[None]) * 0.2 / width


def byte_ids(prompt: str, pad: int) -> NDArray[np.int64]:
    """What the twins' tokenizer makes of a prompt in small ASCII letters and single spaces."""
    ids = [START]
    for word in prompt.split():
        numbers = [_BYTES.index(byte) for byte in word.encode()]
        ids += [*numbers[:-1], numbers[-1] + 256]
    ids = [*ids[: LENGTH - 1], END]
    return np.array(ids + [pad] * (LENGTH - len(ids)))


def _byte_order() -> list[int]:
    shown = [*range(33, 127), *range(161, 173), *range(174, 256)]
    return [*shown, *(byte for byte in range(256) if byte not in shown)]


_BYTES = _byte_order()


def _tokenizer() -> dict[str, bytes]:
    """CLIP's vocabulary without its merges."""
    letters = []
    for number, byte in enumerate(_BYTES):
        letters.append(chr(byte) if number < 188 else chr(256 + number - 188))
    vocab = {letter: number for number, letter in enumerate(letters)}
    vocab |= {f"{letter}</w>": number + 256 for number, letter in enumerate(letters)}
    vocab |= {"<|startoftext|>": START, "<|endoftext|>": END}
    return {
        "tokenizer/vocab.json": json.dumps(vocab).encode(),
        "tokenizer/merges.txt": b"#version: 0.2\n",
    }


def _text_encoder(contract: _Contract, variant: Variant) -> bytes:
    graph = Graph()
    inputs = renamed([Tensor("input_ids", contract.ids, [1, LENGTH])], variant, "x")
    outputs = renamed(
        [Tensor("last_hidden_state", "float32", [1, LENGTH, contract.width])], variant, "y"
    )
    rest = graph.node("Mod", inputs[0].name, graph.weight(np.array(97, contract.ids)))
    ids = graph.shaped(graph.cast(rest, "float32"), [1, LENGTH, 1])
    along = np.sin(0.37 * np.arange(contract.width)) / 24
    places = 0.5 * np.cos(0.21 * np.arange(LENGTH))
    spread = graph.node("Mul", ids, graph.weight(along.astype(np.float32)[None, None]))
    moved = graph.node("Add", spread, graph.weight(places.astype(np.float32)[None, :, None]))
    graph.call(outputs[0].name, moved)
    return graph.bytes(inputs, outputs)


def _unet(contract: _Contract, variant: Variant) -> bytes:
    graph = Graph()
    latent = [1, 4, 64, 64]
    inputs = renamed(
        [
            Tensor("sample", "float32", latent),
            Tensor("timestep", contract.timestep, [1]),
            Tensor("encoder_hidden_states", "float32", [1, LENGTH, contract.width]),
        ],
        variant,
        "x",
    )
    outputs = renamed([Tensor(contract.noise, "float32", latent)], variant, "y")
    sample, timestep, hidden = (tensor.name for tensor in inputs)
    share = graph.scaled(graph.cast(timestep, "float32"), 0.3 / 999, 0.6)
    places = graph.weight(_places().astype(np.float32).reshape(1, LENGTH, 1))
    told = graph.node("ReduceSum", graph.node("Mul", hidden, places), _axis(graph, 1), keepdims=0)
    weights = graph.weight(_channels(contract.width).astype(np.float32))
    channels = graph.shaped(graph.node("MatMul", told, weights), [1, 4, 1, 1])
    noise = graph.node("Add", graph.node("Mul", sample, share), channels)
    if variant is Variant.NAN:
        noise = graph.spoilt(noise, variant)
    graph.call(outputs[0].name, noise)
    return graph.bytes(inputs, outputs)


def _vae_decoder(contract: _Contract, variant: Variant) -> bytes:
    graph = Graph()
    inputs = renamed([Tensor(contract.latent, "float32", [1, 4, 64, 64])], variant, "x")
    outputs = renamed([Tensor(contract.picture, "float32", [1, 3, 512, 512])], variant, "y")
    kernel = (_COLOURS * 0.2).astype(np.float32).reshape(3, 4, 1, 1)
    colours = graph.node("Conv", inputs[0].name, graph.weight(kernel))
    scales = graph.weight(np.array([1, 1, 8, 8], np.float32))
    grown = graph.node(
        "Resize",
        graph.node("Tanh", colours),
        "",
        scales,
        mode="nearest",
        coordinate_transformation_mode="asymmetric",
        nearest_mode="floor",
    )
    if variant is Variant.WRONG_RANGE:
        grown = graph.scaled(grown, 127.5, 127.5)
    elif variant is not Variant.NAN:
        grown = graph.spoilt(grown, variant)
    if variant is Variant.HALF_SIZE:
        outputs = [Tensor(outputs[0].name, "float32", [1, 3, 256, 256])]
    graph.call(outputs[0].name, grown)
    return graph.bytes(inputs, outputs)


def _axis(graph: Graph, axis: int) -> str:
    return graph.weight(np.array([axis], np.int64))


def _model(model: str, variant: Variant) -> dict[str, bytes]:
    contract = CONTRACTS[model]
    paths = [contract.file.format(part) for part in ("text_encoder", "unet", "vae_decoder")]
    if variant is Variant.GARBAGE:
        return garbage(*paths)
    makers = (_text_encoder, _unet, _vae_decoder)
    return {path: make(contract, variant) for path, make in zip(paths, makers, strict=True)}


def _with_tokenizer(model: str, variant: Variant) -> dict[str, bytes]:
    return _model(model, variant) | _tokenizer()


def _clip_tokenizer(variant: Variant) -> dict[str, bytes]:
    if variant is Variant.GARBAGE:
        return garbage(*_tokenizer())
    return _tokenizer()


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {
    SD_TURBO: partial(_with_tokenizer, SD_TURBO),
    SDXS: partial(_model, SDXS),
    SDXS_SECOND: partial(_with_tokenizer, SDXS_SECOND),
    TOKENIZER: _clip_tokenizer,
}
