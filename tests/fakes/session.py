"""A whole session of NSS in a network namespace of its own, and every use of the network in it.

``python -m tests.fakes.session FOLDER``, run by ``unshare -n``: prints as JSON what the audit hook
saw and what the kernel counted in each phase, and the product's own account of it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from tests.fakes.contract_models import SCUNET, write_catalogue
from tests.fakes.hub import Hub
from tests.fakes.namespaces import counted, loopback_up
from tests.fakes.witness import Witness, witness


class Session:
    """A user's commands by the witness' interpreter, in phases."""

    def __init__(self, folder: Path, hub: Hub) -> None:
        self._witness: Witness = witness(folder)
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("NSS_", "HF_"))}
        self._environment = {
            **{k: v for k, v in kept.items() if not k.lower().endswith("_proxy")},
            "NSS_HOME": str(folder / "home"),
            "NSS_CARDS": str(folder / "cards"),
            "HF_ENDPOINT": hub.url,
        }
        self.phases: dict[str, Any] = {}
        self._said: list[str] = []
        self._before = counted()
        self._seen = 0

    def nss(self, *arguments: str | Path) -> str:
        """Run a command to its end."""
        done = subprocess.run(
            [str(self._witness.python), "-m", "shared_core.cli", *map(str, arguments)],
            env=self._environment,
            capture_output=True,
            text=True,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"{arguments}: {done.stdout}{done.stderr}")
        self._said.append(done.stdout)
        return done.stdout

    def end_phase(self, name: str) -> None:
        """What was seen and counted since the last phase."""
        now, seen = counted(), self._witness.seen()
        self.phases[name] = {
            "seen": seen[self._seen :],
            "counted": {key: now[key] - self._before[key] for key in now},
            "said": self._said,
        }
        self._before, self._seen, self._said = now, len(seen), []


def main() -> None:
    """Without consent; with it; and afterwards."""
    folder = Path(sys.argv[1])
    loopback_up()
    write_catalogue(folder / "cards", folder / "hub", models=[SCUNET])
    picture, out = folder / "picture.png", folder / "out.png"
    cv2.imwrite(str(picture), np.random.default_rng(1).integers(0, 255, (64, 64, 3), np.uint8))
    with Hub(folder / "hub") as hub:
        session = Session(folder, hub)
        session.nss("doctor")
        session.nss("tools")
        session.nss("models", "list")
        session.nss("models", "show", SCUNET)
        session.nss("plan", "denoise", picture)
        session.nss("run", "denoise", picture, "-o", out)
        session.nss("doctor", "--privacy")
        session.end_phase("without consent")
        session.nss("run", "denoise", picture, "-o", out, "--yes")
        session.end_phase("with consent")
        session.nss("run", "denoise", picture, "-o", out, "--path", "real")
        session.nss("models", "verify", SCUNET)
        session.nss("doctor", "--privacy")
        session.end_phase("afterwards")
        account = json.loads(session.nss("doctor", "--privacy", "--json"))
        session.nss("worker", "stop")
        requests = [request.path for request in hub.requests]
    json.dump({"phases": session.phases, "account": account, "requests": requests}, sys.stdout)


if __name__ == "__main__":
    main()
