"""Tells where what can be clicked is, and what the panel says; clicks nothing itself.

Written to /tmp/probe/eyes.json again and again: visible buttons, fields and labels with their
texts, the entries of open menus, all with their places on the screen; and the picture's layers.
"""

import json

from .driver import OUT, QtWidgets, app, receipts_of

_KINDS = (
    QtWidgets.QAbstractButton,
    QtWidgets.QLineEdit,
    QtWidgets.QComboBox,
    QtWidgets.QGroupBox,
    QtWidgets.QLabel,
)


def _place(widget, rect):
    corner = widget.mapToGlobal(rect.topLeft())
    return [corner.x(), corner.y(), rect.width(), rect.height()]


def _entry(kind, name, text, place):
    return {"kind": kind, "name": name, "text": text.replace("&", ""), "place": place}


def _look():
    seen = []
    for widget in QtWidgets.QApplication.allWidgets():
        if not widget.isVisible():
            continue
        if isinstance(widget, (QtWidgets.QMenu, QtWidgets.QMenuBar)):
            for action in widget.actions():
                place = _place(widget, widget.actionGeometry(action))
                seen.append(_entry("menu", action.objectName(), action.text(), place))
        elif isinstance(widget, _KINDS):
            # What is scrolled out of sight cannot be clicked.
            rect = widget.visibleRegion().boundingRect()
            if rect.isEmpty():
                continue
            title = widget.title if isinstance(widget, QtWidgets.QGroupBox) else None
            say = title or getattr(widget, "text", None) or getattr(widget, "currentText", str)
            kind = type(widget).__name__
            seen.append(_entry(kind, widget.objectName(), str(say()), _place(widget, rect)))
    return seen


def _picture():
    window = app.activeWindow()
    view = window.activeView() if window is not None else None
    document = view.document() if view is not None else None
    if document is None:
        return None
    return {
        "layers": [node.name() for node in document.topLevelNodes()],
        "receipts": list(receipts_of(document).values()),
    }


def eyes(found):
    while True:
        found["seen"] = _look()
        found["picture"] = _picture()
        part = OUT / "eyes.part"
        part.write_text(json.dumps(found), encoding="utf-8")
        part.rename(OUT / "eyes.json")
        yield 150
