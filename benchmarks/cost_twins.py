"""Networks with the layers of the catalogue's models and random weights: their cost, not their art.

``python benchmarks/cost_twins.py FOLDER [NAME ...]`` writes them and prints the operations of each,
counted while it is built (a multiplication with its addition is two; convolutions and matrix
products count). They are made from the published architectures, layer by layer, and are worth
nothing for pictures. Nothing of them is stored with the project.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

OPSET = 17
IR_VERSION = 8
# Random numbers are drawn once and repeated: a gigabyte of them takes long and changes nothing.
_DRAWN = np.random.default_rng(4).standard_normal((1 << 20) + 7, np.float32)


@dataclass(frozen=True)
class Map:
    """A tensor (1, channels, side, side) of the graph; ``side`` at the size that is counted."""

    name: str
    channels: int
    side: int

    @property
    def tokens(self) -> int:
        """How many places it has."""
        return self.side * self.side


@dataclass(frozen=True)
class Twin:
    """A network: the card whose model it resembles, and the size that its operations are for."""

    card: str
    side: int
    build: Callable[[Net, int], None]
    tiled: bool = False
    half: bool = False


class Net:
    """A graph that grows layer by layer and counts its operations."""

    def __init__(self, data: IO[bytes] | None = None, half: bool = False) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.initializers: list[TensorProto] = []
        self.inputs: list[onnx.ValueInfoProto] = []
        self.outputs: list[onnx.ValueInfoProto] = []
        self.operations = 0
        self.parameters = 0
        self._data = data
        self._half = half

    def node(self, operator: str, *inputs: str, **attributes: object) -> str:
        """One operator with one output; the output's name."""
        name = f"{operator.lower()}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def split(self, name: str, sizes: Sequence[int], axis: int) -> list[str]:
        names = [f"split{len(self.nodes)}_{index}" for index in range(len(sizes))]
        self.nodes.append(helper.make_node("Split", [name, self.ints(*sizes)], names, axis=axis))
        return names

    def weight(self, *shape: int, gain: float = 1.0, fan_in: int | None = None) -> str:
        """Random numbers scaled so that activations keep their size."""
        count = math.prod(shape)
        self.parameters += count
        scale = gain / math.sqrt(fan_in or math.prod(shape[1:]))
        values = np.resize(_DRAWN, count) * np.float32(scale)
        if self._half and count > 4096:
            return self.node("Cast", self._stored(values.astype(np.float16), shape), to=1)
        return self._stored(values, shape)

    def _stored(self, values: np.ndarray, shape: Sequence[int]) -> str:
        name = f"w{len(self.initializers)}"
        if self._data is None or values.nbytes < 4096:
            self.initializers.append(numpy_helper.from_array(values.reshape(shape), name))
            return name
        kind = TensorProto.FLOAT16 if values.dtype == np.float16 else TensorProto.FLOAT
        tensor = TensorProto(name=name, data_type=kind, dims=shape)
        tensor.data_location = TensorProto.EXTERNAL
        offset = self._data.tell()
        self._data.write(values.tobytes())
        for key, value in (
            ("location", Path(self._data.name).name),
            ("offset", offset),
            ("length", values.nbytes),
        ):
            tensor.external_data.add(key=key, value=str(value))
        self.initializers.append(tensor)
        return name

    def constant(self, value: object, dtype: type = np.float32) -> str:
        name = f"c{len(self.initializers)}"
        self.initializers.append(numpy_helper.from_array(np.asarray(value, dtype), name))
        return name

    def ints(self, *values: int) -> str:
        return self.constant(values, np.int64)

    def picture(self, channels: int, side: int, *, free: bool, name: str = "x") -> Map:
        """An input (1, channels, side, side), of any size where ``free``."""
        shape: list[object] = [1, channels, *(["H", "W"] if free else [side, side])]
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
        return Map(name, channels, side)

    def result(self, name: str) -> None:
        self.nodes.append(helper.make_node("Identity", [name], [f"y{len(self.outputs)}"]))
        self.outputs.append(
            helper.make_tensor_value_info(f"y{len(self.outputs)}", TensorProto.FLOAT, None)
        )

    # ------------------------------------------------------------ layers

    def conv(
        self,
        x: Map,
        to: int,
        kernel: int = 3,
        *,
        stride: int = 1,
        groups: int = 1,
        dilation: int = 1,
        pad: int | None = None,
        gain: float = 1.4,
    ) -> Map:
        around = dilation * (kernel // 2) if pad is None else pad
        side = (x.side + 2 * around - dilation * (kernel - 1) - 1) // stride + 1
        self.operations += 2 * to * (x.channels // groups) * kernel**2 * side**2
        weights = self.weight(to, x.channels // groups, kernel, kernel, gain=gain)
        bias = self.weight(to, gain=0.1, fan_in=1)
        name = self.node(
            "Conv",
            x.name,
            weights,
            bias,
            kernel_shape=[kernel, kernel],
            pads=[around] * 4,
            strides=[stride, stride],
            group=groups,
            dilations=[dilation, dilation],
        )
        return Map(name, to, side)

    def wider(self, x: Map, to: int) -> Map:
        """A transposed 2x2 convolution that doubles the side."""
        self.operations += 2 * to * x.channels * 4 * x.tokens
        weights = self.weight(x.channels, to, 2, 2, fan_in=x.channels)
        name = self.node("ConvTranspose", x.name, weights, kernel_shape=[2, 2], strides=[2, 2])
        return Map(name, to, 2 * x.side)

    def matmul(self, name: str, rows: int, size: int, to: int, gain: float = 1.0) -> str:
        self.operations += 2 * rows * size * to
        return self.node("MatMul", name, self.weight(size, to, gain=gain, fan_in=size))

    def linear(self, name: str, rows: int, size: int, to: int, gain: float = 1.0) -> str:
        bias = self.weight(to, gain=0.1, fan_in=1)
        return self.node("Add", self.matmul(name, rows, size, to, gain), bias)

    def on(self, operator: str, x: Map, *others: str, **attributes: object) -> Map:
        """An operator that keeps the shape."""
        return replace(x, name=self.node(operator, x.name, *others, **attributes))

    def add(self, a: Map, b: Map) -> Map:
        return self.on("Add", a, b.name)

    def leaky(self, x: Map) -> Map:
        return self.on("LeakyRelu", x, alpha=0.2)

    def scaled(self, x: Map, factor: float) -> Map:
        return self.on("Mul", x, self.constant(factor))

    def joined(self, *maps: Map) -> Map:
        name = self.node("Concat", *(m.name for m in maps), axis=1)
        return Map(name, sum(m.channels for m in maps), maps[0].side)

    def shuffled(self, x: Map, factor: int) -> Map:
        name = self.node("DepthToSpace", x.name, blocksize=factor, mode="CRD")
        return Map(name, x.channels // factor**2, x.side * factor)

    def resized(self, x: Map, side: int, mode: str = "linear") -> Map:
        scale = self.constant([1, 1, side / x.side, side / x.side])
        how = "asymmetric" if mode == "nearest" else "half_pixel"
        extra = {"nearest_mode": "floor"} if mode == "nearest" else {}
        name = self.node(
            "Resize", x.name, "", scale, mode=mode, coordinate_transformation_mode=how, **extra
        )
        return Map(name, x.channels, side)

    def pooled(self, x: Map) -> Map:
        """Half the side, by the largest of four."""
        name = self.node("MaxPool", x.name, kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1)
        return Map(name, x.channels, -(-x.side // 2))

    def channel_norm(self, x: Map) -> Map:
        """Normalisation over the channels in single operations, as the exports have it."""
        mean = self.node("ReduceMean", x.name, axes=[1], keepdims=1)
        centred = self.node("Sub", x.name, mean)
        square = self.node("Mul", centred, centred)
        variance = self.node("ReduceMean", square, axes=[1], keepdims=1)
        deviation = self.node("Sqrt", self.node("Add", variance, self.constant(1e-6)))
        return self._scale_shift(replace(x, name=self.node("Div", centred, deviation)))

    def group_norm(self, x: Map, groups: int = 32) -> Map:
        """Group normalisation as PyTorch exports it, by an instance normalisation."""
        flat = self.node("Reshape", x.name, self.ints(0, groups, -1))
        ones, zeros = self.constant(np.ones(groups)), self.constant(np.zeros(groups))
        normal = self.node("InstanceNormalization", flat, ones, zeros, epsilon=1e-5)
        shape = self.node("Shape", x.name)
        return self._scale_shift(replace(x, name=self.node("Reshape", normal, shape)))

    def _scale_shift(self, x: Map) -> Map:
        scale = self.constant(np.linspace(0.9, 1.1, x.channels).reshape(1, -1, 1, 1))
        shift = self.constant(np.linspace(-0.1, 0.1, x.channels).reshape(1, -1, 1, 1))
        return self.on("Add", self.on("Mul", x, scale), shift)

    def token_norm(self, name: str, size: int) -> str:
        ones, zeros = self.constant(np.ones(size)), self.constant(np.zeros(size))
        return self.node("LayerNormalization", name, ones, zeros, epsilon=1e-6)

    def gelu(self, name: str) -> str:
        inner = self.node("Erf", self.node("Div", name, self.constant(math.sqrt(2))))
        grown = self.node("Mul", name, self.node("Add", inner, self.constant(1.0)))
        return self.node("Mul", grown, self.constant(0.5))

    def silu(self, x: Map) -> Map:
        return self.on("Mul", x, self.node("Sigmoid", x.name))

    def tokens(self, x: Map) -> str:
        """(1, side*side, channels)."""
        flat = self.node("Reshape", x.name, self.ints(1, x.channels, x.tokens))
        return self.node("Transpose", flat, perm=[0, 2, 1])

    def from_tokens(self, name: str, channels: int, side: int) -> Map:
        turned = self.node("Transpose", name, perm=[0, 2, 1])
        shape = self.ints(1, channels, side, side)
        return Map(self.node("Reshape", turned, shape), channels, side)

    def attention(
        self, x: str, count: int, size: int, heads: int, memory: str, keys: int, key_size: int
    ) -> str:
        """Multi-head attention of ``count`` tokens over ``keys`` tokens of ``memory``."""
        width = size // heads
        parts = []
        for source, rows, given in (
            (x, count, size),
            (memory, keys, key_size),
            (memory, keys, key_size),
        ):
            projected = self.matmul(source, rows, given, size)
            parts.append(self.node("Reshape", projected, self.ints(1, rows, heads, width)))
        query = self.node("Transpose", parts[0], perm=[0, 2, 1, 3])
        key = self.node("Transpose", parts[1], perm=[0, 2, 3, 1])
        value = self.node("Transpose", parts[2], perm=[0, 2, 1, 3])
        scores = self.node("Mul", self.node("MatMul", query, key), self.constant(width**-0.5))
        mixed = self.node("MatMul", self.node("Softmax", scores, axis=-1), value)
        self.operations += 2 * 2 * heads * count * keys * width
        mixed = self.node("Transpose", mixed, perm=[0, 2, 1, 3])
        mixed = self.node("Reshape", mixed, self.ints(1, count, size))
        return self.linear(mixed, count, size, size)


# ---------------------------------------------------------------- NAFNet


def _naf_block(net: Net, x: Map) -> Map:
    size = x.channels

    def gated(y: Map) -> Map:
        first, second = net.split(y.name, (size, size), 1)
        return Map(net.node("Mul", first, second), size, y.side)

    y = net.conv(net.channel_norm(x), 2 * size, 1)
    y = gated(net.conv(y, 2 * size, 3, groups=2 * size))
    pool = Map(net.node("GlobalAveragePool", y.name), size, 1)
    y = net.conv(net.on("Mul", y, net.conv(pool, size, 1).name), size, 1, gain=0.5)
    x = net.add(x, y)
    y = gated(net.conv(net.channel_norm(x), 2 * size, 1))
    return net.add(x, net.conv(y, size, 1, gain=0.5))


def _nafnet(net: Net, side: int, width: int) -> None:
    """Chen et al., Simple Baselines for Image Restoration, 2022, as trained on GoPro."""
    rgb = net.picture(3, side, free=True)
    x = net.conv(rgb, width)
    skips = []
    for count in (1, 1, 1, 28):
        for _ in range(count):
            x = _naf_block(net, x)
        skips.append(x)
        x = net.conv(x, 2 * x.channels, 2, stride=2, pad=0)
    x = _naf_block(net, x)
    for skip in reversed(skips):
        x = net.shuffled(net.conv(x, 2 * x.channels, 1), 2)
        x = _naf_block(net, net.add(x, skip))
    net.result(net.add(net.conv(x, 3), rgb).name)


# ---------------------------------------------------------------- DRUNet and SCUNet


def _drunet(net: Net, side: int) -> None:
    """Zhang et al., Plug-and-Play Image Restoration with Deep Denoiser Prior, 2021."""

    def blocks(x: Map) -> Map:
        for _ in range(4):
            y = net.on("Relu", net.conv(x, x.channels))
            x = net.add(x, net.conv(y, x.channels, gain=0.5))
        return x

    x = net.conv(net.picture(4, side, free=True), 64)
    skips = [x]
    for size in (128, 256, 512):
        x = net.conv(blocks(x), size, 2, stride=2, pad=0)
        skips.append(x)
    x = blocks(x)
    for size in (256, 128, 64):
        x = blocks(net.wider(net.add(x, skips.pop()), size))
    net.result(net.conv(net.add(x, skips.pop()), 3).name)


WINDOW = 8


def _swin_block(net: Net, x: Map, shifted: bool) -> Map:
    """Attention within windows of 8x8 and two dense layers, on tokens in rows."""
    size, side = x.channels, x.side
    per, count = WINDOW * WINDOW, (side // WINDOW) ** 2
    heads = size // 32
    picture = net.node("Transpose", x.name, perm=[0, 2, 3, 1])

    def rolled(name: str, by: int) -> str:
        for axis in (1, 2):
            first, second = net.split(name, (by, side - by), axis)
            name = net.node("Concat", second, first, axis=axis)
        return name

    y = net.token_norm(picture, size)
    y = rolled(y, WINDOW // 2) if shifted else y
    cut = net.ints(1, side // WINDOW, WINDOW, side // WINDOW, WINDOW, size)
    y = net.node("Transpose", net.node("Reshape", y, cut), perm=[0, 1, 3, 2, 4, 5])
    y = net.node("Reshape", y, net.ints(count, per, size))
    y = net.linear(y, count * per, size, 3 * size)
    y = net.node("Reshape", y, net.ints(count, per, 3, heads, 32))
    y = net.node("Transpose", y, perm=[2, 0, 3, 1, 4])
    query, key, value = (
        net.node("Squeeze", part, net.ints(0)) for part in net.split(y, (1, 1, 1), 0)
    )
    key = net.node("Transpose", key, perm=[0, 1, 3, 2])
    scores = net.node("Mul", net.node("MatMul", query, key), net.constant(32**-0.5))
    scores = net.node("Add", scores, net.weight(1, heads, per, per, gain=0.1))
    y = net.node("MatMul", net.node("Softmax", scores, axis=-1), value)
    net.operations += 2 * 2 * count * per * per * size
    y = net.node("Transpose", y, perm=[0, 2, 1, 3])
    y = net.node("Reshape", y, net.ints(count, per, size))
    y = net.linear(y, count * per, size, size, 0.5)
    back = net.ints(1, side // WINDOW, side // WINDOW, WINDOW, WINDOW, size)
    y = net.node("Transpose", net.node("Reshape", y, back), perm=[0, 1, 3, 2, 4, 5])
    y = net.node("Reshape", y, net.ints(1, side, side, size))
    y = rolled(y, side - WINDOW // 2) if shifted else y
    picture = net.node("Add", picture, y)
    y = net.linear(net.token_norm(picture, size), side * side, size, 4 * size)
    y = net.linear(net.gelu(y), side * side, 4 * size, size, 0.5)
    picture = net.node("Add", picture, y)
    return replace(x, name=net.node("Transpose", picture, perm=[0, 3, 1, 2]))


def _scunet(net: Net, side: int) -> None:
    """Zhang et al., Practical Blind Image Denoising via Swin-Conv-UNet, 2022."""

    def blocks(x: Map) -> Map:
        half = x.channels // 2
        for number in range(4):
            both = net.conv(x, x.channels, 1, gain=1.0)
            first, second = net.split(both.name, (half, half), 1)
            y = Map(first, half, x.side)
            y = net.add(y, net.conv(net.on("Relu", net.conv(y, half)), half, gain=0.5))
            z = _swin_block(net, Map(second, half, x.side), number % 2 == 1)
            x = net.add(x, net.conv(net.joined(y, z), x.channels, 1, gain=0.5))
        return x

    x = net.conv(net.picture(3, side, free=False), 64)
    skips = [x]
    for size in (128, 256, 512):
        x = net.conv(blocks(x), size, 2, stride=2, pad=0)
        skips.append(x)
    x = blocks(x)
    for size in (256, 128, 64):
        x = blocks(net.wider(net.add(x, skips.pop()), size))
    net.result(net.conv(net.add(x, skips.pop()), 3).name)


# ---------------------------------------------------------------- Real-ESRGAN


def _rrdb(net: Net, side: int) -> None:
    """Wang et al., ESRGAN, 2018: 23 blocks of dense 3x3 convolutions, fourfold."""
    features = net.conv(net.picture(3, side, free=True), 64)
    x = features
    for _ in range(23):
        block = x
        for _ in range(3):
            parts = [x]
            for _ in range(4):
                parts.append(net.leaky(net.conv(net.joined(*parts), 32)))
            x = net.add(x, net.scaled(net.conv(net.joined(*parts), 64), 0.2))
        x = net.add(block, net.scaled(x, 0.2))
    x = net.add(features, net.conv(x, 64))
    for _ in range(2):
        x = net.leaky(net.conv(net.resized(x, 2 * x.side, "nearest"), 64))
    net.result(net.conv(net.leaky(net.conv(x, 64)), 3).name)


def _srvgg(net: Net, side: int) -> None:
    """Wang et al., Real-ESRGAN's compact network: 3x3 convolutions in a row, fourfold."""
    rgb = net.picture(3, side, free=True)
    x = rgb
    for _ in range(33):
        x = net.conv(x, 64)
        x = net.on("PRelu", x, net.constant(np.full((64, 1, 1), 0.2)))
    x = net.shuffled(net.conv(x, 48), 4)
    net.result(net.add(x, net.resized(rgb, 4 * side, "nearest")).name)


# ---------------------------------------------------------------- GFPGAN


def _gfpgan(net: Net, side: int) -> None:
    """Wang et al., GFPGAN, 2021, version 1.4: a U-shaped guide and StyleGAN2's generator."""
    guide = {512: 32, 256: 64, 128: 128, 64: 256, 32: 256, 16: 256, 8: 256, 4: 256}
    style = {size: 2 * channels for size, channels in guide.items()}

    def block(x: Map, to: int, size: int) -> Map:
        y = net.leaky(net.conv(x, x.channels))
        y = net.leaky(net.conv(net.resized(y, size), to))
        return net.add(y, net.conv(net.resized(x, size), to, 1))

    x = net.leaky(net.conv(net.picture(3, side, free=False), guide[512], 1))
    skips = []
    for size in (256, 128, 64, 32, 16, 8, 4):
        x = block(x, guide[size], size)
        skips.append(x)
    x = net.leaky(net.conv(x, guide[4]))
    flat = net.node("Reshape", x.name, net.ints(1, -1))
    codes = net.linear(flat, 1, 16 * guide[4], 16 * 512)
    code = net.split(codes, (512,) * 16, 1)
    conditions = {}
    for size in (8, 16, 32, 64, 128, 256, 512):
        x = block(net.add(x, skips.pop()), guide[size], size)
        conditions[size] = [
            net.conv(net.leaky(net.conv(x, guide[size])), guide[size]) for _ in range(2)
        ]

    def modulated(x: Map, code: str, to: int, kernel: int, demodulated: bool = True) -> Map:
        # The weights depend on the face, so that they are computed anew in each run.
        change = net.node("Reshape", net.linear(code, 1, 512, x.channels), net.ints(1, -1, 1, 1))
        fan = x.channels * kernel**2
        weight = net.weight(to, x.channels, kernel, kernel, fan_in=fan)
        weight = net.node("Mul", weight, net.node("Add", change, net.constant(1.0)))
        if demodulated:
            square = net.node("Mul", weight, weight)
            total = net.node("ReduceSum", square, net.ints(1, 2, 3), keepdims=1)
            length = net.node("Sqrt", net.node("Add", total, net.constant(1e-8)))
            weight = net.node("Div", weight, length)
        net.operations += 2 * to * fan * x.tokens
        pads = [kernel // 2] * 4
        name = net.node("Conv", x.name, weight, kernel_shape=[kernel, kernel], pads=pads)
        return Map(name, to, x.side)

    def styled(x: Map, number: int, to: int) -> Map:
        x = net.scaled(modulated(x, code[number], to, 3), math.sqrt(2))
        noise = net.constant(np.resize(_DRAWN, (1, 1, x.side, x.side)) * np.float32(0.1))
        x = net.on("Add", x, noise)
        return net.leaky(net.on("Add", x, net.weight(1, to, 1, 1, gain=0.1)))

    x = Map(net.weight(1, style[4], 4, 4, fan_in=1), style[4], 4)
    x = styled(x, 0, style[4])
    rgb = modulated(x, code[1], 3, 1, demodulated=False)
    for index, size in enumerate((8, 16, 32, 64, 128, 256, 512)):
        x = styled(net.resized(x, size), 2 * index + 1, style[size])
        scale, shift = conditions[size]
        kept, guided = net.split(x.name, (style[size] // 2,) * 2, 1)
        guided = net.node("Add", net.node("Mul", guided, scale.name), shift.name)
        x = replace(x, name=net.node("Concat", kept, guided, axis=1))
        x = styled(x, 2 * index + 2, style[size])
        shown = modulated(x, code[min(15, 2 * index + 3)], 3, 1, demodulated=False)
        rgb = net.add(shown, net.resized(rgb, size))
    net.result(rgb.name)


# ---------------------------------------------------------------- DDColor


def _convnext(net: Net, rgb: Map, depths: Sequence[int], sizes: Sequence[int]) -> list[Map]:
    x, levels = rgb, []
    for number, (depth, size) in enumerate(zip(depths, sizes, strict=True)):
        if number:
            x = net.channel_norm(x)
        x = net.conv(x, size, 2 if number else 4, stride=2 if number else 4, pad=0)
        if not number:
            x = net.channel_norm(x)
        for _ in range(depth):
            y = net.conv(x, size, 7, groups=size)
            rows = net.node("Transpose", y.name, perm=[0, 2, 3, 1])
            rows = net.linear(net.token_norm(rows, size), x.tokens, size, 4 * size)
            rows = net.linear(net.gelu(rows), x.tokens, 4 * size, size, 0.3)
            x = net.on("Add", x, net.node("Transpose", rows, perm=[0, 3, 1, 2]))
        levels.append(net.channel_norm(x))
    return levels


def _ddcolor(net: Net, side: int, depths: Sequence[int], sizes: Sequence[int]) -> None:
    """Kang et al., DDColor, 2023: ConvNeXt, a decoder of pixels, one of colours (100 queries)."""
    levels = _convnext(net, net.picture(3, side, free=False), depths, sizes)
    x, scales = levels[3], []
    for skip, to in ((levels[2], 512), (levels[1], 512), (levels[0], 256)):
        x = net.on("Relu", net.shuffled(net.conv(x, 4 * to, 1), 2))
        x = net.on("Relu", net.conv(net.joined(x, skip), to))
        scales.append(x)
    picture = net.shuffled(net.conv(x, 256 * 16, 1), 4)
    count, size = 100, 256
    memories = []
    for level in scales:
        reduced = net.conv(level, size, 1) if level.channels != size else level
        memories.append((net.tokens(reduced), level.tokens))
    queries = net.weight(1, count, size, fan_in=1)
    for number in range(9):
        memory, keys = memories[number % 3]
        y = net.attention(queries, count, size, 8, memory, keys, size)
        queries = net.token_norm(net.node("Add", queries, y), size)
        y = net.attention(queries, count, size, 8, queries, count, size)
        queries = net.token_norm(net.node("Add", queries, y), size)
        y = net.node("Relu", net.linear(queries, count, size, 2048))
        y = net.node("Add", queries, net.linear(y, count, 2048, size))
        queries = net.token_norm(y, size)
    flat = net.node("Reshape", picture.name, net.ints(1, size, picture.tokens))
    net.operations += 2 * count * size * picture.tokens
    colours = net.node("MatMul", queries, flat)
    shape = net.ints(1, count, picture.side, picture.side)
    colours = Map(net.node("Reshape", colours, shape), count, picture.side)
    net.result(net.conv(net.joined(colours, Map("x", 3, side)), 2, 1).name)


# ---------------------------------------------------------------- IS-Net


def _rsu(net: Net, x: Map, height: int, middle: int, to: int) -> Map:
    """A U within the U: ``height`` scales, and 4 dilations instead where it is 0."""

    def layer(y: Map, size: int, dilation: int = 1) -> Map:
        return net.on("Relu", net.conv(y, size, dilation=dilation))

    first = layer(x, to)
    downs = [layer(first, middle)]
    if not height:
        for dilation in (2, 4):
            downs.append(layer(downs[-1], middle, dilation))
        y = layer(downs[-1], middle, 8)
        for dilation in (4, 2):
            y = layer(net.joined(y, downs.pop()), middle, dilation)
        return net.add(layer(net.joined(y, downs.pop()), to), first)
    for _ in range(height - 2):
        downs.append(layer(net.pooled(downs[-1]), middle))
    y = layer(downs[-1], middle, 2)
    while downs:
        skip = downs.pop()
        y = net.resized(y, skip.side) if y.side != skip.side else y
        y = layer(net.joined(y, skip), middle if downs else to)
    return net.add(y, first)


def _isnet(net: Net, side: int) -> None:
    """Qin et al., Highly Accurate Dichotomous Image Segmentation, 2022."""
    x = net.conv(net.picture(3, side, free=False), 64, stride=2)
    downs = []
    for height, middle, to in (
        (7, 32, 64),
        (6, 32, 128),
        (5, 64, 256),
        (4, 128, 512),
        (0, 256, 512),
    ):
        x = _rsu(net, x, height, middle, to)
        downs.append(x)
        x = net.pooled(x)
    x = _rsu(net, x, 0, 256, 512)
    sides = [x]
    for height, middle, to in (
        (0, 256, 512),
        (4, 128, 256),
        (5, 64, 128),
        (6, 32, 64),
        (7, 16, 64),
    ):
        skip = downs.pop()
        x = _rsu(net, net.joined(net.resized(x, skip.side), skip), height, middle, to)
        sides.append(x)
    for y in sides:
        net.result(net.on("Sigmoid", net.resized(net.conv(y, 1), side)).name)


# ---------------------------------------------------------------- Stable Diffusion's UNet


def _sd_unet(net: Net, side: int) -> None:
    """Rombach et al., Latent Diffusion, 2022, the UNet of version 2.1 that SD-Turbo has."""
    sizes, words, word_size = (320, 640, 1280, 1280), 77, 1024
    x = net.picture(4, side, free=False, name="sample")
    shape = [1, words, word_size]
    net.inputs.append(helper.make_tensor_value_info("words", TensorProto.FLOAT, shape))
    step = net.weight(1, 1280, fan_in=1)

    def residual(x: Map, to: int) -> Map:
        y = net.conv(net.silu(net.group_norm(x)), to)
        moment = net.node("Reshape", net.linear(step, 1, 1280, to), net.ints(1, to, 1, 1))
        y = net.on("Add", y, moment)
        y = net.conv(net.silu(net.group_norm(y)), to, gain=0.5)
        return net.add(y, x if x.channels == to else net.conv(x, to, 1))

    def transformer(x: Map) -> Map:
        size, count = x.channels, x.tokens
        rows = net.linear(net.tokens(net.group_norm(x)), count, size, size)
        for memory, keys, key_size in (("", count, size), ("words", words, word_size)):
            y = net.token_norm(rows, size)
            y = net.attention(y, count, size, size // 64, memory or y, keys, key_size)
            rows = net.node("Add", rows, y)
        y = net.linear(net.token_norm(rows, size), count, size, 8 * size)
        first, second = net.split(y, (4 * size, 4 * size), 2)
        y = net.linear(net.node("Mul", first, net.gelu(second)), count, 4 * size, size, 0.5)
        rows = net.linear(net.node("Add", rows, y), count, size, size, 0.5)
        return net.add(x, net.from_tokens(rows, size, x.side))

    x = net.conv(x, sizes[0])
    skips = [x]
    for number, size in enumerate(sizes):
        for _ in range(2):
            x = residual(x, size)
            x = transformer(x) if number < 3 else x
            skips.append(x)
        if number < 3:
            x = net.conv(x, size, stride=2)
            skips.append(x)
    x = residual(transformer(residual(x, 1280)), 1280)
    for number, size in enumerate(reversed(sizes)):
        for _ in range(3):
            x = residual(net.joined(x, skips.pop()), size)
            x = transformer(x) if number else x
        if number < 3:
            x = net.conv(net.resized(x, 2 * x.side, "nearest"), size)
    net.result(net.conv(net.silu(net.group_norm(x)), 4).name)


TWINS: dict[str, Twin] = {
    "NAFNet, width 64": Twin(
        "nafnet-gopro-opencv", 512, lambda net, side: _nafnet(net, side, 64), tiled=True
    ),
    "NAFNet, width 32": Twin(
        "nafnet-gopro-opencv", 512, lambda net, side: _nafnet(net, side, 32), tiled=True
    ),
    "DRUNet": Twin("drunet-color", 512, _drunet, tiled=True),
    "SCUNet": Twin("scunet-real-psnr", 512, _scunet, tiled=True),
    "Real-ESRGAN x4plus": Twin("realesrgan-x4plus", 256, _rrdb, tiled=True),
    "realesr-general-x4v3": Twin("realesr-general-x4v3", 256, _srvgg, tiled=True),
    "GFPGAN 1.4": Twin("gfpgan-1.4-facefusion", 512, _gfpgan),
    "DDColor tiny": Twin(
        "ddcolor-tiny-fp16",
        512,
        lambda net, side: _ddcolor(net, side, (3, 3, 9, 3), (96, 192, 384, 768)),
    ),
    "DDColor": Twin(
        "ddcolor-artistic-facefusion",
        512,
        lambda net, side: _ddcolor(net, side, (3, 3, 27, 3), (192, 384, 768, 1536)),
    ),
    "IS-Net": Twin("isnet-general-fp16", 1024, _isnet),
    "SD-Turbo's UNet": Twin("sd-turbo-ort-web", 64, _sd_unet, half=True),
}


@dataclass(frozen=True)
class Written:
    """A twin on the disk: billions of operations at ``side``, parameters, bytes of all files."""

    path: Path
    side: int
    gflop: float
    parameters: int
    size: int

    @property
    def gflop_per_megapixel(self) -> float:
        """Of a network that takes pictures of any size."""
        return self.gflop / (self.side**2 / 1e6)


def write(name: str, folder: Path, side: int | None = None) -> Written:
    """Build the twin ``name`` for ``side`` (default: its card's size) into ``folder``."""
    twin = TWINS[name]
    side = side or twin.side
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "model.onnx"
    data = folder / "model.onnx.data"
    with data.open("wb") as file:
        # Only the largest needs its weights beside it.
        net = Net(file if twin.half else None, twin.half)
        twin.build(net, side)
    graph = helper.make_graph(net.nodes, "twin", net.inputs, net.outputs, net.initializers)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION
    )
    path.write_bytes(model.SerializeToString())
    if not data.stat().st_size:
        data.unlink()
    size = sum(file.stat().st_size for file in (path, data) if file.exists())
    return Written(path, side, net.operations / 1e9, net.parameters, size)


def main() -> int:
    """Write the twins and print what they cost."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(TWINS))
    given = parser.parse_args()
    for name in given.names or TWINS:
        made = write(name, given.folder / name.replace(" ", "-"))
        share = f" ({made.gflop_per_megapixel:.0f} per MP)" if TWINS[name].tiled else ""
        print(
            f"{name}: {made.gflop:.1f} GFLOP at {made.side}x{made.side}{share}, "
            f"{made.parameters / 1e6:.1f} M parameters, {made.size / 1e6:.0f} MB"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
