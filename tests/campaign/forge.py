"""Makes messages that are malformed, adversarial or only odd, from a seeded generator.

A body is what one message holds; a frame is what goes over the line, its length in front.
"""

from __future__ import annotations

import copy
import json
import random
import struct
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

from shared_core.bridge import codec, wire

# Each kind of body, and how often it is made.
_WEIGHTS = {"changed": 60, "damaged": 14, "noise": 6, "odd": 16, "bomb": 0.4, "good": 3}
KINDS = tuple(_WEIGHTS)
_NUMBERS: tuple[Any, ...] = (
    *(0, 1, -1, 2, 255, 1 << 15, 1 << 16, 1 << 20, (1 << 20) + 1, 1 << 31, 1 << 32, -(1 << 63)),
    *((1 << 63) - 1, 1 << 64, 10**300, -(10**400), 0.0, -0.0, 0.5, 1e-300, 1e300, -1e308),
)
_WORDS: tuple[Any, ...] = (
    *("", " ", "x", "auto", "real", "classical", "byo", "mask", "rgba", "u8", "f32", "runtime"),
    *("deblur", "no-such-tool", "\0", "a\0b", "\n\r\x1b[2J", "\ud800", "é" * 50, "%s%n", "{0}"),
    *("x" * 5000, "\u202e", "NaN", "-1", "1e999", "../x", "../../../../etc/passwd", "/dev/zero"),
)
_SHAPES: tuple[Any, ...] = (None, True, False, [], {}, [[]], [None] * 9, {"a": 1}, {"": {}}, [{}])


class Forge:
    """Bodies made after ``good`` messages; ``words`` are strings that are to be offered too."""

    def __init__(
        self, chance: random.Random, good: Sequence[Any], words: Sequence[str] = ()
    ) -> None:
        self._chance = chance
        self._good = [{"type": type(message).__name__, **asdict(message)} for message in good]
        self._values = (*_NUMBERS, *_WORDS, *_SHAPES, *words * 3)
        self._makers: dict[str, Callable[[], bytes]] = {
            "changed": self._changed,
            "damaged": self._damaged,
            "noise": self._noise,
            "odd": self._odd,
            "bomb": self._bomb,
            "good": lambda: _dump(self._pick()),
        }

    def body(self) -> tuple[str, bytes]:
        """A body, and of which kind it is."""
        [kind] = self._chance.choices(KINDS, list(_WEIGHTS.values()))
        return kind, self._makers[kind]()[: wire.MAX_MESSAGE]

    def odd_fields(self, message: Any) -> Any:
        """``message`` with other values of the right types in some fields."""
        body = {"type": type(message).__name__, **asdict(message)}
        self._bend(body)
        try:
            return codec.decode(_dump(body))
        except wire.WireError:
            return message

    def _pick(self) -> dict[str, Any]:
        return copy.deepcopy(self._chance.choice(self._good))

    def _value(self) -> Any:
        if self._chance.random() < 0.1:
            return copy.deepcopy(self._chance.choice(self._pick_values()))
        return copy.deepcopy(self._chance.choice(self._values))

    def _pick_values(self) -> list[Any]:
        return list(self._chance.choice(self._good).values())

    def _place(self, body: dict[str, Any]) -> Any:
        """A dictionary or list in it, the whole or a nested one."""
        place: Any = body
        while self._chance.random() < 0.5:
            inside = place.values() if isinstance(place, dict) else place
            nested = [one for one in inside if isinstance(one, (dict, list)) and one]
            if not nested:
                break
            place = self._chance.choice(nested)
        return place

    def _changed(self) -> bytes:
        """Fields with values of any type, fields too many or too few."""
        body = self._pick()
        for _ in range(self._chance.choice((1, 1, 1, 2, 3, 6))):
            place = self._place(body)
            if isinstance(place, list):
                place[self._chance.randrange(len(place))] = self._value()
                continue
            name = self._chance.choice(list(place) or ["x"])
            what = self._chance.random()
            if what < 0.12:
                place.pop(name, None)
            elif what < 0.22:
                place[self._chance.choice(("", "x", "type ", "__class__", name + " "))] = (
                    self._value()
                )
            elif name == "type" and what < 0.9:
                place[name] = self._chance.choice(self._good)["type"]
            else:
                place[name] = self._value()
        return _dump(body)

    def _bend(self, body: dict[str, Any]) -> None:
        for _ in range(self._chance.choice((1, 2, 4))):
            place = self._place(body)
            if not isinstance(place, dict):
                continue
            name = self._chance.choice([one for one in place if one != "type"] or ["x"])
            same = [one for one in self._values if type(one) is type(place.get(name))]
            if same:
                place[name] = copy.deepcopy(self._chance.choice(same))

    def _odd(self) -> bytes:
        """Values that are unusual, of the right types."""
        body = self._pick()
        self._bend(body)
        return _dump(body)

    def _damaged(self) -> bytes:
        """A text in which bytes are changed, lost, doubled or cut off."""
        text = bytearray(_dump(self._pick()))
        for _ in range(self._chance.choice((1, 1, 2, 4))):
            if not text:
                break
            at = self._chance.randrange(len(text))
            what = self._chance.randrange(4)
            if what == 0:
                text[at] = self._chance.randrange(256)
            elif what == 1:
                del text[at : at + self._chance.randrange(1, 20)]
            elif what == 2:
                text[at:at] = text[: self._chance.randrange(40)]
            else:
                del text[at:]
        return bytes(text)

    def _noise(self) -> bytes:
        return self._chance.randbytes(self._chance.choice((0, 1, 2, 7, 60, 300)))

    def _bomb(self) -> bytes:
        """Small to send, and meant to be large or slow to read."""
        many = self._chance.choice((50, 900, 20_000, wire.MAX_MESSAGE // 8))
        name = self._chance.choice(self._good)["type"]
        deep = "[" * many + "]" * many
        made = (
            deep,
            '{"a":' * (many // 4),
            f'{{"type":"{name}","parameters":{deep}}}',
            f'{{"type":"{name}","x":{"9" * many}}}',
            f'{{"type":"{name}","width":1e{many}}}',
            f'{{"type":"{name}","x":"{"y" * many}"}}',
            f'{{"type":"{"z" * many}"}}',
            '{"type":"AskPlan",' + '"width":1,' * (many // 12) + '"height":1}',
            "{" + ",".join(f'"{number}":0' for number in range(many // 12)) + "}",
            '"' + "\\ud83d\\ude00" * (many // 12) + '"',
        )
        return self._chance.choice(made).encode("ascii")

    def frames(self, body: bytes) -> bytes:
        """Bytes as they go over the line: no frame, a part of one, or one that lies."""
        whole = struct.pack("!i", len(body)) + body
        return self._chance.choice(
            (
                b"",
                whole[: self._chance.randrange(4)],
                whole[: self._chance.randrange(4, len(whole) + 1)],
                struct.pack("!i", len(body) + 1 + self._chance.randrange(5000)) + body,
                struct.pack("!i", (1 << 31) - 1) + body,
                struct.pack("!i", -1) + struct.pack("!Q", (1 << 64) - 1) + body,
                struct.pack("!i", -1) + struct.pack("!Q", 1 << 40) + body,
                struct.pack("!i", -self._chance.randrange(2, 1 << 31)) + body,
                b"GET / HTTP/1.1\r\nHost: worker\r\n\r\n",
                self._chance.randbytes(200),
                whole + whole[: len(whole) // 2],
            )
        )


def _dump(body: dict[str, Any]) -> bytes:
    return json.dumps(body).encode("ascii")
