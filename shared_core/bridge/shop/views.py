"""What an editor shows of the models, as plain data: every word of it, and what can be done.

Labels have a mnemonic, marked by an underscore as GTK has it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .. import consent, toolbox, wire
from ..consent import Line
from ..errors import NssError
from ..language import _, looked_up

DOWNLOAD, VERIFY, REMOVE = "download", "verify", "remove"
IMPORT, EXPORT, MOVE, MEASURE = "import", "export", "move", "measure"
OWN, SWITCH_ON, SWITCH_OFF = "own", "switch-on", "switch-off"
AGREE, OTHER, DISMISS = "agree", "other", "dismiss"

# Whoever is shown a state has the word; the sign only helps to find it.
_STATES = {
    "installed": _("✓ ready"),
    "unchecked": _("✓ here, checked before its next use"),
    "missing": _("not downloaded"),
    "partial": _("◐ here in part"),
    "bad": _("✗ cannot be used"),
}
_COMMERCIAL = {"yes": _("allowed"), "no": _("not allowed"), "unclear": _("in doubt")}
_HELPERS = _("Small helpers")
_FROM_NSS = _("✓ a part of NSS")


@dataclass(frozen=True)
class Action:
    """Something that can be done. ``chooses`` says what for: a "folder" to read or to "fill"."""

    id: str
    label: str
    help: str
    chooses: str = ""


@dataclass(frozen=True)
class Row:
    """One model: what stands in the list, and all that is told of it when it is chosen."""

    id: str
    title: str
    state: str
    size: str
    lines: tuple[Line, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Group:
    """The models of one tool."""

    title: str
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Question:
    """Something that is asked in place before it is done; ``actions`` are the answers to it.

    It stands where else is told of the chosen model, and begins with what is asked.
    """

    lines: tuple[Line, ...]
    actions: tuple[Action, ...]


@dataclass(frozen=True)
class Doing:
    """What is being done; ``share`` (0..1) is None while nobody knows how far it is."""

    text: str
    share: float | None = None


@dataclass(frozen=True)
class View:
    """All that is to be shown. Without ``groups`` ``said`` tells why there are none.

    ``machine`` is one line; ``details`` are many, with what was ever contacted. ``said`` is what
    came of what was done last, and ``failed`` whether it went wrong.
    """

    machine: str
    details: str
    groups: tuple[Group, ...]
    disk: str
    actions: tuple[Action, ...]
    question: Question | None = None
    doing: Doing | None = None
    said: str = ""
    failed: bool = False

    def told(self, model: str) -> tuple[tuple[Line, ...], tuple[Action, ...]]:
        """What is said and can be done beside the list, while this model is chosen."""
        told = self.question or self.row(model)
        return (told.lines, told.actions) if told else ((), ())

    def row(self, model: str) -> Row | None:
        """The model with this id."""
        return next((row for group in self.groups for row in group.rows if row.id == model), None)


NOT_NOW = Action(DISMISS, _("_Not Now"), _("Nothing is done."))
_REMOVING = (Action(AGREE, _("_Remove"), _("Deletes the files.")), NOT_NOW)
MEASURING = Action(MEASURE, _("_Measure Again"), _("Takes some seconds; the editor goes on."))
LOOKING = _("Looking at this machine …")
FOR_ALL = (
    Action(
        IMPORT,
        _("_Import…"),
        _("Takes over models from a folder, such as a USB stick; they are known by their SHA-256."),
        "folder",
    ),
    Action(
        EXPORT,
        _("_Export…"),
        _("Copies all models that are here, for a machine without network."),
        "fill",
    ),
    Action(OWN, _("Add _Your Own…"), _("Brings a model of your own: an .onnx file.")),
    Action(VERIFY, _("Verify _All"), _("Reads every file and compares its SHA-256.")),
    Action(
        MOVE,
        _("M_ove…"),
        _("Keeps all models in another folder from now on, for instance on a larger disk."),
        "fill",
    ),
)


def plain(label: str) -> str:
    """A label without its mnemonic, and without the dots that announce a question."""
    return label.replace("_", "", 1).rstrip("…")


def told(sentence: str, failed: bool) -> str:
    """What came of something, as it is shown; what went wrong has a sign beside its words."""
    return f"⚠ {sentence}" if failed and sentence else sentence


def doing_of(event: object) -> Doing | None:
    """A worker's message on its progress in words; None for another message."""
    if isinstance(event, wire.Queued):
        return Doing(_("Waiting: {place} before this.", place=event.place))
    if isinstance(event, wire.Progress):
        text = event.sentence()
        whole = event.unit == "bytes" and event.total
        share = min(1.0, event.done / event.total) if whole else None
        return Doing(text[:1].upper() + text[1:], share)
    return None


def explained(error: BaseException) -> str:
    """What is said of an error."""
    if isinstance(error, NssError):
        return str(error)
    return _(
        "Something unexpected went wrong ({kind}: {error}).", kind=type(error).__name__, error=error
    )


def groups(reply: wire.ModelsReply, commercial_only: bool) -> tuple[Group, ...]:
    """All models by tool, the preferred of each first; only those for commercial use if asked.

    What is here is shown in any case.
    """
    shown = [
        one
        for one in reply.models
        if not commercial_only or one.commercial == "yes" or one.disk_bytes
    ]
    found = []
    for tool in toolbox.TOOLS:
        models = sorted((one for one in shown if one.tool == tool.id), key=_order)
        if models:
            found.append(Group(tool.title, tuple(map(_row, models))))
    helpers = sorted((one for one in shown if not one.tool), key=_order)
    if helpers:
        found.append(Group(_HELPERS, tuple(map(_row, helpers))))
    if reply.strangers:
        known = tuple(_stranger(name, size) for name, size in reply.strangers.items())
        found.append(Group(_("No longer known"), known))
    return tuple(found)


def disk(reply: wire.ModelsReply) -> str:
    """What the models take, where they are, and how much room there is."""
    if reply.trouble:
        return reply.trouble
    used = sum(one.disk_bytes for one in reply.models) + sum(reply.strangers.values())
    text = _(
        "{size} in {folder}, where {free} are free.",
        size=_size(used),
        folder=reply.folder,
        free=_size(reply.free_bytes),
    )
    if reply.unfinished_bytes:
        text += " " + _(
            "Unfinished downloads have {size} more.", size=_size(reply.unfinished_bytes)
        )
    return text


def machine(reply: wire.DoctorReply) -> tuple[str, str]:
    """What this machine can run, in a line and in all detail."""
    if reply.profile is None:
        return _("This machine has not been measured yet."), ""
    return reply.line, reply.report


def to_download(model: wire.Model, models: Iterable[wire.Model], host: str) -> Question:
    """What is to be agreed to before a download."""
    offer = wire.Offer(
        model.id,
        model.title,
        model.missing_bytes,
        model.licence,
        model.licence_link,
        model.commercial,
        model.terms,
        model.hub_declared,
        _instead(model, models),
    )
    actions = [Action(AGREE, _("_Download"), _("Begins the download."))]
    if offer.instead is not None:
        text = consent.switch(offer.instead)
        actions.append(Action(OTHER, f"_{text}", consent.switch_help(offer.instead)))
    lines = consent.lines(model.tool, offer, host)
    return Question((_head(f"{consent.question(offer)}?"), *lines), (*actions, NOT_NOW))


def instead_of(model: wire.Model, models: Iterable[wire.Model]) -> str:
    """The id of the model that allows commercial use where this one does not, else ""."""
    found = _instead(model, models)
    return found.model if found else ""


def to_remove(model: wire.Model | None, name: str) -> Question:
    """What is to be agreed to before a model's files are deleted."""
    if model is None:
        lines = _head(_("Remove {name}?", name=name)), Line(_("No tool can use it any more."))
        return Question(lines, _REMOVING)
    size = _size(model.disk_bytes)
    back = (
        _("It can be downloaded again.") if not model.own else _("NSS keeps no other copy of it.")
    )
    lines = (
        _head(_("Remove {title} ({size})?", title=model.title, size=size)),
        Line(back, warning=model.own),
    )
    return Question(lines, _REMOVING)


def _row(model: wire.Model) -> Row:
    return Row(
        model.id,
        model.title,
        _state(model),
        _size(model.bytes),
        tuple(_lines(model)),
        tuple(_actions(model)),
    )


def _state(model: wire.Model) -> str:
    if model.coming:
        return _("… coming in")
    if model.shipped and model.state in ("installed", "unchecked"):
        return _FROM_NSS
    return _STATES.get(model.state, model.state)


def _head(text: str) -> Line:
    return Line(text, warning=True)


def _lines(model: wire.Model) -> Iterable[Line]:
    yield _head(model.title)
    if model.state == "bad":
        yield Line(model.reason, warning=True)
    if model.own:
        yield Line(_("Your own model."))
    gain = toolbox.tool(model.tool).gain if model.tool else ""
    if gain:
        yield Line(_("With it, {gain}.", gain=gain))
    if not model.tool:
        yield Line(_("Other models need it; it comes along with them."))
    elif not model.by_itself:
        yield Line(_("Runs only where you choose it as the tool's model."))
    if model.against:
        yield Line(
            _("On this machine, for a photo of 12 megapixels: {against}.", against=model.against)
        )
    elif model.seconds is not None:
        took = wire.duration(model.seconds)
        yield Line(_("On this machine about {took} for a photo of 12 megapixels.", took=took))
    yield Line(_("Licence: {licence}.", licence=model.licence or _("unknown")), model.licence_link)
    use = _(
        "Commercial use: {commercial}. {terms}",
        commercial=_COMMERCIAL[model.commercial],
        terms=looked_up(model.terms),
    ).strip()
    yield Line(use, warning=model.commercial != "yes")
    if model.disk_bytes and not model.shipped:
        used = _("last used {used}", used=model.used) if model.used else _("not used yet")
        size = _size(model.disk_bytes)
        yield Line(
            _(
                "Takes {size} on the disk; came {arrived}, {used}.",
                size=size,
                arrived=model.arrived,
                used=used,
            )
            if model.arrived
            else _("Takes {size} on the disk; {used}.", size=size, used=used)
        )


def _actions(model: wire.Model) -> Iterable[Action]:
    if model.shipped:
        return
    if model.missing_bytes and not model.own and not model.coming:
        label = _("Go On with the _Download…") if model.state == "partial" else _("_Download…")
        yield Action(DOWNLOAD, label, _("Says first what it is, and asks."))
    if model.own and model.by_itself:
        text = _("Uses it only where it is chosen as the tool's model.")
        yield Action(SWITCH_OFF, _("_Use Only Where Chosen"), text)
    elif model.own:
        text = _("Has the tool take it before all others.")
        yield Action(SWITCH_ON, _("_Use before Others"), text)
    if model.disk_bytes:
        yield Action(VERIFY, _("Veri_fy"), _("Reads its files and compares their SHA-256."))
        yield Action(REMOVE, _("_Remove…"), _("Deletes its files, after a question."))


def _stranger(name: str, size: int) -> Row:
    told = Line(_("No card knows this model any more, so that no tool can use it."))
    remove = Action(REMOVE, _("_Remove…"), _("Deletes its files, after a question."))
    return Row(name, name, _("not used"), _size(size), (_head(name), told), (remove,))


def _order(model: wire.Model) -> tuple[object, ...]:
    """The user's own first, then by rank; what has to be chosen comes after what runs by itself."""
    return (not model.own, not model.by_itself, model.rank, model.id)


def _instead(model: wire.Model, models: Iterable[wire.Model]) -> wire.Instead | None:
    if model.commercial == "yes" or not model.tool:
        return None
    clean: Sequence[wire.Model] = [
        one
        for one in models
        if one.tool == model.tool
        and one.commercial == "yes"
        and one.by_itself
        and not (one.own or one.shipped or one.state == "bad")
    ]
    found = min(clean, key=_order, default=None)
    return wire.Instead(found.id, found.title, found.id, found.missing_bytes) if found else None


def _size(count: int) -> str:
    return wire.megabytes(count) if count else _("0 MB")
