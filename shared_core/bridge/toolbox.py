"""Every tool declared once; menus, dialogs, the command line and the manual are made from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from .errors import UsageError

Value = str | float | int | bool
AUTO = "auto"


class Returns(str, Enum):
    """What a tool gives back, and so how an editor places it."""

    PIXELS = "pixels"
    MASK = "mask"
    BELOW = "below"
    LAYER = "layer"
    SCALED = "scaled"
    TEXT = "text"


class Kind(str, Enum):
    """The type of a parameter's value."""

    NUMBER = "number"
    CHOICE = "choice"


@dataclass(frozen=True)
class Parameter:
    """One thing the user can set.

    A number lies within ``minimum`` and ``maximum`` in ``unit``; where ``auto`` is true the word
    "auto" is a value too, and then ``start`` is where a slider stands when auto is switched off.
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

    def span(self) -> str:
        """The values it takes, in words."""
        if self.kind is Kind.CHOICE:
            return " | ".join(self.choices)
        words = f"a number from {self.minimum:g} to {self.maximum:g} {self.unit}".rstrip()
        return words + (" or auto" if self.auto else "")

    def parse(self, value: object) -> Value:
        """``value`` (from a dialog or the command line) as this parameter's type.

        Raises ``UsageError`` naming the parameter and what it takes.
        """
        if self.kind is Kind.CHOICE:
            if isinstance(value, str) and value in self.choices:
                return value
            raise UsageError(f"{self.id}: {value!r} is not one of {', '.join(self.choices)}.")
        if self.auto and value == AUTO:
            return AUTO
        span = self.span()
        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            raise UsageError(f"{self.id} takes {span}, not {value!r}.") from None
        if not math.isfinite(number) or not self.minimum <= number <= self.maximum:
            raise UsageError(f"{self.id} takes {span}, not {value!r}.")
        return number


@dataclass(frozen=True)
class Tool:
    """A tool as the user meets it; what it does is in ``shared_core.tools``."""

    id: str
    title: str
    help: str
    returns: Returns
    classical_name: str
    parameters: tuple[Parameter, ...] = ()

    def parameter(self, name: str) -> Parameter:
        """The parameter called ``name``; ``UsageError`` when there is none."""
        for parameter in self.parameters:
            if parameter.id == name:
                return parameter
        known = ", ".join(p.id for p in self.parameters) or "none"
        raise UsageError(f"{self.title} has no parameter {name!r}; it has {known}.")

    def parse(self, given: Mapping[str, object]) -> dict[str, Value]:
        """All parameters of the tool: the checked values of ``given``, defaults elsewhere."""
        values: dict[str, Value] = {p.id: p.default for p in self.parameters}
        for name, value in given.items():
            values[name] = self.parameter(name).parse(value)
        return values


TOOLS: tuple[Tool, ...] = (
    Tool(
        id="denoise",
        title="Denoise",
        help=(
            "Removes grain and sensor noise. The model keeps more fine texture at strong noise; "
            "at mild noise the classical filter comes close."
        ),
        returns=Returns.PIXELS,
        classical_name="classical denoising",
        parameters=(
            Parameter(
                "strength",
                "Strength",
                "Standard deviation of the noise to remove; auto measures it in the picture.",
                Kind.NUMBER,
                AUTO,
                minimum=0,
                maximum=75,
                unit="levels of 255",
                auto=True,
                start=15,
            ),
            Parameter(
                "detail",
                "Detail",
                "How much fine structure is kept; more detail leaves more grain.",
                Kind.NUMBER,
                50.0,
                minimum=0,
                maximum=100,
                unit="%",
            ),
        ),
    ),
    Tool(
        id="deblur",
        title="Deblur",
        help=(
            "Sharpens a blurred picture. The model undoes camera shake and motion; the classical "
            "path is sharpening and comes close only at mild blur."
        ),
        returns=Returns.PIXELS,
        classical_name="classical sharpening",
        parameters=(
            Parameter(
                "amount",
                "Amount",
                "How much of the sharpened picture is used.",
                Kind.NUMBER,
                100.0,
                minimum=0,
                maximum=100,
                unit="%",
            ),
            Parameter(
                "kind",
                "Kind of blur",
                "What the classical path undoes; the model sees for itself.",
                Kind.CHOICE,
                AUTO,
                choices=("auto", "soft", "motion"),
                choice_titles=("Find out", "Soft or out of focus", "Motion"),
            ),
            Parameter(
                "radius",
                "Radius",
                "Standard deviation of a soft blur; auto measures it.",
                Kind.NUMBER,
                AUTO,
                minimum=0.3,
                maximum=8,
                unit="px",
                auto=True,
                start=2,
            ),
            Parameter(
                "length",
                "Length",
                "Length of a motion blur.",
                Kind.NUMBER,
                15.0,
                minimum=2,
                maximum=60,
                unit="px",
            ),
            Parameter(
                "angle",
                "Angle",
                "Direction of a motion blur, counter-clockwise from horizontal.",
                Kind.NUMBER,
                0.0,
                minimum=-180,
                maximum=180,
                unit="°",
            ),
        ),
    ),
)


def tool(tool_id: str) -> Tool:
    """The tool with this id; ``UsageError`` when there is none."""
    for candidate in TOOLS:
        if candidate.id == tool_id:
            return candidate
    known = ", ".join(t.id for t in TOOLS)
    raise UsageError(f"There is no tool {tool_id!r}; the tools are {known}.")
