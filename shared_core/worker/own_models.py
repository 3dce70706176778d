"""Models that the user brings: examined in processes of their own, stored, switched, removed.

Nothing of a stranger's file is opened here. Imports no numpy and no onnxruntime.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from shared_core.bridge import codec, launch, wire
from shared_core.bridge.errors import BadInput, CouldNotBeDone, UsageError
from shared_core.bridge.language import _, joined, packed
from shared_core.bridge.paths import Paths
from shared_core.byo.card import Origin
from shared_core.catalog import cards as catalogue
from shared_core.catalog import own
from shared_core.catalog.card import Card
from shared_core.catalog.store import DOWNLOADING, VERIFYING, Presence, Store, Trial
from shared_core.catalog.transfer import staging
from shared_core.catalog.transfer.copying import put
from shared_core.catalog.trust import confined
from shared_core.child import Child, ChildDied, Event
from shared_core.engine.memory import available_bytes

from .journal import Journal

Send = Callable[[Any], None]
Stopped = Callable[[], bool]

# For trying the ways to feed a model; what must be run is run even beyond it.
TRYING_SECONDS = 90.0
# A slow model of a large fixed size needs minutes for a run on a machine of two cores.
_MOST_SECONDS = 900.0
_SHARE_OF_AVAILABLE = 0.8
_LEAST_BYTES = 1 << 30
_HOST = "huggingface.co"
_MOST_TRIALS = 8


class OwnModels:
    """The models that the user has brought, and those that are about to be."""

    def __init__(self, where: Paths, journal: Journal, cards: Callable[[], Mapping[str, Card]]):
        self._paths = where
        self._journal = journal
        self._cards = cards
        self._store = Store(where)
        # Of the cards that were made here, what came of trying them.
        self._trials: dict[str, Trial] = {}

    def carry_out(
        self,
        message: wire.AskHub | wire.FetchFiles | wire.Examine | wire.AddModel,
        send: Send,
        stopped: Stopped,
    ) -> Any:
        """The reply to a request that takes time. Raises the ``NssError`` that ends it."""
        if isinstance(message, wire.AskHub):
            return self.offer(message, stopped)
        if isinstance(message, wire.FetchFiles):
            return self.fetch(message, send, stopped)
        if isinstance(message, wire.Examine):
            return self.examine(message, send, stopped)
        return self.add(message, send, stopped)

    # The Hub

    def offer(self, message: wire.AskHub, stopped: Stopped) -> wire.HubReply:
        """What the Hub says of the files."""
        asked = {"repo": message.repo, "revision": message.revision, "files": message.files}
        done = self._hub(asked, message.environment, lambda event: None, stopped)
        return wire.HubReply(tuple(done["files"]), done["size"], done["licence"], _HOST)

    def fetch(self, message: wire.FetchFiles, send: Send, stopped: Stopped) -> wire.Fetched:
        """Bring the files into the folder that the model would have."""
        name = Path(message.files[0] if message.files else "").name
        model = self._id_of(name, message.repo, message.revision)
        asked = {
            "repo": message.repo,
            "revision": message.revision,
            "files": message.files,
            "model": model,
        }

        def tell(event: Event) -> None:
            if event["event"] == "stage":
                if event["stage"] != DOWNLOADING:
                    doing = (
                        _("verifying {model}", model=name)
                        if event["stage"] == VERIFYING
                        else _("waiting for another download of {model}", model=name)
                    )
                    send(wire.Progress(doing, 0, 1, "steps"))
                return
            done, total, speed = int(event["done"]), int(event["total"]), event["speed"]
            left = (total - done) / speed if speed else None
            doing = _("downloading {model}", model=name)
            send(wire.Progress(doing, done, total, "bytes", left, bytes_per_second=speed))

        done = self._hub(asked, message.environment, tell, stopped)
        return wire.Fetched(done["file"], model)

    def _hub(
        self,
        asked: Mapping[str, Any],
        environment: Mapping[str, str],
        tell: Callable[[Event], None],
        stopped: Stopped,
    ) -> Event:
        child = Child(
            "shared_core.byo.hub",
            json.dumps(packed(asked)),
            environment=launch.hub_environment(environment),
        )
        try:
            return child.follow(tell, stopped)
        except ChildDied as error:
            raise CouldNotBeDone(
                _(
                    "The Hub could not be asked ({error}). Try again; what is here already is "
                    "kept.",
                    error=error,
                )
            ) from None
        finally:
            child.end()

    def _id_of(self, name: str, repo: str = "", revision: str = "") -> str:
        """The id of a new model; the one that the same file of the Hub began to come under."""
        taken = set(self._cards())
        if self._store.root.is_dir():
            taken |= {path.name for path in self._store.root.glob("own.*")}
        if not repo:
            return own.new_id(name, taken)
        return own.new_id(f"{name}-{revision[:6]}", set(self._cards()))

    # Looking at a file

    def examine(self, message: wire.Examine, send: Send, stopped: Stopped) -> wire.Examined:
        """What is understood of a file, and a preview. Raises where it does not fit."""
        path = Path(message.file)
        if not path.is_absolute():
            raise UsageError(_("{file} is no whole path.", file=repr(message.file)))
        send(wire.Progress(_("looking at {name}", name=path.name), 0, 1, "steps"))
        title = message.title.strip() or path.name.removesuffix(".onnx")
        origin = Origin(
            id=message.model or self._id_of(path.name),
            rank=own.new_rank(self._cards().values(), message.tool),
            title=title[:80],
            repo=message.repo,
            revision=message.revision,
            licence=message.licence.strip(),
            commercial=message.commercial,
        )
        tile = None
        if message.tile is not None:
            where = self._paths
            folders = where.config, where.data, where.cache, where.runtime
            tile = {"file": asdict(message.tile), "folders": [str(one) for one in folders]}
        memory = max(_LEAST_BYTES, round(available_bytes() * _SHARE_OF_AVAILABLE))
        done = confined.call(
            "shared_core.byo.examine",
            {
                "file": str(path),
                "root": str(self._store.root / message.model) if message.model else "",
                "tool": message.tool,
                "told": message.told,
                "origin": asdict(origin),
                "seconds": TRYING_SECONDS,
                "tile": tile,
            },
            memory_bytes=memory,
            seconds=_MOST_SECONDS,
            cancelled=stopped,
            what=path.name,
        )
        while len(self._trials) >= _MOST_TRIALS:
            self._trials.pop(next(iter(self._trials)))
        trial = self._trials[done["card"]] = Trial(**done["trial"])
        return wire.Examined(
            findings=tuple(codec.build(wire.Finding, finding) for finding in done["findings"]),
            doubts=tuple(done["doubts"]),
            summary=done["summary"],
            title=title,
            card=done["card"],
            file=str(path),
            works=trial.ok,
            png=done["preview"]["png"],
            width=done["preview"]["width"],
            height=done["preview"]["height"],
        )

    # Keeping it

    def add(self, message: wire.AddModel, send: Send, stopped: Stopped) -> wire.Added:
        """Store the files and the card. Raises ``BadInput`` for a model that failed its trial."""
        card = catalogue.parse_card(message.card, Path("the card of the model"), own=True)
        known = self._cards()
        if card.id in known:
            name = own.new_id(card.main_file.path.rpartition("/")[2], known)
            card = replace(card, id=name, choice=name)
        card = replace(card, rank=own.new_rank(known.values(), card.tool))
        self._store.ready()
        folder = self._store.root / card.id
        path = Path(message.file)
        depth = card.main_file.path.count("/")
        root = path.parents[depth]
        if root / card.main_file.path != path:
            raise BadInput(
                _("{path} is not the file that was examined. Examine it again.", path=path)
            )
        fresh = root != folder
        trial = self._trials.get(message.card)
        if trial is not None and not trial.ok:
            raise BadInput(trial.reason)
        try:
            for file in card.files:
                if fresh:
                    self._put(
                        card, root / file.path, folder / file.path, file.sha256, send, stopped
                    )
            own.write(folder, card)
            # Of exactly the bytes that were tried: whatever else is there now is no such model.
            if self._store.check(card).presence is Presence.BAD:
                raise BadInput(
                    _("{name} changed since it was examined. Examine it again.", name=path.name)
                )
            if trial is None:
                # Rarely needed, and a third of a megabyte in a process that is always there.
                from shared_core.catalog.trust.trial import tried

                trial = tried(card, folder, stopped)
                if not trial.ok:
                    raise BadInput(trial.reason)
            self._store.record_trial(card, trial)
        except BaseException:
            self._store.remove(card)
            raise
        self._journal.forget(model=card.id)
        needs = [
            need.title
            for need in catalogue.with_needs({**known, card.id: card}, card)[1:]
            if not self._store.state(need).usable
        ]
        text = _(
            "{model} is here as {id} and comes first from now on.", model=card.title, id=card.id
        )
        if needs:
            needed = _(
                "It needs {names} beside it, which is to be downloaded yet.",
                names=", ".join(needs),
            )
            text = joined(" ", [text, needed])
        return wire.Added(card.id, text)

    def _put(
        self, card: Card, source: Path, target: Path, sha256: str, send: Send, stopped: Stopped
    ) -> None:
        """One file into the model's folder, linked where the disk can do it."""
        size = source.stat().st_size if source.is_file() else 0

        def tell(here: int) -> None:
            send(wire.Progress(_("copying {name}", name=source.name), here, size, "bytes"))

        by_way_of = self._store.root / staging.FOLDER / f"{card.id}.{target.name}.adding"
        put(source, target, sha256, by_way_of, card.title, tell, stopped, link=True)

    def switch(self, message: wire.SwitchModel) -> wire.Done:
        """Use a model by itself, or only where it is chosen."""
        card = own.switch(self._store.root, self._named(message.model), message.on)
        if message.on:
            return wire.Done(_("{model} is used before the other models.", model=card.title))
        return wire.Done(
            _("{model} is used only where it is chosen as {id}.", model=card.title, id=card.id)
        )

    def _named(self, model: str) -> Card:
        card = self._cards().get(model)
        if card is None or not card.own:
            known = ", ".join(c.id for c in self._cards().values() if c.own) or "none"
            raise BadInput(
                _(
                    "There is no model {model} of your own; there is {known}.",
                    model=repr(model),
                    known=known,
                )
            )
        return card
