"""Begins runs for one panel: on the selected layers, or on what a receipt was made from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from . import layers, receipts
from .runner import Runner
from .vendored import _, again, host, paths, settings
from .whereabouts import Whereabouts


class Starter:
    """Each method says whether a run has begun; ``tell`` gets the sentence where it could not."""

    def __init__(
        self,
        runner: Runner,
        places: paths.Paths,
        where: Whereabouts,
        tell: Callable[[str], object],
    ) -> None:
        self._runner = runner
        self._paths = places
        self._where = where
        self._tell = tell

    def start(self, order: host.Order, nodes: Sequence[Any] | None = None) -> bool:
        """Run a tool on the selected layers, or on others of the picture."""
        document = self._where.document()
        if document is None:
            self._tell(_("No picture is open. Open one and try again."))
            return False
        chosen = self._where.nodes() if nodes is None else nodes
        place = layers.KritaHost(document, chosen, self._paths, self._where.window())
        self._runner.run(place, order, place.title, len(chosen))
        return True

    def once_more(
        self, label: receipts.Labelled, kept: settings.Settings, path: str | None = None
    ) -> bool:
        """Run again what made a result, on the layer that it was made from."""
        source = self._where.node(label.source)
        if source is None:
            self._tell(
                _("The layer that it was made from is not there any more. Undo its deletion.")
            )
            return False
        return self.start(again.order_again(label.receipt, kept, path), [source])
