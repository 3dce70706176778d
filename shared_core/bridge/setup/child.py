"""The set-up's own process: a request in, one line of JSON for each step out.

It ends, and leaves nothing half done, when its standard input ends: that is how an editor cancels,
and what happens when the editor is gone.
"""

from __future__ import annotations

import json
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .. import codec
from ..errors import Cancelled, NssError
from ..language import _, packed
from ..paths import Paths
from . import flow, locks
from .pythons import Python

INSTALL, REMOVE = "install", "remove"


@dataclass(frozen=True)
class Request:
    """What to do, with the folders of this user and everything that it takes, as JSON says it."""

    action: str
    config: str
    data: str
    cache: str
    runtime: str
    wheel: str
    program: str = ""
    version: str = ""
    platform: str = ""
    brings_pip: bool = True
    flavour: str = locks.CPU
    wheels: str = ""
    locks: str = str(locks.LOCKS)

    @property
    def paths(self) -> Paths:
        """The folders of this user."""
        return Paths(Path(self.config), Path(self.data), Path(self.cache), Path(self.runtime))

    def carry_out(self, tell: flow.Tell, stopped: flow.Stopped) -> str:
        """Do it; what was done, as a sentence."""
        if self.action == REMOVE:
            return flow.remove(self.paths, tell, stopped)
        major, minor = self.version.split(".")
        python = Python(self.program, (int(major), int(minor)), self.platform, self.brings_pip)
        parts = flow.Parts(Path(self.wheel), Path(self.locks))
        wheels = Path(self.wheels) if self.wheels else None
        return flow.install(self.paths, parts, python, self.flavour, wheels, tell, stopped)


def outcome(request: Request, tell: flow.Tell, stopped: flow.Stopped) -> dict[str, Any]:
    """Carry a request out; its last event."""
    try:
        return {"done": request.carry_out(tell, stopped)}
    except Cancelled:
        return {"failed": _("Cancelled; nothing was changed.")}
    except NssError as error:
        return {"failed": str(error)}
    except Exception as error:
        return {
            "failed": _(
                "The set-up made a mistake of its own ({kind}: {error}).",
                kind=type(error).__name__,
                error=error,
            )
        }


def main(text: str) -> None:
    """Carry out the request in ``text`` and tell of it on standard output."""
    request = codec.build(Request, json.loads(text))
    wish = threading.Event()

    def listen() -> None:
        while sys.stdin.buffer.read(1):
            pass
        wish.set()

    def say(event: dict[str, Any]) -> None:
        print(json.dumps(packed(event)), flush=True)

    threading.Thread(target=listen, daemon=True).start()
    say(outcome(request, lambda share, text: say({"share": share, "text": text}), wish.is_set))
