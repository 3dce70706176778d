"""Reads the fields of a protobuf file by their position, without ever holding the file in memory.

The file is a stranger's: no length, number or nesting in it is believed. Standard library only.
https://protobuf.dev/programming-guides/encoding
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO, NamedTuple

from shared_core.bridge.language import _

# A real model has some ten fields for each node and each tensor: a UNet of 860 million weights has
# 29,000. Two million take about ten seconds to read.
MAX_FIELDS = 2_000_000
# Names, kinds of operators, paths. Longer ones are nobody's.
MAX_NAME_BYTES = 4096

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
_WINDOW = 1 << 16
_LONGEST_VARINT = 10
_AGAIN = _("download it again")
_FIXED = {FIXED32: 4, FIXED64: 8}


class Malformed(Exception):
    """The file is not what it should be: ``text`` says so, ``advice`` what the user can do."""

    def __init__(
        self, text: str, advice: str = _("download it again, or have it exported again")
    ) -> None:
        super().__init__(text)
        self.advice = advice


class Field(NamedTuple):
    """A field's number and kind; its bytes are those from ``start`` to ``end``.

    ``value`` is the number in a VARINT field, else 0.
    """

    number: int
    kind: int
    start: int
    end: int
    value: int


class Reader:
    """``stream``, which holds ``size`` bytes, read in small windows where somebody asks."""

    def __init__(self, stream: BinaryIO, size: int) -> None:
        self.size = size
        self._stream = stream
        self._window = b""
        self._begin = 0
        self._fields = 0

    def fields(self, start: int, end: int) -> Iterator[Field]:
        """The fields of the message from ``start`` to ``end``, in their order; values are skipped.

        Raises ``Malformed`` for what no protobuf writer writes.
        """
        at = start
        while at < end:
            self._fields += 1
            if self._fields > MAX_FIELDS:
                raise Malformed(_("it has more than {most:,} fields", most=MAX_FIELDS))
            tag, at = self._varint(at, end)
            number, kind = tag >> 3, tag & 7
            if not 0 < number < 1 << 29:
                raise Malformed(_("it is damaged (a field without a number)"))
            if kind == VARINT:
                begin = at
                value, at = self._varint(at, end)
                yield Field(number, kind, begin, at, value)
                continue
            if kind == BYTES:
                length, at = self._varint(at, end)
            elif kind in _FIXED:
                length = _FIXED[kind]
            else:
                raise Malformed(_("it is damaged (a kind of field that ONNX does not have)"))
            if length > end - at:
                if end == self.size:
                    missing = length - (end - at)
                    raise Malformed(
                        _("it is cut short: {missing:,} bytes are missing", missing=missing), _AGAIN
                    )
                raise Malformed(_("it is damaged (a part is longer than the whole)"))
            yield Field(number, kind, at, at + length, 0)
            at += length

    def varints(self, start: int, end: int, most: int) -> list[int]:
        """The numbers packed from ``start`` to ``end``; ``Malformed`` for more than ``most``."""
        found: list[int] = []
        at = start
        while at < end:
            if len(found) == most:
                raise Malformed(_("it has a list of more than {most} numbers", most=most))
            value, at = self._varint(at, end)
            found.append(value)
        return found

    def bytes(self, start: int, end: int) -> bytes:
        """The bytes from ``start`` to ``end``, of which there must not be many."""
        offset = start - self._begin
        if not 0 <= offset <= offset + end - start <= len(self._window):
            self._look(start, end - start)
            offset = 0
        return self._window[offset : offset + end - start]

    def text(self, start: int, end: int, most: int = MAX_NAME_BYTES) -> str:
        """The text from ``start`` to ``end``; ``Malformed`` beyond ``most`` bytes."""
        if end - start > most:
            raise Malformed(_("it has a name of more than {most} bytes", most=most))
        try:
            return self.bytes(start, end).decode()
        except UnicodeDecodeError:
            raise Malformed(_("it is damaged (a name that is no text)")) from None

    def _varint(self, at: int, end: int) -> tuple[int, int]:
        """The number at ``at``, and where it ends."""
        offset = at - self._begin
        if not 0 <= offset <= len(self._window) - _LONGEST_VARINT:
            self._look(at, _LONGEST_VARINT)
            offset = 0
        window = self._window
        if at < end and offset < len(window) and window[offset] < 0x80:
            return window[offset], at + 1
        value = shift = 0
        for index in range(offset, min(offset + _LONGEST_VARINT, offset + end - at, len(window))):
            byte = window[index]
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                if value >= 1 << 64:
                    break
                return value, at + index - offset + 1
            shift += 7
        else:
            if end - at < _LONGEST_VARINT and end == self.size:
                raise Malformed(_("it is cut short in the middle of a number"), _AGAIN)
        raise Malformed(_("it is damaged (a number without an end)"))

    def _look(self, at: int, count: int) -> None:
        """Have at least ``count`` bytes from ``at`` in the window, as far as the file has them."""
        self._stream.seek(at)
        self._begin = at
        self._window = self._stream.read(max(count, _WINDOW))


def signed(value: int) -> int:
    """A 64-bit VARINT as the signed number that it stands for."""
    return value - (1 << 64) if value >= 1 << 63 else value
