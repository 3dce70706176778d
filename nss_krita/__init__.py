"""NSS for Krita: real neural models and honest classical fallbacks on layers."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036
    raise ImportError("NSS needs Python 3.10 or newer inside Krita. Update Krita to 5.2 or newer.")

from .pipes import keep_open
from .qt import QtCore
from .vendored import language

keep_open()

# Before anything that says something: Krita's own language is Qt's default one.
language.choose(QtCore.QLocale().uiLanguages())

from .extension import register  # noqa: E402

register()
