"""``python -m shared_core.catalog.fetch MODEL_ID``: download, verify and try one model.

A child process, so that the transfer and huggingface_hub can harm nobody; see ``errand``. The first
run of the unknown file is a child's of its own.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping

from ..bridge.errors import CouldNotBeDone, RealPathImpossible, UsageError
from ..bridge.language import _
from ..bridge.paths import paths
from . import cards, errand, own, tending
from .cards import Card
from .errand import Errand
from .store import CANARY, VERIFYING, Presence, Store


def main(arguments: list[str] | None = None) -> int:
    """Fetch the model that ``arguments`` name; the exit status is ``NssError.exit_code`` or 0."""
    parser = argparse.ArgumentParser(prog="python -m shared_core.catalog.fetch")
    parser.add_argument("model", help="the model's id")
    parser.add_argument(
        "--verify", action="store_true", help="download nothing; verify and try what is here"
    )
    given = parser.parse_args(arguments)

    def work(on: Errand) -> Mapping[str, object]:
        return {"seconds_per_tile": _fetch(given.model, given.verify, on)}

    return errand.run(
        work, _("{model} cannot be fetched", model=given.model), _("The download was cancelled.")
    )


def _fetch(model: str, verify: bool, on: Errand) -> float:
    """Download (or with ``verify`` only hash) and try the model and what it needs.

    Returns the seconds of the model's own trial.
    """
    wanted = _cards(model)
    store = Store(paths())

    if verify:
        on.stage(VERIFYING)
        tending.verify(store, wanted, on.progress, on.cancelled)
    else:
        store.sweep(own.known(paths()).values(), [card.id for card in wanted])
        store.download(wanted, on.progress, on.cancelled, on.stage)
    seconds = [try_out(store, card, verify, on) for card in wanted]
    return seconds[0]


def try_out(store: Store, card: Card, anew: bool, on: Errand) -> float:
    """Try the model, unless a trial that it passed counts; returns the seconds of its run."""
    state = store.check(card)
    if not anew and state.presence is Presence.INSTALLED and state.trial is not None:
        return state.trial.seconds_per_tile
    # Whoever asks again wants a model that failed before to have another chance.
    store.record_trial(card, None)
    state = store.check(card)
    if not state.usable:
        raise CouldNotBeDone(state.reason)
    on.stage(CANARY)
    trial = store.try_out(card, on.cancelled)
    if not trial.ok:
        raise RealPathImpossible(trial.reason)
    return trial.seconds_per_tile


def _cards(model: str) -> list[Card]:
    known = own.known(paths())
    if model not in known:
        raise UsageError(
            _(
                "There is no model {model}; the models are {names}.",
                model=repr(model),
                names=", ".join(known),
            )
        )
    return cards.with_needs(known, known[model])


if __name__ == "__main__":
    sys.exit(main())
