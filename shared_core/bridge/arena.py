"""Pixel files that an editor and the worker share through the page cache.

The editor creates and sizes every file before anybody maps it, so that a full disk is a clear
error and never a bus error. The worker opens only names inside the two folders.
"""

from __future__ import annotations

import contextlib
import errno
import mmap
import os
import re
import secrets
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Literal, get_args

from . import wire
from .errors import CouldNotBeDone
from .language import _
from .paths import Paths, private_folder
from .wire import PixelFile, WireError, megabytes

_NAME = re.compile(r"px-(\d+)-[0-9a-f]{32}")
_MARGIN = 64 << 20
_BLOCK = 8 << 20


class Arena:
    """The pixel files of one client; leaving the ``with`` block deletes them."""

    def __init__(self, paths: Paths) -> None:
        self._paths = paths
        self._files: list[Path] = []

    def __enter__(self) -> Arena:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.clear()

    def create(
        self,
        width: int,
        height: int,
        depth: wire.Depth,
        order: wire.Order | Literal["mask"],
        curve: wire.Curve = "srgb",
        grey: bool = False,
    ) -> PixelFile:
        """A new file of zeros for ``width`` × ``height`` pixels.

        Raises ``CouldNotBeDone`` when neither folder has room for it.
        """
        name = f"px-{os.getpid()}-{secrets.token_hex(16)}"
        size = PixelFile("runtime", name, width, height, depth, order, curve, grey).size
        problem: OSError | None = None
        for folder in get_args(wire.Folder):
            file = PixelFile(folder, name, width, height, depth, order, curve, grey)
            file.check()
            place = private_folder(folder_of(self._paths, folder))
            if shutil.disk_usage(place).free < size + _MARGIN:
                continue
            try:
                _allocate(place / name, size)
            except OSError as error:
                problem = error
                continue
            self._files.append(place / name)
            return file
        if problem is not None and problem.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise CouldNotBeDone(
                _(
                    "The pixel file for {width} × {height} pixels cannot be made ({strerror}). "
                    "Correct the permissions of {cache}.",
                    width=width,
                    height=height,
                    strerror=problem.strerror,
                    cache=self._paths.cache,
                )
            )
        raise CouldNotBeDone(
            _(
                "The disk is full: {size} are needed for {width} × {height} pixels in {cache}. "
                "Free some space and try again.",
                size=megabytes(size),
                width=width,
                height=height,
                cache=self._paths.cache,
            )
        )

    def clear(self) -> None:
        """Delete the files."""
        for file in self._files:
            with contextlib.suppress(OSError):
                file.unlink()
        self._files.clear()

    def write(self, file: PixelFile, data: bytes | bytearray | memoryview) -> None:
        """Put ``data`` (exactly ``file.size`` bytes) into ``file``."""
        view = memoryview(data).cast("B")
        if len(view) != file.size:
            raise CouldNotBeDone(
                _(
                    "The editor gave {count} bytes for {width} × {height} pixels, {size} were "
                    "expected. Nothing was changed.",
                    count=len(view),
                    width=file.width,
                    height=file.height,
                    size=file.size,
                )
            )
        handle = _opened(self._paths, file, write=True)
        try:
            # Not through a map: the system then touches every page once more.
            written = 0
            while written < file.size:
                written += os.write(handle, view[written : written + _BLOCK])
        except OSError as error:
            raise CouldNotBeDone(
                _(
                    "The pixel file {name} cannot be written ({strerror}). Free some space and "
                    "try again.",
                    name=file.name,
                    strerror=error.strerror,
                )
            ) from None
        finally:
            os.close(handle)

    def read(self, file: PixelFile) -> bytes:
        """All bytes of ``file``."""
        with mapped(self._paths, file) as pixels:
            return pixels[:]


def folder_of(paths: Paths, folder: str) -> Path:
    """The folder that ``PixelFile.folder`` names."""
    return paths.runtime if folder == "runtime" else paths.overflow


@contextlib.contextmanager
def mapped(paths: Paths, file: PixelFile, write: bool = False) -> Iterator[mmap.mmap]:
    """``file`` as a memory map, checked first: a plain file of ours, of the right size."""
    handle = _opened(paths, file, write)
    try:
        access = mmap.ACCESS_WRITE if write else mmap.ACCESS_READ
        pixels = mmap.mmap(handle, file.size, access=access)
    finally:
        os.close(handle)
    try:
        yield pixels
    finally:
        # Where an array still looks into the map, the map closes together with it.
        with contextlib.suppress(BufferError):
            pixels.close()


def _opened(paths: Paths, file: PixelFile, write: bool) -> int:
    """A handle of ``file``, checked first: a plain file of ours, of the right size."""
    file.check()
    if not _NAME.fullmatch(file.name):
        raise WireError(f"{file.name!r} is not the name of a pixel file.")
    flags = (os.O_RDWR if write else os.O_RDONLY) | getattr(os, "O_NOFOLLOW", 0)
    flags |= getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0)
    # A pipe in its place would have us wait for its other end.
    flags |= getattr(os, "O_NONBLOCK", 0)
    try:
        handle = os.open(folder_of(paths, file.folder) / file.name, flags)
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The pixel file {name} cannot be opened ({strerror}). Run the tool again.",
                name=file.name,
                strerror=error.strerror,
            )
        ) from None
    info = os.fstat(handle)
    foreign = hasattr(os, "getuid") and info.st_uid != os.getuid()
    if foreign or not stat.S_ISREG(info.st_mode) or info.st_size != file.size:
        os.close(handle)
        raise WireError(f"The pixel file {file.name} is not what was announced.")
    return handle


def sweep(paths: Paths) -> int:
    """Delete pixel files whose process is gone; how many there were."""
    count = 0
    for folder in (paths.runtime, paths.overflow):
        if not folder.is_dir():
            continue
        for file in folder.iterdir():
            match = _NAME.fullmatch(file.name)
            if match and not _alive(int(match.group(1))):
                with contextlib.suppress(OSError):
                    file.unlink()
                    count += 1
    return count


def remove(paths: Paths, file: PixelFile) -> None:
    """Delete one pixel file of a client that has gone."""
    if _NAME.fullmatch(file.name):
        with contextlib.suppress(OSError):
            (folder_of(paths, file.folder) / file.name).unlink()


def _alive(pid: int) -> bool:
    if os.name == "nt":
        return _alive_on_windows(pid)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True


def _alive_on_windows(pid: int) -> bool:
    """As ``_alive``; ``os.kill(pid, 0)`` would end the process there. In doubt it lives."""
    import ctypes

    synchronize, no_such_process, timed_out = 0x100000, 87, 0x102
    kernel = ctypes.WinDLL("kernel32", use_last_error=True)  # type: ignore[attr-defined,unused-ignore]
    kernel.OpenProcess.restype = ctypes.c_void_p
    handle = kernel.OpenProcess(synchronize, False, pid)
    if not handle:
        return bool(ctypes.get_last_error() != no_such_process)  # type: ignore[attr-defined,unused-ignore]
    try:
        return bool(kernel.WaitForSingleObject(ctypes.c_void_p(handle), 0) == timed_out)
    finally:
        kernel.CloseHandle(ctypes.c_void_p(handle))


def _allocate(path: Path, size: int) -> None:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0)
    handle = os.open(path, flags | getattr(os, "O_BINARY", 0), 0o600)
    try:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(handle, 0, size)
        else:
            zeros = bytes(_BLOCK)
            for start in range(0, size, _BLOCK):
                os.write(handle, zeros[: min(_BLOCK, size - start)])
    except OSError:
        os.close(handle)
        path.unlink(missing_ok=True)
        raise
    os.close(handle)


def keep_unselected(
    native: bytes | bytearray, result: bytes | bytearray, mask: bytes | bytearray, pixel_size: int
) -> bytes:
    """``result`` with the bytes of ``native`` wherever ``mask`` is 0.

    ``native`` and ``result`` hold ``pixel_size`` bytes a pixel in the layer's own format, ``mask``
    one. Used where colours were converted for the tool, so that pixels outside the selection stay
    bit-identical. Works in the editor without numpy: long integers do the blending.
    """
    if len(native) != len(result) or len(mask) * pixel_size != len(native):
        raise CouldNotBeDone(_("The editor's pixels and its selection differ in size."))
    selected = bytes([0]) + bytes([255]) * 255
    out = bytearray(len(result))
    step = 1 << 16
    for start in range(0, len(mask), step):
        part = bytes(mask[start : start + step])
        lo, hi = start * pixel_size, (start + len(part)) * pixel_size
        unselected = part.count(0)
        if unselected == len(part):
            out[lo:hi] = native[lo:hi]
        elif unselected == 0:
            out[lo:hi] = result[lo:hi]
        else:
            flags = part.translate(selected)
            wide = bytearray(len(part) * pixel_size)
            for channel in range(pixel_size):
                wide[channel::pixel_size] = flags
            chosen = int.from_bytes(wide, "little")
            old = int.from_bytes(native[lo:hi], "little")
            new = int.from_bytes(result[lo:hi], "little")
            out[lo:hi] = (old ^ ((old ^ new) & chosen)).to_bytes(hi - lo, "little")
    return bytes(out)


def selected_size(mask: bytes | bytearray | memoryview, width: int) -> tuple[int, int]:
    """Width and height of the box around what is selected in ``mask``, ``width`` bytes a row."""
    rows = [bytes(mask[start : start + width]) for start in range(0, len(mask), width)]
    used = [number for number, row in enumerate(rows) if row.count(0) < width]
    if not used:
        return 0, 0
    left = min(width - len(rows[number].lstrip(b"\0")) for number in used)
    right = max(len(rows[number].rstrip(b"\0")) for number in used)
    return right - left, used[-1] - used[0] + 1
