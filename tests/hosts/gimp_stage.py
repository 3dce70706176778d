"""What a start of the real GIMP needs: the built plug-in, a worker, a catalogue and its hub."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import plugged
import pytest
from editors import Editor, built
from gimp_pictures import make_pictures
from roots import Profile, RootError, require_root

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fakes"))

import contract_models  # noqa: E402
from hub import Hub  # noqa: E402

EDITOR = os.environ.get("NSS_TEST_GIMP", "debian13")
SCRIPTS = Path(__file__).parent / "gimp_scripts"
HOME = "/home/nss/nss"


@dataclass(frozen=True)
class Stage:
    """Everything a start of GIMP needs."""

    editor: Editor
    folder: Path
    archive: Path
    python: str

    def profile(self, name: str) -> Profile:
        """A fresh user with the plug-in installed by the project's own installer."""
        profile = self.editor.profile(self.folder / name)
        config = self.editor.gimp_plug_ins(profile).parent
        plugged.into_gimp(self.archive, config, profile.home / "nss")
        if self.python:
            plugged.name_worker(profile.home / "nss", self.python)
        (self.folder / f"{name}-out").mkdir()
        return profile

    @contextlib.contextmanager
    def mounts(
        self, name: str, seconds: float, variants: Any, **more: Any
    ) -> Iterator[dict[str, Any]]:
        """A catalogue of contract models and the hub that serves them, as options of a run.

        With ``more``, which goes to the catalogue, the hub is among them, to be taken out.
        """
        catalogue = self.folder / f"{name}-catalogue"
        contract_models.write_catalogue(
            catalogue / "cards",
            catalogue / "hub",
            variants,
            seconds=seconds,
            gflop_per_megapixel=dict.fromkeys(variants, 0.1),
            **more,
        )
        with Hub(catalogue / "hub") as hub:
            yield {
                **({"hub": hub} if more else {}),
                "profile": self.profile(name),
                "binds": {self.folder / f"{name}-out": "/out"},
                "readonly": {
                    catalogue / "cards": "/cards",
                    self.folder / "pictures": "/pictures",
                    SCRIPTS: "/scripts",
                },
                "env": {
                    "NSS_HOME": HOME,
                    "NSS_CARDS": "/cards",
                    "HF_ENDPOINT": hub.url,
                    "PYTHONDONTWRITEBYTECODE": "1",
                },
            }

    def fresh(self, name: str) -> dict[str, Any]:
        """The options of a run for a user who has just installed NSS and is offline."""
        return {
            "profile": self.profile(name),
            "binds": {self.folder / f"{name}-out": "/out"},
            "readonly": {self.folder / "pictures": "/pictures", SCRIPTS: "/scripts"},
            # Nobody listens there.
            "env": {
                "NSS_HOME": HOME,
                "HF_ENDPOINT": "http://127.0.0.1:9",
                "PYTHONDONTWRITEBYTECODE": "1",
            },
        }

    def batch(self, name: str) -> list[str]:
        """The arguments that have GIMP run a script and quit."""
        code = (
            "import runpy, sys; sys.path.insert(0, '/scripts'); "
            f"runpy.run_path('/scripts/{name}.py')"
        )
        return ["--batch-interpreter=python-fu-eval", "-b", code, "--quit"]

    def run(self, name: str, seconds: float = 3.0, **variants: Any) -> Run:
        """One start of GIMP's console; what the script noted, and how GIMP ended."""
        with self.mounts(name, seconds, variants) as options:
            done = self.editor.run(
                [self.editor.gimp_console, "-i", *self.batch(name)], timeout=400, **options
            )
        return Run(self.folder / f"{name}-out", done, options["profile"])


@dataclass(frozen=True)
class Run:
    """A finished start of GIMP."""

    out: Path
    done: Any
    profile: Profile

    @property
    def found(self) -> Any:
        """The script's notes."""
        file = self.out / "found.json"
        assert file.exists(), self.done.stdout + self.done.stderr
        return json.loads(file.read_text("utf-8"))

    def read(self, name: str) -> bytes:
        """Bytes that the script wrote."""
        return (self.out / name).read_bytes()


@contextlib.contextmanager
def a_stage(folder: Path, worker: bool = True, editor: Editor | None = None) -> Iterator[Stage]:
    """The built plug-in and a worker's environment inside ``editor``, below ``folder``.

    Without ``worker`` no tool can run. Skips where there is no editor.
    """
    try:
        require_root()
    except RootError as error:
        pytest.skip(str(error))
    editor = editor or built(EDITOR)
    if editor is None:
        pytest.skip(f"the test editor {EDITOR} is not built; make test-hosts builds it")
    make_pictures(folder / "pictures")
    archive = folder / "dist" / "nss_gimp.zip"
    wheel = plugged.build(folder / "dist")
    if not worker:
        yield Stage(editor, folder, archive, "")
        return
    with editor.worker_venv(wheel, ROOT / "constraints.txt") as venv:
        yield Stage(editor, folder, archive, venv.python)
