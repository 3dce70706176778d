"""What many tests need: shared pictures, a home of their own, a worker that ends with the test."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from shared_core.bridge import client, paths, wire
from tests.fakes.contract_models import write_catalogue
from tests.fakes.hub import Hub

ROOT = Path(__file__).resolve().parent.parent


def shared(kind: str) -> Path:
    """The folder of shared pictures or weights; skips the test where it is absent."""
    folder = Path(os.environ.get("NSS_SHARED", ROOT.parent / "shared")) / kind
    if not folder.is_dir():
        pytest.skip(f"{folder} is not here: set NSS_SHARED to the folder that holds {kind}/")
    return folder


@pytest.fixture(scope="session")
def images() -> Path:
    """Photographs for measurements, which are not part of the project."""
    return shared("images")


@dataclass
class Home:
    """A user's home for ``nss``: state below ``folder``, an environment for its commands.

    ``prefix`` is a command that runs them, such as one without a network.
    """

    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    prefix: tuple[str, ...] = ()

    def nss(self, *arguments: str | Path, ok: bool = True, timeout: float = 600) -> Any:
        """Run the command; the finished process, whose exit code must be 0 where ``ok``.

        No command may ever show a traceback.
        """
        done = subprocess.run(
            [*self.prefix, sys.executable, "-m", "shared_core.cli", *map(str, arguments)],
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=timeout,
            stdin=subprocess.DEVNULL,
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        if ok:
            assert done.returncode == 0, f"{arguments}: {done.stdout}\n{done.stderr}\n{self.log()}"
        return done

    def status(self) -> wire.StatusReply:
        """How the worker, which must run, stands; at once, where a command has to start first."""
        asking = client.Client(paths.paths(self.environment), "test", "0")
        try:
            assert asking.connect(start=False)
            return asking.ask(wire.AskStatus(), wire.StatusReply)
        finally:
            asking.close()

    def json(self, *arguments: str | Path) -> Any:
        """The command's JSON output."""
        return json.loads(self.nss(*arguments, "--json").stdout)

    @staticmethod
    def json_file(path: Path) -> Any:
        """What a JSON file holds."""
        return json.loads(path.read_text("utf-8"))

    def log(self) -> str:
        """What the worker wrote."""
        path = self.folder / "cache" / "worker.log"
        return path.read_text("utf-8", "replace") if path.exists() else ""


@dataclass
class Models:
    """A catalogue of contract models and the local hub that serves them."""

    home: Home
    hub: Any

    def get(self, *models: str) -> None:
        """Download, verify and try models as a user would."""
        for model in models:
            self.home.nss("models", "get", model)

    def file(self, model: str) -> Path:
        """A downloaded model's main file."""
        [found] = (self.home.folder / "data" / "models" / model).glob("*.onnx")
        return found


@contextlib.contextmanager
def a_home(folder: Path, shipped: bool = False) -> Iterator[Home]:
    """A fresh home below ``folder``, its worker ended at the end.

    No model can run there before it is downloaded, unless ``shipped``: then those that ship can.
    """
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("NSS_", "HF_"))}
    home = Home(folder / "ein Zuhause ü", environment)
    environment |= {"NSS_HOME": str(home.folder), "HF_HUB_OFFLINE": "1"}
    if not shipped:
        catalogue = folder / "nothing-ships"
        shutil.copytree(ROOT / "models", catalogue, ignore=shutil.ignore_patterns("compact"))
        environment["NSS_CARDS"] = str(catalogue)
    yield home
    home.nss("worker", "stop", ok=False)


@contextlib.contextmanager
def a_catalogue(home: Home, folder: Path) -> Iterator[Any]:
    """A function that gives ``home`` a catalogue of contract models, served by a local hub."""
    with contextlib.ExitStack() as stack:

        def make(variants: Any = None, **options: Any) -> Models:
            write_catalogue(folder / "cards", folder / "hub", variants, **options)
            hub = stack.enter_context(Hub(folder / "hub"))
            home.environment |= {
                "NSS_CARDS": str(folder / "cards"),
                "HF_ENDPOINT": hub.url,
                "HF_HUB_OFFLINE": "0",
            }
            return Models(home, hub)

        yield make


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    """A fresh home, its worker ended after the test."""
    with a_home(tmp_path) as made:
        yield made


@pytest.fixture
def models(home: Home, tmp_path: Path) -> Iterator[Any]:
    """Call it with ``variants`` of contract models: a catalogue of them, served by a local hub."""
    with a_catalogue(home, tmp_path) as make:
        yield make


@pytest.fixture(scope="module")
def shared_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """One home without models for all tests of a module, who leave it as it was."""
    with a_home(tmp_path_factory.mktemp("shared")) as made:
        yield made


@pytest.fixture(scope="module")
def fresh_home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    """A home as a user has it who has just installed NSS: nothing downloaded, some models ship."""
    with a_home(tmp_path_factory.mktemp("fresh"), shipped=True) as made:
        yield made


@pytest.fixture(scope="module")
def shared_models(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Models]:
    """One home for all tests of a module, with contract models on a local hub, none downloaded."""
    folder = tmp_path_factory.mktemp("models")
    with a_home(folder) as home, a_catalogue(home, folder) as make:
        yield make()
