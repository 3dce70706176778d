"""Child processes of the set-up: without a window, with their output in a log, ended as a whole."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from ..errors import Cancelled
from ..language import _

# CREATE_NO_WINDOW and CREATE_NEW_PROCESS_GROUP. Beside DETACHED_PROCESS the first is ignored, and
# the Python that an environment's own python.exe starts would open a window.
FLAGS = 0x08000200 if os.name == "nt" else 0
_POLL_SECONDS = 0.05
_END_SECONDS = 5.0


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started as a group of its own, with all that it has started."""
    if os.name == "nt":
        kill = ["taskkill", "/F", "/T", "/PID", str(process.pid)]
        subprocess.run(kill, capture_output=True, check=False, creationflags=FLAGS)
    else:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_END_SECONDS)


def run(
    command: Sequence[str],
    environment: Mapping[str, str],
    log: Path,
    stopped: Callable[[], bool],
    on_line: Callable[[str], None] = lambda line: None,
) -> tuple[int, str]:
    """Run a command; its exit code and output, which is appended to ``log``.

    ``on_line`` is given each line as it comes. Raises ``Cancelled`` once ``stopped()`` is true,
    when the command and its children are ended.
    """
    with log.open("ab") as output, log.open("rb") as reading:
        reading.seek(0, os.SEEK_END)
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            start_new_session=os.name != "nt",
            creationflags=FLAGS,
        )
        text, shown = b"", 0
        try:
            while True:
                code = process.poll()
                text += reading.read()
                *lines, _rest = text[shown:].replace(b"\r", b"\n").split(b"\n")
                for line in lines:
                    shown += len(line) + 1
                    on_line(line.decode("utf-8", "replace"))
                if code is not None:
                    return code, text.decode("utf-8", "replace")
                if stopped():
                    raise Cancelled(_("Cancelled; nothing was changed."))
                time.sleep(_POLL_SECONDS)
        finally:
            if process.poll() is None:
                end(process)
