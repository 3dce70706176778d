"""The user's settings, which Krita, GIMP and the command line share: one small JSON file.

Each value stands there in the words that ``nss settings`` takes, such as ``"budget": "3 min"``.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from .errors import CouldNotBeDone, UsageError
from .files import replace_text
from .language import _

SHORTEST_SECONDS, LONGEST_SECONDS = 5.0, 3600.0
# Less is no place for a model, and more likely a slip of the unit.
LEAST_BYTES = 100_000_000
DEFAULT = "default"
# What a panel offers for memory: a unit's least and largest number, and one to begin with.
UNITS = {"%": (1.0, 100.0, 60.0), "GB": (0.1, 1000.0, 4.0)}
_SECONDS = {"": 1, "s": 1, "sec": 1, "min": 60, "h": 3600}
_BYTES = {"MB": 10**6, "GB": 10**9, "TB": 10**12, "MIB": 2**20, "GIB": 2**30, "TIB": 2**40}
_QUANTITY = re.compile(r"(\d{1,12}(?:[.,]\d{1,12})?)\s*([A-Za-z%]*)")


@dataclass(frozen=True)
class Amount:
    """What a run may take of a memory: a ``share`` (0..1) of what is free, or so many ``bytes``."""

    share: float | None = None
    bytes: int | None = None

    def of(self, free: int) -> int:
        """Bytes that may be taken where ``free`` are free."""
        if self.share is not None:
            return int(free * self.share)
        return free if self.bytes is None else min(free, self.bytes)

    @property
    def sound(self) -> bool:
        """Whether it is one of the two, and within what there can be."""
        if self.share is not None:
            return self.bytes is None and 0 < self.share <= 1
        return self.bytes is not None and self.bytes > 0


# The rest stays for the editor, whose picture is open beside us, and on a card for the screen.
MEMORY, VRAM = Amount(share=0.6), Amount(share=0.8)


@dataclass(frozen=True)
class Limits:
    """What a real model may take by itself: seconds, memory, and memory of the graphics card."""

    budget: float = 60.0
    memory: Amount = MEMORY
    vram: Amount = VRAM


USUAL = Limits()


@dataclass(frozen=True)
class Settings:
    """All settings. ``models_folder`` is None where models lie in their usual place."""

    budget: float = USUAL.budget
    memory: Amount = USUAL.memory
    vram: Amount = USUAL.vram
    commercial_only: bool = False
    models_folder: str | None = None

    @property
    def limits(self) -> Limits:
        """What a real model may take by itself."""
        return Limits(self.budget, self.memory, self.vram)


def read_duration(text: str) -> float:
    """Seconds from words like ``90 s``, ``3min`` or ``1 h``; ``ValueError`` says what it takes."""
    value, unit = _quantity(text)
    seconds = value * _SECONDS.get(unit.lower(), 0)
    if not SHORTEST_SECONDS <= seconds <= LONGEST_SECONDS:
        raise ValueError(_("takes 5 s to 1 h, such as 90 s or 3 min"))
    return seconds


def show_duration(seconds: float) -> str:
    """The words for a number of seconds; ``read_duration`` gives the same number back."""
    for unit, length in (("h", 3600), ("min", 60)):
        if seconds % length == 0:
            return f"{seconds / length:.0f} {unit}"
    return f"{seconds:.10g} s"


def read_amount(text: str) -> Amount:
    """An amount of memory from words such as ``60 %`` or ``4GB``; ``ValueError`` as above."""
    value, unit = _quantity(text)
    if unit == "%" and 1 <= value <= 100:
        return Amount(share=round(value / 100, 14))
    count = round(value * _BYTES.get(unit.upper(), 0))
    if count < LEAST_BYTES:
        raise ValueError(_("takes 1 % to 100 % of what is free, or at least 100 MB, such as 4 GB"))
    return Amount(bytes=count)


def number_of(amount: Amount) -> tuple[float, str]:
    """An amount of memory as a number of one of the units that panels offer."""
    if amount.share is not None:
        return round(amount.share * 100, 10), "%"
    return (amount.bytes or 0) / 1e9, "GB"


def show_amount(amount: Amount) -> str:
    """The words for an amount of memory; ``read_amount`` gives the same back."""
    number, unit = number_of(amount)
    return f"{number:.15g} {unit}"


def read_switch(text: str) -> bool:
    """Yes or no; ``ValueError`` as above."""
    if text.lower() in ("yes", "true", "on"):
        return True
    if text.lower() in ("no", "false", "off"):
        return False
    raise ValueError(_("takes yes or no"))


def read_folder(text: str) -> str:
    """A folder's absolute path; ``ValueError`` as above."""
    try:
        folder = Path(text).expanduser()
    except RuntimeError:
        folder = Path(text)
    if not text or "\0" in text or not folder.is_absolute() or folder.is_file():
        raise ValueError(_("takes the whole path of a folder"))
    return str(folder)


def _quantity(text: str) -> tuple[float, str]:
    """A number and its unit; zero for what is neither."""
    match = _QUANTITY.fullmatch(text.strip())
    return (float(match[1].replace(",", ".")), match[2]) if match else (0.0, "")


@dataclass(frozen=True)
class Setting:
    """One setting by its name in the file: what it is, and how its words are read and shown."""

    name: str
    help: str
    read: Callable[[str], Any]
    show: Callable[[Any], str]


def show_switch(on: bool) -> str:
    """The word for yes or no."""
    return "yes" if on else "no"


def show_folder(folder: str | None) -> str:
    """The words for a folder."""
    return folder or DEFAULT


SETTINGS = (
    Setting("budget", _("longest time a real model may take"), read_duration, show_duration),
    Setting("memory", _("memory that it may take"), read_amount, show_amount),
    Setting("vram", _("memory of a graphics card that it may take"), read_amount, show_amount),
    Setting("commercial_only", _("only models for commercial use"), read_switch, show_switch),
    Setting("models_folder", _("folder of the models"), read_folder, show_folder),
)
_BY_NAME = {setting.name: setting for setting in SETTINGS}


def words_of(settings: Settings) -> dict[str, str]:
    """Every setting's words by its name."""
    return {setting.name: setting.show(getattr(settings, setting.name)) for setting in SETTINGS}


def summary(settings: Settings) -> str:
    """The limits in a few words."""
    return _(
        "{time}, {amount} of memory",
        time=show_duration(settings.budget),
        amount=show_amount(settings.memory),
    )


def load(path: Path) -> Settings:
    """The settings in the file; the default for each that is missing or cannot be used."""
    return read(path)[0]


def read(path: Path) -> tuple[Settings, str]:
    """As ``load``, and a sentence on what cannot be used, empty where all is well."""
    values: dict[str, Any] = {}
    trouble = ""
    try:
        values = _values(path)
    except ValueError as error:
        trouble = _(
            "The settings in {path} cannot be read ({error}), so the defaults hold. "
            "Correct the file or delete it.",
            path=path,
            error=error,
        )
    settings = Settings()
    for setting in SETTINGS:
        value = values.get(setting.name)
        if value is None:
            continue
        try:
            settings = replace(settings, **{setting.name: setting.read(_text(value))})
        except ValueError as error:
            trouble = trouble or _(
                "The setting {name} in {path} {error}, not {value}, so the default holds. "
                "Correct it with: nss settings {name}={default}",
                name=setting.name,
                path=path,
                error=error,
                value=repr(value),
                default=DEFAULT,
            )
    return settings, trouble


def change(path: Path, given: Mapping[str, str]) -> Settings:
    """Set what ``given`` names, in words; ``default`` takes a setting back. All settings then.

    What else stands in the file is kept; a file that cannot be read is kept beside. Raises
    ``UsageError`` for a name or words that are none, ``CouldNotBeDone`` where it cannot be written.
    """
    changed: dict[str, str | None] = {}
    for name, text in given.items():
        setting = _BY_NAME.get(name)
        if setting is None:
            raise UsageError(
                _(
                    "There is no setting {name}; there are {names}.",
                    name=repr(name),
                    names=", ".join(_BY_NAME),
                )
            )
        try:
            changed[name] = None if text == DEFAULT else setting.show(setting.read(text))
        except ValueError as error:
            raise UsageError(
                _(
                    "The setting {name} {error}, not {text}.",
                    name=name,
                    error=error,
                    text=repr(text),
                )
            ) from None
    # A link to a file that is kept elsewhere stays one.
    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        try:
            values = _values(target)
        except ValueError:
            values = {}
            os.replace(target, target.with_suffix(".broken.json"))
        for name, words in changed.items():
            values.pop(name, None)
            if words is not None:
                values[name] = words
        replace_text(target, json.dumps(values, indent=1) + "\n")
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The settings {path} cannot be written ({reason}). Free some space or correct "
                "the permissions of their folder.",
                path=path,
                reason=error.strerror or error,
            )
        ) from error
    return load(path)


def _values(path: Path) -> dict[str, Any]:
    """What the file holds, nothing where there is none; ``ValueError`` where it is no such file."""
    try:
        values = json.loads(path.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise ValueError(error.strerror or str(error)) from None
    except (ValueError, RecursionError):
        raise ValueError(_("it is not valid JSON")) from None
    if not isinstance(values, dict):
        raise ValueError(_("it is not a JSON object"))
    return values


def _text(value: Any) -> str:
    """A value of the file as words: JSON's own true, false and numbers will do too."""
    return value if isinstance(value, str) else json.dumps(value)
