"""``python -m shared_core.cli``: the same as ``nss``."""

import sys

from .main import main

sys.exit(main())
