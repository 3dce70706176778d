"""Messages as bytes of JSON, and any dataclass out of JSON data, every field of it checked."""

from __future__ import annotations

import contextlib
import json
import math
import types
import typing
from dataclasses import asdict, fields, is_dataclass
from typing import Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from .language import message_of, packed
from .wire import MAX_MESSAGE, REPLIES, REQUESTS, WireError

_TYPES: dict[str, type] = {cls.__name__: cls for cls in REQUESTS + REPLIES}
_HINTS: dict[type, dict[str, Any]] = {}
T = TypeVar("T")


def encode(message: Any) -> bytes:
    """A message as bytes; ``WireError`` when it is too long or JSON cannot say it."""
    try:
        body = json.dumps(
            {"type": type(message).__name__, **packed(asdict(message))},
            ensure_ascii=True,
            allow_nan=False,
        ).encode("ascii")
    except (TypeError, ValueError, RecursionError) as error:
        raise WireError(f"A message to the worker cannot be written as JSON ({error}).") from None
    if len(body) > MAX_MESSAGE:
        raise WireError("A message to the worker is longer than one mebibyte.")
    return body


def decode(body: bytes) -> Any:
    """The message in ``body``; ``WireError`` for anything that is not exactly one of ours."""
    try:
        data = json.loads(body, parse_constant=_refuse, parse_int=_whole, parse_float=_finite)
    except (ValueError, RecursionError):
        raise WireError("A message is not valid JSON.") from None
    if not isinstance(data, dict):
        raise WireError("A message is not a JSON object.")
    kind = data.pop("type", None)
    cls = _TYPES.get(kind) if isinstance(kind, str) else None
    if cls is None:
        raise WireError("A message is of no known type.")
    return build(cls, data)


def _refuse(constant: str) -> None:
    raise WireError(f"A message holds {constant}, which is no number.")


def _whole(digits: str) -> int:
    # What is longer than 64 bits fits no size or count, and no sentence could show it.
    if len(digits) > 20:
        raise WireError("A message holds a number out of range.")
    return int(digits)


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise WireError("A message holds a number out of range.")
    return number


def build(cls: type[T], data: object) -> T:
    """A dataclass from JSON data; every field is checked against its annotation."""
    if not isinstance(data, dict):
        raise WireError(f"{cls.__name__} is not an object.")
    hints = _HINTS.get(cls) or _HINTS.setdefault(cls, get_type_hints(cls))
    known = {f.name for f in fields(cls)}  # type: ignore[arg-type]
    unknown = set(data) - known
    if unknown:
        raise WireError(f"{cls.__name__} has an unknown field {min(unknown)!r}.")
    try:
        return cls(**{k: _value(hints[k], v, f"{cls.__name__}.{k}") for k, v in data.items()})
    except TypeError:
        raise WireError(f"{cls.__name__} lacks a field.") from None


def _value(hint: Any, value: object, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        options = get_args(hint)
        if value is None:
            if type(None) in options:
                return None
            raise WireError(f"{where} is missing.")
        return _value(next(o for o in options if o is not type(None)), value, where)
    if hint is Any:
        return value
    if origin is Literal:
        if value in get_args(hint):
            return value
        raise WireError(f"{where} is none of {', '.join(map(str, get_args(hint)))}.")
    if origin is tuple:
        if isinstance(value, list):
            inner = get_args(hint)[0]
            return tuple(_value(inner, v, f"{where}[{i}]") for i, v in enumerate(value))
    elif origin is dict:
        if isinstance(value, dict) and all(isinstance(k, str) for k in value):
            inner = get_args(hint)[1]
            return {k: _value(inner, v, f"{where}[{k}]") for k, v in value.items()}
    elif is_dataclass(hint):
        return build(typing.cast(type, hint), value)
    elif hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            with contextlib.suppress(OverflowError):
                return float(value)
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, hint):
        return value
    elif hint is str and (message := message_of(value)) is not None:
        return message
    raise WireError(f"{where} has the wrong type.")
