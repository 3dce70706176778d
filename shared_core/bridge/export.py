"""Exports a picture with its label: the editor writes the file, the receipts are put into it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from .errors import BadInput, CouldNotBeDone
from .language import _, ngettext

if TYPE_CHECKING:
    from .receipt import Receipt

# Name and endings of each kind of file that can hold a label; the first is the usual one.
KINDS = (
    ("PNG", (".png",)),
    ("TIFF", (".tif", ".tiff")),
    ("JPEG", (".jpg", ".jpeg")),
)
TITLE = _("Export with Label")
HELP = _(
    "Exports the picture as PNG, TIFF or JPEG, with the receipts of all visible layers and the "
    "IPTC digital source type in the file."
)


def kind_of(target: Path) -> str:
    """PNG, TIFF or JPEG by the file's ending; ``BadInput`` for another one."""
    for kind, endings in KINDS:
        if target.suffix.lower() in endings:
            return kind
    known = ", ".join(endings[0] for _kind, endings in KINDS)
    raise BadInput(
        _(
            "{name} is to be no PNG, TIFF or JPEG, and only these can hold a label. Choose a "
            "name that ends in {known}.",
            name=target.name,
            known=known,
        )
    )


def with_ending(name: str, kind: str) -> str:
    """The name of a file of this kind: what it lacks of an ending is added."""
    if any(name.lower().endswith(ending) for _kind, endings in KINDS for ending in endings):
        return name
    return name + dict(KINDS)[kind][0]


def export(target: Path, receipts: Sequence[Receipt], write: Callable[[Path], object]) -> str:
    """Have the editor ``write`` the picture, and label it; the sentence for the user.

    ``receipts`` are those of the visible layers, from top to bottom; without any the file gets no
    label. ``write`` gets the path of a file with the ending of ``target``, which takes its place
    only when the label is in it: an unlabelled file is never seen. Raises ``BadInput`` for
    another kind of file, ``CouldNotBeDone`` when it cannot be written.
    """
    # An editor's start reads the title alone.
    from . import labels
    from .labels.files import replacing
    from .receipt import to_json

    kind = kind_of(target)
    wanted = [json.loads(to_json(receipt)) for receipt in receipts]
    with replacing(target, target.suffix.lower()) as fresh:
        write(fresh)
        if not fresh.stat().st_size:
            raise CouldNotBeDone(
                _(
                    "The editor wrote nothing into {target}. Export it in the editor's own way "
                    "to see what it says, and label it then: nss receipt --embed DOCUMENT -o "
                    "FILE.",
                    target=target,
                )
            )
        if wanted:
            labels.embed(fresh, wanted)
        source_type = labels.read_source_type(fresh)
        if wanted and labels.read(fresh) != wanted:
            raise CouldNotBeDone(
                _("The label could not be read back from the {kind}. Try again.", kind=kind)
            )
    return _sentence(target, len(wanted), source_type)


def _sentence(target: Path, receipts: int, source_type: str | None) -> str:
    if not receipts:
        return _(
            "{file}: exported without a label, since no visible layer has a receipt.",
            file=target.name,
        )
    return ngettext(
        "{file}: exported with {count} receipt, digital source type {kind}.",
        "{file}: exported with {count} receipts, digital source type {kind}.",
        receipts,
        file=target.name,
        kind=source_type.rpartition("/")[2] if source_type else _("none"),
    )
