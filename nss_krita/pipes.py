"""A write to a program that has ended is an error here, as in any Python, not Krita's own end."""

from __future__ import annotations

import signal

# Python's own start ignores these; Krita starts it without (``Py_InitializeEx(0)``). Windows
# has neither of them.
_DEADLY = ("SIGPIPE", "SIGXFSZ")


def keep_open() -> None:
    """Let writes to ended programs and to over-full files raise ``OSError``.

    Programs that are started later get the system's own ways: ``subprocess`` and ``QProcess`` see
    to that. Whoever else has chosen something for a signal keeps it.
    """
    for name in _DEADLY:
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, signal.SIG_IGN)
