"""The plans of all tools for the active layer: which have to be asked for, and what was answered.

Of what the plans depend on nothing is asked twice, and what changes quickly is asked for once it
has come to rest.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import reading
from .log import LOG, explain, guarded
from .placing import Area
from .planner import Planner, Question
from .qt import QtCore, Signal
from .vendored import errors, host, wire
from .whereabouts import Glimpse

_DEBOUNCE_MS = 300
# A plan, why there is none, or that nobody knows yet.
Told = wire.Plan | errors.NssError | None


class Plans(QtCore.QObject):
    """Keeps one panel's plans, by tool."""

    # A tool, what is told of it, and whether the layer can be used for it at all.
    told = Signal(str, object, bool)

    def __init__(self, planner: Planner) -> None:
        super().__init__()
        self._planner = planner
        self._first = ""
        self._questions: dict[str, Question] = {}
        # What was answered to which question.
        self._answers: dict[str, tuple[Question, wire.Plan | errors.NssError]] = {}
        self._timer = QtCore.QTimer(self)
        self._timer.setInterval(_DEBOUNCE_MS)
        self._timer.setSingleShot(True)
        self._timer.timeout.connect(self._ask)
        planner.answered.connect(self._answered)

    @property
    def waiting(self) -> bool:
        """Whether something is still to be asked or answered."""
        return bool(self._timer.isActive() or self._planner.busy)

    def look(
        self, document: Any, node: Any, seen: Glimpse, orders: Mapping[str, host.Order], first: str
    ) -> tuple[Area, str] | None:
        """Tell the plan of each order, or ask for it; that of the tool ``first`` before all others.

        The part of the picture that ``first`` would work on, and where its result would go in a few
        words; None where the layer cannot be used for it.
        """
        self._first, self._questions = first, {}
        about = None
        for tool_id, order in orders.items():
            try:
                task = host.task_of(order)
                area, size = reading.work_of(document, node, task)
                where = reading.destination(document, node, task)
            except errors.NssError as error:
                self.told.emit(tool_id, error, False)
                continue
            question = Question(seen.document, seen.layer, *size, order=order)
            self._questions[tool_id] = question
            self.told.emit(tool_id, self._answer(question), True)
            if tool_id == first:
                about = area, where
        if self._unanswered():
            self._timer.start()
        return about

    def holds(self, order: host.Order) -> bool:
        """Whether the plan of exactly this order has been told."""
        question = self._questions.get(order.tool)
        known = question is not None and question.order == order
        return known and self._answer(question) is not None

    def rest(self) -> None:
        """Ask nothing for now."""
        self._timer.stop()

    def forget(self) -> None:
        """Take nothing for known any more: the models, the layer or the picture may be others."""
        self._timer.stop()
        self._planner.forget()
        self._questions, self._answers = {}, {}

    def tell(self, sentence: str) -> None:
        """What a failed slot said has been logged; the next look tries again."""
        LOG.error("%s", sentence)

    def _answer(self, question: Question | None) -> Told:
        """What was answered to exactly this question, if anything."""
        if question is None:
            return None
        asked, answer = self._answers.get(question.order.tool, (None, None))
        return answer if asked == question else None

    def _unanswered(self) -> list[Question]:
        first = sorted(self._questions, key=lambda tool_id: tool_id != self._first)
        wanted = [self._questions[tool_id] for tool_id in first]
        return [question for question in wanted if self._answer(question) is None]

    @guarded
    def _ask(self, *ignored: object) -> None:
        self._planner.ask(self._unanswered())

    @guarded
    def _answered(self, question: Question, answer: wire.Plan | BaseException) -> None:
        tool_id = question.order.tool
        if self._questions.get(tool_id) != question:
            return
        if isinstance(answer, BaseException) and not isinstance(answer, errors.NssError):
            answer = errors.CouldNotBeDone(explain(answer))
        self._answers[tool_id] = question, answer
        self.told.emit(tool_id, answer, True)
