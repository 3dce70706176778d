"""Whole files from one folder into another, read back before they get their name."""

from __future__ import annotations

import contextlib
import errno
import os
from collections.abc import Callable
from pathlib import Path

from ...bridge.errors import Cancelled, CouldNotBeDone
from ...bridge.language import _
from ..manifest import beginning, lstat, note_wrong, sha256_of
from .download import free_space

_CHUNK = 1 << 20


def holds(target: Path, size: int, sha256: str, cancelled: Callable[[], bool]) -> bool:
    """Whether ``target`` is a file with these bytes; it is read only if it has the size."""
    info = lstat(target)
    if info is None or info.st_size != size:
        return False
    return sha256_of(target, cancelled=cancelled) == sha256


def put(
    source: Path,
    target: Path,
    sha256: str,
    by_way_of: Path,
    title: str,
    on_bytes: Callable[[int], None] = lambda here: None,
    cancelled: Callable[[], bool] = lambda: False,
    link: bool = False,
) -> bool:
    """Have ``target`` hold the bytes of ``source``; whether it is the same file by another name.

    It becomes that with ``link`` where the disk can do it, else a copy. ``by_way_of`` is where it
    is until its SHA-256 was found to be right, on the disk of ``target``; ``title`` is the model's.
    ``on_bytes`` hears how many bytes have been copied. Raises ``CouldNotBeDone`` with one sentence,
    or ``Cancelled``.
    """
    linked = False
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        by_way_of.parent.mkdir(parents=True, exist_ok=True)
        by_way_of.unlink(missing_ok=True)
        if link:
            with contextlib.suppress(OSError):
                os.link(source.resolve(), by_way_of)
                linked = True
        if not linked:
            free_space(target.parent, source.stat().st_size, title)
            _copy(source, by_way_of, on_bytes, cancelled)
        found = sha256_of(by_way_of, cancelled=cancelled)
        if found != sha256:
            note_wrong(source, found, sha256)
            raise CouldNotBeDone(
                _(
                    "{source} could not be brought to {parent}: got SHA-256 {found}, expected "
                    "{sha256}. It changed meanwhile, or the disk is damaged: try again.",
                    source=source,
                    parent=target.parent,
                    found=beginning(found),
                    sha256=beginning(sha256),
                )
            )
        os.replace(by_way_of, target)
    except OSError as error:
        hint = _("Free some space, or correct the permissions.")
        if error.errno == errno.EFBIG:
            hint = _("A disk formatted with FAT32 takes no files above 4 GB: use another format.")
        raise CouldNotBeDone(
            _(
                "{source} could not be brought to {parent} ({reason}). {hint}",
                source=source,
                parent=target.parent,
                reason=error.strerror or error,
                hint=hint,
            )
        ) from error
    finally:
        with contextlib.suppress(OSError):
            by_way_of.unlink(missing_ok=True)
    return linked


def _copy(
    source: Path, target: Path, on_bytes: Callable[[int], None], cancelled: Callable[[], bool]
) -> None:
    here = 0
    with source.open("rb") as old, target.open("wb") as new:
        while chunk := old.read(_CHUNK):
            if cancelled():
                raise Cancelled(_("The copying was cancelled."))
            new.write(chunk)
            here += len(chunk)
            on_bytes(here)
        new.flush()
        os.fsync(new.fileno())
