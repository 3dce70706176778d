"""The catalogue: what is known of each model, read from one TOML card per model.

Standard library only, since the light supervisor reads it.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path, PurePosixPath
from typing import cast

import tomllib

from ..bridge.errors import CouldNotBeDone
from ..bridge.toolbox import TOOLS

SCHEMA = 1
DTYPES = ("float32", "float16", "uint8", "int32", "int64")
SIGMA = "sigma"

_ID = re.compile(r"[a-z0-9][a-z0-9.-]*")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_HEX40 = re.compile(r"[0-9a-f]{40}")
_HEX64 = re.compile(r"[0-9a-f]{64}")


class Tier(str, Enum):
    """What a machine must afford for a model: nothing, some hundred megabytes, or gigabytes."""

    LITE = "lite"
    STANDARD = "standard"
    PRO = "pro"


class CommercialUse(str, Enum):
    """Whether the model's licence lets its results be used commercially."""

    YES = "yes"
    NO = "no"
    UNCLEAR = "unclear"


@dataclass(frozen=True)
class CardFile:
    """One file of the model: its path in the repository, and its bytes' number and SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of the network.

    ``name`` is None where it is read from the session. ``shape`` holds numbers where they are
    fixed and words where they vary. ``range`` are the values' limits. A channel called "sigma" is
    a constant plane: the noise's standard deviation in levels of 255, divided by 255, and
    ``sigma_maximum`` the largest (in levels of 255) the model was trained for.
    """

    name: str | None
    dtype: str
    layout: str
    shape: tuple[int | str, ...]
    channels: tuple[str, ...]
    range: tuple[float, float]
    sigma_maximum: float | None = None


@dataclass(frozen=True)
class TileRule:
    """How a picture is cut for this model, in pixels.

    ``overlap`` is the width that two neighbouring tiles share (stride = size - overlap). Both
    sides of a tile are multiples of ``multiple``; where ``fixed`` is true every tile is exactly
    ``size`` by ``size``, else ``size`` is the recommended side.
    """

    size: int
    overlap: int
    multiple: int
    fixed: bool


@dataclass(frozen=True)
class Source:
    """Where some of the card's facts come from, and how certain they are."""

    facts: tuple[str, ...]
    source: str
    certainty: str


@dataclass(frozen=True)
class Card:
    """All that is known of one model; None and "" stand for what is not known.

    ``rank`` orders the models of one tool, 1 first. Costs: ``gflop_per_megapixel`` (1 multiply-add
    = 2 FLOP, 1 MP = 10^6 pixels), ``cpu_seconds_per_megapixel`` as reported by others,
    ``peak_bytes_per_pixel`` of a tile on top of ``session_bytes`` after loading.
    """

    id: str
    tool: str
    title: str
    tier: Tier
    rank: int
    repo: str
    revision: str
    licence: str
    licence_note: str
    commercial_use: CommercialUse
    commercial_note: str
    weights: str
    opset: int | None
    files: tuple[CardFile, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tile: TileRule
    gflop_per_megapixel: float | None
    cpu_seconds_per_megapixel: float | None
    peak_bytes_per_pixel: int | None
    session_bytes: int | None
    sources: tuple[Source, ...]

    @property
    def main_file(self) -> CardFile:
        """The .onnx file that a session is made from; the others are its external data."""
        return self.files[0]

    @property
    def download_bytes(self) -> int:
        """The size of all its files together."""
        return sum(file.size for file in self.files)

    @property
    def takes_sigma(self) -> bool:
        """Whether the model must be told the strength of the noise."""
        return any(SIGMA in spec.channels for spec in self.inputs)


def cards_folder() -> Path:
    """Where the cards are: ``NSS_CARDS``, else in the installed package or beside the checkout's.

    Raises ``CouldNotBeDone`` when they are in none of these.
    """
    given = os.environ.get("NSS_CARDS")
    if given:
        return Path(given)
    package = Path(__file__).resolve().parent.parent
    # The wheel's folder comes first: beside an installed package any "models" is somebody else's.
    for folder in (package / "_models", package.parent / "models"):
        if folder.is_dir():
            return folder
    raise CouldNotBeDone(
        f"The model cards are missing beside {package}. Install NSS again, or set NSS_CARDS to "
        "the folder that holds them."
    )


def load(folder: Path | None = None) -> dict[str, Card]:
    """All cards below ``folder`` (default: ``cards_folder()``) by model id.

    Raises ``CouldNotBeDone`` naming file and field when a card cannot be read or is not valid,
    or when two cards share an id.
    """
    root = cards_folder() if folder is None else folder
    if not root.is_dir():
        raise CouldNotBeDone(f"There is no folder {root} with model cards. Correct NSS_CARDS.")
    cards: dict[str, Card] = {}
    for path in sorted(root.rglob("*.toml")):
        card = read_card(path)
        if card.id in cards:
            raise CouldNotBeDone(
                f"Model card {path}: field id: {card.id!r} is another card's too. "
                "Remove one of the two."
            )
        cards[card.id] = card
    return cards


def for_tool(cards: Mapping[str, Card], tool_id: str) -> list[Card]:
    """The models that serve ``tool_id``, the preferred one first."""
    return sorted((c for c in cards.values() if c.tool == tool_id), key=lambda c: (c.rank, c.id))


def read_card(path: Path) -> Card:
    """The card in the file ``path``; ``CouldNotBeDone`` naming file and field when it is wrong."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise CouldNotBeDone(
            f"The model card {path} cannot be read ({error.strerror or error})."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise CouldNotBeDone(
            f"The model card {path} is not valid TOML ({error}). Correct it or remove it."
        ) from error
    return _card(_Table(path, "", data))


class _Table:
    """A TOML table that knows its file and place, so that errors can name them."""

    def __init__(self, path: Path, place: str, data: Mapping[str, object]) -> None:
        self._path = path
        self._place = place
        self._data = data
        self._asked: set[str] = set()

    def wrong(self, field: str, what: str) -> CouldNotBeDone:
        name = f"{self._place}.{field}" if self._place else field
        return CouldNotBeDone(f"Model card {self._path}: field {name}: {what}.")

    def get(self, field: str) -> object | None:
        self._asked.add(field)
        return self._data.get(field)

    def no_others(self) -> None:
        for field in self._data:
            if field not in self._asked:
                raise self.wrong(field, "no such field is known; is it misspelt?")

    def text(self, field: str, pattern: re.Pattern[str] | None = None, what: str = "") -> str:
        value = self.get(field)
        if not isinstance(value, str) or not value.strip():
            raise self.wrong(field, "a text is missing here")
        if pattern is not None and not pattern.fullmatch(value):
            raise self.wrong(field, f"{value!r} is not {what}")
        return value

    def text_or_nothing(self, field: str) -> str:
        return "" if self.get(field) is None else self.text(field)

    def choice(self, field: str, choices: tuple[str, ...]) -> str:
        value = self.get(field)
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(field, f"{value!r} is not one of {', '.join(choices)}")
        return value

    def whole(self, field: str, minimum: int) -> int:
        value = self.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.wrong(field, f"{value!r} is not a whole number of at least {minimum}")
        return value

    def whole_or_none(self, field: str) -> int | None:
        return None if self.get(field) is None else self.whole(field, 1)

    def positive_or_none(self, field: str) -> float | None:
        value = self.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise self.wrong(field, f"{value!r} is not a positive number")
        return float(value)

    def flag(self, field: str) -> bool:
        value = self.get(field)
        if not isinstance(value, bool):
            raise self.wrong(field, f"{value!r} is neither true nor false")
        return value

    def items(self, field: str) -> list[object]:
        value = self.get(field)
        if not isinstance(value, list) or not value:
            raise self.wrong(field, "a list with something in it is missing here")
        return cast("list[object]", value)

    def texts(self, field: str) -> tuple[str, ...]:
        values = self.items(field)
        if not all(isinstance(value, str) and value for value in values):
            raise self.wrong(field, "takes texts only")
        return tuple(str(value) for value in values)

    def table(self, field: str) -> _Table:
        value = self.get(field)
        if not isinstance(value, dict):
            raise self.wrong(field, "a table is missing here")
        return _Table(self._path, field, value)

    def tables(self, field: str) -> list[_Table]:
        values = self.items(field)
        tables = []
        for index, value in enumerate(values):
            if not isinstance(value, dict):
                raise self.wrong(field, "takes tables only")
            tables.append(_Table(self._path, f"{field}[{index}]", value))
        return tables


def _card(table: _Table) -> Card:
    if table.get("schema") != SCHEMA:
        raise table.wrong("schema", f"{table.get('schema')!r} is not {SCHEMA}")
    files = tuple(_file(entry) for entry in table.tables("file"))
    if not files[0].path.endswith(".onnx"):
        raise table.wrong("file[0].path", "the first file must be the .onnx file")
    if len({file.path for file in files}) != len(files):
        raise table.wrong("file", "two files have the same path")
    cost = table.table("cost") if table.get("cost") is not None else _Table(Path(), "cost", {})
    card = Card(
        id=table.text("id", _ID, "a model id (small letters, digits, dots and hyphens)"),
        tool=table.choice("tool", tuple(tool.id for tool in TOOLS)),
        title=table.text("title"),
        tier=Tier(table.choice("tier", tuple(tier.value for tier in Tier))),
        rank=table.whole("rank", 1),
        repo=table.text("repo", _REPO, "a repository like owner/name"),
        revision=table.text("revision", _HEX40, "a revision of 40 hexadecimal digits"),
        licence=table.text("licence"),
        licence_note=table.text_or_nothing("licence_note"),
        commercial_use=CommercialUse(
            table.choice("commercial_use", tuple(use.value for use in CommercialUse))
        ),
        commercial_note=table.text("commercial_note"),
        weights=table.text_or_nothing("weights"),
        opset=table.whole_or_none("opset"),
        files=files,
        inputs=tuple(_tensor(entry) for entry in table.tables("input")),
        outputs=tuple(_tensor(entry) for entry in table.tables("output")),
        tile=_tile(table.table("tile")),
        gflop_per_megapixel=cost.positive_or_none("gflop_per_megapixel"),
        cpu_seconds_per_megapixel=cost.positive_or_none("cpu_seconds_per_megapixel"),
        peak_bytes_per_pixel=cost.whole_or_none("peak_bytes_per_pixel"),
        session_bytes=cost.whole_or_none("session_bytes"),
        sources=tuple(_source(entry) for entry in table.tables("source")),
    )
    cost.no_others()
    table.no_others()
    return card


def _file(table: _Table) -> CardFile:
    path = table.text("path")
    parts = PurePosixPath(path).parts
    if path.startswith("/") or "\\" in path or ":" in path or ".." in parts or not parts:
        raise table.wrong("path", f"{path!r} is not a relative path without '..'")
    file = CardFile(
        path=path,
        size=table.whole("size", 1),
        sha256=table.text("sha256", _HEX64, "a SHA-256 of 64 small hexadecimal digits"),
    )
    table.no_others()
    return file


def _tensor(table: _Table) -> TensorSpec:
    shape: list[int | str] = []
    for side in table.items("shape"):
        if isinstance(side, bool) or not isinstance(side, (int, str)) or side in ("", 0):
            raise table.wrong("shape", f"{side!r} is neither a positive number nor a word")
        shape.append(side)
    limits = table.items("range")
    numbers = [float(x) for x in limits if isinstance(x, (int, float)) and math.isfinite(x)]
    if len(limits) != 2 or len(numbers) != 2 or not numbers[0] < numbers[1]:
        raise table.wrong("range", "takes two numbers, the lower first")
    spec = TensorSpec(
        name=table.text_or_nothing("name") or None,
        dtype=table.choice("dtype", DTYPES),
        layout=table.choice("layout", ("NCHW",)),
        shape=tuple(shape),
        channels=table.texts("channels"),
        range=(numbers[0], numbers[1]),
        sigma_maximum=table.positive_or_none("sigma_maximum"),
    )
    if len(shape) != len(spec.layout):
        raise table.wrong("shape", f"{len(shape)} sides do not fit the layout {spec.layout}")
    if shape[1] != len(spec.channels):
        raise table.wrong("channels", f"{len(spec.channels)} channels do not fit {shape[1]!r}")
    table.no_others()
    return spec


def _tile(table: _Table) -> TileRule:
    rule = TileRule(
        size=table.whole("size", 1),
        overlap=table.whole("overlap", 0),
        multiple=table.whole("multiple", 1),
        fixed=table.flag("fixed"),
    )
    if rule.size % rule.multiple:
        raise table.wrong("size", f"{rule.size} is no multiple of {rule.multiple}")
    if rule.overlap * 2 > rule.size:
        raise table.wrong("overlap", f"{rule.overlap} is more than half of the tile's {rule.size}")
    table.no_others()
    return rule


def _source(table: _Table) -> Source:
    source = Source(table.texts("facts"), table.text("source"), table.text("certainty"))
    table.no_others()
    return source
