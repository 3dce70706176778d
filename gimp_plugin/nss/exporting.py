"""Export with Label: GIMP's own exporter writes a copy of the image, and the bridge labels it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import gi

gi.require_version("Gimp", "3.0")

import metadata  # noqa: E402
import receipts  # noqa: E402
from gi.repository import Gimp, Gio  # noqa: E402
from vendored import _, errors, export  # noqa: E402

# Switched off in a fresh profile: what a file needs to look right and to be known.
_WANTED = ("include-color-profile", "include-exif", "include-iptc", "include-xmp")


def export_to(image: Any, target: Path) -> tuple[str, str]:
    """Export the visible layers with their label; the sentence for the user, and the receipts.

    Raises ``BadInput`` for a file that can hold no label, ``CouldNotBeDone`` when it cannot be
    written. The image stays as it is, saved or not, under its own name.
    """
    found = receipts.visible(image)
    kind = export.kind_of(target)
    copied = image.duplicate()
    try:
        metadata.clear(copied)
        _merge(copied)
        said = export.export(target, found, _writer(copied, kind))
    finally:
        copied.delete()
    return said, receipts.listed(found)


def _merge(image: Any) -> None:
    """Leave what is seen alone: a TIFF would get a page of each layer, also of hidden ones."""
    shown = [layer for layer in image.get_layers() if layer.get_visible()]
    if not shown:
        raise errors.BadInput(
            _("No layer is visible, so there is nothing to export. Show one first.")
        )
    merged = image.merge_visible_layers(Gimp.MergeType.CLIP_TO_IMAGE)
    for layer in image.get_layers():
        if layer.get_id() != merged.get_id():
            image.remove_layer(layer)


def _writer(image: Any, kind: str) -> Callable[[Path], None]:
    def write(file: Path) -> None:
        procedure = Gimp.get_pdb().lookup_procedure(f"file-{kind.lower()}-export")
        config = procedure.create_config()
        config.set_property("run-mode", Gimp.RunMode.NONINTERACTIVE)
        config.set_property("image", image)
        config.set_property("file", Gio.File.new_for_path(str(file)))
        for name in _WANTED:
            if config.find_property(name) is not None:
                config.set_property(name, True)
        # A TIFF would get it as a page of its own.
        config.set_property("include-thumbnail", False)
        values = procedure.run(config)
        if values.index(0) != Gimp.PDBStatusType.SUCCESS:
            said = Gimp.get_pdb().get_last_error()
            raise errors.CouldNotBeDone(
                _(
                    "GIMP's own exporter did not write the {kind}: {said}. Choose another kind "
                    "of file, name or folder.",
                    kind=kind,
                    said=str(said).rstrip("."),
                )
            )

    return write


def chosen(image: Any) -> Path | None:
    """The file that the user picks; None for none. GIMP goes on meanwhile."""
    gi.require_version("GimpUi", "3.0")
    gi.require_version("Gtk", "3.0")
    from choosers import new_file_chosen
    from gi.repository import GimpUi

    GimpUi.init("nss-export")
    file = image.get_exported_file() or image.get_imported_file() or image.get_file()
    usual = Path(file.get_path()) if file is not None and file.get_path() else Path(_("Untitled"))
    kinds = [(kind, [f"*{one}" for one in endings]) for kind, endings in export.KINDS]
    first = usual.with_suffix(export.KINDS[0][1][0])
    name, kind = new_file_chosen(export.TITLE, first, kinds)
    return Path(export.with_ending(name, kind)) if name else None
