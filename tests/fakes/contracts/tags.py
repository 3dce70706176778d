"""The twin of the tagging model: known embeddings of pictures and of texts."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
from numpy.typing import NDArray
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers

from .graph import Graph, Tensor, Variant, garbage, renamed

CLIP = "clip-vit-b32-xenova"
CLIP_FULL = "clip-vit-b32-xenova-fp32"
VISION_PATH = "onnx/vision_model_quantized.onnx"
TEXT_PATH = "onnx/text_model_quantized.onnx"
TOKENIZER_PATH = "tokenizer.json"
SIDE = 224
WIDTH = 512
_CELL = 16
_ROWS = 97
_START, _END = "<|startoftext|>", "<|endoftext|>"


def _table() -> NDArray[np.float32]:
    return np.random.default_rng(5).standard_normal((_ROWS, WIDTH)).astype(np.float32)


def expected_picture(normal: NDArray[np.float32]) -> NDArray[np.float64]:
    """The embedding of a normalised picture (3, 224, 224): means of 16x16 cells, the first 512."""
    cells = normal.astype(np.float64).reshape(3, SIDE // _CELL, _CELL, SIDE // _CELL, _CELL)
    return np.asarray(cells.mean(axis=(2, 4)).reshape(-1)[:WIDTH])


def expected_text(ids: NDArray[np.int64]) -> NDArray[np.float64]:
    """The embedding of 77 tokens: the mean of the rows of a fixed table, id modulo 97."""
    return np.asarray(_table().astype(np.float64)[ids % _ROWS].mean(axis=0))


def tokenizer_json() -> bytes:
    """A tokenizer of CLIP's kind that merges nothing: each byte is a token, the last one ends."""
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {letter: n for n, letter in enumerate(letters)}
    vocab |= {letter + "</w>": n + 256 for n, letter in enumerate(letters)}
    vocab |= {_START: 49406, _END: 49407}
    return with_clip_rules(
        models.BPE(vocab=vocab, merges=[], unk_token=_END, end_of_word_suffix="</w>")
    )


def with_clip_rules(model: models.BPE) -> bytes:
    """``tokenizer.json`` with CLIP's normalising and splitting around ``model``."""
    made = Tokenizer(model)
    made.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    pieces = Regex(r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+")
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(pieces, behavior="removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.add_special_tokens([AddedToken(token, special=True) for token in (_START, _END)])
    return made.to_str().encode()


def _vision(variant: Variant) -> bytes:
    graph = Graph()
    inputs = renamed([Tensor("pixel_values", "float32", ["batch", 3, SIDE, SIDE])], variant, "x")
    source = inputs[0].name
    if variant is Variant.SWAPPED:
        source = graph.reversed_channels(source)
    cells = graph.node("AveragePool", source, kernel_shape=[_CELL] * 2, strides=[_CELL] * 2)
    flat = graph.node("Flatten", cells, axis=1)
    return _ended(graph, flat, "image_embeds", inputs, variant)


def _text(variant: Variant) -> bytes:
    graph = Graph()
    inputs = renamed([Tensor("input_ids", "int64", ["batch", "sequence"])], variant, "x")
    rows = graph.node("Mod", inputs[0].name, graph.weight(np.array(_ROWS, np.int64)))
    gathered = graph.node("Gather", graph.weight(_table()), rows, axis=0)
    mean = graph.node("ReduceMean", gathered, axes=[1], keepdims=0)
    return _ended(graph, mean, "text_embeds", inputs, variant)


def _ended(graph: Graph, result: str, name: str, inputs: list[Tensor], variant: Variant) -> bytes:
    width = WIDTH // 2 if variant is Variant.HALF_SIZE else WIDTH
    result = graph.sliced(result, 1, 0, width)
    if variant in (Variant.NAN, Variant.CONSTANT, Variant.WRONG_RANGE):
        result = graph.spoilt(result, variant)
    outputs = renamed([Tensor(name, "float32", ["batch", width])], variant, "y")
    graph.call(outputs[0].name, result)
    return graph.bytes(inputs, outputs)


def clip(vision: str, text: str, variant: Variant) -> dict[str, bytes]:
    """The twin's files; the lengths of embeddings do not count, so WRONG_RANGE is no fault here."""
    if variant is Variant.GARBAGE:
        return garbage(vision, text) | {TOKENIZER_PATH: tokenizer_json()}
    return {vision: _vision(variant), text: _text(variant), TOKENIZER_PATH: tokenizer_json()}


TWINS: dict[str, Callable[[Variant], dict[str, bytes]]] = {
    CLIP: partial(clip, VISION_PATH, TEXT_PATH),
    CLIP_FULL: partial(clip, "onnx/vision_model.onnx", "onnx/text_model.onnx"),
}
