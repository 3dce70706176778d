"""What a tool and its parameters are; each tool is declared in a module beside this one."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from ..errors import UsageError
from ..language import _

Value = str | float | int | bool
AUTO = "auto"
# The parameter by which a model is chosen, where a tool has several.
MODEL = "model"
# What the ids of the user's own models begin with.
OWN = "own."

_OWN_ID = re.compile(re.escape(OWN) + r"[a-z0-9][a-z0-9.-]{0,99}")


class Returns(str, Enum):
    """What a tool gives back, and so how an editor places it.

    PIXELS: a new layer of the source's size above it. MASK: the same with a layer mask. SELECTION:
    no layer, the document's selection. BELOW: a new layer of the canvas' size below the source.
    LAYER: one above it. SCALED: a new document or image. TEXT: words, no pixels.
    """

    PIXELS = "pixels"
    MASK = "mask"
    SELECTION = "selection"
    BELOW = "below"
    LAYER = "layer"
    SCALED = "scaled"
    TEXT = "text"


class Selects(str, Enum):
    """What the user's selection means to a tool.

    LIMITS: only what is selected changes. NEEDED: so too, and without a selection there is nothing
    to do. HINT: the tool looks at it and decides itself. IGNORED: it does not count.
    """

    LIMITS = "limits"
    NEEDED = "needed"
    HINT = "hint"
    IGNORED = "ignored"


class Kind(str, Enum):
    """The type of a parameter's value."""

    NUMBER = "number"
    CHOICE = "choice"
    TEXT = "text"


@dataclass(frozen=True)
class Parameter:
    """One thing the user can set.

    A number lies within ``minimum`` and ``maximum`` in ``unit``, without a fraction where it is
    ``whole``; where ``auto`` is true the word "auto" is a value too, and then ``start`` is where a
    slider stands when auto is switched off. A text has at most ``maximum`` characters. ``own``: the
    ids of the user's own models are choices too.
    """

    id: str
    title: str
    help: str
    kind: Kind
    default: Value
    minimum: float = 0.0
    maximum: float = 0.0
    unit: str = ""
    auto: bool = False
    start: float = 0.0
    choices: tuple[str, ...] = ()
    choice_titles: tuple[str, ...] = ()
    whole: bool = False
    own: bool = False

    def span(self) -> str:
        """The values it takes, in words."""
        if self.kind is Kind.CHOICE:
            return " | ".join((*self.choices, OWN + "NAME") if self.own else self.choices)
        if self.kind is Kind.TEXT:
            return _("a text of at most {maximum:g} characters", maximum=self.maximum)
        number = _("a whole number") if self.whole else _("a number")
        words = _(
            "{number} from {minimum:.10g} to {maximum:.10g} {unit}",
            number=number,
            minimum=self.minimum,
            maximum=self.maximum,
            unit=self.unit,
        ).rstrip()
        return _("{number} or auto", number=words) if self.auto else words

    def parse(self, value: object) -> Value:
        """``value`` (from a dialog or the command line) as this parameter's type.

        Raises ``UsageError`` naming the parameter and what it takes.
        """
        if self.kind is Kind.CHOICE:
            if isinstance(value, str) and value in self.choices:
                return value
            if self.own and isinstance(value, str) and _OWN_ID.fullmatch(value):
                return value
            raise UsageError(
                _(
                    "{id}: {value} is not one of {names}.",
                    id=self.id,
                    value=repr(value),
                    names=", ".join(self.choices),
                )
            )
        span = self.span()
        if self.kind is Kind.TEXT:
            text = " ".join(value.split()) if isinstance(value, str) else None
            if text is None or len(text) > self.maximum:
                raise UsageError(_("{id} takes {span}.", id=self.id, span=span))
            return text
        if self.auto and value == AUTO:
            return AUTO
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise UsageError(
                _("{id} takes {span}, not {value}.", id=self.id, span=span, value=repr(value))
            ) from None
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum:
            raise UsageError(
                _("{id} takes {span}, not {value}.", id=self.id, span=span, value=repr(value))
            )
        if self.whole and number != int(number):
            raise UsageError(
                _("{id} takes {span}, not {value}.", id=self.id, span=span, value=repr(value))
            )
        return int(number) if self.whole else number


@dataclass(frozen=True)
class Tool:
    """A tool as the user meets it; what it does is in ``shared_core.tools``.

    ``gain`` is what a real model makes better than the classical path, as it goes on after "With
    it, "; it is what the models' papers and their kind lead to expect, not a measurement.
    ``canvas``: it works on the canvas' rectangle of a layer, not on the layer's own. ``colours``:
    its result has colour even where the source is a grey layer.
    """

    id: str
    title: str
    help: str
    returns: Returns
    classical_name: str
    parameters: tuple[Parameter, ...] = ()
    selects: Selects = Selects.LIMITS
    canvas: bool = False
    colours: bool = False
    gain: str = ""

    def parameter(self, name: str) -> Parameter:
        """The parameter called ``name``; ``UsageError`` when there is none."""
        for parameter in self.parameters:
            if parameter.id == name:
                return parameter
        known = ", ".join(p.id for p in self.parameters) or "none"
        raise UsageError(
            _(
                "{title} has no parameter {name}; it has {known}.",
                title=self.title,
                name=repr(name),
                known=known,
            )
        )

    def outcome(self, parameters: Mapping[str, Value]) -> Returns:
        """What it gives back with these parameters: a cut-out takes the form that is chosen."""
        if self.returns is not Returns.MASK:
            return self.returns
        return {"cut": Returns.PIXELS, "selection": Returns.SELECTION}.get(
            str(parameters.get("result")), Returns.MASK
        )

    def result_size(
        self, parameters: Mapping[str, Value], width: int, height: int
    ) -> tuple[int, int]:
        """Width and height of the result for a source of this size."""
        factor = int(parameters["factor"]) if self.returns is Returns.SCALED else 1
        return width * factor, height * factor

    def takes_strokes(self, parameters: Mapping[str, Value]) -> bool:
        """Whether the layer above the source is wanted too, for the marks that are on it."""
        return parameters.get("strokes") == "above"

    def parse(self, given: Mapping[str, object]) -> dict[str, Value]:
        """All parameters of the tool: the checked values of ``given``, defaults elsewhere."""
        values: dict[str, Value] = {p.id: p.default for p in self.parameters}
        for name, value in given.items():
            values[name] = self.parameter(name).parse(value)
        return values
