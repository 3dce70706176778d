"""What a card says of a model: its files, tensors, costs, licence, and where that is known from.

Standard library only, since the light supervisor reads it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

SIGMA = "sigma"
SIGMOID = "sigmoid"
MIN_MAX = "min-max"
SIDE_WORD = re.compile(r"(\d*)[HW]")


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

    ``sha256`` is "" where it is not known: then the hub's own, for this revision, is taken at the
    first download. ``role`` says what the file is for, where the model has several.
    """

    path: str
    size: int
    sha256: str = ""
    role: str = ""

    @property
    def is_session(self) -> bool:
        """Whether a session is made from it; the others are its data, or texts."""
        return self.path.endswith(".onnx")


@dataclass(frozen=True)
class TensorSpec:
    """An input or output of the session ``role``.

    ``name`` is None where it is read from the session. ``shape`` holds numbers where they are
    fixed, else words: any for the batch, and "H", "W", "4H" ... for one or several times the side
    of a tile or of the whole. ``range`` are the values' limits, of an input before ``mean`` and
    ``std`` (one for each channel) are applied as (x - mean) / std, and of an output after
    ``then`` = "sigmoid", but before "min-max". ``by_maximum``: the picture is divided by its
    largest value first. A channel called "sigma" is a constant plane: the noise's standard
    deviation in levels of 255, divided by 255, and ``sigma_maximum`` the largest (in levels of
    255) the model was trained for.
    """

    name: str | None
    dtype: str
    layout: str
    shape: tuple[int | str, ...]
    channels: tuple[str, ...]
    range: tuple[float, float] | None
    sigma_maximum: float | None = None
    role: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    by_maximum: bool = False
    then: str = ""

    def sized(self, side: int | None) -> tuple[int, ...]:
        """The shape for a batch of one and a picture of ``side`` by ``side`` pixels."""
        return tuple(
            n if isinstance(n, int) else 1 if index == 0 else times(n) * (side or 0)
            for index, n in enumerate(self.shape)
        )


def times(word: str) -> int:
    """How many times the side a shape's word like "H" or "4H" means."""
    match = SIDE_WORD.fullmatch(word)
    return int(match[1] or 1) if match else 1


@dataclass(frozen=True)
class TileRule:
    """How a picture is cut for this model, in pixels.

    ``overlap`` is the width that two neighbouring tiles share (stride = size - overlap). Both
    sides of a tile are multiples of ``multiple``; where ``fixed`` is true every tile is exactly
    ``size`` by ``size``, else ``size`` is the recommended side. The output is ``scale`` times as
    wide and high as the tile.
    """

    size: int
    overlap: int
    multiple: int
    fixed: bool
    scale: int = 1


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
    paths of the tools that it ``helps`` use it where it is here.

    A picture goes through it in tiles (``tile``), or as one square of ``side`` pixels, or neither:
    then all shapes are numbers. Costs: ``gflop_per_megapixel`` (1 multiply-add = 2 FLOP, 1 MP =
    10^6 pixels) or ``gflop_per_run``, ``cpu_seconds_per_megapixel`` or ``cpu_seconds_per_run`` as
    reported by others, ``peak_bytes_per_pixel`` of a tile or ``peak_bytes`` of a run, on top of
    ``session_bytes`` after loading. ``mix`` says what its operations are made of, since a machine
    is not equally fast at all kinds: a name in ``device.profile.MIXES``, or shares per kind that
    the probe measures; "" where it is not known.
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

    @property
    def main_file(self) -> CardFile:
        """The first .onnx file, or where there is none the first file."""
        return next((file for file in self.files if file.is_session), self.files[0])

    @property
    def download_bytes(self) -> int:
        """The size of all its files together; what it needs beside is not counted."""
        return sum(file.size for file in self.files)

    @property
    def takes_sigma(self) -> bool:
        """Whether the model must be told the strength of the noise."""
        return any(SIGMA in spec.channels for spec in self.inputs)

    @property
    def run_side(self) -> int | None:
        """The side in pixels of what goes through it at once; None where no shape has a word."""
        return self.tile.size if self.tile else self.side

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
