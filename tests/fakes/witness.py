"""A Python that writes down every use of the network, in itself and in all that it starts.

``witness(folder)`` makes an environment whose interpreter installs an audit hook before anything
else; it sees all that is done through Python's sockets, also under ``-E -P``, which is how workers
are started. What a library in another language does it does not see: the kernel's own counters,
``namespaces.counted``, do.
"""

from __future__ import annotations

import json
import subprocess
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
_HOOK = """
import json, os, sys

def note(event, arguments):
    if event not in EVENTS:
        return
    if event.startswith("socket.get"):
        address = arguments[0]
    else:
        address = arguments[1]
        if not isinstance(address, tuple):
            return
        address = address[0]
    line = json.dumps({"event": event, "host": str(address), "command": " ".join(sys.orig_argv)})
    descriptor = os.open(FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(descriptor, line.encode() + b"\\n")
    os.close(descriptor)

EVENTS = ("socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo",
          "socket.gethostbyname", "socket.gethostbyaddr", "socket.getnameinfo")
sys.addaudithook(note)
"""


@dataclass(frozen=True)
class Witness:
    """The interpreter, and the file that its uses of the network are written to."""

    python: Path
    file: Path

    def seen(self) -> list[dict[str, Any]]:
        """All uses of the network beyond this machine's own sockets without a network."""
        if not self.file.exists():
            return []
        return [json.loads(line) for line in self.file.read_text("utf-8").splitlines()]


def witness(folder: Path) -> Witness:
    """Make the environment below ``folder``."""
    subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", "--symlinks", str(folder / "venv")],
        check=True,
    )
    file = folder / "seen.jsonl"
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    site = folder / "venv" / "lib" / version / "site-packages"
    (site / "sitecustomize.py").write_text(f"FILE = {str(file)!r}\n{_HOOK}", "utf-8")
    paths = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib"), str(ROOT)}
    (site / "real.pth").write_text("\n".join(sorted(paths)) + "\n", "utf-8")
    return Witness(folder / "venv" / "bin" / "python", file)
