"""NSS for Krita: real neural models and honest classical fallbacks on layers."""

import sys

if sys.version_info < (3, 10):  # noqa: UP036
    raise ImportError("NSS needs Python 3.10 or newer inside Krita. Update Krita to 5.2 or newer.")

from .extension import register

register()
