"""Adding a model of the user's own, as an editor shows it: what was understood, and corrections.

Polled from a timer like the ``counter``; nothing here waits.
"""

from __future__ import annotations

import base64
import binascii
import queue
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import toolbox, wire
from ..client import Client
from ..consent import Line
from ..errors import Cancelled
from ..lane import Lane, Watch
from ..language import _
from ..paths import Paths
from .views import Action, Doing, doing_of, explained

LOOK, ADD = "look", "add"
COMMERCIAL = (("unclear", _("I do not know")), ("yes", _("allowed")), ("no", _("not allowed")))
HELP = _(
    "An .onnx file is looked at without being opened, then tried in a process of its own with "
    "limits of memory and time. You see what was understood of it and can correct that; nothing is "
    "stored before you add it."
)
_SURE = {
    "declared": _("sure: the file says so"),
    "measured": _("sure: it was tried"),
    "told": _("as you said"),
    "likely": "likely",
    "either": _("makes no difference"),
    "assumed": _("assumed: please look at it"),
}
_LOOK = Action(LOOK, _("Loo_k at It"), _("Finds out how it is used, and tries it; stores nothing."))
_AGAIN = Action(LOOK, _("Loo_k Again"), _("Tries it with what you have corrected; stores nothing."))
_ADD = Action(ADD, _("_Add It"), _("Stores it; the tool then takes it before all others."))


@dataclass(frozen=True)
class Form:
    """What the user says of the file. ``told`` are corrections by the names of the findings."""

    file: str = ""
    tool: str = ""
    title: str = ""
    licence: str = ""
    commercial: str = "unclear"
    told: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class OwnView:
    """All that is to be shown. ``png`` is the preview, before and after side by side."""

    findings: tuple[wire.Finding, ...] = ()
    lines: tuple[Line, ...] = ()
    png: bytes = b""
    actions: tuple[Action, ...] = (_LOOK,)
    doing: Doing | None = None
    said: str = ""
    failed: bool = False


def tools() -> tuple[tuple[str, str], ...]:
    """The tools that take a model of the user's own, id and title."""
    return tuple((tool.id, tool.title) for tool in toolbox.TOOLS if tool.id in toolbox.TAKE_OWN)


def sure(finding: wire.Finding) -> str:
    """How sure something is that was understood, in words."""
    return _SURE.get(finding.sure, finding.sure)


def corrected(finding: wire.Finding, value: str) -> Mapping[str, str]:
    """The correction that a value of a field means, none where it is what was understood."""
    value = value.strip()
    if not finding.open or not value or (value == finding.value and finding.sure != "told"):
        return {}
    return {finding.name: value}


class Desk:
    """Where one model is looked at and added; ``added`` is called once it is here."""

    def __init__(self, paths: Paths, host: str, version: str, added: Callable[[], None]) -> None:
        self._added = added
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._lane = Lane("nss-own", lambda: Client(paths, host, version), self._calls.put)
        self._watch: Watch | None = None
        self._doing: Doing | None = None
        self._examined: wire.Examined | None = None
        self._said, self._failed = "", False

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self._watch is not None

    def poll(self) -> OwnView:
        """What is to be shown now."""
        while not self._calls.empty():
            self._calls.get()()
        found = self._examined
        if found is None:
            return OwnView(doing=self._doing, said=self._said, failed=self._failed)
        lines = [Line(f"{found.summary}.")]
        lines += [Line(_("Caution: {doubt}", doubt=doubt), warning=True) for doubt in found.doubts]
        return OwnView(
            tuple(found.findings),
            tuple(lines),
            _png(found.png),
            (_AGAIN, _ADD) if found.works else (_AGAIN,),
            self._doing,
            self._said,
            self._failed,
        )

    def forget(self) -> None:
        """What was understood is of another file or tool."""
        if not self.busy:
            self._examined = None
            self._said, self._failed = "", False

    def look(self, form: Form) -> None:
        """Find out how the tool can use the file; nothing is stored."""
        if not form.file:
            self._said, self._failed = _("Choose a file first."), True
            return
        request = wire.Examine(
            tool=form.tool,
            file=form.file,
            title=form.title,
            licence=form.licence,
            commercial=form.commercial,  # type: ignore[arg-type]
            told=dict(form.told),
        )
        self._start(request, wire.Examined, _("Looking at the file …"), self._seen)

    def add(self) -> None:
        """Store it as it was understood."""
        found = self._examined
        if found is not None:
            request = wire.AddModel(found.card, found.file)
            self._start(request, wire.Added, _("Storing it …"), self._stored)

    def cancel(self) -> None:
        """Stop what is being done."""
        if self._watch is not None:
            self._watch.cancel()
            self._doing = Doing(_("Cancelling …"))

    def stop(self) -> None:
        """End everything, and wait for the thread; before the editor quits."""
        self.cancel()
        self._lane.stop()

    def _start(self, request: Any, reply: type, begun: str, ended: Callable[[Any], None]) -> None:
        if self.busy:
            return
        self._said, self._failed = "", False
        self._doing = Doing(begun)
        self._watch = self._lane.watch(self._progressed)

        def step(client: Any, watch: Any) -> Any:
            return client.ask(request, reply, watch)

        def done(value: Any, failed: BaseException | None) -> None:
            self._watch = self._doing = None
            if failed is None:
                ended(value)
            else:
                self._said = _("Cancelled.") if isinstance(failed, Cancelled) else explained(failed)
                self._failed = not isinstance(failed, Cancelled)

        self._lane.post(step, self._watch, done)
        self._lane.hang_up()

    def _progressed(self, event: object) -> None:
        if self._watch is not None and not self._watch.cancelled():
            self._doing = doing_of(event) or self._doing

    def _seen(self, examined: wire.Examined) -> None:
        self._examined = examined

    def _stored(self, added: wire.Added) -> None:
        self._examined = None
        self._said = added.text
        self._added()


def _png(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
