"""Where everything lives on disk: settings, models, journal, runtime folder, logs.

``NSS_HOME`` moves all of it below one folder; without it the platform's usual places are used.
"""

from __future__ import annotations

import os
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path

from .language import _

try:
    from ._vendor import appdirs  # type: ignore[import-not-found,unused-ignore]
except ImportError:
    import appdirs

from . import settings
from .errors import CouldNotBeDone

APP = "nss"
# A Unix socket's path may hold 108 bytes on Linux and 104 on macOS.
SOCKET_PATH_LIMIT = 100


@dataclass(frozen=True)
class Paths:
    """The folders of one user's NSS. None of them is created by naming it."""

    config: Path
    data: Path
    cache: Path
    runtime: Path

    @property
    def settings(self) -> Path:
        """The user's settings, JSON."""
        return self.config / "settings.json"

    @property
    def worker_python(self) -> Path:
        """Which Python runs the worker, JSON written by the installer."""
        return self.config / "worker.json"

    @property
    def models(self) -> Path:
        """Downloaded model files, one folder per model id: where the user's settings say."""
        chosen = settings.load(self.settings).models_folder
        return Path(chosen) if chosen else self.usual_models

    @property
    def usual_models(self) -> Path:
        """Where models are unless the user chose another folder."""
        return self.data / "models"

    @property
    def journal(self) -> Path:
        """What the worker remembers of crashes and speeds, JSON."""
        return self.data / "journal.json"

    @property
    def profile(self) -> Path:
        """The cached measurement of this machine, JSON."""
        return self.cache / "profile.json"

    @property
    def log(self) -> Path:
        """The worker's log."""
        return self.cache / "worker.log"

    @property
    def overflow(self) -> Path:
        """Where pixel files go when the runtime folder lacks room."""
        return self.cache / "pixels"


def paths(environ: os._Environ[str] | dict[str, str] | None = None) -> Paths:
    """The folders for this user, from ``NSS_HOME`` or the platform's conventions."""
    env = os.environ if environ is None else environ
    home = env.get("NSS_HOME")
    if home:
        root = Path(home).expanduser().absolute()
        return Paths(root / "config", root / "data", root / "cache", root / "run")
    cache = Path(appdirs.user_cache_dir(APP, appauthor=False))
    runtime = env.get("XDG_RUNTIME_DIR")
    return Paths(
        config=Path(appdirs.user_config_dir(APP, appauthor=False)),
        data=Path(appdirs.user_data_dir(APP, appauthor=False)),
        cache=cache,
        runtime=Path(runtime) / APP if runtime and Path(runtime).is_dir() else cache / "run",
    )


def private_folder(folder: Path) -> Path:
    """Make ``folder`` (mode 0700) and check that it is ours and no symbolic link.

    Raises ``CouldNotBeDone`` when it cannot be made or belongs to somebody else.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        info = folder.lstat()
    except OSError as error:
        raise CouldNotBeDone(
            _(
                "The folder {folder} cannot be made ({reason}). Free some space or correct its "
                "permissions, or set NSS_HOME to a folder of your own.",
                folder=folder,
                reason=error.strerror or error,
            )
        ) from error
    if not stat.S_ISDIR(info.st_mode):
        raise CouldNotBeDone(
            _("{folder} is not a folder. Move it away and try again.", folder=folder)
        )
    if hasattr(os, "getuid"):
        if info.st_uid != os.getuid():
            raise CouldNotBeDone(
                _(
                    "The folder {folder} belongs to another user, so pixels are not put there. "
                    "Move it away or set NSS_HOME to a folder of your own.",
                    folder=folder,
                )
            )
        if stat.S_IMODE(info.st_mode) & 0o077:
            os.chmod(folder, 0o700)
    return folder


def socket_address(runtime: Path, protocol: int) -> str:
    """Address of the worker's socket; the protocol version is part of the name.

    On Windows a named pipe, elsewhere a Unix socket in ``runtime`` or, where that path would be
    too long for a socket, in a private folder of the temporary directory.
    """
    import hashlib

    tag = hashlib.sha256(str(runtime).encode("utf-8", "surrogateescape")).hexdigest()[:16]
    if os.name == "nt":
        return rf"\\.\pipe\nss-{protocol}-{tag}"
    name = f"worker-{protocol}.sock"
    direct = runtime / name
    if len(os.fsencode(direct)) < SOCKET_PATH_LIMIT:
        return str(direct)
    short = Path(tempfile.gettempdir()) / f"nss-{os.getuid()}-{tag}"
    return str(private_folder(short) / name)
