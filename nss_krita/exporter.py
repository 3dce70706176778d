"""Export with Label: Krita's own exporter writes the picture, and the bridge labels it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from krita import InfoObject, Krita

from . import receipts
from .log import guarded
from .qt import QtCore, QtWidgets, owned
from .vendored import _, errors, export, receipt

# What Krita's exporters are told; without it they would take what was chosen for the last export.
_OPTIONS: dict[str, dict[str, object]] = {
    "PNG": {"alpha": True, "compression": 6, "saveAsHDR": False, "forceSRGB": False},
    "TIFF": {"alpha": True, "flatten": True, "compressiontype": 0, "saveProfile": True},
    "JPEG": {"quality": 95, "saveProfile": True, "exif": True, "iptc": True, "xmp": True},
}


class Exporter:
    """Asks for the file and exports, in one of Krita's windows; ``tell`` gets the sentence."""

    def __init__(self, main_window: Any, tell: Callable[[str], object]) -> None:
        self._main_window = main_window
        self.tell = tell
        self._document: Any = None
        self.dialog: Any = None

    @guarded
    def ask(self) -> None:
        """Show the dialog of files, and go on; the picture that is open now is meant."""
        document = self._open_document()
        if document is None:
            self.tell(_("No picture is open, so there is nothing to export."))
            return
        self._document = document
        usual = _usual(document)
        dialog = QtWidgets.QFileDialog(self._main_window, export.TITLE, str(usual.parent))
        dialog.setObjectName("nss_export")
        dialog.setAttribute(QtCore.Qt.WidgetAttribute.WA_DeleteOnClose)
        dialog.setAcceptMode(QtWidgets.QFileDialog.AcceptMode.AcceptSave)
        self._endings = {
            f"{kind} ({' '.join(f'*{one}' for one in endings)})": endings[0][1:]
            for kind, endings in export.KINDS
        }
        dialog.setNameFilters(list(self._endings))
        dialog.filterSelected.connect(self._filtered)
        self.dialog = dialog
        self._filtered(dialog.selectedNameFilter())
        dialog.selectFile(f"{usual.name}.{dialog.defaultSuffix()}")
        dialog.fileSelected.connect(self._picked)
        dialog.open()

    def _open_document(self) -> Any:
        """The picture in front, in the window that the menu belongs to."""
        for window in owned(Krita.instance().windows()):
            if window.qwindow() is self._main_window and window.activeView() is not None:
                return window.activeView().document()
        return None

    @guarded
    def _filtered(self, kind: str) -> None:
        """What is typed without an ending gets that of the kind that is picked."""
        self.dialog.setDefaultSuffix(self._endings[kind])

    @guarded
    def _picked(self, name: str) -> None:
        # The dialog closes first: an export of a large picture takes its time.
        QtCore.QTimer.singleShot(0, lambda: self._export(Path(name)))

    @guarded
    def _export(self, target: Path) -> None:
        document, self._document = self._document, None
        self.tell(to_file(document, target))


def _usual(document: Any) -> Path:
    """Where the export goes unless the user says otherwise, without an ending."""
    if document.fileName():
        return Path(document.fileName()).with_suffix("")
    pictures = QtCore.QStandardPaths.StandardLocation.PicturesLocation
    folder = Path(QtCore.QStandardPaths.writableLocation(pictures) or Path.home())
    return folder / (document.name() or _("Untitled"))


def to_file(document: Any, target: Path) -> str:
    """Export what is seen of a document with its label; the sentence for the user.

    The document keeps its name, and is saved or not as before. Raises ``BadInput`` for a file that
    can hold no label, ``CouldNotBeDone`` when it cannot be written.
    """
    found = list(_visible(document, document.rootNode()))
    kind = export.kind_of(target)
    return export.export(target, found, lambda file: _write(document, file, kind))


def _visible(document: Any, group: Any) -> Iterator[receipt.Receipt]:
    """The receipts of the layers and masks that are seen, from top to bottom."""
    for node in reversed(owned(group.childNodes())):
        if node.visible() and node.opacity():
            label = receipts.of_layer(document, node)
            if label is not None:
                yield label.receipt
            yield from _visible(document, node)


def _write(document: Any, file: Path, kind: str) -> None:
    options = InfoObject()
    for name, value in _OPTIONS[kind].items():
        options.setProperty(name, value)
    quiet = document.batchmode()
    document.setBatchmode(True)
    try:
        done = document.exportImage(str(file), options)
    finally:
        document.setBatchmode(quiet)
    if not done:
        raise errors.CouldNotBeDone(
            _(
                "Krita's own exporter did not write the {kind}. Choose another kind of file, "
                "or use File ▸ Export… to see what it says.",
                kind=kind,
            )
        )
