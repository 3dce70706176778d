"""Where a model keeps data outside its ONNX file: only in real files beside it, in its own folder.

Standard library only.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath

from .protobuf import Malformed

MAX_LOCATION = 1024
MAX_FILES = 100_000
_KEYS = ("location", "offset", "length", "checksum")
# Windows opens these in every folder as devices, with any ending.
_DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d|conin\$|conout\$)(\..*)?", re.IGNORECASE)
_JUNCTION = 0xA0000003
_NUMBER = re.compile(r"[0-9]{1,19}")


class ExternalData:
    """The files beside the ONNX file ``model`` that its tensors may name, none beyond ``folder``.

    ``found`` are their states by location, as they were when a tensor named them first.
    """

    def __init__(self, model: Path, folder: Path) -> None:
        self.found: dict[str, os.stat_result] = {}
        self._beside = model.parent
        self._folder = folder

    def take(self, what: str, entries: tuple[tuple[str, str], ...], nbytes: int) -> None:
        """Note the external data of a tensor of ``nbytes`` bytes.

        Raises ``Malformed`` where it is not wholly in a real file in the folder.
        """
        told = dict(entries)
        if len(told) != len(entries):
            raise Malformed(f"{what} says twice where its data is")
        for key in told:
            if key not in _KEYS:
                raise Malformed(f"{what} says of its data what nobody knows ({key[:50]!r})")
        location = told.get("location", "")
        info = self._file(what, location)
        offset = _number(what, told.get("offset", "0"))
        length = _number(what, told.get("length", str(nbytes)))
        if length != nbytes:
            raise Malformed(f"{what} claims {nbytes} bytes and takes {length} from {location!r}")
        if offset + length > info.st_size:
            raise Malformed(f"{what} lies beyond the end of {location!r}")

    def _file(self, what: str, location: str) -> os.stat_result:
        if (known := self.found.get(location)) is not None:
            return known
        if (fault := outlandish(location)) is not None:
            raise Malformed(f"{what} has its data at {location[:100]!r}, {fault}")
        path = self._beside.joinpath(*PurePosixPath(location).parts)
        info = real_file(path, self._folder)
        if info is None:
            raise Malformed(
                f"{what} has its data in {location!r}, which is no file of its own beside the model"
            )
        if len(self.found) == MAX_FILES:
            raise Malformed(f"it keeps its data in more than {MAX_FILES:,} files")
        self.found[location] = info
        return info


def outlandish(location: str) -> str | None:
    """Why a location cannot be a file below the model's folder on every system, else None."""
    if not location or len(location) > MAX_LOCATION:
        return "which is no name"
    if "\\" in location or ":" in location:
        return "which has a drive or a backslash in it"
    if not location.isprintable():
        return "which is no readable name"
    if location.startswith("*/"):
        # onnxruntime's own word for an address in its memory begins so.
        return "which is no file"
    path = PurePosixPath(location)
    if path.is_absolute() or ".." in path.parts:
        return "outside its folder"
    if not path.parts:
        return "which is no name"
    for part in path.parts:
        if _DEVICES.fullmatch(part) or part.endswith((".", " ")):
            return "which not every system can have"
    return None


def real_file(path: Path, folder: Path) -> os.stat_result | None:
    """The state of ``path`` if it is a file in ``folder`` that is reached without any link."""
    try:
        inside = path.relative_to(folder)
    except ValueError:
        return None
    if not inside.parts or ".." in inside.parts:
        return None
    at = folder
    try:
        for part in inside.parts[:-1]:
            at /= part
            info = at.lstat()
            # A junction is Windows' link to a folder, and a folder itself.
            junction = getattr(info, "st_reparse_tag", 0) == _JUNCTION
            if junction or not stat.S_ISDIR(info.st_mode):
                return None
        info = path.lstat()
    except (OSError, ValueError):
        return None
    return info if stat.S_ISREG(info.st_mode) else None


def _number(what: str, text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise Malformed(f"{what} has its data at a place that is no number ({text[:50]!r})")
    return int(text)
