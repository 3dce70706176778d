"""``python -m shared_core.catalog.chores [--folder FOLDER] CHORE [MODEL ...]``: work on models.

They are verified, removed, imported, exported or moved in a child process, since most of these
read gigabytes; see ``errand``. Its last event has a ``text`` that says what came of it, and the
ids of the models that were ``tried``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..bridge.errors import BadInput, NssError, UsageError
from ..bridge.language import _, joined, ngettext
from ..bridge.paths import paths
from . import cards as catalogue
from . import errand, own, parcel, tending
from .card import Card
from .errand import Errand
from .fetch import try_out
from .moving import move
from .store import Store

_NAMED = 3


def main(arguments: list[str] | None = None) -> int:
    """Do the chore that ``arguments`` name; the exit status is ``NssError.exit_code`` or 0."""
    parser = argparse.ArgumentParser(prog="python -m shared_core.catalog.chores")
    parser.add_argument("chore", choices=list(_CHORES))
    parser.add_argument("--folder", type=Path, help="to import from, export to or move to")
    parser.add_argument("models", nargs="*", help="default: all that are here")
    given = parser.parse_args(arguments)

    def work(on: Errand) -> Mapping[str, object]:
        return _Chore(on, given.models, given.folder).run(_CHORES[given.chore])

    return errand.run(work, _CANNOT[given.chore], _("Cancelled."))


class _Chore:
    """One chore, with the catalogue and the store that it is about."""

    def __init__(self, on: Errand, names: Sequence[str], folder: Path | None) -> None:
        self._on = on
        self._names = names
        self._folder = folder
        self._cards = own.known(paths())
        self._store = Store(paths())
        self._tried: list[str] = []

    def run(self, chore: Callable[[_Chore], str]) -> Mapping[str, object]:
        """Do it; the fields of the last event."""
        return {"text": chore(self), "tried": self._tried}

    def verify(self) -> str:
        """Hash files anew."""
        wanted = self._chosen() if self._names else tending.here(self._store, self._cards)
        if not wanted:
            raise BadInput(_("No model is here that could be verified."))
        states = tending.verify(self._store, wanted, self._on.progress, self._on.cancelled)
        wrong = [state.reason for state in states.values() if not state.usable]
        if not wrong:
            return _("{models}: every file is right.", models=_models(wanted))
        right = _(
            "{count} of {total} models are right.",
            count=len(wanted) - len(wrong),
            total=len(wanted),
        )
        return joined(" ", [right, *wrong])

    def remove(self) -> str:
        """Delete files."""
        if not self._names:
            raise UsageError(_("Name the models to remove."))
        removed = tending.remove(self._store, self._cards, self._names)
        titles = [card.title for card in removed]
        left = [name for name in self._names if name not in self._cards]
        return _("Removed: {names}.", names=_listed([*titles, *left]))

    def bring_in(self) -> str:
        """Take over what a folder has."""
        folder = self._place()
        cards = catalogue.unshipped(self._cards)
        brought = tending.bring_in(
            self._store, cards, folder, self._on.progress, self._on.cancelled
        )
        if not brought.ways and not brought.troubles:
            raise BadInput(
                _(
                    "No file below {folder} is one of a known model. Choose the folder that "
                    "was exported, or add a model of your own.",
                    folder=folder,
                )
            )
        ready, troubles = [], list(brought.troubles)
        for card in brought.whole:
            try:
                for one in catalogue.with_needs(self._cards, card):
                    try_out(self._store, one, False, self._on)
                ready.append(card)
                self._tried.append(card.id)
            except NssError as error:
                troubles.append(str(error))
        unfinished = [card for card in brought.concerned if card not in brought.whole]
        parts = [
            _("{models}: here and ready.", models=_models(ready)) if ready else "",
            _("{models}: a file is still missing.", models=_models(unfinished))
            if unfinished
            else "",
            *troubles,
            ngettext(
                "{count} file belongs to no known model.",
                "{count} files belong to no known model.",
                len(brought.others),
            )
            if brought.others
            else "",
            *(_("{one} cannot be read.", one=one) for one in brought.unreadable[:_NAMED]),
        ]
        return joined(" ", [part for part in parts if part])

    def export(self) -> str:
        """Copy models into a folder."""
        folder = self._place()
        self._chosen()
        wanted = tending.whole(self._store, catalogue.unshipped(self._cards), self._names)
        if not wanted:
            raise BadInput(_("No model is here that could be exported."))
        parcel.export(
            self._store,
            wanted,
            folder,
            lambda progress: self._on.progress(progress, _("copying {file}", file=progress.file)),
            self._on.cancelled,
        )
        return _(
            "{models}: copied into {folder}. Import that folder on the other machine.",
            models=_models(wanted),
            folder=folder,
        )

    def move(self) -> str:
        """Keep all models elsewhere."""
        folder = self._place()
        moved = move(
            paths(),
            self._cards.values(),
            folder,
            lambda progress: self._on.progress(progress, _("moving {file}", file=progress.file)),
            self._on.cancelled,
        )
        kept = ngettext(
            "Models are kept in {folder} now; {count} was moved.",
            "Models are kept in {folder} now; {count} were moved.",
            moved.models,
            folder=folder,
        )
        left = [
            _("{path} could not be deleted: close what uses it.", path=path) for path in moved.left
        ]
        return joined(" ", [kept, *left])

    def _chosen(self) -> list[Card]:
        for name in self._names:
            if name not in self._cards:
                raise UsageError(_("There is no model {name} in the catalogue.", name=repr(name)))
        return [self._cards[name] for name in dict.fromkeys(self._names)]

    def _place(self) -> Path:
        if self._folder is None:
            raise UsageError(_("Name the folder."))
        return self._folder.expanduser().absolute()


_CHORES: dict[str, Callable[[_Chore], str]] = {
    "verify": _Chore.verify,
    "remove": _Chore.remove,
    "import": _Chore.bring_in,
    "export": _Chore.export,
    "move": _Chore.move,
}
_CANNOT = {
    "verify": _("The models cannot be verified"),
    "remove": _("The models cannot be removed"),
    "import": _("The models cannot be imported"),
    "export": _("The models cannot be exported"),
    "move": _("The models cannot be moved"),
}


def _models(cards: Sequence[Card]) -> str:
    return _listed([card.title for card in cards])


def _listed(names: Sequence[str]) -> str:
    """The names, or of many the first ones and how many more."""
    if len(names) <= _NAMED + 1:
        return ", ".join(names)
    return _("{names} and {count} more", names=", ".join(names[:_NAMED]), count=len(names) - _NAMED)


if __name__ == "__main__":
    sys.exit(main())
