"""The tensors stored in an ONNX file: what they claim to hold, and whether it is there.

Field numbers are those of https://github.com/onnx/onnx/blob/main/onnx/onnx.proto. Weights are
skipped by their length. Standard library only.
"""

from __future__ import annotations

from dataclasses import dataclass

from shared_core.bridge.language import _

from .protobuf import BYTES, VARINT, Field, Malformed, Reader, signed

# The largest single tensor of the models that this program is for has 0.2 GB, of a language model
# some 2; larger ones are claimed to have memory taken for them.
MAX_TENSOR_BYTES = 4 << 30
# onnx's own operators work on up to eight dimensions.
MAX_RANK = 32
# A shape that is stored as a tensor, each number of at most ten bytes.
_SHAPE_BYTES = 10 * MAX_RANK

STRING = 8
# Name and bits of an element, by TensorProto.DataType.
DTYPES: dict[int, tuple[str, int]] = {
    1: ("float32", 32),
    2: ("uint8", 8),
    3: ("int8", 8),
    4: ("uint16", 16),
    5: ("int16", 16),
    6: ("int32", 32),
    7: ("int64", 64),
    STRING: ("string", 0),
    9: ("bool", 8),
    10: ("float16", 16),
    11: ("float64", 64),
    12: ("uint32", 32),
    13: ("uint64", 64),
    14: ("complex64", 64),
    15: ("complex128", 128),
    16: ("bfloat16", 16),
    17: ("float8e4m3fn", 8),
    18: ("float8e4m3fnuz", 8),
    19: ("float8e5m2", 8),
    20: ("float8e5m2fnuz", 8),
    21: ("uint4", 4),
    22: ("int4", 4),
    23: ("float4e2m1", 4),
    24: ("float8e8m0", 8),
    25: ("uint2", 2),
    26: ("int2", 2),
}
_INT64 = 7
# TensorProto's typed fields, and the bytes of one number where these are fixed.
_INT64_DATA = 7
_TYPED = {4: 4, 5: 0, _INT64_DATA: 0, 10: 8, 11: 0}
_RAW, _STRINGS = 9, 6


@dataclass(frozen=True)
class Tensor:
    """A stored tensor: its type as in ``DTYPES``, its bytes as an array, and where they are.

    ``external`` holds the entries of data in another file, in their order. ``numbers`` are the
    values of a short list of int64, else None.
    """

    name: str
    dtype: int
    dims: tuple[int, ...]
    nbytes: int
    external: tuple[tuple[str, str], ...] = ()
    numbers: tuple[int, ...] | None = None


def expect(field: Field, kind: int) -> None:
    """Raise ``Malformed`` unless the field is of this kind."""
    if field.kind != kind:
        raise Malformed(_("it is damaged (a field of the wrong kind)"))


def count_of(dims: tuple[int, ...], bits: int, most: int, what: str) -> int:
    """The elements of a tensor of ``dims``; ``Malformed`` where they take over ``most`` bytes."""
    count = 1
    for side in dims:
        if side < 0:
            raise Malformed(_("{what} has a negative size", what=what))
        count *= side
    # Only now, since a size of 0 makes the others harmless.
    if count * max(bits, 8) > 8 * most:
        raise Malformed(
            _(
                "{what} claims {count:,} elements, more than {most:,} MiB",
                what=what,
                count=count,
                most=most >> 20,
            )
        )
    return count


def read_tensor(reader: Reader, start: int, end: int) -> Tensor:
    """The TensorProto from ``start`` to ``end``, its values skipped.

    Raises ``Malformed`` where it claims more than is stored, or what is too large.
    """
    name, dtype, location = "", 0, 0
    dims: list[int] = []
    external: list[tuple[str, str]] = []
    raw: Field | None = None
    typed: dict[int, int] = {}
    numbers: list[int] = []
    strings = 0
    for field in reader.fields(start, end):
        number = field.number
        if number == 1:
            dims += _numbers(reader, field, MAX_RANK)
            if len(dims) > MAX_RANK:
                raise Malformed(_("it has a tensor of more than {most} dimensions", most=MAX_RANK))
        elif number == 2:
            expect(field, VARINT)
            dtype = field.value
        elif number == 3:
            raise Malformed(_("it has a tensor in segments, which no runtime reads"))
        elif number in _TYPED:
            typed[number] = typed.get(number, 0) + field.end - field.start
            if number == _INT64_DATA and typed[number] <= _SHAPE_BYTES:
                numbers += _numbers(reader, field, _SHAPE_BYTES)
        elif number == _STRINGS:
            expect(field, BYTES)
            strings += 1
        elif number == 8:
            expect(field, BYTES)
            name = reader.text(field.start, field.end)
        elif number == _RAW:
            expect(field, BYTES)
            raw = field
        elif number == 13:
            expect(field, BYTES)
            external.append(read_entry(reader, field))
            if len(external) > 16:
                raise Malformed(_("it has a tensor with too much said of its external data"))
        elif number == 14:
            expect(field, VARINT)
            location = field.value
    what = _("tensor {name}", name=repr(name)) if name else _("a tensor")
    if dtype not in DTYPES:
        raise Malformed(_("{what} is of an unknown type ({dtype})", what=what, dtype=dtype))
    if location not in (0, 1) or (location == 1 and not external):
        raise Malformed(_("{what} does not say where its data is", what=what))
    bits = DTYPES[dtype][1]
    shape = tuple(map(signed, dims))
    count = count_of(shape, bits, MAX_TENSOR_BYTES, what)
    nbytes = (count * bits + 7) // 8
    _check_stored(what, dtype, count, nbytes, raw, typed, strings, bool(external))
    values: tuple[int, ...] | None = None
    if dtype == _INT64 and count <= MAX_RANK and not external:
        if raw is not None:
            data = reader.bytes(raw.start, raw.end)
            values = tuple(
                int.from_bytes(data[at : at + 8], "little", signed=True)
                for at in range(0, len(data), 8)
            )
        elif len(numbers) == count:
            values = tuple(map(signed, numbers))
    return Tensor(name, dtype, shape, nbytes, tuple(external), values)


def read_entry(reader: Reader, field: Field) -> tuple[str, str]:
    """A StringStringEntryProto."""
    key = value = ""
    for part in reader.fields(field.start, field.end):
        if part.number in (1, 2):
            expect(part, BYTES)
            text = reader.text(part.start, part.end)
            key, value = (text, value) if part.number == 1 else (key, text)
    return key, value


def read_sparse(reader: Reader, start: int, end: int) -> tuple[Tensor, list[Tensor]]:
    """The SparseTensorProto from ``start`` to ``end``: as the dense tensor, and what is stored.

    Raises ``Malformed`` also where the dense one, which a runtime makes of it, is too large.
    """
    parts: dict[int, Tensor] = {}
    dims: list[int] = []
    for field in reader.fields(start, end):
        if field.number in (1, 2):
            expect(field, BYTES)
            if field.number in parts:
                raise Malformed(_("it has a sparse tensor with two lists of values"))
            parts[field.number] = read_tensor(reader, field.start, field.end)
        elif field.number == 3:
            dims += _numbers(reader, field, MAX_RANK)
    if 1 not in parts or len(dims) > MAX_RANK:
        raise Malformed(_("it has a sparse tensor without values"))
    values = parts[1]
    what = _("sparse tensor {name}", name=repr(values.name))
    shape = tuple(map(signed, dims))
    bits = DTYPES[values.dtype][1]
    count = count_of(shape, bits, MAX_TENSOR_BYTES, what)
    dense = Tensor(values.name, values.dtype, shape, (count * bits + 7) // 8)
    return dense, list(parts.values())


def _numbers(reader: Reader, field: Field, most: int) -> list[int]:
    """A repeated number, packed or single."""
    if field.kind == VARINT:
        return [field.value]
    expect(field, BYTES)
    return reader.varints(field.start, field.end, most)


def _check_stored(
    what: str,
    dtype: int,
    count: int,
    nbytes: int,
    raw: Field | None,
    typed: dict[int, int],
    strings: int,
    external: bool,
) -> None:
    """Raise ``Malformed`` unless exactly the values that the tensor claims are stored."""
    if dtype == STRING:
        if raw or typed or external or strings != count:
            raise Malformed(
                _(
                    "{what} claims {count} texts and holds {strings}",
                    what=what,
                    count=count,
                    strings=strings,
                )
            )
        return
    places = [place for place in (raw, typed, strings, external) if place]
    if len(places) > 1 or strings:
        raise Malformed(_("{what} has its data in several places", what=what))
    if raw is not None:
        if raw.end - raw.start != nbytes:
            raise Malformed(
                _(
                    "{what} claims {nbytes} bytes and holds {end}",
                    what=what,
                    nbytes=nbytes,
                    end=raw.end - raw.start,
                )
            )
    elif typed:
        if len(typed) > 1:
            raise Malformed(_("{what} has its data in several places", what=what))
        [(number, held)] = typed.items()
        each = _TYPED[number]
        # A number without a fixed size takes a byte at least; eight of the smallest share one.
        least = count * each if each else nbytes if DTYPES[dtype][1] < 8 else count
        if held < least:
            raise Malformed(
                _("{what} claims {count} values and holds fewer", what=what, count=count)
            )
    elif count and not external:
        raise Malformed(_("{what} claims {count} values and holds none", what=what, count=count))
