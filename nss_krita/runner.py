"""Runs the tools' flows: documents on Krita's own thread, everything that waits in another.

A flow's steps are called in a thread of their own with a client of the worker. It must be stopped
before Krita quits.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .log import LOG, explain, guarded
from .qt import QtCore, Signal
from .vendored import _, client, errors, host, lane, ngettext, paths, receipt, wire

if TYPE_CHECKING:
    from . import layers

NAME = "Krita"
# So often it is looked whether a stroke has ended.
_LOOK_MS = 100
# What Krita works on when Apply is clicked mostly ends by itself; a tool in use is ended then.
_LOOKS_BEFORE_START = 15


class Lane(QtCore.QObject):
    """A lane of the bridge, whose calls Qt brings from its thread to its own."""

    _came = Signal(object)

    def __init__(
        self,
        name: str,
        make_client: Callable[[], client.Client],
        progressed: Callable[[object], None] = lambda event: None,
    ) -> None:
        super().__init__()
        self._name = name
        self._progressed = progressed
        self._came.connect(self._deliver, QtCore.Qt.ConnectionType.QueuedConnection)
        self._lane = lane.Lane(name, make_client, self._came.emit)
        self.post, self.hang_up = self._lane.post, self._lane.hang_up

    def watch(self) -> lane.Watch:
        """A watcher for the next step."""
        return self._lane.watch(self._progressed)

    def stop(self) -> None:
        """End whatever runs, for good, and wait for the thread."""
        if not self._lane.stop():
            LOG.warning("the thread %s did not end in %s s", self._name, lane.JOIN_SECONDS)

    @guarded
    def _deliver(self, call: Callable[[], None]) -> None:
        call()

    def tell(self, sentence: str) -> None:
        """What a failed delivery said has been logged; there is nobody to tell it to."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended: ``sentence`` for the user, the receipts of the layers it added."""

    sentence: str
    failed: bool
    receipts: tuple[receipt.Receipt, ...] = field(default=())
    # The order whose real path was wanted and is not possible.
    impossible: host.Order | None = None


@dataclass(frozen=True)
class Step:
    """How far a run has come; ``share`` (0..1) is that of all layers, None where not known."""

    sentence: str
    share: float | None


class Runner(QtCore.QObject):
    """One run at a time, for all windows."""

    changed = Signal()
    progressed = Signal(object)
    ended = Signal(object)

    def __init__(self, places: paths.Paths, version: str) -> None:
        super().__init__()
        self._lane = Lane("nss-run", lambda: client.Client(places, NAME, version), self._progress)
        self._flow: host.Flow | None = None
        self._place: layers.KritaHost | None = None
        self._watch: lane.Watch | None = None
        self._stopped = False
        self._order: host.Order | None = None
        self._layers_done = self._layers = 0
        self.title = ""

    @property
    def busy(self) -> bool:
        """Whether a run is going on; also while Krita's event loop runs inside a conversion."""
        return self._watch is not None

    def run(self, place: layers.KritaHost, order: host.Order, title: str, count: int = 1) -> None:
        """Start a run on ``count`` layers; it ends with the signal ``ended``.

        ``title`` names the document.
        """
        if self.busy or self._stopped:
            return
        self.title, self._order = title, order
        self._layers_done, self._layers = 0, count
        self._watch = self._lane.watch()
        place.cancelled = self._watch.cancelled
        self._place = place
        self._flow = host.apply_tool(place, order)
        self.changed.emit()
        self._begin(_LOOKS_BEFORE_START)

    def cancel(self) -> None:
        """Ask the run to stop."""
        if self._watch is not None:
            self._watch.cancel()

    def stop(self) -> None:
        """End the run at once, without a word; before Krita quits."""
        self._stopped = True
        self.cancel()
        self._lane.stop()
        self._close_flow()

    def tell(self, sentence: str) -> None:
        """End a run with a mistake of its own."""
        if self.busy:
            self._end(Outcome(sentence, True))

    @guarded
    def _begin(self, looks: int) -> None:
        """Read the first layer as soon as it is what the user sees."""
        if self._at_work():
            if looks:
                QtCore.QTimer.singleShot(_LOOK_MS, lambda: self._begin(looks - 1))
                return
            assert self._place is not None
            self._place.settle()
        self._advance(next)

    @guarded
    def _write(self, value: Any) -> None:
        """Let the flow write a layer as soon as that is in nobody's way."""
        if self._at_work():
            words = _("The result waits until you have ended the stroke, or the tool in use.")
            self.progressed.emit(Step(words, None))
            QtCore.QTimer.singleShot(_LOOK_MS, lambda: self._write(value))
            return
        self._advance(lambda flow: self._written(flow, value))

    def _at_work(self) -> bool:
        """Whether Krita works on the picture, of a run that goes on."""
        wanted = self._watch is not None and not self._watch.cancelled() and not self._stopped
        return wanted and self._place is not None and self._place.at_work()

    def _advance(self, move: Callable[[host.Flow], host.Step]) -> None:
        """Let the flow read or write, then hand its next step to the thread."""
        flow, watch = self._flow, self._watch
        if flow is None or watch is None:
            return
        if watch.cancelled():
            self._end(Outcome(self._cancelled(), False))
            return
        try:
            step = move(flow)
        except StopIteration as end:
            remarks = self._place.remarks if self._place is not None else []
            self._end(self._success(tuple(end.value), remarks))
        except errors.Cancelled:
            self._end(Outcome(self._cancelled(), False))
        except Exception as error:
            said = explain(error)
            if self._layers_done:
                said = ngettext(
                    "{count} layer done, then: {said}",
                    "{count} layers done, then: {said}",
                    self._layers_done,
                    said=said,
                )
            impossible = isinstance(error, errors.RealPathImpossible)
            order = self._order if impossible else None
            self._end(Outcome(said, True, impossible=order))
        else:
            if self._stopped:
                self._close_flow()
            elif watch.cancelled():
                self._end(Outcome(self._cancelled(), False))
            else:
                self._lane.post(step, watch, self._reply)

    def _reply(self, value: Any, failed: BaseException | None) -> None:
        if failed is not None:
            self._advance(lambda flow: flow.throw(failed))
            # It leads to this call and back to itself, and would keep the layer's pixels meanwhile.
            failed.__traceback__ = None
        else:
            self._write(value)

    def _written(self, flow: host.Flow, value: Any) -> host.Step:
        """Let the flow write a layer; the step for the next one, if there is one."""
        step = flow.send(value)
        self._layers_done += 1
        return step

    def _cancelled(self) -> str:
        if self._layers_done:
            return ngettext(
                "Cancelled after {count} layer.",
                "Cancelled after {count} layers.",
                self._layers_done,
            )
        return _("Cancelled; the document was not changed.")

    @staticmethod
    def _success(receipts: tuple[receipt.Receipt, ...], remarks: list[str]) -> Outcome:
        sentence = receipt.sentence(receipts[-1])
        if len(receipts) > 1:
            sentence = _(
                "{count} layers done. The last one: {text}", count=len(receipts), text=sentence
            )
        return Outcome(" ".join([sentence, *remarks]), False, receipts)

    def _end(self, outcome: Outcome) -> None:
        self._close_flow()
        self._lane.hang_up()
        self._watch = self._place = None
        self.changed.emit()
        self.ended.emit(outcome)

    def _close_flow(self) -> None:
        flow, self._flow = self._flow, None
        if flow is not None:
            # A flow that is in the middle of a conversion cannot be closed; it ends by itself.
            with contextlib.suppress(ValueError):
                flow.close()

    def _progress(self, event: object) -> None:
        if not self.busy:
            return
        if isinstance(event, wire.Queued):
            self.progressed.emit(
                Step(_("Waiting: {place} before this one.", place=event.place), None)
            )
        elif isinstance(event, wire.Progress):
            whole = self._layers
            words = event.sentence()
            words = words[:1].upper() + words[1:]
            if whole > 1:
                number = self._layers_done + 1
                words = _(
                    "Layer {number} of {whole} · {words}", number=number, whole=whole, words=words
                )
            self.progressed.emit(Step(words, self._share(event)))

    def _share(self, event: wire.Progress) -> float | None:
        """How much of all layers is done; None while nobody knows how far one alone is."""
        if event.total <= 0:
            return None if self._layers == 1 else self._layers_done / self._layers
        # A download comes before the first layer, and is no part of it.
        done = 0.0 if self._layers > 1 and event.unit == "bytes" else event.done / event.total
        return (self._layers_done + min(1.0, done)) / self._layers
