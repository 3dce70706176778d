"""What a tool's procedure does: dialog, run, and what is told at the end."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import gi

gi.require_version("Gimp", "3.0")

from arguments import COMMERCIAL, filled, order_of  # noqa: E402
from gi.repository import Gimp  # noqa: E402
from layers import GimpHost  # noqa: E402
from vendored import _, client, environment, errors, host, ngettext, paths, receipt, settings, wire  # noqa: E402


class Watcher:
    """Shows the worker's progress; GIMP's Cancel ends this whole process, which the worker sees."""

    def progress(self, event: wire.Progress | wire.Queued) -> None:
        """Text and bar in the image window."""
        if isinstance(event, wire.Queued):
            Gimp.progress_set_text(
                ngettext(
                    "Waiting behind {count} other job",
                    "Waiting behind {count} other jobs",
                    event.place,
                )
            )
            return
        Gimp.progress_set_text(event.sentence())
        if event.total > 1:
            Gimp.progress_update(event.done / event.total)
        else:
            Gimp.progress_pulse()

    def cancelled(self) -> bool:
        """Never: there is no other way to cancel."""
        return False


def run(procedure: Any, mode: Any, image: Any, drawables: Any, config: Any, tool: Any) -> Any:
    """Apply a tool to the drawables; the procedure's return values.

    Raises ``NssError``, ``Cancelled`` where the user turns away from the dialog.
    """
    if mode == Gimp.RunMode.INTERACTIVE and not environment.state(paths.paths()).usable:
        from setup_dialog import show

        if not show():
            raise errors.Cancelled(_("Cancelled."))
    worker = client.Client(paths.paths(), GimpHost.name, str(Gimp.version()))
    place = GimpHost(image, drawables, worker.paths)

    def order(consent: str = "", path: str = "") -> host.Order:
        made = order_of(tool, config, consent, settings.load(worker.paths.settings))
        return replace(made, path=path or made.path)

    consent = path = ""
    if mode != Gimp.RunMode.NONINTERACTIVE:
        # Not what it was at the last time: another host may have changed it since.
        chosen = settings.load(worker.paths.settings)
        config.set_property(COMMERCIAL, chosen.commercial_only)
    if mode == Gimp.RunMode.INTERACTIVE:
        from panel import ask

        answer = ask(procedure, config, tool, place, order)
        if answer is None:
            raise errors.Cancelled(_("Cancelled."))
        consent, path = answer.consent, answer.path
    elif mode == Gimp.RunMode.NONINTERACTIVE:
        consent = host.ANY if config.get_property("consent") else ""
    made = _worked(place, order(consent, path), worker, mode)
    if mode != Gimp.RunMode.NONINTERACTIVE:
        _show(place, made)
    receipts = "[" + ",".join(receipt.to_json(one) for one in made) + "]"
    images = json.dumps([image.get_id() for image in place.opened])
    values = procedure.new_return_values(Gimp.PDBStatusType.SUCCESS, None)
    return filled(values, receipts, images, place.text)


def _worked(
    place: GimpHost, order: host.Order, worker: client.Client, mode: Any
) -> list[receipt.Receipt]:
    """Run the order with progress in the image window; its receipts."""
    try:
        return host.run_here(host.apply_tool(place, order), worker, Watcher())
    finally:
        worker.close()
        if mode != Gimp.RunMode.NONINTERACTIVE:
            # Also those from before a failure.
            for opened in place.opened:
                Gimp.Display.new(opened)
        Gimp.progress_end()


def _show(place: GimpHost, made: list[receipt.Receipt]) -> None:
    """Words get a dialog, everything else a message."""
    Gimp.displays_flush()
    if place.text:
        from panel import show_text

        show_text(receipt.tool_title(made[-1].tool), receipt.sentence(made[-1]), place.text)
    else:
        Gimp.message(" ".join([_message(made), *place.remarks]))


def _message(made: list[receipt.Receipt]) -> str:
    """What the user is told at the end: short, since GIMP puts what does not fit into a box.

    A fault is told in full; why the classical path was planned stood in the dialog.
    """
    last = made[-1]
    text = receipt.sentence(last)
    if last.model is None and last.fault is None:
        took = wire.duration(last.actual.total_seconds)
        title = receipt.tool_title(last.tool)
        text = _("{tool}: classical, {took}. See Filters ▸ NSS ▸ Receipts.", tool=title, took=took)
    return (
        text
        if len(made) == 1
        else _("{count} layers done. The last one: {text}", count=len(made), text=text)
    )
