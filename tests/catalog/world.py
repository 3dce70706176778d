"""A user who downloads from a local hub, by the real download process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared_core.bridge.language import unpacked
from shared_core.bridge.paths import paths
from shared_core.catalog import cards
from shared_core.catalog.cards import Card
from shared_core.catalog.store import Store
from tests.conftest import ROOT
from tests.fakes.contract_models import NAFNET
from tests.fakes.hub import Hub

Event = dict[str, Any]


@dataclass
class World:
    """One user's home, a catalogue in ``folder/cards`` and the hub that serves it.

    ``extra`` is added to the environment of the download process.
    """

    folder: Path
    hub: Hub
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def home(self) -> Path:
        return self.folder / "home"

    @property
    def store(self) -> Store:
        return Store(paths({"NSS_HOME": str(self.home)}))

    @property
    def cards(self) -> Mapping[str, Card]:
        return cards.load(self.folder / "cards")

    @property
    def environment(self) -> dict[str, str]:
        return {
            **plain_environment(),
            "NSS_HOME": str(self.home),
            "NSS_CARDS": str(self.folder / "cards"),
            "HF_HOME": str(self.folder / "hf"),
            "HF_ENDPOINT": self.hub.url,
            "HF_HUB_DOWNLOAD_TIMEOUT": "20",
            "HF_HUB_ETAG_TIMEOUT": "20",
            "NSS_BACKOFF_SECONDS": "0.05",
            **self.extra,
        }

    def start(self, model: str = NAFNET, *options: str, **more: Any) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "shared_core.catalog.fetch", model, *options],
            cwd=ROOT,
            env=self.environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            **more,
        )

    def fetch(self, model: str = NAFNET, *options: str, **more: Any) -> tuple[list[Event], int]:
        return finish(self.start(model, *options, **more))

    def part(self, model: str = NAFNET) -> Path:
        """The .part of the model's last file, which holds the padding."""
        sha256 = self.cards[model].files[-1].sha256
        return self.home / "data/models/.staging" / f"{sha256}.part"


def plain_environment() -> dict[str, str]:
    """This process's environment without what would change where downloads go."""
    return {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("HF_", "NSS_")) and not name.lower().endswith("_proxy")
    }


def finish(child: subprocess.Popen[str]) -> tuple[list[Event], int]:
    """All events and the exit status; the child's stdin stays open until it ends by itself."""
    assert child.stdout is not None and child.stdin is not None and child.stderr is not None
    events = [unpacked(json.loads(line)) for line in child.stdout]
    errors = child.stderr.read()
    status = child.wait(120)
    child.stdin.close()
    assert events, errors
    return events, status


def wait_for(condition: Callable[[], bool], seconds: float = 120) -> None:
    """Wait until ``condition()`` holds."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.02)


def stages(events: list[Event]) -> list[str]:
    """The stages that a download told, in their order."""
    return [str(e["stage"]) for e in events if e["event"] == "stage"]


def message(events: list[Event]) -> str:
    """The sentence that a download ended with."""
    assert events[-1]["event"] == "error", events[-1]
    return str(events[-1]["message"])
