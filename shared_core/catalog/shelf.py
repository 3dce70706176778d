"""One model's files in their folder: which are there, which bytes they hold, what is wrong."""

from __future__ import annotations

import contextlib
import os
import shutil
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _, joined
from ..bridge.locks import locked
from . import manifest as record
from .card import Card, CardFile
from .manifest import Manifest, Stamp, file_key, is_whole, lstat, sha256_of, size_of
from .transfer import staging


class WrongBytes(CouldNotBeDone):
    """A transferred file has another SHA-256 than it must have; it was deleted."""


# Below the folder of models, what was found out of those that are elsewhere, in NSS itself.
SHIPPED = ".shipped"


@dataclass(frozen=True)
class Shelf:
    """The place of ``card``'s model below ``root``, the folder of all models."""

    root: Path
    card: Card

    @property
    def folder(self) -> Path:
        """Where the model's files are; those of a shipped model are not below ``root``."""
        return self.card.shipped or self.records

    @property
    def records(self) -> Path:
        """Where it stands what was found out of them: the user can always write there."""
        return self.root / (SHIPPED if self.card.shipped else "") / self.card.id

    def place(self, file: CardFile) -> Path:
        """Where a file is or would be."""
        return self.folder / file.path

    def part(self, file: CardFile) -> Path:
        """Where a file is while it is transferred."""
        return self.root / staging.FOLDER / (file_key(self.card, file) + staging.PART)

    def lock(self, file: CardFile) -> Path:
        """The lock of whoever transfers a file."""
        return self.part(file).with_suffix(staging.LOCK)

    @property
    def trial_lock(self) -> Path:
        """The lock of whoever tries the model."""
        return self.root / staging.FOLDER / f"{self.card.id}.trial{staging.LOCK}"

    def manifest(self) -> Manifest:
        """What was found out before; nothing is hashed."""
        return record.read(self.records, self.card)

    def checked(self, cancelled: Callable[[], bool] = lambda: False) -> Manifest:
        """The manifest, after hashing each file whose bytes have no valid stamp.

        Raises ``CouldNotBeDone`` when a file cannot be read, and ``Cancelled``.
        """
        manifest = self.manifest()
        stamps = self.stamps(manifest, anew=False, cancelled=cancelled)
        return self.keep(stamps) if stamps else manifest

    def stamps(
        self,
        manifest: Manifest,
        *,
        anew: bool,
        on_bytes: Callable[[int, CardFile], None] = lambda here, file: None,
        cancelled: Callable[[], bool] = lambda: False,
    ) -> dict[str, Stamp]:
        """Stamps for all files of the right size, or for those alone that have no valid one.

        ``on_bytes`` hears how many of all the model's bytes were looked at. Raises ``Cancelled``.
        """
        stamps = {}
        before = 0
        for file in self.card.files:
            path = self.place(file)
            info = lstat(path)
            begun, before = before, before + file.size
            if info is None or not is_whole(info, file):
                continue
            if manifest.stamped(file, info) and not anew:
                continue

            def report(here: int, file: CardFile = file, begun: int = begun) -> None:
                on_bytes(begun + here, file)

            try:
                found = sha256_of(path, report, cancelled)
            except OSError as error:
                raise CouldNotBeDone(
                    _(
                        "File {path} of {model} cannot be read ({reason}). Correct its "
                        "permissions.",
                        path=path,
                        model=self.card.title,
                        reason=error.strerror or error,
                    )
                ) from error
            expected = manifest.expected(self.card, file)
            if expected and found != expected:
                record.note_wrong(path, found, expected)
            # The identity from before the reading: a change meanwhile makes it invalid.
            stamps[file.path] = record.stamp(info, found)
        return stamps

    def keep(
        self,
        stamps: Mapping[str, Stamp],
        declared: Mapping[str, str] | None = None,
        origin: str = "",
    ) -> Manifest:
        """The manifest with these stamps, and with hashes that the hub declared, by file key.

        ``origin`` says from where the stamped files have just come.
        """

        def change(manifest: Manifest) -> None:
            manifest.stamps.update(stamps)
            manifest.declared.update(declared or {})
            if origin:
                arrival = record.Arrival(record.now(), origin)
                manifest.arrived.update(dict.fromkeys(stamps, arrival))

        return self.change(change)

    def change(self, change: Callable[[Manifest], None]) -> Manifest:
        """Change the manifest; where it cannot be written, this call's result alone has it."""
        with contextlib.ExitStack() as stack:
            with contextlib.suppress(CouldNotBeDone):
                stack.enter_context(locked(self._fresh.with_suffix(staging.LOCK)))
            manifest = self.manifest()
            change(manifest)
            with contextlib.suppress(OSError):
                if self.card.shipped:
                    self.records.mkdir(parents=True, exist_ok=True)
                record.write(self.records, self.card, manifest, self._fresh)
        return manifest

    @property
    def _fresh(self) -> Path:
        """Where the manifest is while it is written."""
        return self.root / staging.FOLDER / f"{self.card.id}.tmp"

    def missing_bytes(self, manifest: Manifest) -> int:
        """What has yet to be transferred; a damaged file has to come anew."""
        return sum(
            file.size - min(size_of(self.part(file)), file.size)
            for file in self.card.files
            if not is_whole(lstat(self.place(file)), file) or self.fault_of(file, manifest)
        )

    def unverified(self, manifest: Manifest) -> str:
        """The first file here whose bytes have no valid stamp, else ""."""
        for file in self.card.files:
            info = lstat(self.place(file))
            if info is not None and not manifest.stamped(file, info):
                return file.path
        return ""

    def fault(self, manifest: Manifest) -> str:
        """What is known to be wrong with a file that is in its place, as a sentence, else ""."""
        for file in self.card.files:
            fault = self.fault_of(file, manifest)
            if fault:
                return fault
        return ""

    def fault_of(self, file: CardFile, manifest: Manifest) -> str:
        """The same for one file."""
        info = lstat(self.place(file))
        if info is None:
            return ""
        found, expected = manifest.stamped(file, info), manifest.expected(self.card, file)
        what = ""
        if not stat.S_ISREG(info.st_mode):
            what = _(
                "File {path} of {model} is not a file of its own but a link or a folder.",
                path=file.path,
                model=self.card.title,
            )
        elif info.st_size != file.size:
            what = _(
                "File {path} of {model} is not the right one (got {found} bytes, expected {size}).",
                path=file.path,
                model=self.card.title,
                found=info.st_size,
                size=file.size,
            )
        elif not expected:
            what = _(
                "File {path} of {model} was never compared with what the hub declares.",
                path=file.path,
                model=self.card.title,
            )
        elif found and found != expected:
            what = _(
                "File {path} of {model} is not the right one (got SHA-256 {found}, expected "
                "{expected}).",
                path=file.path,
                model=self.card.title,
                found=record.beginning(found),
                expected=record.beginning(expected),
            )
        return joined(" ", [what, self.remedy]) if what else ""

    @property
    def remedy(self) -> str:
        """What a user can do about a damaged file, as a sentence."""
        if self.card.shipped:
            return _("Install NSS again.")
        return _("Download it again.") if self.card.hosted else _("Add the model again.")

    def adopt(
        self, file: CardFile, expected: str, cancelled: Callable[[], bool]
    ) -> dict[str, Stamp]:
        """Give the transferred file its name if its SHA-256 is right, else delete it; its stamp.

        Raises ``WrongBytes``, ``CouldNotBeDone`` and ``Cancelled``.
        """
        part, target = self.part(file), self.place(file)
        try:
            found = sha256_of(part, cancelled=cancelled)
            if found != expected:
                part.unlink()
                record.note_wrong(target, found, expected)
                raise WrongBytes(
                    _(
                        "{model} cannot be used: {path} is not the right file: got SHA-256 "
                        "{found}, expected {expected}; it was deleted, so try again, and check "
                        "HF_ENDPOINT if that does not help.",
                        model=self.card.title,
                        path=file.path,
                        found=record.beginning(found),
                        expected=record.beginning(expected),
                    )
                )
            target.parent.mkdir(parents=True, exist_ok=True)
            if target.is_dir() and not target.is_symlink():
                shutil.rmtree(target)
            os.replace(part, target)
            return {file.path: record.stamp(target.stat(), found)}
        except OSError as error:
            raise CouldNotBeDone(
                _(
                    "{model} cannot be put into {parent} ({reason}); correct the folder's "
                    "permissions and try again.",
                    model=self.card.title,
                    parent=target.parent,
                    reason=error.strerror or error,
                )
            ) from error
