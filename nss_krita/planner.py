"""Asks the worker what tools would do, in a thread of its own.

The plan of the chosen tool is asked first, the others after it over the same connection; a new
round ends the one before. What is known of the machine comes along until it has been measured.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from .qt import QtCore, Signal
from .runner import NAME, Lane
from .vendored import client, host, paths, wire


@dataclass(frozen=True)
class Question:
    """What a plan was asked for; a new question means a new plan."""

    document: str
    layer: str
    width: int
    height: int
    order: host.Order

    def asked(self) -> wire.AskPlan:
        """The message to the worker."""
        return host.ask_plan(self.order, self.width, self.height)


@dataclass(frozen=True)
class _Answer:
    question: Question
    plan: wire.Plan


class Planner(QtCore.QObject):
    """Of several rounds of questions only the newest is answered."""

    # A question, and its plan or what kept it from being made.
    answered = Signal(object, object)
    machine = Signal(object)

    def __init__(self, places: paths.Paths, version: str) -> None:
        super().__init__()
        self._lane = Lane("nss-plan", lambda: client.Client(places, NAME, version), self._heard)
        self._open: list[Question] = []
        self._next: list[Question] | None = None
        self._working = False
        self._measured = False

    @property
    def busy(self) -> bool:
        """Whether an answer is outstanding."""
        return self._working

    def ask(self, questions: Sequence[Question]) -> None:
        """Each is answered by ``answered``, unless a newer round comes before."""
        self._next = list(questions)
        if not self._working:
            self._post()

    def forget(self) -> None:
        """Have nothing answered any more of what was asked so far."""
        self._open, self._next = [], None

    def stop(self) -> None:
        """End the thread; before Krita quits."""
        self.forget()
        self._lane.stop()

    def _post(self) -> None:
        if self._next is None:
            return
        self._open, self._next = self._next, None
        self._working = True
        questions, measured = tuple(self._open), self._measured

        def step(connected: client.Client, watch: Any) -> None:
            for question in questions:
                # Read without a lock: at worst one plan is made that nobody wants.
                if self._next is not None:
                    return
                plan = connected.ask(question.asked(), wire.PlanReply).plan
                watch.progress(_Answer(question, plan))
            if not measured:
                watch.progress(connected.ask(wire.AskDoctor(wait=False), wire.DoctorReply))

        self._lane.post(step, self._lane.watch(), self._done)
        self._lane.hang_up()

    def _heard(self, event: object) -> None:
        if isinstance(event, wire.DoctorReply):
            self._measured = event.profile is not None
            self.machine.emit(event)
        elif isinstance(event, _Answer) and event.question in self._open:
            self._open.remove(event.question)
            self.answered.emit(event.question, event.plan)

    def _done(self, value: Any, failed: BaseException | None) -> None:
        left, self._open, self._working = self._open, [], False
        if failed is not None and self._next is None:
            for question in left:
                self.answered.emit(question, failed)
        self._post()
