"""What a trial may do to its process, for ``confined.call``: each word of a request is one act."""

from __future__ import annotations

import ctypes
import mmap
import os
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from shared_core.bridge.errors import UsageError


def answer(request: Mapping[str, Any]) -> dict[str, Any]:
    """Do what ``request["act"]`` says."""
    act = request["act"]
    if act == "echo":
        return {"said": request["text"]}
    if act == "look":
        return {
            "environment": dict(os.environ),
            "handles": _handles(),
            "folder": os.getcwd(),
            "niceness": os.nice(0),
            "parent": os.getppid(),
        }
    if act == "raise":
        raise UsageError("That is no model.")
    if act == "mistake":
        raise KeyError("a mistake")
    if act == "print":
        os.write(1, b'{"event": "done", "reply": {"forged": true}}\n')
        sys.stdout.write("noise\n")
        return {"forged": False}
    if act == "read":
        # Not to wait for the writer of a pipe.
        handle = os.open(request["file"], os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
        return {"size": len(os.read(handle, 1 << 20))}
    if act == "write":
        Path(request["file"]).write_bytes(b"x" * 10)
    elif act == "crash":
        ctypes.string_at(0)
    elif act == "hang":
        time.sleep(3600)
    elif act == "spin":
        while True:
            pass
    elif act == "memory":
        kept = bytearray(request["bytes"])
        kept[:: mmap.PAGESIZE] = b"x" * len(kept[:: mmap.PAGESIZE])
    elif act == "shared memory":
        # Counts as nobody's own, so that no limit of the system's meets it.
        kept_map = mmap.mmap(-1, request["bytes"])
        for at in range(0, request["bytes"], mmap.PAGESIZE):
            kept_map[at] = 1
        time.sleep(60)
    elif act == "children":
        child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(3600)"])
        if request["stay"]:
            time.sleep(3600)
        return {"child": child.pid}
    return {}


def _handles() -> list[str]:
    """Where this process's open handles lead (Linux)."""
    found = []
    for name in os.listdir("/proc/self/fd"):
        try:
            found.append(os.readlink(f"/proc/self/fd/{name}"))
        except OSError:
            continue
    return found
