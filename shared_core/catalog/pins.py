"""What a card pins (revision, size, SHA-256) held against the Hub, and cards corrected by it.

For maintainers: ``nss models lock``.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tomllib

from ..bridge.errors import CouldNotBeDone
from ..bridge.language import _
from .card import Card, CardFile
from .transfer.hub import ask_hub

# The hub keeps no SHA-256 of files outside LFS, which are small.
_READ_BYTES = 64 << 20
_TABLE = re.compile(r"(?m)^(?=[ \t]*\[)")


@dataclass(frozen=True)
class Pin:
    """A value that a card pins; ``file`` is "" for the revision, ``here`` "" where it has none."""

    card: str
    file: str
    field: str
    here: str
    hub: str

    @property
    def right(self) -> bool:
        """Whether card and Hub agree."""
        return self.here == self.hub

    def sentence(self) -> str:
        """The difference as users read it."""
        place = f"{self.card}, {self.file}" if self.file else self.card
        return _(
            "{place}: {field} {here}, the hub says {hub}",
            place=place,
            field=self.field,
            here=self.here or "left to the hub",
            hub=self.hub,
        )


def pins(card: Card, *, newest: bool = False) -> list[Pin]:
    """All that ``card`` pins beside what the Hub says of it, at the card's or the newest revision.

    Raises ``CouldNotBeDone`` with one sentence where the Hub cannot be asked, or does not have the
    repository, the revision or a file.
    """
    revision = "main" if newest else card.revision
    info = ask_hub(
        _("{repo} at revision {revision}", repo=card.repo, revision=revision),
        lambda hub: hub.HfApi().model_info(
            card.repo,
            revision=revision,
            files_metadata=True,
            timeout=hub.constants.HF_HUB_DOWNLOAD_TIMEOUT,
        ),
    )
    offered = {sibling.rfilename: sibling for sibling in info.siblings or ()}
    found = [Pin(card.id, "", "revision", card.revision, info.sha)]
    for file in card.files:
        if file.path not in offered:
            raise CouldNotBeDone(
                _(
                    "The hub has no {path} in {repo} at revision {sha}. Correct the card {id}.",
                    path=file.path,
                    repo=card.repo,
                    sha=info.sha,
                    id=card.id,
                )
            )
        size, sha256 = _of(card, file, info.sha, offered[file.path])
        found.append(Pin(card.id, file.path, "size", str(file.size), str(size)))
        found.append(Pin(card.id, file.path, "sha256", file.sha256, sha256))
    return found


def _of(card: Card, file: CardFile, revision: str, sibling: Any) -> tuple[int, str]:
    """Size and SHA-256 of one file at the Hub."""
    if sibling.lfs is not None:
        return int(sibling.lfs.size), str(sibling.lfs.sha256)
    name = _("{path} in {repo}", path=file.path, repo=card.repo)
    if sibling.size > _READ_BYTES:
        raise CouldNotBeDone(
            _("The hub declares no SHA-256 for {name}, which is large.", name=name)
        )

    def read(hub: Any) -> bytes:
        response = hub.get_session().get(
            hub.hf_hub_url(card.repo, file.path, revision=revision),
            headers=hub.utils.build_hf_headers(library_name="nss"),
            timeout=hub.constants.HF_HUB_DOWNLOAD_TIMEOUT,
        )
        hub.utils.hf_raise_for_status(response)
        return bytes(response.content)

    data = ask_hub(name, read)
    # What the hub does declare is git's own hash.
    if hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest() != sibling.blob_id:  # noqa: S324
        raise CouldNotBeDone(
            _("The hub gave other bytes of {name} than it declares. Try again.", name=name)
        )
    return len(data), hashlib.sha256(data).hexdigest()


def write(path: Path, found: Sequence[Pin]) -> None:
    """Write what the Hub says into the card's file, leaving all the rest of it as it is.

    Raises ``CouldNotBeDone`` where the file is laid out in a way that this cannot change, or
    cannot be written.
    """
    values: dict[str, dict[str, str]] = {}
    for pin in found:
        values.setdefault(pin.file, {})[pin.field] = pin.hub
    try:
        text = path.read_bytes().decode("utf-8")
        changed = corrected(text, values)
        fresh = path.with_suffix(".toml.tmp")
        fresh.write_bytes(changed.encode("utf-8"))
        os.replace(fresh, path)
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The model card {path} cannot be written ({reason}). Correct its permissions.",
                path=path,
                reason=error.strerror or error,
            )
        ) from error


def corrected(text: str, values: Mapping[str, Mapping[str, str]]) -> str:
    """The card ``text`` with ``values`` by file ("" for the card itself) and field.

    Comments and layout stay. Raises ``CouldNotBeDone`` where it is laid out in another way than
    one field a line.
    """
    parts = _TABLE.split(text)
    wanted = tomllib.loads(text)
    wanted |= values.get("", {})
    parts[0] = _set(parts[0], values.get("", {}))
    for entry in wanted["file"]:
        for field, value in values.get(entry["path"], {}).items():
            entry[field] = int(value) if field == "size" else value
    for index, part in enumerate(parts):
        if part.lstrip().startswith("[[file]]"):
            name = tomllib.loads(part)["file"][0]["path"]
            parts[index] = _set(part, values.get(name, {}))
    made = "".join(parts)
    if tomllib.loads(made) != wanted:
        raise CouldNotBeDone(
            _(
                "A model card is not laid out with one field a line, so it cannot be changed here. "
                "Correct it by hand."
            )
        )
    return made


def _set(part: str, fields: Mapping[str, str]) -> str:
    for field, value in fields.items():
        written = f"{int(value):_}" if field == "size" else f'"{value}"'
        line = rf'(?m)^([ \t]*{field}[ \t]*=[ \t]*)("[^"]*"|[0-9_]+)'
        part = re.sub(line, rf"\g<1>{written}", part, count=1)
    return part
