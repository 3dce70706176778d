"""Which models are here and usable: files verified by SHA-256, stamped, and tried once.

Standard library only at import, since the light supervisor asks it too.
"""

from __future__ import annotations

import contextlib
import shutil
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from ..bridge.errors import Cancelled, CouldNotBeDone, RealPathImpossible
from ..bridge.language import _, joined
from ..bridge.locks import locked
from ..bridge.paths import Paths
from ..bridge.wire import megabytes
from .card import Card, CardFile
from .manifest import Manifest, Trial, file_key, is_whole, lstat, now, size_of
from .shelf import Shelf, WrongBytes
from .transfer import staging
from .transfer.staging import Leftover

__all__ = [
    "CANARY",
    "DOWNLOADING",
    "VERIFYING",
    "WAITING",
    "ModelState",
    "Presence",
    "Progress",
    "Store",
    "Trial",
]

_MOMENT_SECONDS = 0.5
# Providers with their drivers, of which old ones drop out.
_AGREEMENTS = 16
# What a download is doing; the trial comes last.
WAITING, DOWNLOADING, VERIFYING, CANARY = "waiting", "downloading", "verifying", "canary"


class Presence(str, Enum):
    """How much of a model is here.

    UNCHECKED: every file is here with the right size, but its bytes have not been hashed since
    they changed, or the model has not been tried yet.
    """

    INSTALLED = "installed"
    UNCHECKED = "unchecked"
    MISSING = "missing"
    PARTIAL = "partial"
    BAD = "bad"


# Of several models, the one that says most about all of them.
_GRAVITY = (
    Presence.BAD,
    Presence.PARTIAL,
    Presence.MISSING,
    Presence.UNCHECKED,
    Presence.INSTALLED,
)


@dataclass(frozen=True)
class ModelState:
    """Whether a model can be used; ``reason`` says in a sentence why not, else it is empty.

    ``bytes_missing`` is what a download still has to transfer; damaged files count as missing.
    ``arrived`` and ``used`` are the days (ISO 8601) on which its last file came and on which it
    last made something, "" where not known or never.
    """

    presence: Presence
    bytes_here: int
    bytes_total: int
    reason: str
    trial: Trial | None
    bytes_missing: int = 0
    arrived: str = ""
    used: str = ""

    @property
    def usable(self) -> bool:
        """Whether a plan may count on it; ``Store.check_before_use`` has the last word."""
        return self.presence in (Presence.INSTALLED, Presence.UNCHECKED)


@dataclass(frozen=True)
class Progress:
    """Bytes done of all the bytes asked for, the file that is at work, and bytes per second."""

    done: int
    total: int
    file: str
    speed: float | None = None


class Store:
    """The models of one user, below ``paths.models``, one folder of real files per model id."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths

    @property
    def root(self) -> Path:
        """The folder of all models; the user may have chosen another one meanwhile."""
        return self._paths.models

    def trouble(self) -> str:
        """Why the folder of models cannot be used, as a sentence, else ""."""
        chosen = self.root
        if chosen == self._paths.usual_models or chosen.parent.is_dir():
            return ""
        return _(
            "The folder of models {chosen} is not there: connect its disk, or choose "
            "another one with nss models move.",
            chosen=chosen,
        )

    def folder(self, card: Card) -> Path:
        """Where the model's files are."""
        return self._shelf(card).folder

    def path(self, card: Card, role: str | None = None) -> Path:
        """The file with this role (default: the card's main file), whether it is here or not.

        Raises ``KeyError`` when no file has the role.
        """
        file = card.main_file if role is None else card.file(role)
        return self.folder(card) / file.path

    def declared(self, card: Card, file: CardFile) -> str:
        """The SHA-256 that the file is held to: the card's, else the hub's, "" before that."""
        return self._shelf(card).manifest().expected(card, file)

    def state(self, card: Card) -> ModelState:
        """What is here, from the files' names, sizes and stamps alone: nothing is hashed."""
        shelf = self._shelf(card)
        state = _judge(shelf, shelf.manifest())
        if state.presence is Presence.MISSING and (trouble := self.trouble()):
            return replace(state, reason=trouble)
        return state

    def check(self, card: Card) -> ModelState:
        """What is here, after hashing each file whose bytes have no valid stamp."""
        shelf = self._shelf(card)
        return _judge(shelf, shelf.checked())

    def state_together(self, cards: Sequence[Card]) -> ModelState:
        """The state of a model and of what it needs (``cards.with_needs``) as one.

        It is usable only if all are; bytes are added up, ``trial`` is the first one's.
        """
        states = [self.state(card) for card in cards]
        worst = min(states, key=lambda state: _GRAVITY.index(state.presence))
        presence = worst.presence
        if presence is Presence.MISSING and any(state.bytes_here for state in states):
            presence = Presence.PARTIAL
        return ModelState(
            presence,
            sum(state.bytes_here for state in states),
            sum(state.bytes_total for state in states),
            worst.reason,
            states[0].trial,
            sum(state.bytes_missing for state in states),
        )

    def verify(
        self,
        card: Card,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> ModelState:
        """What is here, after hashing every file anew. Raises ``Cancelled``."""

        def report(here: int, file: CardFile) -> None:
            on_progress(Progress(here, card.file_bytes, file.path))

        shelf = self._shelf(card)
        stamps = shelf.stamps(shelf.manifest(), anew=True, on_bytes=report, cancelled=cancelled)
        return _judge(shelf, shelf.keep(stamps))

    def check_before_use(self, card: Card, cancelled: Callable[[], bool] = lambda: False) -> Path:
        """The main file, all of the model's bytes verified and the model tried; notes the use.

        For the process that holds sessions: it imports onnxruntime. A model that was not yet tried
        with this version is tried first, in a process that may die. Raises ``RealPathImpossible``
        with the reason, ``CouldNotBeDone`` when a file cannot be read or memory is short at the
        moment, or ``Cancelled``.
        """
        shelf = self._shelf(card)
        manifest = shelf.checked()
        state = _judge(shelf, manifest)
        fault = shelf.fault(manifest)
        if fault or state.presence in (Presence.MISSING, Presence.PARTIAL):
            raise RealPathImpossible(fault or state.reason)
        if shelf.unverified(manifest):
            raise RealPathImpossible(
                _("The files of {model} are being changed: try again.", model=card.title)
            )
        from .trust.canary import onnxruntime_version

        trial = manifest.trial
        if trial is None or trial.onnxruntime != onnxruntime_version():
            trial = self.try_out(card, cancelled)
        if not trial.ok:
            raise RealPathImpossible(trial.reason)
        self._note_use(shelf, manifest)
        return self.path(card)

    @staticmethod
    def _note_use(shelf: Shelf, manifest: Manifest) -> None:
        """Remember the day; so it is written once a day at most."""
        today = now()[:10]

        def change(manifest: Manifest) -> None:
            manifest.used = today

        if manifest.used != today:
            shelf.change(change)

    def try_out(self, card: Card, cancelled: Callable[[], bool] = lambda: False) -> Trial:
        """Try the model, whose bytes have been verified, in a process that may die; remembered.

        One process at a time tries it; who waited takes what came of it. Raises
        ``CouldNotBeDone`` where its files changed meanwhile, so that nobody knows what was tried,
        or memory is short at the moment, and ``Cancelled``.
        """
        from .trust.trial import tried

        shelf = self._shelf(card)
        waited = threading.Event()
        with locked(shelf.trial_lock, cancelled, waited.set):
            if waited.is_set() and (made := shelf.manifest().trial):
                return made
            trial = tried(card, shelf.folder, cancelled)
            if fault := shelf.fault(manifest := shelf.manifest()):
                raise CouldNotBeDone(fault)
            if shelf.unverified(manifest):
                raise CouldNotBeDone(
                    _("The files of {model} are being changed: try again.", model=card.title)
                )
            self.record_trial(card, trial)
        return trial

    def note_agreement(self, card: Card, where: str) -> None:
        """Remember that the model answers ``where`` as it does on the processor."""

        def change(manifest: Manifest) -> None:
            if manifest.trial is not None and where not in manifest.trial.agreed:
                agreed = [*manifest.trial.agreed, where][-_AGREEMENTS:]
                manifest.trial = replace(manifest.trial, agreed=agreed)

        self._shelf(card).change(change)

    def record_trial(self, card: Card, trial: Trial | None) -> None:
        """Remember what came of trying the model; None has it tried anew before its next use."""

        def change(manifest: Manifest) -> None:
            manifest.trial = trial

        self._shelf(card).change(change)

    def download(
        self,
        cards: Sequence[Card],
        on_progress: Callable[[Progress], None] = lambda progress: None,
        cancelled: Callable[[], bool] = lambda: False,
        on_stage: Callable[[str], None] = lambda stage: None,
    ) -> None:
        """Bring the models' missing or wrong files here, each verified before it gets its name.

        ``cards`` is a model and what it needs (``cards.with_needs``). ``on_stage`` hears of WAITING
        (another process downloads the same file), DOWNLOADING and VERIFYING. What was transferred
        before a failure or a cancel stays and is continued next time. Raises ``CouldNotBeDone``
        with one sentence for the user, or ``Cancelled``.
        """
        from .transfer.download import free_space
        from .transfer.pace import Pace

        self.ready()
        missing = 0
        for shelf in map(self._shelf, cards):
            missing += shelf.missing_bytes(shelf.checked(cancelled))
        if missing:
            free_space(self.root, missing, cards[0].title)
        total = sum(card.file_bytes for card in cards)
        before = 0
        pace = Pace()
        for card in cards:
            for file in card.files:
                pace.rest()

                def report(here: int, file: CardFile = file, before: int = before) -> None:
                    on_progress(Progress(before + here, total, file.path, pace.note(here)))

                self._bring(card, file, report, cancelled, on_stage)
                before += file.size
                on_progress(Progress(before, total, file.path))

    @contextlib.contextmanager
    def held(self, *cards: Card) -> Iterator[None]:
        """Keep downloads away from the models' files meanwhile.

        Raises ``CouldNotBeDone`` when one of them is being downloaded.
        """
        # Two models may have the same file.
        locks = {
            shelf.lock(file): shelf.card
            for shelf in map(self._shelf, cards)
            for file in shelf.card.files
        }
        with contextlib.ExitStack() as stack:
            # Whoever only looks whether a lock is held has it for a moment.
            until = time.monotonic() + _MOMENT_SECONDS
            for lock, card in locks.items():
                try:
                    stack.enter_context(locked(lock, lambda: time.monotonic() > until))
                except Cancelled:
                    raise CouldNotBeDone(
                        _(
                            "{model} is being downloaded. Cancel the download first.",
                            model=card.title,
                        )
                    ) from None
            yield

    def remove(self, card: Card) -> None:
        """Delete the model's files, and what a download left of it.

        Raises ``CouldNotBeDone`` when it is being downloaded, is a part of NSS, or a file cannot be
        deleted.
        """
        if card.shipped:
            raise CouldNotBeDone(
                _(
                    "{model} is a part of NSS ({size}) and stays.",
                    model=card.title,
                    size=megabytes(card.file_bytes),
                )
            )
        shelf = self._shelf(card)
        with self.held(card):
            try:
                for file in card.files:
                    shelf.part(file).unlink(missing_ok=True)
                if shelf.folder.exists():
                    shutil.rmtree(shelf.folder)
            except OSError as error:
                raise CouldNotBeDone(
                    _(
                        "{model} cannot be removed from {folder} ({reason}). Close the "
                        "programs that use it, or correct the folder's permissions.",
                        model=card.title,
                        folder=shelf.folder,
                        reason=error.strerror or error,
                    )
                ) from error

    def _bring(
        self,
        card: Card,
        file: CardFile,
        report: Callable[[int], None],
        cancelled: Callable[[], bool],
        on_stage: Callable[[str], None],
    ) -> None:
        """Have one file in its place, with the right bytes."""
        from .transfer.download import declared_sha256, transfer
        from .transfer.hub import endpoint

        shelf = self._shelf(card)
        if card.shipped:
            state = _judge(shelf, shelf.checked(cancelled))
            if state.presence is Presence.BAD:
                raise CouldNotBeDone(state.reason)
            return
        waiting = False

        def wait() -> None:
            nonlocal waiting
            if not waiting:
                waiting = True
                on_stage(WAITING)
            report(size_of(shelf.part(file)))

        with locked(shelf.lock(file), cancelled, wait):
            if self.root != shelf.root:
                raise CouldNotBeDone(_("The folder of models was changed meanwhile. Try again."))
            manifest = shelf.checked(cancelled)
            info = lstat(shelf.place(file))
            if info is not None and not shelf.fault_of(file, manifest):
                return
            expected = manifest.expected(card, file) or declared_sha256(
                self._paths, card, file, cancelled
            )
            declared = {} if file.sha256 else {file_key(card, file): expected}
            if (
                info is not None
                and is_whole(info, file)
                and manifest.stamped(file, info) == expected
            ):
                # Put there by hand, and the hub says that these are its bytes.
                shelf.keep({}, declared)
                return
            known, part = replace(file, sha256=expected), shelf.part(file)
            held = size_of(part)
            while True:
                on_stage(DOWNLOADING)
                transfer(self._paths, card, known, part, report, cancelled)
                on_stage(VERIFYING)
                try:
                    stamps = shelf.adopt(file, expected, cancelled)
                    break
                except WrongBytes:
                    # What lay here from another time may be what was wrong with it.
                    if not held:
                        raise
                    held = 0
            shelf.keep(stamps, declared, endpoint())

    def leftovers(self, cards: Iterable[Card]) -> list[Leftover]:
        """What downloads that did not end have of files so far, and what is of no use any more."""
        return staging.look(self.root, cards)

    def sweep(self, cards: Iterable[Card], wanted: Collection[str] = ()) -> list[Leftover]:
        """Delete what is of no use any more of that; what was deleted. See ``staging.sweep``."""
        return staging.sweep(self.root, cards, wanted)

    def ready(self) -> None:
        """Raise ``CouldNotBeDone`` where files cannot be put into the folder of models."""
        if trouble := self.trouble():
            raise CouldNotBeDone(trouble)

    def _shelf(self, card: Card) -> Shelf:
        # What is known of a model that ships must not hang on a disk that may not be connected.
        return Shelf(self._paths.usual_models if card.shipped else self.root, card)


def _away(card: Card) -> str:
    if card.hosted:
        return _("{model} is not downloaded.", model=card.title)
    return _("{model} is not here any more: add it again.", model=card.title)


def _judge(shelf: Shelf, manifest: Manifest) -> ModelState:
    card = shelf.card
    here = 0
    absent = False
    for file in card.files:
        info = lstat(shelf.place(file))
        absent = absent or info is None
        here += min(info.st_size if info else size_of(shelf.part(file)), file.size)
    trial = manifest.trial
    if fault := shelf.fault(manifest):
        presence, reason = Presence.BAD, fault
    elif absent and card.shipped:
        presence = Presence.BAD
        missing_files = _(
            "Files of {model} are missing from {shipped}.", model=card.title, shipped=card.shipped
        )
        reason = joined(" ", [missing_files, shelf.remedy])
    elif absent and here == 0:
        presence, reason = Presence.MISSING, _away(card)
    elif absent:
        presence = Presence.PARTIAL
        reason = (
            _("{model} is not downloaded completely.", model=card.title)
            if card.hosted
            else _("{model} is not here completely.", model=card.title)
        )
    elif unverified := shelf.unverified(manifest):
        presence = Presence.UNCHECKED
        reason = _(
            "File {unverified} of {model} must be verified before it is used.",
            unverified=unverified,
            model=card.title,
        )
    elif trial is None:
        presence = Presence.UNCHECKED
        reason = _("{model} must be tried before it is used.", model=card.title)
    elif not trial.ok:
        presence, reason = Presence.BAD, trial.reason
    else:
        presence, reason = Presence.INSTALLED, ""
    missing = 0 if card.shipped else shelf.missing_bytes(manifest)
    arrived = max((one.when[:10] for one in manifest.arrived.values()), default="")
    return ModelState(
        presence, here, card.file_bytes, reason, trial, missing, arrived, manifest.used
    )
