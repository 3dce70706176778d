"""The window in which a model of the user's own is looked at, corrected, tried and added.

It draws what the bridge's desk says, and never keeps Krita waiting.
"""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Any

from .consent_box import paragraph
from .following import FollowingWindow
from .form import shrinkable
from .log import guarded
from .models_window import ActionButtons, Facts, Said
from .parts import let_shrink, tip, wrapped
from .qt import QtCore, QtGui, QtWidgets
from .vendored import _, shop_own, wire

if TYPE_CHECKING:
    from shared_core.bridge.shop import own, views
else:
    own, views = shop_own()

_WIDTH, _HEIGHT = 460, 720
_PREVIEW_HEIGHT = 170
_LABEL_CHARS = 28


class OwnWindow(FollowingWindow):
    """Not modal; closing it ends what it does."""

    def __init__(self, desk: own.Desk, parent: Any) -> None:
        super().__init__(parent)
        self.setObjectName("nss_own")
        self.setWindowTitle("NSS: " + _("Add Your Own Model"))
        self._desk = desk
        self._view: own.OwnView | None = None
        self._fields: dict[str, Any] = {}
        self._file = ""
        self._build()
        self._follow(self._poll)
        self.resize(_WIDTH, _HEIGHT)

    @guarded
    def hideEvent(self, event: Any) -> None:
        """What is looked at nobody waits for any more."""
        super().hideEvent(event)
        self._desk.cancel()

    def tell(self, sentence: str) -> None:
        """Where a failed slot's sentence goes."""
        self._said.setPlainText(views.told(sentence, True))
        self._said.setVisible(True)

    def stop(self) -> None:
        """End everything; before Krita quits. The widgets may be gone by then."""
        self._desk.stop()
        super().stop()

    def _build(self) -> None:
        column = QtWidgets.QVBoxLayout(self)
        about = wrapped("nss_own_about")
        about.setText(own.HELP)
        column.addWidget(about)
        column.addLayout(self._build_form())
        self._body = QtWidgets.QWidget()
        self._found = QtWidgets.QFormLayout(self._body)
        self._found.setFieldGrowthPolicy(
            QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow
        )
        self._found.setRowWrapPolicy(QtWidgets.QFormLayout.RowWrapPolicy.WrapLongRows)
        scroll = self._scroll = QtWidgets.QScrollArea()
        scroll.setObjectName("nss_own_findings")
        scroll.setAccessibleName(_("What was understood"))
        scroll.setWidgetResizable(True)
        scroll.setWidget(self._body)
        self._facts = Facts()
        self._facts.setObjectName("nss_own_facts")
        self._facts.setAccessibleName(_("What came of trying it"))
        self._preview = QtWidgets.QLabel()
        self._preview.setObjectName("nss_own_preview")
        self._preview.setAccessibleName(_("Before and after"))
        self._preview.setAlignment(QtCore.Qt.AlignmentFlag.AlignCenter)
        self._doing = wrapped("nss_own_doing")
        self._cancel = QtWidgets.QPushButton(_("&Cancel"))
        self._cancel.setObjectName("nss_own_cancel")
        self._cancel.setAutoDefault(False)
        self._cancel.clicked.connect(self._cancel_clicked)
        self._said = Said()
        self._said.setObjectName("nss_own_said")
        self._buttons = ActionButtons("nss_own", self._clicked)
        for widget in (scroll, self._facts, self._preview, self._doing, self._cancel, self._said):
            column.addWidget(widget, 1 if widget is scroll else 0)
            widget.setVisible(False)
        column.addWidget(self._buttons)
        column.addStretch(0)

    def _build_form(self) -> Any:
        form = QtWidgets.QFormLayout()
        form.setFieldGrowthPolicy(QtWidgets.QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
        self._choose = QtWidgets.QPushButton(_("Choose…"))
        self._choose.setObjectName("nss_own_file")
        self._choose.setAutoDefault(False)
        let_shrink(self._choose)
        self._choose.clicked.connect(self._choose_clicked)
        self._tool = QtWidgets.QComboBox()
        self._tool.setObjectName("nss_own_tool")
        shrinkable(self._tool)
        for tool_id, title in own.tools():
            self._tool.addItem(title, tool_id)
        self._tool.currentIndexChanged.connect(self._other)
        self._title = QtWidgets.QLineEdit()
        self._title.setObjectName("nss_own_title")
        self._title.setPlaceholderText(_("the file's name"))
        self._licence = QtWidgets.QLineEdit()
        self._licence.setObjectName("nss_own_licence")
        self._licence.setPlaceholderText(_("not known"))
        self._commercial = QtWidgets.QComboBox()
        self._commercial.setObjectName("nss_own_commercial")
        shrinkable(self._commercial)
        for value, title in own.COMMERCIAL:
            self._commercial.addItem(title, value)
        for label, widget in (
            (_("&File:"), self._choose),
            (_("&Tool:"), self._tool),
            (_("&Name:"), self._title),
            (_("L&icence:"), self._licence),
            (_("Commercial &use:"), self._commercial),
        ):
            form.addRow(label, widget)
        return form

    # Following the desk

    @guarded
    def _poll(self, *ignored: object) -> None:
        view = self._desk.poll()
        before, self._view = self._view, view
        if view == before:
            return
        if before is None or view.findings != before.findings:
            self._show_findings(view)
        self._facts.setVisible(bool(view.lines))
        self._facts.setHtml("".join(map(paragraph, view.lines)))
        if before is None or view.png != before.png:
            self._show_preview(view.png)
        self._doing.setText(view.doing.text if view.doing else "")
        for widget in (self._doing, self._cancel):
            widget.setVisible(view.doing is not None)
        self._said.setPlainText(views.told(view.said, view.failed))
        self._said.setVisible(bool(view.said))
        self._buttons.show_actions(view.actions, enabled=view.doing is None)

    def _show_findings(self, view: own.OwnView) -> None:
        while self._found.rowCount():
            self._found.removeRow(0)
        self._fields = {}
        for finding in view.findings:
            field = _field(finding)
            self._fields[finding.name] = finding, field
            field.setToolTip(tip(finding.why))
            # A form leaves no room for lines that a label breaks itself.
            title = textwrap.fill(finding.title, _LABEL_CHARS)
            label = QtWidgets.QLabel(f"{title}\n({own.sure(finding)}):")
            label.setTextFormat(QtCore.Qt.TextFormat.PlainText)
            label.setBuddy(field)
            self._found.addRow(label, field)
        self._scroll.setVisible(bool(view.findings))

    def _show_preview(self, png: bytes) -> None:
        picture = QtGui.QPixmap()
        shown = bool(png) and picture.loadFromData(png)
        if shown:
            size = QtCore.QSize(self.width() - 40, _PREVIEW_HEIGHT)
            keep = QtCore.Qt.AspectRatioMode.KeepAspectRatio
            smooth = QtCore.Qt.TransformationMode.SmoothTransformation
            self._preview.setPixmap(picture.scaled(size, keep, smooth))
        self._preview.setVisible(shown)

    # What is clicked

    @guarded
    def _choose_clicked(self, *ignored: object) -> None:
        name, _kind = QtWidgets.QFileDialog.getOpenFileName(
            self, _("A model of your own"), "", _("ONNX models (*.onnx);;All files (*)")
        )
        if name:
            self._file = str(name)
            self._choose.setText(QtCore.QFileInfo(self._file).fileName().replace("&", "&&"))
            self._choose.setToolTip(tip(self._file))
            self._other()

    @guarded
    def _other(self, *ignored: object) -> None:
        self._desk.forget()
        self._poll()

    @guarded
    def _cancel_clicked(self, *ignored: object) -> None:
        self._desk.cancel()
        self._poll()

    @guarded
    def _clicked(self, action: views.Action) -> None:
        if action.id == own.ADD:
            self._desk.add()
        else:
            self._desk.look(self._form())
        self._poll()

    def _form(self) -> own.Form:
        told: dict[str, str] = {}
        for finding, field in self._fields.values():
            told |= own.corrected(finding, _value(field))
        return own.Form(
            self._file,
            str(self._tool.currentData()),
            str(self._title.text()).strip(),
            str(self._licence.text()).strip(),
            str(self._commercial.currentData()),
            told,
        )


def _field(finding: wire.Finding) -> Any:
    """Where a finding's value is seen, and corrected if that is possible."""
    field: Any
    if len(finding.choices) > 1:
        field = QtWidgets.QComboBox()
        field.setEditable(finding.free)
        shrinkable(field)
        field.addItems(list(finding.choices))
        field.setCurrentText(finding.value)
    elif finding.free:
        field = QtWidgets.QLineEdit(finding.value)
    else:
        field = QtWidgets.QLabel(finding.value)
        field.setTextFormat(QtCore.Qt.TextFormat.PlainText)
        field.setWordWrap(True)
    field.setObjectName(f"nss_own_field_{finding.name}")
    return field


def _value(field: Any) -> str:
    return str(field.currentText() if isinstance(field, QtWidgets.QComboBox) else field.text())
