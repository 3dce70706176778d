"""How a model wants its numbers: a range, and what is subtracted and divided, also in words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from shared_core.bridge.errors import UsageError
from shared_core.bridge.language import _

Three = tuple[float, ...]

_NUMBER = r"[+-]?\d+(?:\.\d+)?"
_LIST = rf"{_NUMBER}(?:,{_NUMBER})*"
_WORDS = re.compile(rf"({_NUMBER})\.\.({_NUMBER})(?:\s+mean\s+({_LIST})\s+std\s+({_LIST}))?")


@dataclass(frozen=True)
class Values:
    """Limits, and for red, green and blue what is subtracted and then divided, if anything."""

    low: float
    high: float
    mean: Three = ()
    std: Three = ()

    @property
    def range(self) -> tuple[float, float]:
        """The limits before mean and deviation are applied."""
        return self.low, self.high

    def text(self) -> str:
        """The words for it; ``parse`` gives the same back."""
        for name, values in NAMED.items():
            if values == self:
                return name
        text = f"{self.low:g}..{self.high:g}"
        if self.mean:
            text += f" mean {_list(self.mean)} std {_list(self.std)}"
        return text


UNIT = Values(0.0, 1.0)
BYTES = Values(0.0, 255.0)
SIGNED = Values(-1.0, 1.0)
HALVED = Values(-0.5, 0.5)
IMAGENET = Values(0.0, 1.0, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
LIGHTNESS = Values(0.0, 100.0)
CENTRED = Values(-50.0, 50.0)
NAMED = {"imagenet": IMAGENET}
CHOICES = tuple(v.text() for v in (UNIT, BYTES, SIGNED, HALVED, IMAGENET))


def parse(field: str, text: str) -> Values:
    """The values that ``text`` means; ``UsageError`` naming ``field`` where it means none."""
    words = " ".join(text.lower().split())
    if words in NAMED:
        return NAMED[words]
    match = _WORDS.fullmatch(words)
    if match:
        low, high = float(match[1]), float(match[2])
        mean, std = (_numbers(match[n]) for n in (3, 4))
        if low < high and len(mean) == len(std) and len(mean) in (0, 1, 3) and 0 not in std:
            return Values(
                low,
                high,
                mean * 3 if len(mean) == 1 else mean,
                std * (3 // len(std)) if std else (),
            )
    raise UsageError(
        _(
            "{field} takes LOW..HIGH such as 0..255, or imagenet, or LOW..HIGH mean R,G,B std "
            "R,G,B, not {text}.",
            field=field,
            text=repr(text),
        )
    )


def _numbers(text: str | None) -> Three:
    return tuple(float(number) for number in text.split(",")) if text else ()


def _list(numbers: Three) -> str:
    return ",".join(f"{number:g}" for number in numbers)
