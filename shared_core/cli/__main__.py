"""``nss`` and ``python -m shared_core.cli``: the language first, then everything else."""

import sys

from shared_core.bridge import language


def main() -> int:
    """Run a command in the language of the environment; its exit code."""
    language.choose(language.of_environment())
    from .main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
