"""The Python environment that a worker inside a test editor runs in.

Dependencies lie in a base environment that is made once; each use gets a thin environment of its
own beside it, with the freshly installed package and a path file that leads to the base.
"""

from __future__ import annotations

import configparser
import contextlib
import fcntl
import hashlib
import os
import shutil
import tempfile
import time
import zipfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from email.parser import Parser
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

import tomllib
from roots import Root, RootError, temporary_profile

INSIDE = "/opt/nss-venvs"
_SOURCE = "/opt/nss-source"
_READY = "nss-ready"


@dataclass(frozen=True)
class WorkerVenv:
    """`python` is the interpreter's path inside the root; `folder` the environment out here."""

    python: str
    folder: Path

    @property
    def nss(self) -> str:
        """The command line's path inside the root."""
        return self.python.removesuffix("python") + "nss"


@contextlib.contextmanager
def worker_venv(
    root: Root, folder: Path, source: Path, constraints: Path | None
) -> Iterator[WorkerVenv]:
    """See Editor.worker_venv; `folder` out here is /opt/nss-venvs inside.

    Raises RootError with pip's own words where an install fails.
    """
    base = _base(root, folder, requirements(source), constraints)
    thin = Path(tempfile.mkdtemp(prefix="use-", dir=folder))
    try:
        inside = f"{INSIDE}/{thin.name}"
        _do(root, folder, ["python3", "-m", "venv", "--without-pip", inside], {})
        (packages,) = (base / "lib").glob("python3.*/site-packages")
        path_file = thin / packages.relative_to(base) / "nss-base.pth"
        path_file.write_text(f"{INSIDE}/{packages.relative_to(folder)}\n", encoding="utf-8")
        pip = [f"{INSIDE}/{base.name}/bin/python", "-m", "pip", "--python", f"{inside}/bin/python"]
        shown = f"{_SOURCE}/{source.name}" if source.is_file() else _SOURCE
        _do(root, folder, [*pip, "install", "--no-deps", shown], {source: shown})
        yield WorkerVenv(f"{inside}/bin/python", thin)
    finally:
        shutil.rmtree(thin, ignore_errors=True)


def requirements(source: Path) -> list[str]:
    """The dependencies that a wheel's metadata or a checkout's pyproject.toml declares."""
    if source.is_dir():
        with (source / "pyproject.toml").open("rb") as file:
            return list(tomllib.load(file)["project"].get("dependencies", []))
    with zipfile.ZipFile(source) as wheel:
        name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = Parser().parsestr(wheel.read(name).decode("utf-8"))
    declared = metadata.get_all("Requires-Dist") or []
    return [line for line in declared if "extra ==" not in line.partition(";")[2]]


def _base(root: Root, folder: Path, wanted: list[str], constraints: Path | None) -> Path:
    text = constraints.read_text(encoding="utf-8") if constraints else ""
    key = hashlib.sha256("\n".join([*sorted(wanted), "--", text]).encode()).hexdigest()[:16]
    base = folder / f"base-{key}"
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if (base / _READY).exists():
            (base / _READY).touch()
            return base
        _drop_unused(folder)
        shutil.rmtree(base, ignore_errors=True)
        inside = f"{INSIDE}/{base.name}"
        _do(root, folder, ["python3", "-m", "venv", inside], {})
        (base / "requirements.txt").write_text("\n".join(wanted), encoding="utf-8")
        (base / "constraints.txt").write_text(text, encoding="utf-8")
        install = [f"{inside}/bin/python", "-m", "pip", "install"]
        install += ["-r", f"{inside}/requirements.txt", "-c", f"{inside}/constraints.txt"]
        _do(root, folder, install, {})
        (base / _READY).touch()
    return base


def _drop_unused(folder: Path) -> None:
    """Deletes base environments (some 400 MB each) that nothing has used for two weeks."""
    for ready in folder.glob(f"base-*/{_READY}"):
        if time.time() - ready.stat().st_mtime > 14 * 24 * 3600:
            shutil.rmtree(ready.parent, ignore_errors=True)


def _do(root: Root, folder: Path, argv: list[str], readonly: Mapping[Path, str]) -> None:
    environment, packages = pip_settings()
    with temporary_profile(root.scratch) as profile:
        done = root.start(
            argv,
            profile=profile,
            binds={folder: INSIDE},
            readonly={**packages, **readonly},
            env=environment,
        ).wait(1800)
    if done.returncode:
        words = (done.stdout + done.stderr).strip()
        raise RootError(f"{' '.join(argv)} failed inside {root.folder}:\n{words}")


def pip_settings() -> tuple[dict[str, str], dict[Path, str]]:
    """This machine's pip settings as variables, and the local folders that they name.

    pip itself applies its files in the same order, each overriding the one before.
    """
    home = Path.home()
    files = [Path("/etc/pip.conf"), home / ".pip/pip.conf", home / ".config/pip/pip.conf"]
    if chosen := os.environ.get("PIP_CONFIG_FILE"):
        files.append(Path(chosen))
    settings: dict[str, str] = {}
    for file in files:
        if not file.is_file():
            continue
        parser = configparser.RawConfigParser()
        parser.read(file, encoding="utf-8")
        for section in ("global", "install"):
            if parser.has_section(section):
                settings |= {key.replace("_", "-"): value for key, value in parser.items(section)}
    for key, value in os.environ.items():
        if key.startswith("PIP_") and key != "PIP_CONFIG_FILE":
            settings[key.removeprefix("PIP_").lower().replace("_", "-")] = value
    environment = {
        key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")
    }
    folders: dict[Path, str] = {}
    for key in ("index-url", "extra-index-url", "find-links", "no-index", "trusted-host", "proxy"):
        if value := settings.get(key):
            environment["PIP_" + key.upper().replace("-", "_")] = " ".join(value.split())
            for word in value.split():
                local = url2pathname(urlsplit(word).path) if word.startswith("file:") else word
                if local.startswith("/") and Path(local).is_dir():
                    # A local index links to files beside itself.
                    shown = Path(local).parent if key.endswith("index-url") else Path(local)
                    folders[shown] = str(shown)
    if Path("/etc/ssl/certs/ca-certificates.crt").exists():
        environment["PIP_CERT"] = "/etc/ssl/certs/ca-certificates.crt"
    environment["PIP_DISABLE_PIP_VERSION_CHECK"] = "1"
    environment["PIP_ROOT_USER_ACTION"] = "ignore"
    return environment, folders
