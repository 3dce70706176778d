"""What Krita loads: the menu entries, the panel, and the end of both before Krita quits."""

from __future__ import annotations

from collections.abc import Callable
from operator import methodcaller
from typing import TYPE_CHECKING, Any

from krita import DockWidgetFactory, DockWidgetFactoryBase, Extension, Krita

from .dock import DOCKER_ID, NssDock
from .log import LOG, guarded
from .qt import QtWidgets
from .vendored import _, export, guide, paths, shop, toolbox

if TYPE_CHECKING:
    from .docker import NssPanel

MENU_ID = "nss_menu"
SETUP_ID = "nss_setup_open"
MODELS_ID = "nss_models_open"
DIAGNOSTICS_ID = "nss_diagnostics_copy"
EXPORT_ID = "nss_export_labelled"


def action_id(tool_id: str) -> str:
    """The id of a tool's menu entry, for shortcuts and for Krita's own bookkeeping."""
    return f"nss_{tool_id.replace('-', '_')}"


class NssExtension(Extension):
    """Filter ▸ NSS with an entry for each tool, and what the windows share."""

    def __init__(self, parent: Any) -> None:
        super().__init__(parent)
        self._paths = paths.paths()
        self._runner: Any = None
        self._guide: Any = None
        self._counter: Any = None
        self._copier: Any = None
        self._exporter: Any = None
        self._docks: list[NssDock] = []
        self._kept: list[Any] = []

    def setup(self) -> None:
        """Called once, before there is a window."""
        notifier = Krita.instance().notifier()
        notifier.setActive(True)
        notifier.applicationClosing.connect(self._closing)
        self._kept.append(notifier)

    def createActions(self, window: Any) -> None:
        """Called for every new window. The menu must come before its entries."""
        menu_action = window.createAction(MENU_ID, "NSS", "filter")
        menu = QtWidgets.QMenu(MENU_ID, window.qwindow())
        menu_action.setMenu(menu)
        menu.setToolTipsVisible(True)
        self._kept += [menu_action, menu]
        tools = {}
        for tool in toolbox.TOOLS:
            action = window.createAction(action_id(tool.id), f"{tool.title}…", f"filter/{MENU_ID}")
            action.setToolTip(tool.help)
            self._opens(action, window, methodcaller("open_tool", tool.id))
            tools[tool.id] = action
        self._greys(menu, tools, window.qwindow())
        action = window.createAction(EXPORT_ID, f"{export.TITLE}…", f"filter/{MENU_ID}")
        action.setToolTip(export.HELP)
        main_window = window.qwindow()
        self._opens(action, window, lambda panel: self._export(main_window, panel))
        action = window.createAction(MODELS_ID, _("Models…"), f"filter/{MENU_ID}")
        action.setToolTip(
            _("Downloads, verifies and removes models, and says what this machine runs.")
        )
        self._opens(action, window, methodcaller("open_models"))
        action = window.createAction(SETUP_ID, _("Set Up…"), f"filter/{MENU_ID}")
        action.setToolTip(_("Sets up, repairs or removes the program that does the work."))
        self._opens(action, window, methodcaller("open_setup"))
        action = window.createAction(DIAGNOSTICS_ID, _("Copy Diagnostics"), f"filter/{MENU_ID}")
        action.setToolTip(
            _("Copies what a report of a fault needs; no names, paths or pictures are in it.")
        )
        self._opens(action, window, self._copy_diagnostics)

    def make_dock(self) -> NssDock:
        """A panel's frame for a new window."""
        dock = NssDock(self._make_panel)
        self._docks.append(dock)
        return dock

    def _make_panel(self, dock: NssDock) -> NssPanel:
        # Most of the plug-in is loaded here: Krita's start does not wait for it.
        from . import log, placing
        from .docker import NssPanel
        from .runner import Runner

        log.start()
        if self._runner is None:
            self._runner = Runner(self._paths, placing.version())
        return NssPanel(dock, self._runner, self._paths, self.guide, self.counter)

    def guide(self) -> Any:
        """The guide through the set-up, which all panels share."""
        if self._guide is None:
            self._guide = guide().Guide(self._paths, "Krita")
        return self._guide

    def counter(self) -> Any:
        """What the windows of the models share, made on first need."""
        if self._counter is None:
            from . import placing

            counter, _views = shop()
            self._counter = counter.Counter(self._paths, "Krita", placing.version())
        return self._counter

    def _export(self, main_window: Any, panel: NssPanel) -> None:
        from .exporter import Exporter

        self._exporter = Exporter(main_window, panel.tell)
        self._exporter.ask()

    def _copy_diagnostics(self, panel: NssPanel) -> None:
        if self._copier is None:
            from .copier import Copier

            self._copier = Copier(self._paths)
        self._copier.copy(panel.tell)

    def _opens(self, action: Any, window: Any, show: Callable[[NssPanel], object]) -> None:
        """Have a menu entry show something in the panel of its window."""
        main_window = window.qwindow()

        def opens(*ignored: object) -> None:
            try:
                dock = main_window.findChild(QtWidgets.QDockWidget, DOCKER_ID)
                if dock is None:
                    LOG.error("the panel %s is not in this window", DOCKER_ID)
                else:
                    show(dock.panel())
            except Exception:
                LOG.exception("the menu entry %s failed", action.text())

        action.triggered.connect(opens)
        self._kept.append(action)

    def _greys(self, menu: Any, tools: dict[str, Any], main_window: Any) -> None:
        """Grey what the active layer does not allow, for as long as the menu is open.

        A shortcut works at any time: the panel then says what is in the way.
        """
        greyed: list[str] = []

        def opened(*ignored: object) -> None:
            try:
                from . import fitness, parts

                for tool_id, reason in fitness.reasons(main_window).items():
                    tools[tool_id].setEnabled(False)
                    tools[tool_id].setToolTip(parts.tip(reason))
                    greyed.append(tool_id)
            except Exception:
                LOG.exception("the menu could not be looked through")

        def closed(*ignored: object) -> None:
            try:
                while greyed:
                    tool_id = greyed.pop()
                    tools[tool_id].setEnabled(True)
                    tools[tool_id].setToolTip(toolbox.tool(tool_id).help)
            except Exception:
                LOG.exception("the menu's entries stay grey")

        menu.aboutToShow.connect(opened)
        menu.aboutToHide.connect(closed)

    @guarded
    def _closing(self, *ignored: object) -> None:
        parts: list[Any] = [self._runner, self._guide, self._counter, self._copier]
        parts += self._docks
        for part in filter(None, parts):
            try:
                part.stop()
            except Exception:
                LOG.exception("stopping failed")


def register() -> None:
    """Make the extension and its panel known to Krita."""
    krita = Krita.instance()
    extension = NssExtension(krita)
    krita.addExtension(extension)
    right = DockWidgetFactoryBase.DockPosition.DockRight
    krita.addDockWidgetFactory(DockWidgetFactory(DOCKER_ID, right, extension.make_dock))
