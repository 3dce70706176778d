"""The one window of NSS in GIMP: this machine and the models, the image's receipts, settings."""

from __future__ import annotations

from typing import Any

import gi

gi.require_version("GimpUi", "3.0")
gi.require_version("Gtk", "3.0")

from consent_box import wrapped  # noqa: E402
from copier import Copier  # noqa: E402
from gi.repository import GimpUi, Gtk  # noqa: E402
from history_box import HistoryBox  # noqa: E402
from models_box import ModelsBox, say  # noqa: E402
from own_box import OwnBox  # noqa: E402
from settings_box import SettingsBox  # noqa: E402
from vendored import _, paths, shop, shop_own  # noqa: E402

_WIDTH, _HEIGHT = 460, 720
_MARGIN = 12
_COPY = 1


def show(image: Any, version: str) -> None:
    """Show the window until it is closed, which ends what it does; what has come is kept."""
    GimpUi.init("nss-panel")
    PanelWindow(image, version).run()


class PanelWindow:
    """A notebook in a dialog that is not modal; GIMP goes on beside it."""

    def __init__(self, image: Any, version: str) -> None:
        places = paths.paths()
        counter, _views = shop()
        self._dialog = GimpUi.Dialog(title="NSS", role="nss-panel")
        copy = self._dialog.add_button(_("Copy Diagno_stics"), _COPY)
        copy.set_tooltip_text(
            _("Copies what a report of a fault needs; no names, paths or pictures are in it.")
        )
        self._dialog.add_button(_("C_lose"), Gtk.ResponseType.CLOSE)
        self._dialog.set_default_response(Gtk.ResponseType.CLOSE)
        self._dialog.set_default_size(_WIDTH, _HEIGHT)
        followed = counter.Counter(places, "GIMP", version)
        self._models = ModelsBox(followed, self._dialog, self._show_own)
        own, _views = shop_own()
        self._own = OwnBox(own.Desk(places, "GIMP", version, followed.look), self._dialog)
        self._settings = SettingsBox(places.settings, self._models.look)
        self._history = HistoryBox(image)
        self._pages = Gtk.Notebook()
        for page, title in (
            (self._models.widget, _("Models")),
            (self._own.widget, _("Your Own")),
            (self._history.widget, _("Receipts")),
            (self._settings.widget, _("Settings")),
        ):
            self._pages.append_page(page, Gtk.Label(label=title))
        self._pages.connect("switch-page", self._turned)
        self._said = wrapped("")
        self._said.set_margin_start(_MARGIN)
        self._copier = Copier(places, version, lambda text: say(self._said, text))
        content = self._dialog.get_content_area()
        content.pack_start(self._pages, True, True, 0)
        content.pack_start(self._said, False, False, 0)
        self._dialog.connect("focus-in-event", self._back)
        self._dialog.connect("response", self._answered)
        self._pages.show()
        self._settings.widget.show_all()

    def run(self) -> None:
        """Until it is closed."""
        self._models.begin()
        self._own.begin()
        try:
            while self._dialog.run() == _COPY:
                self._copier.copy()
        finally:
            self._copier.stop()
            self._models.end()
            self._own.end()
            self._dialog.destroy()

    def _show_own(self) -> None:
        self._pages.set_current_page(self._pages.page_num(self._own.widget))

    def _answered(self, ignored: Any, answer: int) -> None:
        """A run that the history has begun keeps the dialog from closing until it ends."""
        if answer != _COPY:
            self._history.cancel()

    def _back(self, *ignored: object) -> bool:
        self._models.look()
        return False

    def _turned(self, ignored: Any, page: Any, place: int) -> None:
        """The image may have other layers than when the page was seen last."""
        if page is self._history.widget:
            self._history.look()
        elif page is self._settings.widget:
            self._settings.look()
