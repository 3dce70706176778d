"""What a card says of a model: its files, tensors, costs, licence, and where that is known from.

Standard library only, since the light supervisor reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import Enum
from pathlib import Path
from typing import Any

from ..engine.grid import Grid, plan_tiles
from ..engine.recipe import Recipe

# What the channels of a tensor may be beside colours, see ``TensorSpec``.
LUMA = "Y"
LIGHTNESS = "L"
EACH = "each"
SIGMA = "sigma"
HOLE = "hole"
KEEP = "keep"
MATTE = "matte"
SHARPENED = ("sharp R", "sharp G", "sharp B", "sharp Y", "wider Y", "other Y")

# What is yet to be done with an output's values.
SIGMOID = "sigmoid"
SOFTMAX = "softmax"
CLASSES = "classes"
MIN_MAX = "min-max"
RESIDUAL = "residual"

# N is the batch, C the channels; what a layout lacks the tensor lacks.
Region = tuple[int, int, int, int]
LAYOUTS = ("NCHW", "NHWC", "NHW", "CHW", "HWC", "HW")
SIDE_WORD = re.compile(r"(\d*)([HW])(?:/(\d+))?")
# What a card says instead of a SHA-256 that nobody knows beforehand.
HUB_DECLARED = "hub-declared"


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
    """One file of the model: its path in the repository, and its bytes' number and SHA-256.

    ``sha256`` is "" where the card says "hub-declared": then the hub's own, for this revision, is
    recorded at the first download. ``role`` says what the file is for, where the model has several.
    """

    path: str
    size: int
    sha256: str = ""
    role: str = ""

    @property
    def hub_declared(self) -> bool:
        """Whether its SHA-256 is known from the hub alone, and only after the first download."""
        return not self.sha256

    @property
    def is_session(self) -> bool:
        """Whether a session is made from it; the others are its data, or texts."""
        return self.path.endswith(".onnx")


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of the session ``role``.

    ``name`` is None where it is read from the session. ``layout`` is one of ``LAYOUTS``, "" for
    what is no picture. ``shape`` holds numbers where they are fixed, else words: any for the
    batch, and "H", "W", "4H", "H/4" ... for a multiple or part of the side of a tile or of the
    whole.

    ``channels`` names each one: "R", "G", "B"; "Y" is the luma of a picture whose colours stay,
    "each" one of R, G and B, which go through the model one after the other; "L" is CIE L* / 100,
    "a" and "b" are a* and b* as they are. "sigma" is a constant: the noise's standard deviation as
    a share of the picture's range, and ``sigma_maximum`` the largest (in levels of 255) the model
    was trained for. With ``decorrelate`` the noise of a picture whose channels are equal is made
    independent from channel to channel first. "hole" is high where the picture is to be filled and
    "keep" where it is not; with ``blank`` what is shown of the picture is 0 there. "matte" is
    coverage. An input with ``value`` is that number everywhere.

    ``range`` are the values' limits, of an input before ``mean`` and ``std`` (one for each
    channel) are applied as (x - mean) / std, and of an output after these are undone and after
    ``then``, but before "min-max". ``by_maximum``: the picture is divided by its largest value
    first. ``then``: "sigmoid" and "softmax" (over the channels) make logits to shares; "classes"
    are numbers of classes; "residual" is what is to be taken from the picture. Of several shares
    or classes those in ``subject`` show the subject, by default all but the first.

    ``margin``: the network gives nothing for so many pixels on each side of what it is shown, so
    that it is shown so many more, a reflection.
    """

    name: str | None
    dtype: str
    layout: str
    shape: tuple[int | str, ...]
    channels: tuple[str, ...]
    range: tuple[float, float] | None
    sigma_maximum: float | None = None
    decorrelate: bool = False
    role: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    by_maximum: bool = False
    then: str = ""
    value: float | None = None
    subject: tuple[int, ...] = ()
    blank: bool = False
    margin: int = 0

    def sized(self, height: int | None, width: int | None = None) -> tuple[int, ...]:
        """The shape for a batch of one and a picture of this size, square without a width."""
        sides = {"H": height or 0, "W": height or 0 if width is None else width}
        return tuple(
            n if isinstance(n, int) else 1 if index == 0 and n not in sides else _side(n, sides)
            for index, n in enumerate(self.shape)
        )

    @property
    def size(self) -> tuple[int, int] | None:
        """Height and width, where the shape fixes both."""
        if not self.layout:
            return None
        height, width = (self.shape[self.layout.index(letter)] for letter in "HW")
        return (height, width) if isinstance(height, int) and isinstance(width, int) else None


def _side(word: str, sides: Mapping[str, int]) -> int:
    """The side that a shape's word like "H", "4H" or "H/4" means, 1 for another word."""
    match = SIDE_WORD.fullmatch(word)
    return sides[match[2]] * int(match[1] or 1) // int(match[3] or 1) if match else 1


@dataclass(frozen=True)
class TileRule:
    """How a picture is cut for this model, in pixels.

    ``overlap`` is the width that two neighbouring tiles share (stride = size - overlap). Both
    sides of a tile are multiples of ``multiple``; where ``fixed`` is true every tile is exactly
    ``size`` high and wide, or ``width`` wide where the card has one, else ``size`` is the
    recommended side and no side is below ``least``. The output is ``scale`` times as wide and high
    as the tile.
    """

    size: int
    overlap: int
    multiple: int = 1
    fixed: bool = False
    scale: int = 1
    width: int | None = None
    least: int = 1

    @property
    def sides(self) -> tuple[int, int]:
        """Width and height of a full tile."""
        return self.width or self.size, self.size

    def over(self, width: int, height: int, region: Region | None = None) -> Grid:
        """The tiles over a picture of this size, or over its ``region``."""
        return plan_tiles(
            width, height, self.sides, self.overlap, self.multiple, self.fixed, region, self.least
        )

    def divided(self, divisor: int) -> TileRule:
        """The rule for tiles of a ``divisor``-th of the side; itself where they are ``fixed``."""
        if self.fixed or divisor == 1:
            return self
        least = -(-max(2 * self.overlap, self.least) // self.multiple)

        def part(side: int) -> int:
            return max(least, side // divisor // self.multiple) * self.multiple

        return replace(self, size=part(self.size), width=self.width and part(self.width))


@dataclass(frozen=True)
class Source:
    """Where some of the card's facts come from, and how certain they are."""

    facts: tuple[str, ...]
    source: str
    certainty: str


@dataclass(frozen=True)
class Card:
    """All that is known of one model; None and "" stand for what is not known.

    ``rank`` orders the models of one tool, 1 first. ``choice`` is the word of the tool's parameter
    "model" that this one serves, and ``opt_in`` has it used only when chosen so. ``needs`` are the
    ids of cards that it cannot work without. A ``helper`` serves no tool alone; the classical
    paths of the tools that it ``helps`` use it where it is here. ``shipped`` is the folder with the
    files of a model that is a part of NSS and never downloaded, None for all others.

    ``own``: the user brought it; one from a file of theirs has no ``repo`` and no ``revision``.

    A picture goes through it in tiles (``tile``), or as one square of ``side`` pixels, or neither:
    then all shapes are numbers. Sides other than ``side`` are multiples of ``multiple``. Costs:
    ``gflop_per_megapixel`` (1 multiply-add = 2 FLOP, 1 MP = 10^6 pixels) or ``gflop_per_run``,
    ``cpu_seconds_per_megapixel`` or ``cpu_seconds_per_run`` as reported by others,
    ``peak_bytes_per_pixel`` of a tile or ``peak_bytes`` of a run, on top of ``session_bytes`` after
    loading. ``mix`` says what its operations are made of, since a machine is not equally fast at
    all kinds: a name in ``device.profile.MIXES``, or shares per kind that the probe measures; ""
    where it is not known. ``recipe`` is what a model that paints from words is sampled by.
    """

    id: str
    tool: str
    title: str
    tier: Tier
    rank: int
    repo: str
    revision: str
    licence: str
    licence_url: str
    licence_note: str
    commercial_use: CommercialUse
    commercial_note: str
    weights: str
    opset: int | None
    files: tuple[CardFile, ...]
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    tile: TileRule | None
    side: int | None
    gflop_per_megapixel: float | None
    cpu_seconds_per_megapixel: float | None
    gflop_per_run: float | None
    cpu_seconds_per_run: float | None
    peak_bytes_per_pixel: int | None
    peak_bytes: int | None
    session_bytes: int | None
    sources: tuple[Source, ...]
    choice: str = ""
    opt_in: bool = False
    needs: tuple[str, ...] = ()
    helper: bool = False
    helps: tuple[str, ...] = ()
    mix: str | Mapping[str, float] = field(default="", hash=False)
    recipe: Recipe | None = None
    shipped: Path | None = None
    multiple: int | None = None
    own: bool = False

    @property
    def main_file(self) -> CardFile:
        """The first .onnx file, or where there is none the first file."""
        return next((file for file in self.files if file.is_session), self.files[0])

    @property
    def file_bytes(self) -> int:
        """The size of all its files together; what it needs beside is not counted."""
        return sum(file.size for file in self.files)

    @property
    def download_bytes(self) -> int:
        """What has to come over the net: nothing of a model that is a part of NSS."""
        return 0 if self.shipped else self.file_bytes

    @property
    def hub_declared(self) -> bool:
        """Whether the SHA-256 of any of its files is the hub's to declare."""
        return any(file.hub_declared for file in self.files)

    @property
    def hosted(self) -> bool:
        """Whether its files can be downloaded."""
        return bool(self.repo) and self.shipped is None

    @property
    def page(self) -> str:
        """Where its repository on the Hub is, at the pinned revision; "" where there is none."""
        return f"https://huggingface.co/{self.repo}/tree/{self.revision}" if self.hosted else ""

    @property
    def licence_link(self) -> str:
        """Where the licence can be read: the card's own link, else the page that declares it."""
        return self.licence_url or self.page

    @property
    def commercial(self) -> bool:
        """Whether commercial use is allowed for certain."""
        return self.commercial_use is CommercialUse.YES

    @property
    def takes_sigma(self) -> bool:
        """Whether the model must be told the strength of the noise."""
        return any(SIGMA in spec.channels for spec in self.inputs)

    @property
    def takes_sharpened(self) -> bool:
        """Whether the model corrects a deconvolution of the picture, which it must be given."""
        return any(set(SHARPENED) & set(spec.channels) for spec in self.inputs)

    @property
    def passes(self) -> int:
        """How often it runs on each part of a picture: once for each colour where it sees one."""
        return 3 if any(spec.channels == (EACH,) for spec in self.outputs) else 1

    @property
    def sigma_maximum(self) -> float | None:
        """The strongest noise, in levels of 255, that the model was trained for."""
        return next((s.sigma_maximum for s in self.inputs if s.sigma_maximum), None)

    @property
    def decorrelate(self) -> bool:
        """Whether grey pictures get noise that is independent from channel to channel first."""
        return any(spec.decorrelate for spec in self.inputs)

    @property
    def run_side(self) -> int | None:
        """The side in pixels of what goes through it at once; None where no shape has a word."""
        return self.tile.size if self.tile else self.side

    @property
    def run_size(self) -> tuple[int, int] | None:
        """Height and width in pixels of what goes through it at once; None likewise."""
        if self.tile:
            return self.tile.size, self.tile.width or self.tile.size
        return (self.side, self.side) if self.side else None

    @property
    def fixed_size(self) -> tuple[int, int] | None:
        """Height and width of the picture whose size the shapes alone say, None where none do."""
        return next((spec.size for spec in self.inputs if spec.size), None)

    def sessions(self) -> tuple[tuple[str, CardFile], ...]:
        """The files that sessions are made from, by role, in the card's order."""
        return tuple((file.role, file) for file in self.files if file.is_session)

    def file(self, role: str) -> CardFile:
        """The file with this role, the .onnx file where several have it.

        Raises ``KeyError`` when there is none.
        """
        found = [file for file in self.files if file.role == role]
        if not found:
            raise KeyError(f"{self.id} has no file with the role {role!r}")
        return next((file for file in found if file.is_session), found[0])


def to_json(card: Card) -> dict[str, Any]:
    """What of the card JSON can hold."""
    return asdict(replace(card, shipped=None))


def from_json(data: Mapping[str, Any]) -> Card:
    """The card that ``to_json`` made ``data`` of, as far as files, tensors and tiles go."""
    tensors = {
        name: tuple(TensorSpec(**{**spec, **_tuples(spec)}) for spec in data[name])
        for name in ("inputs", "outputs")
    }
    tile = data["tile"] and TileRule(**data["tile"])
    files = tuple(CardFile(**file) for file in data["files"])
    return Card(**{**data, **tensors, "tile": tile, "files": files})


def _tuples(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: tuple(value) for name, value in fields.items() if isinstance(value, list)}
