"""What an editor must be able to do, and the one flow in which every tool is applied."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from . import consent, launch, toolbox, wire
from .arena import Arena
from .client import Client, Watcher
from .errors import BadInput, Cancelled, NssError, RealPathImpossible
from .language import _
from .paths import Paths
from .placement import Placement, settled
from .receipt import Receipt, as_source, from_dict
from .settings import USUAL, Limits

ANY = "any model"


@dataclass(frozen=True)
class Order:
    """What the user asked for.

    ``consent`` is the id of the model whose download the user agreed to, or ``ANY`` for whichever
    the plan needs; empty for none. ``ANY`` agrees to no licence that restricts commercial use: such
    a model has to be chosen, or is replaced by one that allows it. ``placement`` is the value of a
    ``Placement`` that fits what comes back.
    """

    tool: str
    parameters: Mapping[str, object] = field(default_factory=dict)
    path: str = "auto"
    consent: str = ""
    limits: Limits = USUAL
    commercial_only: bool = False
    placement: str = Placement.NEW.value


@dataclass(frozen=True)
class Task:
    """A tool with the values of all its parameters: what a host is to read, and what it gets."""

    tool: toolbox.Tool
    parameters: dict[str, toolbox.Value]
    placement: Placement = Placement.NEW

    @property
    def outcome(self) -> toolbox.Returns:
        """What will come back."""
        return self.tool.outcome(self.parameters)

    @property
    def selection(self) -> bool:
        """Whether the selection is to be read."""
        return self.tool.selects is not toolbox.Selects.IGNORED

    @property
    def strokes(self) -> bool:
        """Whether the layer above the source is to be read too."""
        return self.tool.takes_strokes(self.parameters)


@dataclass(frozen=True)
class Source:
    """One layer as read: its pixels, the selection over it, and what the host needs to go back.

    ``mask`` has the size of ``pixels``, 0 outside the selection to 255 inside; None without a
    selection, whose box over the layer is ``selected`` wide and high. ``strokes`` is the layer
    above in the same rectangle, depth, order and curve. ``previous`` is the receipt the layer
    carries. ``matte_depth`` is the depth of a layer mask in this document.
    """

    name: str
    pixels: wire.PixelFile
    mask: wire.PixelFile | None = None
    strokes: wire.PixelFile | None = None
    selected: tuple[int, int] | None = None
    previous: dict[str, Any] | None = None
    matte_depth: wire.Depth = "u8"
    private: Any = None

    @property
    def worked(self) -> tuple[int, int]:
        """Width and height of the part that is worked on."""
        return worked_size(self.pixels.width, self.pixels.height, self.selected)


@dataclass(frozen=True)
class Result:
    """What came back for one layer.

    ``pixels`` is a layer or picture in the source's depth, order and curve; None for words alone,
    which stand in the receipt. ``matte`` is the layer mask or the selection, 0 to the depth's
    largest value. ``placement`` is where the user wants it.
    """

    outcome: toolbox.Returns
    pixels: wire.PixelFile | None = None
    matte: wire.PixelFile | None = None
    placement: Placement = Placement.NEW


class Host(Protocol):
    """An editor. All methods are called on the thread that may touch its documents."""

    name: str
    version: str
    paths: Paths

    def layers(self, task: Task) -> Sequence[Any]:
        """The layers to work on; ``BadInput`` when there is none or one cannot be used."""

    def read(self, layer: Any, arena: Arena, task: Task) -> Source:
        """Copy the pixels, selection and strokes for ``task`` into ``arena``; changes nothing."""

    def write(
        self, layer: Any, source: Source, arena: Arena, result: Result, receipt: Receipt
    ) -> None:
        """Place the result as outcome and placement say, with its receipt.

        In one undo step; where the editor needs more, its choices say so.
        """


def task_of(order: Order) -> Task:
    """What an order asks for; ``UsageError`` when a part of it is wrong or does not fit."""
    tool = toolbox.tool(order.tool)
    parameters = tool.parse(order.parameters)
    return Task(tool, parameters, settled(order.placement, tool.outcome(parameters)))


Step = Callable[[Client, Watcher], Any]
Flow = Generator[Step, Any, list[Receipt]]


def apply_tool(host: Host, order: Order) -> Flow:
    """The way of every tool: read a layer, let the worker compute, write a new layer.

    A generator: whatever it yields is to be called with a client and a watcher, off the thread
    that draws the interface where there is one, and its result (or exception) given back. Reading
    and writing happen between the yields, on the caller's thread. Closing the generator deletes
    the pixel files. Returns the receipts of the new layers.
    """
    task = task_of(order)
    tool = task.tool
    layers = host.layers(task)
    if not layers:
        raise BadInput(
            _("{tool}: there is no layer to work on. Select one and try again.", tool=tool.title)
        )
    receipts: list[Receipt] = []
    for layer in layers:
        with Arena(host.paths) as arena:
            source = host.read(layer, arena, task)
            if tool.selects is toolbox.Selects.NEEDED and source.mask is None:
                raise BadInput(
                    _(
                        "{tool} needs a selection, and nothing is selected. Select what it is "
                        "to work on and try again.",
                        tool=tool.title,
                    )
                )
            result = _room(task, source, arena)
            receipt = yield _compute(order, task, source, result)
            host.write(layer, source, arena, result, receipt)
            receipts.append(receipt)
    return receipts


def _room(task: Task, source: Source, arena: Arena) -> Result:
    """Files for what will come back."""
    outcome, pixels = task.outcome, source.pixels
    made: wire.PixelFile | None = None
    matte: wire.PixelFile | None = None
    if outcome not in (toolbox.Returns.TEXT, toolbox.Returns.SELECTION):
        size = task.tool.result_size(task.parameters, pixels.width, pixels.height)
        grey = pixels.grey and not task.tool.colours
        made = arena.create(*size, pixels.depth, pixels.order, pixels.curve, grey)
    if outcome in (toolbox.Returns.MASK, toolbox.Returns.SELECTION):
        depth: wire.Depth = source.matte_depth if made else "u8"
        matte = arena.create(pixels.width, pixels.height, depth, wire.MASK)
    return Result(outcome, made, matte, task.placement)


def worked_size(width: int, height: int, selected: tuple[int, int] | None) -> tuple[int, int]:
    """The size that a plan is about: the layer's, or that of the selection with its context."""
    if selected is None:
        return width, height
    around = 2 * wire.CONTEXT
    return min(width, selected[0] + around), min(height, selected[1] + around)


def ask_plan(order: Order, width: int, height: int) -> wire.AskPlan:
    """The question to the worker: what would ``order`` do to a part of this size?"""
    return wire.AskPlan(
        tool=order.tool,
        width=width,
        height=height,
        path=order.path,
        parameters=toolbox.tool(order.tool).parse(order.parameters),
        limits=order.limits,
        commercial_only=order.commercial_only,
    )


def _compute(order: Order, task: Task, source: Source, result: Result) -> Step:
    def step(client: Client, watcher: Watcher) -> Receipt:
        note = ""
        settled, plan = _settled(order, source, client, watcher)
        offer = plan.offer
        if offer and _agreed(settled, offer):
            try:
                request = wire.Download(offer.model, launch.hub_environment())
                client.ask(request, wire.Done, watcher)
            except Cancelled:
                raise
            except NssError as error:
                if order.path == wire.REAL:
                    raise
                note = str(error)
        elif plan.path is None:
            reason = plan.reason.rstrip(".")
            raise RealPathImpossible(
                _(
                    "The real path is not possible: {reason}. Agree to the download, or choose "
                    "auto for a classical result.",
                    reason=reason,
                )
                if offer
                else _(
                    "The real path is not possible: {reason}. Choose auto for a classical result.",
                    reason=reason,
                )
            )
        elif offer and order.consent == ANY:
            note = _(
                "{model} has to be chosen, since its licence restricts commercial use",
                model=offer.title,
            )
        job = wire.StartJob(
            tool=order.tool,
            source=source.pixels,
            result=result.pixels,
            mask=source.mask,
            strokes=source.strokes,
            matte=result.matte,
            worked_width=source.worked[0],
            worked_height=source.worked[1],
            path=order.path,
            parameters=task.tool.parse(settled.parameters),
            limits=order.limits,
            commercial_only=order.commercial_only,
            previous=as_source(source.previous),
            note=note,
        )
        return from_dict(client.run(job, watcher).receipt)

    return step


def _settled(
    order: Order, source: Source, client: Client, watcher: Watcher
) -> tuple[Order, wire.Plan]:
    """The order and its plan; who agrees to any model gets one that allows commercial use."""

    def ask(asked: Order) -> wire.Plan:
        return client.ask(ask_plan(asked, *source.worked), wire.PlanReply, watcher).plan

    plan = ask(order)
    instead = plan.offer.instead if plan.offer else None
    if order.consent == ANY and instead and not _chosen(order):
        order = replace(order, parameters=consent.switched(order.parameters, instead))
        plan = ask(order)
    return order, plan


def _agreed(order: Order, offer: wire.Offer) -> bool:
    """Whether the user's consent covers this download."""
    if order.consent == ANY:
        return offer.commercial == "yes" or _chosen(order)
    return order.consent == offer.model


def _chosen(order: Order) -> bool:
    """Whether the user named the model."""
    return order.parameters.get(toolbox.MODEL, toolbox.AUTO) != toolbox.AUTO


def run_here(flow: Flow, client: Client, watcher: Watcher) -> list[Receipt]:
    """Drive a flow to its end on this thread (GIMP's plug-in process, the command line)."""
    try:
        step = next(flow)
        while True:
            try:
                reply = step(client, watcher)
            except BaseException as error:
                step = flow.throw(error)
            else:
                step = flow.send(reply)
    except StopIteration as end:
        receipts: list[Receipt] = end.value
        return receipts
    finally:
        flow.close()
