"""Which models are here and usable: files verified by SHA-256, stamped, and tried once.

Standard library only at import, since the light supervisor asks it too. A stamp remembers which
bytes (size, times, inode) were hashed, so that a start does not hash gigabytes again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path

from ..bridge.errors import Cancelled, CouldNotBeDone, RealPathImpossible
from ..bridge.paths import Paths
from .cards import Card, CardFile
from .locks import locked, locked_now

_MANIFEST = ".verified.json"
_SCHEMA = 1
_HASH_CHUNK = 1 << 20


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


@dataclass(frozen=True)
class Trial:
    """What came of running one tile (``tile`` pixels a side) of a known picture on the CPU.

    ``reason`` says what was wrong when ``ok`` is false.
    """

    ok: bool
    reason: str
    onnxruntime: str
    seconds_per_tile: float
    tile: int
    when: str


@dataclass(frozen=True)
class ModelState:
    """Whether a model can be used; ``reason`` says in a sentence why not, else it is empty."""

    presence: Presence
    bytes_here: int
    bytes_total: int
    reason: str
    trial: Trial | None

    @property
    def usable(self) -> bool:
        """Whether a plan may count on it; ``Store.check_before_use`` has the last word."""
        return self.presence in (Presence.INSTALLED, Presence.UNCHECKED)


@dataclass(frozen=True)
class Progress:
    """Bytes done of all the model's bytes, and the file that is at work."""

    done: int
    total: int
    file: str


@dataclass(frozen=True)
class _Stamp:
    """The SHA-256 that the bytes with this identity had."""

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int
    sha256: str
    verified: str

    def fits(self, info: os.stat_result) -> bool:
        return (self.size, self.mtime_ns, self.ctime_ns, self.inode) == _identity(info)


@dataclass
class _Manifest:
    stamps: dict[str, _Stamp]
    trial: Trial | None


class Store:
    """The models of one user, below ``paths.models``, one folder of real files per model id."""

    def __init__(self, paths: Paths) -> None:
        self._root = paths.models
        self._staging = paths.models / ".staging"

    def folder(self, card: Card) -> Path:
        """Where the model's files are."""
        return self._root / card.id

    def path(self, card: Card) -> Path:
        """The model's .onnx file, whether it is here or not."""
        return self.folder(card) / card.main_file.path

    def state(self, card: Card) -> ModelState:
        """What is here, from the files' names, sizes and stamps alone: nothing is hashed."""
        return self._judge(card, self._read(card))

    def check(self, card: Card) -> ModelState:
        """What is here, after hashing each file whose bytes have no valid stamp."""
        return self._judge(card, self._checked(card))

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
        """The .onnx file to make a session from, its bytes verified and the model tried.

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
            trial = try_model(card, self.path(card))
            self.record_trial(card, trial)
        if not trial.ok:
            raise RealPathImpossible(trial.reason)
        return self.path(card)

    def record_trial(self, card: Card, trial: Trial | None) -> None:
        """Remember what came of trying the model; None has it tried anew before its next use."""

        def change(manifest: _Manifest) -> None:
            manifest.trial = trial

        self._change(card, change)

    def download(
        self,
        card: Card,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        cancelled: Callable[[], bool] = lambda: False,
        on_stage: Callable[[str], None] = lambda stage: None,
    ) -> None:
        """Bring the model's missing or wrong files here, each verified before it gets its name.

        ``on_stage`` hears "waiting" (another process downloads the same file) and "verifying".
        What was transferred before a failure or a cancel stays and is continued next time.
        Raises ``CouldNotBeDone`` with one sentence for the user, or ``Cancelled``.
        """
        from .download import free_space, transfer

        missing = self._missing_bytes(card)
        if missing:
            free_space(self._root, missing, card.title)
        before = 0
        waiting = False
        for file in card.files:
            part = self._part(file)

            def report(here: int, file: CardFile = file, before: int = before) -> None:
                on_progress(Progress(before + here, card.download_bytes, file.path))

            def wait(part: Path = part, report: Callable[[int], None] = report) -> None:
                nonlocal waiting
                if not waiting:
                    waiting = True
                    on_stage("waiting")
                report(_size(part))

            with locked(self._lock(file.sha256), cancelled, wait):
                if not self._is_here(card, file):
                    transfer(card, file, part, report, cancelled)
                    on_stage("verifying")
                    self._adopt(card, file, part, cancelled)
            before += file.size
            on_progress(Progress(before, card.download_bytes, file.path))

    def remove(self, card: Card) -> None:
        """Delete the model's files, and what a download left of it.

        Raises ``CouldNotBeDone`` when it is being downloaded or a file cannot be deleted.
        """
        with contextlib.ExitStack() as stack:
            for sha256 in {file.sha256 for file in card.files}:
                if not stack.enter_context(locked_now(self._lock(sha256))):
                    raise CouldNotBeDone(
                        f"{card.title} is being downloaded. Cancel the download first."
                    )
            try:
                for file in card.files:
                    self._part(file).unlink(missing_ok=True)
                if self.folder(card).exists():
                    shutil.rmtree(self.folder(card))
            except OSError as error:
                raise CouldNotBeDone(
                    f"{card.title} cannot be removed from {self.folder(card)} "
                    f"({error.strerror or error}). Close the programs that use it, or correct the "
                    "folder's permissions."
                ) from error

    def _part(self, file: CardFile) -> Path:
        return self._staging / f"{file.sha256}.part"

    def _lock(self, name: str) -> Path:
        return self._staging / f"{name}.lock"

    def _missing_bytes(self, card: Card) -> int:
        return sum(
            file.size - min(_size(self._part(file)), file.size)
            for file in card.files
            if _size(self.folder(card) / file.path) != file.size
        )

    def _is_here(self, card: Card, file: CardFile) -> bool:
        """Whether the file is in its place with the right bytes."""
        manifest = self._checked(card)
        info = _lstat(self.folder(card) / file.path)
        return info is not None and not self._fault_of(card, file, manifest)

    def _checked(self, card: Card) -> _Manifest:
        """The manifest, after hashing each file whose bytes have no valid stamp."""
        manifest = self._read(card)
        stamps = self._stamp_files(card, manifest, anew=False)
        return self._keep(card, stamps) if stamps else manifest

    def _adopt(self, card: Card, file: CardFile, part: Path, cancelled: Callable[[], bool]) -> None:
        """Give the transferred file its name and stamp if its SHA-256 is right, else delete it."""
        target = self.folder(card) / file.path
        try:
            found = _sha256(part, cancelled=cancelled)
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
            info = target.stat()
        except OSError as error:
            raise CouldNotBeDone(
                f"{card.title} cannot be put into {target.parent} ({error.strerror or error}); "
                "correct the folder's permissions and try again."
            ) from error
        self._keep(card, {file.path: _stamp(info, found)})

    def _judge(self, card: Card, manifest: _Manifest) -> ModelState:
        here = 0
        absent = False
        for file in card.files:
            info = _lstat(self.folder(card) / file.path)
            absent = absent or info is None
            here += min(info.st_size if info else _size(self._part(file)), file.size)
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
        return ModelState(presence, here, card.download_bytes, reason, trial)

    def _unverified(self, card: Card, manifest: _Manifest) -> str:
        """The first file here whose bytes have no valid stamp, else ""."""
        for file in card.files:
            info = _lstat(self.folder(card) / file.path)
            stamp = manifest.stamps.get(file.path)
            if info is not None and (stamp is None or not stamp.fits(info)):
                return file.path
        return ""

    def _file_fault(self, card: Card, manifest: _Manifest) -> str:
        for file in card.files:
            fault = self._fault_of(card, file, manifest)
            if fault:
                return fault
        return ""

    def _fault_of(self, card: Card, file: CardFile, manifest: _Manifest) -> str:
        """What is known to be wrong with a file that is in its place, else ""."""
        info = _lstat(self.folder(card) / file.path)
        if info is None:
            return ""
        stamp = manifest.stamps.get(file.path)
        what = ""
        if not stat.S_ISREG(info.st_mode):
            what = "is not a file of its own but a link or a folder"
        elif info.st_size != file.size:
            what = f"has {info.st_size} bytes, expected {file.size}"
        elif stamp is not None and stamp.fits(info) and stamp.sha256 != file.sha256:
            what = f"has SHA-256 {stamp.sha256}, expected {file.sha256}"
        return f"File {file.path} of {card.title} {what}: download it again." if what else ""

    def _stamp_files(
        self,
        card: Card,
        manifest: _Manifest,
        *,
        anew: bool,
        on_progress: Callable[[Progress], None] = lambda progress: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, _Stamp]:
        """Stamps for all files of the right size, or for those alone that have no valid one."""
        stamps = {}
        before = 0
        for file in card.files:
            path = self.folder(card) / file.path
            info = _lstat(path)
            if info is not None and stat.S_ISREG(info.st_mode) and info.st_size == file.size:
                old = manifest.stamps.get(file.path)
                if anew or old is None or not old.fits(info):

                    def report(here: int, file: CardFile = file, before: int = before) -> None:
                        on_progress(Progress(before + here, card.download_bytes, file.path))

                    try:
                        found = _sha256(path, report, cancelled)
                    except OSError as error:
                        raise CouldNotBeDone(
                            f"File {path} of {card.title} cannot be read "
                            f"({error.strerror or error}). Correct its permissions."
                        ) from error
                    # The identity from before the reading: a change meanwhile makes it invalid.
                    stamps[file.path] = _stamp(info, found)
            before += file.size
        return stamps

    def _keep(self, card: Card, stamps: dict[str, _Stamp]) -> _Manifest:
        return self._change(card, lambda manifest: manifest.stamps.update(stamps))

    def _change(self, card: Card, change: Callable[[_Manifest], None]) -> _Manifest:
        """Change the manifest; where it cannot be written, this call's result alone has it."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(CouldNotBeDone):
                stack.enter_context(locked(self._lock(card.id)))
            manifest = self._read(card)
            change(manifest)
            with contextlib.suppress(OSError):
                self._write(card, manifest)
        return manifest

    def _read(self, card: Card) -> _Manifest:
        """The model's manifest; an unreadable one counts as empty, and the files are hashed."""
        try:
            data = json.loads((self.folder(card) / _MANIFEST).read_text(encoding="utf-8"))
            if data["schema"] != _SCHEMA:
                return _Manifest({}, None)
            stamps = {path: _Stamp(**stamp) for path, stamp in data["files"].items()}
            # The trial is worth something only for the very bytes that were tried.
            tried = data["trial"] if data["trial_of"] == _bytes_of(card) else None
            return _Manifest(stamps, Trial(**tried) if tried else None)
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return _Manifest({}, None)

    def _write(self, card: Card, manifest: _Manifest) -> None:
        data = {
            "schema": _SCHEMA,
            "files": {path: asdict(stamp) for path, stamp in manifest.stamps.items()},
            "trial": asdict(manifest.trial) if manifest.trial else None,
            "trial_of": _bytes_of(card),
        }
        path = self.folder(card) / _MANIFEST
        fresh = path.with_suffix(f".{os.getpid()}.tmp")
        fresh.write_text(json.dumps(data, indent=1), encoding="utf-8")
        os.replace(fresh, path)


def _bytes_of(card: Card) -> str:
    return hashlib.sha256("".join(file.sha256 for file in card.files).encode()).hexdigest()


def _identity(info: os.stat_result) -> tuple[int, int, int, int]:
    return info.st_size, info.st_mtime_ns, info.st_ctime_ns, info.st_ino


def _stamp(info: os.stat_result, sha256: str) -> _Stamp:
    return _Stamp(*_identity(info), sha256, datetime.now(timezone.utc).isoformat())


def _lstat(path: Path) -> os.stat_result | None:
    try:
        return path.lstat()
    except OSError:
        return None


def _size(path: Path) -> int:
    info = _lstat(path)
    return 0 if info is None else info.st_size


def _sha256(
    path: Path,
    on_bytes: Callable[[int], None] = lambda here: None,
    cancelled: Callable[[], bool] = lambda: False,
) -> str:
    digest = hashlib.sha256()
    here = 0
    with path.open("rb") as stream:
        while chunk := stream.read(_HASH_CHUNK):
            if cancelled():
                raise Cancelled("The verification was cancelled.")
            digest.update(chunk)
            here += len(chunk)
            on_bytes(here)
    return digest.hexdigest()
