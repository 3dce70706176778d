"""Reading damaged files safely and replacing files whole: what all label formats share."""

from __future__ import annotations

import contextlib
import errno
import os
import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from ..errors import CouldNotBeDone
from ..language import _

# No receipt, XMP packet or profile is longer; a file that claims more is not believed.
MAX_TEXT = 16 << 20
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


class Damaged(Exception):
    """A file does not keep to its format; the text says how, to be put into brackets."""


class Reader:
    """A file read at given places; whatever lies outside of it is ``Damaged``."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.size = file.seek(0, os.SEEK_END)

    def at(self, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; never allocates more than the file holds."""
        if offset < 0 or length < 0 or offset + length > self.size:
            raise Damaged(_("it is cut off"))
        try:
            self.file.seek(offset)
            data = self.file.read(length)
        except OSError as error:
            raise Damaged(
                _("it cannot be read: {reason}", reason=error.strerror or error)
            ) from None
        if len(data) != length:
            raise Damaged(_("it is cut off"))
        return data

    def text(self, offset: int, length: int) -> bytes:
        """Like ``at``, for texts and profiles: no more than ``MAX_TEXT`` bytes."""
        if length > MAX_TEXT:
            raise Damaged(_("a text or profile in it is longer than 16 MB"))
        return self.at(offset, length)

    def copy(self, offset: int, length: int, out: BinaryIO) -> None:
        """Copy ``length`` bytes from ``offset`` to ``out``."""
        while length > 0:
            block = self.at(offset, min(length, 1 << 20))
            out.write(block)
            offset += len(block)
            length -= len(block)


def inflate(data: bytes) -> bytes:
    """A zlib stream unpacked; ``Damaged`` when it is none or longer than ``MAX_TEXT``."""
    unpacker = zlib.decompressobj()
    try:
        text = unpacker.decompress(data, MAX_TEXT + 1)
    except zlib.error:
        raise Damaged(_("a compressed text in it is damaged")) from None
    if len(text) > MAX_TEXT:
        raise Damaged(_("a text or profile in it is longer than 16 MB"))
    if not unpacker.eof:
        raise Damaged(_("a compressed text in it is cut off"))
    return text


def kind_of(head: bytes) -> str | None:
    """The file's format by its first 16 bytes: png, jpeg, tiff, webp, kra, xcf, or None."""
    if head.startswith(b"\x89PNG\r\n\x1a\n"):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head[:4] in (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"):
        return "tiff"
    if head[:4] == b"RIFF" and head[8:12] == b"WEBP":
        return "webp"
    if head.startswith(b"PK\x03\x04"):
        return "kra"
    return "xcf" if head.startswith(b"gimp xcf ") else None


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], ending: str = ".part") -> Iterator[Path]:
    """A new empty file beside ``path`` that takes its place when the block ends well.

    When the block fails, ``path`` stays as it was and the new file is removed. A link is followed
    and an existing file's permissions are kept. Its name has the ``ending``. Raises
    ``CouldNotBeDone`` when the disk is full or the folder cannot be written.
    """
    target = Path(os.path.realpath(path))
    fresh = target.with_name(f".nss-{os.urandom(8).hex()}{ending}")
    try:
        os.close(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        yield fresh
        with open(fresh, "r+b") as file:
            os.fsync(file.fileno())
        with contextlib.suppress(FileNotFoundError):
            os.chmod(fresh, stat.S_IMODE(target.stat().st_mode))
        os.replace(fresh, target)
    except OSError as error:
        advice = _("Choose another name or folder, or correct the permissions, and try again.")
        if error.errno in _FULL:
            advice = _("The disk is full: free some space and try again.")
        elif not target.parent.is_dir():
            advice = _(
                "There is no folder {parent}: make it, or choose another one.", parent=target.parent
            )
        raise CouldNotBeDone(
            _(
                "{path} could not be written ({reason}). {advice}",
                path=path,
                reason=error.strerror or error,
                advice=advice,
            )
        ) from error
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink()
