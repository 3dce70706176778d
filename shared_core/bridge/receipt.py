"""The receipt: what made these pixels, why, how long it took; and the words for it."""

from __future__ import annotations

import json
import math
import types
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass, replace
from dataclasses import field as dataclass_field
from datetime import datetime, timedelta
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from . import iptc, toolbox
from .errors import BadInput, UsageError
from .language import Message, _, kept, message_of, packed
from .wire import BYO, CLASSICAL, REAL, duration, provider_title

SCHEMA = 1
T = TypeVar("T")
# A message to the worker holds a mebibyte; a receipt has about 1,500 bytes.
_SOURCE_BYTES = 1 << 17
_SOURCE_GENERATIONS = 32
_SOURCE_DEPTH = 8
# An editor reads all receipts of a picture while it waits.
_HINTS: dict[type, dict[str, Any]] = {}


@dataclass(frozen=True)
class Model:
    """The model file that ran. A file of the user's own has an empty ``repo`` and ``revision``."""

    id: str
    title: str
    repo: str
    revision: str
    file: str
    sha256: str
    licence: str


@dataclass(frozen=True)
class Algorithm:
    """The classical algorithm that ran, alone or before or after a model."""

    name: str
    parameters: dict[str, Any]


@dataclass(frozen=True)
class Provider:
    """The onnxruntime provider asked for, the one that really ran, and the device behind it.

    ``requested`` and ``bound`` are empty or None where no model ran.
    """

    requested: str | None
    bound: str | None
    device: str | None


@dataclass(frozen=True)
class Predicted:
    """What the plan said before the run; None where it could not be said."""

    seconds: float | None
    peak_bytes: int | None


@dataclass(frozen=True)
class Actual:
    """What the run took; ``peak_bytes`` None where it could not be measured."""

    load_seconds: float
    run_seconds: float
    total_seconds: float
    peak_bytes: int | None
    tiles: int


@dataclass(frozen=True)
class ImageFacts:
    """Size in pixels, depth (u8, u16 or f32), and whether a selection limited the change."""

    width: int
    height: int
    depth: str
    selection: bool


@dataclass(frozen=True)
class Versions:
    """Versions of this program, of onnxruntime (None where none ran) and of the host."""

    nss: str
    onnxruntime: str | None
    host: str


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """How the pixels of one result came about (schema 1).

    ``path`` is real, classical or byo (the user's own model). ``reason`` says why this path was
    taken, ``fault`` what failed on the way, if anything. ``started`` is UTC in ISO 8601.
    ``source`` is the receipt of the layer or file that this one was made from. ``found`` is what
    the tool found out about the picture: labels with their scores, faces, measurements.
    """

    schema: int = SCHEMA
    tool: str
    path: str
    model: Model | None
    algorithm: Algorithm | None
    provider: Provider
    reason: str
    fault: str | None
    predicted: Predicted
    actual: Actual
    image: ImageFacts
    parameters: dict[str, Any]
    seed: int | None
    versions: Versions
    started: str
    source: dict[str, Any] | None = None
    found: dict[str, Any] = dataclass_field(default_factory=dict)


def to_dict(receipt: Receipt) -> dict[str, Any]:
    """The receipt as JSON data."""
    data: dict[str, Any] = kept(_plain(receipt))
    said = {"reason": receipt.reason, "fault": receipt.fault, "algorithm": _algorithm(receipt)}
    wording = {name: packed(text) for name, text in said.items() if _worded(text)}
    return {**data, "wording": wording} if wording else data


def as_source(receipt: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """A layer's receipt as the ``source`` of the next one, with its newest generations.

    A chain that has grown too long loses its oldest steps, but of these the one that says most
    about a machine's share stays, by tool and path. None for what a message to the worker cannot
    carry: a file's receipt may be anything.
    """
    kept: list[dict[str, Any]] = []
    room = _SOURCE_BYTES
    step: object = receipt
    while isinstance(step, Mapping) and len(kept) < _SOURCE_GENERATIONS:
        own = {key: value for key, value in step.items() if key != "wording"}
        own["source"] = None
        try:
            room -= len(dump(own))
        except BadInput:
            break
        if room < 0 or _deeper(own, _SOURCE_DEPTH):
            break
        kept.append(own)
        step = step.get("source")
    made = _strongest_step(step) if kept else None
    for own in reversed(kept):
        made = {**own, "source": made}
    return made


def _strongest_step(oldest: object) -> dict[str, Any] | None:
    """The step from ``oldest`` on that determines the source type, by tool and path alone."""
    wanted = iptc.source_type(oldest) if isinstance(oldest, Mapping) else None
    step = oldest
    while wanted is not None and isinstance(step, Mapping):
        own = {"tool": step.get("tool"), "path": step.get("path"), "source": None}
        if iptc.source_type(own) == wanted:
            return own
        step = step.get("source")
    return None


def _deeper(data: object, levels: int) -> bool:
    """Whether JSON data is nested deeper than ``levels``."""
    if isinstance(data, Mapping):
        data = list(data.values())
    if not isinstance(data, list):
        return False
    return levels == 0 or any(_deeper(item, levels - 1) for item in data)


def to_json(receipt: Receipt) -> str:
    """The receipt as compact JSON in ASCII, the same text for the same receipt.

    ``BadInput`` when it holds something that JSON cannot say.
    """
    return dump(to_dict(receipt))


def dump(data: object) -> str:
    """JSON data as compact ASCII with sorted keys; ``BadInput`` when JSON cannot say it."""
    try:
        return json.dumps(
            data, ensure_ascii=True, allow_nan=False, sort_keys=True, separators=(",", ":")
        )
    except (TypeError, ValueError, RecursionError) as error:
        raise BadInput(
            _(
                "The receipt cannot be written as JSON ({error}). Run the tool again to get a "
                "new one.",
                error=error,
            )
        ) from None


def from_json(text: str | bytes) -> Receipt:
    """The receipt in ``text``; ``BadInput`` when it is none."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        raise BadInput(
            _("The receipt is not valid JSON. It was changed or cut off; use the original file.")
        ) from None
    return from_dict(data)


def from_dict(data: object) -> Receipt:
    """The receipt in JSON data; keys that schema 1 does not know are passed over.

    Raises ``BadInput`` naming the field that is missing or wrong.
    """
    if not isinstance(data, dict):
        raise _malformed(_("it is not a JSON object"))
    schema = data.get("schema")
    if isinstance(schema, bool) or not isinstance(schema, int):
        raise _malformed(_("it does not say which schema it follows"))
    if schema != SCHEMA:
        raise BadInput(
            _(
                "The receipt follows schema {schema} and this version reads schema {known}. "
                "Use the version of NSS that wrote it, or a newer one.",
                schema=schema,
                known=SCHEMA,
            )
        )
    receipt = _build(Receipt, data, "receipt")
    _check(receipt)
    wording = data.get("wording")
    return _said(receipt, wording if isinstance(wording, dict) else {})


def _said(receipt: Receipt, wording: Mapping[str, Any]) -> Receipt:
    """The receipt with its sentences in the reader's language.

    They are taken from the ``wording`` only where that says in English what the receipt says.
    """

    def text(name: str, english: str) -> str:
        message = message_of(wording.get(name))
        return message if message is not None and message.english == english else Message(english)

    algorithm = receipt.algorithm
    return replace(
        receipt,
        reason=text("reason", receipt.reason),
        fault=receipt.fault and text("fault", receipt.fault),
        algorithm=algorithm and replace(algorithm, name=text("algorithm", algorithm.name)),
    )


def _worded(text: object) -> bool:
    """Whether a sentence is more than a constant, which is found again by its English."""
    return isinstance(text, Message) and bool(text.values)


def _algorithm(receipt: Receipt) -> str | None:
    return receipt.algorithm.name if receipt.algorithm else None


def _check(receipt: Receipt) -> None:
    if receipt.path not in (REAL, CLASSICAL, BYO):
        raise _malformed(_("path {path} is none of real, classical, byo", path=repr(receipt.path)))
    if receipt.path == CLASSICAL and (receipt.model or not receipt.algorithm):
        raise _malformed(_("a classical result names an algorithm and no model"))
    if receipt.path != CLASSICAL and not receipt.model:
        raise _malformed(_("a result of a model does not name the model"))
    if not receipt.tool:
        raise _malformed(_("it names no tool"))
    if min(receipt.image.width, receipt.image.height) < 1:
        raise _malformed(_("the picture's size is not positive"))
    try:
        moment = datetime.fromisoformat(receipt.started.replace("Z", "+00:00"))
    except ValueError:
        raise _malformed(
            _("started is no ISO 8601 time: {started}", started=repr(receipt.started))
        ) from None
    if moment.utcoffset() != timedelta(0):
        raise _malformed(_("started is not in UTC"))


def _malformed(what: str) -> BadInput:
    return BadInput(
        _("The receipt is malformed: {what}. It was changed; use the original file.", what=what)
    )


def _plain(value: Any) -> Any:
    if is_dataclass(value):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return dict(value) if isinstance(value, Mapping) else value


def _build(cls: type[T], data: object, where: str) -> T:
    if not isinstance(data, dict):
        raise _malformed(_("{where} is not an object", where=where))
    hints = _HINTS.get(cls) or _HINTS.setdefault(cls, get_type_hints(cls))
    values = {}
    for field in fields(cls):  # type: ignore[arg-type]
        if field.name not in data and field.default_factory is not MISSING:
            # Receipts of the first version lack it.
            continue
        if field.name not in data:
            raise _malformed(_("{where} lacks {name}", where=where, name=field.name))
        values[field.name] = _value(hints[field.name], data[field.name], f"{where}.{field.name}")
    return cls(**values)


def _value(hint: Any, value: object, where: str) -> Any:
    if get_origin(hint) in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
    if is_dataclass(hint):
        return _build(hint, value, where)  # type: ignore[arg-type]
    if get_origin(hint) is dict:
        if isinstance(value, dict) and all(isinstance(key, str) for key in value):
            return value
    elif hint is float:
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            number = _finite(value)
            if number is not None and number >= 0:
                return number
    elif hint is int:
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    elif isinstance(value, hint):
        return value
    raise _malformed(_("{where} has the wrong type or value", where=where))


def _finite(value: int | float) -> float | None:
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def tool_title(tool_id: str) -> str:
    """The title of a tool, also of one that this version does not know."""
    try:
        return toolbox.tool(tool_id).title
    except UsageError:
        return tool_id.replace("-", " ").capitalize()


def short_model_title(title: str) -> str:
    """A model's title as a layer name bears it: without brackets, file suffix and overlength."""
    short = title.partition(" (")[0].strip().removesuffix(".onnx")
    return short if len(short) <= 32 else short[:31].rstrip() + "…"


def _maker(receipt: Receipt) -> str:
    """Who made the pixels, in two or three words."""
    if receipt.model is None:
        return _("classical")
    title = short_model_title(receipt.model.title or receipt.model.id)
    if receipt.path == BYO:
        return _("your model {model}", model=title)
    return _("real {model}", model=title)


def sentence(receipt: Receipt) -> str:
    """The receipt in one sentence, for panel and message.

    For example "Deblur: real NAFNet on CPU, 41 s." or "Deblur: classical sharpening, 0.8 s:
    model not downloaded (92 MB)."
    """
    took = duration(receipt.actual.total_seconds)
    tool, fault = tool_title(receipt.tool), _clause(receipt.fault or "")
    if receipt.model is None:
        name = receipt.algorithm.name if receipt.algorithm else _("classical")
        why = _clause(receipt.reason)
        if fault and fault not in why:
            why = f"{why} ({fault})" if why else fault
        text = _("{tool}: {algorithm}, {took}", tool=tool, algorithm=name, took=took)
        return _clause(f"{text}: {why}" if why else text) + "."
    bound = (receipt.provider.bound or "").replace(",", " ").split()
    device = provider_title(bound[0]) if bound else receipt.provider.device
    maker = _maker(receipt)
    if device:
        maker = _("{maker} on {device}", maker=maker, device=device)
    if receipt.algorithm:
        maker = _("{maker}, with {algorithm}", maker=maker, algorithm=receipt.algorithm.name)
    text = _("{tool}: {maker}, {took}", tool=tool, maker=maker, took=took)
    return _clause(f"{text} ({fault})" if fault else text) + "."


def _clause(text: str) -> str:
    """On one line, without the full stop."""
    return " ".join(text.split()).rstrip(".")


def layer_name(source_name: str, title: str, receipt: Receipt) -> str:
    """The result layer's name: ``Photo · Deblur · real NAFNet`` or ``Photo · Deblur · classical``.

    ``title`` is the tool's title.
    """
    return " ".join(f"{source_name} · {title} · {_maker(receipt)}".split())
