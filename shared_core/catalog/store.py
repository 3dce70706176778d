"""Which models are here and usable: files verified by SHA-256, stamped, and tried once.

Standard library only at import, since the light supervisor asks it too.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from ..bridge.errors import CouldNotBeDone, RealPathImpossible
from ..bridge.paths import Paths
from . import manifest as record
from .card import Card, CardFile
from .locks import locked, locked_now
from .manifest import Manifest, Stamp, Trial, file_key, is_whole, lstat, sha256_of, size_of

__all__ = ["ModelState", "Presence", "Progress", "Store", "Trial"]


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
    """

    presence: Presence
    bytes_here: int
    bytes_total: int
    reason: str
    trial: Trial | None
    bytes_missing: int = 0

    @property
    def usable(self) -> bool:
        """Whether a plan may count on it; ``Store.check_before_use`` has the last word."""
        return self.presence in (Presence.INSTALLED, Presence.UNCHECKED)


@dataclass(frozen=True)
class Progress:
    """Bytes done of all the bytes asked for, and the file that is at work."""

    done: int
    total: int
    file: str


class Store:
    """The models of one user, below ``paths.models``, one folder of real files per model id."""

    def __init__(self, paths: Paths) -> None:
        self._root = paths.models
        self._staging = paths.models / ".staging"

    def folder(self, card: Card) -> Path:
        """Where the model's files are."""
        return self._root / card.id

    def path(self, card: Card, role: str | None = None) -> Path:
        """The file with this role (default: the card's main file), whether it is here or not.

        Raises ``KeyError`` when no file has the role.
        """
        file = card.main_file if role is None else card.file(role)
        return self.folder(card) / file.path

    def declared(self, card: Card, file: CardFile) -> str:
        """The SHA-256 that the file is held to: the card's, else the hub's, "" before that."""
        return self._read(card).expected(card, file)

    def hub_declared(self, card: Card) -> bool:
        """Whether the hub, and not the card, says what the bytes of some file must be."""
        return any(not file.sha256 for file in card.files)

    def state(self, card: Card) -> ModelState:
        """What is here, from the files' names, sizes and stamps alone: nothing is hashed."""
        return self._judge(card, self._read(card))

    def check(self, card: Card) -> ModelState:
        """What is here, after hashing each file whose bytes have no valid stamp."""
        return self._judge(card, self._checked(card))

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
        stamps = self._stamp_files(
            card, self._read(card), anew=True, on_progress=on_progress, cancelled=cancelled
        )
        return self._judge(card, self._keep(card, stamps))

    def check_before_use(self, card: Card) -> Path:
        """The main file, all of the model's bytes verified and the model tried.

        For the process that holds sessions: it imports onnxruntime where the model was not yet
        tried with this version. Raises ``RealPathImpossible`` with the reason, or
        ``CouldNotBeDone`` when a file cannot be read.
        """
        manifest = self._checked(card)
        state = self._judge(card, manifest)
        fault = self._file_fault(card, manifest)
        if fault or state.presence in (Presence.MISSING, Presence.PARTIAL):
            raise RealPathImpossible(fault or state.reason)
        if self._unverified(card, manifest):
            raise RealPathImpossible(f"The files of {card.title} are being changed: try again.")
        from .canary import onnxruntime_version, try_model

        trial = manifest.trial
        if trial is None or trial.onnxruntime != onnxruntime_version():
            trial = try_model(card, self.folder(card))
            self.record_trial(card, trial)
        if not trial.ok:
            raise RealPathImpossible(trial.reason)
        return self.path(card)

    def record_trial(self, card: Card, trial: Trial | None) -> None:
        """Remember what came of trying the model; None has it tried anew before its next use."""

        def change(manifest: Manifest) -> None:
            manifest.trial = trial

        self._change(card, change)

    def download(
        self,
        cards: Sequence[Card],
        on_progress: Callable[[Progress], None] = lambda progress: None,
        cancelled: Callable[[], bool] = lambda: False,
        on_stage: Callable[[str], None] = lambda stage: None,
    ) -> None:
        """Bring the models' missing or wrong files here, each verified before it gets its name.

        ``cards`` is a model and what it needs (``cards.with_needs``). ``on_stage`` hears "waiting"
        (another process downloads the same file) and "verifying". What was transferred before a
        failure or a cancel stays and is continued next time. Raises ``CouldNotBeDone`` with one
        sentence for the user, or ``Cancelled``.
        """
        from .download import free_space

        missing = sum(self._missing_bytes(card, self._checked(card)) for card in cards)
        if missing:
            free_space(self._root, missing, cards[0].title)
        total = sum(card.download_bytes for card in cards)
        before = 0
        for card in cards:
            for file in card.files:

                def report(here: int, file: CardFile = file, before: int = before) -> None:
                    on_progress(Progress(before + here, total, file.path))

                self._bring(card, file, report, cancelled, on_stage)
                before += file.size
                on_progress(Progress(before, total, file.path))

    def remove(self, card: Card) -> None:
        """Delete the model's files, and what a download left of it.

        Raises ``CouldNotBeDone`` when it is being downloaded or a file cannot be deleted.
        """
        with contextlib.ExitStack() as stack:
            for key in {file_key(card, file) for file in card.files}:
                if not stack.enter_context(locked_now(self._lock(key))):
                    raise CouldNotBeDone(
                        f"{card.title} is being downloaded. Cancel the download first."
                    )
            try:
                for file in card.files:
                    self._part(card, file).unlink(missing_ok=True)
                if self.folder(card).exists():
                    shutil.rmtree(self.folder(card))
            except OSError as error:
                raise CouldNotBeDone(
                    f"{card.title} cannot be removed from {self.folder(card)} "
                    f"({error.strerror or error}). Close the programs that use it, or correct the "
                    "folder's permissions."
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
        from .download import declared_sha256, transfer

        part = self._part(card, file)
        waiting = False

        def wait() -> None:
            nonlocal waiting
            if not waiting:
                waiting = True
                on_stage("waiting")
            report(size_of(part))

        with locked(self._lock(file_key(card, file)), cancelled, wait):
            manifest = self._checked(card)
            info = lstat(self.folder(card) / file.path)
            if info is not None and not self._fault_of(card, file, manifest):
                return
            expected = manifest.expected(card, file) or declared_sha256(card, file, cancelled)
            known = replace(file, sha256=expected)
            if info is not None and is_whole(info, file):
                found = manifest.stamped(file, info)
                if found == expected:
                    # Put there by hand, and the hub says that these are its bytes.
                    self._keep(card, {}, {file_key(card, file): expected})
                    return
            transfer(card, known, part, report, cancelled)
            on_stage("verifying")
            stamps = self._adopt(card, known, part, cancelled)
            declared = {} if file.sha256 else {file_key(card, file): expected}
            self._keep(card, stamps, declared)

    def _part(self, card: Card, file: CardFile) -> Path:
        return self._staging / f"{file_key(card, file)}.part"

    def _lock(self, name: str) -> Path:
        return self._staging / f"{name}.lock"

    def _missing_bytes(self, card: Card, manifest: Manifest) -> int:
        """What has yet to be transferred; a damaged file has to come anew."""
        return sum(
            file.size - min(size_of(self._part(card, file)), file.size)
            for file in card.files
            if not is_whole(lstat(self.folder(card) / file.path), file)
            or self._fault_of(card, file, manifest)
        )

    def _checked(self, card: Card) -> Manifest:
        """The manifest, after hashing each file whose bytes have no valid stamp."""
        manifest = self._read(card)
        stamps = self._stamp_files(card, manifest, anew=False)
        return self._keep(card, stamps) if stamps else manifest

    def _adopt(
        self, card: Card, file: CardFile, part: Path, cancelled: Callable[[], bool]
    ) -> dict[str, Stamp]:
        """Give the transferred file its name if its SHA-256 is right, else delete it; its stamp."""
        target = self.folder(card) / file.path
        try:
            found = sha256_of(part, cancelled=cancelled)
            if found != file.sha256:
                part.unlink()
                raise CouldNotBeDone(
                    f"{card.title} cannot be used: {file.path} came with SHA-256 {found}, expected "
                    f"{file.sha256}; it was deleted, so try again, and check HF_ENDPOINT if that "
                    "does not help."
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            os.replace(part, target)
            return {file.path: record.stamp(target.stat(), found)}
        except OSError as error:
            raise CouldNotBeDone(
                f"{card.title} cannot be put into {target.parent} ({error.strerror or error}); "
                "correct the folder's permissions and try again."
            ) from error

    def _judge(self, card: Card, manifest: Manifest) -> ModelState:
        here = 0
        absent = False
        for file in card.files:
            info = lstat(self.folder(card) / file.path)
            absent = absent or info is None
            here += min(info.st_size if info else size_of(self._part(card, file)), file.size)
        trial = manifest.trial
        fault = self._file_fault(card, manifest)
        if fault:
            presence, reason = Presence.BAD, fault
        elif absent and here == 0:
            presence, reason = Presence.MISSING, f"{card.title} is not downloaded."
        elif absent:
            presence = Presence.PARTIAL
            reason = f"{card.title} is not downloaded completely."
        elif unverified := self._unverified(card, manifest):
            presence = Presence.UNCHECKED
            reason = f"File {unverified} of {card.title} must be verified before it is used."
        elif trial is None:
            presence = Presence.UNCHECKED
            reason = f"{card.title} must be tried before it is used."
        elif not trial.ok:
            presence, reason = Presence.BAD, trial.reason
        else:
            presence, reason = Presence.INSTALLED, ""
        missing = self._missing_bytes(card, manifest)
        return ModelState(presence, here, card.download_bytes, reason, trial, missing)

    def _unverified(self, card: Card, manifest: Manifest) -> str:
        """The first file here whose bytes have no valid stamp, else ""."""
        for file in card.files:
            info = lstat(self.folder(card) / file.path)
            if info is not None and not manifest.stamped(file, info):
                return file.path
        return ""

    def _file_fault(self, card: Card, manifest: Manifest) -> str:
        for file in card.files:
            fault = self._fault_of(card, file, manifest)
            if fault:
                return fault
        return ""

    def _fault_of(self, card: Card, file: CardFile, manifest: Manifest) -> str:
        """What is known to be wrong with a file that is in its place, else ""."""
        info = lstat(self.folder(card) / file.path)
        if info is None:
            return ""
        found, expected = manifest.stamped(file, info), manifest.expected(card, file)
        what = ""
        if not stat.S_ISREG(info.st_mode):
            what = "is not a file of its own but a link or a folder"
        elif info.st_size != file.size:
            what = f"has {info.st_size} bytes, expected {file.size}"
        elif not expected:
            what = "was never compared with what the hub declares"
        elif found and found != expected:
            what = f"has SHA-256 {found}, expected {expected}"
        return f"File {file.path} of {card.title} {what}: download it again." if what else ""

    def _stamp_files(
        self,
        card: Card,
        manifest: Manifest,
        *,
        anew: bool,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Stamp]:
        """Stamps for all files of the right size, or for those alone that have no valid one."""
        stamps = {}
        before = 0
        for file in card.files:
            path = self.folder(card) / file.path
            info = lstat(path)
            begun, before = before, before + file.size
            if info is None or not is_whole(info, file):
                continue
            if manifest.stamped(file, info) and not anew:
                continue

            def report(here: int, file: CardFile = file, begun: int = begun) -> None:
                on_progress(Progress(begun + here, card.download_bytes, file.path))

            try:
                found = sha256_of(path, report, cancelled)
            except OSError as error:
                raise CouldNotBeDone(
                    f"File {path} of {card.title} cannot be read ({error.strerror or error}). "
                    "Correct its permissions."
                ) from error
            # The identity from before the reading: a change meanwhile makes it invalid.
            stamps[file.path] = record.stamp(info, found)
        return stamps

    def _keep(
        self, card: Card, stamps: dict[str, Stamp], declared: dict[str, str] | None = None
    ) -> Manifest:
        def change(manifest: Manifest) -> None:
            manifest.stamps.update(stamps)
            manifest.declared.update(declared or {})

        return self._change(card, change)

    def _change(self, card: Card, change: Callable[[Manifest], None]) -> Manifest:
        """Change the manifest; where it cannot be written, this call's result alone has it."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(CouldNotBeDone):
                stack.enter_context(locked(self._lock(card.id)))
            manifest = self._read(card)
            change(manifest)
            with contextlib.suppress(OSError):
                record.write(self.folder(card), card, manifest)
        return manifest

    def _read(self, card: Card) -> Manifest:
        return record.read(self.folder(card), card)
