"""Asks something of a throw-away process that may crash, hang or want all memory, and harm nobody.

``python -m shared_core.catalog.trust.confined MODULE MEMORY SECONDS`` is that process: restrained
first, it then imports MODULE and gives what MODULE's ``answer(request: dict) -> dict`` makes of the
one request it gets. Both are JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from ...bridge.errors import Cancelled, CouldNotBeDone, NssError
from ...bridge.language import _
from ...bridge.launch import scrubbed
from ...child import NO_WINDOW, Child, ChildDied
from ...speech import Speech
from . import restraints

_BELOW_NORMAL = 0x4000  # Windows
_MEBIBYTE = 1 << 20


class Ended(CouldNotBeDone):
    """The process ended without an answer.

    ``reason`` says how, short enough for a receipt; ``memory`` that it may have been for want of
    memory.
    """

    def __init__(self, what: str, reason: str, memory: bool = False) -> None:
        advice = (
            _("Close other programs, or use a smaller model.")
            if memory
            else _("The file is damaged or made to do harm: use another one.")
        )
        super().__init__(
            _(
                "The trial of {what} broke off ({reason}). {advice}",
                what=what,
                reason=reason,
                advice=advice,
            )
        )
        self.reason = reason
        self.memory = memory


def call(
    module: str,
    request: Mapping[str, Any],
    *,
    memory_bytes: int,
    seconds: float,
    cancelled: Callable[[], bool] = lambda: False,
    what: str = "the file",
) -> dict[str, Any]:
    """What ``module.answer(request)`` gives in a restrained process; it is gone afterwards.

    It may take ``memory_bytes`` of memory and ``seconds`` of time; it inherits no handle, sees an
    environment without tokens and proxies, can write no file, and ends with us. ``what`` names the
    file in the sentence. Raises ``Ended`` where it crashed, hung or wanted too much, ``Cancelled``
    at once when ``cancelled()`` turns true, and the ``NssError`` that the module raised.
    """
    import psutil  # type: ignore[import-untyped,unused-ignore]

    child = _Confined(module, memory_bytes, seconds)
    too_much = _("it needs more than {limit:,} MiB of memory", limit=memory_bytes // _MEBIBYTE)

    def limit() -> float:
        if cancelled():
            raise Cancelled(_("The trial was cancelled."))
        with contextlib.suppress(psutil.Error):
            if psutil.Process(child.pid).memory_info().rss > memory_bytes:
                raise Ended(what, too_much, memory=True)
        return seconds

    try:
        child.send(request)
        done = child.follow(lambda event: None, lambda: False, limit)
    except ChildDied as error:
        raise Ended(what, str(error), child.may_lack_memory()) from None
    except NssError as error:
        if getattr(error, "details", {}).get("memory"):
            raise Ended(what, too_much, memory=True) from None
        raise
    finally:
        child.end()
    reply: dict[str, Any] = done["reply"]
    return reply


class _Confined(Child):
    """The throw-away process: alone in its session, so that it is ended with all its children."""

    def __init__(self, module: str, memory_bytes: int, seconds: float) -> None:
        super().__init__(
            __name__,
            module,
            str(memory_bytes),
            str(seconds),
            env=scrubbed(os.environ),
            # A folder in which no stranger puts libraries.
            cwd=Path(sys.executable).parent,
            stderr=subprocess.DEVNULL,
            start_new_session=os.name != "nt",
            creationflags=NO_WINDOW | _BELOW_NORMAL if os.name == "nt" else 0,
        )

    def kill(self) -> None:
        """End the process and its children without asking."""
        # As long as nobody has waited for it, its number is its own and its group's.
        if os.name != "nt" and self._process.returncode is None:
            with contextlib.suppress(OSError):
                os.killpg(self._process.pid, signal.SIGKILL)
        super().kill()

    def end(self) -> None:
        """End it without asking, and wait for it."""
        self.kill()
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(5)

    def _how(self) -> str:
        # It has closed its output, so it is ending or has ended; its children might stay.
        self.kill()
        return super()._how()

    def may_lack_memory(self) -> bool:
        """Whether it ended as processes do that get no memory: of itself, or by the system."""
        return os.name != "nt" and self._process.poll() in (-signal.SIGABRT, -signal.SIGKILL)


def answered(module: str, request: Mapping[str, Any]) -> dict[str, Any]:
    """The event that tells what came of the request, once this process is restrained."""
    try:
        return {"event": "done", "reply": importlib.import_module(module).answer(request)}
    except NssError as error:
        memory = getattr(error, "out_of_memory", False)
        return {"event": "error", "code": error.code, "message": str(error), "memory": memory}
    except MemoryError:
        return {"event": "error", "code": CouldNotBeDone.code, "message": "", "memory": True}
    except Exception as error:
        text = _(
            "NSS made a mistake of its own in a trial ({kind}: {error}).",
            kind=type(error).__name__,
            error=error,
        )
        return {"event": "error", "code": CouldNotBeDone.code, "message": text}


def main() -> None:
    """Be the throw-away process."""
    module, memory_bytes, seconds = sys.argv[1:]
    restraints.take_on(int(memory_bytes), float(seconds))
    sys.dont_write_bytecode = True
    speech = Speech()
    speech.say(**answered(module, next(speech.requests())))
    # Whoever asked ends this process, and whatever it may have started with it.
    next(speech.requests())


if __name__ == "__main__":
    main()
