"""A TOML table that knows its file and place, so that an error can name the field that is wrong."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _


class Table:
    """One table of a card; every method raises ``CouldNotBeDone`` naming file and field."""

    def __init__(self, path: Path, place: str, data: Mapping[str, object]) -> None:
        self._path = path
        self._place = place
        self._data = data
        self._asked: set[str] = set()

    def wrong(self, field: str, what: str) -> CouldNotBeDone:
        """The error to raise for ``field``."""
        name = f"{self._place}.{field}" if self._place else field
        return CouldNotBeDone(
            _("Model card {path}: field {name}: {what}.", path=self._path, name=name, what=what)
        )

    def get(self, field: str) -> object | None:
        """The raw value, None where there is none."""
        self._asked.add(field)
        return self._data.get(field)

    def no_others(self) -> None:
        """Refuse fields that nobody asked for."""
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

    def text_or_nothing(
        self, field: str, pattern: re.Pattern[str] | None = None, what: str = ""
    ) -> str:
        return "" if self.get(field) is None else self.text(field, pattern, what)

    def choice(self, field: str, choices: tuple[str, ...]) -> str:
        value = self.get(field)
        if not isinstance(value, str) or value not in choices:
            raise self.wrong(field, f"{value!r} is not one of {', '.join(choices)}")
        return value

    def choice_or_nothing(self, field: str, choices: tuple[str, ...]) -> str:
        return "" if self.get(field) is None else self.choice(field, choices)

    def whole(self, field: str, minimum: int) -> int:
        value = self.get(field)
        if not isinstance(value, int) or isinstance(value, bool) or value < minimum:
            raise self.wrong(field, f"{value!r} is not a whole number of at least {minimum}")
        return value

    def whole_or_none(self, field: str) -> int | None:
        return None if self.get(field) is None else self.whole(field, 1)

    def positive_or_none(self, field: str) -> float | None:
        return None if self.get(field) is None else self.positive(field)

    def positive(self, field: str) -> float:
        value = self.get(field)
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not value > 0:
            raise self.wrong(field, f"{value!r} is not a positive number")
        return float(value)

    def number_or_none(self, field: str) -> float | None:
        value = self.get(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, (int, float)) or not abs(value) < 1e30:
            raise self.wrong(field, f"{value!r} is not a number")
        return float(value)

    def flag(self, field: str) -> bool:
        value = self.get(field)
        if not isinstance(value, bool):
            raise self.wrong(field, f"{value!r} is neither true nor false")
        return value

    def flag_or_false(self, field: str) -> bool:
        return False if self.get(field) is None else self.flag(field)

    def items(self, field: str, least: int = 1) -> list[object]:
        value = self.get(field)
        if not isinstance(value, list) or len(value) < least:
            what = "a list with something in it" if least else "a list"
            raise self.wrong(field, f"{what} is missing here")
        return cast("list[object]", value)

    def texts(self, field: str) -> tuple[str, ...]:
        values = self.items(field)
        if not all(isinstance(value, str) and value for value in values):
            raise self.wrong(field, "takes texts only")
        return tuple(str(value) for value in values)

    def texts_or_nothing(self, field: str) -> tuple[str, ...]:
        return () if self.get(field) is None else self.texts(field)

    def numbers_or_nothing(self, field: str) -> tuple[float, ...]:
        if self.get(field) is None:
            return ()
        values = self.items(field)
        numbers = [
            float(value)
            for value in values
            if isinstance(value, (int, float)) and not isinstance(value, bool)
        ]
        if len(numbers) != len(values) or not all(abs(number) < 1e30 for number in numbers):
            raise self.wrong(field, "takes numbers only")
        return tuple(numbers)

    def wholes_or_nothing(self, field: str) -> tuple[int, ...]:
        numbers = self.numbers_or_nothing(field)
        if not all(number >= 0 and number == int(number) for number in numbers):
            raise self.wrong(field, "takes whole numbers only")
        return tuple(int(number) for number in numbers)

    def table(self, field: str) -> Table:
        value = self.get(field)
        if not isinstance(value, dict):
            raise self.wrong(field, "a table is missing here")
        return Table(self._path, field, value)

    def table_or_none(self, field: str) -> Table | None:
        return None if self.get(field) is None else self.table(field)

    def tables(self, field: str) -> list[Table]:
        tables = []
        for index, value in enumerate(self.items(field)):
            if not isinstance(value, dict):
                raise self.wrong(field, "takes tables only")
            tables.append(Table(self._path, f"{field}[{index}]", value))
        return tables

    def tables_or_nothing(self, field: str) -> list[Table]:
        return [] if self.get(field) is None else self.tables(field)
