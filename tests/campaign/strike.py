"""Inside an editor's root: kills one of the worker's processes, and looks for what it leaves.

Stands alone, since the editors' scripts import it from where it is mounted. As a program it strikes
at a moment, so that no busy editor delays it, or has the worker forget its faults.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
# A little less than the minute after which nothing may be left.
CLEAN_SECONDS = 58.0


def orders() -> dict[str, Any]:
    """What the campaign wants: the worker's Python and modules, and the kills."""
    found: dict[str, Any] = json.loads((HERE / "orders.json").read_text("utf-8"))
    return found


def workers() -> list[tuple[str, int, int]]:
    """The worker's processes that live: which, its id, its parent's id."""
    modules = orders()["modules"]
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            words = (folder / "cmdline").read_text("utf-8", "replace").split("\0")
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            found += [
                (name, int(folder.name), parent)
                for name, module in modules.items()
                if module in words
            ]
    return found


def left(struck: list[int]) -> list[str]:
    """What should not be there: the struck, a runner without supervisor, doubles, pixel files."""
    found = workers()
    supervisors = {pid for name, pid, _ in found if name == "supervisor"}
    strays = [
        f"{name} {pid}"
        for name, pid, parent in found
        if pid in struck or (name == "runner" and parent not in supervisors)
    ]
    for which in ("supervisor", "runner"):
        strays += [f"{name} {pid}" for name, pid, _ in found if name == which][1:]
    return strays + pixel_files()


def pixel_files() -> list[str]:
    """The names of the pixel files that are here."""
    return [file.name for file in Path(os.environ["NSS_HOME"]).rglob("px-*")]


def begin(victim: str, moment: float) -> subprocess.Popen[str]:
    """A process that kills the victim at a moment of the monotonic clock."""
    return subprocess.Popen(
        [*_self(), victim, str(moment)], stdout=subprocess.PIPE, encoding="utf-8"
    )


def end(striker: subprocess.Popen[str]) -> dict[str, Any]:
    """Which processes it struck, and when it did."""
    found: dict[str, Any] = json.loads(striker.communicate()[0])
    return found


def forget() -> None:
    """Have the worker forget all faults, as after the user's “try again”."""
    subprocess.run([*_self(), "forget"], check=True)


def stop() -> list[str]:
    """End the worker in good order; what is left of it after a while."""
    subprocess.run([orders()["nss"], "worker", "stop"], check=False, stdout=subprocess.DEVNULL)
    deadline = time.monotonic() + CLEAN_SECONDS
    while (remains := [*map(str, workers()), *pixel_files()]) and time.monotonic() < deadline:
        time.sleep(0.1)
    return remains


def _self() -> list[str]:
    # An editor's own interpreter may have no program that could be started.
    return [orders()["python"], "-I", "-B", __file__]


def _strike(victim: str, moment: float) -> None:
    time.sleep(max(0.0, moment - time.monotonic()))
    struck = []
    for name, pid, _ in workers():
        if name == victim:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
                struck.append(pid)
    sys.stdout.write(json.dumps({"struck": struck, "moment": time.monotonic()}))


def _forget() -> None:
    from shared_core.bridge import wire  # noqa: PLC0415
    from shared_core.bridge.client import Client  # noqa: PLC0415
    from shared_core.bridge.paths import paths  # noqa: PLC0415

    client = Client(paths(), "campaign", "1", orders()["python"])
    client.ask(wire.TryAgain(), wire.Done)
    client.close()


if __name__ == "__main__":
    if sys.argv[1] == "forget":
        _forget()
    else:
        _strike(sys.argv[1], float(sys.argv[2]))
