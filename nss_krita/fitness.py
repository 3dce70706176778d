"""Which tools the active layer does not allow, and why; for the menu, at the moment it opens."""

from __future__ import annotations

from typing import Any

from krita import Krita

from . import reading
from .qt import owned
from .vendored import errors, host, toolbox


def reasons(main_window: Any) -> dict[str, str]:
    """By tool the sentence that says what is in its way; nothing where no picture is open.

    Krita's own wrapper of a window does not outlive the making of its menus, so that it is looked
    for by the window itself.
    """
    windows = [one for one in owned(Krita.instance().windows()) if one.qwindow() is main_window]
    view = windows[0].activeView() if windows else None
    document = view.document() if view is not None else None
    node = document.activeNode() if document is not None else None
    found: dict[str, str] = {}
    if node is None:
        return found
    for tool in toolbox.TOOLS:
        try:
            reading.work_of(document, node, host.task_of(host.Order(tool.id)))
        except errors.NssError as error:
            found[tool.id] = str(error)
    return found
