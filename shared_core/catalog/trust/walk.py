"""The walk through an ONNX file's graph, its subgraphs and its functions, within limits.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Standard library
only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from math import prod

from shared_core.bridge.language import _

from .external_data import ExternalData
from .protobuf import BYTES, VARINT, Field, Malformed, Reader, signed
from .tensors import DTYPES, MAX_RANK, Tensor, count_of, expect, read_sparse, read_tensor

# The largest export that is known to be useful here (a UNet of 0.9 thousand million weights) has
# some 10,000; onnxruntime needs seconds to minutes for the tenfold.
MAX_NODES = 100_000
# A node seldom has more than one stored tensor.
MAX_TENSORS = 200_000
# Exports of loops and conditions nest two or three deep; each level costs onnxruntime stack.
MAX_DEPTH = 16
# Text encoders with all their states have about fifty.
MAX_INPUTS_AND_OUTPUTS = 1000
# Every layer of a network may come as a function of its own.
MAX_FUNCTIONS = 10_000
MAX_CALLS_DEEP = 64
# A picture of 8192 by 8192 pixels with 4 channels in float32, as large as any input or output.
MAX_VALUE_BYTES = 1 << 30
# The models that this program is for have up to 3.5 GB; each weight is in memory up to three times.
MAX_WEIGHTS_BYTES = 16 << 30
# Lists, maps and options of values; pictures come as tensors.
MAX_TYPE_DEPTH = 8
MAX_METADATA = 10_000
MAX_TEXT = 4096
# onnx has reached about thirty of each.
_MAX_VERSION = 1000

STANDARD = ""
# What onnxruntime's processor build has kernels for. Its own domains occur in optimised exports.
DOMAINS = frozenset({STANDARD, "ai.onnx.ml", "com.microsoft", "com.microsoft.nchwc"})
TRAINING = frozenset({"ai.onnx.training", "ai.onnx.preview.training"})
# Holds a program that was compiled for one device, or the path of one.
_COMPILED = frozenset({("com.microsoft", "EPContext")})
# Operators whose result is as large as the numbers of one input say, by the place of this input.
_SHAPED_BY_INPUT = {"ConstantOfShape": 0, "Expand": 1}
_SHAPED_BY_ATTRIBUTE = frozenset({"RandomNormal", "RandomUniform"})
_FIRST_INPUTS = max(_SHAPED_BY_INPUT.values()) + 1
_STANDARD_ONLY = _("export it with ONNX's own operators")
# Fields of AttributeProto that hold messages, and those of them that may be there once.
_HOLDERS = frozenset({5, 6, 10, 11, 14, 15, 22, 23})
_SINGLE = frozenset({5, 6, 14, 22})
_TOO_MANY_VALUES = _(
    "it has more than {most} inputs and outputs",
    most=MAX_INPUTS_AND_OUTPUTS,
)

Operator = tuple[str, str]
Called = tuple[str, str, str]


@dataclass(frozen=True)
class Value:
    """An input or output: its element type as numpy calls it, and its shape.

    ``dtype`` is "" for what is no tensor. A side is a number where it is fixed, a word where it
    has a name, else None; ``shape`` is None where not even the rank is said.
    """

    name: str
    dtype: str
    shape: tuple[int | str | None, ...] | None


@dataclass
class _Body:
    """The nodes of the main graph or of a function, those of its subgraphs included."""

    nodes: int = 0
    calls: Counter[Called] = field(default_factory=Counter)


class Walk:
    """One walk through the model in ``reader``; what it found stands in the attributes."""

    def __init__(self, reader: Reader, beside: ExternalData) -> None:
        self.inputs: list[Value] = []
        self.outputs: list[Value] = []
        self.opsets: dict[str, int] = {}
        self.operators: Counter[Operator] = Counter()
        self.functions: dict[Called, _Body] = {}
        self.nodes = 0
        self.depth = 0
        self.weights_bytes = 0
        self.largest = ("", 0)
        self.metadata: dict[str, str] = {}
        self.producer = ["", ""]
        self.ir_version = 0
        self._reader = reader
        self._beside = beside
        self._tensors = 0
        self._seen_nodes = 0
        self._shapes: dict[str, tuple[int, ...]] = {}
        self._shaped: list[tuple[str, str]] = []

    def model(self, size: int) -> None:
        """Walk the whole file of ``size`` bytes. Raises ``Malformed`` for what is not allowed."""
        reader = self._reader
        main: _Body | None = None
        for part in reader.fields(0, size):
            number = part.number
            if number == 1:
                expect(part, VARINT)
                self.ir_version = part.value
            elif number in (2, 3):
                expect(part, BYTES)
                self.producer[number - 2] = self._cut(part)
            elif number == 7:
                expect(part, BYTES)
                if main is not None:
                    raise Malformed(_("it has two graphs"))
                main = _Body()
                self._graph(part, main, 0)
            elif number == 8:
                expect(part, BYTES)
                self._opset(part)
            elif number == 14:
                expect(part, BYTES)
                self._metadata(part)
            elif number == 20:
                raise Malformed(_("it is a model for training, not for use"))
            elif number == 25:
                expect(part, BYTES)
                self._function(part)
        if main is None:
            raise Malformed(_("it is no ONNX model (it has no graph)"))
        if not self.opsets or not 0 < self.ir_version <= _MAX_VERSION:
            raise Malformed(_("it is no ONNX model (it does not say which version of ONNX it is)"))
        if not main.nodes or not self.outputs:
            raise Malformed(_("it computes nothing"))
        self._check_calls(main)
        self._check_shapes()

    # ------------------------------------------------------------ the parts of a model

    def _opset(self, whole: Field) -> None:
        domain, version = STANDARD, 0
        for part in self._reader.fields(whole.start, whole.end):
            if part.number == 1:
                domain = self._name(part)
            elif part.number == 2:
                expect(part, VARINT)
                version = signed(part.value)
        domain = _plain(domain)
        if not 0 < version <= _MAX_VERSION or len(self.opsets) > MAX_FUNCTIONS:
            raise Malformed(
                _(
                    "it wants version {version} of the operators {domain}",
                    version=version,
                    domain=repr(domain),
                )
            )
        if self.opsets.setdefault(domain, version) != version:
            raise Malformed(
                _("it wants two versions of the operators {domain}", domain=repr(domain))
            )

    def _metadata(self, whole: Field) -> None:
        key = value = ""
        for part in self._reader.fields(whole.start, whole.end):
            if part.number in (1, 2):
                expect(part, BYTES)
                text = self._cut(part)
                key, value = (text, value) if part.number == 1 else (key, text)
        if len(self.metadata) == MAX_METADATA:
            raise Malformed(_("it has more than {most:,} notes", most=MAX_METADATA))
        self.metadata[key] = value

    def _function(self, whole: Field) -> None:
        name = domain = overload = ""
        body = _Body()
        for part in self._reader.fields(whole.start, whole.end):
            number = part.number
            if number == 1:
                name = self._name(part)
            elif number == 10:
                domain = _plain(self._name(part))
            elif number == 13:
                overload = self._name(part)
            elif number == 7:
                expect(part, BYTES)
                self._node(part, body, 0)
            elif number == 11:
                expect(part, BYTES)
                self._attribute(part, body, 0)
            elif number == 12:
                expect(part, BYTES)
                self._value(part, MAX_WEIGHTS_BYTES)
        called = (domain, name, overload)
        if not name or called in self.functions:
            raise Malformed(
                _("it has two functions {name}, or one without a name", name=repr(name))
            )
        if len(self.functions) == MAX_FUNCTIONS:
            raise Malformed(_("it has more than {most:,} functions", most=MAX_FUNCTIONS))
        self.functions[called] = body

    def _graph(self, whole: Field, body: _Body, depth: int) -> None:
        if depth > MAX_DEPTH:
            raise Malformed(_("its graphs lie more than {most} deep in each other", most=MAX_DEPTH))
        self.depth = max(self.depth, depth)
        made: set[str] = set()
        stored: set[str] = set()
        inputs: list[Value] = []
        outputs: list[Value] = []
        for part in self._reader.fields(whole.start, whole.end):
            number = part.number
            if number not in (1, 5, 11, 12, 13, 15):
                continue
            expect(part, BYTES)
            if number == 1:
                for name in self._node(part, body, depth):
                    _once(name, made, _two_values)
            elif number == 5:
                tensor = self._tensor(part)
                if not tensor.name:
                    raise Malformed(_("it has a stored tensor without a name"))
                _once(tensor.name, stored, _two_tensors)
            elif number == 15:
                dense = self._sparse(part)
                _once(dense.name, stored, _two_tensors)
            elif number == 11:
                inputs.append(self._value(part, MAX_VALUE_BYTES))
            elif number == 12:
                outputs.append(self._value(part, MAX_VALUE_BYTES))
            elif number == 13:
                self._value(part, MAX_WEIGHTS_BYTES)
            if len(inputs) + len(outputs) > MAX_TENSORS:
                raise Malformed(_TOO_MANY_VALUES)
        if depth:
            return
        # Old exports name every stored tensor as an input, too.
        self.inputs = [value for value in inputs if value.name not in stored]
        self.outputs = outputs
        if len(self.inputs) + len(outputs) > MAX_INPUTS_AND_OUTPUTS:
            raise Malformed(_TOO_MANY_VALUES)
        _all_named(inputs, _("it has an input without a name"), _two_inputs)
        _all_named(outputs, _("it has an output without a name"), _two_outputs)

    def _node(self, whole: Field, body: _Body, depth: int) -> list[str]:
        """Walk one node; the names of its outputs."""
        self._seen_nodes += 1
        if self._seen_nodes > MAX_NODES:
            raise Malformed(_("it has more than {most:,} nodes", most=MAX_NODES))
        kind = domain = overload = ""
        inputs: list[Field] = []
        outputs: list[str] = []
        told: dict[str, tuple[int, ...]] = {}
        for part in self._reader.fields(whole.start, whole.end):
            number = part.number
            if number == 1:
                expect(part, BYTES)
                if len(inputs) < _FIRST_INPUTS:
                    inputs.append(part)
            elif number == 2:
                if name := self._name(part):
                    outputs.append(name)
            elif number == 4:
                kind = self._name(part)
            elif number == 5:
                expect(part, BYTES)
                name, numbers = self._attribute(part, body, depth)
                if numbers is not None:
                    told[name] = numbers
            elif number == 7:
                domain = _plain(self._name(part))
            elif number == 8:
                overload = self._name(part)
        if not kind:
            raise Malformed(_("it has a node without an operator"))
        body.nodes += 1
        body.calls[domain, kind, overload] += 1
        self.operators[domain, kind] += 1
        if domain == STANDARD:
            self._note_shapes(kind, inputs, outputs, told)
        return outputs

    def _note_shapes(
        self,
        kind: str,
        inputs: list[Field],
        outputs: list[str],
        told: dict[str, tuple[int, ...]],
    ) -> None:
        """Remember what is a shape, and what is made in a shape."""
        if kind == "Constant" and outputs:
            for numbers in told.values():
                self._shapes[outputs[0]] = numbers
        elif kind in _SHAPED_BY_ATTRIBUTE:
            _check_shape(kind, told.get("shape", ()))
        elif (place := _SHAPED_BY_INPUT.get(kind)) is not None and place < len(inputs):
            self._shaped.append((kind, self._name(inputs[place])))

    def _attribute(
        self, whole: Field, body: _Body, depth: int
    ) -> tuple[str, tuple[int, ...] | None]:
        """Walk one attribute; its name, and its value where this is a short list of integers."""
        name = ""
        numbers: tuple[int, ...] | None = None
        single: set[int] = set()
        for part in self._reader.fields(whole.start, whole.end):
            number = part.number
            if number == 1:
                name = self._name(part)
                continue
            if number == 8:
                short = part.kind == BYTES and part.end - part.start <= MAX_RANK
                if part.kind == VARINT or short:
                    more = [part.value]
                    if short:
                        more = self._reader.varints(part.start, part.end, MAX_RANK)
                    numbers = (*(numbers or ())[:MAX_RANK], *map(signed, more))
                continue
            if number not in _HOLDERS:
                continue
            expect(part, BYTES)
            if number in _SINGLE:
                # protobuf would make one of two, and we would not.
                if number in single:
                    raise Malformed(
                        _("it has an attribute {name} with two values", name=repr(name))
                    )
                single.add(number)
            if number in (5, 10):
                numbers = self._tensor(part).numbers
            elif number in (6, 11):
                self._graph(part, body, depth + 1)
            elif number in (22, 23):
                self._sparse(part)
            else:
                self._type(part, MAX_WEIGHTS_BYTES, 0)
        return name, numbers

    def _tensor(self, whole: Field) -> Tensor:
        tensor = read_tensor(self._reader, whole.start, whole.end)
        self._keep(tensor)
        if tensor.numbers is not None and tensor.name:
            self._shapes[tensor.name] = tensor.numbers
        return tensor

    def _sparse(self, whole: Field) -> Tensor:
        dense, parts = read_sparse(self._reader, whole.start, whole.end)
        for part in parts:
            self._keep(part)
        # A runtime makes it dense.
        self._keep(dense)
        if not dense.name:
            raise Malformed(_("it has a sparse tensor without a name"))
        return dense

    def _keep(self, tensor: Tensor) -> None:
        """Count a tensor, and note where its data is."""
        self._tensors += 1
        self.weights_bytes += tensor.nbytes
        if self._tensors > MAX_TENSORS:
            raise Malformed(_("it has more than {most:,} stored tensors", most=MAX_TENSORS))
        if self.weights_bytes > MAX_WEIGHTS_BYTES:
            raise Malformed(
                _(
                    "its stored tensors take more than {most} GiB",
                    most=MAX_WEIGHTS_BYTES >> 30,
                )
            )
        if tensor.nbytes > self.largest[1]:
            self.largest = (tensor.name, tensor.nbytes)
        if tensor.external:
            self._beside.take(
                _("tensor {name}", name=repr(tensor.name)), tensor.external, tensor.nbytes
            )

    def _value(self, whole: Field, most: int) -> Value:
        """A ValueInfoProto, whose tensor may have ``most`` bytes where its sides are fixed."""
        name, dtype = "", ""
        shape: tuple[int | str | None, ...] | None = None
        for part in self._reader.fields(whole.start, whole.end):
            if part.number == 1:
                name = self._name(part)
            elif part.number == 2:
                expect(part, BYTES)
                dtype, shape = self._type(part, most, 0)
        return Value(name, dtype, shape)

    def _type(
        self, whole: Field, most: int, depth: int
    ) -> tuple[str, tuple[int | str | None, ...] | None]:
        """A TypeProto: the tensor's type and shape, "" and None for what is no tensor."""
        if depth > MAX_TYPE_DEPTH:
            raise Malformed(
                _(
                    "its types lie more than {most} deep in each other",
                    most=MAX_TYPE_DEPTH,
                )
            )
        dtype = ""
        shape: tuple[int | str | None, ...] | None = None
        for part in self._reader.fields(whole.start, whole.end):
            if part.number not in (1, 4, 5, 8, 9):
                continue
            expect(part, BYTES)
            dtype, shape = "", None
            for inner in self._reader.fields(part.start, part.end):
                if part.number in (1, 8) and inner.number == 1:
                    expect(inner, VARINT)
                    dtype = DTYPES.get(inner.value, ("", 0))[0]
                elif part.number in (1, 8) and inner.number == 2:
                    expect(inner, BYTES)
                    shape = self._shape(inner)
                elif inner.kind == BYTES and part.number not in (1, 8):
                    self._type(inner, most, depth + 1)
            if part.number == 8:
                dtype, shape = "", None
            fixed = tuple(side for side in shape or () if isinstance(side, int))
            count_of(fixed, 8, most, _("a value"))
        return dtype, shape

    def _shape(self, whole: Field) -> tuple[int | str | None, ...]:
        sides: list[int | str | None] = []
        for part in self._reader.fields(whole.start, whole.end):
            if part.number != 1:
                continue
            expect(part, BYTES)
            side: int | str | None = None
            for inner in self._reader.fields(part.start, part.end):
                if inner.number == 1:
                    expect(inner, VARINT)
                    number = signed(inner.value)
                    # Some exports write -1 where they mean any size.
                    side = number if number >= 0 else None
                elif inner.number == 2:
                    side = self._name(inner) or None
            sides.append(side)
            if len(sides) > MAX_RANK:
                raise Malformed(_("it has a value of more than {most} dimensions", most=MAX_RANK))
        return tuple(sides)

    def _name(self, part: Field) -> str:
        expect(part, BYTES)
        return self._reader.text(part.start, part.end)

    def _cut(self, part: Field) -> str:
        """A text for people, of any length."""
        data = self._reader.bytes(part.start, min(part.end, part.start + MAX_TEXT))
        return data.decode("utf-8", "replace")

    # ------------------------------------------------------------ what the parts say together

    def _check_calls(self, main: _Body) -> None:
        """Every operator is a known one or a function, and the functions come to an end."""
        for body in (main, *self.functions.values()):
            for domain, kind, overload in body.calls:
                if (domain, kind, overload) not in self.functions:
                    _check_operator(domain, kind)
        sizes: dict[Called, int] = {}

        def size(body: _Body, deep: int) -> int:
            """The nodes of ``body`` with every call replaced by the function's own."""
            if deep > MAX_CALLS_DEEP:
                raise Malformed(
                    _(
                        "its functions call each other more than {most} deep, or in a circle",
                        most=MAX_CALLS_DEEP,
                    )
                )
            total = body.nodes
            for called, times in body.calls.items():
                if called in self.functions:
                    if called not in sizes:
                        sizes[called] = size(self.functions[called], deep + 1)
                    total += times * sizes[called]
            if total > MAX_NODES:
                raise Malformed(
                    _(
                        "it has more than {most:,} nodes with those of its functions",
                        most=MAX_NODES,
                    )
                )
            return total

        self.nodes = size(main, 0)

    def _check_shapes(self) -> None:
        for kind, name in self._shaped:
            _check_shape(kind, self._shapes.get(name, ()))


def _check_shape(kind: str, sides: tuple[int, ...]) -> None:
    count = prod(abs(side) for side in sides)
    if 4 * count > MAX_VALUE_BYTES:
        raise Malformed(
            _(
                "its operator {kind} makes {count:,} values, more than a picture has",
                kind=kind,
                count=count,
            )
        )


def _check_operator(domain: str, kind: str) -> None:
    if (domain, kind) in _COMPILED:
        raise Malformed(_("it holds a program compiled for one device"), _STANDARD_ONLY)
    if domain in TRAINING:
        raise Malformed(_("it uses {kind}, which is for training", kind=repr(kind)), _STANDARD_ONLY)
    if domain not in DOMAINS:
        raise Malformed(
            _(
                "it uses the operator {kind} of {domain}, which onnxruntime does not have of "
                "its own",
                kind=repr(kind),
                domain=repr(domain),
            ),
            _STANDARD_ONLY,
        )


def _plain(domain: str) -> str:
    return STANDARD if domain == "ai.onnx" else domain


def _all_named(values: list[Value], unnamed: str, twice: Callable[[str], str]) -> None:
    names: set[str] = set()
    for value in values:
        if not value.name:
            raise Malformed(unnamed)
        _once(value.name, names, twice)


def _once(name: str, names: set[str], twice: Callable[[str], str]) -> None:
    if name in names:
        raise Malformed(twice(repr(name[:100])))
    names.add(name)


def _two_values(name: str) -> str:
    return _("it has two values of the name {name}", name=name)


def _two_tensors(name: str) -> str:
    return _("it has two stored tensors of the name {name}", name=name)


def _two_inputs(name: str) -> str:
    return _("it has two inputs of the name {name}", name=name)


def _two_outputs(name: str) -> str:
    return _("it has two outputs of the name {name}", name=name)
