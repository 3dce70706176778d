"""All text that users read, in their language: English sentences, and a catalogue for each other.

A text is written once, in English, as the argument of ``_``; ``locale/LANGUAGE.po`` translates it.
A process speaks one language, which its host chooses before anything else is loaded, and English
where nobody chooses: so in the worker and its children. What they say crosses as ``Message``, and
whoever shows it reads it in its own language; what is kept (receipts, journal) stays English with
the message as data beside it.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gettext import NullTranslations

ENGLISH = "en"
LOCALE = Path(__file__).resolve().parent / "locale"
# What overrides the language of every host.
OVERRIDE = "NSS_LANGUAGE"
_UNIX = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")

# A value's place in a text. Only these formats: a text may come from a stranger's file.
PLACE = re.compile(r"\{([a-z_][a-z0-9_]*)(?::((?:\.\d\d?)?[gf%]|,|,?\.\df))?\}")
_DEPTH = 16
_SAY, _MANY, _WITH = "say", "many", "with"

_language = ENGLISH
_catalogues: dict[str, NullTranslations | None] = {}


class Message(str):
    """A text in this process's language, which knows its English and its values.

    ``text`` is the English sentence with its places, ``many`` its plural for a text with a
    ``count``, "" for others. ``values`` are strings, numbers and messages.
    """

    __slots__ = ("many", "text", "values")

    text: str
    many: str
    values: Mapping[str, Any]

    def __new__(cls, text: str, many: str = "", values: Mapping[str, Any] | None = None) -> Message:
        values = {name: _plain(value) for name, value in (values or {}).items()}
        message = super().__new__(cls, _rendered(text, many, values, _language))
        message.text, message.many, message.values = text, many, values
        return message

    def __str__(self) -> str:
        return self

    def __deepcopy__(self, memo: object) -> Message:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.text, self.many, self.values)

    def within(self, language: str) -> str:
        """The text in another language, as a plain string."""
        return _rendered(self.text, self.many, self.values, language)

    @property
    def english(self) -> str:
        """The text as it is kept, as a plain string."""
        return self.within(ENGLISH)


def _(text: str, /, **values: Any) -> str:
    """A text for users; a place ``{name}`` takes a value, ``{name:.1f}`` a number in this form."""
    return Message(text, "", values)


def ngettext(one: str, many: str, count: int, /, **values: Any) -> str:
    """A text about ``count`` things, which is the value of the place ``{count}`` too."""
    return Message(one, many, {"count": count, **values})


def joined(separator: str, parts: Iterable[str]) -> str:
    """Texts that stand beside each other without being one sentence."""
    values = {f"part{number}": part for number, part in enumerate(parts)}
    return Message(separator.join(f"{{{name}}}" for name in values), "", values)


def looked_up(text: str) -> str:
    """A constant text that was kept in English, in this process's language."""
    return Message(text)


def within(text: str, language: str) -> str:
    """A text in another language than this process's; a plain string stays as it is."""
    return text.within(language) if isinstance(text, Message) else text


def _plain(value: Any) -> str | int | float:
    """A value as it can cross."""
    return value if isinstance(value, (str, int, float)) else str(value)


def _rendered(text: str, many: str, values: Mapping[str, Any], language: str) -> str:
    catalogue = _catalogue(language)
    count = values.get("count") if many else None
    if catalogue is not None and text:
        text = catalogue.gettext(text) if count is None else catalogue.ngettext(text, many, count)
    elif count is not None and count != 1:
        text = many

    def put(place: re.Match[str]) -> str:
        name, form = place.groups()
        if name not in values:
            return place.group()
        value = values[name]
        if isinstance(value, Message):
            return value.within(language)
        if isinstance(value, (int, float)) and form:
            return localised(format(value, form), language)
        return str(value)

    return PLACE.sub(put, text) if values else text


def localised(number: str, language: str | None = None) -> str:
    """A number that was written with a decimal point and commas between thousands."""
    # The decimal point, and the mark between thousands.
    marks = within(_(".,"), language or _language)
    return number.translate({ord("."): marks[0], ord(","): marks[1]})


def _catalogue(language: str) -> NullTranslations | None:
    """The texts of a language; None for English and where there are none."""
    if language == ENGLISH:
        return None
    if language not in _catalogues:
        from gettext import GNUTranslations

        try:
            with (LOCALE / f"{language}.mo").open("rb") as file:
                _catalogues[language] = GNUTranslations(file)
        except (OSError, ValueError):
            _catalogues[language] = None
    return _catalogues[language]


# The language of a process


def languages() -> list[str]:
    """All languages that there are, English first."""
    return [ENGLISH, *sorted(path.stem for path in LOCALE.glob("*.mo"))]


def choose(wanted: Iterable[str]) -> None:
    """Speak the first of the ``wanted`` languages (as ``de`` or ``de-AT``) that there is.

    Only what is said from now on is in it: a host calls this before it loads anything else.
    """
    global _language  # noqa: PLW0603
    there = languages()
    override = os.environ.get(OVERRIDE)
    for tag in [override] if override else wanted:
        language = re.split(r"[-_.@]", tag.lower())[0]
        if language in ("c", "posix"):
            break
        if language in there:
            _language = language
            return
    _language = ENGLISH


def spoken() -> str:
    """The language of this process."""
    return _language


def of_environment(environ: Mapping[str, str] | None = None) -> list[str]:
    """The languages that the environment asks for, as gettext and GIMP read it."""
    environ = os.environ if environ is None else environ
    found = [value for name in _UNIX[1:] if (value := environ.get(name, ""))][:1]
    translated = not found or found[0].split(".")[0] not in ("C", "POSIX")
    if environ.get("LANGUAGE") and translated:
        return environ["LANGUAGE"].split(":")
    return found or _of_system()


def _of_system() -> list[str]:
    """The language of the user's desktop, where the environment does not say (Windows, macOS)."""
    import locale
    import sys

    if sys.platform == "win32":
        import ctypes

        number = ctypes.windll.kernel32.GetUserDefaultUILanguage()
        name = locale.windows_locale.get(number)
        return [name] if name else []
    if sys.platform == "darwin":
        import plistlib

        kept = Path.home() / "Library/Preferences/.GlobalPreferences.plist"
        try:
            with kept.open("rb") as file:
                return [str(tag) for tag in plistlib.load(file).get("AppleLanguages", [])]
        except (OSError, ValueError):
            return []
    return []


# Messages as data, for the wire, for children and for what is kept


def packed(data: Any) -> Any:
    """JSON data with every message in it as an object."""
    if isinstance(data, Message):
        form: dict[str, Any] = {_SAY: data.text}
        if data.many:
            form[_MANY] = data.many
        if data.values:
            form[_WITH] = {name: packed(value) for name, value in data.values.items()}
        return form
    if isinstance(data, Mapping):
        return {key: packed(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [packed(value) for value in data]
    return data


def message_of(data: object, depth: int = _DEPTH) -> Message | None:
    """The message that an object stands for; None where it is none."""
    if not isinstance(data, dict) or not depth or not {_SAY} <= set(data) <= {_SAY, _MANY, _WITH}:
        return None
    text, many, given = data[_SAY], data.get(_MANY, ""), data.get(_WITH, {})
    if not (isinstance(text, str) and isinstance(many, str) and isinstance(given, dict)):
        return None
    values: dict[str, Any] = {}
    for name, value in given.items():
        plain = message_of(value, depth - 1) if isinstance(value, dict) else value
        if not isinstance(plain, (str, int, float)):
            return None
        values[name] = plain
    if many and type(values.get("count")) is not int:
        return None
    return Message(text, many, values)


def kept(data: Any) -> Any:
    """JSON data with every message in English."""
    if isinstance(data, Message):
        return data.english
    if isinstance(data, Mapping):
        return {key: kept(value) for key, value in data.items()}
    if isinstance(data, (list, tuple)):
        return [kept(value) for value in data]
    return data


def unpacked(data: Any) -> Any:
    """JSON data with every object that stands for a message as one."""
    if isinstance(data, dict):
        message = message_of(data)
        if message is not None:
            return message
        return {key: unpacked(value) for key, value in data.items()}
    return [unpacked(value) for value in data] if isinstance(data, list) else data
