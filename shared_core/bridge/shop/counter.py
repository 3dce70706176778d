"""Shows the models and this machine, and does what is chosen; for editors, which must not wait.

An editor polls it from a timer, draws the view and hands back what was clicked. What takes time is
done by the worker, which is followed in two threads: one for work, one for questions, so that the
list can be read meanwhile.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable
from typing import Any

from .. import consent, launch, settings, wire
from ..client import Client
from ..errors import Cancelled
from ..lane import Lane, Watch
from ..language import _
from ..paths import Paths
from . import privacy, views
from .views import Doing, Question, View

# How often it is looked what comes by itself: another program's download, the first measurement.
_AGAIN_SECONDS = 3.0
_MEASURED_SECONDS = 60.0
_ALL = ""


class Counter:
    """One for each editor; several windows may show it."""

    def __init__(self, paths: Paths, host: str, version: str) -> None:
        def make() -> Client:
            return Client(paths, host, version)

        self._paths = paths
        self._calls: queue.SimpleQueue[Callable[[], None]] = queue.SimpleQueue()
        self._asking = Lane("nss-models-list", make, self._calls.put)
        self._working = Lane("nss-models-work", make, self._calls.put)
        self._watch: Watch | None = None
        self._doing: Doing | None = None
        self._pending: tuple[str, str] = ("", "")
        self._question: Question | None = None
        self._models: wire.ModelsReply | None = None
        self._machine: wire.DoctorReply | None = None
        self._groups: tuple[views.Group, ...] = ()
        self._privacy = ""
        self._looking = self._again = False
        self._looked = 0.0
        self._begun = time.monotonic()
        self._said, self._failed = "", False

    @property
    def busy(self) -> bool:
        """Whether something is being done."""
        return self._watch is not None

    @property
    def settled(self) -> bool:
        """Whether nothing is being done, and the list is none from before it was."""
        return not (self.busy or self._looking)

    def poll(self) -> View:
        """What is to be shown now."""
        while not self._calls.empty():
            self._calls.get()()
        now = time.monotonic()
        if self._expects(now) and not self.busy and now - self._looked > _AGAIN_SECONDS:
            self.look()
        return self._view()

    def _expects(self, now: float) -> bool:
        """Whether something may change by itself."""
        if self._models is None or self._machine is None:
            return False
        measuring = self._machine.profile is None and now - self._begun < _MEASURED_SECONDS
        return measuring or any(one.coming for one in self._models.models)

    def look(self) -> None:
        """Ask how things stand; whatever was shown may have changed since."""
        if self._looking:
            # What comes in now may be from before the change.
            self._again = True
            return
        self._looking, self._again = True, False
        self._looked = time.monotonic()

        def step(client: Any, watch: Any) -> tuple[wire.ModelsReply, wire.DoctorReply]:
            models = client.ask(wire.AskModels(), wire.ModelsReply, watch)
            return models, client.ask(wire.AskDoctor(wait=False), wire.DoctorReply, watch)

        self._asking.post(step, self._asking.watch(lambda event: None), self._seen)
        self._asking.hang_up()

    def begin(self, action: str, model: str = _ALL, folder: str = "") -> None:
        """Do what the user chose from the newest view; some of it is asked about first."""
        if action in (views.AGREE, views.OTHER) and self._question is None:
            return
        if action == views.AGREE:
            self._agreed(*self._pending)
        elif action == views.DISMISS:
            self.dismiss()
        elif action == views.OTHER:
            self._ask_about(views.DOWNLOAD, self._other())
        elif action in (views.DOWNLOAD, views.REMOVE):
            self._ask_about(action, model)
        elif action == views.MEASURE:
            self._start(wire.AskDoctor(again=True), wire.DoctorReply, _("Measuring this machine …"))
        elif action in (views.SWITCH_ON, views.SWITCH_OFF):
            request = wire.SwitchModel(model, action == views.SWITCH_ON)
            self._start(request, wire.Done, _("Switching …"))
        elif action in (views.VERIFY, views.IMPORT, views.EXPORT, views.MOVE):
            names = (model,) if model else ()
            self._tend(wire.Tend(action, names, folder))  # type: ignore[arg-type]

    def dismiss(self) -> None:
        """The user did not agree, or has read what was said."""
        self._question = None
        self._said, self._failed = "", False

    def cancel(self) -> None:
        """Stop what is being done."""
        if self._watch is not None:
            self._watch.cancel()
            self._doing = Doing(_("Cancelling …"))

    def stop(self) -> None:
        """End everything, and wait for the threads; before the editor quits."""
        self.cancel()
        self._asking.stop()
        self._working.stop()

    # What is shown

    def _view(self) -> View:
        details, actions = "", list(views.FOR_ALL)
        if self._machine is None:
            line = views.LOOKING if self._looking or not self._said else ""
        else:
            line, details = views.machine(self._machine)
            actions.append(views.MEASURING)
        return View(
            machine=line,
            details="\n\n".join(filter(None, (details, self._privacy))),
            groups=self._groups,
            disk=views.disk(self._models) if self._models else "",
            actions=tuple(actions) if self._models else (),
            question=self._question,
            doing=self._doing,
            said=self._said,
            failed=self._failed,
        )

    def _seen(self, value: Any, failed: BaseException | None) -> None:
        self._looking = False
        if self._again:
            self.look()
        if failed is not None:
            self._tell(failed)
            return
        self._models, self._machine = value
        chosen = settings.load(self._paths.settings)
        self._groups = views.groups(self._models, chosen.commercial_only)
        self._privacy = "\n".join(privacy.lines(self._paths))

    # What is done

    def _found(self, model: str) -> wire.Model | None:
        known = self._models.models if self._models else ()
        return next((one for one in known if one.id == model), None)

    def _other(self) -> str:
        model = self._found(self._pending[1])
        return views.instead_of(model, self._models.models) if model and self._models else ""

    def _ask_about(self, action: str, name: str) -> None:
        model = self._found(name)
        if self.busy or self._models is None:
            return
        self._pending = action, name
        self._said, self._failed = "", False
        if action == views.REMOVE:
            self._question = views.to_remove(model, name)
        elif model is not None and not model.missing_bytes:
            self._question = None
            self._said = _(
                "{title} is here already; choose it as the tool's model.", title=model.title
            )
        elif model is not None:
            host = consent.hub_host()
            self._question = views.to_download(model, self._models.models, host)

    def _agreed(self, action: str, name: str) -> None:
        self._question = None
        if action == views.DOWNLOAD:
            model = self._found(name)
            title = model.title if model else name
            request = wire.Download(name, launch.hub_environment())
            self._start(
                request,
                wire.Done,
                _("Downloading {title} …", title=title),
                _("{title} is ready.", title=title),
            )
        elif action == views.REMOVE:
            self._tend(wire.Tend("remove", (name,)))

    def _tend(self, request: wire.Tend) -> None:
        self._start(request, wire.Done, _BEGUN[request.chore])

    def _start(self, request: Any, reply: type, begun: str, ended: str = "") -> None:
        if self.busy:
            return
        self._question = None
        self._said, self._failed = "", False
        self._doing = Doing(begun)
        self._watch = self._working.watch(self._progressed)

        def step(client: Any, watch: Any) -> str:
            answer = client.ask(request, reply, watch)
            return ended or getattr(answer, "text", "")

        self._working.post(step, self._watch, self._ended)
        self._working.hang_up()

    def _progressed(self, event: object) -> None:
        if self._watch is not None and not self._watch.cancelled():
            self._doing = views.doing_of(event) or self._doing

    def _ended(self, value: Any, failed: BaseException | None) -> None:
        self._watch = self._doing = None
        if isinstance(failed, Cancelled):
            self._said, self._failed = _("Cancelled. What has come already is kept."), False
        elif failed is not None:
            self._tell(failed)
        else:
            self._said, self._failed = str(value), False
        self.look()

    def _tell(self, error: BaseException) -> None:
        self._said, self._failed = views.explained(error), True


_BEGUN = {
    "verify": _("Verifying …"),
    "remove": _("Removing …"),
    "import": _("Looking through the folder …"),
    "export": _("Copying …"),
    "move": _("Moving …"),
}
