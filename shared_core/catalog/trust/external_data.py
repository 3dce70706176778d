"""Where a model keeps data outside its ONNX file: only in real files beside it, in its own folder.

Standard library only.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path, PurePosixPath

from shared_core.bridge.language import _

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
            raise Malformed(_("{what} says twice where its data is", what=what))
        for key in told:
            if key not in _KEYS:
                raise Malformed(
                    _(
                        "{what} says of its data what nobody knows ({key})",
                        what=what,
                        key=repr(key[:50]),
                    )
                )
        location = told.get("location", "")
        info = self._file(what, location)
        offset = _number(what, told.get("offset", "0"))
        length = _number(what, told.get("length", str(nbytes)))
        if length != nbytes:
            raise Malformed(
                _(
                    "{what} claims {nbytes} bytes and takes {length} from {location}",
                    what=what,
                    nbytes=nbytes,
                    length=length,
                    location=repr(location),
                )
            )
        if offset + length > info.st_size:
            raise Malformed(
                _("{what} lies beyond the end of {location}", what=what, location=repr(location))
            )

    def _file(self, what: str, location: str) -> os.stat_result:
        if (known := self.found.get(location)) is not None:
            return known
        if (fault := outlandish(location)) is not None:
            raise Malformed(
                _(
                    "{what} has its data at {location}: {fault}",
                    what=what,
                    location=repr(location[:100]),
                    fault=fault,
                )
            )
        path = self._beside.joinpath(*PurePosixPath(location).parts)
        info = real_file(path, self._folder)
        if info is None:
            raise Malformed(
                _(
                    "{what} has its data in {location}, which is no file of its own beside the "
                    "model",
                    what=what,
                    location=repr(location),
                )
            )
        if len(self.found) == MAX_FILES:
            raise Malformed(_("it keeps its data in more than {most:,} files", most=MAX_FILES))
        self.found[location] = info
        return info


def outlandish(location: str) -> str | None:
    """Why a location cannot be a file below the model's folder on every system, else None.

    It stands after the location and a colon.
    """
    if not location or len(location) > MAX_LOCATION:
        return _("that is no name")
    if "\\" in location or ":" in location:
        return _("a drive or a backslash is in it")
    if not location.isprintable():
        return _("that is no readable name")
    if location.startswith("*/"):
        # onnxruntime's own word for an address in its memory begins so.
        return _("that is no file")
    path = PurePosixPath(location)
    if path.is_absolute() or ".." in path.parts:
        return _("that is outside its folder")
    if not path.parts:
        return _("that is no name")
    for part in path.parts:
        if _DEVICES.fullmatch(part) or part.endswith((".", " ")):
            return _("not every system can have that")
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
        raise Malformed(
            _(
                "{what} has its data at a place that is no number ({text})",
                what=what,
                text=repr(text[:50]),
            )
        )
    return int(text)
